/*
 * A document to try commands on, and commands with little writing.
 */
#pragma once

#include "base/rng.h"
#include "cluster/document.h"
#include "unit.h"

/* Members a, b (voters) and c (a witness): ids 1, 2, 3 and disks 101, 102, 103. */
static inline void story_charter(struct charter *charter)
{
    *charter = (struct charter){.cluster = 0xc1, .count = 3};
    for (uint32_t i = 0; i < 3; i++) {
        struct member *member = &charter->members[i];

        *member = (struct member){.id = i + 1,
                                  .role = i == 2 ? MEMBER_WITNESS : MEMBER_VOTER,
                                  .disk = 101 + i,
                                  .address_count = 1};
        member->name[0] = (char)('a' + i);
        member->addresses[0] =
            (struct address){.ip = {10, 0, 0, (uint8_t)(i + 1)}, .family = 4, .port = 7901};
    }
}

static inline void story_found(struct document *document)
{
    struct charter charter;

    story_charter(&charter);
    document_found(document, &charter);
}

/* Encodes, applies as the next entry, and checks that the whole document is well. */
static inline enum document_outcome story_apply(struct document *document,
                                                const struct document_command *command,
                                                struct document_reply *reply)
{
    uint8_t bytes[CLUSTER_COMMAND_MAX];
    struct buf out;
    enum document_outcome outcome;

    buf_over(&out, bytes, sizeof bytes);
    command_encode(&out, command);
    assert_false(out.full);
    outcome = document_apply(document, document->index + 1, buf_bytes(&out), reply);
    assert_null(document_fault(document));
    assert_int_equal(outcome == DOCUMENT_APPLIED, reply->sentence[0] == 0);
    return outcome;
}

static inline struct document_command story_start(const struct document *document, uint32_t member,
                                                  uint64_t incarnation, bool clean)
{
    struct document_command command = {.kind = COMMAND_MEMBER_INCARNATION, .clean = clean};
    const struct member *known = document_member(document, member);

    command.member.id = member;
    command.member.disk = known ? known->disk : 1;
    command.member.incarnation = incarnation;
    command.based_on = known ? known->version : 1;
    return command;
}

static inline struct document_command story_take(const char *name, struct life holder,
                                                 uint64_t based_on)
{
    struct document_command command = {.kind = COMMAND_LEASE_TAKE, .based_on = based_on};

    memcpy(command.lease.name, name, strlen(name));
    command.lease.holder = holder;
    return command;
}

/* ---- commands at random, with a fair chance to be based on what is there; each returns the version that would be right ---- */

static inline uint64_t story_any_member(const struct document *document,
                                        struct document_command *command, char letter,
                                        struct rng *rng)
{
    const struct member *known = &document->members[rng_below(rng, document->member_count)];
    struct member *member = &command->member;
    bool add = command->kind == COMMAND_MEMBER_ADD;

    member->id = add ? document->next_member : known->id;
    member->name[0] = letter;
    member->role = (uint8_t)(add ? MEMBER_LEARNER : rng_below(rng, MEMBER_ROLES));
    member->disk = add ? rng_next(rng) | 1 : known->disk;
    member->incarnation = known->incarnation + 1;
    member->address_count = 1;
    member->addresses[0] = (struct address){.family = 6, .port = 1};
    return add ? 0 : known->version;
}

static inline void story_any_body(const struct document *document, struct group_body *body,
                                  bool eligible, struct rng *rng)
{
    body->min_in_sync = 1;
    for (uint32_t i = 0; i < document->member_count; i++) {
        const struct member *member = &document->members[i];
        struct life life = {member->id, member->incarnation};

        if (member->role == MEMBER_WITNESS || member->incarnation == 0)
            continue;
        if (rng_chance(rng, 0.5)) {
            body->in_sync.lives[body->in_sync.count++] = life;
            if (rng_chance(rng, 0.7))
                body->primary = member->id;
        } else if (eligible && rng_chance(rng, 0.3)) {
            body->eligible.lives[body->eligible.count++] = life;
        }
    }
}

static inline uint64_t story_any_group(const struct document *document,
                                       struct document_command *command, char letter,
                                       struct rng *rng)
{
    const struct document_group *known;

    command->group.name[0] = letter;
    known = document_group(document, command->group.name);
    command->group.epoch = known ? known->epoch : 1;
    story_any_body(document, &command->group.body, known != NULL, rng);
    return known ? known->version : 0;
}

static inline uint64_t story_any_mark(const struct document *document,
                                      struct document_command *command, char letter)
{
    const struct document_marks *marks =
        command->kind <= COMMAND_DRAIN_CLEAR ? &document->drains : &document->maintenances;
    const struct document_mark *known;

    command->mark.name[0] = letter;
    command->mark.reason[0] = 'r';
    known = document_mark(marks, command->mark.name);
    return known ? known->version : 0;
}

static inline uint64_t story_any_lease(const struct document *document,
                                       struct document_command *command, char letter,
                                       struct rng *rng)
{
    const struct member *member = &document->members[rng_below(rng, document->member_count)];
    const struct document_lease *known;

    command->lease.name[0] = letter;
    command->lease.holder = (struct life){member->id, member->incarnation | !member->incarnation};
    known = document_lease(document, command->lease.name, NULL);
    if (known && command->kind != COMMAND_LEASE_TAKE)
        command->lease.holder = known->holder;
    command->proposer = command->lease.holder;
    return known ? known->version : 0;
}

static inline uint64_t story_any_override(const struct document *document,
                                          struct document_command *command, char letter)
{
    const struct document_override *known;

    command->override.key[0] = letter;
    command->override.value[0] = 'v';
    known = document_override(document, command->override.key);
    return known ? known->version : 0;
}

static inline struct document_command story_any(const struct document *document, struct rng *rng)
{
    static const uint16_t kinds[] = {
        COMMAND_MEMBER_ADD,         COMMAND_MEMBER_REMOVE,      COMMAND_MEMBER_ROLE,
        COMMAND_MEMBER_INCARNATION, COMMAND_MEMBER_INCARNATION, COMMAND_MEMBER_ADDRESSES,
        COMMAND_GROUP_CREATE,       COMMAND_GROUP_UPDATE,       COMMAND_GROUP_UPDATE,
        COMMAND_GROUP_UPDATE,       COMMAND_GROUP_DELETE,       COMMAND_DRAIN_SET,
        COMMAND_DRAIN_CLEAR,        COMMAND_MAINTENANCE_SET,    COMMAND_MAINTENANCE_CLEAR,
        COMMAND_LEASE_TAKE,         COMMAND_LEASE_TAKE,         COMMAND_LEASE_RELEASE,
        COMMAND_LEASE_EXPEL,        COMMAND_OVERRIDE_SET,       COMMAND_OVERRIDE_CLEAR,
        COMMAND_LEVEL_RAISE,
    };
    struct document_command command = {.kind = kinds[rng_below(rng, ARRAY_LEN(kinds))]};
    char letter = (char)('a' + rng_below(rng, 6));
    uint64_t version = document->level;

    command.number = rng_next(rng);
    command.clean = rng_chance(rng, 0.5);
    command.unclean = rng_chance(rng, 0.1);
    if (command.kind <= COMMAND_MEMBER_ADDRESSES)
        version = story_any_member(document, &command, letter, rng);
    else if (command.kind <= COMMAND_GROUP_DELETE)
        version = story_any_group(document, &command, letter, rng);
    else if (command.kind <= COMMAND_MAINTENANCE_CLEAR)
        version = story_any_mark(document, &command, letter);
    else if (command.kind <= COMMAND_LEASE_EXPEL)
        version = story_any_lease(document, &command, letter, rng);
    else if (command.kind <= COMMAND_OVERRIDE_CLEAR)
        version = story_any_override(document, &command, letter);
    else
        command.raise_to = 1;
    command.based_on = rng_chance(rng, 0.8) ? version : rng_below(rng, document->changes + 2);
    return command;
}
