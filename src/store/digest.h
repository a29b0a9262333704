/*
 * digest: what members compare of their states, the same on every machine. Pure. Sums, so that the order in which things came, and where they stand in a table, do not matter: what an element
 * gives is added when it comes and taken away when it goes. No defence against somebody who wants two states to look alike.
 */
#pragma once

#include "base/bytes.h"

#include <stdint.h>

/* Of a collection: the sum over its elements, and how many bytes they are as value_write has them. */
struct tally {
    uint64_t digest, bytes;
};

static inline void tally_in(struct tally *tally, uint64_t digest, size_t bytes)
{
    tally->digest += digest;
    tally->bytes += bytes;
}

static inline void tally_out(struct tally *tally, uint64_t digest, size_t bytes)
{
    tally->digest -= digest;
    tally->bytes -= bytes;
}

uint64_t digest_bytes(struct bytes bytes);
uint64_t digest_pair(uint64_t a, uint64_t b);
uint64_t digest_named(struct bytes name, struct bytes value);
uint64_t digest_scored(struct bytes member, double score);
/* Of a long text, of the blocks that bytes `from` to `to` (not included) are in; all of its blocks together are the text's. */
uint64_t digest_blocks(struct bytes text, size_t from, size_t to);
