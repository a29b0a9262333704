#include "unit.h"

#include "peer/frame.h"

#include <string.h>

enum { BODY_MAX = 64 };

static size_t write_frame(uint8_t *out, uint16_t type, uint64_t sequence, struct bytes body)
{
    frame_write_header(out, type, sequence, body);
    if (body.len)
        memcpy(out + FRAME_HEADER, body.at, body.len);
    return FRAME_HEADER + body.len;
}

static void what_is_written_is_read(void **state)
{
    uint8_t text[128];
    size_t len = write_frame(text, 7, 41, BYTES("body")), used = 0;
    struct frame frame;
    const char *why;

    (void)state;
    assert_int_equal(frame_read(bytes_of(text, sizeof text), 41, BODY_MAX, &frame, &used, &why),
                     FRAME_DONE);
    assert_int_equal(used, len);
    assert_int_equal(frame.type, 7);
    assert_true(bytes_equal(frame.body, BYTES("body")));
}

static void the_layout_is_the_documented_one(void **state)
{
    static const uint8_t head[20] = {'n', '9', 'f', '1', 4, 0, 0, 0, 0x34, 0x12,
                                     0,   0,   8,   7,   6, 5, 4, 3, 2,    1};
    uint8_t text[128];

    (void)state;
    write_frame(text, 0x1234, 0x0102030405060708, BYTES("body"));
    assert_memory_equal(text, head, sizeof head);
}

static void a_part_of_a_frame_needs_more(void **state)
{
    uint8_t text[128];
    size_t len = write_frame(text, 7, 0, BYTES("body")), used = 0;
    struct frame frame;
    const char *why;

    (void)state;
    for (size_t part = 0; part < len; part++)
        assert_int_equal(frame_read(bytes_of(text, part), 0, BODY_MAX, &frame, &used, &why),
                         FRAME_MORE);
}

static void every_changed_bit_is_noticed(void **state)
{
    uint8_t text[128];
    size_t len = write_frame(text, 7, 3, BYTES("body")), used;
    struct frame frame;
    const char *why;

    (void)state;
    for (size_t bit = 0; bit < len * 8; bit++) {
        text[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(frame_read(bytes_of(text, len), 3, BODY_MAX, &frame, &used, &why),
                             FRAME_DONE);
        text[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void what_cannot_be_a_frame_is_told_early(void **state)
{
    uint8_t text[FRAME_HEADER + BODY_MAX + 1] = {0};
    struct frame frame;
    const char *why;
    size_t used;

    (void)state;
    assert_int_equal(frame_read(BYTES("G"), 0, BODY_MAX, &frame, &used, &why), FRAME_WRONG);
    assert_string_equal(why, "bytes that are no frame");
    frame_write_header(text, 7, 0, bytes_of(text, BODY_MAX + 1));
    assert_int_equal(frame_read(bytes_of(text, FRAME_HEADER), 0, BODY_MAX, &frame, &used, &why),
                     FRAME_WRONG);
    assert_string_equal(why, "a frame that is longer than is allowed");
    frame_write_header(text, 7, 4, BYTES(""));
    assert_int_equal(frame_read(bytes_of(text, FRAME_HEADER), 5, BODY_MAX, &frame, &used, &why),
                     FRAME_WRONG);
    assert_string_equal(why, "a frame that came before comes again");
    assert_int_equal(frame_read(bytes_of(text, FRAME_HEADER), 3, BODY_MAX, &frame, &used, &why),
                     FRAME_WRONG);
    assert_string_equal(why, "a frame is missing before one that came");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(the_layout_is_the_documented_one),
        cmocka_unit_test(a_part_of_a_frame_needs_more),
        cmocka_unit_test(every_changed_bit_is_noticed),
        cmocka_unit_test(what_cannot_be_a_frame_is_told_early),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
