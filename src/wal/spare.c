/*
 * The files of a log: where segments come from and where they go.
 *
 * A name says that a file is complete: a spare has its full size, synced, and a segment its header, synced, before it is renamed. Every
 * rename is synced before anything relies on it.
 */
#include "wal/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

void log_segment_name(const struct wal *wal, uint64_t sequence, char name[DISK_NAME_MAX])
{
    snprintf(name, DISK_NAME_MAX, "%s-%016" PRIx64, wal->prefix, sequence);
}

void log_spare_name(const struct wal *wal, unsigned number, char name[DISK_NAME_MAX])
{
    snprintf(name, DISK_NAME_MAX, "%s-spare-%u", wal->prefix, number);
}

static unsigned spare_count(const struct wal *wal)
{
    return (unsigned)__builtin_popcount(wal->spares);
}

static bool fill_spare(struct wal *wal, const char *name, struct err *err)
{
    const struct disk_ops *ops = wal->disk->ops;
    bool filled;
    int file;

    if (!ops->open(wal->disk, name, true, &file, err))
        return false;
    filled = ops->allocate(wal->disk, file, wal->options.segment_bytes, err) &&
             log_sync_file(wal, file, err);
    ops->close(wal->disk, file);
    return filled;
}

static bool make_spare(struct wal *wal, struct err *err)
{
    unsigned number = (unsigned)__builtin_ctz(~wal->spares);
    char fresh[DISK_NAME_MAX], name[DISK_NAME_MAX];
    struct err ignored;

    must(number < LOG_SPARES_MAX);
    snprintf(fresh, sizeof fresh, "%s-new", wal->prefix);
    log_spare_name(wal, number, name);
    if (!fill_spare(wal, fresh, err) || !wal->disk->ops->rename(wal->disk, fresh, name, err)) {
        (void)!wal->disk->ops->remove(wal->disk, fresh, &ignored); /* for its room */
        return false;
    }
    wal->spares |= 1u << number;
    return true;
}

bool log_need_spares(struct wal *wal, unsigned count, struct err *err)
{
    while (spare_count(wal) < count)
        if (!make_spare(wal, err))
            return false;
    return true;
}

/* Another life, another salt: the seed is another one at each open, the sequence within one. */
static uint64_t draw(const struct wal *wal, uint64_t sequence)
{
    uint64_t from[2] = {wal->id, sequence};

    return XXH3_64bits_withSeed(from, sizeof from, wal->options.seed);
}

static bool write_header(struct wal *wal, int file, const struct segment_header *header,
                         struct err *err)
{
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    struct buf out;

    buf_over(&out, bytes, sizeof bytes);
    segment_put_header(&out, header);
    return wal->disk->ops->write(wal->disk, file, 0, buf_bytes(&out), err) &&
           log_sync_file(wal, file, err);
}

static bool give_name(struct wal *wal, const char *spare, uint64_t sequence, struct err *err)
{
    char name[DISK_NAME_MAX];

    log_segment_name(wal, sequence, name);
    return wal->disk->ops->rename(wal->disk, spare, name, err) && log_sync_names(wal, err);
}

bool log_begin_segment(struct wal *wal, struct err *err)
{
    const struct log_segment *newest = wal->count > 0 ? log_newest(wal) : NULL;
    unsigned number = (unsigned)__builtin_ctz(wal->spares);
    struct segment_header header = {
        .segment_bytes = wal->options.segment_bytes,
        .id = wal->id,
        .sequence = newest ? newest->sequence + 1 : 1,
        .first = wal->next,
        .previous_end = newest ? newest->end : 0,
    };
    char spare[DISK_NAME_MAX];
    int file;

    must(wal->spares != 0 && wal->staged == 0 && wal->count < ARRAY_LEN(wal->segments));
    header.salt = draw(wal, header.sequence);
    log_spare_name(wal, number, spare);
    if (!wal->disk->ops->open(wal->disk, spare, false, &file, err))
        return false;
    if (!write_header(wal, file, &header, err) || !give_name(wal, spare, header.sequence, err)) {
        wal->disk->ops->close(wal->disk, file);
        return false;
    }
    if (wal->file >= 0)
        wal->disk->ops->close(wal->disk, wal->file);
    wal->file = file;
    wal->salt = header.salt;
    wal->spares &= ~(1u << number);
    wal->segments[wal->count++] = (struct log_segment){.sequence = header.sequence,
                                                       .first = wal->next,
                                                       .last = wal->next - 1,
                                                       .end = SEGMENT_HEADER_BYTES};
    return true;
}

bool log_recycle_oldest(struct wal *wal, struct err *err)
{
    unsigned number = (unsigned)__builtin_ctz(~wal->spares);
    bool keep = spare_count(wal) <= wal->options.spares;
    char name[DISK_NAME_MAX], spare[DISK_NAME_MAX];

    must(wal->count > 1);
    log_segment_name(wal, wal->segments[0].sequence, name);
    log_spare_name(wal, number, spare);
    if (keep ? !wal->disk->ops->rename(wal->disk, name, spare, err)
             : !wal->disk->ops->remove(wal->disk, name, err))
        return false;
    if (keep)
        wal->spares |= 1u << number;
    wal->count--;
    memmove(wal->segments, wal->segments + 1, wal->count * sizeof wal->segments[0]);
    return log_sync_names(wal, err);
}
