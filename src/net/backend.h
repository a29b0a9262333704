/*
 * Private to net: what the files of the room share, and what a back end has to do.
 *
 * The common files hold all that is the same everywhere: timers, chunks, segments, the send queue, relays, who is told
 * what and when. A back end moves the bytes and says what the kernel said. A stream is in at most one of the loop's
 * lists; callbacks are made by the tell_ functions alone, which the loop reaches only from loop_turn.
 */
#pragma once

#include "net/net.h"
#include "net/wheel.h"

#include <sys/socket.h>
#include <sys/uio.h>

enum {
    GATHER_MAX = 64,            /* segments of one system call */
    TURN_BYTES = 128 * 1024,    /* received by one stream before others have their turn */
    RELAY_TURN_BYTES = 2 << 20, /* the same for a relay, which costs less per byte */
    ACCEPT_TURN =
        16, /* connections of one listener per turn, so that they spread over the workers */
    ACCEPT_DRAIN =
        4096 * 4, /* connections taken by a listener that drains: more than any backlog */
    ACCEPT_PAUSE_MS = 100,
};

/* Of struct stream. */
enum {
    STREAM_DIRTY = 1u << 0,      /* in the loop's dirty list */
    STREAM_RECEIVING = 1u << 1,  /* the owner wants bytes */
    STREAM_READABLE = 1u << 2,   /* reading may give something; clear: the kernel will say when */
    STREAM_WRITABLE = 1u << 3,   /* the same for writing */
    STREAM_HANGUP = 1u << 4,     /* the end or an error waits behind what can be read */
    STREAM_CONNECTING = 1u << 5, /* stream_connect is under way */
    STREAM_FINISH = 1u << 6,     /* FIN when the queue is empty */
    STREAM_FINISHED = 1u << 7,   /* FIN was sent */
    STREAM_EOF = 1u << 8,      /* nothing more can be read: the peer's FIN, or what `error` says */
    STREAM_ENDED = 1u << 9,    /* `ended` was called */
    STREAM_FAILED = 1u << 10,  /* `failed` was called */
    STREAM_CLOSED = 1u << 11,  /* by stream_close */
    STREAM_RESET = 1u << 12,   /* close with RST */
    STREAM_BACKEND = 1u << 16, /* this and higher ones are the back end's own */
};

/* A run of bytes in a send queue. */
struct segment {
    struct segment *next;
    struct chunk *chunk; /* NULL: static storage */
    const uint8_t *at;
    size_t len;
};

/*
 * What the room asks of a kernel besides waiting: clocks and descriptors. A loop's descriptors are numbers that only its
 * own kernel can read.
 */
struct kernel {
    struct instant (*now)(const struct loop *loop, enum loop_clock clock);
    /* As socket_open. */
    int (*socket)(struct loop *loop, const struct address *to, const struct address *from,
                  struct err *err);
    /* The next connection that waits; -1 with errno. */
    int (*accept)(const struct listener *listener, struct address *peer);
    struct address (*address)(const struct stream *stream, bool peer);
    bool (*gone)(const struct stream *stream);                  /* as stream_gone */
    void (*finish)(const struct stream *stream);                /* FIN */
    void (*close)(const struct loop *loop, int fd, bool reset); /* with RST instead of FIN */
};

extern const struct kernel kernel_real;

struct backend {
    enum loop_kind kind;
    const struct kernel *kernel;
    bool (*open)(struct loop *loop, struct err *err);
    void (*close)(struct loop *loop);
    /* Waits at most `wait_ns` for something to happen, says loop_woke, and does it: after each event loop_settle. */
    void (*wait)(struct loop *loop, int64_t wait_ns);

    /* Begins with a connected socket; a failure is left in stream->error. */
    void (*start)(struct stream *stream);
    /* Begins to connect the socket to `to`; the outcome comes by an event. */
    void (*connect)(struct stream *stream, const struct address *to);
    /* Does all that the stream's flags and queue ask for and is possible now. May call back. */
    void (*work)(struct stream *stream);
    /* May common code read from the descriptor by itself? False: `work` is called when it may. */
    bool (*claim)(struct stream *stream);
    /* Common code met EAGAIN and cleared STREAM_READABLE or STREAM_WRITABLE: sets it and calls `work` when it changed. */
    void (*await)(struct stream *stream, uint32_t flag);
    /* Ends everything that is under way, then closes the descriptor and calls stream_retire. */
    void (*stop)(struct stream *stream);

    bool (*listen)(struct listener *listener); /* false with errno: try again later */
    void (*unlisten)(struct listener *listener);
    void (*watch)(struct watch *watch); /* begins, or changes to, what its flags say */
    void (*unwatch)(struct watch *watch);

    /* Optional, all three or none (NULL: a thread per struct jobs). The back end then runs the jobs: job->work at a time of its choosing,
     * and after it, from `wait`, jobs_tell; both in the order of adding. After jobs_close it touches neither jobs nor job. */
    bool (*jobs_open)(struct jobs *jobs, struct err *err);
    void (*jobs_add)(struct jobs *jobs, struct job *job);
    void (*jobs_close)(struct jobs *jobs);
};

extern const struct backend backend_epoll, backend_uring;

/* A region of address space, carved into equal pieces as they are first needed. */
struct region {
    uint8_t *at;
    size_t size, stride, fresh; /* bytes; of one piece; offset of the first piece never used */
};

struct pipe {
    struct pipe *next; /* in the free list */
    int out, in;       /* its two ends; -1: not open */
};

/* Bytes on their way from one stream to another. */
struct relay {
    struct relay *next; /* in the free list */
    struct stream *from, *to;
    struct pipe *pipe; /* only while bytes move: one that waits for its source owns none */
    uint64_t left, moved;
    uint32_t piped; /* bytes in the pipe */
    bool copies;    /* the kernel cannot splice these two */
};

struct loop {
    const struct backend *backend;
    void *state; /* the back end's */
    struct instant now;
    bool stopped;
    struct wheel wheel;

    struct list dirty;    /* streams with something to do at the end of this event */
    struct list again;    /* streams that used up their share: in the next turn */
    struct list starving; /* streams that wait for a chunk */
    struct list closing;  /* streams whose owner is to be told `closed` */
    uint32_t streams;     /* adopted or connecting, and not yet told `closed` */

    uint32_t chunk_bytes, chunks_max;
    uint32_t chunks_used; /* out of the free list and the region */
    uint32_t chunks_lent; /* of those: to the kernel, to receive into */
    struct chunk *chunks; /* free ones, last released first */
    struct segment *segments;
    struct relay *relays;
    struct pipe *pipes;
    struct pipe *pipes_all;
    struct region chunk_region, segment_region, relay_region;
};

static inline bool stream_dead(const struct stream *stream)
{
    return stream->flags & (STREAM_CLOSED | STREAM_FAILED);
}

/* ---- loop.c ---- */

/* loop_open with a back end from elsewhere; `state` is its own. */
MUST_USE bool loop_open_on(struct loop **loop, const struct backend *backend, void *state,
                           const struct loop_options *options, struct err *err);
/* How long nothing is due: at most `wait_ns`, 0 when there is something to do at once. */
int64_t loop_patience(struct loop *loop, int64_t wait_ns);
/* The waiting is over: this is what time it is in this turn. */
void loop_woke(struct loop *loop, struct instant now);
/* Lets every dirty stream work once; those that become dirty meanwhile wait for the next call. */
void loop_settle(struct loop *loop);

/* ---- pool.c ---- */

bool pools_open(struct loop *loop, const struct loop_options *options, struct err *err);
void pools_close(struct loop *loop);
struct segment *segment_take(struct loop *loop);
void segment_release(struct loop *loop, struct segment *segment); /* with its chunk */
struct relay *relay_take(struct loop *loop);
void relay_release(struct loop *loop, struct relay *relay);
struct pipe *pipe_take(struct loop *loop); /* empty and open, or NULL */
void pipe_release(struct loop *loop, struct pipe *pipe, bool empty);

/* ---- stream.c ---- */

void stream_mark(struct stream *stream); /* dirty */
void stream_queue_in(struct stream *stream,
                     struct list *list);   /* moves it into one of the loop's lists */
void stream_starve(struct stream *stream); /* until there is a chunk again */
void stream_retire(struct stream *stream); /* nothing of the kernel's refers to it any more */
MUST_USE bool queue_add(struct stream *stream, struct chunk *chunk, struct bytes bytes);
size_t queue_gather(const struct stream *stream, struct iovec iov[GATHER_MAX]);
void queue_taken(struct stream *stream, size_t len); /* by the kernel */
void queue_drop(struct stream *stream);
void queue_emptied(struct stream *stream); /* sends the FIN that waited for it */
/* Keeps bytes back that came while receiving is off; takes over the caller's reference. */
void held_add(struct stream *stream, struct chunk *chunk, uint32_t len);
struct chunk *
held_take(struct stream *stream); /* the oldest, with its reference; NULL when there is none */
struct chunk *held_first(const struct stream *stream); /* the same, left where it is */
/* Each tells the owner. The chunk's reference stays the caller's. */
void tell_received(struct stream *stream, struct chunk *chunk, struct bytes bytes);
void tell_drained(struct stream *stream);
void tell_connected(struct stream *stream);
void tell_ended(struct stream *stream);
void tell_failed(struct stream *stream, int error);
/* Sending failed: the queue is dropped, and the failure is told at once, or after what can still be received. */
void send_failed(struct stream *stream, int error);

/* ---- relay.c ---- */

void relay_pump(struct relay *relay);      /* as far as it goes */
void relay_end(struct relay *relay);       /* without telling anybody */
void relay_abandon(struct stream *stream); /* both of those that it takes part in */

/* ---- listener.c ---- */

enum {
    LISTENER_STARTED = 1u << 0,
    LISTENER_DRAINING = 1u << 1,
    LISTENER_PAUSED = 1u << 2, /* the back end does not follow it */
    LISTENER_BACKEND = 1u << 8
};
enum {
    WATCH_READ = 1u << 0,
    WATCH_WRITE = 1u << 1,
    WATCH_STARTED = 1u << 2,
    WATCH_BACKEND = 1u << 8
};

void listener_accept(struct listener *listener); /* a turn's share of what waits */
void watch_tell(struct watch *watch, bool readable, bool writable);

/* ---- jobs.c ---- */

struct jobs {
    struct loop *loop;
    void *state;    /* the back end's, when it runs the jobs */
    uint32_t count; /* added, and not yet told */
    bool telling, closed;
    struct jobs_thread *thread;
};

/* Calls `done`. False: that has closed `jobs`, which is gone. */
MUST_USE bool jobs_tell(struct jobs *jobs, struct job *job);

/* ---- socket.c ---- */

/* A new non-blocking TCP socket towards `to`, bound to `from` when that is not NULL; -1 with err. */
int socket_open(const struct address *to, const struct address *from, struct err *err);
socklen_t address_to_socket(const struct address *address, struct sockaddr_storage *storage);
struct address address_of_socket(const struct sockaddr_storage *storage);
