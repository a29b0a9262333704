/*
 * seccomp: private to process. Which system calls a role may make.
 */
#pragma once

#include "base/buf.h"
#include "process/process.h"

MUST_USE bool seccomp_enter(const struct sandbox *sandbox, struct buf *missing, struct err *err);

/* What the sanitizers' run-time needs beyond ours, or nothing: sandbox_plain.c or sandbox_sanitized.c, whichever the build chose. */
extern const char *const sandbox_extra_calls[];
extern const char *const sandbox_extra_readable[];
void sandbox_extra_begin(void);
