/*
 * What this node knows of its groups, from what the agent left in the scoreboard: for `nines status`, /api/v1/groups and the summary.
 */
#pragma once

#include "admin/scene.h"
#include "base/json.h"

/* An array, one object a group, in the order of the file. */
void groups_write(const struct admin_scene *scene, struct json *json);
void groups_print(const struct admin_scene *scene, struct buf *out);
/* How many groups have no primary that serves. *why: of the first. */
uint32_t groups_down(const struct admin_scene *scene, char *why, size_t cap);
/* Would every group still have one after any one failure? */
bool groups_survive(const struct admin_scene *scene, char *why, size_t cap);
