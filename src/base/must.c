/*
 * The end of a process that found its own bug: one line, then abort. Allocates nothing.
 */
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void must_failed(const char *claim, const char *file, int line)
{
    char text[512];
    int len = snprintf(text, sizeof text, "nines: bug at %s:%d: %s\n", file, line, claim);

    if (len > (int)sizeof text - 1)
        len = (int)sizeof text - 1;
    if (len > 0 && write(STDERR_FILENO, text, (size_t)len) < 0)
        abort();
    abort();
}
