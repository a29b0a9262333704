#include "topology/moment.h"

#include <stdio.h>

static bool is_far(struct moment moment, int64_t wall_ms)
{
    return moment.wall_ms > wall_ms && moment.wall_ms - wall_ms > MOMENT_AHEAD_MAX_MS;
}

struct moment moment_next(struct moment last, int64_t wall_ms)
{
    if (wall_ms < 0)
        wall_ms = 0;
    if (wall_ms > last.wall_ms || is_far(last, wall_ms))
        return (struct moment){.wall_ms = wall_ms};
    if (last.counter == UINT32_MAX)
        return (struct moment){.wall_ms = last.wall_ms + 1};
    return (struct moment){.wall_ms = last.wall_ms, .counter = last.counter + 1};
}

struct moment moment_merge(struct moment last, struct moment heard, int64_t wall_ms, bool *far)
{
    *far = heard.wall_ms < 0 || is_far(heard, wall_ms < 0 ? 0 : wall_ms);
    return *far || moment_compare(heard, last) <= 0 ? last : heard;
}

int moment_compare(struct moment a, struct moment b)
{
    if (a.wall_ms != b.wall_ms)
        return a.wall_ms < b.wall_ms ? -1 : 1;
    return a.counter == b.counter ? 0 : a.counter < b.counter ? -1 : 1;
}

/* Days since 1970 to a date of the Gregorian calendar; years begin in March, so that the leap day is the last. */
static void to_date(int64_t days, int *year, int *month, int *day)
{
    int64_t since = days + 719468; /* 0000-03-01 */
    int64_t era = since / 146097, of_era = since % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march = (5 * of_year + 2) / 153;

    *day = (int)(of_year - (153 * march + 2) / 5 + 1);
    *month = (int)(march < 10 ? march + 3 : march - 9);
    *year = (int)(era * 400 + year_of_era + (*month <= 2));
}

char *moment_print(struct moment moment, char *text)
{
    static const int64_t last_ms = 253402300799999; /* the end of 9999 */
    int64_t ms = moment.wall_ms < 0 ? 0 : moment.wall_ms > last_ms ? last_ms : moment.wall_ms;
    int of_day = (int)(ms % 86400000);
    int year, month, day;

    to_date(ms / 86400000, &year, &month, &day);
    snprintf(text, MOMENT_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", year % 10000,
             month % 100, day % 100, of_day / 3600000, of_day / 60000 % 60, of_day / 1000 % 60,
             of_day % 1000);
    return text;
}
