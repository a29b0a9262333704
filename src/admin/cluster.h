/*
 * What this node knows of its cluster, from what the agent left in the scoreboard: for `nines status`, /api/v1/cluster and metrics.
 */
#pragma once

#include "admin/scene.h"
#include "base/json.h"

enum {
    CLUSTER_STALE_MS = 3000, /* a view that is older says nothing of now: the agent has stopped */
    CLUSTER_MISSING_MAX = 1024,
};

/* One object; `state` is `none` where there is no cluster. */
void cluster_write(const struct admin_scene *scene, struct json *json);
void cluster_print(const struct admin_scene *scene, struct buf *out);
/* What is missing, and what to do; "" when the cluster can decide. `text` holds CLUSTER_MISSING_MAX. */
const char *cluster_missing(const struct admin_scene *scene, char *text);
/* NULL: whatever fails next, the cluster goes on, or there is none. */
const char *cluster_survives_not(const struct admin_scene *scene);
bool cluster_is_stale(const struct admin_scene *scene);
