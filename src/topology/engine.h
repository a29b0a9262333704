/*
 * topology/engine: what is asked of a data service, and what it answers, whatever it is. Plain values; engine/engine.h asks.
 *
 * Seven words are the whole of it. Each carries the epoch in whose name it is given; an engine that has promised a newer one refuses an older. All are
 * idempotent: given twice, the second time changes nothing.
 *
 *     status    how it is. Changes nothing, and is asked all the time
 *     promise   from now on it takes nothing from any primary of an older epoch, and remembers that over a restart; then its position is frozen
 *     promote   be the primary: take writes, and acknowledge them as `needs` says. Asked again when `needs` changes
 *     demote    take no writes. With `target`: first let that member have everything that was acknowledged or written
 *     follow    be the secondary of `primary`. May answer that its data went another way (DIVERGED: rewind) or that what it lacks is gone (BEHIND: copy)
 *     rewind    drop what `primary` does not have, and keep it aside; then follow
 *     copy      drop everything and take a full copy from `primary`; then follow. `loading` until it is whole
 */
#pragma once

#include "topology/group.h"

enum engine_verb {
    ENGINE_STATUS,
    ENGINE_PROMISE,
    ENGINE_PROMOTE,
    ENGINE_DEMOTE,
    ENGINE_FOLLOW,
    ENGINE_REWIND,
    ENGINE_COPY,
    ENGINE_VERBS,
};

const char *engine_verb_name(enum engine_verb verb); /* `promote` */

/* What an acknowledgement needs besides the primary's own disk. */
struct engine_needs {
    uint8_t mode; /* enum group_mode, as it is now: degraded semi-sync is async */
    uint8_t
        acks; /* semi-sync: so many of `members`; sync: all of them, and they have to be so many */
    struct life_set members; /* secondaries that count */
};

struct engine_order {
    enum engine_verb verb;
    uint64_t epoch;            /* not in STATUS */
    uint32_t primary;          /* member: FOLLOW, REWIND, COPY */
    uint32_t target;           /* member: DEMOTE in a switchover; 0: none */
    struct engine_needs needs; /* PROMOTE */
    int64_t
        timeout_ms; /* after it the order has failed as BROKEN, and the engine's program is started anew */
};

/* One secondary, as its primary sees it. */
struct engine_follower {
    uint32_t member;
    bool attached;            /* it receives */
    struct position position; /* that it has confirmed */
};

struct engine_status {
    uint8_t state, role; /* enum engine_state, engine_role */
    bool writable;       /* it would take a client's write now */
    bool linked, loading;
    uint64_t epoch;    /* in whose name it is primary or follows; 0: in none */
    uint64_t promised; /* 0: nothing */
    struct position position;
    uint32_t primary; /* a secondary: the member that it follows; 0: nobody, or somebody unknown */
    uint64_t lag_bytes; /* a secondary: behind its primary; UINT64_MAX unknown */
    uint32_t progress;  /* of a copy, in hundredths of a percent */
    uint32_t follower_count;
    struct engine_follower followers[GROUP_MEMBERS_MAX]; /* a primary's */
    char sentence[GROUP_SENTENCE_MAX];                   /* what is wrong; "" */
};

enum engine_outcome {
    ENGINE_DONE,
    ENGINE_REFUSED,  /* it said no, and why */
    ENGINE_DIVERGED, /* FOLLOW */
    ENGINE_BEHIND,   /* FOLLOW, REWIND: only a copy helps */
    ENGINE_BROKEN, /* no answer in time, nonsense, an answer for another epoch, or its program ended: what it did is not known */
    ENGINE_OUTCOMES,
};

const char *engine_outcome_name(enum engine_outcome outcome);

struct engine_answer {
    enum engine_verb verb;
    uint64_t epoch; /* of the order */
    enum engine_outcome outcome;
    struct engine_status status;       /* with DONE, and of STATUS; else only what is known */
    char sentence[GROUP_SENTENCE_MAX]; /* why not; "" when DONE */
};
