// clang-format off
#include "unit.h"
// clang-format on
#include "wire/http1.h"

static uint8_t storage[256];

static void expect(const struct buf *out, const char *text)
{
    assert_false(out->full);
    assert_true(bytes_equal(buf_bytes(out), bytes_of_string(text)));
}

static void a_request_is_written_as_it_is_read(void **state)
{
    struct buf out;

    (void)state;
    buf_over(&out, storage, sizeof storage);
    http1_write_request_line(&out, BYTES("GET"), BYTES("/a"));
    http1_write_field(&out, BYTES("Host"), BYTES("b"));
    http1_write_field(&out, BYTES("Empty"), (struct bytes){0});
    http1_write_end(&out);
    expect(&out, "GET /a HTTP/1.1\r\nHost: b\r\nEmpty: \r\n\r\n");
}

static void a_response_is_written_as_it_is_read(void **state)
{
    struct buf out;

    (void)state;
    buf_over(&out, storage, sizeof storage);
    http1_write_status_line(&out, 404, bytes_of_string(http1_reason(404)));
    http1_write_status_line(&out, 200, (struct bytes){0});
    http1_write_end(&out);
    expect(&out, "HTTP/1.1 404 Not Found\r\nHTTP/1.1 200 \r\n\r\n");
}

static void chunk_heads_are_the_shortest(void **state)
{
    static const struct {
        uint64_t len;
        const char *text;
    } rows[] = {
        {1, "1\r\n"}, {26, "1a\r\n"}, {4096, "1000\r\n"}, {UINT64_MAX, "ffffffffffffffff\r\n"}};
    struct buf out;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_over(&out, storage, sizeof storage);
        http1_write_chunk_head(&out, rows[i].len);
        expect(&out, rows[i].text);
    }
}

static void a_line_that_does_not_fit_is_not_begun(void **state)
{
    struct buf out;

    (void)state;
    buf_over(&out, storage, 8);
    http1_write_field(&out, BYTES("a"), BYTES("b"));
    assert_int_equal(out.len, 6);
    http1_write_field(&out, BYTES("a"), BYTES("b"));
    assert_int_equal(out.len, 6);
    assert_true(out.full);
}

static void an_unknown_status_has_a_phrase_too(void **state)
{
    (void)state;
    assert_string_equal(http1_reason(503), "Service Unavailable");
    assert_string_equal(http1_reason(299), "Unknown");
}

static void only_tokens_are_names_and_control_bytes_are_no_values(void **state)
{
    (void)state;
    assert_true(http1_is_token(BYTES("X-Name_1")));
    assert_false(http1_is_token(BYTES("")));
    assert_false(http1_is_token(BYTES("a b")));
    assert_false(http1_is_token(BYTES("a:")));
    assert_true(http1_is_value(BYTES("")));
    assert_true(http1_is_value(BYTES("a b\tc: \xc3\xa9")));
    assert_false(http1_is_value(BYTES("a\r\nb: c")));
    assert_false(http1_is_value(BYTES("a\0")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_written_as_it_is_read),
        cmocka_unit_test(a_response_is_written_as_it_is_read),
        cmocka_unit_test(chunk_heads_are_the_shortest),
        cmocka_unit_test(a_line_that_does_not_fit_is_not_begun),
        cmocka_unit_test(an_unknown_status_has_a_phrase_too),
        cmocka_unit_test(only_tokens_are_names_and_control_bytes_are_no_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
