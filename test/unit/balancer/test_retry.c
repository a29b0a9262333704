/*
 * What may be tried again, and how often.
 */
#include "unit.h"

#include "balancer/retry.h"

#define CONNECT RETRY_BIT(RETRY_ON_CONNECT_FAILURE)
#define RESET RETRY_BIT(RETRY_ON_RESET)
#define TIMEOUT RETRY_BIT(RETRY_ON_TIMEOUT)

/* A request that may be repeated in every respect. */
#define GOOD .idempotent = true, .held = true, .sent = true, .untried = true, .tries = 1

static const struct {
    const char *claim;
    enum failure failure;
    uint32_t on;
    int64_t attempts;
    struct retry_request request;
    enum retry_answer answer;
} rows[] = {
    {"a refused connection costs nothing", FAILURE_CONNECT, CONNECT, 2, {GOOD}, RETRY_FREE},
    {"and anything may be repeated that was not sent",
     FAILURE_CONNECT,
     CONNECT,
     2,
     {.held = true, .untried = true, .tries = 1},
     RETRY_FREE},
    {"the same backend again costs an attempt",
     FAILURE_CONNECT,
     CONNECT,
     2,
     {.idempotent = true, .held = true, .tries = 1},
     RETRY_CHARGED},
    {"of which there are so many",
     FAILURE_CONNECT,
     CONNECT,
     2,
     {.idempotent = true, .held = true, .tries = 3, .charged = 2},
     RETRY_NO},
    {"unless it is not wanted", FAILURE_CONNECT, RESET, 2, {GOOD}, RETRY_NO},
    {"no attempts are no attempts", FAILURE_CONNECT, CONNECT, 0, {GOOD}, RETRY_NO},
    {"a reset is repeated", FAILURE_RESET, RESET, 2, {GOOD}, RETRY_CHARGED},
    {"if it is wanted", FAILURE_RESET, CONNECT, 2, {GOOD}, RETRY_NO},
    {"not if it might do harm",
     FAILURE_RESET,
     RESET,
     2,
     {.held = true, .sent = true, .untried = true, .tries = 1},
     RETRY_NO},
    {"not without its bytes",
     FAILURE_RESET,
     RESET,
     2,
     {.idempotent = true, .sent = true, .untried = true, .tries = 1},
     RETRY_NO},
    {"not once the client has heard something",
     FAILURE_RESET,
     RESET,
     2,
     {GOOD, .begun = true},
     RETRY_NO},
    {"not more often than allowed", FAILURE_RESET, RESET, 2, {GOOD, .charged = 2}, RETRY_NO},
    {"a kept connection's end is ours to bear", FAILURE_STALE, 0, 0, {GOOD}, RETRY_FREE},
    {"but not for what might do harm",
     FAILURE_STALE,
     0,
     2,
     {.held = true, .sent = true, .tries = 1},
     RETRY_NO},
    {"a timeout is repeated only if wanted", FAILURE_TIMEOUT, CONNECT | RESET, 2, {GOOD}, RETRY_NO},
    {"and then charged", FAILURE_TIMEOUT, TIMEOUT, 2, {GOOD}, RETRY_CHARGED},
    {"a status likewise",
     FAILURE_STATUS,
     RETRY_BIT(RETRY_ON_503),
     2,
     {GOOD, .status = 503},
     RETRY_CHARGED},
    {"each for itself",
     FAILURE_STATUS,
     RETRY_BIT(RETRY_ON_503),
     2,
     {GOOD, .status = 502},
     RETRY_NO},
    {"a dead backend's requests move at no cost", FAILURE_DOWN, 0, 2, {GOOD}, RETRY_FREE},
    {"if there is somewhere to go",
     FAILURE_DOWN,
     0,
     2,
     {.idempotent = true, .held = true, .sent = true, .tries = 1},
     RETRY_NO},
    {"garbage would only come again", FAILURE_GARBAGE, RESET, 2, {GOOD}, RETRY_NO},
    {"there is an end to everything",
     FAILURE_STALE,
     0,
     2,
     {.idempotent = true, .held = true, .tries = RETRY_TRIES_MAX},
     RETRY_NO},
};

static void it_repeats_what_is_safe_and_wise(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct balancer_retry policy = {.attempts = rows[i].attempts, .on_bits = rows[i].on};

        if (retry_decide(&policy, &rows[i].request, rows[i].failure) != rows[i].answer)
            fail_msg("%s", rows[i].claim);
    }
}

static void methods_say_whether_they_may_be_repeated(void **state)
{
    (void)state;
    assert_true(retry_idempotent(METHOD_GET, false));
    assert_true(retry_idempotent(METHOD_HEAD, false));
    assert_true(retry_idempotent(METHOD_PUT, false));
    assert_true(retry_idempotent(METHOD_DELETE, false));
    assert_true(retry_idempotent(METHOD_OPTIONS, false));
    assert_false(retry_idempotent(METHOD_POST, false));
    assert_false(retry_idempotent(METHOD_PATCH, false));
    assert_false(retry_idempotent(METHOD_OTHER, false));
    assert_true(retry_idempotent(METHOD_POST, true));
}

static int retries_left(struct retry_budget *budget, struct instant now)
{
    int count = 0;

    while (retry_withdraw(budget, now))
        count++;
    return count;
}

static void the_reserve_is_ten_a_second(void **state)
{
    struct retry_budget budget = {0};

    (void)state;
    assert_int_equal(retries_left(&budget, (struct instant){5 * NS_PER_S}), 100);
    assert_int_equal(retries_left(&budget, (struct instant){14 * NS_PER_S}), 0);
    assert_int_equal(retries_left(&budget, (struct instant){15 * NS_PER_S}), 100);
}

static void a_share_of_the_requests_may_be_repeated(void **state)
{
    struct retry_budget budget = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        retry_deposit(&budget, 2000, (struct instant){(100 + i / 100) * NS_PER_S});
    assert_int_equal(retries_left(&budget, (struct instant){109 * NS_PER_S}), 300);
    /* What was withdrawn at 109 is remembered longer than what came before it. */
    assert_int_equal(retries_left(&budget, (struct instant){112 * NS_PER_S}), 0);
    assert_int_equal(retries_left(&budget, (struct instant){200 * NS_PER_S}), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_repeats_what_is_safe_and_wise),
        cmocka_unit_test(methods_say_whether_they_may_be_repeated),
        cmocka_unit_test(the_reserve_is_ten_a_second),
        cmocka_unit_test(a_share_of_the_requests_may_be_repeated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
