/*
 * sim: whole clusters in one thread, on virtual time, from a seed.
 *
 * A world has hosts with clocks of their own, one-way links between them, and events in the order of their time. What runs on a host
 * is the real code over a loop whose kernel is the world (loop_sim.c). The world decides nothing and hides nothing: who breaks what
 * and when is in faults.c, what must hold in checks*.c.
 *
 * The same seed gives the same events in the same order, which sim_world.hash condenses: nothing reads a real clock, and no
 * order follows from an address in memory.
 */
#pragma once

#include "base/address.h"
#include "base/instant.h"
#include "base/list.h"
#include "base/rng.h"
#include "net/net.h"
#include "story.h"

enum { SIM_HOSTS_MAX = 8 };

struct sim_world;
struct sim_host;

/* ---- events ---- */

struct sim_event {
    int64_t at; /* true time */
    uint64_t order;
    uint32_t place; /* in the heap, from 1; 0: not scheduled */
    void (*happen)(struct sim_event *event);
};

void sim_schedule(struct sim_world *world, struct sim_event *event, int64_t at); /* or moves it */
void sim_cancel(struct sim_world *world, struct sim_event *event); /* not scheduled: nothing */

/* ---- hosts ---- */

/* Both clocks run at (1 + drift) of true time from the last change on. */
struct sim_clock {
    int64_t drift_ppm;
    int64_t since;                 /* true time of the last change */
    int64_t monotonic, boot, wall; /* at that moment */
    int64_t asked, when;           /* the last answer of sim_clock_when; asked 0: none */
};

/* How a host's disk behaves; what it holds is elsewhere. */
struct sim_disk_state {
    int64_t sync_ns;
    bool full, sync_fails;
    uint32_t dies_after; /* power goes with this operation, counted from now; 0: never */
    bool died;           /* it went */
};

struct sim_host {
    struct sim_world *world;
    uint32_t index;
    struct address address; /* port 0 */
    struct loop *loop;      /* of the process that runs; NULL: none */
    bool running;           /* its process lives */
    bool failed;            /* it says that it has to end */
    bool stepped;           /* it has done something since this was cleared */
    bool powered;           /* false: silence */
    bool paused;            /* its process does not run; its kernel does */
    bool ending; /* its process is being torn down after it died: what it does reaches nobody */
    struct sim_clock clock;
    struct sim_disk_state disk;
    struct list ready;          /* ends of connections with news for its loop */
    struct list ends;           /* all ends of connections that its process owns */
    struct list listeners;      /* of its process */
    struct listener *listening; /* of its loop */
    struct list jobs;           /* of its loop */
    int64_t job_ns;  /* how long the disk takes for the job that runs: added to by the disk */
    bool knocked;    /* a listener has somebody waiting, or a job ended */
    int64_t free_at; /* its last turn takes until then */
    /* Stopped in the middle of turns, for up to so long; 0: not. A turn that is stopped reads the clocks so many times as they were
     * when it began, and the rest of it happens after the stop: all from the first word on that came meanwhile. */
    int64_t stutter_ns;
    int64_t stopped_ns; /* so long altogether */
    int64_t stopped_at; /* the last time, by true time */
    uint32_t stale_reads;
    bool turning;     /* it is in one */
    int64_t stale[3]; /* by enum loop_clock */
};

/* One way. */
struct sim_link {
    int64_t delay_ns, jitter_ns;
    double loss; /* of a packet */
    bool cut;
};

struct sim_network;

struct sim_world {
    int64_t now; /* true time, ns */
    uint64_t hash, steps, order;
    struct rng rng; /* the network's; faults and load have their own */
    struct sim_event **heap;
    uint32_t events, heap_cap;
    uint32_t hosts;
    struct sim_host host[SIM_HOSTS_MAX];
    struct sim_link link[SIM_HOSTS_MAX][SIM_HOSTS_MAX]; /* from, to */
    struct sim_network *network;
    struct story *story; /* NULL: nobody listens */
};

/* True time without that in which it was stopped in turns; a stop is counted as a whole when it begins. */
static inline int64_t sim_host_awake(const struct sim_host *host)
{
    int64_t now = host->world->now;

    return now - host->stopped_ns + (host->free_at > now ? host->free_at - now : 0);
}

void sim_world_init(struct sim_world *world, uint64_t seed, uint32_t hosts, struct story *story);
void sim_world_fini(struct sim_world *world); /* every loop was closed */
/* The next thing happens: an event, or a turn of one loop. False: nothing is due before `until`, which is now. */
bool sim_step(struct sim_world *world, int64_t until);

/* ---- clocks ---- */

/* As a program reads it in the middle of a turn, which may have been stopped since. */
int64_t sim_clock_ask(struct sim_host *host, enum loop_clock clock);
int64_t sim_clock_read(const struct sim_host *host, enum loop_clock clock);
/* True time at which the host's monotonic clock will show `local`. */
int64_t sim_clock_when(struct sim_host *host, int64_t local);
void sim_clock_drift(struct sim_host *host, int64_t drift_ppm);
void sim_clock_jump(struct sim_host *host, int64_t boot_ns, int64_t wall_ns);

/* Its process runs, and is not stopped anywhere. */
static inline bool sim_host_answers(const struct sim_host *host)
{
    return host->running && !host->paused && host->stale_reads == 0;
}

/* ---- packets ---- */

/* When a packet that is sent now arrives; -1: it is lost. */
int64_t sim_packet(struct sim_world *world, uint32_t from, uint32_t to);
struct sim_host *sim_host_at(struct sim_world *world, const struct address *address); /* or NULL */

/* ---- what is told ---- */

/* Mixes a number into the world's hash. */
static inline void sim_mix(struct sim_world *world, uint64_t value)
{
    uint64_t hash = (world->hash ^ value) * 0x9E3779B97F4A7C15u;

    world->hash = hash ^ hash >> 29;
}
void sim_mix_bytes(struct sim_world *world, const void *at, size_t len);

/* A line of the story; host NULL: the world's own. Costs nothing when nobody listens. */
#define SIM_TELL(world, host, ...)                                                                 \
    do {                                                                                           \
        if ((world)->story)                                                                        \
            story_tell((world)->story, (world)->now, (host), __VA_ARGS__);                         \
    } while (0)
