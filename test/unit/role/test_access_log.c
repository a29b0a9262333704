#include "base/clock.h"
#include "role/access_log.h"
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HANG_S = 30, TEXT_MAX = 1 << 20 };

/* A log in a file of memory, and the pipes of three workers. */
struct house {
    struct loop *loop;
    struct scoreboard *board;
    struct access_log *log;
    int file;
    int ends[3]; /* the workers' */
    int pipes[WORKERS_MAX];
    char text[TEXT_MAX];
};

static struct house *open_house(int file)
{
    struct loop_options options = {.kind = LOOP_EPOLL, .chunks_max = 4, .chunk_bytes = 4096};
    struct house *house = calloc(1, sizeof *house);
    struct err err;

    assert_non_null(house);
    house->board = calloc(1, sizeof *house->board);
    assert_non_null(house->board);
    house->file = file;
    memset(house->pipes, 0xff, sizeof house->pipes);
    for (size_t i = 0; i < 3; i++) {
        int ends[2];

        assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
        house->pipes[i] = ends[0];
        house->ends[i] = ends[1];
    }
    assert_true(loop_open(&house->loop, &options, &err));
    assert_true(access_log_open(&house->log, house->loop, house->board, &err));
    access_log_configure(house->log, file, house->pipes);
    return house;
}

static struct house *open_house_with_file(void)
{
    return open_house(memfd_create("log", MFD_CLOEXEC));
}

static void close_house(struct house *house)
{
    if (house->log)
        access_log_close(house->log);
    loop_close(house->loop);
    for (size_t i = 0; i < 3; i++) {
        close(house->pipes[i]);
        close(house->ends[i]);
    }
    close(house->file);
    free(house->board);
    free(house);
}

static void say(const struct house *house, size_t worker, const char *text)
{
    assert_int_equal(write(house->ends[worker], text, strlen(text)), (ssize_t)strlen(text));
}

static const char *written(struct house *house)
{
    ssize_t len = pread(house->file, house->text, TEXT_MAX - 1, 0);

    assert_true(len >= 0);
    house->text[len] = 0;
    return house->text;
}

static void turn(struct house *house)
{
    for (int i = 0; i < 5; i++)
        loop_turn(house->loop, 0);
}

static void turn_until(struct house *house, const counter *cell, uint64_t value)
{
    struct instant hang = after_ns(clock_now(), HANG_S * NS_PER_S);

    while (counted(cell) < value) {
        loop_turn(house->loop, NS_PER_MS);
        if (passed(hang, clock_now()))
            fail_msg("%llu instead of %llu", (unsigned long long)counted(cell),
                     (unsigned long long)value);
    }
}

static void writes_only_whole_lines(void **state)
{
    struct house *house = open_house_with_file();

    (void)state;
    say(house, 0, "one ");
    say(house, 1, "two\nthr");
    turn(house);
    assert_string_equal(written(house), "two\n");
    say(house, 0, "line\n");
    turn(house);
    say(house, 1, "ee\n");
    turn(house);
    assert_string_equal(written(house), "two\none line\nthree\n");
    assert_int_equal(counted(&house->board->log_lines), 3);
    close_house(house);
}

static void goes_on_in_a_new_file_when_told(void **state)
{
    struct house *house = open_house_with_file();
    int next = memfd_create("next", MFD_CLOEXEC);

    (void)state;
    say(house, 0, "first\n");
    turn(house);
    assert_string_equal(written(house), "first\n");
    access_log_reopen(house->log, next);
    close(house->file);
    house->file = next;
    say(house, 0, "second\n");
    turn(house);
    assert_string_equal(written(house), "second\n");
    close_house(house);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void counts_what_a_full_disk_loses_and_mends_the_torn_line(void **state)
{
    struct house *house = open_house_with_file();

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    limit_files(8);
    say(house, 0, "kept\nlost\nlost too\n");
    turn(house);
    say(house, 1, "and this\n");
    turn(house);
    limit_files(RLIM_INFINITY);
    assert_int_equal(counted(&house->board->log_lost), 3);
    assert_int_equal(counted(&house->board->log_lines), 1);
    assert_string_equal(written(house), "kept\nlos");
    say(house, 2, "next\n");
    turn(house);
    assert_string_equal(written(house), "kept\nlos\nnext\n");
    close_house(house);
}

static void waits_for_a_reader_without_holding_up_the_loop(void **state)
{
    struct house *house;
    char line[101], text[200];
    uint64_t lines = 0, read_lines = 0;
    int ends[2];
    ssize_t len;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC),
                     0); /* blocking, as a terminal or another's pipe may be */
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    house = open_house(ends[1]);
    memset(line, 'x', sizeof line);
    line[99] = '\n';
    line[100] = 0;
    while (write(house->ends[0], line, 100) == 100) {
        lines++;
        loop_turn(house->loop, 0);
    }
    assert_true(lines * 100 > 100000);
    assert_true(counted(&house->board->log_lines) < lines);
    while (read_lines < lines) {
        while ((len = read(ends[0], text, 100)) > 0) {
            assert_int_equal(len, 100);
            assert_memory_equal(text, line, 100);
            read_lines++;
        }
        turn_until(house, &house->board->log_lines,
                   read_lines + 1 > lines ? lines : read_lines + 1);
    }
    assert_int_equal(counted(&house->board->log_lost), 0);
    close(ends[0]);
    close_house(house);
}

static void takes_what_is_left_when_it_is_closed(void **state)
{
    struct house *house = open_house_with_file();

    (void)state;
    say(house, 0, "a\n");
    say(house, 2, "b\nhalf");
    access_log_close(house->log);
    house->log = NULL;
    assert_string_equal(written(house), "a\nb\n");
    close_house(house);
}

static void throws_lines_away_without_a_log(void **state)
{
    struct house *house = open_house_with_file();

    (void)state;
    access_log_configure(house->log, -1, house->pipes);
    say(house, 0, "a\n");
    turn(house);
    access_log_configure(house->log, house->file, house->pipes);
    say(house, 0, "b\n");
    turn(house);
    assert_string_equal(written(house), "b\n");
    assert_int_equal(counted(&house->board->log_lost), 0);
    close_house(house);
}

static void a_line_that_never_ends_is_dropped(void **state)
{
    struct house *house = open_house_with_file();
    char text[4096];

    (void)state;
    memset(text, 'x', sizeof text);
    while (counted(&house->board->log_lost) == 0) {
        assert_true(write(house->ends[0], text, sizeof text) > 0);
        turn(house);
    }
    say(house, 0, "\nb\n");
    turn(house);
    assert_non_null(strstr(written(house), "\nb\n"));
    close_house(house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_only_whole_lines),
        cmocka_unit_test(goes_on_in_a_new_file_when_told),
        cmocka_unit_test(counts_what_a_full_disk_loses_and_mends_the_torn_line),
        cmocka_unit_test(waits_for_a_reader_without_holding_up_the_loop),
        cmocka_unit_test(takes_what_is_left_when_it_is_closed),
        cmocka_unit_test(throws_lines_away_without_a_log),
        cmocka_unit_test(a_line_that_never_ends_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
