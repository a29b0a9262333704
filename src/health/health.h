/*
 * health: asks backends how they are and gives verdicts.
 *
 * verdict.c decides from outcomes (thresholds), check_http.c holds one check's conversation: both pure. drive.c asks, on the agent's loop: one
 * check per backend at a time, spread by jitter, never more often than the interval. It never decides who gets traffic: it writes verdicts
 * to the scoreboard, and balancers read them.
 */
#pragma once

#include "base/address.h"
#include "base/err.h"
#include "net/net.h"
#include "process/scoreboard.h"
#include "schema/schema.h"

enum health_check_kind {
    CHECK_NONE,
    CHECK_TCP,
    CHECK_HTTP
}; /* `type:`; none when no health_check section is there */

struct health_check {
    int32_t kind; /* http when `path` was written, else tcp: role/config.c */
    struct ref path, host;
    struct ref method;
    int64_t interval_ms, timeout_ms;
    int64_t unhealthy_threshold, healthy_threshold;
    int64_t jitter;                  /* hundredths of a percent of the interval */
    int64_t expect_low, expect_high; /* statuses that are healthy, inclusive */
    int64_t port;                    /* 0: the backend's */
};

extern const struct option health_check_options[];
extern const struct metric health_metrics[];

enum health_outcome {
    HEALTH_OK,
    HEALTH_REFUSED,
    HEALTH_UNREACHABLE,
    HEALTH_TIMEOUT,
    HEALTH_RESET,
    HEALTH_BAD_STATUS,
    HEALTH_GARBAGE,
    HEALTH_UNRESOLVED,
};
const char *health_outcome_name(enum health_outcome outcome);

/* One backend to watch. Plain data; texts lie in the generation's image, which outlives it. */
struct health_target {
    uint32_t slot;    /* in the scoreboard */
    const char *name; /* endpoint as written */
    bool named; /* to be resolved again and again; the answer goes to verdict_record.resolved */
    struct address address;
    const struct health_check *check;
    struct image image;
};

struct health;

MUST_USE bool health_open(struct health **health, struct loop *loop, struct scoreboard *board,
                          uint64_t seed, struct err *err);
/* Targets that stay (same slot and name) keep their verdicts and their place in the interval. A new target begins UNKNOWN and is checked at once;
 * `target_count` is at most BACKENDS_MAX. */
void health_configure(struct health *health, const struct health_target *targets,
                      uint32_t target_count);
void health_close(struct health *health);
