/*
 * script_orders: the other side of script.h, for a program of nines's own that takes orders: lines to orders, answers to lines. Pure.
 *
 * What script_write wrote is read back as the same order, and what script_write_answer wrote script_read reads as the same answer; but lives have no incarnation in a line: it is 1.
 */
#pragma once

#include "engine/script.h"

/* The order that a line (without its line feed) is. False: it is none, and `sentence` says why. A member that the scene does not have is 0, and is not in `needs`. */
MUST_USE bool script_read_order(struct bytes line, const struct script_scene *scene,
                                struct engine_order *order, uint64_t *id,
                                char sentence[GROUP_SENTENCE_MAX]);
/* The line, with its line feed. */
void script_write_answer(const struct engine_answer *answer, uint64_t id,
                         const struct script_scene *scene, struct buf *out);
