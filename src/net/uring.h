/*
 * Private to the io_uring back end: the ring, how operations are handed in, and what its files share.
 */
#pragma once

#include "net/backend.h"

#include <liburing.h>

enum {
    BUFFERS_MAX = 1024, /* lent to the kernel at a time; a power of two */
    BUFFER_GROUP = 0,
    MESSAGES_MAX = 32, /* gathered sends, and connects, of one submission */
    POLLS_MAX = 1024,
};

/* What a completion is of, in the lowest bits of its user data. A cancellation's own outcome is of no interest. */
enum op { OP_CANCEL, OP_RECEIVE, OP_SEND, OP_CONNECT, OP_READABLE, OP_WRITABLE, OP_POLL, OP_MASK };

/* Waits for a descriptor on behalf of a watch or a listener, whose storage may go before the kernel has answered. */
struct poll {
    struct poll *next; /* in the free list */
    struct watch *watch;
    struct listener *listener; /* both NULL: nobody waits any more */
    bool armed;
};

/* What the kernel reads when it takes a submission, and not afterwards. */
union message {
    struct {
        struct msghdr head;
        struct iovec iov[GATHER_MAX];
    };
    struct sockaddr_storage address;
};

struct uring {
    struct io_uring ring;
    struct io_uring_buf_ring *buffers;
    uint32_t buffers_count, reserve; /* its size; the chunks that are left to the owners */
    /* How many are to be lent. The kernel goes round them all, so there are no more than it needs: the cache likes it. */
    uint32_t wanted;
    bool ran_out;                    /* the kernel did, in this turn */
    struct chunk *lent[BUFFERS_MAX]; /* by buffer id */
    uint16_t ids[BUFFERS_MAX];       /* a stack of those that are not lent */
    uint32_t ids_free;
    uint32_t messages_used;
    struct poll *polls; /* free ones */
    union message messages[MESSAGES_MAX];
    struct poll polls_all[POLLS_MAX];
};

static inline uint64_t data_of(const void *what, enum op op)
{
    return (uint64_t)(uintptr_t)what | op;
}

/* ---- uring.c ---- */

struct io_uring_sqe *
next_sqe(struct uring *uring); /* never NULL: submits what there is when the ring is full */
void cancel(struct uring *uring, const void *what, enum op op);

/* ---- uring_buffers.c ---- */

bool buffers_open(struct loop *loop, struct err *err);
void buffers_close(struct uring *uring);
/* Lends free chunks to the kernel, but leaves some to the owners as long as the kernel has any. */
void buffers_lend(struct loop *loop);
/* The chunk that a completion was received into, with its reference; NULL when there is none. */
struct chunk *buffers_take_back(struct loop *loop, const struct io_uring_cqe *cqe);

/* ---- uring_poll.c ---- */

void polls_open(struct uring *uring);
bool uring_listen(struct listener *listener);
void uring_unlisten(struct listener *listener);
void uring_watch(struct watch *watch);
void uring_unwatch(struct watch *watch);
void polled(struct uring *uring, struct poll *poll, int result); /* a completion */
