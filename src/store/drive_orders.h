/*
 * orders: the engine contract (docs/engines.md) as the store keeps it: one line an order, one line an answer, over a stream that the supervisor made. It decides nothing.
 *
 * One order is under way at a time. A new stream is a new agent: the one before is dropped, with what it asked.
 */
#pragma once

#include "engine/engine.h"

struct loop;
struct orders;

struct orders_options {
    struct loop *loop;
    const char *group, *self; /* borrowed */
    const struct engine_member
        *members;   /* this one included; names borrowed; `member` is never 0 */
    uint32_t count; /* at most GROUP_MEMBERS_MAX */
    /* agent_orders_answer follows, from inside too. */
    void (*ordered)(void *context, const struct engine_order *order);
    void *context;
};

MUST_USE bool agent_orders_open(struct orders **orders, const struct orders_options *options,
                                struct err *err);
/* A connected, non-blocking stream socket, which is the callee's. */
void agent_orders_take(struct orders *orders, int fd);
/* Of the order that came last; without one, or after its agent has gone, nothing. */
void agent_orders_answer(struct orders *orders, const struct engine_answer *answer);
/* The loop turns once more afterwards, and frees the rest. NULL is fine. */
void agent_orders_close(struct orders *orders);
