/*
 * topology/group: a replicated set of data, as the cluster's document has it and as its members speak of it. Plain values, no decisions.
 *
 * The document says what ought to be (struct group_body); every node's agent brings its own engine to that (replication/replica.h) and reports what is
 * (struct group_report); the consensus leader alone changes the document over the primary's head (failover/failover.h). So an order that is lost is
 * no order lost: whoever looks at the document again finds it.
 *
 * What the body says, read in this order:
 *
 *     primary == 0                      nobody may write. Members promise the epoch, freeze and report their positions: clients wait
 *     primary != 0, not serving         it promotes under its epoch and its lease, then answers a write: clients wait
 *     primary != 0, serving             clients are served
 *     ... and target != 0               a planned switchover to `target`: the primary stops writes, waits for it, and names it: clients wait
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/pack.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    GROUP_MEMBERS_MAX = 16,
    GROUP_NAME_MAX = 64, /* NUL included */
    GROUP_SENTENCE_MAX = 160,
};

/* One run of one member's agent: what it said dies with it. */
struct life {
    uint32_t member;      /* 0: nobody */
    uint64_t incarnation; /* from 1 */
};

static inline bool life_equal(struct life a, struct life b)
{
    return a.member == b.member && a.incarnation == b.incarnation;
}

struct life_set {
    uint32_t count;
    struct life lives[GROUP_MEMBERS_MAX]; /* by rising member; each member once */
};

/* -1: it is not in the set. */
int life_set_find(const struct life_set *set, uint32_t member);
bool life_set_has(const struct life_set *set, struct life life); /* exactly that run */
bool life_set_equal(const struct life_set *a, const struct life_set *b);
/* In its place by rising member, or over the entry that the member has. The set has room. */
void life_set_put(struct life_set *set, struct life life);
void life_set_drop(struct life_set *set, uint32_t member); /* not in it: nothing */
void life_encode(struct buf *out, struct life life);       /* 12 bytes */
struct life life_decode(struct unpack *in);
/* At most GROUP_MEMBERS_MAX x 12 + 1 bytes; false: cut off, out of order, or a zero in it. */
void life_set_encode(struct buf *out, const struct life_set *set);
MUST_USE bool life_set_decode(struct unpack *in, struct life_set *set);

/*
 * How far a member's data goes: the epoch of the primary that wrote its last record, and how far into the log that is, in the engine's own
 * unit. Compared by epoch first (who is on the wrong side of a fork has the older one, however long its log is). Comparable between members only while
 * both are frozen.
 */
struct position {
    uint64_t epoch, offset;
};

static inline int position_compare(struct position a, struct position b)
{
    if (a.epoch != b.epoch)
        return a.epoch < b.epoch ? -1 : 1;
    return a.offset == b.offset ? 0 : a.offset < b.offset ? -1 : 1;
}

enum group_mode { GROUP_SYNC, GROUP_SEMI_SYNC, GROUP_ASYNC, GROUP_MODES };

const char *group_mode_name(enum group_mode mode); /* `semi-sync` */

/* What a group is, apart from its name, epoch and version. */
struct group_body {
    uint32_t primary; /* member; 0: none. When not 0, in `in_sync` */
    uint8_t mode;     /* enum group_mode */
    uint8_t min_in_sync, acks;
    bool degraded; /* semi-sync: acknowledged with fewer than `acks` secondaries from now on */
    bool serving;  /* the primary of this epoch has answered a write */
    bool
        unclean; /* an election of this epoch or one before may have lost acknowledged writes, and not every member has followed it yet */
    uint32_t
        target; /* a planned switchover to this member; 0: none. Not the primary; in `in_sync` */
    struct life_set in_sync, eligible; /* disjoint */
};

/* The run of the primary; member 0: none. */
struct life group_primary(const struct group_body *body);

/*
 * Takes a member out of both sets by somebody else's decision than the primary's. Under semi-sync it may have been the only one besides the primary that has an
 * acknowledged write; so the group counts as degraded, and all that are left are needed to choose the next primary. Without a primary in the set to rely
 * on, and degraded already, nobody left is known to have all: the set becomes empty.
 */
void group_forget(struct group_body *body, uint32_t member);

void group_body_encode(struct buf *out, const struct group_body *body);
MUST_USE bool group_body_decode(struct unpack *in, struct group_body *body);

/* Where clients stand, by the document alone. */
enum group_phase {
    GROUP_UNKNOWN,    /* this node does not know the document */
    GROUP_RECOVERING, /* no primary */
    GROUP_PROMOTING,
    GROUP_SWITCHING,
    GROUP_SERVING,
    GROUP_PHASES,
};

enum group_phase group_phase_of(const struct group_body *body);
const char *group_phase_name(enum group_phase phase);

/* ---- what a member says of itself ---- */

enum engine_state {
    ENGINE_UNKNOWN,  /* it was not asked yet */
    ENGINE_STOPPED,  /* its process is not there, or does not answer the port */
    ENGINE_STARTING, /* loading, or recovering */
    ENGINE_RUNNING,
    ENGINE_STUCK,  /* the process is there and answers nothing within the deadline */
    ENGINE_FAILED, /* restarts are used up for now, or its program is wrong: the sentence says why */
    ENGINE_STATES,
};

enum engine_role { ENGINE_NEITHER, ENGINE_PRIMARY, ENGINE_SECONDARY, ENGINE_ROLES };

const char *engine_state_name(enum engine_state state);
const char *engine_role_name(enum engine_role role);

struct group_report {
    struct life life;    /* who says it */
    uint64_t epoch;      /* of the group's configuration that it acts on */
    uint64_t version;    /* likewise */
    uint8_t state, role; /* enum engine_state, engine_role */
    bool linked;         /* a secondary that receives from the primary of `epoch` */
    bool loading;        /* in the middle of a copy: it has no whole data */
    bool
        refused; /* as the primary of `epoch` it could not promote, or its node stops and it will not: the sentence says why */
    uint64_t
        promised; /* durably: it takes nothing from any primary of an older epoch; 0: nothing */
    struct position position; /* frozen when `promised` == `epoch` and there is no primary */
    uint64_t lag_bytes;       /* behind its primary, as it knows; UINT64_MAX unknown */
    uint64_t held,
        expired; /* clients' requests and connections that waited here, and in vain; counted since the node's start */
    char sentence[GROUP_SENTENCE_MAX]; /* why it could not be a primary, or what it waits for; "" */
};

enum { GROUP_REPORT_BYTES_MAX = 320 };

void group_report_encode(struct buf *out, const struct group_report *report);
/* False: cut off, or a value out of its bounds. */
MUST_USE bool group_report_decode(struct unpack *in, struct group_report *report);
