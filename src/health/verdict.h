/*
 * health/verdict: what a row of good and failed checks says of a backend, and when to ask next.
 *
 * Pure: outcomes and times in, verdicts and times out. It knows neither sockets nor the scoreboard.
 */
#pragma once

#include "base/instant.h"
#include "base/rng.h"
#include "process/scoreboard.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * A backend that was never asked is UNKNOWN and takes traffic. Its first good check makes it UP at once; from then on, and for the first
 * failures too, only so many equal outcomes in a row as the threshold asks change a verdict.
 */
struct verdict {
    enum verdict_state state;
    uint32_t surprises; /* outcomes in a row that speak against `state` */
};

struct verdict_rules {
    uint32_t unhealthy_threshold, healthy_threshold; /* from 1 */
};

/* Takes one check's outcome; true when the state changed. */
MUST_USE bool verdict_step(struct verdict *verdict, const struct verdict_rules *rules, bool good);

/*
 * When to ask. Intervals are counted from beginning to beginning, so a check that times out takes its time out of the interval. A check
 * comes up to `jitter` of the interval early and never late. While outcomes speak against the verdict the interval is halved: with a
 * threshold of 2 or more and a timeout of at most half an interval, a verdict is true within threshold x interval of the change that it
 * tells of.
 */
struct pace {
    int64_t interval_ns;
    int64_t jitter; /* hundredths of a percent */
};

/* `began` is the last check's; the answer is never before `now`. */
struct instant pace_next(const struct pace *pace, const struct verdict *verdict,
                         struct instant began, struct instant now, struct rng *rng);
/* The first check after a restart of a backend that was last asked at `asked`: where its interval was, else spread over one. */
struct instant pace_resume(const struct pace *pace, struct instant asked, struct instant now,
                           struct rng *rng);
/* Somebody else met a failure at `failed`: the check that was due at `due` comes sooner when the last one began before that, yet not
 * within a quarter of the interval from it. */
struct instant pace_hurry(const struct pace *pace, struct instant due, struct instant began,
                          struct instant failed, struct instant now);
