#include "role/view.h"

#include "base/must.h"

#include <string.h>

/* What a person writes for this choice, from the row that reads it. */
static const char *choice_name(const struct option *rows, const char *key, int32_t choice)
{
    for (const struct option *row = rows; row->key; row++) {
        if (strcmp(row->key, key) != 0)
            continue;
        for (int32_t i = 0; row->choices[i]; i++)
            if (i == choice)
                return row->choices[i];
    }
    never("a choice that the rows do not have");
}

static void fill_listens(struct view *view, struct image image, struct ref ref)
{
    const struct balancer_listen *listens = image_items(image, ref, sizeof *listens);

    must(view->view.listen_count + ref.count <= LISTENERS_MAX);
    for (uint32_t i = 0; i < ref.count; i++)
        view->listens[view->view.listen_count++] = image_string(image, listens[i].endpoint);
}

static void fill_services(struct view *view, struct image image, const struct config *config)
{
    const struct balancer_service *services =
        image_items(image, config->services, sizeof *services);

    must(config->services.count <= SERVICES_MAX);
    for (uint32_t i = 0; i < config->services.count; i++) {
        const struct balancer_service *service = &services[i];

        view->services[view->view.service_count++] = (struct admin_service){
            .name = image_string(image, service->item.name),
            .protocol = choice_name(balancer_service_options, "protocol", service->protocol),
            .slot = service->slot,
            .first = view->view.listen_count,
            .count = service->listen.count,
            .pool = image_string(image, service->pool)};
        fill_listens(view, image, service->listen);
    }
}

static void fill_backends(struct view *view, struct image image, const struct config_pool *pool)
{
    const struct balancer_backend *backends =
        image_items(image, pool->pool.backends, sizeof *backends);

    must(view->view.backend_count + pool->pool.backends.count <= BACKENDS_MAX);
    for (uint32_t i = 0; i < pool->pool.backends.count; i++)
        view->backends[view->view.backend_count++] =
            (struct admin_backend){.endpoint = image_string(image, backends[i].endpoint),
                                   .zone = image_string(image, backends[i].zone),
                                   .slot = backends[i].slot,
                                   .weight = backends[i].weight,
                                   .backup = backends[i].backup,
                                   .drain = backends[i].drain,
                                   .checked = pool->checked};
}

static void fill_pools(struct view *view, struct image image, const struct config *config)
{
    const struct config_pool *pools = image_items(image, config->pools, sizeof *pools);

    must(config->pools.count <= POOLS_MAX);
    for (uint32_t i = 0; i < config->pools.count; i++) {
        const struct balancer_pool *pool = &pools[i].pool;

        view->pools[view->view.pool_count++] = (struct admin_pool){
            .name = image_string(image, pool->item.name),
            .algorithm = choice_name(balancer_pool_options, "algorithm", pool->algorithm),
            .first = view->view.backend_count,
            .count = pool->backends.count};
        fill_backends(view, image, &pools[i]);
    }
}

static void fill_groups(struct view *view, struct image image, const struct config *config)
{
    const struct config_group *groups = image_items(image, config->groups, sizeof *groups);

    must(config->groups.count <= GROUPS_MAX);
    for (uint32_t i = 0; i < config->groups.count; i++)
        view->groups[view->view.group_count++] = (struct admin_group){
            .name = image_string(image, groups[i].replication.item.name), .slot = groups[i].slot};
}

static void fill_addresses(struct view *view, struct image image, const struct config *config)
{
    const struct config_address *addresses =
        image_items(image, config->addresses, sizeof *addresses);
    const struct config_node *nodes = image_items(image, config->nodes, sizeof *nodes);

    must(config->addresses.count <= CONFIG_ADDRESSES_MAX);
    for (uint32_t i = 0; i < config->addresses.count; i++) {
        const struct config_address *from = &addresses[i];
        struct admin_address *to = &view->addresses[view->view.address_count++];

        *to = (struct admin_address){.name = image_string(image, from->item.name),
                                     .text = image_string(image, from->text),
                                     .spread = from->spread,
                                     .preempt = from->preempt,
                                     .node_count = from->node_count};
        for (uint32_t k = 0; k < from->node_count; k++)
            to->nodes[k] = image_string(image, nodes[from->order[k]].item.name);
    }
}

void view_fill(struct view *view, const struct role_generation *generation, const char *node)
{
    static const char *outcomes[HEALTH_OUTCOMES];

    for (int outcome = 0; outcome < HEALTH_OUTCOMES; outcome++)
        outcomes[outcome] = health_outcome_name((enum health_outcome)outcome);
    view->view =
        (struct admin_view){.node = node,
                            .cluster = image_string(generation->image, generation->config->cluster),
                            .nodes = generation->config->nodes.count,
                            .generation = generation->number,
                            .services = view->services,
                            .listens = view->listens,
                            .pools = view->pools,
                            .backends = view->backends,
                            .groups = view->groups,
                            .addresses = view->addresses,
                            .outcomes = outcomes,
                            .outcome_count = HEALTH_OUTCOMES};
    fill_services(view, generation->image, generation->config);
    fill_pools(view, generation->image, generation->config);
    fill_groups(view, generation->image, generation->config);
    fill_addresses(view, generation->image, generation->config);
}
