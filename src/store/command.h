/*
 * command: the table of all commands, and what is the same for each of them. Rows stand in commands_*.c; the server's own (run is NULL) in commands_session.c.
 *
 *     row = command_named(words, count);
 *     if (!row || !command_fits(row, count)) command_refuse(out, row, words, count);
 *     else if (row->flags & COMMAND_SESSION) …            the server's
 *     else if (row->flags & COMMAND_WRITE) …              a record; executed by command_run when it is committed
 *     else command_run(&call)                             a read
 *
 * `command_run` is all that a member does to execute a record of kind RECORD_COMMAND: command_of_record, then command_run. What no client may call (`@expire`, `@evict`: the primary's
 * own) is found by command_of_record alone.
 */
#pragma once

#include "store/call.h"

/* By name without case; a subcommand's row where there is one. The container itself (`object`) if the subcommand is not known. NULL: unknown. */
const struct command *command_named(const struct bytes *words, uint32_t count);
/* As above, and internal commands. */
const struct command *command_of_record(const struct bytes *words, uint32_t count);
/* Whether so many words are right for it. */
bool command_fits(const struct command *command, uint32_t count);
/* Whether it only holds subcommands. */
bool command_is_container(const struct command *command);
/* The error for words that cannot be executed: unknown command or subcommand, wrong number. */
void command_refuse(struct buf *out, const struct command *command, const struct bytes *words,
                    uint32_t count);
/* Executes call->command, which fits. Writes exactly one reply if there is an `out`. */
void command_run(struct call *call);

/* Bit i: category i (enum command_category). */
uint32_t command_categories(const struct command *command);
const char *command_category_name(enum command_category category);
/* The i-th row, subcommands and internal ones too; NULL: there are no more. */
const struct command *command_at(uint32_t index);
/*
 * The place of the n-th key among the words, 0: there are no more. Commands whose keys are counted by a word of theirs (ZUNION 2 a b) are known too.
 */
uint32_t command_key(const struct command *command, const struct bytes *words, uint32_t count,
                     uint32_t n);
