/*
 * Lines of a terminal, made of cells with a width. What somebody else chose (a name in a file) cannot move the cursor: what is
 * not visible becomes `?`. Blanks at a line's end are not written, and nothing goes past the last column.
 */
#pragma once

#include "base/buf.h"

enum style { PLAIN, GOOD, BAD, WARN, DIM, STRONG, STYLES };

struct canvas {
    struct buf *out;
    bool colour;
    uint32_t columns; /* 0: no end */
    uint32_t at;      /* column of the cursor, with the blanks that wait */
    uint32_t blanks;  /* before whatever comes next */
    uint32_t lines;   /* ended */
};

void canvas_text(struct canvas *canvas, enum style style, const char *text);
void canvas_print(struct canvas *canvas, enum style style, const char *format, ...) PRINTF(3, 4);
/* Left or right aligned in `width` columns, cut with a `~` where it is longer, and one blank after it. */
void canvas_left(struct canvas *canvas, uint32_t width, enum style style, const char *text);
void canvas_right(struct canvas *canvas, uint32_t width, enum style style, const char *text);
void canvas_end(struct canvas *canvas); /* of the line */

/* ---- figures in few characters; all return text, which holds CANVAS_FIGURE_MAX ---- */

enum { CANVAS_FIGURE_MAX = 24 };

char *canvas_rate(double per_second, char *text); /* 0, 0.3, 42, 12.3k, 1.20M */
char *canvas_latency(double ms, char *text);      /* -, 0.52ms, 12.3ms, 1.20s; `-` for 0 */
char *canvas_age(int64_t ms, char *text);         /* 12s, 3m, 4h, 9d */
char *canvas_count(uint64_t count, char *text);   /* 999, 12.3k, 4.56M */
