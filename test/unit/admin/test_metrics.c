#include "admin/metrics.h"
#include "shop.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

struct page {
    struct shop shop;
    struct buf text;
};

static void print(struct page *page)
{
    buf_init(&page->text, 4 << 20);
    metrics_print(&page->shop.scene, &page->text);
    buf_add_byte(&page->text, 0);
    assert_false(page->text.full);
}

static const char *text(const struct page *page)
{
    return (const char *)page->text.at;
}

static void close_page(struct page *page)
{
    buf_fini(&page->text);
    shop_close(&page->shop);
}

static void assert_line(const struct page *page, const char *line)
{
    char wanted[512];

    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    if (!strstr(text(page), wanted))
        fail_msg("no line '%s' in:\n%s", line, text(page));
}

static void sums_over_the_workers(void **state)
{
    struct page page;

    (void)state;
    shop_open(&page.shop);
    shop_set(&page.shop.board->worker[0].services[0].requests, 40);
    shop_set(&page.shop.board->worker[1].services[0].requests, 2);
    shop_set(&page.shop.board->worker[0].backends[5].responses[5], 3);
    shop_set(&page.shop.board->worker[1].sessions, 7);
    print(&page);
    assert_line(&page, "nines_service_requests_total{service=\"web\"} 42");
    assert_line(
        &page,
        "nines_backend_responses_total{pool=\"api\",backend=\"[::1]:8080\",class=\"5xx\"} 3");
    assert_line(&page, "nines_worker_sessions{role=\"worker-1\"} 7");
    close_page(&page);
}

static void tells_verdicts_and_leaves_out_unknown_ones(void **state)
{
    struct page page;

    (void)state;
    shop_open(&page.shop);
    print(&page);
    assert_line(&page, "nines_backend_health{pool=\"api\",backend=\"10.0.1.1:8080\"} 1");
    assert_line(&page, "nines_backend_health{pool=\"api\",backend=\"10.0.1.2:8080\"} 0");
    assert_null(strstr(text(&page), "nines_backend_health{pool=\"static\""));
    assert_line(&page, "nines_pool_backends_usable{pool=\"api\"} 2");
    assert_line(&page, "nines_backend_health_check_duration_seconds{pool=\"api\",backend=\"10."
                       "0.1.1:8080\"} 0.0015");
    assert_line(&page, "nines_survives_one_failure 0");
    close_page(&page);
}

static void prints_times_in_seconds_exactly(void **state)
{
    struct page page;

    (void)state;
    shop_open(&page.shop);
    page.shop.usage[2] = (struct admin_usage){.pid = 102, .cpu_ns = 12340000000};
    print(&page);
    assert_line(&page, "nines_start_time_seconds 1700000000.5");
    assert_line(&page, "nines_role_beat_age_seconds{role=\"agent\"} 1");
    assert_line(&page, "process_cpu_seconds_total{role=\"worker-0\"} 12.34");
    assert_null(strstr(text(&page), "process_cpu_seconds_total{role=\"agent\"}"));
    close_page(&page);
}

static void gives_cumulative_buckets_that_end_in_the_count(void **state)
{
    struct page page;

    (void)state;
    shop_open(&page.shop);
    histogram_record(&page.shop.board->worker[0].services[0].latency, 1000);
    histogram_record(&page.shop.board->worker[1].services[0].latency, 64 * NS_PER_US);
    histogram_record(&page.shop.board->worker[1].services[0].latency, 200 * NS_PER_S);
    print(&page);
    assert_line(&page,
                "nines_service_request_duration_seconds_bucket{service=\"web\",le=\"0.000064\"} 2");
    assert_line(
        &page, "nines_service_request_duration_seconds_bucket{service=\"web\",le=\"67.108864\"} 2");
    assert_line(&page,
                "nines_service_request_duration_seconds_bucket{service=\"web\",le=\"+Inf\"} 3");
    assert_line(&page, "nines_service_request_duration_seconds_sum{service=\"web\"} 200.000065");
    assert_line(&page, "nines_service_request_duration_seconds_count{service=\"web\"} 3");
    close_page(&page);
}

static void escapes_what_a_label_may_not_hold(void **state)
{
    struct page page;

    (void)state;
    shop_open(&page.shop);
    page.shop.services[0].name = "a\"b\\c\nd";
    print(&page);
    assert_line(&page, "nines_service_requests_total{service=\"a\\\"b\\\\c\\nd\"} 0");
    close_page(&page);
}

static void tells_how_clients_of_groups_fare(void **state)
{
    static const struct admin_group groups[] = {{.name = "orders", .slot = 3}};
    struct board_group board = {.member_count = 2, .members = {{.name = "a"}, {.name = "b"}}};
    struct group_record *record;
    struct admin_view view;
    struct page page;

    (void)state;
    shop_open(&page.shop);
    record = &page.shop.board->groups[3];
    view = *page.shop.scene.view;
    view.groups = groups;
    view.group_count = 1;
    page.shop.scene.view = &view;
    board_publish(&record->guard, &record->board, &board, sizeof board);
    shop_set(&record->phase, BOARD_GROUP_SERVING);
    shop_set(&record->epoch, 7);
    shop_set(&record->lag_ms[0], 250);
    shop_set(&record->lag_ms[1], UINT64_MAX);
    shop_set(&page.shop.board->worker[0].groups[3].waiting, 2);
    shop_set(&page.shop.board->worker[1].groups[3].waiting, 3);
    shop_set(&page.shop.board->worker[1].groups[3].cut, 4);
    print(&page);
    assert_line(&page, "nines_group_phase{group=\"orders\"} 4");
    assert_line(&page, "nines_group_epoch{group=\"orders\"} 7");
    assert_line(&page, "nines_group_waiting{group=\"orders\"} 5");
    assert_line(&page, "nines_group_cut_total{group=\"orders\"} 4");
    assert_line(&page, "nines_group_lag_seconds{group=\"orders\",member=\"a\"} 0.25");
    assert_null(strstr(text(&page), "member=\"b\""));
    close_page(&page);
}

/* Name of the family that a line belongs to, by the head it stands under. */
static void assert_belongs(const char *line, size_t len, const char *family)
{
    if (len < strlen(family) || memcmp(line, family, strlen(family)) != 0)
        fail_msg("'%.*s' stands under %s", (int)len, line, family);
}

static void keeps_families_together_and_says_each_head_once(void **state)
{
    char seen[128][80], family[80] = "";
    uint32_t count = 0;
    struct page page;

    (void)state;
    shop_open(&page.shop);
    print(&page);
    for (const char *line = text(&page); *line; line = strchr(line, '\n') + 1) {
        if (sscanf(line, "# HELP %79s", family) == 1) {
            for (uint32_t i = 0; i < count; i++)
                assert_string_not_equal(seen[i], family);
            assert_true(count < 128);
            strcpy(seen[count++], family);
            continue;
        }
        if (strncmp(line, "# TYPE ", 7) == 0)
            line += 7;
        assert_belongs(line, strcspn(line, "\n"), family);
    }
    assert_true(count > 40);
    close_page(&page);
}

static void says_when_it_did_not_fit(void **state)
{
    struct shop shop;
    uint8_t storage[1000];
    struct buf out;

    (void)state;
    shop_open(&shop);
    buf_over(&out, storage, sizeof storage);
    metrics_print(&shop.scene, &out);
    assert_true(out.full);
    shop_close(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_over_the_workers),
        cmocka_unit_test(tells_verdicts_and_leaves_out_unknown_ones),
        cmocka_unit_test(prints_times_in_seconds_exactly),
        cmocka_unit_test(gives_cumulative_buckets_that_end_in_the_count),
        cmocka_unit_test(escapes_what_a_label_may_not_hold),
        cmocka_unit_test(tells_how_clients_of_groups_fare),
        cmocka_unit_test(keeps_families_together_and_says_each_head_once),
        cmocka_unit_test(says_when_it_did_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
