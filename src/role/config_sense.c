/*
 * What the rows cannot say of one key alone: references between sections, and settings that contradict each other.
 */
#include "role/config_parts.h"

#include <stdio.h>
#include <string.h>

enum { FIX_MAX = 160 };

static const char *text_of(const struct config_work *work, struct ref ref)
{
    return image_string(config_image(work), ref);
}

/* ---- references ---- */

/* The nearest pool's name as a fix, or NULL; `fix` is the storage. */
static const char *nearest_pool(const struct config_work *work, const char *name, char *fix)
{
    const struct config *config = config_root(work);
    const struct config_pool *pools = config_items(work, config->written_pools, sizeof *pools);
    const char *names[POOLS_MAX + 1] = {0};
    const char *near;

    for (uint32_t i = 0; i < config->written_pools.count && i < POOLS_MAX; i++)
        names[i] = text_of(work, pools[i].pool.item.name);
    near = schema_nearest(name, names);
    if (!near)
        return NULL;
    snprintf(fix, FIX_MAX, "did you mean `%.100s`?", near);
    return fix;
}

/* Of the written ones: a group is gone to by `group`, which follows its primary. */
static uint32_t find_pool(struct config_work *work, const struct item *item, struct ref wanted)
{
    const struct config *config = config_root(work);
    const struct config_pool *pools = config_items(work, config->written_pools, sizeof *pools);
    const char *name = text_of(work, wanted);
    char fix[FIX_MAX];

    for (uint32_t i = 0; i < config->written_pools.count; i++)
        if (strcmp(text_of(work, pools[i].pool.item.name), name) == 0)
            return i;
    config_find(work, item, "pool", nearest_pool(work, name, fix), "there is no pool named `%s`",
                name);
    return UINT32_MAX;
}

/* ---- services ---- */

static bool matches_all(const struct balancer_route *route)
{
    return route->host.count == 0 && route->path.count == 0 && route->methods.count == 0 &&
           route->headers.count == 0;
}

static void check_route(struct config_work *work, struct balancer_route *route, bool last)
{
    const char *path = text_of(work, route->path);

    route->pool_index = find_pool(work, &route->item, route->pool);
    if (path[0] && path[0] != '/')
        config_find(work, &route->item, "match.path", NULL,
                    "a path begins with `/`, this one is `%s`", path);
    if (matches_all(route) && !last)
        config_find(work, &route->item, NULL, "put it last, or give it a `match`",
                    "this route matches every request, so the ones after it never do");
}

static void check_group(struct config_work *work, const struct balancer_service *service)
{
    const int64_t normal_hold_ms = 10000; /* a file that shows all defaults is good too */
    const char *name = text_of(work, service->item.name);

    if (service->group.count && service->pool.count)
        config_find(work, &service->item, "pool", "leave one of them out",
                    "service `%s` goes to a group, so it cannot go to a pool", name);
    if (service->group.count && service->routes.count)
        config_find(work, &service->item, "routes", "make it two services",
                    "service `%s` goes to a group, so nothing is routed", name);
    if (service->group.count)
        return;
    if (service->role == SERVICE_SECONDARY)
        config_find(work, &service->item, "role", "add `group: NAME`, or leave it out",
                    "service `%s` has no group, so there is no secondary", name);
    if (service->hold_ms != normal_hold_ms)
        config_find(work, &service->item, "hold", "add `group: NAME`, or leave it out",
                    "service `%s` has no group, so there is no primary to wait for", name);
}

static void check_service(struct config_work *work, struct balancer_service *service)
{
    struct balancer_route *routes = config_items(work, service->routes, sizeof *routes);
    const char *name = text_of(work, service->item.name);

    check_group(work, service);
    if (service->pool.count == 0 && service->routes.count == 0 && service->group.count == 0)
        config_find(work, &service->item, NULL, "add `pool: NAME`",
                    "service `%s` has neither a pool nor routes", name);
    if (service->protocol == PROTOCOL_TCP && service->routes.count)
        config_find(work, &service->item, "routes", "use `pool: NAME`",
                    "service `%s` is tcp: it has no requests that could be routed", name);
    for (uint32_t i = 0; i < service->routes.count; i++)
        check_route(work, &routes[i], i + 1 == service->routes.count);
    if (service->group.count == 0)
        service->pool_index =
            service->pool.count ? find_pool(work, &service->item, service->pool) : UINT32_MAX;
}

/* ---- pools ---- */

static void check_health(struct config_work *work, struct config_pool *pool)
{
    struct health_check *check = &pool->check;
    const struct item *item = &pool->pool.item;
    const char *key, *why;
    char path[64];

    if (!pool->checked) {
        check->kind = CHECK_NONE;
        return;
    }
    why = health_check_contradiction(check, config_image(work), &key);
    snprintf(path, sizeof path, "health_check.%s", key);
    if (why)
        config_find(work, item, path, NULL, "%s", why);
    check->kind = (int32_t)health_check_settle(check);
    if (check->timeout_ms > check->interval_ms)
        config_find(work, item, "health_check.timeout", "a timeout of at most the interval",
                    "a check would still be waiting when the next one is due: timeout %lld ms is "
                    "longer than interval %lld ms",
                    (long long)check->timeout_ms, (long long)check->interval_ms);
}

static void check_backend(struct config_work *work, const struct balancer_backend *backends,
                          uint32_t at)
{
    const char *endpoint = text_of(work, backends[at].endpoint);

    for (uint32_t i = 0; i < at; i++)
        if (strcmp(text_of(work, backends[i].endpoint), endpoint) == 0)
            config_find(work, &backends[at].item, "address", "use `weight` for a larger share",
                        "backend `%s` is in this pool twice", endpoint);
}

static void check_pool(struct config_work *work, struct config_pool *pool)
{
    const struct balancer_backend *backends =
        config_items(work, pool->pool.backends, sizeof *backends);
    bool takes_work = false;

    for (uint32_t i = 0; i < pool->pool.backends.count; i++) {
        check_backend(work, backends, i);
        takes_work |= backends[i].weight > 0 && !backends[i].drain;
    }
    if (!takes_work)
        config_find(work, &pool->pool.item, "backends", NULL,
                    "nobody in pool `%s` would take work: every backend drains or has weight 0",
                    text_of(work, pool->pool.item.name));
    pool->pool.retry.on_bits = balancer_retry_bits(config_image(work), &pool->pool.retry);
    check_health(work, pool);
}

/* ---- the whole ---- */

static void check_admin(struct config_work *work)
{
    const struct config *config = config_root(work);
    const char *endpoint = text_of(work, config->admin_listen);
    struct address address;

    if (!address_parse(&address, bytes_of_string(endpoint))) {
        config_find(work, &config->item, "admin.listen", NULL,
                    "the API listens on an IP address and a port, found `%s`", endpoint);
        return;
    }
    if (!address_is_loopback(&address))
        config_find(
            work, &config->item, "admin.listen", "127.0.0.1 or [::1]",
            "the API has no TLS and no users yet, so it listens on loopback only, not on `%s`",
            endpoint);
}

static void check_paths(struct config_work *work)
{
    const struct config *config = config_root(work);
    const struct {
        const char *key;
        struct ref path;
    } paths[] = {{"directory", config->directory},
                 {"runtime_directory", config->runtime_directory},
                 {"peers.authority", config->peers.authority},
                 {"peers.certificate", config->peers.certificate},
                 {"peers.key", config->peers.key}};
    const char *log = text_of(work, config->access_log);

    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (paths[i].path.count && text_of(work, paths[i].path)[0] != '/')
            config_find(work, &config->item, paths[i].key, "write it from the root: `/…`",
                        "`%s` is not an absolute path", text_of(work, paths[i].path));
    if (log[0] && log[0] != '/' && strcmp(log, "stdout") != 0)
        config_find(work, &config->item, "access_log", "write it from the root: `/…`",
                    "`%s` is neither an absolute path nor `stdout`", log);
}

/* A witness may have nothing but nodes. */
static void check_purpose(struct config_work *work)
{
    const struct config *config = config_root(work);

    if (config->services.count == 0 && config->nodes.count == 0)
        config_find(work, &config->item, "services", "add `services:` and `pools:`",
                    "there is nothing to do: no `services` and no `nodes`");
}

void config_sense(struct config_work *work)
{
    const struct config *config = config_root(work);
    struct balancer_service *services = config_items(work, config->services, sizeof *services);
    struct config_pool *pools = config_items(work, config->pools, sizeof *pools);

    check_purpose(work);
    check_admin(work);
    check_paths(work);
    for (uint32_t i = 0; i < config->services.count; i++)
        check_service(work, &services[i]);
    for (uint32_t i = 0; i < config->pools.count; i++)
        check_pool(work, &pools[i]);
    config_check_groups(work);
}
