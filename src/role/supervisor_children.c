/*
 * The long-lived roles as processes: executed, told, listened to, killed and reaped.
 */
#include "role/supervisor.h"

#include "base/clock.h"
#include "base/own.h"
#include "role/log.h"
#include "role/role.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *role_name(uint32_t slot)
{
    static const char *const names[] = {[ROLE_AGENT] = "agent", [ROLE_MONITOR] = "monitor"};

    return slot < SUPERVISE_FIRST_WORKER ? names[slot] : "worker";
}

const char *supervisor_slot_name(uint32_t slot, char *text, size_t cap)
{
    if (slot < SUPERVISE_FIRST_WORKER)
        snprintf(text, cap, "%s", role_name(slot));
    else
        snprintf(text, cap, "worker %u", slot - SUPERVISE_FIRST_WORKER);
    return text;
}

const char *supervisor_ending(int status, char *text, size_t cap)
{
    if (WIFEXITED(status))
        snprintf(text, cap, "it exited with %d", WEXITSTATUS(status));
    else if (WTERMSIG(status) == SIGSYS)
        snprintf(text, cap, "it made a system call that only an intruder would (SIGSYS)");
    else
        snprintf(text, cap, "it was ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    return text;
}

static void set(counter *field, uint64_t value)
{
    atomic_store_explicit(field, value, memory_order_relaxed);
}

void child_close(struct child *child)
{
    own_close(&child->pidfd);
    own_close(&child->channel);
    *child = (struct child){.pid = -1, .pidfd = -1, .channel = -1};
}

void children_init(struct supervisor *supervisor)
{
    for (uint32_t i = 0; i < ROLES_MAX; i++)
        supervisor->children[i] = (struct child){.pid = -1, .pidfd = -1, .channel = -1};
}

/* ---- telling ---- */

void children_tell(struct supervisor *supervisor, uint32_t slot, struct frame *frame)
{
    char name[32];
    struct err err;

    if (supervisor->children[slot].channel < 0 ||
        channel_send(supervisor->children[slot].channel, frame, &err) || err.number == EPIPE)
        return; /* who is gone will be missed by its pidfd */
    log_warning("a role cannot be told",
                log_text("nines.child", supervisor_slot_name(slot, name, sizeof name)),
                log_text("error.message", err.text));
    supervisor_event(supervisor, EVENT_UNREACHABLE, slot, 0);
}

/* Descriptors with their indexes, in as many frames as it takes. */
struct parcel {
    struct supervisor *supervisor;
    uint32_t slot;
    struct frame frame;
};

static void parcel_begin(struct parcel *parcel, struct supervisor *supervisor, uint32_t slot,
                         enum message type)
{
    parcel->supervisor = supervisor;
    parcel->slot = slot;
    parcel->frame = (struct frame){.type = (uint32_t)type, .number = supervisor->current.number};
}

static void parcel_send(struct parcel *parcel)
{
    if (parcel->frame.fd_count)
        children_tell(parcel->supervisor, parcel->slot, &parcel->frame);
    parcel->frame.fd_count = parcel->frame.len = 0;
}

static void parcel_add(struct parcel *parcel, int32_t index, int fd)
{
    if (fd < 0)
        return;
    if (parcel->frame.fd_count == CHANNEL_FDS_MAX)
        parcel_send(parcel);
    memcpy(parcel->frame.body + parcel->frame.len, &index, sizeof index);
    parcel->frame.len += sizeof index;
    parcel->frame.fds[parcel->frame.fd_count++] = fd;
}

static void send_listeners(struct supervisor *supervisor, uint32_t slot)
{
    static struct parcel parcel;
    uint32_t services = supervisor->current.config->listeners;

    parcel_begin(&parcel, supervisor, slot, MESSAGE_LISTENERS);
    if (slot == ROLE_MONITOR) {
        parcel_add(&parcel, LISTENER_ADMIN, supervisor->fixtures.admin_fd);
        parcel_add(&parcel, LISTENER_CLI, supervisor->fixtures.cli_fd);
    }
    for (uint32_t i = 0; i < supervisor->current.listener_count; i++) {
        bool peers = i >= services;

        if (peers ? slot == ROLE_AGENT : slot >= SUPERVISE_FIRST_WORKER)
            parcel_add(&parcel, peers ? LISTENER_PEER - (int32_t)(i - services) : (int32_t)i,
                       supervisor->current.listeners[i]);
    }
    parcel_send(&parcel);
}

static void send_logs(struct supervisor *supervisor)
{
    static struct parcel parcel;

    parcel_begin(&parcel, supervisor, ROLE_MONITOR, MESSAGE_LOGS);
    for (int32_t i = 0; i < WORKERS_MAX; i++)
        parcel_add(&parcel, i, supervisor->fixtures.log_pipes[i][0]);
    parcel_send(&parcel);
}

void children_spread(struct supervisor *supervisor, uint32_t slot)
{
    static struct frame frame;

    send_listeners(supervisor, slot);
    if (slot == ROLE_MONITOR)
        send_logs(supervisor);
    frame = (struct frame){.type = MESSAGE_GENERATION,
                           .number = supervisor->current.number,
                           .len = sizeof slot,
                           .fd_count = 1,
                           .fds = {supervisor->current.image_fd}};
    memcpy(frame.body, &slot, sizeof slot);
    if (slot == ROLE_MONITOR && supervisor->fixtures.access_log_fd >= 0)
        frame.fds[frame.fd_count++] = supervisor->fixtures.access_log_fd;
    children_tell(supervisor, slot, &frame);
}

/* ---- life and death ---- */

/* Agent and monitor talk over a stream of their own: a new one whenever either begins, so that neither reads what was meant for
 * one that died. */
static void link_agent_and_monitor(struct supervisor *supervisor)
{
    static struct frame frame;
    int ends[2];

    if (supervisor->children[ROLE_AGENT].channel < 0 ||
        supervisor->children[ROLE_MONITOR].channel < 0)
        return;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        log_warning("agent and monitor cannot talk", log_text("error.message", strerror(errno)));
        return;
    }
    for (int i = 0; i < 2; i++) {
        frame = (struct frame){.type = MESSAGE_LINK, .fd_count = 1, .fds = {ends[i]}};
        children_tell(supervisor, i == 0 ? ROLE_AGENT : ROLE_MONITOR, &frame);
        close(ends[i]);
    }
}

static bool execute(struct supervisor *supervisor, uint32_t slot, struct err *err)
{
    const char *const arguments[] = {"role", role_name(slot), NULL};
    struct child *child = &supervisor->children[slot];
    autoclose int ours = -1, theirs = -1;
    char name[32];
    struct spawn spawn = {.role = supervisor_slot_name(slot, name, sizeof name),
                          .arguments = arguments,
                          .scoreboard = supervisor->board_fd,
                          .extra = -1};

    if (!channel_pair(&ours, &theirs, err))
        return false;
    spawn.channel = theirs;
    if (slot >= SUPERVISE_FIRST_WORKER)
        spawn.extra = supervisor->fixtures.log_pipes[slot - SUPERVISE_FIRST_WORKER][1];
    if (!process_spawn(&spawn, &child->pid, &child->pidfd, err))
        return false;
    child->channel = take_fd(&ours);
    child->beat = counted(&supervisor->board->beats[slot].at);
    return true;
}

void children_start(struct supervisor *supervisor, uint32_t slot)
{
    struct role_record *record = &supervisor->board->roles[slot];
    struct child *child = &supervisor->children[slot];
    struct err err;

    must(child->pid < 0);
    if (!execute(supervisor, slot, &err)) {
        log_error("a role cannot be started", log_text("error.message", err.text));
        child_close(child);
        supervisor_event(supervisor, EVENT_NOT_STARTED, slot, 0);
        return;
    }
    if (counted(&record->started_ms) != 0)
        count(&record->restarts, 1);
    set(&record->pid, (uint64_t)child->pid);
    set(&record->started_ms, (uint64_t)clock_wall_ms());
    children_spread(supervisor, slot);
    if (slot == ROLE_AGENT || slot == ROLE_MONITOR)
        link_agent_and_monitor(supervisor);
}

void children_kill(struct supervisor *supervisor, uint32_t slot, enum supervise_reason reason)
{
    static const char *const reasons[] = {
        [REASON_HUNG] = "its loop has not turned for 10 s",
        [REASON_LATE] = "it did not take the new configuration within 10 s",
        [REASON_UNREACHABLE] = "it does not understand, or cannot be told",
        [REASON_STOP] = "it has not ended in time, or was not to be waited for",
    };
    char name[32];

    if (supervisor->children[slot].pid < 0)
        return;
    log_warning("a role is killed",
                log_text("nines.child", supervisor_slot_name(slot, name, sizeof name)),
                log_number("process.pid", supervisor->children[slot].pid),
                log_text("event.reason", reasons[reason]));
    /* Our child, not reaped yet: the number is its own. */
    kill(supervisor->children[slot].pid, SIGKILL);
}

static void say_end(const struct supervisor *supervisor, uint32_t slot, int status)
{
    bool stopping = supervisor->core.phase >= SUPERVISE_DRAINING;
    bool in_order = stopping && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    char name[32], ending[128];

    if (in_order)
        return;
    log_warning(stopping ? "a role ended" : "a role ended and is started again",
                log_text("nines.child", supervisor_slot_name(slot, name, sizeof name)),
                log_number("process.pid", supervisor->children[slot].pid),
                log_text("event.reason", supervisor_ending(status, ending, sizeof ending)));
}

void children_reap(struct supervisor *supervisor, uint32_t slot)
{
    struct child *child = &supervisor->children[slot];
    int status;

    if (waitpid(child->pid, &status, WNOHANG) != child->pid)
        return;
    children_listen(supervisor, slot); /* its last words */
    say_end(supervisor, slot, status);
    child_close(child);
    set(&supervisor->board->roles[slot].pid, 0);
    if (slot >= SUPERVISE_FIRST_WORKER)
        scoreboard_bury_worker(supervisor->board, slot - SUPERVISE_FIRST_WORKER);
    if (slot == ROLE_AGENT)
        processes_agent_gone(supervisor);
    supervisor_event(supervisor, EVENT_ENDED, slot, 0);
}

/* ---- listening ---- */

/* The answer belongs to the reading that began after the question. The first of all is no reload, and is not answered. */
static void on_operator(struct supervisor *supervisor)
{
    bool next = supervisor->core.reading == READING_NOTHING ||
                supervisor->core.phase == SUPERVISE_BEGINNING;

    supervisor->operator_waits = next ? 1 : 2;
    supervisor_event(supervisor, EVENT_ASKED_TO_RELOAD, 0, 0);
}

static void on_frame(struct supervisor *supervisor, uint32_t slot, const struct frame *frame)
{
    if (frame->type == MESSAGE_READY)
        supervisor_event(supervisor, EVENT_READY, slot, frame->number);
    else if (frame->type == MESSAGE_RELOAD && slot == ROLE_MONITOR)
        on_operator(supervisor);
    else if (frame->type == MESSAGE_LOOK && slot == ROLE_AGENT)
        addresses_answer(supervisor, frame->number);
    else if (frame->type == MESSAGE_ANNOUNCE && slot == ROLE_AGENT)
        addresses_announce(supervisor);
    else if (slot == ROLE_AGENT && processes_take(supervisor, frame))
        return;
    else if (frame->type != MESSAGE_DRAINED)
        supervisor_event(supervisor, EVENT_UNREACHABLE, slot, 0);
}

void children_listen(struct supervisor *supervisor, uint32_t slot)
{
    static struct frame frame;
    struct child *child = &supervisor->children[slot];

    for (int i = 0; i < FRAMES_A_TURN && child->channel >= 0; i++) {
        switch (channel_receive(child->channel, &frame)) {
        case CHANNEL_FRAME:
            frame_close_fds(&frame);
            on_frame(supervisor, slot, &frame);
            break;
        case CHANNEL_NOTHING:
            return;
        case CHANNEL_CLOSED: /* it is about to end; its pidfd tells when it has */
            own_close(&child->channel);
            child->channel = -1;
            break;
        case CHANNEL_BAD:
            supervisor_event(supervisor, EVENT_UNREACHABLE, slot, 0);
            break;
        }
    }
}

void children_look_at_beats(struct supervisor *supervisor)
{
    for (uint32_t i = 0; i < supervisor->core.roles_count; i++) {
        uint64_t beat = counted(&supervisor->board->beats[i].at);

        if (supervisor->children[i].pid < 0 || beat == supervisor->children[i].beat)
            continue;
        supervisor->children[i].beat = beat;
        supervisor_event(supervisor, EVENT_BEAT, i, 0);
    }
}
