/*
 * What an URL says after its path's beginning: `a=1&b`, and `%3A`.
 */
#pragma once

#include "base/bytes.h"
#include "base/must.h"

/* True when the query names `key`, with this value unless that is NULL. */
bool query_has(struct bytes query, const char *key, const char *value);
/* Decodes %XX into a string. False: malformed, a NUL, or longer than cap - 1. */
MUST_USE bool query_decode(struct bytes text, char *decoded, size_t cap);
