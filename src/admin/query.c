#include "admin/query.h"

bool query_has(struct bytes query, const char *key, const char *value)
{
    while (query.len) {
        size_t end = bytes_find(query, '&');
        struct bytes pair = bytes_take(query, end);
        size_t equals = bytes_find(pair, '=');
        struct bytes found = bytes_skip(pair, equals < pair.len ? equals + 1 : equals);

        if (bytes_equal(bytes_take(pair, equals), bytes_of_string(key)) &&
            (!value || bytes_equal(found, bytes_of_string(value))))
            return true;
        query = bytes_skip(query, end < query.len ? end + 1 : end);
    }
    return false;
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
