/*
 * From what this node knows of its groups to what people read.
 */
#include "role/agent_groups.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)BOARD_GROUP_UNKNOWN == (int)GROUP_UNKNOWN &&
                   (int)BOARD_GROUP_RECOVERING == (int)GROUP_RECOVERING &&
                   (int)BOARD_GROUP_PROMOTING == (int)GROUP_PROMOTING &&
                   (int)BOARD_GROUP_SWITCHING == (int)GROUP_SWITCHING &&
                   (int)BOARD_GROUP_SERVING == (int)GROUP_SERVING,
               "phases have the same numbers");
_Static_assert((int)GROUP_BACKENDS_MAX == (int)GROUP_MEMBERS_MAX, "members fit");
_Static_assert((int)GROUPS_MAX == (int)GROUPS_MAX_OPEN, "groups fit");
_Static_assert(sizeof(struct board_group) % 8 == 0, "a record is whole words");

#define COPY(to, from) snprintf((to), sizeof(to), "%s", (from))

static void show_member(struct board_group_member *member, const struct groups_view *view,
                        uint32_t place, const char *name)
{
    const struct groups_member_view *from = &view->members[place];
    uint32_t id = view->ids[place];

    COPY(member->name, name);
    COPY(member->why_not, from->why_not);
    member->member = id;
    member->in_sync = id && life_set_find(&view->body.in_sync, id) >= 0;
    member->eligible = id && life_set_find(&view->body.eligible, id) >= 0;
    member->heard = from->heard;
    member->chosen = view->winner == place + 1;
    member->lag_bytes = UINT64_MAX;
    if (!from->heard)
        return;
    member->state = from->report.state;
    member->role = from->report.role;
    member->linked = from->report.linked;
    member->loading = from->report.loading;
    member->position_epoch = from->report.position.epoch;
    member->position_offset = from->report.position.offset;
    member->lag_bytes = from->report.lag_bytes;
    if (!member->why_not[0] && !from->eligible)
        COPY(member->why_not, from->report.sentence);
}

static const char *const engines[ENGINE_KINDS] = {"script", "store"};

static void show_group(const struct agent_group *place, struct board_group *board)
{
    struct image image = place->owner->agent->generation->image;
    const struct config *config = config_of(image);
    const struct config_node *nodes = image_items(image, config->nodes, sizeof *nodes);
    static struct groups_view view;

    groups_view(place->owner->groups, place->slot, &view);
    COPY(board->name, image_string(image, place->config->replication.item.name));
    COPY(board->engine, engines[place->config->engine.kind]);
    board->mode = view.exists ? view.body.mode : (uint8_t)place->config->replication.mode;
    board->acks = view.body.acks;
    board->min_in_sync = view.body.min_in_sync;
    board->degraded = view.body.degraded;
    board->unclean = view.body.unclean;
    board->paused = view.paused;
    board->phase = (uint8_t)view.phase;
    board->failover = view.failover;
    board->epoch = view.epoch;
    board->version = view.version;
    board->primary = view.body.primary;
    board->target = view.body.target;
    board->expected_ms = view.expected_ms;
    board->loss_bytes = view.loss_bytes;
    COPY(board->why_nobody, view.outlook ? view.why_nobody : "no leader is heard that could say");
    if (view.own) {
        COPY(board->state, replica_state_name(view.state));
        COPY(board->sentence, view.sentence);
    }
    board->member_count = place->config->member_count;
    for (uint32_t i = 0; i < board->member_count; i++)
        show_member(&board->members[i], &view, i,
                    image_string(image, nodes[place->config->members[i].node].item.name));
}

void agent_groups_show(struct agent_groups *part)
{
    struct scoreboard *board = part->agent->role->board;
    static struct board_group group;

    for (uint32_t i = 0; part->groups && i < GROUPS_MAX; i++) {
        if (!part->places[i].present)
            continue;
        memset(&group, 0, sizeof group);
        show_group(&part->places[i], &group);
        board_publish(&board->groups[i].guard, &board->groups[i].board, &group, sizeof group);
    }
}
