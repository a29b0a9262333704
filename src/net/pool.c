/*
 * The pools of a loop: chunks, segments, relays, pipes. Address space is reserved once and memory is touched as it is
 * first used; what was released last is taken first, while it is still in the processor's cache.
 */
#include "net/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    CACHE_LINE = 64,
    SEGMENTS_PER_CHUNK =
        4, /* parts of one chunk that wait in queues, besides heads and static text */
    PIPE_BYTES = 1 << 20,
    RELAYS_MAX = 1 << 20,
};

static bool region_open(struct region *region, size_t count, size_t piece, struct err *err)
{
    size_t stride = (piece + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    void *at;

    if (count > SIZE_MAX / stride)
        return err_set(err, ERR_LIMIT, "%zu buffers of %zu bytes are more than memory can hold",
                       count, piece);
    at = mmap(NULL, count * stride, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return err_system(err, "reserve %zu buffers of %zu bytes", count, piece);
    *region = (struct region){.at = at, .size = count * stride, .stride = stride};
    return true;
}

static void region_close(struct region *region)
{
    if (region->at)
        munmap(region->at, region->size);
}

static void *region_carve(struct region *region)
{
    size_t at = region->fresh;

    if (at == region->size)
        return NULL;
    region->fresh += region->stride;
    return region->at + at;
}

/* A relay has a source, so there are never more of them than descriptors. */
static size_t relays_max(void)
{
    struct rlimit limit;

    must(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    return limit.rlim_max < RELAYS_MAX ? (size_t)limit.rlim_max : RELAYS_MAX;
}

bool pools_open(struct loop *loop, const struct loop_options *options, struct err *err)
{
    size_t segments = (size_t)options->chunks_max * SEGMENTS_PER_CHUNK;

    loop->chunk_bytes = options->chunk_bytes;
    loop->chunks_max = options->chunks_max;
    if (!region_open(&loop->chunk_region, options->chunks_max,
                     sizeof(struct chunk) + options->chunk_bytes, err))
        return false;
    if (!region_open(&loop->segment_region, segments, sizeof(struct segment), err))
        return false;
    if (!region_open(&loop->relay_region, relays_max(), sizeof(struct relay), err))
        return false;
    if (options->pipes_max == 0)
        return true;
    loop->pipes_all = calloc(options->pipes_max, sizeof *loop->pipes_all);
    if (!loop->pipes_all)
        return err_system(err, "reserve %u pipes", options->pipes_max);
    for (uint32_t i = options->pipes_max; i-- > 0;) {
        loop->pipes_all[i] = (struct pipe){.next = loop->pipes, .out = -1, .in = -1};
        loop->pipes = &loop->pipes_all[i];
    }
    return true;
}

void pools_close(struct loop *loop)
{
    for (struct pipe *pipe = loop->pipes; pipe; pipe = pipe->next)
        if (pipe->out >= 0) {
            close(pipe->out);
            close(pipe->in);
        }
    free(loop->pipes_all);
    region_close(&loop->chunk_region);
    region_close(&loop->segment_region);
    region_close(&loop->relay_region);
}

static struct chunk *chunk_carve(struct loop *loop)
{
    struct chunk *chunk = region_carve(&loop->chunk_region);

    if (chunk)
        chunk->cap = loop->chunk_bytes;
    return chunk;
}

struct chunk *chunk_take(struct loop *loop)
{
    struct chunk *chunk = loop->chunks;

    if (chunk)
        loop->chunks = chunk->next;
    else if (!(chunk = chunk_carve(loop)))
        return NULL;
    chunk->refs = 1;
    chunk->next = NULL;
    loop->chunks_used++;
    return chunk;
}

void chunk_hold(struct chunk *chunk)
{
    must(chunk->refs > 0);
    chunk->refs++;
}

void chunk_release(struct loop *loop, struct chunk *chunk)
{
    if (!chunk)
        return;
    must(chunk->refs > 0);
    if (--chunk->refs > 0)
        return;
    chunk->next = loop->chunks;
    loop->chunks = chunk;
    loop->chunks_used--;
}

uint32_t loop_chunks_free(const struct loop *loop)
{
    return loop->chunks_max - loop->chunks_used + loop->chunks_lent;
}

struct segment *segment_take(struct loop *loop)
{
    struct segment *segment = loop->segments;

    if (!segment)
        return region_carve(&loop->segment_region);
    loop->segments = segment->next;
    return segment;
}

void segment_release(struct loop *loop, struct segment *segment)
{
    chunk_release(loop, segment->chunk);
    segment->next = loop->segments;
    loop->segments = segment;
}

struct relay *relay_take(struct loop *loop)
{
    struct relay *relay = loop->relays;

    if (!relay)
        return region_carve(&loop->relay_region);
    loop->relays = relay->next;
    return relay;
}

void relay_release(struct loop *loop, struct relay *relay)
{
    relay->next = loop->relays;
    loop->relays = relay;
}

struct pipe *pipe_take(struct loop *loop)
{
    struct pipe *pipe = loop->pipes;
    int ends[2];

    if (!pipe)
        return NULL;
    if (pipe->out < 0) {
        if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
            return NULL;
        /* Beyond what one user may have in pipes (pipe-user-pages-soft) it stays small, and works. */
        (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
        pipe->out = ends[0];
        pipe->in = ends[1];
    }
    loop->pipes = pipe->next;
    return pipe;
}

/* One that still holds bytes would give them to the next relay: it is replaced, which is rare. */
void pipe_release(struct loop *loop, struct pipe *pipe, bool empty)
{
    if (!empty) {
        close(pipe->out);
        close(pipe->in);
        pipe->out = pipe->in = -1;
    }
    pipe->next = loop->pipes;
    loop->pipes = pipe;
}
