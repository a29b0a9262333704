#include "facts.h"
#include "timeline/page.h"
#include "unit.h"

#include <jansson.h>

static bool reads(const char *text, struct query *query)
{
    struct err err;

    return query_read(bytes_of_string(text), 1000000, query, &err);
}

static void nothing_asked_is_the_newest_of_all(void **state)
{
    struct exchange_request request;
    struct query query;

    (void)state;
    assert_true(reads("", &query));
    request = query_request(&query, "a");
    assert_true(request.newest);
    assert_int_equal(request.limit, QUERY_LIMIT);
    assert_int_equal(request.since_ms, 0);
    assert_int_equal(query.base_ms, 1000000);
}

static void filters_are_read(void **state)
{
    struct query query;

    (void)state;
    assert_true(reads("since=10m&node=b%65ta&code=leader-elected&severity=warning&limit=7&wait=50",
                      &query));
    assert_int_equal(query.since_ms, 400000);
    assert_string_equal(query.node, "beta");
    assert_int_equal(query.code, FACT_LEADER_ELECTED);
    assert_int_equal(query.severity, SEVERITY_WARNING);
    assert_int_equal(query.limit, 7);
    assert_int_equal(query.wait_ms, 50);
    assert_true(reads("since=123", &query));
    assert_int_equal(query.since_ms, 123);
}

static void places_are_read(void **state)
{
    struct query query;

    (void)state;
    assert_true(reads("after=5000,fedcba9876543210.42.alpha,1.2.b.c", &query));
    assert_true(query.goes_on);
    assert_int_equal(query_request(&query, "alpha").after.sequence, 42);
    assert_true(query_request(&query, "alpha").after.origin == 0xfedcba9876543210);
    assert_int_equal(query_request(&query, "alpha").since_ms, 0);
    assert_int_equal(query_request(&query, "b.c").after.origin, 1);
    assert_int_equal(query_request(&query, "new").after.origin, 0);
    assert_int_equal(query_request(&query, "new").since_ms, 5000);
}

static void what_makes_no_sense_is_refused(void **state)
{
    static const char *const texts[] = {"sinse=1",
                                        "since=",
                                        "since=-1",
                                        "since=x",
                                        "limit=0",
                                        "limit=1001",
                                        "code=N-1",
                                        "severity=bad",
                                        "wait=30001",
                                        "node=",
                                        "node=%",
                                        "node=%00",
                                        "after=",
                                        "after=x",
                                        "after=-1",
                                        "after=1,2",
                                        "after=1,g.1.a",
                                        "after=1,1.1.",
                                        "after=1,1.-1.a",
                                        "after=1,1.1.a,1.2.a",
                                        "after=1,12345678901234567.1.a"};
    struct query query;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_false(reads(texts[i], &query));
}

static void more_places_than_there_can_be_are_refused(void **state)
{
    char text[4096];
    struct query query;
    struct buf out;

    (void)state;
    buf_over(&out, text, sizeof text);
    buf_add_string(&out, "after=1");
    for (int i = 0; i <= QUERY_PLACES_MAX; i++)
        buf_print(&out, ",1.1.node%d", i);
    buf_add_byte(&out, 0);
    assert_false(reads(text, &query));
}

/* ---- pages ---- */

struct node {
    uint8_t storage[16384];
    struct buf facts;
    uint32_t count;
};

static struct page_leg leg_of(struct node *node, const char *name, uint64_t scanned)
{
    struct page_leg leg = {.answered = true};

    strcpy(leg.node, name);
    leg.reply.count = node->count;
    leg.reply.facts = buf_bytes(&node->facts);
    leg.reply.scanned = (struct place){7, scanned};
    return leg;
}

static void fill(struct node *node, const char *name, uint64_t first, uint32_t count, int64_t step)
{
    buf_over(&node->facts, node->storage, sizeof node->storage);
    for (node->count = 0; node->count < count; node->count++)
        add_fact(&node->facts, name, first + node->count, (int64_t)(first + node->count) * step);
}

static json_t *print(const struct query *query, const struct page_leg *legs, uint32_t count)
{
    json_error_t error;
    struct buf out;
    json_t *page;

    buf_init(&out, 1 << 20);
    page_print(query, legs, count, &out);
    assert_false(out.full);
    page = json_loadb((const char *)out.at, out.len, 0, &error);
    assert_non_null(page);
    buf_fini(&out);
    return page;
}

static void assert_events(json_t *page, const char *expected)
{
    json_t *event;
    char story[1024];
    struct buf out;
    size_t i;

    buf_over(&out, story, sizeof story - 1);
    json_array_foreach (json_object_get(page, "events"), i, event) {
        buf_print(&out, "%s%d ", json_string_value(json_object_get(event, "node")),
                  (int)json_integer_value(json_object_get(event, "sequence")));
    }
    story[out.len] = '\0';
    assert_string_equal(story, expected);
}

static const char *next_of(json_t *page)
{
    return json_string_value(json_object_get(page, "next"));
}

static void the_newest_of_all_are_shown_and_all_are_passed(void **state)
{
    struct page_leg legs[2];
    struct node a, b;
    struct query query;
    json_t *page;

    (void)state;
    assert_true(reads("limit=3", &query));
    fill(&a, "a", 1, 3, 10);
    fill(&b, "b", 1, 3, 11);
    legs[0] = leg_of(&a, "a", 3);
    legs[1] = leg_of(&b, "b", 9);
    page = print(&query, legs, 2);
    assert_events(page, "b2 a3 b3 ");
    assert_string_equal(next_of(page), "1000000,7.3.a,7.9.b");
    assert_true(json_is_true(json_object_get(page, "more")));
    json_decref(page);
}

static void what_does_not_fit_is_left_for_the_next_page(void **state)
{
    struct page_leg legs[2];
    struct node a, b;
    struct query query;
    json_t *page;

    (void)state;
    assert_true(reads("limit=3&after=500,7.0.a,7.0.b", &query));
    fill(&a, "a", 1, 3, 10);
    fill(&b, "b", 1, 1, 100);
    legs[0] = leg_of(&a, "a", 5);
    legs[1] = leg_of(&b, "b", 1);
    page = print(&query, legs, 2);
    assert_events(page, "a1 a2 a3 ");
    assert_string_equal(next_of(page), "500,7.5.a,7.0.b");
    assert_true(json_is_true(json_object_get(page, "more")));
    json_decref(page);
}

static void who_is_missing_keeps_its_place(void **state)
{
    struct page_leg legs[3] = {0};
    struct node a;
    struct query query;
    json_t *page, *missing;

    (void)state;
    assert_true(reads("after=500,7.0.a,8.4.b,9.1.gone", &query));
    fill(&a, "a", 1, 1, 10);
    legs[0] = leg_of(&a, "a", 1);
    strcpy(legs[1].node, "b");
    strcpy(legs[1].why, "its link is down");
    strcpy(legs[2].node, "never-seen");
    strcpy(legs[2].why, "its link is down");
    page = print(&query, legs, 3);
    assert_string_equal(next_of(page), "500,7.1.a,8.4.b,9.1.gone");
    missing = json_object_get(page, "missing");
    assert_int_equal(json_array_size(missing), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(missing, 0), "why")),
                        "its link is down");
    json_decref(page);
}

/* Page after page with a small limit shows all, once, in each node's order. */
static void a_follower_repeats_nothing_and_loses_nothing(void **state)
{
    unsigned seen[2] = {0};
    char after[QUERY_NEXT_MAX + 64] = "limit=2&after=0";

    (void)state;
    for (int pages = 0; seen[0] + seen[1] < 12; pages++) {
        struct page_leg legs[2];
        struct node nodes[2];
        struct query query;
        json_t *page, *event;
        size_t i;

        assert_true(pages < 7);
        assert_true(reads(after, &query));
        for (int n = 0; n < 2; n++) {
            const char *name = n ? "b" : "a";
            const struct place *place = query_place_of(&query, name);
            uint64_t first = place ? place->sequence + 1 : 1;
            uint32_t count = first + 1 <= 6 ? 2 : (uint32_t)(7 - first);

            fill(&nodes[n], name, first, count, n ? 13 : 10);
            legs[n] = leg_of(&nodes[n], name, first + count - 1);
        }
        page = print(&query, legs, 2);
        json_array_foreach (json_object_get(page, "events"), i, event) {
            int n = json_string_value(json_object_get(event, "node"))[0] - 'a';

            assert_int_equal(json_integer_value(json_object_get(event, "sequence")), ++seen[n]);
        }
        snprintf(after, sizeof after, "limit=2&after=%s", next_of(page));
        json_decref(page);
    }
    assert_int_equal(seen[0], 6);
    assert_int_equal(seen[1], 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asked_is_the_newest_of_all),
        cmocka_unit_test(filters_are_read),
        cmocka_unit_test(places_are_read),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(more_places_than_there_can_be_are_refused),
        cmocka_unit_test(the_newest_of_all_are_shown_and_all_are_passed),
        cmocka_unit_test(what_does_not_fit_is_left_for_the_next_page),
        cmocka_unit_test(who_is_missing_keeps_its_place),
        cmocka_unit_test(a_follower_repeats_nothing_and_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
