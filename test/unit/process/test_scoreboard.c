#include "base/own.h"
#include "process/scoreboard.h"
#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static void two_maps_show_the_same_counters(void **state)
{
    struct scoreboard *writer, *reader;
    struct err err;
    autoclose int fd = -1;

    (void)state;
    assert_true(scoreboard_create(&fd, &err));
    assert_true(scoreboard_map(fd, &writer, &err));
    assert_true(scoreboard_map(fd, &reader, &err));
    count(&writer->worker[WORKERS_MAX - 1].backends[BACKENDS_MAX - 1].requests, 3);
    uncount(&writer->worker[WORKERS_MAX - 1].backends[BACKENDS_MAX - 1].requests, 1);
    assert_int_equal(counted(&reader->worker[WORKERS_MAX - 1].backends[BACKENDS_MAX - 1].requests),
                     2);
    assert_int_equal(counted(&reader->generation), 0);
    scoreboard_unmap(writer);
    scoreboard_unmap(reader);
}

static void a_scoreboard_cannot_shrink_under_its_readers(void **state)
{
    struct err err;
    autoclose int fd = -1;

    (void)state;
    assert_true(scoreboard_create(&fd, &err));
    assert_int_equal(ftruncate(fd, 4096), -1);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
}

static void what_is_no_scoreboard_is_not_mapped(void **state)
{
    struct scoreboard *board;
    struct err err;
    autoclose int small = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    autoclose int other = memfd_create("y", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    autoclose int pipe_end = -1;
    int ends[2];

    (void)state;
    assert_false(scoreboard_map(small, &board, &err));
    assert_int_equal(ftruncate(other, sizeof(struct scoreboard)), 0);
    assert_false(scoreboard_map(other, &board, &err)); /* may still shrink */
    assert_int_equal(fcntl(other, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_false(scoreboard_map(other, &board, &err)); /* no magic */
    assert_string_equal(err.text, "the scoreboard is of another version");
    assert_int_equal(pipe(ends), 0);
    pipe_end = ends[0];
    close(ends[1]);
    assert_false(scoreboard_map(pipe_end, &board, &err));
}

static void a_record_is_read_whole_or_not_at_all(void **state)
{
    static struct cluster_record record;
    static struct cluster_board written = {.term = 7, .node = "alpha", .node_count = 1}, read;

    (void)state;
    assert_false(board_read(&record.guard, &read, &record.board, sizeof read));
    board_publish(&record.guard, &record.board, &written, sizeof written);
    assert_true(board_read(&record.guard, &read, &record.board, sizeof read));
    assert_memory_equal(&read, &written, sizeof read);
    count(&record.guard, 1); /* its writer died in the middle */
    assert_false(board_read(&record.guard, &read, &record.board, sizeof read));
    board_publish(&record.guard, &record.board, &written, sizeof written);
    assert_true(board_read(&record.guard, &read, &record.board, sizeof read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_maps_show_the_same_counters),
        cmocka_unit_test(a_scoreboard_cannot_shrink_under_its_readers),
        cmocka_unit_test(a_record_is_read_whole_or_not_at_all),
        cmocka_unit_test(what_is_no_scoreboard_is_not_mapped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
