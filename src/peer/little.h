/*
 * Integers as they travel between nodes: little-endian, one byte after the other.
 */
#pragma once

#include <stdint.h>

static inline void put_16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void put_32(uint8_t *at, uint32_t value)
{
    put_16(at, (uint16_t)value);
    put_16(at + 2, (uint16_t)(value >> 16));
}

static inline void put_64(uint8_t *at, uint64_t value)
{
    put_32(at, (uint32_t)value);
    put_32(at + 4, (uint32_t)(value >> 32));
}

static inline uint16_t get_16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t get_32(const uint8_t *at)
{
    return get_16(at) | (uint32_t)get_16(at + 2) << 16;
}

static inline uint64_t get_64(const uint8_t *at)
{
    return get_32(at) | (uint64_t)get_32(at + 4) << 32;
}
