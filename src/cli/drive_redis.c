/*
 * Holds one connection: opens it, hears answers, opens it again.
 */
#include "cli/drive_redis.h"

#include "base/clock.h"
#include "cli/journal.h"

enum { IN_MAX = 1 << 20, OUT_MAX = 1 << 20 };

/* No answer that the journal asks for is longer. */
static const struct resp_limits limits = {
    .bulk_max = 512 << 10, .count_max = 1 << 20, .line_max = 64 << 10, .depth_max = 2};

static void connect_now(struct redis *redis);

static struct redis *redis_of(struct stream *stream)
{
    return container_of(stream, struct redis, stream);
}

static void arm(struct redis *redis, int64_t ms)
{
    timer_arm(redis->driver->loop, &redis->timer, after_ms(clock_now(), ms));
}

/* After it ended: the next host, at once or after a pause. */
static void try_next(struct redis *redis)
{
    redis->at = (redis->at + 1) % redis->count;
    redis->failures++;
    redis->phase = REDIS_PAUSING;
    arm(redis, journal_pause_ms(redis->failures, redis->count));
}

void redis_break(struct redis *redis, enum load_outcome why)
{
    must(redis->phase == REDIS_CONNECTING || redis->phase == REDIS_OPEN);
    redis->phase = REDIS_CLOSING;
    timer_cancel(redis->driver->loop, &redis->timer);
    stream_close(&redis->stream, true);
    redis->events->broke(redis, why);
}

/* ---- events ---- */

static void on_connected(struct stream *stream)
{
    struct redis *redis = redis_of(stream);

    if (redis->phase != REDIS_CONNECTING)
        return;
    redis->phase = REDIS_OPEN;
    timer_cancel(redis->driver->loop, &redis->timer);
    resp_begin_replies(&redis->parser, &limits);
    buf_clear(&redis->in);
    stream_receive(stream, true);
    redis->events->opened(redis);
}

/* Returns what is left: a part of an item. */
static struct bytes hear(struct redis *redis, struct bytes bytes)
{
    while (redis->phase == REDIS_OPEN) {
        struct resp_item item;
        size_t used;

        switch (resp_next(&redis->parser, bytes, &item, &used)) {
        case RESP_MORE:
            return bytes;
        case RESP_WRONG:
            redis_break(redis, LOAD_MALFORMED);
            break;
        case RESP_ITEM:
            bytes = bytes_skip(bytes, used);
            redis->events->heard(redis, &item);
            break;
        }
    }
    return bytes;
}

static void on_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct redis *redis = redis_of(stream);

    (void)chunk;
    if (redis->phase != REDIS_OPEN)
        return;
    if (redis->in.len == 0) {
        bytes = hear(redis, bytes);
        buf_add(&redis->in, bytes);
    } else {
        buf_add(&redis->in, bytes);
        if (!redis->in.full)
            buf_drop(&redis->in, redis->in.len - hear(redis, buf_bytes(&redis->in)).len);
    }
    if (redis->in.full && redis->phase == REDIS_OPEN)
        redis_break(redis, LOAD_MALFORMED);
}

static void on_ended(struct stream *stream)
{
    struct redis *redis = redis_of(stream);

    if (redis->phase == REDIS_OPEN)
        redis_break(redis, LOAD_CLOSED_EARLY);
}

static void on_failed(struct stream *stream, int error)
{
    struct redis *redis = redis_of(stream);

    if (redis->phase == REDIS_OPEN || redis->phase == REDIS_CONNECTING)
        redis_break(redis, load_outcome_of_errno(redis->phase == REDIS_CONNECTING, error));
}

static void on_drained(struct stream *stream)
{
    (void)stream;
}

static void on_closed(struct stream *stream)
{
    struct redis *redis = redis_of(stream);

    if (redis->goes)
        redis->phase = REDIS_SHUT;
    else
        try_next(redis);
}

static void on_timer(struct timer *timer)
{
    struct redis *redis = container_of(timer, struct redis, timer);

    if (redis->phase == REDIS_PAUSING)
        connect_now(redis);
    else
        redis_break(redis, LOAD_TIMEOUT);
}

static const struct stream_events events = {
    .connected = on_connected,
    .received = on_received,
    .ended = on_ended,
    .drained = on_drained,
    .failed = on_failed,
    .closed = on_closed,
};

/* ---- what the owner does ---- */

static void connect_now(struct redis *redis)
{
    const struct address *to = &redis->driver->to[redis->first + redis->at];
    enum load_outcome why = LOAD_UNRESOLVED;
    struct err err = {0};

    if (redis->driver->plan)
        redis->driver->plan->connects++;
    if (to->family != 0) {
        why = LOAD_NO_RESOURCES;
        if (stream_connect(redis->driver->loop, &redis->stream, to, NULL, &events, &err)) {
            redis->phase = REDIS_CONNECTING;
            arm(redis, redis->attempt_ms);
            return;
        }
    }
    try_next(redis);
    redis->events->broke(redis, why);
}

void redis_begin(struct redis *redis)
{
    must(redis->count > 0);
    buf_init(&redis->in, IN_MAX);
    buf_init(&redis->out, OUT_MAX);
    timer_init(&redis->timer, on_timer);
    redis->phase = REDIS_PAUSING;
    arm(redis, 0);
}

void redis_send(struct redis *redis)
{
    must(redis->phase == REDIS_OPEN && !redis->out.full);
    arm(redis, redis->attempt_ms);
    if (!stream_send(&redis->stream, NULL, buf_bytes(&redis->out)))
        redis_break(redis, LOAD_NO_RESOURCES);
}

void redis_progress(struct redis *redis, bool awaits)
{
    redis->failures = 0;
    if (awaits)
        arm(redis, redis->attempt_ms);
    else
        timer_cancel(redis->driver->loop, &redis->timer);
}

void redis_shut(struct redis *redis)
{
    redis->goes = true;
    if (redis->phase != REDIS_SHUT)
        timer_cancel(redis->driver->loop, &redis->timer);
    if (redis->phase == REDIS_PAUSING)
        redis->phase = REDIS_SHUT;
    if (redis->phase == REDIS_CONNECTING || redis->phase == REDIS_OPEN) {
        redis->phase = REDIS_CLOSING;
        stream_close(&redis->stream, true);
    }
}

void redis_fini(struct redis *redis)
{
    must(redis_is_shut(redis));
    buf_fini(&redis->in);
    buf_fini(&redis->out);
}
