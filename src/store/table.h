/*
 * table: a hash table of entries that belong to its user, and that know their names. Pure.
 *
 * Linear hashing: it grows and shrinks by one bucket at a time, so no operation waits for a rehash, and memory follows the count. A bucket is one cache line: eight slots, each the
 * address of an entry with 16 bits of its hash; what does not fit hangs behind the last slot. The seed is secret, so names that all fall into one bucket cannot be chosen; the order
 * of entries depends on it, so nothing that is replicated may depend on their order.
 *
 * A cursor is a place in the order of the reversed low bits of hashes. Splitting and merging buckets never moves an entry in that order, so a scan returns every entry that is there from
 * its beginning to its end.
 */
#pragma once

#include "base/bytes.h"
#include "base/rng.h"
#include "store/heap.h"

#include <stdbool.h>
#include <stdint.h>

struct table_kind {
    struct bytes (*name)(const void *entry);
};

struct table {
    const struct table_kind *kind;
    uint64_t **segments;
    uint64_t seed;
    uint64_t count;
    uint32_t buckets;
    uint32_t low;  /* the power of two with low < buckets <= 2 * low; 1 while there is one bucket */
    uint32_t room; /* buckets that the segments hold */
    uint32_t directory; /* segments that the directory has room for */
};

void table_init(struct table *table, const struct table_kind *kind, uint64_t seed);
uint64_t table_hash(const struct table *table, struct bytes name);
/* NULL: there is none. */
void *table_find(const struct table *table, uint64_t hash, struct bytes name);
/* `entry` is at least 8-aligned, and its name is not there yet. */
void table_add(struct table *table, struct heap *heap, uint64_t hash, void *entry);
/* The same name at another address. */
void table_replace(struct table *table, uint64_t hash, const void *before, void *after);
void table_remove(struct table *table, struct heap *heap, uint64_t hash, const void *entry);

typedef void table_visit(void *context, void *entry);
/* Visits some entries (one bucket of them, which may be none), and says where to go on; 0: that was the end. Begins at 0. The visitor changes nothing of the table. */
uint64_t table_scan(const struct table *table, uint64_t cursor, table_visit *visit, void *context);
/* Whether a scan that stands at `cursor` has passed this hash. */
bool table_passed(uint64_t cursor, uint64_t hash);
/* Those with this hash, whatever their names. */
void table_each_of(const struct table *table, uint64_t hash, table_visit *visit, void *context);
/* NULL: it is empty. Not quite even, as with Redis. */
void *table_random(const struct table *table, struct rng *chance);

/* In the table's own order; the table is not changed meanwhile. */
struct table_walk {
    const struct table *table;
    uint32_t bucket;
    uint32_t slot;
    const uint64_t *at; /* the slots under way */
};

void table_begin(struct table_walk *walk, const struct table *table);
void *table_next(struct table_walk *walk); /* NULL: there are no more */

/* Takes the entries of some buckets out, for good: the table is good for nothing else any more. True: all is gone, its own memory too. */
typedef void table_drop(void *context, void *entry);
bool table_drop_some(struct table *table, struct heap *heap, table_drop *drop, void *context);
