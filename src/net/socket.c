/*
 * Sockets and their addresses: what the room needs of them, in one place. Decides nothing.
 */
#include "net/backend.h"

#include "base/own.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

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

struct address stream_peer(const struct stream *stream)
{
    struct sockaddr_storage storage = {0};
    socklen_t len = sizeof storage;

    if (stream->fd < 0 || getpeername(stream->fd, (struct sockaddr *)&storage, &len) < 0)
        return (struct address){0};
    return address_of_socket(&storage);
}

struct address stream_local(const struct stream *stream)
{
    struct sockaddr_storage storage = {0};
    socklen_t len = sizeof storage;

    if (stream->fd < 0 || getsockname(stream->fd, (struct sockaddr *)&storage, &len) < 0)
        return (struct address){0};
    return address_of_socket(&storage);
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

bool listener_open_fd(int *out, const struct address *address, struct err *err)
{
    autoclose int fd = tcp_socket(address);
    struct sockaddr_storage storage;
    char text[ADDRESS_TEXT_MAX];
    socklen_t len = address_to_socket(address, &storage);

    /* What is accepted inherits NODELAY. One family per socket, so that [::]:80 and 0.0.0.0:80 can stand side by side. */
    if (fd < 0 || !set(fd, SOL_SOCKET, SO_REUSEADDR) || !set(fd, IPPROTO_TCP, TCP_NODELAY) ||
        (address->family == 6 && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
        bind(fd, (struct sockaddr *)&storage, len) < 0 || listen(fd, BACKLOG) < 0)
        return err_system(err, "listen on %s", address_print(address, text));
    *out = take_fd(&fd);
    return true;
}
