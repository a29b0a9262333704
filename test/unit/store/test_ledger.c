/*
 * Ledgers with real disks and sockets. With `bench RECORDS OPEN BYTES` instead: what a record costs, all three members together.
 */
#include "ledgers.h"

#include "store/drive_ledger.h"

#include <dirent.h>
#include <sys/resource.h>

static struct group *g;

static struct engine_needs all_needed(void)
{
    return needs_of(GROUP_SYNC, 2, 6);
}

static void what_is_appended_is_executed_by_all_and_answered_once(void **state)
{
    (void)state;
    group_open(g, 1 << 20, 0);
    lead(g, 0, all_needed());
    append_many(&g->members[0], 100);
    TURN_UNTIL(g, all_have(g, 101));
    assert_int_equal(g->members[0].acked, 100);
    assert_int_equal(g->members[1].acked + g->members[2].acked, 0);
    assert_int_equal(append(&g->members[1], BYTES("no")), 0);
    assert_alike(g);
    group_close(g);
}

static void nothing_is_committed_without_whom_it_needs(void **state)
{
    struct member *anna = &g->members[0];

    (void)state;
    group_open(g, 1 << 20, 0);
    lead(g, 0, all_needed());
    TURN_UNTIL(g, all_have(g, 1));
    stop(&g->members[2]);
    append_many(anna, 5);
    TURN_UNTIL(g, ledger_view(g->members[1].ledger)->end == 6);
    TURN_UNTIL(g, !ledger_is_linked(anna->ledger, 3));
    assert_int_equal(committed(anna), 1);
    assert_int_equal(anna->acked, 0);
    start(&g->members[2]);
    assert_int_equal(follow(&g->members[2], anna, ENGINE_FOLLOW), ENGINE_DONE);
    TURN_UNTIL(g, all_have(g, 6));
    assert_int_equal(anna->acked, 5);
    assert_alike(g);
    group_close(g);
}

static void nothing_is_committed_without_the_lease(void **state)
{
    struct member *anna = &g->members[0];
    enum ledger_refusal why;

    (void)state;
    group_open(g, 1 << 20, 0);
    lead(g, 0, all_needed());
    TURN_UNTIL(g, all_have(g, 1));
    append_many(anna, 5);
    anna->leased = false;
    assert_int_equal(ledger_append(anna->ledger, BYTES("late"), 1, &why), 0);
    assert_int_equal(why, LEDGER_NO_LEASE);
    TURN_UNTIL(g, ledger_view(g->members[1].ledger)->end == 6 &&
                      ledger_view(g->members[2].ledger)->end == 6);
    for (int i = 0; i < 20; i++)
        loop_turn(g->loop, 5 * NS_PER_MS);
    assert_int_equal(committed(anna), 1);
    anna->leased = true;
    TURN_UNTIL(g, anna->acked == 5);
    group_close(g);
}

static void a_member_that_was_away_gets_from_the_disk_what_it_lacks(void **state)
{
    static uint8_t record[1000];
    struct member *anna = &g->members[0];

    (void)state;
    group_open(g, 1 << 20, 1 << 30);
    lead(g, 0, needs_of(GROUP_SEMI_SYNC, 1, 6));
    stop(&g->members[2]);
    for (uint32_t i = 0; i < 40000; i++) {
        memcpy(record, &i, sizeof i);
        assert_int_not_equal(append(anna, bytes_of(record, sizeof record)), 0);
        if (i % 1000 == 999)
            TURN_UNTIL(g, committed(anna) == i + 2);
    }
    start(&g->members[2]);
    assert_int_equal(follow(&g->members[2], anna, ENGINE_FOLLOW), ENGINE_DONE);
    TURN_UNTIL(g, all_have(g, 40001));
    assert_alike(g);
    group_close(g);
}

static void a_member_starts_from_its_state_and_executes_what_follows(void **state)
{
    struct member *carl = &g->members[2];
    struct ledger_point middle;

    (void)state;
    group_open(g, 1 << 20, 0);
    lead(g, 0, all_needed());
    append_many(&g->members[0], 50);
    TURN_UNTIL(g, all_have(g, 51));
    middle = carl->point;
    append_many(&g->members[0], 50);
    TURN_UNTIL(g, all_have(g, 101));
    stop(carl);
    carl->point = middle;
    carl->executed = 0;
    start(carl);
    assert_int_equal(follow(carl, &g->members[0], ENGINE_FOLLOW), ENGINE_DONE);
    TURN_UNTIL(g, carl->executed == 50);
    assert_alike(g);
    assert_int_equal(ledger_view(carl->ledger)->replayed_records, 50);
    assert_int_not_equal(ledger_view(carl->ledger)->replay_us, 0);
    append_many(&g->members[0], 10);
    TURN_UNTIL(g, all_have(g, 111));
    assert_int_equal(ledger_view(carl->ledger)->replayed_records, 50); /* not those */
    group_close(g);
}

/* More of it than stays in memory. */
static void a_long_log_is_executed_from_the_disk(void **state)
{
    static uint8_t record[2000];
    struct member *anna = &g->members[0], *carl = &g->members[2];

    (void)state;
    group_open(g, 16 << 20, 1 << 30);
    lead(g, 0, all_needed());
    for (uint32_t i = 0; i < 50000; i++) {
        memcpy(record, &i, sizeof i);
        assert_int_not_equal(append(anna, bytes_of(record, sizeof record)), 0);
        if (i % 1000 == 999)
            TURN_UNTIL(g, committed(anna) == i + 2);
    }
    TURN_UNTIL(g, all_have(g, 50001));
    stop(carl);
    carl->point = (struct ledger_point){0};
    carl->executed = 0;
    memset(carl->hashes, 0, sizeof carl->hashes);
    start(carl);
    assert_int_equal(follow(carl, anna, ENGINE_FOLLOW), ENGINE_DONE);
    TURN_UNTIL(g, carl->executed == 50001);
    assert_alike(g);
    assert_int_equal(ledger_view(carl->ledger)->replayed_records, 50001);
    group_close(g);
}

static bool has_file(const struct member *m, const char *beginning)
{
    DIR *directory = opendir(m->directory);
    struct dirent *entry;
    bool found = false;

    assert_non_null(directory);
    while ((entry = readdir(directory)))
        found |= strncmp(entry->d_name, beginning, strlen(beginning)) == 0;
    closedir(directory);
    return found;
}

static uint64_t durable(struct member *m)
{
    struct engine_status status;

    ledger_status(m->ledger, &status);
    return status.position.offset;
}

/* anna goes on alone, and comes back when bert leads. */
static void fork_anna(uint32_t records, struct engine_needs needs)
{
    group_open(g, 1 << 20, 0);
    lead(g, 0, all_needed());
    append_many(&g->members[0], 10);
    TURN_UNTIL(g, all_have(g, 11));
    stop(&g->members[1]);
    stop(&g->members[2]);
    promote(&g->members[0], needs);
    append_many(&g->members[0], records);
    TURN_UNTIL(g, durable(&g->members[0]) == 11 + records);
    TURN_UNTIL(g, needs.mode != GROUP_ASYNC || g->members[0].acked == 10 + records);
    stop(&g->members[0]);
    start(&g->members[1]);
    start(&g->members[2]);
    g->epoch++;
    promote(&g->members[1], needs_of(GROUP_SYNC, 1, 4));
    assert_int_equal(follow(&g->members[2], &g->members[1], ENGINE_FOLLOW), ENGINE_DONE);
    append_many(&g->members[1], 3);
    TURN_UNTIL(g, all_have(g, 15));
    start(&g->members[0]);
}

static void a_tail_that_was_not_committed_is_put_aside_and_cut(void **state)
{
    struct member *anna = &g->members[0];

    (void)state;
    fork_anna(7, all_needed());
    assert_int_equal(anna->unknown, 7);
    assert_int_equal(follow(anna, &g->members[1], ENGINE_FOLLOW), ENGINE_DIVERGED);
    assert_int_equal(follow(anna, &g->members[1], ENGINE_REWIND), ENGINE_DONE);
    assert_true(has_file(anna, "quarantine-1-12"));
    TURN_UNTIL(g, all_have(g, 15));
    assert_alike(g);
    group_close(g);
}

static void what_was_executed_is_never_cut_and_only_a_copy_helps(void **state)
{
    struct member *anna = &g->members[0];

    (void)state;
    fork_anna(7, needs_of(GROUP_ASYNC, 0, 0));
    assert_int_equal(anna->acked, 17);
    assert_int_equal(follow(anna, &g->members[1], ENGINE_FOLLOW), ENGINE_DIVERGED);
    assert_int_equal(follow(anna, &g->members[1], ENGINE_REWIND), ENGINE_BEHIND);
    assert_non_null(strstr(anna->answer.sentence, "only a copy helps"));
    assert_int_equal(follow(anna, &g->members[1], ENGINE_COPY), ENGINE_DONE);
    assert_int_equal(anna->copied, 5000 * sizeof snapshot_text);
    assert_true(has_file(anna, "quarantine-1-12"));
    TURN_UNTIL(g, all_have(g, 15));
    assert_alike(g);
    group_close(g);
}

static void whoever_is_behind_the_log_takes_a_copy_and_goes_on(void **state)
{
    static uint8_t record[60000];
    struct member *anna = &g->members[0], *carl = &g->members[2];

    (void)state;
    group_open(g, 1 << 20, 2 << 20);
    lead(g, 0, needs_of(GROUP_SEMI_SYNC, 1, 6));
    stop(carl);
    for (uint32_t i = 0; i < 400; i++) {
        assert_int_not_equal(append(anna, bytes_of(record, sizeof record)), 0);
        if (i % 20 == 19)
            TURN_UNTIL(g, all_have(g, i + 2));
        ledger_checkpointed(anna->ledger, anna->point.position);
    }
    start(carl);
    assert_int_equal(follow(carl, anna, ENGINE_FOLLOW), ENGINE_BEHIND);
    assert_int_equal(follow(carl, anna, ENGINE_COPY), ENGINE_DONE);
    assert_int_equal(ledger_view(carl->ledger)->copied_bytes, carl->copied);
    assert_int_not_equal(ledger_view(carl->ledger)->copy_us, 0);
    append_many(anna, 10);
    TURN_UNTIL(g, all_have(g, 411));
    assert_alike(g);
    /* And over a restart. */
    stop(carl);
    start(carl);
    assert_int_equal(follow(carl, anna, ENGINE_FOLLOW), ENGINE_DONE);
    TURN_UNTIL(g, all_have(g, 411));
    assert_alike(g);
    group_close(g);
}

static void long_records_and_messages_come_whole(void **state)
{
    struct member *anna = &g->members[0];
    uint8_t *bytes = malloc(LEDGER_MESSAGE_MAX);
    enum ledger_refusal why;

    (void)state;
    assert_non_null(bytes);
    for (uint32_t i = 0; i < LEDGER_MESSAGE_MAX; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    group_open(g, 16 << 20, 0);
    lead(g, 0, all_needed());
    append_many(anna, 3);
    for (uint32_t i = 1; i <= 4; i++)
        assert_int_not_equal(append(anna, bytes_of(bytes + i, (size_t)i << 21)), 0);
    append_many(anna, 3);
    TURN_UNTIL(g, all_have(g, 11));
    for (uint32_t i = 1; i <= 4; i++)
        assert_int_equal(g->members[2].hashes[4 + i],
                         hash_bytes(0, bytes_of(bytes + i, (size_t)i << 21)));
    assert_int_equal(ledger_append(anna->ledger, bytes_of(bytes, LEDGER_RECORD_MAX + 1), 1, &why),
                     0);
    assert_int_equal(why, LEDGER_TOO_LONG);
    assert_true(ledger_send(anna->ledger, 3, BYTES("hello")));
    TURN_UNTIL(g, strcmp(g->members[2].heard, "hello") == 0);
    assert_true(ledger_send(anna->ledger, 3, bytes_of(bytes, LEDGER_MESSAGE_MAX)));
    assert_false(ledger_send(anna->ledger, 3, bytes_of(bytes, LEDGER_MESSAGE_MAX)));
    TURN_UNTIL(g, g->members[2].heard_len == LEDGER_MESSAGE_MAX);
    assert_int_equal(g->members[2].heard_hash, hash_bytes(0, bytes_of(bytes, LEDGER_MESSAGE_MAX)));
    assert_alike(g);
    group_close(g);
    free(bytes);
}

static void what_takes_long_leaves_others_their_turn(void **state)
{
    struct member *anna = &g->members[0];
    uint64_t before, most = 0;

    (void)state;
    group_open(g, 1 << 20, 0);
    lead(g, 0, needs_of(GROUP_ASYNC, 0, 1));
    anna->slow_ns = 2000000;
    append_many(anna, 100);
    do {
        before = anna->executed;
        loop_turn(g->loop, 10 * NS_PER_MS);
        if (anna->executed - before > most)
            most = anna->executed - before;
    } while (anna->acked < 100);
    assert_in_range(most, 1, 16);
    group_close(g);
}

static void what_is_not_executed_yet_does_not_stay_in_memory(void **state)
{
    enum { RECORDS = 64, BYTES_EACH = 32 << 10 };
    static const uint8_t record[BYTES_EACH];
    struct member *anna = &g->members[0], *bert = &g->members[1];
    struct engine_status status = {0};

    (void)state;
    group_open(g, 1 << 20, 0);
    stop(bert);
    g->tail_bytes = 4 * BYTES_EACH;
    start(bert);
    lead(g, 0, needs_of(GROUP_ASYNC, 0, 1));
    bert->slow_ns = 100000000;
    for (int i = 0; i < RECORDS; i++)
        assert_int_not_equal(append(anna, bytes_of(record, BYTES_EACH)), 0);
    while (status.position.offset < RECORDS + 1) {
        loop_turn(g->loop, 10 * NS_PER_MS);
        ledger_status(bert->ledger, &status);
    }
    loop_turn(g->loop, 10 * NS_PER_MS);
    assert_true(bert->executed < RECORDS);
    assert_true(tail_bytes(&bert->ledger->tail) <= 5 * BYTES_EACH);
    bert->slow_ns = 0;
    TURN_UNTIL(g, all_have(g, RECORDS + 1));
    assert_alike(g);
    group_close(g);
}

static void a_switchover_loses_nothing(void **state)
{
    struct member *anna = &g->members[0];
    enum ledger_refusal why;

    (void)state;
    group_open(g, 1 << 20, 0);
    lead(g, 0, all_needed());
    append_many(anna, 200);
    anna->answered = false;
    ledger_order(anna->ledger,
                 &(struct engine_order){
                     .verb = ENGINE_DEMOTE, .epoch = 1, .target = 2, .timeout_ms = 20000});
    assert_int_equal(ledger_append(anna->ledger, BYTES("late"), 1, &why), 0);
    assert_int_equal(why, LEDGER_HANDING_OVER);
    TURN_UNTIL(g, anna->answered);
    assert_int_equal(anna->answer.outcome, ENGINE_DONE);
    assert_int_equal(anna->acked, 200);
    assert_int_equal(ledger_view(g->members[1].ledger)->end, 201);
    g->epoch = 2;
    promote(&g->members[1], needs_of(GROUP_SYNC, 2, 5));
    assert_int_equal(follow(anna, &g->members[1], ENGINE_FOLLOW), ENGINE_DONE);
    assert_int_equal(follow(&g->members[2], &g->members[1], ENGINE_FOLLOW), ENGINE_DONE);
    TURN_UNTIL(g, all_have(g, 202));
    assert_alike(g);
    group_close(g);
}

static void a_promise_holds_over_a_restart(void **state)
{
    struct member *anna = &g->members[0];

    (void)state;
    group_open(g, 1 << 20, 0);
    lead(g, 0, needs_of(GROUP_ASYNC, 0, 0));
    assert_int_equal(obey(anna, (struct engine_order){.verb = ENGINE_PROMISE, .epoch = 7}).outcome,
                     ENGINE_DONE);
    stop(anna);
    start(anna);
    assert_int_equal(obey(anna, (struct engine_order){.verb = ENGINE_PROMOTE, .epoch = 6}).outcome,
                     ENGINE_REFUSED);
    assert_int_equal(obey(anna, (struct engine_order){.verb = ENGINE_STATUS}).status.promised, 7);
    group_close(g);
}

static void one_that_executed_otherwise_says_so_and_wants_a_copy(void **state)
{
    struct member *anna = &g->members[0], *bert = &g->members[1];

    (void)state;
    group_open(g, 1 << 20, 0);
    lead(g, 0, needs_of(GROUP_SEMI_SYNC, 1, 6));
    bert->digest = 99;
    append_many(anna, 40);
    TURN_UNTIL(g, ledger_view(bert->ledger)->diverged);
    assert_int_equal(follow(bert, anna, ENGINE_FOLLOW), ENGINE_BEHIND);
    bert->digest = 0;
    assert_int_equal(follow(bert, anna, ENGINE_COPY), ENGINE_DONE);
    TURN_UNTIL(g, all_have(g, 41));
    assert_alike(g);
    group_close(g);
}

/* ---- what it costs ---- */

static uint64_t to_append, open_max;
static uint8_t bench_record[4096];
static size_t bench_bytes;

static void refill(struct member *m)
{
    uint64_t open = g->next_cookie - m->acked;

    while (open++ < open_max && g->next_cookie < to_append)
        if (append(m, bytes_of(bench_record, bench_bytes)) == 0)
            fail_msg("refused");
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void bench(void)
{
    struct rusage before, after;
    struct instant began, ended;
    struct member *anna = &g->members[0];
    double cpu;

    group_open(g, 16 << 20, 0);
    lead(g, 0, all_needed());
    TURN_UNTIL(g, all_have(g, 1));
    anna->on_executed = refill;
    getrusage(RUSAGE_SELF, &before);
    began = clock_now();
    refill(anna);
    while (anna->acked < to_append)
        loop_turn(g->loop, 10 * NS_PER_MS);
    ended = clock_now();
    getrusage(RUSAGE_SELF, &after);
    cpu = seconds(after.ru_utime) + seconds(after.ru_stime) - seconds(before.ru_utime) -
          seconds(before.ru_stime);
    printf("%llu records of %zu bytes, %llu open: %.0f/s, %.2f us CPU each (all three members)\n",
           (unsigned long long)to_append, bench_bytes, (unsigned long long)open_max,
           (double)to_append / ((double)ns_between(began, ended) / 1e9),
           cpu * 1e6 / (double)to_append);
    group_close(g);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_is_executed_by_all_and_answered_once),
        cmocka_unit_test(nothing_is_committed_without_whom_it_needs),
        cmocka_unit_test(nothing_is_committed_without_the_lease),
        cmocka_unit_test(a_member_that_was_away_gets_from_the_disk_what_it_lacks),
        cmocka_unit_test(a_member_starts_from_its_state_and_executes_what_follows),
        cmocka_unit_test(a_tail_that_was_not_committed_is_put_aside_and_cut),
        cmocka_unit_test(a_long_log_is_executed_from_the_disk),
        cmocka_unit_test(what_was_executed_is_never_cut_and_only_a_copy_helps),
        cmocka_unit_test(whoever_is_behind_the_log_takes_a_copy_and_goes_on),
        cmocka_unit_test(long_records_and_messages_come_whole),
        cmocka_unit_test(what_takes_long_leaves_others_their_turn),
        cmocka_unit_test(what_is_not_executed_yet_does_not_stay_in_memory),
        cmocka_unit_test(a_switchover_loses_nothing),
        cmocka_unit_test(a_promise_holds_over_a_restart),
        cmocka_unit_test(one_that_executed_otherwise_says_so_and_wants_a_copy),
    };
    int failed;

    g = calloc(1, sizeof *g);
    if (!g)
        return 1;
    if (argc > 4 && strcmp(argv[1], "bench") == 0) {
        to_append = strtoull(argv[2], NULL, 10);
        open_max = strtoull(argv[3], NULL, 10);
        bench_bytes = strtoull(argv[4], NULL, 10);
        bench();
        failed = 0;
    } else {
        failed = cmocka_run_group_tests(tests, NULL, NULL);
    }
    free(g);
    return failed;
}
