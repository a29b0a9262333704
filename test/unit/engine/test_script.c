/*
 * Orders as lines, and what is made of lines that claim to be answers.
 */
#include "engine/script.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static const struct engine_member members[] = {
    {.member = 1, .name = "a", .address = {.family = 4, .port = 6379, .ip = {10, 0, 0, 1}}},
    {.member = 2, .name = "b", .address = {.family = 4, .port = 6380, .ip = {10, 0, 0, 2}}},
    {.member = 0, .name = "c"},
};
static const struct script_scene scene = {"sessions", "a", members, 3};

static const char *written(const struct engine_order *order)
{
    static char text[4096];
    struct buf out;

    buf_over(&out, text, sizeof text - 1);
    script_write(order, 7, &scene, &out);
    assert_false(out.full);
    text[out.len] = '\0';
    return text;
}

#define HEAD(command) "{\"id\":7,\"command\":\"" command "\",\"timeout_ms\":5000,"
#define WHO                                                                                        \
    "\"group\":\"sessions\",\"self\":\"a\",\"members\":{\"a\":{\"address\":\"10.0.0.1:6379\"},"    \
    "\"b\":{\"address\":\"10.0.0.2:6380\"},\"c\":{\"address\":null}}"

static void an_order_is_a_line(void **state)
{
    struct engine_order order = {.verb = ENGINE_PROMOTE,
                                 .epoch = 12,
                                 .timeout_ms = 5000,
                                 .needs = {.mode = GROUP_SEMI_SYNC, .acks = 1}};

    (void)state;
    life_set_put(&order.needs.members, (struct life){2, 1});
    assert_string_equal(written(&order),
                        HEAD("promote") "\"epoch\":12," WHO
                                        ",\"mode\":\"semi-sync\",\"acks\":1,\"needs\":[\"b\"]}\n");
    order = (struct engine_order){.verb = ENGINE_STATUS, .timeout_ms = 5000};
    assert_string_equal(written(&order), HEAD("status") WHO "}\n");
    order =
        (struct engine_order){.verb = ENGINE_FOLLOW, .epoch = 3, .primary = 2, .timeout_ms = 5000};
    assert_string_equal(written(&order), HEAD("follow") "\"epoch\":3," WHO ",\"primary\":\"b\"}\n");
    order = (struct engine_order){.verb = ENGINE_DEMOTE, .epoch = 3, .timeout_ms = 5000};
    assert_string_equal(written(&order), HEAD("demote") "\"epoch\":3," WHO ",\"target\":null}\n");
    order.target = 2;
    assert_string_equal(written(&order), HEAD("demote") "\"epoch\":3," WHO ",\"target\":\"b\"}\n");
}

static void a_mode_that_needs_all_says_how_many_that_is(void **state)
{
    struct engine_order order = {.verb = ENGINE_PROMOTE, .epoch = 1, .needs = {.mode = GROUP_SYNC}};

    (void)state;
    life_set_put(&order.needs.members, (struct life){1, 1});
    life_set_put(&order.needs.members, (struct life){2, 1});
    assert_non_null(
        strstr(written(&order), "\"mode\":\"sync\",\"acks\":2,\"needs\":[\"a\",\"b\"]"));
}

static struct engine_answer read_as(enum engine_verb verb, const char *line)
{
    struct engine_order order = {.verb = verb, .epoch = 12, .timeout_ms = 5000};
    struct engine_answer answer;

    script_read(bytes_of_string(line), &order, 7, &scene, &answer);
    assert_int_equal(answer.verb, verb);
    assert_int_equal(answer.epoch, 12);
    return answer;
}

static void an_answer_is_read_whole(void **state)
{
    struct engine_answer answer =
        read_as(ENGINE_PROMOTE,
                "{\"id\":7,\"epoch\":12,\"outcome\":\"done\",\"later\":[1],\"status\":{\"state\":"
                "\"running\","
                "\"role\":\"primary\",\"writable\":true,\"epoch\":12,\"promised\":11,\"new\":{},"
                "\"position\":{\"epoch\":11,\"offset\":1234},\"progress\":12.5,\"sentence\":\"s\","
                "\"followers\":{\"b\":{\"attached\":true,\"position\":{\"epoch\":11,\"offset\":5}},"
                "\"stranger\":{\"attached\":true}}}}");

    (void)state;
    assert_string_equal(answer.sentence, "");
    assert_int_equal(answer.outcome, ENGINE_DONE);
    assert_int_equal(answer.status.state, ENGINE_RUNNING);
    assert_int_equal(answer.status.role, ENGINE_PRIMARY);
    assert_true(answer.status.writable);
    assert_int_equal(answer.status.epoch, 12);
    assert_int_equal(answer.status.promised, 11);
    assert_int_equal(answer.status.position.offset, 1234);
    assert_int_equal(answer.status.progress, 1250);
    assert_true(answer.status.lag_bytes == UINT64_MAX);
    assert_string_equal(answer.status.sentence, "s");
    assert_int_equal(answer.status.follower_count, 1); /* the stranger is passed over */
}

static void a_no_keeps_its_reason(void **state)
{
    struct engine_answer answer = read_as(
        ENGINE_FOLLOW, "{\"id\":7,\"outcome\":\"diverged\",\"sentence\":\"forked\\nat 9\"}");

    (void)state;
    assert_int_equal(answer.outcome, ENGINE_DIVERGED);
    assert_string_equal(answer.sentence, "forked at 9");
    answer = read_as(ENGINE_PROMISE, "{\"id\":7,\"outcome\":\"refused\"}");
    assert_int_equal(answer.outcome, ENGINE_REFUSED);
    assert_string_equal(answer.sentence, "it gave no reason");
}

#define DONE(status) "{\"id\":7,\"outcome\":\"done\",\"status\":{\"state\":\"running\"" status "}}"

static void nonsense_is_broken_and_quoted(void **state)
{
    static const struct {
        enum engine_verb verb;
        const char *line, *sentence;
    } cases[] = {
        {ENGINE_STATUS, "", "is no JSON object: ``"},
        {ENGINE_STATUS, "Hello!\x01", "is no JSON object: `Hello!?`"},
        {ENGINE_STATUS, "[7]", "is no JSON object: `[7]`"},
        {ENGINE_STATUS, DONE("") "x", "is no JSON object"},
        {ENGINE_STATUS, "{\"id\":7,\"id\":8}", "is no JSON object"},
        {ENGINE_STATUS, "{\"outcome\":\"done\"}", "it has no \"id\""},
        {ENGINE_STATUS, "{\"id\":8,\"outcome\":\"done\"}", "\"id\" is 8, not 7, the order's"},
        {ENGINE_STATUS, "{\"id\":-7}", "\"id\" is -7, not 7"},
        {ENGINE_STATUS, "{\"id\":7.0}", "\"id\" is 7.0, not 7"},
        {ENGINE_STATUS, "{\"id\":7}", "it has no \"outcome\""},
        {ENGINE_STATUS, "{\"id\":7,\"outcome\":\"ok\"}", "\"outcome\" is \"ok\", not"},
        {ENGINE_STATUS, "{\"id\":7,\"outcome\":\"broken\"}", "\"outcome\" is \"broken\", not"},
        {ENGINE_STATUS, "{\"id\":7,\"outcome\":\"behind\"}", "\"outcome\" is \"behind\", not"},
        {ENGINE_COPY, "{\"id\":7,\"outcome\":\"diverged\"}", "\"outcome\" is \"diverged\", not"},
        {ENGINE_STATUS, "{\"id\":7,\"outcome\":\"done\"}", "it has no \"status\""},
        {ENGINE_STATUS, "{\"id\":7,\"outcome\":\"done\",\"status\":{}}", "no \"state\""},
        {ENGINE_STATUS, "{\"id\":7,\"outcome\":\"done\",\"status\":[]}",
         "\"status\" is [], not an"},
        {ENGINE_STATUS, DONE(",\"writable\":1"), "\"writable\" is 1, not true or false"},
        {ENGINE_STATUS, DONE(",\"epoch\":\"12\""), "\"epoch\" is \"12\", not a whole number"},
        {ENGINE_STATUS, DONE(",\"epoch\":-1"), "\"epoch\" is -1, not a whole number"},
        {ENGINE_STATUS, DONE(",\"epoch\":99999999999999999999"), "is no JSON object"},
        {ENGINE_STATUS, DONE(",\"position\":5"), "\"position\" is 5, not an object"},
        {ENGINE_STATUS, DONE(",\"position\":{\"offset\":1.5}"), "\"offset\" is 1.5, not"},
        {ENGINE_STATUS, DONE(",\"progress\":101"), "\"progress\" is 101, not a number of"},
        {ENGINE_STATUS, DONE(",\"role\":\"leader\""), "\"role\" is \"leader\", not primary"},
        {ENGINE_STATUS, DONE(",\"followers\":[]"), "\"followers\" is [], not an object"},
        {ENGINE_STATUS, DONE(",\"followers\":{\"b\":1}"), "\"followers\" is 1, not an object of"},
        {ENGINE_STATUS, DONE(",\"sentence\":5"), "\"sentence\" is 5, not a text"},
        {ENGINE_STATUS,
         DONE(",\"primary\":{\"a\":\"bcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\"}"),
         "\"primary\" is something longer, not a text"},
        {ENGINE_PROMISE, "{\"id\":7,\"epoch\":11,\"outcome\":\"done\"}",
         "\"epoch\" is 11, not the"},
        {ENGINE_PROMISE, DONE(",\"promised\":11"), "promised is not the order's epoch"},
        {ENGINE_PROMOTE, DONE(",\"role\":\"primary\",\"epoch\":11"), "not primary in the order's"},
        {ENGINE_PROMOTE, DONE(",\"epoch\":12"), "its role is not primary"},
        {ENGINE_DEMOTE, DONE(",\"writable\":true"), "still writable"},
        {ENGINE_FOLLOW, DONE(",\"epoch\":11"), "does not follow in the order's epoch"},
        {ENGINE_FOLLOW, DONE(",\"epoch\":12,\"writable\":true"), "it is writable"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct engine_answer answer = read_as(cases[i].verb, cases[i].line);

        assert_int_equal(answer.outcome, ENGINE_BROKEN);
        if (!strstr(answer.sentence, cases[i].sentence))
            fail_msg("%s: %s", cases[i].line, answer.sentence);
    }
}

static void a_line_beyond_the_limit_is_no_answer(void **state)
{
    static char line[SCRIPT_LINE_MAX + 2];
    struct engine_order order = {.verb = ENGINE_STATUS};
    struct engine_answer answer;
    const char *good = DONE("");

    (void)state;
    memset(line, ' ', sizeof line);
    memcpy(line, good, strlen(good));
    script_read(bytes_of(line, SCRIPT_LINE_MAX), &order, 7, &scene, &answer);
    assert_int_equal(answer.outcome, ENGINE_DONE);
    script_read(bytes_of(line, SCRIPT_LINE_MAX + 1), &order, 7, &scene, &answer);
    assert_int_equal(answer.outcome, ENGINE_BROKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_is_a_line),
        cmocka_unit_test(a_mode_that_needs_all_says_how_many_that_is),
        cmocka_unit_test(an_answer_is_read_whole),
        cmocka_unit_test(a_no_keeps_its_reason),
        cmocka_unit_test(nonsense_is_broken_and_quoted),
        cmocka_unit_test(a_line_beyond_the_limit_is_no_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
