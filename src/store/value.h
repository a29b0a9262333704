/*
 * value: what a key may hold besides a string. Pure. Each is a piece of memory of its own whose address stays; small ones are held as one strip of bytes, large ones in tables.
 *
 * Deterministic: `set_at` and what goes over a set, a list or a sorted set does so in an order that follows from the changes to it alone, never from a table's seed; value_write keeps it. What
 * goes over a map does not, and neither does any scan: they are for replies to reads alone.
 *
 * Which form a value has decides what OBJECT ENCODING says; it follows the rules of Redis 7.0 with its default settings, and value_write keeps it.
 */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"
#include "base/pack.h"
#include "base/rng.h"
#include "store/digest.h"
#include "store/heap.h"
#include "store/table.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- strip: items one behind the other; their places are offsets ---- */

struct strip {
    uint8_t *at;
    uint32_t len, cap, count;
};

void strip_fini(struct strip *strip, struct heap *heap);
/* The item at an offset below len, and the offset of the next. */
uint32_t strip_item(const struct strip *strip, uint32_t offset, struct bytes *item);
uint32_t strip_offset(const struct strip *strip, uint32_t index); /* of the index-th; count: len */
void strip_insert(struct strip *strip, struct heap *heap, uint32_t offset, struct bytes item);
void strip_remove(struct strip *strip, struct heap *heap, uint32_t offset);
void strip_replace(struct strip *strip, struct heap *heap, uint32_t offset, struct bytes item);
static inline void strip_add(struct strip *strip, struct heap *heap, struct bytes item)
{
    strip_insert(strip, heap, strip->len, item);
}
uint32_t strip_cost(struct bytes item); /* bytes that it takes in a strip */

/* ---- map: fields with values (HASH) ---- */

struct map {
    struct strip strip;  /* field, value, field, value … */
    struct table *table; /* NULL: they are in the strip */
    uint64_t seed;
    struct tally tally;
    bool small;
};

struct map *map_new(struct heap *heap, uint64_t seed);
uint64_t map_count(const struct map *map);
bool map_get(const struct map *map, struct bytes field, struct bytes *value);
bool map_set(struct map *map, struct heap *heap, struct bytes field,
             struct bytes value); /* true: new */
bool map_remove(struct map *map, struct heap *heap, struct bytes field);
bool map_is_small(const struct map *map);

struct map_walk {
    const struct map *map;
    uint32_t offset;
    struct table_walk walk;
};
void map_begin(struct map_walk *walk, const struct map *map);
bool map_next(struct map_walk *walk, struct bytes *field, struct bytes *value);
typedef void map_visit(void *context, struct bytes field, struct bytes value);
uint64_t map_scan(const struct map *map, uint64_t cursor, map_visit *visit, void *context);
/* Not of an empty one. */
void map_random(const struct map *map, struct rng *chance, struct bytes *field,
                struct bytes *value);
struct map *map_copy(const struct map *map, struct heap *heap);

/* ---- set: members (SET) ---- */

struct set;
struct set *set_new(struct heap *heap, uint64_t seed);
uint64_t set_count(const struct set *set);
struct tally set_tally(const struct set *set);
bool set_has(const struct set *set, struct bytes member);
bool set_add(struct set *set, struct heap *heap, struct bytes member); /* true: new */
bool set_remove(struct set *set, struct heap *heap, struct bytes member);
bool set_is_ints(const struct set *set); /* all of them numbers, and never more than 512 */
/* The index-th, in an order of their own that follows from the changes alone. */
struct bytes set_at(const struct set *set, uint64_t index);

/* In that order; the member that was given last may be removed if no more are asked for. */
struct set_walk {
    const struct set *set;
    uint64_t index;
    uint32_t offset;
};
void set_begin(struct set_walk *walk, const struct set *set);
bool set_next(struct set_walk *walk, struct bytes *member);
typedef void set_visit(void *context, struct bytes member);
uint64_t set_scan(const struct set *set, uint64_t cursor, set_visit *visit, void *context);
struct set *set_copy(const struct set *set, struct heap *heap);

/* ---- series: items in a row (LIST) ---- */

struct chunk {
    struct chunk *next, *prev;
    struct strip strip;
};

struct series {
    struct chunk *head, *tail;
    uint64_t count;
    struct tally tally; /* whatever the order of its items */
};

struct series_at {
    struct chunk *chunk; /* NULL: past the end */
    uint32_t index;      /* in the chunk */
    uint32_t offset;
};

struct series *series_new(struct heap *heap);
void series_push(struct series *series, struct heap *heap, struct bytes item, bool at_head);
/* Not of an empty one. The view is good until the series is changed. */
struct bytes series_end(const struct series *series, bool at_head);
void series_pop(struct series *series, struct heap *heap, bool at_head);
/* The index-th, below count. */
struct series_at series_seek(const struct series *series, uint64_t index);
struct bytes series_item(struct series_at at);
/* The next one, towards the tail or the head; its chunk is NULL: there is none. */
struct series_at series_step(struct series_at at, bool to_head);
/* Takes one out, and gives the one that is next towards the tail or the head. */
struct series_at series_remove(struct series *series, struct heap *heap, struct series_at at,
                               bool to_head);
/* Before the one at `at`, or behind it. */
void series_insert(struct series *series, struct heap *heap, struct series_at at, struct bytes item,
                   bool behind);
void series_set(struct series *series, struct heap *heap, struct series_at at, struct bytes item);
struct series *series_copy(const struct series *series, struct heap *heap);

/* ---- sorted: members with scores (ZSET) ---- */

struct sorted;
struct scored {
    struct bytes member;
    double score;
};

struct sorted *sorted_new(struct heap *heap, uint64_t seed);
uint64_t sorted_count(const struct sorted *sorted);
struct tally sorted_tally(const struct sorted *sorted);
bool sorted_score(const struct sorted *sorted, struct bytes member, double *score);
bool sorted_set(struct sorted *sorted, struct heap *heap, struct bytes member,
                double score); /* true: new */
bool sorted_remove(struct sorted *sorted, struct heap *heap, struct bytes member);
bool sorted_is_small(const struct sorted *sorted);
/* How many stand before it; it is there. */
uint64_t sorted_rank(const struct sorted *sorted, struct bytes member);
/* How many are less than this score, or not greater. */
uint64_t sorted_below(const struct sorted *sorted, double score, bool or_equal);
/* How many members are less than this one, or not greater: for sets whose scores are all the same. */
uint64_t sorted_below_member(const struct sorted *sorted, struct bytes member, bool or_equal);

/* From the rank-th on, upwards or downwards. */
struct sorted_walk {
    const struct sorted *sorted;
    const void *node; /* NULL: it is a strip */
    uint64_t left;
    uint32_t index, offset;
    bool down;
};
void sorted_begin(struct sorted_walk *walk, const struct sorted *sorted, uint64_t rank, bool down);
bool sorted_next(struct sorted_walk *walk, struct scored *scored);
typedef void sorted_visit(void *context, struct bytes member, double score);
uint64_t sorted_scan(const struct sorted *sorted, uint64_t cursor, sorted_visit *visit,
                     void *context);
/* Takes those out that stand from rank `from` on, `count` of them. */
void sorted_remove_range(struct sorted *sorted, struct heap *heap, uint64_t from, uint64_t count);
struct sorted *sorted_copy(const struct sorted *sorted, struct heap *heap);

/* ---- as bytes, and the end ---- */

void map_write(struct buf *out, const struct map *map);
void set_write(struct buf *out, const struct set *set);
void series_write(struct buf *out, const struct series *series);
void sorted_write(struct buf *out, const struct sorted *sorted);
/* NULL: they are none. */
struct map *map_read(struct unpack *in, struct heap *heap, uint64_t seed);
struct set *set_read(struct unpack *in, struct heap *heap, uint64_t seed);
struct series *series_read(struct unpack *in, struct heap *heap);
struct sorted *sorted_read(struct unpack *in, struct heap *heap, uint64_t seed);

/* Frees some elements. True: all is gone. */
bool map_drop_some(struct map *map, struct heap *heap);
bool set_drop_some(struct set *set, struct heap *heap);
bool series_drop_some(struct series *series, struct heap *heap);
bool sorted_drop_some(struct sorted *sorted, struct heap *heap);
