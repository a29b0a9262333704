/*
 * cluster: several nodes become one system. They agree on one small document, know who is alive, and hand out leases.
 *
 * A node's agent holds one `struct cluster`. It turns on the agent's loop and never waits: what may wait for a disk is a job. It goes through net/net.h and
 * `struct disk`, reads time from its loop alone and draws chance from its seed, so that the simulator runs the same code.
 *
 *     cluster_open(&cluster, &options, &err)      reads what the disk holds; says nothing to anybody before the disk id and the incarnation are synced
 *     cluster_ask(cluster, &ask, done, context)   changes something, on whichever node; the leader does it
 *     cluster_view(cluster)                       what this node knows, for people and programs
 *     cluster_close(cluster, true)
 *
 * It never acts on the document (promoting, draining, moving addresses is for others, who read it), never takes a lease back before its holder
 * must have dropped it, and never goes on after its disk lied: `failed` is told, and the process should end.
 *
 * One loop, one thread. Callbacks are made from loop_turn only, and every call is allowed in them.
 */
#pragma once

#include "base/address.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/instant.h"
#include "cluster/limits.h"
#include "topology/moment.h"

#include <stddef.h>

struct cluster;
struct disk;             /* wal/disk.h */
struct document;         /* cluster/document.h */
struct document_command; /* cluster/command.h */
struct fact;             /* topology/fact.h */
struct loop;
struct raft;
struct tls_context;

enum {
    CLUSTER_ASKS_MAX = 1024,         /* outstanding on one node; more are refused */
    CLUSTER_REQUEST_MAX = 256 << 10, /* bytes of one opaque request or answer */
    CLUSTER_REQUESTS_MAX = 64,       /* outstanding on one node */
};

/* Leases whose resource begins so, and those of groups, outlive the process that holds them: a proof of its death does not end them, their time does. But see cluster_tie. */
#define CLUSTER_OUTLIVES "address/"
/* Overrides whose key begins so are the cluster's own: people set others. */
#define CLUSTER_OWN "cluster/"
/* A kernel that closes a dead supervisor's port kills what was tied to it a moment later; a busy one takes longer than an idle one. */
enum { CLUSTER_GRACE_MS = 100 };

/* ---- opening ---- */

/* One node as the file names it. Copied. */
struct cluster_node {
    const char *name, *zone;
    struct address addresses[CLUSTER_PATHS_MAX]; /* where its peers' port is */
    uint32_t count;
    bool learner, witness; /* neither: a voter */
};

struct cluster_timing {
    int64_t heartbeat_ms; /* 200; 10 to 10,000 */
    int64_t election_ms;  /* 0: detection_beats x heartbeat / 2; at least 2 heartbeats */
    int64_t lease_ms;     /* 2,000 */
    int64_t
        pause_ms; /* a turn of the loop that comes later than this tilts the node; 0: lease / 4 */
    uint32_t drift_ppm;       /* how far two clocks' rates may differ; 10,000 is 1 % */
    uint32_t detection_beats; /* a node is suspected after about so many beats missed; 5 */
};

/* All are needed but `request`, `lease` and the two moments, which may be NULL. Pointers are borrowed for the length of the call. */
struct cluster_events {
    /* Something happened that belongs on the timeline; unstamped. */
    void (*fact)(void *context, const struct fact *fact);
    /* The view differs from when cluster_view was last called; once, until it is called again. Never for beats alone. */
    void (*changed)(void *context);
    /* A lease of this node: it lasts until then on LOOP_BOOT (renewed: later than before), or ns is 0: it must not be used any more, as of now. `slot` is its
     * place among CLUSTER_LEASES_MAX for as long as it exists. */
    void (*lease)(void *context, uint32_t slot, const char *resource, struct instant until);
    /* Another node asks something of the owner of this cluster. To be answered once with cluster_answer, now or later. */
    void (*request)(void *context, const char *node, uint64_t ticket, struct bytes bytes);
    /* The timeline's newest moment, for beats; and one that another node sent, for the timeline to merge. */
    struct moment (*moment)(void *context);
    void (*heard_moment)(void *context, const char *node, struct moment moment);
    /* The disk failed or lied, or this node's document differs from the leader's: nothing is said or written from now on. The owner ends the process. */
    void (*failed)(void *context, const struct err *err);
    /* After cluster_close: the storage is freed. */
    void (*closed)(void *context);
};

/* How the log is kept. 0: as this program chooses; a simulator takes little of everything. */
struct cluster_log {
    uint32_t segment_bytes;    /* of a file; the same for as long as the directory lives */
    uint32_t snapshot_entries; /* so many since the last snapshot: another one */
    uint32_t keep_entries;     /* behind a snapshot, for slow followers */
};

struct cluster_options {
    struct loop *loop;
    struct disk *disk; /* of `<directory>/cluster`, which exists; borrowed until `closed` */
    /* Any number nobody can guess (the disk's and the cluster's id are drawn from it); a simulator's seed. */
    uint64_t seed;
    const char *cluster, *node; /* names; copied */
    const struct cluster_node *nodes;
    uint32_t node_count;
    struct cluster_timing timing;
    uint64_t config_hash;
    struct tls_context
        *tls; /* borrowed until cluster_use_tls; NULL: plain frames, for simulator and tests */
    const int *listeners; /* listening sockets, borrowed; at most CLUSTER_PATHS_MAX */
    uint32_t listener_count;
    uint16_t version_low, version_high; /* of the peer protocol; 0: those of this program */
    struct cluster_log log;
    /* However the run before ended: this node's part of every group has all that it had. Says what an orderly stop says. */
    bool kept;
    const struct cluster_events *events;
    void *context;
};

MUST_USE bool cluster_open(struct cluster **cluster, const struct cluster_options *options,
                           struct err *err);
/* After a reload. The file's nodes are places to connect to; members are changed by asking (`node add`, `node remove`). Timing stays as it was at the
 * opening. */
void cluster_configure(struct cluster *cluster, const struct cluster_node *nodes, uint32_t count,
                       uint64_t config_hash);
void cluster_use_tls(struct cluster *cluster, struct tls_context *tls);
/* From now on these are the listening sockets, as in cluster_options; those that are left out may be closed afterwards. */
void cluster_listen(struct cluster *cluster, const int *listeners, uint32_t count);
/* `orderly`: first releases this node's leases and hands leadership over, for at most two heartbeats; else at once, as a crash would. What was asked
 * ends as CLUSTER_UNKNOWN without waiting (from inside this call when it is not orderly), and nothing may be asked from then on. NULL is fine. The loop must be
 * turned until `closed`. */
void cluster_close(struct cluster *cluster, bool orderly);

/* ---- asking ---- */

enum cluster_ask_kind {
    CLUSTER_COMMAND,  /* `command`: to the document */
    CLUSTER_NODE_ADD, /* `node`, which runs and is in the leader's file; becomes a learner, then a voter, or the witness that the file says it is */
    CLUSTER_NODE_REMOVE,   /* `node` */
    CLUSTER_TRANSFER,      /* leadership to `node`; empty: whoever is furthest */
    CLUSTER_LEASE_TAKE,    /* `resource`, for this node; done when the first grant has come */
    CLUSTER_LEASE_RELEASE, /* `resource`, of this node */
    CLUSTER_READ, /* done: the document here holds all that was acknowledged anywhere before this was asked */
    CLUSTER_RECOVER, /* this node alone becomes the cluster, with what it has. Unsafe: what only the others have is lost. Never forwarded */
    CLUSTER_ASK_KINDS,
};

enum cluster_outcome {
    CLUSTER_DONE,
    CLUSTER_REFUSED,   /* the sentence says why; nothing was changed */
    CLUSTER_UNKNOWN,   /* no answer within the timeout: it may have happened or still happen */
    CLUSTER_NO_QUORUM, /* no leader could be found within the timeout: nothing was changed */
    CLUSTER_OUTCOMES,
};

const char *cluster_outcome_name(enum cluster_outcome outcome); /* "done", "refused" … */

struct cluster_ask {
    enum cluster_ask_kind kind;
    const struct document_command *command;
    const char *node, *resource;
    int64_t timeout_ms; /* 1 to 600,000 */
};

struct cluster_answer {
    enum cluster_outcome outcome;
    const char *sentence; /* never empty unless done */
    const char *by;       /* the node that acted, or refused; "" when none did */
    uint64_t index;       /* done: the entry that did it, or up to which was read; else 0 */
    uint64_t term;
    uint64_t version; /* of what was changed, for the next compare-and-set; 0 when it has none */
};

typedef void cluster_done(void *context, const struct cluster_answer *answer);

/* Copies what is asked. `done` follows exactly once, never from inside this call. Asked again after its link broke only where that cannot do it twice: a command that has
 * no version to compare ends as CLUSTER_UNKNOWN. */
void cluster_ask(struct cluster *cluster, const struct cluster_ask *ask, cluster_done *done,
                 void *context);

/* Whether a request to it would be sent now. */
bool cluster_linked(const struct cluster *cluster, const char *node);
/* Bytes to the owner of the cluster on another node, past consensus. `answered` follows exactly once; sentence NULL: it answered, else why not. */
typedef void cluster_answered(void *context, const char *sentence, struct bytes bytes);
void cluster_request(struct cluster *cluster, const char *node, struct bytes bytes,
                     int64_t timeout_ms, cluster_answered *answered, void *context);
/* Answers what `request` brought. A ticket whose node is gone is dropped. */
void cluster_answer(struct cluster *cluster, uint64_t ticket, struct bytes bytes);

/* The process of this node that used these leases ended, as its own supervisor saw: all of this node's leases are released at once. */
void cluster_process_died(struct cluster *cluster);
/*
 * What acts under a group's lease dies with its node's supervisor, by the kernel's hand (PR_SET_PDEATHSIG): a proof that its node is dead ends the lease too, CLUSTER_GRACE_MS after it. To be
 * said on every node, as the file has it: the leader's word counts. At most CLUSTER_LEASES_MAX names.
 */
void cluster_tie(struct cluster *cluster, const char *resource, bool tied);
/* This node holds no data of that group any more: its lease is renewed no longer in this epoch, and runs out. Not its: nothing. */
void cluster_let_go(struct cluster *cluster, const char *resource);

/* ---- what this node knows ---- */

enum cluster_state {
    CLUSTER_OPENING, /* the disk is read */
    CLUSTER_BLANK, /* an empty disk, and no cluster that knows it: the sentence says what is waited for */
    CLUSTER_FOUNDING,
    CLUSTER_MEMBER,
    CLUSTER_REMOVED, /* was a member */
    CLUSTER_HALTED,  /* see `failed` */
    CLUSTER_STATES,
};

enum cluster_role {
    CLUSTER_NONE,
    CLUSTER_LEARNER,
    CLUSTER_FOLLOWER,
    CLUSTER_CANDIDATE,
    CLUSTER_LEADER
};

const char *cluster_state_name(enum cluster_state state);
const char *cluster_role_name(enum cluster_role role);

enum cluster_health { CLUSTER_UNHEARD, CLUSTER_ALIVE, CLUSTER_SUSPECTED, CLUSTER_DEAD };

const char *cluster_health_name(enum cluster_health health);

/* A member, or a node of the file that is none. This node is among them. */
struct cluster_member_view {
    char name[CLUSTER_NAME_MAX], zone[CLUSTER_NAME_MAX];
    uint32_t member;        /* 0: not a member */
    enum cluster_role role; /* as far as this node knows */
    bool voter, witness, learner, in_file;
    bool blank;          /* says that its disk is empty */
    bool linked;         /* the link is up */
    bool config_differs; /* its configuration's hash is not ours */
    bool tilted, disk_full;
    enum cluster_health health; /* DEAD: proved, for this incarnation */
    uint64_t incarnation;
    int64_t phi_hundredths;
    int64_t heard_ms; /* ago; -1 never */
    int64_t rtt_us;   /* 0 unknown */
    uint64_t applied; /* as it last said */
    uint16_t level;   /* of the document, that it understands as it last said; 0 unknown */
    uint64_t match;   /* on the leader: what it is known to have durably; else 0 */
    char address[ADDRESS_TEXT_MAX];      /* of its link */
    char sentence[CLUSTER_SENTENCE_MAX]; /* why the link is down; "" */
};

/* How one member hears another, by that member's word. */
struct cluster_link_view {
    int64_t heard_ms; /* ago; -1 unknown or never */
    bool known, suspected;
};

struct cluster_lease_view {
    char resource[CLUSTER_RESOURCE_MAX];
    char holder[CLUSTER_NAME_MAX];
    bool exists, here; /* held by this node */
    struct instant
        until; /* on LOOP_BOOT: here, its end; on the leader, until when it counts it; 0: not known */
};

struct cluster_view {
    enum cluster_state state;
    char sentence[CLUSTER_SENTENCE_MAX]; /* why it is not a member, or what is missing; "" */
    char cluster[CLUSTER_NAME_MAX], node[CLUSTER_NAME_MAX],
        leader[CLUSTER_NAME_MAX]; /* leader "": unknown */
    uint64_t cluster_id, disk_id;
    uint32_t self, leader_member; /* member ids; 0 none */
    uint64_t incarnation;
    enum cluster_role role;
    uint64_t term, commit, applied, last, stored;
    uint64_t document_version, document_hash;
    uint16_t level,
        level_next; /* of the document; and the highest that any member understands, to which it rises when all do */
    bool established; /* leader, and it may act */
    bool quorum;
    bool tilted;
    uint32_t voters, voters_alive, voters_needed;
    bool survives;                           /* one more failure of any node */
    char survives_not[CLUSTER_SENTENCE_MAX]; /* why, and what to do; "" */
    uint32_t member_count;
    struct cluster_member_view members[CLUSTER_NODES_MAX * 2]; /* by name */
    /* [who says][of whom], by place in `members`; known for the first CLUSTER_NODES_MAX */
    struct cluster_link_view links[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX];
    struct cluster_lease_view leases[CLUSTER_LEASES_MAX]; /* by slot */
    uint32_t asks;                                        /* outstanding here */
};

/* Made anew by each call; valid until the next. */
const struct cluster_view *cluster_view(struct cluster *cluster);
/* What was applied here; changes as entries are applied. */
const struct document *cluster_document(const struct cluster *cluster);
/* For the simulator's invariants; NULL before this node is a member, and when it has stopped and only says goodbye. */
const struct raft *cluster_raft(const struct cluster *cluster);
