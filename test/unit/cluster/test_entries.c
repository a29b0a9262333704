/*
 * The row of entries in memory, and snapshots as bytes.
 */
#include "unit.h"

#include "cluster/entries.h"
#include "cluster/snapshot.h"

#include <stdio.h>

static const struct raft_entry plain = {.term = 3, .kind = RAFT_COMMAND};

static void put(struct entries *entries, uint64_t index)
{
    char body[32];
    int len = snprintf(body, sizeof body, "body %llu", (unsigned long long)index);

    entries_put(entries, index, &plain, bytes_of(body, (size_t)len));
}

static void what_is_put_is_there_until_it_is_dropped_or_cut(void **state)
{
    struct entries entries;

    (void)state;
    entries_init(&entries, 10);
    for (uint64_t index = 10; index < 20; index++)
        put(&entries, index);
    assert_null(entries_at(&entries, 9));
    assert_null(entries_at(&entries, 20));
    assert_memory_equal(entries_at(&entries, 15)->body, "body 15", 7);
    entries_drop_before(&entries, 12);
    assert_null(entries_at(&entries, 11));
    entries_cut_after(&entries, 16);
    assert_null(entries_at(&entries, 17));
    assert_int_equal(entries.next, 17);
    entries_reset(&entries, 100);
    assert_int_equal(entries.bytes, 0);
    assert_null(entries_at(&entries, 15));
    entries_fini(&entries);
}

static void an_entry_in_the_middle_replaces_all_behind_it(void **state)
{
    struct entries entries;

    (void)state;
    entries_init(&entries, 1);
    for (uint64_t index = 1; index <= 5; index++)
        put(&entries, index);
    entries_put(&entries, 3, &plain, BYTES("other"));
    assert_int_equal(entries.next, 4);
    assert_memory_equal(entries_at(&entries, 3)->body, "other", 5);
    assert_int_equal(entries.bytes, 6 + 6 + 5);
    entries_fini(&entries);
}

static void room_ends_with_the_number_and_with_the_bytes(void **state)
{
    struct entries entries;

    (void)state;
    entries_init(&entries, 1);
    assert_true(entries_room(&entries, ENTRIES_MAX, ENTRIES_BYTES_MAX));
    put(&entries, 1);
    assert_false(entries_room(&entries, ENTRIES_MAX, 0));
    assert_false(entries_room(&entries, 1, ENTRIES_BYTES_MAX));
    entries_fini(&entries);
}

static struct document document, read_back;

static void found_document(void)
{
    struct charter charter = {.cluster = 77, .count = 2};

    for (uint32_t i = 0; i < 2; i++) {
        struct member *member = &charter.members[i];

        *member = (struct member){.id = i + 1, .role = MEMBER_VOTER, .address_count = 1};
        member->name[0] = (char)('a' + (int)i);
        member->disk = 1000 + i;
        member->addresses[0] = (struct address){.ip = {127, 0, 0, 1}, .family = 4, .port = 7};
    }
    document_found(&document, &charter);
}

static void snapshot_bytes(struct buf *out, uint8_t second_role)
{
    struct snapshot snapshot = {.index = 1, .term = 1, .config = {.count = 2}};

    snapshot.config.members[0] = (struct raft_member){.id = 1, .role = RAFT_VOTER};
    snapshot.config.members[1] = (struct raft_member){.id = 2, .role = second_role};
    buf_init(out, SNAPSHOT_BYTES_MAX);
    snapshot_encode(out, &snapshot, &document);
    assert_false(out->full);
}

static void a_snapshot_reads_back_as_it_was(void **state)
{
    struct snapshot snapshot;
    struct buf bytes;
    struct err err;

    (void)state;
    found_document();
    snapshot_bytes(&bytes, RAFT_VOTER);
    assert_true(snapshot_decode(buf_bytes(&bytes), &snapshot, &read_back, &err));
    assert_int_equal(snapshot.index, 1);
    assert_int_equal(snapshot.config.count, 2);
    assert_int_equal(read_back.hash, document.hash);
    buf_fini(&bytes);
}

static void a_snapshot_that_is_cut_anywhere_is_refused(void **state)
{
    struct snapshot snapshot;
    struct buf bytes;
    struct err err;

    (void)state;
    found_document();
    snapshot_bytes(&bytes, RAFT_VOTER);
    for (size_t len = 0; len < bytes.len; len++)
        assert_false(snapshot_decode(bytes_of(bytes.at, len), &snapshot, &read_back, &err));
    buf_fini(&bytes);
}

static void members_that_consensus_and_the_document_count_differently_are_refused(void **state)
{
    struct snapshot snapshot;
    struct buf bytes;
    struct err err;

    (void)state;
    found_document();
    snapshot_bytes(&bytes, RAFT_LEARNER);
    assert_false(snapshot_decode(buf_bytes(&bytes), &snapshot, &read_back, &err));
    assert_non_null(strstr(err.text, "members"));
    buf_fini(&bytes);
}

static void a_survivor_keeps_the_document_and_is_alone_in_it(void **state)
{
    uint64_t hash;

    (void)state;
    found_document();
    hash = document.hash;
    document_pass(&document, 2);
    document_survive(&document, document_member(&document, 2), 99);
    assert_null(document_fault(&document));
    assert_int_equal(document.member_count, 1);
    assert_string_equal(document.members[0].name, "b");
    assert_int_equal(document.cluster, 99);
    assert_int_not_equal(document.hash, hash);
    assert_int_equal(document.next_member, 3);
}

/* What it was not told of is its own removal, which was never committed. */
static void a_survivor_may_have_been_removed_by_what_nobody_else_has(void **state)
{
    struct document_command command = {.kind = COMMAND_MEMBER_REMOVE, .member = {.id = 2}};
    uint8_t bytes[CLUSTER_COMMAND_MAX];
    struct document_reply reply = {0};
    struct member before;
    struct buf out;

    (void)state;
    found_document();
    before = *document_member(&document, 2);
    command.based_on = before.version;
    buf_over(&out, bytes, sizeof bytes);
    command_encode(&out, &command);
    assert_int_equal(document_apply(&document, 2, buf_bytes(&out), &reply), DOCUMENT_APPLIED);
    assert_null(document_member(&document, 2));
    document_survive(&document, &before, 99);
    assert_null(document_fault(&document));
    assert_int_equal(document.member_count, 1);
    assert_string_equal(document.members[0].name, "b");
    assert_int_equal(document_voters(&document), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_there_until_it_is_dropped_or_cut),
        cmocka_unit_test(an_entry_in_the_middle_replaces_all_behind_it),
        cmocka_unit_test(room_ends_with_the_number_and_with_the_bytes),
        cmocka_unit_test(a_snapshot_reads_back_as_it_was),
        cmocka_unit_test(a_snapshot_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(members_that_consensus_and_the_document_count_differently_are_refused),
        cmocka_unit_test(a_survivor_keeps_the_document_and_is_alone_in_it),
        cmocka_unit_test(a_survivor_may_have_been_removed_by_what_nobody_else_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
