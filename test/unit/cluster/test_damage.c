/*
 * What a disk does to a node: it starts with what it had, or says which file is wrong. It never goes on as if nothing were.
 */
#include "world.h"

#include <fcntl.h>

static void damage(const struct world *world, uint32_t i, const char *file, off_t at)
{
    char path[256];
    uint8_t byte;
    int fd;

    snprintf(path, sizeof path, "%s/%s", world->nodes[i].directory, file);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void assert_refuses(struct world *world, uint32_t i, const char *word)
{
    struct node *node = &world->nodes[i];
    struct err err;

    assert_false(world_try_start(world, i, &err));
    if (!strstr(err.text, word))
        fail_msg("expected '%s' in '%s'", word, err.text);
    node->cluster = NULL;
    disk_close(node->disk);
    close(node->listener);
    node->listener = -1;
}

static void one_node(struct world *world)
{
    struct document_command command = world_drain("kept");

    world_open(world, 1);
    world_start_all(world);
    assert_done(world_command(world, 0, &command));
    world_stop(world, 0, false);
}

static void a_damaged_snapshot_refuses_the_start(void **state)
{
    struct world world;

    (void)state;
    one_node(&world);
    damage(&world, 0, "snapshot-1", 60);
    assert_refuses(&world, 0, "snapshot-1");
    world_close(&world);
}

static void a_damaged_charter_refuses_the_start(void **state)
{
    struct world world;

    (void)state;
    one_node(&world);
    damage(&world, 0, "charter", 30);
    assert_refuses(&world, 0, "charter");
    world_close(&world);
}

static void files_of_another_node_are_refused(void **state)
{
    struct world world;
    char from[256], to[256];

    (void)state;
    world_open(&world, 3);
    world_start_all(&world);
    world_until(&world, world_members(&world));
    for (uint32_t i = 0; i < 3; i++)
        world_stop(&world, i, false);
    snprintf(from, sizeof from, "%s/identity", world.nodes[0].directory);
    snprintf(to, sizeof to, "%s/identity", world.nodes[1].directory);
    assert_int_equal(rename(from, to), 0);
    /* Its disk is that of 'a' now, and the charter says that 'a' has that one. */
    world_start(&world, 2);
    assert_refuses(&world, 1, "name");
    world_close(&world);
}

static void a_snapshot_that_is_gone_refuses_the_start(void **state)
{
    struct world world;
    char path[256];

    (void)state;
    one_node(&world);
    snprintf(path, sizeof path, "%s/snapshot-1", world.nodes[0].directory);
    assert_int_equal(unlink(path), 0);
    assert_refuses(&world, 0, "snapshot-1");
    world_close(&world);
}

static void a_vote_that_is_gone_refuses_the_start(void **state)
{
    struct world world;
    char path[256];

    (void)state;
    one_node(&world);
    snprintf(path, sizeof path, "%s/meta", world.nodes[0].directory);
    assert_int_equal(unlink(path), 0);
    assert_refuses(&world, 0, "meta");
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_snapshot_refuses_the_start),
        cmocka_unit_test(a_damaged_charter_refuses_the_start),
        cmocka_unit_test(files_of_another_node_are_refused),
        cmocka_unit_test(a_vote_that_is_gone_refuses_the_start),
        cmocka_unit_test(a_snapshot_that_is_gone_refuses_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
