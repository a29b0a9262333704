/*
 * cli/terminal: what standard output is, and a whole screen of it.
 */
#pragma once

#include "base/bytes.h"
#include "base/must.h"

bool terminal_present(void); /* standard output and input are one */
bool terminal_colours(void); /* standard output is one, and nobody said NO_COLOR or TERM=dumb */
void terminal_size(uint32_t *rows, uint32_t *columns);

/* Keys come at once and unseen, and the screen that was there comes back at terminal_leave, which also happens on INT, TERM and HUP: they
 * then arrive as the key Ctrl-C. False: it cannot be (a bug of the terminal's); nothing was changed. */
MUST_USE bool terminal_enter(void);
void terminal_leave(void);
/* Replaces the whole screen. */
void terminal_draw(struct bytes frame);
/* Waits for a key (an escape sequence is one) or a resized window; empty: neither came within `ms`, or it was resized. */
struct bytes terminal_key(int64_t ms);
