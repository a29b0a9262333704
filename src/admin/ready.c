/*
 * Answers from the scoreboard alone. A node that could serve a part of its pools stays ready: taking it out of rotation would
 * help no client, and a backend that fails on every node would take out all of them.
 */
#include "admin/ready.h"

#include "admin/query.h"
#include "base/must.h"

#include <stdio.h>

enum { WHY_MAX = 160 };

static bool workers_work(const struct admin_scene *scene, char *why)
{
    uint32_t working = scene_workers_working(scene), all = total_workers(scene->board);

    snprintf(why, WHY_MAX, "%u of %u workers are ready", working, all);
    return working > 0;
}

static bool configuration_is_in_force(const struct admin_scene *scene, char *why)
{
    uint64_t generation = counted(&scene->board->generation);

    snprintf(why, WHY_MAX, "generation %llu is in force", (unsigned long long)generation);
    return generation > 0;
}

static bool backends_are_left(const struct admin_scene *scene, char *why)
{
    uint32_t usable = 0, pools = scene->view->pool_count;

    for (uint32_t i = 0; i < pools; i++)
        usable += scene_pool_usable(scene, &scene->view->pools[i]) > 0;
    snprintf(why, WHY_MAX, "%u of %u pools have a backend that takes traffic", usable, pools);
    return usable > 0 || pools == 0;
}

static const struct {
    const char *name;
    bool (*passes)(const struct admin_scene *scene, char *why);
} checks[] = {
    {"workers", workers_work},
    {"configuration", configuration_is_in_force},
    {"backends", backends_are_left},
};

const char *ready_check_name(uint32_t index)
{
    return index < ARRAY_LEN(checks) ? checks[index].name : NULL;
}

static bool print_check(const struct admin_scene *scene, size_t index, struct buf *out)
{
    char why[WHY_MAX];
    bool passes = checks[index].passes(scene, why);

    buf_print(out, "[%c]%s %s: %s\n", passes ? '+' : '-', checks[index].name,
              passes ? "ok" : "failed", why);
    return passes;
}

bool ready_print(const struct admin_scene *scene, struct bytes query, struct buf *out)
{
    bool ready = true;

    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        if (query_has(query, "exclude", checks[i].name))
            buf_print(out, "[+]%s excluded: ok\n", checks[i].name);
        else
            ready = print_check(scene, i, out) && ready;
    }
    if (ready && !query_has(query, "verbose", NULL))
        buf_clear(out);
    buf_add_string(out, ready ? "ok\n" : "not ready\n");
    return ready;
}

bool ready_print_one(const struct admin_scene *scene, struct bytes name, struct buf *out,
                     bool *known)
{
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        *known = bytes_equal(name, bytes_of_string(checks[i].name));
        if (*known)
            return print_check(scene, i, out);
    }
    return false;
}
