/*
 * Applies committed commands to the document, one after the other, and answers what is in it.
 *
 * It knows nothing of who proposes and when; refusing is as deterministic as changing. It never skips an entry and never applies one twice.
 */
#include "cluster/document.h"

#include "base/hash.h"
#include "cluster/document_parts.h"

/* The cheap half of document_fault. */
void document_check(const struct document *document)
{
    must(document->index > 0);
    must(document->level > 0);
    must(document->cluster != 0);
    must(document->next_member > 1);
    must(document->member_count > 0);
    must(document->member_count <= CLUSTER_NODES_MAX);
    must(document->group_count <= CLUSTER_GROUPS_MAX);
    must(document->override_count <= CLUSTER_OVERRIDES_MAX);
    must(document->drains.count <= CLUSTER_MARKS_MAX);
    must(document->maintenances.count <= CLUSTER_MARKS_MAX);
    must(document->members[document->member_count - 1].id < document->next_member);
}

/* ---- lookups ---- */

struct member *document_find_member(struct document *document, uint32_t id)
{
    for (uint32_t i = 0; i < document->member_count; i++)
        if (document->members[i].id == id)
            return &document->members[i];
    return NULL;
}

const struct member *document_member(const struct document *document, uint32_t id)
{
    for (uint32_t i = 0; i < document->member_count; i++)
        if (document->members[i].id == id)
            return &document->members[i];
    return NULL;
}

const struct member *document_member_named(const struct document *document, const char *name)
{
    for (uint32_t i = 0; i < document->member_count; i++)
        if (strcmp(document->members[i].name, name) == 0)
            return &document->members[i];
    return NULL;
}

const struct document_group *document_group(const struct document *document, const char *name)
{
    for (uint32_t i = 0; i < document->group_count; i++)
        if (strcmp(document->groups[i].name, name) == 0)
            return &document->groups[i];
    return NULL;
}

uint32_t document_find_lease(const struct document *document, const char *name)
{
    uint32_t slot = 0;

    while (slot < CLUSTER_LEASES_MAX && strcmp(document->leases[slot].name, name) != 0)
        slot++;
    return slot;
}

const struct document_lease *document_lease(const struct document *document, const char *name,
                                            uint32_t *slot)
{
    uint32_t found = name[0] ? document_find_lease(document, name) : CLUSTER_LEASES_MAX;

    if (found == CLUSTER_LEASES_MAX)
        return NULL;
    if (slot)
        *slot = found;
    return &document->leases[found];
}

const struct document_mark *document_mark(const struct document_marks *marks, const char *name)
{
    for (uint32_t i = 0; i < marks->count; i++)
        if (strcmp(marks->marks[i].name, name) == 0)
            return &marks->marks[i];
    return NULL;
}

const struct document_override *document_override(const struct document *document, const char *key)
{
    for (uint32_t i = 0; i < document->override_count; i++)
        if (strcmp(document->overrides[i].key, key) == 0)
            return &document->overrides[i];
    return NULL;
}

bool document_current(const struct document *document, struct life life)
{
    const struct member *member = document_member(document, life.member);

    return member && life.incarnation != 0 && member->incarnation == life.incarnation;
}

uint32_t document_voters(const struct document *document)
{
    uint32_t voters = 0;

    for (uint32_t i = 0; i < document->member_count; i++)
        voters += member_votes(&document->members[i]);
    return voters;
}

char *document_lease_name(const char *group, char *name)
{
    struct buf out;

    buf_over(&out, name, CLUSTER_RESOURCE_MAX);
    memset(name, 0, CLUSTER_RESOURCE_MAX);
    buf_add_string(&out, GROUP_LEASE);
    buf_add_string(&out, group);
    must(out.len < CLUSTER_RESOURCE_MAX);
    return name;
}

/* ---- the log ---- */

void document_found(struct document *document, const struct charter *charter)
{
    must(!charter->welcome);
    must(charter->count > 0);
    memset(document, 0, sizeof *document);
    document->cluster = charter->cluster;
    document->level = 1;
    document->index = 1;
    document->changes = 1;
    document->member_count = charter->count;
    for (uint32_t i = 0; i < charter->count; i++) {
        document->members[i] = charter->members[i];
        document->members[i].incarnation = 0;
        document->members[i].version = 1;
    }
    document->next_member = charter->members[charter->count - 1].id + 1;
    document->hash = hash_number(0, charter->cluster);
    document->trail[1].index = 1;
    document->trail[1].hash = document->hash;
    document_check(document);
}

static void step_index(struct document *document, uint64_t index)
{
    uint64_t place = index % DOCUMENT_TRAIL;

    must(index == document->index + 1);
    document->index = index;
    document->trail[place].index = index;
    document->trail[place].hash = document->hash;
}

void document_pass(struct document *document, uint64_t index)
{
    document_check(document);
    step_index(document, index);
}

enum document_outcome document_would(const struct document *document,
                                     const struct document_command *command,
                                     struct document_reply *reply)
{
    document_check(document);
    memset(reply, 0, sizeof *reply);
    reply->command = *command;
    reply->outcome = document_rule(document, command, reply);
    return reply->outcome;
}

static enum document_outcome refuse_unread(struct document_reply *reply,
                                           enum command_reading reading)
{
    struct buf out;

    buf_over(&out, reply->sentence, sizeof reply->sentence - 1);
    if (reading == COMMAND_MALFORMED) {
        buf_add_string(&out, "the command is malformed");
        return DOCUMENT_INVALID;
    }
    buf_print(&out,
              "command %u of level %u is not known to this version, which understands level %d: "
              "this node must be upgraded before it can go on",
              reply->command.kind, reply->command.level, COMMAND_LEVEL);
    return DOCUMENT_HALT;
}

enum document_outcome document_apply(struct document *document, uint64_t index, struct bytes body,
                                     struct document_reply *reply)
{
    enum command_reading reading;

    document_check(document);
    memset(reply, 0, sizeof *reply);
    reading = command_decode(body, &reply->command);
    if (reading == COMMAND_READ)
        reply->outcome = document_rule(document, &reply->command, reply);
    else
        reply->outcome = refuse_unread(reply, reading);
    if (reading == COMMAND_READ && reply->outcome == DOCUMENT_TOO_NEW &&
        reply->command.kind == COMMAND_LEVEL_RAISE)
        reply->outcome = DOCUMENT_HALT;
    if (reply->outcome == DOCUMENT_HALT)
        return DOCUMENT_HALT;
    document->hash = hash_bytes(document->hash, body);
    if (reply->outcome == DOCUMENT_APPLIED) {
        document->changes++;
        document_change(document, &reply->command, reply);
    }
    step_index(document, index);
    document_check(document);
    return reply->outcome;
}

bool document_hash_at(const struct document *document, uint64_t index, uint64_t *hash)
{
    uint64_t place = index % DOCUMENT_TRAIL;

    if (index == 0 || document->trail[place].index != index)
        return false;
    *hash = document->trail[place].hash;
    return true;
}

/* ---- leases ---- */

static const struct document_lease *lease_of_command(const struct document *document,
                                                     const struct document_command *command,
                                                     uint32_t *slot)
{
    char name[CLUSTER_RESOURCE_MAX];

    if (command->kind == COMMAND_GROUP_UPDATE || command->kind == COMMAND_GROUP_DELETE)
        return document_lease(document, document_lease_name(command->group.name, name), slot);
    if (command->kind == COMMAND_LEASE_TAKE || command->kind == COMMAND_LEASE_RELEASE ||
        command->kind == COMMAND_LEASE_EXPEL)
        return document_lease(document, command->lease.name, slot);
    return NULL;
}

/*
 * Does the holder itself ask, and say so? The leader of consensus may run on its node, and asks for other reasons. Of a group also in a later run: a node starts an agent only when the one before has ended, and that one's engine is under the
 * new agent's hand.
 */
static bool gives_up(const struct document_command *command, struct life holder)
{
    if (command->kind == COMMAND_LEASE_RELEASE)
        return life_equal(command->proposer, holder);
    return command->kind == COMMAND_GROUP_UPDATE && command->yields &&
           command->proposer.member == holder.member &&
           command->proposer.incarnation >= holder.incarnation;
}

bool document_takes_away(const struct document *document, const struct document_command *command,
                         struct document_loss *loss)
{
    uint32_t slot = 0;
    const struct document_lease *lease = lease_of_command(document, command, &slot);
    struct life next = {0};

    if (!lease || lease->holder.member == 0)
        return false;
    if (command->kind == COMMAND_GROUP_UPDATE)
        next = group_primary(&command->group.body);
    else if (command->kind == COMMAND_LEASE_TAKE)
        next = command->lease.holder;
    if (life_equal(next, lease->holder))
        return false;
    *loss = (struct document_loss){.slot = slot,
                                   .from = lease->holder,
                                   .epoch = lease->epoch,
                                   .voluntary = gives_up(command, lease->holder)};
    return true;
}
