/*
 * cluster/detector: how suspicious the silence of a peer is.
 *
 * Phi-accrual failure detection (Hayashibara, Defago, Yared, Katayama: "The phi accrual failure detector", SRDS 2004) in its normal form:
 * phi(t) = -log10 P(the next beat comes later than t), with the mean and the standard deviation of the intervals seen, the tail of the normal
 * distribution by its logistic approximation: y = (t - mean) / deviation, e = exp(-y (1.5976 + 0.070566 y^2)), P = e / (1 + e). It is
 * computed as a logarithm, so no silence is long enough to underflow.
 *
 * The threshold is the phi of a regular peer that was silent for `beats` heartbeats (2.5 at least, so one lost beat never convicts). A node
 * whose own timers are late trusts its judgement less: each late timer raises a score, each punctual one lowers it, and the threshold is that
 * of beats x (1 + score) (local health multiplier: Dadgar, Phillips, Currey: "Lifeguard", DSN 2018).
 *
 * A suspicion moves nothing by itself. Any clock that never goes backwards will do; the interval that follows a suspicion teaches nothing.
 */
#pragma once

#include "base/instant.h"
#include "cluster/limits.h"

enum { DETECTOR_WINDOW = 200, DETECTOR_SCORE_MAX = 4 };

struct detector_rules {
    int64_t heartbeat_ns;
    uint32_t beats; /* of silence until a regular peer is suspected; from 1 */
};

struct detector_peer {
    struct life life; /* member 0: the place is free */
    struct instant last;
    bool suspected;
    bool skip;                       /* the interval that ends with the next beat teaches nothing */
    uint16_t count, next;            /* of the window */
    int32_t window[DETECTOR_WINDOW]; /* intervals less the heartbeat, microseconds */
    int64_t sum, squares;            /* of the window, exact */
};

struct detector {
    struct detector_rules rules;
    uint32_t score; /* how late the own timers were of late: 0 to DETECTOR_SCORE_MAX */
    struct detector_peer peers[CLUSTER_NODES_MAX];
};

struct detector_change {
    struct life life;
    bool suspected;    /* else alive again, or a new incarnation of a suspected one */
    double phi;        /* at the moment of the change; 0 when alive */
    int64_t silent_ns; /* how long nothing was heard of it */
};

struct detector_changes {
    uint32_t count;
    struct detector_change changes[CLUSTER_NODES_MAX]; /* at most one of a peer in one call */
};

void detector_init(struct detector *detector, const struct detector_rules *rules);
/* A peer to watch, as if it had just been heard. Known already: nothing. */
void detector_watch(struct detector *detector, uint32_t member, struct instant now);
void detector_forget(struct detector *detector, uint32_t member);
/* A beat came. An older incarnation is ignored, a newer one begins a new history; a member that is not watched is ignored. */
void detector_heard(struct detector *detector, struct life life, struct instant now,
                    struct detector_changes *out);
/* Suspects whoever was silent for too long. */
void detector_step(struct detector *detector, struct instant now, struct detector_changes *out);
/* When detector_step has something to say, if nothing is heard before. NEVER: nobody is watched that is not suspected. */
struct instant detector_next_deadline(const struct detector *detector);
/* The own beat timer fired this late (0: on time). To be told once per own heartbeat. */
void detector_own_timer(struct detector *detector, int64_t late_ns);
/* This node itself was stopped (pause, suspend, tilt) until now: nobody's silence so far counts, and it teaches nothing. */
void detector_pardon(struct detector *detector, struct instant now);

/* 0: not watched */
double detector_phi(const struct detector *detector, uint32_t member, struct instant now);
double detector_threshold(const struct detector *detector); /* with the score */
bool detector_suspects(const struct detector *detector, uint32_t member);
/* NULL: not watched */
const struct detector_peer *detector_peer_of(const struct detector *detector, uint32_t member);
/* phi of a silence, by mean and deviation (> 0); all in one unit. For tests and displays. */
double detector_phi_of(double silence, double mean, double deviation);
