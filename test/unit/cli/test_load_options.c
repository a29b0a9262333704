#include "base/must.h"
#include "cli/load.h"
#include "unit.h"

#include <stdlib.h>

enum { WORDS_MAX = 32 };

/* Parses words that one blank separates; `_` stands for a blank within a word. The options point into *storage. */
static bool parse(const char *words, struct load_options *options, struct err *err, char **storage)
{
    char *argv[WORDS_MAX] = {NULL}, *rest = NULL;
    static char name[] = "load";
    int argc = 1;

    argv[0] = name;
    *storage = strdup(words);
    for (char *word = strtok_r(*storage, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        for (char *c = word; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        argv[argc++] = word;
    }
    return load_parse(options, argc, argv, err);
}

static void words_become_options(void **state)
{
    struct load_options options;
    struct err err = {0};
    char *storage;

    (void)state;
    assert_true(parse("http://[::1]:8080/a?b=c --rate 200 --for=1m --connections 7 --timeout 250ms"
                      " --method POST --body-bytes 16KiB --expect-body-bytes 0 --no-keepalive"
                      " --header X-A:_1 --header X-B:2 --group-by X-Backend --max-failures 3"
                      " --json",
                      &options, &err, &storage));
    assert_true(bytes_equal(options.hosts[0].name, BYTES("::1")));
    assert_true(bytes_equal(options.authority, BYTES("[::1]:8080")));
    assert_true(bytes_equal(options.target, BYTES("/a?b=c")));
    assert_int_equal(options.hosts[0].port, 8080);
    assert_int_equal(options.rate, 200);
    assert_int_equal(options.duration_ms, 60000);
    assert_int_equal(options.timeout_ms, 250);
    assert_int_equal(options.connections, 7);
    assert_int_equal(options.body_bytes, 16384);
    assert_true(options.expects_body);
    assert_int_equal(options.expect_body_bytes, 0);
    assert_false(options.keep_alive);
    assert_true(options.json);
    assert_int_equal(options.header_count, 2);
    assert_string_equal(options.group_by, "X-Backend");
    assert_int_equal(options.failures_max, 3);
    free(storage);
}

static void a_url_without_port_or_path_is_port_80_and_the_root(void **state)
{
    struct load_options options;
    struct err err = {0};
    char *storage;

    (void)state;
    assert_true(parse("http://localhost --rate 0 --for 1s", &options, &err, &storage));
    assert_true(bytes_equal(options.hosts[0].name, BYTES("localhost")));
    assert_int_equal(options.hosts[0].port, 80);
    assert_true(bytes_equal(options.target, BYTES("/")));
    assert_true(options.keep_alive);
    free(storage);
    assert_true(parse("http://[::1]/ --rate 0 --for 1s", &options, &err, &storage));
    assert_true(bytes_equal(options.hosts[0].name, BYTES("::1")));
    free(storage);
}

static void what_is_wrong_is_said_in_a_sentence(void **state)
{
    static const struct {
        const char *words, *says;
    } rows[] = {
        {"--rate 1 --for 1s", "a URL is missing"},
        {"http://a/ --for 1s", "--rate is missing"},
        {"http://a/ --rate 1", "--for is missing"},
        {"https://a/ --rate 1 --for 1s", "https is not spoken yet"},
        {"a:80 --rate 1 --for 1s", "expected a URL such as"},
        {"http:// --rate 1 --for 1s", "expected http://HOST"},
        {"http://:80/ --rate 1 --for 1s", "expected http://HOST"},
        {"http://a:0/ --rate 1 --for 1s", "expected http://HOST"},
        {"http://a:99999/ --rate 1 --for 1s", "expected http://HOST"},
        {"http://::1/ --rate 1 --for 1s", "expected http://HOST"},
        {"http://u@a/ --rate 1 --for 1s", "expected http://HOST"},
        {"http://a/_b --rate 1 --for 1s", "blanks"},
        {"http://a/#b --rate 1 --for 1s", "blanks and '#'"},
        {"http://a/ http://b/ --rate 1 --for 1s", "one URL is enough"},
        {"http://a/ --rate x --for 1s", "--rate 'x': expected a number"},
        {"http://a/ --rate -1 --for 1s", "--rate '-1': expected a number"},
        {"http://a/ --rate 1 --for 10", "--for '10': expected a duration"},
        {"http://a/ --rate 1 --for 90d", "--for '90d': expected a duration up to 24h"},
        {"http://a/ --rate 1 --for 1s --connections 0", "--connections '0': expected"},
        {"http://a/ --rate 1 --for 1s --method", "--method needs a method"},
        {"http://a/ --rate 1 --for 1s --method A_B", "--method 'A B': expected a method"},
        {"http://a/ --rate 1 --for 1s --method CONNECT", "tunnel"},
        {"http://a/ --rate 1 --for 1s --header nonsense", "--header 'nonsense': expected a field"},
        {"http://a/ --rate 1 --for 1s --header Content-Length:_1", "expected a field"},
        {"http://a/ --rate 1 --for 1s --json=1", "--json takes no value"},
        {"http://a/ --rate 1 --for 1s --jsn", "unknown option '--jsn'"},
        {"http://a/ --rate 1 --for 1s --journal j", "--journal is not for http"},
        {"redis://a:1", "--journal is missing"},
        {"redis://a:1 --journal j --method GET", "--method is not for a journal"},
        {"redis://a:1 --journal j --rate 0", "a journal has a schedule"},
        {"redis://a:1 --journal j --rate 1000000 --for 1h", "more than 20000000 keys"},
        {"redis://a:1 --journal j --connections 1025", "at most 1024"},
        {"redis://a:1 --journal j --read-from b", "--read-from: 'b': expected a URL such as"},
        {"redis:// --journal j", "expected redis://HOST:PORT"},
        {"redis://a:1, --journal j", "expected redis://HOST:PORT"},
        {"redis://a:1,,b:2 --journal j", "expected redis://HOST:PORT"},
        {"redis://u@a:1 --journal j", "expected redis://HOST:PORT"},
        {"rediss://a:1 --journal j", "TLS is not spoken yet"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct load_options options;
        struct err err = {0};
        char *storage;

        assert_false(parse(rows[i].words, &options, &err, &storage));
        assert_int_equal(err.kind, ERR_USAGE);
        if (!strstr(err.text, rows[i].says))
            fail_msg("%s: '%s' does not say '%s'", rows[i].words, err.text, rows[i].says);
        free(storage);
    }
}

static void a_journal_has_hosts_to_write_to_and_to_read_from(void **state)
{
    struct load_options options;
    struct err err = {0};
    char *storage;

    (void)state;
    assert_true(parse("redis://a:1,[::1]:2,c/ --journal j --read-from redis://d:4 --prefix p"
                      " --attempt 300ms --fault-at 1795861060742",
                      &options, &err, &storage));
    assert_int_equal(options.host_count, 4);
    assert_int_equal(options.write_count, 3);
    assert_true(bytes_equal(options.hosts[1].name, BYTES("::1")));
    assert_int_equal(options.hosts[1].port, 2);
    assert_int_equal(options.hosts[2].port, 6379);
    assert_true(bytes_equal(options.hosts[3].name, BYTES("d")));
    assert_string_equal(options.journal, "j");
    assert_string_equal(options.prefix, "p");
    assert_int_equal(options.attempt_ms, 300);
    assert_int_equal(options.fault_ms, 1795861060742);
    assert_int_equal(options.rate, 100);
    assert_int_equal(options.duration_ms, 30000);
    assert_int_equal(options.timeout_ms, 10000);
    assert_int_equal(options.connections, 4);
    free(storage);
}

static void reading_back_needs_a_journal_and_a_url(void **state)
{
    static char verify[] = "verify", file[] = "j", url[] = "redis://a:1", more[] = "b",
                http[] = "http://a/", rate[] = "--rate=1";
    char *good[] = {verify, file, url}, *few[] = {verify, file},
         *many[] = {verify, file, url, more};
    char *other[] = {verify, file, http}, *rated[] = {verify, file, url, rate};
    struct load_options options;
    struct err err = {0};

    (void)state;
    assert_true(load_parse_verify(&options, 3, good, &err));
    assert_string_equal(options.journal, "j");
    assert_int_equal(options.write_count, 1);
    assert_int_equal(options.timeout_ms, 10000);
    assert_false(load_parse_verify(&options, 2, few, &err));
    assert_false(load_parse_verify(&options, 4, many, &err));
    assert_false(load_parse_verify(&options, 3, other, &err));
    assert_false(load_parse_verify(&options, 4, rated, &err));
    assert_non_null(strstr(err.text, "--rate is not for reading back"));
}

static void assert_request(const char *words, const char *expected)
{
    struct load_options options;
    struct err err = {0};
    char *storage, text[1024];
    struct buf out;

    assert_true(parse(words, &options, &err, &storage));
    buf_over(&out, text, sizeof text);
    load_write_request(&options, &out);
    buf_add_byte(&out, 0);
    assert_string_equal(text, expected);
    free(storage);
}

static void the_request_is_what_was_asked_for(void **state)
{
    (void)state;
    assert_request("http://a:81/x --rate 0 --for 1s",
                   "GET /x HTTP/1.1\r\nHost: a:81\r\nUser-Agent: nines-load/" NINES_VERSION
                   "\r\n\r\n");
    assert_request("http://a/ --rate 0 --for 1s --method POST --body-bytes 3 --no-keepalive"
                   " --header Host:b --header user-agent:me",
                   "POST / HTTP/1.1\r\nHost: b\r\nuser-agent: me\r\nContent-Length: 3\r\n"
                   "Connection: close\r\n\r\nxxx");
    assert_request("http://a/ --rate 0 --for 1s --method PUT --header Host:b --header User-Agent:m",
                   "PUT / HTTP/1.1\r\nHost: b\r\nUser-Agent: m\r\nContent-Length: 0\r\n\r\n");
}

static void the_usage_names_every_option(void **state)
{
    static const char *const names[] = {
        "--rate",     "--for",          "--connections", "--timeout",           "--method",
        "--header",   "--body-bytes",   "--keepalive",   "--expect-body-bytes", "--no-keepalive",
        "--group-by", "--max-failures", "--json"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_non_null(strstr(load_usage, names[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_options),
        cmocka_unit_test(a_url_without_port_or_path_is_port_80_and_the_root),
        cmocka_unit_test(what_is_wrong_is_said_in_a_sentence),
        cmocka_unit_test(a_journal_has_hosts_to_write_to_and_to_read_from),
        cmocka_unit_test(reading_back_needs_a_journal_and_a_url),
        cmocka_unit_test(the_request_is_what_was_asked_for),
        cmocka_unit_test(the_usage_names_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
