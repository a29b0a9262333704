/*
 * The step from a file to an image: what is accepted, what keeps its slot, and the sentences for what contradicts itself.
 */
#include "role/config.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define POOL "pools: {p: {backends: [127.0.0.1:9001, 127.0.0.1:9002]}}\n"
#define SERVICE "services: {s: {listen: 127.0.0.1:8080, pool: p}}\n"

struct outcome {
    bool good;
    struct buf image, findings;
};

static struct outcome compile_after(const char *text, const char *node, struct image previous)
{
    struct outcome outcome;
    struct config_request request = {
        .file = "test.yaml", .node = node, .previous = previous, .resolve = true};

    request.fd = memfd_create("test.yaml", MFD_CLOEXEC);
    assert_true(request.fd >= 0);
    assert_int_equal(write(request.fd, text, strlen(text)), strlen(text));
    assert_int_equal(lseek(request.fd, 0, SEEK_SET), 0);
    buf_init(&outcome.image, 1 << 24);
    buf_init(&outcome.findings, 1 << 20);
    outcome.good = config_compile(&request, &outcome.image, &outcome.findings);
    close(request.fd);
    buf_add_byte(&outcome.findings, 0);
    if (outcome.good)
        assert_null(strstr((char *)outcome.findings.at, "error"));
    return outcome;
}

static struct outcome compile(const char *text)
{
    return compile_after(text, NULL, (struct image){0});
}

static void forget(struct outcome *outcome)
{
    buf_fini(&outcome->image);
    buf_fini(&outcome->findings);
}

static struct image image_of(const struct outcome *outcome)
{
    return (struct image){outcome->image.at, outcome->image.len};
}

static const struct config_pool *pool_at(struct image image, uint32_t at)
{
    const struct config_pool *pools = image_items(image, config_of(image)->pools, sizeof *pools);

    assert_true(at < config_of(image)->pools.count);
    return &pools[at];
}

static const struct balancer_backend *backend_at(struct image image, uint32_t pool, uint32_t at)
{
    const struct ref backends = pool_at(image, pool)->pool.backends;

    assert_true(at < backends.count);
    return (const struct balancer_backend *)image_items(image, backends,
                                                        sizeof(struct balancer_backend)) +
           at;
}

static const struct balancer_service *service_at(struct image image, uint32_t at)
{
    const struct config *config = config_of(image);

    assert_true(at < config->services.count);
    return (const struct balancer_service *)image_items(image, config->services,
                                                        sizeof(struct balancer_service)) +
           at;
}

static void the_least_file_has_every_default(void **state)
{
    struct outcome outcome = compile(SERVICE POOL);
    struct image image = image_of(&outcome);
    const struct config *config;
    char text[ADDRESS_TEXT_MAX];

    (void)state;
    assert_true(outcome.good);
    config = config_of(image);
    assert_int_equal(config->drain_ms, 30000);
    assert_int_equal(config->limits.sessions, 20000);
    assert_int_equal(config->limits.buffer_bytes, 32768);
    assert_int_equal(config->node, UINT32_MAX);
    assert_int_equal(config->listeners, 1);
    assert_string_equal(address_print(&config->admin_address, text), "127.0.0.1:7900");
    assert_int_equal(service_at(image, 0)->pool_index, 0);
    assert_int_equal(pool_at(image, 0)->check.kind, CHECK_NONE);
    assert_string_equal(address_print(&backend_at(image, 0, 1)->address, text), "127.0.0.1:9002");
    assert_false(backend_at(image, 0, 1)->named);
    forget(&outcome);
}

static void a_check_is_http_by_its_path_and_tcp_without(void **state)
{
    struct outcome with =
        compile(SERVICE "pools: {p: {backends: [127.0.0.1:1], health_check: {path: /h}}}\n");
    struct outcome without =
        compile(SERVICE "pools: {p: {backends: [127.0.0.1:1], health_check: {interval: 2s}}}\n");

    (void)state;
    assert_true(with.good && without.good);
    assert_int_equal(pool_at(image_of(&with), 0)->check.kind, CHECK_HTTP);
    assert_int_equal(pool_at(image_of(&without), 0)->check.kind, CHECK_TCP);
    forget(&with);
    forget(&without);
}

static void a_name_resolves_and_is_remembered_as_one(void **state)
{
    struct outcome outcome = compile(SERVICE "pools: {p: {backends: [localhost:9001]}}\n");
    const struct balancer_backend *backend;

    (void)state;
    assert_true(outcome.good);
    backend = backend_at(image_of(&outcome), 0, 0);
    assert_true(backend->named);
    assert_true(address_is_loopback(&backend->address));
    assert_int_equal(backend->address.port, 9001);
    forget(&outcome);
}

static void what_stays_keeps_its_slot_and_what_is_new_takes_no_old_one(void **state)
{
    struct outcome first =
        compile(SERVICE "pools: {p: {backends: [127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3]}}\n");
    struct outcome second =
        compile_after("services:\n"
                      "  new: {listen: 127.0.0.1:8081, pool: p}\n"
                      "  s: {listen: 127.0.0.1:8080, pool: p}\n"
                      "pools: {p: {backends: [127.0.0.1:4, 127.0.0.1:3, 127.0.0.1:1]}}\n",
                      NULL, image_of(&first));
    struct image a = image_of(&first), b = image_of(&second);

    (void)state;
    assert_true(first.good && second.good);
    assert_int_equal(service_at(b, 1)->slot, service_at(a, 0)->slot);
    assert_int_not_equal(service_at(b, 0)->slot, service_at(a, 0)->slot);
    assert_int_equal(backend_at(b, 0, 1)->slot, backend_at(a, 0, 2)->slot);
    assert_int_equal(backend_at(b, 0, 2)->slot, backend_at(a, 0, 0)->slot);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_not_equal(backend_at(b, 0, 0)->slot, backend_at(a, 0, i)->slot);
    forget(&first);
    forget(&second);
}

static void a_thousand_reloads_with_new_backends_never_run_out_of_slots(void **state)
{
    struct outcome now = compile(SERVICE POOL);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        char text[256];
        struct outcome next;

        snprintf(text, sizeof text,
                 SERVICE "pools: {p: {backends: [127.0.0.1:%d, 127.0.0.1:%d]}}\n", 10000 + i,
                 20000 + i);
        next = compile_after(text, NULL, image_of(&now));
        assert_true(next.good);
        assert_int_not_equal(backend_at(image_of(&next), 0, 0)->slot,
                             backend_at(image_of(&now), 0, 0)->slot);
        forget(&now);
        now = next;
    }
    forget(&now);
}

static void an_empty_host_is_the_nodes_own_address(void **state)
{
    struct outcome outcome =
        compile_after("nodes: {a: {address: 10.1.2.3}, b: {address: 127.0.0.1}}\n"
                      "services: {s: {listen: ':8080', pool: p}}\n" POOL,
                      "a", (struct image){0});
    const struct balancer_listen *listens;
    struct image image = image_of(&outcome);
    char text[ADDRESS_TEXT_MAX];

    (void)state;
    assert_true(outcome.good);
    listens = image_items(image, service_at(image, 0)->listen, sizeof *listens);
    assert_string_equal(address_print(&listens[0].address, text), "10.1.2.3:8080");
    forget(&outcome);
}

static void a_node_is_found_by_this_machines_address(void **state)
{
    struct outcome outcome =
        compile("nodes: {a: {address: 192.0.2.1}, b: {address: 127.0.0.1}}\n" SERVICE POOL);

    (void)state;
    assert_true(outcome.good);
    assert_int_equal(config_of(image_of(&outcome))->node, 1);
    forget(&outcome);
}

static void contradictions_are_refused_with_a_sentence(void **state)
{
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        {"services: {s: {listen: 127.0.0.1:8080, pool: q}}\n" POOL, "there is no pool named `q`"},
        {"services: {s: {listen: 127.0.0.1:8080}}\n" POOL,
         "service `s` has neither a pool nor routes"},
        {"services: {s: {listen: 127.0.0.1:8080, protocol: tcp, routes: [{pool: p}]}}\n" POOL,
         "service `s` is tcp: it has no requests that could be routed"},
        {"services: {s: {listen: 127.0.0.1:8080, routes: [{pool: p}, {match: {path: /a}, pool: "
         "p}]}}\n" POOL,
         "this route matches every request, so the ones after it never do"},
        {"services: {s: {listen: 127.0.0.1:8080, routes: [{match: {path: a}, pool: p}]}}\n" POOL,
         "a path begins with `/`, this one is `a`"},
        {"services: {s: {listen: ':8080', pool: p}}\n" POOL,
         "`:8080` means this node's own address, but no `nodes` say which that is"},
        {"services: {s: {listen: [127.0.0.1:8080, 127.0.0.1:8080], pool: p}}\n" POOL,
         "`127.0.0.1:8080` is listened on twice in this file"},
        {"services: {s: {listen: 127.0.0.1:7900, pool: p}}\n" POOL,
         "`127.0.0.1:7900` is listened on twice in this file"},
        {SERVICE "pools: {p: {backends: [127.0.0.1:1, 127.0.0.1:1]}}\n",
         "backend `127.0.0.1:1` is in this pool twice"},
        {SERVICE "pools: {p: {backends: [127.0.0.1:0]}}\n",
         "found '127.0.0.1:0', expected host:port"},
        {SERVICE "pools: {p: {backends: [':80']}}\n", "found the text ':80', expected host:port"},
        {SERVICE "pools: {p: {backends: [{address: 127.0.0.1:1, weight: 0}]}}\n",
         "nobody in pool `p` would take work: every backend drains or has weight 0"},
        {SERVICE
         "pools: {p: {backends: [127.0.0.1:1], health_check: {timeout: 2s, interval: 1s}}}\n",
         "timeout 2000 ms is longer than interval 1000 ms"},
        {SERVICE "pools: {p: {backends: [127.0.0.1:1], health_check: {type: tcp, path: /}}}\n",
         "a TCP check asks for no path"},
        {SERVICE
         "pools: {p: {backends: [127.0.0.1:1], health_check: {expect: {from: 300, to: 200}}}}\n",
         "the range of healthy statuses is empty"},
        {"admin: {listen: 0.0.0.0:7900}\n" SERVICE POOL, "the API has no TLS and no users yet"},
        {"directory: var\n" SERVICE POOL, "`var` is not an absolute path"},
        {"access_log: log\n" SERVICE POOL, "`log` is neither an absolute path nor `stdout`"},
        {"nodes: {a: {address: example.org}}\n" SERVICE POOL, "a node's address is an IP address"},
        {"nodes: {a: {address: 192.0.2.1}}\n" SERVICE POOL,
         "none of the nodes' addresses is one of this machine's"},
        {SERVICE "pools: {p: {backends: [no-such-host.invalid:80]}}\n",
         "`no-such-host.invalid` does not resolve"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome outcome = compile(rows[i].text);

        if (outcome.good || !strstr((char *)outcome.findings.at, rows[i].sentence) ||
            !strstr((char *)outcome.findings.at, "test.yaml:"))
            fail_msg("%s\nwanted: %s\nfound: %s", rows[i].text, rows[i].sentence,
                     (char *)outcome.findings.at);
        forget(&outcome);
    }
}

static void a_misspelt_pool_names_the_nearest(void **state)
{
    struct outcome outcome = compile("services: {s: {listen: 127.0.0.1:8080, pool: wbe}}\n"
                                     "pools: {web: {backends: [127.0.0.1:1]}}\n");

    (void)state;
    assert_false(outcome.good);
    assert_non_null(strstr((char *)outcome.findings.at, "did you mean `web`?"));
    forget(&outcome);
}

static void an_unknown_node_names_the_nearest(void **state)
{
    struct outcome outcome = compile_after("nodes: {alpha: {address: 127.0.0.1}}\n" SERVICE POOL,
                                           "alhpa", (struct image){0});

    (void)state;
    assert_false(outcome.good);
    assert_non_null(strstr((char *)outcome.findings.at, "did you mean `--node alpha`?"));
    forget(&outcome);
}

static const struct config_node *node_at(struct image image, uint32_t at)
{
    const struct config_node *nodes = image_items(image, config_of(image)->nodes, sizeof *nodes);

    assert_true(at < config_of(image)->nodes.count);
    return &nodes[at];
}

static void a_nodes_addresses_are_settled_with_their_ports(void **state)
{
    struct outcome outcome =
        compile_after("nodes: {a: 10.0.0.1, b: {address: \"10.0.0.2:17901\", addresses: "
                      "[10.9.0.2, \"[fd00::2]:7\"]}, c: {address: 10.0.0.3, witness: true}}\n"
                      "peers: {port: 8901}\n" SERVICE POOL,
                      "b", (struct image){0});
    struct image image = image_of(&outcome);
    char text[ADDRESS_TEXT_MAX];
    struct config_tls tls;

    (void)state;
    assert_true(outcome.good);
    assert_int_equal(config_of(image)->node, 1);
    assert_string_equal(address_print(&node_at(image, 0)->paths[0], text), "10.0.0.1:8901");
    assert_int_equal(node_at(image, 1)->path_count, 3);
    assert_string_equal(address_print(&node_at(image, 1)->paths[0], text), "10.0.0.2:17901");
    assert_string_equal(address_print(&node_at(image, 1)->paths[1], text), "10.9.0.2:8901");
    assert_string_equal(address_print(&node_at(image, 1)->paths[2], text), "[fd00::2]:7");
    assert_true(node_at(image, 2)->witness);
    assert_string_equal((char *)outcome.findings.at, "");
    config_tls(image, "b", &tls);
    assert_string_equal(tls.authority, "/var/lib/nines/tls/ca.pem");
    assert_string_equal(tls.certificate, "/var/lib/nines/tls/b.pem");
    assert_string_equal(tls.key, "/var/lib/nines/tls/b.key");
    forget(&outcome);
}

static void two_nodes_are_good_and_warned_of(void **state)
{
    struct outcome outcome =
        compile_after("nodes: {a: 10.0.0.1, b: 10.0.0.2}\n" SERVICE POOL, "a", (struct image){0});

    (void)state;
    assert_true(outcome.good);
    assert_non_null(strstr((char *)outcome.findings.at, "warning: two nodes survive"));
    forget(&outcome);
}

static void nodes_that_do_not_vote_are_not_counted(void **state)
{
    struct outcome outcome = compile_after(
        "nodes: {a: 10.0.0.1, b: 10.0.0.2, c: 10.0.0.3, d: 10.0.0.4, e: 10.0.0.5, f: 10.0.0.6, g: "
        "10.0.0.7, h: {address: 10.0.0.8, voter: false}}\n" SERVICE POOL,
        "a", (struct image){0});

    (void)state;
    assert_true(outcome.good);
    assert_string_equal((char *)outcome.findings.at, "");
    assert_true(node_at(image_of(&outcome), 6)->voter);
    assert_false(node_at(image_of(&outcome), 7)->voter);
    forget(&outcome);
}

static void nodes_that_make_no_cluster_are_refused(void **state)
{
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        {"nodes: {a: 10.0.0.1, b: 10.0.0.1}\n",
         "node `b` has the address 10.0.0.1:7901, which node "
         "`a` has already"},
        {"nodes: {a: {address: 10.0.0.1, addresses: [10.0.0.1]}}\n", "which node `a` has already"},
        {"nodes: {a: \"10.0.0.1:0\"}\n", "a node's address is an IP address"},
        {"nodes: {a/b: 10.0.0.1}\n", "a node's name is letters"},
        {"nodes: {a: {address: 10.0.0.1, witness: true}}\n", "every node is a witness"},
        {"nodes: {a: 10.0.0.1, b: 10.0.0.2, c: 10.0.0.3, d: 10.0.0.4, e: 10.0.0.5, f: 10.0.0.6, g: "
         "10.0.0.7, h: 10.0.0.8}\n",
         "8 nodes would vote, at most 7 may"},
        {"nodes: {a: {address: 10.0.0.1, voter: false}}\n", "no node votes"},
        {"nodes: {a: 10.0.0.1, b: {address: 10.0.0.2, witness: true, voter: false}}\n",
         "a witness votes"},
        {"failover: {election_timeout: 300ms}\n", "one late beat would replace a leader"},
        {"failover: {lease: 700ms}\n", "every change of the leader would end all leases"},
        {"failover: {heartbeat: 10ms}\n", "20ms"},
        {"peers: {key: tls/key.pem}\n", "is not an absolute path"},
    };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome outcome;

        snprintf(text, sizeof text, "%s%s", rows[i].text, SERVICE POOL);
        outcome = compile(text);
        assert_false(outcome.good);
        if (!strstr((char *)outcome.findings.at, rows[i].sentence))
            fail_msg("`%s` is not in: %s", rows[i].sentence, (char *)outcome.findings.at);
        forget(&outcome);
    }
}

static void virtual_addresses_are_settled_against_nodes_services_and_pools(void **state)
{
    struct outcome outcome = compile(
        "nodes: {a: 127.0.0.1:7, b: 127.0.0.2:7, c: {address: 127.0.0.3:7, witness: true}}\n"
        "addresses:\n"
        "  front: {address: 10.9.0.1/24, nodes: [b, a], preempt: true, require: [s, p]}\n"
        "  six: fd00::9/64\n" SERVICE POOL);
    const struct config_address *all;
    const struct config_required *required;
    struct image image = image_of(&outcome);
    struct address at = {.ip = {10, 9, 0, 1}, .family = 4, .port = 80};

    (void)state;
    assert_true(outcome.good);
    all = image_items(image, config_of(image)->addresses, sizeof *all);
    required = image_items(image, all[0].require, sizeof *required);
    assert_int_equal(all[0].prefix, 24);
    assert_false(all[0].spread);
    assert_int_equal(all[0].node_count, 2);
    assert_int_equal(all[0].order[0], 1);
    assert_true(required[0].service && required[0].pool == -1);
    assert_true(!required[1].service && required[1].pool == 0);
    assert_true(all[1].spread);
    assert_int_equal(all[1].node_count, 2);
    assert_int_equal(all[1].prefix, 64);
    assert_ptr_equal(config_address_of(image, &at), &all[0]);
    at.ip[3] = 2;
    assert_null(config_address_of(image, &at));
    forget(&outcome);
}

static void what_is_wrong_with_a_virtual_address_is_said(void **state)
{
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        {"x: 10.9.0.1", "found `10.9.0.1`"},
        {"x: 10.9.0.1/33", "found `10.9.0.1/33`"},
        {"x: fd00::1/0", "found `fd00::1/0`"},
        {"x: 127.0.0.9/8", "cannot be the address of an interface"},
        {"x: ff02::1/64", "cannot be the address of an interface"},
        {"x: 192.0.2.7/24", "is the address of node `b` itself"},
        {"x: 10.9.0.1/24, y: 10.9.0.1/16", "`y` has the address of `x` already"},
        {"x: {address: 10.9.0.1/24, nodes: [a, d]}", "there is no node named `d`"},
        {"x: {address: 10.9.0.1/24, nodes: [a, a]}", "node `a` is listed twice"},
        {"x: {address: 10.9.0.1/24, preempt: true}", "names no nodes, so none is preferred"},
        {"x: {address: 10.9.0.1/24, require: [q]}", "there is no service or pool named `q`"},
        {"x: {address: 10.9.0.1/24, interface: sixteen-letters0}", "15"},
        {"a b: 10.9.0.1/24", "a virtual address's name"},
    };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome outcome;

        snprintf(text, sizeof text,
                 "nodes: {a: 127.0.0.1:7, b: 192.0.2.7:7}\naddresses: {%s}\n" SERVICE POOL,
                 rows[i].text);
        outcome = compile(text);
        assert_false(outcome.good);
        assert_non_null(strstr((char *)outcome.findings.at, rows[i].sentence));
        forget(&outcome);
    }
}

static void more_virtual_addresses_than_can_be_are_refused(void **state)
{
    char text[4096] = "nodes: {a: 127.0.0.1:7}\naddresses:\n";
    struct outcome outcome;

    (void)state;
    for (int i = 0; i <= CONFIG_ADDRESSES_MAX; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "  x%d: 10.9.0.%d/24\n", i,
                 i + 1);
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s", SERVICE POOL);
    outcome = compile(text);
    assert_false(outcome.good);
    assert_non_null(strstr((char *)outcome.findings.at, "32"));
    forget(&outcome);
}

#define THREE_NODES                                                                                \
    "nodes: {a: {address: 127.0.0.1, zone: east}, b: {address: 127.0.0.2}, c: {address: "          \
    "127.0.0.3, witness: true}}\n"

static void a_group_that_a_service_names_is_a_pool_of_its_members(void **state)
{
    static const char text[] = THREE_NODES POOL
        "groups:\n"
        "  idle: {command: /bin/true, port: 7000}\n"
        "  g: {command: /bin/true, port: 8000, members: {b: {endpoint: 127.0.0.9:99}, a: {}}}\n"
        "services:\n"
        "  db: {listen: 127.0.0.1:8080, protocol: tcp, group: g}\n"
        "  reads: {listen: 127.0.0.1:8081, group: g, role: secondary, max_lag: 1s}\n"
        "  web: {listen: 127.0.0.1:8082, pool: p}\n";
    struct outcome first = compile_after(text, "a", (struct image){0});
    struct outcome next = compile_after(text, "a", image_of(&first));
    struct image image = image_of(&next);

    (void)state;
    assert_true(first.good && next.good);
    assert_int_equal(config_of(image)->written_pools.count, 1);
    assert_int_equal(config_of(image)->pools.count, 2);
    assert_string_equal(image_string(image, pool_at(image, 1)->pool.item.name), "group/g");
    assert_string_equal(image_string(image, backend_at(image, 1, 0)->endpoint), "127.0.0.9:99");
    assert_string_equal(image_string(image, backend_at(image, 1, 1)->endpoint), "127.0.0.1:8000");
    assert_string_equal(image_string(image, backend_at(image, 1, 1)->zone), "east");
    assert_int_equal(backend_at(image, 1, 1)->address.port, 8000);
    assert_int_equal(backend_at(image, 1, 1)->weight, 1);
    assert_int_equal(backend_at(image, 1, 0)->slot, backend_at(image_of(&first), 1, 0)->slot);
    assert_int_equal(pool_at(image, 1)->pool.timeout_connect_ms,
                     pool_at(image, 0)->pool.timeout_connect_ms);
    assert_int_equal(pool_at(image, 1)->pool.retry.on_bits, pool_at(image, 0)->pool.retry.on_bits);
    assert_int_equal(service_at(image, 0)->pool_index, 1);
    assert_int_equal(service_at(image, 1)->pool_index, 1);
    assert_int_equal(service_at(image, 2)->pool_index, 0);
    assert_true(service_at(image, 0)->grouped && service_at(image, 1)->grouped);
    assert_false(service_at(image, 2)->grouped);
    assert_ptr_equal(config_group_at(image, service_at(image, 1)->group_slot),
                     (const struct config_group *)image_items(image, config_of(image)->groups,
                                                              sizeof(struct config_group)) +
                         1);
    forget(&next);
    forget(&first);
}

static void what_contradicts_a_group_of_a_service_is_said(void **state)
{
    static const struct {
        const char *service, *rest, *wanted;
    } wrong[] = {
        {"group: orders, pool: p", "", "goes to a group, so it cannot go to a pool"},
        {"group: orders, routes: [{pool: p}]", "", "so nothing is routed"},
        {"group: oders", "", "did you mean `orders`?"},
        {"pool: p, role: secondary", "", "so there is no secondary"},
        {"pool: p, hold: 5s", "", "so there is no primary to wait for"},
        {"pool: group/orders", "  t: {listen: 127.0.0.1:8081, group: orders}\n",
         "there is no pool named `group/orders`"},
        {"group: orders", "pools: {group/orders: {backends: [127.0.0.1:9001]}}\n",
         "are a pool of this name already"},
    };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct outcome outcome;

        snprintf(text, sizeof text,
                 THREE_NODES "groups: {orders: {command: /bin/true, port: 7000}}\n%s"
                             "services:\n  s: {listen: 127.0.0.1:8080, %s}\n%s",
                 strstr(wrong[i].rest, "pools:") ? "" : POOL, wrong[i].service, wrong[i].rest);
        outcome = compile_after(text, "a", (struct image){0});
        assert_false(outcome.good);
        if (!strstr((char *)outcome.findings.at, wrong[i].wanted))
            fail_msg("wanted '%s', found:\n%s", wrong[i].wanted, (char *)outcome.findings.at);
        forget(&outcome);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_file_has_every_default),
        cmocka_unit_test(a_group_that_a_service_names_is_a_pool_of_its_members),
        cmocka_unit_test(what_contradicts_a_group_of_a_service_is_said),
        cmocka_unit_test(a_check_is_http_by_its_path_and_tcp_without),
        cmocka_unit_test(a_name_resolves_and_is_remembered_as_one),
        cmocka_unit_test(what_stays_keeps_its_slot_and_what_is_new_takes_no_old_one),
        cmocka_unit_test(a_thousand_reloads_with_new_backends_never_run_out_of_slots),
        cmocka_unit_test(an_empty_host_is_the_nodes_own_address),
        cmocka_unit_test(a_nodes_addresses_are_settled_with_their_ports),
        cmocka_unit_test(two_nodes_are_good_and_warned_of),
        cmocka_unit_test(nodes_that_do_not_vote_are_not_counted),
        cmocka_unit_test(nodes_that_make_no_cluster_are_refused),
        cmocka_unit_test(a_node_is_found_by_this_machines_address),
        cmocka_unit_test(contradictions_are_refused_with_a_sentence),
        cmocka_unit_test(a_misspelt_pool_names_the_nearest),
        cmocka_unit_test(an_unknown_node_names_the_nearest),
        cmocka_unit_test(virtual_addresses_are_settled_against_nodes_services_and_pools),
        cmocka_unit_test(what_is_wrong_with_a_virtual_address_is_said),
        cmocka_unit_test(more_virtual_addresses_than_can_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
