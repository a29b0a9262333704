/*
 * nines: the one binary. Words become a command or a role; nothing else happens here.
 */
#include "cli/cli.h"
#include "process/process.h"
#include "role/command.h"
#include "role/role.h"
#include "role/store.h"

#include <stdio.h>
#include <string.h>

enum { HELP_MAX = 64 << 10, EXIT_USAGE = 2 };

static int run_help(int argc, char **argv);
static int run_role(int argc, char **argv);

static const struct command main_commands[] = {
    {"run", "-c FILE [--node NAME]", role_supervisor,
     "Serves what the file describes, until TERM or INT; HUP reads the file again."},
    {"help", "[COMMAND]", run_help, "Prints the commands, those of a noun, or one of them."},
    {"role", "NAME", run_role, NULL},
    {0},
};

static const struct command *const tables[] = {main_commands, role_commands, cert_commands,
                                               cli_commands, NULL};

static int unknown(int argc, char **argv)
{
    const char *near = command_nearest(tables, argc, argv);
    struct buf text;

    buf_init(&text, HELP_MAX);
    command_list(tables, argv[0], &text);
    if (text.len) {
        fprintf(stderr, "nines %s needs a second word:\n", argv[0]);
        buf_write(&text, stderr);
    } else if (near) {
        fprintf(stderr, "nines: unknown command '%s'; did you mean '%s'?\n", argv[0], near);
    } else {
        fprintf(stderr, "nines: unknown command '%s'; `nines help` lists them\n", argv[0]);
    }
    buf_fini(&text);
    return EXIT_USAGE;
}

/* `nines help node`: what can be done with nodes. */
static bool help_on_noun(const char *noun)
{
    struct buf text;
    bool known;

    buf_init(&text, HELP_MAX);
    command_list(tables, noun, &text);
    known = text.len > 0;
    if (known) {
        printf("usage: nines %s COMMAND\n\n", noun);
        buf_write(&text, stdout);
        printf("\n`nines %s COMMAND --help` says more about one.\n", noun);
    }
    buf_fini(&text);
    return known;
}

static int run_help(int argc, char **argv)
{
    const struct command *command = NULL;
    struct buf text;
    int used;

    if (argc > 1) {
        command = command_find(tables, argc - 1, argv + 1, &used);
        if (!command && argc == 2 && help_on_noun(argv[1]))
            return 0;
        if (!command)
            return unknown(argc - 1, argv + 1);
    }
    buf_init(&text, HELP_MAX);
    if (command) {
        command_help(command, &text);
    } else {
        buf_add_string(&text, "usage: nines COMMAND\n\n");
        command_list(tables, NULL, &text);
        buf_add_string(&text, "\n`nines COMMAND --help` says more about one.\n");
    }
    buf_write(&text, stdout);
    buf_fini(&text);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} roles[] = {
    {"worker", role_worker},
    {"agent", role_agent},
    {"monitor", role_monitor},
    {"reader", role_reader},
};

static int run_role(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "store") == 0)
        return role_store(argv[2]);
    for (size_t i = 0; argc == 2 && i < ARRAY_LEN(roles); i++)
        if (strcmp(argv[1], roles[i].name) == 0)
            return roles[i].run();
    fprintf(stderr, "nines role: roles are executed by `nines run`\n");
    return EXIT_USAGE;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    static char version[] = "version", name[64];
    const struct command *command;
    int used = 0;

    process_title_begin(argc, argv);
    cli_socket_of = config_socket;
    if (argc < 2) {
        run_help(1, argv);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0)
        argv[1] = version;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return run_help(1, argv);
    command = command_find(tables, argc - 1, argv + 1, &used);
    if (!command && argc == 3 && asks_for_help(1, argv + 2))
        return run_help(2, argv);
    if (!command)
        return unknown(argc - 1, argv + 1);
    if (asks_for_help(argc - 1 - used, argv + 1 + used))
        return run_help(1 + used, argv);
    /* Sentences about its words begin with the whole of its name. */
    snprintf(name, sizeof name, "%s", command->name);
    argv[used] = name;
    return command->run(argc - used, argv + used);
}
