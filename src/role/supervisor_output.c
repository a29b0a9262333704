/*
 * What a group's process or program writes on its standard output and error becomes lines of the log, so many a second and so long at most. It is read for as long as
 * it comes: whoever writes never waits for the log.
 */
#include "role/supervisor.h"

#include "base/clock.h"
#include "base/own.h"
#include "role/log.h"

#include <string.h>

enum { READS_A_TURN = 16 };

void output_begin(struct output *output, int fd)
{
    *output = (struct output){.fd = fd, .second = clock_now()};
}

static void say_dropped(struct output *output, const char *group, const char *what)
{
    if (output->dropped)
        log_warning("lines of a group's program were not logged: it writes too many",
                    log_text("nines.group", group), log_text("nines.program", what),
                    log_number("nines.lines", (int64_t)output->dropped));
    output->dropped = 0;
}

static void say_line(struct output *output, const char *group, const char *what)
{
    struct instant now = clock_now();

    if (output->len == 0)
        return;
    if (passed(after_ms(output->second, 1000), now)) {
        say_dropped(output, group, what);
        output->second = now;
        output->lines = 0;
    }
    output->line[output->len < OUTPUT_LINE_MAX ? output->len : OUTPUT_LINE_MAX - 1] = '\0';
    output->len = 0;
    if (output->lines == OUTPUT_LINES_MAX) {
        output->dropped++;
        return;
    }
    output->lines++;
    log_info(output->line, log_text("nines.group", group), log_text("nines.program", what));
}

static void take(struct output *output, const char *text, size_t len, const char *group,
                 const char *what)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n')
            say_line(output, group, what);
        else if (output->len < OUTPUT_LINE_MAX - 1 && text[i] != '\0' && text[i] != '\r')
            output->line[output->len++] = text[i];
    }
}

void output_read(struct output *output, const char *group, const char *what)
{
    char text[4096];

    for (int i = 0; i < READS_A_TURN && output->fd >= 0; i++) {
        ssize_t got = read(output->fd, text, sizeof text);

        if (got < 0)
            return; /* nothing more for now */
        if (got == 0) {
            output_end(output, group, what);
            return;
        }
        take(output, text, (size_t)got, group, what);
    }
}

void output_end(struct output *output, const char *group, const char *what)
{
    char text[4096];
    ssize_t got = 0;

    for (int i = 0; i < READS_A_TURN && output->fd >= 0; i++) {
        got = read(output->fd, text, sizeof text);
        if (got <= 0)
            break;
        take(output, text, (size_t)got, group, what);
    }
    say_line(output, group, what);
    say_dropped(output, group, what);
    own_close(&output->fd);
    output->fd = -1;
}
