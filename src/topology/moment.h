/*
 * A hybrid logical time (Kulkarni et al., "Logical Physical Clocks", 2014): wall milliseconds, and a counter for what happens within one or
 * while the wall clock lags. Messages carry it, so that an effect never has an earlier moment than its cause on another node.
 *
 * For ordering what people read; nothing is decided by it. A peer whose wall clock is far ahead does not drag the others along, and a
 * node whose own clock was far ahead and was set right follows it back: both cost order between nodes, never within one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    MOMENT_AHEAD_MAX_MS = 60000, /* of what others say, against one's own wall clock */
    MOMENT_TEXT_MAX = 32,        /* what moment_print writes at most, NUL included */
};

struct moment {
    int64_t wall_ms;  /* since 1970; not negative */
    uint32_t counter; /* of moments within this wall_ms */
};

/* The moment of something that happens here now: later than `last`, the newest that this node gave or heard. */
struct moment moment_next(struct moment last, int64_t wall_ms);
/* What is to be remembered as `last` after hearing a peer's moment. *far: it was too far ahead, and is not followed. */
struct moment moment_merge(struct moment last, struct moment heard, int64_t wall_ms, bool *far);
/* Negative, 0 or positive: a is before, equal to, after b. */
int moment_compare(struct moment a, struct moment b);
/* `2026-11-22T22:30:00.123Z`; years past 9999 are printed as 9999. Returns text, which holds MOMENT_TEXT_MAX. */
char *moment_print(struct moment moment, char *text);
