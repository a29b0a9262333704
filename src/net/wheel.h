/*
 * Private to net. The timers of a loop: a hierarchical wheel of eight levels of 64 slots, one tick a millisecond.
 *
 * Pure: it is told what time it is. Arming, moving and cancelling are O(1); finding the next moment looks at one bitmap
 * a level. A timer never fires before its moment, and those of one tick fire in the order in which they were armed.
 */
#pragma once

#include "net/net.h"

enum { WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = 8 };

struct wheel {
    struct instant now; /* as last told */
    uint64_t tick;      /* everything up to this one has been moved to `due` */
    uint64_t occupied
        [WHEEL_LEVELS]; /* a set bit: the slot may hold timers; a clear one: it holds none */
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
    struct list due;
};

void wheel_init(struct wheel *wheel, struct instant now);
/* Of a timer that is not armed, by its `at`: into `due` when that has passed. */
void wheel_add(struct wheel *wheel, struct timer *timer);
/* Moves all timers whose moment has passed into `due`. */
void wheel_advance(struct wheel *wheel, struct instant now);
/* When to advance next: never later than the first timer's moment rounded up to a tick, sometimes earlier. */
struct instant wheel_next(struct wheel *wheel);
