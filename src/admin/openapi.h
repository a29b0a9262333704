/*
 * The interface's description, from the same rows that answer it: OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0).
 */
#pragma once

#include "base/buf.h"

struct route_row {
    const char *method; /* GET (HEAD goes with it) or POST */
    const char *path;   /* `/a/{parameter}` */
    const char *help;   /* one sentence */
};

/* Rows of one path stand together. */
void openapi_print(const struct route_row *rows, size_t count, struct buf *out);
