#include "unit.h"
#include "wire/resp.h"

#include <stdio.h>
#include <stdlib.h>

enum { STORY_MAX = 4096 };

static const char *const names[RESP_KINDS] = {
    [RESP_BULK] = "bulk",
    [RESP_ARRAY] = "array",
    [RESP_SIMPLE] = "simple",
    [RESP_ERROR] = "error",
    [RESP_INTEGER] = "integer",
    [RESP_NULL] = "null",
    [RESP_MAP] = "map",
    [RESP_SET] = "set",
    [RESP_PUSH] = "push",
    [RESP_ATTRIBUTE] = "attribute",
    [RESP_DOUBLE] = "double",
    [RESP_BOOLEAN] = "boolean",
    [RESP_BIG_NUMBER] = "big",
    [RESP_VERBATIM] = "verbatim",
    [RESP_BLOB_ERROR] = "blob-error",
};

static void tell(struct buf *story, const struct resp_item *item)
{
    uint8_t plain[256];
    struct bytes text = item->text;

    buf_print(story, "%*s%s", item->depth, "", names[item->kind]);
    if (item->quoted) {
        assert_true(text.len <= sizeof plain);
        text = bytes_of(plain, resp_unquote(text, plain));
    }
    if (item->kind == RESP_NULL)
        buf_print(story, " %c", (char)item->number);
    else if (item->kind == RESP_DOUBLE)
        buf_print(story, " %g", item->real);
    else if (text.len == 0)
        buf_print(story, " %lld", (long long)item->number);
    else
        buf_print(story, " <%.*s>", (int)text.len, (const char *)text.at);
    buf_add_string(story, item->last ? ".\n" : "\n");
}

/* Each step shows `step` more bytes. */
static char *story_of(bool request, const struct resp_limits *limits, struct bytes bytes,
                      size_t step)
{
    static char text[STORY_MAX];
    struct buf story;
    struct resp_parser parser;
    struct resp_item item;
    enum resp_verdict verdict = RESP_MORE;
    size_t used, shown = 0;

    buf_over(&story, text, sizeof text - 1);
    if (request)
        resp_begin_requests(&parser, limits);
    else
        resp_begin_replies(&parser, limits);
    while (verdict != RESP_WRONG && shown < bytes.len) {
        shown = step < bytes.len - shown ? shown + step : bytes.len;
        while ((verdict = resp_next(&parser, bytes_take(bytes, shown), &item, &used)) ==
               RESP_ITEM) {
            tell(&story, &item);
            bytes = bytes_skip(bytes, used);
            shown -= used;
        }
    }
    if (verdict == RESP_WRONG)
        buf_print(&story, "wrong: %s\n", parser.why);
    else if (bytes.len > 0)
        buf_print(&story, "more: %zu of %zu\n", bytes.len, parser.needed);
    assert_false(story.full);
    text[story.len] = 0;
    return text;
}

static void expect(bool request, const struct resp_limits *limits, struct bytes bytes,
                   const char *story)
{
    for (size_t step = 1; step <= 8; step++)
        assert_string_equal(story_of(request, limits, bytes, step), story);
    assert_string_equal(story_of(request, limits, bytes, bytes.len), story);
}

#define REQUEST(text, story) expect(true, &resp_limits, BYTES(text), story)
#define REPLY(text, story) expect(false, &resp_limits, BYTES(text), story)

static void a_request_is_an_array_of_bulk_strings(void **state)
{
    (void)state;
    REQUEST("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nbc\r\n*1\r\n$4\r\nPING\r\n",
            "array 3\n bulk <SET>\n bulk <k>\n bulk <a\r\nbc>.\narray 1\n bulk <PING>.\n");
    REQUEST("*2\r\n$3\r\nGET\r\n$0\r\n\r\n", "array 2\n bulk <GET>\n bulk 0.\n");
}

static void an_empty_request_asks_nothing(void **state)
{
    (void)state;
    REQUEST("*0\r\n*-1\r\n\r\n\n  \r\n*1\r\n$1\r\na\r\n",
            "array 0.\narray 0.\narray 0.\narray 0.\narray 0.\narray 1\n bulk <a>.\n");
}

static void a_line_of_words_is_a_request_too(void **state)
{
    (void)state;
    REQUEST("PING\r\n", "array 1\n bulk <PING>.\n");
    REQUEST("  set  k \t v\nget k\r\n",
            "array 3\n bulk <set>\n bulk <k>\n bulk <v>.\narray 2\n bulk <get>\n bulk <k>.\n");
}

static void quoted_words_mean_what_redis_server_takes_them_for(void **state)
{
    (void)state;
    REQUEST("set \"a b\" 'c\"d'\n", "array 3\n bulk <set>\n bulk <a b>\n bulk <c\"d>.\n");
    REQUEST("\"\\x41\\n\\t\\\"\\q\" '\\'\\n' a\"b c\" d\\e\n",
            "array 4\n bulk <A\n\t\"q>\n bulk <'\\n>\n bulk <ab c>\n bulk <d\\e>.\n");
    REQUEST("a \"\"\n", "array 2\n bulk <a>\n bulk 0.\n");
    REQUEST("\"\\x4\" \"\\xzz\"\n", "array 2\n bulk <x4>\n bulk <xzz>.\n");
}

static void malformed_requests_end_the_connection(void **state)
{
    static const struct {
        const char *text, *story;
    } rows[] = {
        {"*a\r\n", "wrong: invalid multibulk length\n"},
        {"*1048577\r\n", "wrong: invalid multibulk length\n"},
        {"*01\r\n", "wrong: invalid multibulk length\n"},
        {"*+1\r\n", "wrong: invalid multibulk length\n"},
        {"*-0\r\n", "wrong: invalid multibulk length\n"},
        {"*\r\n", "wrong: invalid multibulk length\n"},
        {"*1\n", "wrong: invalid multibulk length\n"},
        {"*1\r\r", "wrong: invalid multibulk length\n"},
        {"*99999999999999999999\r\n", "wrong: invalid multibulk length\n"},
        {"*1\r\n:1\r\n", "array 1\nwrong: expected '$'\n"},
        {"*1\r\n*1\r\n", "array 1\nwrong: expected '$'\n"},
        {"*1\r\n$-1\r\n", "array 1\nwrong: invalid bulk length\n"},
        {"*1\r\n$05\r\nabcde\r\n", "array 1\nwrong: invalid bulk length\n"},
        {"*1\r\n$536870913\r\n", "array 1\nwrong: invalid bulk length\n"},
        {"*1\r\n$9223372036854775808\r\n", "array 1\nwrong: invalid bulk length\n"},
        {"*1\r\n$1\r\nabc", "array 1\nwrong: bulk string does not end with CR LF\n"},
        {"a \"b\n", "wrong: unbalanced quotes in request\n"},
        {"a \"b\"c\n", "wrong: unbalanced quotes in request\n"},
        {"a 'b\\'\n", "wrong: unbalanced quotes in request\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect(true, &resp_limits, bytes_of_string(rows[i].text), rows[i].story);
    REQUEST("a\0b\n", "wrong: NUL in an inline request\n");
}

static void every_kind_of_reply_is_understood(void **state)
{
    (void)state;
    REPLY("+OK\r\n-ERR no such key\r\n:-9223372036854775808\r\n:+7\r\n",
          "simple <OK>.\nerror <ERR no such key>.\ninteger -9223372036854775808.\ninteger 7.\n");
    REPLY("$3\r\nabc\r\n$-1\r\n*-1\r\n_\r\n", "bulk <abc>.\nnull $.\nnull *.\nnull _.\n");
    REPLY("*2\r\n:1\r\n*1\r\n+a\r\n*0\r\n",
          "array 2\n integer 1\n array 1\n  simple <a>.\narray 0.\n");
    REPLY("%1\r\n+k\r\n~2\r\n#t\r\n#f\r\n",
          "map 1\n simple <k>\n set 2\n  boolean <t>\n  boolean <f>.\n");
    REPLY(",1.5\r\n,-inf\r\n,nan\r\n,1e-3\r\n",
          "double 1.5.\ndouble -inf.\ndouble nan.\ndouble 0.001.\n");
    REPLY("(-3492890328409238509324850943850943825024385\r\n",
          "big <-3492890328409238509324850943850943825024385>.\n");
    REPLY("=8\r\ntxt:some\r\n!9\r\nSYNTAX no\r\n",
          "verbatim <txt:some>.\nblob-error <SYNTAX no>.\n");
    REPLY(">2\r\n+message\r\n+x\r\n+OK\r\n",
          "push 2\n simple <message>\n simple <x>.\nsimple <OK>.\n");
}

static void an_attribute_belongs_to_what_follows(void **state)
{
    (void)state;
    REPLY("|1\r\n+ttl\r\n:9\r\n+OK\r\n", "attribute 1\n simple <ttl>\n integer 9\nsimple <OK>.\n");
    REPLY("*2\r\n|1\r\n+ttl\r\n:9\r\n:1\r\n|0\r\n:2\r\n",
          "array 2\n attribute 1\n  simple <ttl>\n  integer 9\n integer 1\n attribute 0\n integer "
          "2.\n");
}

static void malformed_replies_end_the_connection(void **state)
{
    static const struct {
        const char *text, *story;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\n", "wrong: unknown kind of reply\n"},
        {"+a\nb\r\n", "wrong: line does not end with CR LF\n"},
        {"+a\rb", "wrong: line does not end with CR LF\n"},
        {":\r\n", "wrong: invalid integer\n"},
        {":9223372036854775808\r\n", "wrong: invalid integer\n"},
        {":1.5\r\n", "wrong: invalid integer\n"},
        {"$-2\r\n", "wrong: invalid bulk length\n"},
        {"$?\r\n", "wrong: invalid bulk length\n"},
        {"*-2\r\n", "wrong: invalid multibulk length\n"},
        {"%-1\r\n", "wrong: invalid multibulk length\n"},
        {"%524289\r\n", "wrong: invalid multibulk length\n"},
        {"=2\r\nab\r\n", "wrong: verbatim string without a format\n"},
        {"#x\r\n", "wrong: malformed value\n"},
        {"_x\r\n", "wrong: malformed value\n"},
        {"(12a\r\n", "wrong: malformed value\n"},
        {",0x10\r\n", "wrong: malformed value\n"},
        {",1.\r\n", "wrong: malformed value\n"},
        {",1e\r\n", "wrong: malformed value\n"},
        {",\r\n", "wrong: malformed value\n"},
        {"*1\r\n>1\r\n+a\r\n", "array 1\nwrong: push inside a reply\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect(false, &resp_limits, bytes_of_string(rows[i].text), rows[i].story);
}

static void what_is_not_whole_says_how_much_it_needs(void **state)
{
    (void)state;
    REPLY("$10\r\nabc", "more: 8 of 17\n");
    REPLY("+ab", "more: 3 of 4\n");
    REQUEST("*2\r\n$3\r\nGET\r\n$3\r\n", "array 2\n bulk <GET>\nmore: 4 of 9\n");
    REQUEST("ping", "more: 4 of 5\n");
}

static void every_limit_is_the_callers(void **state)
{
    static const struct resp_limits small = {
        .bulk_max = 4, .count_max = 3, .line_max = 5, .depth_max = 2};

    (void)state;
    expect(false, &small, BYTES("$4\r\nabcd\r\n+abcde\r\n*3\r\n:1\r\n:2\r\n:3\r\n"),
           "bulk <abcd>.\nsimple <abcde>.\narray 3\n integer 1\n integer 2\n integer 3.\n");
    expect(false, &small, BYTES("$5\r\n"), "wrong: invalid bulk length\n");
    expect(false, &small, BYTES("*4\r\n"), "wrong: invalid multibulk length\n");
    expect(false, &small, BYTES("%2\r\n"), "wrong: invalid multibulk length\n");
    expect(false, &small, BYTES("+abcdef"), "wrong: line too long\n");
    expect(false, &small, BYTES("*1\r\n*1\r\n*1\r\n"),
           "array 1\n array 1\nwrong: aggregates nested too deep\n");
    expect(true, &small, BYTES("a b c\n"), "array 3\n bulk <a>\n bulk <b>\n bulk <c>.\n");
    expect(true, &small, BYTES("abcdef"), "wrong: too big inline request\n");
}

static void a_fault_is_final(void **state)
{
    struct resp_parser parser;
    struct resp_item item;
    size_t used;

    (void)state;
    resp_begin_replies(&parser, &resp_limits);
    assert_int_equal(resp_next(&parser, BYTES("?"), &item, &used), RESP_WRONG);
    assert_int_equal(resp_next(&parser, BYTES("+OK\r\n"), &item, &used), RESP_WRONG);
    assert_int_equal(used, 0);
}

static void what_is_written_is_what_redis_writes(void **state)
{
    char text[256];
    struct buf out;

    (void)state;
    buf_over(&out, text, sizeof text);
    resp_write_head(&out, RESP_ARRAY, 2);
    resp_write_bulk(&out, BYTES("a\r\n"));
    resp_write_integer(&out, INT64_MIN);
    resp_write_simple(&out, BYTES("OK"));
    resp_write_error(&out, BYTES("ERR two\r\nlines"));
    resp_write(&out, &(struct resp_item){.kind = RESP_DOUBLE, .real = 0.5});
    resp_write(&out, &(struct resp_item){.kind = RESP_NULL, .number = '$'});
    resp_write(&out, &(struct resp_item){.kind = RESP_BOOLEAN, .number = 1});
    buf_add_byte(&out, 0);
    assert_string_equal(text, "*2\r\n$3\r\na\r\n\r\n:-9223372036854775808\r\n+OK\r\n"
                              "-ERR two  lines\r\n,0.5\r\n$-1\r\n#t\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_an_array_of_bulk_strings),
        cmocka_unit_test(an_empty_request_asks_nothing),
        cmocka_unit_test(a_line_of_words_is_a_request_too),
        cmocka_unit_test(quoted_words_mean_what_redis_server_takes_them_for),
        cmocka_unit_test(malformed_requests_end_the_connection),
        cmocka_unit_test(every_kind_of_reply_is_understood),
        cmocka_unit_test(an_attribute_belongs_to_what_follows),
        cmocka_unit_test(malformed_replies_end_the_connection),
        cmocka_unit_test(what_is_not_whole_says_how_much_it_needs),
        cmocka_unit_test(every_limit_is_the_callers),
        cmocka_unit_test(a_fault_is_final),
        cmocka_unit_test(what_is_written_is_what_redis_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
