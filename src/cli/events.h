/*
 * cli/events: `nines events` and `nines explain`: what is asked, and what is printed. Pure; drive_events.c asks.
 */
#pragma once

#include "cli/canvas.h"
#include "cli/client.h"
#include "topology/codes.h"

/* ---- events ---- */

enum { EVENTS_TAIL = 10, EVENTS_LIMIT = 50, EVENTS_LIMIT_MAX = 1000, EVENTS_TARGET_MAX = 4096 };

struct events_options {
    struct client_options client;
    bool follow;
    int64_t since_ms; /* 0: not said */
    const char *node, *code, *severity;
    uint32_t limit;
};

MUST_USE bool events_parse(struct events_options *options, int argc, char **argv, int64_t now_ms,
                           struct err *err);
/* `10m`: so long ago; `2026-11-22T22:30:00Z` or without `Z` local, seconds and the date may be left out, a blank may stand for `T`. */
MUST_USE bool events_read_time(const char *text, int64_t now_ms, int64_t *ms);
/* The URL to ask. `next`: of the page before; NULL: the first. */
void events_target(const struct events_options *options, const char *next, int64_t wait_ms,
                   struct buf *target);

/* What was printed before is lined up with what follows. */
struct events_table {
    bool colour;
    uint32_t node_width, subject_width;
};

void show_events(json_t *page, struct events_table *table, struct buf *out);
/* One object per line. */
void show_events_json(json_t *page, struct buf *out);
/* A line for each node that is missing from the page; nothing when none is. */
void show_missing(json_t *page, struct buf *out);

/* ---- explain ---- */

void show_codes(bool colour, struct buf *out); /* all, a line each */
void show_code(const struct code_row *row, bool colour, struct buf *out);
/* One object, or with NULL an array of all. */
void show_code_json(const struct code_row *row, struct buf *out);
/* A code whose name is near, or NULL. */
const char *explain_nearest(const char *text);

int run_events(int argc, char **argv);
int run_explain(int argc, char **argv);
