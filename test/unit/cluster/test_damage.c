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

/* What is drawn differs by `seed`: the disk and the cluster. */
static void one_node_of(struct world *world, uint64_t seed)
{
    struct document_command command = world_drain("kept");

    world_open(world, 1);
    world->seed = seed;
    world_start_all(world);
    assert_done(world_command(world, 0, &command));
    world_stop(world, 0, false);
}

static void one_node(struct world *world)
{
    one_node_of(world, 0);
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

static void name_file(const struct world *world, uint32_t i, const char *file, char path[256])
{
    snprintf(path, 256, "%s/%s", world->nodes[i].directory, file);
}

static void a_charter_that_is_gone_refuses_the_start(void **state)
{
    struct world world;
    char path[256];

    (void)state;
    one_node(&world);
    name_file(&world, 0, "charter", path);
    assert_int_equal(unlink(path), 0);
    assert_refuses(&world, 0, "'charter' is missing");
    world_close(&world);
}

static void copy_file(const char *from, const char *to)
{
    uint8_t bytes[16384];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    size_t len;

    assert_non_null(in);
    assert_non_null(out);
    len = fread(bytes, 1, sizeof bytes, in);
    assert_in_range(len, 1, sizeof bytes - 1);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* Leaves 'a' as the end finds it between the snapshot of a recovery and its charter. */
static void cut_recovery_short(struct world *world)
{
    struct cluster_ask ask = {.kind = CLUSTER_RECOVER, .timeout_ms = 8000};
    char charter[256], kept[256];

    name_file(world, 0, "charter", charter);
    snprintf(kept, sizeof kept, "%s/kept", world->top);
    copy_file(charter, kept);
    world_stop(world, 1, false);
    world_stop(world, 2, false);
    world_until(world, !cluster_view(world->nodes[0].cluster)->quorum);
    assert_done(world_ask(world, 0, &ask));
    world_until(world, world_leader(world) == 0);
    world_stop(world, 0, false);
    copy_file(kept, charter);
}

static void a_recovery_that_was_cut_short_is_finished(void **state)
{
    struct world world;

    (void)state;
    world_open(&world, 3);
    world_start_all(&world);
    world_until(&world, world_members(&world));
    cut_recovery_short(&world);
    world_start(&world, 0);
    world_until(&world, world_leader(&world) == 0);
    world_start(&world, 1);
    world_until(&world, strstr(world.nodes[0].story, "b is a member of another cluster"));
    /* And it stays so. */
    world_stop(&world, 0, false);
    world_start(&world, 0);
    world_until(&world, world_leader(&world) == 0);
    world_close(&world);
}

static void a_charter_of_another_cluster_refuses_the_start(void **state)
{
    struct world world, other;
    char from[256], to[256];

    (void)state;
    one_node(&world);
    one_node_of(&other, 100);
    name_file(&other, 0, "charter", from);
    name_file(&world, 0, "charter", to);
    copy_file(from, to);
    name_file(&other, 0, "identity", from);
    name_file(&world, 0, "identity", to);
    copy_file(from, to);
    assert_refuses(&world, 0, "another cluster");
    world_close(&other);
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
        cmocka_unit_test(a_charter_that_is_gone_refuses_the_start),
        cmocka_unit_test(a_recovery_that_was_cut_short_is_finished),
        cmocka_unit_test(a_charter_of_another_cluster_refuses_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
