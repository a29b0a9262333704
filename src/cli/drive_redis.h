/*
 * One connection that speaks the Redis protocol to whichever host of several answers. It opens itself again whenever it ends, at the next
 * host, with a pause of a few milliseconds once all have been tried.
 *
 * It asks nothing by itself and never asks twice: what was under way when it broke is its owner's.
 */
#pragma once

#include "cli/drive_load.h"
#include "wire/resp.h"

struct redis;

struct redis_events {
    void (*opened)(struct redis *redis);
    /* A part of an answer; the item is good during the call. The owner may break the connection in it. */
    void (*heard)(struct redis *redis, const struct resp_item *item);
    /* It ended, or could not be opened. */
    void (*broke)(struct redis *redis, enum load_outcome why);
};

enum redis_phase { REDIS_SHUT, REDIS_CONNECTING, REDIS_OPEN, REDIS_CLOSING, REDIS_PAUSING };

struct redis {
    const struct redis_events *events;
    struct load_driver *driver;
    uint32_t first, count; /* its hosts among the driver's */
    uint32_t at;           /* the one of these that it speaks to */
    uint32_t failures;     /* in a row */
    enum redis_phase phase;
    bool goes; /* for good */
    struct stream stream;
    struct timer timer; /* of the attempt, or of the pause */
    struct resp_parser parser;
    struct buf in, out;
    int64_t attempt_ms;
};

void redis_begin(struct redis *redis);
/* Sends what the owner has put into `out`, which stays as it is until all is answered or it broke; the attempt's time begins. */
void redis_send(struct redis *redis);
/* Something good came of what was sent: there are no failures, and the time begins anew if something is still awaited. */
void redis_progress(struct redis *redis, bool awaits);
/* Ends the connection; `broke` follows at once. */
void redis_break(struct redis *redis, enum load_outcome why);
/* Ends it for good, and nothing is called any more. The loop has to turn until redis_is_shut. */
void redis_shut(struct redis *redis);
void redis_fini(struct redis *redis); /* that is shut, or was never begun */
static inline bool redis_is_shut(const struct redis *redis)
{
    return redis->phase == REDIS_SHUT;
}
