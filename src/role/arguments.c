#include "role/arguments.h"

#include <stdio.h>
#include <string.h>

/* `--node NAME` and `--node=NAME`. False: this word is another option. *value is NULL when it is missing. */
static bool takes(const char *option, int argc, char **argv, int *at, const char **value)
{
    size_t len = strlen(option);

    if (strncmp(argv[*at], option, len) != 0)
        return false;
    if (argv[*at][len] == '=') {
        *value = argv[*at] + len + 1;
        return true;
    }
    if (argv[*at][len] != '\0')
        return false;
    *value = *at + 1 < argc ? argv[++*at] : NULL;
    return true;
}

static bool wrong(const char *command, const char *what, const char *word)
{
    fprintf(stderr, "nines %s: %s '%s'; `nines %s --help` says more\n", command, what, word,
            command);
    return false;
}

static const struct {
    unsigned allowed;
    const char *option;
    size_t value; /* where in struct arguments */
} valued[] = {
    {ARGUMENT_FILE, "-c", offsetof(struct arguments, file)},
    {ARGUMENT_FILE, "--config", offsetof(struct arguments, file)},
    {ARGUMENT_NODE, "--node", offsetof(struct arguments, node)},
    {ARGUMENT_OUT, "--out", offsetof(struct arguments, out)},
    {ARGUMENT_AUTHORITY, "--authority", offsetof(struct arguments, authority)},
    {ARGUMENT_DAYS, "--days", offsetof(struct arguments, days)},
};

/* Where the value of an option that has one went; NULL for another word. */
static const char **take_valued(struct arguments *arguments, unsigned allowed, int argc,
                                char **argv, int *at)
{
    for (size_t i = 0; i < ARRAY_LEN(valued); i++) {
        const char **value = (const char **)(void *)((char *)arguments + valued[i].value);

        if ((allowed & valued[i].allowed) && takes(valued[i].option, argc, argv, at, value))
            return value;
    }
    return NULL;
}

static bool take_word(struct arguments *arguments, unsigned allowed, int argc, char **argv, int *at)
{
    const char *word = argv[*at];
    const char **value = take_valued(arguments, allowed, argc, argv, at);

    if (value)
        return (*value && **value) || wrong(argv[0], "a value must follow", word);
    if ((allowed & ARGUMENT_DEFAULTS) && strcmp(word, "--defaults") == 0)
        arguments->defaults = true;
    else if ((allowed & ARGUMENT_OFFLINE) && strcmp(word, "--no-resolve") == 0)
        arguments->offline = true;
    else if ((allowed & ARGUMENT_JSON) && strcmp(word, "--json") == 0)
        arguments->json = true;
    else if ((allowed & ARGUMENT_OPERAND) && word[0] != '-' && !arguments->operand)
        arguments->operand = word;
    else
        return wrong(argv[0], "does not know", word);
    return true;
}

bool arguments_parse(struct arguments *arguments, unsigned allowed, int argc, char **argv)
{
    *arguments = (struct arguments){0};
    for (int i = 1; i < argc; i++)
        if (!take_word(arguments, allowed, argc, argv, &i))
            return false;
    if ((allowed & ARGUMENT_FILE) && !arguments->file)
        return wrong(argv[0], "needs", "-c FILE");
    return true;
}
