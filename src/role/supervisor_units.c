/*
 * A group's process that systemd runs. What systemd is asked is decided by process/unit.h; here it is asked: systemctl, as it is found in this process's PATH, is run as a child,
 * watched and broken off, and its answer read. Its main process is watched like one of our own, and killed by ourselves first, since a fence must not wait for systemd.
 */
#include "role/supervisor.h"

#include "base/clock.h"
#include "base/own.h"
#include "role/log.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MAX = 4096 };

/* No process has it: of a unit, only what descends from its main process is searched for. */
#define NO_TAG "NINES_RUN=-"

static const char *const command_names[] = {
    [UNIT_SHOW] = "show", [UNIT_START] = "start", [UNIT_STOP] = "stop", [UNIT_KILL] = "kill"};

static bool has_ended(int pidfd)
{
    struct pollfd polled = {.fd = pidfd, .events = POLLIN};

    return pidfd < 0 || poll(&polled, 1, 0) != 0;
}

/* ---- systemctl, as a process ---- */

static bool execute(struct run *run, enum unit_command command, struct err *err)
{
    const char *words[UNIT_WORDS];
    const struct launch_user ourselves = {0};
    char tag[] = "NINES_RUN=systemctl";
    autoclose int writable = -1;
    int pair[2];
    bool done;

    unit_words(command, run->unit.name, words);
    if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
        return err_system(err, "open a pipe");
    writable = pair[1];
    done = launch(&(struct launch){.arguments = words,
                                   .directory = "/",
                                   .user = &ourselves,
                                   .tag = tag,
                                   .in = -1,
                                   .out = writable,
                                   .error = writable},
                  &run->unit.pid, &run->unit.pidfd, err);
    if (done)
        run->unit.output = pair[0];
    else
        close(pair[0]);
    return done;
}

static void forget_command(const struct supervisor *supervisor, struct run *run)
{
    if (run->unit.pidfd < 0)
        return;
    run_unwatch(supervisor, run->unit.pidfd);
    own_close(&run->unit.pidfd);
    own_close(&run->unit.output);
    run->unit.pid = run->unit.pidfd = run->unit.output = -1;
}

/* It is reaped with the orphans, when it has ended: nobody waits for it. */
static void break_off(const struct supervisor *supervisor, struct run *run)
{
    if (run->unit.pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, run->unit.pidfd, SIGKILL, NULL, 0);
    forget_command(supervisor, run);
}

/* ---- what is said of it ---- */

static void say_trouble(struct run *run, enum unit_command command, const char *sentence)
{
    if (command == UNIT_START && run->why[0] == '\0')
        snprintf(run->why, sizeof run->why, "%.*s", (int)sizeof run->why - 1, sentence);
    if (run->unit.silent)
        return;
    run->unit.silent = true;
    log_warning("systemctl did not do what it was asked", log_text("nines.group", run->name),
                log_text("nines.unit", run->unit.name),
                log_text("nines.command", command_names[command]),
                log_text("error.message", sentence));
}

static void say_restarts(struct run *run)
{
    if (!run->unit.shown.restarts || run->unit.warned)
        return;
    run->unit.warned = true;
    log_warning("systemd restarts this unit by itself, beside nines: it needs Restart=no",
                log_text("nines.group", run->name), log_text("nines.unit", run->unit.name));
}

/* ---- the main process ---- */

/* One that is ending of another run is not ours. */
static void learn_main(const struct supervisor *supervisor, struct run *run)
{
    struct unit_shown *shown = &run->unit.shown;
    autoclose int fd = shown->main_pid > 0 ? (int)syscall(SYS_pidfd_open, shown->main_pid, 0) : -1;
    bool ending = run->core.state == MANAGED_STOPPING || run->core.state == MANAGED_KILLED;

    if (has_ended(fd)) {
        shown->main_pid = 0; /* systemd has not noticed yet, or only just begins */
        return;
    }
    if (run->pidfd >= 0 || (!shown->active && !ending))
        return;
    run->pid = shown->main_pid;
    run->pidfd = take_fd(&fd);
    run->ended = false;
    control_group_find(shown->control_group, run->pid, run->unit.control_group);
    run_watch(supervisor, run, run->pidfd, WATCH_END);
}

static void kill_now(const struct run *run)
{
    if (run->unit.control_group[0])
        control_group_kill(run->unit.control_group);
    /* Its number is its own until systemd has reaped it. */
    if (!has_ended(run->pidfd))
        (void)tree_kill(run->pid, NO_TAG);
}

/* ---- steps ---- */

static bool is_empty(const struct run *run)
{
    return has_ended(run->pidfd) &&
           (!run->unit.control_group[0] || control_group_empty(run->unit.control_group));
}

static bool tell(struct run *run, enum unit_news news, struct managed_event *event)
{
    static const enum managed_event_kind kinds[] = {
        [UNIT_HAS_STARTED] = MANAGED_STARTED,
        [UNIT_HAS_FAILED] = MANAGED_MAIN_ENDED,
        [UNIT_IS_GONE] = MANAGED_GONE,
    };

    if (news == UNIT_NO_NEWS)
        return false;
    if (news == UNIT_HAS_FAILED && run->pid < 0 && !run->why[0])
        snprintf(run->why, sizeof run->why,
                 "its unit has got no main process: `systemctl status` says why");
    event->kind = kinds[news];
    return true;
}

/* A systemctl that cannot even be executed has answered: badly. */
static bool step(struct supervisor *supervisor, struct run *run, struct unit_event next,
                 struct managed_event *event)
{
    struct unit_orders orders;
    struct err err;

    for (;;) {
        enum unit_command broken_off = run->unit.core.under_way;

        unit_step(&run->unit.core, &next, clock_boot(), &orders);
        if (orders.kill_now)
            kill_now(run);
        if (orders.break_off) {
            break_off(supervisor, run);
            if (next.kind == UNIT_TICK)
                say_trouble(run, broken_off, "it did not end in time");
        }
        if (orders.news != UNIT_NO_NEWS || orders.run == UNIT_NOTHING)
            return tell(run, orders.news, event);
        if (execute(run, orders.run, &err)) {
            run_watch(supervisor, run, run->unit.pidfd, WATCH_SYSTEMCTL);
            if (orders.run == UNIT_START)
                run->unit.doubt = FENCE_NEVER; /* it begins as nobody's */
            return false;
        }
        say_trouble(run, orders.run, err.text);
        next = (struct unit_event){.kind = UNIT_ANSWERED};
    }
}

bool unit_ask(struct supervisor *supervisor, struct run *run, enum unit_event_kind kind,
              struct managed_event *event)
{
    struct unit_event next = {.kind = kind};

    if (kind == UNIT_ASK_START) {
        run->unit.silent = run->unit.warned = false;
        run->unit.control_group[0] = '\0';
    }
    if (kind == UNIT_ASK_KILL)
        next.empty = run->unit.control_group[0] && is_empty(run);
    return step(supervisor, run, next, event);
}

static struct bytes read_answer(const struct run *run, char *text)
{
    size_t len = 0;

    while (len < ANSWER_MAX) {
        ssize_t got = read(run->unit.output, text + len, ANSWER_MAX - len);

        if (got <= 0)
            break;
        len += (size_t)got;
    }
    return bytes_of(text, len);
}

/* The first line of what it said, or how it ended. */
static void explain(struct bytes answer, int status, char *text, size_t cap)
{
    size_t len = 0;

    while (len < answer.len && answer.at[len] != '\n')
        len++;
    if (len > 0)
        snprintf(text, cap, "%.*s", (int)len, (const char *)answer.at);
    else
        supervisor_ending(status, text, cap);
}

bool unit_answered(struct supervisor *supervisor, struct run *run, struct managed_event *event)
{
    struct unit_event next = {.kind = UNIT_ANSWERED, .shown = &run->unit.shown};
    enum unit_command command = run->unit.core.under_way;
    char text[ANSWER_MAX], sentence[PROCESS_SENTENCE_MAX];
    struct bytes answer;
    int status = 0;

    if (run->unit.pidfd < 0)
        return false;
    answer = read_answer(run, text);
    (void)waitpid(run->unit.pid, &status, 0); /* it has ended */
    forget_command(supervisor, run);
    next.good = status == 0;
    if (command == UNIT_SHOW)
        next.good = next.good && unit_parse(answer, &run->unit.shown);
    if (command == UNIT_SHOW && next.good) {
        learn_main(supervisor, run);
        say_restarts(run);
        run->unit.silent = false;
    } else if (!next.good && command != UNIT_KILL && command != UNIT_STOP) {
        explain(answer, status, sentence, sizeof sentence);
        say_trouble(run, command, sentence);
    }
    next.empty = is_empty(run);
    return step(supervisor, run, next, event);
}
