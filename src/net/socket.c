/*
 * Sockets and their addresses: what the room needs of them, in one place. Decides nothing.
 */
#include "net/backend.h"

#include "base/clock.h"
#include "base/own.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

socklen_t address_to_socket(const struct address *address, struct sockaddr_storage *storage)
{
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)storage;
    struct sockaddr_in *four = (struct sockaddr_in *)storage;

    must(address->family == 4 || address->family == 6);
    memset(storage, 0, sizeof *storage);
    if (address->family == 6) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(address->port);
        memcpy(&six->sin6_addr, address->ip, 16);
        return sizeof *six;
    }
    four->sin_family = AF_INET;
    four->sin_port = htons(address->port);
    memcpy(&four->sin_addr, address->ip, 4);
    return sizeof *four;
}

struct address address_of_socket(const struct sockaddr_storage *storage)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)storage;
    const struct sockaddr_in *four = (const struct sockaddr_in *)storage;
    struct address address = {0};

    if (storage->ss_family == AF_INET6) {
        address.family = 6;
        address.port = ntohs(six->sin6_port);
        memcpy(address.ip, &six->sin6_addr, 16);
    } else if (storage->ss_family == AF_INET) {
        address.family = 4;
        address.port = ntohs(four->sin_port);
        memcpy(address.ip, &four->sin_addr, 4);
    }
    return address;
}

static bool set(int fd, int level, int name)
{
    int on = 1;

    return setsockopt(fd, level, name, &on, sizeof on) == 0;
}

static int tcp_socket(const struct address *address)
{
    return socket(address->family == 6 ? AF_INET6 : AF_INET,
                  SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
}

int socket_open(const struct address *to, const struct address *from, struct err *err)
{
    autoclose int fd = tcp_socket(to);
    struct sockaddr_storage storage;
    char text[ADDRESS_TEXT_MAX];
    socklen_t len;

    if (fd < 0 || !set(fd, IPPROTO_TCP, TCP_NODELAY)) {
        (void)err_system(err, "open a socket to %s", address_print(to, text));
        return -1;
    }
    if (!from)
        return take_fd(&fd);
    /* The port is then chosen by connect, which may use one again for another destination. */
    len = address_to_socket(from, &storage);
    if (!set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT) ||
        bind(fd, (struct sockaddr *)&storage, len) < 0) {
        (void)err_system(err, "bind a socket to %s", address_print(from, text));
        return -1;
    }
    return take_fd(&fd);
}

static bool set_ahead(int fd, const struct address *address)
{
    return address->family == 6 ? set(fd, IPPROTO_IPV6, IPV6_FREEBIND)
                                : set(fd, IPPROTO_IP, IP_FREEBIND);
}

static bool open_listener(int *out, const struct address *address, bool ahead, struct err *err)
{
    autoclose int fd = tcp_socket(address);
    struct sockaddr_storage storage;
    char text[ADDRESS_TEXT_MAX];
    socklen_t len = address_to_socket(address, &storage);

    /* What is accepted inherits NODELAY. One family per socket, so that [::]:80 and 0.0.0.0:80 can stand side by side. */
    if (fd < 0 || !set(fd, SOL_SOCKET, SO_REUSEADDR) || !set(fd, IPPROTO_TCP, TCP_NODELAY) ||
        (address->family == 6 && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
        (ahead && !set_ahead(fd, address)) || bind(fd, (struct sockaddr *)&storage, len) < 0 ||
        listen(fd, BACKLOG) < 0)
        return err_system(err, "listen on %s", address_print(address, text));
    *out = take_fd(&fd);
    return true;
}

bool listener_open_fd(int *out, const struct address *address, struct err *err)
{
    return open_listener(out, address, false, err);
}

bool listener_open_fd_ahead(int *out, const struct address *address, struct err *err)
{
    return open_listener(out, address, true, err);
}

/* ---- the kernel, as a loop sees it ---- */

static struct instant now(const struct loop *loop, enum loop_clock clock)
{
    (void)loop;
    switch (clock) {
    case LOOP_MONOTONIC:
        return clock_now();
    case LOOP_BOOT:
        return clock_boot();
    case LOOP_WALL:
        return (struct instant){clock_wall_ms() * NS_PER_MS};
    }
    never("a clock that does not exist");
}

static int open_towards(struct loop *loop, const struct address *to, const struct address *from,
                        struct err *err)
{
    (void)loop;
    return socket_open(to, from, err);
}

static int accept_next(const struct listener *listener, struct address *peer)
{
    struct sockaddr_storage storage = {0};
    socklen_t len = sizeof storage;
    int fd = accept4(listener->fd, (struct sockaddr *)&storage, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0)
        *peer = address_of_socket(&storage);
    return fd;
}

static struct address address_of_end(const struct stream *stream, bool peer)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr *end = (struct sockaddr *)&storage;
    socklen_t len = sizeof storage;

    if (stream->fd < 0 ||
        (peer ? getpeername(stream->fd, end, &len) : getsockname(stream->fd, end, &len)) < 0)
        return (struct address){0};
    return address_of_socket(&storage);
}

static bool gone(const struct stream *stream)
{
    struct pollfd end = {.fd = stream->fd, .events = POLLRDHUP};

    return poll(&end, 1, 0) > 0;
}

static void finish(const struct stream *stream)
{
    /* ENOTCONN: the peer has reset it, which reading will tell. */
    (void)shutdown(stream->fd, SHUT_WR);
}

static void close_fd(const struct loop *loop, int fd, bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    (void)loop;
    if (reset)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

const struct kernel kernel_real = {
    .now = now,
    .socket = open_towards,
    .accept = accept_next,
    .address = address_of_end,
    .gone = gone,
    .finish = finish,
    .close = close_fd,
};
