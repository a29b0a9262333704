/*
 * Private to cluster's drive*.c: the one structure that they share, and what each does for the others.
 *
 *     drive.c            opening, closing, the turn: observations to the cores, their orders to the parts
 *     drive_store.c      the disk: jobs, and what it held at the start
 *     drive_log.c        consensus's orders: persist, send, apply
 *     drive_peers.c      links and frames
 *     drive_beat.c       beats: what is said and heard; suspicions, proofs
 *     drive_fetch.c      snapshots from and to other nodes
 *     drive_ask.c        what this node asks;  drive_propose.c  what it does for who asks it, as the leader
 *     drive_request.c    opaque requests of other rooms
 *     drive_lease.c      leases, held and granted
 *     drive_level.c      the document's level, raised when every member understands more
 *     drive_members.c    founding, joining, members who lost their disk, recovery
 *     drive_view.c       what is told
 *
 * Everything runs on the loop, but for the `work` of the jobs, which touches its own job and `struct store_disk` alone.
 */
#pragma once

#include "cluster/ask.h"
#include "cluster/beat.h"
#include "cluster/cluster.h"
#include "cluster/detector.h"
#include "cluster/entries.h"
#include "cluster/lease.h"
#include "cluster/level.h"
#include "cluster/links.h"
#include "cluster/proof.h"
#include "cluster/snapshot.h"
#include "cluster/tilt.h"
#include "cluster/transfer.h"
#include "cluster/version.h"
#include "consensus/encoding.h"
#include "net/net.h"
#include "peer/peer.h"
#include "topology/fact.h"
#include "wal/wal.h"

#include <stdlib.h>

enum {
    DRIVE_SEGMENT_BYTES = 1 << 20,
    DRIVE_SNAPSHOT_ENTRIES = 4096,
    DRIVE_SNAPSHOT_BYTES = 4 << 20, /* of bodies in memory: then a snapshot, too */
    DRIVE_KEEP_ENTRIES = 1024,      /* behind a snapshot, for slow followers */
    DRIVE_PROPOSALS = 8192,         /* more than may wait to be committed */
    DRIVE_FETCH_BYTES = 64 << 10,   /* of one chunk */
    DRIVE_CONFIRMS = 128,
};

/* Types of frames. All but beats begin with the cluster's id. Numbers are on the wire: never reused. */
enum drive_frame {
    FRAME_BEAT = 1,
    FRAME_WORD = 2, /* a beat out of turn, for its leases: says nothing of being alive */
    FRAME_RAFT = 3,
    FRAME_CHARTER = 4,
    FRAME_FETCH = 5,
    FRAME_CHUNK = 6,
    FRAME_ASK = 7,
    FRAME_REPLY = 8,
    FRAME_REQUEST = 9,
    FRAME_ANSWER = 10,
    FRAME_REMOVED = 11,
};

/* Another node; its number is that of peer/peer.h. */
struct place {
    char name[CLUSTER_NAME_MAX]; /* empty: no such place */
    struct life life;
    struct life reset;   /* the life whose open link was reset, until it is linked again */
    struct life late;    /* proved dead: what was tied to it is dead too, from `bury` on */
    struct instant bury; /* NEVER: nothing waits for that */
    struct found_word word;
    struct instant heard; /* when its newest beat came; {0}: never */
    uint64_t applied, config_hash;
    struct proof_refusals refusals; /* since it was `reset` */
    uint32_t in_list;   /* its place in found's list; CLUSTER_NODES_MAX: not of the file */
    uint16_t level_max; /* of the document, as `life` last said */
    bool linked;
    bool known;   /* has said something */
    bool foreign; /* of another cluster: nothing that it says is believed */
    bool tilted;
    bool config_differs; /* as last said */
    bool dead;           /* its port was refused to enough of us: proved, of `life` */
    bool replaced;       /* it lost its disk: to be added again under its new one */
    char sentence[CLUSTER_SENTENCE_MAX];
};

/* ---- the disk ---- */

/* Of the thread, once the cluster is open. */
struct store_disk {
    struct disk *disk;
    struct wal *wal;
    struct wal_meta identity, meta;
    uint64_t term;
    uint32_t vote;
    uint8_t slot; /* of the snapshot's two files; 0: none, 1, 2 */
    uint64_t snapshot_index, snapshot_term;
    struct wal_place log; /* as 'meta' has it: nothing beyond this segment is acknowledged */
};

enum store_end { STORE_OK, STORE_FULL, STORE_FAILED };

/* Has 'meta' say how far the log reaches, when nothing was written to it for a while. */
struct store_reach {
    struct job job;
    struct cluster *cluster;
    struct timer quiet;
    bool busy, done;
    struct err err;
};

struct store_persist {
    struct job job;
    struct cluster *cluster;
    bool busy;
    uint64_t ticket, term, keep, count;
    uint32_t vote;
    bool meta, log;
    struct buf records; /* (length, raft_encode_entry) each, from keep + 1 */
    enum store_end end;
    struct err err;
};

struct store_snapshot {
    struct job job;
    struct cluster *cluster;
    bool busy;
    bool replace; /* the log begins anew behind it: fetched, founded or recovered */
    bool charter; /* write that too, last */
    bool forget; /* before anything else the term and vote become these: a founding or a recovery */
    uint64_t index, term, keep_from, new_term;
    uint32_t new_vote;
    struct buf bytes, charter_bytes;
    enum store_end end;
    struct err err;
    void (*done)(struct cluster *cluster, struct store_snapshot *snapshot);
};

struct store {
    struct store_disk disk;
    struct store_reach reach;
    struct store_persist persist;
    struct store_snapshot snapshot; /* one at a time, of either kind */
    uint64_t disk_id, incarnation;
    bool clean; /* the stop before was orderly */
    uint64_t
        doubt; /* the last incarnation before which data may have been lost; the cluster has to hear of it once */
    bool was_full;
    uint64_t begun; /* index of the snapshot that is being written */
    uint64_t last_snapshot;
    struct instant snapshot_retry;
    struct buf newest; /* the newest durable snapshot, to be fetched by others */
    uint64_t newest_index, newest_term;
};

/* What the disk held. */
struct store_found {
    bool member;
    struct charter charter;
    struct raft_restored restored;
    struct raft_entry *entries; /* free it */
};

/* ---- asking ---- */

enum pending_phase {
    PENDING_FREE,
    PENDING_ASK,   /* to be sent: at once, or when a leader is known */
    PENDING_SENT,  /* an answer is waited for */
    PENDING_APPLY, /* until `index` is applied here */
    PENDING_GRANT, /* until the lease of `slot` is granted */
};

struct pending {
    struct cluster *cluster;
    struct list node; /* in `asks_fresh`, while it is PENDING_ASK */
    struct timer timer;
    struct instant deadline;
    enum pending_phase phase;
    enum cluster_ask_kind kind;
    uint64_t number;
    cluster_done *done;
    void *context;
    uint8_t *command;
    uint32_t len;
    bool again;  /* asking twice cannot do it twice */
    bool unsure; /* may have been proposed already */
    bool
        passed; /* a snapshot took the place of entries among which it may have been applied unseen */
    bool
        refused; /* PENDING_APPLY: a refusal, which counts unless it turns out to have been done before */
    uint32_t sent_to;
    uint64_t index, term, version;
    uint32_t slot;
    char by[CLUSTER_NAME_MAX];
    char sentence[CLUSTER_SENTENCE_MAX]; /* why it waits, or was refused */
};

/* What was proposed here for somebody, by index. */
struct proposal {
    uint64_t index, term, number;
    uint32_t asker;   /* place; PEERS_MAX: this node; PEERS_MAX + 1: nobody */
    uint32_t closing; /* the slot that it takes from its holder; CLUSTER_LEASES_MAX: none */
    uint64_t closing_epoch;
};

/* A question that a quorum has to confirm. */
struct confirm {
    uint64_t id; /* of consensus; 0: free */
    bool lease;  /* round of the grantor; else a read */
    uint64_t round, number;
    uint32_t asker;
};

struct requested {
    struct cluster *cluster;
    struct timer timer;
    bool used;
    uint64_t number;
    uint32_t place;
    cluster_answered *answered;
    void *context;
    const char *why; /* it could not even be sent */
};

struct fetching {
    bool on;
    uint32_t from;
    struct transfer got;
    struct timer timer; /* nothing came: failed */
};

struct cluster {
    struct cluster_log log;
    /* what it was opened with */
    struct loop *loop;
    struct cluster_events events;
    void *context;
    char name[CLUSTER_NAME_MAX], node[CLUSTER_NAME_MAX];
    struct cluster_timing timing;
    uint64_t config_hash;
    struct member nodes[CLUSTER_NODES_MAX]; /* of the file, by name */
    uint32_t node_count, self_node;
    struct rng rng;

    enum cluster_state state;
    char sentence[CLUSTER_SENTENCE_MAX];
    bool leaving, closing, stopped, dirty, view_told;
    uint32_t ending; /* what has to end before `closed` */
    struct timer turn, beat, deadline, farewell;
    struct instant farewell_until;
    struct instant looked; /* the turn in which the clocks were looked at */
    struct tilt tilt;

    struct jobs *jobs;
    struct peers *peers;
    struct place places[PEERS_MAX];
    struct store store;

    struct charter charter;
    struct found found;
    bool founding;                    /* a charter is being written */
    char waits[CLUSTER_SENTENCE_MAX]; /* for what, as last recorded */

    bool member;   /* `raft` and `document` are alive */
    uint32_t self; /* member id */
    struct raft raft;
    struct raft_actions actions;
    struct entries entries;
    struct document document;
    struct document fetched; /* a snapshot's, while it is written */
    uint64_t applying;       /* the last entry that was applied */
    uint64_t replayed;       /* entries up to here were in the log when it was opened */
    bool established, was_leader, had_quorum, told_quorum;
    struct instant quorum_changed;
    uint64_t led_term;            /* the last in which this node led */
    struct instant members_first; /* until then a change of members waits and goes before others */
    int64_t members_wait_ms;      /* how long that was; 0: none has waited */
    uint64_t member_change;       /* index of the last change of members that was proposed here */
    struct raft_entry heard_entries[RAFT_BATCH_MAX];
    struct bytes heard_bodies[RAFT_BATCH_MAX];

    struct detector detector;
    struct links links;
    struct proof proof;
    struct links_findings findings;
    uint64_t beat_number;
    struct instant beat_due;
    struct beat said, heard; /* scratch */

    struct lease_holder holder;
    struct lease_grantor grantor;
    struct instant
        led; /* by the slow clock: when this node last heard a leader, or led; until then, its start */
    struct instant voters_led; /* the latest of those that voted for this node in `voters_term` */
    uint64_t voters_term;
    bool lease_told[CLUSTER_LEASES_MAX];
    uint64_t lease_epoch[CLUSTER_LEASES_MAX]; /* that was wanted last; 0: none */
    char lease_names[CLUSTER_LEASES_MAX][CLUSTER_RESOURCE_MAX];
    char tied[CLUSTER_LEASES_MAX][CLUSTER_RESOURCE_MAX]; /* cluster_tie; "": free */
    uint64_t lease_agreeing; /* index of what was proposed about how long leases are */
    bool lease_fresh;        /* one is wanted that was not asked for yet */
    uint64_t level_raising;  /* index of the last raise that was proposed here in this term */
    struct confirm confirms[DRIVE_CONFIRMS];
    uint64_t confirm_number;

    struct pending *asks; /* CLUSTER_ASKS_MAX */
    uint32_t ask_count, ask_next;
    uint64_t ask_numbers;
    struct list asks_fresh;
    struct refusal *refusals;
    struct timer refusing;
    uint32_t ask_waits; /* for an index to be applied here */
    uint8_t ask_bytes[CLUSTER_COMMAND_MAX];
    bool registering, releasing;
    struct proposal *proposals; /* DRIVE_PROPOSALS, by index */
    struct {
        bool on;
        uint32_t asker, to;
        uint64_t number;
        struct instant until;
    } transfer;
    struct requested requests[CLUSTER_REQUESTS_MAX];
    struct excess *excess; /* requests for which there was no place */
    struct timer exceeding;
    uint64_t request_numbers;

    struct fetching fetching;
    struct buf frame; /* scratch for what is sent */
    struct cluster_view view;
};

/* ---- drive.c ---- */
/* Something happened: the turn is done at the end of this one of the loop. */
void drive_stir(struct cluster *cluster);
/* The view differs. */
void drive_changed(struct cluster *cluster);
/* Looks at the clocks, once a turn of the loop, before anything is believed of them. */
void drive_look(struct cluster *cluster);
/* And again, however late in the turn: before the receipt of a lease request, of a vote or of a leader's word is noted. This process may have been stopped
 * since the turn began, and what is counted must not begin before it happened. */
void drive_look_again(struct cluster *cluster);
/* The disk lied, or the document is another than the leader's. */
void drive_halt(struct cluster *cluster, const struct err *err);
/* The cluster agreed on what this version does not understand. */
void drive_halt_too_old(struct cluster *cluster, const struct err *err);
void drive_say(struct cluster *cluster, const char *format, ...) PRINTF(2, 3);
void drive_record(struct cluster *cluster, const struct fact *fact);
bool drive_living(const struct cluster *cluster); /* neither halted nor closing */
struct life drive_life(const struct cluster *cluster);
const char *drive_name_of(const struct cluster *cluster, uint32_t member); /* "" when unknown */
/* Consensus begins with what the disk holds, or with what it was given. */
void drive_begin(struct cluster *cluster, const struct raft_restored *restored);

/* ---- drive_meta.c: the files 'identity' and 'meta' ---- */
MUST_USE bool meta_read_identity(struct cluster *cluster, struct err *err); /* or draws one */
MUST_USE bool meta_write_identity(struct store *store, bool clean, struct err *err);
MUST_USE bool meta_read(struct store_disk *disk, struct err *err);
MUST_USE bool meta_write(struct store_disk *disk, struct err *err);
/* Writes 'meta' unless it names the newest segment: to be called before anything in that is acknowledged. */
MUST_USE bool meta_reach_segment(struct store_disk *disk, struct err *err);
/* Also unless it says where the durable batches end: what is lost before that is then missed, and what is behind it may not be. */
MUST_USE bool meta_reach_end(struct store_disk *disk, struct err *err);
void meta_open(struct cluster *cluster);
void meta_close(struct cluster *cluster);
/* Something was made durable in the log: meta_reach_end when no more comes for a second. */
void meta_log_grew(struct cluster *cluster);

/* ---- drive_store.c ---- */
/* `kept`: as in struct cluster_options. */
MUST_USE bool store_open(struct cluster *cluster, bool kept, struct store_found *found,
                         struct err *err);
void store_close(struct cluster *cluster);
/* The disk takes what consensus wants durable. */
void store_persist(struct cluster *cluster);
/* Takes a snapshot of the document when it is time. */
void store_snapshot_if_due(struct cluster *cluster);
/* The members as consensus counts them there. */
void store_config_of(const struct document *document, struct raft_config *config);
/* Fills in `store.snapshot`, which is not busy, with this document, as of an index of that term. */
void store_fill_snapshot(struct cluster *cluster, const struct document *document, uint64_t term);
/* The charter of a recovery, whose document knows one member. */
void store_charter_alone(const struct document *document, struct charter *charter);
/* Writes what was filled in; `done` follows unless the disk failed. */
void store_write_snapshot(struct cluster *cluster,
                          void (*done)(struct cluster *cluster, struct store_snapshot *snapshot));
MUST_USE bool store_mark_clean(struct cluster *cluster, struct err *err);

/* ---- drive_log.c ---- */
/* One raft_ready, and everything that it orders. True: it should be asked again. */
void log_turn(struct cluster *cluster);
void log_receive(struct cluster *cluster, struct place *place, struct bytes bytes);
/* The entry that was accepted at this index gets its body. */
void log_put(struct cluster *cluster, uint64_t index, uint8_t kind,
             const struct raft_change *change, struct bytes body);
/* Leases and failure knowledge follow the document as it is now. */
void log_document_changed(struct cluster *cluster);

/* ---- drive_peers.c ---- */
extern const struct peers_events drive_peers_events;
void peers_follow(struct cluster *cluster); /* connect to the nodes of the file and the members */
struct place *peers_place_of(struct cluster *cluster, uint32_t member); /* NULL: not known */
struct place *peers_place_named(struct cluster *cluster, const char *name);
uint32_t peers_number(const struct cluster *cluster, const struct place *place);
/* Begins a frame in `frame`, with the cluster's id. */
struct buf *peers_frame(struct cluster *cluster);
/* Sends `frame`. */
bool peers_say(struct cluster *cluster, const struct place *place, enum drive_frame type,
               bool urgent);

/* ---- drive_beat.c ---- */
void beat_fire(struct timer *timer);
void beat_hello(struct cluster *cluster); /* what links say first, from now on */
void beat_heard(struct cluster *cluster, struct place *place, struct bytes bytes, bool counts);
void beat_send(struct cluster *cluster, struct place *place, bool counts,
               const struct lease_grants *grants);
/* The requests of this node's leases, to the leader, out of turn. */
void beat_ask_leases(struct cluster *cluster, struct place *leader);
/* It leads no more: says so, and resets the links on which it hears nothing. A reset passes where no more data does, because nothing is acknowledged. */
void beat_resigned(struct cluster *cluster);
void beat_refused(struct cluster *cluster, struct place *place, uint32_t path);
void beat_step(struct cluster *cluster);
bool beat_quorum(struct cluster *cluster); /* as of now */

/* ---- drive_fetch.c ---- */
void fetch_init(struct cluster *cluster);
void fetch_begin(struct cluster *cluster, uint32_t from, uint64_t index, uint64_t term);
void fetch_asked(struct cluster *cluster, struct place *place, struct unpack *in);
void fetch_chunk(struct cluster *cluster, struct place *place, struct unpack *in);
void fetch_fini(struct cluster *cluster);

/* ---- drive_ask.c ---- */
MUST_USE bool ask_open(struct cluster *cluster);
void ask_close(struct cluster *cluster); /* every ask ends */
void ask_turn(struct cluster *cluster);  /* sends what can be sent */
void ask_leader_changed(struct cluster *cluster);
/* A snapshot was installed: nothing is told of what was applied in it. */
void ask_snapshot_installed(struct cluster *cluster);
void ask_link_lost(struct cluster *cluster, const struct place *place);
void ask_replied(struct cluster *cluster, const char *by, const struct ask_reply *reply);
bool ask_is_pending(const struct cluster *cluster, enum cluster_ask_kind kind);
void ask_recovered(struct cluster *cluster);
/* A command was applied here. */
void ask_applied(struct cluster *cluster, uint64_t index, uint64_t term,
                 const struct document_reply *reply);
void ask_granted(struct cluster *cluster, uint32_t slot);
/* Asks for itself; nobody is told how it ended but `done`. */
void ask_command(struct cluster *cluster, struct document_command *command, int64_t timeout_ms,
                 cluster_done *done);

/* ---- drive_propose.c ---- */
enum { PROPOSE_SELF = PEERS_MAX, PROPOSE_NOBODY };
void propose_asked(struct cluster *cluster, uint32_t asker, uint8_t kind, const struct ask *ask);
/* On the leader's own account. True: accepted. */
bool propose_own(struct cluster *cluster, struct document_command *command);
void propose_applied(struct cluster *cluster, uint64_t index, uint64_t term,
                     const struct document_reply *reply);
void propose_read(struct cluster *cluster, const struct raft_actions *actions);
void propose_step(struct cluster *cluster); /* a transfer under way */
/* A confirmation of the quorum for leases. */
void propose_confirm_leases(struct cluster *cluster);

/* ---- drive_request.c ---- */
void request_asked(struct cluster *cluster, struct place *place, struct unpack *in);
void request_answered(struct cluster *cluster, struct place *place, struct unpack *in);
void request_link_lost(struct cluster *cluster, const struct place *place);
/* It left the file and the members: answered from the loop. */
void request_peer_gone(struct cluster *cluster, const struct place *place);
void request_open(struct cluster *cluster);
void request_close(struct cluster *cluster);

/* ---- drive_lease.c ---- */
void lease_open(struct cluster *cluster);
/* This node is a member from now on: of who led it before, nothing is known. */
void lease_begin(struct cluster *cluster);
/* After a command was applied, or a snapshot. */
void lease_follow(struct cluster *cluster);
void lease_role(struct cluster *cluster, bool leads, bool established);
/* What consensus is about to be told, and was: whom this node follows, and since when those that vote for it have followed nobody. */
void lease_vote(struct cluster *cluster, const struct raft_message *message);
void lease_led(struct cluster *cluster, const struct raft_message *message);
/* A leader that is established has the document say how long it may grant leases. */
void lease_agree(struct cluster *cluster);
/* Puts this node's requests in a beat to the leader. */
void lease_request(struct cluster *cluster, struct beat *beat);
void lease_ask_now(struct cluster *cluster);
void lease_asked(struct cluster *cluster, const struct beat *beat);
void lease_granted(struct cluster *cluster, const struct beat *beat);
void lease_confirmed(struct cluster *cluster, uint64_t term, uint64_t round);
void lease_drop(struct cluster *cluster); /* the clock cannot be trusted */
void lease_step(struct cluster *cluster); /* tells of ends, and ends what was let go of */
/* Gone at once, for everybody here, and not to be had again without being asked for. */
void lease_let_go(struct cluster *cluster, uint32_t slot);
void lease_release_all(struct cluster *cluster);
/* Proved dead: its leases end, but for those of what may live on; those of what is tied to it a grace later. */
void lease_holder_died(struct cluster *cluster, struct place *place, struct life life);
void lease_bury(struct cluster *cluster);
struct instant lease_next_burial(const struct cluster *cluster);

/* ---- drive_level.c ---- */
/* As seen from here. */
void level_look(struct cluster *cluster, struct level_verdict *verdict);
/* A leader that is established has the level raised when it may be. */
void level_agree(struct cluster *cluster);
void level_tell(struct cluster *cluster);

/* ---- drive_members.c ---- */
void members_open(struct cluster *cluster, const struct charter *had);
void members_step(
    struct cluster *cluster); /* founding, and as the leader: who lost a disk, who caught up */
void members_charter(struct cluster *cluster, struct place *place, struct unpack *in);
/* A member of this name was removed. */
void members_note_removal(struct cluster *cluster, const char *name);
void members_removed(struct cluster *cluster, struct place *place, struct unpack *in);
void members_tell_removed(struct cluster *cluster, struct place *place);
/* False: why not is in `sentence`. `done` follows. */
MUST_USE bool members_recover(struct cluster *cluster, char *sentence, size_t cap);
