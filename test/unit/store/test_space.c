/*
 * The space without commands: cuts while it is changed, what expires, what is evicted, and that all memory comes back.
 */
#include "store/call.h"
#include "store/space.h"
#include "store/value.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 300, STEPS = 20000 };

static struct space *space;
static struct rng rng;
static uint64_t position;

static int init(void **state)
{
    (void)state;
    rng_seed(&rng, 11);
    position = 0;
    space = space_open(&(struct space_options){.seed = 42, .tracked = true});
    return 0;
}

static int fini(void **state)
{
    (void)state;
    space_close(space); /* claims that all memory has come back */
    return 0;
}

static struct bytes name_of(uint64_t key, char *text)
{
    return bytes_of(text, (size_t)snprintf(text, 32, "key:%llu", (unsigned long long)key));
}

static uint64_t key_of(struct bytes name)
{
    char text[32];

    return strtoull(bytes_to_string(bytes_skip(name, 4), text, sizeof text), NULL, 10);
}

/* ---- a model of what is in it: each key's value as bytes ---- */

struct model {
    struct buf values[KEYS];
};

static void model_fini(struct model *model)
{
    for (int i = 0; i < KEYS; i++)
        buf_fini(&model->values[i]);
}

static void model_take(struct model *model, struct space *of)
{
    char text[32];

    for (uint64_t i = 0; i < KEYS; i++) {
        struct spot spot = space_spot(of, name_of(i, text));

        buf_fini(&model->values[i]);
        buf_init(&model->values[i], SIZE_MAX);
        if (spot.entry)
            value_write(&model->values[i], spot.entry);
    }
}

static void assert_models_equal(const struct model *a, const struct model *b)
{
    for (int i = 0; i < KEYS; i++)
        assert_true(bytes_equal(buf_bytes(&a->values[i]), buf_bytes(&b->values[i])));
}

/* ---- changes of every kind ---- */

static void change_value(struct spot *spot)
{
    struct map *map;
    char field[32];
    struct bytes name = name_of(rng_below(&rng, 40), field);

    if (spot->entry && spot->entry->type == VALUE_HASH) {
        space_change(space, spot, position);
        map = entry_value(spot->entry);
    } else {
        map = map_new(space_heap(space), space_seed(space));
        space_put_value(space, spot, VALUE_HASH, map, 0, position);
    }
    map_set(map, space_heap(space), name, name);
}

static void change_one(void)
{
    static const uint8_t zeroes[2000];
    char text[32], digits[ENTRY_DIGITS_MAX];
    struct spot spot = space_spot(space, name_of(rng_below(&rng, KEYS), text));
    size_t len = rng_below(&rng, 10) ? rng_below(&rng, 40) : rng_below(&rng, sizeof zeroes);
    int64_t expires_ms = rng_below(&rng, 4) ? 0 : 1 + (int64_t)rng_below(&rng, 100000);

    position++;
    switch (rng_below(&rng, 8)) {
    case 0:
    case 1:
        space_put_text(space, &spot, bytes_of(zeroes, len), expires_ms, position);
        break;
    case 2:
        space_put_number(space, &spot, (int64_t)rng_next(&rng), expires_ms, position);
        break;
    case 3:
        change_value(&spot);
        break;
    case 4:
    case 5:
        if (spot.entry)
            space_delete(space, &spot);
        break;
    case 6:
        if (spot.entry)
            space_expire(space, &spot, expires_ms, position);
        break;
    default:
        if (spot.entry && spot.entry->type != VALUE_STRING)
            break;
        len += spot.entry ? entry_text(spot.entry, digits).len : 1;
        space_write_text(space, &spot, len - 1, BYTES("x"), position);
        break;
    }
}

/* ---- cuts ---- */

static struct bytes row_name, row_value;

/* Gives one row to the copy; false: the cut has ended. */
static bool apply_row(struct space *copy)
{
    struct spot spot;

    switch (space_cut_next(space, &row_name, &row_value)) {
    case SPACE_CUT_CLEAR:
        space_clear(copy);
        return true;
    case SPACE_CUT_DELETE:
        spot = space_spot(copy, row_name);
        if (spot.entry)
            space_delete(copy, &spot);
        return true;
    case SPACE_CUT_PUT:
        assert_true(value_read(copy, row_name, row_value));
        return true;
    case SPACE_CUT_NOTHING:
        return true;
    case SPACE_CUT_END:
        break;
    }
    return false;
}

/* The copy is what the space was when each cut began, however much is changed while it is taken. */
static void take_cuts(int cuts, bool failing)
{
    static struct model then, copied;
    struct space *copy = space_open(&(struct space_options){.seed = 7});
    int taken = 0;

    for (int step = 0; taken < cuts; step++) {
        change_one();
        if (rng_below(&rng, 400) == 0) {
            space_clear(space);
            position++;
        }
        if (!space_cutting(space)) {
            if (rng_below(&rng, 100) == 0) {
                space_cut_begin(space, position);
                model_take(&then, space);
            }
            continue;
        }
        if (failing && rng_below(&rng, 200) == 0) {
            space_cut_fail(space);
            continue;
        }
        for (uint64_t rows = rng_below(&rng, 3); rows > 0 && space_cutting(space); rows--)
            if (!apply_row(copy)) {
                model_take(&copied, copy);
                assert_models_equal(&then, &copied);
                taken++;
            }
        space_tidy(space);
        space_tidy(copy);
    }
    model_fini(&then);
    model_fini(&copied);
    space_close(copy);
}

static void a_cut_is_the_state_when_it_began(void **state)
{
    (void)state;
    take_cuts(300, false);
}

static void after_a_cut_that_failed_the_next_is_whole(void **state)
{
    (void)state;
    space_cut_fail(space);
    take_cuts(200, true);
}

static void a_cut_without_changes_is_empty(void **state)
{
    char text[32];
    struct spot spot = space_spot(space, name_of(1, text));

    (void)state;
    space_put_number(space, &spot, 1, 0, 1);
    space_cut_begin(space, 1);
    assert_int_equal(space_cut_next(space, &row_name, &row_value), SPACE_CUT_PUT);
    assert_true(bytes_equal(row_name, BYTES("key:1")));
    assert_int_equal(space_cut_next(space, &row_name, &row_value), SPACE_CUT_END);
    space_cut_begin(space, 1);
    assert_int_equal(space_cut_next(space, &row_name, &row_value), SPACE_CUT_END);
}

/* Locks come and go: no call of a cut walks over all of them. */
static void what_came_and_went_is_passed_over_a_little_at_a_time(void **state)
{
    enum { GONE = 10000 };
    char text[32];
    int nothing = 0, deleted = 0;
    enum space_cut kind;

    (void)state;
    for (uint64_t i = 0; i < GONE; i++) {
        struct spot spot = space_spot(space, name_of(i, text));

        space_put_number(space, &spot, 1, 0, ++position);
        spot = space_spot(space, name_of(i, text));
        space_delete(space, &spot);
    }
    space_cut_begin(space, position);
    while ((kind = space_cut_next(space, &row_name, &row_value)) != SPACE_CUT_END) {
        assert_int_not_equal(kind, SPACE_CUT_PUT);
        deleted += kind == SPACE_CUT_DELETE;
        nothing += kind == SPACE_CUT_NOTHING;
    }
    assert_int_equal(deleted, GONE);
    assert_in_range(nothing, GONE / 100, GONE);
}

/* What was read from a checkpoint is noted when it changes. */
static void what_was_loaded_is_part_of_the_next_cut_once_changed(void **state)
{
    struct space *loaded = space_open(&(struct space_options){.seed = 3, .tracked = true});
    struct buf value;
    char text[32];
    struct spot spot = space_spot(space, name_of(1, text));

    (void)state;
    buf_init(&value, SIZE_MAX);
    space_put_number(space, &spot, 1, 0, 77);
    value_write(&value, spot.entry);
    assert_true(value_read(loaded, spot.name, buf_bytes(&value)));
    space_cut_begin(loaded, 77);
    assert_int_equal(space_cut_next(loaded, &row_name, &row_value), SPACE_CUT_END);
    spot = space_spot(loaded, spot.name);
    assert_int_equal(spot.entry->version, 77);
    space_put_number(loaded, &spot, 2, 0, 78);
    space_cut_begin(loaded, 78);
    assert_int_equal(space_cut_next(loaded, &row_name, &row_value), SPACE_CUT_PUT);
    assert_int_equal(space_cut_next(loaded, &row_name, &row_value), SPACE_CUT_END);
    buf_fini(&value);
    space_close(loaded);
}

/* ---- values as bytes ---- */

static void damaged_values_are_refused_or_read(void **state)
{
    struct buf value;
    char text[32];
    struct spot spot = space_spot(space, name_of(1, text));

    (void)state;
    buf_init(&value, SIZE_MAX);
    for (int i = 0; i < 200; i++)
        change_one();
    position++;
    spot = space_spot(space, name_of(1, text));
    change_value(&spot);
    spot = space_spot(space, name_of(1, text));
    value_write(&value, spot.entry);
    for (size_t len = 0; len < value.len; len++)
        assert_false(value_read(space, BYTES("part"), bytes_of(value.at, len)));
    for (int i = 0; i < 5000; i++) {
        size_t at = rng_below(&rng, value.len);
        uint8_t before = value.at[at];

        value.at[at] = (uint8_t)rng_next(&rng);
        if (!value_read(space, BYTES("part"), buf_bytes(&value)))
            assert_null(space_spot(space, BYTES("part")).entry);
        value.at[at] = before;
    }
    buf_fini(&value);
}

/* ---- expiry ---- */

enum { TIMED = 5000, FAR_MS = 50000000 };

static void keys_are_due_when_they_have_expired(void **state)
{
    static int64_t expires[TIMED];
    struct bytes names[16];
    char text[32];
    int64_t now_ms = 0;
    uint64_t left = TIMED, keys[16];

    (void)state;
    for (uint64_t i = 0; i < TIMED; i++) {
        struct spot spot = space_spot(space, name_of(i, text));

        expires[i] = 1 + (int64_t)rng_below(&rng, rng_below(&rng, 2) ? FAR_MS : 5000);
        space_put_number(space, &spot, (int64_t)i, 1 + (int64_t)rng_below(&rng, FAR_MS),
                         ++position);
        space_expire(space, &spot, expires[i], ++position);
    }
    assert_int_equal(space_timed_count(space), TIMED);
    for (int turns = 0; left > 0; turns++) {
        uint32_t count = space_due(space, now_ms, names, 16);

        assert_true(turns < 1000000);
        for (uint32_t i = 0; i < count; i++)
            keys[i] = key_of(names[i]);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t key = keys[i];
            struct spot spot = space_spot(space, name_of(key, text));

            assert_true(expires[key] <= now_ms);
            space_delete(space, &spot);
            expires[key] = INT64_MAX;
            left--;
        }
        if (count == 0) {
            for (int i = 0; i < TIMED && turns % 50 == 0; i++)
                assert_true(expires[i] >
                            now_ms - 60000); /* none is late by more than the turns that it takes */
            now_ms += (int64_t)rng_below(&rng, 5000);
        }
    }
    assert_int_equal(space_timed_count(space), 0);
    assert_int_equal(space_count(space), 0);
}

static void a_key_that_stays_due_is_told_again(void **state)
{
    struct spot spot = space_spot(space, BYTES("k"));
    struct bytes names[4];

    (void)state;
    space_put_number(space, &spot, 1, 1000, 1);
    for (int i = 0; i < 9; i++)
        assert_int_equal(space_due(space, 1000, names, 4), 0);
    assert_int_equal(space_due(space, 1100, names, 4), 1);
    assert_true(bytes_equal(names[0], BYTES("k")));
    assert_int_equal(space_due(space, 1200, names, 4), 0);
    assert_int_equal(space_due(space, 2300, names, 4), 1);
    space_expire(space, &spot, 0, 2);
    assert_int_equal(space_due(space, 100000, names, 4), 0);
}

/* ---- eviction ---- */

static void what_was_not_used_for_longest_goes(void **state)
{
    int old = 0;
    char text[32];

    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        struct spot spot;

        space_clock(space, i < 500 ? 1000000 : 9000000);
        spot = space_spot(space, name_of(i, text));
        space_put_number(space, &spot, 1, i % 10 ? 0 : 100000000, ++position);
    }
    for (int i = 0; i < 1000; i++) {
        struct bytes name = space_victim(space, SPACE_EVICT_LRU, false, 10000000, &rng);

        old += key_of(name) < 500;
    }
    assert_true(old > 950);
    for (int i = 0; i < 100; i++)
        assert_int_equal(key_of(space_victim(space, SPACE_EVICT_TTL, true, 1, &rng)) % 10, 0);
}

static void nothing_to_evict_is_nothing(void **state)
{
    struct spot spot = space_spot(space, BYTES("k"));

    (void)state;
    assert_null(space_victim(space, SPACE_EVICT_LRU, false, 1, &rng).at);
    space_put_number(space, &spot, 1, 0, 1);
    assert_null(space_victim(space, SPACE_EVICT_LRU, true, 1, &rng).at);
    assert_non_null(space_victim(space, SPACE_EVICT_LFU, false, 1, &rng).at);
}

/* ---- garbage ---- */

static void a_large_value_is_freed_in_steps(void **state)
{
    struct map *map = map_new(space_heap(space), 1);
    struct spot spot = space_spot(space, BYTES("large"));
    uint64_t before, after;
    int steps = 0;
    char text[32];

    (void)state;
    for (uint64_t i = 0; i < 100000; i++)
        map_set(map, space_heap(space), name_of(i, text), BYTES("value"));
    space_put_value(space, &spot, VALUE_HASH, map, 0, 1);
    before = space_bytes(space);
    space_delete(space, &spot);
    assert_int_equal(space_count(space), 0);
    assert_true(space_bytes(space) > before / 2);
    do {
        before = space_bytes(space);
        steps++;
    } while (space_tidy(space) && (after = space_bytes(space)) > 0 && before - after < 200000);
    assert_true(steps > 20);
    assert_false(space_tidy(space));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_cut_is_the_state_when_it_began, init, fini),
        cmocka_unit_test_setup_teardown(after_a_cut_that_failed_the_next_is_whole, init, fini),
        cmocka_unit_test_setup_teardown(a_cut_without_changes_is_empty, init, fini),
        cmocka_unit_test_setup_teardown(what_came_and_went_is_passed_over_a_little_at_a_time, init,
                                        fini),
        cmocka_unit_test_setup_teardown(what_was_loaded_is_part_of_the_next_cut_once_changed, init,
                                        fini),
        cmocka_unit_test_setup_teardown(damaged_values_are_refused_or_read, init, fini),
        cmocka_unit_test_setup_teardown(keys_are_due_when_they_have_expired, init, fini),
        cmocka_unit_test_setup_teardown(a_key_that_stays_due_is_told_again, init, fini),
        cmocka_unit_test_setup_teardown(what_was_not_used_for_longest_goes, init, fini),
        cmocka_unit_test_setup_teardown(nothing_to_evict_is_nothing, init, fini),
        cmocka_unit_test_setup_teardown(a_large_value_is_freed_in_steps, init, fini),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
