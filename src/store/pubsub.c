/*
 * A table of channels and one of patterns, each with its subscriptions. What nobody listens to is not there.
 */
#include "store/pubsub.h"

#include "base/hash.h"
#include "store/glob.h"

#include <stdlib.h>

enum { BUCKETS_FIRST = 16 };

struct channel {
    struct list node;      /* in its bucket */
    struct list order;     /* among all */
    struct list listeners; /* of struct subscription */
    uint64_t count;
    uint64_t hash;
    size_t len;
    bool pattern;
    uint8_t name[];
};

struct subscription {
    struct list of_channel, of_subscriber;
    struct channel *channel;
    struct subscriber *subscriber;
};

struct names {
    struct list *buckets;
    uint64_t bucket_count; /* a power of two */
    uint64_t count;
    struct list all;
};

struct pubsub {
    struct names channels, patterns;
    uint64_t bytes, seed;
};

struct bytes channel_name(const struct channel *channel)
{
    return bytes_of(channel->name, channel->len);
}

static size_t cost(const struct channel *channel)
{
    return sizeof *channel + channel->len;
}

static bool names_init(struct names *names)
{
    list_init(&names->all);
    names->bucket_count = BUCKETS_FIRST;
    names->buckets = calloc(BUCKETS_FIRST, sizeof *names->buckets);
    return names->buckets != NULL;
}

struct pubsub *pubsub_open(uint64_t seed)
{
    struct pubsub *pubsub = calloc(1, sizeof *pubsub);

    if (!pubsub)
        return NULL;
    pubsub->seed = seed;
    if (names_init(&pubsub->channels) && names_init(&pubsub->patterns))
        return pubsub;
    pubsub_close(pubsub);
    return NULL;
}

void pubsub_close(struct pubsub *pubsub)
{
    if (!pubsub)
        return;
    must(pubsub_is_idle(pubsub));
    free(pubsub->channels.buckets);
    free(pubsub->patterns.buckets);
    free(pubsub);
}

void subscriber_init(struct subscriber *subscriber)
{
    *subscriber = (struct subscriber){0};
    list_init(&subscriber->channels);
    list_init(&subscriber->patterns);
}

/* ---- channels ---- */

/* Buckets are zeroed when they are made, and lists from their first use on. */
static struct list *bucket_of(const struct names *names, uint64_t hash)
{
    struct list *bucket = &names->buckets[hash & (names->bucket_count - 1)];

    if (!bucket->next)
        list_init(bucket);
    return bucket;
}

/* Twice as many buckets; without memory the chains grow longer. */
static void spread(struct names *names)
{
    uint64_t count = names->bucket_count * 2;
    struct list *buckets = calloc(count, sizeof *buckets);

    if (!buckets)
        return;
    free(names->buckets);
    names->buckets = buckets;
    names->bucket_count = count;
    list_each (order, &names->all) {
        struct channel *channel = container_of(order, struct channel, order);

        list_push_back(bucket_of(names, channel->hash), &channel->node);
    }
}

static struct names *names_of(struct pubsub *pubsub, bool pattern)
{
    return pattern ? &pubsub->patterns : &pubsub->channels;
}

static struct channel *find(const struct names *names, struct bytes name, uint64_t hash)
{
    list_each (node, bucket_of(names, hash)) {
        struct channel *channel = container_of(node, struct channel, node);

        if (channel->hash == hash && bytes_equal(channel_name(channel), name))
            return channel;
    }
    return NULL;
}

static struct channel *make(struct pubsub *pubsub, bool pattern, struct bytes name, uint64_t hash)
{
    struct channel *channel = malloc(sizeof *channel + name.len);
    struct names *names = names_of(pubsub, pattern);

    if (!channel)
        return NULL;
    *channel = (struct channel){.hash = hash, .len = name.len, .pattern = pattern};
    if (name.len > 0)
        memcpy(channel->name, name.at, name.len);
    list_init(&channel->listeners);
    list_init(&channel->order);
    list_push_back(bucket_of(names, hash), &channel->node);
    list_push_back(&names->all, &channel->order);
    pubsub->bytes += cost(channel);
    if (++names->count > names->bucket_count)
        spread(names);
    return channel;
}

static void forget_if_idle(struct pubsub *pubsub, struct channel *channel)
{
    if (channel->count > 0)
        return;
    names_of(pubsub, channel->pattern)->count--;
    list_remove(&channel->node);
    list_remove(&channel->order);
    pubsub->bytes -= cost(channel);
    free(channel);
}

/* ---- subscriptions ---- */

/* The shorter list is looked through. */
static struct subscription *find_subscription(const struct channel *channel,
                                              const struct subscriber *subscriber, bool pattern)
{
    uint32_t own = pattern ? subscriber->pattern_count : subscriber->channel_count;
    const struct list *mine = pattern ? &subscriber->patterns : &subscriber->channels;

    if (own < channel->count) {
        list_each (node, mine) {
            struct subscription *s = container_of(node, struct subscription, of_subscriber);

            if (s->channel == channel)
                return s;
        }
        return NULL;
    }
    list_each (node, &channel->listeners) {
        struct subscription *s = container_of(node, struct subscription, of_channel);

        if (s->subscriber == subscriber)
            return s;
    }
    return NULL;
}

enum pubsub_outcome pubsub_add(struct pubsub *pubsub, struct subscriber *subscriber, bool pattern,
                               struct bytes name)
{
    uint64_t hash = hash_bytes(pubsub->seed, name);
    struct channel *channel = find(names_of(pubsub, pattern), name, hash);
    struct subscription *subscription;

    if (channel && find_subscription(channel, subscriber, pattern))
        return PUBSUB_NOTHING;
    if (name.len > PUBSUB_NAME_MAX || subscriber_count(subscriber) == PUBSUB_SUBSCRIPTIONS_MAX ||
        pubsub->bytes + name.len + sizeof *channel + sizeof *subscription > PUBSUB_BYTES_MAX)
        return PUBSUB_LIMIT;
    subscription = malloc(sizeof *subscription);
    if (!channel && subscription)
        channel = make(pubsub, pattern, name, hash);
    if (!subscription || !channel) {
        free(subscription);
        return PUBSUB_LIMIT;
    }
    *subscription = (struct subscription){.channel = channel, .subscriber = subscriber};
    list_init(&subscription->of_channel);
    list_init(&subscription->of_subscriber);
    list_push_back(&channel->listeners, &subscription->of_channel);
    list_push_back(pattern ? &subscriber->patterns : &subscriber->channels,
                   &subscription->of_subscriber);
    channel->count++;
    *(pattern ? &subscriber->pattern_count : &subscriber->channel_count) += 1;
    pubsub->bytes += sizeof *subscription;
    return PUBSUB_DONE;
}

static void drop(struct pubsub *pubsub, struct subscription *subscription, bool pattern)
{
    struct channel *channel = subscription->channel;
    struct subscriber *subscriber = subscription->subscriber;

    list_remove(&subscription->of_channel);
    list_remove(&subscription->of_subscriber);
    *(pattern ? &subscriber->pattern_count : &subscriber->channel_count) -= 1;
    channel->count--;
    pubsub->bytes -= sizeof *subscription;
    free(subscription);
    forget_if_idle(pubsub, channel);
}

bool pubsub_remove(struct pubsub *pubsub, struct subscriber *subscriber, bool pattern,
                   struct bytes name)
{
    struct channel *channel = find(names_of(pubsub, pattern), name, hash_bytes(pubsub->seed, name));
    struct subscription *subscription =
        channel ? find_subscription(channel, subscriber, pattern) : NULL;

    if (!subscription)
        return false;
    drop(pubsub, subscription, pattern);
    return true;
}

struct bytes pubsub_any(const struct subscriber *subscriber, bool pattern)
{
    struct list *first = list_first(pattern ? &subscriber->patterns : &subscriber->channels);

    if (!first)
        return (struct bytes){0};
    return channel_name(container_of(first, struct subscription, of_subscriber)->channel);
}

void pubsub_leave(struct pubsub *pubsub, struct subscriber *subscriber)
{
    list_each_safe (node, &subscriber->channels)
        drop(pubsub, container_of(node, struct subscription, of_subscriber), false);
    list_each_safe (node, &subscriber->patterns)
        drop(pubsub, container_of(node, struct subscription, of_subscriber), true);
    must(subscriber_count(subscriber) == 0);
}

/* ---- messages ---- */

static uint64_t tell(const struct channel *channel, struct bytes pattern, pubsub_deliver *deliver,
                     void *context)
{
    list_each (node, &channel->listeners)
        deliver(context, container_of(node, struct subscription, of_channel)->subscriber, pattern);
    return channel->count;
}

uint64_t pubsub_publish(struct pubsub *pubsub, struct bytes name, pubsub_deliver *deliver,
                        void *context)
{
    const struct channel *channel;
    uint64_t told = 0;

    if (pubsub_is_idle(pubsub))
        return 0;
    channel = find(&pubsub->channels, name, hash_bytes(pubsub->seed, name));
    if (channel)
        told = tell(channel, (struct bytes){0}, deliver, context);
    list_each (order, &pubsub->patterns.all) {
        const struct channel *pattern = container_of(order, struct channel, order);

        if (glob_matches(channel_name(pattern), name))
            told += tell(pattern, channel_name(pattern), deliver, context);
    }
    return told;
}

uint64_t pubsub_listeners(const struct pubsub *pubsub, struct bytes name)
{
    const struct channel *channel = find(&pubsub->channels, name, hash_bytes(pubsub->seed, name));

    return channel ? channel->count : 0;
}

uint64_t pubsub_channel_count(const struct pubsub *pubsub)
{
    return pubsub->channels.count;
}

uint64_t pubsub_pattern_count(const struct pubsub *pubsub)
{
    return pubsub->patterns.count;
}

bool pubsub_is_idle(const struct pubsub *pubsub)
{
    return pubsub->channels.count == 0 && pubsub->patterns.count == 0;
}

const struct channel *pubsub_next(const struct pubsub *pubsub, const struct channel *before)
{
    struct list *next = before ? before->order.next : pubsub->channels.all.next;

    return next == &pubsub->channels.all ? NULL : container_of(next, struct channel, order);
}
