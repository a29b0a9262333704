#include "store/drive_server_parts.h"

#include "base/must.h"

#include <stdlib.h>
#include <string.h>

enum { LINGER_MS = 1000, LINGERING_MAX = 1024 };

/* ---- the clock, before anything is asked of the desk; and what comes of it, after ---- */

void server_enter(struct server *server)
{
    server->desk.now_ms = loop_now(server->loop).ns / NS_PER_MS;
    server->desk.wall_ms = loop_read_clock(server->loop, LOOP_WALL).ns / NS_PER_MS;
}

/* Once a turn, after all of its events. */
void server_leave(struct server *server)
{
    if (!list_empty(&server->desk.dirty) && !timer_armed(&server->flush))
        timer_arm(server->loop, &server->flush, loop_now(server->loop));
}

/* ---- buffers ---- */

void server_lend(struct server *server, struct buf *buf)
{
    if (buf->at || server->spare_count == 0)
        return;
    buf->at = server->spares[--server->spare_count].at;
    buf->cap = server->spares[server->spare_count].cap;
}

void server_take_back(struct server *server, struct buf *buf)
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

static void end_session(struct client *client)
{
    if (client->open && !client->done)
        session_close(&client->server->desk, &client->session);
    client->done = true;
}

/* The session is over. Whoever was told why may still read it: a close while something is unread would be a reset, and take it away. */
void client_finish(struct client *client)
{
    struct server *server = client->server;
    bool cut = client->session.cut;

    end_session(client);
    if (client->cover && !cut)
        cut = !cover_finish(client);
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

void client_drop(struct client *client)
{
    end_session(client);
    close_stream(client, true);
}

static void fill(struct client *client)
{
    struct session *session = &client->session;
    struct buf out = session->out;

    client->sending.limit = out.limit;
    session->out = client->sending;
    client->sending = out;
    session->unsent = out.len;
}

/* False: not now, there is no memory for it. */
static bool send_replies(struct client *client)
{
    if (client->queued)
        return true;
    if (client->sending.len == 0 && client->cover)
        cover_fill(client);
    else if (client->sending.len == 0)
        fill(client);
    if (client->sending.len == 0)
        return true;
    client->queued = stream_send(&client->stream, NULL, buf_bytes(&client->sending));
    if (client->queued)
        client->server->desk.counts.out_bytes += client->sending.len;
    return client->queued;
}

/* Everything that was replied has gone. */
static bool is_silent(const struct client *client)
{
    return client->sending.len == 0 && client->session.out.len == 0 &&
           (!client->cover || cover_unsent(client) == 0);
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
        client_finish(client);
        return true;
    }
    if (!send_replies(client))
        return false;
    if (session->cut) {
        client_finish(client);
        return true;
    }
    if (client->ended && is_quiet(session))
        session->closing = true;
    if (session->closing && is_silent(client)) {
        client_finish(client);
        return true;
    }
    receive = !session_is_full(session) && !client->ended;
    if (receive != client->receiving) {
        client->receiving = receive;
        stream_receive(&client->stream, receive);
    }
    if (is_silent(client) && session->pending == 0)
        server_take_back(client->server, &session->out);
    return true;
}

static void on_flush(struct timer *timer)
{
    struct server *server = container_of(timer, struct server, flush);
    struct list batch, *node;

    server_enter(server);
    list_move(&batch, &server->desk.dirty);
    while ((node = list_pop_front(&batch))) {
        struct session *session = container_of(node, struct session, dirty);

        if (!attend(container_of(session, struct client, session)))
            session_touch(&server->desk, session);
    }
    server_leave(server);
}

/* ---- events of streams ---- */

void client_take(struct client *client, struct bytes bytes)
{
    struct server *server = client->server;

    server_lend(server, &client->session.out);
    session_feed(&server->desk, &client->session, bytes);
}

static void on_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct client *client = of_stream(stream);
    struct server *server = client->server;

    (void)chunk;
    if (client->done)
        return;
    server_enter(server);
    if (client->cover)
        cover_received(client, bytes);
    else
        client_take(client, bytes);
    if (client->open && !client->done)
        session_touch(&server->desk, &client->session);
    server_leave(server);
}

static void on_drained(struct stream *stream)
{
    struct client *client = of_stream(stream);
    struct server *server = client->server;

    if (client->done || !client->queued)
        return;
    server_enter(server);
    client->queued = false;
    server_take_back(server, &client->sending);
    if (client->open) {
        session_drained(&server->desk, &client->session, client->cover ? cover_unsent(client) : 0);
        /* At once: as one of the dirty it would cost another turn. */
        if (!attend(client))
            session_touch(&server->desk, &client->session);
    } else {
        cover_answer(client);
    }
    server_leave(server);
}

/* What was asked before is still answered. */
static void on_ended(struct stream *stream)
{
    struct client *client = of_stream(stream);

    client->ended = true;
    if (client->done || !client->open) {
        end_session(client);
        close_stream(client, false);
        return;
    }
    server_enter(client->server);
    session_touch(&client->server->desk, &client->session);
    server_leave(client->server);
}

static void on_failed(struct stream *stream, int error)
{
    (void)error;
    client_drop(of_stream(stream));
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

    if (client->cover)
        cover_close(client);
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
    const struct bytes why = BYTES("-ERR max number of clients reached\r\n");

    if (client->cover)
        cover_say(client, why);
    else
        client->session.cut = !stream_send(&client->stream, NULL, why);
    client_finish(client);
}

void client_admit(struct client *client, const struct door *door, const char *address)
{
    client->open = session_open(&client->server->desk, &client->session, address, door->address);
    if (!client->open)
        refuse(client);
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
    server_enter(server);
    client->server = server;
    list_init(&client->lingering);
    buf_init(&client->sending, 0);
    server->clients++;
    stream_adopt(server->loop, &client->stream, fd, &events);
    address_print(peer, address);
    if (!door->covered)
        client_admit(client, door, address);
    else if (!cover_open(client, door, address))
        client_drop(client);
    if (client->done)
        return;
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

    server_enter(server);
    ms = desk_tick(&server->desk);
    end_lingering(server);
    cover_end_late(server);
    timer_arm(server->loop, &server->tick, after_ms(loop_now(server->loop), ms));
    server_leave(server);
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
    door->covered = opened->covered;
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
    server->tls = options->tls;
    list_init(&server->lingering);
    cover_begin(server);
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
        client_drop(container_of(container_of(node, struct session, node), struct client, session));
    list_each_safe (node, &server->shaking)
        client_drop(container_of(node, struct cover, shaking)->client);
    list_each_safe (node, &server->lingering)
        close_stream(container_of(node, struct client, lingering), true);
    timer_cancel(server->loop, &server->flush);
    timer_cancel(server->loop, &server->tick);
    timer_cancel(server->loop, &server->shake);
    /* A listener's storage is needed for one more turn. */
    timer_arm(server->loop, &server->over, after_ms(loop_now(server->loop), 1));
}

void server_use_tls(struct server *server, struct tls_context *tls)
{
    server->tls = tls;
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
    server_enter(server);
    desk_executed(&server->desk);
    server_leave(server);
}

void server_unknown(struct server *server, uint64_t cookie)
{
    server_enter(server);
    desk_unknown(&server->desk, cookie);
    server_leave(server);
}

void server_state(struct server *server)
{
    server_enter(server);
    desk_state(&server->desk);
    server_leave(server);
}

void server_roomy(struct server *server)
{
    server_enter(server);
    desk_roomy(&server->desk);
    server_leave(server);
}

void server_linked(struct server *server, uint32_t member, bool up)
{
    server_enter(server);
    desk_linked(&server->desk, member, up);
    server_leave(server);
}

void server_message(struct server *server, uint32_t member, struct bytes bytes)
{
    server_enter(server);
    desk_message(&server->desk, member, bytes);
    server_leave(server);
}

void server_epoch_record(struct server *server, struct buf *out)
{
    server_enter(server);
    desk_epoch_record(&server->desk, out);
}
