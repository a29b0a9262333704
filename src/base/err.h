/*
 * What the world did to us: a kind, an errno where there is one, and a sentence for a person.
 *
 * `err_set`, `err_system` and `err_during` record and *are* `false`, so that a failing branch is one
 * line: `return err_system(err, "open '%s'", path);`. The sentence says what was found, where, and what was
 * expected; it ends without a full stop. A room never logs an err, it returns it.
 */
#pragma once

#include "base/must.h"

#include <stdbool.h>

enum err_kind {
    ERR_NONE,
    ERR_SYSTEM, /* a system call failed: number is its errno */
    ERR_CONFIG, /* a file that a person wrote is wrong: exit code 78 */
    ERR_USAGE,  /* a command line is wrong: exit code 2 */
    ERR_PEER,   /* somebody at the other end of a connection broke the protocol or went away */
    ERR_LIMIT,  /* a bound of our own was reached */
    ERR_TIMEOUT,
    ERR_VERSION, /* written by a newer version of this program */
};

enum { ERR_TEXT_MAX = 1024 };

struct err {
    enum err_kind kind;
    int number;
    char text[ERR_TEXT_MAX]; /* always ends with NUL; cut, never overrun */
};

#define err_set(err, kind, ...) (err_record((err), (kind), 0, __VA_ARGS__), false)
/* Appends `: ` and strerror(errno). */
#define err_system(err, ...) (err_record_errno((err), __VA_ARGS__), false)
/* Puts a context before what is already there: `context: text`. */
#define err_during(err, ...) (err_prefix((err), __VA_ARGS__), false)

void err_record(struct err *err, enum err_kind kind, int number, const char *format, ...)
    PRINTF(4, 5);
void err_record_errno(struct err *err, const char *format, ...) PRINTF(2, 3);
void err_prefix(struct err *err, const char *format, ...) PRINTF(2, 3);
