/*
 * What the driver tests share: a balancer on a loop of either kind, configured by YAML as a person writes it, and peers at both of its
 * sides: plain sockets that say and hear exactly what a test tells them. A test reads as a conversation.
 *
 * Nothing sleeps: TURN_UNTIL turns the loop until a claim holds, and its deadline fails only on a hang.
 */
#pragma once

#include "unit.h"

#include "balancer/balancer.h"
#include "base/clock.h"
#include "net/net.h"
#include "role/config.h"
#include "role/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HANG_S = 30,
    CHUNK = 16384,
    CHUNKS = 256,
    BACKENDS = 3,
    PEERS = 64,
    GENERATIONS = 64,
    SESSIONS = 64,
    TEXT_MAX = 1 << 21,
};

/* The other end of one connection. */
struct peer {
    int fd;
    size_t len;
    bool ended, reset;
    char *text; /* all that was heard, ending with NUL */
};

struct world {
    struct loop *loop;
    struct scoreboard *board;
    struct balancer *balancer;
    enum loop_kind kind;
    bool missing, drained;
    int listener, backends[BACKENDS], log[2];
    uint64_t generation;
    struct buf images[GENERATIONS];
    uint64_t done[GENERATIONS];
    uint32_t done_count;
    struct peer peers[PEERS];
    uint32_t peer_count;
    uint32_t sessions, chunks;
};

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
    for (int i = 0; i < 40; i++)
        loop_turn(world->loop, NS_PER_MS / 4);
}

/* ---- sockets ---- */

static inline uint16_t port_of(int fd)
{
    struct sockaddr_in in = {0};
    socklen_t len = sizeof in;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    return ntohs(in.sin_port);
}

static inline int open_listener(void)
{
    struct address any = {.ip = {127, 0, 0, 1}, .family = 4};
    struct err err = {0};
    int fd = -1;

    if (!listener_open_fd(&fd, &any, &err))
        fail_msg("%s", err.text);
    return fd;
}

static inline struct peer *new_peer(struct world *world, int fd)
{
    struct peer *peer = &world->peers[world->peer_count++];

    assert_true(world->peer_count <= PEERS);
    assert_true(fd >= 0);
    *peer = (struct peer){.fd = fd, .text = calloc(1, TEXT_MAX)};
    assert_non_null(peer->text);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return peer;
}

/* A client connects. */
static inline struct peer *dial(struct world *world)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(port_of(world->listener)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return new_peer(world, fd);
}

/* A backend takes the next connection. */
static inline struct peer *admit(struct world *world, int backend)
{
    int fd = -1;

    TURN_UNTIL(world, (fd = accept4(world->backends[backend], NULL, NULL, SOCK_CLOEXEC)) >= 0);
    return new_peer(world, fd);
}

static inline bool anybody_waits(struct world *world, int backend)
{
    int fd = accept4(world->backends[backend], NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* True when all is sent, or nobody is there to send it to. */
static inline bool sent_some(struct peer *peer, const char *from, size_t *said, size_t len)
{
    ssize_t sent = send(peer->fd, from + *said, len - *said, MSG_NOSIGNAL);

    *said += sent > 0 ? (size_t)sent : 0;
    return *said == len || (sent < 0 && errno != EAGAIN);
}

static inline void say_bytes(struct world *world, struct peer *peer, const void *at, size_t len)
{
    const char *from = at;
    size_t said = 0;

    TURN_UNTIL(world, sent_some(peer, from, &said, len));
}

static inline void say(struct world *world, struct peer *peer, const char *text)
{
    say_bytes(world, peer, text, strlen(text));
}

/* Takes what has come. */
static inline void listen_to(struct peer *peer)
{
    while (!peer->ended && !peer->reset && peer->len + 1 < TEXT_MAX) {
        ssize_t got = recv(peer->fd, peer->text + peer->len, TEXT_MAX - 1 - peer->len, 0);

        if (got < 0 && errno == EAGAIN)
            return;
        if (got > 0)
            peer->len += (size_t)got;
        else if (got == 0)
            peer->ended = true;
        else
            peer->reset = true;
    }
}

static inline bool has_heard(struct peer *peer, const char *text)
{
    listen_to(peer);
    return strstr(peer->text, text) != NULL;
}

/* Turns until the peer has heard it; a hang shows what it heard instead. */
static inline void hear(struct world *world, struct peer *peer, const char *wanted)
{
    struct instant hang = after_ns(clock_now(), HANG_S * NS_PER_S);

    while (!has_heard(peer, wanted)) {
        if (passed(hang, clock_now()))
            fail_msg("wanted to hear: %s\nheard: %.2000s", wanted, peer->text);
        loop_turn(world->loop, NS_PER_MS);
    }
}

#define hear_bytes(world, peer, count)                                                             \
    TURN_UNTIL(world, (listen_to(peer), (peer)->len >= (size_t)(count)))
#define hear_end(world, peer) TURN_UNTIL(world, (listen_to(peer), (peer)->ended))
#define hear_reset(world, peer) TURN_UNTIL(world, (listen_to(peer), (peer)->reset))

/* What was heard so far is forgotten. */
static inline void forget(struct peer *peer)
{
    peer->len = 0;
    memset(peer->text, 0, TEXT_MAX);
}

static inline void hang_up(struct peer *peer)
{
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
}

static inline void crash(struct peer *peer)
{
    struct linger linger = {.l_onoff = 1};

    assert_int_equal(setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    hang_up(peer);
}

/* ---- the balancer ---- */

/* Writes the configuration: $A, $B, $C stand for the backends' addresses. */
static inline int write_config(struct world *world, const char *yaml)
{
    int fd = memfd_create("config", MFD_CLOEXEC);
    char text[64];

    assert_true(fd >= 0);
    for (const char *at = yaml; *at; at++) {
        int len = snprintf(text, sizeof text, "%c", *at);

        if (at[0] == '$' && at[1] >= 'A' && at[1] < 'A' + BACKENDS) {
            at++;
            len = snprintf(text, sizeof text, "127.0.0.1:%d", port_of(world->backends[*at - 'A']));
        }
        assert_int_equal(write(fd, text, (size_t)len), len);
    }
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static inline struct image image_of(const struct buf *buf)
{
    return (struct image){buf->at, buf->len};
}

static inline void configure(struct world *world, const char *yaml)
{
    struct buf *image = &world->images[world->generation], findings = {0};
    struct config_request request = {.file = "test.yaml", .fd = write_config(world, yaml)};
    const struct config *config;
    int fds[LISTENERS_MAX];

    if (world->generation > 0)
        request.previous = image_of(image - 1);
    if (!config_compile(&request, image, &findings))
        fail_msg("%.*s", (int)findings.len, (const char *)findings.at);
    buf_fini(&findings);
    close(request.fd);
    config = config_of(image_of(image));
    for (uint32_t i = 0; i < LISTENERS_MAX; i++)
        fds[i] = world->listener;
    balancer_configure(world->balancer,
                       &(struct balancer_config){
                           .image = image_of(image),
                           .generation = ++world->generation,
                           .services = config->services,
                           .pools = config->pools,
                           .pool_size = sizeof(struct config_pool),
                       },
                       fds);
}

static inline void note_done(void *context, uint64_t generation)
{
    struct world *world = context;

    world->done[world->done_count++] = generation;
}

static inline void note_drained(void *context)
{
    struct world *world = context;

    world->drained = true;
}

static inline void open_balancer(struct world *world)
{
    const struct loop_options loop = {
        .kind = world->kind, .chunks_max = world->chunks, .chunk_bytes = CHUNK, .pipes_max = 8};
    const struct balancer_options options = {
        .board = world->board,
        .log_fd = world->log[1],
        .node = "a",
        .generation_done = note_done,
        .drained = note_drained,
        .context = world,
        .sessions_max = world->sessions,
    };
    struct balancer_options with_loop = options;
    struct err err = {0};

    if (!loop_open(&world->loop, &loop, &err)) {
        if (world->kind != LOOP_URING)
            fail_msg("%s", err.text);
        print_message("io_uring: %s\n", err.text);
        world->missing = true;
        return;
    }
    with_loop.loop = world->loop;
    if (!balancer_open(&world->balancer, &with_loop, &err))
        fail_msg("%s", err.text);
}

/* The first line of every test. */
static inline struct world *begin(void **state, const char *yaml)
{
    struct world *world = *state;

    open_balancer(world);
    if (world->missing)
        skip();
    configure(world, yaml);
    return world;
}

static inline int world_begin(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    world->kind = *(enum loop_kind *)*state;
    world->sessions = SESSIONS;
    world->chunks = CHUNKS;
    world->board = mmap(NULL, sizeof *world->board, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(world->board != MAP_FAILED);
    atomic_store(&world->board->workers, 1);
    world->listener = open_listener();
    for (int i = 0; i < BACKENDS; i++)
        world->backends[i] = open_listener();
    assert_int_equal(pipe2(world->log, O_CLOEXEC | O_NONBLOCK), 0);
    signal(SIGPIPE, SIG_IGN);
    *state = world;
    return 0;
}

static inline int world_end(void **state)
{
    struct world *world = *state;

    for (uint32_t i = 0; i < world->peer_count; i++) {
        hang_up(&world->peers[i]);
        free(world->peers[i].text);
    }
    if (world->balancer) {
        balancer_close(world->balancer);
        loop_turn(world->loop, NS_PER_MS);
        loop_turn(world->loop, NS_PER_MS);
        /* Whatever happened in a test, nothing is left of it. */
        for (int i = 0; i < 8; i++) {
            assert_int_equal(world->board->worker[0].services[i].connections, 0);
            assert_int_equal(world->board->worker[0].services[i].active, 0);
            assert_int_equal(world->board->worker[0].backends[i].connections, 0);
            assert_int_equal(world->board->worker[0].backends[i].active, 0);
            assert_int_equal(world->board->worker[0].backends[i].idle, 0);
        }
        assert_int_equal(loop_chunks_free(world->loop), world->chunks);
    }
    loop_close(world->loop);
    for (uint32_t i = 0; i < world->generation; i++)
        buf_fini(&world->images[i]);
    for (int i = 0; i < BACKENDS; i++) {
        if (world->backends[i] >= 0)
            close(world->backends[i]);
    }
    close(world->listener);
    close(world->log[0]);
    close(world->log[1]);
    munmap(world->board, sizeof *world->board);
    free(world);
    return 0;
}

static enum loop_kind kinds[] = {LOOP_EPOLL, LOOP_URING};

#define BOTH(test)                                                                                 \
    {#test " (epoll)", test, world_begin, world_end, &kinds[0]},                                   \
    {                                                                                              \
#test " (io_uring)", test, world_begin, world_end, &kinds[1]                               \
    }

/* ---- what many conversations begin with ---- */

#define YAML(service, pools)                                                                       \
    "cluster: test\n"                                                                              \
    "services:\n"                                                                                  \
    "  web: {listen: \"127.0.0.1:1\", pool: one, " service "}\n"                                   \
    "pools:\n" pools

#define ONE_BACKEND YAML("protocol: http", "  one: {backends: [$A]}\n")
#define TWO_BACKENDS YAML("protocol: http", "  one: {backends: [$A, $B]}\n")

#define GET "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static inline const struct service_counters *service(const struct world *world)
{
    return &world->board->worker[0].services[0];
}

static inline const struct backend_counters *backend(const struct world *world, int index)
{
    return &world->board->worker[0].backends[index];
}
