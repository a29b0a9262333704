/*
 * What the rows cannot say of groups: which nodes are members of each, where their data services are, and counts that contradict each other.
 */
#include "role/config_parts.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const struct config_work *work, struct ref ref)
{
    return image_string(config_image(work), ref);
}

static const struct config_node *nodes_of(const struct config_work *work)
{
    return config_items(work, config_root(work)->nodes, sizeof(struct config_node));
}

/* ---- members ---- */

static bool address_of(struct config_work *work, const struct config_group *group,
                       const struct config_node *node, struct ref endpoint, struct address *address)
{
    if (endpoint.count)
        return address_parse(address, image_text(config_image(work), endpoint));
    *address = node->paths[0];
    address->port = (uint16_t)group->replication.port;
    return address->port != 0;
}

static void add_member(struct config_work *work, struct config_group *group, uint32_t place,
                       const struct replication_member *written)
{
    const struct config_node *node = &nodes_of(work)[place];
    struct config_group_member *member = &group->members[group->member_count];
    const struct item *item = written ? &written->item : &group->replication.item;

    must(group->member_count < GROUP_MEMBERS_MAX);
    *member =
        (struct config_group_member){.node = place, .priority = written ? written->priority : 100};
    if (!address_of(work, group, node, written ? written->endpoint : (struct ref){0, 0},
                    &member->address)) {
        config_find(work, item, written && written->endpoint.count ? "endpoint" : NULL,
                    "give the group a `port`, or the member an `endpoint` with an IP address",
                    "where member `%s` of group `%s` has its data service is not said",
                    text_of(work, node->item.name), text_of(work, group->replication.item.name));
        return;
    }
    group->member_count++;
}

static uint32_t find_node(const struct config_work *work, const char *name)
{
    const struct config_node *nodes = nodes_of(work);

    for (uint32_t i = 0; i < config_root(work)->nodes.count; i++)
        if (strcmp(text_of(work, nodes[i].item.name), name) == 0)
            return i;
    return UINT32_MAX;
}

static void add_written(struct config_work *work, struct config_group *group)
{
    const struct replication_member *members =
        config_items(work, group->replication.members, sizeof *members);

    for (uint32_t i = 0; i < group->replication.members.count; i++) {
        const char *name = text_of(work, members[i].item.name);
        uint32_t place = find_node(work, name);

        if (place == UINT32_MAX)
            config_find(work, &members[i].item, NULL, NULL, "there is no node named `%s`", name);
        else if (nodes_of(work)[place].witness)
            config_find(work, &members[i].item, NULL, NULL,
                        "node `%s` is a witness, which holds no data", name);
        else
            add_member(work, group, place, &members[i]);
    }
}

static void add_all(struct config_work *work, struct config_group *group)
{
    for (uint32_t i = 0; i < config_root(work)->nodes.count; i++)
        if (!nodes_of(work)[i].witness)
            add_member(work, group, i, NULL);
}

/* ---- what contradicts itself ---- */

static void check_counts(struct config_work *work, const struct config_group *group)
{
    const struct replication_config *config = &group->replication;
    const char *name = text_of(work, config->item.name);

    if (group->member_count == 0 && config->members.count == 0)
        config_find(work, &config->item, NULL, "name `nodes`",
                    "group `%s` has no members: the file names no node that holds data", name);
    if (group->member_count == 0)
        return;
    if (config->mode == GROUP_SEMI_SYNC && config->acks >= group->member_count &&
        group->member_count > 1)
        config_find(work, &config->item, "acks", "at most one less than members",
                    "a write of group `%s` would wait for %lld secondaries, and there are %u", name,
                    (long long)config->acks, group->member_count - 1);
    if (config->min_in_sync > group->member_count)
        config_find(work, &config->item, "min_in_sync", "at most the number of members",
                    "group `%s` needs %lld members in sync, and there are %u", name,
                    (long long)config->min_in_sync, group->member_count);
    if (group->member_count == 1)
        config_warn(work, "group `%s` has one member: nothing can take its place", name);
}

static void check_addresses(struct config_work *work, const struct config_group *group)
{
    for (uint32_t i = 0; i < group->member_count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (address_equal(&group->members[i].address, &group->members[j].address))
                config_find(work, &group->replication.item, NULL, NULL,
                            "two members of group `%s` have the same address",
                            text_of(work, group->replication.item.name));
}

/* A name is a lease's, a metric's label and a folder's. */
static void check_name(struct config_work *work, const struct config_group *group)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    const char *name = text_of(work, group->replication.item.name);

    if (strlen(name) >= GROUP_NAME_MAX || name[strspn(name, allowed)] || name[0] == '.' ||
        name[0] == '-')
        config_find(work, &group->replication.item, NULL, NULL,
                    "a group's name is at most %d letters, digits, `-`, `_` and `.`, found `%s`",
                    GROUP_NAME_MAX - 1, name);
}

void config_settle_groups(struct config_work *work)
{
    const struct config *config = config_root(work);
    struct config_group *groups = config_items(work, config->groups, sizeof *groups);

    for (uint32_t i = 0; i < config->groups.count; i++) {
        groups[i].member_count = 0;
        check_name(work, &groups[i]);
        if (groups[i].replication.members.count)
            add_written(work, &groups[i]);
        else
            add_all(work, &groups[i]);
        check_counts(work, &groups[i]);
        check_addresses(work, &groups[i]);
    }
    if (config->groups.count && config->failover.lease_ms >= config->failover.groups.timeout_ms)
        config_find(work, &config->item, "failover.timeout", "longer than the lease",
                    "a failover would be given up before the old primary's lease has run out: "
                    "lease %lld ms, timeout %lld ms",
                    (long long)config->failover.lease_ms,
                    (long long)config->failover.groups.timeout_ms);
}
