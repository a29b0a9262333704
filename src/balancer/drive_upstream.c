/*
 * Connections to backends: made when they are needed, kept when they can serve again, the one used last first, so that
 * those that are not needed grow old and go. A byte that nobody asked for ends a connection.
 */
#include "balancer/drive.h"

#include "wire/proxy.h"

static struct upstream *upstream_of(struct stream *stream)
{
    return container_of(stream, struct upstream, stream);
}

/* ---- kept ones ---- */

static void leave_idle(struct upstream *u)
{
    struct target *target = u->target;

    list_remove(&u->node);
    target->idle_count--;
    target->balancer->idle_upstreams--;
    uncount(&target->counters->idle, 1);
    u->state = UPSTREAM_BUSY;
}

struct upstream *upstream_reuse(struct target *target, int64_t idle_max_ms)
{
    struct list *first = list_first(&target->idle);
    struct upstream *u;

    if (!first)
        return NULL;
    u = container_of(first, struct upstream, node);
    if (passed(after_ms(u->idle_since, idle_max_ms), loop_now(u->stream.loop)))
        return NULL;
    leave_idle(u);
    u->reused = true;
    return u;
}

static void detach(struct upstream *u)
{
    struct exchange *x = u->exchange;

    if (!x)
        return;
    uncount(&u->target->counters->active, 1);
    list_remove(&x->in_target);
    list_remove(&x->in_group);
    x->upstream = NULL;
    x->answer_relayed = x->request_relayed = x->answer_paused = false;
    u->exchange = NULL;
}

static bool worth_keeping(const struct upstream *u)
{
    const struct target *target = u->target;

    return target->present && !target->balancer->draining &&
           target->idle_count < target->idle_max &&
           target->balancer->idle_upstreams < IDLE_UPSTREAMS_MAX &&
           address_equal(&u->address, &target->address);
}

void upstream_release(struct upstream *u)
{
    struct target *target = u->target;

    if (!worth_keeping(u)) {
        upstream_close(u, false);
        return;
    }
    detach(u);
    u->state = UPSTREAM_IDLE;
    u->idle_since = loop_now(u->stream.loop);
    list_push_front(&target->idle, &u->node);
    target->idle_count++;
    target->balancer->idle_upstreams++;
    count(&target->counters->idle, 1);
    if (!timer_armed(&target->sweep))
        timer_arm(u->stream.loop, &target->sweep, after_ms(u->idle_since, target->idle_ms));
}

void upstream_close(struct upstream *u, bool reset)
{
    if (u->state == UPSTREAM_CLOSED)
        return;
    if (u->state == UPSTREAM_IDLE)
        leave_idle(u);
    detach(u);
    chunk_release(u->stream.loop, u->held);
    u->held = NULL;
    u->held_len = 0;
    u->state = UPSTREAM_CLOSED;
    stream_close(&u->stream, reset);
}

void upstream_close_idle(struct target *target)
{
    list_each_safe (node, &target->idle)
        upstream_close(container_of(node, struct upstream, node), false);
}

/* The oldest are last. */
void upstream_sweep(struct timer *timer)
{
    struct target *target = container_of(timer, struct target, sweep);
    struct loop *loop = target->balancer->loop;

    while (!list_empty(&target->idle)) {
        struct upstream *oldest = container_of(target->idle.prev, struct upstream, node);
        struct instant end = after_ms(oldest->idle_since, target->idle_ms);

        if (!passed(end, loop_now(loop))) {
            timer_arm(loop, timer, end);
            return;
        }
        upstream_close(oldest, false);
    }
}

/* ---- new ones ---- */

/* The connection speaks for one client from its first byte on. */
static bool send_proxy(struct upstream *u, struct exchange *x)
{
    struct session *s = x->session;
    struct proxy_header header = {.source = s->client, .destination = s->destination};
    struct outgoing out;

    if (x->send_proxy == SEND_PROXY_NEVER)
        return true;
    if (header.destination.family == 0)
        header.destination = stream_local(&s->stream);
    if (header.source.family != header.destination.family)
        header = (struct proxy_header){0};
    u->private = true;
    out_begin(&out, exchange_balancer(x), &u->stream, PROXY_HEADER_MAX);
    if (x->send_proxy == SEND_PROXY_V1)
        proxy_write_v1(&out.text, &header);
    else
        proxy_write_v2(&out.text, &header);
    return out_end(&out);
}

static void connected(struct stream *stream)
{
    struct upstream *u = upstream_of(stream);
    struct exchange *x = u->exchange;
    struct session *s;

    if (u->state != UPSTREAM_CONNECTING)
        return;
    s = x->session;
    u->state = UPSTREAM_BUSY;
    pick_connected(u->target->state);
    stream_receive(&u->stream, true);
    if (!send_proxy(u, x))
        exchange_fail(x, 503, "out of buffers");
    else if (s->tcp)
        tunnel_start(x, NULL, bytes_of(NULL, 0));
    else
        exchange_send(x);
    session_resume(s);
}

static void received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct upstream *u = upstream_of(stream);
    struct exchange *x = u->exchange;
    struct session *s;

    count(&u->target->counters->bytes_in, bytes.len);
    if (u->state == UPSTREAM_IDLE) /* nobody asked */
        upstream_close(u, true);
    if (!x)
        return;
    s = x->session;
    if (x->phase == PHASE_TUNNEL)
        tunnel_received(x, false, chunk, bytes);
    else
        answer_received(x, chunk, bytes);
    session_resume(s);
}

static void ended(struct stream *stream)
{
    struct upstream *u = upstream_of(stream);
    struct exchange *x = u->exchange;
    struct session *s;

    u->ended = true;
    if (u->state == UPSTREAM_IDLE)
        upstream_close(u, false);
    if (!x)
        return;
    s = x->session;
    answer_ended(x);
    session_resume(s);
}

static void drained(struct stream *stream)
{
    struct exchange *x = upstream_of(stream)->exchange;

    if (!x)
        return;
    if (x->phase == PHASE_TUNNEL) {
        tunnel_drained(x, false);
    } else if (x->request_paused && x->phase >= PHASE_SEND) {
        x->request_paused = false;
        stream_receive(&x->session->stream, true);
    }
}

static void relayed(struct stream *stream, uint64_t moved, int error)
{
    struct upstream *u = upstream_of(stream);
    struct exchange *x = u->exchange;
    struct session *s;

    count(&u->target->counters->bytes_in, moved);
    if (!x)
        return;
    s = x->session;
    if (x->phase == PHASE_TUNNEL)
        tunnel_relayed(x, false, moved);
    else if (error == 0)
        answer_relayed(x, moved);
    session_resume(s);
}

/* Refused, reset, or unreachable. */
static void lost(struct upstream *u, struct exchange *x)
{
    if (u->state == UPSTREAM_CONNECTING)
        exchange_try_failed(x, FAILURE_CONNECT);
    else if (x->phase == PHASE_TUNNEL)
        tunnel_failed(x, false);
    else if (x->phase == PHASE_ANSWER)
        answer_cut(x, "the backend's connection was reset in the middle of its answer");
    else
        exchange_try_failed(x, answer_none(u));
}

static void failed(struct stream *stream, int error)
{
    struct upstream *u = upstream_of(stream);
    struct exchange *x = u->exchange;
    struct session *s;

    (void)error; /* the kinds differ for nobody but a person, who sees them in the health checks */
    if (!x) {
        upstream_close(u, false);
        return;
    }
    s = x->session;
    lost(u, x);
    session_resume(s);
}

static void closed(struct stream *stream)
{
    struct upstream *u = upstream_of(stream);

    uncount(&u->target->counters->connections, 1);
    u->state = UPSTREAM_FREE;
    slab_give(&u->target->balancer->upstreams, u);
}

static const struct stream_events events = {
    .connected = connected,
    .received = received,
    .ended = ended,
    .drained = drained,
    .relayed = relayed,
    .failed = failed,
    .closed = closed,
};

struct upstream *upstream_connect(struct target *target)
{
    struct balancer *b = target->balancer;
    struct upstream *u = slab_take(&b->upstreams);
    struct err err;

    if (!u)
        return NULL;
    memset(u, 0, sizeof *u);
    count(&target->counters->connects, 1);
    if (!stream_connect(b->loop, &u->stream, &target->address, NULL, &events, &err)) {
        slab_give(&b->upstreams, u);
        return NULL;
    }
    list_init(&u->node);
    u->target = target;
    u->address = target->address;
    u->state = UPSTREAM_CONNECTING;
    count(&target->counters->connections, 1);
    return u;
}
