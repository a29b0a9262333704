#include "engine/script_orders.h"
#include "unit.h"

#include <string.h>

static const struct engine_member members[] = {
    {.name = "a", .member = 1}, {.name = "b", .member = 2}, {.name = "c", .member = 3}};
static const struct script_scene scene = {"g", "a", members, 3};

static void assert_order_survives(const struct engine_order *order)
{
    struct engine_order back;
    struct buf line;
    char sentence[GROUP_SENTENCE_MAX] = "";
    uint64_t id;

    buf_init(&line, SCRIPT_LINE_MAX);
    script_write(order, 42, &scene, &line);
    assert_true(script_read_order(bytes_of(line.at, line.len - 1), &scene, &back, &id, sentence));
    assert_int_equal(id, 42);
    assert_int_equal(back.verb, order->verb);
    assert_int_equal(back.epoch, order->epoch);
    assert_int_equal(back.primary, order->primary);
    assert_int_equal(back.target, order->target);
    assert_int_equal(back.timeout_ms, order->timeout_ms);
    assert_int_equal(back.needs.mode, order->needs.mode);
    assert_int_equal(back.needs.acks, order->needs.acks);
    assert_true(life_set_equal(&back.needs.members, &order->needs.members));
    buf_fini(&line);
}

static void reads_the_orders_that_are_written(void **state)
{
    struct engine_order order = {.verb = ENGINE_STATUS, .timeout_ms = 1000};

    (void)state;
    assert_order_survives(&order);
    order = (struct engine_order){.verb = ENGINE_FOLLOW, .epoch = 7, .primary = 2, .timeout_ms = 5};
    assert_order_survives(&order);
    order.verb = ENGINE_COPY;
    assert_order_survives(&order);
    order = (struct engine_order){.verb = ENGINE_DEMOTE, .epoch = 8, .target = 3};
    assert_order_survives(&order);
    order.target = 0;
    assert_order_survives(&order);
    order = (struct engine_order){.verb = ENGINE_PROMOTE, .epoch = 9};
    order.needs = (struct engine_needs){.mode = GROUP_SEMI_SYNC, .acks = 1};
    life_set_put(&order.needs.members, (struct life){2, 1});
    life_set_put(&order.needs.members, (struct life){3, 1});
    assert_order_survives(&order);
}

static void refuses_what_is_no_order(void **state)
{
    static const char *const lines[] = {
        "",
        "[]",
        "{\"id\":1}",
        "{\"id\":1,\"command\":\"dance\",\"timeout_ms\":1}",
        "{\"id\":1,\"command\":\"follow\",\"timeout_ms\":1,\"epoch\":1,\"primary\":\"z\"}",
        "{\"id\":1,\"command\":\"promise\",\"timeout_ms\":1}",
        "{\"id\":-1,\"command\":\"status\",\"timeout_ms\":1}",
        "{\"id\":1,\"command\":\"promote\",\"timeout_ms\":1,\"epoch\":1,\"mode\":\"sync\",\"acks\":"
        "1,"
        "\"needs\":[\"z\"]}",
    };
    struct engine_order order;
    uint64_t id;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char sentence[GROUP_SENTENCE_MAX] = "";

        assert_false(script_read_order(bytes_of_string(lines[i]), &scene, &order, &id, sentence));
        assert_true(sentence[0] != '\0');
    }
}

static void writes_answers_that_are_read(void **state)
{
    struct engine_order order = {.verb = ENGINE_PROMOTE, .epoch = 12};
    struct engine_answer back, answer = {.verb = ENGINE_PROMOTE, .epoch = 12};
    struct buf line;

    (void)state;
    answer.status = (struct engine_status){.state = ENGINE_RUNNING,
                                           .role = ENGINE_PRIMARY,
                                           .writable = true,
                                           .epoch = 12,
                                           .promised = 12,
                                           .position = {12, 345},
                                           .lag_bytes = UINT64_MAX,
                                           .progress = 5000,
                                           .follower_count = 1};
    answer.status.followers[0] = (struct engine_follower){2, true, {11, 344}};
    buf_init(&line, SCRIPT_LINE_MAX);
    script_write_answer(&answer, 3, &scene, &line);
    script_read(bytes_of(line.at, line.len - 1), &order, 3, &scene, &back);
    assert_int_equal(back.outcome, ENGINE_DONE);
    assert_true(back.status.writable);
    assert_int_equal(back.status.position.offset, 345);
    assert_true(back.status.lag_bytes == UINT64_MAX);
    assert_int_equal(back.status.progress, 5000);
    assert_int_equal(back.status.followers[0].position.epoch, 11);
    buf_clear(&line);
    answer = (struct engine_answer){.verb = ENGINE_FOLLOW,
                                    .epoch = 12,
                                    .outcome = ENGINE_DIVERGED,
                                    .sentence = "another \"way\""};
    order.verb = ENGINE_FOLLOW;
    script_write_answer(&answer, 4, &scene, &line);
    script_read(bytes_of(line.at, line.len - 1), &order, 4, &scene, &back);
    assert_int_equal(back.outcome, ENGINE_DIVERGED);
    assert_string_equal(back.sentence, "another \"way\"");
    buf_fini(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_orders_that_are_written),
        cmocka_unit_test(refuses_what_is_no_order),
        cmocka_unit_test(writes_answers_that_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
