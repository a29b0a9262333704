#include "engine/script_orders.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* ---- orders ---- */

struct reading {
    const json_t *root;
    const struct script_scene *scene;
    char *sentence;
};

static bool refuse(const struct reading *reading, const char *key, const char *expected)
{
    snprintf(reading->sentence, GROUP_SENTENCE_MAX, "the order's \"%s\" is not %s", key, expected);
    return false;
}

static bool read_count(const struct reading *reading, const char *key, uint64_t *into)
{
    const json_t *value = json_object_get(reading->root, key);

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return refuse(reading, key, "a whole number from 0");
    *into = (uint64_t)json_integer_value(value);
    return true;
}

static uint32_t member_of(const struct script_scene *scene, const json_t *name)
{
    for (uint32_t i = 0; json_is_string(name) && i < scene->count; i++)
        if (strcmp(scene->members[i].name, json_string_value(name)) == 0)
            return scene->members[i].member;
    return 0;
}

static bool read_verb(const struct reading *reading, enum engine_verb *into)
{
    const json_t *value = json_object_get(reading->root, "command");

    for (int i = 0; json_is_string(value) && i < ENGINE_VERBS; i++)
        if (strcmp(json_string_value(value), engine_verb_name((enum engine_verb)i)) == 0) {
            *into = (enum engine_verb)i;
            return true;
        }
    return refuse(reading, "command", "one of the seven");
}

static bool read_mode(const struct reading *reading, uint8_t *into)
{
    const json_t *value = json_object_get(reading->root, "mode");

    for (int i = 0; json_is_string(value) && i < GROUP_MODES; i++)
        if (strcmp(json_string_value(value), group_mode_name((enum group_mode)i)) == 0) {
            *into = (uint8_t)i;
            return true;
        }
    return refuse(reading, "mode", "sync, semi-sync or async");
}

/* Whoever is not known here could never confirm anything: better no primary than one that waits for less than it should. */
static bool read_needs(const struct reading *reading, struct engine_needs *needs)
{
    const json_t *all = json_object_get(reading->root, "needs");
    uint64_t acks = 0;

    if (!read_mode(reading, &needs->mode) || !read_count(reading, "acks", &acks))
        return false;
    if (acks > GROUP_MEMBERS_MAX)
        return refuse(reading, "acks", "so few as there may be members");
    if (!json_is_array(all) || json_array_size(all) > GROUP_MEMBERS_MAX)
        return refuse(reading, "needs", "a list of members");
    needs->acks = (uint8_t)acks;
    for (size_t i = 0; i < json_array_size(all); i++) {
        uint32_t member = member_of(reading->scene, json_array_get(all, i));

        if (member == 0)
            return refuse(reading, "needs", "a list of members that are known here");
        life_set_put(&needs->members, (struct life){.member = member, .incarnation = 1});
    }
    return true;
}

static bool read_order(const struct reading *reading, struct engine_order *order, uint64_t *id)
{
    uint64_t timeout_ms;

    if (!read_count(reading, "id", id) || !read_verb(reading, &order->verb) ||
        !read_count(reading, "timeout_ms", &timeout_ms))
        return false;
    order->timeout_ms = (int64_t)timeout_ms;
    if (order->verb == ENGINE_STATUS)
        return true;
    if (!read_count(reading, "epoch", &order->epoch))
        return false;
    order->primary = member_of(reading->scene, json_object_get(reading->root, "primary"));
    order->target = member_of(reading->scene, json_object_get(reading->root, "target"));
    if (order->verb == ENGINE_PROMOTE)
        return read_needs(reading, &order->needs);
    if (order->verb == ENGINE_DEMOTE)
        return order->target || json_is_null(json_object_get(reading->root, "target")) ||
               refuse(reading, "target", "a member that is known here, or null");
    return order->verb == ENGINE_PROMISE || order->primary ||
           refuse(reading, "primary", "a member that is known here");
}

bool script_read_order(struct bytes line, const struct script_scene *scene,
                       struct engine_order *order, uint64_t *id, char sentence[GROUP_SENTENCE_MAX])
{
    json_error_t error;
    json_t *root = line.len > SCRIPT_LINE_MAX ? NULL
                                              : json_loadb((const char *)line.at, line.len,
                                                           JSON_REJECT_DUPLICATES, &error);
    struct reading reading = {root, scene, sentence};
    bool good = false;

    *order = (struct engine_order){0};
    *id = 0;
    if (!json_is_object(root))
        snprintf(sentence, GROUP_SENTENCE_MAX, "the order is no JSON object");
    else
        good = read_order(&reading, order, id);
    json_decref(root);
    return good;
}

/* ---- answers ---- */

static const char *name_of(const struct script_scene *scene, uint32_t member)
{
    for (uint32_t i = 0; member != 0 && i < scene->count; i++)
        if (scene->members[i].member == member)
            return scene->members[i].name;
    return NULL;
}

static void write_position(struct json *json, struct position position)
{
    json_key(json, "position");
    json_begin_object(json);
    json_key(json, "epoch");
    json_add_unsigned(json, position.epoch);
    json_key(json, "offset");
    json_add_unsigned(json, position.offset);
    json_end(json);
}

static void write_flag(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_add_bool(json, value);
}

static void write_followers(struct json *json, const struct engine_status *status,
                            const struct script_scene *scene)
{
    json_key(json, "followers");
    json_begin_object(json);
    for (uint32_t i = 0; i < status->follower_count; i++) {
        const char *name = name_of(scene, status->followers[i].member);

        if (!name)
            continue;
        json_key(json, name);
        json_begin_object(json);
        write_flag(json, "attached", status->followers[i].attached);
        write_position(json, status->followers[i].position);
        json_end(json);
    }
    json_end(json);
}

static void write_status(struct json *json, const struct engine_status *status,
                         const struct script_scene *scene)
{
    json_key(json, "status");
    json_begin_object(json);
    json_key(json, "state");
    json_add_string(json, engine_state_name((enum engine_state)status->state));
    json_key(json, "role");
    json_add_string(json, engine_role_name((enum engine_role)status->role));
    write_flag(json, "writable", status->writable);
    write_flag(json, "linked", status->linked);
    write_flag(json, "loading", status->loading);
    json_key(json, "epoch");
    json_add_unsigned(json, status->epoch);
    json_key(json, "promised");
    json_add_unsigned(json, status->promised);
    write_position(json, status->position);
    json_key(json, "primary");
    json_add_string(json, name_of(scene, status->primary));
    json_key(json, "lag_bytes");
    if (status->lag_bytes <= INT64_MAX)
        json_add_unsigned(json, status->lag_bytes);
    else
        json_add_null(json);
    json_key(json, "progress");
    json_add_double(json, (double)status->progress * 100 / SCRIPT_PROGRESS_MAX);
    write_followers(json, status, scene);
    json_key(json, "sentence");
    json_add_string(json, status->sentence);
    json_end(json);
}

void script_write_answer(const struct engine_answer *answer, uint64_t id,
                         const struct script_scene *scene, struct buf *out)
{
    struct json json;

    json_init(&json, out);
    json_begin_object(&json);
    json_key(&json, "id");
    json_add_unsigned(&json, id);
    if (answer->verb != ENGINE_STATUS) {
        json_key(&json, "epoch");
        json_add_unsigned(&json, answer->epoch);
    }
    json_key(&json, "outcome");
    json_add_string(&json, engine_outcome_name(answer->outcome));
    if (answer->outcome == ENGINE_DONE) {
        write_status(&json, &answer->status, scene);
    } else {
        json_key(&json, "sentence");
        json_add_string(&json, answer->sentence);
    }
    json_end(&json);
    buf_add_byte(out, '\n');
}
