/*
 * cli: words to API calls, answers to tables; and the load generator. It talks to a running nines through its Unix socket, and
 * never reads a configuration or touches another process.
 */
#pragma once

#include "schema/schema.h"

extern const struct command cli_commands[];
