/*
 * The log that is open: staging, syncing, cutting, reading.
 *
 * Nothing that a call changes in memory is ahead of what a failure may leave on the disk: a call that fails on a full disk has
 * changed nothing, and after any other failure nothing is written any more.
 */
#include "wal/log.h"

#include <errno.h>
#include <stdlib.h>

static void check(const struct wal *wal)
{
    must(wal->count > 0);
    must(wal->next > 0 && wal->durable < wal->next);
    must((wal->staged > 0) == (wal->stage.len > SEGMENT_BATCH_BYTES));
    must(wal->segments[wal->count - 1].end + wal->stage.len <= wal->options.segment_bytes ||
         wal->staged == 0);
}

bool log_failed(struct wal *wal, struct err *err)
{
    if (err->number != ENOSPC)
        wal->poisoned = true;
    return err_during(err, "log '%s'", wal->prefix);
}

bool log_sync_file(struct wal *wal, int file, struct err *err)
{
    if (wal->disk->ops->sync(wal->disk, file, err))
        return true;
    wal->poisoned = true;
    return false;
}

bool log_sync_names(struct wal *wal, struct err *err)
{
    if (wal->disk->ops->sync_names(wal->disk, err))
        return true;
    wal->poisoned = true;
    return false;
}

static bool usable(const struct wal *wal, struct err *err)
{
    if (!wal->poisoned)
        return true;
    err_record(err, ERR_SYSTEM, EIO, "log '%s' failed before: what the disk holds is not known",
               wal->prefix);
    return false;
}

/* ---- what counts ---- */

static bool is_empty(const struct log_segment *segment)
{
    return segment->last < segment->first;
}

void log_note_append(struct wal *wal)
{
    log_newest(wal)->last = wal->next++;
}

void log_note_cut(struct wal *wal, uint64_t after)
{
    struct log_segment *newest = log_newest(wal);

    for (uint32_t i = 0; i < wal->count; i++)
        if (wal->segments[i].last > after)
            wal->segments[i].last = after;
    if (newest->first > after + 1)
        newest->first = after + 1;
    newest->cuts++;
    wal->next = after + 1;
}

void log_note_reset(struct wal *wal, uint64_t next)
{
    struct log_segment *newest = log_newest(wal);

    for (uint32_t i = 0; i < wal->count; i++) {
        wal->segments[i].first = 1;
        wal->segments[i].last = 0;
    }
    newest->first = next;
    newest->last = next - 1;
    newest->cuts++;
    wal->next = next;
}

uint64_t wal_first(const struct wal *wal)
{
    for (uint32_t i = 0; i < wal->count; i++)
        if (!is_empty(&wal->segments[i]))
            return wal->segments[i].first;
    return wal->next;
}

uint64_t wal_next(const struct wal *wal)
{
    return wal->next;
}

uint64_t wal_durable(const struct wal *wal)
{
    return wal->durable;
}

uint32_t wal_segments(const struct wal *wal)
{
    return wal->count;
}

struct wal_place wal_newest(const struct wal *wal)
{
    const struct log_segment *newest = &wal->segments[wal->count - 1];

    return (struct wal_place){wal->id, newest->sequence, newest->end};
}

/* ---- staging ---- */

static void empty_stage(struct wal *wal)
{
    static const uint8_t head[SEGMENT_BATCH_BYTES];

    buf_clear(&wal->stage);
    buf_add(&wal->stage, bytes_of(head, sizeof head));
    must(!wal->stage.full);
    wal->staged = 0;
    wal->bound = false;
}

static bool sync_staged(struct wal *wal, struct err *err)
{
    struct log_segment *newest = log_newest(wal);

    if (wal->staged == 0)
        return true;
    wal->bound = true;
    segment_seal_batch(&wal->stage, newest->end, wal->staged_next, wal->staged, wal->salt);
    if (!wal->disk->ops->write(wal->disk, wal->file, newest->end, buf_bytes(&wal->stage), err) ||
        !log_sync_file(wal, wal->file, err))
        return false;
    newest->end += (uint32_t)wal->stage.len;
    wal->durable = wal->next - 1;
    empty_stage(wal);
    return true;
}

static bool fits(struct wal *wal, const struct segment_entry *entry)
{
    const struct log_segment *newest = log_newest(wal);

    return newest->end + wal->stage.len + segment_record_bytes(entry->record.body.len) <=
               wal->options.segment_bytes &&
           (entry->kind == SEGMENT_APPEND || newest->cuts < SEGMENT_CUTS_MAX);
}

static bool too_many(struct wal *wal, bool append, struct err *err)
{
    uint32_t most = wal->options.segments_max + (append ? 0 : LOG_SEGMENTS_EXTRA);

    if (wal->count < most)
        return false;
    err_record(err, ERR_LIMIT, ENOSPC, "all of its %u segments are in use", most);
    return true;
}

/* An append leaves one spare to truncations and resets. */
static bool make_room(struct wal *wal, const struct segment_entry *entry, struct err *err)
{
    bool append = entry->kind == SEGMENT_APPEND;

    if (fits(wal, entry))
        return true;
    return !too_many(wal, append, err) && log_need_spares(wal, append ? 2 : 1, err) &&
           sync_staged(wal, err) && log_begin_segment(wal, err);
}

static bool stage(struct wal *wal, const struct segment_entry *entry, struct err *err)
{
    check(wal);
    if (!usable(wal, err))
        return false;
    if (!make_room(wal, entry, err))
        return log_failed(wal, err);
    if (wal->staged++ == 0)
        wal->staged_next = wal->next;
    wal->bound |= entry->kind != SEGMENT_APPEND;
    segment_put_record(&wal->stage, entry);
    return true;
}

bool wal_append(struct wal *wal, const struct wal_record *record, struct err *err)
{
    const struct segment_entry entry = {SEGMENT_APPEND, *record};

    must(record->index == wal->next);
    must(record->body.len <= wal->options.segment_bytes - WAL_OVERHEAD);
    if (!stage(wal, &entry, err))
        return false;
    log_note_append(wal);
    check(wal);
    return true;
}

bool wal_sync(struct wal *wal, struct err *err)
{
    check(wal);
    if (!usable(wal, err))
        return false;
    return sync_staged(wal, err) || log_failed(wal, err);
}

/* Forgets staged appends beyond `index` as if they had never been staged. */
static void take_back(struct wal *wal, uint64_t index)
{
    uint32_t kept = (uint32_t)(index + 1 - wal->staged_next);
    struct bytes left = bytes_skip(buf_bytes(&wal->stage), SEGMENT_BATCH_BYTES);
    struct segment_entry entry;

    for (uint32_t i = 0; i < kept; i++)
        must(segment_next_entry(&left, &entry));
    wal->stage.len -= left.len;
    wal->staged = kept;
    wal->next = index + 1;
    log_newest(wal)->last = index;
}

bool wal_truncate_after(struct wal *wal, uint64_t index, struct err *err)
{
    const struct segment_entry entry = {SEGMENT_TRUNCATE, {.index = index}};

    must(index + 1 >= wal_first(wal) && index < wal->next);
    if (index + 1 == wal->next)
        return usable(wal, err);
    if (wal->staged > 0 && !wal->bound && index + 1 >= wal->staged_next) {
        take_back(wal, index);
        check(wal);
        return usable(wal, err);
    }
    if (!stage(wal, &entry, err))
        return false;
    log_note_cut(wal, index);
    if (wal->durable > index)
        wal->durable = index;
    check(wal);
    return true;
}

/* ---- dropping ---- */

static bool drop(struct wal *wal, uint64_t index, struct err *err)
{
    /* What was dropped must not depend on a truncation that is not durable yet. */
    if (!sync_staged(wal, err))
        return false;
    while (wal->count > 1 && (is_empty(&wal->segments[0]) || wal->segments[0].last < index))
        if (!log_recycle_oldest(wal, err))
            return false;
    return true;
}

bool wal_drop_before(struct wal *wal, uint64_t index, struct err *err)
{
    check(wal);
    if (!usable(wal, err))
        return false;
    return drop(wal, index, err) || log_failed(wal, err);
}

bool wal_drop_oldest(struct wal *wal, struct err *err)
{
    must(wal->count > 1);
    if (!usable(wal, err))
        return false;
    return (sync_staged(wal, err) && log_recycle_oldest(wal, err)) || log_failed(wal, err);
}

bool wal_reset(struct wal *wal, uint64_t next, struct err *err)
{
    const struct segment_entry entry = {SEGMENT_RESET, {.index = next}};

    must(next > 0);
    if (!stage(wal, &entry, err))
        return false;
    log_note_reset(wal, next);
    wal->durable = next - 1;
    return drop(wal, next, err) || log_failed(wal, err);
}

/* ---- reading ---- */

/* Where records before a place in the segment stop to count. */
struct cut {
    const uint8_t *at;
    uint64_t after;
};

struct reading {
    struct cut cuts[SEGMENT_CUTS_MAX];
    uint32_t count;
    uint64_t from, to;
    bool (*each)(void *context, const struct wal_record *record);
    void *context;
    bool ended;
};

static void note_cuts(struct reading *reading, struct bytes records)
{
    struct segment_entry entry;

    while (segment_next_entry(&records, &entry))
        if (entry.kind != SEGMENT_APPEND && reading->count < SEGMENT_CUTS_MAX)
            reading->cuts[reading->count++] =
                (struct cut){records.at, entry.kind == SEGMENT_TRUNCATE ? entry.record.index : 0};
}

static bool counts(const struct reading *reading, const struct segment_entry *entry,
                   const uint8_t *at)
{
    if (entry->kind != SEGMENT_APPEND || entry->record.index < reading->from ||
        entry->record.index > reading->to)
        return false;
    for (uint32_t i = 0; i < reading->count; i++)
        if (reading->cuts[i].at > at && entry->record.index > reading->cuts[i].after)
            return false;
    return true;
}

static void hand_over(struct reading *reading, struct bytes records)
{
    struct segment_entry entry;

    while (!reading->ended && segment_next_entry(&records, &entry))
        if (counts(reading, &entry, records.at))
            reading->ended = !reading->each(reading->context, &entry.record);
}

/* Twice over all batches: a record counts when no later cut is below it. */
static bool read_segment(struct wal *wal, const struct log_segment *segment,
                         struct reading *reading, struct err *err)
{
    struct bytes image = bytes_of(wal->image, segment->end);
    struct segment_header header;
    struct segment_batch batch;

    if (!log_read_segment(wal, segment->sequence, segment->end, err))
        return false;
    if (!segment_get_header(image, &header))
        return log_damaged(wal, segment->sequence, 0, "its header is not valid", err);
    reading->count = 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint32_t at = SEGMENT_HEADER_BYTES; at < segment->end && !reading->ended;
             at = batch.end) {
            if (!segment_get_batch(image, at, header.salt, &batch))
                return log_damaged(wal, segment->sequence, at, "a batch is not valid", err);
            if (pass == 0)
                note_cuts(reading, batch.records);
            else
                hand_over(reading, batch.records);
        }
    }
    return true;
}

bool wal_each(struct wal *wal, uint64_t from, uint64_t to,
              bool (*each)(void *context, const struct wal_record *record), void *context,
              struct err *err)
{
    struct reading reading = {.each = each, .context = context};

    check(wal);
    if (to > wal->durable)
        to = wal->durable;
    for (uint32_t i = 0; i < wal->count && !reading.ended; i++) {
        const struct log_segment *segment = &wal->segments[i];

        reading.from = from > segment->first ? from : segment->first;
        reading.to = to < segment->last ? to : segment->last;
        if (reading.from <= reading.to && !read_segment(wal, segment, &reading, err))
            return err_during(err, "log '%s'", wal->prefix);
    }
    return true;
}

/* ---- opening ---- */

static bool allocate(struct wal *wal, struct err *err)
{
    uint32_t bytes = wal->options.segment_bytes;

    buf_init(&wal->stage, bytes);
    wal->image = malloc(bytes);
    /* All at once, so that memory never fails in the middle. */
    if (!wal->image || !buf_space(&wal->stage, bytes)) {
        errno = ENOMEM;
        return err_system(err, "allocate twice %u bytes", bytes);
    }
    empty_stage(wal);
    return true;
}

bool wal_open(struct wal **out, struct disk *disk, const struct wal_options *options,
              struct err *err)
{
    struct wal *wal = calloc(1, sizeof *wal);

    must(strlen(options->prefix) < WAL_PREFIX_MAX);
    must(options->segment_bytes >= WAL_SEGMENT_BYTES_MIN &&
         options->segment_bytes <= WAL_SEGMENT_BYTES_MAX && options->segment_bytes % 4096 == 0);
    must(options->segments_max >= 2 && options->segments_max <= WAL_SEGMENTS_MAX);
    must(options->spares >= 1 && options->spares < LOG_SPARES_MAX);
    if (!wal)
        return err_system(err, "open log '%s'", options->prefix);
    wal->disk = disk;
    wal->options = *options;
    memcpy(wal->prefix, options->prefix, strlen(options->prefix) + 1);
    wal->options.prefix = wal->prefix;
    wal->file = -1;
    if (!allocate(wal, err) || !log_recover(wal, err)) {
        wal_close(wal);
        return err_during(err, "open log '%s'", options->prefix);
    }
    check(wal);
    *out = wal;
    return true;
}

void wal_close(struct wal *wal)
{
    if (!wal)
        return;
    if (wal->file >= 0)
        wal->disk->ops->close(wal->disk, wal->file);
    buf_fini(&wal->stage);
    free(wal->image);
    free(wal);
}
