/*
 * Moves bytes from one stream to another: the kernel's pipe in between, or a chunk and the send queue where splice is not
 * possible. Fills the pipe only when it is empty, so that EAGAIN always speaks of the source and never of the pipe.
 */
#include "net/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { PULL_BYTES = 1 << 20 };

enum pull {
    PULL_MOVED, /* bytes are in the pipe or in the destination's queue */
    PULL_WAITS, /* somebody will say when to go on */
    PULL_OVER,  /* the source has ended or failed */
};

static void give_back(struct relay *relay)
{
    if (relay->pipe)
        pipe_release(relay->from->loop, relay->pipe, relay->piped == 0);
    relay->pipe = NULL;
}

void relay_end(struct relay *relay)
{
    give_back(relay);
    relay->from->relay = NULL;
    relay->to->feed = NULL;
    relay_release(relay->from->loop, relay);
}

void relay_abandon(struct stream *stream)
{
    if (stream->relay)
        relay_end(stream->relay);
    if (stream->feed)
        relay_end(stream->feed);
}

void stream_relay(struct stream *from, struct stream *to, uint64_t count)
{
    struct relay *relay;

    must(from != to && from->loop == to->loop);
    must(!from->relay && !to->feed);
    must(!(to->flags & STREAM_FINISH));
    if (stream_dead(from) || stream_dead(to))
        return;
    relay = relay_take(from->loop);
    must(relay); /* one for each descriptor that this process may have */
    *relay = (struct relay){.from = from, .to = to, .left = count};
    from->relay = relay;
    to->feed = relay;
    stream_mark(from);
}

uint64_t stream_relay_moved(const struct stream *from)
{
    return from->relay ? from->relay->moved : 0;
}

/* `over`: since the source gives no more, not since the count was reached. */
static void finish(struct relay *relay, bool over)
{
    struct stream *from = relay->from;
    uint64_t moved = relay->moved;
    int error = over ? from->error : 0;

    relay_end(relay);
    if (from->events->relayed)
        from->events->relayed(from, moved, error);
    if (error)
        tell_failed(from, error);
    else if (over)
        tell_ended(from);
    else
        stream_mark(from); /* receiving what is left, if it is on */
}

/* The source gave nothing: the pipe is empty, and somebody else may have it meanwhile. */
static enum pull dry(struct relay *relay, int error)
{
    struct stream *from = relay->from;

    give_back(relay);
    if (error != EAGAIN) {
        if (!from->error)
            from->error = (uint16_t)error;
        return PULL_OVER;
    }
    if (from->error)
        return PULL_OVER;
    from->flags &= ~STREAM_READABLE;
    from->loop->backend->await(from, STREAM_READABLE);
    return PULL_WAITS;
}

static enum pull ended(struct relay *relay)
{
    give_back(relay);
    relay->from->flags |= STREAM_EOF;
    return PULL_OVER;
}

static uint32_t share(const struct relay *relay, uint32_t most)
{
    return relay->left < most ? (uint32_t)relay->left : most;
}

static void passed_on(struct relay *relay, uint32_t len)
{
    relay->left -= len;
    relay->moved += len;
    stream_mark(relay->to);
}

/* What the back end had already received when the relay began. */
static enum pull pull_held(struct relay *relay, struct chunk *chunk)
{
    struct stream *from = relay->from;
    uint32_t len = share(relay, chunk->len);

    if (!queue_add(relay->to, chunk, bytes_of(chunk->at + chunk->begin, len)))
        return dry(relay, ENOBUFS);
    chunk->begin += len;
    chunk->len -= len;
    if (chunk->len == 0)
        chunk_release(from->loop, held_take(from));
    passed_on(relay, len);
    return PULL_MOVED;
}

static enum pull pull_copy(struct relay *relay)
{
    struct stream *from = relay->from;
    struct chunk *chunk = chunk_take(from->loop);
    enum pull pull = PULL_MOVED;
    ssize_t got;

    if (!chunk) {
        stream_starve(from);
        return PULL_WAITS;
    }
    got = recv(from->fd, chunk->at, share(relay, chunk->cap), MSG_DONTWAIT);
    if (got < 0)
        pull = dry(relay, errno);
    else if (got == 0)
        pull = ended(relay);
    else if (queue_add(relay->to, chunk, bytes_of(chunk->at, (size_t)got)))
        passed_on(relay, (uint32_t)got);
    else
        pull = dry(relay, ENOBUFS);
    chunk_release(from->loop, chunk);
    return pull;
}

static enum pull pull_splice(struct relay *relay)
{
    ssize_t got = splice(relay->from->fd, NULL, relay->pipe->in, NULL, share(relay, PULL_BYTES),
                         SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

    if (got == 0)
        return ended(relay);
    if (got < 0 && errno == EINVAL) {
        relay->copies = true;
        give_back(relay);
        return pull_copy(relay);
    }
    if (got < 0)
        return dry(relay, errno);
    relay->piped = (uint32_t)got;
    relay->left -= (uint32_t)got;
    return PULL_MOVED;
}

static enum pull pull(struct relay *relay)
{
    struct stream *from = relay->from;
    struct chunk *held;

    if (!from->loop->backend->claim(from))
        return PULL_WAITS;
    held = held_first(from);
    if (held)
        return pull_held(relay, held);
    if (from->flags & STREAM_EOF)
        return PULL_OVER;
    if (!(from->flags & STREAM_READABLE))
        return dry(relay, EAGAIN);
    if (!relay->pipe && !relay->copies)
        relay->pipe = pipe_take(from->loop);
    return relay->pipe ? pull_splice(relay) : pull_copy(relay);
}

/* From the pipe to the destination. False: the destination is full, or has failed and the relay is gone. */
static bool push(struct relay *relay)
{
    struct stream *to = relay->to;
    ssize_t put;

    if (!(to->flags & STREAM_WRITABLE)) {
        to->loop->backend->await(to, STREAM_WRITABLE);
        return false;
    }
    put = splice(relay->pipe->out, NULL, to->fd, NULL, relay->piped,
                 SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (put > 0) {
        relay->piped -= (uint32_t)put;
        relay->moved += (uint64_t)put;
        return true;
    }
    must(put < 0);
    if (errno == EAGAIN) {
        to->flags &= ~STREAM_WRITABLE;
        to->loop->backend->await(to, STREAM_WRITABLE);
    } else {
        send_failed(to, errno);
    }
    return false;
}

void relay_pump(struct relay *relay)
{
    struct stream *from = relay->from, *to = relay->to;
    uint64_t begin = relay->moved;

    if ((from->flags | to->flags) & STREAM_CONNECTING)
        return;
    while (relay->moved - begin < RELAY_TURN_BYTES) {
        if (to->queue)
            return; /* its becoming empty pumps again */
        if (relay->piped > 0) {
            if (!push(relay))
                return;
            continue;
        }
        if (relay->left == 0) {
            finish(relay, false);
            return;
        }
        switch (pull(relay)) {
        case PULL_MOVED:
            break;
        case PULL_WAITS:
            return;
        case PULL_OVER:
            finish(relay, true);
            return;
        }
    }
    stream_queue_in(from, &from->loop->again);
}
