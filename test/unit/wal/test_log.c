/*
 * The log, story by story: what comes back after a restart, what is cut, what is refused and in which words.
 */
#include "disk_sim.h"
#include "unit.h"
#include "wal/wal.h"

#include <errno.h>
#include <stdio.h>

enum { SEGMENT_BYTES = 4096, FIRST_BATCH = 64 };

#define FIRST_SEGMENT "log-0000000000000001"
#define SECOND_SEGMENT "log-0000000000000002"

static struct disk_sim sim;
static struct wal *wal;
static struct err err;
static uint64_t seed;
static struct wal_place remembered; /* by the owner, of starts before */
static char story[4096];            /* "index:tag=body " of every record */

static bool try_open(void)
{
    const struct wal_options options = {.prefix = "log",
                                        .segment_bytes = SEGMENT_BYTES,
                                        .segments_max = 8,
                                        .spares = 1,
                                        .seed = ++seed,
                                        .expected = remembered};

    return wal_open(&wal, &sim.disk, &options, &err);
}

static void start(void)
{
    if (!try_open())
        fail_msg("%s", err.text);
}

static int init(void **state)
{
    (void)state;
    seed = 0;
    remembered = (struct wal_place){0};
    disk_sim_init(&sim, 7, 1 << 20);
    start();
    return 0;
}

static int fini(void **state)
{
    (void)state;
    wal_close(wal);
    wal = NULL;
    disk_sim_fini(&sim);
    return 0;
}

static void stop(void)
{
    wal_close(wal);
    wal = NULL;
}

static void power_cut(void)
{
    stop();
    disk_sim_crash(&sim);
    start();
}

static bool append(uint64_t tag, const char *body)
{
    struct wal_record record = {wal_next(wal), tag, bytes_of_string(body)};

    return wal_append(wal, &record, &err);
}

static void append_synced(uint64_t tag, const char *body)
{
    assert_true(append(tag, body));
    assert_true(wal_sync(wal, &err));
}

static bool tell(void *context, const struct wal_record *record)
{
    size_t len = strlen(story);

    (void)context;
    snprintf(story + len, sizeof story - len, "%s%llu:%llu=%.*s", len ? " " : "",
             (unsigned long long)record->index, (unsigned long long)record->tag,
             (int)(record->body.len < 8 ? record->body.len : 8), (const char *)record->body.at);
    return true;
}

static const char *told(uint64_t from, uint64_t to)
{
    story[0] = '\0';
    if (!wal_each(wal, from, to, tell, NULL, &err))
        fail_msg("%s", err.text);
    return story;
}

static const char *all(void)
{
    return told(0, UINT64_MAX);
}

/* A body of which three fill a segment. */
static const char *big(char letter)
{
    static char body[1200];

    memset(body, letter, sizeof body - 1);
    return body;
}

/* ---- coming back ---- */

static void what_was_synced_comes_back(void **state)
{
    (void)state;
    assert_int_equal(wal_first(wal), 1);
    assert_int_equal(wal_next(wal), 1);
    assert_true(append(1, "a"));
    assert_true(append(1, ""));
    assert_int_equal(wal_durable(wal), 0);
    assert_true(wal_sync(wal, &err));
    assert_int_equal(wal_durable(wal), 2);
    append_synced(2, "c");
    power_cut();
    assert_string_equal(all(), "1:1=a 2:1= 3:2=c");
    assert_int_equal(wal_next(wal), 4);
    assert_int_equal(wal_durable(wal), 3);
}

static void records_go_on_in_the_next_segment(void **state)
{
    (void)state;
    for (char letter = 'a'; letter < 'i'; letter++)
        assert_true(append(1, big(letter)));
    assert_int_equal(wal_segments(wal), 3);
    assert_true(wal_sync(wal, &err));
    power_cut();
    assert_int_equal(wal_segments(wal), 3);
    assert_string_equal(told(3, 4), "3:1=cccccccc 4:1=dddddddd");
    assert_string_equal(told(8, 99), "8:1=hhhhhhhh");
    assert_string_equal(told(9, 99), "");
}

static void a_commit_is_one_write_and_one_sync(void **state)
{
    uint64_t changes;

    (void)state;
    append_synced(1, "a");
    changes = sim.changes;
    assert_true(append(1, "b"));
    assert_true(append(1, "c"));
    assert_true(wal_sync(wal, &err));
    assert_int_equal(sim.changes - changes, 2);
    assert_true(wal_sync(wal, &err));
    assert_int_equal(sim.changes - changes, 2);
}

static bool stop_at_two(void *context, const struct wal_record *record)
{
    tell(context, record);
    return record->index < 2;
}

static void a_reader_may_stop(void **state)
{
    (void)state;
    append_synced(1, "a");
    append_synced(1, "b");
    append_synced(1, "c");
    story[0] = '\0';
    assert_true(wal_each(wal, 0, UINT64_MAX, stop_at_two, NULL, &err));
    assert_string_equal(story, "1:1=a 2:1=b");
}

/* ---- the torn end ---- */

static void a_last_write_cut_at_any_byte_is_cut_off_whole(void **state)
{
    static uint8_t before[SEGMENT_BYTES], after[SEGMENT_BYTES], torn[SEGMENT_BYTES];

    (void)state;
    append_synced(1, "one");
    memcpy(before, disk_sim_bytes(&sim, FIRST_SEGMENT).at, SEGMENT_BYTES);
    assert_true(append(2, "two"));
    assert_true(append(2, "three"));
    assert_true(wal_sync(wal, &err));
    memcpy(after, disk_sim_bytes(&sim, FIRST_SEGMENT).at, SEGMENT_BYTES);
    for (size_t cut = 0; cut <= SEGMENT_BYTES; cut++) {
        bool whole;

        stop();
        memcpy(torn, before, SEGMENT_BYTES);
        memcpy(torn, after, cut);
        whole = memcmp(torn, after, SEGMENT_BYTES) == 0;
        disk_sim_put(&sim, FIRST_SEGMENT, bytes_of(torn, SEGMENT_BYTES));
        start();
        assert_string_equal(all(), whole ? "1:1=one 2:2=two 3:2=three" : "1:1=one");
        /* What is torn is not found again behind what is written over it. */
        append_synced(3, "x");
        power_cut();
        assert_string_equal(all(), whole ? "1:1=one 2:2=two 3:2=three 4:3=x" : "1:1=one 2:3=x");
    }
}

static void a_damaged_middle_is_refused_with_file_and_offset(void **state)
{
    (void)state;
    append_synced(1, "one");
    append_synced(1, "two");
    append_synced(1, "three");
    stop();
    disk_sim_flip(&sim, FIRST_SEGMENT, (FIRST_BATCH + 64 + 40) * 8);
    assert_false(try_open());
    assert_int_equal(err.number, EILSEQ);
    assert_string_equal(err.text, "open log 'log': '" FIRST_SEGMENT
                                  "' is damaged at offset 128: the batch is not valid, but a later "
                                  "one, at 192, is");
}

static void damage_in_an_older_segment_is_refused_wherever_it_is(void **state)
{
    (void)state;
    for (char letter = 'a'; letter < 'f'; letter++)
        append_synced(1, big(letter));
    stop();
    disk_sim_flip(&sim, FIRST_SEGMENT, 3500 * 8); /* in its last batch */
    assert_false(try_open());
    assert_string_equal(err.text, "open log 'log': '" FIRST_SEGMENT
                                  "' is damaged at offset 2576: a batch is not valid");
    disk_sim_flip(&sim, FIRST_SEGMENT, 3500 * 8);
    disk_sim_flip(&sim, SECOND_SEGMENT, 20 * 8);
    assert_false(try_open());
    assert_string_equal(err.text, "open log 'log': '" SECOND_SEGMENT
                                  "' is damaged at offset 0: its header is not valid");
}

static void a_missing_segment_is_refused(void **state)
{
    (void)state;
    for (char letter = 'a'; letter < 'i'; letter++)
        append_synced(1, big(letter));
    stop();
    assert_true(sim.disk.ops->remove(&sim.disk, SECOND_SEGMENT, &err));
    assert_false(try_open());
    assert_string_equal(err.text, "open log 'log': '" SECOND_SEGMENT
                                  "' is damaged at offset 0: the segment is missing");
}

static void assert_absent(const char *name)
{
    struct err open_err;
    int file;

    assert_false(sim.disk.ops->open(&sim.disk, name, false, &file, &open_err));
    assert_int_equal(open_err.number, ENOENT);
}

/* Not once, and then begun anew. */
static void a_log_that_is_gone_is_refused_to_who_remembers_it(void **state)
{
    (void)state;
    append_synced(1, "a");
    remembered = wal_newest(wal);
    stop();
    assert_true(sim.disk.ops->remove(&sim.disk, FIRST_SEGMENT, &err));
    for (int i = 0; i < 2; i++) {
        assert_false(try_open());
        assert_int_equal(err.number, ENOENT);
        assert_string_equal(err.text, "open log 'log': none of its segments is there");
        assert_absent(FIRST_SEGMENT);
    }
}

static void a_newest_segment_that_is_gone_is_refused_to_who_remembers_it(void **state)
{
    (void)state;
    remembered = wal_newest(wal);
    for (char letter = 'a'; letter < 'e'; letter++)
        append_synced(1, big(letter));
    assert_int_equal(wal_newest(wal).segment, 2);
    stop();
    start(); /* who remembers an older one is content */
    remembered = wal_newest(wal);
    stop();
    assert_true(sim.disk.ops->remove(&sim.disk, SECOND_SEGMENT, &err));
    assert_false(try_open());
    assert_int_equal(err.number, ENOENT);
    assert_string_equal(err.text,
                        "open log 'log': its newest segment, '" SECOND_SEGMENT "', is missing");
}

static void another_log_is_refused_to_who_remembers_one(void **state)
{
    (void)state;
    append_synced(1, "a");
    remembered = wal_newest(wal);
    remembered.log++;
    stop();
    assert_false(try_open());
    assert_string_equal(err.text, "open log 'log': its segments are those of another log");
    remembered.log = 0; /* any */
    start();
    assert_string_equal(all(), "1:1=a");
}

/* Without that it looks like a write that was cut short. */
static void a_damaged_last_batch_is_refused_to_who_remembers_it(void **state)
{
    (void)state;
    append_synced(1, "one");
    remembered = wal_newest(wal);
    append_synced(1, "two");
    assert_int_equal(remembered.end, FIRST_BATCH + 64);
    assert_int_equal(wal_newest(wal).end, FIRST_BATCH + 128);
    stop();
    disk_sim_flip(&sim, FIRST_SEGMENT, (FIRST_BATCH + 64 + 40) * 8);
    start(); /* who remembers less is content */
    assert_string_equal(all(), "1:1=one");
    append_synced(2, "two");
    remembered = wal_newest(wal);
    power_cut(); /* and who remembers all that there is */
    assert_string_equal(all(), "1:1=one 2:2=two");
    stop();
    disk_sim_flip(&sim, FIRST_SEGMENT, (FIRST_BATCH + 64 + 40) * 8);
    for (int i = 0; i < 2; i++) {
        assert_false(try_open());
        assert_int_equal(err.number, EILSEQ);
        assert_string_equal(err.text, "open log 'log': '" FIRST_SEGMENT
                                      "' is damaged at offset 128: the batch is not valid, and all "
                                      "up to 192 was durable");
    }
}

/* As a disk may leave it that forgot more than one sync. */
static void a_log_that_ends_before_where_it_was_durable_is_refused(void **state)
{
    static uint8_t bytes[SEGMENT_BYTES];

    (void)state;
    append_synced(1, "one");
    append_synced(1, "two");
    append_synced(1, "three");
    remembered = wal_newest(wal);
    stop();
    memcpy(bytes, disk_sim_bytes(&sim, FIRST_SEGMENT).at, sizeof bytes);
    memset(bytes + FIRST_BATCH + 64, 0, sizeof bytes - FIRST_BATCH - 64);
    disk_sim_put(&sim, FIRST_SEGMENT, bytes_of(bytes, sizeof bytes));
    assert_false(try_open());
    assert_string_equal(err.text, "open log 'log': '" FIRST_SEGMENT
                                  "' is damaged at offset 128: the batch is not valid, and all "
                                  "up to 256 was durable");
}

static void another_size_of_segments_is_refused(void **state)
{
    const struct wal_options options = {"log", 2 * SEGMENT_BYTES, 8, 1, 1};

    (void)state;
    stop();
    assert_false(wal_open(&wal, &sim.disk, &options, &err));
    assert_string_equal(err.text,
                        "open log 'log': its segments have 4096 bytes, and 8192 were asked for");
}

/* ---- cutting ---- */

static void what_was_cut_off_never_comes_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        append_synced(1, "old");
    assert_true(wal_truncate_after(wal, 2, &err));
    assert_int_equal(wal_next(wal), 3);
    assert_string_equal(all(), "1:1=old 2:1=old");
    assert_true(wal_sync(wal, &err));
    power_cut();
    assert_string_equal(all(), "1:1=old 2:1=old");
    append_synced(1, "old"); /* the very same record: what came after it once does not follow */
    power_cut();
    assert_string_equal(all(), "1:1=old 2:1=old 3:1=old");
    assert_int_equal(wal_next(wal), 4);
}

static void a_truncation_and_what_replaces_it_are_one_change(void **state)
{
    unsigned olds = 0, news = 0;

    for (unsigned i = 0; i < 60; i++) {
        if (i > 0)
            init(state);
        rng_seed(&sim.rng, i);
        append_synced(1, "a");
        append_synced(1, "b");
        assert_true(wal_truncate_after(wal, 1, &err));
        assert_true(append(2, "c"));
        disk_sim_crash_after(&sim, 2); /* in the sync */
        assert_false(wal_sync(wal, &err));
        power_cut();
        olds += strcmp(all(), "1:1=a 2:1=b") == 0;
        news += strcmp(all(), "1:1=a 2:2=c") == 0;
        if (i < 59)
            fini(state);
    }
    assert_int_equal(olds + news, 60);
    assert_true(olds > 10 && news > 10);
}

static void what_was_only_staged_is_taken_back_without_a_trace(void **state)
{
    static uint8_t before[SEGMENT_BYTES];

    (void)state;
    append_synced(1, "a");
    memcpy(before, disk_sim_bytes(&sim, FIRST_SEGMENT).at, SEGMENT_BYTES);
    assert_true(append(1, "b") && append(1, "c"));
    assert_true(wal_truncate_after(wal, 1, &err));
    assert_true(wal_sync(wal, &err));
    assert_memory_equal(disk_sim_bytes(&sim, FIRST_SEGMENT).at, before, SEGMENT_BYTES);
    assert_true(append(2, "x") && append(2, "y") && append(2, "z"));
    assert_true(wal_truncate_after(wal, 3, &err));
    assert_true(append(3, "last"));
    assert_true(wal_sync(wal, &err));
    power_cut();
    assert_string_equal(all(), "1:1=a 2:2=x 3:2=y 4:3=last");
}

/* A full disk may be asked again and again: none of it uses up the reserve. */
static void being_refused_costs_no_room(void **state)
{
    (void)state;
    sim.capacity_bytes = 4 * SEGMENT_BYTES;
    while (append(1, big('a')))
        ;
    assert_true(wal_sync(wal, &err));
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t last = wal_durable(wal);

        assert_true(append(2, "small"));
        assert_false(append(2, big('b')));
        assert_true(wal_truncate_after(wal, last, &err));
        assert_true(wal_sync(wal, &err));
    }
    assert_true(wal_truncate_after(wal, 1, &err));
    assert_true(wal_sync(wal, &err));
}

static void a_truncation_reaches_over_segments(void **state)
{
    (void)state;
    for (char letter = 'a'; letter < 'i'; letter++)
        append_synced(1, big(letter));
    assert_true(wal_truncate_after(wal, 2, &err));
    append_synced(2, "new");
    power_cut();
    assert_string_equal(all(), "1:1=aaaaaaaa 2:1=bbbbbbbb 3:2=new");
}

static void a_reset_forgets_all_and_goes_on_elsewhere(void **state)
{
    (void)state;
    for (char letter = 'a'; letter < 'i'; letter++)
        append_synced(1, big(letter));
    assert_true(wal_reset(wal, 100, &err));
    assert_int_equal(wal_segments(wal), 1);
    assert_int_equal(wal_first(wal), 100);
    assert_int_equal(wal_durable(wal), 99);
    power_cut();
    assert_string_equal(all(), "");
    assert_int_equal(wal_next(wal), 100);
    append_synced(5, "x");
    power_cut();
    assert_string_equal(all(), "100:5=x");
}

/* ---- recycling ---- */

static void a_recycled_segment_says_nothing_of_its_earlier_life(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        append_synced(1, big('o'));
        assert_true(wal_drop_before(wal, wal_next(wal), &err));
        if (i % 10 == 0) {
            power_cut();
            assert_int_equal(wal_next(wal), i + 2);
        }
    }
    assert_int_equal(wal_segments(wal), 1);
    assert_true(disk_sim_used(&sim) <= 3 * SEGMENT_BYTES);
}

static void whole_segments_are_dropped(void **state)
{
    (void)state;
    for (char letter = 'a'; letter < 'i'; letter++)
        append_synced(1, big(letter));
    assert_true(wal_drop_before(wal, 3, &err));
    assert_int_equal(wal_first(wal), 1);
    assert_true(wal_drop_before(wal, 6, &err));
    assert_int_equal(wal_first(wal), 4);
    assert_true(wal_drop_oldest(wal, &err));
    assert_int_equal(wal_first(wal), 7);
    power_cut();
    assert_string_equal(all(), "7:1=gggggggg 8:1=hhhhhhhh");
}

/* ---- a disk that is full, and one that fails ---- */

static void a_full_disk_is_survived_and_works_again_with_room(void **state)
{
    unsigned full = 0;

    (void)state;
    sim.capacity_bytes = 4 * SEGMENT_BYTES;
    while (full < 3) {
        uint64_t next = wal_next(wal);

        if (append(1, big('a')))
            continue;
        assert_int_equal(err.number, ENOSPC);
        assert_int_equal(wal_next(wal), next);
        full++;
    }
    assert_int_equal(wal_next(wal), 10); /* three segments, and the spare in reserve */
    assert_true(wal_sync(wal, &err));
    assert_int_equal(wal_durable(wal), 9);
    sim.capacity_bytes = 6 * SEGMENT_BYTES;
    append_synced(1, "more");
    power_cut();
    assert_int_equal(wal_durable(wal), 10);
}

static void on_a_full_disk_the_tail_can_still_be_cut(void **state)
{
    (void)state;
    sim.capacity_bytes = 4 * SEGMENT_BYTES;
    while (append(1, big('a')))
        ;
    while (append(1, "a"))
        ; /* not even a small one fits */
    assert_true(wal_truncate_after(wal, 1, &err));
    assert_true(wal_sync(wal, &err));
    assert_true(wal_drop_before(wal, 1, &err));
    power_cut();
    assert_string_equal(all(), "1:1=aaaaaaaa");
    append_synced(2, "b");
}

static void the_number_of_segments_is_bounded(void **state)
{
    (void)state;
    while (append(1, big('a')))
        ;
    assert_int_equal(err.number, ENOSPC);
    assert_string_equal(err.text, "log 'log': all of its 8 segments are in use");
    assert_true(wal_drop_oldest(wal, &err));
    append_synced(1, "a");
}

static void a_failed_sync_poisons(void **state)
{
    (void)state;
    append_synced(1, "a");
    assert_true(append(1, "b"));
    disk_sim_fail(&sim, DISK_SIM_SYNC, 1, EIO);
    assert_false(wal_sync(wal, &err));
    assert_string_equal(err.text, "log 'log': sync (simulated): Input/output error");
    assert_false(wal_sync(wal, &err));
    assert_string_equal(err.text, "log 'log' failed before: what the disk holds is not known");
    assert_false(append(1, "c"));
    assert_false(wal_truncate_after(wal, 0, &err));
    assert_false(wal_reset(wal, 9, &err));
    assert_false(wal_drop_before(wal, 1, &err));
}

static void a_sync_that_finds_the_disk_full_poisons_too(void **state)
{
    (void)state;
    assert_true(append(1, "a"));
    disk_sim_fail(&sim, DISK_SIM_SYNC, 1, ENOSPC);
    assert_false(wal_sync(wal, &err));
    assert_false(wal_sync(wal, &err));
    assert_int_equal(err.number, EIO);
}

/* The page cache shows what the disk never got, and calls it clean: a later sync alone proves nothing. */
static void what_an_open_finds_is_durable_even_after_a_failed_sync(void **state)
{
    for (unsigned i = 0; i < 40; i++) {
        if (i > 0)
            init(state);
        rng_seed(&sim.rng, i);
        assert_true(append(1, "a"));
        disk_sim_fail(&sim, DISK_SIM_SYNC, 1, EIO);
        assert_false(wal_sync(wal, &err));
        stop();
        disk_sim_kill(&sim);
        start();
        assert_string_equal(all(), "1:1=a");
        power_cut();
        assert_string_equal(all(), "1:1=a");
        if (i < 39)
            fini(state);
    }
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, init, fini)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(what_was_synced_comes_back),
        STORY(records_go_on_in_the_next_segment),
        STORY(a_commit_is_one_write_and_one_sync),
        STORY(a_reader_may_stop),
        STORY(a_last_write_cut_at_any_byte_is_cut_off_whole),
        STORY(a_damaged_middle_is_refused_with_file_and_offset),
        STORY(damage_in_an_older_segment_is_refused_wherever_it_is),
        STORY(a_missing_segment_is_refused),
        STORY(a_log_that_is_gone_is_refused_to_who_remembers_it),
        STORY(a_newest_segment_that_is_gone_is_refused_to_who_remembers_it),
        STORY(another_log_is_refused_to_who_remembers_one),
        STORY(a_damaged_last_batch_is_refused_to_who_remembers_it),
        STORY(a_log_that_ends_before_where_it_was_durable_is_refused),
        STORY(another_size_of_segments_is_refused),
        STORY(what_was_cut_off_never_comes_back),
        STORY(a_truncation_and_what_replaces_it_are_one_change),
        STORY(what_was_only_staged_is_taken_back_without_a_trace),
        STORY(being_refused_costs_no_room),
        STORY(a_truncation_reaches_over_segments),
        STORY(a_reset_forgets_all_and_goes_on_elsewhere),
        STORY(a_recycled_segment_says_nothing_of_its_earlier_life),
        STORY(whole_segments_are_dropped),
        STORY(a_full_disk_is_survived_and_works_again_with_room),
        STORY(on_a_full_disk_the_tail_can_still_be_cut),
        STORY(the_number_of_segments_is_bounded),
        STORY(a_failed_sync_poisons),
        STORY(a_sync_that_finds_the_disk_full_poisons_too),
        STORY(what_an_open_finds_is_durable_even_after_a_failed_sync),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
