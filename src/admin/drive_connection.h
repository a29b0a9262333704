/*
 * One connection of the HTTP interface: bytes in, a request, an answer, bytes out, and again. Private to the drivers of admin.
 */
#pragma once

#include "admin/routes.h"
#include "net/net.h"

enum {
    CONNECTIONS_MAX = 256,
    CONNECTIONS_LOCAL =
        8, /* of these, for the Unix socket alone: scrapers never lock the operator out */
    HEAD_MAX = 8192,
    BODY_MAX = 65536,
    ANSWER_MAX = 16 << 20,
    ANSWERS_MAX = 48 << 20, /* of all connections together; beyond: 503 */
};

enum phase {
    PHASE_FREE,
    PHASE_HEAD,    /* a request may come */
    PHASE_BODY,    /* its content comes, and is dropped */
    PHASE_WAITING, /* for the reload */
    PHASE_ASKING,  /* for the agent's answer */
    PHASE_SENDING,
    PHASE_LINGERING, /* all was said: reads what the client still sends, so that it gets to read our answer */
    PHASE_CLOSING,
};

struct connection {
    struct admin *admin;
    struct stream stream;
    struct timer deadline; /* of the phase */
    enum phase phase;
    bool local, loopback;
    bool last;    /* the connection ends with the answer */
    bool settled; /* of PHASE_SENDING: the loop has had its first try at sending */
    bool
        reload_next; /* of PHASE_WAITING: asked while a reload was under way, which may not have seen the newest file */
    uint32_t ticket; /* of PHASE_ASKING */
    struct buf in;
    struct http1_scan scan;
    struct http1_body content;
    uint64_t content_bytes;
    struct admin_request request;
    struct buf head, body; /* of the answer; sent from here, so they live until it is sent */
};

void admin_connection_open(struct connection *connection, struct admin *admin, int fd, bool local,
                           const struct address *peer);
void admin_connection_close(struct connection *connection);
void admin_connection_answer_reload(struct connection *connection, bool done, struct bytes text);
void admin_connection_answer_asked(struct connection *connection, uint16_t status,
                                   struct bytes json);
void admin_connection_answer_lost(struct connection *connection);

/* ---- by drive.c ---- */

struct loop *admin_loop(const struct admin *admin);
struct http1_head *admin_scratch(struct admin *admin);
struct admin_scene admin_scene(struct admin *admin);
bool admin_may_answer(const struct admin *admin); /* the answers under way leave room for another */
/* Carries out the order of a reply; ORDER_RELOAD and ORDER_ASK leave the connection waiting. False: it cannot be asked now. */
bool admin_carry_out(struct admin *admin, struct connection *connection,
                     const struct admin_reply *reply);
void admin_forget_connection(struct admin *admin, struct connection *connection);
