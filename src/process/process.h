/*
 * process: one supervisor and its roles.
 *
 * The supervisor (root, where it is) opens listeners, executes this binary again for each role, restarts what dies, passes generations and
 * descriptors on, and ends everything in order. It parses nothing that comes from a network, and no configuration file: a
 * short-lived role does that and hands back a sealed image. Roles talk to it over one channel each (SOCK_SEQPACKET, size-checked frames).
 */
#pragma once

#include "base/err.h"
#include "base/instant.h"
#include "process/scoreboard.h"

/* ---- channels ---- */

enum { CHANNEL_BODY_MAX = 4096, CHANNEL_FDS_MAX = 64 };

struct frame {
    uint32_t type; /* the two ends agree on it; see role/messages.h */
    uint32_t len;
    uint64_t number; /* a generation, a result … */
    uint8_t body[CHANNEL_BODY_MAX];
    uint32_t fd_count;
    int fds[CHANNEL_FDS_MAX]; /* received ones are the caller's; CLOEXEC */
};

enum channel_outcome {
    CHANNEL_FRAME,
    CHANNEL_NOTHING,
    CHANNEL_CLOSED,
    CHANNEL_BAD, /* malformed, or with more descriptors than fit; those that came were closed. The peer has a bug or an intruder */
};

MUST_USE bool channel_pair(int *ours, int *theirs,
                           struct err *err); /* both non-blocking and CLOEXEC */
/* Descriptors stay the caller's. False when the peer is gone or its queue is full. */
MUST_USE bool channel_send(int fd, const struct frame *frame, struct err *err);
MUST_USE enum channel_outcome channel_receive(int fd, struct frame *frame);
void frame_close_fds(struct frame *frame); /* those that were not taken */
/* Moves a descriptor out of a received frame; -1 when it did not come. */
int frame_take_fd(struct frame *frame, uint32_t index);

/* ---- children ---- */

struct spawn {
    const char *role; /* becomes the process's title: `nines: worker 1` */
    const char *const *arguments;
    int channel, scoreboard; /* arrive as descriptors 3 and 4 */
    int extra;               /* arrives as 5 when not -1 */
};

/* Executes /proc/self/exe again, without a copy of this process in between: a clean environment, its own process group, default
 * signals, standard input from /dev/null; every other descriptor must be CLOEXEC. *pidfd is readable when it ends. */
MUST_USE bool process_spawn(const struct spawn *spawn, int *pid, int *pidfd, struct err *err);
/* The child's first call: it is killed when the process that made the channel (its parent) dies. False when that has happened already. */
MUST_USE bool process_die_with_parent(int channel, struct err *err);
/* A title takes the place of the arguments, as far as it fits: begin once, in main, while they are whole. */
void process_title_begin(int argc, char **argv);
void process_set_title(const char *title);

/* ---- programs of others: what nines runs for a group (managed.h decides when) ---- */

enum { LAUNCH_GROUPS_MAX = 64, LAUNCH_TAG_MAX = 128, LAUNCH_LENT_MAX = 4 };

/* Whom a program becomes. */
struct launch_user {
    bool any; /* false: it stays who this process is */
    uint32_t user, group;
    char name[64], home[256];
    int group_count;
    uint32_t groups[LAUNCH_GROUPS_MAX];
};

struct launch {
    const char *file; /* what is executed; NULL: the first argument */
    const char *const
        *arguments; /* NULL-terminated; the first is looked for in PATH when it has no slash */
    const char *directory;
    const struct launch_user *user;
    const char
        *tag; /* `NINES_RUN=…`, in its environment and in that of all it starts: see tree_kill */
    const char *const *variables; /* further ones, `NAME=value`, NULL-terminated; NULL: none */
    int in, out, error;           /* become its descriptors 0, 1 and 2; in -1: /dev/null */
    const int *lent;              /* LAUNCH_LENT_MAX at most: become 3, 4 …; NULL: none */
    uint32_t lent_count;
};

/* Looks a user up; `name` is nobody's concern unless this process is root. */
MUST_USE bool launch_user_find(struct launch_user *user, const char *name, struct err *err);
/*
 * Starts a program in a session of its own, which dies when this process dies: the program itself, by the kernel's hand; what it started, unless it looks after that
 * itself, is left. It has no descriptor but the three and those lent, no blocked or ignored signals, no capabilities but those of its user. What goes wrong in the child
 * (the directory, the program) is a sentence on its standard error and exit code 127.
 */
MUST_USE bool launch(const struct launch *launch, int *pid, int *pidfd, struct err *err);

/* Orphans of what it starts become this process's own children, so that none is out of sight. Once. */
MUST_USE bool tree_adopt(struct err *err);
/*
 * Sends SIGKILL to all that belongs to a run: the process `leader`, its session and group, what descends from them, and orphans that carry its tag. Answers how many are
 * left that have not ended, the leader included, and never 0 while /proc cannot be read whole; it is called until that is 0. The leader is our child and not reaped, so that its number is its own.
 */
uint32_t tree_kill(int leader, const char *tag);
/* Reaps orphans that have ended; never a process for which `is_ours` is true. */
void tree_reap_orphans(bool (*is_ours)(const void *context, int pid), const void *context);

/* ---- control groups that systemd made: looked at, and killed whole ---- */

enum { CONTROL_GROUP_PATH_MAX = 576 };

/* Where `group` (`/system.slice/x.service`) is, if the process is in it there: "" otherwise, and then nothing can be told of it here. */
void control_group_find(const char *group, int pid, char path[CONTROL_GROUP_PATH_MAX]);
/* No process is in it, nor below it; or it is not there any more. */
bool control_group_empty(const char *path);
void control_group_kill(const char *path); /* SIGKILL to all of them */

/* ---- restart with back-off: pure ---- */

struct restart {
    uint32_t failures; /* in a row: ends that came sooner than `calm_ms` after the start */
    struct instant started;
};

/* How long to wait before the next start: at once the first time, then 100 ms doubling to 10 s. */
int64_t restart_delay_ms(struct restart *restart, struct instant ended);
void restart_started(struct restart *restart, struct instant now);

/* ---- confinement: call before the first byte of input is read ---- */

enum sandbox_profile {
    SANDBOX_WORKER,
    SANDBOX_AGENT,
    SANDBOX_MONITOR,
    SANDBOX_READER,
    SANDBOX_STORE
};

struct sandbox {
    enum sandbox_profile profile;
    const char *user; /* to become, when root; NULL: stay */
    bool io_uring;    /* a ring that is open already may be used; none can be made */
    const char *const
        *readable; /* paths that stay readable (Landlock), NULL-terminated; NULL: none */
    const char *const *writable;
};

/* No new privileges, no capabilities, unprivileged user, Landlock, seccomp; in this order. What the kernel does not have is said in
 * *missing (a sentence, or empty), never skipped in silence. Descriptors that are open stay usable.
 *
 * A system call that only injected code makes (exec, ptrace, mount …) kills the process; one that nobody here needs fails with
 * ENOSYS, as on an older kernel, so that a libc which tries something new falls back and does not become an outage. */
MUST_USE bool sandbox_enter(const struct sandbox *sandbox, char *missing, size_t missing_cap,
                            struct err *err);

/* ---- sd_notify ---- */

/* Sends one state (`READY=1`) to $NOTIFY_SOCKET; without one it does nothing. */
void notify(const char *state);
/* Half of WATCHDOG_USEC in milliseconds, or 0. */
int64_t notify_watchdog_ms(void);
