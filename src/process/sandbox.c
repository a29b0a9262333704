/*
 * Takes away, for good, what this process does not need. Only ever tightens; a step that fails ends in an error, one that the kernel
 * does not know is said. It leaves descriptors that are open as they are.
 */
#include "process/landlock.h"
#include "process/seccomp.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATHS_MAX = 16, CAPABILITIES_MAX = 64 };

static bool drop_bounding_set(struct err *err)
{
    for (int capability = 0; capability < CAPABILITIES_MAX; capability++) {
        if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != 1)
            continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EPERM)
            return err_system(err, "drop capability %d", capability);
    }
    return true;
}

/* Permitted, effective and inheritable; the ambient ones go with them. */
static bool drop_capabilities(struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

    if (syscall(SYS_capset, &header, none) < 0)
        return err_system(err, "drop all capabilities");
    return true;
}

static bool become(const char *user, struct err *err)
{
    const struct passwd *entry;

    if (!user || geteuid() != 0)
        return true;
    errno = 0;
    entry = getpwnam(user);
    if (!entry)
        return errno ? err_system(err, "look up the user '%s'", user)
                     : err_set(err, ERR_CONFIG, "the user '%s' does not exist here", user);
    if (setgroups(0, NULL) < 0 || setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) < 0 ||
        setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) < 0)
        return err_system(err, "become the user '%s'", user);
    return true;
}

/* The signal to die with the parent is forgotten by the kernel when the user changes. */
static bool keep_death_signal(int signal, struct err *err)
{
    if (signal != 0 && prctl(PR_SET_PDEATHSIG, signal) < 0)
        return err_system(err, "ask to die with the supervisor");
    return true;
}

static bool confine_files(const struct sandbox *sandbox, struct buf *missing, struct err *err)
{
    const char *readable[PATHS_MAX + 1] = {0};
    uint32_t count = 0;

    for (const char *const *path = sandbox->readable; path && *path; path++) {
        must(count < PATHS_MAX);
        readable[count++] = *path;
    }
    for (const char *const *path = sandbox_extra_readable; *path; path++) {
        must(count < PATHS_MAX);
        readable[count++] = *path;
    }
    return landlock_enter(readable, sandbox->writable, missing, err);
}

bool sandbox_enter(const struct sandbox *sandbox, char *missing, size_t missing_cap,
                   struct err *err)
{
    struct buf lacking;
    int death_signal = 0;

    must(missing_cap > 0);
    buf_over(&lacking, missing, missing_cap - 1);
    if (prctl(PR_GET_PDEATHSIG, &death_signal) < 0)
        return err_system(err, "ask for the signal of the parent's death");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_system(err, "refuse new privileges");
    if (!drop_bounding_set(err) || !become(sandbox->user, err) || !drop_capabilities(err) ||
        !keep_death_signal(death_signal, err))
        return err_during(err, "sandbox");
    sandbox_extra_begin();
    if (!confine_files(sandbox, &lacking, err) || !seccomp_enter(sandbox, &lacking, err))
        return err_during(err, "sandbox");
    missing[lacking.len] = '\0';
    return true;
}
