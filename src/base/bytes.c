#include "base/bytes.h"

#include "base/must.h"

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    return true;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

struct bytes bytes_trim(struct bytes all)
{
    while (all.len && is_blank(all.at[0]))
        all = bytes_skip(all, 1);
    while (all.len && is_blank(all.at[all.len - 1]))
        all.len--;
    return all;
}

char *bytes_to_string(struct bytes all, char *text, size_t cap)
{
    size_t len = all.len < cap ? all.len : cap - 1;

    must(cap > 0);
    if (len)
        memcpy(text, all.at, len);
    text[len] = '\0';
    return text;
}
