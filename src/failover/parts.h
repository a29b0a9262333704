/*
 * failover/parts: what the files of the core share. decide.c follows the document through the phases; orders.c does what people ask; body.c writes the
 * changes; walk.c keeps the time of one failover.
 */
#pragma once

#include "failover/elect.h"
#include "failover/phases.h"

/* One step: what is known, and where its actions go. */
struct step {
    struct failover *f;
    const struct failover_view *view;
    struct instant now;
    struct failover_actions *out;
};

/* ---- decide.c ---- */

struct failover_action *act(struct step *s, enum failover_action_kind kind);
void tell(struct step *s, enum fact_code code, uint32_t about, const char *format, ...)
    PRINTF(4, 5);
void move(struct step *s, enum failover_phase to);
/* The step comes again then at the latest. */
void wake_at(struct step *s, struct instant deadline);
bool may_propose(const struct step *s);
/* The view's body is changed to `body`. */
void propose(struct step *s, enum failover_proposal_kind kind, const struct group_body *body,
             bool unclean);

/* ---- body.c ---- */

void body_isolated(const struct failover_view *view, struct group_body *body);
void body_named(const struct failover *f, const struct failover_view *view, uint32_t place,
                bool unclean, struct group_body *body);
/* Mode and numbers as the file has them, who left the file dropped, `unclean` cleared when it is over. False: there is nothing to change. */
bool body_settled(const struct failover_view *view, struct group_body *body);

/* ---- walk.c ---- */

void walk_begin(struct step *s, enum failover_cause cause, uint32_t from);
void walk_to(struct step *s, enum failover_span span);
void walk_drop(struct step *s);
/* The new primary serves. */
void walk_finish(struct step *s);
/* The record, when it is time. */
void walk_record(struct step *s);
/* What members have and have counted, for later comparison. */
void remember(struct step *s);

/* ---- watch.c ---- */

/* What is wrong with the primary; CAUSE_NONE: nothing that is known. `reborn`: its agent began again, and may yet say that it goes on. */
enum failover_cause failing(struct step *s, bool *reborn);
/* Why a primary that is gone from the document went, by what it says. */
enum failover_cause went(const struct step *s, uint32_t member);
void count_loss(struct step *s, uint32_t member);

/* ---- orders.c ---- */

void orders_step(struct step *s);                               /* the primary serves */
void orders_unwell(struct step *s, enum failover_cause cause);  /* ... or is not well, and stays */
void orders_failing(struct step *s, enum failover_cause cause); /* ... or is to be replaced */
void orders_without_primary(struct step *s, const char *why_nobody); /* "": somebody wins */
/* The winner, or whom an operator wants, if that may be chosen too. NOBODY_WINS: it may not, which is answered; without the order the winner is named. */
uint32_t orders_choose(struct step *s, const struct failover_outlook *outlook);
void orders_served(struct step *s);   /* another primary serves now */
void orders_given_up(struct step *s); /* the target is gone, and the primary is still there */
void answer(struct step *s, bool done, const char *format, ...) PRINTF(3, 4);
bool order_isolates(
    const struct step *s); /* an operator wants the primary isolated, whatever follows */
bool order_acts(const struct failover *f); /* ... or a failover in spite of a pause */
bool order_accepts_loss(const struct failover *f);
