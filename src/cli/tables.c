/*
 * The commands that speak to a running nines, and those that need none.
 */
#include "cli/cli.h"
#include "cli/load.h"

#include <stdio.h>

static int run_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("nines " NINES_VERSION);
    return 0;
}

const struct command cli_commands[] = {
    {"load", load_usage, run_load, "Sends requests on a schedule, and measures the answers."},
    {"version", "", run_version, "Prints the version of this program."},
    {0},
};
