/*
 * The plan of the groups of one run, from its seed.
 */
#include "groups_sim.h"

#define ONE_OF(rng, ...)                                                                           \
    ((const int64_t[]){                                                                            \
        __VA_ARGS__})[rng_below(rng, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))]

static uint32_t count_bits(uint32_t bits)
{
    return (uint32_t)__builtin_popcount(bits);
}

static void draw_file(struct groups_sim *g, struct rng *rng, struct sim_file *file)
{
    uint32_t members = 0, count;

    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        if (holds_data(g, i))
            members |= 1u << i;
    *file = (struct sim_file){.members = members};
    count = count_bits(members);
    file->wanted.mode = (uint8_t)rng_below(rng, GROUP_MODES);
    file->wanted.acks = (uint8_t)rng_between(rng, 1, count > 2 && rng_below(rng, 3) == 0 ? 2 : 1);
    file->wanted.min_in_sync = (uint8_t)rng_between(rng, 1, 2);
    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++)
        file->priority[i] = (int32_t)(rng_below(rng, 3) ? 100 : rng_between(rng, 1, 200));
    if (count > 3 && rng_below(rng, 3) == 0)
        file->priority[rng_below(rng, count)] = 0;
}

static void draw_rules(struct groups_sim *g, struct rng *rng, struct sim_group_plan *plan)
{
    const struct sim_plan *run = &g->sim->plan;
    int64_t beat = run->heartbeat_ms;
    bool durable = rng_below(rng, 5) > 0;

    plan->replica = (struct replica_rules){
        .status_ms = beat,
        .timeout_ms = beat * ONE_OF(rng, 5, 10, 20),
        .demote_ms = beat * ONE_OF(rng, 1, 2),
        .copy_ms = beat * 200,
        .stuck_ms = beat * ONE_OF(rng, 5, 10, 15),
        .managed = true,
        .probed = rng_below(rng, 4) > 0,
        .durable = durable,
        .restart_attempts = (uint32_t)rng_between(rng, 2, 10),
        .restart_window_ms = beat * 100,
        .max_lag_bytes = (uint64_t)rng_between(rng, 1, 100),
        .lag_ms = beat * ONE_OF(rng, 5, 10, 20),
        .degrade_ms = rng_below(rng, 3) ? beat * ONE_OF(rng, 3, 10, 20) : INT64_MAX,
    };
    plan->failover = (struct failover_rules){
        .heartbeat_ms = beat,
        .timeout_ms = run->lease_ms * ONE_OF(rng, 2, 3),
        .lease_ms = run->lease_ms,
        .promise_ms = beat * ONE_OF(rng, 1, 3),
        .flaps = (uint32_t)rng_between(rng, 0, 4),
        .flap_window_ms = beat * 100,
        .max_lag_bytes = plan->replica.max_lag_bytes,
        .unclean = rng_below(rng, 6) == 0,
        .unclean_after_ms = beat * ONE_OF(rng, 10, 40),
        .dry_run_ms = rng_below(rng, 2) ? beat * 50 : 0,
    };
    plan->replica.verify_ms = plan->failover.timeout_ms;
    for (int cause = CAUSE_PROCESS; cause <= CAUSE_SILENCE; cause++)
        plan->failover.delay_ms[cause] = rng_below(rng, 4) ? 0 : beat * ONE_OF(rng, 2, 10);
    plan->engine = (struct engine_rules){
        .durable = durable,
        .latency_ns = ONE_OF(rng, 50, 500, 5000) * NS_PER_US,
        .start_ns = beat * ONE_OF(rng, 1, 3) * NS_PER_MS,
        .pull_ns = beat * NS_PER_MS / ONE_OF(rng, 2, 4),
        .copy_rounds = (uint32_t)rng_between(rng, 8, 80),
    };
    plan->hold_ns = beat * ONE_OF(rng, 20, 50) * NS_PER_MS;
}

void groups_draw_plan(struct groups_sim *g)
{
    struct rng rng;

    rng_seed(&rng, g->sim->plan.seed ^ 0x67726F757073);
    g->groups = rng_below(&rng, 3) == 0 ? 2 : 1;
    for (uint32_t slot = 0; slot < g->groups; slot++) {
        draw_file(g, &rng, &g->plan[slot].file);
        draw_rules(g, &rng, &g->plan[slot]);
        g->file[slot][0] = g->plan[slot].file;
        g->files[slot] = 1;
    }
    rng_seed(&g->faults.rng, rng_next(&rng));
    g->faults.kinds = (uint32_t)rng_next(&rng) & (uint32_t)rng_next(&rng);
    g->faults.every_ns = g->sim->plan.election_ms * ONE_OF(&rng, 500, 1500, 5000) * NS_PER_US;
    /* Nobody writes so often that the log is full before the end. */
    if (g->sim->plan.load_every_ns < 4 * NS_PER_MS)
        g->sim->plan.load_every_ns = 4 * NS_PER_MS;
}
