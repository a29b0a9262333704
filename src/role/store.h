/*
 * role/store: the process of one embedded store, `nines role store SLOT`. The supervisor runs it as a group's process; its agent speaks to it over streams that come on
 * its channel.
 */
#pragma once

#include "role/config.h"

enum { STORE_CHANNEL_FD = 3, STORE_BOARD_FD = 4, STORE_IMAGE_FD = 5 };

/* Where a group's data is, when its engine is `store`. */
void store_directory(struct image image, const struct config_group *group,
                     char path[CONFIG_PATH_MAX]);

int role_store(const char *slot);
