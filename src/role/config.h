/*
 * The whole configuration: the root struct that the image begins with, and the step from a file to an image.
 */
#pragma once

#include "balancer/balancer.h"
#include "engine/engine.h"
#include "failover/failover.h"
#include "health/health.h"
#include "replication/replication.h"
#include "schema/schema.h"
#include "store/store.h"

enum {
    CONFIG_NODES_MAX = 16,
    CONFIG_VOTERS_MAX = 7, /* witnesses are voters */
    CONFIG_PATHS_MAX = 4,  /* addresses of one node */
    CONFIG_ADDRESSES_MAX = 32,
    CONFIG_REQUIRED_MAX = 16, /* conditions of one virtual address */
    CONFIG_NAME_MAX =
        64, /* of a node or cluster, NUL included: a certificate's subject holds no more */
};

/* One more address of a node. */
struct config_path {
    struct item item;
    struct ref address;
};

struct config_node {
    struct item item;
    struct ref address, zone;
    struct ref addresses; /* struct config_path: further networks on which it is reached */
    bool voter, witness;
    /* Settled by config_nodes.c: */
    uint32_t path_count;
    struct address paths[CONFIG_PATHS_MAX]; /* `address` first; with their ports */
};

/* How nodes talk to each other. */
struct config_peers {
    int64_t port;                           /* where an address has none */
    struct ref authority, certificate, key; /* absent: see config_tls */
};

/* When silence is a failure. */
struct config_failover {
    int64_t heartbeat_ms;
    int64_t detection_threshold;
    int64_t election_timeout_ms;
    int64_t lease_ms;
    int64_t drift; /* hundredths of a percent */
    struct failover_config groups;
};

/* A member of a group, settled by config_members.c. */
struct config_group_member {
    uint32_t node; /* its place in `nodes` */
    int64_t priority;
    struct address address; /* of its data service */
};

/* A replicated set of data. */
struct config_group {
    struct replication_config replication; /* first: begins with the item */
    struct engine_config engine;
    struct store_config store; /* of engine `store` */
    /* Settled: */
    uint32_t
        slot; /* of the scoreboard's groups, processes and programs; kept for as long as the name stays */
    uint32_t member_count;
    struct config_group_member members[GROUP_MEMBERS_MAX]; /* in the order of the file */
};

/* A word of a list. */
struct config_word {
    struct item item;
    struct ref text;
};

/* A service or pool that must be well where a virtual address is. */
struct config_required {
    struct item item;
    struct ref name;
    /* Settled by config_addresses.c: */
    int32_t pool; /* its index; -1: it is none */
    bool service;
};

/* An address that one node at a time has, under the lease `address/NAME`. */
struct config_address {
    struct item item;
    struct ref text, interface;
    struct ref nodes;   /* struct config_word */
    struct ref require; /* struct config_required */
    bool preempt;
    /* Settled by config_addresses.c: */
    bool spread;            /* over its nodes, none of which is preferred */
    struct address address; /* without a port */
    uint32_t prefix;
    uint32_t node_count;
    uint8_t order[CONFIG_NODES_MAX]; /* indexes of `nodes`, most preferred first */
};

enum { CONFIG_PATH_MAX = 1280 }; /* `directory` and a name below it */

struct config_pool {
    struct balancer_pool pool; /* first: struct balancer_config's pool_size steps over the rest */
    bool checked;              /* a health_check section was written */
    struct health_check check;
};

struct config_limits {
    int64_t sessions;     /* client connections of one worker */
    int64_t buffer_bytes; /* payload of one buffer */
    int64_t buffers;      /* of one worker */
    int64_t pipes;        /* of one worker */
};

struct config {
    struct item item;
    struct ref cluster;
    struct ref directory;         /* state: /var/lib/nines */
    struct ref runtime_directory; /* sockets: /run/nines */
    struct ref user;
    int64_t workers; /* 0: one per core */
    int32_t loop;    /* enum loop_kind */
    int64_t drain_ms;
    struct ref access_log; /* a file, `stdout`, or absent: none */
    struct ref admin_listen;
    struct address admin_address;
    struct config_limits limits;
    struct config_peers peers;
    struct config_failover failover;
    struct ref nodes;         /* struct config_node */
    struct ref groups;        /* struct config_group */
    struct ref services;      /* struct balancer_service */
    struct ref written_pools; /* struct config_pool */
    struct ref
        pools; /* likewise: those, and one for each group that a service names; by config_group_pools.c */
    struct ref addresses; /* struct config_address */
    uint32_t node;        /* index of this node */
    char machine[65];   /* this machine's host name: the node's name where the file has no nodes */
    uint32_t listeners; /* how many the services have together */
};

extern const struct option config_options[];

struct config_request {
    const char *file;      /* its name, for people */
    int fd;                /* to read it from, borrowed; -1: opened by its name */
    const char *node;      /* NULL: the node whose address is this machine's, or the only one */
    struct image previous; /* of the generation in force, so that slots stay; {0}: none */
    bool colour;           /* of the findings' text */
    struct json *json; /* NULL: findings are text; else objects in the array that is open there */
    bool resolve;      /* look names up (and refuse those that do not resolve) */
};

/* Reads, checks, resolves, and numbers slots and listeners. On false `findings` (owned by the caller) says all that is wrong;
 * on true it may hold warnings. Where they go into JSON it is not touched, and may be NULL. */
MUST_USE bool config_compile(const struct config_request *request, struct buf *image,
                             struct buf *findings);
/* What concerns no place in the file, as an object in the array that is open. */
void config_tell_json(struct json *json, const char *severity, const char *sentence);
/* Where the nines that this file describes listens for the command line. Mistakes in the file are passed over: it may be the one that
 * is being edited while an older one is in force. */
MUST_USE bool config_socket(const char *file, char *path, size_t cap, struct err *err);
/* A sentence for each option that takes effect only at a start, and is not what nines was started with. */
void config_compare_at_start(struct image started, struct image now, struct buf *warnings);

/* Reads and checks what the rows say and the nodes, chooses none and looks nothing up: for what needs the file and may run elsewhere. */
MUST_USE bool config_survey(const char *file, bool colour, struct buf *image, struct buf *findings);
/* This node; NULL where the file has no nodes. */
const struct config_node *config_own_node(struct image image);
/* By its slot; NULL: no group has it. */
const struct config_group *config_group_at(struct image image, uint32_t slot);
/* Of this node among the group's members; GROUP_MEMBERS_MAX: it holds no data of it. */
uint32_t config_group_place(const struct config *config, const struct config_group *group);
/* Whether there are other nodes, so that this one listens for them and proves who it is. */
static inline bool config_has_peers(const struct config *config)
{
    return config->nodes.count > 1;
}
/* The virtual address that this is, whatever its port; NULL: it is none. */
const struct config_address *config_address_of(struct image image, const struct address *address);
/* Whether this node is among those that it may be on. */
bool config_may_hold(const struct config *config, const struct config_address *address);
/* The files that this node proves with who it is. */
struct config_tls {
    char authority[CONFIG_PATH_MAX], certificate[CONFIG_PATH_MAX], key[CONFIG_PATH_MAX];
};

/* What the file says, or `<directory>/tls/{ca.pem,NODE.pem,NODE.key}`. */
void config_tls(struct image image, const char *node, struct config_tls *tls);

static inline const struct config *config_of(struct image image)
{
    return image_items(image, (struct ref){0, 1}, sizeof(struct config));
}
