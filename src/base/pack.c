#include "base/pack.h"

static void pack_number(struct buf *out, uint64_t number, size_t size)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(number >> (8 * i));
    buf_add(out, bytes_of(bytes, size));
}

void pack_u8(struct buf *out, uint8_t number)
{
    buf_add_byte(out, number);
}

void pack_u16(struct buf *out, uint16_t number)
{
    pack_number(out, number, 2);
}

void pack_u32(struct buf *out, uint32_t number)
{
    pack_number(out, number, 4);
}

void pack_u64(struct buf *out, uint64_t number)
{
    pack_number(out, number, 8);
}

void pack_bytes8(struct buf *out, struct bytes bytes)
{
    if (bytes.len > UINT8_MAX) {
        out->full = true;
        return;
    }
    pack_u8(out, (uint8_t)bytes.len);
    buf_add(out, bytes);
}

void pack_bytes16(struct buf *out, struct bytes bytes)
{
    if (bytes.len > UINT16_MAX) {
        out->full = true;
        return;
    }
    pack_u16(out, (uint16_t)bytes.len);
    buf_add(out, bytes);
}

size_t pack_open(struct buf *out)
{
    pack_u16(out, 0);
    return out->len;
}

void pack_close(struct buf *out, size_t opened)
{
    size_t len = out->len - opened;

    if (out->full)
        return;
    if (len > UINT16_MAX) {
        out->full = true;
        return;
    }
    out->at[opened - 2] = (uint8_t)len;
    out->at[opened - 1] = (uint8_t)(len >> 8);
}

struct bytes unpack_take(struct unpack *in, size_t count)
{
    struct bytes taken = bytes_take(in->left, count);

    if (in->bad || count > in->left.len) {
        in->bad = true;
        in->left.len = 0;
        return (struct bytes){0};
    }
    in->left = bytes_skip(in->left, count);
    return taken;
}

static uint64_t unpack_number(struct unpack *in, size_t size)
{
    struct bytes bytes = unpack_take(in, size);
    uint64_t number = 0;

    for (size_t i = 0; i < bytes.len; i++)
        number |= (uint64_t)bytes.at[i] << (8 * i);
    return number;
}

uint8_t unpack_u8(struct unpack *in)
{
    return (uint8_t)unpack_number(in, 1);
}

uint16_t unpack_u16(struct unpack *in)
{
    return (uint16_t)unpack_number(in, 2);
}

uint32_t unpack_u32(struct unpack *in)
{
    return (uint32_t)unpack_number(in, 4);
}

uint64_t unpack_u64(struct unpack *in)
{
    return unpack_number(in, 8);
}

struct bytes unpack_bytes8(struct unpack *in)
{
    return unpack_take(in, unpack_u8(in));
}

struct bytes unpack_bytes16(struct unpack *in)
{
    return unpack_take(in, unpack_u16(in));
}

void unpack_copy(struct unpack *in, void *to, size_t count)
{
    struct bytes bytes = unpack_take(in, count);

    memset(to, 0, count);
    if (bytes.len)
        memcpy(to, bytes.at, bytes.len);
}

bool unpack_ended(const struct unpack *in)
{
    return !in->bad && in->left.len == 0;
}
