/*
 * Renewed certificates: links move to new connections while frames go on in both directions, and none is lost, repeated or moved.
 */
#include "peer/nodes.h"

enum { FRAMES = 400 };

static void use_new(struct node *node, const struct certificate *authority)
{
    struct tls_context *old = node->tls;

    node->tls = make_context(authority, node->name);
    peers_use_tls(node->peers, node->tls);
    tls_context_close(old);
}

/* Frames of both, as many as find room in each turn; at these numbers one renews. */
static void talk(struct pair *pair, struct world *world, struct node *renewing)
{
    uint32_t a = 0, b = 0;

    while (a < FRAMES || b < FRAMES) {
        if (a < FRAMES && send_number(&pair->a, a, 4 + a % 5000))
            a++;
        if (b < FRAMES && send_number(&pair->b, b, 4 + b % 5000))
            b++;
        if (a == FRAMES / 4 || a == FRAMES / 2)
            use_new(renewing, &pair->authority);
        if (a % 8 == 0)
            loop_turn(world->loop, 0);
    }
    TURN_UNTIL(world, pair->a.frames == FRAMES && pair->b.frames == FRAMES);
}

static void moves_without_losing_a_frame(void **state, struct node *(*who)(struct pair *pair))
{
    struct world *world = world_of(state);
    struct pair pair;
    struct address first;

    pair_up(&pair, world);
    first = peers_link(pair.b.peers, 0).address;
    talk(&pair, world, who(&pair));
    assert_int_equal(pair.a.wrong_order + pair.b.wrong_order, 0);
    /* Another connection, from another port, and nobody was told anything. */
    TURN_UNTIL(world, peers_link(pair.b.peers, 0).address.port != first.port);
    assert_string_equal(pair.a.story, "up b v2 'b'\n");
    assert_string_equal(pair.b.story, "up a v2 'a'\n");
    assert_int_equal(peers_link(pair.a.peers, 0).ups, 1);
    pair_close(&pair);
}

static struct node *who_calls(struct pair *pair)
{
    return &pair->a;
}

static struct node *who_is_called(struct pair *pair)
{
    return &pair->b;
}

static void moves_when_the_one_that_calls_has_a_new_certificate(void **state)
{
    moves_without_losing_a_frame(state, who_calls);
}

static void moves_when_the_one_that_is_called_has_a_new_certificate(void **state)
{
    moves_without_losing_a_frame(state, who_is_called);
}

static void stays_where_it_is_while_the_new_certificate_is_refused(void **state)
{
    struct world *world = world_of(state);
    struct certificate foreign = make_authority("shop");
    struct pair pair;

    pair_up(&pair, world);
    use_new(&pair.a, &foreign);
    TURN_UNTIL(world, told(&pair.a, "stranger node 'b' at "));
    assert_true(node_is_up(&pair.a) && node_is_up(&pair.b));
    assert_true(send_number(&pair.a, 0, 100));
    TURN_UNTIL(world, pair.b.frames == 1);
    use_new(&pair.a, &pair.authority);
    TURN_UNTIL(world, peers_link(pair.a.peers, 0).ups == 1 && node_is_up(&pair.a));
    assert_false(told(&pair.a, "down ") || told(&pair.b, "down "));
    pair_close(&pair);
    certificate_forget(&foreign);
}

static void links_of_three_move_one_by_one(void **state)
{
    struct world *world = world_of(state);
    struct certificate authority = make_authority("shop");
    struct node nodes[3];
    static const char *const names[] = {"a", "b", "c"};
    uint16_t ports[2];

    reopen(world, NODE_CHUNKS, 0);
    for (int i = 0; i < 3; i++)
        node_open(&nodes[i], world, names[i], make_context(&authority, names[i]));
    for (int i = 0; i < 3; i++) {
        struct peer_place places[2];
        uint32_t count = 0;

        for (int k = 0; k < 3; k++)
            if (k != i)
                places[count++] = (struct peer_place){
                    .name = names[k], .addresses = {loopback(nodes[k].port)}, .count = 1};
        peers_configure(nodes[i].peers, places, count);
    }
    for (int i = 0; i < 3; i++)
        TURN_UNTIL(world, peers_link(nodes[i].peers, 0).up && peers_link(nodes[i].peers, 1).up);
    for (int k = 0; k < 2; k++)
        ports[k] = peers_link(nodes[1 + k].peers, 0).address.port;
    /* b is called by a and calls c. */
    use_new(&nodes[1], &authority);
    TURN_UNTIL(world, peers_link(nodes[1].peers, 0).address.port != ports[0]);
    TURN_UNTIL(world, peers_link(nodes[2].peers, 1).up);
    for (int i = 0; i < 3; i++)
        assert_false(told(&nodes[i], "down "));
    assert_int_equal(peers_link(nodes[2].peers, 0).address.port, ports[1]);
    for (int i = 0; i < 3; i++)
        node_close(&nodes[i]);
    certificate_forget(&authority);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(moves_when_the_one_that_calls_has_a_new_certificate),
        BOTH(moves_when_the_one_that_is_called_has_a_new_certificate),
        BOTH(stays_where_it_is_while_the_new_certificate_is_refused),
        BOTH(links_of_three_move_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
