/*
 * What the monitor asks of the agent, from a query to an answer in JSON. Every question is answered once, within the time that it says.
 */
#include "admin/query.h"
#include "base/json.h"
#include "base/text.h"
#include "cluster/command.h"
#include "cluster/document.h"
#include "role/agent_groups.h"

#include <stdio.h>
#include <string.h>

enum {
    TIMEOUT_MS = 5000, /* where the question says none */
    TIMEOUT_MAX_MS = 60000,
    ANSWER_BYTES_MAX = 256 << 10,
};

/* ---- answering ---- */

static void send(struct agent_cluster *agent, uint32_t id, uint16_t status, struct bytes json)
{
    /* A monitor that does not read is told nothing more; it asks with a deadline of its own. */
    (void)!link_send(&agent->monitor, id, status, json);
}

void agent_refuse(struct agent_cluster *agent, uint32_t id, uint16_t status, const char *sentence)
{
    uint8_t storage[2048];
    struct json json;
    struct buf out;

    buf_over(&out, storage, sizeof storage);
    json_init(&json, &out);
    json_begin_object(&json);
    json_key(&json, "error");
    json_add_string(&json, sentence);
    json_end(&json);
    buf_add_byte(&out, '\n');
    send(agent, id, status, buf_bytes(&out));
}

static struct agent_ask *take_place(struct agent_cluster *agent, uint32_t id)
{
    for (uint32_t i = 0; i < AGENT_ASKS_MAX; i++) {
        if (agent->asks[i].owner)
            continue;
        agent->asks[i] = (struct agent_ask){.owner = agent, .id = id};
        return &agent->asks[i];
    }
    agent_refuse(agent, id, 503, "too many questions are under way");
    return NULL;
}

void agent_forget_monitor(struct agent_cluster *agent)
{
    for (uint32_t i = 0; i < AGENT_ASKS_MAX; i++)
        agent->asks[i].lost = true;
}

/* ---- what the cluster is asked ---- */

static uint16_t status_of(enum cluster_outcome outcome)
{
    switch (outcome) {
    case CLUSTER_DONE:
        return 200;
    case CLUSTER_REFUSED:
        return 409;
    case CLUSTER_NO_QUORUM:
        return 503;
    case CLUSTER_UNKNOWN:
    case CLUSTER_OUTCOMES:
        break;
    }
    return 504;
}

static void add_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_add_string(json, text);
}

static void add_number(struct json *json, const char *key, uint64_t number)
{
    json_key(json, key);
    json_add_unsigned(json, number);
}

static void on_done(void *context, const struct cluster_answer *answer)
{
    struct agent_ask *ask = context;
    struct agent_cluster *agent = ask->owner;
    uint8_t storage[4096];
    struct json json;
    struct buf out;

    ask->owner = NULL;
    if (answer->outcome != CLUSTER_DONE)
        count(&agent->role->board->cluster.proposals_failed, 1);
    if (ask->lost)
        return;
    buf_over(&out, storage, sizeof storage);
    json_init(&json, &out);
    json_begin_object(&json);
    add_text(&json, "outcome", cluster_outcome_name(answer->outcome));
    add_text(&json, "by", answer->by[0] ? answer->by : NULL);
    if (answer->outcome != CLUSTER_DONE)
        add_text(&json, "error", answer->sentence);
    add_number(&json, "index", answer->index);
    add_number(&json, "term", answer->term);
    add_number(&json, "version", answer->version);
    json_end(&json);
    buf_add_byte(&out, '\n');
    send(agent, ask->id, status_of(answer->outcome), buf_bytes(&out));
}

int64_t agent_timeout_of(struct bytes query)
{
    char text[TEXT_QUANTITY_MAX];
    int64_t ms;

    if (!query_value(query, "timeout", text, sizeof text) ||
        !(text_parse_number(bytes_of_string(text), &ms) ||
          text_parse_duration(bytes_of_string(text), &ms)) ||
        ms < 1)
        return TIMEOUT_MS;
    return ms > TIMEOUT_MAX_MS ? TIMEOUT_MAX_MS : ms;
}

static void ask_cluster(struct agent_cluster *agent, uint32_t id, struct bytes query,
                        struct cluster_ask *what)
{
    struct agent_ask *ask = take_place(agent, id);

    if (!ask)
        return;
    count(&agent->role->board->cluster.proposals, 1);
    what->timeout_ms = agent_timeout_of(query);
    cluster_ask(agent->cluster, what, on_done, ask);
}

static void ask_about_node(struct agent_cluster *agent, uint32_t id, enum cluster_ask_kind kind,
                           struct bytes query)
{
    char node[CLUSTER_NAME_MAX] = "";
    struct cluster_ask what = {.kind = kind, .node = node};

    if (!query_value(query, "node", node, sizeof node) && kind != CLUSTER_TRANSFER)
        agent_refuse(agent, id, 400, "the question names no node");
    else
        ask_cluster(agent, id, query, &what);
}

static void ask_about_lease(struct agent_cluster *agent, uint32_t id, enum cluster_ask_kind kind,
                            struct bytes query)
{
    char resource[CLUSTER_RESOURCE_MAX];
    struct cluster_ask what = {.kind = kind, .resource = resource};

    if (!query_value(query, "lease", resource, sizeof resource))
        agent_refuse(agent, id, 400, "a lease has a name of 1 to 127 characters");
    else
        ask_cluster(agent, id, query, &what);
}

static void ask_to_recover(struct agent_cluster *agent, uint32_t id, struct bytes query)
{
    struct cluster_ask what = {.kind = CLUSTER_RECOVER};

    if (query_has(query, "accept_loss", "true"))
        ask_cluster(agent, id, query, &what);
    else
        agent_refuse(agent, id, 409,
                     "what only the other nodes have would be lost: accept_loss=true says that you "
                     "accept it");
}

/* ---- overrides ---- */

static bool is_own(const char *key)
{
    return strncmp(key, CLUSTER_OWN, strlen(CLUSTER_OWN)) == 0;
}

static void ask_about_override(struct agent_cluster *agent, uint32_t id, bool set,
                               struct bytes query)
{
    struct document_command command = {
        .kind = (uint16_t)(set ? COMMAND_OVERRIDE_SET : COMMAND_OVERRIDE_CLEAR)};
    struct cluster_ask what = {.kind = CLUSTER_COMMAND, .command = &command};
    const struct document_override *before;

    if (!query_value(query, "key", command.override.key, sizeof command.override.key) ||
        (set &&
         !query_value(query, "value", command.override.value, sizeof command.override.value))) {
        agent_refuse(agent, id, 400,
                     "an override has a key of at most 64 characters, and a value of 256");
        return;
    }
    if (is_own(command.override.key)) {
        agent_refuse(agent, id, 400,
                     "overrides that begin with '" CLUSTER_OWN
                     "' are the cluster's own: they follow the file");
        return;
    }
    before = document_override(cluster_document(agent->cluster), command.override.key);
    command.based_on = before ? before->version : 0;
    ask_cluster(agent, id, query, &what);
}

/* Those that people set. */
static void list_overrides(struct agent_cluster *agent, uint32_t id)
{
    const struct document *document = cluster_document(agent->cluster);
    struct json json;
    struct buf out;

    buf_init(&out, ANSWER_BYTES_MAX);
    json_init(&json, &out);
    json_begin_object(&json);
    json_key(&json, "overrides");
    json_begin_array(&json);
    for (uint32_t i = 0; i < document->override_count; i++) {
        if (is_own(document->overrides[i].key))
            continue;
        json_begin_object(&json);
        add_text(&json, "key", document->overrides[i].key);
        add_text(&json, "value", document->overrides[i].value);
        add_number(&json, "version", document->overrides[i].version);
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
    buf_add_byte(&out, '\n');
    send(agent, id, 200, buf_bytes(&out));
    buf_fini(&out);
}

/* ---- groups ---- */

static void on_ordered(void *context, const struct groups_reply *reply)
{
    struct agent_ask *ask = context;
    struct agent_cluster *agent = ask->owner;
    uint8_t storage[2048];
    struct json json;
    struct buf out;

    ask->owner = NULL;
    if (ask->lost)
        return;
    buf_over(&out, storage, sizeof storage);
    json_init(&json, &out);
    json_begin_object(&json);
    add_text(&json, "outcome",
             reply->done      ? "done"
             : reply->by[0]   ? "refused"
             : reply->reached ? "unknown"
                              : "no-quorum");
    add_text(&json, "by", reply->by[0] ? reply->by : NULL);
    add_text(&json, reply->done ? "sentence" : "error", reply->sentence);
    json_end(&json);
    buf_add_byte(&out, '\n');
    send(agent, ask->id,
         reply->done      ? 200
         : reply->by[0]   ? 409
         : reply->reached ? 504
                          : 503,
         buf_bytes(&out));
}

static void ask_about_group(struct agent_cluster *agent, uint32_t id, enum groups_order_kind kind,
                            struct bytes query)
{
    struct groups_order order = {.kind = kind,
                                 .accept_loss = query_has(query, "accept_loss", "true")};
    struct agent_ask *ask;

    if (!query_value(query, "group", order.group, sizeof order.group)) {
        agent_refuse(agent, id, 400, "the question names no group");
        return;
    }
    if (!query_value(query, "to", order.to, sizeof order.to))
        order.to[0] = '\0';
    ask = take_place(agent, id);
    if (!ask ||
        groups_order(agent->groups->groups, &order, agent_timeout_of(query), on_ordered, ask))
        return;
    ask->owner = NULL;
    agent_refuse(agent, id, 503, "too many orders are under way");
}

/* ---- events ---- */

static void on_events(void *context, uint16_t status, struct bytes json)
{
    struct agent_ask *ask = context;
    struct agent_cluster *agent = ask->owner;

    ask->owner = NULL;
    if (!ask->lost)
        send(agent, ask->id, status, json);
}

static void ask_events(struct agent_cluster *agent, uint32_t id, struct bytes query)
{
    struct agent_ask *ask = take_place(agent, id);

    if (!ask || events_ask(agent->events, query, on_events, ask))
        return;
    ask->owner = NULL;
    agent_refuse(agent, id, 503, "too many ask for events at once");
}

/* ---- all of them ---- */

static void ask_of_verb(struct agent_cluster *agent, uint32_t id, enum admin_verb verb,
                        struct bytes query)
{
    switch (verb) {
    case ADMIN_NODE_ADD:
        ask_about_node(agent, id, CLUSTER_NODE_ADD, query);
        return;
    case ADMIN_NODE_REMOVE:
        ask_about_node(agent, id, CLUSTER_NODE_REMOVE, query);
        return;
    case ADMIN_LEADER_TRANSFER:
        ask_about_node(agent, id, CLUSTER_TRANSFER, query);
        return;
    case ADMIN_NODE_RECOVER:
        ask_to_recover(agent, id, query);
        return;
    case ADMIN_LEASE_TAKE:
        ask_about_lease(agent, id, CLUSTER_LEASE_TAKE, query);
        return;
    case ADMIN_LEASE_RELEASE:
        ask_about_lease(agent, id, CLUSTER_LEASE_RELEASE, query);
        return;
    case ADMIN_OVERRIDE_SET:
        ask_about_override(agent, id, true, query);
        return;
    case ADMIN_OVERRIDE_CLEAR:
        ask_about_override(agent, id, false, query);
        return;
    case ADMIN_OVERRIDES:
        list_overrides(agent, id);
        return;
    case ADMIN_ADDRESS_MOVE:
        agent_addresses_move(&agent->addresses, id, query);
        return;
    case ADMIN_GROUP_SWITCHOVER:
        ask_about_group(agent, id, GROUPS_SWITCHOVER, query);
        return;
    case ADMIN_GROUP_FAILOVER:
        ask_about_group(agent, id, GROUPS_FAILOVER, query);
        return;
    case ADMIN_NOTHING:
    case ADMIN_EVENTS:
    case ADMIN_VERBS:
        break;
    }
    agent_refuse(agent, id, 400, "the agent does not know the question");
}

void agent_answer_monitor(struct agent_cluster *agent, uint32_t id, enum admin_verb verb,
                          struct bytes query)
{
    if (!config_own_node(agent->generation->image))
        agent_refuse(agent, id, 404, "the configuration names no nodes, so there is no cluster");
    else if (agent->stopping)
        agent_refuse(agent, id, 503, "this node is stopping");
    else if (verb == ADMIN_EVENTS && agent->events)
        ask_events(agent, id, query);
    else if (!agent->cluster)
        agent_refuse(agent, id, 503, agent->sentence);
    else
        ask_of_verb(agent, id, verb, query);
}
