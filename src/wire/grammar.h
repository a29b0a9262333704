/*
 * The bytes that HTTP/1 allows in each place, and scanning for the first that it does not. Private to the room.
 */
#pragma once

#include "base/bytes.h"

enum http1_class {
    CLASS_TOKEN = 1,  /* RFC 9110 5.6.2 */
    CLASS_VALUE = 2,  /* field values, reasons: tab, space, visible, obs-text */
    CLASS_TARGET = 4, /* visible ASCII without '#': no fragment reaches a server */
    CLASS_HOST = 8,   /* RFC 3986 unreserved; sub-delims and escapes occur in attacks alone */
    CLASS_QUOTED = 16 /* within quotes, unescaped */
};

extern const uint8_t http1_class[256];

static inline bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static inline bool http1_is(uint8_t byte, enum http1_class class)
{
    return http1_class[byte] & class;
}

static inline const uint8_t *http1_skip(const uint8_t *at, const uint8_t *end,
                                        enum http1_class class)
{
    while (at < end && http1_is(*at, class))
        at++;
    return at;
}

/* As http1_skip with CLASS_VALUE, eight bytes at a time: a word that holds no byte below 0x20 and no DEL is skipped whole. */
static inline const uint8_t *http1_skip_value(const uint8_t *at, const uint8_t *end)
{
    const uint64_t ones = ~UINT64_C(0) / 255, tops = ones << 7;

    while (end - at >= 8) {
        uint64_t word, del;

        memcpy(&word, at, sizeof word);
        del = word ^ ones * 0x7f;
        if ((((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & tops) {
            const uint8_t *stop = http1_skip(at, at + 8, CLASS_VALUE);

            if (stop < at + 8)
                return stop;
        }
        at += 8;
    }
    return http1_skip(at, end, CLASS_VALUE);
}

/* `lower` holds lower-case letters, digits and '-' only; `name` is a token. */
static inline bool http1_same_name(const uint8_t *name, const char *lower, size_t len)
{
    uint8_t differ = 0;

    for (size_t i = 0; i < len; i++)
        differ |= (uint8_t)((name[i] | 0x20) ^ (uint8_t)lower[i]);
    return differ == 0;
}
