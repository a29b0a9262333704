/*
 * What the ledger is made of: histories, and the records in memory.
 */
#include "base/must.h"
#include "base/rng.h"
#include "store/ledger_history.h"
#include "store/ledger_tail.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

/* "1112" : three positions of the epoch 1, one of the epoch 2. */
static struct history of(const char *epochs)
{
    struct history history;

    history_init(&history, (struct position){0});
    for (const char *at = epochs; *at; at++)
        history_extend(&history, (uint64_t)(*at - '0'), history.end + 1);
    return history;
}

static int common_of(const struct history *a, const struct history *b)
{
    uint64_t one = 0, other = 0;
    bool known = history_common(a, b, &one);

    assert_int_equal(history_common(b, a, &other), known);
    assert_int_equal(one, other);
    return known ? (int)one : -1;
}

static int common(const char *a, const char *b)
{
    struct history one = of(a), other = of(b);

    return common_of(&one, &other);
}

static void what_two_logs_have_in_common_is_found_by_epochs(void **state)
{
    (void)state;
    assert_int_equal(common("", ""), 0);
    assert_int_equal(common("111", ""), 0);
    assert_int_equal(common("111", "11"), 2);
    assert_int_equal(common("1112", "1113"), 3);
    assert_int_equal(common("11122", "11133"), 3);
    assert_int_equal(common("1112", "11111113"), 3);
    assert_int_equal(common("113344", "112244"),
                     6); /* 4 had one writer: they cannot differ before */
    assert_int_equal(common("1133", "1122"), 2);
    assert_int_equal(common("33", "12"), 0);
}

static void what_was_dropped_is_not_known_and_not_guessed(void **state)
{
    struct history one = of("1111222233"), other = of("11112");

    (void)state;
    history_drop(&one, 5);
    assert_int_equal(one.base.epoch, 1);
    assert_int_equal(common_of(&one, &other), 5);
    other = of("1111");
    assert_int_equal(common_of(&one, &other), 4);
    other = of("111");
    assert_int_equal(common_of(&one, &other), -1);
    history_drop(&one, 11);
    assert_int_equal(one.count, 0);
    assert_int_equal(history_last(&one).epoch, 3);
    history_extend(&one, 4, 12);
    assert_int_equal(history_epoch(&one, 12), 4);
    assert_int_equal(history_epoch(&one, 13), 0);
    assert_int_equal(history_epoch(&one, 9), 0);
}

static void a_cut_forgets_the_epochs_after_it(void **state)
{
    struct history one = of("1122333");

    (void)state;
    history_cut(&one, 4);
    assert_int_equal(one.count, 2);
    assert_int_equal(history_last(&one).epoch, 2);
    history_extend(&one, 5, 6);
    assert_int_equal(history_epoch(&one, 5), 5);
    assert_int_equal(history_epoch(&one, 4), 2);
}

static void the_oldest_of_too_many_epochs_are_forgotten(void **state)
{
    struct history one;

    (void)state;
    history_init(&one, (struct position){0});
    for (uint64_t epoch = 1; epoch <= HISTORY_RUNS_MAX + 3; epoch++)
        history_extend(&one, epoch, 2 * epoch);
    assert_int_equal(one.count, HISTORY_RUNS_MAX);
    assert_int_equal(one.base.offset, 6);
    assert_int_equal(one.base.epoch, 3);
    assert_int_equal(history_epoch(&one, 7), 4);
}

static void a_history_is_the_same_after_bytes_and_nonsense_is_refused(void **state)
{
    static uint8_t bytes[HISTORY_BYTES_MAX];
    struct history one = of("1122333"), read;
    struct unpack in;
    struct buf out;

    (void)state;
    history_drop(&one, 2);
    buf_over(&out, bytes, sizeof bytes);
    history_encode(&out, &one);
    in = unpack_of(buf_bytes(&out));
    assert_true(history_decode(&in, &read) && unpack_ended(&in));
    assert_int_equal(common_of(&one, &read), 7);
    for (size_t len = 0; len < out.len; len++) {
        in = unpack_of(bytes_of(bytes, len));
        assert_false(history_decode(&in, &read));
    }
    for (size_t at = 0; at < out.len; at++) {
        bytes[at] ^= 0x55;
        in = unpack_of(buf_bytes(&out));
        if (history_decode(&in, &read))
            history_cut(&read, read.base.offset); /* checks itself */
        bytes[at] ^= 0x55;
    }
}

/* ---- the tail ---- */

static void put(struct ledger_tail *tail, uint64_t id, size_t len)
{
    uint8_t *bytes = malloc(len);

    assert_non_null(bytes);
    memset(bytes, (int)id, len);
    tail_put(tail, bytes_of(bytes, len), id);
    free(bytes);
}

static const struct tail_record *at(const struct ledger_tail *tail, uint64_t position)
{
    const struct tail_record *record = tail_at(tail, position);

    must(record);
    return record;
}

static void records_stay_as_they_were_put_until_they_are_dropped(void **state)
{
    struct ledger_tail tail;
    uint64_t bytes = 0, lens[512] = {0};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 3);
    tail_init(&tail, 1);
    for (uint64_t id = 1; id <= 3000; id++) {
        uint64_t len = rng_chance(&rng, 0.01) ? 300000 : 1 + rng_below(&rng, 3000);

        put(&tail, id, len);
        lens[id % 512] = len;
        bytes += len;
        if (rng_chance(&rng, 0.02)) { /* the last one is taken back, and another put */
            tail_cut(&tail, id - 1);
            bytes -= len;
            put(&tail, id, 17);
            lens[id % 512] = 17;
            bytes += 17;
        }
        while (tail.next - tail.first > 400) {
            bytes -= lens[tail.first % 512];
            tail_drop(&tail, tail.first + 1);
        }
        assert_int_equal(tail_bytes(&tail), bytes);
        for (uint64_t i = tail.first; i < tail.next; i += 37) {
            const struct tail_record *record = at(&tail, i);

            assert_int_equal(record->cookie, i);
            assert_int_equal(record->len, lens[i % 512]);
            assert_int_equal(record->at[0], (uint8_t)i);
            assert_int_equal(record->at[record->len - 1], (uint8_t)i);
        }
        assert_int_equal(tail_after(&tail, tail.next - 2), lens[id % 512]);
    }
    assert_null(tail_at(&tail, tail.first - 1));
    assert_null(tail_at(&tail, tail.next));
    tail_reset(&tail, 7);
    assert_int_equal(tail_bytes(&tail), 0);
    put(&tail, 7, 10);
    assert_int_equal(at(&tail, 7)->cookie, 7);
    tail_fini(&tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_two_logs_have_in_common_is_found_by_epochs),
        cmocka_unit_test(what_was_dropped_is_not_known_and_not_guessed),
        cmocka_unit_test(a_cut_forgets_the_epochs_after_it),
        cmocka_unit_test(the_oldest_of_too_many_epochs_are_forgotten),
        cmocka_unit_test(a_history_is_the_same_after_bytes_and_nonsense_is_refused),
        cmocka_unit_test(records_stay_as_they_were_put_until_they_are_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
