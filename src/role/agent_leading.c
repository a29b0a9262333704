/*
 * The leader's part in virtual addresses: shows failover/address what there is, and has done what it answers. It has no opinion.
 *
 * What is under way is not asked for twice; what failed is answered again by the core, for as long as it is wanted.
 */
#include "base/pack.h"
#include "cluster/command.h"
#include "cluster/document.h"
#include "role/agent_addresses.h"
#include "role/agent_cluster.h"
#include "role/log.h"

#include <stdio.h>
#include <string.h>

enum {
    ASK_MS = 1000,   /* for one try; a lease that is to be waited for is asked for again */
    FRESH_BEATS = 5, /* heartbeats after which a word counts no more */
};

static struct instant now_of(const struct agent_addresses *addresses)
{
    return loop_now(addresses->agent->role->loop);
}

static const struct config_node *nodes_of(const struct agent_addresses *addresses, uint32_t *count)
{
    const struct role_generation *generation = addresses->agent->generation;

    *count = generation->config->nodes.count;
    return image_items(generation->image, generation->config->nodes, sizeof(struct config_node));
}

static const char *node_name(const struct agent_addresses *addresses, uint8_t n)
{
    uint32_t count;
    const struct config_node *nodes = nodes_of(addresses, &count);

    return n < count ? image_string(addresses->agent->generation->image, nodes[n].item.name)
                     : "nobody";
}

static uint8_t node_named(const struct agent_addresses *addresses, const char *name)
{
    uint32_t count;

    (void)nodes_of(addresses, &count);
    for (uint32_t n = 0; n < count; n++)
        if (strcmp(node_name(addresses, (uint8_t)n), name) == 0)
            return (uint8_t)n;
    return ADDRESS_STRANGER;
}

static const char *address_name(const struct agent_addresses *addresses, uint32_t a)
{
    uint32_t count;
    const struct config_address *rows = agent_addresses_rows(addresses, &count);

    return a < count ? agent_addresses_name(addresses, &rows[a]) : "";
}

static void resource_of(const struct agent_addresses *addresses, uint32_t a,
                        char resource[CLUSTER_RESOURCE_MAX])
{
    snprintf(resource, CLUSTER_RESOURCE_MAX, CLUSTER_OUTLIVES "%s", address_name(addresses, a));
}

/* ---- what there is ---- */

static bool is_marked(const struct document_marks *marks, const char *node)
{
    char name[CLUSTER_RESOURCE_MAX];

    snprintf(name, sizeof name, "node/%s", node);
    return document_mark(marks, name) != NULL;
}

static bool is_primary(const struct document *document, uint32_t member)
{
    for (uint32_t i = 0; i < document->group_count; i++)
        if (document->groups[i].body.primary == member && member != 0)
            return true;
    return false;
}

static void see_node(const struct agent_addresses *addresses,
                     const struct cluster_member_view *member, struct address_view *view)
{
    const struct document *document = cluster_document(addresses->agent->cluster);
    uint8_t n = node_named(addresses, member->name);
    struct address_node *node;

    if (n == ADDRESS_STRANGER)
        return;
    node = &view->nodes[n];
    node->alive =
        member->member != 0 &&
        (n == view->self ? !member->tilted : member->health == CLUSTER_ALIVE && member->linked);
    node->voter = member->voter && !member->witness && !member->learner;
    node->primary = is_primary(document, member->member);
    node->refuses = addresses->reports[n].refuses || is_marked(&document->drains, member->name) ||
                    is_marked(&document->maintenances, member->name);
}

static void see_words(struct agent_addresses *addresses, struct address_view *view)
{
    int64_t heartbeat_ms = addresses->agent->generation->config->failover.heartbeat_ms;

    for (uint32_t n = 0; n < view->node_count; n++) {
        const struct agent_report *report = &addresses->reports[n];
        struct instant stale = after_ms(report->heard, FRESH_BEATS * heartbeat_ms + ASK_MS);
        bool fresh = report->heard.ns != 0 && !passed(stale, now_of(addresses));

        for (uint32_t a = 0; a < view->address_count; a++)
            view->words[a][n] = fresh ? report->words[a] : ADDRESS_UNHEARD;
    }
}

static void see_holder(struct agent_addresses *addresses, struct address_view *view, uint32_t a)
{
    const struct document *document = cluster_document(addresses->agent->cluster);
    char resource[CLUSTER_RESOURCE_MAX];
    const struct document_lease *lease;
    const struct member *member;

    resource_of(addresses, a, resource);
    lease = document_lease(document, resource, NULL);
    view->holders[a] = ADDRESS_NOBODY;
    if (!lease || lease->holder.member == 0)
        return;
    member = document_member(document, lease->holder.member);
    view->holders[a] = member ? node_named(addresses, member->name) : ADDRESS_STRANGER;
    view->current[a] = document_current(document, lease->holder);
    addresses->from[a] = view->holders[a];
}

static void see_rule(const struct config_address *row, struct address_rule *rule)
{
    rule->spread = row->spread;
    rule->preempt = row->preempt;
    rule->node_count = (uint8_t)row->node_count;
    memcpy(rule->nodes, row->order, sizeof rule->nodes);
}

static void see(struct agent_addresses *addresses, const struct cluster_view *cluster)
{
    struct address_view *view = &addresses->view;
    uint32_t count, nodes;
    const struct config_address *rows = agent_addresses_rows(addresses, &count);

    (void)nodes_of(addresses, &nodes);
    *view = (struct address_view){.address_count = count, .node_count = nodes};
    view->self = node_named(addresses, cluster->node);
    for (uint32_t i = 0; i < cluster->member_count; i++)
        see_node(addresses, &cluster->members[i], view);
    see_words(addresses, view);
    for (uint32_t a = 0; a < count; a++) {
        see_rule(&rows[a], &view->rules[a]);
        see_holder(addresses, view, a);
    }
}

/* ---- what is done about it ---- */

static void record_move(struct agent_addresses *addresses, const struct agent_deed *deed)
{
    uint8_t from = deed->from;
    struct fact fact;

    if (from == deed->to || from == ADDRESS_NOBODY || !addresses->agent->timeline)
        return;
    fact_init(&fact, FACT_ADDRESS_MOVED, SUBJECT_ADDRESS, address_name(addresses, deed->address));
    fact_say(&fact, "%s moved from %s to %s: %s", address_name(addresses, deed->address),
             node_name(addresses, from), node_name(addresses, deed->to),
             address_reason_text(deed->reason));
    agent_take_fact(addresses->agent, &fact);
}

static void on_taken(void *context, const struct cluster_answer *answer)
{
    struct agent_deed *deed = context;
    struct agent_addresses *addresses = deed->owner;

    if (answer->outcome == CLUSTER_DONE && addresses->generation == deed->generation)
        record_move(addresses, deed);
    deed->owner = NULL;
    agent_addresses_stir(addresses);
}

/* The life that runs on that node now. */
static struct life life_of(const struct agent_addresses *addresses, uint8_t n)
{
    const struct document *document = cluster_document(addresses->agent->cluster);
    const struct member *member = document_member_named(document, node_name(addresses, n));

    return member ? (struct life){member->id, member->incarnation} : (struct life){0};
}

static void take(struct agent_addresses *addresses, uint32_t a, const struct address_action *action)
{
    const struct document *document = cluster_document(addresses->agent->cluster);
    struct document_command command = {.kind = COMMAND_LEASE_TAKE};
    struct cluster_ask ask = {.kind = CLUSTER_COMMAND, .command = &command, .timeout_ms = ASK_MS};
    struct agent_deed *deed = &addresses->taking[a];
    const struct document_lease *lease;

    command.lease.holder = life_of(addresses, action->to);
    if (deed->owner || command.lease.holder.member == 0)
        return;
    resource_of(addresses, a, command.lease.name);
    lease = document_lease(document, command.lease.name, NULL);
    command.based_on = lease ? lease->version : 0;
    /* Why it left its holder is what a hand-over said, not that nobody has it since. */
    *deed = (struct agent_deed){
        .owner = addresses,
        .address = a,
        .to = action->to,
        .from = addresses->from[a],
        .generation = addresses->generation,
        .reason = action->reason == ADDRESS_VACANT ? addresses->handing[a].reason : action->reason};
    cluster_ask(addresses->agent->cluster, &ask, on_taken, deed);
}

static void on_told(void *context, const char *sentence, struct bytes bytes)
{
    struct agent_deed *deed = context;
    struct agent_addresses *addresses = deed->owner;

    (void)sentence; /* told again for as long as it is wanted */
    (void)bytes;
    deed->owner = NULL;
    agent_addresses_stir(addresses);
}

static void hand_over(struct agent_addresses *addresses, uint32_t a,
                      const struct address_action *action)
{
    const char *name = address_name(addresses, a);
    uint8_t holder = addresses->view.holders[a];
    struct agent_deed *deed = &addresses->handing[a];
    uint8_t storage[2 + CONFIG_NAME_MAX];
    struct buf out;

    if (deed->owner)
        return;
    *deed = (struct agent_deed){.address = a, .to = action->to, .reason = action->reason};
    if (holder == addresses->view.self) {
        agent_addresses_give(addresses, name);
        return;
    }
    deed->owner = addresses;
    buf_over(&out, storage, sizeof storage);
    pack_u8(&out, REQUEST_ADDRESS_GIVE);
    pack_bytes8(&out, bytes_of_string(name));
    must(!out.full);
    cluster_request(addresses->agent->cluster, node_name(addresses, holder), buf_bytes(&out),
                    ASK_MS, on_told, deed);
}

static void on_led(void *context, const struct cluster_answer *answer)
{
    (void)context; /* wished for again in a while, if it is still so */
    (void)answer;
}

static void act(struct agent_addresses *addresses, const struct address_actions *actions)
{
    for (uint32_t a = 0; a < addresses->view.address_count; a++) {
        if (actions->at[a].step == ADDRESS_TAKE)
            take(addresses, a, &actions->at[a]);
        else if (actions->at[a].step == ADDRESS_HAND_OVER)
            hand_over(addresses, a, &actions->at[a]);
    }
    if (actions->lead != ADDRESS_NOBODY) {
        struct cluster_ask ask = {.kind = CLUSTER_TRANSFER,
                                  .node = node_name(addresses, actions->lead),
                                  .timeout_ms = ASK_MS};

        cluster_ask(addresses->agent->cluster, &ask, on_led, NULL);
    }
}

/* ---- orders ---- */

static uint32_t address_named(const struct agent_addresses *addresses, const char *name)
{
    uint32_t count;

    (void)agent_addresses_rows(addresses, &count);
    for (uint32_t a = 0; a < count; a++)
        if (strcmp(address_name(addresses, a), name) == 0)
            return a;
    return ADDRESS_MAX;
}

static void end_order(struct agent_addresses *addresses, struct agent_order *order,
                      enum move_outcome outcome, const char *sentence)
{
    agent_addresses_answer_order(addresses, order, outcome, sentence);
    order->used = false;
}

static void look_at_order(struct agent_addresses *addresses, struct agent_order *order)
{
    uint32_t a = address_named(addresses, order->name);

    if (a == ADDRESS_MAX || order->to >= addresses->view.node_count)
        end_order(addresses, order, MOVE_REFUSED, "the configuration changed meanwhile");
    else if (addresses->view.holders[a] == order->to && addresses->reports[order->to].held[a])
        end_order(addresses, order, MOVE_DONE, node_name(addresses, order->to));
    else if (addresses->core.ordered[a] != order->to)
        end_order(addresses, order, MOVE_REFUSED,
                  "that node failed meanwhile, or another order came");
    else if (passed(order->deadline, now_of(addresses)))
        end_order(addresses, order, MOVE_UNKNOWN, "it has not moved in time, and still may");
}

bool agent_lead_order(struct agent_addresses *addresses, struct agent_order *order)
{
    static const char *const sentences[] = {
        [ADDRESS_ACCEPTED] = "",
        [ADDRESS_THERE] = "",
        [ADDRESS_NOT_ITS] = "the configuration does not name that node for this address",
        [ADDRESS_NOT_WELL] = "that node is not there, takes no work, or fails a condition",
        [ADDRESS_NO_OTHER] = "no other node is well",
    };
    uint32_t a = address_named(addresses, order->name);
    enum address_answer answer = ADDRESS_NO_OTHER;

    if (a != ADDRESS_MAX && addresses->leads)
        answer = address_order(&addresses->core, &addresses->view, a, &order->to);
    if (sentences[answer][0]) {
        agent_addresses_answer_order(addresses, order, MOVE_REFUSED, sentences[answer]);
        return true;
    }
    for (uint32_t i = 0; i < AGENT_ORDERS_MAX; i++)
        if (!addresses->orders[i].used) {
            addresses->orders[i] = *order;
            agent_addresses_stir(addresses);
            return true;
        }
    return false;
}

static void lose_orders(struct agent_addresses *addresses)
{
    for (uint32_t i = 0; i < AGENT_ORDERS_MAX; i++)
        if (addresses->orders[i].used)
            end_order(addresses, &addresses->orders[i], MOVE_UNKNOWN,
                      "the leader changed meanwhile: ask again");
}

void agent_lead_no_more(struct agent_addresses *addresses)
{
    if (addresses->leads)
        lose_orders(addresses);
    addresses->leads = false;
}

/* ---- reports ---- */

void agent_lead_report(struct agent_addresses *addresses, const char *node,
                       const struct agent_report *report)
{
    uint8_t n = node_named(addresses, node);
    bool same;

    if (n == ADDRESS_STRANGER)
        return;
    same = addresses->reports[n].refuses == report->refuses &&
           memcmp(addresses->reports[n].words, report->words, sizeof report->words) == 0 &&
           memcmp(addresses->reports[n].held, report->held, sizeof report->held) == 0;
    addresses->reports[n] = *report;
    if (!same && addresses->leads)
        agent_addresses_stir(addresses);
}

/* ---- the turn ---- */

/* Words that came before this node knew that it leads count; the core's memory begins anew. */
static void begin_to_lead(struct agent_addresses *addresses)
{
    const struct role_generation *generation = addresses->agent->generation;

    if (addresses->leads && addresses->generation == generation->number)
        return;
    if (addresses->generation != generation->number)
        memset(addresses->reports, 0, sizeof addresses->reports);
    lose_orders(addresses);
    address_init(&addresses->core);
    memset(addresses->from, ADDRESS_NOBODY, sizeof addresses->from);
    for (uint32_t a = 0; a < ADDRESS_MAX; a++)
        addresses->handing[a].reason = ADDRESS_VACANT;
    addresses->leads = true;
    addresses->generation = generation->number;
}

struct instant agent_lead_addresses(struct agent_addresses *addresses)
{
    const struct cluster_view *cluster = cluster_view(addresses->agent->cluster);
    uint8_t self = node_named(addresses, cluster->node);
    static struct address_actions actions;

    begin_to_lead(addresses);
    if (self != ADDRESS_STRANGER)
        agent_addresses_report_of(addresses, &addresses->reports[self]);
    see(addresses, cluster);
    address_decide(&addresses->core, &addresses->view, now_of(addresses), &actions);
    act(addresses, &actions);
    for (uint32_t i = 0; i < AGENT_ORDERS_MAX; i++)
        if (addresses->orders[i].used)
            look_at_order(addresses, &addresses->orders[i]);
    return actions.again;
}
