#include "store/digest.h"

#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { BLOCK_BYTES = 1024 };

uint64_t digest_bytes(struct bytes bytes)
{
    return XXH3_64bits(bytes.len ? (const void *)bytes.at : "", bytes.len);
}

uint64_t digest_pair(uint64_t a, uint64_t b)
{
    return hash_number(hash_number(0, a), b);
}

uint64_t digest_named(struct bytes name, struct bytes value)
{
    return digest_pair(digest_bytes(name), digest_bytes(value));
}

uint64_t digest_scored(struct bytes member, double score)
{
    uint64_t bits;

    score += 0.0; /* -0 is 0 */
    memcpy(&bits, &score, sizeof bits);
    return digest_pair(digest_bytes(member), bits);
}

uint64_t digest_blocks(struct bytes text, size_t from, size_t to)
{
    uint64_t sum = 0;

    for (size_t at = from - from % BLOCK_BYTES; at < to && at < text.len; at += BLOCK_BYTES)
        sum += digest_pair(at, digest_bytes(bytes_take(bytes_skip(text, at),
                                                       text.len - at < BLOCK_BYTES ? text.len - at
                                                                                   : BLOCK_BYTES)));
    return sum;
}
