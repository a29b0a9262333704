/*
 * snapshot: the last checkpoint on its way to members that were ordered to copy. What it is read with is the thread's; the loop cuts it into pieces, and sends them as fast as they are taken.
 *
 * Where there is no checkpoint yet, or the log no longer follows it, one is made first.
 */
#pragma once

#include "store/drive_checkpoint.h"

struct snapshots;

struct snapshots_options {
    struct loop *loop;
    struct checkpoint *checkpoint;                        /* borrowed */
    void (*failed)(void *context, const struct err *err); /* it cannot be read */
    void *context;
};

MUST_USE bool snapshots_open(struct snapshots **snapshots, const struct snapshots_options *options,
                             struct err *err);
void snapshots_close(struct snapshots *snapshots); /* before the checkpoint. NULL is fine */
/* Borrowed: none (NULL) before it is open and after it was closed. */
void snapshots_use_ledger(struct snapshots *snapshots, struct ledger *ledger);

/* The events of ledger.h, and the checkpoint's. */
void snapshots_wanted(struct snapshots *snapshots, uint32_t transfer);
void snapshots_roomy(struct snapshots *snapshots, uint32_t transfer);
void snapshots_ended(struct snapshots *snapshots, uint32_t transfer);
void snapshots_written(struct snapshots *snapshots);
