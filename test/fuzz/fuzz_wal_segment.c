/*
 * A log's segment as bytes: whatever they are, reading them stays within them; and what is sealed reads back the same, while one
 * changed bit makes it invalid. The input is read as it is, and as the records of a batch that is sealed around them.
 */
#include "fuzz.h"

#include "base/own.h"
#include "wal/segment.h"

enum { LOOKED_AT_MAX = 4096 };

static void read_all(struct bytes segment, uint64_t salt)
{
    struct segment_batch batch;
    struct segment_entry entry;
    uint32_t at = segment_find_batch(segment, 0, salt);

    while (segment_get_batch(segment, at, salt, &batch)) {
        must(batch.end > at && batch.end <= segment.len);
        while (segment_next_entry(&batch.records, &entry))
            must(entry.record.body.at + entry.record.body.len <= segment.at + segment.len);
        must(batch.records.len == 0);
        at = batch.end;
    }
}

static uint32_t count_records(struct bytes records)
{
    struct segment_entry entry;
    uint32_t count = 0;

    while (segment_next_entry(&records, &entry))
        count++;
    return count;
}

static void seal_and_read(struct bytes records)
{
    static uint8_t storage[64 + SEGMENT_BATCH_BYTES + LOOKED_AT_MAX];
    uint32_t at = 64, count = count_records(records);
    struct segment_batch batch;
    struct bytes segment;
    struct buf out;

    if (records.len == 0)
        return;
    buf_over(&out, storage + at, sizeof storage - at);
    (void)buf_space(&out, SEGMENT_BATCH_BYTES);
    buf_grew(&out, SEGMENT_BATCH_BYTES);
    buf_add(&out, records);
    segment_seal_batch(&out, at, 1, count, 7);
    segment = bytes_of(storage, at + out.len);
    read_all(segment, 7);
    if (segment_get_batch(segment, at, 7, &batch)) {
        must(bytes_equal(batch.records, records) && batch.next == 1 && batch.end == segment.len);
        must(!segment_get_batch(segment, at, 8, &batch));
        storage[at + out.len / 2] ^= 1;
        must(!segment_get_batch(segment, at, 7, &batch));
    }
}

static void header_reads_back(struct bytes bytes)
{
    struct segment_header header;
    uint8_t storage[SEGMENT_HEADER_BYTES];
    struct buf out;

    if (!segment_get_header(bytes, &header))
        return;
    buf_over(&out, storage, sizeof storage);
    segment_put_header(&out, &header);
    must(bytes_equal(buf_bytes(&out), bytes_take(bytes, SEGMENT_HEADER_BYTES)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_take(bytes_of(data, size), LOOKED_AT_MAX);
    autofree uint8_t *exact = malloc(input.len ? input.len : 1);

    must(exact);
    if (input.len)
        memcpy(exact, input.at, input.len);
    input.at = exact;
    header_reads_back(input);
    read_all(input, 7);
    seal_and_read(input);
    return 0;
}
