/*
 * Clients: they ask any node for anything, and remember what they were told.
 */
#include "cluster_node.h"

#include "consensus/raft.h"

#include <stdlib.h>
#include <string.h>

static const char *const kinds[CLUSTER_ASK_KINDS] = {
    [CLUSTER_COMMAND] = "a change",      [CLUSTER_NODE_ADD] = "a new member",
    [CLUSTER_NODE_REMOVE] = "a removal", [CLUSTER_TRANSFER] = "a transfer",
    [CLUSTER_LEASE_TAKE] = "a lease",    [CLUSTER_LEASE_RELEASE] = "a release",
    [CLUSTER_READ] = "a read",           [CLUSTER_RECOVER] = "recovery",
};

static struct client_ask *free_ask(struct clients *clients)
{
    for (uint32_t i = 0; i < CLIENT_ASKS; i++)
        if (!clients->asks[i].busy)
            return &clients->asks[i];
    return NULL;
}

static void key_name(uint32_t key, char name[CLUSTER_KEY_MAX])
{
    (void)snprintf(name, CLUSTER_KEY_MAX, "key%u", key);
}

static void check_read(const struct client_ask *ask, const struct cluster_answer *answer)
{
    if (answer->index < ask->index)
        sim_violated(ask->clients->sim, "reads see what was acknowledged",
                     "a read was answered at %llu, after %llu had been acknowledged",
                     (unsigned long long)answer->index, (unsigned long long)ask->index);
}

static void remember(struct client_ask *ask, const struct cluster_answer *answer)
{
    struct client_key *key = &ask->clients->keys[ask->key];

    /* Two changes of one key can be acknowledged in the other order. */
    if (answer->version > key->version)
        *key = (struct client_key){answer->index, answer->version, ask->value};
}

static void answered(void *context, const struct cluster_answer *answer)
{
    struct client_ask *ask = context;
    struct clients *clients = ask->clients;

    ask->busy = false;
    if (clients->sim->world.story)
        SIM_TELL(&clients->sim->world, (int)ask->host, "answered %s by %s at %llu: %s",
                 cluster_outcome_name(answer->outcome), answer->by,
                 (unsigned long long)answer->index, answer->sentence ? answer->sentence : "");
    if (ask->kind == CLUSTER_COMMAND &&
        (answer->outcome == CLUSTER_REFUSED || answer->outcome == CLUSTER_NO_QUORUM))
        cluster_check_value(clients, ask->value, VALUE_REFUSED);
    if (answer->outcome != CLUSTER_DONE)
        return;
    clients->done++;
    if (clients->sim->calm)
        clients->calm_done++;
    if (ask->kind == CLUSTER_READ)
        check_read(ask, answer);
    if (ask->kind == CLUSTER_COMMAND)
        remember(ask, answer);
    if (answer->index > clients->acknowledged)
        clients->acknowledged = answer->index;
}

static void ask_node(struct clients *clients, uint32_t host, struct client_ask *ask,
                     struct cluster_ask *what)
{
    what->timeout_ms = clients->sim->plan.election_ms * 4;
    ask->busy = true;
    ask->clients = clients;
    ask->kind = what->kind;
    ask->host = host;
    ask->index = clients->acknowledged;
    cluster_ask(clients->node[host].cluster, what, answered, ask);
}

void clients_change(struct sim *sim, uint32_t host)
{
    struct clients *clients = clients_of(sim);
    const struct document *document = cluster_document(clients->node[host].cluster);
    struct client_ask *ask = free_ask(clients);
    struct document_command command = {.kind = COMMAND_OVERRIDE_SET};
    struct cluster_ask what = {.kind = CLUSTER_COMMAND, .command = &command};
    const struct document_override *now;

    if (!ask || !document)
        return;
    ask->key = (uint32_t)rng_below(&sim->load, CLIENT_KEYS);
    ask->value = ++clients->next_value;
    key_name(ask->key, command.override.key);
    (void)snprintf(command.override.value, sizeof command.override.value, "%llu",
                   (unsigned long long)ask->value);
    now = document_override(document, command.override.key);
    command.based_on = now ? now->version : 0;
    ask_node(clients, host, ask, &what);
}

static void ask_about(struct sim *sim, uint32_t host, enum cluster_ask_kind kind, uint32_t whom)
{
    struct clients *clients = clients_of(sim);
    struct client_ask *ask = free_ask(clients);
    struct cluster_ask what = {.kind = kind};
    char resource[16], node[NODE_NAME];

    if (!ask)
        return;
    (void)snprintf(
        resource, sizeof resource, "name%llu",
        (unsigned long long)rng_below(&sim->load, sim->plan.rivals ? 1 : CLIENT_RESOURCES));
    node_name(whom, node);
    what.node = kind == CLUSTER_TRANSFER && rng_below(&sim->load, 2) ? "" : node;
    what.resource = resource;
    SIM_TELL(&sim->world, (int)host, "is asked for %s (%s, %s)", kinds[kind], what.node, resource);
    ask_node(clients, host, ask, &what);
}

static void ask_other(struct sim *sim, uint32_t host, enum cluster_ask_kind kind)
{
    uint32_t whom = (uint32_t)rng_below(&sim->load, sim->plan.hosts);

    if (kind == CLUSTER_NODE_REMOVE && sim->faults.wipes_left-- == 0) {
        sim->faults.wipes_left = 0;
        return;
    }
    ask_about(sim, host, kind, whom);
}

/* What an operator does about a host that is no member (any more): empties its directory, and adds it. */
void clients_mend(struct sim *sim, uint32_t host)
{
    struct clients *clients = clients_of(sim);
    const struct cluster_view *view = cluster_view(clients->node[host].cluster);
    uint32_t by =
        (host + 1 + (uint32_t)rng_below(&sim->load, sim->plan.hosts - 1)) % sim->plan.hosts;

    if (view->state == CLUSTER_REMOVED) {
        SIM_TELL(&sim->world, (int)host, "* is given an empty directory");
        node_kill(&clients->node[host], false);
        node_wipe(&clients->node[host]);
        checks_forget(&sim->checks, host);
        must(node_start(&clients->node[host]));
    } else if (view->state == CLUSTER_BLANK && clients->node[by].cluster) {
        ask_about(sim, by, CLUSTER_NODE_ADD, host);
    }
}

/* Members go and come back all the time, from an even number of voters, too. */
static void churn(struct sim *sim, uint32_t host)
{
    const struct sim_node *node = &clients_of(sim)->node[host];
    const struct raft *raft;
    uint32_t voters = 0;

    clients_mend(sim, host);
    raft = node->cluster ? cluster_raft(node->cluster) : NULL;
    for (uint32_t i = 0; raft && i < raft->config.count; i++)
        voters += raft->config.members[i].role != RAFT_LEARNER;
    if (voters > 3)
        ask_about(sim, host, CLUSTER_NODE_REMOVE, (uint32_t)rng_below(&sim->load, sim->plan.hosts));
}

static void ask_anything(struct sim *sim, uint32_t host, uint64_t what)
{
    if (sim->plan.steady || sim->calm || what < 50)
        clients_change(sim, host);
    else if (what < 70)
        ask_other(sim, host, CLUSTER_LEASE_TAKE);
    else if (what < 80)
        ask_other(sim, host, CLUSTER_LEASE_RELEASE);
    else if (what < 92)
        ask_other(sim, host, CLUSTER_READ);
    else if (what < 95)
        ask_other(sim, host, CLUSTER_TRANSFER);
    else if (what < 97)
        ask_other(sim, host, CLUSTER_NODE_REMOVE);
    else
        ask_other(sim, host, CLUSTER_NODE_ADD);
}

void clients_ask(struct sim *sim)
{
    struct clients *clients = clients_of(sim);
    uint32_t host = (uint32_t)rng_below(&sim->load, sim->plan.hosts);
    uint64_t what = rng_below(&sim->load, 100);

    if (!clients->node[host].cluster || !sim_host_answers(&sim->world.host[host]))
        return;
    if (sim->plan.rivals && !sim->calm && what < 80)
        ask_other(sim, host, CLUSTER_LEASE_TAKE);
    else if (sim->plan.churn && !sim->calm && what < 30)
        churn(sim, host);
    else
        ask_anything(sim, host, what);
}
