#include "document_story.h"

#include <stdio.h>

static struct document doc;
static struct document_reply reply;

static int begin(void **state)
{
    (void)state;
    story_found(&doc);
    return 0;
}

/* Agents of members 1 and 2 start, as incarnation 1 each. */
static void start_both(void)
{
    for (uint32_t member = 1; member <= 2; member++) {
        struct document_command start = story_start(&doc, member, 1, false);

        assert_int_equal(story_apply(&doc, &start, &reply), DOCUMENT_APPLIED);
    }
}

static enum document_outcome take(const char *name, struct life holder, uint64_t based_on)
{
    struct document_command command = story_take(name, holder, based_on);

    return story_apply(&doc, &command, &reply);
}

static enum document_outcome give_back(uint16_t kind, const char *name, struct life holder,
                                       uint64_t based_on)
{
    struct document_command command = story_take(name, holder, based_on);

    command.kind = kind;
    command.proposer = holder;
    return story_apply(&doc, &command, &reply);
}

/* ---- members ---- */

static void a_founded_document_has_the_charter_and_nothing_else(void **state)
{
    (void)state;
    assert_null(document_fault(&doc));
    assert_int_equal(doc.index, 1);
    assert_int_equal(doc.member_count, 3);
    assert_int_equal(doc.next_member, 4);
    assert_int_equal(document_voters(&doc), 3);
    assert_int_equal(document_member_named(&doc, "c")->role, MEMBER_WITNESS);
    assert_null(document_member(&doc, 4));
}

static void an_id_is_never_given_twice(void **state)
{
    struct document_command add = {.kind = COMMAND_MEMBER_ADD};
    struct document_command drop = {.kind = COMMAND_MEMBER_REMOVE};

    (void)state;
    add.member = (struct member){.id = 4, .name = "d", .disk = 104, .address_count = 1};
    add.member.addresses[0].family = 4;
    assert_int_equal(story_apply(&doc, &add, &reply), DOCUMENT_APPLIED);
    drop.member.id = 4;
    drop.based_on = reply.version;
    assert_int_equal(story_apply(&doc, &drop, &reply), DOCUMENT_APPLIED);
    assert_int_equal(story_apply(&doc, &add, &reply), DOCUMENT_STALE);
    assert_string_equal(reply.sentence, "the next member is 5, not 4");
    add.member.id = 5;
    assert_int_equal(story_apply(&doc, &add, &reply), DOCUMENT_APPLIED);
}

static void a_node_that_lost_its_disk_is_told_to_be_removed_first(void **state)
{
    struct document_command add = {.kind = COMMAND_MEMBER_ADD};

    (void)state;
    add.member = (struct member){.id = 4, .name = "b", .disk = 999, .address_count = 1};
    add.member.addresses[0].family = 4;
    assert_int_equal(story_apply(&doc, &add, &reply), DOCUMENT_EXISTS);
    assert_string_equal(reply.sentence, "'b' is member 2 with another disk: remove that one first");
}

static void the_last_voter_stays(void **state)
{
    struct document_command command = {.kind = COMMAND_MEMBER_REMOVE};

    (void)state;
    for (uint32_t member = 3; member >= 2; member--) {
        command.member.id = member;
        command.based_on = document_member(&doc, member)->version;
        assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_APPLIED);
    }
    command.member.id = 1;
    command.based_on = document_member(&doc, 1)->version;
    assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_INVALID);
    assert_string_equal(reply.sentence, "'a' is the last voter");
    command.kind = COMMAND_MEMBER_ROLE;
    assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_INVALID);
}

static void an_incarnation_only_grows_and_needs_the_same_disk(void **state)
{
    struct document_command start = story_start(&doc, 1, 5, false);

    (void)state;
    assert_int_equal(story_apply(&doc, &start, &reply), DOCUMENT_APPLIED);
    assert_int_equal(story_apply(&doc, &start, &reply), DOCUMENT_STALE);
    start.based_on = reply.version = document_member(&doc, 1)->version;
    assert_int_equal(story_apply(&doc, &start, &reply), DOCUMENT_STALE);
    start.member.incarnation = 6;
    start.member.disk = 7;
    assert_int_equal(story_apply(&doc, &start, &reply), DOCUMENT_INVALID);
    assert_true(document_current(&doc, (struct life){1, 5}));
    assert_false(document_current(&doc, (struct life){1, 4}));
    assert_false(document_current(&doc, (struct life){2, 0}));
}

/* ---- leases ---- */

static void a_lease_changes_hands_by_compare_and_set(void **state)
{
    const struct document_lease *lease;
    uint64_t first;

    (void)state;
    start_both();
    assert_int_equal(take("ip/1", (struct life){1, 1}, 0), DOCUMENT_APPLIED);
    first = reply.version;
    assert_int_equal(reply.epoch, 1);
    assert_int_equal(take("ip/1", (struct life){2, 1}, 0), DOCUMENT_EXISTS);
    assert_string_equal(reply.sentence, "there is a lease 'ip/1' already");
    assert_int_equal(take("ip/1", (struct life){2, 1}, first), DOCUMENT_APPLIED);
    assert_int_equal(reply.epoch, 2);
    assert_int_equal(take("ip/1", (struct life){1, 1}, first), DOCUMENT_STALE);
    lease = document_lease(&doc, "ip/1", NULL);
    assert_true(life_equal(lease->holder, (struct life){2, 1}));
}

static void only_a_current_run_takes_a_lease(void **state)
{
    (void)state;
    assert_int_equal(take("x", (struct life){1, 1}, 0), DOCUMENT_INVALID);
    start_both();
    assert_int_equal(take("x", (struct life){1, 2}, 0), DOCUMENT_INVALID);
    assert_int_equal(take("x", (struct life){9, 1}, 0), DOCUMENT_INVALID);
    assert_int_equal(take("x", (struct life){1, 1}, 0), DOCUMENT_APPLIED);
}

static void versions_and_epochs_are_not_used_again_by_a_later_lease_of_that_name(void **state)
{
    uint64_t first;

    (void)state;
    start_both();
    assert_int_equal(take("x", (struct life){1, 1}, 0), DOCUMENT_APPLIED);
    first = reply.version;
    assert_int_equal(give_back(COMMAND_LEASE_RELEASE, "x", (struct life){1, 1}, first),
                     DOCUMENT_APPLIED);
    assert_int_equal(reply.version, 0);
    assert_int_equal(take("x", (struct life){1, 1}, 0), DOCUMENT_APPLIED);
    assert_true(reply.version > first);
    assert_int_equal(reply.epoch, 2);
    assert_int_equal(give_back(COMMAND_LEASE_EXPEL, "x", (struct life){1, 1}, first),
                     DOCUMENT_STALE);
}

static void who_holds_a_lease_is_not_removed(void **state)
{
    struct document_command command = {.kind = COMMAND_MEMBER_REMOVE};

    (void)state;
    start_both();
    assert_int_equal(take("x", (struct life){2, 1}, 0), DOCUMENT_APPLIED);
    command.member.id = 2;
    command.based_on = document_member(&doc, 2)->version;
    assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_INVALID);
    assert_string_equal(reply.sentence, "'b' holds the lease of 'x': move that first");
}

static void a_command_says_whose_lease_it_would_take(void **state)
{
    struct document_command command;
    struct document_loss loss;

    (void)state;
    start_both();
    command = story_take("x", (struct life){1, 1}, 0);
    assert_false(document_takes_away(&doc, &command, &loss));
    assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_APPLIED);
    assert_false(document_takes_away(&doc, &command, &loss));
    command = story_take("x", (struct life){2, 1}, reply.version);
    assert_true(document_takes_away(&doc, &command, &loss));
    assert_int_equal(loss.slot, 0);
    assert_int_equal(loss.epoch, 1);
    assert_false(loss.voluntary);
    assert_true(life_equal(loss.from, (struct life){1, 1}));
    command.kind = COMMAND_LEASE_RELEASE;
    command.proposer = (struct life){1, 1};
    assert_true(document_takes_away(&doc, &command, &loss));
    assert_true(loss.voluntary);
}

/* ---- groups ---- */

static struct document_command group_of(uint16_t kind, uint32_t primary, uint32_t in_sync,
                                        uint32_t eligible)
{
    const struct document_group *group = document_group(&doc, "g");
    struct document_command command = {.kind = kind};

    command.group.name[0] = 'g';
    command.group.body.primary = primary;
    command.group.body.min_in_sync = 1;
    command.group.epoch = group ? group->epoch : 1;
    command.based_on = group ? group->version : 0;
    for (uint32_t id = 1; id <= 3; id++) {
        const struct member *member = document_member(&doc, id);
        struct life life = {id, member && member->incarnation ? member->incarnation : 1};
        struct group_body *body = &command.group.body;

        if (in_sync & 1u << id)
            body->in_sync.lives[body->in_sync.count++] = life;
        if (eligible & 1u << id)
            body->eligible.lives[body->eligible.count++] = life;
    }
    return command;
}

enum { A = 1u << 1, B = 1u << 2, C = 1u << 3 };

static enum document_outcome group(uint16_t kind, uint32_t primary, uint32_t in_sync,
                                   uint32_t eligible)
{
    struct document_command command = group_of(kind, primary, in_sync, eligible);

    return story_apply(&doc, &command, &reply);
}

static void a_group_has_its_lease_and_an_epoch_that_grows_with_its_primary(void **state)
{
    uint64_t epoch;

    (void)state;
    start_both();
    assert_int_equal(group(COMMAND_GROUP_CREATE, 1, A | B, 0), DOCUMENT_APPLIED);
    epoch = reply.epoch;
    assert_true(life_equal(document_lease(&doc, "group/g", NULL)->holder, (struct life){1, 1}));
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 1, A, 0), DOCUMENT_APPLIED);
    assert_int_equal(reply.epoch, epoch);
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 0, A, 0), DOCUMENT_APPLIED);
    assert_true(reply.epoch > epoch);
    assert_int_equal(document_lease(&doc, "group/g", NULL)->holder.member, 0);
    assert_int_equal(take("group/h", (struct life){1, 1}, 0), DOCUMENT_INVALID);
}

static void a_primary_comes_from_those_that_hold_everything(void **state)
{
    struct document_command command;

    (void)state;
    start_both();
    assert_int_equal(group(COMMAND_GROUP_CREATE, 1, A, 0), DOCUMENT_APPLIED);
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 2, A, 0), DOCUMENT_INVALID);
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 2, A | B, 0), DOCUMENT_INVALID);
    assert_string_equal(
        reply.sentence,
        "member 2 was neither in sync nor eligible: only an operator may choose it");
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 1, A, B), DOCUMENT_INVALID);
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 1, A | B, A), DOCUMENT_INVALID);
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 1, A | B, 0), DOCUMENT_APPLIED);
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 2, B, A), DOCUMENT_APPLIED);
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 1, A, 0), DOCUMENT_APPLIED);
    command = group_of(COMMAND_GROUP_UPDATE, 2, B, 0);
    command.unclean = true;
    assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_APPLIED);
}

static void a_delayed_update_does_not_bring_back_a_node_that_came_back_empty(void **state)
{
    struct document_command delayed, start;

    (void)state;
    start_both();
    assert_int_equal(group(COMMAND_GROUP_CREATE, 1, A | B, 0), DOCUMENT_APPLIED);
    delayed = group_of(COMMAND_GROUP_UPDATE, 1, A | B, 0);
    start = story_start(&doc, 2, 2, false);
    assert_int_equal(story_apply(&doc, &start, &reply), DOCUMENT_APPLIED);
    assert_int_equal(document_group(&doc, "g")->body.in_sync.count, 1);
    assert_int_equal(story_apply(&doc, &delayed, &reply), DOCUMENT_STALE);
    delayed.based_on = document_group(&doc, "g")->version;
    assert_int_equal(story_apply(&doc, &delayed, &reply), DOCUMENT_STALE);
    assert_string_equal(reply.sentence, "'b' runs as incarnation 2, not 1");
}

static void a_clean_restart_keeps_its_place_and_a_primary_is_left_to_the_group(void **state)
{
    struct document_command start;

    (void)state;
    start_both();
    assert_int_equal(group(COMMAND_GROUP_CREATE, 1, A | B, 0), DOCUMENT_APPLIED);
    start = story_start(&doc, 2, 2, true);
    assert_int_equal(story_apply(&doc, &start, &reply), DOCUMENT_APPLIED);
    assert_int_equal(document_group(&doc, "g")->body.in_sync.lives[1].incarnation, 2);
    start = story_start(&doc, 1, 2, false);
    assert_int_equal(story_apply(&doc, &start, &reply), DOCUMENT_APPLIED);
    assert_true(life_equal(document_lease(&doc, "group/g", NULL)->holder, (struct life){1, 1}));
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 2, B, 0), DOCUMENT_APPLIED);
}

/* It may have had what the primary acknowledged with it alone. */
static void under_semi_sync_an_unclean_restart_degrades_and_a_second_leaves_nobody(void **state)
{
    struct document_command command, start;
    const struct group_body *body;

    (void)state;
    start_both();
    command = group_of(COMMAND_GROUP_CREATE, 1, A | B, 0);
    command.group.body.mode = GROUP_SEMI_SYNC;
    command.group.body.acks = 1;
    assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_APPLIED);
    body = &document_group(&doc, "g")->body;
    command.kind = COMMAND_GROUP_UPDATE;
    command.group.body.primary = 0;
    command.group.epoch = document_group(&doc, "g")->epoch;
    command.based_on = document_group(&doc, "g")->version;
    assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_APPLIED);
    assert_false(body->degraded);
    start = story_start(&doc, 2, 2, false);
    assert_int_equal(story_apply(&doc, &start, &reply), DOCUMENT_APPLIED);
    assert_true(body->degraded);
    assert_int_equal(body->in_sync.count, 1);
    start = story_start(&doc, 1, 2, false);
    assert_int_equal(story_apply(&doc, &start, &reply), DOCUMENT_APPLIED);
    assert_int_equal(body->in_sync.count, 0);
}

static void a_body_is_read_as_it_was_written(void **state)
{
    struct document_command command;
    const struct group_body *body;

    (void)state;
    start_both();
    command = group_of(COMMAND_GROUP_CREATE, 1, A | B, 0);
    command.group.body.serving = command.group.body.unclean = true;
    command.group.body.target = 2;
    assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_APPLIED);
    body = &document_group(&doc, "g")->body;
    assert_true(body->serving);
    assert_true(body->unclean);
    assert_false(body->degraded);
    assert_int_equal(body->target, 2);
}

static void a_target_is_another_member_in_sync(void **state)
{
    struct document_command command;

    (void)state;
    start_both();
    for (uint32_t target = 1; target <= 3; target++) {
        command = group_of(COMMAND_GROUP_CREATE, 1, A, 0);
        command.group.body.target = target;
        assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_INVALID);
    }
    assert_string_equal(reply.sentence, "member 3 cannot be the next primary");
    command = group_of(COMMAND_GROUP_CREATE, 0, A | B, 0);
    command.group.body.target = 2;
    assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_INVALID);
}

static void a_target_that_begins_again_unclean_is_none_any_more(void **state)
{
    struct document_command command, start;

    (void)state;
    start_both();
    command = group_of(COMMAND_GROUP_CREATE, 1, A | B, 0);
    command.group.body.target = 2;
    assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_APPLIED);
    start = story_start(&doc, 2, 2, true);
    assert_int_equal(story_apply(&doc, &start, &reply), DOCUMENT_APPLIED);
    assert_int_equal(document_group(&doc, "g")->body.target, 2);
    start = story_start(&doc, 2, 3, false);
    assert_int_equal(story_apply(&doc, &start, &reply), DOCUMENT_APPLIED);
    assert_int_equal(document_group(&doc, "g")->body.target, 0);
}

static void nobody_joins_a_group_without_a_primary(void **state)
{
    (void)state;
    start_both();
    assert_int_equal(group(COMMAND_GROUP_CREATE, 1, A, 0), DOCUMENT_APPLIED);
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 0, A, 0), DOCUMENT_APPLIED);
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 0, A | B, 0), DOCUMENT_INVALID);
    assert_string_equal(reply.sentence, "member 2 was neither in sync nor eligible");
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 1, A | B, 0), DOCUMENT_INVALID);
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 1, A, 0), DOCUMENT_APPLIED);
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 1, A | B, 0), DOCUMENT_APPLIED);
}

/* The agent of member 1, the primary, began again. */
static void a_later_run_keeps_what_it_had_by_its_own_word_alone(void **state)
{
    struct document_command start, command;
    uint64_t epoch;

    (void)state;
    start_both();
    assert_int_equal(group(COMMAND_GROUP_CREATE, 1, A | B, 0), DOCUMENT_APPLIED);
    epoch = reply.epoch;
    start = story_start(&doc, 1, 2, false);
    assert_int_equal(story_apply(&doc, &start, &reply), DOCUMENT_APPLIED);
    command = group_of(COMMAND_GROUP_UPDATE, 1, A | B, 0);
    assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_INVALID);
    command.kept = true;
    command.proposer = (struct life){2, 1};
    assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_INVALID);
    command.proposer = (struct life){1, 2};
    assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_APPLIED);
    assert_true(reply.epoch > epoch);
    assert_true(life_equal(document_lease(&doc, "group/g", NULL)->holder, (struct life){1, 2}));
}

static void who_was_in_no_set_keeps_nothing(void **state)
{
    struct document_command command;

    (void)state;
    start_both();
    assert_int_equal(group(COMMAND_GROUP_CREATE, 1, A, 0), DOCUMENT_APPLIED);
    assert_int_equal(group(COMMAND_GROUP_UPDATE, 0, A, 0), DOCUMENT_APPLIED);
    command = group_of(COMMAND_GROUP_UPDATE, 0, A | B, 0);
    command.kept = true;
    command.proposer = (struct life){2, 1};
    assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_INVALID);
}

/* Whose node leads consensus asks for the primary's end as others do: its engine may still take writes. */
static void only_who_says_so_gives_its_group_up(void **state)
{
    struct document_command command;
    struct document_loss loss;

    (void)state;
    start_both();
    assert_int_equal(group(COMMAND_GROUP_CREATE, 1, A | B, 0), DOCUMENT_APPLIED);
    command = group_of(COMMAND_GROUP_UPDATE, 0, A | B, 0);
    command.proposer = (struct life){1, 1};
    assert_true(document_takes_away(&doc, &command, &loss));
    assert_false(loss.voluntary);
    command.yields = true;
    assert_true(document_takes_away(&doc, &command, &loss));
    assert_true(loss.voluntary);
    command.proposer.incarnation = 2;
    assert_true(document_takes_away(&doc, &command, &loss));
    assert_true(loss.voluntary);
    command.proposer.incarnation = 0;
    assert_true(document_takes_away(&doc, &command, &loss));
    assert_false(loss.voluntary);
    command.proposer = (struct life){2, 1};
    assert_true(document_takes_away(&doc, &command, &loss));
    assert_false(loss.voluntary);
    command = group_of(COMMAND_GROUP_UPDATE, 1, A, 0);
    assert_false(document_takes_away(&doc, &command, &loss));
}

static void a_witness_holds_no_data(void **state)
{
    struct document_command start = story_start(&doc, 3, 1, false);

    (void)state;
    start_both();
    assert_int_equal(story_apply(&doc, &start, &reply), DOCUMENT_APPLIED);
    assert_int_equal(group(COMMAND_GROUP_CREATE, 1, A | C, 0), DOCUMENT_INVALID);
    assert_string_equal(reply.sentence, "'c' is a witness, which holds no data");
}

/* ---- limits, levels, the log ---- */

static void tables_that_are_full_say_so(void **state)
{
    struct document_command command = {.kind = COMMAND_OVERRIDE_SET};

    (void)state;
    for (int i = 0; i <= CLUSTER_OVERRIDES_MAX; i++) {
        (void)snprintf(command.override.key, sizeof command.override.key, "key %d", i);
        assert_int_equal(story_apply(&doc, &command, &reply),
                         i < CLUSTER_OVERRIDES_MAX ? DOCUMENT_APPLIED : DOCUMENT_FULL);
    }
    assert_string_equal(reply.sentence, "there are 256 overrides already");
    start_both();
    for (int i = 0; i <= CLUSTER_LEASES_MAX; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "x%d", i);
        assert_int_equal(take(name, (struct life){1, 1}, 0),
                         i < CLUSTER_LEASES_MAX ? DOCUMENT_APPLIED : DOCUMENT_FULL);
    }
}

static void an_unknown_command_in_the_log_halts_and_changes_nothing(void **state)
{
    struct document_command command = {.kind = COMMAND_OVERRIDE_CLEAR};
    uint8_t bytes[CLUSTER_COMMAND_MAX];
    struct document before = doc;
    struct buf out;

    (void)state;
    command.override.key[0] = 'k';
    buf_over(&out, bytes, sizeof bytes);
    command_encode(&out, &command);
    bytes[2] = COMMAND_LEVEL + 1;
    assert_int_equal(document_apply(&doc, 2, buf_bytes(&out), &reply), DOCUMENT_HALT);
    assert_memory_equal(&doc, &before, sizeof doc);
    bytes[2] = COMMAND_LEVEL;
    bytes[0] = 200;
    assert_int_equal(document_apply(&doc, 2, buf_bytes(&out), &reply), DOCUMENT_HALT);
    assert_non_null(strstr(reply.sentence, "must be upgraded"));
    assert_memory_equal(&doc, &before, sizeof doc);
}

static void what_is_too_new_is_refused_as_a_proposal(void **state)
{
    struct document_command command = {.kind = COMMAND_LEVEL_RAISE, .based_on = 1};

    (void)state;
    command.raise_to = COMMAND_LEVEL + 1;
    assert_int_equal(document_would(&doc, &command, &reply), DOCUMENT_TOO_NEW);
    assert_int_equal(story_apply(&doc, &command, &reply), DOCUMENT_HALT);
    command.raise_to = 1;
    assert_int_equal(document_would(&doc, &command, &reply), DOCUMENT_INVALID);
}

static void a_snapshot_of_a_higher_level_is_refused_as_one_of_a_newer_version(void **state)
{
    static struct document read;
    struct err err;
    struct buf out;

    (void)state;
    buf_init(&out, CLUSTER_SNAPSHOT_MAX);
    document_encode(&doc, &out);
    assert_true(document_decode(buf_bytes(&out), &read, &err));
    buf_clear(&out);
    doc.level = COMMAND_LEVEL + 1;
    document_encode(&doc, &out);
    assert_false(document_decode(buf_bytes(&out), &read, &err));
    assert_int_equal(err.kind, ERR_VERSION);
    assert_non_null(strstr(err.text, "at level 2, and this version understands level 1"));
    assert_non_null(strstr(err.text, "must be upgraded before it can go on"));
    buf_fini(&out);
}

static void a_malformed_command_counts_and_does_nothing(void **state)
{
    uint64_t hash = doc.hash;

    (void)state;
    assert_int_equal(document_apply(&doc, 2, BYTES("\1"), &reply), DOCUMENT_INVALID);
    assert_int_equal(doc.index, 2);
    assert_int_equal(doc.changes, 1);
    assert_true(doc.hash != hash);
}

static void the_trail_remembers_the_hash_of_recent_entries(void **state)
{
    uint64_t first = doc.hash, hash;

    (void)state;
    assert_int_equal(document_apply(&doc, 2, BYTES("x"), &reply), DOCUMENT_INVALID);
    document_pass(&doc, 3);
    assert_true(document_hash_at(&doc, 1, &hash));
    assert_int_equal(hash, first);
    assert_true(document_hash_at(&doc, 3, &hash));
    assert_int_equal(hash, doc.hash);
    assert_false(document_hash_at(&doc, 4, &hash));
    for (uint64_t index = 4; index < 4 + DOCUMENT_TRAIL; index++)
        document_pass(&doc, index);
    assert_false(document_hash_at(&doc, 3, &hash));
    assert_false(document_hash_at(&doc, 0, &hash));
}

/* ---- random histories ---- */

static uint8_t snapshot[CLUSTER_SNAPSHOT_MAX], again[CLUSTER_SNAPSHOT_MAX];

static struct bytes encode(const struct document *document, uint8_t *into)
{
    struct buf out;

    buf_over(&out, into, CLUSTER_SNAPSHOT_MAX);
    document_encode(document, &out);
    assert_false(out.full);
    return buf_bytes(&out);
}

static void histories_give_equal_documents_however_they_are_cut_by_snapshots(void **state)
{
    static struct document whole, cut;
    uint32_t outcomes[DOCUMENT_OUTCOMES] = {0};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 4);
    for (int history = 0; history < 40; history++) {
        story_found(&whole);
        story_found(&cut);
        for (int i = 0; i < 300; i++) {
            struct document_command command = story_any(&whole, &rng);
            struct document_reply other;
            struct err err;

            outcomes[story_apply(&whole, &command, &reply)]++;
            (void)story_apply(&cut, &command, &other);
            assert_memory_equal(&reply, &other, sizeof reply);
            if (rng_chance(&rng, 0.05))
                assert_true(document_decode(encode(&cut, snapshot), &cut, &err));
        }
        assert_int_equal(whole.hash, cut.hash);
        assert_true(bytes_equal(encode(&whole, snapshot), encode(&cut, again)));
    }
    for (int i = DOCUMENT_APPLIED; i <= DOCUMENT_INVALID; i++)
        assert_true(outcomes[i] > 100);
}

static void what_would_be_said_is_what_is_said(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 5);
    for (int i = 0; i < 3000; i++) {
        struct document_command command = story_any(&doc, &rng);
        enum document_outcome would = document_would(&doc, &command, &reply);

        assert_int_equal(story_apply(&doc, &command, &reply), would);
    }
}

static void epochs_only_grow_and_leases_lost_are_foretold(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 6);
    for (int i = 0; i < 5000; i++) {
        static struct document before;
        struct document_command command = story_any(&doc, &rng);
        struct document_loss loss = {.slot = CLUSTER_LEASES_MAX};
        bool lost = document_takes_away(&doc, &command, &loss);

        before = doc;
        lost = story_apply(&doc, &command, &reply) == DOCUMENT_APPLIED && lost;
        assert_true(doc.epochs >= before.epochs);
        for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++) {
            const struct document_lease *was = &before.leases[slot], *is = &doc.leases[slot];
            bool other = was->holder.member != 0 && !life_equal(was->holder, is->holder);

            assert_int_equal(other, lost && slot == loss.slot);
            assert_true(is->epoch == was->epoch || is->epoch == 0 || is->epoch > before.epochs);
            assert_true(is->epoch != was->epoch || life_equal(is->holder, was->holder));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_founded_document_has_the_charter_and_nothing_else, begin),
        cmocka_unit_test_setup(an_id_is_never_given_twice, begin),
        cmocka_unit_test_setup(a_node_that_lost_its_disk_is_told_to_be_removed_first, begin),
        cmocka_unit_test_setup(the_last_voter_stays, begin),
        cmocka_unit_test_setup(an_incarnation_only_grows_and_needs_the_same_disk, begin),
        cmocka_unit_test_setup(a_lease_changes_hands_by_compare_and_set, begin),
        cmocka_unit_test_setup(only_a_current_run_takes_a_lease, begin),
        cmocka_unit_test_setup(versions_and_epochs_are_not_used_again_by_a_later_lease_of_that_name,
                               begin),
        cmocka_unit_test_setup(who_holds_a_lease_is_not_removed, begin),
        cmocka_unit_test_setup(a_command_says_whose_lease_it_would_take, begin),
        cmocka_unit_test_setup(a_group_has_its_lease_and_an_epoch_that_grows_with_its_primary,
                               begin),
        cmocka_unit_test_setup(a_primary_comes_from_those_that_hold_everything, begin),
        cmocka_unit_test_setup(a_delayed_update_does_not_bring_back_a_node_that_came_back_empty,
                               begin),
        cmocka_unit_test_setup(a_clean_restart_keeps_its_place_and_a_primary_is_left_to_the_group,
                               begin),
        cmocka_unit_test_setup(
            under_semi_sync_an_unclean_restart_degrades_and_a_second_leaves_nobody, begin),
        cmocka_unit_test_setup(a_body_is_read_as_it_was_written, begin),
        cmocka_unit_test_setup(a_target_is_another_member_in_sync, begin),
        cmocka_unit_test_setup(a_target_that_begins_again_unclean_is_none_any_more, begin),
        cmocka_unit_test_setup(nobody_joins_a_group_without_a_primary, begin),
        cmocka_unit_test_setup(a_later_run_keeps_what_it_had_by_its_own_word_alone, begin),
        cmocka_unit_test_setup(who_was_in_no_set_keeps_nothing, begin),
        cmocka_unit_test_setup(only_who_says_so_gives_its_group_up, begin),
        cmocka_unit_test_setup(a_witness_holds_no_data, begin),
        cmocka_unit_test_setup(tables_that_are_full_say_so, begin),
        cmocka_unit_test_setup(an_unknown_command_in_the_log_halts_and_changes_nothing, begin),
        cmocka_unit_test_setup(what_is_too_new_is_refused_as_a_proposal, begin),
        cmocka_unit_test_setup(a_snapshot_of_a_higher_level_is_refused_as_one_of_a_newer_version,
                               begin),
        cmocka_unit_test_setup(a_malformed_command_counts_and_does_nothing, begin),
        cmocka_unit_test_setup(the_trail_remembers_the_hash_of_recent_entries, begin),
        cmocka_unit_test_setup(histories_give_equal_documents_however_they_are_cut_by_snapshots,
                               begin),
        cmocka_unit_test_setup(what_would_be_said_is_what_is_said, begin),
        cmocka_unit_test_setup(epochs_only_grow_and_leases_lost_are_foretold, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
