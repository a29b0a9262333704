#include "store/pubsub.h"
#include "unit.h"

#include <stdio.h>

static uint64_t told;

static void count(void *context, struct subscriber *subscriber, struct bytes pattern)
{
    (void)context;
    (void)pattern;
    assert_true(subscriber->channel_count + subscriber->pattern_count > 0);
    told++;
}

static uint64_t publish(struct pubsub *pubsub, const char *channel)
{
    uint64_t answer;

    told = 0;
    answer = pubsub_publish(pubsub, bytes_of_string(channel), count, NULL);
    assert_int_equal(answer, told);
    return answer;
}

static void reaches_channels_and_patterns(void **state)
{
    struct pubsub *pubsub = pubsub_open(1);
    struct subscriber a, b;

    (void)state;
    subscriber_init(&a);
    subscriber_init(&b);
    assert_true(pubsub_is_idle(pubsub));
    assert_int_equal(pubsub_add(pubsub, &a, false, BYTES("news")), PUBSUB_DONE);
    assert_int_equal(pubsub_add(pubsub, &a, false, BYTES("news")), PUBSUB_NOTHING);
    assert_int_equal(pubsub_add(pubsub, &a, true, BYTES("n*")), PUBSUB_DONE);
    assert_int_equal(pubsub_add(pubsub, &b, true, BYTES("n*")), PUBSUB_DONE);
    assert_int_equal(publish(pubsub, "news"), 3);
    assert_int_equal(publish(pubsub, "none"), 2);
    assert_int_equal(publish(pubsub, "other"), 0);
    assert_int_equal(pubsub_listeners(pubsub, BYTES("news")), 1);
    assert_int_equal(pubsub_pattern_count(pubsub), 1);
    assert_true(pubsub_remove(pubsub, &a, true, BYTES("n*")));
    assert_false(pubsub_remove(pubsub, &a, true, BYTES("n*")));
    assert_int_equal(publish(pubsub, "news"), 2);
    pubsub_leave(pubsub, &a);
    pubsub_leave(pubsub, &b);
    assert_true(pubsub_is_idle(pubsub));
    pubsub_close(pubsub);
}

/* Which would take half a minute if each were looked for among all. */
static void finds_each_of_many_patterns_at_once(void **state)
{
    struct pubsub *pubsub = pubsub_open(1);
    struct subscriber subscriber;
    char name[16];

    (void)state;
    subscriber_init(&subscriber);
    for (int i = 0; i < PUBSUB_SUBSCRIPTIONS_MAX; i++) {
        snprintf(name, sizeof name, "%d*", i);
        assert_int_equal(pubsub_add(pubsub, &subscriber, true, bytes_of_string(name)), PUBSUB_DONE);
    }
    assert_int_equal(pubsub_add(pubsub, &subscriber, true, BYTES("7*")), PUBSUB_NOTHING);
    assert_int_equal(pubsub_add(pubsub, &subscriber, true, BYTES("x*")), PUBSUB_LIMIT);
    assert_int_equal(publish(pubsub, "7777"), 4);
    pubsub_leave(pubsub, &subscriber);
    pubsub_close(pubsub);
}

static void holds_many_channels_of_many(void **state)
{
    enum { MANY = 2000 };
    struct pubsub *pubsub = pubsub_open(1);
    struct subscriber subscribers[3];
    const struct channel *channel = NULL;
    uint64_t names = 0;
    char name[16];

    (void)state;
    for (int i = 0; i < 3; i++)
        subscriber_init(&subscribers[i]);
    for (int i = 0; i < MANY; i++)
        for (int s = 0; s < 3; s++) {
            snprintf(name, sizeof name, "c%d", i);
            assert_int_equal(pubsub_add(pubsub, &subscribers[s], false, bytes_of_string(name)),
                             PUBSUB_DONE);
        }
    while ((channel = pubsub_next(pubsub, channel)))
        names++;
    assert_int_equal(names, MANY);
    assert_int_equal(publish(pubsub, "c1999"), 3);
    pubsub_leave(pubsub, &subscribers[1]);
    assert_int_equal(publish(pubsub, "c0"), 2);
    assert_true(bytes_equal(pubsub_any(&subscribers[0], false), BYTES("c0")));
    pubsub_leave(pubsub, &subscribers[0]);
    pubsub_leave(pubsub, &subscribers[2]);
    assert_int_equal(pubsub_channel_count(pubsub), 0);
    pubsub_close(pubsub);
}

static void bounds_what_one_subscribes_to(void **state)
{
    struct pubsub *pubsub = pubsub_open(1);
    struct subscriber a;
    static uint8_t name[PUBSUB_NAME_MAX + 1];

    (void)state;
    subscriber_init(&a);
    assert_int_equal(pubsub_add(pubsub, &a, false, bytes_of(name, sizeof name)), PUBSUB_LIMIT);
    for (uint32_t i = 0; i < PUBSUB_SUBSCRIPTIONS_MAX; i++)
        assert_int_equal(pubsub_add(pubsub, &a, false, bytes_of(&i, sizeof i)), PUBSUB_DONE);
    assert_int_equal(pubsub_add(pubsub, &a, false, BYTES("more")), PUBSUB_LIMIT);
    pubsub_leave(pubsub, &a);
    pubsub_close(pubsub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reaches_channels_and_patterns),
        cmocka_unit_test(finds_each_of_many_patterns_at_once),
        cmocka_unit_test(holds_many_channels_of_many),
        cmocka_unit_test(bounds_what_one_subscribes_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
