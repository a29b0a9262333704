#include "admin/access.h"
#include "admin/query.h"
#include "admin/routes.h"
#include "shop.h"
#include "unit.h"

#include <jansson.h>
#include <stdio.h>

struct ask {
    struct shop shop;
    struct admin_request request;
    struct admin_reply reply;
    struct buf body;
};

static void open_ask(struct ask *ask)
{
    *ask = (struct ask){.request = {.method = METHOD_GET, .local = true}};
    shop_open(&ask->shop);
    buf_init(&ask->body, 4 << 20);
    ask->reply.body = &ask->body;
}

static void close_ask(struct ask *ask)
{
    buf_fini(&ask->body);
    shop_close(&ask->shop);
}

static const char *get(struct ask *ask, enum http1_method method, const char *path)
{
    const char *question = strchr(path, '?');
    int len = question ? (int)(question - path) : (int)strlen(path);

    ask->request.method = method;
    snprintf(ask->request.path, sizeof ask->request.path, "%.*s", len, path);
    snprintf(ask->request.query, sizeof ask->request.query, "%s", question ? question + 1 : "");
    buf_clear(&ask->body);
    admin_reply_to(&ask->shop.scene, &ask->request, &ask->reply);
    buf_add_byte(&ask->body, 0);
    return (const char *)ask->body.at;
}

static void answers_probes(void **state)
{
    struct ask ask;

    (void)state;
    open_ask(&ask);
    assert_string_equal(get(&ask, METHOD_GET, "/livez"), "ok\n");
    assert_string_equal(get(&ask, METHOD_GET, "/readyz"), "ok\n");
    assert_int_equal(ask.reply.status, 200);
    assert_string_equal(get(&ask, METHOD_GET, "/readyz?verbose"),
                        "[+]workers ok: 2 of 2 workers are ready\n"
                        "[+]configuration ok: generation 3 is in force\n"
                        "[+]backends ok: 2 of 2 pools have a backend that takes traffic\n"
                        "ok\n");
    assert_string_equal(get(&ask, METHOD_GET, "/readyz/workers"),
                        "[+]workers ok: 2 of 2 workers are ready\n");
    close_ask(&ask);
}

static void is_not_ready_without_workers_and_says_why(void **state)
{
    struct ask ask;

    (void)state;
    open_ask(&ask);
    shop_set(&ask.shop.board->roles[2].state, ROLE_BACKING_OFF);
    shop_set(&ask.shop.board->beats[3].at, (SHOP_NOW_S - 6) * NS_PER_S);
    assert_string_equal(get(&ask, METHOD_GET, "/readyz"),
                        "[-]workers failed: 0 of 2 workers are ready\n"
                        "[+]configuration ok: generation 3 is in force\n"
                        "[+]backends ok: 2 of 2 pools have a backend that takes traffic\n"
                        "not ready\n");
    assert_int_equal(ask.reply.status, 503);
    get(&ask, METHOD_GET, "/readyz?exclude=workers");
    assert_int_equal(ask.reply.status, 200);
    get(&ask, METHOD_GET, "/livez");
    assert_int_equal(ask.reply.status, 200);
    close_ask(&ask);
}

static void stays_ready_while_one_pool_can_serve(void **state)
{
    struct ask ask;

    (void)state;
    open_ask(&ask);
    shop_set(&ask.shop.board->verdicts[0].state, VERDICT_DOWN);
    shop_set(&ask.shop.board->verdicts[5].state, VERDICT_DOWN);
    get(&ask, METHOD_GET, "/readyz");
    assert_int_equal(ask.reply.status, 200);
    shop_set(&ask.shop.board->overrides[6].draining, 1);
    get(&ask, METHOD_GET, "/readyz/backends");
    assert_int_equal(ask.reply.status, 503);
    close_ask(&ask);
}

static void refuses_what_is_not_there_and_what_is_not_taken(void **state)
{
    static const struct {
        enum http1_method method;
        const char *path;
        uint16_t status;
        const char *allow;
    } cases[] = {
        {METHOD_GET, "/", 404, NULL},
        {METHOD_GET, "", 404, NULL},
        {METHOD_GET, "*", 404, NULL},
        {METHOD_GET, "/livez/", 404, NULL},
        {METHOD_GET, "//livez", 404, NULL},
        {METHOD_GET, "/livezz", 404, NULL},
        {METHOD_GET, "/readyz/nothing", 404, NULL},
        {METHOD_GET, "/readyz/", 404, NULL},
        {METHOD_GET, "/api/v1", 404, NULL},
        {METHOD_GET, "/api/v1/status/x", 404, NULL},
        {METHOD_POST, "/metrics", 405, "GET, HEAD"},
        {METHOD_DELETE, "/api/v1/status", 405, "GET, HEAD"},
        {METHOD_OTHER, "/livez", 405, "GET, HEAD"},
        {METHOD_GET, "/api/v1/reload", 405, "POST"},
        {METHOD_HEAD, "/api/v1/reload", 405, "POST"},
        {METHOD_HEAD, "/livez", 200, NULL},
        {METHOD_POST, "/api/v1/pools/none/backends/x/drain", 404, NULL},
        {METHOD_POST, "/api/v1/pools/api/backends/x/drain", 404, NULL},
        {METHOD_POST, "/api/v1/pools/api/backends//drain", 404, NULL},
        {METHOD_POST, "/api/v1/pools/api/backends/%00/drain", 404, NULL},
        {METHOD_POST, "/api/v1/pools/api/backends/%zz/drain", 404, NULL},
    };
    struct ask ask;

    (void)state;
    open_ask(&ask);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        get(&ask, cases[i].method, cases[i].path);
        if (ask.reply.status != cases[i].status)
            fail_msg("%s: %u instead of %u", cases[i].path, ask.reply.status, cases[i].status);
        if (cases[i].allow)
            assert_string_equal(ask.reply.allow, cases[i].allow);
        else
            assert_null(ask.reply.allow);
        assert_int_equal(ask.reply.order, ORDER_NONE);
    }
    close_ask(&ask);
}

static void orders_to_drain_the_backend_that_was_named(void **state)
{
    struct ask ask;

    (void)state;
    open_ask(&ask);
    assert_string_equal(
        get(&ask, METHOD_POST, "/api/v1/pools/api/backends/%5B::1%5d%3A8080/drain"),
        "{\"pool\":\"api\",\"backend\":\"[::1]:8080\",\"drained_by\":\"operator\",\"active\":0}\n");
    assert_int_equal(ask.reply.order, ORDER_DRAIN);
    assert_int_equal(ask.reply.slot, 5);
    get(&ask, METHOD_POST, "/api/v1/pools/static/backends/files:80/undrain");
    assert_int_equal(ask.reply.order, ORDER_UNDRAIN);
    assert_int_equal(ask.reply.slot, 6);
    close_ask(&ask);
}

static void takes_orders_only_where_no_web_page_can_give_them(void **state)
{
    static const struct {
        enum admin_access access;
        struct admin_request request;
        bool allowed;
    } cases[] = {
        {ACCESS_ORDER, {.local = true}, true},
        {ACCESS_ORDER, {.host = "127.0.0.1:7900", .loopback = true, .guarded = true}, true},
        {ACCESS_ORDER, {.host = "localhost", .loopback = true, .guarded = true}, true},
        {ACCESS_ORDER, {.host = "[::1]:7900", .loopback = true, .guarded = true}, true},
        {ACCESS_ORDER, {.host = "[::1]", .loopback = true, .guarded = true}, true},
        {ACCESS_ORDER, {.host = "127.0.0.1:7900", .loopback = true}, false},
        {ACCESS_ORDER, {.host = "127.0.0.1:7900", .guarded = true}, false},
        {ACCESS_ORDER, {.host = "evil.example", .loopback = true, .guarded = true}, false},
        {ACCESS_ORDER, {.host = "10.0.0.1:7900", .loopback = true, .guarded = true}, false},
        {ACCESS_ORDER,
         {.host = "localhost.evil.example", .loopback = true, .guarded = true},
         false},
        {ACCESS_READ, {.host = "10.0.0.1:7900"}, true},
        {ACCESS_READ, {.host = "A:7900"}, true},
        {ACCESS_READ, {.host = ""}, true},
        {ACCESS_READ, {.host = "evil.example:7900", .loopback = true}, false},
        {ACCESS_PROBE, {.host = "any.example"}, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *refusal = access_refusal(cases[i].access, &cases[i].request, "a");

        if ((refusal == NULL) != cases[i].allowed)
            fail_msg("case %zu: %s", i, refusal ? refusal : "allowed");
    }
}

static void answers_403_to_an_order_without_its_guard(void **state)
{
    struct ask ask;

    (void)state;
    open_ask(&ask);
    ask.request.local = false;
    ask.request.loopback = true;
    strcpy(ask.request.host, "localhost:7900");
    get(&ask, METHOD_POST, "/api/v1/reload");
    assert_int_equal(ask.reply.status, 403);
    assert_int_equal(ask.reply.order, ORDER_NONE);
    ask.request.guarded = true;
    get(&ask, METHOD_POST, "/api/v1/reload");
    assert_int_equal(ask.reply.order, ORDER_RELOAD);
    close_ask(&ask);
}

static bool guarded_by(const char *fields)
{
    char text[256];
    struct http1_scan scan = {0};
    struct http1_head head;
    struct http1_fault fault;
    struct admin_request request;
    uint32_t used;
    uint16_t status;

    snprintf(text, sizeof text, "POST /x?a=b HTTP/1.1\r\nHost: h\r\n%s\r\n", fields);
    assert_int_equal(http1_request(&scan, bytes_of_string(text), 8192, &head, &used, &fault),
                     HTTP1_DONE);
    assert_true(admin_read_request(&request, &head, bytes_of_string(text), &status));
    assert_string_equal(request.path, "/x");
    assert_string_equal(request.query, "a=b");
    assert_string_equal(request.host, "h");
    return request.guarded;
}

static void knows_the_headers_that_guard(void **state)
{
    (void)state;
    assert_true(guarded_by("X-Nines: 1\r\n"));
    assert_true(guarded_by("x-nines: 1\r\n"));
    assert_true(guarded_by("Content-Type: application/json\r\n"));
    assert_true(guarded_by("Content-Type: Application/JSON ; charset=utf-8\r\n"));
    assert_false(guarded_by("Content-Type: text/plain; x=application/json\r\n"));
    assert_false(guarded_by("X-Nines: 0\r\n"));
    assert_false(guarded_by(""));
}

static void refuses_paths_that_are_too_long(void **state)
{
    char text[2 * ADMIN_PATH_MAX] = "GET /";
    struct http1_scan scan = {0};
    struct http1_head head;
    struct http1_fault fault;
    struct admin_request request;
    uint32_t used;
    uint16_t status;

    (void)state;
    memset(text + 5, 'a', ADMIN_PATH_MAX);
    strcat(text, " HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(http1_request(&scan, bytes_of_string(text), 8192, &head, &used, &fault),
                     HTTP1_DONE);
    assert_false(admin_read_request(&request, &head, bytes_of_string(text), &status));
    assert_int_equal(status, 414);
}

static void describes_itself_from_the_same_rows(void **state)
{
    struct ask ask;
    json_t *page, *paths;

    (void)state;
    open_ask(&ask);
    page = json_loads(get(&ask, METHOD_GET, "/api/v1/openapi.json"), 0, NULL);
    assert_non_null(page);
    paths = json_object_get(page, "paths");
    assert_int_equal(json_object_size(paths), 26);
    assert_non_null(json_object_get(json_object_get(paths, "/livez"), "get"));
    assert_non_null(json_object_get(
        json_object_get(paths, "/api/v1/pools/{pool}/backends/{backend}/drain"), "post"));
    json_decref(page);
    close_ask(&ask);
}

static void answers_500_when_the_answer_is_too_large(void **state)
{
    struct ask ask;
    uint8_t storage[600];

    (void)state;
    open_ask(&ask);
    buf_fini(&ask.body);
    buf_over(&ask.body, storage, sizeof storage);
    assert_string_equal(get(&ask, METHOD_GET, "/metrics"),
                        "{\"error\":\"the answer is larger than its limit\"}\n");
    assert_int_equal(ask.reply.status, 500);
    close_ask(&ask);
}

static void reads_queries(void **state)
{
    struct bytes query = BYTES("verbose&exclude=a&exclude=b&x=");
    char text[4];

    (void)state;
    assert_true(query_has(query, "verbose", NULL));
    assert_true(query_has(query, "exclude", "a"));
    assert_true(query_has(query, "exclude", "b"));
    assert_true(query_has(query, "x", ""));
    assert_false(query_has(query, "exclude", "c"));
    assert_false(query_has(query, "verb", NULL));
    assert_true(query_decode(BYTES("a%20b"), text, sizeof text));
    assert_string_equal(text, "a b");
    assert_false(query_decode(BYTES("abcd"), text, sizeof text));
    assert_false(query_decode(BYTES("a%2"), text, sizeof text));
    assert_false(query_decode(BYTES("%"), text, sizeof text));
    assert_false(query_decode(BYTES("a%g0"), text, sizeof text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_probes),
        cmocka_unit_test(is_not_ready_without_workers_and_says_why),
        cmocka_unit_test(stays_ready_while_one_pool_can_serve),
        cmocka_unit_test(refuses_what_is_not_there_and_what_is_not_taken),
        cmocka_unit_test(orders_to_drain_the_backend_that_was_named),
        cmocka_unit_test(takes_orders_only_where_no_web_page_can_give_them),
        cmocka_unit_test(answers_403_to_an_order_without_its_guard),
        cmocka_unit_test(knows_the_headers_that_guard),
        cmocka_unit_test(refuses_paths_that_are_too_long),
        cmocka_unit_test(describes_itself_from_the_same_rows),
        cmocka_unit_test(answers_500_when_the_answer_is_too_large),
        cmocka_unit_test(reads_queries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
