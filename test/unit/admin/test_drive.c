#include "admin/admin.h"
#include "base/clock.h"
#include "net/net.h"
#include "shop.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HANG_S = 30, ANSWER_TEXT_MAX = 1 << 20, CLIENTS_MAX = 256 };

/* A running interface on a free port of the loopback, and a Unix socket. */
struct house {
    struct shop shop;
    struct loop *loop;
    struct admin *admin;
    int tcp_fd, unix_fd;
    uint32_t reloads; /* asked for */
    bool refuse_reloads;
};

struct client {
    int fd;
    size_t len;
    bool ended;
    char text[ANSWER_TEXT_MAX];
};

static bool note_reload(void *context)
{
    struct house *house = context;

    house->reloads += !house->refuse_reloads;
    return !house->refuse_reloads;
}

static socklen_t unix_address(struct sockaddr_storage *storage)
{
    const struct sockaddr local = {.sa_family = AF_UNIX};

    memcpy(storage, &local, sizeof local);
    return sizeof(sa_family_t); /* autobind: a free abstract name */
}

static void open_sockets(struct house *house)
{
    struct address any = {.ip = {127, 0, 0, 1}, .family = 4};
    struct sockaddr_storage storage = {0};
    socklen_t len;
    struct err err;

    assert_true(listener_open_fd(&house->tcp_fd, &any, &err));
    house->unix_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    len = unix_address(&storage);
    assert_int_equal(bind(house->unix_fd, (struct sockaddr *)&storage, len), 0);
    assert_int_equal(listen(house->unix_fd, 16), 0);
}

static void open_house(struct house *house)
{
    struct loop_options options = {.kind = LOOP_EPOLL, .chunks_max = 64, .chunk_bytes = 16384};
    struct err err;

    *house = (struct house){0};
    shop_open(&house->shop);
    assert_true(loop_open(&house->loop, &options, &err));
    assert_true(admin_open(&house->admin,
                           &(struct admin_options){.loop = house->loop,
                                                   .board = house->shop.board,
                                                   .reload = note_reload,
                                                   .context = house},
                           &err));
    open_sockets(house);
    admin_configure(house->admin, &house->shop.view, house->tcp_fd, house->unix_fd);
}

static void close_house(struct house *house)
{
    admin_close(house->admin);
    for (int i = 0; i < 4; i++)
        loop_turn(house->loop, 0);
    loop_close(house->loop);
    close(house->tcp_fd);
    close(house->unix_fd);
    shop_close(&house->shop);
}

static struct client *join(struct house *house, bool local)
{
    struct client *client = calloc(1, sizeof *client);
    struct sockaddr_storage storage = {0};
    socklen_t len = sizeof storage;

    assert_non_null(client);
    getsockname(local ? house->unix_fd : house->tcp_fd, (struct sockaddr *)&storage, &len);
    client->fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(connect(client->fd, (struct sockaddr *)&storage, len) == 0 || errno == EINPROGRESS);
    return client;
}

static void leave(struct client *client)
{
    close(client->fd);
    free(client);
}

static void say(struct client *client, const char *text)
{
    assert_int_equal(send(client->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void listen_to(struct client *client)
{
    ssize_t len =
        recv(client->fd, client->text + client->len, ANSWER_TEXT_MAX - 1 - client->len, 0);

    if (len > 0)
        client->len += (size_t)len;
    client->ended = len == 0 || (len < 0 && errno != EAGAIN);
}

/* Turns until the client has been told `wanted` or, with NULL, until its connection has ended. */
static void await(struct house *house, struct client *client, const char *wanted)
{
    struct instant hang = after_ns(clock_now(), HANG_S * NS_PER_S);

    while (!(wanted ? strstr(client->text, wanted) != NULL : client->ended)) {
        loop_turn(house->loop, NS_PER_MS);
        listen_to(client);
        if (passed(hang, clock_now()))
            fail_msg("no '%s' in '%.2000s'", wanted ? wanted : "end", client->text);
    }
}

static void forget(struct client *client)
{
    memset(client->text, 0, client->len);
    client->len = 0;
}

/* ---- */

static void answers_on_a_connection_that_is_kept(void **state)
{
    struct house house;
    struct client *client;

    (void)state;
    open_house(&house);
    client = join(&house, false);
    say(client, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    await(&house, client, "\r\n\r\nok\n");
    assert_non_null(strstr(client->text, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(client->text, "\r\nContent-Length: 3\r\n"));
    forget(client);
    say(client, "HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    await(&house, client, "\r\n\r\nok\n");
    assert_non_null(strstr(client->text, "Content-Length: 3\r\n"));
    assert_null(strstr(strstr(client->text, "ok\n") + 1, "ok\n"));
    leave(client);
    close_house(&house);
}

static void takes_a_request_byte_by_byte(void **state)
{
    const char *request = "POST /api/v1/pools/api/backends/10.0.1.1:8080/drain HTTP/1.1\r\n"
                          "Host: 127.0.0.1\r\nX-Nines: 1\r\nTransfer-Encoding: chunked\r\n"
                          "Connection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    struct house house;
    struct client *client;

    (void)state;
    open_house(&house);
    client = join(&house, false);
    for (; *request; request++) {
        say(client, (char[]){*request, 0});
        loop_turn(house.loop, NS_PER_MS);
    }
    await(&house, client, "\"drained_by\":\"operator\"");
    await(&house, client, NULL);
    assert_int_equal(counted(&house.shop.board->overrides[0].draining), 1);
    assert_true(counted(&house.shop.board->overrides[0].changed_ms) > 0);
    leave(client);
    close_house(&house);
}

static void refuses_and_closes(const char *request, const char *status)
{
    struct house house;
    struct client *client;

    open_house(&house);
    client = join(&house, false);
    say(client, request);
    await(&house, client, status);
    await(&house, client, "Connection: close");
    await(&house, client, "{\"error\":");
    shutdown(client->fd, SHUT_WR);
    await(&house, client, NULL);
    leave(client);
    close_house(&house);
}

static void refuses_garbage_and_too_much(void **state)
{
    char long_head[9000] = "GET / HTTP/1.1\r\nHost: x\r\nX: ";

    (void)state;
    refuses_and_closes("nonsense\r\n\r\n", "HTTP/1.1 400 ");
    refuses_and_closes("GET / HTTP/2.0\r\n\r\n", "HTTP/1.1 505 ");
    refuses_and_closes("POST /api/v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n",
                       "HTTP/1.1 413 ");
    memset(long_head + strlen(long_head), 'a', sizeof long_head - 1 - strlen(long_head));
    refuses_and_closes(long_head, "HTTP/1.1 431 ");
}

static void asks_a_client_to_go_on_that_waits_for_it(void **state)
{
    struct house house;
    struct client *client;

    (void)state;
    open_house(&house);
    client = join(&house, true);
    say(client, "POST /api/v1/pools/api/backends/10.0.1.1:8080/undrain HTTP/1.1\r\nHost: x\r\n"
                "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    await(&house, client, "HTTP/1.1 100 Continue\r\n\r\n");
    say(client, "{}");
    await(&house, client, "HTTP/1.1 200 OK\r\n");
    leave(client);
    close_house(&house);
}

static void answers_a_reload_when_its_result_is_known(void **state)
{
    struct house house;
    struct client *first, *second;

    (void)state;
    open_house(&house);
    first = join(&house, true);
    second = join(&house, true);
    say(first, "POST /api/v1/reload HTTP/1.1\r\nHost: x\r\n\r\n");
    while (house.reloads == 0)
        loop_turn(house.loop, NS_PER_MS);
    /* The file may have changed since the first began: the second needs a reload of its own. */
    say(second, "POST /api/v1/reload HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 5; i++)
        loop_turn(house.loop, NS_PER_MS);
    admin_reloaded(house.admin, true, BYTES(""));
    await(&house, first, "{\"reloaded\":true,\"generation\":3,\"text\":\"\"}");
    assert_int_equal(house.reloads, 2);
    admin_reloaded(house.admin, false, BYTES("a.yaml:1:1"));
    await(&house, second, "HTTP/1.1 422 ");
    await(&house, second, "{\"reloaded\":false,\"generation\":3,\"text\":\"a.yaml:1:1\"}");
    house.refuse_reloads = true;
    forget(second);
    say(second, "POST /api/v1/reload HTTP/1.1\r\nHost: x\r\n\r\n");
    await(&house, second, "HTTP/1.1 503 ");
    leave(first);
    leave(second);
    close_house(&house);
}

static void survives_clients_that_go_in_the_middle(void **state)
{
    static const char *const begins[] = {
        "", "GET", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /api/v1/reload HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na"};
    struct house house;
    struct client *client;

    (void)state;
    open_house(&house);
    for (size_t i = 0; i < ARRAY_LEN(begins); i++) {
        client = join(&house, true);
        say(client, begins[i]);
        loop_turn(house.loop, NS_PER_MS);
        leave(client);
        loop_turn(house.loop, NS_PER_MS);
    }
    admin_reloaded(house.admin, true, BYTES(""));
    client = join(&house, false);
    say(client, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    await(&house, client, "ok\n");
    leave(client);
    close_house(&house);
}

static void keeps_room_for_the_operator(void **state)
{
    struct client *crowd[CLIENTS_MAX], *operator;
    struct house house;

    (void)state;
    open_house(&house);
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        crowd[i] = join(&house, false);
        loop_turn(house.loop, 0);
    }
    await(&house, crowd[CLIENTS_MAX - 1], NULL);
    operator= join(&house, true);
    say(operator, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    await(&house, operator, "ok\n");
    leave(operator);
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        leave(crowd[i]);
    close_house(&house);
}

static void serves_scrapes_side_by_side(void **state)
{
    struct client *clients[8];
    struct house house;

    (void)state;
    open_house(&house);
    for (uint32_t i = 0; i < ARRAY_LEN(clients); i++) {
        clients[i] = join(&house, false);
        say(clients[i], "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    }
    for (uint32_t i = 0; i < ARRAY_LEN(clients); i++) {
        await(&house, clients[i], NULL);
        assert_non_null(strstr(clients[i]->text, "nines_build_info{"));
        assert_int_equal(clients[i]->text[clients[i]->len - 1], '\n');
        leave(clients[i]);
    }
    close_house(&house);
}

static void forgets_the_drain_of_a_backend_whose_slot_was_given_away(void **state)
{
    struct house house;
    struct shop next;

    (void)state;
    open_house(&house);
    shop_set(&house.shop.board->overrides[0].draining, 1);
    shop_set(&house.shop.board->overrides[1].draining, 1);
    shop_open(&next);
    next.backends[1].endpoint = "10.9.9.9:1";
    admin_configure(house.admin, &next.view, house.tcp_fd, house.unix_fd);
    assert_int_equal(counted(&house.shop.board->overrides[0].draining), 1);
    assert_int_equal(counted(&house.shop.board->overrides[1].draining), 0);
    close_house(&house);
    shop_close(&next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_on_a_connection_that_is_kept),
        cmocka_unit_test(takes_a_request_byte_by_byte),
        cmocka_unit_test(refuses_garbage_and_too_much),
        cmocka_unit_test(asks_a_client_to_go_on_that_waits_for_it),
        cmocka_unit_test(answers_a_reload_when_its_result_is_known),
        cmocka_unit_test(survives_clients_that_go_in_the_middle),
        cmocka_unit_test(keeps_room_for_the_operator),
        cmocka_unit_test(serves_scrapes_side_by_side),
        cmocka_unit_test(forgets_the_drain_of_a_backend_whose_slot_was_given_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
