/*
 * The ring of buffers from which the kernel takes one for each receive: chunks of the pool, lent to it.
 */
#include "net/uring.h"

#include <errno.h>
#include <sys/mman.h>

enum { BUFFERS_MIN = 64 }; /* lent at first */

void buffers_lend(struct loop *loop)
{
    struct uring *uring = loop->state;
    int added = 0;

    if (uring->ran_out && uring->wanted < uring->buffers_count)
        uring->wanted *= 2;
    uring->ran_out = false;
    while (loop->chunks_lent < uring->wanted) {
        uint32_t spare = loop->chunks_max - loop->chunks_used;
        struct chunk *chunk;
        uint16_t id;

        if (spare <= uring->reserve && loop->chunks_lent > 0)
            break;
        chunk = chunk_take(loop);
        if (!chunk)
            break;
        id = uring->ids[--uring->ids_free];
        uring->lent[id] = chunk;
        loop->chunks_lent++;
        io_uring_buf_ring_add(uring->buffers, chunk->at, chunk->cap, id,
                              io_uring_buf_ring_mask(uring->buffers_count), added++);
    }
    if (added)
        io_uring_buf_ring_advance(uring->buffers, added);
}

struct chunk *buffers_take_back(struct loop *loop, const struct io_uring_cqe *cqe)
{
    struct uring *uring = loop->state;
    uint32_t id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    struct chunk *chunk;

    if (!(cqe->flags & IORING_CQE_F_BUFFER))
        return NULL;
    must(id < uring->buffers_count && uring->lent[id]);
    chunk = uring->lent[id];
    uring->lent[id] = NULL;
    uring->ids[uring->ids_free++] = (uint16_t)id;
    loop->chunks_lent--;
    return chunk;
}

static uint32_t buffers_for(uint32_t chunks)
{
    uint32_t count = 1;

    while (count * 2 <= chunks / 2 && count * 2 <= BUFFERS_MAX)
        count *= 2;
    return count;
}

bool buffers_open(struct loop *loop, struct err *err)
{
    struct uring *uring = loop->state;
    struct io_uring_buf_reg reg = {.bgid = BUFFER_GROUP};
    size_t size;
    void *at;
    int result;

    uring->buffers_count = buffers_for(loop->chunks_max);
    uring->reserve = loop->chunks_max / 8;
    uring->wanted = uring->buffers_count < BUFFERS_MIN ? uring->buffers_count : BUFFERS_MIN;
    size = uring->buffers_count * sizeof(struct io_uring_buf);
    at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return err_system(err, "reserve the buffer ring of io_uring");
    uring->buffers = at;
    reg.ring_addr = (uint64_t)(uintptr_t)at;
    reg.ring_entries = uring->buffers_count;
    result = io_uring_register_buf_ring(&uring->ring, &reg, 0);
    if (result < 0) {
        errno = -result;
        return err_system(err, "register the buffer ring of io_uring, which needs Linux 6.1");
    }
    io_uring_buf_ring_init(uring->buffers);
    for (uint32_t id = uring->buffers_count; id-- > 0;)
        uring->ids[uring->ids_free++] = (uint16_t)id;
    return true;
}

void buffers_close(struct uring *uring)
{
    if (uring->buffers)
        munmap(uring->buffers, uring->buffers_count * sizeof(struct io_uring_buf));
}
