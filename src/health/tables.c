/*
 * Describes the room: the keys of a `health_check` section and what they may not say together, the words for outcomes.
 */
#include "health/health.h"

#include "base/must.h"
#include "wire/http1.h"

#include <stddef.h>

#define FIELD(member) offsetof(struct health_check, member)

/* In the order of enum health_check_kind. */
static const char *const kinds[] = {"auto", "tcp", "http", NULL};

static const struct option expect_options[] = {
    {"from", OPTION_NUMBER, FIELD(expect_low), 200, 599, "200", AT_RELOAD, 0,
     "The lowest healthy status."},
    {"to", OPTION_NUMBER, FIELD(expect_high), 200, 599, "399", AT_RELOAD, 0,
     "The highest healthy status."},
    {0},
};

const struct option health_check_options[] = {
    {"type", OPTION_CHOICE, FIELD(kind), 0, 0, "auto", AT_RELOAD, 0,
     "How to ask: `http` sends a request, `tcp` only connects (and does not see a process that "
     "hangs);"
     " `auto` is http when a path is given, else tcp.",
     .choices = kinds},
    {"path", OPTION_TEXT, FIELD(path), 1, 1024, NULL, AT_RELOAD, 0,
     "The target of an HTTP check; `/` when only `type: http` is given."},
    {"host", OPTION_TEXT, FIELD(host), 1, 255, NULL, AT_RELOAD, 0,
     "The Host field of an HTTP check; the backend's endpoint when absent."},
    {"method", OPTION_TEXT, FIELD(method), 1, 16, "GET", AT_RELOAD, 0,
     "The method of an HTTP check."},
    {"expect", OPTION_SECTION, 0, 0, 0, NULL, AT_RELOAD, 0,
     "The range of statuses that an HTTP check takes for healthy.", .rows = expect_options},
    {"port", OPTION_NUMBER, FIELD(port), 0, 65535, "0", AT_RELOAD, 0,
     "The port that checks connect to; 0 is the backend's own."},
    {"interval", OPTION_DURATION, FIELD(interval_ms), 10, 3600000, "1s", AT_RELOAD, 0,
     "At most this long passes between the beginnings of two checks; after a surprising outcome, "
     "half of it."},
    {"timeout", OPTION_DURATION, FIELD(timeout_ms), 1, 3600000, "500ms", AT_RELOAD, 0,
     "A check that has no whole answer by then has failed, connecting included."},
    {"unhealthy_threshold", OPTION_NUMBER, FIELD(unhealthy_threshold), 1, 100, "3", AT_RELOAD, 0,
     "So many failed checks in a row take a backend out of traffic."},
    {"healthy_threshold", OPTION_NUMBER, FIELD(healthy_threshold), 1, 100, "2", AT_RELOAD, 0,
     "So many good checks in a row bring a backend back."},
    {"jitter", OPTION_PERCENT, FIELD(jitter), 0, 5000, "10%", AT_RELOAD, 0,
     "Checks come up to this part of the interval early, at random, so that those of many backends "
     "spread."},
    {0},
};

static const char *const outcome_names[] = {
    [HEALTH_OK] = "ok",
    [HEALTH_REFUSED] = "refused",
    [HEALTH_UNREACHABLE] = "unreachable",
    [HEALTH_TIMEOUT] = "timeout",
    [HEALTH_RESET] = "reset",
    [HEALTH_BAD_STATUS] = "bad status",
    [HEALTH_GARBAGE] = "garbage",
    [HEALTH_UNRESOLVED] = "unresolved",
    [HEALTH_CUT_SHORT] = "cut short",
};
_Static_assert(ARRAY_LEN(outcome_names) == HEALTH_OUTCOMES, "every outcome has a name");

const char *health_outcome_name(enum health_outcome outcome)
{
    must((unsigned)outcome < HEALTH_OUTCOMES);
    return outcome_names[outcome];
}

enum health_check_kind health_check_settle(const struct health_check *check)
{
    if (check->kind != CHECK_NONE)
        return (enum health_check_kind)check->kind;
    return check->path.count ? CHECK_HTTP : CHECK_TCP;
}

static bool visible(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] <= ' ' || text.at[i] >= 127)
            return false;
    return true;
}

const char *health_check_contradiction(const struct health_check *check, struct image image,
                                       const char **key)
{
    struct bytes path = image_text(image, check->path);

    *key = "path";
    if (path.len && (path.at[0] != '/' || !visible(path)))
        return "the path of a check begins with '/' and has no blanks or control characters";
    if (path.len && check->kind == CHECK_TCP)
        return "a TCP check asks for no path; leave it out, or write `type: http`";
    *key = "host";
    if (!visible(image_text(image, check->host)))
        return "the host of a check has no blanks or control characters";
    *key = "method";
    if (!http1_is_token(image_text(image, check->method)))
        return "the method of a check is a word such as GET or HEAD";
    *key = "expect";
    if (check->expect_low > check->expect_high)
        return "the range of healthy statuses is empty: `from` is above `to`";
    return NULL;
}
