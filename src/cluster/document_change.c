/*
 * Makes the changes of commands that the rules have let through. It refuses nothing.
 */
#include "cluster/document_parts.h"

/* Closes the gap at `place`, and leaves zeroes behind the last. */
#define TAKE_OUT(array, count, place)                                                              \
    do {                                                                                           \
        memmove(&(array)[place], &(array)[(place) + 1],                                            \
                sizeof *(array) * ((count) - (size_t)(place)-1));                                  \
        (count)--;                                                                                 \
        memset(&(array)[count], 0, sizeof *(array));                                               \
    } while (0)

/* ---- members ---- */

/* Who is not in sync any more cannot be the next primary. */
static void settle_target(struct group_body *body)
{
    if (body->target && life_set_find(&body->in_sync, body->target) < 0)
        body->target = 0;
}

static void remove_member(struct document *d, uint32_t id)
{
    struct member *member = document_find_member(d, id);

    for (uint32_t i = 0; i < d->group_count; i++) {
        struct document_group *group = &d->groups[i];
        uint32_t before = group->body.in_sync.count + group->body.eligible.count;

        group_forget(&group->body, id);
        settle_target(&group->body);
        if (before != group->body.in_sync.count + group->body.eligible.count)
            group->version = d->changes;
    }
    TAKE_OUT(d->members, d->member_count, member - d->members);
}

static void rename_life(struct life_set *set, const struct member *member)
{
    int place = life_set_find(set, member->id);

    if (place >= 0)
        set->lives[place].incarnation = member->incarnation;
}

/*
 * What a restart says about data (KIP-966): after a clean stop the member still has what it had; else it may not have, and leaves the sets. A
 * group of which it is the primary stays as it is: its lease may still run, and who follows is decided by the group's own update.
 */
static void restart_member(struct document *d, const struct member *member, bool clean)
{
    for (uint32_t i = 0; i < d->group_count; i++) {
        struct document_group *group = &d->groups[i];

        if (group->body.primary == member->id)
            continue;
        if (life_set_find(&group->body.in_sync, member->id) < 0 &&
            life_set_find(&group->body.eligible, member->id) < 0)
            continue;
        if (clean) {
            rename_life(&group->body.in_sync, member);
            rename_life(&group->body.eligible, member);
        } else {
            group_forget(&group->body, member->id);
        }
        group->version = d->changes;
        settle_target(&group->body);
    }
}

static void change_member(struct document *d, const struct document_command *c)
{
    struct member *member = document_find_member(d, c->member.id);

    switch (c->kind) {
    case COMMAND_MEMBER_ADD:
        member = &d->members[d->member_count++];
        *member = c->member;
        member->incarnation = 0;
        d->next_member++;
        break;
    case COMMAND_MEMBER_REMOVE:
        remove_member(d, c->member.id);
        return;
    case COMMAND_MEMBER_ROLE:
        member->role = c->member.role;
        break;
    case COMMAND_MEMBER_INCARNATION:
        member->incarnation = c->member.incarnation;
        restart_member(d, member, c->clean);
        break;
    default:
        memcpy(member->zone, c->member.zone, sizeof member->zone);
        memcpy(member->addresses, c->member.addresses, sizeof member->addresses);
        member->address_count = c->member.address_count;
    }
    member->version = d->changes;
}

/* ---- groups and leases ---- */

static void set_lease(struct document *d, uint32_t slot, const char *name, bool of_group,
                      struct life holder)
{
    struct document_lease *lease = &d->leases[slot];

    must(slot < CLUSTER_LEASES_MAX);
    if (lease->name[0] == 0 || !life_equal(lease->holder, holder))
        lease->epoch = ++d->epochs;
    memcpy(lease->name, name, sizeof lease->name);
    lease->of_group = of_group;
    lease->holder = holder;
    lease->version = d->changes;
}

static struct document_group *find_group(struct document *d, const char *name)
{
    for (uint32_t i = 0; i < d->group_count; i++)
        if (strcmp(d->groups[i].name, name) == 0)
            return &d->groups[i];
    return NULL;
}

/* Its epoch is its lease's: it grows whenever the primary, or the primary's run, is another. */
static void change_group(struct document *d, const struct document_command *c,
                         struct document_reply *reply)
{
    struct document_group *group = find_group(d, c->group.name);
    char name[CLUSTER_RESOURCE_MAX];
    uint32_t slot = document_find_lease(d, document_lease_name(c->group.name, name));

    if (c->kind == COMMAND_GROUP_DELETE) {
        memset(&d->leases[slot], 0, sizeof d->leases[slot]);
        TAKE_OUT(d->groups, d->group_count, group - d->groups);
        reply->version = 0;
        return;
    }
    if (!group) {
        group = &d->groups[d->group_count++];
        memcpy(group->name, c->group.name, sizeof group->name);
        slot = document_find_lease(d, "");
    }
    group->body = c->group.body;
    group->version = d->changes;
    set_lease(d, slot, name, true, group_primary(&group->body));
    group->epoch = d->leases[slot].epoch;
    reply->epoch = group->epoch;
}

static void change_lease(struct document *d, const struct document_command *c,
                         struct document_reply *reply)
{
    uint32_t slot = document_find_lease(d, c->lease.name);

    if (c->kind != COMMAND_LEASE_TAKE) {
        memset(&d->leases[slot], 0, sizeof d->leases[slot]);
        reply->version = 0;
        return;
    }
    if (slot == CLUSTER_LEASES_MAX)
        slot = document_find_lease(d, "");
    set_lease(d, slot, c->lease.name, false, c->lease.holder);
    reply->epoch = d->leases[slot].epoch;
}

/* ---- marks, overrides ---- */

static void change_mark(struct document *d, struct document_marks *marks,
                        const struct document_command *c, struct document_reply *reply)
{
    uint32_t place = 0;

    while (place < marks->count && strcmp(marks->marks[place].name, c->mark.name) != 0)
        place++;
    if (c->kind == COMMAND_DRAIN_CLEAR || c->kind == COMMAND_MAINTENANCE_CLEAR) {
        TAKE_OUT(marks->marks, marks->count, place);
        reply->version = 0;
        return;
    }
    if (place == marks->count)
        marks->count++;
    memcpy(marks->marks[place].name, c->mark.name, sizeof c->mark.name);
    memcpy(marks->marks[place].reason, c->mark.reason, sizeof c->mark.reason);
    marks->marks[place].until_ms = c->mark.until_ms;
    marks->marks[place].version = d->changes;
}

static void change_override(struct document *d, const struct document_command *c,
                            struct document_reply *reply)
{
    uint32_t place = 0;

    while (place < d->override_count && strcmp(d->overrides[place].key, c->override.key) != 0)
        place++;
    if (c->kind == COMMAND_OVERRIDE_CLEAR) {
        TAKE_OUT(d->overrides, d->override_count, place);
        reply->version = 0;
        return;
    }
    if (place == d->override_count)
        d->override_count++;
    memcpy(d->overrides[place].key, c->override.key, sizeof c->override.key);
    memcpy(d->overrides[place].value, c->override.value, sizeof c->override.value);
    d->overrides[place].version = d->changes;
}

void document_change(struct document *document, const struct document_command *command,
                     struct document_reply *reply)
{
    reply->version = document->changes;
    if (command->kind <= COMMAND_MEMBER_ADDRESSES)
        change_member(document, command);
    else if (command->kind <= COMMAND_GROUP_DELETE)
        change_group(document, command, reply);
    else if (command->kind <= COMMAND_DRAIN_CLEAR)
        change_mark(document, &document->drains, command, reply);
    else if (command->kind <= COMMAND_MAINTENANCE_CLEAR)
        change_mark(document, &document->maintenances, command, reply);
    else if (command->kind <= COMMAND_LEASE_EXPEL)
        change_lease(document, command, reply);
    else if (command->kind <= COMMAND_OVERRIDE_CLEAR)
        change_override(document, command, reply);
    else
        document->level = command->raise_to;
    if (command->kind == COMMAND_MEMBER_REMOVE)
        reply->version = 0;
}
