#include "cli/events.h"
#include "cli/show.h"

#include <string.h>
#include <time.h>

enum { NODE_WIDTH_MAX = 24, SUBJECT_WIDTH_MAX = 28, SEVERITY_WIDTH = 8, SUBJECT_MAX = 160 };

/* ---- events ---- */

static enum style style_of(const char *severity)
{
    if (strcmp(severity, "critical") == 0)
        return BAD;
    return strcmp(severity, "warning") == 0 ? WARN : PLAIN;
}

static void subject_of(const json_t *event, char *text, size_t cap)
{
    const json_t *subject = json_object_get(event, "subject");
    const char *kind = show_string(subject, "kind"), *name = show_string(subject, "name");
    struct buf out;

    buf_over(&out, text, cap - 1);
    buf_add_string(&out, strcmp(kind, "none") == 0 ? "" : kind);
    if (name[0] && strcmp(kind, name) != 0)
        buf_print(&out, "%s%s", out.len ? " " : "", name);
    text[out.len] = '\0';
}

static void widen(uint32_t *width, const char *text, uint32_t most)
{
    size_t len = strlen(text);

    if (len > *width)
        *width = len < most ? (uint32_t)len : most;
}

static void measure(json_t *events, struct events_table *table)
{
    char subject[SUBJECT_MAX];
    json_t *event;
    size_t i;

    json_array_foreach (events, i, event) {
        subject_of(event, subject, sizeof subject);
        widen(&table->node_width, show_string(event, "node"), NODE_WIDTH_MAX);
        widen(&table->subject_width, subject, SUBJECT_WIDTH_MAX);
    }
}

static void show_time(struct canvas *canvas, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm when;
    char text[32];

    if (!localtime_r(&seconds, &when) ||
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &when) == 0)
        bytes_to_string(BYTES("?"), text, sizeof text);
    canvas_print(canvas, DIM, "%s.%03d", text, (int)(wall_ms % 1000));
    canvas_text(canvas, PLAIN, " ");
}

static void show_event(json_t *event, const struct events_table *table, struct buf *out)
{
    struct canvas canvas = {.out = out, .colour = table->colour};
    const char *severity = show_string(event, "severity"), *text = show_string(event, "text");
    enum style style = style_of(severity);
    char subject[SUBJECT_MAX];

    subject_of(event, subject, sizeof subject);
    show_time(&canvas, show_integer(event, "wall_ms"));
    canvas_left(&canvas, table->node_width, STRONG, show_string(event, "node"));
    canvas_left(&canvas, SEVERITY_WIDTH, style, severity);
    canvas_left(&canvas, CODE_TEXT_MAX - 2, style, show_string(event, "code"));
    canvas_left(&canvas, table->subject_width, PLAIN, subject);
    canvas_text(&canvas, style, text[0] ? text : show_string(event, "name"));
    canvas_end(&canvas);
}

void show_events(json_t *page, struct events_table *table, struct buf *out)
{
    json_t *events = json_object_get(page, "events"), *event;
    size_t i;

    measure(events, table);
    json_array_foreach (events, i, event) {
        show_event(event, table, out);
    }
}

static int add_piece(const char *piece, size_t len, void *context)
{
    buf_add(context, bytes_of(piece, len));
    return 0;
}

void show_events_json(json_t *page, struct buf *out)
{
    json_t *events = json_object_get(page, "events"), *event;
    size_t i;

    json_array_foreach (events, i, event) {
        (void)json_dump_callback(event, add_piece, out, JSON_COMPACT);
        buf_add_byte(out, '\n');
    }
}

void show_missing(json_t *page, struct buf *out)
{
    json_t *missing = json_object_get(page, "missing"), *node;
    struct canvas canvas = {.out = out};
    size_t i;

    json_array_foreach (missing, i, node) {
        canvas_print(&canvas, PLAIN, "nines events: %s is missing: %s", show_string(node, "node"),
                     show_string(node, "why"));
        canvas_end(&canvas);
    }
}
