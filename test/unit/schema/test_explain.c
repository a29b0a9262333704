#include "shop.h"

#include "base/must.h"
#include "unit.h"

#include <jansson.h>
#include <string.h>

static void assert_explained(const char *key, const char *expected)
{
    const char *nearest;
    struct buf out;

    buf_init(&out, 1 << 16);
    assert_true(schema_explain(shop_rows, key, &out, &nearest));
    buf_add_byte(&out, '\0');
    assert_string_equal((const char *)out.at, expected);
    buf_fini(&out);
}

static void a_key_is_explained_with_or_without_the_names_in_between(void **state)
{
    static const char *const keys[] = {"pools.health_check.interval",
                                       "pools.api.health_check.interval",
                                       "pools.NAME.health_check.interval"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        assert_explained(keys[i], "pools.NAME.health_check.interval\n"
                                  "  How often to ask.\n"
                                  "\n"
                                  "  type     a duration from 10ms to 1h\n"
                                  "  default  1s\n"
                                  "  change   takes effect at a reload\n"
                                  "  example  interval: 1s\n");
    assert_explained("pools.api.backends[3].weight", "pools.NAME.backends.weight\n"
                                                     "  Its share of the work.\n"
                                                     "\n"
                                                     "  type     a number from 0 to 256\n"
                                                     "  default  1\n"
                                                     "  change   takes effect at a reload\n"
                                                     "  example  weight: 1\n");
}

static void the_name_of_an_item_is_explained_as_its_map(void **state)
{
    const char *nearest;
    struct buf map, item;

    (void)state;
    buf_init(&map, 1 << 16);
    buf_init(&item, 1 << 16);
    assert_true(schema_explain(shop_rows, "pools", &map, &nearest));
    assert_true(schema_explain(shop_rows, "pools.web", &item, &nearest));
    assert_true(bytes_starts_with(buf_bytes(&map), BYTES("pools\n")));
    assert_true(bytes_equal(buf_bytes(&map), buf_bytes(&item)));
    buf_fini(&map);
    buf_fini(&item);
}

static void a_container_is_explained_with_its_keys(void **state)
{
    (void)state;
    assert_explained("pools.backends", "pools.NAME.backends\n"
                                       "  The servers that answer.\n"
                                       "\n"
                                       "  type     a section, or a list of them\n"
                                       "  default  none: it must be written\n"
                                       "  change   takes effect at a reload\n"
                                       "  short    a scalar stands for its `address`\n"
                                       "\n"
                                       "  address              Where the backend listens.\n"
                                       "  weight               Its share of the work.\n"
                                       "  backup               Only when no other is left.\n");
}

static void an_unknown_key_is_answered_with_the_nearest(void **state)
{
    const char *nearest;
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 16);
    assert_false(schema_explain(shop_rows, "pols", &out, &nearest));
    assert_string_equal(nearest, "pools");
    assert_false(schema_explain(shop_rows, "pools.health_check.intervall", &out, &nearest));
    assert_string_equal(nearest, "interval");
    assert_false(schema_explain(shop_rows, "cluster.x", &out, &nearest));
    assert_null(nearest);
    assert_false(schema_explain(shop_rows, "....", &out, &nearest));
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

static void the_list_of_all_keys_names_each_once(void **state)
{
    const char *nearest;
    struct buf out;
    unsigned lines = 0;

    (void)state;
    buf_init(&out, 1 << 16);
    assert_true(schema_explain(shop_rows, "", &out, &nearest));
    for (size_t i = 0; i < out.len; i++)
        lines += out.at[i] == '\n';
    assert_int_equal(lines, 26);
    buf_add_byte(&out, '\0');
    assert_non_null(strstr((const char *)out.at, "\npools.NAME.timeout.idle  a duration of at "
                                                 "least 10ms, or never; default never\n"));
    buf_fini(&out);
}

static json_t *at(json_t *json, const char *path)
{
    char word[64];

    while (*path) {
        size_t len = strcspn(path, " ");

        memcpy(word, path, len);
        word[len] = '\0';
        json = word[0] >= '0' && word[0] <= '9' ? json_array_get(json, (size_t)(word[0] - '0'))
                                                : json_object_get(json, word);
        assert_non_null(json);
        path += len + (path[len] == ' ');
    }
    return json;
}

static void the_json_schema_is_json_and_says_what_the_rows_say(void **state)
{
    static const char backend[] = "properties pools additionalProperties properties backends anyOf "
                                  "2 items anyOf 1 properties weight";
    struct buf out;
    json_t *json;

    (void)state;
    buf_init(&out, 1 << 20);
    schema_json(shop_rows, &out);
    json = json_loadb((const char *)out.at, out.len, 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(at(json, "required 0")), "cluster");
    assert_int_equal(json_integer_value(json_object_get(at(json, backend), "maximum")), 256);
    assert_int_equal(json_integer_value(json_object_get(at(json, backend), "minimum")), 0);
    assert_int_equal(json_integer_value(json_object_get(at(json, backend), "default")), 1);
    json_decref(json);
    buf_fini(&out);
}

static void the_reference_has_a_heading_for_each_section(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    schema_document(shop_rows, &out);
    buf_add_byte(&out, '\0');
    assert_non_null(strstr((const char *)out.at, "\n## `pools.NAME.health_check.expect`\n"));
    assert_non_null(strstr((const char *)out.at,
                           "\n| `budget` | a percentage from 0% to 100% | `20%` | reload | How "
                           "many retries. |\n"));
    buf_fini(&out);
}

static void the_nearest_word_is_near(void **state)
{
    static const char *const names[] = {"interval", "unhealthy_threshold", "timeout", "on", NULL};

    (void)state;
    assert_string_equal(schema_nearest("intervall", names), "interval");
    assert_string_equal(schema_nearest("itnerval", names), "interval");
    assert_string_equal(schema_nearest("interval-ms", names), "interval");
    assert_string_equal(schema_nearest("Timeout", names), "timeout");
    assert_string_equal(schema_nearest("unhealthy", names), "unhealthy_threshold");
    assert_null(schema_nearest("colour", names));
    assert_null(schema_nearest("x", names));
    assert_null(schema_nearest("", names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_explained_with_or_without_the_names_in_between),
        cmocka_unit_test(the_name_of_an_item_is_explained_as_its_map),
        cmocka_unit_test(a_container_is_explained_with_its_keys),
        cmocka_unit_test(an_unknown_key_is_answered_with_the_nearest),
        cmocka_unit_test(the_list_of_all_keys_names_each_once),
        cmocka_unit_test(the_json_schema_is_json_and_says_what_the_rows_say),
        cmocka_unit_test(the_reference_has_a_heading_for_each_section),
        cmocka_unit_test(the_nearest_word_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
