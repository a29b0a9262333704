/*
 * What happened, told in lines: `[  4.000123] 2  won term 3`. The oldest lines make room when there are too many.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { STORY_LINES = 100000, STORY_LINE = 160 };

struct story {
    uint64_t told;
    char lines[STORY_LINES][STORY_LINE];
};

/* host: from 0; -1: of nobody. */
void story_tell(struct story *story, int64_t at_ns, int host, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The last `lines` of it. */
void story_print(const struct story *story, uint32_t lines, FILE *to);
