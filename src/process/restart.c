/*
 * Decides how long to wait before a process that ended is started again. Reads no clock.
 */
#include "process/process.h"

enum { CALM_MS = 30000, FIRST_MS = 100, LAST_MS = 10000, DOUBLINGS_MAX = 7 };

_Static_assert(FIRST_MS << DOUBLINGS_MAX >= LAST_MS, "the doublings reach the longest wait");

int64_t restart_delay_ms(struct restart *restart, struct instant ended)
{
    uint32_t doublings;

    if (passed(after_ms(restart->started, CALM_MS), ended)) {
        restart->failures = 0;
        return 0;
    }
    restart->failures++;
    if (restart->failures == 1)
        return 0;
    doublings = restart->failures - 2;
    return doublings >= DOUBLINGS_MAX ? LAST_MS : (int64_t)FIRST_MS << doublings;
}

void restart_started(struct restart *restart, struct instant now)
{
    restart->started = now;
}
