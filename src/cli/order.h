/*
 * What the commands that give orders share: drive_cluster.c. Any node takes an order; the answer says which one acted.
 */
#pragma once

#include "cli/client.h"

enum { ORDER_TARGET_MAX = 2048 };

/* POSTs the order, with its timeout added to `target`, and prints `done` and who did it, or why not; the command's exit code. */
int order_send(const char *command, const struct client_options *options, struct buf *target,
               const char *done);
void order_dump(json_t *json); /* a line of JSON */
