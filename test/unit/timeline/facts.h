/*
 * Facts for tests, and buffers of them.
 */
#pragma once

#include "base/buf.h"
#include "topology/fact.h"

#include <string.h>

static inline struct fact fact_of(const char *node, uint64_t sequence, int64_t wall_ms)
{
    struct fact fact;

    fact_init(&fact, FACT_LINK_UP, SUBJECT_NODE, "other");
    fact.at.wall_ms = wall_ms;
    fact.origin = 7;
    fact.sequence = sequence;
    strcpy(fact.node, node);
    return fact;
}

static inline void add_fact(struct buf *out, const char *node, uint64_t sequence, int64_t wall_ms)
{
    struct fact fact = fact_of(node, sequence, wall_ms);

    fact_encode(&fact, out);
}
