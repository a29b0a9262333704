#include "admin/groups.h"

#include "base/must.h"

#include <stdio.h>
#include <string.h>

/* ---- words ---- */

static const char *word_of(const char *const *words, size_t count, uint32_t number)
{
    return number < count ? words[number] : "unknown";
}

static const char *phase_name(uint32_t phase)
{
    static const char *const words[] = {[BOARD_GROUP_UNKNOWN] = "unknown",
                                        [BOARD_GROUP_RECOVERING] = "recovering",
                                        [BOARD_GROUP_PROMOTING] = "promoting",
                                        [BOARD_GROUP_SWITCHING] = "switching",
                                        [BOARD_GROUP_SERVING] = "serving"};

    return word_of(words, ARRAY_LEN(words), phase);
}

static const char *mode_name(uint32_t mode)
{
    static const char *const words[] = {"sync", "semi-sync", "async"};

    return word_of(words, ARRAY_LEN(words), mode);
}

static const char *role_name(uint32_t role)
{
    static const char *const words[] = {"none", "primary", "secondary"};

    return word_of(words, ARRAY_LEN(words), role);
}

static const char *state_name(uint32_t state)
{
    static const char *const words[] = {"unknown", "stopped", "starting",
                                        "running", "stuck",   "failed"};

    return word_of(words, ARRAY_LEN(words), state);
}

/* ---- reading ---- */

/* What was written last; false: nothing yet, it is being written all the time, or it is of the group that had this slot before. */
static bool read_group(const struct admin_scene *scene, const struct admin_group *group,
                       struct board_group *board)
{
    const struct group_record *record = &scene->board->groups[group->slot];

    return board_read(&record->guard, board, &record->board, sizeof *board) &&
           strcmp(board->name, group->name) == 0;
}

static const char *primary_of(const struct board_group *board)
{
    for (uint32_t i = 0; i < board->member_count && i < GROUP_BACKENDS_MAX; i++)
        if (board->primary && board->members[i].member == board->primary)
            return board->members[i].name;
    return NULL;
}

static const char *member_named(const struct board_group *board, uint32_t member)
{
    for (uint32_t i = 0; i < board->member_count && i < GROUP_BACKENDS_MAX; i++)
        if (member && board->members[i].member == member)
            return board->members[i].name;
    return NULL;
}

/* ---- JSON ---- */

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

static void number(struct json *json, const char *key, uint64_t value)
{
    json_key(json, key);
    if (value == UINT64_MAX)
        json_add_null(json);
    else
        json_add_unsigned(json, value);
}

static void write_member(struct json *json, const struct board_group_member *member,
                         uint64_t lag_ms)
{
    json_begin_object(json);
    text(json, "node", member->name);
    text(json, "role", member->heard ? role_name(member->role) : "unheard");
    text(json, "state", member->heard ? state_name(member->state) : "unknown");
    truth(json, "in_sync", member->in_sync);
    truth(json, "eligible", member->eligible);
    truth(json, "linked", member->linked);
    truth(json, "loading", member->loading);
    truth(json, "next", member->chosen);
    number(json, "lag_bytes", member->lag_bytes);
    number(json, "lag_ms", lag_ms);
    json_key(json, "position");
    json_begin_object(json);
    number(json, "epoch", member->position_epoch);
    number(json, "offset", member->position_offset);
    json_end(json);
    text(json, "why_not", member->why_not);
    json_end(json);
}

static uint64_t waiting(const struct admin_scene *scene, uint32_t slot, size_t field)
{
    uint64_t workers = counted(&scene->board->workers), sum = 0;

    for (uint64_t i = 0; i < workers && i < WORKERS_MAX; i++)
        sum += counted(
            (const counter *)(const void *)((const uint8_t *)&scene->board->worker[i].groups[slot] +
                                            field));
    return sum;
}

static void write_clients(struct json *json, const struct admin_scene *scene, uint32_t slot)
{
    static const struct {
        const char *key;
        size_t field;
    } rows[] = {
        {"waiting", offsetof(struct group_counters, waiting)},
        {"held", offsetof(struct group_counters, held)},
        {"released", offsetof(struct group_counters, released)},
        {"expired", offsetof(struct group_counters, expired)},
        {"refused", offsetof(struct group_counters, refused)},
        {"cut", offsetof(struct group_counters, cut)},
    };

    json_key(json, "clients");
    json_begin_object(json);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        number(json, rows[i].key, waiting(scene, slot, rows[i].field));
    json_end(json);
}

static void write_next(struct json *json, const struct board_group *board)
{
    const char *winner = NULL;

    for (uint32_t i = 0; i < board->member_count && i < GROUP_BACKENDS_MAX; i++)
        if (board->members[i].chosen)
            winner = board->members[i].name;
    json_key(json, "next");
    json_begin_object(json);
    text(json, "primary", winner);
    number(json, "loss_bytes", board->loss_bytes);
    json_key(json, "expected_ms");
    if (board->expected_ms < 0)
        json_add_null(json);
    else
        json_add_number(json, board->expected_ms);
    text(json, "why_nobody", board->why_nobody);
    json_end(json);
}

static void write_known(struct json *json, const struct admin_scene *scene, uint32_t slot,
                        const struct board_group *board)
{
    const struct group_record *record = &scene->board->groups[slot];

    text(json, "engine", board->engine);
    text(json, "mode", mode_name(board->mode));
    number(json, "acks", board->acks);
    number(json, "min_in_sync", board->min_in_sync);
    truth(json, "degraded", board->degraded);
    truth(json, "unclean", board->unclean);
    truth(json, "paused", board->paused);
    text(json, "phase", phase_name(board->phase));
    number(json, "epoch", board->epoch);
    number(json, "version", board->version);
    text(json, "primary", primary_of(board));
    text(json, "target", member_named(board, board->target));
    truth(json, "here", counted(&record->here) != 0);
    text(json, "state", board->state[0] ? board->state : NULL);
    text(json, "sentence", board->sentence);
    write_next(json, board);
    json_key(json, "members");
    json_begin_array(json);
    for (uint32_t i = 0; i < board->member_count && i < GROUP_BACKENDS_MAX; i++)
        write_member(json, &board->members[i], counted(&record->lag_ms[i]));
    json_end(json);
}

static void write_group(struct json *json, const struct admin_scene *scene,
                        const struct admin_group *group)
{
    static struct board_group board;

    json_begin_object(json);
    text(json, "name", group->name);
    if (read_group(scene, group, &board)) {
        write_known(json, scene, group->slot, &board);
    } else {
        text(json, "phase", phase_name(BOARD_GROUP_UNKNOWN));
        text(json, "sentence", "the agent has not begun");
    }
    write_clients(json, scene, group->slot);
    json_end(json);
}

void groups_write(const struct admin_scene *scene, struct json *json)
{
    json_begin_array(json);
    for (uint32_t i = 0; i < scene->view->group_count; i++)
        write_group(json, scene, &scene->view->groups[i]);
    json_end(json);
}

void groups_print(const struct admin_scene *scene, struct buf *out)
{
    struct json json;

    json_init(&json, out);
    json_begin_object(&json);
    json_key(&json, "groups");
    groups_write(scene, &json);
    json_end(&json);
    buf_add_byte(out, '\n');
}

/* ---- judgements ---- */

uint32_t groups_down(const struct admin_scene *scene, char *why, size_t cap)
{
    uint32_t down = 0;

    for (uint32_t i = 0; i < scene->view->group_count; i++) {
        const struct admin_group *group = &scene->view->groups[i];
        uint64_t phase = counted(&scene->board->groups[group->slot].phase);

        if (phase == BOARD_GROUP_SERVING || phase == BOARD_GROUP_SWITCHING)
            continue;
        if (down++ == 0)
            snprintf(why, cap, "group %s has no primary that serves: it is %s", group->name,
                     phase_name((uint32_t)phase));
    }
    return down;
}

bool groups_survive(const struct admin_scene *scene, char *why, size_t cap)
{
    static struct board_group board;

    for (uint32_t i = 0; i < scene->view->group_count; i++) {
        const struct admin_group *group = &scene->view->groups[i];

        if (!read_group(scene, group, &board)) {
            snprintf(why, cap, "who would follow in group %s is not known: the agent has not begun",
                     group->name);
            return false;
        }
        if (!board.why_nobody[0])
            continue;
        snprintf(why, cap, "group %s has no second primary: %.160s", group->name, board.why_nobody);
        return false;
    }
    return true;
}
