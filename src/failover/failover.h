/*
 * failover: who is the primary of a group. Pure; it runs on the leader of consensus, once per group.
 *
 * Detect, isolate, recover, verify: it is shown the group as the document has it and what every member says of itself, and answers with changes of the document.
 * It gives no orders to members: they follow the document (replication/replica.h). So a leader that is replaced in the middle leaves nothing undone that the next
 * one does not see.
 *
 *   isolate   {primary 0} in a new epoch. The cluster lets that happen only when the old primary gave up, or its lease has run out
 *             (cluster/lease.h); asking early is how one waits for it
 *   recover   members promise that epoch, which freezes their positions; from enough promises (elect.h) the most advanced, then priority, then zone
 *   verify    the new primary says so itself in the document (`serving`); if it does not within `timeout_ms`, or says that it cannot: {primary 0} again,
 *             without it
 *
 * It never names a primary that was neither in sync nor eligible, unless the file or an operator accepts loss, and then says how much; never one that is loading,
 * in maintenance, or whose position is not frozen in this epoch; never acts while paused, tilted or without a quorum.
 */
#pragma once

#include "base/instant.h"
#include "schema/schema.h"
#include "topology/fact.h"
#include "topology/group.h"

enum failover_health { FAILOVER_UNHEARD, FAILOVER_ALIVE, FAILOVER_SUSPECTED, FAILOVER_DEAD };

/* Why the primary is another. The first four have a delay of their own (`delay:` in the file). */
enum failover_cause {
    CAUSE_NONE, /* it was over before this leader came: not known */
    CAUSE_PROCESS,
    CAUSE_STUCK,
    CAUSE_NODE,
    CAUSE_SILENCE,
    CAUSE_REFUSED, /* it was named and did not take over */
    CAUSE_LEFT,    /* it stepped down in order: its node stops */
    CAUSE_SWITCHOVER,
    CAUSE_OPERATOR,
    CAUSE_MAINTENANCE, /* of its node; or the node left the group's file */
    CAUSE_FIRST,
    CAUSES
};

const char *failover_cause_name(enum failover_cause cause); /* `its process ended` */

struct failover_rules {
    int64_t heartbeat_ms;
    int64_t timeout_ms; /* each phase of a failover must be over within; `failover.timeout` */
    int64_t lease_ms;
    int64_t
        promise_ms; /* how long members that are alive and have not promised are waited for once enough have */
    int64_t delay_ms[CAUSES];
    uint32_t
        flaps; /* a member that lost the primacy so often within flap_window_ms is chosen last */
    int64_t flap_window_ms;
    uint64_t max_lag_bytes; /* a secondary further behind is never promoted, in async */
    bool unclean;           /* nobody eligible: the most advanced of those who answer, with loss */
    int64_t unclean_after_ms; /* ... after so long */
    int64_t dry_run_ms;       /* how often a dry election is told of; 0: never */
};

struct failover_member {
    char name[GROUP_NAME_MAX]; /* of its node; for sentences */
    struct life
        life;       /* the run that the document knows; member 0: not a member of the cluster yet */
    uint8_t health; /* enum failover_health, of that run */
    bool maintenance;
    int32_t priority; /* higher is preferred */
    uint32_t zone;    /* number of its zone; equal: the same */
    bool heard;       /* `report` is of this run */
    bool current;     /* what it has, the primary had moments ago: reports are not of one moment */
    struct instant heard_at;
    struct group_report report;
};

struct failover_view {
    bool exists; /* the document has the group */
    uint64_t epoch, version;
    struct group_body body;
    struct group_body wanted; /* of the file: mode, acks, min_in_sync; the rest unused */
    uint32_t count;
    struct failover_member
        members[GROUP_MEMBERS_MAX]; /* that the file names, by place in the file */
    bool paused;                    /* by an operator */
    bool able; /* this node leads, is established, has a quorum and is not tilted */
};

enum failover_order_kind { ORDER_NONE, ORDER_SWITCHOVER, ORDER_FAILOVER };

/* From people. `to`: place of the member; UINT32_MAX: whoever is best. */
struct failover_order {
    uint64_t number; /* the caller's own: comes back with the answer */
    enum failover_order_kind kind;
    uint32_t to;
    bool accept_loss; /* ORDER_FAILOVER: also one that is not known to have everything */
};

/* Who would win, and why the others would not. One row a member, by place. */
struct failover_candidate {
    bool eligible;
    struct position position;
    bool frozen;                  /* in this epoch; else as last heard */
    uint64_t loss_bytes;          /* behind the most advanced that is known; UINT64_MAX unknown */
    char why[GROUP_SENTENCE_MAX]; /* it is not eligible; "" */
};

struct failover_outlook {
    uint32_t winner;     /* place; UINT32_MAX: nobody */
    uint64_t loss_bytes; /* estimated */
    int64_t expected_ms; /* from the last ones of this group, or of the rules when there was none */
    char why_nobody[GROUP_SENTENCE_MAX]; /* "" when there is a winner */
    struct failover_candidate candidates[GROUP_MEMBERS_MAX];
};

/* The phases of one failover, in ms; what is not known is -1. */
struct failover_record {
    uint64_t epoch;
    enum failover_cause cause;
    uint32_t from, to; /* members; 0: none */
    bool planned, unclean;
    int64_t detect_ms, decide_ms, fence_ms, promise_ms, promote_ms, verify_ms, total_ms;
    uint64_t waited, failed; /* clients, on all nodes that said so */
    uint64_t
        lost_bytes; /* of acknowledged writes, at most: how far anybody was known to be beyond the new primary. 0 where the mode says that nothing is lost; UINT64_MAX unknown */
};

enum failover_phase {
    FAILOVER_STANDING_BY, /* this node does not lead, or must not act */
    FAILOVER_CREATING,
    FAILOVER_WATCHING,
    FAILOVER_DELAYING,
    FAILOVER_ISOLATING,
    FAILOVER_PROMISING,
    FAILOVER_PROMOTING,
    FAILOVER_SWITCHING,
    FAILOVER_STRANDED,
    FAILOVER_PHASES
};

const char *failover_phase_name(enum failover_phase phase); /* `watching` */

enum failover_action_kind {
    FAILOVER_CREATE, /* the group, with `body` */
    FAILOVER_UPDATE, /* based on `epoch` and `version`: `body`, `unclean` */
    FAILOVER_RECORD, /* `record` is complete: failover_fact makes it a fact */
    FAILOVER_TELL,   /* likewise: `code`, `about`, `sentence`; of a dry run also `record` */
    FAILOVER_ANSWER, /* to order `number`: `done`, `sentence` */
};

struct failover_action {
    enum failover_action_kind kind;
    uint64_t epoch, version;
    struct group_body body;
    bool unclean, done;
    enum fact_code code;
    uint32_t about; /* member; 0: none */
    uint64_t number;
    struct failover_record record;
    char sentence[GROUP_SENTENCE_MAX];
};

/* A proposal, two answers (one to an order that came too many), a record, and the rest to tell of. */
enum { FAILOVER_ACTIONS_MAX = 12 };

struct failover_actions {
    uint32_t count;
    struct failover_action actions[FAILOVER_ACTIONS_MAX];
};

struct failover; /* failover_state.h: plain data without pointers */

void failover_init(struct failover *failover, const struct failover_rules *rules);
/* Other rules, from the next step on. */
void failover_configure(struct failover *failover, const struct failover_rules *rules);
/* Things may have changed, or a deadline has passed. At most one CREATE or UPDATE is out at a time. */
void failover_step(struct failover *failover, const struct failover_view *view, struct instant now,
                   struct failover_actions *out);
/* What became of the CREATE or UPDATE: done; or refused, stale or unknown. A step follows. One that is not answered within a lease and `timeout_ms` counts as
 * unknown: what is based on a version can be asked twice. */
void failover_proposed(struct failover *failover, bool done, struct instant now);
/* A step follows, and FAILOVER_ANSWER in that or a later one. One at a time: another is answered as refused. Who stops leading answers too. */
void failover_ordered(struct failover *failover, const struct failover_order *order,
                      struct instant now);
struct instant failover_next_deadline(const struct failover *failover);
/* RECORD and TELL as a fact about `group`, with its numbers. */
void failover_fact(const struct failover_action *action, const char *group, struct fact *fact);
enum failover_phase failover_phase_of(const struct failover *failover);
/* What would happen if the primary failed now; costs nothing and changes nothing. For status, dry runs and the hourly fact. */
void failover_outlook(const struct failover *failover, const struct failover_view *view,
                      struct instant now, struct failover_outlook *out);

/* ---- the rows of the configuration (tables.c) ---- */

/* Of the file's `failover:` section, besides what the cluster needs. */
struct failover_config {
    int64_t timeout_ms;
    int64_t delay_process_ms, delay_stuck_ms, delay_node_ms, delay_silence_ms;
    int64_t flaps, flap_window_ms;
    int64_t dry_run_ms;
};

extern const struct option failover_options[]; /* OPTION_INCLUDE in `failover:` */
