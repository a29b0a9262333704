#include "base/json.h"
#include "cli/events.h"
#include "schema/schema.h"

#include <string.h>

enum { COLUMNS = 78, NAME_WIDTH = 22, NAMES_MAX = 128 };

static enum style style_of(const struct code_row *row)
{
    static const enum style styles[SEVERITIES] = {
        [SEVERITY_INFO] = PLAIN, [SEVERITY_WARNING] = WARN, [SEVERITY_CRITICAL] = BAD};

    return styles[row->severity];
}

void show_codes(bool colour, struct buf *out)
{
    char code[CODE_TEXT_MAX];

    for (size_t i = 0; i < code_count; i++) {
        struct canvas canvas = {.out = out, .colour = colour};

        canvas_left(&canvas, CODE_TEXT_MAX - 2, STRONG, code_print(codes[i].code, code));
        canvas_left(&canvas, NAME_WIDTH, style_of(&codes[i]), codes[i].name);
        canvas_text(&canvas, PLAIN, codes[i].meaning);
        canvas_end(&canvas);
    }
}

/* Breaks between words; a word that is longer than a line stands alone. */
static void wrap(struct canvas *canvas, const char *text)
{
    struct bytes rest = bytes_of_string(text);

    while (rest.len) {
        char word[COLUMNS * 2];
        struct bytes next = bytes_take(rest, bytes_find(rest, ' '));

        rest = bytes_skip(rest, next.len < rest.len ? next.len + 1 : next.len);
        bytes_to_string(next, word, sizeof word);
        if (canvas->at && canvas->at + 1 + next.len > COLUMNS)
            canvas_end(canvas);
        else if (canvas->at)
            canvas_text(canvas, PLAIN, " ");
        canvas_text(canvas, PLAIN, word);
    }
    canvas_end(canvas);
}

void show_code(const struct code_row *row, bool colour, struct buf *out)
{
    struct canvas canvas = {.out = out, .colour = colour};
    char code[CODE_TEXT_MAX];

    canvas_print(&canvas, STRONG, "%s %s", code_print(row->code, code), row->name);
    canvas_text(&canvas, PLAIN, " ");
    canvas_print(&canvas, style_of(row), "(%s)", severity_name(row->severity));
    canvas_end(&canvas);
    canvas_end(&canvas);
    wrap(&canvas, row->meaning);
    canvas_end(&canvas);
    wrap(&canvas, row->advice);
}

static void add_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_add_string(json, text);
}

static void add_row(struct json *json, const struct code_row *row)
{
    char code[CODE_TEXT_MAX];

    json_begin_object(json);
    add_text(json, "code", code_print(row->code, code));
    add_text(json, "name", row->name);
    add_text(json, "severity", severity_name(row->severity));
    add_text(json, "meaning", row->meaning);
    add_text(json, "advice", row->advice);
    json_end(json);
}

void show_code_json(const struct code_row *row, struct buf *out)
{
    struct json json;

    json_init(&json, out);
    if (row) {
        add_row(&json, row);
    } else {
        json_begin_array(&json);
        for (size_t i = 0; i < code_count; i++)
            add_row(&json, &codes[i]);
        json_end(&json);
    }
    buf_add_byte(out, '\n');
}

const char *explain_nearest(const char *text)
{
    const char *names[NAMES_MAX + 1] = {0};

    for (size_t i = 0; i < code_count && i < NAMES_MAX; i++)
        names[i] = codes[i].name;
    return schema_nearest(text, names);
}
