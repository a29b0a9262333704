#include "net/backend.h"

#include <signal.h>
#include <stdlib.h>

bool loop_open_on(struct loop **out, const struct backend *backend, void *state,
                  const struct loop_options *options, struct err *err)
{
    struct loop *loop = calloc(1, sizeof *loop);

    must(options->chunks_max > 0);
    must(options->chunk_bytes >= 4096 && options->chunk_bytes <= 1 << 20);
    if (!loop)
        return err_system(err, "open a loop");
    loop->backend = backend;
    loop->state = state;
    loop->now = loop_read_clock(loop, LOOP_MONOTONIC);
    wheel_init(&loop->wheel, loop->now);
    list_init(&loop->dirty);
    list_init(&loop->again);
    list_init(&loop->starving);
    list_init(&loop->closing);
    /* A peer that goes away is told by EPIPE. send can be told so, splice cannot. */
    signal(SIGPIPE, SIG_IGN);
    if (!pools_open(loop, options, err))
        goto fail;
    if (!loop->backend->open(loop, err))
        goto fail;
    *out = loop;
    return true;
fail:
    pools_close(loop);
    free(loop);
    return false;
}

bool loop_open(struct loop **out, const struct loop_options *options, struct err *err)
{
    /* Auto is epoll: io_uring gains under saturation alone, and many systems forbid it. */
    const struct backend *backend = options->kind == LOOP_URING ? &backend_uring : &backend_epoll;

    return loop_open_on(out, backend, NULL, options, err);
}

void loop_close(struct loop *loop)
{
    if (!loop)
        return;
    must(loop->streams == 0);
    loop->backend->close(loop);
    pools_close(loop);
    free(loop);
}

enum loop_kind loop_kind(const struct loop *loop)
{
    return loop->backend->kind;
}

struct instant loop_now(const struct loop *loop)
{
    return loop->now;
}

struct instant loop_read_clock(const struct loop *loop, enum loop_clock clock)
{
    return loop->backend->kernel->now(loop, clock);
}

void loop_close_fd(struct loop *loop, int fd)
{
    loop->backend->kernel->close(loop, fd, false);
}

void loop_woke(struct loop *loop, struct instant now)
{
    loop->now = now;
    wheel_advance(&loop->wheel, now);
}

void loop_settle(struct loop *loop)
{
    struct list batch, *node;

    if (list_empty(&loop->dirty))
        return;
    list_move(&batch, &loop->dirty);
    while ((node = list_pop_front(&batch))) {
        struct stream *stream = container_of(node, struct stream, work);

        stream->flags &= ~STREAM_DIRTY;
        loop->backend->work(stream);
    }
}

static void fire_timers(struct loop *loop)
{
    struct list batch, *node;

    if (list_empty(&loop->wheel.due))
        return;
    /* What is armed meanwhile for now or earlier waits for the next turn. */
    list_move(&batch, &loop->wheel.due);
    while ((node = list_pop_front(&batch))) {
        struct timer *timer = container_of(node, struct timer, node);

        timer->fire(timer);
        loop_settle(loop);
    }
}

/* Those that waited in `list` do what they can now. */
static void work_again(struct loop *loop, struct list *list)
{
    struct list batch, *node;

    if (list_empty(list))
        return;
    list_move(&batch, list);
    while ((node = list_pop_front(&batch))) {
        loop->backend->work(container_of(node, struct stream, work));
        loop_settle(loop);
    }
}

static void tell_closed(struct loop *loop)
{
    struct list batch, *node;

    if (list_empty(&loop->closing))
        return;
    list_move(&batch, &loop->closing);
    while ((node = list_pop_front(&batch))) {
        struct stream *stream = container_of(node, struct stream, work);

        loop->streams--;
        stream->events->closed(stream);
    }
}

static bool fed(const struct loop *loop)
{
    return !list_empty(&loop->starving) && loop_chunks_free(loop) > 0;
}

int64_t loop_patience(struct loop *loop, int64_t wait_ns)
{
    struct instant next;

    if (!list_empty(&loop->dirty) || !list_empty(&loop->again) || !list_empty(&loop->closing) ||
        fed(loop))
        return 0;
    if (wait_ns <= 0)
        return 0;
    next = wheel_next(&loop->wheel);
    if (next.ns == NEVER.ns)
        return wait_ns;
    /* The last turn may have been long: its own reading of the clock is too old to count from. */
    next.ns -= loop_read_clock(loop, LOOP_MONOTONIC).ns;
    if (next.ns <= 0)
        return 0;
    return next.ns < wait_ns ? next.ns : wait_ns;
}

void loop_turn(struct loop *loop, int64_t wait_ns)
{
    struct list again;

    loop_settle(loop);
    wait_ns = loop_patience(loop, wait_ns);
    list_move(&again, &loop->again);
    loop->backend->wait(loop, wait_ns);
    loop_settle(loop);
    work_again(loop, &again);
    if (fed(loop))
        work_again(loop, &loop->starving);
    fire_timers(loop);
    loop_settle(loop);
    tell_closed(loop);
}

void loop_run(struct loop *loop)
{
    while (!loop->stopped)
        loop_turn(loop, INT64_MAX);
    loop->stopped = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *timer))
{
    list_init(&timer->node);
    timer->at = NEVER;
    timer->fire = fire;
}

void timer_arm(struct loop *loop, struct timer *timer, struct instant at)
{
    list_remove(&timer->node);
    timer->at = at;
    wheel_add(&loop->wheel, timer);
}

void timer_cancel(struct loop *loop, struct timer *timer)
{
    (void)loop;
    list_remove(&timer->node);
}

bool timer_armed(const struct timer *timer)
{
    return !list_empty(&timer->node);
}
