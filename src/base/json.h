/*
 * Writes JSON (RFC 8259) into a buffer, compact, commas by itself. (Names differ from those of jansson, which parses.)
 *
 *     json_init(&json, &out);
 *     json_begin_object(&json);
 *     json_key(&json, "name");
 *     json_add_string(&json, "a");
 *     json_end(&json);
 *
 * It never writes anything that is not JSON: strings are escaped, bytes that are not UTF-8 become U+FFFD, and a number that
 * JSON cannot hold becomes null. Using it out of order (a value where a key belongs, nesting deeper than JSON_DEPTH_MAX) is a bug.
 * Whether everything fitted is the buffer's to say (`out->full`).
 */
#pragma once

#include "base/buf.h"

enum { JSON_DEPTH_MAX = 64 };

struct json {
    struct buf *out;
    uint32_t depth;
    uint64_t objects; /* bit d: the container at depth d is an object */
    uint64_t filled;  /* bit d: it holds something */
    bool keyed;       /* a key waits for its value */
    bool done;        /* the one value at the top is complete */
};

void json_init(struct json *json, struct buf *out);
void json_begin_object(struct json *json);
void json_begin_array(struct json *json);
void json_end(struct json *json); /* of the innermost object or array */
void json_key(struct json *json, const char *key);
void json_add_text(struct json *json, struct bytes text);
void json_add_string(struct json *json, const char *text); /* NULL: null */
void json_add_number(struct json *json, int64_t number);
void json_add_unsigned(struct json *json, uint64_t number);
void json_add_double(struct json *json, double number); /* shortest form that reads back the same */
void json_add_bool(struct json *json, bool value);
void json_add_null(struct json *json);
