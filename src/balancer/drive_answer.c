/*
 * From a backend's bytes to the client's answer. An answer that is cut short ends the client's connection with a reset, so that it
 * never looks complete; bytes after its end are nobody's, and end the backend's connection.
 */
#include "balancer/drive.h"

#include "balancer/rewrite.h"

static void sent(struct exchange *x, uint64_t bytes)
{
    x->bytes_out += bytes;
}

/* ---- the end ---- */

/* The client has all of it. The connection is kept if both ends are where the next request can begin. */
static void done(struct exchange *x, bool clean)
{
    struct upstream *u = x->upstream;
    bool keep = clean && x->backend_keeps && x->request_done && !u->ended && !u->private;

    pick_connected(x->target->state);
    if (keep)
        upstream_release(u);
    else
        upstream_close(u, false);
    exchange_end(x, NULL);
}

void answer_cut(struct exchange *x, const char *reason)
{
    struct backend_counters *counters = x->target->counters;

    count(&counters->failures, 1);
    atomic_store_explicit(&counters->last_failure_at,
                          (uint64_t)loop_now(x->session->stream.loop).ns, memory_order_relaxed);
    exchange_abandon(x, reason);
}

/* ---- content ---- */

/* The kernel moves what is left, where that is worth it. */
static void relay_rest(struct exchange *x)
{
    struct session *s = x->session;
    uint64_t left = http1_body_opaque(&x->answer);

    if (left < RELAY_BYTES_MIN || x->answer_relayed || x->framing == FRAMING_CHUNKED)
        return;
    x->answer_relayed = true;
    x->progress = 0;
    stream_receive(&x->upstream->stream, false);
    stream_relay(&x->upstream->stream, &s->stream, left);
}

void answer_relayed(struct exchange *x, uint64_t moved)
{
    x->answer_relayed = false;
    http1_body_skipped(&x->answer, moved);
    sent(x, moved);
    if (x->answer.framing == FRAMING_LENGTH && http1_body_complete(&x->answer)) {
        stream_receive(&x->upstream->stream, true);
        done(x, true);
        return;
    }
    stream_receive(&x->upstream->stream, true);
    exchange_deadline(x);
}

/* Sends what belongs to the body, after the text that `out` already has. */
static void pass_content(struct exchange *x, struct outgoing *out, struct chunk *chunk,
                         struct bytes bytes)
{
    struct http1_fault fault;
    struct bytes content = {0};
    size_t used = 0;
    enum http1_verdict verdict = body_take(&x->answer, bytes, &used, &content, &fault);
    bool chunked = x->framing == FRAMING_CHUNKED;

    if (verdict == HTTP1_WRONG) {
        answer_cut(x, "the body of the backend's answer is malformed");
        return;
    }
    out_content(out, chunk, content, chunked);
    if (verdict == HTTP1_DONE && chunked)
        out_last(out);
    if (!out_end(out)) {
        exchange_abandon(x, "out of buffers");
        return;
    }
    sent(x, out->bytes);
    if (verdict == HTTP1_DONE) {
        done(x, used == bytes.len);
        return;
    }
    exchange_deadline(x);
    if (stream_queued(&x->session->stream) > exchange_balancer(x)->queue_max) {
        x->answer_paused = true;
        stream_receive(&x->upstream->stream, false);
    } else {
        relay_rest(x);
    }
}

/* ---- heads ---- */

/* 100, 103 and their like go before the answer; a client of HTTP/1.0 knows of none. */
static bool pass_interim(struct exchange *x, struct bytes head, const struct http1_head *interim)
{
    struct outgoing out;
    bool again = interim->status == 100 && x->continued;

    if (x->minor == 0 || again)
        return true;
    x->continued |= interim->status == 100;
    out_begin(&out, exchange_balancer(x), &x->session->stream, rewrite_response_bound(head.len));
    rewrite_response(&out.text, head, interim,
                     &(struct rewrite_answer){.framing = FRAMING_NONE, .client_minor = 1});
    if (!out_end(&out))
        return false;
    sent(x, out.bytes);
    return true;
}

static void count_answer(struct exchange *x, uint16_t status)
{
    struct backend_counters *counters = x->target->counters;

    count(&counters->responses[status / 100], 1);
    histogram_record(&counters->latency, ns_between(x->sent, loop_now(x->session->stream.loop)));
}

static void begin(struct exchange *x, struct bytes head, const struct http1_head *answer,
                  struct chunk *chunk, struct bytes rest)
{
    struct session *s = x->session;
    struct outgoing out;
    bool upgrade = answer->status == 101;

    x->framing = rewrite_framing(answer, x->minor);
    x->close =
        !x->keep_alive || !x->request_done || x->framing == FRAMING_UNTIL_CLOSE || session_last(s);
    x->backend_keeps = answer->keep_alive;
    http1_body_begin(&x->answer, answer);
    out_begin(&out, exchange_balancer(x), &s->stream,
              rewrite_response_bound(head.len) + SMALL_CONTENT_MAX + 64);
    rewrite_response(&out.text, head, answer,
                     &(struct rewrite_answer){.framing = x->framing,
                                              .client_minor = x->minor,
                                              .close = x->close,
                                              .upgrade = upgrade});
    if (out.text.full) {
        exchange_fail(x, 502, "the answer's head does not fit into a buffer");
        return;
    }
    x->phase = PHASE_ANSWER;
    exchange_commit(x);
    grouped_succeeded(x);
    if (!upgrade) {
        pass_content(x, &out, chunk, rest);
        return;
    }
    if (!out_end(&out)) {
        exchange_abandon(x, "out of buffers");
        return;
    }
    sent(x, out.bytes);
    tunnel_start(x, chunk, rest);
}

/* A final head has come. */
static void take_final(struct exchange *x, struct bytes head, const struct http1_head *answer,
                       struct chunk *chunk, struct bytes rest)
{
    x->status = answer->status;
    count_answer(x, answer->status);
    if (answer->status == 101 && !x->upgrade) {
        exchange_try_failed(x, FAILURE_GARBAGE);
        return;
    }
    if (retry_status_bit(answer->status) != 0 && exchange_try_again(x, FAILURE_STATUS))
        return;
    begin(x, head, answer, chunk, rest);
}

static bool gather(struct upstream *u, struct bytes bytes)
{
    if (!u->held)
        u->held = chunk_take(u->stream.loop);
    if (!u->held)
        return false;
    memcpy(u->held->at + u->held_len, bytes.at, bytes.len);
    u->held_len += (uint32_t)bytes.len;
    return true;
}

static bool interim(const struct http1_head *head)
{
    return head->status < 200 && head->status != 101;
}

/* Takes one head. How many of the bytes it used; all, when it needs more or the exchange has gone on without this answer. */
static size_t take_head(struct exchange *x, struct chunk *chunk, struct bytes bytes)
{
    struct balancer *b = exchange_balancer(x);
    struct upstream *u = x->upstream;
    uint32_t before = u->held_len, used = 0;
    struct bytes view = bytes_take(bytes, b->head_max - before);
    struct chunk *held = u->held;
    struct http1_fault fault;

    if (held && gather(u, view))
        view = bytes_of(held->at, u->held_len);
    switch (http1_response(&u->scan, view, b->head_max, x->method, &b->head, &used, &fault)) {
    case HTTP1_MORE:
        if (!held && !gather(u, view))
            exchange_fail(x, 503, "out of buffers");
        return bytes.len;
    case HTTP1_WRONG:
        x->status = 0;
        exchange_try_failed(x, FAILURE_GARBAGE);
        return bytes.len;
    case HTTP1_DONE:
        break;
    }
    u->scan = (struct http1_scan){0};
    u->held = NULL;
    u->held_len = 0;
    if (!interim(&b->head)) {
        take_final(x, bytes_take(view, used), &b->head, chunk, bytes_skip(bytes, used - before));
        chunk_release(b->loop, held);
        return bytes.len;
    }
    if (!pass_interim(x, bytes_take(view, used), &b->head))
        exchange_abandon(x, "out of buffers");
    chunk_release(b->loop, held);
    return used - before;
}

/* ---- what the backend does ---- */

void answer_received(struct exchange *x, struct chunk *chunk, struct bytes bytes)
{
    struct session *s = x->session;
    struct upstream *u = x->upstream;
    struct outgoing out;

    if (x->phase == PHASE_ANSWER) {
        out_begin(&out, exchange_balancer(x), &s->stream, SMALL_CONTENT_MAX + 64);
        pass_content(x, &out, chunk, bytes);
        return;
    }
    while (bytes.len > 0 && s->exchange == x && x->upstream == u && x->phase < PHASE_ANSWER)
        bytes = bytes_skip(bytes, take_head(x, chunk, bytes));
}

enum failure answer_none(const struct upstream *u)
{
    return u->reused && u->held_len == 0 ? FAILURE_STALE : FAILURE_RESET;
}

void answer_ended(struct exchange *x)
{
    struct upstream *u = x->upstream;
    struct outgoing out;

    if (x->phase == PHASE_TUNNEL) {
        tunnel_ended(x, false);
        return;
    }
    if (x->phase < PHASE_ANSWER) {
        exchange_try_failed(x, answer_none(u));
        return;
    }
    if (x->answer.framing != FRAMING_UNTIL_CLOSE) {
        answer_cut(x, "the backend ended in the middle of its answer");
        return;
    }
    out_begin(&out, exchange_balancer(x), &x->session->stream, 64);
    if (x->framing == FRAMING_CHUNKED)
        out_last(&out);
    if (!out_end(&out)) {
        exchange_abandon(x, "out of buffers");
        return;
    }
    sent(x, out.bytes);
    done(x, false);
}
