#include "store/drive_server.h"

#include "base/must.h"
#include "net/net.h"

#include <stdlib.h>

enum {
    SPARES_MAX = 256,
    SPARE_BYTES_MAX = 64 << 10,
    LINGER_MS = 1000,
    LINGERING_MAX = 1024,
};

struct client {
    struct server *server;
    struct session session; /* until `done` */
    struct stream stream;
    struct buf sending;    /* does not change while the stream has it */
    struct list lingering; /* after `done`: it may still read what it was sent */
    int64_t linger_until_ms;
    bool done, ended, receiving;
};

struct door {
    struct listener listener;
    struct server *server;
    char address[SESSION_ADDRESS_MAX];
};

struct spare {
    uint8_t *at;
    size_t cap;
};

struct server {
    struct loop *loop;
    struct desk desk;
    struct door doors[SERVER_DOORS_MAX];
    uint32_t door_count;
    struct timer flush, tick, over;
    struct list lingering;
    uint32_t clients, lingering_count;
    bool closing;
    struct spare spares[SPARES_MAX];
    uint32_t spare_count;
    void (*closed)(void *context);
    void *context;
};

/* ---- the clock, before anything is asked of the desk; and what comes of it, after ---- */

static void enter(struct server *server)
{
    server->desk.now_ms = loop_now(server->loop).ns / NS_PER_MS;
    server->desk.wall_ms = loop_read_clock(server->loop, LOOP_WALL).ns / NS_PER_MS;
}

/* Once a turn, after all of its events. */
static void leave(struct server *server)
{
    if (!list_empty(&server->desk.dirty) && !timer_armed(&server->flush))
        timer_arm(server->loop, &server->flush, loop_now(server->loop));
}

/* ---- buffers ---- */

static void lend(struct server *server, struct buf *buf)
{
    if (buf->at || server->spare_count == 0)
        return;
    buf->at = server->spares[--server->spare_count].at;
    buf->cap = server->spares[server->spare_count].cap;
}

static void take_back(struct server *server, struct buf *buf)
{
    size_t limit = buf->limit;

    if (buf->at && buf->cap <= SPARE_BYTES_MAX && server->spare_count < SPARES_MAX) {
        server->spares[server->spare_count++] = (struct spare){buf->at, buf->cap};
        buf->at = NULL;
    }
    buf_fini(buf);
    buf_init(buf, limit);
}

/* ---- one connection ---- */

static struct client *of_stream(struct stream *stream)
{
    return container_of(stream, struct client, stream);
}

static void close_stream(struct client *client, bool reset)
{
    if (!list_empty(&client->lingering)) {
        list_remove(&client->lingering);
        client->server->lingering_count--;
    }
    stream_close(&client->stream, reset);
}

/* The session is over. Whoever was told why may still read it: a close while something is unread would be a reset, and take it away. */
static void finish(struct client *client)
{
    struct server *server = client->server;
    bool cut = client->session.cut;

    if (!client->done)
        session_close(&server->desk, &client->session);
    client->done = true;
    if (cut || client->ended || server->lingering_count >= LINGERING_MAX) {
        close_stream(client, cut);
        return;
    }
    server->lingering_count++;
    list_push_back(&server->lingering, &client->lingering);
    client->linger_until_ms = server->desk.now_ms + LINGER_MS;
    stream_finish(&client->stream);
    stream_receive(&client->stream, true);
}

static void drop(struct client *client)
{
    if (!client->done)
        session_close(&client->server->desk, &client->session);
    client->done = true;
    close_stream(client, true);
}

/* False: not now, there is no memory for it. */
static bool send_replies(struct client *client)
{
    struct session *session = &client->session;
    struct buf out = session->out;

    if (client->sending.len > 0 || out.len == 0)
        return true;
    if (!stream_send(&client->stream, NULL, buf_bytes(&out)))
        return false;
    client->sending.limit = out.limit;
    session->out = client->sending;
    client->sending = out;
    session->unsent = out.len;
    client->server->desk.counts.out_bytes += out.len;
    return true;
}

static bool is_quiet(const struct session *session)
{
    return session->pending == 0 && session->stall == STALL_NONE && !session->ready;
}

/* Replies go out, bytes come in or do not, and what is over ends. False: to be looked at again. */
static bool attend(struct client *client)
{
    struct session *session = &client->session;
    bool receive;

    session_check_limits(&client->server->desk, session);
    if (session->cut) {
        finish(client);
        return true;
    }
    if (!send_replies(client))
        return false;
    if (client->ended && is_quiet(session))
        session->closing = true;
    if (session->closing && client->sending.len == 0 && session->out.len == 0) {
        finish(client);
        return true;
    }
    receive = !session_is_full(session) && !client->ended;
    if (receive != client->receiving) {
        client->receiving = receive;
        stream_receive(&client->stream, receive);
    }
    if (client->sending.len == 0 && session->out.len == 0 && session->pending == 0)
        take_back(client->server, &session->out);
    return true;
}

static void on_flush(struct timer *timer)
{
    struct server *server = container_of(timer, struct server, flush);
    struct list batch, *node;

    enter(server);
    list_move(&batch, &server->desk.dirty);
    while ((node = list_pop_front(&batch))) {
        struct session *session = container_of(node, struct session, dirty);

        if (!attend(container_of(session, struct client, session)))
            session_touch(&server->desk, session);
    }
    leave(server);
}

/* ---- events of streams ---- */

static void on_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct client *client = of_stream(stream);
    struct server *server = client->server;

    (void)chunk;
    if (client->done)
        return;
    enter(server);
    lend(server, &client->session.out);
    session_feed(&server->desk, &client->session, bytes);
    session_touch(&server->desk, &client->session);
    leave(server);
}

static void on_drained(struct stream *stream)
{
    struct client *client = of_stream(stream);
    struct server *server = client->server;

    if (client->done || client->sending.len == 0)
        return;
    enter(server);
    take_back(server, &client->sending);
    session_drained(&server->desk, &client->session, 0);
    /* At once: as one of the dirty it would cost another turn. */
    if (!attend(client))
        session_touch(&server->desk, &client->session);
    leave(server);
}

/* What was asked before is still answered. */
static void on_ended(struct stream *stream)
{
    struct client *client = of_stream(stream);

    client->ended = true;
    if (client->done) {
        close_stream(client, false);
        return;
    }
    enter(client->server);
    session_touch(&client->server->desk, &client->session);
    leave(client->server);
}

static void on_failed(struct stream *stream, int error)
{
    (void)error;
    drop(of_stream(stream));
}

static void free_if_over(struct server *server)
{
    if (server->closing && server->clients == 0 && !timer_armed(&server->over))
        timer_arm(server->loop, &server->over, loop_now(server->loop));
}

static void on_closed(struct stream *stream)
{
    struct client *client = of_stream(stream);
    struct server *server = client->server;

    buf_fini(&client->sending);
    free(client);
    server->clients--;
    free_if_over(server);
}

static const struct stream_events events = {.received = on_received,
                                            .ended = on_ended,
                                            .drained = on_drained,
                                            .failed = on_failed,
                                            .closed = on_closed};

/* ---- accepting ---- */

static void refuse(struct client *client)
{
    client->done = true;
    client->session.cut =
        !stream_send(&client->stream, NULL, BYTES("-ERR max number of clients reached\r\n"));
    finish(client);
}

static void on_accepted(struct listener *listener, int fd, const struct address *peer)
{
    struct door *door = container_of(listener, struct door, listener);
    struct server *server = door->server;
    struct client *client = server->closing ? NULL : calloc(1, sizeof *client);
    char address[ADDRESS_TEXT_MAX];

    if (!client) {
        loop_close_fd(server->loop, fd);
        return;
    }
    enter(server);
    client->server = server;
    list_init(&client->lingering);
    buf_init(&client->sending, 0);
    server->clients++;
    stream_adopt(server->loop, &client->stream, fd, &events);
    if (!session_open(&server->desk, &client->session, address_print(peer, address),
                      door->address)) {
        refuse(client);
        return;
    }
    client->receiving = true;
    stream_receive(&client->stream, true);
}

/* The loop accepts again by itself after a while. */
static void on_starved(struct listener *listener, int error)
{
    (void)error;
    container_of(listener, struct door, listener)->server->desk.counts.rejected++;
}

/* ---- time ---- */

static void end_lingering(struct server *server)
{
    list_each_safe (node, &server->lingering) {
        struct client *client = container_of(node, struct client, lingering);

        if (server->desk.now_ms < client->linger_until_ms)
            break;
        close_stream(client, true);
    }
}

static void on_tick(struct timer *timer)
{
    struct server *server = container_of(timer, struct server, tick);
    int64_t ms;

    enter(server);
    ms = desk_tick(&server->desk);
    end_lingering(server);
    timer_arm(server->loop, &server->tick, after_ms(loop_now(server->loop), ms));
    leave(server);
}

/* ---- the owner's calls ---- */

static void on_over(struct timer *timer)
{
    struct server *server = container_of(timer, struct server, over);
    void (*closed)(void *context) = server->closed;
    void *context = server->context;

    if (server->clients > 0)
        return; /* the last one's end comes back here */
    while (server->spare_count > 0)
        free(server->spares[--server->spare_count].at);
    desk_close(&server->desk);
    free(server);
    closed(context);
}

static void open_door(struct server *server, const struct server_door *opened)
{
    struct door *door = &server->doors[server->door_count++];

    door->server = server;
    address_print(&opened->address, door->address);
    door->listener.accepted = on_accepted;
    door->listener.starved = on_starved;
    listener_start(server->loop, &door->listener, opened->fd);
}

bool server_open(struct server **out, const struct server_options *options, struct err *err)
{
    struct server *server = calloc(1, sizeof *server);
    struct desk_options desk = options->desk;

    must(options->door_count <= SERVER_DOORS_MAX);
    if (!server)
        return err_set(err, ERR_LIMIT, "no memory for the store's server");
    desk.now_ms = loop_now(options->loop).ns / NS_PER_MS;
    desk.wall_ms = loop_read_clock(options->loop, LOOP_WALL).ns / NS_PER_MS;
    if (!desk_open(&server->desk, &desk, err)) {
        free(server);
        return false;
    }
    server->loop = options->loop;
    server->closed = options->closed;
    server->context = options->context;
    list_init(&server->lingering);
    timer_init(&server->flush, on_flush);
    timer_init(&server->tick, on_tick);
    timer_init(&server->over, on_over);
    timer_arm(server->loop, &server->tick, loop_now(server->loop));
    for (uint32_t i = 0; i < options->door_count; i++)
        open_door(server, &options->doors[i]);
    *out = server;
    return true;
}

void server_close(struct server *server)
{
    server->closing = true;
    for (uint32_t i = 0; i < server->door_count; i++)
        listener_stop(&server->doors[i].listener, false);
    list_each_safe (node, &server->desk.sessions)
        drop(container_of(container_of(node, struct session, node), struct client, session));
    list_each_safe (node, &server->lingering)
        close_stream(container_of(node, struct client, lingering), true);
    timer_cancel(server->loop, &server->flush);
    timer_cancel(server->loop, &server->tick);
    /* A listener's storage is needed for one more turn. */
    timer_arm(server->loop, &server->over, after_ms(loop_now(server->loop), 1));
}

struct desk *server_desk(struct server *server)
{
    return &server->desk;
}

/* ---- the ledger's events ---- */

uint64_t server_execute(struct server *server, struct position position, struct bytes record,
                        uint64_t cookie)
{
    return desk_execute(&server->desk, position, record, cookie);
}

void server_executed(struct server *server)
{
    enter(server);
    desk_executed(&server->desk);
    leave(server);
}

void server_unknown(struct server *server, uint64_t cookie)
{
    enter(server);
    desk_unknown(&server->desk, cookie);
    leave(server);
}

void server_state(struct server *server)
{
    enter(server);
    desk_state(&server->desk);
    leave(server);
}

void server_roomy(struct server *server)
{
    enter(server);
    desk_roomy(&server->desk);
    leave(server);
}

void server_linked(struct server *server, uint32_t member, bool up)
{
    enter(server);
    desk_linked(&server->desk, member, up);
    leave(server);
}

void server_message(struct server *server, uint32_t member, struct bytes bytes)
{
    enter(server);
    desk_message(&server->desk, member, bytes);
    leave(server);
}

void server_epoch_record(struct server *server, struct buf *out)
{
    enter(server);
    desk_epoch_record(&server->desk, out);
}
