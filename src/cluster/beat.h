/*
 * cluster/beat: what every node says to every other once per heartbeat.
 *
 * Fields are (tag, length, bytes) with rising tags, as in commands: a newer minor's fields are skipped.
 */
#pragma once

#include "cluster/found.h"
#include "cluster/links.h"

struct beat_request {
    uint8_t slot;
    uint64_t epoch;
};

struct beat_grant {
    uint8_t slot;
    uint64_t epoch, request;
};

struct beat {
    struct life from; /* member 0 while blank */
    uint64_t number;  /* counts up within the incarnation */
    struct found_word word;
    uint64_t clock_ms;    /* hybrid logical time: wall milliseconds … */
    uint32_t clock_count; /* … and the counter */
    uint64_t term;
    uint32_t leader;             /* as far as it knows; 0: nobody */
    bool tilted, leading, ready; /* ready: it serves */
    uint64_t config_hash;
    uint64_t applied, applied_hash; /* of the document */
    uint16_t level_max;             /* highest level of the document that it understands */
    struct links_row row;           /* row.from is `from` */
    /* Lease requests, all under one number; 0: none. */
    uint64_t request;
    uint32_t request_count;
    struct beat_request requests[CLUSTER_LEASES_MAX];
    /* What the sender, as the leader, grants to this receiver. */
    uint32_t grant_count;
    struct beat_grant grants[CLUSTER_LEASES_MAX];
    uint32_t lease_ms; /* how long at most; a grant that does not say so is none */
    /* Proofs: members' lives by which the sender was reset and is refused (voters' reports), newest known state. */
    uint32_t refused_count;
    struct life refused[CLUSTER_NODES_MAX];
};

/* At most CLUSTER_BEAT_MAX bytes. */
void beat_encode(struct buf *out, const struct beat *beat);
/* The whole of `bytes`; counts are within their bounds, slots below CLUSTER_LEASES_MAX, each member and slot at most once. */
MUST_USE bool beat_decode(struct bytes bytes, struct beat *beat);
