/*
 * What the rows of an engine alone cannot refuse, and a probe's text.
 */
#include "engine/engine.h"
#include "unit.h"

#include <stdio.h>

#include <string.h>

static bool becomes(const char *text, const char *expected, size_t len)
{
    uint8_t storage[64];
    struct buf out;

    buf_over(&out, storage, sizeof storage);
    return engine_unescape(bytes_of_string(text), 12, &out) &&
           bytes_equal(buf_bytes(&out), bytes_of(expected, len));
}

static void a_probe_is_bytes(void **state)
{
    (void)state;
    assert_true(becomes("SET nines {epoch}\\r\\n", "SET nines 12\r\n", 14));
    assert_true(becomes("\\x00\\xfF\\t\\\\", "\0\xff\t\\", 4));
    assert_true(becomes("{epoch", "{epoch", 6));
    assert_false(becomes("\\", "", 0));
    assert_false(becomes("\\q", "", 0));
    assert_false(becomes("\\x1", "", 0));
    assert_false(becomes("\\x1g", "", 0));
}

static void what_does_not_fit_is_refused(void **state)
{
    uint8_t storage[4];
    struct buf out;

    (void)state;
    buf_over(&out, storage, sizeof storage);
    assert_true(engine_unescape(bytes_of_string("1234"), 0, &out));
    buf_over(&out, storage, sizeof storage);
    assert_false(engine_unescape(bytes_of_string("12345"), 0, &out));
}

/* Texts in an image: "relative" at 8, "/abs" at 24, "bad\q" at 32. */
static const char texts[48] = "\0\0\0\0\0\0\0\0relative\0\0\0\0\0\0\0\0/abs\0\0\0\0bad\\q";

/* In an image, a unit's name begins at 8. */
static bool is_refused(const char *name, uint32_t words_of_a_process)
{
    char at[320] = "";
    struct image image = {(const uint8_t *)at, sizeof at};
    struct engine_config config = {.command = {16, 1},
                                   .directory = {300, 1},
                                   .unit = {8, (uint32_t)strlen(name)},
                                   .process = {16, words_of_a_process}};
    const char *key = "";
    bool refused;

    at[300] = '/';
    snprintf(at + 8, sizeof at - 8, "%s", name);
    refused = engine_contradiction(&config, image, &key) != NULL;
    assert_true(!refused || strcmp(key, "unit") == 0);
    return refused;
}

static void a_unit_is_a_service_and_comes_alone(void **state)
{
    (void)state;
    assert_false(is_refused("redis-server@orders.service", 0));
    assert_false(is_refused("a\\x2db:c_d.service", 0));
    assert_true(is_refused("redis-server@orders.service", 1));
    assert_true(is_refused("redis-server", 0));
    assert_true(is_refused(".service", 0));
    assert_true(is_refused("--force.service", 0));
    assert_true(is_refused("a b.service", 0));
    assert_true(is_refused("../a.service", 0));
    assert_true(is_refused("redis.socket", 0));
}

static void the_store_has_no_program_of_anybody_s(void **state)
{
    struct image image = {(const uint8_t *)texts, sizeof texts};
    const struct engine_config config = {.kind = ENGINE_STORE, .directory = {24, 4}};
    struct engine_config wrong = config;
    const char *key;

    (void)state;
    assert_null(engine_contradiction(&config, image, &key));
    wrong.command.count = 1;
    assert_non_null(engine_contradiction(&wrong, image, &key));
    assert_string_equal(key, "command");
    wrong = config;
    wrong.process.count = 1;
    assert_non_null(engine_contradiction(&wrong, image, &key));
    assert_string_equal(key, "process");
    wrong = config;
    wrong.unit = (struct ref){24, 4};
    assert_non_null(engine_contradiction(&wrong, image, &key));
    assert_string_equal(key, "unit");
}

static void contradictions_point_at_their_key(void **state)
{
    struct image image = {(const uint8_t *)texts, sizeof texts};
    struct engine_config config = {.directory = {8, 8}};
    const char *key;

    (void)state;
    assert_non_null(engine_contradiction(&config, image, &key));
    assert_string_equal(key, "engine");
    config.command.count = 1;
    assert_non_null(engine_contradiction(&config, image, &key));
    assert_string_equal(key, "directory");
    config.directory = (struct ref){24, 4};
    assert_null(engine_contradiction(&config, image, &key));
    config.probed = true;
    config.probe = (struct engine_probe){.send = {32, 5}, .expect = {24, 4}};
    assert_non_null(engine_contradiction(&config, image, &key));
    assert_string_equal(key, "probe.send");
    config.probe = (struct engine_probe){.send = {24, 4}, .expect = {32, 5}};
    assert_non_null(engine_contradiction(&config, image, &key));
    assert_string_equal(key, "probe.expect");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_probe_is_bytes),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(a_unit_is_a_service_and_comes_alone),
        cmocka_unit_test(the_store_has_no_program_of_anybody_s),
        cmocka_unit_test(contradictions_point_at_their_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
