/*
 * cert_files: puts the files of certificates and keys on disk, each whole or not at all.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <sys/types.h>

struct cert_file {
    mode_t mode;
    uid_t owner;  /* (uid_t)-1: as it comes */
    bool replace; /* false: one that is there is left alone, and that is an error */
};

/* Makes it if it is not there. */
MUST_USE bool cert_folder(const char *path, struct err *err);
MUST_USE bool cert_file_put(const char *path, const struct cert_file *file, struct bytes text,
                            struct err *err);
/* `text` is zeroed or finished before, and the caller's after. */
MUST_USE bool cert_file_get(const char *path, struct buf *text, struct err *err);
