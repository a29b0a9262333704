/*
 * The groups of three nodes: orders of people, plans, what members may say, and what is still out when a group or a node goes.
 */
#include "groups_bench.h"
#include "role/groups_parts.h"

static void order_at(struct bench *bench, uint32_t node, const char *group, const char *to)
{
    struct groups_order order = {.kind = GROUPS_SWITCHOVER};

    snprintf(order.group, sizeof order.group, "%s", group);
    snprintf(order.to, sizeof order.to, "%s", to);
    assert_true(groups_order(bench->nodes[node].groups, &order, 10000, bench_replied, bench));
}

static const char *name_at(uint32_t place)
{
    assert_in_range(place, 1, BENCH_NODES);
    return bench_names[place - 1];
}

/* A member that is not the primary; not this one. */
static uint32_t other_than(uint32_t primary, uint32_t not_this)
{
    for (uint32_t place = 1; place <= BENCH_NODES; place++)
        if (place != primary && place != not_this)
            return place;
    return 0;
}

static uint32_t leader_place(struct bench *bench)
{
    return bench_leader(bench)->index + 1;
}

/* ---- orders ---- */

static void any_node_takes_an_order_and_the_leader_carries_it_out(void **state)
{
    struct bench bench;

    (void)state;
    bench_begin(&bench);
    for (uint32_t node = 0; node < BENCH_NODES; node++) {
        uint32_t to = other_than(bench_primary(&bench), 0);
        uint32_t leader = leader_place(&bench);

        order_at(&bench, node, "db", name_at(to));
        BENCH_UNTIL(&bench, bench.replies == node + 1);
        assert_string_equal(bench.reply.by, name_at(leader));
        if (!bench.reply.done)
            fail_msg("%s", bench.reply.sentence);
        BENCH_UNTIL(&bench, bench_primary(&bench) == to && bench_whole(&bench));
        BENCH_UNTIL(&bench, bench_count(&bench, "switchover-done") == node + 1);
    }
    bench_end(&bench);
}

static void what_makes_no_sense_is_refused_with_a_reason(void **state)
{
    struct bench bench;
    uint32_t primary;

    (void)state;
    bench_begin(&bench);
    primary = bench_primary(&bench);
    order_at(&bench, 0, "nope", "");
    BENCH_UNTIL(&bench, bench.replies == 1);
    assert_false(bench.reply.done);
    assert_string_equal(bench.reply.sentence, "there is no group 'nope'");
    order_at(&bench, 1, "db", "z");
    BENCH_UNTIL(&bench, bench.replies == 2);
    assert_false(bench.reply.done);
    assert_string_equal(bench.reply.sentence, "'z' holds no data of the group 'db'");
    assert_int_equal(bench_primary(&bench), primary);
    bench_end(&bench);
}

static void without_a_leader_nothing_is_changed_and_that_is_said(void **state)
{
    struct bench bench;

    (void)state;
    bench_begin(&bench);
    bench_stop(&bench.nodes[0]);
    bench_stop(&bench.nodes[1]);
    BENCH_UNTIL(&bench, cluster_view(bench.nodes[2].cluster)->leader[0] == '\0');
    order_at(&bench, 2, "db", "");
    BENCH_UNTIL(&bench, bench.replies == 1);
    assert_false(bench.reply.done);
    assert_false(bench.reply.reached);
    assert_string_equal(bench.reply.by, "");
    assert_string_equal(bench.reply.sentence, "no leader was found in time: nothing was changed");
    bench_end(&bench);
}

static void orders_beyond_the_limit_are_refused_at_once(void **state)
{
    struct groups_order order = {.kind = GROUPS_SWITCHOVER, .group = "nope"};
    struct bench bench;

    (void)state;
    bench_begin(&bench);
    for (uint32_t i = 0; i < GROUPS_ORDERS_MAX; i++)
        order_at(&bench, 0, "nope", "");
    assert_false(groups_order(bench.nodes[0].groups, &order, 10000, bench_replied, &bench));
    BENCH_UNTIL(&bench, bench.replies == GROUPS_ORDERS_MAX);
    order_at(&bench, 0, "nope", "");
    BENCH_UNTIL(&bench, bench.replies == GROUPS_ORDERS_MAX + 1);
    bench_end(&bench);
}

/* ---- plans ---- */

static void on_set(void *context, const struct cluster_answer *answer)
{
    assert_int_equal(answer->outcome, CLUSTER_DONE);
    *(bool *)context = true;
}

static void plan(struct bench *bench, const char *format, ...) PRINTF(2, 3);
static void plan(struct bench *bench, const char *format, ...)
{
    struct document_command command = {.kind = COMMAND_OVERRIDE_SET};
    struct cluster_ask ask = {.kind = CLUSTER_COMMAND, .command = &command, .timeout_ms = 5000};
    va_list arguments;
    bool set = false;

    snprintf(command.override.key, sizeof command.override.key, "switchover/db");
    va_start(arguments, format);
    vsnprintf(command.override.value, sizeof command.override.value, format, arguments);
    va_end(arguments);
    cluster_ask(bench->nodes[0].cluster, &ask, on_set, &set);
    BENCH_UNTIL(bench, set);
}

static bool is_planned(const struct bench *bench)
{
    return document_override(cluster_document(bench->nodes[0].cluster), "switchover/db") != NULL;
}

static void a_plan_is_carried_out_once_at_its_time(void **state)
{
    struct bench bench;
    uint32_t primary, to;
    int64_t at_ms;

    (void)state;
    bench_begin(&bench);
    primary = bench_primary(&bench);
    to = other_than(primary, 0);
    at_ms = bench_wall_ms(&bench.nodes[0]) + 5000;
    plan(&bench, "%lld %s", (long long)at_ms, name_at(to));
    while (bench_wall_ms(&bench.nodes[0]) < at_ms - 100) {
        bench_run_ms(&bench, 10);
        assert_true(is_planned(&bench));
        assert_int_equal(bench_primary(&bench), primary);
    }
    BENCH_UNTIL(&bench, !is_planned(&bench) && bench_primary(&bench) == to);
    bench_run_ms(&bench, 20000);
    assert_int_equal(bench_primary(&bench), to);
    assert_int_equal(bench_count(&bench, "switchover-done"), 1);
    assert_int_equal(bench_count(&bench, "switchover-failed"), 0);
    bench_end(&bench);
}

static void a_plan_without_a_node_takes_the_best(void **state)
{
    struct bench bench;
    uint32_t primary;

    (void)state;
    bench_begin(&bench);
    primary = bench_primary(&bench);
    plan(&bench, "%lld", (long long)bench_wall_ms(&bench.nodes[0]));
    BENCH_UNTIL(&bench, bench_count(&bench, "switchover-done") == 1);
    BENCH_UNTIL(&bench, bench_primary(&bench) && bench_primary(&bench) != primary);
    bench_end(&bench);
}

/* Taken away, with a fact, and not carried out. */
static void assert_dropped(struct bench *bench, const char *value, const char *why)
{
    char line[256];

    buf_clear(&bench->told);
    plan(bench, "%s", value);
    BENCH_UNTIL(bench, !is_planned(bench));
    bench_run_ms(bench, 3000);
    snprintf(line, sizeof line,
             "switchover-failed: db: the planned switchover was not carried out: %s\n", why);
    assert_string_equal(bench_told(bench), line);
}

static void a_plan_that_is_late_or_nonsense_is_taken_away_and_said(void **state)
{
    struct bench bench;
    char late[64];
    uint32_t primary;

    (void)state;
    bench_begin(&bench);
    primary = bench_primary(&bench);
    snprintf(late, sizeof late, "%lld %s",
             (long long)(bench_wall_ms(&bench.nodes[0]) - 11 * 60 * 1000),
             name_at(other_than(primary, 0)));
    assert_dropped(&bench, late, "nobody could, at its time and ten minutes after it");
    assert_dropped(&bench, "tomorrow", "'tomorrow' is no time, or no time and a node");
    assert_dropped(&bench, "-9223372036854775808 b",
                   "'-9223372036854775808 b' is no time, or no time and a node");
    assert_dropped(&bench, "99999999999999999999 b",
                   "'99999999999999999999 b' is no time, or no time and a node");
    assert_dropped(&bench, "0 z", "nobody could, at its time and ten minutes after it");
    snprintf(late, sizeof late, "%lld z", (long long)bench_wall_ms(&bench.nodes[0]));
    assert_dropped(&bench, late, "'z' holds no data of the group 'db'");
    assert_int_equal(bench_primary(&bench), primary);
    bench_end(&bench);
}

/* ---- what members say ---- */

/* The leader is told so by a node, in the name of a member. */
static void forge(struct bench *bench, const char *node, struct life life)
{
    struct groups *groups = bench_leader(bench)->groups;
    struct group_report report = {.life = life, .state = ENGINE_RUNNING, .sentence = "forged"};
    struct group group = {.name = "db"};
    uint8_t storage[1024];
    struct buf out;

    buf_over(&out, storage, sizeof storage);
    message_report(&out, &group, &report);
    groups_requested(groups, node, UINT64_MAX, buf_bytes(&out));
}

static bool is_forged(struct bench *bench, uint32_t place)
{
    return strcmp(bench_leader(bench)->groups->groups[0]->heard[place - 1].report.sentence,
                  "forged") == 0;
}

static void a_node_speaks_for_its_own_member_alone(void **state)
{
    struct bench bench;
    uint32_t one, other;
    struct life life;

    (void)state;
    bench_begin(&bench);
    one = other_than(leader_place(&bench), 0);
    other = other_than(leader_place(&bench), one);
    life = group_life(bench_leader(&bench)->groups->groups[0], one - 1);
    forge(&bench, name_at(other), life);
    assert_false(is_forged(&bench, one));
    assert_false(is_forged(&bench, other));
    forge(&bench, "z", life);
    forge(&bench, name_at(one), (struct life){life.member, life.incarnation + 1});
    forge(&bench, name_at(one), (struct life){0});
    assert_false(is_forged(&bench, one));
    forge(&bench, name_at(one), life);
    assert_true(is_forged(&bench, one));
    bench_end(&bench);
}

static void every_node_knows_what_the_leader_knows(void **state)
{
    struct bench bench;
    uint32_t primary;

    (void)state;
    bench_begin(&bench);
    primary = bench_primary(&bench);
    bench_run_ms(&bench, 1000);
    for (uint32_t i = 0; i < BENCH_NODES; i++) {
        struct groups_view view;

        groups_view(bench.nodes[i].groups, 0, &view);
        assert_true(view.exists && view.outlook && view.own);
        assert_in_range(view.winner, 1, BENCH_NODES);
        assert_int_not_equal(view.winner, primary);
        for (uint32_t m = 0; m < BENCH_NODES; m++) {
            assert_true(view.members[m].heard);
            assert_int_equal(view.members[m].lag_ms != UINT64_MAX, true);
        }
    }
    bench_end(&bench);
}

/* What b has is always a little older than what c has, as if it were heard of at another moment. */
static void who_is_next_does_not_change_with_what_is_written(void **state)
{
    static struct bench bench;
    struct bench_node *primary = &bench.nodes[0];

    (void)state;
    bench_begin(&bench);
    assert_int_equal(bench_primary(&bench), 1);
    for (uint32_t turn = 0; turn < 1000; turn++) {
        struct groups_view view;

        primary->engine.status.position.offset += 10;
        bench.nodes[1].engine.stalls = turn % 50 != 0;
        bench_replicate(&bench, primary);
        bench_run_ms(&bench, 3);
        groups_view(bench_leader(&bench)->groups, 0, &view);
        assert_int_equal(view.winner, 2);
    }
    bench_end(&bench);
}

/* Nor is one that receives nothing more taken for one that keeps up, while it is in sync. */
static void who_lags_is_not_next(void **state)
{
    static struct bench bench;
    struct bench_node *primary = &bench.nodes[0];
    struct groups_view view;

    (void)state;
    bench_begin(&bench);
    assert_int_equal(bench_primary(&bench), 1);
    bench.nodes[1].engine.stalls = true;
    for (uint32_t turn = 0; turn < 1000; turn++) {
        primary->engine.status.position.offset += 10;
        bench_replicate(&bench, primary);
        bench_run_ms(&bench, 3);
    }
    groups_view(bench_leader(&bench)->groups, 0, &view);
    assert_true(view.members[1].eligible);
    assert_int_equal(view.winner, 3);
    bench_end(&bench);
}

static void workers_are_told_of_changes_alone(void **state)
{
    struct bench bench;
    uint32_t before;

    (void)state;
    bench_begin(&bench);
    bench_run_ms(&bench, 2000);
    before = bench.nodes[0].publishes;
    for (int i = 0; i < 100; i++) {
        groups_look(bench.nodes[0].groups);
        bench_run_ms(&bench, 0);
    }
    assert_int_equal(bench.nodes[0].publishes, before);
    bench_end(&bench);
}

/* Who reads from secondaries by their lag must not go by what was true once. */
static void a_lag_that_nobody_tells_of_any_more_is_not_known(void **state)
{
    struct bench bench;
    struct bench_node *last = &bench.nodes[2];

    (void)state;
    bench_begin(&bench);
    BENCH_UNTIL(&bench, last->place.lag_ms[0] != UINT64_MAX && last->place.lag_ms[2] != UINT64_MAX);
    assert_true(last->place.lag_ms[BENCH_NODES] == UINT64_MAX);
    bench_stop(&bench.nodes[0]);
    bench_stop(&bench.nodes[1]);
    BENCH_UNTIL(&bench, last->place.lag_ms[0] == UINT64_MAX);
    assert_true(last->place.lag_ms[2] == UINT64_MAX);
    bench_end(&bench);
}

/* ---- what is still out ---- */

static void a_node_that_closes_its_groups_answers_and_is_called_no_more(void **state)
{
    struct bench bench;
    uint32_t follower;

    (void)state;
    bench_begin(&bench);
    follower = other_than(leader_place(&bench), 0) - 1;
    plan(&bench, "%lld", (long long)bench_wall_ms(&bench.nodes[0]));
    order_at(&bench, follower, "db", "");
    bench_run_ms(&bench, 1);
    assert_int_equal(bench.replies, 0);
    for (uint32_t i = 0; i < BENCH_NODES; i++)
        bench_close_groups(&bench.nodes[i]);
    assert_int_equal(bench.replies, 1);
    assert_false(bench.reply.done);
    assert_true(bench.reply.reached);
    assert_string_equal(bench.reply.sentence, "this node stops: ask another one");
    buf_clear(&bench.told);
    bench_run_ms(&bench, 30000);
    assert_string_equal(bench_told(&bench), "");
    bench_end(&bench);
}

static void configure_many(struct bench_node *node, const char *prefix)
{
    static struct groups_group list[GROUPS_MAX_OPEN];
    static char names[GROUPS_MAX_OPEN][GROUP_NAME_MAX];

    for (uint32_t i = 0; i < GROUPS_MAX_OPEN; i++) {
        snprintf(names[i], sizeof names[i], "%s%u", prefix, i);
        bench_describe(&list[i], names[i], i);
        list[i].count = 1;
        list[i].members[0].name = bench_names[node->index];
    }
    groups_configure(node->groups, list, GROUPS_MAX_OPEN);
}

/* As many as there may be are replaced again and again while what was asked for them is out. */
static void a_file_with_other_groups_finds_a_place_for_each(void **state)
{
    static const char *const prefixes[] = {"one", "two", "three", "four"};
    struct bench bench;
    struct bench_node *node;

    (void)state;
    bench_begin(&bench);
    node = &bench.nodes[other_than(leader_place(&bench), 0) - 1];
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        configure_many(node, prefixes[i]);
        bench_run_ms(&bench, 0);
        assert_int_equal(node->groups->count, GROUPS_MAX_OPEN);
        assert_in_range(node->groups->calls, 1, GROUPS_REPORTS_MAX);
        for (uint32_t slot = 0; slot < GROUPS_MAX_OPEN; slot++)
            assert_memory_equal(groups_find_slot(node->groups, slot)->name, prefixes[i],
                                strlen(prefixes[i]));
    }
    bench_end(&bench);
}

static void a_group_that_left_the_file_and_came_back_goes_on(void **state)
{
    struct bench bench;
    struct groups_group group;

    (void)state;
    bench_begin(&bench);
    for (uint32_t i = 0; i < BENCH_NODES; i++)
        groups_configure(bench.nodes[i].groups, NULL, 0);
    bench_run_ms(&bench, 1);
    bench_describe(&group, "db", 0);
    for (uint32_t i = 0; i < BENCH_NODES; i++)
        groups_configure(bench.nodes[i].groups, &group, 1);
    BENCH_UNTIL(&bench, bench_whole(&bench));
    bench_end(&bench);
}

/* The document says nothing new, and addresses may be others. */
static void a_reload_tells_the_engine_again_who_the_members_are(void **state)
{
    struct bench bench;
    struct groups_group group;
    struct bench_node *node = &bench.nodes[1];

    (void)state;
    bench_begin(&bench);
    memset(node->engine.ids, 0, sizeof node->engine.ids);
    bench_describe(&group, "db", 0);
    groups_configure(node->groups, &group, 1);
    for (uint32_t i = 0; i < BENCH_NODES; i++)
        assert_int_not_equal(node->engine.ids[i], 0);
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_node_takes_an_order_and_the_leader_carries_it_out),
        cmocka_unit_test(what_makes_no_sense_is_refused_with_a_reason),
        cmocka_unit_test(without_a_leader_nothing_is_changed_and_that_is_said),
        cmocka_unit_test(orders_beyond_the_limit_are_refused_at_once),
        cmocka_unit_test(a_plan_is_carried_out_once_at_its_time),
        cmocka_unit_test(a_plan_without_a_node_takes_the_best),
        cmocka_unit_test(a_plan_that_is_late_or_nonsense_is_taken_away_and_said),
        cmocka_unit_test(a_node_speaks_for_its_own_member_alone),
        cmocka_unit_test(every_node_knows_what_the_leader_knows),
        cmocka_unit_test(who_is_next_does_not_change_with_what_is_written),
        cmocka_unit_test(who_lags_is_not_next),
        cmocka_unit_test(workers_are_told_of_changes_alone),
        cmocka_unit_test(a_lag_that_nobody_tells_of_any_more_is_not_known),
        cmocka_unit_test(a_node_that_closes_its_groups_answers_and_is_called_no_more),
        cmocka_unit_test(a_file_with_other_groups_finds_a_place_for_each),
        cmocka_unit_test(a_group_that_left_the_file_and_came_back_goes_on),
        cmocka_unit_test(a_reload_tells_the_engine_again_who_the_members_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
