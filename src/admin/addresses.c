#include "admin/addresses.h"

#include <stdio.h>

static const struct board_address nowhere;

/* Into static storage; NULL: the supervisor has written nothing of it. */
static const struct board_address *on_interfaces(const struct admin_scene *scene, const char *name)
{
    static struct address_board board;
    const struct address_record *record = &scene->board->addresses;

    if (!board_read(&record->guard, &board, &record->board, sizeof board))
        return &nowhere;
    for (uint32_t i = 0; i < board.count && i < BOARD_ADDRESSES_MAX; i++)
        if (strcmp(board.at[i].name, name) == 0)
            return &board.at[i];
    return &nowhere;
}

/* NULL: the agent has not judged it, or just now. */
static const struct board_condition *condition_of(const struct admin_scene *scene, const char *name)
{
    static struct condition_board board;
    const struct condition_record *record = &scene->board->conditions;

    if (!board_read(&record->guard, &board, &record->board, sizeof board))
        return NULL;
    for (uint32_t i = 0; i < board.count && i < BOARD_ADDRESSES_MAX; i++)
        if (strcmp(board.at[i].name, name) == 0)
            return &board.at[i];
    return NULL;
}

static const char *holder_of(const struct admin_scene *scene, const char *name)
{
    char resource[BOARD_RESOURCE_MAX];

    snprintf(resource, sizeof resource, "address/%s", name);
    for (uint32_t i = 0; scene->cluster && i < BOARD_LEASES_MAX; i++)
        if (strcmp(scene->cluster->leases[i].resource, resource) == 0)
            return scene->cluster->leases[i].holder[0] ? scene->cluster->leases[i].holder : NULL;
    return NULL;
}

bool addresses_held(const struct admin_scene *scene, const char *name)
{
    return on_interfaces(scene, name)->held != 0;
}

uint64_t addresses_taken(const struct admin_scene *scene, const char *name)
{
    return on_interfaces(scene, name)->taken;
}

static void text(struct json *json, const char *key, const char *value)
{
    json_key(json, key);
    json_add_string(json, value);
}

static void truth(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_add_bool(json, value);
}

static void write_one(const struct admin_scene *scene, const struct admin_address *address,
                      struct json *json)
{
    const struct board_address *at = on_interfaces(scene, address->name);
    const struct board_condition *condition = condition_of(scene, address->name);

    json_begin_object(json);
    text(json, "name", address->name);
    text(json, "address", address->text);
    truth(json, "spread", address->spread);
    truth(json, "preempt", address->preempt);
    json_key(json, "nodes");
    json_begin_array(json);
    for (uint32_t i = 0; i < address->node_count; i++)
        json_add_string(json, address->nodes[i]);
    json_end(json);
    text(json, "holder", holder_of(scene, address->name));
    truth(json, "here", at->held != 0);
    text(json, "interface", at->held ? at->interface : NULL);
    truth(json, "well_here", condition && condition->well);
    text(json, "why_not", condition ? condition->why : "the agent has said nothing of it");
    text(json, "error", at->why);
    json_end(json);
}

void addresses_write(const struct admin_scene *scene, struct json *json)
{
    json_begin_array(json);
    for (uint32_t i = 0; i < scene->view->address_count; i++)
        write_one(scene, &scene->view->addresses[i], json);
    json_end(json);
}

void addresses_print(const struct admin_scene *scene, struct buf *out)
{
    struct json json;

    json_init(&json, out);
    json_begin_object(&json);
    text(&json, "node", scene->view->node);
    json_key(&json, "addresses");
    addresses_write(scene, &json);
    json_end(&json);
    buf_add_byte(out, '\n');
}
