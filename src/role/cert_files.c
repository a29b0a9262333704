#include "role/cert_files.h"

#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

enum { TEXT_MAX = 256 << 10, NAME_BYTES = 2048 };

bool cert_folder(const char *path, struct err *err)
{
    if (mkdir(path, 0755) == 0 || errno == EEXIST)
        return true;
    return err_system(err, "make the folder '%s'", path);
}

static bool write_all(int fd, struct bytes text)
{
    while (text.len > 0) {
        ssize_t put = write(fd, text.at, text.len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        text = bytes_skip(text, (size_t)put);
    }
    return true;
}

static bool write_new(const char *path, const struct cert_file *file, struct bytes text)
{
    autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    return fd >= 0 && write_all(fd, text) &&
           (file->owner == (uid_t)-1 || fchown(fd, file->owner, (gid_t)-1) == 0) &&
           fchmod(fd, file->mode) == 0 && fsync(fd) == 0;
}

static bool sync_folder(const char *path)
{
    char folder[NAME_BYTES];
    const char *slash = strrchr(path, '/');
    autoclose int fd = -1;

    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    fd = open(folder[0] ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}

bool cert_file_put(const char *path, const struct cert_file *file, struct bytes text,
                   struct err *err)
{
    char beside[NAME_BYTES];
    int len = snprintf(beside, sizeof beside, "%s.new", path);

    if (len < 0 || (size_t)len >= sizeof beside)
        return err_set(err, ERR_LIMIT, "'%s' is too long a name", path);
    /* One that is left over from a run that was killed. */
    (void)unlink(beside);
    if (write_new(beside, file, text) &&
        renameat2(AT_FDCWD, beside, AT_FDCWD, path, file->replace ? 0 : RENAME_NOREPLACE) == 0 &&
        sync_folder(path))
        return true;
    (void)err_system(err, "write '%s'", path);
    (void)unlink(beside);
    return false;
}

bool cert_file_get(const char *path, struct buf *text, struct err *err)
{
    autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    buf_init(text, TEXT_MAX);
    if (fd < 0)
        return err_system(err, "read '%s'", path);
    do {
        uint8_t *space = buf_space(text, 4096);

        if (!space)
            return err_set(err, ERR_LIMIT, "'%s' is longer than %d bytes", path, TEXT_MAX);
        got = read(fd, space, 4096);
        if (got < 0 && errno != EINTR)
            return err_system(err, "read '%s'", path);
        if (got > 0)
            buf_grew(text, (size_t)got);
    } while (got != 0);
    return true;
}
