/*
 * Which keys expire when: a wheel of 64 slots for the next 64 ticks, one of 64 slots of 64 ticks each, and so on. A key's level is that of the highest digit (to the base of 64) in which its tick
 * differs from the wheel's, so its slot is reached before it is due, and then what is in it goes to lower levels, one key at a time.
 */
#include "base/must.h"
#include "store/space_parts.h"

enum {
    RETRY_MS = 1000,
    STEPS_PER_NAME = 8, /* keys that are moved, and slots that are looked at, in one call */
};

void wheel_of_keys_init(struct wheel_of_keys *wheel)
{
    wheel->count = 0;
    memset(wheel->occupied, 0, sizeof wheel->occupied);
    for (int level = 0; level < WHEEL_LEVELS; level++)
        for (int slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
}

static uint64_t tick_of(int64_t at_ms)
{
    return at_ms > 0 ? (uint64_t)at_ms >> WHEEL_TICK_BITS : 0;
}

static uint32_t digit_of(uint64_t tick, uint32_t level)
{
    return tick >> (WHEEL_BITS * level) & (WHEEL_SLOTS - 1);
}

static void place(struct wheel_of_keys *wheel, struct timing *timing, uint64_t tick)
{
    uint64_t differs;
    uint32_t level, slot;

    if (tick < wheel->tick)
        tick = wheel->tick;
    differs = tick ^ wheel->tick;
    level = differs ? (63 - (uint32_t)__builtin_clzll(differs)) / WHEEL_BITS : 0;
    slot = digit_of(tick, level);
    list_remove(&timing->node);
    list_push_back(&wheel->slots[level][slot], &timing->node);
    wheel->occupied[level] |= 1ULL << slot;
}

void wheel_of_keys_add(struct wheel_of_keys *wheel, struct timing *timing, int64_t at_ms)
{
    timing->expires_ms = at_ms;
    place(wheel, timing, tick_of(at_ms));
}

/* The next tick, not above `limit`, at whose slot something has to be done. */
static uint64_t next_tick(const struct wheel_of_keys *wheel, uint64_t limit)
{
    for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
        uint32_t digit = digit_of(wheel->tick, level), shift = WHEEL_BITS * level;
        uint64_t ahead =
            digit == WHEEL_SLOTS - 1 ? 0 : wheel->occupied[level] & (~0ULL << (digit + 1));
        uint64_t tick;

        if (!ahead)
            continue;
        tick = wheel->tick >> shift >> WHEEL_BITS << WHEEL_BITS;
        tick = (tick | (uint64_t)__builtin_ctzll(ahead)) << shift;
        return tick < limit ? tick : limit;
    }
    return limit;
}

/* A key in one of the slots that the present tick begins; NULL: they are empty. */
static struct timing *first_here(struct wheel_of_keys *wheel, bool *due)
{
    for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
        uint32_t digit = digit_of(wheel->tick, level);
        struct list *slot = &wheel->slots[level][digit];

        *due = level == 0;
        if (!list_empty(slot))
            return container_of(list_first(slot), struct timing, node);
        wheel->occupied[level] &= ~(1ULL << digit);
    }
    return NULL;
}

static struct entry *entry_of_timing(struct timing *timing)
{
    return (struct entry *)(void *)timing - 1;
}

uint32_t space_due(struct space *space, int64_t now_ms, struct bytes *names, uint32_t max)
{
    struct wheel_of_keys *wheel = &space->wheel;
    uint64_t end = tick_of(now_ms);
    uint32_t count = 0;

    for (uint32_t step = 0; count < max && step < STEPS_PER_NAME * (max + 8); step++) {
        struct timing *timing;
        bool due;

        if (wheel->tick >= end)
            break;
        timing = first_here(wheel, &due);
        if (!timing) {
            wheel->tick = next_tick(wheel, end);
            continue;
        }
        if (due)
            names[count++] = entry_name(entry_of_timing(timing));
        if (due || tick_of(timing->expires_ms) < wheel->tick) /* it has been told before */
            place(wheel, timing, tick_of(now_ms + RETRY_MS));
        else
            place(wheel, timing, tick_of(timing->expires_ms));
    }
    return count;
}
