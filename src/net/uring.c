/*
 * The io_uring back end: operations are handed to the kernel, which completes them. A stream that receives has one multishot
 * receive that takes its buffers from a ring of chunks, so that an idle stream owns none; its queue has one send under way.
 *
 * A multishot receive fills dozens of buffers at once from a peer that is fast, which the owner may not want at all: it may
 * be about to relay. So a stream that fills its buffers gets one receive at a time until it has been calm for a while.
 *
 * A receive is not cancelled when receiving is turned off, only when bytes then come: most streams are turned on again before.
 * Listeners and watches are polled and served by plain calls: a multishot accept would take connections that a listener which
 * is being stopped has to leave to other processes. Relays splice by plain calls as well, since the ring's own splice is slower.
 */
#include "net/uring.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SUBMISSIONS = 1024,
    COMPLETIONS = 8192,
    CALM_MAX = 7,
};

/* Of struct stream: what is under way. */
enum {
    URING_RECEIVE = STREAM_BACKEND,
    URING_CANCEL = STREAM_BACKEND << 1, /* the receive is being cancelled */
    URING_SEND = STREAM_BACKEND << 2,
    URING_CONNECT = STREAM_BACKEND << 3,
    URING_READABLE = STREAM_BACKEND << 4,
    URING_WRITABLE = STREAM_BACKEND << 5,
    URING_BULK = STREAM_BACKEND << 6, /* it fills its buffers */
    URING_CALM = STREAM_BACKEND << 7, /* times the receives in a row that did not, up to CALM_MAX */
};

/* ---- submitting ---- */

/* Messages are free again when the kernel has read them; short of memory, it takes fewer submissions than it was given. */
static void submitted(struct uring *uring)
{
    if (io_uring_sq_ready(&uring->ring) == 0)
        uring->messages_used = 0;
}

static void submit(struct uring *uring)
{
    int done = io_uring_submit(&uring->ring);

    must(done >= 0 || done == -EINTR || done == -EBUSY || done == -EAGAIN);
    submitted(uring);
}

struct io_uring_sqe *next_sqe(struct uring *uring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

    while (!sqe) {
        submit(uring);
        sqe = io_uring_get_sqe(&uring->ring);
    }
    return sqe;
}

static union message *next_message(struct uring *uring)
{
    while (uring->messages_used == MESSAGES_MAX || io_uring_sq_space_left(&uring->ring) == 0)
        submit(uring);
    return &uring->messages[uring->messages_used++];
}

void cancel(struct uring *uring, const void *what, enum op op)
{
    struct io_uring_sqe *sqe = next_sqe(uring);

    io_uring_prep_cancel64(sqe, data_of(what, op), 0);
    sqe->user_data = data_of(NULL, OP_CANCEL);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

/* ---- streams ---- */

static void under_way(struct stream *stream, struct io_uring_sqe *sqe, enum op op, uint32_t flag)
{
    sqe->user_data = data_of(stream, op);
    stream->flags |= flag;
    stream->inflight++;
}

/* False: the stream was closed and nobody wants to hear of it. */
static bool completed(struct stream *stream, uint32_t flag)
{
    stream->flags &= ~flag;
    stream->inflight--;
    if (!(stream->flags & STREAM_CLOSED))
        return true;
    if (stream->inflight == 0)
        stream_retire(stream);
    return false;
}

static void start(struct stream *stream)
{
    stream->flags |= STREAM_READABLE;
}

static void uring_connect(struct stream *stream, const struct address *to)
{
    struct uring *uring = stream->loop->state;
    union message *message = next_message(uring);
    struct io_uring_sqe *sqe = next_sqe(uring);
    socklen_t len = address_to_socket(to, &message->address);

    stream->flags |= STREAM_READABLE;
    io_uring_prep_connect(sqe, stream->fd, (struct sockaddr *)&message->address, len);
    under_way(stream, sqe, OP_CONNECT, URING_CONNECT);
}

static void receive_more(struct stream *stream)
{
    struct io_uring_sqe *sqe = next_sqe(stream->loop->state);

    if (stream->flags & URING_BULK)
        io_uring_prep_recv(sqe, stream->fd, NULL, stream->loop->chunk_bytes, 0);
    else
        io_uring_prep_recv_multishot(sqe, stream->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    under_way(stream, sqe, OP_RECEIVE, URING_RECEIVE);
}

static void stop_receiving(struct stream *stream)
{
    if ((stream->flags & (URING_RECEIVE | URING_CANCEL)) != URING_RECEIVE)
        return;
    stream->flags |= URING_CANCEL;
    cancel(stream->loop->state, stream, OP_RECEIVE);
}

static void send_gathered(struct stream *stream)
{
    struct uring *uring = stream->loop->state;
    union message *message = next_message(uring);
    struct io_uring_sqe *sqe = next_sqe(uring);
    bool all;

    message->head = (struct msghdr){.msg_iov = message->iov};
    message->head.msg_iovlen = queue_gather(stream, message->iov);
    all = message->head.msg_iovlen < GATHER_MAX;
    io_uring_prep_sendmsg(sqe, stream->fd, &message->head,
                          MSG_NOSIGNAL | MSG_WAITALL | (all ? 0u : (unsigned)MSG_MORE));
    under_way(stream, sqe, OP_SEND, URING_SEND);
}

static void send_queue(struct stream *stream)
{
    const struct segment *first = stream->queue;
    struct io_uring_sqe *sqe;

    if (first->next) {
        send_gathered(stream);
        return;
    }
    sqe = next_sqe(stream->loop->state);
    io_uring_prep_send(sqe, stream->fd, first->at, first->len, MSG_NOSIGNAL | MSG_WAITALL);
    under_way(stream, sqe, OP_SEND, URING_SEND);
}

static bool wants_bytes(const struct stream *stream)
{
    return (stream->flags & STREAM_RECEIVING) && !stream->relay && !stream_dead(stream);
}

static void receive(struct stream *stream)
{
    while (wants_bytes(stream) && stream->held) {
        struct chunk *chunk = held_take(stream);

        tell_received(stream, chunk, bytes_of(chunk->at + chunk->begin, chunk->len));
        chunk_release(stream->loop, chunk);
    }
    if (!wants_bytes(stream))
        return;
    if (stream->flags & STREAM_EOF) {
        if (stream->error)
            tell_failed(stream, stream->error);
        else
            tell_ended(stream);
    } else if (!(stream->flags & URING_RECEIVE)) {
        receive_more(stream);
    }
}

static void work(struct stream *stream)
{
    if (stream_dead(stream) || (stream->flags & STREAM_CONNECTING))
        return;
    if (!stream->queue)
        queue_emptied(stream);
    else if (!(stream->flags & URING_SEND))
        send_queue(stream);
    if (stream->feed)
        relay_pump(stream->feed);
    if (stream->relay)
        relay_pump(stream->relay);
    receive(stream);
    /* While receiving is off, bytes that are held come before their end. */
    if (stream->error && !stream->relay && !stream->held && !wants_bytes(stream))
        tell_failed(stream, stream->error);
}

static bool claim(struct stream *stream)
{
    stop_receiving(stream);
    return !(stream->flags & URING_RECEIVE);
}

static void await(struct stream *stream, uint32_t flag)
{
    bool reads = flag == STREAM_READABLE;
    uint32_t polls = reads ? URING_READABLE : URING_WRITABLE;
    struct io_uring_sqe *sqe;

    if (stream->flags & polls)
        return;
    sqe = next_sqe(stream->loop->state);
    io_uring_prep_poll_add(sqe, stream->fd, reads ? EPOLLIN : EPOLLOUT);
    under_way(stream, sqe, reads ? OP_READABLE : OP_WRITABLE, polls);
}

static void stop(struct stream *stream)
{
    static const struct {
        uint32_t flag;
        enum op op;
    } ops[] = {
        {URING_SEND, OP_SEND},
        {URING_CONNECT, OP_CONNECT},
        {URING_READABLE, OP_READABLE},
        {URING_WRITABLE, OP_WRITABLE},
    };

    if (stream->inflight == 0) {
        stream_retire(stream);
        return;
    }
    stop_receiving(stream);
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (stream->flags & ops[i].flag)
            cancel(stream->loop->state, stream, ops[i].op);
}

/* ---- completions of streams ---- */

static void note_size(struct stream *stream, bool full)
{
    const uint32_t calm = CALM_MAX * URING_CALM;

    if (full) {
        stream->flags = (stream->flags & ~calm) | URING_BULK;
        stop_receiving(stream);
    } else if ((stream->flags & calm) == calm) {
        stream->flags &= ~(calm | URING_BULK);
    } else if (stream->flags & URING_BULK) {
        stream->flags += URING_CALM;
    }
}

static void bytes_came(struct stream *stream, struct chunk *chunk, uint32_t len)
{
    if (wants_bytes(stream) && !stream->held) {
        tell_received(stream, chunk, bytes_of(chunk->at, len));
        chunk_release(stream->loop, chunk);
        return;
    }
    if (stream_dead(stream)) {
        chunk_release(stream->loop, chunk);
        return;
    }
    held_add(stream, chunk, len);
    stop_receiving(stream);
}

static void received(struct stream *stream, const struct io_uring_cqe *cqe)
{
    struct chunk *chunk = buffers_take_back(stream->loop, cqe);
    int got = cqe->res;

    if (!(cqe->flags & IORING_CQE_F_MORE) && !completed(stream, URING_RECEIVE | URING_CANCEL)) {
        chunk_release(stream->loop, chunk);
        return;
    }
    if (got > 0) {
        note_size(stream, (uint32_t)got == chunk->cap);
        bytes_came(stream, chunk, (uint32_t)got);
        if (cqe->flags & IORING_CQE_F_MORE)
            return;
    } else {
        chunk_release(stream->loop, chunk);
    }
    if (stream_dead(stream))
        return;
    if (got == -ENOBUFS) {
        ((struct uring *)stream->loop->state)->ran_out = true;
        stream_starve(stream);
        return;
    }
    if (got == 0)
        stream->flags |= STREAM_EOF;
    if (got < 0 && got != -ECANCELED && got != -EINTR) {
        stream->flags |= STREAM_EOF;
        if (!stream->error)
            stream->error = (uint16_t)-got;
    }
    work(stream);
}

static void sent(struct stream *stream, int taken)
{
    if (!completed(stream, URING_SEND) || stream_dead(stream))
        return;
    if (taken < 0 && taken != -EAGAIN && taken != -EINTR) {
        send_failed(stream, -taken);
        return;
    }
    if (taken > 0)
        queue_taken(stream, (size_t)taken);
    if (!stream->queue) {
        queue_emptied(stream);
        tell_drained(stream);
    }
    if (stream->queue || stream->feed)
        work(stream);
}

static void connected(struct stream *stream, int result)
{
    if (!completed(stream, URING_CONNECT))
        return;
    if (result < 0) {
        tell_failed(stream, -result);
        return;
    }
    tell_connected(stream);
    work(stream);
}

static void became_ready(struct stream *stream, uint32_t polls, uint32_t flag)
{
    if (!completed(stream, polls))
        return;
    stream->flags |= flag;
    work(stream);
}

/* ---- waiting ---- */

static void dispatch(struct uring *uring, const struct io_uring_cqe *cqe)
{
    void *what = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)OP_MASK);

    switch ((enum op)(cqe->user_data & OP_MASK)) {
    case OP_CANCEL:
        break;
    case OP_RECEIVE:
        received(what, cqe);
        break;
    case OP_SEND:
        sent(what, cqe->res);
        break;
    case OP_CONNECT:
        connected(what, cqe->res);
        break;
    case OP_READABLE:
        became_ready(what, URING_READABLE, STREAM_READABLE);
        break;
    case OP_WRITABLE:
        became_ready(what, URING_WRITABLE, STREAM_WRITABLE);
        break;
    case OP_POLL:
        polled(uring, what, cqe->res);
        break;
    case OP_MASK:
        never("a completion of a kind that was never submitted");
    }
}

static int submit_and_wait(struct io_uring *ring, int64_t wait_ns)
{
    struct __kernel_timespec wait = {.tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S};
    struct io_uring_cqe *cqe;

    if (wait_ns == 0)
        return io_uring_submit_and_get_events(ring);
    if (wait_ns == INT64_MAX)
        return io_uring_submit_and_wait(ring, 1);
    return io_uring_submit_and_wait_timeout(ring, &cqe, 1, &wait, NULL);
}

static void wait(struct loop *loop, int64_t wait_ns)
{
    struct uring *uring = loop->state;
    unsigned head, ready, handled = 0;
    struct io_uring_cqe *cqe;
    int result;

    buffers_lend(loop);
    result = submit_and_wait(&uring->ring, wait_ns);
    must(result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
         result == -EBUSY);
    submitted(uring);
    loop_woke(loop, clock_now());
    ready = io_uring_cq_ready(&uring->ring);
    io_uring_for_each_cqe(&uring->ring, head, cqe)
    {
        if (handled == ready)
            break;
        handled++;
        dispatch(uring, cqe);
        loop_settle(loop);
    }
    io_uring_cq_advance(&uring->ring, handled);
}

/* ---- opening ---- */

static void release(struct loop *loop)
{
    struct uring *uring = loop->state;

    buffers_close(uring);
    free(uring);
    loop->state = NULL;
}

static void uring_close(struct loop *loop)
{
    struct uring *uring = loop->state;

    io_uring_queue_exit(&uring->ring);
    release(loop);
}

/*
 * A ring reaches past the filter of system calls: what it is asked for is no call of this process. So it does what is used here
 * and nothing else, whoever writes into it.
 */
static bool restrict_and_enable(struct io_uring *ring, struct err *err)
{
    static const uint8_t ops[] = {IORING_OP_RECV,    IORING_OP_SEND,     IORING_OP_SENDMSG,
                                  IORING_OP_CONNECT, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL};
    struct io_uring_restriction rules[ARRAY_LEN(ops) + 2] = {
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
         .sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS},
        {.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_UNREGISTER_RING_FDS},
    };

    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        rules[i + 2] =
            (struct io_uring_restriction){.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = ops[i]};
    /* liburing 2.3 declares a function for each of these two and exports neither. */
    if (syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, rules,
                ARRAY_LEN(rules)) < 0 ||
        syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
        return err_system(err, "restrict an io_uring to what the loop uses");
    return true;
}

static bool uring_open(struct loop *loop, struct err *err)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
        .cq_entries = COMPLETIONS};
    struct uring *uring = calloc(1, sizeof *uring);
    int result;

    if (!uring)
        return err_system(err, "open an io_uring loop");
    loop->state = uring;
    result = io_uring_queue_init_params(SUBMISSIONS, &uring->ring, &params);
    if (result < 0) {
        errno = -result;
        (void)err_system(err,
                         "open an io_uring loop, which needs Linux 6.1 and no rule against it");
        release(loop);
        return false;
    }
    /* Saves a reference count per call; where it cannot be had, all works as well. */
    (void)io_uring_register_ring_fd(&uring->ring);
    polls_open(uring);
    if (buffers_open(loop, err) && restrict_and_enable(&uring->ring, err))
        return true;
    uring_close(loop);
    return false;
}

const struct backend backend_uring = {
    .kind = LOOP_URING,
    .kernel = &kernel_real,
    .open = uring_open,
    .close = uring_close,
    .wait = wait,
    .start = start,
    .connect = uring_connect,
    .work = work,
    .claim = claim,
    .await = await,
    .stop = stop,
    .listen = uring_listen,
    .unlisten = uring_unlisten,
    .watch = uring_watch,
    .unwatch = uring_unwatch,
};
