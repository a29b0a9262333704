/*
 * Listeners and watches: the part that is the same for every back end.
 */
#include "net/backend.h"

#include <errno.h>

static void pause_accepting(struct listener *listener, int error)
{
    struct loop *loop = listener->loop;

    loop->backend->unlisten(listener);
    listener->flags |= LISTENER_PAUSED;
    timer_arm(loop, &listener->due, after_ms(loop->now, ACCEPT_PAUSE_MS));
    listener->starved(listener, error);
}

/* What concerns one connection that is already gone, not the listener. */
static bool passing(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
        return true;
    default:
        return false;
    }
}

/* Up to `most`; 0, or the errno that ended it. Whatever a callback did to the listener is in its flags. */
static int accept_some(struct listener *listener, unsigned most, uint32_t while_flag)
{
    for (unsigned i = 0; i < most && (listener->flags & while_flag); i++) {
        struct address peer;
        int fd = listener->loop->backend->kernel->accept(listener, &peer);

        if (fd < 0 && passing(errno))
            continue;
        if (fd < 0)
            return errno;
        listener->accepted(listener, fd, &peer);
    }
    return 0;
}

/*
 * Trying until there is none more would cost each lone connection a second, failing call. What is left over is reported
 * again by the kernel; so the share grows while it is used up, and shrinks when it was too large.
 */
void listener_accept(struct listener *listener)
{
    int error = accept_some(listener, listener->share, LISTENER_STARTED);

    if (error == 0 && listener->share < ACCEPT_TURN)
        listener->share *= 2;
    else if (error == EAGAIN && listener->share > 1)
        listener->share /= 2;
    if (error != 0 && error != EAGAIN && (listener->flags & LISTENER_STARTED))
        pause_accepting(listener, error);
}

static void drain(struct listener *listener)
{
    int error = accept_some(listener, ACCEPT_DRAIN, LISTENER_DRAINING);

    listener->flags &= ~LISTENER_DRAINING;
    if (error != 0 && error != EAGAIN)
        listener->starved(listener, error);
}

/* Of all listeners of a process in the same turn: a process that is idle wakes once for all of them. */
static void look_later(struct listener *listener)
{
    const int64_t every = LISTENER_LOOK_MS * NS_PER_MS;
    int64_t now = listener->loop->now.ns;

    if (listener->shared)
        timer_arm(listener->loop, &listener->due, (struct instant){now - now % every + every});
}

/*
 * One connection wakes one process, and one that is stopped or killed between that and its accept has used the wake-up:
 * the others would hear of the connection only with the next one.
 */
static void look(struct listener *listener)
{
    int error = accept_some(listener, ACCEPT_TURN, LISTENER_STARTED);

    if (!(listener->flags & LISTENER_STARTED))
        return;
    if (error == 0)
        timer_arm(listener->loop, &listener->due, listener->loop->now);
    else if (error == EAGAIN)
        look_later(listener);
    else
        pause_accepting(listener, error);
}

static void resume(struct listener *listener)
{
    listener->flags &= ~LISTENER_PAUSED;
    if (listener->loop->backend->listen(listener))
        look_later(listener);
    else
        pause_accepting(listener, errno);
}

static void fall_due(struct timer *timer)
{
    struct listener *listener = container_of(timer, struct listener, due);

    if (listener->flags & LISTENER_DRAINING)
        drain(listener);
    else if (listener->flags & LISTENER_PAUSED)
        resume(listener);
    else
        look(listener);
}

void listener_start(struct loop *loop, struct listener *listener, int fd)
{
    must(fd >= 0);
    must(listener->accepted && listener->starved);
    listener->loop = loop;
    listener->fd = fd;
    listener->flags = LISTENER_STARTED;
    listener->poll = NULL;
    listener->share = 1;
    timer_init(&listener->due, fall_due);
    if (loop->backend->listen(listener)) {
        look_later(listener);
        return;
    }
    /* A kernel that cannot follow it now is asked again in the first turn, where `starved` can be told. */
    listener->flags |= LISTENER_PAUSED;
    timer_arm(loop, &listener->due, loop->now);
}

void listener_stop(struct listener *listener, bool drain_first)
{
    if (!(listener->flags & LISTENER_STARTED))
        return;
    listener->loop->backend->unlisten(listener);
    listener->flags = drain_first ? LISTENER_DRAINING : 0;
    timer_cancel(listener->loop, &listener->due);
    if (drain_first)
        timer_arm(listener->loop, &listener->due, listener->loop->now);
}

static uint32_t interest(bool read, bool write)
{
    return (read ? WATCH_READ : 0u) | (write ? WATCH_WRITE : 0u);
}

void watch_start(struct loop *loop, struct watch *watch, int fd, bool read, bool write)
{
    must(fd >= 0);
    watch->loop = loop;
    watch->fd = fd;
    watch->flags = WATCH_STARTED | interest(read, write);
    watch->poll = NULL;
    loop->backend->watch(watch);
}

void watch_change(struct watch *watch, bool read, bool write)
{
    must(watch->flags & WATCH_STARTED);
    if ((watch->flags & (WATCH_READ | WATCH_WRITE)) == interest(read, write))
        return;
    watch->flags &= ~(WATCH_READ | WATCH_WRITE);
    watch->flags |= interest(read, write);
    watch->loop->backend->watch(watch);
}

void watch_stop(struct watch *watch)
{
    if (!(watch->flags & WATCH_STARTED))
        return;
    watch->loop->backend->unwatch(watch);
    watch->flags = 0;
}

void watch_tell(struct watch *watch, bool readable, bool writable)
{
    readable = readable && (watch->flags & WATCH_READ);
    writable = writable && (watch->flags & WATCH_WRITE);
    if (readable || writable)
        watch->ready(watch, readable, writable);
}
