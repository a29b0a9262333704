#include "facts.h"
#include "timeline/exchange.h"
#include "unit.h"

#include <stdlib.h>

static const struct exchange_request request = {.after = {5, 6},
                                                .since_ms = 1000,
                                                .code = 1101,
                                                .severity = SEVERITY_WARNING,
                                                .limit = 50,
                                                .now = {2000, 3}};

static struct bytes written(const struct exchange_request *from)
{
    static uint8_t storage[EXCHANGE_REQUEST_MAX];
    struct buf out;

    buf_over(&out, storage, sizeof storage);
    exchange_add_request(from, &out);
    assert_false(out.full);
    return buf_bytes(&out);
}

static void a_request_reads_back(void **state)
{
    struct exchange_request back;
    const char *why;

    (void)state;
    assert_true(exchange_read_request(written(&request), &back, &why));
    assert_int_equal(back.newest, request.newest);
    assert_int_equal(back.after.origin, 5);
    assert_int_equal(back.after.sequence, 6);
    assert_int_equal(back.since_ms, 1000);
    assert_int_equal(back.code, 1101);
    assert_int_equal(back.severity, SEVERITY_WARNING);
    assert_int_equal(back.limit, 50);
    assert_int_equal(moment_compare(back.now, request.now), 0);
}

static void a_request_out_of_bounds_is_refused(void **state)
{
    struct exchange_request bad[] = {request, request, request, request}, back;
    const char *why;

    (void)state;
    bad[0].limit = 0;
    bad[1].limit = EXCHANGE_FACTS_MAX + 1;
    bad[2].severity = SEVERITIES;
    bad[3].since_ms = -1;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(exchange_read_request(written(&bad[i]), &back, &why));
}

static void a_request_may_be_longer_in_a_newer_version(void **state)
{
    uint8_t storage[EXCHANGE_REQUEST_MAX + 3];
    struct bytes bytes = written(&request);
    struct exchange_request back;
    const char *why;

    (void)state;
    memcpy(storage, bytes.at, bytes.len);
    memcpy(storage + bytes.len, "new", 3);
    assert_false(exchange_read_request(bytes_of(storage, bytes.len + 3), &back, &why));
    storage[1] = (uint8_t)(storage[1] + 3);
    assert_true(exchange_read_request(bytes_of(storage, bytes.len + 3), &back, &why));
    assert_int_equal(back.limit, 50);
}

static bool cut(struct bytes bytes, size_t len, bool (*read)(struct bytes bytes))
{
    uint8_t *exact = malloc(len ? len : 1);
    bool taken;

    assert_non_null(exact);
    memcpy(exact, bytes.at, len);
    taken = read(bytes_of(exact, len));
    free(exact);
    return taken;
}

static bool reads_request(struct bytes bytes)
{
    struct exchange_request back;
    const char *why;

    return exchange_read_request(bytes, &back, &why);
}

static bool reads_reply(struct bytes bytes)
{
    struct exchange_reply back;
    const char *why;

    return exchange_read_reply(bytes, &back, &why);
}

static void a_cut_request_is_refused_wherever_it_is_cut(void **state)
{
    struct bytes bytes = written(&request);

    (void)state;
    for (size_t len = 0; len < bytes.len; len++)
        assert_false(cut(bytes, len, reads_request));
}

static void make_reply(struct buf *out)
{
    struct exchange_reply reply = {.node = "alpha",
                                   .scanned = {7, 9},
                                   .more = true,
                                   .partial = true,
                                   .sentence = "why not",
                                   .now = {3000, 1},
                                   .count = 2};
    uint8_t storage[2 * FACT_BYTES_MAX];
    struct buf facts;

    buf_over(&facts, storage, sizeof storage);
    add_fact(&facts, "alpha", 8, 10);
    add_fact(&facts, "alpha", 9, 11);
    reply.facts = buf_bytes(&facts);
    exchange_add_reply(&reply, out);
    assert_false(out->full);
}

static void a_reply_reads_back(void **state)
{
    uint8_t storage[4096];
    struct exchange_reply back;
    struct buf out;
    const char *why;

    (void)state;
    buf_over(&out, storage, sizeof storage);
    make_reply(&out);
    assert_true(exchange_read_reply(buf_bytes(&out), &back, &why));
    assert_string_equal(back.node, "alpha");
    assert_string_equal(back.sentence, "why not");
    assert_true(back.more && back.partial);
    assert_int_equal(back.scanned.sequence, 9);
    assert_int_equal(back.count, 2);
    assert_int_equal(back.now.wall_ms, 3000);
}

static void a_cut_reply_is_refused_wherever_it_is_cut(void **state)
{
    uint8_t storage[4096];
    struct buf out;

    (void)state;
    buf_over(&out, storage, sizeof storage);
    make_reply(&out);
    for (size_t len = 0; len < out.len; len++)
        assert_false(cut(buf_bytes(&out), len, reads_reply));
}

static void bytes_after_the_last_fact_are_refused(void **state)
{
    uint8_t storage[4096];
    struct buf out;

    (void)state;
    buf_over(&out, storage, sizeof storage);
    make_reply(&out);
    buf_add_byte(&out, 0);
    assert_false(reads_reply(buf_bytes(&out)));
}

static void a_filter_lets_through_what_it_names(void **state)
{
    struct exchange_request filter = {.since_ms = 100};
    struct fact fact = fact_of("a", 1, 100);

    (void)state;
    assert_true(exchange_wants(&filter, &fact));
    fact.at.wall_ms = 99;
    assert_false(exchange_wants(&filter, &fact));
    filter = (struct exchange_request){.code = FACT_LINK_UP};
    assert_true(exchange_wants(&filter, &fact));
    filter.code = FACT_LINK_DOWN;
    assert_false(exchange_wants(&filter, &fact));
    filter = (struct exchange_request){.severity = SEVERITY_WARNING};
    assert_false(exchange_wants(&filter, &fact));
    fact.code = 9999;
    assert_true(exchange_wants(&filter, &fact));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_reads_back),
        cmocka_unit_test(a_request_out_of_bounds_is_refused),
        cmocka_unit_test(a_request_may_be_longer_in_a_newer_version),
        cmocka_unit_test(a_cut_request_is_refused_wherever_it_is_cut),
        cmocka_unit_test(a_reply_reads_back),
        cmocka_unit_test(a_cut_reply_is_refused_wherever_it_is_cut),
        cmocka_unit_test(bytes_after_the_last_fact_are_refused),
        cmocka_unit_test(a_filter_lets_through_what_it_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
