/*
 * The rules of the document: whether a command may be applied to it as it is, and if not, why not.
 *
 * Looks only. What is right is decided by the document and the command alone, so every node says the same.
 */
#include "cluster/document_parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static enum document_outcome say(struct document_reply *reply, enum document_outcome outcome,
                                 const char *format, ...) PRINTF(3, 4);

static enum document_outcome say(struct document_reply *reply, enum document_outcome outcome,
                                 const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(reply->sentence, sizeof reply->sentence, format, arguments);
    va_end(arguments);
    return outcome;
}

/* Compare-and-set: `version` is what the object has, 0 when there is none. */
static enum document_outcome versus(struct document_reply *reply, const char *what,
                                    const char *name, uint64_t version)
{
    uint64_t based_on = reply->command.based_on;

    if (based_on == version)
        return DOCUMENT_APPLIED;
    if (version == 0)
        return say(reply, DOCUMENT_MISSING, "there is no %s '%s'", what, name);
    if (based_on == 0)
        return say(reply, DOCUMENT_EXISTS, "there is a %s '%s' already", what, name);
    return say(reply, DOCUMENT_STALE,
               "the %s '%s' has changed meanwhile: version %" PRIu64
               ", and this was based on %" PRIu64,
               what, name, version, based_on);
}

/* Of what must be there to be changed or deleted. */
static enum document_outcome present(struct document_reply *reply, const char *what,
                                     const char *name, uint64_t version)
{
    if (version == 0)
        return say(reply, DOCUMENT_MISSING, "there is no %s '%s'", what, name);
    return versus(reply, what, name, version);
}

/* ---- members ---- */

static enum document_outcome rule_add(const struct document *d, const struct document_command *c,
                                      struct document_reply *reply)
{
    const struct member *same = document_member_named(d, c->member.name);

    if (c->based_on != 0)
        return say(reply, DOCUMENT_INVALID, "a new member is based on nothing");
    if (same)
        return say(reply, DOCUMENT_EXISTS,
                   same->disk == c->member.disk
                       ? "'%s' is member %u already"
                       : "'%s' is member %u with another disk: remove that one first",
                   c->member.name, same->id);
    for (uint32_t i = 0; i < d->member_count; i++)
        if (d->members[i].disk == c->member.disk)
            return say(reply, DOCUMENT_EXISTS, "its disk is that of member '%s'",
                       d->members[i].name);
    if (d->member_count == CLUSTER_NODES_MAX)
        return say(reply, DOCUMENT_FULL, "there are %d members already", CLUSTER_NODES_MAX);
    if (c->member.role != MEMBER_LEARNER)
        return say(reply, DOCUMENT_INVALID, "a new member begins as a learner");
    if (c->member.address_count == 0)
        return say(reply, DOCUMENT_INVALID, "a member needs an address");
    if (c->member.id != d->next_member)
        return say(reply, DOCUMENT_STALE, "the next member is %u, not %u", d->next_member,
                   c->member.id);
    return DOCUMENT_APPLIED;
}

/* A member that the command names by id, at the version that it was based on. */
static enum document_outcome rule_member(const struct document *d, const struct document_command *c,
                                         struct document_reply *reply, const struct member **member)
{
    *member = document_member(d, c->member.id);
    if (!*member)
        return say(reply, DOCUMENT_MISSING, "there is no member %u", c->member.id);
    return present(reply, "member", (*member)->name, (*member)->version);
}

static const struct document_lease *held_by(const struct document *d, uint32_t member)
{
    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++)
        if (d->leases[slot].holder.member == member)
            return &d->leases[slot];
    return NULL;
}

static bool last_voter(const struct document *d, const struct member *member)
{
    return member_votes(member) && document_voters(d) == 1;
}

static enum document_outcome rule_remove(const struct document *d, const struct document_command *c,
                                         struct document_reply *reply)
{
    const struct member *member;
    enum document_outcome outcome = rule_member(d, c, reply, &member);
    const struct document_lease *lease;

    if (outcome != DOCUMENT_APPLIED)
        return outcome;
    lease = held_by(d, member->id);
    if (last_voter(d, member))
        return say(reply, DOCUMENT_INVALID, "'%s' is the last voter", member->name);
    if (lease)
        return say(reply, DOCUMENT_INVALID, "'%s' holds the lease of '%s': move that first",
                   member->name, lease->name);
    return DOCUMENT_APPLIED;
}

static bool in_a_group(const struct document *d, uint32_t member)
{
    for (uint32_t i = 0; i < d->group_count; i++)
        if (life_set_find(&d->groups[i].body.in_sync, member) >= 0 ||
            life_set_find(&d->groups[i].body.eligible, member) >= 0)
            return true;
    return false;
}

static enum document_outcome rule_role(const struct document *d, const struct document_command *c,
                                       struct document_reply *reply)
{
    const struct member *member;
    enum document_outcome outcome = rule_member(d, c, reply, &member);
    bool votes = c->member.role != MEMBER_LEARNER;

    if (outcome != DOCUMENT_APPLIED)
        return outcome;
    if (member->role == c->member.role)
        return say(reply, DOCUMENT_INVALID, "'%s' is a %s already", member->name,
                   member_role_name(member->role));
    if (!votes && last_voter(d, member))
        return say(reply, DOCUMENT_INVALID, "'%s' is the last voter", member->name);
    if (votes && !member_votes(member) && document_voters(d) == CLUSTER_VOTERS_MAX)
        return say(reply, DOCUMENT_FULL, "there are %d voters already", CLUSTER_VOTERS_MAX);
    if (c->member.role == MEMBER_WITNESS && in_a_group(d, member->id))
        return say(reply, DOCUMENT_INVALID, "'%s' holds a group's data, and a witness holds none",
                   member->name);
    return DOCUMENT_APPLIED;
}

static enum document_outcome rule_incarnation(const struct document *d,
                                              const struct document_command *c,
                                              struct document_reply *reply)
{
    const struct member *member;
    enum document_outcome outcome = rule_member(d, c, reply, &member);

    if (outcome != DOCUMENT_APPLIED)
        return outcome;
    if (member->disk != c->member.disk)
        return say(reply, DOCUMENT_INVALID,
                   "'%s' has another disk than before: it must be removed and added", member->name);
    if (c->member.incarnation <= member->incarnation)
        return say(reply, DOCUMENT_STALE, "'%s' has incarnation %" PRIu64 " already", member->name,
                   member->incarnation);
    return DOCUMENT_APPLIED;
}

static enum document_outcome rule_addresses(const struct document *d,
                                            const struct document_command *c,
                                            struct document_reply *reply)
{
    const struct member *member;
    enum document_outcome outcome = rule_member(d, c, reply, &member);

    if (outcome == DOCUMENT_APPLIED && c->member.address_count == 0)
        return say(reply, DOCUMENT_INVALID, "a member needs an address");
    return outcome;
}

/* ---- groups ---- */

/* Members exist, run as named, and hold data. */
static enum document_outcome rule_set(const struct document *d, const struct life_set *set,
                                      struct document_reply *reply)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct member *member = document_member(d, set->lives[i].member);

        if (!member)
            return say(reply, DOCUMENT_INVALID, "there is no member %u", set->lives[i].member);
        if (member->role == MEMBER_WITNESS)
            return say(reply, DOCUMENT_INVALID, "'%s' is a witness, which holds no data",
                       member->name);
        if (member->incarnation != set->lives[i].incarnation)
            return say(reply, DOCUMENT_STALE, "'%s' runs as incarnation %" PRIu64 ", not %" PRIu64,
                       member->name, member->incarnation, set->lives[i].incarnation);
    }
    return DOCUMENT_APPLIED;
}

static enum document_outcome rule_body(const struct document *d, const struct group_body *body,
                                       struct document_reply *reply)
{
    enum document_outcome outcome = rule_set(d, &body->in_sync, reply);

    if (outcome == DOCUMENT_APPLIED)
        outcome = rule_set(d, &body->eligible, reply);
    if (outcome != DOCUMENT_APPLIED)
        return outcome;
    if (body->primary && life_set_find(&body->in_sync, body->primary) < 0)
        return say(reply, DOCUMENT_INVALID, "the primary %u is not in the in-sync set",
                   body->primary);
    if (body->min_in_sync == 0 || body->min_in_sync > CLUSTER_NODES_MAX)
        return say(reply, DOCUMENT_INVALID, "min_in_sync is %u, from 1 to %d", body->min_in_sync,
                   CLUSTER_NODES_MAX);
    if (body->target && (!body->primary || body->target == body->primary ||
                         life_set_find(&body->in_sync, body->target) < 0))
        return say(reply, DOCUMENT_INVALID, "member %u cannot be the next primary", body->target);
    for (uint32_t i = 0; i < body->eligible.count; i++)
        if (life_set_find(&body->in_sync, body->eligible.lives[i].member) >= 0)
            return say(reply, DOCUMENT_INVALID, "member %u is both in sync and eligible",
                       body->eligible.lives[i].member);
    return DOCUMENT_APPLIED;
}

/* Has it what was acknowledged? In a later run of its agent by the word of that agent alone. */
static bool holds(const struct group_body *before, const struct document_command *c,
                  struct life life)
{
    if (life_set_has(&before->in_sync, life) || life_set_has(&before->eligible, life))
        return true;
    return c->kept && life_equal(life, c->proposer) &&
           (life_set_find(&before->in_sync, life.member) >= 0 ||
            life_set_find(&before->eligible, life.member) >= 0);
}

static const struct life *stranger(const struct group_body *before,
                                   const struct document_command *c, const struct life_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (!holds(before, c, set->lives[i]))
            return &set->lives[i];
    return NULL;
}

/*
 * Who was neither in sync nor eligible may lack acknowledged writes: it can join the in-sync set of a primary that goes on, which it was copied from,
 * and nothing else.
 */
static enum document_outcome rule_succession(const struct group_body *before,
                                             const struct document_command *c,
                                             struct document_reply *reply)
{
    const struct group_body *body = &c->group.body;
    bool same = body->primary && body->primary == before->primary;
    const struct life *new = stranger(before, c, &body->eligible);
    struct life primary = group_primary(body);

    if (c->unclean)
        return DOCUMENT_APPLIED;
    if (primary.member && !holds(before, c, primary))
        return say(reply, DOCUMENT_INVALID,
                   "member %u was neither in sync nor eligible: only an operator may choose it",
                   primary.member);
    if (!new && !same)
        new = stranger(before, c, &body->in_sync);
    if (new)
        return say(reply, DOCUMENT_INVALID, "member %u was neither in sync nor eligible",
                   new->member);
    return DOCUMENT_APPLIED;
}

static enum document_outcome rule_create(const struct document *d, const struct document_command *c,
                                         struct document_reply *reply)
{
    const struct document_group *group = document_group(d, c->group.name);
    enum document_outcome outcome =
        versus(reply, "group", c->group.name, group ? group->version : 0);

    if (outcome != DOCUMENT_APPLIED)
        return outcome;
    if (group)
        return say(reply, DOCUMENT_EXISTS, "there is a group '%s' already", c->group.name);
    if (d->group_count == CLUSTER_GROUPS_MAX || document_find_lease(d, "") == CLUSTER_LEASES_MAX)
        return say(reply, DOCUMENT_FULL, "there are %d groups or leases already",
                   CLUSTER_GROUPS_MAX);
    if (c->group.body.eligible.count > 0)
        return say(reply, DOCUMENT_INVALID, "nobody is eligible in a new group");
    return rule_body(d, &c->group.body, reply);
}

static enum document_outcome rule_group(const struct document *d, const struct document_command *c,
                                        struct document_reply *reply)
{
    const struct document_group *group = document_group(d, c->group.name);
    enum document_outcome outcome =
        present(reply, "group", c->group.name, group ? group->version : 0);

    if (!group || outcome != DOCUMENT_APPLIED)
        return outcome;
    if (group->epoch != c->group.epoch)
        return say(reply, DOCUMENT_STALE,
                   "the group '%s' is in epoch %" PRIu64 ", and this was based on %" PRIu64,
                   c->group.name, group->epoch, c->group.epoch);
    if (c->kind == COMMAND_GROUP_DELETE)
        return DOCUMENT_APPLIED;
    outcome = rule_body(d, &c->group.body, reply);
    return outcome == DOCUMENT_APPLIED ? rule_succession(&group->body, c, reply) : outcome;
}

/* ---- marks, leases, overrides, the level ---- */

static enum document_outcome rule_mark(const struct document_marks *marks, const char *what,
                                       bool clear, struct document_reply *reply)
{
    const char *name = reply->command.mark.name;
    const struct document_mark *mark = document_mark(marks, name);
    uint64_t version = mark ? mark->version : 0;
    enum document_outcome outcome =
        clear ? present(reply, what, name, version) : versus(reply, what, name, version);

    if (outcome == DOCUMENT_APPLIED && !mark && marks->count == CLUSTER_MARKS_MAX)
        return say(reply, DOCUMENT_FULL, "there are %d of them already", CLUSTER_MARKS_MAX);
    return outcome;
}

static enum document_outcome rule_take(const struct document *d, const struct document_command *c,
                                       const struct document_lease *lease,
                                       struct document_reply *reply)
{
    if (!lease && document_find_lease(d, "") == CLUSTER_LEASES_MAX)
        return say(reply, DOCUMENT_FULL, "there are %d leases already", CLUSTER_LEASES_MAX);
    if (!document_current(d, c->lease.holder))
        return say(reply, DOCUMENT_INVALID, "member %u does not run as incarnation %" PRIu64,
                   c->lease.holder.member, c->lease.holder.incarnation);
    if (lease && life_equal(lease->holder, c->lease.holder))
        return say(reply, DOCUMENT_INVALID, "member %u holds the lease of '%s' already",
                   lease->holder.member, lease->name);
    return DOCUMENT_APPLIED;
}

static enum document_outcome rule_lease(const struct document *d, const struct document_command *c,
                                        struct document_reply *reply)
{
    const struct document_lease *lease = document_lease(d, c->lease.name, NULL);
    uint64_t version = lease ? lease->version : 0;
    bool take = c->kind == COMMAND_LEASE_TAKE;
    enum document_outcome outcome = take ? versus(reply, "lease", c->lease.name, version)
                                         : present(reply, "lease", c->lease.name, version);

    if (strncmp(c->lease.name, GROUP_LEASE, strlen(GROUP_LEASE)) == 0)
        return say(reply, DOCUMENT_INVALID, "the lease of '%s' changes with its group only",
                   c->lease.name);
    if (outcome != DOCUMENT_APPLIED)
        return outcome;
    if (take || !lease)
        return rule_take(d, c, lease, reply);
    if (!life_equal(lease->holder, c->lease.holder))
        return say(reply, DOCUMENT_STALE, "the lease of '%s' is held by member %u now", lease->name,
                   lease->holder.member);
    if (c->kind == COMMAND_LEASE_RELEASE && c->proposer.member != lease->holder.member)
        return say(reply, DOCUMENT_INVALID, "only member %u itself can release '%s'",
                   lease->holder.member, lease->name);
    return DOCUMENT_APPLIED;
}

static enum document_outcome rule_override(const struct document *d,
                                           const struct document_command *c,
                                           struct document_reply *reply)
{
    const struct document_override *override = document_override(d, c->override.key);
    uint64_t version = override ? override->version : 0;
    bool clear = c->kind == COMMAND_OVERRIDE_CLEAR;
    enum document_outcome outcome = clear ? present(reply, "override", c->override.key, version)
                                          : versus(reply, "override", c->override.key, version);

    if (outcome == DOCUMENT_APPLIED && !override && d->override_count == CLUSTER_OVERRIDES_MAX)
        return say(reply, DOCUMENT_FULL, "there are %d overrides already", CLUSTER_OVERRIDES_MAX);
    return outcome;
}

static enum document_outcome rule_level(const struct document *d, const struct document_command *c,
                                        struct document_reply *reply)
{
    if (c->based_on != d->level)
        return say(reply, DOCUMENT_STALE, "the level is %u, and this was based on %" PRIu64,
                   d->level, c->based_on);
    if (c->raise_to <= d->level)
        return say(reply, DOCUMENT_INVALID, "the level is %u and never falls", d->level);
    if (c->raise_to > COMMAND_LEVEL)
        return say(reply, DOCUMENT_TOO_NEW,
                   "the document rises to level %u, and this version understands level %d: this "
                   "node must be upgraded before it can go on",
                   c->raise_to, COMMAND_LEVEL);
    return DOCUMENT_APPLIED;
}

static enum document_outcome rule_of_kind(const struct document *d,
                                          const struct document_command *c,
                                          struct document_reply *reply)
{
    switch ((enum command_kind)c->kind) {
    case COMMAND_MEMBER_ADD:
        return rule_add(d, c, reply);
    case COMMAND_MEMBER_REMOVE:
        return rule_remove(d, c, reply);
    case COMMAND_MEMBER_ROLE:
        return rule_role(d, c, reply);
    case COMMAND_MEMBER_INCARNATION:
        return rule_incarnation(d, c, reply);
    case COMMAND_MEMBER_ADDRESSES:
        return rule_addresses(d, c, reply);
    case COMMAND_GROUP_CREATE:
        return rule_create(d, c, reply);
    case COMMAND_GROUP_UPDATE:
    case COMMAND_GROUP_DELETE:
        return rule_group(d, c, reply);
    case COMMAND_DRAIN_SET:
    case COMMAND_DRAIN_CLEAR:
        return rule_mark(&d->drains, "drain", c->kind == COMMAND_DRAIN_CLEAR, reply);
    case COMMAND_MAINTENANCE_SET:
    case COMMAND_MAINTENANCE_CLEAR:
        return rule_mark(&d->maintenances, "maintenance", c->kind == COMMAND_MAINTENANCE_CLEAR,
                         reply);
    case COMMAND_LEASE_TAKE:
    case COMMAND_LEASE_RELEASE:
    case COMMAND_LEASE_EXPEL:
        return rule_lease(d, c, reply);
    case COMMAND_OVERRIDE_SET:
    case COMMAND_OVERRIDE_CLEAR:
        return rule_override(d, c, reply);
    case COMMAND_LEVEL_RAISE:
        return rule_level(d, c, reply);
    case COMMAND_NOTHING:
        break;
    }
    return say(reply, DOCUMENT_INVALID, "there is no command %u", c->kind);
}

enum document_outcome document_rule(const struct document *document,
                                    const struct document_command *command,
                                    struct document_reply *reply)
{
    if (command->level > document->level)
        return say(reply, DOCUMENT_TOO_NEW,
                   "'%s' needs level %u of the document, which is at %u: raise it when every node "
                   "has been upgraded",
                   command_name(command->kind), command->level, document->level);
    return rule_of_kind(document, command, reply);
}
