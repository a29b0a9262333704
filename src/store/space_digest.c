/*
 * What members compare: a sum over all keys, of name, type, expiry, version and value each. A key that is changed is taken out of the sum before (`open`), and comes back in when somebody asks for the
 * sum, or when many others were changed since: no command is still at a key by then. Collections and long texts keep a sum of their own, so what is not changed is not looked at.
 */
#include "base/must.h"
#include "store/digest.h"
#include "store/space_parts.h"

static struct tally tally_of(const struct entry *entry)
{
    switch ((enum value_type)entry->type) {
    case VALUE_LIST:
        return ((const struct series *)entry_value(entry))->tally;
    case VALUE_SET:
        return set_tally(entry_value(entry));
    case VALUE_SORTED:
        return sorted_tally(entry_value(entry));
    case VALUE_HASH:
        return ((const struct map *)entry_value(entry))->tally;
    case VALUE_STRING:
    case VALUE_TYPES:
        break;
    }
    return (struct tally){0};
}

uint64_t entry_collected(const struct entry *entry)
{
    return tally_of(entry).bytes;
}

static uint64_t of_value(const struct entry *entry)
{
    switch ((enum value_type)entry->type) {
    case VALUE_STRING:
        if (entry->form == TEXT_NUMBER)
            return *entry_word(entry);
        if (entry->form == TEXT_LONG)
            return ((const struct text *)entry_value(entry))->digest;
        return digest_bytes(entry_text(entry, NULL));
    case VALUE_LIST:
    case VALUE_SET:
    case VALUE_SORTED:
    case VALUE_HASH:
        return tally_of(entry).digest;
    case VALUE_TYPES:
        break;
    }
    never("no such type");
}

static uint64_t of_entry(const struct entry *entry)
{
    uint64_t kind = entry->version << 5 | (uint64_t)entry->type << 2 | entry->form;
    uint64_t rest = digest_pair(kind, (uint64_t)entry_expires(entry));

    return digest_pair(digest_pair(digest_bytes(entry_name(entry)), rest), of_value(entry));
}

static void close_entry(void *context, void *at)
{
    struct space *space = context;
    struct entry *entry = at;

    if (entry->open)
        space->sum.digest += of_entry(entry);
    entry->open = false;
}

static void close_first(struct space *space, uint32_t count)
{
    struct sum *sum = &space->sum;

    for (uint32_t i = 0; i < count; i++)
        table_each_of(&space->keys, sum->open[i], close_entry, space);
    sum->count -= count;
    memmove(sum->open, sum->open + count, sum->count * sizeof *sum->open);
}

void digest_note(struct space *space, uint64_t hash)
{
    if (space->sum.count == SUM_OPEN_MAX)
        close_first(space, SUM_OPEN_MAX / 2);
    space->sum.open[space->sum.count++] = hash;
}

/* Should a key of this name come again, it is one that was opened last. */
static void forget(struct sum *sum, uint64_t hash)
{
    uint32_t i = sum->count;

    while (sum->open[--i] != hash)
        must(i > 0);
    sum->count--;
    memmove(sum->open + i, sum->open + i + 1, (sum->count - i) * sizeof *sum->open);
}

void digest_take_out(struct space *space, const struct entry *entry, uint64_t hash)
{
    if (entry->open)
        forget(&space->sum, hash);
    else
        space->sum.digest -= of_entry(entry);
}

void digest_open(struct space *space, struct entry *entry, uint64_t hash)
{
    if (entry->open)
        return;
    space->sum.digest -= of_entry(entry);
    entry->open = true;
    digest_note(space, hash);
}

uint64_t space_digest(struct space *space)
{
    close_first(space, space->sum.count);
    return space->sum.digest;
}
