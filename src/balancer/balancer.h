/*
 * balancer: moves clients' bytes to backends and back.
 *
 * accept -> parse -> route -> pick -> connect or reuse -> relay -> record. One balancer per worker process, on that worker's loop;
 * it allocates nothing after balancer_open, waits for nobody, and never touches a disk. What it decides (route.c, pick.c, rewrite.c, retry.c) is
 * pure; what it does is in drive_*.c. Health comes from the scoreboard, counts go there.
 */
#pragma once

#include "base/address.h"
#include "base/err.h"
#include "base/instant.h"
#include "process/scoreboard.h"
#include "schema/schema.h"

struct loop; /* net/net.h */

/* ---- the configuration, as the rows in tables.c fill it in the generation's image ---- */

enum balancer_protocol { PROTOCOL_HTTP, PROTOCOL_TCP };
enum balancer_algorithm { ALGORITHM_ROUND_ROBIN, ALGORITHM_LEAST_CONNECTIONS, ALGORITHM_IP_HASH };
enum balancer_role { SERVICE_PRIMARY, SERVICE_SECONDARY };
enum balancer_send_proxy { SEND_PROXY_NEVER, SEND_PROXY_V1, SEND_PROXY_V2 };

struct balancer_header_match {
    struct item item; /* its name is the header's */
    struct ref value; /* exact; empty: present */
};

struct balancer_route {
    struct item item;
    struct ref host;    /* exact, or `*.example.org`; without case and port */
    struct ref path;    /* a prefix of whole segments: `/api` and `/api/` match /api/x, not /apix */
    struct ref methods; /* items: struct balancer_text */
    struct ref headers; /* items: struct balancer_header_match */
    struct ref pool;
    uint32_t pool_index; /* by role/config.c */
};

struct balancer_text {
    struct item item;
    struct ref text;
};

struct balancer_listen {
    struct item item;
    struct ref endpoint;
    struct address address; /* by role/config.c */
    uint32_t listener;      /* index over all services' listeners; by role/config.c */
};

struct balancer_service {
    struct item item;
    struct ref listen; /* items: struct balancer_listen */
    int32_t protocol;  /* enum balancer_protocol */
    bool accept_proxy; /* every connection begins with a PROXY header */
    bool access_log;
    struct ref pool;
    struct ref routes; /* items: struct balancer_route; the first that matches wins, then `pool` */
    int64_t connections_max;    /* of one worker, for this service */
    int64_t timeout_request_ms; /* a head must be complete within */
    int64_t timeout_idle_ms; /* between requests, and without any byte of a body or TCP session */
    int64_t body_max;        /* larger request bodies get 413 */
    struct ref
        group;    /* its clients go to a member of this group; absent: to `pool` or by `routes` */
    int32_t role; /* enum balancer_role */
    int64_t hold_ms;    /* clients wait so long for a primary; 0: not at all */
    int64_t hold_max;   /* so many at once, in one worker */
    int64_t hold_bytes; /* and so many bytes of theirs */
    int64_t lag_max_ms; /* a secondary further behind is not read from */
    uint32_t slot;      /* in the scoreboard; by role/config.c */
    uint32_t
        pool_index; /* UINT32_MAX: no default pool; of a group: its members in their order; by role/config.c */
    uint32_t group_slot; /* in the scoreboard; by role/config.c */
    bool grouped;        /* `group` was written; by role/config.c */
};

struct balancer_backend {
    struct item item;
    struct ref endpoint;
    int64_t weight; /* 0 to 256; 0: no traffic */
    bool backup;
    bool drain;
    struct ref zone;
    bool
        named; /* endpoint is a name: the agent's `resolved` is newer than `address`; by role/config.c */
    struct address address; /* by role/config.c */
    uint32_t slot;          /* in the scoreboard; by role/config.c */
};

enum balancer_retry_condition {
    RETRY_ON_CONNECT_FAILURE,
    RETRY_ON_RESET, /* closed or reset before the answer began */
    RETRY_ON_TIMEOUT,
    RETRY_ON_500,
    RETRY_ON_502,
    RETRY_ON_503,
    RETRY_ON_504,
};

#define RETRY_BIT(condition) (1U << (unsigned)(condition))

struct balancer_retry_on {
    struct item item;
    int32_t condition; /* enum balancer_retry_condition */
};

struct balancer_retry {
    int64_t attempts; /* further tries after the first */
    int64_t budget;   /* hundredths of a percent of requests */
    struct ref on;    /* items: struct balancer_retry_on */
    uint32_t on_bits; /* by role/config.c with balancer_retry_bits */
};

struct balancer_pool {
    struct item item;
    int32_t algorithm; /* enum balancer_algorithm */
    int32_t send_proxy;
    struct ref backends; /* items: struct balancer_backend */
    int64_t timeout_connect_ms, timeout_response_ms,
        timeout_idle_ms; /* idle: of a reusable connection to a backend, and of a body */
    int64_t reuse_max;   /* idle connections kept to one backend by one worker */
    struct balancer_retry retry;
};

/* A generation's part that concerns the balancer. Pools are `pool_size` bytes apart and begin with a struct balancer_pool. */
struct balancer_config {
    struct image image;
    uint64_t generation;
    struct ref services; /* items: struct balancer_service */
    struct ref pools;
    size_t pool_size;
    uint32_t sessions_max; /* client connections of one worker, over all services */
};

extern const struct option balancer_service_options[];
extern const struct option balancer_pool_options[];

/* What `retry.on` says, one RETRY_BIT each. */
uint32_t balancer_retry_bits(struct image image, const struct balancer_retry *retry);

/* ---- running ---- */

struct balancer;

struct balancer_options {
    struct loop *loop;
    struct scoreboard *board;
    uint32_t worker; /* from 0 */
    int log_fd; /* a pipe to the monitor, non-blocking; -1: none. A line that does not fit is dropped and counted */
    const char *node; /* for request ids and logs */
    /* Called when the last session of a generation that is no longer current has ended: its image may be unmapped. */
    void (*generation_done)(void *context, uint64_t generation);
    /* After balancer_drain: the last session has ended. */
    void (*drained)(void *context);
    void *context;
    uint32_t sessions_max;
};

MUST_USE bool balancer_open(struct balancer **balancer, const struct balancer_options *options,
                            struct err *err);
/* Swaps to a new generation. listener_fds is indexed by balancer_listen.listener; a listener that stays keeps its descriptor's open file, so the
 * caller passes the same one again. Connections, idle backend connections and balancing state live on. */
void balancer_configure(struct balancer *balancer, const struct balancer_config *config,
                        const int *listener_fds);
/* Stops accepting (after taking what is queued), lets sessions end, tells keep-alive clients to close; at `deadline` cuts the rest. */
void balancer_drain(struct balancer *balancer, struct instant deadline);
void balancer_close(struct balancer *balancer);
