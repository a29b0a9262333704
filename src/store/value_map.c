/*
 * HASH: a strip while there are at most 128 fields and none of them, nor a value, is longer than 64 bytes; then a table for good. (Redis searches what it holds as a listpack up to 512 fields.)
 */
#include "base/must.h"
#include "base/pack.h"
#include "store/value.h"

enum {
    STRIP_FIELDS_MAX = 128,
    STRIP_ITEM_MAX = 64,
    LISTPACK_FIELDS_MAX = 512, /* of Redis: what map_is_small tells */
};

struct field {
    uint32_t name_len, value_len;
    uint8_t at[];
};

static struct bytes name_of_field(const void *entry)
{
    const struct field *field = entry;

    return bytes_of(field->at, field->name_len);
}

static struct bytes value_of_field(const struct field *field)
{
    return bytes_of(field->at + field->name_len, field->value_len);
}

static const struct table_kind fields = {name_of_field};

static size_t size_of_field(const struct field *field)
{
    return sizeof *field + field->name_len + field->value_len;
}

static struct field *field_new(struct heap *heap, struct bytes name, struct bytes value)
{
    struct field *field = heap_take(heap, sizeof *field + name.len + value.len);

    field->name_len = (uint32_t)name.len;
    field->value_len = (uint32_t)value.len;
    if (name.len)
        memcpy(field->at, name.at, name.len);
    if (value.len)
        memcpy(field->at + name.len, value.at, value.len);
    return field;
}

static void count_in(struct map *map, struct bytes name, struct bytes value)
{
    tally_in(&map->tally, digest_named(name, value), 2 * sizeof(uint32_t) + name.len + value.len);
}

static void count_out(struct map *map, struct bytes name, struct bytes value)
{
    tally_out(&map->tally, digest_named(name, value), 2 * sizeof(uint32_t) + name.len + value.len);
}

struct map *map_new(struct heap *heap, uint64_t seed)
{
    struct map *map = heap_take(heap, sizeof *map);

    *map = (struct map){.seed = seed, .small = true};
    return map;
}

uint64_t map_count(const struct map *map)
{
    return map->table ? map->table->count : map->strip.count / 2;
}

bool map_is_small(const struct map *map)
{
    return map->small;
}

/* The offset of a field in the strip; its len: it is not there. */
static uint32_t find(const struct map *map, struct bytes field, struct bytes *value)
{
    const struct strip *strip = &map->strip;
    struct bytes item;

    for (uint32_t at = 0, next; at < strip->len; at = strip_item(strip, next, value)) {
        next = strip_item(strip, at, &item);
        if (bytes_equal(item, field)) {
            strip_item(strip, next, value);
            return at;
        }
    }
    return strip->len;
}

bool map_get(const struct map *map, struct bytes field, struct bytes *value)
{
    const struct field *found;

    if (!map->table)
        return find(map, field, value) < map->strip.len;
    found = table_find(map->table, table_hash(map->table, field), field);
    if (found)
        *value = value_of_field(found);
    return found != NULL;
}

static bool set_in_table(struct map *map, struct heap *heap, struct bytes name, struct bytes value)
{
    uint64_t hash = table_hash(map->table, name);
    struct field *before = table_find(map->table, hash, name), *field;

    count_in(map, name, value);
    if (before)
        count_out(map, name, value_of_field(before));
    if (before && before->value_len == value.len) {
        if (value.len)
            memmove(before->at + name.len, value.at, value.len);
        return false;
    }
    field = field_new(heap, name, value);
    if (before) {
        table_replace(map->table, hash, before, field);
        heap_give(heap, before, size_of_field(before));
    } else {
        table_add(map->table, heap, hash, field);
    }
    return !before;
}

static void spread(struct map *map, struct heap *heap)
{
    struct strip strip = map->strip;
    struct bytes name, value;

    map->table = heap_take(heap, sizeof *map->table);
    table_init(map->table, &fields, map->seed);
    map->strip = (struct strip){0};
    map->tally = (struct tally){0};
    for (uint32_t at = 0; at < strip.len;) {
        at = strip_item(&strip, at, &name);
        at = strip_item(&strip, at, &value);
        set_in_table(map, heap, name, value);
    }
    strip_fini(&strip, heap);
}

static bool set_in_strip(struct map *map, struct heap *heap, struct bytes field, struct bytes value)
{
    struct bytes before;
    uint32_t at = find(map, field, &before);

    if (at < map->strip.len) {
        count_out(map, field, before);
        count_in(map, field, value);
        strip_replace(&map->strip, heap, strip_item(&map->strip, at, &before), value);
        return false;
    }
    if (map->strip.count == 2 * STRIP_FIELDS_MAX) {
        spread(map, heap);
        return set_in_table(map, heap, field, value);
    }
    count_in(map, field, value);
    strip_add(&map->strip, heap, field);
    strip_add(&map->strip, heap, value);
    return true;
}

bool map_set(struct map *map, struct heap *heap, struct bytes field, struct bytes value)
{
    bool is_long = field.len > STRIP_ITEM_MAX || value.len > STRIP_ITEM_MAX, added;

    if (!map->table && is_long)
        spread(map, heap);
    added =
        map->table ? set_in_table(map, heap, field, value) : set_in_strip(map, heap, field, value);
    if (is_long || map_count(map) > LISTPACK_FIELDS_MAX)
        map->small = false;
    return added;
}

bool map_remove(struct map *map, struct heap *heap, struct bytes name)
{
    struct bytes value;
    struct field *field;
    uint64_t hash;
    uint32_t at;

    if (!map->table) {
        at = find(map, name, &value);
        if (at == map->strip.len)
            return false;
        count_out(map, name, value);
        strip_remove(&map->strip, heap, at);
        strip_remove(&map->strip, heap, at);
        return true;
    }
    hash = table_hash(map->table, name);
    field = table_find(map->table, hash, name);
    if (!field)
        return false;
    count_out(map, name, value_of_field(field));
    table_remove(map->table, heap, hash, field);
    heap_give(heap, field, size_of_field(field));
    return true;
}

/* ---- going over it ---- */

void map_begin(struct map_walk *walk, const struct map *map)
{
    *walk = (struct map_walk){.map = map};
    if (map->table)
        table_begin(&walk->walk, map->table);
}

bool map_next(struct map_walk *walk, struct bytes *field, struct bytes *value)
{
    const struct strip *strip = &walk->map->strip;
    const struct field *found;

    if (walk->map->table) {
        found = table_next(&walk->walk);
        if (!found)
            return false;
        *field = name_of_field(found);
        *value = value_of_field(found);
        return true;
    }
    if (walk->offset == strip->len)
        return false;
    walk->offset = strip_item(strip, walk->offset, field);
    walk->offset = strip_item(strip, walk->offset, value);
    return true;
}

struct scan {
    map_visit *visit;
    void *context;
};

static void scan_field(void *context, void *field)
{
    const struct scan *scan = context;

    scan->visit(scan->context, name_of_field(field), value_of_field(field));
}

uint64_t map_scan(const struct map *map, uint64_t cursor, map_visit *visit, void *context)
{
    struct scan scan = {visit, context};
    struct map_walk walk;
    struct bytes field, value;

    if (map->table)
        return table_scan(map->table, cursor, scan_field, &scan);
    map_begin(&walk, map);
    while (map_next(&walk, &field, &value))
        visit(context, field, value);
    return 0;
}

void map_random(const struct map *map, struct rng *chance, struct bytes *name, struct bytes *value)
{
    const struct field *field;
    uint32_t at;

    if (!map->table) {
        at = strip_offset(&map->strip, 2 * (uint32_t)rng_below(chance, map->strip.count / 2));
        strip_item(&map->strip, strip_item(&map->strip, at, name), value);
        return;
    }
    field = table_random(map->table, chance);
    *name = name_of_field(field);
    *value = value_of_field(field);
}

/* ---- whole ones ---- */

struct map *map_copy(const struct map *map, struct heap *heap)
{
    struct map *copy = map_new(heap, map->seed);
    struct map_walk walk;
    struct bytes field, value;

    if (map->table)
        spread(copy, heap);
    map_begin(&walk, map);
    while (map_next(&walk, &field, &value))
        map_set(copy, heap, field, value);
    copy->small = map->small;
    return copy;
}

/* In a strip 1, small 1, count 8; for each: length 4, field, length 4, value. */
void map_write(struct buf *out, const struct map *map)
{
    struct map_walk walk;
    struct bytes field, value;

    pack_u8(out, !map->table);
    pack_u8(out, map->small);
    pack_u64(out, map_count(map));
    map_begin(&walk, map);
    while (map_next(&walk, &field, &value)) {
        pack_u32(out, (uint32_t)field.len);
        buf_add(out, field);
        pack_u32(out, (uint32_t)value.len);
        buf_add(out, value);
    }
}

struct map *map_read(struct unpack *in, struct heap *heap, uint64_t seed)
{
    uint8_t strip = unpack_u8(in), small = unpack_u8(in);
    uint64_t count = unpack_u64(in);
    struct map *map = map_new(heap, seed);

    if (!strip)
        spread(map, heap);
    for (uint64_t i = 0; i < count && !in->bad; i++) {
        struct bytes field = unpack_take(in, unpack_u32(in));
        struct bytes value = unpack_take(in, unpack_u32(in));

        if (!in->bad && !map_set(map, heap, field, value))
            in->bad = true;
    }
    if (!in->bad && count > 0 && strip == !map->table && (map->small || !small)) {
        map->small = small;
        return map;
    }
    while (!map_drop_some(map, heap))
        ;
    return NULL;
}

static void drop_field(void *context, void *entry)
{
    heap_give(context, entry, size_of_field(entry));
}

bool map_drop_some(struct map *map, struct heap *heap)
{
    if (map->table) {
        if (!table_drop_some(map->table, heap, drop_field, heap))
            return false;
        heap_give(heap, map->table, sizeof *map->table);
    }
    strip_fini(&map->strip, heap);
    heap_give(heap, map, sizeof *map);
    return true;
}
