/*
 * COMMAND: the command table, told.
 */
#include "store/session_parts.h"

#include "store/glob.h"

#include <stdio.h>

static bool is_shown(const struct command *row)
{
    return !(row->flags & COMMAND_INTERNAL) && !strchr(row->name, '|');
}

static uint64_t count_shown(void)
{
    const struct command *row;
    uint64_t count = 0;

    for (uint32_t i = 0; (row = command_at(i)); i++)
        count += is_shown(row);
    return count;
}

static void tell_flags(struct call *call, const struct command *row)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {{COMMAND_WRITE, "write"},      {COMMAND_READ, "readonly"},
                 {COMMAND_GROWS, "denyoom"},    {COMMAND_ADMIN, "admin"},
                 {COMMAND_PUBSUB, "pubsub"},    {COMMAND_FAST, "fast"},
                 {COMMAND_NO_EXEC, "no_multi"}, {COMMAND_COUNTED, "movablekeys"}};
    uint32_t flags = row->flags & COMMAND_WRITE ? row->flags & ~(uint32_t)COMMAND_READ : row->flags;
    uint64_t count = 0;

    for (int round = 0; round < 2; round++) {
        if (round == 1)
            reply_set(call, count);
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            if (!(flags & names[i].flag))
                continue;
            count++;
            if (round == 1)
                reply_simple(call, names[i].name);
        }
    }
}

static void tell_categories(struct call *call, const struct command *row)
{
    uint32_t all = command_categories(row);
    char text[64];

    reply_set(call, (uint64_t)__builtin_popcount(all));
    for (uint32_t i = 0; i < CATEGORIES; i++) {
        if (!(all >> i & 1))
            continue;
        snprintf(text, sizeof text, "@%s", command_category_name((enum command_category)i));
        reply_simple(call, text);
    }
}

static bool is_below(const struct command *row, const struct command *parent)
{
    size_t len = strlen(parent->name);

    return strncmp(row->name, parent->name, len) == 0 && row->name[len] == '|';
}

/* A row without what is below it, which is told by the caller. */
static void tell_row(struct call *call, const struct command *row)
{
    reply_array(call, 10);
    reply_string(call, row->name);
    reply_number(call, row->arity);
    tell_flags(call, row);
    reply_number(call, row->flags & COMMAND_COUNTED ? 0 : row->first_key);
    reply_number(call, row->flags & COMMAND_COUNTED ? 0 : row->last_key);
    reply_number(call, row->flags & COMMAND_COUNTED ? 0 : row->key_step);
    tell_categories(call, row);
    reply_array(call, 0); /* tips */
    reply_array(call, 0); /* specifications of keys */
}

static void tell_command(struct call *call, const struct command *row)
{
    const struct command *below;
    uint64_t count = 0;

    if (!row) {
        reply_null_array(call);
        return;
    }
    tell_row(call, row);
    for (uint32_t i = 0; (below = command_at(i)); i++)
        count += is_below(below, row);
    reply_array(call, count);
    for (uint32_t i = 0; (below = command_at(i)); i++)
        if (is_below(below, row)) {
            tell_row(call, below);
            reply_array(call, 0);
        }
}

/* `get`, or `client|list`. */
static const struct command *named(struct bytes name)
{
    const struct command *row;

    for (uint32_t i = 0; (row = command_at(i)); i++)
        if (!(row->flags & COMMAND_INTERNAL) &&
            bytes_equal_nocase(name, bytes_of_string(row->name)))
            return row;
    return NULL;
}

enum step handle_command(struct desk *desk, struct session *session, struct call *call)
{
    const struct command *row;
    char text[64];

    if (call->count > 1) {
        snprintf(text, sizeof text, "command|%.*s",
                 (int)(call->words[1].len < 40 ? call->words[1].len : 40),
                 (const char *)call->words[1].at);
        row = named(bytes_of_string(text));
        if (row && command_fits(row, call->count)) {
            call->command = row;
            return session_handler_of(row)(desk, session, call);
        }
        if (row)
            reply_errorf(call, "ERR wrong number of arguments for '%s' command", row->name);
        else
            reply_errorf(call, "ERR unknown subcommand '%.*s'. Try COMMAND HELP.",
                         (int)(call->words[1].len < 64 ? call->words[1].len : 64),
                         (const char *)call->words[1].at);
        return STEP_DONE;
    }
    reply_array(call, count_shown());
    for (uint32_t i = 0; (row = command_at(i)); i++)
        if (is_shown(row))
            tell_command(call, row);
    return STEP_DONE;
}

enum step handle_command_count(struct desk *desk, struct session *session, struct call *call)
{
    (void)desk;
    (void)session;
    reply_number(call, (int64_t)count_shown());
    return STEP_DONE;
}

enum step handle_command_info(struct desk *desk, struct session *session, struct call *call)
{
    (void)desk;
    (void)session;
    if (call->count == 2) {
        const struct command *row;

        reply_array(call, count_shown());
        for (uint32_t i = 0; (row = command_at(i)); i++)
            if (is_shown(row))
                tell_command(call, row);
        return STEP_DONE;
    }
    reply_array(call, call->count - 2);
    for (uint32_t i = 2; i < call->count; i++)
        tell_command(call, named(call->words[i]));
    return STEP_DONE;
}

static void tell_docs(struct call *call, const struct command *row)
{
    reply_string(call, row->name);
    reply_map(call, 3);
    reply_string(call, "summary");
    reply_string(call, row->help);
    reply_string(call, "since");
    reply_string(call, "1.0.0");
    reply_string(call, "group");
    reply_string(call, command_category_name((enum command_category)row->group));
}

enum step handle_command_docs(struct desk *desk, struct session *session, struct call *call)
{
    const struct command *row;
    uint64_t count = 0;

    (void)desk;
    (void)session;
    if (call->count == 2) {
        reply_map(call, count_shown());
        for (uint32_t i = 0; (row = command_at(i)); i++)
            if (is_shown(row))
                tell_docs(call, row);
        return STEP_DONE;
    }
    for (uint32_t i = 2; i < call->count; i++)
        count += named(call->words[i]) != NULL;
    reply_map(call, count);
    for (uint32_t i = 2; i < call->count; i++)
        if ((row = named(call->words[i])))
            tell_docs(call, row);
    return STEP_DONE;
}

enum step handle_command_getkeys(struct desk *desk, struct session *session, struct call *call)
{
    const struct bytes *words = call->words + 2;
    uint32_t count = call->count - 2, keys = 0;
    const struct command *row = command_named(words, count);

    (void)desk;
    (void)session;
    if (!row) {
        reply_error(call, "ERR Invalid command specified");
        return STEP_DONE;
    }
    if (!command_fits(row, count)) {
        reply_error(call, "ERR Invalid number of arguments specified for command");
        return STEP_DONE;
    }
    while (command_key(row, words, count, keys) > 0)
        keys++;
    if (keys == 0) {
        reply_error(call, "ERR The command has no key arguments");
        return STEP_DONE;
    }
    reply_array(call, keys);
    for (uint32_t n = 0; n < keys; n++)
        reply_bulk(call, words[command_key(row, words, count, n)]);
    return STEP_DONE;
}

static bool meets(const struct command *row, const struct call *call)
{
    struct bytes value = call->words[call->count - 1];

    if (!is_shown(row))
        return false;
    if (call->count == 2)
        return true;
    if (call_is(call, 3, "pattern"))
        return glob_matches(value, bytes_of_string(row->name));
    for (uint32_t i = 0; call_is(call, 3, "aclcat") && i < CATEGORIES; i++)
        if (bytes_equal_nocase(value,
                               bytes_of_string(command_category_name((enum command_category)i))))
            return command_categories(row) >> i & 1;
    return false;
}

enum step handle_command_list(struct desk *desk, struct session *session, struct call *call)
{
    const struct command *row;
    uint64_t count = 0;

    (void)desk;
    (void)session;
    if (call->count != 2 && !(call->count == 5 && call_is(call, 2, "filterby") &&
                              (call_is(call, 3, "aclcat") || call_is(call, 3, "pattern") ||
                               call_is(call, 3, "module")))) {
        reply_syntax(call);
        return STEP_DONE;
    }
    for (uint32_t i = 0; (row = command_at(i)); i++)
        count += meets(row, call);
    reply_array(call, count);
    for (uint32_t i = 0; (row = command_at(i)); i++)
        if (meets(row, call))
            reply_string(call, row->name);
    return STEP_DONE;
}
