/*
 * What a disk does to a node: it starts with what it had, or says which file is wrong. It never goes on as if nothing were.
 */
#include "base/pack.h"
#include "wal/wal.h"
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

static void remove_file(const struct world *world, uint32_t i, const char *file)
{
    char path[256];

    name_file(world, i, file, path);
    assert_int_equal(unlink(path), 0);
}

static bool is_there(const struct world *world, uint32_t i, const char *file)
{
    char path[256];

    name_file(world, i, file, path);
    return access(path, F_OK) == 0;
}

#define SEGMENT "log-0000000000000001"
#define NEXT_SEGMENT "log-0000000000000002"

/* As often as it is tried: what it acknowledged is not there, so it may not vote as if it were. */
static void a_log_that_is_gone_refuses_the_start(void **state)
{
    struct world world;

    (void)state;
    one_node(&world);
    remove_file(&world, 0, SEGMENT);
    assert_refuses(&world, 0, "none of its segments is there");
    assert_refuses(&world, 0, "what this node has acknowledged is gone");
    assert_false(is_there(&world, 0, SEGMENT));
    world_close(&world);
}

static void a_newest_segment_that_is_gone_refuses_the_start(void **state)
{
    struct document_command command = world_drain("kept");
    struct answer answer;
    struct world world;

    (void)state;
    world_open(&world, 1);
    world.segment_bytes = 16384;
    world_start_all(&world);
    while (!is_there(&world, 0, NEXT_SEGMENT)) {
        answer = world_command(&world, 0, &command);
        assert_done(answer);
        command.based_on = answer.version;
    }
    world_stop(&world, 0, false);
    remove_file(&world, 0, NEXT_SEGMENT);
    assert_refuses(&world, 0, "'" NEXT_SEGMENT "', is missing");
    world_close(&world);
}

/* Leaves 'meta' as it was before it said how far the log reaches: not at all (1), or not where in the newest segment (2). */
static void write_old_meta(const struct world *world, uint32_t i, uint8_t format)
{
    const size_t place_bytes = format == 1 ? 20 : 4;
    struct wal_meta meta = {0};
    uint8_t body[WAL_META_BYTES_MAX];
    struct disk *disk;
    struct err err;
    size_t len;

    assert_true(disk_open(&disk, world->nodes[i].directory, &err));
    assert_true(wal_meta_open(&meta, disk, "meta", &err));
    len = meta.len - place_bytes;
    memcpy(body, meta.body, len);
    assert_int_equal(body[0], 3);
    body[0] = format;
    assert_true(wal_meta_write(&meta, bytes_of(body, len), &err));
    wal_meta_close(&meta);
    disk_close(disk);
}

static void a_directory_of_an_older_version_goes_on(void **state)
{
    struct document_command command = world_drain("more");
    struct answer answer;
    struct world world;

    (void)state;
    one_node(&world);
    for (uint8_t format = 1; format <= 2; format++) {
        write_old_meta(&world, 0, format);
        world_start(&world, 0);
        answer = world_command(&world, 0, &command);
        assert_done(answer);
        command.based_on = answer.version;
        world_stop(&world, 0, false);
    }
    /* That some log was there is known of the old ones too. */
    write_old_meta(&world, 0, 1);
    remove_file(&world, 0, SEGMENT);
    assert_refuses(&world, 0, "none of its segments is there");
    world_close(&world);
}

/* Where the last byte that is not zero stands: in the last batch, in a segment that was not used before. */
static off_t last_byte(const struct world *world, uint32_t i)
{
    static uint8_t bytes[4 << 20];
    char path[256];
    size_t len;
    FILE *file;

    name_file(world, i, SEGMENT, path);
    file = fopen(path, "rb");
    assert_non_null(file);
    len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_in_range(len, 1, sizeof bytes - 1);
    while (bytes[len - 1] == 0)
        len--;
    return (off_t)len - 1;
}

static void copy_file(const char *from, const char *to)
{
    uint8_t bytes[32768];
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

/* Up to where 'meta' says that the log is durable; looked at in a copy, since opening it writes it. */
static off_t remembered_end(const struct world *world, uint32_t i)
{
    char from[256], directory[256], to[300];
    struct wal_meta meta = {0};
    struct unpack in;
    struct disk *disk;
    struct err err;
    off_t end;

    name_file(world, i, "meta", from);
    snprintf(directory, sizeof directory, "%s/copy", world->top);
    snprintf(to, sizeof to, "%s/meta", directory);
    assert_true(disk_open(&disk, directory, &err));
    copy_file(from, to);
    assert_true(wal_meta_open(&meta, disk, "meta", &err));
    in = unpack_of(bytes_of(meta.body + meta.len - 4, 4));
    end = unpack_u32(&in);
    wal_meta_close(&meta);
    disk_close(disk);
    return end;
}

static void a_damaged_last_batch_refuses_the_start_after_an_orderly_stop(void **state)
{
    struct world world;

    (void)state;
    one_node(&world);
    world_start(&world, 0);
    world_until(&world, world_leader(&world) == 0);
    world_stop(&world, 0, true);
    damage(&world, 0, SEGMENT, last_byte(&world, 0));
    assert_refuses(&world, 0, "was durable");
    world_close(&world);
}

/* A voter that would cut off what it has acknowledged could help to elect one that never had it. */
static void a_damaged_last_batch_refuses_the_start_when_the_log_was_quiet(void **state)
{
    struct document_command command = world_drain("more");
    struct world world;

    (void)state;
    one_node(&world);
    world_start(&world, 0);
    assert_done(world_command(&world, 0, &command));
    world_until(&world, remembered_end(&world, 0) > last_byte(&world, 0));
    world_stop(&world, 0, false);
    damage(&world, 0, SEGMENT, last_byte(&world, 0));
    assert_refuses(&world, 0, "was durable");
    assert_refuses(&world, 0, "what this node has acknowledged is damaged: put");
    world_close(&world);
}

static void a_log_of_another_node_refuses_the_start(void **state)
{
    struct world world, other;
    char from[256], to[256];

    (void)state;
    one_node(&world);
    one_node_of(&other, 100);
    name_file(&other, 0, SEGMENT, from);
    name_file(&world, 0, SEGMENT, to);
    assert_int_equal(rename(from, to), 0);
    assert_refuses(&world, 0, "another log");
    world_close(&other);
    world_close(&world);
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
        cmocka_unit_test(a_log_that_is_gone_refuses_the_start),
        cmocka_unit_test(a_newest_segment_that_is_gone_refuses_the_start),
        cmocka_unit_test(a_directory_of_an_older_version_goes_on),
        cmocka_unit_test(a_damaged_last_batch_refuses_the_start_after_an_orderly_stop),
        cmocka_unit_test(a_damaged_last_batch_refuses_the_start_when_the_log_was_quiet),
        cmocka_unit_test(a_log_of_another_node_refuses_the_start),
        cmocka_unit_test(a_recovery_that_was_cut_short_is_finished),
        cmocka_unit_test(a_charter_of_another_cluster_refuses_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
