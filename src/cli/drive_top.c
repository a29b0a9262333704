/*
 * `nines top`: asks once a second, draws, and listens to the keys meanwhile.
 */
#include "base/clock.h"
#include "base/instant.h"
#include "cli/client.h"
#include "cli/operate.h"
#include "cli/show.h"
#include "cli/terminal.h"

#include <stdio.h>

enum { FRAME_MAX = 16 << 20, PERIOD_MS = 1000, ASK_TIMEOUT_MS = 2000 };

struct top {
    const char *socket;
    struct top_view view;
    json_t *status; /* the last that came */
    struct err err; /* why none came since; kind ERR_NONE: it came */
};

static void ask(struct top *top)
{
    struct client_reply reply;

    if (!client_ask_json(top->socket, "GET", "/api/v1/status", ASK_TIMEOUT_MS, &reply, &top->err) ||
        !client_was_granted(&reply, &top->err))
        return;
    top->err.kind = ERR_NONE;
    json_decref(top->status);
    top->status = reply.json;
}

static void draw(struct top *top)
{
    struct buf frame;

    terminal_size(&top->view.rows, &top->view.columns);
    top->view.notice = top->err.kind == ERR_NONE ? NULL : top->err.text;
    buf_init(&frame, FRAME_MAX);
    show_top(top->status, &top->view, &frame);
    terminal_draw(buf_bytes(&frame));
    buf_fini(&frame);
}

/* Until the next second begins; false: the person has seen enough. */
static bool listen_to_keys(struct top *top, struct instant until)
{
    for (;;) {
        int64_t left_ms = ns_between(clock_now(), until) / NS_PER_MS;
        struct bytes key;

        if (left_ms <= 0)
            return true;
        key = terminal_key(left_ms);
        if (top_key(&top->view, key, show_backends(top->status)) == TOP_QUITS)
            return false;
        draw(top);
    }
}

static void watch(struct top *top)
{
    struct instant next = clock_now();

    do {
        ask(top);
        draw(top);
        next = after_ms(next, PERIOD_MS);
        if (passed(next, clock_now()))
            next = after_ms(clock_now(), PERIOD_MS);
    } while (listen_to_keys(top, next));
}

static void print_once(struct top *top)
{
    struct buf frame;

    top->view.columns = SHOW_COLUMNS;
    buf_init(&frame, FRAME_MAX);
    show_top(top->status, &top->view, &frame);
    buf_write(&frame, stdout);
    buf_fini(&frame);
}

int run_top(int argc, char **argv)
{
    struct top top = {.view = {.colour = terminal_colours()}};
    struct client_options options;

    if (!client_parse(&options, argc, argv, 0, NULL, &top.err))
        return client_fail("top", &top.err);
    top.socket = options.socket;
    ask(&top);
    if (!top.status)
        return client_fail("top", &top.err);
    if (terminal_present() && terminal_enter()) {
        watch(&top);
        terminal_leave();
    } else {
        print_once(&top);
    }
    json_decref(top.status);
    return 0;
}
