#include "admin/cluster.h"

#include "admin/addresses.h"

#include "base/must.h"

#include <stdio.h>

/* ---- words ---- */

static const char *word_of(const char *const *words, size_t count, uint16_t number)
{
    return number < count ? words[number] : "unknown";
}

static const char *state_name(uint16_t state)
{
    static const char *const words[] = {"opening", "blank",   "founding",
                                        "member",  "removed", "halted"};

    return word_of(words, ARRAY_LEN(words), state);
}

static const char *role_name(uint16_t role)
{
    static const char *const words[] = {"none", "learner", "follower", "candidate", "leader"};

    return word_of(words, ARRAY_LEN(words), role);
}

static const char *vote_name(const struct board_node *node)
{
    if (node->member == 0)
        return "none";
    if (node->flags & BOARD_WITNESS)
        return "witness";
    return node->flags & BOARD_VOTER ? "voter" : "learner";
}

static const char *node_state(const struct board_node *node)
{
    static const char *const words[] = {"unheard", "alive", "suspected", "dead"};

    if (node->flags & BOARD_SELF)
        return node->flags & BOARD_IS_BLANK ? "blank" : "alive";
    if (node->health == BOARD_ALIVE && (node->flags & BOARD_IS_BLANK))
        return "blank";
    return word_of(words, ARRAY_LEN(words), node->health);
}

/* ---- judgements ---- */

bool cluster_is_stale(const struct admin_scene *scene)
{
    return scene->cluster && scene->cluster_age_ms > CLUSTER_STALE_MS;
}

const char *cluster_survives_not(const struct admin_scene *scene)
{
    const struct cluster_board *board = scene->cluster;

    if (!board)
        return NULL;
    if (cluster_is_stale(scene))
        return "the agent has stopped, so nobody knows how the cluster is";
    if (!board->quorum)
        return "the cluster has no quorum";
    if (board->survives)
        return NULL;
    return board->survives_not[0] ? board->survives_not : "the cluster would lose its quorum";
}

static void add_silent_voters(const struct cluster_board *board, struct buf *out)
{
    const char *between = "";

    for (uint32_t i = 0; i < board->node_count; i++) {
        const struct board_node *node = &board->nodes[i];

        if (!(node->flags & BOARD_VOTER) || (node->flags & BOARD_SELF) ||
            node->health == BOARD_ALIVE)
            continue;
        buf_print(out, "%s%s", between, node->name);
        between = ", ";
    }
}

static void say_no_quorum(const struct cluster_board *board, struct buf *out)
{
    buf_print(out, "no quorum: %u of %u voters are heard, %u are needed", board->voters_alive,
              board->voters, board->voters_needed);
    if (board->voters_alive < board->voters) {
        buf_add_string(out, "; missing: ");
        add_silent_voters(board, out);
        buf_add_string(out, "; start nines there or mend the network, and it goes on by itself; if "
                            "they are lost for good, `nines node recover`");
    } else {
        buf_add_string(out, "; they are electing a leader");
    }
}

const char *cluster_missing(const struct admin_scene *scene, char *text)
{
    const struct cluster_board *board = scene->cluster;
    struct buf out;

    text[0] = '\0';
    if (!board || (board->quorum && board->state == BOARD_MEMBER && !cluster_is_stale(scene)))
        return text;
    buf_over(&out, text, CLUSTER_MISSING_MAX - 1);
    if (cluster_is_stale(scene))
        buf_print(&out, "the agent has said nothing for %lld s; `nines status` shows its process",
                  (long long)(scene->cluster_age_ms / 1000));
    else if (board->state == BOARD_MEMBER && board->voters > 0)
        say_no_quorum(board, &out);
    else
        buf_print(&out, "%s%s%s", state_name(board->state), board->sentence[0] ? ": " : "",
                  board->sentence);
    text[out.len] = '\0';
    return text;
}

/* ---- JSON ---- */

static void number(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_add_number(json, value);
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

/* How long ago, by now: what was written is as old as the record. */
static void ago(struct json *json, const char *key, int64_t ms, int64_t age_ms)
{
    json_key(json, key);
    if (ms < 0)
        json_add_null(json);
    else
        json_add_number(json, ms + age_ms);
}

static void write_node(struct json *json, const struct admin_scene *scene,
                       const struct board_node *node)
{
    bool self = (node->flags & BOARD_SELF) != 0;

    json_begin_object(json);
    text(json, "name", node->name);
    text(json, "zone", node->zone);
    text(json, "address", node->address);
    text(json, "role", vote_name(node));
    truth(json, "leads", node->member != 0 && node->member == scene->cluster->leader_member);
    truth(json, "self", self);
    text(json, "state", node_state(node));
    ago(json, "heard_ms", self ? -1 : node->heard_ms, scene->cluster_age_ms);
    json_key(json, "phi");
    json_add_double(json, (double)node->phi_hundredths / 100);
    number(json, "member", node->member);
    number(json, "incarnation", node->incarnation);
    number(json, "rtt_us", node->rtt_us);
    truth(json, "linked", (node->flags & BOARD_LINKED) != 0);
    truth(json, "in_file", (node->flags & BOARD_IN_FILE) != 0);
    truth(json, "configuration_differs", (node->flags & BOARD_DIFFERS) != 0);
    truth(json, "tilted", (node->flags & BOARD_TILTED) != 0);
    truth(json, "disk_full", (node->flags & BOARD_DISK_FULL) != 0);
    number(json, "applied", (int64_t)node->applied);
    number(json, "match", (int64_t)node->match);
    number(json, "level", node->level);
    truth(json, "too_old", node->level != 0 && node->level < scene->cluster->level);
    text(json, "sentence", node->sentence);
    json_end(json);
}

static void write_link(struct json *json, const struct admin_scene *scene, uint32_t from,
                       uint32_t to)
{
    const struct board_link *link = &scene->cluster->links[from][to];

    json_begin_object(json);
    text(json, "from", scene->cluster->nodes[to].name);
    text(json, "to", scene->cluster->nodes[from].name);
    ago(json, "heard_ms", link->heard_ms, scene->cluster_age_ms);
    truth(json, "suspected", link->suspected != 0);
    json_end(json);
}

/* A link is named by the way that its beats go: `from` was heard at `to`. */
static void write_links(struct json *json, const struct admin_scene *scene)
{
    uint32_t count = scene->cluster->node_count;

    json_key(json, "links");
    json_begin_array(json);
    for (uint32_t from = 0; from < count && from < BOARD_LINKED_MAX; from++)
        for (uint32_t to = 0; to < count && to < BOARD_LINKED_MAX; to++)
            if (from != to && scene->cluster->links[from][to].known)
                write_link(json, scene, from, to);
    json_end(json);
}

static void write_leases(struct json *json, const struct admin_scene *scene)
{
    json_key(json, "leases");
    json_begin_array(json);
    for (uint32_t i = 0; i < BOARD_LEASES_MAX; i++) {
        const struct board_lease *lease = &scene->cluster->leases[i];
        int64_t left_ns = lease->until - scene->boot_ns;

        if (!lease->resource[0])
            continue;
        json_begin_object(json);
        text(json, "lease", lease->resource);
        text(json, "holder", lease->holder[0] ? lease->holder : NULL);
        truth(json, "here", lease->here != 0);
        json_key(json, "remaining_ms");
        if (lease->until == 0)
            json_add_null(json);
        else
            json_add_number(json, left_ns > 0 ? left_ns / NS_PER_MS : 0);
        json_end(json);
    }
    json_end(json);
}

static void write_position(struct json *json, const struct cluster_board *board)
{
    char id[24];

    snprintf(id, sizeof id, "%016llx", (unsigned long long)board->cluster_id);
    text(json, "id", board->cluster_id ? id : NULL);
    number(json, "member", board->self);
    number(json, "incarnation", board->incarnation);
    number(json, "term", (int64_t)board->term);
    number(json, "commit", (int64_t)board->commit);
    number(json, "applied", (int64_t)board->applied);
    number(json, "last", (int64_t)board->last);
    number(json, "stored", (int64_t)board->stored);
    number(json, "version", (int64_t)board->version);
    number(json, "level", board->level);
    number(json, "level_next", board->level_next);
    number(json, "asks", board->asks);
}

static void write_board(struct json *json, const struct admin_scene *scene)
{
    const struct cluster_board *board = scene->cluster;
    const char *survives_not = cluster_survives_not(scene);
    char missing[CLUSTER_MISSING_MAX];

    text(json, "state", state_name(board->state));
    text(json, "sentence", cluster_missing(scene, missing));
    text(json, "cluster", board->cluster);
    text(json, "node", board->node);
    text(json, "role", role_name(board->role));
    text(json, "leader", board->leader[0] ? board->leader : NULL);
    truth(json, "quorum", board->quorum && !cluster_is_stale(scene));
    truth(json, "established", board->established);
    truth(json, "tilted", board->tilted);
    number(json, "voters", board->voters);
    number(json, "voters_alive", board->voters_alive);
    number(json, "voters_needed", board->voters_needed);
    truth(json, "survives_one_failure", !survives_not);
    text(json, "why", survives_not ? survives_not : "");
    number(json, "age_ms", scene->cluster_age_ms);
    write_position(json, board);
    json_key(json, "nodes");
    json_begin_array(json);
    for (uint32_t i = 0; i < board->node_count && i < BOARD_NODES_MAX; i++)
        write_node(json, scene, &board->nodes[i]);
    json_end(json);
    write_links(json, scene);
    write_leases(json, scene);
    json_key(json, "addresses");
    addresses_write(scene, json);
}

/* The agent has left no view yet, or will leave none. */
static void write_nothing(struct json *json, uint32_t nodes)
{
    text(json, "state", nodes > 1 ? "opening" : "none");
    text(json, "sentence",
         nodes > 1    ? "the agent has not begun"
         : nodes == 1 ? "this node has no state, so it has no leases and no timeline"
                      : "the configuration names no nodes, so there is no cluster");
    truth(json, "quorum", false);
    json_key(json, "nodes");
    json_begin_array(json);
    json_end(json);
}

void cluster_write(const struct admin_scene *scene, struct json *json)
{
    json_begin_object(json);
    if (scene->cluster) {
        write_board(json, scene);
    } else {
        write_nothing(json, scene->view->nodes);
    }
    json_end(json);
}

void cluster_print(const struct admin_scene *scene, struct buf *out)
{
    struct json json;

    json_init(&json, out);
    cluster_write(scene, &json);
    buf_add_byte(out, '\n');
}
