/*
 * heap: memory of the store's state, counted. Every piece is given back with its size, so nothing is kept beside it.
 *
 * `used` counts what the C library takes for a piece, its own header included: it is what max_memory bounds.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct heap {
    uint64_t used;
};

/* What a piece of `size` bytes costs: glibc's chunks are multiples of 16, at least 32, and hold 8 bytes of their own. */
static inline size_t heap_cost(size_t size)
{
    return size <= 24 ? 32 : (size + 8 + 15) & ~(size_t)15;
}

/* Never NULL: a process without memory ends. `size` > 0. */
void *heap_take(struct heap *heap, size_t size);
void *heap_take_zeroed(struct heap *heap, size_t size);
void *heap_take_aligned(struct heap *heap, size_t size); /* to 64 bytes; a multiple of them */
void *heap_resize(struct heap *heap, void *at, size_t before, size_t size);
void heap_give(struct heap *heap, void *at, size_t size);
