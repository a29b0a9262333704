/*
 * What the supervisor makes of an agent's orders about the processes of groups, with real processes: shells that live for ever, fork away, or end.
 */
#include "base/clock.h"
#include "base/own.h"
#include "role/role.h"
#include "role/supervisor.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WITHIN_MS = 20000 };

static struct supervisor supervisor;
static struct frame frame;
static struct buf image;
static int agent = -1;

/* This one is `a`. */
#define NODES "nodes: {a: 127.0.0.1, b: 127.0.0.2}\n"

static void put_in_force(const char *groups)
{
    struct config_request request = {.file = "test.yaml", .node = "a", .resolve = true};
    struct buf findings, next;
    char text[4096];
    int len = snprintf(text, sizeof text, NODES "groups:\n%s", groups);

    request.fd = memfd_create("test.yaml", MFD_CLOEXEC);
    assert_int_equal(write(request.fd, text, (size_t)len), len);
    assert_int_equal(lseek(request.fd, 0, SEEK_SET), 0);
    request.previous = supervisor.current.image;
    buf_init(&next, 1 << 24);
    buf_init(&findings, 1 << 20);
    if (!config_compile(&request, &next, &findings))
        fail_msg("%.*s", (int)findings.len, (const char *)findings.at);
    close(request.fd);
    buf_fini(&findings);
    buf_fini(&image);
    image = next;
    supervisor.current.image = (struct image){image.at, image.len};
    supervisor.current.config = config_of(supervisor.current.image);
    assert_true(image_is_sound(supervisor.current.image));
    processes_follow(&supervisor);
}

static void order(enum message type, uint32_t slot)
{
    struct err err;

    frame = (struct frame){.type = (uint32_t)type, .number = slot};
    assert_true(channel_send(agent, &frame, &err));
    children_listen(&supervisor, ROLE_AGENT);
    assert_int_equal(supervisor.event_count, 0);
}

/* Turns as the supervisor does until the agent is told something; *fd gets a stream that comes with it. */
static struct process_word await(enum message type, int *fd)
{
    struct instant deadline = after_ms(clock_now(), WITHIN_MS);
    struct process_word word;

    while (channel_receive(agent, &frame) != CHANNEL_FRAME) {
        struct pollfd fds[] = {{.fd = supervisor.processes.epoll_fd, .events = POLLIN},
                               {.fd = agent, .events = POLLIN}};

        assert_false(passed(deadline, clock_now()));
        assert_true(poll(fds, 2, WITHIN_MS) > 0);
        processes_look(&supervisor);
    }
    assert_int_equal(frame.type, type);
    assert_int_equal(frame.len, sizeof word);
    memcpy(&word, frame.body, sizeof word);
    if (fd)
        *fd = frame_take_fd(&frame, 0);
    assert_int_equal(frame.fd_count, fd ? 1 : 0);
    return word;
}

static bool nobody(const void *context, int pid)
{
    (void)context;
    (void)pid;
    return false;
}

static bool exists(int pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

static char folder[64], path[96];

/* Where children, who are nobody when this test is root, may write. */
static void make_path(void)
{
    snprintf(folder, sizeof folder, "/tmp/nines-processes-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0777), 0);
    snprintf(path, sizeof path, "%s/pid", folder);
}

static void forget_path(void)
{
    unlink(path);
    rmdir(folder);
}

/* A line that a child writes into a file: waits for it, for a child begins when it likes. */
static int read_pid(void)
{
    struct instant deadline = after_ms(clock_now(), WITHIN_MS);
    int pid = 0;

    while (pid == 0) {
        FILE *file = fopen(path, "re");

        assert_false(passed(deadline, clock_now()));
        if (file) {
            char end = 0;

            if (fscanf(file, "%d%c", &pid, &end) != 2)
                pid = 0;
            fclose(file);
        }
        processes_look(&supervisor);
    }
    return pid;
}

static void begin(void **state, const char *groups)
{
    struct err err;
    int theirs;

    (void)state;
    children_init(&supervisor);
    assert_true(channel_pair(&agent, &theirs, &err));
    supervisor.children[ROLE_AGENT].channel = theirs;
    supervisor.core.phase = SUPERVISE_SERVING;
    supervisor.event_count = 0;
    if (!supervisor.board) {
        assert_true(scoreboard_create(&supervisor.board_fd, &err));
        assert_true(scoreboard_map(supervisor.board_fd, &supervisor.board, &err));
        assert_true(processes_open(&supervisor, &err));
        supervisor.reading.child.pid = -1;
    }
    put_in_force(groups);
}

static void finish(void)
{
    processes_hurry(&supervisor);
    while (!processes_ended(&supervisor)) {
        struct pollfd fd = {.fd = supervisor.processes.epoll_fd, .events = POLLIN};

        assert_true(poll(&fd, 1, WITHIN_MS) > 0);
        processes_look(&supervisor);
    }
    put_in_force("  {}\n");
    close(agent);
    child_close(&supervisor.children[ROLE_AGENT]);
}

#define COMMAND "port: 7000, command: /bin/cat"

static void a_process_is_started_once_and_killed_with_what_it_started(void **state)
{
    char groups[512];
    struct process_word word;
    int child;

    /* A grandchild in a session of its own, whose parent is gone. */
    make_path();
    snprintf(groups, sizeof groups,
             "  g: {" COMMAND ", process: [/bin/sh, -c, '(setsid sh -c \"echo \\$\\$ >%s; exec "
             "sleep 1000\" &) ; exec sleep 1001']}\n",
             path);
    begin(state, groups);
    order(MESSAGE_PROCESS_START, 0);
    word = await(MESSAGE_PROCESS_STARTED, NULL);
    assert_int_equal(word.run, 1);
    assert_int_equal(counted(&supervisor.board->processes[0].pid), word.pid);
    child = read_pid();
    order(MESSAGE_PROCESS_START, 0);
    assert_int_equal(await(MESSAGE_PROCESS_STARTED, NULL).pid, word.pid);
    order(MESSAGE_PROCESS_KILL, 0);
    word = await(MESSAGE_PROCESS_ENDED, NULL);
    assert_int_equal(word.status, SIGKILL);
    assert_int_equal(word.fenced, 0);
    assert_string_equal(word.sentence, "it was ended by signal 9 (Killed)");
    tree_reap_orphans(nobody, NULL);
    assert_false(exists(child));
    assert_int_equal(counted(&supervisor.board->processes[0].pid), 0);
    assert_int_equal(counted(&supervisor.board->processes[0].kills), 1);
    forget_path();
    finish();
}

/* As nines.service has it: root, but without a right to look into others' processes. */
static void confine(bool confined)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    const uint32_t kept = 1u << CAP_CHOWN | 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL;

    assert_int_equal(syscall(SYS_capget, &header, data), 0);
    data[0].effective = data[0].permitted & (confined ? kept : UINT32_MAX);
    data[1].effective = confined ? 0 : data[1].permitted;
    assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

static void what_left_its_session_is_found_by_a_confined_root_too(void **state)
{
    char groups[512];
    int child;

    if (geteuid() != 0)
        skip();
    make_path();
    snprintf(groups, sizeof groups,
             "  g: {" COMMAND ", process: [/bin/sh, -c, '(setsid sh -c \"echo \\$\\$ >%s; exec "
             "sleep 1000\" &) ; exec sleep 1001']}\n",
             path);
    begin(state, groups);
    order(MESSAGE_PROCESS_START, 0);
    (void)await(MESSAGE_PROCESS_STARTED, NULL);
    child = read_pid();
    confine(true);
    order(MESSAGE_PROCESS_KILL, 0);
    (void)await(MESSAGE_PROCESS_ENDED, NULL);
    confine(false);
    tree_reap_orphans(nobody, NULL);
    assert_false(exists(child));
    forget_path();
    finish();
}

/* Without descriptors nobody can look for what is left of a run, so it may not be said that nothing is. */
static void an_end_is_not_told_while_nobody_can_look(void **state)
{
    struct rlimit before, none;
    siginfo_t info;
    int pid;

    begin(state, "  g: {" COMMAND ", process: [sleep, '1000']}\n");
    order(MESSAGE_PROCESS_START, 0);
    pid = await(MESSAGE_PROCESS_STARTED, NULL).pid;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    frame = (struct frame){.type = MESSAGE_PROCESS_KILL};
    assert_true(channel_send(agent, &frame, &(struct err){0}));
    children_listen(&supervisor, ROLE_AGENT);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    processes_look(&supervisor);
    assert_int_equal(channel_receive(agent, &frame), CHANNEL_NOTHING);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(await(MESSAGE_PROCESS_ENDED, NULL).status, SIGKILL);
    finish();
}

static void an_end_is_told_after_what_was_left_is_gone(void **state)
{
    char groups[512];
    struct process_word word;

    make_path();
    snprintf(groups, sizeof groups,
             "  g: {" COMMAND
             ", process: [/bin/sh, -c, 'setsid sleep 1000 & echo $! >%s; exit 3']}\n",
             path);
    begin(state, groups);
    order(MESSAGE_PROCESS_START, 0);
    (void)await(MESSAGE_PROCESS_STARTED, NULL);
    word = await(MESSAGE_PROCESS_ENDED, NULL);
    assert_string_equal(word.sentence, "it exited with 3");
    tree_reap_orphans(nobody, NULL);
    assert_false(exists(read_pid()));
    forget_path();
    finish();
}

static void a_primary_dies_with_its_lease_and_lives_while_it_is_extended(void **state)
{
    struct group_record *record;
    struct process_word word;
    uint64_t run;

    begin(state, "  g: {" COMMAND ", process: [sleep, '1000']}\n");
    record = &supervisor.board->groups[0];
    record->at = 1;
    record->fence = (uint64_t)clock_boot().ns + 50 * NS_PER_MS;
    order(MESSAGE_PROCESS_START, 0);
    word = await(MESSAGE_PROCESS_STARTED, NULL);
    /* Nobody says anything from now on: the supervisor wakes by itself. Once the agent has extended it meanwhile. */
    record->fence = (uint64_t)clock_boot().ns + 200 * NS_PER_MS;
    word = await(MESSAGE_PROCESS_ENDED, NULL);
    assert_true((uint64_t)clock_boot().ns >= record->fence);
    assert_int_equal(word.fenced, 1);
    run = word.run;
    assert_int_equal(counted(&supervisor.board->processes[0].fenced), 1);
    record->fence = FENCE_NEVER;
    order(MESSAGE_PROCESS_START, 0);
    word = await(MESSAGE_PROCESS_STARTED, NULL);
    assert_int_equal(word.run, run + 1);
    record->fence = 0;
    order(MESSAGE_FENCE, 0);
    assert_int_equal(await(MESSAGE_PROCESS_ENDED, NULL).fenced, 1);
    record->at = 0;
    finish();
}

static void set_victim(const char *number)
{
    autoclose int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    assert_int_equal(write(fd, number, strlen(number)), (ssize_t)strlen(number));
}

static void when_memory_runs_out_a_process_is_a_victim_like_others(void **state)
{
    char file[64], text[16] = {0};
    int fd;

    set_victim("300");
    begin(state, "  g: {" COMMAND "}\n");
    order(MESSAGE_PROGRAM_START, 0);
    snprintf(file, sizeof file, "/proc/%d/oom_score_adj", await(MESSAGE_PROGRAM_STARTED, &fd).pid);
    set_victim("0");
    /* It has been executed, with all that comes before. */
    assert_int_equal(write(fd, "\n", 1), 1);
    assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, WITHIN_MS), 1);
    close(fd);
    fd = open(file, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, text, sizeof text - 1), 2);
    assert_string_equal(text, "0\n");
    close(fd);
    finish();
}

static void a_program_gets_a_stream_and_ends_with_its_agent(void **state)
{
    struct process_word word;
    struct pollfd reading;
    char text[8] = {0};
    int fd, second;

    begin(state, "  g: {" COMMAND "}\n");
    order(MESSAGE_PROGRAM_START, 0);
    word = await(MESSAGE_PROGRAM_STARTED, &fd);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(write(fd, "hello\n", 6), 6);
    reading = (struct pollfd){.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&reading, 1, WITHIN_MS), 1);
    assert_int_equal(read(fd, text, sizeof text), 6);
    assert_string_equal(text, "hello\n");
    order(MESSAGE_PROGRAM_START, 0); /* another run */
    assert_int_equal(await(MESSAGE_PROGRAM_ENDED, NULL).pid, -1);
    assert_int_equal(await(MESSAGE_PROGRAM_STARTED, &second).run, word.run + 1);
    assert_int_equal(counted(&supervisor.board->programs[0].starts), 2);
    processes_agent_gone(&supervisor);
    assert_int_equal(await(MESSAGE_PROGRAM_ENDED, NULL).run, word.run + 1);
    close(fd);
    close(second);
    finish();
}

static void what_cannot_be_started_is_said(void **state)
{
    struct process_word word;

    begin(state,
          "  g: {port: 7000, command: /bin/cat}\n"
          "  h: {port: 7000, command: /nonexistent/program}\n"
          "  i: {port: 7000, command: /bin/cat, process: /bin/cat, directory: /nonexistent}\n");
    order(MESSAGE_PROCESS_START, 0);
    word = await(MESSAGE_PROCESS_ENDED, NULL);
    assert_int_equal(word.started, 0);
    assert_string_equal(word.sentence, "the group has no such command in the file");
    order(MESSAGE_PROCESS_KILL, 0);
    word = await(MESSAGE_PROCESS_ENDED, NULL);
    assert_int_equal(word.started, 1);
    assert_string_equal(word.sentence, "nothing runs");
    order(MESSAGE_PROCESS_START, 9);
    assert_string_equal(await(MESSAGE_PROCESS_ENDED, NULL).sentence,
                        "the file does not have it run here, or nines stops");
    order(MESSAGE_PROGRAM_START, 1);
    (void)await(MESSAGE_PROGRAM_STARTED, &(int){0});
    word = await(MESSAGE_PROGRAM_ENDED, NULL);
    assert_string_equal(word.sentence, "it exited with 127");
    order(MESSAGE_PROCESS_START, 2);
    (void)await(MESSAGE_PROCESS_STARTED, NULL);
    assert_string_equal(await(MESSAGE_PROCESS_ENDED, NULL).sentence, "it exited with 127");
    finish();
}

static void a_group_that_left_the_file_ends(void **state)
{
    struct process_word word;

    begin(state, "  g: {" COMMAND ", process: [sleep, '1000']}\n"
                 "  h: {" COMMAND ", process: [sleep, '1000']}\n");
    order(MESSAGE_PROCESS_START, 0);
    (void)await(MESSAGE_PROCESS_STARTED, NULL);
    order(MESSAGE_PROCESS_START, 1);
    (void)await(MESSAGE_PROCESS_STARTED, NULL);
    put_in_force("  h: {" COMMAND ", process: [sleep, '1000']}\n"
                 "  i: {" COMMAND ", process: [sleep, '1000']}\n");
    word = await(MESSAGE_PROCESS_ENDED, NULL);
    assert_int_equal(frame.number, 0);
    assert_int_equal(word.status, SIGTERM);
    assert_true(config_group_at(supervisor.current.image, 2) != NULL);
    assert_int_equal(supervisor.processes.runs[1 * RUN_KINDS].core.state, MANAGED_RUNNING);
    finish();
}

static void what_this_node_is_no_member_of_any_more_ends(void **state)
{
    begin(state, "  g: {" COMMAND ", process: [sleep, '1000']}\n");
    order(MESSAGE_PROCESS_START, 0);
    (void)await(MESSAGE_PROCESS_STARTED, NULL);
    put_in_force("  g: {" COMMAND ", process: [sleep, '1000'], members: {b: {}}}\n");
    assert_int_equal(await(MESSAGE_PROCESS_ENDED, NULL).status, SIGTERM);
    order(MESSAGE_PROCESS_START, 0);
    assert_int_equal(await(MESSAGE_PROCESS_ENDED, NULL).started, 0);
    put_in_force("  g: {" COMMAND ", process: [sleep, '1000']}\n");
    order(MESSAGE_PROCESS_START, 0);
    (void)await(MESSAGE_PROCESS_STARTED, NULL);
    finish();
}

/* A directory service may hang, and a reload is no reason to ask it. */
static void who_is_known_is_not_looked_up_again(void **state)
{
    struct launch_user *user = &supervisor.processes.runs[0].user;

    if (geteuid() != 0)
        skip(); /* nobody is looked up then */
    begin(state, "  g: {" COMMAND "}\n");
    assert_true(user->any);
    user->user = 4711;
    put_in_force("  g: {" COMMAND "}\n");
    assert_int_equal(user->user, 4711);
    put_in_force("  g: {" COMMAND ", user: root}\n");
    assert_int_equal(user->user, 0);
    finish();
}

static void a_stop_asks_first_and_kills_in_the_end(void **state)
{
    char groups[512];
    struct process_word word;

    make_path();
    snprintf(groups, sizeof groups,
             "  g: {" COMMAND ", process: [sh, -c, 'trap \"\" TERM; echo $$ >%s; sleep 1000'], "
             "stop_timeout: 100ms}\n",
             path);
    begin(state, groups);
    order(MESSAGE_PROCESS_START, 0);
    (void)await(MESSAGE_PROCESS_STARTED, NULL);
    (void)read_pid();
    supervisor.core.phase = SUPERVISE_DRAINING;
    processes_agent_gone(&supervisor);
    word = await(MESSAGE_PROCESS_ENDED, NULL);
    assert_int_equal(word.status, SIGKILL);
    order(MESSAGE_PROCESS_START, 0);
    word = await(MESSAGE_PROCESS_ENDED, NULL);
    assert_string_equal(word.sentence, "the file does not have it run here, or nines stops");
    forget_path();
    finish();
}

static void an_order_that_makes_no_sense_is_the_agents_end(void **state)
{
    struct err err;

    begin(state, "  g: {" COMMAND "}\n");
    frame = (struct frame){.type = MESSAGE_PROCESS_START, .number = GROUPS_MAX};
    assert_true(channel_send(agent, &frame, &err));
    children_listen(&supervisor, ROLE_AGENT);
    assert_int_equal(supervisor.event_count, 1);
    assert_int_equal(supervisor.events[0].kind, EVENT_UNREACHABLE);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_is_started_once_and_killed_with_what_it_started),
        cmocka_unit_test(what_left_its_session_is_found_by_a_confined_root_too),
        cmocka_unit_test(an_end_is_not_told_while_nobody_can_look),
        cmocka_unit_test(an_end_is_told_after_what_was_left_is_gone),
        cmocka_unit_test(a_primary_dies_with_its_lease_and_lives_while_it_is_extended),
        cmocka_unit_test(a_program_gets_a_stream_and_ends_with_its_agent),
        cmocka_unit_test(when_memory_runs_out_a_process_is_a_victim_like_others),
        cmocka_unit_test(what_cannot_be_started_is_said),
        cmocka_unit_test(a_group_that_left_the_file_ends),
        cmocka_unit_test(what_this_node_is_no_member_of_any_more_ends),
        cmocka_unit_test(who_is_known_is_not_looked_up_again),
        cmocka_unit_test(a_stop_asks_first_and_kills_in_the_end),
        cmocka_unit_test(an_order_that_makes_no_sense_is_the_agents_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
