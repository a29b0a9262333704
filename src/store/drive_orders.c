#include "store/drive_orders.h"

#include "engine/script_orders.h"
#include "net/net.h"

#include <stdlib.h>

enum { BACKLOG_MAX = 2 * (SCRIPT_LINE_MAX + 1) };

/* One agent's stream; it outlives the use of it by a turn. */
struct agent {
    struct orders *orders; /* NULL: it was let go */
    struct stream stream;
    struct buf in, out; /* `out` does not change while it is being sent */
    bool asked;
    uint64_t id; /* of the order under way */
};

struct orders {
    struct loop *loop;
    struct script_scene scene;
    struct engine_member members[GROUP_MEMBERS_MAX];
    struct agent *agent; /* NULL: there is none */
    void (*ordered)(void *context, const struct engine_order *order);
    void *context;
};

static void let_go(struct orders *orders)
{
    struct agent *agent = orders->agent;

    orders->agent = NULL;
    if (!agent)
        return;
    agent->orders = NULL;
    stream_close(&agent->stream, false);
}

static void send_answer(struct orders *orders, const struct engine_answer *answer)
{
    struct agent *agent = orders->agent;

    agent->asked = false;
    /* Whoever asks again before it has read its answer does not keep the contract. */
    if (stream_queued(&agent->stream) > 0) {
        let_go(orders);
        return;
    }
    buf_clear(&agent->out);
    script_write_answer(answer, agent->id, &orders->scene, &agent->out);
    if (agent->out.full || !stream_send(&agent->stream, NULL, buf_bytes(&agent->out)))
        let_go(orders);
}

void agent_orders_answer(struct orders *orders, const struct engine_answer *answer)
{
    if (orders->agent && orders->agent->asked)
        send_answer(orders, answer);
}

static void take_line(struct orders *orders, struct bytes line)
{
    struct agent *agent = orders->agent;
    struct engine_answer answer = {.outcome = ENGINE_REFUSED};
    struct engine_order order;

    if (script_read_order(line, &orders->scene, &order, &agent->id, answer.sentence)) {
        agent->asked = true;
        orders->ordered(orders->context, &order);
        return;
    }
    answer.verb = order.verb;
    answer.epoch = order.epoch;
    send_answer(orders, &answer);
}

static struct agent *of_stream(struct stream *stream)
{
    return container_of(stream, struct agent, stream);
}

static void on_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct agent *agent = of_stream(stream);

    (void)chunk;
    if (!agent->orders)
        return;
    buf_add(&agent->in, bytes);
    while (agent->orders && !agent->in.full) {
        size_t end = bytes_find(buf_bytes(&agent->in), '\n');

        if (end == agent->in.len)
            break;
        take_line(agent->orders, bytes_take(buf_bytes(&agent->in), end));
        buf_drop(&agent->in, end + 1);
    }
    if (agent->orders && (agent->in.full || agent->in.len > SCRIPT_LINE_MAX))
        let_go(agent->orders);
}

static void on_ended(struct stream *stream)
{
    if (of_stream(stream)->orders)
        let_go(of_stream(stream)->orders);
}

static void on_failed(struct stream *stream, int error)
{
    struct agent *agent = of_stream(stream);

    (void)error;
    if (agent->orders)
        let_go(agent->orders);
    else
        stream_close(stream, true);
}

static void on_closed(struct stream *stream)
{
    struct agent *agent = of_stream(stream);

    buf_fini(&agent->in);
    buf_fini(&agent->out);
    free(agent);
}

bool agent_orders_open(struct orders **out, const struct orders_options *options, struct err *err)
{
    struct orders *orders = calloc(1, sizeof *orders);

    must(options->count <= GROUP_MEMBERS_MAX);
    if (!orders)
        return err_set(err, ERR_LIMIT, "no memory for the agent's orders");
    memcpy(orders->members, options->members, options->count * sizeof *options->members);
    orders->loop = options->loop;
    orders->scene =
        (struct script_scene){options->group, options->self, orders->members, options->count};
    orders->ordered = options->ordered;
    orders->context = options->context;
    *out = orders;
    return true;
}

void agent_orders_take(struct orders *orders, int fd)
{
    static const struct stream_events events = {
        .received = on_received, .ended = on_ended, .failed = on_failed, .closed = on_closed};
    struct agent *agent = calloc(1, sizeof *agent);

    let_go(orders);
    if (!agent) {
        loop_close_fd(orders->loop, fd);
        return;
    }
    agent->orders = orders;
    buf_init(&agent->in, BACKLOG_MAX);
    buf_init(&agent->out, SCRIPT_LINE_MAX + 1);
    stream_adopt(orders->loop, &agent->stream, fd, &events);
    stream_receive(&agent->stream, true);
    orders->agent = agent;
}

void agent_orders_close(struct orders *orders)
{
    if (!orders)
        return;
    let_go(orders);
    free(orders);
}
