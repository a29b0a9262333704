#include "role/groups_parts.h"

#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is out ---- */

void groups_calls(struct groups *groups)
{
    groups->calls++;
}

bool groups_called(struct groups *groups)
{
    must(groups->calls > 0);
    groups->calls--;
    if (!groups->closed)
        return true;
    if (groups->calls == 0)
        free(groups);
    return false;
}

void group_calls(struct group *group)
{
    group->calls++;
    groups_calls(group->owner);
}

bool group_called(struct group *group)
{
    bool listed = group->listed;

    must(group->calls > 0);
    group->calls--;
    if (!groups_called(group->owner))
        must(!listed);
    if (!listed && group->calls == 0)
        free(group);
    return listed;
}

/* ---- who is who ---- */

struct group *groups_find_slot(const struct groups *groups, uint32_t slot)
{
    for (uint32_t i = 0; i < groups->count; i++)
        if (group_slot(groups->groups[i]) == slot)
            return groups->groups[i];
    return NULL;
}

struct group *groups_find(const struct groups *groups, const char *name)
{
    for (uint32_t i = 0; i < groups->count; i++)
        if (strcmp(groups->groups[i]->name, name) == 0)
            return groups->groups[i];
    return NULL;
}

static const struct document *document_of(const struct groups *groups)
{
    return cluster_document(groups->options.cluster);
}

const struct document_group *group_document(const struct group *group)
{
    const struct document *document = document_of(group->owner);

    return document ? document_group(document, group->name) : NULL;
}

const struct cluster_view *groups_cluster(struct groups *groups)
{
    if (!groups->view)
        groups->view = cluster_view(groups->options.cluster);
    return groups->view;
}

const struct cluster_member_view *groups_node(struct groups *groups, const char *name)
{
    const struct cluster_view *view = groups_cluster(groups);

    for (uint32_t i = 0; i < view->member_count; i++)
        if (strcmp(view->members[i].name, name) == 0)
            return &view->members[i];
    return NULL;
}

const char *group_member_name(const struct group *group, uint32_t member)
{
    const struct document *document = document_of(group->owner);
    const struct member *found = document && member ? document_member(document, member) : NULL;

    return found ? found->name : "";
}

struct life group_life(const struct group *group, uint32_t place)
{
    const struct document *document = document_of(group->owner);
    const struct member *member =
        document ? document_member_named(document, group->names[place]) : NULL;

    if (!member || member->incarnation == 0)
        return (struct life){0};
    return (struct life){.member = member->id, .incarnation = member->incarnation};
}

uint32_t group_place(const struct group *group, uint32_t member)
{
    const char *name = group_member_name(group, member);

    for (uint32_t i = 0; name[0] && i < group->config.count; i++)
        if (strcmp(group->names[i], name) == 0)
            return i;
    return GROUP_MEMBERS_MAX;
}

/* `failover.pause` and `failover.pause/NAME` of the overrides: `forever`, or until a wall clock's millisecond. */
static bool pause_says(const struct groups *groups, const struct document *document,
                       const char *key)
{
    const struct document_override *override = document_override(document, key);
    char *end;
    uint64_t until_ms;

    if (!override)
        return false;
    until_ms = strtoull(override->value, &end, 10);
    if (end == override->value)
        return true;
    return (uint64_t)(loop_read_clock(groups->options.loop, LOOP_WALL).ns / NS_PER_MS) < until_ms;
}

bool groups_paused(const struct group *group)
{
    const struct document *document = document_of(group->owner);
    char key[CLUSTER_KEY_MAX];

    if (!document)
        return false;
    if (pause_says(group->owner, document, "failover.pause"))
        return true;
    return snprintf(key, sizeof key, "failover.pause/%s", group->name) < (int)sizeof key &&
           pause_says(group->owner, document, key);
}

/* ---- what workers see ---- */

/* What the leader said is of now: it says it each heartbeat. */
static bool fresh(const struct group *group)
{
    return group->told_at.ns != 0 &&
           !passed(after_ms(group->told_at, 10 * group->owner->options.heartbeat_ms),
                   groups_now(group->owner));
}

static void place_of(const struct group *group, struct groups_place *place)
{
    const struct document_group *found = group_document(group);
    const struct document *document = document_of(group->owner);

    *place = (struct groups_place){.phase = GROUP_UNKNOWN};
    for (uint32_t i = 0; i < GROUP_MEMBERS_MAX; i++)
        place->lag_ms[i] =
            i < group->config.count && fresh(group) ? group->told.members[i].lag_ms : UINT64_MAX;
    if (!found)
        return;
    place->phase = group_phase_of(&found->body);
    place->epoch = found->epoch;
    if (found->body.primary) {
        uint32_t at = group_place(group, found->body.primary);

        place->primary = at < GROUP_MEMBERS_MAX ? at + 1 : 0;
    }
    place->here = place->primary && place->primary == group->self + 1;
    (void)document_lease(document, group->lease_name, &place->lease);
    /* Its engine is known to be gone before the document can say so. */
    if (place->here && replica_state_of(&group->replica) != REPLICA_SERVING &&
        place->phase == GROUP_SERVING)
        place->phase = GROUP_PROMOTING;
}

static bool place_equal(const struct groups_place *a, const struct groups_place *b)
{
    for (uint32_t i = 0; i < GROUP_MEMBERS_MAX; i++)
        if (a->lag_ms[i] != b->lag_ms[i])
            return false;
    return a->phase == b->phase && a->epoch == b->epoch && a->primary == b->primary &&
           a->here == b->here && a->lease == b->lease;
}

static void publish(struct group *group)
{
    struct groups *groups = group->owner;
    struct groups_place place;

    place_of(group, &place);
    if (group->was_published && place_equal(&place, &group->published))
        return;
    group->published = place;
    group->was_published = true;
    groups->options.events->publish(groups->options.context, group_slot(group), &place);
}

/* ---- turning ---- */

static void arm(struct groups *groups)
{
    struct instant next = NEVER, now = groups_now(groups);
    struct loop *loop = groups->options.loop;
    int64_t wait;

    for (uint32_t i = 0; i < groups->count; i++) {
        const struct group *group = groups->groups[i];

        if (group->self < GROUP_MEMBERS_MAX)
            next = earlier(next, replica_next_deadline(&group->replica));
        if (group->leading)
            next = earlier(next, failover_next_deadline(&group->failover));
    }
    if (next.ns == NEVER.ns) {
        timer_cancel(loop, &groups->timer);
        return;
    }
    wait = ns_between(now, next);
    timer_arm(loop, &groups->timer, after_ns(loop_now(loop), wait > 0 ? wait : 0));
}

void groups_stir(struct groups *groups)
{
    timer_arm(groups->options.loop, &groups->timer, loop_now(groups->options.loop));
}

static void follow_leader(struct groups *groups)
{
    const struct cluster_view *view = groups_cluster(groups);
    bool another = strcmp(groups->leader, view->leader) != 0;

    if (!another)
        return;
    snprintf(groups->leader, sizeof groups->leader, "%s", view->leader);
    for (uint32_t i = 0; i < groups->count; i++)
        groups->groups[i]->report_due = true;
}

static void work(struct groups *groups)
{
    struct instant now = groups_now(groups);

    groups->view = NULL;
    follow_leader(groups);
    for (uint32_t i = 0; i < groups->count; i++) {
        struct group *group = groups->groups[i];

        if (group->self < GROUP_MEMBERS_MAX) {
            replica_look(group);
            if (passed(replica_next_deadline(&group->replica), now))
                replica_event(group, &(struct replica_event){.kind = REPLICA_TICK});
        } else {
            cluster_let_go(groups->options.cluster, group->lease_name);
        }
        leader_look(group);
        publish(group);
        if (group->report_due)
            report_send(group);
    }
    arm(groups);
}

static void on_timer(struct timer *timer)
{
    work(container_of(timer, struct groups, timer));
}

static void on_beat(struct timer *timer)
{
    struct groups *groups = container_of(timer, struct groups, beat);
    struct loop *loop = groups->options.loop;

    for (uint32_t i = 0; i < groups->count; i++)
        groups->groups[i]->report_due = true;
    timer_arm(loop, timer, after_ms(loop_now(loop), groups->options.heartbeat_ms));
    work(groups);
}

void groups_look(struct groups *groups)
{
    groups_stir(groups);
}

void groups_lease(struct groups *groups, const char *resource, struct instant until)
{
    for (uint32_t i = 0; i < groups->count; i++) {
        struct group *group = groups->groups[i];
        const struct document_group *found;

        if (group->self == GROUP_MEMBERS_MAX || strcmp(group->lease_name, resource) != 0)
            continue;
        group->lease_until = until;
        /* The document first: a lease is of its epoch. */
        replica_look(group);
        found = group_document(group);
        replica_event(group, &(struct replica_event){.kind = REPLICA_LEASE,
                                                     .epoch = found ? found->epoch : 0,
                                                     .until = until});
        groups_stir(groups);
        return;
    }
}

/* ---- the file ---- */

static bool same_members(const struct group *group, const struct groups_group *config)
{
    for (uint32_t i = 0; i < config->count; i++)
        if (strcmp(group->names[i], config->members[i].name) != 0)
            return false;
    return group->config.count == config->count;
}

static void settle(struct group *group, const struct groups_group *config)
{
    /* What is known by place is of others then. */
    if (!same_members(group, config)) {
        memset(group->heard, 0, sizeof group->heard);
        group->told = (struct groups_view){0};
        group->told_at = (struct instant){0};
    }
    group->config = *config;
    snprintf(group->name, sizeof group->name, "%s", config->name);
    snprintf(group->lease_name, sizeof group->lease_name, "group/%s", config->name);
    group->config.name = group->name;
    group->self = GROUP_MEMBERS_MAX;
    for (uint32_t i = 0; i < config->count; i++) {
        snprintf(group->names[i], sizeof group->names[i], "%s", config->members[i].name);
        group->config.members[i].name = group->names[i];
        if (strcmp(group->names[i], group->owner->node) == 0)
            group->self = i;
    }
}

static struct group *group_new(struct groups *groups)
{
    struct group *group = calloc(1, sizeof *group);

    must(group);
    must(groups->count < GROUPS_MAX_OPEN);
    group->owner = groups;
    group->listed = group->report_due = true;
    group->own.group = group->led.group = group->plan.group = group;
    groups->groups[groups->count++] = group;
    return group;
}

static void drop(struct groups *groups, uint32_t place)
{
    struct group *group = groups->groups[place];

    groups->groups[place] = groups->groups[--groups->count];
    group->listed = false;
    if (group->calls == 0)
        free(group);
}

static bool wanted(const struct groups_group *list, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            return true;
    return false;
}

static void configure_one(struct groups *groups, const struct groups_group *config)
{
    struct group *group = groups_find(groups, config->name);
    uint32_t before = group ? group->self : GROUP_MEMBERS_MAX;

    if (!group)
        group = group_new(groups);
    settle(group, config);
    if (group->self < GROUP_MEMBERS_MAX && before == GROUP_MEMBERS_MAX) {
        replica_open(group);
        if (groups->leaving)
            replica_event(group, &(struct replica_event){.kind = REPLICA_LEAVE});
    } else if (group->self < GROUP_MEMBERS_MAX) {
        replica_configure(&group->replica, &config->replica);
        replica_tell_members(group); /* they may have other addresses */
    }
    failover_configure(&group->failover, &config->failover);
}

void groups_configure(struct groups *groups, const struct groups_group *list, uint32_t count)
{
    must(count <= GROUPS_MAX_OPEN);
    for (uint32_t i = groups->count; i-- > 0;)
        if (!wanted(list, count, groups->groups[i]->name))
            drop(groups, i);
    for (uint32_t i = 0; i < count; i++)
        configure_one(groups, &list[i]);
    groups_stir(groups);
}

/* ---- life ---- */

bool groups_open(struct groups **opened, const struct groups_options *options, struct err *err)
{
    struct groups *groups = calloc(1, sizeof *groups);

    if (!groups)
        return err_system(err, "memory for groups");
    groups->options = *options;
    snprintf(groups->node, sizeof groups->node, "%s", options->node);
    groups->options.node = groups->node;
    timer_init(&groups->timer, on_timer);
    timer_init(&groups->beat, on_beat);
    timer_arm(options->loop, &groups->beat,
              after_ms(loop_now(options->loop), options->heartbeat_ms));
    *opened = groups;
    return true;
}

void groups_close(struct groups *groups)
{
    if (!groups)
        return;
    timer_cancel(groups->options.loop, &groups->timer);
    timer_cancel(groups->options.loop, &groups->beat);
    /* Held, so that what is called from inside does not end it. */
    groups_calls(groups);
    groups->closed = true;
    orders_close(groups);
    while (groups->count)
        drop(groups, groups->count - 1);
    (void)!groups_called(groups);
}

void groups_leave(struct groups *groups)
{
    groups->leaving = true;
    for (uint32_t i = 0; i < groups->count; i++)
        if (groups->groups[i]->self < GROUP_MEMBERS_MAX)
            replica_event(groups->groups[i], &(struct replica_event){.kind = REPLICA_LEAVE});
    groups_stir(groups);
}

bool groups_left(const struct groups *groups)
{
    for (uint32_t i = 0; i < groups->count; i++)
        if (groups->groups[i]->self < GROUP_MEMBERS_MAX &&
            !replica_left(&groups->groups[i]->replica))
            return false;
    return true;
}

/* ---- for people ---- */

void groups_view(const struct groups *groups, uint32_t slot, struct groups_view *view)
{
    const struct group *group = groups_find_slot(groups, slot);
    const struct document_group *found = group ? group_document(group) : NULL;
    struct groups_place place;

    *view = (struct groups_view){.expected_ms = -1, .loss_bytes = UINT64_MAX};
    if (!group)
        return;
    if (fresh(group))
        *view = group->told;
    place_of(group, &place);
    view->phase = (enum group_phase)place.phase;
    view->exists = found != NULL;
    if (found) {
        view->epoch = found->epoch;
        view->version = found->version;
        view->body = found->body;
    }
    view->paused = groups_paused(group);
    view->own = group->self < GROUP_MEMBERS_MAX;
    if (view->own) {
        struct group_report report;

        replica_report(&group->replica, &report);
        view->state = replica_state_of(&group->replica);
        memcpy(view->sentence, report.sentence, sizeof view->sentence);
    }
    for (uint32_t i = 0; i < group->config.count; i++)
        view->ids[i] = group_life(group, i).member;
}
