/*
 * Stands in for processes that are not written yet; each weak definition goes when the real one comes.
 */
#include "role/role.h"

#define ABSENT __attribute__((weak))

ABSENT int role_worker(void)
{
    return 1;
}

ABSENT int role_agent(void)
{
    return 1;
}

ABSENT int role_monitor(void)
{
    return 1;
}

ABSENT int role_reader(void)
{
    return 1;
}

ABSENT int role_supervisor(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 1;
}

ABSENT const struct command role_commands[] = {{0}};

ABSENT const char *schema_nearest(const char *word, const char *const *names)
{
    (void)word;
    (void)names;
    return NULL;
}
