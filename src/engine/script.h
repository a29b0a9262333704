/*
 * script: the words of a script engine, as JSON objects of a line each (docs/engines.md). Pure: orders to lines, lines to answers.
 *
 * Whatever a line says, an answer comes of it: one that is not an answer to this very order is BROKEN, with a sentence that quotes what was found.
 */
#pragma once

#include "engine/engine.h"

enum {
    SCRIPT_LINE_MAX = 64 << 10, /* without its line feed, either way */
    SCRIPT_PROGRESS_MAX = 10000,
};

/* Whom an order speaks of. */
struct script_scene {
    const char *group, *self;
    const struct engine_member *members;
    uint32_t count;
};

/* The line, with its line feed. `id` is the order's own number. */
void script_write(const struct engine_order *order, uint64_t id, const struct script_scene *scene,
                  struct buf *out);
/* The answer that a line (without its line feed) is to the order. */
void script_read(struct bytes line, const struct engine_order *order, uint64_t id,
                 const struct script_scene *scene, struct engine_answer *answer);
/* An answer that nobody gave: BROKEN, and why. */
void script_break(const struct engine_order *order, struct engine_answer *answer,
                  const char *format, ...) PRINTF(3, 4);
/* As much of what was found as a sentence has room for, printable. Returns `text`. */
char *script_quote(struct bytes found, char *text, size_t cap);
