/*
 * When keys were used, or how often: each member's own, and never looked at by a command that writes.
 *
 * 24 bits: seconds (LRU), or 16 bits of minutes and a counter of 8 that grows by its logarithm and sinks with time (LFU, as Redis has it with its default settings).
 */
#include "base/must.h"
#include "store/space_parts.h"

enum {
    CLOCK_MASK = (1 << 24) - 1,
    MINUTES_MASK = (1 << 16) - 1,
    COUNTER_FIRST = 5,
    COUNTER_MAX = 255,
    COUNTER_FACTOR = 10,
    SAMPLES = 8,
};

static uint32_t seconds_of(int64_t now_ms)
{
    return (uint32_t)(now_ms / 1000) & CLOCK_MASK;
}

static uint32_t minutes_of(int64_t now_ms)
{
    return (uint32_t)(now_ms / 60000) & MINUTES_MASK;
}

static uint32_t counter_of(const struct entry *entry, int64_t now_ms)
{
    uint32_t idle = (minutes_of(now_ms) - (entry->touched >> 8)) & MINUTES_MASK;
    uint32_t counter = entry->touched & COUNTER_MAX;

    if (entry->touched == 0)
        return COUNTER_FIRST;
    return counter > idle ? counter - idle : 0;
}

/* The more it was used, the less likely the counter grows. */
static uint32_t counted(struct space *space, uint32_t counter)
{
    uint32_t base = counter > COUNTER_FIRST ? counter - COUNTER_FIRST : 0;

    space->uses = space->uses * 6364136223846793005 + 1442695040888963407;
    if (counter == COUNTER_MAX || (uint32_t)(space->uses >> 33) % (base * COUNTER_FACTOR + 1) != 0)
        return counter;
    return counter + 1;
}

void space_touch(struct space *space, struct entry *entry, int64_t now_ms)
{
    if (space->options.frequency)
        entry->touched =
            (minutes_of(now_ms) << 8 | counted(space, counter_of(entry, now_ms))) & CLOCK_MASK;
    else
        entry->touched = seconds_of(now_ms) & CLOCK_MASK;
}

uint32_t space_idle_s(const struct space *space, const struct entry *entry, int64_t now_ms)
{
    uint32_t idle = (seconds_of(now_ms) - entry->touched) & CLOCK_MASK;

    (void)space;
    return entry->touched && idle < CLOCK_MASK / 2 ? idle : 0;
}

int space_frequency(const struct space *space, const struct entry *entry, int64_t now_ms)
{
    return space->options.frequency ? (int)counter_of(entry, now_ms) : -1;
}

/* The greater, the sooner it may go. */
static int64_t worthlessness(const struct space *space, const struct entry *entry,
                             enum space_eviction policy, int64_t now_ms)
{
    switch (policy) {
    case SPACE_EVICT_LRU:
        return space_idle_s(space, entry, now_ms);
    case SPACE_EVICT_LFU:
        return COUNTER_MAX - (int64_t)counter_of(entry, now_ms);
    case SPACE_EVICT_TTL:
        return entry->timed ? INT64_MAX - entry_expires(entry) : -1;
    case SPACE_EVICT_RANDOM:
        return 0;
    }
    never("no such policy");
}

/* A key that expires, of the wheel: any slot's first. */
static struct entry *some_timed(struct space *space, struct rng *chance)
{
    struct wheel_of_keys *wheel = &space->wheel;
    uint64_t from = rng_below(chance, WHEEL_LEVELS * WHEEL_SLOTS);

    for (uint64_t i = 0; i < WHEEL_LEVELS * WHEEL_SLOTS; i++) {
        uint64_t at = (from + i) % (WHEEL_LEVELS * WHEEL_SLOTS);
        struct list *slot = &wheel->slots[at / WHEEL_SLOTS][at % WHEEL_SLOTS];
        struct list *node = list_pop_front(slot);

        if (!node)
            continue;
        list_push_back(slot, node); /* another one next time */
        return (struct entry *)(void *)container_of(node, struct timing, node) - 1;
    }
    return NULL;
}

struct bytes space_victim(struct space *space, enum space_eviction policy, bool timed_only,
                          int64_t now_ms, struct rng *chance)
{
    struct entry *worst = NULL;

    for (int i = 0; i < SAMPLES; i++) {
        struct entry *entry = timed_only || policy == SPACE_EVICT_TTL ? some_timed(space, chance)
                                                                      : space_random(space, chance);

        if (!entry)
            break;
        if (!worst || worthlessness(space, entry, policy, now_ms) >
                          worthlessness(space, worst, policy, now_ms))
            worst = entry;
    }
    return worst ? entry_name(worst) : (struct bytes){0};
}
