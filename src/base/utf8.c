#include "base/utf8.h"

unsigned utf8_step(struct bytes text, uint32_t *character)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = text.len ? text.at[0] : 0x80;
    unsigned len = first < 0x80 ? 1 : (first >> 5) == 6 ? 2 : (first >> 4) == 14 ? 3 : 4;
    uint32_t value = len == 1 ? first : first & (0x7fU >> len);

    if (len > text.len || (len == 4 && (first >> 3) != 30))
        return 0;
    for (unsigned i = 1; i < len; i++) {
        if ((text.at[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (text.at[i] & 0x3f);
    }
    if (value < smallest[len] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *character = value;
    return len;
}

size_t utf8_valid(struct bytes text)
{
    size_t at = 0;
    unsigned len;
    uint32_t character;

    while ((len = utf8_step(bytes_skip(text, at), &character)) > 0)
        at += len;
    return at;
}

bool utf8_printable(uint32_t character)
{
    bool control = character < 0x20 || (character >= 0x7f && character < 0xa0);
    bool separator = character == 0x2028 || character == 0x2029;

    return !control && !separator && character != 0xfeff && (character & 0xfffe) != 0xfffe;
}

bool utf8_visible(uint32_t character)
{
    bool formats = (character >= 0x200b && character <= 0x200f) || character == 0xad ||
                   (character >= 0x202a && character <= 0x202e) ||
                   (character >= 0x2060 && character <= 0x206f);

    return utf8_printable(character) && !formats;
}
