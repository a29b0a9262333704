#include "timeline/quota.h"

#include "base/must.h"

static uint32_t place_of(uint16_t code)
{
    const struct code_row *row = code_find(code);

    must(code_count < QUOTA_CODES_MAX);
    return row ? (uint32_t)(row - codes) : QUOTA_CODES_MAX - 1;
}

static void refill(struct quota_bucket *bucket, struct instant now)
{
    int64_t tokens = ns_between(bucket->since, now) / (QUOTA_REFILL_MS * NS_PER_MS);

    if (bucket->used == 0 || tokens >= bucket->used) {
        bucket->used = 0;
        bucket->since = now;
    } else if (tokens > 0) {
        bucket->used -= (uint32_t)tokens;
        bucket->since = after_ms(bucket->since, tokens * QUOTA_REFILL_MS);
    }
}

bool quota_take(struct quota *quota, uint16_t code, struct instant now)
{
    struct quota_bucket *bucket = &quota->buckets[place_of(code)];

    refill(bucket, now);
    if (bucket->used == QUOTA_BURST) {
        bucket->left_out++;
        return false;
    }
    bucket->used++;
    return true;
}

bool quota_left_out(struct quota *quota, uint16_t *code, uint64_t *count)
{
    for (uint32_t i = 0; i < QUOTA_CODES_MAX; i++) {
        struct quota_bucket *bucket = &quota->buckets[i];

        if (bucket->left_out == 0)
            continue;
        *code = i < code_count ? codes[i].code : 0;
        *count = bucket->left_out;
        bucket->left_out = 0;
        return true;
    }
    return false;
}
