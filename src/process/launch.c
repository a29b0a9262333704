/*
 * Starts a program that is not ours: a group's data service, or the program that manages one. All that can be looked up is looked up before the fork; the child
 * only obeys, and says on its standard error what it could not do.
 */
#include "process/process.h"

#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    VARIABLES_MAX = 24,
    VARIABLE_BYTES_MAX = 512,
    FAILED = 127,
    STANDARD = 3, /* descriptors that every program has */
    DESCRIPTORS_MAX = STANDARD + LAUNCH_LENT_MAX,
};

#define USUAL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

bool launch_user_find(struct launch_user *user, const char *name, struct err *err)
{
    const struct passwd *entry;
    gid_t groups[LAUNCH_GROUPS_MAX];

    *user = (struct launch_user){0};
    if (geteuid() != 0)
        return true;
    errno = 0;
    entry = getpwnam(name);
    if (!entry)
        return errno ? err_system(err, "look up the user '%s'", name)
                     : err_set(err, ERR_CONFIG, "the user '%s' does not exist here", name);
    user->group_count = LAUNCH_GROUPS_MAX;
    if (getgrouplist(name, entry->pw_gid, groups, &user->group_count) < 0)
        return err_set(err, ERR_LIMIT, "the user '%s' is in more than %d groups", name,
                       LAUNCH_GROUPS_MAX);
    for (int i = 0; i < user->group_count; i++)
        user->groups[i] = groups[i];
    user->any = true;
    user->user = entry->pw_uid;
    user->group = entry->pw_gid;
    snprintf(user->name, sizeof user->name, "%s", entry->pw_name);
    snprintf(user->home, sizeof user->home, "%s", entry->pw_dir);
    return true;
}

/* ---- the environment ---- */

struct environment {
    char texts[4][VARIABLE_BYTES_MAX];
    const char *all[VARIABLES_MAX];
};

static void collect(struct environment *environment, const struct launch *launch)
{
    const char *path = getenv("PATH"), *zone = getenv("TZ");
    uint32_t count = 0, text = 0;

    if (path && strlen(path) < VARIABLE_BYTES_MAX - sizeof "PATH=")
        snprintf(environment->texts[text], VARIABLE_BYTES_MAX, "PATH=%s", path);
    else
        snprintf(environment->texts[text], VARIABLE_BYTES_MAX, "PATH=" USUAL_PATH);
    environment->all[count++] = environment->texts[text++];
    if (zone) {
        snprintf(environment->texts[text], VARIABLE_BYTES_MAX, "TZ=%s", zone);
        environment->all[count++] = environment->texts[text++];
    }
    if (launch->user->any) {
        snprintf(environment->texts[text], VARIABLE_BYTES_MAX, "USER=%s", launch->user->name);
        environment->all[count++] = environment->texts[text++];
        snprintf(environment->texts[text], VARIABLE_BYTES_MAX, "HOME=%s", launch->user->home);
        environment->all[count++] = environment->texts[text++];
    }
    environment->all[count++] = launch->tag;
    for (const char *const *more = launch->variables; more && *more; more++) {
        must(count + 1 < VARIABLES_MAX);
        environment->all[count++] = *more;
    }
    environment->all[count] = NULL;
}

/* ---- in the child ---- */

static _Noreturn void fail(const char *what, const char *which)
{
    dprintf(STDERR_FILENO, "cannot %s '%s': %s\n", what, which, strerror(errno));
    _exit(FAILED);
}

static void restore_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL); /* some cannot be changed, and need not */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* nines.service has nines spared when memory runs out; what needs the memory is not. */
static void be_a_victim_like_others(void)
{
    autoclose int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)!write(fd, "0", 1); /* who was made a first victim may have no right to change it */
}

static void become(const struct launch_user *user)
{
    gid_t groups[LAUNCH_GROUPS_MAX];

    /* A nines without root may have a capability to bind ports; its programs have not. */
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (!user->any)
        return;
    for (int i = 0; i < user->group_count; i++)
        groups[i] = user->groups[i];
    if (setgroups((size_t)user->group_count, groups) < 0 ||
        setresgid(user->group, user->group, user->group) < 0 ||
        setresuid(user->user, user->user, user->user) < 0)
        fail("become the user", user->name);
}

static _Noreturn void be(const struct launch *launch, const struct environment *environment,
                         const int *lifted, int parent)
{
    for (uint32_t i = 0; i < STANDARD + launch->lent_count; i++)
        if (dup2(lifted[i], (int)i) < 0)
            _exit(FAILED);
    if (close_range(STANDARD + launch->lent_count, ~0U, 0) < 0)
        fail("close the descriptors of", launch->arguments[0]);
    restore_signals();
    be_a_victim_like_others();
    (void)setsid(); /* a new process leads no group, so it cannot fail */
    become(launch->user);
    /* The kernel forgets this when the user changes. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        fail("ask to die with nines for", launch->arguments[0]);
    if (getppid() != parent)
        _exit(FAILED);
    if (chdir(launch->directory) < 0)
        fail("run in the directory", launch->directory);
    execvpe(launch->file ? launch->file : launch->arguments[0],
            (char *const *)(uintptr_t)launch->arguments,
            (char *const *)(uintptr_t)environment->all);
    fail("execute", launch->arguments[0]);
}

/* ---- in the parent ---- */

/* dup2 overwrites its targets one by one, so the sources must lie above all of them. */
static bool lift(const struct launch *launch, int *lifted, struct err *err)
{
    autoclose int null = launch->in < 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
    int fds[DESCRIPTORS_MAX] = {launch->in < 0 ? null : launch->in, launch->out, launch->error};

    must(launch->lent_count <= LAUNCH_LENT_MAX);
    for (uint32_t i = 0; i < launch->lent_count; i++)
        fds[STANDARD + i] = launch->lent[i];
    for (uint32_t i = 0; i < STANDARD + launch->lent_count; i++) {
        lifted[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, DESCRIPTORS_MAX);
        if (lifted[i] < 0)
            return err_system(err, "duplicate a descriptor for '%s'", launch->arguments[0]);
    }
    return true;
}

static bool start(const struct launch *launch, const int *lifted, int *pid, struct err *err)
{
    struct environment environment;
    int parent = getpid();

    collect(&environment, launch);
    *pid = fork();
    if (*pid == 0)
        be(launch, &environment, lifted, parent);
    return *pid > 0 || err_system(err, "start '%s'", launch->arguments[0]);
}

bool launch(const struct launch *launch, int *pid, int *pidfd, struct err *err)
{
    int lifted[DESCRIPTORS_MAX];
    int child = -1;
    bool done;

    for (uint32_t i = 0; i < DESCRIPTORS_MAX; i++)
        lifted[i] = -1;
    done = lift(launch, lifted, err) && start(launch, lifted, &child, err);
    for (uint32_t i = 0; i < DESCRIPTORS_MAX; i++)
        own_close(&lifted[i]);
    if (!done)
        return false;
    *pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    if (*pidfd < 0) {
        err_record_errno(err, "watch '%s', process %d", launch->arguments[0], child);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0); /* nobody else knows of it */
        return false;
    }
    *pid = child;
    return true;
}
