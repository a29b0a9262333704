/*
 * Watches backends: keeps the targets, starts checks when they are due, and writes what they say to the scoreboard.
 *
 * It decides nothing: verdict.c says what outcomes mean and when to ask again.
 */
#include "health/drive.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

struct pace watched_pace(const struct watched *watched)
{
    const struct health_check *check = watched->target.check;

    return (struct pace){.interval_ns = check->interval_ms * NS_PER_MS, .jitter = check->jitter};
}

bool watched_checked(const struct watched *watched)
{
    return watched->wanted && watched->target.check && watched->target.check->kind != CHECK_NONE;
}

static void set(counter *of, uint64_t value)
{
    atomic_store_explicit(of, value, memory_order_relaxed);
}

static void write_change(struct watched *watched, const char *why)
{
    struct verdict_record *record = watched->record;
    const struct health_options *options = &watched->health->options;

    set(&record->state, watched->verdict.state);
    set(&record->changed_ms, (uint64_t)clock_wall_ms());
    count(&record->changes, 1);
    if (options->changed)
        options->changed(options->context, &watched->target, watched->verdict.state, why);
}

void watched_ended(struct watched *watched, enum health_outcome outcome, uint16_t status,
                   const char *why)
{
    const struct health_check *check = watched->target.check;
    struct verdict_rules rules = {
        .unhealthy_threshold = (uint32_t)check->unhealthy_threshold,
        .healthy_threshold = (uint32_t)check->healthy_threshold,
    };
    struct verdict_record *record = watched->record;
    struct instant now = loop_now(watched->health->options.loop);
    struct pace pace = watched_pace(watched);

    count(&record->checks, 1);
    if (outcome != HEALTH_OK)
        count(&record->failures, 1);
    set(&record->latency_ns, (uint64_t)ns_between(watched->began, now));
    set(&record->code, status);
    set(&record->outcome, outcome);
    if (verdict_step(&watched->verdict, &rules, outcome == HEALTH_OK))
        write_change(watched, why);
    set(&record->at, (uint64_t)now.ns);
    watched->due = pace_next(&pace, &watched->verdict, watched->began, now, &watched->health->rng);
}

void watched_failed_to_ask(struct watched *watched)
{
    struct instant now = loop_now(watched->health->options.loop);
    struct pace pace = watched_pace(watched);

    watched->due = pace_next(&pace, &watched->verdict, now, now, &watched->health->rng);
}

void watched_rest(struct watched *watched)
{
    struct loop *loop = watched->health->options.loop;

    watched->phase = RESTING;
    if (watched_checked(watched))
        timer_arm(loop, &watched->timer, watched->due);
    else
        timer_cancel(loop, &watched->timer);
}

static void on_timer(struct timer *timer)
{
    struct watched *watched = container_of(timer, struct watched, timer);

    if (watched->phase == RESTING)
        check_begin(watched);
    else
        check_timer(watched);
}

/* ---- what the workers met ---- */

static struct instant last_failure(const struct scoreboard *board, uint32_t slot)
{
    uint64_t workers = counted(&board->workers), newest = 0;

    for (uint64_t i = 0; i < workers && i < WORKERS_MAX; i++) {
        uint64_t at = counted(&board->worker[i].backends[slot].last_failure_at);

        newest = at > newest ? at : newest;
    }
    return (struct instant){(int64_t)newest};
}

static void on_sweep(struct timer *timer)
{
    struct health *health = container_of(timer, struct health, sweep);
    struct loop *loop = health->options.loop;
    struct instant now = loop_now(loop);

    for (uint32_t slot = 0; slot < BACKENDS_MAX; slot++) {
        struct watched *watched = &health->watched[slot];
        struct instant due, failed;
        struct pace pace;

        if (watched->phase != RESTING || !watched_checked(watched) ||
            watched->verdict.state == VERDICT_DOWN)
            continue;
        pace = watched_pace(watched);
        failed = last_failure(health->options.board, slot);
        due = pace_hurry(&pace, watched->due, watched->began, failed, now);
        if (due.ns != watched->due.ns) {
            watched->due = due;
            timer_arm(loop, &watched->timer, due);
        }
    }
    timer_arm(loop, &health->sweep, after_ms(now, SWEEP_MS));
}

/* ---- configuration ---- */

static void clear_record(struct verdict_record *record)
{
    set(&record->state, VERDICT_UNKNOWN);
    set(&record->at, 0);
    set(&record->changed_ms, 0);
    set(&record->changes, 0);
    set(&record->checks, 0);
    set(&record->failures, 0);
    set(&record->latency_ns, 0);
    set(&record->code, 0);
    set(&record->outcome, 0);
    set(&record->address, 0);
}

static void forget(struct watched *watched)
{
    watched->wanted = false;
    check_cancel(watched);
    name_forget(watched);
    if (watched->phase == RESTING)
        watched_rest(watched);
    clear_record(watched->record);
}

/* A target that is new to this process. The first configuration takes over what the process before it left in the scoreboard. */
static void adopt(struct watched *watched, bool resume)
{
    struct health *health = watched->health;
    struct verdict_record *record = watched->record;
    struct instant now = loop_now(health->options.loop);
    struct instant asked = {(int64_t)counted(&record->at)};

    watched->verdict = (struct verdict){.state = VERDICT_UNKNOWN};
    watched->began = (struct instant){0};
    watched->due = now;
    if (!resume || asked.ns == 0) {
        if (!resume)
            clear_record(record);
        return;
    }
    watched->verdict.state = (enum verdict_state)counted(&record->state);
    watched->began = asked;
    if (watched_checked(watched)) {
        struct pace pace = watched_pace(watched);

        watched->due = pace_resume(&pace, asked, now, &health->rng);
    }
}

/* The same backend under, perhaps, other rules. */
static void keep(struct watched *watched)
{
    struct instant now = loop_now(watched->health->options.loop);

    if (watched_checked(watched)) {
        struct pace pace = watched_pace(watched);

        watched->due = earlier(watched->due, pace_next(&pace, &watched->verdict, watched->began,
                                                       now, &watched->health->rng));
        return;
    }
    check_cancel(watched);
    watched->verdict = (struct verdict){.state = VERDICT_UNKNOWN};
    set(&watched->record->state, VERDICT_UNKNOWN);
    set(&watched->record->at, 0);
}

static void configure_one(struct watched *watched, const struct health_target *target, bool resume)
{
    bool same = watched->wanted && strcmp(watched->name, target->name) == 0;
    size_t len = strlen(target->name);

    if (watched->wanted && !same)
        forget(watched);
    watched->wanted = true;
    watched->target = *target;
    must(len < sizeof watched->name);
    memcpy(watched->name, target->name, len + 1);
    watched->target.name = watched->name;
    if (same)
        keep(watched);
    else
        adopt(watched, resume);
    name_configure(watched);
    if (watched->phase == RESTING)
        watched_rest(watched);
}

void health_configure(struct health *health, const struct health_target *targets,
                      uint32_t target_count)
{
    bool targeted[BACKENDS_MAX] = {0};
    struct instant now = loop_now(health->options.loop);

    must(target_count <= BACKENDS_MAX);
    for (uint32_t i = 0; i < target_count; i++) {
        must(targets[i].slot < BACKENDS_MAX);
        must(!targeted[targets[i].slot]);
        targeted[targets[i].slot] = true;
        configure_one(&health->watched[targets[i].slot], &targets[i], !health->configured);
    }
    for (uint32_t slot = 0; slot < BACKENDS_MAX; slot++)
        if (!targeted[slot] && (health->watched[slot].wanted || !health->configured))
            forget(&health->watched[slot]);
    health->configured = true;
    if (!timer_armed(&health->sweep))
        timer_arm(health->options.loop, &health->sweep, after_ms(now, SWEEP_MS));
}

/* ---- life ---- */

enum { RESOLVE_TIMEOUT_MS = 5000 };

bool health_open(struct health **health, const struct health_options *options, struct err *err)
{
    struct health *opened = calloc(1, sizeof *opened);

    if (!opened)
        return err_system(err, "watch backends");
    opened->options = *options;
    if (!resolver_open(&opened->resolver, options->loop, RESOLVE_TIMEOUT_MS, err)) {
        free(opened);
        return err_during(err, "watch backends");
    }
    rng_seed(&opened->rng, options->seed);
    timer_init(&opened->sweep, on_sweep);
    for (uint32_t slot = 0; slot < BACKENDS_MAX; slot++) {
        struct watched *watched = &opened->watched[slot];

        watched->health = opened;
        watched->record = &options->board->verdicts[slot];
        timer_init(&watched->timer, on_timer);
        name_init(watched);
    }
    *health = opened;
    return true;
}

void health_close(struct health *health)
{
    struct loop *loop = health->options.loop;

    for (uint32_t slot = 0; slot < BACKENDS_MAX; slot++) {
        struct watched *watched = &health->watched[slot];

        watched->wanted = false;
        check_cancel(watched);
        name_forget(watched);
        timer_cancel(loop, &watched->timer);
    }
    timer_cancel(loop, &health->sweep);
    while (health->busy > 0)
        loop_turn(loop, 100 * NS_PER_MS);
    resolver_close(health->resolver);
    free(health);
}
