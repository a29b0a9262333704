/*
 * Every node tells the leader, each heartbeat and whenever somebody waits for it, how its member is; the leader answers with what it knows of all.
 */
#include "role/groups_parts.h"

#include <string.h>

/* The leader's own member, and what it would tell others. */
static void hear_myself(struct group *group)
{
    struct group_report report;

    if (group->self < GROUP_MEMBERS_MAX && group->life.member) {
        replica_make_report(group, &report);
        leader_hear(group, group->self, &report);
    }
    leader_view(group, &group->told);
    group->told_at = groups_now(group->owner);
}

static void on_told(void *context, const char *sentence, struct bytes bytes)
{
    struct group *group = context;
    struct groups *groups = group->owner;
    struct unpack in = unpack_of(bytes);
    struct groups_view told;

    group->reporting = false;
    groups->reports--;
    /* One may wait for a place among those that are out. */
    if (!groups->closed)
        groups_stir(groups);
    if (!group_called(group) || sentence)
        return;
    if (message_read_outlook(&in, group, &told)) {
        group->told = told;
        group->told_at = groups_now(groups);
    }
}

void report_send(struct group *group)
{
    struct groups *groups = group->owner;
    struct group_report report;
    bool own = group->self < GROUP_MEMBERS_MAX && group->life.member;
    struct buf out;

    if (group->leading) {
        group->report_due = false;
        hear_myself(group);
        return;
    }
    if (group->reporting || groups->reports == GROUPS_REPORTS_MAX || !groups->leader[0] ||
        strcmp(groups->leader, groups->node) == 0)
        return;
    group->report_due = false;
    buf_over(&out, groups->storage, sizeof groups->storage);
    pack_u8(&out, GROUPS_MARK);
    if (own)
        replica_make_report(group, &report);
    message_report(&out, group, own ? &report : NULL);
    group->reporting = true;
    groups->reports++;
    group_calls(group);
    cluster_request(groups->options.cluster, groups->leader, buf_bytes(&out),
                    5 * groups->options.heartbeat_ms, on_told, group);
}

/* A node speaks for its own member, of the run that the document knows, and for no other. */
static uint32_t place_of(const struct group *group, const char *node, struct life life)
{
    for (uint32_t i = 0; life.member && i < group->config.count; i++)
        if (strcmp(group->names[i], node) == 0 && life_equal(group_life(group, i), life))
            return i;
    return GROUP_MEMBERS_MAX;
}

void report_requested(struct groups *groups, const char *node, uint64_t ticket, struct unpack *in)
{
    struct bytes text = unpack_bytes8(in);
    char name[GROUP_NAME_MAX];
    struct group_report report;
    struct group *group;
    struct buf out;
    uint32_t place;

    buf_over(&out, groups->storage, sizeof groups->storage);
    if (in->bad || text.len >= sizeof name) {
        cluster_answer(groups->options.cluster, ticket, (struct bytes){0});
        return;
    }
    bytes_to_string(text, name, sizeof name);
    group = groups_find(groups, name);
    if (group && unpack_u8(in) == 1 && group_report_decode(in, &report) && unpack_ended(in)) {
        place = place_of(group, node, report.life);
        if (group->leading && place < GROUP_MEMBERS_MAX)
            leader_hear(group, place, &report);
    }
    if (group && group->leading)
        message_outlook(&out, group, &group->told);
    cluster_answer(groups->options.cluster, ticket, buf_bytes(&out));
}
