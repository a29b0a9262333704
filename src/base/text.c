#include "base/text.h"

#include "base/instant.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first; the last is the unit itself. */
static const struct unit durations[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};
static const struct unit sizes[] = {
    {"TiB", 1LL << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}, {NULL, 0},
};

/* Digits at the beginning of *text, which moves past them. */
static bool take_digits(struct bytes *text, int64_t *number)
{
    size_t used = 0;
    int64_t value = 0;

    while (used < text->len && text->at[used] >= '0' && text->at[used] <= '9') {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text->at[used] - '0', &value))
            return false;
        used++;
    }
    *number = value;
    *text = bytes_skip(*text, used);
    return used > 0;
}

bool text_parse_number(struct bytes text, int64_t *number)
{
    bool negative = text.len > 0 && text.at[0] == '-';
    int64_t value;

    if (negative)
        text = bytes_skip(text, 1);
    if (!take_digits(&text, &value) || text.len > 0)
        return false;
    *number = negative ? -value : value;
    return true;
}

static bool parse_quantity(struct bytes text, const struct unit *units, int64_t *result)
{
    int64_t number;

    if (!take_digits(&text, &number))
        return false;
    for (; units->name; units++)
        if (bytes_equal(text, bytes_of_string(units->name)))
            return !__builtin_mul_overflow(number, units->factor, result);
    return false;
}

bool text_parse_duration(struct bytes text, int64_t *ms)
{
    int64_t value;

    if (!parse_quantity(text, durations, &value))
        return false;
    *ms = value;
    return true;
}

bool text_parse_size(struct bytes text, int64_t *size)
{
    int64_t value;

    if (!parse_quantity(text, sizes, &value))
        return false;
    *size = value;
    return true;
}

bool text_parse_percent(struct bytes text, int64_t *hundredths)
{
    int64_t whole, fraction = 0, value;

    if (!take_digits(&text, &whole) || __builtin_mul_overflow(whole, 100, &value))
        return false;
    if (text.len > 0 && text.at[0] == '.') {
        size_t before = text.len - 1;

        text = bytes_skip(text, 1);
        if (!take_digits(&text, &fraction) || before - text.len > 2)
            return false;
        if (before - text.len == 1)
            fraction *= 10;
    }
    if (!bytes_equal(text, BYTES("%")) || __builtin_add_overflow(value, fraction, &value))
        return false;
    *hundredths = value;
    return true;
}

static char *print_quantity(int64_t number, const struct unit *unit, char *text)
{
    must(number >= 0);
    while (unit->factor > 1 && (number == 0 || number % unit->factor != 0))
        unit++;
    snprintf(text, TEXT_QUANTITY_MAX, "%" PRId64 "%s", number / unit->factor, unit->name);
    return text;
}

char *text_print_duration(int64_t ms, char *text)
{
    if (ms == 0) {
        snprintf(text, TEXT_QUANTITY_MAX, "0s");
        return text;
    }
    return print_quantity(ms, durations, text);
}

char *text_print_size(int64_t size, char *text)
{
    return print_quantity(size, sizes, text);
}

char *text_print_percent(int64_t hundredths, char *text)
{
    int whole = snprintf(text, TEXT_QUANTITY_MAX, "%" PRId64, hundredths / 100);
    int64_t rest = hundredths % 100;

    must(hundredths >= 0);
    if (rest % 10)
        snprintf(text + whole, TEXT_QUANTITY_MAX - (size_t)whole, ".%02d%%", (int)rest);
    else if (rest)
        snprintf(text + whole, TEXT_QUANTITY_MAX - (size_t)whole, ".%d%%", (int)rest / 10);
    else
        snprintf(text + whole, TEXT_QUANTITY_MAX - (size_t)whole, "%%");
    return text;
}

/* Three significant digits. */
static char *print_scaled(double value, const char *unit, char *text)
{
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

    snprintf(text, TEXT_QUANTITY_MAX, "%.*f %s", decimals, value, unit);
    return text;
}

static char *print_pair(int64_t seconds, int64_t large, char large_name, int64_t small,
                        char small_name, char *text)
{
    snprintf(text, TEXT_QUANTITY_MAX, "%" PRId64 "%c %" PRId64 "%c", seconds / large, large_name,
             seconds % large / small, small_name);
    return text;
}

char *text_print_elapsed(int64_t ns, char *text)
{
    int64_t seconds = ns / NS_PER_S;

    must(ns >= 0);
    if (seconds >= 86400)
        return print_pair(seconds, 86400, 'd', 3600, 'h', text);
    if (seconds >= 3600)
        return print_pair(seconds, 3600, 'h', 60, 'm', text);
    if (seconds >= 60)
        return print_pair(seconds, 60, 'm', 1, 's', text);
    if (ns < NS_PER_US) {
        snprintf(text, TEXT_QUANTITY_MAX, "%" PRId64 " ns", ns);
        return text;
    }
    /* What would round to 1000 belongs to the next unit. */
    if (ns < 999500)
        return print_scaled((double)ns / 1e3, "us", text);
    if (ns < 999500000)
        return print_scaled((double)ns / 1e6, "ms", text);
    return print_scaled((double)ns / 1e9, "s", text);
}

char *text_print_amount(int64_t size, char *text)
{
    const struct unit *unit = sizes;

    must(size >= 0);
    while (unit->factor > 1 && size < unit->factor)
        unit++;
    if (unit->factor > 1)
        return print_scaled((double)size / (double)unit->factor, unit->name, text);
    snprintf(text, TEXT_QUANTITY_MAX, "%" PRId64 " B", size);
    return text;
}
