/*
 * A request's head as the backend gets it, an answer's head as the client gets it, and the access log's line.
 */
#include "unit.h"

#include "balancer/access.h"
#include "balancer/rewrite.h"

#include <stdlib.h>
#include <string.h>

#define FOUR                                                                                       \
    (struct address)                                                                               \
    {                                                                                              \
        .ip = {203, 0, 113, 7}, .family = 4                                                        \
    }

static const char *request(const char *text, struct address client)
{
    static uint8_t space[8192];
    static struct http1_head parsed;
    struct bytes head = bytes_of_string(text), id;
    struct http1_scan scan = {0};
    struct http1_fault fault;
    struct buf out;
    uint32_t used = 0;

    if (http1_request(&scan, head, HTTP1_HEAD_MAX, &parsed, &used, &fault) != HTTP1_DONE)
        fail_msg("%s", fault.why);
    assert_int_equal(used, head.len);
    id = rewrite_request_id(head, &parsed);
    buf_over(&out, space, rewrite_request_bound(head.len, &parsed));
    rewrite_request(&out, head, &parsed,
                    &(struct rewrite_client){&client, id.len ? id : BYTES("made")});
    buf_add_byte(&out, 0);
    assert_false(out.full);
    return (const char *)space;
}

static const struct {
    const char *claim, *text, *wanted;
} requests[] = {
    {"fields stay as they came", "GET /a?b HTTP/1.1\r\nHost: h\r\nx-A:  b \r\n\r\n",
     "GET /a?b HTTP/1.1\r\nHost: h\r\nx-A:  b \r\n"
     "Forwarded: for=203.0.113.7;host=\"h\";proto=http\r\nX-Forwarded-For: 203.0.113.7\r\n"
     "X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\nX-Request-Id: made\r\n\r\n"},
    {"what concerns one connection ends here",
     "GET / HTTP/1.1\r\nConnection: keep-alive, x-hop\r\nHost: h\r\nKeep-Alive: 5\r\nX-Hop: 1\r\n"
     "TE: trailers\r\nProxy-Connection: x\r\nA: b\r\n\r\n",
     "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n"
     "Forwarded: for=203.0.113.7;host=\"h\";proto=http\r\nX-Forwarded-For: 203.0.113.7\r\n"
     "X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\nX-Request-Id: made\r\n\r\n"},
    {"who was named before stays named",
     "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n"
     "X-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n"
     "X-Request-Id: ok-1\r\n\r\n",
     "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: https\r\n"
     "Forwarded: for=1.1.1.1, for=203.0.113.7;host=\"h\";proto=http\r\n"
     "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 203.0.113.7\r\n"
     "X-Forwarded-Host: h\r\nX-Request-Id: ok-1\r\n\r\n"},
    {"an absolute target becomes a path, its host the Host",
     "GET http://real/x?y HTTP/1.1\r\nHost: other\r\nA: b\r\n\r\n",
     "GET /x?y HTTP/1.1\r\nHost: real\r\nA: b\r\n"
     "Forwarded: for=203.0.113.7;host=\"real\";proto=http\r\nX-Forwarded-For: 203.0.113.7\r\n"
     "X-Forwarded-Proto: http\r\nX-Forwarded-Host: real\r\nX-Request-Id: made\r\n\r\n"},
    {"an absolute target without a path", "GET http://real?y HTTP/1.1\r\nHost: real\r\n\r\n",
     "GET /?y HTTP/1.1\r\nHost: real\r\n"
     "Forwarded: for=203.0.113.7;host=\"real\";proto=http\r\nX-Forwarded-For: 203.0.113.7\r\n"
     "X-Forwarded-Proto: http\r\nX-Forwarded-Host: real\r\nX-Request-Id: made\r\n\r\n"},
    {"an old client's request becomes a new one",
     "GET / HTTP/1.0\r\nExpect: 100-continue\r\nA: b\r\n\r\n",
     "GET / HTTP/1.1\r\nHost: \r\nA: b\r\nForwarded: for=203.0.113.7;proto=http\r\n"
     "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: http\r\nX-Request-Id: made\r\n\r\n"},
    {"a head without fields", "GET / HTTP/1.0\r\n\r\n",
     "GET / HTTP/1.1\r\nHost: \r\nForwarded: for=203.0.113.7;proto=http\r\n"
     "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: http\r\nX-Request-Id: made\r\n\r\n"},
    {"an empty line in front goes", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
     "GET / HTTP/1.1\r\nHost: h\r\n"
     "Forwarded: for=203.0.113.7;host=\"h\";proto=http\r\nX-Forwarded-For: 203.0.113.7\r\n"
     "X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\nX-Request-Id: made\r\n\r\n"},
    {"an upgrade is asked for again",
     "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
     "GET / HTTP/1.1\r\nHost: h\r\n"
     "Forwarded: for=203.0.113.7;host=\"h\";proto=http\r\nX-Forwarded-For: 203.0.113.7\r\n"
     "X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\nX-Request-Id: made\r\n"
     "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
    {"but not to a protocol that hides its requests from us",
     "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: H2C\r\n"
     "HTTP2-Settings: AAMA\r\n\r\n",
     "GET / HTTP/1.1\r\nHost: h\r\n"
     "Forwarded: for=203.0.113.7;host=\"h\";proto=http\r\nX-Forwarded-For: 203.0.113.7\r\n"
     "X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\nX-Request-Id: made\r\n\r\n"},
    {"an id that would break a log is replaced",
     "OPTIONS * HTTP/1.1\r\nHost: h\r\nX-Request-Id: a\"b\r\n\r\n",
     "OPTIONS * HTTP/1.1\r\nHost: h\r\n"
     "Forwarded: for=203.0.113.7;host=\"h\";proto=http\r\nX-Forwarded-For: 203.0.113.7\r\n"
     "X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\nX-Request-Id: made\r\n\r\n"},
};

static void a_request_is_rewritten(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        const char *text = request(requests[i].text, FOUR);

        if (strcmp(text, requests[i].wanted) != 0)
            fail_msg("%s:\n%s", requests[i].claim, text);
    }
}

static void an_ipv6_client_is_written_in_brackets_where_it_must(void **state)
{
    const struct address six = {.ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}, .family = 6};
    const char *text = request("GET / HTTP/1.1\r\nHost: h\r\n\r\n", six);

    (void)state;
    assert_non_null(strstr(text, "Forwarded: for=\"[2001:db8::1]\";host=\"h\";proto=http\r\n"));
    assert_non_null(strstr(text, "X-Forwarded-For: 2001:db8::1\r\n"));
}

static const char *response(const char *text, uint8_t minor, bool close)
{
    static uint8_t space[8192];
    static struct http1_head parsed;
    struct bytes head = bytes_of_string(text);
    struct http1_scan scan = {0};
    struct http1_fault fault;
    struct buf out;
    uint32_t used = 0;

    if (http1_response(&scan, head, HTTP1_HEAD_MAX, METHOD_GET, &parsed, &used, &fault) !=
        HTTP1_DONE)
        fail_msg("%s", fault.why);
    buf_over(&out, space, rewrite_response_bound(head.len));
    rewrite_response(&out, head, &parsed,
                     &(struct rewrite_answer){.framing = rewrite_framing(&parsed, minor),
                                              .client_minor = minor,
                                              .close = close,
                                              .upgrade = parsed.status == 101});
    buf_add_byte(&out, 0);
    assert_false(out.full);
    return (const char *)space;
}

static const struct {
    const char *text;
    uint8_t minor;
    bool close;
    const char *wanted;
} responses[] = {
    {"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\n\r\n", 1, false,
     "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nConnection: x\r\nX: y\r\nKeep-Alive: 5\r\nContent-Length: 3\r\n\r\n", 1,
     true, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", 0, false,
     "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n", 1, false,
     "HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n", 0, true,
     "HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\n\r\n"},
    {"HTTP/1.0 200 Fine\r\nA: b\r\n\r\n", 1, false,
     "HTTP/1.1 200 Fine\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {"HTTP/1.1 204 No Content\r\n\r\n", 1, false, "HTTP/1.1 204 No Content\r\n\r\n"},
    {"HTTP/1.1 101 Switching\r\nUpgrade: ws\r\nConnection: upgrade\r\nA: b\r\n\r\n", 1, true,
     "HTTP/1.1 101 Switching\r\nA: b\r\nConnection: Upgrade\r\nUpgrade: ws\r\n\r\n"},
};

static void an_answer_is_rewritten(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(responses); i++)
        assert_string_equal(response(responses[i].text, responses[i].minor, responses[i].close),
                            responses[i].wanted);
}

/* ---- the access log ---- */

static void a_line_says_what_happened(void **state)
{
    struct access_request request_noted;
    struct address client = FOUR;
    uint8_t space[ACCESS_LINE_MAX];
    struct buf out;

    (void)state;
    access_note(&request_noted, BYTES("GET"), BYTES("h:80"), BYTES("/a\"\n"), BYTES("id"));
    buf_over(&out, space, sizeof space);
    access_write(&out, &(struct access_entry){.wall_ms = 1700000000123,
                                              .node = "a",
                                              .service = "web",
                                              .client = &client,
                                              .request = &request_noted,
                                              .status = 503,
                                              .tries = 2,
                                              .bytes_in = 10,
                                              .bytes_out = 20,
                                              .duration_ns = 1234567,
                                              .reason = "no backend is left"});
    buf_add_byte(&out, 0);
    assert_string_equal((const char *)space,
                        "{\"time\":\"2023-11-14T22:13:20.123Z\",\"node\":\"a\",\"service\":\"web\","
                        "\"client\":\"203.0.113.7:0\",\"method\":\"GET\",\"host\":\"h:80\","
                        "\"path\":\"/a\\\"\\n\",\"status\":503,\"bytes_in\":10,\"bytes_out\":20,"
                        "\"duration_us\":1234,\"backend\":null,\"tries\":2,\"request_id\":\"id\","
                        "\"reason\":\"no backend is left\"}\n");
}

static void no_text_from_outside_makes_a_line_too_long(void **state)
{
    struct access_request request_noted;
    struct address client = FOUR;
    uint8_t space[ACCESS_LINE_MAX];
    char *text = calloc(1, 10000);
    struct bytes long_text = bytes_of(text, 10000);
    struct buf out;

    (void)state;
    memset(text, 1, 9999); /* each byte is written as six */
    access_note(&request_noted, long_text, long_text, long_text, long_text);
    buf_over(&out, space, sizeof space);
    access_write(&out, &(struct access_entry){.node = "a",
                                              .service = text,
                                              .client = &client,
                                              .request = &request_noted,
                                              .bytes_in = UINT64_MAX,
                                              .bytes_out = UINT64_MAX,
                                              .duration_ns = INT64_MAX,
                                              .reason = "no backend is left"});
    assert_false(out.full);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_rewritten),
        cmocka_unit_test(an_ipv6_client_is_written_in_brackets_where_it_must),
        cmocka_unit_test(an_answer_is_rewritten),
        cmocka_unit_test(a_line_says_what_happened),
        cmocka_unit_test(no_text_from_outside_makes_a_line_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
