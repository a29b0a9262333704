/*
 * The commands that speak to a running nines, and those that need none.
 */
#include "cli/cli.h"
#include "cli/events.h"
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
    {"status", "[--json] [--all] [--links] [-c FILE | --socket PATH]", run_status,
     "Does it serve, and would it after one more failure? Then the figures."},
    {"top", "[-c FILE | --socket PATH]", run_top, "The figures, live; q quits."},
    {"drain", "POOL BACKEND [--json] [-c FILE | --socket PATH]", run_drain,
     "Gives a backend no new work, until undrain; what is under way goes on."},
    {"undrain", "POOL BACKEND [--json] [-c FILE | --socket PATH]", run_undrain,
     "Takes a drain back."},
    {"reload", "[--json] [-c FILE | --socket PATH]", run_reload,
     "Puts the changed configuration file in force, or says why not."},
    {"events",
     "[--follow] [--since TIME] [--node NODE] [--code CODE] [--severity SEVERITY] [--limit N] "
     "[--json] [-c FILE | --socket PATH]",
     run_events, "What happened, on all nodes, in order; --follow goes on as it happens."},
    {"explain", "[CODE] [--json]", run_explain,
     "What an event's code means and what to do about it; without one, lists them all."},
    {"node list", "[--json] [-c FILE | --socket PATH]", run_node_list,
     "Lists the nodes: role, state, when they were last heard."},
    {"node add", "NAME [--timeout DURATION] [--json] [-c FILE | --socket PATH]", run_node_add,
     "Makes a node that every file names, and that runs, a member of the cluster."},
    {"node remove", "NAME [--timeout DURATION] [--json] [-c FILE | --socket PATH]", run_node_remove,
     "Takes a member out of the cluster."},
    {"node recover", "[--yes-i-accept-loss] [--json] [-c FILE | --socket PATH]", run_node_recover,
     "Makes this node alone the cluster, when the others are lost for good."},
    {"leader transfer", "[NODE] [--timeout DURATION] [--json] [-c FILE | --socket PATH]",
     run_leader_transfer, "Moves the leadership to a node, or to whoever is furthest."},
    {"lease list", "[--json] [-c FILE | --socket PATH]", run_lease_list,
     "Lists the leases and who holds them."},
    {"lease take", "NAME [--timeout DURATION] [--json] [-c FILE | --socket PATH]", run_lease_take,
     "Takes a lease for this node, which holds it until it is released or cannot renew it."},
    {"lease release", "NAME [--timeout DURATION] [--json] [-c FILE | --socket PATH]",
     run_lease_release, "Releases a lease of this node."},
    {"address list", "[--json] [-c FILE | --socket PATH]", run_address_list,
     "Lists the virtual addresses, who has each, and why this node would not."},
    {"address move", "NAME [--to NODE] [--timeout DURATION] [--json] [-c FILE | --socket PATH]",
     run_address_move, "Moves a virtual address to a node, or to the next best."},
    {"override list", "[--json] [-c FILE | --socket PATH]", run_override_list,
     "Lists what operators set for the whole cluster."},
    {"override set", "KEY VALUE [--timeout DURATION] [--json] [-c FILE | --socket PATH]",
     run_override_set, "Sets a value for the whole cluster."},
    {"override clear", "KEY [--timeout DURATION] [--json] [-c FILE | --socket PATH]",
     run_override_clear, "Takes an override back."},
    {"group list", "[--json] [-c FILE | --socket PATH]", run_group_list,
     "Lists the groups: their members, who is the primary, who would be next and why others would "
     "not."},
    {"switchover",
     "GROUP [--to NODE] [--at TIME] [--dry-run] [--timeout DURATION] [--json] [-c FILE | --socket "
     "PATH]",
     run_switchover, "Moves a group's primary to another member, losing nothing."},
    {"failover",
     "GROUP [--to NODE] [--dry-run] [--yes-i-accept-loss] [--timeout DURATION] [--json] [-c FILE | "
     "--socket PATH]",
     run_failover, "Replaces a group's primary, well or not; says first what could be lost."},
    {"failovers", "[--json] [-c FILE | --socket PATH]", run_failovers,
     "Lists what failovers and switchovers took, phase by phase, and what they cost clients."},
    {"pause", "[GROUP] [--for DURATION] [--timeout DURATION] [--json] [-c FILE | --socket PATH]",
     run_pause,
     "Stops automatic failover, of one group or all, until `resume` or the time is over."},
    {"resume", "[GROUP] [--timeout DURATION] [--json] [-c FILE | --socket PATH]", run_resume,
     "Takes a pause back."},
    {"load", load_usage, run_load, "Sends requests on a schedule, and measures the answers."},
    {"version", "", run_version, "Prints the version of this program."},
    {0},
};
