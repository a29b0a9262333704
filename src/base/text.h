/*
 * Quantities as people write them, read strictly and printed so that they read back the same: `250ms`, `16KiB`, `99.99%`.
 *
 * A parser takes the whole text or refuses it; no signs, no spaces, no fractions but a percentage's.
 */
#pragma once

#include "base/bytes.h"
#include "base/must.h"

enum { TEXT_QUANTITY_MAX = 32 }; /* what every printer writes at most, NUL included */

/* Decimal digits with an optional `-`, within int64_t. */
MUST_USE bool text_parse_number(struct bytes text, int64_t *number);
MUST_USE bool text_parse_duration(struct bytes text, int64_t *ms); /* 250ms 5s 10m 2h 90d */
MUST_USE bool text_parse_size(struct bytes text, int64_t *size);   /* 512 16KiB 64MiB 2GiB 1TiB */
MUST_USE bool text_parse_percent(struct bytes text, int64_t *hundredths); /* 20% 99.9% 99.99% */

/* The largest unit that divides evenly. Not negative. All return text, which holds TEXT_QUANTITY_MAX. */
char *text_print_duration(int64_t ms, char *text);
char *text_print_size(int64_t size, char *text);
char *text_print_percent(int64_t hundredths, char *text);

/* For reading, not for reading back; three significant digits: `950 ns`, `1.25 ms`, `12.5 s`, then `3m 12s`, `4h 5m`, `9d 2h`. */
char *text_print_elapsed(int64_t ns, char *text);
/* Likewise: `512 B`, `1.50 KiB`. */
char *text_print_amount(int64_t size, char *text);
