#include "topology/codes.h"
#include "unit.h"

#include "base/utf8.h"

#include <ctype.h>
#include <stdio.h>

enum { NAME_MAX_LEN = 22, MEANING_MAX = 120, ADVICE_MAX = 600 };

static void codes_rise_and_names_differ(void **state)
{
    (void)state;
    for (size_t i = 1; i < code_count; i++) {
        assert_true(codes[i].code > codes[i - 1].code);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(codes[i].name, codes[j].name);
    }
}

static void assert_sentence(const char *text, size_t most)
{
    struct bytes bytes = bytes_of_string(text);

    assert_in_range(bytes.len, 5, most);
    assert_int_equal(utf8_valid(bytes), bytes.len);
    assert_true(isupper((unsigned char)text[0]) || text[0] == '`');
    assert_null(strstr(text, "  "));
    assert_null(strchr(text, '\n'));
}

static void every_row_says_what_it_means_and_what_to_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < code_count; i++) {
        assert_sentence(codes[i].meaning, MEANING_MAX);
        assert_sentence(codes[i].advice, ADVICE_MAX);
        assert_int_not_equal(codes[i].meaning[strlen(codes[i].meaning) - 1], '.');
        assert_int_equal(codes[i].advice[strlen(codes[i].advice) - 1], '.');
        assert_true(codes[i].severity < SEVERITIES);
    }
}

static void names_are_words_with_dashes(void **state)
{
    (void)state;
    for (size_t i = 0; i < code_count; i++) {
        assert_in_range(strlen(codes[i].name), 3, NAME_MAX_LEN);
        assert_int_equal(strspn(codes[i].name, "abcdefghijklmnopqrstuvwxyz-"),
                         strlen(codes[i].name));
    }
}

static void bad_news_tells_what_to_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < code_count; i++)
        if (codes[i].severity != SEVERITY_INFO)
            assert_string_not_equal(codes[i].advice, "Nothing.");
}

static void codes_stay_within_their_areas(void **state)
{
    (void)state;
    for (size_t i = 0; i < code_count; i++) {
        assert_true((codes[i].code >= 1001 && codes[i].code < 1900) || codes[i].code / 100 == 20);
        assert_true(codes[i].code % 100 > 0);
    }
}

/* Whoever wrote a code down has to find it again. */
static void the_first_codes_never_change(void **state)
{
    (void)state;
    assert_int_equal(FACT_AGENT_STARTED, 1001);
    assert_int_equal(FACT_LEADER_ELECTED, 1101);
    assert_int_equal(FACT_QUORUM_LOST, 1105);
    assert_int_equal(FACT_SNAPSHOT_FAILED, 1109);
    assert_int_equal(FACT_FACTS_LEFT_OUT, 1410);
    assert_int_equal(FACT_FAILOVER_DONE, 2003);
}

static void a_code_is_found_by_all_that_people_write(void **state)
{
    static const char *const texts[] = {"N-1101", "n-1101", "1101", "leader-elected",
                                        "Leader-Elected"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_ptr_equal(code_find_text(bytes_of_string(texts[i])), code_find(FACT_LEADER_ELECTED));
}

static void what_is_no_code_is_not_found(void **state)
{
    static const char *const texts[] = {"",      "N-",    "N-0", "-1101",  "N-66637",
                                        "11010", "N1101", "x",   "N--1101"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_null(code_find_text(bytes_of_string(texts[i])));
    assert_null(code_find(0));
}

static void every_code_prints_as_what_finds_it(void **state)
{
    char text[CODE_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < code_count; i++)
        assert_ptr_equal(code_find_text(bytes_of_string(code_print(codes[i].code, text))),
                         &codes[i]);
    assert_string_equal(code_print(UINT16_MAX, text), "N-65535");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_rise_and_names_differ),
        cmocka_unit_test(every_row_says_what_it_means_and_what_to_do),
        cmocka_unit_test(names_are_words_with_dashes),
        cmocka_unit_test(bad_news_tells_what_to_do),
        cmocka_unit_test(codes_stay_within_their_areas),
        cmocka_unit_test(the_first_codes_never_change),
        cmocka_unit_test(a_code_is_found_by_all_that_people_write),
        cmocka_unit_test(what_is_no_code_is_not_found),
        cmocka_unit_test(every_code_prints_as_what_finds_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
