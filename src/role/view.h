/*
 * A generation as admin sees it: names and slots out of the image, whose texts it borrows.
 */
#pragma once

#include "admin/admin.h"
#include "role/role.h"

struct view {
    struct admin_view view;
    struct admin_service services[SERVICES_MAX];
    const char *listens[LISTENERS_MAX];
    struct admin_pool pools[POOLS_MAX];
    struct admin_backend backends[BACKENDS_MAX];
    struct admin_group groups[GROUPS_MAX];
    struct admin_address addresses[CONFIG_ADDRESSES_MAX];
};

/* `node` is this node's name; the view points into itself and into the generation. */
void view_fill(struct view *view, const struct role_generation *generation, const char *node);
