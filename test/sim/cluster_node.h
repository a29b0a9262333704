/*
 * Whole nodes: the real cluster, peer, consensus and wal over a simulated loop and disk; and the clients who ask them.
 */
#pragma once

#include "disk_sim.h"
#include "sim.h"

#include "cluster/cluster.h"
#include "cluster/command.h"
#include "cluster/document.h"

enum {
    CLIENT_KEYS = 4,
    CLIENT_RESOURCES = 4,
    CLIENT_ASKS = 64,
    CLIENT_VALUES = 1 << 16, /* that are watched in one run */
    NODE_NAME = 12,
};

/* A lease as its holder's programs see it. */
struct node_lease {
    char resource[CLUSTER_RESOURCE_MAX];
    int64_t until; /* on its boot clock; 0: not held */
};

struct sim_node;

/* What else runs in a node's process, beside its cluster. Nobody is called while the process is torn down, but `ended`. */
struct node_company {
    void (*begun)(struct sim_node *node); /* its cluster was opened */
    void (*ended)(struct sim_node *node); /* its cluster is closed, and freed next */
    void (*changed)(struct sim_node *node);
    void (*lease)(struct sim_node *node, const char *resource, struct instant until);
    void (*request)(struct sim_node *node, const char *from, uint64_t ticket, struct bytes bytes);
};

struct sim_node {
    struct sim *sim;
    struct sim_host *host;
    struct disk_sim disk;
    struct cluster *cluster;            /* NULL: no process */
    const struct node_company *company; /* NULL: alone */
    int listener;
    bool closed;  /* its cluster told so */
    bool opened;  /* it got as far as to become a member, or to wait to be one */
    bool refuses; /* it would not start on its disk as it is */
    struct node_lease leases[CLUSTER_LEASES_MAX]; /* by slot */
    uint64_t held;                                /* slots of those that are held, as bits */
    uint64_t applied, changes, epochs;            /* of the document, when last seen in this run */
};

/* What a client was told, and what follows from it. */
struct client_key {
    uint64_t index, version; /* of the newest acknowledged change; 0: none */
    uint64_t value;
};

/* A value is given once. One of which a client was told that nothing was changed is never seen, before or after. */
enum client_value { VALUE_SEEN = 1, VALUE_REFUSED = 2 };

struct client_ask {
    bool busy;
    struct clients *clients;
    enum cluster_ask_kind kind;
    uint32_t key, host;
    uint64_t value;
    uint64_t index; /* acknowledged to somebody when this was asked */
};

struct clients {
    struct sim *sim;
    struct sim_node node[SIM_HOSTS_MAX];
    struct client_key keys[CLIENT_KEYS];
    struct client_ask asks[CLIENT_ASKS];
    uint64_t next_value;
    uint8_t values[CLIENT_VALUES]; /* what became of each: enum client_value */
    uint64_t acknowledged;         /* the highest index that anybody was told of */
    uint64_t done, calm_done;      /* asks that were, since the beginning and since calm */
    uint64_t cluster_id;           /* 0: not founded yet */
};

static inline struct clients *clients_of(const struct sim *sim)
{
    return sim->state;
}

/* ---- cluster_node.c ---- */

void node_open(struct sim_node *node, struct sim *sim, uint32_t host,
               const struct node_company *company);
void node_close(struct sim_node *node);
bool node_start(struct sim_node *node);
void node_kill(struct sim_node *node, bool power);
void node_wipe(struct sim_node *node);
bool node_rot(struct sim_node *node);
void node_name(uint32_t host, char name[NODE_NAME]);

/* ---- cluster_clients.c ---- */

/* Somebody asks something of some node. */
void clients_ask(struct sim *sim);
/* An override is changed, on this host. */
void clients_change(struct sim *sim, uint32_t host);
/* What an operator does about a host that is no member (any more): empties its directory, and adds it. */
void clients_mend(struct sim *sim, uint32_t host);

/* ---- cluster_checks.c ---- */

/* It was seen in a document, or refused. */
void cluster_check_value(struct clients *clients, uint64_t value, enum client_value what);

void cluster_checks(struct sim *sim);
