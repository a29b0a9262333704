/*
 * Finds and kills all that belongs to a run, in /proc: there is no other place that knows, where control groups are not ours to write.
 *
 * What escapes: a process that left its session, whose parents have all ended, and that wiped its environment. It was then made to escape.
 */
#include "process/process.h"

#include "base/own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES_MAX = 131072, ENVIRONMENT_MAX = 64 << 10, ROUNDS_MAX = 64 };

struct relation {
    int pid, parent, group, session;
    uint64_t started;
    bool ended, belongs;
};

/* The numbers behind a name and a state, as proc_pid_stat(5) counts them: from the fourth, the parent, to the twenty-second, the start. */
static bool parse_numbers(const char *text, struct relation *relation)
{
    enum { PARENT = 4, GROUP, SESSION, STARTED = 22 };

    for (int field = PARENT; field <= STARTED; field++) {
        char *end;
        long long number = strtoll(text, &end, 10);

        if (end == text)
            return false;
        text = end;
        if (field == PARENT)
            relation->parent = (int)number;
        else if (field == GROUP)
            relation->group = (int)number;
        else if (field == SESSION)
            relation->session = (int)number;
        else if (field == STARTED)
            relation->started = (uint64_t)number;
    }
    return true;
}

enum reading { READ, VANISHED, UNREADABLE };

/* A process that ends while it is looked at. */
static enum reading why_not(void)
{
    return errno == ENOENT || errno == ESRCH ? VANISHED : UNREADABLE;
}

/* The name may hold anything, but ends with the last parenthesis. */
static enum reading read_relation(int pid, struct relation *relation)
{
    char path[32], text[512];
    autoclose int fd = -1;
    const char *rest;
    ssize_t len;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (len <= 0)
        return len < 0 ? why_not() : UNREADABLE;
    text[len] = '\0';
    rest = strrchr(text, ')');
    *relation = (struct relation){.pid = pid};
    if (!rest || strlen(rest) < 4 || !parse_numbers(rest + 3, relation))
        return UNREADABLE;
    relation->ended = rest[2] == 'Z' || rest[2] == 'X';
    return READ;
}

/* False: there may be more than were read. */
static bool read_all(struct relation *all, uint32_t *count)
{
    DIR *directory = opendir("/proc");
    const struct dirent *entry;
    bool whole = true;

    *count = 0;
    if (!directory)
        return false;
    while (errno = 0, (entry = readdir(directory))) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        enum reading got = VANISHED;

        if (*end != '\0' || pid <= 0)
            continue;
        if (*count < PROCESSES_MAX)
            got = read_relation((int)pid, &all[*count]);
        whole = whole && *count < PROCESSES_MAX && got != UNREADABLE;
        *count += got == READ;
    }
    whole = whole && errno == 0;
    closedir(directory);
    return whole;
}

/*
 * As its owner, where root alone may not: a service that is confined has no CAP_SYS_PTRACE, but may become anybody, so it is the owner for the moment in which
 * the file is opened and read.
 */
static ssize_t read_environment(int pid, char *text, size_t cap)
{
    char path[32];
    struct stat owner;
    autoclose int fd = -1;
    ssize_t len = -1;

    snprintf(path, sizeof path, "/proc/%d", pid);
    if (stat(path, &owner) < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    if (geteuid() == 0) {
        setfsgid(owner.st_gid);
        setfsuid(owner.st_uid);
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        len = read(fd, text, cap);
    if (geteuid() == 0) {
        setfsuid(0);
        setfsgid(getegid());
    }
    return len;
}

/* A variable of its environment as it was when it began. */
static bool has_tag(int pid, const char *tag)
{
    static char text[ENVIRONMENT_MAX];
    size_t size = strlen(tag) + 1;
    ssize_t len = read_environment(pid, text, sizeof text);

    for (ssize_t at = 0; at + (ssize_t)size <= len;) {
        if (memcmp(text + at, tag, size) == 0)
            return true;
        at += (ssize_t)strnlen(text + at, (size_t)(len - at)) + 1;
    }
    return false;
}

static int compare_pids(const void *a, const void *b)
{
    const struct relation *left = a, *right = b;

    return left->pid < right->pid ? -1 : left->pid > right->pid;
}

static bool parent_belongs(const struct relation *all, uint32_t count, int parent)
{
    const struct relation key = {.pid = parent};
    const struct relation *found = bsearch(&key, all, count, sizeof key, compare_pids);

    return found && found->belongs;
}

static bool belongs(const struct relation *all, uint32_t count, const struct relation *one,
                    int leader, const char *tag)
{
    if (one->pid == leader || one->session == leader || one->group == leader)
        return true;
    if (one->parent == getpid())
        return has_tag(one->pid, tag);
    return parent_belongs(all, count, one->parent);
}

/* Until nothing more is found: a grandchild may stand before its parent. */
static void mark(struct relation *all, uint32_t count, int leader, const char *tag)
{
    bool more = true;

    for (int round = 0; more && round < ROUNDS_MAX; round++) {
        more = false;
        for (uint32_t i = 0; i < count; i++)
            if (!all[i].belongs && belongs(all, count, &all[i], leader, tag))
                all[i].belongs = more = true;
    }
}

/* The number may have become another's since it was read: what is held is looked at again before it is killed. */
static void kill_one(const struct relation *relation)
{
    autoclose int fd = (int)syscall(SYS_pidfd_open, relation->pid, 0);
    struct relation now;

    if (fd < 0 || read_relation(relation->pid, &now) != READ || now.started != relation->started)
        return;
    (void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
}

uint32_t tree_kill(int leader, const char *tag)
{
    static struct relation all[PROCESSES_MAX];
    uint32_t count, left;

    /* Most of it, before anything is searched for; the leader may not lead a group yet. */
    (void)kill(-leader, SIGKILL);
    (void)kill(leader, SIGKILL);
    left = read_all(all, &count) ? 0 : 1; /* who was not seen may be one of them */
    qsort(all, count, sizeof *all, compare_pids);
    mark(all, count, leader, tag);
    for (uint32_t i = 0; i < count; i++) {
        if (!all[i].belongs || all[i].ended)
            continue;
        kill_one(&all[i]);
        left++;
    }
    return left;
}

bool tree_adopt(struct err *err)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 ||
           err_system(err, "adopt what the processes of groups leave behind");
}

void tree_reap_orphans(bool (*is_ours)(const void *context, int pid), const void *context)
{
    for (;;) {
        siginfo_t info = {0};

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0 ||
            is_ours(context, info.si_pid))
            return;
        (void)waitpid(info.si_pid, NULL, WNOHANG);
    }
}
