/*
 * The epoll back end. A stream is registered once, edge-triggered (and once more when its socket is first full), and its
 * flags remember what the edges said: bytes are read until a read comes back short, and sent until a send comes back short,
 * so that a request costs no call but its own.
 *
 * A short read of TCP means that there was no more. A peer that sends urgent data can make reads end early, and then waits for
 * its own next packet.
 */
#include "net/backend.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_MAX = 256 };

/* What an event's pointer points at is told by its lowest bits. */
enum tag { TAG_STREAM, TAG_LISTENER, TAG_WATCH, TAG_MASK = 3 };

struct epoll {
    int fd;
    int next, count; /* of the events: those that are still to be handled */
    struct epoll_event events[EVENTS_MAX];
};

enum { WATCH_REGISTERED = WATCH_BACKEND };
enum { LISTENER_REGISTERED = LISTENER_BACKEND };
enum { STREAM_TOLD_WRITABLE = STREAM_BACKEND }; /* its registration includes EPOLLOUT */

static uint64_t pointer_of(void *what, enum tag tag)
{
    return (uint64_t)(uintptr_t)what | tag;
}

static bool control(struct loop *loop, int op, int fd, uint32_t events, uint64_t pointer)
{
    struct epoll *epoll = loop->state;
    struct epoll_event event = {.events = events, .data.u64 = pointer};

    return epoll_ctl(epoll->fd, op, fd, &event) == 0;
}

/* No event that was already fetched may reach `pointer` any more. */
static void forget(struct loop *loop, uint64_t pointer)
{
    struct epoll *epoll = loop->state;

    for (int i = epoll->next; i < epoll->count; i++)
        if (epoll->events[i].data.u64 == pointer)
            epoll->events[i].data.u64 = 0;
}

static bool epoll_open(struct loop *loop, struct err *err)
{
    struct epoll *epoll = calloc(1, sizeof *epoll);

    if (!epoll)
        return err_system(err, "open an epoll loop");
    epoll->fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll->fd < 0) {
        (void)err_system(err, "open an epoll loop");
        free(epoll);
        return false;
    }
    loop->state = epoll;
    return true;
}

static void epoll_close(struct loop *loop)
{
    struct epoll *epoll = loop->state;

    close(epoll->fd);
    free(epoll);
}

/* ---- streams ---- */

static bool follow(struct stream *stream, int op, uint32_t extra)
{
    if (extra)
        stream->flags |= STREAM_TOLD_WRITABLE;
    return control(stream->loop, op, stream->fd, EPOLLIN | EPOLLRDHUP | EPOLLET | extra,
                   pointer_of(stream, TAG_STREAM));
}

static void fail_later(struct stream *stream, int error)
{
    stream->error = (uint16_t)error;
    stream_mark(stream);
}

/* Without EPOLLOUT: a new socket is writable, which would be an event of its own for each connection. */
static void start(struct stream *stream)
{
    if (!follow(stream, EPOLL_CTL_ADD, 0))
        fail_later(stream, errno);
}

static void epoll_connect(struct stream *stream, const struct address *to)
{
    struct sockaddr_storage storage;
    socklen_t len = address_to_socket(to, &storage);
    bool begun = connect(stream->fd, (struct sockaddr *)&storage, len) == 0 || errno == EINPROGRESS;

    /* Followed afterwards: a socket that is not connected hangs up. */
    if (!begun || !follow(stream, EPOLL_CTL_ADD, EPOLLOUT))
        fail_later(stream, errno);
}

/* The socket is full for the first time: from now on its edges tell when it no longer is. */
static void await(struct stream *stream, uint32_t flag)
{
    if (flag == STREAM_WRITABLE && !(stream->flags & STREAM_TOLD_WRITABLE) &&
        !follow(stream, EPOLL_CTL_MOD, EPOLLOUT))
        fail_later(stream, errno);
}

static ssize_t send_gathered(const struct stream *stream, size_t *offered)
{
    struct iovec iov[GATHER_MAX];
    struct msghdr message = {.msg_iov = iov};

    message.msg_iovlen = queue_gather(stream, iov);
    *offered = 0;
    for (size_t i = 0; i < message.msg_iovlen; i++)
        *offered += iov[i].iov_len;
    /* More follows at once: no half-full packet between. */
    return sendmsg(stream->fd, &message, MSG_NOSIGNAL | (*offered < stream->queued ? MSG_MORE : 0));
}

static ssize_t send_queue(const struct stream *stream, size_t *offered)
{
    const struct segment *first = stream->queue;

    if (first->next)
        return send_gathered(stream, offered);
    *offered = first->len;
    return send(stream->fd, first->at, first->len, MSG_NOSIGNAL);
}

static void flush(struct stream *stream)
{
    while (stream->queue && (stream->flags & STREAM_WRITABLE)) {
        size_t offered;
        ssize_t sent = send_queue(stream, &offered);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN) {
            send_failed(stream, errno);
            return;
        }
        /* Short: the socket is full, and an edge will say when it no longer is. */
        if (sent < (ssize_t)offered)
            stream->flags &= ~STREAM_WRITABLE;
        if (sent > 0)
            queue_taken(stream, (size_t)sent);
    }
    if (stream->queue) {
        await(stream, STREAM_WRITABLE);
        return;
    }
    queue_emptied(stream);
    tell_drained(stream);
}

/* Nothing more can be read now: for the time being, or for good. */
static void stop_reading(struct stream *stream, ssize_t got, int error)
{
    stream->flags &= ~(STREAM_READABLE | STREAM_HANGUP);
    if (got == 0)
        stream->flags |= STREAM_EOF;
    if (stream->error)
        tell_failed(stream, stream->error);
    else if (got == 0)
        tell_ended(stream);
    else if (error != EAGAIN)
        tell_failed(stream, error);
}

static bool wants_bytes(const struct stream *stream)
{
    const uint32_t both = STREAM_RECEIVING | STREAM_READABLE;

    return (stream->flags & (both | STREAM_EOF)) == both && !stream->relay && !stream_dead(stream);
}

static void read_stream(struct stream *stream)
{
    struct loop *loop = stream->loop;
    size_t total = 0;

    while (wants_bytes(stream)) {
        struct chunk *chunk;
        ssize_t got;

        if (total >= TURN_BYTES) {
            stream_queue_in(stream, &loop->again);
            return;
        }
        chunk = chunk_take(loop);
        if (!chunk) {
            stream_starve(stream);
            return;
        }
        got = recv(stream->fd, chunk->at, chunk->cap, 0);
        if (got <= 0) {
            chunk_release(loop, chunk);
            if (got < 0 && errno == EINTR)
                continue;
            stop_reading(stream, got, errno);
            return;
        }
        /* A short read took all there was, unless the end waits behind it: its edge has come and will not come again. */
        if ((size_t)got < chunk->cap && !(stream->flags & STREAM_HANGUP))
            stream->flags &= ~STREAM_READABLE;
        total += (size_t)got;
        tell_received(stream, chunk, bytes_of(chunk->at, (size_t)got));
        chunk_release(loop, chunk);
    }
}

static void work(struct stream *stream)
{
    if (stream_dead(stream))
        return;
    if (stream->flags & STREAM_CONNECTING) {
        if (stream->error)
            tell_failed(stream, stream->error);
        return;
    }
    if (!stream->queue)
        queue_emptied(stream);
    else if (stream->flags & STREAM_WRITABLE)
        flush(stream);
    if (stream->feed)
        relay_pump(stream->feed);
    if (stream->relay)
        relay_pump(stream->relay);
    read_stream(stream);
    if (stream->error && !stream->relay && !wants_bytes(stream))
        tell_failed(stream, stream->error);
}

static int socket_error(const struct stream *stream)
{
    int error = 0;
    socklen_t len = sizeof error;

    must(getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0);
    return error;
}

static void connect_event(struct stream *stream, uint32_t events)
{
    int error = events & (EPOLLERR | EPOLLHUP) ? socket_error(stream) : 0;

    if (error)
        tell_failed(stream, error);
    else if (events & EPOLLOUT)
        tell_connected(stream);
}

static void stream_event(struct stream *stream, uint32_t events)
{
    const uint32_t hangup = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

    if (stream_dead(stream))
        return;
    if (stream->flags & STREAM_CONNECTING)
        connect_event(stream, events);
    if (events & (EPOLLIN | hangup))
        stream->flags |= STREAM_READABLE;
    if (events & hangup)
        stream->flags |= STREAM_HANGUP;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        stream->flags |= STREAM_WRITABLE;
    /* Nobody reads any more: the reset has to be asked for. */
    if ((events & EPOLLERR) && (stream->flags & STREAM_ENDED)) {
        int error = socket_error(stream);

        if (error)
            tell_failed(stream, error);
    }
    work(stream);
}

static bool claim(struct stream *stream)
{
    (void)stream;
    return true;
}

static void stop(struct stream *stream)
{
    stream_retire(stream);
}

/* ---- listeners and watches ---- */

static bool epoll_listen(struct listener *listener)
{
    /* Exclusive: one connection wakes one of the processes that share the socket. */
    if (!control(listener->loop, EPOLL_CTL_ADD, listener->fd, EPOLLIN | EPOLLEXCLUSIVE,
                 pointer_of(listener, TAG_LISTENER)))
        return false;
    listener->flags |= LISTENER_REGISTERED;
    return true;
}

static void unlisten(struct listener *listener)
{
    if (!(listener->flags & LISTENER_REGISTERED))
        return;
    listener->flags &= ~LISTENER_REGISTERED;
    must(control(listener->loop, EPOLL_CTL_DEL, listener->fd, 0, 0));
    forget(listener->loop, pointer_of(listener, TAG_LISTENER));
}

static void unwatch(struct watch *watch)
{
    if (!(watch->flags & WATCH_REGISTERED))
        return;
    watch->flags &= ~WATCH_REGISTERED;
    must(control(watch->loop, EPOLL_CTL_DEL, watch->fd, 0, 0));
    forget(watch->loop, pointer_of(watch, TAG_WATCH));
}

static void watch_fd(struct watch *watch)
{
    uint32_t events = (watch->flags & WATCH_READ ? EPOLLIN | EPOLLRDHUP : 0u) |
                      (watch->flags & WATCH_WRITE ? EPOLLOUT : 0u);
    int op = watch->flags & WATCH_REGISTERED ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    /* A descriptor that is registered for nothing still reports hang-ups, for ever. */
    if (!events) {
        unwatch(watch);
        return;
    }
    must(control(watch->loop, op, watch->fd, events, pointer_of(watch, TAG_WATCH)));
    watch->flags |= WATCH_REGISTERED;
}

static void watch_event(struct watch *watch, uint32_t events)
{
    const uint32_t trouble = EPOLLHUP | EPOLLERR | EPOLLRDHUP;

    watch_tell(watch, events & (EPOLLIN | trouble), events & (EPOLLOUT | EPOLLHUP | EPOLLERR));
}

/* ---- waiting ---- */

static int wait_events(struct epoll *epoll, int64_t wait_ns)
{
    struct timespec wait = {.tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S};

    if (wait_ns == 0)
        return epoll_wait(epoll->fd, epoll->events, EVENTS_MAX, 0);
    if (wait_ns == INT64_MAX)
        return epoll_wait(epoll->fd, epoll->events, EVENTS_MAX, -1);
    return epoll_pwait2(epoll->fd, epoll->events, EVENTS_MAX, &wait, NULL);
}

static void dispatch(const struct epoll_event *event)
{
    void *what = (void *)(uintptr_t)(event->data.u64 & ~(uint64_t)TAG_MASK);

    if (!what)
        return;
    switch ((enum tag)(event->data.u64 & TAG_MASK)) {
    case TAG_STREAM:
        stream_event(what, event->events);
        break;
    case TAG_LISTENER:
        listener_accept(what);
        break;
    case TAG_WATCH:
        watch_event(what, event->events);
        break;
    case TAG_MASK:
        never("an event of a kind that was never registered");
    }
}

static void wait(struct loop *loop, int64_t wait_ns)
{
    struct epoll *epoll = loop->state;
    int count = wait_events(epoll, wait_ns);

    must(count >= 0 || errno == EINTR);
    loop_woke(loop, clock_now());
    epoll->count = count < 0 ? 0 : count;
    for (epoll->next = 0; epoll->next < epoll->count;) {
        dispatch(&epoll->events[epoll->next++]);
        loop_settle(loop);
    }
    epoll->count = 0;
}

const struct backend backend_epoll = {
    .kind = LOOP_EPOLL,
    .kernel = &kernel_real,
    .open = epoll_open,
    .close = epoll_close,
    .wait = wait,
    .start = start,
    .connect = epoll_connect,
    .work = work,
    .claim = claim,
    .await = await,
    .stop = stop,
    .listen = epoll_listen,
    .unlisten = unlisten,
    .watch = watch_fd,
    .unwatch = unwatch,
};
