/*
 * pubsub: who listens to which channels, on this member. Pure. It knows nothing of sessions: a subscriber is what an owner embeds.
 */
#pragma once

#include "base/bytes.h"
#include "base/list.h"
#include "base/must.h"

enum {
    PUBSUB_NAME_MAX = 64 << 10,        /* bytes of a channel or pattern */
    PUBSUB_SUBSCRIPTIONS_MAX = 100000, /* of one subscriber */
    PUBSUB_BYTES_MAX = 256 << 20,      /* of all subscriptions */
};

struct pubsub;

struct subscriber {
    struct list channels, patterns;
    uint32_t channel_count, pattern_count;
};

enum pubsub_outcome { PUBSUB_DONE, PUBSUB_NOTHING, PUBSUB_LIMIT };

struct pubsub *pubsub_open(uint64_t seed); /* of the table, secret; NULL: no memory */
void pubsub_close(struct pubsub *pubsub);  /* nobody subscribes any more; NULL is fine */

void subscriber_init(struct subscriber *subscriber);
static inline uint32_t subscriber_count(const struct subscriber *subscriber)
{
    return subscriber->channel_count + subscriber->pattern_count;
}
/* NOTHING: it listens to it already. */
MUST_USE enum pubsub_outcome pubsub_add(struct pubsub *pubsub, struct subscriber *subscriber,
                                        bool pattern, struct bytes name);
/* False: it did not listen to it. `name` may be that of pubsub_any. */
bool pubsub_remove(struct pubsub *pubsub, struct subscriber *subscriber, bool pattern,
                   struct bytes name);
/* One of those it listens to, the oldest first; an empty view with NULL: none. */
struct bytes pubsub_any(const struct subscriber *subscriber, bool pattern);
void pubsub_leave(struct pubsub *pubsub, struct subscriber *subscriber); /* all of them */

/* `pattern` is what it listens to, or has NULL for the channel itself. It changes no subscription. */
typedef void pubsub_deliver(void *context, struct subscriber *subscriber, struct bytes pattern);
/* Calls for each subscription that the channel meets. Returns how many. */
uint64_t pubsub_publish(struct pubsub *pubsub, struct bytes channel, pubsub_deliver *deliver,
                        void *context);

uint64_t pubsub_listeners(const struct pubsub *pubsub, struct bytes channel); /* without patterns */
uint64_t pubsub_channel_count(const struct pubsub *pubsub);
uint64_t pubsub_pattern_count(const struct pubsub *pubsub); /* different ones */
bool pubsub_is_idle(const struct pubsub *pubsub);           /* nobody listens to anything */
/* The names of channels with listeners, in no order: NULL begins and ends. */
struct channel;
const struct channel *pubsub_next(const struct pubsub *pubsub, const struct channel *before);
struct bytes channel_name(const struct channel *channel);
