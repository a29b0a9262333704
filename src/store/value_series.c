/*
 * LIST: a chain of strips of at most 128 items and 4 KiB each; a longer item has one of its own.
 */
#include "base/must.h"
#include "base/pack.h"
#include "store/value.h"

enum { CHUNK_ITEMS_MAX = 128, CHUNK_BYTES_MAX = 4096 };

/* Mixed: items that are the same add up. */
static uint64_t digest_of(struct bytes item)
{
    return digest_pair(0, digest_bytes(item));
}

static void count_in(struct series *series, struct bytes item)
{
    tally_in(&series->tally, digest_of(item), sizeof(uint32_t) + item.len);
}

static void count_out(struct series *series, struct bytes item)
{
    tally_out(&series->tally, digest_of(item), sizeof(uint32_t) + item.len);
}

struct series *series_new(struct heap *heap)
{
    return heap_take_zeroed(heap, sizeof(struct series));
}

/* An empty chunk behind `before`; NULL: in front of all. */
static struct chunk *chunk_new(struct series *series, struct heap *heap, struct chunk *before)
{
    struct chunk *chunk = heap_take_zeroed(heap, sizeof *chunk);
    struct chunk *after = before ? before->next : series->head;

    chunk->prev = before;
    chunk->next = after;
    *(before ? &before->next : &series->head) = chunk;
    *(after ? &after->prev : &series->tail) = chunk;
    return chunk;
}

static void chunk_free(struct series *series, struct heap *heap, struct chunk *chunk)
{
    *(chunk->prev ? &chunk->prev->next : &series->head) = chunk->next;
    *(chunk->next ? &chunk->next->prev : &series->tail) = chunk->prev;
    strip_fini(&chunk->strip, heap);
    heap_give(heap, chunk, sizeof *chunk);
}

static bool has_room(const struct chunk *chunk, struct bytes item)
{
    return chunk->strip.count < CHUNK_ITEMS_MAX &&
           chunk->strip.len + strip_cost(item) <= CHUNK_BYTES_MAX;
}

void series_push(struct series *series, struct heap *heap, struct bytes item, bool at_head)
{
    struct chunk *chunk = at_head ? series->head : series->tail;

    if (!chunk || !has_room(chunk, item))
        chunk = chunk_new(series, heap, at_head ? NULL : series->tail);
    count_in(series, item); /* before it is moved, should it be the series' own */
    strip_insert(&chunk->strip, heap, at_head ? 0 : chunk->strip.len, item);
    series->count++;
}

static struct series_at last_of(struct chunk *chunk)
{
    if (!chunk)
        return (struct series_at){0};
    return (struct series_at){chunk, chunk->strip.count - 1,
                              strip_offset(&chunk->strip, chunk->strip.count - 1)};
}

static struct series_at first_of(struct chunk *chunk)
{
    return (struct series_at){.chunk = chunk};
}

static struct series_at end_of(const struct series *series, bool at_head)
{
    return at_head ? first_of(series->head) : last_of(series->tail);
}

struct bytes series_end(const struct series *series, bool at_head)
{
    must(series->count > 0);
    return series_item(end_of(series, at_head));
}

void series_pop(struct series *series, struct heap *heap, bool at_head)
{
    must(series->count > 0);
    series_remove(series, heap, end_of(series, at_head), false);
}

struct series_at series_seek(const struct series *series, uint64_t index)
{
    struct chunk *chunk = series->head;
    uint64_t behind = series->count - index;

    must(index < series->count);
    if (index < series->count / 2) {
        for (; index >= chunk->strip.count; chunk = chunk->next)
            index -= chunk->strip.count;
    } else {
        for (chunk = series->tail; behind > chunk->strip.count; chunk = chunk->prev)
            behind -= chunk->strip.count;
        index = chunk->strip.count - behind;
    }
    return (struct series_at){chunk, (uint32_t)index, strip_offset(&chunk->strip, (uint32_t)index)};
}

struct bytes series_item(struct series_at at)
{
    struct bytes item;

    strip_item(&at.chunk->strip, at.offset, &item);
    return item;
}

struct series_at series_step(struct series_at at, bool to_head)
{
    struct bytes item;

    if (to_head) {
        if (at.index == 0)
            return last_of(at.chunk->prev);
        at.index--;
        at.offset = strip_offset(&at.chunk->strip, at.index);
        return at;
    }
    at.offset = strip_item(&at.chunk->strip, at.offset, &item);
    at.index++;
    return at.index < at.chunk->strip.count ? at : first_of(at.chunk->next);
}

struct series_at series_remove(struct series *series, struct heap *heap, struct series_at at,
                               bool to_head)
{
    struct series_at next;

    must(at.chunk);
    next = to_head ? series_step(at, true) : at;
    count_out(series, series_item(at));
    strip_remove(&at.chunk->strip, heap, at.offset);
    series->count--;
    if (!to_head && at.index == at.chunk->strip.count)
        next = first_of(at.chunk->next);
    if (at.chunk->strip.count == 0)
        chunk_free(series, heap, at.chunk);
    return next;
}

/* Moves what stands from `at` on into a chunk of its own. */
static void split(struct series *series, struct heap *heap, struct series_at at)
{
    struct chunk *behind = chunk_new(series, heap, at.chunk);
    struct bytes item;

    for (uint32_t next, offset = at.offset; offset < at.chunk->strip.len; offset = next) {
        next = strip_item(&at.chunk->strip, offset, &item);
        strip_add(&behind->strip, heap, item);
    }
    while (at.chunk->strip.count > at.index)
        strip_remove(&at.chunk->strip, heap,
                     strip_offset(&at.chunk->strip, at.chunk->strip.count - 1));
}

void series_insert(struct series *series, struct heap *heap, struct series_at at, struct bytes item,
                   bool behind)
{
    struct chunk *chunk = at.chunk;
    struct bytes here;

    if (behind) {
        at.offset = strip_item(&chunk->strip, at.offset, &here);
        at.index++;
    }
    if (!has_room(chunk, item)) {
        if (at.index > 0 && at.index < chunk->strip.count)
            split(series, heap, at);
        if (at.index == 0)
            chunk = chunk->prev;
        if (!chunk || !has_room(chunk, item))
            chunk = chunk_new(series, heap, chunk);
        at.offset = chunk->strip.len;
    }
    count_in(series, item);
    strip_insert(&chunk->strip, heap, at.offset, item);
    series->count++;
}

void series_set(struct series *series, struct heap *heap, struct series_at at, struct bytes item)
{
    if (at.chunk->strip.count == 1 ||
        at.chunk->strip.len + strip_cost(item) - strip_cost(series_item(at)) <= CHUNK_BYTES_MAX) {
        count_out(series, series_item(at));
        count_in(series, item);
        strip_replace(&at.chunk->strip, heap, at.offset, item);
        return;
    }
    series_insert(series, heap, at, item, true);
    series_remove(series, heap, at, false);
}

/* ---- whole ones ---- */

struct series *series_copy(const struct series *series, struct heap *heap)
{
    struct series *copy = series_new(heap);

    for (struct series_at at = first_of(series->head); at.chunk; at = series_step(at, false))
        series_push(copy, heap, series_item(at), false);
    return copy;
}

/* Count 8; for each: length 4, item. */
void series_write(struct buf *out, const struct series *series)
{
    pack_u64(out, series->count);
    for (struct series_at at = first_of(series->head); at.chunk; at = series_step(at, false)) {
        struct bytes item = series_item(at);

        pack_u32(out, (uint32_t)item.len);
        buf_add(out, item);
    }
}

struct series *series_read(struct unpack *in, struct heap *heap)
{
    uint64_t count = unpack_u64(in);
    struct series *series = series_new(heap);

    for (uint64_t i = 0; i < count && !in->bad; i++) {
        struct bytes item = unpack_take(in, unpack_u32(in));

        if (!in->bad)
            series_push(series, heap, item, false);
    }
    if (!in->bad && count > 0)
        return series;
    while (!series_drop_some(series, heap))
        ;
    return NULL;
}

enum { DROPPED = 4 };

bool series_drop_some(struct series *series, struct heap *heap)
{
    for (int i = 0; i < DROPPED && series->tail; i++)
        chunk_free(series, heap, series->tail);
    if (series->tail)
        return false;
    heap_give(heap, series, sizeof *series);
    return true;
}
