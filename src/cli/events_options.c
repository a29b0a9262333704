/*
 * Reads the words of `nines events`, and what people mean by a time.
 */
#include "base/text.h"
#include "cli/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WORDS_MAX = 64 };

/* ---- times ---- */

/* With the date of `now` where there is none. */
static bool read_calendar(const char *text, int64_t now_ms, struct tm *when)
{
    static const char *const formats[] = {
        "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M",
        "%Y-%m-%d",          "%H:%M:%S",          "%H:%M"};
    time_t now = (time_t)(now_ms / 1000);

    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        const char *end;

        *when = (struct tm){.tm_isdst = -1};
        if (formats[i][1] == 'H' && localtime_r(&now, when))
            when->tm_sec = 0;
        end = strptime(text, formats[i], when);
        when->tm_isdst = -1;
        if (end && *end == '\0')
            return true;
    }
    return false;
}

bool events_read_time(const char *text, int64_t now_ms, int64_t *ms)
{
    size_t len = strlen(text);
    bool zulu = len > 0 && text[len - 1] == 'Z';
    struct tm when;
    char copy[32];
    time_t seconds;
    int64_t ago;

    if (text_parse_duration(bytes_of_string(text), &ago)) {
        *ms = ago < now_ms ? now_ms - ago : 1;
        return true;
    }
    if (len >= sizeof copy)
        return false;
    bytes_to_string(bytes_take(bytes_of_string(text), len - zulu), copy, sizeof copy);
    if (!read_calendar(copy, now_ms, &when))
        return false;
    seconds = zulu ? timegm(&when) : mktime(&when);
    *ms = (int64_t)seconds * 1000;
    return seconds > 0;
}

/* ---- words ---- */

static bool take_since(struct events_options *options, const char *value, int64_t now_ms)
{
    return events_read_time(value, now_ms, &options->since_ms);
}

static bool take_node(struct events_options *options, const char *value, int64_t now_ms)
{
    (void)now_ms;
    options->node = value;
    return value[0] != '\0';
}

static bool take_code(struct events_options *options, const char *value, int64_t now_ms)
{
    (void)now_ms;
    options->code = value;
    return code_find_text(bytes_of_string(value)) != NULL;
}

static bool take_severity(struct events_options *options, const char *value, int64_t now_ms)
{
    (void)now_ms;
    options->severity = value;
    for (enum severity i = 0; i < SEVERITIES; i++)
        if (strcmp(value, severity_name(i)) == 0)
            return true;
    return false;
}

static bool take_limit(struct events_options *options, const char *value, int64_t now_ms)
{
    int64_t limit;

    (void)now_ms;
    if (!text_parse_number(bytes_of_string(value), &limit) || limit < 1 || limit > EVENTS_LIMIT_MAX)
        return false;
    options->limit = (uint32_t)limit;
    return true;
}

static const struct word {
    const char *name;
    bool (*take)(struct events_options *options, const char *value, int64_t now_ms);
    const char *expected;
} words[] = {
    {"--since", take_since, "how long ago (10m) or a time (22:30, 2026-11-22T22:30, …Z)"},
    {"--node", take_node, "a node's name"},
    {"--code", take_code, "a code, as in N-1101; `nines explain` lists them"},
    {"--severity", take_severity, "info, warning or critical"},
    {"--limit", take_limit, "1 to 1000"},
};

/* `--word VALUE` or `--word=VALUE`. *used: how many words of argv. 0: it is none of ours. */
static bool take_word(struct events_options *options, int argc, char **argv, int64_t now_ms,
                      int *used, struct err *err)
{
    *used = 0;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t len = strlen(words[i].name);
        const char *value = NULL;

        if (strncmp(argv[0], words[i].name, len) != 0 || (argv[0][len] && argv[0][len] != '='))
            continue;
        *used = argv[0][len] ? 1 : 2;
        if (argv[0][len])
            value = argv[0] + len + 1;
        else if (argc > 1)
            value = argv[1];
        return (value && words[i].take(options, value, now_ms)) ||
               err_set(err, ERR_USAGE, "%s: expected %s", words[i].name, words[i].expected);
    }
    return true;
}

bool events_parse(struct events_options *options, int argc, char **argv, int64_t now_ms,
                  struct err *err)
{
    static const char *const flags[] = {"--json", NULL};
    char *rest[WORDS_MAX];
    int count = 0;

    *options = (struct events_options){0};
    for (int i = 0, used; i < argc; i += used) {
        if (!take_word(options, argc - i, argv + i, now_ms, &used, err))
            return false;
        if (used)
            continue;
        used = 1;
        if (strcmp(argv[i], "--follow") == 0 || strcmp(argv[i], "-f") == 0)
            options->follow = true;
        else if (count < WORDS_MAX)
            rest[count++] = argv[i];
    }
    if (options->limit == 0)
        options->limit = options->since_ms ? EVENTS_LIMIT_MAX
                         : options->follow ? EVENTS_TAIL
                                           : EVENTS_LIMIT;
    return client_parse(&options->client, count, rest, 0, flags, err);
}

/* ---- the URL ---- */

static void add_text(struct buf *target, const char *key, const char *value)
{
    if (!value)
        return;
    buf_print(target, "&%s=", key);
    client_add_segment(target, value);
}

void events_target(const struct events_options *options, const char *next, int64_t wait_ms,
                   struct buf *target)
{
    buf_print(target, "/api/v1/events?limit=%" PRIu32,
              next ? (uint32_t)EVENTS_LIMIT_MAX : options->limit);
    if (options->since_ms)
        buf_print(target, "&since=%" PRId64, options->since_ms);
    if (wait_ms)
        buf_print(target, "&wait=%" PRId64, wait_ms);
    add_text(target, "node", options->node);
    add_text(target, "code", options->code);
    add_text(target, "severity", options->severity);
    add_text(target, "after", next);
}
