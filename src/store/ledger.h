/*
 * ledger: the group's log of records, on this member's disk and on the others', and how far it is committed.
 *
 * The primary appends records; a batch of them is written with one sync and shipped to the followers meanwhile; what the needs of the order `promote` cover is
 * committed, and every member executes what is committed, in the order of positions, each record once from the state on that it began with. Nothing that
 * is committed is ever taken back: what would need that is refused with a sentence, and only `copy` helps. The ledger does what it is ordered (topology/engine.h) and
 * never decides who is primary. It knows nothing of what is in a record.
 *
 * One loop, one thread, and one job thread of its own for the disk. Events come from loop_turn only, never from inside a call of the owner; all calls are
 * allowed in all events. A batch is what was appended in one turn of the loop, or while the disk was busy.
 *
 * Durable before it counts: a promise before the answer to an order, a record before it is confirmed. A write or sync that fails is final: `failed` is told,
 * nothing is done any more, and the process should end. A full disk is none: appends are refused (LEDGER_DISK_FULL) until it takes them again.
 */
#pragma once

#include "peer/peer.h"
#include "topology/engine.h"

struct ledger;
struct disk;

enum {
    LEDGER_MEMBERS_MAX = GROUP_MEMBERS_MAX,
    LEDGER_RECORD_MAX = (8 << 20) + 1024, /* bytes of one record, at least 1 */
    LEDGER_MESSAGE_MAX = 12 << 20,        /* of one owner's message to another member */
    LEDGER_OUT_MAX = 16 << 20,            /* bytes of messages that wait for one member */
    LEDGER_OPEN_MAX = 64 << 20,           /* bytes of a primary's records that are not committed */
    LEDGER_SNAPSHOT_PIECE = 256 << 10,    /* bytes of one piece of a snapshot, at most */
    LEDGER_SNAPSHOT_WINDOW = 4 << 20,     /* bytes that a receiver has not yet taken */
};

/* Why a record was not taken. */
enum ledger_refusal {
    LEDGER_TAKEN,
    LEDGER_NOT_PRIMARY,  /* ledger_view says who is, as far as is known */
    LEDGER_NO_LEASE,     /* may_act said no */
    LEDGER_HANDING_OVER, /* a switchover is under way: in vain to try again before `state` */
    LEDGER_FULL,         /* LEDGER_OPEN_MAX: wait for `roomy` */
    LEDGER_DISK_FULL,    /* wait for `roomy` */
    LEDGER_TOO_LONG,
    LEDGER_REFUSALS,
};

const char *ledger_refusal_name(enum ledger_refusal refusal); /* "not primary" … */

/* One member of the group besides this one: `id` is the group's (topology/group.h), the name is that of its node and of its certificate. */
struct ledger_member {
    uint32_t id;
    struct peer_place
        place; /* where its store listens for members; name and addresses are copied */
};

/* A state that the owner has, complete with everything up to a position, and nothing beyond. */
struct ledger_point {
    struct position position; /* 0, 0: nothing at all */
    uint64_t
        hash; /* ledger_view's `hash` when this position had just been executed; 0 with position 0 */
};

/* What the owner may want to know at any time. Costs nothing. */
struct ledger_view {
    uint8_t role;  /* enum engine_role */
    bool writable; /* an append would be taken now, the lease apart */
    bool
        established; /* a primary that has executed all that its predecessors committed: strong reads may be answered, within the lease */
    bool linked;     /* a secondary that receives from its primary */
    bool loading;    /* in the middle of a copy */
    bool
        diverged; /* executed otherwise than its primary did: see `failed`'s sentence in the status */
    uint64_t epoch;     /* in whose name it is primary or follows; 0: in none */
    uint32_t primary;   /* member, this one included; 0: nobody */
    uint64_t end;       /* the last position of the log */
    uint64_t committed; /* as far as is known here */
    uint64_t executed;  /* the last one that `execute` was called for */
    uint64_t hash;      /* of all that was executed */
    struct instant
        heard; /* a secondary: when its primary last said how far it is (the primary: now) */
    uint64_t
        heard_committed; /* and what it said: executed >= this means that here is what was there at `heard` */
    uint64_t open_bytes; /* appended and not committed */
    /* Of this start: records of the log that were executed again, and how long it took to read the log and to execute them, without what a primary was waited for. 0: there was
     * nothing, or it is not done. */
    uint64_t replayed_records, replay_us;
    /* Of the last copy that was installed: from its beginning until it was durable. */
    uint64_t copied_bytes, copy_us;
};

/* All are needed. Bytes and structures are borrowed for the length of the call. */
struct ledger_events {
    /* The record at this position is committed. `cookie` is the one of ledger_append, on the member and in the run that appended it, while may_act holds; else 0. What is given back is
     * mixed into the hash that members compare: some digest of what the record did to the state, the same on all members, or 0. */
    uint64_t (*execute)(void *context, struct position position, struct bytes record,
                        uint64_t cookie);
    /* All that is committed so far was executed: now is the time to send what was answered. */
    void (*executed)(void *context);
    /* This append will not be answered any more: it may be executed later, here or elsewhere, or never. */
    void (*unknown)(void *context, uint64_t cookie);
    /* role, writable, established, linked, loading, epoch, primary of ledger_view changed. */
    void (*state)(void *context);
    /* After an append was refused with FULL or DISK_FULL: the next may be taken. */
    void (*roomy)(void *context);
    /* The answer to an order. */
    void (*answered)(void *context, const struct engine_answer *answer);
    /* The record that begins an epoch, at this position; it is written to `out` (at most 4096 bytes, at least 1). */
    void (*epoch_record)(void *context, struct position position, struct buf *out);
    /* The checked part of an acknowledgement: does this node hold the group's lease now? Asked once for each batch that would be committed, and by append. */
    bool (*may_act)(void *context);

    /* A link to this member came up or went down. What was sent and not answered when it went down may have arrived or not. */
    void (*linked)(void *context, uint32_t member, bool up);
    /* What that member's owner gave to ledger_send, whole and in order. */
    void (*message)(void *context, uint32_t member, struct bytes bytes);

    /* Sending a copy: `transfer` (not 0) wants a snapshot. The owner calls ledger_snapshot_begin when it has one, pieces, and ledger_snapshot_end; or ledger_snapshot_abort at any time. */
    void (*snapshot_wanted)(void *context, uint32_t transfer, uint32_t member);
    void (*snapshot_roomy)(void *context, uint32_t transfer); /* after a piece was refused */
    void (*snapshot_ended)(
        void *context, uint32_t transfer,
        bool installed); /* also when the link went down: the number is no longer used */

    /* Receiving one. From now on what the owner had counts no more, over restarts too. `bytes`: as the sender estimates; 0 unknown. */
    void (*copy_begun)(void *context, struct ledger_point point, uint64_t bytes);
    void (*copy_piece)(void *context,
                       struct bytes piece); /* ledger_copy_took for each, when it is digested */
    void (*copy_complete)(void *context); /* make it durable, use it, then ledger_copy_installed */
    void (*copy_aborted)(void *context);  /* after copy_begun, instead of copy_complete: drop it */

    /* The disk or the state cannot be trusted any more, and why. Nothing else follows but `closed`. */
    void (*failed)(void *context, const struct err *err);
    /* Links: somebody was turned away. For a log line. */
    void (*stranger)(void *context, const char *sentence);
    /* After ledger_close: everything is closed, the storage is freed. */
    void (*closed)(void *context);
};

struct ledger_options {
    struct loop *loop;
    struct disk
        *disk; /* of this ledger alone from ledger_open to `closed`; its job thread uses it */
    const char
        *group; /* copied: names the links' protocol, so that stores of two groups never meet */
    uint32_t self;
    const char *name;        /* this member's node; copied */
    struct tls_context *tls; /* as in peer.h: borrowed; NULL for tests and the simulator */
    uint64_t seed;
    int64_t silence_ms;   /* of links; 0: 3000 */
    const int *listeners; /* descriptors that members' stores call; borrowed */
    uint32_t listener_count;
    const struct ledger_member *members; /* without this one */
    uint32_t member_count;
    uint32_t
        segment_bytes; /* of the log's files; 0: 16 MiB. At least LEDGER_RECORD_MAX + WAL_OVERHEAD for the longest records; else those that do not fit are TOO_LONG */
    uint64_t
        retain_bytes; /* of the log below the checkpoint that is kept for members that come back; 0: 256 MiB. Twice as much for those that are attached. */
    uint64_t
        tail_bytes; /* of records on the disk and not yet executed that stay in memory; 0: 80 MiB */
    struct ledger_point state; /* what the owner has: execution goes on from there */
    const struct ledger_events *events;
    void *context;
};

/* Reads the log, which takes as long as it is. The directory is empty, or that of a ledger of the same member. The log has to reach to `state`, unless it was being copied. Starts as nobody's: reads only,
 * follows nobody. */
MUST_USE bool ledger_open(struct ledger **ledger, const struct ledger_options *options,
                          struct err *err);
/* Every append that is not answered becomes `unknown`. */
void ledger_close(struct ledger *ledger);
/* These are the other members from now on. A link whose addresses stay stays. */
void ledger_configure(struct ledger *ledger, const struct ledger_member *members, uint32_t count);
void ledger_use_tls(struct ledger *ledger, struct tls_context *tls);

/* Appends a record, which is copied; `cookie` is not 0. The position, or 0 and why not. */
uint64_t ledger_append(struct ledger *ledger, struct bytes record, uint64_t cookie,
                       enum ledger_refusal *why);

/* Gives an order; `answered` follows. One that is still under way gets no answer. */
void ledger_order(struct ledger *ledger, const struct engine_order *order);
void ledger_status(const struct ledger *ledger, struct engine_status *status);
const struct ledger_view *ledger_view(struct ledger *ledger); /* until the next call */

/* The owner's state up to here is on its disk: older records are not needed for its next start. */
void ledger_checkpointed(struct ledger *ledger, struct position position);

/* To that member's owner, at the end of this turn. False: its link is down, LEDGER_OUT_MAX are waiting, or it is longer than LEDGER_MESSAGE_MAX. */
MUST_USE bool ledger_send(struct ledger *ledger, uint32_t member, struct bytes bytes);
bool ledger_is_linked(struct ledger *ledger, uint32_t member);

/* ---- a snapshot that is sent ---- */

/* The snapshot that will come is this one; the log still holds what follows it, and keeps it until the transfer has ended. False, and the transfer has ended: it does not. */
MUST_USE bool ledger_snapshot_begin(struct ledger *ledger, uint32_t transfer,
                                    struct ledger_point point, uint64_t bytes);
/* At most LEDGER_SNAPSHOT_PIECE. False: not now; snapshot_roomy follows. */
MUST_USE bool ledger_snapshot_piece(struct ledger *ledger, uint32_t transfer, struct bytes piece);
void ledger_snapshot_end(struct ledger *ledger, uint32_t transfer); /* snapshot_ended follows */
void ledger_snapshot_abort(struct ledger *ledger, uint32_t transfer, const char *sentence);

/* ---- one that is received ---- */

void ledger_copy_took(struct ledger *ledger, size_t bytes);
/* It is durable, and the owner's state is copy_begun's point. */
void ledger_copy_installed(struct ledger *ledger);
void ledger_copy_failed(struct ledger *ledger, const char *sentence);
