/*
 * A sound image is one that the supervisor can follow without looking again: broken ones, made from a good one word by word, are
 * either refused or harmless.
 */
#include "role/supervisor.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static const char good[] = "user: nobody\n"
                           "access_log: /tmp/a\n"
                           "services:\n"
                           "  one: {listen: [127.0.0.1:8080, 127.0.0.1:8081], pool: p}\n"
                           "  two: {listen: 127.0.0.1:8082, pool: p}\n"
                           "pools: {p: {backends: [127.0.0.1:9001]}}\n"
                           "nodes: {a: 10.0.0.1, b: 10.0.0.2}\n"
                           "groups: {g: {command: [a, b], process: [c, d], user: e}}\n";

static void give_nodes(struct image image)
{
    struct config *config = (struct config *)(uintptr_t)image.at;
    struct config_node *nodes =
        (struct config_node *)(uintptr_t)image_items(image, config->nodes, sizeof *nodes);

    config->node = 1;
    for (uint32_t i = 0; i < config->nodes.count; i++) {
        nodes[i].path_count = 2;
        nodes[i].paths[0].family = nodes[i].paths[1].family = 4;
    }
}

/* What role/config.c writes: where the names of the file lead to. */
static void give_addresses(struct image image)
{
    struct config *config = (struct config *)(uintptr_t)image.at;
    const struct balancer_service *services =
        image_items(image, config->services, sizeof *services);

    config->admin_address.family = 4;
    for (uint32_t i = 0; i < config->services.count; i++) {
        struct balancer_listen *listens = (struct balancer_listen *)(uintptr_t)image_items(
            image, services[i].listen, sizeof *listens);

        for (uint32_t k = 0; k < services[i].listen.count; k++)
            listens[k].address.family = 4;
    }
    give_nodes(image);
}

/* A copy of exactly the image's size, so that a sanitizer sees every step beyond it. */
static struct image compile(void)
{
    struct findings *findings = findings_new("test.yaml", bytes_of_string(good));
    struct image image;
    struct config *config;
    struct buf read;
    uint8_t *copy;

    buf_init(&read, 1 << 20);
    assert_true(schema_read(config_options, sizeof(struct config), findings, &read));
    copy = malloc(read.len);
    assert_non_null(copy);
    memcpy(copy, read.at, read.len);
    image = (struct image){copy, read.len};
    config = (struct config *)(void *)copy;
    config->listeners = 3;
    buf_fini(&read);
    give_addresses(image);
    findings_free(findings);
    return image;
}

/* A socket can be bound to it, whatever the machine says to that. */
static void open_at(const struct address *address)
{
    assert_true(address->family == 4 || address->family == 6);
}

static size_t follow_nodes(struct image image)
{
    const struct config_node *own = config_own_node(image);
    static struct config_tls tls;

    if (!own)
        return 0;
    for (uint32_t i = 0; config_has_peers(config_of(image)) && i < own->path_count; i++)
        open_at(&own->paths[i]);
    config_tls(image, image_string(image, own->item.name), &tls);
    return strlen(image_string(image, config_of(image)->directory)) + strlen(tls.key);
}

/* What the supervisor does with an image: a wrong step aborts. */
static uint32_t follow(struct image image)
{
    const struct config *config = config_of(image);
    const struct balancer_service *services =
        image_items(image, config->services, sizeof *services);
    uint32_t listeners = 0;
    size_t letters = strlen(image_string(image, config->user)) +
                     strlen(image_string(image, config->access_log)) +
                     strlen(image_string(image, config->runtime_directory));

    letters += follow_nodes(image);
    if (config->admin_address.family != 0)
        open_at(&config->admin_address);
    for (uint32_t i = 0; i < config->services.count; i++) {
        const struct balancer_listen *listens =
            image_items(image, services[i].listen, sizeof *listens);

        letters += strlen(image_string(image, services[i].item.name));
        for (uint32_t k = 0; k < services[i].listen.count; k++) {
            listeners += listens[k].listener < config->listeners;
            open_at(&listens[k].address);
        }
    }
    return letters < image.len * 8 ? listeners : 0;
}

static void a_good_image_is_sound(void **state)
{
    struct image image = compile();

    (void)state;
    assert_true(image_is_sound(image));
    assert_int_equal(follow(image), 3);
    free((void *)(uintptr_t)image.at);
}

static void a_broken_image_is_refused_or_harmless(void **state)
{
    static const uint32_t words[] = {0, 1, 4, 8, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8};
    struct image image = compile();
    uint8_t *at = (uint8_t *)(uintptr_t)image.at;
    uint32_t kept, refused = 0;

    (void)state;
    for (size_t i = 0; i + sizeof kept <= image.len; i += sizeof kept) {
        memcpy(&kept, at + i, sizeof kept);
        for (size_t k = 0; k < ARRAY_LEN(words); k++) {
            memcpy(at + i, &words[k], sizeof kept);
            if (image_is_sound(image))
                follow(image);
            else
                refused++;
        }
        memcpy(at + i, &kept, sizeof kept);
    }
    assert_true(refused > 50);
    free(at);
}

static void an_image_that_is_too_short_is_refused(void **state)
{
    struct image image = compile();

    (void)state;
    for (size_t len = 0; len < sizeof(struct config); len++)
        assert_false(image_is_sound((struct image){image.at, len}));
    free((void *)(uintptr_t)image.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_image_is_sound),
        cmocka_unit_test(a_broken_image_is_refused_or_harmless),
        cmocka_unit_test(an_image_that_is_too_short_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
