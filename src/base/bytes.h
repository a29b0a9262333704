/*
 * A view of bytes that somebody else owns. Not NUL-terminated; may hold any byte.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *at;
    size_t len;
};

/* A view of a string literal. */
#define BYTES(literal) ((struct bytes){(const uint8_t *)("" literal), sizeof(literal) - 1})

static inline struct bytes bytes_of(const void *at, size_t len)
{
    return (struct bytes){at, len};
}

static inline struct bytes bytes_of_string(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* ASCII letters compare without case; every other byte as it is. */
bool bytes_equal_nocase(struct bytes a, struct bytes b);

static inline bool bytes_starts_with(struct bytes all, struct bytes prefix)
{
    return all.len >= prefix.len && (prefix.len == 0 || memcmp(all.at, prefix.at, prefix.len) == 0);
}

/* What is left after the first `count` bytes; count is at most len. */
static inline struct bytes bytes_skip(struct bytes all, size_t count)
{
    return (struct bytes){count ? all.at + count : all.at, all.len - count};
}

static inline struct bytes bytes_take(struct bytes all, size_t count)
{
    return (struct bytes){all.at, count < all.len ? count : all.len};
}

/* Position of the first such byte, or len when there is none. */
static inline size_t bytes_find(struct bytes all, uint8_t byte)
{
    const uint8_t *found = all.len ? memchr(all.at, byte, all.len) : NULL;

    return found ? (size_t)(found - all.at) : all.len;
}

/* Without spaces and tabs at both ends. */
struct bytes bytes_trim(struct bytes all);

/* Copies as a string into `text` (cap > 0), cut where it does not fit. Returns text. */
char *bytes_to_string(struct bytes all, char *text, size_t cap);
