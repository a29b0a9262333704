#include "base/rng.h"
#include "cluster/found.h"
#include "unit.h"

enum { NODES = 3 };

static struct instant at_ms(int64_t ms)
{
    return (struct instant){ms * NS_PER_MS};
}

static void name_nodes(struct found_options *options, uint32_t self)
{
    *options = (struct found_options){.self = self,
                                      .count = NODES,
                                      .disk = 101 + self,
                                      .cluster = 0xc0 + self,
                                      .resend_ns = 500 * NS_PER_MS};
    for (uint32_t i = 0; i < NODES; i++) {
        options->nodes[i] = (struct member){.role = MEMBER_VOTER, .address_count = 1};
        options->nodes[i].name[0] = (char)('a' + i);
        options->nodes[i].addresses[0].family = 4;
    }
    options->list_hash = found_list_hash(options->nodes, NODES);
}

static void begin(struct found *found, uint32_t self)
{
    struct found_options options;

    name_nodes(&options, self);
    found_init(found, &options, NULL);
}

static void hear(struct found *listener, const struct found *speaker)
{
    struct found_word word;

    found_say(speaker, &word);
    found_heard(listener, speaker->options.self, &word);
}

static void all_hear_all(struct found *nodes)
{
    for (uint32_t i = 0; i < NODES; i++)
        for (uint32_t j = 0; j < NODES; j++)
            if (i != j)
                hear(&nodes[i], &nodes[j]);
}

static const char *sentence(const struct found *found)
{
    static char text[512];
    struct buf out;

    buf_over(&out, text, sizeof text);
    found_sentence(found, &out);
    buf_add_byte(&out, 0);
    assert_false(out.full);
    return text;
}

static void three_blank_nodes_become_one_cluster(void **state)
{
    struct found nodes[NODES];
    struct found_orders orders;

    (void)state;
    for (uint32_t i = 0; i < NODES; i++)
        begin(&nodes[i], i);
    assert_string_equal(sentence(&nodes[1]), "waiting for a, c (not heard) to found the cluster "
                                             "together; 1 of 3 nodes are blank");
    all_hear_all(nodes);
    assert_string_equal(sentence(&nodes[0]),
                        "waiting until all nodes hear each other: not yet b, c");
    all_hear_all(nodes);
    assert_string_equal(sentence(&nodes[1]), "waiting for a (blank) to found the cluster");

    found_step(&nodes[1], at_ms(0), &orders);
    assert_false(orders.write);
    found_step(&nodes[0], at_ms(0), &orders);
    assert_true(orders.write);
    assert_int_equal(orders.send_count, 0);
    found_step(&nodes[0], at_ms(0), &orders);
    assert_false(orders.write);
    found_written(&nodes[0]);
    found_step(&nodes[0], at_ms(10), &orders);
    assert_int_equal(orders.send_count, 2);
    assert_string_equal(sentence(&nodes[0]), "giving the charter to b, c (blank)");

    hear(&nodes[1], &nodes[0]);
    assert_int_equal(found_charter(&nodes[1], 0, &nodes[0].charter), FOUND_TAKEN);
    assert_int_equal(found_charter(&nodes[1], 0, &nodes[0].charter), FOUND_HAD);
    found_step(&nodes[1], at_ms(20), &orders);
    assert_true(orders.write);
    found_written(&nodes[1]);
    hear(&nodes[0], &nodes[1]);
    assert_int_equal(charter_find_name(&nodes[1].charter, "b")->id, 2);
    /* b knows that c is still blank, and gives it the charter too. */
    found_step(&nodes[1], at_ms(30), &orders);
    assert_int_equal(orders.send_count, 1);
    assert_int_equal(orders.send[0], 2);
}

static void the_charter_is_sent_again_until_it_is_taken(void **state)
{
    struct found nodes[NODES];
    struct found_orders orders;

    (void)state;
    for (uint32_t i = 0; i < NODES; i++)
        begin(&nodes[i], i);
    all_hear_all(nodes);
    all_hear_all(nodes);
    found_step(&nodes[0], at_ms(1000), &orders);
    found_written(&nodes[0]);
    found_step(&nodes[0], at_ms(1000), &orders);
    assert_int_equal(orders.send_count, 2);
    found_step(&nodes[0], at_ms(1499), &orders);
    assert_int_equal(orders.send_count, 0);
    found_step(&nodes[0], at_ms(1500), &orders);
    assert_int_equal(orders.send_count, 2);
    found_lost(&nodes[0], 2);
    found_step(&nodes[0], at_ms(2000), &orders);
    assert_int_equal(orders.send_count, 1);
}

static void nobody_founds_beside_a_node_that_is_not_blank(void **state)
{
    struct found nodes[NODES], old;
    struct found_orders orders;

    (void)state;
    for (uint32_t i = 0; i < NODES; i++)
        begin(&nodes[i], i);
    all_hear_all(nodes);
    all_hear_all(nodes);
    found_step(&nodes[0], at_ms(0), &orders);
    found_written(&nodes[0]);
    hear(&nodes[2], &nodes[0]);
    assert_int_equal(found_charter(&nodes[2], 0, &nodes[0].charter), FOUND_TAKEN);
    found_written(&nodes[2]);
    old = nodes[2];

    /* a and b come back with new, empty disks. */
    for (uint32_t i = 0; i < 2; i++) {
        struct found_options options;

        name_nodes(&options, i);
        options.disk = 900 + i;
        found_init(&nodes[i], &options, NULL);
    }
    nodes[2] = old;
    all_hear_all(nodes);
    all_hear_all(nodes);
    for (uint32_t i = 0; i < NODES; i++) {
        found_step(&nodes[i], at_ms(5000), &orders);
        assert_false(orders.write);
        assert_int_equal(orders.send_count, 0);
        assert_string_equal(sentence(&nodes[i]),
                            "2 of 3 nodes have empty disks and c has the data of cluster "
                            "00000000000000c0: run `nines node recover` on c to go on with it, or "
                            "start the nodes that have the rest");
    }
}

static void a_charter_is_taken_once_and_only_from_who_is_in_it(void **state)
{
    struct found nodes[NODES], other;
    struct found_orders orders;
    struct charter foreign;

    (void)state;
    for (uint32_t i = 0; i < NODES; i++)
        begin(&nodes[i], i);
    all_hear_all(nodes);
    all_hear_all(nodes);
    found_step(&nodes[0], at_ms(0), &orders);
    foreign = nodes[0].charter;

    /* Sent by a node that has another disk by now, or was never heard. */
    other = nodes[1];
    other.peers[0].word.disk = 7;
    assert_int_equal(found_charter(&other, 0, &foreign), FOUND_STRANGER);
    found_lost(&other, 0);
    assert_int_equal(found_charter(&other, 0, &foreign), FOUND_STRANGER);
    assert_int_equal(found_charter(&nodes[1], 99, &foreign), FOUND_STRANGER);

    foreign.members[1].disk = 55;
    assert_int_equal(found_charter(&nodes[1], 0, &foreign), FOUND_NOT_ME);
    assert_int_equal(found_charter(&nodes[1], 0, &nodes[0].charter), FOUND_TAKEN);
    foreign = nodes[0].charter;
    foreign.cluster++;
    assert_int_equal(found_charter(&nodes[1], 0, &foreign), FOUND_OTHER_CLUSTER);
}

static void lists_and_directories_that_differ_or_were_copied_are_named(void **state)
{
    struct found nodes[NODES];
    struct found_orders orders;

    (void)state;
    for (uint32_t i = 0; i < NODES; i++)
        begin(&nodes[i], i);
    nodes[1].options.list_hash++;
    all_hear_all(nodes);
    all_hear_all(nodes);
    assert_string_equal(sentence(&nodes[0]),
                        "the list of nodes in the file differs from that of b");
    nodes[1].options.list_hash--;
    nodes[2].options.disk = nodes[1].options.disk;
    all_hear_all(nodes);
    all_hear_all(nodes);
    found_step(&nodes[0], at_ms(0), &orders);
    assert_false(orders.write);
    assert_string_equal(sentence(&nodes[0]),
                        "nodes have one disk id, so a directory was copied: empty that of b, c");
}

static void a_node_alone_founds_at_once(void **state)
{
    struct found_options options;
    struct found_orders orders;
    struct found found;

    (void)state;
    name_nodes(&options, 0);
    options.count = 1;
    found_init(&found, &options, NULL);
    found_step(&found, at_ms(0), &orders);
    assert_true(orders.write);
}

static void a_welcome_gives_an_identity_and_is_not_handed_on(void **state)
{
    struct found nodes[NODES];
    struct found_orders orders;
    struct charter welcome;

    (void)state;
    for (uint32_t i = 0; i < NODES; i++)
        begin(&nodes[i], i);
    all_hear_all(nodes);
    all_hear_all(nodes);
    found_step(&nodes[0], at_ms(0), &orders);
    welcome = nodes[0].charter;
    welcome.welcome = true;
    assert_int_equal(found_charter(&nodes[1], 0, &welcome), FOUND_TAKEN);
    found_written(&nodes[1]);
    found_step(&nodes[1], at_ms(0), &orders);
    assert_int_equal(orders.send_count, 0);
    assert_string_equal(sentence(&nodes[1]), "giving the charter to a, c (blank)");
}

/* ---- the explorer: three nodes, every order of beats, charters, syncs, crashes and lost disks ---- */

enum event {
    BEAT,                   /* from node i to node j: 6 of them */
    SYNC = BEAT + 6,        /* node i's disk has what it was told to write */
    CRASH = SYNC + NODES,   /* node i starts again with what its disk has */
    LOSE = CRASH + NODES,   /* … with an empty disk */
    DELIVER = LOSE + NODES, /* the oldest charter on the way to node i */
    EVENTS = DELIVER + NODES,
};

struct world {
    struct found nodes[NODES];
    struct charter disks[NODES]; /* what is durable; count 0: nothing */
    struct charter on_the_way[NODES];
    uint32_t sender[NODES];
    bool writing[NODES];
    uint64_t next;
    int64_t now_ms;
};

static void open_node(struct world *w, uint32_t i, uint64_t disk)
{
    struct found_options options;

    name_nodes(&options, i);
    options.disk = disk;
    options.cluster = ++w->next;
    found_init(&w->nodes[i], &options, w->disks[i].count ? &w->disks[i] : NULL);
    w->writing[i] = false;
    for (uint32_t j = 0; j < NODES; j++)
        found_lost(&w->nodes[j], i);
}

static void obey(struct world *w, uint32_t i)
{
    struct found_orders orders;

    found_step(&w->nodes[i], at_ms(w->now_ms), &orders);
    w->writing[i] |= orders.write;
    for (uint32_t s = 0; s < orders.send_count; s++) {
        w->on_the_way[orders.send[s]] = w->nodes[i].charter;
        w->sender[orders.send[s]] = i;
    }
}

static void happen(struct world *w, uint32_t event)
{
    static const uint8_t pairs[6][2] = {{0, 1}, {0, 2}, {1, 0}, {1, 2}, {2, 0}, {2, 1}};
    uint32_t i = event < SYNC ? pairs[event][1] : (event - SYNC) % NODES;

    w->now_ms += 500;
    if (event < SYNC) {
        hear(&w->nodes[i], &w->nodes[pairs[event][0]]);
    } else if (event < CRASH) {
        if (!w->writing[i])
            return;
        w->disks[i] = w->nodes[i].charter;
        w->writing[i] = false;
        found_written(&w->nodes[i]);
    } else if (event < LOSE) {
        open_node(w, i, w->nodes[i].options.disk);
    } else if (event < DELIVER) {
        w->disks[i].count = 0;
        open_node(w, i, ++w->next);
    } else if (w->on_the_way[i].count) {
        (void)found_charter(&w->nodes[i], w->sender[i], &w->on_the_way[i]);
        w->on_the_way[i].count = 0;
    }
    obey(w, i);
}

/* Of members that name each other, all are of one cluster; and no two clusters have two members each that could vote. */
static void agreed(const struct world *w)
{
    for (uint32_t i = 0; i < NODES; i++)
        for (uint32_t j = 0; j < NODES; j++) {
            const struct charter *a = &w->disks[i], *b = &w->disks[j];

            if (!a->count || !b->count || a->cluster == b->cluster)
                continue;
            /* Another cluster: then one of the two nodes is not the one that the other's charter names, or the founder lost its disk. */
            assert_true(!charter_find_disk(a, w->nodes[j].options.disk) ||
                        !charter_find_disk(b, w->nodes[i].options.disk) ||
                        !charter_find_disk(a, w->nodes[0].options.disk) ||
                        !charter_find_disk(b, w->nodes[0].options.disk));
        }
}

static void open_world(struct world *w)
{
    memset(w, 0, sizeof *w);
    for (uint32_t i = 0; i < NODES; i++)
        begin(&w->nodes[i], i);
    w->next = 1000;
    w->now_ms = 1000;
}

/* Faults are rare enough for something to come about between them. */
static uint32_t likely_event(struct rng *rng, uint32_t events)
{
    uint32_t kind = (uint32_t)rng_below(rng, 20);

    if (kind < 11)
        return BEAT + (uint32_t)rng_below(rng, 6);
    if (kind < 15)
        return SYNC + (uint32_t)rng_below(rng, NODES);
    if (kind < 19)
        return DELIVER + (uint32_t)rng_below(rng, NODES);
    return (uint32_t)rng_below(rng, events);
}

/* Everything but lost disks: there is one cluster id, ever. */
static void crashes_in_any_order_leave_one_cluster(void **state)
{
    uint32_t founded = 0, complete = 0;
    struct world w;
    struct rng rng;

    (void)state;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        uint64_t cluster = 0;

        rng_seed(&rng, seed);
        open_world(&w);
        for (int i = 0; i < 100; i++) {
            happen(&w, likely_event(&rng, LOSE));
            for (uint32_t n = 0; n < NODES; n++) {
                if (!w.disks[n].count)
                    continue;
                assert_true(cluster == 0 || cluster == w.disks[n].cluster);
                cluster = w.disks[n].cluster;
            }
        }
        founded += cluster != 0;
        complete += w.disks[0].count && w.disks[1].count && w.disks[2].count;
    }
    assert_true(founded > 2000);
    assert_true(complete > 1000);
}

static void lost_disks_in_any_order_give_no_node_two_clusters(void **state)
{
    struct world w;
    struct rng rng;

    (void)state;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        rng_seed(&rng, seed);
        open_world(&w);
        for (int i = 0; i < 100; i++) {
            struct world before = w;

            happen(&w, likely_event(&rng, EVENTS));
            agreed(&w);
            for (uint32_t n = 0; n < NODES; n++)
                if (before.disks[n].count && w.disks[n].count)
                    assert_int_equal(before.disks[n].cluster, w.disks[n].cluster);
        }
    }
}

/* Every sequence of a few events from the moment before the founding. */
static void every_few_events_around_the_founding_leave_one_cluster(void **state)
{
    enum { DEPTH = 5 };
    static struct world worlds[DEPTH + 1];
    uint32_t next[DEPTH + 1] = {0}, level = 0;

    (void)state;
    open_world(&worlds[0]);
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < NODES; i++)
            for (uint32_t j = 0; j < NODES; j++)
                if (i != j && !(round == 1 && i == 0))
                    hear(&worlds[0].nodes[i], &worlds[0].nodes[j]);
    hear(&worlds[0].nodes[0], &worlds[0].nodes[1]);
    for (;;) {
        if (next[level] == EVENTS) {
            if (level == 0)
                break;
            level--;
            continue;
        }
        worlds[level + 1] = worlds[level];
        happen(&worlds[level + 1], next[level]++);
        agreed(&worlds[level + 1]);
        if (level + 1 < DEPTH)
            next[++level] = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_blank_nodes_become_one_cluster),
        cmocka_unit_test(the_charter_is_sent_again_until_it_is_taken),
        cmocka_unit_test(nobody_founds_beside_a_node_that_is_not_blank),
        cmocka_unit_test(a_charter_is_taken_once_and_only_from_who_is_in_it),
        cmocka_unit_test(lists_and_directories_that_differ_or_were_copied_are_named),
        cmocka_unit_test(a_node_alone_founds_at_once),
        cmocka_unit_test(a_welcome_gives_an_identity_and_is_not_handed_on),
        cmocka_unit_test(crashes_in_any_order_leave_one_cluster),
        cmocka_unit_test(lost_disks_in_any_order_give_no_node_two_clusters),
        cmocka_unit_test(every_few_events_around_the_founding_leave_one_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
