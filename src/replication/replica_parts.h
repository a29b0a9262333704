/*
 * replication/replica_parts: what the files of the core share. Not for other rooms.
 *
 * replica.c            events in, the walk from state to state, orders to the engine
 * replica_situation.c  what the situation asks for, as questions without side effects
 * replica_act.c        what each state does
 * replica_propose.c    changes of the document
 * replica_table.c      names, transitions, the report
 */
#pragma once

#include "replication/replica_state.h"

#define REPLICA_LEAVES "its node stops"

struct replica_action *replica_emit(struct replica_actions *out, enum replica_action_kind kind);
void replica_tell(struct replica_actions *out, enum replica_fact fact, uint32_t about,
                  const char *sentence);
void replica_because(struct replica *r, const char *sentence);

/* ---- replica_situation.c ---- */
enum replica_want replica_want(const struct replica *r);
bool replica_engine_ready(const struct replica *r);
/* The lease lasts long enough to begin or go on under. */
bool replica_leased(const struct replica *r, struct instant now);
/* A proposal that may have given the lease away is not settled. */
bool replica_yielding(const struct replica *r);
bool replica_must_stop(const struct replica *r, struct instant now);
/* When the process may be started once more; an attempt that was used comes back after so long. */
struct instant replica_restart_at(const struct replica *r);
int64_t replica_restart_back_ms(const struct replica *r);
bool replica_hands_over(const struct replica *r);
bool replica_is_long(enum engine_verb verb);
enum replica_state replica_next_state(const struct replica *r, struct instant now);

/* ---- replica_act.c ---- */
void replica_enter(struct replica *r, enum replica_state next, struct instant now,
                   struct replica_actions *out);
void replica_act(struct replica *r, struct instant now, struct replica_actions *out);

/* ---- replica_propose.c ---- */
void replica_propose(struct replica *r, struct instant now, struct replica_actions *out);
void replica_proposed(struct replica *r, enum proposal_outcome outcome, struct instant now,
                      struct replica_actions *out);
/* The document has changed: settled are those that it shows, or that cannot come true any more. */
void replica_settle(struct replica *r);

/* ---- replica_table.c ---- */
void replica_check_transition(enum replica_state from, enum replica_state to);
