/*
 * Writes orders, and reads answers as if whoever wrote them meant harm: every field is of its type and within its bounds, or the answer is none.
 */
#include "engine/script.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { QUOTED_MAX = 48 };

/* ---- orders ---- */

static const char *name_of(const struct script_scene *scene, uint32_t member)
{
    for (uint32_t i = 0; member != 0 && i < scene->count; i++)
        if (scene->members[i].member == member)
            return scene->members[i].name;
    return NULL;
}

static void write_members(struct json *json, const struct script_scene *scene)
{
    char text[ADDRESS_TEXT_MAX];

    json_key(json, "members");
    json_begin_object(json);
    for (uint32_t i = 0; i < scene->count; i++) {
        const struct engine_member *member = &scene->members[i];

        json_key(json, member->name);
        json_begin_object(json);
        json_key(json, "address");
        if (member->address.family != 0)
            json_add_string(json, address_print(&member->address, text));
        else
            json_add_null(json);
        json_end(json);
    }
    json_end(json);
}

static void write_needs(struct json *json, const struct script_scene *scene,
                        const struct engine_needs *needs)
{
    json_key(json, "mode");
    json_add_string(json, group_mode_name((enum group_mode)needs->mode));
    json_key(json, "acks");
    json_add_number(json, needs->mode == GROUP_SYNC ? (int64_t)needs->members.count : needs->acks);
    json_key(json, "needs");
    json_begin_array(json);
    for (uint32_t i = 0; i < needs->members.count; i++) {
        const char *name = name_of(scene, needs->members.lives[i].member);

        if (name)
            json_add_string(json, name);
    }
    json_end(json);
}

void script_write(const struct engine_order *order, uint64_t id, const struct script_scene *scene,
                  struct buf *out)
{
    bool follows =
        order->verb == ENGINE_FOLLOW || order->verb == ENGINE_REWIND || order->verb == ENGINE_COPY;
    struct json json;

    json_init(&json, out);
    json_begin_object(&json);
    json_key(&json, "id");
    json_add_unsigned(&json, id);
    json_key(&json, "command");
    json_add_string(&json, engine_verb_name(order->verb));
    json_key(&json, "timeout_ms");
    json_add_number(&json, order->timeout_ms);
    if (order->verb != ENGINE_STATUS) {
        json_key(&json, "epoch");
        json_add_unsigned(&json, order->epoch);
    }
    json_key(&json, "group");
    json_add_string(&json, scene->group);
    json_key(&json, "self");
    json_add_string(&json, scene->self);
    write_members(&json, scene);
    if (follows) {
        json_key(&json, "primary");
        json_add_string(&json, name_of(scene, order->primary));
    } else if (order->verb == ENGINE_DEMOTE) {
        json_key(&json, "target");
        json_add_string(&json, name_of(scene, order->target));
    } else if (order->verb == ENGINE_PROMOTE) {
        write_needs(&json, scene, &order->needs);
    }
    json_end(&json);
    buf_add_byte(out, '\n');
}

/* ---- answers ---- */

char *script_quote(struct bytes found, char *text, size_t cap)
{
    size_t len = 0;

    for (size_t i = 0; i < found.len && i < QUOTED_MAX && len + 4 < cap; i++)
        text[len++] = found.at[i] >= ' ' && found.at[i] < 127 ? (char)found.at[i] : '?';
    if (found.len > len)
        len += (size_t)snprintf(text + len, cap - len, "...");
    text[len] = '\0';
    return text;
}

static void set_sentence(char *sentence, const char *text)
{
    size_t len = 0;

    for (; text[len] && len + 1 < GROUP_SENTENCE_MAX; len++)
        sentence[len] = (uint8_t)text[len] < ' ' || text[len] == 127 ? ' ' : text[len];
    /* Never half a character. */
    while (len > 0 && text[len] && ((uint8_t)text[len] & 0xc0) == 0x80)
        len--;
    sentence[len] = '\0';
}

void script_break(const struct engine_order *order, struct engine_answer *answer,
                  const char *format, ...)
{
    char text[GROUP_SENTENCE_MAX * 2];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    *answer = (struct engine_answer){
        .verb = order->verb, .epoch = order->epoch, .outcome = ENGINE_BROKEN};
    answer->status.lag_bytes = UINT64_MAX;
    set_sentence(answer->sentence, text);
}

/* What is being read, and the first thing that is wrong with it. */
struct reading {
    const struct script_scene *scene;
    char wrong[GROUP_SENTENCE_MAX];
};

static bool refuse(struct reading *reading, const char *key, const json_t *found,
                   const char *expected)
{
    char dumped[QUOTED_MAX + 1], quoted[QUOTED_MAX + 8];
    size_t len = json_dumpb(found, dumped, sizeof dumped, JSON_ENCODE_ANY | JSON_COMPACT);

    if (len > sizeof dumped)
        len = 0; /* it did not fit, and nothing whole was written */
    snprintf(reading->wrong, sizeof reading->wrong, "\"%s\" is %s, not %s", key,
             len ? script_quote(bytes_of(dumped, len), quoted, sizeof quoted) : "something longer",
             expected);
    return false;
}

static bool read_bool(struct reading *reading, const json_t *object, const char *key, bool *into)
{
    const json_t *value = json_object_get(object, key);

    if (!value)
        return true;
    if (!json_is_boolean(value))
        return refuse(reading, key, value, "true or false");
    *into = json_is_true(value);
    return true;
}

/* null is as good as left out. */
static bool read_count(struct reading *reading, const json_t *object, const char *key,
                       uint64_t *into)
{
    const json_t *value = json_object_get(object, key);

    if (!value || json_is_null(value))
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return refuse(reading, key, value, "a whole number from 0");
    *into = (uint64_t)json_integer_value(value);
    return true;
}

static bool read_text(struct reading *reading, const json_t *object, const char *key,
                      const char **into)
{
    const json_t *value = json_object_get(object, key);

    if (!value || json_is_null(value))
        return true;
    if (!json_is_string(value))
        return refuse(reading, key, value, "a text");
    *into = json_string_value(value);
    return true;
}

static bool read_position(struct reading *reading, const json_t *object, struct position *into)
{
    const json_t *value = json_object_get(object, "position");

    if (!value || json_is_null(value))
        return true;
    if (!json_is_object(value))
        return refuse(reading, "position", value, "an object with epoch and offset");
    return read_count(reading, value, "epoch", &into->epoch) &&
           read_count(reading, value, "offset", &into->offset);
}

static bool read_state(struct reading *reading, const json_t *object, uint8_t *into)
{
    const json_t *value = json_object_get(object, "state");

    for (int i = 0; json_is_string(value) && i < ENGINE_STATES; i++)
        if (strcmp(json_string_value(value), engine_state_name((enum engine_state)i)) == 0) {
            *into = (uint8_t)i;
            return true;
        }
    if (!value) {
        snprintf(reading->wrong, sizeof reading->wrong, "its status has no \"state\"");
        return false;
    }
    return refuse(reading, "state", value, "stopped, starting, running, stuck or failed");
}

static bool read_role(struct reading *reading, const json_t *object, uint8_t *into)
{
    const json_t *value = json_object_get(object, "role");

    if (!value || json_is_null(value))
        return true;
    for (int i = 0; json_is_string(value) && i < ENGINE_ROLES; i++)
        if (strcmp(json_string_value(value), engine_role_name((enum engine_role)i)) == 0) {
            *into = (uint8_t)i;
            return true;
        }
    return refuse(reading, "role", value, "primary, secondary or none");
}

static uint32_t member_of(const struct script_scene *scene, const char *name)
{
    for (uint32_t i = 0; i < scene->count; i++)
        if (strcmp(scene->members[i].name, name) == 0)
            return scene->members[i].member;
    return 0;
}

/* Whoever follows and is no member is nobody's business here: it is passed over. */
static bool read_followers(struct reading *reading, const json_t *object,
                           struct engine_status *status)
{
    json_t *all = json_object_get(object, "followers"), *one;
    const char *name;

    if (!all || json_is_null(all))
        return true;
    if (!json_is_object(all))
        return refuse(reading, "followers", all, "an object of members");
    json_object_foreach(all, name, one)
    {
        struct engine_follower follower = {.member = member_of(reading->scene, name)};

        if (!json_is_object(one))
            return refuse(reading, "followers", one, "an object of objects");
        if (!read_bool(reading, one, "attached", &follower.attached) ||
            !read_position(reading, one, &follower.position))
            return false;
        if (follower.member != 0 && status->follower_count < GROUP_MEMBERS_MAX)
            status->followers[status->follower_count++] = follower;
    }
    return true;
}

static bool read_progress(struct reading *reading, const json_t *object, uint32_t *into)
{
    const json_t *value = json_object_get(object, "progress");

    if (!value || json_is_null(value))
        return true;
    if (!json_is_number(value) || !(json_number_value(value) >= 0) ||
        !(json_number_value(value) <= 100))
        return refuse(reading, "progress", value, "a number of percent");
    *into = (uint32_t)(json_number_value(value) * SCRIPT_PROGRESS_MAX / 100);
    return true;
}

static bool read_status(struct reading *reading, const json_t *object, struct engine_status *status)
{
    const char *primary = NULL, *sentence = "";

    if (!read_state(reading, object, &status->state) ||
        !read_role(reading, object, &status->role) ||
        !read_bool(reading, object, "writable", &status->writable) ||
        !read_bool(reading, object, "linked", &status->linked) ||
        !read_bool(reading, object, "loading", &status->loading) ||
        !read_count(reading, object, "epoch", &status->epoch) ||
        !read_count(reading, object, "promised", &status->promised) ||
        !read_position(reading, object, &status->position) ||
        !read_text(reading, object, "primary", &primary) ||
        !read_count(reading, object, "lag_bytes", &status->lag_bytes) ||
        !read_progress(reading, object, &status->progress) ||
        !read_followers(reading, object, status) ||
        !read_text(reading, object, "sentence", &sentence))
        return false;
    status->primary = primary ? member_of(reading->scene, primary) : 0;
    set_sentence(status->sentence, sentence);
    return true;
}

/* Whether the status that comes with DONE is what was asked for; NULL: it is. */
static const char *contradiction(const struct engine_order *order,
                                 const struct engine_status *status)
{
    switch (order->verb) {
    case ENGINE_PROMISE:
        return status->promised < order->epoch ? "promised is not the order's epoch" : NULL;
    case ENGINE_PROMOTE:
        if (status->role != ENGINE_PRIMARY)
            return "its role is not primary";
        return status->epoch != order->epoch ? "it is not primary in the order's epoch" : NULL;
    case ENGINE_DEMOTE:
        return status->writable ? "it is still writable" : NULL;
    case ENGINE_FOLLOW:
    case ENGINE_REWIND:
    case ENGINE_COPY:
        if (status->writable)
            return "it is writable";
        return status->epoch != order->epoch ? "it does not follow in the order's epoch" : NULL;
    case ENGINE_STATUS:
    case ENGINE_VERBS:
        break;
    }
    return NULL;
}

static bool read_outcome(struct reading *reading, const json_t *root,
                         const struct engine_order *order, enum engine_outcome *into)
{
    const json_t *value = json_object_get(root, "outcome");
    bool follows = order->verb == ENGINE_FOLLOW || order->verb == ENGINE_REWIND;

    for (int i = 0; json_is_string(value) && i < ENGINE_BROKEN; i++) {
        if (strcmp(json_string_value(value), engine_outcome_name((enum engine_outcome)i)) != 0)
            continue;
        if ((i == ENGINE_DIVERGED && order->verb != ENGINE_FOLLOW) ||
            (i == ENGINE_BEHIND && !follows))
            break;
        *into = (enum engine_outcome)i;
        return true;
    }
    if (value)
        return refuse(reading, "outcome", value, "an outcome of this command");
    snprintf(reading->wrong, sizeof reading->wrong, "it has no \"outcome\"");
    return false;
}

/* The order's number, and its epoch where the answer repeats it. */
static bool is_for(struct reading *reading, const json_t *root, const struct engine_order *order,
                   uint64_t id)
{
    const json_t *number = json_object_get(root, "id"), *epoch = json_object_get(root, "epoch");

    if (!json_is_integer(number) || (uint64_t)json_integer_value(number) != id) {
        char expected[64];

        snprintf(expected, sizeof expected, "%llu, the order's", (unsigned long long)id);
        if (number)
            return refuse(reading, "id", number, expected);
        snprintf(reading->wrong, sizeof reading->wrong, "it has no \"id\"");
        return false;
    }
    if (epoch && !json_is_null(epoch) && order->verb != ENGINE_STATUS &&
        (!json_is_integer(epoch) || (uint64_t)json_integer_value(epoch) != order->epoch))
        return refuse(reading, "epoch", epoch, "the order's");
    return true;
}

static bool read_answer(struct reading *reading, const json_t *root,
                        const struct engine_order *order, uint64_t id, struct engine_answer *answer)
{
    const json_t *status = json_object_get(root, "status");
    const char *sentence = "", *wrong;

    if (!is_for(reading, root, order, id) ||
        !read_outcome(reading, root, order, &answer->outcome) ||
        !read_text(reading, root, "sentence", &sentence))
        return false;
    if (status && !json_is_null(status) && !json_is_object(status))
        return refuse(reading, "status", status, "an object");
    if (json_is_object(status) && !read_status(reading, status, &answer->status))
        return false;
    if (answer->outcome != ENGINE_DONE) {
        set_sentence(answer->sentence, sentence[0] ? sentence : "it gave no reason");
        return true;
    }
    wrong = json_is_object(status) ? contradiction(order, &answer->status) : "it has no \"status\"";
    if (wrong)
        snprintf(reading->wrong, sizeof reading->wrong, "it says done, but %s", wrong);
    return !wrong;
}

void script_read(struct bytes line, const struct engine_order *order, uint64_t id,
                 const struct script_scene *scene, struct engine_answer *answer)
{
    struct reading reading = {.scene = scene};
    char quoted[QUOTED_MAX + 8];
    json_error_t error;
    json_t *root = line.len > SCRIPT_LINE_MAX ? NULL
                                              : json_loadb((const char *)line.at, line.len,
                                                           JSON_REJECT_DUPLICATES, &error);

    *answer = (struct engine_answer){.verb = order->verb, .epoch = order->epoch};
    answer->status.lag_bytes = UINT64_MAX;
    if (!json_is_object(root))
        script_break(order, answer, "the program's answer to %s is no JSON object: `%s`",
                     engine_verb_name(order->verb), script_quote(line, quoted, sizeof quoted));
    else if (!read_answer(&reading, root, order, id, answer))
        script_break(order, answer, "the program's answer to %s makes no sense: %s",
                     engine_verb_name(order->verb), reading.wrong);
    json_decref(root);
}
