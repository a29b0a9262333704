/*
 * The groups of a configuration: what the rows alone cannot refuse, and their slots of the scoreboard.
 *
 * A slot that a group of the generation before had is not given to another at once, because the processes of that group may still be ending in it.
 */
#include "role/config_parts.h"

#include "process/scoreboard.h"

#include <string.h>

_Static_assert(offsetof(struct config_group, replication.item) == 0, "an item of a map");

static void check_tls_file(struct config_work *work, const struct config_group *group,
                           const char *key, struct ref path)
{
    const char *text = image_string(config_image(work), path);

    if (text[0] && text[0] != '/')
        config_find(work, &group->replication.item, key, "write it from the root: `/…`",
                    "`%s` is not an absolute path", text);
}

static void check_tls(struct config_work *work, const struct config_group *group)
{
    const struct store_tls *tls = &group->store.tls;

    if (!group->store.covered)
        return;
    if (group->engine.kind != ENGINE_STORE)
        config_find(work, &group->replication.item, "tls", "leave it out, or say `engine: store`",
                    "nines speaks TLS for the embedded store alone, and this group is another "
                    "engine's");
    check_tls_file(work, group, "tls.certificate", tls->certificate);
    check_tls_file(work, group, "tls.key", tls->key);
    check_tls_file(work, group, "tls.authority", tls->authority);
    for (uint32_t i = 0; i < group->member_count; i++) {
        int64_t port = group->members[i].address.port;

        if (tls->port != port && tls->port != port + STORE_LINK_PORT)
            continue;
        config_find(work, &group->replication.item, "tls.port",
                    tls->port == port ? "leave it out, and nothing is in the clear" : NULL,
                    "port %lld is taken: there the store %s", (long long)tls->port,
                    tls->port == port ? "speaks in the clear" : "is spoken to by other members");
        return;
    }
}

static void check_group(struct config_work *work, const struct config_group *group)
{
    const char *key;
    const char *why = engine_contradiction(&group->engine, config_image(work), &key);

    if (why)
        config_find(work, &group->replication.item, key, NULL, "%s", why);
    for (uint32_t i = 0; group->engine.kind == ENGINE_STORE && i < group->member_count; i++)
        if (group->members[i].address.port > UINT16_MAX - STORE_LINK_PORT) {
            config_find(work, &group->replication.item, "port", NULL,
                        "members of a store speak to each other at its port and %d, which is no "
                        "port: take one up to %d",
                        STORE_LINK_PORT, UINT16_MAX - STORE_LINK_PORT);
            return;
        }
}

void config_check_groups(struct config_work *work)
{
    const struct config *config = config_root(work);
    const struct config_group *groups = config_items(work, config->groups, sizeof *groups);

    for (uint32_t i = 0; i < config->groups.count; i++) {
        check_group(work, &groups[i]);
        check_tls(work, &groups[i]);
    }
}

const struct config_group *config_group_at(struct image image, uint32_t slot)
{
    const struct config *config = config_of(image);
    const struct config_group *groups = image_items(image, config->groups, sizeof *groups);

    for (uint32_t i = 0; i < config->groups.count; i++)
        if (groups[i].slot == slot)
            return &groups[i];
    return NULL;
}

uint32_t config_group_place(const struct config *config, const struct config_group *group)
{
    for (uint32_t i = 0; i < group->member_count; i++)
        if (group->members[i].node == config->node)
            return i;
    return GROUP_MEMBERS_MAX;
}

static uint32_t previous_slot(struct image previous, struct image now, struct ref name)
{
    const struct config *config = config_of(previous);
    const struct config_group *groups = image_items(previous, config->groups, sizeof *groups);

    for (uint32_t i = 0; i < config->groups.count; i++)
        if (bytes_equal(image_text(previous, groups[i].replication.item.name),
                        image_text(now, name)))
            return groups[i].slot;
    return UINT32_MAX;
}

static bool is_taken(const struct config_group *groups, uint32_t count, uint32_t slot)
{
    for (uint32_t i = 0; i < count; i++)
        if (groups[i].slot == slot)
            return true;
    return false;
}

/* There are as many slots as groups can be, so one is always found; one that the previous generation used only where no other is left. */
static uint32_t free_slot(struct image previous, const struct config_group *groups, uint32_t count)
{
    uint32_t second_best = UINT32_MAX;

    for (uint32_t slot = 0; slot < GROUPS_MAX; slot++) {
        if (is_taken(groups, count, slot))
            continue;
        if (!previous.len || !config_group_at(previous, slot))
            return slot;
        second_best = slot;
    }
    must(second_best != UINT32_MAX);
    return second_best;
}

void config_number_groups(struct config_work *work)
{
    struct image previous = work->request->previous;
    const struct config *config = config_root(work);
    struct config_group *groups = config_items(work, config->groups, sizeof *groups);
    uint32_t count = config->groups.count;

    for (uint32_t i = 0; i < count; i++)
        groups[i].slot = previous.len ? previous_slot(previous, config_image(work),
                                                      groups[i].replication.item.name)
                                      : UINT32_MAX;
    for (uint32_t i = 0; i < count; i++)
        if (groups[i].slot == UINT32_MAX)
            groups[i].slot = free_slot(previous, groups, count);
}
