/*
 * Cleanup at the end of a scope: `autoclose int fd = open(…);`, `autofree char *text = …;`, and take_fd to keep.
 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

static inline void own_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void own_free(void *pointer)
{
    free(*(void **)pointer);
}

#define autoclose __attribute__((cleanup(own_close)))
#define autofree __attribute__((cleanup(own_free)))

/* Moves a descriptor out of a variable that would close it. */
static inline int take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}
