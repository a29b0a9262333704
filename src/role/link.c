/*
 * Cuts a stream into frames: 12 bytes of head (length, number, kind; of this machine's byte order, for it never leaves it), then the
 * body. What waits to be sent is collected while the kernel works on what was sent before, so a slow reader costs memory up to a limit.
 */
#include "role/link.h"

#include <stdlib.h>
#include <string.h>

/* Its storage outlives the link: the stream is closed in a later turn. */
struct link_end {
    struct link *link; /* NULL: it was let go */
    struct loop *loop;
    struct stream stream;
    struct buf in, sending, waiting;
    bool busy; /* `sending` is being sent */
};

struct head {
    uint32_t len, id;
    uint32_t kind;
};

_Static_assert(sizeof(struct head) == 12, "no padding");

/* ---- sending ---- */

static void send_on(struct link_end *end)
{
    struct buf sent = end->sending;

    if (end->busy || end->waiting.len == 0)
        return;
    end->sending = end->waiting;
    end->waiting = sent;
    buf_clear(&end->waiting);
    end->busy = true;
    if (!stream_send(&end->stream, NULL, buf_bytes(&end->sending)))
        stream_close(&end->stream, true);
}

static struct link_end *of_stream(struct stream *stream)
{
    return container_of(stream, struct link_end, stream);
}

static void on_drained(struct stream *stream)
{
    struct link_end *end = of_stream(stream);

    end->busy = false;
    send_on(end);
}

bool link_send(struct link *link, uint32_t id, uint16_t kind, struct bytes body)
{
    struct head head = {(uint32_t)body.len, id, kind};
    struct link_end *end = link->end;

    must(body.len <= LINK_BODY_MAX);
    if (!end || end->waiting.len + sizeof head + body.len > LINK_QUEUE_MAX)
        return false;
    buf_add(&end->waiting, bytes_of(&head, sizeof head));
    buf_add(&end->waiting, body);
    send_on(end);
    return true;
}

/* ---- ending ---- */

static void let_go(struct link_end *end)
{
    end->link->end = NULL;
    end->link = NULL;
    stream_close(&end->stream, false);
}

static void tell_end(struct link_end *end)
{
    struct link *link = end->link;

    if (!link)
        return;
    let_go(end);
    link->events->ended(link);
}

static void on_ended(struct stream *stream)
{
    tell_end(of_stream(stream));
}

static void on_failed(struct stream *stream, int error)
{
    (void)error;
    tell_end(of_stream(stream));
}

static void on_closed(struct stream *stream)
{
    struct link_end *end = of_stream(stream);
    struct link *link = end->link;

    buf_fini(&end->in);
    buf_fini(&end->sending);
    buf_fini(&end->waiting);
    free(end);
    if (!link)
        return;
    link->end = NULL;
    link->events->ended(link);
}

/* ---- receiving ---- */

/* One frame, if it is whole. The owner may close the link meanwhile, so the bytes are dropped only where it is still there. */
static bool take_frame(struct link_end *end)
{
    struct head head;

    if (!end->link || end->in.len < sizeof head)
        return false;
    memcpy(&head, end->in.at, sizeof head);
    if (head.len > LINK_BODY_MAX || head.kind > UINT16_MAX) {
        tell_end(end);
        return false;
    }
    if (end->in.len - sizeof head < head.len)
        return false;
    end->link->events->received(end->link, head.id, (uint16_t)head.kind,
                                bytes_of(end->in.at + sizeof head, head.len));
    buf_drop(&end->in, sizeof head + head.len);
    return true;
}

static void on_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct link_end *end = of_stream(stream);

    (void)chunk;
    if (!end->link)
        return;
    buf_add(&end->in, bytes);
    while (take_frame(end))
        ;
    if (end->in.full)
        tell_end(end);
}

/* ---- the owner's calls ---- */

void link_init(struct link *link, struct loop *loop, const struct link_events *events)
{
    *link = (struct link){.events = events, .loop = loop};
}

void link_open(struct link *link, int fd)
{
    static const struct stream_events events = {.received = on_received,
                                                .ended = on_ended,
                                                .drained = on_drained,
                                                .failed = on_failed,
                                                .closed = on_closed};
    struct link_end *end = calloc(1, sizeof *end);

    if (link->end)
        tell_end(link->end);
    if (!end) {
        loop_close_fd(link->loop, fd);
        return;
    }
    *end = (struct link_end){.link = link, .loop = link->loop};
    buf_init(&end->in, LINK_BODY_MAX + (1 << 20));
    buf_init(&end->sending, LINK_QUEUE_MAX);
    buf_init(&end->waiting, LINK_QUEUE_MAX);
    stream_adopt(link->loop, &end->stream, fd, &events);
    stream_receive(&end->stream, true);
    link->end = end;
}

void link_close(struct link *link)
{
    if (link->end)
        let_go(link->end);
}
