/*
 * Landlock: a domain that can only be left by ending. It refuses what is not listed; it cannot be loosened later.
 */
#include "process/landlock.h"

#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ABI_ASKED = 1, RULE_PATH_BENEATH = 1 };

/* File rights, by the version of the interface that brought them. */
#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_VERSION_1 ((UINT64_C(1) << 13) - 1)
#define FS_REFER (UINT64_C(1) << 13)
#define FS_TRUNCATE (UINT64_C(1) << 14)
#define FS_IOCTL_DEVICE (UINT64_C(1) << 15)
#define NET_BIND_TCP (UINT64_C(1) << 0)
#define SCOPE_ABSTRACT_SOCKETS (UINT64_C(1) << 0)
#define SCOPE_SIGNALS (UINT64_C(1) << 1)

struct ruleset {
    uint64_t files, net, scoped;
};

struct path_beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

static const struct {
    int abi;
    size_t size; /* of struct ruleset, as that version knows it */
    struct ruleset adds;
    const char *what;
} versions[] = {
    {1, 8, {.files = FS_VERSION_1}, "files"},
    {2, 8, {.files = FS_REFER}, "links between directories (Linux 5.19)"},
    {3, 8, {.files = FS_TRUNCATE}, "truncation (Linux 6.2)"},
    {4, 16, {.net = NET_BIND_TCP}, "binding TCP ports (Linux 6.7)"},
    {5, 16, {.files = FS_IOCTL_DEVICE}, "ioctls of devices (Linux 6.10)"},
    {6,
     24,
     {.scoped = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS},
     "signals and abstract sockets (Linux 6.12)"},
};

static size_t handle(int abi, struct ruleset *handled, struct buf *missing)
{
    size_t size = 0;

    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        if (abi < versions[i].abi) {
            buf_print(missing, "%sLandlock does not cover %s", missing->len ? "; " : "",
                      versions[i].what);
            continue;
        }
        handled->files |= versions[i].adds.files;
        handled->net |= versions[i].adds.net;
        handled->scoped |= versions[i].adds.scoped;
        size = versions[i].size;
    }
    return size;
}

/* A rule on a file may not name rights that only directories have. */
static bool allow(int ruleset, const char *path, uint64_t rights, struct err *err)
{
    autoclose int fd = open(path, O_PATH | O_CLOEXEC);
    struct path_beneath rule = {.parent = fd};
    struct stat stat;

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES ||
               err_system(err, "allow '%s'", path);
    if (fstat(fd, &stat) < 0)
        return err_system(err, "allow '%s'", path);
    rule.allowed = rights;
    if (!S_ISDIR(stat.st_mode))
        rule.allowed &= FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEVICE;
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0)
        return err_system(err, "allow '%s'", path);
    return true;
}

static bool allow_all(int ruleset, const char *const *paths, uint64_t rights, struct err *err)
{
    for (; paths && *paths; paths++)
        if (!allow(ruleset, *paths, rights, err))
            return false;
    return true;
}

bool landlock_enter(const char *const *readable, const char *const *writable, struct buf *missing,
                    struct err *err)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, ABI_ASKED);
    uint64_t reading = FS_READ_FILE | FS_READ_DIR;
    struct ruleset handled = {0};
    size_t size;
    autoclose int ruleset = -1;

    if (abi < 1) {
        buf_add_string(missing, "Landlock is not available: files are not confined");
        return true;
    }
    size = handle(abi, &handled, missing);
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, size, 0);
    if (ruleset < 0)
        return err_system(err, "create a Landlock ruleset of version %d", abi);
    if (!allow_all(ruleset, readable, reading, err) ||
        !allow_all(ruleset, writable, handled.files & ~(FS_EXECUTE | FS_REFER | FS_IOCTL_DEVICE),
                   err))
        return false;
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        return err_system(err, "enter the Landlock domain");
    return true;
}
