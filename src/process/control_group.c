/*
 * Control groups of units, in the unified hierarchy: wherever it is mounted on its own or beside the older ones. Nothing is made or moved here; they are systemd's.
 */
#include "process/process.h"

#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

static void close_file(FILE **file)
{
    if (*file)
        fclose(*file);
}

static FILE *open_file(const char *path, const char *name, const char *mode)
{
    char whole[CONTROL_GROUP_PATH_MAX + 32];

    snprintf(whole, sizeof whole, "%s/%s", path, name);
    return fopen(whole, mode);
}

/* 0: there is no other. */
static int next_member(FILE *file)
{
    char line[32];

    return file && fgets(line, sizeof line, file) ? (int)strtol(line, NULL, 10) : 0;
}

static bool has_member(const char *path, int pid)
{
    FILE *file __attribute__((cleanup(close_file))) = open_file(path, "cgroup.procs", "re");
    int member;

    while ((member = next_member(file)) > 0)
        if (member == pid)
            return true;
    return false;
}

/* Both are asked for: only the unified hierarchy says whether anything is left below. */
static bool tells_of_all(const char *path)
{
    FILE *file __attribute__((cleanup(close_file))) = open_file(path, "cgroup.events", "re");

    return file != NULL;
}

void control_group_find(const char *group, int pid, char path[CONTROL_GROUP_PATH_MAX])
{
    for (size_t i = 0; group[0] == '/' && i < ARRAY_LEN(mounts); i++) {
        int len = snprintf(path, CONTROL_GROUP_PATH_MAX, "%s%s", mounts[i], group);

        if (len < CONTROL_GROUP_PATH_MAX && has_member(path, pid) && tells_of_all(path))
            return;
    }
    path[0] = '\0';
}

bool control_group_empty(const char *path)
{
    FILE *file __attribute__((cleanup(close_file))) = open_file(path, "cgroup.events", "re");
    char line[64];

    if (!file)
        return errno == ENOENT;
    while (fgets(line, sizeof line, file))
        if (strcmp(line, "populated 0\n") == 0)
            return true;
    /* One that is removed while it is read cannot be read: ENODEV. */
    return ferror(file) && errno == ENODEV;
}

/* As far as a kernel has no cgroup.kill, or it is not ours to write: one by one. */
static void kill_members(const char *path)
{
    FILE *file __attribute__((cleanup(close_file))) = open_file(path, "cgroup.procs", "re");
    int member;

    while ((member = next_member(file)) > 0) {
        autoclose int fd = (int)syscall(SYS_pidfd_open, member, 0);

        /* The number may have become another's since it was read. */
        if (fd >= 0 && has_member(path, member))
            (void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
    }
}

void control_group_kill(const char *path)
{
    char whole[CONTROL_GROUP_PATH_MAX + 32];
    autoclose int fd = -1;

    snprintf(whole, sizeof whole, "%s/cgroup.kill", path);
    fd = open(whole, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "1", 1) != 1)
        kill_members(path);
}
