/*
 * replication/in_sync: the primary's books: who has what, who counts, when to degrade. Pure.
 *
 * It is told what the engine says of its followers and what it was told to need, and advises one step at a time: ask the engine for other needs (PROMOTE
 * again), or propose another in-sync set. The order of the two keeps a successor complete:
 *
 *     sync        an acknowledgement has ALL that the engine needs, and any of the document's set may succeed. So whoever joins is needed by the engine
 *                 first, then has all that was acknowledged before, then stands in the document; who leaves, leaves the document first
 *     semi-sync   an acknowledgement has SOME of those that count, and the successor is chosen among enough of the document's set to meet one of
 *                 them. So whoever joins stands in the document first; who leaves stops counting first, and what it alone had is waited for
 *     degraded    is in the document before the engine needs less, and leaves it when enough have everything again
 *
 * Who leaves a sync set that is at `min_in_sync` or below becomes eligible: the engine goes on needing it, so nothing is acknowledged without it.
 */
#pragma once

#include "base/instant.h"
#include "replication/replica.h"

struct in_sync_follower {
    struct life life;
    bool attached;
    bool reached; /* it has had `mark` at some time, since this run of it is known */
    bool covered; /* it has all that was acknowledged before the engine's present needs */
    struct position position, mark;
    struct instant known; /* since when this run of it is known: older answers speak of another */
    struct instant mark_at;
    struct instant caught_up; /* it had all that there was then */
    uint64_t lag_bytes;
};

enum { IN_SYNC_MARKS = 16 };

struct in_sync {
    struct life self;
    uint64_t max_lag_bytes;
    int64_t lag_ms, degrade_ms;
    bool told; /* the engine confirmed `needs` */
    struct engine_needs needs;
    struct position barrier; /* how far it was when it confirmed them */
    /* How far it was at times, the last `lag_ms` long: secondaries may be heard of seldom. */
    struct {
        struct instant at;
        struct position position;
    } marks[IN_SYNC_MARKS];
    uint32_t mark_count; /* ever kept */
    uint32_t count;
    struct in_sync_follower followers[GROUP_MEMBERS_MAX];
};

struct in_sync_advice {
    bool ask;
    struct engine_needs needs;
    bool propose;
    struct group_body body;
    enum replica_fact fact;
    uint32_t about;
    char sentence[GROUP_SENTENCE_MAX];
};

/* A primary begins: everybody who should follow gets `lag_ms` to appear. */
void in_sync_begin(struct in_sync *books, const struct replica_rules *rules, struct life self,
                   const struct life_set *lives, struct instant now);
/* Other rules, from now on. */
void in_sync_configure(struct in_sync *books, const struct replica_rules *rules);
/* Who runs now. What was known of an earlier run is forgotten. */
void in_sync_lives(struct in_sync *books, const struct life_set *lives, struct instant now);
/* The engine, asked at `asked`, says how far everybody is. */
void in_sync_heard(struct in_sync *books, const struct engine_status *status, struct instant asked,
                   const struct group_body *body, struct instant now);
/* The engine is asked for other needs: until it confirms them, nobody knows which ones it has. */
void in_sync_asked(struct in_sync *books);
/* The engine confirmed these needs, at this position. */
void in_sync_told(struct in_sync *books, const struct engine_needs *needs,
                  const struct engine_status *status);
/* What the engine is to need at first, as the document has it. `open` as below. */
void in_sync_first_needs(const struct group_body *body, const struct group_body *open,
                         struct life self, struct engine_needs *needs);
/* `open`: a proposal that may still come true; NULL: none, and one may be made. */
void in_sync_advise(const struct in_sync *books, const struct group_body *body,
                    const struct group_body *open, struct instant now,
                    struct in_sync_advice *advice);
/* Writes wait for no secondary: enough had everything within the last `within_ms`. */
bool in_sync_flows(const struct in_sync *books, int64_t within_ms, struct instant now);
/* The most advanced of the in-sync set that keeps up; 0: nobody. */
uint32_t in_sync_heir(const struct in_sync *books, const struct group_body *body,
                      struct instant now);
/* When time alone changes the advice; always after `now`. */
struct instant in_sync_next_deadline(const struct in_sync *books, const struct group_body *body,
                                     struct instant now);
