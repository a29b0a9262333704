/*
 * Inside the room: one value of a scalar type as text, as a value, and in an image.
 */
#pragma once

#include "schema/schema.h"

struct value {
    int64_t number;    /* of all but texts and endpoints; a bool's 0 or 1; a choice's index */
    struct bytes text; /* of those */
};

/* Both bounds, as the row or else the type has them. */
void scalar_bounds(const struct option *row, int64_t *low, int64_t *high);
/* Within the bounds, too. `quoted`: it stands in quotes in the file. */
MUST_USE bool scalar_parse(const struct option *row, struct bytes text, bool quoted,
                           struct value *value);
/* As YAML, which reads back the same. */
void scalar_print(const struct option *row, const struct value *value, struct buf *out);
/* A text as YAML, in quotes where it needs them. */
void scalar_print_text(struct bytes text, struct buf *out);
/* `a duration from 10ms to 1h` */
void scalar_describe(const struct option *row, struct buf *out);
/* How it is written, where the text is not; NULL: there is nothing to say. May point into `into`. */
const char *scalar_fix(const struct option *row, struct bytes text, bool quoted, char *into,
                       size_t size);

/* To and from the field at `at`. False: the text is absent. */
void scalar_store(const struct option *row, const struct value *value, struct buf *image,
                  size_t at);
MUST_USE bool scalar_load(const struct option *row, struct image image, size_t at,
                          struct value *value);
