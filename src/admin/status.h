/*
 * The node's state as one JSON object: what `nines status`, `nines top` and every other program read. Keys are only ever added.
 * Times are milliseconds: `_ms` of a duration, or since 1970 where the name says `since`, `started` or `now`.
 */
#pragma once

#include "admin/scene.h"
#include "base/buf.h"

void status_print(const struct admin_scene *scene, struct buf *out);
const char *status_backend_state(const struct admin_scene *scene,
                                 const struct admin_backend *backend);
