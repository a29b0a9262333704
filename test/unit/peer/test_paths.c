/*
 * Several addresses of one node are several ways to it: a link leaves the one that falls silent, and the one that nobody answers at.
 */
#include "peer/nodes.h"

/* A network that can be cut without a word: passes on what comes, both ways, until it is frozen. */
struct way {
    struct world *world;
    struct listener listener;
    struct stream in, out;
    int fd;
    uint16_t to;
    bool open, frozen;
    unsigned closed;
};

static struct way *way_of_in(struct stream *stream)
{
    return container_of(stream, struct way, in);
}

static struct way *way_of_out(struct stream *stream)
{
    return container_of(stream, struct way, out);
}

static void pass(struct way *way, struct stream *to, struct chunk *chunk, struct bytes bytes)
{
    if (!way->frozen)
        assert_true(stream_send(to, chunk, bytes));
}

static void in_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    pass(way_of_in(stream), &way_of_in(stream)->out, chunk, bytes);
}

static void out_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    pass(way_of_out(stream), &way_of_out(stream)->in, chunk, bytes);
}

/* A network that is cut passes no end on either. */
static void nothing(struct stream *stream)
{
    (void)stream;
}

static void nothing_failed(struct stream *stream, int error)
{
    (void)stream;
    (void)error;
}

static void in_closed(struct stream *stream)
{
    way_of_in(stream)->closed++;
}

static void out_closed(struct stream *stream)
{
    way_of_out(stream)->closed++;
}

static const struct stream_events in_events = {
    .received = in_received, .ended = nothing, .failed = nothing_failed, .closed = in_closed};
static const struct stream_events out_events = {
    .received = out_received, .ended = nothing, .failed = nothing_failed, .closed = out_closed};

static void way_accepted(struct listener *listener, int fd, const struct address *from)
{
    struct way *way = container_of(listener, struct way, listener);
    struct address to = loopback(way->to);
    struct err err = {0};

    (void)from;
    if (way->open || way->frozen) {
        loop_close_fd(way->world->loop, fd);
        return;
    }
    way->open = true;
    stream_adopt(way->world->loop, &way->in, fd, &in_events);
    assert_true(stream_connect(way->world->loop, &way->out, &to, NULL, &out_events, &err));
    stream_receive(&way->in, true);
    stream_receive(&way->out, true);
}

static void way_starved(struct listener *listener, int error)
{
    (void)listener;
    fail_msg("errno %d", error);
}

static void way_open(struct way *way, struct world *world, uint16_t to)
{
    *way = (struct way){.world = world, .to = to, .fd = open_listener()};
    way->listener = (struct listener){.accepted = way_accepted, .starved = way_starved};
    listener_start(world->loop, &way->listener, way->fd);
}

static void way_close(struct way *way)
{
    listener_stop(&way->listener, false);
    if (way->open) {
        stream_close(&way->in, true);
        stream_close(&way->out, true);
        TURN_UNTIL(way->world, way->closed == 2);
    }
    settle(way->world);
    close(way->fd);
}

/* Nodes that notice a silence of 500 ms, a with these two ways to b. */
static void open_with_ways(struct pair *pair, struct world *world, struct way *first)
{
    struct peers_options options;
    struct peer_place place;

    reopen(world, NODE_CHUNKS, 0);
    pair->authority = make_authority("shop");
    node_name(&pair->a, world, "a", make_context(&pair->authority, "a"));
    node_name(&pair->b, world, "b", make_context(&pair->authority, "b"));
    options = node_options(&pair->b);
    options.silence_ms = 500;
    node_open_with(&pair->b, &options);
    options = node_options(&pair->a);
    options.silence_ms = 500;
    node_open_with(&pair->a, &options);
    way_open(first, world, pair->b.port);
    node_knows(&pair->b, &pair->a);
    place = (struct peer_place){.name = "b",
                                .addresses = {loopback(port_of(first->fd)), loopback(pair->b.port)},
                                .count = 2};
    peers_configure(pair->a.peers, &place, 1);
    TURN_UNTIL(world, node_is_up(&pair->a) && node_is_up(&pair->b));
}

static void leaves_a_way_that_falls_silent(void **state)
{
    struct world *world = world_of(state);
    struct pair pair;
    struct way first;

    open_with_ways(&pair, world, &first);
    assert_int_equal(peers_link(pair.a.peers, 0).path, 0);
    first.frozen = true;
    TURN_UNTIL(world, told(&pair.a, "down b silent: nothing came for 500 ms\nup b "));
    assert_int_equal(peers_link(pair.a.peers, 0).path, 1);
    TURN_UNTIL(world, peers_link(pair.b.peers, 0).ups == 2 && node_is_up(&pair.b));
    assert_true(send_number(&pair.a, 0, 100));
    TURN_UNTIL(world, pair.b.frames == 1);
    way_close(&first);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(leaves_a_way_that_falls_silent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
