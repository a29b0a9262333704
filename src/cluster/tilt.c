/*
 * Judges the own clocks and turns, and derives from two clocks one that is never slow and one that is never fast.
 *
 * It believes neither clock when they differ. It never ends a tilt before everything was well for as long as the rules say.
 */
#include "cluster/tilt.h"

#include "base/must.h"

enum { ANCHOR_S = 60 }; /* drift is summed up for so long */

static void check(const struct tilt *tilt)
{
    must(tilt->rules.drift_ppm >= 0);
    must(tilt->rules.slack_ns > 0);
    must(tilt->rules.pause_ns > 0);
    must(tilt->rules.wall_ns > 0);
    must(tilt->rules.steady_ns > 0);
    must(!tilt->tilted || tilt->begun);
    must(tilt->steady_from.ns <= tilt->slow.ns);
}

void tilt_init(struct tilt *tilt, const struct tilt_rules *rules)
{
    *tilt = (struct tilt){.rules = *rules};
    check(tilt);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void begin(struct tilt *tilt, const struct tilt_look *look)
{
    tilt->begun = true;
    tilt->last = tilt->anchor = *look;
    tilt->fast = tilt->slow = tilt->steady_from = look->boot;
    tilt->fast_mono = tilt->slow_mono = ns_between(look->mono, look->boot);
}

/* By how much the boot clock may differ from the monotonic one after both have run this long. */
static int64_t tolerance_ns(const struct tilt_rules *rules, int64_t boot_ns, int64_t mono_ns)
{
    int64_t ran_ns = larger(boot_ns, mono_ns);

    return rules->slack_ns + ran_ns / 1000000 * rules->drift_ppm;
}

static enum tilt_cause judge_clocks(const struct tilt *tilt, const struct tilt_look *look,
                                    int64_t *size_ns)
{
    int64_t boot_ns = ns_between(tilt->last.boot, look->boot);
    int64_t mono_ns = ns_between(tilt->last.mono, look->mono);
    int64_t boot_sum_ns = ns_between(tilt->anchor.boot, look->boot);
    int64_t mono_sum_ns = ns_between(tilt->anchor.mono, look->mono);
    int64_t tolerance = tolerance_ns(&tilt->rules, boot_ns, mono_ns);

    *size_ns = boot_ns < 0 ? boot_ns : mono_ns;
    if (boot_ns < 0 || mono_ns < 0)
        return TILT_JUMPED;
    *size_ns = boot_ns - mono_ns;
    if (*size_ns > tolerance)
        return TILT_SUSPENDED;
    if (*size_ns < -tolerance)
        return TILT_JUMPED;
    *size_ns = boot_sum_ns - mono_sum_ns;
    tolerance = tolerance_ns(&tilt->rules, boot_sum_ns, mono_sum_ns);
    return *size_ns > tolerance || *size_ns < -tolerance ? TILT_DRIFTED : TILT_NONE;
}

static enum tilt_cause judge(const struct tilt *tilt, const struct tilt_look *look,
                             int64_t *size_ns)
{
    enum tilt_cause cause = judge_clocks(tilt, look, size_ns);

    if (cause != TILT_NONE)
        return cause;
    *size_ns = look->late_ns;
    if (look->late_ns > tilt->rules.pause_ns)
        return TILT_PAUSED;
    *size_ns = look->wall_ns - tilt->last.wall_ns - ns_between(tilt->last.boot, look->boot);
    if (*size_ns > tilt->rules.wall_ns || *size_ns < -tilt->rules.wall_ns)
        return TILT_WALL_STEPPED;
    *size_ns = 0;
    return TILT_NONE;
}

/* The clocks go on together from here: what one of them did wrong is in `fast` and not in `slow`, once. */
static void part(struct tilt *tilt, const struct tilt_look *look)
{
    int64_t boot_ns = ns_between(tilt->last.boot, look->boot);
    int64_t mono_ns = ns_between(tilt->last.mono, look->mono);

    tilt->fast.ns += larger(0, larger(boot_ns, mono_ns));
    tilt->slow.ns += larger(0, smaller(boot_ns, mono_ns));
    tilt->fast_boot = ns_between(look->boot, tilt->fast);
    tilt->fast_mono = ns_between(look->mono, tilt->fast);
    tilt->slow_boot = ns_between(look->boot, tilt->slow);
    tilt->slow_mono = ns_between(look->mono, tilt->slow);
    tilt->anchor = *look;
}

/* Reading one clock after the other makes them differ by a little; taking sums instead of steps keeps that from adding up. */
static void advance(struct tilt *tilt, const struct tilt_look *look)
{
    tilt->fast.ns = larger(
        tilt->fast.ns, larger(look->boot.ns + tilt->fast_boot, look->mono.ns + tilt->fast_mono));
    tilt->slow.ns = larger(
        tilt->slow.ns, smaller(look->boot.ns + tilt->slow_boot, look->mono.ns + tilt->slow_mono));
    if (ns_between(tilt->anchor.boot, look->boot) > ANCHOR_S * NS_PER_S)
        tilt->anchor = *look;
}

void tilt_step(struct tilt *tilt, const struct tilt_look *look, struct tilt_verdict *out)
{
    bool before = tilt->tilted;

    check(tilt);
    *out = (struct tilt_verdict){0};
    if (!tilt->begun)
        begin(tilt, look);
    out->cause = judge(tilt, look, &out->size_ns);
    out->drop = out->cause != TILT_NONE && out->cause != TILT_WALL_STEPPED;
    if (out->drop && out->cause != TILT_PAUSED)
        part(tilt, look);
    else
        advance(tilt, look);
    if (out->drop) {
        tilt->tilted = true;
        tilt->steady_from = tilt->slow;
    } else if (ns_between(tilt->steady_from, tilt->slow) >= tilt->rules.steady_ns) {
        tilt->tilted = false;
    }
    out->began = !before && tilt->tilted;
    out->ended = before && !tilt->tilted;
    tilt->last = *look;
    check(tilt);
}

struct instant tilt_next_deadline(const struct tilt *tilt)
{
    check(tilt);
    if (!tilt->tilted)
        return NEVER;
    return after_ns(tilt->last.boot,
                    tilt->rules.steady_ns - ns_between(tilt->steady_from, tilt->slow));
}

struct instant tilt_as_boot(const struct tilt *tilt, struct instant fast)
{
    check(tilt);
    if (fast.ns == 0 || fast.ns == NEVER.ns)
        return fast;
    return (struct instant){tilt->last.boot.ns + ns_between(tilt->fast, fast)};
}
