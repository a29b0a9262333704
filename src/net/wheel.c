#include "net/wheel.h"

/* Rounded up, so that a timer is never early. */
static uint64_t tick_of(struct instant at)
{
    return (uint64_t)at.ns / NS_PER_MS + ((uint64_t)at.ns % NS_PER_MS != 0);
}

void wheel_init(struct wheel *wheel, struct instant now)
{
    must(now.ns >= 0);
    wheel->now = now;
    wheel->tick = (uint64_t)now.ns / NS_PER_MS;
    list_init(&wheel->due);
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
    }
}

/*
 * The level is that of the highest digit in which the timer's tick and the wheel's differ. So every occupied slot of a
 * level lies ahead of the wheel's own digit there, and any timer of a level is due before any of the level above.
 */
static void place(struct wheel *wheel, struct timer *timer)
{
    uint64_t tick = tick_of(timer->at);
    unsigned level, slot;

    if (tick <= wheel->tick) {
        list_push_back(&wheel->due, &timer->node);
        return;
    }
    level = (63u - (unsigned)__builtin_clzll(tick ^ wheel->tick)) / WHEEL_BITS;
    slot = (unsigned)(tick >> (level * WHEEL_BITS)) % WHEEL_SLOTS;
    must(level < WHEEL_LEVELS);
    wheel->occupied[level] |= UINT64_C(1) << slot;
    list_push_back(&wheel->slots[level][slot], &timer->node);
}

void wheel_add(struct wheel *wheel, struct timer *timer)
{
    /* For now: not with the next tick, but at once. */
    if (passed(timer->at, wheel->now))
        list_push_back(&wheel->due, &timer->node);
    else
        place(wheel, timer);
}

/*
 * The first slot that holds a timer, and the tick at which it begins. A cancelled timer leaves its slot's bit behind;
 * it is cleared here, where an empty slot would otherwise be visited.
 */
static struct list *first_slot(struct wheel *wheel, uint64_t *begins)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        unsigned shift = level * WHEEL_BITS;

        while (wheel->occupied[level]) {
            unsigned slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
            uint64_t above = wheel->tick >> shift >> WHEEL_BITS << WHEEL_BITS;

            if (!list_empty(&wheel->slots[level][slot])) {
                *begins = (above | slot) << shift;
                return &wheel->slots[level][slot];
            }
            wheel->occupied[level] &= wheel->occupied[level] - 1;
        }
    }
    return NULL;
}

void wheel_advance(struct wheel *wheel, struct instant now)
{
    uint64_t until = (uint64_t)now.ns / NS_PER_MS, begins;
    struct list *slot;

    must(now.ns >= wheel->now.ns);
    wheel->now = now;
    while ((slot = first_slot(wheel, &begins)) && begins <= until) {
        struct list *node;

        must(begins > wheel->tick);
        wheel->tick = begins;
        /* Each goes to a lower level or is due, never back into this slot. */
        while ((node = list_pop_front(slot)))
            place(wheel, container_of(node, struct timer, node));
    }
    if (until > wheel->tick)
        wheel->tick = until;
}

struct instant wheel_next(struct wheel *wheel)
{
    uint64_t begins;

    if (!list_empty(&wheel->due))
        return (struct instant){0};
    if (!first_slot(wheel, &begins) || begins > (uint64_t)INT64_MAX / NS_PER_MS)
        return NEVER;
    return (struct instant){(int64_t)begins * NS_PER_MS};
}
