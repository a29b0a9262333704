/*
 * command: finds the row that words on the command line mean, in several tables, and prints help from the rows. Runs nothing.
 */
#pragma once

#include "base/buf.h"
#include "schema/schema.h"

/* The row whose name is the first word, or the first two; *used says how many. NULL when there is none. */
const struct command *command_find(const struct command *const *tables, int argc, char **argv,
                                   int *used);
/* A name that is near to the words (they may be mistyped), or NULL. */
const char *command_nearest(const struct command *const *tables, int argc, char **argv);
/* All rows that are not hidden; those that begin with `prefix` (a first word) alone, when there is one. */
void command_list(const struct command *const *tables, const char *prefix, struct buf *out);
void command_help(const struct command *command, struct buf *out);
