/*
 * arguments: the options that commands which read the configuration have in common. Says on standard error what is wrong.
 */
#pragma once

#include "base/must.h"

#include <stdbool.h>

enum argument {
    ARGUMENT_FILE = 1,       /* -c FILE; required */
    ARGUMENT_NODE = 2,       /* --node NAME */
    ARGUMENT_DEFAULTS = 4,   /* --defaults */
    ARGUMENT_OFFLINE = 8,    /* --no-resolve */
    ARGUMENT_OPERAND = 16,   /* one word, or none */
    ARGUMENT_OUT = 32,       /* --out DIR */
    ARGUMENT_AUTHORITY = 64, /* --authority DIR */
    ARGUMENT_DAYS = 128,     /* --days N */
    ARGUMENT_JSON = 256,     /* --json */
};

enum { ARGUMENTS_EXIT = 2 };

struct arguments {
    const char *file, *node, *operand, *out, *authority, *days; /* NULL: not given */
    bool defaults, offline, json;
};

/* `allowed`: a sum of enum argument. */
MUST_USE bool arguments_parse(struct arguments *arguments, unsigned allowed, int argc, char **argv);
