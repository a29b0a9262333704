/*
 * What changed from one cut to the next, and the cut under way.
 *
 * Versions tell: a key whose version is above the last cut's position has been noted since, by its hash. While a cut lasts, a key that is not above its position and has not been taken is
 * copied when it is about to be changed. `dirty` (it is noted, and not taken) only saves copies. A hash that finds nothing any more was deleted, and its name is in `deleted`.
 */
#include "base/must.h"
#include "store/space_parts.h"

enum { LOOKS = 16 }; /* at what may have been deleted meanwhile, in one call */

/* ---- queues ---- */

static void tell(struct space *space, struct told_queue *queue, struct bytes name,
                 struct bytes value)
{
    struct told *told = heap_take(&space->heap, sizeof *told + name.len + value.len);

    *told = (struct told){.name_len = (uint32_t)name.len, .value_len = (uint32_t)value.len};
    if (name.len)
        memcpy(told->at, name.at, name.len);
    if (value.len)
        memcpy(told->at + name.len, value.at, value.len);
    *queue->last = told;
    queue->last = &told->next;
}

static struct told *take_told(struct told_queue *queue)
{
    struct told *told = queue->first;

    if (!told)
        return NULL;
    queue->first = told->next;
    if (!queue->first)
        queue->last = &queue->first;
    return told;
}

static void free_told(struct space *space, struct told *told)
{
    if (told)
        heap_give(&space->heap, told, sizeof *told + told->name_len + told->value_len);
}

static void move_queue(struct told_queue *to, struct told_queue *from)
{
    *to = *from;
    if (!to->first)
        to->last = &to->first;
    from->first = NULL;
    from->last = &from->first;
}

static void note_hash(struct space *space, uint64_t hash)
{
    struct hashes *hashes = space->changes.changed;

    if (!hashes || hashes->count == HASHES) {
        hashes = heap_take(&space->heap, sizeof *hashes);
        hashes->next = space->changes.changed;
        hashes->count = 0;
        space->changes.changed = hashes;
    }
    hashes->at[hashes->count++] = hash;
}

static void drop_hashes(struct space *space, struct hashes **hashes)
{
    while (*hashes) {
        struct hashes *next = (*hashes)->next;

        heap_give(&space->heap, *hashes, sizeof **hashes);
        *hashes = next;
    }
}

static void drop_changes(struct space *space, struct changes *changes)
{
    struct told *told;

    drop_hashes(space, &changes->changed);
    while ((told = take_told(&changes->deleted)))
        free_told(space, told);
    changes->cleared = false;
}

/* ---- while the space is changed ---- */

static bool pending(const struct space *space, const struct entry *entry, uint64_t hash)
{
    const struct cut *cut = &space->cut;

    if (!cut->active || cut->old || entry->version > cut->position)
        return false;
    return cut->whole ? !cut->walked && !table_passed(cut->cursor, hash) : entry->dirty;
}

static void copy(struct space *space, struct entry *entry)
{
    struct buf *value = &space->cut.value;

    buf_clear(value);
    value_write(value, entry);
    must(!value->full);
    tell(space, &space->cut.copies, entry_name(entry), buf_bytes(value));
    entry->dirty = false;
}

void cut_before_change(struct space *space, struct entry *entry, uint64_t hash)
{
    if (pending(space, entry, hash))
        copy(space, entry);
}

void cut_note_change(struct space *space, struct entry *entry, uint64_t hash, uint64_t before)
{
    if (!space->options.tracked || before > space->cut.position)
        return;
    entry->dirty = true;
    if (!space->whole_next)
        note_hash(space, hash);
}

void cut_note_delete(struct space *space, struct bytes name)
{
    if (space->options.tracked && !space->whole_next)
        tell(space, &space->changes.deleted, name, BYTES(""));
}

void cut_note_clear(struct space *space)
{
    if (!space->options.tracked)
        return;
    drop_changes(space, &space->changes);
    space->changes.cleared = true;
}

bool cut_takes_table(struct space *space, struct table *table)
{
    if (!space->cut.active || space->cut.old)
        return false;
    space->cut.old = table;
    return true;
}

/* ---- the cut ---- */

void space_cut_begin(struct space *space, uint64_t position)
{
    struct cut *cut = &space->cut;

    must(space->options.tracked && !cut->active);
    must(position >= cut->position);
    cut->active = true;
    cut->position = position;
    cut->whole = space->whole_next;
    cut->cursor = 0;
    cut->walked = false;
    cut->changes.cleared = space->changes.cleared || cut->whole;
    cut->changes.changed = space->changes.changed;
    move_queue(&cut->changes.deleted, &space->changes.deleted);
    space->changes.cleared = false;
    space->changes.changed = NULL;
    space->whole_next = false;
}

bool space_cutting(const struct space *space)
{
    return space->cut.active;
}

static void end(struct space *space)
{
    struct cut *cut = &space->cut;
    struct told *told;

    drop_changes(space, &cut->changes);
    while ((told = take_told(&cut->copies)))
        free_told(space, told);
    free_told(space, cut->given);
    cut->given = NULL;
    if (cut->old)
        garbage_add(space, VALUE_TYPES, cut->old);
    cut->old = NULL;
    cut->active = false;
}

void space_cut_fail(struct space *space)
{
    if (space->cut.active)
        end(space);
    drop_changes(space, &space->changes);
    space->whole_next = true;
}

void cut_fini(struct space *space)
{
    end(space);
    drop_changes(space, &space->changes);
}

static void take_one(void *context, void *at)
{
    struct space *space = context;
    struct entry *entry = at;

    if (entry->version <= space->cut.position && (space->cut.whole || entry->dirty))
        copy(space, entry);
}

/* Copies those of the next bucket, or of the next hash. False: there are no more. */
static bool take_some(struct space *space)
{
    struct cut *cut = &space->cut;
    const struct table *table = cut->old ? cut->old : &space->keys;
    struct hashes *hashes = cut->changes.changed;

    if (cut->whole) {
        if (cut->walked)
            return false;
        cut->cursor = table_scan(table, cut->cursor, take_one, space);
        cut->walked = cut->cursor == 0;
        return true;
    }
    if (!hashes)
        return false;
    if (hashes->count > 0) {
        table_each_of(table, hashes->at[--hashes->count], take_one, space);
        return true;
    }
    cut->changes.changed = hashes->next;
    heap_give(&space->heap, hashes, sizeof *hashes);
    return true;
}

static enum space_cut give(struct cut *cut, enum space_cut kind, struct told *told,
                           struct bytes *name, struct bytes *value)
{
    cut->given = told;
    *name = bytes_of(told->at, told->name_len);
    *value = bytes_of(told->at + told->name_len, told->value_len);
    return kind;
}

enum space_cut space_cut_next(struct space *space, struct bytes *name, struct bytes *value)
{
    struct cut *cut = &space->cut;
    struct told *told;
    bool more = true;

    must(cut->active);
    free_told(space, cut->given);
    cut->given = NULL;
    if (cut->changes.cleared) {
        cut->changes.cleared = false;
        return SPACE_CUT_CLEAR;
    }
    if ((told = take_told(&cut->changes.deleted)))
        return give(cut, SPACE_CUT_DELETE, told, name, value);
    for (int i = 0; i < LOOKS && more && !cut->copies.first; i++)
        more = take_some(space);
    if ((told = take_told(&cut->copies)))
        return give(cut, SPACE_CUT_PUT, told, name, value);
    if (more)
        return SPACE_CUT_NOTHING;
    end(space);
    return SPACE_CUT_END;
}
