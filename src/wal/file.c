/*
 * Whole files that are replaced: written beside the old one, synced, then renamed over it.
 */
#include "base/own.h"
#include "wal/frame.h"
#include "wal/wal.h"

#include <errno.h>
#include <stdio.h>

static bool write_body(struct disk *disk, int file, struct bytes bytes, struct err *err)
{
    uint8_t header[FRAME_HEADER_BYTES];

    frame_put_file_header(header, bytes);
    return disk->ops->write(disk, file, 0, bytes_of(header, sizeof header), err) &&
           disk->ops->write(disk, file, sizeof header, bytes, err) &&
           disk->ops->sync(disk, file, err);
}

/* What an earlier attempt left is in the way: it may be longer. */
static bool remove_old(struct disk *disk, const char *name, struct err *err)
{
    return disk->ops->remove(disk, name, err) || err->number == ENOENT;
}

bool wal_file_replace(struct disk *disk, const char *name, struct bytes bytes, struct err *err)
{
    char beside[DISK_NAME_MAX];
    struct err ignored;
    bool written;
    int file;

    must(bytes.len <= WAL_FILE_BYTES_MAX);
    must(snprintf(beside, sizeof beside, "%s.new", name) < (int)sizeof beside);
    if (!remove_old(disk, beside, err) || !disk->ops->open(disk, beside, true, &file, err))
        return err_during(err, "replace '%s'", name);
    written = write_body(disk, file, bytes, err);
    disk->ops->close(disk, file);
    if (!written || !disk->ops->rename(disk, beside, name, err)) {
        (void)!disk->ops->remove(disk, beside, &ignored); /* for its room */
        return err_during(err, "replace '%s'", name);
    }
    return disk->ops->sync_names(disk, err) || err_during(err, "replace '%s'", name);
}

static bool read_all(struct disk *disk, int file, uint64_t size, struct buf *out, struct err *err)
{
    autofree uint8_t *all = malloc(size);
    struct bytes body;
    size_t got = size;

    if (!all)
        return err_system(err, "allocate %llu bytes", (unsigned long long)size);
    if (!disk->ops->read(disk, file, 0, all, &got, err))
        return false;
    if (!frame_get_file(bytes_of(all, got), &body)) {
        err_record(err, ERR_SYSTEM, EILSEQ, "it is damaged: its checksum is wrong");
        return false;
    }
    buf_add(out, body);
    if (out->full) {
        err_record(err, ERR_LIMIT, EFBIG, "its %zu bytes are too many", body.len);
        return false;
    }
    return true;
}

bool wal_file_read(struct disk *disk, const char *name, struct buf *out, struct err *err)
{
    uint64_t size;
    bool done;
    int file;

    if (!disk->ops->open(disk, name, false, &file, err))
        return err_during(err, "read '%s'", name);
    /* An earlier process may have failed to sync the name that is seen now. */
    done = disk->ops->sync_names(disk, err) && disk->ops->size(disk, file, &size, err);
    if (done && (size < FRAME_HEADER_BYTES || size > WAL_FILE_BYTES_MAX + FRAME_HEADER_BYTES)) {
        err_record(err, ERR_SYSTEM, size < FRAME_HEADER_BYTES ? EILSEQ : EFBIG, "it has %llu bytes",
                   (unsigned long long)size);
        done = false;
    }
    done = done && read_all(disk, file, size, out, err);
    disk->ops->close(disk, file);
    return done ? true : err_during(err, "read '%s'", name);
}
