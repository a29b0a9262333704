/*
 * What the server's two files share. Nobody else includes it.
 */
#pragma once

#include "net/net.h"
#include "net/tls_session.h"
#include "store/drive_server.h"

/* What a client has besides that speaks TLS (drive_server_tls.c). */
struct cover {
    struct tls_session *session;
    struct client *client;
    const struct door *door;
    struct list shaking; /* in server->shaking until the handshake is done */
    struct list waiting; /* in server->waiting: what came of it is in `plain` */
    int64_t until_ms;
    char address[SESSION_ADDRESS_MAX]; /* the client's */
    struct buf plain; /* replies that are being encrypted, `sealed` bytes of them are */
    size_t sealed;
    struct buf out; /* encrypted, not yet with the stream */
};

struct client {
    struct server *server;
    struct session session; /* from `open` until `done` */
    struct stream stream;
    struct cover *cover;   /* NULL: in the clear */
    struct buf sending;    /* does not change while the stream has it */
    struct list lingering; /* after `done`: it may still read what it was sent */
    int64_t linger_until_ms;
    bool queued; /* the stream has `sending` */
    bool open, done, ended, receiving;
};

struct door {
    struct listener listener;
    struct server *server;
    char address[SESSION_ADDRESS_MAX];
    bool covered;
};

struct spare {
    uint8_t *at;
    size_t cap;
};

enum { SPARES_MAX = 256, SPARE_BYTES_MAX = 64 << 10 };

struct server {
    struct loop *loop;
    struct desk desk;
    struct door doors[SERVER_DOORS_MAX];
    uint32_t door_count;
    struct tls_context *tls;
    struct timer flush, tick, over, shake;
    struct list lingering, shaking; /* by their deadlines */
    struct list waiting;            /* for their turn in the handshake */
    uint32_t clients, lingering_count, shaking_count;
    uint32_t shakes; /* since `shake` last rang */
    bool closing;
    struct spare spares[SPARES_MAX];
    uint32_t spare_count;
    void (*closed)(void *context);
    void *context;
};

/* ---- drive_server.c ---- */

void server_enter(struct server *server);
void server_leave(struct server *server);
void server_lend(struct server *server, struct buf *buf);
void server_take_back(struct server *server, struct buf *buf);
/* Its session begins; or it is told that there are too many. */
void client_admit(struct client *client, const struct door *door, const char *address);
void client_take(struct client *client, struct bytes bytes); /* of its requests */
void client_finish(struct client *client);
void client_drop(struct client *client);

/* ---- drive_server_tls.c ---- */

/* False: no memory. */
MUST_USE bool cover_open(struct client *client, const struct door *door, const char *address);
void cover_close(struct client *client);
void cover_received(struct client *client, struct bytes bytes);
void cover_answer(
    struct client *client); /* what the handshake has to say, unless the stream is busy */
/* Encrypts what there is room for, into `sending`, which is not with the stream. */
void cover_fill(struct client *client);
void cover_say(struct client *client, struct bytes bytes); /* in few words */
/* The last that is sent; false: the stream did not take it. */
MUST_USE bool cover_finish(struct client *client);
/* Replies that are not sent. */
size_t cover_unsent(const struct client *client);
void cover_end_late(struct server *server); /* handshakes that take too long */
void cover_begin(struct server *server);    /* once */
