/*
 * Listens, keeps the connections, samples once a second, and carries out orders: the part of admin that touches the world.
 */
#include "admin/admin.h"

#include "admin/drive_connection.h"
#include "admin/drive_usage.h"
#include "base/clock.h"
#include "base/must.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(LOOP_EPOLL == 1 && LOOP_URING == 2, "status.c names loops by number");

enum { SAMPLE_MS = 1000 };

struct admin {
    struct admin_options options;
    struct admin_view view;
    struct rates *rates; /* mapped: touched only where the view has something */
    struct usage usage;
    struct cluster_board
        boards[2]; /* of the cluster: one as last read whole, and one to read into */
    const struct cluster_board *cluster; /* the former; NULL: never was there one */
    struct listener tcp, local;
    int tcp_fd, local_fd; /* -1: not listening */
    struct timer sample;
    struct http1_head scratch;
    bool reloading;
    bool closing;
    uint32_t tickets; /* given so far */
    uint32_t open;    /* connections not yet closed */
    struct connection connections[CONNECTIONS_MAX];
};

/* ---- what connections ask of it ---- */

struct loop *admin_loop(const struct admin *admin)
{
    return admin->options.loop;
}

struct http1_head *admin_scratch(struct admin *admin)
{
    return &admin->scratch;
}

/* An agent that was stopped in the middle of writing leaves what it wrote before: old, and its age says so. */
static const struct cluster_board *look_at_cluster(struct admin *admin)
{
    const struct cluster_record *record = &admin->options.board->cluster;
    struct cluster_board *into = &admin->boards[admin->cluster == &admin->boards[0]];

    if (board_read(&record->guard, into, &record->board, sizeof *into))
        admin->cluster = into;
    return admin->cluster;
}

struct admin_scene admin_scene(struct admin *admin)
{
    const struct cluster_record *record = &admin->options.board->cluster;
    struct instant now = loop_now(admin->options.loop);
    int64_t age_ns = now.ns - (int64_t)counted(&record->at);

    return (struct admin_scene){.view = &admin->view,
                                .board = admin->options.board,
                                .rates = admin->rates,
                                .usage = admin->usage.roles,
                                .cluster = look_at_cluster(admin),
                                .cluster_age_ms = age_ns > 0 ? age_ns / NS_PER_MS : 0,
                                .now = now,
                                .wall_ms = clock_wall_ms(),
                                .boot_ns = loop_read_clock(admin->options.loop, LOOP_BOOT).ns};
}

bool admin_may_answer(const struct admin *admin)
{
    size_t under_way = 0;

    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++)
        under_way += admin->connections[i].body.len;
    return under_way <= ANSWERS_MAX;
}

static void set_draining(struct admin *admin, uint32_t slot, bool draining)
{
    struct override_record *record = &admin->options.board->overrides[slot];

    if ((counted(&record->draining) != 0) == draining)
        return;
    atomic_store_explicit(&record->changed_ms, (uint64_t)clock_wall_ms(), memory_order_relaxed);
    atomic_store_explicit(&record->draining, draining, memory_order_relaxed);
}

static bool order_reload(struct admin *admin, struct connection *connection)
{
    connection->reload_next = admin->reloading;
    if (!admin->reloading)
        admin->reloading = admin->options.reload(admin->options.context);
    return admin->reloading;
}

bool admin_carry_out(struct admin *admin, struct connection *connection,
                     const struct admin_reply *reply)
{
    switch (reply->order) {
    case ORDER_NONE:
        return true;
    case ORDER_RELOAD:
        return order_reload(admin, connection);
    case ORDER_DRAIN:
    case ORDER_UNDRAIN:
        set_draining(admin, reply->slot, reply->order == ORDER_DRAIN);
        return true;
    case ORDER_ASK:
        connection->ticket = ++admin->tickets;
        return admin->options.ask && admin->options.ask(admin->options.context, connection->ticket,
                                                        reply->verb, buf_bytes(reply->body));
    }
    never("an order of no kind");
}

void admin_reloaded(struct admin *admin, bool done, struct bytes text)
{
    bool again = false;

    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &admin->connections[i];

        if (connection->phase != PHASE_WAITING)
            continue;
        again = again || connection->reload_next;
        if (!connection->reload_next)
            admin_connection_answer_reload(connection, done, text);
        connection->reload_next = false;
    }
    admin->reloading = again && admin->options.reload(admin->options.context);
}

void admin_answered(struct admin *admin, uint32_t ticket, uint16_t status, struct bytes json)
{
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &admin->connections[i];

        if (connection->phase == PHASE_ASKING && connection->ticket == ticket)
            admin_connection_answer_asked(connection, status, json);
    }
}

void admin_asks_lost(struct admin *admin)
{
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++)
        if (admin->connections[i].phase == PHASE_ASKING)
            admin_connection_answer_lost(&admin->connections[i]);
}

/* ---- connections ---- */

static void free_admin(struct admin *admin)
{
    munmap(admin->rates, sizeof *admin->rates);
    usage_close(&admin->usage);
    free(admin);
}

void admin_forget_connection(struct admin *admin, struct connection *connection)
{
    (void)connection;
    must(admin->open > 0);
    admin->open--;
    if (admin->closing && admin->open == 0)
        free_admin(admin);
}

/* The last ones are kept for the Unix socket. */
static struct connection *free_connection(struct admin *admin, bool local)
{
    uint32_t usable = local ? CONNECTIONS_MAX : CONNECTIONS_MAX - CONNECTIONS_LOCAL;

    for (uint32_t i = 0; i < usable; i++) {
        uint32_t place = local ? CONNECTIONS_MAX - 1 - i : i;

        if (admin->connections[place].phase == PHASE_FREE)
            return &admin->connections[place];
    }
    return NULL;
}

static void take_connection(struct admin *admin, int fd, bool local, const struct address *peer)
{
    struct connection *connection = free_connection(admin, local);

    if (!connection) {
        close(fd);
        return;
    }
    admin->open++;
    admin_connection_open(connection, admin, fd, local, peer);
}

static void on_tcp(struct listener *listener, int fd, const struct address *peer)
{
    take_connection(container_of(listener, struct admin, tcp), fd, false, peer);
}

static void on_local(struct listener *listener, int fd, const struct address *peer)
{
    take_connection(container_of(listener, struct admin, local), fd, true, peer);
}

/* It goes on by itself; there is nothing to add, and no log here. */
static void on_starved(struct listener *listener, int error)
{
    (void)listener;
    (void)error;
}

static void listen_on(struct admin *admin, struct listener *listener, int *current, int fd)
{
    if (*current == fd)
        return;
    if (*current >= 0)
        listener_stop(listener, false);
    *current = fd;
    if (fd >= 0)
        listener_start(admin->options.loop, listener, fd);
}

/* ---- configuration ---- */

static bool same_backend(const struct admin_view *a, uint32_t slot, const struct admin_view *b)
{
    const char *names[2][2] = {{NULL, NULL}, {NULL, NULL}};
    const struct admin_view *views[] = {a, b};

    for (uint32_t v = 0; v < 2; v++)
        for (uint32_t p = 0; p < views[v]->pool_count; p++)
            for (uint32_t i = 0; i < views[v]->pools[p].count; i++) {
                const struct admin_pool *pool = &views[v]->pools[p];

                if (views[v]->backends[pool->first + i].slot != slot)
                    continue;
                names[v][0] = pool->name;
                names[v][1] = views[v]->backends[pool->first + i].endpoint;
            }
    return names[0][0] && names[1][0] && strcmp(names[0][0], names[1][0]) == 0 &&
           strcmp(names[0][1], names[1][1]) == 0;
}

/* A slot that now belongs to another backend, or to none, forgets what was said of the one before. */
static void forget_orders(struct admin *admin, const struct admin_view *next)
{
    for (uint32_t slot = 0; slot < BACKENDS_MAX; slot++)
        if (counted(&admin->options.board->overrides[slot].draining) &&
            !same_backend(admin->view.pools ? &admin->view : next, slot, next))
            set_draining(admin, slot, false);
}

void admin_configure(struct admin *admin, const struct admin_view *view, int tcp_fd, int unix_fd)
{
    must(!admin->closing);
    forget_orders(admin, view);
    admin->view = *view;
    listen_on(admin, &admin->tcp, &admin->tcp_fd, tcp_fd);
    listen_on(admin, &admin->local, &admin->local_fd, unix_fd);
}

/* ---- life ---- */

static void on_sample(struct timer *timer)
{
    struct admin *admin = container_of(timer, struct admin, sample);
    struct loop *loop = admin->options.loop;

    timer_arm(loop, timer, after_ms(loop_now(loop), SAMPLE_MS));
    rates_sample(admin->rates, &admin->view, admin->options.board, loop_now(loop));
    usage_sample(&admin->usage, admin->options.board);
}

bool admin_open(struct admin **opened, const struct admin_options *options, struct err *err)
{
    struct admin *admin = calloc(1, sizeof *admin);

    if (!admin)
        return err_set(err, ERR_LIMIT, "no memory for the HTTP interface");
    admin->options = *options;
    admin->tcp_fd = admin->local_fd = -1;
    admin->rates = mmap(NULL, sizeof *admin->rates, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (admin->rates == MAP_FAILED) {
        free(admin);
        return err_system(err, "map the samples");
    }
    usage_open(&admin->usage);
    admin->tcp.accepted = on_tcp;
    admin->local.accepted = on_local;
    admin->tcp.starved = admin->local.starved = on_starved;
    timer_init(&admin->sample, on_sample);
    timer_arm(options->loop, &admin->sample, loop_now(options->loop));
    *opened = admin;
    return true;
}

void admin_close(struct admin *admin)
{
    must(!admin->closing);
    listen_on(admin, &admin->tcp, &admin->tcp_fd, -1);
    listen_on(admin, &admin->local, &admin->local_fd, -1);
    timer_cancel(admin->options.loop, &admin->sample);
    admin->closing = true;
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++)
        admin_connection_close(&admin->connections[i]);
    if (admin->open == 0)
        free_admin(admin);
}
