/*
 * What the commands about groups ask for, and what a dry run says.
 */
#include "cli/group_orders.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

/* 2026-12-01T12:00:00Z, a Tuesday. */
static const int64_t noon_ms = 1796126400000;

static int in_utc(void **state)
{
    (void)state;
    return setenv("TZ", "UTC0", 1);
}

static char text[2048];
static struct buf out;
static struct err err;

static void begin(void)
{
    buf_over(&out, text, sizeof text);
    err = (struct err){0};
}

static const char *page(void)
{
    buf_add_byte(&out, 0);
    assert_false(out.full);
    return text;
}

static const char *plan_of(const char *at, const char *to, const char *group)
{
    struct client_options options = {.at = at, .to = to, .words = {group}, .word_count = 1};

    begin();
    return group_plan_target(&options, noon_ms, &out, &err) ? page() : err.text;
}

static void a_plan_is_an_override_with_a_moment_and_a_node(void **state)
{
    (void)state;
    assert_string_equal(plan_of("2026-12-02T03:00", "b", "db"),
                        "/api/v1/overrides/switchover%2Fdb/set?value=1796180400000%20b");
    assert_string_equal(plan_of("2026-12-01T12:00:01Z", NULL, "db"),
                        "/api/v1/overrides/switchover%2Fdb/set?value=1796126401000");
}

static void a_time_without_a_day_is_the_next_one(void **state)
{
    int64_t ms;

    (void)state;
    assert_true(group_read_moment("12:01", noon_ms, &ms));
    assert_int_equal(ms - noon_ms, 60 * 1000);
    assert_true(group_read_moment("03:00", noon_ms, &ms));
    assert_int_equal(ms - noon_ms, 15 * 3600 * 1000);
    assert_true(group_read_moment("12:00", noon_ms, &ms));
    assert_int_equal(ms - noon_ms, 24 * 3600 * 1000);
    assert_true(group_read_moment("30m", noon_ms, &ms));
    assert_int_equal(ms - noon_ms, 30 * 60 * 1000);
}

static void a_plan_for_the_past_or_for_no_time_is_refused(void **state)
{
    (void)state;
    assert_string_equal(plan_of("2026-12-01T11:59:59Z", "b", "db"),
                        "--at is in the past: '2026-12-01T11:59:59Z'");
    assert_string_equal(plan_of("0s", "b", "db"), "--at is in the past: '0s'");
    assert_string_equal(
        plan_of("soon", "b", "db"),
        "--at is a time like 03:00 or 2026-12-01T03:00, or 30m from now, found 'soon'");
    assert_int_equal(err.kind, ERR_USAGE);
}

static const char *pause_of(const char *group, const char *lasting)
{
    struct client_options options = {
        .lasting = lasting, .words = {group}, .word_count = group != NULL};

    begin();
    return group_pause_target(&options, noon_ms, &out, &err) ? page() : err.text;
}

static const char *resume_of(const char *group)
{
    struct client_options options = {.words = {group}, .word_count = group != NULL};

    begin();
    return group_resume_target(&options, &out, &err) ? page() : err.text;
}

static void a_pause_is_an_override_of_one_group_or_of_all(void **state)
{
    (void)state;
    assert_string_equal(pause_of(NULL, NULL), "/api/v1/overrides/failover.pause/set?value=forever");
    assert_string_equal(pause_of("db", "30m"),
                        "/api/v1/overrides/failover.pause%2Fdb/set?value=1796128200000");
    assert_string_equal(resume_of(NULL), "/api/v1/overrides/failover.pause/clear");
    assert_string_equal(resume_of("db"), "/api/v1/overrides/failover.pause%2Fdb/clear");
    assert_string_equal(pause_of("db", "0s"), "--for is a duration like 30m, found '0s'");
    assert_string_equal(pause_of("db", "a while"), "--for is a duration like 30m, found 'a while'");
}

/* 49 characters fit behind `failover.pause/`; one more would be another group's key. */
static void a_name_that_does_not_fit_is_refused_and_never_cut(void **state)
{
    char name[64];

    (void)state;
    memset(name, 'g', sizeof name);
    name[49] = '\0';
    assert_non_null(strstr(pause_of(name, NULL), name));
    assert_memory_equal(pause_of(name, NULL), "/api/v1/", 8);
    name[49] = 'g';
    name[50] = '\0';
    assert_non_null(strstr(pause_of(name, NULL), "is too long"));
    assert_non_null(strstr(resume_of(name), "is too long"));
}

static void orders_name_the_group_the_node_and_the_loss(void **state)
{
    struct client_options options = {.words = {"d/b?"}, .word_count = 1};

    (void)state;
    begin();
    group_order_target(&options, "switchover", false, &out);
    assert_string_equal(page(), "/api/v1/groups/d%2Fb%3F/switchover");
    options.to = "b&accept_loss=true";
    begin();
    group_order_target(&options, "switchover", false, &out);
    assert_string_equal(page(), "/api/v1/groups/d%2Fb%3F/switchover?to=b%26accept_loss%3Dtrue");
    begin();
    group_order_target(&options, "failover", true, &out);
    assert_string_equal(page(), "/api/v1/groups/d%2Fb%3F/failover?accept_loss=true&to=b%26accept_"
                                "loss%3Dtrue");
}

/* ---- dry runs ---- */

static const char groups_text[] =
    "[{\"name\":\"db\",\"primary\":\"a\",\"next\":{\"primary\":\"b\",\"loss_bytes\":17,"
    "\"expected_ms\":900,\"why_nobody\":\"\"},\"members\":[{\"node\":\"a\",\"why_not\":\"\"},"
    "{\"node\":\"b\",\"why_not\":\"\"},{\"node\":\"c\",\"why_not\":\"is in maintenance\"}]},"
    "{\"name\":\"alone\",\"primary\":null,\"next\":{\"primary\":null,\"loss_bytes\":null,"
    "\"expected_ms\":null,\"why_nobody\":\"a is not heard\"},\"members\":[{\"node\":\"a\","
    "\"why_not\":\"is not heard\"}]},"
    "{\"name\":\"safe\",\"primary\":\"a\",\"next\":{\"primary\":\"b\",\"loss_bytes\":0}},"
    "{\"name\":\"forked\",\"primary\":\"a\",\"next\":{\"primary\":\"b\",\"loss_bytes\":null}}]";

static void assert_outlook(const char *name, const char *to, bool could, const char *expected)
{
    json_t *groups = json_loads(groups_text, 0, NULL);
    const json_t *group;

    assert_non_null(groups);
    group = group_named(groups, name);
    assert_non_null(group);
    begin();
    assert_int_equal(group_print_outlook(group, to, &out), could);
    assert_string_equal(page(), expected);
    json_decref(groups);
}

static void a_dry_run_says_who_would_follow_and_why_others_would_not(void **state)
{
    (void)state;
    assert_outlook("db", NULL, true,
                   "b would be the primary instead of a, about 17 bytes would be lost in a "
                   "failover, in about 900 ms\n  c: is in maintenance\n");
    assert_outlook("alone", NULL, false,
                   "nobody could be the primary: a is not heard\n  a: is not heard\n");
}

static void a_dry_run_says_what_is_not_known_of_the_loss(void **state)
{
    (void)state;
    assert_outlook("safe", NULL, true,
                   "b would be the primary instead of a, nothing that was acknowledged would be "
                   "lost in a failover\n");
    assert_outlook("forked", NULL, true,
                   "b would be the primary instead of a, nobody knows how much would be lost in a "
                   "failover\n");
}

static void a_dry_run_is_about_the_node_that_was_asked_for(void **state)
{
    (void)state;
    assert_outlook("db", "b", true,
                   "b would be the primary instead of a, about 17 bytes would be lost in a "
                   "failover, in about 900 ms\n  c: is in maintenance\n");
    assert_outlook("db", "c", false,
                   "c could not be the primary: it is in maintenance\n  c: is in maintenance\n");
    assert_outlook("db", "a", false,
                   "a could not be the primary: it is the primary\n  c: is in maintenance\n");
    assert_outlook("db", "z", false,
                   "z could not be the primary: it holds no data of the group\n  c: is in "
                   "maintenance\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_an_override_with_a_moment_and_a_node),
        cmocka_unit_test(a_time_without_a_day_is_the_next_one),
        cmocka_unit_test(a_plan_for_the_past_or_for_no_time_is_refused),
        cmocka_unit_test(a_pause_is_an_override_of_one_group_or_of_all),
        cmocka_unit_test(a_name_that_does_not_fit_is_refused_and_never_cut),
        cmocka_unit_test(orders_name_the_group_the_node_and_the_loss),
        cmocka_unit_test(a_dry_run_says_who_would_follow_and_why_others_would_not),
        cmocka_unit_test(a_dry_run_says_what_is_not_known_of_the_loss),
        cmocka_unit_test(a_dry_run_is_about_the_node_that_was_asked_for),
    };

    return cmocka_run_group_tests(tests, in_utc, NULL);
}
