/*
 * Nodes with groups, as the run sees them.
 */
#include "groups_sim.h"

#include "network.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 4096 };

static void open_all(struct sim *sim)
{
    struct groups_sim *g = calloc(1, sizeof *g);

    must(g != NULL);
    g->sim = sim;
    g->clients.sim = sim;
    sim->state = &g->clients;
    groups_draw_plan(g);
    engine_post_init(&g->post, MESSAGES);
    for (uint32_t slot = 0; slot < g->groups; slot++) {
        g->truth[slot].values = calloc(SIM_GROUP_VALUES, sizeof *g->truth[slot].values);
        must(g->truth[slot].values != NULL);
        SIM_TELL(&sim->world, -1, "group %u: %s, acks %u, min_in_sync %u, %s%s", slot,
                 group_mode_name((enum group_mode)g->plan[slot].file.wanted.mode),
                 g->plan[slot].file.wanted.acks, g->plan[slot].file.wanted.min_in_sync,
                 g->plan[slot].engine.durable ? "durable" : "not durable",
                 g->plan[slot].failover.unclean ? ", unclean" : "");
    }
    for (uint32_t i = 0; i < sim->plan.hosts; i++) {
        node_open(&g->clients.node[i], sim, i, &groups_company);
        groups_host_open(g, i);
    }
    groups_faults_begin(g);
}

static void close_all(struct sim *sim)
{
    struct groups_sim *g = groups_of(sim);

    for (uint32_t i = 0; i < sim->plan.hosts; i++) {
        groups_host_close(&g->host[i]);
        node_close(&g->clients.node[i]);
    }
    for (uint32_t slot = 0; slot < g->groups; slot++)
        free(g->truth[slot].values);
    engine_post_fini(&g->post);
    free(g);
}

static bool start(struct sim *sim, uint32_t host)
{
    return node_start(&groups_of(sim)->clients.node[host]);
}

/* Half of the time the agent alone dies: its supervisor and its engines live on. */
static void stop(struct sim *sim, uint32_t index, bool power)
{
    struct groups_sim *g = groups_of(sim);
    struct groups_host *host = &g->host[index];
    bool whole = power || host->left || rng_below(&g->faults.rng, 2);

    node_kill(host->node, power);
    if (whole)
        groups_all_die(host, power, host->left);
    else
        SIM_TELL(&sim->world, (int)index, "only its agent has died");
    host->left = false;
}

static void wipe(struct sim *sim, uint32_t index)
{
    struct groups_sim *g = groups_of(sim);

    node_wipe(&g->clients.node[index]);
    groups_all_die(&g->host[index], true, false);
    for (uint32_t slot = 0; slot < g->groups; slot++)
        engine_sim_wipe(g->engines[slot][index]);
}

static bool rot(struct sim *sim, uint32_t host)
{
    return node_rot(&groups_of(sim)->clients.node[host]);
}

static void reset(struct sim *sim, uint32_t a, uint32_t b)
{
    sim_network_reset(&sim->world, a, b);
}

static void calm(struct sim *sim)
{
    struct groups_sim *g = groups_of(sim);

    g->clients.calm_done = 0;
    groups_faults_end(g);
    for (uint32_t slot = 0; slot < g->groups; slot++)
        g->truth[slot].calm_acked = 0;
}

static void step(struct sim *sim)
{
    struct groups_sim *g = groups_of(sim);

    cluster_checks(sim);
    for (uint32_t i = 0; i < sim->plan.hosts; i++) {
        struct groups_host *host = &g->host[i];

        groups_host_step(host);
        if (host->node->host->stepped)
            groups_look_at(g, host);
    }
    groups_check_step(g);
}

static bool recovered(struct sim *sim, char sentence[SIM_SENTENCE])
{
    struct groups_sim *g = groups_of(sim);
    char ignored[SIM_SENTENCE];
    bool well;

    groups_calm(g);
    for (uint32_t i = 0; i < sim->plan.hosts; i++)
        for (uint32_t slot = 0; slot < g->groups; slot++)
            groups_write(g, i, slot);
    /* A member that is to be replaced can be so only when it is no primary any more. */
    well = groups_recovered(g, sentence);
    return well ? sim_cluster.recovered(sim, sentence)
                : (sim_cluster.recovered(sim, ignored), false);
}

static const struct raft *raft_of(struct sim *sim, uint32_t host)
{
    return sim_cluster.raft(sim, host);
}

static uint64_t hash_of(struct sim *sim, uint32_t host)
{
    return sim_cluster.hash(sim, host);
}

const struct sim_subject sim_groups = {
    .name = "groups",
    .calm_ms = 40000,
    .open = open_all,
    .close = close_all,
    .start = start,
    .kill = stop,
    .wipe = wipe,
    .rot = rot,
    .reset = reset,
    .load = groups_load,
    .calm = calm,
    .step = step,
    .recovered = recovered,
    .raft = raft_of,
    .hash = hash_of,
};
