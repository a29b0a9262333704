/*
 * What a client sees when a backend dies, hangs, lies or babbles, and what a backend sees of clients that do: each has one clear outcome.
 */
#include "world.h"

#define POST "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"
#define RETRY(what) YAML("protocol: http", "  one: {backends: [$A, $B], retry: {" what "}}\n")

/* Who has the request now: the backends take connections in turn, but which begins is theirs to say. */
static struct peer *whoever(struct world *w, int *which)
{
    int fd = -1;

    for (*which = 0; fd < 0; *which = (*which + 1) % BACKENDS) {
        fd = accept4(w->backends[*which], NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            break;
        loop_turn(w->loop, NS_PER_MS);
    }
    return new_peer(w, fd);
}

static void refuse(struct world *w, int backend)
{
    close(w->backends[backend]);
    w->backends[backend] = -1;
}

static void a_backend_that_refuses_is_passed_over(void **state)
{
    struct world *w = begin(state, TWO_BACKENDS);
    struct peer *server;

    refuse(w, 0);
    for (int i = 0; i < 4; i++) {
        struct peer *client = dial(w);

        say(w, client, POST);
        if (i == 0)
            server = admit(w, 1);
        else
            forget(server);
        hear(w, server, "\r\n\r\nab");
        say(w, server, OK);
        hear(w, client, "ok");
    }
    assert_true(counted(&backend(w, 0)->connect_failures) >= 1);
    assert_true(counted(&backend(w, 0)->connect_failures) <= 2);
    assert_int_equal(service(w)->responses[2], 4);
}

static void when_nobody_is_left_the_client_is_told_at_once(void **state)
{
    struct world *w = begin(state, TWO_BACKENDS);
    struct peer *client = dial(w);

    refuse(w, 0);
    refuse(w, 1);
    say(w, client, GET);
    hear(w, client, "HTTP/1.1 503 Service Unavailable\r\n");
    hear(w, client, "Retry-After: 1\r\n");
    hear(w, client, "503 Service Unavailable\n");
    forget(client);
    say(w, client, GET);
    hear(w, client, "503 Service Unavailable\n");
    assert_int_equal(service(w)->unavailable, 2);
}

static void a_pool_that_is_down_is_not_asked(void **state)
{
    struct world *w = *state;
    struct peer *client;

    atomic_store(&w->board->verdicts[0].state, VERDICT_DOWN);
    begin(state, ONE_BACKEND);
    client = dial(w);
    say(w, client, GET);
    hear(w, client, "HTTP/1.1 503 ");
    assert_false(anybody_waits(w, 0));
}

static void what_an_operator_drains_is_not_asked(void **state)
{
    struct world *w = *state;
    struct peer *client;

    atomic_store(&w->board->overrides[0].draining, 1);
    begin(state, TWO_BACKENDS);
    client = dial(w);
    for (int i = 0; i < 2; i++) {
        say(w, client, GET);
        hear(w, admit(w, 1), "\r\n\r\n");
        client = dial(w);
    }
    assert_false(anybody_waits(w, 0));
}

static void what_may_be_repeated_is_tried_elsewhere(void **state)
{
    struct world *w = begin(state, TWO_BACKENDS);
    struct peer *client = dial(w), *server;
    int first;

    say(w, client, "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc");
    server = whoever(w, &first);
    hear(w, server, "\r\n\r\nabc");
    crash(server);
    server = admit(w, 1 - first);
    hear(w, server, "\r\n\r\nabc");
    say(w, client, "def");
    hear(w, server, "\r\n\r\nabcdef");
    say(w, server, OK);
    hear(w, client, OK);
    assert_int_equal(backend(w, first)->retries, 1);
    assert_int_equal(backend(w, first)->failures, 1);
}

static void what_may_not_be_repeated_is_not(void **state)
{
    struct world *w = begin(state, TWO_BACKENDS);
    struct peer *client = dial(w), *server;
    int first;

    say(w, client, POST);
    server = whoever(w, &first);
    hear(w, server, "\r\n\r\nab");
    crash(server);
    hear(w, client, "HTTP/1.1 502 ");
    assert_false(anybody_waits(w, 1 - first));
}

static void a_key_makes_a_post_repeatable(void **state)
{
    struct world *w = begin(state, TWO_BACKENDS);
    struct peer *client = dial(w), *server;
    int first;

    say(w, client,
        "POST /x HTTP/1.1\r\nHost: h\r\nIdempotency-Key: 1\r\nContent-Length: 0\r\n\r\n");
    server = whoever(w, &first);
    hear(w, server, "\r\n\r\n");
    hang_up(server);
    server = admit(w, 1 - first);
    hear(w, server, "\r\n\r\n");
}

static void a_long_body_is_not_kept_for_another_try(void **state)
{
    enum { LEN = 200000 };
    struct world *w = begin(state, TWO_BACKENDS);
    struct peer *client = dial(w), *server;
    char *text = calloc(1, LEN);
    int first;

    memset(text, 'x', LEN);
    say(w, client, "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n");
    server = whoever(w, &first);
    for (int i = 0; i < LEN; i += 10000) {
        say_bytes(w, client, text + i, 10000);
        settle(w);
        listen_to(server);
    }
    hear_bytes(w, server, LEN);
    crash(server);
    hear(w, client, "HTTP/1.1 502 ");
    assert_false(anybody_waits(w, 1 - first));
    free(text);
}

static void a_kept_connection_that_closes_costs_nobody_anything(void **state)
{
    struct world *w = begin(state, YAML("protocol: http", "  one: {backends: [$A]}\n"));
    struct peer *client = dial(w), *server;

    say(w, client, GET);
    server = admit(w, 0);
    hear(w, server, "\r\n\r\n");
    say(w, server, OK);
    hear(w, client, "ok");
    forget(client);
    forget(server);
    say(w, client, GET);
    hear(w, server, "\r\n\r\n");
    hang_up(server);
    server = admit(w, 0);
    hear(w, server, "\r\n\r\n");
    say(w, server, OK);
    hear(w, client, "ok");
    assert_int_equal(backend(w, 0)->failures, 0);
}

static void a_status_may_send_a_request_elsewhere(void **state)
{
    struct world *w = begin(state, RETRY("attempts: 1, on: [\"503\"]"));
    struct peer *client = dial(w), *server;
    int first;

    for (int i = 0; i < 2; i++) { /* the second 503 is the answer: no attempt is left */
        say(w, client, i == 0 ? GET : "");
        server = i == 0 ? whoever(w, &first) : admit(w, 1 - first);
        hear(w, server, "\r\n\r\n");
        assert_string_equal(client->text, "");
        say(w, server, "HTTP/1.1 503 No\r\nContent-Length: 1\r\n\r\n?");
    }
    hear(w, client, "HTTP/1.1 503 No\r\nContent-Length: 1\r\n\r\n?");
}

/* Answers 503 to whatever a backend is asked. How often it did. */
static int decline(struct world *w, int backend, struct peer **server)
{
    int fd = accept4(w->backends[backend], NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0)
        *server = new_peer(w, fd);
    if (!*server || !has_heard(*server, "\r\n\r\n"))
        return 0;
    forget(*server);
    say(w, *server, "HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno");
    return 1;
}

/* A share of nothing leaves the reserve: ten a second for ten seconds. */
static void retries_stay_within_their_budget(void **state)
{
    enum { REQUESTS = 60 };
    struct world *w = begin(state, RETRY("attempts: 1, budget: 0%, on: [\"503\"]"));
    struct peer *client = dial(w), *servers[2] = {NULL, NULL};
    int tries = 0;

    for (int i = 0; i < REQUESTS; i++) {
        say(w, client, GET);
        for (; !has_heard(client, "no"); loop_turn(w->loop, NS_PER_MS / 10))
            tries += decline(w, 0, &servers[0]) + decline(w, 1, &servers[1]);
        forget(client);
    }
    assert_int_equal(tries, 2 * REQUESTS);
}

static void a_hanging_backend_costs_time_but_no_request(void **state)
{
    struct world *w = begin(state, TWO_BACKENDS);
    struct peer *client = dial(w), *other = dial(w), *server;
    int first;

    say(w, client, GET);
    server = whoever(w, &first);
    hear(w, server, "\r\n\r\n");
    say(w, other, POST); /* goes to the other one, and so does the next */
    hear(w, admit(w, 1 - first), "\r\n\r\n");
    atomic_store(&w->board->verdicts[first].state, VERDICT_DOWN);
    server = admit(w, 1 - first);
    hear(w, server, "\r\n\r\n");
    say(w, server, OK);
    hear(w, client, OK);
    assert_int_equal(backend(w, first)->moved, 1);
    assert_int_equal(backend(w, first)->retries, 0);
}

static void what_may_not_be_moved_waits_for_its_backend(void **state)
{
    struct world *w = begin(state, TWO_BACKENDS);
    struct peer *client = dial(w), *server;
    int first;

    say(w, client, POST);
    server = whoever(w, &first);
    hear(w, server, "\r\n\r\nab");
    atomic_store(&w->board->verdicts[first].state, VERDICT_DOWN);
    for (int i = 0; i < 10; i++)
        settle(w);
    say(w, server, OK);
    hear(w, client, OK);
    assert_int_equal(backend(w, first)->moved, 0);
}

static void a_backend_that_does_not_answer_in_time_is_given_up(void **state)
{
    struct world *w = begin(
        state, YAML("protocol: http", "  one: {backends: [$A, $B], timeout: {response: 50ms}}\n"));
    struct peer *client = dial(w);

    say(w, client, GET);
    hear(w, client, "HTTP/1.1 504 ");
    assert_int_equal(service(w)->timeouts, 1);
}

static void a_timeout_may_send_a_request_elsewhere(void **state)
{
    struct world *w = begin(state, YAML("protocol: http",
                                        "  one: {backends: [$A, $B], timeout: {response: 50ms}, "
                                        "retry: {on: timeout}}\n"));
    struct peer *client = dial(w), *server;
    int first;

    say(w, client, GET);
    server = whoever(w, &first);
    hear(w, server, "\r\n\r\n");
    server = admit(w, 1 - first);
    hear(w, server, "\r\n\r\n");
    say(w, server, OK);
    hear(w, client, OK);
}

/* ---- backends that lie ---- */

static struct peer *ask_one(struct world *w, struct peer *client)
{
    struct peer *server;

    say(w, client, GET);
    server = admit(w, 0);
    hear(w, server, "\r\n\r\n");
    return server;
}

static void an_answer_that_is_none_becomes_502(void **state)
{
    static const char *const answers[] = {
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    };
    struct world *w = begin(state, ONE_BACKEND);

    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct peer *client = dial(w), *server = ask_one(w, client);

        say(w, server, answers[i]);
        hear(w, client, "HTTP/1.1 502 ");
        hear_reset(w, server);
        hang_up(client);
    }
}

static void a_head_that_is_cut_short_is_no_answer(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = ask_one(w, client);

    for (int i = 0; i < 2; i++) {
        say(w, server, "HTTP/1.1 200 OK\r\nContent-Le");
        hang_up(server);
        server = admit(w, 0);
        hear(w, server, "\r\n\r\n");
    }
    hang_up(server);
    hear(w, client, "HTTP/1.1 502 ");
}

static void an_answer_that_is_cut_short_never_looks_complete(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx",
    };
    struct world *w = begin(state, ONE_BACKEND);

    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct peer *client = dial(w), *server = ask_one(w, client);

        say(w, server, answers[i]);
        hear(w, client, i == 2 ? "" : "abc");
        hang_up(server);
        hear_reset(w, client);
        assert_null(strstr(client->text, "\n0\r\n\r\n"));
    }
}

static void a_reset_in_an_answer_until_close_is_passed_on(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = ask_one(w, client);

    say(w, server, "HTTP/1.0 200 OK\r\n\r\nabc");
    hear(w, client, "abc");
    crash(server);
    hear_reset(w, client);
}

static void more_than_was_promised_is_dropped(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = ask_one(w, client);

    say(w, server, OK OK);
    hear(w, client, OK);
    settle(w);
    listen_to(client);
    assert_string_equal(client->text, OK);
    forget(client);
    server = ask_one(w, client);
    say(w, server, OK);
    hear(w, client, OK);
}

static void an_idle_backend_that_speaks_is_hung_up(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = ask_one(w, client);

    say(w, server, OK);
    hear(w, client, OK);
    TURN_UNTIL(w, counted(&backend(w, 0)->idle) == 1);
    say(w, server, OK);
    TURN_UNTIL(w, counted(&backend(w, 0)->idle) == 0);
    forget(client);
    say(w, ask_one(w, client), OK);
    hear(w, client, OK);
}

static void an_answer_that_stands_still_is_cut(void **state)
{
    struct world *w =
        begin(state, YAML("protocol: http", "  one: {backends: [$A], timeout: {idle: 50ms}}\n"));
    struct peer *client = dial(w), *server = ask_one(w, client);

    say(w, server, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
    hear_reset(w, client);
}

/* ---- clients that misbehave ---- */

static void a_slow_head_is_given_up(void **state)
{
    struct world *w = begin(state, YAML("timeout: {request: 100ms}", "  one: {backends: [$A]}\n"));
    struct peer *client = dial(w), *other = dial(w);

    say(w, client, "GET / HTTP/1.1\r\nHo");
    settle(w);
    say(w, other, GET);
    hear(w, admit(w, 0), "\r\n\r\n"); /* others are served meanwhile */
    hear(w, client, "HTTP/1.1 408 ");
    hear_end(w, client);
}

static void a_slow_body_is_given_up(void **state)
{
    struct world *w = begin(state, YAML("timeout: {idle: 100ms}", "  one: {backends: [$A]}\n"));
    struct peer *client = dial(w), *server;

    say(w, client, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    server = admit(w, 0);
    hear(w, client, "HTTP/1.1 408 ");
    hear_reset(w, server);
}

/* Says as much as somebody takes. How much that was. */
static size_t say_all_that_goes(struct world *w, struct peer *peer, uint32_t *chunks_least)
{
    static char text[8 + 60000 + 2] = "00ea60\r\n"; /* one chunk */
    size_t said = 0;

    memcpy(text + sizeof text - 2, "\r\n", 2);

    for (int refused = 0; refused < 20;) {
        size_t at = said % sizeof text;
        ssize_t sent = send(peer->fd, text + at, sizeof text - at, MSG_NOSIGNAL);

        said += sent > 0 ? (size_t)sent : 0;
        refused = sent > 0 ? 0 : refused + 1;
        loop_turn(w->loop, NS_PER_MS / 4);
        if (loop_chunks_free(w->loop) < *chunks_least)
            *chunks_least = loop_chunks_free(w->loop);
    }
    return said;
}

/* What waits for it never becomes nothing, and nothing new comes: only how much it takes says that it is there. */
static void a_client_that_reads_slowly_is_no_silent_one(void **state)
{
    enum { IDLE_MS = 400, PIECE = 4096 };
    struct world *w =
        begin(state, YAML("protocol: http", "  one: {backends: [$A], timeout: {idle: 400ms}}\n"));
    const int small = 8192;
    struct peer *client, *server;
    struct instant begun;
    uint32_t least = UINT32_MAX;
    char piece[PIECE];

    assert_int_equal(setsockopt(w->listener, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    client = dial(w);
    assert_int_equal(setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    say(w, client, GET);
    server = admit(w, 0);
    hear(w, server, "\r\n\r\n");
    say(w, server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    say_all_that_goes(w, server, &least);
    begun = loop_now(w->loop);
    while (!passed(after_ms(begun, 3LL * IDLE_MS), loop_now(w->loop))) {
        struct instant next = after_ms(loop_now(w->loop), IDLE_MS / 16);

        TURN_UNTIL(w, passed(next, loop_now(w->loop)));
        if (recv(client->fd, piece, sizeof piece, 0) <= 0)
            assert_int_equal(errno, EAGAIN);
    }
    assert_int_equal(service(w)->timeouts, 0);
    hear_reset(w, server); /* who takes nothing is let go after all */
    assert_int_equal(service(w)->timeouts, 1);
}

static void a_silent_client_is_let_go(void **state)
{
    struct world *w = begin(state, YAML("timeout: {idle: 50ms}", "  one: {backends: [$A]}\n"));
    struct peer *client = dial(w);

    hear_end(w, client);
    assert_string_equal(client->text, "");
}

static void a_client_that_never_reads_holds_little(void **state)
{
    struct world *w =
        begin(state, YAML("protocol: http", "  one: {backends: [$A], timeout: {idle: 300ms}}\n"));
    struct peer *client = dial(w), *server = ask_one(w, client), *other;
    uint32_t least = CHUNKS;

    say(w, server, "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
    assert_true(say_all_that_goes(w, server, &least) < 100000000);
    assert_true(CHUNKS - least < 16);
    other = dial(w);
    say(w, ask_one(w, other), OK); /* others are served meanwhile */
    hear(w, other, OK);
    TURN_UNTIL(w, counted(&service(w)->connections) == 1);
}

static void a_client_that_goes_away_takes_its_request_along(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = ask_one(w, client);

    crash(client);
    hear_reset(w, server);
    assert_int_equal(service(w)->active, 0);
    assert_int_equal(service(w)->responses[0], 1);
}

static void a_client_that_leaves_during_its_body_is_not_completed(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server;

    say(w, client, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    server = admit(w, 0);
    hear(w, server, "abc");
    hang_up(client);
    hear_reset(w, server);
}

static void more_clients_than_sessions_wait_their_turn(void **state)
{
    struct world *w = *state;
    struct peer *clients[6];

    w->sessions = 4;
    begin(state, ONE_BACKEND);
    for (int i = 0; i < 6; i++) {
        clients[i] = dial(w);
        say(w, clients[i], GET);
    }
    for (int i = 0; i < 6; i++) {
        struct peer *server = admit(w, 0);

        hear(w, server, "\r\n\r\n");
        say(w, server, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        hear(w, clients[i], "ok");
        hang_up(clients[i]);
    }
}

static void without_buffers_the_client_is_cut_off_and_nothing_leaks(void **state)
{
    struct world *w = *state;
    struct peer *clients[8];

    w->chunks = 3;
    begin(state, ONE_BACKEND);
    for (int i = 0; i < 8; i++) {
        clients[i] = dial(w);
        say(w, clients[i], "GET / HTTP/1.1\r\nHost");
        settle(w);
    }
    for (int i = 0; i < 8; i++)
        hang_up(clients[i]);
    TURN_UNTIL(w, counted(&service(w)->connections) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_backend_that_refuses_is_passed_over),
        BOTH(when_nobody_is_left_the_client_is_told_at_once),
        BOTH(a_pool_that_is_down_is_not_asked),
        BOTH(what_an_operator_drains_is_not_asked),
        BOTH(what_may_be_repeated_is_tried_elsewhere),
        BOTH(what_may_not_be_repeated_is_not),
        BOTH(a_key_makes_a_post_repeatable),
        BOTH(a_long_body_is_not_kept_for_another_try),
        BOTH(a_kept_connection_that_closes_costs_nobody_anything),
        BOTH(a_status_may_send_a_request_elsewhere),
        BOTH(retries_stay_within_their_budget),
        BOTH(a_hanging_backend_costs_time_but_no_request),
        BOTH(what_may_not_be_moved_waits_for_its_backend),
        BOTH(a_backend_that_does_not_answer_in_time_is_given_up),
        BOTH(a_timeout_may_send_a_request_elsewhere),
        BOTH(an_answer_that_is_none_becomes_502),
        BOTH(a_head_that_is_cut_short_is_no_answer),
        BOTH(an_answer_that_is_cut_short_never_looks_complete),
        BOTH(a_reset_in_an_answer_until_close_is_passed_on),
        BOTH(more_than_was_promised_is_dropped),
        BOTH(an_idle_backend_that_speaks_is_hung_up),
        BOTH(an_answer_that_stands_still_is_cut),
        BOTH(a_slow_head_is_given_up),
        BOTH(a_slow_body_is_given_up),
        BOTH(a_client_that_reads_slowly_is_no_silent_one),
        BOTH(a_silent_client_is_let_go),
        BOTH(a_client_that_never_reads_holds_little),
        BOTH(a_client_that_goes_away_takes_its_request_along),
        BOTH(a_client_that_leaves_during_its_body_is_not_completed),
        BOTH(more_clients_than_sessions_wait_their_turn),
        BOTH(without_buffers_the_client_is_cut_off_and_nothing_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
