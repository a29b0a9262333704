/*
 * Reads the words of the commands that talk to a running nines.
 */
#include "cli/cli.h"
#include "cli/client.h"

#include <stdio.h>
#include <string.h>

bool (*cli_socket_of)(const char *file, char *path, size_t cap, struct err *err);

static bool is_taken(const char *const *flags, const char *word)
{
    for (; flags && *flags; flags++)
        if (strcmp(*flags, word) == 0)
            return true;
    return false;
}

static bool take_flag(struct client_options *options, const char *word, const char *const *flags,
                      struct err *err)
{
    if (!is_taken(flags, word))
        return err_set(err, ERR_USAGE, "unknown option '%s'", word);
    options->json = options->json || strcmp(word, "--json") == 0;
    options->all = options->all || strcmp(word, "--all") == 0;
    return true;
}

static bool take_place(struct client_options *options, const char *word, const char *value,
                       struct err *err)
{
    if (!value)
        return err_set(err, ERR_USAGE, "%s needs a value", word);
    if (strcmp(word, "-c") == 0 && cli_socket_of)
        return cli_socket_of(value, options->socket, sizeof options->socket, err);
    if ((size_t)snprintf(options->socket, sizeof options->socket, "%s", value) >=
        sizeof options->socket)
        return err_set(err, ERR_USAGE, "the path of the socket is too long: '%s'", value);
    return true;
}

static bool is_place(const char *word)
{
    return strcmp(word, "-c") == 0 || strcmp(word, "--socket") == 0;
}

bool client_parse(struct client_options *options, int argc, char **argv, uint32_t wanted,
                  const char *const *flags, struct err *err)
{
    *options = (struct client_options){.socket = CLI_SOCKET};
    for (int i = 1; i < argc; i++) {
        if (is_place(argv[i])) {
            if (!take_place(options, argv[i], i + 1 < argc ? argv[i + 1] : NULL, err))
                return false;
            i++;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            if (!take_flag(options, argv[i], flags, err))
                return false;
        } else if (options->word_count < wanted) {
            options->words[options->word_count++] = argv[i];
        } else {
            return err_set(err, ERR_USAGE, "'%s' is one word too many", argv[i]);
        }
    }
    if (options->word_count < wanted)
        return err_set(err, ERR_USAGE, "%u words are needed, %u were given", wanted,
                       options->word_count);
    return true;
}
