/*
 * Random schedules over three to five cores: every message may be late, doubled, out of order or lost, every node may stop at any
 * moment with any part of its disk job done. Safety is asserted after each step by network.h, progress at the end.
 */
#include "base/rng.h"
#include "network.h"
#include "unit.h"

#include <signal.h>
#include <stdlib.h>

static struct network w;
static struct rng rng;
static uint64_t seed_now;
static uint32_t step_now;

/* Runs inside abort, which `must` has called: nothing is interrupted. NOLINTBEGIN(bugprone-signal-handler,cert-sig30-c) */
static void say_where(int number)
{
    (void)number;
    fprintf(stderr, "seed %llu, step %u\n", (unsigned long long)seed_now, step_now);
}
/* NOLINTEND(bugprone-signal-handler,cert-sig30-c) */

static uint32_t any_node(void)
{
    return 1 + (uint32_t)rng_below(&rng, w.count);
}

/* Nodes' clocks move apart; a deadline is met some time after it. */
static void let_time_pass(uint32_t id)
{
    struct node *node = &w.node[id];

    if (!node->up)
        return;
    if (rng_chance(&rng, 0.5) && raft_next_deadline(&node->raft).ns > node->now.ns)
        node->now = raft_next_deadline(&node->raft);
    else
        node->now = after_ns(node->now, rng_between(&rng, 0, 300 * NS_PER_MS));
    tick(&w, id);
}

static void some_message(void)
{
    uint32_t which;

    if (w.flights == 0)
        return;
    which = rng_chance(&rng, 0.7) ? 0 : (uint32_t)rng_below(&rng, w.flights);
    if (rng_chance(&rng, 0.1)) {
        drop(&w, which);
    } else if (rng_chance(&rng, 0.1)) {
        struct flight again = w.flight[which];

        receive(&w, &again);
    } else {
        deliver(&w, which);
    }
}

static void stop_or_start(uint32_t id)
{
    if (w.node[id].up)
        crash(&w, id, rng_below(&rng, 6));
    else
        start(&w, id);
}

static void some_change(uint32_t id)
{
    static const uint8_t roles[] = {RAFT_LEARNER, RAFT_VOTER, RAFT_VOTER, RAFT_WITNESS};
    bool removes = rng_chance(&rng, 0.3);

    if (!w.node[id].up || w.node[id].raft.role != RAFT_LEADER)
        return;
    if (w.count < NODES && rng_chance(&rng, 0.2))
        add_blank(&w);
    change(&w, id, removes ? RAFT_REMOVE : RAFT_SET, any_node(),
           removes ? RAFT_LEARNER : roles[rng_below(&rng, ARRAY_LEN(roles))]);
}

static void some_order(uint32_t id)
{
    struct node *node = &w.node[id];

    if (!node->up)
        return;
    switch (rng_below(&rng, 7)) {
    case 0:
        raft_transfer(&node->raft, (uint32_t)rng_below(&rng, w.count + 1), node->now);
        break;
    case 1:
        (void)ask_read(&w, id);
        break;
    case 2:
        raft_tilt(&node->raft, rng_chance(&rng, 0.2), node->now);
        raft_peer_tilted(&node->raft, any_node(), rng_chance(&rng, 0.2));
        break;
    case 3:
        separate(&w, id, rng_chance(&rng, 0.4));
        break;
    case 4:
        w.cut[id][any_node()] = rng_chance(&rng, 0.4);
        break;
    case 5:
        raft_peer_lost(&node->raft, any_node(), node->now);
        raft_leader_left(&node->raft, any_node(), node->raft.term, node->now);
        break;
    default:
        node->full = rng_chance(&rng, 0.3);
        break;
    }
    turn(&w, id);
}

static void disk_of(uint32_t id)
{
    struct node *node = &w.node[id];

    if (!node->up)
        return;
    if (node->job.ticket != 0)
        finish_job(&w, id);
    else if (node->fetch_from != 0)
        fetch_snapshot(&w, id);
}

static void step(bool changes)
{
    uint64_t dice = rng_below(&rng, 1000);
    uint32_t id = any_node();

    if (dice < 600)
        some_message();
    else if (dice < 760)
        disk_of(id);
    else if (dice < 850)
        let_time_pass(id);
    else if (dice < 940)
        (void)(w.node[id].raft.last < LOG - 2 * BATCH - 40 && propose(&w, id));
    else if (dice < 955)
        stop_or_start(id);
    else if (dice < 970)
        (void)(w.node[id].up && save_snapshot(&w, id, rng_below(&rng, 8)));
    else if (dice < 990)
        some_order(id);
    else if (changes)
        some_change(id);
}

/* Faults end: within a bound somebody leads, and what he is told is committed on all that belong. */
static void calm_down(void)
{
    uint64_t before;
    uint32_t leader;

    for (uint32_t i = 1; i <= w.count; i++)
        if (w.node[i].now.ns > w.now.ns)
            w.now = w.node[i].now;
    network_move(&w, w.now);
    memset(w.cut, 0, sizeof w.cut);
    for (uint32_t i = 0; i < w.flights; i++)
        w.flight[i].due = w.now;
    for (uint32_t i = 1; i <= w.count; i++) {
        w.node[i].full = false;
        if (!w.node[i].up)
            start(&w, i);
        raft_tilt(&w.node[i].raft, false, w.now);
        w.node[i].job_done = w.now;
        turn(&w, i);
    }
    run_for(&w, 20000);
    leader = leader_now(&w);
    assert_true(leader != 0);
    before = w.node[leader].raft.commit;
    assert_true(propose(&w, leader));
    run_for(&w, 1000);
    assert_true(w.node[leader].raft.commit > before);
    for (uint32_t i = 1; i <= w.count; i++)
        if (raft_place_of(&w.node[leader].raft.config, i) >= 0)
            assert_true(w.node[i].hash == w.node[leader].hash);
}

static void walk(uint64_t seed, uint32_t steps)
{
    static const uint8_t roles[][5] = {
        {RAFT_VOTER, RAFT_VOTER, RAFT_VOTER},
        {RAFT_VOTER, RAFT_VOTER, RAFT_WITNESS},
        {RAFT_VOTER, RAFT_VOTER, RAFT_VOTER, RAFT_LEARNER},
        {RAFT_VOTER, RAFT_VOTER, RAFT_VOTER, RAFT_VOTER, RAFT_VOTER}};
    static const uint32_t counts[] = {3, 3, 4, 5};
    uint64_t shape;

    rng_seed(&rng, seed);
    shape = rng_below(&rng, ARRAY_LEN(counts));
    network_begin(&w, counts[shape], roles[shape]);
    seed_now = seed;
    for (step_now = 0; step_now < steps; step_now++)
        step(seed % 2 == 0);
    calm_down();
}

static void stays_safe_and_recovers(void **state)
{
    const char *seeds = getenv("SEEDS"), *first = getenv("FIRST"), *steps = getenv("STEPS");
    uint64_t from = first ? strtoull(first, NULL, 10) : 1;
    uint64_t count = seeds ? strtoull(seeds, NULL, 10) : 400;

    (void)state;
    for (uint64_t seed = from; seed < from + count; seed++)
        walk(seed, steps ? (uint32_t)strtoul(steps, NULL, 10) : 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stays_safe_and_recovers)};

    signal(SIGABRT, say_where);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
