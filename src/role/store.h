/*
 * role/store: where the parts of nines that deal with a store's process agree: the path of its orders, its directory, and its descriptors.
 */
#pragma once

#include "role/config.h"

enum { STORE_IMAGE_FD = 3, STORE_BOARD_FD = 4, STORE_ORDERS_FD = 5 };

/* Where the store of this slot's group takes orders from the agent: a unix socket, at most 108 bytes with its NUL. */
void store_orders_path(struct image image, uint32_t slot, char *path, size_t cap);
/* Where a group's data is, when its engine is `store`. */
void store_directory(struct image image, const struct config_group *group,
                     char path[CONFIG_PATH_MAX]);

/* A member's process: `nines role store SLOT`. */
int role_store(const char *slot);
