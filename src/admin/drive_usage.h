/*
 * What the kernel says of the roles' processes, read from /proc. Where that cannot be read, it says nothing.
 */
#pragma once

#include "admin/scene.h"

struct usage {
    int proc; /* /proc, opened; -1: it cannot be */
    int64_t ticks_per_s, page_bytes;
    uint64_t boot_ms; /* wall clock */
    struct admin_usage roles[ROLES_MAX];
};

void usage_open(struct usage *usage);
void usage_sample(struct usage *usage, const struct scoreboard *board);
void usage_close(struct usage *usage);
/* From the text of /proc/PID/stat (proc(5)). False: it is not one. */
MUST_USE bool usage_parse(const struct usage *usage, const char *text, struct admin_usage *found);
