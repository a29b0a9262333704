/*
 * What an URL says after its path's beginning: `a=1&b`, and `%3A`.
 */
#pragma once

#include "base/buf.h"
#include "base/must.h"

/* True when the query names `key`, with this value unless that is NULL. */
bool query_has(struct bytes query, const char *key, const char *value);
/* The value of the first `key`, decoded into a string. False: there is none, or it cannot be decoded. */
MUST_USE bool query_value(struct bytes query, const char *key, char *value, size_t cap);
/* Encodes what is not an unreserved character (RFC 3986 2.3). */
void query_encode(struct buf *out, const char *text);
/* Decodes %XX into a string. False: malformed, a NUL, or longer than cap - 1. */
MUST_USE bool query_decode(struct bytes text, char *decoded, size_t cap);
