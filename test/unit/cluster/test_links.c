#include "base/must.h"
#include "cluster/links.h"
#include "unit.h"

#include "base/buf.h"

enum { NODES = 5, STALE_MS = 1000 };

/* What everybody says, as a picture: row i, column j: `+` i hears j, `-` it does not, `?` it says nothing of it. */
struct scene {
    struct links links;
    uint64_t beat;
    int64_t now_ms;
    char told[4096];
    struct buf story;
};

static struct instant at_ms(int64_t ms)
{
    return (struct instant){ms * NS_PER_MS};
}

static struct scene *begun(uint32_t nodes)
{
    static struct scene scene;
    struct links_member members[NODES];

    scene.beat = 0;
    scene.now_ms = 0;
    buf_over(&scene.story, scene.told, sizeof scene.told);
    links_init(&scene.links, 1, STALE_MS * NS_PER_MS);
    for (uint32_t i = 0; i < nodes; i++)
        members[nodes - 1 - i] = (struct links_member){.id = i + 1, .votes = true};
    links_set_members(&scene.links, members, nodes);
    return &scene;
}

static void row(struct scene *scene, uint32_t from, const char *cells)
{
    struct links_row told = {.from = {from, 1}};

    for (uint32_t j = 0; cells[j]; j++)
        if (cells[j] != '?')
            told.cells[told.count++] = (struct links_cell){j + 1, 10, cells[j] == '-'};
    assert_true(links_merge(&scene->links, &told, ++scene->beat, at_ms(scene->now_ms)));
}

static void judge(struct scene *scene)
{
    static const char *const names[] = {"hears one way", "no more one way", "cut off",
                                        "rejoined",      "quorum lost",     "quorum seen"};
    struct links_findings findings;

    links_judge(&scene->links, at_ms(scene->now_ms), &findings);
    for (uint32_t i = 0; i < findings.count; i++) {
        const struct links_finding *found = &findings.findings[i];

        buf_print(&scene->story, "%s %u %u; ", names[found->kind], found->a, found->b);
    }
    buf_add_byte(&scene->story, '\n');
}

/* Rows of all nodes that say anything (not ""), then the findings. */
static void picture(struct scene *scene, const char *const *rows, uint32_t count)
{
    scene->now_ms += 200;
    for (uint32_t i = 0; i < count; i++)
        if (rows[i][0])
            row(scene, i + 1, rows[i]);
    judge(scene);
}

static void expect(struct scene *scene, const char *story)
{
    buf_add_byte(&scene->story, 0);
    assert_string_equal(scene->told, story);
}

#define PICTURE(scene, ...)                                                                        \
    picture(scene, (const char *const[]){__VA_ARGS__},                                             \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void one_way_loss_is_found_and_ends(void **state)
{
    struct scene *scene = begun(3);

    (void)state;
    PICTURE(scene, "+++", "+++", "+++");
    for (uint32_t i = 0; i < 7; i++)
        PICTURE(scene, "+++", "+++", "-++");
    PICTURE(scene, "+++", "+++", "+++");
    expect(scene, "\n"
                  "\n\n\n\n\n"
                  "hears one way 1 3; \n"
                  "\n"
                  "no more one way 1 3; \n");
}

static void what_is_one_way_for_a_moment_is_no_finding(void **state)
{
    struct scene *scene = begun(3);

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        PICTURE(scene, "+++", "+++", "-++");
        PICTURE(scene, "+++", "+++", "-++");
        PICTURE(scene, "+++", "+++", "+++");
    }
    expect(scene, "\n\n\n\n\n\n\n\n\n\n\n\n");
}

static void who_nobody_can_talk_to_is_cut_off(void **state)
{
    struct scene *scene = begun(3);

    (void)state;
    PICTURE(scene, "++-", "++-", "");
    PICTURE(scene, "+++", "+++", "+++");
    expect(scene, "cut off 3 0; \n"
                  "rejoined 3 0; \n");
}

static void two_who_do_not_hear_each_other_are_joined_by_a_third(void **state)
{
    struct scene *scene = begun(3);
    uint32_t members[CLUSTER_NODES_MAX];

    (void)state;
    PICTURE(scene, "++-", "+++", "-++");
    expect(scene, "\n");
    assert_int_equal(links_component(&scene->links, 1, at_ms(scene->now_ms), members), 3);
    assert_true(links_sees_quorum(&scene->links, 3, at_ms(scene->now_ms)));
}

static void a_partition_has_a_side_with_a_quorum_and_one_without(void **state)
{
    struct scene *scene = begun(5);
    uint32_t members[CLUSTER_NODES_MAX];

    (void)state;
    PICTURE(scene, "++---", "++---", "--+++", "--+++", "--+++");
    expect(scene, "cut off 1 0; cut off 2 0; \n");
    assert_int_equal(links_component(&scene->links, 2, at_ms(scene->now_ms), members), 2);
    assert_int_equal(members[1], 2);
    assert_false(links_sees_quorum(&scene->links, 1, at_ms(scene->now_ms)));
    assert_true(links_sees_quorum(&scene->links, 4, at_ms(scene->now_ms)));
}

static void no_side_with_a_quorum_is_said_once(void **state)
{
    struct scene *scene = begun(3);

    (void)state;
    PICTURE(scene, "+--", "-+-", "--+");
    PICTURE(scene, "+--", "-+-", "--+");
    PICTURE(scene, "++-", "++-", "--+");
    expect(scene, "cut off 1 0; cut off 2 0; cut off 3 0; quorum lost 0 0; \n"
                  "\n"
                  "rejoined 1 0; rejoined 2 0; quorum seen 0 0; \n");
}

static void what_nobody_has_said_is_no_finding(void **state)
{
    struct scene *scene = begun(3);
    uint32_t members[CLUSTER_NODES_MAX];

    (void)state;
    judge(scene);
    PICTURE(scene, "+??", "", "");
    PICTURE(scene, "++?", "", "");
    expect(scene, "\n\n\n");
    assert_int_equal(links_component(&scene->links, 1, at_ms(scene->now_ms), members), 2);
    assert_int_equal(links_hears(&scene->links, 2, 1, at_ms(scene->now_ms)), LINKS_UNKNOWN);
    assert_int_equal(links_hears(&scene->links, 9, 1, at_ms(scene->now_ms)), LINKS_UNKNOWN);
}

static void a_row_counts_for_as_long_as_it_is_fresh(void **state)
{
    struct scene *scene = begun(3);

    (void)state;
    for (uint32_t i = 0; i < 6; i++)
        PICTURE(scene, "+++", "-++", "+++");
    scene->now_ms += STALE_MS + 1;
    row(scene, 1, "+++");
    judge(scene);
    expect(scene, "\n\n\n\n\n"
                  "hears one way 1 2; \n"
                  "no more one way 1 2; \n");
}

static void rows_that_are_late_repeated_or_of_strangers_are_refused(void **state)
{
    struct scene *scene = begun(3);
    struct links_row told = {.from = {2, 5}};
    struct links_row older = {.from = {2, 4}}, stranger = {.from = {9, 1}};

    (void)state;
    assert_true(links_merge(&scene->links, &told, 7, at_ms(0)));
    assert_false(links_merge(&scene->links, &told, 7, at_ms(0)));
    assert_false(links_merge(&scene->links, &told, 6, at_ms(0)));
    assert_false(links_merge(&scene->links, &older, 100, at_ms(0)));
    assert_false(links_merge(&scene->links, &stranger, 1, at_ms(0)));
    told.from.incarnation = 6;
    assert_true(links_merge(&scene->links, &told, 1, at_ms(0)));
}

static void members_that_stay_keep_what_is_known_of_them(void **state)
{
    static const struct links_member members[] = {{5, true}, {1, true}, {3, false}};
    struct scene *scene = begun(3);
    uint32_t component[CLUSTER_NODES_MAX];

    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        PICTURE(scene, "+++", "+++", "-++");
    links_set_members(&scene->links, members, 3);
    PICTURE(scene, "+?+", "", "-?+");
    links_set_members(&scene->links, members, 3);
    judge(scene);
    expect(scene, "\n\n\n\n\n"
                  "hears one way 1 3; \n"
                  "\n");
    assert_int_equal(links_hears(&scene->links, 1, 3, at_ms(scene->now_ms)), LINKS_HEARS);
    assert_int_equal(links_hears(&scene->links, 3, 1, at_ms(scene->now_ms)), LINKS_DEAF);
    assert_int_equal(links_hears(&scene->links, 1, 5, at_ms(scene->now_ms)), LINKS_UNKNOWN);
    assert_int_equal(links_component(&scene->links, 1, at_ms(scene->now_ms), component), 1);
    assert_false(links_sees_quorum(&scene->links, 1, at_ms(scene->now_ms)));
}

/* All pictures of three nodes: two that both say so are never found one way, and a member is cut off exactly when it cannot reach two. */
static void every_picture_of_three_is_judged_by_the_plain_rules(void **state)
{
    static const char marks[] = "+-?";

    (void)state;
    for (uint32_t picture_number = 0; picture_number < 729; picture_number++) {
        struct scene *scene = begun(3);
        struct links_findings findings;
        char said[3][4];
        bool joined[3][3] = {{false}};
        uint32_t rest = picture_number;

        for (uint32_t i = 0; i < 3; i++) {
            for (uint32_t j = 0; j < 3; j++) {
                said[i][j] = i == j ? '+' : marks[rest % 3];
                rest /= i == j ? 1 : 3;
            }
            said[i][3] = 0;
            row(scene, i + 1, said[i]);
        }
        for (uint32_t i = 0; i < 3; i++)
            for (uint32_t j = 0; j < 3; j++)
                joined[i][j] = said[i][j] != '-' && said[j][i] != '-';
        links_judge(&scene->links, at_ms(0), &findings);
        links_judge(&scene->links, at_ms(STALE_MS), &findings);
        for (uint32_t i = 0; i < 3; i++) {
            bool alone = !joined[i][(i + 1) % 3] && !joined[i][(i + 2) % 3];

            assert_int_equal(scene->links.known[i].cut_off, alone);
            for (uint32_t j = 0; j < 3; j++)
                assert_int_equal(scene->links.one_way[i] >> j & 1,
                                 i != j && said[i][j] == '+' && said[j][i] == '-');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_way_loss_is_found_and_ends),
        cmocka_unit_test(what_is_one_way_for_a_moment_is_no_finding),
        cmocka_unit_test(who_nobody_can_talk_to_is_cut_off),
        cmocka_unit_test(two_who_do_not_hear_each_other_are_joined_by_a_third),
        cmocka_unit_test(a_partition_has_a_side_with_a_quorum_and_one_without),
        cmocka_unit_test(no_side_with_a_quorum_is_said_once),
        cmocka_unit_test(what_nobody_has_said_is_no_finding),
        cmocka_unit_test(a_row_counts_for_as_long_as_it_is_fresh),
        cmocka_unit_test(rows_that_are_late_repeated_or_of_strangers_are_refused),
        cmocka_unit_test(members_that_stay_keep_what_is_known_of_them),
        cmocka_unit_test(every_picture_of_three_is_judged_by_the_plain_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
