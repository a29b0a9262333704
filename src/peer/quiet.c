#include "peer/quiet.h"

#include <string.h>
#include <xxhash.h>

static bool said_lately(const struct quiet *quiet, uint64_t hash, struct instant now)
{
    uint32_t kept = quiet->count < QUIET_KEPT ? quiet->count : QUIET_KEPT;

    for (uint32_t i = 0; i < kept; i++)
        if (quiet->said[i].hash == hash && !passed(after_ms(quiet->said[i].at, QUIET_SAME_MS), now))
            return true;
    return false;
}

static bool spoke_just_now(const struct quiet *quiet, struct instant now)
{
    return quiet->count > 0 &&
           !passed(after_ms(quiet->said[(quiet->count - 1) % QUIET_KEPT].at, QUIET_ANY_MS), now);
}

bool quiet_may_say(struct quiet *quiet, const char *sentence, struct instant now, uint32_t *unsaid)
{
    uint64_t hash = XXH3_64bits(sentence, strlen(sentence));

    if (spoke_just_now(quiet, now) || said_lately(quiet, hash, now)) {
        quiet->unsaid++;
        return false;
    }
    quiet->said[quiet->count % QUIET_KEPT].hash = hash;
    quiet->said[quiet->count % QUIET_KEPT].at = now;
    quiet->count++;
    *unsaid = quiet->unsaid;
    quiet->unsaid = 0;
    return true;
}
