/*
 * A client's connection: it gathers heads, hands requests over, says what cannot be passed on, and ends in order. It never looks into a
 * body and never chooses a backend.
 */
#include "balancer/drive.h"

#include "wire/proxy.h"

#include <unistd.h>

struct balancer *session_balancer(const struct session *s)
{
    return s->service->balancer;
}

static struct session *session_of(struct stream *stream)
{
    return container_of(stream, struct session, stream);
}

bool session_last(const struct session *s)
{
    return !s->service->present || s->orphaned || session_balancer(s)->draining;
}

/* ---- time ---- */

/* The timer is moved only towards us. A deadline that moved away is found out when the timer fires early: once in a while
 * instead of once per request. */
void session_deadline(struct session *s, struct instant at)
{
    s->deadline = at;
    s->taken = stream_taken(&s->stream);
    if (!timer_armed(&s->timer) || at.ns < s->timer.at.ns)
        timer_arm(s->stream.loop, &s->timer, at);
}

static void deadline_in(struct session *s, int64_t ms)
{
    session_deadline(s, after_ms(loop_now(s->stream.loop), ms));
}

bool session_moves(const struct session *s)
{
    return stream_queued(&s->stream) > 0 && stream_taken(&s->stream) != s->taken;
}

static void close_session(struct session *s, bool reset)
{
    session_release(s);
    s->state = SESSION_CLOSED;
    timer_cancel(s->stream.loop, &s->timer);
    stream_close(&s->stream, reset);
}

void session_cut(struct session *s)
{
    if (s->state != SESSION_CLOSED)
        close_session(s, true);
}

/* ---- the end ---- */

static void linger(struct session *s)
{
    session_release(s);
    if (s->close_quick || s->ended) {
        close_session(s, false);
        return;
    }
    s->state = SESSION_LINGER;
    stream_finish(&s->stream);
    stream_receive(&s->stream, true);
    deadline_in(s, LINGER_MS);
}

void session_finish(struct session *s)
{
    s->state = SESSION_FINISH;
    if (stream_queued(&s->stream) == 0)
        linger(s);
    else
        deadline_in(s, s->service->config->timeout_idle_ms);
}

bool session_answer(struct session *s, uint16_t status, bool keep, bool body)
{
    struct outgoing out;
    const char *reason = http1_reason(status);
    char text[64];
    struct buf line;

    buf_over(&line, text, sizeof text);
    buf_print(&line, "%u %s\n", status, reason);
    out_begin(&out, session_balancer(s), &s->stream, 512);
    http1_write_status_line(&out.text, status, bytes_of_string(reason));
    buf_print(&out.text, "Content-Type: text/plain\r\nContent-Length: %zu\r\n", line.len);
    if (status == 503)
        buf_add(&out.text, BYTES("Retry-After: 1\r\n"));
    if (!keep)
        buf_add(&out.text, BYTES("Connection: close\r\n"));
    buf_add(&out.text, BYTES("\r\n"));
    if (body)
        buf_add(&out.text, buf_bytes(&line));
    return out_end(&out);
}

/* What came is no request, or came too late. */
static void refuse(struct session *s, uint16_t status, const char *why)
{
    struct service_counters *counters = s->service->counters;

    count(&counters->requests, 1);
    count(&counters->responses[status / 100], 1);
    count(status == 408 ? &counters->timeouts : &counters->refused_bad, 1);
    access_refused(s, status, why);
    session_release(s);
    if (session_answer(s, status, false, true))
        session_finish(s);
    else
        session_cut(s);
}

/* ---- bytes that are kept ---- */

void session_release(struct session *s)
{
    chunk_release(s->stream.loop, s->held);
    s->held = NULL;
    s->held_len = 0;
    s->backlog = false;
}

/* Keeps bytes that came during an exchange, and asks for no more until it is over. */
void session_hold(struct session *s, struct chunk *chunk, struct bytes bytes)
{
    must(s->held == NULL);
    chunk_hold(chunk);
    s->held = chunk;
    s->held_at = (uint32_t)(bytes.at - chunk->at);
    s->held_len = (uint32_t)bytes.len;
    s->backlog = true;
    stream_receive(&s->stream, false);
}

/* Copies the beginning of a head to where the rest will join it. */
static bool gather(struct session *s, struct bytes bytes)
{
    if (!s->held) {
        s->held = chunk_take(s->stream.loop);
        if (!s->held)
            return false;
        s->held_len = 0;
    }
    memcpy(s->held->at + s->held_len, bytes.at, bytes.len);
    s->held_len += (uint32_t)bytes.len;
    return true;
}

/* ---- heads ---- */

static enum http1_verdict take_request(struct session *s, struct bytes view, uint32_t *used)
{
    struct balancer *b = session_balancer(s);
    struct http1_fault fault;
    enum http1_verdict verdict = http1_request(&s->scan, view, b->head_max, &b->head, used, &fault);

    if (verdict == HTTP1_DONE) {
        s->scan = (struct http1_scan){0};
        exchange_start(s, bytes_take(view, *used), &b->head);
    } else if (verdict == HTTP1_WRONG) {
        refuse(s, fault.status, fault.why);
    }
    return verdict;
}

static enum http1_verdict take_proxy(struct session *s, struct bytes view, uint32_t *used)
{
    struct proxy_header header;
    const char *why;
    size_t len = 0;

    switch (proxy_parse(view, &header, &len, &why)) {
    case PROXY_MORE:
        return HTTP1_MORE;
    case PROXY_WRONG:
        count(&s->service->counters->refused_bad, 1);
        access_refused(s, 0, why);
        session_cut(s);
        return HTTP1_WRONG;
    case PROXY_DONE:
        break;
    }
    *used = (uint32_t)len;
    if (header.source.family != 0) {
        s->client = header.source;
        s->destination = header.destination;
    }
    s->state = SESSION_HEAD;
    return HTTP1_DONE;
}

static bool takes_heads(const struct session *s)
{
    return s->state == SESSION_PROXY || s->state == SESSION_HEAD;
}

/* Takes one head from the bytes, joined to what is held of it. How many of them it used; all, when it needs more. */
static size_t take_head(struct session *s, struct bytes bytes)
{
    uint32_t max = session_balancer(s)->head_max, before = s->held_len, used = 0;
    struct bytes part = bytes_take(bytes, max - before), view = part;
    bool joined = s->held != NULL;
    enum http1_verdict verdict;

    if (joined && gather(s, part))
        view = bytes_of(s->held->at, s->held_len);
    verdict = s->state == SESSION_PROXY ? take_proxy(s, view, &used) : take_request(s, view, &used);
    if (verdict == HTTP1_MORE && !joined && !gather(s, part))
        refuse(s, 503, "out of buffers");
    if (verdict == HTTP1_DONE && joined)
        session_release(s);
    return verdict == HTTP1_DONE ? used - before : bytes.len;
}

/* Part of a head must become a whole one soon; a connection on which nothing was asked may stay longer. */
static void wait_for_head(struct session *s)
{
    const struct balancer_service *config = s->service->config;

    if (s->held || s->state == SESSION_PROXY)
        session_deadline(s, after_ms(s->started, config->timeout_request_ms));
    else if (session_balancer(s)->draining)
        deadline_in(s, DRAIN_IDLE_MS);
    else
        deadline_in(s, config->timeout_idle_ms);
}

static void take_busy(struct session *s, struct chunk *chunk, struct bytes bytes)
{
    struct exchange *x = s->exchange;
    size_t used = 0;

    if (x->phase == PHASE_TUNNEL) {
        tunnel_received(x, true, chunk, bytes);
        return;
    }
    if (!x->request_done)
        used = exchange_body(x, chunk, bytes);
    if (used < bytes.len && s->state == SESSION_BUSY)
        session_hold(s, chunk, bytes_skip(bytes, used));
    if (s->state == SESSION_BUSY && s->exchange->phase == PHASE_HOLD)
        grouped_recount(s->exchange);
}

/* A client that asks faster than it reads waits until it has read. */
static bool must_wait(const struct session *s)
{
    return takes_heads(s) && stream_queued(&s->stream) > session_balancer(s)->queue_max;
}

static void take(struct session *s, struct chunk *chunk, struct bytes bytes)
{
    bool held = s->held != NULL;

    while (bytes.len > 0 && takes_heads(s)) {
        if (!s->held && must_wait(s)) {
            session_hold(s, chunk, bytes);
            return;
        }
        if (!s->held)
            s->started = loop_now(s->stream.loop);
        bytes = bytes_skip(bytes, take_head(s, bytes));
        if (s->state == SESSION_HEAD && s->tcp)
            exchange_start_tcp(s);
    }
    if (s->state == SESSION_BUSY && bytes.len > 0)
        take_busy(s, chunk, bytes);
    else if (takes_heads(s) && s->held && !held) /* once: more bytes of it win no more time */
        wait_for_head(s);
}

/* ---- between requests ---- */

void session_ready(struct session *s)
{
    s->state = SESSION_HEAD;
    s->scan = (struct http1_scan){0};
    if (s->ended && !s->backlog) {
        session_finish(s);
        return;
    }
    if (!s->backlog)
        stream_receive(&s->stream, true);
    wait_for_head(s);
}

void session_resume(struct session *s)
{
    struct chunk *chunk = s->held;
    struct bytes bytes;

    if (!s->backlog || !takes_heads(s) || must_wait(s))
        return;
    bytes = bytes_of(chunk->at + s->held_at, s->held_len);
    s->held = NULL;
    s->held_len = 0;
    s->backlog = false;
    stream_receive(&s->stream, true);
    take(s, chunk, bytes);
    chunk_release(s->stream.loop, chunk);
    if (s->ended && s->state == SESSION_HEAD && !s->backlog)
        session_finish(s);
}

/* ---- what the loop tells ---- */

static void received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct session *s = session_of(stream);

    count(&s->service->counters->bytes_in, bytes.len);
    switch ((enum session_state)s->state) {
    case SESSION_PROXY:
    case SESSION_HEAD:
        take(s, chunk, bytes);
        break;
    case SESSION_BUSY:
        s->exchange->bytes_in += bytes.len;
        take_busy(s, chunk, bytes);
        break;
    case SESSION_FINISH:
    case SESSION_LINGER:
    case SESSION_CLOSED:
    case SESSION_FREE:
        break;
    }
    session_resume(s);
}

static void ended(struct stream *stream)
{
    struct session *s = session_of(stream);

    s->ended = true;
    switch ((enum session_state)s->state) {
    case SESSION_PROXY:
    case SESSION_HEAD:
        if (!s->backlog)
            session_finish(s);
        break;
    case SESSION_BUSY:
        if (s->exchange->phase == PHASE_TUNNEL)
            tunnel_ended(s->exchange, true);
        else if (!s->exchange->request_done)
            exchange_abandon(s->exchange, "the client ended in the middle of its request");
        break;
    case SESSION_LINGER:
        close_session(s, false);
        break;
    case SESSION_FINISH:
    case SESSION_CLOSED:
    case SESSION_FREE:
        break;
    }
}

static void drained(struct stream *stream)
{
    struct session *s = session_of(stream);

    if (s->state == SESSION_FINISH)
        linger(s);
    else if (s->state == SESSION_BUSY)
        exchange_client_drained(s->exchange);
    session_resume(s);
}

static void relayed(struct stream *stream, uint64_t moved, int error)
{
    struct session *s = session_of(stream);

    count(&s->service->counters->bytes_in, moved);
    if (s->state != SESSION_BUSY)
        return;
    s->exchange->bytes_in += moved;
    if (s->exchange->phase == PHASE_TUNNEL)
        tunnel_relayed(s->exchange, true, moved);
    else if (error == 0)
        exchange_client_relayed(s->exchange, moved);
    session_resume(s);
}

static void failed(struct stream *stream, int error)
{
    struct session *s = session_of(stream);

    (void)error; /* whatever it was, the client is gone */
    if (s->state == SESSION_BUSY && s->exchange->phase == PHASE_TUNNEL)
        tunnel_failed(s->exchange, true);
    else if (s->state == SESSION_BUSY)
        exchange_abandon(s->exchange, "the client went away");
    else if (s->state != SESSION_CLOSED)
        close_session(s, false);
}

static void closed(struct stream *stream)
{
    struct session *s = session_of(stream);
    struct balancer *b = session_balancer(s);

    s->state = SESSION_FREE;
    s->service->sessions--;
    uncount(&s->service->counters->connections, 1);
    service_release(s->service);
    slab_give(&b->sessions, s);
    doors_resume(b);
}

static const struct stream_events events = {
    .received = received,
    .ended = ended,
    .drained = drained,
    .relayed = relayed,
    .failed = failed,
    .closed = closed,
};

static void time_is_up(struct timer *timer)
{
    struct session *s = container_of(timer, struct session, timer);

    if (!passed(s->deadline, loop_now(s->stream.loop))) {
        timer_arm(s->stream.loop, timer, s->deadline);
        return;
    }
    switch ((enum session_state)s->state) {
    case SESSION_HEAD:
        if (session_moves(s) && !s->held)
            wait_for_head(s);
        else if (s->held && !s->backlog)
            refuse(s, 408, "the request's head did not come in time");
        else
            close_session(s, s->backlog);
        break;
    case SESSION_BUSY:
        exchange_timeout(s->exchange);
        session_resume(s);
        break;
    case SESSION_FINISH:
        if (session_moves(s)) {
            deadline_in(s, s->service->config->timeout_idle_ms);
            break;
        }
        close_session(s, true);
        break;
    case SESSION_PROXY:
        close_session(s, true);
        break;
    case SESSION_LINGER:
        close_session(s, false);
        break;
    case SESSION_CLOSED:
    case SESSION_FREE:
        never("a timer that outlived its session");
    }
}

/* ---- the beginning ---- */

static struct session *session_new(struct service *service)
{
    struct balancer *b = service->balancer;
    struct session *s = NULL;

    if (service->sessions < service->config->connections_max)
        s = slab_take(&b->sessions);
    if (!s)
        return NULL;
    memset(s, 0, sizeof *s);
    s->service = service;
    service->sessions++;
    service->uses++;
    count(&service->counters->connections, 1);
    count(&service->counters->accepted, 1);
    if (b->sessions.used == b->sessions.count)
        doors_pause(b);
    return s;
}

void session_accepted(struct listener *listener, int fd, const struct address *peer)
{
    struct service *service = container_of(listener, struct door, listener)->service;
    struct session *s = session_new(service);

    if (!s) {
        count(&service->counters->unavailable, 1);
        close(fd);
        return;
    }
    s->client = *peer;
    s->tcp = service->config->protocol == PROTOCOL_TCP;
    s->started = loop_now(listener->loop);
    timer_init(&s->timer, time_is_up);
    stream_adopt(listener->loop, &s->stream, fd, &events);
    s->state = service->config->accept_proxy ? SESSION_PROXY : SESSION_HEAD;
    if (s->state == SESSION_HEAD && s->tcp) {
        exchange_start_tcp(s);
        return;
    }
    stream_receive(&s->stream, true);
    wait_for_head(s);
}

void session_starved(struct listener *listener, int error)
{
    struct door *door = container_of(listener, struct door, listener);

    (void)error; /* descriptors or memory: the same to us */
    count(&door->service->balancer->record->starved, 1);
}
