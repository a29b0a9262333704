/*
 * One request under way: which pool, which backend, what was sent, what to do when it goes wrong. The choices are made by route.c, pick.c
 * and retry.c; here they are carried out. No request is sent twice unless retry.c says that it may be.
 */
#include "balancer/drive.h"

#include "balancer/rewrite.h"
#include "balancer/route.h"

static struct instant now_of(const struct exchange *x)
{
    return loop_now(x->session->stream.loop);
}

/* ---- what is kept for another try ---- */

static void drop_pieces(struct exchange *x)
{
    struct loop *loop = x->session->stream.loop;

    for (uint32_t i = 0; i < x->piece_count; i++)
        chunk_release(loop, x->pieces[i].chunk);
    x->piece_count = 0;
    x->piece_bytes = 0;
    x->retry.held = false;
}

static void keep_piece(struct exchange *x, struct chunk *chunk, struct bytes content)
{
    must(x->piece_count < PIECES_MAX);
    chunk_hold(chunk);
    x->pieces[x->piece_count++] = (struct piece){chunk, content};
    x->piece_bytes += (uint32_t)content.len;
}

void exchange_unbind(struct exchange *x)
{
    if (!x->generation)
        return;
    list_remove(&x->in_generation);
    generation_release(exchange_balancer(x), x->generation);
    x->generation = NULL;
    x->pool = NULL;
    x->backends = NULL;
}

void exchange_commit(struct exchange *x)
{
    drop_pieces(x);
    chunk_release(x->session->stream.loop, x->head);
    x->head = NULL;
    list_remove(&x->in_target);
    exchange_unbind(x);
}

/* ---- the end ---- */

static void count_outcome(struct exchange *x)
{
    struct service_counters *counters = x->session->service->counters;

    if (x->phase != PHASE_TUNNEL || x->status != 0)
        count(&counters->responses[x->status / 100], 1);
    count(&counters->bytes_out, x->bytes_out);
    histogram_record(&counters->latency, ns_between(x->session->started, now_of(x)));
    uncount(&counters->active, 1);
}

void exchange_drop_upstream(struct exchange *x)
{
    if (x->upstream)
        upstream_close(x->upstream, true);
    must(x->upstream == NULL);
}

static void finish(struct exchange *x, const char *reason)
{
    struct session *s = x->session;
    struct balancer *b = exchange_balancer(x);

    exchange_drop_upstream(x);
    grouped_leave(x);
    count_outcome(x);
    access_exchange(x, reason);
    exchange_commit(x);
    s->exchange = NULL;
    slab_give(&b->exchanges, x);
}

void exchange_end(struct exchange *x, const char *reason)
{
    struct session *s = x->session;
    bool close = x->close;

    s->close_quick = close && !x->keep_alive && x->request_done && !s->backlog;
    finish(x, reason);
    if (close)
        session_finish(s);
    else
        session_ready(s);
}

void exchange_abandon(struct exchange *x, const char *reason)
{
    struct session *s = x->session;

    if (x->phase != PHASE_ANSWER && x->phase != PHASE_TUNNEL)
        x->status = 0;
    finish(x, reason);
    session_cut(s);
}

void exchange_fail(struct exchange *x, uint16_t status, const char *reason)
{
    struct session *s = x->session;

    if (x->phase >= PHASE_ANSWER || s->tcp) {
        exchange_abandon(x, reason);
        return;
    }
    exchange_drop_upstream(x);
    x->status = status;
    x->close = !x->keep_alive || !x->request_done || session_last(s);
    if (session_answer(s, status, !x->close, x->method != METHOD_HEAD))
        exchange_end(x, reason);
    else
        exchange_abandon(x, "out of buffers");
}

/* ---- sending ---- */

static void pause_client(struct exchange *x, bool pause)
{
    if (x->request_paused == pause)
        return;
    x->request_paused = pause;
    stream_receive(&x->session->stream, !pause);
}

/* A long body goes through the kernel from here on. Only after bytes of it were taken, so that none are in anybody's hands. */
static void relay_body(struct exchange *x)
{
    uint64_t left = x->request_done ? 0 : http1_body_opaque(&x->request);

    if (left < RELAY_BYTES_MIN || x->request_relayed)
        return;
    drop_pieces(x);
    x->request_relayed = true;
    x->request_paused = false;
    x->progress = 0;
    stream_receive(&x->session->stream, false);
    stream_relay(&x->session->stream, &x->upstream->stream, left);
}

void exchange_send(struct exchange *x)
{
    struct stream *to = &x->upstream->stream;
    bool chunked = x->request.framing == FRAMING_CHUNKED;
    struct outgoing out;
    bool sent = stream_send(to, x->head, x->head_bytes);

    x->retry.sent = true;
    x->sent = now_of(x);
    x->phase = x->request_done ? PHASE_WAIT : PHASE_SEND;
    if (x->piece_count || (chunked && x->request_done)) {
        out_begin(&out, exchange_balancer(x), to, PIECES_MAX * (SMALL_CONTENT_MAX + 32));
        for (uint32_t i = 0; i < x->piece_count; i++)
            out_content(&out, x->pieces[i].chunk, x->pieces[i].bytes, chunked);
        if (chunked && x->request_done)
            out_last(&out);
        sent &= out_end(&out);
    }
    if (!sent) {
        exchange_fail(x, 503, "out of buffers");
        return;
    }
    count(&x->target->counters->bytes_out, x->head_bytes.len + x->piece_bytes);
    if (x->piece_bytes > PIECE_BYTES_MAX)
        drop_pieces(x);
    exchange_deadline(x);
    if (!x->request_done)
        pause_client(x, false);
}

/* Sends content that has just come, and keeps it for another try while that is little. */
static void forward(struct exchange *x, struct chunk *chunk, struct bytes content)
{
    bool connected = x->phase >= PHASE_SEND;
    bool chunked = x->request.framing == FRAMING_CHUNKED;
    struct outgoing out;

    if (content.len && (!connected || x->retry.held)) {
        if (x->piece_count < PIECES_MAX &&
            (!connected || x->piece_bytes + content.len <= PIECE_BYTES_MAX))
            keep_piece(x, chunk, content);
        else
            drop_pieces(x);
    }
    if (!connected) {
        pause_client(x, !x->request_done &&
                            (x->piece_count == PIECES_MAX || x->piece_bytes > PIECE_BYTES_MAX));
        return;
    }
    out_begin(&out, exchange_balancer(x), &x->upstream->stream, SMALL_CONTENT_MAX + 64);
    out_content(&out, chunk, content, chunked);
    if (x->request_done && chunked)
        out_last(&out);
    if (!out_end(&out)) {
        exchange_fail(x, 503, "out of buffers");
        return;
    }
    count(&x->target->counters->bytes_out, content.len);
    if (x->request_done && x->phase == PHASE_SEND)
        x->phase = PHASE_WAIT;
    exchange_deadline(x);
    pause_client(x, !x->request_done &&
                        stream_queued(&x->upstream->stream) > exchange_balancer(x)->queue_max);
    relay_body(x);
}

size_t exchange_body(struct exchange *x, struct chunk *chunk, struct bytes bytes)
{
    struct http1_fault fault;
    struct bytes content = {0};
    size_t used = 0;
    enum http1_verdict verdict = body_take(&x->request, bytes, &used, &content, &fault);

    if (verdict == HTTP1_WRONG) {
        count(&x->session->service->counters->refused_bad, 1);
        exchange_fail(x, fault.status, fault.why);
        return bytes.len;
    }
    x->body_bytes += content.len;
    if (x->body_bytes > x->body_max) {
        exchange_fail(x, 413, "the body is too large");
        return bytes.len;
    }
    x->request_done = verdict == HTTP1_DONE;
    forward(x, chunk, content);
    return used;
}

void exchange_client_relayed(struct exchange *x, uint64_t moved)
{
    x->request_relayed = false;
    http1_body_skipped(&x->request, moved);
    count(&x->target->counters->bytes_out, moved);
    x->request_done = http1_body_complete(&x->request);
    if (x->request_done && x->phase == PHASE_SEND)
        x->phase = PHASE_WAIT;
    exchange_deadline(x);
    stream_receive(&x->session->stream, true);
}

void exchange_client_drained(struct exchange *x)
{
    if (x->phase == PHASE_TUNNEL) {
        tunnel_drained(x, true);
    } else if (x->answer_paused) {
        x->answer_paused = false;
        stream_receive(&x->upstream->stream, true);
    }
}

/* ---- time ---- */

void exchange_deadline(struct exchange *x)
{
    int64_t ms = 0;

    switch (x->phase) {
    case PHASE_PICK:
        return;
    case PHASE_HOLD:
        session_deadline(x->session, x->hold_until);
        return;
    case PHASE_CONNECT:
        ms = x->connect_ms;
        break;
    case PHASE_SEND:
    case PHASE_TUNNEL:
        ms = x->client_idle_ms;
        break;
    case PHASE_WAIT:
        ms = x->response_ms;
        break;
    case PHASE_ANSWER:
        ms = x->backend_idle_ms;
        break;
    }
    x->taken = x->upstream ? stream_taken(&x->upstream->stream) : 0;
    session_deadline(x->session, after_ms(now_of(x), ms));
}

/* True when somebody has taken some of what waited, however slowly: a relay moved something since it was last asked, or the kernel took
 * something of a queue since the deadline was set. While an answer's head is waited for, only a relay counts: the client may be busy with an earlier answer. */
static bool moves(struct exchange *x)
{
    uint64_t moved = stream_relay_moved(&x->session->stream);

    if (x->upstream)
        moved += stream_relay_moved(&x->upstream->stream);
    if (x->upstream && (x->phase == PHASE_SEND || x->phase == PHASE_TUNNEL) &&
        stream_queued(&x->upstream->stream) > 0 && stream_taken(&x->upstream->stream) != x->taken)
        return true;
    if ((x->phase == PHASE_ANSWER || x->phase == PHASE_TUNNEL) && session_moves(x->session))
        return true;
    if (moved == x->progress)
        return false;
    x->progress = moved;
    return true;
}

void exchange_timeout(struct exchange *x)
{
    if (x->phase != PHASE_HOLD && moves(x)) {
        exchange_deadline(x);
        return;
    }
    switch (x->phase) {
    case PHASE_HOLD:
        grouped_expire(x);
        break;
    case PHASE_CONNECT:
        exchange_try_failed(x, FAILURE_CONNECT);
        break;
    case PHASE_WAIT:
        exchange_try_failed(x, FAILURE_TIMEOUT);
        break;
    case PHASE_SEND: /* whoever has bytes to take and does not */
        if (stream_queued(&x->upstream->stream) > 0) {
            exchange_try_failed(x, FAILURE_TIMEOUT);
        } else {
            count(&x->session->service->counters->timeouts, 1);
            exchange_fail(x, 408, "the request's body did not come in time");
        }
        break;
    case PHASE_ANSWER:
    case PHASE_TUNNEL:
    case PHASE_PICK:
        count(&x->session->service->counters->timeouts, 1);
        exchange_abandon(x, x->phase == PHASE_ANSWER ? "the answer stood still" : "idle");
        break;
    }
}

/* ---- the beginning ---- */

static struct exchange *exchange_new(struct session *s)
{
    struct exchange *x = slab_take(&session_balancer(s)->exchanges);

    must(x != NULL); /* there are as many as sessions */
    memset(x, 0, offsetof(struct exchange, log));
    x->session = s;
    list_init(&x->in_target);
    list_init(&x->in_generation);
    list_init(&x->in_group);
    x->log.method_len = x->log.host_len = x->log.id_len = 0;
    x->log.path_len = 0;
    x->client_idle_ms = s->service->config->timeout_idle_ms;
    s->exchange = x;
    s->state = SESSION_BUSY;
    count(&s->service->counters->requests, 1);
    count(&s->service->counters->active, 1);
    return x;
}

/* Takes hold of the generation and the pool that this request is served by. */
void exchange_bind(struct exchange *x, uint32_t index)
{
    const struct service *service = x->session->service;
    struct generation *generation = service->generation;

    x->pool = generation_pool(generation, index);
    x->pool_index = index;
    x->backends = image_items(generation->config.image, x->pool->backends, sizeof *x->backends);
    x->group = service->config->grouped ? &exchange_balancer(x)->groups[service->config->group_slot]
                                        : NULL;
    x->reads = service->config->role == SERVICE_SECONDARY;
    x->connect_ms = x->pool->timeout_connect_ms;
    x->response_ms = x->pool->timeout_response_ms;
    x->backend_idle_ms = x->pool->timeout_idle_ms;
    x->send_proxy = (enum balancer_send_proxy)x->pool->send_proxy;
    x->generation = generation;
    generation_use(generation);
    list_push_back(&generation->exchanges, &x->in_generation);
}

static void begin(struct exchange *x, uint32_t pool)
{
    exchange_bind(x, pool);
    retry_deposit(&exchange_balancer(x)->budgets[pool], x->pool->retry.budget, now_of(x));
    exchange_try(x);
}

static uint32_t route(const struct session *s, struct bytes head, const struct http1_head *request)
{
    const struct route_request asked = {
        .host = http1_bytes(head, request->host),
        .path = http1_bytes(head, request->path),
        .method = http1_bytes(head, request->method_name),
        .head = head,
        .fields = request->fields,
        .field_count = request->field_count,
    };

    return route_find(s->service->generation->config.image, s->service->config, &asked);
}

static struct bytes make_id(struct balancer *b, uint8_t text[REWRITE_ID_LEN])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < REWRITE_ID_LEN; i += 16) {
        uint64_t random = rng_next(&b->rng);

        for (int j = 0; j < 16; j++, random >>= 4)
            text[i + j] = (uint8_t)digits[random & 15];
    }
    return bytes_of(text, REWRITE_ID_LEN);
}

/* Writes the head as every backend of any try will get it. */
static bool write_head(struct exchange *x, struct bytes head, const struct http1_head *request)
{
    struct balancer *b = exchange_balancer(x);
    struct bytes id = rewrite_request_id(head, request);
    uint8_t made[REWRITE_ID_LEN];
    struct outgoing out;

    if (id.len == 0)
        id = make_id(b, made);
    if (x->session->service->config->access_log)
        access_note(&x->log, http1_bytes(head, request->method_name),
                    http1_bytes(head, request->host), http1_bytes(head, request->path), id);
    out_begin(&out, b, NULL, rewrite_request_bound(head.len, request));
    rewrite_request(&out.text, head, request,
                    &(struct rewrite_client){.address = &x->session->client, .id = id});
    x->head = out_keep(&out, &x->head_bytes);
    return x->head != NULL;
}

static void note_request(struct exchange *x, struct bytes head, const struct http1_head *request)
{
    x->method = request->method;
    x->minor = request->minor;
    x->keep_alive = request->keep_alive;
    x->upgrade = rewrite_upgrades(head, request);
    x->bytes_in = head.len;
    x->body_max = (uint64_t)x->session->service->config->body_max;
    x->retry.idempotent =
        retry_idempotent(request->method, http1_find(request, KNOWN_IDEMPOTENCY_KEY) != NULL);
    x->retry.held = true;
    http1_body_begin(&x->request, request);
    x->request_done = request->framing == FRAMING_NONE ||
                      (request->framing == FRAMING_LENGTH && request->content_length == 0);
}

void exchange_start(struct session *s, struct bytes head, const struct http1_head *request)
{
    struct exchange *x = exchange_new(s);
    uint32_t pool;

    note_request(x, head, request);
    if (!write_head(x, head, request)) {
        exchange_fail(x, 431, "the head does not fit into a buffer");
        return;
    }
    if (request->method == METHOD_CONNECT) {
        exchange_fail(x, 501, "CONNECT is for forward proxies");
        return;
    }
    if (request->framing == FRAMING_LENGTH && request->content_length > x->body_max) {
        exchange_fail(x, 413, "the body is too large");
        return;
    }
    if (s->orphaned) {
        exchange_fail(x, 503, "its service is gone");
        return;
    }
    pool = route(s, head, request);
    if (pool == ROUTE_NONE) {
        exchange_fail(x, 404, "no route matches");
        return;
    }
    begin(x, pool);
}

void exchange_start_tcp(struct session *s)
{
    struct exchange *x = exchange_new(s);

    x->request_done = true; /* what comes is held until there is somebody to send it to */
    x->retry.idempotent = true;
    x->retry.held = true;
    if (s->service->config->pool_index == ROUTE_NONE) {
        exchange_fail(x, 503, "the service has no pool");
        return;
    }
    begin(x, s->service->config->pool_index);
}
