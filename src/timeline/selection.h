/*
 * Takes from one node's timeline what a request wants. Pure: facts are offered in the order of the timeline, all of them; what was taken is
 * kept encoded, within the bounds of a reply.
 *
 * A place is found while passing: what was taken before it is dropped again. A place whose origin never comes by is older than all there
 * is, and everything counts as after it.
 */
#pragma once

#include "timeline/exchange.h"

struct selection {
    struct exchange_request request;
    struct buf taken;
    size_t begin; /* of `taken`: before it lie newest facts that had to go */
    uint32_t count;
    struct place scanned;
    uint64_t last; /* sequence of the last fact that was offered */
    bool more;
    bool found; /* the place was passed, or there is none */
};

void selection_init(struct selection *selection, const struct exchange_request *request);
void selection_fini(struct selection *selection);
/* A fact whose sequence does not rise was offered before (it was written twice) and is passed over. */
void selection_offer(struct selection *selection, const struct fact *fact);
/* An origin begins here. */
void selection_begin_origin(struct selection *selection, uint64_t origin);
/* Fills in what it knows: facts (borrowed), count, scanned, more. False: there was no memory for them. */
MUST_USE bool selection_finish(struct selection *selection, struct exchange_reply *reply);
