#include "cluster_node.h"

#include "loop_sim.h"
#include "network.h"

#include <errno.h>
#include <string.h>

#include "topology/fact.h"

enum { PORT = 7400, CLOSING_TURNS = 1000 };

#define DISK_BYTES (256ull << 20)
#define LOG_PREFIX "log-"

static struct sim_node *node_of(struct disk *disk)
{
    return container_of(container_of(disk, struct disk_sim, disk), struct sim_node, disk);
}

/* ---- the disk takes its time, and is broken when the host's state says so ---- */

static struct disk_ops timed;
static const struct disk_ops *plain;

static void charge(struct sim_node *node, int64_t ns)
{
    node->host->job_ns += ns;
}

static void arm(struct sim_node *node)
{
    struct sim_disk_state *state = &node->host->disk;

    node->disk.capacity_bytes = state->full ? disk_sim_used(&node->disk) : DISK_BYTES;
    if (state->sync_fails) {
        state->sync_fails = false;
        disk_sim_fail(&node->disk, DISK_SIM_SYNC | DISK_SIM_SYNC_NAMES, 1, EIO);
    }
    if (state->dies_after) {
        disk_sim_crash_after(&node->disk, state->dies_after);
        state->dies_after = 0;
    }
    if (disk_sim_is_dead(&node->disk))
        state->died = true;
}

static bool timed_write(struct disk *disk, int file, uint64_t at, struct bytes bytes,
                        struct err *err)
{
    bool done;

    arm(node_of(disk));
    charge(node_of(disk), 2000 + (int64_t)bytes.len);
    done = plain->write(disk, file, at, bytes, err);
    arm(node_of(disk));
    return done;
}

static bool timed_sync(struct disk *disk, int file, struct err *err)
{
    struct sim_node *node = node_of(disk);
    bool done;

    arm(node);
    charge(node, rng_between(&node->sim->world.rng, node->host->disk.sync_ns / 2,
                             node->host->disk.sync_ns * 3 / 2));
    done = plain->sync(disk, file, err);
    arm(node);
    return done;
}

static bool timed_sync_names(struct disk *disk, struct err *err)
{
    struct sim_node *node = node_of(disk);
    bool done;

    arm(node);
    charge(node, node->host->disk.sync_ns);
    done = plain->sync_names(disk, err);
    arm(node);
    return done;
}

static bool timed_allocate(struct disk *disk, int file, uint64_t size, struct err *err)
{
    bool done;

    arm(node_of(disk));
    charge(node_of(disk), (int64_t)size / 4);
    done = plain->allocate(disk, file, size, err);
    arm(node_of(disk));
    return done;
}

static void disk_begin(struct sim_node *node)
{
    disk_sim_init(&node->disk, rng_next(&node->sim->world.rng), DISK_BYTES);
    plain = node->disk.disk.ops;
    timed = *plain;
    timed.write = timed_write;
    timed.sync = timed_sync;
    timed.sync_names = timed_sync_names;
    timed.allocate = timed_allocate;
    node->disk.disk.ops = &timed;
}

/* ---- what a cluster tells ---- */

static void told_fact(void *context, const struct fact *fact)
{
    struct sim_node *node = context;

    SIM_TELL(&node->sim->world, (int)node->host->index, "%s", fact->text);
}

static bool in_company(const struct sim_node *node)
{
    return node->company && !node->host->ending;
}

static void told_changed(void *context)
{
    struct sim_node *node = context;

    if (in_company(node))
        node->company->changed(node);
}

static void told_request(void *context, const char *from, uint64_t ticket, struct bytes bytes)
{
    struct sim_node *node = context;

    if (in_company(node))
        node->company->request(node, from, ticket, bytes);
    else
        cluster_answer(node->cluster, ticket, (struct bytes){0});
}

static void told_lease(void *context, uint32_t slot, const char *resource, struct instant until)
{
    struct sim_node *node = context;
    struct node_lease *lease = &node->leases[slot];

    if ((lease->until != 0) != (until.ns != 0))
        SIM_TELL(&node->sim->world, (int)node->host->index, "%s the lease of %s",
                 until.ns ? "holds" : "has no longer", resource);
    (void)snprintf(lease->resource, sizeof lease->resource, "%s", resource);
    lease->until = until.ns;
    node->held = (node->held & ~(UINT64_C(1) << slot)) | (uint64_t)(until.ns != 0) << slot;
    if (in_company(node))
        node->company->lease(node, resource, until);
}

static void told_failed(void *context, const struct err *err)
{
    struct sim_node *node = context;

    SIM_TELL(&node->sim->world, (int)node->host->index, "fails: %s", err->text);
    node->host->failed = true;
    node->refuses =
        !node->opened && !node->host->disk.died && err->number != EIO && err->number != ENOSPC;
}

static void told_closed(void *context)
{
    struct sim_node *node = context;

    node->closed = true;
    if (node->company)
        node->company->ended(node);
}

static const struct cluster_events events = {
    .fact = told_fact,
    .changed = told_changed,
    .lease = told_lease,
    .request = told_request,
    .failed = told_failed,
    .closed = told_closed,
};

/* ---- a node's life ---- */

void node_name(uint32_t host, char name[NODE_NAME])
{
    (void)snprintf(name, NODE_NAME, "n%u", host + 1);
}

void node_open(struct sim_node *node, struct sim *sim, uint32_t host,
               const struct node_company *company)
{
    *node = (struct sim_node){.sim = sim, .host = &sim->world.host[host], .company = company};
    disk_begin(node);
}

void node_close(struct sim_node *node)
{
    disk_sim_fini(&node->disk);
}

void node_wipe(struct sim_node *node)
{
    disk_sim_fini(&node->disk);
    disk_begin(node);
    node->refuses = false;
}

static bool open_cluster(struct sim_node *node, struct err *err)
{
    const struct sim_plan *plan = &node->sim->plan;
    struct cluster_node places[SIM_HOSTS_MAX] = {0};
    char names[SIM_HOSTS_MAX][NODE_NAME];
    struct cluster_options options = {
        .loop = node->host->loop,
        .disk = &node->disk.disk,
        .seed = rng_next(&node->sim->world.rng),
        .cluster = "sim",
        .node = names[node->host->index],
        .nodes = places,
        .node_count = plan->hosts,
        .timing = {.heartbeat_ms = plan->heartbeat_ms,
                   .election_ms = plan->election_ms,
                   .lease_ms = plan->lease_ms,
                   .drift_ppm = plan->drift_ppm,
                   .detection_beats = 5},
        .log = {.segment_bytes = 32 << 10,
                .snapshot_entries = plan->snapshot_entries,
                .keep_entries = plan->snapshot_entries / 4 + 1},
        .listeners = &node->listener,
        .listener_count = 1,
        .events = &events,
        .context = node,
    };

    for (uint32_t i = 0; i < plan->hosts; i++) {
        node_name(i, names[i]);
        places[i].name = names[i];
        places[i].zone = "";
        places[i].addresses[0] = node->sim->world.host[i].address;
        places[i].addresses[0].port = PORT;
        places[i].count = 1;
        places[i].witness = plan->witness && i == plan->hosts - 1;
    }
    return cluster_open(&node->cluster, &options, err);
}

/* What a process leaves when it is gone: its storage, which is ours to free, and nothing that anybody hears of. */
static void bury(struct sim_node *node, bool power)
{
    struct sim_clock clock = node->host->clock;

    node->host->ending = true;
    sim_network_forget(node->host, power);
    node->closed = node->cluster == NULL;
    cluster_close(node->cluster, false);
    for (int turns = 0; !node->closed; turns++) {
        must(turns < CLOSING_TURNS);
        loop_turn(node->host->loop, 0);
        /* One that was saying goodbye already waits for nobody any more. */
        if (turns > CLOSING_TURNS / 2)
            node->host->clock.monotonic += NS_PER_S;
    }
    node->host->clock = clock;
    node->cluster = NULL;
    sim_loop_close(node->host);
    node->host->ending = false;
    memset(node->leases, 0, sizeof node->leases);
    node->held = 0;
    node->applied = node->changes = node->epochs = 0;
}

bool node_start(struct sim_node *node)
{
    struct err err = {0};

    sim_loop_open(node->host);
    node->listener = sim_listen(node->host, PORT);
    node->opened = false;
    if (!node->refuses && open_cluster(node, &err)) {
        if (node->company)
            node->company->begun(node);
        return true;
    }
    SIM_TELL(&node->sim->world, (int)node->host->index, "does not start: %s", err.text);
    /* A disk that fails or is full now may not be so later. */
    if (!node->refuses && (err.number == EIO || err.number == ENOSPC)) {
        node->host->failed = true;
        return true;
    }
    bury(node, false);
    return false;
}

void node_kill(struct sim_node *node, bool power)
{
    bury(node, power);
    if (power)
        disk_sim_crash(&node->disk);
    else
        disk_sim_kill(&node->disk);
    node->host->stepped = true;
}

struct choice {
    struct rng *rng;
    uint32_t seen;
    char name[DISK_NAME_MAX];
};

static void choose(void *context, const char *name)
{
    struct choice *choice = context;

    if (rng_below(choice->rng, ++choice->seen) == 0)
        (void)snprintf(choice->name, sizeof choice->name, "%s", name);
}

/* Mostly one of a byte that says something: files are made with room to spare. */
static uint64_t draw_bit(struct rng *rng, struct bytes bytes)
{
    uint64_t at = rng_below(rng, bytes.len), seen = 0;
    bool any = rng_below(rng, 4) == 0;

    for (size_t i = 0; i < bytes.len && !any; i++)
        if (bytes.at[i] != 0 && rng_below(rng, ++seen) == 0)
            at = i;
    return at * 8 + rng_below(rng, 8);
}

/*
 * Any bit of any file, but for the end of the log while 'meta' does not say yet how far that is durable. Damage to the last batch cannot be told
 * from a write that was cut short then (wal/wal.h), so what was in it is lost without a word; after a crash the last batch may be the one before
 * the last write. What was written to the log before a sync of 'meta' is what that tells of: they take turns.
 */
bool node_rot(struct sim_node *node)
{
    struct choice choice = {.rng = &node->sim->faults.rng};
    struct bytes bytes;
    struct err err;
    uint64_t bit;

    if (!plain->list(&node->disk.disk, choose, &choice, &err) || choice.seen == 0)
        return false;
    bytes = disk_sim_bytes(&node->disk, choice.name);
    if (bytes.len == 0)
        return false;
    bit = draw_bit(choice.rng, bytes);
    if (strncmp(choice.name, LOG_PREFIX, strlen(LOG_PREFIX)) == 0 &&
        disk_sim_is_recent(&node->disk, LOG_PREFIX, choice.name, bit / 8,
                           disk_sim_synced(&node->disk, "meta")))
        return false;
    SIM_TELL(&node->sim->world, (int)node->host->index, "bit %llu of %s flips",
             (unsigned long long)bit, choice.name);
    disk_sim_flip(&node->disk, choice.name, bit);
    return true;
}
