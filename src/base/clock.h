/*
 * Reads the machine's clocks, for drivers only. Pure code is handed an instant.
 */
#pragma once

#include "base/instant.h"

struct instant clock_now(void);  /* CLOCK_MONOTONIC */
struct instant clock_boot(void); /* CLOCK_BOOTTIME: counts what the machine slept, too */
int64_t
clock_wall_ms(void); /* CLOCK_REALTIME, milliseconds since 1970; for people, never for deciding */
