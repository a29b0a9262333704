/*
 * Where virtual addresses go, told as stories; then every event in every order some steps deep, with what must hold after each.
 */
#include "base/must.h"
#include "failover/address.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

enum { A, B, C };

static struct address_core core;
static struct address_view view;
static struct address_actions actions;
static int64_t now_ms;
static char story[4096];

static void say(const char *format, ...) PRINTF(1, 2);

static void say(const char *format, ...)
{
    size_t len = strlen(story);
    va_list args;

    va_start(args, format);
    vsnprintf(story + len, sizeof story - len, format, args);
    va_end(args);
}

/* Three nodes that are there and well, `a` leads, and `count` addresses that nobody has. */
static void begin(uint32_t count)
{
    story[0] = '\0';
    now_ms = 100000;
    address_init(&core);
    view = (struct address_view){.address_count = count, .node_count = 3, .self = ADDRESS_NOBODY};
    for (uint32_t n = 0; n < 3; n++)
        view.nodes[n] = (struct address_node){.alive = true, .voter = true};
    for (uint32_t a = 0; a < count; a++) {
        view.rules[a] = (struct address_rule){.node_count = 3, .nodes = {A, B, C}};
        view.holders[a] = ADDRESS_NOBODY;
        memset(view.words[a], ADDRESS_WELL, sizeof view.words[a]);
    }
}

static void decide(void)
{
    static const char *const steps[] = {"", "take", "hand over"};

    address_decide(&core, &view, (struct instant){now_ms * NS_PER_MS}, &actions);
    for (uint32_t a = 0; a < view.address_count; a++)
        if (actions.at[a].step != ADDRESS_STAY)
            say("[%lld] %u: %s to %c, %s\n", (long long)(now_ms - 100000), a,
                steps[actions.at[a].step], 'a' + actions.at[a].to,
                address_reason_text(actions.at[a].reason));
    if (actions.lead != ADDRESS_NOBODY)
        say("[%lld] lead: %c\n", (long long)(now_ms - 100000), 'a' + actions.lead);
}

static void after(int64_t ms)
{
    now_ms += ms;
}

/* What was decided comes true. */
static void obey(void)
{
    decide();
    for (uint32_t a = 0; a < view.address_count; a++)
        if (actions.at[a].step != ADDRESS_STAY) {
            view.holders[a] = actions.at[a].to;
            view.current[a] = true;
        }
}

static void a_vacant_address_goes_to_the_most_preferred_that_is_well(void **state)
{
    (void)state;
    begin(1);
    view.words[0][A] = ADDRESS_UNWELL;
    obey();
    decide();
    assert_string_equal(story, "[0] 0: take to b, nobody had it\n");
}

static void a_new_leader_waits_for_the_words_of_those_that_are_there(void **state)
{
    (void)state;
    begin(1);
    view.words[0][A] = ADDRESS_UNHEARD;
    decide();
    after(900);
    decide();
    assert_string_equal(story, "");
    after(100);
    decide();
    assert_string_equal(story, "[1000] 0: take to b, nobody had it\n");

    begin(1);
    view.words[0][A] = ADDRESS_UNHEARD;
    view.nodes[A].alive = false;
    decide();
    assert_string_equal(story, "[0] 0: take to b, nobody had it\n");
}

static void a_holder_that_is_gone_is_followed_and_not_given_back_to(void **state)
{
    (void)state;
    begin(1);
    obey();
    after(10000);
    view.nodes[A].alive = false;
    obey();
    after(10000);
    view.nodes[A].alive = true;
    obey();
    after(10000);
    obey();
    assert_string_equal(story, "[0] 0: take to a, nobody had it\n"
                               "[10000] 0: take to b, its holder is gone\n");
}

static void another_run_of_the_holder_takes_it_anew(void **state)
{
    (void)state;
    begin(1);
    obey();
    after(10000);
    view.current[0] = false;
    obey();
    decide();
    assert_string_equal(story, "[0] 0: take to a, nobody had it\n"
                               "[10000] 0: take to a, its holder is gone\n");
}

static void with_preempt_it_goes_back_when_the_preferred_one_has_settled(void **state)
{
    (void)state;
    begin(1);
    view.rules[0].preempt = true;
    view.nodes[A].alive = false;
    obey();
    after(20000);
    view.nodes[A].alive = true;
    obey();
    assert_int_equal(actions.again.ns, (now_ms + ADDRESS_SETTLED_MS) * NS_PER_MS);
    after(4999);
    obey();
    after(1);
    obey();
    decide();
    assert_string_equal(story, "[0] 0: take to b, nobody had it\n"
                               "[25000] 0: hand over to a, a more preferred node is well again\n");
}

static void failing_conditions_move_it_only_to_a_settled_node(void **state)
{
    (void)state;
    begin(1);
    obey();
    after(10000);
    decide();
    view.words[0][A] = ADDRESS_UNWELL;
    view.words[0][B] = view.words[0][C] = ADDRESS_UNWELL;
    obey();
    view.words[0][B] = ADDRESS_WELL;
    obey();
    after(4999);
    obey();
    after(1);
    obey();
    assert_string_equal(story, "[0] 0: take to a, nobody had it\n"
                               "[15000] 0: hand over to b, its conditions failed there\n");
}

static void conditions_that_flap_move_it_once_in_five_seconds_at_most(void **state)
{
    uint32_t moves = 0;

    (void)state;
    begin(1);
    for (int i = 0; i < 1000; i++) {
        uint8_t before = view.holders[0];

        obey();
        moves += view.holders[0] != before;
        after(100);
        for (uint32_t n = 0; n < 3; n++)
            view.words[0][n] = (uint8_t)((i / 7 + (int)n) % 3 ? ADDRESS_WELL : ADDRESS_UNWELL);
    }
    assert_in_range(moves, 1, 1000 * 100 / ADDRESS_SETTLED_MS + 1);
}

static void it_stays_where_it_is_when_it_is_well_nowhere(void **state)
{
    (void)state;
    begin(1);
    obey();
    memset(view.words[0], ADDRESS_UNWELL, 3);
    for (int i = 0; i < 10; i++, after(5000))
        decide();
    assert_string_equal(story, "[0] 0: take to a, nobody had it\n");
}

static void a_vacant_one_that_is_well_nowhere_is_taken_in_the_end(void **state)
{
    (void)state;
    begin(1);
    memset(view.words[0], ADDRESS_UNWELL, 3);
    decide();
    after(4999);
    decide();
    after(1);
    obey();
    assert_string_equal(story, "[5000] 0: take to a, nobody had it\n");
}

static void who_takes_no_work_hands_over_at_once(void **state)
{
    (void)state;
    begin(1);
    obey();
    view.nodes[A].refuses = true;
    obey();
    decide();
    assert_string_equal(story, "[0] 0: take to a, nobody had it\n"
                               "[0] 0: hand over to b, its holder takes no work\n");
}

static void a_holder_that_the_configuration_names_no_more_hands_over(void **state)
{
    (void)state;
    begin(1);
    obey();
    view.rules[0] = (struct address_rule){.node_count = 2, .nodes = {C, B}};
    obey();
    view.holders[0] = ADDRESS_STRANGER;
    view.current[0] = false;
    obey();
    assert_string_equal(story, "[0] 0: take to a, nobody had it\n"
                               "[0] 0: hand over to c, the configuration names its holder no more\n"
                               "[0] 0: take to c, its holder is gone\n");
}

static void spread(uint32_t count)
{
    begin(count);
    for (uint32_t a = 0; a < count; a++)
        view.rules[a].spread = true;
}

static void spread_addresses_are_even_and_move_only_as_needed(void **state)
{
    (void)state;
    spread(4);
    obey();
    after(10000);
    obey();
    view.nodes[B].alive = false;
    obey();
    after(10000);
    view.nodes[B].alive = true;
    obey();
    after(5000);
    obey();
    after(5000);
    obey();
    assert_string_equal(story, "[0] 0: take to a, nobody had it\n"
                               "[0] 1: take to b, nobody had it\n"
                               "[0] 2: take to c, nobody had it\n"
                               "[0] 3: take to a, nobody had it\n"
                               "[10000] 1: take to c, its holder is gone\n"
                               "[25000] 0: hand over to b, its holder had more than its share\n");
}

static void an_order_is_kept_until_the_node_fails(void **state)
{
    uint8_t to = C, any = ADDRESS_NOBODY;

    (void)state;
    begin(1);
    view.rules[0].preempt = true;
    obey();
    assert_int_equal(address_order(&core, &view, 0, &to), ADDRESS_ACCEPTED);
    obey();
    assert_int_equal(address_order(&core, &view, 0, &to), ADDRESS_THERE);
    for (int i = 0; i < 5; i++, after(5000))
        obey();
    view.nodes[C].alive = false;
    obey();
    assert_string_equal(story, "[0] 0: take to a, nobody had it\n"
                               "[0] 0: hand over to c, an operator moved it\n"
                               "[25000] 0: take to a, its holder is gone\n");
    assert_int_equal(address_order(&core, &view, 0, &to), ADDRESS_NOT_WELL);
    assert_int_equal(address_order(&core, &view, 0, &any), ADDRESS_ACCEPTED);
    assert_int_equal(any, B);
    view.rules[0].node_count = 2;
    assert_int_equal(address_order(&core, &view, 0, &to), ADDRESS_NOT_ITS);
    view.words[0][B] = ADDRESS_UNWELL;
    any = ADDRESS_NOBODY;
    assert_int_equal(address_order(&core, &view, 0, &any), ADDRESS_NO_OTHER);
}

static void the_leadership_goes_to_who_holds_nothing(void **state)
{
    (void)state;
    begin(1);
    view.self = A;
    view.nodes[B].voter = false;
    obey();
    after(5000);
    view.nodes[A].refuses = true;
    decide();
    view.nodes[A].refuses = false;
    decide();
    after(ADDRESS_LEAD_MS - 1);
    decide();
    view.self = C;
    after(1);
    decide();
    assert_string_equal(story, "[0] 0: take to a, nobody had it\n"
                               "[5000] 0: hand over to b, its holder takes no work\n"
                               "[5000] lead: c\n");
}

static void the_leadership_goes_away_from_a_primary(void **state)
{
    (void)state;
    begin(0);
    view.self = A;
    view.nodes[A].primary = true;
    view.nodes[B].primary = true;
    decide();
    after(5000);
    decide();
    assert_string_equal(story, "[5000] lead: c\n");
}

/* ---- every order of events ---- */

enum { DEPTH = 5, STEP_MS = 2500 };

struct world {
    struct address_core core;
    struct address_view view;
    int64_t now_ms;
};

static void step(struct world *w, struct address_actions *out)
{
    address_decide(&w->core, &w->view, (struct instant){w->now_ms * NS_PER_MS}, out);
    for (uint32_t a = 0; a < w->view.address_count; a++) {
        const struct address_action *action = &out->at[a];
        uint8_t holder = w->view.holders[a];
        bool there = holder < 3 && w->view.current[a] && w->view.nodes[holder].alive;

        if (action->step == ADDRESS_STAY)
            continue;
        assert_true(action->to < 3);
        assert_true(w->view.nodes[action->to].alive);
        assert_false(w->view.nodes[action->to].refuses);
        /* Only a holder that is there can let go, and only one that is not is passed over. */
        assert_int_equal(action->step == ADDRESS_HAND_OVER, there);
        if (there) {
            assert_int_not_equal(action->to, holder);
            assert_int_equal(w->view.words[a][action->to], ADDRESS_WELL);
        }
    }
}

/* As the cluster would: a hand-over passes through nobody's hands. */
static void carry_out(struct world *w, const struct address_actions *out)
{
    for (uint32_t a = 0; a < w->view.address_count; a++) {
        if (out->at[a].step == ADDRESS_HAND_OVER) {
            w->view.holders[a] = ADDRESS_NOBODY;
        } else if (out->at[a].step == ADDRESS_TAKE) {
            w->view.holders[a] = out->at[a].to;
            w->view.current[a] = true;
        }
    }
}

static bool happens(struct world *w, uint32_t event, const struct address_actions *out)
{
    uint32_t n = event % 3;

    switch (event / 3) {
    case 0:
        w->view.nodes[n].alive = !w->view.nodes[n].alive;
        return true;
    case 1:
        w->view.words[0][n] = w->view.words[0][n] == ADDRESS_WELL ? ADDRESS_UNWELL : ADDRESS_WELL;
        return true;
    case 2:
        if (n == 0)
            w->now_ms += STEP_MS;
        else if (n == 1)
            carry_out(w, out);
        else if (w->view.holders[0] < 3)
            w->view.current[0] = !w->view.current[0];
        return true;
    case 3:
        if (n == 0)
            w->view.nodes[n].refuses = !w->view.nodes[n].refuses;
        else if (n == 1)
            address_init(&w->core); /* another leader */
        else
            w->view.words[1][0] = ADDRESS_UNHEARD;
        return true;
    default:
        return false;
    }
}

/* All are there and well: soon everything is held, evenly, and nothing moves any more. */
static void check_that_it_calms_down(struct world w)
{
    uint32_t counts[3] = {0}, steps = 0;
    struct address_actions out;
    bool quiet = false;

    for (uint32_t n = 0; n < 3; n++) {
        w.view.nodes[n].alive = true;
        w.view.nodes[n].refuses = false;
        for (uint32_t a = 0; a < w.view.address_count; a++)
            w.view.words[a][n] = ADDRESS_WELL;
    }
    for (; steps < 40 && !(quiet && steps > 20); steps++) {
        step(&w, &out);
        quiet = true;
        for (uint32_t a = 0; a < w.view.address_count; a++)
            quiet = quiet && out.at[a].step == ADDRESS_STAY;
        carry_out(&w, &out);
        w.now_ms += STEP_MS;
    }
    assert_true(quiet);
    for (uint32_t a = 0; a < w.view.address_count; a++) {
        assert_true(w.view.holders[a] < 3 && w.view.current[a]);
        if (w.view.rules[a].spread)
            counts[w.view.holders[a]]++;
        if (w.view.rules[a].preempt)
            assert_int_equal(w.view.holders[a], w.view.rules[a].nodes[0]);
    }
    for (uint32_t n = 0; n < 3; n++)
        for (uint32_t m = 0; m < 3; m++)
            assert_true(counts[n] <= counts[m] + 1);
}

static uint64_t explore(struct world w, uint32_t depth)
{
    struct address_actions out;
    struct world next;
    uint64_t states = 1;

    step(&w, &out);
    if (depth == 0) {
        check_that_it_calms_down(w);
        return states;
    }
    for (uint32_t event = 0;; event++) {
        next = w;
        if (!happens(&next, event, &out))
            return states;
        states += explore(next, depth - 1);
    }
}

static void whatever_happens_in_whatever_order_it_is_sound_and_calms_down(void **state)
{
    struct world w = {0};

    (void)state;
    spread(4);
    view.rules[0] = (struct address_rule){.preempt = true, .node_count = 2, .nodes = {B, A}};
    w.view = view;
    w.now_ms = now_ms;
    assert_true(explore(w, DEPTH) > 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vacant_address_goes_to_the_most_preferred_that_is_well),
        cmocka_unit_test(a_new_leader_waits_for_the_words_of_those_that_are_there),
        cmocka_unit_test(a_holder_that_is_gone_is_followed_and_not_given_back_to),
        cmocka_unit_test(another_run_of_the_holder_takes_it_anew),
        cmocka_unit_test(with_preempt_it_goes_back_when_the_preferred_one_has_settled),
        cmocka_unit_test(failing_conditions_move_it_only_to_a_settled_node),
        cmocka_unit_test(conditions_that_flap_move_it_once_in_five_seconds_at_most),
        cmocka_unit_test(it_stays_where_it_is_when_it_is_well_nowhere),
        cmocka_unit_test(a_vacant_one_that_is_well_nowhere_is_taken_in_the_end),
        cmocka_unit_test(who_takes_no_work_hands_over_at_once),
        cmocka_unit_test(a_holder_that_the_configuration_names_no_more_hands_over),
        cmocka_unit_test(spread_addresses_are_even_and_move_only_as_needed),
        cmocka_unit_test(an_order_is_kept_until_the_node_fails),
        cmocka_unit_test(the_leadership_goes_to_who_holds_nothing),
        cmocka_unit_test(the_leadership_goes_away_from_a_primary),
        cmocka_unit_test(whatever_happens_in_whatever_order_it_is_sound_and_calms_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
