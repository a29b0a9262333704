/*
 * The tables as a reference page, and as a JSON Schema for editors.
 */
#include "schema/rows.h"
#include "schema/scalar.h"

#include "base/json.h"
#include "base/text.h"

static bool has_rows(const struct option *row)
{
    return !is_scalar(row->type) && !rows_scalar(row->rows);
}

/* ---- Markdown ---- */

/* In a table's cell, a bar would end it. */
static void add_cell(struct buf *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '|')
            buf_add_byte(out, '\\');
        buf_add_byte(out, text.at[i]);
    }
    buf_add_string(out, " | ");
}

static void document_row(const struct option *row, struct buf *out)
{
    char storage[1024];
    struct buf type;

    buf_over(&type, storage, sizeof storage);
    rows_describe(row, &type);
    buf_print(out, "| `%s` | ", row->key);
    add_cell(out, buf_bytes(&type));
    if (row->flags & OPTION_REQUIRED)
        buf_add_string(out, "required | ");
    else if (row->normal)
        buf_print(out, "`%s` | ", row->normal);
    else
        buf_add_string(out, " | ");
    buf_add_string(out, row->when == AT_START ? "start | " : "reload | ");
    add_cell(out, bytes_of_string(row->help));
    out->len -= !out->full;
    buf_add_byte(out, '\n');
}

static void document_level(const struct option *rows, struct buf *out)
{
    struct tour tour;
    const struct option *row;

    buf_add_string(out, "| key | value | default | takes effect at | meaning |\n"
                        "| --- | --- | --- | --- | --- |\n");
    tour_begin(&tour, rows);
    while ((row = tour_next(&tour)))
        document_row(row, out);
}

void schema_document(const struct option *rows, struct buf *out)
{
    struct tour tour;
    const struct option *row;

    document_level(rows, out);
    tour_begin(&tour, rows);
    while ((row = tour_next(&tour))) {
        if (tour.leaving || !has_rows(row))
            continue;
        buf_add_string(out, "\n## `");
        tour_path(&tour, out);
        buf_print(out, row->type == OPTION_MAP ? ".NAME`\n\n%s" : "`\n\n%s", row->help);
        if (row->short_key)
            buf_print(out, " Written short, a scalar is its `%s`.", row->short_key);
        buf_add_string(out, "\n\n");
        document_level(row->rows, out);
        tour_enter(&tour);
    }
}

/* ---- JSON Schema ---- */

static void add_pair(struct json *json, const char *key, const char *value)
{
    json_key(json, key);
    json_add_string(json, value);
}

static void add_bounds(struct json *json, const struct option *row, const char *low_key,
                       const char *high_key)
{
    int64_t low, high;

    scalar_bounds(row, &low, &high);
    if (row->type == OPTION_NUMBER ? low != INT64_MIN : low != 0) {
        json_key(json, low_key);
        json_add_number(json, low);
    }
    if (high != INT64_MAX) {
        json_key(json, high_key);
        json_add_number(json, high);
    }
}

static void add_pattern(struct json *json, const char *pattern)
{
    add_pair(json, "type", "string");
    add_pair(json, "pattern", pattern);
}

/* Plain numbers are sizes, too. */
static void add_size(struct json *json)
{
    json_key(json, "type");
    json_begin_array(json);
    json_add_string(json, "integer");
    json_add_string(json, "string");
    json_end(json);
    add_pair(json, "pattern", "^[0-9]+(KiB|MiB|GiB|TiB)?$");
}

static void add_choices(struct json *json, const struct option *row)
{
    json_key(json, "enum");
    json_begin_array(json);
    for (size_t i = 0; row->choices[i]; i++) {
        int64_t number;

        json_add_string(json, row->choices[i]);
        /* `503` without quotes is a number to an editor, and the same choice to us. */
        if (text_parse_number(bytes_of_string(row->choices[i]), &number))
            json_add_number(json, number);
    }
    json_end(json);
}

/* The keywords of a scalar, inside an object that is open. */
static void add_scalar(struct json *json, const struct option *row)
{
    switch (row->type) {
    case OPTION_BOOL:
        add_pair(json, "type", "boolean");
        break;
    case OPTION_NUMBER:
        add_pair(json, "type", "integer");
        add_bounds(json, row, "minimum", "maximum");
        break;
    case OPTION_DURATION:
        add_pattern(json, row->maximum == INT64_MAX ? "^([0-9]+(ms|s|m|h|d)|never)$"
                                                    : "^[0-9]+(ms|s|m|h|d)$");
        break;
    case OPTION_SIZE:
        add_size(json);
        break;
    case OPTION_PERCENT:
        add_pattern(json, "^[0-9]+(\\.[0-9]{1,2})?%$");
        break;
    case OPTION_CHOICE:
        add_choices(json, row);
        break;
    case OPTION_TEXT:
        add_pair(json, "type", "string");
        add_bounds(json, row, "minLength", "maxLength");
        break;
    case OPTION_ENDPOINT:
        add_pattern(json, row->flags & OPTION_HOST ? "^.+:[0-9]{1,5}$" : "^.*:[0-9]{1,5}$");
        break;
    case OPTION_SECTION:
    case OPTION_MAP:
    case OPTION_LIST:
    case OPTION_INCLUDE:
        never("a container is no scalar");
    }
}

static void add_default(struct json *json, const struct option *row)
{
    struct value value;

    if (!row->normal)
        return;
    json_key(json, "default");
    must(scalar_parse(row, bytes_of_string(row->normal), false, &value));
    if (row->type == OPTION_BOOL)
        json_add_bool(json, value.number != 0);
    else if (row->type == OPTION_NUMBER)
        json_add_number(json, value.number);
    else
        json_add_string(json, row->normal);
}

/* An empty section is null to an editor. */
static void begin_properties(struct json *json)
{
    json_key(json, "type");
    json_begin_array(json);
    json_add_string(json, "object");
    json_add_string(json, "null");
    json_end(json);
    json_key(json, "additionalProperties");
    json_add_bool(json, false);
    json_key(json, "properties");
    json_begin_object(json);
}

static void end_properties(struct json *json, const struct option *rows)
{
    struct tour tour;
    const struct option *row;

    json_end(json);
    json_key(json, "required");
    json_begin_array(json);
    tour_begin(&tour, rows);
    while ((row = tour_next(&tour)))
        if (row->flags & OPTION_REQUIRED)
            json_add_string(json, row->key);
    json_end(json);
}

/* One more alternative of `anyOf`: an object of which only the type is said. */
static void add_alternative(struct json *json, const char *type)
{
    json_begin_object(json);
    add_pair(json, "type", type);
    json_end(json);
}

/* Everything up to the properties of a section, or of items that are sections. end_container closes what this opens. */
static void begin_container(struct json *json, const struct option *row)
{
    bool one = row->type == OPTION_LIST && row->flags & OPTION_ONE_OR_MORE;

    if (one) {
        json_key(json, "anyOf");
        json_begin_array(json);
        add_alternative(json, "object");
        if (row->short_key)
            add_alternative(json, "string");
        json_begin_object(json);
    }
    if (row->type != OPTION_SECTION) {
        add_pair(json, "type", row->type == OPTION_LIST ? "array" : "object");
        if (row->type == OPTION_LIST)
            add_bounds(json, row, "minItems", "maxItems");
        json_key(json, row->type == OPTION_LIST ? "items" : "additionalProperties");
        json_begin_object(json);
    }
    if (row->short_key) {
        json_key(json, "anyOf");
        json_begin_array(json);
        json_begin_object(json);
        add_scalar(json, rows_find(row->rows, bytes_of_string(row->short_key), NULL));
        json_end(json);
        json_begin_object(json);
    }
    begin_properties(json);
}

static void end_container(struct json *json, const struct option *row)
{
    bool one = row->type == OPTION_LIST && row->flags & OPTION_ONE_OR_MORE;
    int open = 1 + (row->short_key ? 2 : 0) + (row->type != OPTION_SECTION) + (one ? 2 : 0);

    end_properties(json, row->rows);
    while (open-- > 0)
        json_end(json);
}

/* A list or map of scalars, whole. */
static void add_scalars(struct json *json, const struct option *row)
{
    bool list = row->type == OPTION_LIST, one = list && row->flags & OPTION_ONE_OR_MORE;

    if (one) {
        json_key(json, "anyOf");
        json_begin_array(json);
        json_begin_object(json);
        add_scalar(json, rows_scalar(row->rows));
        json_end(json);
        json_begin_object(json);
    }
    add_pair(json, "type", list ? "array" : "object");
    if (list)
        add_bounds(json, row, "minItems", "maxItems");
    json_key(json, list ? "items" : "additionalProperties");
    json_begin_object(json);
    add_scalar(json, rows_scalar(row->rows));
    json_end(json);
    if (one) {
        json_end(json);
        json_end(json);
    }
    json_end(json);
}

void schema_json(const struct option *rows, struct buf *out)
{
    struct json json;
    struct tour tour;
    const struct option *row;

    json_init(&json, out);
    json_begin_object(&json);
    add_pair(&json, "$schema", "https://json-schema.org/draft/2020-12/schema");
    begin_properties(&json);
    tour_begin(&tour, rows);
    while ((row = tour_next(&tour))) {
        if (tour.leaving) {
            end_container(&json, row);
            continue;
        }
        json_key(&json, row->key);
        json_begin_object(&json);
        add_pair(&json, "description", row->help);
        if (is_scalar(row->type)) {
            add_scalar(&json, row);
            add_default(&json, row);
            json_end(&json);
        } else if (rows_scalar(row->rows)) {
            add_scalars(&json, row);
        } else {
            begin_container(&json, row);
            tour_enter(&tour);
        }
    }
    end_properties(&json, rows);
    json_end(&json);
}
