/*
 * What a proof of death ends: the leases of those who died, but of groups only where what acts under them is tied to the process that held the port, and a grace
 * later.
 */
#include "cluster/drive.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

static const struct life bob = {2, 1};

struct scene {
    struct cluster *cluster;
    struct loop *loop;
    struct place *place;
};

/* A leader that knows one lease of bob's. */
static void begin(struct scene *scene, const char *name, bool of_group)
{
    const struct loop_options options = {.kind = LOOP_EPOLL, .chunks_max = 16, .chunk_bytes = 4096};
    const struct lease_rules rules = {.lease_ns = 2000 * NS_PER_MS, .drift_ppm = 10000};
    struct lease_grantor *grantor;
    struct document_lease *lease;
    struct err err;

    scene->cluster = calloc(1, sizeof *scene->cluster);
    assert_non_null(scene->cluster);
    assert_true(loop_open(&scene->loop, &options, &err));
    scene->cluster->loop = scene->loop;
    scene->place = &scene->cluster->places[0];
    lease = &scene->cluster->document.leases[0];
    snprintf(lease->name, sizeof lease->name, "%s", name);
    lease->of_group = of_group;
    lease->holder = bob;
    grantor = &scene->cluster->grantor;
    lease_grantor_init(grantor, &rules);
    lease_grantor_longest(grantor, rules.lease_ns);
    lease_grantor_won(grantor, 1, loop_now(scene->loop));
    lease_grantor_established(grantor, 1);
    lease_grantor_holds(grantor, 0, bob, 1);
}

static void end(struct scene *scene)
{
    loop_close(scene->loop);
    free(scene->cluster);
}

static bool ended(const struct scene *scene)
{
    return lease_grantor_may_change(&scene->cluster->grantor, 0).ns == 0;
}

static void a_lease_of_a_program_ends_at_once(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, "backup", false);
    assert_false(ended(&scene));
    lease_holder_died(scene.cluster, scene.place, bob);
    assert_true(ended(&scene));
    end(&scene);
}

static void a_group_that_is_tied_ends_a_grace_later(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, "group/orders", true);
    cluster_tie(scene.cluster, "group/orders", true);
    lease_holder_died(scene.cluster, scene.place, bob);
    assert_false(ended(&scene));
    assert_int_equal(lease_next_burial(scene.cluster).ns,
                     after_ms(loop_now(scene.loop), CLUSTER_GRACE_MS).ns);
    lease_bury(scene.cluster);
    assert_false(ended(&scene));
    scene.place->bury = loop_now(scene.loop);
    lease_bury(scene.cluster);
    assert_true(ended(&scene));
    assert_int_equal(lease_next_burial(scene.cluster).ns, NEVER.ns);
    end(&scene);
}

static void a_group_that_is_not_tied_runs_out(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, "group/orders", true);
    cluster_tie(scene.cluster, "group/orders", true);
    cluster_tie(scene.cluster, "group/others", true);
    cluster_tie(scene.cluster, "group/orders", false);
    lease_holder_died(scene.cluster, scene.place, bob);
    scene.place->bury = loop_now(scene.loop);
    lease_bury(scene.cluster);
    assert_false(ended(&scene));
    end(&scene);
}

static void an_address_runs_out(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, CLUSTER_OUTLIVES "front", false);
    lease_holder_died(scene.cluster, scene.place, bob);
    scene.place->bury = loop_now(scene.loop);
    lease_bury(scene.cluster);
    assert_false(ended(&scene));
    end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_of_a_program_ends_at_once),
        cmocka_unit_test(a_group_that_is_tied_ends_a_grace_later),
        cmocka_unit_test(a_group_that_is_not_tied_runs_out),
        cmocka_unit_test(an_address_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
