/*
 * The bytes of a probe, from how a person writes them. Never writes what it has not understood.
 */
#include "engine/engine.h"

static int digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

/* What follows a backslash. *used: how much of it belongs to the escape. */
static bool escaped(struct bytes rest, uint8_t *byte, size_t *used)
{
    *used = 1;
    if (rest.len == 0)
        return false;
    switch (rest.at[0]) {
    case 'r':
        *byte = '\r';
        return true;
    case 'n':
        *byte = '\n';
        return true;
    case 't':
        *byte = '\t';
        return true;
    case '\\':
        *byte = '\\';
        return true;
    case 'x':
        *used = 3;
        if (rest.len < 3 || digit(rest.at[1]) < 0 || digit(rest.at[2]) < 0)
            return false;
        *byte = (uint8_t)(digit(rest.at[1]) * 16 + digit(rest.at[2]));
        return true;
    default:
        return false;
    }
}

bool engine_unescape(struct bytes text, uint64_t epoch, struct buf *out)
{
    const struct bytes word = bytes_of("{epoch}", 7);

    while (text.len > 0) {
        if (text.at[0] == '\\') {
            uint8_t byte;
            size_t used;

            if (!escaped(bytes_skip(text, 1), &byte, &used))
                return false;
            buf_add_byte(out, byte);
            text = bytes_skip(text, 1 + used);
        } else if (bytes_equal(bytes_take(text, word.len), word)) {
            buf_print(out, "%llu", (unsigned long long)epoch);
            text = bytes_skip(text, word.len);
        } else {
            buf_add_byte(out, text.at[0]);
            text = bytes_skip(text, 1);
        }
    }
    return !out->full;
}
