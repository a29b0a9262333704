#include "admin/openapi.h"

#include "base/json.h"

#include <string.h>

static void text(struct json *json, const char *key, const char *value)
{
    json_key(json, key);
    json_add_string(json, value);
}

/* The next `{name}` in a path, or NULL; *path goes behind it. */
static struct bytes next_parameter(const char **path)
{
    const char *open = strchr(*path, '{');
    const char *close = open ? strchr(open, '}') : NULL;

    if (!close)
        return (struct bytes){0};
    *path = close;
    return bytes_of(open + 1, (size_t)(close - open - 1));
}

static void parameters(struct json *json, const char *path)
{
    struct bytes name;

    json_key(json, "parameters");
    json_begin_array(json);
    while ((name = next_parameter(&path)).len) {
        json_begin_object(json);
        json_key(json, "name");
        json_add_text(json, name);
        text(json, "in", "path");
        json_key(json, "required");
        json_add_bool(json, true);
        json_key(json, "schema");
        json_begin_object(json);
        text(json, "type", "string");
        json_end(json);
        json_end(json);
    }
    json_end(json);
}

static void response(struct json *json, const char *status, const char *description)
{
    json_key(json, status);
    json_begin_object(json);
    text(json, "description", description);
    json_end(json);
}

static void operation(struct json *json, const struct route_row *row)
{
    bool get = strcmp(row->method, "GET") == 0;

    json_key(json, get ? "get" : "post");
    json_begin_object(json);
    text(json, "summary", row->help);
    parameters(json, row->path);
    json_key(json, "responses");
    json_begin_object(json);
    response(json, "200", get ? "What was asked for." : "It was done.");
    response(json, "default", "It could not be done; the content says why.");
    json_end(json);
    json_end(json);
}

void openapi_print(const struct route_row *rows, size_t count, struct buf *out)
{
    struct json json;

    json_init(&json, out);
    json_begin_object(&json);
    text(&json, "openapi", "3.1.0");
    json_key(&json, "info");
    json_begin_object(&json);
    text(&json, "title", "nines");
    text(&json, "version", NINES_VERSION);
    json_end(&json);
    json_key(&json, "paths");
    json_begin_object(&json);
    for (size_t i = 0; i < count; i++) {
        json_key(&json, rows[i].path);
        json_begin_object(&json);
        for (; i + 1 < count && strcmp(rows[i].path, rows[i + 1].path) == 0; i++)
            operation(&json, &rows[i]);
        operation(&json, &rows[i]);
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
    buf_add_byte(out, '\n');
}
