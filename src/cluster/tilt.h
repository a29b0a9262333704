/*
 * cluster/tilt: whether this node's clocks and turns can be trusted, and two clocks that can be trusted for leases.
 *
 * Looks at CLOCK_BOOTTIME, CLOCK_MONOTONIC, the wall clock and the lateness of the loop's turn. A node is tilted from the moment at which something is
 * wrong until nothing was for a while. A step of the wall clock is said and tilts nobody: nothing counts by it.
 *
 * No jump can be believed: `fast` never runs slower, and `slow` never faster, than either clock, and neither runs backwards. Leases are counted
 * by `fast` at the holder and by `slow` at the grantor, so what a clock does wrong only shortens the one and lengthens the other.
 */
#pragma once

#include "base/instant.h"

#include <stdbool.h>
#include <stdint.h>

struct tilt_rules {
    int64_t drift_ppm; /* by how much the clocks' rates may differ */
    int64_t slack_ns;  /* and what reading them one after the other may add */
    int64_t pause_ns;  /* a turn that is later than this was a pause */
    int64_t wall_ns;   /* a step of the wall clock that is worth saying */
    int64_t steady_ns; /* how long everything must be well for a tilt to end */
};

struct tilt_look {
    struct instant boot, mono; /* CLOCK_BOOTTIME and CLOCK_MONOTONIC, read in one go */
    int64_t wall_ns;           /* since 1970 */
    int64_t late_ns;           /* by how much the turn came after its deadline; 0: on time */
};

enum tilt_cause {
    TILT_NONE,
    TILT_PAUSED,    /* the turn came much too late */
    TILT_SUSPENDED, /* the boot clock ran on while the monotonic one stood still: the machine slept, or the boot clock jumped ahead */
    TILT_JUMPED,    /* a clock went back, or the monotonic one ran ahead of the boot clock */
    TILT_DRIFTED,   /* by little at a time, and more than the bound in all */
    TILT_WALL_STEPPED, /* no tilt */
};

struct tilt {
    struct tilt_rules rules;
    bool begun; /* a first look was taken */
    bool tilted;
    struct tilt_look last, anchor; /* the newest; and the one from which drift is counted */
    struct instant steady_from;    /* by the slow clock */
    struct instant fast, slow;
    int64_t fast_boot, fast_mono, slow_boot, slow_mono; /* what to add to a clock for it */
};

struct tilt_verdict {
    enum tilt_cause cause;
    int64_t size_ns; /* of the pause, sleep, jump, drift or step; signed where it has a direction */
    bool drop;       /* every lease must be dropped before anything else is done */
    bool began, ended; /* the tilt, with this look */
};

void tilt_init(struct tilt *tilt, const struct tilt_rules *rules);
/* At the beginning of every turn of the loop, before any lease is looked at, and again (late_ns 0) before the receipt of a lease request is noted or the end
 * of a lease is relied on: `fast` and `slow` are as old as the last look. */
void tilt_step(struct tilt *tilt, const struct tilt_look *look, struct tilt_verdict *out);
/* When a tilt may end, by the boot clock: look again then. NEVER when not tilted. */
struct instant tilt_next_deadline(const struct tilt *tilt);
/* As of the last look. They begin at the boot clock's reading. */
static inline struct instant tilt_fast(const struct tilt *tilt)
{
    return tilt->fast;
}
static inline struct instant tilt_slow(const struct tilt *tilt)
{
    return tilt->slow;
}
/* An instant of `fast` (a lease's end) as one of CLOCK_BOOTTIME, for others who only read that clock: what is left of it, from the last look. */
struct instant tilt_as_boot(const struct tilt *tilt, struct instant fast);
