/*
 * Bytes both ways without meaning: TCP services, and connections that were upgraded. The first bytes go through buffers; a way on which
 * much has gone is left to the kernel, so that an idle tunnel holds neither a buffer nor a pipe. An end is passed on as an end, each way
 * for itself, and a reset as a reset.
 */
#include "balancer/drive.h"

static struct stream *end_of(const struct exchange *x, bool client)
{
    return client ? &x->session->stream : &x->upstream->stream;
}

static struct way *way_from(struct exchange *x, bool client)
{
    return client ? &x->up : &x->down;
}

static void account(struct exchange *x, bool from_client, uint64_t moved)
{
    way_from(x, from_client)->moved += moved;
    if (from_client)
        count(&x->target->counters->bytes_out, moved);
    else
        x->bytes_out += moved;
}

static void close_both(struct exchange *x, bool reset, const char *reason)
{
    if (reset) {
        exchange_abandon(x, reason);
        return;
    }
    x->close = true;
    upstream_close(x->upstream, false);
    exchange_end(x, reason);
}

static void pass(struct exchange *x, bool from_client, struct chunk *chunk, struct bytes bytes)
{
    struct stream *from = end_of(x, from_client), *to = end_of(x, !from_client);
    struct way *way = way_from(x, from_client);

    if (!stream_send(to, chunk, bytes)) {
        close_both(x, true, "out of buffers");
        return;
    }
    account(x, from_client, bytes.len);
    exchange_deadline(x);
    if (way->moved >= RELAY_BYTES_MIN) {
        way->relaying = true;
        stream_receive(from, false);
        stream_relay(from, to, UINT64_MAX);
    } else if (stream_queued(to) > exchange_balancer(x)->queue_max) {
        way->paused = true;
        stream_receive(from, false);
    }
}

void tunnel_received(struct exchange *x, bool from_client, struct chunk *chunk, struct bytes bytes)
{
    pass(x, from_client, chunk, bytes);
}

/* Both have ended, and all that they said has gone over. */
static void finish_if_over(struct exchange *x)
{
    if (x->up.ended && x->down.ended && stream_queued(end_of(x, true)) == 0 &&
        stream_queued(end_of(x, false)) == 0)
        close_both(x, false, NULL);
}

void tunnel_drained(struct exchange *x, bool of_client)
{
    struct way *way = way_from(x, !of_client);

    if (way->paused) {
        way->paused = false;
        stream_receive(end_of(x, !of_client), true);
    }
    finish_if_over(x);
}

void tunnel_ended(struct exchange *x, bool from_client)
{
    way_from(x, from_client)->ended = true;
    stream_finish(end_of(x, !from_client));
    exchange_deadline(x);
    finish_if_over(x);
}

void tunnel_relayed(struct exchange *x, bool from_client, uint64_t moved)
{
    struct way *way = way_from(x, from_client);

    way->relaying = false;
    account(x, from_client, moved);
}

void tunnel_failed(struct exchange *x, bool of_client)
{
    close_both(x, true,
               of_client ? "the client reset the connection" : "the backend reset the connection");
}

void tunnel_start(struct exchange *x, struct chunk *chunk, struct bytes from_backend)
{
    struct session *s = x->session;
    struct chunk *held = s->held;

    exchange_commit(x);
    grouped_succeeded(x);
    x->phase = PHASE_TUNNEL;
    x->progress = 0;
    exchange_deadline(x);
    stream_receive(&s->stream, true);
    if (from_backend.len)
        pass(x, false, chunk, from_backend);
    if (s->backlog && s->exchange == x) {
        s->held = NULL;
        s->backlog = false;
        pass(x, true, held, bytes_of(held->at + s->held_at, s->held_len));
        chunk_release(s->stream.loop, held);
        s->held_len = 0;
    }
    if (s->ended && s->exchange == x)
        tunnel_ended(x, true);
}
