/*
 * Virtual addresses: who has each by the document, whether it is on an interface here, and whether this node is well for it.
 */
#pragma once

#include "admin/scene.h"
#include "base/json.h"

/* One array. */
void addresses_write(const struct admin_scene *scene, struct json *json);
void addresses_print(const struct admin_scene *scene, struct buf *out);
/* Whether this machine has it on an interface now. */
bool addresses_held(const struct admin_scene *scene, const char *name);
/* How often it came here since nines started. */
uint64_t addresses_taken(const struct admin_scene *scene, const char *name);
