/*
 * Words of the command line: which command they mean, and which options they are.
 */
#include "role/arguments.h"
#include "role/command.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static int run_nothing(int argc, char **argv)
{
    (void)argv;
    return argc;
}

static const struct command one[] = {
    {"run", "-c FILE", run_nothing, "Serves."},
    {"config show", "-c FILE", run_nothing, "Prints."},
    {"config explain", "[KEY]", run_nothing, "Explains."},
    {0},
};
static const struct command two[] = {
    {"role", "NAME", run_nothing, NULL},
    {"status", "", run_nothing, "Tells."},
    {0},
};
static const struct command *const tables[] = {one, two, NULL};

/* A command line, as main gets it. */
struct words {
    char text[128];
    char *at[16];
    int count;
};

static struct words *say(const char *line)
{
    static struct words words;

    words.count = 0;
    snprintf(words.text, sizeof words.text, "%s", line);
    for (char *word = strtok(words.text, " "); word; word = strtok(NULL, " "))
        words.at[words.count++] = word;
    words.at[words.count] = NULL;
    return &words;
}

static const char *found(const char *line, int *used)
{
    struct words *words = say(line);
    const struct command *command = command_find(tables, words->count, words->at, used);

    return command ? command->name : "none";
}

static const char *nearest(const char *line)
{
    struct words *words = say(line);

    return command_nearest(tables, words->count, words->at);
}

static void one_word_or_two_name_a_command(void **state)
{
    int used;

    (void)state;
    assert_string_equal(found("run -c x", &used), "run");
    assert_int_equal(used, 1);
    assert_string_equal(found("config show", &used), "config show");
    assert_int_equal(used, 2);
    assert_string_equal(found("status", &used), "status");
    assert_string_equal(found("config", &used), "none");
    assert_string_equal(found("config shown", &used), "none");
    assert_string_equal(found("ru", &used), "none");
    assert_string_equal(found("", &used), "none");
}

static void a_slip_names_the_nearest_command_but_never_a_hidden_one(void **state)
{
    (void)state;
    assert_string_equal(nearest("rnu"), "run");
    assert_string_equal(nearest("statsu"), "status");
    assert_string_equal(nearest("config shwo"), "config show");
    assert_null(nearest("role"));
    assert_null(nearest("entirely"));
}

static void the_list_leaves_out_what_is_hidden(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 4096);
    command_list(tables, NULL, &text);
    buf_add_byte(&text, 0);
    assert_non_null(strstr((char *)text.at, "status"));
    assert_null(strstr((char *)text.at, "role"));
    buf_clear(&text);
    command_list(tables, "config", &text);
    buf_add_byte(&text, 0);
    assert_non_null(strstr((char *)text.at, "config explain"));
    assert_null(strstr((char *)text.at, "run"));
    buf_fini(&text);
}

static bool parses(struct arguments *arguments, unsigned allowed, const char *line)
{
    struct words *words = say(line);

    return arguments_parse(arguments, allowed, words->count, words->at);
}

static void options_come_in_any_order_and_with_either_spelling(void **state)
{
    const unsigned all = ARGUMENT_FILE | ARGUMENT_NODE | ARGUMENT_DEFAULTS | ARGUMENT_OPERAND;
    struct arguments got;

    (void)state;
    assert_true(parses(&got, all, "x --node a -c f"));
    assert_string_equal(got.node, "a");
    assert_string_equal(got.file, "f");
    assert_false(got.defaults);
    assert_true(parses(&got, all, "x key --config=f --defaults --node=b"));
    assert_string_equal(got.operand, "key");
    assert_string_equal(got.file, "f");
    assert_string_equal(got.node, "b");
    assert_true(got.defaults);
}

static void what_is_not_understood_is_refused(void **state)
{
    struct arguments got;

    (void)state;
    assert_false(parses(&got, ARGUMENT_FILE, "x"));
    assert_false(parses(&got, ARGUMENT_FILE, "x -c"));
    assert_false(parses(&got, ARGUMENT_FILE, "x --config="));
    assert_false(parses(&got, ARGUMENT_FILE, "x -c f --node"));
    assert_false(parses(&got, ARGUMENT_FILE, "x -c f word"));
    assert_false(parses(&got, ARGUMENT_OPERAND, "x one two"));
    assert_false(parses(&got, 0, "x --verbose"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_word_or_two_name_a_command),
        cmocka_unit_test(a_slip_names_the_nearest_command_but_never_a_hidden_one),
        cmocka_unit_test(the_list_leaves_out_what_is_hidden),
        cmocka_unit_test(options_come_in_any_order_and_with_either_spelling),
        cmocka_unit_test(what_is_not_understood_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
