/*
 * Messages, entries and members come back as they were, from frames that are whole; whatever else is refused with a sentence.
 */
#include "base/rng.h"
#include "consensus/encoding.h"
#include "unit.h"

enum { FRAME_MAX = 64 * 1024 };

static uint8_t storage[FRAME_MAX];
static struct raft_entry entries[RAFT_BATCH_MAX], found_entries[RAFT_BATCH_MAX];
static struct bytes bodies[RAFT_BATCH_MAX], found_bodies[RAFT_BATCH_MAX];
static uint8_t text[RAFT_BODY_MAX];
static struct err err;

static struct raft_message some_append(uint32_t count, size_t body)
{
    for (uint32_t i = 0; i < count; i++) {
        bool config = i % 3 == 2;

        entries[i] = (struct raft_entry){
            .term = 5 + i / 4,
            .kind = config ? RAFT_CONFIG : RAFT_COMMAND,
            .change = {.role = config ? RAFT_VOTER : 0, .member = config ? 7 + i : 0}};
        bodies[i] = bytes_of(text + i, body);
    }
    return (struct raft_message){.type = RAFT_APPEND,
                                 .beat = true,
                                 .from = 1,
                                 .to = 0x01020304,
                                 .term = 100,
                                 .index = UINT64_C(0x0102030405060708),
                                 .index_term = 5,
                                 .commit = 17,
                                 .round = 99,
                                 .count = count};
}

static uint32_t at; /* the first entry to be encoded */

static struct bytes encoded(const struct raft_message *message, size_t limit, uint32_t *sent)
{
    struct buf out;

    buf_over(&out, storage, sizeof storage);
    *sent = raft_encode(&out, message, entries + at, bodies + at, limit);
    assert_false(out.full);
    assert_true(out.len <= limit);
    return buf_bytes(&out);
}

static bool decode(struct bytes frame, struct raft_message *message)
{
    return raft_decode(frame, message, found_entries, found_bodies, &err);
}

static void assert_same_entries(uint32_t from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(found_entries[i].term, entries[from + i].term);
        assert_int_equal(found_entries[i].kind, entries[from + i].kind);
        assert_int_equal(found_entries[i].change.member, entries[from + i].change.member);
        assert_int_equal(found_entries[i].change.role, entries[from + i].change.role);
        assert_true(bytes_equal(found_bodies[i], bodies[from + i]));
    }
}

static void a_message_comes_back(void **state)
{
    struct raft_message message = some_append(9, 100), found;
    uint32_t sent;

    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 31);
    assert_true(decode(encoded(&message, FRAME_MAX, &sent), &found));
    assert_int_equal(sent, 9);
    assert_int_equal(found.type, message.type);
    assert_true(found.beat && !found.granted && !found.full && !found.transfer);
    assert_int_equal(found.from, message.from);
    assert_int_equal(found.to, message.to);
    assert_int_equal(found.term, message.term);
    assert_int_equal(found.index, message.index);
    assert_int_equal(found.index_term, message.index_term);
    assert_int_equal(found.commit, message.commit);
    assert_int_equal(found.round, message.round);
    assert_int_equal(found.count, 9);
    assert_ptr_equal(found.entries, found_entries);
    assert_same_entries(0, 9);
}

static void a_vote_says_for_how_long_nobody_was_followed_instead_of_a_round(void **state)
{
    struct raft_message found, message = {.type = RAFT_VOTE_REPLY,
                                          .granted = true,
                                          .from = 1,
                                          .to = 2,
                                          .term = 3,
                                          .unled_ns = 1500 * NS_PER_MS};
    uint32_t sent;

    (void)state;
    assert_true(decode(encoded(&message, FRAME_MAX, &sent), &found));
    assert_int_equal(found.unled_ns, message.unled_ns);
    assert_int_equal(found.round, 0);
    message = some_append(0, 0);
    assert_true(decode(encoded(&message, FRAME_MAX, &sent), &found));
    assert_int_equal(found.unled_ns, 0);
}

static void every_type_and_flag_comes_back(void **state)
{
    uint32_t sent;

    (void)state;
    for (unsigned type = 0; type < RAFT_MESSAGE_TYPES; type++)
        for (unsigned flags = 0; flags < 16; flags++) {
            struct raft_message found, message = {.type = (uint8_t)type,
                                                  .from = 1,
                                                  .to = 2,
                                                  .term = 3,
                                                  .granted = flags & 1,
                                                  .full = flags & 2,
                                                  .transfer = flags & 4,
                                                  .beat = flags & 8};

            assert_true(decode(encoded(&message, FRAME_MAX, &sent), &found));
            assert_int_equal(found.type, type);
            assert_int_equal(found.granted, message.granted);
            assert_int_equal(found.full, message.full);
            assert_int_equal(found.transfer, message.transfer);
            assert_int_equal(found.beat, message.beat);
            assert_null(found.entries);
        }
}

static void the_layout_is_little_endian_and_fixed(void **state)
{
    struct raft_message message = {.type = RAFT_VOTE,
                                   .transfer = true,
                                   .from = 0x11121314,
                                   .to = 0x21222324,
                                   .term = UINT64_C(0x0102030405060708),
                                   .index = 9,
                                   .index_term = 10};
    static const uint8_t head[] = {1,    RAFT_VOTE, 4,    0,    0x14, 0x13, 0x12, 0x11, 0x24, 0x23,
                                   0x22, 0x21,      0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,
                                   9,    0,         0,    0,    0,    0,    0,    0,    10};
    uint32_t sent;
    struct bytes frame = encoded(&message, FRAME_MAX, &sent);

    (void)state;
    assert_int_equal(frame.len, RAFT_MESSAGE_BYTES);
    assert_memory_equal(frame.at, head, sizeof head);
}

static void what_does_not_fit_goes_in_the_next_message(void **state)
{
    struct raft_message message = some_append(RAFT_BATCH_MAX, 4096), found;
    uint32_t sent, frames = 0;

    (void)state;
    for (at = 0; at < RAFT_BATCH_MAX; at += sent) {
        assert_true(decode(encoded(&message, FRAME_MAX, &sent), &found));
        assert_true(sent > 0);
        assert_int_equal(found.index, UINT64_C(0x0102030405060708) + at);
        assert_same_entries(at, sent);
        frames++;
        if (sent < message.count)
            raft_message_rest(&message, entries + at, sent);
    }
    assert_int_equal(at, RAFT_BATCH_MAX);
    assert_int_equal(frames, 5);
    at = 0;
}

static void every_cut_is_refused(void **state)
{
    struct raft_message message = some_append(3, 20), found;
    uint32_t sent;
    struct bytes frame = encoded(&message, FRAME_MAX, &sent);

    (void)state;
    for (size_t len = 0; len < frame.len; len++)
        assert_false(decode(bytes_take(frame, len), &found));
    storage[frame.len] = 0;
    assert_false(decode(bytes_of(storage, frame.len + 1), &found));
    assert_string_equal(err.text, "1 bytes behind a message");
}

static void refused(size_t place, uint8_t byte, const char *why)
{
    struct raft_message message = some_append(2, 4), found;
    uint32_t sent;
    struct bytes frame = encoded(&message, FRAME_MAX, &sent);

    storage[place] = byte;
    assert_false(decode(frame, &found));
    assert_string_equal(err.text, why);
}

static void what_is_out_of_bounds_is_refused_with_a_sentence(void **state)
{
    (void)state;
    refused(0, 2, "a message of format 2, flags 8, reserved 0; known is 1");
    refused(1, 8, "a message of unknown type 8");
    refused(1, RAFT_VOTE, "a message of type 2 with 2 entries");
    refused(2, 16, "a message of format 1, flags 16, reserved 0; known is 1");
    refused(4, 0, "a message from member 0 to 16909060");
    refused(12, 0, "a message of term 0 about an entry of term 5");
    refused(27, 0x10, "a message whose index, commit or round is out of bounds");
    refused(52, 65, "a message of type 4 with 65 entries");
    refused(56, 4, "entry 1 of 2: term 4 after term 5, in a message of term 100");
    refused(56, 101, "entry 1 of 2: term 101 after term 5, in a message of term 100");
    refused(64, 3, "entry 1 of 2: an entry of unknown kind 3");
    refused(64, RAFT_CONFIG, "entry 1 of 2: a membership change of member 0");
    refused(65, 1, "entry 1 of 2: a membership change in an entry of kind 1");
    refused(67, 1, "entry 1 of 2: an entry's reserved byte is 1");
    refused(74, 1, "entry 1 of 2: an entry's body of 65540 bytes, with 28 left");
}

static void members_come_back(void **state)
{
    struct raft_config found,
        config = {.count = 3,
                  .members = {{1, RAFT_VOTER}, {2, RAFT_LEARNER}, {70000, RAFT_WITNESS}}};
    struct bytes from;
    struct buf out;

    (void)state;
    buf_over(&out, storage, RAFT_CONFIG_BYTES_MAX);
    raft_encode_config(&out, &config);
    from = buf_bytes(&out);
    assert_true(raft_decode_config(&from, &found, &err));
    assert_int_equal(from.len, 0);
    assert_int_equal(found.count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(found.members[i].id, config.members[i].id);
        assert_int_equal(found.members[i].role, config.members[i].role);
    }
    for (size_t len = 0; len < out.len; len++) {
        from = bytes_of(storage, len);
        assert_false(raft_decode_config(&from, &found, &err));
    }
    storage[4] = 2;
    from = buf_bytes(&out);
    assert_false(raft_decode_config(&from, &found, &err));
    assert_string_equal(err.text, "member 2 after member 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_comes_back),
        cmocka_unit_test(a_vote_says_for_how_long_nobody_was_followed_instead_of_a_round),
        cmocka_unit_test(every_type_and_flag_comes_back),
        cmocka_unit_test(the_layout_is_little_endian_and_fixed),
        cmocka_unit_test(what_does_not_fit_goes_in_the_next_message),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(what_is_out_of_bounds_is_refused_with_a_sentence),
        cmocka_unit_test(members_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
