/*
 * What the journal's drivers share: drive_journal.c writes, drive_journal_read.c reads back, at the end of a run or by a journal of an
 * earlier one.
 */
#pragma once

#include "cli/drive_load.h"
#include "cli/journal.h"

/*
 * Asks the driver's hosts for every id that the ledger knows, and a few beyond. All of it comes from one connection, so from one server:
 * when that breaks, it begins anew. False: nothing new came for the whole timeout, or a second signal did.
 */
MUST_USE bool journal_read_back(struct load_driver *driver, struct ledger *ledger, struct err *err);

/* A ledger with its arrays, which journal_release frees in any case. */
MUST_USE bool journal_allocate(struct ledger *ledger, const struct journal_head *head, bool exact,
                               struct err *err);
void journal_release(struct ledger *ledger);
/* Prints the result. */
MUST_USE bool journal_report(const struct journal_result *result);
