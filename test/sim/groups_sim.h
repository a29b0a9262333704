/*
 * Whole nodes with groups: role/groups over the real cluster, an ideal engine each (engine_sim.h), the workers' view on every host, clients who write through it
 * and people who give orders; and what must hold of all that.
 */
#pragma once

#include "cluster_node.h"
#include "engine_sim.h"

#include "role/groups.h"

enum {
    SIM_GROUPS_MAX = 2,
    SIM_GROUP_VALUES = 1 << 14, /* written in one run of one group; then nobody writes any more */
    AGENT_NEWS = 32,
    SIM_HOLDS = 16, /* clients that wait on one host for one group */
    SIM_EPOCHS = 4096,
};

/* What the file says; every host has read some version of it. */
struct sim_file {
    struct group_body wanted;
    uint32_t members; /* hosts, as bits */
    int32_t priority[SIM_HOSTS_MAX];
};

struct sim_group_plan {
    struct sim_file file; /* to begin with */
    struct replica_rules replica;
    struct failover_rules failover;
    struct engine_rules engine;
    int64_t hold_ns;
};

/* A write, by its value. */
struct sim_value {
    bool acked, bound,
        lost; /* bound: by the mode then in force, no election but an unclean one may lose it */
    uint32_t index, stamp, client; /* client: host that it came in at, from 1 */
    uint32_t probe;                /* host that probes with it, from 1 */
    uint64_t epoch;
};

struct sim_hold {
    bool waits;
    int64_t until; /* true time */
};

/* The truth about one group, which nobody in it knows. */
struct sim_truth {
    bool known; /* the rest is of the newest document that anybody has applied */
    uint64_t index, epoch, version;
    struct group_body body;
    struct group_body before; /* ... and of the version before it */
    struct life lives[SIM_HOSTS_MAX];
    uint32_t next_value, stamp;
    struct sim_value *values;
    uint32_t owner[SIM_EPOCHS]; /* who took writes in it: host, from 1 */
    uint64_t acked_epoch;
    uint32_t last;              /* the furthest value that is bound; 0: none */
    uint64_t acked, calm_acked; /* calm_acked: hosts through which one was since calm, as bits */
    uint64_t failovers, switchovers, uncleans, losses;
    bool ordered_loss; /* nobody was left, and a person chose */
    bool lied;         /* some engine did, in this run */
};

enum agent_news_kind { NEWS_ANSWER, NEWS_PROCESS, NEWS_PROBED };

struct agent_news {
    enum agent_news_kind kind;
    uint32_t slot;
    bool good;
    struct engine_answer answer;
};

struct sim_probe {
    struct sim_event end;
    uint32_t value; /* 0: none is under way */
};

/* One host's part, per group. */
struct sim_part {
    struct engine_sim engine;
    struct sim_probe probe;
    struct groups_place view; /* what its workers were told last */
    struct sim_hold holds[SIM_HOLDS];
    int64_t lease; /* its end on the boot clock, as its workers see it; 0: none */
    uint64_t held, expired;
    uint32_t file; /* the version of the file that it has read */
};

struct groups_host {
    struct groups_sim *owner;
    struct sim_node *node;
    struct groups *groups; /* NULL: no agent */
    struct sim_part part[SIM_GROUPS_MAX];
    struct timer news_timer;
    uint32_t news_count;
    struct agent_news news[AGENT_NEWS];
    int64_t clock_since;
    bool leaving, closing, left; /* left: it has stopped in order */
    int64_t leave_by;
    uint32_t people; /* orders under way that its agent was given */
    uint64_t seen;   /* index of the document looked at last */
};

enum { SIM_FILES = 64 };

struct groups_faults {
    struct rng rng;
    struct sim_event next, then; /* then: what follows when one receives nothing, in its group */
    uint32_t slot;
    uint32_t kinds;
    int64_t every_ns;
};

struct groups_sim {
    struct clients clients; /* first: clients_of finds it */
    struct sim *sim;
    uint32_t groups;
    struct sim_group_plan plan[SIM_GROUPS_MAX];
    struct sim_file file[SIM_GROUPS_MAX][SIM_FILES]; /* its versions */
    uint32_t files[SIM_GROUPS_MAX];
    struct groups_host host[SIM_HOSTS_MAX];
    struct engine_sim *engines[SIM_GROUPS_MAX][SIM_HOSTS_MAX];
    struct engine_post post;
    struct sim_truth truth[SIM_GROUPS_MAX];
    struct groups_faults faults;
};

static inline struct groups_sim *groups_of(const struct sim *sim)
{
    return container_of(clients_of(sim), struct groups_sim, clients);
}

static inline bool holds_data(const struct groups_sim *g, uint32_t host)
{
    return !(g->sim->plan.witness && host == g->sim->plan.hosts - 1);
}

/* ---- groups_plan.c ---- */

void groups_draw_plan(struct groups_sim *g);

/* ---- groups_node.c ---- */

extern const struct node_company groups_company;
extern const struct engine_told groups_told;

struct groups_host *groups_host_of(const struct engine_sim *engine);
void groups_host_open(struct groups_sim *g, uint32_t host);
void groups_host_close(struct groups_host *host);
void groups_news(struct groups_host *host, const struct agent_news *news);
void groups_probed_with(struct groups_host *host, uint32_t slot, bool answered);
/* Its node reads the newest file. */
void groups_reload(struct groups_host *host);
void groups_leave_host(struct groups_host *host);
void groups_host_step(struct groups_host *host);
void groups_all_die(struct groups_host *host, bool power, bool flushed);

/* ---- groups_clients.c ---- */

void groups_load(struct sim *sim);
void groups_write(struct groups_sim *g, uint32_t host, uint32_t slot);
void groups_publish(struct groups_host *host, uint32_t slot, const struct groups_place *place);
/* Its workers would pass a client on to their own engine. */
bool groups_open_here(const struct groups_host *host, uint32_t slot);
void groups_expire(struct groups_sim *g);
void groups_calm(struct groups_sim *g); /* people take back what they asked for */
bool groups_order_loss(struct groups_sim *g, uint32_t slot);

/* ---- groups_faults.c ---- */

void groups_faults_begin(struct groups_sim *g);
void groups_faults_end(struct groups_sim *g);

/* ---- groups_checks.c ---- */

void groups_look_at(struct groups_sim *g, struct groups_host *host);
void groups_check_step(struct groups_sim *g);
void groups_check_acked(struct engine_sim *engine, uint32_t index);
void groups_check_promoted(struct engine_sim *engine);
void groups_check_dropping(struct engine_sim *engine, uint32_t left, bool copy);
/* So few that have what was acknowledged are left that nobody may be named without a person. */
bool groups_nobody_left(struct groups_sim *g, uint32_t slot);
bool groups_recovered(struct groups_sim *g, char sentence[SIM_SENTENCE]);
