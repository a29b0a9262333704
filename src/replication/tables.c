/*
 * Describes the room: a group's options of replication, whatever its engine.
 */
#include "replication/replication.h"

#include <stddef.h>

#define FIELD(member) offsetof(struct replication_config, member)
#define OF_MEMBER(member) offsetof(struct replication_member, member)

/* In the order of enum group_mode. */
static const char *const modes[] = {"sync", "semi-sync", "async", NULL};

static const struct option member_options[] = {
    {"endpoint", OPTION_ENDPOINT, OF_MEMBER(endpoint), 1, 255, NULL, AT_RELOAD, 0,
     "Where this member's data service listens; the node's address and the group's port when left "
     "out."},
    {"priority", OPTION_NUMBER, OF_MEMBER(priority), 0, 100, "1", AT_RELOAD, 0,
     "Of members that are equally advanced, the one with the highest becomes primary; 0 is never "
     "primary."},
    {0},
};

const struct option replication_options[] = {
    {"port", OPTION_NUMBER, FIELD(port), 0, 65535, "0", AT_RELOAD, 0,
     "The port of the data service on every member's node; 0 when each member has an `endpoint`."},
    {"members", OPTION_MAP, FIELD(members), 0, GROUP_MEMBERS_MAX, NULL, AT_RELOAD, 0,
     "The nodes that hold the data; all nodes that are no witness when left out.",
     .rows = member_options, .item_size = sizeof(struct replication_member)},
    {"mode", OPTION_CHOICE, FIELD(mode), 0, 0, "semi-sync", AT_RELOAD, 0,
     "When a write is acknowledged: `sync`, every member of the in-sync set has it; `semi-sync`, "
     "`acks` secondaries have it; `async`, the primary has it.",
     .choices = modes},
    {"acks", OPTION_NUMBER, FIELD(acks), 1, GROUP_MEMBERS_MAX - 1, "1", AT_RELOAD, 0,
     "In mode semi-sync, so many secondaries have a write before it is acknowledged."},
    {"min_in_sync", OPTION_NUMBER, FIELD(min_in_sync), 1, GROUP_MEMBERS_MAX, "1", AT_RELOAD, 0,
     "In mode sync, no write is acknowledged while fewer members are in sync, the primary "
     "included."},
    {"degrade_after", OPTION_DURATION, FIELD(degrade_after_ms), 100, INT64_MAX, "2s", AT_RELOAD, 0,
     "In mode semi-sync, after so long with too few secondaries the primary goes on with fewer "
     "acknowledgements, and says so; what it then takes can be lost with it. `never` lets writes "
     "wait."},
    {"max_lag", OPTION_SIZE, FIELD(max_lag_bytes), 0, INT64_MAX, "16MiB", AT_RELOAD, 0,
     "In mode async, a secondary that is further behind than this is not in sync."},
    {"lag_time", OPTION_DURATION, FIELD(lag_ms), 100, 3600000, "5s", AT_RELOAD, 0,
     "A secondary that has not been caught up for so long leaves the in-sync set; in mode sync, "
     "writes wait that long for one that is lost."},
    {"durable", OPTION_BOOL, FIELD(durable), 0, 0, "true", AT_RELOAD, 0,
     "The data service acknowledges a write only when it is on disk, so that a primary that "
     "crashed still has all that it acknowledged; with `false` it has to follow another first."},
    {"unclean", OPTION_BOOL, FIELD(unclean), 0, 0, "false", AT_RELOAD, 0,
     "When nobody is left who is known to have every acknowledged write, the most advanced of "
     "those who answer becomes primary, and what it lacks is lost."},
    {"unclean_after", OPTION_DURATION, FIELD(unclean_after_ms), 0, 86400000, "30s", AT_RELOAD, 0,
     "With `unclean`, so long is waited for those who have everything."},
    {0},
};
