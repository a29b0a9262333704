/*
 * Who leads: pre-vote (thesis 9.6), vote, and the manners that keep a working leader in office (6.2).
 *
 * A pre-vote promises nothing and changes no term. A vote is asked for and given only when term and vote are durable: who
 * asks earlier and forgets over a restart could be elected by answers to a longer log than it has.
 */
#include "consensus/raft_parts.h"

#include <string.h>

static bool is_witness(const struct raft *raft)
{
    int place = raft_place_of(&raft->config, raft->options.self);

    return place >= 0 && raft->config.members[place].role == RAFT_WITNESS;
}

static uint32_t own_place(const struct raft *raft)
{
    int place = raft_place_of(&raft->config, raft->options.self);

    return place < 0 ? 0 : 1U << place;
}

void raft_rest(struct raft *raft, struct instant now)
{
    int64_t least = raft->options.election_ns;
    int64_t more = least / 4 + raft->options.heartbeat_ns / 4;
    int64_t wait = rng_between(&raft->rng, least, least + more);

    if (raft->tilted)
        wait += raft->options.heartbeat_ns / 4;
    raft->deadline = after_ns(now, is_witness(raft) ? wait + wait / 2 : wait);
}

static void enter_term(struct raft *raft, uint64_t term)
{
    must(term > raft->term);
    raft->term = term;
    raft->vote = 0;
    raft->round_seen = 0;
    memset(raft->owed, 0, sizeof raft->owed);
}

void raft_follow(struct raft *raft, uint64_t term, uint32_t leader, struct instant now)
{
    bool followed = raft->role == RAFT_FOLLOWER;

    if (raft->role == RAFT_LEADER)
        raft_reads_lose(raft);
    if (term > raft->term)
        enter_term(raft, term);
    if (leader != raft->leader || !followed) {
        raft->agreed = raft->commit;
        raft->acked = 0;
    }
    raft->role = RAFT_FOLLOWER;
    raft->leader = leader;
    raft->transfer_to = 0;
    raft->round_wanted = false;
    if (!followed)
        raft_rest(raft, now);
}

/*
 * Who lost its vote by a change that may not be committed is still needed: it may be the only one with the entry of that change, and
 * then nobody else can be elected (thesis, 4.2.2).
 */
static bool stands(const struct raft *raft)
{
    if (raft_is_voter(&raft->config, raft->options.self))
        return true;
    return raft->config_index > raft->commit && raft->eras > 0 &&
           raft_is_voter(&raft->era[raft->eras - 1].config, raft->options.self);
}

/*
 * A node with a full disk does not lead: its vote is needed only where its disk would be needed, too. One that fetches a snapshot is behind. One that
 * is tilted may: a cluster whose nodes were all stopped a moment ago needs a leader, and no safety depends on a clock.
 */
bool raft_may_campaign(const struct raft *raft)
{
    return stands(raft) && !raft->full && raft->fetch_from == 0 && raft->runs < RAFT_RUNS_MAX &&
           raft->term + 1 < RAFT_NUMBER_MAX;
}

/* ---- asking ---- */

static void become_candidate(struct raft *raft, bool transferred, struct instant now)
{
    raft->leader = 0;
    enter_term(raft, raft->term + 1);
    raft->vote = raft->options.self;
    raft->role = RAFT_CANDIDATE;
    raft->granted = raft->refused = 0;
    raft->unasked = raft_voters(&raft->config) & ~own_place(raft);
    raft->transferred = transferred;
    raft->resend = after_ns(now, raft->options.heartbeat_ns);
    raft_rest(raft, now);
}

static void become_precandidate(struct raft *raft, struct instant now)
{
    raft->leader = 0;
    raft->role = RAFT_PRECANDIDATE;
    raft->granted = own_place(raft);
    raft->refused = 0;
    raft->unasked = raft_voters(&raft->config) & ~own_place(raft);
    raft->insists = !raft->tilted;
    raft->resend = after_ns(now, raft->options.heartbeat_ns);
    raft_rest(raft, now);
    raft_count_votes(raft, now);
}

void raft_election_due(struct raft *raft, struct instant now)
{
    if (raft_may_campaign(raft)) {
        become_precandidate(raft, now);
        return;
    }
    raft_follow(raft, raft->term, 0, now);
    raft_rest(raft, now);
}

/* Whoever has not said yes to a pre-vote may have lost its leader meanwhile; a vote that was refused stays so. */
void raft_ask_again(struct raft *raft, struct instant now)
{
    if (raft->role == RAFT_PRECANDIDATE)
        raft->refused = 0;
    raft->insists = false;
    raft->unasked = raft_voters(&raft->config) & ~(own_place(raft) | raft->granted | raft->refused);
    raft->resend = after_ns(now, raft->options.heartbeat_ns);
}

/* Split: nobody wins this term, so the next try is sooner than after a silent leader. */
static void give_up(struct raft *raft, struct instant now)
{
    int64_t beat = raft->options.heartbeat_ns;

    raft_follow(raft, raft->term, 0, now);
    raft->deadline = after_ns(now, rng_between(&raft->rng, beat / 2, beat * 3 / 2));
}

void raft_count_votes(struct raft *raft, struct instant now)
{
    uint32_t hopeful = raft_voters(&raft->config) & ~raft->refused;

    if (raft->role == RAFT_CANDIDATE && raft_vote_is_durable(raft))
        raft->granted |= own_place(raft);
    if (raft_is_majority(&raft->config, raft->granted)) {
        if (raft->role == RAFT_CANDIDATE)
            raft_lead(raft, now);
        else
            become_candidate(raft, false, now);
    } else if (raft->role == RAFT_CANDIDATE && !raft_is_majority(&raft->config, hopeful)) {
        give_up(raft, now);
    }
}

/* ---- answering ---- */

static bool is_behind(const struct raft *raft, const struct raft_message *message)
{
    uint64_t term = raft_last_term(raft);

    return message->index_term < term ||
           (message->index_term == term && message->index < raft->last);
}

static bool is_equal(const struct raft *raft, const struct raft_message *message)
{
    return message->index_term == raft_last_term(raft) && message->index == raft->last;
}

/* A node that hears a leader, or is one that is heard, helps nobody to depose it. */
bool raft_keeps_leader(const struct raft *raft, struct instant now)
{
    return raft->leader != 0 && raft_has_quorum(raft, now);
}

/*
 * Two that lost their leader at the same moment would split the vote: of equals the one with the larger id goes first. Only on
 * its first try, and giving way only once, so that one that cannot win does not keep others from it.
 */
static bool goes_before(const struct raft *raft, const struct raft_message *message)
{
    return raft->role == RAFT_PRECANDIDATE && raft->insists && is_equal(raft, message) &&
           message->from < raft->options.self;
}

static void give_way(struct raft *raft, struct instant now)
{
    int64_t beat = raft->options.heartbeat_ns;
    struct instant later = after_ns(now, rng_between(&raft->rng, beat, beat * 3 / 2));

    if (raft->gave_way || raft->role == RAFT_LEADER || raft->role == RAFT_CANDIDATE)
        return;
    raft->gave_way = true;
    if (raft->role == RAFT_PRECANDIDATE || raft->deadline.ns < later.ns) {
        raft_follow(raft, raft->term, raft->leader, now);
        raft->deadline = later;
    }
}

/* Who asks has no leader either: what it refused a moment ago it may give now. */
static void ask_at_once(struct raft *raft, uint32_t member)
{
    int place = raft_place_of(&raft->config, member);

    if (place < 0)
        return;
    raft->refused &= ~(1U << place);
    raft->unasked |= raft_voters(&raft->config) & 1U << place;
}

void raft_on_prevote(struct raft *raft, const struct raft_message *message, struct instant now)
{
    bool may = message->term > raft->term && raft->config.count > 0 && !is_behind(raft, message) &&
               !raft_keeps_leader(raft, now);
    bool first = may && goes_before(raft, message);
    struct raft_owed *owed = raft_owe(raft, message->from);

    owed->prevote = true;
    owed->prevote_granted = may && !first;
    owed->prevote_term = message->term;
    if (first)
        ask_at_once(raft, message->from);
    else if (may)
        give_way(raft, now);
}

static void note_vote(struct raft *raft, const struct raft_message *message, struct instant now)
{
    int place = raft_place_of(&raft->config, message->from);

    if (place < 0)
        return;
    if (message->granted)
        raft->granted |= 1U << place;
    else
        raft->refused |= 1U << place;
    raft_count_votes(raft, now);
}

void raft_on_prevote_reply(struct raft *raft, const struct raft_message *message,
                           struct instant now)
{
    if (raft->role != RAFT_PRECANDIDATE)
        return;
    if (!message->granted || message->term == raft->term + 1)
        note_vote(raft, message, now);
}

void raft_on_vote(struct raft *raft, const struct raft_message *message, struct instant now)
{
    bool grants = message->term == raft->term && raft->config.count > 0 && raft->leader == 0 &&
                  (raft->vote == 0 || raft->vote == message->from) && !is_behind(raft, message);

    if (!grants) {
        raft_owe(raft, message->from)->vote_refused = true;
        return;
    }
    raft_follow(raft, raft->term, 0, now);
    raft->vote = message->from;
    *raft_owe(raft, message->from) = (struct raft_owed){.to = message->from, .vote_granted = true};
    raft_rest(raft, now);
}

void raft_on_vote_reply(struct raft *raft, const struct raft_message *message, struct instant now)
{
    if (raft->role == RAFT_CANDIDATE && message->term == raft->term)
        note_vote(raft, message, now);
}

/* The leader has seen that this node's log is complete, and waits for it: no pre-vote. */
void raft_on_timeout_now(struct raft *raft, const struct raft_message *message, struct instant now)
{
    if (message->term != raft->term || raft->role == RAFT_LEADER || !raft_may_campaign(raft))
        return;
    if (raft->role == RAFT_FOLLOWER && (raft->leader == 0 || raft->leader == message->from))
        become_candidate(raft, true, now);
}

static void lose_leader(struct raft *raft, struct instant now)
{
    int64_t beat = raft->options.heartbeat_ns;
    int64_t wait = rng_between(&raft->rng, 0, beat / 8);

    if (raft->role != RAFT_FOLLOWER || raft->leader == 0 || raft->lost)
        return;
    raft->lost = true;
    if (raft_may_campaign(raft))
        raft->deadline = after_ns(now, is_witness(raft) || raft->tilted ? wait + beat / 4 : wait);
}

void raft_peer_lost(struct raft *raft, uint32_t member, struct instant now)
{
    int place = raft_place_of(&raft->config, member);

    raft_enter(raft);
    if (raft->role == RAFT_LEADER && place >= 0 && member != raft->options.self)
        raft_progress_probe(raft, &raft->progress[place], raft->progress[place].match + 1);
    if (raft->leader == member)
        lose_leader(raft, now);
    raft_leave(raft);
}

void raft_leader_left(struct raft *raft, uint32_t member, uint64_t term, struct instant now)
{
    raft_enter(raft);
    if (raft->leader == member && raft->term == term)
        lose_leader(raft, now);
    raft_leave(raft);
}

/* Who was stopped has heard nothing because it did not listen: it does that before it asks anybody for a vote. */
static void listen_first(struct raft *raft, struct instant now)
{
    int64_t beat = raft->options.heartbeat_ns;
    struct instant least = after_ns(now, rng_between(&raft->rng, beat, beat * 5 / 4));

    if (raft->role != RAFT_FOLLOWER)
        raft_follow(raft, raft->term, 0, now);
    if (raft->deadline.ns < least.ns)
        raft->deadline = least;
}

void raft_tilt(struct raft *raft, bool tilted, struct instant now)
{
    raft_enter(raft);
    raft->tilted = tilted;
    if (raft->role == RAFT_LEADER)
        raft_hand_over(raft, now);
    else if (tilted)
        listen_first(raft, now);
    raft_leave(raft);
}

void raft_peer_tilted(struct raft *raft, uint32_t member, bool tilted)
{
    int place = raft_place_of(&raft->config, member);

    raft_enter(raft);
    if (raft->role == RAFT_LEADER && place >= 0)
        raft->progress[place].tilted = tilted;
    raft_leave(raft);
}
