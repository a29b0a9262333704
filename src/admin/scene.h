/*
 * What an answer is made from: the configuration's names, the scoreboard, what was sampled from it, and the time. Readers of it
 * judge a backend, a role and the whole node here, so that metrics, readiness and status never disagree.
 */
#pragma once

#include "admin/admin.h"
#include "admin/rates.h"
#include "admin/totals.h"
#include "base/instant.h"

/* What the kernel says of one role's process; pid 0: not read. */
struct admin_usage {
    uint64_t pid;
    uint64_t cpu_ns;
    uint64_t resident_bytes, virtual_bytes;
    uint64_t started_ms; /* wall clock */
};

struct admin_scene {
    const struct admin_view *view;
    const struct scoreboard *board;
    const struct rates *rates;
    const struct admin_usage *usage;     /* by role slot: ROLES_MAX */
    const struct cluster_board *cluster; /* NULL: there is none */
    int64_t cluster_age_ms;              /* since the agent wrote it */
    struct instant now;
    int64_t wall_ms;
    int64_t boot_ns; /* CLOCK_BOOTTIME */
};

/* ---- roles ---- */

enum {
    ADMIN_WORKER_SLOT = 2, /* the first worker's in scoreboard.roles; before it: agent, monitor */
    ADMIN_BEAT_AGE_MAX_S = 5, /* a role whose loop has not turned for longer does not work */
};

uint32_t scene_roles(const struct admin_scene *scene); /* slots in use */
enum { ADMIN_ROLE_NAME_MAX = 32 };
char *scene_role_name(uint32_t slot,
                      char *name); /* `agent`, `worker-0`; holds ADMIN_ROLE_NAME_MAX */
int64_t scene_beat_age_ns(const struct admin_scene *scene, uint32_t slot); /* -1: it never beat */
bool scene_role_works(const struct admin_scene *scene, uint32_t slot);
uint32_t scene_workers_working(const struct admin_scene *scene);

/* ---- backends ---- */

enum verdict_state scene_verdict(const struct admin_scene *scene,
                                 const struct admin_backend *backend);
bool scene_drains(const struct admin_scene *scene, const struct admin_backend *backend);
/* Up or not known to be down, not draining, and with a weight. */
bool scene_takes_traffic(const struct admin_scene *scene, const struct admin_backend *backend);
const struct admin_backend *scene_backend(const struct admin_scene *scene,
                                          const struct admin_pool *pool, uint32_t index);
uint32_t scene_pool_usable(const struct admin_scene *scene, const struct admin_pool *pool);

/* ---- the node ---- */

enum { ADMIN_WHY_MAX = 256 };

enum admin_serving {
    SERVING_NO,     /* no worker works, or no pool has a backend left */
    SERVING_PARTLY, /* some pools have none */
    SERVING_YES,
};

struct admin_summary {
    enum admin_serving serving;
    bool survives;           /* every pool would still have a backend, whichever failed next */
    char why[ADMIN_WHY_MAX]; /* why it does not: the gravest reason; "" when it does */
};

void scene_summarize(const struct admin_scene *scene, struct admin_summary *summary);
