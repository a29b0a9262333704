#include "shop.h"

#include "base/must.h"
#include "unit.h"

#include <string.h>

struct reading {
    struct findings *findings;
    struct buf image, printed;
    const struct shop *shop;
    struct image in;
    bool good;
};

static void begin(struct reading *r, struct bytes text)
{
    r->findings = findings_new("shop.yaml", text);
    r->good = schema_read(shop_rows, sizeof(struct shop), r->findings, &r->image);
    buf_init(&r->printed, 1 << 20);
    findings_print(r->findings, &r->printed, false);
    buf_add_byte(&r->printed, '\0');
    r->in = (struct image){r->image.at, r->image.len};
    r->shop = image_items(r->in, (struct ref){0, 1}, sizeof *r->shop);
    assert_true(r->good == (findings_count(r->findings) == 0));
}

static void end(struct reading *r)
{
    buf_fini(&r->printed);
    buf_fini(&r->image);
    findings_free(r->findings);
}

/* Reads, and compares all that is printed about it. */
static void assert_findings(const char *text, const char *expected)
{
    struct reading r;

    begin(&r, bytes_of_string(text));
    assert_string_equal((const char *)r.printed.at, expected);
    end(&r);
}

static const struct shop_pool *pool_of(const struct reading *r, uint32_t index)
{
    assert_true(index < r->shop->pools.count);
    return (const struct shop_pool *)image_items(r->in, r->shop->pools, sizeof(struct shop_pool)) +
           index;
}

static const struct shop_backend *backends_of(const struct reading *r, const struct shop_pool *pool)
{
    return image_items(r->in, pool->backends, sizeof(struct shop_backend));
}

/* ---- what is right ---- */

static void everything_that_is_written_arrives(void **state)
{
    struct reading r;
    const struct shop_pool *pool;
    const struct shop_backend *backend;
    const struct shop_service *service;
    const struct shop_word *listen;

    (void)state;
    begin(&r, BYTES("cluster: shop # comment\n"
                    "workers: 4\n"
                    "services:\n"
                    "  web: {listen: ['0.0.0.0:80', \"[::]:80\"], max_body: 64KiB, pool: api}\n"
                    "pools:\n"
                    "  api:\n"
                    "    algorithm: ip-hash\n"
                    "    budget: 99.99%\n"
                    "    timeout: {connect: 250ms, idle: 2h}\n"
                    "    backends:\n"
                    "      - 10.0.0.1:80\n"
                    "      - {address: b.example:81, weight: 7, backup: true}\n"
                    "    health_check: {path: /healthz}\n"));
    assert_true(r.good);
    assert_string_equal(image_string(r.in, r.shop->cluster), "shop");
    assert_int_equal(r.shop->workers, 4);
    service = image_items(r.in, r.shop->services, sizeof *service);
    assert_string_equal(image_string(r.in, service->item.name), "web");
    assert_int_equal(service->body_max, 65536);
    assert_int_equal(service->listen.count, 2);
    listen = image_items(r.in, service->listen, sizeof *listen);
    assert_string_equal(image_string(r.in, listen[1].text), "[::]:80");
    pool = pool_of(&r, 0);
    assert_int_equal(pool->algorithm, 2);
    assert_int_equal(pool->budget, 9999);
    assert_int_equal(pool->timeout_connect_ms, 250);
    assert_int_equal(pool->timeout_idle_ms, 7200000);
    backend = backends_of(&r, pool);
    assert_string_equal(image_string(r.in, backend[0].address), "10.0.0.1:80");
    assert_int_equal(backend[0].weight, 1);
    assert_int_equal(backend[1].weight, 7);
    assert_true(backend[1].backup);
    assert_true(pool->checked);
    assert_string_equal(image_string(r.in, pool->check.path), "/healthz");
    end(&r);
}

static void what_is_not_written_has_its_default(void **state)
{
    struct reading r;
    const struct shop_pool *pool;
    const struct shop_condition *on;

    (void)state;
    begin(&r, BYTES("cluster: a\npools: {api: {backends: 10.0.0.1:80}}\n"));
    assert_true(r.good);
    assert_string_equal(image_string(r.in, r.shop->directory), "/var/lib/nines");
    assert_int_equal(r.shop->services.count, 0);
    pool = pool_of(&r, 0);
    assert_int_equal(pool->backends.count, 1);
    assert_int_equal(pool->timeout_connect_ms, 1000);
    assert_true(pool->timeout_idle_ms == INT64_MAX);
    assert_false(pool->checked);
    assert_int_equal(pool->check.interval_ms, 1000);
    assert_int_equal(pool->check.low, 200);
    assert_int_equal(pool->check.path.at, 0);
    on = image_items(r.in, pool->on, sizeof *on);
    assert_int_equal(pool->on.count, 2);
    assert_int_equal(on[1].condition, 1);
    end(&r);
}

static void an_empty_section_is_present_and_all_defaults(void **state)
{
    struct reading r;

    (void)state;
    begin(&r, BYTES("cluster: a\npools:\n  api:\n    backends: [b:1]\n    health_check:\n"));
    assert_true(r.good);
    assert_true(pool_of(&r, 0)->checked);
    assert_int_equal(pool_of(&r, 0)->check.interval_ms, 1000);
    end(&r);
}

static void anchors_aliases_and_merge_keys_share_what_is_written_once(void **state)
{
    struct reading r;

    (void)state;
    begin(&r, BYTES("cluster: a\n"
                    "pools:\n"
                    "  one: &one {backends: &servers [10.0.0.1:80, 10.0.0.2:80], budget: 5%}\n"
                    "  two: {backends: *servers}\n"
                    "  three: {<<: *one, budget: 7%}\n"
                    "  four: *one\n"));
    assert_string_equal((const char *)r.printed.at, "");
    assert_int_equal(r.shop->pools.count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(pool_of(&r, i)->backends.count, 2);
        assert_string_equal(image_string(r.in, backends_of(&r, pool_of(&r, i))[1].address),
                            "10.0.0.2:80");
    }
    assert_int_equal(pool_of(&r, 2)->budget, 700);
    assert_int_equal(pool_of(&r, 3)->budget, 500);
    end(&r);
}

static void items_know_where_they_stand_and_keys_are_found_again(void **state)
{
    struct reading r;
    uint32_t line, column, length;
    const struct shop_pool *pool;

    (void)state;
    begin(&r, BYTES("cluster: caf\xc3\xa9\n"
                    "pools:\n"
                    "  api:\n"
                    "    timeout: {connect: 250ms}\n"
                    "    backends:\n"
                    "      - {address: 10.0.0.1:80,\n"
                    "         weight: 2}\n"));
    assert_true(r.good);
    pool = pool_of(&r, 0);
    assert_int_equal(pool->item.line, 3);
    assert_int_equal(pool->item.column, 3);
    assert_int_equal(backends_of(&r, pool)->item.line, 6);
    assert_int_equal(backends_of(&r, pool)->item.column, 9);
    assert_true(
        findings_place(r.findings, &pool->item, "timeout.connect", &line, &column, &length));
    assert_int_equal(line, 4);
    assert_int_equal(column, 24);
    assert_int_equal(length, 5);
    assert_true(findings_place(r.findings, &r.shop->item, "cluster", &line, &column, &length));
    assert_int_equal(length, 4);
    assert_true(findings_place(r.findings, &backends_of(&r, pool)->item, "weight", &line, &column,
                               &length));
    assert_int_equal(line, 7);
    assert_false(findings_place(r.findings, &pool->item, "budget", &line, &column, &length));
    assert_false(findings_place(r.findings, &pool->item, "timeout.idle", &line, &column, &length));
    end(&r);
}

/* ---- what is wrong ---- */

static void an_unknown_key_names_the_nearest_known_one(void **state)
{
    (void)state;
    assert_findings("cluster: a\n"
                    "pools:\n"
                    "  api:\n"
                    "    algoritm: ip-hash\n"
                    "    backends: [10.0.0.1:80]\n"
                    "    colour: red\n",
                    "error: pools.api: unknown key 'algoritm'\n"
                    "  shop.yaml:4:5\n"
                    "    4 |     algoritm: ip-hash\n"
                    "      |     ^^^^^^^^\n"
                    "  fix: did you mean 'algorithm'?\n"
                    "\n"
                    "error: pools.api: unknown key 'colour'\n"
                    "  shop.yaml:6:5\n"
                    "    6 |     colour: red\n"
                    "      |     ^^^^^^\n"
                    "  fix: known here: algorithm, backends, timeout, budget, on, health_check\n");
}

static void a_key_that_is_written_twice_says_where_it_was_before(void **state)
{
    (void)state;
    assert_findings("cluster: a\n"
                    "workers: 1\n"
                    "workers: 2\n",
                    "error: 'workers' is written twice\n"
                    "  shop.yaml:3:1\n"
                    "    3 | workers: 2\n"
                    "      | ^^^^^^^\n"
                    "  fix: keep one; the first is on line 2\n");
}

static void a_value_of_the_wrong_kind_says_what_was_expected(void **state)
{
    (void)state;
    assert_findings("cluster: [a]\n"
                    "workers: \"4\"\n"
                    "services: 5\n"
                    "pools: {api: {backends: [10.0.0.1:80], timeout: 5s}}\n",
                    "error: cluster: found a list, expected a text of 1 to 64 bytes\n"
                    "  shop.yaml:1:10\n"
                    "    1 | cluster: [a]\n"
                    "      |          ^^^\n"
                    "\n"
                    "error: workers: found the text '4', expected a number from 0 to 1024\n"
                    "  shop.yaml:2:10\n"
                    "    2 | workers: \"4\"\n"
                    "      |          ^^^\n"
                    "  fix: leave out the quotes\n"
                    "\n"
                    "error: services: found '5', expected a mapping of names of your own\n"
                    "  shop.yaml:3:11\n"
                    "    3 | services: 5\n"
                    "      |           ^\n"
                    "  fix: write `name: ...`, one below the other\n"
                    "\n"
                    "error: pools.api.timeout: found '5s', expected a mapping of keys to values\n"
                    "  shop.yaml:4:49\n"
                    "    4 | pools: {api: {backends: [10.0.0.1:80], timeout: 5s}}\n"
                    "      |                                                 ^^\n"
                    "  fix: known here: connect, idle\n");
}

static void a_quantity_says_its_bounds_and_its_units(void **state)
{
    (void)state;
    assert_findings(
        "cluster: a\n"
        "workers: -1\n"
        "services: {web: {listen: \":80\", max_body: 1GB}}\n"
        "pools:\n"
        "  api:\n"
        "    backends: {address: b:1, weight: 300}\n"
        "    budget: 120%\n"
        "    timeout: {connect: 5, idle: 1ms}\n",
        "error: workers: found '-1', expected a number from 0 to 1024\n"
        "  shop.yaml:2:10\n"
        "    2 | workers: -1\n"
        "      |          ^^\n"
        "\n"
        "error: services.web.max_body: found '1GB', expected a size\n"
        "  shop.yaml:3:43\n"
        "    3 | services: {web: {listen: \":80\", max_body: 1GB}}\n"
        "      |                                           ^^^\n"
        "  fix: bytes, or a whole number and its unit: 512, 16KiB, 64MiB or 2GiB\n"
        "\n"
        "error: pools.api.backends.weight: found '300', expected a number from 0 to 256\n"
        "  shop.yaml:6:38\n"
        "    6 |     backends: {address: b:1, weight: 300}\n"
        "      |                                      ^^^\n"
        "\n"
        "error: pools.api.budget: found '120%', expected a percentage from 0% to 100%\n"
        "  shop.yaml:7:13\n"
        "    7 |     budget: 120%\n"
        "      |             ^^^^\n"
        "\n"
        "error: pools.api.timeout.connect: found '5', expected a duration from 1ms to 1m\n"
        "  shop.yaml:8:24\n"
        "    8 |     timeout: {connect: 5, idle: 1ms}\n"
        "      |                        ^\n"
        "  fix: a whole number and its unit: 250ms, 5s, 10m, 2h or 90d\n"
        "\n"
        "error: pools.api.timeout.idle: found '1ms', expected a duration of at least 10ms, or "
        "never\n"
        "  shop.yaml:8:33\n"
        "    8 |     timeout: {connect: 5, idle: 1ms}\n"
        "      |                                 ^^^\n");
}

static void a_bad_choice_names_the_nearest_and_a_bad_boolean_the_right_word(void **state)
{
    (void)state;
    assert_findings(
        "cluster: a\n"
        "pools: {api: {algorithm: ip_hash, backends: [{address: b:1, backup: yes}]}}\n",
        "error: pools.api.algorithm: found 'ip_hash', expected one of round-robin, "
        "least-connections, ip-hash\n"
        "  shop.yaml:2:26\n"
        "    2 | pools: {api: {algorithm: ip_hash, backends: [{address: b:1, backup: yes}]}}\n"
        "      |                          ^^^^^^^\n"
        "  fix: did you mean 'ip-hash'?\n"
        "\n"
        "error: pools.api.backends[0].backup: found 'yes', expected true or false\n"
        "  shop.yaml:2:69\n"
        "    2 | pools: {api: {algorithm: ip_hash, backends: [{address: b:1, backup: yes}]}}\n"
        "      |                                                                     ^^^\n"
        "  fix: write true, without quotes\n");
}

static void what_is_missing_is_asked_for_where_it_belongs(void **state)
{
    (void)state;
    assert_findings("pools:\n"
                    "  api: {budget: 1%}\n"
                    "  web:\n"
                    "    backends: []\n",
                    "error: 'cluster' is missing\n"
                    "  shop.yaml\n"
                    "  fix: add `cluster:`: A name for all of it.\n"
                    "\n"
                    "error: pools.api: 'backends' is missing\n"
                    "  shop.yaml:2:3\n"
                    "    2 |   api: {budget: 1%}\n"
                    "      |   ^^^\n"
                    "  fix: add `backends:`: The servers that answer.\n"
                    "\n"
                    "error: pools.web.backends: found 0 items, expected from 1 to 4096\n"
                    "  shop.yaml:4:15\n"
                    "    4 |     backends: []\n"
                    "      |               ^^\n");
}

static void an_endpoint_needs_its_port_and_its_brackets(void **state)
{
    (void)state;
    assert_findings(
        "cluster: a\n"
        "pools: {api: {backends: [10.0.0.1, \":80\", \"::1:80\", \"b:0\"]}}\n",
        "error: pools.api.backends[0]: found '10.0.0.1', expected host:port\n"
        "  shop.yaml:2:26\n"
        "    2 | pools: {api: {backends: [10.0.0.1, \":80\", \"::1:80\", \"b:0\"]}}\n"
        "      |                          ^^^^^^^^\n"
        "  fix: add a port, as in 10.0.0.1:80\n"
        "\n"
        "error: pools.api.backends[1]: found the text ':80', expected host:port\n"
        "  shop.yaml:2:36\n"
        "    2 | pools: {api: {backends: [10.0.0.1, \":80\", \"::1:80\", \"b:0\"]}}\n"
        "      |                                    ^^^^^\n"
        "  fix: say which host\n"
        "\n"
        "error: pools.api.backends[2]: found the text '::1:80', expected host:port\n"
        "  shop.yaml:2:43\n"
        "    2 | pools: {api: {backends: [10.0.0.1, \":80\", \"::1:80\", \"b:0\"]}}\n"
        "      |                                           ^^^^^^^^\n"
        "  fix: a port is a number from 1 to 65535; an IPv6 address stands in brackets: "
        "\"[::1]:80\"\n"
        "\n"
        "error: pools.api.backends[3]: found the text 'b:0', expected host:port\n"
        "  shop.yaml:2:53\n"
        "    2 | pools: {api: {backends: [10.0.0.1, \":80\", \"::1:80\", \"b:0\"]}}\n"
        "      |                                                     ^^^^^\n"
        "  fix: a port is a number from 1 to 65535\n");
}

static void broken_yaml_is_placed_and_what_stands_before_it_is_still_checked(void **state)
{
    (void)state;
    assert_findings("cluster: a\n"
                    "workers: many\n"
                    "pools: {api: {backends: [10.0.0.1:80\n",
                    "error: workers: found 'many', expected a number from 0 to 1024\n"
                    "  shop.yaml:2:10\n"
                    "    2 | workers: many\n"
                    "      |          ^^^^\n"
                    "\n"
                    "error: this '[' is never closed\n"
                    "  shop.yaml:3:25\n"
                    "    3 | pools: {api: {backends: [10.0.0.1:80\n"
                    "      |                         ^\n"
                    "  fix: add the ']'\n");
    assert_findings("cluster: a\n"
                    "pools:\n"
                    "\tapi: 1\n",
                    "error: a tab indents this line\n"
                    "  shop.yaml:3:1\n"
                    "    3 |  api: 1\n"
                    "      | ^\n"
                    "  fix: indent with spaces\n");
    assert_findings("cluster: \"a\n"
                    "workers: 1\n",
                    "error: this text goes on in a line that is not indented\n"
                    "  shop.yaml:1:10\n"
                    "    1 | cluster: \"a\n"
                    "      |          ^\n"
                    "  fix: is its closing quote missing?\n");
}

static void an_alias_cannot_name_nothing_or_itself(void **state)
{
    (void)state;
    assert_findings("cluster: *a\n", "error: no anchor 'a' stands above\n"
                                     "  shop.yaml:1:10\n"
                                     "    1 | cluster: *a\n"
                                     "      |          ^^\n"
                                     "  fix: an anchor `&name` stands before its uses\n");
    assert_findings("cluster: a\n"
                    "pools: &p {api: *p}\n",
                    "error: 'p' would contain itself\n"
                    "  shop.yaml:2:17\n"
                    "    2 | pools: &p {api: *p}\n"
                    "      |                 ^^\n");
}

static void a_file_that_is_not_text_is_refused_by_its_first_bytes(void **state)
{
    (void)state;
    assert_findings("cluster: caf\xe9\n"
                    "directory: \x1b[31m\n",
                    "error: byte 0xe9 is not UTF-8\n"
                    "  shop.yaml:1:13\n"
                    "    1 | cluster: caf\xef\xbf\xbd\n"
                    "      |             ^\n"
                    "  fix: save the file as UTF-8\n"
                    "\n"
                    "error: the character U+001B has no place in a configuration\n"
                    "  shop.yaml:2:12\n"
                    "    2 | directory: \xef\xbf\xbd[31m\n"
                    "      |            ^\n"
                    "  fix: remove it\n");
    assert_findings("", "error: the file says nothing\n  shop.yaml\n");
    assert_findings("# later\n---\n", "error: the file says nothing\n  shop.yaml\n");
}

static void control_characters_that_come_by_escapes_are_shown_as_escapes(void **state)
{
    (void)state;
    assert_findings(
        "cluster: \"a\\e[2J\\n\\u202e\"\n",
        "error: cluster: found the text 'a\\x1b[2J\\n\\u202e', expected a text of 1 to 64 "
        "bytes\n"
        "  shop.yaml:1:10\n"
        "    1 | cluster: \"a\\e[2J\\n\\u202e\"\n"
        "      |          ^^^^^^^^^^^^^^^^\n"
        "  fix: a text is one line, without control characters\n");
}

static void a_long_line_is_shown_around_what_is_meant(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 4096);
    buf_add_string(&text, "cluster: a\npools: {api: {on: [");
    for (int i = 0; i < 12; i++)
        buf_add_string(&text, "reset, reset, ");
    buf_add_string(&text, "503], budget: x, backends: b:1}}\n");
    buf_add_byte(&text, '\0');
    assert_findings(
        (const char *)text.at,
        "error: pools.api.on: found 25 items, expected from 0 to 16\n"
        "  shop.yaml:2:19\n"
        "    2 | pools: {api: {on: [reset, reset, reset, reset, reset, reset, reset, reset, "
        "reset, reset, reset, rese\xe2\x80\xa6\n"
        "      |                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"
        "^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "\n"
        "error: pools.api.budget: found 'x', expected a percentage from 0% to 100%\n"
        "  shop.yaml:2:202\n"
        "    2 | \xe2\x80\xa6t, reset, reset, reset, reset, reset, reset, 503], budget: x, "
        "backends: b:1}}\n"
        "      |                                                             ^\n"
        "  fix: a percentage with at most two decimals: 20% or 99.99%\n");
    buf_fini(&text);
}

/* ---- what has bounds ---- */

static void reading_ends_at_its_bounds(void **state)
{
    struct buf text;
    struct reading r;

    (void)state;
    buf_init(&text, 2 * SCHEMA_FILE_MAX);
    buf_add_string(&text, "cluster: ");
    while (text.len <= SCHEMA_FILE_MAX)
        buf_add_string(&text, "aaaaaaaa");
    begin(&r, buf_bytes(&text));
    assert_string_equal((const char *)r.printed.at,
                        "error: larger than the 1 MiB that a file may have\n  shop.yaml\n");
    end(&r);

    buf_clear(&text);
    buf_add_string(&text, "cluster: ");
    for (int i = 0; i < 10000; i++)
        buf_add_byte(&text, '[');
    begin(&r, buf_bytes(&text));
    assert_non_null(strstr((const char *)r.printed.at, "error: nested deeper than 24 levels\n"));
    end(&r);
    buf_fini(&text);
}

static void laughs_do_not_multiply(void **state)
{
    struct buf text;
    struct reading r;

    (void)state;
    buf_init(&text, SCHEMA_FILE_MAX);
    buf_add_string(&text, "cluster: a\npools:\n  p0: &p {backends: &b [");
    for (int i = 0; i < 4000; i++)
        buf_add_string(&text, "b:1,");
    buf_add_string(&text, "]}\n");
    for (int i = 1; i < 60; i++)
        buf_print(&text, "  p%d: {<<: *p, on: []}\n", i);
    begin(&r, buf_bytes(&text));
    assert_true(r.good);
    end(&r);

    buf_clear(&text);
    buf_add_string(&text, "a: &a0 [x, x]\n");
    for (int i = 1; i < 60; i++)
        buf_print(&text, "a%d: &a%d [*a%d, *a%d]\n", i, i, i - 1, i - 1);
    begin(&r, buf_bytes(&text));
    assert_false(r.good);
    end(&r);

    buf_clear(&text);
    buf_add_string(&text, "cluster: a\nservices: {web: {headers: &h {");
    for (int i = 0; i < 16; i++)
        buf_print(&text, "h%d: x, ", i);
    buf_add_string(&text, "}, listen: &l [");
    for (int i = 0; i < 64; i++)
        buf_add_string(&text, "b:1,");
    buf_add_string(&text, "]}}\npools: {a: {backends: &b [&s {weight: 1, address: b:1}");
    for (int i = 0; i < 4000; i++)
        buf_add_string(&text, ",*s");
    buf_add_string(&text, "]}");
    for (int i = 0; i < 63; i++)
        buf_print(&text, ", b%d: {backends: *b}", i);
    buf_add_string(&text, "}\n");
    begin(&r, buf_bytes(&text));
    assert_true(r.good);
    end(&r);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_is_written_arrives),
        cmocka_unit_test(what_is_not_written_has_its_default),
        cmocka_unit_test(an_empty_section_is_present_and_all_defaults),
        cmocka_unit_test(anchors_aliases_and_merge_keys_share_what_is_written_once),
        cmocka_unit_test(items_know_where_they_stand_and_keys_are_found_again),
        cmocka_unit_test(an_unknown_key_names_the_nearest_known_one),
        cmocka_unit_test(a_key_that_is_written_twice_says_where_it_was_before),
        cmocka_unit_test(a_value_of_the_wrong_kind_says_what_was_expected),
        cmocka_unit_test(a_quantity_says_its_bounds_and_its_units),
        cmocka_unit_test(a_bad_choice_names_the_nearest_and_a_bad_boolean_the_right_word),
        cmocka_unit_test(what_is_missing_is_asked_for_where_it_belongs),
        cmocka_unit_test(an_endpoint_needs_its_port_and_its_brackets),
        cmocka_unit_test(broken_yaml_is_placed_and_what_stands_before_it_is_still_checked),
        cmocka_unit_test(an_alias_cannot_name_nothing_or_itself),
        cmocka_unit_test(a_file_that_is_not_text_is_refused_by_its_first_bytes),
        cmocka_unit_test(control_characters_that_come_by_escapes_are_shown_as_escapes),
        cmocka_unit_test(a_long_line_is_shown_around_what_is_meant),
        cmocka_unit_test(reading_ends_at_its_bounds),
        cmocka_unit_test(laughs_do_not_multiply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
