/*
 * Who breaks what and when. A seed picks some kinds of faults, and from then on draws from them; several may be under way at once.
 *
 * Links are always computed anew from all faults under way, so that they may overlap and end in any order.
 */
#include "sim.h"

#include "consensus/raft.h"

#define SLOWEST_SYNC_NS (2 * NS_PER_S)

struct fault_row {
    const char *name;
    enum sim_fault_family family;
    void (*begin)(struct sim *sim, struct sim_fault *fault);
    bool (*cuts)(const struct sim_fault *fault, uint32_t from, uint32_t to);
    int64_t low, high; /* of the amount, if it has one */
    bool down, disk, wipes;
};

static const struct fault_row faults[FAULT_KINDS];

/* ---- links ---- */

static bool cuts_host(const struct sim_fault *fault, uint32_t from, uint32_t to)
{
    return from == fault->a || to == fault->a;
}

static bool cuts_parts(const struct sim_fault *fault, uint32_t from, uint32_t to)
{
    return ((fault->amount >> from ^ fault->amount >> to) & 1) != 0;
}

static bool cuts_one_way(const struct sim_fault *fault, uint32_t from, uint32_t to)
{
    return from == fault->a && to == fault->b;
}

static bool cuts_hearing(const struct sim_fault *fault, uint32_t from, uint32_t to)
{
    (void)from;
    return to == fault->a;
}

static bool cuts_both_ways(const struct sim_fault *fault, uint32_t from, uint32_t to)
{
    return cuts_one_way(fault, from, to) || cuts_one_way(fault, to, from);
}

static void apply_to_link(const struct sim_fault *fault, struct sim_link *link, uint32_t from,
                          uint32_t to)
{
    bool (*cuts)(const struct sim_fault *, uint32_t, uint32_t) = faults[fault->kind].cuts;

    if (cuts && cuts(fault, from, to))
        link->cut = true;
    if (fault->kind == FAULT_LOSS)
        link->loss = (double)fault->amount / 100;
    if (fault->kind == FAULT_DELAY && cuts_host(fault, from, to))
        link->jitter_ns += fault->amount * NS_PER_MS;
}

static void compute_links(struct sim *sim)
{
    for (uint32_t from = 0; from < sim->world.hosts; from++)
        for (uint32_t to = 0; to < sim->world.hosts; to++) {
            struct sim_link link = sim->plan.link;

            for (int i = 0; i < FAULT_SLOTS && from != to; i++)
                if (sim->faults.slot[i].active)
                    apply_to_link(&sim->faults.slot[i], &link, from, to);
            sim->world.link[from][to] = link;
        }
}

/* ---- hosts ---- */

static void kill_host(struct sim *sim, uint32_t index, bool power)
{
    struct sim_host *host = &sim->world.host[index];

    if (!host->running)
        return;
    sim->subject->kill(sim, index, power);
    sim->checks.host[index].present = false;
    host->running = false;
    host->powered = !power;
    host->paused = false;
}

static void wipe_host(struct sim *sim, uint32_t index)
{
    sim->subject->wipe(sim, index);
    sim->faults.damaged &= ~(1u << index);
    checks_forget(&sim->checks, index);
}

static void start_host(struct sim *sim, uint32_t index)
{
    struct sim_host *host = &sim->world.host[index];

    if (host->running)
        return;
    host->powered = true;
    host->running = true;
    host->failed = host->disk.died = false;
    SIM_TELL(&sim->world, (int)index, "starts");
    if (sim->subject->start(sim, index))
        return;
    SIM_TELL(&sim->world, (int)index, "refuses its disk, and gets a new one");
    if (!(sim->faults.damaged >> index & 1))
        sim_violated(sim, "a disk is refused only when it is damaged", "host %u refuses its disk",
                     index + 1);
    wipe_host(sim, index);
    must(sim->subject->start(sim, index));
}

/* ---- what happens at the beginning of each ---- */

static void begin_kill(struct sim *sim, struct sim_fault *fault)
{
    kill_host(sim, fault->a, false);
}

static void begin_power(struct sim *sim, struct sim_fault *fault)
{
    kill_host(sim, fault->a, true);
}

static void begin_all_power(struct sim *sim, struct sim_fault *fault)
{
    (void)fault;
    for (uint32_t i = 0; i < sim->world.hosts; i++)
        kill_host(sim, i, true);
}

static void begin_pause(struct sim *sim, struct sim_fault *fault)
{
    sim->world.host[fault->a].paused = true;
}

static void begin_stutter(struct sim *sim, struct sim_fault *fault)
{
    sim->world.host[fault->a].stutter_ns = fault->amount * NS_PER_MS;
}

static void begin_flap(struct sim *sim, struct sim_fault *fault)
{
    sim->subject->reset(sim, fault->a, fault->b);
}

static void begin_cut_off(struct sim *sim, struct sim_fault *fault)
{
    for (uint32_t i = 0; i < sim->world.hosts; i++)
        if (i != fault->a)
            sim->subject->reset(sim, fault->a, i);
}

static void begin_drift(struct sim *sim, struct sim_fault *fault)
{
    sim_clock_drift(&sim->world.host[fault->a], fault->amount);
}

static void begin_jump(struct sim *sim, struct sim_fault *fault)
{
    sim_clock_jump(&sim->world.host[fault->a], fault->amount * NS_PER_MS,
                   fault->amount * NS_PER_MS);
}

static void begin_slow_disk(struct sim *sim, struct sim_fault *fault)
{
    int64_t slow_ns = sim->plan.sync_ns * fault->amount;

    sim->world.host[fault->a].disk.sync_ns = slow_ns < SLOWEST_SYNC_NS ? slow_ns : SLOWEST_SYNC_NS;
}

static void begin_full_disk(struct sim *sim, struct sim_fault *fault)
{
    sim->world.host[fault->a].disk.full = true;
}

static void begin_sync_fails(struct sim *sim, struct sim_fault *fault)
{
    sim->world.host[fault->a].disk.sync_fails = true;
}

static void begin_cut_job(struct sim *sim, struct sim_fault *fault)
{
    sim->world.host[fault->a].disk.dies_after = (uint32_t)fault->amount;
}

static void begin_wipe(struct sim *sim, struct sim_fault *fault)
{
    kill_host(sim, fault->a, true);
    wipe_host(sim, fault->a);
}

static void begin_rot(struct sim *sim, struct sim_fault *fault)
{
    kill_host(sim, fault->a, true);
    if (sim->subject->rot(sim, fault->a))
        sim->faults.damaged |= 1u << fault->a;
    else
        sim->faults.wipes_left++;
}

/* The name completes the sentence "host a …". `down`: the process does not run meanwhile. `changed`: a disk that has to be repaired. */
static const struct fault_row faults[FAULT_KINDS] = {
    [FAULT_KILL] = {"is killed", FAMILY_KILL, .begin = begin_kill, .down = true},
    [FAULT_POWER] = {"loses power", FAMILY_POWER, .begin = begin_power, .down = true},
    [FAULT_ALL_POWER] = {"and all others lose power", FAMILY_POWER, .begin = begin_all_power,
                         .down = true},
    [FAULT_PAUSE] = {"is stopped", FAMILY_PAUSE, .begin = begin_pause},
    [FAULT_STUTTER] = {"is stopped again and again", FAMILY_PAUSE, .begin = begin_stutter,
                       .low = 10, .high = 2000},
    [FAULT_ISOLATE] = {"is isolated", FAMILY_PARTITION, .cuts = cuts_host},
    [FAULT_SPLIT] = {"and others are split into parts", FAMILY_PARTITION, .cuts = cuts_parts},
    [FAULT_CUT_OFF] = {"is cut off, and everybody sees it", FAMILY_PARTITION,
                       .begin = begin_cut_off, .cuts = cuts_host},
    [FAULT_ONE_WAY] = {"is not heard by one", FAMILY_PARTITION, .cuts = cuts_one_way},
    [FAULT_DEAF] = {"hears nobody", FAMILY_PARTITION, .cuts = cuts_hearing},
    [FAULT_PARTIAL] = {"and one other do not hear each other", FAMILY_PARTITION,
                       .cuts = cuts_both_ways},
    [FAULT_FLAP] = {"has connections reset", FAMILY_LINK, .begin = begin_flap},
    [FAULT_LOSS] = {"and all others lose packets", FAMILY_LINK, .low = 2, .high = 40},
    [FAULT_DELAY] = {"is far away", FAMILY_LINK, .low = 1, .high = 2000},
    [FAULT_DRIFT] = {"has a clock that drifts", FAMILY_CLOCK, .begin = begin_drift, .low = -10000,
                     .high = 10000},
    [FAULT_JUMP] = {"has a clock that jumps", FAMILY_CLOCK, .begin = begin_jump, .low = 100,
                    .high = 8000},
    [FAULT_SLOW_DISK] = {"has a slow disk", FAMILY_DISK, .begin = begin_slow_disk, .disk = true,
                         .low = 10, .high = 2000},
    [FAULT_FULL_DISK] = {"has a full disk", FAMILY_DISK, .begin = begin_full_disk, .disk = true},
    [FAULT_SYNC_FAILS] = {"has a disk whose sync fails", FAMILY_DISK, .begin = begin_sync_fails,
                          .disk = true, .down = true},
    [FAULT_CUT_JOB] = {"loses power while it writes", FAMILY_DISK, .begin = begin_cut_job,
                       .disk = true, .down = true, .low = 1, .high = 20},
    [FAULT_WIPE] = {"loses its disk", FAMILY_POWER, .begin = begin_wipe, .down = true,
                    .wipes = true},
    [FAULT_ROT] = {"loses power, and a bit on its disk flips", FAMILY_POWER, .begin = begin_rot,
                   .down = true, .wipes = true},
};

static void repair_disk(struct sim *sim, struct sim_host *host)
{
    host->disk = (struct sim_disk_state){.sync_ns = sim->plan.sync_ns};
}

static void end(struct sim_event *event)
{
    struct sim_fault *fault = container_of(event, struct sim_fault, end);
    const struct fault_row *row = &faults[fault->kind];
    struct sim *sim = fault->sim;
    struct sim_host *host = &sim->world.host[fault->a];

    fault->active = false;
    sim->faults.ended = sim->world.now;
    SIM_TELL(&sim->world, (int)fault->a, "(no longer: %s)", row->name);
    if (row->down || row->disk)
        repair_disk(sim, host);
    if (fault->kind == FAULT_STUTTER)
        host->stutter_ns = 0;
    if (fault->kind == FAULT_PAUSE) {
        host->paused = false;
        sim->checks.host[fault->a].heard_majority = sim_host_awake(host);
    }
    if (fault->kind == FAULT_ALL_POWER)
        for (uint32_t i = 0; i < sim->world.hosts; i++)
            start_host(sim, i);
    else if (row->down)
        start_host(sim, fault->a);
    compute_links(sim);
}

/* ---- choosing ---- */

static bool draw_kind(struct sim *sim, enum sim_fault_kind *kind)
{
    uint32_t kinds = sim->plan.kinds, chosen;

    if (sim->faults.wipes_left == 0)
        kinds &= ~(1u << FAULT_WIPE | 1u << FAULT_ROT);
    if (kinds == 0)
        return false;
    chosen = (uint32_t)rng_below(&sim->faults.rng, (uint64_t)__builtin_popcount(kinds));
    while (chosen-- > 0)
        kinds &= kinds - 1;
    *kind = (enum sim_fault_kind)__builtin_ctz(kinds);
    return true;
}

static uint32_t downs(const struct sim *sim)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < sim->world.hosts; i++)
        count += !sim->world.host[i].running;
    return count;
}

static uint32_t under_way(const struct sim *sim)
{
    uint32_t count = 0;

    for (int i = 0; i < FAULT_SLOTS; i++)
        count += sim->faults.slot[i].active;
    return count;
}

static bool leads(struct sim *sim, uint32_t host)
{
    const struct raft *raft = sim->subject->raft(sim, host);

    return raft && raft->role == RAFT_LEADER;
}

/* The leader that must stay has just heard from everybody, since the last fault ended: one of them can be spared. */
static bool is_whole(struct sim *sim)
{
    int64_t fresh = 2 * sim->plan.heartbeat_ms * NS_PER_MS,
            calm = sim->world.now - sim->faults.ended;

    const struct sim_host *host = &sim->world.host[sim->checks.steady_host];
    const struct raft *raft = sim->subject->raft(sim, host->index);

    if (!sim->checks.steady || !raft || raft->role != RAFT_LEADER || downs(sim) > 0)
        return false;
    for (uint32_t i = 0; i < raft->config.count; i++)
        if (raft->config.members[i].id != raft->options.self &&
            sim_clock_read(host, LOOP_MONOTONIC) - raft->progress[i].heard.ns >
                (fresh < calm ? fresh : calm))
            return false;
    return true;
}

static int64_t draw_length(struct sim *sim)
{
    if (sim->plan.storm)
        return rng_between(&sim->faults.rng, 1, sim->plan.election_ms * 2) * NS_PER_MS;
    /* Mostly about as long as an election takes, sometimes much longer. */
    int64_t most = sim->plan.election_ms * (rng_below(&sim->faults.rng, 4) == 0 ? 12 : 3);

    return rng_between(&sim->faults.rng, 1, most) * NS_PER_MS;
}

/* Any; in a storm and among rivals mostly one that leads. */
static uint32_t draw_host(struct sim *sim)
{
    uint32_t host = (uint32_t)rng_below(&sim->faults.rng, sim->world.hosts);

    for (uint32_t i = 0; i < sim->world.hosts && (sim->plan.storm || sim->plan.rivals); i++)
        if (leads(sim, i) && rng_below(&sim->faults.rng, 3) > 0)
            return i;
    return host;
}

static struct sim_fault *free_slot(struct sim *sim)
{
    for (int i = 0; i < FAULT_SLOTS; i++)
        if (!sim->faults.slot[i].active)
            return &sim->faults.slot[i];
    return NULL;
}

static void try_one(struct sim *sim, enum sim_fault_kind kind)
{
    struct rng *rng = &sim->faults.rng;
    struct sim_fault *fault = free_slot(sim);
    const struct fault_row *row = &faults[kind];

    if (!fault)
        return;
    fault->kind = kind;
    fault->a = draw_host(sim);
    fault->b = (fault->a + 1 + (uint32_t)rng_below(rng, sim->world.hosts - 1)) % sim->world.hosts;
    fault->amount = kind == FAULT_SPLIT ? rng_between(rng, 1, (1 << sim->world.hosts) - 2)
                                        : rng_between(rng, row->low, row->high);
    if (row->down && !sim->world.host[fault->a].running)
        return;
    if (sim->plan.steady && (under_way(sim) > 0 || leads(sim, fault->a) || !is_whole(sim)))
        return;
    if ((kind == FAULT_PAUSE && sim->world.host[fault->a].paused) ||
        (kind == FAULT_STUTTER && sim->world.host[fault->a].stutter_ns))
        return;
    if (row->wipes && downs(sim) > 0)
        return;
    if (row->wipes)
        sim->faults.wipes_left--;
    SIM_TELL(&sim->world, (int)fault->a, "* %s (%u, %lld)", row->name, fault->b + 1,
             (long long)fault->amount);
    sim_mix(&sim->world, (uint64_t)kind << 8 | fault->a);
    sim->faults.counts[row->family]++;
    fault->active = true;
    sim_schedule(&sim->world, &fault->end, sim->world.now + draw_length(sim));
    if (row->begin)
        row->begin(sim, fault);
    compute_links(sim);
}

static void next_fault(struct sim_event *event)
{
    struct sim *sim = container_of(event, struct sim, faults.next);
    enum sim_fault_kind kind;

    if (draw_kind(sim, &kind))
        try_one(sim, kind);
    sim_schedule(&sim->world, event,
                 sim->world.now + rng_between(&sim->faults.rng, 1, 2 * sim->plan.fault_every_ns));
}

/* Another split instead of what splits there are. */
static void strike(struct sim_event *event)
{
    struct sim *sim = container_of(event, struct sim, faults.strike);

    for (int i = 0; i < FAULT_SLOTS; i++) {
        struct sim_fault *fault = &sim->faults.slot[i];

        if (!fault->active || fault->kind != FAULT_SPLIT)
            continue;
        sim_cancel(&sim->world, &fault->end);
        end(&fault->end);
    }
    try_one(sim, FAULT_SPLIT);
}

void faults_provoke(struct sim *sim)
{
    const struct sim_link *link = &sim->plan.link;
    int64_t most = 3 * (link->delay_ns + link->jitter_ns + sim->plan.sync_ns);

    if (!sim->plan.churn || sim->calm || sim->faults.strike.place ||
        sim->world.now < sim->plan.quiet_ns)
        return;
    if (rng_below(&sim->faults.rng, 2) == 0)
        sim_schedule(&sim->world, &sim->faults.strike,
                     sim->world.now + rng_between(&sim->faults.rng, 0, most));
}

static void next_load(struct sim_event *event)
{
    struct sim *sim = container_of(event, struct sim, faults.client);

    sim->subject->load(sim);
    sim_schedule(&sim->world, event,
                 sim->world.now + rng_between(&sim->load, 1, 2 * sim->plan.load_every_ns));
}

void faults_begin(struct sim *sim)
{
    for (int i = 0; i < FAULT_SLOTS; i++)
        sim->faults.slot[i] = (struct sim_fault){.sim = sim, .end.happen = end};
    sim->faults.next.happen = next_fault;
    sim->faults.strike.happen = strike;
    sim->faults.client.happen = next_load;
    sim->faults.wipes_left = (sim->plan.hosts - 1) / 2;
    for (uint32_t i = 0; i < sim->world.hosts; i++) {
        repair_disk(sim, &sim->world.host[i]);
        start_host(sim, i);
    }
    compute_links(sim);
    sim_schedule(&sim->world, &sim->faults.next, sim->plan.quiet_ns);
    sim_schedule(&sim->world, &sim->faults.client, sim->plan.quiet_ns / 2);
}

void faults_end(struct sim *sim)
{
    SIM_TELL(&sim->world, -1, "calm");
    sim_cancel(&sim->world, &sim->faults.next);
    sim_cancel(&sim->world, &sim->faults.strike);
    for (int i = 0; i < FAULT_SLOTS; i++) {
        struct sim_fault *fault = &sim->faults.slot[i];

        if (!fault->active)
            continue;
        sim_cancel(&sim->world, &fault->end);
        end(&fault->end);
    }
    for (uint32_t i = 0; i < sim->world.hosts; i++) {
        sim_clock_drift(&sim->world.host[i], 0);
        sim->world.host[i].paused = false;
        sim->world.host[i].stutter_ns = 0;
        sim->world.host[i].stale_reads = 0;
        repair_disk(sim, &sim->world.host[i]);
        start_host(sim, i);
    }
    sim->plan.link.loss = 0;
    compute_links(sim);
    sim->calm = true;
    sim->subject->calm(sim);
}

void faults_ended(struct sim *sim, uint32_t host, bool power)
{
    SIM_TELL(&sim->world, (int)host, "* ends, for its disk %s", power ? "lost power" : "failed");
    sim->faults.counts[FAMILY_POWER] += power;
    kill_host(sim, host, power);
    repair_disk(sim, &sim->world.host[host]);
    for (int i = 0; i < FAULT_SLOTS; i++)
        if (sim->faults.slot[i].active && sim->faults.slot[i].a == host &&
            faults[sim->faults.slot[i].kind].down)
            return; /* its end starts the process again */
    for (int i = 0; i < FAULT_SLOTS; i++) {
        struct sim_fault *fault = &sim->faults.slot[i];

        if (fault->active)
            continue;
        *fault = (struct sim_fault){
            .sim = sim, .end.happen = end, .kind = FAULT_KILL, .a = host, .active = true};
        sim_schedule(&sim->world, &fault->end, sim->world.now + draw_length(sim));
        return;
    }
    start_host(sim, host);
}

const char *faults_family_name(enum sim_fault_family family)
{
    static const char *const names[FAMILIES] = {
        [FAMILY_KILL] = "kills",           [FAMILY_POWER] = "power cuts",
        [FAMILY_PARTITION] = "partitions", [FAMILY_PAUSE] = "pauses",
        [FAMILY_LINK] = "bad links",       [FAMILY_CLOCK] = "bad clocks",
        [FAMILY_DISK] = "bad disks",
    };

    return names[family];
}
