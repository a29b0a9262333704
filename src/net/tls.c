/*
 * A session: what the stream brings goes into OpenSSL, and what OpenSSL says goes into the stream; both through memory, so
 * that OpenSSL never sees a descriptor and the loop's back ends need not know of it.
 *
 * Encrypted bytes wait in `out` until the stream has nothing queued or they fill a chunk: however small the pieces that an owner
 * sends, a session takes few segments of the loop's pool.
 */
#include "net/tls_context.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

enum {
    TLS_READY = 1u << 0,
    TLS_DEAD = 1u << 1,      /* `failed` was told, or will be by `later` */
    TLS_TOLD = 1u << 2,      /* `failed` was told */
    TLS_CLOSED = 1u << 3,    /* by tls_close */
    TLS_ENDED = 1u << 4,     /* `ended` was told */
    TLS_FINISHING = 1u << 5, /* tls_finish */
    TLS_FINISHED = 1u << 6,  /* and the stream knows */
    TLS_SPOKEN = 1u << 7,    /* the other has had an answer */
    TLS_HEARD = 1u << 8,     /* the other has sent something */
};

enum {
    READ_BYTES = 16 << 10, /* a record */
    RECORD_EXTRA = 64,     /* what encryption adds to one, at most */
    POOL_WAIT_MS = 5,
    ALERT_MS = 100, /* for an alert to leave */
};

static struct tls *tls_of(struct stream *stream)
{
    return container_of(stream, struct tls, stream);
}

static bool gone(const struct tls *tls)
{
    return tls->flags & (TLS_DEAD | TLS_CLOSED);
}

/* ---- failing ---- */

static void tell_failed(struct tls *tls)
{
    if (tls->flags & (TLS_TOLD | TLS_CLOSED))
        return;
    tls->flags |= TLS_TOLD;
    tls->events->failed(tls, tls->error, tls->sentence);
}

/* Told by `later`, or as soon as an alert has been sent: never from inside a call of the owner's. */
static void fail(struct tls *tls, int error, const char *sentence)
{
    if (gone(tls))
        return;
    tls->flags |= TLS_DEAD;
    tls->error = error;
    snprintf(tls->sentence, sizeof tls->sentence, "%s", sentence);
    timer_arm(tls->stream.loop, &tls->later, loop_now(tls->stream.loop));
}

static void fail_errno(struct tls *tls, int error)
{
    char text[128];

    fail(tls, error, strerror_r(error, text, sizeof text));
}

/* ---- out ---- */

/* Up to a chunk of what waits. False when the pool is empty. */
static bool pass_chunk(struct tls *tls, size_t *passed)
{
    struct chunk *chunk = chunk_take(tls->stream.loop);
    struct bytes bytes = bytes_skip(buf_bytes(&tls->out), *passed);
    bool queued;

    if (!chunk)
        return false;
    bytes = bytes_take(bytes, chunk->cap);
    memcpy(chunk->at, bytes.at, bytes.len);
    queued = stream_send(&tls->stream, chunk, bytes_of(chunk->at, bytes.len));
    chunk_release(tls->stream.loop, chunk);
    if (queued)
        *passed += bytes.len;
    return queued;
}

static void flush(struct tls *tls)
{
    struct loop *loop = tls->stream.loop;
    size_t passed = 0;
    bool room = true;

    if (stream_queued(&tls->stream) == 0 || tls->out.len >= READ_BYTES)
        while (room && passed < tls->out.len)
            room = pass_chunk(tls, &passed);
    buf_drop(&tls->out, passed);
    if (!room && !timer_armed(&tls->later))
        timer_arm(loop, &tls->later, after_ms(loop_now(loop), POOL_WAIT_MS));
    if ((tls->flags & (TLS_FINISHING | TLS_FINISHED)) == TLS_FINISHING && tls->out.len == 0) {
        tls->flags |= TLS_FINISHED;
        stream_finish(&tls->stream);
    }
}

/* What OpenSSL has written so far. */
static void collect(struct tls *tls)
{
    BIO *bio = SSL_get_wbio(tls->ssl);
    size_t pending = BIO_ctrl_pending(bio);
    uint8_t *space;

    if (pending == 0)
        return;
    space = buf_space(&tls->out, pending);
    if (!space) {
        fail(tls, ENOMEM, "no memory for what must be sent");
        return;
    }
    must(BIO_read(bio, space, (int)pending) == (int)pending);
    buf_grew(&tls->out, pending);
}

/* ---- in ---- */

static void refused(struct tls *tls)
{
    struct loop *loop = tls->stream.loop;
    char sentence[TLS_SENTENCE_MAX];

    if (tls->sentence[0])
        snprintf(sentence, sizeof sentence, "%s", tls->sentence);
    else
        tls_explain_error(ERR_peek_error(), tls->flags & TLS_READY, sentence, sizeof sentence);
    ERR_clear_error();
    collect(tls);
    fail(tls, 0, sentence);
    /* The alert says why, but only to one who began a conversation: noise is not answered. */
    if ((tls->flags & TLS_SPOKEN) && tls->out.len > 0) {
        tls->flags |= TLS_FINISHING;
        flush(tls);
        timer_arm(loop, &tls->later, after_ms(loop_now(loop), ALERT_MS));
    }
}

static void handshake(struct tls *tls)
{
    int done;

    ERR_clear_error();
    done = SSL_do_handshake(tls->ssl);
    if (done != 1 && SSL_get_error(tls->ssl, done) != SSL_ERROR_WANT_READ) {
        refused(tls);
        return;
    }
    collect(tls);
    if (tls->out.len > 0)
        tls->flags |= TLS_SPOKEN;
    flush(tls);
    if (done != 1)
        return;
    must(SSL_get_verify_result(tls->ssl) == X509_V_OK);
    if (!tls_certificate_name(SSL_get0_peer_certificate(tls->ssl), tls->name)) {
        fail(tls, 0, "the certificate has no single common name to tell the node by");
        return;
    }
    tls->flags |= TLS_READY;
    tls->events->ready(tls);
}

static void tell_ended(struct tls *tls, bool cut)
{
    if (tls->flags & TLS_ENDED)
        return;
    tls->flags |= TLS_ENDED;
    tls->events->ended(tls, cut);
}

/* One record's worth. False: there is no more for now. */
static bool read_some(struct tls *tls)
{
    uint8_t plain[READ_BYTES];
    size_t len = 0;
    int got;

    ERR_clear_error();
    got = SSL_read_ex(tls->ssl, plain, sizeof plain, &len);
    if (got == 1) {
        tls->events->received(tls, bytes_of(plain, len));
        return !gone(tls);
    }
    switch (SSL_get_error(tls->ssl, got)) {
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_ZERO_RETURN:
        tell_ended(tls, false);
        break;
    default:
        refused(tls);
    }
    return false;
}

static bool too_much(struct tls *tls, size_t len)
{
    if (tls->flags & TLS_READY)
        return false;
    tls->taken += (uint32_t)len;
    if (tls->taken <= TLS_BEFORE_READY_MAX)
        return false;
    fail(tls, 0, "sent more than 16 KiB before it had proved who it is");
    return true;
}

static void on_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct tls *tls = tls_of(stream);

    (void)chunk;
    if (gone(tls) || (tls->flags & TLS_ENDED))
        return;
    tls->flags |= TLS_HEARD;
    if (!tls->ssl) {
        tls->events->received(tls, bytes);
        return;
    }
    if (too_much(tls, bytes.len))
        return;
    if (BIO_write(SSL_get_rbio(tls->ssl), bytes.at, (int)bytes.len) != (int)bytes.len) {
        fail(tls, ENOMEM, "no memory for what came");
        return;
    }
    if (!(tls->flags & TLS_READY))
        handshake(tls);
    if (!(tls->flags & TLS_READY))
        return;
    while (!gone(tls) && read_some(tls)) {
    }
    /* A key update is answered by OpenSSL itself. */
    if (!gone(tls)) {
        collect(tls);
        flush(tls);
    }
}

/* ---- the stream's other events ---- */

static void begin(struct tls *tls)
{
    stream_receive(&tls->stream, true);
    if (tls->ssl && !SSL_is_server(tls->ssl))
        handshake(tls);
    if (!tls->ssl) {
        tls->flags |= TLS_READY;
        tls->events->ready(tls);
    }
}

static void on_connected(struct stream *stream)
{
    struct tls *tls = tls_of(stream);

    if (tls->events->connected)
        tls->events->connected(tls);
    if (!gone(tls))
        begin(tls);
}

static void on_ended(struct stream *stream)
{
    struct tls *tls = tls_of(stream);

    if (gone(tls))
        return;
    if (tls->flags & TLS_READY)
        tell_ended(tls, true);
    else
        fail(tls, 0, "the other end hung up during the handshake");
}

static void on_drained(struct stream *stream)
{
    struct tls *tls = tls_of(stream);

    if (tls->flags & TLS_DEAD) {
        timer_cancel(stream->loop, &tls->later);
        tell_failed(tls);
        return;
    }
    flush(tls);
    if (gone(tls) || !(tls->flags & TLS_READY) || tls_queued(tls) > 0)
        return;
    if (tls->events->drained)
        tls->events->drained(tls);
}

static void on_failed(struct stream *stream, int error)
{
    fail_errno(tls_of(stream), error);
}

static void on_closed(struct stream *stream)
{
    struct tls *tls = tls_of(stream);

    SSL_free(tls->ssl);
    tls->ssl = NULL;
    buf_fini(&tls->out);
    tls->events->closed(tls);
}

static const struct stream_events events = {
    .connected = on_connected,
    .received = on_received,
    .ended = on_ended,
    .drained = on_drained,
    .failed = on_failed,
    .closed = on_closed,
};

/* An accepted one in the clear is ready in its first turn, not inside tls_accept. */
static void on_later(struct timer *timer)
{
    struct tls *tls = container_of(timer, struct tls, later);

    if (tls->flags & TLS_DEAD)
        tell_failed(tls);
    else if (!tls->ssl && !(tls->flags & TLS_READY))
        begin(tls);
    else
        flush(tls);
}

/* ---- the owner's calls ---- */

static void init(struct tls *tls, struct tls_context *context, bool accepts,
                 const struct tls_events *own)
{
    *tls = (struct tls){.events = own};
    timer_init(&tls->later, on_later);
    buf_init(&tls->out, TLS_QUEUE_MAX + TLS_QUEUE_MAX / READ_BYTES * RECORD_EXTRA + READ_BYTES);
    if (context)
        tls->ssl = tls_context_session(context, accepts, tls->sentence);
}

void tls_accept(struct loop *loop, struct tls *tls, int fd, struct tls_context *context,
                const struct tls_events *own)
{
    init(tls, context, true, own);
    stream_adopt(loop, &tls->stream, fd, &events);
    if (context && !tls->ssl)
        fail(tls, ENOMEM, "no memory for a session");
    else if (context)
        begin(tls);
    else
        timer_arm(loop, &tls->later, loop_now(loop));
}

bool tls_connect(struct loop *loop, struct tls *tls, const struct address *to,
                 struct tls_context *context, const struct tls_events *own, struct err *err)
{
    init(tls, context, false, own);
    if (context && !tls->ssl)
        return err_set(err, ERR_LIMIT, "no memory for a session");
    if (stream_connect(loop, &tls->stream, to, NULL, &events, err))
        return true;
    SSL_free(tls->ssl);
    tls->ssl = NULL;
    return false;
}

const char *tls_name(const struct tls *tls)
{
    return tls->name;
}

bool tls_heard(const struct tls *tls)
{
    return tls->flags & TLS_HEARD;
}

uint32_t tls_queued(const struct tls *tls)
{
    return (uint32_t)tls->out.len + stream_queued(&tls->stream);
}

bool tls_send(struct tls *tls, struct bytes bytes)
{
    must(tls->flags & TLS_READY);
    must(!(tls->flags & TLS_FINISHING));
    if (gone(tls) || bytes.len == 0)
        return true;
    if (bytes.len > TLS_QUEUE_MAX || tls_queued(tls) > TLS_QUEUE_MAX - bytes.len)
        return false;
    if (tls->ssl) {
        ERR_clear_error();
        if (SSL_write(tls->ssl, bytes.at, (int)bytes.len) != (int)bytes.len) {
            fail(tls, 0, "encryption failed");
            return true;
        }
        collect(tls);
    } else {
        buf_add(&tls->out, bytes);
        if (tls->out.full)
            return false;
    }
    flush(tls);
    return true;
}

void tls_finish(struct tls *tls)
{
    if (gone(tls) || (tls->flags & TLS_FINISHING))
        return;
    tls->flags |= TLS_FINISHING;
    if (tls->ssl && (tls->flags & TLS_READY)) {
        ERR_clear_error();
        (void)SSL_shutdown(tls->ssl);
        collect(tls);
    }
    flush(tls);
}

void tls_close(struct tls *tls, bool reset)
{
    if (tls->flags & TLS_CLOSED)
        return;
    tls->flags |= TLS_CLOSED;
    timer_cancel(tls->stream.loop, &tls->later);
    stream_close(&tls->stream, reset);
}
