#include "base/rng.h"
#include "facts.h"
#include "timeline/merge.h"
#include "unit.h"

#include <stdio.h>

enum { STORY_MAX = 4096 };

static void tell(struct merge *merge, char *story)
{
    struct buf out;
    struct fact fact;

    buf_over(&out, story, STORY_MAX - 1);
    while (merge_next(merge, &fact, NULL))
        buf_print(&out, "%s%d ", fact.node, (int)fact.sequence);
    story[out.len] = '\0';
}

struct inputs {
    uint8_t storage[4][8192];
    struct buf facts[4];
};

static void init(struct inputs *inputs)
{
    for (int i = 0; i < 4; i++)
        buf_over(&inputs->facts[i], inputs->storage[i], sizeof inputs->storage[i]);
}

static void merges_by_moment_then_by_node(void **state)
{
    struct inputs inputs;
    struct merge merge;
    char story[STORY_MAX];

    (void)state;
    init(&inputs);
    add_fact(&inputs.facts[0], "b", 1, 10);
    add_fact(&inputs.facts[0], "b", 2, 30);
    add_fact(&inputs.facts[1], "a", 1, 10);
    add_fact(&inputs.facts[1], "a", 2, 20);
    add_fact(&inputs.facts[1], "a", 3, 40);
    merge_init(&merge);
    merge_add(&merge, buf_bytes(&inputs.facts[0]));
    merge_add(&merge, buf_bytes(&inputs.facts[1]));
    merge_add(&merge, (struct bytes){0});
    tell(&merge, story);
    assert_string_equal(story, "a1 b1 a2 b2 a3 ");
}

static void names_no_fact_twice(void **state)
{
    struct inputs inputs;
    struct merge merge;
    char story[STORY_MAX];

    (void)state;
    init(&inputs);
    for (uint64_t i = 1; i <= 4; i++)
        add_fact(&inputs.facts[0], "a", i, (int64_t)i);
    for (uint64_t i = 3; i <= 6; i++)
        add_fact(&inputs.facts[1], "a", i, (int64_t)i);
    add_fact(&inputs.facts[2], "b", 1, 3);
    merge_init(&merge);
    for (int i = 0; i < 3; i++)
        merge_add(&merge, buf_bytes(&inputs.facts[i]));
    tell(&merge, story);
    assert_string_equal(story, "a1 a2 a3 b1 a4 a5 a6 ");
}

static void a_nodes_own_order_survives_a_clock_that_was_set_back(void **state)
{
    struct inputs inputs;
    struct merge merge;
    char story[STORY_MAX];

    (void)state;
    init(&inputs);
    add_fact(&inputs.facts[0], "a", 1, 1000);
    add_fact(&inputs.facts[0], "a", 2, 5);
    add_fact(&inputs.facts[0], "a", 3, 6);
    add_fact(&inputs.facts[1], "b", 1, 10);
    merge_init(&merge);
    merge_add(&merge, buf_bytes(&inputs.facts[0]));
    merge_add(&merge, buf_bytes(&inputs.facts[1]));
    tell(&merge, story);
    assert_string_equal(story, "b1 a1 a2 a3 ");
}

static void says_whose_a_fact_is(void **state)
{
    struct inputs inputs;
    struct merge merge;
    struct fact fact;
    uint32_t input;

    (void)state;
    init(&inputs);
    add_fact(&inputs.facts[1], "b", 1, 10);
    merge_init(&merge);
    merge_add(&merge, (struct bytes){0});
    merge_add(&merge, buf_bytes(&inputs.facts[1]));
    assert_true(merge_next(&merge, &fact, &input));
    assert_int_equal(input, 1);
    assert_false(merge_next(&merge, &fact, &input));
}

/* Four nodes with skewed clocks tell each other things: each fact is heard of by the next one's node. */
static void talk(struct inputs *inputs, struct rng *rng, unsigned *count)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    struct moment last[4] = {{0}}, carried = {0};
    uint64_t sequences[4] = {0};
    int64_t skew[4];

    init(inputs);
    for (int i = 0; i < 4; i++)
        skew[i] = rng_between(rng, -5000, 5000);
    for (*count = 0; *count < 40; ++*count) {
        uint64_t at = rng_below(rng, 4);
        int64_t wall_ms = 100000 + *count + skew[at];
        struct fact fact = fact_of(names[at], ++sequences[at], 0);
        bool far;

        last[at] = moment_merge(last[at], carried, wall_ms, &far);
        last[at] = carried = moment_next(last[at], wall_ms);
        fact.at = carried;
        fact.epoch = *count;
        fact_encode(&fact, &inputs->facts[at]);
        assert_false(inputs->facts[at].full);
    }
}

static void every_order_of_inputs_gives_causes_before_effects(void **state)
{
    static const int orders[24][4] = {
        {0, 1, 2, 3}, {0, 1, 3, 2}, {0, 2, 1, 3}, {0, 2, 3, 1}, {0, 3, 1, 2}, {0, 3, 2, 1},
        {1, 0, 2, 3}, {1, 0, 3, 2}, {1, 2, 0, 3}, {1, 2, 3, 0}, {1, 3, 0, 2}, {1, 3, 2, 0},
        {2, 0, 1, 3}, {2, 0, 3, 1}, {2, 1, 0, 3}, {2, 1, 3, 0}, {2, 3, 0, 1}, {2, 3, 1, 0},
        {3, 0, 1, 2}, {3, 0, 2, 1}, {3, 1, 0, 2}, {3, 1, 2, 0}, {3, 2, 0, 1}, {3, 2, 1, 0}};
    struct inputs inputs;
    struct rng rng;

    (void)state;
    rng_seed(&rng, 4);
    for (int round = 0; round < 50; round++) {
        unsigned count;

        talk(&inputs, &rng, &count);
        for (size_t order = 0; order < ARRAY_LEN(orders); order++) {
            struct merge merge;
            struct fact fact;
            unsigned seen = 0;

            merge_init(&merge);
            for (int i = 0; i < 4; i++)
                merge_add(&merge, buf_bytes(&inputs.facts[orders[order][i]]));
            for (; merge_next(&merge, &fact, NULL); seen++)
                assert_int_equal(fact.epoch, seen);
            assert_int_equal(seen, count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_by_moment_then_by_node),
        cmocka_unit_test(names_no_fact_twice),
        cmocka_unit_test(a_nodes_own_order_survives_a_clock_that_was_set_back),
        cmocka_unit_test(says_whose_a_fact_is),
        cmocka_unit_test(every_order_of_inputs_gives_causes_before_effects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
