#include "head_rows.h"

#define H "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n" H
#define END "\r\n"

static void run(const struct head_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_row((struct arrival){0}, &rows[i]);
}

static void good_requests_are_understood(void **state)
{
    static const struct head_row rows[] = {
        ROW(GET H END, "GET / path=/ host=a 1.1 none keep"),
        ROW("\r\n" GET H END, "GET / path=/ host=a 1.1 none keep"),
        ROW(GET H END "rest of the pipeline", "GET / path=/ host=a 1.1 none keep"),
        ROW("GET /a/b?c=d?e HTTP/1.1\r\nhOsT:\t a.b:80 \t\r\n\r\n",
            "GET /a/b?c=d?e path=/a/b host=a.b:80 1.1 none keep"),
        ROW("GET / HTTP/1.0\r\n\r\n", "GET / path=/ host= 1.0 none close"),
        ROW("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET / path=/ host= 1.0 none keep"),
        ROW("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
            "GET / path=/ host= 1.0 none close"),
        ROW(GET H "Connection: close\r\n\r\n", "GET / path=/ host=a 1.1 none close"),
        ROW(GET H "Connection: , ,x,CLOSE,\r\n\r\n", "GET / path=/ host=a 1.1 none close"),
        ROW("BREW / HTTP/1.1\r\n" H END, "BREW / path=/ host=a 1.1 none keep"),
        ROW("get / HTTP/1.1\r\n" H END, "get / path=/ host=a 1.1 none keep"),
        ROW("GET //b/?http://c HTTP/1.1\r\n" H END,
            "GET //b/?http://c path=//b/ host=a 1.1 none keep"),
        ROW("GET http://b/c?d HTTP/1.1\r\n" H END, "GET http://b/c?d path=/c host=b 1.1 none keep"),
        ROW("GET HTTPS://b:443?d HTTP/1.1\r\n" H END,
            "GET HTTPS://b:443?d path= host=b:443 1.1 none keep"),
        ROW("GET http://b HTTP/1.0\r\n\r\n", "GET http://b path= host=b 1.0 none close"),
        ROW("OPTIONS * HTTP/1.1\r\n" H END, "OPTIONS * path=* host=a 1.1 none keep"),
        ROW("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
            "CONNECT a:443 path=a:443 host=a:443 1.1 none keep"),
        ROW("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET / path=/ host=[::1]:80 1.1 none keep"),
        ROW("GET / HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n",
            "GET / path=/ host=[2001:db8::1] 1.1 none keep"),
        ROW(POST "Content-Length: 0\r\n\r\n", "POST / path=/ host=a 1.1 length 0 keep"),
        ROW(POST "content-length:5\r\n\r\nhello", "POST / path=/ host=a 1.1 length 5 keep"),
        ROW(POST "Content-Length: 999999999999999999\r\n\r\n",
            "POST / path=/ host=a 1.1 length 999999999999999999 keep"),
        ROW(POST "Transfer-Encoding: ChunkeD\r\n\r\n", "POST / path=/ host=a 1.1 chunked keep"),
        ROW(POST "Content-Length: 1\r\nExpect: 100-Continue\r\n\r\n",
            "POST / path=/ host=a 1.1 length 1 keep expects"),
        ROW(POST "Expect: 100-continue\r\n\r\n", "POST / path=/ host=a 1.1 none keep"),
        ROW("POST / HTTP/1.0\r\nExpect: gold\r\n\r\n", "POST / path=/ host= 1.0 none close"),
        ROW(GET H "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "GET / path=/ host=a 1.1 none keep upgrade"),
        ROW(GET H "Upgrade: websocket\r\n\r\n", "GET / path=/ host=a 1.1 none keep"),
        ROW(GET H "Empty:\r\nX:  a  b\t c \t \r\nY: \xc3\xa9\r\n\r\n",
            "GET / path=/ host=a 1.1 none keep"),
    };

    (void)state;
    run(rows, ARRAY_LEN(rows));
}

static void what_is_not_all_here_is_waited_for(void **state)
{
    static const struct head_row rows[] = {
        ROW("", "more"),          ROW("\r", "more"),           ROW("\r\n", "more"),
        ROW("G", "more"),         ROW("GET  ", "more"),        ROW(GET, "more"),
        ROW(GET H, "more"),       ROW(GET H "\r", "more"),     ROW(GET " a: b", "more"),
        ROW(GET "a b\r", "more"), ROW("GET / HTTP/9", "more"),
    };

    (void)state;
    run(rows, ARRAY_LEN(rows));
}

static void bad_request_lines_are_refused(void **state)
{
    static const struct head_row rows[] = {
        ROW("\n", "400 bytes that begin no message"),
        ROW("\r\n\r\n" GET H END, "400 bytes that begin no message"),
        ROW(" GET / HTTP/1.1\r\n", "400 bytes that begin no message"),
        ROW("\x16\x03\x01\x02", "400 bytes that begin no message"),
        ROW("GET\r\n", "400 a method that is not a token and one space"),
        ROW("GET /\r\n", "400 a target that is empty or holds a byte that no target may"),
        ROW("GET  / HTTP/1.1\r\n", "400 a target that is empty or holds a byte that no target may"),
        ROW("GET\t/ HTTP/1.1\r\n", "400 a method that is not a token and one space"),
        ROW("G@T / HTTP/1.1\r\n", "400 a method that is not a token and one space"),
        ROW("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n", "501 a method that is too long"),
        ROW("GET /a b HTTP/1.1\r\n", "400 a start line without HTTP version"),
        ROW("GET /a#b HTTP/1.1\r\n",
            "400 a target that is empty or holds a byte that no target may"),
        ROW("GET /\0 HTTP/1.1\r\n",
            "400 a target that is empty or holds a byte that no target may"),
        ROW("GET /\x7f HTTP/1.1\r\n",
            "400 a target that is empty or holds a byte that no target may"),
        ROW("GET /\xc3\xa9 HTTP/1.1\r\n",
            "400 a target that is empty or holds a byte that no target may"),
        ROW("GET /  HTTP/1.1\r\n", "400 a start line without HTTP version"),
        ROW("GET / HTTP/1.1 \r\n", "400 something after the HTTP version"),
        ROW("GET / HTTP/1.10\r\n", "400 something after the HTTP version"),
        ROW("GET / HTTP/1.1\n", "400 a line that ends with LF alone"),
        ROW("GET / HTTP/1.1\rX\n", "400 a CR that is not followed by LF"),
        ROW("GET / HTTP/1.1\r\r\n", "400 a CR that is not followed by LF"),
        ROW("GET / http/1.1\r\n", "400 a start line without HTTP version"),
        ROW("GET / HTTP/1\r\n", "400 a start line without HTTP version"),
        ROW("GET / HTTP/11\r\n", "400 a start line without HTTP version"),
        ROW("GET / XTTP/1.1\r\n", "400 a start line without HTTP version"),
        ROW("GET / HTTP/1.2\r\n", "505 an HTTP version other than 1.0 and 1.1"),
        ROW("GET / HTTP/2.0\r\n", "505 an HTTP version other than 1.0 and 1.1"),
        ROW("GET / HTTP/0.9\r\n", "505 an HTTP version other than 1.0 and 1.1"),
        ROW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 an HTTP version other than 1.0 and 1.1"),
        ROW("GET * HTTP/1.1\r\n", "400 a target '*' with a method other than OPTIONS"),
        ROW("OPTIONS ** HTTP/1.1\r\n", "400 a target that is neither a path nor an http URI"),
        ROW("GET a:80 HTTP/1.1\r\n", "400 a target that is neither a path nor an http URI"),
        ROW("GET ftp://a/ HTTP/1.1\r\n", "400 a target that is neither a path nor an http URI"),
        ROW("GET http:/a/ HTTP/1.1\r\n", "400 a target that is neither a path nor an http URI"),
        ROW("GET http:///a HTTP/1.1\r\n", "400 a target whose authority is not a host and port"),
        ROW("GET http://u@a/ HTTP/1.1\r\n", "400 a target whose authority is not a host and port"),
        ROW("GET http://a:x/ HTTP/1.1\r\n", "400 a target whose authority is not a host and port"),
        ROW("GET http://a\\b/ HTTP/1.1\r\n", "400 a target whose authority is not a host and port"),
        ROW("CONNECT / HTTP/1.1\r\n", "400 a CONNECT whose target is not a host and port"),
        ROW("CONNECT a HTTP/1.1\r\n", "400 a CONNECT whose target is not a host and port"),
        ROW("CONNECT [::1] HTTP/1.1\r\n", "400 a CONNECT whose target is not a host and port"),
        ROW("CONNECT http://a:1/ HTTP/1.1\r\n",
            "400 a CONNECT whose target is not a host and port"),
    };

    (void)state;
    run(rows, ARRAY_LEN(rows));
}

static void bad_fields_are_refused(void **state)
{
    static const struct head_row rows[] = {
        ROW(GET " Host: a\r\n", "400 a folded field, or a space before the first"),
        ROW(GET H "X: a\r\n b\r\n", "400 a folded field, or a space before the first"),
        ROW(GET H "X: a\r\n\tb\r\n", "400 a folded field, or a space before the first"),
        ROW(GET H "X: a\r\n \r\n", "400 a folded field, or a space before the first"),
        ROW(GET "Host : a\r\n", "400 a space before the colon of a field"),
        ROW(GET "Host\t: a\r\n", "400 a space before the colon of a field"),
        ROW(GET "Host\r\n", "400 a field name that is not a token and a colon"),
        ROW(GET ": a\r\n", "400 a field name that is not a token and a colon"),
        ROW(GET "X@Y: a\r\n", "400 a field name that is not a token and a colon"),
        ROW(GET "X\0Y: a\r\n", "400 a field name that is not a token and a colon"),
        ROW(GET "X\xc3\xa9: a\r\n", "400 a field name that is not a token and a colon"),
        ROW(GET "X: a\n", "400 a line that ends with LF alone"),
        ROW(GET H "\n", "400 a field name that is not a token and a colon"),
        ROW(GET H "\rX\n", "400 a field name that is not a token and a colon"),
        ROW(GET "X: a\rb\r\n", "400 a CR that is not followed by LF"),
        ROW(GET "X: a\r\rb\r\n", "400 a CR that is not followed by LF"),
        ROW(GET "X: a\0b\r\n", "400 a control byte in a field"),
        ROW(GET "X: a\x0b\r\n", "400 a control byte in a field"),
        ROW(GET "X: 0123456789\x1f\r\n", "400 a control byte in a field"),
        ROW(GET "X: a\x7f\r\n", "400 a control byte in a field"),
    };

    (void)state;
    run(rows, ARRAY_LEN(rows));
}

static void bad_hosts_are_refused(void **state)
{
    static const struct head_row rows[] = {
        ROW(GET END, "400 no Host"),
        ROW("GET http://a/ HTTP/1.1\r\n\r\n", "400 no Host"),
        ROW(GET H H END, "400 more than one Host"),
        ROW("GET / HTTP/1.0\r\n" H "Host: b\r\n\r\n", "400 more than one Host"),
        ROW(GET "Host:\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: a b\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: a,b\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: a/b\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: u@a\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: a:\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: a:b\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: a:65536\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: a:80:80\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: :80\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: ::1\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: [::1\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: [::1]80\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: [a]\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: [127.0.0.1]\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: []\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: %61\r\n\r\n", "400 a Host that is not a host and port"),
        ROW(GET "Host: \xc3\xa9\r\n\r\n", "400 a Host that is not a host and port"),
    };

    (void)state;
    run(rows, ARRAY_LEN(rows));
}

/* What has been published against servers and proxies, each as a row. */
static const struct head_row tricks[] = {
    /* CL.TE, TE.CL, CL.CL */
    ROW(POST "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        "400 Content-Length together with Transfer-Encoding"),
    ROW(POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n",
        "400 Content-Length together with Transfer-Encoding"),
    ROW(POST "Content-Length: 8\r\nContent-Length: 7\r\n\r\n", "400 more than one Content-Length"),
    ROW(POST "Content-Length: 8\r\nContent-Length: 8\r\n\r\n", "400 more than one Content-Length"),
    ROW(POST "Content-Length: 0\r\nX: y\r\ncontent-length: 44\r\n\r\n",
        "400 more than one Content-Length"),
    /* lengths that readers differ about */
    ROW(POST "Content-Length: 8, 8\r\n\r\n", "400 a Content-Length that is not digits alone"),
    ROW(POST "Content-Length: +8\r\n\r\n", "400 a Content-Length that is not digits alone"),
    ROW(POST "Content-Length: -8\r\n\r\n", "400 a Content-Length that is not digits alone"),
    ROW(POST "Content-Length: 0x8\r\n\r\n", "400 a Content-Length that is not digits alone"),
    ROW(POST "Content-Length: 8 8\r\n\r\n", "400 a Content-Length that is not digits alone"),
    ROW(POST "Content-Length: 1_0\r\n\r\n", "400 a Content-Length that is not digits alone"),
    ROW(POST "Content-Length: 8.0\r\n\r\n", "400 a Content-Length that is not digits alone"),
    ROW(POST "Content-Length: 1e1\r\n\r\n", "400 a Content-Length that is not digits alone"),
    ROW(POST "Content-Length: \"8\"\r\n\r\n", "400 a Content-Length that is not digits alone"),
    ROW(POST "Content-Length: 8;\r\n\r\n", "400 a Content-Length that is not digits alone"),
    ROW(POST "Content-Length: \xd9\xa3\r\n\r\n", "400 a Content-Length that is not digits alone"),
    ROW(POST "Content-Length:\r\n\r\n",
        "400 a Content-Length that is empty or begins with a needless zero"),
    ROW(POST "Content-Length: 010\r\n\r\n",
        "400 a Content-Length that is empty or begins with a needless zero"),
    ROW(POST "Content-Length: 1000000000000000000\r\n\r\n",
        "413 a Content-Length beyond all bounds"),
    ROW(POST "Content-Length: 18446744073709551621\r\n\r\n",
        "413 a Content-Length beyond all bounds"),
    ROW(POST "Content-Length : 8\r\n\r\n", "400 a space before the colon of a field"),
    ROW(POST "Content-Length\x0b: 8\r\n\r\n", "400 a field name that is not a token and a colon"),
    ROW(POST "\x0b"
             "Content-Length: 8\r\n\r\n",
        "400 a field name that is not a token and a colon"),
    /* TE.TE: codings that only one side takes for chunked */
    ROW(POST "Transfer-Encoding: xchunked\r\n\r\n",
        "400 a Transfer-Encoding whose last coding is not chunked"),
    ROW(POST "Transfer-Encoding: gzip\r\n\r\n",
        "400 a Transfer-Encoding whose last coding is not chunked"),
    ROW(POST "Transfer-Encoding: identity\r\n\r\n",
        "400 a Transfer-Encoding whose last coding is not chunked"),
    ROW(POST "Transfer-Encoding: gzip, chunked\r\n\r\n",
        "501 a transfer coding other than chunked"),
    ROW(POST "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n",
        "501 a transfer coding other than chunked"),
    ROW(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
        "400 a Transfer-Encoding where chunked is repeated or not last"),
    ROW(POST "Transfer-Encoding: chunked\r\nTransfer-encoding: chunked\r\n\r\n",
        "400 a Transfer-Encoding where chunked is repeated or not last"),
    ROW(POST "Transfer-Encoding: chunked, chunked\r\n\r\n",
        "400 a Transfer-Encoding where chunked is repeated or not last"),
    ROW(POST "Transfer-Encoding: chunked, identity\r\n\r\n",
        "400 a Transfer-Encoding where chunked is repeated or not last"),
    ROW(POST "Transfer-Encoding:\r\n\r\n", "400 a Transfer-Encoding that is not a list of names"),
    ROW(POST "Transfer-Encoding: ,chunked\r\n\r\n",
        "400 a Transfer-Encoding that is not a list of names"),
    ROW(POST "Transfer-Encoding: chunked,\r\n\r\n",
        "400 a Transfer-Encoding that is not a list of names"),
    ROW(POST "Transfer-Encoding: \"chunked\"\r\n\r\n",
        "400 a Transfer-Encoding that is not a list of names"),
    ROW(POST "Transfer-Encoding: chunked;q=1\r\n\r\n",
        "400 a Transfer-Encoding that is not a list of names"),
    ROW(POST "Transfer-Encoding: chunked chunked\r\n\r\n",
        "400 a Transfer-Encoding that is not a list of names"),
    ROW(POST "Transfer-Encoding: \x0b"
             "chunked\r\n\r\n",
        "400 a control byte in a field"),
    ROW(POST "Transfer-Encoding: chunked\x0c\r\n\r\n", "400 a control byte in a field"),
    ROW(POST "Transfer-Encoding: \xa0"
             "chunked\r\n\r\n",
        "400 a Transfer-Encoding that is not a list of names"),
    ROW(POST "Transfer-Encoding : chunked\r\n\r\n", "400 a space before the colon of a field"),
    ROW(POST "Transfer-Encoding\r\n : chunked\r\n\r\n",
        "400 a field name that is not a token and a colon"),
    ROW(POST "Transfer-Encoding:\r\n chunked\r\n\r\n",
        "400 a folded field, or a space before the first"),
    ROW(POST " Transfer-Encoding: chunked\r\n\r\n",
        "400 a folded field, or a space before the first"),
    ROW(POST "X: y\nTransfer-Encoding: chunked\r\n\r\n", "400 a line that ends with LF alone"),
    ROW(POST "X: y\rTransfer-Encoding: chunked\r\n\r\n", "400 a CR that is not followed by LF"),
    ROW(POST "X: y\r\n\rTransfer-Encoding: chunked\r\n\r\n",
        "400 a field name that is not a token and a colon"),
    ROW("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n",
        "400 Transfer-Encoding in HTTP/1.0"),
    ROW("TRACE / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n",
        "400 a body with a method that has none"),
    ROW("CONNECT a:1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n",
        "400 a body with a method that has none"),
    /* names and hosts */
    ROW("POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 more than one Host"),
    ROW("POST / HTTP/1.1\r\n Host: a\r\nHost: b\r\n\r\n",
        "400 a folded field, or a space before the first"),
    ROW("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\tX: y\r\n\r\n",
        "400 a folded field, or a space before the first"),
    ROW(POST "Expect: 100-continue, x\r\n\r\n", "417 an Expect other than 100-continue"),
    ROW(POST "Expect: y 100-continue\r\n\r\n", "417 an Expect other than 100-continue"),
    ROW(POST "Connection: \"close\"\r\n\r\n", "400 a Connection that is not a list of names"),
    /* past the routes by an upgrade to another HTTP: taken as if it did not ask */
    ROW(GET H "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
        "GET / path=/ host=a 1.1 none keep"),
    ROW(GET H "Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n\r\n",
        "GET / path=/ host=a 1.1 none keep"),
    ROW(GET H "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n",
        "GET / path=/ host=a 1.1 none keep"),
    ROW(GET H "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n",
        "GET / path=/ host=a 1.1 none keep"),
};

static void published_smuggling_tricks_are_refused(void **state)
{
    (void)state;
    run(tricks, ARRAY_LEN(tricks));
}

static bool is_hop(const struct http1_head *head, struct bytes bytes, const char *name)
{
    for (uint16_t i = 0; i < head->field_count; i++)
        if (bytes_equal(http1_bytes(bytes, head->fields[i].name), bytes_of_string(name)))
            return head->fields[i].hop;
    fail_msg("no field %s", name);
    return false;
}

static void connection_strips_what_it_names_but_nothing_that_matters(void **state)
{
    static const char text[] =
        "POST / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nConnection: x-one, host, content-length, "
        "authorization, X-Forwarded-For, x-tw\r\nX-Two: 2\r\nContent-Length: 0\r\n"
        "Authorization: b\r\nX-Forwarded-For: c\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
        "Proxy-Connection: x\r\nUpgrade: y\r\nTrailer: z\r\nProxy-Authorization: w\r\n\r\n";
    static const char *const hop[] = {"X-One",   "Connection",         "Keep-Alive",
                                      "TE",      "Proxy-Connection",   "Upgrade",
                                      "Trailer", "Proxy-Authorization"};
    static const char *const kept[] = {"Host", "X-Two", "Content-Length", "Authorization",
                                       "X-Forwarded-For"};
    struct bytes bytes = bytes_of_string(text);
    struct http1_scan scan = {0};
    struct http1_fault fault;
    struct http1_head head;
    uint32_t used;

    (void)state;
    assert_int_equal(http1_request(&scan, bytes, HTTP1_HEAD_MAX, &head, &used, &fault), HTTP1_DONE);
    for (size_t i = 0; i < ARRAY_LEN(hop); i++)
        assert_true(is_hop(&head, bytes, hop[i]));
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        assert_false(is_hop(&head, bytes, kept[i]));
    assert_true(
        bytes_equal(http1_bytes(bytes, http1_find(&head, KNOWN_TE)->value), BYTES("trailers")));
    assert_null(http1_find(&head, KNOWN_COOKIE));
}

static void add_times(struct buf *buf, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        buf_add_string(buf, text);
}

/* A request with `fields` fields, a target of `target` bytes, and one field with a value of `value` bytes. */
static void expect_sized(size_t target, size_t fields, size_t value, uint32_t head_max,
                         const char *expected)
{
    struct buf message, story;
    struct http1_head head;
    uint32_t used;

    buf_init(&message, 1 << 20);
    buf_init(&story, STORY_MAX);
    buf_add_string(&message, "GET ");
    add_times(&message, "/", target);
    buf_add_string(&message, " HTTP/1.1\r\nHost: a\r\n");
    add_times(&message, "a:\r\n", fields);
    buf_add_string(&message, "x: ");
    add_times(&message, "v", value);
    buf_add_string(&message, "\r\n\r\n");
    /* in pieces of one byte, of many, and whole */
    for (size_t step = 1; step < message.len * 2; step = step * 7 + 1) {
        struct arrival arrival = {.head_max = head_max, .first = step, .step = step};

        if (step == 1 && message.len > 4096)
            continue;
        buf_clear(&story);
        if (tell_head(&story, &arrival, buf_bytes(&message), &head, &used) == HTTP1_DONE) {
            buf_clear(&story);
            buf_print(&story, "done %u", head.field_count);
        }
        buf_add_byte(&story, 0);
        assert_string_equal((const char *)story.at, expected);
    }
    buf_fini(&message);
    buf_fini(&story);
}

static void every_limit_holds_to_the_byte(void **state)
{
    (void)state;
    expect_sized(HTTP1_TARGET_MAX, 0, 0, HTTP1_HEAD_MAX, "done 2");
    expect_sized(HTTP1_TARGET_MAX + 1, 0, 0, HTTP1_HEAD_MAX, "414 a target that is too long");
    expect_sized(HTTP1_TARGET_MAX + 100, 0, 0, HTTP1_HEAD_MAX,
                 "414 a request line that is too long");
    expect_sized(100, 0, 0, 100, "414 a request line that is too long");
    expect_sized(1, HTTP1_FIELDS_MAX - 2, 0, HTTP1_HEAD_MAX, "done 128");
    expect_sized(1, HTTP1_FIELDS_MAX - 1, 0, HTTP1_HEAD_MAX, "431 too many fields");
    expect_sized(1, 500, 0, HTTP1_HEAD_MAX, "431 too many fields");
    /* 16 + 9 + 3 + value + 4 */
    expect_sized(1, 0, 68, 100, "done 2");
    expect_sized(1, 0, 69, 100, "431 a head that is too long");
    expect_sized(1, 0, HTTP1_HEAD_MAX - 32, HTTP1_HEAD_MAX, "done 2");
    expect_sized(1, 0, HTTP1_HEAD_MAX - 31, HTTP1_HEAD_MAX, "431 a head that is too long");
}

static void a_connection_that_names_too_many_is_refused(void **state)
{
    struct buf message;
    struct http1_scan scan = {0};
    struct http1_fault fault = {0};
    struct http1_head head;
    uint32_t used;

    (void)state;
    buf_init(&message, 65536);
    buf_add_string(&message, GET H "Connection: x");
    add_times(&message, ",y", 32);
    buf_add_string(&message, "\r\n\r\n");
    assert_int_equal(
        http1_request(&scan, buf_bytes(&message), HTTP1_HEAD_MAX, &head, &used, &fault),
        HTTP1_WRONG);
    assert_int_equal(fault.status, 431);
    buf_fini(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_requests_are_understood),
        cmocka_unit_test(what_is_not_all_here_is_waited_for),
        cmocka_unit_test(bad_request_lines_are_refused),
        cmocka_unit_test(bad_fields_are_refused),
        cmocka_unit_test(bad_hosts_are_refused),
        cmocka_unit_test(published_smuggling_tricks_are_refused),
        cmocka_unit_test(connection_strips_what_it_names_but_nothing_that_matters),
        cmocka_unit_test(every_limit_holds_to_the_byte),
        cmocka_unit_test(a_connection_that_names_too_many_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
