/*
 * The system call filter, in three tiers. What a role needs is allowed. What neither our code nor libc ever calls, and only injected
 * code would (exec, ptrace, mount …), kills the process at once: the supervisor reports SIGSYS and starts it again. Everything else
 * fails with ENOSYS, as on a kernel that does not have it: libc then falls back, so that an update of libc which
 * tries a new call first does not take every worker down. A filter that kills all it does not know would turn such an update
 * into an outage; one that only refuses would hide an intruder. Opening files fails with EACCES where a role opens none.
 */
#include "process/seccomp.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static const char *const everybody[] = {
    "read",
    "write",
    "readv",
    "writev",
    "close",
    "fstat",
    "newfstatat",
    "lseek",
    "fcntl",
    "dup",
    "mmap",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "brk",
    "poll",
    "ppoll",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd2",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    "signalfd4",
    "sendmsg",
    "recvmsg",
    "sendto",
    "recvfrom",
    "shutdown",
    "getsockopt",
    "setsockopt",
    "getsockname",
    "getpeername",
    "clock_gettime",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "clock_getres",
    "futex",
    "rseq",
    "membarrier",
    "sched_yield",
    "sched_getaffinity",
    "getrandom",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "restart_syscall",
    "tgkill",
    "getpid",
    "gettid",
    "getppid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getrusage",
    "uname",
    "sysinfo",
    "exit",
    "exit_group",
    NULL,
};

static const char *const streams[] = {"accept4", "accept", "pipe2", "splice", NULL};
static const char *const outgoing[] = {"connect", "bind", "sendmmsg", "recvmmsg", NULL};
static const char *const files[] = {
    "openat",     "open",      "stat",         "lstat",      "statx",   "access",   "faccessat",
    "faccessat2", "readlink",  "readlinkat",   "getdents64", "pread64", "pwrite64", "fsync",
    "fdatasync",  "ftruncate", "memfd_create", "statfs",     "fstatfs", "getcwd",   NULL,
};
/* Files that have to survive: Landlock says where. */
static const char *const durable[] = {"fallocate", "renameat",        "renameat2",
                                      "rename",    "unlinkat",        "unlink",
                                      "mkdirat",   "set_robust_list", NULL};
/* What LMDB does with a file that it maps. */
static const char *const mapped[] = {"msync",  "mincore",         "flock", "pwritev",
                                     "preadv", "sync_file_range", NULL};
/* Of a ring that is open, and restricted to what the loop uses: one that is made here would reach past this filter. */
static const char *const rings[] = {"io_uring_enter", NULL};

/* The names say what they are for; a kernel or architecture without one needs no rule for it. */
static const char *const deadly[] = {
    "execve",
    "execveat",
    "fork",
    "vfork",
    "clone",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "pidfd_getfd",
    "kcmp",
    "mount",
    "umount2",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsmount",
    "pivot_root",
    "chroot",
    "unshare",
    "setns",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "keyctl",
    "add_key",
    "request_key",
    "reboot",
    "swapon",
    "swapoff",
    "open_by_handle_at",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setgroups",
    "capset",
    "personality",
    "iopl",
    "ioperm",
    "modify_ldt",
    "sethostname",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "acct",
    "quotactl",
    "syslog",
    NULL,
};

enum { LISTS_MAX = 6 };

/* One row per profile, and all that differs between them. */
static const struct {
    const char *const *calls[LISTS_MAX]; /* beyond `everybody` */
    bool sockets;                        /* of its own: IPv4 and IPv6 */
    bool local_sockets;                  /* Unix sockets of its own: libc's name services */
    bool executable_memory;              /* libc loads its name services */
    bool threads;                        /* begins threads of its own */
} profiles[] = {
    [SANDBOX_WORKER] = {.calls = {streams, outgoing}, .sockets = true},
    [SANDBOX_AGENT] = {.calls = {streams, outgoing, files, durable},
                       .sockets = true,
                       .threads = true},
    [SANDBOX_STORE] = {.calls = {streams, outgoing, files, durable, mapped},
                       .sockets = true,
                       .threads = true},
    [SANDBOX_MONITOR] = {.calls = {streams, files}},
    [SANDBOX_READER] = {.calls = {outgoing, files},
                        .sockets = true,
                        .local_sockets = true,
                        .executable_memory = true},
};

static bool is_listed(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

/* Adds `action` for a call by name. 0, or a negative errno. */
static int rule(scmp_filter_ctx filter, uint32_t action, const char *name)
{
    int number = seccomp_syscall_resolve_name(name);

    return number < 0 ? 0 : seccomp_rule_add(filter, action, number, 0);
}

static int rules(scmp_filter_ctx filter, uint32_t action, const char *const *names)
{
    int error = 0;

    for (; names && *names && !error; names++)
        if (!is_listed((const char *const[]){"mmap", "mprotect", NULL}, *names))
            error = rule(filter, action, *names);
    return error;
}

/* A thread is a clone that stays in this process. (clone3 hides its flags from a filter: libc finds that it does not exist.) */
static int allow_threads(scmp_filter_ctx filter)
{
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));

    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
                                 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                                 SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
    return error;
}

static int kill_intruders(scmp_filter_ctx filter, bool threads)
{
    int error = 0;

    for (size_t i = 0; deadly[i] && !error; i++) {
        if (is_listed(sandbox_extra_calls, deadly[i]))
            continue;
        error = threads && strcmp(deadly[i], "clone") == 0
                    ? allow_threads(filter)
                    : rule(filter, SCMP_ACT_KILL_PROCESS, deadly[i]);
    }
    return error;
}

static int allow_memory(scmp_filter_ctx filter, bool executable)
{
    static const char *const calls[] = {"mmap", "mprotect"};
    int error = 0;

    for (size_t i = 0; i < ARRAY_LEN(calls) && !error; i++)
        error = executable ? rule(filter, SCMP_ACT_ALLOW, calls[i])
                           : seccomp_rule_add(filter, SCMP_ACT_ALLOW,
                                              seccomp_syscall_resolve_name(calls[i]), 1,
                                              SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    return error;
}

static int allow_sockets(scmp_filter_ctx filter, bool internet, bool local)
{
    const struct {
        int family;
        bool allowed;
    } families[] = {
        {AF_INET, internet}, {AF_INET6, internet}, {AF_UNIX, local}, {AF_NETLINK, local}};
    int error = 0;

    for (size_t i = 0; i < ARRAY_LEN(families) && !error; i++)
        if (families[i].allowed)
            error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i].family));
    return error;
}

/* FIONREAD and TCGETS: what libc and the loop ask of descriptors. */
static int allow_questions(scmp_filter_ctx filter)
{
    static const scmp_datum_t requests[] = {0x541b, 0x5401};
    int error = 0;

    for (size_t i = 0; i < ARRAY_LEN(requests) && !error; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                 SCMP_A1(SCMP_CMP_EQ, requests[i]));
    if (!error) /* limits may be asked for (by a loop that is opened inside), not set */
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
                                 SCMP_A2(SCMP_CMP_EQ, 0));
    return error;
}

static int fill(scmp_filter_ctx filter, const struct sandbox *sandbox)
{
    bool opens = false;
    int error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

    if (!error) /* a binary tree: the cost of a call does not grow with the list */
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (!error)
        error = rules(filter, SCMP_ACT_ALLOW, everybody);
    for (size_t i = 0; i < LISTS_MAX && !error; i++) {
        opens |= profiles[sandbox->profile].calls[i] == files;
        error = rules(filter, SCMP_ACT_ALLOW, profiles[sandbox->profile].calls[i]);
    }
    if (!error && sandbox->io_uring)
        error = rules(filter, SCMP_ACT_ALLOW, rings);
    if (!error)
        error = rules(filter, SCMP_ACT_ALLOW, sandbox_extra_calls);
    if (!error && !opens && !is_listed(sandbox_extra_calls, "openat"))
        error =
            rules(filter, SCMP_ACT_ERRNO(EACCES), (const char *const[]){"openat", "open", NULL});
    if (!error)
        error = allow_memory(filter, profiles[sandbox->profile].executable_memory ||
                                         is_listed(sandbox_extra_calls, "mprotect"));
    if (!error)
        error = allow_sockets(filter, profiles[sandbox->profile].sockets,
                              profiles[sandbox->profile].local_sockets);
    if (!error)
        error = allow_questions(filter);
    return error ? error : kill_intruders(filter, profiles[sandbox->profile].threads);
}

bool seccomp_enter(const struct sandbox *sandbox, struct buf *missing, struct err *err)
{
    scmp_filter_ctx filter;
    int error;

    if (prctl(PR_GET_SECCOMP) < 0 && errno == EINVAL) {
        buf_print(missing, "%sthe kernel has no seccomp: system calls are not filtered",
                  missing->len ? "; " : "");
        return true;
    }
    filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (!filter)
        return err_set(err, ERR_SYSTEM, "no memory for the system call filter");
    error = fill(filter, sandbox);
    if (!error)
        error = seccomp_load(filter);
    seccomp_release(filter);
    if (error) {
        errno = -error;
        return err_system(err, "load the system call filter");
    }
    return true;
}
