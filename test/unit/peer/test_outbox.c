#include "unit.h"

#include "peer/frame.h"
#include "peer/outbox.h"

static void keeps_order_and_lets_what_is_urgent_pass(void **state)
{
    static const uint16_t order[] = {3, 4, 1, 2};
    struct outbox outbox = {0};

    (void)state;
    assert_true(outbox_add(&outbox, 1, BYTES("one"), false));
    assert_false(outbox_passes(&outbox, false));
    assert_true(outbox_passes(&outbox, true));
    assert_true(outbox_add(&outbox, 2, BYTES(""), false));
    assert_true(outbox_add(&outbox, 3, BYTES("three"), true));
    assert_false(outbox_passes(&outbox, true));
    assert_true(outbox_add(&outbox, 4, BYTES("four"), true));
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        assert_int_equal(outbox_first(&outbox)->type, order[i]);
        outbox_drop_first(&outbox);
    }
    assert_null(outbox_first(&outbox));
    assert_int_equal(outbox.bytes, 0);
}

static void is_bounded_and_keeps_room_for_what_is_urgent(void **state)
{
    static uint8_t body[1000];
    struct outbox outbox = {0};
    uint32_t bulk = 0, urgent = 0;

    (void)state;
    while (outbox_add(&outbox, 1, bytes_of(body, sizeof body), false))
        bulk++;
    while (outbox_add(&outbox, 2, bytes_of(body, sizeof body), true))
        urgent++;
    assert_int_equal(bulk, (OUTBOX_MAX - OUTBOX_URGENT) / (sizeof body + FRAME_HEADER));
    assert_in_range(urgent, OUTBOX_URGENT / (sizeof body + FRAME_HEADER), 70);
    assert_true(outbox.bytes <= OUTBOX_MAX);
    outbox_clear(&outbox);
    assert_true(outbox_add(&outbox, 1, bytes_of(body, sizeof body), false));
    outbox_clear(&outbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_and_lets_what_is_urgent_pass),
        cmocka_unit_test(is_bounded_and_keeps_room_for_what_is_urgent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
