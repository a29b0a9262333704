/*
 * What is to be said, computed once per turn from what is owed and what is known, so that the number of messages is
 * bounded by the members and the window, whatever has happened in between.
 */
#include "consensus/raft_parts.h"

/* A place for this peer. When there is none, the last is given up: a lost answer is harmless. */
struct raft_owed *raft_owe(struct raft *raft, uint32_t to)
{
    struct raft_owed *place = NULL;

    for (uint32_t i = RAFT_MEMBERS_MAX; i-- > 0;) {
        if (raft->owed[i].to == to)
            return &raft->owed[i];
        if (raft->owed[i].to == 0)
            place = &raft->owed[i];
    }
    if (place == NULL)
        place = &raft->owed[RAFT_MEMBERS_MAX - 1];
    *place = (struct raft_owed){.to = to};
    return place;
}

static struct raft_message *emit(const struct raft *raft, struct raft_actions *actions,
                                 enum raft_message_type type, uint32_t to)
{
    struct raft_message *message = &actions->send[actions->sends];

    must(actions->sends < RAFT_SENDS_MAX);
    actions->sends++;
    *message = (struct raft_message){
        .type = (uint8_t)type, .from = raft->options.self, .to = to, .term = raft->term};
    return message;
}

/* ---- answers ---- */

static void send_accepted(struct raft *raft, struct raft_actions *actions, uint32_t to)
{
    struct raft_message *message = emit(raft, actions, RAFT_APPEND_REPLY, to);

    message->granted = true;
    message->full = raft->full;
    message->index = raft->stored < raft->agreed ? raft->stored : raft->agreed;
    message->round = raft->round_seen;
    raft->acked = message->index;
}

static void send_refused(const struct raft *raft, struct raft_actions *actions,
                         const struct raft_owed *owed)
{
    struct raft_message *message = emit(raft, actions, RAFT_APPEND_REPLY, owed->to);

    message->index = owed->index;
    message->index_term = owed->index_term;
    message->round = owed->to == raft->leader ? raft->round_seen : 0;
}

/* A refused pre-vote tells this node's term, so that one that is behind learns it. */
static void send_prevote_reply(const struct raft *raft, struct raft_actions *actions,
                               const struct raft_owed *owed)
{
    struct raft_message *message = emit(raft, actions, RAFT_PREVOTE_REPLY, owed->to);

    message->granted = owed->prevote_granted;
    if (message->granted)
        message->term = owed->prevote_term;
}

/* What depends on the disk stays owed until it is durable: a vote that is given, and every acknowledgement in a term. */
static void send_owed(struct raft *raft, struct raft_actions *actions, struct raft_owed *owed)
{
    bool durable = raft_vote_is_durable(raft);

    if (owed->prevote)
        send_prevote_reply(raft, actions, owed);
    if (owed->vote_refused)
        emit(raft, actions, RAFT_VOTE_REPLY, owed->to);
    if (owed->refused)
        send_refused(raft, actions, owed);
    if (owed->timeout_now)
        emit(raft, actions, RAFT_TIMEOUT_NOW, owed->to);
    if (owed->vote_granted && durable)
        emit(raft, actions, RAFT_VOTE_REPLY, owed->to)->granted = true;
    if (owed->accepted && durable && owed->to == raft->leader)
        send_accepted(raft, actions, owed->to);
    *owed = (struct raft_owed){.to = owed->to,
                               .vote_granted = owed->vote_granted && !durable,
                               .accepted = owed->accepted && !durable};
    if (!owed->vote_granted && !owed->accepted)
        owed->to = 0;
}

/* ---- questions ---- */

static void send_questions(struct raft *raft, struct raft_actions *actions)
{
    bool vote = raft->role == RAFT_CANDIDATE;

    if (vote && !raft_vote_is_durable(raft))
        return;
    for (uint32_t i = 0; i < raft->config.count; i++) {
        struct raft_message *message;

        if (!(raft->unasked & 1U << i))
            continue;
        message = emit(raft, actions, vote ? RAFT_VOTE : RAFT_PREVOTE, raft->config.members[i].id);
        message->term = vote ? raft->term : raft->term + 1;
        message->transfer = vote && raft->transferred;
        message->index = raft->last;
        message->index_term = raft_last_term(raft);
    }
    raft->unasked = 0;
}

/* ---- a leader's ---- */

static void send_append(struct raft *raft, struct raft_actions *actions, uint32_t place,
                        uint64_t after, uint32_t count)
{
    struct raft_progress *progress = &raft->progress[place];
    struct raft_message *message = emit(raft, actions, RAFT_APPEND, raft->config.members[place].id);

    message->index = after;
    message->index_term = raft_term_at(raft, after);
    message->count = count;
    message->commit = raft->commit;
    message->round = raft->round;
    message->beat = progress->due;
    progress->commit_sent = raft->commit;
    progress->due = false;
}

static uint32_t batch(const struct raft *raft, const struct raft_progress *progress)
{
    uint64_t left = raft->last + 1 - progress->next;

    return left < RAFT_BATCH_MAX ? (uint32_t)left : RAFT_BATCH_MAX;
}

/* Entries go once, to find out whether they fit; until there is an answer, beats carry none. */
static void send_probe(struct raft *raft, struct raft_actions *actions, uint32_t place)
{
    struct raft_progress *progress = &raft->progress[place];

    if (!progress->due)
        return;
    send_append(raft, actions, place, progress->next - 1,
                progress->asked ? 0 : batch(raft, progress));
    progress->asked = true;
}

static void send_replicate(struct raft *raft, struct raft_actions *actions, uint32_t place)
{
    struct raft_progress *progress = &raft->progress[place];

    while (progress->next <= raft->last && progress->under_way < RAFT_WINDOW) {
        uint32_t count = batch(raft, progress);

        send_append(raft, actions, place, progress->next - 1, count);
        progress->next += count;
        progress->ends[progress->under_way++] = progress->next - 1;
    }
    if (progress->due || progress->commit_sent < raft->commit)
        send_append(raft, actions, place, progress->next - 1, 0);
}

/* A full disk takes nothing: beats alone, about what it surely has. */
static void send_idle(struct raft *raft, struct raft_actions *actions, uint32_t place)
{
    uint64_t match = raft->progress[place].match;

    if (raft->progress[place].due)
        send_append(raft, actions, place, match + 1 < raft->first ? raft->first - 1 : match, 0);
}

static void send_snapshot(struct raft *raft, struct raft_actions *actions, uint32_t place)
{
    struct raft_message *message;

    if (!raft->progress[place].due)
        return;
    raft->progress[place].due = false;
    message = emit(raft, actions, RAFT_SNAPSHOT, raft->config.members[place].id);
    message->index = raft->snapshot_index;
    message->index_term = raft->snapshot_term;
    message->round = raft->round;
}

static void send_to_member(struct raft *raft, struct raft_actions *actions, uint32_t place)
{
    struct raft_progress *progress = &raft->progress[place];

    if (progress->state != RAFT_SNAPSHOTTING && progress->next < raft->first)
        raft_progress_probe(raft, progress, progress->next);
    if (progress->state == RAFT_SNAPSHOTTING)
        send_snapshot(raft, actions, place);
    else if (progress->full)
        send_idle(raft, actions, place);
    else if (progress->state == RAFT_PROBE)
        send_probe(raft, actions, place);
    else
        send_replicate(raft, actions, place);
}

static void begin_round(struct raft *raft)
{
    if (!raft->round_wanted)
        return;
    raft->round_wanted = false;
    raft->round++;
    for (uint32_t i = 0; i < raft->config.count; i++)
        raft->progress[i].due = true;
}

static void send_as_leader(struct raft *raft, struct instant now, struct raft_actions *actions)
{
    begin_round(raft);
    for (uint32_t i = 0; i < raft->config.count; i++) {
        uint32_t before = actions->sends;

        if (raft->config.members[i].id == raft->options.self)
            continue;
        send_to_member(raft, actions, i);
        if (actions->sends > before)
            raft->progress[i].sent = now;
    }
}

void raft_send_all(struct raft *raft, struct instant now, struct raft_actions *actions)
{
    actions->sends = 0;
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++)
        if (raft->owed[i].to != 0)
            send_owed(raft, actions, &raft->owed[i]);
    if (raft->role == RAFT_LEADER)
        send_as_leader(raft, now, actions);
    else if (raft->unasked != 0 && raft->role != RAFT_FOLLOWER)
        send_questions(raft, actions);
}
