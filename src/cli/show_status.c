/*
 * The page of `nines status`: the answer first, then what is not well, then figures.
 */
#include "cli/show.h"

#include <stdio.h>
#include <string.h>

/* Widths; with a blank between, each table has SHOW_COLUMNS. */
enum {
    COLUMN_RATE = 6,
    COLUMN_COUNT = 6,
    COLUMN_LATENCY = 8,
    COLUMN_SERVICE = 16,
    COLUMN_LISTEN =
        SHOW_COLUMNS - COLUMN_SERVICE - COLUMN_RATE - 2 * COLUMN_COUNT - 2 * COLUMN_LATENCY - 6,
    COLUMN_STATE = 9,
    COLUMN_AGE = 4,
    COLUMN_BACKEND = SHOW_COLUMNS - COLUMN_STATE - COLUMN_AGE - COLUMN_RATE - 2 * COLUMN_COUNT -
                     2 * COLUMN_LATENCY - 7,
};

struct page {
    struct canvas canvas;
    json_t *status;
    bool all;
    size_t spare; /* lines that may still be used for what is well */
};

/* ---- roles: one line while all is well ---- */

static bool is_worker(const json_t *role)
{
    return strncmp(show_string(role, "name"), "worker", 6) == 0;
}

static void role_trouble(struct page *page, const json_t *role)
{
    struct canvas *canvas = &page->canvas;

    canvas_text(canvas, BAD, "trouble: ");
    canvas_print(canvas, PLAIN, "%s is %s", show_string(role, "name"), show_string(role, "state"));
    if (strcmp(show_string(role, "state"), "ready") == 0)
        canvas_print(canvas, PLAIN, " but has not moved for %.1f s",
                     (double)show_integer(role, "beat_age_ms") / 1000);
    canvas_print(canvas, PLAIN, ", %lld restarts", (long long)show_integer(role, "restarts"));
    canvas_end(canvas);
}

static void roles(struct page *page)
{
    json_t *all = json_object_get(page->status, "roles"), *role;
    size_t i, workers = 0, working = 0;
    int64_t restarts = 0;
    bool well = true;

    json_array_foreach (all, i, role) {
        bool works = show_truth(role, "working");

        well = well && works;
        workers += is_worker(role);
        working += is_worker(role) && works;
        restarts += show_integer(role, "restarts");
        if (!works)
            role_trouble(page, role);
    }
    if (well)
        canvas_print(&page->canvas, PLAIN, "agent, monitor and %zu workers are ready", workers);
    else
        canvas_print(&page->canvas, PLAIN, "%zu of %zu workers are ready", working, workers);
    if (restarts)
        canvas_print(&page->canvas, DIM, "; %lld restarts", (long long)restarts);
    canvas_end(&page->canvas);
}

/* ---- services ---- */

static void listen_text(const json_t *service, char *text, size_t cap)
{
    const json_t *listens = json_object_get(service, "listen");
    const char *first = json_string_value(json_array_get(listens, 0));
    size_t more = json_array_size(listens);

    if (more > 1)
        snprintf(text, cap, "%s +%zu", first ? first : "", more - 1);
    else
        snprintf(text, cap, "%s", first ? first : "");
}

static void service_line(struct page *page, const json_t *service)
{
    double errors = show_number(service, "errors_per_second");
    struct canvas *canvas = &page->canvas;
    char text[64];

    canvas_left(canvas, COLUMN_SERVICE, PLAIN, show_string(service, "name"));
    listen_text(service, text, sizeof text);
    canvas_left(canvas, COLUMN_LISTEN, PLAIN, text);
    canvas_right(canvas, COLUMN_RATE, PLAIN,
                 canvas_rate(show_number(service, "requests_per_second"), text));
    canvas_right(canvas, COLUMN_COUNT, errors > 0 ? BAD : PLAIN, canvas_rate(errors, text));
    canvas_right(canvas, COLUMN_COUNT, PLAIN,
                 canvas_count((uint64_t)show_integer(service, "active"), text));
    canvas_right(canvas, COLUMN_LATENCY, PLAIN,
                 canvas_latency(show_latency(service, "p50_ms"), text));
    canvas_right(canvas, COLUMN_LATENCY, PLAIN,
                 canvas_latency(show_latency(service, "p99_ms"), text));
    canvas_end(canvas);
}

static void more_line(struct page *page, size_t count, const char *what)
{
    canvas_print(&page->canvas, DIM, "  and %zu more %s%s", count, what, count == 1 ? "" : "s");
    canvas_end(&page->canvas);
}

static void services(struct page *page, size_t lines)
{
    json_t *all = json_object_get(page->status, "services"), *service;
    size_t i;

    canvas_end(&page->canvas);
    canvas_left(&page->canvas, COLUMN_SERVICE, STRONG, "SERVICE");
    canvas_left(&page->canvas, COLUMN_LISTEN, STRONG, "LISTEN");
    canvas_right(&page->canvas, COLUMN_RATE, STRONG, "REQ/S");
    canvas_right(&page->canvas, COLUMN_COUNT, STRONG, "5XX/S");
    canvas_right(&page->canvas, COLUMN_COUNT, STRONG, "ACTIVE");
    canvas_right(&page->canvas, COLUMN_LATENCY, STRONG, "P50");
    canvas_right(&page->canvas, COLUMN_LATENCY, STRONG, "P99");
    canvas_end(&page->canvas);
    json_array_foreach (all, i, service) {
        if (i >= lines)
            break;
        service_line(page, service);
    }
    if (json_array_size(all) > lines)
        more_line(page, json_array_size(all) - lines, "service");
}

/* ---- pools and backends ---- */

static bool is_well(const json_t *backend)
{
    return show_truth(backend, "takes_traffic");
}

static void backend_figures(struct canvas *canvas, const json_t *backend)
{
    char text[CANVAS_FIGURE_MAX];

    canvas_right(canvas, COLUMN_RATE, PLAIN,
                 canvas_rate(show_number(backend, "requests_per_second"), text));
    canvas_right(canvas, COLUMN_COUNT, PLAIN,
                 canvas_count((uint64_t)show_integer(backend, "failures"), text));
    canvas_right(canvas, COLUMN_COUNT, PLAIN,
                 canvas_count((uint64_t)show_integer(backend, "active"), text));
    canvas_right(canvas, COLUMN_LATENCY, PLAIN,
                 canvas_latency(show_latency(backend, "p50_ms"), text));
    canvas_right(canvas, COLUMN_LATENCY, PLAIN,
                 canvas_latency(show_latency(backend, "p99_ms"), text));
}

/* Why a backend gets nothing is worth more than figures that are all zero. */
static void backend_reason(struct canvas *canvas, const json_t *backend)
{
    const json_t *check = json_object_get(backend, "check");
    int64_t code = show_integer(check, "code"), active = show_integer(backend, "active");

    if (strcmp(show_string(backend, "state"), "down") == 0) {
        canvas_print(canvas, PLAIN, "   last check: %s", show_string(check, "outcome"));
        if (code)
            canvas_print(canvas, PLAIN, " %lld", (long long)code);
    } else if (json_is_string(json_object_get(backend, "drained_by"))) {
        canvas_print(canvas, PLAIN, "   by %s, %lld requests under way",
                     strcmp(show_string(backend, "drained_by"), "file") == 0 ? "the file"
                                                                             : "an operator",
                     (long long)active);
    }
}

static void backend_line(struct page *page, const json_t *backend)
{
    int64_t since = show_integer(backend, "since_ms");
    struct canvas *canvas = &page->canvas;
    char text[96];

    snprintf(text, sizeof text, "  %s%s", show_string(backend, "address"),
             show_truth(backend, "backup") ? " backup" : "");
    canvas_left(canvas, COLUMN_BACKEND, PLAIN, text);
    canvas_left(canvas, COLUMN_STATE, show_state_style(backend), show_state(backend));
    canvas_right(canvas, COLUMN_AGE, DIM,
                 since ? canvas_age(show_integer(page->status, "now_ms") - since, text) : "");
    if (is_well(backend))
        backend_figures(canvas, backend);
    else
        backend_reason(canvas, backend);
    canvas_end(canvas);
}

static void pool(struct page *page, const json_t *pool)
{
    json_t *backends = json_object_get(pool, "backends"), *backend;
    size_t folded = 0, i, usable = (size_t)show_integer(pool, "usable");
    size_t count = json_array_size(backends);

    canvas_print(&page->canvas, STRONG, "%s", show_string(pool, "name"));
    canvas_print(&page->canvas, PLAIN, ", %s: ", show_string(pool, "algorithm"));
    canvas_print(&page->canvas,
                 usable > 1    ? GOOD
                 : usable == 1 ? WARN
                               : BAD,
                 "%zu of %zu backends take traffic", usable, count);
    canvas_end(&page->canvas);
    json_array_foreach (backends, i, backend) {
        bool fold = !page->all && is_well(backend) && page->spare == 0;

        folded += fold;
        if (is_well(backend) && page->spare)
            page->spare--;
        if (!fold)
            backend_line(page, backend);
    }
    if (folded)
        more_line(page, folded, "backend that is well");
}

/* ---- the page ---- */

static size_t lines_of_trouble(const json_t *pools)
{
    json_t *pool, *backend;
    size_t p, i, lines = 0;

    json_array_foreach (pools, p, pool)
        json_array_foreach (json_object_get(pool, "backends"), i, backend)
            lines += !is_well(backend);
    return lines;
}

static size_t at_most(size_t lines, size_t most)
{
    return lines < most ? lines : most;
}

/* What is not well is always shown; what is well shares the lines that are left. Every pool may need one more to say what it folded. */
static void plan(struct page *page, size_t *service_lines)
{
    json_t *pools = json_object_get(page->status, "pools");
    size_t count = json_array_size(json_object_get(page->status, "services"));
    size_t used, pool_count = json_array_size(pools), backends = show_backends(page->status);

    *service_lines = page->all ? count : count > 6 ? 5 : count;
    used = page->canvas.lines + 2 + at_most(count, 6) + 2 + pool_count + lines_of_trouble(pools);
    page->spare = 0;
    if (used + (backends - lines_of_trouble(pools)) <= SHOW_ROWS)
        page->spare = backends;
    else if (used + pool_count < SHOW_ROWS)
        page->spare = SHOW_ROWS - used - pool_count;
}

static void pools(struct page *page)
{
    json_t *all = json_object_get(page->status, "pools"), *one;
    size_t i;

    canvas_end(&page->canvas);
    canvas_left(&page->canvas, COLUMN_BACKEND, STRONG, "POOL, BACKEND");
    canvas_left(&page->canvas, COLUMN_STATE, STRONG, "STATE");
    canvas_right(&page->canvas, COLUMN_AGE, STRONG, "FOR");
    canvas_right(&page->canvas, COLUMN_RATE, STRONG, "REQ/S");
    canvas_right(&page->canvas, COLUMN_COUNT, STRONG, "FAILED");
    canvas_right(&page->canvas, COLUMN_COUNT, STRONG, "ACTIVE");
    canvas_right(&page->canvas, COLUMN_LATENCY, STRONG, "P50");
    canvas_right(&page->canvas, COLUMN_LATENCY, STRONG, "P99");
    canvas_end(&page->canvas);
    json_array_foreach (all, i, one)
        pool(page, one);
}

void show_status(json_t *status, unsigned what, bool colour, struct buf *out)
{
    struct page page = {
        .canvas = {.out = out, .colour = colour}, .status = status, .all = (what & SHOW_ALL) != 0};
    size_t service_lines;

    show_headline(&page.canvas, status);
    show_node(&page.canvas, status);
    roles(&page);
    show_cluster(&page.canvas, json_object_get(status, "membership"), page.all,
                 (what & SHOW_LINKS) != 0);
    show_groups(&page.canvas, json_object_get(status, "groups"), page.all);
    plan(&page, &service_lines);
    services(&page, service_lines);
    pools(&page);
}
