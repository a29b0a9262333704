/*
 * What the files of the core share. Nothing here checks invariants: raft_enter and raft_leave do, in every public function.
 */
#pragma once

#include "base/must.h"
#include "consensus/raft.h"

/* check.c */
void raft_enter(const struct raft *raft);
void raft_leave(struct raft *raft);

/* log.c: the shape of the log, without bodies. */
void raft_log_restore(struct raft *raft, const struct raft_restored *restored, struct instant now);
bool raft_log_has_room(const struct raft *raft, uint64_t after, const struct raft_entry *entries,
                       uint32_t count);
void raft_log_append(struct raft *raft, const struct raft_entry *entry, struct instant now);
void raft_log_cut(struct raft *raft, uint64_t keep);
uint64_t raft_log_floor(const struct raft *raft);
void raft_log_forget(struct raft *raft, uint64_t index, uint64_t keep_from);
void raft_log_replace(struct raft *raft, uint64_t index, uint64_t term,
                      const struct raft_config *config);
uint64_t raft_last_term(const struct raft *raft);
/* The last index that is not beyond `index` and whose term is not beyond `term`. */
uint64_t raft_log_meeting(const struct raft *raft, uint64_t index, uint64_t term);

/* store.c: what the disk was told. */
bool raft_vote_is_durable(const struct raft *raft);
/* Asks a full disk once more, at the next raft_ready. */
void raft_retry_disk(struct raft *raft);
void raft_store_plan(struct raft *raft, struct raft_actions *actions);

/* elect.c */
bool raft_may_campaign(const struct raft *raft);
void raft_rest(struct raft *raft, struct instant now);
void raft_follow(struct raft *raft, uint64_t term, uint32_t leader, struct instant now);
void raft_election_due(struct raft *raft, struct instant now);
void raft_ask_again(struct raft *raft, struct instant now);
void raft_count_votes(struct raft *raft, struct instant now);
bool raft_keeps_leader(const struct raft *raft, struct instant now);
void raft_on_prevote(struct raft *raft, const struct raft_message *message, struct instant now);
void raft_on_prevote_reply(struct raft *raft, const struct raft_message *message,
                           struct instant now);
void raft_on_vote(struct raft *raft, const struct raft_message *message, struct instant now);
void raft_on_vote_reply(struct raft *raft, const struct raft_message *message, struct instant now);
void raft_on_timeout_now(struct raft *raft, const struct raft_message *message, struct instant now);

/* lead.c */
bool raft_takes_entries(const struct raft *raft);
void raft_lead(struct raft *raft, struct instant now);
struct instant raft_quorum_until(const struct raft *raft);
bool raft_resign(struct raft *raft, struct instant now); /* when it has to */
void raft_beat(struct raft *raft, struct instant now);
void raft_advance_commit(struct raft *raft, struct instant now);
void raft_hand_over(struct raft *raft, struct instant now);
void raft_transfer_step(struct raft *raft, uint32_t place);
void raft_progress_probe(struct raft *raft, struct raft_progress *progress, uint64_t next);
void raft_on_append_reply(struct raft *raft, const struct raft_message *message,
                          struct instant now);

/* replicate.c: a follower's side. */
void raft_on_append(struct raft *raft, const struct raft_message *message, struct instant now,
                    uint32_t *taken);
void raft_owe_acknowledgement(struct raft *raft);
bool raft_hear_leader(struct raft *raft, const struct raft_message *message, struct instant now);

/* snapshot.c */
void raft_on_snapshot(struct raft *raft, const struct raft_message *message, struct instant now);

/* member.c */
int raft_place_of(const struct raft_config *config, uint32_t member); /* -1: no member */
uint32_t raft_voters(const struct raft_config *config);               /* bits of places */
bool raft_is_majority(const struct raft_config *config, uint32_t places);
bool raft_config_apply(struct raft_config *config, const struct raft_change *change);
void raft_progress_realign(struct raft *raft, const struct raft_config *before, struct instant now);

/* read.c */
void raft_reads_lose(struct raft *raft);
void raft_reads_answer(struct raft *raft, struct raft_actions *actions);

/* send.c */
struct raft_owed *raft_owe(struct raft *raft, uint32_t to);
void raft_send_all(struct raft *raft, struct instant now, struct raft_actions *actions);
