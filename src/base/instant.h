/*
 * A moment on the monotonic clock, and the arithmetic of moments. Deciding code is handed an instant; only drivers
 * read the clock (base/clock.h). Durations are int64_t with the unit in the name.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct instant {
    int64_t ns; /* since an arbitrary beginning; INT64_MAX: never */
};

#define NEVER ((struct instant){INT64_MAX})
#define NS_PER_US 1000LL
#define NS_PER_MS 1000000LL
#define NS_PER_S 1000000000LL

static inline struct instant after_ns(struct instant now, int64_t ns)
{
    return now.ns > INT64_MAX - ns ? NEVER : (struct instant){now.ns + ns};
}

/* Not before the arbitrary beginning. */
static inline struct instant before_ns(struct instant now, int64_t ns)
{
    return now.ns < ns ? (struct instant){0} : (struct instant){now.ns - ns};
}

static inline struct instant after_ms(struct instant now, int64_t ms)
{
    return ms > INT64_MAX / NS_PER_MS ? NEVER : after_ns(now, ms * NS_PER_MS);
}

static inline bool passed(struct instant deadline, struct instant now)
{
    return now.ns >= deadline.ns;
}

static inline int64_t ns_between(struct instant from, struct instant to)
{
    return to.ns - from.ns;
}

static inline struct instant earlier(struct instant a, struct instant b)
{
    return a.ns < b.ns ? a : b;
}

static inline struct instant latest(struct instant a, struct instant b)
{
    return a.ns > b.ns ? a : b;
}
