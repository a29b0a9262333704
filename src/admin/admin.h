/*
 * admin: the node's HTTP interface: is it alive, may it take traffic, what does it measure, and the few orders that an operator gives.
 *
 *     GET  /livez                 the monitor's loop turns, nothing else
 *     GET  /readyz[/CHECK]        whether this node may take traffic: workers, configuration, backends
 *     GET  /metrics               Prometheus text, version 0.0.4
 *     GET  /api/v1/status         everything that `nines status` prints, as JSON
 *     GET  /api/v1/cluster        what this node knows of the others
 *     POST /api/v1/reload         ...and orders; /api/v1/openapi.json describes all of them
 *
 * It serves TCP (admin.listen) and a Unix socket (the command line's) on the monitor's loop and never waits for anybody. Who may give
 * orders: whoever may open the Unix socket, and loopback clients that no web page can impersonate (access.c). What is asked and what is
 * answered is decided by pure code (routes, metrics, status) from the scoreboard, a view of the configuration and the time;
 * drive.c moves the bytes, with every number of connections, bytes and seconds bounded.
 *
 * The room does not know the configuration or other rooms: role/monitor.c describes them in a struct admin_view.
 */
#pragma once

#include "base/err.h"
#include "process/scoreboard.h"

struct loop;

/* ---- what the configuration in force looks like from here: names and scoreboard slots ---- */

struct admin_backend {
    const char *endpoint; /* as written: the backend's name */
    const char *zone;     /* "" when none */
    uint32_t slot;
    int64_t weight;
    bool backup;
    bool drain;   /* by the file; an operator's word is in the scoreboard */
    bool checked; /* health checks are configured */
};

struct admin_pool {
    const char *name;
    const char *algorithm;
    uint32_t first, count; /* of admin_view.backends */
};

struct admin_service {
    const char *name;
    const char *protocol;
    uint32_t slot;
    uint32_t first, count; /* of admin_view.listens */
    const char *pool;      /* the default pool, or "" */
};

struct admin_group {
    const char *name;
    uint32_t slot;
};

enum { ADMIN_NODES_MAX = 16 };

struct admin_address {
    const char *name, *text; /* text: as written, with its prefix */
    bool spread, preempt;
    uint32_t node_count;
    const char *nodes[ADMIN_NODES_MAX]; /* that may have it, most preferred first */
};

/* Plain arrays, borrowed: they and their texts live until the next view is given. */
struct admin_view {
    const char *node, *cluster;
    uint64_t generation;
    const struct admin_service *services;
    const char *const *listens;
    const struct admin_pool *pools;
    const struct admin_backend *backends;
    const struct admin_group *groups;
    const struct admin_address *addresses; /* virtual ones */
    const char *const *outcomes;           /* names of verdict_record.outcome */
    uint32_t nodes;                        /* how many the file names */
    uint32_t service_count, listen_count, pool_count, backend_count, group_count, address_count;
    uint32_t outcome_count;
};

/* ---- running ---- */

struct admin;

/* What only the agent can do, or say. The query carries what it needs: `node=`, `lease=`, … */
enum admin_verb {
    ADMIN_NOTHING,
    ADMIN_EVENTS,
    ADMIN_NODE_ADD,
    ADMIN_NODE_REMOVE,
    ADMIN_NODE_RECOVER,
    ADMIN_LEADER_TRANSFER,
    ADMIN_LEASE_TAKE,
    ADMIN_LEASE_RELEASE,
    ADMIN_OVERRIDE_SET,
    ADMIN_OVERRIDE_CLEAR,
    ADMIN_OVERRIDES,
    ADMIN_ADDRESS_MOVE,
    ADMIN_GROUP_SWITCHOVER,
    ADMIN_GROUP_FAILOVER,
    ADMIN_VERBS,
};

struct admin_options {
    struct loop *loop;
    struct scoreboard
        *board; /* orders to drain are written to its overrides; everything else is only read */
    /* Asks for a reload; admin_reloaded follows. False: it cannot be asked just now. */
    bool (*reload)(void *context);
    /* Asks the agent; admin_answered follows with the same ticket, or admin_asks_lost. False: it cannot be asked just now. NULL: never. */
    bool (*ask)(void *context, uint32_t ticket, enum admin_verb verb, struct bytes query);
    void *context;
};

MUST_USE bool admin_open(struct admin **admin, const struct admin_options *options,
                         struct err *err);
/* Swaps to a view. Listening sockets are the caller's (-1: none); one that stays has the same number again. */
void admin_configure(struct admin *admin, const struct admin_view *view, int tcp_fd, int unix_fd);
/* Answers those who asked for the reload; `text` is for the operator. */
void admin_reloaded(struct admin *admin, bool done, struct bytes text);
/* The agent's answer: an HTTP status, and JSON. A ticket that nobody waits for any more is dropped. */
void admin_answered(struct admin *admin, uint32_t ticket, uint16_t status, struct bytes json);
/* The agent is gone, and with it what it was asked: it may have happened. */
void admin_asks_lost(struct admin *admin);
/* Stops listening and ends every connection; what is still needed then is freed by the loop's next turns. */
void admin_close(struct admin *admin);
