#include "admin/query.h"

/* The next `key=value`; false at the end. */
static bool next_pair(struct bytes *query, struct bytes *key, struct bytes *value)
{
    size_t end = bytes_find(*query, '&');
    struct bytes pair = bytes_take(*query, end);
    size_t equals = bytes_find(pair, '=');

    if (query->len == 0)
        return false;
    *key = bytes_take(pair, equals);
    *value = bytes_skip(pair, equals < pair.len ? equals + 1 : equals);
    *query = bytes_skip(*query, end < query->len ? end + 1 : end);
    return true;
}

bool query_has(struct bytes query, const char *key, const char *value)
{
    struct bytes found_key, found;

    while (next_pair(&query, &found_key, &found))
        if (bytes_equal(found_key, bytes_of_string(key)) &&
            (!value || bytes_equal(found, bytes_of_string(value))))
            return true;
    return false;
}

bool query_value(struct bytes query, const char *key, char *value, size_t cap)
{
    struct bytes found_key, found;

    while (next_pair(&query, &found_key, &found))
        if (bytes_equal(found_key, bytes_of_string(key)))
            return query_decode(found, value, cap);
    return false;
}

void query_encode(struct buf *out, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

    for (; *text; text++) {
        if (strchr(plain, *text))
            buf_add_byte(out, (uint8_t)*text);
        else
            buf_print(out, "%%%02X", (uint8_t)*text);
    }
}

static int hex_digit(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool query_decode(struct bytes text, char *decoded, size_t cap)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        int byte = text.at[i];

        if (byte == '%') {
            int high = text.len - i > 2 ? hex_digit(text.at[i + 1]) : -1;
            int low = text.len - i > 2 ? hex_digit(text.at[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            byte = high * 16 + low;
            i += 2;
        }
        if (byte == 0 || len + 1 >= cap)
            return false;
        decoded[len++] = (char)byte;
    }
    decoded[len] = 0;
    return true;
}
