/*
 * Sends HTTP requests, over as many connections as the load may open, and tells the plan what became of each.
 *
 * Each request belongs to one connection from its sending to its end, so that every failure of a connection is some request's. Nothing is sent
 * twice: what a real client would quietly repeat is counted here.
 */
#include "base/clock.h"
#include "base/list.h"
#include "base/own.h"
#include "cli/drive_load.h"
#include "wire/http1.h"

enum {
    REST_MS =
        10, /* of a connection that failed, in a closed loop: else it would fail as fast as the machine can */
};

enum phase {
    CLOSED, /* in clients.closed */
    CONNECTING,
    BUSY,
    IDLE, /* in clients.idle */
    CLOSING,
    RESTING,
};

struct connection {
    struct clients *clients;
    struct list node;
    enum phase phase;
    bool rests; /* when it is closed */
    struct stream stream;
    struct timer timer; /* the request's deadline, or the end of the rest */
    struct instant intended;
    /* the answer */
    bool headed, last; /* last: the connection takes no request after this one */
    uint16_t status;
    uint64_t content;
    struct http1_scan scan;
    struct http1_body body;
    struct buf head; /* what came of a head that is not whole */
    uint8_t group_len;
    char group[LOAD_GROUP_NAME_MAX];
};

struct clients {
    struct load_driver *driver;
    struct buf request;
    enum http1_method method;
    struct connection *connections;
    struct list idle, closed;
    uint32_t open; /* connections that are neither CLOSED nor RESTING */
};

/* ---- connections ---- */

static void close_connection(struct connection *connection)
{
    list_remove(&connection->node);
    timer_cancel(connection->clients->driver->loop, &connection->timer);
    connection->phase = CLOSING;
    buf_fini(&connection->head);
    /* The answer was read to its end, or nobody waits for it: a reset leaves no TIME_WAIT, which would use up the ports. */
    stream_close(&connection->stream, true);
}

static void rest(struct connection *connection)
{
    struct clients *clients = connection->clients;
    struct load_driver *driver = clients->driver;

    if (connection->rests && driver->options->rate == 0) {
        connection->phase = RESTING;
        timer_arm(driver->loop, &connection->timer, after_ms(loop_now(driver->loop), REST_MS));
    } else {
        connection->phase = CLOSED;
        list_push_front(&clients->closed, &connection->node);
    }
    connection->rests = false;
}

static void finish(struct connection *connection, enum load_outcome outcome, uint16_t status)
{
    load_finish(connection->clients->driver->plan, connection->intended, clock_now(), outcome,
                status);
}

static void fail(struct connection *connection, enum load_outcome outcome)
{
    finish(connection, outcome, 0);
    close_connection(connection);
}

static void expect_answer(struct connection *connection)
{
    connection->headed = false;
    connection->content = 0;
    connection->scan = (struct http1_scan){0};
    connection->group_len = 0;
    buf_clear(&connection->head);
}

static void send_request(struct connection *connection)
{
    connection->phase = BUSY;
    expect_answer(connection);
    if (!stream_send(&connection->stream, NULL, buf_bytes(&connection->clients->request)))
        fail(connection, LOAD_NO_RESOURCES);
}

/* ---- answers ---- */

static void answered(struct connection *connection, bool leftover)
{
    struct clients *clients = connection->clients;
    struct load_driver *driver = clients->driver;
    const struct load_options *options = driver->options;
    enum load_outcome outcome = load_outcome_of_status(connection->status);

    if (outcome == LOAD_OK && options->expects_body &&
        connection->content != options->expect_body_bytes)
        outcome = LOAD_WRONG_LENGTH;
    finish(connection, outcome, connection->status);
    driver->plan->bytes += connection->content;
    driver->plan->unasked += leftover;
    if (options->group_by)
        load_group(driver->plan, bytes_of(connection->group, connection->group_len));
    if (leftover || connection->last || stream_queued(&connection->stream) > 0) {
        close_connection(connection);
        return;
    }
    timer_cancel(driver->loop, &connection->timer);
    connection->phase = IDLE;
    list_push_front(&clients->idle, &connection->node);
}

static void note_group(struct connection *connection, const struct http1_head *head,
                       struct bytes bytes)
{
    struct bytes wanted = bytes_of_string(connection->clients->driver->options->group_by);

    for (uint16_t i = 0; i < head->field_count; i++) {
        if (!bytes_equal_nocase(http1_bytes(bytes, head->fields[i].name), wanted))
            continue;
        bytes = bytes_take(http1_bytes(bytes, head->fields[i].value), LOAD_GROUP_NAME_MAX);
        memcpy(connection->group, bytes.at, bytes.len);
        connection->group_len = (uint8_t)bytes.len;
        return;
    }
}

static void begin_body(struct connection *connection, const struct http1_head *head,
                       struct bytes bytes)
{
    const struct load_options *options = connection->clients->driver->options;

    connection->headed = true;
    connection->status = head->status;
    connection->last = !head->keep_alive || !options->keep_alive || head->status == 101;
    http1_body_begin(&connection->body, head);
    if (options->group_by)
        note_group(connection, head, bytes);
}

/* Keeps what came of a head; `view` is the end of connection->head already, or it is new. */
static void keep(struct connection *connection, struct bytes view, bool kept)
{
    if (kept)
        buf_drop(&connection->head, connection->head.len - view.len);
    else
        buf_add(&connection->head, view);
}

/* False: the head is not whole, or the request has failed. Else *bytes is what follows it. */
static bool take_head(struct connection *connection, struct bytes *bytes)
{
    bool kept = connection->head.len > 0;
    struct bytes view = *bytes;

    if (kept) {
        buf_add(&connection->head, view);
        view = buf_bytes(&connection->head);
    }
    while (!connection->headed) {
        struct http1_head head;
        struct http1_fault fault;
        uint32_t used;
        enum http1_verdict verdict =
            http1_response(&connection->scan, view, HTTP1_HEAD_MAX, connection->clients->method,
                           &head, &used, &fault);

        if (verdict == HTTP1_WRONG || connection->head.full) {
            fail(connection, LOAD_MALFORMED);
            return false;
        }
        if (verdict == HTTP1_MORE) {
            keep(connection, view, kept);
            return false;
        }
        if (head.status >= 200 || head.status == 101)
            begin_body(connection, &head, view);
        view = bytes_skip(view, used);
    }
    *bytes = view;
    return true;
}

static void take_body(struct connection *connection, struct bytes bytes)
{
    enum http1_verdict verdict;

    do {
        struct http1_fault fault;
        struct bytes content;
        size_t used;

        verdict = http1_body_next(&connection->body, bytes, &used, &content, &fault);
        if (verdict == HTTP1_WRONG) {
            fail(connection, LOAD_MALFORMED);
            return;
        }
        connection->content += content.len;
        bytes = bytes_skip(bytes, used);
    } while (verdict == HTTP1_MORE && bytes.len > 0);
    if (verdict == HTTP1_DONE)
        answered(connection, bytes.len > 0);
}

/* ---- events ---- */

static struct connection *connection_of(struct stream *stream)
{
    return container_of(stream, struct connection, stream);
}

static void on_connected(struct stream *stream)
{
    stream_receive(stream, true);
    send_request(connection_of(stream));
}

static void on_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct connection *connection = connection_of(stream);

    (void)chunk;
    if (connection->phase == IDLE) {
        connection->clients->driver->plan->unasked++;
        close_connection(connection);
    } else if (connection->phase == BUSY) {
        if (connection->headed || take_head(connection, &bytes))
            take_body(connection, bytes);
    }
}

static void on_ended(struct stream *stream)
{
    struct connection *connection = connection_of(stream);

    if (connection->phase == IDLE)
        close_connection(connection);
    else if (connection->phase == BUSY && connection->headed &&
             http1_body_complete(&connection->body)) {
        connection->last = true;
        answered(connection, false);
    } else if (connection->phase == BUSY) {
        fail(connection, LOAD_CLOSED_EARLY);
    }
}

static void on_failed(struct stream *stream, int error)
{
    struct connection *connection = connection_of(stream);

    if (connection->phase == CONNECTING || connection->phase == BUSY) {
        connection->rests = connection->phase == CONNECTING;
        fail(connection, load_outcome_of_errno(connection->phase == CONNECTING, error));
    } else if (connection->phase == IDLE) {
        close_connection(connection);
    }
}

static void on_drained(struct stream *stream)
{
    (void)stream;
}

static void on_closed(struct stream *stream)
{
    struct connection *connection = connection_of(stream);

    connection->clients->open--;
    rest(connection);
}

static void on_timer(struct timer *timer)
{
    struct connection *connection = container_of(timer, struct connection, timer);

    if (connection->phase == RESTING)
        rest(connection);
    else
        fail(connection, LOAD_TIMEOUT);
}

static const struct stream_events events = {
    .connected = on_connected,
    .received = on_received,
    .ended = on_ended,
    .drained = on_drained,
    .failed = on_failed,
    .closed = on_closed,
};

/* ---- sending ---- */

static void connect_and_send(struct connection *connection)
{
    struct clients *clients = connection->clients;
    struct load_driver *driver = clients->driver;
    enum load_outcome outcome = LOAD_NO_RESOURCES;
    struct err err = {0};

    driver->plan->connects++;
    if (driver->to[0].family == 0) {
        outcome = LOAD_UNRESOLVED;
    } else if (stream_connect(driver->loop, &connection->stream, &driver->to[0], NULL, &events,
                              &err)) {
        connection->phase = CONNECTING;
        buf_init(&connection->head, HTTP1_HEAD_MAX + LOAD_CHUNK_BYTES);
        clients->open++;
        return;
    }
    timer_cancel(driver->loop, &connection->timer);
    finish(connection, outcome, 0);
    connection->rests = true;
    rest(connection);
}

/* Idle connections first, the one used last before the others, so that as few are open as the load needs. */
static struct connection *free_connection(const struct clients *clients)
{
    struct list *node = list_first(&clients->idle);

    if (!node)
        node = list_first(&clients->closed);
    return node ? container_of(node, struct connection, node) : NULL;
}

static void send_what_is_due(struct load_driver *driver, struct instant now)
{
    struct clients *clients = driver->clients;
    struct connection *connection = free_connection(clients);
    struct instant intended;

    while (connection && load_take(driver->plan, now, &intended)) {
        list_remove(&connection->node);
        connection->intended = intended;
        timer_arm(driver->loop, &connection->timer,
                  after_ms(intended, driver->options->timeout_ms));
        if (connection->phase == IDLE)
            send_request(connection);
        else
            connect_and_send(connection);
        connection = free_connection(clients);
    }
    if (!connection)
        load_expire(driver->plan, now);
}

static bool make_connections(struct clients *clients, struct err *err)
{
    uint32_t count = clients->driver->options->connections;

    clients->connections = calloc(count, sizeof *clients->connections);
    if (!clients->connections)
        return err_system(err, "keep %u connections", count);
    list_init(&clients->idle);
    list_init(&clients->closed);
    for (uint32_t i = 0; i < count; i++) {
        struct connection *connection = &clients->connections[i];

        connection->clients = clients;
        timer_init(&connection->timer, on_timer);
        list_push_back(&clients->closed, &connection->node);
    }
    return true;
}

static bool make_request(struct clients *clients, struct err *err)
{
    const struct load_options *options = clients->driver->options;
    static const char head[] = "HEAD";

    buf_init(&clients->request, options->body_bytes + (512 << 10));
    load_write_request(options, &clients->request);
    if (clients->request.full)
        return err_set(err, ERR_LIMIT, "the request does not fit into memory");
    clients->method = strcmp(options->method, head) == 0 ? METHOD_HEAD : METHOD_GET;
    return true;
}

/* ---- what the driver asks of it ---- */

static bool http_open(struct load_driver *driver, struct err *err)
{
    struct clients *clients = calloc(1, sizeof *clients);

    if (!clients)
        return err_system(err, "keep the connections");
    clients->driver = driver;
    driver->clients = clients;
    return make_request(clients, err) && make_connections(clients, err);
}

static bool http_is_free(struct load_driver *driver)
{
    return free_connection(driver->clients) != NULL;
}

static void http_abandon(struct load_driver *driver)
{
    struct clients *clients = driver->clients;

    for (uint32_t i = 0; i < driver->options->connections; i++) {
        struct connection *connection = &clients->connections[i];

        if (connection->phase == CONNECTING || connection->phase == BUSY) {
            load_abandon(driver->plan);
            close_connection(connection);
        }
    }
}

static void http_close(struct load_driver *driver)
{
    struct clients *clients = driver->clients;

    if (!clients)
        return;
    for (uint32_t i = 0; clients->connections && i < driver->options->connections; i++) {
        struct connection *connection = &clients->connections[i];

        if (connection->phase == IDLE)
            close_connection(connection);
    }
    while (clients->open > 0)
        loop_turn(driver->loop, INT64_MAX);
    free(clients->connections);
    buf_fini(&clients->request);
    free(clients);
}

const struct load_protocol load_http = {
    .open = http_open,
    .send_what_is_due = send_what_is_due,
    .is_free = http_is_free,
    .abandon = http_abandon,
    .close = http_close,
};
