#include "base/hash.h"

/* The finalizer of splitmix64: one to one, and every bit in changes half of those that come out. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint64_t hash_number(uint64_t before, uint64_t number)
{
    return mix((before + 0x9e3779b97f4a7c15) ^ number);
}

static uint64_t word_of(const uint8_t *at, size_t len)
{
    uint64_t word = 0;

    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)at[i] << (8 * i);
    return word;
}

uint64_t hash_bytes(uint64_t before, struct bytes bytes)
{
    uint64_t hash = hash_number(before, bytes.len);

    while (bytes.len >= 8) {
        hash = hash_number(hash, word_of(bytes.at, 8));
        bytes = bytes_skip(bytes, 8);
    }
    return bytes.len ? hash_number(hash, word_of(bytes.at, bytes.len)) : hash;
}
