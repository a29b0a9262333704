/*
 * cluster/charter: the paper by which a node becomes a member: the cluster's id, and who is in it by name, id and disk.
 *
 * The *founding* charter is the document at index 1 of term 1; every member keeps it for as long as it lives, so that any can give it to a node
 * that was named in it and has not had it yet. A *welcome* is written later for a node that was added by consensus: it gives an identity
 * only, and the node waits for the leader's snapshot.
 */
#pragma once

#include "cluster/member.h"

enum { CHARTER_MAX = 8192 }; /* bytes of an encoded one */

struct charter {
    uint64_t cluster;
    bool welcome;
    uint32_t count;
    struct member members[CLUSTER_NODES_MAX]; /* by rising id; ids and names differ */
};

void charter_encode(struct buf *out, const struct charter *charter);
/* The whole of `bytes` is one well-formed charter. */
MUST_USE bool charter_decode(struct bytes bytes, struct charter *charter);
/* NULL: it names no such disk. */
const struct member *charter_find_disk(const struct charter *charter, uint64_t disk);
const struct member *charter_find_name(const struct charter *charter, const char *name);
