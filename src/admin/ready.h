/*
 * May this node take traffic? A few checks, each by itself and all together, in the form that Kubernetes made known:
 * 200 or 503, `?verbose` prints each check, `?exclude=NAME` leaves one out.
 */
#pragma once

#include "admin/scene.h"
#include "base/buf.h"

/* The name of a check, or NULL behind the last. */
const char *ready_check_name(uint32_t index);
/* True when every check passes, but those that the query excludes. */
bool ready_print(const struct admin_scene *scene, struct bytes query, struct buf *out);
/* Only the check of that name, written out. False with *known false: there is no such check. */
bool ready_print_one(const struct admin_scene *scene, struct bytes name, struct buf *out,
                     bool *known);
