/*
 * Decides about names. It asks nobody, and never gives up an address that is still among the answers.
 */
#include "health/name.h"

#include "base/must.h"

struct address name_choose(const struct address *in_use, const struct address *answers,
                           uint32_t count, uint16_t port)
{
    struct address chosen = answers[0];

    must(count > 0);
    for (uint32_t i = 0; i < count; i++)
        if (answers[i].family == in_use->family &&
            memcmp(answers[i].ip, in_use->ip, sizeof in_use->ip) == 0)
            chosen = answers[i];
    chosen.port = port;
    return chosen;
}

int64_t name_again_ms(int64_t ttl_s, struct rng *rng)
{
    int64_t s = ttl_s < NAME_AGAIN_MIN_S ? NAME_AGAIN_MIN_S : ttl_s;

    if (s > NAME_AGAIN_MAX_S)
        s = NAME_AGAIN_MAX_S;
    return s * 1000 + rng_between(rng, 0, s * 100);
}
