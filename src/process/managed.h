/*
 * managed: decides when a process that nines runs for somebody else (a group's data service, an engine's program) is started, stopped and killed. Pure.
 *
 * It knows no pid and reads no clock; all its times are CLOCK_BOOTTIME, as fences are. Whoever carries the orders out keeps the process that was started as a zombie until
 * everything that it started is gone too: only then does it say so (MANAGED_GONE), and only then is the end told. So who hears of an end knows that nothing of that run is
 * left that could take a write.
 *
 * A fence is the time at which the process has to die unless a later one was written meanwhile: the caller reads it anew for each step. It never starts what was closed,
 * never starts a second run beside a first, and never forgets to tell what became of an order.
 *
 * What runs elsewhere may have been started by anybody: an order to end it, and a fence that passes, are carried out though nothing is known to run.
 */
#pragma once

#include "base/instant.h"

#include <stdbool.h>

enum {
    MANAGED_AGAIN_MS =
        2, /* what was killed and is not gone is killed again after so long, and twice as long each time */
    MANAGED_AGAIN_MAX_MS = 1000,
    MANAGED_ACTIONS_MAX = 3,
};

#define FENCE_NEVER UINT64_MAX

enum managed_state {
    MANAGED_ABSENT,
    MANAGED_RUNNING,
    MANAGED_STOPPING, /* asked to end */
    MANAGED_KILLED,   /* it, or what it left behind, has to go */
};

struct managed {
    enum managed_state state;
    bool renewed; /* a start while it runs means another run, not the same */
    bool again;   /* start it once the present run is gone */
    bool closed;  /* nothing is started: its group left the file, or nines stops */
    bool
        elsewhere; /* its parent is somebody else (systemd): SPAWN is answered later, and it may run though nobody here started it; set while ABSENT */
    bool starting; /* RUNNING: SPAWN was not answered yet */
    bool fenced;   /* the present run, or the last, was killed because its fence had passed */
    int64_t again_ms;        /* KILLED: so long until the next look */
    struct instant deadline; /* STOPPING: then it is killed; KILLED: then looked at again */
};

enum managed_event_kind {
    MANAGED_TICK,
    MANAGED_START,
    MANAGED_KILL,
    MANAGED_STOP,        /* `within_ms`: it is asked to end, and killed after so long. Closes */
    MANAGED_OPEN,        /* it may be started (again) */
    MANAGED_NOT_STARTED, /* answers MANAGED_SPAWN */
    MANAGED_STARTED,     /* likewise, of what is elsewhere */
    MANAGED_MAIN_ENDED,  /* what was started has ended; what that started may be left */
    MANAGED_GONE,        /* nothing is left */
};

struct managed_event {
    enum managed_event_kind kind;
    int64_t within_ms;
};

enum managed_action {
    MANAGED_SPAWN,
    MANAGED_TERM,
    MANAGED_KILL_ALL, /* everything that belongs to the run */
    MANAGED_TELL_STARTED,
    MANAGED_TELL_ENDED, /* the run is over, or there is none */
};

struct managed_actions {
    uint32_t count;
    enum managed_action at[MANAGED_ACTIONS_MAX];
};

/* `fence`: as it stands now; FENCE_NEVER where there is none. */
void managed_step(struct managed *managed, const struct managed_event *event, uint64_t fence,
                  struct instant now, struct managed_actions *out);
/* When time alone will lead to an action; NEVER. */
struct instant managed_deadline(const struct managed *managed, uint64_t fence);
void managed_check(const struct managed *managed);
