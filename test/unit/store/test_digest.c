/*
 * What members compare: that it follows from the keys and values alone, whatever came before, and that another value is another digest.
 */
#include "store/execute.h"
#include "store/record.h"
#include "store/space.h"
#include "store/value.h"
#include "unit.h"

#include <stdio.h>

enum { COMMANDS = 30000, EVERY = 250, WORDS = 12, WORD_BYTES = 1500 };

/* Each # is a small number, @ a larger one; ~ a long word. */
static const char *const commands[] = {
    "SET k# @",
    "SET k# text@ EX 5",
    "SET k# ~",
    "SET k# @ KEEPTTL",
    "APPEND k# part@",
    "APPEND k# ~",
    "SETRANGE k# 3000 abc",
    "SETRANGE k# @ xyz",
    "SETRANGE k# 1020 ~",
    "INCR k#",
    "INCRBYFLOAT k# 0.5",
    "GETSET k# was@",
    "DEL k# k#",
    "MSET k# a@ k# b@",
    "EXPIRE k# 7",
    "PERSIST k#",
    "GETDEL k#",
    "RENAME k# k#",
    "COPY k# k# REPLACE",
    "RENAME h# k#",
    "COPY s# k# REPLACE",
    "COPY z# k# REPLACE",
    "COPY l# k# REPLACE",
    "HSET h# f@ v@",
    "HSET h# f@ v@",
    "HSET h# f# ~",
    "HDEL h# f@ f@",
    "HINCRBY h# n# 1",
    "EXPIRE h# 7",
    "SADD s# m@ m@ @",
    "SREM s# m@ m@",
    "SPOP s# 3",
    "SMOVE s# s# m@",
    "SUNIONSTORE s# s# s#",
    "LPUSH l# i@ i@",
    "RPUSH l# i@ ~",
    "LPOP l# 2",
    "RPOP l#",
    "LSET l# # x@",
    "LINSERT l# BEFORE i@ y@",
    "LREM l# 0 i@",
    "LTRIM l# 1 300",
    "LMOVE l# l# LEFT RIGHT",
    "ZADD z# @ m@ 1.5 m@",
    "ZADD z# -0.0 m@",
    "ZINCRBY z# 1 m@",
    "ZREM z# m@ m@",
    "ZPOPMIN z# 3",
    "ZREMRANGEBYRANK z# 0 2",
    "ZUNIONSTORE z# 2 z# z#",
    "ZRANGESTORE z# z# 0 9",
    "DEL h# s# l# z#",
    "@expire k# h#",
};

static struct rng rng;

static size_t write_word(const char **text, char *to)
{
    size_t len = 0;

    for (; **text && **text != ' '; (*text)++)
        if (**text == '~') {
            memset(to + len, 'a' + (int)rng_below(&rng, 26), 700);
            len += 700;
        } else if (**text == '#' || (**text == '@' && (*text)[1] != 'e')) {
            len += (size_t)snprintf(to + len, 32, "%d",
                                    (int)rng_below(&rng, **text == '#' ? 4 : 1200));
        } else {
            to[len++] = **text;
        }
    *text += **text == ' ';
    return len;
}

/* The record of a command, its time included. */
static void make_record(struct buf *out, const char *text, int64_t time_ms)
{
    char storage[WORDS][WORD_BYTES];
    struct bytes words[WORDS];
    uint32_t count = 0;

    for (; *text; count++)
        words[count] = bytes_of(storage[count], write_word(&text, storage[count]));
    buf_clear(out);
    assert_true(record_write(out, RECORD_COMMAND, time_ms, words, count));
}

static void copy_entry(void *context, struct entry *entry)
{
    struct buf value;

    buf_init(&value, SIZE_MAX);
    value_write(&value, entry);
    assert_true(value_read(context, entry_name(entry), buf_bytes(&value)));
    buf_fini(&value);
}

/* As a member has it that loads the same keys. */
static uint64_t digest_when_loaded(const struct space *space)
{
    struct space *loaded = space_open(&(struct space_options){.seed = 99});
    uint64_t cursor = 0, digest;

    do {
        cursor = space_scan(space, cursor, copy_entry, loaded);
    } while (cursor);
    assert_int_equal(space_count(loaded), space_count(space));
    digest = space_digest(loaded);
    space_close(loaded);
    return digest;
}

static void open_both(struct execution execution[2])
{
    for (uint64_t of = 0; of < 2; of++)
        execution[of] =
            (struct execution){.space = space_open(&(struct space_options){.seed = 1 + of})};
}

static void close_both(struct execution execution[2])
{
    for (int of = 0; of < 2; of++) {
        space_close(execution[of].space);
        execution_fini(&execution[of]);
    }
}

static void it_follows_from_keys_and_values_alone(void **state)
{
    struct execution execution[2];
    struct buf record;
    uint64_t before = 0, digest;

    (void)state;
    open_both(execution);
    rng_seed(&rng, 5);
    buf_init(&record, RECORD_BYTES_MAX);
    for (uint64_t i = 1; i <= COMMANDS; i++) {
        make_record(&record,
                    i % 10000 == 0 ? "FLUSHALL" : commands[rng_below(&rng, ARRAY_LEN(commands))],
                    (int64_t)i * 10);
        for (int of = 0; of < 2; of++)
            execute_record(&execution[of], i, buf_bytes(&record), NULL, false);
        if (i % EVERY != 0 && i % 10000 != 0)
            continue;
        digest = space_digest(execution[0].space);
        assert_int_equal(digest, space_digest(execution[1].space));
        assert_int_equal(digest, digest_when_loaded(execution[0].space));
        assert_int_not_equal(digest, before);
        assert_int_equal(digest == 0, space_count(execution[0].space) == 0);
        before = digest;
    }
    close_both(execution);
    buf_fini(&record);
}

/* ---- what was planted ---- */

static void run_both(struct execution execution[2], uint64_t position, const char *text)
{
    struct buf record;

    buf_init(&record, RECORD_BYTES_MAX);
    make_record(&record, text, (int64_t)position);
    for (int of = 0; of < 2; of++)
        execute_record(&execution[of], position, buf_bytes(&record), NULL, false);
    buf_fini(&record);
}

static bool look_alike(struct execution execution[2])
{
    return space_digest(execution[0].space) == space_digest(execution[1].space);
}

/* Something else under the same name, as of the same record. */
static void plant(struct space *space, const char *name)
{
    struct spot spot = space_spot(space, bytes_of_string(name));
    uint64_t version = spot.entry->version;
    void *value = spot.entry->type == VALUE_STRING ? NULL : entry_value(spot.entry);
    struct heap *heap = space_heap(space);

    if (spot.entry->type != VALUE_STRING)
        space_change(space, &spot, version);
    switch ((enum value_type)spot.entry->type) {
    case VALUE_STRING:
        space_write_text(space, &spot, 0, BYTES("X"), version);
        break;
    case VALUE_HASH:
        map_set(value, heap, BYTES("f"), BYTES("other"));
        break;
    case VALUE_LIST:
        series_set(value, heap, series_seek(value, 0), BYTES("other"));
        break;
    case VALUE_SET:
        set_remove(value, heap, BYTES("a"));
        set_add(value, heap, BYTES("c"));
        break;
    case VALUE_SORTED:
        sorted_set(value, heap, BYTES("a"), 9);
        break;
    case VALUE_TYPES:
        break;
    }
}

static void another_value_under_the_same_key_is_seen(void **state)
{
    static const char *const made[][2] = {
        {"SET text word", "text"},      {"SET long ~", "long"},  {"HSET map f v", "map"},
        {"RPUSH list one two", "list"}, {"SADD set a b", "set"}, {"ZADD sorted 1 a", "sorted"},
    };
    struct execution execution[2];

    (void)state;
    open_both(execution);
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        run_both(execution, i + 1, made[i][0]);
        assert_true(look_alike(execution));
        plant(execution[1].space, made[i][1]);
        assert_false(look_alike(execution));
        plant(execution[0].space, made[i][1]);
        assert_true(look_alike(execution));
    }
    close_both(execution);
}

static void another_expiry_is_seen(void **state)
{
    struct execution execution[2];
    struct spot spot;

    (void)state;
    open_both(execution);
    run_both(execution, 1, "SET k v");
    spot = space_spot(execution[1].space, BYTES("k"));
    space_expire(execution[1].space, &spot, 5000, 1);
    assert_false(look_alike(execution));
    close_both(execution);
}

/* ---- how large a collection may be, of which the same is kept ---- */

static void expect(struct execution *execution, uint64_t position, const char *text,
                   const char *reply)
{
    struct buf record, out;

    buf_init(&record, RECORD_BYTES_MAX);
    buf_init(&out, 4096);
    make_record(&record, text, 1);
    execute_record(execution, position, buf_bytes(&record), &out, false);
    if (!bytes_starts_with(buf_bytes(&out), bytes_of_string(reply)))
        fail_msg("%s: %.*s", text, (int)out.len, (const char *)out.at);
    buf_fini(&out);
    buf_fini(&record);
}

static void a_collection_grows_no_further_than_it_may(void **state)
{
    static const char *const full[] = {"RPUSH l ~ ~ ~", "SADD s ~ ~ ~ x", "HSET h a ~ b ~ c ~",
                                       "ZADD z 1 ~ 2 ~ 3 ~ 4 y"};
    static const char *const more[] = {"RPUSH l x",         "LMOVE k l LEFT LEFT", "SADD s x",
                                       "SMOVE t s 1",       "HSET h d 1",          "ZADD z 4 m",
                                       "ZUNIONSTORE u 1 z", "SUNIONSTORE u s t"};
    static const char *const fine[] = {"RPUSH k x",           "SADD t 1", "LPOP l",
                                       "RPUSH l x",           "SREM s x", "HDEL h a",
                                       "ZRANGESTORE u z 0 0", "SET s v"};
    struct execution execution = {
        .space = space_open(&(struct space_options){.seed = 1, .collection_max = 1500})};
    uint64_t position = 0;

    (void)state;
    rng_seed(&rng, 3);
    for (size_t i = 0; i < ARRAY_LEN(full); i++)
        expect(&execution, ++position, full[i], ":");
    for (size_t i = 0; i < ARRAY_LEN(more); i++)
        expect(&execution, ++position, more[i], "-ERR a collection has at most 1500 bytes");
    for (size_t i = 0; i < ARRAY_LEN(fine); i++)
        expect(&execution, ++position, fine[i], i == 2 ? "$" : i == 7 ? "+OK" : ":");
    space_close(execution.space);
    execution_fini(&execution);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_follows_from_keys_and_values_alone),
        cmocka_unit_test(another_value_under_the_same_key_is_seen),
        cmocka_unit_test(another_expiry_is_seen),
        cmocka_unit_test(a_collection_grows_no_further_than_it_may),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
