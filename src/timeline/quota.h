/*
 * How many facts of one code are worth keeping: a bucket of tokens per code. What a stranger can cause as often as he likes must not push
 * everything else out of a bounded timeline. Pure.
 */
#pragma once

#include "base/instant.h"
#include "topology/codes.h"

enum {
    QUOTA_CODES_MAX = 128, /* codes.c has fewer; all unknown codes share the last */
    QUOTA_BURST = 100,
    QUOTA_REFILL_MS = 10000, /* one token */
};

struct quota {
    struct quota_bucket {
        uint32_t used;        /* tokens, 0 to QUOTA_BURST */
        struct instant since; /* of the refill under way */
        uint64_t left_out;    /* since quota_left_out took it */
    } buckets[QUOTA_CODES_MAX];
};

/* False: it is to be left out, and was counted. */
bool quota_take(struct quota *quota, uint16_t code, struct instant now);
/* Takes a code of which facts were left out, with their number; false: there is none. */
bool quota_left_out(struct quota *quota, uint16_t *code, uint64_t *count);
