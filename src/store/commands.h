/*
 * The rows of all commands: one list a file, each ends with a row without a name.
 */
#pragma once

#include "store/call.h"

extern const struct command commands_string[];
extern const struct command commands_key[];
extern const struct command commands_hash[];
extern const struct command commands_set[];
extern const struct command commands_list[];
extern const struct command commands_sorted[];
extern const struct command commands_session[]; /* the server's own */

/* What the scans of keys and of values have in common (commands_key.c). */
struct scan_options {
    uint64_t cursor;
    int64_t count;
    struct bytes pattern; /* NULL: all */
    struct bytes type;    /* NULL: all */
};
bool scan_cursor(struct call *call, uint32_t word, struct scan_options *options);
bool scan_read_options(struct call *call, uint32_t word, struct scan_options *options);
bool scan_wants(const struct scan_options *options, struct bytes name);
/* The elements that a scan has found, which are replied behind the cursor. */
struct scan_reply {
    struct scan_options options;
    struct call *call;
    struct buf found;
    uint64_t count;
};
void scan_begin_reply(struct scan_reply *reply, struct call *call);
void scan_add(struct scan_reply *reply, struct bytes element);
void scan_end_reply(struct scan_reply *reply);

/* An expiry argument: a number of `unit_ms`, from `base_ms` on. Replies what is wrong with it. */
bool read_expiry(struct call *call, uint32_t word, int64_t unit_ms, int64_t base_ms,
                 int64_t *expires_ms);
