/*
 * agent_cluster: the agent's part in the cluster: opens disks, timeline, certificates and cluster, writes what they know to the scoreboard, and
 * answers what the monitor asks. Private to role/agent*.c.
 *
 * A cluster that cannot be opened (a certificate that is missing or expired, a log that is damaged) does not take the health checks with it: the
 * reason is logged and shown by `nines status`, and it is tried again from time to time and at each reload.
 */
#pragma once

#include "admin/admin.h"
#include "cluster/cluster.h"
#include "role/agent_addresses.h"
#include "role/link.h"
#include "role/role.h"
#include "timeline/events.h"

enum { AGENT_ASKS_MAX = 256, AGENT_REQUESTS_MAX = 16 };

struct agent_cluster;
struct agent_groups;

/* A question of the monitor's that waits for its answer. */
struct agent_ask {
    struct agent_cluster *owner; /* NULL: free */
    uint32_t id;
    bool lost; /* the monitor that asked is gone */
};

/* A question of another node's. */
struct agent_request {
    struct agent_cluster *owner; /* NULL: free */
    uint64_t ticket;
};

struct agent_cluster {
    struct role *role;
    const struct role_generation *generation;
    struct disk *disk, *facts_disk;
    struct timeline *timeline;
    struct events *events;
    struct tls_context *tls;
    uint64_t tls_hash; /* of the files that `tls` was made from */
    struct cluster *cluster;
    struct instant look_at_certificate; /* how long it is still good */
    struct timer refresh, retry;
    char sentence[CLUSTER_SENTENCE_MAX]; /* why there is none; "" */
    struct link monitor;
    struct agent_ask asks[AGENT_ASKS_MAX];
    struct agent_request requests[AGENT_REQUESTS_MAX];
    struct agent_addresses addresses;
    char names[CLUSTER_NODES_MAX][CLUSTER_NAME_MAX]; /* of the other members, for events */
    bool stopping, closing; /* first the addresses go, then the leases and the leadership */
    bool too_old; /* the cluster halted, and this process ends when the fact of it is durable */
    struct instant stop_by, give_by;
    struct agent_groups *groups; /* its groups; NULL while there is no cluster */
};

void agent_cluster_open(struct agent_cluster *agent, struct role *role);
void agent_cluster_configure(struct agent_cluster *agent, const struct role_generation *generation);
void agent_cluster_linked(struct agent_cluster *agent, int fd);
void agent_cluster_looked(struct agent_cluster *agent, uint64_t number); /* the supervisor */
/* From the supervisor: what became of a group's process or program. `fd` is the callee's; -1: none. */
void agent_cluster_process(struct agent_cluster *agent, enum message what, uint32_t slot,
                           const struct process_word *word, int fd);
/* Leaves in order, if it can be done soon; then role_drained. */
void agent_cluster_drain(struct agent_cluster *agent);
void agent_cluster_close(struct agent_cluster *agent);

/* ---- agent_ask.c ---- */

void agent_answer_monitor(struct agent_cluster *agent, uint32_t id, enum admin_verb verb,
                          struct bytes query);
void agent_forget_monitor(struct agent_cluster *agent);
void agent_refuse(struct agent_cluster *agent, uint32_t id, uint16_t status, const char *sentence);
int64_t agent_timeout_of(struct bytes query); /* milliseconds */

/* ---- agent_facts.c: the timeline, its facts, and what other nodes ask of it ---- */

MUST_USE bool agent_facts_open(struct agent_cluster *agent, const char *directory, struct err *err);
void agent_facts_close(struct agent_cluster *agent);
void agent_take_fact(struct agent_cluster *agent, const struct fact *fact);
void agent_facts_on_request(struct agent_cluster *agent, const char *node, uint64_t ticket,
                            struct bytes bytes);

/* ---- agent_request.c: what nodes ask each other past consensus. The first byte; numbers are on the wire, never reused. ---- */

enum agent_request_kind {
    REQUEST_TIMELINE = 1,
    REQUEST_ADDRESS_REPORT = 2,
    REQUEST_ADDRESS_GIVE = 3,
    REQUEST_ADDRESS_MOVE = 4,
    REQUEST_GROUPS = 'G', /* GROUPS_MARK */
};

void agent_take_request(struct agent_cluster *agent, const char *node, uint64_t ticket,
                        struct bytes bytes);

/* ---- agent_board.c ---- */

void agent_show(struct agent_cluster *agent); /* everything; now */
void agent_show_lease(struct scoreboard *board, uint32_t slot, const char *resource,
                      struct instant until);
/* What an agent before this one held is not held by this one. */
void agent_show_no_leases(struct scoreboard *board);
