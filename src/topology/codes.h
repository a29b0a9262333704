/*
 * Everything that can happen to a cluster, by stable code: `N-1101` means the same in every version. One row of codes.c per code says
 * how bad it is, what it means and what a person should do; `nines explain` prints the rows. A code is never given another meaning.
 *
 * Hundreds are areas: 10 nodes and agents, 11 consensus, 12 leases, 13 links, 14 disks and logs, 15 configuration and document, 16 clocks, 17 security,
 * 18 virtual addresses, 20 groups.
 */
#pragma once

#include "base/bytes.h"

enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL, SEVERITIES };

enum fact_code {
    FACT_AGENT_STARTED = 1001,
    FACT_AGENT_STOPPED = 1002,
    FACT_AGENT_WAS_KILLED = 1003,
    FACT_NODE_JOINED = 1004,
    FACT_NODE_LEFT = 1005,
    FACT_NODE_ADDED = 1006,
    FACT_NODE_REMOVED = 1007,
    FACT_NODE_PROMOTED = 1008,
    FACT_NODE_DEMOTED = 1009,
    FACT_NODE_SUSPECTED = 1010,
    FACT_NODE_CLEARED = 1011,
    FACT_NODE_DIED = 1012,
    FACT_NODE_REPLACED = 1014,
    FACT_CLUSTER_FOUNDED = 1015,
    FACT_FOUNDING_WAITS = 1016,
    FACT_CLUSTER_RECOVERED = 1017,

    FACT_LEADER_ELECTED = 1101,
    FACT_LEADER_STEPPED_DOWN = 1102,
    FACT_QUORUM_LOST = 1105,
    FACT_QUORUM_REGAINED = 1106,
    FACT_SNAPSHOT_MADE = 1107,
    FACT_SNAPSHOT_INSTALLED = 1108,
    FACT_SNAPSHOT_FAILED = 1109,

    FACT_LEASE_TAKEN = 1201,
    FACT_LEASE_LOST = 1202,
    FACT_LEASE_RELEASED = 1203,
    FACT_LEASE_DROPPED = 1205,
    FACT_LEASE_MOVED = 1206,

    FACT_LINK_UP = 1301,
    FACT_LINK_DOWN = 1302,
    FACT_LINK_ASYMMETRIC = 1305,
    FACT_LINK_SYMMETRIC = 1306,

    FACT_DISK_FULL = 1401,
    FACT_DISK_OK = 1402,
    FACT_DISK_FAILED = 1403,
    FACT_FACTS_LOST = 1408,
    FACT_FACTS_LEFT_OUT = 1410,

    FACT_CONFIGURATION_DIFFERS = 1501,
    FACT_CONFIGURATION_AGREES = 1502,
    FACT_DOCUMENT_DIFFERS = 1503,
    FACT_LEVEL_RAISED = 1504,
    FACT_VERSION_TOO_OLD = 1505,

    FACT_CLOCK_TILTED = 1601,
    FACT_CLOCK_STEADY = 1602,

    FACT_STRANGER_REFUSED = 1701,
    FACT_CLUSTER_FOREIGN = 1704,
    FACT_CERTIFICATE_EXPIRES = 1706,
    FACT_CERTIFICATE_RENEWED = 1707,

    FACT_ADDRESS_TAKEN = 1801,
    FACT_ADDRESS_WITHDRAWN = 1802,
    FACT_ADDRESS_MOVED = 1803,
    FACT_ADDRESS_NOT_ADDED = 1804,

    FACT_GROUP_CREATED = 2001,
    FACT_FAILOVER_BEGAN = 2002,
    FACT_FAILOVER_DONE = 2003,
    FACT_FAILOVER_STRANDED = 2004,
    FACT_FAILOVER_UNCLEAN = 2005,
    FACT_CANDIDATE_FAILED = 2006,
    FACT_SWITCHOVER_DONE = 2007,
    FACT_SWITCHOVER_FAILED = 2008,
    FACT_FAILOVER_PAUSED = 2009,
    FACT_FAILOVER_RESUMED = 2010,
    FACT_FAILOVER_DRY_RUN = 2011,
    FACT_PRIMARY_FLAPPING = 2012,
    FACT_MODE_CHANGED = 2013,
    FACT_ENGINE_DIED = 2021,
    FACT_ENGINE_STUCK = 2022,
    FACT_ENGINE_BACK = 2023,
    FACT_ENGINE_GIVEN_UP = 2024,
    FACT_PRIMARY_FENCED = 2025,
    FACT_MEMBER_DIVERGED = 2026,
    FACT_MEMBER_COPIED = 2027,
    FACT_GROUP_DEGRADED = 2028,
    FACT_GROUP_HEALED = 2029,
    FACT_MEMBER_IN_SYNC = 2030,
    FACT_MEMBER_OUT_OF_SYNC = 2031,
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
