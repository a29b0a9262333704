/*
 * record: one record of the group's log, as bytes. Pure. Everything is little-endian.
 *
 *    kind 1, flags 1 (0), count of words 4, zero 2, time 8 (ms since 1970, of the primary; never less than the record's before); each word: length 4, bytes
 *
 * Its position and epoch are the log's (wal: index and tag). Executed by every member in the order of positions, with the same result.
 */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"

#include <stdint.h>

enum record_kind {
    RECORD_EPOCH = 1, /* an epoch begins; no words */
    RECORD_COMMAND,   /* the words of a command that may write */
    RECORD_EXEC,      /* a transaction: see record_exec */
    RECORD_KINDS,
};

enum {
    RECORD_HEADER_BYTES = 16,
    RECORD_BYTES_MAX = 8 << 20,
    RECORD_WORDS_MAX = 1 << 20,
};

struct record {
    enum record_kind kind;
    int64_t time_ms;
    uint32_t count;     /* words */
    struct bytes words; /* what record_next_word takes from */
};

/* A record of these words. False: longer than RECORD_BYTES_MAX, or `out` is full. */
MUST_USE bool record_write(struct buf *out, enum record_kind kind, int64_t time_ms,
                           const struct bytes *words, uint32_t count);
/* False: it is none. The words have been looked at: record_next_word gives `count` of them. */
MUST_USE bool record_read(struct bytes bytes, struct record *record);
/* False: there are no more. */
bool record_next_word(struct record *record, struct bytes *word);
