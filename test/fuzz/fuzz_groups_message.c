/*
 * What groups of other nodes say: the first byte chooses what the rest is read as. What is read, then written, is read as the same again.
 */
#include "fuzz.h"

#include "base/must.h"
#include "role/groups_parts.h"

#include <string.h>

static uint8_t storage[GROUPS_MESSAGE_MAX];

static void outlook(struct unpack in)
{
    static struct groups_view view, again;
    static struct group group = {.name = "db", .names = {"a", "b", "c"}};
    struct buf out;

    group.config.count = 3;
    if (!message_read_outlook(&in, &group, &view))
        return;
    must(view.winner <= 3);
    buf_over(&out, storage, sizeof storage);
    message_outlook(&out, &group, &view);
    must(!out.full);
    in = unpack_of(buf_bytes(&out));
    must(message_read_outlook(&in, &group, &again));
    must(view.winner == again.winner && view.failover == again.failover &&
         view.expected_ms == again.expected_ms && strcmp(view.why_nobody, again.why_nobody) == 0);
    for (uint32_t i = 0; i < 3; i++)
        must(view.members[i].heard == again.members[i].heard &&
             view.members[i].lag_ms == again.members[i].lag_ms &&
             life_equal(view.members[i].report.life, again.members[i].report.life));
}

static void order(struct unpack in)
{
    struct groups_order order, again;
    int64_t timeout_ms, again_ms;
    struct buf out;

    if (!message_read_order(&in, &order, &timeout_ms))
        return;
    buf_over(&out, storage, sizeof storage);
    message_order(&out, &order, timeout_ms);
    in = unpack_of(bytes_skip(buf_bytes(&out), 1));
    must(message_read_order(&in, &again, &again_ms));
    must(order.kind == again.kind && order.accept_loss == again.accept_loss &&
         timeout_ms == again_ms && strcmp(order.group, again.group) == 0 &&
         strcmp(order.to, again.to) == 0);
}

static void reply(struct unpack in)
{
    struct groups_reply reply, again;
    struct buf out;

    if (!message_read_reply(&in, &reply))
        return;
    buf_over(&out, storage, sizeof storage);
    message_reply(&out, &reply);
    in = unpack_of(buf_bytes(&out));
    must(message_read_reply(&in, &again));
    must(reply.done == again.done && reply.reached == again.reached &&
         strcmp(reply.by, again.by) == 0 && strcmp(reply.sentence, again.sentence) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct unpack in = unpack_of(bytes_of(data, size));

    switch (unpack_u8(&in)) {
    case 'o':
        order(in);
        return 0;
    case 'r':
        reply(in);
        return 0;
    default:
        outlook(in);
    }
    return 0;
}
