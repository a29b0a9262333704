/*
 * Everything that can happen to a cluster, by stable code: `N-1101` means the same in every version. One row of codes.c per code says
 * how bad it is, what it means and what a person should do; `nines explain` prints the rows. A code is never given another meaning.
 *
 * Hundreds are areas: 10 nodes and agents, 11 consensus, 12 leases, 13 links, 14 disks and logs, 15 configuration and document, 16 clocks, 17 security.
 */
#pragma once

#include "base/bytes.h"

enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL, SEVERITIES };

enum fact_code {
    FACT_AGENT_STARTED = 1001,
    FACT_AGENT_STOPPED,
    FACT_AGENT_WAS_KILLED,
    FACT_NODE_JOINED,
    FACT_NODE_LEFT,
    FACT_NODE_ADDED,
    FACT_NODE_REMOVED,
    FACT_NODE_PROMOTED,
    FACT_NODE_DEMOTED,
    FACT_NODE_SUSPECTED,
    FACT_NODE_CLEARED,
    FACT_NODE_DIED,
    FACT_NODE_BLANK,
    FACT_NODE_REPLACED,
    FACT_CLUSTER_FOUNDED,
    FACT_FOUNDING_WAITS,
    FACT_CLUSTER_RECOVERED,
    FACT_VERSIONS_DIFFER,
    FACT_MAINTENANCE_BEGAN,
    FACT_MAINTENANCE_ENDED,
    FACT_NODE_DRAINED,
    FACT_NODE_UNDRAINED,

    FACT_LEADER_ELECTED = 1101,
    FACT_LEADER_STEPPED_DOWN,
    FACT_LEADER_TRANSFERRED,
    FACT_TRANSFER_FAILED,
    FACT_QUORUM_LOST,
    FACT_QUORUM_REGAINED,
    FACT_SNAPSHOT_MADE,
    FACT_SNAPSHOT_INSTALLED,
    FACT_SNAPSHOT_FAILED,

    FACT_LEASE_TAKEN = 1201,
    FACT_LEASE_LOST,
    FACT_LEASE_RELEASED,
    FACT_LEASE_EXPIRED,
    FACT_LEASE_DROPPED,
    FACT_LEASE_MOVED,

    FACT_LINK_UP = 1301,
    FACT_LINK_DOWN,
    FACT_LINK_PATH_CHANGED,
    FACT_LINK_PATH_LOST,
    FACT_LINK_ASYMMETRIC,
    FACT_LINK_SYMMETRIC,
    FACT_LINK_SLOW,

    FACT_DISK_FULL = 1401,
    FACT_DISK_OK,
    FACT_DISK_FAILED,
    FACT_DISK_SLOW,
    FACT_LOG_RECOVERED,
    FACT_LOG_TORN,
    FACT_LOG_DAMAGED,
    FACT_FACTS_LOST,
    FACT_TIMELINE_TORN,
    FACT_FACTS_LEFT_OUT,

    FACT_CONFIGURATION_DIFFERS = 1501,
    FACT_CONFIGURATION_AGREES,
    FACT_DOCUMENT_DIFFERS,
    FACT_GROUP_CHANGED,

    FACT_CLOCK_TILTED = 1601,
    FACT_CLOCK_STEADY,
    FACT_CLOCK_APART,

    FACT_STRANGER_REFUSED = 1701,
    FACT_CERTIFICATE_FOREIGN,
    FACT_CERTIFICATE_EXPIRED,
    FACT_CLUSTER_FOREIGN,
    FACT_VERSION_REFUSED,
    FACT_CERTIFICATE_EXPIRES,
    FACT_CERTIFICATE_RENEWED,
    FACT_FRAME_REFUSED,
};

enum { CODE_TEXT_MAX = 8 }; /* what code_print writes, NUL included: `N-65535` at most */

struct code_row {
    uint16_t code;
    enum severity severity;
    const char *name;    /* `leader-elected` */
    const char *meaning; /* one line, a sentence without a full stop */
    const char *advice;  /* what to do: a paragraph */
};

/* By rising code. */
extern const struct code_row codes[];
extern const size_t code_count;

const struct code_row *code_find(uint16_t code); /* NULL: a newer version's */
/* `N-1101`, `1101`, `n-1101` or `leader-elected`. NULL: there is none. */
const struct code_row *code_find_text(struct bytes text);
char *code_print(uint16_t code, char *text); /* returns text, which holds CODE_TEXT_MAX */
const char *severity_name(enum severity severity);
