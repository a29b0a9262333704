/*
 * Makes one check: connects, asks, waits for the answer until the deadline, closes.
 *
 * The connection is closed with a reset: the answer is known by then, and neither side keeps a TIME_WAIT for it. It says
 * nothing of a backend when the check failed for a reason of this machine's own.
 */
#include "health/drive.h"

#include <errno.h>

static struct loop *loop_of(const struct watched *watched)
{
    return watched->health->options.loop;
}

static void close_stream(struct watched *watched)
{
    watched->phase = CLOSING;
    check_http_fini(&watched->http);
    timer_cancel(loop_of(watched), &watched->timer);
    stream_close(&watched->stream, true);
}

static void end(struct watched *watched, enum health_outcome outcome)
{
    const char *why = outcome == HEALTH_GARBAGE ? watched->http.why : health_outcome_name(outcome);

    watched_ended(watched, outcome, watched->http.status, why);
    close_stream(watched);
}

void check_cancel(struct watched *watched)
{
    if (watched->phase != RESTING && watched->phase != CLOSING)
        close_stream(watched);
}

static void on_connected(struct stream *stream)
{
    struct watched *watched = container_of(stream, struct watched, stream);
    struct loop *loop = loop_of(watched);
    const struct health_target *target = &watched->target;
    struct chunk *chunk;
    struct buf request;
    bool sent;

    stream_receive(stream, true);
    if (target->check->kind == CHECK_TCP) {
        watched->phase = SETTLING;
        timer_arm(loop, &watched->timer,
                  earlier(watched->deadline, after_ms(loop_now(loop), SETTLE_MS)));
        return;
    }
    watched->phase = ASKING;
    check_http_init(&watched->http, target->check, target->image);
    chunk = chunk_take(loop);
    if (chunk) {
        buf_over(&request, chunk->at, chunk->cap);
        check_http_write(&request, target->check, target->image, watched->name);
    }
    sent = chunk && stream_send(stream, chunk, buf_bytes(&request));
    chunk_release(loop, chunk);
    if (!sent) {
        watched_failed_to_ask(watched);
        close_stream(watched);
    }
}

static void on_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct watched *watched = container_of(stream, struct watched, stream);
    enum health_outcome outcome = HEALTH_OK;

    (void)chunk;
    if (watched->phase == SETTLING ||
        (watched->phase == ASKING && check_http_take(&watched->http, bytes, &outcome)))
        end(watched, outcome);
}

static void on_ended(struct stream *stream)
{
    struct watched *watched = container_of(stream, struct watched, stream);

    if (watched->phase == SETTLING)
        end(watched, HEALTH_CUT_SHORT);
    else if (watched->phase == ASKING)
        end(watched, check_http_end(&watched->http));
}

static enum health_outcome outcome_of(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return HEALTH_REFUSED;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return HEALTH_RESET;
    case ETIMEDOUT:
        return HEALTH_TIMEOUT;
    default:
        return HEALTH_UNREACHABLE;
    }
}

/* Errors that come from this machine's limits or rules. */
static bool our_own(int error)
{
    return error == EADDRNOTAVAIL || error == ENOBUFS || error == ENOMEM || error == EMFILE ||
           error == ENFILE || error == EPERM || error == EACCES;
}

static void on_failed(struct stream *stream, int error)
{
    struct watched *watched = container_of(stream, struct watched, stream);

    if (watched->phase == CLOSING)
        return;
    if (!our_own(error)) {
        end(watched, outcome_of(error));
        return;
    }
    watched_failed_to_ask(watched);
    close_stream(watched);
}

static void on_drained(struct stream *stream)
{
    (void)stream;
}

static void on_closed(struct stream *stream)
{
    struct watched *watched = container_of(stream, struct watched, stream);

    must(watched->phase == CLOSING);
    watched->health->busy--;
    watched_rest(watched);
}

static const struct stream_events events = {
    .connected = on_connected,
    .received = on_received,
    .ended = on_ended,
    .drained = on_drained,
    .failed = on_failed,
    .closed = on_closed,
};

void check_begin(struct watched *watched)
{
    const struct health_check *check = watched->target.check;
    struct address to = watched->address;
    struct loop *loop = loop_of(watched);
    struct err err = {0};

    watched->began = loop_now(loop);
    watched->deadline = after_ms(watched->began, check->timeout_ms);
    watched->excused = false;
    watched->http = (struct check_http){0};
    if (check->port)
        to.port = (uint16_t)check->port;
    if (to.family == 0) {
        watched_ended(watched, HEALTH_UNRESOLVED, 0, "its name does not resolve");
        watched_rest(watched);
    } else if (!stream_connect(loop, &watched->stream, &to, NULL, &events, &err)) {
        watched_failed_to_ask(watched);
        watched_rest(watched);
    } else {
        watched->phase = CONNECTING;
        watched->health->busy++;
        timer_arm(loop, &watched->timer, watched->deadline);
    }
}

/* A process that was stopped, or starved of its core, finds deadlines long gone and answers unread: it reads them first. */
static bool stalled(const struct watched *watched)
{
    struct instant now = loop_now(loop_of(watched));

    return passed(after_ms(watched->deadline, STALLED_MS), now) && !watched->excused;
}

void check_timer(struct watched *watched)
{
    struct loop *loop = loop_of(watched);

    if (watched->phase == SETTLING) {
        end(watched, HEALTH_OK);
    } else if (stalled(watched)) {
        watched->excused = true;
        timer_arm(loop, &watched->timer, after_ms(loop_now(loop), STALLED_MS));
    } else {
        end(watched, HEALTH_TIMEOUT);
    }
}
