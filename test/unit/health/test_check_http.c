#include "base/must.h"
#include "health/check_http.h"
#include "unit.h"

#include <stdlib.h>

/* An image that holds three texts after its root. */
static const char image_bytes[] = "\0\0\0\0\0\0\0\0/healthz\0shop.example\0HEAD\0POST";
static const struct image image = {(const uint8_t *)image_bytes, sizeof image_bytes};
static const struct ref path = {8, 8}, host = {17, 12}, head = {30, 4}, post = {35, 4};

static const struct health_check usual = {.expect_low = 200, .expect_high = 399};

static const char *request_of(const struct health_check *check)
{
    static char text[CHECK_REQUEST_MAX];
    struct buf out;

    buf_over(&out, text, sizeof text);
    check_http_write(&out, check, image, "10.0.0.1:8080");
    buf_add_byte(&out, 0);
    return text;
}

static void the_request_is_plain_and_closes(void **state)
{
    struct health_check check = {.path = path, .host = host, .method = head};

    (void)state;
    assert_string_equal(request_of(&usual),
                        "GET / HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: nines-check/" //
                        NINES_VERSION "\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    assert_string_equal(
        request_of(&check),
        "HEAD /healthz HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: nines-check/" //
        NINES_VERSION "\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    check.method = post;
    assert_non_null(strstr(request_of(&check), "\r\nContent-Length: 0\r\n"));
}

/* What the answer is judged as, in pieces of `piece` bytes; the peer ends after the last. */
static enum health_outcome judge(const struct health_check *check, struct bytes answer,
                                 size_t piece)
{
    enum health_outcome outcome;
    struct check_http http;
    bool decided = false;

    check_http_init(&http, check, image);
    while (!decided && answer.len > 0) {
        decided = check_http_take(&http, bytes_take(answer, piece), &outcome);
        answer = bytes_skip(answer, answer.len < piece ? answer.len : piece);
    }
    if (!decided)
        outcome = check_http_end(&http);
    assert_true(outcome != HEALTH_GARBAGE || http.why);
    check_http_fini(&http);
    return outcome;
}

static void each_answer_is_judged_alike_whole_and_byte_by_byte(void **state)
{
    static const struct {
        const char *answer;
        enum health_outcome outcome;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", HEALTH_OK},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", HEALTH_OK},
        {"HTTP/1.1 204 No Content\r\n\r\n", HEALTH_OK},
        {"HTTP/1.0 200 OK\r\n\r\nuntil the end", HEALTH_OK},
        {"HTTP/1.1 200 OK\r\n\r\n", HEALTH_OK},
        {"HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n", HEALTH_OK},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", HEALTH_OK},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", HEALTH_OK},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", HEALTH_BAD_STATUS},
        {"HTTP/1.1 503 Unavailable\r\nContent-Length: 9\r\n\r\n", HEALTH_BAD_STATUS},
        {"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", HEALTH_BAD_STATUS},
        {"", HEALTH_CUT_SHORT},
        {"HTTP/1.1 200 OK\r\nContent-Le", HEALTH_CUT_SHORT},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", HEALTH_CUT_SHORT},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", HEALTH_CUT_SHORT},
        {"HTTP/1.1 100 Continue\r\n\r\n", HEALTH_CUT_SHORT},
        {"SSH-2.0-OpenSSH_9.2\r\n", HEALTH_GARBAGE},
        {"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", HEALTH_GARBAGE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", HEALTH_GARBAGE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t piece = 1; piece < 200; piece += 66) {
            enum health_outcome outcome = judge(&usual, bytes_of_string(rows[i].answer), piece);

            if (outcome != rows[i].outcome)
                fail_msg("%s: %s", rows[i].answer, health_outcome_name(outcome));
        }
}

static void the_expected_range_is_inclusive(void **state)
{
    static const struct health_check narrow = {.expect_low = 429, .expect_high = 429};

    (void)state;
    assert_int_equal(judge(&narrow, BYTES("HTTP/1.1 429 Busy\r\nContent-Length: 0\r\n\r\n"), 999),
                     HEALTH_OK);
    assert_int_equal(judge(&narrow, BYTES("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 999),
                     HEALTH_BAD_STATUS);
}

static void an_answer_to_head_has_no_body_to_wait_for(void **state)
{
    struct health_check check = usual;
    struct check_http http;
    enum health_outcome outcome;

    (void)state;
    check.method = head;
    check_http_init(&http, &check, image);
    assert_true(
        check_http_take(&http, BYTES("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"), &outcome));
    assert_int_equal(outcome, HEALTH_OK);
    check_http_fini(&http);
}

static void a_long_body_is_not_waited_for(void **state)
{
    struct bytes answer = BYTES("HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n");
    static const uint8_t body[1024];
    struct check_http http;
    enum health_outcome outcome;
    size_t sent = 0;

    (void)state;
    check_http_init(&http, &usual, image);
    assert_false(check_http_take(&http, answer, &outcome));
    while (!check_http_take(&http, bytes_of(body, sizeof body), &outcome))
        sent += sizeof body;
    assert_int_equal(outcome, HEALTH_OK);
    assert_in_range(sent, CHECK_BODY_MAX - 2 * sizeof body, CHECK_BODY_MAX);
    check_http_fini(&http);
}

static void a_head_without_end_is_garbage(void **state)
{
    struct buf answer;

    (void)state;
    buf_init(&answer, 64 << 10);
    buf_add_string(&answer, "HTTP/1.1 200 OK\r\n");
    while (answer.len < 40 << 10)
        buf_add_string(&answer, "X-Filler: 0123456789012345678901234567890123456789\r\n");
    assert_int_equal(judge(&usual, buf_bytes(&answer), 1000), HEALTH_GARBAGE);
    assert_int_equal(judge(&usual, buf_bytes(&answer), answer.len), HEALTH_GARBAGE);
    buf_fini(&answer);
}

/* ---- the section ---- */

static void a_check_is_http_when_it_has_a_path(void **state)
{
    struct health_check check = {0};

    (void)state;
    assert_int_equal(health_check_settle(&check), CHECK_TCP);
    check.path = path;
    assert_int_equal(health_check_settle(&check), CHECK_HTTP);
    check.kind = CHECK_HTTP;
    check.path = (struct ref){0};
    assert_int_equal(health_check_settle(&check), CHECK_HTTP);
}

static void contradictions_are_found_with_their_key(void **state)
{
    static const char texts[] = "\0\0\0\0\0\0\0\0nowhere\0/a b\0G E T\0GET";
    struct image odd = {(const uint8_t *)texts, sizeof texts};
    static const struct {
        struct health_check check;
        const char *key;
    } rows[] = {
        {{.path = {8, 7}, .method = {27 - 1, 3}, .expect_high = 1}, "path"},
        {{.path = {16, 4}, .expect_high = 1}, "path"},
        {{.host = {16, 4}, .expect_high = 1}, "host"},
        {{.method = {21, 5}, .expect_high = 1}, "method"},
        {{.method = {27, 3}, .expect_low = 300, .expect_high = 299}, "expect"},
        {{.method = {27, 3}, .expect_low = 200, .expect_high = 200}, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *key;
        const char *why = health_check_contradiction(&rows[i].check, odd, &key);

        assert_int_equal(why != NULL, rows[i].key != NULL);
        if (why)
            assert_string_equal(key, rows[i].key);
    }
}

static void every_outcome_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < HEALTH_OUTCOMES; i++)
        assert_non_null(health_outcome_name((enum health_outcome)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_is_plain_and_closes),
        cmocka_unit_test(each_answer_is_judged_alike_whole_and_byte_by_byte),
        cmocka_unit_test(the_expected_range_is_inclusive),
        cmocka_unit_test(an_answer_to_head_has_no_body_to_wait_for),
        cmocka_unit_test(a_long_body_is_not_waited_for),
        cmocka_unit_test(a_head_without_end_is_garbage),
        cmocka_unit_test(a_check_is_http_when_it_has_a_path),
        cmocka_unit_test(contradictions_are_found_with_their_key),
        cmocka_unit_test(every_outcome_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
