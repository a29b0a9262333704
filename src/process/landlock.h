/*
 * landlock: private to process. Which files, ports and processes may be reached, by raw system calls: Debian's headers are older
 * than the kernels nines runs on.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* Refuses every file that is not under one of the paths (NULL-terminated lists; absent paths are skipped), binding TCP ports, and
 * signals and abstract sockets beyond this process. Adds to `missing` what this kernel cannot refuse. */
MUST_USE bool landlock_enter(const char *const *readable, const char *const *writable,
                             struct buf *missing, struct err *err);
