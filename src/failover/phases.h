/*
 * failover/phases: which phase may follow which, and why. docs/failover.md prints the table (tools/pages.c).
 */
#pragma once

#include "base/buf.h"
#include "failover/failover.h"

struct failover_transition {
    enum failover_phase from, to;
    const char *sentence;
};

extern const struct failover_transition failover_transitions[];
extern const uint32_t failover_transition_count;

bool failover_may_move(enum failover_phase from, enum failover_phase to);
/* The table and a diagram of it, as docs/failover.md has them. */
void failover_document(struct buf *out);
