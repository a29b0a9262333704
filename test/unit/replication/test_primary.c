/*
 * The life of a primary, told as stories.
 */
#include "story.h"

static void it_promises_promotes_verifies_and_serves(void **state)
{
    (void)state;
    begins(&story_rules);
    process(true);
    document();
    done();
    passes(100);
    s.epoch = 6;
    s.body.primary = SELF;
    document();
    passes(50);
    lease(3150);
    done();
    passes(20);
    probed(true);
    accepted();
    assert_int_equal(state_now(), REPLICA_SERVING);
    assert_string_equal(
        s.story, "[ 1000] status -> fence never;\n"
                 "[ 1000] document -> promise in 5;\n"
                 "[ 1150] lease -> fence 3150; promote semi-sync 1 of {2 3} in 6;\n"
                 "[ 1150] done -> verify;\n"
                 "[ 1170] probed -> propose primary 1 in sync {1 2 3} serving: the new primary has "
                 "answered a write;\n"
                 "[ 1170] document -> probe;\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_promises_promotes_verifies_and_serves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
