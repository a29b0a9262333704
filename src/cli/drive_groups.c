/*
 * The commands about groups: who is the primary, and who shall be.
 */
#include "base/clock.h"
#include "base/text.h"
#include "cli/events.h"
#include "cli/operate.h"
#include "cli/order.h"
#include "cli/show.h"
#include "cli/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_MAX = 1 << 20, FAILOVERS_MAX = 100 };

static void print(struct buf *out)
{
    if (out->len)
        fwrite(out->at, 1, out->len, stdout);
    buf_fini(out);
}

/* ---- what is ---- */

static bool ask_groups(const struct client_options *options, struct client_reply *reply,
                       struct err *err)
{
    return client_ask_json(options->socket, "GET", "/api/v1/groups", CLIENT_TIMEOUT_MS, reply,
                           err) &&
           client_was_granted(reply, err);
}

int run_group_list(int argc, char **argv)
{
    static const char *const flags[] = {"--json", NULL};
    struct client_options options;
    struct client_reply reply;
    struct buf out;
    struct canvas canvas = {.out = &out, .colour = terminal_colours()};
    struct err err;

    if (!client_parse(&options, argc, argv, 0, flags, &err) || !ask_groups(&options, &reply, &err))
        return client_fail("group list", &err);
    buf_init(&out, PAGE_MAX);
    if (options.json)
        order_dump(json_object_get(reply.json, "groups"));
    else
        show_groups(&canvas, json_object_get(reply.json, "groups"), true);
    print(&out);
    json_decref(reply.json);
    return 0;
}

static const json_t *group_named(const json_t *groups, const char *name)
{
    const json_t *group;
    size_t i;

    json_array_foreach (groups, i, group)
        if (strcmp(show_string(group, "name"), name) == 0)
            return group;
    return NULL;
}

/* ---- dry runs ---- */

static void say_outlook(const json_t *group)
{
    const json_t *next = json_object_get(group, "next"), *member;
    const json_t *loss = json_object_get(next, "loss_bytes");
    size_t i;

    if (show_string(next, "primary")[0])
        printf("%s would be the primary instead of %s", show_string(next, "primary"),
               show_string(group, "primary")[0] ? show_string(group, "primary") : "nobody");
    else
        printf("nobody could be the primary: %s", show_string(next, "why_nobody"));
    if (json_is_integer(loss))
        printf(", at most %lld bytes would be lost in a failover",
               (long long)json_integer_value(loss));
    if (json_is_integer(json_object_get(next, "expected_ms")))
        printf(", in about %lld ms", (long long)show_integer(next, "expected_ms"));
    putchar('\n');
    json_array_foreach (json_object_get(group, "members"), i, member)
        if (show_string(member, "why_not")[0])
            printf("  %s: %s\n", show_string(member, "node"), show_string(member, "why_not"));
}

/* What would happen, from what is known now; nothing is changed. */
static int dry_run(const char *command, const struct client_options *options)
{
    struct client_reply reply;
    const json_t *group;
    struct err err;
    int code = 0;

    if (!ask_groups(options, &reply, &err))
        return client_fail(command, &err);
    group = group_named(json_object_get(reply.json, "groups"), options->words[0]);
    if (!group) {
        fprintf(stderr, "nines %s: there is no group '%s'\n", command, options->words[0]);
        json_decref(reply.json);
        return EXIT_REFUSED;
    }
    if (!show_string(json_object_get(group, "next"), "primary")[0])
        code = EXIT_REFUSED;
    if (options->json)
        order_dump(json_object_get(group, "next"));
    else
        say_outlook(group);
    json_decref(reply.json);
    return code;
}

/* ---- orders ---- */

static void add_group(struct buf *out, const char *group, const char *verb)
{
    buf_add_string(out, "/api/v1/groups/");
    client_add_segment(out, group);
    buf_print(out, "/%s", verb);
}

static void add_to(struct buf *out, const struct client_options *options)
{
    if (!options->to)
        return;
    buf_print(out, "%sto=", memchr(out->at, '?', out->len) ? "&" : "?");
    client_add_segment(out, options->to);
}

/* Kept by the cluster, and carried out by whoever leads then. */
static int plan(const struct client_options *options)
{
    char target[ORDER_TARGET_MAX], done[256], value[128];
    int64_t at_ms, now_ms = clock_wall_ms();
    struct buf out;
    struct err err;

    if (!events_read_time(options->at, 0, &at_ms) &&
        !events_read_time(options->at, now_ms, &at_ms)) {
        (void)err_set(&err, ERR_USAGE, "--at is a time like 03:00 or 2026-12-01T03:00, found '%s'",
                      options->at);
        return client_fail("switchover", &err);
    }
    if (at_ms <= now_ms) {
        (void)err_set(&err, ERR_USAGE, "--at is in the past: '%s'", options->at);
        return client_fail("switchover", &err);
    }
    snprintf(value, sizeof value, "%lld %.64s", (long long)at_ms, options->to ? options->to : "");
    buf_over(&out, target, sizeof target);
    buf_add_string(&out, "/api/v1/overrides/");
    snprintf(done, sizeof done, "switchover/%.64s", options->words[0]);
    client_add_segment(&out, done);
    buf_add_string(&out, "/set?value=");
    client_add_segment(&out, value);
    snprintf(done, sizeof done,
             "the switchover of %.64s is planned; `nines override list` shows it",
             options->words[0]);
    return order_send("switchover", options, &out, done);
}

int run_switchover(int argc, char **argv)
{
    static const char *const flags[] = {
        "--json", "--dry-run", "--timeout=", "--to=", "--at=", NULL};
    char target[ORDER_TARGET_MAX], done[256];
    struct client_options options;
    struct buf out;
    struct err err;

    if (!client_parse(&options, argc, argv, 1, flags, &err))
        return client_fail("switchover", &err);
    if (options.dry_run)
        return dry_run("switchover", &options);
    if (options.at)
        return plan(&options);
    buf_over(&out, target, sizeof target);
    add_group(&out, options.words[0], "switchover");
    add_to(&out, &options);
    snprintf(done, sizeof done, "%.64s has another primary", options.words[0]);
    return order_send("switchover", &options, &out, done);
}

/* On a terminal a person is asked; a script has to say it. */
static bool is_loss_accepted(const struct client_options *options)
{
    char answer[128] = "";

    if (options->accept_loss)
        return true;
    if (!terminal_present())
        return false;
    printf(
        "A failover by hand takes the primary away while it may be well. Where nobody is known to "
        "have\neverything, acknowledged writes are lost; `nines failover %s --dry-run` says how "
        "much.\nType the group's name to accept that loss, nothing to go on without: ",
        options->words[0]);
    fflush(stdout);
    if (!fgets(answer, sizeof answer, stdin))
        return false;
    answer[strcspn(answer, "\n")] = '\0';
    return strcmp(answer, options->words[0]) == 0;
}

int run_failover(int argc, char **argv)
{
    static const char *const flags[] = {"--json",     "--dry-run", "--yes-i-accept-loss",
                                        "--timeout=", "--to=",     NULL};
    char target[ORDER_TARGET_MAX], done[256];
    struct client_options options;
    struct buf out;
    struct err err;

    if (!client_parse(&options, argc, argv, 1, flags, &err))
        return client_fail("failover", &err);
    if (options.dry_run)
        return dry_run("failover", &options);
    buf_over(&out, target, sizeof target);
    add_group(&out, options.words[0], "failover");
    if (is_loss_accepted(&options))
        buf_add_string(&out, "?accept_loss=true");
    add_to(&out, &options);
    snprintf(done, sizeof done, "%.64s has another primary", options.words[0]);
    return order_send("failover", &options, &out, done);
}

/* ---- pause ---- */

static int set_pause(const char *command, const struct client_options *options, const char *value)
{
    char target[ORDER_TARGET_MAX], key[128], done[256];
    const char *group = options->word_count ? options->words[0] : "";
    struct buf out;

    snprintf(key, sizeof key, "failover.pause%s%.60s", group[0] ? "/" : "", group);
    buf_over(&out, target, sizeof target);
    buf_add_string(&out, "/api/v1/overrides/");
    client_add_segment(&out, key);
    buf_print(&out, "/%s", value ? "set?value=" : "clear");
    if (value)
        client_add_segment(&out, value);
    snprintf(done, sizeof done, "automatic failover of %.60s is %s",
             group[0] ? group : "all groups", value ? "paused" : "on again");
    return order_send(command, options, &out, done);
}

int run_pause(int argc, char **argv)
{
    static const char *const flags[] = {"--json", "--timeout=", "--for=", NULL};
    char value[32] = "forever";
    struct client_options options;
    struct err err;
    int64_t ms;

    if (!client_parse_some(&options, argc, argv, (struct client_operands){0, 1}, flags, &err))
        return client_fail("pause", &err);
    if (options.lasting) {
        if (!text_parse_duration(bytes_of_string(options.lasting), &ms) || ms < 1) {
            (void)err_set(&err, ERR_USAGE, "--for is a duration like 30m, found '%s'",
                          options.lasting);
            return client_fail("pause", &err);
        }
        snprintf(value, sizeof value, "%lld", (long long)(clock_wall_ms() + ms));
    }
    return set_pause("pause", &options, value);
}

int run_resume(int argc, char **argv)
{
    static const char *const flags[] = {"--json", "--timeout=", NULL};
    struct client_options options;
    struct err err;

    if (!client_parse_some(&options, argc, argv, (struct client_operands){0, 1}, flags, &err))
        return client_fail("resume", &err);
    return set_pause("resume", &options, NULL);
}

/* ---- what was ---- */

static int by_time(const void *a, const void *b)
{
    const json_t *const *left = a, *const *right = b;
    int64_t one = show_integer(*left, "wall_ms"), other = show_integer(*right, "wall_ms");

    return one < other ? -1 : one > other;
}

/* The newest of both kinds, oldest first. */
static json_t *merge(json_t *const *pages, size_t count)
{
    const json_t *all[4 * FAILOVERS_MAX];
    json_t *merged = json_array(), *event;
    size_t n = 0, i;

    for (size_t p = 0; p < count; p++)
        json_array_foreach (json_object_get(pages[p], "events"), i, event)
            if (n < sizeof all / sizeof all[0])
                all[n++] = event;
    qsort(all, n, sizeof all[0], by_time);
    for (i = 0; i < n; i++)
        (void)json_array_append(merged, (json_t *)(uintptr_t)all[i]);
    return merged;
}

int run_failovers(int argc, char **argv)
{
    static const char *const flags[] = {"--json", NULL};
    static const char *const codes_of[] = {"failover-done", "switchover-done"};
    struct client_options options;
    struct client_reply replies[2];
    json_t *pages[2], *merged;
    struct buf out;
    struct canvas canvas = {.out = &out, .colour = terminal_colours()};
    struct err err;

    if (!client_parse(&options, argc, argv, 0, flags, &err))
        return client_fail("failovers", &err);
    for (size_t i = 0; i < 2; i++) {
        char target[128];

        snprintf(target, sizeof target, "/api/v1/events?limit=%d&code=%s", FAILOVERS_MAX,
                 codes_of[i]);
        if (!client_ask_json(options.socket, "GET", target, CLIENT_TIMEOUT_MS, &replies[i], &err) ||
            !client_was_granted(&replies[i], &err)) {
            if (i)
                json_decref(replies[0].json);
            return client_fail("failovers", &err);
        }
        pages[i] = replies[i].json;
    }
    merged = merge(pages, 2);
    buf_init(&out, PAGE_MAX);
    if (options.json)
        order_dump(merged);
    else
        show_failovers(&canvas, merged);
    print(&out);
    json_decref(merged);
    json_decref(pages[0]);
    json_decref(pages[1]);
    return 0;
}
