/*
 * What the tests of this room share: a loop of either kind, streams that note what they were told, and plain sockets at
 * the other end. A test is run once for each kind; where the kernel has no io_uring, that run is skipped visibly.
 *
 * Nothing sleeps: TURN_UNTIL turns the loop until a claim holds, and its deadline fails only on a hang.
 */
#pragma once

#include "unit.h"

#include "base/clock.h"
#include "net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HANG_S = 30, CHUNK = 4096, CHUNKS = 64 };

struct world {
    struct loop *loop;
    struct loop_options options;
    bool missing; /* the kernel lacks this kind */
};

/* A stream and everything that it was told. */
struct end {
    struct world *world;
    struct stream stream;
    bool connected, ended, closed, relayed;
    int failed, relay_error;
    uint64_t received, moved;
    unsigned drained;
    uint32_t checksum_errors;
    char text[256]; /* the first bytes */
    struct chunk *kept[CHUNKS];
    unsigned kept_count;
    /* What it does when it is told, after noting it; all may be NULL. */
    void (*on_connected)(struct end *end);
    void (*on_received)(struct end *end, struct chunk *chunk, struct bytes bytes);
    void (*on_ended)(struct end *end);
    void (*on_drained)(struct end *end);
    void (*on_relayed)(struct end *end);
    void (*on_failed)(struct end *end);
    void (*on_closed)(struct end *end);
    struct end *other;
};

static inline struct end *end_of(struct stream *stream)
{
    return container_of(stream, struct end, stream);
}

/* Byte `at` of the endless text that big transfers carry: its period is not a power of two. */
static inline uint8_t pattern(uint64_t at)
{
    return (uint8_t)(at % 251 + at / 251 % 17);
}

static inline void told_connected(struct stream *stream)
{
    struct end *end = end_of(stream);

    assert_false(end->connected || end->closed || end->failed);
    end->connected = true;
    if (end->on_connected)
        end->on_connected(end);
}

static inline void told_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct end *end = end_of(stream);

    assert_false(end->ended || end->closed || end->failed);
    assert_true(bytes.len > 0);
    assert_true(bytes.at >= chunk->at && bytes.at + bytes.len <= chunk->at + chunk->cap);
    for (size_t i = 0; i < bytes.len; i++) {
        if (end->received + i < sizeof end->text - 1)
            end->text[end->received + i] = (char)bytes.at[i];
        if (bytes.at[i] != pattern(end->received + i))
            end->checksum_errors++;
    }
    end->received += bytes.len;
    if (end->on_received)
        end->on_received(end, chunk, bytes);
}

static inline void told_ended(struct stream *stream)
{
    struct end *end = end_of(stream);

    assert_false(end->ended || end->closed || end->failed);
    end->ended = true;
    if (end->on_ended)
        end->on_ended(end);
}

static inline void told_drained(struct stream *stream)
{
    struct end *end = end_of(stream);

    assert_false(end->closed || end->failed);
    assert_int_equal(stream_queued(stream), 0);
    end->drained++;
    if (end->on_drained)
        end->on_drained(end);
}

static inline void told_relayed(struct stream *stream, uint64_t moved, int error)
{
    struct end *end = end_of(stream);

    assert_false(end->relayed || end->closed || end->failed);
    end->relayed = true;
    end->moved = moved;
    end->relay_error = error;
    if (end->on_relayed)
        end->on_relayed(end);
}

static inline void told_failed(struct stream *stream, int error)
{
    struct end *end = end_of(stream);

    assert_false(end->failed || end->closed);
    assert_true(error > 0);
    end->failed = error;
    if (end->on_failed)
        end->on_failed(end);
}

static inline void told_closed(struct stream *stream)
{
    struct end *end = end_of(stream);

    assert_false(end->closed);
    end->closed = true;
    /* The storage is ours again: nothing may look at it. */
    memset(stream, 0xA5, sizeof *stream);
    if (end->on_closed)
        end->on_closed(end);
}

static const struct stream_events end_events = {
    .connected = told_connected,
    .received = told_received,
    .ended = told_ended,
    .drained = told_drained,
    .relayed = told_relayed,
    .failed = told_failed,
    .closed = told_closed,
};

/* ---- the world ---- */

static inline void open_world(struct world *world)
{
    struct err err = {0};

    if (loop_open(&world->loop, &world->options, &err))
        return;
    if (world->options.kind != LOOP_URING)
        fail_msg("%s", err.text);
    print_message("io_uring: %s\n", err.text);
    world->missing = true;
}

static inline int world_begin(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    world->options = (struct loop_options){.kind = *(enum loop_kind *)*state,
                                           .chunks_max = CHUNKS,
                                           .chunk_bytes = CHUNK,
                                           .pipes_max = 4};
    *state = world;
    open_world(world);
    return 0;
}

static inline int world_end(void **state)
{
    struct world *world = *state;

    loop_close(world->loop);
    free(world);
    return 0;
}

/* The first line of every test. */
static inline struct world *world_of(void **state)
{
    struct world *world = *state;

    if (world->missing)
        skip();
    return world;
}

/* For a test that needs other limits. */
static inline void reopen(struct world *world, uint32_t chunks, uint32_t pipes)
{
    loop_close(world->loop);
    world->options.chunks_max = chunks;
    world->options.pipes_max = pipes;
    open_world(world);
}

#define TURN_UNTIL(world, claim)                                                                   \
    do {                                                                                           \
        struct instant hang_ = after_ns(clock_now(), HANG_S * NS_PER_S);                           \
                                                                                                   \
        while (!(claim)) {                                                                         \
            if (passed(hang_, clock_now()))                                                        \
                fail_msg("never became true: %s", #claim);                                         \
            loop_turn((world)->loop, NS_PER_MS);                                                   \
        }                                                                                          \
    } while (0)

/* Enough turns for anything that could happen without us to have happened. */
static inline void settle(struct world *world)
{
    for (int i = 0; i < 20; i++)
        loop_turn(world->loop, NS_PER_MS / 4);
}

static enum loop_kind kinds[] = {LOOP_EPOLL, LOOP_URING};

#define BOTH(test)                                                                                 \
    {#test " (epoll)", test, world_begin, world_end, &kinds[0]},                                   \
    {                                                                                              \
#test " (io_uring)", test, world_begin, world_end, &kinds[1]                               \
    }

/* ---- sockets ---- */

static inline struct address loopback(uint16_t port)
{
    return (struct address){.ip = {127, 0, 0, 1}, .family = 4, .port = port};
}

static inline uint16_t port_of(int fd)
{
    struct sockaddr_in in = {0};
    socklen_t len = sizeof in;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    return ntohs(in.sin_port);
}

static inline int open_listener(void)
{
    struct address any = loopback(0);
    struct err err = {0};
    int fd = -1;

    if (!listener_open_fd(&fd, &any, &err))
        fail_msg("%s", err.text);
    return fd;
}

static inline int dial(uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

static inline void no_block(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

/* A TCP connection over loopback, both ends non-blocking; small buffers make back pressure quick. */
static inline void tcp_pair(int pair[2], int buffer)
{
    int listener = open_listener();
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port_of(listener))};

    if (buffer)
        assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer), 0);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (buffer) {
        assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer), 0);
        assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer), 0);
    }
    assert_int_equal(connect(pair[0], (struct sockaddr *)&in, sizeof in), 0);
    no_block(pair[0]);
    while ((pair[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
        assert_int_equal(errno, EAGAIN);
    if (buffer)
        assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer), 0);
    close(listener);
}

/* The first end becomes a stream that receives; the other one is returned, a plain socket. */
static inline int begin(struct world *world, struct end *end, int buffer)
{
    int pair[2];

    tcp_pair(pair, buffer);
    end->world = world;
    stream_adopt(world->loop, &end->stream, pair[0], &end_events);
    stream_receive(&end->stream, true);
    return pair[1];
}

static inline void finish(struct world *world, struct end *end)
{
    if (!end->closed)
        stream_close(&end->stream, false);
    TURN_UNTIL(world, end->closed);
}

static inline void put(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline void send_text(struct end *end, const char *text)
{
    assert_true(stream_send(&end->stream, NULL, bytes_of_string(text)));
}

/* A plain socket that sends or takes the pattern, as far as it goes without blocking. */
struct flow {
    int fd;
    uint64_t at, errors;
    bool ended;
};

static inline void flow_send(struct flow *flow, uint64_t until)
{
    uint8_t bytes[8192];

    while (flow->at < until) {
        size_t len = until - flow->at < sizeof bytes ? (size_t)(until - flow->at) : sizeof bytes;
        ssize_t sent;

        for (size_t i = 0; i < len; i++)
            bytes[i] = pattern(flow->at + i);
        sent = send(flow->fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0) {
            assert_int_equal(errno, EAGAIN);
            return;
        }
        flow->at += (uint64_t)sent;
    }
}

static inline void flow_take(struct flow *flow, size_t most)
{
    uint8_t bytes[8192];

    while (most > 0) {
        ssize_t got = recv(flow->fd, bytes, most < sizeof bytes ? most : sizeof bytes, 0);

        if (got < 0) {
            assert_int_equal(errno, EAGAIN);
            return;
        }
        if (got == 0) {
            flow->ended = true;
            return;
        }
        for (ssize_t i = 0; i < got; i++)
            flow->errors += bytes[i] != pattern(flow->at + (uint64_t)i);
        flow->at += (uint64_t)got;
        most -= (size_t)got;
    }
}

/* What the socket has, as a string; waits for nothing. */
static inline const char *take(int fd)
{
    static char text[256];
    ssize_t got = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);

    text[got > 0 ? got : 0] = '\0';
    return text;
}
