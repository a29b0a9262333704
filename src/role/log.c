/*
 * Writes log lines. Never blocks, never allocates, never fails the caller.
 */
#include "role/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096 }; /* PIPE_BUF: one write is one line, also where others write */

static struct {
    char role[32];
    char node[128];
    bool terminal;
    uint64_t dropped;
} this_process;

static const char *const level_names[] = {
    [LOG_INFO] = "info",
    [LOG_WARNING] = "warning",
    [LOG_ERROR] = "error",
};

void log_begin(const char *role, const char *node)
{
    snprintf(this_process.role, sizeof this_process.role, "%s", role);
    snprintf(this_process.node, sizeof this_process.node, "%s", node ? node : "");
    this_process.terminal = isatty(STDERR_FILENO);
}

/* RFC 3339 in UTC; a person at a terminal knows the day. */
static void add_time(struct buf *out, bool day)
{
    int64_t ms = clock_wall_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;

    gmtime_r(&seconds, &utc);
    if (day)
        buf_print(out, "%04d-%02d-%02dT", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday);
    buf_print(out, "%02d:%02d:%02d.%03uZ", utc.tm_hour, utc.tm_min, utc.tm_sec,
              (unsigned)(ms % 1000));
}

static void add(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_add_string(json, text);
}

static void print_json(struct buf *out, enum log_level level, const char *message,
                       const struct log_field *fields, uint32_t count)
{
    char storage[32];
    struct buf now;
    struct json json;

    buf_over(&now, storage, sizeof storage);
    add_time(&now, true);
    json_init(&json, out);
    json_begin_object(&json);
    json_key(&json, "@timestamp");
    json_add_text(&json, buf_bytes(&now));
    add(&json, "log.level", level_names[level]);
    add(&json, "message", message);
    add(&json, "ecs.version", "1.6.0");
    add(&json, "service.name", "nines");
    if (this_process.node[0])
        add(&json, "service.node.name", this_process.node);
    add(&json, "nines.role", this_process.role);
    for (uint32_t i = 0; i < count; i++) {
        json_key(&json, fields[i].key);
        if (fields[i].text)
            json_add_string(&json, fields[i].text);
        else
            json_add_number(&json, fields[i].number);
    }
    json_end(&json);
    buf_add_byte(out, '\n');
}

static void print_plain(struct buf *out, enum log_level level, const char *message,
                        const struct log_field *fields, uint32_t count)
{
    add_time(out, false);
    buf_print(out, " %s: %s%s", this_process.role, level == LOG_INFO ? "" : level_names[level],
              level == LOG_INFO ? "" : ": ");
    buf_add_string(out, message);
    for (uint32_t i = 0; i < count; i++) {
        buf_print(out, "%s%s=", i ? ", " : "  ", fields[i].key);
        if (fields[i].text)
            buf_add_string(out, fields[i].text);
        else
            buf_print(out, "%lld", (long long)fields[i].number);
    }
    buf_add_byte(out, '\n');
}

static void print_line(struct buf *out, enum log_level level, const char *message,
                       const struct log_field *fields, uint32_t count)
{
    (this_process.terminal ? print_plain : print_json)(out, level, message, fields, count);
}

static void write_line(const struct buf *line)
{
    struct pollfd standard_error = {.fd = STDERR_FILENO, .events = POLLOUT};

    /* A pipe that is writable takes PIPE_BUF bytes whole, so this write cannot block. */
    if (poll(&standard_error, 1, 0) != 1 || !(standard_error.revents & POLLOUT) ||
        write(STDERR_FILENO, line->at, line->len) < 0)
        this_process.dropped++;
}

static void report_dropped(void)
{
    struct log_field count = log_number("nines.log.dropped", (int64_t)this_process.dropped);
    uint8_t storage[LINE_MAX_BYTES];
    struct buf line;

    this_process.dropped = 0;
    buf_over(&line, storage, sizeof storage);
    print_line(&line, LOG_WARNING, "log lines were dropped", &count, 1);
    write_line(&line);
}

void log_write(enum log_level level, const char *message, const struct log_field *fields,
               uint32_t count)
{
    uint8_t storage[LINE_MAX_BYTES];
    struct buf line;

    if (this_process.dropped)
        report_dropped();
    buf_over(&line, storage, sizeof storage);
    print_line(&line, level, message, fields, count);
    if (line.full) { /* the sentence matters more than its fields */
        buf_clear(&line);
        print_line(&line, level, message, NULL, 0);
    }
    if (line.full)
        this_process.dropped++;
    else
        write_line(&line);
}
