/*
 * A build without sanitizers needs nothing beyond the lists.
 */
#include "process/seccomp.h"

const char *const sandbox_extra_calls[] = {NULL};
const char *const sandbox_extra_readable[] = {NULL};

void sandbox_extra_begin(void)
{
}
