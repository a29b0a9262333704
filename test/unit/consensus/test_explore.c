/*
 * Every order of events over three cores, some steps deep: each message that is under way may arrive now, later, twice or never, each node may meet
 * its deadline, finish its disk job, or stop and start with all or nothing of that job done. A message that is lost is one that never arrives, so losing
 * is no event of its own. States that were met with as many steps left are not walked again. A claim that fails prints the way to it.
 */
#define NODES 3
#define LOG 32
#define FLIGHTS 10
#define BATCH 8
#define TERMS 32
#define READS 4

#include "network.h"
#include "unit.h"

#include <signal.h>
#include <stdlib.h>

enum { DEPTH_MAX = 40, SEEN = 1 << 19 };

/* How often each may happen on one way. */
struct budget {
    uint32_t deadlines, stops, doubles, proposals;
};

enum happening { ARRIVES, ARRIVES_TWICE, DISK, DEADLINE, STOPS_EMPTY, STOPS_DONE, PROPOSES, ENDS };

static const char *const names[] = {"arrives",  "arrives, and will again", "disk done",
                                    "deadline", "stops, job lost",         "stops, job done",
                                    "proposes"};

struct level {
    struct network network;
    struct budget budget;
    uint32_t next; /* event to be tried: kind * 16 + which */
    uint64_t hash;
};

static struct level levels[DEPTH_MAX + 1];
static uint32_t deep;
static struct {
    uint64_t hash;
    uint32_t left;
} seen[SEEN];
static uint64_t states, steps, committed_most;
static uint32_t terms_most;

/* Runs inside abort, which `must` has called: nothing is interrupted. NOLINTBEGIN(bugprone-signal-handler,cert-sig30-c) */
static void say_way(int number)
{
    (void)number;
    fprintf(stderr, "after %llu states and %llu steps, %u deep:\n", (unsigned long long)states,
            (unsigned long long)steps, deep + 1);
    for (uint32_t i = 0; i <= deep; i++) {
        uint32_t event = levels[i].next - 1, kind = event / 16, which = event % 16;
        const struct raft_message *message = &levels[i].network.flight[which].message;

        if (kind <= ARRIVES_TWICE)
            fprintf(stderr, "  message %u of term %llu, %u to %u, index %llu count %u: %s\n",
                    message->type, (unsigned long long)message->term, message->from, message->to,
                    (unsigned long long)message->index, message->count, names[kind]);
        else
            fprintf(stderr, "  node %u: %s\n", which + 1, names[kind]);
    }
}
/* NOLINTEND(bugprone-signal-handler,cert-sig30-c) */

/* ---- states ---- */

static uint64_t mix_bytes(uint64_t hash, const void *at, size_t size)
{
    const unsigned char *byte = at;
    uint64_t word;

    for (; size >= sizeof word; size -= sizeof word, byte += sizeof word) {
        memcpy(&word, byte, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    for (; size > 0; size--)
        hash = (hash ^ *byte++) * UINT64_C(0x100000001b3);
    return hash;
}

/* Without what only says when, and what nothing depends on. */
static uint64_t hash_raft(const struct raft *raft, struct instant now)
{
    static struct raft plain;
    bool quorum = raft_has_quorum(raft, now);

    plain = *raft;
    memset(&plain.rng, 0, sizeof plain.rng);
    memset(&plain.seen, 0, sizeof plain.seen);
    memset(&plain.said, 0, sizeof plain.said);
    plain.deadline = plain.heard = plain.resend = plain.retry = NEVER;
    plain.transfer_until = plain.handover_from = plain.full_until = NEVER;
    plain.tickets = plain.job.ticket = 0;
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++)
        plain.progress[i].heard = plain.progress[i].sent = NEVER;
    return mix_bytes(quorum, &plain,
                     offsetof(struct raft, run) + plain.runs * sizeof plain.run[0]) +
           mix_bytes(quorum, &plain.clean, sizeof plain - offsetof(struct raft, clean));
}

static uint64_t hash_node(const struct node *node)
{
    uint64_t hash = hash_raft(&node->raft, node->now);

    hash = mixed(hash, node->job.ticket != 0);
    if (node->job.ticket != 0)
        hash = mixed(hash, node->job.term * 64 + node->job.vote * 8 + node->job.log +
                               1000 * node->job.keep + 100000 * node->job.last);
    for (uint64_t i = 2; i <= node->raft.last; i++)
        hash = mixed(hash, node->log[i].entry.term * 1000 + node->log[i].body);
    hash = mixed(hash, node->disk.term * 64 + node->disk.vote);
    for (uint64_t i = 2; i <= node->disk.last; i++)
        hash = mixed(hash, node->disk.log[i].entry.term * 1000 + node->disk.log[i].body);
    return hash;
}

static uint64_t hash_flight(const struct flight *flight)
{
    const struct raft_message *m = &flight->message;
    uint64_t hash = m->type + 16 * m->granted + 32 * m->full + 64 * m->transfer + 128 * m->beat +
                    256 * m->from + 2048 * m->to;

    hash = mixed(mixed(mixed(hash, m->term), m->index), m->index_term);
    hash = mixed(mixed(mixed(hash, m->commit), m->round), m->count);
    for (uint32_t i = 0; i < m->count; i++)
        hash = mixed(hash, flight->items[i].entry.term * 1000 + flight->items[i].body);
    return hash;
}

/* Messages are a set: where they stand in the array means nothing. */
static uint64_t hash_level(const struct level *level)
{
    const struct network *w = &level->network;
    uint64_t hash = mix_bytes(1, &level->budget, sizeof level->budget), flights = 0;

    for (uint32_t i = 1; i <= w->count; i++)
        hash = mixed(hash, hash_node(&w->node[i]));
    for (uint32_t i = 0; i < w->flights; i++)
        flights += mixed(7, hash_flight(&w->flight[i]));
    return mixed(hash, flights);
}

/* True when this state was walked before with as many steps left. */
static bool is_known(uint64_t hash, uint32_t left)
{
    for (uint64_t at = hash % SEEN, tries = 0; tries < 16; at = (at + 1) % SEEN, tries++) {
        if (seen[at].hash == hash && seen[at].left >= left)
            return true;
        if (seen[at].hash == hash || seen[at].hash == 0) {
            seen[at].hash = hash;
            seen[at].left = left;
            return false;
        }
    }
    return false;
}

/* ---- events ---- */

static bool doubled(const struct network *w, uint32_t which)
{
    for (uint32_t i = 0; i < which; i++)
        if (hash_flight(&w->flight[i]) == hash_flight(&w->flight[which]))
            return true;
    return false;
}

static bool can_arrive(const struct level *level, enum happening kind, uint32_t which)
{
    const struct network *w = &level->network;

    return which < w->flights && (kind == ARRIVES || level->budget.doubles > 0) &&
           !doubled(w, which);
}

static bool can_happen(const struct level *level, enum happening kind, uint32_t which)
{
    const struct node *node;

    if (kind <= ARRIVES_TWICE)
        return can_arrive(level, kind, which);
    if (which >= level->network.count)
        return false;
    node = &level->network.node[which + 1];
    if (kind == DISK)
        return node->job.ticket != 0;
    if (kind == DEADLINE)
        return level->budget.deadlines > 0;
    if (kind == PROPOSES)
        return level->budget.proposals > 0 && node->raft.role == RAFT_LEADER;
    return level->budget.stops > 0 && (kind == STOPS_EMPTY || node->job.ticket != 0);
}

static void arrive(struct level *level, uint32_t which, bool again)
{
    static struct flight flight;

    flight = level->network.flight[which];
    if (again)
        level->budget.doubles--;
    else
        drop(&level->network, which);
    receive(&level->network, &flight);
}

static void meet_deadline(struct level *level, uint32_t id)
{
    struct node *node = &level->network.node[id];

    level->budget.deadlines--;
    if (raft_next_deadline(&node->raft).ns > node->now.ns)
        node->now = raft_next_deadline(&node->raft);
    tick(&level->network, id);
}

static void stop(struct level *level, uint32_t id, bool done)
{
    level->budget.stops--;
    crash(&level->network, id, done ? 100 : 0);
    start(&level->network, id);
}

static void happen(struct level *level, enum happening kind, uint32_t which)
{
    switch (kind) {
    case ARRIVES:
    case ARRIVES_TWICE:
        arrive(level, which, kind == ARRIVES_TWICE);
        break;
    case DISK:
        finish_job(&level->network, which + 1);
        break;
    case DEADLINE:
        meet_deadline(level, which + 1);
        break;
    case STOPS_EMPTY:
    case STOPS_DONE:
        stop(level, which + 1, kind == STOPS_DONE);
        break;
    case PROPOSES:
        level->budget.proposals--;
        (void)propose(&level->network, which + 1);
        break;
    case ENDS:
        never("the list of events has an end");
    }
}

static void note(const struct network *w)
{
    if (w->committed_to > committed_most)
        committed_most = w->committed_to;
    for (uint32_t i = 1; i <= w->count; i++)
        if (w->node[i].raft.term > terms_most)
            terms_most = (uint32_t)w->node[i].raft.term;
}

/* The next event of the deepest level; its state becomes the next level unless it is known. */
static bool advance(uint32_t depth)
{
    struct level *level = &levels[deep], *below = &levels[deep + 1];

    while (level->next < ENDS * 16) {
        uint32_t event = level->next++;

        if (!can_happen(level, event / 16, event % 16))
            continue;
        below->network = level->network;
        below->budget = level->budget;
        happen(below, event / 16, event % 16);
        steps++;
        note(&below->network);
        if (is_known(hash_level(below), depth - deep))
            continue;
        states++;
        below->next = 0;
        return true;
    }
    return false;
}

/* From what stands in the first level. */
static void explore(uint32_t depth, struct budget budget)
{
    memset(seen, 0, sizeof seen);
    states = steps = committed_most = terms_most = 0;
    deep = 0;
    levels[0].next = 0;
    levels[0].budget = budget;
    for (;;) {
        if (deep < depth && advance(depth))
            deep++;
        else if (deep == 0)
            break;
        else
            deep--;
    }
    if (getenv("SAY"))
        printf("depth %u: %llu states, %llu steps, index %llu, term %u\n", depth,
               (unsigned long long)states, (unsigned long long)steps,
               (unsigned long long)committed_most, terms_most);
}

static uint32_t deeper(uint32_t depth)
{
    const char *more = getenv("DEEPER");

    return depth + (more ? (uint32_t)strtoul(more, NULL, 10) : 0);
}

/* ---- beginnings ---- */

static struct network *world(const uint8_t *roles)
{
    struct network *w = &levels[0].network;

    network_begin(w, 3, roles);
    return w;
}

static void settle(struct network *w, uint32_t leader)
{
    while (leader_now(w) != leader) {
        uint32_t other = leader_now(w);

        if (other != 0) {
            raft_transfer(&w->node[other].raft, leader, w->now);
            turn(w, other);
        }
        network_step(w);
    }
    run_for(w, 20);
    w->flights = 0;
}

static void from_the_founding(void **state)
{
    (void)state;
    world(NULL);
    explore(deeper(13), (struct budget){.deadlines = 1, .stops = 1});
    assert_true(committed_most >= 2);
    assert_true(terms_most >= 2);
}

static void from_a_leader_in_office(void **state)
{
    (void)state;
    settle(world(NULL), 1);
    explore(deeper(8), (struct budget){1, 1, 1, 1});
    assert_true(committed_most >= 3);
}

/* The old leader has a tail that nobody else has, and a candidate has lost sight of it. */
static void from_a_tail_that_is_alone(void **state)
{
    struct network *w = world(NULL);

    (void)state;
    settle(w, 1);
    separate(w, 1, true);
    propose(w, 1);
    propose(w, 1);
    run_for(w, 10);
    run_for(w, 2500);
    assert_true(leader_now(w) > 1);
    separate(w, 1, false);
    w->flights = 0;
    explore(deeper(8), (struct budget){2, 1, 0, 1});
    assert_true(committed_most >= 4);
}

static void from_a_vote_in_the_air(void **state)
{
    struct network *w = world(NULL);

    (void)state;
    while (w->node[1].raft.role != RAFT_CANDIDATE && w->node[2].raft.role != RAFT_CANDIDATE &&
           w->node[3].raft.role != RAFT_CANDIDATE)
        network_step(w);
    explore(deeper(8), (struct budget){1, 1, 1, 0});
    assert_true(committed_most >= 2);
}

/* Figure 8: an entry of the term before is on two disks, and no leader has counted it. */
static void from_an_old_entry_on_a_majority(void **state)
{
    struct network *w = world(NULL);

    (void)state;
    settle(w, 1);
    w->cut[2][1] = w->cut[3][1] = w->cut[1][3] = true;
    propose(w, 1);
    run_for(w, 10);
    for (uint32_t i = 1; i <= 3; i++) {
        separate(w, i, false);
        crash(w, i, 0);
    }
    w->flights = 0;
    for (uint32_t i = 1; i <= 3; i++)
        start(w, i);
    while (w->node[1].raft.role != RAFT_CANDIDATE && w->node[2].raft.role != RAFT_CANDIDATE)
        network_step(w);
    explore(deeper(10), (struct budget){0, 1, 0, 0});
    assert_true(committed_most >= 4);
}

static void with_a_witness_that_leads(void **state)
{
    static const uint8_t roles[] = {RAFT_VOTER, RAFT_VOTER, RAFT_WITNESS};
    struct network *w = world(roles);

    (void)state;
    settle(w, 1);
    separate(w, 2, true);
    propose(w, 1);
    run_for(w, 20);
    crash(w, 1, 0);
    start(w, 1);
    separate(w, 2, false);
    w->flights = 0;
    explore(deeper(9), (struct budget){2, 1, 0, 0});
    assert_true(terms_most >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_the_founding),
        cmocka_unit_test(from_a_leader_in_office),
        cmocka_unit_test(from_a_tail_that_is_alone),
        cmocka_unit_test(from_a_vote_in_the_air),
        cmocka_unit_test(from_an_old_entry_on_a_majority),
        cmocka_unit_test(with_a_witness_that_leads),
    };

    signal(SIGABRT, say_way);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
