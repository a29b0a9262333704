#include "admin/drive_usage.h"

#include "admin/totals.h"
#include "base/clock.h"
#include "base/own.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { STAT_MAX = 1024 };

static uint64_t boot_wall_ms(void)
{
    struct timespec up;

    if (clock_gettime(CLOCK_BOOTTIME, &up) < 0)
        return 0;
    return (uint64_t)(clock_wall_ms() - up.tv_sec * 1000 - up.tv_nsec / NS_PER_MS);
}

void usage_open(struct usage *usage)
{
    *usage = (struct usage){.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC),
                            .ticks_per_s = sysconf(_SC_CLK_TCK),
                            .page_bytes = sysconf(_SC_PAGESIZE),
                            .boot_ms = boot_wall_ms()};
}

void usage_close(struct usage *usage)
{
    own_close(&usage->proc);
    usage->proc = -1;
}

/* Fields of /proc/PID/stat by proc(5), counted from the third on: the first behind the name. */
enum {
    FIELD_UTIME = 14 - 3,
    FIELD_STIME,
    FIELD_STARTED = 22 - 3,
    FIELD_VIRTUAL,
    FIELD_PAGES,
    FIELDS
};

/* The second field is the program's name in parentheses and may hold anything, parentheses too. */
static bool read_fields(const char *text, uint64_t fields[FIELDS])
{
    const char *at = strrchr(text, ')');

    for (uint32_t i = 0; i < FIELDS; i++) {
        at = at ? strchr(at, ' ') : NULL;
        if (!at)
            return false;
        at++;
        fields[i] = strtoull(at, NULL, 10);
    }
    return true;
}

bool usage_parse(const struct usage *usage, const char *text, struct admin_usage *found)
{
    uint64_t fields[FIELDS];

    if (usage->ticks_per_s <= 0 || !read_fields(text, fields))
        return false;
    found->cpu_ns =
        (fields[FIELD_UTIME] + fields[FIELD_STIME]) * (uint64_t)(NS_PER_S / usage->ticks_per_s);
    found->started_ms =
        usage->boot_ms + fields[FIELD_STARTED] * 1000 / (uint64_t)usage->ticks_per_s;
    found->virtual_bytes = fields[FIELD_VIRTUAL];
    found->resident_bytes = fields[FIELD_PAGES] * (uint64_t)usage->page_bytes;
    return true;
}

static bool read_stat(const struct usage *usage, uint64_t pid, char *text)
{
    char path[32];
    ssize_t len;

    snprintf(path, sizeof path, "%" PRIu64 "/stat", pid);
    autoclose int fd = openat(usage->proc, path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    len = read(fd, text, STAT_MAX - 1);
    text[len > 0 ? len : 0] = 0;
    return len > 0;
}

void usage_sample(struct usage *usage, const struct scoreboard *board)
{
    uint32_t roles = ADMIN_WORKER_SLOT + total_workers(board);
    char text[STAT_MAX];

    for (uint32_t slot = 0; slot < roles; slot++) {
        uint64_t pid = counted(&board->roles[slot].pid);
        struct admin_usage found = {.pid = pid};

        if (usage->proc < 0 || pid == 0 || !read_stat(usage, pid, text) ||
            !usage_parse(usage, text, &found))
            found = (struct admin_usage){0};
        usage->roles[slot] = found;
    }
}
