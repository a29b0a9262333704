/*
 * Clusters of consensus cores: their members, and what clients ask of them.
 */
#include "raft_node.h"

#include <stdlib.h>
#include <string.h>

static uint8_t role_of(const struct sim *sim, uint32_t host)
{
    return sim->plan.witness && host == sim->plan.hosts - 1 ? RAFT_WITNESS : RAFT_VOTER;
}

static void core_open(struct sim *sim)
{
    struct core *core = calloc(1, sizeof *core);
    struct raft_config config = {.count = sim->plan.hosts};

    must(core != NULL);
    sim->state = core;
    core->sim = sim;
    core->next_body = 1;
    core->snapshot_every = sim->plan.snapshot_entries;
    for (uint32_t i = 0; i < sim->plan.hosts; i++) {
        config.members[i] =
            (struct raft_member){.id = ++core->next_member, .role = role_of(sim, i)};
        core_node_open(&core->node[i], sim, i);
        core->node[i].member = config.members[i].id;
    }
    for (uint32_t i = 0; i < sim->plan.hosts; i++)
        core_node_found(&core->node[i], &config);
}

static void core_close(struct sim *sim)
{
    struct core *core = core_of(sim);

    for (uint32_t i = 0; i < sim->plan.hosts; i++)
        core_node_close(&core->node[i]);
    core_mail_free(core);
    free(core);
}

static bool core_start(struct sim *sim, uint32_t host)
{
    core_node_start(&core_of(sim)->node[host]);
    return true;
}

static void tell_lost(struct core_node *node, uint32_t member)
{
    if (!node->runs || node->host->paused)
        return;
    raft_peer_lost(&node->raft, member, core_node_now(node));
    core_node_turn(node);
}

static bool linked(const struct sim *sim, uint32_t from, uint32_t to)
{
    return !sim->world.link[from][to].cut;
}

static void core_kill(struct sim *sim, uint32_t host, bool power)
{
    struct core *core = core_of(sim);

    core_node_kill(&core->node[host], power);
    for (uint32_t i = 0; !power && i < sim->plan.hosts; i++)
        if (i != host && linked(sim, host, i))
            tell_lost(&core->node[i], core->node[host].member);
}

static void core_wipe(struct sim *sim, uint32_t host)
{
    struct core *core = core_of(sim);

    core_node_wipe(&core->node[host], ++core->next_member);
}

static bool core_rot(struct sim *sim, uint32_t host)
{
    (void)sim;
    (void)host;
    return false;
}

static void core_reset(struct sim *sim, uint32_t a, uint32_t b)
{
    struct core *core = core_of(sim);

    tell_lost(&core->node[a], core->node[b].member);
    tell_lost(&core->node[b], core->node[a].member);
}

/* ---- members ---- */

static const struct raft_member *member_in(const struct raft_config *config, uint32_t id)
{
    for (uint32_t i = 0; i < config->count; i++)
        if (config->members[i].id == id)
            return &config->members[i];
    return NULL;
}

static enum raft_outcome change(struct core_node *leader, uint8_t kind, uint32_t member,
                                uint8_t role)
{
    struct raft_change what = {.kind = kind, .role = role, .member = member};
    uint64_t index;
    enum raft_outcome outcome = raft_change(&leader->raft, &what, core_node_now(leader), &index);

    if (outcome == RAFT_ACCEPTED) {
        core_log_add(&leader->log,
                     &(struct core_entry){
                         .raft = {.term = leader->raft.term, .kind = RAFT_CONFIG, .change = what},
                         .body = core_of(leader->sim)->next_body++});
        SIM_TELL(&leader->sim->world, (int)leader->host->index, "%s member %u as %u at %llu",
                 kind == RAFT_SET ? "sets" : "removes", member, role, (unsigned long long)index);
    }
    return outcome;
}

/* No node has heard of a later term. */
static bool is_newest(const struct core_node *leader)
{
    const struct core *core = core_of(leader->sim);

    for (uint32_t i = 0; i < leader->sim->plan.hosts; i++)
        if (core->node[i].raft.term > leader->raft.term)
            return false;
    return true;
}

/* One change towards all hosts being members, and nobody else. False: nothing is left to be changed. */
static bool mend_members(struct core_node *leader)
{
    struct core *core = core_of(leader->sim);
    const struct raft_config *config = &leader->raft.config;

    for (uint32_t i = 0; i < config->count; i++)
        if (!core_node_of(core, config->members[i].id)) {
            (void)change(leader, RAFT_REMOVE, config->members[i].id, 0);
            return true;
        }
    for (uint32_t i = 0; i < leader->sim->plan.hosts; i++) {
        struct core_node *node = &core->node[i];
        const struct raft_member *member = member_in(config, node->member);

        if (member && member->role != RAFT_LEARNER)
            continue;
        (void)change(leader, RAFT_SET, node->member,
                     member ? role_of(leader->sim, i) : (uint8_t)RAFT_LEARNER);
        return true;
    }
    if (leader->raft.commit >= leader->raft.config_index &&
        leader->raft.commit >= leader->raft.noop && is_newest(leader))
        leader->sim->faults.wipes_left = (leader->sim->plan.hosts - 1) / 2;
    return false;
}

/* A member is removed and its host begins again as a new one. */
static void replace_host(struct sim *sim, uint32_t host)
{
    if (!sim->world.host[host].running || sim->faults.wipes_left == 0)
        return;
    sim->faults.wipes_left--;
    SIM_TELL(&sim->world, (int)host, "* becomes a new member");
    core_node_kill(&core_of(sim)->node[host], true);
    core_wipe(sim, host);
    checks_forget(&sim->checks, host);
    core_node_start(&core_of(sim)->node[host]);
}

/* A voter, mostly one that the leader has not heard for a while: the leader before it, perhaps. */
static const struct raft_member *draw_victim(struct sim *sim, const struct core_node *leader)
{
    const struct raft_config *config = &leader->raft.config;
    uint32_t at = (uint32_t)rng_below(&sim->load, config->count);
    int64_t silence_ns = 2 * sim->plan.heartbeat_ms * NS_PER_MS;

    for (uint32_t i = 0; i < config->count && rng_below(&sim->load, 4) > 0; i++) {
        uint32_t next = (at + i) % config->count;

        if (config->members[next].role != RAFT_LEARNER &&
            ns_between(leader->raft.progress[next].heard, core_node_now(leader)) > silence_ns)
            at = next;
    }
    return &config->members[at];
}

/* Members go and come back all the time, and an even number of voters is the rule: there two majorities can miss each other. */
static void churn_members(struct sim *sim, struct core_node *leader)
{
    const struct raft_config *config = &leader->raft.config;
    uint32_t voters = 0;

    for (uint32_t i = 0; i < config->count; i++)
        voters += config->members[i].role != RAFT_LEARNER;
    if (voters < 4 || rng_below(&sim->load, 2) == 0)
        (void)mend_members(leader);
    else
        (void)change(leader, RAFT_REMOVE, draw_victim(sim, leader)->id, 0);
}

static void change_members(struct sim *sim, struct core_node *leader)
{
    const struct raft_config *config = &leader->raft.config;
    const struct raft_member *victim;

    if (sim->plan.churn) {
        churn_members(sim, leader);
        return;
    }
    if (rng_below(&sim->load, 2) == 0) {
        (void)mend_members(leader);
        return;
    }
    victim = &config->members[rng_below(&sim->load, config->count)];
    if (sim->faults.wipes_left > 0 && core_node_of(core_of(sim), victim->id) &&
        change(leader, RAFT_REMOVE, victim->id, 0) == RAFT_ACCEPTED)
        sim->faults.wipes_left--;
}

/* ---- load ---- */

static struct core_node *some_node(struct sim *sim)
{
    struct core *core = core_of(sim);
    struct core_node *node = &core->node[rng_below(&sim->load, sim->plan.hosts)];

    for (uint32_t i = 0; i < sim->plan.hosts && node->raft.role != RAFT_LEADER; i++)
        if (core->node[i].runs && core->node[i].raft.role == RAFT_LEADER &&
            rng_below(&sim->load, 4) > 0)
            node = &core->node[i];
    return node->runs && !node->host->paused ? node : NULL;
}

static void read(struct sim *sim, struct core_node *node)
{
    struct core *core = core_of(sim);
    uint64_t id = ++core->next_read;

    if (raft_confirm(&node->raft, id, core_node_now(node)) == RAFT_ACCEPTED)
        node->reads[id % RAFT_READS_MAX] = (struct core_ask){id, sim->checks.committed};
}

static void tilt(struct sim *sim, struct core_node *node)
{
    struct core *core = core_of(sim);
    struct core_node *tilted = core->tilted ? &core->node[core->tilted - 1] : NULL;

    if (tilted && tilted->host->paused)
        return;
    if (tilted && tilted->runs) {
        raft_tilt(&tilted->raft, false, core_node_now(tilted));
        core_node_turn(tilted);
    }
    if (tilted)
        core->tilted = 0;
    else {
        raft_tilt(&node->raft, true, core_node_now(node));
        core->tilted = node->host->index + 1;
    }
}

static void core_load(struct sim *sim)
{
    struct core_node *node = some_node(sim);
    uint64_t what = rng_below(&sim->load, 100);

    if (!node)
        return;
    if (sim->plan.steady || sim->calm || what < (sim->plan.churn ? 40 : 70))
        for (uint64_t i = 1 + rng_below(&sim->load, 4); i > 0; i--)
            (void)core_node_propose(node);
    else if (sim->plan.storm && node->raft.role == RAFT_LEADER)
        change_members(sim, node);
    else if (what < 85)
        read(sim, node);
    else if (what < 92 && node->raft.role == RAFT_LEADER)
        change_members(sim, node);
    else if (what < 94)
        (void)raft_transfer(&node->raft, 1 + (uint32_t)rng_below(&sim->load, sim->plan.hosts),
                            core_node_now(node));
    else if (what < 96)
        tilt(sim, node);
    else if (what == 99 && !sim->plan.churn)
        replace_host(sim, node->host->index);
    if (node->runs)
        core_node_turn(node);
}

static void core_calm(struct sim *sim)
{
    struct core *core = core_of(sim);

    core->acknowledged = 0;
    if (core->tilted)
        tilt(sim, &core->node[0]);
}

/* ---- recovery ---- */

static struct core_node *leader_of(struct core *core)
{
    for (uint32_t i = 0; i < core->sim->plan.hosts; i++) {
        struct core_node *node = &core->node[i];

        if (node->runs && node->raft.role == RAFT_LEADER && node->raft.commit >= node->raft.noop)
            return node;
    }
    return NULL;
}

static bool core_recovered(struct sim *sim, char sentence[SIM_SENTENCE])
{
    struct core *core = core_of(sim);
    struct core_node *leader = leader_of(core);
    bool mended;

    if (!leader) {
        (void)snprintf(sentence, SIM_SENTENCE, "there is no leader");
        return false;
    }
    mended = !mend_members(leader);
    if (core->acknowledged == 0)
        core->acknowledged = leader->raft.last + 1;
    (void)core_node_propose(leader);
    core_node_turn(leader);
    for (uint32_t i = 0; i < sim->plan.hosts; i++)
        if (core->node[i].raft.applied < core->acknowledged) {
            (void)snprintf(sentence, SIM_SENTENCE, "host %u has applied %llu, not %llu", i + 1,
                           (unsigned long long)core->node[i].raft.applied,
                           (unsigned long long)core->acknowledged);
            return false;
        }
    if (!mended)
        (void)snprintf(sentence, SIM_SENTENCE, "not every host is a member");
    return mended;
}

static const struct raft *core_raft(struct sim *sim, uint32_t host)
{
    const struct core_node *node = &core_of(sim)->node[host];

    return node->runs ? &node->raft : NULL;
}

static uint64_t core_hash(struct sim *sim, uint32_t host)
{
    return core_of(sim)->node[host].hash;
}

const struct sim_subject sim_raft = {
    .name = "cores",
    .calm_ms = 4000,
    .open = core_open,
    .close = core_close,
    .start = core_start,
    .kill = core_kill,
    .wipe = core_wipe,
    .rot = core_rot,
    .reset = core_reset,
    .load = core_load,
    .calm = core_calm,
    .recovered = core_recovered,
    .raft = core_raft,
    .hash = core_hash,
};
