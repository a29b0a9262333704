/*
 * Groups as `nines status` and `nines group list` print them: who is the primary, who is next, and why nobody is.
 */
#include "cli/show.h"

#include <stdio.h>
#include <string.h>

/* Widths; with a blank between, the table has SHOW_COLUMNS. */
enum {
    COLUMN_GROUP = 18,
    COLUMN_ROLE = 9,
    COLUMN_STATE = 9,
    COLUMN_SYNC = 8,
    COLUMN_LAG = 8,
    COLUMN_NOTE =
        SHOW_COLUMNS - COLUMN_GROUP - COLUMN_ROLE - COLUMN_STATE - COLUMN_SYNC - COLUMN_LAG - 5,
};

static bool is(const json_t *object, const char *key, const char *word)
{
    return strcmp(show_string(object, key), word) == 0;
}

static const struct {
    const char *key, *text;
} warnings[] = {
    {"paused", "  failover is paused: `nines resume` takes that back"},
    {"degraded", "  degraded: acknowledged by fewer than asked for"},
    {"unclean", "  an unclean election may have lost writes"},
};

static void group_line(struct canvas *canvas, const json_t *group)
{
    const json_t *next = json_object_get(group, "next");
    const char *primary = show_string(group, "primary"), *target = show_string(group, "target");
    bool serving = is(group, "phase", "serving");

    canvas_print(canvas, STRONG, "%s", show_string(group, "name"));
    canvas_print(canvas, PLAIN, ", %s, %s: ", show_string(group, "engine"),
                 show_string(group, "mode"));
    if (serving)
        canvas_print(canvas, GOOD, "%s is the primary", primary);
    else if (primary[0])
        canvas_print(canvas, WARN, "%s, %s%s%s", show_string(group, "phase"), primary,
                     target[0] ? " to " : "", target);
    else
        canvas_print(canvas, BAD, "%s, no primary", show_string(group, "phase"));
    canvas_print(canvas, PLAIN, ", epoch %lld", (long long)show_integer(group, "epoch"));
    canvas_end(canvas);
    for (size_t i = 0; i < sizeof warnings / sizeof warnings[0]; i++)
        if (show_truth(group, warnings[i].key)) {
            canvas_text(canvas, WARN, warnings[i].text);
            canvas_end(canvas);
        }
    if (show_string(next, "why_nobody")[0]) {
        canvas_text(canvas, BAD, "  nobody could follow: ");
        canvas_text(canvas, PLAIN, show_string(next, "why_nobody"));
        canvas_end(canvas);
    } else if (is(group, "phase", "unknown")) {
        canvas_print(canvas, WARN, "  %s", show_string(group, "sentence"));
        canvas_end(canvas);
    }
}

static const char *note_of(const json_t *member)
{
    if (show_truth(member, "next"))
        return "next";
    if (show_truth(member, "loading"))
        return "copies";
    return is(member, "role", "primary") ? "" : show_string(member, "why_not");
}

static void member_line(struct canvas *canvas, const json_t *member)
{
    const json_t *lag = json_object_get(member, "lag_ms");
    bool primary = is(member, "role", "primary"), running = is(member, "state", "running");
    char text[128];

    snprintf(text, sizeof text, "  %.100s", show_string(member, "node"));
    canvas_left(canvas, COLUMN_GROUP, PLAIN, text);
    canvas_left(canvas, COLUMN_ROLE, primary ? STRONG : PLAIN, show_string(member, "role"));
    canvas_left(canvas, COLUMN_STATE, running ? GOOD : BAD, show_string(member, "state"));
    canvas_left(canvas, COLUMN_SYNC, PLAIN,
                show_truth(member, "in_sync")    ? "in sync"
                : show_truth(member, "eligible") ? "eligible"
                                                 : "-");
    canvas_right(canvas, COLUMN_LAG, DIM,
                 primary                ? ""
                 : json_is_integer(lag) ? canvas_age(json_integer_value(lag), text)
                                        : "-");
    canvas_left(canvas, COLUMN_NOTE, DIM, note_of(member));
    canvas_end(canvas);
}

static bool is_whole(const json_t *group)
{
    json_t *members = json_object_get(group, "members"), *member;
    size_t i;

    json_array_foreach (members, i, member)
        if (!is(member, "state", "running") || !show_truth(member, "in_sync"))
            return false;
    return is(group, "phase", "serving");
}

static void clients_line(struct canvas *canvas, const json_t *group)
{
    const json_t *clients = json_object_get(group, "clients");

    if (show_integer(clients, "waiting") == 0)
        return;
    canvas_print(canvas, WARN, "  %lld clients wait", (long long)show_integer(clients, "waiting"));
    canvas_end(canvas);
}

void show_groups(struct canvas *canvas, const json_t *groups, bool all)
{
    const json_t *group;
    json_t *member;
    size_t i, m;

    json_array_foreach (groups, i, group) {
        group_line(canvas, group);
        clients_line(canvas, group);
        if (!all && is_whole(group))
            continue;
        json_array_foreach (json_object_get(group, "members"), m, member)
            member_line(canvas, member);
    }
}

/* ---- failovers ---- */

/* -1: it is not said, or not known. */
static int64_t number_of(const json_t *event, const char *kind)
{
    const json_t *number;
    size_t i;

    json_array_foreach (json_object_get(event, "numbers"), i, number)
        if (is(number, "kind", kind))
            return show_integer(number, "value");
    return -1;
}

static void figure(struct canvas *canvas, uint32_t width, const json_t *event, const char *kind)
{
    int64_t value = number_of(event, kind);
    char text[CANVAS_FIGURE_MAX];

    if (value < 0)
        snprintf(text, sizeof text, "-");
    else
        snprintf(text, sizeof text, "%lld", (long long)value);
    canvas_right(canvas, width, PLAIN, text);
}

static const struct {
    const char *title, *key;
    uint32_t width;
} phases[] = {
    {"DETECT", "detect_ms", 6},   {"DECIDE", "decide_ms", 6},   {"FENCE", "fence_ms", 6},
    {"PROMISE", "promise_ms", 7}, {"PROMOTE", "promote_ms", 7}, {"VERIFY", "verify_ms", 6},
    {"TOTAL", "elapsed_ms", 6},   {"WAITED", "waited", 6},      {"FAILED", "failed", 6},
    {"LOST", "lost_bytes", 6},
};

void show_failovers(struct canvas *canvas, const json_t *events)
{
    const json_t *event;
    size_t i;

    canvas_left(canvas, 2, PLAIN, "");
    for (size_t p = 0; p < sizeof phases / sizeof phases[0]; p++)
        canvas_right(canvas, phases[p].width, STRONG, phases[p].title);
    canvas_end(canvas);
    json_array_foreach (events, i, event) {
        canvas_print(canvas, PLAIN, "%s ", show_string(event, "time"));
        canvas_text(canvas, PLAIN, show_string(event, "text"));
        canvas_end(canvas);
        canvas_left(canvas, 2, PLAIN, "");
        for (size_t p = 0; p < sizeof phases / sizeof phases[0]; p++)
            figure(canvas, phases[p].width, event, phases[p].key);
        canvas_end(canvas);
    }
    if (json_array_size(events) == 0) {
        canvas_text(canvas, DIM, "none yet");
        canvas_end(canvas);
    }
}
