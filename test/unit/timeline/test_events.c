/*
 * Three nodes on one virtual clock; what they ask each other is handed over directly, late, or not at all.
 */
#include "loop_sim.h"
#include "timeline/events.h"
#include "unit.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { NODES = 3, LATE_MS = 20 };

static const char *const names[NODES] = {"a", "b", "c"};

struct bench;

/* A request on its way to another node, or its answer on the way back. */
struct post {
    struct bench *bench;
    struct timer arrives;
    uint32_t to;
    uint8_t bytes[EXCHANGE_REQUEST_MAX];
    size_t len;
    events_replied *replied; /* NULL: free */
    void *context;
};

struct bench {
    struct sim_world world;
    struct sim_host *host;
    struct timeline *timelines[NODES];
    struct events *events; /* of the first node */
    struct post posts[64];
    bool cut[NODES];
    json_t *page;
    uint16_t status;
    unsigned answers;
};

/* ---- the others ---- */

static uint32_t others(void *context, const char **list)
{
    (void)context;
    list[0] = names[1];
    list[1] = names[2];
    return 2;
}

static void on_reply(void *context, struct bytes bytes)
{
    struct post *post = context;
    events_replied *replied = post->replied;

    post->replied = NULL;
    replied(post->context, NULL, bytes);
}

static void on_arrival(struct timer *timer)
{
    struct post *post = container_of(timer, struct post, arrives);
    events_replied *replied = post->replied;

    if (!post->bench->cut[post->to]) {
        assert_true(timeline_ask(post->bench->timelines[post->to], bytes_of(post->bytes, post->len),
                                 on_reply, post));
        return;
    }
    post->replied = NULL;
    replied(post->context, "its link is down", (struct bytes){0});
}

static void request(void *context, const char *node, struct bytes bytes, int64_t timeout_ms,
                    events_replied *replied, void *reply_context)
{
    struct bench *bench = context;
    struct loop *loop = bench->host->loop;
    struct post *post = bench->posts;

    while (post->replied)
        post++;
    assert_in_range(bytes.len, 1, sizeof post->bytes);
    *post = (struct post){
        .bench = bench, .len = bytes.len, .replied = replied, .context = reply_context};
    post->to = (uint32_t)(node[0] - 'a');
    memcpy(post->bytes, bytes.at, bytes.len);
    timer_init(&post->arrives, on_arrival);
    timer_arm(loop, &post->arrives,
              after_ms(loop_now(loop), bench->cut[post->to] ? timeout_ms : LATE_MS));
}

/* ---- the bench ---- */

static void on_news(void *context)
{
    struct bench *bench = context;

    if (bench->events)
        events_news(bench->events);
}

static void begin(struct bench *bench)
{
    struct events_options options = {
        .node = names[0], .others = others, .request = request, .context = bench};
    struct err err;

    *bench = (struct bench){0};
    sim_world_init(&bench->world, 1, 1, NULL);
    bench->host = &bench->world.host[0];
    bench->host->powered = true;
    sim_loop_open(bench->host);
    for (uint32_t i = 0; i < NODES; i++) {
        struct timeline_options timeline = {
            .loop = bench->host->loop, .seed = i + 1, .node = names[i], .context = bench};

        timeline.news = i == 0 ? on_news : NULL;
        assert_true(timeline_open(&bench->timelines[i], &timeline, &err));
    }
    options.loop = bench->host->loop;
    options.timeline = bench->timelines[0];
    assert_true(events_open(&bench->events, &options, &err));
}

static void end(struct bench *bench)
{
    events_close(bench->events);
    for (uint32_t i = 0; i < NODES; i++)
        timeline_close(bench->timelines[i]);
    json_decref(bench->page);
    sim_loop_close(bench->host);
    sim_world_fini(&bench->world);
}

static void run_ms(struct bench *bench, int64_t ms)
{
    int64_t until = bench->world.now + ms * NS_PER_MS;

    while (sim_step(&bench->world, until)) {
    }
}

static void record(struct bench *bench, uint32_t node, const char *text)
{
    struct fact fact;

    fact_init(&fact, FACT_DOCUMENT_DIFFERS, SUBJECT_GROUP, "g");
    fact_say(&fact, "%s", text);
    timeline_record(bench->timelines[node], &fact);
}

static void on_answered(void *context, uint16_t status, struct bytes bytes)
{
    struct bench *bench = context;
    json_error_t error;

    json_decref(bench->page);
    bench->page = json_loadb((const char *)bytes.at, bytes.len, 0, &error);
    assert_non_null(bench->page);
    bench->status = status;
    bench->answers++;
}

static void ask(struct bench *bench, const char *query)
{
    bench->answers = 0;
    assert_true(events_ask(bench->events, bytes_of_string(query), on_answered, bench));
    assert_int_equal(bench->answers, 0);
}

static void assert_page(const struct bench *bench, const char *expected)
{
    char story[512];
    json_t *event;
    struct buf out;
    size_t i;

    assert_int_equal(bench->answers, 1);
    assert_int_equal(bench->status, 200);
    buf_over(&out, story, sizeof story - 1);
    json_array_foreach (json_object_get(bench->page, "events"), i, event) {
        buf_print(&out, "%s:%s ", json_string_value(json_object_get(event, "node")),
                  json_string_value(json_object_get(event, "text")));
    }
    story[out.len] = '\0';
    assert_string_equal(story, expected);
}

static void go_on(struct bench *bench, const char *more)
{
    char query[512];

    snprintf(query, sizeof query, "%s&after=%s", more,
             json_string_value(json_object_get(bench->page, "next")));
    ask(bench, query);
}

/* ---- claims ---- */

static void all_nodes_are_merged(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    record(&bench, 2, "one");
    run_ms(&bench, 5);
    record(&bench, 0, "two");
    run_ms(&bench, 5);
    record(&bench, 1, "three");
    ask(&bench, "");
    run_ms(&bench, 100);
    assert_page(&bench, "c:one a:two b:three ");
    end(&bench);
}

static void who_does_not_answer_is_named_and_seen_later(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    bench.cut[2] = true;
    ask(&bench, "");
    run_ms(&bench, 3000);
    assert_page(&bench, "");
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(bench.page, "missing"), 0), "node")),
                        "c");
    record(&bench, 2, "alone");
    record(&bench, 0, "with b");
    go_on(&bench, "limit=9");
    run_ms(&bench, 3000);
    assert_page(&bench, "a:with b ");
    bench.cut[2] = false;
    go_on(&bench, "limit=9");
    run_ms(&bench, 3000);
    assert_page(&bench, "c:alone ");
    end(&bench);
}

static void who_waits_is_answered_when_something_happens_here(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    ask(&bench, "");
    run_ms(&bench, 100);
    go_on(&bench, "wait=20000");
    run_ms(&bench, 5100);
    assert_int_equal(bench.answers, 0);
    record(&bench, 0, "news");
    run_ms(&bench, 200);
    assert_page(&bench, "a:news ");
    end(&bench);
}

static void who_waits_is_answered_when_something_happens_elsewhere(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    ask(&bench, "");
    run_ms(&bench, 100);
    go_on(&bench, "wait=20000");
    run_ms(&bench, 5100);
    record(&bench, 1, "news");
    run_ms(&bench, 1000);
    assert_page(&bench, "b:news ");
    end(&bench);
}

static void a_node_that_is_silent_does_not_hide_what_others_saw(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    ask(&bench, "");
    run_ms(&bench, 100);
    bench.cut[1] = true;
    go_on(&bench, "wait=20000");
    run_ms(&bench, 5000);
    record(&bench, 2, "b is silent");
    run_ms(&bench, 3000);
    assert_page(&bench, "c:b is silent ");
    end(&bench);
}

static void a_wait_ends_with_an_empty_page(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    ask(&bench, "wait=3000&after=0");
    run_ms(&bench, 2900);
    assert_int_equal(bench.answers, 0);
    run_ms(&bench, 1000);
    assert_page(&bench, "");
    end(&bench);
}

static void one_node_can_be_asked_alone(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    record(&bench, 0, "mine");
    record(&bench, 1, "theirs");
    bench.cut[2] = true;
    ask(&bench, "node=b");
    run_ms(&bench, 100);
    assert_page(&bench, "b:theirs ");
    ask(&bench, "node=nobody");
    run_ms(&bench, 100);
    assert_int_equal(bench.status, 404);
    end(&bench);
}

static void a_query_that_makes_no_sense_is_refused(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    ask(&bench, "limit=0");
    run_ms(&bench, 10);
    assert_int_equal(bench.status, 400);
    assert_string_equal(json_string_value(json_object_get(bench.page, "error")),
                        "limit: expected 1 to 1000");
    end(&bench);
}

static void asks_are_bounded(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    for (uint32_t i = 0; i < EVENTS_ASKS_MAX; i++)
        assert_true(events_ask(bench.events, BYTES("wait=1000"), on_answered, &bench));
    assert_false(events_ask(bench.events, BYTES(""), on_answered, &bench));
    run_ms(&bench, 3000);
    assert_int_equal(bench.answers, EVENTS_ASKS_MAX);
    assert_true(events_ask(bench.events, BYTES(""), on_answered, &bench));
    run_ms(&bench, 100);
    end(&bench);
}

static void what_was_asked_is_dropped_at_the_end(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    ask(&bench, "wait=20000&after=0&node=a");
    run_ms(&bench, 1100);
    end(&bench);
    assert_int_equal(bench.answers, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_nodes_are_merged),
        cmocka_unit_test(who_does_not_answer_is_named_and_seen_later),
        cmocka_unit_test(who_waits_is_answered_when_something_happens_here),
        cmocka_unit_test(who_waits_is_answered_when_something_happens_elsewhere),
        cmocka_unit_test(a_node_that_is_silent_does_not_hide_what_others_saw),
        cmocka_unit_test(a_wait_ends_with_an_empty_page),
        cmocka_unit_test(one_node_can_be_asked_alone),
        cmocka_unit_test(a_query_that_makes_no_sense_is_refused),
        cmocka_unit_test(asks_are_bounded),
        cmocka_unit_test(what_was_asked_is_dropped_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
