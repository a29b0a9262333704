/*
 * Turns what was written as `host:port` into addresses, all names at once, within one deadline; and finds out which of the nodes
 * this machine is. Runs a loop of its own in the short-lived process that compiles a configuration.
 */
#include "net/net.h"
#include "role/config_parts.h"
#include "role/messages.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RESOLVE_MS = 5000 };

/* One endpoint that waits for its name. */
struct question {
    struct resolution resolution;
    struct lookup *lookup;
    const struct item *item;
    const char *key;
    struct address *into; /* in the image */
    char host[256];
};

struct lookup {
    struct config_work *work;
    struct loop *loop;
    struct resolver *resolver;
    struct question *questions;
    uint32_t count, cap, open;
};

/* ---- names ---- */

static void on_resolved(struct resolution *resolution, const struct err *err)
{
    struct question *question = container_of(resolution, struct question, resolution);
    struct lookup *lookup = question->lookup;
    uint16_t port = question->into->port;

    if (--lookup->open == 0)
        loop_stop(lookup->loop);
    if (err) {
        config_find(lookup->work, question->item, question->key,
                    "check the name, or write an IP address", "`%s` does not resolve: %s",
                    question->host, err->text);
        return;
    }
    *question->into = resolution->addresses[0];
    question->into->port = port;
}

/* Writes an address at once when the endpoint names one, else keeps the question. */
static void ask(struct lookup *lookup, const struct item *item, const char *key,
                struct ref endpoint, struct address *into)
{
    struct bytes text = image_text(config_image(lookup->work), endpoint);
    struct question *question;
    struct bytes host;
    uint16_t port = 0;

    must(address_split(text, &host, &port));
    if (address_parse(into, text))
        return;
    must(lookup->count < lookup->cap);
    question = &lookup->questions[lookup->count++];
    question->lookup = lookup;
    question->item = item;
    question->key = key;
    question->into = into;
    *into = (struct address){.port = port};
    bytes_to_string(host, question->host, sizeof question->host);
}

static void answer_all(struct lookup *lookup)
{
    struct loop_options options = {.kind = LOOP_EPOLL, .chunks_max = 16, .chunk_bytes = 4096};
    struct config_work *work = lookup->work;
    struct err err = {0};

    lookup->open = lookup->count;
    if (lookup->count == 0 || !work->request->resolve)
        return;
    if (!loop_open(&lookup->loop, &options, &err)) {
        config_find(work, &config_root(work)->item, NULL, NULL, "names cannot be looked up: %s",
                    err.text);
        return;
    }
    if (resolver_open(&lookup->resolver, lookup->loop, RESOLVE_MS, &err)) {
        for (uint32_t i = 0; i < lookup->count; i++) {
            struct question *question = &lookup->questions[i];

            question->resolution.resolved = on_resolved;
            resolver_ask(lookup->resolver, &question->resolution, question->host);
        }
        loop_run(lookup->loop);
        resolver_close(lookup->resolver);
    } else {
        config_find(work, &config_root(work)->item, NULL, NULL, "names cannot be looked up: %s",
                    err.text);
    }
    loop_close(lookup->loop);
}

/* ---- endpoints ---- */

/* `:7900` is the node's own address. */
static bool own_address(struct lookup *lookup, const struct balancer_listen *listen,
                        struct address *into)
{
    struct config_work *work = lookup->work;
    struct config *config = config_root(work);
    const struct config_node *nodes = config_items(work, config->nodes, sizeof *nodes);
    struct bytes host;
    uint16_t port = 0;

    must(address_split(image_text(config_image(work), listen->endpoint), &host, &port));
    if (host.len != 0)
        return false;
    if (config->node == UINT32_MAX) {
        config_find(work, &listen->item, NULL, "write 0.0.0.0 for every address of this machine",
                    "`:%u` means this node's own address, but no `nodes` say which that is", port);
        return true;
    }
    *into = nodes[config->node].paths[0];
    into->port = port;
    return true;
}

static void ask_services(struct lookup *lookup)
{
    struct config_work *work = lookup->work;
    const struct config *config = config_root(work);
    const struct balancer_service *services =
        config_items(work, config->services, sizeof *services);

    for (uint32_t i = 0; i < config->services.count; i++) {
        struct balancer_listen *listens = config_items(work, services[i].listen, sizeof *listens);

        for (uint32_t j = 0; j < services[i].listen.count; j++)
            if (!own_address(lookup, &listens[j], &listens[j].address))
                ask(lookup, &listens[j].item, NULL, listens[j].endpoint, &listens[j].address);
    }
}

static void ask_pools(struct lookup *lookup)
{
    struct config_work *work = lookup->work;
    const struct config *config = config_root(work);
    const struct config_pool *pools = config_items(work, config->pools, sizeof *pools);

    for (uint32_t i = 0; i < config->pools.count; i++) {
        struct balancer_backend *backends =
            config_items(work, pools[i].pool.backends, sizeof *backends);

        for (uint32_t j = 0; j < pools[i].pool.backends.count; j++) {
            ask(lookup, &backends[j].item, "address", backends[j].endpoint, &backends[j].address);
            backends[j].named = backends[j].address.family == 0;
        }
    }
}

/* Where other nodes call this one: none when there are no others. */
static uint32_t own_peer_addresses(struct config_work *work, struct address *addresses)
{
    const struct config *config = config_root(work);
    const struct config_node *nodes = config_items(work, config->nodes, sizeof *nodes);

    if (config->nodes.count < 2 || config->node >= config->nodes.count)
        return 0;
    memcpy(addresses, nodes[config->node].paths,
           nodes[config->node].path_count * sizeof *addresses);
    return nodes[config->node].path_count;
}

/* Two listeners at one address: the second could never be bound. */
static void check_collisions(struct config_work *work)
{
    const struct config *config = config_root(work);
    const struct balancer_service *services =
        config_items(work, config->services, sizeof *services);
    struct address seen[LISTENERS_MAX + CONFIG_PATHS_MAX];
    uint32_t count = own_peer_addresses(work, seen);

    for (uint32_t i = 0; i < config->services.count; i++) {
        const struct balancer_listen *listens =
            config_items(work, services[i].listen, sizeof *listens);

        for (uint32_t j = 0; j < services[i].listen.count; j++) {
            bool taken = address_equal(&listens[j].address, &config->admin_address);

            for (uint32_t k = 0; k < count; k++)
                taken |= address_equal(&seen[k], &listens[j].address);
            if (taken && listens[j].address.family != 0)
                config_find(work, &listens[j].item, NULL, NULL,
                            "`%s` is listened on twice in this file",
                            image_string(config_image(work), listens[j].endpoint));
            seen[count++] = listens[j].address;
        }
    }
}

void config_resolve(struct config_work *work)
{
    struct config *config = config_root(work);
    struct lookup lookup = {.work = work, .cap = LISTENERS_MAX + BACKENDS_MAX};

    must(address_parse(&config->admin_address,
                       image_text(config_image(work), config->admin_listen)));
    lookup.questions = calloc(lookup.cap, sizeof *lookup.questions);
    if (!lookup.questions) {
        config_find(work, &config->item, NULL, NULL, "no memory to look names up");
        return;
    }
    ask_services(&lookup);
    ask_pools(&lookup);
    answer_all(&lookup);
    free(lookup.questions);
    check_collisions(work);
}

/* ---- which node this is ---- */

static bool machine_has(const struct address *address)
{
    struct ifaddrs *all, *one;
    bool found = false;

    if (getifaddrs(&all) < 0)
        return false;
    for (one = all; one && !found; one = one->ifa_next) {
        if (!one->ifa_addr)
            continue;
        if (one->ifa_addr->sa_family == AF_INET && address->family == 4)
            found = memcmp(&((struct sockaddr_in *)(void *)one->ifa_addr)->sin_addr, address->ip,
                           4) == 0;
        if (one->ifa_addr->sa_family == AF_INET6 && address->family == 6)
            found = memcmp(&((struct sockaddr_in6 *)(void *)one->ifa_addr)->sin6_addr, address->ip,
                           16) == 0;
    }
    freeifaddrs(all);
    return found;
}

static uint32_t find_named(struct config_work *work, const struct config_node *nodes,
                           const char *wanted)
{
    struct config *config = config_root(work);
    const char *names[65] = {0};
    const char *near;
    char fix[128];

    for (uint32_t i = 0; i < config->nodes.count; i++) {
        names[i] = image_string(config_image(work), nodes[i].item.name);
        if (strcmp(names[i], wanted) == 0)
            return i;
    }
    near = schema_nearest(wanted, names);
    snprintf(fix, sizeof fix, "did you mean `--node %.64s`?", near ? near : "");
    config_find(work, &config->item, "nodes", near ? fix : NULL, "there is no node named `%s`",
                wanted);
    return UINT32_MAX;
}

void config_choose_node(struct config_work *work)
{
    struct config *config = config_root(work);
    const struct config_node *nodes = config_items(work, config->nodes, sizeof *nodes);

    config->node = UINT32_MAX;
    if (gethostname(config->machine, sizeof config->machine - 1) < 0)
        config->machine[0] = '\0';
    for (uint32_t i = 0; i < config->nodes.count && !work->request->node; i++)
        if (config->node == UINT32_MAX && nodes[i].path_count > 0 &&
            machine_has(&nodes[i].paths[0]))
            config->node = i;
    if (work->request->node)
        config->node = find_named(work, nodes, work->request->node);
    else if (config->nodes.count && config->node == UINT32_MAX &&
             findings_count(work->findings) == 0 && work->request->resolve)
        config_find(work, &config->item, "nodes", "say `--node NAME`",
                    "none of the nodes' addresses is one of this machine's");
}
