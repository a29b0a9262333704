/*
 * TCP services: bytes both ways, ends and resets as they were meant, PROXY headers in and out.
 */
#include "world.h"

#define TCP_ONE YAML("protocol: tcp", "  one: {backends: [$A]}\n")
#define TCP_TWO YAML("protocol: tcp", "  one: {backends: [$A, $B]}\n")

static void bytes_go_both_ways(void **state)
{
    struct world *w = begin(state, TCP_ONE);
    struct peer *client = dial(w), *server = admit(w, 0);

    say(w, client, "ping");
    hear(w, server, "ping");
    say(w, server, "pong");
    hear(w, client, "pong");
    assert_int_equal(backend(w, 0)->active, 1);
    hang_up(client);
    hear_end(w, server);
    hang_up(server);
    TURN_UNTIL(w, counted(&service(w)->active) == 0);
    TURN_UNTIL(w, counted(&backend(w, 0)->connections) == 0);
}

static void a_server_may_speak_first(void **state)
{
    struct world *w = begin(state, TCP_ONE);
    struct peer *client = dial(w), *server = admit(w, 0);

    say(w, server, "220 hello\r\n");
    hear(w, client, "220 hello\r\n");
}

static void each_end_is_passed_on_for_itself(void **state)
{
    struct world *w = begin(state, TCP_ONE);
    struct peer *client = dial(w), *server = admit(w, 0);

    say(w, client, "all I have to say");
    assert_int_equal(shutdown(client->fd, SHUT_WR), 0);
    hear_end(w, server);
    assert_string_equal(server->text, "all I have to say");
    for (int i = 0; i < 3; i++) {
        say(w, server, "still here.");
        settle(w);
    }
    hang_up(server);
    hear_end(w, client);
    assert_string_equal(client->text, "still here.still here.still here.");
}

static void a_reset_is_passed_on_as_a_reset(void **state)
{
    struct world *w = begin(state, TCP_ONE);
    struct peer *client = dial(w), *server = admit(w, 0);

    say(w, server, "so far");
    hear(w, client, "so far");
    crash(server);
    hear_reset(w, client);
    client = dial(w);
    server = admit(w, 0);
    say(w, client, "so far");
    hear(w, server, "so far");
    crash(client);
    hear_reset(w, server);
}

/* Much, both ways at once, and an end behind it. */
static void nothing_of_a_long_session_is_lost(void **state)
{
    enum { LEN = 2000000 };
    struct world *w = begin(state, TCP_ONE);
    struct peer *client = dial(w), *server = admit(w, 0);
    char *text = calloc(1, LEN);
    size_t up = 0, down = 0;

    for (size_t i = 0; i < LEN; i++)
        text[i] = (char)('a' + i % 23 + i / 1000 % 3);
    while (up < LEN || down < LEN) {
        ssize_t sent = send(client->fd, text + up, LEN - up, MSG_NOSIGNAL);

        up += sent > 0 ? (size_t)sent : 0;
        sent = send(server->fd, text + down, LEN - down, MSG_NOSIGNAL);
        down += sent > 0 ? (size_t)sent : 0;
        listen_to(client);
        listen_to(server);
        loop_turn(w->loop, NS_PER_MS / 4);
    }
    assert_int_equal(shutdown(client->fd, SHUT_WR), 0);
    assert_int_equal(shutdown(server->fd, SHUT_WR), 0);
    hear_end(w, server);
    hear_end(w, client);
    assert_int_equal(client->len, LEN);
    assert_int_equal(server->len, LEN);
    assert_memory_equal(client->text, text, LEN);
    assert_memory_equal(server->text, text, LEN);
    TURN_UNTIL(w, counted(&service(w)->connections) == 0);
    assert_int_equal(service(w)->bytes_in, LEN);
    assert_int_equal(service(w)->bytes_out, LEN);
    free(text);
}

static void a_peer_that_does_not_read_stops_the_other(void **state)
{
    struct world *w = begin(state, TCP_ONE);
    struct peer *client = dial(w), *server = admit(w, 0);
    static char text[60000];
    size_t said = 0;

    for (int refused = 0; refused < 20;) {
        ssize_t sent = send(client->fd, text, sizeof text, MSG_NOSIGNAL);

        said += sent > 0 ? (size_t)sent : 0;
        refused = sent > 0 ? 0 : refused + 1;
        loop_turn(w->loop, NS_PER_MS / 4);
    }
    assert_true(said < 100000000);
    assert_true(CHUNKS - loop_chunks_free(w->loop) < 16);
    say(w, server, "this way is free");
    hear(w, client, "this way is free");
}

static void an_idle_session_is_ended(void **state)
{
    struct world *w =
        begin(state, YAML("protocol: tcp, timeout: {idle: 50ms}", "  one: {backends: [$A]}\n"));
    struct peer *client = dial(w), *server = admit(w, 0);

    hear_reset(w, client);
    hear_reset(w, server);
}

static void a_backend_that_refuses_is_passed_over(void **state)
{
    struct world *w = begin(state, TCP_TWO);

    close(w->backends[0]);
    w->backends[0] = -1;
    for (int i = 0; i < 3; i++) {
        struct peer *client = dial(w), *server;

        say(w, client, "hello");
        server = admit(w, 1);
        hear(w, server, "hello");
    }
}

static void without_a_backend_the_client_is_reset(void **state)
{
    struct world *w = begin(state, TCP_ONE);
    struct peer *client;

    close(w->backends[0]);
    w->backends[0] = -1;
    client = dial(w);
    hear_reset(w, client);
    assert_int_equal(service(w)->unavailable, 1);
}

/* ---- PROXY ---- */

static void a_backend_is_told_the_client(void **state)
{
    struct world *w =
        begin(state, YAML("protocol: tcp", "  one: {backends: [$A], send_proxy: v1}\n"));
    struct peer *client = dial(w), *server = admit(w, 0);
    char wanted[128];

    say(w, client, "hello");
    hear(w, server, "hello");
    snprintf(wanted, sizeof wanted, "PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\nhello",
             port_of(client->fd), port_of(w->listener));
    assert_string_equal(server->text, wanted);
}

static void a_header_in_front_names_the_client(void **state)
{
    struct world *w = begin(state, YAML("protocol: tcp, accept_proxy: true",
                                        "  one: {backends: [$A], send_proxy: v1}\n"));
    struct peer *client = dial(w), *server;

    say(w, client, "PROXY TCP4 192.0.2.1 192.");
    settle(w);
    say(w, client, "0.2.2 1234 80\r\nhello");
    server = admit(w, 0);
    hear(w, server, "hello");
    assert_non_null(strstr(server->text, "PROXY TCP4 192.0.2.1 "));
}

static void a_header_alone_begins_a_session(void **state)
{
    struct world *w =
        begin(state, YAML("protocol: tcp, accept_proxy: true", "  one: {backends: [$A]}\n"));
    struct peer *client = dial(w), *server;

    say(w, client, "PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n");
    server = admit(w, 0);
    say(w, server, "220 hello");
    hear(w, client, "220 hello");
}

static void without_its_header_a_connection_is_reset(void **state)
{
    struct world *w = begin(
        state, YAML("accept_proxy: true, timeout: {request: 50ms}", "  one: {backends: [$A]}\n"));
    struct peer *client = dial(w), *silent = dial(w);

    say(w, client, GET);
    hear_reset(w, client);
    hear_reset(w, silent);
}

static void requests_carry_the_client_that_the_header_names(void **state)
{
    struct world *w =
        begin(state, YAML("accept_proxy: true", "  one: {backends: [$A], send_proxy: v2}\n"));
    struct peer *client = dial(w), *server;
    static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";

    for (int i = 0; i < 2; i++) {
        say(w, client, i == 0 ? "PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n" GET : GET);
        server = admit(w, 0); /* a new one each time: it is bound to its client */
        hear_bytes(w, server, 100);
        assert_memory_equal(server->text, signature, 12);
        TURN_UNTIL(w, (listen_to(server), memmem(server->text, server->len,
                                                 "X-Forwarded-For: 192.0.2.1\r\n", 28) != NULL));
        say(w, server, OK);
        hear(w, client, OK);
        forget(client);
        hear_end(w, server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(bytes_go_both_ways),
        BOTH(a_server_may_speak_first),
        BOTH(each_end_is_passed_on_for_itself),
        BOTH(a_reset_is_passed_on_as_a_reset),
        BOTH(nothing_of_a_long_session_is_lost),
        BOTH(a_peer_that_does_not_read_stops_the_other),
        BOTH(an_idle_session_is_ended),
        BOTH(a_backend_that_refuses_is_passed_over),
        BOTH(without_a_backend_the_client_is_reset),
        BOTH(a_backend_is_told_the_client),
        BOTH(a_header_in_front_names_the_client),
        BOTH(a_header_alone_begins_a_session),
        BOTH(without_its_header_a_connection_is_reset),
        BOTH(requests_carry_the_client_that_the_header_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
