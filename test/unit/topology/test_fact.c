#include "base/json.h"
#include "topology/fact.h"
#include "unit.h"

#include <jansson.h>
#include <stdlib.h>

static struct fact full(void)
{
    struct fact fact;

    fact_init(&fact, FACT_QUORUM_LOST, SUBJECT_CLUSTER, "prod");
    fact.at = (struct moment){1795388400123, 7};
    strcpy(fact.node, "alpha");
    fact.member = 3;
    fact.incarnation = 1ULL << 40;
    fact.origin = 0xfedcba9876543210;
    fact.sequence = 42;
    fact.epoch = UINT64_MAX;
    fact_add(&fact, NUMBER_VOTERS, 1);
    fact_add(&fact, NUMBER_NEEDED, 2);
    fact_add(&fact, NUMBER_SKEW_MS, INT64_MIN);
    fact_add(&fact, NUMBER_HASH, -1);
    fact_say(&fact, "1 of 3 voters is linked, 2 are needed: missing are beta and gämma");
    return fact;
}

static void assert_same(const struct fact *a, const struct fact *b)
{
    assert_int_equal(fact_compare(a, b), 0);
    assert_true(fact_same(a, b));
    assert_int_equal(a->code, b->code);
    assert_int_equal(a->member, b->member);
    assert_true(a->incarnation == b->incarnation && a->epoch == b->epoch);
    assert_int_equal(a->subject_kind, b->subject_kind);
    assert_string_equal(a->subject, b->subject);
    assert_int_equal(a->number_count, b->number_count);
    for (uint32_t i = 0; i < a->number_count; i++) {
        assert_int_equal(a->numbers[i].kind, b->numbers[i].kind);
        assert_true(a->numbers[i].value == b->numbers[i].value);
    }
    assert_string_equal(a->text, b->text);
}

static struct bytes encoded(const struct fact *fact)
{
    static uint8_t storage[FACT_BYTES_MAX];
    struct buf out;

    buf_over(&out, storage, sizeof storage);
    fact_encode(fact, &out);
    assert_false(out.full);
    return buf_bytes(&out);
}

static enum fact_outcome decode(struct bytes bytes, struct fact *fact)
{
    const char *why;
    size_t used;

    return fact_decode(bytes, fact, &used, &why);
}

/* ---- making ---- */

static void what_is_not_printable_becomes_a_question_mark(void **state)
{
    struct fact fact;

    (void)state;
    fact_init(&fact, FACT_STRANGER_REFUSED, SUBJECT_STRANGER, "a\x1b[2Jb\xff\n\xe2\x80\xa8z");
    assert_string_equal(fact.subject, "a?[2Jb?\?\?z");
    fact_say(&fact, "he said '%s'", "\r\xc3");
    assert_string_equal(fact.text, "he said '?\?'");
}

static void long_texts_are_cut_between_characters(void **state)
{
    char text[600] = "";
    struct fact fact;

    (void)state;
    for (int i = 0; i < 250; i++)
        strcat(text, "ä");
    fact_init(&fact, FACT_LINK_UP, SUBJECT_NODE, text);
    assert_int_equal(strlen(fact.subject), 126);
    fact_say(&fact, "x%s", text);
    assert_int_equal(strlen(fact.text), 239);
}

static void a_fact_needs_no_subject(void **state)
{
    struct fact fact;

    (void)state;
    fact_init(&fact, FACT_QUORUM_REGAINED, SUBJECT_NONE, NULL);
    assert_string_equal(fact.subject, "");
    assert_int_equal(fact.number_count, 0);
}

/* ---- bytes ---- */

static void what_was_encoded_decodes_to_the_same(void **state)
{
    struct fact fact = full(), back, empty;

    (void)state;
    assert_int_equal(decode(encoded(&fact), &back), FACT_READ);
    assert_same(&fact, &back);
    fact_init(&empty, FACT_LINK_UP, SUBJECT_NONE, NULL);
    assert_int_equal(decode(encoded(&empty), &back), FACT_READ);
    assert_same(&empty, &back);
}

static void the_largest_fact_fits(void **state)
{
    struct fact fact = full(), back;

    (void)state;
    memset(fact.node, 'n', sizeof fact.node - 1);
    memset(fact.subject, 's', sizeof fact.subject - 1);
    memset(fact.text, 't', sizeof fact.text - 1);
    while (fact.number_count < FACT_NUMBERS_MAX)
        fact_add(&fact, NUMBER_LOST_BYTES, INT64_MAX);
    assert_true(encoded(&fact).len <= FACT_BYTES_MAX);
    assert_int_equal(decode(encoded(&fact), &back), FACT_READ);
    assert_same(&fact, &back);
}

static void the_bytes_are_what_they_were_in_version_1(void **state)
{
    static const uint8_t expected[] = {
        77, 0,  1,                                          /* length, version */
        1,  2,  0x4d, 0x04,                                 /* code 1101 */
        2,  12, 1,    0,    0,   0, 0, 0, 0, 0, 2, 0, 0, 0, /* moment */
        3,  1,  'a',                                        /* node */
        4,  4,  3,    0,    0,   0,                         /* member */
        5,  8,  4,    0,    0,   0, 0, 0, 0, 0,             /* incarnation */
        6,  8,  5,    0,    0,   0, 0, 0, 0, 0,             /* origin */
        7,  8,  6,    0,    0,   0, 0, 0, 0, 0,             /* sequence */
        8,  2,  2,    'b',                                  /* subject */
        9,  8,  7,    0,    0,   0, 0, 0, 0, 0,             /* epoch */
        11, 3,  'h',  'e',  'y',
    };
    struct fact fact;

    (void)state;
    fact_init(&fact, FACT_LEADER_ELECTED, SUBJECT_NODE, "b");
    fact.at = (struct moment){1, 2};
    strcpy(fact.node, "a");
    fact.member = 3;
    fact.incarnation = 4;
    fact.origin = 5;
    fact.sequence = 6;
    fact.epoch = 7;
    fact_say(&fact, "hey");
    assert_int_equal(encoded(&fact).len, sizeof expected);
    assert_memory_equal(encoded(&fact).at, expected, sizeof expected);
}

static void a_cut_fact_is_not_whole_yet(void **state)
{
    struct fact fact = full(), back;
    struct bytes bytes = encoded(&fact);

    (void)state;
    for (size_t len = 0; len < bytes.len; len++) {
        uint8_t *exact = malloc(len ? len : 1); /* so that a sanitizer sees a step too far */

        assert_non_null(exact);
        memcpy(exact, bytes.at, len);
        assert_int_equal(decode(bytes_of(exact, len), &back), FACT_MORE);
        free(exact);
    }
}

static void a_shortened_length_is_never_misread(void **state)
{
    struct fact fact = full(), back;
    uint8_t storage[FACT_BYTES_MAX];
    struct bytes bytes = encoded(&fact);

    (void)state;
    memcpy(storage, bytes.at, bytes.len);
    for (size_t len = 1; len < bytes.len - 2; len++) {
        storage[0] = (uint8_t)len;
        storage[1] = (uint8_t)(len >> 8);
        if (decode(bytes_of(storage, 2 + len), &back) == FACT_READ)
            assert_true(back.code == fact.code && back.number_count <= fact.number_count);
    }
}

static void unknown_fields_are_skipped(void **state)
{
    static const uint8_t extra[] = {12, 0, 13, 3, 1, 2, 3, 255, 1, 9};
    struct fact fact = full(), back;
    uint8_t storage[FACT_BYTES_MAX + sizeof extra];
    struct bytes bytes = encoded(&fact);

    (void)state;
    memcpy(storage, bytes.at, bytes.len);
    memcpy(storage + bytes.len, extra, sizeof extra);
    storage[0] = (uint8_t)(bytes.len - 2 + sizeof extra);
    storage[1] = (uint8_t)((bytes.len - 2 + sizeof extra) >> 8);
    assert_int_equal(decode(bytes_of(storage, bytes.len + sizeof extra), &back), FACT_READ);
    assert_same(&fact, &back);
}

static void more_numbers_than_we_hold_are_skipped(void **state)
{
    uint8_t storage[256] = {0, 0, 1, 1, 2, 0x4d, 0x04};
    size_t len = 7;
    struct fact back;

    (void)state;
    for (uint8_t i = 0; i < FACT_NUMBERS_MAX + 2; i++) {
        storage[len] = 10;
        storage[len + 1] = 9;
        storage[len + 2] = 200; /* a kind of a newer version */
        storage[len + 3] = i;
        len += 11;
    }
    assert_true(len - 2 <= UINT8_MAX);
    storage[0] = (uint8_t)(len - 2);
    assert_int_equal(decode(bytes_of(storage, len), &back), FACT_READ);
    assert_int_equal(back.number_count, FACT_NUMBERS_MAX);
    assert_int_equal(back.numbers[FACT_NUMBERS_MAX - 1].value, FACT_NUMBERS_MAX - 1);
    assert_string_equal(number_name(back.numbers[0].kind), "unknown");
}

static void what_is_no_fact_is_refused(void **state)
{
    static const struct {
        uint8_t bytes[20];
        size_t len;
    } rows[] = {
        {{0, 0}, 2},                              /* empty */
        {{0xff, 0xff, 1}, 3},                     /* too long */
        {{5, 0, 2, 1, 2, 1, 1}, 7},               /* another version */
        {{1, 0, 1}, 3},                           /* no code */
        {{5, 0, 1, 1, 2, 0, 0}, 7},               /* code 0 */
        {{4, 0, 1, 1, 1, 1}, 6},                  /* a short code */
        {{6, 0, 1, 1, 2, 1, 1, 3}, 8},            /* a field without its length */
        {{7, 0, 1, 1, 2, 1, 1, 3, 9}, 9},         /* a field longer than the fact */
        {{9, 0, 1, 1, 2, 1, 1, 1, 2, 1, 1}, 11},  /* twice */
        {{8, 0, 1, 3, 1, 'a', 1, 2, 1, 1}, 10},   /* falling tags */
        {{7, 0, 1, 0, 0, 1, 2, 1, 1}, 9},         /* tag 0 */
        {{8, 0, 1, 1, 2, 1, 1, 3, 1, 0}, 10},     /* a NUL in a name */
        {{8, 0, 1, 1, 2, 1, 1, 3, 1, 0xff}, 10},  /* no UTF-8 */
        {{8, 0, 1, 1, 2, 1, 1, 11, 1, '\n'}, 10}, /* a line break */
    };
    struct fact back;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(decode(bytes_of(rows[i].bytes, rows[i].len), &back), FACT_WRONG);
}

static void a_fact_that_does_not_fit_leaves_the_buffer_as_it_was(void **state)
{
    uint8_t storage[100];
    struct fact fact = full();
    struct buf out;

    (void)state;
    buf_over(&out, storage, sizeof storage);
    buf_add_byte(&out, 'x');
    fact_encode(&fact, &out);
    assert_true(out.full);
    assert_int_equal(out.len, 1);
}

/* ---- order ---- */

static void the_order_is_total(void **state)
{
    struct fact a = full(), b = full();

    (void)state;
    b.sequence++;
    assert_true(fact_compare(&a, &b) < 0 && fact_compare(&b, &a) > 0);
    assert_false(fact_same(&a, &b));
    b = a;
    b.origin++;
    assert_true(fact_compare(&a, &b) < 0);
    assert_false(fact_same(&a, &b));
    strcpy(b.node, "Zeta");
    assert_true(fact_compare(&a, &b) > 0);
    b.at.counter++;
    assert_true(fact_compare(&a, &b) < 0);
}

/* ---- JSON ---- */

static void prints_as_one_object(void **state)
{
    struct fact fact = full();
    char storage[2048];
    struct json json;
    struct buf out;

    (void)state;
    buf_over(&out, storage, sizeof storage - 1);
    json_init(&json, &out);
    fact_print_json(&fact, &json);
    assert_false(out.full);
    storage[out.len] = '\0';
    assert_string_equal(
        storage,
        "{\"time\":\"2026-11-22T23:00:00.123Z\",\"wall_ms\":1795388400123,\"counter\":7,"
        "\"code\":\"N-1105\",\"name\":\"quorum-lost\",\"severity\":\"critical\",\"node\":\"alpha\","
        "\"member\":3,\"incarnation\":1099511627776,\"origin\":\"fedcba9876543210\","
        "\"sequence\":42,\"subject\":{\"kind\":\"cluster\",\"name\":\"prod\"},"
        "\"epoch\":9223372036854775807,\"numbers\":[{\"kind\":\"voters\",\"value\":1},"
        "{\"kind\":\"needed\",\"value\":2},{\"kind\":\"skew_ms\",\"value\":-9223372036854775808},"
        "{\"kind\":\"hash\",\"value\":\"ffffffffffffffff\"}],"
        "\"text\":\"1 of 3 voters is linked, 2 are needed: missing are beta and gämma\"}");
}

static void a_code_of_a_newer_version_is_a_warning(void **state)
{
    struct fact fact = full();
    char storage[2048];
    struct json json;
    struct buf out;

    (void)state;
    fact.code = 9999;
    fact.subject_kind = 99;
    buf_over(&out, storage, sizeof storage - 1);
    json_init(&json, &out);
    fact_print_json(&fact, &json);
    storage[out.len] = '\0';
    assert_non_null(
        strstr(storage, "\"code\":\"N-9999\",\"name\":\"unknown\",\"severity\":\"warning\""));
    assert_non_null(strstr(storage, "\"subject\":{\"kind\":\"unknown\""));
}

static void every_kind_has_a_name(void **state)
{
    (void)state;
    for (uint8_t i = 0; i < SUBJECT_KINDS; i++)
        assert_string_not_equal(subject_name(i), "unknown");
    for (uint8_t i = 0; i < NUMBER_KINDS; i++)
        assert_string_not_equal(number_name(i), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_printable_becomes_a_question_mark),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(a_fact_needs_no_subject),
        cmocka_unit_test(what_was_encoded_decodes_to_the_same),
        cmocka_unit_test(the_largest_fact_fits),
        cmocka_unit_test(the_bytes_are_what_they_were_in_version_1),
        cmocka_unit_test(a_cut_fact_is_not_whole_yet),
        cmocka_unit_test(a_shortened_length_is_never_misread),
        cmocka_unit_test(unknown_fields_are_skipped),
        cmocka_unit_test(more_numbers_than_we_hold_are_skipped),
        cmocka_unit_test(what_is_no_fact_is_refused),
        cmocka_unit_test(a_fact_that_does_not_fit_leaves_the_buffer_as_it_was),
        cmocka_unit_test(the_order_is_total),
        cmocka_unit_test(prints_as_one_object),
        cmocka_unit_test(a_code_of_a_newer_version_is_a_warning),
        cmocka_unit_test(every_kind_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
