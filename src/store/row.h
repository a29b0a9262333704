/*
 * row: one change of a stored state as bytes: kind 1, name (length 2), value (length 4). Pure.
 *
 * What a checkpoint's thread gets and what a snapshot consists of. A row that is an owner's holds what belongs to the state besides keys (desk_save).
 */
#pragma once

#include "base/pack.h"

enum row_kind {
    ROW_CLEAR = 1, /* delete all keys */
    ROW_DELETE,    /* `name`, which may not be there */
    ROW_PUT,       /* `name` is now `value` (value_write) */
    ROW_OWNER,     /* in the stead of what the owner had */
};

struct row {
    uint8_t kind;
    struct bytes name, value;
};

void row_put(struct buf *out, const struct row *row);

enum row_taken { ROW_WHOLE, ROW_CUT_OFF, ROW_BROKEN };

/* The first row of `bytes`, which are skipped if it is whole. Its parts are views. */
enum row_taken row_take(struct bytes *bytes, struct row *row);
