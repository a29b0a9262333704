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
    const struct {
        const char *flag;
        bool *truth;
    } rows[] = {
        {"--json", &options->json},       {"--all", &options->all},
        {"--links", &options->links},     {"--yes-i-accept-loss", &options->accept_loss},
        {"--dry-run", &options->dry_run},
    };

    if (!is_taken(flags, word))
        return err_set(err, ERR_USAGE, "unknown option '%s'", word);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(word, rows[i].flag) == 0)
            *rows[i].truth = true;
    return true;
}

/* `--timeout 5s` and `--timeout=5s`. False: this word is no option with its value. */
static bool take_value(struct client_options *options, int argc, char **argv, int *at,
                       const char *const *flags)
{
    const struct {
        const char *flag;
        const char **value;
    } rows[] = {
        {"--timeout=", &options->timeout},
        {"--to=", &options->to},
        {"--at=", &options->at},
        {"--for=", &options->lasting},
    };
    const char *word = argv[*at];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t len = strlen(rows[i].flag) - 1;

        if (!is_taken(flags, rows[i].flag) || strncmp(word, rows[i].flag, len) != 0)
            continue;
        if (word[len] == '=') {
            *rows[i].value = word + len + 1;
            return true;
        }
        if (word[len] == '\0' && *at + 1 < argc) {
            *rows[i].value = argv[++*at];
            return true;
        }
    }
    return false;
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
    return client_parse_some(options, argc, argv, (struct client_operands){wanted, wanted}, flags,
                             err);
}

bool client_parse_some(struct client_options *options, int argc, char **argv,
                       struct client_operands operands, const char *const *flags, struct err *err)
{
    *options = (struct client_options){.socket = CLI_SOCKET};
    for (int i = 1; i < argc; i++) {
        if (is_place(argv[i])) {
            if (!take_place(options, argv[i], i + 1 < argc ? argv[i + 1] : NULL, err))
                return false;
            i++;
        } else if (take_value(options, argc, argv, &i, flags)) {
            continue;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            if (!take_flag(options, argv[i], flags, err))
                return false;
        } else if (options->word_count < operands.most) {
            options->words[options->word_count++] = argv[i];
        } else {
            return err_set(err, ERR_USAGE, "'%s' is one word too many", argv[i]);
        }
    }
    if (options->word_count < operands.least)
        return err_set(err, ERR_USAGE, "%u %s needed, %u %s given", operands.least,
                       operands.least == 1 ? "word is" : "words are", options->word_count,
                       options->word_count == 1 ? "was" : "were");
    return true;
}

void client_add_segment(struct buf *out, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *text; text++) {
        uint8_t byte = (uint8_t)*text, letter = byte | 0x20;

        if ((letter >= 'a' && letter <= 'z') || (byte >= '0' && byte <= '9') ||
            strchr("-._~:", byte)) {
            buf_add_byte(out, byte);
        } else {
            buf_add_byte(out, '%');
            buf_add_byte(out, (uint8_t)digits[byte >> 4]);
            buf_add_byte(out, (uint8_t)digits[byte & 15]);
        }
    }
}
