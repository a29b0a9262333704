#include "loop_sim.h"

#include "network.h"

#include "net/backend.h"

#include <errno.h>
#include <stdlib.h>

enum {
    CHUNKS = 512,
    CHUNK_BYTES = 16 * 1024,
    JOB_BEGINS_NS = 10000, /* a thread wakes up */
    JOB_NS = 20000,        /* what it costs besides the disk */
};

static struct sim_host *host_of(const struct loop *loop)
{
    return loop->state;
}

/* ---- the kernel ---- */

static struct instant now(const struct loop *loop, enum loop_clock clock)
{
    return (struct instant){sim_clock_ask(host_of(loop), clock)};
}

static int open_towards(struct loop *loop, const struct address *to, const struct address *from,
                        struct err *err)
{
    (void)from;
    if (!sim_host_at(host_of(loop)->world, to)) {
        errno = ENETUNREACH;
        (void)err_system(err, "open a socket to a host that is not there");
        return -1;
    }
    return sim_socket(host_of(loop));
}

static int accept_next(const struct listener *listener, struct address *peer)
{
    int fd = sim_accept(host_of(listener->loop), listener->fd, peer);

    if (fd >= 0)
        return fd;
    errno = -fd;
    return -1;
}

static struct address address_of_end(const struct stream *stream, bool peer)
{
    struct sim_host *host = host_of(stream->loop);

    return stream->fd < 0 || host->ending ? (struct address){0}
                                          : sim_address(host, stream->fd, peer);
}

static bool gone(const struct stream *stream)
{
    struct sim_host *host = host_of(stream->loop);

    return stream->fd < 0 || host->ending || sim_gone(host, stream->fd);
}

static void finish(const struct stream *stream)
{
    if (!host_of(stream->loop)->ending)
        sim_finish(host_of(stream->loop), stream->fd);
}

static void close_fd(const struct loop *loop, int fd, bool reset)
{
    if (!host_of(loop)->ending)
        sim_close(host_of(loop), fd, reset);
}

static const struct kernel kernel_simulated = {
    .now = now,
    .socket = open_towards,
    .accept = accept_next,
    .address = address_of_end,
    .gone = gone,
    .finish = finish,
    .close = close_fd,
};

/* ---- streams ---- */

static bool begin(struct loop *loop, struct err *err)
{
    (void)loop;
    (void)err;
    return true;
}

static void end(struct loop *loop)
{
    (void)loop;
}

static void start(struct stream *stream)
{
    sim_attach(host_of(stream->loop), stream->fd, stream);
}

static void begin_connect(struct stream *stream, const struct address *to)
{
    sim_attach(host_of(stream->loop), stream->fd, stream);
    sim_connect(host_of(stream->loop), stream->fd, to);
}

static void flush(struct stream *stream)
{
    while (stream->queue && (stream->flags & STREAM_WRITABLE)) {
        int64_t sent =
            sim_send(host_of(stream->loop), stream->fd, stream->queue->at, stream->queue->len);

        if (sent < 0 && sent != -EAGAIN) {
            send_failed(stream, (int)-sent);
            return;
        }
        if (sent < (int64_t)stream->queue->len)
            stream->flags &= ~STREAM_WRITABLE;
        if (sent > 0)
            queue_taken(stream, (size_t)sent);
    }
    if (stream->queue)
        return;
    queue_emptied(stream);
    tell_drained(stream);
}

static bool wants_bytes(const struct stream *stream)
{
    const uint32_t both = STREAM_RECEIVING | STREAM_READABLE;

    return (stream->flags & (both | STREAM_EOF)) == both && !stream_dead(stream);
}

static void stop_reading(struct stream *stream, int64_t got)
{
    stream->flags &= ~STREAM_READABLE;
    if (got == 0)
        stream->flags |= STREAM_EOF;
    if (stream->error)
        tell_failed(stream, stream->error);
    else if (got == 0)
        tell_ended(stream);
    else if (got != -EAGAIN)
        tell_failed(stream, (int)-got);
}

static void read_stream(struct stream *stream)
{
    while (wants_bytes(stream)) {
        struct chunk *chunk = chunk_take(stream->loop);
        int64_t got;

        if (!chunk) {
            stream_starve(stream);
            return;
        }
        got = sim_receive(host_of(stream->loop), stream->fd, chunk->at, chunk->cap);
        if (got > 0)
            tell_received(stream, chunk, bytes_of(chunk->at, (size_t)got));
        chunk_release(stream->loop, chunk);
        if (got <= 0) {
            stop_reading(stream, got);
            return;
        }
    }
}

static void work(struct stream *stream)
{
    if (stream_dead(stream) || (stream->flags & STREAM_CONNECTING) || host_of(stream->loop)->ending)
        return;
    if (!stream->queue)
        queue_emptied(stream);
    else if (stream->flags & STREAM_WRITABLE)
        flush(stream);
    read_stream(stream);
    if (stream->error && !wants_bytes(stream))
        tell_failed(stream, stream->error);
}

static bool claim(struct stream *stream)
{
    (void)stream;
    never("nothing relays in the simulator");
}

static void await(struct stream *stream, uint32_t flag)
{
    (void)stream;
    (void)flag;
    never("nothing relays in the simulator");
}

/* ---- listeners and watches ---- */

static bool follow_listener(struct listener *listener)
{
    struct sim_host *host = host_of(listener->loop);

    listener->poll = host->listening;
    host->listening = listener;
    host->knocked = true;
    return true;
}

static void leave_listener(struct listener *listener)
{
    struct listener **place = &host_of(listener->loop)->listening;

    while (*place && *place != listener)
        place = (struct listener **)&(*place)->poll;
    if (*place)
        *place = listener->poll;
}

static void watch(struct watch *what)
{
    (void)what;
    never("there is nothing to watch in the simulator");
}

/* ---- jobs ----
 *
 * A job's work is done in one piece a moment after its turn has come, and its end is told when the disk would have been done with it: so
 * a crash finds it not begun, cut short after any of its steps (sim_host.disk), or done and not told.
 */

struct sim_jobs {
    struct list node; /* of its host */
    struct jobs *jobs;
    struct sim_host *host;
    struct list waiting, finished;
    bool busy, worked; /* with the first that waits; its work is done */
    struct sim_event event;
};

static void jobs_next(struct sim_jobs *jobs)
{
    if (jobs->busy || list_empty(&jobs->waiting))
        return;
    jobs->busy = true;
    jobs->worked = false;
    sim_schedule(jobs->host->world, &jobs->event, jobs->host->world->now + JOB_BEGINS_NS);
}

static void jobs_event(struct sim_event *event)
{
    struct sim_jobs *jobs = container_of(event, struct sim_jobs, event);
    struct sim_host *host = jobs->host;
    struct job *job = container_of(list_first(&jobs->waiting), struct job, node);

    if (!jobs->worked) {
        host->job_ns = JOB_NS;
        job->work(job);
        jobs->worked = true;
        sim_schedule(host->world, event, host->world->now + host->job_ns);
        return;
    }
    list_remove(&job->node);
    list_push_back(&jobs->finished, &job->node);
    host->knocked = true;
    jobs->busy = false;
    jobs_next(jobs);
}

void sim_jobs_hurry(struct sim_host *host)
{
    for (struct list *node = host->jobs.next; node != &host->jobs; node = node->next) {
        struct sim_jobs *jobs = container_of(node, struct sim_jobs, node);

        if (!jobs->busy || !jobs->worked)
            continue;
        sim_cancel(host->world, &jobs->event);
        sim_schedule(host->world, &jobs->event, host->world->now + JOB_NS);
    }
}

static bool begin_jobs(struct jobs *jobs, struct err *err)
{
    struct sim_jobs *state = calloc(1, sizeof *state);

    (void)err;
    must(state != NULL);
    state->jobs = jobs;
    state->host = host_of(jobs->loop);
    state->event.happen = jobs_event;
    list_init(&state->waiting);
    list_init(&state->finished);
    list_push_back(&state->host->jobs, &state->node);
    jobs->state = state;
    return true;
}

static void add_job(struct jobs *jobs, struct job *job)
{
    struct sim_jobs *state = jobs->state;

    list_push_back(&state->waiting, &job->node);
    if (!state->host->ending)
        jobs_next(state);
}

static void end_jobs(struct jobs *jobs)
{
    struct sim_jobs *state = jobs->state;

    sim_cancel(state->host->world, &state->event);
    list_remove(&state->node);
    free(state);
}

/* One job's end is told; another callback may do anything to any of them. */
static bool tell_job(struct sim_host *host)
{
    list_each (node, &host->jobs) {
        struct sim_jobs *jobs = container_of(node, struct sim_jobs, node);
        struct list *first = list_pop_front(&jobs->finished);

        if (first) {
            (void)!jobs_tell(jobs->jobs, container_of(first, struct job, node));
            return true;
        }
    }
    return false;
}

/* ---- waiting ---- */

static void stream_news(struct stream *stream, uint32_t news)
{
    int error = sim_error(host_of(stream->loop), stream->fd);

    if (stream_dead(stream))
        return;
    if (stream->flags & STREAM_CONNECTING) {
        if (error)
            tell_failed(stream, error);
        else if (news & SIM_NEWS_CONNECTED)
            tell_connected(stream);
    }
    if (news & SIM_NEWS_READABLE)
        stream->flags |= STREAM_READABLE;
    if (news & SIM_NEWS_WRITABLE)
        stream->flags |= STREAM_WRITABLE;
    /* Nobody reads any more: the reset has to be told. */
    if (error && (stream->flags & STREAM_ENDED))
        tell_failed(stream, error);
    work(stream);
}

static void wait(struct loop *loop, int64_t wait_ns)
{
    struct sim_host *host = host_of(loop);
    struct stream *stream;
    uint32_t news;

    (void)wait_ns;
    loop_woke(loop, now(loop, LOOP_MONOTONIC));
    if (host->ending)
        return;
    host->knocked = false;
    for (struct listener *listener = host->listening, *next; listener; listener = next) {
        next = listener->poll;
        listener_accept(listener);
        host->knocked = host->knocked || sim_knocked(host, listener->fd);
        loop_settle(loop);
    }
    while ((stream = sim_news(host, &news))) {
        stream_news(stream, news);
        loop_settle(loop);
    }
    while (tell_job(host))
        loop_settle(loop);
}

static const struct backend backend_simulated = {
    .kind = LOOP_SIMULATED,
    .kernel = &kernel_simulated,
    .open = begin,
    .close = end,
    .wait = wait,
    .start = start,
    .connect = begin_connect,
    .work = work,
    .claim = claim,
    .await = await,
    .stop = stream_retire,
    .listen = follow_listener,
    .unlisten = leave_listener,
    .watch = watch,
    .unwatch = watch,
    .jobs_open = begin_jobs,
    .jobs_add = add_job,
    .jobs_close = end_jobs,
};

void sim_loop_open(struct sim_host *host)
{
    const struct loop_options options = {.chunks_max = CHUNKS, .chunk_bytes = CHUNK_BYTES};
    struct err err = {0};

    must(!host->loop);
    host->listening = NULL;
    host->knocked = false;
    host->stale_reads = 0;
    must(loop_open_on(&host->loop, &backend_simulated, host, &options, &err));
}

void sim_loop_close(struct sim_host *host)
{
    for (int turns = 0; host->loop->streams > 0; turns++) {
        must(turns < 100);
        loop_turn(host->loop, 0);
    }
    loop_close(host->loop);
    host->loop = NULL;
}
