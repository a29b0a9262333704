/*
 * Judges roles, backends and the node from the scoreboard. Reads no clock: the scene has the time.
 */
#include "admin/scene.h"

#include "admin/cluster.h"
#include "admin/groups.h"
#include "base/must.h"

#include <stdio.h>

uint32_t scene_roles(const struct admin_scene *scene)
{
    return ADMIN_WORKER_SLOT + total_workers(scene->board);
}

char *scene_role_name(uint32_t slot, char *name)
{
    static const char *const names[ADMIN_WORKER_SLOT] = {"agent", "monitor"};

    must(slot < ROLES_MAX);
    if (slot < ADMIN_WORKER_SLOT)
        snprintf(name, ADMIN_ROLE_NAME_MAX, "%s", names[slot]);
    else
        snprintf(name, ADMIN_ROLE_NAME_MAX, "worker-%u", slot - ADMIN_WORKER_SLOT);
    return name;
}

int64_t scene_beat_age_ns(const struct admin_scene *scene, uint32_t slot)
{
    uint64_t at = counted(&scene->board->beats[slot].at);

    if (at == 0)
        return -1;
    /* The beat may be younger than the scene's time, which was read at the beginning of this turn. */
    return (int64_t)at > scene->now.ns ? 0 : scene->now.ns - (int64_t)at;
}

bool scene_role_works(const struct admin_scene *scene, uint32_t slot)
{
    int64_t age = scene_beat_age_ns(scene, slot);

    return counted(&scene->board->roles[slot].state) == ROLE_READY && age >= 0 &&
           age <= ADMIN_BEAT_AGE_MAX_S * NS_PER_S;
}

uint32_t scene_workers_working(const struct admin_scene *scene)
{
    uint32_t working = 0;

    for (uint32_t slot = ADMIN_WORKER_SLOT; slot < scene_roles(scene); slot++)
        working += scene_role_works(scene, slot);
    return working;
}

enum verdict_state scene_verdict(const struct admin_scene *scene,
                                 const struct admin_backend *backend)
{
    uint64_t state = counted(&scene->board->verdicts[backend->slot].state);

    return state == VERDICT_UP || state == VERDICT_DOWN ? (enum verdict_state)state
                                                        : VERDICT_UNKNOWN;
}

bool scene_drains(const struct admin_scene *scene, const struct admin_backend *backend)
{
    return backend->drain || counted(&scene->board->overrides[backend->slot].draining) != 0;
}

bool scene_takes_traffic(const struct admin_scene *scene, const struct admin_backend *backend)
{
    return backend->weight > 0 && !scene_drains(scene, backend) &&
           scene_verdict(scene, backend) != VERDICT_DOWN;
}

const struct admin_backend *scene_backend(const struct admin_scene *scene,
                                          const struct admin_pool *pool, uint32_t index)
{
    must(index < pool->count);
    must(pool->first + index < scene->view->backend_count);
    return &scene->view->backends[pool->first + index];
}

uint32_t scene_pool_usable(const struct admin_scene *scene, const struct admin_pool *pool)
{
    uint32_t usable = 0;

    for (uint32_t i = 0; i < pool->count; i++)
        usable += scene_takes_traffic(scene, scene_backend(scene, pool, i));
    return usable;
}

static void say_pool(struct admin_summary *summary, const struct admin_pool *pool, uint32_t usable)
{
    if (usable == 0)
        snprintf(summary->why, sizeof summary->why, "pool %s has none of %u backends up",
                 pool->name, pool->count);
    else
        snprintf(summary->why, sizeof summary->why, "pool %s has %u of %u backends up", pool->name,
                 usable, pool->count);
}

void scene_summarize(const struct admin_scene *scene, struct admin_summary *summary)
{
    uint32_t fewest = 2, dead = 0, down;

    *summary = (struct admin_summary){.serving = SERVING_NO};
    if (scene_workers_working(scene) == 0) {
        snprintf(summary->why, sizeof summary->why, "no worker is ready");
        return;
    }
    for (uint32_t i = 0; i < scene->view->pool_count; i++) {
        const struct admin_pool *pool = &scene->view->pools[i];
        uint32_t usable = scene_pool_usable(scene, pool);

        dead += usable == 0;
        if (usable < fewest) {
            fewest = usable;
            say_pool(summary, pool, usable);
        }
    }
    summary->survives = fewest > 1;
    if (summary->survives && cluster_survives_not(scene)) {
        summary->survives = false;
        snprintf(summary->why, sizeof summary->why, "%s", cluster_survives_not(scene));
    }
    if (summary->survives)
        summary->survives = groups_survive(scene, summary->why, sizeof summary->why);
    down = groups_down(scene, summary->why, sizeof summary->why);
    if (down)
        summary->survives = false;
    if (dead + down == 0)
        summary->serving = SERVING_YES;
    else if (dead + down < scene->view->pool_count + scene->view->group_count)
        summary->serving = SERVING_PARTLY;
}
