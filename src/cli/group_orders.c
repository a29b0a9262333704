#include "cli/group_orders.h"

#include "base/text.h"
#include "cli/events.h"
#include "cli/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- when ---- */

/* The same time of the day after; a day is not always 24 hours. */
static int64_t a_day_later(int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm when;

    if (!localtime_r(&seconds, &when))
        return ms;
    when.tm_mday++;
    when.tm_isdst = -1;
    return (int64_t)mktime(&when) * 1000;
}

bool group_read_moment(const char *text, int64_t now_ms, int64_t *ms)
{
    int64_t later;

    if (text_parse_duration(bytes_of_string(text), &later)) {
        if (later < 0 || later > INT64_MAX - now_ms)
            return false;
        *ms = now_ms + later;
        return true;
    }
    if (!events_read_time(text, now_ms, ms))
        return false;
    if (*ms <= now_ms && !strchr(text, '-'))
        *ms = a_day_later(*ms);
    return true;
}

/* ---- URLs ---- */

void group_order_target(const struct client_options *options, const char *verb, bool accept_loss,
                        struct buf *target)
{
    buf_add_string(target, "/api/v1/groups/");
    client_add_segment(target, options->words[0]);
    buf_print(target, "/%s", verb);
    if (accept_loss)
        buf_add_string(target, "?accept_loss=true");
    if (options->to) {
        buf_add_string(target, accept_loss ? "&to=" : "?to=");
        client_add_segment(target, options->to);
    }
}

/* `PREFIX`, or `PREFIX/GROUP`; a name that is cut off would be another group's. */
static bool add_key(struct buf *target, const char *prefix, const char *group, struct err *err)
{
    char key[GROUP_KEY_MAX + 1];

    if ((size_t)snprintf(key, sizeof key, "%s%s%s", prefix, group[0] ? "/" : "", group) >=
        sizeof key)
        return err_set(err, ERR_USAGE, "the name '%s' is too long: '%s/' and it have %d characters",
                       group, prefix, GROUP_KEY_MAX);
    buf_add_string(target, "/api/v1/overrides/");
    client_add_segment(target, key);
    return true;
}

static void add_value(struct buf *target, const char *value)
{
    buf_add_string(target, "/set?value=");
    client_add_segment(target, value);
}

bool group_plan_target(const struct client_options *options, int64_t now_ms, struct buf *target,
                       struct err *err)
{
    char value[128];
    int64_t at_ms;

    if (!group_read_moment(options->at, now_ms, &at_ms))
        return err_set(err, ERR_USAGE,
                       "--at is a time like 03:00 or 2026-12-01T03:00, or 30m from now, found '%s'",
                       options->at);
    if (at_ms <= now_ms)
        return err_set(err, ERR_USAGE, "--at is in the past: '%s'", options->at);
    if ((size_t)snprintf(value, sizeof value, "%lld%s%s", (long long)at_ms, options->to ? " " : "",
                         options->to ? options->to : "") >= sizeof value)
        return err_set(err, ERR_USAGE, "the names are too long");
    if (!add_key(target, "switchover", options->words[0], err))
        return false;
    add_value(target, value);
    return true;
}

static const char *group_of(const struct client_options *options)
{
    return options->word_count ? options->words[0] : "";
}

bool group_pause_target(const struct client_options *options, int64_t now_ms, struct buf *target,
                        struct err *err)
{
    char value[32] = "forever";
    int64_t ms;

    if (options->lasting) {
        if (!text_parse_duration(bytes_of_string(options->lasting), &ms) || ms < 1 ||
            ms > INT64_MAX - now_ms)
            return err_set(err, ERR_USAGE, "--for is a duration like 30m, found '%s'",
                           options->lasting);
        snprintf(value, sizeof value, "%" PRId64, now_ms + ms);
    }
    if (!add_key(target, "failover.pause", group_of(options), err))
        return false;
    add_value(target, value);
    return true;
}

bool group_resume_target(const struct client_options *options, struct buf *target, struct err *err)
{
    if (!add_key(target, "failover.pause", group_of(options), err))
        return false;
    buf_add_string(target, "/clear");
    return true;
}

/* ---- dry runs ---- */

const json_t *group_named(const json_t *groups, const char *name)
{
    const json_t *group;
    size_t i;

    json_array_foreach (groups, i, group)
        if (strcmp(show_string(group, "name"), name) == 0)
            return group;
    return NULL;
}

static const json_t *member_named(const json_t *group, const char *node)
{
    const json_t *member;
    size_t i;

    json_array_foreach (json_object_get(group, "members"), i, member)
        if (strcmp(show_string(member, "node"), node) == 0)
            return member;
    return NULL;
}

/* Why this node would not be the primary; NULL: it would. */
static const char *refusal_of(const json_t *group, const char *to)
{
    const json_t *member = member_named(group, to);

    if (!member)
        return "holds no data of the group";
    if (strcmp(show_string(group, "primary"), to) == 0)
        return "is the primary";
    return show_string(member, "why_not")[0] ? show_string(member, "why_not") : NULL;
}

static void print_figures(const json_t *next, struct buf *out)
{
    const json_t *loss = json_object_get(next, "loss_bytes");

    if (!json_is_integer(loss))
        buf_add_string(out, ", nobody knows how much would be lost in a failover");
    else if (json_integer_value(loss) == 0)
        buf_add_string(out, ", nothing that was acknowledged would be lost in a failover");
    else
        buf_print(out, ", about %lld bytes would be lost in a failover",
                  (long long)json_integer_value(loss));
    if (json_is_integer(json_object_get(next, "expected_ms")))
        buf_print(out, ", in about %lld ms", (long long)show_integer(next, "expected_ms"));
}

bool group_print_outlook(const json_t *group, const char *to, struct buf *out)
{
    const json_t *next = json_object_get(group, "next"), *member;
    const char *primary = show_string(group, "primary"), *winner = show_string(next, "primary");
    const char *refusal = to ? refusal_of(group, to) : NULL;
    bool could = to ? !refusal : winner[0] != '\0';
    size_t i;

    if (refusal)
        buf_print(out, "%s could not be the primary: it %s", to, refusal);
    else if (could)
        buf_print(out, "%s would be the primary instead of %s", to ? to : winner,
                  primary[0] ? primary : "nobody");
    else
        buf_print(out, "nobody could be the primary: %s", show_string(next, "why_nobody"));
    if (could && (!to || strcmp(to, winner) == 0))
        print_figures(next, out);
    buf_add_byte(out, '\n');
    json_array_foreach (json_object_get(group, "members"), i, member)
        if (show_string(member, "why_not")[0])
            buf_print(out, "  %s: %s\n", show_string(member, "node"),
                      show_string(member, "why_not"));
    return could;
}
