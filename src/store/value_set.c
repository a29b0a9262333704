/*
 * SET: a strip while there are at most 128 members and none is longer than 64 bytes; then, for good, a table beside a row of all members. The row is what gives an order that every member of the
 * group has: a new one comes last, and the last takes the place of one that goes. So set_at with a chance that is the record's chooses the same everywhere, and evenly.
 */
#include "base/must.h"
#include "base/pack.h"
#include "store/call.h"
#include "store/value.h"

enum {
    STRIP_MEMBERS_MAX = 128,
    STRIP_ITEM_MAX = 64,
    INTS_MAX = 512, /* what Redis holds as an intset */
    ROW_BITS = 9,
    ROW_PIECE = 1 << ROW_BITS,
};

struct member {
    uint32_t index, len;
    uint8_t at[];
};

/* In pieces, so that it never has to be moved as a whole. */
struct row {
    struct member ***pieces;
    uint32_t count, room, directory;
};

struct large {
    struct table table;
    struct row row;
};

struct set {
    struct strip strip;
    struct large *large; /* NULL: they are in the strip */
    uint64_t seed;
    struct tally tally;
    bool ints;
};

static struct bytes name_of_member(const void *entry)
{
    const struct member *member = entry;

    return bytes_of(member->at, member->len);
}

static const struct table_kind members = {name_of_member};

static size_t size_of_member(const struct member *member)
{
    return sizeof *member + member->len;
}

/* ---- row ---- */

static struct member **row_at(const struct row *row, uint32_t index)
{
    return &row->pieces[index >> ROW_BITS][index & (ROW_PIECE - 1)];
}

static void row_push(struct row *row, struct heap *heap, struct member *member)
{
    uint32_t pieces = row->room >> ROW_BITS, directory = row->directory ? 2 * row->directory : 1;

    if (row->count == row->room) {
        if (pieces == row->directory) {
            row->pieces = heap_resize(heap, row->pieces, row->directory * sizeof *row->pieces,
                                      directory * sizeof *row->pieces);
            row->directory = directory;
        }
        row->pieces[pieces] = heap_take(heap, ROW_PIECE * sizeof **row->pieces);
        row->room += ROW_PIECE;
    }
    member->index = row->count++;
    *row_at(row, member->index) = member;
}

static void row_shrink(struct row *row, struct heap *heap)
{
    while (row->room - row->count >= 2 * ROW_PIECE) {
        row->room -= ROW_PIECE;
        heap_give(heap, row->pieces[row->room >> ROW_BITS], ROW_PIECE * sizeof **row->pieces);
    }
}

static void row_remove(struct row *row, struct heap *heap, uint32_t index)
{
    struct member *last = *row_at(row, --row->count);

    *row_at(row, index) = last;
    last->index = index;
    row_shrink(row, heap);
}

/* ---- set ---- */

struct set *set_new(struct heap *heap, uint64_t seed)
{
    struct set *set = heap_take(heap, sizeof *set);

    *set = (struct set){.seed = seed, .ints = true};
    return set;
}

uint64_t set_count(const struct set *set)
{
    return set->large ? set->large->row.count : set->strip.count;
}

struct tally set_tally(const struct set *set)
{
    return set->tally;
}

bool set_is_ints(const struct set *set)
{
    return set->ints;
}

static uint32_t find(const struct set *set, struct bytes member)
{
    struct bytes item;
    uint32_t next;

    for (uint32_t at = 0; at < set->strip.len; at = next) {
        next = strip_item(&set->strip, at, &item);
        if (bytes_equal(item, member))
            return at;
    }
    return set->strip.len;
}

bool set_has(const struct set *set, struct bytes member)
{
    const struct table *table;

    if (!set->large)
        return find(set, member) < set->strip.len;
    table = &set->large->table;
    return table_find(table, table_hash(table, member), member) != NULL;
}

static bool add_to_large(struct set *set, struct heap *heap, struct bytes name)
{
    struct table *table = &set->large->table;
    uint64_t hash = table_hash(table, name);
    struct member *member;

    if (table_find(table, hash, name))
        return false;
    member = heap_take(heap, sizeof *member + name.len);
    member->len = (uint32_t)name.len;
    if (name.len)
        memcpy(member->at, name.at, name.len);
    row_push(&set->large->row, heap, member);
    table_add(table, heap, hash, member);
    return true;
}

static void spread(struct set *set, struct heap *heap)
{
    struct strip strip = set->strip;
    struct bytes item;

    set->large = heap_take_zeroed(heap, sizeof *set->large);
    table_init(&set->large->table, &members, set->seed);
    set->strip = (struct strip){0};
    for (uint32_t at = 0; at < strip.len;) {
        at = strip_item(&strip, at, &item);
        add_to_large(set, heap, item);
    }
    strip_fini(&strip, heap);
}

bool set_add(struct set *set, struct heap *heap, struct bytes member)
{
    int64_t number;
    bool added = false;

    if (!set->large && find(set, member) < set->strip.len)
        return false;
    if (!set->large && (member.len > STRIP_ITEM_MAX || set->strip.count == STRIP_MEMBERS_MAX))
        spread(set, heap);
    if (set->large) {
        added = add_to_large(set, heap, member);
    } else {
        strip_add(&set->strip, heap, member);
        added = true;
    }
    if (added)
        tally_in(&set->tally, digest_bytes(member), sizeof(uint32_t) + member.len);
    if (added && set->ints && (set_count(set) > INTS_MAX || !text_to_number(member, &number)))
        set->ints = false;
    return added;
}

bool set_remove(struct set *set, struct heap *heap, struct bytes name)
{
    struct table *table;
    struct member *member;
    uint64_t hash;
    uint32_t at;

    if (!set->large) {
        at = find(set, name);
        if (at == set->strip.len)
            return false;
        tally_out(&set->tally, digest_bytes(name), sizeof(uint32_t) + name.len);
        strip_remove(&set->strip, heap, at);
        return true;
    }
    table = &set->large->table;
    hash = table_hash(table, name);
    member = table_find(table, hash, name);
    if (!member)
        return false;
    tally_out(&set->tally, digest_bytes(name), sizeof(uint32_t) + name.len);
    table_remove(table, heap, hash, member);
    row_remove(&set->large->row, heap, member->index);
    heap_give(heap, member, size_of_member(member));
    return true;
}

/* ---- going over it ---- */

struct bytes set_at(const struct set *set, uint64_t index)
{
    struct bytes item;

    must(index < set_count(set));
    if (set->large)
        return name_of_member(*row_at(&set->large->row, (uint32_t)index));
    strip_item(&set->strip, strip_offset(&set->strip, (uint32_t)index), &item);
    return item;
}

void set_begin(struct set_walk *walk, const struct set *set)
{
    *walk = (struct set_walk){.set = set};
}

bool set_next(struct set_walk *walk, struct bytes *member)
{
    const struct set *set = walk->set;

    if (walk->index == set_count(set))
        return false;
    if (set->large)
        *member = name_of_member(*row_at(&set->large->row, (uint32_t)walk->index));
    else
        walk->offset = strip_item(&set->strip, walk->offset, member);
    walk->index++;
    return true;
}

struct scan {
    set_visit *visit;
    void *context;
};

static void scan_member(void *context, void *member)
{
    const struct scan *scan = context;

    scan->visit(scan->context, name_of_member(member));
}

uint64_t set_scan(const struct set *set, uint64_t cursor, set_visit *visit, void *context)
{
    struct scan scan = {visit, context};
    struct set_walk walk;
    struct bytes member;

    if (set->large)
        return table_scan(&set->large->table, cursor, scan_member, &scan);
    set_begin(&walk, set);
    while (set_next(&walk, &member))
        visit(context, member);
    return 0;
}

/* ---- whole ones ---- */

struct set *set_copy(const struct set *set, struct heap *heap)
{
    struct set *copy = set_new(heap, set->seed);
    struct set_walk walk;
    struct bytes member;

    if (set->large)
        spread(copy, heap);
    set_begin(&walk, set);
    while (set_next(&walk, &member))
        set_add(copy, heap, member);
    copy->ints = set->ints;
    return copy;
}

/* Small 1, ints 1, count 8; for each, in order: length 4, member. */
void set_write(struct buf *out, const struct set *set)
{
    struct set_walk walk;
    struct bytes member;

    pack_u8(out, !set->large);
    pack_u8(out, set->ints);
    pack_u64(out, set_count(set));
    set_begin(&walk, set);
    while (set_next(&walk, &member)) {
        pack_u32(out, (uint32_t)member.len);
        buf_add(out, member);
    }
}

struct set *set_read(struct unpack *in, struct heap *heap, uint64_t seed)
{
    uint8_t small = unpack_u8(in), ints = unpack_u8(in);
    uint64_t count = unpack_u64(in);
    struct set *set = set_new(heap, seed);

    if (!small)
        spread(set, heap);
    for (uint64_t i = 0; i < count && !in->bad; i++) {
        struct bytes member = unpack_take(in, unpack_u32(in));

        if (!in->bad && !set_add(set, heap, member))
            in->bad = true;
    }
    if (!in->bad && count > 0 && small == !set->large && (set->ints || !ints)) {
        set->ints = ints;
        return set;
    }
    while (!set_drop_some(set, heap))
        ;
    return NULL;
}

static void drop_member(void *context, void *entry)
{
    heap_give(context, entry, size_of_member(entry));
}

bool set_drop_some(struct set *set, struct heap *heap)
{
    struct large *large = set->large;

    if (large) {
        if (!table_drop_some(&large->table, heap, drop_member, heap))
            return false;
        if (large->row.room) {
            large->row.room -= ROW_PIECE;
            heap_give(heap, large->row.pieces[large->row.room >> ROW_BITS],
                      ROW_PIECE * sizeof **large->row.pieces);
            return false;
        }
        heap_give(heap, large->row.pieces, large->row.directory * sizeof *large->row.pieces);
        heap_give(heap, large, sizeof *large);
    }
    strip_fini(&set->strip, heap);
    heap_give(heap, set, sizeof *set);
    return true;
}
