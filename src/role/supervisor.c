/*
 * `nines run`: waits for signals, frames, ends and deadlines, makes events of them, and carries out what the core decides.
 */
#include "role/supervisor.h"

#include "base/clock.h"
#include "base/own.h"
#include "role/arguments.h"
#include "role/log.h"
#include "role/role.h"

#include <errno.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

void supervisor_event(struct supervisor *supervisor, enum supervise_event_kind kind, uint32_t slot,
                      uint64_t number)
{
    must(supervisor->event_count < SUPERVISOR_EVENTS_MAX);
    supervisor->events[supervisor->event_count++] = (struct supervise_event){kind, slot, number};
}

/* ---- actions ---- */

static void say_serving(const struct supervisor *supervisor)
{
    const struct generation *current = &supervisor->current;
    char storage[512];
    char text[ADDRESS_TEXT_MAX];
    struct buf addresses;

    buf_over(&addresses, storage, sizeof storage - 1);
    for (uint32_t i = 0; i < current->listener_count; i++) {
        if (i > 0)
            buf_add_string(&addresses, ", ");
        buf_add_string(&addresses, address_print(&current->addresses[i], text));
    }
    storage[addresses.len] = '\0';
    log_info("serving", log_text("nines.listeners", storage),
             log_text("nines.admin", address_print(&current->config->admin_address, text)),
             log_number("nines.workers", generation_workers(current->config)),
             log_number("nines.generation", (int64_t)current->number));
}

static void answer_operator(struct supervisor *supervisor, bool done)
{
    static struct frame frame;

    if (supervisor->operator_waits == 0 || --supervisor->operator_waits > 0)
        return;
    frame = (struct frame){.type = MESSAGE_RELOADED, .number = done};
    frame.len =
        (uint32_t)snprintf((char *)frame.body, sizeof frame.body, "generation %llu is in force",
                           (unsigned long long)supervisor->current.number);
    if (!done) {
        frame.len = (uint32_t)strlen(supervisor->refusal);
        memcpy(frame.body, supervisor->refusal, frame.len);
    }
    children_tell(supervisor, ROLE_MONITOR, &frame);
}

static void on_reloaded(struct supervisor *supervisor, bool done)
{
    count(done ? &supervisor->board->reloads : &supervisor->board->reloads_refused, 1);
    if (done)
        log_info("a new configuration is in force",
                 log_number("nines.generation", (int64_t)supervisor->current.number));
    else
        log_warning("the configuration stays as it was",
                    log_number("nines.generation", (int64_t)supervisor->current.number));
    notify("READY=1");
    answer_operator(supervisor, done);
}

static void on_give_up(struct supervisor *supervisor, uint32_t slot)
{
    char name[32];

    if (slot == SUPERVISE_NOBODY) {
        supervisor->exit_code = EXIT_CONFIG;
        return;
    }
    supervisor->exit_code = 1;
    log_error("a role ended again and again before it was ready: nines cannot start",
              log_text("nines.child", supervisor_slot_name(slot, name, sizeof name)));
}

static void say_reading(const struct supervisor *supervisor)
{
    char state[64];

    if (supervisor->core.phase != SUPERVISE_SERVING)
        return;
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)(clock_now().ns / NS_PER_US));
    notify(state);
}

static void send_drain(struct supervisor *supervisor, uint32_t slot, uint64_t within_ms)
{
    static struct frame frame;

    frame = (struct frame){.type = MESSAGE_DRAIN, .number = within_ms};
    children_tell(supervisor, slot, &frame);
}

static void act(struct supervisor *supervisor, const struct supervise_action *action)
{
    switch (action->kind) {
    case ACTION_READ:
        say_reading(supervisor);
        reading_begin(supervisor);
        break;
    case ACTION_KILL_READER:
        reading_kill(supervisor);
        break;
    case ACTION_START:
        children_start(supervisor, action->slot);
        break;
    case ACTION_SPREAD:
        children_spread(supervisor, action->slot);
        break;
    case ACTION_KILL:
        children_kill(supervisor, action->slot, (enum supervise_reason)action->number);
        break;
    case ACTION_DRAIN:
        send_drain(supervisor, action->slot, action->number);
        break;
    case ACTION_SERVING:
        say_serving(supervisor);
        notify("READY=1\nSTATUS=serving");
        break;
    case ACTION_RELOADED:
        on_reloaded(supervisor, action->number == 1);
        break;
    case ACTION_GIVE_UP:
        on_give_up(supervisor, action->slot);
        break;
    case ACTION_STOPPING:
        log_info("stopping", log_number("nines.drain_ms", supervisor->core.drain_ms));
        notify("STOPPING=1\nSTATUS=draining");
        addresses_stop(supervisor);
        generation_retire_listeners(supervisor);
        break;
    case ACTION_END:
        processes_stop(supervisor);
        supervisor->over = true;
        break;
    }
}

static void show_states(const struct supervisor *supervisor)
{
    for (uint32_t i = 0; i < supervisor->core.roles_count; i++)
        atomic_store_explicit(&supervisor->board->roles[i].state,
                              (uint64_t)supervisor->core.roles[i].state, memory_order_relaxed);
}

/* What an action leads to (a role that cannot be told …) is decided upon in its turn, never inside another decision. */
static void decide(struct supervisor *supervisor)
{
    struct supervise_actions actions;

    for (uint32_t i = 0; i < supervisor->event_count; i++) {
        supervise_step(&supervisor->core, &supervisor->events[i], clock_now(), &actions);
        for (uint32_t k = 0; k < actions.count; k++)
            act(supervisor, &actions.at[k]);
    }
    supervisor->event_count = 0;
    show_states(supervisor);
    generation_close_gone(supervisor);
}

/* ---- observations ---- */

static void reopen_logs(struct supervisor *supervisor)
{
    static struct frame frame;
    struct err err;

    if (!fixtures_reopen_access_log(&supervisor->fixtures, &err)) {
        log_warning("the access log stays as it was", log_text("error.message", err.text));
        return;
    }
    frame = (struct frame){
        .type = MESSAGE_REOPEN, .fd_count = 1, .fds = {supervisor->fixtures.access_log_fd}};
    children_tell(supervisor, ROLE_MONITOR, &frame);
}

static void stop(struct supervisor *supervisor)
{
    if (supervisor->core.phase >= SUPERVISE_DRAINING) /* the second time */
        processes_hurry(supervisor);
    supervisor_event(supervisor, EVENT_ASKED_TO_STOP, 0, 0);
}

static void on_signal(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;

    while (read(supervisor->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            supervisor_event(supervisor, EVENT_ASKED_TO_RELOAD, 0, 0);
        else if (info.ssi_signo == SIGUSR1)
            reopen_logs(supervisor);
        else
            stop(supervisor);
        decide(supervisor);
    }
}

enum {
    POLLED_MAX = 4 + 2 * (ROLES_MAX + 1),
    READER_SLOT = ROLES_MAX,
    ADDRESSES_SLOT, /* the end of something is the timer's ring, the rest is news of interfaces */
};

/* What poll waits for, and whose it is. */
struct polled {
    uint32_t count;
    struct pollfd fds[POLLED_MAX];
    uint32_t slots[POLLED_MAX];
    bool ends[POLLED_MAX]; /* a pidfd */
};

static void poll_also(struct polled *polled, int fd, uint32_t slot, bool end)
{
    if (fd < 0)
        return;
    polled->fds[polled->count] = (struct pollfd){.fd = fd, .events = POLLIN};
    polled->slots[polled->count] = slot;
    polled->ends[polled->count++] = end;
}

static void poll_child(struct polled *polled, const struct child *child, uint32_t slot)
{
    poll_also(polled, child->channel, slot, false);
    poll_also(polled, child->pidfd, slot, true);
}

static void on_addresses_timer(struct supervisor *supervisor)
{
    uint64_t rings;

    if (read(supervisor->addresses.timer_fd, &rings, sizeof rings) == (ssize_t)sizeof rings)
        addresses_look(supervisor);
}

static void on_ready_fd(struct supervisor *supervisor, uint32_t slot, bool end)
{
    if (slot == ADDRESSES_SLOT)
        (end ? on_addresses_timer : addresses_news)(supervisor);
    else if (slot == READER_SLOT)
        (end ? reading_reap : reading_listen)(supervisor);
    else
        (end ? children_reap : children_listen)(supervisor, slot);
    decide(supervisor);
}

static int wait_ms(const struct supervisor *supervisor)
{
    struct instant deadline =
        earlier(supervise_next_deadline(&supervisor->core), supervisor->pet_at);
    int64_t ns = ns_between(clock_now(), deadline);

    return ns <= 0 ? 0 : (int)(ns / NS_PER_MS) + 1;
}

static void wait_and_listen(struct supervisor *supervisor)
{
    struct polled polled = {0};

    poll_also(&polled, supervisor->signal_fd, 0, false);
    poll_also(&polled, supervisor->processes.epoll_fd, 0, false);
    poll_also(&polled, supervisor->addresses.timer_fd, ADDRESSES_SLOT, true);
    poll_also(&polled, supervisor->addresses.interfaces.news_fd, ADDRESSES_SLOT, false);
    poll_child(&polled, &supervisor->reading.child, READER_SLOT);
    for (uint32_t i = 0; i < supervisor->core.roles_count; i++)
        poll_child(&polled, &supervisor->children[i], i);
    if (poll(polled.fds, polled.count, wait_ms(supervisor)) <= 0)
        return;
    if (polled.fds[0].revents)
        on_signal(supervisor);
    if (polled.fds[1].revents) {
        processes_look(supervisor);
        decide(supervisor);
    }
    for (uint32_t i = 2; i < polled.count; i++)
        if (polled.fds[i].revents)
            on_ready_fd(supervisor, polled.slots[i], polled.ends[i]);
}

/* Only here, after the state was found sound: a supervisor that hangs or contradicts itself is not petted. */
static void pet_watchdog(struct supervisor *supervisor)
{
    struct instant now = clock_now();

    if (!passed(supervisor->pet_at, now))
        return;
    supervise_check(&supervisor->core);
    notify("WATCHDOG=1");
    supervisor->pet_at = after_ms(now, supervisor->pet_ms);
}

static void run(struct supervisor *supervisor)
{
    struct supervise_actions actions;

    supervise_init(&supervisor->core, clock_now(), &actions);
    for (uint32_t i = 0; i < actions.count; i++)
        act(supervisor, &actions.at[i]);
    while (!supervisor->over || !processes_ended(supervisor)) {
        wait_and_listen(supervisor);
        children_look_at_beats(supervisor);
        supervisor_event(supervisor, EVENT_TICK, 0, 0);
        decide(supervisor);
        pet_watchdog(supervisor);
    }
}

/* ---- beginning ---- */

static bool take_signals(struct supervisor *supervisor, struct err *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return err_system(err, "take signals");
    supervisor->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return supervisor->signal_fd >= 0 || err_system(err, "take signals");
}

/* What whoever started nines left open is not for its children. */
static bool close_inherited(struct err *err)
{
    if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return err_system(err, "keep inherited descriptors from the children");
    return true;
}

static bool begin(struct supervisor *supervisor, struct err *err)
{
    supervisor->board_fd = supervisor->signal_fd = -1;
    supervisor->current.image_fd = supervisor->next.image_fd = -1;
    children_init(supervisor);
    reading_init(supervisor);
    fixtures_init(&supervisor->fixtures);
    addresses_init(supervisor);
    supervisor->pet_ms = notify_watchdog_ms();
    supervisor->pet_at = supervisor->pet_ms > 0 ? clock_now() : NEVER;
    if (!close_inherited(err) || !take_signals(supervisor, err) ||
        !processes_open(supervisor, err) || !scoreboard_create(&supervisor->board_fd, err) ||
        !scoreboard_map(supervisor->board_fd, &supervisor->board, err))
        return false;
    atomic_store_explicit(&supervisor->board->started_ms, (uint64_t)clock_wall_ms(),
                          memory_order_relaxed);
    return true;
}

int role_supervisor(int argc, char **argv)
{
    static struct supervisor supervisor;
    struct arguments arguments;
    struct err err;

    if (!arguments_parse(&arguments, ARGUMENT_FILE | ARGUMENT_NODE, argc, argv))
        return ARGUMENTS_EXIT;
    log_begin("supervisor", arguments.node);
    supervisor.file = arguments.file;
    supervisor.node = arguments.node;
    if (!begin(&supervisor, &err)) {
        log_error("cannot start", log_text("error.message", err.text));
        return 1;
    }
    run(&supervisor);
    addresses_stop(&supervisor);
    fixtures_close(&supervisor.fixtures);
    if (supervisor.exit_code == 0)
        log_info("stopped");
    return supervisor.exit_code;
}
