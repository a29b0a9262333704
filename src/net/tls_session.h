/*
 * tls_session: the server's end of a TLS conversation without its connection. What came goes in, what has to be sent is added to the caller's buffer; it holds no descriptor and
 * reads no clock, so deadlines are the caller's. For clients that are told apart by what they say later on, not by a certificate's name (tls.h is for nodes).
 *
 * Each call writes to `out` what the other end has to be sent, also when it ends badly: an alert says why. An idle session holds no buffers. It never takes more than
 * TLS_SESSION_BEFORE_READY_MAX bytes of somebody whose handshake is not done, never resumes a session, and never renegotiates.
 */
#pragma once

#include "base/buf.h"

struct tls_context; /* tls.h: of tls_context_open_server */
struct tls_session;

enum {
    TLS_SESSION_BEFORE_READY_MAX = 64 << 10, /* bytes received */
    TLS_SESSION_READ_MIN = 16 << 10,         /* of `plain`: a record */
};

enum tls_outcome {
    TLS_OUTCOME_MORE,     /* all of `in` was taken, and what follows from it was told */
    TLS_OUTCOME_READY,    /* the handshake is done: from now on tls_session_write is allowed */
    TLS_OUTCOME_BYTES,    /* `len` bytes lie in `plain` */
    TLS_OUTCOME_FAREWELL, /* the other end has said its last */
    TLS_OUTCOME_BROKEN,   /* it is over: send `out`, and close */
};

struct tls_session *tls_session_accept(struct tls_context *context); /* NULL: no memory */
void tls_session_close(struct tls_session *session);                 /* NULL is fine */
bool tls_session_is_ready(const struct tls_session *session);
/* Takes of what came, and says what comes of it; again and again until MORE, FAREWELL or BROKEN. */
enum tls_outcome tls_session_read(struct tls_session *session, struct bytes *in, struct buf *plain,
                                  struct buf *out);
/* Encrypts. After READY. False: it is over; `out` may have been too small. */
MUST_USE bool tls_session_write(struct tls_session *session, struct bytes plain, struct buf *out);
/* A farewell; nothing is written any more. */
void tls_session_finish(struct tls_session *session, struct buf *out);
