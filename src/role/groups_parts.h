/*
 * What the files of role/groups share. Private to role/groups*.c.
 *
 *     groups.c          life, the document, timers
 *     groups_replica.c  this node's member: its core's actions, carried out
 *     groups_leader.c   the leader's core, and what it knows of the members
 *     groups_message.c  what nodes say to each other, in bytes
 *     groups_ask.c      orders of people, to whoever leads
 *     groups_plan.c     and those that are for later
 *     groups_report.c   what members tell the leader, and the leader them
 */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "cluster/document.h"
#include "failover/failover_state.h"
#include "net/net.h"
#include "replication/replica_state.h"
#include "role/groups.h"
#include "topology/fact.h"

enum {
    GROUPS_ORDERS_MAX = 16,
    GROUPS_MESSAGE_MAX = 16 << 10, /* groups_message.c has the worst case */
    GROUPS_REPORTS_MAX =
        32, /* out at a time: the rest of CLUSTER_REQUESTS_MAX is for people's orders, and for others */
    GROUPS_SAMPLES = 64,
    GROUPS_STEPS_MAX = 16, /* of one core in a row, each because of the one before */
};

/* What one member was heard to say. */
struct heard {
    bool known;
    struct instant at;
    struct group_report report;
};

/* Where the primary was, so that a lag can be told in time. */
struct sample {
    struct instant at;
    struct position position;
};

/* A change of the document under way, by one of the two cores. */
struct proposal_out {
    struct group *group;
    bool busy;
};

/* A planned switchover whose plan is being taken away. */
struct planned_out {
    struct group *group;
    bool busy;
    char why[GROUP_SENTENCE_MAX]; /* it is not carried out; "" */
    struct groups_order order;
};

/* Lives until it is not in the file any more and nothing that was asked for it is still out. */
struct group {
    struct groups *owner;
    struct groups_group config;
    char name[GROUP_NAME_MAX], names[GROUP_MEMBERS_MAX][GROUP_NAME_MAX];
    char lease_name[CLUSTER_RESOURCE_MAX];
    uint32_t calls; /* of cluster_ask and cluster_request, that have not come back */
    bool listed;    /* in the file */
    /* this node's member */
    bool seen, report_due, reporting, was_published;
    uint32_t self; /* place of this node; GROUP_MEMBERS_MAX: it holds no data of it */
    struct replica replica;
    uint64_t seen_version; /* of the document, that the replica was told, if `seen` */
    struct life_set lives; /* ... and as which runs of all who hold its data */
    struct life life;      /* of this node */
    struct instant lease_until;
    struct proposal_out own, led;
    struct planned_out plan;
    struct groups_place published;
    /* the leader's */
    bool leading;
    uint32_t sample_next;
    struct failover failover;
    struct heard heard[GROUP_MEMBERS_MAX];
    struct sample samples[GROUPS_SAMPLES];
    /* what the leader said last, on other nodes */
    struct groups_view told;
    struct instant told_at;
};

struct order_slot {
    struct groups *groups;
    bool used;
    struct groups_order order;
    uint64_t number; /* names it to the core */
    struct timer timer;
    struct instant deadline;
    groups_replied *replied; /* asked here */
    void *context;
    uint64_t ticket; /* asked by another node; 0: asked here */
    bool waiting;    /* on the leader: for the core's answer */
    bool sent;       /* to the leader */
};

struct groups {
    struct groups_options options;
    char node[GROUP_NAME_MAX];
    struct group *groups[GROUPS_MAX_OPEN]; /* of the file */
    uint32_t count;
    uint32_t calls; /* that have not come back, of all groups and orders */
    uint32_t reports;
    bool closed; /* is freed with the last of them */
    struct timer timer, beat;
    bool leaving;
    char leader[GROUP_NAME_MAX];
    const struct cluster_view *view; /* of this turn of the work; NULL: not made yet */
    struct order_slot orders[GROUPS_ORDERS_MAX];
    uint64_t order_numbers;
    uint8_t storage[GROUPS_MESSAGE_MAX];
};

static inline struct instant groups_now(const struct groups *groups)
{
    return loop_read_clock(groups->options.loop, LOOP_BOOT);
}

static inline uint32_t group_slot(const struct group *group)
{
    return group->config.slot;
}

/* ---- groups.c ---- */

/* Around each cluster_ask and cluster_request for a group. False: the group is not in the file any more, and freed with its last call. */
void group_calls(struct group *group);
MUST_USE bool group_called(struct group *group);
/* The same for what is no group's. False: nobody is there any more, and `groups` may be freed. */
void groups_calls(struct groups *groups);
MUST_USE bool groups_called(struct groups *groups);
/* Cores are stepped, and the timer armed, at the end of this turn. */
void groups_stir(struct groups *groups);
struct group *groups_find_slot(const struct groups *groups, uint32_t slot);
struct group *groups_find(const struct groups *groups, const char *name);
const struct document_group *group_document(const struct group *group); /* NULL: none */
const struct cluster_view *groups_cluster(struct groups *groups);
const struct cluster_member_view *groups_node(struct groups *groups, const char *name);
const char *group_member_name(const struct group *group, uint32_t member); /* "" unknown */
struct life group_life(const struct group *group, uint32_t place); /* as the document knows it */
uint32_t group_place(const struct group *group, uint32_t member);  /* GROUP_MEMBERS_MAX: none */
bool groups_paused(const struct group *group);

/* ---- groups_replica.c ---- */

void replica_open(struct group *group);
void replica_event(struct group *group, const struct replica_event *event);
void replica_look(struct group *group);               /* the document may have changed */
void replica_tell_members(const struct group *group); /* who they are, to the engine */
void replica_make_report(struct group *group, struct group_report *report);

/* ---- groups_leader.c ---- */

void leader_look(struct group *group);
void leader_step(struct group *group);
void leader_hear(struct group *group, uint32_t place, const struct group_report *report);
void leader_view(const struct group *group, struct groups_view *view);
/* orders_answer follows, perhaps from inside. */
void leader_order(struct group *group, const struct groups_order *order, uint64_t number);

/* ---- groups_plan.c ---- */

void plan_look(struct group *group); /* as the leader */
/* What became of the order that a plan gave: its number is 0. */
void plan_answered(const struct group *group, bool done, const char *sentence);

/* ---- groups_message.c ---- */

enum groups_message { GROUPS_REPORT = 1, GROUPS_ORDER = 2 };

void message_report(struct buf *out, const struct group *group, const struct group_report *report);
void message_outlook(struct buf *out, const struct group *group, const struct groups_view *view);
MUST_USE bool message_read_outlook(struct unpack *in, const struct group *group,
                                   struct groups_view *view);
void message_order(struct buf *out, const struct groups_order *order, int64_t timeout_ms);
MUST_USE bool message_read_order(struct unpack *in, struct groups_order *order,
                                 int64_t *timeout_ms);
void message_reply(struct buf *out, const struct groups_reply *reply);
MUST_USE bool message_read_reply(struct unpack *in, struct groups_reply *reply);

/* ---- groups_report.c: each heartbeat, and at once when somebody waits for it ---- */

void report_send(struct group *group);
void report_requested(struct groups *groups, const char *node, uint64_t ticket, struct unpack *in);

/* ---- groups_ask.c ---- */

void orders_requested(struct groups *groups, uint64_t ticket, struct unpack *in);
void orders_answer(struct groups *groups, uint64_t number, bool done, const char *sentence);
void orders_close(struct groups *groups);
