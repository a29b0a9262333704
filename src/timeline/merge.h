/*
 * Facts of several nodes as one list. Pure.
 *
 * Every input is one node's, in the order of its timeline. The list keeps each node's order, goes by (moment, node, origin, sequence) between nodes, and
 * names no fact twice. Hybrid logical moments put a cause before its effect on another node. The order in which inputs are given does not matter.
 */
#pragma once

#include "topology/fact.h"

enum { MERGE_INPUTS_MAX = 32 };

struct merge_input {
    struct bytes
        facts; /* encoded, whole and right: exchange_read_reply or fact_decode has seen them */
    struct fact head; /* private: the next one */
    bool ended;       /* private */
};

struct merge {
    struct merge_input inputs[MERGE_INPUTS_MAX];
    uint32_t count;
};

void merge_init(struct merge *merge);
void merge_add(struct merge *merge,
               struct bytes facts); /* at most MERGE_INPUTS_MAX times; borrowed */
/* The next fact; false at the end. *input says whose it is, by the order of merge_add, and may be NULL. */
bool merge_next(struct merge *merge, struct fact *fact, uint32_t *input);
