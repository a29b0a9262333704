/*
 * The newest facts of this node, in memory: a ring. Sequences rise in it, with gaps where a fact never came to the disk.
 */
#pragma once

#include "topology/fact.h"

struct recent {
    struct fact *facts; /* owned; memory is touched only as it is used */
    uint32_t cap, count, next;
};

MUST_USE bool recent_init(struct recent *recent, uint32_t cap); /* false: no memory */
void recent_fini(struct recent *recent);
void recent_add(struct recent *recent,
                const struct fact *fact); /* the oldest goes when it is full */
/* The nth oldest, from 0; n < count. */
const struct fact *recent_at(const struct recent *recent, uint32_t n);
/* How many of the oldest have a sequence of at most this. */
uint32_t recent_until(const struct recent *recent, uint64_t sequence);
