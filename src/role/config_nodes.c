/*
 * What the rows cannot say of nodes: addresses that are read into place, what only all nodes together show, and timings that
 * contradict each other.
 */
#include "role/config_parts.h"

#include <stdio.h>
#include <string.h>

/* ---- addresses ---- */

static bool parse_path(const struct config_work *work, struct ref text, struct address *address)
{
    struct bytes written = image_text(config_image(work), text);

    if (address_parse(address, written))
        return address->port != 0;
    if (!address_parse_ip(address, written))
        return false;
    address->port = (uint16_t)config_root(work)->peers.port;
    return true;
}

static void add_path(struct config_work *work, struct config_node *node, const struct item *item,
                     const char *key, struct ref text)
{
    struct address address;

    if (!parse_path(work, text, &address))
        config_find(work, item, key, NULL, "a node's address is an IP address, found `%s`",
                    image_string(config_image(work), text));
    else if (node->path_count < CONFIG_PATHS_MAX)
        node->paths[node->path_count++] = address;
}

static void settle_paths(struct config_work *work, struct config_node *node)
{
    const struct config_path *more = config_items(work, node->addresses, sizeof *more);

    node->path_count = 0;
    add_path(work, node, &node->item, "address", node->address);
    for (uint32_t i = 0; i < node->addresses.count; i++)
        add_path(work, node, &more[i].item, NULL, more[i].address);
}

static bool has_path(const struct config_node *node, uint32_t paths, const struct address *address)
{
    for (uint32_t i = 0; i < paths; i++)
        if (address_equal(&node->paths[i], address))
            return true;
    return false;
}

static void check_duplicates(struct config_work *work, const struct config_node *nodes, uint32_t at)
{
    const char *name = image_string(config_image(work), nodes[at].item.name);
    char text[ADDRESS_TEXT_MAX];

    for (uint32_t i = 0; i < nodes[at].path_count; i++) {
        const struct address *address = &nodes[at].paths[i];

        for (uint32_t other = 0; other <= at; other++)
            if (has_path(&nodes[other], other == at ? i : nodes[other].path_count, address))
                config_find(work, &nodes[at].item, NULL, NULL,
                            "node `%s` has the address %s, which node `%s` has already", name,
                            address_print(address, text),
                            image_string(config_image(work), nodes[other].item.name));
    }
}

/* ---- names: they are a certificate's subject, and a file's name ---- */

static void check_name(struct config_work *work, const struct config_node *node)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    const char *name = image_string(config_image(work), node->item.name);

    if (strlen(name) >= CONFIG_NAME_MAX)
        config_find(work, &node->item, NULL, NULL, "a node's name has at most %d characters",
                    CONFIG_NAME_MAX - 1);
    else if (name[strspn(name, allowed)] || name[0] == '.' || name[0] == '-')
        config_find(work, &node->item, NULL, NULL,
                    "a node's name is letters, digits, `-`, `_` and `.`, found `%s`", name);
    else if (strcmp(name, "ca") == 0)
        config_find(work, &node->item, NULL, NULL,
                    "a node cannot be called `ca`: its certificate's file is the authority's");
}

/* ---- all nodes ---- */

static void check_votes(struct config_work *work, const struct config_node *nodes)
{
    const struct config *config = config_root(work);
    uint32_t nodes_count = config->nodes.count, count = 0, witnesses = 0;

    for (uint32_t i = 0; i < nodes_count; i++) {
        count += nodes[i].voter;
        witnesses += nodes[i].witness;
        if (nodes[i].witness && !nodes[i].voter)
            config_find(work, &nodes[i].item, "voter", NULL,
                        "a witness votes, and nothing else: it cannot be one that does not");
    }
    if (count > CONFIG_VOTERS_MAX)
        config_find(work, &config->item, "nodes", "keep 3, 5 or 7 and give the others voter: false",
                    "%u nodes would vote, at most %d may: more are slower and no safer", count,
                    CONFIG_VOTERS_MAX);
    else if (nodes_count > 0 && count == 0)
        config_find(work, &config->item, "nodes", NULL, "no node votes, so none could lead");
    else if (count > 0 && witnesses == count)
        config_find(work, &config->item, "nodes", NULL,
                    "every node is a witness, so none would hold data");
    else if (count == 2)
        config_warn(work, "two nodes survive the failure of neither: each needs the other to "
                          "decide anything; add a third, which may be a witness");
    else if (count > 0 && count % 2 == 0)
        config_warn(work,
                    "%u nodes survive the failure of %u, as %u would: one of them adds cost "
                    "and no safety",
                    count, (count - 1) / 2, count - 1);
}

static void check_timings(struct config_work *work)
{
    const struct config *config = config_root(work);
    const struct config_failover *failover = &config->failover;

    if (failover->election_timeout_ms < 2 * failover->heartbeat_ms)
        config_find(work, &config->item, "failover.election_timeout",
                    "at least 2 heartbeats, better 3",
                    "one late beat would replace a leader that is well: election_timeout %lld ms, "
                    "heartbeat %lld ms",
                    (long long)failover->election_timeout_ms, (long long)failover->heartbeat_ms);
    if (failover->lease_ms <= failover->election_timeout_ms + failover->heartbeat_ms)
        config_find(work, &config->item, "failover.lease",
                    "more than election_timeout and one heartbeat",
                    "every change of the leader would end all leases: lease %lld ms, "
                    "election_timeout %lld ms, heartbeat %lld ms",
                    (long long)failover->lease_ms, (long long)failover->election_timeout_ms,
                    (long long)failover->heartbeat_ms);
}

void config_settle_nodes(struct config_work *work)
{
    const struct config *config = config_root(work);
    struct config_node *nodes = config_items(work, config->nodes, sizeof *nodes);

    for (uint32_t i = 0; i < config->nodes.count; i++) {
        settle_paths(work, &nodes[i]);
        check_name(work, &nodes[i]);
        check_duplicates(work, nodes, i);
    }
    check_votes(work, nodes);
    check_timings(work);
}

const struct config_node *config_own_node(struct image image)
{
    const struct config *config = config_of(image);
    const struct config_node *nodes = image_items(image, config->nodes, sizeof *nodes);

    return config->node < config->nodes.count ? &nodes[config->node] : NULL;
}

/* ---- certificates ---- */

static void path_of(struct image image, struct ref written, const char *name, const char *ending,
                    char *path)
{
    const char *directory = image_string(image, config_of(image)->directory);

    if (written.count)
        snprintf(path, CONFIG_PATH_MAX, "%s", image_string(image, written));
    else
        snprintf(path, CONFIG_PATH_MAX, "%s/tls/%s%s", directory, name, ending);
}

void config_tls(struct image image, const char *node, struct config_tls *tls)
{
    const struct config_peers *peers = &config_of(image)->peers;

    path_of(image, peers->authority, "ca", ".pem", tls->authority);
    path_of(image, peers->certificate, node, ".pem", tls->certificate);
    path_of(image, peers->key, node, ".key", tls->key);
}
