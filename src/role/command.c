#include "role/command.h"

#include <stdio.h>
#include <string.h>

enum { NAME_WIDTH = 18, NAMES_MAX = 64 };

/* How many of the words spell the name: 0 when they do not. */
static int words_spelling(const char *name, int argc, char **argv)
{
    const char *space = strchr(name, ' ');
    size_t first = space ? (size_t)(space - name) : strlen(name);

    if (argc < 1 || strlen(argv[0]) != first || memcmp(argv[0], name, first) != 0)
        return 0;
    if (!space)
        return 1;
    return argc > 1 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

const struct command *command_find(const struct command *const *tables, int argc, char **argv,
                                   int *used)
{
    for (; *tables; tables++) {
        for (const struct command *row = *tables; row->name; row++) {
            *used = words_spelling(row->name, argc, argv);
            if (*used > 0)
                return row;
        }
    }
    return NULL;
}

const char *command_nearest(const struct command *const *tables, int argc, char **argv)
{
    const char *names[NAMES_MAX + 1] = {0};
    char two[128];
    uint32_t count = 0;
    const char *near;

    for (; *tables; tables++)
        for (const struct command *row = *tables; row->name && count < NAMES_MAX; row++)
            if (row->help)
                names[count++] = row->name;
    if (argc > 1 && argv[1][0] != '-') {
        snprintf(two, sizeof two, "%s %s", argv[0], argv[1]);
        near = schema_nearest(two, names);
        if (near)
            return near;
    }
    return argc > 0 ? schema_nearest(argv[0], names) : NULL;
}

static bool begins_with_word(const char *name, const char *word)
{
    size_t len = strlen(word);

    return strncmp(name, word, len) == 0 && (name[len] == ' ' || name[len] == '\0');
}

void command_list(const struct command *const *tables, const char *prefix, struct buf *out)
{
    for (; *tables; tables++)
        for (const struct command *row = *tables; row->name; row++)
            if (row->help && (!prefix || begins_with_word(row->name, prefix)))
                buf_print(out, "  %-*s %s\n", NAME_WIDTH, row->name, row->help);
}

void command_help(const struct command *command, struct buf *out)
{
    buf_print(out, "usage: nines %s%s%s\n\n%s\n", command->name, command->usage[0] ? " " : "",
              command->usage, command->help ? command->help : "");
}
