/*
 * From one configuration to the next, and to the end: nothing that is under way is cut.
 */
#include "world.h"

static bool is_done(const struct world *w, uint64_t generation)
{
    for (uint32_t i = 0; i < w->done_count; i++) {
        if (w->done[i] == generation)
            return true;
    }
    return false;
}

static struct peer *ask(struct world *w, struct peer *client, int backend_index)
{
    struct peer *server;

    say(w, client, GET);
    server = admit(w, backend_index);
    hear(w, server, "\r\n\r\n");
    return server;
}

static void connections_outlive_a_reload(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = ask(w, client, 0);

    for (int i = 0; i < 30; i++) {
        configure(w, ONE_BACKEND);
        say(w, server, OK);
        hear(w, client, "ok");
        forget(client);
        forget(server);
        say(w, client, GET);
        hear(w, server, "\r\n\r\n");
    }
    assert_int_equal(backend(w, 0)->connects, 1);
    assert_int_equal(service(w)->accepted, 1);
    assert_true(is_done(w, 29));
    assert_false(is_done(w, 31));
}

static void a_request_keeps_the_generation_it_began_in(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = ask(w, client, 0);

    configure(w, YAML("protocol: http", "  one: {backends: [$B]}\n"));
    assert_false(is_done(w, 1));
    say(w, server, OK);
    hear(w, client, OK);
    assert_true(is_done(w, 1));
    hear_end(w, server); /* it is in no pool any more */
    ask(w, client, 1);
}

static void more_reloads_than_generations_take_only_the_choice(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *clients[12], *servers[12];

    for (int i = 0; i < 12; i++) {
        clients[i] = dial(w);
        servers[i] = ask(w, clients[i], 0);
        configure(w, ONE_BACKEND);
    }
    for (int i = 0; i < 11; i++) {
        say(w, servers[i], OK);
        hear(w, clients[i], OK);
        if (i == 0)
            crash(servers[++i]);
    }
    hear(w, clients[1], "HTTP/1.1 502 ");
    crash(servers[11]); /* this one has its choice still */
    servers[11] = admit(w, 0);
    hear(w, servers[11], "\r\n\r\n");
}

static void a_service_that_goes_lets_its_clients_finish(void **state)
{
    struct world *w = begin(state, "cluster: test\nservices:\n"
                                   "  web: {listen: \"127.0.0.1:1\", pool: one}\n"
                                   "pools:\n  one: {backends: [$A]}\n");
    struct peer *client = dial(w), *server = ask(w, client, 0), *idle = dial(w);

    settle(w);
    configure(w, "cluster: test\nservices:\n  other: {listen: \"127.0.0.1:2\", pool: one}\n"
                 "pools:\n  one: {backends: [$A]}\n");
    say(w, server, OK);
    hear_end(w, client);
    assert_non_null(strstr(client->text, "Connection: close\r\n\r\nok"));
    assert_false(is_done(w, 1)); /* a client of it is still there */
    forget(server);
    say(w, idle, GET);
    hear(w, server, "GET");
    say(w, server, OK);
    hear_end(w, idle);
    assert_non_null(strstr(idle->text, "Connection: close\r\n\r\nok"));
    TURN_UNTIL(w, is_done(w, 1));
}

static void a_backend_that_goes_finishes_what_it_has(void **state)
{
    struct world *w = begin(state, TWO_BACKENDS);
    struct peer *client = dial(w), *other = dial(w), *server;

    server = ask(w, client, 0);
    configure(w, YAML("protocol: http", "  one: {backends: [{address: $A, drain: true}, $B]}\n"));
    ask(w, other, 1);
    ask(w, dial(w), 1);
    say(w, server, OK);
    hear(w, client, OK);
}

static void draining_ends_each_client_after_its_answer(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = ask(w, client, 0), *late, *idle = dial(w);

    settle(w);
    late = dial(w); /* still in the kernel's queue */
    balancer_drain(w->balancer, after_ms(loop_now(w->loop), 4000));
    say(w, late, GET);
    hear(w, admit(w, 0), "\r\n\r\n");
    hang_up(late);
    assert_false(w->drained);
    say(w, server, OK);
    hear_end(w, client);
    assert_non_null(strstr(client->text, "Connection: close\r\n\r\nok"));
    hang_up(client);
    hear_end(w, idle);
    TURN_UNTIL(w, w->drained);
}

static void what_outlasts_the_drain_is_cut(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server = ask(w, client, 0);

    balancer_drain(w->balancer, after_ms(loop_now(w->loop), 50));
    hear_reset(w, client);
    hear_reset(w, server);
    TURN_UNTIL(w, w->drained);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(connections_outlive_a_reload),
        BOTH(a_request_keeps_the_generation_it_began_in),
        BOTH(more_reloads_than_generations_take_only_the_choice),
        BOTH(a_service_that_goes_lets_its_clients_finish),
        BOTH(a_backend_that_goes_finishes_what_it_has),
        BOTH(draining_ends_each_client_after_its_answer),
        BOTH(what_outlasts_the_drain_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
