/*
 * Which backend gets the next request.
 */
#include "unit.h"

#include "balancer/pick.h"

#include <string.h>

enum { MAX = 8, ROUNDS = 30000 };

struct pool {
    struct balancer_backend backends[MAX];
    struct pick_state states[MAX];
    struct pick_tried tried;
    struct pick pick;
};

static void set_pool(struct pool *pool, enum balancer_algorithm algorithm, const char *weights)
{
    memset(pool, 0, sizeof *pool);
    for (uint32_t i = 0; weights[i]; i++) {
        char endpoint[] = "10.0.0.0:80";

        endpoint[7] = (char)('0' + i);
        pool->backends[i] = (struct balancer_backend){.weight = weights[i] - '0', .slot = i};
        pool->states[i].key = pick_key(bytes_of_string(endpoint));
        pool->pick.count++;
    }
    pool->pick.algorithm = algorithm;
    pool->pick.backends = pool->backends;
    pool->pick.states = pool->states;
    pool->pick.tried = &pool->tried;
    pool->pick.now = (struct instant){1000 * NS_PER_S};
}

/* The next picks, as letters; `-` for none. */
static const char *picks(struct pool *pool, int count)
{
    static char story[64];

    for (int i = 0; i < count; i++) {
        uint32_t chosen = pick_backend(&pool->pick);

        story[i] = chosen == PICK_NONE ? '-' : (char)('a' + chosen);
    }
    story[count] = 0;
    return story;
}

static void round_robin_gives_each_its_turn(void **state)
{
    struct pool pool;

    (void)state;
    set_pool(&pool, ALGORITHM_ROUND_ROBIN, "111");
    assert_string_equal(picks(&pool, 7), "abcabca");
}

static void weights_are_spread_smoothly(void **state)
{
    struct pool pool;

    (void)state;
    set_pool(&pool, ALGORITHM_ROUND_ROBIN, "511");
    assert_string_equal(picks(&pool, 14), "aabacaaaabacaa");
    set_pool(&pool, ALGORITHM_ROUND_ROBIN, "102");
    assert_string_equal(picks(&pool, 6), "caccac");
}

static void what_takes_no_work_gets_none(void **state)
{
    struct pool pool;

    (void)state;
    set_pool(&pool, ALGORITHM_ROUND_ROBIN, "11111");
    pool.states[0].down = true;
    pool.states[1].draining = true;
    pool.backends[2].drain = true;
    pool.states[3].unresolved = true;
    assert_string_equal(picks(&pool, 3), "eee");
    pool.backends[4].weight = 0;
    assert_string_equal(picks(&pool, 2), "--");
}

static void backups_wait_until_no_primary_is_left(void **state)
{
    struct pool pool;

    (void)state;
    set_pool(&pool, ALGORITHM_ROUND_ROBIN, "111");
    pool.backends[2].backup = true;
    assert_string_equal(picks(&pool, 4), "abab");
    pool.states[0].down = true;
    assert_string_equal(picks(&pool, 2), "bb");
    pool.states[1].down = true;
    assert_string_equal(picks(&pool, 2), "cc");
}

static void what_was_tried_comes_last(void **state)
{
    struct pool pool;

    (void)state;
    set_pool(&pool, ALGORITHM_ROUND_ROBIN, "111");
    pool.backends[2].backup = true;
    pick_mark(&pool.tried, 0);
    assert_string_equal(picks(&pool, 2), "bb");
    pick_mark(&pool.tried, 1);
    assert_true(pick_untried(&pool.pick));
    assert_string_equal(picks(&pool, 2), "cc");
    pick_mark(&pool.tried, 2);
    assert_false(pick_untried(&pool.pick));
    assert_string_not_equal(picks(&pool, 1), "-");
}

static void a_quarantine_never_excludes_the_last(void **state)
{
    struct pool pool;

    (void)state;
    set_pool(&pool, ALGORITHM_ROUND_ROBIN, "11");
    pick_refused(&pool.states[0], pool.pick.now);
    assert_string_equal(picks(&pool, 3), "bbb");
    pick_refused(&pool.states[1], pool.pick.now);
    assert_string_not_equal(picks(&pool, 1), "-");
    pool.pick.now = after_ms(pool.pick.now, 251);
    assert_non_null(strchr(picks(&pool, 2), 'a'));
}

static void a_quarantine_grows_and_ends_with_a_connection(void **state)
{
    struct instant now = {0};
    struct pick_state one = {0};
    const int64_t wanted[] = {250, 500, 1000, 2000, 4000, 5000, 5000};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        pick_refused(&one, now);
        assert_int_equal(one.quarantined_until.ns, wanted[i] * NS_PER_MS);
    }
    pick_connected(&one);
    assert_true(passed(one.quarantined_until, now));
    pick_refused(&one, now);
    assert_int_equal(one.quarantined_until.ns, wanted[0] * NS_PER_MS);
}

static void the_least_loaded_is_asked(void **state)
{
    struct pool pool;

    (void)state;
    set_pool(&pool, ALGORITHM_LEAST_CONNECTIONS, "112");
    pool.states[0].active = 3;
    pool.states[1].active = 2;
    pool.states[2].active = 4;
    assert_string_equal(picks(&pool, 2), "cc"); /* five halves are less than three */
    pool.states[2].active = 9;
    assert_string_equal(picks(&pool, 2), "bb");
}

static void equal_loads_take_turns(void **state)
{
    struct pool pool;

    (void)state;
    set_pool(&pool, ALGORITHM_LEAST_CONNECTIONS, "1111");
    pool.states[1].active = 1;
    assert_string_equal(picks(&pool, 6), "acdacd");
}

static struct address client_at(uint32_t number)
{
    return (struct address){
        .ip = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number},
        .family = 4,
        .port = (uint16_t)(number * 7)};
}

static uint32_t pick_for(struct pool *pool, uint32_t number)
{
    struct address client = client_at(number);

    pool->pick.client = pick_client(&client);
    return pick_backend(&pool->pick);
}

static void a_client_stays_with_its_backend(void **state)
{
    struct pool pool;
    struct address one = client_at(1), same = one;

    (void)state;
    set_pool(&pool, ALGORITHM_IP_HASH, "1111");
    same.port++;
    assert_int_equal(pick_client(&one), pick_client(&same));
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(pick_for(&pool, i), pick_for(&pool, i));
}

static void clients_are_spread_by_weight(void **state)
{
    struct pool pool;
    int counts[3] = {0};

    (void)state;
    set_pool(&pool, ALGORITHM_IP_HASH, "123");
    for (uint32_t i = 0; i < ROUNDS; i++)
        counts[pick_for(&pool, i)]++;
    for (int i = 0; i < 3; i++)
        assert_in_range(counts[i], ROUNDS / 6 * (i + 1) * 95 / 100,
                        ROUNDS / 6 * (i + 1) * 105 / 100);
}

static void a_backend_that_goes_moves_only_its_own_clients(void **state)
{
    struct pool pool;
    static uint8_t before[ROUNDS];

    (void)state;
    set_pool(&pool, ALGORITHM_IP_HASH, "1111");
    for (uint32_t i = 0; i < ROUNDS; i++)
        before[i] = (uint8_t)pick_for(&pool, i);
    pool.states[2].down = true;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t now = pick_for(&pool, i);

        if (before[i] == 2)
            assert_int_not_equal(now, 2);
        else
            assert_int_equal(now, before[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_robin_gives_each_its_turn),
        cmocka_unit_test(weights_are_spread_smoothly),
        cmocka_unit_test(what_takes_no_work_gets_none),
        cmocka_unit_test(backups_wait_until_no_primary_is_left),
        cmocka_unit_test(what_was_tried_comes_last),
        cmocka_unit_test(a_quarantine_never_excludes_the_last),
        cmocka_unit_test(a_quarantine_grows_and_ends_with_a_connection),
        cmocka_unit_test(the_least_loaded_is_asked),
        cmocka_unit_test(equal_loads_take_turns),
        cmocka_unit_test(a_client_stays_with_its_backend),
        cmocka_unit_test(clients_are_spread_by_weight),
        cmocka_unit_test(a_backend_that_goes_moves_only_its_own_clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
