/*
 * Sends what the plan says is due, over as many connections as it may open, and tells the plan what became of it.
 *
 * Each request belongs to one connection from its sending to its end, so that every failure of a connection is some request's. Nothing is sent
 * twice: what a real client would quietly repeat is counted here.
 */
#include "base/clock.h"
#include "base/list.h"
#include "base/own.h"
#include "cli/load.h"
#include "net/net.h"
#include "wire/http1.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

enum {
    CHUNK_BYTES = 64 << 10,
    SPARE_FDS = 32,
    RESOLVE_TIMEOUT_MS = 5000,
    RESOLVE_AGAIN_MS = 1000,
    REST_MS =
        10, /* of a connection that failed, in a closed loop: else it would fail as fast as the machine can */
    PROGRESS_MS = 1000,
    REPORT_MAX = 256 << 20,
};

enum phase {
    CLOSED, /* in driver.closed */
    CONNECTING,
    BUSY,
    IDLE, /* in driver.idle */
    CLOSING,
    RESTING,
};

struct connection {
    struct driver *driver;
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

struct driver {
    const struct load_options *options;
    struct load_plan *plan;
    struct loop *loop;
    struct resolver *resolver;
    struct resolution resolution;
    bool resolved; /* at least asked */
    struct timer resolve, progress;
    struct address to;
    struct buf request;
    enum http1_method method;
    struct connection *connections;
    struct list idle, closed;
    uint32_t open; /* connections that are neither CLOSED nor RESTING */
    struct watch signals;
    bool interrupted;
};

/* ---- connections ---- */

static void close_connection(struct connection *connection)
{
    list_remove(&connection->node);
    timer_cancel(connection->driver->loop, &connection->timer);
    connection->phase = CLOSING;
    buf_fini(&connection->head);
    /* The answer was read to its end, or nobody waits for it: a reset leaves no TIME_WAIT, which would use up the ports. */
    stream_close(&connection->stream, true);
}

static void rest(struct connection *connection)
{
    struct driver *driver = connection->driver;

    if (connection->rests && driver->options->rate == 0) {
        connection->phase = RESTING;
        timer_arm(driver->loop, &connection->timer, after_ms(loop_now(driver->loop), REST_MS));
    } else {
        connection->phase = CLOSED;
        list_push_front(&driver->closed, &connection->node);
    }
    connection->rests = false;
}

static void finish(struct connection *connection, enum load_outcome outcome, uint16_t status)
{
    load_finish(connection->driver->plan, connection->intended, clock_now(), outcome, status);
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
    if (!stream_send(&connection->stream, NULL, buf_bytes(&connection->driver->request)))
        fail(connection, LOAD_NO_RESOURCES);
}

/* ---- answers ---- */

static void answered(struct connection *connection, bool leftover)
{
    struct driver *driver = connection->driver;
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
    list_push_front(&driver->idle, &connection->node);
}

static void note_group(struct connection *connection, const struct http1_head *head,
                       struct bytes bytes)
{
    struct bytes wanted = bytes_of_string(connection->driver->options->group_by);

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
    const struct load_options *options = connection->driver->options;

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
            http1_response(&connection->scan, view, HTTP1_HEAD_MAX, connection->driver->method,
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
        connection->driver->plan->unasked++;
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

static enum load_outcome outcome_of(enum phase phase, int error)
{
    switch (error) {
    case ECONNREFUSED:
        return LOAD_REFUSED;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return LOAD_RESET;
    case EADDRNOTAVAIL:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return LOAD_NO_RESOURCES;
    default:
        return phase == CONNECTING ? LOAD_UNREACHABLE : LOAD_RESET;
    }
}

static void on_failed(struct stream *stream, int error)
{
    struct connection *connection = connection_of(stream);

    if (connection->phase == CONNECTING || connection->phase == BUSY) {
        connection->rests = connection->phase == CONNECTING;
        fail(connection, outcome_of(connection->phase, error));
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

    connection->driver->open--;
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

static void connect_and_send(struct driver *driver, struct connection *connection)
{
    enum load_outcome outcome = LOAD_NO_RESOURCES;
    struct err err = {0};

    driver->plan->connects++;
    if (driver->to.family == 0) {
        outcome = LOAD_UNRESOLVED;
    } else if (stream_connect(driver->loop, &connection->stream, &driver->to, NULL, &events,
                              &err)) {
        connection->phase = CONNECTING;
        buf_init(&connection->head, HTTP1_HEAD_MAX + CHUNK_BYTES);
        driver->open++;
        return;
    }
    timer_cancel(driver->loop, &connection->timer);
    finish(connection, outcome, 0);
    connection->rests = true;
    rest(connection);
}

/* Idle connections first, the one used last before the others, so that as few are open as the load needs. */
static struct connection *free_connection(struct driver *driver)
{
    struct list *node = list_first(&driver->idle);

    if (!node)
        node = list_first(&driver->closed);
    return node ? container_of(node, struct connection, node) : NULL;
}

static void send_what_is_due(struct driver *driver, struct instant now)
{
    struct connection *connection = free_connection(driver);
    struct instant intended;

    while (connection && load_take(driver->plan, now, &intended)) {
        list_remove(&connection->node);
        connection->intended = intended;
        timer_arm(driver->loop, &connection->timer,
                  after_ms(intended, driver->options->timeout_ms));
        if (connection->phase == IDLE)
            send_request(connection);
        else
            connect_and_send(driver, connection);
        connection = free_connection(driver);
    }
    if (!connection)
        load_expire(driver->plan, now);
}

/* Until the next request is due; without a free connection, until the one that has waited longest has waited too long. */
static int64_t wait_ns(struct driver *driver, struct instant now)
{
    struct instant next = load_next(driver->plan, now);

    if (next.ns == NEVER.ns)
        return INT64_MAX;
    if (!free_connection(driver))
        next = after_ms(next, driver->options->timeout_ms);
    return passed(next, now) ? 0 : ns_between(now, next);
}

static bool over(struct driver *driver, struct instant now)
{
    return load_outstanding(driver->plan) == 0 && load_next(driver->plan, now).ns == NEVER.ns;
}

/* ---- the name, the signals, the line on the terminal ---- */

static void ask_name(struct driver *driver)
{
    char host[256];

    resolver_ask(driver->resolver, &driver->resolution,
                 bytes_to_string(driver->options->host, host, sizeof host));
}

static void on_resolve(struct timer *timer)
{
    ask_name(container_of(timer, struct driver, resolve));
}

static void on_resolved(struct resolution *resolution, const struct err *err)
{
    struct driver *driver = container_of(resolution, struct driver, resolution);

    driver->resolved = true;
    if (err || resolution->count == 0) {
        timer_arm(driver->loop, &driver->resolve,
                  after_ms(loop_now(driver->loop), RESOLVE_AGAIN_MS));
        return;
    }
    driver->to = resolution->addresses[0];
    driver->to.port = driver->options->port;
}

static void on_signal(struct watch *watch, bool readable, bool writable)
{
    struct driver *driver = container_of(watch, struct driver, signals);
    struct signalfd_siginfo info;

    (void)writable;
    if (readable && read(watch->fd, &info, sizeof info) == sizeof info)
        driver->interrupted = true;
}

static void on_progress(struct timer *timer)
{
    struct driver *driver = container_of(timer, struct driver, progress);
    struct instant now = clock_now();
    char text[256];
    struct buf line;

    buf_over(&line, text, sizeof text);
    load_print_progress(driver->plan, now, &line);
    fprintf(stderr, "\r\033[K%.*s", (int)line.len, (const char *)line.at);
    timer_arm(driver->loop, &driver->progress, after_ms(now, PROGRESS_MS));
}

static void interrupt(struct driver *driver, struct instant now)
{
    load_stop(driver->plan, now);
    for (uint32_t i = 0; i < driver->options->connections; i++) {
        struct connection *connection = &driver->connections[i];

        if (connection->phase == CONNECTING || connection->phase == BUSY) {
            load_abandon(driver->plan);
            close_connection(connection);
        }
    }
}

/* ---- life ---- */

static bool allow_descriptors(uint32_t connections, struct err *err)
{
    rlim_t needed = (rlim_t)connections + SPARE_FDS;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_system(err, "read the limit of descriptors");
    if (limit.rlim_max < needed)
        return err_set(err, ERR_LIMIT,
                       "%u connections need %llu descriptors, and this process may have %llu"
                       " (ulimit -n)",
                       connections, (unsigned long long)needed, (unsigned long long)limit.rlim_max);
    if (limit.rlim_cur >= needed)
        return true;
    limit.rlim_cur = needed;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_system(err, "raise the limit of descriptors to %llu",
                          (unsigned long long)needed);
    return true;
}

static bool watch_signals(struct driver *driver, struct err *err)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return err_system(err, "watch for signals");
    driver->signals.ready = on_signal;
    watch_start(driver->loop, &driver->signals, fd, true, false);
    return true;
}

static bool make_connections(struct driver *driver, struct err *err)
{
    uint32_t count = driver->options->connections;

    driver->connections = calloc(count, sizeof *driver->connections);
    if (!driver->connections)
        return err_system(err, "keep %u connections", count);
    list_init(&driver->idle);
    list_init(&driver->closed);
    for (uint32_t i = 0; i < count; i++) {
        struct connection *connection = &driver->connections[i];

        connection->driver = driver;
        timer_init(&connection->timer, on_timer);
        list_push_back(&driver->closed, &connection->node);
    }
    return true;
}

static bool make_request(struct driver *driver, struct err *err)
{
    static const char head[] = "HEAD";

    buf_init(&driver->request, driver->options->body_bytes + (512 << 10));
    load_write_request(driver->options, &driver->request);
    if (driver->request.full)
        return err_set(err, ERR_LIMIT, "the request does not fit into memory");
    driver->method = strcmp(driver->options->method, head) == 0 ? METHOD_HEAD : METHOD_GET;
    return true;
}

static bool driver_open(struct driver *driver, struct err *err)
{
    const struct load_options *options = driver->options;
    struct loop_options loop = {
        .kind = LOOP_AUTO,
        .chunks_max = options->connections * 2 + 64,
        .chunk_bytes = CHUNK_BYTES,
    };

    if (!allow_descriptors(options->connections, err) || !make_request(driver, err) ||
        !make_connections(driver, err) || !loop_open(&driver->loop, &loop, err) ||
        !resolver_open(&driver->resolver, driver->loop, RESOLVE_TIMEOUT_MS, err) ||
        !watch_signals(driver, err))
        return false;
    timer_init(&driver->resolve, on_resolve);
    timer_init(&driver->progress, on_progress);
    driver->resolution.resolved = on_resolved;
    return true;
}

static void driver_close(struct driver *driver)
{
    for (uint32_t i = 0; driver->connections && i < driver->options->connections; i++) {
        struct connection *connection = &driver->connections[i];

        if (connection->phase == IDLE)
            close_connection(connection);
    }
    while (driver->open > 0)
        loop_turn(driver->loop, INT64_MAX);
    if (driver->signals.ready) {
        watch_stop(&driver->signals);
        loop_turn(driver->loop, 0);
        close(driver->signals.fd);
    }
    if (driver->resolver)
        resolver_close(driver->resolver);
    if (driver->loop)
        loop_close(driver->loop);
    free(driver->connections);
    buf_fini(&driver->request);
}

static void run(struct driver *driver)
{
    struct instant now = clock_now();

    while (!over(driver, now)) {
        send_what_is_due(driver, now);
        loop_turn(driver->loop, wait_ns(driver, now));
        now = clock_now();
        if (driver->interrupted)
            interrupt(driver, now);
    }
    must(driver->plan->taken == driver->plan->finished + driver->plan->abandoned);
}

static bool allocate(const struct load_options *options, struct load_plan *plan, struct err *err)
{
    plan->seconds = calloc(load_seconds_needed(options->duration_ms), sizeof *plan->seconds);
    plan->marks = calloc(load_marks_needed(options->duration_ms), sizeof *plan->marks);
    return (plan->seconds && plan->marks) || err_system(err, "keep the accounts");
}

bool load_drive(const struct load_options *options, struct load_plan *plan, struct err *err)
{
    struct driver driver = {.options = options, .plan = plan};
    bool shown = isatty(STDERR_FILENO) == 1;
    bool opened;

    *plan = (struct load_plan){0};
    opened = allocate(options, plan, err) && driver_open(&driver, err);
    if (opened) {
        /* Requests are sent when they are due, not up to 50 us later. */
        prctl(PR_SET_TIMERSLACK, 1UL);
        ask_name(&driver);
        while (!driver.resolved && !driver.interrupted)
            loop_turn(driver.loop, INT64_MAX);
        load_begin(plan, options, plan->seconds, plan->marks, clock_now());
        if (shown)
            timer_arm(driver.loop, &driver.progress, after_ms(plan->start, PROGRESS_MS));
        run(&driver);
        timer_cancel(driver.loop, &driver.progress);
        timer_cancel(driver.loop, &driver.resolve);
        if (shown)
            fputs("\r\033[K", stderr);
    }
    driver_close(&driver);
    return opened;
}

void load_free(struct load_plan *plan)
{
    free(plan->seconds);
    free(plan->marks);
    plan->seconds = NULL;
    plan->marks = NULL;
}

/* ---- the command ---- */

static bool report(const struct load_options *options, const struct load_plan *plan)
{
    struct buf out;
    bool written;

    buf_init(&out, REPORT_MAX);
    if (options->json)
        load_print_json(options, plan, &out);
    else
        load_print_text(options, plan, &out);
    written = !out.full && fwrite(out.at, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    if (!written)
        fprintf(stderr, "nines load: the result could not be written\n");
    buf_fini(&out);
    return written;
}

int run_load(int argc, char **argv)
{
    struct load_options options;
    struct load_plan plan;
    struct err err = {0};
    bool well;

    if (!load_parse(&options, argc, argv, &err)) {
        fprintf(stderr, "nines load: %s\n`nines load --help` says more\n", err.text);
        return 2;
    }
    well = load_drive(&options, &plan, &err);
    if (!well)
        fprintf(stderr, "nines load: %s\n", err.text);
    else
        well = report(&options, &plan) && load_failed(&plan) <= options.failures_max &&
               plan.unasked == 0;
    load_free(&plan);
    return well ? 0 : 1;
}
