#include "base/must.h"
#include "store/call.h"
#include "store/digest.h"
#include "store/space_parts.h"

#include <stdlib.h>

/* ---- entries ---- */

static struct bytes name_of_entry(const void *entry)
{
    return entry_name(entry);
}

const struct table_kind space_keys = {name_of_entry};

static size_t size_of_entry(size_t name_len, uint32_t form, size_t text_len, bool timed)
{
    size_t size = sizeof(struct entry) + (timed ? sizeof(struct timing) : 0) + name_len;

    return size + (form == TEXT_NUMBER || form == TEXT_LONG ? sizeof(uint64_t) : text_len);
}

size_t entry_size(const struct entry *entry)
{
    return size_of_entry(entry->name_len, entry->form, entry->text_len, entry->timed);
}

struct entry *entry_new(struct space *space, struct bytes name, uint32_t type, uint32_t form,
                        size_t text_len, bool timed)
{
    struct entry *entry = heap_take(&space->heap, size_of_entry(name.len, form, text_len, timed));

    *entry = (struct entry){
        .type = type & 7,
        .form = form & 3,
        .timed = timed,
        .open = true,
        .name_len = (uint16_t)name.len,
        .text_len = (uint16_t)text_len,
    };
    if (timed) {
        entry_timing(entry)->expires_ms = 0;
        list_init(&entry_timing(entry)->node);
    }
    if (name.len)
        memcpy(entry_name_at(entry), name.at, name.len);
    return entry;
}

static void free_text(struct space *space, struct text *text)
{
    heap_give(&space->heap, text, sizeof *text + text->cap);
}

void entry_free(struct space *space, struct entry *entry)
{
    if (entry->type != VALUE_STRING)
        space_discard(space, (enum value_type)entry->type, entry_value(entry));
    else if (entry->form == TEXT_LONG)
        free_text(space, entry_value(entry));
    heap_give(&space->heap, entry, entry_size(entry));
}

/* ---- the space ---- */

struct space *space_open(const struct space_options *options)
{
    struct space *space = calloc(1, sizeof *space);

    must(space);
    space->options = *options;
    space->seed = options->seed;
    if (space->options.collection_max == 0)
        space->options.collection_max = SPACE_COLLECTION_BYTES_MAX;
    space->changes.deleted.last = &space->changes.deleted.first;
    space->cut.copies.last = &space->cut.copies.first;
    space->cut.changes.deleted.last = &space->cut.changes.deleted.first;
    buf_init(&space->cut.value, SIZE_MAX);
    table_init(&space->keys, &space_keys, space->seed);
    wheel_of_keys_init(&space->wheel);
    return space;
}

void space_close(struct space *space)
{
    if (!space)
        return;
    cut_fini(space);
    space_clear(space);
    cut_fini(space);
    while (space_tidy(space))
        ;
    must(space->heap.used == 0);
    buf_fini(&space->cut.value);
    free(space);
}

uint64_t space_count(const struct space *space)
{
    return space->keys.count;
}

uint64_t space_timed_count(const struct space *space)
{
    return space->wheel.count;
}

uint64_t space_bytes(const struct space *space)
{
    return space->heap.used;
}

uint64_t space_collection_max(const struct space *space)
{
    return space->options.collection_max;
}

struct heap *space_heap(struct space *space)
{
    return &space->heap;
}

uint64_t space_seed(const struct space *space)
{
    return space->seed;
}

struct spot space_spot(const struct space *space, struct bytes name)
{
    uint64_t hash = table_hash(&space->keys, name);

    return (struct spot){name, hash, table_find(&space->keys, hash, name)};
}

void space_clock(struct space *space, int64_t now_ms)
{
    space->now_ms = now_ms;
}

/* ---- changes ---- */

/* A place of this shape for the spot's key: what is there if it has the shape, else a new one in its stead. Its value is not set, and what was there is freed. */
static struct entry *reshape(struct space *space, struct spot *spot, uint32_t type, uint32_t form,
                             size_t text_len, int64_t expires_ms)
{
    struct entry *before = spot->entry, *entry = before;
    bool timed = expires_ms != 0, was_timed = before && before->timed;

    if (before && before->type != VALUE_STRING)
        space_discard(space, (enum value_type)before->type, entry_value(before));
    else if (before && before->form == TEXT_LONG)
        free_text(space, entry_value(before));
    if (!before || before->form != form || before->text_len != text_len || before->timed != timed) {
        entry = entry_new(space, spot->name, type, form, text_len, timed);
        if (!before) {
            table_add(&space->keys, &space->heap, spot->hash, entry);
            digest_note(space, spot->hash);
        } else {
            table_replace(&space->keys, spot->hash, before, entry);
            entry->touched = before->touched;
            entry->dirty = before->dirty;
            entry->version = before->version;
            if (was_timed)
                list_remove(&entry_timing(before)->node);
            heap_give(&space->heap, before, entry_size(before));
        }
        space->wheel.count += timed;
        space->wheel.count -= was_timed;
    }
    entry->type = type & 7;
    if (timed && entry_timing(entry)->expires_ms != expires_ms)
        wheel_of_keys_add(&space->wheel, entry_timing(entry), expires_ms);
    spot->entry = entry;
    return entry;
}

static void before_change(struct space *space, const struct spot *spot)
{
    if (!spot->entry)
        return;
    cut_before_change(space, spot->entry, spot->hash);
    digest_open(space, spot->entry, spot->hash);
}

static void after_change(struct space *space, const struct spot *spot, uint64_t position)
{
    uint64_t before = spot->entry->version;

    spot->entry->version = position;
    cut_note_change(space, spot->entry, spot->hash, before);
    space_touch(space, spot->entry, space->now_ms);
}

void space_change(struct space *space, struct spot *spot, uint64_t position)
{
    before_change(space, spot);
    after_change(space, spot, position);
}

/* Longer ones stand in a piece of their own. */
enum { SHORT_TEXT_MAX = 512 };

static bool is_number(struct bytes text, int64_t *number)
{
    return text.len > 0 && text.len <= 20 && text_to_number(text, number);
}

void space_put_text(struct space *space, struct spot *spot, struct bytes text, int64_t expires_ms,
                    uint64_t position)
{
    int64_t number;

    if (is_number(text, &number))
        space_put_number(space, spot, number, expires_ms, position);
    else
        space_put_plain(space, spot, text, expires_ms, position);
}

void space_put_plain(struct space *space, struct spot *spot, struct bytes text, int64_t expires_ms,
                     uint64_t position)
{
    struct entry *entry;
    struct text *piece;

    before_change(space, spot);
    if (text.len <= SHORT_TEXT_MAX) {
        entry = reshape(space, spot, VALUE_STRING, TEXT_SHORT, text.len, expires_ms);
        if (text.len)
            memcpy(entry_name_at(entry) + entry->name_len, text.at, text.len);
    } else {
        piece = heap_take(&space->heap, sizeof *piece + text.len);
        piece->len = piece->cap = (uint32_t)text.len;
        memcpy(piece->at, text.at, text.len);
        piece->digest = digest_blocks(text, 0, text.len);
        entry = reshape(space, spot, VALUE_STRING, TEXT_LONG, 0, expires_ms);
        *entry_word(entry) = (uint64_t)(uintptr_t)piece;
    }
    after_change(space, spot, position);
}

void space_put_number(struct space *space, struct spot *spot, int64_t number, int64_t expires_ms,
                      uint64_t position)
{
    struct entry *entry;

    before_change(space, spot);
    entry = reshape(space, spot, VALUE_STRING, TEXT_NUMBER, 0, expires_ms);
    *entry_word(entry) = (uint64_t)number;
    after_change(space, spot, position);
}

void space_put_value(struct space *space, struct spot *spot, enum value_type type, void *value,
                     int64_t expires_ms, uint64_t position)
{
    struct entry *entry;

    before_change(space, spot);
    entry = reshape(space, spot, type, TEXT_LONG, 0, expires_ms);
    *entry_word(entry) = (uint64_t)(uintptr_t)value;
    after_change(space, spot, position);
}

static struct text *text_grown(struct space *space, struct text *text, size_t len)
{
    size_t cap = len < (1 << 20) ? 2 * len : len + (1 << 20);

    if (len > text->cap) {
        text = heap_resize(&space->heap, text, sizeof *text + text->cap, sizeof *text + cap);
        text->cap = (uint32_t)cap;
    }
    if (len > text->len)
        memset(text->at + text->len, 0, len - text->len);
    text->len = (uint32_t)len;
    return text;
}

static struct bytes bytes_of_text(const struct text *text)
{
    return bytes_of(text->at, text->len);
}

static void write_long(struct space *space, struct spot *spot, size_t at, struct bytes part)
{
    struct text *text = entry_value(spot->entry);
    size_t from = at < text->len ? at : text->len, to = at + part.len;

    text->digest -= digest_blocks(bytes_of_text(text), from, to);
    if (to > text->len)
        text = text_grown(space, text, to);
    *entry_word(spot->entry) = (uint64_t)(uintptr_t)text;
    memcpy(text->at + at, part.at, part.len);
    text->digest += digest_blocks(bytes_of_text(text), from, to);
}

/* The text of `len` bytes behind the name, or in a piece of its own, in the stead of one that is not. */
static uint8_t *reshape_text(struct space *space, struct spot *spot, size_t len,
                             struct text **piece)
{
    int64_t expires_ms = spot->entry ? entry_expires(spot->entry) : 0;
    struct entry *entry;

    *piece = NULL;
    if (len <= SHORT_TEXT_MAX) {
        entry = reshape(space, spot, VALUE_STRING, TEXT_RAW, len, expires_ms);
        return entry_name_at(entry) + entry->name_len;
    }
    *piece = heap_take(&space->heap, sizeof **piece + len);
    (*piece)->len = (*piece)->cap = (uint32_t)len;
    entry = reshape(space, spot, VALUE_STRING, TEXT_LONG, 0, expires_ms);
    *entry_word(entry) = (uint64_t)(uintptr_t)*piece;
    return (*piece)->at;
}

static void write_short(struct space *space, struct spot *spot, size_t at, struct bytes part)
{
    char digits[ENTRY_DIGITS_MAX];
    uint8_t keep[SHORT_TEXT_MAX], *to;
    struct bytes before = spot->entry ? entry_text(spot->entry, digits) : BYTES("");
    size_t kept = before.len, len = at + part.len > kept ? at + part.len : kept;
    struct text *piece;

    must(kept <= sizeof keep);
    if (kept)
        memcpy(keep, before.at, kept);
    to = reshape_text(space, spot, len, &piece);
    memcpy(to, keep, kept);
    memset(to + kept, 0, len - kept);
    if (part.len)
        memcpy(to + at, part.at, part.len);
    if (piece)
        piece->digest = digest_blocks(bytes_of_text(piece), 0, len);
}

void space_write_text(struct space *space, struct spot *spot, size_t at, struct bytes part,
                      uint64_t position)
{
    before_change(space, spot);
    if (!spot->entry || spot->entry->form != TEXT_LONG)
        write_short(space, spot, at, part);
    else if (part.len)
        write_long(space, spot, at, part);
    after_change(space, spot, position);
}

void space_expire(struct space *space, struct spot *spot, int64_t expires_ms, uint64_t position)
{
    struct entry *before = spot->entry, *entry = before;
    bool timed = expires_ms != 0;

    before_change(space, spot);
    if (before->timed != timed) {
        entry = entry_new(space, spot->name, before->type, before->form, before->text_len, timed);
        entry->touched = before->touched;
        entry->dirty = before->dirty;
        entry->version = before->version;
        if (entry_has_word(entry))
            *entry_word(entry) = *entry_word(before);
        else if (entry->text_len)
            memcpy(entry_name_at(entry) + entry->name_len, entry_name_at(before) + entry->name_len,
                   entry->text_len);
        table_replace(&space->keys, spot->hash, before, entry);
        if (before->timed)
            list_remove(&entry_timing(before)->node);
        heap_give(&space->heap, before, entry_size(before));
        space->wheel.count += timed ? 1 : (uint64_t)-1;
    }
    if (timed)
        wheel_of_keys_add(&space->wheel, entry_timing(entry), expires_ms);
    spot->entry = entry;
    after_change(space, spot, position);
}

static void take_out(struct space *space, struct spot *spot)
{
    struct entry *entry = spot->entry;

    cut_before_change(space, entry, spot->hash);
    digest_take_out(space, entry, spot->hash);
    cut_note_delete(space, entry_name(entry));
    gone_note(space, entry_name(entry), entry->version);
    if (entry->timed) {
        list_remove(&entry_timing(entry)->node);
        space->wheel.count--;
    }
    table_remove(&space->keys, &space->heap, spot->hash, entry);
    spot->entry = NULL;
}

void space_delete(struct space *space, struct spot *spot)
{
    struct entry *entry = spot->entry;

    take_out(space, spot);
    entry_free(space, entry);
}

void *space_take_value(struct space *space, struct spot *spot)
{
    struct entry *entry = spot->entry;
    void *value = entry->type == VALUE_STRING ? NULL : entry_value(entry);

    if (!value) {
        space_delete(space, spot);
        return NULL;
    }
    take_out(space, spot);
    heap_give(&space->heap, entry, entry_size(entry));
    return value;
}

void space_clear(struct space *space)
{
    struct table *old;

    cut_note_clear(space);
    space->sum.digest = 0;
    space->sum.count = 0;
    wheel_of_keys_init(&space->wheel);
    if (space->keys.buckets == 0)
        return;
    old = heap_take(&space->heap, sizeof *old);
    *old = space->keys;
    table_init(&space->keys, &space_keys, space->seed);
    if (!cut_takes_table(space, old))
        garbage_add(space, VALUE_TYPES, old);
}

/* ---- looking ---- */

struct scan {
    space_visit *visit;
    void *context;
};

static void scan_entry(void *context, void *entry)
{
    struct scan *scan = context;

    scan->visit(scan->context, entry);
}

uint64_t space_scan(const struct space *space, uint64_t cursor, space_visit *visit, void *context)
{
    struct scan scan = {visit, context};

    return table_scan(&space->keys, cursor, scan_entry, &scan);
}

struct entry *space_random(const struct space *space, struct rng *chance)
{
    return table_random(&space->keys, chance);
}
