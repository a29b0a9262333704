/*
 * Listeners and watches on io_uring: polled once at a time, which is level-triggered, and served by plain calls.
 */
#include "net/uring.h"

#include <sys/epoll.h>

static struct poll *poll_take(struct uring *uring)
{
    struct poll *poll = uring->polls;

    must(poll); /* a process has few of what is watched */
    uring->polls = poll->next;
    *poll = (struct poll){0};
    return poll;
}

static void poll_release(struct uring *uring, struct poll *poll)
{
    poll->next = uring->polls;
    uring->polls = poll;
}

void polls_open(struct uring *uring)
{
    for (size_t i = POLLS_MAX; i-- > 0;)
        poll_release(uring, &uring->polls_all[i]);
}

static void poll_arm(struct uring *uring, struct poll *poll, int fd, uint32_t events)
{
    struct io_uring_sqe *sqe = next_sqe(uring);

    io_uring_prep_poll_add(sqe, fd, events);
    sqe->user_data = data_of(poll, OP_POLL);
    poll->armed = true;
}

/* Nobody waits any more. One whose owner is being told just now is released after that. */
static void poll_forget(struct uring *uring, struct poll *poll)
{
    if (!poll)
        return;
    poll->watch = NULL;
    poll->listener = NULL;
    if (poll->armed)
        cancel(uring, poll, OP_POLL);
}

bool uring_listen(struct listener *listener)
{
    struct uring *uring = listener->loop->state;
    struct poll *poll = poll_take(uring);

    poll->listener = listener;
    listener->poll = poll;
    /* Exclusive: one connection wakes one of the processes that share the socket. */
    poll_arm(uring, poll, listener->fd, EPOLLIN | EPOLLEXCLUSIVE);
    return true;
}

void uring_unlisten(struct listener *listener)
{
    poll_forget(listener->loop->state, listener->poll);
    listener->poll = NULL;
}

static uint32_t interest(const struct watch *watch)
{
    return (watch->flags & WATCH_READ ? EPOLLIN | EPOLLRDHUP : 0u) |
           (watch->flags & WATCH_WRITE ? EPOLLOUT : 0u);
}

void uring_unwatch(struct watch *watch)
{
    poll_forget(watch->loop->state, watch->poll);
    watch->poll = NULL;
}

void uring_watch(struct watch *watch)
{
    struct uring *uring = watch->loop->state;
    struct poll *poll = watch->poll;

    if (poll && !poll->armed)
        return; /* it is being told, and then waits for what it now wants */
    uring_unwatch(watch);
    if (!interest(watch))
        return;
    poll = poll_take(uring);
    poll->watch = watch;
    watch->poll = poll;
    poll_arm(uring, poll, watch->fd, interest(watch));
}

static void poll_again(struct uring *uring, struct poll *poll)
{
    if (poll->listener) {
        poll_arm(uring, poll, poll->listener->fd, EPOLLIN | EPOLLEXCLUSIVE);
    } else if (poll->watch && interest(poll->watch)) {
        poll_arm(uring, poll, poll->watch->fd, interest(poll->watch));
    } else {
        if (poll->watch)
            poll->watch->poll = NULL;
        poll_release(uring, poll);
    }
}

void polled(struct uring *uring, struct poll *poll, int result)
{
    const uint32_t trouble = EPOLLHUP | EPOLLERR;
    uint32_t events = result < 0 ? 0 : (uint32_t)result;

    poll->armed = false;
    if (poll->listener)
        listener_accept(poll->listener);
    else if (poll->watch)
        watch_tell(poll->watch, events & (EPOLLIN | EPOLLRDHUP | trouble),
                   events & (EPOLLOUT | trouble));
    poll_again(uring, poll);
}
