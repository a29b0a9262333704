/*
 * Clients that speak TLS: the same sessions, with net/tls_session.h between them and the stream. There is no session before the handshake is done, so whoever does not end it takes no
 * client's place; it has SHAKE_MS, and of too many the oldest go first. A step of a handshake costs as much as a hundred commands: SHAKES are taken in a millisecond, and the rest wait, so that
 * clients who are there already do not.
 */
#include "store/drive_server_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SHAKE_MS = 10000,
    SHAKING_MAX = 2048,
    SHAKES = 4,
    SEAL_BYTES = 48 << 10, /* of replies, encrypted at once: fits into a spare buffer */
    COVER_OUT_MAX = 256 << 10,
};

/* It is done, or will not be. */
static void end_shaking(struct client *client, bool done)
{
    struct server *server = client->server;

    if (list_empty(&client->cover->shaking))
        return;
    list_remove(&client->cover->shaking);
    list_remove(&client->cover->waiting);
    server->shaking_count--;
    server->desk.counts.tls_failed += !done;
}

static void cut(struct client *client)
{
    end_shaking(client, false);
    client_drop(client);
}

bool cover_open(struct client *client, const struct door *door, const char *address)
{
    struct server *server = client->server;
    struct cover *cover = calloc(1, sizeof *cover);

    if (!cover)
        return false;
    cover->session = tls_session_accept(server->tls);
    if (!cover->session) {
        free(cover);
        return false;
    }
    cover->client = client;
    cover->door = door;
    snprintf(cover->address, sizeof cover->address, "%s", address);
    client->cover = cover;
    list_init(&cover->waiting);
    buf_init(&cover->plain, TLS_SESSION_BEFORE_READY_MAX);
    buf_init(&cover->out, COVER_OUT_MAX);
    if (server->shaking_count >= SHAKING_MAX)
        cut(container_of(server->shaking.next, struct cover, shaking)->client);
    server->shaking_count++;
    list_push_back(&server->shaking, &cover->shaking);
    cover->until_ms = server->desk.now_ms + SHAKE_MS;
    return true;
}

void cover_close(struct client *client)
{
    struct cover *cover = client->cover;

    end_shaking(client, false);
    tls_session_close(cover->session);
    buf_fini(&cover->plain);
    buf_fini(&cover->out);
    free(cover);
    client->cover = NULL;
}

void cover_end_late(struct server *server)
{
    list_each_safe (node, &server->shaking) {
        struct cover *cover = container_of(node, struct cover, shaking);

        if (server->desk.now_ms < cover->until_ms)
            break;
        cut(cover->client);
    }
}

/* ---- in ---- */

/* False: nothing more is read. */
static bool take(struct client *client, enum tls_outcome outcome, struct buf *plain)
{
    switch (outcome) {
    case TLS_OUTCOME_READY:
        end_shaking(client, true);
        client_admit(client, client->cover->door, client->cover->address);
        break;
    case TLS_OUTCOME_BYTES:
        client_take(client, buf_bytes(plain));
        buf_clear(plain);
        break;
    case TLS_OUTCOME_FAREWELL:
        client->ended = true;
        return false;
    case TLS_OUTCOME_BROKEN:
        end_shaking(client, false);
        client_finish(client);
        return false;
    case TLS_OUTCOME_MORE:
        return false;
    }
    return !client->done;
}

/* Of the handshake: afterwards whatever is sent goes with the replies. */
void cover_answer(struct client *client)
{
    if (client->open || client->done || client->queued || client->cover->out.len == 0)
        return;
    cover_fill(client);
    client->queued = stream_send(&client->stream, NULL, buf_bytes(&client->sending));
    if (!client->queued)
        client_drop(client);
}

static void go_on(struct client *client, struct bytes bytes)
{
    uint8_t storage[TLS_SESSION_READ_MIN];
    struct cover *cover = client->cover;
    struct buf plain;

    buf_over(&plain, storage, sizeof storage);
    server_lend(client->server, &cover->out);
    while (take(client, tls_session_read(cover->session, &bytes, &plain, &cover->out), &plain)) {
    }
    cover_answer(client);
    if (cover->out.len == 0)
        server_take_back(client->server, &cover->out);
}

static void await_turn(struct server *server)
{
    if (!timer_armed(&server->shake))
        timer_arm(server->loop, &server->shake, after_ms(loop_now(server->loop), 1));
}

void cover_received(struct client *client, struct bytes bytes)
{
    struct server *server = client->server;
    struct cover *cover = client->cover;

    if (tls_session_is_ready(cover->session)) {
        go_on(client, bytes);
        return;
    }
    await_turn(server);
    if (server->shakes < SHAKES) {
        server->shakes++;
        go_on(client, bytes);
        return;
    }
    stream_receive(&client->stream, false);
    buf_add(&cover->plain, bytes);
    list_push_back(&server->waiting, &cover->waiting);
}

static void go_on_late(struct client *client)
{
    struct buf *plain = &client->cover->plain, came = *plain;

    buf_init(plain, plain->limit);
    stream_receive(&client->stream, true);
    go_on(client, buf_bytes(&came));
    buf_fini(&came);
    if (client->open && !client->done)
        session_touch(&client->server->desk, &client->session);
}

static void on_shake(struct timer *timer)
{
    struct server *server = container_of(timer, struct server, shake);
    struct list *node;

    server_enter(server);
    for (server->shakes = 0; server->shakes < SHAKES; server->shakes++) {
        struct client *client;

        if (!(node = list_pop_front(&server->waiting)))
            break;
        client = container_of(node, struct cover, waiting)->client;
        if (!client->done)
            go_on_late(client);
    }
    if (server->shakes > 0)
        await_turn(server);
    server_leave(server);
}

void cover_begin(struct server *server)
{
    list_init(&server->shaking);
    list_init(&server->waiting);
    timer_init(&server->shake, on_shake);
}

/* ---- out ---- */

static void seal(struct client *client)
{
    struct cover *cover = client->cover;
    struct bytes left = bytes_skip(buf_bytes(&cover->plain), cover->sealed);

    left = bytes_take(left, SEAL_BYTES);
    server_lend(client->server, &cover->out);
    if (!tls_session_write(cover->session, left, &cover->out)) {
        client->session.cut = true;
        return;
    }
    cover->sealed += left.len;
}

void cover_fill(struct client *client)
{
    struct cover *cover = client->cover;
    struct session *session = &client->session;
    struct buf empty = client->sending;

    must(client->sending.len == 0 && !client->queued);
    if (client->open && cover->plain.len == 0 && session->out.len > 0) {
        struct buf replies = session->out;

        cover->plain.limit = replies.limit;
        session->out = cover->plain;
        cover->plain = replies;
        cover->sealed = 0;
        session->unsent = replies.len;
    }
    if (cover->plain.len > cover->sealed && cover->out.len < SEAL_BYTES)
        seal(client);
    if (cover->plain.len > 0 && cover->sealed == cover->plain.len) {
        server_take_back(client->server, &cover->plain);
        cover->sealed = 0;
    }
    if (cover->out.len == 0)
        return;
    empty.limit = cover->out.limit;
    client->sending = cover->out;
    cover->out = empty;
}

size_t cover_unsent(const struct client *client)
{
    return client->cover->plain.len - client->cover->sealed;
}

void cover_say(struct client *client, struct bytes bytes)
{
    client->session.cut = !tls_session_write(client->cover->session, bytes, &client->cover->out);
}

bool cover_finish(struct client *client)
{
    struct cover *cover = client->cover;

    tls_session_finish(cover->session, &cover->out);
    return !cover->out.full && stream_send(&client->stream, NULL, buf_bytes(&cover->out));
}
