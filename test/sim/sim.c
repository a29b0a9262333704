/*
 * One run, from the plan to the verdict.
 */
#include "sim.h"

#include "base/must.h"
#include "consensus/raft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- the plan ---- */

static int64_t one_of(struct rng *rng, const int64_t *values, size_t count)
{
    return values[rng_below(rng, count)];
}

#define ONE_OF(rng, ...)                                                                           \
    one_of(rng, (const int64_t[]){__VA_ARGS__},                                                    \
           sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* Nothing that happens to a follower may cost a leader its place. */
static void plan_steady(struct sim_plan *plan)
{
    plan->steady = true;
    plan->witness = false;
    plan->kinds = 1u << FAULT_ISOLATE | 1u << FAULT_DEAF | 1u << FAULT_KILL | 1u << FAULT_PARTIAL;
    plan->fault_every_ns = plan->election_ms * NS_PER_MS;
    plan->link = (struct sim_link){.delay_ns = 200 * NS_PER_US, .jitter_ns = 100 * NS_PER_US};
    plan->quiet_ns = 5 * plan->election_ms * NS_PER_MS;
}

/* The old dangers of consensus: entries that reach some, leaders that win and are lost at once, disks that are late (figure 8). */
static void plan_storm(struct sim_plan *plan, struct rng *rng)
{
    plan->storm = true;
    plan->hosts = 5;
    plan->election_ms = plan->heartbeat_ms * 3;
    plan->kinds = 1u << FAULT_POWER | 1u << FAULT_ISOLATE | 1u << FAULT_SPLIT;
    plan->kinds |= 1u << rng_below(rng, FAULT_KINDS);
    plan->fault_every_ns = plan->heartbeat_ms * ONE_OF(rng, 200, 500, 1000) * NS_PER_US;
    plan->load_every_ns = plan->heartbeat_ms * ONE_OF(rng, 100, 300) * NS_PER_US;
    plan->sync_ns = plan->heartbeat_ms * ONE_OF(rng, 10, 50, 300) * NS_PER_US;
    plan->link =
        (struct sim_link){.delay_ns = plan->heartbeat_ms * ONE_OF(rng, 10, 50) * NS_PER_US,
                          .jitter_ns = plan->heartbeat_ms * ONE_OF(rng, 10, 100) * NS_PER_US};
}

/* The danger of memberships: a change that few have heard of, a leader that has not heard of it, and a majority of each. */
static void plan_churn(struct sim_plan *plan, struct rng *rng)
{
    plan->churn = true;
    plan->storm = true;
    plan->hosts = 5;
    plan->witness = false;
    plan->election_ms = plan->heartbeat_ms * 3;
    plan->kinds = 1u << FAULT_SPLIT | 1u << FAULT_ISOLATE | 1u << FAULT_POWER;
    plan->fault_every_ns = plan->election_ms * ONE_OF(rng, 1000, 3000) * NS_PER_US;
    plan->load_every_ns = plan->heartbeat_ms * ONE_OF(rng, 50, 200) * NS_PER_US;
    plan->faults_ns = plan->election_ms * 40 * NS_PER_MS;
    plan->sync_ns = plan->heartbeat_ms * ONE_OF(rng, 10, 50) * NS_PER_US;
    plan->link = (struct sim_link){.delay_ns = plan->heartbeat_ms * ONE_OF(rng, 5, 20) * NS_PER_US,
                                   .jitter_ns = plan->heartbeat_ms * ONE_OF(rng, 5, 50) * NS_PER_US,
                                   .loss = (double)ONE_OF(rng, 0, 1, 5) / 100};
}

/* The danger of leases: one host is far away and holds one, is cut off just then, and the others want it at once. */
static void plan_rivals(struct sim_plan *plan)
{
    plan->rivals = true;
    plan->steady = plan->storm = plan->churn = false;
    plan->hosts = 3;
    plan->witness = false;
    plan->kinds =
        1u << FAULT_ISOLATE | 1u << FAULT_CUT_OFF | 1u << FAULT_DELAY | 1u << FAULT_ONE_WAY;
    plan->fault_every_ns = plan->heartbeat_ms * 5 * NS_PER_MS;
    plan->load_every_ns = plan->heartbeat_ms * 100 * NS_PER_US;
    plan->faults_ns = plan->lease_ms * 12 * NS_PER_MS;
    plan->link = (struct sim_link){.delay_ns = 30 * NS_PER_US, .jitter_ns = 30 * NS_PER_US};
    plan->sync_ns = 100 * NS_PER_US;
}

static void draw_plan(struct sim_plan *plan, uint64_t seed)
{
    struct rng rng;

    rng_seed(&rng, seed ^ 0x706C616E);
    *plan = (struct sim_plan){.seed = seed};
    plan->hosts = rng_below(&rng, 3) == 0 ? 5 : 3;
    plan->witness = rng_below(&rng, 5) == 0;
    plan->heartbeat_ms = ONE_OF(&rng, 50, 100, 200);
    plan->election_ms = plan->heartbeat_ms * rng_between(&rng, 3, 6);
    plan->lease_ms = plan->heartbeat_ms * 10;
    plan->drift_ppm = 10000;
    plan->quiet_ns = plan->election_ms * 3 * NS_PER_MS;
    plan->faults_ns = plan->election_ms * rng_between(&rng, 5, 30) * NS_PER_MS;
    for (int64_t left = rng_between(&rng, 1, 5); left > 0; left--)
        plan->kinds |= 1u << rng_below(&rng, FAULT_KINDS);
    plan->fault_every_ns = plan->election_ms * ONE_OF(&rng, 300, 1000, 3000) * NS_PER_US;
    plan->load_every_ns = plan->heartbeat_ms * ONE_OF(&rng, 50, 200, 500) * NS_PER_US;
    plan->link = (struct sim_link){.delay_ns = ONE_OF(&rng, 30, 100, 2000) * NS_PER_US,
                                   .jitter_ns = ONE_OF(&rng, 10, 100, 3000) * NS_PER_US};
    plan->sync_ns = ONE_OF(&rng, 50, 500, 4000) * NS_PER_US;
    plan->snapshot_entries = (uint32_t)rng_between(&rng, 5, 200);
    switch (rng_below(&rng, 10)) {
    case 0:
        plan_steady(plan);
        break;
    case 1:
    case 2:
        plan_storm(plan, &rng);
        break;
    case 3:
        plan_churn(plan, &rng);
        break;
    default:
        break;
    }
    if (seed % 8 == 0)
        plan_rivals(plan);
}

static const char *plan_name(const struct sim_plan *plan)
{
    if (plan->rivals)
        return ", rivals";
    if (plan->churn)
        return ", churn";
    return plan->steady ? ", steady" : (plan->storm ? ", storm" : "");
}

/* ---- the verdict ---- */

static jmp_buf escape;
static struct sim *running;

/* Instead of base's: a bug that the program itself finds is a violation like others. */
_Noreturn void must_failed(const char *claim, const char *file, int line)
{
    if (!running) {
        fprintf(stderr, "bug at %s:%d: %s\n", file, line, claim);
        abort();
    }
    sim_violated(running, "the program's own claims", "%s:%d: %s", file, line, claim);
    longjmp(escape, 1);
}

void sim_violated(struct sim *sim, const char *invariant, const char *format, ...)
{
    va_list args;

    if (sim->failed)
        return;
    sim->failed = true;
    (void)snprintf(sim->invariant, sizeof sim->invariant, "%s", invariant);
    va_start(args, format);
    (void)vsnprintf(sim->sentence, sizeof sim->sentence, format, args);
    va_end(args);
    SIM_TELL(&sim->world, -1, "VIOLATED: %s: %s", sim->invariant, sim->sentence);
}

/* ---- running ---- */

static void after_step(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->world.hosts; i++) {
        struct sim_host *host = &sim->world.host[i];

        if (host->stepped)
            checks_step(sim, i);
    }
    if (sim->subject->step)
        sim->subject->step(sim);
    for (uint32_t i = 0; i < sim->world.hosts; i++)
        sim->world.host[i].stepped = false;
    for (uint32_t i = 0; i < sim->world.hosts; i++) {
        struct sim_host *host = &sim->world.host[i];

        if (host->running && (host->disk.died || host->failed))
            faults_ended(sim, i, host->disk.died);
    }
}

static void run_until(struct sim *sim, int64_t until)
{
    while (!sim->failed && sim_step(&sim->world, until))
        after_step(sim);
}

/* Runs in calm until all has come back, or the bound has passed. */
static void recover(struct sim *sim)
{
    int64_t calm_ms = sim->plan.election_ms * 20 + sim->subject->calm_ms;
    int64_t until = sim->world.now + calm_ms * NS_PER_MS;
    int64_t piece = sim->plan.election_ms * NS_PER_MS;
    char sentence[SIM_SENTENCE];

    while (!sim->failed) {
        run_until(sim, sim->world.now + piece);
        if (sim->failed || sim->subject->recovered(sim, sentence))
            return;
        if (sim->world.now >= until)
            sim_violated(sim, "recovery within a bound", "%s", sentence);
    }
}

static void play(struct sim *sim)
{
    sim->subject->open(sim);
    faults_begin(sim);
    run_until(sim, sim->plan.quiet_ns);
    if (sim->plan.steady && !sim->failed)
        checks_steady(sim);
    run_until(sim, sim->plan.quiet_ns + sim->plan.faults_ns);
    if (sim->failed)
        return;
    faults_end(sim);
    recover(sim);
}

static void close_run(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->world.hosts; i++)
        if (sim->world.host[i].running) {
            sim->subject->kill(sim, i, false);
            sim->world.host[i].running = false;
        }
    sim->subject->close(sim);
    checks_fini(&sim->checks);
    sim_world_fini(&sim->world);
}

void sim_run(const struct sim_subject *subject, uint64_t seed, struct story *story,
             struct sim_result *result)
{
    struct sim *sim = calloc(1, sizeof *sim);

    must(sim != NULL);
    sim->subject = subject;
    draw_plan(&sim->plan, seed);
    sim_world_init(&sim->world, seed, sim->plan.hosts, story);
    rng_seed(&sim->faults.rng, seed ^ 0x6661756C74);
    rng_seed(&sim->load, seed ^ 0x6C6F6164);
    checks_init(&sim->checks);
    SIM_TELL(&sim->world, -1, "seed %llu: %u hosts%s, heartbeat %lld ms, election %lld ms%s",
             (unsigned long long)seed, sim->plan.hosts, sim->plan.witness ? ", one a witness" : "",
             (long long)sim->plan.heartbeat_ms, (long long)sim->plan.election_ms,
             plan_name(&sim->plan));
    running = sim;
    if (setjmp(escape) == 0)
        play(sim);
    running = NULL;
    *result = (struct sim_result){
        .hash = sim->world.hash,
        .steps = sim->world.steps,
        .elections = sim->checks.elections,
        .virtual_ns = sim->world.now,
        .failed = sim->failed,
    };
    memcpy(result->faults, sim->faults.counts, sizeof result->faults);
    memcpy(result->invariant, sim->invariant, sizeof result->invariant);
    memcpy(result->sentence, sim->sentence, sizeof result->sentence);
    /* After a violation nothing is in a state to be closed; the process ends soon. */
    if (sim->failed)
        return;
    close_run(sim);
    free(sim);
}
