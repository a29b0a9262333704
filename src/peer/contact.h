/*
 * What a link to one peer decides: whether and when it is called, by which of its addresses, when a silence is too long, and which of two
 * connections counts. Pure: it holds no connection and reads no clock; chance comes from the caller's generator.
 *
 * Of a pair the one with the smaller name calls. The other waits; after a reset or a cut it knocks: it asks the peer's addresses whether
 * anybody listens there, because a port that refuses after a reset proves that the process is gone.
 *
 * It never has two calls under way at once, and never calls more often than the pauses allow, but for the first try of each address after a loss.
 */
#pragma once

#include "base/instant.h"
#include "base/must.h"
#include "base/rng.h"
#include "peer/peer.h"

struct contact_timing {
    int64_t silence_ms, retry_ms, retry_max_ms;
};

struct contact {
    struct contact_timing timing;
    bool calls;   /* ours is the smaller name */
    bool up;      /* a connection counts */
    bool moving;  /* the connection that counts should be replaced */
    bool handing; /* and is being: the new one is there */
    bool knocks;  /* no call, only the question whether anybody listens */
    bool busy;    /* a call or knock is under way */
    uint32_t paths, path;
    uint32_t failures;      /* of calls, since it was up */
    uint32_t flaps;         /* times in a row that it was up for a moment only */
    struct instant next;    /* call, knock: NEVER when nothing is to be done */
    struct instant came_up; /* or NEVER */
    struct instant heard;   /* while up */
    bool spared;            /* a silence was not believed, and nothing came since */
    struct instant ping;    /* while up: when the next is due */
};

struct contact_orders {
    bool call;  /* contact->path; contact_failed or contact_greeted follows */
    bool knock; /* contact->path; contact_failed or contact_knocked follows */
    bool ping;
    bool silent; /* the connection that counts is dead: contact_lost follows */
};

enum contact_verdict {
    CONTACT_COMES_UP,   /* the only connection there is */
    CONTACT_HANDS_OVER, /* beside one that is up: what is under way there goes on first */
    CONTACT_REPLACES,   /* the one that is up is dead, as the other end knows better */
};

void contact_init(struct contact *contact, const struct contact_timing *timing, bool calls);
/* The peer has so many addresses; they may have changed. */
void contact_place(struct contact *contact, uint32_t paths, struct instant now);
void contact_tick(struct contact *contact, struct instant now, struct contact_orders *out);
struct instant contact_next_deadline(const struct contact *contact);
/* The call or knock under way came to nothing. */
void contact_failed(struct contact *contact, struct instant now, struct rng *rng);
/* The call under way was given up, which says nothing of its address. contact_lost follows. */
void contact_gave_up(struct contact *contact);
/* The knock was answered: somebody listens, and will call. Until it has, it is knocked again: who dies process by process listens a moment longer. */
void contact_knocked(struct contact *contact, struct instant now, struct rng *rng);
/* A new connection has proved itself; `called`: it was the call under way. `continues`: the other end also has one that is up,
 * and wants to move. When it REPLACES, contact_lost follows and then contact_came_up; when it HANDS_OVER, contact_moved or contact_lost. */
enum contact_verdict contact_greeted(struct contact *contact, bool called, bool continues);
/* The new connection counts from now on, alone. */
void contact_came_up(struct contact *contact, struct instant now);
void contact_moved(struct contact *contact, struct instant now);
void contact_heard(struct contact *contact, struct instant now);
void contact_lost(struct contact *contact, enum peer_why why, struct instant now, struct rng *rng);
/* Certificates were renewed: a new connection should take over. */
void contact_move(struct contact *contact, struct instant now);
