/*
 * state: what a member's store was at a position, on its disk: an LMDB environment with a row for every key and one that says what they are the state of.
 *
 * A write begins with the first rows that are applied and takes effect as a whole, synced, with state_commit; a crash before leaves what was there. Readers
 * see what was committed when they began. All calls block. Those that write come from one thread, and so do those of one reader.
 */
#pragma once

#include "store/ledger.h"
#include "store/row.h"
#include "store/space.h"

struct state;
struct state_reader;

/* Makes the directory, whose parent exists, when it is missing. */
MUST_USE bool state_open(struct state **state, const char *directory, struct err *err);
void state_close(struct state *state); /* abandons a write; no reader is open. NULL is fine */

/* All of it into an empty space, whose next cut begins there. `point` is 0, 0 when nothing was ever committed. What the owner had is appended to `owner`. */
MUST_USE bool state_load(struct state *state, struct space *space, struct ledger_point *point,
                         struct buf *owner, struct err *err);

/* Whole rows. What failed once fails until state_abandon. */
MUST_USE bool state_apply(struct state *state, struct bytes rows, struct err *err);
MUST_USE bool state_commit(struct state *state, struct ledger_point point, struct err *err);
void state_abandon(struct state *state); /* no write is under way: nothing */
/* For want of room: it may be tried again. */
bool state_lacked_room(const struct err *err);

/* `bytes`: that its rows will take, about. */
MUST_USE bool state_read(struct state *state, struct state_reader **reader,
                         struct ledger_point *point, uint64_t *bytes, struct err *err);
/* Appends rows until `out` holds so many bytes, or one more row than that. At the end `ended` becomes true. */
MUST_USE bool state_read_rows(struct state_reader *reader, struct buf *out, size_t bytes,
                              bool *ended, struct err *err);
void state_read_end(struct state_reader *reader); /* NULL is fine */
