// clang-format off
#include "unit.h"
// clang-format on
#include "wire/grammar.h"
#include "wire/head.h"

#include <ctype.h>
#include <stdlib.h>

static bool has(const char *set, int byte)
{
    return byte && strchr(set, byte);
}

static int expected_class(int byte)
{
    bool ascii = byte < 0x80, letter = ascii && isalnum(byte), visible = byte > 0x20 && byte < 0x7f;
    bool value = byte == '\t' || byte == ' ' || visible || !ascii;

    return (letter || has("!#$%&'*+-.^_`|~", byte) ? CLASS_TOKEN : 0) | (value ? CLASS_VALUE : 0) |
           (visible && byte != '#' ? CLASS_TARGET : 0) |
           (letter || has("-._~", byte) ? CLASS_HOST : 0) |
           (value && byte != '"' && byte != '\\' ? CLASS_QUOTED : 0);
}

static void every_byte_has_its_classes(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++)
        assert_int_equal(http1_class[byte], expected_class(byte));
}

/* Each byte value at each place of a text of each length up to 20. */
static void words_and_bytes_find_the_same_end_of_a_value(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 20; len++) {
        uint8_t *text = malloc(len);

        assert_non_null(text);
        for (size_t at = 0; at < len; at++)
            for (int byte = 0; byte < 256; byte++) {
                for (size_t i = 0; i < len; i++)
                    text[i] = (uint8_t)(i % 3 ? 0x80 + i : '\t');
                text[at] = (uint8_t)byte;
                assert_ptr_equal(http1_skip_value(text, text + len),
                                 http1_skip(text, text + len, CLASS_VALUE));
            }
        free(text);
    }
}

static void every_known_name_is_found_in_any_case(void **state)
{
    (void)state;
    for (unsigned known = KNOWN_NONE + 1; known < KNOWN_COUNT; known++) {
        const struct http1_known_row *row = &http1_known_rows[known];
        char name[KNOWN_NAME_MAX];

        assert_int_equal(row->len, strlen(row->name));
        for (size_t i = 0; i < sizeof name; i++)
            name[i] = (char)toupper(row->name[i]);
        assert_int_equal(http1_known_name(bytes_of(row->name, row->len)), known);
        assert_int_equal(http1_known_name(bytes_of(name, row->len)), known);
        assert_int_equal(http1_known_name(bytes_of(name, row->len - 1U)), KNOWN_NONE);
        name[row->len - 1] = '~';
        assert_int_equal(http1_known_name(bytes_of(name, row->len)), KNOWN_NONE);
    }
    assert_int_equal(http1_known_name(BYTES("a-name-that-is-longer-than-all-known")), KNOWN_NONE);
    assert_int_equal(http1_known_name(BYTES("~e")), KNOWN_NONE);
    assert_int_equal(http1_known_name(BYTES("1e")), KNOWN_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_has_its_classes),
        cmocka_unit_test(words_and_bytes_find_the_same_end_of_a_value),
        cmocka_unit_test(every_known_name_is_found_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
