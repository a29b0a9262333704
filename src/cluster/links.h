/*
 * cluster/links: who hears whom, from the rows that all members put into their beats.
 *
 * Row i says what member i hears. What nobody has said lately is unknown, and unknown is never a finding. Two members are connected when
 * one of them hears the other and neither says that it does not.
 */
#pragma once

#include "base/instant.h"
#include "cluster/limits.h"

enum links_hearing { LINKS_UNKNOWN, LINKS_HEARS, LINKS_DEAF };

/* What the row's member says of one peer, as carried in a beat. */
struct links_cell {
    uint32_t member;
    uint32_t ago_ms; /* since it last heard it, as of sending; UINT32_MAX: never */
    bool suspected;
};

struct links_row {
    struct life from;
    uint32_t count;
    struct links_cell cells[CLUSTER_NODES_MAX];
};

struct links_member {
    uint32_t id;
    bool votes;
};

struct links_known {
    struct links_member member;
    uint64_t incarnation;
    uint64_t beat;                    /* number of the beat that brought the row */
    struct instant told;              /* when; {0} and incarnation 0: never */
    uint8_t hears[CLUSTER_NODES_MAX]; /* enum links_hearing, by the place of the peer */
    uint32_t ago_ms[CLUSTER_NODES_MAX];
    bool cut_off; /* as last reported */
};

struct links {
    uint32_t self;
    int64_t stale_ns;
    uint32_t count;
    struct links_known known[CLUSTER_NODES_MAX]; /* by rising id */
    struct instant
        seems[CLUSTER_NODES_MAX]
             [CLUSTER_NODES_MAX]; /* i hears j and j does not hear i, since; NEVER: it is not so */
    uint16_t one_way
        [CLUSTER_NODES_MAX]; /* bit j of i: as last reported, i hears j and j does not hear i */
    bool quorum;             /* as last reported */
};

enum links_finding_kind {
    LINKS_ONE_WAY,     /* `a` hears `b`, `b` does not hear `a` */
    LINKS_NOT_ONE_WAY, /* that is over (both hear, neither does, or nobody knows) */
    LINKS_CUT_OFF,     /* `a` is connected to no majority of the voters */
    LINKS_REJOINED,    /* it is again */
    LINKS_QUORUM_LOST, /* no component of which this node knows has a majority of the voters */
    LINKS_QUORUM_SEEN,
};

struct links_finding {
    uint8_t kind;
    uint32_t a, b; /* 0 where the kind has none */
};

enum { LINKS_FINDINGS_MAX = CLUSTER_NODES_MAX * CLUSTER_NODES_MAX + 1 };

struct links_findings {
    uint32_t count;
    struct links_finding findings[LINKS_FINDINGS_MAX];
};

/* A row counts for `stale_ns` after it came, and what holds one way for that long is found: who returns is heard by one sooner than by another, and
 * rows of before and after meet. Begins without members; quorum is taken as seen. */
void links_init(struct links *links, uint32_t self, int64_t stale_ns);
/* The members as they are now, at most CLUSTER_NODES_MAX, in any order; what is known of those that stay is kept. */
void links_set_members(struct links *links, const struct links_member *members, uint32_t count);
/* A row came with beat number `beat` of that incarnation (the own one too). False: it is older than what is known, or of nobody known. */
bool links_merge(struct links *links, const struct links_row *row, uint64_t beat,
                 struct instant now);
/* What has changed since the last call. */
void links_judge(struct links *links, struct instant now, struct links_findings *out);

/* ---- what it knows, as of `now`; members by id ---- */
enum links_hearing links_hears(const struct links *links, uint32_t who, uint32_t whom,
                               struct instant now);
/* The members connected to `member`, itself included, directly or through others: ids into `out` (CLUSTER_NODES_MAX), their number. */
uint32_t links_component(const struct links *links, uint32_t member, struct instant now,
                         uint32_t *out);
/* Does the component of `member` hold a majority of the voters? */
bool links_sees_quorum(const struct links *links, uint32_t member, struct instant now);
