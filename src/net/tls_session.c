/*
 * OpenSSL reads what came where it lies, and writes into the caller's buffer: nothing is copied but by encryption itself.
 */
#include "net/tls_session.h"

#include "net/tls_context.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

struct tls_session {
    SSL *ssl;
    struct bytes *in; /* both of the call under way; else NULL */
    struct buf *out;
    uint32_t taken; /* bytes received before `ready` */
    bool ready, broken, finished;
};

/* ---- what OpenSSL takes for a connection ---- */

static int on_read(BIO *bio, char *at, int len)
{
    struct tls_session *session = BIO_get_data(bio);
    struct bytes now;

    BIO_clear_retry_flags(bio);
    if (!session->in || session->in->len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    now = bytes_take(*session->in, (size_t)len);
    memcpy(at, now.at, now.len);
    *session->in = bytes_skip(*session->in, now.len);
    if (!session->ready)
        session->taken += (uint32_t)now.len;
    return (int)now.len;
}

/* One that does not fit breaks the session. */
static int on_write(BIO *bio, const char *at, int len)
{
    struct tls_session *session = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    buf_add(session->out, bytes_of((const uint8_t *)at, (size_t)len));
    return session->out->full ? -1 : len;
}

static long on_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* One for all sessions of the process, never given back: they may outlive their context. */
static const BIO_METHOD *method(void)
{
    static BIO_METHOD *made;

    if (made)
        return made;
    made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "caller's buffers");
    if (!made)
        return NULL;
    must(BIO_meth_set_read(made, on_read) == 1);
    must(BIO_meth_set_write(made, on_write) == 1);
    must(BIO_meth_set_ctrl(made, on_control) == 1);
    return made;
}

/* ---- sessions ---- */

struct tls_session *tls_session_accept(struct tls_context *context)
{
    struct tls_session *session = calloc(1, sizeof *session);
    const BIO_METHOD *how = method();
    SSL *ssl = tls_context_serve(context);
    BIO *bio = how ? BIO_new(how) : NULL;

    ERR_clear_error();
    if (!session || !ssl || !bio) {
        SSL_free(ssl);
        BIO_free(bio);
        free(session);
        return NULL;
    }
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    session->ssl = ssl;
    return session;
}

void tls_session_close(struct tls_session *session)
{
    if (!session)
        return;
    SSL_free(session->ssl);
    free(session);
}

bool tls_session_is_ready(const struct tls_session *session)
{
    return session->ready;
}

static enum tls_outcome broken(struct tls_session *session)
{
    session->broken = true;
    ERR_clear_error();
    return TLS_OUTCOME_BROKEN;
}

static enum tls_outcome handshake(struct tls_session *session)
{
    int done = SSL_do_handshake(session->ssl);

    if (session->taken > TLS_SESSION_BEFORE_READY_MAX)
        return broken(session);
    if (done == 1) {
        session->ready = true;
        return TLS_OUTCOME_READY;
    }
    return SSL_get_error(session->ssl, done) == SSL_ERROR_WANT_READ ? TLS_OUTCOME_MORE
                                                                    : broken(session);
}

static enum tls_outcome read_record(struct tls_session *session, struct buf *plain)
{
    uint8_t *space = buf_space(plain, TLS_SESSION_READ_MIN);
    size_t len = 0;
    int got;

    must(space != NULL);
    got = SSL_read_ex(session->ssl, space, TLS_SESSION_READ_MIN, &len);
    if (got == 1) {
        buf_grew(plain, len);
        return TLS_OUTCOME_BYTES;
    }
    switch (SSL_get_error(session->ssl, got)) {
    case SSL_ERROR_WANT_READ:
        return TLS_OUTCOME_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_OUTCOME_FAREWELL;
    default:
        return broken(session);
    }
}

enum tls_outcome tls_session_read(struct tls_session *session, struct bytes *in, struct buf *plain,
                                  struct buf *out)
{
    enum tls_outcome outcome;

    if (session->broken)
        return TLS_OUTCOME_BROKEN;
    ERR_clear_error();
    session->in = in;
    session->out = out;
    outcome = session->ready ? read_record(session, plain) : handshake(session);
    session->in = NULL;
    session->out = NULL;
    return out->full ? broken(session) : outcome;
}

bool tls_session_write(struct tls_session *session, struct bytes plain, struct buf *out)
{
    size_t written = 0;
    bool good;

    must(session->ready && !session->finished);
    if (session->broken)
        return false;
    if (plain.len == 0)
        return true;
    ERR_clear_error();
    session->out = out;
    good = SSL_write_ex(session->ssl, plain.at, plain.len, &written) == 1 && !out->full;
    session->out = NULL;
    if (good)
        must(written == plain.len);
    else
        (void)broken(session);
    return good;
}

void tls_session_finish(struct tls_session *session, struct buf *out)
{
    if (!session->ready || session->broken || session->finished)
        return;
    ERR_clear_error();
    session->out = out;
    session->finished = true;
    if (SSL_shutdown(session->ssl) < 0)
        (void)broken(session);
    session->out = NULL;
    ERR_clear_error();
}
