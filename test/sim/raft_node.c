#include "raft_node.h"

#include <stdlib.h>
#include <string.h>

/* ---- logs ---- */

void core_log_add(struct core_log *log, const struct core_entry *entry)
{
    if (log->count == log->cap) {
        log->cap = log->cap ? log->cap * 2 : 64;
        log->at = realloc(log->at, log->cap * sizeof *log->at);
        must(log->at != NULL);
    }
    log->at[log->count++] = *entry;
}

static void log_reset(struct core_log *log, uint64_t base, uint64_t base_term)
{
    log->base = base;
    log->base_term = base_term;
    log->count = 0;
}

static void log_copy(struct core_log *to, const struct core_log *from, uint64_t after,
                     uint64_t last)
{
    log_reset(to, after, 0);
    for (uint64_t i = after + 1; i <= last; i++)
        core_log_add(to, &from->at[i - from->base - 1]);
}

static void log_drop_to(struct core_log *log, uint64_t base)
{
    uint64_t gone = base - log->base;

    if (base <= log->base || gone > log->count)
        return;
    log->base_term = log->at[gone - 1].raft.term;
    memmove(log->at, log->at + gone, (size_t)(log->count - gone) * sizeof *log->at);
    log->base = base;
    log->count -= gone;
}

struct instant core_node_now(const struct core_node *node)
{
    return (struct instant){sim_clock_read(node->host, LOOP_MONOTONIC)};
}

/* ---- the state machine ---- */

static uint64_t mixed(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 31;
}

static void apply(struct core_node *node, uint64_t commit)
{
    for (uint64_t i = node->raft.applied + 1; i <= commit; i++) {
        const struct core_entry *entry = &node->log.at[i - node->log.base - 1];

        must(i > node->log.base && i <= node->log.base + node->log.count);
        node->hash = mixed(node->hash, entry->body << 2 | entry->raft.kind);
        raft_applied(&node->raft, i);
    }
}

/* ---- persistence ---- */

static void write_meta(struct core_node *node)
{
    node->disk.term = node->job.term;
    node->disk.vote = node->job.vote;
}

/* The first `count` entries of the job. */
static void write_log(struct core_node *node, uint64_t count)
{
    const struct core_job *job = &node->job;
    struct core_log *log = &node->disk.log;

    if (!job->log)
        return;
    must(job->keep >= log->base && job->keep <= log->base + log->count);
    log->count = job->keep - log->base;
    for (uint64_t i = 0; i < count; i++)
        core_log_add(log, &job->entries.at[i]);
}

/* The power goes while it is written: nothing, the metadata, or some of the entries too are there. */
static void write_part(struct core_node *node)
{
    uint64_t part = rng_below(&node->sim->world.rng, 3);

    if (node->job.ticket == 0 || part == 0)
        return;
    write_meta(node);
    if (part == 2)
        write_log(node, rng_below(&node->sim->world.rng, node->job.entries.count + 1));
}

static void job_done(struct sim_event *event)
{
    struct core_node *node = container_of(event, struct core_node, job.event);
    struct sim_disk_state *disk = &node->host->disk;
    uint64_t ticket = node->job.ticket;

    if (node->host->paused) {
        sim_schedule(&node->sim->world, event, node->sim->world.now + 20 * NS_PER_MS);
        return;
    }
    if (disk->sync_fails || (disk->dies_after && disk->dies_after-- == 1)) {
        disk->died = !disk->sync_fails;
        node->host->failed = disk->sync_fails;
        return;
    }
    write_meta(node);
    node->job.ticket = 0;
    if (disk->full && node->job.log && node->job.entries.count > 0) {
        raft_disk_full(&node->raft, ticket, core_node_now(node));
    } else {
        write_log(node, node->job.entries.count);
        raft_persisted(&node->raft, ticket, core_node_now(node));
    }
    core_node_turn(node);
}

static void persist(struct core_node *node, const struct raft_actions *actions)
{
    struct core_job *job = &node->job;

    if (actions->persist.ticket == 0)
        return;
    must(job->ticket == 0);
    job->ticket = actions->persist.ticket;
    job->term = actions->persist.term;
    job->vote = actions->persist.vote;
    job->log = actions->persist.log;
    job->keep = actions->persist.keep;
    job->last = actions->persist.last;
    log_reset(&job->entries, 0, 0);
    if (job->log)
        log_copy(&job->entries, &node->log, job->keep, job->last);
    sim_schedule(&node->sim->world, &job->event,
                 node->sim->world.now +
                     rng_between(&node->sim->world.rng, 1, 2 * node->host->disk.sync_ns));
}

/* ---- snapshots ---- */

static void snapshot_saved(struct sim_event *event)
{
    struct core_node *node = container_of(event, struct core_node, saved);
    uint64_t index = node->saving.index, keep = index > 20 ? index - 20 : 0;

    if (node->raft.snapshot_index < index) {
        node->disk.snapshot = node->saving;
        if (keep < node->log.base)
            keep = node->log.base;
        if (keep > node->disk.log.base + node->disk.log.count)
            keep = node->disk.log.base + node->disk.log.count;
        log_drop_to(&node->log, keep);
        log_drop_to(&node->disk.log, keep);
        raft_snapshot_saved(&node->raft, index, node->log.base + 1);
    }
    node->saving.index = 0;
    core_node_turn(node);
}

static void snapshot_if_due(struct core_node *node)
{
    const struct raft *raft = &node->raft;
    const struct raft_config *config;

    if (node->saving.index || raft->fetch_from || raft->applied > raft->stored ||
        raft->applied <= raft->snapshot_index ||
        (raft->applied - raft->snapshot_index < core_of(node->sim)->snapshot_every &&
         !raft_wants_snapshot(raft)))
        return;
    config = raft_config_at(raft, raft->applied);
    if (!config)
        return;
    node->saving = (struct core_snapshot){.index = raft->applied,
                                          .term = raft_term_at(raft, raft->applied),
                                          .hash = node->hash,
                                          .config = *config};
    sim_schedule(&node->sim->world, &node->saved,
                 node->sim->world.now + 5 * node->host->disk.sync_ns);
}

static bool can_fetch(struct core_node *node, const struct core_node *from)
{
    const struct sim_world *world = &node->sim->world;

    return from && from->runs && !from->host->paused &&
           !world->link[from->host->index][node->host->index].cut &&
           !world->link[node->host->index][from->host->index].cut &&
           from->disk.snapshot.index >= node->raft.fetch_index &&
           from->disk.snapshot.index > node->raft.commit;
}

static void install(struct core_node *node, const struct core_snapshot *snapshot)
{
    node->disk.snapshot = *snapshot;
    log_reset(&node->disk.log, snapshot->index, snapshot->term);
    log_reset(&node->log, snapshot->index, snapshot->term);
    node->hash = snapshot->hash;
    node->saving.index = 0;
    sim_cancel(&node->sim->world, &node->saved);
    raft_snapshot_installed(&node->raft, snapshot->index, snapshot->term, &snapshot->config,
                            core_node_now(node));
}

static void snapshot_fetched(struct sim_event *event)
{
    struct core_node *node = container_of(event, struct core_node, fetched);
    const struct core_node *from = core_node_of(core_of(node->sim), node->raft.fetch_from);

    if (node->host->paused || node->job.ticket) {
        sim_schedule(&node->sim->world, event, node->sim->world.now + NS_PER_MS);
        return;
    }
    node->fetching = false;
    if (node->raft.fetch_from == 0)
        return;
    if (can_fetch(node, from))
        install(node, &from->disk.snapshot);
    else
        raft_snapshot_failed(&node->raft, node->raft.fetch_from);
    core_node_turn(node);
}

/* ---- one turn ---- */

static void answer_reads(struct core_node *node, const struct raft_actions *actions)
{
    for (uint32_t i = 0; i < actions->reads; i++) {
        const struct core_ask *ask = &node->reads[actions->read[i].id % RAFT_READS_MAX];

        if (ask->id == actions->read[i].id && actions->read[i].index < ask->index)
            sim_violated(node->sim, "reads see what was acknowledged",
                         "member %u confirms a read at %llu, asked when %llu was committed",
                         node->member, (unsigned long long)actions->read[i].index,
                         (unsigned long long)ask->index);
    }
}

/* An election adds an entry that nobody proposed. */
static void fill(struct core_node *node)
{
    while (node->log.base + node->log.count < node->raft.last) {
        uint64_t index = node->log.base + node->log.count + 1;

        core_log_add(&node->log, &(struct core_entry){.raft.term = raft_term_at(&node->raft, index),
                                                      .raft.kind = RAFT_NOOP});
    }
}

void core_node_turn(struct core_node *node)
{
    static struct raft_actions actions;

    fill(node);
    raft_ready(&node->raft, core_node_now(node), &actions);
    fill(node);
    persist(node, &actions);
    for (uint32_t i = 0; i < actions.sends; i++)
        core_send(node, &actions.send[i]);
    if (actions.commit > node->raft.applied)
        apply(node, actions.commit);
    answer_reads(node, &actions);
    if (actions.fetch_from && !node->fetching) {
        node->fetching = true;
        sim_schedule(&node->sim->world, &node->fetched, node->sim->world.now + 4 * NS_PER_MS);
    }
    snapshot_if_due(node);
    sim_schedule(&node->sim->world, &node->timer,
                 sim_clock_when(node->host, raft_next_deadline(&node->raft).ns));
    node->host->stepped = true;
}

static void timer_fired(struct sim_event *event)
{
    struct core_node *node = container_of(event, struct core_node, timer);

    if (node->host->paused) {
        sim_schedule(&node->sim->world, event, node->sim->world.now + 20 * NS_PER_MS);
        return;
    }
    raft_tick(&node->raft, core_node_now(node));
    core_node_turn(node);
}

enum raft_outcome core_node_propose(struct core_node *node)
{
    uint64_t index;
    enum raft_outcome outcome = raft_propose(&node->raft, core_node_now(node), &index);

    if (outcome == RAFT_ACCEPTED) {
        must(index == node->log.base + node->log.count + 1);
        core_log_add(&node->log,
                     &(struct core_entry){.raft = {.term = node->raft.term, .kind = RAFT_COMMAND},
                                          .body = core_of(node->sim)->next_body++});
    }
    return outcome;
}

/* ---- a node's life ---- */

void core_node_open(struct core_node *node, struct sim *sim, uint32_t host)
{
    *node = (struct core_node){
        .sim = sim,
        .host = &sim->world.host[host],
        .job.event.happen = job_done,
        .timer.happen = timer_fired,
        .fetched.happen = snapshot_fetched,
        .saved.happen = snapshot_saved,
    };
}

void core_node_close(struct core_node *node)
{
    free(node->log.at);
    free(node->disk.log.at);
    free(node->job.entries.at);
}

void core_node_found(struct core_node *node, const struct raft_config *config)
{
    node->disk.snapshot =
        (struct core_snapshot){.index = 1, .term = 1, .hash = 1, .config = *config};
    node->disk.term = 1;
    log_reset(&node->disk.log, 1, 1);
}

void core_node_wipe(struct core_node *node, uint32_t member)
{
    node->member = member;
    node->disk.term = 0;
    node->disk.vote = 0;
    node->disk.snapshot = (struct core_snapshot){0};
    log_reset(&node->disk.log, 0, 0);
}

void core_node_start(struct core_node *node)
{
    struct core_disk *disk = &node->disk;
    const struct sim_plan *plan = &node->sim->plan;
    bool witness = plan->witness && node->host->index == plan->hosts - 1;
    struct raft_options options = {
        .self = node->member,
        .seed = rng_next(&node->sim->world.rng),
        .heartbeat_ns = plan->heartbeat_ms * NS_PER_MS,
        .election_ns = plan->election_ms * NS_PER_MS,
    };
    struct raft_restored restored = {
        .term = disk->term,
        .vote = disk->vote,
        .snapshot_index = disk->snapshot.index,
        .snapshot_term = disk->snapshot.term,
        .snapshot_config = disk->snapshot.config,
    };
    struct raft_entry *entries;

    (void)witness;
    if (disk->log.base + disk->log.count <= disk->snapshot.index)
        log_reset(&disk->log, disk->snapshot.index, disk->snapshot.term);
    else
        log_drop_to(&disk->log, disk->snapshot.index);
    log_copy(&node->log, &disk->log, disk->log.base, disk->log.base + disk->log.count);
    entries = calloc((size_t)disk->log.count + 1, sizeof *entries);
    must(entries != NULL);
    for (uint64_t i = 0; i < disk->log.count; i++)
        entries[i] = disk->log.at[i].raft;
    restored.last = disk->log.base + disk->log.count;
    restored.entries = entries;
    raft_init(&node->raft, &options, &restored, core_node_now(node));
    free(entries);
    node->hash = disk->snapshot.hash;
    node->runs = true;
    node->fetching = false;
    node->saving.index = 0;
    node->job.ticket = 0;
    core_node_turn(node);
}

void core_node_kill(struct core_node *node, bool power)
{
    struct sim_world *world = &node->sim->world;

    /* A job that a process leaves behind is as good as one that the power cut short. */
    (void)power;
    write_part(node);
    node->runs = false;
    node->job.ticket = 0;
    sim_cancel(world, &node->job.event);
    sim_cancel(world, &node->timer);
    sim_cancel(world, &node->fetched);
    sim_cancel(world, &node->saved);
    node->host->stepped = true;
}
