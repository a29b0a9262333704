#include "store/command.h"

#include "base/must.h"
#include "store/commands.h"
#include "store/document.h"
#include "store/space.h"

#include <ctype.h>
#include <stdio.h>

static const struct command *const lists[] = {
    commands_string, commands_key,    commands_hash,    commands_set,
    commands_list,   commands_sorted, commands_session,
};

static const char *const category_names[CATEGORIES] = {
    "keyspace", "read",  "write",     "string",     "hash",        "list", "set",  "sortedset",
    "pubsub",   "admin", "dangerous", "connection", "transaction", "fast", "slow", "blocking",
};

enum { INDEX_SLOTS = 1024, NAME_MAX_BYTES = 64 };

/* Rows by the hash of their names; filled before main. */
static const struct command *by_name[INDEX_SLOTS];

static uint32_t hash_step(uint32_t hash, uint8_t byte)
{
    return (hash ^ byte) * 16777619;
}

static uint32_t hash_name(uint32_t hash, struct bytes name)
{
    for (size_t i = 0; i < name.len; i++)
        hash = hash_step(hash, (uint8_t)(name.at[i] >= 'A' && name.at[i] <= 'Z' ? name.at[i] | 0x20
                                                                                : name.at[i]));
    return hash;
}

enum { HASH_FIRST = 0x811c9dc5 - 0x100000000 };

const struct command *command_at(uint32_t index)
{
    for (size_t list = 0; list < ARRAY_LEN(lists); list++)
        for (const struct command *row = lists[list]; row->name; row++)
            if (index-- == 0)
                return row;
    return NULL;
}

__attribute__((constructor)) static void fill_index(void)
{
    const struct command *row;

    for (uint32_t i = 0; (row = command_at(i)); i++) {
        uint32_t at = hash_name((uint32_t)HASH_FIRST, bytes_of_string(row->name)) % INDEX_SLOTS;

        must(i < INDEX_SLOTS / 2);
        while (by_name[at])
            at = (at + 1) % INDEX_SLOTS;
        by_name[at] = row;
    }
}

/* `name` as a row has it: a word, or two words with a bar between them. */
static bool is_named(const char *name, struct bytes first, const struct bytes *second)
{
    size_t len = strlen(name);

    if (!second)
        return bytes_equal_nocase(bytes_of(name, len), first);
    return len == first.len + 1 + second->len && name[first.len] == '|' &&
           bytes_equal_nocase(bytes_of(name, first.len), first) &&
           bytes_equal_nocase(bytes_of(name + first.len + 1, second->len), *second);
}

static const struct command *find(struct bytes first, const struct bytes *second)
{
    uint32_t hash = (uint32_t)HASH_FIRST;

    if (first.len > NAME_MAX_BYTES || (second && second->len > NAME_MAX_BYTES))
        return NULL;
    hash = hash_name(hash, first);
    if (second)
        hash = hash_name(hash_step(hash, '|'), *second);
    for (uint32_t at = hash % INDEX_SLOTS; by_name[at]; at = (at + 1) % INDEX_SLOTS)
        if (is_named(by_name[at]->name, first, second))
            return by_name[at];
    return NULL;
}

const struct command *command_of_record(const struct bytes *words, uint32_t count)
{
    const struct command *row = count ? find(words[0], NULL) : NULL, *sub;

    if (!row || !command_is_container(row) || count < 2)
        return row;
    sub = find(words[0], &words[1]);
    return sub ? sub : row;
}

const struct command *command_named(const struct bytes *words, uint32_t count)
{
    const struct command *row = command_of_record(words, count);

    return row && !(row->flags & COMMAND_INTERNAL) ? row : NULL;
}

bool command_is_container(const struct command *command)
{
    return command->flags & COMMAND_CONTAINER;
}

bool command_fits(const struct command *command, uint32_t count)
{
    if (command_is_container(command))
        return false;
    return command->arity >= 0 ? count == (uint32_t)command->arity
                               : count >= (uint32_t)-command->arity;
}

/* ---- errors ---- */

static void add_line(struct buf *out, struct bytes text, size_t max)
{
    for (size_t i = 0; i < text.len && i < max && text.at[i]; i++)
        buf_add_byte(out, text.at[i] == '\r' || text.at[i] == '\n' ? ' ' : text.at[i]);
}

static void refuse_unknown(struct buf *out, const struct bytes *words, uint32_t count)
{
    size_t begin;

    buf_add_string(out, "-ERR unknown command '");
    add_line(out, words[0], 128);
    buf_add_string(out, "', with args beginning with: ");
    begin = out->len;
    for (uint32_t i = 1; i < count && out->len - begin < 128; i++) {
        size_t left = 128 - (out->len - begin);

        buf_add_byte(out, '\'');
        add_line(out, words[i], left);
        buf_add_string(out, "' ");
        if (out->full)
            break;
    }
    buf_add_string(out, "\r\n");
}

static void refuse_subcommand(struct buf *out, const struct command *command, struct bytes word)
{
    buf_add_string(out, "-ERR unknown subcommand '");
    add_line(out, word, 128);
    buf_add_string(out, "'. Try ");
    for (const char *at = command->name; *at; at++)
        buf_add_byte(out, (uint8_t)toupper((unsigned char)*at));
    buf_add_string(out, " HELP.\r\n");
}

void command_refuse(struct buf *out, const struct command *command, const struct bytes *words,
                    uint32_t count)
{
    if (!command)
        refuse_unknown(out, words, count);
    else if (command_is_container(command) && count > 1)
        refuse_subcommand(out, command, words[1]);
    else
        buf_print(out, "-ERR wrong number of arguments for '%s' command\r\n", command->name);
}

void reply_arity(struct call *call)
{
    reply_errorf(call, "ERR wrong number of arguments for '%s' command", call->command->name);
}

/* ---- running ---- */

static bool keys_fit(struct call *call)
{
    uint32_t word;

    for (uint32_t n = 0; (word = command_key(call->command, call->words, call->count, n)); n++)
        if (call->words[word].len > SPACE_KEY_BYTES_MAX) {
            reply_errorf(call, "ERR a key has at most %d bytes", SPACE_KEY_BYTES_MAX);
            return false;
        }
    return true;
}

static bool has_long_word(const struct call *call)
{
    for (uint32_t i = 1; i < call->count; i++)
        if (call->words[i].len > SPACE_KEY_BYTES_MAX)
            return true;
    return false;
}

static uint64_t collected(const struct call *call, uint32_t word)
{
    struct spot spot = space_spot(call->space, call->words[word]);

    return spot.entry ? entry_collected(spot.entry) : 0;
}

/* How large the collection is already that the command adds to, the last of its keys; or would be that a union makes. What else is stored is part of what there is. */
static uint64_t size_before(const struct call *call)
{
    const struct command *command = call->command;
    bool is_union = strstr(command->name, "union") != NULL;
    uint64_t size = 0;
    uint32_t word;

    if (!is_union)
        return command->last_key > 0 && !(command->flags & COMMAND_COUNTED) &&
                       strcmp(command->name, "zrangestore") != 0
                   ? collected(call, (uint32_t)command->last_key)
                   : 0;
    for (uint32_t n = 0; (word = command_key(command, call->words, call->count, n)); n++)
        size += collected(call, word);
    return size;
}

/* Looked at when it is executed, so that it holds whatever is under way; by what all members have alike. */
static bool may_grow(struct call *call)
{
    enum { SMALLEST = 8 }; /* of what a collection is as bytes at least an eighth is memory */
    uint64_t max = space_collection_max(call->space);
    uint32_t group = call->command->group;

    if (!(call->command->flags & COMMAND_GROWS) || space_bytes(call->space) < max / SMALLEST ||
        (group != CATEGORY_LIST && group != CATEGORY_SET && group != CATEGORY_SORTEDSET &&
         group != CATEGORY_HASH) ||
        size_before(call) < max)
        return true;
    reply_errorf(call, "ERR a collection has at most %llu bytes", (unsigned long long)max);
    return false;
}

void command_run(struct call *call)
{
    must(call->command->run && command_fits(call->command, call->count));
    if (call->command->flags & COMMAND_WRITE) {
        space_clock(call->space, call->now_ms);
        if ((has_long_word(call) && !keys_fit(call)) || !may_grow(call))
            return;
    }
    call->command->run(call);
}

/* ---- what a row says ---- */

uint32_t command_categories(const struct command *command)
{
    uint32_t all = 1U << command->group, flags = command->flags;

    all |= flags & COMMAND_WRITE ? 1U << CATEGORY_WRITE : 0;
    all |= flags & COMMAND_READ && !(flags & COMMAND_WRITE) ? 1U << CATEGORY_READ : 0;
    all |= flags & COMMAND_ADMIN ? 1U << CATEGORY_ADMIN : 0;
    all |= flags & (COMMAND_DANGEROUS | COMMAND_ADMIN) ? 1U << CATEGORY_DANGEROUS : 0;
    all |= flags & COMMAND_PUBSUB ? 1U << CATEGORY_PUBSUB : 0;
    return all | (flags & COMMAND_FAST ? 1U << CATEGORY_FAST : 1U << CATEGORY_SLOW);
}

const char *command_category_name(enum command_category category)
{
    return category < CATEGORIES ? category_names[category] : NULL;
}

/* Keys that are counted: `first` is the place of their number; one more, the destination, may come before. */
static uint32_t counted_key(const struct command *command, const struct bytes *words,
                            uint32_t count, uint32_t n)
{
    uint32_t first = (uint32_t)command->first_key;
    int64_t keys;

    if (command->last_key > 0) {
        if (n == 0)
            return (uint32_t)command->last_key < count ? (uint32_t)command->last_key : 0;
        n--;
    }
    if (first >= count || !text_to_number(words[first], &keys) || (int64_t)n >= keys)
        return 0;
    return first + 1 + n < count ? first + 1 + n : 0;
}

uint32_t command_key(const struct command *command, const struct bytes *words, uint32_t count,
                     uint32_t n)
{
    int64_t at, last = command->last_key;

    if (command->flags & COMMAND_COUNTED)
        return counted_key(command, words, count, n);
    if (command->first_key == 0)
        return 0;
    if (last < 0)
        last += count;
    at = command->first_key + (int64_t)n * command->key_step;
    return at <= last && at < count ? (uint32_t)at : 0;
}

/* ---- docs ---- */

static void document_row(struct buf *out, const struct command *row)
{
    buf_add_string(out, "| `");
    for (const char *at = row->name; *at; at++)
        buf_add_byte(out, *at == '|' ? ' ' : (uint8_t)toupper((unsigned char)*at));
    if (*row->words)
        buf_add_byte(out, ' ');
    for (const char *at = row->words; *at; at++) {
        if (*at == '|')
            buf_add_byte(out, '\\');
        buf_add_byte(out, (uint8_t)*at);
    }
    buf_print(out, "` | %s |\n", row->help);
}

void command_document(struct buf *out)
{
    const struct command *row;

    for (int group = 0; group < CATEGORIES; group++) {
        bool any = false;

        for (uint32_t i = 0; (row = command_at(i)); i++) {
            if ((int)row->group != group || row->flags & (COMMAND_INTERNAL | COMMAND_CONTAINER))
                continue;
            if (!any)
                buf_print(out, "\n### %s\n\n| command | what it does |\n|---|---|\n",
                          category_names[group]);
            any = true;
            document_row(out, row);
        }
    }
    buf_add_byte(out, '\n');
}
