/*
 * What the rows cannot say of virtual addresses: prefixes that are read into place, nodes, services and pools that must exist, and what
 * only all addresses together show.
 */
#include "role/config_parts.h"

#include <stdio.h>
#include <string.h>

enum {
    FIX_MAX = 160,
    NAMES_MAX = SERVICES_MAX + POOLS_MAX,
    /* The kernel withdraws by whole seconds, and takes up to a quarter more. */
    KERNEL_MS = 1300,
};

static const char *text_of(const struct config_work *work, struct ref ref)
{
    return image_string(config_image(work), ref);
}

static const char *name_of(const struct config_work *work, const struct config_address *address)
{
    return text_of(work, address->item.name);
}

/* ---- the address itself ---- */

static bool parse_prefix(struct config_address *address, struct bytes text)
{
    size_t slash = bytes_find(text, '/');
    uint16_t prefix;

    if (slash == text.len || !address_parse_ip(&address->address, bytes_take(text, slash)) ||
        !address_parse_port(bytes_skip(text, slash + 1), &prefix))
        return false;
    address->prefix = prefix;
    return prefix >= 1 && prefix <= (address->address.family == 6 ? 128 : 32);
}

/* Nobody can have these as an address of an interface that others reach. */
static bool is_special(const struct address *address)
{
    static const uint8_t zero[16];

    if (address_is_loopback(address) || memcmp(address->ip, zero, sizeof zero) == 0)
        return true;
    return address->family == 6 ? address->ip[0] == 0xff
                                : address->ip[0] >= 224 || address->ip[0] == 0;
}

static void check_own(struct config_work *work, const struct config_address *address)
{
    const struct config *config = config_root(work);
    const struct config_node *nodes = config_items(work, config->nodes, sizeof *nodes);
    struct address path;

    for (uint32_t i = 0; i < config->nodes.count; i++)
        for (uint32_t k = 0; k < nodes[i].path_count; k++) {
            path = nodes[i].paths[k];
            path.port = 0;
            if (address_equal(&path, &address->address))
                config_find(work, &address->item, "address", NULL,
                            "`%s` is the address of node `%s` itself: a virtual address is one "
                            "more",
                            text_of(work, address->text), text_of(work, nodes[i].item.name));
        }
}

static void settle_prefix(struct config_work *work, struct config_address *address)
{
    if (!parse_prefix(address, image_text(config_image(work), address->text)))
        config_find(work, &address->item, "address", "write it like `10.0.0.100/24`",
                    "a virtual address is an IP address and the length of its network's prefix, "
                    "found `%s`",
                    text_of(work, address->text));
    else if (is_special(&address->address))
        config_find(work, &address->item, "address", NULL,
                    "`%s` cannot be the address of an interface that others reach",
                    text_of(work, address->text));
    else
        check_own(work, address);
}

static void check_twice(struct config_work *work, const struct config_address *all, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++)
        if (all[at].address.family != 0 && address_equal(&all[i].address, &all[at].address))
            config_find(work, &all[at].item, "address", NULL,
                        "`%s` has the address of `%s` already", name_of(work, &all[at]),
                        name_of(work, &all[i]));
}

static void check_words(struct config_work *work, const struct config_address *address)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    const char *name = name_of(work, address);
    const char *interface = text_of(work, address->interface);

    if (strlen(name) >= CONFIG_NAME_MAX || name[strspn(name, allowed)])
        config_find(work, &address->item, NULL, NULL,
                    "a virtual address's name is at most %d letters, digits, `-`, `_` and `.`, "
                    "found `%s`",
                    CONFIG_NAME_MAX - 1, name);
    if (strpbrk(interface, "/ "))
        config_find(work, &address->item, "interface", NULL, "`%s` is not the name of an interface",
                    interface);
}

/* ---- where it may be ---- */

static void add_node(struct config_work *work, struct config_address *address,
                     const struct config_word *word)
{
    const struct config *config = config_root(work);
    const struct config_node *nodes = config_items(work, config->nodes, sizeof *nodes);
    const char *names[CONFIG_NODES_MAX + 1] = {0};
    const char *wanted = text_of(work, word->text), *near;
    char fix[FIX_MAX];

    for (uint32_t i = 0; i < config->nodes.count && i < CONFIG_NODES_MAX; i++) {
        names[i] = text_of(work, nodes[i].item.name);
        if (strcmp(names[i], wanted) != 0)
            continue;
        for (uint32_t k = 0; k < address->node_count; k++)
            if (address->order[k] == i)
                config_find(work, &word->item, NULL, NULL, "node `%s` is listed twice", wanted);
        if (address->node_count < CONFIG_NODES_MAX)
            address->order[address->node_count++] = (uint8_t)i;
        return;
    }
    near = schema_nearest(wanted, names);
    snprintf(fix, sizeof fix, "did you mean `%.100s`?", near ? near : "");
    config_find(work, &word->item, NULL, near ? fix : NULL, "there is no node named `%s`", wanted);
}

static void settle_nodes(struct config_work *work, struct config_address *address)
{
    const struct config *config = config_root(work);
    const struct config_node *nodes = config_items(work, config->nodes, sizeof *nodes);
    const struct config_word *words = config_items(work, address->nodes, sizeof *words);

    address->node_count = 0;
    address->spread = address->nodes.count == 0;
    for (uint32_t i = 0; i < address->nodes.count; i++)
        add_node(work, address, &words[i]);
    for (uint32_t i = 0; address->spread && i < config->nodes.count && i < CONFIG_NODES_MAX; i++)
        if (!nodes[i].witness)
            address->order[address->node_count++] = (uint8_t)i;
    if (address->spread && address->preempt)
        config_find(work, &address->item, "preempt", "list its `nodes` in order of preference",
                    "`%s` names no nodes, so none is preferred", name_of(work, address));
}

/* ---- what must be well ---- */

static int find_pool(const struct config_work *work, const char *name)
{
    const struct config *config = config_root(work);
    const struct config_pool *pools = config_items(work, config->pools, sizeof *pools);

    for (uint32_t i = 0; i < config->pools.count; i++)
        if (strcmp(text_of(work, pools[i].pool.item.name), name) == 0)
            return (int)i;
    return -1;
}

static bool is_service(const struct config_work *work, const char *name)
{
    const struct config *config = config_root(work);
    const struct balancer_service *services =
        config_items(work, config->services, sizeof *services);

    for (uint32_t i = 0; i < config->services.count; i++)
        if (strcmp(text_of(work, services[i].item.name), name) == 0)
            return true;
    return false;
}

static const char *nearest(const struct config_work *work, const char *name)
{
    const struct config *config = config_root(work);
    const struct config_pool *pools = config_items(work, config->pools, sizeof *pools);
    const struct balancer_service *services =
        config_items(work, config->services, sizeof *services);
    const char *names[NAMES_MAX + 1] = {0};
    uint32_t count = 0;

    for (uint32_t i = 0; i < config->pools.count; i++)
        names[count++] = text_of(work, pools[i].pool.item.name);
    for (uint32_t i = 0; i < config->services.count; i++)
        names[count++] = text_of(work, services[i].item.name);
    return schema_nearest(name, names);
}

static void settle_required(struct config_work *work, struct config_required *required)
{
    const char *name = text_of(work, required->name), *near;
    char fix[FIX_MAX];

    required->pool = find_pool(work, name);
    required->service = is_service(work, name);
    if (required->pool >= 0 || required->service)
        return;
    near = nearest(work, name);
    snprintf(fix, sizeof fix, "did you mean `%.100s`?", near ? near : "");
    config_find(work, &required->item, NULL, near ? fix : NULL,
                "there is no service or pool named `%s`", name);
}

/* ---- all of them ---- */

static void check_whole(struct config_work *work)
{
    const struct config *config = config_root(work);
    int64_t lease_ms = config->failover.lease_ms;

    if (config->nodes.count == 0)
        config_find(work, &config->item, "addresses", "add `nodes:`",
                    "virtual addresses need `nodes` that hold them");
    else if (lease_ms - lease_ms * config->failover.drift / 10000 < KERNEL_MS)
        config_warn(work,
                    "with a lease of %lld ms a virtual address may stay for up to %d ms on a "
                    "machine whose nines was killed as a whole, and be on another meanwhile; "
                    "failover.lease of 1500ms or more keeps it from that",
                    (long long)lease_ms, KERNEL_MS);
}

void config_settle_addresses(struct config_work *work)
{
    const struct config *config = config_root(work);
    struct config_address *addresses = config_items(work, config->addresses, sizeof *addresses);

    if (config->addresses.count == 0)
        return;
    check_whole(work);
    for (uint32_t i = 0; i < config->addresses.count; i++) {
        struct config_required *required =
            config_items(work, addresses[i].require, sizeof *required);

        settle_prefix(work, &addresses[i]);
        check_twice(work, addresses, i);
        check_words(work, &addresses[i]);
        settle_nodes(work, &addresses[i]);
        for (uint32_t k = 0; k < addresses[i].require.count; k++)
            settle_required(work, &required[k]);
    }
}

const struct config_address *config_address_of(struct image image, const struct address *address)
{
    const struct config *config = config_of(image);
    const struct config_address *all = image_items(image, config->addresses, sizeof *all);
    struct address bare = *address;

    bare.port = 0;
    for (uint32_t i = 0; i < config->addresses.count; i++)
        if (address_equal(&all[i].address, &bare))
            return &all[i];
    return NULL;
}

bool config_may_hold(const struct config *config, const struct config_address *address)
{
    for (uint32_t i = 0; i < address->node_count; i++)
        if (address->order[i] == config->node)
            return true;
    return false;
}
