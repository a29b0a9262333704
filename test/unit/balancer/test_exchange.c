/*
 * Requests and answers as they should be, in all the ways that HTTP/1 has to say them.
 */
#include "world.h"

/* A client asks, a backend hears it. */
static struct peer *ask(struct world *w, struct peer *client, const char *request)
{
    struct peer *server;

    say(w, client, request);
    server = admit(w, 0);
    hear(w, server, "\r\n\r\n");
    return server;
}

static void an_answer_reaches_its_client(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = ask(w, client, GET);

    say(w, server, OK);
    hear(w, client, "\r\n\r\nok");
    assert_string_equal(client->text, OK);
    assert_int_equal(service(w)->requests, 1);
    assert_int_equal(service(w)->responses[2], 1);
    assert_int_equal(service(w)->active, 0);
    assert_int_equal(backend(w, 0)->requests, 1);
    assert_int_equal(backend(w, 0)->active, 0);
    assert_int_equal(backend(w, 0)->idle, 1);
}

static void a_backend_learns_who_asks(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w);
    struct peer *server =
        ask(w, client,
            "GET /x?y HTTP/1.1\r\nHost: h:8\r\nX-Forwarded-For: 9.9.9.9\r\n"
            "X-Request-Id: mine\r\nConnection: x-hop\r\nX-Hop: 1\r\nA: b\r\n\r\n");

    assert_string_equal(server->text,
                        "GET /x?y HTTP/1.1\r\nHost: h:8\r\nA: b\r\n"
                        "Forwarded: for=127.0.0.1;host=\"h:8\";proto=http\r\n"
                        "X-Forwarded-For: 9.9.9.9, 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
                        "X-Forwarded-Host: h:8\r\nX-Request-Id: mine\r\n\r\n");
}

static void connections_are_kept_on_both_sides(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = ask(w, client, GET);

    for (int i = 0; i < 10; i++) {
        say(w, server, OK);
        hear(w, client, "ok");
        forget(client);
        forget(server);
        say(w, client, GET);
        hear(w, server, "\r\n\r\n");
    }
    assert_int_equal(backend(w, 0)->connects, 1);
    assert_int_equal(service(w)->accepted, 1);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w);
    struct peer *server = ask(w, client,
                              "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
                              "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
                              "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");

    assert_null(strstr(server->text, "/2"));
    for (int i = 1; i <= 3; i++) {
        char wanted[96];

        snprintf(wanted, sizeof wanted, "GET /%d", i);
        hear(w, server, wanted);
        snprintf(wanted, sizeof wanted, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", i);
        say(w, server, wanted);
        hear(w, client, wanted);
    }
}

static void a_head_may_come_byte_by_byte(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = NULL;

    for (const char *at = GET; *at; at++) {
        say_bytes(w, client, at, 1);
        settle(w);
    }
    server = admit(w, 0);
    hear(w, server, "\r\n\r\n");
    for (const char *at = OK; *at; at++) {
        say_bytes(w, server, at, 1);
        settle(w);
    }
    hear(w, client, "ok");
    assert_string_equal(client->text, OK);
}

static void a_body_reaches_the_backend(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w);
    struct peer *server =
        ask(w, client, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n01234");

    say(w, client, "56789" GET);
    hear(w, server, "\r\n\r\n0123456789");
    say(w, server, OK);
    hear(w, client, "ok");
    forget(server);
    hear(w, server, "GET /x");
}

static void chunks_are_framed_anew(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w);
    struct peer *server = ask(w, client,
                              "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "2;ext=1\r\nab\r\n3\r\ncde\r\n");

    hear(w, server, "Transfer-Encoding: chunked");
    hear(w, server, "\r\n\r\n5\r\nabcde\r\n");
    say(w, client, "1\r\nf\r\n0\r\nTrailer: x\r\n\r\n");
    hear(w, server, "\r\n1\r\nf\r\n0\r\n\r\n");
    say(w, server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    hear(w, client, "\r\n\r\n3\r\nabc\r\n");
    say(w, server, "1\r\nd\r\n1\r\ne\r\n0\r\n\r\n");
    hear(w, client, "2\r\nde\r\n0\r\n\r\n");
    forget(client);
    forget(server);
    say(w, client, GET);
    hear(w, server, "\r\n\r\n");
}

static char *big_text(size_t len)
{
    char *text = calloc(1, len + 1);

    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + i % 23 + i / 1000 % 3);
    return text;
}

static void long_bodies_go_both_ways(void **state)
{
    enum { LEN = 1000003 };
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = NULL;
    char *text = big_text(LEN);

    for (int i = 0; i < 3; i++) {
        forget(client);
        say(w, client, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000003\r\n\r\n");
        if (i == 0)
            server = admit(w, 0);
        else
            forget(server);
        for (size_t said = 0; said < LEN; said += 50000) {
            say_bytes(w, client, text + said, LEN - said < 50000 ? LEN - said : 50000);
            listen_to(server);
        }
        hear(w, server, "\r\n\r\n");
        hear_bytes(w, server, strstr(server->text, "\r\n\r\n") - server->text + 4 + LEN);
        assert_string_equal(strstr(server->text, "\r\n\r\n") + 4, text);

        say(w, server, "HTTP/1.1 200 OK\r\nContent-Length: 1000003\r\n\r\n");
        for (size_t said = 0; said < LEN; said += 50000) {
            say_bytes(w, server, text + said, LEN - said < 50000 ? LEN - said : 50000);
            listen_to(client);
        }
        hear(w, client, "\r\n\r\n");
        hear_bytes(w, client, strstr(client->text, "\r\n\r\n") - client->text + 4 + LEN);
        assert_string_equal(strstr(client->text, "\r\n\r\n") + 4, text);
    }
    assert_int_equal(backend(w, 0)->connects, 1);
    free(text);
}

/* The content of a chunked body, joined. */
static char *unchunked(const char *at)
{
    char *text = calloc(1, TEXT_MAX), *end;
    size_t len = 0;

    for (;;) {
        unsigned long size = strtoul(at, &end, 16);

        assert_memory_equal(end, "\r\n", 2);
        if (size == 0)
            return text;
        memcpy(text + len, end + 2, size);
        len += size;
        at = end + 2 + size + 2;
    }
}

static void a_long_answer_until_close_becomes_chunks(void **state)
{
    enum { LEN = 300007 };
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = ask(w, client, GET);
    char *text = big_text(LEN), *heard;

    say(w, server, "HTTP/1.0 200 Fine\r\nA: b\r\n\r\n");
    for (size_t said = 0; said < LEN; said += 50000) {
        say_bytes(w, server, text + said, LEN - said < 50000 ? LEN - said : 50000);
        listen_to(client);
    }
    hang_up(server);
    hear(w, client, "\r\n0\r\n\r\n");
    assert_ptr_equal(
        strstr(client->text, "HTTP/1.1 200 Fine\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n"),
        client->text);
    heard = unchunked(strstr(client->text, "\r\n\r\n") + 4);
    assert_string_equal(heard, text);
    forget(client);
    say(w, client, GET);
    server = admit(w, 0);
    hear(w, server, "\r\n\r\n");
    free(heard);
    free(text);
}

static void an_old_client_gets_no_chunks(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = ask(w, client, "GET / HTTP/1.0\r\n\r\n");

    hear(w, server, "GET / HTTP/1.1\r\nHost: \r\n");
    say(w, server,
        "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n"
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    hear_end(w, client);
    assert_string_equal(client->text, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
}

static void an_old_client_may_keep_its_connection(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w);
    struct peer *server = ask(w, client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");

    say(w, server, OK);
    hear(w, client, "ok");
    hear(w, client, "Connection: keep-alive\r\n");
    forget(server);
    say(w, client, GET);
    hear(w, server, "GET /x");
}

static void answers_without_a_body_end_with_their_head(void **state)
{
    static const struct {
        const char *request, *answer;
    } rows[] = {
        {"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"},
        {GET, "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"},
        {GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"},
        {GET, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
        {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
         "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"},
    };
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = ask(w, client, GET);

    say(w, server, OK);
    hear(w, client, "ok");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        forget(client);
        forget(server);
        say(w, client, rows[i].request);
        hear(w, server, "\r\n\r\n");
        say(w, server, rows[i].answer);
        hear(w, client, "\r\n\r\n");
        assert_string_equal(client->text, rows[i].answer);
    }
    assert_int_equal(backend(w, 0)->connects, 1);
}

static void a_client_that_waits_for_100_gets_it(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w);
    struct peer *server = ask(w, client,
                              "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
                              "Expect: 100-continue\r\n\r\n");

    hear(w, server, "Expect: 100-continue");
    say(w, server, "HTTP/1.1 100 Continue\r\n\r\n");
    hear(w, client, "HTTP/1.1 100 Continue\r\n\r\n");
    say(w, client, "abc");
    hear(w, server, "\r\n\r\nabc");
    say(w, server, OK);
    hear(w, client, "\r\n\r\n" OK);
}

static void an_early_answer_ends_the_connection(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w);
    struct peer *server =
        ask(w, client, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nabc");

    say(w, server, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
    hear_end(w, client);
    assert_string_equal(client->text,
                        "HTTP/1.1 403 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    say(w, client, "what nobody waits for");
    hear_end(w, server);
}

static void a_backend_may_answer_while_it_reads(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w);
    struct peer *server =
        ask(w, client, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");

    say(w, server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    hear(w, client, "1\r\na\r\n");
    say(w, client, "1\r\nb\r\n");
    hear(w, server, "1\r\nb\r\n");
    say(w, server, "1\r\nc\r\n");
    hear(w, client, "1\r\nc\r\n");
    say(w, client, "0\r\n\r\n");
    hear(w, server, "0\r\n\r\n");
    say(w, server, "0\r\n\r\n");
    hear(w, client, "0\r\n\r\n");
    hear_end(w, client);
}

static void an_upgrade_becomes_a_tunnel(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w);
    struct peer *server = ask(w, client,
                              "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\n"
                              "Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n");

    hear(w, server, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    hear(w, server, "Sec-WebSocket-Key: k\r\n");
    say(w, server,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
        "Upgrade: websocket\r\n\r\nfirst");
    hear(w, client, "Upgrade: websocket\r\n\r\nfirst");
    say(w, client, "ping");
    hear(w, server, "ping");
    assert_int_equal(shutdown(client->fd, SHUT_WR), 0);
    hear_end(w, server);
    say(w, server, "pong");
    hear(w, client, "pong");
    hang_up(server);
    hear_end(w, client);
}

static void a_backend_that_closes_is_not_reused(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = ask(w, client, GET);

    say(w, server, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    hear(w, client, "ok");
    assert_string_equal(client->text, OK);
    hear_end(w, server);
    ask(w, client, GET);
}

static void a_client_that_closes_is_let_go(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w);
    struct peer *server = ask(w, client, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");

    assert_null(strstr(server->text, "Connection"));
    say(w, server, OK);
    hear_end(w, client);
    assert_string_equal(client->text,
                        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    TURN_UNTIL(w, service(w)->connections == 0);
    assert_int_equal(backend(w, 0)->idle, 1);
}

static void a_client_may_end_before_it_is_answered(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w);
    struct peer *server = ask(w, client, GET GET);

    assert_int_equal(shutdown(client->fd, SHUT_WR), 0);
    settle(w);
    say(w, server, OK);
    hear(w, client, "ok");
    forget(server);
    forget(client);
    hear(w, server, "\r\n\r\n");
    say(w, server, OK);
    hear_end(w, client);
    assert_string_equal(client->text, OK);
}

static void routes_choose_the_pool(void **state)
{
    struct world *w =
        begin(state, "cluster: test\nservices:\n  web:\n    listen: \"127.0.0.1:1\"\n    routes:\n"
                     "      - {match: {path: /api}, pool: api}\n"
                     "      - {match: {host: \"*.shop\", method: POST}, pool: api}\n"
                     "pools:\n  api: {backends: [$A]}\n");
    struct peer *client = dial(w);

    say(w, client, GET);
    hear(w, client, "404 Not Found\n");
    forget(client);
    ask(w, client, "GET /api/1 HTTP/1.1\r\nHost: h\r\n\r\n");
}

static void what_is_no_request_is_refused_and_read_out(void **state)
{
    static const struct {
        const char *request, *status;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost : h\r\n\r\n", "HTTP/1.1 400 "},
        {"GET / HTTP/3.0\r\n\r\n", "HTTP/1.1 505 "},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n", "HTTP/1.1 413 "},
        {"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n", "HTTP/1.1 501 "},
    };
    struct world *w = begin(state, YAML("max_body: 100", "  one: {backends: [$A]}\n"));

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer *client = dial(w);

        say(w, client, rows[i].request);
        hear(w, client, rows[i].status);
        say(w, client, "more that nobody reads");
        if (strncmp(rows[i].request, "CONNECT", 7) == 0)
            continue;
        hear_end(w, client);
        assert_non_null(strstr(client->text, "Connection: close\r\n"));
    }
    assert_false(anybody_waits(w, 0));
}

static void a_chunked_body_beyond_the_limit_is_refused(void **state)
{
    struct world *w = begin(state, YAML("max_body: 4", "  one: {backends: [$A]}\n"));
    struct peer *client = dial(w);
    struct peer *server = ask(
        w, client, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");

    say(w, client, "2\r\nde\r\n");
    hear(w, client, "HTTP/1.1 413 ");
    hear_end(w, client);
    hear_reset(w, server);
}

static void each_request_is_one_line_in_the_log(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w);
    struct peer *server = ask(w, client, "GET /a\"b?q HTTP/1.1\r\nHost: h\r\n\r\n");
    char line[4096] = {0};

    say(w, server, OK);
    hear(w, client, "ok");
    TURN_UNTIL(w, read(w->log[0], line, sizeof line - 1) > 0);
    assert_int_equal(line[0], '{');
    assert_non_null(strstr(line, "\"service\":\"web\""));
    assert_non_null(strstr(line, "\"method\":\"GET\",\"host\":\"h\",\"path\":\"/a\\\"b\""));
    assert_non_null(strstr(line, "\"status\":200"));
    assert_non_null(strstr(line, "\"tries\":1"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(an_answer_reaches_its_client),
        BOTH(a_backend_learns_who_asks),
        BOTH(connections_are_kept_on_both_sides),
        BOTH(pipelined_requests_are_answered_in_order),
        BOTH(a_head_may_come_byte_by_byte),
        BOTH(a_body_reaches_the_backend),
        BOTH(chunks_are_framed_anew),
        BOTH(long_bodies_go_both_ways),
        BOTH(a_long_answer_until_close_becomes_chunks),
        BOTH(an_old_client_gets_no_chunks),
        BOTH(an_old_client_may_keep_its_connection),
        BOTH(answers_without_a_body_end_with_their_head),
        BOTH(a_client_that_waits_for_100_gets_it),
        BOTH(an_early_answer_ends_the_connection),
        BOTH(a_backend_may_answer_while_it_reads),
        BOTH(an_upgrade_becomes_a_tunnel),
        BOTH(a_backend_that_closes_is_not_reused),
        BOTH(a_client_that_closes_is_let_go),
        BOTH(a_client_may_end_before_it_is_answered),
        BOTH(routes_choose_the_pool),
        BOTH(what_is_no_request_is_refused_and_read_out),
        BOTH(a_chunked_body_beyond_the_limit_is_refused),
        BOTH(each_request_is_one_line_in_the_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
