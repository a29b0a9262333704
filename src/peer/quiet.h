/*
 * quiet: which sentences about strangers are worth saying. One that goes on knocking says the same thing for days, and a flood of them would fill a log: the same
 * sentence is said once a minute, and any at most once a second. Pure.
 */
#pragma once

#include "base/instant.h"

enum { QUIET_KEPT = 16, QUIET_ANY_MS = 1000, QUIET_SAME_MS = 60000 };

/* Zeroed: nothing was said. */
struct quiet {
    struct {
        uint64_t hash;
        struct instant at;
    } said[QUIET_KEPT];
    uint32_t count; /* of all that were said */
    uint32_t unsaid;
};

/* True: say it, and how many were left out since the last that was said. */
bool quiet_may_say(struct quiet *quiet, const char *sentence, struct instant now, uint32_t *unsaid);
