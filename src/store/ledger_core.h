/*
 * ledger_core: what the ledger decides: whose orders count, what is shipped to whom, what is committed, what has to be durable first.
 *
 * Plain data without pointers, no clock, no allocation, no failure. It knows positions and epochs, never the bytes of a record: the driver keeps
 * those. The driver tells what happened (ledger_core_append, _receive, _durable, …), and asks once per turn what is to be done (ledger_core_ready). What is lost on
 * the way is repeated: an order by whoever gives it, everything else at the next deadline.
 *
 * It never confirms what is not durable, never counts a position before its own epoch's start, never commits without the lease, and never takes back what it
 * has committed.
 *
 * A primary that was started again is never primary in the same epoch: it may have shipped what its own disk did not keep.
 */
#pragma once

#include "base/instant.h"
#include "base/rng.h"
#include "store/ledger.h"
#include "store/ledger_history.h"

enum {
    LEDGER_BEAT_MS = 50, /* a primary says at least as often how far it is */
    LEDGER_TELL_MS = 10, /* and what was committed, if nothing else carries it */
    LEDGER_SILENT_MS =
        1000, /* an attached follower that hears nothing asks anew, one that says nothing no longer counts */
    LEDGER_ASK_MS = 200, /* a follower that hears nothing asks again */
    LEDGER_AGAIN_MS = 2, /* and one whose primary is not yet it; then twice as late each time */
    LEDGER_AGAIN_MAX_MS = 20,
    LEDGER_FULL_MS = 1000,  /* until a full disk is tried again */
    LEDGER_LEASE_MS = 10,   /* until the lease is looked at again, when something waits for it */
    LEDGER_MARK_EVERY = 16, /* positions between two hashes that are compared */
    LEDGER_MARKS = 256,
    LEDGER_SENDS_MAX = 2 * LEDGER_MEMBERS_MAX + 4, /* of one ledger_core_ready */
};

enum ledger_message_type {
    LEDGER_FOLLOW = 1, /* to a primary: this is my log, let me follow */
    LEDGER_ATTACH,     /* and its answer */
    LEDGER_RECORDS,    /* records, and how far the primary is */
    LEDGER_BEAT,       /* how far the primary is */
    LEDGER_CONFIRM,    /* how far a follower is */
    LEDGER_COPY,       /* to a primary: send me a snapshot */
    LEDGER_MESSAGES,
};

enum ledger_verdict {
    LEDGER_NO_VERDICT,
    LEDGER_ATTACHED, /* `end` is in both logs, and is the end of the follower's */
    LEDGER_DIVERGED, /* `end` is the last position that is in both */
    LEDGER_BEHIND,
    LEDGER_NOT_IT, /* it is not the primary of that epoch */
    LEDGER_VERDICTS,
};

struct ledger_message {
    uint8_t type, verdict;
    bool claims; /* of a primary: it holds the lease */
    uint32_t from, to;
    uint64_t epoch;   /* in whose name */
    uint64_t session; /* the follower's; what is of another one is dropped */
    uint64_t
        end; /* CONFIRM: durable; BEAT: shipped in this session; ATTACH: see the verdict; FOLLOW: durable */
    uint64_t committed;    /* of a primary */
    uint64_t first, count; /* RECORDS */
    uint64_t record_epoch; /* RECORDS: of all of them */
    uint64_t before;       /* RECORDS: the epoch of the position before the first */
    uint64_t mark, hash;   /* a primary: its hash when it had executed `mark`; 0: none */
    uint64_t lag_bytes;    /* a primary: how much it has not shipped; the driver's */
    int64_t
        stamp; /* CONFIRM, FOLLOW: the follower's clock; from a primary: the last that it has heard */
};

/* What survives, besides the log. */
struct ledger_meta {
    uint64_t promised;
    uint64_t led; /* the last epoch in which it was primary */
    bool copying; /* what the log and the owner hold counts no more, until a copy is whole */
    struct position base; /* of a log that began with a copy */
};

enum ledger_disk_kind {
    LEDGER_DISK_NONE,
    LEDGER_DISK_WRITE, /* append from … to; sync */
    LEDGER_DISK_META,  /* write `meta` */
    LEDGER_DISK_CUT,   /* put aside what is from `from` = to + 1 on, cut it off; sync */
    LEDGER_DISK_RESET, /* put aside what is from `from` on (0: nothing), empty the log, so that it goes on after `to`; then write `meta` */
};

struct ledger_disk {
    uint8_t kind;
    uint64_t from, to;
    struct ledger_meta meta;
};

enum ledger_end { LEDGER_OK, LEDGER_NO_SPACE };

struct ledger_follower {
    uint32_t member;
    bool linked, attached;
    uint64_t session;
    uint64_t sent;      /* shipped */
    uint64_t confirmed; /* durable there */
    uint64_t told;      /* committed, as it was told */
    struct instant beat_at, silent_at;
    int64_t stamp;
};

struct ledger_mark {
    uint64_t position, hash;
};

enum ledger_stage { LEDGER_STAGE_IDLE, LEDGER_STAGE_REFUSED, LEDGER_STAGE_WORK };

/* Grouped by what belongs together, which costs 80 bytes.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct ledger_core {
    uint32_t self;
    struct rng rng;
    struct ledger_meta meta;   /* as it is on the disk */
    struct ledger_meta wanted; /* as it has to be */
    struct history history;    /* of all that is in memory or on the disk */
    uint64_t durable, committed, executed, hash;
    struct ledger_disk disk; /* what is under way */
    bool full;
    struct instant again_at; /* a full disk */

    uint8_t role;
    uint64_t epoch;   /* in whose name; 0: none */
    uint32_t primary; /* 0: nobody */

    /* as a primary */
    uint64_t start; /* the position of its epoch's record */
    bool draining;  /* hands over */
    bool leased;    /* as it was at the last ledger_core_ready */
    uint64_t led;   /* the epoch in which this run was primary; 0: in none */
    bool spent;     /* of that epoch something that may have been shipped was dropped */
    struct engine_needs needs;
    uint32_t follower_count;
    struct ledger_follower followers[LEDGER_MEMBERS_MAX];
    bool unknown; /* what its owner waits for is not to be answered */
    uint32_t reply_count;
    struct ledger_message
        replies[LEDGER_MEMBERS_MAX]; /* to those that asked to follow since the last turn */

    /* as a secondary */
    bool attached, confirm_due;
    uint64_t session, told;
    uint8_t verdict;
    uint64_t common; /* of LEDGER_DIVERGED */
    uint64_t
        aside; /* the first position that is not the primary's, as was heard: a copy puts it aside, and what follows; 0: not known */
    struct instant ask_at;
    int64_t again_ms; /* what it waits when it is told once more that its primary is not it */
    struct instant silent_at; /* while attached */
    struct instant heard;
    uint64_t heard_committed, lag_bytes;
    uint8_t copy; /* enum ledger_copying */
    struct history copied;
    uint64_t copied_hash;
    uint64_t copied_in; /* the epoch in which the last copy became whole */

    /* executed otherwise */
    bool spoilt;
    struct ledger_mark expected; /* what a primary said, to be compared when it is executed */
    struct ledger_mark marks[LEDGER_MARKS];

    uint8_t stage;
    struct engine_order order;
    struct instant order_until;
    char sentence[GROUP_SENTENCE_MAX];
    bool changed;
};

enum ledger_copying {
    LEDGER_COPY_NONE,
    LEDGER_COPY_ASKS, /* the primary was asked, or will be */
    LEDGER_COPY_COMES,
    LEDGER_COPY_WHOLE, /* the owner has it: the log begins anew */
};

struct ledger_restored {
    struct ledger_meta meta;
    struct history history;
    struct ledger_point state;
};

struct ledger_actions {
    bool begin;              /* put the record of the epoch at history.end, before anything else */
    struct ledger_disk disk; /* kind NONE: nothing new */
    uint32_t sends;
    struct ledger_message send[LEDGER_SENDS_MAX];
    uint64_t ship_to;    /* followers may be shipped up to here */
    uint64_t execute_to; /* then ledger_core_executed */
    bool unknown, answer, changed;
    bool dropped; /* records after history.end were dropped */
    struct engine_answer answered;
};

void ledger_core_init(struct ledger_core *core, uint32_t self, uint64_t seed,
                      const struct ledger_restored *restored);
/* Who the others are; those that stay keep what is known of them. */
void ledger_core_members(struct ledger_core *core, const uint32_t members[], uint32_t count);
void ledger_core_link(struct ledger_core *core, uint32_t member, bool up);

/* A record is appended: its position, or 0. The driver puts its bytes there. */
uint64_t ledger_core_append(struct ledger_core *core, enum ledger_refusal *why);
void ledger_core_order(struct ledger_core *core, const struct engine_order *order,
                       struct instant now);
/* `theirs`: of a FOLLOW, else NULL. Of RECORDS the last `*taken` are new, and the driver puts them at the end of its log. */
void ledger_core_receive(struct ledger_core *core, const struct ledger_message *message,
                         const struct history *theirs, struct instant now, uint64_t *taken);
/* The header of records from `first` on, at most up to `to`, for this follower. */
void ledger_core_records(const struct ledger_core *core, const struct ledger_follower *follower,
                         uint64_t first, uint64_t to, struct ledger_message *message);
void ledger_core_shipped(struct ledger_core *core, struct ledger_follower *follower, uint64_t to,
                         struct instant now);
/* What ledger_core_ready wanted is done, or had no space and changed nothing. Of a WRITE `durable` says how far. */
void ledger_core_disk_done(struct ledger_core *core, enum ledger_end end, struct instant now);
/* One more record was executed; `digest` is mixed into the hash. */
void ledger_core_executed(struct ledger_core *core, struct bytes record, uint64_t digest);
/* The log's files no longer hold what is before. */
void ledger_core_dropped(struct ledger_core *core, uint64_t before);

/* A copy: the primary offers this one; it is with the owner, as a whole; or it came to nothing. */
bool ledger_core_copy_begun(struct ledger_core *core, uint64_t session);
void ledger_core_copy_installed(struct ledger_core *core, const struct history *history,
                                uint64_t hash);
void ledger_core_copy_failed(struct ledger_core *core, const char *sentence, struct instant now);

void ledger_core_ready(struct ledger_core *core, bool may_act, struct instant now,
                       struct ledger_actions *actions);
/* Something is covered, and waits for the lease alone: to be asked again after LEDGER_LEASE_MS. */
bool ledger_core_waits(const struct ledger_core *core);
/* When it has to be asked at the latest. */
struct instant ledger_core_deadline(const struct ledger_core *core);

bool ledger_core_writable(const struct ledger_core *core);
bool ledger_core_established(const struct ledger_core *core);
static inline bool ledger_core_loading(const struct ledger_core *core)
{
    return core->wanted.copying;
}
void ledger_core_status(const struct ledger_core *core, struct engine_status *status);
struct ledger_follower *ledger_core_follower(struct ledger_core *core, uint32_t member);

/* ---- as bytes between members ---- */

enum { LEDGER_MESSAGE_BYTES = 112 };

void ledger_message_encode(struct buf *out, const struct ledger_message *message);
MUST_USE bool ledger_message_decode(struct unpack *in, struct ledger_message *message);
void ledger_meta_encode(struct buf *out, const struct ledger_meta *meta);
MUST_USE bool ledger_meta_decode(struct unpack *in, struct ledger_meta *meta);
