/*
 * A data service that keeps its word (topology/engine.h), on a simulated host: a log of numbered records on a disk, a process, followers that pull over the
 * world's links, and the supervisor that starts and kills the process and lives on when only the agent dies.
 *
 * It is ideal in what it promises and bad in everything else: it may be slow or stuck, refuse to promote, fail half-way, die of promoting, answer too late, and
 * have forgotten the beginning of its log. What was asked and not answered in time is done later, before whatever is asked next.
 *
 * And it may lie about how far its data goes. Of a liar it is remembered until when its word may have done harm (`doubts`), for the checks to know.
 */
#pragma once

#include "sim.h"

#include "topology/engine.h"

enum { ENGINE_BATCH = 32, ENGINE_LOG_MAX = 1 << 14 };

/* What it may say that is not so. */
enum engine_lie {
    LIE_AHEAD,  /* its position is further than it has */
    LIE_BEHIND, /* ... is an old one. Not while it is primary: then its books would be wrong */
    LIE_SYNCED, /* what it has is on disk. Only where that is waited for */
    ENGINE_LIES,
};

/* Where a promotion ends that kills it, or is given up. */
enum engine_stumble {
    STUMBLE_NOT,
    DIES_BEFORE,   /* anything is done */
    DIES_PROMISED, /* its promise is on disk */
    DIES_AFTER,    /* it takes writes; nobody is told */
    FAILS_PROMISED,
    ENGINE_STUMBLES,
};

struct engine_record {
    uint64_t epoch;
    uint32_t value; /* 0: the first of its epoch */
};

struct engine_sim;

/* What it tells its host. All at the moment it happens; `answered` and `process` are for the agent, if there is one. */
struct engine_told {
    void (*answered)(struct engine_sim *engine, const struct engine_answer *answer);
    void (*process)(struct engine_sim *engine, bool running);
    void (*promoted)(struct engine_sim *engine);              /* it takes writes in `epoch` */
    void (*acked)(struct engine_sim *engine, uint32_t index); /* the record before `index` */
    void (*failed)(struct engine_sim *engine,
                   uint32_t value); /* written or not, never acknowledged */
    void (*dropping)(struct engine_sim *engine, uint32_t left, bool copy);
};

struct engine_rules {
    bool durable;       /* acknowledges only what is on disk */
    int64_t latency_ns; /* of an order in good times */
    int64_t start_ns;   /* until it is ready */
    int64_t pull_ns;
    uint32_t copy_rounds; /* that a copy takes at least */
};

/* A secondary, as its primary sees it. By host. */
struct engine_peer {
    uint32_t session, confirmed, sent;
    int64_t heard; /* true time; 0: not attached */
};

struct engine_message {
    struct sim_event event;
    struct engine_message *next; /* among the free ones */
    struct engine_sim *to;
    uint32_t run, session, from, kind;
    uint64_t epoch, last_epoch;
    uint32_t last_value;
    uint32_t count, synced, first, records, end;
    enum engine_outcome outcome;
    struct engine_record record[ENGINE_BATCH];
};

/* For all engines of a run. */
struct engine_post {
    struct engine_message *free;
    struct engine_message *all;
};

struct engine_sim {
    struct sim *sim;
    struct sim_host *host;
    struct engine_sim *const *peers; /* of the group, by host */
    const struct engine_told *told;
    struct engine_post *post;
    struct engine_rules rules;
    uint32_t slot, index;        /* the group, the host */
    uint32_t ids[SIM_HOSTS_MAX]; /* member ids by host, as its agent told it */

    /* On disk. */
    struct engine_record *log;
    uint32_t count, synced, trimmed; /* trimmed: what is before it can be had by a copy only */
    uint64_t promised;
    bool loading;

    /* The process. */
    bool running;
    int64_t ready_at, stuck_until, slow_until, refuses_until, lame_until, deaf_until;
    uint32_t slowness;
    enum engine_stumble stumbles;
    uint32_t run, session;
    uint64_t floor; /* promised, perhaps not on disk yet */
    enum engine_role role;
    uint64_t epoch;
    bool writable, linked;
    uint32_t primary; /* host that it follows; SIM_HOSTS_MAX: none */
    uint32_t end;     /* of the primary's log, as last heard */
    uint32_t whole;   /* so many records make its copy whole; 0: not known yet */
    struct engine_needs needs;
    uint32_t acked, local, syncing;
    struct engine_peer peer[SIM_HOSTS_MAX];
    struct sim_event sync, pull;

    /* Lies. */
    int64_t lies_until[ENGINE_LIES];
    uint32_t ahead;
    struct position behind;
    uint32_t doubts; /* lies that may still do harm, as bits */

    /* The order under way. */
    bool ordered, ghost; /* ghost: nobody waits for the answer any more, and it may still be done */
    uint32_t stage;
    struct engine_order order;
    struct engine_order late;
    bool is_late;
    enum engine_outcome met; /* what the primary said */
    uint32_t common;
    bool met_it;
    struct sim_event step, timeout;

    /* The supervisor. */
    int64_t fence; /* on the boot clock; INT64_MAX: none */
    struct sim_event fencing;
};

void engine_post_init(struct engine_post *post, uint32_t messages);
void engine_post_fini(struct engine_post *post);
void engine_sim_init(struct engine_sim *engine);
void engine_sim_fini(struct engine_sim *engine);
void engine_sim_ask(struct engine_sim *engine, const struct engine_order *order);
void engine_sim_cancel(struct engine_sim *engine);
void engine_sim_start(struct engine_sim *engine);
void engine_sim_kill(struct engine_sim *engine); /* by the supervisor: `process` follows */
void engine_sim_fence(struct engine_sim *engine, int64_t until);
void engine_sim_clock(struct engine_sim *engine); /* its host's clock is another */
/* Its agent is gone, and the program that asked for it. */
void engine_sim_orphan(struct engine_sim *engine);
void engine_sim_power(struct engine_sim *engine, bool flushed);
void engine_sim_wipe(struct engine_sim *engine);
/* A client's write arrives; refused: false. */
bool engine_sim_write(struct engine_sim *engine, uint32_t value);
void engine_sim_lie(struct engine_sim *engine, enum engine_lie lie, uint32_t ahead, int64_t until);
bool engine_sim_holds(const struct engine_sim *engine, uint32_t index, uint32_t value);
