/*
 * supervise: decides what a supervisor starts, tells, kills and waits for. Pure: state, event and time go in, actions come out.
 *
 * It knows roles by slot only (scoreboard.h), never by pid, and a configuration by its generation's number alone. Whoever carries
 * the actions out reports what became of them as events; a lost action shows as a deadline that passes. A role that does not turn
 * its loop is killed; one that ended is started again with back-off, whatever the others do; the end of everything needs no role's help.
 * It judges no beat by a clock that jumped: after a pause of its own everybody gets the full time again.
 */
#pragma once

#include "base/must.h"
#include "process/process.h"

enum {
    SUPERVISE_BEAT_MS = 10000,   /* a loop that has not turned for this long will not turn again */
    SUPERVISE_READ_MS = 30000,   /* a configuration is read within */
    SUPERVISE_SPREAD_MS = 10000, /* a generation is in force everywhere within */
    SUPERVISE_END_MS = 2000,  /* beyond the drain time, and for those that have nothing to drain */
    SUPERVISE_TICK_MS = 1000, /* an event comes at least this often */
    SUPERVISE_PAUSE_MS =
        3000, /* without one for this long the machine or this process was stopped */
    SUPERVISE_FIRST_FAILURES =
        5, /* a role that ends so often before the first readiness ends the start */
    SUPERVISE_FIRST_WORKER = 2,
    SUPERVISE_ACTIONS_MAX = 2 * ROLES_MAX + 8, /* a role is told at most twice in one step */
};

#define SUPERVISE_NOBODY UINT32_MAX /* an enumerator must fit an int */

enum supervise_phase {
    SUPERVISE_BEGINNING, /* nothing has been ready yet */
    SUPERVISE_SERVING,
    SUPERVISE_DRAINING, /* the workers finish */
    SUPERVISE_ENDING,   /* the others too */
    SUPERVISE_OVER,
};

enum supervise_reading { READING_NOTHING, READING_FILE, READING_SPREAD };

enum supervise_event_kind {
    EVENT_TICK,
    EVENT_NOT_STARTED, /* slot: it could not be executed */
    EVENT_BEAT,        /* slot: its loop has turned */
    EVENT_READY,       /* slot; number: the generation in force there */
    EVENT_UNREACHABLE, /* slot: it could not be told, or said what makes no sense */
    EVENT_ENDED,       /* slot */
    EVENT_ASKED_TO_RELOAD,
    EVENT_READ, /* number: a good new generation, all it needs is open, and it is current from now on */
    EVENT_REFUSED, /* the file is wrong, or what it needs cannot be had; the reader has ended */
    EVENT_ASKED_TO_STOP,
};

struct supervise_event {
    enum supervise_event_kind kind;
    uint32_t slot;
    uint64_t number;
};

enum supervise_action_kind {
    ACTION_READ,        /* execute the reader */
    ACTION_KILL_READER, /* it took too long, or is not needed any more; EVENT_REFUSED follows */
    ACTION_START,       /* slot; it gets the current generation */
    ACTION_SPREAD,      /* slot: send the current generation */
    ACTION_KILL,        /* slot; number: enum supervise_reason */
    ACTION_DRAIN,       /* slot; number: milliseconds */
    ACTION_SERVING,     /* for the first time everybody is ready */
    ACTION_RELOADED,    /* number: 1 everybody has the new generation, 0 refused */
    ACTION_GIVE_UP, /* slot: it never became ready; SUPERVISE_NOBODY: the first configuration was refused */
    ACTION_STOPPING,
    ACTION_END, /* nobody is left */
};

enum supervise_reason {
    REASON_HUNG,
    REASON_LATE, /* not ready with a new generation in time */
    REASON_UNREACHABLE,
    REASON_STOP,
};

struct supervise_action {
    enum supervise_action_kind kind;
    uint32_t slot;
    uint64_t number;
};

struct supervise_actions {
    uint32_t count;
    struct supervise_action at[SUPERVISE_ACTIONS_MAX];
};

struct supervise_role {
    enum role_state state;
    bool killed; /* its end is on the way */
    struct restart restart;
    struct instant start_at; /* while backing off */
    struct instant beat;
    uint64_t generation; /* in force there */
};

struct supervise {
    enum supervise_phase phase;
    enum supervise_reading reading;
    bool reader_killed;
    bool read_again; /* somebody asked while a file was being read */
    struct instant read_by, spread_by, stop_by;
    uint64_t generation;             /* current; 0: none yet */
    int64_t drain_ms;                /* of the current generation; the caller keeps it */
    struct instant stepped, trusted; /* the last event; since when beats count */
    uint32_t roles_count; /* slots in use: 2 + workers; known with the first generation */
    struct supervise_role roles[ROLES_MAX];
};

/* Begins with ACTION_READ. */
void supervise_init(struct supervise *supervise, struct instant now,
                    struct supervise_actions *actions);
/* With the first EVENT_READ's configuration, before that event. */
void supervise_set_workers(struct supervise *supervise, uint32_t workers);
void supervise_step(struct supervise *supervise, const struct supervise_event *event,
                    struct instant now, struct supervise_actions *actions);
/* When time alone will lead to an action, or the next tick is due. */
struct instant supervise_next_deadline(const struct supervise *supervise);
/* Aborts when the state contradicts itself: what a watchdog is petted after. */
void supervise_check(const struct supervise *supervise);
