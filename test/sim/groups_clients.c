/*
 * Clients, who write through any host's view of a group and wait while nobody serves; and people, who give orders about it.
 */
#include "groups_sim.h"

#include <string.h>

/* ---- writes ---- */

struct sim_write {
    struct sim_event event;
    struct groups_sim *g;
    uint32_t slot, to, value;
};

bool groups_open_here(const struct groups_host *host, uint32_t slot)
{
    const struct sim_part *part = &host->part[slot];

    return part->view.phase == GROUP_SERVING && part->view.primary && part->view.here &&
           part->lease > sim_clock_read(host->node->host, LOOP_BOOT);
}

/* What its workers believe. */
static bool open_for(const struct groups_host *host, uint32_t slot)
{
    const struct groups_place *view = &host->part[slot].view;

    if (view->phase != GROUP_SERVING || view->primary == 0)
        return false;
    return !view->here || groups_open_here(host, slot);
}

static void hand_to(struct groups_sim *g, uint32_t slot, uint32_t from, uint32_t to)
{
    struct sim_truth *truth = &g->truth[slot];
    struct sim_value *value;

    if (truth->next_value + 2 >= SIM_GROUP_VALUES || sim_packet(&g->sim->world, from, to) < 0)
        return;
    value = &truth->values[truth->next_value + 1];
    value->client = from + 1;
    /* Passing it on takes no time: what may happen meanwhile may happen before or after as well. */
    truth->next_value++;
    (void)engine_sim_write(&g->host[to].part[slot].engine, truth->next_value);
}

static void pass_on(struct groups_host *host, uint32_t slot)
{
    hand_to(host->owner, slot, host->node->host->index, host->part[slot].view.primary - 1);
}

void groups_write(struct groups_sim *g, uint32_t index, uint32_t slot)
{
    struct groups_host *host = &g->host[index];
    struct sim_part *part = &host->part[slot];

    if (!host->node->host->powered || part->view.phase == GROUP_UNKNOWN)
        return;
    if (open_for(host, slot)) {
        pass_on(host, slot);
        return;
    }
    for (int i = 0; i < SIM_HOLDS; i++)
        if (!part->holds[i].waits) {
            part->holds[i] = (struct sim_hold){true, g->sim->world.now + g->plan[slot].hold_ns};
            part->held++;
            return;
        }
}

void groups_publish(struct groups_host *host, uint32_t slot, const struct groups_place *place)
{
    struct sim_part *part = &host->part[slot];

    if (part->view.phase != place->phase || part->view.epoch != place->epoch)
        SIM_TELL(&host->owner->sim->world, (int)host->node->host->index,
                 "group %u: %s in epoch %llu, primary %u", slot, group_phase_name(place->phase),
                 (unsigned long long)place->epoch, place->primary);
    part->view = *place;
    for (int i = 0; i < SIM_HOLDS; i++)
        if (part->holds[i].waits && open_for(host, slot)) {
            part->holds[i].waits = false;
            pass_on(host, slot);
        }
}

void groups_expire(struct groups_sim *g)
{
    for (uint32_t h = 0; h < g->sim->plan.hosts; h++)
        for (uint32_t slot = 0; slot < g->groups; slot++)
            for (int i = 0; i < SIM_HOLDS; i++) {
                struct sim_hold *hold = &g->host[h].part[slot].holds[i];

                if (hold->waits && hold->until <= g->sim->world.now) {
                    hold->waits = false;
                    g->host[h].part[slot].expired++;
                }
            }
}

/* ---- people ---- */

static void on_replied(void *context, const struct groups_reply *reply)
{
    struct groups_host *host = context;

    host->people--;
    SIM_TELL(&host->owner->sim->world, (int)host->node->host->index, "an order %s: %s",
             reply->done ? "was done" : "was not done", reply->sentence);
}

static void order(struct groups_sim *g, struct groups_host *host, uint32_t slot,
                  enum groups_order_kind kind, bool accept_loss)
{
    struct groups_order what = {.kind = kind, .accept_loss = accept_loss};
    uint32_t whom = (uint32_t)rng_below(&g->sim->load, g->sim->plan.hosts + 1);

    (void)snprintf(what.group, sizeof what.group, "g%u", slot);
    if (whom < g->sim->plan.hosts && !accept_loss)
        node_name(whom, what.to);
    SIM_TELL(&g->sim->world, (int)host->node->host->index, "* is ordered to %s group %u to '%s'%s",
             kind == GROUPS_FAILOVER ? "fail over" : "switch over", slot, what.to,
             accept_loss ? ", with loss" : "");
    if (groups_order(host->groups, &what, g->plan[slot].failover.timeout_ms, on_replied, host))
        host->people++;
}

bool groups_order_loss(struct groups_sim *g, uint32_t slot)
{
    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        if (g->host[i].groups) {
            order(g, &g->host[i], slot, GROUPS_FAILOVER, true);
            return true;
        }
    return false;
}

static void on_asked(void *context, const struct cluster_answer *answer)
{
    (void)context;
    (void)answer;
}

static void command(struct groups_host *host, const struct document_command *what)
{
    struct cluster_ask ask = {.kind = CLUSTER_COMMAND,
                              .command = what,
                              .timeout_ms = host->owner->sim->plan.election_ms * 4};

    cluster_ask(host->node->cluster, &ask, on_asked, NULL);
}

static void pause_failover(struct groups_host *host, bool on)
{
    static const char *const key = "failover.pause";
    const struct document *document = cluster_document(host->node->cluster);
    struct document_command what = {.kind = on ? COMMAND_OVERRIDE_SET : COMMAND_OVERRIDE_CLEAR};
    const struct document_override *now = document ? document_override(document, key) : NULL;

    if (!document || (now != NULL) == on)
        return;
    (void)snprintf(what.override.key, sizeof what.override.key, "%s", key);
    if (on)
        (void)snprintf(what.override.value, sizeof what.override.value, "forever");
    what.based_on = now ? now->version : 0;
    command(host, &what);
}

static void maintain(struct groups_host *host, uint32_t whom, bool on)
{
    const struct document *document = cluster_document(host->node->cluster);
    struct document_command what = {.kind =
                                        on ? COMMAND_MAINTENANCE_SET : COMMAND_MAINTENANCE_CLEAR};
    const struct document_mark *now;
    char node[NODE_NAME];

    node_name(whom, node);
    (void)snprintf(what.mark.name, sizeof what.mark.name, "node/%s", node);
    now = document ? document_mark(&document->maintenances, what.mark.name) : NULL;
    if (!document || (now != NULL) == on)
        return;
    what.based_on = now ? now->version : 0;
    command(host, &what);
}

/* Another file: hosts read it one after the other. */
static void edit(struct groups_sim *g, uint32_t slot)
{
    struct rng *rng = &g->sim->load;
    struct sim_file file = g->file[slot][g->files[slot] - 1];
    uint32_t whom = (uint32_t)rng_below(rng, g->sim->plan.hosts);

    if (g->files[slot] + 1 >= SIM_FILES)
        return;
    if (rng_below(rng, 2) && g->sim->plan.hosts > 3 && holds_data(g, whom)) {
        file.members ^= 1u << whom;
        if (__builtin_popcount(file.members) < 3)
            return;
    } else {
        file.wanted.mode = (uint8_t)rng_below(rng, GROUP_MODES);
        file.wanted.acks = (uint8_t)rng_between(rng, 1, 2);
        file.wanted.min_in_sync = (uint8_t)rng_between(rng, 1, 2);
    }
    if (file.wanted.acks >= (uint32_t)__builtin_popcount(file.members))
        file.wanted.acks = 1;
    g->file[slot][g->files[slot]++] = file;
    SIM_TELL(&g->sim->world, -1,
             "* group %u: the file says %s, acks %u, min_in_sync %u, members %x", slot,
             group_mode_name((enum group_mode)file.wanted.mode), file.wanted.acks,
             file.wanted.min_in_sync, file.members);
}

static void people(struct groups_sim *g, struct groups_host *host, uint32_t slot)
{
    struct rng *rng = &g->sim->load;
    uint32_t whom = (uint32_t)rng_below(rng, g->sim->plan.hosts);

    switch (rng_below(rng, 12)) {
    case 0:
    case 1:
    case 2:
        order(g, host, slot, GROUPS_SWITCHOVER, false);
        return;
    case 3:
        order(g, host, slot, GROUPS_FAILOVER, false);
        return;
    case 4:
        pause_failover(host, true);
        return;
    case 5:
        pause_failover(host, false);
        return;
    case 6:
        maintain(host, whom, true);
        return;
    case 7:
        maintain(host, whom, false);
        return;
    case 8:
        edit(g, slot);
        return;
    case 9:
    case 10:
        groups_reload(host);
        return;
    default:
        if (!g->sim->plan.steady)
            groups_leave_host(host);
    }
}

void groups_load(struct sim *sim)
{
    struct groups_sim *g = groups_of(sim);
    uint32_t index = (uint32_t)rng_below(&sim->load, sim->plan.hosts);
    uint32_t slot = (uint32_t)rng_below(&sim->load, g->groups);
    struct groups_host *host = &g->host[index];
    uint64_t what = rng_below(&sim->load, 400);

    groups_expire(g);
    if (sim->calm || what >= 16 || !host->groups || !sim_host_answers(&sim->world.host[index]))
        groups_write(g, index, slot);
    else if (what >= 12 && !sim->plan.steady)
        clients_ask(sim);
    else if (what >= 4)
        people(g, host, slot);
}

void groups_calm(struct groups_sim *g)
{
    for (uint32_t i = 0; i < g->sim->plan.hosts; i++) {
        struct groups_host *host = &g->host[i];

        if (!host->groups)
            continue;
        groups_reload(host);
        pause_failover(host, false);
        for (uint32_t whom = 0; whom < g->sim->plan.hosts; whom++)
            maintain(host, whom, false);
    }
}
