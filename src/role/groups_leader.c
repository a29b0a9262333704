/*
 * The leader's side of a group: what its core is shown, and what it says, carried out. On other nodes it does nothing.
 */
#include "role/groups_parts.h"

#include "base/must.h"
#include "cluster/command.h"

#include <stdio.h>
#include <string.h>

/* ---- what the members say ---- */

static void keep_sample(struct group *group, const struct group_report *report)
{
    const struct document_group *found = group_document(group);

    if (!found || report->role != ENGINE_PRIMARY || report->life.member != found->body.primary)
        return;
    group->samples[group->sample_next++ % GROUPS_SAMPLES] =
        (struct sample){.at = groups_now(group->owner), .position = report->position};
}

/* How long ago the primary was where this member is now. */
static uint64_t lag_of(const struct group *group, const struct group_report *report)
{
    struct instant now = groups_now(group->owner), newest = {0};

    if (report->role == ENGINE_PRIMARY)
        return 0;
    if (!report->linked || report->loading)
        return UINT64_MAX;
    for (uint32_t i = 0; i < GROUPS_SAMPLES; i++) {
        const struct sample *sample = &group->samples[i];

        if (sample->at.ns > newest.ns && position_compare(sample->position, report->position) <= 0)
            newest = sample->at;
    }
    if (newest.ns == 0)
        return UINT64_MAX;
    return (uint64_t)(ns_between(newest, now) / NS_PER_MS);
}

/* What is no older than this is of now: a report, and what a member has. */
static int64_t now_ms(const struct group *group)
{
    return 10 * group->owner->options.heartbeat_ms;
}

void leader_hear(struct group *group, uint32_t place, const struct group_report *report)
{
    struct heard *heard = &group->heard[place];

    must(place < GROUP_MEMBERS_MAX);
    /* A run that the document has left behind has nothing to say. */
    if (heard->known && report->life.member == heard->report.life.member &&
        report->life.incarnation < heard->report.life.incarnation)
        return;
    *heard = (struct heard){.known = true, .at = groups_now(group->owner), .report = *report};
    keep_sample(group, report);
    groups_stir(group->owner);
}

/* ---- what the core is shown ---- */

static bool in_maintenance(const struct group *group, const char *node)
{
    const struct document *document = cluster_document(group->owner->options.cluster);
    char name[CLUSTER_RESOURCE_MAX];

    snprintf(name, sizeof name, "node/%s", node);
    return document_mark(&document->maintenances, name) || document_mark(&document->drains, name);
}

static uint32_t zone_of(const struct group *group, uint32_t place,
                        const struct cluster_member_view *node)
{
    for (uint32_t i = 0; i < place; i++) {
        const struct cluster_member_view *other = groups_node(group->owner, group->names[i]);

        if (other && strcmp(other->zone, node->zone) == 0)
            return i + 1;
    }
    return place + 1;
}

static void show_member(const struct group *group, uint32_t place, struct failover_member *member)
{
    const struct cluster_member_view *node = groups_node(group->owner, group->names[place]);
    const struct heard *heard = &group->heard[place];

    *member = (struct failover_member){.life = group_life(group, place),
                                       .priority = group->config.members[place].priority};
    memcpy(member->name, group->names[place], sizeof member->name);
    if (!node)
        return;
    member->health = (uint8_t)(place == group->self ? FAILOVER_ALIVE : (int)node->health);
    member->zone = zone_of(group, place, node);
    member->maintenance = in_maintenance(group, group->names[place]);
    if (!heard->known || !life_equal(heard->report.life, member->life))
        return;
    member->heard = true;
    member->heard_at = heard->at;
    member->report = heard->report;
    member->current = lag_of(group, &heard->report) <= (uint64_t)now_ms(group);
}

static void show(const struct group *group, struct failover_view *view)
{
    const struct cluster_view *cluster = groups_cluster(group->owner);
    const struct document_group *found = group_document(group);

    *view = (struct failover_view){.wanted = group->config.wanted,
                                   .count = group->config.count,
                                   .paused = groups_paused(group)};
    view->able = cluster->state == CLUSTER_MEMBER && cluster->established && cluster->quorum &&
                 !cluster->tilted;
    if (found) {
        view->exists = true;
        view->epoch = found->epoch;
        view->version = found->version;
        view->body = found->body;
    }
    for (uint32_t i = 0; i < view->count; i++)
        show_member(group, i, &view->members[i]);
}

/* ---- what it says ---- */

static void on_proposed(void *context, const struct cluster_answer *answer)
{
    struct proposal_out *out = context;
    struct group *group = out->group;

    out->busy = false;
    if (!group_called(group) || !group->leading)
        return;
    failover_proposed(&group->failover, answer->outcome == CLUSTER_DONE, groups_now(group->owner));
    groups_stir(group->owner);
}

static void propose(struct group *group, const struct failover_action *action)
{
    struct document_command command = {.kind = (uint16_t)(action->kind == FAILOVER_CREATE
                                                              ? COMMAND_GROUP_CREATE
                                                              : COMMAND_GROUP_UPDATE),
                                       .based_on = action->version,
                                       .unclean = action->unclean};
    struct cluster_ask ask = {.kind = CLUSTER_COMMAND,
                              .command = &command,
                              .timeout_ms = group->config.failover.timeout_ms};

    snprintf(command.group.name, sizeof command.group.name, "%s", group->name);
    command.group.epoch = action->epoch;
    command.group.body = action->body;
    group->led.busy = true;
    group_calls(group);
    cluster_ask(group->owner->options.cluster, &ask, on_proposed, &group->led);
}

static void tell(struct group *group, const struct failover_action *action)
{
    const struct groups_options *options = &group->owner->options;
    struct fact fact;

    failover_fact(action, group->name, &fact);
    options->events->fact(options->context, &fact);
}

static void answer(const struct group *group, uint64_t number, bool done, const char *sentence)
{
    if (number == 0)
        plan_answered(group, done, sentence);
    else
        orders_answer(group->owner, number, done, sentence);
}

static void carry_out(struct group *group, const struct failover_action *action)
{
    switch (action->kind) {
    case FAILOVER_CREATE:
    case FAILOVER_UPDATE:
        propose(group, action);
        return;
    case FAILOVER_RECORD:
    case FAILOVER_TELL:
        tell(group, action);
        return;
    case FAILOVER_ANSWER:
        answer(group, action->number, action->done, action->sentence);
        return;
    }
    never("an action that failover.h does not know");
}

void leader_step(struct group *group)
{
    struct failover_actions actions = {0};
    struct failover_view view;

    show(group, &view);
    failover_step(&group->failover, &view, groups_now(group->owner), &actions);
    for (uint32_t i = 0; i < actions.count; i++)
        carry_out(group, &actions.actions[i]);
}

void leader_look(struct group *group)
{
    const struct cluster_view *cluster = groups_cluster(group->owner);
    bool leads = cluster->role == CLUSTER_LEADER && cluster->established;

    if (!leads) {
        /* Shown that it must not act, the core answers who waits. */
        if (group->leading)
            leader_step(group);
        group->leading = false;
        return;
    }
    /* An ask of an earlier time as the leader would be taken for one of this. */
    if (!group->leading && group->led.busy)
        return;
    if (!group->leading) {
        failover_init(&group->failover, &group->config.failover);
        memset(group->heard, 0, sizeof group->heard);
        group->leading = true;
        group->report_due = true;
    }
    plan_look(group);
    leader_step(group);
}

/* ---- for people ---- */

void leader_order(struct group *group, const struct groups_order *order, uint64_t number)
{
    struct failover_order out = {.number = number,
                                 .kind = order->kind == GROUPS_FAILOVER ? ORDER_FAILOVER
                                                                        : ORDER_SWITCHOVER,
                                 .to = UINT32_MAX,
                                 .accept_loss = order->accept_loss};
    char sentence[GROUPS_TEXT_MAX];

    for (uint32_t i = 0; order->to[0] && i < group->config.count; i++)
        if (strcmp(group->names[i], order->to) == 0)
            out.to = i;
    if (order->to[0] && out.to == UINT32_MAX) {
        snprintf(sentence, sizeof sentence, "'%.60s' holds no data of the group '%.60s'", order->to,
                 group->name);
        answer(group, number, false, sentence);
        return;
    }
    failover_ordered(&group->failover, &out, groups_now(group->owner));
    groups_stir(group->owner);
}

void leader_view(const struct group *group, struct groups_view *view)
{
    static struct failover_outlook outlook;
    static struct failover_view shown;

    show(group, &shown);
    failover_outlook(&group->failover, &shown, groups_now(group->owner), &outlook);
    view->outlook = true;
    view->failover = (uint8_t)failover_phase_of(&group->failover);
    view->winner = outlook.winner == UINT32_MAX ? 0 : outlook.winner + 1;
    view->loss_bytes = outlook.loss_bytes;
    view->expected_ms = outlook.expected_ms;
    memcpy(view->why_nobody, outlook.why_nobody, sizeof view->why_nobody);
    for (uint32_t i = 0; i < group->config.count; i++) {
        struct groups_member_view *member = &view->members[i];

        member->heard =
            shown.members[i].heard &&
            !passed(after_ms(shown.members[i].heard_at, now_ms(group)), groups_now(group->owner));
        member->report = shown.members[i].report;
        member->lag_ms = member->heard ? lag_of(group, &member->report) : UINT64_MAX;
        member->eligible = outlook.candidates[i].eligible;
        memcpy(member->why_not, outlook.candidates[i].why, sizeof member->why_not);
    }
}
