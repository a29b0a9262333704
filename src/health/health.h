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
#include "base/instant.h"
#include "process/scoreboard.h"
#include "schema/schema.h"

struct loop; /* net/net.h */

/* `type:` as it is written. The first is `auto` in the file (health_check_settle says what that means), and stands for no
 * checking at all in a target: where no health_check section is there. */
enum health_check_kind { CHECK_NONE, CHECK_TCP, CHECK_HTTP };

struct health_check {
    int32_t kind; /* enum health_check_kind, settled by role/config.c */
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

/* For a section that was read: http when a path is there, else tcp, unless `type` says. Never CHECK_NONE. */
enum health_check_kind health_check_settle(const struct health_check *check);
/* What is wrong with a section beyond its rows' bounds, as a sentence for the key `*key`; NULL: nothing. Before settling. */
const char *health_check_contradiction(const struct health_check *check, struct image image,
                                       const char **key);

enum health_outcome {
    HEALTH_OK,
    HEALTH_REFUSED,
    HEALTH_UNREACHABLE,
    HEALTH_TIMEOUT,
    HEALTH_RESET,
    HEALTH_BAD_STATUS,
    HEALTH_GARBAGE,
    HEALTH_UNRESOLVED,
    HEALTH_CUT_SHORT, /* ended before the answer was whole */
    HEALTH_OUTCOMES,
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
