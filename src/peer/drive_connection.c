/*
 * One connection: bytes to frames and back, from its first byte to its last. Until the other's hello is good it is told nothing, but the reason when it has at
 * least proved to be of this cluster's authority.
 */
#include "peer/drive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    EARLY_BYTES_MAX = 16 << 10, /* before the hello */
    PIECE_BYTES = 16 << 10,
    STRANGERS_OF_NOWHERE_MAX =
        PEER_UNAUTHENTICATED_MAX * 3 / 4, /* the rest is for the peers' own addresses */
    LEAVE_MS = 1000,
};

static struct connection *connection_of(struct tls *tls)
{
    return container_of(tls, struct connection, tls);
}

/* ---- the end ---- */

static void no_stranger(struct connection *connection)
{
    if (!connection->strange)
        return;
    connection->strange = false;
    must(connection->peers->strangers > 0);
    connection->peers->strangers--;
}

void connection_close(struct connection *connection, bool reset)
{
    if (connection->state == CONNECTION_OVER)
        return;
    connection->state = CONNECTION_OVER;
    connection->peer = NULL;
    timer_cancel(connection->peers->loop, &connection->deadline);
    tls_close(&connection->tls, reset);
}

void connection_leave(struct connection *connection)
{
    struct loop *loop = connection->peers->loop;

    must(connection->state != CONNECTION_CALLS);
    connection->state = CONNECTION_LEAVES;
    connection->peer = NULL;
    tls_finish(&connection->tls);
    timer_arm(loop, &connection->deadline, after_ms(loop_now(loop), LEAVE_MS));
}

/* Whatever it was for has failed. */
static void end(struct connection *connection, enum peer_why why, int error, const char *sentence)
{
    char text[ADDRESS_TEXT_MAX];

    switch (connection->state) {
    case CONNECTION_CALLS:
    case CONNECTION_PROVES:
        if (connection->called) {
            peer_call_failed(connection, error, sentence);
            break;
        }
        /* One that came and went without a word is a port scan, a probe, or a peer that knocks. */
        if (tls_heard(&connection->tls))
            peers_stranger(connection->peers, "%s: %s",
                           address_print_ip(&connection->address, text), sentence);
        break;
    case CONNECTION_COUNTS:
        peer_lost(connection->peer, why, sentence);
        break;
    case CONNECTION_LEAVES:
    case CONNECTION_OVER:
        break;
    }
    connection_close(connection, why == PEER_BROKEN && error == 0);
}

void connection_broken(struct connection *connection, const char *sentence)
{
    end(connection, PEER_BROKEN, 0, sentence);
}

static void on_deadline(struct timer *timer)
{
    struct connection *connection = container_of(timer, struct connection, deadline);

    if (connection->state == CONNECTION_COUNTS)
        connection_broken(connection, "the move to a new connection did not come to its end");
    else
        end(connection, PEER_BROKEN, ETIMEDOUT,
            connection->state == CONNECTION_CALLS ? "no answer"
                                                  : "did not prove in time who it is");
}

/* ---- out ---- */

bool connection_send(struct connection *connection, uint16_t type, struct bytes body)
{
    uint8_t *scratch = connection->peers->scratch;

    must(body.len <= PEER_BODY_MAX);
    if (connection->state == CONNECTION_OVER || connection->state == CONNECTION_LEAVES)
        return false;
    frame_write_header(scratch, type, connection->sent, body);
    if (body.len)
        memcpy(scratch + FRAME_HEADER, body.at, body.len);
    if (!tls_send(&connection->tls, bytes_of(scratch, FRAME_HEADER + body.len)))
        return false;
    connection->sent++;
    return true;
}

static struct hello our_hello(const struct peers *peers, const char *to, bool continues)
{
    struct hello hello = {.low = peers->version_low,
                          .high = peers->version_high,
                          .flags = continues ? HELLO_CONTINUES : 0,
                          .owner = bytes_of(peers->hello, peers->hello_len)};

    memcpy(hello.cluster, peers->cluster, sizeof hello.cluster);
    memcpy(hello.node, peers->node, sizeof hello.node);
    bytes_to_string(bytes_of_string(to), hello.to, sizeof hello.to);
    return hello;
}

static bool say_hello(struct connection *connection, const char *to, bool continues)
{
    uint8_t text[HELLO_BYTES_MAX];
    struct hello hello = our_hello(connection->peers, to, continues);
    struct buf out;

    buf_over(&out, text, sizeof text);
    hello_write(&out, &hello);
    must(!out.full);
    connection->said_hello = true;
    connection->offered = continues;
    return connection_send(connection, OWN_HELLO, buf_bytes(&out));
}

/* ---- the hello ---- */

/* Both ends get the sentence. */
static void refuse(struct connection *connection, const char *sentence)
{
    char text[ADDRESS_TEXT_MAX];

    (void)!connection_send(connection, OWN_REFUSE, bytes_of_string(sentence));
    if (connection->called)
        peer_call_failed(connection, 0, sentence);
    else
        peers_stranger(connection->peers, "%s: %s", address_print_ip(&connection->address, text),
                       sentence);
    if (connection->state != CONNECTION_OVER)
        connection_leave(connection);
}

static struct peer *who_calls(struct peers *peers, const struct hello *hello)
{
    struct peer *peer = peers_named(peers, hello->node);

    if (peer || peers->closing || !peers->events->unknown)
        return peer;
    peers->events->unknown(peers->context, hello->node, hello->owner);
    return peers_named(peers, hello->node);
}

/* The other end has called and says who it is. */
static void welcome(struct connection *connection, const struct hello *hello, uint16_t version)
{
    struct peers *peers = connection->peers;
    char sentence[PEER_SENTENCE_MAX];
    struct peer *peer;
    bool continues;

    if (strcmp(hello->node, peers->node) >= 0) {
        snprintf(sentence, sizeof sentence, "node '%s' has to wait until node '%s' calls it",
                 hello->node, peers->node);
        refuse(connection, sentence);
        return;
    }
    peer = who_calls(peers, hello);
    if (connection->state != CONNECTION_PROVES)
        return;
    if (!peer) {
        snprintf(sentence, sizeof sentence, "node '%s' is no member of cluster '%s'", hello->node,
                 peers->cluster);
        refuse(connection, sentence);
        return;
    }
    continues = (hello->flags & HELLO_CONTINUES) && peer->contact.up && !peer->next;
    if (!say_hello(connection, hello->node, continues)) {
        connection_broken(connection, "no room for a hello");
        return;
    }
    connection->peer = peer;
    peer_greeted(peer, connection, continues, hello->owner, version);
}

static void take_hello(struct connection *connection, struct bytes body)
{
    struct peers *peers = connection->peers;
    char sentence[PEER_SENTENCE_MAX];
    struct hello ours, theirs;
    uint16_t version;
    const char *why;

    if (!hello_read(body, &theirs, &why)) {
        connection_broken(connection, why);
        return;
    }
    ours = our_hello(peers, theirs.node, false);
    version = hello_agree(&ours, &theirs, tls_name(&connection->tls), sentence);
    if (version && connection->called && strcmp(theirs.node, connection->peer->name) != 0) {
        snprintf(sentence, sizeof sentence, "node '%s' answers where node '%s' should be",
                 theirs.node, connection->peer->name);
        version = 0;
    }
    if (version == 0)
        refuse(connection, sentence);
    else if (connection->called)
        peer_greeted(connection->peer, connection,
                     connection->offered && (theirs.flags & HELLO_CONTINUES), theirs.owner,
                     version);
    else
        welcome(connection, &theirs, version);
    no_stranger(connection);
}

static void take_refusal(struct connection *connection, struct bytes body)
{
    char sentence[PEER_SENTENCE_MAX], text[PEER_SENTENCE_MAX / 2];

    bytes_to_string(body, text, sizeof text);
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    snprintf(sentence, sizeof sentence, "it refuses us: %s", text);
    connection_broken(connection, sentence);
}

/* ---- in ---- */

static void take_first(struct connection *connection, const struct frame *frame)
{
    if (frame->type == OWN_HELLO)
        take_hello(connection, frame->body);
    else if (frame->type == OWN_REFUSE && connection->called)
        take_refusal(connection, frame->body);
    else
        connection_broken(connection, "a frame before the hello");
}

static bool listens(const struct connection *connection)
{
    return connection->state == CONNECTION_PROVES || connection->state == CONNECTION_COUNTS;
}

/* How many bytes were used. */
static size_t take_frames(struct connection *connection, struct bytes bytes)
{
    size_t total = 0;

    while (listens(connection)) {
        bool counts = connection->state == CONNECTION_COUNTS;
        struct frame frame;
        size_t used = 0;
        const char *why;

        switch (frame_read(bytes_skip(bytes, total), connection->seen,
                           counts ? PEER_BODY_MAX : HELLO_BYTES_MAX, &frame, &used, &why)) {
        case FRAME_MORE:
            return total;
        case FRAME_WRONG:
            connection_broken(connection, why);
            return total;
        case FRAME_DONE:
            break;
        }
        total += used;
        connection->seen++;
        if (counts)
            peer_frame(connection, &frame);
        else
            take_first(connection, &frame);
    }
    return total;
}

static void take_piece(struct connection *connection, struct bytes piece)
{
    if (connection->in.len == 0)
        piece = bytes_skip(piece, take_frames(connection, piece));
    buf_add(&connection->in, piece);
    if (connection->in.full)
        connection_broken(connection, "no memory for a frame");
    else if (connection->in.len > 0)
        buf_drop(&connection->in, take_frames(connection, buf_bytes(&connection->in)));
}

static void on_received(struct tls *tls, struct bytes bytes)
{
    struct connection *connection = connection_of(tls);

    if (connection->state == CONNECTION_PROVES) {
        connection->early += (uint32_t)bytes.len;
        if (connection->early > EARLY_BYTES_MAX) {
            connection_broken(connection, "sent more than 16 KiB before its hello was good");
            return;
        }
    }
    if (connection->state == CONNECTION_COUNTS)
        contact_heard(&connection->peer->contact, loop_now(connection->peers->loop));
    while (bytes.len > 0 && listens(connection)) {
        struct bytes piece = bytes_take(bytes, PIECE_BYTES);

        take_piece(connection, piece);
        bytes = bytes_skip(bytes, piece.len);
    }
}

/* ---- the other events of a session ---- */

static void limit(struct connection *connection, int64_t ms)
{
    struct loop *loop = connection->peers->loop;

    timer_arm(loop, &connection->deadline, after_ms(loop_now(loop), ms));
}

static void on_connected(struct tls *tls)
{
    struct connection *connection = connection_of(tls);

    if (connection->knock) {
        peer_knocked(connection);
        connection_close(connection, true);
        return;
    }
    connection->state = CONNECTION_PROVES;
    limit(connection, connection->peers->handshake_ms);
}

/* Who is called speaks second: it answers nobody before it knows who that is. */
static void on_ready(struct tls *tls)
{
    struct connection *connection = connection_of(tls);
    struct peer *peer = connection->peer;
    char sentence[PEER_SENTENCE_MAX];

    if (!connection->called)
        return;
    if (tls_name(tls)[0] && strcmp(tls_name(tls), peer->name) != 0) {
        snprintf(sentence, sizeof sentence, "the certificate there is that of '%s', not of '%s'",
                 tls_name(tls), peer->name);
        connection_broken(connection, sentence);
        return;
    }
    if (!say_hello(connection, peer->name, peer->contact.up))
        connection_broken(connection, "no room for a hello");
}

static void on_ended(struct tls *tls, bool cut)
{
    (void)cut;
    end(connection_of(tls), PEER_CUT, ECONNRESET,
        "its kernel ended the connection, and its process had not said goodbye");
}

static void on_drained(struct tls *tls)
{
    struct connection *connection = connection_of(tls);

    if (connection->state == CONNECTION_COUNTS)
        peer_pump(connection->peer);
}

static void on_failed(struct tls *tls, int error, const char *sentence)
{
    end(connection_of(tls), error == ECONNRESET || error == EPIPE ? PEER_RESET : PEER_BROKEN, error,
        sentence);
}

static void on_closed(struct tls *tls)
{
    struct connection *connection = connection_of(tls);

    no_stranger(connection);
    buf_fini(&connection->in);
    peers_forget(connection);
}

static const struct tls_events events = {
    .connected = on_connected,
    .ready = on_ready,
    .received = on_received,
    .ended = on_ended,
    .drained = on_drained,
    .failed = on_failed,
    .closed = on_closed,
};

/* ---- the beginning ---- */

static struct connection *make(struct peers *peers, const struct address *address)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (!connection)
        return NULL;
    connection->peers = peers;
    connection->address = *address;
    connection->tls_number = peers->tls_number;
    timer_init(&connection->deadline, on_deadline);
    buf_init(&connection->in, FRAME_HEADER + PEER_BODY_MAX + PIECE_BYTES);
    list_push_back(&peers->connections, &connection->node);
    return connection;
}

static bool from_a_peer(const struct peers *peers, const struct address *address)
{
    struct address bare = *address;

    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        const struct peer *peer = &peers->all[i];

        for (uint32_t k = 0; peer->used && k < peer->contact.paths; k++) {
            bare.port = peer->addresses[k].port;
            if (address_equal(&bare, &peer->addresses[k]))
                return true;
        }
    }
    return false;
}

void connection_accept(struct peers *peers, int fd, const struct address *address)
{
    uint32_t most =
        from_a_peer(peers, address) ? PEER_UNAUTHENTICATED_MAX : STRANGERS_OF_NOWHERE_MAX;
    struct connection *connection = peers->strangers < most ? make(peers, address) : NULL;
    char text[ADDRESS_TEXT_MAX];

    if (!connection) {
        loop_close_fd(peers->loop, fd);
        peers_stranger(peers, "%s: %u connections that have proved nothing are open already",
                       address_print_ip(address, text), peers->strangers);
        return;
    }
    connection->strange = true;
    peers->strangers++;
    connection->state = CONNECTION_PROVES;
    limit(connection, peers->handshake_ms);
    tls_accept(peers->loop, &connection->tls, fd, peers->tls, &events);
}

struct connection *connection_call(struct peer *peer, uint32_t path, bool knock, struct err *err)
{
    struct peers *peers = peer->peers;
    struct connection *connection = make(peers, &peer->addresses[path]);

    if (!connection) {
        (void)err_system(err, "call node '%s'", peer->name);
        return NULL;
    }
    connection->called = true;
    connection->knock = knock;
    connection->peer = peer;
    connection->path = path;
    connection->state = CONNECTION_CALLS;
    if (!tls_connect(peers->loop, &connection->tls, &connection->address, knock ? NULL : peers->tls,
                     &events, err)) {
        list_remove(&connection->node);
        free(connection);
        return NULL;
    }
    limit(connection, peers->connect_ms);
    return connection;
}
