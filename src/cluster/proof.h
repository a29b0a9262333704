/*
 * cluster/proof: when a member's incarnation is known to be dead, and not merely silent.
 *
 * Two things prove it: its own node saw its process exit; or two distinct voters, within a window, were reset on an open link to it and are
 * refused by its port. Silence proves nothing, and neither does a reset alone. A beat of that incarnation that comes after a report voids all reports about it.
 *
 * A proof is about one (member, incarnation); of a member only the newest incarnation that was reported is kept.
 */
#pragma once

#include "base/instant.h"
#include "cluster/limits.h"

enum { PROOF_REPORTERS_MAX = CLUSTER_VOTERS_MAX, PROOF_REPORTERS_NEEDED = 2 };

enum proof_kind {
    PROOF_REFUSED, /* the reporter was reset on an open link, and then refused by the port */
    PROOF_EXITED,  /* the reporter is the same member: its node saw the process exit */
};

/* What one reporter saw of a node that was reset: it listens at several addresses, and one may refuse while it lives behind another. */
struct proof_refusals {
    struct instant at[CLUSTER_PATHS_MAX]; /* by address, the newest; {0}: none */
};

struct proof_report {
    enum proof_kind kind;
    uint32_t reporter;
    bool votes; /* the reporter is a voter (the driver knows); others are not counted */
    struct life about;
};

struct proof_subject {
    struct life life; /* member 0: the place is free */
    bool exited;
    uint32_t count;
    struct {
        uint32_t reporter;
        struct instant at;
    } reports[PROOF_REPORTERS_MAX];
};

struct proof {
    int64_t window_ns;
    struct proof_subject subjects[CLUSTER_NODES_MAX];
};

/* Did each of so many addresses refuse within the window before `now`? A node may begin to listen again at any time, so what was seen is not seen for ever. */
bool proof_refused_by_all(const struct proof *proof, const struct proof_refusals *refusals,
                          uint32_t paths, struct instant now);

void proof_init(struct proof *proof, int64_t window_ns);
/* True when this report made the proof complete. The newest report of a reporter counts. */
bool proof_report(struct proof *proof, const struct proof_report *report, struct instant now);
/* A beat of that life came: what was reported about it is void. Of a later incarnation: nothing about the earlier changes. */
void proof_beat(struct proof *proof, struct life life);
/* The member is gone from the cluster. */
void proof_forget(struct proof *proof, uint32_t member);
bool proof_dead(const struct proof *proof, struct life life, struct instant now);
