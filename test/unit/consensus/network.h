/*
 * A few cores, their disks and what is between them, without threads, files or a clock of their own.
 *
 * Every way that a world can misbehave is a function here; network_check asserts the paper's properties over all nodes, and what each node
 * says is compared with what its disk holds at that moment. An includer may define NODES, LOG and FLIGHTS smaller to make copies cheap.
 */
#pragma once

#include "base/must.h"
#include "consensus/raft.h"
#include "consensus/raft_parts.h"

#include <stdio.h>
#include <string.h>

#ifndef NODES
#define NODES 6
#endif
#ifndef LOG
#define LOG 400
#endif
#ifndef FLIGHTS
#define FLIGHTS 128
#endif
#ifndef BATCH
#define BATCH RAFT_BATCH_MAX
#endif
#ifndef READS
#define READS 256
#endif
#ifndef TERMS
#define TERMS 512
#endif

struct item {
    struct raft_entry entry;
    uint64_t body;
};

struct shot {
    uint64_t index, term, hash;
    struct raft_config config;
};

struct disk {
    uint64_t term, last;
    uint32_t vote;
    struct shot shot;
    struct item log[LOG];
};

struct node {
    struct raft raft;
    bool up, full;
    uint64_t end; /* of log */
    struct item log[LOG];
    uint64_t hash; /* of what was applied */
    struct shot shot;
    struct disk disk;
    struct {
        uint64_t ticket, term, keep, last;
        uint32_t vote;
        bool log;
        struct item items[LOG];
    } job;
    struct instant job_done;
    uint32_t fetch_from;
    struct instant now;
    uint64_t starts;
    uint32_t reads_confirmed, reads_lost;
};

struct flight {
    struct raft_message message;
    struct item items[BATCH];
    struct instant due;
};

struct network {
    uint32_t count;
    struct node node[NODES + 1]; /* by member id, from 1 */
    struct raft_config founding;
    uint32_t flights;
    struct flight flight[FLIGHTS];
    uint32_t dropped;
    bool cut[NODES + 1][NODES + 1]; /* what the first says does not reach the second */
    struct instant now;
    int64_t delay_ns, disk_ns;
    uint64_t bodies;
    bool steady; /* the members never change: what is committed is on a majority of disks */
    uint32_t leader_of[TERMS];
    uint32_t vote_of[NODES + 1][TERMS];
    struct item committed[LOG];
    uint64_t committed_in[LOG]; /* the term of who first said so */
    uint64_t committed_to;
    uint64_t reads;
    uint64_t read_from[READS]; /* by id: what was committed anywhere when it was asked */
};

/* ---- properties ---- */

static inline bool same_item(const struct item *a, const struct item *b)
{
    return a->entry.term == b->entry.term && a->entry.kind == b->entry.kind && a->body == b->body;
}

static inline uint64_t mixed(uint64_t hash, uint64_t number)
{
    hash ^= number + UINT64_C(0x9e3779b97f4a7c15) + (hash << 6) + (hash >> 2);
    return hash * UINT64_C(0xff51afd7ed558ccd);
}

static inline void check_log_matching(const struct node *a, const struct node *b)
{
    uint64_t last = a->raft.last < b->raft.last ? a->raft.last : b->raft.last;
    uint64_t from = a->shot.index > b->shot.index ? a->shot.index : b->shot.index;

    while (last > from && a->log[last].entry.term != b->log[last].entry.term)
        last--;
    for (; last > from; last--)
        must(same_item(&a->log[last], &b->log[last]));
}

static inline void note_committed(struct network *w, const struct node *node)
{
    for (uint64_t i = w->committed_to + 1; i <= node->raft.commit; i++) {
        must(i > node->shot.index);
        w->committed[i] = node->log[i];
        w->committed_in[i] = node->raft.term;
        w->committed_to = i;
    }
}

static inline bool disk_has(const struct disk *disk, uint64_t index, const struct item *item)
{
    return index <= disk->shot.index || (index <= disk->last && same_item(&disk->log[index], item));
}

static inline void check_durable(const struct network *w)
{
    uint32_t held = 0, voters = 0;

    for (uint32_t i = 1; i <= w->count; i++) {
        if (!raft_is_voter(&w->founding, i))
            continue;
        voters++;
        held += w->committed_to == 0 ||
                disk_has(&w->node[i].disk, w->committed_to, &w->committed[w->committed_to]);
    }
    must(held > voters / 2);
}

static inline void check_node(struct network *w, uint32_t id)
{
    struct node *node = &w->node[id];
    struct raft *raft = &node->raft;

    note_committed(w, node);
    for (uint64_t i = node->shot.index + 1; i <= raft->commit; i++)
        must(same_item(&node->log[i], &w->committed[i]));
    if (raft->role != RAFT_LEADER)
        return;
    must(raft->term < TERMS);
    must(w->leader_of[raft->term] == 0 || w->leader_of[raft->term] == id);
    w->leader_of[raft->term] = id;
    for (uint64_t i = node->shot.index + 1; i <= w->committed_to; i++)
        if (w->committed_in[i] <= raft->term)
            must(i <= raft->last && same_item(&node->log[i], &w->committed[i]));
}

static inline void network_check(struct network *w)
{
    for (uint32_t i = 1; i <= w->count; i++) {
        if (!w->node[i].up)
            continue;
        check_node(w, i);
        for (uint32_t j = 1; j < i; j++)
            if (w->node[j].up)
                check_log_matching(&w->node[i], &w->node[j]);
    }
    if (w->steady)
        check_durable(w);
}

/* Nothing is promised that the disk does not hold. */
static inline void check_said(struct network *w, const struct raft_message *message)
{
    const struct node *node = &w->node[message->from];

    if (message->type == RAFT_VOTE || (message->type == RAFT_VOTE_REPLY && message->granted)) {
        uint32_t to = message->type == RAFT_VOTE ? message->from : message->to;

        must(node->disk.term == message->term && node->disk.vote == to);
        must(message->term < TERMS);
        must(w->vote_of[message->from][message->term] == 0 ||
             w->vote_of[message->from][message->term] == to);
        w->vote_of[message->from][message->term] = to;
    }
    if (message->type == RAFT_APPEND_REPLY && message->granted) {
        must(node->disk.term == message->term);
        must(message->index <= node->disk.last || message->index <= node->disk.shot.index);
        if (message->index > node->disk.shot.index && message->index > node->shot.index)
            must(same_item(&node->log[message->index], &node->disk.log[message->index]));
    }
}

/* ---- what a node does ---- */

/* Entries that nobody put are the no-op of an election. */
static inline void fill(struct node *node)
{
    while (node->end < node->raft.last) {
        node->end++;
        node->log[node->end] = (struct item){
            .entry = {.term = raft_term_at(&node->raft, node->end), .kind = RAFT_NOOP}};
    }
    node->end = node->raft.last;
    must(node->end + BATCH < LOG);
}

static inline void launch(struct network *w, const struct node *node,
                          const struct raft_message *message)
{
    struct flight *flight = &w->flight[w->flights];

    check_said(w, message);
    if (message->to > w->count || w->flights == FLIGHTS || w->cut[message->from][message->to] ||
        message->count > BATCH) {
        w->dropped++;
        return;
    }
    w->flights++;
    memset(flight, 0, sizeof *flight);
    flight->message = *message;
    flight->due = after_ns(w->now, w->delay_ns);
    for (uint32_t i = 0; i < message->count; i++)
        flight->items[i] = node->log[message->index + 1 + i];
}

static inline void apply_to(struct node *node, uint64_t commit)
{
    for (uint64_t i = node->raft.applied + 1; i <= commit; i++)
        node->hash = mixed(mixed(node->hash, node->log[i].entry.term), node->log[i].body);
    if (commit > node->raft.applied)
        raft_applied(&node->raft, commit);
}

static inline void begin_job(struct network *w, struct node *node,
                             const struct raft_actions *actions)
{
    must(node->job.ticket == 0);
    node->job.ticket = actions->persist.ticket;
    node->job.term = actions->persist.term;
    node->job.vote = actions->persist.vote;
    node->job.log = actions->persist.log;
    node->job.keep = actions->persist.keep;
    node->job.last = actions->persist.last;
    must(!node->job.log || node->job.keep <= node->disk.last);
    if (node->job.log)
        memcpy(node->job.items, node->log, (node->job.last + 1) * sizeof node->log[0]);
    node->job_done = after_ns(w->now, w->disk_ns);
}

static inline void turn(struct network *w, uint32_t id)
{
    static struct raft_actions actions;
    struct node *node = &w->node[id];

    if (!node->up)
        return;
    fill(node);
    raft_ready(&node->raft, node->now, &actions);
    if (actions.persist.ticket != 0)
        begin_job(w, node, &actions);
    for (uint32_t i = 1; i <= w->count && actions.resigned; i++)
        if (i != id && w->node[i].up && !w->cut[id][i])
            raft_leader_left(&w->node[i].raft, id, node->raft.term, w->node[i].now);
    for (uint32_t i = 0; i < actions.sends; i++)
        launch(w, node, &actions.send[i]);
    apply_to(node, actions.commit);
    node->fetch_from = actions.fetch_from;
    node->reads_confirmed += actions.reads;
    node->reads_lost += actions.reads_lost;
    for (uint32_t i = 0; i < actions.reads; i++)
        must(actions.read[i].index >= w->read_from[actions.read[i].id % READS]);
    network_check(w);
}

/* ---- what happens ---- */

static inline void put_items(struct node *node, const struct flight *flight, uint32_t taken)
{
    for (uint32_t i = taken; i < flight->message.count; i++) {
        node->end = flight->message.index + 1 + i;
        must(node->end < LOG);
        node->log[node->end] = flight->items[i];
    }
}

static inline void receive(struct network *w, const struct flight *flight)
{
    struct raft_message message = flight->message;
    struct node *node = &w->node[message.to];
    struct raft_entry entries[BATCH];
    uint32_t taken;

    if (!node->up)
        return;
    for (uint32_t i = 0; i < message.count; i++)
        entries[i] = flight->items[i].entry;
    message.entries = message.count ? entries : NULL;
    raft_receive(&node->raft, &message, node->now, &taken);
    put_items(node, flight, taken);
    must(node->raft.contradictions == 0);
    turn(w, message.to);
}

static inline void drop(struct network *w, uint32_t which)
{
    w->flight[which] = w->flight[--w->flights];
}

/* In the order in which they were sent, so that a story reads as it happens. */
static inline void deliver(struct network *w, uint32_t which)
{
    static struct flight flight;

    flight = w->flight[which];
    w->flights--;
    memmove(w->flight + which, w->flight + which + 1, (w->flights - which) * sizeof w->flight[0]);
    receive(w, &flight);
}

/* `parts` of a job come true: 1 the metadata, 2 the cut, then entry after entry. */
static inline void write_part(struct node *node, uint64_t parts)
{
    struct disk *disk = &node->disk;

    if (parts == 0)
        return;
    disk->term = node->job.term;
    disk->vote = node->job.vote;
    if (parts == 1 || !node->job.log)
        return;
    disk->last = node->job.keep;
    for (uint64_t i = node->job.keep + 1; i <= node->job.last && i < node->job.keep + parts - 1;
         i++) {
        disk->log[i] = node->job.items[i];
        disk->last = i;
    }
}

static inline void finish_job(struct network *w, uint32_t id)
{
    struct node *node = &w->node[id];
    uint64_t ticket = node->job.ticket;
    bool refused = node->full && node->job.log;

    must(ticket != 0);
    write_part(node, refused ? 1 : UINT64_MAX / 2);
    node->job.ticket = 0;
    if (refused)
        raft_disk_full(&node->raft, ticket, node->now);
    else
        raft_persisted(&node->raft, ticket, node->now);
    turn(w, id);
}

static inline void tick(struct network *w, uint32_t id)
{
    raft_tick(&w->node[id].raft, w->node[id].now);
    turn(w, id);
}

static inline void crash(struct network *w, uint32_t id, uint64_t parts)
{
    struct node *node = &w->node[id];

    if (node->job.ticket != 0)
        write_part(node, node->full && parts > 1 ? 1 : parts);
    node->job.ticket = 0;
    node->up = false;
}

static inline void start(struct network *w, uint32_t id)
{
    static struct raft_entry entries[LOG];
    struct node *node = &w->node[id];
    struct raft_options options = {.self = id,
                                   .seed = id + 100 * node->starts++,
                                   .heartbeat_ns = 100 * NS_PER_MS,
                                   .election_ns = 1000 * NS_PER_MS};
    struct raft_restored restored = {.term = node->disk.term,
                                     .vote = node->disk.vote,
                                     .snapshot_index = node->disk.shot.index,
                                     .snapshot_term = node->disk.shot.term,
                                     .snapshot_config = node->disk.shot.config,
                                     .last = node->disk.last,
                                     .entries = entries};

    must(!node->up);
    memcpy(node->log, node->disk.log, sizeof node->log);
    node->end = node->disk.last;
    for (uint64_t i = restored.snapshot_index + 1; i <= restored.last; i++)
        entries[i - restored.snapshot_index - 1] = node->log[i].entry;
    node->shot = node->disk.shot;
    node->hash = node->shot.hash;
    node->fetch_from = 0;
    raft_init(&node->raft, &options, &restored, node->now);
    node->up = true;
    turn(w, id);
}

static inline void network_begin(struct network *w, uint32_t count, const uint8_t *roles)
{
    memset(w, 0, sizeof *w);
    w->count = count;
    w->steady = true;
    w->delay_ns = NS_PER_MS;
    w->disk_ns = 2 * NS_PER_MS;
    for (uint32_t i = 1; i <= count; i++)
        w->founding.members[w->founding.count++] =
            (struct raft_member){.id = i, .role = roles ? roles[i - 1] : RAFT_VOTER};
    w->committed_to = 1;
    w->committed[1].entry.term = 1;
    for (uint32_t i = 1; i <= count; i++) {
        struct disk *disk = &w->node[i].disk;

        disk->term = 1;
        disk->last = 1;
        disk->shot = (struct shot){.index = 1, .term = 1, .config = w->founding};
    }
    for (uint32_t i = 1; i <= count; i++)
        start(w, i);
}

/* A node without a log, that nobody knows yet. */
static inline void add_blank(struct network *w)
{
    must(w->count < NODES);
    w->count++;
    w->steady = false;
    memset(&w->node[w->count], 0, sizeof w->node[w->count]);
    w->node[w->count].now = w->now;
    start(w, w->count);
}

static inline bool propose(struct network *w, uint32_t id)
{
    struct node *node = &w->node[id];
    uint64_t index;

    fill(node);
    if (!node->up || raft_propose(&node->raft, node->now, &index) != RAFT_ACCEPTED)
        return false;
    node->end = index;
    node->log[index] = (struct item){.entry = {.term = node->raft.term, .kind = RAFT_COMMAND},
                                     .body = ++w->bodies};
    turn(w, id);
    return true;
}

/* What is confirmed must cover what anybody had committed before it was asked. */
static inline enum raft_outcome ask_read(struct network *w, uint32_t id)
{
    enum raft_outcome outcome = raft_confirm(&w->node[id].raft, ++w->reads, w->node[id].now);

    w->read_from[w->reads % READS] = w->committed_to;
    turn(w, id);
    return outcome;
}

static inline enum raft_outcome change(struct network *w, uint32_t id, uint8_t kind,
                                       uint32_t member, uint8_t role)
{
    struct node *node = &w->node[id];
    struct raft_change wish = {.kind = kind, .role = role, .member = member};
    enum raft_outcome outcome;
    uint64_t index;

    fill(node);
    outcome = raft_change(&node->raft, &wish, node->now, &index);
    if (outcome == RAFT_ACCEPTED) {
        w->steady = false;
        node->end = index;
        node->log[index] =
            (struct item){.entry = {.term = node->raft.term, .kind = RAFT_CONFIG, .change = wish},
                          .body = ++w->bodies};
        turn(w, id);
    }
    return outcome;
}

/* The applied state as of now, which is durable at once; `keep` entries before it stay for slow followers. */
static inline bool save_snapshot(struct network *w, uint32_t id, uint64_t keep)
{
    struct node *node = &w->node[id];
    uint64_t index = node->raft.applied, from;

    if (index > node->raft.stored || index <= node->shot.index)
        return false;
    if (raft_config_at(&node->raft, index) == NULL)
        return false;
    node->shot = (struct shot){.index = index,
                               .term = raft_term_at(&node->raft, index),
                               .hash = node->hash,
                               .config = *raft_config_at(&node->raft, index)};
    node->disk.shot = node->shot;
    from = index + 1 > keep && index + 1 - keep > node->raft.first ? index + 1 - keep
                                                                   : node->raft.first;
    raft_snapshot_saved(&node->raft, index, from);
    turn(w, id);
    return true;
}

/* Whatever the other one has saved last; or a failure. */
static inline void fetch_snapshot(struct network *w, uint32_t id)
{
    struct node *node = &w->node[id];
    const struct shot *shot = &w->node[node->fetch_from].shot;

    must(node->fetch_from != 0 && node->job.ticket == 0);
    if (!w->node[node->fetch_from].up || shot->index < node->raft.fetch_index) {
        raft_snapshot_failed(&node->raft, node->fetch_from);
    } else {
        node->shot = node->disk.shot = *shot;
        node->disk.last = node->end = shot->index;
        node->hash = shot->hash;
        raft_snapshot_installed(&node->raft, shot->index, shot->term, &shot->config, node->now);
    }
    node->fetch_from = 0;
    turn(w, id);
}

/* ---- time, for stories ---- */

static inline struct instant network_next(const struct network *w)
{
    struct instant next = NEVER;

    for (uint32_t i = 0; i < w->flights; i++)
        next = earlier(next, w->flight[i].due);
    for (uint32_t i = 1; i <= w->count; i++) {
        const struct node *node = &w->node[i];

        if (node->up)
            next = earlier(next, raft_next_deadline(&node->raft));
        if (node->up && node->job.ticket != 0)
            next = earlier(next, node->job_done);
    }
    return next;
}

static inline void network_move(struct network *w, struct instant now)
{
    if (now.ns > w->now.ns)
        w->now = now;
    for (uint32_t i = 1; i <= w->count; i++)
        w->node[i].now = w->now;
}

static inline void node_events(struct network *w, uint32_t id)
{
    struct node *node = &w->node[id];

    if (node->up && node->job.ticket != 0 && passed(node->job_done, w->now))
        finish_job(w, id);
    if (node->up && passed(raft_next_deadline(&node->raft), w->now))
        tick(w, id);
    if (node->up && node->fetch_from != 0 && node->job.ticket == 0)
        fetch_snapshot(w, id);
}

static inline void network_step(struct network *w)
{
    uint32_t which = 0;

    network_move(w, network_next(w));
    while (which < w->flights && !passed(w->flight[which].due, w->now))
        which++;
    if (which < w->flights)
        deliver(w, which);
    for (uint32_t i = 1; i <= w->count; i++)
        node_events(w, i);
}

static inline void run_for(struct network *w, int64_t ms)
{
    struct instant end = after_ms(w->now, ms);

    while (!passed(end, network_next(w)))
        network_step(w);
    network_move(w, end);
}

/* Both directions. */
static inline void separate(struct network *w, uint32_t id, bool apart)
{
    for (uint32_t i = 1; i <= w->count; i++)
        if (i != id)
            w->cut[id][i] = w->cut[i][id] = apart;
}

/* The leader of the highest term, once it is established. 0: nobody. */
static inline uint32_t leader_now(const struct network *w)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i <= w->count; i++) {
        const struct raft *raft = &w->node[i].raft;

        if (w->node[i].up && raft->role == RAFT_LEADER && raft->commit >= raft->noop &&
            (best == 0 || raft->term > w->node[best].raft.term))
            best = i;
    }
    return best;
}
