/*
 * cli/show: what /api/v1/status says, as text for people: a page for `nines status`, a frame for `nines top`. Pure. An answer
 * that lacks something (of another version) is shown without it.
 */
#pragma once

#include "cli/canvas.h"

#include <jansson.h>

enum { SHOW_ROWS = 24, SHOW_COLUMNS = 80 };

enum show_what {
    SHOW_ALL =
        1, /* folds nothing; else the page fits SHOW_ROWS lines, where what is not well leaves room */
    SHOW_LINKS = 2, /* all links, not only those that are not well */
};

void show_status(json_t *status, unsigned what, bool colour, struct buf *out);

/* ---- the cluster: of `membership` in the status, which is /api/v1/cluster ---- */

bool show_has_cluster(const json_t *membership);
void show_cluster(struct canvas *canvas, const json_t *membership, bool all, bool links);
void show_nodes(struct canvas *canvas, const json_t *membership, bool all);
void show_leases(struct canvas *canvas, const json_t *membership, bool all);
void show_addresses(struct canvas *canvas, const json_t *membership, bool all);
void show_links(struct canvas *canvas, const json_t *membership, bool all);

/* ---- groups: of `groups` in the status, and events about failovers ---- */

void show_groups(struct canvas *canvas, const json_t *groups, bool all);
void show_failovers(struct canvas *canvas, const json_t *events);

/* ---- top ---- */

enum top_order { TOP_CONFIGURED, TOP_REQUESTS, TOP_LATENCY, TOP_ERRORS, TOP_ORDERS };

struct top_view {
    uint32_t rows, columns; /* of the terminal; rows 0: as many as it takes */
    bool colour;
    enum top_order order;
    uint32_t first;     /* of the backends: scrolled past */
    const char *notice; /* in place of the keys, or NULL */
};

/* Every line ends with a newline, but for the last one when rows is not 0. */
void show_top(json_t *status, const struct top_view *view, struct buf *out);

enum top_key_outcome { TOP_GOES_ON, TOP_REDRAWS, TOP_QUITS };

/* What a key (or an escape sequence, whole) does to the view. `backends` is how many there are to scroll over. */
enum top_key_outcome top_key(struct top_view *view, struct bytes key, uint32_t backends);
uint32_t show_backends(json_t *status);

/* ---- shared by both ---- */

const char *show_string(const json_t *object, const char *key);
int64_t show_integer(const json_t *object, const char *key);
double show_number(const json_t *object, const char *key);
bool show_truth(const json_t *object, const char *key);
double show_latency(const json_t *object, const char *quantile); /* `p99_ms` */

void show_headline(struct canvas *canvas, json_t *status);
void show_node(struct canvas *canvas, json_t *status);
enum style show_state_style(const json_t *backend);
/* `up`, `down`, `draining` …: the word that matters most. */
const char *show_state(const json_t *backend);
