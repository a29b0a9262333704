/*
 * Metadata in two slots, and whole files that are replaced.
 */
#include "disk_sim.h"
#include "unit.h"
#include "wal/wal.h"

#include <errno.h>

enum { SLOT_BYTES = 4096, FILE_BYTES = 4 * SLOT_BYTES, SEEDS = 300 };

static struct disk_sim sim;
static struct wal_meta meta;
static struct err err;

static int init(void **state)
{
    (void)state;
    disk_sim_init(&sim, 3, 1 << 20);
    return 0;
}

static int fini(void **state)
{
    (void)state;
    disk_sim_fini(&sim);
    return 0;
}

static struct bytes body(void)
{
    return bytes_of(meta.body, meta.len);
}

static void start(void)
{
    if (!wal_meta_open(&meta, &sim.disk, "meta", &err))
        fail_msg("%s", err.text);
}

/* ---- metadata ---- */

static void metadata_begins_empty_and_keeps_what_was_written(void **state)
{
    static const uint8_t most[WAL_META_BYTES_MAX] = {1, 2, 3};

    (void)state;
    start();
    assert_int_equal(meta.len, 0);
    assert_true(wal_meta_write(&meta, BYTES("first"), &err));
    assert_true(bytes_equal(body(), BYTES("first")));
    assert_true(wal_meta_write(&meta, BYTES("second"), &err));
    disk_sim_crash(&sim);
    start();
    assert_true(bytes_equal(body(), BYTES("second")));
    assert_true(wal_meta_write(&meta, bytes_of(most, sizeof most), &err));
    disk_sim_crash(&sim);
    start();
    assert_true(bytes_equal(body(), bytes_of(most, sizeof most)));
}

static void a_torn_slot_leaves_the_other(void **state)
{
    static uint8_t before[FILE_BYTES], after[FILE_BYTES], torn[FILE_BYTES];

    (void)state;
    start();
    assert_true(wal_meta_write(&meta, BYTES("term 1"), &err));
    for (unsigned slot = 0; slot < 2; slot++) {
        memcpy(before, disk_sim_bytes(&sim, "meta").at, sizeof before);
        assert_true(wal_meta_write(&meta, BYTES("term 2"), &err));
        memcpy(after, disk_sim_bytes(&sim, "meta").at, sizeof after);
        for (size_t cut = 0; cut <= sizeof after; cut++) {
            bool whole = false;

            memcpy(torn, before, sizeof torn);
            memcpy(torn, after, cut);
            for (size_t at = 0; at < sizeof torn; at += SLOT_BYTES)
                whole |= memcmp(before + at, after + at, SLOT_BYTES) != 0 &&
                         memcmp(torn + at, after + at, SLOT_BYTES) == 0;
            disk_sim_put(&sim, "meta", bytes_of(torn, sizeof torn));
            start();
            assert_true(bytes_equal(body(), whole ? BYTES("term 2") : BYTES("term 1")));
            wal_meta_close(&meta);
        }
        disk_sim_put(&sim, "meta", bytes_of(before, sizeof before));
        start(); /* which itself moves on to the other slot */
    }
}

static void damage_to_one_place_costs_nothing(void **state)
{
    (void)state;
    start();
    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint64_t at = 0; at < FILE_BYTES; at++) {
            assert_true(wal_meta_write(&meta, BYTES("term 1"), &err));
            assert_true(wal_meta_write(&meta, BYTES("term 2"), &err));
            wal_meta_close(&meta);
            disk_sim_flip(&sim, "meta", at * 8 + at % 8);
            start();
            assert_true(bytes_equal(body(), BYTES("term 2")));
        }
        /* Next time each place is damaged while the other slot is the newest. */
        assert_true(wal_meta_write(&meta, BYTES("term 1"), &err));
    }
}

static void a_file_without_a_second_copy_gets_one(void **state)
{
    static uint8_t old[FILE_BYTES / 2];

    (void)state;
    start();
    assert_true(wal_meta_write(&meta, BYTES("term 1"), &err));
    memcpy(old, disk_sim_bytes(&sim, "meta").at, sizeof old);
    wal_meta_close(&meta);
    disk_sim_put(&sim, "meta", bytes_of(old, sizeof old));
    start();
    assert_true(bytes_equal(body(), BYTES("term 1")));
    assert_true(wal_meta_write(&meta, BYTES("term 2"), &err));
    assert_int_equal(disk_sim_bytes(&sim, "meta").len, FILE_BYTES);
    disk_sim_crash(&sim);
    start();
    assert_true(bytes_equal(body(), BYTES("term 2")));
}

static void damage_to_all_copies_is_refused(void **state)
{
    (void)state;
    start();
    assert_true(wal_meta_write(&meta, BYTES("term 1"), &err));
    wal_meta_close(&meta);
    for (uint64_t at = 9; at < FILE_BYTES; at += SLOT_BYTES)
        disk_sim_flip(&sim, "meta", at * 8);
    assert_false(wal_meta_open(&meta, &sim.disk, "meta", &err));
    assert_int_equal(err.number, EILSEQ);
    assert_string_equal(
        err.text,
        "open 'meta': 'meta' is damaged: neither of its two slots is valid in either copy");
    disk_sim_put(&sim, "meta", BYTES("short"));
    assert_false(wal_meta_open(&meta, &sim.disk, "meta", &err));
}

static void a_failed_sync_poisons_metadata_and_a_full_disk_does_not(void **state)
{
    (void)state;
    start();
    assert_true(wal_meta_write(&meta, BYTES("old"), &err));
    disk_sim_fail(&sim, DISK_SIM_WRITE, 1, ENOSPC);
    assert_false(wal_meta_write(&meta, BYTES("new"), &err));
    assert_int_equal(err.number, ENOSPC);
    assert_true(bytes_equal(body(), BYTES("old")));
    assert_true(wal_meta_write(&meta, BYTES("new"), &err));
    disk_sim_fail(&sim, DISK_SIM_SYNC, 1, EIO);
    assert_false(wal_meta_write(&meta, BYTES("newer"), &err));
    assert_false(wal_meta_write(&meta, BYTES("newer"), &err));
    assert_int_equal(err.number, EIO);
    assert_true(bytes_equal(body(), BYTES("new")));
}

static void metadata_is_the_last_written_or_the_one_under_way(void **state)
{
    static uint8_t bodies[64][200];

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(bodies); i++)
        memset(bodies[i], (int)i, sizeof bodies[i]);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        unsigned written = 0;
        bool ok = false;

        disk_sim_fini(&sim);
        disk_sim_init(&sim, seed, 1 << 20);
        for (unsigned life = 0; life < 4; life++) {
            disk_sim_crash_after(&sim, 1 + rng_below(&sim.rng, 20));
            ok = wal_meta_open(&meta, &sim.disk, "meta", &err);
            while (ok) {
                ok = wal_meta_write(&meta, bytes_of(bodies[written + 1], 200), &err);
                written += ok;
            }
            disk_sim_crash(&sim);
            start();
            assert_true(meta.len == (written ? 200 : 0) || meta.body[0] == written + 1);
            assert_true(meta.len == 0 || meta.body[0] == written || meta.body[0] == written + 1);
            written = meta.len ? meta.body[0] : 0;
            disk_sim_crash(&sim);
            start();
            assert_int_equal(meta.len ? meta.body[0] : 0, written);
            wal_meta_close(&meta);
        }
    }
}

/* ---- whole files ---- */

static uint8_t long_body[10000], short_body[600];

static void a_file_is_the_old_or_the_new_one(void **state)
{
    unsigned olds = 0, news = 0;
    struct buf out;

    (void)state;
    memset(long_body, 'l', sizeof long_body);
    memset(short_body, 's', sizeof short_body);
    buf_init(&out, 1 << 20);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        bool replaced;

        disk_sim_fini(&sim);
        disk_sim_init(&sim, seed, 1 << 20);
        assert_true(
            wal_file_replace(&sim.disk, "snapshot", bytes_of(long_body, sizeof long_body), &err));
        disk_sim_crash_after(&sim, 1 + seed % 7);
        replaced =
            wal_file_replace(&sim.disk, "snapshot", bytes_of(short_body, sizeof short_body), &err);
        disk_sim_crash(&sim);
        buf_clear(&out);
        if (!wal_file_read(&sim.disk, "snapshot", &out, &err))
            fail_msg("%s", err.text);
        if (out.len == sizeof short_body) {
            assert_memory_equal(out.at, short_body, sizeof short_body);
            news++;
        } else {
            assert_false(replaced);
            assert_int_equal(out.len, sizeof long_body);
            assert_memory_equal(out.at, long_body, sizeof long_body);
            olds++;
        }
    }
    assert_true(olds > 50 && news > 20);
    buf_fini(&out);
}

static void a_damaged_a_missing_and_a_large_file_are_told_apart(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 8);
    assert_false(wal_file_read(&sim.disk, "snapshot", &out, &err));
    assert_int_equal(err.number, ENOENT);
    assert_true(wal_file_replace(&sim.disk, "snapshot", BYTES("12345678"), &err));
    assert_true(wal_file_read(&sim.disk, "snapshot", &out, &err));
    assert_true(bytes_equal(buf_bytes(&out), BYTES("12345678")));
    assert_false(wal_file_read(&sim.disk, "snapshot", &out, &err));
    assert_int_equal(err.number, EFBIG);
    for (uint64_t bit = 0; bit < (32 + 8) * 8; bit++) {
        disk_sim_flip(&sim, "snapshot", bit);
        buf_clear(&out);
        assert_false(wal_file_read(&sim.disk, "snapshot", &out, &err));
        assert_int_equal(err.number, EILSEQ);
        disk_sim_flip(&sim, "snapshot", bit);
    }
    disk_sim_put(&sim, "snapshot", BYTES("x"));
    assert_false(wal_file_read(&sim.disk, "snapshot", &out, &err));
    assert_string_equal(err.text, "read 'snapshot': it has 1 bytes");
    buf_fini(&out);
}

static void a_replacement_that_does_not_fit_leaves_the_old_file_and_no_rest(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    assert_true(wal_file_replace(&sim.disk, "snapshot", BYTES("old"), &err));
    sim.capacity_bytes = 5000;
    assert_false(
        wal_file_replace(&sim.disk, "snapshot", bytes_of(long_body, sizeof long_body), &err));
    assert_int_equal(err.number, ENOSPC);
    assert_true(wal_file_read(&sim.disk, "snapshot", &out, &err));
    assert_true(bytes_equal(buf_bytes(&out), BYTES("old")));
    assert_false(disk_sim_exists(&sim, "snapshot.new"));
    buf_fini(&out);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, init, fini)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(metadata_begins_empty_and_keeps_what_was_written),
        STORY(a_torn_slot_leaves_the_other),
        STORY(damage_to_one_place_costs_nothing),
        STORY(a_file_without_a_second_copy_gets_one),
        STORY(damage_to_all_copies_is_refused),
        STORY(a_failed_sync_poisons_metadata_and_a_full_disk_does_not),
        STORY(metadata_is_the_last_written_or_the_one_under_way),
        STORY(a_file_is_the_old_or_the_new_one),
        STORY(a_damaged_a_missing_and_a_large_file_are_told_apart),
        STORY(a_replacement_that_does_not_fit_leaves_the_old_file_and_no_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
