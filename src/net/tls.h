/*
 * TLS 1.3 between nodes, over a stream: both ends show a certificate of one authority, and the name in it is the other's name.
 *
 * The shape is that of streams: the owner embeds a `struct tls`, says what it wants, and is called back from loop_turn only. Before `ready`
 * the other end has proved nothing: not a byte of the owner's is sent or delivered. It never falls back, never resumes a session, knows no
 * other version, and never takes more than TLS_BEFORE_READY_MAX bytes of somebody who is not verified.
 */
#pragma once

#include "base/buf.h"
#include "net/net.h"

enum {
    TLS_BEFORE_READY_MAX = 16 << 10, /* bytes received */
    TLS_QUEUE_MAX = 1 << 20,         /* bytes that wait to be taken by the kernel */
    TLS_NAME_MAX = 65,               /* NUL included: a common name has at most 64 characters */
    TLS_SENTENCE_MAX = 256,
};

/* ---- contexts: a certificate, its key, and the authority that others must have theirs from ---- */

struct tls_context;

struct tls_files {
    const char *authority;   /* PEM; may hold more than one while an authority is replaced */
    const char *certificate; /* PEM; the subject's common name is the node's name */
    const char *key;         /* PEM, not encrypted */
};

/* Reads the files now and never again. Wrong: one is missing or is not PEM, the key is another's, the certificate is not of this authority, has expired
 * or is not yet valid. */
MUST_USE bool tls_context_open(struct tls_context **context, const struct tls_files *files,
                               struct err *err);
/* The same from texts, which are borrowed for the call. */
MUST_USE bool tls_context_of_pem(struct tls_context **context, struct bytes authority,
                                 struct bytes certificate, struct bytes key, struct err *err);
/* The same for those who serve clients: no name is needed, TLS 1.2 is spoken too, and only where `authority` is not NULL do clients have to show a certificate.
 * A certificate that has expired is taken: see tls_context_expires. For tls_session_accept alone. */
MUST_USE bool tls_context_open_server(struct tls_context **context, const struct tls_files *files,
                                      struct err *err);
/* Sessions under way keep what they need. NULL is fine. */
void tls_context_close(struct tls_context *context);
const char *tls_context_name(const struct tls_context *context); /* not of a server's */
int64_t tls_context_expires(const struct tls_context *context);  /* seconds since 1970 */

/* ---- sessions ---- */

struct tls;

struct tls_events {
    void (*connected)(
        struct tls *tls);           /* the address answered; after tls_connect only; may be NULL */
    void (*ready)(struct tls *tls); /* verified: tls_name says who it is */
    void (*received)(struct tls *tls, struct bytes bytes);
    /* The other's last byte has come. `cut`: without a farewell of TLS. At most once. */
    void (*ended)(struct tls *tls, bool cut);
    void (*drained)(struct tls *tls); /* after `ready`: nothing is queued any more; may be NULL */
    /* tls_close is the only call left. At most once. `error` is an errno, or 0 when one end did not accept the other or broke the protocol. */
    void (*failed)(struct tls *tls, int error, const char *sentence);
    void (*closed)(struct tls *tls); /* the storage is the owner's again */
};

/* Private to net. */
struct tls {
    const struct tls_events *events;
    struct stream stream;
    struct ssl_st *ssl; /* NULL: in the clear */
    struct buf out;     /* encrypted, not yet in the stream's queue */
    struct timer later; /* for what an owner's call found out, and for an empty pool */
    uint32_t flags;
    uint32_t taken; /* bytes received before `ready` */
    int error;
    char name[TLS_NAME_MAX];
    char sentence[TLS_SENTENCE_MAX];
};

/* Takes over a connected, non-blocking socket and waits for the other to begin. With no context everything goes in the clear, nobody is verified and
 * tls_name stays empty: for the simulator and tests of what is above. */
void tls_accept(struct loop *loop, struct tls *tls, int fd, struct tls_context *context,
                const struct tls_events *events);
/* Connects. False as stream_connect. */
MUST_USE bool tls_connect(struct loop *loop, struct tls *tls, const struct address *to,
                          struct tls_context *context, const struct tls_events *events,
                          struct err *err);
const char *tls_name(const struct tls *tls); /* of the other end; "" before `ready` */
bool tls_heard(const struct tls *tls);       /* has the other end sent anything at all? */
/* Copies, encrypts and queues. After `ready` and before tls_finish. False when TLS_QUEUE_MAX would be passed or memory is short: nothing was queued. */
MUST_USE bool tls_send(struct tls *tls, struct bytes bytes);
uint32_t tls_queued(const struct tls *tls);
/* A farewell and FIN once the queue is sent; receiving goes on. */
void tls_finish(struct tls *tls);
/* Drops the queue and closes; `closed` follows. Twice: nothing. */
void tls_close(struct tls *tls, bool reset);
