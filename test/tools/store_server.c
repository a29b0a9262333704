/*
 * A store's server whose ledger is a list in memory: what was appended in a turn is committed at its end. For tests of clients and for measuring the server alone.
 *
 *     store-server ADDRESS [MAX_CLIENTS [TLS_ADDRESS CERTIFICATE KEY [AUTHORITY]]]
 */
#include "base/must.h"
#include "net/net.h"
#include "net/tls.h"
#include "store/drive_server.h"
#include "store/space.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

struct appended {
    size_t at, len;
    uint64_t cookie;
};

static struct server *server;
static struct ledger_view view = {
    .role = ENGINE_PRIMARY, .writable = true, .established = true, .epoch = 1, .primary = 1};
static struct loop *loop;
static struct timer commit;
static struct buf bytes;
static struct appended *list;
static uint32_t count, cap;

static uint64_t append(void *context, struct bytes record, uint64_t cookie,
                       enum ledger_refusal *why)
{
    (void)context;
    *why = LEDGER_TAKEN;
    if (count == cap) {
        cap = cap ? cap * 2 : 1024;
        list = realloc(list, cap * sizeof *list);
        must(list != NULL);
    }
    list[count++] = (struct appended){bytes.len, record.len, cookie};
    buf_add(&bytes, record);
    must(!bytes.full);
    if (!timer_armed(&commit))
        timer_arm(loop, &commit, loop_now(loop));
    return ++view.end;
}

static void on_commit(struct timer *timer)
{
    (void)timer;
    for (uint32_t i = 0; i < count; i++) {
        view.executed = ++view.committed;
        (void)server_execute(server, (struct position){1, view.executed},
                             bytes_of(bytes.at + list[i].at, list[i].len), list[i].cookie);
    }
    count = 0;
    buf_clear(&bytes);
    server_executed(server);
}

static bool send_to(void *context, uint32_t member, struct bytes message)
{
    (void)context;
    (void)member;
    (void)message;
    return false;
}

static const struct ledger_view *look(void *context)
{
    (void)context;
    return &view;
}

static bool may_act(void *context)
{
    (void)context;
    return true;
}

static void status(void *context, struct engine_status *into)
{
    (void)context;
    *into = (struct engine_status){.role = ENGINE_PRIMARY, .epoch = 1};
}

static void closed(void *context)
{
    (void)context;
    loop_stop(loop);
}

static bool open_door(struct server_door *door, const char *address, struct err *err)
{
    if (!address_parse(&door->address, bytes_of_string(address)))
        return err_set(err, ERR_USAGE, "'%s' is no address", address);
    return listener_open_fd(&door->fd, &door->address, err);
}

/* `words`: as after ADDRESS. */
static bool open_tls(struct server_options *options, struct server_door *door, char **words,
                     struct err *err)
{
    door->covered = true;
    options->door_count++;
    return open_door(door, words[1], err) &&
           tls_context_open_server(
               &options->tls,
               &(struct tls_files){.certificate = words[2], .key = words[3], .authority = words[4]},
               err);
}

static bool open_all(const char *address, int word_count, char **words, struct err *err)
{
    const char *clients_max = word_count > 0 ? words[0] : "10000";
    static const struct space_options space_options = {.seed = 1};
    struct loop_options loop_options = {.chunks_max = 4096, .chunk_bytes = 16384, .pipes_max = 1};
    struct server_door doors[2] = {0};
    struct server_options options = {.doors = doors,
                                     .door_count = 1,
                                     .closed = closed,
                                     .desk = {.log = {NULL, append, send_to, look, may_act, status},
                                              .settings = {.clients_max = atoi(clients_max),
                                                           .hold_ms = 10000,
                                                           .out_max = SESSION_OUT_MAX,
                                                           .bound_ms = 500,
                                                           .group = "g",
                                                           .self = "a",
                                                           .directory = "/"},
                                              .seed = 1,
                                              .sessions_max = (uint32_t)atoi(clients_max)}};

    if (!loop_open(&loop, &loop_options, err) || !open_door(&doors[0], address, err) ||
        (word_count > 3 && !open_tls(&options, &doors[1], words, err)))
        return false;
    options.desk.settings.port = doors[0].address.port;
    timer_init(&commit, on_commit);
    buf_init(&bytes, 1U << 30);
    options.loop = loop;
    options.desk.space = space_open(&space_options);
    return server_open(&server, &options, err);
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    struct err err;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (argc < 2 || !open_all(argv[1], argc - 2, argv + 2, &err)) {
        fprintf(stderr, "store-server: %s\n", argc < 2 ? "at which address?" : err.text);
        return 1;
    }
    puts("ready");
    fflush(stdout);
    loop_run(loop);
    return 0;
}
