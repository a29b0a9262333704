#include "cli/events.h"
#include "unit.h"

#include <stdlib.h>
#include <time.h>

static const int64_t now_ms = 1795388400000; /* 2026-11-22T23:00:00Z */

static bool parse(struct events_options *options, struct err *err, ...)
{
    static char name[] = "events";
    char *argv[16] = {name};
    int argc = 1;
    va_list words;

    va_start(words, err);
    while ((argv[argc] = va_arg(words, char *)))
        argc++;
    va_end(words);
    return events_parse(options, argc, argv, now_ms, err);
}

static const char *target_of(const struct events_options *options, const char *next,
                             int64_t wait_ms)
{
    static char text[EVENTS_TARGET_MAX];
    struct buf out;

    buf_over(&out, text, sizeof text);
    events_target(options, next, wait_ms, &out);
    buf_add_byte(&out, 0);
    assert_false(out.full);
    return text;
}

/* ---- words ---- */

static void nothing_said_asks_for_the_newest(void **state)
{
    struct events_options options;
    struct err err;

    (void)state;
    assert_true(parse(&options, &err, NULL));
    assert_string_equal(target_of(&options, NULL, 0), "/api/v1/events?limit=50");
    assert_true(parse(&options, &err, "--follow", NULL));
    assert_string_equal(target_of(&options, NULL, 0), "/api/v1/events?limit=10");
    assert_true(parse(&options, &err, "--since", "10m", NULL));
    assert_string_equal(target_of(&options, NULL, 0),
                        "/api/v1/events?limit=1000&since=1795387800000");
}

static void filters_and_places_are_passed_on(void **state)
{
    struct events_options options;
    struct err err;

    (void)state;
    assert_true(parse(&options, &err, "--node=a b", "--code", "N-1101", "--json", "--severity",
                      "warning", "--limit=7", "--socket", "/tmp/x", NULL));
    assert_true(options.client.json);
    assert_string_equal(options.client.socket, "/tmp/x");
    assert_string_equal(target_of(&options, NULL, 0),
                        "/api/v1/events?limit=7&node=a%20b&code=N-1101&severity=warning");
    assert_string_equal(target_of(&options, "5,1f.2.a", 100),
                        "/api/v1/events?limit=1000&wait=100&node=a%20b&code=N-1101&severity="
                        "warning&after=5%2C1f.2.a");
}

static void what_makes_no_sense_is_refused_with_what_was_expected(void **state)
{
    static const char *const rows[][2] = {
        {"--since", "soon"}, {"--code", "N-1"}, {"--severity", "bad"}, {"--limit", "0"},
        {"--limit", "1001"}, {"--node", ""},    {"--since", NULL},     {"--colour", NULL},
        {"surplus", NULL},   {"--nodes", "a"},  {"--since=", NULL},
    };
    struct events_options options;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_false(parse(&options, &err, rows[i][0], rows[i][1], NULL));
        assert_int_equal(err.kind, ERR_USAGE);
    }
    assert_false(parse(&options, &err, "--code", "nonsense", NULL));
    assert_non_null(strstr(err.text, "nines explain"));
}

/* ---- times ---- */

static int64_t time_of(const char *text)
{
    int64_t ms;

    return events_read_time(text, now_ms, &ms) ? ms : -1;
}

static void times_are_read_as_people_write_them(void **state)
{
    (void)state;
    setenv("TZ", "UTC-2", 1); /* two hours east */
    tzset();
    assert_int_equal(time_of("10m"), now_ms - 600000);
    assert_int_equal(time_of("2026-11-22T22:30:05Z"), 1795386605000);
    assert_int_equal(time_of("2026-11-22 22:30Z"), 1795386600000);
    assert_int_equal(time_of("2026-11-23T00:30:05"), 1795386605000);
    assert_int_equal(time_of("2026-11-23 00:30"), 1795386600000);
    assert_int_equal(time_of("00:30"), 1795386600000); /* it is the 23rd here */
    assert_int_equal(time_of("00:30:05"), 1795386605000);
    assert_int_equal(time_of("2026-11-23"), 1795384800000);
}

static void other_words_are_no_times(void **state)
{
    static const char *const texts[] = {"",
                                        "Z",
                                        "now",
                                        "25:00",
                                        "2026-13-01",
                                        "10",
                                        "22:30x",
                                        "2026-11-22T22:30:05+01:00",
                                        "0000000000000000000000000000000000000000000000000"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(time_of(texts[i]), -1);
}

/* ---- what is printed ---- */

static json_t *page_of(const char *text)
{
    json_error_t error;
    json_t *page = json_loads(text, 0, &error);

    assert_non_null(page);
    return page;
}

static const char *const page_text =
    "{\"events\":["
    "{\"wall_ms\":1795388400123,\"code\":\"N-1101\",\"name\":\"leader-elected\",\"severity\":"
    "\"info\","
    "\"node\":\"alpha\",\"subject\":{\"kind\":\"node\",\"name\":\"alpha\"},\"text\":\"alpha "
    "leads\"},"
    "{\"wall_ms\":1795388400500,\"code\":\"N-1105\",\"name\":\"quorum-lost\",\"severity\":"
    "\"critical\",\"node\":\"b\",\"subject\":{\"kind\":\"none\",\"name\":\"\"},\"text\":\"\"},"
    "{\"code\":\"N-9\"}],"
    "\"missing\":[{\"node\":\"c\\u001b\",\"why\":\"its link is down\"}]}";

static void events_stand_in_columns(void **state)
{
    struct events_table table = {0};
    json_t *page = page_of(page_text);
    char text[2048];
    struct buf out;

    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    buf_over(&out, text, sizeof text - 1);
    show_events(page, &table, &out);
    text[out.len] = '\0';
    assert_string_equal(text,
                        "2026-11-22 23:00:00.123 alpha info     N-1101 node alpha alpha leads\n"
                        "2026-11-22 23:00:00.500 b     critical N-1105            quorum-lost\n"
                        "1970-01-01 00:00:00.000                N-9\n");
    json_decref(page);
}

static void a_followed_table_never_grows_narrower(void **state)
{
    struct events_table table = {.node_width = 7, .subject_width = 12};
    json_t *page = page_of(page_text);
    char text[2048];
    struct buf out;

    (void)state;
    buf_over(&out, text, sizeof text - 1);
    show_events(page, &table, &out);
    assert_int_equal(table.node_width, 7);
    assert_int_equal(table.subject_width, 12);
    json_decref(page);
}

static void one_object_per_line_for_programs(void **state)
{
    json_t *page = page_of("{\"events\":[{\"a\":1},{\"b\":\"x\"}]}");
    char text[256];
    struct buf out;

    (void)state;
    buf_over(&out, text, sizeof text - 1);
    show_events_json(page, &out);
    text[out.len] = '\0';
    assert_string_equal(text, "{\"a\":1}\n{\"b\":\"x\"}\n");
    json_decref(page);
}

static void who_is_missing_is_named(void **state)
{
    json_t *page = page_of(page_text);
    char text[256];
    struct buf out;

    (void)state;
    buf_over(&out, text, sizeof text - 1);
    show_missing(page, &out);
    text[out.len] = '\0';
    assert_string_equal(text, "nines events: c? is missing: its link is down\n");
    json_decref(page);
}

/* ---- explain ---- */

static void an_explanation_fits_a_terminal(void **state)
{
    char text[4096];

    (void)state;
    for (size_t i = 0; i < code_count; i++) {
        struct bytes rest;
        struct buf out;

        buf_over(&out, text, sizeof text);
        show_code(&codes[i], false, &out);
        assert_false(out.full);
        for (rest = buf_bytes(&out); rest.len;) {
            size_t line = bytes_find(rest, '\n');

            assert_in_range(line, 0, 78);
            rest = bytes_skip(rest, line + 1);
        }
    }
}

static void an_explanation_says_how_bad_what_and_what_to_do(void **state)
{
    char text[4096];
    struct buf out;

    (void)state;
    buf_over(&out, text, sizeof text - 1);
    show_code(code_find(FACT_DISK_OK), false, &out);
    text[out.len] = '\0';
    assert_string_equal(text, "N-1402 disk-ok (info)\n\nThe disk takes writes again\n\nNothing.\n");
}

static void all_codes_are_listed_for_people_and_programs(void **state)
{
    json_error_t error;
    json_t *rows;
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    show_codes(true, &out);
    assert_false(out.full);
    buf_clear(&out);
    show_code_json(NULL, &out);
    rows = json_loadb((const char *)out.at, out.len, 0, &error);
    assert_int_equal(json_array_size(rows), code_count);
    json_decref(rows);
    buf_fini(&out);
}

static void a_misspelt_code_is_recognised(void **state)
{
    (void)state;
    assert_string_equal(explain_nearest("leader-electd"), "leader-elected");
    assert_null(explain_nearest("xyzzy"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_asks_for_the_newest),
        cmocka_unit_test(filters_and_places_are_passed_on),
        cmocka_unit_test(what_makes_no_sense_is_refused_with_what_was_expected),
        cmocka_unit_test(times_are_read_as_people_write_them),
        cmocka_unit_test(other_words_are_no_times),
        cmocka_unit_test(events_stand_in_columns),
        cmocka_unit_test(a_followed_table_never_grows_narrower),
        cmocka_unit_test(one_object_per_line_for_programs),
        cmocka_unit_test(who_is_missing_is_named),
        cmocka_unit_test(an_explanation_fits_a_terminal),
        cmocka_unit_test(an_explanation_says_how_bad_what_and_what_to_do),
        cmocka_unit_test(all_codes_are_listed_for_people_and_programs),
        cmocka_unit_test(a_misspelt_code_is_recognised),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
