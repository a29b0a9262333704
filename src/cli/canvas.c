#include "cli/canvas.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>

enum { TEXT_MAX = 512 };

static const char *const codes[STYLES] = {
    [GOOD] = "\033[32m", [BAD] = "\033[31m",   [WARN] = "\033[33m",
    [DIM] = "\033[2m",   [STRONG] = "\033[1m",
};

/* One character of `text` as it may be shown; *used is its length there. */
static struct bytes shown(struct bytes text, unsigned *used)
{
    uint32_t character;
    unsigned len = utf8_step(text, &character);

    *used = len ? len : 1;
    return len && utf8_visible(character) ? bytes_take(text, len) : BYTES("?");
}

static uint32_t width_of(const char *text)
{
    struct bytes rest = bytes_of_string(text);
    uint32_t width = 0;
    unsigned used;

    for (; rest.len; rest = bytes_skip(rest, used), width++)
        shown(rest, &used);
    return width;
}

static bool full(const struct canvas *canvas)
{
    return canvas->columns && canvas->at >= canvas->columns;
}

static void pad(struct canvas *canvas, uint32_t count)
{
    canvas->blanks += count;
    canvas->at += count;
}

/* At most `width` characters. */
static void put(struct canvas *canvas, enum style style, uint32_t width, const char *text)
{
    struct bytes rest = bytes_of_string(text);
    bool styled = canvas->colour && codes[style];
    unsigned used;

    if (rest.len == 0 || width == 0 || full(canvas))
        return;
    for (; canvas->blanks; canvas->blanks--)
        buf_add_byte(canvas->out, ' ');
    if (styled)
        buf_add_string(canvas->out, codes[style]);
    for (; rest.len && width && !full(canvas); rest = bytes_skip(rest, used), width--) {
        buf_add(canvas->out, shown(rest, &used));
        canvas->at++;
    }
    if (styled)
        buf_add_string(canvas->out, "\033[0m");
}

void canvas_text(struct canvas *canvas, enum style style, const char *text)
{
    put(canvas, style, UINT32_MAX, text);
}

void canvas_print(struct canvas *canvas, enum style style, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    canvas_text(canvas, style, text);
}

/* What is cut says so: half an address is worse than none. */
static void put_cut(struct canvas *canvas, enum style style, uint32_t width, const char *text)
{
    bool cut = width_of(text) > width;

    put(canvas, style, cut ? width - 1 : width, text);
    if (cut)
        put(canvas, style, 1, "~");
}

void canvas_left(struct canvas *canvas, uint32_t width, enum style style, const char *text)
{
    uint32_t used = width_of(text);

    must(width > 0);
    put_cut(canvas, style, width, text);
    pad(canvas, (used < width ? width - used : 0) + 1);
}

void canvas_right(struct canvas *canvas, uint32_t width, enum style style, const char *text)
{
    uint32_t used = width_of(text);

    must(width > 0);
    if (used < width)
        pad(canvas, width - used);
    put_cut(canvas, style, width, text);
    pad(canvas, 1);
}

void canvas_end(struct canvas *canvas)
{
    buf_add_byte(canvas->out, '\n');
    canvas->at = canvas->blanks = 0;
    canvas->lines++;
}

/* ---- figures ---- */

/* Three significant digits at most, from a thousand on with a letter. */
static char *scaled(double value, char *text)
{
    static const char letters[] = {0, 'k', 'M', 'G', 'T', 'P', 'E'};
    size_t step = 0;

    while (value >= 999.5 && step + 1 < sizeof letters) {
        value /= 1000;
        step++;
    }
    snprintf(text, CANVAS_FIGURE_MAX, "%.*f%.1s",
             step == 0       ? 0
             : value < 9.995 ? 2
             : value < 99.95 ? 1
                             : 0,
             value, step ? &letters[step] : "");
    return text;
}

char *canvas_rate(double per_second, char *text)
{
    if (per_second >= 9.95 || per_second <= 0)
        return scaled(per_second > 0 ? per_second : 0, text);
    snprintf(text, CANVAS_FIGURE_MAX, "%.1f", per_second);
    return text;
}

char *canvas_count(uint64_t count, char *text)
{
    return scaled((double)count, text);
}

char *canvas_latency(double ms, char *text)
{
    bool seconds = ms >= 999.5;
    double value = seconds ? ms / 1000 : ms;

    if (ms <= 0)
        snprintf(text, CANVAS_FIGURE_MAX, "-");
    else
        snprintf(text, CANVAS_FIGURE_MAX, "%.*f%s",
                 value < 9.995   ? 2
                 : value < 99.95 ? 1
                                 : 0,
                 value, seconds ? "s" : "ms");
    return text;
}

char *canvas_age(int64_t ms, char *text)
{
    static const struct {
        int64_t seconds;
        char name;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    int64_t seconds = ms > 0 ? ms / 1000 : 0;
    size_t unit = 0;

    while (units[unit].seconds > 1 && seconds < units[unit].seconds)
        unit++;
    snprintf(text, CANVAS_FIGURE_MAX, "%" PRId64 "%c", seconds / units[unit].seconds,
             units[unit].name);
    return text;
}
