/*
 * peer: one authenticated connection to each other node, over whichever of its addresses works, and frames on it.
 *
 * Of each pair the node with the smaller name (strcmp) calls and the other is called. A link is up when both ends have proved with
 * a certificate of the cluster's authority who they are, and have read each other's hello: cluster, names, versions, and some
 * bytes of the owner. While it is up, frames of one urgency arrive once and in the order in which they were sent, whole and
 * unchanged; when it goes down, what was under way may be lost. A link that is moved to a new connection (certificates renewed) stays up.
 *
 * The room never decides what a silence means: it says `down` and tries the next address. It answers nobody who has not proved to be of this cluster,
 * keeps nothing for a peer that is down, and never blocks. I/O goes through net/net.h, time is the loop's, chance is seeded: the
 * same code runs in the simulator. One loop, one thread; callbacks are made from loop_turn only, and all calls are allowed in them.
 */
#pragma once

#include "base/address.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/instant.h"

#include <stddef.h>

struct loop;
struct tls_context; /* net/tls.h */
struct peers;

enum {
    PEERS_MAX = 16,            /* other nodes; a peer is a number below it */
    PEER_PATHS_MAX = 4,        /* addresses of one node */
    PEER_NAME_MAX = 64,        /* of nodes and clusters, NUL included */
    PEER_HELLO_MAX = 1024,     /* the owner's bytes in a hello */
    PEER_BODY_MAX = 320 << 10, /* of one frame: 64 entries of 4 KiB, and what is around them */
    PEER_QUEUE_MAX =
        1 << 20, /* bytes of frames that wait for one peer; 64 KiB of them for what is urgent */
    PEER_TYPES_MAX = 0xff00, /* types of the owner's frames are below it */
    PEER_UNAUTHENTICATED_MAX = 64,
    PEER_SENTENCE_MAX = 384,
};

enum peer_why {
    PEER_CLOSED, /* the other end said goodbye */
    PEER_RESET,  /* RST: its kernel knows the connection no more */
    PEER_CUT, /* its kernel ended the connection (FIN) without a goodbye of its process: killed, or crashed */
    PEER_SILENT, /* nothing came for silence_ms */
    PEER_BROKEN, /* it broke the protocol, or the network refused; the sentence says */
};

const char *peer_why_name(enum peer_why why); /* "closed", "reset" … */

/* All are needed but `unknown` and `closed`. Sentences and bytes are borrowed for the length of the call. */
struct peers_events {
    void (*up)(void *context, uint32_t peer, struct bytes hello, uint16_t version);
    void (*down)(void *context, uint32_t peer, enum peer_why why, const char *sentence);
    void (*received)(void *context, uint32_t peer, uint16_t type, struct bytes body);
    /* A connection to this address of a peer whose link is down failed; error is an errno, ECONNREFUSED when its kernel is there and nobody
     * listens. A node that is called probes too, after its link ended with RESET or CUT, until a connection is made. */
    void (*refused)(void *context, uint32_t peer, uint32_t path, int error);
    /* Somebody was turned away, or turned us away. At most once a second, and the same sentence once a minute; `unsaid` were left
     * out since the last. */
    void (*stranger)(void *context, const char *sentence, uint32_t unsaid);
    /* A node of this cluster called that is not among the places. If it is after the call (peers_configure is allowed),
     * it is let in; else it is told that it is no member. */
    void (*unknown)(void *context, const char *name, struct bytes hello);
    /* After peers_close: every connection is closed and `peers` is freed. */
    void (*closed)(void *context);
};

struct peers_options {
    struct loop *loop;
    const char *cluster, *node; /* copied */
    /* Borrowed until it is replaced by peers_use_tls. NULL: plain frames, and names are believed: for the simulator and tests. */
    struct tls_context *tls;
    uint64_t seed;
    int64_t handshake_ms; /* from a connection to a good hello; 5 s */
    int64_t connect_ms;   /* until an address answers at all; then the next; 1 s */
    int64_t
        silence_ms; /* without any byte: the link is down. The room pings at a quarter of it, so an idle link lives. */
    int64_t retry_ms,
        retry_max_ms; /* the first pause between calls, and the longest; jittered; half a heartbeat, 2 s */
    uint16_t version_low,
        version_high;   /* of the owner's protocol: the highest that both know is taken */
    struct bytes hello; /* copied; at most PEER_HELLO_MAX */
    const struct peers_events *events;
    void *context;
};

/* Where a peer is. `name` and the addresses are copied. */
struct peer_place {
    const char *name;
    struct address addresses[PEER_PATHS_MAX];
    uint32_t count;
};

MUST_USE bool peers_open(struct peers **peers, const struct peers_options *options,
                         struct err *err);
/* Accepts from these listening sockets (borrowed; at most PEER_PATHS_MAX) and from no others. One that must be closed is left out here first. */
void peers_listen(struct peers *peers, const int fds[], uint32_t count);
/* These are the peers, at most PEERS_MAX, this node not among them. Those that stay keep their number and their link; those that go are closed without an event. */
void peers_configure(struct peers *peers, const struct peer_place places[], uint32_t count);
/* From now on in every hello that is sent. */
void peers_say_hello(struct peers *peers, struct bytes hello);
/* New certificates: links move to new connections one by one, without a gap. `tls` is borrowed, and the former one is no longer used. */
void peers_use_tls(struct peers *peers, struct tls_context *tls);
/* The number of the peer of this name; PEERS_MAX when there is none. */
uint32_t peers_find(const struct peers *peers, const char *name);

/* Copies the frame and sends it. False, and nothing was sent: the link is not up, or its queue is full. */
MUST_USE bool peers_send(struct peers *peers, uint32_t peer, uint16_t type, struct bytes body);
/* The same, and before all that waits and is not urgent. For what is small. */
MUST_USE bool peers_send_urgent(struct peers *peers, uint32_t peer, uint16_t type,
                                struct bytes body);
/* Ends a link that is up as if it had failed: `down` (BROKEN, with this sentence) follows in a later turn, and it is built anew. */
void peers_break(struct peers *peers, uint32_t peer, const char *sentence);

struct peer_link {
    const char *name;                 /* NULL: there is no such peer */
    bool up, calls;                   /* `calls`: we call it */
    uint32_t path, paths;             /* the address that is used or tried; of how many */
    struct address address;           /* of the other end while up, else the one that is tried */
    struct instant since;             /* when it came up or went down */
    struct instant heard;             /* the last byte while it was up */
    int64_t rtt_ns;                   /* the last ping's; 0 unknown */
    uint32_t queued;                  /* bytes */
    uint16_t version;                 /* agreed, while up */
    uint64_t ups;                     /* how often it came up */
    char sentence[PEER_SENTENCE_MAX]; /* why it is not up; empty while it is */
};

struct peer_link peers_link(const struct peers *peers, uint32_t peer);

/* Says goodbye, sends what is queued as far as the kernel takes it, closes; NULL is fine. No event follows but `closed`, in a later turn; the loop must be
 * turned until then. `reset`: without a word, as a crash would. */
void peers_close(struct peers *peers, bool reset);
