/*
 * Carries out what links decide: which connections a peer has, what is sent on which, and what the owner is told.
 */
#include "peer/drive.h"
#include "peer/little.h"

#include <errno.h>
#include <stdio.h>

enum {
    LOW_WATER = 64 << 10, /* bytes in the session that make what is not urgent wait */
    PING_BYTES = 8,
};

_Static_assert((int)OUTBOX_MAX == (int)PEER_QUEUE_MAX, "what the contract says");

static struct instant now_of(const struct peer *peer)
{
    return loop_now(peer->peers->loop);
}

void peer_init(struct peer *peer, struct peers *peers, const char *name)
{
    *peer = (struct peer){.peers = peers,
                          .generation = peer->generation + 1,
                          .used = true,
                          .since = loop_now(peers->loop)};
    bytes_to_string(bytes_of_string(name), peer->name, sizeof peer->name);
    contact_init(&peer->contact, &peers->timing, strcmp(peers->node, name) < 0);
    snprintf(peer->sentence, sizeof peer->sentence, "%s",
             peer->contact.calls ? "not called yet" : "has not called yet");
}

/* ---- the queue ---- */

void peer_pump(struct peer *peer)
{
    const struct waiting *first;

    while (peer->out && tls_queued(&peer->out->tls) < LOW_WATER &&
           (first = outbox_first(&peer->outbox))) {
        if (!connection_send(peer->out, first->type, bytes_of(first->body, first->len)))
            return;
        outbox_drop_first(&peer->outbox);
    }
}

/* Straight into the session while there is room: most frames never wait. */
static bool send_frame(struct peers *peers, uint32_t number, uint16_t type, struct bytes body,
                       bool urgent)
{
    struct peer *peer = &peers->all[number];

    must(number < PEERS_MAX);
    must(type < PEER_TYPES_MAX);
    must(body.len <= PEER_BODY_MAX);
    if (!peer->used || !peer->contact.up || peers->closing)
        return false;
    if (peer->out && tls_queued(&peer->out->tls) < LOW_WATER &&
        outbox_passes(&peer->outbox, urgent) && connection_send(peer->out, type, body))
        return true;
    return outbox_add(&peer->outbox, type, body, urgent);
}

bool peers_send(struct peers *peers, uint32_t peer, uint16_t type, struct bytes body)
{
    return send_frame(peers, peer, type, body, false);
}

bool peers_send_urgent(struct peers *peers, uint32_t peer, uint16_t type, struct bytes body)
{
    return send_frame(peers, peer, type, body, true);
}

/* ---- up and down ---- */

/* Which of the peer's addresses this is; of one that called, only the IP address can be known. */
static uint32_t path_of(const struct peer *peer, const struct connection *connection)
{
    struct address bare = connection->address;

    for (uint32_t i = 0; i < peer->contact.paths; i++) {
        if (!connection->called)
            bare.port = peer->addresses[i].port;
        if (address_equal(&bare, &peer->addresses[i]))
            return i;
    }
    return 0;
}

static void come_up(struct peer *peer, struct connection *connection, struct bytes hello)
{
    struct peers *peers = peer->peers;

    contact_came_up(&peer->contact, now_of(peer));
    peer->now = peer->out = connection;
    peer->since = now_of(peer);
    peer->rtt_ns = 0;
    peer->ups++;
    peer->version = connection->version;
    peer->sentence[0] = '\0';
    peer->contact.path = path_of(peer, connection);
    peer->renew = connection->tls_number != peers->tls_number;
    peers_schedule(peers);
    if (!peers->closing)
        peers->events->up(peers->context, peer_number(peer), hello, connection->version);
}

/* Closed without a word; what it was for is done with. */
static void let_go(struct connection **connection)
{
    if (*connection)
        connection_close(*connection, true);
    *connection = NULL;
}

/* A call that was to take over from what is lost. The other end may believe for a moment that it does: frames of a new beginning must not reach it as those of
 * the old. */
static void give_up_taking_over(struct peer *peer)
{
    if (!peer->calling || !peer->calling->offered)
        return;
    let_go(&peer->calling);
    contact_gave_up(&peer->contact);
}

void peer_lost(struct peer *peer, enum peer_why why, const char *sentence)
{
    struct peers *peers = peer->peers;

    give_up_taking_over(peer);
    contact_lost(&peer->contact, why, now_of(peer), &peers->rng);
    if (why == PEER_CLOSED && peer->now)
        connection_leave(peer->now);
    else
        let_go(&peer->now);
    let_go(&peer->next);
    peer->now = peer->out = NULL;
    peer->breaks = peer->renew = false;
    peer->since = now_of(peer);
    outbox_clear(&peer->outbox);
    snprintf(peer->sentence, sizeof peer->sentence, "%s", sentence);
    peers_schedule(peers);
    if (!peers->closing)
        peers->events->down(peers->context, peer_number(peer), why, sentence);
}

static void hand_over(struct peer *peer, struct connection *connection)
{
    struct loop *loop = peer->peers->loop;

    peer->next = connection;
    peer->out = NULL;
    timer_arm(loop, &connection->deadline, after_ms(loop_now(loop), peer->peers->handshake_ms));
    if (!connection_send(peer->now, OWN_LAST, BYTES("")))
        peer_lost(peer, PEER_BROKEN, "no room to say that it moves");
}

void peer_greeted(struct peer *peer, struct connection *connection, bool continues,
                  struct bytes hello, uint16_t version)
{
    uint32_t generation = peer->generation;

    if (connection->called)
        peer->calling = NULL;
    connection->state = CONNECTION_COUNTS;
    connection->version = version;
    timer_cancel(peer->peers->loop, &connection->deadline);
    switch (contact_greeted(&peer->contact, connection->called, continues)) {
    case CONTACT_HANDS_OVER:
        hand_over(peer, connection);
        return;
    case CONTACT_REPLACES:
        peer_lost(peer, PEER_BROKEN, "it knows this connection no more and made a new one");
        break;
    case CONTACT_COMES_UP:
        break;
    }
    /* The owner may have heard that it was down and have done anything. */
    if (peer->generation != generation || !peer->used || peer->contact.up ||
        connection->state != CONNECTION_COUNTS) {
        connection_close(connection, true);
        return;
    }
    come_up(peer, connection, hello);
}

static void move_when_done(struct peer *peer)
{
    struct connection *old = peer->now;

    if (!peer->next || !old->last_came || !old->last_seen)
        return;
    peer->now = peer->next;
    peer->next = NULL;
    peer->version = peer->now->version;
    peer->contact.path = path_of(peer, peer->now);
    peer->renew = peer->now->tls_number != peer->peers->tls_number;
    timer_cancel(peer->peers->loop, &peer->now->deadline);
    contact_moved(&peer->contact, now_of(peer));
    connection_leave(old);
    peers_schedule(peer->peers);
}

/* ---- frames ---- */

static void take_owners(struct connection *connection, const struct frame *frame)
{
    struct peers *peers = connection->peers;

    if (connection->last_came)
        connection_broken(connection, "a frame after the last");
    else if (!peers->closing)
        peers->events->received(peers->context, peer_number(connection->peer), frame->type,
                                frame->body);
}

static void take_ping(struct connection *connection, struct bytes body)
{
    if (body.len != PING_BYTES || !connection_send(connection, OWN_PONG, body))
        connection_broken(connection, "a ping that cannot be answered");
}

static void take_pong(struct connection *connection, struct bytes body)
{
    struct peer *peer = connection->peer;
    int64_t sent = body.len == PING_BYTES ? (int64_t)get_64(body.at) : INT64_MAX;

    if (sent < 0 || sent > now_of(peer).ns)
        connection_broken(connection, "an answer to a ping that was never sent");
    else
        peer->rtt_ns = now_of(peer).ns - sent;
}

/* The hello on the new connection may still be under way when the old one says this. */
static void take_last(struct connection *connection)
{
    struct peer *peer = connection->peer;

    if (connection != peer->now || connection->last_came) {
        connection_broken(connection, "a last frame where none can be");
        return;
    }
    connection->last_came = true;
    if (!connection_send(connection, OWN_LAST_SEEN, BYTES("")))
        connection_broken(connection, "no room to say that it moves");
    else
        move_when_done(peer);
}

static void take_last_seen(struct connection *connection)
{
    struct peer *peer = connection->peer;

    if (connection != peer->now || !peer->next || connection->last_seen) {
        connection_broken(connection, "an answer to a last frame that was never sent");
        return;
    }
    connection->last_seen = true;
    peer->out = peer->next;
    move_when_done(peer);
    peer_pump(peer);
}

void peer_frame(struct connection *connection, const struct frame *frame)
{
    struct peer *peer = connection->peer;

    switch (frame->type) {
    case OWN_GOODBYE:
        peer_lost(peer, PEER_CLOSED, "it said goodbye");
        break;
    case OWN_PING:
        take_ping(connection, frame->body);
        break;
    case OWN_PONG:
        take_pong(connection, frame->body);
        break;
    case OWN_LAST:
        take_last(connection);
        break;
    case OWN_LAST_SEEN:
        take_last_seen(connection);
        break;
    case OWN_MOVE:
        peer->renew = peer->contact.calls;
        peers_schedule(peer->peers);
        break;
    default:
        if (frame->type < PEER_TYPES_MAX)
            take_owners(connection, frame);
        else
            connection_broken(connection, "a frame of an unknown type");
    }
}

/* ---- calls and knocks ---- */

void peer_call_failed(struct connection *connection, int error, const char *sentence)
{
    struct peer *peer = connection->peer;
    struct peers *peers = peer->peers;
    char text[ADDRESS_TEXT_MAX];

    address_print(&connection->address, text);
    peer->calling = NULL;
    contact_failed(&peer->contact, now_of(peer), &peers->rng);
    if (!peer->contact.up)
        snprintf(peer->sentence, sizeof peer->sentence, "%s: %s", text, sentence);
    peers_schedule(peers);
    if (error == 0)
        peers_stranger(peers, "node '%s' at %s: %s", peer->name, text, sentence);
    else if (!peer->contact.up && !peers->closing)
        peers->events->refused(peers->context, peer_number(peer), connection->path, error);
}

void peer_knocked(struct connection *connection)
{
    struct peer *peer = connection->peer;

    peer->calling = NULL;
    contact_knocked(&peer->contact, now_of(peer), &peer->peers->rng);
}

static void call(struct peer *peer, bool knock)
{
    struct err err;

    peer->calling = connection_call(peer, peer->contact.path, knock, &err);
    if (peer->calling)
        return;
    snprintf(peer->sentence, sizeof peer->sentence, "%.*s", PEER_SENTENCE_MAX - 1, err.text);
    contact_failed(&peer->contact, now_of(peer), &peer->peers->rng);
}

static void ping(struct peer *peer)
{
    uint8_t body[PING_BYTES];

    put_64(body, (uint64_t)now_of(peer).ns);
    /* One that finds no room is left out: what fills the room is heard as well. */
    if (peer->out)
        (void)!connection_send(peer->out, OWN_PING, bytes_of(body, sizeof body));
}

bool peers_move(const struct peers *peers)
{
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        const struct contact *contact = &peers->all[i].contact;

        if (peers->all[i].used && (contact->handing || (contact->moving && contact->busy)))
            return true;
    }
    return false;
}

static void renew(struct peer *peer)
{
    if (!peer->renew || !peer->out || peers_move(peer->peers))
        return;
    peer->renew = false;
    if (peer->contact.calls)
        contact_move(&peer->contact, now_of(peer));
    else
        (void)!connection_send(peer->out, OWN_MOVE, BYTES(""));
}

void peer_tick(struct peer *peer)
{
    char sentence[PEER_SENTENCE_MAX];
    struct contact_orders orders;

    if (peer->breaks) {
        memcpy(sentence, peer->sentence, sizeof sentence);
        peer_lost(peer, PEER_BROKEN, sentence);
        return;
    }
    renew(peer);
    contact_tick(&peer->contact, now_of(peer), &orders);
    if (orders.silent) {
        snprintf(sentence, sizeof sentence, "nothing came for %lld ms",
                 (long long)peer->contact.timing.silence_ms);
        peer_lost(peer, PEER_SILENT, sentence);
        return;
    }
    if (orders.ping)
        ping(peer);
    if (orders.call || orders.knock)
        call(peer, orders.knock);
}

void peer_leave(struct peer *peer, bool reset)
{
    let_go(&peer->calling);
    let_go(&peer->next);
    if (peer->now && !reset) {
        (void)!connection_send(peer->now, OWN_GOODBYE, BYTES(""));
        if (peer->now->state == CONNECTION_COUNTS)
            connection_leave(peer->now);
    } else {
        let_go(&peer->now);
    }
    peer->now = peer->out = NULL;
    outbox_clear(&peer->outbox);
    peer->used = false;
}
