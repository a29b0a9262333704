/*
 * Moves bytes between a client and the routes. Every phase has a deadline, so that nobody holds a connection for long, and every
 * buffer a limit. It decides nothing about what is answered.
 */
#include "admin/drive_connection.h"

#include "base/clock.h"
#include "base/must.h"

#include <stdio.h>
#include <time.h>

enum {
    IDLE_MS = 60000,
    REQUEST_MS = 10000, /* from its first byte to its last */
    RELOAD_MS = 60000,
    ASK_MS = 65000, /* beyond what the agent itself waits for */
    SEND_MS = 30000,
    LINGER_MS = 2000,
    IN_MAX =
        HEAD_MAX + (1 << 20), /* a head that is not complete, and one more buffer of the loop's */
    ANSWER_HEAD_MAX = 1024,
};

static void advance(struct connection *c);

static void arm(struct connection *c, int64_t ms)
{
    struct loop *loop = admin_loop(c->admin);

    timer_arm(loop, &c->deadline, after_ms(loop_now(loop), ms));
}

void admin_connection_close(struct connection *c)
{
    if (c->phase == PHASE_CLOSING || c->phase == PHASE_FREE)
        return;
    c->phase = PHASE_CLOSING;
    timer_cancel(admin_loop(c->admin), &c->deadline);
    stream_close(&c->stream, false);
}

/* ---- answering ---- */

static void write_date(struct buf *out, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[64];

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    http1_write_field(out, BYTES("Date"), bytes_of_string(text));
}

static void write_head(struct connection *c, const struct admin_reply *reply)
{
    char length[24];

    snprintf(length, sizeof length, "%zu", c->body.len);
    buf_init(&c->head, ANSWER_HEAD_MAX);
    http1_write_status_line(&c->head, reply->status, bytes_of_string(http1_reason(reply->status)));
    write_date(&c->head, clock_wall_ms());
    http1_write_field(&c->head, BYTES("Content-Type"), bytes_of_string(reply->type));
    http1_write_field(&c->head, BYTES("Content-Length"), bytes_of_string(length));
    http1_write_field(&c->head, BYTES("Cache-Control"), BYTES("no-store"));
    http1_write_field(&c->head, BYTES("X-Content-Type-Options"), BYTES("nosniff"));
    if (reply->allow)
        http1_write_field(&c->head, BYTES("Allow"), bytes_of_string(reply->allow));
    if (reply->status == 503)
        http1_write_field(&c->head, BYTES("Retry-After"), BYTES("1"));
    if (c->last)
        http1_write_field(&c->head, BYTES("Connection"), BYTES("close"));
    http1_write_end(&c->head);
}

/* Whether the kernel took everything at once is known in the next turn only; only what it did not take is followed by `drained`. */
static void send_reply(struct connection *c, const struct admin_reply *reply)
{
    bool content = c->request.method != METHOD_HEAD;

    write_head(c, reply);
    if (c->head.full || !stream_send(&c->stream, NULL, buf_bytes(&c->head)) ||
        (content && !stream_send(&c->stream, NULL, buf_bytes(&c->body)))) {
        admin_connection_close(c);
        return;
    }
    c->phase = PHASE_SENDING;
    c->settled = false;
    stream_receive(&c->stream, false);
    arm(c, 0);
}

static struct admin_reply begin_reply(struct connection *c)
{
    buf_fini(&c->body);
    buf_init(&c->body, ANSWER_MAX);
    return (struct admin_reply){.body = &c->body};
}

static void refuse(struct connection *c, uint16_t status, const char *why)
{
    struct admin_reply reply = begin_reply(c);

    c->last = true;
    admin_reply_error(status, why, &reply);
    send_reply(c, &reply);
}

static void answer(struct connection *c)
{
    struct admin_scene scene = admin_scene(c->admin);
    struct admin_reply reply = begin_reply(c);

    if (!admin_may_answer(c->admin)) {
        refuse(c, 503, "too many answers are still being read");
        return;
    }
    admin_reply_to(&scene, &c->request, &reply);
    if (!admin_carry_out(c->admin, c, &reply)) {
        refuse(c, 503,
               reply.order == ORDER_ASK ? "the agent cannot be asked just now"
                                        : "the supervisor cannot be asked just now");
        return;
    }
    if (reply.order != ORDER_RELOAD && reply.order != ORDER_ASK) {
        send_reply(c, &reply);
        return;
    }
    c->phase = reply.order == ORDER_ASK ? PHASE_ASKING : PHASE_WAITING;
    stream_receive(&c->stream, false);
    arm(c, reply.order == ORDER_ASK ? ASK_MS : RELOAD_MS);
}

void admin_connection_answer_asked(struct connection *c, uint16_t status, struct bytes json)
{
    struct admin_reply reply = begin_reply(c);

    admin_reply_asked(status, json, &reply);
    send_reply(c, &reply);
}

void admin_connection_answer_lost(struct connection *c)
{
    struct admin_reply reply = begin_reply(c);

    admin_reply_lost(&reply);
    send_reply(c, &reply);
}

void admin_connection_answer_reload(struct connection *c, bool done, struct bytes text)
{
    struct admin_scene scene = admin_scene(c->admin);
    struct admin_reply reply = begin_reply(c);

    admin_reply_reloaded(done, text, counted(&scene.board->generation), &reply);
    send_reply(c, &reply);
}

/* ---- reading ---- */

static void begin_request(struct connection *c, const struct http1_head *head)
{
    uint16_t status;

    c->last = !head->keep_alive;
    c->content_bytes = 0;
    http1_body_begin(&c->content, head);
    if (!admin_read_request(&c->request, head, buf_bytes(&c->in), &status)) {
        refuse(c, status, status == 414 ? "the path is too long" : "the Host cannot be read");
        return;
    }
    c->request.local = c->local;
    c->request.loopback = c->loopback;
    if (head->framing == FRAMING_LENGTH && head->content_length > BODY_MAX) {
        refuse(c, 413, "no request here needs that much content");
        return;
    }
    if (head->expects_continue && head->framing != FRAMING_NONE &&
        !stream_send(&c->stream, NULL, BYTES("HTTP/1.1 100 Continue\r\n\r\n"))) {
        admin_connection_close(c);
        return;
    }
    c->phase = PHASE_BODY;
}

/* True when there is more to do with the bytes that are here. */
static bool read_head(struct connection *c)
{
    struct http1_head *head = admin_scratch(c->admin);
    struct http1_fault fault;
    uint32_t used = 0;

    if (c->in.len == 0)
        return false;
    switch (http1_request(&c->scan, buf_bytes(&c->in), HEAD_MAX, head, &used, &fault)) {
    case HTTP1_MORE:
        return false;
    case HTTP1_WRONG:
        refuse(c, fault.status, fault.why);
        return false;
    case HTTP1_DONE:
        begin_request(c, head);
        buf_drop(&c->in, used);
        c->scan = (struct http1_scan){0};
        return c->phase == PHASE_BODY;
    }
    never("a verdict of no kind");
}

static bool read_content(struct connection *c)
{
    struct http1_fault fault;
    struct bytes content = {0};
    size_t used = 0;
    enum http1_verdict verdict =
        http1_body_next(&c->content, buf_bytes(&c->in), &used, &content, &fault);

    buf_drop(&c->in, used);
    c->content_bytes += content.len;
    if (c->content_bytes > BODY_MAX)
        refuse(c, 413, "no request here needs that much content");
    else if (verdict == HTTP1_WRONG)
        refuse(c, fault.status, fault.why);
    else if (verdict == HTTP1_DONE)
        answer(c);
    else
        return used > 0 && c->in.len > 0;
    return false;
}

static void advance(struct connection *c)
{
    bool more = true;

    while (more)
        more = c->phase == PHASE_HEAD ? read_head(c) : c->phase == PHASE_BODY && read_content(c);
}

/* The answer has gone: on to the next request, or out. */
static void sent(struct connection *c)
{
    buf_fini(&c->head);
    buf_fini(&c->body);
    if (c->last) {
        c->phase = PHASE_LINGERING;
        stream_finish(&c->stream);
        stream_receive(&c->stream, true);
        arm(c, LINGER_MS);
        return;
    }
    c->phase = PHASE_HEAD;
    arm(c, c->in.len ? REQUEST_MS : IDLE_MS);
    stream_receive(&c->stream, true);
    advance(c);
}

/* ---- events ---- */

static struct connection *of_stream(struct stream *stream)
{
    return container_of(stream, struct connection, stream);
}

static void on_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct connection *c = of_stream(stream);
    bool first = c->phase == PHASE_HEAD && c->in.len == 0;

    (void)chunk;
    if (c->phase == PHASE_LINGERING)
        return;
    if (first)
        arm(c, REQUEST_MS);
    buf_add(&c->in, bytes);
    if (c->in.full)
        admin_connection_close(c);
    else
        advance(c);
}

/* A client that has said all may still read. */
static void on_ended(struct stream *stream)
{
    struct connection *c = of_stream(stream);

    if (c->phase == PHASE_WAITING || c->phase == PHASE_ASKING || c->phase == PHASE_SENDING)
        c->last = true;
    else
        admin_connection_close(c);
}

static void on_drained(struct stream *stream)
{
    struct connection *c = of_stream(stream);

    if (c->phase == PHASE_SENDING && c->settled)
        sent(c);
}

static void on_failed(struct stream *stream, int error)
{
    (void)error;
    admin_connection_close(of_stream(stream));
}

static void on_closed(struct stream *stream)
{
    struct connection *c = of_stream(stream);

    buf_fini(&c->in);
    buf_fini(&c->head);
    buf_fini(&c->body);
    c->phase = PHASE_FREE;
    admin_forget_connection(c->admin, c);
}

static void on_deadline(struct timer *timer)
{
    struct connection *c = container_of(timer, struct connection, deadline);

    switch (c->phase) {
    case PHASE_HEAD:
        if (c->in.len == 0)
            admin_connection_close(c);
        else
            refuse(c, 408, "the request took too long");
        return;
    case PHASE_BODY:
        refuse(c, 408, "the request took too long");
        return;
    case PHASE_WAITING:
        refuse(c, 504, "the reload goes on; its result is in the log");
        return;
    case PHASE_ASKING:
        refuse(c, 504, "the agent does not answer: it may have been done, or not");
        return;
    case PHASE_SENDING:
        if (c->settled) {
            admin_connection_close(c);
            return;
        }
        c->settled = true;
        if (stream_queued(&c->stream) == 0)
            sent(c);
        else
            arm(c, SEND_MS);
        return;
    case PHASE_LINGERING:
        admin_connection_close(c);
        return;
    case PHASE_FREE:
    case PHASE_CLOSING:
        never("a deadline of a connection that is gone");
    }
}

void admin_connection_open(struct connection *c, struct admin *admin, int fd, bool local,
                           const struct address *peer)
{
    static const struct stream_events events = {.received = on_received,
                                                .ended = on_ended,
                                                .drained = on_drained,
                                                .failed = on_failed,
                                                .closed = on_closed};

    must(c->phase == PHASE_FREE);
    *c = (struct connection){.admin = admin,
                             .phase = PHASE_HEAD,
                             .local = local,
                             .loopback = !local && address_is_loopback(peer)};
    buf_init(&c->in, IN_MAX);
    timer_init(&c->deadline, on_deadline);
    stream_adopt(admin_loop(admin), &c->stream, fd, &events);
    arm(c, IDLE_MS);
    stream_receive(&c->stream, true);
}
