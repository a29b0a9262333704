/*
 * Counts leases, at the holder from sending and at the grantor from receipt.
 *
 * The holder never counts longer than the grantor. Nothing that is lost, late or repeated prolongs a lease: requests are known by their
 * number and epoch, and a doubt about a clock ends the holder's count and begins the grantor's anew.
 */
#include "cluster/lease.h"

#include "base/must.h"

static int64_t drift_ns(int64_t lease_ns, int64_t drift_ppm)
{
    return (lease_ns / 1000000 + 1) * drift_ppm;
}

/* What passes on a clock that is as slow as can be while the lease passes in truth, and on one that is as fast. */
static int64_t shorter_ns(int64_t lease_ns, int64_t drift_ppm)
{
    int64_t ns = lease_ns - drift_ns(lease_ns, drift_ppm);

    return ns > 0 ? ns : 0;
}

static int64_t longer_ns(int64_t lease_ns, int64_t drift_ppm)
{
    return lease_ns + drift_ns(lease_ns, drift_ppm);
}

static void check_rules(const struct lease_rules *rules)
{
    must(rules->lease_ns > 0);
    must(rules->lease_ns <= LEASE_NS_MAX);
    must(rules->drift_ppm >= 0);
    must(rules->drift_ppm < 1000000);
}

/* ---- the holder ---- */

/* What touches one slot checks that one: all others are as they were, and what they share only grows. */
static void check_held(const struct lease_holder *holder, uint32_t slot)
{
    const struct lease_held *held = &holder->slots[slot];

    check_rules(&holder->rules);
    must(held->end.ns >= held->from.ns);
    must(held->wanted || held->end.ns == held->from.ns);
    must(!held->wanted || !held->released);
    must(held->since <= holder->asked + 1);
    must(ns_between(held->from, held->end) <= holder->rules.lease_ns);
}

static void check_holder(const struct lease_holder *holder)
{
    for (uint32_t i = 0; i < CLUSTER_LEASES_MAX; i++)
        check_held(holder, i);
}

void lease_holder_init(struct lease_holder *holder, const struct lease_rules *rules)
{
    *holder = (struct lease_holder){.rules = *rules};
    check_holder(holder);
}

void lease_holder_want(struct lease_holder *holder, uint32_t slot, uint64_t epoch)
{
    struct lease_held *held = &holder->slots[slot];

    must(slot < CLUSTER_LEASES_MAX);
    check_held(holder, slot);
    if (held->epoch == epoch && (held->wanted || held->released))
        return;
    *held = (struct lease_held){.wanted = true, .epoch = epoch, .since = holder->asked + 1};
    check_held(holder, slot);
}

static void let_go(struct lease_held *held)
{
    held->wanted = false;
    held->from = held->end = (struct instant){0};
}

void lease_holder_unwant(struct lease_holder *holder, uint32_t slot)
{
    must(slot < CLUSTER_LEASES_MAX);
    let_go(&holder->slots[slot]);
    check_held(holder, slot);
}

void lease_holder_release(struct lease_holder *holder, uint32_t slot)
{
    must(slot < CLUSTER_LEASES_MAX);
    holder->slots[slot].released |= holder->slots[slot].wanted;
    let_go(&holder->slots[slot]);
    check_held(holder, slot);
}

uint64_t lease_holder_ask(struct lease_holder *holder, struct instant now)
{
    check_holder(holder);
    holder->asked++;
    holder->sent[holder->asked % LEASE_REQUESTS_MAX] = now;
    return holder->asked;
}

bool lease_holder_granted(struct lease_holder *holder, uint32_t slot, uint64_t epoch,
                          uint64_t request, int64_t lease_ns)
{
    struct lease_held *held = &holder->slots[slot % CLUSTER_LEASES_MAX];
    int64_t most_ns = lease_ns < holder->rules.lease_ns ? lease_ns : holder->rules.lease_ns;
    struct instant from, end;

    check_held(holder, slot % CLUSTER_LEASES_MAX);
    if (slot >= CLUSTER_LEASES_MAX || !held->wanted || held->epoch != epoch)
        return false;
    if (request < held->since || request > holder->asked ||
        holder->asked - request >= LEASE_REQUESTS_MAX)
        return false;
    from = holder->sent[request % LEASE_REQUESTS_MAX];
    end = after_ns(from, shorter_ns(most_ns, holder->rules.drift_ppm));
    if (end.ns <= held->end.ns || end.ns == from.ns)
        return false;
    held->from = from;
    held->end = end;
    check_held(holder, slot % CLUSTER_LEASES_MAX);
    return true;
}

void lease_holder_drop(struct lease_holder *holder)
{
    check_holder(holder);
    for (uint32_t i = 0; i < CLUSTER_LEASES_MAX; i++) {
        struct lease_held *held = &holder->slots[i];

        held->from = held->end = (struct instant){0};
        held->since = holder->asked + 1;
    }
    check_holder(holder);
}

bool lease_valid(const struct lease_holder *holder, uint32_t slot, struct instant now)
{
    const struct lease_held *held = &holder->slots[slot];

    must(slot < CLUSTER_LEASES_MAX);
    return held->wanted && now.ns >= held->from.ns && now.ns < held->end.ns;
}

struct instant lease_end(const struct lease_holder *holder, uint32_t slot)
{
    must(slot < CLUSTER_LEASES_MAX);
    return holder->slots[slot].end;
}

/* ---- the grantor ---- */

static void check_account(const struct lease_grantor *grantor, const struct lease_account *account)
{
    bool waits = account->first.request != 0;

    check_rules(&grantor->rules);
    must(!grantor->established || grantor->leading);
    must(waits || account->newest.request == 0);
    must(!waits || account->holder.member != 0);
    must(!waits || (account->closings == 0 && !account->ended));
    must(!waits || grantor->established);
    must(account->first.after <= grantor->round);
    must(account->newest.after <= grantor->round);
    must(account->closings == 0 || grantor->leading);
    must(grantor->longest_ns >= 0);
    must(grantor->longest_ns <= LEASE_NS_MAX);
}

/* What a lease that this leader does not know of may last: on its own clock. */
static int64_t whole_ns(const struct lease_grantor *grantor)
{
    int64_t most_ns = grantor->rules.lease_ns;

    if (most_ns < grantor->longest_ns)
        most_ns = grantor->longest_ns;
    return longer_ns(most_ns, grantor->rules.drift_ppm);
}

static int64_t granted_ns(const struct lease_grantor *grantor)
{
    return grantor->rules.lease_ns < grantor->longest_ns ? grantor->rules.lease_ns
                                                         : grantor->longest_ns;
}

/* Never earlier than it was. */
static void wait_out(struct lease_grantor *grantor)
{
    struct instant from = after_ns(grantor->doubt, whole_ns(grantor));

    grantor->from = latest(from, grantor->from);
}

static void check_grantor(const struct lease_grantor *grantor)
{
    for (uint32_t i = 0; i < CLUSTER_LEASES_MAX; i++)
        check_account(grantor, &grantor->accounts[i]);
}

static void forget_receipts(struct lease_account *account)
{
    account->first = account->newest = (struct lease_receipt){0};
}

void lease_grantor_init(struct lease_grantor *grantor, const struct lease_rules *rules)
{
    *grantor = (struct lease_grantor){.rules = *rules};
    check_grantor(grantor);
}

/* What was granted in an earlier term is covered by the wait that follows the next victory. That somebody is dead stays true. */
static void forget_term(struct lease_grantor *grantor)
{
    grantor->leading = grantor->established = false;
    for (uint32_t i = 0; i < CLUSTER_LEASES_MAX; i++) {
        struct lease_account *account = &grantor->accounts[i];

        forget_receipts(account);
        account->until = (struct instant){0};
        account->granted = 0;
        account->closings = 0;
    }
}

void lease_grantor_won(struct lease_grantor *grantor, uint64_t term, struct instant unled)
{
    check_grantor(grantor);
    forget_term(grantor);
    grantor->leading = true;
    grantor->term = term;
    grantor->doubt = latest(unled, grantor->doubt);
    grantor->from = after_ns(grantor->doubt, whole_ns(grantor));
    check_grantor(grantor);
}

void lease_grantor_longest(struct lease_grantor *grantor, int64_t lease_ns)
{
    check_grantor(grantor);
    grantor->longest_ns = lease_ns < LEASE_NS_MAX ? lease_ns : LEASE_NS_MAX;
    wait_out(grantor);
    check_grantor(grantor);
}

int64_t lease_grantor_wishes(const struct lease_grantor *grantor, struct instant now)
{
    int64_t own_ns = grantor->rules.lease_ns;

    if (!grantor->established || grantor->tilted || own_ns == grantor->longest_ns ||
        (own_ns < grantor->longest_ns && !passed(grantor->from, now)))
        return 0;
    return own_ns;
}

void lease_grantor_established(struct lease_grantor *grantor, uint64_t term)
{
    check_grantor(grantor);
    if (grantor->leading && grantor->term == term)
        grantor->established = true;
}

void lease_grantor_lost(struct lease_grantor *grantor)
{
    check_grantor(grantor);
    forget_term(grantor);
    check_grantor(grantor);
}

void lease_grantor_holds(struct lease_grantor *grantor, uint32_t slot, struct life holder,
                         uint64_t epoch)
{
    struct lease_account *account = &grantor->accounts[slot];

    must(slot < CLUSTER_LEASES_MAX);
    check_account(grantor, account);
    if (account->epoch == epoch && life_equal(account->holder, holder))
        return;
    *account = (struct lease_account){.holder = holder, .epoch = epoch};
}

void lease_grantor_vacant(struct lease_grantor *grantor, uint32_t slot)
{
    lease_grantor_holds(grantor, slot, (struct life){0}, 0);
}

static bool takes(const struct lease_grantor *grantor, const struct lease_account *account,
                  struct life holder, uint64_t epoch, uint64_t request)
{
    if (!grantor->established || grantor->tilted || account->closings || account->ended)
        return false;
    if (grantor->longest_ns == 0)
        return false;
    if (holder.member == 0 || !life_equal(account->holder, holder) || account->epoch != epoch)
        return false;
    return request > account->granted && request > account->first.request &&
           request > account->newest.request;
}

bool lease_grantor_asked(struct lease_grantor *grantor, uint32_t slot, struct life holder,
                         uint64_t epoch, uint64_t request, struct instant now)
{
    struct lease_account *account = &grantor->accounts[slot % CLUSTER_LEASES_MAX];
    struct lease_receipt receipt = {request, grantor->round, now};

    check_account(grantor, account);
    if (slot >= CLUSTER_LEASES_MAX || !takes(grantor, account, holder, epoch, request))
        return false;
    if (account->first.request == 0)
        account->first = receipt;
    else
        account->newest = receipt;
    check_account(grantor, account);
    return true;
}

uint64_t lease_grantor_round(struct lease_grantor *grantor)
{
    bool waits = false;

    check_grantor(grantor);
    for (uint32_t i = 0; i < CLUSTER_LEASES_MAX; i++) {
        const struct lease_account *account = &grantor->accounts[i];

        waits |= account->first.request && account->first.after == grantor->round;
        waits |= account->newest.request && account->newest.after == grantor->round;
    }
    return waits ? ++grantor->round : 0;
}

/* The newest receipt that a round confirms; request 0: none. */
static struct lease_receipt take_confirmed(struct lease_account *account, uint64_t round)
{
    struct lease_receipt confirmed = {0};

    while (account->first.request && account->first.after < round) {
        confirmed = account->first;
        account->first = account->newest;
        account->newest = (struct lease_receipt){0};
    }
    return confirmed;
}

void lease_grantor_confirmed(struct lease_grantor *grantor, uint64_t term, uint64_t round,
                             struct lease_grants *out)
{
    check_grantor(grantor);
    out->count = 0;
    out->lease_ns = granted_ns(grantor);
    if (!grantor->established || grantor->tilted || term != grantor->term || round > grantor->round)
        return;
    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++) {
        struct lease_account *account = &grantor->accounts[slot];
        struct lease_receipt receipt = take_confirmed(account, round);
        struct instant until =
            after_ns(receipt.received, longer_ns(out->lease_ns, grantor->rules.drift_ppm));

        if (receipt.request == 0)
            continue;
        account->until = latest(until, account->until);
        account->granted = receipt.request;
        out->grants[out->count++] =
            (struct lease_grant){slot, account->holder, account->epoch, receipt.request};
    }
    check_grantor(grantor);
}

struct instant lease_grantor_may_change(const struct lease_grantor *grantor, uint32_t slot)
{
    const struct lease_account *account = &grantor->accounts[slot];

    must(slot < CLUSTER_LEASES_MAX);
    check_account(grantor, account);
    if (!grantor->established)
        return NEVER;
    if (account->holder.member == 0 || account->ended)
        return (struct instant){0};
    if (grantor->tilted)
        return NEVER;
    return latest(account->until, grantor->from);
}

void lease_grantor_close(struct lease_grantor *grantor, uint32_t slot, uint64_t epoch)
{
    struct lease_account *account = &grantor->accounts[slot];

    must(slot < CLUSTER_LEASES_MAX);
    check_account(grantor, account);
    if (!grantor->leading || account->epoch != epoch)
        return;
    forget_receipts(account);
    account->closings++;
    check_account(grantor, account);
}

/* Another proposal may be on its way still, and one that is about an earlier holder says nothing of this one. */
void lease_grantor_reopen(struct lease_grantor *grantor, uint32_t slot, uint64_t epoch)
{
    struct lease_account *account = &grantor->accounts[slot];

    must(slot < CLUSTER_LEASES_MAX);
    if (account->epoch == epoch && account->closings > 0)
        account->closings--;
}

static void end_account(struct lease_account *account)
{
    forget_receipts(account);
    account->ended = true;
}

void lease_grantor_released(struct lease_grantor *grantor, uint32_t slot, struct life holder,
                            uint64_t epoch)
{
    struct lease_account *account = &grantor->accounts[slot % CLUSTER_LEASES_MAX];

    check_account(grantor, account);
    if (slot < CLUSTER_LEASES_MAX && holder.member && account->epoch == epoch &&
        life_equal(account->holder, holder))
        end_account(account);
    check_account(grantor, account);
}

_Static_assert(CLUSTER_LEASES_MAX <= 64, "a bit for each slot");

void lease_grantor_died(struct lease_grantor *grantor, struct life life, uint64_t spared)
{
    check_grantor(grantor);
    for (uint32_t i = 0; i < CLUSTER_LEASES_MAX; i++)
        if (life.member && life_equal(grantor->accounts[i].holder, life) && !(spared >> i & 1))
            end_account(&grantor->accounts[i]);
    check_grantor(grantor);
}

void lease_grantor_tilt(struct lease_grantor *grantor, bool tilted, struct instant now)
{
    check_grantor(grantor);
    if (tilted == grantor->tilted)
        return;
    grantor->tilted = tilted;
    grantor->doubt = now;
    wait_out(grantor);
    for (uint32_t i = 0; i < CLUSTER_LEASES_MAX; i++)
        forget_receipts(&grantor->accounts[i]);
    check_grantor(grantor);
}
