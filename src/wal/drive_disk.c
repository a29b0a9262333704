/*
 * The real disk: a directory descriptor, and plain system calls relative to it. A file's number is its descriptor.
 *
 * It retries what a signal interrupted and finishes what was done in part; it never syncs twice to get another answer.
 */
#include "wal/disk.h"

#include "base/own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

struct directory {
    struct disk disk;
    int fd;
    char path[];
};

static struct directory *directory_of(struct disk *disk)
{
    return container_of(disk, struct directory, disk);
}

/* Records errno; a quota is full as a disk is. False. */
static bool failed_for_room(struct err *err, const char *what, uint64_t bytes, const char *path)
{
    if (errno == EDQUOT)
        errno = ENOSPC;
    return err_system(err, "%s %llu bytes in '%s'", what, (unsigned long long)bytes, path);
}

static bool drive_open(struct disk *disk, const char *name, bool create, int *file, struct err *err)
{
    struct directory *directory = directory_of(disk);
    int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0);
    int fd = openat(directory->fd, name, flags, 0640);

    if (fd < 0)
        return err_system(err, "open '%s/%s'", directory->path, name);
    *file = fd;
    return true;
}

static void drive_close(struct disk *disk, int file)
{
    (void)disk;
    close(file);
}

static bool drive_size(struct disk *disk, int file, uint64_t *size, struct err *err)
{
    struct stat stat;

    if (fstat(file, &stat) < 0)
        return err_system(err, "ask for the size of a file in '%s'", directory_of(disk)->path);
    *size = (uint64_t)stat.st_size;
    return true;
}

static bool drive_read(struct disk *disk, int file, uint64_t at, void *to, size_t *len,
                       struct err *err)
{
    size_t done = 0;
    ssize_t n;

    while (done < *len) {
        n = pread(file, (uint8_t *)to + done, *len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_system(err, "read %zu bytes at %llu in '%s'", *len, (unsigned long long)at,
                              directory_of(disk)->path);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *len = done;
    return true;
}

static bool drive_write(struct disk *disk, int file, uint64_t at, struct bytes bytes,
                        struct err *err)
{
    size_t done = 0;
    ssize_t n;

    while (done < bytes.len) {
        n = pwrite(file, bytes.at + done, bytes.len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed_for_room(err, "write", bytes.len, directory_of(disk)->path);
        done += (size_t)n;
    }
    return true;
}

/* Zeros are written, not only reserved: turning reserved blocks into written ones is a change of metadata in each sync. */
static bool drive_allocate(struct disk *disk, int file, uint64_t size, struct err *err)
{
    static const uint8_t zeros[64 * 1024];
    struct bytes some = bytes_of(zeros, sizeof zeros);

    if (ftruncate(file, 0) < 0)
        return err_system(err, "empty a file in '%s'", directory_of(disk)->path);
    /* All at once, so that it lies together and a full disk is met early. Not every file system can. */
    if (fallocate(file, 0, 0, (off_t)size) < 0 && errno != EOPNOTSUPP && errno != ENOSYS &&
        errno != EINTR)
        return failed_for_room(err, "allocate", size, directory_of(disk)->path);
    for (uint64_t at = 0; at < size; at += some.len)
        if (!drive_write(disk, file, at, bytes_take(some, size - at), err))
            return false;
    return true;
}

static bool drive_sync(struct disk *disk, int file, struct err *err)
{
    return fdatasync(file) == 0 || err_system(err, "sync a file in '%s'", directory_of(disk)->path);
}

static bool drive_sync_names(struct disk *disk, struct err *err)
{
    struct directory *directory = directory_of(disk);

    return fsync(directory->fd) == 0 || err_system(err, "sync the directory '%s'", directory->path);
}

static bool drive_rename(struct disk *disk, const char *from, const char *to, struct err *err)
{
    struct directory *directory = directory_of(disk);

    return renameat(directory->fd, from, directory->fd, to) == 0 ||
           err_system(err, "rename '%s/%s' to '%s'", directory->path, from, to);
}

static bool drive_remove(struct disk *disk, const char *name, struct err *err)
{
    struct directory *directory = directory_of(disk);

    return unlinkat(directory->fd, name, 0) == 0 ||
           err_system(err, "remove '%s/%s'", directory->path, name);
}

static bool list_all(DIR *all, const char *path, void (*each)(void *context, const char *name),
                     void *context, struct err *err)
{
    const struct dirent *entry;

    while (errno = 0, entry = readdir(all))
        if (entry->d_name[0] != '.' && strlen(entry->d_name) < DISK_NAME_MAX)
            each(context, entry->d_name);
    return errno == 0 || err_system(err, "list '%s'", path);
}

static bool drive_list(struct disk *disk, void (*each)(void *context, const char *name),
                       void *context, struct err *err)
{
    struct directory *directory = directory_of(disk);
    autoclose int fd = openat(directory->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *all = fd < 0 ? NULL : fdopendir(fd);
    bool listed;

    if (!all)
        return err_system(err, "list '%s'", directory->path);
    (void)take_fd(&fd);
    listed = list_all(all, directory->path, each, context, err);
    closedir(all);
    return listed;
}

static const struct disk_ops drive_ops = {
    .open = drive_open,
    .close = drive_close,
    .size = drive_size,
    .read = drive_read,
    .write = drive_write,
    .allocate = drive_allocate,
    .sync = drive_sync,
    .sync_names = drive_sync_names,
    .rename = drive_rename,
    .remove = drive_remove,
    .list = drive_list,
};

/* The name of a directory is its parent's to sync. */
static bool make_directory(const char *path, int *fd, struct err *err)
{
    autoclose int parent = -1;

    if (mkdirat(AT_FDCWD, path, 0750) < 0)
        return err_system(err, "make the directory '%s'", path);
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd >= 0)
        parent = openat(*fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 || fsync(parent) < 0)
        return err_system(err, "sync the directory of '%s'", path);
    return true;
}

bool disk_open(struct disk **disk, const char *path, struct err *err)
{
    autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct directory *directory;

    if (fd < 0 && errno == ENOENT && !make_directory(path, &fd, err))
        return false;
    if (fd < 0)
        return err_system(err, "open the directory '%s'", path);
    directory = malloc(sizeof *directory + strlen(path) + 1);
    if (!directory)
        return err_system(err, "open the directory '%s'", path);
    directory->disk.ops = &drive_ops;
    directory->fd = take_fd(&fd);
    memcpy(directory->path, path, strlen(path) + 1);
    *disk = &directory->disk;
    return true;
}

void disk_close(struct disk *disk)
{
    if (!disk)
        return;
    close(directory_of(disk)->fd);
    free(directory_of(disk));
}
