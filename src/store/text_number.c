/*
 * Numbers as Redis reads and prints them.
 */
#include "store/call.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* No blanks, no plus, no zero in front, no -0. */
bool text_to_number(struct bytes text, int64_t *number)
{
    bool negative = text.len > 0 && text.at[0] == '-';
    uint64_t value = 0, digit, limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;

    if (text.len == 0 || text.len > 20)
        return false;
    if (text.len == 1 && text.at[0] == '0') {
        *number = 0;
        return true;
    }
    text = bytes_skip(text, negative);
    if (text.len == 0 || text.at[0] == '0')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        digit = (uint64_t)text.at[i] - '0';
        if (digit > 9 || value > (limit - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *number = (int64_t)(negative ? -value : value);
    return true;
}

size_t number_to_text(int64_t number, char *text)
{
    char digits[20];
    uint64_t value = number < 0 ? -(uint64_t)number : (uint64_t)number;
    size_t len = 0, at = 0;

    do {
        digits[len++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    if (number < 0)
        text[at++] = '-';
    while (len > 0)
        text[at++] = digits[--len];
    return at;
}

enum { FLOAT_TEXT_MAX = 256 };

static bool copy_float(struct bytes text, char *copy)
{
    if (text.len == 0 || text.len >= FLOAT_TEXT_MAX || isspace(text.at[0]))
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return true;
}

bool text_to_double(struct bytes text, double *number)
{
    char copy[FLOAT_TEXT_MAX], *end;
    double value;

    if (!copy_float(text, copy))
        return false;
    errno = 0;
    value = strtod(copy, &end);
    if (end != copy + text.len || isnan(value) ||
        (errno == ERANGE &&
         (value == HUGE_VAL || value == -HUGE_VAL || fpclassify(value) == FP_ZERO)))
        return false;
    *number = value;
    return true;
}

bool text_to_long_double(struct bytes text, long double *number)
{
    char copy[FLOAT_TEXT_MAX], *end;
    long double value;

    if (!copy_float(text, copy))
        return false;
    errno = 0;
    value = strtold(copy, &end);
    if (end != copy + text.len || isnan(value) ||
        (errno == ERANGE &&
         (value == HUGE_VALL || value == -HUGE_VALL || fpclassify(value) == FP_ZERO)))
        return false;
    *number = value;
    return true;
}

size_t double_to_text(double number, char *text)
{
    if (isinf(number))
        return (size_t)snprintf(text, CALL_DOUBLE_MAX, "%s", number > 0 ? "inf" : "-inf");
    return (size_t)snprintf(text, CALL_DOUBLE_MAX, "%.17g", number);
}

size_t long_double_to_text(long double number, char *text)
{
    size_t len;

    if (isinf(number))
        return (size_t)snprintf(text, CALL_LONG_DOUBLE_MAX, "%s", number > 0 ? "inf" : "-inf");
    len = (size_t)snprintf(text, CALL_LONG_DOUBLE_MAX, "%.17Lf", number);
    while (text[len - 1] == '0')
        len--;
    if (text[len - 1] == '.')
        len--;
    if (len == 2 && text[0] == '-' && text[1] == '0') {
        text[0] = '0';
        len = 1;
    }
    return len;
}
