// clang-format off
#include "unit.h"
// clang-format on
#include "http1_story.h"

struct body_row {
    struct bytes bytes;
    const char *story; /* content, then `.` done, `+` more, or ` STATUS why` */
};

#define ROW(text, story)                                                                           \
    {                                                                                              \
        {(const uint8_t *)("" text), sizeof(text) - 1}, story                                      \
    }
#define BAD(text, why) ROW(text, " 400 " why)

static void expect(const struct http1_head *head, const struct body_row *row, struct bytes cuts)
{
    struct buf story;

    buf_init(&story, STORY_MAX);
    tell_body(&story, head, row->bytes, cuts);
    if (!bytes_equal(buf_bytes(&story), bytes_of_string(row->story)))
        fail_msg("'%.*s' in pieces of %u\nexpected: %s\nfound:    %.*s", (int)row->bytes.len,
                 (const char *)row->bytes.at, cuts.len ? cuts.at[0] : 0, row->story, (int)story.len,
                 (const char *)story.at);
    buf_fini(&story);
}

/* Whole, byte by byte, in pieces of 2 to 7, and cut in two everywhere. */
static void run(const struct http1_head *head, const struct body_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        expect(head, &rows[i], (struct bytes){0});
        for (uint8_t step = 1; step < 8; step++)
            expect(head, &rows[i], bytes_of(&step, 1));
        for (size_t len = 1; len < rows[i].bytes.len && len < 256; len++)
            expect(head, &rows[i], bytes_of((uint8_t[]){(uint8_t)len, 0}, 2));
    }
}

static const struct http1_head chunked = {.framing = FRAMING_CHUNKED};

static void chunks_give_their_content(void **state)
{
    static const struct body_row rows[] = {
        ROW("0\r\n\r\nnext", "."),
        ROW("5\r\nhello\r\n0\r\n\r\n", "hello."),
        ROW("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world."),
        ROW("1\r\na\r\n1\r\nb\r\n2\r\n\r\n\r\n0\r\n\r\n", "ab\r\n."),
        ROW("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789."),
        ROW("00005\r\nhello\r\n000\r\n\r\n", "hello."),
        ROW("5;a\r\nhello\r\n0;b\r\n\r\n", "hello."),
        ROW("5;a=b;c=\"d \\\" \\\\ ; \xc3\xa9\";e\r\nhello\r\n0\r\n\r\n", "hello."),
        ROW("5 ; a = b\t;\tc = \"\" ;d\r\nhello\r\n0\r\n\r\n", "hello."),
        ROW("0\r\nX: y\r\nContent-Length: 5\r\nEmpty:\r\n\r\n", "."),
    };
    static const struct body_row unfinished[] = {
        ROW("", "+"),        ROW("5", "+"),         ROW("5\r", "+"),         ROW("5\r\nhe", "he+"),
        ROW("1\r\na", "a+"), ROW("1\r\na\r", "a+"), ROW("1\r\na\r\n", "a+"), ROW("0\r\n", "+"),
        ROW("0\r\n\r", "+"), ROW("0\r\nX: y", "+"), ROW("5;a=\"", "+"),
    };

    (void)state;
    run(&chunked, rows, ARRAY_LEN(rows));
    run(&chunked, unfinished, ARRAY_LEN(unfinished));
}

static void malformed_chunks_are_refused(void **state)
{
    static const struct body_row rows[] = {
        BAD("\r\n", "a chunk without size"),
        BAD("\n", "a chunk without size"),
        BAD("x\r\n", "a chunk without size"),
        BAD("-1\r\n", "a chunk without size"),
        BAD("+1\r\n", "a chunk without size"),
        BAD(" 1\r\n", "a chunk without size"),
        BAD(";a\r\n", "a chunk without size"),
        BAD("0x1\r\n", "a chunk size that is not hexadecimal digits"),
        BAD("1g\r\n", "a chunk size that is not hexadecimal digits"),
        BAD("1_0\r\n", "a chunk size that is not hexadecimal digits"),
        BAD("1,\r\n", "a chunk size that is not hexadecimal digits"),
        BAD("1\na", "a chunk size that is not hexadecimal digits"),
        BAD("1\0\r\n", "a chunk size that is not hexadecimal digits"),
        BAD("1 \r\n", "a blank after a chunk size"),
        BAD("1 1\r\n", "a blank after a chunk size"),
        BAD("1\rX", "a chunk line that does not end with CRLF"),
        BAD("1\r\r\n", "a chunk line that does not end with CRLF"),
        BAD("1;\r\n", "a chunk extension without name"),
        BAD("1;;a\r\n", "a chunk extension without name"),
        BAD("1;=a\r\n", "a chunk extension without name"),
        BAD("1;a\n", "a chunk extension whose name is not a token"),
        BAD("1;a@\r\n", "a chunk extension whose name is not a token"),
        BAD("1;a \r\n", "a blank after the name of a chunk extension"),
        BAD("1;a b\r\n", "a blank after the name of a chunk extension"),
        BAD("1;a=\r\n", "a chunk extension without value"),
        BAD("1;a=;\r\n", "a chunk extension without value"),
        BAD("1;a=b=c\r\n", "a chunk extension whose value is not a token"),
        BAD("1;a=b\"\r\n", "a chunk extension whose value is not a token"),
        BAD("1;a=b\n", "a chunk extension whose value is not a token"),
        BAD("1;a=\"\r\n\"\r\n", "a control byte in a chunk extension"),
        BAD("1;a=\"\n\"\r\n", "a control byte in a chunk extension"),
        BAD("1;a=\"\\\r\n", "a control byte in a chunk extension"),
        BAD("1;a=\"\x7f\"\r\n", "a control byte in a chunk extension"),
        BAD("1;a=\"b\"c\r\n", "something after the quotes of a chunk extension"),
        BAD("1;a=b \r\n", "a blank after the value of a chunk extension"),
        BAD("1;a=\"b\" c\r\n", "a blank after the value of a chunk extension"),
        ROW("1\r\nab\r\n", "a 400 a chunk that does not end where its size says"),
        ROW("1\r\na\n", "a 400 a chunk that does not end where its size says"),
        ROW("2\r\na\r\n\r\n", "a\r 400 a chunk that does not end where its size says"),
        ROW("1\r\na\rX", "a 400 a chunk that does not end with CRLF"),
        ROW("1\r\na\r\n\r\n", "a 400 a chunk without size"),
        BAD("0\r\n\n", "a trailer without name"),
        BAD("0\r\n X: y\r\n", "a trailer without name"),
        BAD("0\r\n: y\r\n", "a trailer without name"),
        BAD("0\r\nX: y\r\n z\r\n", "a trailer without name"),
        BAD("0\r\nX\r\n", "a trailer whose name is not a token and a colon"),
        BAD("0\r\nX : y\r\n", "a trailer whose name is not a token and a colon"),
        BAD("0\r\nX: y\n", "a control byte in a trailer"),
        BAD("0\r\nX: \0\r\n", "a control byte in a trailer"),
        BAD("0\r\nX: y\rz\r\n", "a trailer that does not end with CRLF"),
        BAD("0\r\n\rX", "a body that does not end with CRLF"),
        ROW("1000000000000000\r\n", " 413 a chunk size beyond all bounds"),
        ROW("ffffffffffffffff\r\n", " 413 a chunk size beyond all bounds"),
        ROW("10000000000000001\r\na", " 413 a chunk size beyond all bounds"),
        ROW("fffffffffffffff\r\na", "a+"),
    };

    (void)state;
    run(&chunked, rows, ARRAY_LEN(rows));
}

static void a_fault_of_a_response_is_a_bad_gateway(void **state)
{
    static const struct http1_head head = {.framing = FRAMING_CHUNKED, .status = 200};
    static const struct body_row rows[] = {ROW("x", " 502 a chunk without size")};

    (void)state;
    run(&head, rows, ARRAY_LEN(rows));
}

static void a_fault_stays(void **state)
{
    struct bytes inputs[] = {BYTES("x"), BYTES("0\r\n\r\n"), BYTES("")}, content;
    struct http1_fault fault;
    struct http1_body body;
    size_t used;

    (void)state;
    http1_body_begin(&body, &chunked);
    for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
        fault = (struct http1_fault){0};
        assert_int_equal(http1_body_next(&body, inputs[i], &used, &content, &fault), HTTP1_WRONG);
        assert_int_equal(fault.status, 400);
        assert_int_equal(used + content.len, 0);
    }
    assert_false(http1_body_complete(&body));
}

static void other_framings_count_or_wait_for_the_end(void **state)
{
    static const struct http1_head none = {.framing = FRAMING_NONE},
                                   five = {.framing = FRAMING_LENGTH, .content_length = 5},
                                   zero = {.framing = FRAMING_LENGTH},
                                   close = {.framing = FRAMING_UNTIL_CLOSE, .status = 200};
    static const struct body_row of_none[] = {ROW("", "."), ROW("GET", ".")},
                                 of_five[] = {ROW("", "+"), ROW("hell", "hell+"),
                                              ROW("hello", "hello."), ROW("hello you", "hello.")},
                                 of_zero[] = {ROW("", "."), ROW("GET", ".")},
                                 of_close[] = {ROW("", "+"),
                                               ROW("hello\r\n0\r\n", "hello\r\n0\r\n+")};

    (void)state;
    run(&none, of_none, ARRAY_LEN(of_none));
    run(&five, of_five, ARRAY_LEN(of_five));
    run(&zero, of_zero, ARRAY_LEN(of_zero));
    run(&close, of_close, ARRAY_LEN(of_close));
}

static void what_was_relayed_unseen_counts(void **state)
{
    struct http1_head five = {.framing = FRAMING_LENGTH, .content_length = 5};
    struct http1_fault fault;
    struct http1_body body;
    struct bytes content;
    size_t used;

    (void)state;
    http1_body_begin(&body, &five);
    assert_int_equal(http1_body_opaque(&body), 5);
    http1_body_skipped(&body, 3);
    assert_false(http1_body_complete(&body));
    assert_int_equal(http1_body_next(&body, BYTES("loGET"), &used, &content, &fault), HTTP1_DONE);
    assert_int_equal(used, 2);
    assert_int_equal(http1_body_opaque(&body), 0);

    http1_body_begin(&body, &chunked);
    assert_int_equal(http1_body_opaque(&body), 0);
    five.framing = FRAMING_UNTIL_CLOSE;
    http1_body_begin(&body, &five);
    assert_true(http1_body_opaque(&body) == UINT64_MAX);
    http1_body_skipped(&body, 1 << 20);
    assert_true(http1_body_complete(&body));
}

/* `before`, then `unit` over and over up to `len` bytes in all, then `after`. */
static void expect_long(const char *before, const char *unit, size_t len, const char *after,
                        const char *expected)
{
    static const uint8_t steps[] = {0, 1, 100};
    struct body_row row = {.story = expected};
    struct buf bytes;

    buf_init(&bytes, 1 << 20);
    buf_add_string(&bytes, before);
    while (bytes.len + strlen(after) < len)
        buf_add_string(&bytes, unit);
    buf_add_string(&bytes, after);
    assert_int_equal(bytes.len, len);
    row.bytes = buf_bytes(&bytes);
    for (size_t i = 0; i < sizeof steps; i++)
        expect(&chunked, &row, bytes_of(&steps[i], steps[i] > 0));
    buf_fini(&bytes);
}

static void every_limit_holds_to_the_byte(void **state)
{
    (void)state;
    expect_long("1;", "a", HTTP1_CHUNK_LINE_MAX, "\r\n", "+");
    expect_long("1;", "a", HTTP1_CHUNK_LINE_MAX + 1, "\r\n", " 400 a chunk line that is too long");
    expect_long("", "0", HTTP1_CHUNK_LINE_MAX + 1, "\r\n", " 400 a chunk line that is too long");
    expect_long("0\r\nx:", "y", 3 + HTTP1_TRAILER_MAX, "\r\n\r\n", ".");
    expect_long("0\r\nx:", "y", 3 + HTTP1_TRAILER_MAX + 1, "\r\n\r\n",
                " 431 trailers that are too long");
}

static void extensions_are_bounded_in_all(void **state)
{
    /* Fifteen bytes of extension in each chunk: after the size, up to and with CR. */
    static const char chunk[] = "1;a=bcdefghijkl\r\nx\r\n";
    const size_t count = HTTP1_EXTENSIONS_MAX / 14 + 2;
    struct http1_fault fault = {0};
    struct http1_body body;
    struct bytes content;
    size_t used, taken = 0;

    (void)state;
    http1_body_begin(&body, &chunked);
    for (; taken < count; taken++)
        if (http1_body_next(&body, bytes_of_string(chunk), &used, &content, &fault) == HTTP1_WRONG)
            break;
    assert_true(taken >= HTTP1_EXTENSIONS_MAX / 16 && taken < count);
    assert_int_equal(fault.status, 413);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_give_their_content),
        cmocka_unit_test(malformed_chunks_are_refused),
        cmocka_unit_test(a_fault_of_a_response_is_a_bad_gateway),
        cmocka_unit_test(a_fault_stays),
        cmocka_unit_test(other_framings_count_or_wait_for_the_end),
        cmocka_unit_test(what_was_relayed_unseen_counts),
        cmocka_unit_test(every_limit_holds_to_the_byte),
        cmocka_unit_test(extensions_are_bounded_in_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
