/*
 * failover/address: on which node each virtual address should be. Pure; it runs on the leader of consensus.
 *
 * It is shown the rules, who is there and well, and who holds what by the document, and answers what should be done about it now. It remembers
 * only since when each node has been well, so that one that comes and goes does not take addresses with it. What it answers is wanted for as
 * long as it is answered: an order that was lost is given again by asking again.
 *
 * It never lets two nodes have an address: that is the lease's matter, which no order here ends early. A TAKE from a holder that is gone is carried out
 * by whoever waits for the lease's end, a HAND_OVER by the holder itself. It never moves an address without a reason that it names.
 */
#pragma once

#include "base/instant.h"

enum {
    ADDRESS_MAX = 32,
    ADDRESS_NODES_MAX = 16,
    ADDRESS_NOBODY = 255,
    ADDRESS_STRANGER = 254,    /* a holder that is none of the nodes */
    ADDRESS_SETTLED_MS = 5000, /* well for so long: an address may be moved there without need */
    ADDRESS_GATHER_MS = 1000, /* a new leader waits so long for the words of nodes that are there */
    ADDRESS_LEAD_MS = 5000,   /* between two wishes to move the leadership */
};

struct address_rule {
    bool spread; /* evenly over its nodes, none of which is preferred */
    bool preempt;
    uint8_t node_count;
    uint8_t nodes[ADDRESS_NODES_MAX]; /* most preferred first */
};

/* What a node last said of itself for one address. */
enum address_word { ADDRESS_UNHEARD, ADDRESS_UNWELL, ADDRESS_WELL };

struct address_node {
    bool alive;
    bool refuses; /* drained, in maintenance, or about to stop */
    bool voter;   /* may lead, and is no witness */
    bool primary; /* of a group */
};

struct address_view {
    uint32_t address_count, node_count;
    uint8_t self; /* the leader */
    struct address_node nodes[ADDRESS_NODES_MAX];
    struct address_rule rules[ADDRESS_MAX];
    uint8_t words[ADDRESS_MAX][ADDRESS_NODES_MAX]; /* enum address_word */
    uint8_t holders[ADDRESS_MAX]; /* by the document: a node, ADDRESS_NOBODY, ADDRESS_STRANGER */
    bool current[ADDRESS_MAX];    /* the holder runs still as it ran when it took the address */
};

enum address_reason {
    ADDRESS_VACANT,    /* nobody has it */
    ADDRESS_GONE,      /* its holder is gone */
    ADDRESS_FAILS,     /* its conditions fail where it is */
    ADDRESS_REFUSED,   /* its holder is drained, in maintenance or stops */
    ADDRESS_MISPLACED, /* the configuration names its holder no more */
    ADDRESS_PREFERRED, /* a more preferred node is well again */
    ADDRESS_EVEN,      /* its holder has more than its share */
    ADDRESS_ORDERED,   /* an operator said so */
    ADDRESS_REASONS,
};

const char *address_reason_text(enum address_reason reason); /* `its holder is gone` */

enum address_step {
    ADDRESS_STAY,
    ADDRESS_TAKE, /* `to` becomes the holder, when the lease of the present one, if any, has ended */
    ADDRESS_HAND_OVER, /* the present holder lets go, so that `to` can take it */
};

struct address_action {
    enum address_step step;
    uint8_t to;
    enum address_reason reason;
};

struct address_actions {
    struct address_action at[ADDRESS_MAX]; /* by address */
    uint8_t lead;                          /* should lead; ADDRESS_NOBODY: whoever does */
    struct instant again; /* when time alone will change the answer; NEVER: it will not */
};

struct address_core {
    bool began;
    struct instant began_at;
    struct instant lead_at; /* when the leadership may be moved again */
    uint32_t address_count, node_count;
    struct instant well[ADDRESS_MAX][ADDRESS_NODES_MAX]; /* since when; NEVER: it is not */
    struct instant vacant[ADDRESS_MAX];                  /* since when; NEVER: it is not */
    uint8_t ordered[ADDRESS_MAX]; /* where an operator wants it; ADDRESS_NOBODY: anywhere */
};

/* A new leader begins anew, and so does one whose configuration changed. */
void address_init(struct address_core *core);
void address_decide(struct address_core *core, const struct address_view *view, struct instant now,
                    struct address_actions *out);

enum address_answer {
    ADDRESS_ACCEPTED,
    ADDRESS_THERE,    /* it is there already */
    ADDRESS_NOT_ITS,  /* that node may not have it */
    ADDRESS_NOT_WELL, /* that node is not there, refuses, or its conditions fail */
    ADDRESS_NO_OTHER, /* no other node is well */
};

/* An operator moves an address, to `*to`, or when that is ADDRESS_NOBODY to the next best, which is then written there. It stays until that node
 * fails; only the core's life remembers that. */
enum address_answer address_order(struct address_core *core, const struct address_view *view,
                                  uint32_t address, uint8_t *to);
