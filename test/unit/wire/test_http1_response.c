#include "head_rows.h"

#define OK "HTTP/1.1 200 OK\r\n"

static void run(enum http1_method asked, const struct head_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_row((struct arrival){.response = true, .asked = asked}, &rows[i]);
}

static void good_responses_are_understood(void **state)
{
    static const struct head_row rows[] = {
        ROW(OK "Content-Length: 5\r\n\r\nhello", "200 OK 1.1 length 5 keep"),
        ROW(OK "Content-Length: 0\r\nConnection: close\r\n\r\n", "200 OK 1.1 length 0 close"),
        ROW(OK "Transfer-Encoding: chunked\r\n\r\n", "200 OK 1.1 chunked keep"),
        ROW(OK "\r\n", "200 OK 1.1 until-close close"),
        ROW("HTTP/1.0 200 OK\r\n\r\n", "200 OK 1.0 until-close close"),
        ROW("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", "200 OK 1.0 length 1 close"),
        ROW("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n",
            "200 OK 1.0 length 1 keep"),
        ROW("HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n", "200  1.1 length 1 keep"),
        ROW("HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n", "200  1.1 length 1 keep"),
        ROW("HTTP/1.1 404 Not\tFound \xc3\xa9\r\nContent-Length: 1\r\n\r\n",
            "404 Not\tFound \xc3\xa9 1.1 length 1 keep"),
        ROW("HTTP/1.1 999 ?\r\nContent-Length: 1\r\n\r\n", "999 ? 1.1 length 1 keep"),
        ROW("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", "100 Continue 1.1 none keep"),
        ROW("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", "103 Early Hints 1.1 none keep"),
        ROW("HTTP/1.1 204 No Content\r\n\r\n", "204 No Content 1.1 none keep"),
        ROW("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "204 No Content 1.1 none keep"),
        ROW("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
            "304 Not Modified 1.1 none 7 keep"),
        ROW("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81",
            "101 Switching 1.1 none keep upgrade"),
        ROW(OK "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n",
            "200 OK 1.1 length 1 keep"),
        ROW(OK "Expect: x\r\nHost: //\r\nContent-Length: 1\r\n\r\n", "200 OK 1.1 length 1 keep"),
    };

    (void)state;
    run(METHOD_GET, rows, ARRAY_LEN(rows));
}

static void the_method_decides_the_framing(void **state)
{
    static const struct head_row head[] = {
        ROW(OK "Content-Length: 5\r\n\r\n", "200 OK 1.1 none 5 keep"),
        ROW(OK "Transfer-Encoding: chunked\r\n\r\n", "200 OK 1.1 none keep"),
        ROW(OK "\r\n", "200 OK 1.1 none keep"),
    };
    static const struct head_row connect[] = {
        ROW(OK "\r\n", "200 OK 1.1 none keep"),
        ROW(OK "Content-Length: 5\r\n\r\n", "200 OK 1.1 none 5 keep"),
        ROW("HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n", "403 No 1.1 length 5 keep"),
    };

    (void)state;
    run(METHOD_HEAD, head, ARRAY_LEN(head));
    run(METHOD_CONNECT, connect, ARRAY_LEN(connect));
}

static void what_is_not_all_here_is_waited_for(void **state)
{
    static const struct head_row rows[] = {ROW("", "more"), ROW("HTT", "more"),
                                           ROW("HTTP/1.1 2", "more"), ROW(OK, "more"),
                                           ROW(OK "\r", "more")};

    (void)state;
    run(METHOD_GET, rows, ARRAY_LEN(rows));
}

static void bad_responses_are_refused(void **state)
{
    static const struct head_row rows[] = {
        ROW("garbage", "502 bytes that begin no message"),
        ROW("\r\n" OK "\r\n", "502 bytes that begin no message"),
        ROW("http/1.1 200 OK\r\n", "502 bytes that begin no message"),
        ROW("HTTP/2 200 OK\r\n", "502 a start line without HTTP version"),
        ROW("HTTP/2.0 200 OK\r\n", "502 an HTTP version other than 1.0 and 1.1"),
        ROW("HTTP/1.1\r\n", "502 a status that is not three digits"),
        ROW("HTTP/1.1 \r\n", "502 a status that is not three digits"),
        ROW("HTTP/1.1  200 OK\r\n", "502 a status that is not three digits"),
        ROW("HTTP/1.1 20 OK\r\n", "502 a status that is not three digits"),
        ROW("HTTP/1.1 2000 OK\r\n", "502 a status that is not three digits"),
        ROW("HTTP/1.1 099 OK\r\n", "502 a status that is not three digits"),
        ROW("HTTP/1.1 -20 OK\r\n", "502 a status that is not three digits"),
        ROW("HTTP/1.1 200\tOK\r\n", "502 a status that is not three digits"),
        ROW("HTTP/1.1 200 O\0K\r\n", "502 a control byte in a reason"),
        ROW("HTTP/1.1 200 OK\n", "502 a line that ends with LF alone"),
        ROW("HTTP/1.1 200 OK\rX: y\r\n", "502 a CR that is not followed by LF"),
        ROW(OK " X: y\r\n", "502 a folded field, or a space before the first"),
        ROW(OK "X : y\r\n", "502 a space before the colon of a field"),
        ROW(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "502 Content-Length together with Transfer-Encoding"),
        ROW(OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "502 more than one Content-Length"),
        ROW(OK "Content-Length: x\r\n\r\n", "502 a Content-Length that is not digits alone"),
        ROW(OK "Content-Length: 99999999999999999999\r\n\r\n",
            "502 a Content-Length beyond all bounds"),
        ROW(OK "Transfer-Encoding: gzip\r\n\r\n",
            "502 a Transfer-Encoding whose last coding is not chunked"),
        ROW(OK "Transfer-Encoding: gzip, chunked\r\n\r\n",
            "502 a transfer coding other than chunked"),
        ROW("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "502 Transfer-Encoding in HTTP/1.0"),
        ROW("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n",
            "502 a 1xx or 204 that announces a body"),
        ROW("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n",
            "502 a 1xx or 204 that announces a body"),
        ROW("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
            "502 a 1xx or 204 that announces a body"),
        ROW("HTTP/1.1 101 Switching\r\n\r\n", "502 a 101 that does not say to what"),
        ROW("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
            "502 a 101 that does not say to what"),
    };

    (void)state;
    run(METHOD_GET, rows, ARRAY_LEN(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_responses_are_understood),
        cmocka_unit_test(the_method_decides_the_framing),
        cmocka_unit_test(what_is_not_all_here_is_waited_for),
        cmocka_unit_test(bad_responses_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
