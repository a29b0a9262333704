/*
 * unit: decides what systemd is asked for, and when, for a unit that is a group's data service. Pure. The orders come from managed.h; this is only how they are carried out.
 *
 * systemctl may hang, fail, or speak of a moment that has passed. So it is only ever asked for what it does at once (a start is enqueued, and then looked at), each time with a
 * deadline, one thing at a time; and a kill waits for none of it: KILL_NOW, which whoever carries it out does by itself, comes first. It never says that the unit is gone by the
 * end of its main process alone, nor because systemd did not answer.
 */
#pragma once

#include "base/bytes.h"
#include "base/instant.h"
#include "base/must.h"

#include <stdbool.h>

enum {
    UNIT_MAX = 255, /* bytes of a name */
    UNIT_CONTROL_GROUP_MAX = 512,
    UNIT_ANSWER_MS = 5000, /* a systemctl that has not ended by then has failed */
    UNIT_START_MS =
        90000, /* a unit has no main process by then: it has failed; systemd's own default */
    UNIT_LOOK_MS = 10, /* between two looks, doubling */
    UNIT_LOOK_MAX_MS = 500,
    UNIT_WORDS = 7,
};

/* What `systemctl show` says. */
struct unit_shown {
    int main_pid; /* 0: none */
    bool found;
    bool active;                                /* active, or on the way there */
    bool ended;                                 /* inactive or failed */
    bool job;                                   /* something is enqueued */
    bool restarts;                              /* systemd would start it again by itself */
    char control_group[UNIT_CONTROL_GROUP_MAX]; /* "" */
};

/* Property=value lines, in any order. False: it is no such answer. */
MUST_USE bool unit_parse(struct bytes text, struct unit_shown *shown);

enum unit_command { UNIT_NOTHING, UNIT_SHOW, UNIT_START, UNIT_STOP, UNIT_KILL };

/* The words of a command, NULL-terminated. */
void unit_words(enum unit_command command, const char *unit, const char *words[UNIT_WORDS]);

enum unit_phase {
    UNIT_IDLE,
    UNIT_FINDING,  /* does it run already? */
    UNIT_STARTING, /* the start is being enqueued */
    UNIT_AWAITING, /* looked at until it has a main process */
    UNIT_RUNNING,
    UNIT_STOPPING, /* asked to end; looked at until it has */
    UNIT_KILLING,  /* each further kill asks again, until it is gone */
};

struct unit {
    enum unit_phase phase;
    enum unit_command under_way;
    bool settled; /* it had a main process, so no start of ours is enqueued */
    bool job;     /* KILLING: one is enqueued, which a signal does not end */
    int64_t look_ms;
    struct instant deadline; /* something under way: broken off then; otherwise: looked at */
    struct instant give_up;  /* FINDING, AWAITING */
};

enum unit_event_kind {
    UNIT_TICK,
    UNIT_ASK_START,
    UNIT_ASK_STOP,
    UNIT_ASK_KILL, /* `empty` */
    UNIT_ANSWERED, /* what was under way has ended: `good`, and of SHOW `shown` */
};

struct unit_event {
    enum unit_event_kind kind;
    bool good;
    bool
        empty; /* ASK_KILL: its main process has ended, and its control group, which was seen with it, has no other; ANSWERED: the control group has none, as far as there is one */
    const struct unit_shown *shown; /* of SHOW, when good */
};

enum unit_news { UNIT_NO_NEWS, UNIT_HAS_STARTED, UNIT_HAS_FAILED, UNIT_IS_GONE };

/* In this order. */
struct unit_orders {
    bool kill_now;  /* everything that is known of it, without systemd */
    bool break_off; /* what is under way */
    enum unit_command run;
    enum unit_news
        news; /* HAS_STARTED: shown->main_pid is to be followed; HAS_FAILED: what is left of it is to be killed */
};

void unit_step(struct unit *unit, const struct unit_event *event, struct instant now,
               struct unit_orders *out);
struct instant unit_deadline(const struct unit *unit);
void unit_check(const struct unit *unit);
