/*
 * log: one line per event on standard error, for whoever repairs this program: JSON with ECS-like names, or plain text when
 * standard error is a terminal. One sentence and typed fields:
 *
 *     log_warning("worker ended", log_number("process.pid", pid), log_text("reason", text));
 *
 * A line is one write and never blocks: what standard error does not take at once is dropped, and the next line says how many were.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_field {
    const char *key;
    const char *text; /* NULL: a number */
    int64_t number;
};

static inline struct log_field log_text(const char *key, const char *text)
{
    return (struct log_field){.key = key, .text = text};
}

static inline struct log_field log_number(const char *key, int64_t number)
{
    return (struct log_field){.key = key, .number = number};
}

/* Once per process, before the first line; `role` and `node` are copied, node may be NULL. Looks whether this is a terminal. */
void log_begin(const char *role, const char *node);
void log_write(enum log_level level, const char *message, const struct log_field *fields,
               uint32_t count);

#define LOG_LINE(level, message, ...)                                                              \
    log_write((level), (message), (const struct log_field[]){{0}, ##__VA_ARGS__} + 1,              \
              sizeof((const struct log_field[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_field) -  \
                  1)
#define log_info(message, ...) LOG_LINE(LOG_INFO, message, ##__VA_ARGS__)
#define log_warning(message, ...) LOG_LINE(LOG_WARNING, message, ##__VA_ARGS__)
#define log_error(message, ...) LOG_LINE(LOG_ERROR, message, ##__VA_ARGS__)
