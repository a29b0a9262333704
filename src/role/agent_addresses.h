/*
 * agent_addresses: virtual addresses, as far as the agent moves them. Private to role/agent*.c.
 *
 * Every node says to the leader whether it is well for each address, and gives up what it is told to; the leader asks failover/address where each should
 * be and has the document changed; the supervisor follows the leases in the scoreboard. The way of an address that moves:
 *
 *     leader    "give it up"      ->  holder: the lease in the scoreboard becomes none, and the supervisor is asked to look
 *     holder    supervisor looked: the interface has it no more  ->  the lease is released
 *     leader    nobody holds it   ->  LEASE_TAKE for the next  ->  its agent is granted the lease, its supervisor adds the address
 *
 * It never releases a lease before the address is gone from the interface.
 */
#pragma once

#include "cluster/cluster.h"
#include "failover/address.h"
#include "role/role.h"

enum { AGENT_ORDERS_MAX = 16 };

struct agent_cluster;

/* A lease of this node's that it gives up. By slot. */
struct agent_give {
    char name[CONFIG_NAME_MAX];   /* of the address; empty: it is not given up */
    uint64_t epoch;               /* of the lease: what comes after it is not given up */
    uint64_t look;                /* what the supervisor has to have answered */
    bool gone;                    /* it is on no interface of this machine any more */
    struct agent_addresses *asks; /* its release is asked for; NULL: not just now */
};

/* What a node last said of itself. */
struct agent_report {
    struct instant heard; /* {0}: nothing yet */
    bool refuses;
    uint8_t words[ADDRESS_MAX]; /* enum address_word, by this node's order of addresses */
    bool held[ADDRESS_MAX];
};

/* What the leader is having done about one address. */
struct agent_deed {
    struct agent_addresses *owner; /* NULL: nothing */
    uint32_t address;
    uint8_t to, from;
    enum address_reason reason;
    uint64_t generation; /* by whose order `address` counts */
};

/* An operator's order, at the leader. */
struct agent_order {
    bool used, lost;
    char name[CONFIG_NAME_MAX];
    uint8_t to;
    struct instant deadline;
    bool of_node; /* another node's, by `ticket`; else this node's monitor's, by `id` */
    uint64_t ticket;
    uint32_t id;
};

/* An order that another node carries out. */
struct agent_passed {
    struct agent_addresses *owner; /* NULL: free */
    uint32_t id;
    bool lost;
};

struct agent_addresses {
    struct agent_cluster *agent;
    struct timer timer;
    bool stopping, reporting, report_again;
    uint64_t looks, looked;    /* asked of the supervisor, and answered */
    struct instant look_asked; /* the first that is not answered */
    struct instant look_due;
    struct agent_give gives[CLUSTER_LEASES_MAX];
    struct address_board board;         /* the supervisor's, as last read */
    struct instant failed[ADDRESS_MAX]; /* when it could not be added last; {0}: never */
    struct condition_board conditions;
    uint32_t linked; /* members that were, as last seen */

    bool leads;
    uint64_t generation; /* of the rules that `core` knows */
    struct address_core core;
    struct address_view view;
    struct agent_report reports[ADDRESS_NODES_MAX];
    struct agent_deed taking[ADDRESS_MAX], handing[ADDRESS_MAX];
    uint8_t from[ADDRESS_MAX]; /* the last holder that was seen */
    struct agent_order orders[AGENT_ORDERS_MAX];
    struct agent_passed passed[AGENT_ORDERS_MAX];
};

void agent_addresses_open(struct agent_addresses *addresses, struct agent_cluster *agent);
/* A new generation, a lease, a document, a node: something changed. */
void agent_addresses_stir(struct agent_addresses *addresses);
/* A lease of this node lasts until then, 0: no more. Writes it to the scoreboard, unless it is given up. */
void agent_addresses_lease(struct agent_addresses *addresses, uint32_t slot, const char *resource,
                           struct instant until);
void agent_addresses_looked(struct agent_addresses *addresses, uint64_t number);
/* Gives up everything. */
void agent_addresses_stop(struct agent_addresses *addresses);
/* Whether no interface of this machine has any more what this node had leases for. */
bool agent_addresses_gone(struct agent_addresses *addresses);
void agent_addresses_close(struct agent_addresses *addresses);
/* `nines address move`: asked of this node by its monitor. */
void agent_addresses_move(struct agent_addresses *addresses, uint32_t id, struct bytes query);
void agent_addresses_forget_monitor(struct agent_addresses *addresses);

/* ---- what other nodes ask: see agent_request.c; the bytes are without the first ---- */

void agent_addresses_on_report(struct agent_cluster *agent, const char *node, uint64_t ticket,
                               struct bytes bytes);
void agent_addresses_on_give(struct agent_cluster *agent, const char *node, uint64_t ticket,
                             struct bytes bytes);
void agent_addresses_on_move(struct agent_cluster *agent, const char *node, uint64_t ticket,
                             struct bytes bytes);

/* ---- agent_leading.c: the leader's part ---- */

/* Decides and acts, when this node leads. Returns when it wants to be called again. */
struct instant agent_lead_addresses(struct agent_addresses *addresses);
void agent_lead_no_more(struct agent_addresses *addresses);
void agent_lead_report(struct agent_addresses *addresses, const char *node,
                       const struct agent_report *report);
/* At once, or when it is done. False: too many wait. */
MUST_USE bool agent_lead_order(struct agent_addresses *addresses, struct agent_order *order);

/* ---- agent_addresses.c, for agent_leading.c ---- */

/* A row of the configuration in force, and how many there are. */
const struct config_address *agent_addresses_rows(const struct agent_addresses *addresses,
                                                  uint32_t *count);
const char *agent_addresses_name(const struct agent_addresses *addresses,
                                 const struct config_address *row);
void agent_addresses_give(struct agent_addresses *addresses, const char *name);
void agent_addresses_report_of(const struct agent_addresses *addresses,
                               struct agent_report *report); /* this node's own */

enum move_outcome { MOVE_DONE, MOVE_REFUSED, MOVE_UNKNOWN, MOVE_OUTCOMES };

void agent_addresses_answer_order(struct agent_addresses *addresses,
                                  const struct agent_order *order, enum move_outcome outcome,
                                  const char *sentence);
