/*
 * What the pure files of the room have in common: its limits.
 */
#pragma once

#include "topology/group.h"

enum {
    CLUSTER_NODES_MAX = 16, /* members, learners included; and nodes of a file */
    CLUSTER_VOTERS_MAX = 7, /* witnesses included */
    CLUSTER_PATHS_MAX = 4,  /* addresses of a node */
    CLUSTER_GROUPS_MAX = 64,
    CLUSTER_LEASES_MAX = 64, /* groups' included */
    CLUSTER_MARKS_MAX = 64,  /* drains; and as many maintenances */
    CLUSTER_OVERRIDES_MAX = 256,
    CLUSTER_NAME_MAX = 64,      /* of a node, cluster, group, zone; NUL included, here and below */
    CLUSTER_RESOURCE_MAX = 128, /* of a lease's resource, and of what is drained or maintained */
    CLUSTER_KEY_MAX = 65,       /* of an override */
    CLUSTER_VALUE_MAX = 257,
    CLUSTER_SENTENCE_MAX = 256,
    CLUSTER_COMMAND_MAX = 4096, /* bytes */
    CLUSTER_SNAPSHOT_MAX = 1 << 20,
    CLUSTER_BEAT_MAX = 8192,
};

_Static_assert((int)CLUSTER_NODES_MAX == (int)GROUP_MEMBERS_MAX &&
                   (int)CLUSTER_NAME_MAX == (int)GROUP_NAME_MAX,
               "a set of lives holds all members");
