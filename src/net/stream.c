/*
 * Streams: what the owner asks for is noted and queued here; a back end carries it out when the loop lets it work.
 */
#include "net/backend.h"

#include <errno.h>

void stream_queue_in(struct stream *stream, struct list *list)
{
    list_remove(&stream->work);
    list_push_back(list, &stream->work);
    stream->flags &= ~STREAM_DIRTY;
}

void stream_starve(struct stream *stream)
{
    /* One that has something to send does that first: it may be what frees a chunk. Then it comes here again. */
    if (!(stream->flags & STREAM_DIRTY))
        stream_queue_in(stream, &stream->loop->starving);
}

void stream_mark(struct stream *stream)
{
    if (stream->flags & (STREAM_DIRTY | STREAM_CLOSED))
        return;
    stream_queue_in(stream, &stream->loop->dirty);
    stream->flags |= STREAM_DIRTY;
}

static void init(struct loop *loop, struct stream *stream, int fd, uint32_t flags,
                 const struct stream_events *events)
{
    *stream = (struct stream){.events = events, .loop = loop, .fd = fd, .flags = flags};
    list_init(&stream->work);
    loop->streams++;
}

void stream_adopt(struct loop *loop, struct stream *stream, int fd,
                  const struct stream_events *events)
{
    must(fd >= 0);
    init(loop, stream, fd, STREAM_WRITABLE, events);
    loop->backend->start(stream);
}

bool stream_connect(struct loop *loop, struct stream *stream, const struct address *to,
                    const struct address *from, const struct stream_events *events, struct err *err)
{
    int fd = loop->backend->kernel->socket(loop, to, from, err);

    if (fd < 0)
        return false;
    init(loop, stream, fd, STREAM_CONNECTING, events);
    loop->backend->connect(stream, to);
    return true;
}

void stream_receive(struct stream *stream, bool on)
{
    if (!on) {
        stream->flags &= ~STREAM_RECEIVING;
        return;
    }
    if (stream_dead(stream) || (stream->flags & (STREAM_RECEIVING | STREAM_ENDED)))
        return;
    stream->flags |= STREAM_RECEIVING;
    stream_mark(stream);
}

bool stream_send(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    must(!stream->feed);
    must(!(stream->flags & STREAM_FINISH));
    if (bytes.len == 0 || stream_dead(stream) || stream->error)
        return true;
    if (!queue_add(stream, chunk, bytes))
        return false;
    stream_mark(stream);
    return true;
}

void stream_finish(struct stream *stream)
{
    if (stream_dead(stream) || (stream->flags & STREAM_FINISH))
        return;
    stream->flags |= STREAM_FINISH;
    stream_mark(stream);
}

void stream_close(struct stream *stream, bool reset)
{
    struct chunk *chunk;

    if (stream->flags & STREAM_CLOSED)
        return;
    relay_abandon(stream);
    list_remove(&stream->work);
    while ((chunk = held_take(stream)))
        chunk_release(stream->loop, chunk);
    stream->flags &= ~(STREAM_RECEIVING | STREAM_DIRTY);
    stream->flags |= STREAM_CLOSED | (reset ? STREAM_RESET : 0);
    stream->loop->backend->stop(stream);
}

struct address stream_peer(const struct stream *stream)
{
    return stream->loop->backend->kernel->address(stream, true);
}

struct address stream_local(const struct stream *stream)
{
    return stream->loop->backend->kernel->address(stream, false);
}

bool stream_gone(const struct stream *stream)
{
    return stream->fd < 0 || stream->error || stream->loop->backend->kernel->gone(stream);
}

void stream_retire(struct stream *stream)
{
    must(stream->flags & STREAM_CLOSED);
    queue_drop(stream);
    stream->loop->backend->kernel->close(stream->loop, stream->fd, stream->flags & STREAM_RESET);
    stream->fd = -1;
    list_push_back(&stream->loop->closing, &stream->work);
}

/* ---- the queue ---- */

bool queue_add(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct segment *segment = segment_take(stream->loop);

    must(bytes.len <= UINT32_MAX - stream->queued);
    if (!segment)
        return false;
    if (chunk)
        chunk_hold(chunk);
    *segment = (struct segment){.chunk = chunk, .at = bytes.at, .len = bytes.len};
    if (stream->queue)
        stream->queue_tail->next = segment;
    else
        stream->queue = segment;
    stream->queue_tail = segment;
    stream->queued += (uint32_t)bytes.len;
    return true;
}

size_t queue_gather(const struct stream *stream, struct iovec iov[GATHER_MAX])
{
    size_t count = 0;

    for (const struct segment *s = stream->queue; s && count < GATHER_MAX; s = s->next)
        iov[count++] = (struct iovec){.iov_base = (void *)(uintptr_t)s->at, .iov_len = s->len};
    return count;
}

static void queue_pop(struct stream *stream)
{
    struct segment *first = stream->queue;

    stream->queue = first->next;
    segment_release(stream->loop, first);
}

void queue_taken(struct stream *stream, size_t len)
{
    must(len <= stream->queued);
    stream->queued -= (uint32_t)len;
    stream->taken += (uint32_t)len;
    while (stream->queue && len >= stream->queue->len) {
        len -= stream->queue->len;
        queue_pop(stream);
    }
    if (len == 0)
        return;
    must(stream->queue != NULL);
    stream->queue->at += len;
    stream->queue->len -= len;
}

void queue_drop(struct stream *stream)
{
    while (stream->queue)
        queue_pop(stream);
    stream->queued = 0;
}

void queue_emptied(struct stream *stream)
{
    if ((stream->flags & (STREAM_FINISH | STREAM_FINISHED)) == STREAM_FINISH) {
        stream->flags |= STREAM_FINISHED;
        stream->loop->backend->kernel->finish(stream);
    }
}

void tell_drained(struct stream *stream)
{
    if (!stream_dead(stream) && !stream->feed && stream->events->drained)
        stream->events->drained(stream);
}

/* ---- bytes held back ---- */

void held_add(struct stream *stream, struct chunk *chunk, uint32_t len)
{
    struct chunk *last = stream->held;

    chunk->begin = 0;
    chunk->len = len;
    chunk->next = last ? last->next : chunk;
    if (last)
        last->next = chunk;
    stream->held = chunk;
}

struct chunk *held_first(const struct stream *stream)
{
    return stream->held ? stream->held->next : NULL;
}

struct chunk *held_take(struct stream *stream)
{
    struct chunk *first = held_first(stream);

    if (!first)
        return NULL;
    if (first == stream->held)
        stream->held = NULL;
    else
        stream->held->next = first->next;
    return first;
}

/* ---- telling the owner ---- */

void tell_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    stream->events->received(stream, chunk, bytes);
}

void tell_connected(struct stream *stream)
{
    stream->flags &= ~STREAM_CONNECTING;
    stream->flags |= STREAM_WRITABLE;
    if (stream->events->connected)
        stream->events->connected(stream);
}

void tell_ended(struct stream *stream)
{
    if (stream_dead(stream) || (stream->flags & STREAM_ENDED))
        return;
    stream->flags |= STREAM_ENDED;
    stream->events->ended(stream);
}

void tell_failed(struct stream *stream, int error)
{
    if (stream_dead(stream))
        return;
    relay_abandon(stream);
    list_remove(&stream->work);
    stream->flags &= ~(STREAM_RECEIVING | STREAM_DIRTY);
    stream->flags |= STREAM_FAILED;
    stream->events->failed(stream, error);
}

void send_failed(struct stream *stream, int error)
{
    bool reads = stream->relay || (stream->flags & STREAM_RECEIVING);

    queue_drop(stream);
    if (stream->feed)
        relay_end(stream->feed);
    /* A server may answer, close, and reset what is still sent to it: its answer counts. */
    if (reads && (error == EPIPE || error == ECONNRESET)) {
        stream->error = (uint16_t)error;
        stream->flags |= STREAM_READABLE | STREAM_HANGUP;
        stream_mark(stream);
    } else {
        tell_failed(stream, error);
    }
}
