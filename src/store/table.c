#include "store/table.h"

#include "base/must.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    SLOTS = 8,
    BUCKET_BYTES = SLOTS * sizeof(uint64_t),
    SEGMENT_BITS = 8,
    SEGMENT_BUCKETS = 1 << SEGMENT_BITS,
    FILL = 6,     /* entries per bucket, beyond which there is one more bucket */
    FILL_LOW = 2, /* below which there is one less */
    TAG_SHIFT = 48,
};

#define ADDRESS_BITS ((1ULL << TAG_SHIFT) - 1)
#define MORE 1ULL /* in the last slot: the address is that of another bucket */

/* ---- slots ---- */

static uint64_t slot_of(uint64_t hash, const void *entry)
{
    return (hash >> TAG_SHIFT << TAG_SHIFT) | (uint64_t)(uintptr_t)entry;
}

static void *entry_of(uint64_t slot)
{
    return (void *)(uintptr_t)(slot & ADDRESS_BITS);
}

static bool is_more(uint64_t slot)
{
    return slot & MORE;
}

static uint64_t *more_of(uint64_t slot)
{
    return (uint64_t *)(uintptr_t)(slot & ADDRESS_BITS & ~MORE);
}

/* ---- buckets ---- */

static uint64_t *bucket_at(const struct table *table, uint32_t bucket)
{
    return table->segments[bucket >> SEGMENT_BITS] + (bucket & (SEGMENT_BUCKETS - 1)) * SLOTS;
}

static uint32_t bucket_of(const struct table *table, uint64_t hash)
{
    uint32_t bucket = (uint32_t)hash & (2 * table->low - 1);

    return bucket < table->buckets ? bucket : bucket - table->low;
}

uint64_t table_hash(const struct table *table, struct bytes name)
{
    return XXH3_64bits_withSeed(name.len ? (const void *)name.at : "", name.len, table->seed);
}

void table_init(struct table *table, const struct table_kind *kind, uint64_t seed)
{
    *table = (struct table){.kind = kind, .seed = seed};
}

/* The first segment grows by doubling, so that a small table is small. */
static void grow_first(struct table *table, struct heap *heap)
{
    uint32_t room = table->room ? 2 * table->room : 1;
    uint64_t *segment = heap_take_aligned(heap, (size_t)room * BUCKET_BYTES);

    if (!table->room) {
        table->directory = 1;
        table->segments = heap_take(heap, sizeof *table->segments);
    } else {
        memcpy(segment, table->segments[0], (size_t)table->room * BUCKET_BYTES);
        heap_give(heap, table->segments[0], (size_t)table->room * BUCKET_BYTES);
    }
    table->segments[0] = segment;
    table->room = room;
}

static void grow_room(struct table *table, struct heap *heap)
{
    uint32_t segments = table->room >> SEGMENT_BITS;

    if (table->room < SEGMENT_BUCKETS) {
        grow_first(table, heap);
        return;
    }
    if (segments == table->directory) {
        table->segments = heap_resize(heap, table->segments, segments * sizeof *table->segments,
                                      2 * segments * sizeof *table->segments);
        table->directory *= 2;
    }
    table->segments[segments] = heap_take_aligned(heap, SEGMENT_BUCKETS * BUCKET_BYTES);
    table->room += SEGMENT_BUCKETS;
}

static void shrink_room(struct table *table, struct heap *heap)
{
    uint32_t last = (table->room >> SEGMENT_BITS) - 1;

    if (table->room <= SEGMENT_BUCKETS || table->buckets > last << SEGMENT_BITS)
        return;
    heap_give(heap, table->segments[last], SEGMENT_BUCKETS * BUCKET_BYTES);
    table->room -= SEGMENT_BUCKETS;
}

/* The first free slot of a chain, which grows if there is none. */
static void put(struct heap *heap, uint64_t *bucket, uint64_t slot)
{
    uint64_t *more;

    for (;;) {
        for (int i = 0; i < SLOTS; i++)
            if (bucket[i] == 0) {
                bucket[i] = slot;
                return;
            } else if (is_more(bucket[i])) {
                break;
            }
        if (!is_more(bucket[SLOTS - 1])) {
            more = heap_take_zeroed(heap, BUCKET_BYTES);
            more[0] = bucket[SLOTS - 1];
            bucket[SLOTS - 1] = (uint64_t)(uintptr_t)more | MORE;
        }
        bucket = more_of(bucket[SLOTS - 1]);
    }
}

/* Takes the last entry of a chain out; a bucket that is empty then goes. 0: the chain is empty. */
static uint64_t take_last(struct heap *heap, uint64_t *bucket)
{
    uint64_t *before = NULL, slot;
    int last = SLOTS - 1;

    while (is_more(bucket[SLOTS - 1])) {
        before = bucket;
        bucket = more_of(bucket[SLOTS - 1]);
    }
    while (last > 0 && bucket[last] == 0)
        last--;
    slot = bucket[last];
    bucket[last] = 0;
    if (last == 0 && before) {
        before[SLOTS - 1] = 0;
        heap_give(heap, bucket, BUCKET_BYTES);
    }
    return slot;
}

/* The slot of an entry; NULL: it is not in this chain. */
static uint64_t *find_slot(uint64_t *bucket, uint64_t slot)
{
    for (;;) {
        for (int i = 0; i < SLOTS; i++)
            if (bucket[i] == slot)
                return &bucket[i];
        if (!is_more(bucket[SLOTS - 1]))
            return NULL;
        bucket = more_of(bucket[SLOTS - 1]);
    }
}

static uint64_t hash_of_entry(const struct table *table, const void *entry)
{
    return table_hash(table, table->kind->name(entry));
}

/* Fetches what the hashes of a chain's entries are made of, all at once. */
static void fetch(const uint64_t *bucket)
{
    for (int i = 0; i < SLOTS; i++)
        if (bucket[i])
            __builtin_prefetch(entry_of(bucket[i] & ~MORE));
}

/* One more bucket: takes its half of the bucket that was both. */
static void split(struct table *table, struct heap *heap)
{
    uint32_t bucket = table->buckets;
    uint64_t old[SLOTS], *from, *at;

    if (bucket == table->room)
        grow_room(table, heap);
    memset(bucket_at(table, bucket), 0, BUCKET_BYTES);
    table->buckets++;
    if (bucket == 0) {
        table->low = 1;
        return;
    }
    if (bucket == 2 * table->low)
        table->low *= 2;
    from = bucket_at(table, bucket - table->low);
    memcpy(old, from, sizeof old);
    memset(from, 0, sizeof old);
    for (at = old;;) {
        uint64_t *more = is_more(at[SLOTS - 1]) ? more_of(at[SLOTS - 1]) : NULL;

        fetch(at);
        for (int i = 0; i < SLOTS - (more ? 1 : 0) && at[i]; i++)
            put(heap, bucket_at(table, bucket_of(table, hash_of_entry(table, entry_of(at[i])))),
                at[i]);
        if (at != old)
            heap_give(heap, at, BUCKET_BYTES);
        if (!more)
            return;
        at = more;
    }
}

/* One bucket less. */
static void merge(struct table *table, struct heap *heap)
{
    uint32_t bucket = table->buckets - 1;
    uint64_t *from = bucket_at(table, bucket), *to, slot;

    table->buckets--;
    if (table->buckets == table->low)
        table->low = table->low > 1 ? table->low / 2 : 1;
    to = bucket_at(table, bucket_of(table, bucket));
    while ((slot = take_last(heap, from)))
        put(heap, to, slot);
    shrink_room(table, heap);
}

/* ---- entries ---- */

void *table_find(const struct table *table, uint64_t hash, struct bytes name)
{
    const uint64_t *bucket;
    uint64_t tag = hash >> TAG_SHIFT;

    if (table->count == 0)
        return NULL;
    bucket = bucket_at(table, bucket_of(table, hash));
    for (;;) {
        for (int i = 0; i < SLOTS; i++) {
            if (bucket[i] >> TAG_SHIFT != tag || bucket[i] == 0 || is_more(bucket[i]))
                continue;
            if (bytes_equal(table->kind->name(entry_of(bucket[i])), name))
                return entry_of(bucket[i]);
        }
        if (!is_more(bucket[SLOTS - 1]))
            return NULL;
        bucket = more_of(bucket[SLOTS - 1]);
    }
}

void table_add(struct table *table, struct heap *heap, uint64_t hash, void *entry)
{
    must(((uintptr_t)entry & 7) == 0 && (uint64_t)(uintptr_t)entry >> TAG_SHIFT == 0);
    table->count++;
    if (table->count > (uint64_t)table->buckets * FILL || table->buckets == 0)
        split(table, heap);
    put(heap, bucket_at(table, bucket_of(table, hash)), slot_of(hash, entry));
}

void table_replace(struct table *table, uint64_t hash, const void *before, void *after)
{
    uint64_t *slot = find_slot(bucket_at(table, bucket_of(table, hash)), slot_of(hash, before));

    must(slot);
    *slot = slot_of(hash, after);
}

void table_remove(struct table *table, struct heap *heap, uint64_t hash, const void *entry)
{
    uint64_t *bucket = bucket_at(table, bucket_of(table, hash));
    uint64_t gone = slot_of(hash, entry), last, *slot = find_slot(bucket, gone);

    must(slot);
    last = take_last(heap, bucket);
    if (last != gone)
        *slot = last;
    table->count--;
    if (table->buckets > 1 && table->count < (uint64_t)(table->buckets - 1) * FILL_LOW)
        merge(table, heap);
}

/* ---- going over them ---- */

static void visit_chain(const uint64_t *bucket, table_visit *visit, void *context)
{
    for (;;) {
        for (int i = 0; i < SLOTS && bucket[i]; i++)
            if (!is_more(bucket[i]))
                visit(context, entry_of(bucket[i]));
        if (!is_more(bucket[SLOTS - 1]))
            return;
        bucket = more_of(bucket[SLOTS - 1]);
    }
}

static uint64_t reversed(uint64_t bits)
{
    bits = __builtin_bswap64(bits);
    bits = (bits >> 4 & 0x0f0f0f0f0f0f0f0f) | (bits & 0x0f0f0f0f0f0f0f0f) << 4;
    bits = (bits >> 2 & 0x3333333333333333) | (bits & 0x3333333333333333) << 2;
    return (bits >> 1 & 0x5555555555555555) | (bits & 0x5555555555555555) << 1;
}

/* A bucket holds the hashes whose low bits are its own: how many bits is a question of whether it has been split in this round. */
uint64_t table_scan(const struct table *table, uint64_t cursor, table_visit *visit, void *context)
{
    uint32_t bucket;
    uint64_t mask;

    if (table->count == 0)
        return 0;
    bucket = bucket_of(table, cursor);
    mask = bucket >= table->low || bucket + table->low < table->buckets
               ? 2 * (uint64_t)table->low - 1
               : (uint64_t)table->low - 1;
    visit_chain(bucket_at(table, bucket), visit, context);
    return reversed(reversed(cursor | ~mask) + 1);
}

bool table_passed(uint64_t cursor, uint64_t hash)
{
    return reversed(hash) < reversed(cursor);
}

void table_each_of(const struct table *table, uint64_t hash, table_visit *visit, void *context)
{
    const uint64_t *bucket;

    if (table->count == 0)
        return;
    bucket = bucket_at(table, bucket_of(table, hash));
    for (;;) {
        for (int i = 0; i < SLOTS && bucket[i]; i++)
            if (!is_more(bucket[i]) && bucket[i] >> TAG_SHIFT == hash >> TAG_SHIFT &&
                hash_of_entry(table, entry_of(bucket[i])) == hash)
                visit(context, entry_of(bucket[i]));
        if (!is_more(bucket[SLOTS - 1]))
            return;
        bucket = more_of(bucket[SLOTS - 1]);
    }
}

struct pick {
    struct rng *chance;
    void *entry;
    uint32_t seen;
};

static void pick_one(void *context, void *entry)
{
    struct pick *pick = context;

    pick->seen++;
    if (rng_below(pick->chance, pick->seen) == 0)
        pick->entry = entry;
}

void *table_random(const struct table *table, struct rng *chance)
{
    struct pick pick = {.chance = chance};

    while (table->count && !pick.entry)
        visit_chain(bucket_at(table, bucket_of(table, rng_next(chance))), pick_one, &pick);
    return pick.entry;
}

void table_begin(struct table_walk *walk, const struct table *table)
{
    *walk = (struct table_walk){.table = table};
}

void *table_next(struct table_walk *walk)
{
    for (;;) {
        if (!walk->at) {
            if (walk->bucket == walk->table->buckets)
                return NULL;
            walk->at = bucket_at(walk->table, walk->bucket++);
            walk->slot = 0;
        }
        if (walk->slot < SLOTS && walk->at[walk->slot] && !is_more(walk->at[walk->slot]))
            return entry_of(walk->at[walk->slot++]);
        walk->at = is_more(walk->at[SLOTS - 1]) ? more_of(walk->at[SLOTS - 1]) : NULL;
        walk->slot = 0;
    }
}

/* ---- the end ---- */

bool table_drop_some(struct table *table, struct heap *heap, table_drop *drop, void *context)
{
    uint64_t *bucket, slot;

    for (int i = 0; i < 4 && table->buckets; i++) {
        bucket = bucket_at(table, table->buckets - 1);
        fetch(bucket);
        while ((slot = take_last(heap, bucket)))
            drop(context, entry_of(slot));
        table->buckets--;
        shrink_room(table, heap);
    }
    if (table->buckets)
        return false;
    if (table->room) {
        heap_give(heap, table->segments[0], (size_t)table->room * BUCKET_BYTES);
        heap_give(heap, table->segments, table->directory * sizeof *table->segments);
    }
    table_init(table, table->kind, table->seed);
    return true;
}
