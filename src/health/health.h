/*
 * health: asks backends how they are and gives verdicts.
 *
 * verdict.c decides from outcomes (thresholds) and times (pace), check_http.c holds one check's conversation, name.c chooses addresses: all pure. drive.c asks, on the
 * agent's loop: one check per backend at a time, spread by jitter. While outcomes speak against the verdict the interval is halved, and a failure
 * that a worker met brings the next check forward; so at most four checks begin within one interval, normally one. Names are resolved again
 * and again. It never decides who gets traffic: it writes verdicts and addresses to the scoreboard, and balancers read them.
 *
 * What it does not know it leaves as it was: a name that no longer resolves keeps its last address, and a check that this process could not make (no
 * descriptor, no memory, no port of its own) says nothing of the backend.
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
    struct image image; /* of the check's texts */
};

struct health;

struct health_options {
    struct loop *loop;
    struct scoreboard *board; /* its verdicts are written here alone */
    uint64_t seed;            /* of the jitter */
    /* May be NULL. A verdict changed: `why` says what the last check met, in a few words. */
    void (*changed)(void *context, const struct health_target *target, enum verdict_state state,
                    const char *why);
    void *context;
};

/* Verdicts that stand in the scoreboard already, from a process before this one, are kept and continued. */
MUST_USE bool health_open(struct health **health, const struct health_options *options,
                          struct err *err);
/* Targets that stay (same slot and name) keep their verdicts and their place in the interval. A new target begins UNKNOWN and is checked at once; what
 * is no target any more is forgotten, in the scoreboard too. `target_count` is at most BACKENDS_MAX; targets are copied, and what they point at is
 * borrowed until the next call. A target without a check (NULL or CHECK_NONE) is only resolved. */
void health_configure(struct health *health, const struct health_target *targets,
                      uint32_t target_count);
/* Ends all checks; turns the loop until they are closed, so it must not be called from a callback. */
void health_close(struct health *health);
