/*
 * What groups say to each other: what is written is read back, and nothing that is cut off or out of bounds is believed.
 */
#include "role/groups_parts.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t storage[GROUPS_MESSAGE_MAX];
static struct buf out;

static void begin(void)
{
    buf_over(&out, storage, sizeof storage);
}

/* In memory of its own, so that a byte too many that is read is seen. */
static struct bytes cut(size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);

    assert_non_null(copy);
    memcpy(copy, storage, len);
    return bytes_of(copy, len);
}

static void drop(struct bytes bytes)
{
    free((void *)(uintptr_t)bytes.at);
}

/* A group of three: a, b, c. */
static const struct group *group_of_three(void)
{
    static struct group group = {.name = "db", .names = {"a", "b", "c"}};

    group.config.count = 3;
    return &group;
}

static void fill(char *text, size_t cap, char letter)
{
    memset(text, letter, cap - 1);
    text[cap - 1] = '\0';
}

static struct groups_view an_outlook(void)
{
    struct groups_view view = {.outlook = true,
                               .failover = FAILOVER_WATCHING,
                               .winner = 2,
                               .loss_bytes = 17,
                               .expected_ms = 900};

    for (uint32_t i = 0; i < 3; i++)
        view.members[i].lag_ms = i;
    view.members[1] = (struct groups_member_view){
        .heard = true,
        .eligible = true,
        .lag_ms = 40,
        .report = {
            .life = {7, 2}, .state = ENGINE_RUNNING, .role = ENGINE_SECONDARY, .linked = true}};
    snprintf(view.members[2].why_not, sizeof view.members[2].why_not, "is not heard");
    return view;
}

static void an_outlook_is_read_back(void **state)
{
    struct groups_view view = an_outlook(), read;
    struct unpack in;

    (void)state;
    begin();
    message_outlook(&out, group_of_three(), &view);
    in = unpack_of(buf_bytes(&out));
    assert_true(message_read_outlook(&in, group_of_three(), &read));
    assert_true(read.outlook);
    assert_int_equal(read.failover, FAILOVER_WATCHING);
    assert_int_equal(read.winner, 2);
    assert_int_equal(read.loss_bytes, 17);
    assert_int_equal(read.expected_ms, 900);
    assert_true(read.members[1].heard && read.members[1].eligible);
    assert_true(life_equal(read.members[1].report.life, (struct life){7, 2}));
    assert_int_equal(read.members[1].lag_ms, 40);
    assert_false(read.members[2].heard || read.members[2].eligible);
    assert_string_equal(read.members[2].why_not, "is not heard");
    assert_int_equal(read.members[3].lag_ms, UINT64_MAX);
}

/* By name: the file of another node may have other members, in another order. */
static void an_outlook_is_read_by_name(void **state)
{
    struct groups_view view = an_outlook(), read;
    struct group other = {.name = "db", .names = {"c", "b"}};
    struct unpack in;

    (void)state;
    other.config.count = 2;
    begin();
    message_outlook(&out, group_of_three(), &view);
    in = unpack_of(buf_bytes(&out));
    assert_true(message_read_outlook(&in, &other, &read));
    assert_string_equal(read.members[0].why_not, "is not heard");
    assert_true(read.members[1].heard);
    assert_int_equal(read.winner, 2);
    snprintf(other.names[1], sizeof other.names[1], "d");
    in = unpack_of(buf_bytes(&out));
    assert_true(message_read_outlook(&in, &other, &read));
    assert_int_equal(read.winner, 0);
    assert_false(read.members[1].heard);
}

static void the_longest_outlook_fits(void **state)
{
    static struct groups_view view, read;
    static struct group group = {.name = "db"};
    struct unpack in;

    (void)state;
    group.config.count = GROUP_MEMBERS_MAX;
    view.winner = GROUP_MEMBERS_MAX;
    fill(view.why_nobody, sizeof view.why_nobody, 'n');
    for (uint32_t i = 0; i < GROUP_MEMBERS_MAX; i++) {
        struct groups_member_view *member = &view.members[i];

        fill(group.names[i], GROUP_NAME_MAX, (char)('a' + i));
        fill(member->why_not, sizeof member->why_not, 'w');
        fill(member->report.sentence, sizeof member->report.sentence, 's');
        member->report.life = (struct life){i + 1, 1};
        member->heard = true;
    }
    begin();
    message_outlook(&out, &group, &view);
    assert_false(out.full);
    in = unpack_of(buf_bytes(&out));
    assert_true(message_read_outlook(&in, &group, &read));
    assert_int_equal(read.winner, GROUP_MEMBERS_MAX);
    assert_string_equal(read.members[15].report.sentence, view.members[15].report.sentence);
}

static bool reads_outlook(struct bytes bytes)
{
    struct unpack in = unpack_of(bytes);
    struct groups_view read;

    return message_read_outlook(&in, group_of_three(), &read);
}

static bool reads_order(struct bytes bytes)
{
    struct unpack in = unpack_of(bytes);
    struct groups_order read;
    int64_t timeout_ms;

    (void)unpack_u8(&in); /* what kind of message it is */
    return message_read_order(&in, &read, &timeout_ms);
}

static bool reads_reply(struct bytes bytes)
{
    struct unpack in = unpack_of(bytes);
    struct groups_reply read;

    return message_read_reply(&in, &read);
}

/* Every shorter message, and a longer one, is refused. */
static void assert_exact(bool (*reads)(struct bytes))
{
    size_t len = out.len;

    assert_false(out.full);
    buf_add_byte(&out, 0);
    for (size_t i = 0; i <= len + 1; i++) {
        struct bytes bytes = cut(i);

        assert_int_equal(reads(bytes), i == len);
        drop(bytes);
    }
}

static void what_is_cut_off_anywhere_is_refused(void **state)
{
    struct groups_view view = an_outlook();
    struct groups_order order = {.kind = GROUPS_FAILOVER, .group = "db", .to = "b"};
    struct groups_reply reply = {.reached = true, .by = "a", .sentence = "not now"};

    (void)state;
    begin();
    message_outlook(&out, group_of_three(), &view);
    assert_exact(reads_outlook);
    begin();
    message_order(&out, &order, 5000);
    assert_exact(reads_order);
    begin();
    message_reply(&out, &reply);
    assert_exact(reads_reply);
}

static void assert_order(struct groups_order order, int64_t timeout_ms, bool good)
{
    struct groups_order read;
    struct unpack in;
    int64_t read_ms;

    begin();
    message_order(&out, &order, timeout_ms);
    in = unpack_of(buf_bytes(&out));
    assert_int_equal(unpack_u8(&in), GROUPS_ORDER);
    assert_int_equal(message_read_order(&in, &read, &read_ms), good);
    if (!good)
        return;
    assert_int_equal(read.kind, order.kind);
    assert_int_equal(read.accept_loss, order.accept_loss);
    assert_string_equal(read.group, order.group);
    assert_string_equal(read.to, order.to);
    assert_int_equal(read_ms, timeout_ms);
}

static void an_order_is_read_back_within_its_bounds(void **state)
{
    struct groups_order order = {.kind = GROUPS_FAILOVER, .group = "db", .accept_loss = true};

    (void)state;
    assert_order(order, 1, true);
    assert_order(order, GROUPS_TIMEOUT_MAX_MS, true);
    assert_order(order, 0, false);
    assert_order(order, GROUPS_TIMEOUT_MAX_MS + 1, false);
    assert_order(order, INT64_MIN, false);
    fill(order.group, sizeof order.group, 'g');
    fill(order.to, sizeof order.to, 't');
    order.kind = GROUPS_SWITCHOVER;
    assert_order(order, 5000, true);
    order.kind = (enum groups_order_kind)2;
    assert_order(order, 5000, false);
}

static void assert_reply(struct groups_reply reply, bool good)
{
    struct groups_reply read;
    struct unpack in;

    begin();
    message_reply(&out, &reply);
    in = unpack_of(buf_bytes(&out));
    assert_int_equal(message_read_reply(&in, &read), good);
    if (!good)
        return;
    assert_int_equal(read.done, reply.done);
    assert_int_equal(read.reached, reply.reached);
    assert_string_equal(read.by, reply.by);
    assert_string_equal(read.sentence, reply.sentence);
}

/* A node that was taken for the leader and found none says that nothing was changed. */
static void a_reply_says_whether_a_leader_was_reached(void **state)
{
    struct groups_reply reply = {.sentence = "no leader"};

    (void)state;
    assert_reply(reply, true);
    reply.reached = true;
    assert_reply(reply, true);
    reply.done = true;
    fill(reply.by, sizeof reply.by, 'b');
    fill(reply.sentence, sizeof reply.sentence, 's');
    assert_reply(reply, true);
    reply.reached = false;
    assert_reply(reply, false);
}

static void numbers_out_of_bounds_are_refused(void **state)
{
    struct groups_view view = an_outlook();

    (void)state;
    view.failover = FAILOVER_PHASES;
    begin();
    message_outlook(&out, group_of_three(), &view);
    assert_false(reads_outlook(buf_bytes(&out)));
    view = an_outlook();
    view.expected_ms = -2;
    begin();
    message_outlook(&out, group_of_three(), &view);
    assert_false(reads_outlook(buf_bytes(&out)));
    view = an_outlook();
    view.members[1].report.state = ENGINE_STATES;
    begin();
    message_outlook(&out, group_of_three(), &view);
    assert_false(reads_outlook(buf_bytes(&out)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outlook_is_read_back),
        cmocka_unit_test(an_outlook_is_read_by_name),
        cmocka_unit_test(the_longest_outlook_fits),
        cmocka_unit_test(what_is_cut_off_anywhere_is_refused),
        cmocka_unit_test(an_order_is_read_back_within_its_bounds),
        cmocka_unit_test(a_reply_says_whether_a_leader_was_reached),
        cmocka_unit_test(numbers_out_of_bounds_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
