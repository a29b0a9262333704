#include "base/clock.h"

#include "base/must.h"

#include <time.h>

static int64_t read_ns(clockid_t clock)
{
    struct timespec t;

    must(clock_gettime(clock, &t) == 0);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

struct instant clock_now(void)
{
    return (struct instant){read_ns(CLOCK_MONOTONIC)};
}

struct instant clock_boot(void)
{
    return (struct instant){read_ns(CLOCK_BOOTTIME)};
}

int64_t clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / NS_PER_MS;
}
