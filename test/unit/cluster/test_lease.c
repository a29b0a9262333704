#include "base/must.h"
#include "base/rng.h"
#include "cluster/lease.h"
#include "unit.h"

static const struct lease_rules rules = {.lease_ns = 2 * NS_PER_S, .drift_ppm = 10000};
static const struct life bob = {2, 7}, eve = {3, 1};

static struct instant at_ms(int64_t ms)
{
    return (struct instant){ms * NS_PER_MS};
}

/* ---- the holder ---- */

static struct lease_holder *wanting(uint32_t slot, uint64_t epoch)
{
    static struct lease_holder holder;

    lease_holder_init(&holder, &rules);
    lease_holder_want(&holder, slot, epoch);
    return &holder;
}

static void a_lease_runs_from_the_sending_of_what_was_granted(void **state)
{
    struct lease_holder *holder = wanting(5, 9);

    (void)state;
    assert_int_equal(lease_holder_ask(holder, at_ms(1000)), 1);
    assert_int_equal(lease_holder_ask(holder, at_ms(1200)), 2);
    assert_false(lease_valid(holder, 5, at_ms(1300)));
    assert_true(lease_holder_granted(holder, 5, 9, 1, rules.lease_ns));
    /* 2 s less 1 %, and the drift of one more millisecond for rounding. */
    assert_in_range(lease_end(holder, 5).ns, at_ms(2979).ns, at_ms(2980).ns);
    assert_true(lease_valid(holder, 5, at_ms(2979)));
    assert_false(lease_valid(holder, 5, at_ms(2980)));
}

static void a_grant_that_is_old_or_repeated_never_shortens_a_lease(void **state)
{
    struct lease_holder *holder = wanting(0, 1);
    struct instant end;

    (void)state;
    (void)lease_holder_ask(holder, at_ms(1000));
    (void)lease_holder_ask(holder, at_ms(1200));
    assert_true(lease_holder_granted(holder, 0, 1, 2, rules.lease_ns));
    end = lease_end(holder, 0);
    assert_false(lease_holder_granted(holder, 0, 1, 1, rules.lease_ns));
    assert_false(lease_holder_granted(holder, 0, 1, 2, rules.lease_ns));
    assert_int_equal(lease_end(holder, 0).ns, end.ns);
}

static void grants_of_other_epochs_slots_and_times_are_ignored(void **state)
{
    struct lease_holder *holder = wanting(0, 4);

    (void)state;
    assert_false(lease_holder_granted(holder, 0, 4, 0, rules.lease_ns));
    assert_false(lease_holder_granted(holder, 0, 4, 1, rules.lease_ns));
    (void)lease_holder_ask(holder, at_ms(0));
    assert_false(lease_holder_granted(holder, 0, 3, 1, rules.lease_ns));
    assert_false(lease_holder_granted(holder, 1, 4, 1, rules.lease_ns));
    assert_false(lease_holder_granted(holder, CLUSTER_LEASES_MAX, 4, 1, rules.lease_ns));
    assert_false(lease_holder_granted(holder, UINT32_MAX, 4, 1, rules.lease_ns));
    for (int i = 0; i < LEASE_REQUESTS_MAX; i++)
        (void)lease_holder_ask(holder, at_ms(100 + i));
    assert_false(lease_holder_granted(holder, 0, 4, 1, rules.lease_ns));
    assert_true(lease_holder_granted(holder, 0, 4, 2, rules.lease_ns));
}

static void a_new_epoch_begins_without_a_lease_and_with_new_requests(void **state)
{
    struct lease_holder *holder = wanting(0, 1);

    (void)state;
    (void)lease_holder_ask(holder, at_ms(0));
    lease_holder_want(holder, 0, 2);
    assert_false(lease_holder_granted(holder, 0, 2, 1, rules.lease_ns));
    (void)lease_holder_ask(holder, at_ms(10));
    assert_true(lease_holder_granted(holder, 0, 2, 2, rules.lease_ns));
    lease_holder_want(holder, 0, 2);
    assert_true(lease_valid(holder, 0, at_ms(20)));
}

static void after_a_doubt_nothing_that_was_sent_before_counts(void **state)
{
    struct lease_holder *holder = wanting(0, 1);

    (void)state;
    (void)lease_holder_ask(holder, at_ms(0));
    (void)lease_holder_ask(holder, at_ms(200));
    assert_true(lease_holder_granted(holder, 0, 1, 1, rules.lease_ns));
    lease_holder_drop(holder);
    assert_false(lease_valid(holder, 0, at_ms(300)));
    assert_false(lease_holder_granted(holder, 0, 1, 2, rules.lease_ns));
    (void)lease_holder_ask(holder, at_ms(400));
    assert_true(lease_holder_granted(holder, 0, 1, 3, rules.lease_ns));
}

static void what_was_released_is_not_had_again_in_that_epoch(void **state)
{
    struct lease_holder *holder = wanting(0, 1);

    (void)state;
    (void)lease_holder_ask(holder, at_ms(0));
    lease_holder_release(holder, 0);
    lease_holder_want(holder, 0, 1);
    assert_false(lease_holder_granted(holder, 0, 1, 1, rules.lease_ns));
    lease_holder_want(holder, 0, 2);
    (void)lease_holder_ask(holder, at_ms(10));
    assert_true(lease_holder_granted(holder, 0, 2, 2, rules.lease_ns));
}

static void a_clock_that_went_back_holds_no_lease(void **state)
{
    struct lease_holder *holder = wanting(0, 1);

    (void)state;
    (void)lease_holder_ask(holder, at_ms(5000));
    assert_true(lease_holder_granted(holder, 0, 1, 1, rules.lease_ns));
    assert_false(lease_valid(holder, 0, at_ms(4999)));
}

/* ---- the grantor ---- */

static struct lease_grantor *leading(struct instant won)
{
    static struct lease_grantor grantor;

    lease_grantor_init(&grantor, &rules);
    lease_grantor_holds(&grantor, 0, bob, 1);
    lease_grantor_longest(&grantor, rules.lease_ns);
    lease_grantor_won(&grantor, 3, won);
    lease_grantor_established(&grantor, 3);
    return &grantor;
}

static void only_a_round_that_began_after_the_receipt_confirms(void **state)
{
    struct lease_grantor *grantor = leading(at_ms(0));
    struct lease_grants grants;
    uint64_t early, late;

    (void)state;
    assert_int_equal(lease_grantor_round(grantor), 0);
    assert_true(lease_grantor_asked(grantor, 0, bob, 1, 1, at_ms(100)));
    early = lease_grantor_round(grantor);
    assert_true(lease_grantor_asked(grantor, 0, bob, 1, 2, at_ms(200)));
    late = lease_grantor_round(grantor);
    assert_int_equal(lease_grantor_round(grantor), 0);

    lease_grantor_confirmed(grantor, 3, early, &grants);
    assert_int_equal(grants.count, 1);
    assert_int_equal(grants.grants[0].request, 1);
    lease_grantor_confirmed(grantor, 2, late, &grants);
    assert_int_equal(grants.count, 0);
    lease_grantor_confirmed(grantor, 3, late, &grants);
    assert_int_equal(grants.count, 1);
    assert_int_equal(grants.grants[0].request, 2);
    assert_in_range(lease_grantor_may_change(grantor, 0).ns, at_ms(2220).ns, at_ms(2221).ns);
}

static void requests_that_come_faster_than_rounds_are_still_granted(void **state)
{
    struct lease_grantor *grantor = leading(at_ms(0));
    struct lease_grants grants;
    uint64_t round;

    (void)state;
    assert_true(lease_grantor_asked(grantor, 0, bob, 1, 1, at_ms(100)));
    round = lease_grantor_round(grantor);
    for (uint64_t request = 2; request < 20; request++)
        assert_true(lease_grantor_asked(grantor, 0, bob, 1, request, at_ms(100 + (int)request)));
    lease_grantor_confirmed(grantor, 3, round, &grants);
    assert_int_equal(grants.count, 1);
    assert_int_equal(grants.grants[0].request, 1);
}

static void a_new_leader_waits_from_when_its_voters_were_last_led(void **state)
{
    struct lease_grantor grantor;

    (void)state;
    lease_grantor_init(&grantor, &rules);
    lease_grantor_holds(&grantor, 0, bob, 1);
    lease_grantor_longest(&grantor, rules.lease_ns);
    lease_grantor_won(&grantor, 3, at_ms(1000));
    lease_grantor_established(&grantor, 3);
    assert_in_range(lease_grantor_may_change(&grantor, 0).ns, at_ms(3020).ns, at_ms(3021).ns);
    /* What the own clock did meanwhile counts, however long ago the voters were led. */
    lease_grantor_tilt(&grantor, true, at_ms(4000));
    lease_grantor_tilt(&grantor, false, at_ms(5000));
    lease_grantor_won(&grantor, 4, at_ms(3500));
    lease_grantor_established(&grantor, 4);
    assert_in_range(lease_grantor_may_change(&grantor, 0).ns, at_ms(7020).ns, at_ms(7021).ns);
}

static void nothing_is_granted_before_an_own_entry_is_applied(void **state)
{
    struct lease_grantor grantor;

    (void)state;
    lease_grantor_init(&grantor, &rules);
    lease_grantor_holds(&grantor, 0, bob, 1);
    lease_grantor_longest(&grantor, rules.lease_ns);
    assert_false(lease_grantor_asked(&grantor, 0, bob, 1, 1, at_ms(0)));
    lease_grantor_won(&grantor, 3, at_ms(10));
    lease_grantor_established(&grantor, 2);
    assert_false(lease_grantor_asked(&grantor, 0, bob, 1, 1, at_ms(20)));
    assert_int_equal(lease_grantor_may_change(&grantor, 0).ns, NEVER.ns);
    lease_grantor_established(&grantor, 3);
    assert_true(lease_grantor_asked(&grantor, 0, bob, 1, 1, at_ms(30)));
    lease_grantor_lost(&grantor);
    assert_false(lease_grantor_asked(&grantor, 0, bob, 1, 2, at_ms(40)));
    assert_int_equal(lease_grantor_may_change(&grantor, 0).ns, NEVER.ns);
}

static void a_new_leader_waits_a_whole_lease_for_what_it_does_not_know(void **state)
{
    struct lease_grantor *grantor = leading(at_ms(1000));

    (void)state;
    assert_in_range(lease_grantor_may_change(grantor, 0).ns, at_ms(3020).ns, at_ms(3021).ns);
    /* Nobody holds the next one, so nobody is waited for. */
    assert_int_equal(lease_grantor_may_change(grantor, 1).ns, 0);
}

static void from_the_proposal_on_the_holder_gets_no_extension(void **state)
{
    struct lease_grantor *grantor = leading(at_ms(0));
    struct lease_grants grants;
    uint64_t round;

    (void)state;
    assert_true(lease_grantor_asked(grantor, 0, bob, 1, 1, at_ms(100)));
    round = lease_grantor_round(grantor);
    lease_grantor_close(grantor, 0, 1);
    lease_grantor_confirmed(grantor, 3, round, &grants);
    assert_int_equal(grants.count, 0);
    assert_false(lease_grantor_asked(grantor, 0, bob, 1, 2, at_ms(200)));
    lease_grantor_reopen(grantor, 0, 1);
    assert_true(lease_grantor_asked(grantor, 0, bob, 1, 3, at_ms(300)));
}

static void one_proposal_that_failed_does_not_reopen_for_another(void **state)
{
    struct lease_grantor *grantor = leading(at_ms(0));

    (void)state;
    lease_grantor_close(grantor, 0, 1);
    lease_grantor_close(grantor, 0, 1);
    lease_grantor_reopen(grantor, 0, 1);
    assert_false(lease_grantor_asked(grantor, 0, bob, 1, 1, at_ms(300)));
    /* The change came about, and eve's lease is to be moved on; what was proposed about bob's fails late. */
    lease_grantor_holds(grantor, 0, eve, 2);
    lease_grantor_close(grantor, 0, 2);
    lease_grantor_reopen(grantor, 0, 1);
    assert_false(lease_grantor_asked(grantor, 0, eve, 2, 1, at_ms(400)));
    lease_grantor_reopen(grantor, 0, 2);
    assert_true(lease_grantor_asked(grantor, 0, eve, 2, 1, at_ms(500)));
}

static void a_release_or_a_death_ends_the_account_at_once(void **state)
{
    struct lease_grantor *grantor = leading(at_ms(0));

    (void)state;
    lease_grantor_released(grantor, 0, bob, 2);
    lease_grantor_released(grantor, 0, eve, 1);
    lease_grantor_died(grantor, (struct life){bob.member, bob.incarnation + 1}, 0);
    assert_true(lease_grantor_may_change(grantor, 0).ns > 0);
    lease_grantor_released(grantor, 0, bob, 1);
    assert_int_equal(lease_grantor_may_change(grantor, 0).ns, 0);
    assert_false(lease_grantor_asked(grantor, 0, bob, 1, 9, at_ms(1)));

    grantor = leading(at_ms(0));
    lease_grantor_died(grantor, bob, 0);
    assert_int_equal(lease_grantor_may_change(grantor, 0).ns, 0);
}

static void what_outlives_a_process_is_not_ended_by_its_death(void **state)
{
    struct lease_grantor *grantor = leading(at_ms(0));

    (void)state;
    lease_grantor_died(grantor, bob, 1ULL << 0);
    assert_true(lease_grantor_may_change(grantor, 0).ns > 0);
    lease_grantor_died(grantor, bob, 1ULL << 1);
    assert_int_equal(lease_grantor_may_change(grantor, 0).ns, 0);
}

static void another_incarnation_extends_nothing(void **state)
{
    struct lease_grantor *grantor = leading(at_ms(0));

    (void)state;
    assert_false(lease_grantor_asked(grantor, 0, (struct life){bob.member, bob.incarnation + 1}, 1,
                                     1, at_ms(100)));
    assert_false(lease_grantor_asked(grantor, 0, eve, 1, 1, at_ms(100)));
    assert_false(lease_grantor_asked(grantor, 0, bob, 2, 1, at_ms(100)));
    assert_false(lease_grantor_asked(grantor, 1, (struct life){0}, 0, 1, at_ms(100)));
    assert_false(lease_grantor_asked(grantor, CLUSTER_LEASES_MAX, bob, 1, 1, at_ms(100)));
}

static void a_leader_in_doubt_grants_nothing_and_counts_anew(void **state)
{
    struct lease_grantor *grantor = leading(at_ms(0));

    (void)state;
    lease_grantor_tilt(grantor, true, at_ms(5000));
    assert_false(lease_grantor_asked(grantor, 0, bob, 1, 1, at_ms(5001)));
    assert_int_equal(lease_grantor_may_change(grantor, 0).ns, NEVER.ns);
    lease_grantor_tilt(grantor, false, at_ms(6000));
    assert_in_range(lease_grantor_may_change(grantor, 0).ns, at_ms(8020).ns, at_ms(8021).ns);
}

static void a_holder_counts_no_longer_than_it_was_granted(void **state)
{
    struct lease_holder *holder = wanting(0, 1);

    (void)state;
    (void)lease_holder_ask(holder, at_ms(1000));
    assert_false(lease_holder_granted(holder, 0, 1, 1, 0));
    assert_true(lease_holder_granted(holder, 0, 1, 1, 500 * NS_PER_MS));
    assert_in_range(lease_end(holder, 0).ns, at_ms(1494).ns, at_ms(1495).ns);
    /* Nor longer than its own rules say. */
    assert_true(lease_holder_granted(holder, 0, 1, 1, 9 * NS_PER_S));
    assert_in_range(lease_end(holder, 0).ns, at_ms(2979).ns, at_ms(2980).ns);
}

static int64_t granted_ns(struct lease_grantor *grantor, uint64_t request)
{
    struct lease_grants grants;
    uint64_t round;

    assert_true(lease_grantor_asked(grantor, 0, bob, 1, request, at_ms(100)));
    round = lease_grantor_round(grantor);
    lease_grantor_confirmed(grantor, 3, round, &grants);
    assert_int_equal(grants.count, 1);
    return grants.lease_ns;
}

static void no_leader_grants_more_than_the_document_says(void **state)
{
    struct lease_grantor *grantor = leading(at_ms(0));

    (void)state;
    lease_grantor_longest(grantor, 0);
    assert_false(lease_grantor_asked(grantor, 0, bob, 1, 1, at_ms(100)));
    assert_int_equal(lease_grantor_wishes(grantor, at_ms(100)), rules.lease_ns);
    lease_grantor_longest(grantor, NS_PER_S);
    assert_int_equal(granted_ns(grantor, 1), NS_PER_S);
    assert_int_equal(lease_grantor_wishes(grantor, at_ms(100)), rules.lease_ns);
    lease_grantor_longest(grantor, rules.lease_ns);
    assert_int_equal(granted_ns(grantor, 2), rules.lease_ns);
    assert_int_equal(lease_grantor_wishes(grantor, at_ms(100)), 0);
}

static void a_new_leader_waits_as_long_as_others_may_have_granted(void **state)
{
    struct lease_grantor *grantor = leading(at_ms(1000));

    (void)state;
    lease_grantor_longest(grantor, 10 * NS_PER_S);
    assert_in_range(lease_grantor_may_change(grantor, 0).ns, at_ms(11100).ns, at_ms(11101).ns);
    assert_int_equal(granted_ns(grantor, 1), rules.lease_ns);
    /* Only then the document may say less, so that the next one does not wait as long. */
    assert_int_equal(lease_grantor_wishes(grantor, at_ms(11099)), 0);
    assert_int_equal(lease_grantor_wishes(grantor, at_ms(11101)), rules.lease_ns);
}

/* ---- the explorer: two who lead, two who hold, one resource, true time ---- */

enum {
    TERMS = 64,
    ROUNDS = 64,
    BAG = 8,
    MS_LEASE = 2000,
};

enum event {
    ASK,                 /* by holder 0, 1: mostly of who leads */
    LEARN = ASK + 2,     /* holder 0, 1 reads the document */
    RELEASE = LEARN + 2, /* holder 0, 1 */
    HOLDER_JUMP =
        RELEASE + 2,       /* its clock goes wrong, and it notices before it does anything else */
    WIN = HOLDER_JUMP + 2, /* leader 0, 1, without what is proposed */
    WIN_WITH = WIN + 2,    /* … with it */
    ESTABLISH = WIN_WITH + 2, /* leader 0, 1 applies an entry of its own */
    ROUND = ESTABLISH + 2,
    CONFIRM = ROUND + 2,
    PROPOSE = CONFIRM + 2,
    REFUSE = PROPOSE + 2, /* leader 0, 1 proposes, and consensus does not take it */
    LEADER_JUMP = REFUSE + 2,
    STEADY = LEADER_JUMP + 2,
    COMMIT = STEADY + 2,
    PROMPT,                 /* holder 0, 1 asks, and everything goes well until it is answered */
    CHANGE = PROMPT + 2,    /* the leader takes the lease from its holder, if it may */
    AGREE = CHANGE + 1,     /* leader 0, 1 wants the document to say how long leases are */
    WAIT = AGREE + 2,       /* a sixteenth of a lease, half, or the whole */
    DELIVER = WAIT + 3,     /* message 0 … */
    REPEAT = DELIVER + BAG, /* … and keep it */
    EVENTS = REPEAT + BAG,
};

struct message {
    enum { NOTHING, REQUEST, GRANT, GIVEN_UP } kind;
    uint32_t leader, holder;
    uint64_t epoch, number;
    int64_t lease_ns;
};

struct clock {
    int64_t ppm, offset_ns;
};

struct world {
    int64_t true_ns;
    uint64_t step;          /* events so far */
    struct clock clocks[4]; /* of the leaders, then the holders */
    struct lease_grantor grantors[2];
    struct lease_holder holders[2];
    uint64_t term;
    uint32_t leader;                /* of that term */
    uint64_t won[TERMS];            /* by term: at which step */
    uint64_t began[2][ROUNDS];      /* a leader's rounds: at which step */
    uint64_t round_term[2][ROUNDS]; /* in which they began */
    /* What is committed: who holds, and in which epoch. */
    uint32_t holder;
    uint64_t epoch;
    /* A change that is in the log of the leader of `by`. */
    uint64_t by;
    uint32_t next;
    /* How long leases are, by the document; and what is in the log about that. */
    int64_t longest_ns, next_longest_ns;
    uint64_t longest_by;
    struct message bag[BAG];
    uint32_t changes, overlaps;
};

static struct instant local(const struct world *w, uint32_t node)
{
    const struct clock *clock = &w->clocks[node];

    return (struct instant){w->true_ns + w->true_ns / 1000000 * clock->ppm + clock->offset_ns};
}

static struct life life_of(uint32_t holder)
{
    return holder == 0 ? bob : eve;
}

static void put(struct world *w, struct message message)
{
    for (uint32_t i = 0; i < BAG; i++)
        if (w->bag[i].kind == NOTHING) {
            w->bag[i] = message;
            return;
        }
}

static void begin(struct world *w, const struct lease_rules *believed, int64_t drift_ppm,
                  struct rng *rng)
{
    *w = (struct world){
        .true_ns = NS_PER_S, .term = 1, .epoch = 1, .longest_ns = believed->lease_ns};
    for (uint32_t i = 0; i < 4; i++)
        w->clocks[i] = (struct clock){rng_between(rng, -1, 1) * drift_ppm,
                                      rng_between(rng, 1, 1000) * NS_PER_S};
    for (uint32_t i = 0; i < 2; i++) {
        lease_grantor_init(&w->grantors[i], believed);
        lease_holder_init(&w->holders[i], believed);
        lease_grantor_holds(&w->grantors[i], 0, bob, 1);
        lease_grantor_longest(&w->grantors[i], w->longest_ns);
    }
    lease_grantor_won(&w->grantors[0], 1, local(w, 0));
    w->won[1] = 0;
}

/* As while a file with another lease is brought to one node after the other: two in three have the longer one. */
static void let_rules_differ(struct world *w, struct rng *rng)
{
    w->longest_ns = 0;
    for (uint32_t i = 0; i < 2; i++) {
        lease_grantor_longest(&w->grantors[i], 0);
        w->grantors[i].rules.lease_ns *= rng_below(rng, 3) ? 3 : 1;
        w->holders[i].rules.lease_ns *= rng_below(rng, 3) ? 3 : 1;
    }
    lease_grantor_won(&w->grantors[0], 1, local(w, 0));
}

/* All that is in the log. */
static void commit(struct world *w)
{
    if (w->by) {
        w->holder = w->next;
        w->epoch++;
        w->changes++;
    }
    if (w->longest_by)
        w->longest_ns = w->next_longest_ns;
    w->by = w->longest_by = 0;
}

static void apply(const struct world *w, struct lease_grantor *grantor)
{
    lease_grantor_holds(grantor, 0, life_of(w->holder), w->epoch);
    lease_grantor_longest(grantor, w->longest_ns);
}

static void win(struct world *w, uint32_t leader, bool with)
{
    if (w->term + 1 == TERMS)
        return;
    w->term++;
    w->leader = leader;
    w->won[w->term] = w->step;
    lease_grantor_won(&w->grantors[leader], w->term, local(w, leader));
    w->by = with && w->by ? w->term : 0;
    w->longest_by = with && w->longest_by ? w->term : 0;
}

/* An own entry is applied: all before it are, and every later leader has them. */
static void establish(struct world *w, uint32_t leader)
{
    if (w->leader != leader || w->grantors[leader].established)
        return;
    commit(w);
    apply(w, &w->grantors[leader]);
    lease_grantor_established(&w->grantors[leader], w->term);
}

static void begin_round(struct world *w, uint32_t leader)
{
    uint64_t round = lease_grantor_round(&w->grantors[leader]);

    if (round == 0)
        return;
    w->began[leader][round % ROUNDS] = w->step;
    w->round_term[leader][round % ROUNDS] = w->grantors[leader].term;
}

/* A quorum may confirm a round, at any later time, unless a newer leader had won before it began. */
static void confirm(struct world *w, uint32_t leader)
{
    struct lease_grantor *grantor = &w->grantors[leader];
    uint64_t round = grantor->round, term = w->round_term[leader][round % ROUNDS];
    struct lease_grants grants;

    if (round == 0 || (term < w->term && w->won[term + 1] < w->began[leader][round % ROUNDS]))
        return;
    lease_grantor_confirmed(grantor, term, round, &grants);
    for (uint32_t i = 0; i < grants.count; i++)
        put(w, (struct message){GRANT, leader, grants.grants[i].holder.member == eve.member,
                                grants.grants[i].epoch, grants.grants[i].request, grants.lease_ns});
}

/* Whoever believes to lead proposes; only the newest leader's proposal can ever be committed. */
static void propose(struct world *w, uint32_t leader)
{
    struct lease_grantor *grantor = &w->grantors[leader];
    bool newest = w->leader == leader && grantor->term == w->term;

    if (!passed(lease_grantor_may_change(grantor, 0), local(w, leader)) || (newest && w->by))
        return;
    lease_grantor_close(grantor, 0, grantor->accounts[0].epoch);
    if (newest) {
        w->by = w->term;
        w->next = !w->holder;
    }
}

static void agree(struct world *w, uint32_t leader)
{
    const struct lease_grantor *grantor = &w->grantors[leader];
    int64_t wish_ns = lease_grantor_wishes(grantor, local(w, leader));

    if (wish_ns == 0 || w->leader != leader || grantor->term != w->term || w->longest_by)
        return;
    w->longest_by = w->term;
    w->next_longest_ns = wish_ns;
}

static void propose_in_vain(struct world *w, uint32_t leader)
{
    struct lease_grantor *grantor = &w->grantors[leader];
    uint64_t epoch = grantor->accounts[0].epoch;

    if (!passed(lease_grantor_may_change(grantor, 0), local(w, leader)))
        return;
    lease_grantor_close(grantor, 0, epoch);
    lease_grantor_reopen(grantor, 0, epoch);
}

static void deliver(struct world *w, uint32_t place, bool keep)
{
    struct message m = w->bag[place];

    if (m.kind == REQUEST)
        (void)lease_grantor_asked(&w->grantors[m.leader], 0, life_of(m.holder), m.epoch, m.number,
                                  local(w, m.leader));
    if (m.kind == GRANT)
        (void)lease_holder_granted(&w->holders[m.holder], 0, m.epoch, m.number, m.lease_ns);
    if (m.kind == GIVEN_UP)
        lease_grantor_released(&w->grantors[m.leader], 0, life_of(m.holder), m.epoch);
    if (!keep)
        w->bag[place].kind = NOTHING;
}

static void ask(struct world *w, uint32_t holder)
{
    struct lease_held *held = &w->holders[holder].slots[0];
    uint64_t number;

    if (!held->wanted)
        return;
    number = lease_holder_ask(&w->holders[holder], local(w, 2 + holder));
    put(w, (struct message){REQUEST, w->step % 4 ? w->leader : !w->leader, holder, held->epoch,
                            number});
}

static void release(struct world *w, uint32_t holder)
{
    struct lease_held *held = &w->holders[holder].slots[0];

    if (!held->wanted)
        return;
    lease_holder_release(&w->holders[holder], 0);
    for (uint32_t leader = 0; leader < 2; leader++)
        put(w, (struct message){GIVEN_UP, leader, holder, held->epoch, 0});
}

static void learn(struct world *w, uint32_t holder)
{
    if (w->holder == holder)
        lease_holder_want(&w->holders[holder], 0, w->epoch);
    else
        lease_holder_unwant(&w->holders[holder], 0);
}

static void jump(struct world *w, uint32_t node)
{
    w->clocks[node].offset_ns += (w->true_ns & 1024 ? 5 : -1) * rules.lease_ns;
    if (node >= 2)
        lease_holder_drop(&w->holders[node - 2]);
    else
        lease_grantor_tilt(&w->grantors[node], true, local(w, node));
}

static void commit_as_leader(struct world *w)
{
    struct lease_grantor *grantor = &w->grantors[w->leader];

    if ((!w->by && !w->longest_by) || !grantor->established)
        return;
    commit(w);
    apply(w, grantor);
}

static void ask_promptly(struct world *w, uint32_t holder)
{
    learn(w, holder);
    ask(w, holder);
    for (uint32_t i = 0; i < BAG; i++)
        deliver(w, i, false);
    begin_round(w, w->leader);
    confirm(w, w->leader);
    for (uint32_t i = 0; i < BAG; i++)
        deliver(w, i, false);
}

static void change_promptly(struct world *w)
{
    propose(w, w->leader);
    commit_as_leader(w);
}

static void happen(struct world *w, uint32_t event)
{
    static void (*const by_two[])(struct world *, uint32_t) = {
        [ASK / 2] = ask,           [LEARN / 2] = learn,
        [RELEASE / 2] = release,   [ESTABLISH / 2] = establish,
        [ROUND / 2] = begin_round, [CONFIRM / 2] = confirm,
        [PROPOSE / 2] = propose,   [REFUSE / 2] = propose_in_vain,
    };

    w->step++;
    if (event >= REPEAT)
        deliver(w, event - REPEAT, true);
    else if (event >= DELIVER)
        deliver(w, event - DELIVER, false);
    else if (event >= WAIT)
        w->true_ns += (int64_t[]){1, 8, 16}[event - WAIT] * rules.lease_ns / 16 + 1;
    else if (event >= AGREE)
        agree(w, event - AGREE);
    else if (event == CHANGE)
        change_promptly(w);
    else if (event >= PROMPT)
        ask_promptly(w, event - PROMPT);
    else if (event == COMMIT)
        commit_as_leader(w);
    else if (event >= STEADY)
        lease_grantor_tilt(&w->grantors[event % 2], false, local(w, event % 2));
    else if (event >= LEADER_JUMP)
        jump(w, event % 2);
    else if (event >= WIN && event < ESTABLISH)
        win(w, event % 2, event >= WIN_WITH);
    else if (event >= HOLDER_JUMP && event < WIN)
        jump(w, 2 + event % 2);
    else
        by_two[event / 2](w, event % 2);
    w->overlaps +=
        lease_valid(&w->holders[0], 0, local(w, 2)) && lease_valid(&w->holders[1], 0, local(w, 3));
}

/* Things that make progress are likelier than things that go wrong. */
static uint32_t likely_event(struct rng *rng)
{
    static const uint32_t usual[] = {
        ASK,         ASK + 1,       ASK,         ASK + 1,     LEARN,     LEARN + 1,
        ESTABLISH,   ESTABLISH + 1, ROUND,       ROUND + 1,   CONFIRM,   CONFIRM + 1,
        PROPOSE,     PROPOSE + 1,   REFUSE,      REFUSE + 1,  COMMIT,    WAIT,
        WAIT,        WAIT + 1,      DELIVER,     DELIVER + 1, DELIVER,   DELIVER + 2,
        DELIVER + 3, DELIVER + 4,   DELIVER + 5, AGREE,       AGREE + 1,
    };

    return rng_chance(rng, 0.95) ? usual[rng_below(rng, ARRAY_LEN(usual))]
                                 : (uint32_t)rng_below(rng, EVENTS);
}

/* Both held it in turn so often, and both at a time so often. */
struct walked {
    uint32_t changes, held[2], overlaps;
};

static struct walked walk(const struct lease_rules *believed, int64_t drift_ppm, bool differ,
                          uint64_t seed, int steps)
{
    struct walked walked = {0};
    struct world w;
    struct rng rng;

    rng_seed(&rng, seed);
    begin(&w, believed, drift_ppm, &rng);
    if (differ)
        let_rules_differ(&w, &rng);
    for (int i = 0; i < steps; i++) {
        happen(&w, likely_event(&rng));
        for (uint32_t holder = 0; holder < 2; holder++)
            walked.held[holder] += lease_valid(&w.holders[holder], 0, local(&w, 2 + holder));
    }
    walked.changes = w.changes;
    walked.overlaps = w.overlaps;
    return walked;
}

static struct walked walk_many(const struct lease_rules *believed, int64_t drift_ppm, bool differ,
                               uint64_t seeds)
{
    struct walked sum = {0};

    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct walked one = walk(believed, drift_ppm, differ, seed, 400);

        sum.changes += one.changes;
        sum.overlaps += one.overlaps;
        sum.held[0] += one.held[0];
        sum.held[1] += one.held[1];
    }
    return sum;
}

static void two_leases_never_overlap_in_true_time(void **state)
{
    struct walked walked = walk_many(&rules, rules.drift_ppm, false, 20000);

    (void)state;
    assert_int_equal(walked.overlaps, 0);
    assert_true(walked.changes > 2000);
    assert_true(walked.held[0] > 10000);
    assert_true(walked.held[1] > 10000);
}

static void nor_while_the_nodes_have_different_rules(void **state)
{
    struct walked walked = walk_many(&rules, rules.drift_ppm, true, 10000);

    (void)state;
    assert_int_equal(walked.overlaps, 0);
    assert_true(walked.changes > 2000);
    assert_true(walked.held[0] > 10000);
    assert_true(walked.held[1] > 10000);
}

/* Every sequence of `depth` of these events, from a start. */
static uint64_t explore(const struct world *start, const uint32_t *events, uint32_t count,
                        uint32_t depth)
{
    static struct world worlds[8];
    uint32_t next[8] = {0};
    uint32_t level = 0;
    uint64_t overlaps = 0;

    worlds[0] = *start;
    for (;;) {
        if (next[level] == count) {
            if (level == 0)
                return overlaps;
            level--;
            continue;
        }
        worlds[level + 1] = worlds[level];
        happen(&worlds[level + 1], events[next[level]++]);
        overlaps += worlds[level + 1].overlaps;
        if (level + 1 < depth)
            next[++level] = 0;
    }
}

static void no_few_events_in_any_order_make_two_leases_overlap(void **state)
{
    uint32_t events[EVENTS];
    struct world w;
    struct rng rng;

    (void)state;
    for (uint32_t i = 0; i < EVENTS; i++)
        events[i] = i;
    for (uint64_t seed = 0; seed < 12; seed++) {
        rng_seed(&rng, seed);
        begin(&w, &rules, rules.drift_ppm, &rng);
        for (uint64_t i = 0; i < 20 + seed * 10; i++)
            happen(&w, likely_event(&rng));
        assert_int_equal(explore(&w, events, EVENTS, 3), 0);
    }
}

/* Whole exchanges in every order: of the leaders' clocks the first may be fast and the holders' slow, or the other way round. */
static uint64_t explore_exchanges(const struct lease_rules *believed, int64_t drift_ppm)
{
    static const uint32_t events[] = {
        PROMPT,      PROMPT + 1,   CHANGE,    WIN,           WIN + 1,
        WIN_WITH,    WIN_WITH + 1, ESTABLISH, ESTABLISH + 1, RELEASE,
        HOLDER_JUMP, LEADER_JUMP,  WAIT,      WAIT + 1,      WAIT + 2,
    };
    struct world w;
    struct rng rng;

    rng_seed(&rng, 1);
    begin(&w, believed, 0, &rng);
    for (uint32_t i = 0; i < 4; i++)
        w.clocks[i].ppm = i < 2 ? drift_ppm : -drift_ppm;
    establish(&w, 0);
    return explore(&w, events, ARRAY_LEN(events), 5);
}

static void no_exchanges_in_any_order_make_two_leases_overlap(void **state)
{
    (void)state;
    assert_int_equal(explore_exchanges(&rules, rules.drift_ppm), 0);
    assert_int_equal(explore_exchanges(&rules, -rules.drift_ppm), 0);
}

/* Leader 0 and holder 0 have the longer lease, and holder 0 was granted as much as that allows: what leader 1 makes of it. */
static void nor_do_exchanges_while_the_nodes_have_different_rules(void **state)
{
    enum { END = EVENTS };
    static const uint32_t starts[][16] = {
        /* No request is a fourth event: those go to who does not lead. */
        {LEARN, ESTABLISH, AGREE, COMMIT, PROMPT, WIN + 1, ESTABLISH + 1, END},
        {LEARN, ESTABLISH, AGREE, COMMIT, PROMPT, WIN + 1, ESTABLISH + 1, AGREE + 1, COMMIT,
         WIN + 1, ESTABLISH + 1, END},
        {WIN + 1, ESTABLISH + 1, AGREE + 1, COMMIT, WIN, ESTABLISH, PROMPT, WIN + 1, ESTABLISH + 1,
         END},
    };
    static const uint32_t events[] = {
        PROMPT, PROMPT + 1, CHANGE,   WIN,  WIN + 1,  ESTABLISH, ESTABLISH + 1,
        AGREE,  AGREE + 1,  WIN_WITH, WAIT, WAIT + 1, WAIT + 2,  COMMIT,
    };
    struct world w;
    struct rng rng;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        rng_seed(&rng, 1);
        begin(&w, &rules, rules.drift_ppm, &rng);
        w.longest_ns = 0;
        for (uint32_t k = 0; k < 2; k++)
            lease_grantor_longest(&w.grantors[k], 0);
        w.grantors[0].rules.lease_ns *= 3;
        w.holders[0].rules.lease_ns *= 3;
        for (uint32_t k = 0; starts[i][k] != END; k++)
            happen(&w, starts[i][k]);
        assert_true(lease_valid(&w.holders[0], 0, local(&w, 2)));
        assert_int_equal(explore(&w, events, ARRAY_LEN(events), 4), 0);
    }
}

static void a_drift_beyond_the_bound_would_be_found(void **state)
{
    (void)state;
    assert_true(explore_exchanges(&rules, 100000) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_runs_from_the_sending_of_what_was_granted),
        cmocka_unit_test(a_grant_that_is_old_or_repeated_never_shortens_a_lease),
        cmocka_unit_test(grants_of_other_epochs_slots_and_times_are_ignored),
        cmocka_unit_test(a_new_epoch_begins_without_a_lease_and_with_new_requests),
        cmocka_unit_test(after_a_doubt_nothing_that_was_sent_before_counts),
        cmocka_unit_test(what_was_released_is_not_had_again_in_that_epoch),
        cmocka_unit_test(a_clock_that_went_back_holds_no_lease),
        cmocka_unit_test(a_holder_counts_no_longer_than_it_was_granted),
        cmocka_unit_test(only_a_round_that_began_after_the_receipt_confirms),
        cmocka_unit_test(requests_that_come_faster_than_rounds_are_still_granted),
        cmocka_unit_test(a_new_leader_waits_from_when_its_voters_were_last_led),
        cmocka_unit_test(nothing_is_granted_before_an_own_entry_is_applied),
        cmocka_unit_test(a_new_leader_waits_a_whole_lease_for_what_it_does_not_know),
        cmocka_unit_test(from_the_proposal_on_the_holder_gets_no_extension),
        cmocka_unit_test(one_proposal_that_failed_does_not_reopen_for_another),
        cmocka_unit_test(a_release_or_a_death_ends_the_account_at_once),
        cmocka_unit_test(what_outlives_a_process_is_not_ended_by_its_death),
        cmocka_unit_test(another_incarnation_extends_nothing),
        cmocka_unit_test(a_leader_in_doubt_grants_nothing_and_counts_anew),
        cmocka_unit_test(no_leader_grants_more_than_the_document_says),
        cmocka_unit_test(a_new_leader_waits_as_long_as_others_may_have_granted),
        cmocka_unit_test(two_leases_never_overlap_in_true_time),
        cmocka_unit_test(nor_while_the_nodes_have_different_rules),
        cmocka_unit_test(no_few_events_in_any_order_make_two_leases_overlap),
        cmocka_unit_test(no_exchanges_in_any_order_make_two_leases_overlap),
        cmocka_unit_test(nor_do_exchanges_while_the_nodes_have_different_rules),
        cmocka_unit_test(a_drift_beyond_the_bound_would_be_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
