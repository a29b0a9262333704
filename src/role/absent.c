/*
 * Stands in for processes that are not written yet; each weak definition goes when the real one comes.
 */
#include "role/role.h"

#define ABSENT __attribute__((weak))

static const struct role_events nothing = {0};

ABSENT int role_worker(void)
{
    static struct role role;

    return role_run(&role, ROLE_WORKER, &nothing);
}
