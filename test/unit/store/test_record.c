/*
 * Records as bytes.
 */
#include "base/rng.h"
#include "store/record.h"
#include "unit.h"

#include <stdlib.h>

static void what_is_written_is_read(void **state)
{
    struct bytes words[] = {BYTES("set"), BYTES(""), BYTES("a\0b")}, word;
    struct buf out;
    struct record record;

    (void)state;
    buf_init(&out, RECORD_BYTES_MAX);
    assert_true(record_write(&out, RECORD_COMMAND, 1234567890123, words, 3));
    assert_int_equal(out.len, RECORD_HEADER_BYTES + 3 * 4 + 3 + 3);
    assert_true(record_read(buf_bytes(&out), &record));
    assert_int_equal(record.kind, RECORD_COMMAND);
    assert_int_equal(record.time_ms, 1234567890123);
    assert_int_equal(record.count, 3);
    for (int i = 0; i < 3; i++) {
        assert_true(record_next_word(&record, &word));
        assert_true(bytes_equal(word, words[i]));
    }
    assert_false(record_next_word(&record, &word));
    buf_fini(&out);
}

static void no_part_of_a_record_is_one(void **state)
{
    struct bytes words[] = {BYTES("del"), BYTES("key")};
    struct buf out;
    struct record record;

    (void)state;
    buf_init(&out, RECORD_BYTES_MAX);
    assert_true(record_write(&out, RECORD_EXEC, 1, words, 2));
    for (size_t len = 0; len < out.len; len++)
        assert_false(record_read(bytes_of(out.at, len), &record));
    buf_add_byte(&out, 0);
    assert_false(record_read(buf_bytes(&out), &record));
    buf_fini(&out);
}

static void a_record_too_long_is_refused(void **state)
{
    uint8_t *big = calloc(1, RECORD_BYTES_MAX);
    struct bytes word = bytes_of(big, RECORD_BYTES_MAX - RECORD_HEADER_BYTES - 4);
    struct buf out;
    struct record record;

    (void)state;
    buf_init(&out, 2 * RECORD_BYTES_MAX);
    assert_true(record_write(&out, RECORD_COMMAND, 1, &word, 1));
    assert_true(record_read(buf_bytes(&out), &record));
    buf_clear(&out);
    word.len++;
    assert_false(record_write(&out, RECORD_COMMAND, 1, &word, 1));
    assert_int_equal(out.len, 0);
    free(big);
    buf_fini(&out);
}

/* Any byte changed: refused, or its words still lie within it. */
static void garbage_is_read_within_its_bounds(void **state)
{
    struct bytes words[] = {BYTES("mset"), BYTES("a"), BYTES("1")}, word;
    struct record record;
    struct rng rng;
    struct buf out;

    (void)state;
    rng_seed(&rng, 7);
    buf_init(&out, RECORD_BYTES_MAX);
    for (int i = 0; i < 20000; i++) {
        buf_clear(&out);
        assert_true(record_write(&out, RECORD_COMMAND, 5, words, 3));
        out.at[rng_below(&rng, out.len)] = (uint8_t)rng_next(&rng);
        if (!record_read(buf_bytes(&out), &record))
            continue;
        for (uint32_t n = 0; n < record.count; n++) {
            assert_true(record_next_word(&record, &word));
            assert_true(word.at + word.len <= out.at + out.len);
        }
        assert_false(record_next_word(&record, &word));
    }
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(no_part_of_a_record_is_one),
        cmocka_unit_test(a_record_too_long_is_refused),
        cmocka_unit_test(garbage_is_read_within_its_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
