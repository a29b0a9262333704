#include "base/json.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void json_init(struct json *json, struct buf *out)
{
    *json = (struct json){.out = out};
}

static uint64_t bit(const struct json *json)
{
    return 1ULL << (json->depth - 1);
}

static bool in_object(const struct json *json)
{
    return json->depth > 0 && (json->objects & bit(json)) != 0;
}

static void separate(struct json *json)
{
    if (json->depth == 0)
        return;
    if (json->filled & bit(json))
        buf_add_byte(json->out, ',');
    json->filled |= bit(json);
}

static void begin_value(struct json *json)
{
    must(!json->done);
    must(json->keyed == in_object(json));
    if (!json->keyed)
        separate(json);
    json->keyed = false;
    json->done = json->depth == 0;
}

static void open_container(struct json *json, bool object)
{
    must(json->depth < JSON_DEPTH_MAX);
    begin_value(json);
    json->done = false;
    json->depth++;
    json->filled &= ~bit(json);
    json->objects = object ? json->objects | bit(json) : json->objects & ~bit(json);
    buf_add_byte(json->out, object ? '{' : '[');
}

void json_begin_object(struct json *json)
{
    open_container(json, true);
}

void json_begin_array(struct json *json)
{
    open_container(json, false);
}

void json_end(struct json *json)
{
    must(json->depth > 0);
    must(!json->keyed);
    buf_add_byte(json->out, in_object(json) ? '}' : ']');
    json->depth--;
    json->done = json->depth == 0;
}

static void add_escaped(struct buf *out, uint32_t character, struct bytes raw)
{
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                   ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};

    if (character < sizeof letters && letters[character])
        buf_print(out, "\\%c", letters[character]);
    else if (character < 0x20 || character == 0x7f)
        buf_print(out, "\\u%04x", character);
    else
        buf_add(out, raw);
}

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

static void add_quoted(struct buf *out, struct bytes text)
{
    buf_add_byte(out, '"');
    while (text.len) {
        size_t plain = 0;
        uint32_t character;
        unsigned len;

        while (plain < text.len && is_plain(text.at[plain]))
            plain++;
        buf_add(out, bytes_take(text, plain));
        text = bytes_skip(text, plain);
        if (text.len == 0)
            break;
        len = utf8_step(text, &character);
        if (len)
            add_escaped(out, character, bytes_take(text, len));
        else
            buf_add_string(out, "\xef\xbf\xbd");
        text = bytes_skip(text, len ? len : 1);
    }
    buf_add_byte(out, '"');
}

void json_key(struct json *json, const char *key)
{
    must(in_object(json));
    must(!json->keyed);
    separate(json);
    add_quoted(json->out, bytes_of_string(key));
    buf_add_byte(json->out, ':');
    json->keyed = true;
}

void json_add_text(struct json *json, struct bytes text)
{
    begin_value(json);
    add_quoted(json->out, text);
}

void json_add_string(struct json *json, const char *text)
{
    if (text)
        json_add_text(json, bytes_of_string(text));
    else
        json_add_null(json);
}

void json_add_number(struct json *json, int64_t number)
{
    begin_value(json);
    if (number < 0)
        buf_add_byte(json->out, '-');
    buf_add_number(json->out, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

void json_add_unsigned(struct json *json, uint64_t number)
{
    begin_value(json);
    buf_add_number(json->out, number);
}

void json_add_double(struct json *json, double number)
{
    char text[32];

    if (!isfinite(number)) {
        json_add_null(json);
        return;
    }
    begin_value(json);
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    buf_add_string(json->out, text);
}

void json_add_bool(struct json *json, bool value)
{
    begin_value(json);
    buf_add_string(json->out, value ? "true" : "false");
}

void json_add_null(struct json *json)
{
    begin_value(json);
    buf_add_string(json->out, "null");
}
