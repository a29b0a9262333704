/*
 * wal: what has to survive. This header is the disk as this program uses it: one flat directory of named files, synchronous calls.
 *
 * A caller runs them where waiting is allowed (net's jobs). Two implementations: the real one below, and the simulator's, which
 * forgets what was not synced. An implementation embeds `struct disk` and finds itself with container_of; it is used by one thread at a time.
 *
 * What is durable when (everything else may be there after a crash, or not, or in parts):
 * - bytes: what was written before a `sync` of that file that returned true;
 * - names: what was opened, renamed or removed before a `sync_names` that returned true. A file's bytes follow the file, not the name.
 * A write under way at a crash leaves any mixture of old and new bytes in its range and touches nothing outside of it.
 *
 * Every failure is false with err->number = errno; callers tell ENOSPC (an ordinary outcome) from the others by it. After a `sync` or
 * `sync_names` that failed nobody knows what is durable, and syncing again proves nothing.
 */
#pragma once

#include "base/bytes.h"
#include "base/err.h"

enum { DISK_NAME_MAX = 64 }; /* with its NUL; no '/', does not begin with '.' */

struct disk {
    const struct disk_ops *ops;
};

struct disk_ops {
    /* `file` becomes a small number. Without `create` a missing name fails with ENOENT; with it an existing file is opened as it is. */
    bool (*open)(struct disk *disk, const char *name, bool create, int *file, struct err *err);
    void (*close)(struct disk *disk, int file); /* syncs nothing */
    bool (*size)(struct disk *disk, int file, uint64_t *size, struct err *err);
    /* `len` becomes what was read: less only at the end of the file. */
    bool (*read)(struct disk *disk, int file, uint64_t at, void *to, size_t *len, struct err *err);
    /* All or a failure; one that failed may have written any part. The file grows when it has to. */
    bool (*write)(struct disk *disk, int file, uint64_t at, struct bytes bytes, struct err *err);
    /* Makes the file `size` bytes of zeros, for which there is room: after a sync, writing within them needs no space and changes
     * no metadata (unless the file system copies on write). Fails with ENOSPC; the file is then to be removed. */
    bool (*allocate)(struct disk *disk, int file, uint64_t size, struct err *err);
    bool (*sync)(struct disk *disk, int file, struct err *err);
    bool (*sync_names)(struct disk *disk, struct err *err);
    bool (*rename)(struct disk *disk, const char *from, const char *to,
                   struct err *err);                                      /* replaces `to` */
    bool (*remove)(struct disk *disk, const char *name, struct err *err); /* missing: ENOENT */
    /* Every name once, in no order. `each` calls nothing of the disk. */
    bool (*list)(struct disk *disk, void (*each)(void *context, const char *name), void *context,
                 struct err *err);
};

/* The real one: a directory, which is made (mode 0750, its parent must exist) when it is missing. No file is open at disk_close. */
MUST_USE bool disk_open(struct disk **disk, const char *directory, struct err *err);
void disk_close(struct disk *disk); /* of disk_open; NULL is fine */
