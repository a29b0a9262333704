/*
 * The commands about groups: who is the primary, and who shall be.
 */
#include "base/clock.h"
#include "cli/group_orders.h"
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
    buf_write(out, stdout);
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

/* ---- dry runs ---- */

/* What would happen, from what is known now; nothing is changed. */
static int dry_run(const char *command, const struct client_options *options)
{
    struct client_reply reply;
    const json_t *group;
    struct buf out;
    struct err err;
    bool could;

    if (!ask_groups(options, &reply, &err))
        return client_fail(command, &err);
    group = group_named(json_object_get(reply.json, "groups"), options->words[0]);
    if (!group) {
        fprintf(stderr, "nines %s: there is no group '%s'\n", command, options->words[0]);
        json_decref(reply.json);
        return EXIT_REFUSED;
    }
    buf_init(&out, PAGE_MAX);
    could = group_print_outlook(group, options->to, &out);
    if (options->json) {
        order_dump(json_object_get(group, "next"));
        buf_fini(&out);
    } else {
        print(&out);
    }
    json_decref(reply.json);
    return could ? 0 : EXIT_REFUSED;
}

/* ---- orders ---- */

/* What is kept under a group's name is kept for any name: so it is asked first whether there is such a group. 0: there is, or none was named. */
static int look_for(const char *command, const struct client_options *options)
{
    struct client_reply reply;
    struct err err;
    bool known;

    if (options->word_count == 0)
        return 0;
    if (!ask_groups(options, &reply, &err))
        return client_fail(command, &err);
    known = group_named(json_object_get(reply.json, "groups"), options->words[0]) != NULL;
    json_decref(reply.json);
    if (known)
        return 0;
    fprintf(stderr, "nines %s: there is no group '%s'\n", command, options->words[0]);
    return EXIT_REFUSED;
}

/* Kept by the cluster, and carried out by whoever leads then. */
static int plan(const struct client_options *options)
{
    char target[ORDER_TARGET_MAX], done[256];
    struct buf out;
    struct err err;
    int code;

    buf_over(&out, target, sizeof target);
    if (!group_plan_target(options, clock_wall_ms(), &out, &err))
        return client_fail("switchover", &err);
    if ((code = look_for("switchover", options)))
        return code;
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
    group_order_target(&options, "switchover", false, &out);
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
    fprintf(
        stderr,
        "A failover by hand takes the primary away while it may be well. Where nobody is known to "
        "have\neverything, acknowledged writes are lost; `nines failover %s --dry-run` says how "
        "much.\nType the group's name to accept that loss, nothing to go on without: ",
        options->words[0]);
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
    group_order_target(&options, "failover", is_loss_accepted(&options), &out);
    snprintf(done, sizeof done, "%.64s has another primary", options.words[0]);
    return order_send("failover", &options, &out, done);
}

/* ---- pause ---- */

static int send_pause(const char *command, const struct client_options *options, struct buf *target,
                      const char *how)
{
    char done[256];
    int code = look_for(command, options);

    if (code)
        return code;
    snprintf(done, sizeof done, "automatic failover of %.64s is %s",
             options->word_count ? options->words[0] : "all groups", how);
    return order_send(command, options, target, done);
}

int run_pause(int argc, char **argv)
{
    static const char *const flags[] = {"--json", "--timeout=", "--for=", NULL};
    char target[ORDER_TARGET_MAX];
    struct client_options options;
    struct buf out;
    struct err err;

    buf_over(&out, target, sizeof target);
    if (!client_parse_some(&options, argc, argv, (struct client_operands){0, 1}, flags, &err) ||
        !group_pause_target(&options, clock_wall_ms(), &out, &err))
        return client_fail("pause", &err);
    return send_pause("pause", &options, &out, "paused");
}

int run_resume(int argc, char **argv)
{
    static const char *const flags[] = {"--json", "--timeout=", NULL};
    char target[ORDER_TARGET_MAX];
    struct client_options options;
    struct buf out;
    struct err err;

    buf_over(&out, target, sizeof target);
    if (!client_parse_some(&options, argc, argv, (struct client_operands){0, 1}, flags, &err) ||
        !group_resume_target(&options, &out, &err))
        return client_fail("resume", &err);
    return send_pause("resume", &options, &out, "on again");
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
