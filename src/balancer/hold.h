/*
 * balancer/hold: who may go to a group's primary, and who waits for one. Pure.
 *
 * The cluster says in the scoreboard where a group's primary is and whether it serves. Whoever comes while it does not is parked, for a
 * bounded time, in bounded number and bytes, and let go with a slope when it does: one, and twice as many each few milliseconds as long as
 * they get through, so that a primary that has just begun is not run over. Nobody goes to a primary whose lease has run out.
 */
#pragma once

#include "base/instant.h"
#include "process/scoreboard.h"

/* A group as it is known at one moment. */
struct hold_view {
    uint64_t phase; /* enum board_phase */
    uint64_t epoch;
    uint64_t primary; /* place in the file's order of members, from 1; 0: none */
    bool leased;      /* the primary is another node, or this one within its lease */
};

/* Where a request or connection may go, as a place from 1; 0: it waits. `probe`: it is the agent's own, which asks a new primary whether it
 * serves. */
uint32_t hold_primary(const struct hold_view *view, uint32_t members, bool probe);

/* What was begun with the primary of this epoch has to end. Nothing is known of an unknown group, so nothing ends. */
bool hold_deposed(const struct hold_view *view, uint64_t epoch, uint64_t primary);

/*
 * Which secondaries may be read from, as bits by place from 0: those no further behind than `lag_max_ms`, and of these the ones that
 * are not much further behind than the best. 0: none.
 */
uint32_t hold_readable(const struct hold_view *view, const counter lag_ms[], uint32_t members,
                       uint64_t lag_max_ms);

/* ---- how many ---- */

struct hold_load {
    uint32_t count;
    uint64_t bytes;
};

struct hold_limits {
    int64_t time_ms; /* 0: nobody waits */
    uint32_t count;
    uint64_t bytes;
};

/* One more, of so many bytes. */
bool hold_room(const struct hold_limits *limits, const struct hold_load *load, uint64_t bytes);

/* ---- the slope ---- */

enum {
    HOLD_STEP_MS = 2,
    HOLD_AGAIN_MIN_MS = 20, /* after a primary could not be reached; doubles */
    HOLD_AGAIN_MAX_MS = 250,
    HOLD_STEP_MAX = 1 << 16,
};

/* Zeroed, or begun anew: one may go at once. */
struct hold_slope {
    struct instant next; /* nobody goes before */
    uint32_t step;       /* how many went last; 0: nobody yet, or since one failed */
    uint32_t again_ms;   /* since the last one failed; 0: none did */
    bool proven;         /* one got through since the last step */
};

void hold_begin(struct hold_slope *slope);
/* How many may go now. They are taken for gone. */
uint32_t hold_due(struct hold_slope *slope, struct instant now);
void hold_succeeded(struct hold_slope *slope);
void hold_failed(struct hold_slope *slope, struct instant now);
