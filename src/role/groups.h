/*
 * role/groups: this node's part in its groups. Here the cluster's document, the members' cores (replication/replica.h) and the leader's (failover/failover.h) meet.
 *
 * It runs on the agent's loop, beside the cluster, and in the simulator: what touches the world (engines, processes, the scoreboard, probes) is the owner's, behind
 * struct groups_events. It decides nothing: it feeds the cores what happened and carries out what they say.
 *
 *     groups_open(&groups, &options, &err)
 *     groups_configure(groups, list, count)      the groups of the file, whenever it changes
 *     groups_look(groups)                        the cluster's view or document has changed
 *     groups_answered / _process / _probed       what came of what the owner was asked to do
 *
 * Times that it is given and gives are of LOOP_BOOT, as leases are. One loop, one thread; events are called from timers and from these calls.
 */
#pragma once

#include "base/json.h"
#include "cluster/cluster.h"
#include "failover/failover.h"
#include "replication/replica.h"

struct groups;

enum {
    GROUPS_MAX_OPEN = CLUSTER_GROUPS_MAX,
    GROUPS_TEXT_MAX = 256,
    GROUPS_TIMEOUT_MAX_MS = 600000
};

/* One group as the file has it. Copied. */
struct groups_member {
    const char *name; /* of the node */
    int32_t priority;
};

struct groups_group {
    const char *name;
    uint32_t slot; /* of the scoreboard; the same for as long as the name stays in the file */
    uint32_t count;
    struct groups_member members[GROUP_MEMBERS_MAX];
    struct group_body wanted; /* mode, acks, min_in_sync */
    struct replica_rules replica;
    struct failover_rules failover;
};

/* Where clients of a group stand, by this node's knowledge. */
struct groups_place {
    enum group_phase phase;
    uint64_t epoch;
    uint32_t primary;                   /* place of the member in the file, from 1; 0: none */
    bool here;                          /* it is this node */
    uint32_t lease;                     /* slot of the group's lease */
    uint64_t lag_ms[GROUP_MEMBERS_MAX]; /* behind the primary; UINT64_MAX unknown */
};

/* All are needed. `slot` says which group. */
struct groups_events {
    void (*ask)(void *context, uint32_t slot,
                const struct engine_order *order); /* groups_answered follows once */
    void (*cancel)(void *context, uint32_t slot);
    void (*process)(void *context, uint32_t slot,
                    bool start); /* else kill; groups_process follows each change */
    void (*fence)(void *context, uint32_t slot, struct instant until);
    void (*probe)(void *context, uint32_t slot, bool through_balancer,
                  uint64_t epoch); /* groups_probed follows once */
    void (*members)(
        void *context, uint32_t slot,
        const uint32_t
            ids[GROUP_MEMBERS_MAX]); /* by place in the file; 0: not a member of the cluster yet */
    void (*publish)(void *context, uint32_t slot, const struct groups_place *place);
    void (*clients)(void *context, uint32_t slot, uint64_t *held,
                    uint64_t *expired); /* so far, on this node */
    void (*fact)(void *context, const struct fact *fact);
};

struct groups_options {
    struct loop *loop;
    struct cluster *cluster; /* outlives this */
    const char *node;        /* copied */
    int64_t heartbeat_ms;
    const struct groups_events *events;
    void *context;
};

MUST_USE bool groups_open(struct groups **groups, const struct groups_options *options,
                          struct err *err);
void groups_configure(struct groups *groups, const struct groups_group *list, uint32_t count);
/* As a crash would: nothing is handed over. Orders that were asked here are answered from inside, as unknown; nothing else is called any more. Before
 * cluster_close, or in `closed`. NULL is fine. */
void groups_close(struct groups *groups);

/* ---- what happened ---- */

void groups_look(struct groups *groups);
void groups_lease(struct groups *groups, const char *resource, struct instant until);
void groups_answered(struct groups *groups, uint32_t slot, const struct engine_answer *answer);
void groups_process(struct groups *groups, uint32_t slot, bool running, const char *how);
void groups_probed(struct groups *groups, uint32_t slot, bool answered);
/* What the groups of another node, `node`, ask: bytes without the owner's own mark before them. */
void groups_requested(struct groups *groups, const char *node, uint64_t ticket, struct bytes bytes);
/* The owner marks what it sends on with this byte, and takes it off again. */
enum { GROUPS_MARK = 'G' };
/* This node leaves in order: what it is primary of is handed over, if anybody can take it. */
void groups_leave(struct groups *groups);
MUST_USE bool groups_left(const struct groups *groups); /* nothing is served from here any more */

/* ---- people ---- */

enum groups_order_kind { GROUPS_SWITCHOVER, GROUPS_FAILOVER };

struct groups_order {
    enum groups_order_kind kind;
    char group[GROUP_NAME_MAX];
    char to[GROUP_NAME_MAX]; /* node; "": whoever is best */
    bool accept_loss;
};

struct groups_reply {
    bool done;
    bool reached; /* some leader answered */
    char by[GROUP_NAME_MAX];
    char sentence[GROUPS_TEXT_MAX];
};

typedef void groups_replied(void *context, const struct groups_reply *reply);

/* Carried out by the leader, wherever it is asked. `replied` follows once, never from inside; within timeout_ms. False: too many are under way. */
MUST_USE bool groups_order(struct groups *groups, const struct groups_order *order,
                           int64_t timeout_ms, groups_replied *replied, void *context);

/* ---- what this node knows, for people ---- */

struct groups_member_view {
    bool heard, eligible;
    struct group_report report;
    uint64_t lag_ms;
    char why_not[GROUP_SENTENCE_MAX];
};

struct groups_view {
    bool exists;
    uint64_t epoch, version;
    struct group_body body;
    enum group_phase phase; /* as this node's clients are served; the body may know less */
    bool paused;
    bool outlook;     /* the rest is known: by the leader, here or not long ago */
    uint8_t failover; /* enum failover_phase */
    uint32_t winner;  /* place, from 1; 0: nobody */
    uint64_t loss_bytes;
    int64_t expected_ms;
    char why_nobody[GROUP_SENTENCE_MAX];
    enum replica_state state; /* of this node's own member */
    bool own;                 /* it has one */
    char sentence[GROUP_SENTENCE_MAX];
    uint32_t ids[GROUP_MEMBERS_MAX];
    struct groups_member_view members[GROUP_MEMBERS_MAX]; /* by place in the file */
};

void groups_view(const struct groups *groups, uint32_t slot, struct groups_view *view);
