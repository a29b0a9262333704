/*
 * Some nodes of one cluster in one process: real loop, real disk in a temporary directory, plain frames over loopback.
 */
#pragma once

#include "unit.h"

#include "cluster/cluster.h"
#include "cluster/command.h"
#include "cluster/document.h"
#include "consensus/raft.h"
#include "net/net.h"
#include "topology/fact.h"
#include "wal/disk.h"

#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORLD_NODES_MAX = 5, WORLD_PATIENCE_MS = 20000 };

struct world;

struct node {
    struct world *world;
    char name[8], directory[128];
    struct cluster *cluster; /* NULL: it does not run */
    struct disk *disk;
    int listener;
    bool failed;
    int64_t lease_ms; /* of its file; 0: 600 */
    bool kept;        /* as in struct cluster_options, at its next starts */
    struct instant lease[CLUSTER_LEASES_MAX];
    uint32_t leases_lost;
    char story[16384];
};

struct answer {
    bool came;
    enum cluster_outcome outcome;
    char sentence[CLUSTER_SENTENCE_MAX], by[CLUSTER_NAME_MAX];
    uint64_t index, version;
};

struct world {
    struct loop *loop;
    uint32_t count, in_file;
    uint64_t seed;
    char top[64];
    struct node nodes[WORLD_NODES_MAX];
    struct cluster_node file[WORLD_NODES_MAX];
    uint32_t segment_bytes; /* of the logs; 0: as the program chooses */
};

static void on_fact(void *context, const struct fact *fact)
{
    struct node *node = context;
    size_t len = strlen(node->story);

    snprintf(node->story + len, sizeof node->story - len, "%s: %s\n", node->name, fact->text);
}

static void on_changed(void *context)
{
    (void)context;
}

static void on_lease(void *context, uint32_t slot, const char *resource, struct instant until)
{
    struct node *node = context;

    (void)resource;
    node->leases_lost += until.ns == 0;
    node->lease[slot] = until;
}

static void on_request(void *context, const char *name, uint64_t ticket, struct bytes bytes)
{
    struct node *node = context;

    (void)name;
    cluster_answer(node->cluster, ticket, bytes);
}

static void on_failed(void *context, const struct err *err)
{
    struct node *node = context;
    size_t len = strlen(node->story);

    node->failed = true;
    snprintf(node->story + len, sizeof node->story - len, "%s failed: %s\n", node->name, err->text);
}

static void on_closed(void *context)
{
    ((struct node *)context)->cluster = NULL;
}

static const struct cluster_events world_events = {
    .fact = on_fact,
    .changed = on_changed,
    .lease = on_lease,
    .request = on_request,
    .failed = on_failed,
    .closed = on_closed,
};

static inline void world_listen(struct node *node, struct address *address)
{
    struct err err;

    if (!listener_open_fd(&node->listener, address, &err))
        fail_msg("%s", err.text);
}

static inline void world_name_port(struct node *node, struct address *address)
{
    struct sockaddr_in got = {0};
    const unsigned pid = (unsigned)getpid();
    socklen_t len = sizeof got;

    /* An address of its own: a port that is let go for a while is then not taken by somebody's connection. */
    *address = (struct address){
        .ip = {127, (uint8_t)(pid >> 16 | 64), (uint8_t)(pid >> 8), (uint8_t)pid}, .family = 4};
    world_listen(node, address);
    assert_int_equal(getsockname(node->listener, (struct sockaddr *)&got, &len), 0);
    address->port = ntohs(got.sin_port);
}

static inline bool world_try_start(struct world *world, uint32_t i, struct err *err)
{
    struct node *node = &world->nodes[i];
    struct cluster_options options = {
        .loop = world->loop,
        .seed = ++world->seed * 7919,
        .cluster = "test",
        .node = node->name,
        .nodes = world->file,
        .node_count = world->in_file,
        .timing = {.heartbeat_ms = 40,
                   .election_ms = 120,
                   .lease_ms = node->lease_ms ? node->lease_ms : 600,
                   .pause_ms = 3000,
                   .drift_ppm = 10000,
                   .detection_beats = 5},
        .config_hash = 1,
        .log = {.segment_bytes = world->segment_bytes},
        .listeners = &node->listener,
        .listener_count = 1,
        .kept = node->kept,
        .events = &world_events,
        .context = node,
    };

    memset(node->lease, 0, sizeof node->lease);
    if (!disk_open(&node->disk, node->directory, err))
        return false;
    options.disk = node->disk;
    if (node->listener < 0)
        world_listen(node, &world->file[i].addresses[0]);
    return cluster_open(&node->cluster, &options, err);
}

static inline void world_start(struct world *world, uint32_t i)
{
    struct err err;

    if (!world_try_start(world, i, &err))
        fail_msg("%s", err.text);
}

/* `orderly` false: as a crash, but for what the disk had not synced. */
static inline void world_stop(struct world *world, uint32_t i, bool orderly)
{
    struct node *node = &world->nodes[i];

    cluster_close(node->cluster, orderly);
    while (node->cluster)
        loop_turn(world->loop, NS_PER_S);
    disk_close(node->disk);
    node->disk = NULL;
    close(node->listener);
    node->listener = -1;
}

static inline void world_open(struct world *world, uint32_t count)
{
    struct loop_options options = {.kind = LOOP_EPOLL, .chunks_max = 512, .chunk_bytes = 16384};
    struct err err;

    *world = (struct world){.count = count, .in_file = count};
    snprintf(world->top, sizeof world->top, "/tmp/nines-cluster-XXXXXX");
    assert_non_null(mkdtemp(world->top));
    if (!loop_open(&world->loop, &options, &err))
        fail_msg("%s", err.text);
    for (uint32_t i = 0; i < count; i++) {
        struct node *node = &world->nodes[i];

        node->world = world;
        snprintf(node->name, sizeof node->name, "%c", 'a' + (int)i);
        snprintf(node->directory, sizeof node->directory, "%s/%c", world->top, 'a' + (int)i);
        world->file[i] = (struct cluster_node){.name = node->name, .zone = "here", .count = 1};
        world_name_port(node, &world->file[i].addresses[0]);
    }
}

static inline int world_unlink(const char *path, const struct stat *stat, int flag, struct FTW *ftw)
{
    (void)stat;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void world_wipe(struct world *world, uint32_t i)
{
    (void)nftw(world->nodes[i].directory, world_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void world_close(struct world *world)
{
    for (uint32_t i = 0; i < world->count; i++) {
        if (world->nodes[i].cluster)
            world_stop(world, i, false);
        else if (world->nodes[i].listener >= 0)
            close(world->nodes[i].listener);
    }
    loop_turn(world->loop, 0);
    loop_close(world->loop);
    (void)nftw(world->top, world_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void world_fail(struct world *world, const char *claim)
{
    for (uint32_t i = 0; i < world->count; i++) {
        struct node *node = &world->nodes[i];

        print_message("%s", node->story);
        if (node->cluster) {
            const struct cluster_view *view = cluster_view(node->cluster);

            print_message(
                "%s: %s %s, leader '%s', term %llu, commit %llu, applied %llu of %llu: %s\n",
                node->name, cluster_state_name(view->state), cluster_role_name(view->role),
                view->leader, (unsigned long long)view->term, (unsigned long long)view->commit,
                (unsigned long long)view->applied, (unsigned long long)view->last, view->sentence);
        }
    }
    fail_msg("it never came to be that %s", claim);
}

/* Turns until the claim holds. */
#define world_until(world, claim)                                                                  \
    do {                                                                                           \
        int64_t end_ =                                                                             \
            loop_read_clock((world)->loop, LOOP_MONOTONIC).ns + WORLD_PATIENCE_MS * NS_PER_MS;     \
        while (!(claim)) {                                                                         \
            loop_turn((world)->loop, 20 * NS_PER_MS);                                              \
            if (loop_read_clock((world)->loop, LOOP_MONOTONIC).ns > end_)                          \
                world_fail(world, #claim);                                                         \
        }                                                                                          \
    } while (0)

static inline int world_leader(struct world *world)
{
    for (uint32_t i = 0; i < world->count; i++)
        if (world->nodes[i].cluster && cluster_view(world->nodes[i].cluster)->established)
            return (int)i;
    return -1;
}

static inline void world_start_all(struct world *world)
{
    for (uint32_t i = 0; i < world->count; i++)
        world_start(world, i);
    world_until(world, world_leader(world) >= 0);
}

static inline bool world_members(struct world *world)
{
    for (uint32_t i = 0; i < world->count; i++)
        if (world->nodes[i].cluster &&
            cluster_view(world->nodes[i].cluster)->state != CLUSTER_MEMBER)
            return false;
    return true;
}

static inline void world_answered(void *context, const struct cluster_answer *answer)
{
    struct answer *out = context;

    out->came = true;
    out->outcome = answer->outcome;
    out->index = answer->index;
    out->version = answer->version;
    snprintf(out->sentence, sizeof out->sentence, "%s", answer->sentence);
    snprintf(out->by, sizeof out->by, "%s", answer->by);
}

static inline struct answer world_ask(struct world *world, uint32_t i,
                                      const struct cluster_ask *ask)
{
    struct answer answer = {0};

    cluster_ask(world->nodes[i].cluster, ask, world_answered, &answer);
    world_until(world, answer.came);
    return answer;
}

static inline struct document_command world_drain(const char *name)
{
    struct document_command command = {.kind = COMMAND_DRAIN_SET};

    snprintf(command.mark.name, sizeof command.mark.name, "%s", name);
    return command;
}

static inline struct answer world_command(struct world *world, uint32_t i,
                                          const struct document_command *command)
{
    struct cluster_ask ask = {.kind = CLUSTER_COMMAND, .command = command, .timeout_ms = 8000};

    return world_ask(world, i, &ask);
}

static inline void assert_done(struct answer answer)
{
    if (answer.outcome != CLUSTER_DONE)
        fail_msg("%s: %s", cluster_outcome_name(answer.outcome), answer.sentence);
}
