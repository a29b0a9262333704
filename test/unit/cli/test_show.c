#include "cli/show.h"
#include "json_text.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static const char shop_text[] =
    "{'node':'a','cluster':'shop','version':'0.1.0','now_ms':1700000200000,'uptime_ms':199500,"
    "'generation':3,'reloads_refused':1,'summary':{'serving':'yes','survives_one_failure':false,"
    "'why':'pool static has 1 of 1 backends up'},'roles':["
    "{'name':'agent','working':true,'state':'ready'},"
    "{'name':'monitor','working':true,'state':'ready'},"
    "{'name':'worker-0','working':true,'state':'ready'},"
    "{'name':'worker-1','working':false,'state':'backing-off','restarts':4}],"
    "'services':[{'name':'web','listen':['0.0.0.0:80','0.0.0.0:443'],"
    "'requests_per_second':1234.5,'errors_per_second':0.2,'active':3,'connections':17,"
    "'latency':{'p50_ms':0.52,'p99_ms':12.34}}],"
    "'pools':[{'name':'api','algorithm':'round-robin','usable':2,'backends':["
    "{'address':'10.0.1.1:8080','state':'up','since_ms':1700000080000,'takes_traffic':true,"
    "'drained_by':null,'weight':1,'requests_per_second':600,'active':2,"
    "'latency':{'p50_ms':0.4,'p99_ms':10.1}},"
    "{'address':'10.0.1.2:8080','state':'down','since_ms':1700000190000,'takes_traffic':false,"
    "'drained_by':null,'weight':1,'check':{'outcome':'bad status','code':503},'failures':9},"
    "{'address':'10.0.1.3:8080','state':'up','since_ms':1700000190000,'takes_traffic':true,"
    "'drained_by':null,'weight':1,'backup':true,'requests_per_second':1200,"
    "'latency':{'p99_ms':1.2}},"
    "{'address':'10.0.1.4:8080','state':'up','since_ms':1700000190000,'takes_traffic':false,"
    "'drained_by':'operator','weight':1,'active':2}]},"
    "{'name':'static','algorithm':'ip-hash','usable':1,'backends':[{'address':'f\\u001b[31m:80',"
    "'state':'unchecked','takes_traffic':true,'drained_by':null,'weight':1}]}]}";

static void assert_text(struct buf *out, const char *expected)
{
    buf_add_byte(out, 0);
    assert_false(out->full);
    assert_string_equal((const char *)out->at, expected);
    buf_fini(out);
}

static void status_answers_first_and_explains_what_is_not_well(void **state)
{
    json_t *shop = parse(shop_text);
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    show_status(shop, false, false, &out);
    assert_text(
        &out, "serving: yes; survives one more failure: no (pool static has 1 of 1 backends up)\n"
              "node a of shop, nines 0.1.0, up 3m, generation 3 (1 refused)\n"
              "trouble: worker-1 is backing-off, 4 restarts\n"
              "1 of 2 workers are ready; 4 restarts\n"
              "\n"
              "SERVICE          LISTEN                    REQ/S  5XX/S ACTIVE      P50      P99\n"
              "web              0.0.0.0:80 +1             1.23k    0.2      3   0.52ms   12.3ms\n"
              "\n"
              "POOL, BACKEND              STATE      FOR  REQ/S FAILED ACTIVE      P50      P99\n"
              "api, round-robin: 2 of 4 backends take traffic\n"
              "  10.0.1.1:8080            up          2m    600      0      2   0.40ms   10.1ms\n"
              "  10.0.1.2:8080            down       10s    last check: bad status 503\n"
              "  10.0.1.3:8080 backup     up         10s  1.20k      0      0        -   1.20ms\n"
              "  10.0.1.4:8080            draining   10s    by an operator, 2 requests under way\n"
              "static, ip-hash: 1 of 1 backends take traffic\n"
              "  f?[31m:80                unchecked           0      0      0        -        -\n");
    json_decref(shop);
}

static void top_fills_the_screen_and_no_more(void **state)
{
    struct top_view view = {.rows = 15, .columns = 80, .order = TOP_REQUESTS};
    json_t *shop = parse(shop_text);
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    show_top(shop, &view, &out);
    assert_text(&out,
                "serving: yes; survives one more failure: no (pool static has 1 of 1 backends up)\n"
                "node a of shop, nines 0.1.0, up 3m, generation 3 (1 refused)\n"
                "\n"
                "SERVICE                      REQ/S    5XX/S   ACTIVE    CONNS       P50      P99\n"
                "web                          1.23k      0.2        3       17    0.52ms   12.3ms\n"
                "\n"
                "POOL       BACKEND              STATE       REQ/S   ERR/S ACTIVE     P99\n"
                "api        10.0.1.3:8080        up          1.20k       0      0  1.20ms |||||||\n"
                "api        10.0.1.1:8080        up            600       0      2  10.1ms ||||\n"
                "api        10.0.1.2:8080        down            0       0      0       -\n"
                "api        10.0.1.4:8080        draining        0       0      2       -\n"
                "static     f?[31m:80            unchecked       0       0      0       -\n"
                "\n"
                "\n"
                "q quit  up/down scroll  order: c configured r requests l latency e errors");
    view.rows = 9;
    view.columns = 40;
    view.order = TOP_LATENCY;
    view.first = 1;
    view.notice = "nines did not answer";
    buf_init(&out, 1 << 20);
    show_top(shop, &view, &out);
    assert_text(&out, "serving: yes; survives one more failure:\n"
                      "node a of shop, nines 0.1.0, up 3m, gene\n"
                      "\n"
                      "SERVICE                      REQ/S    5X\n"
                      "web                          1.23k\n"
                      "\n"
                      "POOL       BACKEND              STATE\n"
                      "api        10.0.1.3:8080        up\n"
                      "nines did not answer");
    json_decref(shop);
}

static json_t *crowd(int pools, int backends, int down)
{
    json_t *status = json_pack("{s:{s:s,s:b},s:[],s:[],s:[]}", "summary", "serving", "yes",
                               "survives_one_failure", 1, "roles", "services", "pools");

    for (int p = 0; p < pools; p++) {
        json_t *list = json_array();

        for (int i = 0; i < backends; i++) {
            bool fails = p == 0 && i >= backends - down;

            json_array_append_new(list, json_pack("{s:s,s:s,s:b,s:i}", "address", "h:1", "state",
                                                  fails ? "down" : "up", "takes_traffic", !fails,
                                                  "weight", 1));
        }
        json_array_append_new(
            json_object_get(status, "pools"),
            json_pack("{s:s,s:i,s:o}", "name", "p", "usable", backends, "backends", list));
        json_array_append_new(json_object_get(status, "services"), json_pack("{s:s}", "name", "s"));
    }
    return status;
}

static size_t count(const struct buf *out, const char *word)
{
    size_t found = 0;

    for (const char *at = (const char *)out->at; (at = strstr(at, word)); at++)
        found++;
    return found;
}

static void status_folds_what_is_well_to_fit_the_screen(void **state)
{
    (void)state;
    for (int pools = 1; pools <= 4; pools++) {
        for (int backends = 1; backends <= 30; backends++) {
            json_t *status = crowd(pools, backends, backends > 3 ? 3 : 0);
            struct buf out;

            buf_init(&out, 1 << 20);
            show_status(status, false, false, &out);
            buf_add_byte(&out, 0);
            assert_true(count(&out, "\n") <= SHOW_ROWS);
            assert_int_equal(count(&out, "last check"), backends > 3 ? 3 : 0);
            buf_fini(&out);
            buf_init(&out, 1 << 20);
            show_status(status, true, false, &out);
            buf_add_byte(&out, 0);
            assert_int_equal(count(&out, "  h:1"), pools * backends);
            buf_fini(&out);
            json_decref(status);
        }
    }
}

static void an_answer_of_another_version_is_shown_as_far_as_it_goes(void **state)
{
    static const char *const answers[] = {"{}", "[]", "{'pools':[1,{}]}",
                                          "{'services':{},'pools':[{'backends':[{},3]}]}",
                                          "{'summary':[],'roles':[{}],'services':[{'listen':3}]}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct top_view view = {.rows = 24, .columns = 80};
        json_t *status = parse(answers[i]);
        struct buf out;

        buf_init(&out, 1 << 20);
        show_status(status, false, true, &out);
        show_top(status, &view, &out);
        assert_false(out.full);
        buf_fini(&out);
        json_decref(status);
    }
}

static void colours_only_when_it_may(void **state)
{
    json_t *shop = parse(shop_text);
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    show_status(shop, false, true, &out);
    buf_add_byte(&out, 0);
    assert_non_null(strstr((const char *)out.at, "serving: \033[32myes\033[0m; survives"));
    assert_non_null(strstr((const char *)out.at, "\033[31mdown\033[0m"));
    buf_clear(&out);
    show_status(shop, false, false, &out);
    buf_add_byte(&out, 0);
    assert_null(strchr((const char *)out.at, '\033'));
    buf_fini(&out);
    json_decref(shop);
}

static void keys_scroll_sort_and_quit(void **state)
{
    struct top_view view = {0};

    (void)state;
    assert_int_equal(top_key(&view, BYTES("\033[B"), 3), TOP_REDRAWS);
    assert_int_equal(top_key(&view, BYTES("j"), 3), TOP_REDRAWS);
    assert_int_equal(top_key(&view, BYTES("j"), 3), TOP_REDRAWS);
    assert_int_equal(view.first, 2);
    assert_int_equal(top_key(&view, BYTES("\033[5~"), 3), TOP_REDRAWS);
    assert_int_equal(view.first, 0);
    top_key(&view, BYTES("\033[6~"), 0);
    assert_int_equal(view.first, 0);
    view.first = 1;
    assert_int_equal(top_key(&view, BYTES("e"), 3), TOP_REDRAWS);
    assert_int_equal(view.order, TOP_ERRORS);
    assert_int_equal(view.first, 0);
    assert_int_equal(top_key(&view, BYTES(""), 3), TOP_GOES_ON);
    assert_int_equal(top_key(&view, BYTES("\033[Z"), 3), TOP_GOES_ON);
    assert_int_equal(top_key(&view, BYTES("q"), 3), TOP_QUITS);
    assert_int_equal(top_key(&view, BYTES("\003"), 3), TOP_QUITS);
}

static void what_is_cut_says_so(void **state)
{
    struct buf out;
    struct canvas canvas = {.out = &out};

    (void)state;
    buf_init(&out, 1000);
    canvas_left(&canvas, 5, PLAIN, "12345");
    canvas_left(&canvas, 5, PLAIN, "123456");
    canvas_right(&canvas, 3, PLAIN, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f");
    canvas_right(&canvas, 3, PLAIN, "a\n");
    canvas_end(&canvas);
    assert_text(&out, "12345 1234~ \xc3\xa4\xc3\xb6~  a?\n");
}

static void figures_are_short(void **state)
{
    char text[CANVAS_FIGURE_MAX];

    (void)state;
    assert_string_equal(canvas_rate(0, text), "0");
    assert_string_equal(canvas_rate(-1, text), "0");
    assert_string_equal(canvas_rate(0.25, text), "0.2");
    assert_string_equal(canvas_rate(9.96, text), "10");
    assert_string_equal(canvas_rate(999, text), "999");
    assert_string_equal(canvas_rate(999.6, text), "1.00k");
    assert_string_equal(canvas_rate(12345, text), "12.3k");
    assert_string_equal(canvas_rate(1e30, text), "1000000000000E");
    assert_string_equal(canvas_count(UINT64_MAX, text), "18.4E");
    assert_string_equal(canvas_latency(0, text), "-");
    assert_string_equal(canvas_latency(0.523, text), "0.52ms");
    assert_string_equal(canvas_latency(123.4, text), "123ms");
    assert_string_equal(canvas_latency(999.6, text), "1.00s");
    assert_string_equal(canvas_age(-5, text), "0s");
    assert_string_equal(canvas_age(59999, text), "59s");
    assert_string_equal(canvas_age(3600000, text), "1h");
    assert_string_equal(canvas_age(90LL * 86400000, text), "90d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_answers_first_and_explains_what_is_not_well),
        cmocka_unit_test(top_fills_the_screen_and_no_more),
        cmocka_unit_test(status_folds_what_is_well_to_fit_the_screen),
        cmocka_unit_test(an_answer_of_another_version_is_shown_as_far_as_it_goes),
        cmocka_unit_test(colours_only_when_it_may),
        cmocka_unit_test(keys_scroll_sort_and_quit),
        cmocka_unit_test(what_is_cut_says_so),
        cmocka_unit_test(figures_are_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
