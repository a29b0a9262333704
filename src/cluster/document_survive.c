/*
 * What is left of the document when an operator makes one survivor the whole cluster. Everything that named another member forgets it.
 */
#include "cluster/document_parts.h"

static void keep_in_set(struct life_set *set, uint32_t member)
{
    int place = life_set_find(set, member);
    struct life life = place >= 0 ? set->lives[place] : (struct life){0};

    *set = (struct life_set){0};
    if (place >= 0)
        set->lives[set->count++] = life;
}

static void keep_in_group(struct document *document, struct document_group *group, uint32_t member)
{
    char name[CLUSTER_RESOURCE_MAX];
    uint32_t slot = document_find_lease(document, document_lease_name(group->name, name));
    struct document_lease *lease = &document->leases[slot];

    keep_in_set(&group->body.in_sync, member);
    keep_in_set(&group->body.eligible, member);
    group->body.target = 0;
    if (group->body.primary == member)
        return;
    group->body.primary = 0;
    group->epoch = lease->epoch = ++document->epochs;
    group->version = lease->version = document->changes;
    lease->holder = (struct life){0};
}

void document_survive(struct document *document, const struct member *survivor, uint64_t cluster)
{
    struct member self = *survivor;

    document_check(document);
    must(self.id != 0 && self.id < document->next_member);
    document->changes++;
    document->cluster = cluster;
    document->hash ^= cluster;
    document->trail[document->index % DOCUMENT_TRAIL].hash = document->hash;
    document->members[0] = self;
    document->members[0].role = MEMBER_VOTER;
    document->members[0].version = document->changes;
    for (uint32_t i = 1; i < document->member_count; i++)
        document->members[i] = (struct member){0};
    document->member_count = 1;
    for (uint32_t i = 0; i < document->group_count; i++)
        keep_in_group(document, &document->groups[i], self.id);
    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++)
        if (!document->leases[slot].of_group && document->leases[slot].holder.member != self.id)
            document->leases[slot] = (struct document_lease){0};
    document_check(document);
}
