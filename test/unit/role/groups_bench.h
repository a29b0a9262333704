/*
 * Three nodes with one group, on virtual time: real clusters and role/groups, and engines that do at once what they are told. What they say is kept as text.
 */
#pragma once

#include "base/buf.h"
#include "base/must.h"
#include "cluster/command.h"
#include "cluster/document.h"
#include "disk_sim.h"
#include "loop_sim.h"
#include "network.h"
#include "role/groups.h"
#include "topology/fact.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BENCH_NODES = 3, BENCH_PORT = 7400, BENCH_HEARTBEAT_MS = 100, BENCH_NEWS = 16 };

static const char *const bench_names[BENCH_NODES] = {"a", "b", "c"};

/* An engine whose data is one number that all members have at once. */
struct bench_engine {
    struct engine_status status;
    uint32_t ids[GROUP_MEMBERS_MAX];
    bool stalls; /* nothing that its primary has reaches it */
};

struct bench_node {
    struct bench *bench;
    uint32_t index;
    struct sim_host *host;
    struct disk_sim disk;
    struct cluster *cluster;
    struct groups *groups; /* NULL: closed */
    struct bench_engine engine;
    struct timer news;
    struct engine_answer answers[BENCH_NEWS];
    uint32_t answer_count;
    bool probed, closed;
    struct groups_place place;
    uint32_t publishes;
};

struct bench {
    struct sim_world world;
    struct bench_node nodes[BENCH_NODES];
    struct buf told; /* facts about groups, one line each */
    struct groups_reply reply;
    uint32_t replies;
};

/* ---- the engine ---- */

static inline void bench_answer(struct bench_node *node, const struct engine_order *order)
{
    struct engine_status *status = &node->engine.status;
    struct engine_answer *answer = &node->answers[node->answer_count++];

    must(node->answer_count <= BENCH_NEWS);
    if (order->verb == ENGINE_PROMISE)
        status->promised = order->epoch;
    if (order->verb == ENGINE_PROMOTE || order->verb == ENGINE_FOLLOW)
        status->epoch = order->epoch;
    if (order->verb == ENGINE_PROMOTE)
        status->position.epoch = order->epoch;
    if (order->verb == ENGINE_PROMOTE || order->verb == ENGINE_DEMOTE)
        status->writable = order->verb == ENGINE_PROMOTE;
    if (order->verb != ENGINE_STATUS && order->verb != ENGINE_PROMISE) {
        status->role = order->verb == ENGINE_PROMOTE  ? ENGINE_PRIMARY
                       : order->verb == ENGINE_FOLLOW ? ENGINE_SECONDARY
                                                      : ENGINE_NEITHER;
        status->primary = order->verb == ENGINE_FOLLOW ? order->primary : 0;
        status->linked = order->verb == ENGINE_FOLLOW;
        status->lag_bytes = order->verb == ENGINE_FOLLOW ? 0 : UINT64_MAX;
    }
    *answer = (struct engine_answer){
        .verb = order->verb, .epoch = order->epoch, .outcome = ENGINE_DONE, .status = *status};
}

/* A secondary has what its primary has, and a primary knows that. */
static inline void bench_replicate(struct bench *bench, struct bench_node *node)
{
    struct engine_status *status = &node->engine.status;

    status->follower_count = 0;
    for (uint32_t i = 0; i < BENCH_NODES; i++) {
        struct bench_engine *other = &bench->nodes[i].engine;
        uint32_t own = node->engine.ids[node->index], id = node->engine.ids[i];

        if (i == node->index || status->role != ENGINE_PRIMARY || other->status.primary != own ||
            other->status.role != ENGINE_SECONDARY)
            continue;
        if (!other->stalls)
            other->status.position = status->position;
        status->followers[status->follower_count++] = (struct engine_follower){
            .member = id, .attached = true, .position = other->status.position};
    }
}

static inline void bench_news(struct timer *timer)
{
    struct bench_node *node = container_of(timer, struct bench_node, news);
    uint32_t count = node->answer_count;
    struct engine_answer answers[BENCH_NEWS];

    memcpy(answers, node->answers, sizeof answers);
    node->answer_count = 0;
    bench_replicate(node->bench, node);
    for (uint32_t i = 0; i < count && node->groups; i++) {
        if (answers[i].outcome == ENGINE_DONE)
            answers[i].status = node->engine.status;
        groups_answered(node->groups, 0, &answers[i]);
    }
    if (node->probed && node->groups) {
        node->probed = false;
        groups_probed(node->groups, 0, true);
    }
}

static inline void bench_tell_soon(struct bench_node *node)
{
    struct loop *loop = node->host->loop;

    timer_arm(loop, &node->news, after_ms(loop_now(loop), 1));
}

static inline void bench_ask(void *context, uint32_t slot, const struct engine_order *order)
{
    /* Engines of other groups hang. */
    if (slot != 0)
        return;
    bench_answer(context, order);
    bench_tell_soon(context);
}

static inline void bench_cancel(void *context, uint32_t slot)
{
    (void)context;
    (void)slot;
}

static inline void bench_process(void *context, uint32_t slot, bool start)
{
    (void)context;
    (void)slot;
    (void)start;
}

static inline void bench_fence(void *context, uint32_t slot, struct instant until)
{
    (void)context;
    (void)slot;
    (void)until;
}

static inline void bench_probe(void *context, uint32_t slot, bool through, uint64_t epoch)
{
    struct bench_node *node = context;

    (void)slot;
    (void)through;
    (void)epoch;
    node->probed = true;
    bench_tell_soon(node);
}

static inline void bench_members(void *context, uint32_t slot, const uint32_t *ids)
{
    struct bench_node *node = context;

    if (slot == 0)
        memcpy(node->engine.ids, ids, sizeof node->engine.ids);
}

static inline void bench_publish(void *context, uint32_t slot, const struct groups_place *place)
{
    struct bench_node *node = context;

    if (slot != 0)
        return;
    node->place = *place;
    node->publishes++;
}

static inline void bench_clients(void *context, uint32_t slot, uint64_t *held, uint64_t *expired)
{
    (void)context;
    (void)slot;
    *held = *expired = 0;
}

static inline void bench_group_fact(void *context, const struct fact *fact)
{
    struct bench_node *node = context;
    const struct code_row *row = code_find(fact->code);

    buf_print(&node->bench->told, "%s: %s\n", row->name, fact->text);
}

static const struct groups_events bench_groups_events = {.ask = bench_ask,
                                                         .cancel = bench_cancel,
                                                         .process = bench_process,
                                                         .fence = bench_fence,
                                                         .probe = bench_probe,
                                                         .members = bench_members,
                                                         .publish = bench_publish,
                                                         .clients = bench_clients,
                                                         .fact = bench_group_fact};

/* ---- the cluster ---- */

static inline void bench_fact(void *context, const struct fact *fact)
{
    (void)context;
    (void)fact;
}

static inline void bench_changed(void *context)
{
    struct bench_node *node = context;

    if (node->groups)
        groups_look(node->groups);
}

static inline void bench_lease(void *context, uint32_t slot, const char *resource,
                               struct instant until)
{
    struct bench_node *node = context;

    (void)slot;
    if (node->groups)
        groups_lease(node->groups, resource, until);
}

static inline void bench_request(void *context, const char *from, uint64_t ticket,
                                 struct bytes bytes)
{
    struct bench_node *node = context;

    if (node->groups && bytes.len && bytes.at[0] == GROUPS_MARK)
        groups_requested(node->groups, from, ticket, bytes_skip(bytes, 1));
    else
        cluster_answer(node->cluster, ticket, bytes_of(NULL, 0));
}

static inline void bench_failed(void *context, const struct err *err)
{
    (void)context;
    fail_msg("%s", err->text);
}

static inline void bench_closed(void *context)
{
    struct bench_node *node = context;

    node->closed = true;
}

static const struct cluster_events bench_cluster_events = {.fact = bench_fact,
                                                           .changed = bench_changed,
                                                           .lease = bench_lease,
                                                           .request = bench_request,
                                                           .failed = bench_failed,
                                                           .closed = bench_closed};

/* ---- the file ---- */

static inline void bench_describe(struct groups_group *group, const char *name, uint32_t slot)
{
    *group = (struct groups_group){
        .name = name,
        .slot = slot,
        .count = BENCH_NODES,
        .wanted = {.mode = GROUP_ASYNC, .min_in_sync = 1},
        .replica = {.status_ms = BENCH_HEARTBEAT_MS,
                    .timeout_ms = 1000,
                    .demote_ms = 300,
                    .copy_ms = 10000,
                    .stuck_ms = 1000,
                    .verify_ms = 5000,
                    .restart_attempts = 3,
                    .restart_window_ms = 60000,
                    .max_lag_bytes = 1 << 20,
                    .lag_ms = 5000,
                    .degrade_ms = INT64_MAX},
        .failover = {.heartbeat_ms = BENCH_HEARTBEAT_MS,
                     .timeout_ms = 5000,
                     .lease_ms = 2000,
                     .promise_ms = BENCH_HEARTBEAT_MS,
                     .flaps = 10,
                     .flap_window_ms = 60000,
                     .max_lag_bytes = 1 << 20},
    };
    for (uint32_t i = 0; i < BENCH_NODES; i++)
        group->members[i] =
            (struct groups_member){.name = bench_names[i], .priority = (int32_t)(100 - i)};
}

/* ---- life ---- */

static inline void bench_start(struct bench *bench, uint32_t index)
{
    struct bench_node *node = &bench->nodes[index];
    struct cluster_node places[BENCH_NODES] = {0};
    int listener;
    struct cluster_options options = {.disk = &node->disk.disk,
                                      .seed = index + 1,
                                      .cluster = "bench",
                                      .node = bench_names[index],
                                      .nodes = places,
                                      .node_count = BENCH_NODES,
                                      .timing = {.heartbeat_ms = BENCH_HEARTBEAT_MS,
                                                 .lease_ms = 2000,
                                                 .drift_ppm = 1000,
                                                 .detection_beats = 5},
                                      .listeners = &listener,
                                      .listener_count = 1,
                                      .events = &bench_cluster_events,
                                      .context = node};
    struct groups_options groups = {.heartbeat_ms = BENCH_HEARTBEAT_MS,
                                    .node = bench_names[index],
                                    .events = &bench_groups_events,
                                    .context = node};
    struct groups_group group;
    struct err err;

    *node = (struct bench_node){.bench = bench, .index = index, .host = &bench->world.host[index]};
    node->host->powered = node->host->running = true;
    node->engine.status = (struct engine_status){.state = ENGINE_RUNNING, .position = {0, 100}};
    disk_sim_init(&node->disk, index + 1, 64 << 20);
    timer_init(&node->news, bench_news);
    sim_loop_open(node->host);
    listener = sim_listen(node->host, BENCH_PORT);
    for (uint32_t i = 0; i < BENCH_NODES; i++) {
        places[i] = (struct cluster_node){.name = bench_names[i], .zone = "", .count = 1};
        places[i].addresses[0] = bench->world.host[i].address;
        places[i].addresses[0].port = BENCH_PORT;
    }
    options.loop = groups.loop = node->host->loop;
    if (!cluster_open(&node->cluster, &options, &err))
        fail_msg("%s", err.text);
    groups.cluster = node->cluster;
    assert_true(groups_open(&node->groups, &groups, &err));
    bench_describe(&group, "db", 0);
    groups_configure(node->groups, &group, 1);
}

static inline void bench_close_groups(struct bench_node *node)
{
    groups_close(node->groups);
    node->groups = NULL;
}

static inline void bench_stop(struct bench_node *node)
{
    if (!node->cluster)
        return;
    bench_close_groups(node);
    node->host->ending = true;
    sim_network_forget(node->host, false);
    cluster_close(node->cluster, false);
    for (int turns = 0; !node->closed; turns++) {
        assert_true(turns < 1000);
        loop_turn(node->host->loop, 0);
    }
    node->cluster = NULL;
    timer_cancel(node->host->loop, &node->news);
    sim_loop_close(node->host);
    node->host->ending = node->host->running = false;
    disk_sim_fini(&node->disk);
}

static inline void bench_run_ms(struct bench *bench, int64_t ms)
{
    int64_t until = bench->world.now + ms * NS_PER_MS;

    while (sim_step(&bench->world, until)) {
    }
}

/* Runs until the claim holds, for at most a minute of virtual time. */
#define BENCH_UNTIL(bench, claim)                                                                  \
    do {                                                                                           \
        int64_t bench_end = (bench)->world.now + 60 * NS_PER_S;                                    \
                                                                                                   \
        while (!(claim) && (bench)->world.now < bench_end)                                         \
            bench_run_ms(bench, 10);                                                               \
        if (!(claim))                                                                              \
            fail_msg("in vain: %s\n%.*s", #claim, (int)(bench)->told.len, (bench)->told.at);       \
    } while (0)

/* The node that leads; NULL: nobody. */
static inline struct bench_node *bench_find_leader(struct bench *bench)
{
    for (uint32_t i = 0; i < BENCH_NODES; i++) {
        const struct cluster_view *view =
            bench->nodes[i].cluster ? cluster_view(bench->nodes[i].cluster) : NULL;

        if (view && view->role == CLUSTER_LEADER && view->established)
            return &bench->nodes[i];
    }
    return NULL;
}

static inline struct bench_node *bench_leader(struct bench *bench)
{
    struct bench_node *leader = bench_find_leader(bench);

    must(leader);
    return leader;
}

/* All nodes see the same primary serve: its place, from 1; 0: not so. */
static inline uint32_t bench_primary(const struct bench *bench)
{
    uint32_t primary = 0;

    for (uint32_t i = 0; i < BENCH_NODES; i++) {
        const struct bench_node *node = &bench->nodes[i];

        if (!node->groups)
            continue;
        if (node->place.phase != GROUP_SERVING || (primary && primary != node->place.primary))
            return 0;
        primary = node->place.primary;
    }
    return primary;
}

/* Everybody is in sync and was heard by the leader. */
static inline bool bench_whole(struct bench *bench)
{
    struct bench_node *leader = bench_find_leader(bench);
    struct groups_view view;
    uint32_t heard = 0;

    if (!leader || !leader->groups || !bench_primary(bench))
        return false;
    groups_view(leader->groups, 0, &view);
    for (uint32_t i = 0; i < BENCH_NODES; i++)
        heard += view.members[i].heard;
    return heard == BENCH_NODES && view.winner != 0 && view.failover == FAILOVER_WATCHING &&
           view.body.in_sync.count + view.body.eligible.count == BENCH_NODES;
}

static inline const char *bench_told(struct bench *bench)
{
    buf_add_byte(&bench->told, 0);
    bench->told.len--;
    return (const char *)bench->told.at;
}

/* How often a line begins so. */
static inline uint32_t bench_count(struct bench *bench, const char *name)
{
    uint32_t count = 0;

    for (const char *at = bench_told(bench); (at = strstr(at, name)); at++)
        count += at == (const char *)bench->told.at || at[-1] == '\n';
    return count;
}

static inline void bench_begin(struct bench *bench)
{
    *bench = (struct bench){0};
    buf_init(&bench->told, 1 << 20);
    sim_world_init(&bench->world, 1, BENCH_NODES, NULL);
    for (uint32_t i = 0; i < BENCH_NODES; i++)
        for (uint32_t j = 0; j < BENCH_NODES; j++)
            bench->world.link[i][j].delay_ns = NS_PER_MS;
    for (uint32_t i = 0; i < BENCH_NODES; i++)
        bench_start(bench, i);
    BENCH_UNTIL(bench, bench_whole(bench) && bench_count(bench, "group-created"));
    buf_clear(&bench->told);
}

static inline void bench_end(struct bench *bench)
{
    for (uint32_t i = 0; i < BENCH_NODES; i++)
        bench_stop(&bench->nodes[i]);
    sim_world_fini(&bench->world);
    buf_fini(&bench->told);
}

static inline void bench_replied(void *context, const struct groups_reply *reply)
{
    struct bench *bench = context;

    bench->reply = *reply;
    bench->replies++;
}

static inline int64_t bench_wall_ms(const struct bench_node *node)
{
    return loop_read_clock(node->host->loop, LOOP_WALL).ns / NS_PER_MS;
}
