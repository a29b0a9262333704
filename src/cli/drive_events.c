/*
 * `nines events`: one page, or page after page for as long as somebody follows; and `nines explain`, which asks nobody.
 */
#include "base/clock.h"
#include "cli/events.h"
#include "cli/show.h"
#include "cli/terminal.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
    OUT_MAX = 64 << 20,
    WAIT_MS = 20000,
    WAIT_TIMEOUT_MS = WAIT_MS + 15000,
    AGAIN_MS = 1000,
    NEXT_MAX = EVENTS_TARGET_MAX / 2,
    MISSING_MAX = 8192,
};

struct following {
    const struct events_options *options;
    struct events_table table;
    char next[NEXT_MAX];       /* "": there was no page yet */
    char missing[MISSING_MAX]; /* as it was said last */
    bool lost;                 /* it was said that nines does not answer */
};

/* False: nobody reads it any more. */
static bool print(struct buf *out)
{
    bool printed = buf_write(out, stdout) && fflush(stdout) == 0;

    buf_fini(out);
    return printed;
}

static void say_missing(struct following *following, json_t *page)
{
    char text[MISSING_MAX];
    struct buf out;

    buf_over(&out, text, sizeof text - 1);
    show_missing(page, &out);
    text[out.len] = '\0';
    if (strcmp(text, following->missing) != 0)
        fputs(text, stderr);
    memcpy(following->missing, text, sizeof text);
}

/* A `next` that is too long to be asked would begin anew: it is not kept, and the follower ends. */
static bool keep_next(struct following *following, json_t *page, struct err *err)
{
    const char *next = show_string(page, "next");

    if (!next[0] || strlen(next) >= sizeof following->next)
        return err_set(err, ERR_PEER, "the answer does not say from where to go on");
    bytes_to_string(bytes_of_string(next), following->next, sizeof following->next);
    return true;
}

static bool show_page(struct following *following, json_t *page)
{
    struct buf out;

    buf_init(&out, OUT_MAX);
    if (following->options->client.json)
        show_events_json(page, &out);
    else
        show_events(page, &following->table, &out);
    say_missing(following, page);
    return print(&out);
}

static bool ask(const struct following *following, struct client_reply *reply, struct err *err)
{
    const struct events_options *options = following->options;
    bool first = following->next[0] == '\0';
    char storage[EVENTS_TARGET_MAX];
    struct buf target;

    buf_over(&target, storage, sizeof storage);
    events_target(options, first ? NULL : following->next, first ? 0 : WAIT_MS, &target);
    buf_add_byte(&target, 0);
    if (target.full)
        return err_set(err, ERR_USAGE, "the names are too long");
    return client_ask_json(options->client.socket, "GET", storage,
                           first ? CLIENT_TIMEOUT_MS : WAIT_TIMEOUT_MS, reply, err);
}

/* ---- one page ---- */

/* As the API says it, places and all. */
static bool dump_page(json_t *page)
{
    return json_dumpf(page, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
}

static int show_once(struct following *following)
{
    bool limited = following->options->since_ms != 0, printed;
    struct client_reply reply;
    struct err err;

    if (!ask(following, &reply, &err) || !client_was_granted(&reply, &err))
        return client_fail("events", &err);
    printed =
        following->options->client.json ? dump_page(reply.json) : show_page(following, reply.json);
    if (printed && limited && !following->options->client.json && show_truth(reply.json, "more"))
        fprintf(stderr, "nines events: older ones are left out; --limit is %u\n",
                following->options->limit);
    json_decref(reply.json);
    return printed ? 0 : EXIT_FAILED;
}

/* ---- following ---- */

enum step { STEP_ON, STEP_AGAIN, STEP_END };

/* While nines restarts, or has no agent for a moment, what was seen stays seen. */
static enum step lost(struct following *following, const struct err *err)
{
    if (following->next[0] == '\0' || err->kind == ERR_USAGE)
        return STEP_END;
    if (!following->lost)
        fprintf(stderr, "nines events: %s; trying again\n", err->text);
    following->lost = true;
    return STEP_AGAIN;
}

static enum step step(struct following *following, struct err *err)
{
    struct client_reply reply;
    enum step next = STEP_ON;

    if (!ask(following, &reply, err))
        return lost(following, err);
    if (reply.status >= 500 && !client_was_granted(&reply, err))
        return lost(following, err);
    if (!client_was_granted(&reply, err))
        return STEP_END;
    following->lost = false;
    if (!show_page(following, reply.json)) {
        err_record(err, ERR_SYSTEM, 0, "nobody reads the output");
        next = STEP_END;
    } else if (!keep_next(following, reply.json, err)) {
        next = STEP_END;
    }
    json_decref(reply.json);
    return next;
}

static int follow(struct following *following)
{
    struct err err = {0};

    for (;;) {
        switch (step(following, &err)) {
        case STEP_ON:
            break;
        case STEP_AGAIN:
            poll(NULL, 0, AGAIN_MS);
            break;
        case STEP_END:
            return client_fail("events", &err);
        }
    }
}

int run_events(int argc, char **argv)
{
    struct following following = {.table = {.colour = terminal_colours()}};
    struct events_options options;
    struct err err;

    if (!events_parse(&options, argc, argv, clock_wall_ms(), &err))
        return client_fail("events", &err);
    following.options = &options;
    return options.follow ? follow(&following) : show_once(&following);
}

/* ---- explain ---- */

static int refuse_code(const char *text)
{
    const char *near = explain_nearest(text);

    fprintf(stderr, "nines explain: there is no code '%s'", text);
    if (near)
        fprintf(stderr, "; did you mean '%s'?\n", near);
    else
        fprintf(stderr, "; `nines explain` lists them all\n");
    return EXIT_USAGE;
}

int run_explain(int argc, char **argv)
{
    static const char *const flags[] = {"--json", NULL};
    const struct code_row *row = NULL;
    struct client_options options;
    struct err err;
    struct buf out;

    if (!client_parse_some(&options, argc, argv, (struct client_operands){0, 1}, flags, &err))
        return client_fail("explain", &err);
    if (options.word_count) {
        row = code_find_text(bytes_of_string(options.words[0]));
        if (!row)
            return refuse_code(options.words[0]);
    }
    buf_init(&out, OUT_MAX);
    if (options.json)
        show_code_json(row, &out);
    else if (row)
        show_code(row, terminal_colours(), &out);
    else
        show_codes(terminal_colours(), &out);
    return print(&out) ? 0 : EXIT_FAILED;
}
