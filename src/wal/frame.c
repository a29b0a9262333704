/*
 * Bodies in frames. It touches no disk and believes nothing that a checksum does not cover.
 */
#include "wal/frame.h"

#include "base/pack.h"
#include "wal/wal.h"

#include <xxhash.h>

enum { SUMMED = FRAME_HEADER_BYTES - 8 };

_Static_assert(FRAME_HEADER_BYTES + WAL_META_BYTES_MAX <= FRAME_SLOT_BYTES, "a body fits a slot");

static const struct bytes slot_magic = {(const uint8_t *)"NINESMET", 8};
static const struct bytes file_magic = {(const uint8_t *)"NINESFIL", 8};

static uint64_t checksum(const uint8_t header[SUMMED], struct bytes body)
{
    return XXH3_64bits_withSeed(body.at, body.len, XXH3_64bits(header, SUMMED));
}

void frame_put_slot(uint8_t slot[FRAME_SLOT_BYTES], uint64_t sequence, struct bytes body)
{
    struct buf out;

    must(body.len <= WAL_META_BYTES_MAX);
    memset(slot, 0, FRAME_SLOT_BYTES);
    buf_over(&out, slot, FRAME_SLOT_BYTES);
    buf_add(&out, slot_magic);
    pack_u16(&out, FRAME_VERSION);
    pack_u16(&out, 0);
    pack_u32(&out, (uint32_t)body.len);
    pack_u64(&out, sequence);
    pack_u64(&out, checksum(slot, body));
    buf_add(&out, body);
}

bool frame_get_slot(struct bytes slot, unsigned number, uint64_t *sequence, struct bytes *body)
{
    struct unpack in = unpack_of(slot);
    bool known = bytes_equal(unpack_take(&in, slot_magic.len), slot_magic);
    uint32_t len;
    uint64_t sum;

    known &= unpack_u16(&in) == FRAME_VERSION;
    known &= unpack_u16(&in) == 0;
    len = unpack_u32(&in);
    *sequence = unpack_u64(&in);
    sum = unpack_u64(&in);
    *body = bytes_take(in.left, len);
    return known && !in.bad && len <= WAL_META_BYTES_MAX && body->len == len &&
           *sequence % 2 == number && sum == checksum(slot.at, *body);
}

void frame_put_file_header(uint8_t header[FRAME_HEADER_BYTES], struct bytes body)
{
    struct buf out;

    buf_over(&out, header, FRAME_HEADER_BYTES);
    buf_add(&out, file_magic);
    pack_u16(&out, FRAME_VERSION);
    pack_u16(&out, 0);
    pack_u32(&out, 0);
    pack_u64(&out, body.len);
    pack_u64(&out, checksum(header, body));
}

bool frame_get_file(struct bytes file, struct bytes *body)
{
    struct unpack in = unpack_of(file);
    bool known = bytes_equal(unpack_take(&in, file_magic.len), file_magic);
    uint64_t len, sum;

    known &= unpack_u16(&in) == FRAME_VERSION;
    known &= unpack_u16(&in) == 0;
    known &= unpack_u32(&in) == 0;
    len = unpack_u64(&in);
    sum = unpack_u64(&in);
    *body = in.left;
    return known && !in.bad && len == body->len && sum == checksum(file.at, *body);
}
