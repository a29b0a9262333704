/*
 * The log against a model, on a disk that loses power, fails, fills up, at random points of random stories.
 *
 * The model is what was durable and the steps that were not yet synced. After a crash the log has to be what was durable and some of
 * those steps, from the first on, without a gap.
 */
#include "disk_sim.h"
#include "unit.h"
#include "wal/wal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SEEDS = 3000,
    ROUNDS = 6, /* lives of the log in one story */
    STEPS = 40, /* in one life */
    INDEXES = 4096,
    PENDING = 512,
    SEGMENT_BYTES = 4096,
};

enum kind { APPEND, TRUNCATE, RESET };

struct step {
    enum kind kind;
    uint64_t index, tag;
};

struct state {
    uint64_t next, kept; /* records below `kept` may be gone */
    uint64_t tags[INDEXES];
};

struct story {
    struct disk_sim sim;
    struct rng rng;
    struct wal *wal;
    struct err err;
    struct state durable;
    struct step pending[PENDING];
    unsigned count;
    uint64_t dropping; /* the highest index that a drop was asked for */
    uint64_t tag;
    uint64_t seed;
    struct wal_place remembered; /* by the owner, now and then: a mere crash never makes it wrong */
};

static struct story story;
static unsigned tally[4]; /* crashes, full disks, other failures, truncations */

static void apply(struct state *state, const struct step *step)
{
    if (step->kind == APPEND) {
        state->tags[step->index % INDEXES] = step->tag;
        state->next = step->index + 1;
    } else if (step->kind == TRUNCATE) {
        state->next = step->index + 1;
        if (state->kept > state->next)
            state->kept = state->next;
    } else {
        state->next = state->kept = step->index;
    }
}

static struct bytes body_of(uint64_t tag, uint8_t body[600])
{
    struct rng rng;
    size_t len;

    rng_seed(&rng, tag);
    len = rng_below(&rng, 4) == 0 ? rng_below(&rng, 600) : rng_below(&rng, 60);
    for (size_t i = 0; i < len; i++)
        body[i] = (uint8_t)rng_next(&rng);
    return bytes_of(body, len);
}

struct comparison {
    uint64_t next;
    uint64_t tags[INDEXES];
};

static bool collect(void *context, const struct wal_record *record)
{
    struct comparison *found = context;
    uint8_t body[600];

    assert_int_equal(record->index, found->next);
    assert_true(bytes_equal(record->body, body_of(record->tag, body)));
    found->tags[found->next++ % INDEXES] = record->tag;
    return true;
}

static bool equals(const struct state *state, const struct comparison *found, uint64_t first)
{
    if (state->next != found->next)
        return false;
    for (uint64_t index = first; index < found->next; index++)
        if (state->tags[index % INDEXES] != found->tags[index % INDEXES])
            return false;
    return true;
}

/* What the log holds now is what was durable and the first so many of the pending steps. */
static void agree(bool anew)
{
    static struct comparison found;
    static struct state state, matching;
    uint64_t first = wal_first(story.wal);
    unsigned matched = 0;

    state = story.durable;
    found.next = first;
    if (!wal_each(story.wal, 0, UINT64_MAX, collect, &found, &story.err))
        fail_msg("seed %llu: %s", (unsigned long long)story.seed, story.err.text);
    assert_int_equal(found.next, wal_durable(story.wal) + 1);
    for (unsigned i = 0; i <= story.count; i++) {
        if (equals(&state, &found, first) && (first <= state.kept || first <= story.dropping)) {
            matched++;
            matching = state; /* the last: what matches differs in nothing that can be seen */
        }
        if (i < story.count)
            apply(&state, &story.pending[i]);
    }
    if (matched == 0)
        print_message("seed %llu: found %llu to %llu; durable was %llu to %llu, and %u steps\n",
                      (unsigned long long)story.seed, (unsigned long long)first,
                      (unsigned long long)found.next - 1, (unsigned long long)story.durable.kept,
                      (unsigned long long)story.durable.next - 1, story.count);
    assert_true(matched > 0);
    if (!anew)
        return;
    story.durable = matching;
    story.count = 0;
}

static void start(void)
{
    const struct wal_options options = {.prefix = "log",
                                        .segment_bytes = SEGMENT_BYTES,
                                        .segments_max = 20,
                                        .spares = 1 + (uint32_t)(story.seed % 3),
                                        .seed = rng_next(&story.rng),
                                        .expected = story.remembered};
    bool opened;

    if (rng_chance(&story.rng, 0.2)) { /* also dies while it recovers */
        disk_sim_crash_after(&story.sim, 1 + rng_below(&story.rng, 6));
        opened = wal_open(&story.wal, &story.sim.disk, &options, &story.err);
        if (opened && !disk_sim_is_dead(&story.sim)) {
            disk_sim_crash_after(&story.sim, 0);
            agree(true);
            return;
        }
        if (opened)
            wal_close(story.wal);
        disk_sim_crash(&story.sim);
    }
    story.sim.capacity_bytes = 64 * SEGMENT_BYTES;
    if (!wal_open(&story.wal, &story.sim.disk, &options, &story.err))
        fail_msg("seed %llu: %s", (unsigned long long)story.seed, story.err.text);
    story.sim.capacity_bytes = (8 + rng_below(&story.rng, 10)) * SEGMENT_BYTES;
    agree(true);
}

static void plan_a_fault(void)
{
    switch (rng_below(&story.rng, 4)) {
    case 0:
        disk_sim_crash_after(&story.sim, 1 + rng_below(&story.rng, 60));
        break;
    case 1:
        disk_sim_fail(&story.sim, DISK_SIM_CHANGES, 1 + rng_below(&story.rng, 40), EIO);
        break;
    case 2:
        disk_sim_fail(&story.sim, DISK_SIM_WRITE | DISK_SIM_ALLOCATE | DISK_SIM_RENAME,
                      1 + rng_below(&story.rng, 20), ENOSPC);
        break;
    default:
        break;
    }
}

static void pend(enum kind kind, uint64_t index, uint64_t tag)
{
    assert_true(story.count < PENDING);
    story.pending[story.count++] = (struct step){kind, index, tag};
}

static void settle(void)
{
    for (unsigned i = 0; i < story.count; i++)
        apply(&story.durable, &story.pending[i]);
    story.count = 0;
}

static bool append(void)
{
    struct wal_record record = {.index = wal_next(story.wal), .tag = ++story.tag};
    uint8_t body[600];

    record.body = body_of(record.tag, body);
    if (!wal_append(story.wal, &record, &story.err)) {
        if (story.err.number != ENOSPC) /* what failed may be there none the less */
            return false;
        assert_int_equal(wal_next(story.wal), record.index);
        return false;
    }
    pend(APPEND, record.index, record.tag);
    return true;
}

static bool truncate_some(void)
{
    uint64_t first = wal_first(story.wal), next = wal_next(story.wal);
    uint64_t index = first - 1 + rng_below(&story.rng, next - first + 1);

    if (next > 10 && rng_chance(&story.rng, 0.7) && index + 10 < next)
        index = next - 1 - rng_below(&story.rng, 10);
    if (!wal_truncate_after(story.wal, index, &story.err))
        return false;
    tally[3]++;
    pend(TRUNCATE, index, 0);
    return true;
}

static bool reset(void)
{
    uint64_t next = 1 + rng_below(&story.rng, wal_next(story.wal) + 20);

    pend(RESET, next, 0);
    if (wal_reset(story.wal, next, &story.err)) {
        settle();
        return true;
    }
    if (wal_next(story.wal) != next)
        story.count--; /* it was not even staged */
    return false;
}

static bool drop(void)
{
    uint64_t first = wal_first(story.wal);
    uint64_t index = first + rng_below(&story.rng, wal_next(story.wal) - first + 1);

    if (index > story.dropping)
        story.dropping = index;
    if (!wal_drop_before(story.wal, index, &story.err))
        return false;
    settle();
    story.durable.kept = index < story.durable.next ? index : story.durable.next;
    return true;
}

static bool sync_log(void)
{
    if (!wal_sync(story.wal, &story.err))
        return false;
    settle();
    return true;
}

static bool step(void)
{
    uint64_t choice = rng_below(&story.rng, 100);

    if (choice < 60)
        return append();
    if (choice < 80)
        return sync_log();
    if (choice < 88)
        return truncate_some();
    if (choice < 90)
        return reset();
    if (choice < 95)
        return drop();
    if (choice < 97 && !disk_sim_is_dead(&story.sim)) {
        agree(false);
        story.sim.capacity_bytes = (6 + rng_below(&story.rng, 10)) * SEGMENT_BYTES;
    }
    return true;
}

static void end_life(void)
{
    wal_close(story.wal);
    if (disk_sim_is_dead(&story.sim) || rng_chance(&story.rng, 0.5)) {
        tally[0]++;
        disk_sim_crash(&story.sim);
    } else {
        disk_sim_kill(&story.sim);
    }
}

static void live(void)
{
    start();
    plan_a_fault();
    for (unsigned i = 0; i < STEPS; i++) {
        if (i % 8 == 0)
            story.remembered = wal_newest(story.wal);
        if (step())
            continue;
        if (story.err.number != ENOSPC) {
            tally[2]++;
            break;
        }
        tally[1]++;
    }
    end_life();
}

static void after_any_crash_the_log_is_what_was_synced_and_perhaps_a_little_more(void **state)
{
    const char *only = getenv("SEED");

    (void)state;
    for (uint64_t seed = only ? strtoull(only, NULL, 10) : 0; seed < SEEDS; seed++) {
        memset(&story, 0, sizeof story);
        story.seed = seed;
        story.durable.next = story.durable.kept = 1;
        rng_seed(&story.rng, seed);
        disk_sim_init(&story.sim, seed, 64 * SEGMENT_BYTES);
        for (unsigned i = 0; i < ROUNDS; i++)
            live();
        disk_sim_fini(&story.sim);
        if (only)
            break;
    }
    print_message("%u crashes, %u times full, %u failures, %u truncations\n", tally[0], tally[1],
                  tally[2], tally[3]);
    assert_true(only || (tally[0] > 1000 && tally[1] > 1000 && tally[2] > 1000 && tally[3] > 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_any_crash_the_log_is_what_was_synced_and_perhaps_a_little_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
