/*
 * Sets of runs, positions, and the encodings of groups and reports.
 */
#include "base/must.h"
#include "base/rng.h"
#include "topology/engine.h"
#include "topology/group.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static uint8_t bytes[1024], second[1024];

static struct unpack written(struct buf *out)
{
    assert_false(out->full);
    return unpack_of(buf_bytes(out));
}

static void a_set_is_in_the_order_of_members_and_has_each_once(void **state)
{
    struct life_set set = {0};

    (void)state;
    life_set_put(&set, (struct life){5, 1});
    life_set_put(&set, (struct life){2, 1});
    life_set_put(&set, (struct life){9, 1});
    life_set_put(&set, (struct life){5, 2});
    assert_int_equal(set.count, 3);
    assert_int_equal(set.lives[0].member, 2);
    assert_int_equal(set.lives[1].incarnation, 2);
    assert_int_equal(life_set_find(&set, 9), 2);
    assert_int_equal(life_set_find(&set, 4), -1);
    assert_true(life_set_has(&set, (struct life){5, 2}));
    assert_false(life_set_has(&set, (struct life){5, 1}));
    life_set_drop(&set, 4);
    life_set_drop(&set, 2);
    assert_int_equal(set.count, 2);
    assert_int_equal(set.lives[0].member, 5);
    assert_int_equal(set.lives[2].member, 0);
}

static void a_position_is_compared_by_epoch_first(void **state)
{
    (void)state;
    assert_true(position_compare((struct position){2, 1}, (struct position){1, 99}) > 0);
    assert_true(position_compare((struct position){1, 99}, (struct position){2, 1}) < 0);
    assert_true(position_compare((struct position){2, 1}, (struct position){2, 2}) < 0);
    assert_int_equal(position_compare((struct position){2, 2}, (struct position){2, 2}), 0);
}

static void the_primary_s_run_is_in_the_set(void **state)
{
    struct group_body body = {.primary = 2, .in_sync = {2, {{1, 4}, {2, 7}}}};

    (void)state;
    assert_true(life_equal(group_primary(&body), (struct life){2, 7}));
    body.primary = 3;
    assert_int_equal(group_primary(&body).member, 0);
    body.primary = 0;
    assert_int_equal(group_primary(&body).member, 0);
}

static void where_clients_stand_is_read_in_order(void **state)
{
    struct group_body body = {0};

    (void)state;
    assert_string_equal(group_phase_name(group_phase_of(&body)), "recovering");
    body.primary = 1;
    assert_string_equal(group_phase_name(group_phase_of(&body)), "promoting");
    body.serving = true;
    assert_string_equal(group_phase_name(group_phase_of(&body)), "serving");
    body.target = 2;
    assert_string_equal(group_phase_name(group_phase_of(&body)), "switching");
}

static void a_set_that_is_out_of_order_or_has_a_zero_is_refused(void **state)
{
    const struct life_set sets[] = {
        {2, {{2, 1}, {1, 1}}}, {2, {{2, 1}, {2, 1}}}, {1, {{0, 1}}}, {1, {{1, 0}}}};

    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(sets); i++) {
        struct life_set back;
        struct unpack in;
        struct buf out;

        buf_over(&out, bytes, sizeof bytes);
        life_set_encode(&out, &sets[i]);
        in = written(&out);
        assert_false(life_set_decode(&in, &back));
    }
}

static void any_body(struct rng *rng, struct group_body *body)
{
    *body = (struct group_body){.mode = (uint8_t)rng_below(rng, GROUP_MODES),
                                .min_in_sync = (uint8_t)rng_below(rng, 256),
                                .acks = (uint8_t)rng_below(rng, 256),
                                .degraded = rng_chance(rng, 0.5),
                                .serving = rng_chance(rng, 0.5),
                                .unclean = rng_chance(rng, 0.5),
                                .primary = (uint32_t)rng_next(rng),
                                .target = (uint32_t)rng_next(rng)};
    for (uint64_t i = rng_below(rng, GROUP_MEMBERS_MAX + 1); i > 0; i--)
        life_set_put(rng_chance(rng, 0.5) ? &body->in_sync : &body->eligible,
                     (struct life){(uint32_t)rng_below(rng, 99) + 1, rng_next(rng) | 1});
}

static void a_body_is_read_as_it_was_written_and_not_when_it_is_cut(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (uint32_t round = 0; round < 200; round++) {
        struct group_body body, back;
        struct buf out, again;
        struct unpack in;

        any_body(&rng, &body);
        buf_over(&out, bytes, sizeof bytes);
        group_body_encode(&out, &body);
        in = written(&out);
        assert_true(group_body_decode(&in, &back));
        assert_int_equal(body.primary, back.primary);
        assert_int_equal(body.target, back.target);
        assert_int_equal(body.serving, back.serving);
        buf_over(&again, second, sizeof second);
        group_body_encode(&again, &back);
        assert_true(bytes_equal(buf_bytes(&out), buf_bytes(&again)));
        for (size_t len = 0; len < out.len; len++) {
            in = unpack_of(bytes_of(bytes, len));
            assert_false(group_body_decode(&in, &back));
        }
    }
}

static void flags_and_modes_that_nobody_knows_are_refused(void **state)
{
    const struct group_body body = {.mode = GROUP_ASYNC, .min_in_sync = 1};
    struct group_body back;
    struct unpack in;
    struct buf out;

    (void)state;
    buf_over(&out, bytes, sizeof bytes);
    group_body_encode(&out, &body);
    bytes[4] = GROUP_MODES;
    in = written(&out);
    assert_false(group_body_decode(&in, &back));
    bytes[4] = GROUP_ASYNC;
    bytes[7] = 8;
    in = written(&out);
    assert_false(group_body_decode(&in, &back));
}

static struct group_report any_report(void)
{
    struct group_report report = {.life = {3, 9},
                                  .epoch = 5,
                                  .version = 8,
                                  .state = ENGINE_RUNNING,
                                  .role = ENGINE_SECONDARY,
                                  .linked = true,
                                  .refused = true,
                                  .promised = 5,
                                  .position = {4, 1000},
                                  .lag_bytes = UINT64_MAX,
                                  .held = 7,
                                  .expired = 1};

    memset(report.sentence, 'x', sizeof report.sentence - 1);
    return report;
}

static void a_report_is_read_as_it_was_written_and_not_when_it_is_cut(void **state)
{
    const struct group_report report = any_report();
    struct group_report back;
    struct unpack in;
    struct buf out, again;

    (void)state;
    buf_over(&out, bytes, GROUP_REPORT_BYTES_MAX);
    group_report_encode(&out, &report);
    in = written(&out);
    assert_true(group_report_decode(&in, &back));
    assert_string_equal(report.sentence, back.sentence);
    buf_over(&again, second, sizeof second);
    group_report_encode(&again, &back);
    assert_true(bytes_equal(buf_bytes(&out), buf_bytes(&again)));
    for (size_t len = 0; len < out.len; len++) {
        in = unpack_of(bytes_of(bytes, len));
        assert_false(group_report_decode(&in, &back));
    }
}

static void a_report_of_nobody_or_out_of_its_bounds_is_refused(void **state)
{
    (void)state;
    for (uint32_t what = 0; what < 4; what++) {
        struct group_report report = any_report(), back;
        struct unpack in;
        struct buf out;

        if (what == 0)
            report.life.member = 0;
        if (what == 1)
            report.life.incarnation = 0;
        if (what == 2)
            report.state = ENGINE_STATES;
        if (what == 3)
            report.role = ENGINE_ROLES;
        buf_over(&out, bytes, sizeof bytes);
        group_report_encode(&out, &report);
        in = written(&out);
        assert_false(group_report_decode(&in, &back));
    }
}

static void everything_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(group_mode_name(GROUP_SEMI_SYNC), "semi-sync");
    assert_string_equal(engine_state_name(ENGINE_FAILED), "failed");
    assert_string_equal(engine_role_name(ENGINE_SECONDARY), "secondary");
    assert_string_equal(engine_verb_name(ENGINE_COPY), "copy");
    assert_string_equal(engine_outcome_name(ENGINE_BROKEN), "broken");
    assert_string_equal(group_phase_name(GROUP_UNKNOWN), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_is_in_the_order_of_members_and_has_each_once),
        cmocka_unit_test(a_position_is_compared_by_epoch_first),
        cmocka_unit_test(the_primary_s_run_is_in_the_set),
        cmocka_unit_test(where_clients_stand_is_read_in_order),
        cmocka_unit_test(a_set_that_is_out_of_order_or_has_a_zero_is_refused),
        cmocka_unit_test(a_body_is_read_as_it_was_written_and_not_when_it_is_cut),
        cmocka_unit_test(flags_and_modes_that_nobody_knows_are_refused),
        cmocka_unit_test(a_report_is_read_as_it_was_written_and_not_when_it_is_cut),
        cmocka_unit_test(a_report_of_nobody_or_out_of_its_bounds_is_refused),
        cmocka_unit_test(everything_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
