/*
 * What the sanitizers' run-time does inside a sandboxed process: it reads /proc/self/maps and the program to print a report, and the
 * leak check stops this process's threads from a helper thread with ptrace. Such a build is never shipped.
 */
#include "process/seccomp.h"

#include <sys/prctl.h>

const char *const sandbox_extra_calls[] = {
    "open",     "openat",          "readlink",   "readlinkat", "access", "faccessat2",
    "stat",     "newfstatat",      "getdents",   "getdents64", "clone",  "ptrace",
    "wait4",    "sched_yield",     "prctl",      "pipe",       "pipe2",  "process_vm_readv",
    "mprotect", "set_robust_list", "arch_prctl", "getrlimit",  "kill",   NULL,
};
const char *const sandbox_extra_readable[] = {"/proc", "/usr", "/lib", "/lib64", NULL};

void sandbox_extra_begin(void)
{
    prctl(PR_SET_DUMPABLE, 1);
}
