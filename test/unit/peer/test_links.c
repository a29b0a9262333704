/*
 * Two nodes over real sockets and real TLS: links come up, carry frames, end, and come back.
 */
#include "peer/nodes.h"

static void comes_up_and_says_who_is_there(void **state)
{
    struct world *world = world_of(state);
    struct pair pair;

    pair_up(&pair, world);
    assert_string_equal(pair.a.story, "up b v2 'b'\n");
    assert_string_equal(pair.b.story, "up a v2 'a'\n");
    assert_true(peers_link(pair.a.peers, 0).calls);
    assert_false(peers_link(pair.b.peers, 0).calls);
    assert_int_equal(peers_link(pair.a.peers, 0).address.port, pair.b.port);
    assert_int_equal(peers_find(pair.a.peers, "b"), 0);
    assert_int_equal(peers_find(pair.a.peers, "c"), PEERS_MAX);
    pair_close(&pair);
}

static void carries_frames_whole_and_in_order(void **state)
{
    struct world *world = world_of(state);
    static const size_t sizes[] = {4, 100, 4096, 16384, 70000, PEER_BODY_MAX};
    struct pair pair;
    uint32_t sent = 0;

    pair_up(&pair, world);
    for (; sent < 60; sent++)
        TURN_UNTIL(world, send_number(&pair.a, sent, sizes[sent % ARRAY_LEN(sizes)]));
    TURN_UNTIL(world, pair.b.frames == 60);
    assert_int_equal(pair.b.wrong_order, 0);
    for (sent = 0; sent < 60; sent++)
        TURN_UNTIL(world, send_number(&pair.b, sent, sizes[sent % ARRAY_LEN(sizes)]));
    TURN_UNTIL(world, pair.a.frames == 60);
    assert_int_equal(pair.a.wrong_order, 0);
    TURN_UNTIL(world, peers_link(pair.b.peers, 0).queued == 0);
    pair_close(&pair);
}

static void refuses_what_its_queue_does_not_hold(void **state)
{
    struct world *world = world_of(state);
    struct pair pair;
    uint32_t sent = 0;

    pair_up(&pair, world);
    while (send_number(&pair.a, sent, 100000))
        sent++;
    assert_in_range(sent, 10, 13);
    assert_true(peers_link(pair.a.peers, 0).queued > PEER_QUEUE_MAX / 2);
    TURN_UNTIL(world, pair.b.frames == sent);
    assert_int_equal(pair.b.wrong_order, 0);
    assert_true(send_number(&pair.a, sent, 4));
    pair_close(&pair);
}

static uint32_t frames_before_urgent;

static void note_urgent(struct node *node, uint32_t peer, uint16_t type, struct bytes body)
{
    (void)peer;
    (void)body;
    if (type == 9)
        frames_before_urgent = node->frames - 1;
}

static void sends_what_is_urgent_before_what_waits(void **state)
{
    struct world *world = world_of(state);
    struct pair pair;
    uint32_t sent = 0;

    pair_up(&pair, world);
    pair.b.on_received = note_urgent;
    while (send_number(&pair.a, sent, 100000))
        sent++;
    assert_true(peers_send_urgent(pair.a.peers, 0, 9, BYTES("!")));
    TURN_UNTIL(world, pair.b.frames == sent + 1);
    assert_in_range(frames_before_urgent, 0, 2);
    pair_close(&pair);
}

static void says_goodbye_and_is_called_again(void **state)
{
    struct world *world = world_of(state);
    struct pair pair;
    struct tls_context *tls;
    uint16_t port;

    pair_up(&pair, world);
    port = pair.b.port;
    tls = pair.b.tls;
    pair.b.tls = NULL;
    peers_close(pair.b.peers, false);
    TURN_UNTIL(world, pair.b.closed);
    TURN_UNTIL(world, told(&pair.a, "down b closed: it said goodbye\n"));
    assert_false(peers_send(pair.a.peers, 0, 1, BYTES("lost")));
    close(pair.b.fd);
    TURN_UNTIL(world, told(&pair.a, "refused b path 0: ECONNREFUSED\n"));

    node_open(&pair.b, world, "b", tls);
    assert_int_not_equal(pair.b.port, port);
    node_knows(&pair.b, &pair.a);
    node_knows(&pair.a, &pair.b);
    TURN_UNTIL(world, node_is_up(&pair.a) && node_is_up(&pair.b));
    assert_int_equal(peers_link(pair.a.peers, 0).ups, 2);
    pair_close(&pair);
}

static void tells_a_reset_from_a_goodbye_and_knocks(void **state)
{
    struct world *world = world_of(state);
    struct pair pair;

    pair_up(&pair, world);
    /* The smaller name is gone: the larger one, which is called, asks whether the port refuses. */
    node_crash(&pair.a);
    TURN_UNTIL(world, told(&pair.b, "down a reset: Connection reset by peer\n"));
    TURN_UNTIL(world, told(&pair.b, "refused a path 0: ECONNREFUSED\n"));
    pair_close(&pair);
}

static void calls_a_node_that_was_reset_at_once(void **state)
{
    struct world *world = world_of(state);
    struct pair pair;

    pair_up(&pair, world);
    node_crash(&pair.b);
    TURN_UNTIL(world, told(&pair.a, "down b reset: Connection reset by peer\n"
                                    "refused b path 0: ECONNREFUSED\n"));
    pair_close(&pair);
}

static void breaks_a_link_when_the_owner_says_so(void **state)
{
    struct world *world = world_of(state);
    struct pair pair;

    pair_up(&pair, world);
    peers_break(pair.a.peers, 0, "it lies about its log");
    assert_true(node_is_up(&pair.a));
    TURN_UNTIL(world, told(&pair.a, "down b broken: it lies about its log\n"));
    TURN_UNTIL(world, peers_link(pair.b.peers, 0).ups == 2 && node_is_up(&pair.a));
    pair_close(&pair);
}

static void forgets_a_peer_that_is_no_longer_configured(void **state)
{
    struct world *world = world_of(state);
    struct pair pair;

    pair_up(&pair, world);
    peers_configure(pair.a.peers, NULL, 0);
    assert_null(peers_link(pair.a.peers, 0).name);
    TURN_UNTIL(world, told(&pair.b, "down a closed: it said goodbye\n"));
    assert_string_equal(pair.a.story, "up b v2 'b'\n");
    pair_close(&pair);
}

static void gives_up_a_silent_address_and_takes_the_next(void **state)
{
    struct world *world = world_of(state);
    struct peers_options options;
    struct peer_place place;
    int silent = open_listener();
    struct pair pair;

    /* Nobody accepts at the first address: its kernel answers, and then there is silence. */
    pair_open(&pair, world);
    peers_configure(pair.a.peers, NULL, 0);
    node_crash(&pair.a);
    options = node_options(&pair.a);
    options.handshake_ms = 50;
    node_open_with(&pair.a, &options);
    place = (struct peer_place){
        .name = "b", .addresses = {loopback(port_of(silent)), loopback(pair.b.port)}, .count = 2};
    peers_configure(pair.a.peers, &place, 1);
    TURN_UNTIL(world, node_is_up(&pair.a));
    assert_int_equal(peers_link(pair.a.peers, 0).path, 1);
    assert_true(told(&pair.a, "refused b path 0: Connection timed out\n"));
    pair_close(&pair);
    close(silent);
}

static void measures_the_way_there_and_back(void **state)
{
    struct world *world = world_of(state);
    struct peers_options options;
    struct pair pair;

    pair_open(&pair, world);
    node_crash(&pair.a);
    options = node_options(&pair.a);
    options.silence_ms = 200;
    node_open_with(&pair.a, &options);
    node_knows(&pair.a, &pair.b);
    TURN_UNTIL(world, peers_link(pair.a.peers, 0).rtt_ns > 0);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(comes_up_and_says_who_is_there),
        BOTH(carries_frames_whole_and_in_order),
        BOTH(refuses_what_its_queue_does_not_hold),
        BOTH(sends_what_is_urgent_before_what_waits),
        BOTH(says_goodbye_and_is_called_again),
        BOTH(tells_a_reset_from_a_goodbye_and_knocks),
        BOTH(calls_a_node_that_was_reset_at_once),
        BOTH(breaks_a_link_when_the_owner_says_so),
        BOTH(forgets_a_peer_that_is_no_longer_configured),
        BOTH(gives_up_a_silent_address_and_takes_the_next),
        BOTH(measures_the_way_there_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
