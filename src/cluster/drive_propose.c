#include "cluster/drive.h"

#include <stdio.h>

enum { MEMBERS_WAIT_BEATS = 16 }; /* the longest that others wait for a change of members */

/* ---- answers ---- */

static void reply_to(struct cluster *c, uint32_t asker, const struct ask_reply *reply)
{
    struct buf *frame;

    if (asker == PROPOSE_NOBODY)
        return;
    if (asker == PROPOSE_SELF) {
        ask_replied(c, c->node, reply);
        return;
    }
    frame = peers_frame(c);
    ask_reply_encode(frame, reply);
    (void)peers_say(c, &c->places[asker], FRAME_REPLY, false);
}

static struct ask_reply later(const struct cluster *c, uint64_t number, const char *sentence)
{
    struct ask_reply reply = {.number = number, .outcome = ASK_LATER, .leader = c->raft.leader};

    reply.wait_ms = (uint32_t)c->timing.heartbeat_ms / 4;
    (void)snprintf(reply.sentence, sizeof reply.sentence, "%s", sentence);
    return reply;
}

static struct ask_reply refused(const struct cluster *c, uint64_t number,
                                enum document_outcome outcome, const char *sentence)
{
    struct ask_reply reply = {.number = number,
                              .outcome = ASK_REFUSED,
                              .document = (uint8_t)outcome,
                              .index = c->applying};

    (void)snprintf(reply.sentence, sizeof reply.sentence, "%s", sentence);
    return reply;
}

static struct ask_reply of_outcome(const struct cluster *c, uint64_t number,
                                   enum raft_outcome outcome)
{
    struct ask_reply reply;

    switch (outcome) {
    case RAFT_NOT_LEADER:
        reply = later(c, number, "this node does not lead");
        reply.outcome = ASK_NOT_LEADER;
        return reply;
    case RAFT_CHANGING:
        return later(c, number, "another change of members is not finished");
    case RAFT_INVALID:
        return refused(
            c, number, DOCUMENT_INVALID,
            "consensus cannot change its members so: the node lags, or no voter would be left");
    case RAFT_BUSY:
    case RAFT_ACCEPTED:
        break;
    }
    return later(c, number, "the leader is busy, its disk is full, or it is handing over");
}

/* ---- commands ---- */

static bool of_members(const struct document_command *command)
{
    return command_changes_members(command) || command->kind == COMMAND_MEMBER_INCARNATION ||
           command->kind == COMMAND_MEMBER_ADDRESSES;
}

/* One that was asked for long ago was given up, and the next begins anew. */
static int64_t next_wait_ms(const struct cluster *c, struct instant now)
{
    int64_t longest = MEMBERS_WAIT_BEATS * c->timing.heartbeat_ms, next = 2 * c->members_wait_ms;

    if (next == 0 || passed(after_ms(c->members_first, 4 * next), now))
        return c->timing.heartbeat_ms;
    return next < longest ? next : longest;
}

/*
 * Consensus changes its members whatever the document says later, so the document must not be able to refuse: nothing that is
 * not applied yet may come before such a change. What comes meanwhile waits, so that it has its turn: for a heartbeat, and twice as long
 * each time that this was not enough (a slow disk under load), with twice as long between.
 */
static bool hold_for_members(struct cluster *c, const struct document_command *command)
{
    struct instant now = loop_now(c->loop);

    if (!command_changes_members(command))
        return !passed(c->members_first, now);
    if (c->applying == c->raft.last) {
        c->members_first = (struct instant){0};
        c->members_wait_ms = 0;
        return false;
    }
    if (passed(after_ms(c->members_first, 2 * c->members_wait_ms), now)) {
        c->members_wait_ms = next_wait_ms(c, now);
        c->members_first = after_ms(now, c->members_wait_ms);
    }
    return true;
}

/* What the leader's own reading of the document says before anything is proposed. */
static bool allowed(struct cluster *c, uint64_t number, const struct document_command *command,
                    struct ask_reply *reply)
{
    struct document_reply would = {0};

    if (c->raft.role != RAFT_LEADER) {
        *reply = of_outcome(c, number, RAFT_NOT_LEADER);
        return false;
    }
    if (!c->established || c->state != CLUSTER_MEMBER) {
        *reply = later(c, number, "the leader has just won and is not ready");
        return false;
    }
    if (!beat_quorum(c)) {
        *reply = later(c, number, "the leader hears from no quorum");
        return false;
    }
    /* Consensus and the document change their members together, so nothing may come between looking and applying. */
    if (of_members(command) && c->member_change > c->applying) {
        *reply = later(c, number, "another change of members is not finished");
        return false;
    }
    if (hold_for_members(c, command)) {
        *reply = later(c, number,
                       "a change of members waits for what was asked before it, or goes first");
        return false;
    }
    if (document_would(&c->document, command, &would) != DOCUMENT_APPLIED) {
        *reply = refused(c, number, would.outcome, would.sentence);
        return false;
    }
    return true;
}

/* May it be taken from its holder? */
static bool free_to_take(struct cluster *c, uint64_t number, const struct document_command *command,
                         struct document_loss *loss, struct ask_reply *reply)
{
    struct instant may;
    int64_t wait_ms;

    loss->slot = CLUSTER_LEASES_MAX;
    if (!document_takes_away(&c->document, command, loss))
        return true;
    if (loss->voluntary)
        lease_grantor_released(&c->grantor, loss->slot, loss->from, loss->epoch);
    may = lease_grantor_may_change(&c->grantor, loss->slot);
    if (passed(may, tilt_slow(&c->tilt)))
        return true;
    *reply = later(c, number, "");
    wait_ms = may.ns == NEVER.ns ? c->timing.heartbeat_ms
                                 : ns_between(tilt_slow(&c->tilt), may) / NS_PER_MS + 1;
    /* Asked again sooner than that: a proof of death or a release may end it at any moment. */
    if (reply->wait_ms > (uint32_t)wait_ms)
        reply->wait_ms = (uint32_t)wait_ms;
    (void)snprintf(reply->sentence, sizeof reply->sentence,
                   "%s holds the lease of '%s', for up to %lld ms more",
                   drive_name_of(c, loss->from.member), c->document.leases[loss->slot].name,
                   (long long)wait_ms);
    return false;
}

static enum raft_outcome propose(struct cluster *c, const struct document_command *command,
                                 struct bytes bytes, uint64_t *index)
{
    struct raft_change change = {.kind = command->kind == COMMAND_MEMBER_REMOVE ? RAFT_REMOVE
                                                                                : RAFT_SET,
                                 .role = command->member.role,
                                 .member = command->member.id};
    struct instant now = loop_now(c->loop);
    bool members = command_changes_members(command);
    enum raft_outcome outcome;

    if (change.kind == RAFT_REMOVE)
        change.role = 0;
    if (!entries_room(&c->entries, 1, bytes.len))
        return RAFT_BUSY;
    outcome =
        members ? raft_change(&c->raft, &change, now, index) : raft_propose(&c->raft, now, index);
    if (outcome == RAFT_ACCEPTED)
        log_put(c, *index, members ? RAFT_CONFIG : RAFT_COMMAND, members ? &change : NULL, bytes);
    return outcome;
}

static bool propose_command(struct cluster *c, uint32_t asker, uint64_t number,
                            const struct document_command *command, struct bytes bytes)
{
    struct ask_reply reply;
    enum raft_outcome outcome;
    struct document_loss loss;
    uint64_t index;

    if (!allowed(c, number, command, &reply) || !free_to_take(c, number, command, &loss, &reply)) {
        reply_to(c, asker, &reply);
        return false;
    }
    if (loss.slot < CLUSTER_LEASES_MAX)
        lease_grantor_close(&c->grantor, loss.slot, loss.epoch);
    outcome = propose(c, command, bytes, &index);
    if (outcome != RAFT_ACCEPTED) {
        if (loss.slot < CLUSTER_LEASES_MAX)
            lease_grantor_reopen(&c->grantor, loss.slot, loss.epoch);
        reply = of_outcome(c, number, outcome);
        reply_to(c, asker, &reply);
        return false;
    }
    if (of_members(command))
        c->member_change = index;
    c->proposals[index % DRIVE_PROPOSALS] = (struct proposal){.index = index,
                                                              .term = c->raft.term,
                                                              .number = number,
                                                              .asker = asker,
                                                              .closing = loss.slot,
                                                              .closing_epoch = loss.epoch};
    drive_stir(c);
    return true;
}

bool propose_own(struct cluster *c, struct document_command *command)
{
    uint8_t bytes[CLUSTER_COMMAND_MAX];
    struct buf out;

    command->proposer = drive_life(c);
    buf_over(&out, bytes, sizeof bytes);
    command_encode(&out, command);
    must(!out.full);
    return propose_command(c, PROPOSE_NOBODY, 0, command, buf_bytes(&out));
}

/* The same index in another term: what was proposed there never happened, and never will. */
void propose_applied(struct cluster *c, uint64_t index, uint64_t term,
                     const struct document_reply *reply)
{
    struct proposal *proposal = &c->proposals[index % DRIVE_PROPOSALS];
    struct ask_reply out;
    uint32_t closing = proposal->closing;

    if (proposal->index != index)
        return;
    proposal->index = 0;
    if (proposal->term != term || !reply) {
        out = later(c, proposal->number, "another leader was elected before it was done");
        reply_to(c, proposal->asker, &out);
        return;
    }
    if (reply->outcome != DOCUMENT_APPLIED && closing < CLUSTER_LEASES_MAX)
        lease_grantor_reopen(&c->grantor, closing, proposal->closing_epoch);
    out = (struct ask_reply){.number = proposal->number,
                             .outcome = ASK_DONE,
                             .document = (uint8_t)reply->outcome,
                             .leader = c->raft.leader,
                             .index = index,
                             .version = reply->version,
                             .epoch = reply->epoch};
    (void)snprintf(out.sentence, sizeof out.sentence, "%s", reply->sentence);
    reply_to(c, proposal->asker, &out);
}

/* ---- members ---- */

static void add_member(struct cluster *c, uint32_t asker, uint64_t number, const char *name)
{
    const struct member *same = document_member_named(&c->document, name);
    const struct place *place = peers_place_named(c, name);
    struct document_command command = {.kind = COMMAND_MEMBER_ADD};
    uint8_t bytes[CLUSTER_COMMAND_MAX];
    struct ask_reply reply;
    struct buf out;

    if (same && (!place || !place->word.blank || place->word.disk == same->disk)) {
        reply = (struct ask_reply){
            .number = number, .outcome = ASK_DONE, .index = c->applying, .version = same->version};
        reply_to(c, asker, &reply);
        return;
    }
    if (!place || place->in_list == CLUSTER_NODES_MAX) {
        reply = refused(c, number, DOCUMENT_MISSING, "");
        (void)snprintf(reply.sentence, sizeof reply.sentence,
                       "the file of %s names no node '%s': add it there, and reload", c->node,
                       name);
        reply_to(c, asker, &reply);
        return;
    }
    if (!place->linked || !place->known || !place->word.blank) {
        reply = place->linked && place->known
                    ? refused(c, number, DOCUMENT_INVALID,
                              "that node is not blank: empty its directory before it can be added")
                    : later(c, number, "that node is not connected to the leader");
        reply_to(c, asker, &reply);
        return;
    }
    command.member = c->nodes[place->in_list];
    command.member.role = MEMBER_LEARNER;
    command.member.id = c->document.next_member;
    command.member.disk = place->word.disk;
    command.proposer = drive_life(c);
    buf_over(&out, bytes, sizeof bytes);
    command_encode(&out, &command);
    (void)propose_command(c, asker, number, &command, buf_bytes(&out));
}

static void remove_member(struct cluster *c, uint32_t asker, uint64_t number, const char *name)
{
    const struct member *member = document_member_named(&c->document, name);
    struct document_command command = {.kind = COMMAND_MEMBER_REMOVE};
    uint8_t bytes[CLUSTER_COMMAND_MAX];
    struct ask_reply reply;
    struct buf out;

    if (!member) {
        reply = refused(c, number, DOCUMENT_MISSING, "there is no such member");
        reply_to(c, asker, &reply);
        return;
    }
    /* A leader hands over before it goes, and the next one removes it. */
    if (member->id == c->self && document_voters(&c->document) > 1) {
        (void)raft_transfer(&c->raft, 0, loop_now(c->loop));
        reply = later(c, number, "the leader hands over before it is removed");
        reply_to(c, asker, &reply);
        drive_stir(c);
        return;
    }
    command.member.id = member->id;
    command.based_on = member->version;
    command.proposer = drive_life(c);
    buf_over(&out, bytes, sizeof bytes);
    command_encode(&out, &command);
    (void)propose_command(c, asker, number, &command, buf_bytes(&out));
}

/* ---- leadership, and reading ---- */

static void transfer(struct cluster *c, uint32_t asker, uint64_t number, const char *name)
{
    const struct member *member = document_member_named(&c->document, name);
    bool anybody = strcmp(name, "-") == 0;
    struct ask_reply reply = {.number = number, .outcome = ASK_DONE, .index = c->applying};
    enum raft_outcome outcome;

    if (!anybody && !member)
        reply = refused(c, number, DOCUMENT_MISSING, "there is no such member");
    else if (c->transfer.on)
        reply = later(c, number, "leadership is being handed over already");
    else if (anybody || member->id != c->self) {
        outcome = raft_transfer(&c->raft, anybody ? 0 : member->id, loop_now(c->loop));
        if (outcome == RAFT_ACCEPTED) {
            c->transfer.on = true;
            c->transfer.asker = asker;
            c->transfer.number = number;
            c->transfer.to = anybody ? 0 : member->id;
            c->transfer.until = after_ns(loop_now(c->loop), 2 * c->raft.options.election_ns);
            drive_stir(c);
            return;
        }
        reply = outcome == RAFT_INVALID ? refused(c, number, DOCUMENT_INVALID,
                                                  "that member cannot lead: it does not vote")
                                        : of_outcome(c, number, outcome);
    }
    reply_to(c, asker, &reply);
}

void propose_step(struct cluster *c)
{
    struct ask_reply reply;
    uint32_t leader = c->raft.leader;

    if (!c->transfer.on)
        return;
    if (leader && leader != c->self) {
        reply = (struct ask_reply){
            .number = c->transfer.number, .outcome = ASK_DONE, .index = c->applying};
        if (c->transfer.to && leader != c->transfer.to)
            reply = refused(c, c->transfer.number, DOCUMENT_INVALID,
                            "another member than the one that was asked for leads now");
    } else if (passed(c->transfer.until, loop_now(c->loop))) {
        reply =
            refused(c, c->transfer.number, DOCUMENT_INVALID, "nobody took leadership over in time");
    } else {
        return;
    }
    c->transfer.on = false;
    reply_to(c, c->transfer.asker, &reply);
}

_Static_assert(DRIVE_CONFIRMS > (int)RAFT_READS_MAX, "one that waits is never written over");

/* Takes a place only when consensus took the question: those that wait keep theirs. */
static enum raft_outcome ask_quorum(struct cluster *c, struct confirm asked)
{
    enum raft_outcome outcome;

    asked.id = c->confirm_number + 1;
    outcome = raft_confirm(&c->raft, asked.id, loop_now(c->loop));
    if (outcome != RAFT_ACCEPTED)
        return outcome;
    c->confirm_number = asked.id;
    c->confirms[asked.id % DRIVE_CONFIRMS] = asked;
    return RAFT_ACCEPTED;
}

/* The last place is for leases: however many read, they are confirmed. */
static bool room_to_read(const struct cluster *c)
{
    return c->raft.reads + c->raft.reads_lost < RAFT_READS_MAX - 1;
}

static void confirm_read(struct cluster *c, uint32_t asker, uint64_t number)
{
    enum raft_outcome outcome = RAFT_BUSY;
    struct ask_reply reply;

    if (room_to_read(c))
        outcome = ask_quorum(c, (struct confirm){.asker = asker, .number = number});
    if (outcome != RAFT_ACCEPTED) {
        reply = of_outcome(c, number, outcome);
        reply_to(c, asker, &reply);
    }
    drive_stir(c);
}

void propose_confirm_leases(struct cluster *c)
{
    uint64_t round;

    if (!c->established)
        return;
    round = lease_grantor_round(&c->grantor);
    if (round == 0)
        return;
    /* One that is refused is made up for by the requests of the next heartbeat. */
    (void)ask_quorum(c, (struct confirm){.lease = true, .round = round});
}

static void confirmed(struct cluster *c, struct confirm *confirm, const struct raft_read *read)
{
    struct ask_reply reply;

    if (!read) {
        reply = later(c, confirm->number, "another leader was elected before it was confirmed");
    } else if (confirm->lease) {
        lease_confirmed(c, c->raft.term, confirm->round);
    } else {
        reply = (struct ask_reply){
            .number = confirm->number, .outcome = ASK_DONE, .index = read->index};
    }
    if (!confirm->lease)
        reply_to(c, confirm->asker, &reply);
    confirm->id = 0;
}

void propose_read(struct cluster *c, const struct raft_actions *actions)
{
    for (uint32_t i = 0; i < actions->reads + actions->reads_lost; i++) {
        const struct raft_read *read = i < actions->reads ? &actions->read[i] : NULL;
        uint64_t id = read ? read->id : actions->read_lost[i - actions->reads];
        struct confirm *confirm = &c->confirms[id % DRIVE_CONFIRMS];

        if (confirm->id == id)
            confirmed(c, confirm, read);
    }
}

/* ---- who asks what ---- */

void propose_asked(struct cluster *c, uint32_t asker, uint8_t kind, const struct ask *ask)
{
    struct document_command command;
    char name[CLUSTER_RESOURCE_MAX];
    struct ask_reply reply;

    if (!c->member || c->raft.role != RAFT_LEADER || !c->established) {
        reply = c->member && c->raft.role == RAFT_LEADER
                    ? later(c, ask->number, "the leader has just won and is not ready")
                    : of_outcome(c, ask->number, RAFT_NOT_LEADER);
        reply_to(c, asker, &reply);
        return;
    }
    (void)bytes_to_string(ask->command, name, sizeof name);
    switch (kind) {
    case CLUSTER_COMMAND:
    case CLUSTER_LEASE_TAKE:
    case CLUSTER_LEASE_RELEASE:
        if (command_decode(ask->command, &command) != COMMAND_READ) {
            reply = refused(c, ask->number, DOCUMENT_TOO_NEW,
                            "the leader does not understand this command");
            reply_to(c, asker, &reply);
        } else if (life_equal(command.proposer, ask->from)) {
            (void)propose_command(c, asker, ask->number, &command, ask->command);
        }
        break;
    case CLUSTER_NODE_ADD:
        add_member(c, asker, ask->number, name);
        break;
    case CLUSTER_NODE_REMOVE:
        remove_member(c, asker, ask->number, name);
        break;
    case CLUSTER_TRANSFER:
        transfer(c, asker, ask->number, name);
        break;
    case CLUSTER_READ:
        confirm_read(c, asker, ask->number);
        break;
    default:
        break;
    }
}
