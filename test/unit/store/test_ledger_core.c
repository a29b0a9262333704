/*
 * The core alone: what is said to it, and what it then wants.
 */
#include "base/must.h"
#include "store/ledger_core.h"
#include "unit.h"

#include <string.h>

static struct ledger_core core;
static struct ledger_actions actions;
static struct instant now;
static bool leased;

static void turn(void)
{
    ledger_core_ready(&core, leased, now, &actions);
}

static void disk_is_done(enum ledger_end end)
{
    ledger_core_disk_done(&core, end, now);
    turn();
}

/* Until it wants nothing more of the disk. */
static void settle(void)
{
    struct engine_answer answer = {.outcome = ENGINE_OUTCOMES};
    bool answered = false;

    for (turn();; disk_is_done(LEDGER_OK)) {
        if (actions.answer)
            answer = actions.answered, answered = true;
        if (core.disk.kind == LEDGER_DISK_NONE)
            break;
    }
    if (answered) {
        actions.answer = true;
        actions.answered = answer;
    }
}

/* A member 1 of 1, 2 and 3, with a log of so many records of the epoch 1. */
static void begin(uint64_t records)
{
    static const uint32_t others[] = {2, 3};
    struct ledger_restored restored = {0};

    if (records > 0) {
        restored.meta.promised = 1;
        history_extend(&restored.history, 1, records);
    }
    leased = true;
    now = (struct instant){NS_PER_S};
    ledger_core_init(&core, 1, 7, &restored);
    ledger_core_members(&core, others, 2);
    ledger_core_link(&core, 2, true);
    ledger_core_link(&core, 3, true);
}

static enum engine_outcome obey(enum engine_verb verb, uint64_t epoch, struct engine_needs needs)
{
    ledger_core_order(
        &core,
        &(struct engine_order){
            .verb = verb, .epoch = epoch, .primary = 2, .needs = needs, .timeout_ms = 1000},
        now);
    settle();
    return actions.answer ? actions.answered.outcome : ENGINE_OUTCOMES;
}

static struct engine_needs needs_both(enum group_mode mode, uint8_t acks)
{
    return (struct engine_needs){
        .mode = (uint8_t)mode, .acks = acks, .members = {2, {{2, 1}, {3, 1}}}};
}

static void receive(struct ledger_message message, const struct history *theirs)
{
    uint64_t taken;

    message.to = 1;
    ledger_core_receive(&core, &message, theirs, now, &taken);
    turn();
}

/* A follower whose log ends with `end` of the epoch 1. */
static void attach(uint32_t member, uint64_t end)
{
    struct history theirs;

    history_init(&theirs, (struct position){0});
    history_extend(&theirs, 1, end);
    receive((struct ledger_message){.type = LEDGER_FOLLOW,
                                    .from = member,
                                    .epoch = core.epoch,
                                    .session = 40 + member,
                                    .end = end},
            &theirs);
}

/* It is shipped all that may be, and confirms this. */
static void confirm(uint32_t member, uint64_t end)
{
    ledger_core_shipped(&core, ledger_core_follower(&core, member), core.durable, now);
    receive((struct ledger_message){.type = LEDGER_CONFIRM,
                                    .from = member,
                                    .epoch = core.epoch,
                                    .session = 40 + member,
                                    .end = end},
            NULL);
}

static void append(uint32_t count)
{
    enum ledger_refusal why;

    for (uint32_t i = 0; i < count; i++)
        assert_int_not_equal(ledger_core_append(&core, &why), 0);
}

static void a_promise_is_answered_when_it_is_durable(void **state)
{
    (void)state;
    begin(5);
    ledger_core_order(
        &core, &(struct engine_order){.verb = ENGINE_PROMISE, .epoch = 4, .timeout_ms = 1000}, now);
    turn();
    assert_int_equal(actions.disk.kind, LEDGER_DISK_META);
    assert_int_equal(actions.disk.meta.promised, 4);
    assert_false(actions.answer);
    disk_is_done(LEDGER_OK);
    assert_true(actions.answer);
    assert_int_equal(actions.answered.outcome, ENGINE_DONE);
    assert_int_equal(actions.answered.status.position.offset, 5);
    assert_int_equal(obey(ENGINE_PROMISE, 3, needs_both(GROUP_SYNC, 2)), ENGINE_REFUSED);
}

static void sync_commits_what_all_have_and_nothing_before_its_own_epoch(void **state)
{
    (void)state;
    begin(5);
    assert_int_equal(obey(ENGINE_PROMOTE, 2, needs_both(GROUP_SYNC, 2)), ENGINE_DONE);
    assert_int_equal(core.start, 6);
    attach(2, 5);
    attach(3, 5);
    assert_int_equal(core.committed, 0);
    append(4);
    settle();
    confirm(2, 10);
    confirm(3, 5);
    assert_int_equal(core.committed, 0); /* all have the five, and they are of the epoch before */
    confirm(3, 8);
    assert_int_equal(core.committed, 8);
    assert_int_equal(actions.execute_to, 8);
}

static void who_follows_is_told_at_once_that_the_epoch_has_begun(void **state)
{
    (void)state;
    begin(5);
    assert_int_equal(obey(ENGINE_PROMOTE, 2, needs_both(GROUP_SYNC, 2)), ENGINE_DONE);
    attach(2, 5);
    attach(3, 5);
    confirm(2, 6);
    confirm(3, 6);
    assert_int_equal(core.committed, 6);
    assert_int_equal(actions.sends, 0); /* what a read here does not show is shown by nobody */
    while (core.executed < core.committed)
        ledger_core_executed(&core, BYTES("a record"), 0);
    turn();
    assert_int_equal(actions.sends, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(actions.send[i].type, LEDGER_BEAT);
        assert_int_equal(actions.send[i].committed, 6);
    }
}

static void semi_sync_commits_what_so_many_have(void **state)
{
    (void)state;
    begin(5);
    assert_int_equal(obey(ENGINE_PROMOTE, 2, needs_both(GROUP_SEMI_SYNC, 1)), ENGINE_DONE);
    attach(2, 5);
    append(4);
    settle();
    confirm(2, 7);
    assert_int_equal(core.committed, 7);
    confirm(2, 6); /* an old word */
    assert_int_equal(core.committed, 7);
}

static void async_commits_what_its_own_disk_has(void **state)
{
    (void)state;
    begin(5);
    assert_int_equal(obey(ENGINE_PROMOTE, 2, needs_both(GROUP_ASYNC, 0)), ENGINE_DONE);
    append(4);
    turn();
    assert_int_equal(core.committed, 6);
    disk_is_done(LEDGER_OK);
    assert_int_equal(core.committed, 10);
}

static void nothing_is_committed_without_the_lease(void **state)
{
    (void)state;
    begin(5);
    leased = false;
    assert_int_equal(obey(ENGINE_PROMOTE, 2, needs_both(GROUP_ASYNC, 0)), ENGINE_DONE);
    assert_int_equal(core.committed, 0);
    assert_true(ledger_core_waits(&core));
    leased = true;
    turn();
    assert_int_equal(core.committed, 6);
}

static void who_leaves_counts_no_more_until_it_is_back(void **state)
{
    (void)state;
    begin(5);
    assert_int_equal(obey(ENGINE_PROMOTE, 2, needs_both(GROUP_SYNC, 2)), ENGINE_DONE);
    attach(2, 5);
    attach(3, 5);
    append(4);
    settle();
    confirm(2, 10);
    ledger_core_link(&core, 2, false);
    confirm(3, 10);
    assert_int_equal(core.committed, 0);
    ledger_core_link(&core, 2, true);
    attach(2, 5);
    confirm(2, 10);
    assert_int_equal(core.committed, 10);
}

static void who_is_silent_counts_no_more(void **state)
{
    struct engine_status status;

    (void)state;
    begin(5);
    assert_int_equal(obey(ENGINE_PROMOTE, 2, needs_both(GROUP_SYNC, 2)), ENGINE_DONE);
    attach(2, 5);
    now = after_ms(now, LEDGER_SILENT_MS + 1);
    turn();
    ledger_core_status(&core, &status);
    assert_false(status.followers[0].attached);
}

static void a_primary_that_hears_of_a_newer_epoch_stops(void **state)
{
    (void)state;
    begin(5);
    assert_int_equal(obey(ENGINE_PROMOTE, 2, needs_both(GROUP_SYNC, 2)), ENGINE_DONE);
    append(1);
    settle();
    receive((struct ledger_message){.type = LEDGER_CONFIRM, .from = 3, .epoch = 3}, NULL);
    assert_int_equal(core.role, ENGINE_NEITHER);
    assert_true(actions.unknown);
}

static void a_primary_that_was_started_again_refuses_its_epoch(void **state)
{
    struct ledger_restored restored = {.meta = {.promised = 2, .led = 2}};

    (void)state;
    begin(0);
    history_extend(&restored.history, 1, 5);
    ledger_core_init(&core, 1, 7, &restored);
    assert_int_equal(obey(ENGINE_PROMOTE, 2, needs_both(GROUP_ASYNC, 0)), ENGINE_REFUSED);
    assert_int_equal(obey(ENGINE_PROMOTE, 3, needs_both(GROUP_ASYNC, 0)), ENGINE_DONE);
    /* In the same run it may be, and goes on in the epoch's log. */
    assert_int_equal(obey(ENGINE_DEMOTE, 3, needs_both(GROUP_ASYNC, 0)), ENGINE_DONE);
    assert_int_equal(obey(ENGINE_PROMOTE, 3, needs_both(GROUP_ASYNC, 0)), ENGINE_DONE);
    assert_int_equal(core.start, 6);
    assert_int_equal(core.history.end, 6);
}

static void a_full_disk_refuses_and_is_tried_again(void **state)
{
    enum ledger_refusal why;

    (void)state;
    begin(5);
    assert_int_equal(obey(ENGINE_PROMOTE, 2, needs_both(GROUP_ASYNC, 0)), ENGINE_DONE);
    append(2);
    turn();
    disk_is_done(LEDGER_NO_SPACE);
    assert_int_equal(actions.disk.kind, LEDGER_DISK_NONE);
    assert_int_equal(ledger_core_append(&core, &why), 0);
    assert_int_equal(why, LEDGER_DISK_FULL);
    assert_int_equal(core.committed, 6);
    now = after_ms(now, LEDGER_FULL_MS);
    turn();
    assert_int_equal(actions.disk.kind, LEDGER_DISK_WRITE);
    disk_is_done(LEDGER_OK);
    assert_int_equal(core.committed, 8);
    assert_true(ledger_core_writable(&core));
}

static void what_was_shipped_and_dropped_ends_its_epoch(void **state)
{
    (void)state;
    begin(5);
    assert_int_equal(obey(ENGINE_PROMOTE, 2, needs_both(GROUP_SYNC, 2)), ENGINE_DONE);
    append(2);
    turn();
    assert_int_equal(actions.ship_to, 8); /* while it is being written */
    disk_is_done(LEDGER_NO_SPACE);
    assert_int_equal(obey(ENGINE_DEMOTE, 2, needs_both(GROUP_SYNC, 2)), ENGINE_DONE);
    assert_int_equal(core.history.end, 6);
    assert_int_equal(obey(ENGINE_PROMOTE, 2, needs_both(GROUP_SYNC, 2)), ENGINE_REFUSED);
}

/* ---- as a secondary ---- */

static uint64_t session;

static void is_attached(void)
{
    ledger_core_order(
        &core,
        &(struct engine_order){.verb = ENGINE_FOLLOW, .epoch = 2, .primary = 2, .timeout_ms = 1000},
        now);
    settle();
    assert_int_equal(actions.sends, 1);
    assert_int_equal(actions.send[0].type, LEDGER_FOLLOW);
    session = actions.send[0].session;
    receive((struct ledger_message){.type = LEDGER_ATTACH,
                                    .verdict = LEDGER_ATTACHED,
                                    .from = 2,
                                    .epoch = 2,
                                    .session = session,
                                    .end = 5},
            NULL);
    assert_true(actions.answer);
    assert_true(core.attached);
}

static struct ledger_message records(uint64_t first, uint64_t count)
{
    return (struct ledger_message){.type = LEDGER_RECORDS,
                                   .from = 2,
                                   .epoch = 2,
                                   .session = session,
                                   .first = first,
                                   .count = count,
                                   .record_epoch = 2,
                                   .before = first == 6 ? 1 : 2,
                                   .committed = 8};
}

static void a_follower_confirms_what_is_durable_and_executes_no_more(void **state)
{
    (void)state;
    begin(5);
    is_attached();
    receive(records(6, 3), NULL);
    assert_int_equal(actions.disk.kind, LEDGER_DISK_WRITE);
    assert_int_equal(core.committed, 5);
    receive(records(9, 2), NULL);
    assert_int_equal(actions.sends, 0);
    disk_is_done(LEDGER_OK);
    assert_int_equal(actions.send[0].type, LEDGER_CONFIRM);
    assert_int_equal(actions.send[0].end, 8);
    assert_int_equal(core.committed, 8);
    assert_int_equal(actions.execute_to, 8);
    disk_is_done(LEDGER_OK);
    assert_int_equal(actions.send[0].end, 10);
    assert_int_equal(core.committed, 8);
}

/* It asks, and is told that whom it asks is no primary. */
static void asks_in_vain(void)
{
    assert_int_equal(actions.sends, 1);
    assert_int_equal(actions.send[0].type, LEDGER_FOLLOW);
    receive((struct ledger_message){.type = LEDGER_ATTACH,
                                    .verdict = LEDGER_NOT_IT,
                                    .from = 2,
                                    .epoch = 2,
                                    .session = actions.send[0].session},
            NULL);
    assert_int_equal(actions.sends, 0);
}

static void who_is_not_yet_the_primary_is_asked_again_soon_and_then_more_seldom(void **state)
{
    int64_t pause_ms = LEDGER_AGAIN_MS;

    (void)state;
    begin(5);
    ledger_core_order(
        &core,
        &(struct engine_order){.verb = ENGINE_FOLLOW, .epoch = 2, .primary = 2, .timeout_ms = 9999},
        now);
    settle();
    for (int i = 0; i < 10; i++) {
        asks_in_vain();
        now = after_ms(now, pause_ms - 1);
        turn();
        assert_int_equal(actions.sends, 0);
        now = after_ms(now, 1);
        assert_true(passed(ledger_core_deadline(&core), now));
        turn();
        pause_ms = pause_ms * 2 < LEDGER_AGAIN_MAX_MS ? pause_ms * 2 : LEDGER_AGAIN_MAX_MS;
    }
    assert_int_equal(pause_ms, LEDGER_AGAIN_MAX_MS);
    is_attached();
}

static void a_follower_says_once_that_its_primary_takes_what_is_sent_on(void **state)
{
    struct ledger_message later = records(9, 2);

    (void)state;
    begin(5);
    is_attached();
    receive(records(6, 3), NULL);
    assert_false(actions.changed);
    disk_is_done(LEDGER_OK);
    assert_int_equal(core.committed, 8);
    assert_true(actions.changed);
    later.session = session;
    later.committed = 10;
    receive(later, NULL);
    disk_is_done(LEDGER_OK);
    assert_int_equal(core.committed, 10);
    assert_false(actions.changed);
}

static void a_gap_is_asked_for_again(void **state)
{
    (void)state;
    begin(5);
    is_attached();
    receive(records(7, 3), NULL);
    assert_int_equal(core.history.end, 5);
    assert_int_equal(actions.send[0].type, LEDGER_FOLLOW);
    assert_int_not_equal(actions.send[0].session, session);
}

static void what_is_of_another_epoch_session_or_member_is_dropped(void **state)
{
    struct ledger_message message;

    (void)state;
    begin(5);
    is_attached();
    message = records(6, 3);
    message.epoch = 1;
    receive(message, NULL);
    message = records(6, 3);
    message.session++;
    receive(message, NULL);
    message = records(6, 3);
    message.from = 3;
    receive(message, NULL);
    assert_int_equal(core.history.end, 5);
    /* And after a promise of something newer, all. */
    assert_int_equal(obey(ENGINE_PROMISE, 3, needs_both(GROUP_SYNC, 2)), ENGINE_DONE);
    receive(records(6, 3), NULL);
    assert_int_equal(core.history.end, 5);
}

static void what_was_committed_is_never_cut(void **state)
{
    (void)state;
    begin(5);
    is_attached();
    receive(records(6, 3), NULL);
    settle();
    assert_int_equal(core.committed, 8);
    ledger_core_order(
        &core,
        &(struct engine_order){.verb = ENGINE_REWIND, .epoch = 3, .primary = 2, .timeout_ms = 1000},
        now);
    settle();
    receive((struct ledger_message){.type = LEDGER_ATTACH,
                                    .verdict = LEDGER_DIVERGED,
                                    .from = 2,
                                    .epoch = 3,
                                    .session = actions.send[0].session,
                                    .end = 7},
            NULL);
    assert_true(actions.answer);
    assert_int_equal(actions.answered.outcome, ENGINE_BEHIND);
    assert_int_equal(core.history.end, 8);
}

static void a_read_is_as_fresh_as_the_last_word_that_was_answered(void **state)
{
    struct ledger_message beat;

    (void)state;
    begin(5);
    is_attached();
    beat = (struct ledger_message){.type = LEDGER_BEAT,
                                   .from = 2,
                                   .epoch = 2,
                                   .session = session,
                                   .end = 5,
                                   .committed = 4,
                                   .stamp = 77};
    receive(beat, NULL); /* no lease: it may have been deposed */
    assert_int_equal(core.heard.ns, 0);
    beat.claims = true;
    receive(beat, NULL);
    assert_int_equal(core.heard.ns, 77);
    assert_int_equal(core.heard_committed, 4);
}

static void a_promise_is_kept_that_is_given_while_a_copy_becomes_whole(void **state)
{
    struct history history;

    (void)state;
    begin(5);
    ledger_core_order(
        &core,
        &(struct engine_order){.verb = ENGINE_COPY, .epoch = 2, .primary = 2, .timeout_ms = 1000},
        now);
    settle();
    assert_int_equal(actions.send[0].type, LEDGER_COPY);
    assert_true(ledger_core_copy_begun(&core, actions.send[0].session));
    history_init(&history, (struct position){0});
    history_extend(&history, 2, 40);
    ledger_core_copy_installed(&core, &history, 99);
    turn();
    assert_int_equal(actions.disk.kind, LEDGER_DISK_RESET);
    ledger_core_order(
        &core, &(struct engine_order){.verb = ENGINE_PROMISE, .epoch = 7, .timeout_ms = 1000}, now);
    settle();
    assert_true(actions.answer);
    assert_int_equal(actions.answered.outcome, ENGINE_DONE);
    assert_int_equal(core.meta.promised, 7);
    assert_int_equal(core.durable, 40);
    assert_false(ledger_core_loading(&core));
}

static void words_and_metadata_are_the_same_after_bytes(void **state)
{
    struct ledger_message message = records(6, 3), again = {0};
    struct ledger_meta meta = {.promised = 9, .led = 3, .copying = true, .base = {2, 7}}, read;
    uint8_t bytes[256];
    struct unpack in;
    struct buf out;

    (void)state;
    buf_over(&out, bytes, sizeof bytes);
    message.claims = true;
    ledger_message_encode(&out, &message);
    assert_int_equal(out.len, LEDGER_MESSAGE_BYTES);
    in = unpack_of(buf_bytes(&out));
    assert_true(ledger_message_decode(&in, &again) && unpack_ended(&in));
    assert_memory_equal(&again.from, &message.from,
                        sizeof message - offsetof(struct ledger_message, from));
    bytes[0] = LEDGER_MESSAGES;
    in = unpack_of(buf_bytes(&out));
    assert_false(ledger_message_decode(&in, &again));
    buf_clear(&out);
    ledger_meta_encode(&out, &meta);
    in = unpack_of(buf_bytes(&out));
    assert_true(ledger_meta_decode(&in, &read) && unpack_ended(&in));
    assert_int_equal(read.promised, 9);
    assert_int_equal(read.led, 3);
    assert_true(read.copying);
    assert_int_equal(read.base.offset, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_promise_is_answered_when_it_is_durable),
        cmocka_unit_test(sync_commits_what_all_have_and_nothing_before_its_own_epoch),
        cmocka_unit_test(who_follows_is_told_at_once_that_the_epoch_has_begun),
        cmocka_unit_test(semi_sync_commits_what_so_many_have),
        cmocka_unit_test(async_commits_what_its_own_disk_has),
        cmocka_unit_test(nothing_is_committed_without_the_lease),
        cmocka_unit_test(who_leaves_counts_no_more_until_it_is_back),
        cmocka_unit_test(who_is_silent_counts_no_more),
        cmocka_unit_test(a_primary_that_hears_of_a_newer_epoch_stops),
        cmocka_unit_test(a_primary_that_was_started_again_refuses_its_epoch),
        cmocka_unit_test(a_full_disk_refuses_and_is_tried_again),
        cmocka_unit_test(what_was_shipped_and_dropped_ends_its_epoch),
        cmocka_unit_test(a_follower_confirms_what_is_durable_and_executes_no_more),
        cmocka_unit_test(who_is_not_yet_the_primary_is_asked_again_soon_and_then_more_seldom),
        cmocka_unit_test(a_follower_says_once_that_its_primary_takes_what_is_sent_on),
        cmocka_unit_test(a_gap_is_asked_for_again),
        cmocka_unit_test(what_is_of_another_epoch_session_or_member_is_dropped),
        cmocka_unit_test(what_was_committed_is_never_cut),
        cmocka_unit_test(a_read_is_as_fresh_as_the_last_word_that_was_answered),
        cmocka_unit_test(a_promise_is_kept_that_is_given_while_a_copy_becomes_whole),
        cmocka_unit_test(words_and_metadata_are_the_same_after_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
