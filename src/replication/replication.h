/*
 * replication: who follows whom, the in-sync set, and the modes, the same for every engine. Pure.
 *
 * replica.h  one member brings its engine to what the document says
 * in_sync.h  the primary's books: who has what, who counts, when to degrade
 *
 * Modes (docs/failover.md has the table): sync, every member of the in-sync set has it; semi-sync, `acks` secondaries have it, degrading visibly after
 * `degrade_after`; async, the primary has it. How truly an engine keeps its mode is the engine's business: the manual of each says it.
 */
#pragma once

#include "replication/replica.h"
#include "schema/schema.h"

struct replication_member {
    struct item item; /* its name is the node's */
    struct ref
        endpoint;     /* of its data service; left out: the node's address and the group's port */
    int64_t priority; /* 0: never primary */
};

/* A group's section, but for the engine's rows. */
struct replication_config {
    struct item item; /* its name is the group's */
    int64_t port;
    struct ref
        members;  /* items: struct replication_member; left out: every node that is no witness */
    int32_t mode; /* enum group_mode */
    int64_t acks, min_in_sync;
    int64_t degrade_after_ms; /* INT64_MAX: never */
    int64_t max_lag_bytes;
    int64_t lag_ms;
    bool unclean, durable;
    int64_t unclean_after_ms;
};

extern const struct option replication_options[]; /* rows of a group, for OPTION_INCLUDE */
