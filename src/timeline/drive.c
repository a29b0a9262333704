/*
 * Stamps facts, keeps them, and hands them to the thread that writes them.
 */
#include "timeline/drive.h"

#include "base/rng.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- time ---- */

static int64_t wall_ms(const struct timeline *timeline)
{
    return loop_read_clock(timeline->options.loop, LOOP_WALL).ns / NS_PER_MS;
}

struct moment timeline_now(struct timeline *timeline)
{
    timeline->last = moment_next(timeline->last, wall_ms(timeline));
    return timeline->last;
}

bool timeline_heard(struct timeline *timeline, struct moment moment)
{
    bool far;

    timeline->last = moment_merge(timeline->last, moment, wall_ms(timeline), &far);
    return !far;
}

/* ---- recording ---- */

static void arm_soon(struct timeline *timeline, struct timer *timer, int64_t ms)
{
    struct loop *loop = timeline->options.loop;

    if (!timer_armed(timer))
        timer_arm(loop, timer, after_ms(loop_now(loop), ms));
}

static void keep(struct timeline *timeline, const struct fact *fact)
{
    struct fact stamped = *fact;

    stamped.at = timeline_now(timeline);
    stamped.member = timeline->member;
    stamped.incarnation = timeline->incarnation;
    stamped.origin = timeline->origin;
    stamped.sequence = ++timeline->sequence;
    memcpy(stamped.node, timeline->node, sizeof stamped.node);
    if (timeline->recent.count == timeline->recent.cap)
        timeline->recent_is_all = false;
    recent_add(&timeline->recent, &stamped);
    arm_soon(timeline, &timeline->news, 0);
    if (timeline->jobs && !timeline->write.busy)
        arm_soon(timeline, &timeline->gather, timeline->failing ? RETRY_MS : GATHER_MS);
}

void timeline_record(struct timeline *timeline, const struct fact *fact)
{
    must(fact->code != 0);
    if (quota_take(&timeline->quota, fact->code, loop_now(timeline->options.loop))) {
        keep(timeline, fact);
        return;
    }
    timeline->left_out++;
    arm_soon(timeline, &timeline->report, REPORT_MS);
}

static void on_report(struct timer *timer)
{
    struct timeline *timeline = container_of(timer, struct timeline, report);
    char code_text[CODE_TEXT_MAX];
    uint64_t count;
    uint16_t code;

    while (quota_left_out(&timeline->quota, &code, &count)) {
        struct fact fact;

        fact_init(&fact, FACT_FACTS_LEFT_OUT, SUBJECT_NODE, timeline->node);
        fact_add(&fact, NUMBER_COUNT, (int64_t)count);
        fact_say(&fact, "%" PRIu64 " facts of %s were left out, because they came in a flood",
                 count, code_print(code, code_text));
        keep(timeline, &fact);
    }
}

static void tell_lost(struct timeline *timeline)
{
    struct fact fact;

    if (timeline->lost_untold == 0)
        return;
    fact_init(&fact, FACT_FACTS_LOST, SUBJECT_DISK, "timeline");
    fact_add(&fact, NUMBER_COUNT, (int64_t)timeline->lost_untold);
    fact_say(&fact, "%" PRIu64 " facts never came to the disk, which did not take them in time",
             timeline->lost_untold);
    timeline->lost_untold = 0;
    keep(timeline, &fact);
}

static void on_news(struct timer *timer)
{
    struct timeline *timeline = container_of(timer, struct timeline, news);

    if (timeline->options.news)
        timeline->options.news(timeline->options.context);
}

/* ---- writing ---- */

/* What memory forgot before it was written will never come to the disk. */
static void count_lost(struct timeline *timeline, uint32_t from)
{
    uint64_t lost = recent_at(&timeline->recent, from)->sequence - timeline->passed - 1;

    timeline->lost += lost;
    timeline->lost_untold += lost;
    timeline->passed += lost;
}

static void on_gather(struct timer *timer)
{
    struct timeline *timeline = container_of(timer, struct timeline, gather);
    struct write *write = &timeline->write;
    uint32_t from = recent_until(&timeline->recent, timeline->passed);

    must(!write->busy);
    if (from == timeline->recent.count)
        return;
    count_lost(timeline, from);
    buf_clear(&write->facts);
    for (uint32_t i = from; i < timeline->recent.count; i++) {
        const struct fact *fact = recent_at(&timeline->recent, i);

        fact_encode(fact, &write->facts);
        if (write->facts.full)
            break;
        write->last = fact->sequence;
    }
    if (write->facts.len == 0) { /* no memory: later */
        arm_soon(timeline, &timeline->gather, RETRY_MS);
        return;
    }
    write->busy = true;
    jobs_add(timeline->jobs, &write->job);
}

static void on_work(struct job *job)
{
    struct timeline *timeline = container_of(job, struct timeline, write.job);
    struct write *write = &timeline->write;

    write->done = timeline_store_write(&timeline->store, buf_bytes(&write->facts), &write->err);
}

static void tell_disk_state(struct timeline *timeline, bool failing)
{
    bool changed = timeline->failing != failing;

    timeline->failing = failing;
    if (changed && timeline->options.disk_state)
        timeline->options.disk_state(timeline->options.context,
                                     failing ? &timeline->write.err : NULL);
}

static void on_written(struct job *job)
{
    struct timeline *timeline = container_of(job, struct timeline, write.job);
    struct write *write = &timeline->write;

    write->busy = false;
    if (write->done) {
        timeline->durable = timeline->passed = write->last;
        tell_lost(timeline);
    }
    tell_disk_state(timeline, !write->done);
    if (timeline->passed < timeline->sequence)
        arm_soon(timeline, &timeline->gather, timeline->failing ? RETRY_MS : GATHER_MS);
}

/* ---- life ---- */

/* From the disk, in order. What stands there twice was written again after a failure. */
static void restore(void *context, const struct fact *fact)
{
    struct timeline *timeline = context;

    if (fact->code == 0 || fact->sequence <= timeline->sequence)
        return;
    timeline->sequence = fact->sequence;
    timeline->last = fact->at;
    if (timeline->recent.count == timeline->recent.cap)
        timeline->recent_is_all = false;
    recent_add(&timeline->recent, fact);
}

static bool open_store(struct timeline *timeline, struct err *err)
{
    struct store *store = &timeline->store;
    const struct timeline_options *options = &timeline->options;

    store->disk = options->disk;
    store->origin = timeline->origin;
    store->options = (struct wal_options){
        .prefix = "facts",
        .segment_bytes = options->segment_bytes ? options->segment_bytes : 256 << 10,
        .segments_max = options->segments ? options->segments : 16,
        .spares = 1,
        .seed = options->seed};
    if (!timeline_store_read(store, restore, timeline, err))
        return false;
    timeline->durable = timeline->passed = timeline->sequence;
    if (!timeline_store_write(store, (struct bytes){0}, &timeline->write.err))
        tell_disk_state(timeline, true); /* goes on in memory */
    return jobs_open(&timeline->jobs, options->loop, "timeline", err);
}

static void init(struct timeline *timeline, const struct timeline_options *options)
{
    struct rng rng;

    timeline->options = *options;
    bytes_to_string(bytes_of_string(options->node), timeline->node, sizeof timeline->node);
    rng_seed(&rng, options->seed);
    do
        timeline->origin = rng_next(&rng);
    while (timeline->origin == 0);
    timeline->recent_is_all = true;
    buf_init(&timeline->write.facts, WRITE_BYTES_MAX);
    timeline->write.job = (struct job){.work = on_work, .done = on_written};
    timer_init(&timeline->gather, on_gather);
    timer_init(&timeline->report, on_report);
    timer_init(&timeline->news, on_news);
    asks_init(timeline);
}

bool timeline_open(struct timeline **opened, const struct timeline_options *options,
                   struct err *err)
{
    struct timeline *timeline = calloc(1, sizeof *timeline);
    uint32_t recent = options->recent ? options->recent : 2048;

    must(recent >= 16 && recent <= TIMELINE_RECENT_MAX);
    if (!timeline || !recent_init(&timeline->recent, recent)) {
        free(timeline);
        return err_set(err, ERR_LIMIT, "no memory for the timeline");
    }
    init(timeline, options);
    if (options->disk && !open_store(timeline, err)) {
        timeline_close(timeline);
        return false;
    }
    *opened = timeline;
    return true;
}

void timeline_close(struct timeline *timeline)
{
    if (!timeline)
        return;
    jobs_close(timeline->jobs);
    asks_fini(timeline);
    timeline_store_close(&timeline->store);
    timer_cancel(timeline->options.loop, &timeline->gather);
    timer_cancel(timeline->options.loop, &timeline->report);
    timer_cancel(timeline->options.loop, &timeline->news);
    buf_fini(&timeline->write.facts);
    recent_fini(&timeline->recent);
    free(timeline);
}

void timeline_identify(struct timeline *timeline, uint32_t member, uint64_t incarnation)
{
    timeline->member = member;
    timeline->incarnation = incarnation;
}

/* ---- what it knows ---- */

static struct place place_of(const struct fact *fact)
{
    return (struct place){fact->origin, fact->sequence};
}

struct timeline_view timeline_view(const struct timeline *timeline)
{
    const struct recent *recent = &timeline->recent;
    struct timeline_view view = {.durable = timeline->durable,
                                 .lost = timeline->lost,
                                 .left_out = timeline->left_out,
                                 .writing = timeline->jobs && !timeline->failing};

    if (recent->count) {
        view.first = place_of(recent_at(recent, 0));
        view.last = place_of(recent_at(recent, recent->count - 1));
    }
    return view;
}

bool timeline_settled(const struct timeline *timeline)
{
    return !timeline->jobs || timeline->passed == timeline->sequence;
}

const struct fact *timeline_recent(const struct timeline *timeline, uint32_t nth)
{
    uint32_t count = timeline->recent.count;

    return nth < count ? recent_at(&timeline->recent, count - 1 - nth) : NULL;
}
