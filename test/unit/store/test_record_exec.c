#include "store/record_exec.h"
#include "unit.h"

static const struct bytes set[] = {
    {(const uint8_t *)"SET", 3}, {(const uint8_t *)"k", 1}, {(const uint8_t *)"", 0}};
static const struct bytes get[] = {{(const uint8_t *)"GET", 3}, {(const uint8_t *)"k", 1}};

static void reads_back_what_was_queued(void **state)
{
    struct record_exec exec;
    struct record record;
    struct bytes word, key;
    struct buf out;
    uint32_t watched, commands;
    uint64_t version;

    (void)state;
    record_exec_init(&exec);
    buf_init(&out, RECORD_BYTES_MAX);
    assert_true(record_exec_watch(&exec, BYTES("k"), 1ULL << 40));
    assert_true(record_exec_queue(&exec, set, 3));
    assert_true(record_exec_queue(&exec, get, 2));
    assert_true(record_exec_write(&exec, 99, &out));
    assert_true(record_read(buf_bytes(&out), &record));
    assert_int_equal(record.kind, RECORD_EXEC);
    assert_int_equal(record.time_ms, 99);
    assert_true(record_exec_begin(&record, &watched));
    assert_int_equal(watched, 1);
    assert_true(record_exec_next_watch(&record, &key, &version));
    assert_true(bytes_equal(key, BYTES("k")) && version == 1ULL << 40);
    assert_true(record_exec_count(record, &commands));
    assert_int_equal(commands, 2);
    assert_int_equal(record_exec_next_command(&record), 3);
    for (int i = 0; i < 3; i++) {
        assert_true(record_next_word(&record, &word));
        assert_true(bytes_equal(word, set[i]));
    }
    assert_int_equal(record_exec_next_command(&record), 2);
    buf_fini(&out);
    record_exec_fini(&exec);
}

static void takes_no_more_than_a_record_holds(void **state)
{
    static uint8_t big[RECORD_BYTES_MAX / 4];
    struct bytes words[] = {BYTES("SET"), BYTES("k"), bytes_of(big, sizeof big)};
    struct record_exec exec;
    struct record record;
    struct buf out;

    (void)state;
    record_exec_init(&exec);
    buf_init(&out, RECORD_BYTES_MAX);
    for (int i = 0; i < 3; i++)
        assert_true(record_exec_queue(&exec, words, 3));
    assert_false(record_exec_queue(&exec, words, 3));
    assert_false(record_exec_watch(&exec, bytes_of(big, sizeof big), 1));
    assert_true(record_exec_write(&exec, 0, &out));
    assert_true(record_read(buf_bytes(&out), &record));
    buf_fini(&out);
    record_exec_fini(&exec);
}

/* Whatever a record's words are, reading them ends. */
static void ends_with_what_is_no_transaction(void **state)
{
    static const struct bytes words[] = {{(const uint8_t *)"\5\0\0\0", 4},
                                         {(const uint8_t *)"\xff\xff\xff\x7f", 4}};
    struct record record;
    struct bytes key;
    struct buf out;
    uint32_t watched, commands;
    uint64_t version;

    (void)state;
    buf_init(&out, 1024);
    assert_true(record_write(&out, RECORD_EXEC, 0, words, 2));
    assert_true(record_read(buf_bytes(&out), &record));
    assert_true(record_exec_begin(&record, &watched));
    assert_int_equal(watched, 5);
    assert_false(record_exec_count(record, &commands));
    assert_int_equal(record_exec_next_command(&(struct record){.words = record.words}), 0);
    assert_false(record_exec_next_watch(&record, &key, &version));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_was_queued),
        cmocka_unit_test(takes_no_more_than_a_record_holds),
        cmocka_unit_test(ends_with_what_is_no_transaction),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
