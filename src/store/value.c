/*
 * Values as bytes, and what is freed a little at a time.
 */
#include "store/value.h"

#include "base/must.h"
#include "base/pack.h"
#include "store/space_parts.h"

enum { TIDY_STEPS = 16 };

/* ---- as bytes ---- */

static void write_text(struct buf *out, const struct entry *entry)
{
    char digits[ENTRY_DIGITS_MAX];
    struct bytes text = entry_text(entry, digits);

    pack_u32(out, (uint32_t)text.len);
    buf_add(out, text);
}

void value_write(struct buf *out, const struct entry *entry)
{
    pack_u64(out, entry->version);
    pack_u64(out, (uint64_t)entry_expires(entry));
    pack_u8(out, (uint8_t)entry->type);
    pack_u8(out, (uint8_t)entry->form);
    switch ((enum value_type)entry->type) {
    case VALUE_STRING:
        write_text(out, entry);
        return;
    case VALUE_LIST:
        series_write(out, entry_value(entry));
        return;
    case VALUE_SET:
        set_write(out, entry_value(entry));
        return;
    case VALUE_SORTED:
        sorted_write(out, entry_value(entry));
        return;
    case VALUE_HASH:
        map_write(out, entry_value(entry));
        return;
    case VALUE_TYPES:
        break;
    }
    never("no such type");
}

static bool read_string(struct space *space, struct spot *spot, struct unpack *in,
                        enum text_form form, int64_t expires_ms)
{
    struct bytes text = unpack_take(in, unpack_u32(in));

    if (!unpack_ended(in))
        return false;
    if (form == TEXT_RAW) {
        space_write_text(space, spot, 0, text, 0);
        if (expires_ms)
            space_expire(space, spot, expires_ms, 0);
    } else if (form == TEXT_NUMBER) {
        space_put_text(space, spot, text, expires_ms, 0);
    } else {
        space_put_plain(space, spot, text, expires_ms, 0);
    }
    return true;
}

static void *read_value(struct unpack *in, enum value_type type, struct space *space)
{
    switch (type) {
    case VALUE_LIST:
        return series_read(in, &space->heap);
    case VALUE_SET:
        return set_read(in, &space->heap, space->seed);
    case VALUE_SORTED:
        return sorted_read(in, &space->heap, space->seed);
    case VALUE_HASH:
        return map_read(in, &space->heap, space->seed);
    case VALUE_STRING:
    case VALUE_TYPES:
        break;
    }
    return NULL;
}

static bool read_entry(struct space *space, struct spot *spot, struct unpack *in)
{
    uint64_t version = unpack_u64(in);
    int64_t expires_ms = (int64_t)unpack_u64(in);
    uint8_t type = unpack_u8(in), form = unpack_u8(in);
    void *value;

    if (in->bad || type >= VALUE_TYPES || form > TEXT_LONG || expires_ms < 0)
        return false;
    if (spot->entry)
        space_delete(space, spot);
    if (type == VALUE_STRING) {
        if (!read_string(space, spot, in, (enum text_form)form, expires_ms))
            return false;
    } else {
        value = read_value(in, (enum value_type)type, space);
        if (value && !unpack_ended(in)) {
            space_discard(space, (enum value_type)type, value);
            value = NULL;
        }
        if (!value)
            return false;
        space_put_value(space, spot, (enum value_type)type, value, expires_ms, 0);
    }
    spot->entry->version = version;
    if (version > space->cut.position)
        space->cut.position = version;
    return true;
}

bool value_read(struct space *space, struct bytes name, struct bytes value)
{
    struct spot spot = space_spot(space, name);
    struct unpack in = unpack_of(value);
    bool tracked = space->options.tracked, good;

    if (name.len > SPACE_KEY_BYTES_MAX)
        return false;
    space->options.tracked = false; /* it comes from the checkpoint */
    good = read_entry(space, &spot, &in);
    if (!good && (spot = space_spot(space, name)).entry)
        space_delete(space, &spot);
    space->options.tracked = tracked;
    return good;
}

/* ---- garbage ---- */

static uint64_t count_of(enum value_type type, const void *value)
{
    switch (type) {
    case VALUE_LIST:
        return ((const struct series *)value)->count;
    case VALUE_SET:
        return set_count(value);
    case VALUE_SORTED:
        return sorted_count(value);
    case VALUE_HASH:
        return map_count(value);
    case VALUE_STRING:
    case VALUE_TYPES:
        break;
    }
    never("not a value of its own");
}

static void drop_key(void *context, void *entry)
{
    entry_free(context, entry);
}

static bool drop_keys(struct space *space, struct table *keys)
{
    if (!table_drop_some(keys, &space->heap, drop_key, space))
        return false;
    heap_give(&space->heap, keys, sizeof *keys);
    return true;
}

/* True: all is gone. */
static bool drop_some(struct space *space, enum value_type type, void *value)
{
    switch (type) {
    case VALUE_LIST:
        return series_drop_some(value, &space->heap);
    case VALUE_SET:
        return set_drop_some(value, &space->heap);
    case VALUE_SORTED:
        return sorted_drop_some(value, &space->heap);
    case VALUE_HASH:
        return map_drop_some(value, &space->heap);
    case VALUE_TYPES:
        return drop_keys(space, value);
    case VALUE_STRING:
        break;
    }
    never("strings are freed at once");
}

void garbage_add(struct space *space, enum value_type type, void *value)
{
    struct garbage *garbage = heap_take(&space->heap, sizeof *garbage);

    *garbage = (struct garbage){.next = space->garbage, .type = type, .value = value};
    space->garbage = garbage;
}

enum { FREED_AT_ONCE = 64 };

void space_discard(struct space *space, enum value_type type, void *value)
{
    if (count_of(type, value) > FREED_AT_ONCE) {
        garbage_add(space, type, value);
        return;
    }
    while (!drop_some(space, type, value))
        ;
}

bool space_tidy(struct space *space)
{
    struct garbage *garbage;

    for (int i = 0; i < TIDY_STEPS && (garbage = space->garbage); i++) {
        space->garbage = garbage->next; /* what it drops may become garbage before it */
        if (drop_some(space, garbage->type, garbage->value)) {
            heap_give(&space->heap, garbage, sizeof *garbage);
        } else {
            garbage->next = space->garbage;
            space->garbage = garbage;
        }
    }
    return space->garbage != NULL;
}
