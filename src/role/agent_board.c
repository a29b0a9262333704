/*
 * From what the cluster knows to what the other processes of this node read. The lease records come first and alone: whoever acts under a
 * lease looks at nothing else.
 */
#include "role/agent_cluster.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)BOARD_NAME_MAX == (int)CLUSTER_NAME_MAX, "names fit");
_Static_assert((int)BOARD_RESOURCE_MAX == (int)CLUSTER_RESOURCE_MAX, "resources fit");
_Static_assert((int)BOARD_SENTENCE_MAX == (int)CLUSTER_SENTENCE_MAX, "sentences fit");
_Static_assert((int)BOARD_LEASES_MAX == (int)CLUSTER_LEASES_MAX, "leases fit");
_Static_assert((int)BOARD_LINKED_MAX == (int)CLUSTER_NODES_MAX, "links fit");
_Static_assert((int)BOARD_NODES_MAX == 2 * (int)CLUSTER_NODES_MAX, "nodes fit");
_Static_assert((int)BOARD_OPENING == (int)CLUSTER_OPENING &&
                   (int)BOARD_BLANK == (int)CLUSTER_BLANK &&
                   (int)BOARD_FOUNDING == (int)CLUSTER_FOUNDING &&
                   (int)BOARD_MEMBER == (int)CLUSTER_MEMBER &&
                   (int)BOARD_REMOVED == (int)CLUSTER_REMOVED &&
                   (int)BOARD_HALTED == (int)CLUSTER_HALTED,
               "states have the same numbers");
_Static_assert((int)BOARD_NONE == (int)CLUSTER_NONE && (int)BOARD_LEARNER == (int)CLUSTER_LEARNER &&
                   (int)BOARD_FOLLOWER == (int)CLUSTER_FOLLOWER &&
                   (int)BOARD_CANDIDATE == (int)CLUSTER_CANDIDATE &&
                   (int)BOARD_LEADER == (int)CLUSTER_LEADER,
               "roles have the same numbers");
_Static_assert((int)BOARD_UNHEARD == (int)CLUSTER_UNHEARD &&
                   (int)BOARD_ALIVE == (int)CLUSTER_ALIVE &&
                   (int)BOARD_SUSPECTED == (int)CLUSTER_SUSPECTED &&
                   (int)BOARD_DEAD == (int)CLUSTER_DEAD,
               "healths have the same numbers");

#define COPY(to, from) snprintf((to), sizeof(to), "%s", (from))

static uint32_t flags_of(const struct cluster_member_view *member, bool self)
{
    const struct {
        bool is;
        enum board_node_flag flag;
    } rows[] = {
        {member->voter || member->witness, BOARD_VOTER},
        {member->witness, BOARD_WITNESS},
        {member->in_file, BOARD_IN_FILE},
        {member->blank, BOARD_IS_BLANK},
        {member->linked, BOARD_LINKED},
        {member->config_differs, BOARD_DIFFERS},
        {member->tilted, BOARD_TILTED},
        {member->disk_full, BOARD_DISK_FULL},
        {self, BOARD_SELF},
    };
    uint32_t flags = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        flags |= rows[i].is ? (uint32_t)rows[i].flag : 0;
    return flags;
}

static void show_node(struct board_node *node, const struct cluster_member_view *member, bool self)
{
    COPY(node->name, member->name);
    COPY(node->zone, member->zone);
    COPY(node->address, member->address);
    COPY(node->sentence, member->sentence);
    node->member = member->member;
    node->incarnation = (uint32_t)member->incarnation;
    node->role = (uint16_t)member->role;
    node->health = (uint16_t)member->health;
    node->flags = flags_of(member, self);
    node->phi_hundredths = member->phi_hundredths;
    node->heard_ms = member->heard_ms;
    node->rtt_us = member->rtt_us;
    node->applied = member->applied;
    node->level = member->level;
    node->match = member->match;
}

static void show_links(struct cluster_board *board, const struct cluster_view *view)
{
    for (uint32_t from = 0; from < CLUSTER_NODES_MAX; from++)
        for (uint32_t to = 0; to < CLUSTER_NODES_MAX; to++) {
            const struct cluster_link_view *link = &view->links[from][to];

            board->links[from][to] = (struct board_link){
                .heard_ms = (int32_t)(link->heard_ms > INT32_MAX ? INT32_MAX : link->heard_ms),
                .known = link->known,
                .suspected = link->suspected};
        }
}

static void show_leases(struct cluster_board *board, const struct cluster_view *view)
{
    for (uint32_t i = 0; i < CLUSTER_LEASES_MAX; i++) {
        const struct cluster_lease_view *lease = &view->leases[i];

        if (!lease->exists)
            continue;
        COPY(board->leases[i].resource, lease->resource);
        COPY(board->leases[i].holder, lease->holder);
        board->leases[i].until = lease->until.ns;
        board->leases[i].here = lease->here;
    }
}

static void show_position(struct cluster_board *board, const struct cluster_view *view)
{
    board->cluster_id = view->cluster_id;
    board->self = view->self;
    board->leader_member = view->leader_member;
    board->incarnation = (uint32_t)view->incarnation;
    board->state = (uint16_t)view->state;
    board->role = (uint16_t)view->role;
    board->term = view->term;
    board->commit = view->commit;
    board->applied = view->applied;
    board->last = view->last;
    board->stored = view->stored;
    board->version = view->document_version;
    board->level = view->level;
    board->level_next = view->level_next;
    board->established = view->established;
    board->quorum = view->quorum;
    board->tilted = view->tilted;
    board->survives = view->survives;
    board->voters = view->voters;
    board->voters_alive = view->voters_alive;
    board->voters_needed = view->voters_needed;
    board->asks = view->asks;
}

static void show_view(struct cluster_board *board, const struct cluster_view *view)
{
    COPY(board->cluster, view->cluster);
    COPY(board->node, view->node);
    COPY(board->leader, view->leader);
    COPY(board->sentence, view->sentence);
    COPY(board->survives_not, view->survives_not);
    show_position(board, view);
    board->node_count = view->member_count;
    for (uint32_t i = 0; i < view->member_count; i++)
        show_node(&board->nodes[i], &view->members[i],
                  strcmp(view->members[i].name, view->node) == 0);
    show_links(board, view);
    show_leases(board, view);
}

/* There should be a cluster, and it could not be opened. */
static void show_why_not(struct cluster_board *board, const struct agent_cluster *agent)
{
    struct image image = agent->generation->image;

    COPY(board->cluster, image_string(image, agent->generation->config->cluster));
    COPY(board->node, agent->role->node);
    COPY(board->sentence, agent->sentence);
    board->state = BOARD_HALTED;
}

void agent_show(struct agent_cluster *agent)
{
    static struct cluster_board board;
    struct cluster_record *record = &agent->role->board->cluster;

    if (!agent->cluster && (!agent->sentence[0] || !config_has_peers(agent->generation->config)))
        return;
    memset(&board, 0, sizeof board);
    if (agent->cluster)
        show_view(&board, cluster_view(agent->cluster));
    else
        show_why_not(&board, agent);
    board_publish(&record->guard, &record->board, &board, sizeof board);
    atomic_store_explicit(&record->at, (uint64_t)loop_now(agent->role->loop).ns,
                          memory_order_relaxed);
}

/* ---- leases ---- */

void agent_show_lease(struct scoreboard *board, uint32_t slot, const char *resource,
                      struct instant until)
{
    struct lease_record *record = &board->leases[slot];
    char name[BOARD_RESOURCE_MAX] = {0}, before[BOARD_RESOURCE_MAX] = {0};

    COPY(name, resource);
    if (!board_read(&record->guard, before, record->resource, sizeof before) ||
        memcmp(name, before, sizeof name) != 0) {
        /* Nobody may take the end of one lease for that of another. */
        atomic_store_explicit(&record->until, 0, memory_order_release);
        board_publish(&record->guard, record->resource, name, sizeof name);
    }
    if (until.ns != 0 && counted(&record->until) == 0)
        count(&record->epoch, 1);
    atomic_store_explicit(&record->until, (uint64_t)until.ns, memory_order_release);
}

void agent_show_no_leases(struct scoreboard *board)
{
    for (uint32_t i = 0; i < BOARD_LEASES_MAX; i++)
        if (counted(&board->leases[i].until) != 0)
            atomic_store_explicit(&board->leases[i].until, 0, memory_order_release);
}
