/*
 * What must hold of whole clusters, after every step: leases in true time, what clients were told, and that there is one cluster.
 */
#include "cluster_node.h"

#include "consensus/raft.h"

#include <stdlib.h>
#include <string.h>

#define U(number) ((unsigned long long)(number))

static bool valid(const struct sim_node *node, const struct node_lease *lease)
{
    return lease->until > sim_clock_read(node->host, LOOP_BOOT);
}

static bool holds(const struct sim_node *node, const char *resource)
{
    for (uint64_t held = node->held; held; held &= held - 1) {
        const struct node_lease *lease = &node->leases[__builtin_ctzll(held)];

        if (valid(node, lease) && strcmp(lease->resource, resource) == 0)
            return true;
    }
    return false;
}

/* A group's lease is given up by who proposes it, before its own cluster knows. */
static bool is_given_up_first(const char *resource)
{
    return strncmp(resource, "group/", strlen("group/")) == 0;
}

static void check_leases(struct clients *clients)
{
    for (uint32_t i = 0; i < clients->sim->plan.hosts; i++)
        for (uint64_t held = clients->node[i].held; held; held &= held - 1) {
            const struct node_lease *lease = &clients->node[i].leases[__builtin_ctzll(held)];

            for (uint32_t j = i + 1; j < clients->sim->plan.hosts; j++)
                if (clients->node[j].held && !is_given_up_first(lease->resource) &&
                    valid(&clients->node[i], lease) && holds(&clients->node[j], lease->resource))
                    sim_violated(clients->sim, "one lease at a time",
                                 "hosts %u and %u both hold the lease of %s", i + 1, j + 1,
                                 lease->resource);
        }
}

void cluster_check_value(struct clients *clients, uint64_t value, enum client_value what)
{
    uint8_t *known = &clients->values[value % CLIENT_VALUES];

    if (value >= CLIENT_VALUES)
        return;
    *known |= (uint8_t)what;
    if (*known == (VALUE_SEEN | VALUE_REFUSED))
        sim_violated(
            clients->sim, "what was refused never is",
            "value %llu is in a document, and its client was told that nothing was changed",
            U(value));
}

/* What was acknowledged is in every later state. */
static void check_history(struct clients *clients, const struct document *document, uint32_t host)
{
    char name[CLUSTER_KEY_MAX], value[CLUSTER_VALUE_MAX];

    for (uint32_t i = 0; i < CLIENT_KEYS; i++) {
        const struct client_key *key = &clients->keys[i];
        const struct document_override *now;

        (void)snprintf(name, sizeof name, "key%u", i);
        now = document_override(document, name);
        if (now)
            cluster_check_value(clients, strtoull(now->value, NULL, 10), VALUE_SEEN);
        if (key->version == 0 || document->index < key->index)
            continue;
        (void)snprintf(value, sizeof value, "%llu", U(key->value));
        if (!now || now->version < key->version ||
            (now->version == key->version && strcmp(now->value, value) != 0))
            sim_violated(clients->sim, "what was acknowledged stays",
                         "host %u at %llu has %s = %s of version %llu; version %llu = %s was "
                         "acknowledged at %llu",
                         host + 1, U(document->index), name, now ? now->value : "nothing",
                         U(now ? now->version : 0), U(key->version), value, U(key->index));
    }
}

static void check_document(struct clients *clients, struct sim_node *node)
{
    const struct document *document = cluster_document(node->cluster);
    uint32_t host = node->host->index;

    if (!document || document->index == 0 || document->index == node->applied)
        return;
    if (!clients->cluster_id)
        clients->cluster_id = document->cluster;
    if (document->cluster != clients->cluster_id)
        sim_violated(clients->sim, "one cluster", "host %u is in cluster %llx, others in %llx",
                     host + 1, U(document->cluster), U(clients->cluster_id));
    if (document->index < node->applied || document->changes < node->changes ||
        document->epochs < node->epochs)
        sim_violated(clients->sim, "documents only grow",
                     "host %u went back from (%llu, %llu, %llu) to (%llu, %llu, %llu)", host + 1,
                     U(node->applied), U(node->changes), U(node->epochs), U(document->index),
                     U(document->changes), U(document->epochs));
    node->applied = document->index;
    node->changes = document->changes;
    node->epochs = document->epochs;
    check_history(clients, document, host);
}

void cluster_checks(struct sim *sim)
{
    struct clients *clients = clients_of(sim);

    for (uint32_t i = 0; i < sim->plan.hosts; i++) {
        struct sim_node *node = &clients->node[i];

        if (node->cluster && node->host->stepped)
            check_document(clients, node);
        if (node->cluster && cluster_raft(node->cluster))
            node->opened = true;
    }
    check_leases(clients);
}
