#include "admin/status.h"
#include "shop.h"
#include "unit.h"

#include <jansson.h>

static json_t *status_of(struct shop *shop)
{
    json_error_t error;
    struct buf out;
    json_t *status;

    buf_init(&out, 1 << 20);
    status_print(&shop->scene, &out);
    assert_false(out.full);
    status = json_loadb((const char *)out.at, out.len, JSON_REJECT_DUPLICATES, &error);
    if (!status)
        fail_msg("%s at %d in %.*s", error.text, error.position, (int)out.len, out.at);
    buf_fini(&out);
    return status;
}

static const char *text(json_t *object, const char *key)
{
    const char *found = json_string_value(json_object_get(object, key));

    assert_non_null(found);
    return found;
}

static json_t *backend(json_t *status, size_t pool, size_t index)
{
    json_t *pools = json_object_get(status, "pools");

    return json_array_get(json_object_get(json_array_get(pools, pool), "backends"), index);
}

static void tells_the_whole_node(void **state)
{
    struct shop shop;
    json_t *status, *service, *role;

    (void)state;
    shop_open(&shop);
    shop_set(&shop.board->worker[0].services[0].requests, 4);
    shop_set(&shop.board->worker[1].services[0].requests, 5);
    shop_set(&shop.board->worker[1].services[0].responses[2], 5);
    status = status_of(&shop);
    assert_string_equal(text(status, "node"), "a");
    assert_string_equal(text(status, "cluster"), "shop");
    assert_int_equal(json_integer_value(json_object_get(status, "uptime_ms")), 199500);
    service = json_array_get(json_object_get(status, "services"), 0);
    assert_string_equal(text(service, "name"), "web");
    assert_int_equal(json_integer_value(json_object_get(service, "requests")), 9);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(service, "responses"), "2xx")), 5);
    assert_string_equal(json_string_value(json_array_get(json_object_get(service, "listen"), 0)),
                        "0.0.0.0:80");
    assert_int_equal(json_array_size(json_object_get(status, "roles")), 4);
    role = json_array_get(json_object_get(status, "roles"), 2);
    assert_string_equal(text(role, "name"), "worker-0");
    assert_string_equal(text(role, "state"), "ready");
    assert_string_equal(text(role, "loop"), "epoll");
    assert_int_equal(json_integer_value(json_object_get(role, "beat_age_ms")), 1000);
    json_decref(status);
    shop_close(&shop);
}

static void tells_backends_apart(void **state)
{
    struct shop shop;
    json_t *status;

    (void)state;
    shop_open(&shop);
    shop_set(&shop.board->overrides[0].draining, 1);
    status = status_of(&shop);
    assert_string_equal(text(backend(status, 0, 0), "state"), "up");
    assert_string_equal(text(backend(status, 0, 0), "drained_by"), "operator");
    assert_true(json_is_false(json_object_get(backend(status, 0, 0), "takes_traffic")));
    assert_string_equal(text(backend(status, 0, 1), "state"), "down");
    assert_true(json_is_null(json_object_get(backend(status, 0, 1), "drained_by")));
    assert_string_equal(text(json_object_get(backend(status, 0, 1), "check"), "outcome"),
                        "refused");
    assert_true(json_is_true(json_object_get(backend(status, 0, 2), "backup")));
    assert_string_equal(text(backend(status, 1, 0), "state"), "unchecked");
    assert_true(json_is_null(json_object_get(backend(status, 1, 0), "check")));
    json_decref(status);
    shop_close(&shop);
}

static void knows_whether_one_more_failure_is_survived(void **state)
{
    struct shop shop;

    (void)state;
    shop_open(&shop);
    assert_summary(&shop, SERVING_YES, false, "pool static has 1 of 1 backends up");
    shop.view.pool_count = 1;
    assert_summary(&shop, SERVING_YES, true, "");
    shop_set(&shop.board->verdicts[0].state, VERDICT_DOWN);
    assert_summary(&shop, SERVING_YES, false, "pool api has 1 of 3 backends up");
    shop.view.pool_count = 2;
    shop_set(&shop.board->verdicts[5].state, VERDICT_DOWN);
    assert_summary(&shop, SERVING_PARTLY, false, "pool api has none of 3 backends up");
    shop.backends[3].weight = 0;
    assert_summary(&shop, SERVING_NO, false, "pool api has none of 3 backends up");
    shop_close(&shop);
}

static void a_node_without_workers_does_not_serve(void **state)
{
    struct shop shop;

    (void)state;
    shop_open(&shop);
    shop_set(&shop.board->workers, 0);
    assert_summary(&shop, SERVING_NO, false, "no worker is ready");
    shop_close(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_whole_node),
        cmocka_unit_test(tells_backends_apart),
        cmocka_unit_test(knows_whether_one_more_failure_is_survived),
        cmocka_unit_test(a_node_without_workers_does_not_serve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
