#include "store/glob.h"

/* Whether `byte` is in the class whose `[` is at `at`; moves `at` past it. A class that does not end goes on to the pattern's end. */
static bool in_class(struct bytes pattern, size_t *at, uint8_t byte)
{
    size_t i = *at + 1;
    bool negated = i < pattern.len && pattern.at[i] == '^', found = false;

    if (negated)
        i++;
    for (; i < pattern.len && pattern.at[i] != ']'; i++) {
        uint8_t low = pattern.at[i], high;

        if (low == '\\' && i + 1 < pattern.len) {
            found |= pattern.at[++i] == byte;
        } else if (i + 2 < pattern.len && pattern.at[i + 1] == '-') {
            high = pattern.at[i + 2];
            found |= low <= high ? byte >= low && byte <= high : byte >= high && byte <= low;
            i += 2;
        } else {
            found |= low == byte;
        }
    }
    *at = i < pattern.len ? i + 1 : i;
    return found != negated;
}

/* One byte against what stands at `at`, which is moved past it. */
static bool matches_one(struct bytes pattern, size_t *at, uint8_t byte)
{
    uint8_t want = pattern.at[*at];

    if (want == '[')
        return in_class(pattern, at, byte);
    if (want == '\\' && *at + 1 < pattern.len)
        want = pattern.at[++*at];
    else if (want == '?')
        want = byte;
    ++*at;
    return want == byte;
}

bool glob_matches(struct bytes pattern, struct bytes text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;

    while (t < text.len) {
        size_t next = p;

        if (p < pattern.len && pattern.at[p] == '*') {
            star = ++p;
            mark = t;
        } else if (p < pattern.len && matches_one(pattern, &next, text.at[t])) {
            p = next;
            t++;
        } else if (star != SIZE_MAX) {
            /* The star before takes one byte more. */
            p = star;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.at[p] == '*')
        p++;
    return p == pattern.len;
}
