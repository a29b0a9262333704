/*
 * A closed load of SETs for stores that speak RESP: so many connections, each with one batch under way.
 *
 *     respload ADDRESS PORT clients=64 batch=1 seconds=5 wait=0 bytes=128 keys=100000
 *     respload ADDRESS PORT ... records=1000000 from=0
 *
 * A batch is so many SETs, and with wait=N one `WAIT N 1000` behind them in the same write; it is done when all of it is answered. Keys are those of
 * redis-benchmark, `key:` and twelve digits: at random among so many, or with records= one after the other, over and over. Prints one JSON object; what it
 * counts as `short` are WAITs that fewer members than asked for had confirmed. An error of the server, or a connection that ends, ends it with 1.
 *
 * redis-benchmark sends one command over and over, so it cannot send SET and WAIT together: that is why this exists.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum { IN_BYTES = 64 << 10, HEAD_BYTES = 96, SLOTS = 2000000, EVENTS = 256, STALL_MS = 20000 };

struct options {
    uint64_t clients, batch, seconds, wait, bytes, keys, records, from;
};

struct client {
    int fd;
    uint64_t answered; /* of the batch under way */
    uint64_t sets;     /* in it */
    int64_t sent_ns;
    size_t in_len;
    char in[IN_BYTES];
};

static struct options options = {
    .clients = 64, .batch = 1, .seconds = 5, .bytes = 128, .keys = 100000};
static uint32_t took_us[SLOTS]; /* batches that took so long; the last slot: or longer */
static uint64_t batches, answered, given, fell_short, chance = 88172645463325252U;
static char *out;

static void give_up(const char *why)
{
    fprintf(stderr, "respload: %s\n", why);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

/* Xorshift: which keys is not worth more. */
static uint64_t next_key(void)
{
    if (options.records > 0)
        return options.from + given % options.keys;
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return chance % options.keys;
}

static size_t put_set(char *at)
{
    size_t len = (size_t)sprintf(at, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012llu\r\n$%llu\r\n",
                                 (unsigned long long)next_key(), (unsigned long long)options.bytes);

    memset(at + len, 'x', options.bytes);
    len += options.bytes;
    at[len++] = '\r';
    at[len++] = '\n';
    given++;
    return len;
}

static bool is_over(int64_t until_ns)
{
    return options.records > 0 ? given >= options.records : now_ns() >= until_ns;
}

static void send_batch(struct client *client)
{
    uint64_t left = options.records > 0 ? options.records - given : options.batch;
    size_t len = 0, at = 0;

    client->sets = left < options.batch ? left : options.batch;
    client->answered = 0;
    for (uint64_t i = 0; i < client->sets; i++)
        len += put_set(out + len);
    if (options.wait > 0)
        len += (size_t)sprintf(out + len, "*3\r\n$4\r\nWAIT\r\n$1\r\n%llu\r\n$4\r\n1000\r\n",
                               (unsigned long long)options.wait);
    client->sent_ns = now_ns();
    while (at < len) {
        ssize_t sent = send(client->fd, out + at, len - at, MSG_NOSIGNAL);

        if (sent <= 0)
            give_up("a connection ended");
        at += (size_t)sent;
    }
}

/* One line of the server's: a status, or the number of a WAIT. */
static void take_line(struct client *client, const char *line)
{
    bool is_wait = client->answered == client->sets;

    if (line[0] != (is_wait ? ':' : '+')) {
        fprintf(stderr, "respload: the server says %.200s\n", line);
        exit(1);
    }
    fell_short += is_wait && strtoull(line + 1, NULL, 10) < options.wait;
    client->answered++;
}

/* True: the batch is done. */
static bool take_answers(struct client *client)
{
    ssize_t got =
        recv(client->fd, client->in + client->in_len, sizeof client->in - client->in_len - 1, 0);
    char *at = client->in, *end;

    if (got <= 0)
        give_up("a connection ended");
    client->in_len += (size_t)got;
    client->in[client->in_len] = '\0';
    while ((end = strstr(at, "\r\n"))) {
        *end = '\0';
        take_line(client, at);
        at = end + 2;
    }
    client->in_len -= (size_t)(at - client->in);
    memmove(client->in, at, client->in_len);
    return client->answered == client->sets + (options.wait > 0);
}

static void note(const struct client *client)
{
    int64_t us = (now_ns() - client->sent_ns) / 1000;

    took_us[us < SLOTS ? us : SLOTS - 1]++;
    batches++;
    answered += client->sets;
}

static int connect_to(const char *address, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        give_up("nobody is there to connect to");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static struct client *connect_all(const char *address, int port, int epoll)
{
    struct client *clients = calloc(options.clients, sizeof *clients);

    if (!clients)
        give_up("no memory");
    for (uint64_t i = 0; i < options.clients; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};

        clients[i].fd = connect_to(address, port);
        epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event);
    }
    return clients;
}

static void run(struct client *clients, int epoll, int64_t until_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t busy = 0;

    for (uint64_t i = 0; i < options.clients && !is_over(until_ns); i++, busy++)
        send_batch(&clients[i]);
    while (busy > 0) {
        int count = epoll_wait(epoll, events, EVENTS, STALL_MS);

        if (count <= 0)
            give_up("no answer for 20 s");
        for (int i = 0; i < count; i++) {
            struct client *client = events[i].data.ptr;

            if (!take_answers(client))
                continue;
            note(client);
            if (is_over(until_ns))
                busy--;
            else
                send_batch(client);
        }
    }
}

static uint64_t quantile_us(uint64_t percent)
{
    uint64_t below = 0;

    for (uint64_t us = 0; us < SLOTS; us++) {
        below += took_us[us];
        if (below * 100 >= batches * percent)
            return us;
    }
    return SLOTS;
}

static void read_option(const char *word)
{
    static const struct {
        const char *name;
        uint64_t *value;
    } rows[] = {
        {"clients=", &options.clients}, {"batch=", &options.batch}, {"seconds=", &options.seconds},
        {"wait=", &options.wait},       {"bytes=", &options.bytes}, {"keys=", &options.keys},
        {"records=", &options.records}, {"from=", &options.from},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strncmp(word, rows[i].name, strlen(rows[i].name)) == 0) {
            *rows[i].value = strtoull(word + strlen(rows[i].name), NULL, 10);
            return;
        }
    give_up("an option that there is not");
}

int main(int count, char **words)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct client *clients;
    int64_t began_ns, took_ns;

    if (count < 3)
        give_up("whom to load: ADDRESS PORT [OPTION=N ...]");
    for (int i = 3; i < count; i++)
        read_option(words[i]);
    out = malloc(options.batch * (options.bytes + HEAD_BYTES) + HEAD_BYTES);
    if (!out || options.clients == 0 || options.batch == 0 || options.keys == 0)
        give_up("options that cannot be");
    clients = connect_all(words[1], atoi(words[2]), epoll);
    began_ns = now_ns();
    run(clients, epoll, began_ns + (int64_t)options.seconds * 1000000000);
    took_ns = now_ns() - began_ns;
    printf("{\"answered\": %llu, \"seconds\": %.6f, \"p50_us\": %llu, \"p99_us\": %llu, \"short\": "
           "%llu}\n",
           (unsigned long long)answered, (double)took_ns / 1e9, (unsigned long long)quantile_us(50),
           (unsigned long long)quantile_us(99), (unsigned long long)fell_short);
    return 0;
}
