/*
 * Bytes that are owned, growing up to a limit given at birth and never past it.
 *
 * Two kinds: `buf_init` grows on the heap; `buf_over` writes into the caller's storage and never
 * allocates. A write that does not fit writes nothing of itself and marks the buffer `full`; every later
 * write then does nothing, so a writer checks once, at its end.
 */
#pragma once

#include "base/bytes.h"
#include "base/must.h"

#include <stdarg.h>
#include <stdio.h>

struct buf {
    uint8_t *at;
    size_t len, cap, limit;
    bool full;     /* something did not fit, or memory was refused */
    bool borrowed; /* storage is the caller's */
};

void buf_init(struct buf *buf, size_t limit);
void buf_over(struct buf *buf, void *storage, size_t size);
void buf_fini(struct buf *buf); /* of a zeroed buf too */

/* Space for `len` more bytes at the end, or NULL when they do not fit; buf_grew tells how many were used. */
uint8_t *buf_space(struct buf *buf, size_t len);
void buf_grew(struct buf *buf, size_t len);

void buf_add(struct buf *buf, struct bytes bytes);
void buf_add_byte(struct buf *buf, uint8_t byte);
void buf_add_string(struct buf *buf, const char *text);
void buf_add_number(struct buf *buf, uint64_t number);
void buf_print(struct buf *buf, const char *format, ...) PRINTF(2, 3);
/* Forgets the first `count` bytes and moves the rest to the front. */
void buf_drop(struct buf *buf, size_t count);
void buf_clear(struct buf *buf); /* empty and no longer full; storage is kept */
/* All of it, to a stream; of an empty one, which may have no storage, nothing. False: it could not be written. */
bool buf_write(const struct buf *buf, FILE *file);

static inline struct bytes buf_bytes(const struct buf *buf)
{
    return bytes_of(buf->at, buf->len);
}
