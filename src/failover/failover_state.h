/*
 * What failover remembers between steps: plain data without pointers, so a copy is a snapshot.
 *
 * Nothing in it is needed for safety: that lies in the document and in what members promise. A leader that begins with none of it goes on from the document;
 * it only knows less of what came before (who was the primary, how long it took, who flapped).
 */
#pragma once

#include "failover/failover.h"

enum { FAILOVER_LOSSES_MAX = 32, FAILOVER_TOTALS_MAX = 8 };

/* What one failover's time went to; RECORD has them in milliseconds. */
enum failover_span {
    SPAN_DETECT,
    SPAN_DECIDE,
    SPAN_FENCE,
    SPAN_PROMISE,
    SPAN_PROMOTE,
    SPAN_VERIFY,
    SPANS,
};

/* One change of the primary, from its cause until the new one serves. */
struct failover_walk {
    bool on;
    bool begun; /* told of */
    uint64_t
        epoch; /* in which it began: in another one it is over. 0: over as soon as somebody serves */
    enum failover_cause cause;
    uint32_t from, zone; /* member that was primary, its zone; 0: not known */
    bool planned, unclean;
    struct instant noticed;
    enum failover_span span;
    struct instant since; /* in this span */
    bool known[SPANS];
    int64_t spent_ns[SPANS];
    uint64_t lost_bytes;
    struct life_set failed; /* were named and did not take over: not again in this walk */
    struct instant failed_at;
};

enum failover_proposal_kind {
    PROPOSE_NOTHING,
    PROPOSE_CREATE,
    PROPOSE_ISOLATE,
    PROPOSE_NAME,
    PROPOSE_TARGET,
    PROPOSE_UNTARGET,
    PROPOSE_SETTLE,
};

struct failover_proposal {
    enum failover_proposal_kind kind; /* PROPOSE_NOTHING: none is out */
    uint64_t version;                 /* that it is based on */
    struct instant until;             /* unanswered by then: what became of it is unknown */
    struct instant again;             /* nothing is proposed before, unless the group has changed */
};

/* What a member was known to have, and to have counted, by its life. */
struct failover_memory {
    struct life life;
    uint64_t epoch; /* of the primary under which `high` was reported */
    struct position high;
    uint64_t held, expired; /* when all was well */
};

struct failover_loss {
    uint32_t member; /* 0: none */
    struct instant at;
};

struct failover {
    struct failover_rules rules;
    enum failover_phase phase;
    struct instant since;    /* in this phase */
    struct instant deadline; /* the next one of any kind */

    bool seen; /* `paused`, `body`, `version` are of the step before */
    bool paused;
    uint64_t epoch, version;
    struct group_body body;
    uint64_t served; /* the last epoch in which a primary served */

    struct failover_proposal proposal;
    struct failover_walk walk;
    struct instant named_at;   /* the primary of this epoch is known since */
    struct instant well_at;    /* the primary was last known to be well; {0}: never */
    struct instant idle;       /* the primary was not seen to be one since; NEVER: it was */
    struct instant unheard;    /* the primary has not been heard since; NEVER: it was */
    struct instant enough_at;  /* enough members have promised since; NEVER: they have not */
    struct instant lacking_at; /* nobody may be chosen since; NEVER: somebody may */
    struct failover_memory memory[GROUP_MEMBERS_MAX];
    struct position best; /* that anybody was ever known to have in the epoch of the last primary */

    uint32_t last; /* the last primary, seen to be it without a gap; 0: not known */
    uint32_t loss_next;
    struct failover_loss losses[FAILOVER_LOSSES_MAX];
    uint32_t total_count;
    int64_t totals_ms[FAILOVER_TOTALS_MAX];

    struct failover_order order; /* ORDER_NONE: none */
    uint32_t order_member;       /* it is about; 0: whoever is best */
    bool order_taken;            /* its checks have passed, and it is under way */
    struct instant order_at;
    struct instant leave_at; /* a switchover that nobody ordered is not tried before */
    bool too_many_waits;     /* an order came meanwhile: `too_many` is its number */
    uint64_t too_many;
    struct instant dry_run_at;
    struct instant
        record_at; /* counts of clients are gathered until then; NEVER: no record waits */
    struct failover_record record;
};
