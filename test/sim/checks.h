/*
 * What must hold of consensus after every step, whatever happens: the invariants of Raft's paper (figure 3), that durable means durable, and that state
 * machines agree. They look at the cores themselves, and at a ledger of all that ever was elected, committed and applied in this run.
 */
#pragma once

#include "world.h"

struct raft;
struct sim;

/* What is known of a term. 0: nothing yet. */
struct term_record {
    uint32_t leader;        /* member id */
    uint64_t first, before; /* where its entries begin, and the term of the entry before them */
    uint32_t
        voted_for[SIM_HOSTS_MAX]; /* by the host that voted: member whose candidacy counted it */
};

struct index_record {
    uint64_t term;    /* of the committed entry */
    uint64_t by_term; /* in which it was first seen committed */
    uint64_t hash;    /* of the state after it; 0: not seen */
};

/* A host as it was after its last step. */
struct checked_host {
    bool present, leads;
    uint32_t member;
    uint64_t term, commit, applied, last, last_term;
    uint64_t durable_term, stored, stored_term, config_index;
    uint32_t durable_vote;
    int64_t heard_majority; /* by sim_host_awake, while it leads */
};

struct checks {
    struct checked_host host[SIM_HOSTS_MAX];
    struct term_record *terms;
    uint64_t terms_cap;
    struct index_record *indexes;
    uint64_t indexes_cap, committed;
    /* A leader that must stay: nothing that happens in this run is a reason for a change. */
    bool steady;
    uint32_t steady_host;
    uint64_t steady_term;
    uint64_t elections;
};

void checks_init(struct checks *checks);
void checks_fini(struct checks *checks);
/* This host has just done something. */
void checks_step(struct sim *sim, uint32_t host);
/* Its disk was replaced: nothing that it promised counts any more. */
void checks_forget(struct checks *checks, uint32_t host);
/* From now on the present leader, if there is one, must stay. */
void checks_steady(struct sim *sim);
