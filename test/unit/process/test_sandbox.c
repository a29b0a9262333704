/*
 * Each claim runs in a forked child that enters a sandbox: it exits with 0 when the claim holds, or is killed by the filter.
 */
#include "net/net.h"
#include "process/process.h"
#include "process/seccomp.h"
#include "unit.h"
#include "wal/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HOLDS = 0, FAILS = 1, NOT_ENTERED = 99 };

static const char *const etc[] = {"/etc", NULL};

/* A wait status: the exit code, or 1000 + the signal. */
static int in_sandbox(struct sandbox sandbox, int (*claim)(void))
{
    char missing[512];
    struct err err;
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        sandbox.user = "nobody";
        if (!sandbox_enter(&sandbox, missing, sizeof missing, &err)) {
            fprintf(stderr, "%s\n", err.text);
            _exit(NOT_ENTERED);
        }
        if (missing[0])
            fprintf(stderr, "missing here: %s\n", missing);
        _exit(claim());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The sanitizers' run-time itself forks, traces and maps. */
static bool is_sanitized(void)
{
    return sandbox_extra_calls[0] != NULL;
}

static int result(bool holds)
{
    if (!holds)
        perror("sandbox");
    return holds ? HOLDS : FAILS;
}

static int cannot_open_passwd(void)
{
    return result(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES);
}

static int can_open_passwd(void)
{
    return result(open("/etc/passwd", O_RDONLY) >= 0);
}

static int cannot_write_to_tmp(void)
{
    return result(open("/tmp/nines-sandbox-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 &&
                  errno == EACCES);
}

static void only_listed_files_open(void **state)
{
    static const enum sandbox_profile all[] = {SANDBOX_WORKER, SANDBOX_AGENT, SANDBOX_MONITOR,
                                               SANDBOX_READER};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_int_equal(in_sandbox((struct sandbox){.profile = all[i]}, cannot_open_passwd),
                         HOLDS);
        assert_int_equal(in_sandbox((struct sandbox){.profile = all[i]}, cannot_write_to_tmp),
                         HOLDS);
    }
    assert_int_equal(
        in_sandbox((struct sandbox){.profile = SANDBOX_AGENT, .readable = etc}, can_open_passwd),
        HOLDS);
}

static int can_connect(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(1)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return result(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) < 0 &&
                  (errno == ECONNREFUSED || errno == EINPROGRESS));
}

static int cannot_make_other_sockets(void)
{
    return result(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && socket(AF_PACKET, SOCK_RAW, 0) < 0 &&
                  socket(AF_NETLINK, SOCK_RAW, 0) < 0);
}

static int cannot_make_sockets(void)
{
    return result(socket(AF_INET, SOCK_STREAM, 0) < 0 && socket(AF_UNIX, SOCK_STREAM, 0) < 0);
}

static void a_worker_and_an_agent_connect_over_the_internet_protocols_alone(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox((struct sandbox){.profile = SANDBOX_WORKER}, can_connect), HOLDS);
    assert_int_equal(in_sandbox((struct sandbox){.profile = SANDBOX_AGENT}, can_connect), HOLDS);
    assert_int_equal(
        in_sandbox((struct sandbox){.profile = SANDBOX_WORKER}, cannot_make_other_sockets), HOLDS);
    assert_int_equal(in_sandbox((struct sandbox){.profile = SANDBOX_MONITOR}, cannot_make_sockets),
                     HOLDS);
}

static int tries_to_execute(void)
{
    char *none[] = {NULL};

    execve("/bin/true", none, none);
    return FAILS;
}

static int tries_to_trace(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    return FAILS;
}

static int tries_to_fork(void)
{
    syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    return FAILS;
}

static int tries_to_become_root(void)
{
    syscall(SYS_setresuid, 0, 0, 0);
    return FAILS;
}

static int tries_to_mount(void)
{
    syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL);
    return FAILS;
}

static void what_only_an_intruder_calls_kills_the_process(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox((struct sandbox){.profile = SANDBOX_WORKER}, tries_to_execute),
                     1000 + SIGSYS);
    assert_int_equal(in_sandbox((struct sandbox){.profile = SANDBOX_READER}, tries_to_execute),
                     1000 + SIGSYS);
    assert_int_equal(in_sandbox((struct sandbox){.profile = SANDBOX_WORKER}, tries_to_become_root),
                     1000 + SIGSYS);
    assert_int_equal(in_sandbox((struct sandbox){.profile = SANDBOX_AGENT}, tries_to_mount),
                     1000 + SIGSYS);
}

static void a_process_without_sanitizers_is_killed_for_tracing_and_forking_too(void **state)
{
    (void)state;
    if (is_sanitized())
        skip();
    assert_int_equal(in_sandbox((struct sandbox){.profile = SANDBOX_WORKER}, tries_to_trace),
                     1000 + SIGSYS);
    assert_int_equal(in_sandbox((struct sandbox){.profile = SANDBOX_WORKER}, tries_to_fork),
                     1000 + SIGSYS);
}

static int an_unknown_call_is_as_on_an_old_kernel(void)
{
    return result(syscall(SYS_inotify_init1, 0) < 0 && errno == ENOSYS);
}

static void a_call_that_nobody_needs_fails_as_if_it_did_not_exist(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox((struct sandbox){.profile = SANDBOX_WORKER},
                                an_unknown_call_is_as_on_an_old_kernel),
                     HOLDS);
}

static int limits_are_read_but_not_set(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return FAILS;
    return result(setrlimit(RLIMIT_NOFILE, &limit) != 0);
}

static void limits_may_be_asked_for_and_not_set(void **state)
{
    (void)state;
    for (enum sandbox_profile profile = SANDBOX_WORKER; profile <= SANDBOX_READER; profile++)
        assert_int_equal(
            in_sandbox((struct sandbox){.profile = profile}, limits_are_read_but_not_set), HOLDS);
}

static int cannot_map_executable_memory(void)
{
    void *at =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return result(at == MAP_FAILED && malloc(1 << 20) != NULL);
}

static void a_worker_has_no_memory_that_is_written_and_executed(void **state)
{
    (void)state;
    if (is_sanitized())
        skip();
    assert_int_equal(
        in_sandbox((struct sandbox){.profile = SANDBOX_WORKER}, cannot_map_executable_memory),
        HOLDS);
}

static int cannot_make_rings(void)
{
    uint8_t parameters[256] = {0};

    return result(syscall(SYS_io_uring_setup, 4, parameters) < 0 && errno == ENOSYS);
}

static int cannot_use_a_ring(void)
{
    return result(syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0) < 0 && errno == ENOSYS);
}

static int can_use_a_ring(void)
{
    return result(syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0) < 0 && errno == EBADF);
}

static void a_ring_is_for_those_that_ask_and_opened_before(void **state)
{
    const struct sandbox worker = {.profile = SANDBOX_WORKER};
    const struct sandbox asks = {.profile = SANDBOX_WORKER, .io_uring = true};

    (void)state;
    assert_int_equal(in_sandbox(worker, cannot_use_a_ring), HOLDS);
    assert_int_equal(in_sandbox(asks, can_use_a_ring), HOLDS);
    assert_int_equal(in_sandbox(asks, cannot_make_rings), HOLDS);
}

static char directory[] = "/tmp/nines-sandbox-XXXXXX";

struct saving {
    struct job job;
    struct loop *loop;
    bool saved;
};

static void count_name(void *context, const char *name)
{
    (void)name;
    (*(unsigned *)context)++;
}

static void save(struct job *job)
{
    struct saving *saving = container_of(job, struct saving, job);
    struct disk *disk;
    struct err err = {0};
    unsigned names = 0;
    int file;

    if (disk_open(&disk, directory, &err) && disk->ops->open(disk, "a", true, &file, &err)) {
        saving->saved =
            disk->ops->allocate(disk, file, 1 << 20, &err) &&
            disk->ops->write(disk, file, 0, BYTES("kept"), &err) &&
            disk->ops->sync(disk, file, &err) && disk->ops->rename(disk, "a", "b", &err) &&
            disk->ops->sync_names(disk, &err) && disk->ops->list(disk, count_name, &names, &err) &&
            names == 1 && disk->ops->remove(disk, "b", &err);
        disk->ops->close(disk, file);
        disk_close(disk);
    }
    if (!saving->saved)
        fprintf(stderr, "%s\n", err.text);
}

static void saved(struct job *job)
{
    loop_stop(container_of(job, struct saving, job)->loop);
}

static int saves_in_a_thread(void)
{
    struct saving saving = {.job = {.work = save, .done = saved}};
    struct jobs *jobs;
    struct err err;

    if (!loop_open(&saving.loop, &(struct loop_options){LOOP_EPOLL, 16, 4096, 0}, &err) ||
        !jobs_open(&jobs, saving.loop, "saving", &err)) {
        fprintf(stderr, "%s\n", err.text);
        return FAILS;
    }
    jobs_add(jobs, &saving.job);
    loop_run(saving.loop);
    jobs_close(jobs);
    loop_close(saving.loop);
    return saving.saved ? HOLDS : FAILS;
}

static void an_agent_saves_files_in_a_thread_and_still_cannot_fork(void **state)
{
    static const char *const writable[] = {directory, NULL};
    const struct sandbox agent = {.profile = SANDBOX_AGENT, .writable = writable};

    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chmod(directory, 0777), 0);
    assert_int_equal(in_sandbox(agent, saves_in_a_thread), HOLDS);
    if (!is_sanitized())
        assert_int_equal(in_sandbox(agent, tries_to_fork), 1000 + SIGSYS);
    rmdir(directory);
}

static int aborts(void)
{
    abort();
}

static void a_bug_still_aborts(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox((struct sandbox){.profile = SANDBOX_WORKER}, aborts),
                     1000 + SIGABRT);
}

/* What sandbox_enter leaves behind, seen from outside. */
static void root_becomes_nobody_without_any_capability(void **state)
{
    struct sandbox sandbox = {.profile = SANDBOX_READER, .user = "nobody"};
    int ready[2], done[2];
    char path[64], line[128], missing[512];
    struct err err;
    unsigned found = 0;
    FILE *file;
    pid_t pid;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    pid = fork();
    if (pid == 0) {
        close(done[1]);
        if (!sandbox_enter(&sandbox, missing, sizeof missing, &err) ||
            write(ready[1], "x", 1) != 1 || read(done[0], line, 1) != 0)
            _exit(FAILS);
        _exit(HOLDS);
    }
    assert_int_equal(read(ready[0], line, 1), 1);
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        found += strcmp(line, "Uid:\t65534\t65534\t65534\t65534\n") == 0;
        found += strcmp(line, "Gid:\t65534\t65534\t65534\t65534\n") == 0;
        found += strcmp(line, "Groups:\t \n") == 0;
        found += strncmp(line, "Cap", 3) == 0 && strstr(line, ":\t0000000000000000\n");
        found += strcmp(line, "NoNewPrivs:\t1\n") == 0;
        found += strcmp(line, "Seccomp:\t2\n") == 0;
    }
    fclose(file);
    assert_int_equal(found, 10);
    close(done[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void waits_in_a_sandbox(int ready)
{
    struct sandbox sandbox = {.profile = SANDBOX_WORKER, .user = "nobody"};
    char missing[512];
    struct err err;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!sandbox_enter(&sandbox, missing, sizeof missing, &err) || write(ready, "x", 1) != 1)
        _exit(FAILS);
    for (;;)
        poll(NULL, 0, -1);
}

static void a_sandboxed_process_still_ends_with_its_parent(void **state)
{
    int ready[2];
    char byte;
    pid_t parent;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    parent = fork();
    if (parent == 0) {
        close(ready[0]);
        if (fork() == 0)
            waits_in_a_sandbox(ready[1]);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(parent, SIGKILL);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    assert_int_equal(read(ready[0], &byte, 1), 0); /* its last holder is gone */
    close(ready[0]);
}

static void a_user_that_does_not_exist_is_a_sentence(void **state)
{
    struct sandbox sandbox = {.profile = SANDBOX_READER, .user = "nobody-at-all"};
    char missing[512];
    struct err err;
    pid_t pid;
    int status;

    (void)state;
    if (geteuid() != 0)
        skip();
    pid = fork();
    if (pid == 0)
        _exit(!sandbox_enter(&sandbox, missing, sizeof missing, &err) &&
                      strcmp(err.text, "sandbox: the user 'nobody-at-all' does not exist here") == 0
                  ? HOLDS
                  : FAILS);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_listed_files_open),
        cmocka_unit_test(a_worker_and_an_agent_connect_over_the_internet_protocols_alone),
        cmocka_unit_test(what_only_an_intruder_calls_kills_the_process),
        cmocka_unit_test(a_process_without_sanitizers_is_killed_for_tracing_and_forking_too),
        cmocka_unit_test(a_call_that_nobody_needs_fails_as_if_it_did_not_exist),
        cmocka_unit_test(limits_may_be_asked_for_and_not_set),
        cmocka_unit_test(a_worker_has_no_memory_that_is_written_and_executed),
        cmocka_unit_test(a_ring_is_for_those_that_ask_and_opened_before),
        cmocka_unit_test(an_agent_saves_files_in_a_thread_and_still_cannot_fork),
        cmocka_unit_test(a_bug_still_aborts),
        cmocka_unit_test(root_becomes_nobody_without_any_capability),
        cmocka_unit_test(a_sandboxed_process_still_ends_with_its_parent),
        cmocka_unit_test(a_user_that_does_not_exist_is_a_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
