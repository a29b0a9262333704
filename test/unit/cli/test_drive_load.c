#include "base/must.h"
#include "cli/load.h"
#include "peer.h"

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Backend: a\r\n\r\nok"

struct run {
    struct load_options options;
    struct load_plan plan;
    char url[ADDRESS_TEXT_MAX + 16];
};

static void begin(struct run *run, struct address to, uint64_t rate)
{
    char text[ADDRESS_TEXT_MAX];

    *run = (struct run){
        .options = {.method = "GET",
                    .rate = rate,
                    .duration_ms = 100,
                    .timeout_ms = 5000,
                    .connections = 4,
                    .keep_alive = true,
                    .target = BYTES("/"),
                    .hosts = {{BYTES("127.0.0.1"), to.port}},
                    .host_count = 1,
                    .authority = BYTES("127.0.0.1")},
    };
    snprintf(run->url, sizeof run->url, "http://%s/", address_print(&to, text));
    run->options.url = run->url;
}

static void drive(struct run *run)
{
    struct err err = {0};

    if (!load_drive(&run->options, &run->plan, &err))
        fail_msg("%s", err.text);
    assert_int_equal(run->plan.taken, run->plan.finished);
}

/* All requests of a short run at 200/s ended in this way. */
static void assert_all(const struct run *run, enum load_outcome outcome)
{
    assert_int_equal(run->plan.taken, 20);
    if (run->plan.outcomes[outcome] != 20)
        for (int i = 0; i < LOAD_OUTCOMES; i++)
            print_message("%s %llu\n", load_outcome_keys[i],
                          (unsigned long long)run->plan.outcomes[i]);
    assert_int_equal(run->plan.outcomes[outcome], 20);
}

static void each_manner_of_a_server_has_its_outcome(void **state)
{
    static const struct {
        enum peer_manner manner;
        const char *answer;
        enum load_outcome outcome;
    } rows[] = {
        {PEER_ANSWERS, GOOD, LOAD_OK},
        {PEER_CRAWLS, GOOD, LOAD_OK},
        {PEER_ANSWERS, "HTTP/1.1 204 No Content\r\n\r\n", LOAD_OK},
        {PEER_ANSWERS, "HTTP/1.1 103 Early\r\n\r\n" GOOD, LOAD_OK},
        {PEER_HANGS_UP, "HTTP/1.0 200 OK\r\n\r\nuntil the end", LOAD_OK},
        {PEER_ANSWERS, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", LOAD_STATUS_4XX},
        {PEER_ANSWERS, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", LOAD_STATUS_5XX},
        {PEER_ANSWERS, "220 mail.example ESMTP\r\n", LOAD_MALFORMED},
        {PEER_ANSWERS, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
         LOAD_MALFORMED},
        {PEER_HANGS_UP, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", LOAD_CLOSED_EARLY},
        {PEER_HANGS_UP, "", LOAD_CLOSED_EARLY},
        {PEER_RESETS, "", LOAD_RESET},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer peer = {0};
        struct run run;

        peer_start(&peer, rows[i].manner, rows[i].answer);
        begin(&run, peer.address, 200);
        drive(&run);
        assert_all(&run, rows[i].outcome);
        assert_int_equal(run.plan.unasked, 0);
        load_free(&run.plan);
        peer_stop(&peer);
    }
}

static void a_port_without_a_server_refuses_every_request(void **state)
{
    struct run run;

    (void)state;
    begin(&run, peer_nobody(), 200);
    drive(&run);
    assert_all(&run, LOAD_REFUSED);
    assert_int_equal(load_longest_outage(&run.plan).began_ms, 0);
    load_free(&run.plan);
}

static void a_name_that_does_not_resolve_fails_every_request(void **state)
{
    struct run run;

    (void)state;
    begin(&run, peer_nobody(), 200);
    run.options.hosts[0].name = BYTES("nowhere.invalid");
    drive(&run);
    assert_all(&run, LOAD_UNRESOLVED);
    load_free(&run.plan);
}

/* Four connections hang; the first four requests time out there, and so does every later one, there or while it waits. */
static void a_server_that_hangs_fails_every_request_in_time(void **state)
{
    struct peer peer = {0};
    struct run run;
    uint64_t timeouts, waited;

    (void)state;
    peer_start(&peer, PEER_IS_SILENT, "");
    begin(&run, peer.address, 200);
    run.options.timeout_ms = 50;
    drive(&run);
    timeouts = run.plan.outcomes[LOAD_TIMEOUT];
    waited = run.plan.outcomes[LOAD_NO_CONNECTION];
    assert_int_equal(timeouts + waited, 20);
    assert_true(timeouts >= 4);
    assert_int_equal(peer.script->requests, timeouts);
    load_free(&run.plan);
    peer_stop(&peer);
}

static void connections_are_used_again_unless_asked_not_to(void **state)
{
    struct peer peer = {0};
    struct run run;

    (void)state;
    peer_start(&peer, PEER_ANSWERS, GOOD);
    begin(&run, peer.address, 200);
    drive(&run);
    assert_in_range(peer.script->accepted, 1, 4);
    assert_int_equal(run.plan.connects, peer.script->accepted);
    load_free(&run.plan);
    peer.script->accepted = 0;
    begin(&run, peer.address, 200);
    run.options.keep_alive = false;
    drive(&run);
    assert_all(&run, LOAD_OK);
    assert_int_equal(peer.script->accepted, 20);
    load_free(&run.plan);
    peer_stop(&peer);
}

static void an_answer_that_says_close_ends_its_connection(void **state)
{
    struct peer peer = {0};
    struct run run;

    (void)state;
    peer_start(&peer, PEER_ANSWERS,
               "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    begin(&run, peer.address, 200);
    drive(&run);
    assert_all(&run, LOAD_OK);
    assert_int_equal(peer.script->accepted, 20);
    load_free(&run.plan);
    peer_stop(&peer);
}

static void bytes_that_answer_nothing_are_noticed(void **state)
{
    struct peer peer = {0};
    struct run run;

    (void)state;
    peer_start(&peer, PEER_ANSWERS, GOOD GOOD);
    begin(&run, peer.address, 200);
    drive(&run);
    assert_all(&run, LOAD_OK);
    assert_true(run.plan.unasked > 0);
    load_free(&run.plan);
    peer_stop(&peer);
}

static void a_body_of_another_length_than_expected_has_failed(void **state)
{
    struct peer peer = {0};
    struct run run;

    (void)state;
    peer_start(&peer, PEER_ANSWERS, GOOD);
    begin(&run, peer.address, 200);
    run.options.expects_body = true;
    run.options.expect_body_bytes = 3;
    drive(&run);
    assert_all(&run, LOAD_WRONG_LENGTH);
    load_free(&run.plan);
    begin(&run, peer.address, 200);
    run.options.expects_body = true;
    run.options.expect_body_bytes = 2;
    drive(&run);
    assert_all(&run, LOAD_OK);
    assert_int_equal(run.plan.bytes, 40);
    load_free(&run.plan);
    peer_stop(&peer);
}

static void good_and_bad_answers_are_told_apart_on_one_connection(void **state)
{
    struct peer peer = {0};
    struct run run;

    (void)state;
    peer_start(&peer, PEER_ALTERNATES, GOOD);
    begin(&run, peer.address, 200);
    run.options.connections = 1;
    run.options.group_by = "x-backend";
    drive(&run);
    assert_int_equal(run.plan.outcomes[LOAD_OK], 10);
    assert_int_equal(run.plan.outcomes[LOAD_STATUS_5XX], 10);
    assert_int_equal(run.plan.group_count, 1);
    assert_string_equal(run.plan.groups[0].name, "a");
    assert_int_equal(run.plan.groups[0].answers, 10);
    assert_int_equal(run.plan.ungrouped, 10);
    load_free(&run.plan);
    peer_stop(&peer);
}

static void a_closed_loop_counts_what_the_server_counts(void **state)
{
    struct peer peer = {0};
    struct run run;

    (void)state;
    peer_start(&peer, PEER_ANSWERS, GOOD);
    begin(&run, peer.address, 0);
    drive(&run);
    assert_true(run.plan.taken > 0);
    assert_int_equal(run.plan.outcomes[LOAD_OK], run.plan.taken);
    assert_int_equal(peer.script->requests, run.plan.taken);
    load_free(&run.plan);
    peer_stop(&peer);
}

static void a_closed_loop_against_nobody_does_not_spin(void **state)
{
    struct run run;

    (void)state;
    begin(&run, peer_nobody(), 0);
    drive(&run);
    assert_int_equal(run.plan.outcomes[LOAD_REFUSED], run.plan.taken);
    /* Four connections, each at most once in ten of the hundred milliseconds. */
    assert_in_range(run.plan.taken, 1, 44);
    load_free(&run.plan);
}

static void a_body_is_sent_whole(void **state)
{
    struct peer peer = {0};
    struct run run;

    (void)state;
    peer_start(&peer, PEER_ANSWERS, GOOD);
    begin(&run, peer.address, 200);
    run.options.method = "POST";
    run.options.body_bytes = 100;
    drive(&run);
    assert_all(&run, LOAD_OK);
    load_free(&run.plan);
    peer_stop(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_manner_of_a_server_has_its_outcome),
        cmocka_unit_test(a_port_without_a_server_refuses_every_request),
        cmocka_unit_test(a_name_that_does_not_resolve_fails_every_request),
        cmocka_unit_test(a_server_that_hangs_fails_every_request_in_time),
        cmocka_unit_test(connections_are_used_again_unless_asked_not_to),
        cmocka_unit_test(an_answer_that_says_close_ends_its_connection),
        cmocka_unit_test(bytes_that_answer_nothing_are_noticed),
        cmocka_unit_test(a_body_of_another_length_than_expected_has_failed),
        cmocka_unit_test(good_and_bad_answers_are_told_apart_on_one_connection),
        cmocka_unit_test(a_closed_loop_counts_what_the_server_counts),
        cmocka_unit_test(a_closed_loop_against_nobody_does_not_spin),
        cmocka_unit_test(a_body_is_sent_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
