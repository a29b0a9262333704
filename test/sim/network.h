/*
 * The simulated network: connections that behave as TCP does, seen from above.
 *
 * Bytes arrive in order or not at all. A lost packet is a delay; a cut link is silence until it heals, and then bytes go on; an end
 * that its host no longer knows is answered with a reset. Data may go one way while the acknowledgements of it are cut off, for as far as
 * a small window goes. A connection is refused where a host is up and nobody listens; where the host is down there is no answer.
 */
#pragma once

#include "world.h"

/* What a loop sees of a connection's end. */
enum sim_news {
    SIM_NEWS_CONNECTED = 1 << 0,
    SIM_NEWS_READABLE = 1 << 1, /* bytes, the end, or an error */
    SIM_NEWS_WRITABLE = 1 << 2,
};

struct sim_network *sim_network_new(struct sim_world *world);
void sim_network_free(struct sim_network *network);

/* ---- for the loop's kernel; descriptors are numbers from SIM_FD on ---- */

enum { SIM_FD = 1 << 20 };

int sim_socket(struct sim_host *host);
/* The outcome comes as news. */
void sim_connect(struct sim_host *host, int fd, const struct address *to);
/* As send(2) and recv(2), with -errno. */
int64_t sim_send(struct sim_host *host, int fd, const void *at, size_t len);
int64_t sim_receive(struct sim_host *host, int fd, void *at, size_t cap);
void sim_finish(struct sim_host *host, int fd); /* FIN */
void sim_close(struct sim_host *host, int fd, bool reset);
bool sim_gone(struct sim_host *host, int fd); /* its peer's FIN, or a reset, has come */
struct address sim_address(struct sim_host *host, int fd, bool peer);
int sim_error(struct sim_host *host, int fd); /* errno of a failed connection; 0 */
/* `stream` is told the news of this descriptor. */
void sim_attach(struct sim_host *host, int fd, struct stream *stream);
/* The next end with news, which is taken; NULL: none. */
struct stream *sim_news(struct sim_host *host, uint32_t *news);

int sim_listen(struct sim_host *host, uint16_t port);
/* The next connection that waits there; -EAGAIN: none. */
int sim_accept(struct sim_host *host, int listener_fd, struct address *peer);
bool sim_knocked(struct sim_host *host, int listener_fd);
void sim_unlisten(struct sim_host *host, int fd);

/* ---- for faults ---- */

/* The process of a host is gone. `silent`: so is its kernel, and nobody is told. */
void sim_network_forget(struct sim_host *host, bool silent);
/* Resets every connection between two hosts, as a firewall that forgets its state does. */
void sim_network_reset(struct sim_world *world, uint32_t a, uint32_t b);
