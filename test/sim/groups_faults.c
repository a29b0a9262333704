/*
 * What breaks in engines, besides what breaks in hosts, disks and networks (faults.c). Mostly a primary.
 */
#include "groups_sim.h"

#include <string.h>

enum engine_fault {
    ENGINE_IS_KILLED,
    ENGINE_IS_STUCK,
    ENGINE_IS_SLOW,
    ENGINE_REFUSES,
    ENGINE_STUMBLES_PROMOTING,
    ENGINE_IS_MUTE,
    ENGINE_TRIMS,
    AGENT_IS_KILLED,
    ENGINE_HEARS_NOTHING,
    ENGINE_LIES_AHEAD,
    ENGINE_LIES_BEHIND,
    ENGINE_LIES_SYNCED,
    ENGINE_FAULTS,
};

enum { LIES = 1u << ENGINE_LIES_AHEAD | 1u << ENGINE_LIES_BEHIND | 1u << ENGINE_LIES_SYNCED };

static const char *const names[ENGINE_FAULTS] = {
    "its engine is killed",
    "its engine is stuck",
    "its engine is slow",
    "its engine will not be primary",
    "its engine stumbles",
    "its engine answers no write",
    "its engine forgets old records",
    "its agent is killed",
    "its engine receives nothing",
    "its engine claims more than it has",
    "its engine says what it had before",
    "its engine claims that all is on disk",
};

static uint32_t draw_host(struct groups_sim *g, uint32_t slot)
{
    uint32_t host = (uint32_t)rng_below(&g->faults.rng, g->sim->plan.hosts);

    if (rng_below(&g->faults.rng, 3) == 0)
        return host;
    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        if (g->engines[slot][i]->role == ENGINE_PRIMARY)
            return i;
    return host;
}

static struct engine_sim *draw_secondary(struct groups_sim *g, uint32_t slot)
{
    uint32_t hosts = g->sim->plan.hosts, from = (uint32_t)rng_below(&g->faults.rng, hosts);

    for (uint32_t i = 0; i < hosts; i++)
        if (g->engines[slot][(from + i) % hosts]->role == ENGINE_SECONDARY)
            return g->engines[slot][(from + i) % hosts];
    return g->engines[slot][from];
}

static int64_t draw_length(struct groups_sim *g)
{
    int64_t most = g->sim->plan.lease_ms * (rng_below(&g->faults.rng, 4) == 0 ? 3 : 1);

    return rng_between(&g->faults.rng, 1, most) * NS_PER_MS;
}

/* Half of the time it is not soon back, to tell what it had. */
static void lose_it(struct groups_sim *g, struct engine_sim *e)
{
    if (rng_below(&g->faults.rng, 2)) {
        e->slow_until = g->sim->world.now +
                        rng_between(&g->faults.rng, 1, 20 * g->sim->plan.heartbeat_ms) * NS_PER_MS;
        e->slowness = 1000;
    }
    engine_sim_kill(e);
}

/*
 * One is behind, and whoever knows what it lacks goes: the primary, or the agent of another secondary; and a third one may not say anything for a
 * moment. So what was acknowledged is on few, and who is asked first may not be among them.
 */
static void part_with_who_has_it(struct sim_event *event)
{
    struct groups_faults *faults = container_of(event, struct groups_faults, then);
    struct groups_sim *g = container_of(faults, struct groups_sim, faults);
    int64_t beat_ns = g->sim->plan.heartbeat_ms * NS_PER_MS, now = g->sim->world.now;
    struct engine_sim *other = draw_secondary(g, faults->slot);

    if (rng_below(&faults->rng, 2)) {
        SIM_TELL(&g->sim->world, (int)other->index, "* group %u: its engine is stuck for a moment",
                 faults->slot);
        other->stuck_until = now + rng_between(&faults->rng, 1, 4 * beat_ns);
    }
    if (rng_below(&faults->rng, 4) == 0 && !g->sim->plan.steady) {
        other = draw_secondary(g, faults->slot);
        SIM_TELL(&g->sim->world, (int)other->index, "* its agent is killed");
        other->host->failed = other->host->failed || other->host->running;
        return;
    }
    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        if (g->engines[faults->slot][i]->role == ENGINE_PRIMARY)
            lose_it(g, g->engines[faults->slot][i]);
}

static void stop_hearing(struct groups_sim *g, uint32_t slot)
{
    int64_t beat_ns = g->sim->plan.heartbeat_ms * NS_PER_MS, now = g->sim->world.now;
    struct engine_sim *e = draw_secondary(g, slot);

    e->deaf_until = now + rng_between(&g->faults.rng, 1, 8 * beat_ns);
    SIM_TELL(&g->sim->world, (int)e->index, "* group %u: it is that of this host", slot);
    if (g->faults.then.place)
        return;
    g->faults.slot = slot;
    sim_schedule(&g->sim->world, &g->faults.then,
                 now + rng_between(&g->faults.rng, 1, 2 * beat_ns));
}

static void break_it(struct groups_sim *g, enum engine_fault kind, struct engine_sim *e)
{
    int64_t until = g->sim->world.now + draw_length(g);

    SIM_TELL(&g->sim->world, (int)e->index, "* group %u: %s, until %.3f", e->slot, names[kind],
             (double)until / NS_PER_S);
    sim_mix(&g->sim->world, (uint64_t)kind << 16 | e->slot << 8 | e->index);
    switch (kind) {
    case ENGINE_IS_KILLED:
        engine_sim_kill(e);
        return;
    case ENGINE_IS_STUCK:
        if (e->running)
            e->stuck_until = until;
        return;
    case ENGINE_IS_SLOW:
        e->slow_until = until;
        e->slowness = (uint32_t)rng_between(&g->faults.rng, 2, 1000);
        return;
    case ENGINE_REFUSES:
        e->refuses_until = until;
        return;
    case ENGINE_STUMBLES_PROMOTING:
        e->stumbles = (enum engine_stumble)rng_between(&g->faults.rng, 1, ENGINE_STUMBLES - 1);
        return;
    case ENGINE_IS_MUTE:
        e->lame_until = until;
        return;
    case ENGINE_TRIMS:
        e->trimmed = e->synced;
        return;
    case AGENT_IS_KILLED:
        if (e->host->running)
            e->host->failed = true; /* faults.c ends it, and begins it again */
        return;
    case ENGINE_HEARS_NOTHING:
        stop_hearing(g, e->slot);
        return;
    case ENGINE_LIES_AHEAD:
    case ENGINE_LIES_BEHIND:
    case ENGINE_LIES_SYNCED:
        engine_sim_lie(e, (enum engine_lie)(kind - ENGINE_LIES_AHEAD),
                       (uint32_t)rng_between(&g->faults.rng, 1, 40), until);
        g->truth[e->slot].lied = true;
        return;
    case ENGINE_FAULTS:
        break;
    }
    never("a fault that there is not");
}

static void next_fault(struct sim_event *event)
{
    struct groups_faults *faults = container_of(event, struct groups_faults, next);
    struct groups_sim *g = container_of(faults, struct groups_sim, faults);
    enum engine_fault kind = (enum engine_fault)rng_below(&faults->rng, ENGINE_FAULTS);
    uint32_t slot = (uint32_t)rng_below(&faults->rng, g->groups);

    if ((faults->kinds >> ENGINE_HEARS_NOTHING & 1) && rng_below(&faults->rng, 4) == 0)
        kind = ENGINE_HEARS_NOTHING;
    if ((faults->kinds >> kind & 1) && g->sim->world.now > g->sim->plan.quiet_ns)
        break_it(g, kind, g->engines[slot][draw_host(g, slot)]);
    sim_schedule(&g->sim->world, event,
                 g->sim->world.now + rng_between(&faults->rng, 1, 2 * faults->every_ns));
}

void groups_faults_begin(struct groups_sim *g)
{
    g->faults.next.happen = next_fault;
    g->faults.then.happen = part_with_who_has_it;
    if (rng_below(&g->faults.rng, 4) == 0)
        g->faults.kinds = 1u << ENGINE_HEARS_NOTHING | 1u << ENGINE_STUMBLES_PROMOTING;
    /* Where nobody lies more is claimed. */
    if (rng_below(&g->faults.rng, 4))
        g->faults.kinds &= ~LIES;
    /* The leader of consensus has to stay in such a run, and a node with it. */
    if (g->sim->plan.steady)
        g->faults.kinds &= ~(1u << AGENT_IS_KILLED);
    if (g->faults.kinds)
        sim_schedule(&g->sim->world, &g->faults.next, g->sim->plan.quiet_ns);
}

void groups_faults_end(struct groups_sim *g)
{
    sim_cancel(&g->sim->world, &g->faults.next);
    sim_cancel(&g->sim->world, &g->faults.then);
    for (uint32_t slot = 0; slot < g->groups; slot++)
        for (uint32_t i = 0; i < g->sim->plan.hosts; i++) {
            struct engine_sim *e = g->engines[slot][i];

            e->stuck_until = e->slow_until = e->refuses_until = e->lame_until = 0;
            e->deaf_until = 0;
            e->stumbles = STUMBLE_NOT;
            memset(e->lies_until, 0, sizeof e->lies_until);
        }
}
