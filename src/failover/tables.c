/*
 * Describes the room: the keys of the file's `failover` section that are this room's.
 */
#include "failover/failover.h"

#include <stddef.h>

#define FIELD(member) offsetof(struct failover_config, member)

static const struct option delay_options[] = {
    {"process", OPTION_DURATION, FIELD(delay_process_ms), 0, 3600000, "0s", AT_RELOAD, 0,
     "How long a primary whose process ended is given to come back itself, before another member is"
     " chosen."},
    {"stuck", OPTION_DURATION, FIELD(delay_stuck_ms), 0, 3600000, "0s", AT_RELOAD, 0,
     "Likewise, when its data service is there and answers nothing."},
    {"node", OPTION_DURATION, FIELD(delay_node_ms), 0, 3600000, "0s", AT_RELOAD, 0,
     "How long a primary whose node is proved dead is given before it is replaced."},
    {"silence", OPTION_DURATION, FIELD(delay_silence_ms), 0, 3600000, "0s", AT_RELOAD, 0,
     "How long a primary whose node is silent is given before it is replaced."},
    {0},
};

const struct option failover_options[] = {
    {"timeout", OPTION_DURATION, FIELD(timeout_ms), 100, 3600000, "10s", AT_RELOAD, 0,
     "Each phase of a failover or switchover must be over within; else the next member is tried, or"
     " the switchover is given up."},
    {"delay", OPTION_SECTION, 0, 0, 0, NULL, AT_RELOAD, 0,
     "How long a failed primary is given to recover, by what failed.", .rows = delay_options},
    {"flaps", OPTION_NUMBER, FIELD(flaps), 0, 32, "3", AT_RELOAD, 0,
     "A member that lost the primacy so many times within `flap_window` is chosen last; 0: never."},
    {"flap_window", OPTION_DURATION, FIELD(flap_window_ms), 1000, 604800000, "10m", AT_RELOAD, 0,
     "The window of `flaps`."},
    {"dry_run", OPTION_DURATION, FIELD(dry_run_ms), 0, 2592000000, "1h", AT_RELOAD, 0,
     "How often the timeline is told what a failover would do now; 0s: never."},
    {0},
};
