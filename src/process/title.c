/*
 * Writes the process's title over its own arguments, where `ps` reads it. The storage is the kernel's, fixed in size.
 */
#include "process/process.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static struct {
    char *at;
    size_t size;
} area;

void process_title_begin(int argc, char **argv)
{
    area.at = argv[0];
    area.size = 0;
    /* The kernel lays the strings out one after the other; what does not follow is not ours. */
    for (int i = 0; i < argc && argv[i] == area.at + area.size; i++)
        area.size += strlen(argv[i]) + 1;
}

void process_set_title(const char *title)
{
    must(area.size > 0);
    memset(area.at, 0, area.size);
    snprintf(area.at, area.size, "%s", title);
    prctl(PR_SET_NAME, title);
}
