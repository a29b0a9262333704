/* Private to the ledger's core: what its files share. */
#pragma once

#include "store/ledger_core.h"

/* ---- ledger_core.c ---- */

void ledger_say(struct ledger_core *core, const char *format, ...) PRINTF(2, 3);
/* Nothing is under way to the disk, and all that is in memory is on it. */
bool ledger_settled(const struct ledger_core *core);
bool ledger_is_primary(const struct ledger_core *core);
/* Is nobody's from now on. */
void ledger_step_down(struct ledger_core *core);
/* Its state went another way than its primary's: only a copy helps. */
void ledger_spoil(struct ledger_core *core, uint64_t position);

/* ---- ledger_orders.c ---- */

/* Goes on with the order that is under way; an answer ends it. */
void ledger_orders_step(struct ledger_core *core, struct instant now,
                        struct ledger_actions *actions);
/* Is the log to be cut for it, after which position? */
bool ledger_orders_cut(const struct ledger_core *core, uint64_t *after);

/* ---- ledger_lead.c ---- */

void ledger_lead_follow(struct ledger_core *core, const struct ledger_message *message,
                        const struct history *theirs, struct instant now,
                        struct ledger_message *answer);
void ledger_lead_confirm(struct ledger_core *core, const struct ledger_message *message,
                         struct instant now);
/* It asks for a copy: what it had confirmed is going. */
void ledger_lead_empty(struct ledger_core *core, const struct ledger_message *message);
void ledger_lead_commit(struct ledger_core *core);
/* The first record of the own epoch is executed: whoever follows is told at once. */
void ledger_lead_started(struct ledger_core *core);
bool ledger_lead_could_commit(const struct ledger_core *core);
void ledger_lead_beat(struct ledger_core *core, struct instant now, struct ledger_actions *actions);
struct instant ledger_lead_deadline(const struct ledger_core *core);

/* ---- ledger_trail.c ---- */

void ledger_trail_begin(struct ledger_core *core, uint64_t epoch, uint32_t primary);
void ledger_trail_detach(struct ledger_core *core, struct instant now);
void ledger_trail_attach(struct ledger_core *core, const struct ledger_message *message,
                         struct instant now);
uint64_t ledger_trail_records(struct ledger_core *core, const struct ledger_message *message,
                              struct instant now);
void ledger_trail_beat(struct ledger_core *core, const struct ledger_message *message,
                       struct instant now);
void ledger_trail_know(struct ledger_core *core); /* something more is durable */
void ledger_trail_ask(struct ledger_core *core, struct instant now, struct ledger_actions *actions);
void ledger_trail_compare(struct ledger_core *core, const struct ledger_mark *mark);
struct instant ledger_trail_deadline(const struct ledger_core *core);
