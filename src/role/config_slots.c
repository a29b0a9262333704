/*
 * Numbers what lives in the scoreboard. A service or backend that was there before keeps its slot, so that its counters live on;
 * a new one takes a slot after the highest that the previous generation used, going round, because sessions of a removed one
 * may still be counting in its old slot.
 */
#include "role/config_parts.h"
#include "role/messages.h"

#include <string.h>

/* A set of slots, and where the search for a free one begins. */
struct slots {
    uint8_t used[BACKENDS_MAX];
    uint32_t next, limit;
};

_Static_assert((int)SERVICES_MAX <= (int)BACKENDS_MAX, "one set serves both");

static void occupy(struct slots *slots, uint32_t slot)
{
    slots->used[slot] = 1;
    if (slot >= slots->next)
        slots->next = (slot + 1) % slots->limit;
}

static uint32_t take(struct slots *slots)
{
    for (uint32_t tried = 0; tried < slots->limit; tried++) {
        uint32_t slot = (slots->next + tried) % slots->limit;

        if (slots->used[slot])
            continue;
        slots->used[slot] = 1;
        slots->next = (slot + 1) % slots->limit;
        return slot;
    }
    return UINT32_MAX;
}

static bool same(struct image a, struct ref left, struct image b, struct ref right)
{
    return bytes_equal(image_text(a, left), image_text(b, right));
}

/* ---- services ---- */

static uint32_t previous_service(struct image previous, struct image now, struct ref name)
{
    const struct config *config = config_of(previous);
    const struct balancer_service *services =
        image_items(previous, config->services, sizeof *services);

    for (uint32_t i = 0; i < config->services.count; i++)
        if (same(previous, services[i].item.name, now, name))
            return services[i].slot;
    return UINT32_MAX;
}

/* Slots of the previous generation come last, also those of services that went: their last clients may still count there. */
static void begin_after(struct slots *slots, struct image previous)
{
    const struct config *config = config_of(previous);
    const struct balancer_service *services =
        image_items(previous, config->services, sizeof *services);

    for (uint32_t i = 0; i < config->services.count; i++)
        if (services[i].slot >= slots->next)
            slots->next = (services[i].slot + 1) % slots->limit;
}

static void number_services(struct config_work *work)
{
    struct image previous = work->request->previous;
    const struct config *config = config_root(work);
    struct balancer_service *services = config_items(work, config->services, sizeof *services);
    struct slots slots = {.limit = SERVICES_MAX};

    if (previous.len)
        begin_after(&slots, previous);
    for (uint32_t i = 0; i < config->services.count; i++) {
        services[i].slot =
            previous.len ? previous_service(previous, config_image(work), services[i].item.name)
                         : UINT32_MAX;
        if (services[i].slot != UINT32_MAX)
            occupy(&slots, services[i].slot);
    }
    for (uint32_t i = 0; i < config->services.count; i++)
        if (services[i].slot == UINT32_MAX)
            services[i].slot = take(&slots);
}

/* ---- backends ---- */

static const struct config_pool *previous_pool(struct image previous, struct image now,
                                               struct ref name)
{
    const struct config *config = config_of(previous);
    const struct config_pool *pools = image_items(previous, config->pools, sizeof *pools);

    for (uint32_t i = 0; i < config->pools.count; i++)
        if (same(previous, pools[i].pool.item.name, now, name))
            return &pools[i];
    return NULL;
}

static uint32_t previous_backend(struct image previous, const struct config_pool *pool,
                                 struct image now, struct ref endpoint)
{
    const struct balancer_backend *backends =
        image_items(previous, pool->pool.backends, sizeof *backends);

    for (uint32_t i = 0; i < pool->pool.backends.count; i++)
        if (same(previous, backends[i].endpoint, now, endpoint))
            return backends[i].slot;
    return UINT32_MAX;
}

static void occupy_previous(struct slots *slots, struct image previous)
{
    const struct config *config = config_of(previous);
    const struct config_pool *pools = image_items(previous, config->pools, sizeof *pools);

    for (uint32_t i = 0; i < config->pools.count; i++) {
        const struct balancer_backend *backends =
            image_items(previous, pools[i].pool.backends, sizeof *backends);

        for (uint32_t j = 0; j < pools[i].pool.backends.count; j++)
            occupy(slots, backends[j].slot);
    }
}

static void keep_slots(struct config_work *work, struct config_pool *pool)
{
    struct image previous = work->request->previous, now = config_image(work);
    struct balancer_backend *backends = config_items(work, pool->pool.backends, sizeof *backends);
    const struct config_pool *before =
        previous.len ? previous_pool(previous, now, pool->pool.item.name) : NULL;

    for (uint32_t i = 0; i < pool->pool.backends.count; i++)
        backends[i].slot =
            before ? previous_backend(previous, before, now, backends[i].endpoint) : UINT32_MAX;
}

static void number_backends(struct config_work *work)
{
    const struct config *config = config_root(work);
    struct config_pool *pools = config_items(work, config->pools, sizeof *pools);
    struct slots slots = {.limit = BACKENDS_MAX};

    if (work->request->previous.len)
        occupy_previous(&slots, work->request->previous);
    for (uint32_t i = 0; i < config->pools.count; i++)
        keep_slots(work, &pools[i]);
    for (uint32_t i = 0; i < config->pools.count; i++) {
        struct balancer_backend *backends =
            config_items(work, pools[i].pool.backends, sizeof *backends);

        for (uint32_t j = 0; j < pools[i].pool.backends.count; j++) {
            if (backends[j].slot == UINT32_MAX)
                backends[j].slot = take(&slots);
            if (backends[j].slot != UINT32_MAX)
                continue;
            config_find(work, &backends[j].item, NULL, NULL,
                        "more than %d backends, those being replaced included", BACKENDS_MAX);
            return;
        }
    }
}

/* ---- listeners ---- */

static void number_listeners(struct config_work *work)
{
    struct config *config = config_root(work);
    struct balancer_service *services = config_items(work, config->services, sizeof *services);

    config->listeners = 0;
    for (uint32_t i = 0; i < config->services.count; i++) {
        struct balancer_listen *listens = config_items(work, services[i].listen, sizeof *listens);

        for (uint32_t j = 0; j < services[i].listen.count; j++)
            listens[j].listener = config->listeners++;
    }
    if (config->listeners > LISTENERS_MAX)
        config_find(work, &config->item, "services", NULL, "%u listeners, at most %d can be",
                    config->listeners, LISTENERS_MAX);
}

/* After the groups themselves. */
static void number_grouped(struct config_work *work)
{
    const struct config *config = config_root(work);
    const struct config_group *groups = config_items(work, config->groups, sizeof *groups);
    struct balancer_service *services = config_items(work, config->services, sizeof *services);

    for (uint32_t i = 0; i < config->services.count; i++)
        if (services[i].grouped)
            services[i].group_slot = groups[config_find_group(work, services[i].group)].slot;
}

void config_number(struct config_work *work)
{
    number_services(work);
    number_backends(work);
    number_listeners(work);
    config_number_groups(work);
    number_grouped(work);
}
