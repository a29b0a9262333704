/*
 * Answers the owner, accepts, and turns the clock.
 */
#include "peer/drive.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LISTENER_TURNS = 2, /* that a stopped listener's storage must live */
};

const char *peer_why_name(enum peer_why why)
{
    static const char *const names[] = {
        [PEER_CLOSED] = "closed", [PEER_RESET] = "reset",   [PEER_CUT] = "cut",
        [PEER_SILENT] = "silent", [PEER_BROKEN] = "broken",
    };

    must(why < ARRAY_LEN(names));
    return names[why];
}

/* ---- the clock ---- */

void peers_schedule(struct peers *peers)
{
    struct instant at = NEVER;
    bool moves = peers_move(peers);

    if (peers->closing)
        return;
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        const struct peer *peer = &peers->all[i];

        if (!peer->used)
            continue;
        at = earlier(at, contact_next_deadline(&peer->contact));
        if (peer->breaks || (peer->renew && peer->out && !moves))
            at = loop_now(peers->loop);
    }
    if (at.ns == NEVER.ns)
        timer_cancel(peers->loop, &peers->tick);
    else if (!timer_armed(&peers->tick) || at.ns != peers->tick.at.ns)
        timer_arm(peers->loop, &peers->tick, at);
}

static void finish_closing(struct peers *peers)
{
    const struct peers_events *events = peers->events;
    void *context = peers->context;

    if (!list_empty(&peers->connections))
        return;
    if (peers->turns > 0) {
        peers->turns--;
        timer_arm(peers->loop, &peers->tick, loop_now(peers->loop));
        return;
    }
    free(peers);
    if (events->closed)
        events->closed(context);
}

static void on_tick(struct timer *timer)
{
    struct peers *peers = container_of(timer, struct peers, tick);

    for (uint32_t i = 0; i < PEERS_MAX && !peers->closing; i++)
        if (peers->all[i].used)
            peer_tick(&peers->all[i]);
    if (peers->closing)
        finish_closing(peers);
    else
        peers_schedule(peers);
}

void peers_forget(struct connection *connection)
{
    struct peers *peers = connection->peers;

    list_remove(&connection->node);
    free(connection);
    if (peers->closing)
        timer_arm(peers->loop, &peers->tick, loop_now(peers->loop));
}

/* ---- strangers ---- */

void peers_stranger(struct peers *peers, const char *format, ...)
{
    char sentence[PEER_SENTENCE_MAX];
    uint32_t unsaid;
    va_list values;

    if (peers->closing)
        return;
    va_start(values, format);
    vsnprintf(sentence, sizeof sentence, format, values);
    va_end(values);
    if (quiet_may_say(&peers->quiet, sentence, loop_now(peers->loop), &unsaid))
        peers->events->stranger(peers->context, sentence, unsaid);
}

/* ---- listening ---- */

/* A listener knows nothing of its owner but its place in it. */
#define OF_LISTENER(number)                                                                        \
    static void accepted_##number(struct listener *listener, int fd, const struct address *from)   \
    {                                                                                              \
        connection_accept(container_of(listener, struct peers, listeners[number]), fd, from);      \
    }                                                                                              \
    static void starved_##number(struct listener *listener, int error)                             \
    {                                                                                              \
        peers_stranger(container_of(listener, struct peers, listeners[number]),                    \
                       "connections of peers cannot be accepted for a moment: errno %d", error);   \
    }

OF_LISTENER(0)
OF_LISTENER(1)
OF_LISTENER(2)
OF_LISTENER(3)

static const struct {
    void (*accepted)(struct listener *listener, int fd, const struct address *from);
    void (*starved)(struct listener *listener, int error);
} listening[] = {
    {accepted_0, starved_0},
    {accepted_1, starved_1},
    {accepted_2, starved_2},
    {accepted_3, starved_3},
};

_Static_assert(ARRAY_LEN(listening) == PEER_PATHS_MAX, "one for each address");

static void stop_listening(struct peers *peers, uint32_t number)
{
    if (!(peers->listening & 1u << number))
        return;
    listener_stop(&peers->listeners[number], false);
    peers->listening &= ~(1u << number);
}

static bool listens_to(const struct peers *peers, int fd)
{
    for (uint32_t i = 0; i < PEER_PATHS_MAX; i++)
        if ((peers->listening & 1u << i) && peers->listeners[i].fd == fd)
            return true;
    return false;
}

static void listen_to(struct peers *peers, int fd)
{
    uint32_t free = 0;

    if (listens_to(peers, fd))
        return;
    while (peers->listening & 1u << free)
        free++;
    must(free < PEER_PATHS_MAX);
    peers->listeners[free] =
        (struct listener){.accepted = listening[free].accepted, .starved = listening[free].starved};
    listener_start(peers->loop, &peers->listeners[free], fd);
    peers->listening |= 1u << free;
}

void peers_listen(struct peers *peers, const int fds[], uint32_t count)
{
    must(count <= PEER_PATHS_MAX);
    for (uint32_t i = 0; i < PEER_PATHS_MAX; i++) {
        bool stays = false;

        for (uint32_t k = 0; k < count; k++)
            stays = stays || peers->listeners[i].fd == fds[k];
        if (!stays)
            stop_listening(peers, i);
    }
    for (uint32_t k = 0; k < count; k++)
        listen_to(peers, fds[k]);
}

/* ---- peers ---- */

struct peer *peers_named(struct peers *peers, const char *name)
{
    uint32_t number = peers_find(peers, name);

    return number < PEERS_MAX ? &peers->all[number] : NULL;
}

uint32_t peers_find(const struct peers *peers, const char *name)
{
    for (uint32_t i = 0; i < PEERS_MAX; i++)
        if (peers->all[i].used && strcmp(peers->all[i].name, name) == 0)
            return i;
    return PEERS_MAX;
}

static struct peer *add(struct peers *peers, const char *name)
{
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        if (peers->all[i].used)
            continue;
        peer_init(&peers->all[i], peers, name);
        return &peers->all[i];
    }
    never("more peers than there may be");
}

static bool moved_house(const struct peer *peer, const struct peer_place *place)
{
    if (peer->contact.paths != place->count)
        return true;
    for (uint32_t i = 0; i < place->count; i++)
        if (!address_equal(&peer->addresses[i], &place->addresses[i]))
            return true;
    return false;
}

static void place_peer(struct peer *peer, const struct peer_place *place)
{
    if (!moved_house(peer, place))
        return;
    memcpy(peer->addresses, place->addresses, sizeof peer->addresses);
    contact_place(&peer->contact, place->count, loop_now(peer->peers->loop));
}

void peers_configure(struct peers *peers, const struct peer_place places[], uint32_t count)
{
    must(count <= PEERS_MAX);
    if (peers->closing)
        return;
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        bool stays = false;

        for (uint32_t k = 0; k < count && peers->all[i].used; k++)
            stays = stays || strcmp(peers->all[i].name, places[k].name) == 0;
        if (peers->all[i].used && !stays)
            peer_leave(&peers->all[i], false);
    }
    for (uint32_t k = 0; k < count; k++) {
        struct peer *peer = peers_named(peers, places[k].name);

        must(strlen(places[k].name) < PEER_NAME_MAX);
        must(strcmp(places[k].name, peers->node) != 0);
        must(places[k].count <= PEER_PATHS_MAX);
        place_peer(peer ? peer : add(peers, places[k].name), &places[k]);
    }
    peers_schedule(peers);
}

void peers_break(struct peers *peers, uint32_t number, const char *sentence)
{
    struct peer *peer = &peers->all[number];

    must(number < PEERS_MAX);
    if (!peer->used || !peer->contact.up)
        return;
    peer->breaks = true;
    snprintf(peer->sentence, sizeof peer->sentence, "%s", sentence);
    peers_schedule(peers);
}

struct peer_link peers_link(const struct peers *peers, uint32_t number)
{
    const struct peer *peer = &peers->all[number];
    struct peer_link view = {0};

    must(number < PEERS_MAX);
    if (!peer->used)
        return view;
    view = (struct peer_link){.name = peer->name,
                              .up = peer->contact.up,
                              .calls = peer->contact.calls,
                              .path = peer->contact.path,
                              .paths = peer->contact.paths,
                              .since = peer->since,
                              .heard = peer->contact.heard,
                              .rtt_ns = peer->rtt_ns,
                              .queued = peer->outbox.bytes,
                              .version = peer->version,
                              .ups = peer->ups};
    if (peer->now)
        view.address = peer->now->address;
    else if (peer->contact.paths > 0)
        view.address = peer->addresses[peer->contact.path];
    if (peer->out)
        view.queued += tls_queued(&peer->out->tls);
    if (!peer->contact.up)
        memcpy(view.sentence, peer->sentence, sizeof view.sentence);
    return view;
}

/* ---- the whole ---- */

void peers_say_hello(struct peers *peers, struct bytes hello)
{
    must(hello.len <= PEER_HELLO_MAX);
    if (hello.len)
        memcpy(peers->hello, hello.at, hello.len);
    peers->hello_len = hello.len;
}

void peers_use_tls(struct peers *peers, struct tls_context *tls)
{
    must(tls && peers->tls);
    peers->tls = tls;
    peers->tls_number++;
    for (uint32_t i = 0; i < PEERS_MAX; i++)
        peers->all[i].renew = peers->all[i].used && peers->all[i].contact.up;
    peers_schedule(peers);
}

bool peers_open(struct peers **out, const struct peers_options *options, struct err *err)
{
    struct peers *peers;

    must(options->version_low > 0 && options->version_low <= options->version_high);
    must(options->handshake_ms > 0 && options->connect_ms > 0);
    if (strlen(options->node) >= PEER_NAME_MAX || strlen(options->cluster) >= PEER_NAME_MAX)
        return err_set(err, ERR_CONFIG, "a name of a node or cluster has at most %d characters",
                       PEER_NAME_MAX - 1);
    if (options->tls && strcmp(tls_context_name(options->tls), options->node) != 0)
        return err_set(err, ERR_CONFIG, "the certificate is that of '%s', and this node is '%s'",
                       tls_context_name(options->tls), options->node);
    peers = calloc(1, sizeof *peers);
    if (!peers)
        return err_system(err, "open the links to other nodes");
    peers->loop = options->loop;
    bytes_to_string(bytes_of_string(options->cluster), peers->cluster, sizeof peers->cluster);
    bytes_to_string(bytes_of_string(options->node), peers->node, sizeof peers->node);
    peers->tls = options->tls;
    peers->events = options->events;
    peers->context = options->context;
    peers->handshake_ms = options->handshake_ms;
    peers->connect_ms = options->connect_ms;
    peers->timing = (struct contact_timing){.silence_ms = options->silence_ms,
                                            .retry_ms = options->retry_ms,
                                            .retry_max_ms = options->retry_max_ms};
    peers->version_low = options->version_low;
    peers->version_high = options->version_high;
    peers_say_hello(peers, options->hello);
    rng_seed(&peers->rng, options->seed);
    list_init(&peers->connections);
    timer_init(&peers->tick, on_tick);
    *out = peers;
    return true;
}

void peers_close(struct peers *peers, bool reset)
{
    if (!peers || peers->closing)
        return;
    peers->turns = LISTENER_TURNS;
    for (uint32_t i = 0; i < PEER_PATHS_MAX; i++)
        stop_listening(peers, i);
    for (uint32_t i = 0; i < PEERS_MAX; i++)
        if (peers->all[i].used)
            peer_leave(&peers->all[i], reset);
    peers->closing = true;
    list_each (node, &peers->connections) {
        struct connection *connection = container_of(node, struct connection, node);

        if (reset || connection->state != CONNECTION_LEAVES)
            connection_close(connection, reset);
    }
    timer_arm(peers->loop, &peers->tick, loop_now(peers->loop));
}
