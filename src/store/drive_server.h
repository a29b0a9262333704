/*
 * server: connections of the store's clients. It moves bytes between streams and the desk (session.h), keeps its clock, and decides nothing.
 *
 * One read and one write a turn and connection: what a turn's events brought is answered at its end. The events of the ledger are handed through here, so that replies are
 * sent. An idle connection has no buffers; those of busy ones are lent from a few that are kept. Clients of a covered
 * door speak TLS: theirs is a session when the handshake is done.
 */
#pragma once

#include "store/session.h"

struct loop;
struct server;
struct tls_context; /* net/tls.h */

struct server_door {
    int fd; /* it listens; borrowed until `closed` */
    struct address address;
    bool covered; /* clients speak TLS there */
};

struct server_options {
    struct loop *loop;
    struct desk_options desk; /* now_ms and wall_ms are the server's to set */
    const struct server_door *doors;
    uint32_t door_count;
    struct tls_context *tls;       /* a server's; needed where a door is covered; borrowed */
    void (*closed)(void *context); /* after server_close: it is freed */
    void *context;
};

enum { SERVER_DOORS_MAX = 8 };

MUST_USE bool server_open(struct server **server, const struct server_options *options,
                          struct err *err);
/* Accepts and answers nothing any more; `closed` follows in a later turn. */
void server_close(struct server *server);
/* For clients that come from now on. The one before is no longer used. */
void server_use_tls(struct server *server, struct tls_context *tls);
/* For what the server has no own function for: members, settings, saving and loading. Not its sessions. */
struct desk *server_desk(struct server *server);

/* The events of ledger.h. */
uint64_t server_execute(struct server *server, struct position position, struct bytes record,
                        uint64_t cookie);
void server_executed(struct server *server);
void server_unknown(struct server *server, uint64_t cookie);
void server_state(struct server *server);
void server_roomy(struct server *server);
void server_linked(struct server *server, uint32_t member, bool up);
void server_message(struct server *server, uint32_t member, struct bytes bytes);
void server_epoch_record(struct server *server, struct buf *out);
