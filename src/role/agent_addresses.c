/*
 * A node's own part in virtual addresses: whether it is well for each, what it holds, and how it gives one up.
 *
 * The supervisor is asked to look at the scoreboard and answers when it has; what it says there is all that is believed of interfaces.
 */
#include "role/agent_addresses.h"

#include "admin/query.h"
#include "base/json.h"
#include "base/pack.h"
#include "cluster/document.h"
#include "role/agent_cluster.h"
#include "role/log.h"

#include <stdio.h>
#include <string.h>

enum {
    LOOK_MS = 500,     /* so often the supervisor is asked whether it lives, if nothing else is */
    TURN_MS = 1000,    /* the longest between two turns; a heartbeat when that is shorter */
    FAILED_MS = 30000, /* a node that could not add an address is not asked to for so long */
    SILENT_MS = 1500,  /* a supervisor that has not looked for so long does not look */
    ASK_MS = 1000,     /* for one try of what is tried again */
    WORD_BYTES = CONFIG_NAME_MAX + 3,
    REPORT_BYTES = 8 + CONFIG_ADDRESSES_MAX * WORD_BYTES,
    ANSWER_BYTES = 2 + CLUSTER_NAME_MAX + CLUSTER_SENTENCE_MAX,
    DRAINED = 1,
    HELD = 1,
};

_Static_assert((int)CONFIG_ADDRESSES_MAX == (int)ADDRESS_MAX, "addresses fit");
_Static_assert((int)BOARD_ADDRESSES_MAX == (int)ADDRESS_MAX, "addresses fit");
_Static_assert((int)CONFIG_NODES_MAX == (int)ADDRESS_NODES_MAX, "nodes fit");
_Static_assert((int)CONFIG_NAME_MAX == (int)BOARD_NAME_MAX, "names fit");

/* ---- the configuration ---- */

const struct config_address *agent_addresses_rows(const struct agent_addresses *addresses,
                                                  uint32_t *count)
{
    const struct role_generation *generation = addresses->agent->generation;

    *count = generation ? generation->config->addresses.count : 0;
    return *count ? image_items(generation->image, generation->config->addresses,
                                sizeof(struct config_address))
                  : NULL;
}

const char *agent_addresses_name(const struct agent_addresses *addresses,
                                 const struct config_address *row)
{
    return image_string(addresses->agent->generation->image, row->item.name);
}

static const struct config_address *row_named(const struct agent_addresses *addresses,
                                              const char *name)
{
    uint32_t count;
    const struct config_address *rows = agent_addresses_rows(addresses, &count);

    for (uint32_t i = 0; i < count; i++)
        if (strcmp(agent_addresses_name(addresses, &rows[i]), name) == 0)
            return &rows[i];
    return NULL;
}

static bool may_hold(const struct agent_addresses *addresses, const char *name)
{
    const struct config_address *row = row_named(addresses, name);

    return row && config_may_hold(addresses->agent->generation->config, row);
}

static struct loop *loop_of(const struct agent_addresses *addresses)
{
    return addresses->agent->role->loop;
}

static struct instant now_of(const struct agent_addresses *addresses)
{
    return loop_now(loop_of(addresses));
}

/* ---- the supervisor ---- */

/* One that cannot be sent is sent with the next turn. */
static void ask_to_look(struct agent_addresses *addresses)
{
    struct err err;

    addresses->look_due = after_ms(now_of(addresses), LOOK_MS);
    if (addresses->looks == addresses->looked)
        addresses->look_asked = now_of(addresses);
    if (!role_look(addresses->agent->role, addresses->looks + 1, &err))
        return;
    addresses->looks++;
}

static bool supervisor_is_silent(const struct agent_addresses *addresses)
{
    return addresses->looks != addresses->looked &&
           passed(after_ms(addresses->look_asked, SILENT_MS), now_of(addresses));
}

static const struct board_address *on_board(const struct agent_addresses *addresses,
                                            const char *name)
{
    for (uint32_t i = 0; i < addresses->board.count && i < BOARD_ADDRESSES_MAX; i++)
        if (strcmp(addresses->board.at[i].name, name) == 0)
            return &addresses->board.at[i];
    return NULL;
}

static bool is_held(const struct agent_addresses *addresses, const char *name)
{
    const struct board_address *at = on_board(addresses, name);

    return at && at->held;
}

static void record(struct agent_addresses *addresses, const struct board_address *at,
                   enum fact_code code)
{
    struct agent_cluster *agent = addresses->agent;
    struct fact fact;

    fact_init(&fact, code, SUBJECT_ADDRESS, at->name);
    if (code == FACT_ADDRESS_NOT_ADDED)
        fact_say(&fact, "%s could not add %s (%s): %s", agent->role->node, at->address, at->name,
                 at->why);
    else
        fact_say(&fact, "%s %s %s (%s) on %s", agent->role->node,
                 code == FACT_ADDRESS_TAKEN ? "has" : "has no more", at->address, at->name,
                 at->interface);
    if (agent->timeline)
        agent_take_fact(agent, &fact);
}

static void compare(struct agent_addresses *addresses, const struct address_board *before)
{
    static const struct board_address nothing;

    for (uint32_t i = 0; i < addresses->board.count && i < BOARD_ADDRESSES_MAX; i++) {
        const struct board_address *at = &addresses->board.at[i], *was = &nothing;

        for (uint32_t k = 0; k < before->count && k < BOARD_ADDRESSES_MAX; k++)
            if (strcmp(before->at[k].name, at->name) == 0)
                was = &before->at[k];
        /* Counts, not states: one that went and came between two looks did both. */
        if (at->withdrawn != was->withdrawn)
            record(addresses, at, FACT_ADDRESS_WITHDRAWN);
        if (at->taken != was->taken && at->held)
            record(addresses, at, FACT_ADDRESS_TAKEN);
        if (at->why[0] && strcmp(at->why, was->why) != 0)
            record(addresses, at, FACT_ADDRESS_NOT_ADDED);
    }
}

static void read_board(struct agent_addresses *addresses)
{
    static struct address_board before;
    const struct address_record *record = &addresses->agent->role->board->addresses;

    before = addresses->board;
    if (board_read(&record->guard, &addresses->board, &record->board, sizeof record->board))
        compare(addresses, &before);
    else
        addresses->board = before;
}

/* ---- is this node well? ---- */

static bool takes_work(const struct scoreboard *board, const struct balancer_backend *backend,
                       bool checked)
{
    uint64_t verdict = counted(&board->verdicts[backend->slot].state);

    if (backend->drain || backend->weight == 0 ||
        counted(&board->overrides[backend->slot].draining))
        return false;
    return checked ? verdict == VERDICT_UP : verdict != VERDICT_DOWN;
}

static bool is_pool_well(const struct agent_addresses *addresses, uint32_t index)
{
    const struct role_generation *generation = addresses->agent->generation;
    const struct config_pool *pools =
        image_items(generation->image, generation->config->pools, sizeof *pools);
    const struct balancer_backend *backends =
        image_items(generation->image, pools[index].pool.backends, sizeof *backends);

    for (uint32_t i = 0; i < pools[index].pool.backends.count; i++)
        if (takes_work(addresses->agent->role->board, &backends[i], pools[index].checked))
            return true;
    return false;
}

static bool does_a_worker_listen(const struct agent_addresses *addresses)
{
    const struct scoreboard *board = addresses->agent->role->board;

    for (uint32_t i = 0; i < counted(&board->workers) && i < WORKERS_MAX; i++)
        if (counted(&board->roles[role_slot(ROLE_WORKER, i)].state) == ROLE_READY)
            return true;
    return false;
}

/* The first condition that fails, as half a sentence; "" when none does. */
static void judge(const struct agent_addresses *addresses, uint32_t at,
                  const struct config_address *row, char *why, size_t cap)
{
    struct image image = addresses->agent->generation->image;
    const struct config_required *required = image_items(image, row->require, sizeof *required);

    why[0] = '\0';
    if (supervisor_is_silent(addresses))
        snprintf(why, cap, "the supervisor does not answer");
    else if (addresses->failed[at].ns != 0 &&
             !passed(after_ms(addresses->failed[at], FAILED_MS), now_of(addresses)))
        snprintf(why, cap, "it could not be added a moment ago");
    for (uint32_t i = 0; i < row->require.count && !why[0]; i++)
        if (required[i].service && !does_a_worker_listen(addresses))
            snprintf(why, cap, "no worker listens for the service '%s'",
                     image_string(image, required[i].name));
        else if (required[i].pool >= 0 && !is_pool_well(addresses, (uint32_t)required[i].pool))
            snprintf(why, cap, "no backend of the pool '%s' is up",
                     image_string(image, required[i].name));
}

static void note_failures(struct agent_addresses *addresses, const struct config_address *rows,
                          uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct board_address *at =
            on_board(addresses, agent_addresses_name(addresses, &rows[i]));

        bool over = addresses->failed[i].ns == 0 ||
                    passed(after_ms(addresses->failed[i], FAILED_MS), now_of(addresses));

        if (!at || at->held)
            addresses->failed[i] = (struct instant){0};
        else if (at->why[0] && over)
            addresses->failed[i] = now_of(addresses);
    }
}

/* True when it is not as it was. */
static bool judge_all(struct agent_addresses *addresses)
{
    static struct condition_board conditions;
    struct condition_record *record = &addresses->agent->role->board->conditions;
    uint32_t count;
    const struct config_address *rows = agent_addresses_rows(addresses, &count);

    memset(&conditions, 0, sizeof conditions);
    note_failures(addresses, rows, count);
    for (uint32_t i = 0; i < count; i++) {
        struct board_condition *at = &conditions.at[conditions.count++];

        snprintf(at->name, sizeof at->name, "%s", agent_addresses_name(addresses, &rows[i]));
        judge(addresses, i, &rows[i], at->why, sizeof at->why);
        at->well = !at->why[0];
    }
    if (memcmp(&conditions, &addresses->conditions, sizeof conditions) == 0)
        return false;
    addresses->conditions = conditions;
    board_publish(&record->guard, &record->board, &conditions, sizeof conditions);
    return true;
}

/* ---- telling the leader ---- */

static bool refuses(const struct agent_addresses *addresses)
{
    return addresses->stopping || addresses->board.stopping;
}

void agent_addresses_report_of(const struct agent_addresses *addresses, struct agent_report *report)
{
    uint32_t count;
    const struct config_address *rows = agent_addresses_rows(addresses, &count);

    *report = (struct agent_report){.heard = now_of(addresses), .refuses = refuses(addresses)};
    for (uint32_t i = 0; i < count; i++) {
        report->words[i] = addresses->conditions.at[i].well ? ADDRESS_WELL : ADDRESS_UNWELL;
        report->held[i] = is_held(addresses, agent_addresses_name(addresses, &rows[i]));
    }
}

static void on_reported(void *context, const char *sentence, struct bytes bytes)
{
    struct agent_addresses *addresses = context;

    (void)sentence; /* the next turn reports again */
    (void)bytes;
    addresses->reporting = false;
    if (addresses->report_again)
        agent_addresses_stir(addresses);
}

static void report(struct agent_addresses *addresses, const char *leader)
{
    uint8_t storage[REPORT_BYTES];
    struct agent_report own;
    uint32_t count;
    const struct config_address *rows = agent_addresses_rows(addresses, &count);
    struct buf out;

    addresses->report_again = addresses->reporting;
    if (addresses->reporting)
        return;
    agent_addresses_report_of(addresses, &own);
    buf_over(&out, storage, sizeof storage);
    pack_u8(&out, REQUEST_ADDRESS_REPORT);
    pack_u8(&out, own.refuses ? DRAINED : 0);
    pack_u8(&out, (uint8_t)count);
    for (uint32_t i = 0; i < count; i++) {
        pack_bytes8(&out, bytes_of_string(agent_addresses_name(addresses, &rows[i])));
        pack_u8(&out, own.words[i]);
        pack_u8(&out, own.held[i] ? HELD : 0);
    }
    must(!out.full);
    addresses->reporting = true;
    cluster_request(addresses->agent->cluster, leader, buf_bytes(&out), ASK_MS, on_reported,
                    addresses);
}

/* Words about addresses that this node's configuration does not have are passed over: it has another one, for a moment. */
void agent_addresses_on_report(struct agent_cluster *agent, const char *node, uint64_t ticket,
                               struct bytes bytes)
{
    struct agent_addresses *addresses = &agent->addresses;
    struct agent_report report = {.heard = now_of(addresses)};
    struct unpack in = unpack_of(bytes);
    uint32_t count, rows_count;
    const struct config_address *rows = agent_addresses_rows(addresses, &rows_count);
    char name[CONFIG_NAME_MAX];

    report.refuses = (unpack_u8(&in) & DRAINED) != 0;
    count = unpack_u8(&in);
    for (uint32_t i = 0; i < count && !in.bad; i++) {
        const struct config_address *row;
        uint8_t word, held;

        (void)bytes_to_string(unpack_bytes8(&in), name, sizeof name);
        word = unpack_u8(&in);
        held = unpack_u8(&in);
        row = row_named(addresses, name);
        if (!row || word > ADDRESS_WELL)
            continue;
        report.words[row - rows] = word;
        report.held[row - rows] = held & HELD;
    }
    cluster_answer(agent->cluster, ticket, bytes_of(NULL, 0));
    if (!in.bad)
        agent_lead_report(addresses, node, &report);
}

/* ---- giving up ---- */

static const struct document_lease *own_lease(const struct agent_addresses *addresses,
                                              uint32_t slot)
{
    const struct document *document = cluster_document(addresses->agent->cluster);
    const struct document_lease *lease = &document->leases[slot];
    const struct member *self = document_member_named(document, addresses->agent->role->node);

    if (strncmp(lease->name, CLUSTER_OUTLIVES, strlen(CLUSTER_OUTLIVES)) != 0 || !self ||
        lease->holder.member != self->id || !document_current(document, lease->holder))
        return NULL;
    return lease;
}

static void on_released(void *context, const struct cluster_answer *answer)
{
    struct agent_give *give = context;
    struct agent_addresses *addresses = give->asks;

    (void)answer; /* while the document says that it is held, it is asked for again */
    give->asks = NULL;
    agent_addresses_stir(addresses);
}

static bool is_given(const struct agent_addresses *addresses, uint32_t slot,
                     const struct document_lease *lease)
{
    const struct agent_give *give = &addresses->gives[slot];

    return give->name[0] && lease && lease->epoch == give->epoch;
}

static void begin_giving(struct agent_addresses *addresses, uint32_t slot,
                         const struct document_lease *lease)
{
    struct agent_give *give = &addresses->gives[slot];

    if (is_given(addresses, slot, lease))
        return;
    give->epoch = lease->epoch;
    snprintf(give->name, sizeof give->name, "%.*s", (int)sizeof give->name - 1,
             lease->name + strlen(CLUSTER_OUTLIVES));
    give->gone = false;
    give->look = addresses->looks + 1;
    agent_show_lease(addresses->agent->role->board, slot, lease->name, (struct instant){0});
    ask_to_look(addresses);
}

/* It is on no interface when the supervisor says so, or has been silent for longer than the kernel keeps what is not renewed. */
static bool is_gone(const struct agent_addresses *addresses, const struct agent_give *give)
{
    const struct address_record *record = &addresses->agent->role->board->addresses;
    struct instant kept = {(int64_t)counted(&record->kept)};

    if (addresses->looked >= give->look)
        return !is_held(addresses, give->name);
    return supervisor_is_silent(addresses) &&
           passed(kept, loop_read_clock(loop_of(addresses), LOOP_BOOT));
}

static void give(struct agent_addresses *addresses, uint32_t slot,
                 const struct document_lease *lease)
{
    struct agent_give *give = &addresses->gives[slot];
    struct cluster_ask ask = {
        .kind = CLUSTER_LEASE_RELEASE, .resource = lease->name, .timeout_ms = ASK_MS};

    if (addresses->looks < give->look)
        ask_to_look(addresses);
    give->gone = give->gone || is_gone(addresses, give);
    if (!give->gone || give->asks)
        return;
    give->asks = addresses;
    cluster_ask(addresses->agent->cluster, &ask, on_released, give);
}

static void give_all(struct agent_addresses *addresses)
{
    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++) {
        const struct document_lease *lease = own_lease(addresses, slot);

        if (!is_given(addresses, slot, lease))
            addresses->gives[slot].name[0] = '\0';
        if (!lease)
            continue;
        if (refuses(addresses) || !may_hold(addresses, lease->name + strlen(CLUSTER_OUTLIVES)))
            begin_giving(addresses, slot, lease);
        if (addresses->gives[slot].name[0])
            give(addresses, slot, lease);
    }
}

void agent_addresses_give(struct agent_addresses *addresses, const char *name)
{
    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++) {
        const struct document_lease *lease = own_lease(addresses, slot);

        if (!lease || strcmp(lease->name + strlen(CLUSTER_OUTLIVES), name) != 0)
            continue;
        begin_giving(addresses, slot, lease);
        agent_addresses_stir(addresses);
    }
}

void agent_addresses_on_give(struct agent_cluster *agent, const char *node, uint64_t ticket,
                             struct bytes bytes)
{
    struct unpack in = unpack_of(bytes);
    const struct cluster_view *view = cluster_view(agent->cluster);
    char name[CONFIG_NAME_MAX];

    (void)bytes_to_string(unpack_bytes8(&in), name, sizeof name);
    cluster_answer(agent->cluster, ticket, bytes_of(NULL, 0));
    /* Only the leader may say it: one that was deposed would have it moved for nothing. */
    if (unpack_ended(&in) && strcmp(view->leader, node) == 0)
        agent_addresses_give(&agent->addresses, name);
}

void agent_addresses_lease(struct agent_addresses *addresses, uint32_t slot, const char *resource,
                           struct instant until)
{
    struct scoreboard *board = addresses->agent->role->board;
    bool ours = strncmp(resource, CLUSTER_OUTLIVES, strlen(CLUSTER_OUTLIVES)) == 0;
    bool had = counted(&board->leases[slot].until) != 0;

    if (ours && is_given(addresses, slot, own_lease(addresses, slot)))
        until = (struct instant){0};
    agent_show_lease(board, slot, resource, until);
    if (ours && (until.ns == 0 || !had))
        ask_to_look(addresses);
}

/* ---- the turn ---- */

/* A node that is linked again may have been on the other side of a network that forgot who has what. */
static void watch_links(struct agent_addresses *addresses, const struct cluster_view *view)
{
    uint32_t linked = 0;
    struct err err;

    for (uint32_t i = 0; i < view->member_count; i++)
        linked += view->members[i].linked;
    /* One that is lost is made up for: what is held is announced once in a while. */
    if (linked > addresses->linked && !role_announce(addresses->agent->role, &err))
        log_warning("virtual addresses are not announced again",
                    log_text("error.message", err.text));
    addresses->linked = linked;
}

static struct instant turn(struct agent_addresses *addresses)
{
    const struct cluster_view *view = cluster_view(addresses->agent->cluster);
    struct instant again = after_ms(now_of(addresses), TURN_MS);
    bool leads;

    if (view->state != CLUSTER_MEMBER)
        return again;
    if (passed(addresses->look_due, now_of(addresses)))
        ask_to_look(addresses);
    leads = view->established;
    watch_links(addresses, view);
    give_all(addresses);
    if (leads)
        return earlier(again, agent_lead_addresses(addresses));
    agent_lead_no_more(addresses);
    if (view->leader[0] && strcmp(view->leader, addresses->agent->role->node) != 0) {
        char leader[CLUSTER_NAME_MAX];

        memcpy(leader, view->leader, sizeof leader);
        report(addresses, leader);
    }
    return again;
}

/* Addresses of a file that has none any more are given up all the same. */
static bool has_any(const struct agent_addresses *addresses)
{
    uint32_t count;

    (void)agent_addresses_rows(addresses, &count);
    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX && count == 0; slot++)
        count += own_lease(addresses, slot) != NULL;
    return count > 0;
}

static void on_timer(struct timer *timer)
{
    struct agent_addresses *addresses = container_of(timer, struct agent_addresses, timer);
    struct agent_cluster *agent = addresses->agent;
    struct instant again, heartbeat;

    if (!agent->cluster || agent->closing || !agent->generation ||
        !config_own_node(agent->generation->image) || !has_any(addresses))
        return;
    read_board(addresses);
    (void)judge_all(addresses);
    again = turn(addresses);
    heartbeat = after_ms(now_of(addresses), agent->generation->config->failover.heartbeat_ms);
    timer_arm(loop_of(addresses), timer, earlier(again, heartbeat));
}

void agent_addresses_stir(struct agent_addresses *addresses)
{
    timer_arm(loop_of(addresses), &addresses->timer, now_of(addresses));
}

void agent_addresses_looked(struct agent_addresses *addresses, uint64_t number)
{
    if (number > addresses->looked && number <= addresses->looks) {
        addresses->looked = number;
        addresses->look_asked = now_of(addresses);
    }
    read_board(addresses);
    if (number == 0)
        agent_addresses_stir(addresses);
    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++)
        if (addresses->gives[slot].name[0] && addresses->gives[slot].look == number)
            agent_addresses_stir(addresses);
}

/* ---- orders ---- */

static const char *const outcome_names[MOVE_OUTCOMES] = {
    [MOVE_DONE] = "done", [MOVE_REFUSED] = "refused", [MOVE_UNKNOWN] = "unknown"};

static void answer_monitor(struct agent_addresses *addresses, uint32_t id,
                           enum move_outcome outcome, const char *by, const char *sentence)
{
    static const uint16_t statuses[MOVE_OUTCOMES] = {
        [MOVE_DONE] = 200, [MOVE_REFUSED] = 409, [MOVE_UNKNOWN] = 504};
    uint8_t storage[2048];
    struct json json;
    struct buf out;

    buf_over(&out, storage, sizeof storage);
    json_init(&json, &out);
    json_begin_object(&json);
    json_key(&json, "outcome");
    json_add_string(&json, outcome_names[outcome]);
    json_key(&json, "by");
    json_add_string(&json, by[0] ? by : NULL);
    json_key(&json, outcome == MOVE_DONE ? "node" : "error");
    json_add_string(&json, sentence);
    json_end(&json);
    buf_add_byte(&out, '\n');
    /* A monitor that does not read is told nothing more; it asks with a deadline of its own. */
    (void)!link_send(&addresses->agent->monitor, id, statuses[outcome], buf_bytes(&out));
}

void agent_addresses_answer_order(struct agent_addresses *addresses,
                                  const struct agent_order *order, enum move_outcome outcome,
                                  const char *sentence)
{
    uint8_t storage[ANSWER_BYTES];
    struct buf out;

    if (!order->of_node) {
        if (!order->lost)
            answer_monitor(addresses, order->id, outcome, addresses->agent->role->node, sentence);
        return;
    }
    buf_over(&out, storage, sizeof storage);
    pack_u8(&out, (uint8_t)outcome);
    pack_bytes8(&out, bytes_take(bytes_of_string(sentence), CLUSTER_SENTENCE_MAX - 1));
    must(!out.full);
    if (addresses->agent->cluster)
        cluster_answer(addresses->agent->cluster, order->ticket, buf_bytes(&out));
}

/* The number of a node of the file; ADDRESS_NOBODY: there is none. */
static uint8_t node_named(const struct agent_addresses *addresses, const char *name)
{
    const struct role_generation *generation = addresses->agent->generation;
    const struct config_node *nodes =
        image_items(generation->image, generation->config->nodes, sizeof *nodes);

    for (uint32_t i = 0; i < generation->config->nodes.count; i++)
        if (strcmp(image_string(generation->image, nodes[i].item.name), name) == 0)
            return (uint8_t)i;
    return ADDRESS_NOBODY;
}

/* At the leader, whoever asked. */
static void take_order(struct agent_addresses *addresses, struct agent_order *order, const char *to)
{
    const struct cluster_view *view = cluster_view(addresses->agent->cluster);

    order->used = true;
    order->to = to[0] ? node_named(addresses, to) : ADDRESS_NOBODY;
    if (!view->established)
        agent_addresses_answer_order(addresses, order, MOVE_UNKNOWN,
                                     "no leader is known: try again");
    else if (!row_named(addresses, order->name))
        agent_addresses_answer_order(addresses, order, MOVE_REFUSED,
                                     "there is no such virtual address");
    else if (to[0] && order->to == ADDRESS_NOBODY)
        agent_addresses_answer_order(addresses, order, MOVE_REFUSED, "there is no such node");
    else if (!agent_lead_order(addresses, order))
        agent_addresses_answer_order(addresses, order, MOVE_REFUSED,
                                     "too many orders wait already");
}

void agent_addresses_on_move(struct agent_cluster *agent, const char *node, uint64_t ticket,
                             struct bytes bytes)
{
    struct agent_order order = {.of_node = true, .ticket = ticket};
    struct unpack in = unpack_of(bytes);
    char to[CLUSTER_NAME_MAX];

    (void)node;
    order.deadline = after_ms(now_of(&agent->addresses), unpack_u32(&in));
    (void)bytes_to_string(unpack_bytes8(&in), order.name, sizeof order.name);
    (void)bytes_to_string(unpack_bytes8(&in), to, sizeof to);
    if (unpack_ended(&in))
        take_order(&agent->addresses, &order, to);
    else
        cluster_answer(agent->cluster, ticket, bytes_of(NULL, 0));
}

static void on_moved(void *context, const char *sentence, struct bytes bytes)
{
    struct agent_passed *passed = context;
    struct agent_addresses *addresses = passed->owner;
    struct unpack in = unpack_of(bytes);
    uint8_t outcome = unpack_u8(&in);
    char text[CLUSTER_SENTENCE_MAX];
    const struct cluster_view *view;

    passed->owner = NULL;
    if (passed->lost || !addresses->agent->cluster)
        return;
    (void)bytes_to_string(unpack_bytes8(&in), text, sizeof text);
    view = cluster_view(addresses->agent->cluster);
    if (sentence || in.bad || outcome >= MOVE_OUTCOMES)
        answer_monitor(addresses, passed->id, MOVE_UNKNOWN, "",
                       sentence ? sentence : "the leader does not understand the order");
    else
        answer_monitor(addresses, passed->id, (enum move_outcome)outcome, view->leader, text);
}

static void pass_on(struct agent_addresses *addresses, const struct agent_order *order,
                    const char *to, const char *leader)
{
    int64_t ms = ns_between(now_of(addresses), order->deadline) / NS_PER_MS;
    uint8_t storage[8 + 2 * CLUSTER_NAME_MAX];
    struct buf out;

    for (uint32_t i = 0; i < AGENT_ORDERS_MAX; i++) {
        if (addresses->passed[i].owner)
            continue;
        addresses->passed[i] = (struct agent_passed){.owner = addresses, .id = order->id};
        buf_over(&out, storage, sizeof storage);
        pack_u8(&out, REQUEST_ADDRESS_MOVE);
        pack_u32(&out, (uint32_t)ms);
        pack_bytes8(&out, bytes_of_string(order->name));
        pack_bytes8(&out, bytes_of_string(to));
        must(!out.full);
        cluster_request(addresses->agent->cluster, leader, buf_bytes(&out), ms + ASK_MS, on_moved,
                        &addresses->passed[i]);
        return;
    }
    agent_refuse(addresses->agent, order->id, 503, "too many orders wait already");
}

void agent_addresses_move(struct agent_addresses *addresses, uint32_t id, struct bytes query)
{
    const struct cluster_view *view = cluster_view(addresses->agent->cluster);
    struct agent_order order = {.id = id,
                                .deadline = after_ms(now_of(addresses), agent_timeout_of(query))};
    char to[CLUSTER_NAME_MAX] = "", leader[CLUSTER_NAME_MAX];

    memcpy(leader, view->leader, sizeof leader);
    if (!query_value(query, "to", to, sizeof to))
        to[0] = '\0';
    if (!query_value(query, "address", order.name, sizeof order.name))
        agent_refuse(addresses->agent, id, 400, "the question names no address");
    else if (!leader[0])
        answer_monitor(addresses, id, MOVE_UNKNOWN, "", "no leader is known: nothing was moved");
    else if (strcmp(leader, addresses->agent->role->node) == 0)
        take_order(addresses, &order, to);
    else
        pass_on(addresses, &order, to, leader);
}

void agent_addresses_forget_monitor(struct agent_addresses *addresses)
{
    for (uint32_t i = 0; i < AGENT_ORDERS_MAX; i++) {
        addresses->orders[i].lost = addresses->orders[i].lost || !addresses->orders[i].of_node;
        addresses->passed[i].lost = true;
    }
}

/* ---- life ---- */

void agent_addresses_open(struct agent_addresses *addresses, struct agent_cluster *agent)
{
    *addresses = (struct agent_addresses){.agent = agent};
    timer_init(&addresses->timer, on_timer);
}

void agent_addresses_stop(struct agent_addresses *addresses)
{
    addresses->stopping = true;
    agent_addresses_stir(addresses);
}

bool agent_addresses_gone(struct agent_addresses *addresses)
{
    if (!addresses->agent->cluster)
        return true;
    read_board(addresses);
    give_all(addresses);
    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++)
        if (own_lease(addresses, slot) && !addresses->gives[slot].gone)
            return false; /* give_all has begun with each */
    return true;
}

void agent_addresses_close(struct agent_addresses *addresses)
{
    timer_cancel(loop_of(addresses), &addresses->timer);
}
