/*
 * Bytes to records and back. It touches no disk and believes nothing that a checksum does not cover.
 */
#include "wal/segment.h"

#include "base/pack.h"

#include <xxhash.h>

static const struct bytes magic = {(const uint8_t *)"NINESWAL", 8};

enum {
    HEADER_SUMMED = SEGMENT_HEADER_BYTES - 8,
    PLACE_AT = 12, /* in a batch's head: where it begins */
};

void segment_put_header(struct buf *out, const struct segment_header *header)
{
    size_t begin = out->len;

    buf_add(out, magic);
    pack_u16(out, SEGMENT_VERSION);
    pack_u16(out, 0);
    pack_u32(out, header->segment_bytes);
    pack_u64(out, header->id);
    pack_u64(out, header->sequence);
    pack_u64(out, header->salt);
    pack_u64(out, header->first);
    pack_u32(out, header->previous_end);
    pack_u32(out, 0);
    must(!out->full && out->len - begin == HEADER_SUMMED);
    pack_u64(out, XXH3_64bits(out->at + begin, HEADER_SUMMED));
}

bool segment_get_header(struct bytes bytes, struct segment_header *header)
{
    struct unpack in = unpack_of(bytes_take(bytes, SEGMENT_HEADER_BYTES));
    bool known = bytes_equal(unpack_take(&in, magic.len), magic);

    known &= unpack_u16(&in) == SEGMENT_VERSION;
    known &= unpack_u16(&in) == 0;
    *header = (struct segment_header){0};
    header->segment_bytes = unpack_u32(&in);
    header->id = unpack_u64(&in);
    header->sequence = unpack_u64(&in);
    header->salt = unpack_u64(&in);
    header->first = unpack_u64(&in);
    header->previous_end = unpack_u32(&in);
    known &= unpack_u32(&in) == 0;
    return known && !in.bad && unpack_u64(&in) == XXH3_64bits(bytes.at, HEADER_SUMMED) &&
           unpack_ended(&in) && header->first > 0 && header->first <= SEGMENT_INDEX_MAX;
}

void segment_put_record(struct buf *out, const struct segment_entry *entry)
{
    static const uint8_t zeros[SEGMENT_ALIGN];
    struct bytes body = entry->record.body;

    pack_u32(out, (uint32_t)body.len);
    pack_u32(out, entry->kind);
    pack_u64(out, entry->record.index);
    pack_u64(out, entry->record.tag);
    buf_add(out, body);
    buf_add(out, bytes_of(zeros, segment_record_bytes(body.len) - SEGMENT_RECORD_BYTES - body.len));
    must(!out->full);
}

void segment_seal_batch(struct buf *batch, uint32_t at, uint64_t next, uint32_t count,
                        uint64_t salt)
{
    struct buf head, sum;

    must(batch->len > SEGMENT_BATCH_BYTES);
    buf_over(&head, batch->at + 8, SEGMENT_BATCH_BYTES - 8);
    pack_u32(&head, (uint32_t)(batch->len - SEGMENT_BATCH_BYTES));
    pack_u32(&head, at);
    pack_u64(&head, next);
    pack_u32(&head, count);
    pack_u32(&head, 0);
    buf_over(&sum, batch->at, 8);
    pack_u64(&sum, XXH3_64bits_withSeed(batch->at + 8, batch->len - 8, salt));
}

bool segment_next_entry(struct bytes *records, struct segment_entry *entry)
{
    struct unpack in = unpack_of(*records);
    uint32_t len = unpack_u32(&in);
    uint32_t kind = unpack_u32(&in);

    entry->record.index = unpack_u64(&in);
    entry->record.tag = unpack_u64(&in);
    entry->record.body = bytes_take(in.left, len);
    if (in.bad || kind < SEGMENT_APPEND || kind > SEGMENT_RESET || len > in.left.len ||
        segment_record_bytes(len) > records->len)
        return false;
    entry->kind = (enum segment_kind)kind;
    *records = bytes_skip(*records, segment_record_bytes(len));
    return true;
}

static bool is_whole(struct bytes records, uint32_t count)
{
    struct segment_entry entry;

    for (; count > 0; count--)
        if (!segment_next_entry(&records, &entry))
            return false;
    return records.len == 0;
}

bool segment_get_batch(struct bytes segment, uint32_t at, uint64_t salt,
                       struct segment_batch *batch)
{
    struct unpack in;
    uint64_t sum;
    uint32_t len, count;

    if (at > segment.len)
        return false;
    in = unpack_of(bytes_skip(segment, at));
    sum = unpack_u64(&in);
    len = unpack_u32(&in);
    if (unpack_u32(&in) != at)
        return false;
    batch->next = unpack_u64(&in);
    count = unpack_u32(&in);
    if (unpack_u32(&in) != 0 || in.bad || len == 0 || len % SEGMENT_ALIGN != 0 || len > in.left.len)
        return false;
    if (sum != XXH3_64bits_withSeed(segment.at + at + 8, SEGMENT_BATCH_BYTES - 8 + len, salt))
        return false;
    batch->records = bytes_take(in.left, len);
    batch->end = at + SEGMENT_BATCH_BYTES + len;
    return is_whole(batch->records, count);
}

/* Hardly any place does where no batch begins: there are two million to look at while whoever starts is waited for. */
static bool names_its_place(struct bytes segment, uint32_t at)
{
    const uint8_t *place = segment.at + at + PLACE_AT;

    return (place[0] | (uint32_t)place[1] << 8 | (uint32_t)place[2] << 16 |
            (uint32_t)place[3] << 24) == at;
}

uint32_t segment_find_batch(struct bytes segment, uint32_t at, uint64_t salt)
{
    struct segment_batch batch;

    for (; at + SEGMENT_BATCH_BYTES < segment.len; at += SEGMENT_ALIGN)
        if (names_its_place(segment, at) && segment_get_batch(segment, at, salt, &batch))
            return at;
    return 0;
}
