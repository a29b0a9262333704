/*
 * Orders of people: from whichever node they were given at to the leader's core, and its answer back.
 */
#include "role/groups_parts.h"

#include "base/must.h"

#include <stdio.h>
#include <string.h>

enum { AGAIN_MS = 50 }; /* between looks for a leader */

static void finish(struct order_slot *slot, const struct groups_reply *reply)
{
    struct groups *groups = slot->groups;
    struct buf out;

    timer_cancel(groups->options.loop, &slot->timer);
    slot->used = false;
    if (!slot->ticket) {
        slot->replied(slot->context, reply);
        return;
    }
    buf_over(&out, groups->storage, sizeof groups->storage);
    message_reply(&out, reply);
    cluster_answer(groups->options.cluster, slot->ticket, buf_bytes(&out));
}

/* One whose time was over before is not found any more. */
void orders_answer(struct groups *groups, uint64_t number, bool done, const char *sentence)
{
    struct groups_reply reply = {.done = done, .reached = true};

    snprintf(reply.by, sizeof reply.by, "%s", groups->node);
    snprintf(reply.sentence, sizeof reply.sentence, "%s", sentence);
    for (uint32_t i = 0; i < GROUPS_ORDERS_MAX; i++)
        if (groups->orders[i].used && groups->orders[i].number == number) {
            finish(&groups->orders[i], &reply);
            return;
        }
}

static void give_up(struct order_slot *slot)
{
    struct groups_reply reply = {.reached = slot->sent || slot->waiting};

    snprintf(reply.sentence, sizeof reply.sentence, "%s",
             reply.reached ? "no answer in time: it may still happen"
                           : "no leader was found in time: nothing was changed");
    finish(slot, &reply);
}

/* The slot is this request's for as long as it is out: nothing else ends an order that was sent. */
static void on_replied(void *context, const char *sentence, struct bytes bytes)
{
    struct order_slot *slot = context;
    struct unpack in = unpack_of(bytes);
    struct groups_reply reply;

    if (!groups_called(slot->groups))
        return;
    must(slot->used && slot->sent);
    if (!sentence && message_read_reply(&in, &reply)) {
        finish(slot, &reply);
        return;
    }
    give_up(slot);
}

static void send(struct order_slot *slot)
{
    struct groups *groups = slot->groups;
    struct loop *loop = groups->options.loop;
    int64_t left = ns_between(loop_now(loop), slot->deadline) / NS_PER_MS;
    struct buf out;

    slot->sent = true;
    timer_cancel(loop, &slot->timer);
    buf_over(&out, groups->storage, sizeof groups->storage);
    pack_u8(&out, GROUPS_MARK);
    message_order(&out, &slot->order, left > 1 ? left : 1);
    /* The time of a request bounds this one: its end is told for certain. */
    groups_calls(groups);
    cluster_request(groups->options.cluster, groups->leader, buf_bytes(&out), left > 1 ? left : 1,
                    on_replied, slot);
}

/* Where it can go now. Answers are never given from inside the call that asked: everything begins in a timer. */
static void on_timer(struct timer *timer)
{
    struct order_slot *slot = container_of(timer, struct order_slot, timer);
    struct groups *groups = slot->groups;
    struct loop *loop = groups->options.loop;
    struct group *group = groups_find(groups, slot->order.group);

    if (passed(slot->deadline, loop_now(loop))) {
        give_up(slot);
        return;
    }
    if (!group) {
        char sentence[GROUPS_TEXT_MAX];

        snprintf(sentence, sizeof sentence, "there is no group '%.60s'", slot->order.group);
        orders_answer(groups, slot->number, false, sentence);
        return;
    }
    if (group->leading) {
        slot->waiting = true;
        timer_arm(loop, timer, slot->deadline);
        leader_order(group, &slot->order, slot->number);
        return;
    }
    /* A leader that has just gone is none, and what was never sent is not called unknown. */
    if (strcmp(groups->leader, groups->node) != 0 && !slot->ticket &&
        cluster_linked(groups->options.cluster, groups->leader)) {
        send(slot);
        return;
    }
    timer_arm(loop, timer, after_ms(loop_now(loop), AGAIN_MS));
}

static struct order_slot *take_slot(struct groups *groups, const struct groups_order *order,
                                    int64_t timeout_ms)
{
    struct loop *loop = groups->options.loop;

    for (uint32_t i = 0; i < GROUPS_ORDERS_MAX; i++) {
        struct order_slot *slot = &groups->orders[i];

        if (slot->used)
            continue;
        *slot = (struct order_slot){
            .groups = groups, .used = true, .order = *order, .number = ++groups->order_numbers};
        slot->deadline = after_ms(loop_now(loop), timeout_ms);
        timer_init(&slot->timer, on_timer);
        timer_arm(loop, &slot->timer, loop_now(loop));
        return slot;
    }
    return NULL;
}

bool groups_order(struct groups *groups, const struct groups_order *order, int64_t timeout_ms,
                  groups_replied *replied, void *context)
{
    struct order_slot *slot = take_slot(groups, order, timeout_ms);

    if (!slot)
        return false;
    slot->replied = replied;
    slot->context = context;
    return true;
}

/* Somebody took this node for the leader. It answers itself or says that it is none; it passes nothing on. */
void orders_requested(struct groups *groups, uint64_t ticket, struct unpack *in)
{
    struct groups_reply reply = {.reached = true};
    struct groups_order order;
    struct order_slot *slot;
    int64_t timeout_ms;
    struct buf out;

    snprintf(reply.by, sizeof reply.by, "%s", groups->node);
    if (!message_read_order(in, &order, &timeout_ms))
        snprintf(reply.sentence, sizeof reply.sentence, "the order is malformed");
    else if ((slot = take_slot(groups, &order, timeout_ms))) {
        slot->ticket = ticket;
        return;
    } else
        snprintf(reply.sentence, sizeof reply.sentence, "too many orders are under way");
    buf_over(&out, groups->storage, sizeof groups->storage);
    message_reply(&out, &reply);
    cluster_answer(groups->options.cluster, ticket, buf_bytes(&out));
}

void groups_requested(struct groups *groups, const char *node, uint64_t ticket, struct bytes bytes)
{
    struct unpack in = unpack_of(bytes);

    switch (unpack_u8(&in)) {
    case GROUPS_REPORT:
        report_requested(groups, node, ticket, &in);
        return;
    case GROUPS_ORDER:
        orders_requested(groups, ticket, &in);
        return;
    default:
        cluster_answer(groups->options.cluster, ticket, (struct bytes){0});
    }
}

void orders_close(struct groups *groups)
{
    for (uint32_t i = 0; i < GROUPS_ORDERS_MAX; i++) {
        struct order_slot *slot = &groups->orders[i];

        if (!slot->used)
            continue;
        timer_cancel(groups->options.loop, &slot->timer);
        slot->used = false;
        /* Who asked from another node is told by the end of its link. */
        if (!slot->ticket)
            slot->replied(slot->context,
                          &(struct groups_reply){.reached = slot->sent || slot->waiting,
                                                 .sentence = "this node stops: ask another one"});
    }
}
