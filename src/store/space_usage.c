/*
 * What a key takes: exact for what is in one piece, else from a sample of its elements.
 */
#include "base/must.h"
#include "store/space_parts.h"

enum {
    TABLE_ENTRY =
        12, /* of a table's buckets, per element: mostly filled, eight to a line of 64 bytes */
    MEMBER_HEAD = 8,
    ROW_ENTRY = 8,
    NODE_HEAD = 24 + 21, /* and a third more than one link of 16 */
};

struct sample {
    uint64_t bytes, seen, max;
};

/* True: that was enough. */
static bool sampled(struct sample *sample, size_t size)
{
    sample->bytes += heap_cost(size);
    sample->seen++;
    return sample->max && sample->seen == sample->max;
}

static uint64_t scaled(const struct sample *sample, uint64_t count, uint64_t each)
{
    return sample->seen ? sample->bytes * count / sample->seen + each * count : 0;
}

static uint64_t map_usage(const struct map *map, struct sample sample)
{
    struct map_walk walk;
    struct bytes field, value;

    if (!map->table)
        return heap_cost(sizeof *map) + heap_cost(map->strip.cap);
    map_begin(&walk, map);
    while (map_next(&walk, &field, &value))
        if (sampled(&sample, MEMBER_HEAD + field.len + value.len))
            break;
    return heap_cost(sizeof *map) + heap_cost(sizeof(struct table)) +
           scaled(&sample, map_count(map), TABLE_ENTRY);
}

static uint64_t set_usage(const struct set *set, struct sample sample)
{
    struct set_walk walk;
    struct bytes member;

    set_begin(&walk, set);
    while (set_next(&walk, &member))
        if (sampled(&sample, MEMBER_HEAD + member.len))
            break;
    return heap_cost(sizeof(struct table)) +
           scaled(&sample, set_count(set), TABLE_ENTRY + ROW_ENTRY);
}

static uint64_t sorted_usage(const struct sorted *sorted, struct sample sample)
{
    struct sorted_walk walk;
    struct scored scored;

    sorted_begin(&walk, sorted, 0, false);
    while (sorted_next(&walk, &scored))
        if (sampled(&sample, NODE_HEAD + scored.member.len))
            break;
    return heap_cost(sizeof(struct table)) + scaled(&sample, sorted_count(sorted), TABLE_ENTRY);
}

static uint64_t series_usage(const struct series *series, struct sample sample)
{
    uint64_t items = 0;

    for (const struct chunk *chunk = series->head; chunk; chunk = chunk->next) {
        sample.bytes += heap_cost(sizeof *chunk) + heap_cost(chunk->strip.cap);
        items += chunk->strip.count;
        if (sample.max && items >= sample.max)
            break;
    }
    return heap_cost(sizeof *series) + (items ? sample.bytes * series->count / items : 0);
}

uint64_t space_usage(const struct space *space, const struct entry *entry, uint64_t samples)
{
    struct sample sample = {.max = samples};
    uint64_t own = heap_cost(entry_size(entry)) + TABLE_ENTRY;

    (void)space;
    switch ((enum value_type)entry->type) {
    case VALUE_STRING:
        if (entry->form == TEXT_LONG)
            own += heap_cost(sizeof(struct text) + ((struct text *)entry_value(entry))->cap);
        return own;
    case VALUE_LIST:
        return own + series_usage(entry_value(entry), sample);
    case VALUE_SET:
        return own + set_usage(entry_value(entry), sample);
    case VALUE_SORTED:
        return own + sorted_usage(entry_value(entry), sample);
    case VALUE_HASH:
        return own + map_usage(entry_value(entry), sample);
    case VALUE_TYPES:
        break;
    }
    never("no such type");
}
