/*
 * What a log is after a start: the segments are read from the oldest on, every batch has to follow the one before it, and only
 * the very end may be torn.
 *
 * It changes nothing that was valid. The last batch is written once more: when an earlier process could not sync it, the page cache may
 * show what the disk never got, and no later sync would say so.
 */
#include "wal/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

/* ---- names ---- */

struct names {
    struct wal *wal;
    uint32_t count; /* of segments, those that are too many too */
    bool fresh;     /* PREFIX-new is there */
};

/* Sixteen hexadecimal digits as log_segment_name writes them. */
static bool parse_sequence(const char *text, uint64_t *sequence)
{
    char again[17];
    char *end;

    if (strlen(text) != 16)
        return false;
    *sequence = strtoull(text, &end, 16);
    snprintf(again, sizeof again, "%016" PRIx64, *sequence);
    return *end == '\0' && strcmp(text, again) == 0;
}

static void note_name(void *context, const char *name)
{
    struct names *names = context;
    struct wal *wal = names->wal;
    size_t prefix = strlen(wal->prefix);
    uint64_t sequence;

    if (strncmp(name, wal->prefix, prefix) != 0 || name[prefix] != '-')
        return;
    name += prefix + 1;
    if (strcmp(name, "new") == 0) {
        names->fresh = true;
    } else if (strncmp(name, "spare-", 6) == 0 && name[6] >= '0' && name[6] <= '9' && !name[7]) {
        wal->spares |= 1u << (name[6] - '0');
    } else if (parse_sequence(name, &sequence)) {
        if (names->count < ARRAY_LEN(wal->segments))
            wal->segments[names->count].sequence = sequence;
        names->count++;
    }
}

static int by_sequence(const void *a, const void *b)
{
    const struct log_segment *left = a, *right = b;

    return (left->sequence > right->sequence) - (left->sequence < right->sequence);
}

/* The size of a file that is there. */
static bool size_of(struct wal *wal, const char *name, uint64_t *size, struct err *err)
{
    bool known;
    int file;

    if (!wal->disk->ops->open(wal->disk, name, false, &file, err))
        return false;
    known = wal->disk->ops->size(wal->disk, file, size, err);
    wal->disk->ops->close(wal->disk, file);
    return known;
}

/* A spare of another size, or more of them than are kept, are removed. */
static bool check_spares(struct wal *wal, struct err *err)
{
    char name[DISK_NAME_MAX];
    uint32_t kept = 0;
    uint64_t size;

    for (unsigned i = 0; i < 10; i++) {
        if (!(wal->spares & 1u << i))
            continue;
        log_spare_name(wal, i, name);
        if (!size_of(wal, name, &size, err))
            return false;
        if (i < LOG_SPARES_MAX && size == wal->options.segment_bytes &&
            kept <= wal->options.spares) {
            kept++;
            continue;
        }
        if (!wal->disk->ops->remove(wal->disk, name, err))
            return false;
        wal->spares &= ~(1u << i);
    }
    return true;
}

static bool find_files(struct wal *wal, struct err *err)
{
    struct names names = {.wal = wal};
    char name[DISK_NAME_MAX];

    if (!wal->disk->ops->list(wal->disk, note_name, &names, err))
        return false;
    if (names.count > ARRAY_LEN(wal->segments))
        return err_set(err, ERR_LIMIT, "there are %u segments, and at most %zu are read",
                       names.count, ARRAY_LEN(wal->segments));
    snprintf(name, sizeof name, "%s-new", wal->prefix);
    if (names.fresh && !wal->disk->ops->remove(wal->disk, name, err))
        return false;
    qsort(wal->segments, names.count, sizeof wal->segments[0], by_sequence);
    wal->count = names.count;
    for (uint32_t i = 1; i < wal->count; i++)
        if (wal->segments[i].sequence != wal->segments[i - 1].sequence + 1)
            return log_damaged(wal, wal->segments[i - 1].sequence + 1, 0, "the segment is missing",
                               err);
    return check_spares(wal, err);
}

/* ---- segments ---- */

bool log_damaged(const struct wal *wal, uint64_t sequence, uint32_t at, const char *what,
                 struct err *err)
{
    char name[DISK_NAME_MAX];

    log_segment_name(wal, sequence, name);
    err_record(err, ERR_SYSTEM, EILSEQ, "'%s' is damaged at offset %u: %s", name, at, what);
    return false;
}

bool log_read_segment(struct wal *wal, uint64_t sequence, uint32_t end, struct err *err)
{
    char name[DISK_NAME_MAX];
    size_t got = end;
    bool done;
    int file;

    log_segment_name(wal, sequence, name);
    if (!wal->disk->ops->open(wal->disk, name, false, &file, err))
        return false;
    done = wal->disk->ops->read(wal->disk, file, 0, wal->image, &got, err);
    wal->disk->ops->close(wal->disk, file);
    if (done && got < end) {
        err_record(err, ERR_SYSTEM, EILSEQ, "'%s' has %zu bytes; at least %u were expected", name,
                   got, end);
        return false;
    }
    return done;
}

/* One batch's records against what the log holds so far. */
static bool replay(struct wal *wal, struct bytes records)
{
    struct segment_entry entry;

    while (segment_next_entry(&records, &entry)) {
        uint64_t index = entry.record.index;

        if (entry.kind == SEGMENT_APPEND ? index != wal->next
                                         : log_newest(wal)->cuts == SEGMENT_CUTS_MAX)
            return false;
        if (entry.kind == SEGMENT_TRUNCATE ? index >= wal->next
                                           : index == 0 || index > SEGMENT_INDEX_MAX)
            return false;
        if (entry.kind == SEGMENT_APPEND)
            log_note_append(wal);
        else if (entry.kind == SEGMENT_TRUNCATE)
            log_note_cut(wal, index);
        else
            log_note_reset(wal, index);
    }
    return true;
}

/* Reads batches up to `limit`, or to the first that is not valid. `last`: where the last one begins. */
static bool replay_segment(struct wal *wal, uint64_t salt, uint32_t limit, uint32_t *last,
                           struct err *err)
{
    struct bytes image = bytes_of(wal->image, wal->options.segment_bytes);
    struct log_segment *segment = log_newest(wal);
    struct segment_batch batch;

    *last = 0;
    for (segment->end = SEGMENT_HEADER_BYTES;
         segment->end < limit && segment_get_batch(image, segment->end, salt, &batch);
         segment->end = batch.end) {
        if (batch.next != wal->next || !replay(wal, batch.records))
            return log_damaged(wal, segment->sequence, segment->end,
                               "the batch does not follow the one before it", err);
        *last = segment->end;
    }
    return true;
}

static bool check_header(const struct wal *wal, const struct segment_header *header,
                         const struct log_segment *before, struct err *err)
{
    const struct log_segment *segment = &wal->segments[wal->count - 1];

    if (header->segment_bytes != wal->options.segment_bytes) {
        err_record(err, ERR_CONFIG, EINVAL, "its segments have %u bytes, and %u were asked for",
                   header->segment_bytes, wal->options.segment_bytes);
        return false;
    }
    if (header->sequence != segment->sequence)
        return log_damaged(wal, segment->sequence, 0, "its header is another segment's", err);
    if (before && header->id != wal->id)
        return log_damaged(wal, segment->sequence, 0, "its header is another log's", err);
    if (before && before->end != header->previous_end)
        return log_damaged(wal, before->sequence, before->end, "a batch is not valid", err);
    if (before && header->first != wal->next)
        return log_damaged(wal, segment->sequence, 0, "it does not follow the one before it", err);
    return true;
}

static bool read_header(struct wal *wal, struct segment_header *header, struct err *err)
{
    const struct log_segment *segment = log_newest(wal);
    uint32_t bytes = wal->options.segment_bytes;

    /* A file of another size may be that of another option: its header says. */
    if (!log_read_segment(wal, segment->sequence, SEGMENT_HEADER_BYTES, err))
        return false;
    if (!segment_get_header(bytes_of(wal->image, SEGMENT_HEADER_BYTES), header))
        return log_damaged(wal, segment->sequence, 0, "its header is not valid", err);
    return header->segment_bytes != bytes || log_read_segment(wal, segment->sequence, bytes, err);
}

/* Where the batches of segment `i` have to end: what the next one's header says. 0: there is no next one. */
static bool expected_end(struct wal *wal, uint64_t sequence, bool last, uint32_t *end,
                         struct err *err)
{
    struct segment_header header;

    *end = 0;
    if (last)
        return true;
    if (!log_read_segment(wal, sequence, SEGMENT_HEADER_BYTES, err))
        return false;
    if (!segment_get_header(bytes_of(wal->image, SEGMENT_HEADER_BYTES), &header))
        return log_damaged(wal, sequence, 0, "its header is not valid", err);
    *end = header.previous_end;
    return true;
}

/* The end of the newest segment: nothing valid may come after what is not, and it may not be before where it was durable once. */
static bool check_tail(struct wal *wal, uint64_t salt, struct err *err)
{
    struct bytes image = bytes_of(wal->image, wal->options.segment_bytes);
    const struct log_segment *newest = log_newest(wal);
    const struct wal_place *expected = &wal->options.expected;
    uint32_t later = segment_find_batch(image, newest->end, salt);
    char what[96];

    if (later == 0 && newest->sequence == expected->segment && newest->end < expected->end) {
        snprintf(what, sizeof what, "the batch is not valid, and all up to %u was durable",
                 expected->end);
        return log_damaged(wal, newest->sequence, newest->end, what, err);
    }
    if (later == 0)
        return true;
    snprintf(what, sizeof what, "the batch is not valid, but a later one, at %u, is", later);
    return log_damaged(wal, newest->sequence, newest->end, what, err);
}

static bool rewrite_last(struct wal *wal, uint32_t last, struct err *err)
{
    const struct log_segment *newest = log_newest(wal);
    char name[DISK_NAME_MAX];

    log_segment_name(wal, newest->sequence, name);
    if (!wal->disk->ops->open(wal->disk, name, false, &wal->file, err)) {
        wal->file = -1;
        return false;
    }
    return last == 0 ||
           (wal->disk->ops->write(wal->disk, wal->file, last,
                                  bytes_of(wal->image + last, newest->end - last), err) &&
            log_sync_file(wal, wal->file, err));
}

static bool recover_segments(struct wal *wal, struct err *err)
{
    uint32_t total = wal->count, last = 0, end;
    struct segment_header header;

    for (wal->count = 1; wal->count <= total; wal->count++) {
        struct log_segment *segment = log_newest(wal);
        const struct log_segment *before = wal->count > 1 ? segment - 1 : NULL;
        bool newest = wal->count == total;

        if (!expected_end(wal, segment->sequence + 1, newest, &end, err) ||
            !read_header(wal, &header, err) || !check_header(wal, &header, before, err))
            return false;
        wal->id = header.id;
        wal->salt = header.salt;
        wal->next = header.first;
        segment->first = header.first;
        segment->last = header.first - 1;
        if (!replay_segment(wal, header.salt, newest ? wal->options.segment_bytes : end, &last,
                            err))
            return false;
    }
    wal->count = total;
    wal->durable = wal->next - 1;
    return check_tail(wal, wal->salt, err) && rewrite_last(wal, last, err);
}

static bool found(struct wal *wal, struct err *err)
{
    wal->id = XXH3_64bits(&wal->options.seed, sizeof wal->options.seed);
    wal->next = 1;
    return log_need_spares(wal, 2, err) && log_begin_segment(wal, err);
}

/* Nothing inside the files tells that the newest ones are gone, or all: that is for the owner to know. */
static bool check_newest(struct wal *wal, struct err *err)
{
    uint64_t expected = wal->options.expected.segment;
    uint64_t newest = wal->count > 0 ? log_newest(wal)->sequence : 0;
    char name[DISK_NAME_MAX];

    if (newest >= expected)
        return true;
    log_segment_name(wal, expected, name);
    if (newest == 0)
        err_record(err, ERR_SYSTEM, ENOENT, "none of its segments is there");
    else
        err_record(err, ERR_SYSTEM, ENOENT, "its newest segment, '%s', is missing", name);
    return false;
}

static bool check_log(const struct wal *wal, struct err *err)
{
    if (wal->options.expected.log == 0 || wal->options.expected.log == wal->id)
        return true;
    err_record(err, ERR_SYSTEM, EILSEQ, "its segments are those of another log");
    return false;
}

bool log_recover(struct wal *wal, struct err *err)
{
    if (!find_files(wal, err) || !check_newest(wal, err) || !log_sync_names(wal, err))
        return false;
    if (wal->count == 0)
        return found(wal, err);
    if (!recover_segments(wal, err) || !check_log(wal, err))
        return false;
    /* On a full disk a log can still be read, and perhaps written until its segment is full. */
    return log_need_spares(wal, 1, err) || err->number == ENOSPC;
}
