/*
 * Looks at the whole document for a rule that is broken.
 */
#include "cluster/document_parts.h"

static bool versioned(const struct document *d, uint64_t version)
{
    return version > 0 && version <= d->changes;
}

static const char *head_fault(const struct document *d)
{
    if (d->index == 0 || d->cluster == 0 || d->changes == 0)
        return "it is of no cluster or no index";
    if (d->level == 0 || d->level > COMMAND_LEVEL)
        return "its level is not known to this version";
    if (d->member_count == 0 || d->member_count > CLUSTER_NODES_MAX ||
        d->group_count > CLUSTER_GROUPS_MAX || d->override_count > CLUSTER_OVERRIDES_MAX ||
        d->drains.count > CLUSTER_MARKS_MAX || d->maintenances.count > CLUSTER_MARKS_MAX)
        return "a count is out of bounds";
    return NULL;
}

static const char *members_fault(const struct document *d)
{
    uint32_t voters = document_voters(d);

    for (uint32_t i = 0; i < d->member_count; i++) {
        const struct member *member = &d->members[i];

        if (!member_good(member) || !versioned(d, member->version))
            return "a member is malformed";
        if (member->id >= d->next_member)
            return "a member's id was never given";
        for (uint32_t j = 0; j < i; j++) {
            const struct member *other = &d->members[j];

            if (other->id >= member->id || other->disk == member->disk ||
                strcmp(other->name, member->name) == 0)
                return "two members share an id, a name or a disk";
        }
    }
    return voters == 0 || voters > CLUSTER_VOTERS_MAX ? "there are no voters, or too many" : NULL;
}

static bool set_good(const struct document *d, const struct life_set *set)
{
    if (set->count > CLUSTER_NODES_MAX)
        return false;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct member *member = document_member(d, set->lives[i].member);

        if (!member || member->role == MEMBER_WITNESS || set->lives[i].incarnation == 0 ||
            set->lives[i].incarnation > member->incarnation)
            return false;
        if (i > 0 && set->lives[i - 1].member >= set->lives[i].member)
            return false;
    }
    return true;
}

static const char *body_fault(const struct document *d, const struct group_body *body)
{
    if (body->mode >= GROUP_MODES || body->min_in_sync == 0 ||
        body->min_in_sync > CLUSTER_NODES_MAX)
        return "a group is malformed";
    if (!set_good(d, &body->in_sync) || !set_good(d, &body->eligible))
        return "a group's set names somebody who cannot be in it";
    for (uint32_t i = 0; i < body->eligible.count; i++)
        if (life_set_find(&body->in_sync, body->eligible.lives[i].member) >= 0)
            return "a member is both in sync and eligible";
    if (body->primary && life_set_find(&body->in_sync, body->primary) < 0)
        return "a primary is not in sync";
    if (body->target && (!body->primary || body->target == body->primary ||
                         life_set_find(&body->in_sync, body->target) < 0))
        return "a group's next primary cannot be it";
    return NULL;
}

static const char *group_fault(const struct document *d, uint32_t place)
{
    const struct document_group *group = &d->groups[place];
    const struct document_lease *lease;
    char name[CLUSTER_RESOURCE_MAX];

    if (!member_name_good(group->name) || !versioned(d, group->version))
        return "a group is malformed";
    for (uint32_t i = 0; i < place; i++)
        if (strcmp(d->groups[i].name, group->name) == 0)
            return "two groups have one name";
    lease = document_lease(d, document_lease_name(group->name, name), NULL);
    if (!lease || !lease->of_group || lease->epoch != group->epoch ||
        !life_equal(lease->holder, group_primary(&group->body)))
        return "a group and its lease differ";
    return body_fault(d, &group->body);
}

static const char *lease_fault(const struct document *d, uint32_t slot)
{
    const struct document_lease *lease = &d->leases[slot];
    bool named = strncmp(lease->name, GROUP_LEASE, strlen(GROUP_LEASE)) == 0;

    if (lease->name[0] == 0)
        return NULL;
    if (!member_path_good(lease->name) || !versioned(d, lease->version) || lease->epoch == 0 ||
        lease->epoch > d->epochs || named != lease->of_group)
        return "a lease is malformed";
    if (lease->of_group && !document_group(d, lease->name + strlen(GROUP_LEASE)))
        return "a lease is of a group that does not exist";
    if (!lease->of_group && lease->holder.member == 0)
        return "a lease is held by nobody";
    if (lease->holder.member) {
        const struct member *member = document_member(d, lease->holder.member);

        if (!member || lease->holder.incarnation == 0 ||
            lease->holder.incarnation > member->incarnation)
            return "a lease is held by somebody who does not exist";
    }
    for (uint32_t i = 0; i < slot; i++)
        if (d->leases[i].name[0] &&
            (d->leases[i].epoch == lease->epoch || strcmp(d->leases[i].name, lease->name) == 0))
            return "two leases share a name or an epoch";
    return NULL;
}

static const char *marks_fault(const struct document *d, const struct document_marks *marks)
{
    for (uint32_t i = 0; i < marks->count; i++) {
        if (!member_path_good(marks->marks[i].name) || !versioned(d, marks->marks[i].version))
            return "a drain or maintenance is malformed";
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(marks->marks[i].name, marks->marks[j].name) == 0)
                return "two drains or maintenances have one name";
    }
    return NULL;
}

static const char *overrides_fault(const struct document *d)
{
    for (uint32_t i = 0; i < d->override_count; i++) {
        if (d->overrides[i].key[0] == 0 || !versioned(d, d->overrides[i].version))
            return "an override is malformed";
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(d->overrides[i].key, d->overrides[j].key) == 0)
                return "two overrides have one key";
    }
    return NULL;
}

const char *document_fault(const struct document *document)
{
    const char *fault = head_fault(document);

    fault = fault ? fault : members_fault(document);
    for (uint32_t i = 0; !fault && i < document->group_count; i++)
        fault = group_fault(document, i);
    for (uint32_t slot = 0; !fault && slot < CLUSTER_LEASES_MAX; slot++)
        fault = lease_fault(document, slot);
    fault = fault ? fault : marks_fault(document, &document->drains);
    fault = fault ? fault : marks_fault(document, &document->maintenances);
    return fault ? fault : overrides_fault(document);
}
