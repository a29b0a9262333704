#include "shop.h"

#include "unit.h"

#include <string.h>

/* Reads good text and shows it; `shown` ends with NUL. */
static void show(const char *text, bool defaults, struct buf *shown)
{
    struct findings *findings = findings_new("shop.yaml", bytes_of_string(text));
    struct buf image;

    assert_true(schema_read(shop_rows, sizeof(struct shop), findings, &image));
    buf_init(shown, 1 << 20);
    schema_show(shop_rows, (struct image){image.at, image.len}, defaults, shown);
    buf_add_byte(shown, '\0');
    assert_false(shown->full);
    buf_fini(&image);
    findings_free(findings);
}

static void assert_shown(const char *text, bool defaults, const char *expected)
{
    struct buf shown;

    show(text, defaults, &shown);
    assert_string_equal((const char *)shown.at, expected);
    buf_fini(&shown);
}

static void what_is_in_force_is_shown_with_its_defaults(void **state)
{
    (void)state;
    assert_shown("cluster: a\n"
                 "pools: {api: {backends: [b:1], on: reset}}\n",
                 true,
                 "cluster: a\n"
                 "directory: /var/lib/nines  # default\n"
                 "workers: 0  # default\n"
                 "pools:\n"
                 "  api:\n"
                 "    algorithm: round-robin  # default\n"
                 "    backends:\n"
                 "      - address: b:1\n"
                 "        weight: 1  # default\n"
                 "        backup: false  # default\n"
                 "    timeout:\n"
                 "      connect: 1s  # default\n"
                 "      idle: never  # default\n"
                 "    budget: 20%  # default\n"
                 "    on: [reset]\n");
}

static void a_section_that_was_not_written_is_not_shown_as_present(void **state)
{
    struct buf shown;

    (void)state;
    show("cluster: a\npools: {p: {backends: b:1}}\n", false, &shown);
    assert_null(strstr((const char *)shown.at, "health_check"));
    buf_fini(&shown);
    show("cluster: a\npools: {p: {backends: b:1, health_check: }}\n", false, &shown);
    assert_non_null(strstr((const char *)shown.at, "health_check:\n      interval: 1s\n"));
    buf_fini(&shown);
}

static void what_is_shown_reads_back_the_same(void **state)
{
    static const char *const files[] = {
        "cluster: \"  # 'odd': [\\\"x\\\\\"\n"
        "directory: \"null\"\n"
        "workers: 1024\n",
        "cluster: ~tilde\n"
        "directory: \"\\u00e9\\U0001F600 - -\"\n"
        "services:\n"
        "  \"a: b\": {listen: \":1\", headers: {\"true\": , \"\\\"\": {value: \"\"}, <: x}}\n"
        "  \"~\": {listen: [\"[::]:65535\"], headers: , max_body: 0, pool: \"-\"}\n",
        "cluster: a\n"
        "pools:\n"
        "  p:\n"
        "    algorithm: least-connections\n"
        "    backends: [{address: \"[::1]:1\", weight: 0, backup: true}, \"h_1-2.x:2\"]\n"
        "    timeout: {connect: 1ms, idle: 90d}\n"
        "    budget: 0.05%\n"
        "    on: []\n"
        "    health_check: {expect: {to: 200}}\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct buf once, twice, marked;

        show(files[i], false, &once);
        show((const char *)once.at, false, &twice);
        assert_string_equal((const char *)once.at, (const char *)twice.at);
        show((const char *)once.at, true, &marked);
        buf_fini(&twice);
        show((const char *)marked.at, false, &twice);
        assert_string_equal((const char *)once.at, (const char *)twice.at);
        buf_fini(&once);
        buf_fini(&twice);
        buf_fini(&marked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_force_is_shown_with_its_defaults),
        cmocka_unit_test(a_section_that_was_not_written_is_not_shown_as_present),
        cmocka_unit_test(what_is_shown_reads_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
