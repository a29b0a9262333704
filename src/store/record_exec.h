/*
 * record_exec: a transaction as a record (RECORD_EXEC). Pure. Its words:
 *
 *    how many keys are watched (4 bytes)
 *    for each: the key, its version (8 bytes; 0: there was none)
 *    for each command: how many words it has (4 bytes), its words
 *
 * It is executed as a whole, or not at all when a watched key has another version by then.
 */
#pragma once

#include "store/record.h"

/* One that grows: its words, as they will stand in the record. */
struct record_exec {
    struct buf watches, commands;
    uint32_t watched, queued; /* keys; commands */
    uint32_t words;           /* of `commands` */
};

void record_exec_init(struct record_exec *exec);
void record_exec_fini(struct record_exec *exec);
/* False: it would be longer than a record may be, and nothing was added. */
MUST_USE bool record_exec_watch(struct record_exec *exec, struct bytes key, uint64_t version);
MUST_USE bool record_exec_queue(struct record_exec *exec, const struct bytes *words,
                                uint32_t count);
MUST_USE bool record_exec_write(const struct record_exec *exec, int64_t time_ms, struct buf *out);

/* Of a record that was read: first this, then the watches, then the commands. False: it is none. */
MUST_USE bool record_exec_begin(struct record *record, uint32_t *watched);
MUST_USE bool record_exec_next_watch(struct record *record, struct bytes *key, uint64_t *version);
/* The number of the next command's words, which record_next_word gives; 0: there are no more, or it is malformed. */
uint32_t record_exec_next_command(struct record *record);
/* Counts the commands that are left, in a copy of the record. False: malformed. */
MUST_USE bool record_exec_count(struct record record, uint32_t *commands);
