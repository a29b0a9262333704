/*
 * cluster/lease: until when a member may act for a resource, and from when somebody else may.
 *
 * Two cores, both pure. The *holder* counts from the moment at which it sent a request, `lease x (1 - drift)`; the *grantor*, which is the
 * leader of consensus, from the moment at which it received it, `lease x (1 + drift)`. So the grantor's count ends after the holder's,
 * whatever the network did, as long as no clock runs wrong by more than the drift.
 *
 * The nodes' own rules may differ while they are changed one after the other. So a grant says how long it lasts at most, and the document how long
 * any leader may have granted (`longest`): a leader grants no more than that, and a new one waits it out, whatever its own rules say.
 *
 * Resources are slots of the document's table of leases; the epoch of a slot is the document's, changes with the holder and is never used
 * again, so what was said of an earlier holder is recognised and ignored. Times are of CLOCK_BOOTTIME of the node that counts (or of a clock
 * derived from it that runs faster at the holder, slower at the grantor: cluster/tilt.h). Nobody else's clock is ever looked at.
 */
#pragma once

#include "base/instant.h"
#include "cluster/limits.h"

struct lease_rules {
    int64_t lease_ns;  /* at most */
    int64_t drift_ppm; /* how wrong a clock's rate may be; below 1,000,000 */
};

/* ---- the holder ---- */

#define LEASE_NS_MAX (3600 * NS_PER_S)
enum { LEASE_REQUESTS_MAX = 32 }; /* under way; an answer to an older one is ignored */

struct lease_held {
    bool wanted;
    bool released; /* given up: not to be wanted again in this epoch */
    uint64_t epoch;
    uint64_t since;      /* first request that counts: earlier ones are void */
    struct instant from; /* sending of the granted request */
    struct instant end;  /* equal to `from`: none */
};

struct lease_holder {
    struct lease_rules rules;
    uint64_t asked; /* number of the newest request; 0: none yet */
    struct instant sent[LEASE_REQUESTS_MAX];
    struct lease_held slots[CLUSTER_LEASES_MAX];
};

void lease_holder_init(struct lease_holder *holder, const struct lease_rules *rules);
/* The document names this life as the holder of `slot` in this epoch. Told again: nothing changes. Another epoch begins without a lease. */
void lease_holder_want(struct lease_holder *holder, uint32_t slot, uint64_t epoch);
/* The document does not, or no more. The lease is gone at once. */
void lease_holder_unwant(struct lease_holder *holder, uint32_t slot);
/* One request is about to be sent for every wanted slot: its number, to be carried with (slot, epoch) pairs. Call it BEFORE sending. */
uint64_t lease_holder_ask(struct lease_holder *holder, struct instant now);
/* The leader granted that request for this slot and epoch, for at most `lease_ns`. True when the lease now runs longer. Any age, any number of times. */
bool lease_holder_granted(struct lease_holder *holder, uint32_t slot, uint64_t epoch,
                          uint64_t request, int64_t lease_ns);
/* The clock or the host cannot be trusted: every lease is gone, and no request sent so far counts. The slots stay wanted. */
void lease_holder_drop(struct lease_holder *holder);
/* To be called before the leader is told that the holder gives up: gone at once, not wanted, and not to be had again in this epoch. */
void lease_holder_release(struct lease_holder *holder, uint32_t slot);
/* May this node act for the slot? */
bool lease_valid(const struct lease_holder *holder, uint32_t slot, struct instant now);
/* When it ends; {0}: there is none. For the scoreboard: valid at t means t < end. */
struct instant lease_end(const struct lease_holder *holder, uint32_t slot);

/* ---- the grantor ---- */

/* A request that was received and waits for a round to confirm that this leader is the leader still. */
struct lease_receipt {
    uint64_t request; /* 0: none */
    uint64_t after;   /* the newest round that had begun: only a later one confirms */
    struct instant received;
};

struct lease_account {
    struct life holder; /* member 0: vacant */
    uint64_t epoch;
    struct instant until; /* own count of what was granted */
    uint64_t granted;     /* newest request that was granted: its copies are ignored */
    uint32_t
        closings; /* changes away from the holder that are proposed: while there are any, no extension */
    bool ended; /* the holder released it or is proved dead: nothing to wait for, no extension */
    struct lease_receipt first, newest; /* waiting; `first` is kept until it is confirmed */
};

struct lease_grantor {
    struct lease_rules rules;
    bool leading;
    bool
        established; /* an entry of the own term is applied: the accounts are what the document says */
    bool tilted;
    uint64_t term;
    uint64_t round;     /* number of the newest confirmation asked for */
    int64_t longest_ns; /* the document's: no leader grants more; 0: nothing at all yet */
    struct instant
        doubt; /* what was asked for before that, and granted, is not known: the voters' last leader, or a later tilt */
    struct instant from; /* before this nothing is changed away from anybody */
    struct lease_account accounts[CLUSTER_LEASES_MAX];
};

struct lease_grant {
    uint32_t slot;
    struct life holder;
    uint64_t epoch, request;
};

/* At most two receipts of every slot are confirmed at once; only the newer is answered. */
struct lease_grants {
    uint32_t count;
    int64_t lease_ns; /* how long they last at most */
    struct lease_grant grants[CLUSTER_LEASES_MAX];
};

void lease_grantor_init(struct lease_grantor *grantor, const struct lease_rules *rules);
/* ---- from consensus ---- */
/* `unled`: not before the moment at which the last of its voters last heard another leader, or led. What a leader granted was asked for before a quorum confirmed it,
 * and one of the voters was in that quorum: nothing that was asked for later was granted in an earlier term. */
void lease_grantor_won(struct lease_grantor *grantor, uint64_t term, struct instant unled);
void lease_grantor_established(struct lease_grantor *grantor, uint64_t term);
void lease_grantor_lost(struct lease_grantor *grantor);
/* ---- from the document: as it is after every applied entry, and once for every slot at the start and after a snapshot ---- */
/* A new holder or epoch begins with nothing granted, and is not closing. The same again changes nothing. */
void lease_grantor_holds(struct lease_grantor *grantor, uint32_t slot, struct life holder,
                         uint64_t epoch);
void lease_grantor_vacant(struct lease_grantor *grantor, uint32_t slot);
/* The longest lease that any leader may have granted, or may grant; 0: none may. Told before `established`, and whenever it changes. */
void lease_grantor_longest(struct lease_grantor *grantor, int64_t lease_ns);
/* What the document should say instead, so that this leader grants as its rules say: longer at once, shorter when all that was granted by others, or by others'
 * rules, is over. 0: nothing. */
int64_t lease_grantor_wishes(const struct lease_grantor *grantor, struct instant now);
/* ---- requests ---- */
/* A request came, at `now` as read after it came: never an earlier reading of the clock. False: not taken (not leading, not the holder, another epoch, closing, ended, tilted). */
bool lease_grantor_asked(struct lease_grantor *grantor, uint32_t slot, struct life holder,
                         uint64_t epoch, uint64_t request, struct instant now);
/* When receipts wait that no begun round can confirm: the number of a new round, to be begun after this call. 0: there are none. */
uint64_t lease_grantor_round(struct lease_grantor *grantor);
/* Consensus confirmed that round in that term: what may be answered now. Rounds of other terms are ignored. */
void lease_grantor_confirmed(struct lease_grantor *grantor, uint64_t term, uint64_t round,
                             struct lease_grants *out);
/* The beat that carries them (see lease_grants) may be lost: the holder asks again with the next. */

/* ---- changes ---- */
/* From when on a change away from the present holder may be proposed. {0}: at any time. NEVER: not by this node as it is now. */
struct instant lease_grantor_may_change(const struct lease_grantor *grantor, uint32_t slot);
/* A change away from the holder in this epoch is about to be proposed; may_change has passed. Until the document changes, or this proposal is
 * known to have failed (reopen, once for each close), the holder gets no extension. Of another epoch than the account's: nothing happens. */
void lease_grantor_close(struct lease_grantor *grantor, uint32_t slot, uint64_t epoch);
void lease_grantor_reopen(struct lease_grantor *grantor, uint32_t slot, uint64_t epoch);
/* The holder said itself that it gave up this slot in this epoch. Anything else is ignored. */
void lease_grantor_released(struct lease_grantor *grantor, uint32_t slot, struct life holder,
                            uint64_t epoch);
/* Proved dead: ends all accounts of that life but those in `spared` (slots, by bit), of no other. A later incarnation of the member proves nothing: what
 * its node did in the name of the earlier one may outlive that one's agent. */
void lease_grantor_died(struct lease_grantor *grantor, struct life life, uint64_t spared);
/* The own clock or host cannot be trusted: receipts are forgotten, nothing is granted while tilted, and all counts begin anew at their longest,
 * from the beginning of the tilt and again from its end. */
void lease_grantor_tilt(struct lease_grantor *grantor, bool tilted, struct instant now);
