/*
 * The life of a unit as far as systemctl is concerned. Holds no descriptors, reads no clock, allocates nothing and cannot fail.
 */
#include "process/unit.h"

#include "base/must.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- words to systemctl, and back ---- */

void unit_words(enum unit_command command, const char *unit, const char *words[UNIT_WORDS])
{
    /* A start that contradicts what is enqueued fails: nines's own stop, which the unit may depend on, must not be reversed by it. A kill is for all processes of a unit
     * unless it says otherwise; the option for that has two names. */
    static const char *const fixed[][UNIT_WORDS - 4] = {
        [UNIT_NOTHING] = {NULL},
        [UNIT_SHOW] = {"show", "--property=LoadState,ActiveState,MainPID,ControlGroup,Job,Restart",
                       NULL},
        [UNIT_START] = {"start", "--no-block", "--job-mode=fail"},
        [UNIT_STOP] = {"stop", "--no-block", NULL},
        [UNIT_KILL] = {"kill", "--signal=SIGKILL", NULL},
    };
    uint32_t count = 0;

    must(command != UNIT_NOTHING);
    words[count++] = "systemctl";
    for (int i = 0; i < UNIT_WORDS - 4 && fixed[command][i]; i++)
        words[count++] = fixed[command][i];
    words[count++] = "--";
    words[count++] = unit;
    words[count] = NULL;
}

static bool is(struct bytes value, const char *text)
{
    return value.len == strlen(text) && memcmp(value.at, text, value.len) == 0;
}

static bool parse_number(struct bytes value, int *number)
{
    int64_t parsed = 0;

    if (value.len == 0 || value.len > 10)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return false;
        parsed = parsed * 10 + (value.at[i] - '0');
    }
    *number = parsed > INT_MAX ? INT_MAX : (int)parsed;
    return true;
}

static bool take_group(struct bytes value, struct unit_shown *shown)
{
    if (value.len >= sizeof shown->control_group || (value.len > 0 && value.at[0] != '/'))
        return false;
    memcpy(shown->control_group, value.at, value.len);
    shown->control_group[value.len] = '\0';
    return true;
}

enum { SAID_STATE = 1, SAID_PID = 2, SAID_ALL = 3 };

static bool take_property(struct bytes name, struct bytes value, struct unit_shown *shown,
                          unsigned *said)
{
    int number = 0;

    if (is(name, "LoadState")) {
        shown->found = !is(value, "not-found");
    } else if (is(name, "ActiveState")) {
        *said |= SAID_STATE;
        shown->ended = is(value, "inactive") || is(value, "failed");
        shown->active = is(value, "active") || is(value, "activating") || is(value, "reloading");
    } else if (is(name, "MainPID")) {
        *said |= SAID_PID;
        return parse_number(value, &shown->main_pid);
    } else if (is(name, "ControlGroup")) {
        return take_group(value, shown);
    } else if (is(name, "Job") && value.len > 0) {
        if (!parse_number(value, &number))
            return false;
        shown->job = number > 0;
    } else if (is(name, "Restart")) {
        shown->restarts = !is(value, "no");
    }
    return true;
}

bool unit_parse(struct bytes text, struct unit_shown *shown)
{
    unsigned said = 0;

    *shown = (struct unit_shown){.found = true};
    while (text.len > 0) {
        const uint8_t *end = memchr(text.at, '\n', text.len);
        size_t len = end ? (size_t)(end - text.at) : text.len;
        const uint8_t *equals = memchr(text.at, '=', len);

        if (equals) {
            size_t name = (size_t)(equals - text.at);

            if (!take_property((struct bytes){text.at, name},
                               (struct bytes){equals + 1, len - name - 1}, shown, &said))
                return false;
        }
        len += end != NULL;
        text = (struct bytes){text.at + len, text.len - len};
    }
    return said == SAID_ALL;
}

/* ---- what to do ---- */

void unit_check(const struct unit *u)
{
    must(u->phase != UNIT_IDLE || u->under_way == UNIT_NOTHING);
    must(u->phase != UNIT_RUNNING || u->under_way == UNIT_NOTHING);
    must(u->phase != UNIT_RUNNING || u->settled);
    must(u->phase != UNIT_STARTING || u->under_way == UNIT_START);
}

static void run(struct unit *u, enum unit_command command, struct instant now,
                struct unit_orders *out)
{
    out->break_off = out->break_off || u->under_way != UNIT_NOTHING;
    u->under_way = out->run = command;
    u->deadline = after_ms(now, UNIT_ANSWER_MS);
}

static void look_later(struct unit *u, struct instant now)
{
    u->deadline = after_ms(now, u->look_ms);
    u->look_ms = u->look_ms * 2 < UNIT_LOOK_MAX_MS ? u->look_ms * 2 : UNIT_LOOK_MAX_MS;
}

static void rest(struct unit *u, enum unit_phase phase, enum unit_news news,
                 struct unit_orders *out)
{
    out->break_off = out->break_off || u->under_way != UNIT_NOTHING;
    u->phase = phase;
    u->under_way = UNIT_NOTHING;
    u->deadline = NEVER;
    u->settled = u->settled && phase != UNIT_IDLE;
    u->job = false;
    out->news = news;
}

static void fail(struct unit *u, struct unit_orders *out)
{
    rest(u, UNIT_KILLING, UNIT_HAS_FAILED, out);
}

static void on_kill(struct unit *u, bool empty, struct instant now, struct unit_orders *out)
{
    if (empty && u->settled) {
        rest(u, UNIT_IDLE, UNIT_IS_GONE, out);
        return;
    }
    out->kill_now = true;
    if (u->phase == UNIT_KILLING && u->under_way != UNIT_NOTHING)
        return;
    u->phase = UNIT_KILLING;
    run(u, u->job ? UNIT_STOP : UNIT_KILL, now, out);
}

static void followed(struct unit *u, struct unit_orders *out)
{
    u->settled = true;
    rest(u, UNIT_RUNNING, UNIT_HAS_STARTED, out);
}

/* Nothing is left of it, and nothing is about to begin it. */
static bool is_gone(const struct unit_event *event)
{
    const struct unit_shown *shown = event->shown;

    return event->good && event->empty && shown->main_pid == 0 && shown->ended && !shown->job;
}

/* systemd may not have noticed yet that the run before has ended: `active` without a main process is looked at again. */
static void on_found(struct unit *u, const struct unit_event *event, struct instant now,
                     struct unit_orders *out)
{
    if (!event->good || passed(u->give_up, now)) {
        fail(u, out);
    } else if (event->shown->active && event->shown->main_pid > 0) {
        followed(u, out);
    } else if (event->shown->active) {
        look_later(u, now);
    } else {
        u->phase = UNIT_STARTING;
        run(u, UNIT_START, now, out);
    }
}

static void on_awaited(struct unit *u, const struct unit_event *event, struct instant now,
                       struct unit_orders *out)
{
    if (event->good && event->shown->main_pid > 0 && event->shown->active)
        followed(u, out);
    else if (!event->good || (event->shown->ended && !event->shown->job) || passed(u->give_up, now))
        fail(u, out);
    else
        look_later(u, now);
}

static void on_stop_answered(struct unit *u, enum unit_command was, const struct unit_event *event,
                             struct instant now, struct unit_orders *out)
{
    if (was == UNIT_SHOW && is_gone(event))
        rest(u, UNIT_IDLE, UNIT_IS_GONE, out);
    else
        look_later(u, now);
}

static void on_kill_answered(struct unit *u, enum unit_command was, const struct unit_event *event,
                             struct instant now, struct unit_orders *out)
{
    if (was != UNIT_SHOW) {
        run(u, UNIT_SHOW, now, out);
    } else if (is_gone(event)) {
        rest(u, UNIT_IDLE, UNIT_IS_GONE, out);
    } else {
        u->job = event->good && event->shown->job;
        u->deadline = NEVER; /* the next kill asks again */
    }
}

static void on_answered(struct unit *u, const struct unit_event *event, struct instant now,
                        struct unit_orders *out)
{
    enum unit_command was = u->under_way;

    u->under_way = UNIT_NOTHING;
    switch (u->phase) {
    case UNIT_IDLE:
    case UNIT_RUNNING:
        break; /* it was broken off */
    case UNIT_FINDING:
        on_found(u, event, now, out);
        break;
    case UNIT_STARTING:
        u->phase = UNIT_AWAITING;
        if (event->good)
            run(u, UNIT_SHOW, now, out);
        else
            fail(u, out);
        break;
    case UNIT_AWAITING:
        on_awaited(u, event, now, out);
        break;
    case UNIT_STOPPING:
        on_stop_answered(u, was, event, now, out);
        break;
    case UNIT_KILLING:
        on_kill_answered(u, was, event, now, out);
        break;
    }
}

static void on_tick(struct unit *u, struct instant now, struct unit_orders *out)
{
    const struct unit_event silence = {.kind = UNIT_ANSWERED};

    if (!passed(u->deadline, now) || u->phase == UNIT_IDLE)
        return;
    if (u->under_way == UNIT_NOTHING) {
        run(u, UNIT_SHOW, now, out);
        return;
    }
    out->break_off = true;
    on_answered(u, &silence, now, out);
}

void unit_step(struct unit *u, const struct unit_event *event, struct instant now,
               struct unit_orders *out)
{
    unit_check(u);
    *out = (struct unit_orders){0};
    switch (event->kind) {
    case UNIT_TICK:
        on_tick(u, now, out);
        break;
    case UNIT_ASK_START:
        must(u->phase == UNIT_IDLE);
        *u = (struct unit){.phase = UNIT_FINDING,
                           .look_ms = UNIT_LOOK_MS,
                           .give_up = after_ms(now, UNIT_START_MS)};
        run(u, UNIT_SHOW, now, out);
        break;
    case UNIT_ASK_STOP:
        u->phase = UNIT_STOPPING;
        u->look_ms = UNIT_LOOK_MS;
        run(u, UNIT_STOP, now, out);
        break;
    case UNIT_ASK_KILL:
        on_kill(u, event->empty, now, out);
        break;
    case UNIT_ANSWERED:
        on_answered(u, event, now, out);
        break;
    }
    unit_check(u);
}

struct instant unit_deadline(const struct unit *u)
{
    return u->phase == UNIT_IDLE ? NEVER : u->deadline;
}
