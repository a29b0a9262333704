/*
 * Clusters of whole nodes, as the run sees them.
 */
#include "cluster_node.h"

#include "network.h"

#include "consensus/raft.h"

#include <stdlib.h>
#include <string.h>

static void open_all(struct sim *sim)
{
    struct clients *clients = calloc(1, sizeof *clients);

    must(clients != NULL);
    sim->state = clients;
    clients->sim = sim;
    for (uint32_t i = 0; i < sim->plan.hosts; i++)
        node_open(&clients->node[i], sim, i, NULL);
}

static void close_all(struct sim *sim)
{
    struct clients *clients = clients_of(sim);

    for (uint32_t i = 0; i < sim->plan.hosts; i++)
        node_close(&clients->node[i]);
    free(clients);
}

static bool start(struct sim *sim, uint32_t host)
{
    return node_start(&clients_of(sim)->node[host]);
}

static void stop(struct sim *sim, uint32_t host, bool power)
{
    node_kill(&clients_of(sim)->node[host], power);
}

static void wipe(struct sim *sim, uint32_t host)
{
    node_wipe(&clients_of(sim)->node[host]);
}

static bool rot(struct sim *sim, uint32_t host)
{
    return node_rot(&clients_of(sim)->node[host]);
}

static void reset(struct sim *sim, uint32_t a, uint32_t b)
{
    sim_network_reset(&sim->world, a, b);
}

static void calm(struct sim *sim)
{
    clients_of(sim)->calm_done = 0;
}

/* ---- recovery ---- */

static bool all_members(struct sim *sim, char sentence[SIM_SENTENCE])
{
    struct clients *clients = clients_of(sim);
    uint64_t low = UINT64_MAX, high = 0;

    for (uint32_t i = 0; i < sim->plan.hosts; i++) {
        const struct cluster_view *view;

        if (!clients->node[i].cluster) {
            (void)snprintf(sentence, SIM_SENTENCE, "host %u does not run", i + 1);
            return false;
        }
        view = cluster_view(clients->node[i].cluster);
        if (view->state != CLUSTER_MEMBER || !view->quorum || view->leader[0] == '\0') {
            (void)snprintf(sentence, SIM_SENTENCE, "host %u is %s, leader '%s': %.150s", i + 1,
                           cluster_state_name(view->state), view->leader, view->sentence);
            return false;
        }
        low = view->applied < low ? view->applied : low;
        high = view->applied > high ? view->applied : high;
    }
    if (low < clients->acknowledged)
        (void)snprintf(sentence, SIM_SENTENCE, "applied from %llu to %llu, %llu was acknowledged",
                       (unsigned long long)low, (unsigned long long)high,
                       (unsigned long long)clients->acknowledged);
    return low >= clients->acknowledged;
}

static bool recovered(struct sim *sim, char sentence[SIM_SENTENCE])
{
    struct clients *clients = clients_of(sim);
    uint32_t host = (uint32_t)rng_below(&sim->load, sim->plan.hosts);

    for (uint32_t i = 0; i < sim->plan.hosts; i++)
        if (clients->node[i].cluster)
            clients_mend(sim, i);
    if (clients->node[host].cluster)
        clients_change(sim, host);
    if (clients->calm_done < 2) {
        (void)snprintf(sentence, SIM_SENTENCE, "nothing could be changed");
        return false;
    }
    return all_members(sim, sentence);
}

/* ---- what the checks look at ---- */

static const struct raft *raft_of(struct sim *sim, uint32_t host)
{
    const struct sim_node *node = &clients_of(sim)->node[host];

    return node->cluster ? cluster_raft(node->cluster) : NULL;
}

static uint64_t hash_of(struct sim *sim, uint32_t host)
{
    const struct document *document = cluster_document(clients_of(sim)->node[host].cluster);
    const struct raft *raft = raft_of(sim, host);

    return document && raft && document->index == raft->applied ? document->hash : 0;
}

const struct sim_subject sim_cluster = {
    .name = "cluster",
    .calm_ms = 12000,
    .open = open_all,
    .close = close_all,
    .start = start,
    .kill = stop,
    .wipe = wipe,
    .rot = rot,
    .reset = reset,
    .load = clients_ask,
    .calm = calm,
    .step = cluster_checks,
    .recovered = recovered,
    .raft = raft_of,
    .hash = hash_of,
};
