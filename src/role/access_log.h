/*
 * access_log: gathers the workers' lines from their pipes and appends them to the access log.
 *
 * Lines stay whole: each pipe has its own buffer, and only what ends in a newline is written. A log that cannot be written costs lines,
 * which are counted (scoreboard.log_lost) and told once; a reader of a pipe or terminal who pauses costs nothing until the
 * workers' pipes are full, and never holds up the loop.
 */
#pragma once

#include "net/net.h"
#include "process/scoreboard.h"

struct access_log;

MUST_USE bool access_log_open(struct access_log **log, struct loop *loop, struct scoreboard *board,
                              struct err *err);
/* Descriptors are borrowed, -1: none; `pipes` has WORKERS_MAX. Those that stay have the same number again. */
void access_log_configure(struct access_log *log, int fd, const int *pipes);
void access_log_reopen(struct access_log *log, int fd);
/* Takes what is in the pipes by now, and stops. */
void access_log_close(struct access_log *log);
