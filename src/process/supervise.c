/*
 * Decides what a supervisor starts, tells, kills and waits for. Holds no descriptors, reads no clock, allocates nothing and
 * cannot fail.
 */
#include "process/supervise.h"

static void emit(struct supervise_actions *actions, enum supervise_action_kind kind, uint32_t slot,
                 uint64_t number)
{
    must(actions->count < SUPERVISE_ACTIONS_MAX);
    actions->at[actions->count++] = (struct supervise_action){kind, slot, number};
}

static bool is_stopping(const struct supervise *s)
{
    return s->phase >= SUPERVISE_DRAINING;
}

static bool is_alive(const struct supervise_role *role)
{
    return role->state == ROLE_STARTING || role->state == ROLE_READY ||
           role->state == ROLE_DRAINING;
}

void supervise_check(const struct supervise *s)
{
    must(s->roles_count <= ROLES_MAX);
    must(s->roles_count > 0 || s->generation == 0);
    must(!s->reader_killed || s->reading == READING_FILE);
    must(s->reading != READING_SPREAD || s->generation > 0);
    for (uint32_t i = 0; i < ROLES_MAX; i++) {
        const struct supervise_role *role = &s->roles[i];

        must(i < s->roles_count || role->state == ROLE_ABSENT);
        must(!role->killed || is_alive(role));
        must(role->generation <= s->generation);
        must(role->state != ROLE_DRAINING || is_stopping(s));
        must(role->state != ROLE_BACKING_OFF || !is_stopping(s));
    }
}

static void kill_role(struct supervise *s, uint32_t slot, enum supervise_reason reason,
                      struct supervise_actions *actions)
{
    if (!is_alive(&s->roles[slot]) || s->roles[slot].killed)
        return;
    s->roles[slot].killed = true;
    emit(actions, ACTION_KILL, slot, reason);
}

static void start_role(struct supervise *s, uint32_t slot, struct instant now,
                       struct supervise_actions *actions)
{
    struct supervise_role *role = &s->roles[slot];

    role->state = ROLE_STARTING;
    role->killed = false;
    role->generation = 0;
    role->beat = now;
    restart_started(&role->restart, now);
    emit(actions, ACTION_START, slot, 0);
}

/* ---- reading and spreading a generation ---- */

static void read_file(struct supervise *s, struct instant now, struct supervise_actions *actions)
{
    s->reading = READING_FILE;
    s->reader_killed = false;
    s->read_again = false;
    s->read_by = after_ms(now, SUPERVISE_READ_MS);
    emit(actions, ACTION_READ, SUPERVISE_NOBODY, 0);
}

static void kill_reader(struct supervise *s, struct supervise_actions *actions)
{
    if (s->reading != READING_FILE || s->reader_killed)
        return;
    s->reader_killed = true;
    emit(actions, ACTION_KILL_READER, SUPERVISE_NOBODY, 0);
}

/* Several wishes while one is being fulfilled are one more. */
static void on_asked_to_reload(struct supervise *s, struct instant now,
                               struct supervise_actions *actions)
{
    if (is_stopping(s))
        emit(actions, ACTION_RELOADED, SUPERVISE_NOBODY, 0);
    else if (s->reading == READING_NOTHING && s->phase == SUPERVISE_SERVING)
        read_file(s, now, actions);
    else
        s->read_again = true;
}

static void finish_reading(struct supervise *s, bool done, struct instant now,
                           struct supervise_actions *actions)
{
    s->reading = READING_NOTHING;
    s->reader_killed = false;
    if (s->phase == SUPERVISE_SERVING) {
        emit(actions, ACTION_RELOADED, SUPERVISE_NOBODY, done);
        if (s->read_again)
            read_file(s, now, actions);
    }
}

static void on_read(struct supervise *s, uint64_t number, struct instant now,
                    struct supervise_actions *actions)
{
    must(s->reading == READING_FILE);
    must(number > s->generation);
    s->generation = number;
    s->reader_killed = false;
    if (is_stopping(s)) {
        s->reading = READING_NOTHING;
        return;
    }
    s->reading = READING_SPREAD;
    s->spread_by = after_ms(now, SUPERVISE_SPREAD_MS);
    for (uint32_t i = 0; i < s->roles_count; i++) {
        if (s->phase == SUPERVISE_BEGINNING)
            start_role(s, i, now, actions);
        else if (is_alive(&s->roles[i]))
            emit(actions, ACTION_SPREAD, i, number);
    }
}

static void on_refused(struct supervise *s, struct instant now, struct supervise_actions *actions)
{
    must(s->reading == READING_FILE);
    if (s->phase == SUPERVISE_BEGINNING) {
        s->phase = SUPERVISE_ENDING;
        emit(actions, ACTION_GIVE_UP, SUPERVISE_NOBODY, 0);
    }
    finish_reading(s, false, now, actions);
}

/* A role that waits for its restart gets the new generation with it. */
static bool is_everywhere(const struct supervise *s)
{
    for (uint32_t i = 0; i < s->roles_count; i++) {
        const struct supervise_role *role = &s->roles[i];

        if (role->state == ROLE_BACKING_OFF && s->phase == SUPERVISE_SERVING)
            continue;
        if (role->state != ROLE_READY || role->generation != s->generation)
            return false;
    }
    return true;
}

static void look_at_spread(struct supervise *s, struct instant now,
                           struct supervise_actions *actions)
{
    if (s->reading != READING_SPREAD)
        return;
    if (is_everywhere(s)) {
        if (s->phase == SUPERVISE_BEGINNING) {
            s->phase = SUPERVISE_SERVING;
            s->reading = READING_NOTHING;
            emit(actions, ACTION_SERVING, SUPERVISE_NOBODY, 0);
            if (s->read_again)
                read_file(s, now, actions);
        } else {
            finish_reading(s, true, now, actions);
        }
    } else if (passed(s->spread_by, now)) {
        s->spread_by = after_ms(now, SUPERVISE_SPREAD_MS);
        for (uint32_t i = 0; i < s->roles_count; i++)
            if (s->roles[i].generation != s->generation)
                kill_role(s, i, REASON_LATE, actions);
    }
}

/* ---- roles ---- */

static void on_ready(struct supervise *s, uint32_t slot, uint64_t number,
                     struct supervise_actions *actions)
{
    struct supervise_role *role = &s->roles[slot];

    if (number == 0 || number > s->generation || number < role->generation) {
        kill_role(s, slot, REASON_UNREACHABLE, actions);
        return;
    }
    role->generation = number;
    if (role->state == ROLE_STARTING)
        role->state = ROLE_READY;
}

static void give_up(struct supervise *s, uint32_t slot, struct instant now,
                    struct supervise_actions *actions)
{
    emit(actions, ACTION_GIVE_UP, slot, 0);
    s->phase = SUPERVISE_ENDING;
    s->reading = READING_NOTHING;
    s->stop_by = after_ms(now, SUPERVISE_END_MS);
    for (uint32_t i = 0; i < s->roles_count; i++) {
        if (s->roles[i].state == ROLE_BACKING_OFF)
            s->roles[i].state = ROLE_ABSENT;
        kill_role(s, i, REASON_STOP, actions);
    }
}

static void on_ended(struct supervise *s, uint32_t slot, struct instant now,
                     struct supervise_actions *actions)
{
    struct supervise_role *role = &s->roles[slot];

    if (!is_alive(role))
        return;
    role->killed = false;
    role->generation = 0;
    if (is_stopping(s)) {
        role->state = ROLE_ABSENT;
        return;
    }
    role->state = ROLE_BACKING_OFF;
    role->start_at = after_ms(now, restart_delay_ms(&role->restart, now));
    if (s->phase == SUPERVISE_BEGINNING && role->restart.failures >= SUPERVISE_FIRST_FAILURES)
        give_up(s, slot, now, actions);
}

static void look_at_roles(struct supervise *s, struct instant now,
                          struct supervise_actions *actions)
{
    for (uint32_t i = 0; i < s->roles_count; i++) {
        struct supervise_role *role = &s->roles[i];
        struct instant heard = role->beat.ns > s->trusted.ns ? role->beat : s->trusted;

        if (role->state == ROLE_BACKING_OFF && passed(role->start_at, now))
            start_role(s, i, now, actions);
        else if (is_alive(role) && passed(after_ms(heard, SUPERVISE_BEAT_MS), now))
            kill_role(s, i, REASON_HUNG, actions);
    }
}

/* ---- the end ---- */

static bool any_alive(const struct supervise *s, uint32_t first)
{
    for (uint32_t i = first; i < s->roles_count; i++)
        if (is_alive(&s->roles[i]))
            return true;
    return false;
}

static void kill_everybody(struct supervise *s, struct supervise_actions *actions)
{
    kill_reader(s, actions);
    for (uint32_t i = 0; i < s->roles_count; i++)
        kill_role(s, i, REASON_STOP, actions);
}

static void drain_roles(struct supervise *s, uint32_t first, uint32_t end, int64_t within_ms,
                        struct supervise_actions *actions)
{
    for (uint32_t i = first; i < end; i++) {
        if (s->roles[i].state == ROLE_BACKING_OFF)
            s->roles[i].state = ROLE_ABSENT;
        if (!is_alive(&s->roles[i]) || s->roles[i].killed)
            continue;
        s->roles[i].state = ROLE_DRAINING;
        emit(actions, ACTION_DRAIN, i, (uint64_t)within_ms);
    }
}

/* The workers first: the agent and the monitor serve them, and show what is left, until the last has ended. */
static void on_asked_to_stop(struct supervise *s, struct instant now,
                             struct supervise_actions *actions)
{
    if (is_stopping(s)) {
        kill_everybody(s, actions);
        return;
    }
    s->phase = SUPERVISE_DRAINING;
    s->read_again = false;
    if (s->reading == READING_SPREAD)
        s->reading = READING_NOTHING;
    kill_reader(s, actions);
    s->stop_by = after_ms(now, s->drain_ms + SUPERVISE_END_MS);
    emit(actions, ACTION_STOPPING, SUPERVISE_NOBODY, 0);
    for (uint32_t i = 0; i < s->roles_count; i++)
        if (s->roles[i].state == ROLE_BACKING_OFF)
            s->roles[i].state = ROLE_ABSENT;
    drain_roles(s, SUPERVISE_FIRST_WORKER, s->roles_count, s->drain_ms, actions);
}

static void look_at_end(struct supervise *s, struct instant now, struct supervise_actions *actions)
{
    if (!is_stopping(s) || s->phase == SUPERVISE_OVER)
        return;
    if (passed(s->stop_by, now))
        kill_everybody(s, actions);
    if (s->phase == SUPERVISE_DRAINING && !any_alive(s, SUPERVISE_FIRST_WORKER)) {
        s->phase = SUPERVISE_ENDING;
        s->stop_by = after_ms(now, SUPERVISE_END_MS);
        drain_roles(s, 0, s->roles_count, 0, actions);
    }
    if (s->phase == SUPERVISE_ENDING && !any_alive(s, 0) && s->reading == READING_NOTHING) {
        s->phase = SUPERVISE_OVER;
        emit(actions, ACTION_END, SUPERVISE_NOBODY, 0);
    }
}

/* ---- steps ---- */

void supervise_init(struct supervise *s, struct instant now, struct supervise_actions *actions)
{
    *s = (struct supervise){.stepped = now, .trusted = now};
    actions->count = 0;
    read_file(s, now, actions);
}

void supervise_set_workers(struct supervise *s, uint32_t workers)
{
    must(s->generation == 0);
    must(workers >= 1 && workers <= WORKERS_MAX);
    s->roles_count = SUPERVISE_FIRST_WORKER + workers;
}

static void take(struct supervise *s, const struct supervise_event *event, struct instant now,
                 struct supervise_actions *actions)
{
    switch (event->kind) {
    case EVENT_TICK:
        break;
    case EVENT_NOT_STARTED:
    case EVENT_ENDED:
        on_ended(s, event->slot, now, actions);
        break;
    case EVENT_BEAT:
        s->roles[event->slot].beat = now;
        break;
    case EVENT_READY:
        on_ready(s, event->slot, event->number, actions);
        break;
    case EVENT_UNREACHABLE:
        kill_role(s, event->slot, REASON_UNREACHABLE, actions);
        break;
    case EVENT_ASKED_TO_RELOAD:
        on_asked_to_reload(s, now, actions);
        break;
    case EVENT_READ:
        on_read(s, event->number, now, actions);
        break;
    case EVENT_REFUSED:
        on_refused(s, now, actions);
        break;
    case EVENT_ASKED_TO_STOP:
        on_asked_to_stop(s, now, actions);
        break;
    }
}

void supervise_step(struct supervise *s, const struct supervise_event *event, struct instant now,
                    struct supervise_actions *actions)
{
    supervise_check(s);
    actions->count = 0;
    if (passed(after_ms(s->stepped, SUPERVISE_PAUSE_MS), now))
        s->trusted = now;
    s->stepped = now;
    take(s, event, now, actions);
    if (s->reading == READING_FILE && passed(s->read_by, now))
        kill_reader(s, actions);
    look_at_roles(s, now, actions);
    if (!is_stopping(s))
        look_at_spread(s, now, actions);
    look_at_end(s, now, actions);
    supervise_check(s);
}

struct instant supervise_next_deadline(const struct supervise *s)
{
    struct instant next = after_ms(s->stepped, SUPERVISE_TICK_MS);

    if (s->reading == READING_FILE && !s->reader_killed)
        next = earlier(next, s->read_by);
    if (s->reading == READING_SPREAD)
        next = earlier(next, s->spread_by);
    if (is_stopping(s) && !passed(s->stop_by, s->stepped))
        next = earlier(next, s->stop_by);
    for (uint32_t i = 0; i < s->roles_count; i++)
        if (s->roles[i].state == ROLE_BACKING_OFF)
            next = earlier(next, s->roles[i].start_at);
    return next;
}
