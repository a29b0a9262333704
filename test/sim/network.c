#include "network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    WINDOW = 64 * 1024,  /* bytes that one end can have written and the other's owner not read */
    UNACKED = 16 * 1024, /* bytes that may go without an acknowledgement */
    PACKET_BYTES = 8 * 1024,
    PACKETS = 16, /* under way in one direction */
    BACKLOG = 64,
    RTO_MIN_MS = 200,
    RTO_MAX_MS = 3200,
    SYN_MS = 1000,
    LISTENER_FD = 2 << 20,
};

enum end_state { END_CLOSED, END_CONNECTING, END_OPEN };

/* All bytes up to `until`, and perhaps the end behind them. */
struct packet {
    uint64_t until;
    int64_t arrives;
    bool lost; /* `arrives` is when it is sent again */
    bool fin;
};

/* What one end sends to the other. Positions count from the beginning of the connection. */
struct flow {
    uint64_t written, sent, arrived, acked, read;
    bool fin, fin_sent, fin_arrived;
    bool waits; /* its writer for room */
    uint32_t first, packets;
    int64_t arrived_at; /* the last packet */
    struct packet packet[PACKETS];
    int64_t rto_ms;
    struct sim_event tick; /* of the first packet; without any: asks for an acknowledgement */
    uint8_t bytes[WINDOW]; /* position p lies at p % WINDOW */
};

struct end {
    struct list node;  /* of its host's ends */
    struct list ready; /* of its host's, when there is news */
    struct conn *conn;
    struct sim_host *host;
    struct stream *stream;
    struct address address;
    enum end_state state;
    uint32_t news;
    int error; /* what reading or connecting says */
    struct sim_event reset;
    struct flow out;
};

struct conn {
    struct sim_network *network;
    uint32_t number;
    uint32_t side_known; /* end[1] has been there */
    struct list line;    /* of the listener, until it is accepted */
    struct sim_event syn, answer;
    int64_t syn_ms; /* until the next try */
    bool syn_lost, refused;
    struct conn *free;
    struct end end[2]; /* 0 connects, 1 accepts */
};

struct door { /* a listening socket */
    struct list node, line;
    struct sim_host *host;
    uint16_t port;
    uint32_t waiting;
    int fd;
    struct door *free;
};

struct sim_network {
    struct sim_world *world;
    struct conn **conn;
    uint32_t conns, cap;
    struct conn *free;
    uint32_t doors;
    uint16_t port;
};

static struct end *other(struct end *end)
{
    return &end->conn->end[end == &end->conn->end[0]];
}

static struct sim_world *world_of(const struct end *end)
{
    return end->conn->network->world;
}

/* ---- connections come and go ---- */

static void tick(struct sim_event *event);
static void reset_arrives(struct sim_event *event);
static void syn_arrives(struct sim_event *event);
static void answer_arrives(struct sim_event *event);

static struct conn *conn_new(struct sim_network *network)
{
    struct conn *conn = malloc(sizeof *conn);

    must(conn != NULL);
    if (network->conns == network->cap) {
        network->cap = network->cap ? network->cap * 2 : 64;
        network->conn = realloc(network->conn, network->cap * sizeof(struct conn *));
        must(network->conn != NULL);
    }
    conn->number = network->conns;
    network->conn[network->conns++] = conn;
    return conn;
}

static void flow_init(struct flow *flow)
{
    /* All but the bytes. */
    memset(flow, 0, offsetof(struct flow, bytes));
    flow->rto_ms = RTO_MIN_MS;
    flow->tick.happen = tick;
}

static void end_init(struct conn *conn, struct end *end)
{
    list_init(&end->node);
    list_init(&end->ready);
    end->conn = conn;
    end->host = NULL;
    end->stream = NULL;
    end->address = (struct address){0};
    end->state = END_CLOSED;
    end->news = 0;
    end->error = 0;
    end->reset = (struct sim_event){.happen = reset_arrives};
    flow_init(&end->out);
}

static struct conn *conn_take(struct sim_network *network)
{
    struct conn *conn = network->free;

    if (conn)
        network->free = conn->free;
    else
        conn = conn_new(network);
    conn->network = network;
    conn->side_known = 0;
    conn->syn_ms = SYN_MS;
    conn->syn_lost = conn->refused = false;
    conn->syn = (struct sim_event){.happen = syn_arrives};
    conn->answer = (struct sim_event){.happen = answer_arrives};
    list_init(&conn->line);
    end_init(conn, &conn->end[0]);
    end_init(conn, &conn->end[1]);
    return conn;
}

static void end_leave(struct end *end)
{
    end->state = END_CLOSED;
    end->stream = NULL;
    end->news = 0;
    list_remove(&end->node);
    list_remove(&end->ready);
}

/* Nobody is left to tell anything. */
static void conn_drop_if_over(struct conn *conn)
{
    struct sim_world *world = conn->network->world;

    if (conn->end[0].state != END_CLOSED || conn->end[1].state != END_CLOSED)
        return;
    sim_cancel(world, &conn->syn);
    sim_cancel(world, &conn->answer);
    for (int side = 0; side < 2; side++) {
        sim_cancel(world, &conn->end[side].out.tick);
        sim_cancel(world, &conn->end[side].reset);
    }
    conn->free = conn->network->free;
    conn->network->free = conn;
}

struct sim_network *sim_network_new(struct sim_world *world)
{
    struct sim_network *network = calloc(1, sizeof *network);

    must(network != NULL);
    network->world = world;
    network->port = 32768;
    return network;
}

void sim_network_free(struct sim_network *network)
{
    for (uint32_t i = 0; i < network->conns; i++)
        free(network->conn[i]);
    free(network->conn);
    free(network);
}

/* ---- news ---- */

static void tell(struct end *end, uint32_t news)
{
    end->news |= news;
    if (end->stream && list_empty(&end->ready))
        list_push_back(&end->host->ready, &end->ready);
}

static void fail(struct end *end, int error)
{
    if (end->state == END_CLOSED || end->error)
        return;
    end->error = error;
    sim_cancel(world_of(end), &end->out.tick);
    tell(end, SIM_NEWS_READABLE | SIM_NEWS_WRITABLE);
}

/* A reset goes to an end; when it is lost, silence is all that it hears. */
static void send_reset(struct sim_host *from, struct end *to)
{
    int64_t at = sim_packet(from->world, from->index, to->host->index);

    if (to->state != END_CLOSED && at >= 0)
        sim_schedule(from->world, &to->reset, at);
}

static void reset_arrives(struct sim_event *event)
{
    struct end *end = container_of(event, struct end, reset);

    fail(end, end->state == END_CONNECTING ? ECONNREFUSED : ECONNRESET);
}

/* ---- bytes under way ---- */

static void wait_and_repeat(struct end *end)
{
    struct flow *flow = &end->out;

    sim_schedule(world_of(end), &flow->tick, world_of(end)->now + flow->rto_ms * NS_PER_MS);
    flow->rto_ms = flow->rto_ms * 2 < RTO_MAX_MS ? flow->rto_ms * 2 : RTO_MAX_MS;
}

static struct packet *first_packet(struct flow *flow)
{
    return &flow->packet[flow->first];
}

static void launch(struct end *end, uint64_t until, bool fin)
{
    struct sim_world *world = world_of(end);
    struct flow *flow = &end->out;
    struct packet *packet = &flow->packet[(flow->first + flow->packets) % PACKETS];
    const struct packet *ahead = packet;
    int64_t at = sim_packet(world, end->host->index, other(end)->host->index);

    if (flow->packets > 0)
        ahead = &flow->packet[(flow->first + flow->packets - 1) % PACKETS];
    *packet = (struct packet){.until = until, .fin = fin, .lost = at < 0, .arrives = at};
    if (packet->lost)
        packet->arrives = world->now + flow->rto_ms * NS_PER_MS;
    if (flow->packets > 0 && packet->arrives < ahead->arrives)
        packet->arrives = ahead->arrives;
    if (flow->packets++ == 0)
        sim_schedule(world, &flow->tick, packet->arrives);
}

/* Sends what may be sent. */
static void push(struct end *end)
{
    struct flow *flow = &end->out;

    if (end->error)
        return;
    while (flow->packets < PACKETS && flow->sent < flow->written &&
           flow->sent - flow->acked < UNACKED) {
        uint64_t len = flow->written - flow->sent;

        if (len > PACKET_BYTES)
            len = PACKET_BYTES;
        if (rng_below(&world_of(end)->rng, 8) == 0)
            len = 1 + rng_below(&world_of(end)->rng, len);
        flow->sent += len;
        launch(end, flow->sent, false);
    }
    if (flow->fin && !flow->fin_sent && flow->sent == flow->written && flow->packets < PACKETS) {
        flow->fin_sent = true;
        launch(end, flow->sent, true);
    }
}

static void acknowledge(struct end *end)
{
    struct flow *flow = &end->out;

    flow->acked = flow->arrived;
    flow->rto_ms = RTO_MIN_MS;
    push(end);
}

/* The first packet reaches the other end's host. False: nobody answers there. */
static bool arrive(struct end *end)
{
    struct sim_world *world = world_of(end);
    struct flow *flow = &end->out;
    struct end *to = other(end);
    const struct packet *packet = first_packet(flow);

    if (!to->host->powered)
        return false;
    if (to->state == END_CLOSED) {
        send_reset(to->host, end);
        return false;
    }
    sim_mix(world, packet->until);
    flow->arrived = packet->until;
    flow->arrived_at = world->now;
    flow->fin_arrived = packet->fin;
    flow->first = (flow->first + 1) % PACKETS;
    flow->packets--;
    tell(to, SIM_NEWS_READABLE);
    return true;
}

static void next_tick(struct end *end)
{
    struct flow *flow = &end->out;

    if (flow->packets > 0 && !flow->tick.place)
        sim_schedule(world_of(end), &flow->tick, first_packet(flow)->arrives);
    else if (flow->packets == 0 && flow->acked < flow->arrived)
        wait_and_repeat(end);
}

static bool can_answer(const struct end *end)
{
    const struct conn *conn = end->conn;

    return !conn->network->world
                ->link[conn->end[end == &conn->end[0]].host->index][end->host->index]
                .cut;
}

static void tick(struct sim_event *event)
{
    struct end *end = container_of(event, struct end, out.tick);
    struct sim_world *world = world_of(end);
    struct flow *flow = &end->out;
    struct packet *packet = first_packet(flow);

    if (flow->packets == 0) {
        /* Only the acknowledgement is missing. */
        if (sim_packet(world, end->host->index, other(end)->host->index) >= 0 && can_answer(end))
            acknowledge(end);
    } else if (packet->lost) {
        int64_t at = sim_packet(world, end->host->index, other(end)->host->index);

        if (at < 0) {
            wait_and_repeat(end);
            return;
        }
        packet->lost = false;
        packet->arrives = at;
    } else if (!arrive(end)) {
        packet->lost = true;
        wait_and_repeat(end);
        return;
    } else if (can_answer(end)) {
        acknowledge(end);
    }
    next_tick(end);
}

/* ---- opening ---- */

static struct door *door_at(const struct sim_host *host, uint16_t port)
{
    list_each (node, &host->listeners) {
        struct door *door = container_of(node, struct door, node);

        if (door->port == port)
            return door;
    }
    return NULL;
}

static void send_syn(struct conn *conn)
{
    struct sim_world *world = conn->network->world;
    int64_t at = sim_packet(world, conn->end[0].host->index, conn->end[1].host->index);

    conn->syn_lost = at < 0;
    if (conn->syn_lost) {
        at = world->now + conn->syn_ms * NS_PER_MS;
        conn->syn_ms *= 2;
    }
    sim_schedule(world, &conn->syn, at);
}

static void answer_syn(struct conn *conn, bool refused)
{
    struct sim_world *world = conn->network->world;
    int64_t at = sim_packet(world, conn->end[1].host->index, conn->end[0].host->index);

    conn->refused = refused;
    if (at >= 0) {
        sim_schedule(world, &conn->answer, at);
        return;
    }
    conn->syn_lost = true;
    sim_schedule(world, &conn->syn, world->now + conn->syn_ms * NS_PER_MS);
    conn->syn_ms *= 2;
}

static void syn_arrives(struct sim_event *event)
{
    struct conn *conn = container_of(event, struct conn, syn);
    struct sim_host *host = conn->end[1].host;
    struct door *door;

    if (conn->syn_lost) {
        send_syn(conn);
        return;
    }
    if (conn->side_known) {
        answer_syn(conn, false);
        return;
    }
    door = door_at(host, conn->end[1].address.port);
    if (host->powered && !door) {
        answer_syn(conn, true);
    } else if (!host->powered || door->waiting == BACKLOG) {
        conn->syn_lost = true;
        sim_schedule(host->world, event, host->world->now + conn->syn_ms * NS_PER_MS);
        conn->syn_ms *= 2;
    } else {
        conn->side_known = 1;
        conn->end[1].state = END_OPEN;
        list_push_back(&host->ends, &conn->end[1].node);
        list_push_back(&door->line, &conn->line);
        door->waiting++;
        host->knocked = true;
        answer_syn(conn, false);
    }
}

static void answer_arrives(struct sim_event *event)
{
    struct conn *conn = container_of(event, struct conn, answer);
    struct end *end = &conn->end[0];

    if (end->state != END_CONNECTING)
        return;
    if (conn->refused) {
        fail(end, ECONNREFUSED);
        return;
    }
    end->state = END_OPEN;
    tell(end, SIM_NEWS_CONNECTED | SIM_NEWS_WRITABLE);
}

/* ---- descriptors ---- */

static struct end *end_of(const struct sim_host *host, int fd)
{
    struct sim_network *network = host->world->network;
    uint32_t number = (uint32_t)(fd - SIM_FD);

    must(fd >= SIM_FD && number / 2 < network->conns);
    must(network->conn[number / 2]->end[number % 2].host == host);
    return &network->conn[number / 2]->end[number % 2];
}

int sim_socket(struct sim_host *host)
{
    struct conn *conn = conn_take(host->world->network);

    conn->end[0].host = host;
    conn->end[0].state = END_CONNECTING;
    list_push_back(&host->ends, &conn->end[0].node);
    return SIM_FD + (int)conn->number * 2;
}

void sim_connect(struct sim_host *host, int fd, const struct address *to)
{
    struct end *end = end_of(host, fd);
    struct sim_network *network = host->world->network;

    network->port = network->port == UINT16_MAX ? 32768 : (uint16_t)(network->port + 1);
    end->address = host->address;
    end->address.port = network->port;
    end->conn->end[1].address = *to;
    end->conn->end[1].host = sim_host_at(host->world, to);
    must(end->conn->end[1].host != NULL);
    send_syn(end->conn);
}

int64_t sim_send(struct sim_host *host, int fd, const void *at, size_t len)
{
    struct end *end = end_of(host, fd);
    struct flow *flow = &end->out;
    size_t room = WINDOW - (size_t)(flow->written - flow->read), begin, straight;

    if (end->error)
        return -end->error;
    must(!flow->fin);
    if (room < len) {
        flow->waits = true;
        len = room;
    }
    if (len == 0)
        return -EAGAIN;
    begin = (size_t)(flow->written % WINDOW);
    straight = WINDOW - begin < len ? WINDOW - begin : len;
    memcpy(flow->bytes + begin, at, straight);
    memcpy(flow->bytes, (const uint8_t *)at + straight, len - straight);
    sim_mix_bytes(host->world, at, len);
    flow->written += len;
    push(end);
    return (int64_t)len;
}

int64_t sim_receive(struct sim_host *host, int fd, void *at, size_t cap)
{
    struct end *end = end_of(host, fd);
    struct flow *flow = &other(end)->out;
    size_t len = (size_t)(flow->arrived - flow->read), begin, straight;

    /* What is done with it is not done before it came. */
    if (flow->arrived_at > host->stopped_at)
        host->stale_reads = 0;
    if (len == 0 && end->error)
        return -end->error;
    if (len == 0)
        return flow->fin_arrived ? 0 : -EAGAIN;
    if (len > cap)
        len = cap;
    begin = (size_t)(flow->read % WINDOW);
    straight = WINDOW - begin < len ? WINDOW - begin : len;
    memcpy(at, flow->bytes + begin, straight);
    memcpy((uint8_t *)at + straight, flow->bytes, len - straight);
    flow->read += len;
    if (flow->waits && other(end)->state == END_OPEN) {
        flow->waits = false;
        tell(other(end), SIM_NEWS_WRITABLE);
    }
    return (int64_t)len;
}

void sim_finish(struct sim_host *host, int fd)
{
    struct end *end = end_of(host, fd);

    end->out.fin = true;
    push(end);
}

static void close_end(struct end *end, bool reset)
{
    const struct flow *in = &other(end)->out;
    bool open = end->state == END_OPEN;

    reset = reset || in->arrived > in->read;
    end_leave(end);
    if (open && !end->error) {
        end->out.fin = true;
        if (reset) {
            sim_cancel(world_of(end), &end->out.tick);
            send_reset(end->host, other(end));
        } else {
            push(end);
        }
    }
    conn_drop_if_over(end->conn);
}

void sim_close(struct sim_host *host, int fd, bool reset)
{
    close_end(end_of(host, fd), reset);
}

bool sim_gone(struct sim_host *host, int fd)
{
    struct end *end = end_of(host, fd);

    return end->error != 0 || other(end)->out.fin_arrived;
}

struct address sim_address(struct sim_host *host, int fd, bool peer)
{
    struct end *end = end_of(host, fd);

    return peer ? other(end)->address : end->address;
}

int sim_error(struct sim_host *host, int fd)
{
    return end_of(host, fd)->error;
}

void sim_attach(struct sim_host *host, int fd, struct stream *stream)
{
    struct end *end = end_of(host, fd);

    must(!end->stream);
    end->stream = stream;
    if (end->news)
        tell(end, 0);
}

struct stream *sim_news(struct sim_host *host, uint32_t *news)
{
    struct list *node = list_pop_front(&host->ready);
    struct end *end;

    if (!node)
        return NULL;
    end = container_of(node, struct end, ready);
    *news = end->news;
    end->news = 0;
    return end->stream;
}

/* ---- listening ---- */

int sim_listen(struct sim_host *host, uint16_t port)
{
    struct sim_network *network = host->world->network;
    struct door *door = calloc(1, sizeof *door);

    must(door != NULL && !door_at(host, port));
    door->host = host;
    door->port = port;
    door->fd = LISTENER_FD + (int)network->doors++;
    list_init(&door->line);
    list_push_back(&host->listeners, &door->node);
    return door->fd;
}

static struct door *door_of(const struct sim_host *host, int fd)
{
    list_each (node, &host->listeners) {
        struct door *door = container_of(node, struct door, node);

        if (door->fd == fd)
            return door;
    }
    return NULL;
}

int sim_accept(struct sim_host *host, int listener_fd, struct address *peer)
{
    struct door *door = door_of(host, listener_fd);
    struct list *node = door ? list_pop_front(&door->line) : NULL;
    struct conn *conn;

    if (!node)
        return -EAGAIN;
    door->waiting--;
    conn = container_of(node, struct conn, line);
    *peer = conn->end[0].address;
    return SIM_FD + (int)conn->number * 2 + 1;
}

bool sim_knocked(struct sim_host *host, int listener_fd)
{
    const struct door *door = door_of(host, listener_fd);

    return door && !list_empty(&door->line);
}

void sim_unlisten(struct sim_host *host, int fd)
{
    struct door *door = door_of(host, fd);
    struct list *node;

    if (!door)
        return;
    list_remove(&door->node);
    while ((node = list_pop_front(&door->line)))
        close_end(&container_of(node, struct conn, line)->end[1], true);
    free(door);
}

/* ---- faults ---- */

void sim_network_forget(struct sim_host *host, bool silent)
{
    struct list *node;

    if (silent) {
        list_each (each, &host->ends)
            container_of(each, struct end, node)->error = ECONNRESET;
    }
    while ((node = list_first(&host->listeners)))
        sim_unlisten(host, container_of(node, struct door, node)->fd);
    while ((node = list_first(&host->ends))) {
        struct end *end = container_of(node, struct end, node);

        if (silent)
            sim_cancel(host->world, &end->out.tick);
        close_end(end, false);
    }
    host->knocked = false;
}

void sim_network_reset(struct sim_world *world, uint32_t a, uint32_t b)
{
    for (uint32_t i = 0; i < world->network->conns; i++) {
        struct conn *conn = world->network->conn[i];
        const struct sim_host *one = conn->end[0].host, *two = conn->end[1].host;

        if (!one || !two ||
            !((one->index == a && two->index == b) || (one->index == b && two->index == a)))
            continue;
        fail(&conn->end[0], ECONNRESET);
        fail(&conn->end[1], ECONNRESET);
    }
}
