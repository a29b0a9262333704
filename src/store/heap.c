#include "store/heap.h"

#include "base/must.h"

#include <stdlib.h>
#include <string.h>

void *heap_take(struct heap *heap, size_t size)
{
    void *at = malloc(size);

    must(at);
    heap->used += heap_cost(size);
    return at;
}

void *heap_take_zeroed(struct heap *heap, size_t size)
{
    void *at = calloc(1, size);

    must(at);
    heap->used += heap_cost(size);
    return at;
}

void *heap_take_aligned(struct heap *heap, size_t size)
{
    void *at = aligned_alloc(64, size);

    must(at);
    heap->used += heap_cost(size);
    return at;
}

void *heap_resize(struct heap *heap, void *at, size_t before, size_t size)
{
    void *moved;

    if (!at)
        return heap_take(heap, size);
    if (before == size)
        return at;
    moved = realloc(at, size);
    must(moved);
    heap->used += heap_cost(size) - heap_cost(before);
    return moved;
}

void heap_give(struct heap *heap, void *at, size_t size)
{
    if (!at)
        return;
    free(at);
    heap->used -= heap_cost(size);
}
