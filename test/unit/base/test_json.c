#include "base/json.h"

#include "base/utf8.h"
#include "unit.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

struct sheet {
    char text[1024];
    struct buf out;
    struct json json;
};

static void sheet_init(struct sheet *sheet)
{
    buf_over(&sheet->out, sheet->text, sizeof sheet->text);
    json_init(&sheet->json, &sheet->out);
}

static void assert_sheet(struct sheet *sheet, const char *expected)
{
    assert_true(sheet->json.done);
    assert_int_equal(sheet->out.len, strlen(expected));
    assert_memory_equal(sheet->text, expected, strlen(expected));
}

static void commas_stand_where_they_belong(void **state)
{
    struct sheet s;

    (void)state;
    sheet_init(&s);
    json_begin_object(&s.json);
    json_key(&s.json, "a");
    json_begin_array(&s.json);
    json_add_number(&s.json, INT64_MIN);
    json_begin_array(&s.json);
    json_end(&s.json);
    json_begin_object(&s.json);
    json_end(&s.json);
    json_add_bool(&s.json, true);
    json_end(&s.json);
    json_key(&s.json, "b");
    json_add_null(&s.json);
    json_key(&s.json, "c");
    json_add_unsigned(&s.json, UINT64_MAX);
    json_end(&s.json);
    assert_sheet(&s,
                 "{\"a\":[-9223372036854775808,[],{},true],\"b\":null,\"c\":18446744073709551615}");
}

static void strings_are_escaped(void **state)
{
    struct sheet s;

    (void)state;
    sheet_init(&s);
    json_add_text(&s.json, BYTES("a\"b\\c\b\f\n\r\t\x01\x7f\0/\xc3\xa9"));
    assert_sheet(&s, "\"a\\\"b\\\\c\\b\\f\\n\\r\\t\\u0001\\u007f\\u0000/\xc3\xa9\"");
}

static void bytes_that_are_not_utf8_become_the_replacement_character(void **state)
{
    static const char *const bad[] = {"\x80",         "\xc0\xaf",         "\xe2\x82",
                                      "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct sheet s;
        json_t *read;

        sheet_init(&s);
        json_add_text(&s.json, bytes_of_string(bad[i]));
        assert_int_equal(utf8_valid(bytes_of_string(bad[i])), 0);
        assert_int_equal(s.out.len, 2 + 3 * strlen(bad[i]));
        read = json_loadb(s.text, s.out.len, JSON_DECODE_ANY, NULL);
        assert_non_null(read);
        json_decref(read);
    }
}

static void a_double_reads_back_the_same(void **state)
{
    static const double numbers[] = {0.1, 1.0 / 3, 1e300, -2.5, 5e-324, 123456789.123456789};
    struct sheet s;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        sheet_init(&s);
        json_add_double(&s.json, numbers[i]);
        buf_add_byte(&s.out, 0);
        assert_true(strtod(s.text, NULL) == numbers[i]);
    }
    sheet_init(&s);
    json_add_double(&s.json, 0.1);
    assert_sheet(&s, "0.1");
}

static void what_json_cannot_hold_is_null(void **state)
{
    struct sheet s;

    (void)state;
    sheet_init(&s);
    json_begin_array(&s.json);
    json_add_double(&s.json, NAN);
    json_add_double(&s.json, INFINITY);
    json_add_string(&s.json, NULL);
    json_end(&s.json);
    assert_sheet(&s, "[null,null,null]");
}

static void containers_nest_to_the_bound(void **state)
{
    struct sheet s;

    (void)state;
    sheet_init(&s);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_begin_array(&s.json);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_end(&s.json);
    assert_true(s.json.done);
    assert_int_equal(s.out.len, 2 * JSON_DEPTH_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_stand_where_they_belong),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(bytes_that_are_not_utf8_become_the_replacement_character),
        cmocka_unit_test(a_double_reads_back_the_same),
        cmocka_unit_test(what_json_cannot_hold_is_null),
        cmocka_unit_test(containers_nest_to_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
