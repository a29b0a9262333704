/*
 * Looks at an image before the supervisor follows what is written in it: it comes from a process that read a file which anybody
 * may have written. Checks what the supervisor uses, and no more. Never follows what it has not checked.
 */
#include "role/supervisor.h"

#include <string.h>

static bool are_items(struct image image, struct ref ref, size_t item_size)
{
    return ref.at % sizeof(uint64_t) == 0 && ref.at <= image.len &&
           ref.count <= (image.len - ref.at) / item_size;
}

static bool is_string(struct image image, struct ref ref)
{
    return ref.at == 0 || (ref.at < image.len && ref.count < image.len - ref.at &&
                           image.at[ref.at + ref.count] == '\0');
}

static bool is_address(const struct address *address)
{
    return address->family == 4 || address->family == 6;
}

static bool is_between(int64_t value, int64_t low, int64_t high)
{
    return value >= low && value <= high;
}

static bool is_service_sound(struct image image, const struct balancer_service *service,
                             uint32_t listeners)
{
    const struct balancer_listen *listens;

    if (!is_string(image, service->item.name) ||
        !are_items(image, service->listen, sizeof *listens))
        return false;
    listens = image_items(image, service->listen, sizeof *listens);
    for (uint32_t i = 0; i < service->listen.count; i++)
        if (listens[i].listener >= listeners || !is_address(&listens[i].address))
            return false;
    return true;
}

static bool are_nodes_sound(struct image image, const struct config *config)
{
    const struct config_node *nodes;

    if (!are_items(image, config->nodes, sizeof *nodes) || config->nodes.count > CONFIG_NODES_MAX)
        return false;
    nodes = image_items(image, config->nodes, sizeof *nodes);
    for (uint32_t i = 0; i < config->nodes.count; i++) {
        /* The name becomes a part of paths. */
        if (!is_string(image, nodes[i].item.name) || nodes[i].path_count > CONFIG_PATHS_MAX ||
            strchr(image_string(image, nodes[i].item.name), '/'))
            return false;
        for (uint32_t k = 0; k < nodes[i].path_count; k++)
            if (!is_address(&nodes[i].paths[k]))
                return false;
    }
    return true;
}

static bool are_addresses_sound(struct image image, const struct config *config)
{
    const struct config_address *addresses;

    if (!are_items(image, config->addresses, sizeof *addresses) ||
        config->addresses.count > CONFIG_ADDRESSES_MAX)
        return false;
    addresses = image_items(image, config->addresses, sizeof *addresses);
    for (uint32_t i = 0; i < config->addresses.count; i++) {
        uint32_t longest = addresses[i].address.family == 6 ? 128 : 32;

        if (!is_string(image, addresses[i].item.name) ||
            !is_string(image, addresses[i].interface) || !is_address(&addresses[i].address) ||
            addresses[i].prefix < 1 || addresses[i].prefix > longest ||
            addresses[i].node_count > CONFIG_NODES_MAX)
            return false;
    }
    return true;
}

static bool are_words(struct image image, struct ref ref)
{
    const struct engine_word *words;

    if (!are_items(image, ref, sizeof *words) || ref.count > RUN_WORDS_MAX)
        return false;
    words = image_items(image, ref, sizeof *words);
    for (uint32_t i = 0; i < ref.count; i++)
        if (!is_string(image, words[i].text))
            return false;
    return true;
}

static bool are_groups_sound(struct image image, const struct config *config)
{
    const struct config_group *groups;

    if (!are_items(image, config->groups, sizeof *groups) || config->groups.count > GROUPS_MAX)
        return false;
    groups = image_items(image, config->groups, sizeof *groups);
    for (uint32_t i = 0; i < config->groups.count; i++)
        if (!is_string(image, groups[i].replication.item.name) || groups[i].slot >= GROUPS_MAX ||
            !are_words(image, groups[i].engine.command) ||
            !are_words(image, groups[i].engine.process) ||
            !is_string(image, groups[i].engine.unit) || groups[i].engine.unit.count > UNIT_MAX ||
            !is_string(image, groups[i].engine.user) ||
            !is_string(image, groups[i].engine.directory) ||
            !is_between(groups[i].engine.stop_ms, 0, INT32_MAX))
            return false;
    return true;
}

bool image_is_sound(struct image image)
{
    const struct config *config = (const struct config *)(const void *)image.at;
    const struct balancer_service *services;

    if (image.len < sizeof *config || !is_between(config->workers, 0, WORKERS_MAX) ||
        config->listeners > LISTENERS_MAX || !is_between(config->drain_ms, 0, INT32_MAX) ||
        !is_between(config->limits.sessions, 0, INT32_MAX) ||
        !is_between(config->limits.pipes, 0, INT32_MAX) ||
        !is_string(image, config->runtime_directory) || !is_string(image, config->directory) ||
        !is_string(image, config->peers.authority) ||
        !is_string(image, config->peers.certificate) || !is_string(image, config->peers.key) ||
        !are_nodes_sound(image, config) || !are_addresses_sound(image, config) ||
        !are_groups_sound(image, config) || !is_string(image, config->access_log) ||
        !is_string(image, config->user) || !are_items(image, config->services, sizeof *services) ||
        config->services.count > SERVICES_MAX ||
        (config->admin_address.family != 0 && !is_address(&config->admin_address)))
        return false;
    services = image_items(image, config->services, sizeof *services);
    for (uint32_t i = 0; i < config->services.count; i++)
        if (!is_service_sound(image, &services[i], config->listeners))
            return false;
    return true;
}
