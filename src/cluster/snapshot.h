/*
 * cluster/snapshot: what a snapshot holds, as bytes: a place in the log, the members that consensus counts there, and the document.
 *
 * Pure. Whether the bytes are whole is for the file's checksum and the frames'; what they say is checked here.
 */
#pragma once

#include "cluster/document.h"
#include "consensus/raft.h"

enum { SNAPSHOT_BYTES_MAX = CLUSTER_SNAPSHOT_MAX + 512 };

struct snapshot {
    uint64_t index, term;
    struct raft_config config;
};

void snapshot_encode(struct buf *out, const struct snapshot *snapshot,
                     const struct document *document);
/* False: why is in `err`, and *document is not to be used. */
MUST_USE bool snapshot_decode(struct bytes bytes, struct snapshot *snapshot,
                              struct document *document, struct err *err);
