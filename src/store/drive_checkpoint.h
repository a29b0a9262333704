/*
 * checkpoint: writes the state down from time to time, so that a restart begins there and the log before it can go. Takes in a copy of another member's state, too.
 *
 * A cut of the space (space.h) is taken in slices of the loop's time while records are executed, and written by a thread of its own; it counts when all of it is on the disk. When
 * the disk is full that is said, the next cut is of everything, and is tried after CHECKPOINT_RETRY_MS.
 */
#pragma once

#include "store/drive_state.h"

struct loop;
struct checkpoint;

enum {
    CHECKPOINT_AFTER_MS = 60000, /* when anything changed */
    CHECKPOINT_EPOCHS = 256,     /* the log knows HISTORY_RUNS_MAX of them */
    CHECKPOINT_RETRY_MS = 10000,
    CHECKPOINT_SLICE_NS = 400000, /* of one turn's time */
    CHECKPOINT_BATCH_BYTES =
        1 << 20 /* of rows for the thread, and two of them; or one longer row */
};

/* All are needed; from loop_turn, or from inside a call. */
struct checkpoint_events {
    /* What the space is now the state of, and to `owner` what belongs to it besides. False: nothing that should be kept. */
    bool (*point)(void *context, struct ledger_point *point, struct buf *owner);
    void (*written)(void *context, struct ledger_point point); /* it is on the disk */
    void (*said)(void *context, const char *sentence);    /* it did not get there: for a line */
    void (*failed)(void *context, const struct err *err); /* the disk cannot be trusted any more */

    /* Of a copy that comes in: so much of it was digested; the owner's part (false: it is none); it is on the disk, and the space is it; or it came to nothing. */
    void (*took)(void *context, size_t bytes);
    bool (*owner)(void *context, struct bytes bytes);
    void (*installed)(void *context);
    void (*refused)(void *context, const char *sentence);
};

struct checkpoint_options {
    struct loop *loop;
    const char *directory;
    uint64_t log_bytes; /* that are executed between two of them */
    const struct checkpoint_events *events;
    void *context;
};

MUST_USE bool checkpoint_open(struct checkpoint **checkpoint,
                              const struct checkpoint_options *options, struct err *err);
/* Waits for what is being written; what is not whole by then is dropped. NULL is fine. */
void checkpoint_close(struct checkpoint *checkpoint);
/* Once, before anything else: the last one's state into an empty space, which is borrowed from now on. */
MUST_USE bool checkpoint_load(struct checkpoint *checkpoint, struct space *space,
                              struct ledger_point *point, struct buf *owner, struct err *err);

/* A record was executed. */
void checkpoint_executed(struct checkpoint *checkpoint, struct position position,
                         size_t record_bytes);
/* The space is the state of the last position executed: a cut may begin. */
void checkpoint_consider(struct checkpoint *checkpoint);
/* One is wanted now. */
void checkpoint_ask(struct checkpoint *checkpoint);
/* The last that was written; position 0: none. */
struct ledger_point checkpoint_last(const struct checkpoint *checkpoint);
struct state *checkpoint_state(struct checkpoint *checkpoint); /* to be read */

/* ---- a copy that comes in: takes the place of what was there as a whole, when it is whole ---- */

/* `space` is empty, tracked, and takes the place of the one before, which is no longer used. */
void checkpoint_copy_begin(struct checkpoint *checkpoint, struct space *space);
void checkpoint_copy_piece(struct checkpoint *checkpoint, struct bytes piece); /* copied */
void checkpoint_copy_end(struct checkpoint *checkpoint, struct ledger_point point);
void checkpoint_copy_drop(struct checkpoint *checkpoint); /* none comes in: nothing */
