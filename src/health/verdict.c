/*
 * Decides a backend's verdict from its checks, and the moment of the next one.
 *
 * It reads no clock and asks nobody. It never changes a known verdict on fewer outcomes than the threshold, and never
 * puts a check later than an interval after the one before.
 */
#include "health/verdict.h"

#include "base/must.h"

static void check(const struct verdict *verdict, const struct verdict_rules *rules)
{
    must(rules->unhealthy_threshold > 0);
    must(rules->healthy_threshold > 0);
    must(verdict->state <= VERDICT_DOWN);
}

bool verdict_step(struct verdict *verdict, const struct verdict_rules *rules, bool good)
{
    bool expected = good == (verdict->state != VERDICT_DOWN);
    uint32_t threshold = good ? rules->healthy_threshold : rules->unhealthy_threshold;

    check(verdict, rules);
    if (verdict->state == VERDICT_UNKNOWN && good) {
        *verdict = (struct verdict){.state = VERDICT_UP};
        return true;
    }
    if (expected) {
        verdict->surprises = 0;
        return false;
    }
    if (++verdict->surprises < threshold)
        return false;
    *verdict = (struct verdict){.state = good ? VERDICT_UP : VERDICT_DOWN};
    return true;
}

static int64_t jittered(const struct pace *pace, int64_t interval_ns, struct rng *rng)
{
    int64_t early_max = interval_ns / 10000 * pace->jitter;

    return interval_ns - rng_between(rng, 0, early_max);
}

static struct instant not_before(struct instant a, struct instant b)
{
    return a.ns > b.ns ? a : b;
}

struct instant pace_next(const struct pace *pace, const struct verdict *verdict,
                         struct instant began, struct instant now, struct rng *rng)
{
    int64_t interval_ns = verdict->surprises ? pace->interval_ns / 2 : pace->interval_ns;

    return not_before(after_ns(began, jittered(pace, interval_ns, rng)), now);
}

struct instant pace_resume(const struct pace *pace, struct instant asked, struct instant now,
                           struct rng *rng)
{
    struct instant due = after_ns(asked, jittered(pace, pace->interval_ns, rng));

    if (passed(asked, now) && !passed(due, now))
        return due;
    return after_ns(now, rng_between(rng, 0, pace->interval_ns));
}

struct instant pace_hurry(const struct pace *pace, struct instant due, struct instant began,
                          struct instant failed, struct instant now)
{
    if (failed.ns <= began.ns)
        return due;
    return earlier(due, not_before(after_ns(began, pace->interval_ns / 4), now));
}
