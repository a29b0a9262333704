#include "cluster/drive.h"

#include <stdio.h>

/* ---- out ---- */

static void send_entries(struct cluster *c, const struct place *place, struct raft_message message)
{
    struct raft_entry entries[RAFT_BATCH_MAX];
    struct bytes bodies[RAFT_BATCH_MAX];
    uint32_t from = 0;

    for (uint32_t i = 0; i < message.count; i++) {
        const struct entries_kept *kept = entries_at(&c->entries, message.index + 1 + i);

        must(kept);
        entries[i] = kept->entry;
        bodies[i] = bytes_of(kept->body, kept->len);
    }
    for (;;) {
        struct buf *frame = peers_frame(c);
        uint32_t sent = raft_encode(frame, &message, entries + from, bodies + from, PEER_BODY_MAX);

        if (!peers_say(c, place, FRAME_RAFT, false) || sent == message.count)
            return;
        raft_message_rest(&message, entries + from, sent);
        from += sent;
    }
}

static void send_message(struct cluster *c, struct raft_message *message)
{
    const struct place *place = peers_place_of(c, message->to);

    if (!place || !place->linked)
        return;
    if (message->type == RAFT_APPEND && message->count > 0) {
        send_entries(c, place, *message);
        return;
    }
    if (message->type == RAFT_VOTE_REPLY)
        message->unled_ns = ns_between(c->led, tilt_slow(&c->tilt));
    (void)raft_encode(peers_frame(c), message, NULL, NULL, PEER_BODY_MAX);
    (void)peers_say(c, place, FRAME_RAFT, true);
}

/* ---- in ---- */

void log_receive(struct cluster *c, struct place *place, struct bytes bytes)
{
    struct raft_message message;
    struct err err;
    size_t len = 0;
    uint32_t taken;

    if (!c->member || c->founding)
        return;
    if (!raft_decode(bytes, &message, c->heard_entries, c->heard_bodies, &err)) {
        peers_break(c->peers, peers_number(c, place), err.text);
        return;
    }
    if (message.from != place->life.member || message.to != c->self)
        return;
    for (uint32_t i = 0; i < message.count; i++)
        len += c->heard_bodies[i].len;
    /* Dropped as the network might have: it is sent again. */
    if (!entries_room(&c->entries, message.count, len))
        return;
    lease_vote(c, &message);
    raft_receive(&c->raft, &message, loop_now(c->loop), &taken);
    for (uint32_t i = taken; i < message.count; i++)
        entries_put(&c->entries, message.index + 1 + i, &c->heard_entries[i], c->heard_bodies[i]);
    lease_led(c, &message);
    drive_stir(c);
}

void log_put(struct cluster *c, uint64_t index, uint8_t kind, const struct raft_change *change,
             struct bytes body)
{
    struct raft_entry entry = {.term = c->raft.term, .kind = kind};

    if (change)
        entry.change = *change;
    entries_put(&c->entries, index, &entry, body);
}

/* Entries that consensus made by itself: the first of a leader, which may have been deposed since. */
static void put_own(struct cluster *c)
{
    while (c->entries.next <= c->raft.last) {
        struct raft_entry noop = {.term = raft_term_at(&c->raft, c->entries.next),
                                  .kind = RAFT_NOOP};

        entries_put(&c->entries, c->entries.next, &noop, bytes_of(NULL, 0));
    }
}

/* ---- applying ---- */

static void too_new(struct cluster *c, uint64_t index, const struct document_reply *reply)
{
    struct err err;

    err_record(&err, ERR_VERSION, 0, "entry %llu: %s", (unsigned long long)index, reply->sentence);
    drive_halt_too_old(c, &err);
}

/* Consensus has changed its members already: the document must not have refused to. */
static void members_differ(struct cluster *c, uint64_t index, const struct document_reply *reply)
{
    struct err err;

    err_record(&err, ERR_PEER, 0, "entry %llu: %s", (unsigned long long)index, reply->sentence);
    drive_halt(c, &err);
}

static void tell_member(struct cluster *c, enum fact_code code, const char *name, uint32_t member,
                        const char *what)
{
    struct fact fact;

    fact_init(&fact, code, SUBJECT_NODE, name);
    fact_add(&fact, NUMBER_MEMBER, member);
    fact_say(&fact, "%s %s", name, what);
    drive_record(c, &fact);
}

/* The leader alone tells of what all nodes see, and not again of what its log already held when it started. */
static void tell_command(struct cluster *c, uint64_t index, const struct document_command *command,
                         const char *name)
{
    uint32_t id = command->member.id;

    if (c->raft.role != RAFT_LEADER || index <= c->replayed)
        return;
    switch (command->kind) {
    case COMMAND_MEMBER_ADD:
        tell_member(c, FACT_NODE_ADDED, command->member.name, id, "was added as a learner");
        break;
    case COMMAND_MEMBER_REMOVE:
        tell_member(c, FACT_NODE_REMOVED, name, id, "was removed");
        break;
    case COMMAND_MEMBER_ROLE:
        tell_member(
            c, command->member.role == MEMBER_LEARNER ? FACT_NODE_DEMOTED : FACT_NODE_PROMOTED,
            name, id, command->member.role == MEMBER_LEARNER ? "is a learner now" : "votes now");
        break;
    case COMMAND_MEMBER_INCARNATION:
        tell_member(c, FACT_NODE_JOINED, name, id,
                    command->clean ? "started, and has what it had" : "started");
        break;
    case COMMAND_LEVEL_RAISE:
        level_tell(c);
        break;
    default:
        break;
    }
}

static void apply_one(struct cluster *c, uint64_t index, const struct entries_kept *kept)
{
    struct document_reply reply = {0};
    char before[CLUSTER_NAME_MAX];

    if (kept->entry.kind == RAFT_NOOP) {
        document_pass(&c->document, index);
        propose_applied(c, index, kept->entry.term, NULL);
        return;
    }
    (void)snprintf(before, sizeof before, "%s", drive_name_of(c, kept->entry.change.member));
    if (document_apply(&c->document, index, bytes_of(kept->body, kept->len), &reply) ==
        DOCUMENT_HALT) {
        too_new(c, index, &reply);
        return;
    }
    if (kept->entry.kind == RAFT_CONFIG && reply.outcome != DOCUMENT_APPLIED) {
        members_differ(c, index, &reply);
        return;
    }
    if (reply.outcome == DOCUMENT_APPLIED) {
        if (!before[0])
            (void)snprintf(before, sizeof before, "%s", drive_name_of(c, reply.command.member.id));
        tell_command(c, index, &reply.command, before);
        if (reply.command.kind == COMMAND_MEMBER_REMOVE)
            members_note_removal(c, before);
    }
    propose_applied(c, index, kept->entry.term, &reply);
    ask_applied(c, index, kept->entry.term, &reply);
}

static void apply(struct cluster *c, uint64_t commit)
{
    if (c->applying >= commit)
        return;
    while (c->applying < commit && c->state != CLUSTER_HALTED) {
        const struct entries_kept *kept = entries_at(&c->entries, c->applying + 1);

        must(kept);
        c->applying++;
        apply_one(c, c->applying, kept);
    }
    if (c->state == CLUSTER_HALTED)
        return;
    raft_applied(&c->raft, c->applying);
    log_document_changed(c);
}

static uint32_t quorum_members(const struct cluster *c, struct links_member *members)
{
    for (uint32_t i = 0; i < c->document.member_count; i++)
        members[i] = (struct links_member){.id = c->document.members[i].id,
                                           .votes = member_votes(&c->document.members[i])};
    return c->document.member_count;
}

static void forget_gone(struct cluster *c)
{
    for (uint32_t i = 0; i < CLUSTER_NODES_MAX; i++) {
        uint32_t member = c->detector.peers[i].life.member;

        if (!member || document_member(&c->document, member))
            continue;
        detector_forget(&c->detector, member);
        proof_forget(&c->proof, member);
    }
}

void log_document_changed(struct cluster *c)
{
    struct links_member members[CLUSTER_NODES_MAX];
    uint32_t count = quorum_members(c, members);

    links_set_members(&c->links, members, count);
    forget_gone(c);
    for (uint32_t i = 0; i < count; i++)
        if (members[i].id != c->self)
            detector_watch(&c->detector, members[i].id, loop_now(c->loop));
    lease_follow(c);
    peers_follow(c);
    if (!document_member(&c->document, c->self) && c->applying > 0 && c->state == CLUSTER_MEMBER &&
        c->self < c->document.next_member) {
        c->state = CLUSTER_REMOVED;
        drive_say(c,
                  "this node was removed from the cluster; to add it again, empty its directory "
                  "and run `nines node add %s`",
                  c->node);
    }
    drive_changed(c);
}

/* ---- the order of things ---- */

static void tell_role(struct cluster *c)
{
    bool leads = c->raft.role == RAFT_LEADER && c->actions.established;
    struct fact fact;

    if (leads && c->led_term != c->raft.term) {
        c->led_term = c->raft.term;
        fact_init(&fact, FACT_LEADER_ELECTED, SUBJECT_NODE, c->node);
        fact.epoch = c->raft.term;
        fact_add(&fact, NUMBER_MEMBER, c->self);
        fact_say(&fact, "%s leads in term %llu", c->node, (unsigned long long)c->raft.term);
        drive_record(c, &fact);
    }
    if (c->was_leader && c->raft.role != RAFT_LEADER) {
        fact_init(&fact, FACT_LEADER_STEPPED_DOWN, SUBJECT_NODE, c->node);
        fact.epoch = c->raft.term;
        fact_say(&fact, "%s leads no longer", c->node);
        drive_record(c, &fact);
    }
    c->was_leader = leads || (c->was_leader && c->raft.role == RAFT_LEADER);
}

static void role_changed(struct cluster *c)
{
    for (uint32_t i = 0; i < PEERS_MAX && c->raft.role == RAFT_LEADER; i++)
        raft_peer_tilted(&c->raft, c->places[i].life.member, c->places[i].tilted);
    lease_role(c, c->raft.role == RAFT_LEADER, false);
    ask_leader_changed(c);
    drive_changed(c);
}

void log_turn(struct cluster *c)
{
    struct raft_actions *actions = &c->actions;
    bool leads;

    raft_tick(&c->raft, loop_now(c->loop));
    put_own(c);
    raft_ready(&c->raft, loop_now(c->loop), actions);
    leads = c->raft.role == RAFT_LEADER;
    if (actions->role_changed)
        role_changed(c);
    if (actions->resigned)
        beat_resigned(c);
    for (uint32_t i = 0; i < actions->sends; i++)
        send_message(c, &actions->send[i]);
    if (actions->persist.ticket)
        store_persist(c);
    apply(c, actions->commit);
    if (c->state == CLUSTER_HALTED)
        return;
    /* Only now does the document hold what the leaders before had proposed. */
    c->established = leads && actions->established && c->applying >= c->raft.noop;
    if (c->established) {
        lease_role(c, true, true);
        lease_agree(c);
        level_agree(c);
    }
    tell_role(c);
    propose_read(c, actions);
    if (actions->fetch_from)
        fetch_begin(c, actions->fetch_from, actions->fetch_index, actions->fetch_term);
    store_snapshot_if_due(c);
}
