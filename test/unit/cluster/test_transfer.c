/*
 * A snapshot comes in parts: they are put together in order, and never those of two.
 */
#include "cluster/transfer.h"
#include "unit.h"

#include <string.h>

enum { WANTED = 7, TERM = 3 };

static struct part part_of(uint64_t index, uint32_t total, uint32_t offset, const char *text)
{
    return (struct part){index, TERM, total, offset, bytes_of_string(text)};
}

static enum transfer_result take(struct transfer *transfer, struct part part)
{
    return transfer_take(transfer, &part);
}

static bool holds(const struct transfer *transfer, const char *text)
{
    return bytes_equal(buf_bytes(&transfer->bytes), bytes_of_string(text));
}

static int begin(void **state)
{
    static struct transfer transfer;

    transfer_init(&transfer, WANTED, TERM);
    *state = &transfer;
    return 0;
}

static int end(void **state)
{
    transfer_fini(*state);
    return 0;
}

static void parts_become_a_whole_in_order(void **state)
{
    struct transfer *t = *state;

    assert_int_equal(take(t, part_of(7, 6, 0, "ab")), TRANSFER_MORE);
    assert_int_equal(take(t, part_of(7, 6, 0, "ab")), TRANSFER_IGNORED);
    assert_int_equal(take(t, part_of(7, 6, 4, "ef")), TRANSFER_IGNORED);
    assert_int_equal(take(t, part_of(7, 6, 2, "cdef")), TRANSFER_WHOLE);
    assert_true(holds(t, "abcdef"));
}

static void a_later_snapshot_serves_and_an_older_one_does_not(void **state)
{
    struct transfer *t = *state;

    assert_int_equal(take(t, part_of(6, 2, 0, "ab")), TRANSFER_BROKEN);
    assert_int_equal(take(t, part_of(9, 2, 0, "ab")), TRANSFER_WHOLE);
    assert_int_equal(t->index, 9);
}

static void parts_of_two_snapshots_are_never_put_together(void **state)
{
    struct transfer *t = *state;
    struct part other_term = part_of(7, 6, 2, "cd");

    other_term.term++;
    assert_int_equal(take(t, part_of(7, 6, 0, "ab")), TRANSFER_MORE);
    assert_int_equal(take(t, part_of(8, 6, 2, "cd")), TRANSFER_BROKEN);
    assert_int_equal(take(t, part_of(7, 5, 2, "cd")), TRANSFER_BROKEN);
    assert_int_equal(take(t, other_term), TRANSFER_BROKEN);
    assert_true(holds(t, "ab"));
}

static void no_more_is_taken_than_was_announced_or_may_be(void **state)
{
    struct transfer *t = *state;

    assert_int_equal(take(t, part_of(7, 3, 0, "abcd")), TRANSFER_BROKEN);
    assert_int_equal(take(t, part_of(7, 3, 0, "")), TRANSFER_BROKEN);
    assert_int_equal(take(t, part_of(7, SNAPSHOT_BYTES_MAX + 1, 0, "a")), TRANSFER_BROKEN);
    assert_int_equal(take(t, part_of(7, SNAPSHOT_BYTES_MAX, 0, "a")), TRANSFER_MORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(parts_become_a_whole_in_order, begin, end),
        cmocka_unit_test_setup_teardown(a_later_snapshot_serves_and_an_older_one_does_not, begin,
                                        end),
        cmocka_unit_test_setup_teardown(parts_of_two_snapshots_are_never_put_together, begin, end),
        cmocka_unit_test_setup_teardown(no_more_is_taken_than_was_announced_or_may_be, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
