/*
 * Metadata in two slots, each of which the file holds twice. A write goes to both copies of the slot that is not the newest, so a torn one
 * leaves the other; a damaged copy leaves its twin. Without the twin, damage to the newest slot would look like a torn write, and a vote
 * would be forgotten.
 *
 * What is read at the open is written again, to the other slot: after a failed sync the page cache may show what the disk never got.
 */
#include "wal/frame.h"
#include "wal/wal.h"

#include <errno.h>
#include <stdio.h>

enum {
    SLOTS = 2,
    COPY_BYTES = SLOTS * FRAME_SLOT_BYTES,
    FILE_BYTES = 2 * COPY_BYTES,
};

/* The twin first: in a file that has no room for it yet (it was made without), and on a full disk, the other copies stay whole. */
static bool write_copies(struct wal_meta *meta, uint64_t sequence, struct bytes slot,
                         struct err *err)
{
    const struct disk_ops *ops = meta->disk->ops;
    uint64_t at = sequence % SLOTS * FRAME_SLOT_BYTES;

    return ops->write(meta->disk, meta->file, COPY_BYTES + at, slot, err) &&
           ops->write(meta->disk, meta->file, at, slot, err);
}

static bool write_slot(struct wal_meta *meta, struct bytes body, struct err *err)
{
    const struct disk_ops *ops = meta->disk->ops;
    uint64_t sequence = meta->sequence + 1;
    uint8_t slot[FRAME_SLOT_BYTES];

    frame_put_slot(slot, sequence, body);
    if (!write_copies(meta, sequence, bytes_of(slot, sizeof slot), err)) {
        meta->poisoned = err->number != ENOSPC;
        return err_during(err, "write '%s'", meta->name);
    }
    if (!ops->sync(meta->disk, meta->file, err)) {
        meta->poisoned = true;
        return err_during(err, "write '%s'", meta->name);
    }
    meta->sequence = sequence;
    meta->len = (uint32_t)body.len;
    if (body.len > 0 && body.at != meta->body)
        memcpy(meta->body, body.at, body.len);
    return true;
}

/* A name that is there is a file that is complete: it is made under another one. */
static bool make(struct wal_meta *meta, struct err *err)
{
    struct disk *disk = meta->disk;
    char name[DISK_NAME_MAX];
    bool made;

    must(snprintf(name, sizeof name, "%s.new", meta->name) < (int)sizeof name);
    if (!disk->ops->open(disk, name, true, &meta->file, err))
        return false;
    made = disk->ops->allocate(disk, meta->file, FILE_BYTES, err) &&
           write_slot(meta, (struct bytes){0}, err) &&
           disk->ops->rename(disk, name, meta->name, err) && disk->ops->sync_names(disk, err);
    if (!made)
        wal_meta_close(meta);
    return made;
}

static bool read_slots(struct wal_meta *meta, struct err *err)
{
    uint8_t file[FILE_BYTES];
    bool found = false;
    size_t got = sizeof file;

    if (!meta->disk->ops->read(meta->disk, meta->file, 0, file, &got, err))
        return false;
    for (unsigned i = 0; (i + 1) * FRAME_SLOT_BYTES <= got; i++) {
        uint64_t sequence;
        struct bytes body;

        if (!frame_get_slot(bytes_of(file + i * FRAME_SLOT_BYTES, FRAME_SLOT_BYTES), i % SLOTS,
                            &sequence, &body) ||
            (found && sequence < meta->sequence))
            continue;
        found = true;
        meta->sequence = sequence;
        meta->len = (uint32_t)body.len;
        memcpy(meta->body, body.at, body.len);
    }
    if (!found) {
        err_record(err, ERR_SYSTEM, EILSEQ,
                   "'%s' is damaged: neither of its two slots is valid in either copy", meta->name);
        return false;
    }
    return true;
}

bool wal_meta_open(struct wal_meta *meta, struct disk *disk, const char *name, struct err *err)
{
    bool opened;

    must(strlen(name) + 4 < DISK_NAME_MAX);
    memset(meta, 0, sizeof *meta);
    meta->disk = disk;
    memcpy(meta->name, name, strlen(name) + 1);
    if (!disk->ops->open(disk, name, false, &meta->file, err)) {
        if (err->number == ENOENT && make(meta, err))
            return true;
        meta->disk = NULL;
        return err_during(err, "open '%s'", name);
    }
    opened = disk->ops->sync_names(disk, err) && read_slots(meta, err) &&
             write_slot(meta, bytes_of(meta->body, meta->len), err);
    if (!opened)
        wal_meta_close(meta);
    return opened ? true : err_during(err, "open '%s'", name);
}

void wal_meta_close(struct wal_meta *meta)
{
    if (!meta->disk)
        return;
    meta->disk->ops->close(meta->disk, meta->file);
    meta->disk = NULL;
}

bool wal_meta_write(struct wal_meta *meta, struct bytes body, struct err *err)
{
    must(meta->disk && body.len <= WAL_META_BYTES_MAX);
    if (meta->poisoned) {
        err_record(err, ERR_SYSTEM, EIO, "'%s' failed before: what the disk holds is not known",
                   meta->name);
        return false;
    }
    return write_slot(meta, body, err);
}
