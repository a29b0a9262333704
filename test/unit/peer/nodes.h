/*
 * What the tests of this room share: nodes with real sockets and certificates in one process, each with the story of what it was told.
 */
#pragma once

#include "net/world.h"

#include "net/certificate.h"
#include "net/tls.h"
#include "peer/peer.h"

#include <time.h>

enum { STORY_MAX = 16384, NODE_CHUNKS = 256 };

struct node {
    struct world *world;
    struct peers *peers;
    struct tls_context *tls;
    char name[PEER_NAME_MAX];
    int fd;
    uint16_t port;
    bool closed;
    char story[STORY_MAX];
    uint32_t frames, bytes;
    uint32_t next, wrong_order; /* what numbered frames should be, and how often they were not */
    void (*on_received)(struct node *node, uint32_t peer, uint16_t type, struct bytes body);
    void (*on_unknown)(struct node *node, const char *name);
};

PRINTF(2, 3) static inline void tell(struct node *node, const char *format, ...)
{
    size_t len = strlen(node->story);
    va_list values;

    va_start(values, format);
    vsnprintf(node->story + len, sizeof node->story - len, format, values);
    va_end(values);
}

static inline bool told(const struct node *node, const char *text)
{
    return strstr(node->story, text) != NULL;
}

static inline void node_up(void *context, uint32_t peer, struct bytes hello, uint16_t version)
{
    struct node *node = context;

    tell(node, "up %s v%u '%.*s'\n", peers_link(node->peers, peer).name, version, (int)hello.len,
         (const char *)hello.at);
}

static inline void node_down(void *context, uint32_t peer, enum peer_why why, const char *sentence)
{
    struct node *node = context;

    tell(node, "down %s %s: %s\n", peers_link(node->peers, peer).name, peer_why_name(why),
         sentence);
}

static inline void node_received(void *context, uint32_t peer, uint16_t type, struct bytes body)
{
    struct node *node = context;
    uint32_t number;

    node->frames++;
    node->bytes += (uint32_t)body.len;
    if (body.len >= sizeof number) {
        memcpy(&number, body.at, sizeof number);
        if (number != node->next++)
            node->wrong_order++;
    }
    if (node->on_received)
        node->on_received(node, peer, type, body);
}

static inline void node_refused(void *context, uint32_t peer, uint32_t path, int error)
{
    struct node *node = context;

    tell(node, "refused %s path %u: %s\n", peers_link(node->peers, peer).name, path,
         error == ECONNREFUSED ? "ECONNREFUSED" : strerror(error));
}

static inline void node_stranger(void *context, const char *sentence, uint32_t unsaid)
{
    (void)unsaid;
    tell(context, "stranger %s\n", sentence);
}

static inline void node_unknown(void *context, const char *name, struct bytes hello)
{
    struct node *node = context;

    (void)hello;
    tell(node, "unknown %s\n", name);
    if (node->on_unknown)
        node->on_unknown(node, name);
}

static inline void node_closed(void *context)
{
    struct node *node = context;

    node->closed = true;
    node->peers = NULL;
}

static const struct peers_events node_events = {
    .up = node_up,
    .down = node_down,
    .received = node_received,
    .refused = node_refused,
    .stranger = node_stranger,
    .unknown = node_unknown,
    .closed = node_closed,
};

/* ---- certificates ---- */

enum { DAY = 86400 };

static inline struct certificate make_authority(const char *cluster)
{
    const struct certificate_term term = {time(NULL) - 30 * DAY, time(NULL) + 3650 * DAY};
    struct certificate made = {0};
    struct err err = {0};

    if (!certificate_make_authority(cluster, &term, &made, &err))
        fail_msg("%s", err.text);
    return made;
}

/* Valid from and until so many days from now. */
static inline struct certificate make_certificate(const struct certificate *authority,
                                                  const char *name, int from, int until)
{
    const struct certificate_term term = {time(NULL) + from * DAY, time(NULL) + until * DAY};
    struct certificate made = {0};
    struct err err = {0};

    if (!certificate_make_node(authority, name, &term, &made, &err))
        fail_msg("%s", err.text);
    return made;
}

static inline bool context_of(struct tls_context **context, const struct certificate *authority,
                              const struct certificate *own, struct err *err)
{
    return tls_context_of_pem(context, buf_bytes(&authority->certificate),
                              buf_bytes(&own->certificate), buf_bytes(&own->key), err);
}

static inline struct tls_context *make_context(const struct certificate *authority,
                                               const char *name)
{
    struct certificate own = make_certificate(authority, name, -1, 365);
    struct tls_context *context = NULL;
    struct err err = {0};

    if (!context_of(&context, authority, &own, &err))
        fail_msg("%s", err.text);
    certificate_forget(&own);
    return context;
}

/* ---- nodes ---- */

static inline struct peers_options node_options(struct node *node)
{
    return (struct peers_options){.loop = node->world->loop,
                                  .cluster = "shop",
                                  .node = node->name,
                                  .tls = node->tls,
                                  .seed = 7,
                                  .handshake_ms = 5000,
                                  .connect_ms = 1000,
                                  .silence_ms = 10000,
                                  .retry_ms = 20,
                                  .retry_max_ms = 100,
                                  .version_low = 1,
                                  .version_high = 2,
                                  .hello = bytes_of_string(node->name),
                                  .events = &node_events,
                                  .context = node};
}

static inline void node_open_with(struct node *node, const struct peers_options *options)
{
    struct err err = {0};

    if (!peers_open(&node->peers, options, &err))
        fail_msg("%s", err.text);
    node->fd = open_listener();
    node->port = port_of(node->fd);
    peers_listen(node->peers, &node->fd, 1);
}

static inline void node_name(struct node *node, struct world *world, const char *name,
                             struct tls_context *tls)
{
    *node = (struct node){.world = world, .tls = tls, .fd = -1};
    snprintf(node->name, sizeof node->name, "%s", name);
}

static inline void node_open(struct node *node, struct world *world, const char *name,
                             struct tls_context *tls)
{
    struct peers_options options;

    node_name(node, world, name, tls);
    options = node_options(node);
    node_open_with(node, &options);
}

static inline void node_close(struct node *node)
{
    if (node->peers) {
        peers_close(node->peers, false);
        TURN_UNTIL(node->world, node->closed);
    }
    if (node->fd >= 0)
        close(node->fd);
    node->fd = -1;
    tls_context_close(node->tls);
    node->tls = NULL;
}

/* As if its process had been killed: nothing is said, and nobody listens any more. */
static inline void node_crash(struct node *node)
{
    peers_close(node->peers, true);
    close(node->fd);
    node->fd = -1;
    TURN_UNTIL(node->world, node->closed);
    node->closed = false;
}

/* `other` becomes the only peer of `node`, at this port. */
static inline void node_knows_at(struct node *node, const char *other, uint16_t port)
{
    struct peer_place place = {.name = other, .addresses = {loopback(port)}, .count = 1};

    peers_configure(node->peers, &place, 1);
}

static inline void node_knows(struct node *node, const struct node *other)
{
    node_knows_at(node, other->name, other->port);
}

static inline bool node_is_up(const struct node *node)
{
    return peers_link(node->peers, 0).up;
}

/* Two nodes with certificates of one authority that know each other. */
struct pair {
    struct certificate authority;
    struct node a, b;
};

static inline void pair_open(struct pair *pair, struct world *world)
{
    reopen(world, NODE_CHUNKS, 0);
    pair->authority = make_authority("shop");
    node_open(&pair->a, world, "a", make_context(&pair->authority, "a"));
    node_open(&pair->b, world, "b", make_context(&pair->authority, "b"));
    node_knows(&pair->b, &pair->a);
    node_knows(&pair->a, &pair->b);
}

static inline void pair_up(struct pair *pair, struct world *world)
{
    pair_open(pair, world);
    TURN_UNTIL(world, node_is_up(&pair->a) && node_is_up(&pair->b));
}

static inline void pair_close(struct pair *pair)
{
    node_close(&pair->a);
    node_close(&pair->b);
    certificate_forget(&pair->authority);
}

static inline bool send_number(struct node *node, uint32_t number, size_t len)
{
    static uint8_t body[PEER_BODY_MAX];

    memcpy(body, &number, sizeof number);
    return peers_send(node->peers, 0, 7, bytes_of(body, len));
}
