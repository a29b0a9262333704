/*
 * net: the loop, timers, listeners, streams, relays and name resolution.
 *
 * One loop per process, one thread per loop. Everything is completion-shaped: the owner says what it wants, the
 * loop does the I/O and calls back with what happened. Owners embed the structures below in their own and find
 * themselves with container_of; the loop allocates nothing after loop_open. Three back ends implement the same
 * contract: epoll, io_uring, and (for the simulator) one with virtual time and a seeded network.
 *
 * Callbacks run from loop_turn only, never from inside a call that the owner makes, so an owner is never re-entered.
 * Whatever a callback may do (send, close itself, close others, arm timers) is allowed in every callback.
 *
 * The room never decides: no retry, no timeout of its own, no policy. It never touches a closed stream's storage after
 * `closed` was called.
 */
#pragma once

#include "base/address.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/instant.h"
#include "base/list.h"

struct loop;
struct stream;

enum loop_kind { LOOP_AUTO, LOOP_EPOLL, LOOP_URING, LOOP_SIMULATED };
enum loop_clock { LOOP_MONOTONIC, LOOP_BOOT, LOOP_WALL };

struct loop_options {
    enum loop_kind kind;
    uint32_t chunks_max; /* buffers of all streams together; memory is touched only as it is used */
    uint32_t chunk_bytes; /* payload of one, 4 KiB to 1 MiB */
    uint32_t pipes_max;   /* pipes for relays, two descriptors each; none free: a relay copies */
};

MUST_USE bool loop_open(struct loop **loop, const struct loop_options *options, struct err *err);
void loop_close(struct loop *loop); /* every stream, listener and watch has been closed before */
enum loop_kind loop_kind(const struct loop *loop); /* the one chosen: never LOOP_AUTO */
struct instant loop_now(const struct loop *loop);  /* monotonic; read once per turn */
/* Reads a clock now. LOOP_BOOT also counts the time in which the machine slept; LOOP_WALL counts from 1970 and may jump.
 * What runs in the simulator asks its loop, never the machine. */
struct instant loop_read_clock(const struct loop *loop, enum loop_clock clock);
/* Closes a descriptor that came from `accepted` and was not adopted. */
void loop_close_fd(struct loop *loop, int fd);
/* Waits for something to happen, at most `wait_ns` (INT64_MAX: for ever), and calls everybody back. */
void loop_turn(struct loop *loop, int64_t wait_ns);
/* Turns until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* ---- timers: a hierarchical wheel; arm, move and cancel are O(1); resolution one millisecond, never early ---- */

struct timer {
    struct list node;
    struct instant at;
    void (*fire)(struct timer *timer); /* the timer is disarmed before it is called */
};

void timer_init(struct timer *timer, void (*fire)(struct timer *timer));
void timer_arm(struct loop *loop, struct timer *timer,
               struct instant at);                         /* armed already: moved */
void timer_cancel(struct loop *loop, struct timer *timer); /* disarmed already: nothing */
bool timer_armed(const struct timer *timer);

/* ---- chunks: reference-counted buffers of the loop's pool ---- */

struct chunk {
    struct chunk *next; /* in the free list */
    uint32_t refs;
    uint32_t cap;        /* bytes at `at` */
    uint32_t begin, len; /* private: the bytes that wait in it while it is held back */
    uint8_t at[];
};

/* A chunk with one reference, the caller's; NULL when the pool is empty (an ordinary outcome). */
struct chunk *chunk_take(struct loop *loop);
void chunk_hold(struct chunk *chunk);
void chunk_release(struct loop *loop, struct chunk *chunk); /* NULL is fine */
uint32_t loop_chunks_free(const struct loop *loop);

/* ---- streams: a connected TCP or Unix socket ---- */

/* All are needed but `connected`, `drained` and `relayed`, which may be NULL. */
struct stream_events {
    void (*connected)(struct stream *stream); /* after stream_connect only */
    /* Bytes came. They lie in `chunk`, which is the loop's; chunk_hold keeps it beyond the call, or stream_send passes it on. */
    void (*received)(struct stream *stream, struct chunk *chunk, struct bytes bytes);
    void (*ended)(
        struct stream *stream); /* the peer sent its FIN; sending may go on. At most once */
    /* The kernel has taken everything that was queued. Called each time the queue has become empty, also when that
     * is at the end of the very event that queued: an owner may stop a source whenever something is queued. */
    void (*drained)(struct stream *stream);
    /* stream_relay is done: `moved` bytes went over; `error` 0 when the count was reached or the source ended (then
     * `ended` follows), else an errno of the source (then `failed` follows, unless it was closed). When the destination
     * fails, its own `failed` tells and `relayed` never comes. */
    void (*relayed)(struct stream *from, uint64_t moved, int error);
    /* Refused, reset, unreachable …: the stream is dead, stream_close is the only call left. At most once. What came
     * before is delivered first if receiving is on. While it is off, and after `ended`, a reset may show only at the next
     * send or when receiving is on again. */
    void (*failed)(struct stream *stream, int error);
    void (*closed)(
        struct stream *stream); /* after stream_close: the storage is the owner's again */
};

/* Private to net. An idle stream is this and its socket: no chunk, no segment. */
struct stream {
    const struct stream_events *events;
    struct loop *loop;
    struct list work; /* in the one list of the loop that says what comes next for it */
    struct segment *queue, *queue_tail;
    struct chunk *held;         /* ring, by its last: bytes that came while receiving was off */
    struct relay *relay, *feed; /* the one that it is the source, and the destination, of */
    int fd;                     /* -1: closed */
    uint32_t flags;
    uint32_t queued;   /* bytes accepted by stream_send that the kernel has not taken */
    uint32_t taken;    /* bytes of the queue that the kernel took, modulo 2^32 */
    uint16_t inflight; /* completions still owed by the kernel (io_uring) */
    uint16_t error;    /* errno, not yet told */
};

/* Takes over a connected, non-blocking socket. Receiving is off until stream_receive. */
void stream_adopt(struct loop *loop, struct stream *stream, int fd,
                  const struct stream_events *events);
/* Begins a connection; `connected` or `failed` follows. False (and no callback follows, the storage is untouched) only
 * when no socket could be made (descriptors, addresses). `from` may be NULL. The caller bounds it by a timer and stream_close. */
MUST_USE bool stream_connect(struct loop *loop, struct stream *stream, const struct address *to,
                             const struct address *from, const struct stream_events *events,
                             struct err *err);
/* Bytes that the kernel already holds may still be delivered once after `false` (io_uring): such bytes are kept by the
 * loop and delivered after the next `true`; an owner never sees `received` while it is off. */
void stream_receive(struct stream *stream, bool on);
/* Queues bytes of `chunk` (holding a reference of its own until they are sent) or, with chunk NULL, of static storage. Sent at
 * the end of the current event at the latest; before `connected` it waits. False when the loop has no segment left:
 * nothing was queued. On a stream that failed or was closed the bytes are dropped. Not after stream_finish, and not while
 * a relay feeds this stream. The loop ignores SIGPIPE for the whole process, since splice has no MSG_NOSIGNAL. */
MUST_USE bool stream_send(struct stream *stream, struct chunk *chunk, struct bytes bytes);
static inline uint32_t stream_queued(const struct stream *stream)
{
    return stream->queued;
}
/* How many bytes the kernel has taken so far, modulo 2^32: whoever asks twice sees whether something moves. */
static inline uint32_t stream_taken(const struct stream *stream)
{
    return stream->taken;
}
void stream_finish(struct stream *stream); /* FIN once the queue is sent; receiving goes on */
/* Drops the queue and closes; `closed` follows in this or the next turn. `reset`: with RST instead of FIN. Twice: nothing. */
void stream_close(struct stream *stream, bool reset);
/* Moves up to `count` bytes (UINT64_MAX: until the source ends) from one stream to the other inside the kernel where it
 * can (splice through a pipe), else through chunks, with back pressure. Begins after what is queued on `to`; until
 * `relayed` nothing may be sent on `to`, and receiving on `from` waits whether it is on or off. Closing either stream, or
 * the failure of `to`, ends it without `relayed`. */
void stream_relay(struct stream *from, struct stream *to, uint64_t count);
/* Bytes that the relay under way has taken from this stream so far; 0 when there is none. */
uint64_t stream_relay_moved(const struct stream *from);
/* True when the peer has sent its FIN or a reset, as the kernel knows it now: for an owner that does not receive and wants to
 * know whether somebody is still there. Bytes may lie before the FIN. One system call. */
bool stream_gone(const struct stream *stream);
/* Address of either end; family 0 when the kernel does not know. */
struct address stream_peer(const struct stream *stream);
struct address stream_local(const struct stream *stream);

/* ---- listeners ---- */

/* A shared listener is looked at as often, woken or not: a connection waits no longer for the others when the process that it woke was stopped or killed. */
enum { LISTENER_LOOK_MS = 250 };

struct listener {
    struct loop *loop;
    int fd; /* borrowed: listener_stop does not close it */
    void (*accepted)(struct listener *listener, int fd,
                     const struct address *peer); /* fd: non-blocking, the callee's */
    /* Accepting paused for 100 ms: out of descriptors or memory. */
    void (*starved)(struct listener *listener, int error);
    bool shared; /* other processes accept from it too: see LISTENER_LOOK_MS */
    struct timer due;
    uint32_t flags;
    uint32_t share; /* connections to be taken in the next turn */
    void *poll;     /* io_uring: what asks the kernel for it */
};

/* Opens a listening TCP socket: non-blocking, REUSEADDR, NODELAY (inherited by what it accepts), backlog 4096. */
MUST_USE bool listener_open_fd(int *fd, const struct address *address, struct err *err);
/* The same, at an address that this machine may not have yet, or not any more: it is listened on all the same. */
MUST_USE bool listener_open_fd_ahead(int *fd, const struct address *address, struct err *err);
/* Many processes may accept from one socket (EPOLLEXCLUSIVE): connections wait in one queue, so that none is lost when
 * one of the processes dies. */
void listener_start(struct loop *loop, struct listener *listener, int fd);
/* Before the descriptor is closed. Accepts nothing any more; `drain`: in the next turn, takes all that the kernel has already queued. The storage must live
 * until the end of the next turn. */
void listener_stop(struct listener *listener, bool drain);

/* ---- watches: readiness of a descriptor that is not a stream (channels, signalfd, c-ares). Level-triggered. ---- */

struct watch {
    struct loop *loop;
    int fd; /* borrowed */
    /* Errors and hang-ups make both true that are watched for. */
    void (*ready)(struct watch *watch, bool readable, bool writable);
    uint32_t flags;
    void *poll; /* io_uring: what asks the kernel for it */
};

void watch_start(struct loop *loop, struct watch *watch, int fd, bool read, bool write);
void watch_change(struct watch *watch, bool read, bool write);
/* Before the descriptor is closed. No callback follows, and the storage is the owner's again. */
void watch_stop(struct watch *watch);

/* ---- jobs: what may wait (a disk) is done by a thread of its own, in order; its end is an event of the loop ---- */

struct jobs;

struct job {
    struct list node; /* private, from jobs_add until `done` */
    /* On the thread. Touches only what the owner leaves alone meanwhile, and nothing of the loop. */
    void (*work)(struct job *job);
    /* From loop_turn, in the order of jobs_add. The job may be added again. */
    void (*done)(struct job *job);
};

/* `name` is the thread's (at most 15 characters). The thread blocks all signals. */
MUST_USE bool jobs_open(struct jobs **jobs, struct loop *loop, const char *name, struct err *err);
void jobs_add(struct jobs *jobs, struct job *job);
bool jobs_idle(const struct jobs *jobs); /* every job's `done` was called */
/* Waits for the end of the work that is under way; what has not begun is never begun. No `done` is called any more, and all
 * storage is the owner's again. Allowed in `done`. NULL is fine. */
void jobs_close(struct jobs *jobs);

/* ---- resolver: names to addresses with c-ares, never blocking ---- */

struct resolver;

enum { RESOLVER_ADDRESSES_MAX = 16 };

struct resolution {
    struct list node; /* private, and so is question */
    void *question;
    uint32_t count;
    struct address
        addresses[RESOLVER_ADDRESSES_MAX]; /* port 0; IPv4 and IPv6 in the order of the answer */
    int64_t ttl_s; /* the shortest of the answer's; 0 from /etc/hosts, a day for an IP address */
    /* err is NULL on success. */
    void (*resolved)(struct resolution *resolution, const struct err *err);
};

MUST_USE bool resolver_open(struct resolver **resolver, struct loop *loop, int64_t timeout_ms,
                            struct err *err);
void resolver_close(struct resolver *resolver); /* what is under way ends without a callback */
/* Asks these servers (at most 8; a port of 0 is 53) and no longer those of /etc/resolv.conf. */
MUST_USE bool resolver_use(struct resolver *resolver, const struct address servers[], size_t count,
                           struct err *err);
/* /etc/hosts and `localhost` are answered too; an IP address answers itself. `resolved` follows, within `timeout_ms`, never
 * from inside this call. */
void resolver_ask(struct resolver *resolver, struct resolution *resolution, const char *name);
/* No callback follows, and the storage is the owner's again. Not under way: nothing, if it was ever asked or is zeroed. */
void resolver_cancel(struct resolver *resolver, struct resolution *resolution);
