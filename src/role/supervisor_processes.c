/*
 * The processes that nines runs for groups, as processes: started, listened to, told of, killed with all that they started. When is decided by process/managed.h, by the
 * agent's orders and by the fences in the scoreboard; what is executed stands in the sealed image in force, never in a message.
 */
#include "role/supervisor.h"

#include "base/clock.h"
#include "base/own.h"
#include "role/log.h"
#include "role/role.h"
#include "role/user.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUNS = GROUPS_MAX * RUN_KINDS, TIMER = RUN_WATCHES * RUNS, EVENTS_A_TURN = 64 };

static const char *const kind_names[RUN_KINDS] = {
    [RUN_PROCESS] = "process", [RUN_PROGRAM] = "program"};

static void set(counter *field, uint64_t value)
{
    atomic_store_explicit(field, value, memory_order_relaxed);
}

static struct process_record *record_of(const struct supervisor *supervisor, const struct run *run)
{
    return run->kind == RUN_PROCESS ? &supervisor->board->processes[run->slot]
                                    : &supervisor->board->programs[run->slot];
}

/* A process that nines started for a group of which the agent has not spoken yet is fenced by nobody; programs write nothing of their own accord, so they go with the process
 * that they would have to reach. */
static uint64_t fence_of(const struct supervisor *supervisor, const struct run *run)
{
    const struct group_record *record = &supervisor->board->groups[run->slot];
    uint64_t fence = counted(&record->at) == 0 ? FENCE_NEVER : counted(&record->fence);

    if (run->kind == RUN_PROGRAM)
        return FENCE_NEVER;
    return fence < run->unit.doubt ? fence : run->unit.doubt;
}

/* ---- what epoll tells: which run, and what of it ---- */

static void watch(const struct supervisor *supervisor, int fd, uint32_t what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = what};

    /* It fails for want of memory only, and then every deadline still looks at the run. */
    if (epoll_ctl(supervisor->processes.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        log_error("a group's process cannot be watched",
                  log_text("error.message", strerror(errno)));
}

void run_watch(const struct supervisor *supervisor, const struct run *run, int fd,
               enum run_watch what)
{
    watch(supervisor, fd,
          (run->slot * RUN_KINDS + (uint32_t)run->kind) * RUN_WATCHES + (uint32_t)what);
}

void run_unwatch(const struct supervisor *supervisor, int fd)
{
    (void)epoll_ctl(supervisor->processes.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* ---- telling the agent ---- */

/* Its parent alone knows how. */
#define UNIT_ENDED "the main process of its unit has ended: `systemctl status` says how"

/* How the run ended that was buried a moment ago; or why there is none. */
static void describe_end(struct run *run, struct process_word *word)
{
    word->started = run->buried || (!run->why[0] && !run->core.closed);
    if (run->buried && run->unit.name[0])
        snprintf(word->sentence, sizeof word->sentence, UNIT_ENDED);
    else if (run->buried)
        supervisor_ending(run->status, word->sentence, sizeof word->sentence);
    else if (run->why[0])
        memcpy(word->sentence, run->why, sizeof word->sentence);
    else
        snprintf(word->sentence, sizeof word->sentence, "%s",
                 run->core.closed ? "the file does not have it run here, or nines stops"
                                  : "nothing runs");
    run->why[0] = '\0';
    run->buried = false;
}

static void tell(struct supervisor *supervisor, struct run *run, bool started)
{
    static struct frame frame;
    struct process_word word = {.run = run->number, .pid = run->pid, .status = run->status};
    bool process = run->kind == RUN_PROCESS;

    if (!started) {
        word.fenced = run->buried && run->core.fenced;
        describe_end(run, &word);
    }
    frame = (struct frame){.number = run->slot, .len = sizeof word};
    if (started)
        frame.type = process ? MESSAGE_PROCESS_STARTED : MESSAGE_PROGRAM_STARTED;
    else
        frame.type = process ? MESSAGE_PROCESS_ENDED : MESSAGE_PROGRAM_ENDED;
    memcpy(frame.body, &word, sizeof word);
    if (started && run->stream >= 0)
        frame.fds[frame.fd_count++] = run->stream;
    children_tell(supervisor, ROLE_AGENT, &frame);
    own_close(&run->stream);
    run->stream = -1;
}

/* ---- starting ---- */

static bool refuse(struct run *run, const char *sentence)
{
    snprintf(run->why, sizeof run->why, "%.*s", (int)sizeof run->why - 1, sentence);
    return false;
}

/* The words of a command line; false: there is none. */
static bool words_of(const struct supervisor *supervisor, const struct config_group *group,
                     enum run_kind kind, const char **words)
{
    struct image image = supervisor->current.image;
    struct ref ref = kind == RUN_PROCESS ? group->engine.process : group->engine.command;
    const struct engine_word *from = image_items(image, ref, sizeof *from);

    for (uint32_t i = 0; i < ref.count; i++)
        words[i] = image_string(image, from[i].text);
    words[ref.count] = NULL;
    return ref.count > 0 || (kind == RUN_PROCESS && group->engine.kind == ENGINE_STORE);
}

/* The ends that become a program's input and output, and the one that stays here. */
struct ends {
    int in, out, error;   /* the child's */
    int stream, readable; /* ours */
};

static bool open_ends(const struct run *run, struct ends *ends, struct err *err)
{
    int pair[2];

    *ends = (struct ends){-1, -1, -1, -1, -1};
    if (pipe2(pair, O_CLOEXEC) < 0)
        return err_system(err, "open a pipe");
    ends->readable = pair[0];
    ends->error = pair[1];
    if (fcntl(ends->readable, F_SETFL, O_NONBLOCK) < 0)
        return err_system(err, "open a pipe");
    if (run->kind == RUN_PROCESS)
        return true;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_system(err, "open a stream");
    ends->stream = pair[0];
    ends->in = pair[1];
    return fcntl(ends->stream, F_SETFL, O_NONBLOCK) == 0 || err_system(err, "open a stream");
}

static bool execute(struct supervisor *supervisor, struct run *run, const char *const *words,
                    struct ends *ends, struct err *err)
{
    struct image image = supervisor->current.image;
    const struct config_group *group = config_group_at(image, run->slot);
    char group_variable[BOARD_NAME_MAX + 16];
    const char *const variables[] = {group_variable, NULL};
    struct store_run store = {.channel = -1};
    bool done;
    struct launch launched = {
        .arguments = words,
        .directory = image_string(image, group->engine.directory),
        .user = &run->user,
        .tag = run->tag,
        .variables = variables,
    };

    if (group->engine.kind == ENGINE_STORE && !store_run_lend(supervisor, run, &store, err))
        return false;
    if (group->engine.kind == ENGINE_STORE)
        store_run_describe(&store, &launched);
    snprintf(group_variable, sizeof group_variable, "NINES_GROUP=%s", run->name);
    snprintf(run->tag, sizeof run->tag, "NINES_RUN=%d/%u/%s/%llu", getpid(), run->slot,
             kind_names[run->kind], (unsigned long long)run->number + 1);
    if (!open_ends(run, ends, err))
        return false;
    launched.in = ends->in;
    launched.out = run->kind == RUN_PROCESS ? ends->error : ends->in;
    launched.error = ends->error;
    done = launch(&launched, &run->pid, &run->pidfd, err);
    own_close(&store.channel);
    return done;
}

static void record_start(const struct supervisor *supervisor, struct run *run)
{
    struct process_record *record = record_of(supervisor, run);

    set(&record->started_at, (uint64_t)clock_now().ns);
    count(&record->starts, 1);
    set(&record->pid, (uint64_t)run->pid);
    log_info("a group's process runs", log_text("nines.group", run->name),
             log_text("nines.program", kind_names[run->kind]), log_number("process.pid", run->pid));
}

static bool spawn(struct supervisor *supervisor, struct run *run)
{
    const struct config_group *group = config_group_at(supervisor->current.image, run->slot);
    const char *words[RUN_WORDS_MAX + 1];
    struct ends ends = {-1, -1, -1, -1, -1};
    struct err err;
    bool done;

    must(run->pid < 0);
    if (!group || !words_of(supervisor, group, run->kind, words))
        return refuse(run, group ? "the group has no such command in the file"
                                 : "there is no such group");
    if (geteuid() == 0 && !run->user.any)
        return refuse(run, "its user does not exist here");
    run->why[0] = '\0';
    done = execute(supervisor, run, words, &ends, &err);
    own_close(&ends.in);
    own_close(&ends.error);
    if (!done) {
        own_close(&ends.stream);
        own_close(&ends.readable);
        return refuse(run, err.text);
    }
    run->number++;
    run->ended = false;
    run->status = 0;
    run->stream = ends.stream;
    output_begin(&run->output, ends.readable);
    run_watch(supervisor, run, run->pidfd, WATCH_END);
    run_watch(supervisor, run, run->output.fd, WATCH_OUTPUT);
    record_start(supervisor, run);
    return true;
}

/* ---- ending ---- */

static const char *why_ended(const struct run *run, char *text, size_t cap)
{
    if (run->core.fenced)
        return "its lease ran out";
    return run->unit.name[0] ? UNIT_ENDED : supervisor_ending(run->status, text, cap);
}

static void bury(struct supervisor *supervisor, struct run *run)
{
    struct process_record *record = record_of(supervisor, run);
    char ending[128];

    if (run->pid < 0)
        return;
    if (!run->unit.name[0])
        (void)waitpid(run->pid, &run->status, 0); /* it has ended */
    if (run->output.fd >= 0)
        output_end(&run->output, run->name, kind_names[run->kind]);
    log_info("a group's process has ended", log_text("nines.group", run->name),
             log_text("nines.program", kind_names[run->kind]), log_number("process.pid", run->pid),
             log_text("event.reason", why_ended(run, ending, sizeof ending)));
    close(run->pidfd);
    own_close(&run->stream);
    own_close(&run->channel);
    run->pid = run->pidfd = run->stream = run->channel = -1;
    run->buried = true;
    set(&record->ended, (uint64_t)run->status);
    set(&record->pid, 0);
}

/* True: nothing is left of it. */
static bool kill_all(struct run *run)
{
    siginfo_t info = {0};

    if (tree_kill(run->pid, run->tag) > 0)
        return false;
    return waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == run->pid;
}

static bool spawn_unit(struct supervisor *supervisor, struct run *run, struct managed_event *event)
{
    must(run->pid < 0);
    run->why[0] = '\0';
    run->ended = false;
    run->status = 0;
    return unit_ask(supervisor, run, UNIT_ASK_START, event);
}

/* The same, of what systemd runs: an action is under way until it is told how it went. */
static bool act_on_unit(struct supervisor *supervisor, struct run *run, enum managed_action action,
                        struct managed_event *event)
{
    switch (action) {
    case MANAGED_SPAWN:
        return spawn_unit(supervisor, run, event);
    case MANAGED_TERM:
        return unit_ask(supervisor, run, UNIT_ASK_STOP, event);
    case MANAGED_KILL_ALL:
        return unit_ask(supervisor, run, UNIT_ASK_KILL, event);
    case MANAGED_TELL_STARTED:
    case MANAGED_TELL_ENDED:
        tell(supervisor, run, action == MANAGED_TELL_STARTED);
        return false;
    }
    never("an action that does not exist");
}

/* True: the action leads to *event, which comes next. */
static bool act(struct supervisor *supervisor, struct run *run, enum managed_action action,
                struct managed_event *event)
{
    switch (action) {
    case MANAGED_SPAWN:
        event->kind = MANAGED_NOT_STARTED;
        return !spawn(supervisor, run);
    case MANAGED_TERM:
        kill(run->pid, SIGTERM);
        return false;
    case MANAGED_KILL_ALL:
        event->kind = MANAGED_GONE;
        return kill_all(run);
    case MANAGED_TELL_STARTED:
        tell(supervisor, run, true);
        if (run->channel >= 0)
            store_run_link(supervisor, run);
        return false;
    case MANAGED_TELL_ENDED:
        tell(supervisor, run, false);
        return false;
    }
    never("an action that does not exist");
}

static void count_kill(struct supervisor *supervisor, const struct run *run,
                       const struct managed *before)
{
    struct process_record *record = record_of(supervisor, run);

    if (before->state == MANAGED_ABSENT) { /* of a unit, of which nothing is known */
        if (run->core.fenced && !before->fenced)
            log_warning(
                "a unit that may have been running before nines was is killed: its lease ran out",
                log_text("nines.group", run->name), log_text("nines.unit", run->unit.name));
        return;
    }
    if (run->core.state == MANAGED_KILLED && before->state != MANAGED_KILLED && !run->ended)
        count(&record->kills, 1);
    if (run->core.fenced && !before->fenced)
        count(&record->fenced, 1);
}

/* A unit that was left by a nines that was killed may be a primary: its lease, of which nothing is known any more, ends within the length of one. */
static uint64_t doubt_now(const struct supervisor *supervisor)
{
    return (uint64_t)after_ms(clock_boot(), supervisor->current.config->failover.lease_ms).ns;
}

/* Nothing of the run before is left; what runs next, the file says. */
static void settle(struct supervisor *supervisor, struct run *run,
                   const struct managed_event *event)
{
    bool over = event->kind == MANAGED_GONE || event->kind == MANAGED_NOT_STARTED;

    if (over)
        bury(supervisor, run);
    if (!over && run->core.state != MANAGED_ABSENT)
        return;
    if (strcmp(run->unit.name, run->unit.wanted) != 0) {
        memcpy(run->unit.name, run->unit.wanted, sizeof run->unit.name);
        run->core.elsewhere = run->unit.name[0] != '\0';
        run->unit.doubt = run->core.elsewhere ? doubt_now(supervisor) : FENCE_NEVER;
    } else if (over) {
        run->unit.doubt = FENCE_NEVER;
    }
}

static void step(struct supervisor *supervisor, struct run *run, enum managed_event_kind kind,
                 int64_t within_ms)
{
    struct managed_event event = {kind, within_ms};
    struct managed_actions actions;
    bool more = true;

    while (more) {
        struct managed before = run->core;

        settle(supervisor, run, &event);
        if (event.kind == MANAGED_STARTED)
            record_start(supervisor, run);
        managed_step(&run->core, &event, fence_of(supervisor, run), clock_boot(), &actions);
        count_kill(supervisor, run, &before);
        more = false;
        for (uint32_t i = 0; i < actions.count && !more; i++)
            more = run->unit.name[0] ? act_on_unit(supervisor, run, actions.at[i], &event)
                                     : act(supervisor, run, actions.at[i], &event);
    }
}

/* ---- deadlines ---- */

#define EACH_RUN(supervisor, run)                                                                  \
    for (struct run *run = (supervisor)->processes.runs;                                           \
         run < (supervisor)->processes.runs + RUNS; run++)

/* A time that has passed rings at once, and none at all stops the timer. */
static void arm(struct supervisor *supervisor)
{
    struct instant next = NEVER;
    struct itimerspec when = {0};

    EACH_RUN(supervisor, run)
    {
        next = earlier(next, managed_deadline(&run->core, fence_of(supervisor, run)));
        next = earlier(next, unit_deadline(&run->unit.core));
    }
    if (next.ns != NEVER.ns) {
        when.it_value.tv_sec = next.ns / NS_PER_S;
        when.it_value.tv_nsec = next.ns > 0 ? next.ns % NS_PER_S : 1;
    }
    must(timerfd_settime(supervisor->processes.timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0);
}

static void step_all(struct supervisor *supervisor, enum managed_event_kind kind)
{
    EACH_RUN(supervisor, run)
    if (run->core.state != MANAGED_ABSENT || run->core.elsewhere)
        step(supervisor, run, kind, 0);
    arm(supervisor);
}

/* ---- observations ---- */

static void on_ended(struct supervisor *supervisor, struct run *run)
{
    if (run->pidfd < 0 || run->ended)
        return;
    run->ended =
        true; /* it stays a zombie until nothing of it is left, and would be told again and again */
    run_unwatch(supervisor, run->pidfd);
    step(supervisor, run, MANAGED_MAIN_ENDED, 0);
}

static void on_systemctl(struct supervisor *supervisor, struct run *run)
{
    struct managed_event event;

    if (unit_answered(supervisor, run, &event))
        step(supervisor, run, event.kind, 0);
}

/* Time has passed: a systemctl may have hung for too long, or a unit is to be looked at again. */
static void look_at_units(struct supervisor *supervisor)
{
    struct managed_event event;

    EACH_RUN(supervisor, run)
    if (passed(unit_deadline(&run->unit.core), clock_boot()) &&
        unit_ask(supervisor, run, UNIT_TICK, &event))
        step(supervisor, run, event.kind, 0);
}

static void on_event(struct supervisor *supervisor, uint32_t what)
{
    struct run *run;
    uint64_t rung;

    if (what == TIMER) {
        (void)!read(supervisor->processes.timer_fd, &rung, sizeof rung);
        return;
    }
    run = &supervisor->processes.runs[what / RUN_WATCHES];
    if (what % RUN_WATCHES == WATCH_END)
        on_ended(supervisor, run);
    else if (what % RUN_WATCHES == WATCH_SYSTEMCTL)
        on_systemctl(supervisor, run);
    else if (run->output.fd >= 0)
        output_read(&run->output, run->name, kind_names[run->kind]);
}

static bool is_ours(const void *context, int pid)
{
    const struct supervisor *supervisor = context;

    if (pid == supervisor->reading.child.pid)
        return true;
    for (uint32_t i = 0; i < ROLES_MAX; i++)
        if (pid == supervisor->children[i].pid)
            return true;
    for (uint32_t i = 0; i < RUNS; i++)
        if (pid == supervisor->processes.runs[i].pid ||
            pid == supervisor->processes.runs[i].unit.pid)
            return true;
    return false;
}

void processes_look(struct supervisor *supervisor)
{
    struct epoll_event events[EVENTS_A_TURN];
    int got = epoll_wait(supervisor->processes.epoll_fd, events, EVENTS_A_TURN, 0);

    for (int i = 0; i < got; i++)
        on_event(supervisor, events[i].data.u32);
    tree_reap_orphans(is_ours, supervisor);
    look_at_units(supervisor);
    step_all(supervisor, MANAGED_TICK);
}

static bool is_store(const struct supervisor *supervisor, uint64_t slot)
{
    const struct config_group *group = config_group_at(supervisor->current.image, (uint32_t)slot);

    return group && group->engine.kind == ENGINE_STORE;
}

bool processes_take(struct supervisor *supervisor, const struct frame *frame)
{
    struct run *runs;

    if (frame->type < MESSAGE_PROCESS_START || frame->type > MESSAGE_FENCE || frame->len != 0 ||
        frame->number >= GROUPS_MAX)
        return false;
    runs = &supervisor->processes.runs[frame->number * RUN_KINDS];
    if (frame->type == MESSAGE_PROCESS_START)
        step(supervisor, &runs[RUN_PROCESS], MANAGED_START, 0);
    else if (frame->type == MESSAGE_PROCESS_KILL)
        step(supervisor, &runs[RUN_PROCESS], MANAGED_KILL, 0);
    else if (frame->type == MESSAGE_PROGRAM_START && is_store(supervisor, frame->number))
        store_run_link(supervisor, &runs[RUN_PROCESS]);
    else if (frame->type == MESSAGE_PROGRAM_START)
        step(supervisor, &runs[RUN_PROGRAM], MANAGED_START, 0);
    else if (frame->type == MESSAGE_PROGRAM_KILL)
        step(supervisor, &runs[RUN_PROGRAM], MANAGED_KILL, 0);
    else if (frame->type == MESSAGE_FENCE)
        runs[RUN_PROCESS].unit.doubt = FENCE_NEVER;
    step_all(supervisor, MANAGED_TICK);
    return true;
}

void processes_agent_gone(struct supervisor *supervisor)
{
    EACH_RUN(supervisor, run)
    if (run->kind == RUN_PROGRAM && run->core.state != MANAGED_ABSENT)
        step(supervisor, run, MANAGED_KILL, 0);
    arm(supervisor);
    if (supervisor->core.phase >= SUPERVISE_DRAINING)
        processes_stop(supervisor);
}

void processes_stop(struct supervisor *supervisor)
{
    EACH_RUN(supervisor, run)
    if (!run->core.closed)
        step(supervisor, run, MANAGED_STOP, run->kind == RUN_PROCESS ? run->stop_ms : 0);
    arm(supervisor);
}

void processes_hurry(struct supervisor *supervisor)
{
    step_all(supervisor, MANAGED_KILL);
}

bool processes_ended(const struct supervisor *supervisor)
{
    for (uint32_t i = 0; i < RUNS; i++)
        if (supervisor->processes.runs[i].core.state != MANAGED_ABSENT)
            return false;
    return true;
}

/* ---- generations ---- */

/* Another group has the slot: what was counted was not its own. The pid is of the run that is ending. */
static void rename_run(struct supervisor *supervisor, struct run *run, const char *name)
{
    struct process_record *record = record_of(supervisor, run);

    if (strcmp(run->name, name) == 0)
        return;
    snprintf(run->name, sizeof run->name, "%s", name);
    set(&record->starts, 0);
    set(&record->kills, 0);
    set(&record->ended, 0);
    set(&record->fenced, 0);
}

static void follow(struct supervisor *supervisor, struct run *run)
{
    struct image image = supervisor->current.image;
    const struct config_group *group = config_group_at(image, run->slot);
    const char *name = group ? image_string(image, group->replication.item.name) : "";
    bool here = group && config_group_place(supervisor->current.config, group) < GROUP_MEMBERS_MAX;
    bool same = strcmp(run->name, name) == 0;
    const char *user;
    struct err err;

    if (!here || !same)
        step(supervisor, run, MANAGED_STOP, run->kind == RUN_PROCESS ? run->stop_ms : 0);
    run->unit.wanted[0] = '\0';
    if (group)
        rename_run(supervisor, run, name);
    if (!here)
        return;
    user = image_string(image, group->engine.user);
    user = user[0] ? user : role_user(image_string(image, supervisor->current.config->user));
    run->stop_ms = group->engine.stop_ms;
    if (run->kind == RUN_PROCESS)
        snprintf(run->unit.wanted, sizeof run->unit.wanted, "%s",
                 image_string(image, group->engine.unit));
    /* Who is known is not asked for again: a directory service may hang, and fences would wait for it. */
    if (strcmp(run->user.name, user) != 0 && !launch_user_find(&run->user, user, &err))
        log_error("a group's programs cannot be started", log_text("nines.group", name),
                  log_text("error.message", err.text));
    /* The store of another group, which is on its way out, is not told of this one's users. */
    if (same)
        store_run_reload(supervisor, run);
    if (supervisor->core.phase < SUPERVISE_DRAINING)
        step(supervisor, run, MANAGED_OPEN, 0);
}

void processes_follow(struct supervisor *supervisor)
{
    EACH_RUN(supervisor, run)
    follow(supervisor, run);
    arm(supervisor);
}

bool processes_open(struct supervisor *supervisor, struct err *err)
{
    struct processes *processes = &supervisor->processes;

    for (uint32_t i = 0; i < RUNS; i++)
        processes->runs[i] = (struct run){
            .core = {.renewed = i % RUN_KINDS == RUN_PROGRAM},
            .kind = (enum run_kind)(i % RUN_KINDS),
            .slot = i / RUN_KINDS,
            .pid = -1,
            .pidfd = -1,
            .stream = -1,
            .channel = -1,
            .output.fd = -1,
            .unit = {.doubt = FENCE_NEVER, .pid = -1, .pidfd = -1, .output = -1},
        };
    processes->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    processes->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (processes->epoll_fd < 0 || processes->timer_fd < 0)
        return err_system(err, "watch the processes of groups");
    watch(supervisor, processes->timer_fd, TIMER);
    return tree_adopt(err);
}
