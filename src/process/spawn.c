/*
 * Starts children: this binary again, with three descriptors in fixed places and nothing else inherited.
 */
#include "process/process.h"

#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_FD = 3, FDS = 3, ARGUMENTS_MAX = 16, VARIABLES_MAX = 8, ABOVE_FIXED = 16 };

/* All that a role may know of its supervisor's environment. The sanitizers' are read by their builds alone. */
static const char *const kept[] = {
    "TZ", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS",
};

_Static_assert(ARRAY_LEN(kept) < VARIABLES_MAX, "room for the NULL");

/* "NAME=value" as it stands in environ. */
static void clean_environment(char **kept_out)
{
    uint32_t count = 0;

    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        size_t len = strlen(kept[i]);

        for (char **variable = environ; variable && *variable; variable++)
            if (strncmp(*variable, kept[i], len) == 0 && (*variable)[len] == '=') {
                kept_out[count++] = *variable;
                break;
            }
    }
    kept_out[count] = NULL;
}

/* posix_spawn's dup2 overwrites its targets one by one, so the sources must lie above all of them. */
static bool lift_fds(const struct spawn *spawn, int *lifted, struct err *err)
{
    const int fds[FDS] = {spawn->channel, spawn->scoreboard, spawn->extra};

    for (int i = 0; i < FDS; i++) {
        lifted[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, ABOVE_FIXED);
        if (fds[i] >= 0 && lifted[i] < 0)
            return err_system(err, "duplicate a descriptor for %s", spawn->role);
    }
    return true;
}

static int prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes,
                   const int *lifted)
{
    sigset_t none, all;
    int error = 0;

    sigemptyset(&none);
    sigfillset(&all);
    for (int i = 0; i < FDS && !error; i++)
        if (lifted[i] >= 0)
            error = posix_spawn_file_actions_adddup2(actions, lifted[i], FIRST_FD + i);
    if (!error)
        error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!error)
        error = posix_spawnattr_setsigmask(attributes, &none);
    if (!error)
        error = posix_spawnattr_setsigdefault(attributes, &all);
    if (!error)
        error = posix_spawnattr_setflags(
            attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    return error;
}

/* Its own process group, so that Ctrl-C at a terminal reaches the supervisor alone, which then ends its children in order. */
static int execute(const struct spawn *spawn, const int *lifted, int *pid)
{
    char title[64];
    char *arguments[ARGUMENTS_MAX + 2] = {title};
    char *environment[VARIABLES_MAX];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error;

    snprintf(title, sizeof title, "nines: %s", spawn->role);
    for (int i = 0; spawn->arguments[i]; i++) {
        must(i < ARGUMENTS_MAX);
        arguments[i + 1] = (char *)(uintptr_t)spawn->arguments[i];
    }
    clean_environment(environment);
    if (posix_spawn_file_actions_init(&actions) != 0)
        return ENOMEM;
    posix_spawnattr_init(&attributes);
    error = prepare(&actions, &attributes, lifted);
    if (!error)
        error = posix_spawn(pid, "/proc/self/exe", &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

bool process_spawn(const struct spawn *spawn, int *pid, int *pidfd, struct err *err)
{
    int lifted[FDS] = {-1, -1, -1};
    int child = -1;
    bool done = lift_fds(spawn, lifted, err);

    if (done) {
        errno = execute(spawn, lifted, &child);
        done = errno == 0 || err_system(err, "execute %s", spawn->role);
    }
    for (int i = 0; i < FDS; i++)
        own_close(&lifted[i]);
    if (!done)
        return false;
    /* Our child, not reaped yet: the number cannot have become somebody else's. */
    *pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    if (*pidfd < 0) {
        err_record_errno(err, "watch %s, process %d", spawn->role, child);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0); /* nobody else knows of it */
        return false;
    }
    *pid = child;
    return true;
}

bool process_die_with_parent(int channel, struct err *err)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return err_system(err, "ask to die with the supervisor");
    /* The channel was made by the parent; when it died before the call above, somebody else is the parent by now. */
    if (getsockopt(channel, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return err_system(err, "descriptor %d is not a channel from `nines run`", channel);
    if (peer.pid != getppid())
        return err_set(err, ERR_PEER, "the supervisor is gone");
    return true;
}
