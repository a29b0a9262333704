/*
 * Services of a group: clients go to whoever is the primary, wait while there is none, and are cut off from one that is none any more.
 * The tests write what the agent would write into the scoreboard.
 */
#include "world.h"

#define GROUP(service)                                                                             \
    "cluster: test\n"                                                                              \
    "nodes: {a: {address: 127.0.0.1}, b: {address: 127.0.0.2}, c: {address: 127.0.0.3}}\n"         \
    "services:\n"                                                                                  \
    "  web: {listen: \"127.0.0.1:1\", group: g, " service "}\n"                                    \
    "groups:\n"                                                                                    \
    "  g:\n"                                                                                       \
    "    command: /bin/true\n"                                                                     \
    "    members: {a: {endpoint: $A}, b: {endpoint: $B}, c: {endpoint: $C}}\n"

#define HTTP GROUP("protocol: http, hold: 30s")
#define TCP GROUP("protocol: tcp, hold: 30s")
#define POST "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"

enum { LEASE = 3 };

static const struct group_counters *of_group(const struct world *w)
{
    return &w->board->worker[0].groups[0];
}

static struct group_record *record(struct world *w)
{
    return &w->board->groups[0];
}

static void publish(struct world *w, enum board_phase phase, uint64_t epoch, uint64_t primary)
{
    struct group_record *r = record(w);

    atomic_store(&r->epoch, epoch);
    atomic_store(&r->primary, primary);
    atomic_store(&r->phase, phase);
    atomic_store(&r->at, (uint64_t)clock_now().ns);
    atomic_fetch_add(&r->changes, 1);
}

static void serves(struct world *w, uint64_t epoch, uint64_t primary)
{
    publish(w, BOARD_GROUP_SERVING, epoch, primary);
}

static void fails(struct world *w, uint64_t epoch)
{
    publish(w, BOARD_GROUP_RECOVERING, epoch, 0);
}

static void lease_for(struct world *w, int64_t ms)
{
    atomic_store(&record(w)->here, 1);
    atomic_store(&record(w)->lease, LEASE);
    atomic_store(&w->board->leases[LEASE].until,
                 (uint64_t)(loop_read_clock(w->loop, LOOP_BOOT).ns + ms * NS_PER_MS));
}

static void waiting(struct world *w, uint64_t count)
{
    TURN_UNTIL(w, counted(&of_group(w)->waiting) == count);
}

static struct peer *asks(struct world *w, const char *request)
{
    struct peer *client = dial(w);

    say(w, client, request);
    return client;
}

static void answers(struct world *w, struct peer *server, struct peer *client)
{
    hear(w, server, "Host: h\r\n");
    say(w, server, OK);
    hear(w, client, OK);
}

/* The request comes on the connection that was kept, or, when it was let go before that was free, on one of its own. */
static void answers_wherever(struct world *w, struct peer *kept, struct peer *client)
{
    int fd = -1;

    TURN_UNTIL(w, has_heard(kept, "Host: h\r\n") ||
                      (fd = accept4(w->backends[0], NULL, NULL, SOCK_CLOEXEC)) >= 0);
    answers(w, fd >= 0 ? new_peer(w, fd) : kept, client);
}

/* ---- where to ---- */

static void requests_follow_the_primary(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client = dial(w), *server;

    for (int place = 0; place < 3; place++) {
        serves(w, 7 + (uint64_t)place, 1 + (uint64_t)place);
        say(w, client, GET);
        server = admit(w, place);
        answers(w, server, client);
        forget(client);
    }
    assert_int_equal(of_group(w)->held, 0);
}

static void what_was_kept_to_a_former_primary_is_closed(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client, *server;

    serves(w, 7, 1);
    client = asks(w, GET);
    server = admit(w, 0);
    answers(w, server, client);
    TURN_UNTIL(w, counted(&backend(w, 0)->idle) == 1);
    fails(w, 8);
    hear_end(w, server);
    TURN_UNTIL(w, counted(&backend(w, 0)->connections) == 0);
}

static void a_member_that_the_file_does_not_have_is_waited_for(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client;

    serves(w, 7, 4);
    client = asks(w, GET);
    waiting(w, 1);
    serves(w, 8, 2);
    answers(w, admit(w, 1), client);
}

/* ---- waiting ---- */

static void a_request_waits_for_a_primary(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client = asks(w, POST);

    waiting(w, 1); /* nobody has said anything of the group yet */
    fails(w, 7);
    settle(w);
    publish(w, BOARD_GROUP_PROMOTING, 7, 2);
    settle(w);
    assert_int_equal(of_group(w)->waiting, 1);
    serves(w, 7, 2);
    answers(w, admit(w, 1), client);
    assert_int_equal(of_group(w)->waiting, 0);
    assert_int_equal(of_group(w)->held, 1);
    assert_int_equal(of_group(w)->released, 1);
    assert_int_equal(service(w)->responses[2], 1);
}

static void a_connection_waits_without_a_buffer(void **state)
{
    struct world *w = begin(state, TCP);
    struct peer *client = asks(w, "hello"), *server;

    waiting(w, 1);
    settle(w);
    assert_int_equal(loop_chunks_free(w->loop), CHUNKS);
    serves(w, 7, 3);
    server = admit(w, 2);
    hear(w, server, "hello");
    say(w, server, "world");
    hear(w, client, "world");
}

static void a_body_waits_too(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client = asks(w, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n01234");
    struct peer *server;

    waiting(w, 1);
    say(w, client, "567");
    serves(w, 7, 1);
    server = admit(w, 0);
    say(w, client, "89");
    hear(w, server, "0123456789");
    say(w, server, OK);
    hear(w, client, OK);
}

static void what_comes_after_a_waiting_request_is_answered_after_it(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client = asks(w, GET "GET /second HTTP/1.1\r\nHost: h\r\n\r\n"), *server;

    waiting(w, 1);
    serves(w, 7, 1);
    server = admit(w, 0);
    answers(w, server, client);
    hear(w, server, "GET /second");
    forget(client);
    say(w, server, OK);
    hear(w, client, OK);
}

static void all_that_wait_get_through(void **state)
{
    enum { MANY = 24 };
    struct world *w = begin(state, TCP);
    struct peer *clients[MANY], *servers[MANY];

    for (int i = 0; i < MANY; i++)
        clients[i] = asks(w, "x");
    waiting(w, MANY);
    serves(w, 7, 1);
    for (int i = 0; i < MANY; i++) {
        servers[i] = admit(w, 0);
        hear(w, servers[i], "x");
        say(w, servers[i], "y");
    }
    for (int i = 0; i < MANY; i++)
        hear(w, clients[i], "y");
    assert_int_equal(of_group(w)->released, MANY);
    assert_int_equal(of_group(w)->waiting, 0);
}

/* ---- an end to it ---- */

static void a_request_that_waited_long_enough_is_told_so(void **state)
{
    struct world *w = begin(state, GROUP("protocol: http, hold: 50ms"));
    struct peer *client = asks(w, POST);

    hear(w, client, "HTTP/1.1 503 ");
    hear(w, client, "Retry-After: 1\r\n");
    assert_int_equal(of_group(w)->expired, 1);
    assert_int_equal(of_group(w)->waiting, 0);
    assert_int_equal(of_group(w)->released, 0);
    assert_int_equal(service(w)->unavailable, 1);
    forget(client);
    serves(w, 7, 1);
    say(w, client, GET);
    answers(w, admit(w, 0), client);
}

static void a_connection_that_waited_long_enough_is_reset(void **state)
{
    struct world *w = begin(state, GROUP("protocol: tcp, hold: 50ms"));
    struct peer *client = asks(w, "hello");

    hear_reset(w, client);
    assert_int_equal(of_group(w)->expired, 1);
}

static void trying_again_and_again_wins_no_time(void **state)
{
    struct world *w = begin(state, GROUP("protocol: tcp, hold: 100ms"));
    struct peer *client;

    close(w->backends[1]);
    w->backends[1] = -1;
    serves(w, 7, 2);
    client = dial(w);
    hear_reset(w, client);
    assert_int_equal(of_group(w)->expired, 1);
    assert_int_equal(of_group(w)->held, 1);
    assert_true(backend(w, 1)->connects > 1);
}

static void without_a_hold_nobody_waits(void **state)
{
    struct world *w = begin(state, GROUP("protocol: http, hold: 0s"));
    struct peer *client = asks(w, GET);

    hear(w, client, "HTTP/1.1 503 ");
    assert_int_equal(of_group(w)->held, 0);
    assert_int_equal(service(w)->unavailable, 1);
}

static void more_than_may_wait_are_refused(void **state)
{
    struct world *w = begin(state, GROUP("protocol: http, hold: 30s, hold_limit: 2"));
    struct peer *first = asks(w, GET), *second = asks(w, GET), *third, *server;

    waiting(w, 2);
    third = asks(w, GET);
    hear(w, third, "HTTP/1.1 503 ");
    assert_int_equal(of_group(w)->refused, 1);
    hang_up(first);
    waiting(w, 1);
    third = asks(w, GET);
    waiting(w, 2);
    serves(w, 7, 1);
    server = admit(w, 0);
    answers(w, server, second);
    forget(server);
    answers_wherever(w, server, third);
}

static void more_bytes_than_may_wait_are_refused(void **state)
{
    struct world *w = begin(state, GROUP("protocol: http, hold: 30s, hold_bytes: 17KiB"));
    struct peer *first = asks(w, POST), *second;

    waiting(w, 1);
    second = asks(w, POST);
    hear(w, second, "HTTP/1.1 503 ");
    assert_int_equal(of_group(w)->refused, 1);
    serves(w, 7, 1);
    answers(w, admit(w, 0), first);
}

static void clients_that_go_away_wait_no_longer(void **state)
{
    struct world *w = begin(state, TCP);
    struct peer *gone = asks(w, "hello"), *crashed = asks(w, "hello"), *stays = asks(w, "hello");
    struct peer *server;

    waiting(w, 3);
    hang_up(gone);
    waiting(w, 2);
    crash(crashed);
    waiting(w, 1);
    serves(w, 7, 1);
    server = admit(w, 0);
    hear(w, server, "hello");
    say(w, server, "x");
    hear(w, stays, "x");
    settle(w);
    assert_false(anybody_waits(w, 0));
    assert_int_equal(of_group(w)->released, 1);
}

/* ---- failures that a failover explains ---- */

static void a_primary_that_refuses_is_waited_for(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client;

    close(w->backends[0]);
    w->backends[0] = -1;
    serves(w, 7, 1);
    client = asks(w, POST); /* nothing of it was sent: it may be sent later */
    waiting(w, 1);
    serves(w, 8, 2);
    answers(w, admit(w, 1), client);
}

static void a_safe_request_that_was_cut_off_is_asked_again(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client, *server;

    serves(w, 7, 1);
    client = asks(w, GET);
    server = admit(w, 0);
    hear(w, server, "GET /x");
    close(w->backends[0]);
    w->backends[0] = -1;
    crash(server);
    waiting(w, 1);
    serves(w, 8, 2);
    answers(w, admit(w, 1), client);
    assert_int_equal(service(w)->requests, 1);
}

static void a_write_that_was_cut_off_is_not(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client, *server;

    serves(w, 7, 1);
    client = asks(w, POST);
    server = admit(w, 0);
    hear(w, server, "hi");
    crash(server);
    hear(w, client, "HTTP/1.1 502 ");
    assert_int_equal(of_group(w)->held, 0);
}

/* ---- a primary that is none any more ---- */

static void sessions_to_a_deposed_primary_are_cut(void **state)
{
    struct world *w = begin(state, TCP);
    struct peer *client, *server;

    serves(w, 7, 1);
    client = asks(w, "hello");
    server = admit(w, 0);
    hear(w, server, "hello");
    publish(w, BOARD_GROUP_SWITCHING, 7, 1);
    settle(w);
    say(w, server, "still here");
    hear(w, client, "still here");
    fails(w, 8);
    hear_reset(w, client);
    hear_reset(w, server);
    assert_int_equal(of_group(w)->cut, 1);
}

static void new_connections_wait_during_a_switchover(void **state)
{
    struct world *w = begin(state, TCP);
    struct peer *old, *client, *server;

    serves(w, 7, 1);
    old = asks(w, "old");
    hear(w, admit(w, 0), "old");
    publish(w, BOARD_GROUP_SWITCHING, 7, 1);
    client = asks(w, "new");
    waiting(w, 1);
    serves(w, 8, 2);
    server = admit(w, 1);
    hear(w, server, "new");
    say(w, server, "hello");
    hear(w, client, "hello");
    hear_reset(w, old);
}

static void a_safe_request_moves_to_the_new_primary(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client, *writer, *old, *older;

    serves(w, 7, 1);
    client = asks(w, GET);
    old = admit(w, 0);
    hear(w, old, "GET /x");
    writer = asks(w, POST);
    older = admit(w, 0);
    hear(w, older, "hi");
    serves(w, 8, 2);
    answers(w, admit(w, 1), client);
    hear_reset(w, old);
    assert_int_equal(backend(w, 0)->moved, 1);
    say(w, older, OK); /* who may have executed it is still listened to */
    hear(w, writer, OK);
    hear_end(w, older); /* but serves nobody else */
}

static void an_agent_that_knows_nothing_cuts_nobody(void **state)
{
    struct world *w = begin(state, TCP);
    struct peer *client, *late, *server;

    serves(w, 7, 1);
    client = asks(w, "hello");
    server = admit(w, 0);
    hear(w, server, "hello");
    publish(w, BOARD_GROUP_UNKNOWN, 0, 0);
    late = asks(w, "late");
    waiting(w, 1);
    say(w, server, "still here");
    hear(w, client, "still here");
    serves(w, 7, 1);
    hear(w, admit(w, 0), "late");
    hang_up(late);
    assert_int_equal(of_group(w)->cut, 0);
}

/* ---- the lease of a primary that is this node ---- */

static void without_its_lease_the_own_primary_gets_nothing(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client;

    lease_for(w, 0);
    serves(w, 7, 1);
    client = asks(w, GET);
    waiting(w, 1);
    settle(w);
    assert_false(anybody_waits(w, 0));
    lease_for(w, 3600000);
    answers(w, admit(w, 0), client);
}

/* It wrote that the primary is another node, and not yet which. */
static void an_agent_that_froze_while_it_wrote_opens_nothing(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client;

    lease_for(w, 0);
    serves(w, 7, 1);
    client = asks(w, GET);
    waiting(w, 1);
    atomic_store(&record(w)->here, 0);
    settle(w);
    assert_int_equal(of_group(w)->waiting, 1);
    assert_false(anybody_waits(w, 0));
    serves(w, 8, 2);
    answers(w, admit(w, 1), client);
}

static void sessions_end_with_the_lease_though_nobody_says_so(void **state)
{
    struct world *w = begin(state, TCP);
    struct peer *client, *server;

    lease_for(w, 3600000);
    serves(w, 7, 1);
    client = asks(w, "hello");
    server = admit(w, 0);
    hear(w, server, "hello");
    lease_for(w, 20);
    hear_reset(w, client);
    assert_int_equal(of_group(w)->cut, 1);
}

/* ---- a probe ---- */

static void the_probe_of_a_new_primary_does_not_wait(void **state)
{
    struct world *w = begin(state, TCP);
    struct peer *client = asks(w, "client"), *probe, *server;

    publish(w, BOARD_GROUP_PROMOTING, 7, 2);
    waiting(w, 1);
    probe = dial(w);
    atomic_store(&record(w)->probe_port, port_of(probe->fd));
    server = admit(w, 1);
    say(w, probe, "probe");
    hear(w, server, "probe");
    say(w, server, "written");
    hear(w, probe, "written");
    assert_int_equal(of_group(w)->waiting, 1);
    serves(w, 7, 2);
    hear(w, admit(w, 1), "client");
    say(w, server, "not cut");
    hear(w, probe, "not cut");
    hang_up(client);
}

static void a_probe_that_is_known_late_does_not_wait_for_itself(void **state)
{
    struct world *w = begin(state, TCP);
    struct peer *client = asks(w, "client"), *probe, *server;

    publish(w, BOARD_GROUP_PROMOTING, 7, 2);
    waiting(w, 1);
    probe = dial(w);
    waiting(w, 2);
    atomic_store(&record(w)->probe_port, port_of(probe->fd));
    server = admit(w, 1);
    say(w, probe, "probe");
    hear(w, server, "probe");
    assert_int_equal(of_group(w)->waiting, 1);
    hang_up(client);
}

/* ---- reads from secondaries ---- */

#define READS GROUP("protocol: http, role: secondary, hold: 30s, max_lag: 1s")

static void lags(struct world *w, uint64_t a, uint64_t b, uint64_t c)
{
    atomic_store(&record(w)->lag_ms[0], a);
    atomic_store(&record(w)->lag_ms[1], b);
    atomic_store(&record(w)->lag_ms[2], c);
}

static void reads_are_spread_over_secondaries_near_the_primary(void **state)
{
    struct world *w = begin(state, READS);
    struct peer *server[3] = {NULL, NULL, NULL};

    lags(w, 0, 100, 200);
    serves(w, 7, 1);
    for (int i = 0; i < 4; i++) {
        struct peer *client = asks(w, GET);
        int place = 1 + i % 2;

        if (!server[place])
            server[place] = admit(w, place);
        answers(w, server[place], client);
        forget(server[place]);
    }
    assert_int_equal(backend(w, 0)->requests, 0);
    assert_int_equal(backend(w, 1)->requests, 2);
    lags(w, 0, UINT64_MAX, 900);
    answers(w, server[2], asks(w, GET));
    lags(w, 0, UINT64_MAX, 1100);
    answers(w, admit(w, 0), asks(w, GET));
}

static void reads_go_on_without_a_primary(void **state)
{
    struct world *w = begin(state, READS);
    struct peer *client;

    lags(w, UINT64_MAX, 50, UINT64_MAX);
    fails(w, 8);
    client = asks(w, GET);
    answers(w, admit(w, 1), client);
    lags(w, UINT64_MAX, UINT64_MAX, UINT64_MAX);
    client = asks(w, GET);
    waiting(w, 1);
    lags(w, UINT64_MAX, UINT64_MAX, 0);
    answers(w, admit(w, 2), client);
}

static void reads_turn_to_the_primary_when_secondaries_refuse(void **state)
{
    struct world *w = begin(state, READS);
    struct peer *client;

    close(w->backends[1]);
    close(w->backends[2]);
    w->backends[1] = w->backends[2] = -1;
    lags(w, 0, 0, 0);
    serves(w, 7, 1);
    client = asks(w, GET);
    answers(w, admit(w, 0), client);
}

/* ---- the configuration changes meanwhile ---- */

static void who_waits_goes_by_the_members_of_now(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client = asks(w, GET);

    waiting(w, 1);
    configure(w, "cluster: test\n"
                 "nodes: {a: {address: 127.0.0.1}, b: {address: 127.0.0.2}}\n"
                 "services:\n"
                 "  web: {listen: \"127.0.0.1:1\", group: g}\n"
                 "groups:\n"
                 "  g: {command: /bin/true, members: {b: {endpoint: $B}, a: {endpoint: $A}}}\n");
    settle(w);
    assert_int_equal(of_group(w)->waiting, 1);
    serves(w, 7, 1);
    answers(w, admit(w, 1), client);
}

static void many_reloads_keep_who_waits(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client = asks(w, GET);

    waiting(w, 1);
    for (int i = 0; i < 12; i++)
        configure(w, HTTP);
    serves(w, 7, 3);
    answers(w, admit(w, 2), client);
}

static void who_waits_for_a_group_that_the_service_has_left_is_told_so(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client = asks(w, GET);

    waiting(w, 1);
    configure(w, ONE_BACKEND);
    serves(w, 7, 1);
    hear(w, client, "HTTP/1.1 503 ");
    assert_int_equal(of_group(w)->waiting, 0);
}

static void the_log_says_how_long_it_waited(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client = asks(w, GET);
    char line[4096] = "";

    waiting(w, 1);
    serves(w, 7, 1);
    answers(w, admit(w, 0), client);
    TURN_UNTIL(w, read(w->log[0], line, sizeof line - 1) > 0);
    assert_non_null(strstr(line, "\"held_us\":"));
}

static void a_drain_lets_who_waits_get_through(void **state)
{
    struct world *w = begin(state, HTTP);
    struct peer *client = asks(w, GET);

    waiting(w, 1);
    balancer_drain(w->balancer, NEVER);
    serves(w, 7, 1);
    say(w, admit(w, 0), OK);
    hear(w, client, "Connection: close\r\n\r\nok");
    TURN_UNTIL(w, w->drained);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(requests_follow_the_primary),
        BOTH(what_was_kept_to_a_former_primary_is_closed),
        BOTH(a_member_that_the_file_does_not_have_is_waited_for),
        BOTH(a_request_waits_for_a_primary),
        BOTH(a_connection_waits_without_a_buffer),
        BOTH(a_body_waits_too),
        BOTH(what_comes_after_a_waiting_request_is_answered_after_it),
        BOTH(all_that_wait_get_through),
        BOTH(a_request_that_waited_long_enough_is_told_so),
        BOTH(a_connection_that_waited_long_enough_is_reset),
        BOTH(trying_again_and_again_wins_no_time),
        BOTH(without_a_hold_nobody_waits),
        BOTH(more_than_may_wait_are_refused),
        BOTH(more_bytes_than_may_wait_are_refused),
        BOTH(clients_that_go_away_wait_no_longer),
        BOTH(a_primary_that_refuses_is_waited_for),
        BOTH(a_safe_request_that_was_cut_off_is_asked_again),
        BOTH(a_write_that_was_cut_off_is_not),
        BOTH(sessions_to_a_deposed_primary_are_cut),
        BOTH(new_connections_wait_during_a_switchover),
        BOTH(a_safe_request_moves_to_the_new_primary),
        BOTH(an_agent_that_knows_nothing_cuts_nobody),
        BOTH(without_its_lease_the_own_primary_gets_nothing),
        BOTH(an_agent_that_froze_while_it_wrote_opens_nothing),
        BOTH(sessions_end_with_the_lease_though_nobody_says_so),
        BOTH(the_probe_of_a_new_primary_does_not_wait),
        BOTH(a_probe_that_is_known_late_does_not_wait_for_itself),
        BOTH(reads_are_spread_over_secondaries_near_the_primary),
        BOTH(reads_go_on_without_a_primary),
        BOTH(reads_turn_to_the_primary_when_secondaries_refuse),
        BOTH(who_waits_goes_by_the_members_of_now),
        BOTH(many_reloads_keep_who_waits),
        BOTH(who_waits_for_a_group_that_the_service_has_left_is_told_so),
        BOTH(the_log_says_how_long_it_waited),
        BOTH(a_drain_lets_who_waits_get_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
