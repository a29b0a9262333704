/*
 * Each test makes standard error a pipe of its own and reads what came.
 */
#include "base/must.h"
#include "role/log.h"
#include "unit.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 1 << 20 };

static char said[TEXT_MAX];

struct ear {
    int pipe, standard_error;
};

static struct ear listens(void)
{
    struct ear ear;
    int ends[2];

    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    ear.standard_error = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    ear.pipe = ends[0];
    log_begin("worker 1", "a");
    return ear;
}

static void hears(struct ear *ear)
{
    size_t len = 0;
    ssize_t got;

    while ((got = read(ear->pipe, said + len, sizeof said - 1 - len)) > 0)
        len += (size_t)got;
    said[len] = '\0';
}

static void stops_listening(struct ear *ear)
{
    dup2(ear->standard_error, STDERR_FILENO);
    close(ear->standard_error);
    close(ear->pipe);
}

static const char *text_of(const json_t *entry, const char *key)
{
    return json_string_value(json_object_get(entry, key));
}

static void a_line_is_one_json_object_with_typed_fields(void **state)
{
    struct ear ear = listens();
    json_t *entry;

    (void)state;
    log_warning("worker \"1\" ended", log_number("process.pid", 42),
                log_text("event.reason", "a\nb\\c\x01"));
    hears(&ear);
    stops_listening(&ear);
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    entry = json_loads(said, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(entry);
    assert_string_equal(text_of(entry, "message"), "worker \"1\" ended");
    assert_string_equal(text_of(entry, "log.level"), "warning");
    assert_string_equal(text_of(entry, "event.reason"), "a\nb\\c\x01");
    assert_string_equal(text_of(entry, "nines.role"), "worker 1");
    assert_string_equal(text_of(entry, "service.node.name"), "a");
    assert_int_equal(json_integer_value(json_object_get(entry, "process.pid")), 42);
    assert_int_equal(strlen(text_of(entry, "@timestamp")), 24);
    json_decref(entry);
}

static void a_line_without_fields_is_a_line(void **state)
{
    struct ear ear = listens();
    json_t *entry;

    (void)state;
    log_info("serving");
    hears(&ear);
    stops_listening(&ear);
    entry = json_loads(said, 0, NULL);
    assert_non_null(entry);
    json_decref(entry);
}

static void bytes_that_are_no_text_do_not_break_the_line(void **state)
{
    struct ear ear = listens();
    json_t *entry;

    (void)state;
    log_error("x", log_text("error.message", "open 'caf\xe9\xff': no"));
    hears(&ear);
    stops_listening(&ear);
    entry = json_loads(said, 0, NULL);
    assert_non_null(entry);
    json_decref(entry);
}

static void fields_that_do_not_fit_are_left_out_and_the_sentence_stays(void **state)
{
    static char large[5000];
    struct ear ear = listens();
    json_t *entry;

    (void)state;
    memset(large, 'x', sizeof large - 1);
    log_error("the configuration was refused", log_text("error.message", large));
    hears(&ear);
    stops_listening(&ear);
    entry = json_loads(said, 0, NULL);
    assert_non_null(entry);
    assert_string_equal(text_of(entry, "message"), "the configuration was refused");
    json_decref(entry);
}

static void what_nobody_reads_is_dropped_and_counted_not_waited_for(void **state)
{
    struct ear ear = listens();

    (void)state;
    for (int i = 0; i < 2000; i++)
        log_info("a line that is long enough to fill a pipe soon", log_number("n", i));
    hears(&ear);
    assert_null(strstr(said, "dropped"));
    log_info("heard again");
    hears(&ear);
    stops_listening(&ear);
    assert_non_null(strstr(said, "log lines were dropped"));
    assert_non_null(strstr(said, "nines.log.dropped\":"));
    assert_non_null(strstr(said, "heard again"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_one_json_object_with_typed_fields),
        cmocka_unit_test(a_line_without_fields_is_a_line),
        cmocka_unit_test(bytes_that_are_no_text_do_not_break_the_line),
        cmocka_unit_test(fields_that_do_not_fit_are_left_out_and_the_sentence_stays),
        cmocka_unit_test(what_nobody_reads_is_dropped_and_counted_not_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
