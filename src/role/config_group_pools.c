/*
 * The pools that no file writes: one for each group that a service names, with the group's members as backends, in the order in which the
 * scoreboard counts them. From here on they are pools like others. The written ones are left as they are for who shows the file.
 *
 * The image grows here (and, for users' hashes, before) and nowhere else after it was read: nothing may point into it meanwhile.
 */
#include "role/config_parts.h"

#include <stdio.h>
#include <string.h>

enum { FIX_MAX = 160, POOL_NAME_MAX = 6 + 256 };

static const char *text_of(const struct config_work *work, struct ref ref)
{
    return image_string(config_image(work), ref);
}

static struct config_group *groups_of(const struct config_work *work)
{
    return config_items(work, config_root(work)->groups, sizeof(struct config_group));
}

/* ---- which groups ---- */

uint32_t config_find_group(const struct config_work *work, struct ref name)
{
    for (uint32_t i = 0; i < config_root(work)->groups.count; i++)
        if (bytes_equal(image_text(config_image(work), groups_of(work)[i].replication.item.name),
                        image_text(config_image(work), name)))
            return i;
    return UINT32_MAX;
}

static void not_found(struct config_work *work, const struct balancer_service *service)
{
    const char *names[GROUPS_MAX + 1] = {0}, *near;
    char fix[FIX_MAX];

    for (uint32_t i = 0; i < config_root(work)->groups.count && i < GROUPS_MAX; i++)
        names[i] = text_of(work, groups_of(work)[i].replication.item.name);
    near = schema_nearest(text_of(work, service->group), names);
    snprintf(fix, sizeof fix, "did you mean `%.100s`?", near ? near : "");
    config_find(work, &service->item, "group", near ? fix : NULL, "there is no group named `%s`",
                text_of(work, service->group));
}

/* How many groups are named; `used`, by place, tells which. */
static uint32_t find_used(struct config_work *work, bool used[GROUPS_MAX])
{
    const struct config *config = config_root(work);
    struct balancer_service *services = config_items(work, config->services, sizeof *services);
    uint32_t count = 0;

    for (uint32_t i = 0; i < config->services.count; i++) {
        uint32_t place;

        services[i].grouped = false;
        if (services[i].group.count == 0)
            continue;
        place = config_find_group(work, services[i].group);
        if (place == UINT32_MAX) {
            not_found(work, &services[i]);
            continue;
        }
        services[i].grouped = true;
        count += !used[place];
        used[place] = true;
    }
    return count;
}

/* ---- what is appended to the image ---- */

/* Zeroed and aligned. 0: the image is full. */
static uint32_t append(struct config_work *work, size_t size)
{
    size_t padding = -work->image->len & 7;
    uint8_t *space = buf_space(work->image, padding + size);

    if (!space)
        return 0;
    memset(space, 0, padding + size);
    buf_grew(work->image, padding + size);
    return (uint32_t)(work->image->len - size);
}

struct ref config_append_text(struct config_work *work, const char *text)
{
    uint32_t len = (uint32_t)strlen(text), at = append(work, len + 1);

    if (!at)
        return (struct ref){0, 0};
    memcpy(work->image->at + at, text, len);
    return (struct ref){at, len};
}

static struct config_pool *pool_at(const struct config_work *work, uint32_t at)
{
    return (struct config_pool *)(void *)(work->image->at + at);
}

static const struct option *backends_row(void)
{
    for (const struct option *row = balancer_pool_options; row->key; row++)
        if (row->offset == offsetof(struct balancer_pool, backends))
            return row;
    never("a pool without backends");
}

static void append_backends(struct config_work *work, uint32_t pool, uint32_t count)
{
    const struct option *row = backends_row();
    uint32_t at = append(work, count * row->item_size);

    for (uint32_t i = 0; i < count && at; i++)
        schema_defaults(row->rows, work->image, at + i * row->item_size);
    if (at)
        pool_at(work, pool)->pool.backends = (struct ref){at, count};
}

static void fill_member(struct config_work *work, uint32_t group, uint32_t pool, uint32_t place)
{
    const struct config_group *from = &groups_of(work)[group];
    const struct config_group_member member = from->members[place];
    const struct item item = from->replication.item;
    const struct config *config = config_root(work);
    const struct config_node *nodes = config_items(work, config->nodes, sizeof *nodes);
    struct ref zone = nodes[member.node].zone, endpoint;
    struct balancer_backend *backends;
    char text[ADDRESS_TEXT_MAX];

    endpoint =
        config_append_text(work, address_print(&member.address, text)); /* the image may move */
    backends = config_items(work, pool_at(work, pool)->pool.backends, sizeof *backends);
    backends[place].item = (struct item){.line = item.line, .column = item.column};
    backends[place].endpoint = endpoint;
    backends[place].zone = zone;
}

/* ---- pools ---- */

static void fill_pool(struct config_work *work, uint32_t group, uint32_t pool)
{
    char name[POOL_NAME_MAX];
    struct item item = groups_of(work)[group].replication.item;
    uint32_t count = groups_of(work)[group].member_count;

    snprintf(name, sizeof name, "group/%s", text_of(work, item.name));
    item.name = config_append_text(work, name);
    schema_defaults(balancer_pool_options, work->image, pool);
    memcpy(work->image->at + pool, &item, sizeof item);
    append_backends(work, pool, count);
    for (uint32_t i = 0; i < count && !work->image->full; i++)
        fill_member(work, group, pool, i);
}

/* A written pool of that name would take the backends' slots in the scoreboard for its own. */
static void check_names(struct config_work *work, uint32_t written, const char *name)
{
    const struct config_pool *pools =
        config_items(work, config_root(work)->written_pools, sizeof *pools);

    for (uint32_t i = 0; i < written; i++)
        if (strcmp(text_of(work, pools[i].pool.item.name), name) == 0)
            config_find(work, &pools[i].pool.item, NULL, "choose another name",
                        "the members of a group are a pool of this name already");
}

static void name_pool(struct config_work *work, uint32_t group, uint32_t index)
{
    const struct config *config = config_root(work);
    struct balancer_service *services = config_items(work, config->services, sizeof *services);

    for (uint32_t i = 0; i < config->services.count; i++)
        if (services[i].grouped && config_find_group(work, services[i].group) == group)
            services[i].pool_index = index;
}

static void append_pools(struct config_work *work, const bool used[GROUPS_MAX], uint32_t count)
{
    struct ref written = config_root(work)->written_pools;
    uint32_t total = written.count + count, next = written.count;
    uint32_t at = append(work, total * sizeof(struct config_pool));

    if (!at)
        return;
    memcpy(work->image->at + at, work->image->at + written.at,
           written.count * sizeof(struct config_pool));
    config_root(work)->pools = (struct ref){at, total};
    for (uint32_t i = 0; i < GROUPS_MAX; i++) {
        const uint32_t pool = at + next * (uint32_t)sizeof(struct config_pool);

        if (!used[i])
            continue;
        fill_pool(work, i, pool);
        check_names(work, written.count, text_of(work, pool_at(work, pool)->pool.item.name));
        name_pool(work, i, next++);
    }
}

void config_settle_pools(struct config_work *work)
{
    struct config *config = config_root(work);
    bool used[GROUPS_MAX] = {0};
    uint32_t count = find_used(work, used);

    config->pools = config->written_pools;
    if (count == 0)
        return;
    if (config->written_pools.count + count > POOLS_MAX) {
        config_find(work, &config->item, "pools", NULL,
                    "%u pools and %u groups of services, at most %d can be together",
                    config->written_pools.count, count, POOLS_MAX);
        return;
    }
    append_pools(work, used, count);
    if (work->image->full)
        config_find(work, &config_root(work)->item, NULL, "use fewer aliases",
                    "the configuration is too large");
}
