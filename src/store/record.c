#include "store/record.h"

#include "base/pack.h"

enum { WORD_HEADER_BYTES = 4 };

static bool fits(const struct bytes *words, uint32_t count)
{
    size_t total = RECORD_HEADER_BYTES;

    if (count > RECORD_WORDS_MAX)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (words[i].len > RECORD_BYTES_MAX)
            return false;
        total += WORD_HEADER_BYTES + words[i].len;
        if (total > RECORD_BYTES_MAX)
            return false;
    }
    return true;
}

bool record_write(struct buf *out, enum record_kind kind, int64_t time_ms,
                  const struct bytes *words, uint32_t count)
{
    if (!fits(words, count))
        return false;
    pack_u8(out, (uint8_t)kind);
    pack_u8(out, 0);
    pack_u32(out, count);
    pack_u16(out, 0);
    pack_u64(out, (uint64_t)time_ms);
    for (uint32_t i = 0; i < count; i++) {
        pack_u32(out, (uint32_t)words[i].len);
        buf_add(out, words[i]);
    }
    return !out->full;
}

bool record_read(struct bytes bytes, struct record *record)
{
    struct unpack in = unpack_of(bytes);
    uint8_t kind = unpack_u8(&in), flags = unpack_u8(&in);
    uint32_t count = unpack_u32(&in);
    uint16_t zero = unpack_u16(&in);
    int64_t time_ms = (int64_t)unpack_u64(&in);
    struct bytes words = in.left;

    if (bytes.len > RECORD_BYTES_MAX || count > RECORD_WORDS_MAX)
        return false;
    if (kind == 0 || kind >= RECORD_KINDS || flags || zero || time_ms < 0)
        return false;
    for (uint32_t i = 0; i < count && !in.bad; i++)
        unpack_take(&in, unpack_u32(&in));
    if (!unpack_ended(&in))
        return false;
    *record = (struct record){
        .kind = (enum record_kind)kind, .time_ms = time_ms, .count = count, .words = words};
    return true;
}

bool record_next_word(struct record *record, struct bytes *word)
{
    struct unpack in = unpack_of(record->words);

    if (record->words.len == 0)
        return false;
    *word = unpack_take(&in, unpack_u32(&in));
    record->words = in.left;
    return true;
}
