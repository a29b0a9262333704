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

/* ---- store_tls.c: what clients are shown, and other members ---- */

struct tls_context; /* net/tls.h */

/* Where a group's store speaks TLS, as `address` says of its port; false: nowhere. */
bool store_tls_address(const struct config_group *group, struct address *address);
/* Of a group that speaks TLS. A certificate that has expired is an error when `strict`; else a line of the log. */
MUST_USE bool store_tls_open(struct tls_context **context, struct image image,
                             const struct config_group *group, bool strict, struct err *err);

enum { STORE_TLS_FOLDERS_MAX = 12 };

/* The folders that its files and those of the links between members lie in, and those that symbolic links lead to: they stay readable, for a reload.
 * Pointers into `texts`; ends with NULL. */
void store_tls_folders(struct image image, const struct config_group *group, const char *node,
                       char texts[STORE_TLS_FOLDERS_MAX][CONFIG_PATH_MAX],
                       const char *folders[STORE_TLS_FOLDERS_MAX + 1]);
