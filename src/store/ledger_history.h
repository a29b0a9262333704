/*
 * ledger_history: which epoch wrote which positions of a log. Pure.
 *
 * An epoch has one writer, who never writes a position twice; so two logs that have the same epoch at a position are the same up to it. That is how members
 * find what they have in common, epoch by epoch, and never by how far either believes that the log is committed.
 */
#pragma once

#include "base/pack.h"
#include "topology/group.h"

enum {
    HISTORY_RUNS_MAX = 512,
    HISTORY_BYTES_MAX = 26 + HISTORY_RUNS_MAX * 16,
};

struct history_run {
    uint64_t epoch, first; /* rising, both; it ends where the next begins */
};

/* What is known of the positions after `base` up to `end`; of `base` itself the epoch. With more than HISTORY_RUNS_MAX epochs the oldest are forgotten. */
struct history {
    struct position base; /* 0, 0: before the first record */
    uint64_t end;
    uint32_t count;
    struct history_run runs[HISTORY_RUNS_MAX];
};

void history_init(struct history *history, struct position base);
/* Positions up to `end` (not below the present one) are this epoch's, which is not older than the last one. */
void history_extend(struct history *history, uint64_t epoch, uint64_t end);
void history_cut(struct history *history, uint64_t after); /* at least base */
/* What is before this position is no longer known; at most end + 1. */
void history_drop(struct history *history, uint64_t before);
/* 0: not known (or position 0). */
uint64_t history_epoch(const struct history *history, uint64_t position);
struct position history_last(const struct history *history);
/* The last position that both logs have. False: there is none among what both know. */
MUST_USE bool history_common(const struct history *a, const struct history *b, uint64_t *common);

void history_encode(struct buf *out, const struct history *history);
/* False: cut off, or not rising. */
MUST_USE bool history_decode(struct unpack *in, struct history *history);
