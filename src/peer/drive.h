/*
 * Private to the room: what its drivers share. drive.c answers the owner and turns the clock, drive_link.c carries out what links decide,
 * drive_connection.c turns one connection's bytes into frames and back.
 */
#pragma once

#include "net/tls.h"
#include "peer/contact.h"
#include "peer/frame.h"
#include "peer/hello.h"
#include "peer/outbox.h"
#include "peer/peer.h"
#include "peer/quiet.h"

/* Types of the room's own frames. */
enum own_type {
    OWN_HELLO = PEER_TYPES_MAX,
    OWN_REFUSE,  /* a sentence, instead of a hello */
    OWN_GOODBYE, /* the process ends this link on purpose */
    OWN_PING,    /* 8 bytes that come back */
    OWN_PONG,
    OWN_LAST,      /* nothing more comes here: the rest goes over the new connection */
    OWN_LAST_SEEN, /* all before OWN_LAST has been received */
    OWN_MOVE,      /* the one that is called has a new certificate: please call anew */
};

enum connection_state {
    CONNECTION_CALLS,  /* the address has not answered */
    CONNECTION_PROVES, /* the handshake, and then the hello */
    CONNECTION_COUNTS, /* it is a peer's `now` or `next` */
    CONNECTION_LEAVES, /* all is said; waits for the other to close */
    CONNECTION_OVER,   /* tls_close was called */
};

struct connection {
    struct list node; /* in peers->connections */
    struct peers *peers;
    struct tls tls;
    enum connection_state state;
    struct peer *
        peer; /* NULL: an accepted one that has not said who it is, or one that has left its peer */
    struct address address; /* of the other end */
    uint32_t path;          /* of one that was called */
    uint16_t version;       /* agreed */
    uint32_t tls_number;    /* of the context that it was made with */
    bool called, knock;
    bool said_hello, offered;  /* `offered`: our hello said that it continues */
    bool last_came, last_seen; /* OWN_LAST from the other, and its answer to ours */
    bool strange;              /* counted among those that have proved nothing */
    uint64_t sent, seen;       /* frames */
    uint32_t early;            /* bytes before the hello */
    struct buf in;             /* the beginning of a frame */
    struct timer deadline;
};

struct peer {
    struct peers *peers;
    uint32_t generation; /* of this place: another peer had it before */
    bool used, renew;    /* `renew`: should move to a new connection, when it is its turn */
    bool breaks;         /* by peers_break */
    char name[PEER_NAME_MAX];
    struct address addresses[PEER_PATHS_MAX];
    struct contact contact;
    struct connection *calling; /* a call or knock under way */
    struct connection *now;     /* the connection that counts */
    struct connection *next;    /* the one that takes over from it */
    struct connection *out;     /* the one that is sent on; NULL while it changes */
    struct outbox outbox;       /* what waits, if it is up */
    struct instant since;
    int64_t rtt_ns;
    uint64_t ups;
    uint16_t version;
    char sentence[PEER_SENTENCE_MAX];
};

struct peers {
    struct loop *loop;
    char cluster[PEER_NAME_MAX], node[PEER_NAME_MAX];
    struct tls_context *tls;
    uint32_t tls_number; /* how often it was replaced */
    const struct peers_events *events;
    void *context;
    int64_t handshake_ms, connect_ms;
    struct contact_timing timing;
    uint16_t version_low, version_high;
    uint8_t hello[PEER_HELLO_MAX];
    size_t hello_len;
    struct rng rng;
    struct peer all[PEERS_MAX];
    struct list connections;
    uint32_t strangers; /* connections that have proved nothing */
    struct listener listeners[PEER_PATHS_MAX];
    uint32_t listening; /* bits: which of them are started */
    struct timer tick;
    struct quiet quiet;
    bool closing;
    uint32_t turns; /* that the listeners' storage must still live */
    uint8_t
        scratch[FRAME_HEADER + PEER_BODY_MAX]; /* a frame on its way out; memory as it is used */
};

/* ---- drive.c ---- */

/* Turns the clock to what the links want next. */
void peers_schedule(struct peers *peers);
void peers_stranger(struct peers *peers, const char *format, ...) PRINTF(2, 3);
struct peer *peers_named(struct peers *peers, const char *name);
/* A connection's storage is free. */
void peers_forget(struct connection *connection);
static inline uint32_t peer_number(const struct peer *peer)
{
    return (uint32_t)(peer - peer->peers->all);
}

/* ---- drive_link.c ---- */

/* Is a link just now moving to a new connection? One at a time. */
bool peers_move(const struct peers *peers);

void peer_init(struct peer *peer, struct peers *peers, const char *name);
/* Calls, knocks, pings, gives up: whatever is due. */
void peer_tick(struct peer *peer);
/* The other's hello is good. */
void peer_greeted(struct peer *peer, struct connection *connection, bool continues,
                  struct bytes hello, uint16_t version);
/* A frame of a connection that counts. */
void peer_frame(struct connection *connection, const struct frame *frame);
/* A connection that counts is no good any more; it is closed. */
void peer_lost(struct peer *peer, enum peer_why why, const char *sentence);
/* A call or knock came to nothing, error is an errno or 0; it is closed. */
void peer_call_failed(struct connection *connection, int error, const char *sentence);
void peer_knocked(struct connection *connection);
/* Sends what waits, as far as there is room. */
void peer_pump(struct peer *peer);
/* Leaves without an event; a goodbye unless `reset`. */
void peer_leave(struct peer *peer, bool reset);

/* ---- drive_connection.c ---- */

void connection_accept(struct peers *peers, int fd, const struct address *address);
/* Begins a call or knock; NULL with err when no socket could be made. */
struct connection *connection_call(struct peer *peer, uint32_t path, bool knock, struct err *err);
/* False: it cannot take it; it is then broken. */
MUST_USE bool connection_send(struct connection *connection, uint16_t type, struct bytes body);
/* Ends sending, and waits a while for the other to close. */
void connection_leave(struct connection *connection);
void connection_close(struct connection *connection, bool reset);
/* The other end broke the rules. */
void connection_broken(struct connection *connection, const char *sentence);
