/*
 * A scripted server in a process of its own, for tests of what talks to servers. What it does with a connection can be changed while it
 * runs, and what it saw can be read: the script lies in shared memory.
 */
#pragma once

#include "base/own.h"
#include "net/net.h"
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum peer_manner {
    PEER_ANSWERS,        /* and keeps the connection */
    PEER_HANGS_UP,       /* after its answer, which may be a part of one or nothing */
    PEER_RESETS,         /* likewise */
    PEER_CRAWLS,         /* answers byte by byte, a millisecond apart */
    PEER_IS_SILENT,      /* takes the request and says nothing */
    PEER_LEAVES_AT_ONCE, /* closes before any request */
    PEER_RESETS_AT_ONCE,
    PEER_ALTERNATES, /* answers, and every second request gets a 503 */
};

enum { PEER_ANSWER_MAX = 4096, PEER_VISITS_MAX = 256 };

struct peer_script {
    _Atomic int manner;
    char answer[PEER_ANSWER_MAX]; /* written before the request that it is for */
    _Atomic uint32_t accepted, requests;
};

struct peer {
    struct peer_script *script;
    pid_t pid;
    struct address address;
};

struct peer_visit {
    struct peer_process *process;
    bool used;
    struct stream stream;
    struct timer timer;
    const char *left; /* of a crawling answer */
};

struct peer_process {
    struct peer_script *script;
    struct loop *loop;
    struct listener listener;
    struct peer_visit visits[PEER_VISITS_MAX];
};

static inline void peer_say(struct peer_visit *visit, const char *text)
{
    must(stream_send(&visit->stream, NULL, bytes_of_string(text)));
}

static inline void peer_crawl(struct timer *timer)
{
    struct peer_visit *visit = container_of(timer, struct peer_visit, timer);

    if (*visit->left == 0)
        return;
    must(stream_send(&visit->stream, NULL, bytes_of(visit->left++, 1)));
    timer_arm(visit->process->loop, timer, after_ms(loop_now(visit->process->loop), 1));
}

static inline void peer_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct peer_visit *visit = container_of(stream, struct peer_visit, stream);
    struct peer_script *script = visit->process->script;
    uint32_t number = ++script->requests;

    (void)chunk;
    (void)bytes;
    switch ((enum peer_manner)script->manner) {
    case PEER_ALTERNATES:
        peer_say(visit, number % 2 ? script->answer
                                   : "HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n");
        break;
    case PEER_ANSWERS:
        peer_say(visit, script->answer);
        break;
    case PEER_HANGS_UP:
    case PEER_RESETS:
        if (script->answer[0])
            peer_say(visit, script->answer);
        else
            stream_close(stream, script->manner == PEER_RESETS);
        break;
    case PEER_CRAWLS:
        visit->left = script->answer;
        peer_crawl(&visit->timer);
        break;
    case PEER_IS_SILENT:
    case PEER_LEAVES_AT_ONCE:
    case PEER_RESETS_AT_ONCE:
        break;
    }
}

static inline void peer_drained(struct stream *stream)
{
    struct peer_visit *visit = container_of(stream, struct peer_visit, stream);
    int manner = visit->process->script->manner;

    if (manner == PEER_HANGS_UP || manner == PEER_RESETS)
        stream_close(stream, manner == PEER_RESETS);
}

static inline void peer_gone(struct stream *stream)
{
    stream_close(stream, false);
}

static inline void peer_failed(struct stream *stream, int error)
{
    (void)error;
    stream_close(stream, true);
}

static inline void peer_closed(struct stream *stream)
{
    struct peer_visit *visit = container_of(stream, struct peer_visit, stream);

    timer_cancel(visit->process->loop, &visit->timer);
    visit->used = false;
}

static inline void peer_accepted(struct listener *listener, int fd, const struct address *from)
{
    static const struct stream_events events = {
        .received = peer_received,
        .drained = peer_drained,
        .ended = peer_gone,
        .failed = peer_failed,
        .closed = peer_closed,
    };
    struct peer_process *process = container_of(listener, struct peer_process, listener);
    struct peer_visit *visit = process->visits;
    int manner = process->script->manner;

    (void)from;
    process->script->accepted++;
    while (visit->used)
        must(++visit < process->visits + PEER_VISITS_MAX);
    visit->used = true;
    visit->process = process;
    timer_init(&visit->timer, peer_crawl);
    stream_adopt(process->loop, &visit->stream, fd, &events);
    if (manner == PEER_LEAVES_AT_ONCE || manner == PEER_RESETS_AT_ONCE)
        stream_close(&visit->stream, manner == PEER_RESETS_AT_ONCE);
    else
        stream_receive(&visit->stream, true);
}

static inline void peer_starved(struct listener *listener, int error)
{
    (void)listener;
    (void)error;
}

static inline _Noreturn void peer_run(struct peer_script *script, int fd)
{
    struct loop_options options = {
        .kind = LOOP_EPOLL, .chunks_max = PEER_VISITS_MAX * 4, .chunk_bytes = 16384};
    struct peer_process *process = calloc(1, sizeof *process);
    struct err err;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    must(process && loop_open(&process->loop, &options, &err));
    process->script = script;
    process->listener.accepted = peer_accepted;
    process->listener.starved = peer_starved;
    listener_start(process->loop, &process->listener, fd);
    loop_run(process->loop);
    _exit(0);
}

/* Listens on a port of its own, or again on the one in peer->address when that is not 0. */
static inline void peer_start(struct peer *peer, enum peer_manner manner, const char *answer)
{
    struct address any = {.ip = {127, 0, 0, 1}, .family = 4, .port = peer->address.port};
    uint8_t name[128]; /* of the socket: the port is its second field */
    socklen_t len = sizeof name;
    struct err err;
    int fd;

    if (!listener_open_fd(&fd, &any, &err))
        fail_msg("%s", err.text);
    assert_int_equal(getsockname(fd, (void *)name, &len), 0);
    any.port = (uint16_t)(name[2] << 8 | name[3]);
    peer->address = any;
    peer->script =
        mmap(NULL, sizeof *peer->script, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(peer->script != MAP_FAILED);
    peer->script->manner = manner;
    snprintf(peer->script->answer, PEER_ANSWER_MAX, "%s", answer);
    peer->pid = fork();
    assert_true(peer->pid >= 0);
    if (peer->pid == 0)
        peer_run(peer->script, fd);
    close(fd);
}

static inline void peer_stop(struct peer *peer)
{
    kill(peer->pid, SIGKILL);
    assert_int_equal(waitpid(peer->pid, NULL, 0), peer->pid);
    munmap(peer->script, sizeof *peer->script);
}

/* A port on which nobody listens. */
static inline struct address peer_nobody(void)
{
    struct peer peer = {0};

    peer_start(&peer, PEER_ANSWERS, "");
    peer_stop(&peer);
    return peer.address;
}
