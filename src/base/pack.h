/*
 * Numbers and bytes as they stand in messages and files: little-endian, explicit lengths, no padding.
 *
 * A writer appends to a `struct buf`, which remembers that something did not fit. A reader takes from a view and remembers that
 * something was missing: after that every number is zero and every view empty, so a decoder checks once, at its end.
 */
#pragma once

#include "base/buf.h"

void pack_u8(struct buf *out, uint8_t number);
void pack_u16(struct buf *out, uint16_t number);
void pack_u32(struct buf *out, uint32_t number);
void pack_u64(struct buf *out, uint64_t number);
/* The length in one byte (at most 255) or two (at most 65535), then the bytes. A longer view marks the buffer full. */
void pack_bytes8(struct buf *out, struct bytes bytes);
void pack_bytes16(struct buf *out, struct bytes bytes);
/* A record whose length (two bytes) is known when it is complete: what is packed between the two. */
size_t pack_open(struct buf *out);
void pack_close(struct buf *out, size_t opened);

struct unpack {
    struct bytes left;
    bool bad; /* more was asked for than was there */
};

static inline struct unpack unpack_of(struct bytes bytes)
{
    return (struct unpack){.left = bytes};
}

uint8_t unpack_u8(struct unpack *in);
uint16_t unpack_u16(struct unpack *in);
uint32_t unpack_u32(struct unpack *in);
uint64_t unpack_u64(struct unpack *in);
/* Views of the reader's own bytes. */
struct bytes unpack_take(struct unpack *in, size_t count);
struct bytes unpack_bytes8(struct unpack *in);
struct bytes unpack_bytes16(struct unpack *in);
/* Copies exactly `count` bytes; zeroes when they are not there. */
void unpack_copy(struct unpack *in, void *to, size_t count);
/* Everything was there and nothing is left over. */
bool unpack_ended(const struct unpack *in);
