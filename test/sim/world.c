/*
 * The world: events in the order of their time, hosts, clocks, links.
 */
#include "world.h"

#include "network.h"

#include "net/backend.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEAP_FIRST = 256,
    PPM = 1000000,
    WALL_BEGIN_S = 1800000000, /* some day in 2027 */
    TURN_NS = 5000,            /* that a host's turn takes at least */
    STUTTERS = 100,            /* of so many turns one is stopped */
    STALE_READS = 8,
};

/* ---- events: a binary heap whose entries know their place ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void put(struct sim_world *world, uint32_t place, struct sim_event *event)
{
    world->heap[place] = event;
    event->place = place;
}

static void rise(struct sim_world *world, uint32_t place, struct sim_event *event)
{
    while (place > 1 && before(event, world->heap[place / 2])) {
        put(world, place, world->heap[place / 2]);
        place /= 2;
    }
    put(world, place, event);
}

static void sink(struct sim_world *world, uint32_t place, struct sim_event *event)
{
    for (;;) {
        uint32_t child = place * 2;

        if (child > world->events)
            break;
        if (child < world->events && before(world->heap[child + 1], world->heap[child]))
            child++;
        if (!before(world->heap[child], event))
            break;
        put(world, place, world->heap[child]);
        place = child;
    }
    put(world, place, event);
}

void sim_cancel(struct sim_world *world, struct sim_event *event)
{
    uint32_t place = event->place;
    struct sim_event *last;

    if (place == 0)
        return;
    event->place = 0;
    last = world->heap[world->events--];
    if (last == event)
        return;
    if (place > 1 && before(last, world->heap[place / 2]))
        rise(world, place, last);
    else
        sink(world, place, last);
}

void sim_schedule(struct sim_world *world, struct sim_event *event, int64_t at)
{
    sim_cancel(world, event);
    if (world->events + 1 >= world->heap_cap) {
        world->heap_cap = world->heap_cap ? world->heap_cap * 2 : HEAP_FIRST;
        world->heap = realloc(world->heap, world->heap_cap * sizeof(struct sim_event *));
        must(world->heap != NULL);
    }
    event->at = at > world->now ? at : world->now;
    event->order = world->order++;
    rise(world, ++world->events, event);
}

/* ---- clocks ---- */

static int64_t local_of(const struct sim_host *host, int64_t true_ns)
{
    return true_ns + true_ns / PPM * host->clock.drift_ppm +
           true_ns % PPM * host->clock.drift_ppm / PPM;
}

int64_t sim_clock_read(const struct sim_host *host, enum loop_clock clock)
{
    int64_t passed_ns = local_of(host, host->world->now - host->clock.since);

    switch (clock) {
    case LOOP_MONOTONIC:
        return host->clock.monotonic + passed_ns;
    case LOOP_BOOT:
        return host->clock.boot + passed_ns;
    case LOOP_WALL:
        return host->clock.wall + passed_ns;
    }
    never("a clock that does not exist");
}

int64_t sim_clock_ask(struct sim_host *host, enum loop_clock clock)
{
    if (!host->turning || host->stale_reads == 0)
        return sim_clock_read(host, clock);
    host->stale_reads--;
    return host->stale[clock];
}

int64_t sim_clock_when(struct sim_host *host, int64_t local)
{
    int64_t ahead = local - host->clock.monotonic, passed_ns;

    if (ahead <= 0)
        return host->clock.since;
    if (local == INT64_MAX)
        return INT64_MAX;
    /* Between two of its turns a host is asked for the same moment at every step. */
    if (host->clock.asked == local)
        return host->clock.when;
    passed_ns = (int64_t)((double)ahead / (1.0 + (double)host->clock.drift_ppm / PPM));
    /* Rounding may leave it a few ns early, and early is what a timer never is. */
    while (local_of(host, passed_ns) < ahead)
        passed_ns++;
    host->clock.asked = local;
    host->clock.when = host->clock.since + passed_ns;
    return host->clock.when;
}

void sim_clock_drift(struct sim_host *host, int64_t drift_ppm)
{
    sim_clock_jump(host, 0, 0); /* which forgets what was answered by the old rate */
    host->clock.drift_ppm = drift_ppm;
}

void sim_clock_jump(struct sim_host *host, int64_t boot_ns, int64_t wall_ns)
{
    struct sim_clock clock = {
        .drift_ppm = host->clock.drift_ppm,
        .since = host->world->now,
        .monotonic = sim_clock_read(host, LOOP_MONOTONIC),
        .boot = sim_clock_read(host, LOOP_BOOT) + boot_ns,
        .wall = sim_clock_read(host, LOOP_WALL) + wall_ns,
    };

    host->clock = clock;
}

/* ---- packets ---- */

int64_t sim_packet(struct sim_world *world, uint32_t from, uint32_t to)
{
    const struct sim_link *link = &world->link[from][to];
    int64_t delay = link->delay_ns;

    if (from == to)
        return world->now + link->delay_ns;
    if (link->cut || (link->loss > 0 && rng_chance(&world->rng, link->loss)))
        return -1;
    if (link->jitter_ns > 0)
        delay += rng_between(&world->rng, 0, link->jitter_ns);
    return world->now + delay;
}

struct sim_host *sim_host_at(struct sim_world *world, const struct address *address)
{
    for (uint32_t i = 0; i < world->hosts; i++)
        if (memcmp(world->host[i].address.ip, address->ip, sizeof address->ip) == 0)
            return &world->host[i];
    return NULL;
}

/* ---- the world ---- */

static void host_init(struct sim_world *world, uint32_t index)
{
    struct sim_host *host = &world->host[index];

    *host = (struct sim_host){
        .world = world,
        .index = index,
        .address = {.ip = {10, 0, 0, (uint8_t)(index + 1)}, .family = 4},
        .powered = true,
        /* No two hosts were started together. */
        .clock = {.monotonic = rng_between(&world->rng, 1, 1000) * NS_PER_S +
                               rng_between(&world->rng, 0, NS_PER_S),
                  .wall = WALL_BEGIN_S * NS_PER_S},
    };
    host->clock.boot = host->clock.monotonic;
    list_init(&host->ready);
    list_init(&host->ends);
    list_init(&host->listeners);
    list_init(&host->jobs);
    for (uint32_t to = 0; to < SIM_HOSTS_MAX; to++)
        world->link[index][to] =
            (struct sim_link){.delay_ns = 100 * NS_PER_US, .jitter_ns = 50 * NS_PER_US};
}

void sim_world_init(struct sim_world *world, uint64_t seed, uint32_t hosts, struct story *story)
{
    must(hosts <= SIM_HOSTS_MAX);
    *world = (struct sim_world){.hosts = hosts, .hash = seed, .story = story};
    rng_seed(&world->rng, seed);
    for (uint32_t i = 0; i < hosts; i++)
        host_init(world, i);
    world->network = sim_network_new(world);
}

void sim_world_fini(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->hosts; i++)
        must(world->host[i].loop == NULL);
    sim_network_free(world->network);
    free(world->heap);
}

/* True time of the host's next turn. */
static int64_t due(struct sim_host *host)
{
    int64_t soonest = host->free_at > host->world->now ? host->free_at : host->world->now;
    int64_t wait, local;

    if (!host->loop || host->paused)
        return INT64_MAX;
    if (!list_empty(&host->ready) || host->knocked)
        return soonest;
    wait = loop_patience(host->loop, INT64_MAX);
    if (wait == INT64_MAX)
        return INT64_MAX;
    if (wait == 0)
        return soonest;
    local = sim_clock_when(host, sim_clock_read(host, LOOP_MONOTONIC) + wait);
    return local > soonest ? local : soonest;
}

/* The turn begins and is stopped; what follows its first looks at the clocks happens later. */
static void stop_turn(struct sim_host *host)
{
    struct rng *rng = &host->world->rng;

    for (int clock = 0; clock < 3; clock++)
        host->stale[clock] = sim_clock_read(host, (enum loop_clock)clock);
    host->stale_reads = (uint32_t)rng_between(rng, 1, STALE_READS);
    host->stopped_at = host->world->now;
    host->free_at = host->world->now + rng_between(rng, 1, host->stutter_ns);
    host->stopped_ns += host->free_at - host->world->now;
}

static void turn(struct sim_host *host)
{
    sim_mix(host->world, (uint64_t)host->index + 1);
    if (host->stutter_ns && !host->stale_reads && rng_below(&host->world->rng, STUTTERS) == 0) {
        stop_turn(host);
        return;
    }
    host->free_at = host->world->now + TURN_NS;
    host->stepped = true;
    host->turning = true;
    loop_turn(host->loop, 0);
    host->turning = false;
    host->stale_reads = 0;
}

bool sim_step(struct sim_world *world, int64_t until)
{
    int64_t at = world->events ? world->heap[1]->at : INT64_MAX;
    struct sim_host *host = NULL;

    for (uint32_t i = 0; i < world->hosts; i++) {
        int64_t host_at = due(&world->host[i]);

        if (host_at < at) {
            at = host_at;
            host = &world->host[i];
        }
    }
    if (at > until) {
        world->now = until;
        return false;
    }
    world->now = at;
    world->steps++;
    sim_mix(world, (uint64_t)at);
    if (host) {
        turn(host);
    } else {
        struct sim_event *event = world->heap[1];

        sim_cancel(world, event);
        event->happen(event);
    }
    return true;
}

void sim_mix_bytes(struct sim_world *world, const void *at, size_t len)
{
    const uint8_t *byte = at;
    uint64_t word = len;

    for (; len >= sizeof word; len -= sizeof word, byte += sizeof word) {
        memcpy(&word, byte, sizeof word);
        sim_mix(world, word);
    }
    word = len;
    memcpy(&word, byte, len);
    sim_mix(world, word);
}
