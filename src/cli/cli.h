/*
 * cli: words to API calls, answers to tables; and the load generator. It talks to a running nines through its Unix socket, and
 * never reads a configuration or touches another process.
 */
#pragma once

#include "schema/schema.h"

#define CLI_SOCKET "/run/nines/nines.sock" /* where nothing else is said */

extern const struct command cli_commands[];

/* Where the nines that a configuration file describes listens. The cli reads no configuration, so role/main.c says how. */
extern bool (*cli_socket_of)(const char *file, char *path, size_t cap, struct err *err);
