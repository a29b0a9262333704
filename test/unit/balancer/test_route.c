/*
 * Which pool answers a request. The routes are written as a person writes them.
 */
#include "unit.h"

#include "balancer/route.h"
#include "role/config.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char yaml[] =
    "cluster: test\n"
    "services:\n"
    "  web:\n"
    "    listen: \"127.0.0.1:1\"\n"
    "    routes:\n"
    "      - {match: {host: shop.example, path: /api/}, pool: api}\n"
    "      - {match: {host: \"*.example\", method: [PUT, DELETE]}, pool: writes}\n"
    "      - {match: {headers: {X-Beta: \"1\", X-Any: {}}}, pool: beta}\n"
    "      - {match: {path: /static}, pool: static}\n"
    "    pool: rest\n"
    "  bare:\n"
    "    listen: \"127.0.0.1:2\"\n"
    "    routes: [{match: {path: /x}, pool: api}]\n"
    "pools:\n"
    "  api: {backends: [127.0.0.1:3]}\n"
    "  writes: {backends: [127.0.0.1:3]}\n"
    "  beta: {backends: [127.0.0.1:3]}\n"
    "  static: {backends: [127.0.0.1:3]}\n"
    "  rest: {backends: [127.0.0.1:3]}\n";

static struct buf config;

static struct image image(void)
{
    return (struct image){config.at, config.len};
}

static int read_config(void **state)
{
    struct buf findings = {0};
    struct config_request request = {.file = "test.yaml",
                                     .fd = memfd_create("config", MFD_CLOEXEC)};

    (void)state;
    assert_int_equal(write(request.fd, yaml, sizeof yaml - 1), sizeof yaml - 1);
    assert_int_equal(lseek(request.fd, 0, SEEK_SET), 0);
    if (!config_compile(&request, &config, &findings))
        fail_msg("%.*s", (int)findings.len, (const char *)findings.at);
    buf_fini(&findings);
    close(request.fd);
    return 0;
}

static int drop_config(void **state)
{
    (void)state;
    buf_fini(&config);
    return 0;
}

/* The pool's name, or "-". */
static const char *route(const char *service, const char *text)
{
    const struct config *root = config_of(image());
    const struct balancer_service *services =
        image_items(image(), root->services, sizeof *services);
    const struct config_pool *pools = image_items(image(), root->pools, sizeof *pools);
    struct bytes head = bytes_of_string(text);
    struct http1_scan scan = {0};
    struct http1_fault fault;
    static struct http1_head parsed;
    uint32_t used, pool;

    if (strcmp(image_string(image(), services->item.name), service) != 0)
        services++;
    assert_int_equal(http1_request(&scan, head, HTTP1_HEAD_MAX, &parsed, &used, &fault),
                     HTTP1_DONE);
    pool = route_find(image(), services,
                      &(struct route_request){.host = http1_bytes(head, parsed.host),
                                              .path = http1_bytes(head, parsed.path),
                                              .method = http1_bytes(head, parsed.method_name),
                                              .head = head,
                                              .fields = parsed.fields,
                                              .field_count = parsed.field_count});
    return pool == ROUTE_NONE ? "-" : image_string(image(), pools[pool].pool.item.name);
}

static const struct {
    const char *host, *line, *fields, *pool;
} rows[] = {
    {"shop.example", "GET /api/x", "", "api"},
    {"SHOP.example:8080", "GET /api", "", "api"},
    {"shop.example.", "GET /api/", "", "api"},
    {"shop.example", "GET /apix", "", "rest"},
    {"shop.example", "GET /API", "", "rest"},
    {"a.shop.example", "GET /api", "", "rest"},
    {"shop.example", "PUT /api/x", "", "api"}, /* the first that matches wins */
    {"shop.example", "PUT /", "", "writes"},
    {"a.b.example:1", "DELETE /", "", "writes"},
    {"example", "PUT /", "", "rest"},
    {".example", "PUT /", "", "rest"},
    {"other", "PUT /", "", "rest"},
    {"h", "GET /", "x-beta: 1\r\nX-ANY: whatever\r\n", "beta"},
    {"h", "GET /", "x-beta: 1\r\n", "rest"},
    {"h", "GET /", "x-beta: 12\r\nx-any: \r\n", "rest"},
    {"h", "GET /static", "", "static"},
    {"h", "GET /static?x", "", "static"},
    {"h", "GET /statics", "", "rest"},
    {"h", "GET http://shop.example/api/x", "", "api"},
    {"[::1]:80", "OPTIONS *", "", "rest"},
};

static void the_first_route_that_matches_wins(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[512];

        snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", rows[i].line, rows[i].host,
                 rows[i].fields);
        if (strcmp(route("web", text), rows[i].pool) != 0)
            fail_msg("%s %s: %s instead of %s", rows[i].host, rows[i].line, route("web", text),
                     rows[i].pool);
    }
}

static void without_a_pool_of_its_own_nothing_may_match(void **state)
{
    (void)state;
    assert_string_equal(route("bare", "GET /x/y HTTP/1.1\r\nHost: h\r\n\r\n"), "api");
    assert_string_equal(route("bare", "GET /y HTTP/1.1\r\nHost: h\r\n\r\n"), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_route_that_matches_wins),
        cmocka_unit_test(without_a_pool_of_its_own_nothing_may_match),
    };

    return cmocka_run_group_tests(tests, read_config, drop_config);
}
