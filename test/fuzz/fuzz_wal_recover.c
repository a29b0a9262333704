/*
 * A log is opened whose segments hold any records at all, in valid batches: it is opened or refused, and one that was opened
 * goes on, and comes back as it was.
 *
 * Input: batches of a length (two bytes) and records. The first byte of the length also says whether a new segment begins.
 */
#include "fuzz.h"

#include "disk_sim.h"
#include "wal/segment.h"

#include <stdio.h>

enum { SEGMENT_BYTES = 4096, SEGMENTS_MAX = 4 };

struct made {
    struct disk_sim *sim;
    uint8_t image[SEGMENT_BYTES];
    uint64_t sequence, next;
    uint32_t end;
};

static void begin_segment(struct made *made)
{
    struct segment_header header = {.segment_bytes = SEGMENT_BYTES,
                                    .id = 1,
                                    .sequence = ++made->sequence,
                                    .salt = made->sequence,
                                    .first = made->next,
                                    .previous_end = made->end};
    struct buf out;

    memset(made->image, 0, sizeof made->image);
    buf_over(&out, made->image, sizeof made->image);
    segment_put_header(&out, &header);
    made->end = SEGMENT_HEADER_BYTES;
}

static void save_segment(const struct made *made)
{
    char name[DISK_NAME_MAX];

    snprintf(name, sizeof name, "log-%016llx", (unsigned long long)made->sequence);
    disk_sim_put(made->sim, name, bytes_of(made->image, sizeof made->image));
}

/* What the writer would count: only whether that is consistent is left to the input. */
static uint32_t follow(struct made *made, struct bytes records)
{
    struct segment_entry entry;
    uint32_t count = 0;

    for (; segment_next_entry(&records, &entry); count++)
        made->next = entry.kind == SEGMENT_RESET      ? entry.record.index
                     : entry.kind == SEGMENT_TRUNCATE ? entry.record.index + 1
                                                      : made->next + 1;
    return count;
}

static void add_batch(struct made *made, struct bytes records)
{
    uint64_t next = made->next;
    struct buf out;

    if (records.len == 0 || made->end + SEGMENT_BATCH_BYTES + records.len > SEGMENT_BYTES)
        return;
    buf_over(&out, made->image + made->end, SEGMENT_BYTES - made->end);
    (void)buf_space(&out, SEGMENT_BATCH_BYTES);
    buf_grew(&out, SEGMENT_BATCH_BYTES);
    buf_add(&out, records);
    segment_seal_batch(&out, made->end, next, follow(made, records), made->sequence);
    made->end += (uint32_t)out.len;
}

static void make(struct disk_sim *sim, struct bytes input)
{
    static struct made made;

    made = (struct made){.sim = sim, .next = 1};
    begin_segment(&made);
    while (input.len >= 2) {
        size_t len = (input.at[0] & 0x7fu) << 8 | input.at[1];

        if ((input.at[0] & 0x80) && made.sequence < SEGMENTS_MAX) {
            save_segment(&made);
            begin_segment(&made);
        }
        input = bytes_skip(input, 2);
        len = len < input.len ? len : input.len;
        add_batch(&made, bytes_take(input, len));
        input = bytes_skip(input, len);
    }
    save_segment(&made);
}

struct sum {
    uint64_t first, next, of;
};

static bool add(void *context, const struct wal_record *record)
{
    struct sum *sum = context;

    must(record->index == sum->next);
    sum->next++;
    sum->of = sum->of * 31 + record->tag + record->body.len;
    return true;
}

static struct sum sum_of(struct wal *wal)
{
    struct sum sum = {.first = wal_first(wal), .next = wal_first(wal)};
    struct err err;

    must(wal_each(wal, 0, UINT64_MAX, add, &sum, &err));
    must(sum.next == wal_next(wal));
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wal_options options = {"log", SEGMENT_BYTES, 16, 1, 9};
    struct disk_sim sim;
    struct sum before, after;
    struct wal *wal;
    struct err err;

    disk_sim_init(&sim, 1, 1 << 20);
    make(&sim, bytes_of(data, size));
    if (wal_open(&wal, &sim.disk, &options, &err)) {
        struct wal_record record = {wal_next(wal), 1, BYTES("more")};

        must(wal_append(wal, &record, &err) && wal_sync(wal, &err));
        before = sum_of(wal);
        wal_close(wal);
        disk_sim_crash(&sim);
        options.seed++;
        must(wal_open(&wal, &sim.disk, &options, &err));
        after = sum_of(wal);
        must(before.first == after.first && before.next == after.next && before.of == after.of);
        wal_close(wal);
    }
    disk_sim_fini(&sim);
    return 0;
}
