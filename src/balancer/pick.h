/*
 * balancer/pick: which backend of a pool gets the next request, or connection. Pure.
 *
 * What it knows of a backend lies in a table by scoreboard slot, so that it outlives a reload. A backend is asked for work only
 * when it is neither drained nor down nor without weight nor address, and was not tried before by the same request, as long
 * as there is any such. Then primary ones come before backup ones, and those that refused connections a moment ago come last.
 */
#pragma once

#include "balancer/balancer.h"

/* What is known of one backend. Zeroed at first; `key` from pick_key. */
struct pick_state {
    uint64_t key; /* names it to ip-hash */
    struct instant quarantined_until;
    uint32_t failures; /* connect failures in a row */
    uint32_t active;   /* requests and TCP sessions, of all workers where the driver knows them */
    int32_t current;   /* of smooth weighted round-robin */
    bool down;         /* its verdict */
    bool draining;     /* by an operator */
    bool unresolved;   /* it has no address yet */
};

enum { PICK_TRIED_WORDS = BACKENDS_MAX / 64 };

struct pick_tried {
    uint64_t bits[PICK_TRIED_WORDS]; /* by place in the pool */
};

static inline void pick_mark(struct pick_tried *tried, uint32_t backend)
{
    tried->bits[backend / 64] |= UINT64_C(1) << (backend % 64);
}

static inline bool pick_marked(const struct pick_tried *tried, uint32_t backend)
{
    return tried->bits[backend / 64] >> (backend % 64) & 1;
}

struct pick {
    enum balancer_algorithm algorithm;
    const struct balancer_backend *backends;
    uint32_t count;
    struct pick_state *states; /* by slot */
    struct instant now;
    uint64_t client; /* hash of the client's IP address, from pick_client; for ip-hash */
    const struct pick_tried *tried; /* NULL: none */
    uint32_t
        only; /* bits of the places that may be asked at all, in a pool of at most 32; 0: each */
};

#define PICK_NONE UINT32_MAX

/* Place of the chosen backend in the pool; PICK_NONE when none may be asked. */
uint32_t pick_backend(const struct pick *pick);
/* True while a backend that was not tried could be picked. */
bool pick_untried(const struct pick *pick);

/* A connection could not be made: it is asked last for a while, 250 ms doubling to 5 s. */
void pick_refused(struct pick_state *state, struct instant now);
void pick_connected(struct pick_state *state);

uint64_t pick_key(struct bytes endpoint);
uint64_t pick_client(const struct address *client); /* the port does not matter */
