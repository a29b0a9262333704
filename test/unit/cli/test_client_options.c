#include "cli/cli.h"
#include "cli/client.h"
#include "unit.h"

#include <string.h>

static const char *const json_flag[] = {"--json", NULL};

static bool parse(struct client_options *options, uint32_t wanted, struct err *err, ...)
{
    char *argv[8] = {(char[]){"drain"}};
    int argc = 1;
    va_list words;

    va_start(words, err);
    while ((argv[argc] = va_arg(words, char *)))
        argc++;
    va_end(words);
    return client_parse(options, argc, argv, wanted, json_flag, err);
}

static bool socket_of(const char *file, char *path, size_t cap, struct err *err)
{
    if (strcmp(file, "bad.yaml") == 0)
        return err_set(err, ERR_CONFIG, "bad.yaml is bad");
    strncpy(path, "/tmp/x/nines.sock", cap);
    return true;
}

static void takes_words_and_options_in_any_order(void **state)
{
    struct client_options options;
    struct err err;

    (void)state;
    assert_true(parse(&options, 2, &err, "api", "--json", "10.0.0.1:80", NULL));
    assert_string_equal(options.words[0], "api");
    assert_string_equal(options.words[1], "10.0.0.1:80");
    assert_true(options.json);
    assert_string_equal(options.socket, "/run/nines/nines.sock");
    assert_true(parse(&options, 0, &err, "--socket", "/a/b", NULL));
    assert_string_equal(options.socket, "/a/b");
    assert_false(options.json);
}

static void asks_the_configuration_where_the_socket_is(void **state)
{
    struct client_options options;
    struct err err;

    (void)state;
    cli_socket_of = socket_of;
    assert_true(parse(&options, 0, &err, "-c", "good.yaml", NULL));
    assert_string_equal(options.socket, "/tmp/x/nines.sock");
    assert_false(parse(&options, 0, &err, "-c", "bad.yaml", NULL));
    assert_int_equal(err.kind, ERR_CONFIG);
}

static void says_what_is_wrong_with_the_words(void **state)
{
    struct client_options options;
    struct err err;
    char long_path[400];

    (void)state;
    assert_false(parse(&options, 2, &err, "api", NULL));
    assert_string_equal(err.text, "2 words are needed, 1 was given");
    assert_false(parse(&options, 1, &err, NULL));
    assert_string_equal(err.text, "1 word is needed, 0 were given");
    assert_false(parse(&options, 0, &err, "api", NULL));
    assert_string_equal(err.text, "'api' is one word too many");
    assert_false(parse(&options, 0, &err, "--colour", NULL));
    assert_string_equal(err.text, "unknown option '--colour'");
    assert_false(parse(&options, 0, &err, "--socket", NULL));
    assert_string_equal(err.text, "--socket needs a value");
    memset(long_path, 'a', sizeof long_path);
    long_path[sizeof long_path - 1] = 0;
    assert_false(parse(&options, 0, &err, "--socket", long_path, NULL));
    assert_int_equal(err.kind, ERR_USAGE);
}

/* `line` is cut into its words, and lives as long as the options. */
static bool parse_order(struct client_options *options, char *line)
{
    static const char *const flags[] = {"--json", "--timeout=", "--links", NULL};
    char *argv[8] = {line};
    struct err err;
    int argc = 0;

    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    return client_parse_some(options, argc, argv, (struct client_operands){0, 1}, flags, &err);
}

static void takes_a_value_in_both_forms_and_operands_that_may_be_missing(void **state)
{
    char apart[] = "transfer b --timeout 2s --links", together[] = "transfer --timeout=3s";
    char missing[] = "transfer --timeout", unknown[] = "transfer --timeouts=3s";
    char many[] = "transfer a b";
    struct client_options options;

    (void)state;
    assert_true(parse_order(&options, apart));
    assert_string_equal(options.timeout, "2s");
    assert_int_equal(options.word_count, 1);
    assert_true(options.links);
    assert_true(parse_order(&options, together));
    assert_string_equal(options.timeout, "3s");
    assert_int_equal(options.word_count, 0);
    assert_false(parse_order(&options, missing));
    assert_false(parse_order(&options, unknown));
    assert_false(parse_order(&options, many));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_words_and_options_in_any_order),
        cmocka_unit_test(asks_the_configuration_where_the_socket_is),
        cmocka_unit_test(takes_a_value_in_both_forms_and_operands_that_may_be_missing),
        cmocka_unit_test(says_what_is_wrong_with_the_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
