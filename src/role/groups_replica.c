/*
 * This node's member of a group: what happened goes into its core, what the core says is carried out.
 */
#include "role/groups_parts.h"

#include "base/must.h"
#include "cluster/command.h"

#include <stdio.h>
#include <string.h>

void replica_open(struct group *group)
{
    replica_init(&group->replica, &group->config.replica);
    group->seen = false;
    group->seen_version = 0;
    group->life = (struct life){0};
    group->lease_until = (struct instant){0};
}

/* ---- proposals ---- */

static enum proposal_outcome outcome_of(const struct cluster_answer *answer)
{
    switch (answer->outcome) {
    case CLUSTER_DONE:
        return PROPOSAL_DONE;
    case CLUSTER_REFUSED:
        return PROPOSAL_REFUSED;
    case CLUSTER_NO_QUORUM:
    case CLUSTER_UNKNOWN:
    case CLUSTER_OUTCOMES:
        break;
    }
    return PROPOSAL_UNKNOWN;
}

static void on_proposed(void *context, const struct cluster_answer *answer)
{
    struct proposal_out *out = context;
    struct group *group = out->group;

    out->busy = false;
    if (!group_called(group))
        return;
    replica_look(group);
    replica_event(group,
                  &(struct replica_event){.kind = REPLICA_PROPOSED, .outcome = outcome_of(answer)});
    groups_stir(group->owner);
}

static void propose(struct group *group, const struct replica_action *action)
{
    struct document_command command = {.kind = COMMAND_GROUP_UPDATE,
                                       .based_on = action->version,
                                       .kept = action->kept,
                                       .yields = action->yields};
    struct cluster_ask ask = {.kind = CLUSTER_COMMAND,
                              .command = &command,
                              .timeout_ms = group->config.failover.timeout_ms};

    must(!group->own.busy);
    snprintf(command.group.name, sizeof command.group.name, "%s", group->name);
    command.group.epoch = action->epoch;
    command.group.body = action->body;
    group->own.busy = true;
    group_calls(group);
    cluster_ask(group->owner->options.cluster, &ask, on_proposed, &group->own);
}

/* ---- facts ---- */

/* The member that joined or left; else the group. */
static const char *about_whom(const struct group *group, const struct replica_action *action)
{
    const char *name = group_member_name(group, action->about);

    return name[0] ? name : group->name;
}

static void tell(struct group *group, const struct replica_action *action)
{
    static const enum fact_code codes_of[] = {
        [REPLICA_ENGINE_DIED] = FACT_ENGINE_DIED,
        [REPLICA_ENGINE_STUCK] = FACT_ENGINE_STUCK,
        [REPLICA_ENGINE_BACK] = FACT_ENGINE_BACK,
        [REPLICA_ENGINE_GIVEN_UP] = FACT_ENGINE_GIVEN_UP,
        [REPLICA_FENCED] = FACT_PRIMARY_FENCED,
        [REPLICA_DIVERGED] = FACT_MEMBER_DIVERGED,
        [REPLICA_COPIED] = FACT_MEMBER_COPIED,
        [REPLICA_DEGRADED] = FACT_GROUP_DEGRADED,
        [REPLICA_HEALED] = FACT_GROUP_HEALED,
        [REPLICA_JOINED_IN_SYNC] = FACT_MEMBER_IN_SYNC,
        [REPLICA_LEFT_IN_SYNC] = FACT_MEMBER_OUT_OF_SYNC,
    };
    static const char *const words[] = {
        [REPLICA_ENGINE_DIED] = "its process ended",
        [REPLICA_ENGINE_STUCK] = "it does not answer",
        [REPLICA_ENGINE_BACK] = "it answers again",
        [REPLICA_ENGINE_GIVEN_UP] = "it is not started again for now",
        [REPLICA_FENCED] = "it is kept from writing",
        [REPLICA_DIVERGED] = "its data went another way",
        [REPLICA_COPIED] = "it was copied anew",
        [REPLICA_DEGRADED] = "writes are acknowledged by fewer than asked for",
        [REPLICA_HEALED] = "writes are acknowledged by as many as asked for again",
        [REPLICA_JOINED_IN_SYNC] = "is in sync",
        [REPLICA_LEFT_IN_SYNC] = "is not in sync any more",
    };
    const struct groups *groups = group->owner;
    struct fact fact;

    must((size_t)action->fact < ARRAY_LEN(codes_of));
    fact_init(&fact, codes_of[action->fact], SUBJECT_GROUP, group->name);
    fact.epoch = action->epoch;
    if (action->about)
        fact_add(&fact, NUMBER_MEMBER, action->about);
    fact_say(&fact, "%s on %s: %s%s%s", about_whom(group, action), groups->node,
             words[action->fact], action->sentence[0] ? ": " : "", action->sentence);
    groups->options.events->fact(groups->options.context, &fact);
}

/* ---- carrying out ---- */

static void carry_out(struct group *group, const struct replica_action *action)
{
    const struct groups_options *options = &group->owner->options;
    const struct groups_events *events = options->events;
    uint32_t slot = group_slot(group);

    switch (action->kind) {
    case REPLICA_ASK:
        events->ask(options->context, slot, &action->order);
        return;
    case REPLICA_CANCEL:
        events->cancel(options->context, slot);
        return;
    case REPLICA_START:
    case REPLICA_KILL:
        events->process(options->context, slot, action->kind == REPLICA_START);
        return;
    case REPLICA_FENCE:
        events->fence(options->context, slot, action->until);
        return;
    case REPLICA_PROBE:
    case REPLICA_VERIFY:
        events->probe(options->context, slot, action->kind == REPLICA_VERIFY, action->epoch);
        return;
    case REPLICA_PROPOSE:
        propose(group, action);
        return;
    case REPLICA_REPORT:
        group->report_due = true;
        groups_stir(group->owner);
        return;
    case REPLICA_TELL:
        tell(group, action);
        return;
    }
    never("an action that replica.h does not know");
}

void replica_event(struct group *group, const struct replica_event *event)
{
    struct replica_actions actions = {0};

    if (group->self == GROUP_MEMBERS_MAX)
        return;
    replica_step(&group->replica, event, groups_now(group->owner), &actions);
    for (uint32_t i = 0; i < actions.count; i++)
        carry_out(group, &actions.actions[i]);
}

void replica_tell_members(const struct group *group)
{
    const struct groups_options *options = &group->owner->options;
    uint32_t ids[GROUP_MEMBERS_MAX] = {0};

    for (uint32_t i = 0; i < group->config.count; i++)
        ids[i] = group_life(group, i).member;
    options->events->members(options->context, group_slot(group), ids);
}

/* Who stands in one of the document's sets and left the file is waited for like one that does not keep up: then it leaves the set. */
static void collect_named(const struct group *group, const struct life_set *set,
                          struct life_set *lives)
{
    const struct document *document = cluster_document(group->owner->options.cluster);

    for (uint32_t i = 0; i < set->count; i++) {
        const struct member *member = document_member(document, set->lives[i].member);

        if (member && member->incarnation &&
            (lives->count < GROUP_MEMBERS_MAX || life_set_find(lives, member->id) >= 0))
            life_set_put(lives, (struct life){member->id, member->incarnation});
    }
}

/* The runs that the document knows of those who hold the group's data. */
static void collect_lives(const struct group *group, struct life_set *lives)
{
    const struct document_group *found = group_document(group);
    const struct group_body *open = replica_open_body(&group->replica);

    *lives = (struct life_set){0};
    for (uint32_t i = 0; i < group->config.count; i++) {
        struct life life = group_life(group, i);

        if (life.member)
            life_set_put(lives, life);
    }
    if (!found)
        return;
    collect_named(group, &found->body.in_sync, lives);
    collect_named(group, &found->body.eligible, lives);
    if (open)
        collect_named(group, &open->in_sync, lives);
}

/*
 * An agent that has just begun reads the document from its beginning, and the document learns of this run last. Until then it speaks of others and of the run
 * before, whose primacy is not this one's to act on: its engine writes on under the fence.
 */
static bool knows_this_run(const struct group *group)
{
    struct life life = group_life(group, group->self);

    return group->seen ||
           (life.member && life.incarnation == groups_cluster(group->owner)->incarnation);
}

void replica_look(struct group *group)
{
    const struct document_group *found = group_document(group);
    uint64_t version = found ? found->version : 0;
    struct life_set lives;

    if (group->self == GROUP_MEMBERS_MAX || !cluster_document(group->owner->options.cluster) ||
        !knows_this_run(group))
        return;
    collect_lives(group, &lives);
    if (group->seen && version == group->seen_version && life_set_equal(&lives, &group->lives))
        return;
    group->seen = true;
    group->seen_version = version;
    group->lives = lives;
    group->life = group_life(group, group->self);
    replica_tell_members(group);
    replica_event(group, &(struct replica_event){.kind = REPLICA_DOCUMENT,
                                                 .epoch = found ? found->epoch : 0,
                                                 .version = version,
                                                 .body = found ? &found->body : NULL,
                                                 .lives = &group->lives,
                                                 .life = group->life});
    groups_stir(group->owner);
}

void replica_make_report(struct group *group, struct group_report *report)
{
    const struct groups_options *options = &group->owner->options;

    replica_report(&group->replica, report);
    report->life = group->life;
    options->events->clients(options->context, group_slot(group), &report->held, &report->expired);
}

/* ---- what came of it ---- */

void groups_answered(struct groups *groups, uint32_t slot, const struct engine_answer *answer)
{
    struct group *group = groups_find_slot(groups, slot);

    if (!group)
        return;
    replica_look(group);
    replica_event(group, &(struct replica_event){.kind = REPLICA_ANSWERED, .answer = answer});
    groups_stir(groups);
}

void groups_process(struct groups *groups, uint32_t slot, bool running, const char *how)
{
    struct group *group = groups_find_slot(groups, slot);

    if (!group)
        return;
    replica_event(group, &(struct replica_event){
                             .kind = REPLICA_PROCESS, .running = running, .sentence = how});
    groups_stir(groups);
}

void groups_probed(struct groups *groups, uint32_t slot, bool answered)
{
    struct group *group = groups_find_slot(groups, slot);

    if (!group)
        return;
    replica_event(group, &(struct replica_event){.kind = REPLICA_PROBED, .answered = answered});
    groups_stir(groups);
}
