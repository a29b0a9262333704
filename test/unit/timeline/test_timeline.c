/*
 * A timeline on virtual time and a disk that loses power, fails and fills up.
 */
#include "disk_sim.h"
#include "facts.h"
#include "loop_sim.h"
#include "timeline/quota.h"
#include "timeline/timeline.h"
#include "unit.h"
#include "wal/wal.h"

#include <errno.h>
#include <stdio.h>

enum { SEGMENT_BYTES = 8192, SEGMENTS = 4, RECENT = 64 };

struct bench {
    struct sim_world world;
    struct sim_host *host;
    struct disk_sim disk;
    struct timeline *timeline;
    struct timeline_options options;
    uint64_t opened;
    unsigned news, failures, repairs;
};

/* ---- the bench ---- */

static void on_disk_state(void *context, const struct err *err)
{
    struct bench *bench = context;

    if (err)
        bench->failures++;
    else
        bench->repairs++;
}

static void on_news(void *context)
{
    ((struct bench *)context)->news++;
}

static void open_timeline(struct bench *bench)
{
    struct err err = {0};

    sim_loop_open(bench->host);
    bench->options = (struct timeline_options){.loop = bench->host->loop,
                                               .disk = &bench->disk.disk,
                                               .seed = ++bench->opened,
                                               .node = "alpha",
                                               .segment_bytes = SEGMENT_BYTES,
                                               .segments = SEGMENTS,
                                               .recent = RECENT,
                                               .disk_state = on_disk_state,
                                               .news = on_news,
                                               .context = bench};
    if (!timeline_open(&bench->timeline, &bench->options, &err))
        fail_msg("%s", err.text);
}

static void close_timeline(struct bench *bench)
{
    timeline_close(bench->timeline);
    bench->timeline = NULL;
    sim_loop_close(bench->host);
}

static void begin(struct bench *bench, uint64_t seed)
{
    *bench = (struct bench){0};
    sim_world_init(&bench->world, seed, 1, NULL);
    bench->host = &bench->world.host[0];
    bench->host->powered = true;
    disk_sim_init(&bench->disk, seed, 1 << 30);
    open_timeline(bench);
}

static void end(struct bench *bench)
{
    if (bench->timeline)
        close_timeline(bench);
    disk_sim_fini(&bench->disk);
    sim_world_fini(&bench->world);
}

static void run_ms(struct bench *bench, int64_t ms)
{
    int64_t until = bench->world.now + ms * NS_PER_MS;

    while (sim_step(&bench->world, until)) {
    }
}

/* Codes in turn, so that none is a flood. */
static void record(struct bench *bench, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct fact fact;

        fact_init(&fact, codes[i % code_count].code, SUBJECT_NODE, "beta");
        timeline_record(bench->timeline, &fact);
    }
}

static uint64_t newest(const struct bench *bench)
{
    return timeline_view(bench->timeline).last.sequence;
}

struct heard {
    struct exchange_reply reply;
    uint8_t storage[EXCHANGE_REPLY_MAX];
    unsigned times;
};

static struct heard heard;

static void on_answered(void *context, struct bytes bytes)
{
    const char *why;

    (void)context;
    assert_in_range(bytes.len, 1, sizeof heard.storage);
    memcpy(heard.storage, bytes.at, bytes.len);
    assert_true(exchange_read_reply(bytes_of(heard.storage, bytes.len), &heard.reply, &why));
    heard.times++;
}

static void ask(struct bench *bench, const struct exchange_request *request)
{
    uint8_t storage[EXCHANGE_REQUEST_MAX];
    struct buf out;

    buf_over(&out, storage, sizeof storage);
    exchange_add_request(request, &out);
    heard.times = 0;
    assert_true(timeline_ask(bench->timeline, buf_bytes(&out), on_answered, NULL));
    assert_int_equal(heard.times, 0);
    run_ms(bench, 1000);
    assert_int_equal(heard.times, 1);
}

/* All that a timeline still has, page by page. Checks the order; *first and *last of what there is. */
static uint32_t read_all(struct bench *bench, uint64_t *first, uint64_t *last)
{
    struct exchange_request request = {.limit = 50};
    uint32_t total = 0;

    *last = *first = 0;
    do {
        ask(bench, &request);
        for (struct bytes facts = heard.reply.facts; facts.len;) {
            struct fact fact;
            const char *why;
            size_t used;

            assert_int_equal(fact_decode(facts, &fact, &used, &why), FACT_READ);
            assert_true(fact.sequence > *last);
            *first = *first ? *first : fact.sequence;
            *last = fact.sequence;
            total++;
            facts = bytes_skip(facts, used);
        }
        request.after = heard.reply.scanned;
    } while (heard.reply.more);
    return total;
}

/* ---- recording ---- */

static void a_fact_is_stamped_and_comes_to_the_disk(void **state)
{
    struct bench bench;
    const struct fact *fact;

    (void)state;
    begin(&bench, 1);
    timeline_identify(bench.timeline, 3, 17);
    record(&bench, 1);
    fact = timeline_recent(bench.timeline, 0);
    assert_string_equal(fact->node, "alpha");
    assert_int_equal(fact->member, 3);
    assert_int_equal(fact->incarnation, 17);
    assert_int_equal(fact->sequence, 1);
    assert_true(fact->origin != 0);
    assert_false(timeline_settled(bench.timeline));
    run_ms(&bench, 1000);
    assert_true(timeline_settled(bench.timeline));
    assert_int_equal(timeline_view(bench.timeline).durable, 1);
    assert_int_equal(bench.news, 1);
    assert_null(timeline_recent(bench.timeline, 1));
    end(&bench);
}

static void moments_rise_within_a_node(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 1);
    record(&bench, 20);
    for (uint32_t i = 1; i < 20; i++)
        assert_true(moment_compare(timeline_recent(bench.timeline, i)->at,
                                   timeline_recent(bench.timeline, i - 1)->at) < 0);
    end(&bench);
}

static void facts_of_one_moment_share_a_sync(void **state)
{
    struct bench bench;
    uint64_t syncs;

    (void)state;
    begin(&bench, 1);
    syncs = bench.disk.syncs;
    record(&bench, 20);
    run_ms(&bench, 1000);
    assert_true(timeline_settled(bench.timeline));
    assert_int_equal(bench.disk.syncs, syncs + 1);
    end(&bench);
}

static void what_others_said_is_before_what_happens_next(void **state)
{
    struct bench bench;
    struct moment theirs;

    (void)state;
    begin(&bench, 1);
    theirs = timeline_now(bench.timeline);
    theirs.wall_ms += 5000;
    assert_true(timeline_heard(bench.timeline, theirs));
    record(&bench, 1);
    assert_true(moment_compare(theirs, timeline_recent(bench.timeline, 0)->at) < 0);
    theirs.wall_ms += 10LL * MOMENT_AHEAD_MAX_MS;
    assert_false(timeline_heard(bench.timeline, theirs));
    end(&bench);
}

static void a_flood_is_left_out_and_said(void **state)
{
    struct bench bench;
    struct fact fact;

    (void)state;
    begin(&bench, 1);
    fact_init(&fact, FACT_STRANGER_REFUSED, SUBJECT_STRANGER, "192.0.2.1");
    for (int i = 0; i < 1000; i++) {
        timeline_record(bench.timeline, &fact);
        if (i < 100 && i % 50 == 0)
            run_ms(&bench, 1000);
    }
    assert_int_equal(newest(&bench), QUOTA_BURST);
    run_ms(&bench, 61000);
    assert_int_equal(newest(&bench), QUOTA_BURST + 1);
    assert_int_equal(timeline_recent(bench.timeline, 0)->code, FACT_FACTS_LEFT_OUT);
    assert_int_equal(timeline_recent(bench.timeline, 0)->numbers[0].value, 1000 - QUOTA_BURST);
    assert_int_equal(timeline_view(bench.timeline).left_out, 1000 - QUOTA_BURST);
    end(&bench);
}

/* ---- asking ---- */

static void the_newest_come_from_memory(void **state)
{
    struct exchange_request request = {.newest = true, .limit = 5};
    struct bench bench;

    (void)state;
    begin(&bench, 1);
    record(&bench, 30);
    ask(&bench, &request);
    assert_int_equal(heard.reply.count, 5);
    assert_int_equal(heard.reply.scanned.sequence, 30);
    assert_string_equal(heard.reply.node, "alpha");
    assert_true(heard.reply.more);
    end(&bench);
}

static void what_memory_forgot_comes_from_the_disk(void **state)
{
    uint64_t first, last;
    struct bench bench;

    (void)state;
    begin(&bench, 1);
    for (int i = 0; i < 5; i++) {
        record(&bench, 20);
        run_ms(&bench, 1000);
    }
    assert_int_equal(timeline_view(bench.timeline).first.sequence, 100 - RECENT + 1);
    record(&bench, 5);
    assert_int_equal(read_all(&bench, &first, &last), 105);
    assert_int_equal(first, 1);
    end(&bench);
}

static void a_request_that_is_none_is_refused_with_a_sentence(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 1);
    heard.times = 0;
    assert_true(timeline_ask(bench.timeline, BYTES("garbage"), on_answered, NULL));
    run_ms(&bench, 10);
    assert_int_equal(heard.times, 1);
    assert_true(heard.reply.sentence[0] != '\0');
    end(&bench);
}

static void asks_are_bounded(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 1);
    for (int i = 0; i < TIMELINE_ASKS_MAX; i++)
        assert_true(timeline_ask(bench.timeline, BYTES(""), on_answered, NULL));
    assert_false(timeline_ask(bench.timeline, BYTES(""), on_answered, NULL));
    end(&bench);
}

static void without_a_disk_there_is_memory(void **state)
{
    uint64_t first, last;
    struct bench bench;
    struct err err;

    (void)state;
    begin(&bench, 1);
    timeline_close(bench.timeline);
    bench.options.disk = NULL;
    assert_true(timeline_open(&bench.timeline, &bench.options, &err));
    record(&bench, RECENT + 10);
    assert_true(timeline_settled(bench.timeline));
    assert_int_equal(read_all(&bench, &first, &last), RECENT);
    assert_int_equal(first, 11);
    end(&bench);
}

/* ---- lives ---- */

static void goes_on_after_a_restart(void **state)
{
    uint64_t first, last, origin;
    struct exchange_request request = {.limit = 50};
    struct bench bench;

    (void)state;
    begin(&bench, 1);
    record(&bench, 3);
    run_ms(&bench, 1000);
    origin = timeline_view(bench.timeline).last.origin;
    close_timeline(&bench);
    open_timeline(&bench);
    assert_int_equal(newest(&bench), 3);
    record(&bench, 2);
    assert_int_equal(newest(&bench), 5);
    assert_true(timeline_view(bench.timeline).last.origin != origin);
    assert_int_equal(read_all(&bench, &first, &last), 5);
    request.after = (struct place){origin, 3};
    ask(&bench, &request);
    assert_int_equal(heard.reply.count, 2);
    end(&bench);
}

/* Told to somebody, lost in a crash, and the sequence given again: the follower still sees what came after. */
static void a_follower_sees_all_after_a_crash_that_lost_what_it_saw(void **state)
{
    struct exchange_request request = {.limit = 50};
    struct bench bench;

    (void)state;
    begin(&bench, 1);
    record(&bench, 3);
    run_ms(&bench, 1000);
    record(&bench, 2);
    request.after = timeline_view(bench.timeline).last;
    close_timeline(&bench);
    disk_sim_crash(&bench.disk);
    open_timeline(&bench);
    assert_int_equal(newest(&bench), 3);
    record(&bench, 4);
    ask(&bench, &request);
    assert_int_equal(heard.reply.count, 4);
    end(&bench);
}

static void the_disk_is_bounded_and_the_newest_stay(void **state)
{
    uint64_t first, last;
    struct bench bench;

    (void)state;
    begin(&bench, 1);
    for (int i = 0; i < 60; i++) {
        record(&bench, 20);
        run_ms(&bench, 1000);
    }
    assert_true(timeline_settled(bench.timeline));
    assert_true(disk_sim_used(&bench.disk) <= (SEGMENTS + 2) * SEGMENT_BYTES);
    close_timeline(&bench);
    open_timeline(&bench);
    assert_true(read_all(&bench, &first, &last) > RECENT);
    assert_int_equal(last, 1200);
    end(&bench);
}

/* ---- a disk that does not take facts ---- */

static void a_full_disk_costs_durability_and_no_fact(void **state)
{
    uint64_t first, last;
    struct bench bench;

    (void)state;
    begin(&bench, 1);
    record(&bench, 10);
    run_ms(&bench, 1000);
    disk_sim_fail(&bench.disk, DISK_SIM_WRITE | DISK_SIM_ALLOCATE, 1, ENOSPC);
    record(&bench, 10);
    run_ms(&bench, 1000);
    assert_int_equal(bench.failures, 1);
    assert_false(timeline_view(bench.timeline).writing);
    assert_int_equal(read_all(&bench, &first, &last), 20);
    run_ms(&bench, 20000);
    assert_int_equal(bench.repairs, 1);
    assert_true(timeline_settled(bench.timeline));
    assert_int_equal(timeline_view(bench.timeline).lost, 0);
    end(&bench);
}

static void what_is_forgotten_before_the_disk_takes_it_is_counted_and_said(void **state)
{
    uint64_t first, last;
    struct bench bench;

    (void)state;
    begin(&bench, 1);
    bench.disk.capacity_bytes = 0;
    disk_sim_fail(&bench.disk, DISK_SIM_SYNC, 1, EIO);
    record(&bench, RECENT);
    run_ms(&bench, 1000);
    assert_int_equal(bench.failures, 1);
    record(&bench, 10);
    bench.disk.capacity_bytes = 1 << 30;
    run_ms(&bench, 20000);
    assert_true(timeline_settled(bench.timeline));
    assert_int_equal(timeline_view(bench.timeline).lost, 10);
    assert_int_equal(timeline_recent(bench.timeline, 0)->code, FACT_FACTS_LOST);
    assert_int_equal(timeline_recent(bench.timeline, 0)->numbers[0].value, 10);
    close_timeline(&bench);
    open_timeline(&bench);
    read_all(&bench, &first, &last);
    assert_int_equal(last, RECENT + 11);
    end(&bench);
}

/* ---- crashes ---- */

/* Whatever was durable is there after a crash, in order, but for what was recycled; and nothing that was never recorded. */
static void one_story(uint64_t seed)
{
    struct bench bench;
    struct rng rng;

    begin(&bench, seed);
    rng_seed(&rng, seed);
    for (int life = 0; life < 6; life++) {
        uint64_t durable, recorded, first, last;

        if (rng_chance(&rng, 0.3))
            disk_sim_fail(&bench.disk, DISK_SIM_CHANGES, 1 + rng_below(&rng, 20),
                          rng_chance(&rng, 0.5) ? EIO : ENOSPC);
        if (rng_chance(&rng, 0.8))
            disk_sim_crash_after(&bench.disk, 1 + rng_below(&rng, 60));
        for (uint64_t i = rng_below(&rng, 40); i > 0; i--) {
            record(&bench, (uint32_t)rng_below(&rng, 20));
            run_ms(&bench, (int64_t)rng_below(&rng, 1000));
        }
        durable = timeline_view(bench.timeline).durable;
        recorded = newest(&bench);
        close_timeline(&bench);
        if (disk_sim_is_dead(&bench.disk) || rng_chance(&rng, 0.5))
            disk_sim_crash(&bench.disk);
        else
            disk_sim_kill(&bench.disk);
        disk_sim_crash_after(&bench.disk, 0);
        disk_sim_fail(&bench.disk, 0, 0, 0);
        open_timeline(&bench);
        read_all(&bench, &first, &last);
        if (last > recorded || last < durable)
            fail_msg("seed %d, life %d: %d facts recorded, %d durable, up to %d found", (int)seed,
                     life, (int)recorded, (int)durable, (int)last);
    }
    end(&bench);
}

static void what_was_durable_survives_every_crash(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++)
        one_story(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fact_is_stamped_and_comes_to_the_disk),
        cmocka_unit_test(moments_rise_within_a_node),
        cmocka_unit_test(facts_of_one_moment_share_a_sync),
        cmocka_unit_test(what_others_said_is_before_what_happens_next),
        cmocka_unit_test(a_flood_is_left_out_and_said),
        cmocka_unit_test(the_newest_come_from_memory),
        cmocka_unit_test(what_memory_forgot_comes_from_the_disk),
        cmocka_unit_test(a_request_that_is_none_is_refused_with_a_sentence),
        cmocka_unit_test(asks_are_bounded),
        cmocka_unit_test(without_a_disk_there_is_memory),
        cmocka_unit_test(goes_on_after_a_restart),
        cmocka_unit_test(a_follower_sees_all_after_a_crash_that_lost_what_it_saw),
        cmocka_unit_test(the_disk_is_bounded_and_the_newest_stay),
        cmocka_unit_test(a_full_disk_costs_durability_and_no_fact),
        cmocka_unit_test(what_is_forgotten_before_the_disk_takes_it_is_counted_and_said),
        cmocka_unit_test(what_was_durable_survives_every_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
