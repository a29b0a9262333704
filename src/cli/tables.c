/*
 * The commands that speak to a running nines, and those that need none.
 */
#include "cli/cli.h"
#include "cli/load.h"
#include "cli/operate.h"

#include <stdio.h>

static int run_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("nines " NINES_VERSION);
    return 0;
}

const struct command cli_commands[] = {
    {"status", "[--json] [--all] [-c FILE | --socket PATH]", run_status,
     "Does it serve, and would it after one more failure? Then the figures."},
    {"top", "[-c FILE | --socket PATH]", run_top, "The figures, live; q quits."},
    {"drain", "POOL BACKEND [--json] [-c FILE | --socket PATH]", run_drain,
     "Gives a backend no new work, until undrain; what is under way goes on."},
    {"undrain", "POOL BACKEND [--json] [-c FILE | --socket PATH]", run_undrain,
     "Takes a drain back."},
    {"reload", "[--json] [-c FILE | --socket PATH]", run_reload,
     "Puts the changed configuration file in force, or says why not."},
    {"load", load_usage, run_load, "Sends requests on a schedule, and measures the answers."},
    {"version", "", run_version, "Prints the version of this program."},
    {0},
};
