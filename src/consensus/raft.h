/*
 * consensus: leader election and the replicated log, without I/O.
 *
 * Raft as in Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm" (2014), and Ongaro's thesis (2014): pre-vote
 * (9.6), check-quorum and leader transfer (6.2, 3.10), single-server membership changes (4.1) with learners, ReadIndex (6.4).
 *
 * The core is plain data without pointers: a copy is a snapshot. It reads no clock, allocates nothing, cannot fail, and never sees the body of a
 * command: it knows terms, indexes and members, and says what is to be made durable and what is to be sent. The driver tells it what
 * happened (raft_receive, raft_tick, …), then asks once per turn what is to be done (raft_ready), and does it in the order given.
 *
 * It never answers before that on which the answer depends is durable: term and vote before a vote, entries before an acknowledgement, and a
 * leader counts itself only up to what its own disk holds. It never commits an entry of an older term by counting (figure 8). It does not
 * assume that the driver's log is a local file: it asks for persistence and waits to be told.
 *
 * A lost action is harmless: messages are repeated by later heartbeats, and raft_persisted is waited for.
 *
 * The driver keeps the log: for each index a term, a kind and a body. It puts what it proposed and what raft_receive left untaken. An election adds one
 * entry without a word: those that the driver has not put, up to `last`, are RAFT_NOOPs of raft_term_at.
 */
#pragma once

#include "base/instant.h"
#include "base/rng.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    RAFT_MEMBERS_MAX = 16,
    RAFT_VOTERS_MAX = 7,  /* witnesses included */
    RAFT_BATCH_MAX = 64,  /* entries of one message */
    RAFT_WINDOW = 4,      /* messages with entries under way to one member */
    RAFT_TAIL_MAX = 4096, /* entries that may wait to be committed; beyond, proposals are refused */
    RAFT_RUNS_MAX =
        256, /* changes of term between the snapshot and the end of the log; when 3/4 are used raft_wants_snapshot */
    RAFT_READS_MAX = 64, /* read confirmations that wait */
    RAFT_ERAS_MAX = 16,  /* past memberships that are remembered */
    RAFT_SENDS_MAX = RAFT_MEMBERS_MAX * (RAFT_WINDOW + 4), /* messages of one raft_ready */
};

/* Terms, indexes and rounds stay below: what a peer says beyond is ignored. */
#define RAFT_NUMBER_MAX (UINT64_C(1) << 60)

enum raft_kind { RAFT_NOOP, RAFT_COMMAND, RAFT_CONFIG };
enum raft_member_role { RAFT_LEARNER, RAFT_VOTER, RAFT_WITNESS };
/* What a RAFT_CONFIG entry does to one member. SET adds it or changes its role. */
enum raft_change_kind { RAFT_SET, RAFT_REMOVE };

struct raft_change {
    uint8_t kind, role;
    uint32_t member; /* never 0, never used again after its removal: the proposer sees to it */
};

/* All that the core needs to know of an entry. */
struct raft_entry {
    uint64_t term;
    uint8_t kind;
    struct raft_change change; /* of a RAFT_CONFIG; else zero */
};

struct raft_member {
    uint32_t id;
    uint8_t role;
};

struct raft_config {
    uint32_t count;
    struct raft_member members[RAFT_MEMBERS_MAX]; /* by rising id */
};

enum raft_message_type {
    RAFT_PREVOTE,
    RAFT_PREVOTE_REPLY,
    RAFT_VOTE,
    RAFT_VOTE_REPLY,
    RAFT_APPEND, /* with no entries: a heartbeat */
    RAFT_APPEND_REPLY,
    RAFT_SNAPSHOT, /* the entries you need are gone: a snapshot at `index`, `index_term` is offered, fetch it */
    RAFT_TIMEOUT_NOW,
    RAFT_MESSAGE_TYPES,
};

struct raft_message {
    uint8_t type;
    bool granted;  /* of a reply: the vote was given, the entries fit */
    bool full;     /* APPEND_REPLY: they fit, and the disk does not take them */
    bool transfer; /* VOTE: the leader asked for this election */
    bool beat;     /* APPEND: to be answered at once, without waiting for the disk */
    uint32_t from, to;
    uint64_t term;
    uint64_t index,
        index_term; /* VOTE, PREVOTE: the end of the candidate's log. APPEND: the entry before the first. APPEND_REPLY: granted: durable
                                   up to here and equal to the leader's; refused: where to try next (the end of the conflicting
                                   term's run, so that one exchange skips a term). SNAPSHOT: its place */
    uint64_t commit; /* APPEND */
    uint64_t
        round; /* APPEND, SNAPSHOT: counts up; the reply returns it. Confirms leadership for reads and leases */
    int64_t
        unled_ns; /* VOTE_REPLY: for how long the voter has heard no leader and not led, at least; in the place of `round` on the wire. The driver's: the core neither sets nor reads it */
    uint32_t count; /* APPEND */
    const struct raft_entry *
        entries; /* of a received APPEND: `count` of them, borrowed for the call. NULL in what is to be sent: the driver takes
                                         entries index+1 … index+count, with their bodies, from its log */
};

enum raft_role { RAFT_FOLLOWER, RAFT_PRECANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

struct raft_options {
    uint32_t self;
    uint64_t seed;
    int64_t heartbeat_ns;
    int64_t
        election_ns; /* at least 2 heartbeats; each timeout is drawn from election to election x 5/4 + heartbeat/4. A witness waits half as long again */
};

/* What the disk held at the start. */
struct raft_restored {
    uint64_t term;
    uint32_t vote; /* 0: none in this term */
    uint64_t snapshot_index, snapshot_term;
    struct raft_config snapshot_config; /* as of the snapshot */
    uint64_t last; /* index of the last entry; snapshot_index when there is none after it */
    const struct raft_entry *entries; /* snapshot_index + 1 … last */
};

/* The members from the entry at `index` on. */
struct raft_era {
    uint64_t index;
    struct raft_config config;
};

/* One run of entries of equal term. */
struct raft_run {
    uint64_t term, first;
};

enum raft_progress_state { RAFT_PROBE, RAFT_REPLICATE, RAFT_SNAPSHOTTING };

/* What a leader knows of a member. */
struct raft_progress {
    uint64_t match, next;       /* durable and equal up to match; the next to be sent */
    uint64_t round;             /* the newest that it returned */
    uint64_t ends[RAFT_WINDOW]; /* of the messages under way: their last entries, rising */
    uint64_t commit_sent;
    struct instant heard, sent;
    uint8_t state; /* enum raft_progress_state */
    uint8_t under_way;
    bool full;   /* its disk is: heartbeats only, until it says otherwise */
    bool due;    /* it is to get a message at the next raft_ready: a beat or a probe */
    bool tilted; /* as it says */
    bool asked;  /* PROBE: a message is under way, the next goes with a heartbeat or an answer */
};

/* What this node has to say to somebody, member or not, at the next raft_ready. */
struct raft_owed {
    uint32_t to; /* 0: the place is free */
    bool prevote, prevote_granted, vote_granted, vote_refused, accepted, refused, timeout_now;
    uint64_t prevote_term;
    uint64_t index, index_term; /* of what was refused: where to try next */
};

/* The persist action that is under way. */
struct raft_job {
    uint64_t ticket; /* 0: none */
    uint64_t term;
    uint32_t vote;
    bool log;
};

struct raft_read {
    uint64_t id, round, index;
};

/* Readable by everybody; written by this room alone. Grouped by what belongs together, which costs 40 bytes.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct raft {
    struct raft_options options;
    struct rng rng;
    uint64_t term;
    uint32_t vote, leader; /* 0: none, unknown */
    enum raft_role role;
    uint64_t snapshot_index, snapshot_term;
    uint64_t last;   /* index of the last entry, durable or not */
    uint64_t stored; /* durable up to here, and equal to `last`'s log */
    uint64_t commit;
    uint64_t applied; /* told by the driver */
    uint64_t
        noop; /* leader: index of its first entry; the term is established when commit reaches it */
    struct raft_config config; /* the latest in the log, committed or not */
    uint64_t config_index;
    struct instant deadline; /* of the election, or of the next heartbeat */
    uint64_t
        contradictions; /* messages that contradict what is committed: a peer's disk went back in time, or it lies */
    bool tilted, full; /* full: the disk took no entries when it was last asked to */

    /* The log's shape. Terms are known from first - 1 to last. */
    uint64_t first;
    uint32_t runs;
    struct raft_run run[RAFT_RUNS_MAX];
    uint32_t eras;
    struct raft_era era[RAFT_ERAS_MAX]; /* before `config`, the oldest first */

    /* The disk: `clean` is up to where what it was told equals the log. */
    uint64_t clean, tickets, durable_term;
    uint32_t durable_vote;
    struct raft_job job;
    struct instant retry; /* while full: when it is asked again */

    /* A follower's. */
    struct instant heard; /* from the leader */
    bool lost;            /* the link to the leader was reset since */
    uint64_t agreed;      /* equal to the leader's log up to here */
    uint64_t acked, round_seen;
    uint32_t
        fetch_from; /* 0: no snapshot is being fetched. While one is, entries are neither taken nor persisted */
    uint64_t fetch_index, fetch_term;
    struct raft_owed owed[RAFT_MEMBERS_MAX];

    /* A candidate's. Bits are places in `config`. */
    uint32_t granted, refused, unasked;
    bool transferred;
    bool insists;  /* its first try: it gives no pre-vote to equals with smaller ids */
    bool gave_way; /* to one of those, once since it heard a leader */
    struct instant resend;

    /* A leader's. */
    struct raft_progress progress[RAFT_MEMBERS_MAX]; /* by place in `config` */
    uint64_t round;
    bool round_wanted;
    uint32_t transfer_to, transfer_before;
    struct instant transfer_until, handover_from, full_until;
    uint32_t reads, reads_lost;
    struct raft_read read[RAFT_READS_MAX];
    uint64_t read_lost[RAFT_READS_MAX];

    /* What was seen at the last check, and said by the last raft_ready. */
    struct {
        uint64_t term, commit, last;
        uint32_t vote;
        bool led;
    } seen;
    struct {
        uint64_t term;
        uint32_t leader;
        enum raft_role role;
        bool established;
    } said;
};

void raft_init(struct raft *raft, const struct raft_options *options,
               const struct raft_restored *restored, struct instant now);

/* ---- what happened ---- */

/* The deadline passed (raft_next_deadline), or any time. */
void raft_tick(struct raft *raft, struct instant now);
/* From a member or not, of any age, more than once: all that a peer can say is handled, nothing aborts. The driver has checked the
 * encoding's bounds (count <= RAFT_BATCH_MAX, terms that do not fall, known types). Of an APPEND, *taken says how many leading entries are already in the log, and so which bodies to keep:
 * entries taken … count-1 are new (they may replace a conflicting tail, see raft_actions.persist). When the message was not taken at all, *taken is count. */
void raft_receive(struct raft *raft, const struct raft_message *message, struct instant now,
                  uint32_t *taken);
/* The driver finished the persist action with this ticket; entries and metadata are durable. */
void raft_persisted(struct raft *raft, uint64_t ticket, struct instant now);
/* The disk refused the entries of this ticket for want of room; the metadata is durable and the log on disk is as before `keep`. The core tries
 * again later. (A disk that fails otherwise ends the process.) */
void raft_disk_full(struct raft *raft, uint64_t ticket, struct instant now);
/* The link to a member was reset: a hint. A follower that loses its leader asks for pre-votes at once. */
void raft_peer_lost(struct raft *raft, uint32_t member, struct instant now);
/* This member says that it does not lead in `term`: a hint, used as above by who follows it there. */
void raft_leader_left(struct raft *raft, uint32_t member, uint64_t term, struct instant now);
/* The clock or the host cannot be trusted for now: stands a little later than others and gives way to them, and when it leads it hands over to
 * somebody who is not tilted. To be told again when a clock jumps or the process was stopped once more: what came meanwhile is heard first. */
void raft_tilt(struct raft *raft, bool tilted, struct instant now);
/* So says a member of itself. Known of members only while this node leads: to be told when that begins. */
void raft_peer_tilted(struct raft *raft, uint32_t member, bool tilted);
/* The state machine has applied up to here. */
void raft_applied(struct raft *raft, uint64_t index);
/* A snapshot of the applied state at `index` is durable (index <= applied, and <= stored: what lies beyond waits for its entries): entries up to it may go (the driver keeps what it likes for slow followers up to `keep_from`,
 * the first index that it still has). */
void raft_snapshot_saved(struct raft *raft, uint64_t index, uint64_t keep_from);
/* A snapshot fetched from the leader is durable and is now the state; the log is empty behind it. Only while raft->fetch_from says that one is
 * being fetched, which stands until this call or raft_snapshot_failed; its index is beyond `commit` (fetched but older: raft_snapshot_failed). */
void raft_snapshot_installed(struct raft *raft, uint64_t index, uint64_t term,
                             const struct raft_config *config, struct instant now);
void raft_snapshot_failed(struct raft *raft,
                          uint32_t member); /* it could not be fetched; or the member said so */

/* ---- what people and rooms ask ---- */

enum raft_outcome {
    RAFT_ACCEPTED,
    RAFT_NOT_LEADER, /* raft->leader says who may be */
    RAFT_BUSY, /* the tail is at its limit, the disk is full, or leadership is being handed over: later */
    RAFT_CHANGING, /* another membership change is not committed yet, or no entry of this term is */
    RAFT_INVALID, /* a change that leaves no voter, exceeds the limits, makes a voter of who is no learner that has caught up, or changes nothing;
                     a transfer to who is no voter */
};

/* Accepted: the entry has *index and raft->term, and the driver puts its body there. */
enum raft_outcome raft_propose(struct raft *raft, struct instant now, uint64_t *index);
enum raft_outcome raft_change(struct raft *raft, const struct raft_change *change,
                              struct instant now, uint64_t *index);
/* Answered by raft_actions.reads: from then on, whoever has applied `index` may answer what was asked before this call, and no other leader had
 * been elected when this call was made. Needs an established term (else RAFT_BUSY). */
enum raft_outcome raft_confirm(struct raft *raft, uint64_t id, struct instant now);
/* To this member (0: the one that is furthest). Gives up after an election timeout. */
enum raft_outcome raft_transfer(struct raft *raft, uint32_t to, struct instant now);

/* ---- what is to be done ---- */

struct raft_actions {
    /* First make durable, as one job, in this order: term and vote; cut the log after `keep`; entries keep+1 … last. Then raft_persisted(ticket).
     * At most one is under way: what comes meanwhile is in the next (group commit). ticket 0: nothing. */
    struct {
        uint64_t ticket, term, keep, last;
        uint32_t vote;
        bool meta; /* term or vote changed */
        bool log;  /* the log is to be cut and written; else keep and last mean nothing */
    } persist;
    /* May be sent at once, in parallel with the job: nothing here depends on it. */
    uint32_t sends;
    struct raft_message send[RAFT_SENDS_MAX];
    uint64_t commit; /* apply up to here (and what is durable is not needed for it) */
    /* Leadership as of now. `role_changed`: something of it is new since the last raft_ready. */
    bool role_changed;
    bool established; /* leader, and an entry of its own term is committed */
    bool
        resigned; /* it led until now, and nobody else is known to lead in that term: whoever follows it had better know */
    /* A snapshot at this place or a later one is to be fetched from this member, unless one is being fetched (said each time until it is installed
     * or failed). 0: none. */
    uint32_t fetch_from;
    uint64_t fetch_index, fetch_term;
    uint32_t reads;
    struct raft_read read[RAFT_READS_MAX]; /* confirmed */
    uint32_t reads_lost;
    uint64_t read_lost
        [RAFT_READS_MAX]; /* ids that this node can no longer confirm: it is not leader any more */
};

void raft_ready(struct raft *raft, struct instant now, struct raft_actions *actions);
struct instant raft_next_deadline(const struct raft *raft);

/* ---- what it knows ---- */

uint64_t raft_term_at(const struct raft *raft,
                      uint64_t index); /* 0: no longer known, or after the end */
/* The members as of an index between the snapshot and `last`. NULL: so many changes ago that it is forgotten. */
const struct raft_config *raft_config_at(const struct raft *raft, uint64_t index);
const struct raft_progress *raft_progress_of(const struct raft *raft,
                                             uint32_t member); /* a leader's; NULL: not a member */
bool raft_is_voter(const struct raft_config *config, uint32_t member); /* witnesses are */
/* A leader that has heard from a majority within the election timeout and a quarter of a heartbeat, and resigns at the end of that; any other node: one
 * that has heard a leader within the election timeout. */
bool raft_has_quorum(const struct raft *raft, struct instant now);
bool raft_wants_snapshot(
    const struct raft *raft); /* its table of terms is nearly full: take one soon */
/* Aborts when an invariant does not hold. Called by every function above, on entry and exit. */
void raft_check(const struct raft *raft);
