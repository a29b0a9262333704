/*
 * The frame of `nines top`: what every second says anew.
 */
#include "base/must.h"
#include "cli/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKENDS_SHOWN_MAX = 4096, BAR_COLUMNS_MIN = 6 };

struct top_row {
    const char *pool;
    const json_t *backend;
    double requests, latency, errors;
    size_t place; /* in the file: keeps the order of equals */
};

static struct top_row row_of(const json_t *pool, const json_t *backend, size_t place)
{
    return (struct top_row){.pool = show_string(pool, "name"),
                            .backend = backend,
                            .requests = show_number(backend, "requests_per_second"),
                            .latency = show_latency(backend, "p99_ms"),
                            .errors = show_number(backend, "errors_per_second"),
                            .place = place};
}

static size_t collect(json_t *status, struct top_row *rows)
{
    json_t *pools = json_object_get(status, "pools"), *pool, *backend;
    size_t p, i, count = 0;

    json_array_foreach (pools, p, pool) {
        json_array_foreach (json_object_get(pool, "backends"), i, backend) {
            if (count == BACKENDS_SHOWN_MAX)
                return count;
            rows[count] = row_of(pool, backend, count);
            count++;
        }
    }
    return count;
}

uint32_t show_backends(json_t *status)
{
    json_t *pool;
    size_t p, count = 0;

    json_array_foreach (json_object_get(status, "pools"), p, pool)
        count += json_array_size(json_object_get(pool, "backends"));
    return (uint32_t)count;
}

/* ---- order ---- */

static int by(double a, double b, const struct top_row *x, const struct top_row *y)
{
    if (a != b)
        return a > b ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

static int by_requests(const void *x, const void *y)
{
    const struct top_row *a = x, *b = y;

    return by(a->requests, b->requests, a, b);
}

static int by_latency(const void *x, const void *y)
{
    const struct top_row *a = x, *b = y;

    return by(a->latency, b->latency, a, b);
}

static int by_errors(const void *x, const void *y)
{
    const struct top_row *a = x, *b = y;

    return by(a->errors, b->errors, a, b);
}

static const struct {
    char key;
    const char *name;
    int (*compare)(const void *, const void *);
} orders[TOP_ORDERS] = {
    [TOP_CONFIGURED] = {'c', "configured", NULL},
    [TOP_REQUESTS] = {'r', "requests", by_requests},
    [TOP_LATENCY] = {'l', "latency", by_latency},
    [TOP_ERRORS] = {'e', "errors", by_errors},
};

/* ---- lines ---- */

static void service_head(struct canvas *canvas)
{
    canvas_left(canvas, 24, STRONG, "SERVICE");
    canvas_right(canvas, 9, STRONG, "REQ/S");
    canvas_right(canvas, 8, STRONG, "5XX/S");
    canvas_right(canvas, 8, STRONG, "ACTIVE");
    canvas_right(canvas, 8, STRONG, "CONNS");
    canvas_right(canvas, 9, STRONG, "P50");
    canvas_right(canvas, 8, STRONG, "P99");
    canvas_end(canvas);
}

static void service_line(struct canvas *canvas, const json_t *service)
{
    double errors = show_number(service, "errors_per_second");
    char text[CANVAS_FIGURE_MAX];

    canvas_left(canvas, 24, PLAIN, show_string(service, "name"));
    canvas_right(canvas, 9, PLAIN, canvas_rate(show_number(service, "requests_per_second"), text));
    canvas_right(canvas, 8, errors > 0 ? BAD : PLAIN, canvas_rate(errors, text));
    canvas_right(canvas, 8, PLAIN, canvas_count((uint64_t)show_integer(service, "active"), text));
    canvas_right(canvas, 8, PLAIN,
                 canvas_count((uint64_t)show_integer(service, "connections"), text));
    canvas_right(canvas, 9, PLAIN, canvas_latency(show_latency(service, "p50_ms"), text));
    canvas_right(canvas, 8, PLAIN, canvas_latency(show_latency(service, "p99_ms"), text));
    canvas_end(canvas);
}

static void backend_head(struct canvas *canvas)
{
    canvas_left(canvas, 10, STRONG, "POOL");
    canvas_left(canvas, 20, STRONG, "BACKEND");
    canvas_left(canvas, 9, STRONG, "STATE");
    canvas_right(canvas, 7, STRONG, "REQ/S");
    canvas_right(canvas, 7, STRONG, "ERR/S");
    canvas_right(canvas, 6, STRONG, "ACTIVE");
    canvas_right(canvas, 7, STRONG, "P99");
    canvas_end(canvas);
}

/* A share of the busiest backend, in what the line has left. */
static void bar(struct canvas *canvas, double value, double most)
{
    char text[256];
    uint32_t room = canvas->columns > canvas->at ? canvas->columns - canvas->at : 0;
    uint32_t len;

    if (room < BAR_COLUMNS_MIN || most <= 0)
        return;
    room = room < sizeof text ? room : sizeof text - 1;
    len = (uint32_t)(value / most * (double)room + 0.5);
    memset(text, '|', len);
    text[len] = 0;
    canvas_text(canvas, GOOD, text);
}

static void backend_line(struct canvas *canvas, const struct top_row *row, double most)
{
    char text[CANVAS_FIGURE_MAX];

    canvas_left(canvas, 10, PLAIN, row->pool);
    canvas_left(canvas, 20, PLAIN, show_string(row->backend, "address"));
    canvas_left(canvas, 9, show_state_style(row->backend), show_state(row->backend));
    canvas_right(canvas, 7, PLAIN, canvas_rate(row->requests, text));
    canvas_right(canvas, 7, row->errors > 0 ? BAD : PLAIN, canvas_rate(row->errors, text));
    canvas_right(canvas, 6, PLAIN,
                 canvas_count((uint64_t)show_integer(row->backend, "active"), text));
    canvas_right(canvas, 7, PLAIN, canvas_latency(row->latency, text));
    bar(canvas, row->requests, most);
    canvas_end(canvas);
}

static double highest(const struct top_row *rows, size_t count)
{
    double most = 0;

    for (size_t i = 0; i < count; i++)
        most = rows[i].requests > most ? rows[i].requests : most;
    return most;
}

/* True while another line, and the one with the keys, have their place. */
static bool fits(const struct canvas *canvas, const struct top_view *view)
{
    return view->rows == 0 || canvas->lines + 1 < view->rows;
}

static void services(struct canvas *canvas, json_t *status, const struct top_view *view)
{
    json_t *all = json_object_get(status, "services"), *service;
    size_t i;

    if (fits(canvas, view))
        canvas_end(canvas);
    if (fits(canvas, view))
        service_head(canvas);
    json_array_foreach (all, i, service) {
        if (!fits(canvas, view))
            return;
        service_line(canvas, service);
    }
}

static void backends(struct canvas *canvas, json_t *status, const struct top_view *view)
{
    static struct top_row rows[BACKENDS_SHOWN_MAX];
    size_t count = collect(status, rows);
    double most = highest(rows, count);

    if (orders[view->order].compare)
        qsort(rows, count, sizeof rows[0], orders[view->order].compare);
    if (fits(canvas, view))
        canvas_end(canvas);
    if (fits(canvas, view))
        backend_head(canvas);
    for (size_t i = view->first; i < count && fits(canvas, view); i++)
        backend_line(canvas, &rows[i], most);
}

static void keys(struct canvas *canvas, const struct top_view *view)
{
    while (canvas->lines + 1 < view->rows)
        canvas_end(canvas);
    if (view->notice) {
        canvas_text(canvas, BAD, view->notice);
        return;
    }
    canvas_text(canvas, DIM, "q quit  up/down scroll  order:");
    for (int order = 0; order < TOP_ORDERS; order++)
        canvas_print(canvas, (enum top_order)order == view->order ? STRONG : DIM, " %c %s",
                     orders[order].key, orders[order].name);
}

void show_top(json_t *status, const struct top_view *view, struct buf *out)
{
    struct canvas canvas = {.out = out, .colour = view->colour, .columns = view->columns};

    show_headline(&canvas, status);
    if (fits(&canvas, view))
        show_node(&canvas, status);
    services(&canvas, status, view);
    backends(&canvas, status, view);
    if (view->rows)
        keys(&canvas, view);
}

/* ---- keys ---- */

static enum top_key_outcome scroll(struct top_view *view, int64_t by_lines, uint32_t count)
{
    int64_t first = (int64_t)view->first + by_lines, last = count ? count - 1 : 0;

    view->first = (uint32_t)(first < 0 ? 0 : first > last ? last : first);
    return TOP_REDRAWS;
}

enum top_key_outcome top_key(struct top_view *view, struct bytes key, uint32_t count)
{
    enum { PAGE = 10, END_OF_TEXT = 3 };

    if (bytes_equal(key, BYTES("\033[A")) || bytes_equal(key, BYTES("k")))
        return scroll(view, -1, count);
    if (bytes_equal(key, BYTES("\033[B")) || bytes_equal(key, BYTES("j")))
        return scroll(view, 1, count);
    if (bytes_equal(key, BYTES("\033[5~")))
        return scroll(view, -PAGE, count);
    if (bytes_equal(key, BYTES("\033[6~")))
        return scroll(view, PAGE, count);
    if (key.len != 1)
        return TOP_GOES_ON;
    if (key.at[0] == 'q' || key.at[0] == END_OF_TEXT)
        return TOP_QUITS;
    for (int order = 0; order < TOP_ORDERS; order++) {
        if (key.at[0] != (uint8_t)orders[order].key)
            continue;
        view->order = (enum top_order)order;
        view->first = 0;
        return TOP_REDRAWS;
    }
    return TOP_GOES_ON;
}
