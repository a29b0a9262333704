/*
 * The test's own binary is what gets executed again: with arguments it plays the child.
 */
#include "base/own.h"
#include "process/process.h"
#include "unit.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { WITHIN_MS = 20000 };

static bool parent_is_known(void)
{
    struct err err;

    return process_die_with_parent(3, &err);
}

static uint32_t open_fds_from(int first)
{
    uint32_t count = 0;

    for (int fd = first; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static bool reads_as(const char *path, const char *expected)
{
    char text[256] = {0};
    FILE *file = fopen(path, "re");
    bool same;

    if (!file)
        return false;
    same = fread(text, 1, sizeof text - 1, file) > 0 && strcmp(text, expected) == 0;
    fclose(file);
    return same;
}

/* Each claim that fails is a bit of the exit code's sentence on standard error. */
static int claim(bool holds, const char *what)
{
    if (!holds)
        fprintf(stderr, "child: not so: %s\n", what);
    return holds ? 0 : 1;
}

static int play_child(int argc, char **argv)
{
    struct frame frame = {.type = 1};
    struct err err;
    sigset_t blocked;
    int failures = 0;

    sigprocmask(SIG_SETMASK, NULL, &blocked);
    failures += claim(argc == 3 && strcmp(argv[2], "operand") == 0, "arguments arrive");
    failures += claim(strcmp(argv[0], "nines: tested 1") == 0, "the title is the name");
    failures += claim(!getenv("NINES_TEST_SECRET"), "the environment is clean");
    failures += claim(getenv("TZ") != NULL, "the time zone is kept");
    failures += claim(!sigismember(&blocked, SIGTERM), "no signal is blocked");
    failures += claim(open_fds_from(6) == 0, "no descriptor leaks");
    failures += claim(getpgid(0) == getpid(), "it has its own process group");
    failures += claim(parent_is_known(), "the parent is the one that made the channel");
    process_title_begin(argc, argv);
    process_set_title("nines: short");
    failures += claim(reads_as("/proc/self/cmdline", "nines: short"), "the title can be set");
    failures += claim(channel_send(3, &frame, &err), "the channel is descriptor 3");
    failures += claim(fcntl(4, F_GETFD) == 0 && fcntl(5, F_GETFD) == 0, "4 and 5 are there");
    return failures;
}

static int wait_for_end(int pid, int pidfd)
{
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    int status = 0;

    assert_int_equal(poll(&end, 1, WITHIN_MS), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void spawn(const char *mode, const char *operand, int channel, int extra, int *pid,
                  int *pidfd)
{
    const char *const arguments[] = {mode, operand, NULL};
    const struct spawn child = {.role = "tested 1",
                                .arguments = arguments,
                                .channel = channel,
                                .scoreboard = 0,
                                .extra = extra};
    struct err err;

    assert_true(process_spawn(&child, pid, pidfd, &err));
}

static void a_child_gets_what_it_is_given_and_nothing_else(void **state)
{
    static struct frame frame;
    autoclose int ours = -1, theirs = -1, pidfd = -1;
    sigset_t term;
    struct err err;
    int pid;

    (void)state;
    setenv("NINES_TEST_SECRET", "x", 1);
    setenv("TZ", "UTC", 1);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    assert_true(channel_pair(&ours, &theirs, &err));
    spawn("child", "operand", theirs, theirs, &pid, &pidfd);
    assert_int_equal(wait_for_end(pid, pidfd), 0);
    assert_int_equal(channel_receive(ours, &frame), CHANNEL_FRAME);
    sigprocmask(SIG_UNBLOCK, &term, NULL);
}

/* Between: becomes the parent of a child that would live for ever, says so, and ends. */
static int play_between(void)
{
    autoclose int ours = -1, theirs = -1;
    struct frame frame = {.type = 2};
    struct err err;
    int pid, pidfd;
    const char *const arguments[] = {"forever", "x", NULL};
    struct spawn child = {.role = "forever", .arguments = arguments, .scoreboard = 0, .extra = 3};

    if (!channel_pair(&ours, &theirs, &err))
        return 1;
    child.channel = theirs;
    if (!process_spawn(&child, &pid, &pidfd, &err))
        return 1;
    while (channel_receive(ours, &frame) == CHANNEL_NOTHING)
        poll(&(struct pollfd){.fd = ours, .events = POLLIN}, 1, WITHIN_MS);
    return 0;
}

/* Descriptor 5 stays open for as long as this process lives. */
static int play_forever(void)
{
    struct frame frame = {.type = 2};
    struct err err;

    if (!parent_is_known() || !channel_send(3, &frame, &err))
        return 1;
    for (;;)
        pause();
}

static void a_child_ends_with_its_parent(void **state)
{
    static struct frame frame;
    int ours, theirs, pid, pidfd;
    struct pollfd closed;
    struct err err;

    (void)state;
    assert_true(channel_pair(&ours, &theirs, &err));
    spawn("between", "x", theirs, -1, &pid, &pidfd);
    close(theirs);
    assert_int_equal(wait_for_end(pid, pidfd), 0);
    /* The other end is held by the grandchild alone by now: it closes when that one is gone. */
    closed = (struct pollfd){.fd = ours, .events = POLLIN};
    assert_int_equal(poll(&closed, 1, WITHIN_MS), 1);
    assert_int_equal(channel_receive(ours, &frame), CHANNEL_CLOSED);
    close(ours);
    close(pidfd);
}

static void a_process_that_was_not_spawned_is_refused(void **state)
{
    struct err err;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_false(process_die_with_parent(ends[0], &err));
    assert_string_equal(
        err.text, "descriptor 3 is not a channel from `nines run`: Socket operation on non-socket");
    close(ends[0]);
    close(ends[1]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_that_was_not_spawned_is_refused),
        cmocka_unit_test(a_child_gets_what_it_is_given_and_nothing_else),
        cmocka_unit_test(a_child_ends_with_its_parent),
    };

    if (argc > 1 && strcmp(argv[1], "child") == 0)
        return play_child(argc, argv);
    if (argc > 1 && strcmp(argv[1], "between") == 0)
        return play_between();
    if (argc > 1 && strcmp(argv[1], "forever") == 0)
        return play_forever();
    /* Whoever runs the tests may leave descriptors open; nines run does the same at its start. */
    if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
