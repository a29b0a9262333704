/*
 * Hello: the first frame in each direction. Says who speaks, to whom, for which cluster and in which versions. Pure.
 *
 *    version low 2, version high 2, flags 2, then cluster, node, to: each a length of one byte and so many bytes; then the rest is the owner's.
 *
 * Flags that are not known are ignored; fields may be added behind a flag only.
 */
#pragma once

#include "base/buf.h"
#include "peer/peer.h"

enum {
    HELLO_CONTINUES = 1u << 0, /* this connection takes over from one that is up */
    HELLO_BYTES_MAX = 6 + 3 * PEER_NAME_MAX + PEER_HELLO_MAX,
};

struct hello {
    uint16_t low, high, flags;
    char cluster[PEER_NAME_MAX], node[PEER_NAME_MAX], to[PEER_NAME_MAX];
    struct bytes owner; /* in the bytes that were read */
};

void hello_write(struct buf *out, const struct hello *hello);
/* False: malformed, and *why is a static sentence. */
MUST_USE bool hello_read(struct bytes bytes, struct hello *hello, const char **why);

/* What two hellos come to: the agreed version, or 0 and a sentence that both ends understand. `theirs` says it calls itself by what its certificate, when there is
 * one, bears out: `proved` is that name, or "" when nothing was proved. */
uint16_t hello_agree(const struct hello *ours, const struct hello *theirs, const char *proved,
                     char sentence[PEER_SENTENCE_MAX]);
