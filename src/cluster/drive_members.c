#include "cluster/drive.h"

#include "base/hash.h"
#include "base/pack.h"

#include <stdio.h>

enum { WAITING_BEATS = 25 };

/* ---- founding and joining ---- */

void members_open(struct cluster *c, const struct charter *had)
{
    struct found_options options = {.self = c->self_node,
                                    .count = c->node_count,
                                    .list_hash = found_list_hash(c->nodes, c->node_count),
                                    .disk = c->store.disk_id,
                                    .cluster = rng_next(&c->rng) | 1,
                                    .resend_ns = NS_PER_S};

    memcpy(options.nodes, c->nodes, sizeof options.nodes);
    found_init(&c->found, &options, had);
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        const struct place *place = &c->places[i];

        if (place->known && place->linked && place->in_list < CLUSTER_NODES_MAX)
            found_heard(&c->found, place->in_list, &place->word);
    }
}

static void become_member(struct cluster *c, const struct raft_restored *restored)
{
    c->self = charter_find_disk(&c->charter, c->store.disk_id)->id;
    c->state = CLUSTER_MEMBER;
    c->sentence[0] = '\0';
    drive_begin(c, restored);
    beat_hello(c);
    drive_changed(c);
}

/* Of a snapshot that was written from `fetched`. */
static void begin_with(struct cluster *c, const struct store_snapshot *snapshot)
{
    struct raft_restored restored = {.term = snapshot->new_term,
                                     .vote = snapshot->new_vote,
                                     .snapshot_index = snapshot->index,
                                     .snapshot_term = snapshot->term,
                                     .last = snapshot->index};

    if (snapshot->index > 0) {
        c->document = c->fetched;
        store_config_of(&c->document, &restored.snapshot_config);
    }
    become_member(c, &restored);
}

static void founded(struct cluster *c, struct store_snapshot *snapshot)
{
    bool founder = c->found.founder;
    struct fact fact;

    c->founding = false;
    if (snapshot->end == STORE_FULL) {
        drive_halt(c, &snapshot->err);
        return;
    }
    found_written(&c->found);
    c->charter = c->found.charter;
    /* The list of nodes may have changed while it was written. */
    members_open(c, &c->charter);
    begin_with(c, snapshot);
    if (!founder)
        return;
    fact_init(&fact, FACT_CLUSTER_FOUNDED, SUBJECT_CLUSTER, c->name);
    fact_add(&fact, NUMBER_COUNT, c->charter.count);
    fact_say(&fact, "%s founded the cluster %s of %u nodes", c->node, c->name, c->charter.count);
    drive_record(c, &fact);
}

static void write_charter(struct cluster *c)
{
    struct store_snapshot *snapshot = &c->store.snapshot;
    const struct charter *charter = &c->found.charter;

    if (charter->welcome) {
        snapshot->index = snapshot->term = 0;
        snapshot->replace = false;
        buf_clear(&snapshot->bytes);
        buf_clear(&snapshot->charter_bytes);
    } else {
        document_found(&c->fetched, charter);
        store_fill_snapshot(c, &c->fetched, 1);
        snapshot->replace = true;
    }
    snapshot->charter = snapshot->forget = true;
    snapshot->new_term = charter->welcome ? 0 : 1;
    snapshot->new_vote = 0;
    charter_encode(&snapshot->charter_bytes, charter);
    c->founding = true;
    c->state = CLUSTER_FOUNDING;
    store_write_snapshot(c, founded);
    drive_changed(c);
}

static void send_charter(struct cluster *c, const struct place *place,
                         const struct charter *charter)
{
    charter_encode(peers_frame(c), charter);
    (void)peers_say(c, place, FRAME_CHARTER, false);
}

/* Nodes that start together wait for each other for a moment, which is nothing to tell. */
static void tell_waiting(struct cluster *c)
{
    struct fact fact;

    if (c->beat_number < WAITING_BEATS || strcmp(c->waits, c->sentence) == 0)
        return;
    memcpy(c->waits, c->sentence, sizeof c->waits);
    fact_init(&fact, FACT_FOUNDING_WAITS, SUBJECT_CLUSTER, c->name);
    fact_say(&fact, "%s", c->sentence);
    drive_record(c, &fact);
}

static void found(struct cluster *c)
{
    struct found_orders orders;
    struct buf sentence;
    uint8_t text[CLUSTER_SENTENCE_MAX - 1];

    found_step(&c->found, loop_now(c->loop), &orders);
    if (orders.write)
        write_charter(c);
    for (uint32_t i = 0; i < orders.send_count; i++) {
        const struct place *place = peers_place_named(c, c->nodes[orders.send[i]].name);

        if (place)
            send_charter(c, place, &c->found.charter);
    }
    if (c->state != CLUSTER_BLANK)
        return;
    buf_over(&sentence, text, sizeof text);
    found_sentence(&c->found, &sentence);
    (void)bytes_to_string(buf_bytes(&sentence), c->sentence, sizeof c->sentence);
    tell_waiting(c);
}

void members_charter(struct cluster *c, struct place *place, struct unpack *in)
{
    struct charter charter;

    if (place->in_list == CLUSTER_NODES_MAX || !charter_decode(in->left, &charter))
        return;
    if (found_charter(&c->found, place->in_list, &charter) == FOUND_TAKEN)
        members_step(c);
}

/* ---- what a leader sees to, one thing at a time ---- */

static void welcome(struct cluster *c, const struct place *place)
{
    struct charter charter = {
        .cluster = c->charter.cluster, .welcome = true, .count = c->document.member_count};

    memcpy(charter.members, c->document.members, sizeof charter.members);
    send_charter(c, place, &charter);
}

/* A lease of a life that is over keeps its member from being removed. True: one was in the way. */
static bool expel(struct cluster *c, const struct member *member)
{
    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++) {
        const struct document_lease *lease = &c->document.leases[slot];
        struct document_command command = {.kind = COMMAND_LEASE_EXPEL, .based_on = lease->version};

        if (!lease->name[0] || lease->holder.member != member->id || lease->of_group)
            continue;
        memcpy(command.lease.name, lease->name, sizeof command.lease.name);
        command.lease.holder = lease->holder;
        (void)propose_own(c, &command);
        return true;
    }
    return false;
}

/* It is back under its name, without its disk: what it had promised went with that, so it comes back as somebody else. */
static void replace(struct cluster *c, struct place *place, const struct member *member)
{
    struct document_command command = {.kind = COMMAND_MEMBER_REMOVE, .based_on = member->version};
    struct fact fact;

    if (expel(c, member))
        return;
    command.member.id = member->id;
    if (!propose_own(c, &command))
        return;
    fact_init(&fact, FACT_NODE_REPLACED, SUBJECT_NODE, place->name);
    fact_add(&fact, NUMBER_MEMBER, member->id);
    fact_say(&fact, "%s lost its disk: it is removed, and added again as a new member",
             place->name);
    drive_record(c, &fact);
}

/* Every node remembers, since whoever leads then has to go on. */
void members_note_removal(struct cluster *c, const char *name)
{
    struct place *place = peers_place_named(c, name);

    if (place && place->linked && place->known && place->word.blank)
        place->replaced = true;
}

static void add_again(struct cluster *c, const struct place *place)
{
    struct document_command command = {.kind = COMMAND_MEMBER_ADD};

    if (place->in_list == CLUSTER_NODES_MAX)
        return;
    command.member = c->nodes[place->in_list];
    command.member.role = MEMBER_LEARNER;
    command.member.id = c->document.next_member;
    command.member.disk = place->word.disk;
    (void)propose_own(c, &command);
}

static void see_to_blank(struct cluster *c, struct place *place)
{
    const struct member *member = document_member_named(&c->document, place->name);

    if (member && member->disk == place->word.disk)
        welcome(c, place);
    else if (c->member_change > c->applying)
        return;
    else if (member)
        replace(c, place, member);
    else if (place->replaced)
        add_again(c, place);
}

static void promote(struct cluster *c, const struct member *member)
{
    const struct place *place = peers_place_named(c, member->name);
    struct document_command command = {.kind = COMMAND_MEMBER_ROLE, .based_on = member->version};

    if (!place || !place->linked || place->word.blank || place->in_list == CLUSTER_NODES_MAX ||
        c->nodes[place->in_list].role == MEMBER_LEARNER)
        return;
    command.member.id = member->id;
    command.member.role = c->nodes[place->in_list].role;
    (void)propose_own(c, &command);
}

static bool has_addresses(const struct member *member, const struct member *node)
{
    if (strcmp(member->zone, node->zone) != 0 || member->address_count != node->address_count)
        return false;
    for (uint32_t i = 0; i < node->address_count; i++)
        if (!address_equal(&member->addresses[i], &node->addresses[i]))
            return false;
    return true;
}

/* All members are there and run the same configuration: what it says is what people want. */
static bool all_agree(struct cluster *c)
{
    for (uint32_t i = 0; i < c->document.member_count; i++) {
        const struct member *member = &c->document.members[i];
        const struct place *place = peers_place_named(c, member->name);

        if (member->id != c->self &&
            (!place || !place->linked || !place->known || place->config_hash != c->config_hash))
            return false;
    }
    return true;
}

/* Where a node is follows the file, by which everybody connects; the document tells those whose file is older, and the blank ones. */
static void readdress(struct cluster *c)
{
    for (uint32_t i = 0; i < c->node_count; i++) {
        const struct member *member = document_member_named(&c->document, c->nodes[i].name);
        struct document_command command = {.kind = COMMAND_MEMBER_ADDRESSES, .member = c->nodes[i]};

        if (!member || c->nodes[i].address_count == 0 || has_addresses(member, &c->nodes[i]))
            continue;
        if (!all_agree(c))
            return;
        command.based_on = member->version;
        command.member.id = member->id;
        (void)propose_own(c, &command);
        return;
    }
}

static void lead(struct cluster *c)
{
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        struct place *place = &c->places[i];

        if (!place->name[0] || !place->linked || !place->known)
            continue;
        if (place->word.blank)
            see_to_blank(c, place);
        else
            place->replaced = false;
    }
    for (uint32_t i = 0; i < c->document.member_count; i++)
        if (c->document.members[i].role == MEMBER_LEARNER && c->member_change <= c->applying)
            promote(c, &c->document.members[i]);
    if (c->raft.last == c->applying)
        readdress(c);
}

/* ---- an agent's start is known to all ---- */

static void registered(void *context, const struct cluster_answer *answer)
{
    struct cluster *c = context;

    (void)answer;
    c->registering = false;
}

static void enroll(struct cluster *c)
{
    const struct member *self = document_member(&c->document, c->self);
    struct document_command command = {.kind = COMMAND_MEMBER_INCARNATION};

    if (!self || self->incarnation >= c->store.incarnation || c->registering || !c->raft.leader)
        return;
    /* A run that lost something and ended before it could say so leaves that to this one. */
    command.clean = self->incarnation >= c->store.doubt;
    command.based_on = self->version;
    command.member.id = c->self;
    command.member.disk = c->store.disk_id;
    command.member.incarnation = c->store.incarnation;
    c->registering = true;
    ask_command(c, &command, 10 * c->timing.heartbeat_ms, registered);
}

void members_step(struct cluster *c)
{
    if (!drive_living(c))
        return;
    found(c);
    if (!c->member || c->state != CLUSTER_MEMBER)
        return;
    if (c->established)
        lead(c);
    enroll(c);
}

/* ---- removed members are told ---- */

void members_tell_removed(struct cluster *c, struct place *place)
{
    struct buf *frame = peers_frame(c);

    pack_u32(frame, place->life.member);
    pack_u64(frame, c->document.index);
    (void)peers_say(c, place, FRAME_REMOVED, false);
}

void members_removed(struct cluster *c, struct place *place, struct unpack *in)
{
    uint32_t member = unpack_u32(in);
    uint64_t index = unpack_u64(in);
    struct fact fact;

    if (in->bad || member != c->self || c->state != CLUSTER_MEMBER || index <= c->applying)
        return;
    c->state = CLUSTER_REMOVED;
    drive_say(c,
              "%s says that this node was removed from the cluster; to add it again, empty its "
              "directory and run `nines node add %s`",
              place->name, c->node);
    lease_drop(c);
    fact_init(&fact, FACT_NODE_LEFT, SUBJECT_NODE, c->node);
    fact_say(&fact, "%s learns from %s that it was removed", c->node, place->name);
    drive_record(c, &fact);
    drive_changed(c);
}

/* ---- recovery: one survivor becomes the cluster ---- */

static void recovered(struct cluster *c, struct store_snapshot *snapshot)
{
    struct fact fact;

    c->founding = false;
    if (snapshot->end == STORE_FULL) {
        drive_halt(c, &snapshot->err);
        return;
    }
    if (!charter_decode(buf_bytes(&snapshot->charter_bytes), &c->charter))
        never("a charter that was just written cannot be read");
    members_open(c, &c->charter);
    begin_with(c, snapshot);
    fact_init(&fact, FACT_CLUSTER_RECOVERED, SUBJECT_CLUSTER, c->name);
    fact_add(&fact, NUMBER_INDEX, (int64_t)snapshot->index);
    fact_say(&fact,
             "%s alone is the cluster now, by an operator's order: what only others had is lost",
             c->node);
    drive_record(c, &fact);
    ask_recovered(c);
}

/* All of its log counts: what was acknowledged is among it, if it is anywhere here. */
static bool apply_rest(struct cluster *c)
{
    c->fetched = c->document;
    for (uint64_t index = c->applying + 1; index < c->entries.next; index++) {
        const struct entries_kept *kept = entries_at(&c->entries, index);
        struct document_reply reply;

        if (kept->entry.kind == RAFT_NOOP)
            document_pass(&c->fetched, index);
        else if (document_apply(&c->fetched, index, bytes_of(kept->body, kept->len), &reply) ==
                 DOCUMENT_HALT)
            return false;
    }
    return true;
}

static bool may_recover(struct cluster *c, char *sentence, size_t cap)
{
    /* Founding and recovery end by themselves, and so does a write: it is tried again. */
    if (c->founding || c->store.snapshot.busy || c->store.persist.busy || c->raft.fetch_from) {
        sentence[0] = '\0';
        return false;
    }
    if (c->state != CLUSTER_MEMBER || c->applying == 0)
        (void)snprintf(sentence, cap, "this node holds no document to go on with");
    else if (beat_quorum(c))
        (void)snprintf(sentence, cap,
                       "the cluster has a quorum and a leader: nothing is to be recovered");
    else if (!apply_rest(c))
        (void)snprintf(sentence, cap, "this node's log holds what this version cannot understand");
    else
        return true;
    return false;
}

bool members_recover(struct cluster *c, char *sentence, size_t cap)
{
    struct store_snapshot *snapshot = &c->store.snapshot;
    uint64_t term = c->raft.term + 1;
    const struct member *self;
    struct charter charter;

    if (!may_recover(c, sentence, cap))
        return false;
    /* The rest of its log may hold its own removal, which nobody else is left to hold it to. */
    self = document_member(&c->fetched, c->self);
    if (!self)
        self = document_member(&c->document, c->self);
    must(self);
    lease_drop(c);
    document_pass(&c->fetched, c->fetched.index + 1);
    document_survive(&c->fetched, self, rng_next(&c->rng) | 1);
    store_charter_alone(&c->fetched, &charter);
    store_fill_snapshot(c, &c->fetched, term);
    snapshot->replace = snapshot->charter = snapshot->forget = true;
    snapshot->new_term = term;
    snapshot->new_vote = c->self;
    charter_encode(&snapshot->charter_bytes, &charter);
    c->founding = true;
    store_write_snapshot(c, recovered);
    return true;
}
