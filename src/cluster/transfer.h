/*
 * cluster/transfer: the frames in which a snapshot moves from node to node (FETCH and CHUNK), those of an opaque request and its answer, and the putting
 * together of what was fetched.
 *
 * Pure. It never keeps more than SNAPSHOT_BYTES_MAX, and never puts parts of two snapshots together.
 */
#pragma once

#include "cluster/snapshot.h"

/* Bits above a number are left to the asked node, which tells by them who asked. */
enum { REQUEST_SPARE_BITS = 8 };
#define REQUEST_NUMBER_MAX (UINT64_MAX >> REQUEST_SPARE_BITS)

/* From here on, of this snapshot or a later one. */
struct fetch {
    uint64_t index;
    uint32_t offset;
};

struct part {
    uint64_t index, term;
    uint32_t total, offset; /* bytes of the snapshot; where these begin */
    struct bytes bytes;     /* of a decoded part: a view of the message */
};

struct request {
    uint64_t number;    /* the answer carries it; at most REQUEST_NUMBER_MAX */
    struct bytes bytes; /* as above */
};

void fetch_encode(struct buf *out, const struct fetch *fetch);
MUST_USE bool fetch_decode(struct bytes bytes, struct fetch *fetch);
void part_encode(struct buf *out, const struct part *part);
MUST_USE bool part_decode(struct bytes bytes, struct part *part);
void request_encode(struct buf *out, const struct request *request);
MUST_USE bool request_decode(struct bytes bytes, struct request *request);

/* What has come of a snapshot so far. */
struct transfer {
    uint64_t index,
        term; /* of the one that comes; before its first part, the least index that serves */
    uint32_t total;
    struct buf bytes;
};

enum transfer_result {
    TRANSFER_IGNORED, /* not the part that was asked for */
    TRANSFER_MORE,
    TRANSFER_WHOLE,
    TRANSFER_BROKEN, /* this one cannot be finished */
};

void transfer_init(struct transfer *transfer, uint64_t index, uint64_t term);
void transfer_fini(struct transfer *transfer);
enum transfer_result transfer_take(struct transfer *transfer, const struct part *part);
