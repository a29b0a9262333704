/*
 * replication/replica: one member of one group brings its own engine to what the document says. Pure.
 *
 * It runs on every node that holds data of the group. It is told what the document says, until when this node may act (the group's lease), what the engine
 * answered and what became of its process; it answers with orders to the engine, to the supervisor and to the cluster. What it must never do: let the engine take
 * writes without a lease that is valid now, or in an epoch that is not the document's; report a position as frozen that is not; propose anything about the group but
 * these five: stepping down (the engine is dead, stuck or refuses, or this node leaves), handing over to the document's target, serving (its write was
 * answered), going on after its agent began again, and the in-sync set of its own epoch (replication/in_sync.h).
 *
 * One order is under way at a time. Every wait has a deadline and a next step, by the table in replica_table.c that docs/failover.md prints.
 *
 *     while (something happened) replica_step(&replica, &event, now, &actions), then carry out the actions in their order
 */
#pragma once

#include "base/buf.h"
#include "base/instant.h"
#include "topology/engine.h"

struct replica_rules {
    int64_t status_ms;  /* how often the engine is asked; a heartbeat */
    int64_t timeout_ms; /* of orders (not of rewind, copy), and until what has begun answers */
    int64_t
        demote_ms; /* a demotion is begun so long before the lease ends, and is answered by then or the process is killed */
    int64_t copy_ms;
    int64_t stuck_ms;  /* a status or write probe that is unanswered for so long: stuck */
    int64_t verify_ms; /* after promote, until a write must have been answered */
    bool managed;      /* the supervisor runs the engine's process */
    bool probed;       /* writes are probed (engine_probe) */
    bool
        durable; /* the engine acknowledges a write only when it is on disk: a crash of it loses nothing */
    uint32_t restart_attempts; /* at once; within the window all of them come back, one by one */
    int64_t restart_window_ms;
    uint64_t max_lag_bytes; /* in_sync: a secondary further behind is not in sync */
    int64_t lag_ms;         /* in_sync: that has not been caught up for so long leaves the set */
    int64_t degrade_ms;     /* semi-sync: goes on with fewer acks after so long; INT64_MAX never */
};

/* Where the member is; names in replica_table.c. */
enum replica_state {
    REPLICA_IDLE,     /* no document, or not of this group: the engine takes no writes */
    REPLICA_STARTING, /* the process is started, or not ready yet */
    REPLICA_PROMISING,
    REPLICA_FROZEN, /* promised; there is no primary */
    REPLICA_PROMOTING,
    REPLICA_VERIFYING,
    REPLICA_SERVING,
    REPLICA_HANDING_OVER, /* demoting with a target */
    REPLICA_DEMOTING,
    REPLICA_KILLING,   /* it did not demote in time: its process has to end */
    REPLICA_FOLLOWING, /* is to follow, or follows */
    REPLICA_REWINDING,
    REPLICA_COPYING,
    REPLICA_WAITING, /* restarts are used up for now, the engine refused, or its stepping down is not in the document yet */
    REPLICA_RESUMING, /* this agent began again beside an engine that is primary: it asks to go on */
    REPLICA_STATES,
};

enum replica_event_kind {
    REPLICA_TICK,     /* a deadline has passed */
    REPLICA_DOCUMENT, /* `epoch`, `version`, `body`, `life`, `lives`: what was applied. version 0: there is no such group */
    REPLICA_LEASE, /* `until`: this node's lease of the group ends then (same clock as `now`); 0 ns: it has none. `epoch` as in the document, which is
                      told first. At every extension: one that came before is not believed any more once giving up was proposed */
    REPLICA_ANSWERED, /* `answer`: one for each REPLICA_ASK, also when it was cancelled */
    REPLICA_PROCESS, /* `running`: the supervisor runs the process, or it has ended (`sentence`: how; may be NULL). Also once at the beginning */
    REPLICA_PROBED, /* `answered`: the write that was asked for: of the engine directly (PROBE), or through the balancer (VERIFY). One for each */
    REPLICA_PROPOSED, /* `outcome`: what became of the proposal. One for each */
    REPLICA_LEAVE, /* the node stops in order: hand over, or step down; nothing is started from now on */
};

enum proposal_outcome { PROPOSAL_DONE, PROPOSAL_STALE, PROPOSAL_REFUSED, PROPOSAL_UNKNOWN };

struct replica_event {
    enum replica_event_kind kind;
    uint64_t epoch, version;
    const struct group_body *body;
    struct life life; /* this run of this node's agent */
    const struct life_set
        *lives; /* the runs that the document knows of all members that hold the group's data */
    const char *sentence;
    struct instant until;
    const struct engine_answer *answer;
    bool running, answered;
    enum proposal_outcome outcome;
};

enum replica_action_kind {
    REPLICA_ASK,    /* `order`, to the engine */
    REPLICA_CANCEL, /* the order under way */
    REPLICA_START,  /* the engine's process, unless it runs; REPLICA_PROCESS follows */
    REPLICA_KILL,   /* the engine's process and all that it started; REPLICA_PROCESS follows */
    REPLICA_FENCE, /* `until`: the supervisor kills the process then unless it is told a later time; 0 ns: now. NEVER: it is no primary */
    REPLICA_PROBE, /* a client's write, to the engine directly */
    REPLICA_VERIFY,  /* a client's write, through the balancer */
    REPLICA_PROPOSE, /* GROUP_UPDATE based on `epoch` and `version`: `body`, `kept` */
    REPLICA_REPORT, /* what replica_report says has changed in a way that somebody waits for: send it now */
    REPLICA_TELL, /* `fact`, `sentence`: for the timeline */
};

/* What is told of, for the driver to make facts of (topology/codes.h). */
enum replica_fact {
    REPLICA_ENGINE_DIED,
    REPLICA_ENGINE_STUCK,
    REPLICA_ENGINE_BACK,
    REPLICA_ENGINE_GIVEN_UP,
    REPLICA_FENCED,
    REPLICA_DIVERGED,
    REPLICA_COPIED,
    REPLICA_DEGRADED,
    REPLICA_HEALED,
    REPLICA_JOINED_IN_SYNC,
    REPLICA_LEFT_IN_SYNC
};

struct replica_action {
    enum replica_action_kind kind;
    struct engine_order order;
    struct instant until;
    uint64_t epoch,
        version; /* PROPOSE: based on; PROBE, VERIFY, TELL: the epoch that it is about */
    struct group_body body;
    bool kept, yields; /* PROPOSE: as in cluster/command.h */
    enum replica_fact fact;
    uint32_t about; /* member that the fact is about */
    char sentence[GROUP_SENTENCE_MAX];
};

enum { REPLICA_ACTIONS_MAX = 12 };

struct replica_actions {
    uint32_t count;
    struct replica_action actions[REPLICA_ACTIONS_MAX];
};

struct
    replica; /* replica_state.h: plain data without pointers; sizeof is known to whoever includes that */

void replica_init(struct replica *replica, const struct replica_rules *rules);
/* Other rules, from the next step on. */
void replica_configure(struct replica *replica, const struct replica_rules *rules);
void replica_step(struct replica *replica, const struct replica_event *event, struct instant now,
                  struct replica_actions *out);
struct instant replica_next_deadline(const struct replica *replica);
/* What the others are told, each heartbeat and at REPLICA_REPORT. held and expired are the driver's to fill in. */
void replica_report(const struct replica *replica, struct group_report *report);
enum replica_state replica_state_of(const struct replica *replica);
/* The change of the set that was asked for and may still come true; NULL: none. `lives` has its members too, while there are any. */
const struct group_body *replica_open_body(const struct replica *replica);
/* After REPLICA_LEAVE: the engine takes no writes, and the document knows that this member is no primary. */
bool replica_left(const struct replica *replica);
const char *replica_state_name(enum replica_state state);

/* Every change of state is one of these (replica_table.c). */
struct replica_transition {
    uint32_t from;  /* 1 << enum replica_state, of each */
    uint32_t usual; /* of them: what the diagram shows */
    enum replica_state to;
    const char *sentence;
};

extern const struct replica_transition replica_transitions[];
extern const uint32_t replica_transition_count;
/* The table and a diagram of it, as docs/failover.md has them. */
void replica_document(struct buf *out);
