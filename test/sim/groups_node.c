/*
 * What is beside the cluster in a node: groups, told by engines and telling workers. Everything reaches the agent in a turn of its own loop.
 */
#include "groups_sim.h"

#include "topology/fact.h"

#include <string.h>

static struct groups_host *host_of(struct sim_node *node)
{
    return &groups_of(node->sim)->host[node->host->index];
}

struct groups_host *groups_host_of(const struct engine_sim *engine)
{
    return &groups_of(engine->sim)->host[engine->index];
}

/* ---- news for the agent ---- */

static void on_news(struct timer *timer)
{
    struct groups_host *host = container_of(timer, struct groups_host, news_timer);
    struct agent_news news[AGENT_NEWS];
    uint32_t count = host->news_count;

    memcpy(news, host->news, count * sizeof *news);
    host->news_count = 0;
    for (uint32_t i = 0; i < count && host->groups; i++) {
        if (news[i].kind == NEWS_ANSWER)
            groups_answered(host->groups, news[i].slot, &news[i].answer);
        else if (news[i].kind == NEWS_PROCESS)
            groups_process(host->groups, news[i].slot, news[i].good, "it was killed");
        else
            groups_probed(host->groups, news[i].slot, news[i].good);
    }
}

/* What the supervisor says and what the engine's program says come by two ways. */
static void overtake(struct groups_host *host)
{
    struct agent_news *last = &host->news[host->news_count - 1], swap;

    if (host->news_count < 2 || last[0].slot != last[-1].slot || last[0].kind == last[-1].kind ||
        rng_below(&host->owner->sim->world.rng, 2))
        return;
    swap = last[0];
    last[0] = last[-1];
    last[-1] = swap;
}

void groups_news(struct groups_host *host, const struct agent_news *news)
{
    struct loop *loop = host->node->host->loop;

    if (!host->groups)
        return;
    must(host->news_count < AGENT_NEWS);
    host->news[host->news_count++] = *news;
    overtake(host);
    if (!timer_armed(&host->news_timer))
        timer_arm(loop, &host->news_timer, loop_now(loop));
}

static void told_answered(struct engine_sim *engine, const struct engine_answer *answer)
{
    struct agent_news news = {.kind = NEWS_ANSWER, .slot = engine->slot, .answer = *answer};

    groups_news(groups_host_of(engine), &news);
}

static void told_process(struct engine_sim *engine, bool running)
{
    struct agent_news news = {.kind = NEWS_PROCESS, .slot = engine->slot, .good = running};

    groups_news(groups_host_of(engine), &news);
}

/* ---- probes ---- */

static struct sim_value *value_of(struct groups_sim *g, uint32_t slot, uint32_t value)
{
    return &g->truth[slot].values[value];
}

void groups_probed_with(struct groups_host *host, uint32_t slot, bool answered)
{
    struct sim_part *part = &host->part[slot];
    struct agent_news news = {.kind = NEWS_PROBED, .slot = slot, .good = answered};

    part->probe.value = 0;
    sim_cancel(&host->owner->sim->world, &part->probe.end);
    groups_news(host, &news);
}

static void on_probe_end(struct sim_event *event)
{
    struct sim_part *part =
        container_of(container_of(event, struct sim_probe, end), struct sim_part, probe);

    groups_probed_with(groups_host_of(&part->engine), part->engine.slot, false);
}

static void told_failed(struct engine_sim *engine, uint32_t value)
{
    struct groups_host *host = groups_host_of(engine);

    if (host->part[engine->slot].probe.value == value)
        groups_probed_with(host, engine->slot, false);
}

static void told_acked(struct engine_sim *engine, uint32_t index)
{
    struct groups_host *host = groups_host_of(engine);

    groups_check_acked(engine, index);
    if (host->part[engine->slot].probe.value == engine->log[index - 1].value)
        groups_probed_with(host, engine->slot, true);
}

const struct engine_told groups_told = {
    .answered = told_answered,
    .process = told_process,
    .promoted = groups_check_promoted,
    .acked = told_acked,
    .failed = told_failed,
    .dropping = groups_check_dropping,
};

/* ---- what groups ask for ---- */

static struct engine_sim *engine_at(void *context, uint32_t slot)
{
    struct groups_host *host = context;

    return &host->part[slot].engine;
}

static bool ends(const void *context)
{
    const struct groups_host *host = context;

    return host->node->host->ending;
}

static void ask(void *context, uint32_t slot, const struct engine_order *order)
{
    struct engine_sim *engine = engine_at(context, slot);

    if (ends(context))
        return;
    if (order->verb != ENGINE_STATUS)
        SIM_TELL(&engine->sim->world, (int)engine->index,
                 "group %u: asks its engine to %s in epoch %llu (%u, %u; mode %u acks %u of %u)",
                 slot, engine_verb_name(order->verb), (unsigned long long)order->epoch,
                 order->primary, order->target, order->needs.mode, order->needs.acks,
                 order->needs.members.count);
    engine_sim_ask(engine, order);
}

static void cancel(void *context, uint32_t slot)
{
    if (!ends(context))
        engine_sim_cancel(engine_at(context, slot));
}

static void process(void *context, uint32_t slot, bool start)
{
    if (ends(context))
        return;
    if (start)
        engine_sim_start(engine_at(context, slot));
    else
        engine_sim_kill(engine_at(context, slot));
}

static void fence(void *context, uint32_t slot, struct instant until)
{
    if (!ends(context))
        engine_sim_fence(engine_at(context, slot), until.ns);
}

static void probe(void *context, uint32_t slot, bool through_balancer, uint64_t epoch)
{
    struct groups_host *host = context;
    struct sim_part *part = &host->part[slot];
    struct sim_truth *truth = &host->owner->truth[slot];
    struct sim_world *world = &host->owner->sim->world;

    (void)through_balancer;
    (void)epoch;
    if (ends(context))
        return;
    must(part->probe.value == 0);
    if (truth->next_value + 1 >= SIM_GROUP_VALUES) {
        groups_probed_with(host, slot, true);
        return;
    }
    part->probe.value = ++truth->next_value;
    value_of(host->owner, slot, part->probe.value)->probe = host->node->host->index + 1;
    sim_schedule(world, &part->probe.end,
                 world->now + host->owner->plan[slot].replica.stuck_ms * NS_PER_MS / 2);
    if (!engine_sim_write(&part->engine, part->probe.value) && part->probe.value)
        groups_probed_with(host, slot, false);
}

/* The places of the file that this host has read. */
static uint32_t host_at(const struct groups_host *host, uint32_t slot, uint32_t place)
{
    const struct sim_file *file = &host->owner->file[slot][host->part[slot].file];
    uint32_t seen = 0;

    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++)
        if ((file->members >> i & 1) && seen++ == place)
            return i;
    return SIM_HOSTS_MAX;
}

static void members(void *context, uint32_t slot, const uint32_t ids[GROUP_MEMBERS_MAX])
{
    struct groups_host *host = context;
    struct engine_sim *engine = engine_at(context, slot);

    memset(engine->ids, 0, sizeof engine->ids);
    for (uint32_t place = 0; place < SIM_HOSTS_MAX; place++) {
        uint32_t at = host_at(host, slot, place);

        if (at < SIM_HOSTS_MAX)
            engine->ids[at] = ids[place];
    }
}

static void publish(void *context, uint32_t slot, const struct groups_place *place)
{
    struct groups_host *host = context;
    struct groups_place out = *place;

    if (ends(context))
        return;
    /* Places change with the file; hosts do not. */
    out.primary = place->primary ? host_at(host, slot, place->primary - 1) + 1 : 0;
    groups_publish(host, slot, &out);
}

static void clients(void *context, uint32_t slot, uint64_t *held, uint64_t *expired)
{
    struct groups_host *host = context;

    *held = host->part[slot].held;
    *expired = host->part[slot].expired;
}

static void told_fact(void *context, const struct fact *fact)
{
    struct groups_host *host = context;

    SIM_TELL(&host->owner->sim->world, (int)host->node->host->index, "%s", fact->text);
}

static const struct groups_events events = {
    .ask = ask,
    .cancel = cancel,
    .process = process,
    .fence = fence,
    .probe = probe,
    .members = members,
    .publish = publish,
    .clients = clients,
    .fact = told_fact,
};

/* ---- the file ---- */

static void describe(const struct groups_host *host, uint32_t slot, struct groups_group *group,
                     char names[SIM_HOSTS_MAX][NODE_NAME])
{
    static const char *const groups_names[SIM_GROUPS_MAX] = {"g0", "g1"};
    const struct groups_sim *g = host->owner;
    const struct sim_file *file = &g->file[slot][host->part[slot].file];

    *group = (struct groups_group){.name = groups_names[slot],
                                   .slot = slot,
                                   .wanted = file->wanted,
                                   .replica = g->plan[slot].replica,
                                   .failover = g->plan[slot].failover};
    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        if (file->members >> i & 1) {
            node_name(i, names[i]);
            group->members[group->count++] =
                (struct groups_member){.name = names[i], .priority = file->priority[i]};
        }
}

static bool is_member(const struct groups_host *host, uint32_t slot)
{
    return host->owner->file[slot][host->part[slot].file].members >> host->node->host->index & 1;
}

static void configure(struct groups_host *host)
{
    struct groups_group list[SIM_GROUPS_MAX];
    char names[SIM_HOSTS_MAX][NODE_NAME];

    for (uint32_t slot = 0; slot < host->owner->groups; slot++)
        describe(host, slot, &list[slot], names);
    groups_configure(host->groups, list, host->owner->groups);
}

/* Who holds no data of a group runs no process for it. */
static void end_engine(struct groups_host *host, uint32_t slot)
{
    engine_sim_orphan(&host->part[slot].engine);
    engine_sim_kill(&host->part[slot].engine);
    engine_sim_fence(&host->part[slot].engine, INT64_MAX);
}

void groups_reload(struct groups_host *host)
{
    bool was[SIM_GROUPS_MAX] = {0};

    for (uint32_t slot = 0; slot < host->owner->groups; slot++) {
        was[slot] = is_member(host, slot);
        host->part[slot].file = host->owner->files[slot] - 1;
    }
    if (!host->groups)
        return;
    configure(host);
    for (uint32_t slot = 0; slot < host->owner->groups; slot++)
        if (was[slot] && !is_member(host, slot))
            end_engine(host, slot);
}

/* ---- the agent's life ---- */

static void begun(struct sim_node *node)
{
    struct groups_host *host = host_of(node);
    struct groups_options options = {.loop = node->host->loop,
                                     .cluster = node->cluster,
                                     .heartbeat_ms = node->sim->plan.heartbeat_ms,
                                     .events = &events,
                                     .context = host};
    char name[NODE_NAME];
    struct err err;

    node_name(node->host->index, name);
    options.node = name;
    timer_init(&host->news_timer, on_news);
    host->news_count = 0;
    host->leaving = host->closing = host->left = false;
    must(groups_open(&host->groups, &options, &err));
    for (uint32_t slot = 0; slot < host->owner->groups; slot++)
        host->part[slot].file = host->owner->files[slot] - 1;
    configure(host);
    for (uint32_t slot = 0; slot < host->owner->groups; slot++)
        if (!is_member(host, slot))
            end_engine(host, slot); /* the file has changed while no agent was there */
        else if (host->part[slot].engine.running)
            groups_process(host->groups, slot, true, "");
}

static void ended(struct sim_node *node)
{
    struct groups_host *host = host_of(node);
    struct sim_world *world = &node->sim->world;

    timer_cancel(node->host->loop, &host->news_timer);
    groups_close(host->groups);
    host->groups = NULL;
    host->news_count = host->people = 0;
    for (uint32_t slot = 0; slot < host->owner->groups; slot++) {
        engine_sim_orphan(&host->part[slot].engine);
        host->part[slot].probe.value = 0;
        sim_cancel(world, &host->part[slot].probe.end);
    }
    if (host->closing) {
        node->cluster = NULL;
        host->left = true;
        node->host->failed = true;
    }
}

static void changed(struct sim_node *node)
{
    struct groups_host *host = host_of(node);

    if (host->groups)
        groups_look(host->groups);
}

static void lease(struct sim_node *node, const char *resource, struct instant until)
{
    struct groups_host *host = host_of(node);
    char name[CLUSTER_RESOURCE_MAX];

    for (uint32_t slot = 0; slot < host->owner->groups; slot++) {
        (void)snprintf(name, sizeof name, "group/g%u", slot);
        if (strcmp(name, resource) == 0)
            host->part[slot].lease = until.ns;
    }
    if (host->groups)
        groups_lease(host->groups, resource, until);
}

static void request(struct sim_node *node, const char *from, uint64_t ticket, struct bytes bytes)
{
    struct groups_host *host = host_of(node);

    if (host->groups && bytes.len > 0 && bytes.at[0] == GROUPS_MARK)
        groups_requested(host->groups, from, ticket, (struct bytes){bytes.at + 1, bytes.len - 1});
    else
        cluster_answer(node->cluster, ticket, (struct bytes){0});
}

const struct node_company groups_company = {
    .begun = begun,
    .ended = ended,
    .changed = changed,
    .lease = lease,
    .request = request,
};

/* ---- the host's ---- */

void groups_host_open(struct groups_sim *g, uint32_t index)
{
    struct groups_host *host = &g->host[index];

    *host = (struct groups_host){.owner = g, .node = &g->clients.node[index]};
    for (uint32_t slot = 0; slot < g->groups; slot++) {
        struct engine_sim *engine = &host->part[slot].engine;

        *engine = (struct engine_sim){.sim = g->sim,
                                      .host = &g->sim->world.host[index],
                                      .peers = g->engines[slot],
                                      .told = &groups_told,
                                      .post = &g->post,
                                      .rules = g->plan[slot].engine,
                                      .slot = slot,
                                      .index = index};
        engine_sim_init(engine);
        g->engines[slot][index] = engine;
        host->part[slot].probe.end.happen = on_probe_end;
    }
}

void groups_host_close(struct groups_host *host)
{
    for (uint32_t slot = 0; slot < host->owner->groups; slot++)
        engine_sim_fini(&host->part[slot].engine);
}

/* The supervisor is gone, or the machine: nothing of the host lives on. */
void groups_all_die(struct groups_host *host, bool power, bool flushed)
{
    for (uint32_t slot = 0; slot < host->owner->groups; slot++) {
        struct sim_part *part = &host->part[slot];

        engine_sim_power(&part->engine, flushed || !power);
        part->view = (struct groups_place){0};
        part->lease = 0;
        memset(part->holds, 0, sizeof part->holds);
        part->held = part->expired = 0;
    }
}

void groups_leave_host(struct groups_host *host)
{
    const struct sim_plan *plan = &host->owner->sim->plan;

    if (!host->groups || host->leaving)
        return;
    SIM_TELL(&host->owner->sim->world, (int)host->node->host->index, "* stops in order");
    host->leaving = true;
    host->leave_by = host->owner->sim->world.now + 3 * plan->lease_ms * NS_PER_MS;
    groups_leave(host->groups);
}

void groups_host_step(struct groups_host *host)
{
    struct sim_host *machine = host->node->host;

    if (machine->clock.since != host->clock_since) {
        host->clock_since = machine->clock.since;
        for (uint32_t slot = 0; slot < host->owner->groups; slot++)
            engine_sim_clock(&host->part[slot].engine);
    }
    if (host->leaving && !host->closing && host->groups && sim_host_answers(machine) &&
        (groups_left(host->groups) || host->owner->sim->world.now > host->leave_by)) {
        host->closing = true;
        cluster_close(host->node->cluster, true);
    }
}
