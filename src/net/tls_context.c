/*
 * Contexts: reads certificates and keys, says in a sentence what is wrong with them, and makes sessions of them.
 */
#include "net/tls_context.h"

#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MAX = 256 << 10, DEPTH_MAX = 3 };

struct tls_context {
    SSL_CTX *ssl;
    int64_t expires;
    char name[TLS_NAME_MAX];
};

/* ---- sentences ---- */

bool tls_certificate_name(const X509 *certificate, char name[TLS_NAME_MAX])
{
    X509_NAME *subject = certificate ? X509_get_subject_name(certificate) : NULL;
    int at = subject ? X509_NAME_get_index_by_NID(subject, NID_commonName, -1) : -1;
    unsigned char *text = NULL;
    bool good;
    int len;

    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return false;
    len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    good = len > 0 && len < TLS_NAME_MAX;
    for (int i = 0; good && i < len; i++)
        good = text[i] > ' ' && text[i] != 0x7f;
    if (good) {
        memcpy(name, text, (size_t)len);
        name[len] = '\0';
    }
    OPENSSL_free(text);
    return good;
}

static const char *date(const ASN1_TIME *at, char text[32])
{
    struct tm tm;

    if (!at || ASN1_TIME_to_tm(at, &tm) != 1 || strftime(text, 32, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        return "an unknown time";
    return text;
}

void tls_explain_verify(int code, X509 *certificate, const char *whose, char *text, size_t cap)
{
    char when[32];

    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        snprintf(text, cap, "%s expired on %s", whose,
                 date(certificate ? X509_get0_notAfter(certificate) : NULL, when));
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        snprintf(text, cap, "%s is not valid before %s; is the clock right?", whose,
                 date(certificate ? X509_get0_notBefore(certificate) : NULL, when));
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_SUBJECT_ISSUER_MISMATCH:
    case X509_V_ERR_AKID_SKID_MISMATCH:
        snprintf(text, cap, "%s is not from this cluster's authority", whose);
        break;
    case X509_V_ERR_INVALID_PURPOSE:
        snprintf(text, cap, "%s is not meant for nodes", whose);
        break;
    default:
        snprintf(text, cap, "%s is not good: %s", whose, X509_verify_cert_error_string(code));
    }
}

static const struct {
    int reason;
    const char *sentence;
} reasons[] = {
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "showed no certificate"},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, "it asks for a certificate, and we have none"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "it refuses our certificate: expired by its clock"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "it refuses our certificate: not from its authority"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "it refuses our certificate: not valid"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "it refuses our certificate"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, "it refuses our certificate: of the wrong kind"},
    {SSL_R_TLSV1_ALERT_DECRYPT_ERROR, "it refuses our certificate: not from its authority"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "does not speak TLS 1.3"},
    {SSL_R_UNSUPPORTED_SSL_VERSION, "does not speak TLS 1.3"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "does not speak TLS 1.3"},
    {SSL_R_WRONG_VERSION_NUMBER, "does not speak TLS"},
    {SSL_R_HTTP_REQUEST, "does not speak TLS but HTTP"},
    {SSL_R_UNEXPECTED_MESSAGE, "does not speak TLS"},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "bytes were changed on the way"},
};

void tls_explain_error(unsigned long error, bool ready, char *text, size_t cap)
{
    const char *reason = ERR_reason_error_string(error);
    int code = ERR_GET_REASON(error);

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (ERR_GET_LIB(error) == ERR_LIB_SSL && reasons[i].reason == code) {
            snprintf(text, cap, "%s", reasons[i].sentence);
            return;
        }
    }
    snprintf(text, cap, "%s: %s", ready ? "TLS was broken" : "the handshake failed",
             reason ? reason : "no reason is known");
}

/* ---- reading PEM ---- */

/* A key that asks for a password would make OpenSSL ask on the terminal. */
static int no_password(char *password, int cap, int writing, void *context)
{
    (void)password;
    (void)cap;
    (void)writing;
    (void)context;
    return -1;
}

static X509 *read_certificate(BIO *bio)
{
    return bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
}

static bool take_authority(SSL_CTX *ssl, struct bytes pem, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    unsigned count = 0;
    bool good = true;
    X509 *each;

    while (good && (each = read_certificate(bio))) {
        good = X509_check_ca(each) > 0 && X509_STORE_add_cert(store, each) == 1 &&
               SSL_CTX_add_client_CA(ssl, each) == 1;
        count++;
        X509_free(each);
    }
    BIO_free(bio);
    ERR_clear_error();
    if (count == 0)
        return err_set(err, ERR_CONFIG, "the authority's file holds no certificate in PEM");
    if (!good)
        return err_set(err, ERR_CONFIG, "the authority's certificate is not that of an authority");
    return true;
}

/* And those between it and its authority. */
static bool take_certificate(struct tls_context *context, struct bytes pem, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
    X509 *own = read_certificate(bio), *each;
    struct tm tm = {0};
    bool good = own && SSL_CTX_use_certificate(context->ssl, own) == 1;

    if (!own || !tls_certificate_name(own, context->name))
        context->name[0] = '\0';
    if (own && ASN1_TIME_to_tm(X509_get0_notAfter(own), &tm) == 1)
        context->expires = timegm(&tm);
    X509_free(own);
    while (good && (each = read_certificate(bio)))
        good = SSL_CTX_add0_chain_cert(context->ssl, each) == 1;
    BIO_free(bio);
    ERR_clear_error();
    return good || err_set(err, ERR_CONFIG, "the certificate's file holds no certificate in PEM");
}

static bool is_named(const struct tls_context *context, struct err *err)
{
    return context->name[0] ||
           err_set(err, ERR_CONFIG,
                   "the node's certificate has no single common name to tell the node by");
}

static bool take_key(SSL_CTX *ssl, struct bytes pem, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    bool read = key, fits;

    fits = key && SSL_CTX_use_PrivateKey(ssl, key) == 1 && SSL_CTX_check_private_key(ssl) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    if (!read)
        return err_set(err, ERR_CONFIG,
                       "the key's file holds no private key in PEM without a password");
    if (!fits)
        return err_set(err, ERR_CONFIG, "the private key is not that of the certificate");
    return true;
}

/* As the other nodes will look at it. */
static bool verify_own(SSL_CTX *ssl, struct err *err)
{
    X509_STORE_CTX *look = X509_STORE_CTX_new();
    X509 *own = SSL_CTX_get0_certificate(ssl);
    STACK_OF(X509) *chain = NULL;
    char sentence[TLS_SENTENCE_MAX] = "no memory";
    bool good = false;

    SSL_CTX_get0_chain_certs(ssl, &chain);
    if (look && X509_STORE_CTX_init(look, SSL_CTX_get_cert_store(ssl), own, chain) == 1) {
        X509_STORE_CTX_set_purpose(look, X509_PURPOSE_SSL_SERVER);
        good = X509_verify_cert(look) == 1;
        if (!good)
            tls_explain_verify(X509_STORE_CTX_get_error(look),
                               X509_STORE_CTX_get_current_cert(look), "the certificate", sentence,
                               sizeof sentence);
    }
    X509_STORE_CTX_free(look);
    ERR_clear_error();
    return good || err_set(err, ERR_CONFIG, "%s", sentence);
}

/* As clients will look at it, as far as can be known here. */
static bool verify_server(SSL_CTX *ssl, struct err *err)
{
    bool good = X509_check_purpose(SSL_CTX_get0_certificate(ssl), X509_PURPOSE_SSL_SERVER, 0) == 1;

    ERR_clear_error();
    return good || err_set(err, ERR_CONFIG, "the certificate is not meant for servers");
}

/* ---- contexts ---- */

static SSL_CTX *make_ssl(void)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_method());

    if (!ssl)
        return NULL;
    must(SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1);
    must(SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    must(SSL_CTX_set_num_tickets(ssl, 0) == 1);
    SSL_CTX_set_verify_depth(ssl, DEPTH_MAX);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(ssl, no_password);
    return ssl;
}

/* Clients may be older than nodes: their libraries speak 1.2, of which only what is as good as 1.3 is left. */
static void make_server(SSL_CTX *ssl, bool asks)
{
    must(SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1);
    must(SSL_CTX_set_cipher_list(ssl, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1);
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_max_cert_list(ssl, TLS_BEFORE_READY_MAX);
    SSL_CTX_set_verify(ssl, asks ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0, NULL);
}

static struct tls_context *new_context(struct err *err)
{
    struct tls_context *context = calloc(1, sizeof *context);

    if (!context) {
        (void)err_system(err, "make a TLS context");
        return NULL;
    }
    context->ssl = make_ssl();
    if (context->ssl)
        return context;
    ERR_clear_error();
    free(context);
    (void)err_set(err, ERR_LIMIT, "OpenSSL made no context");
    return NULL;
}

bool tls_context_of_pem(struct tls_context **out, struct bytes authority, struct bytes certificate,
                        struct bytes key, struct err *err)
{
    struct tls_context *context = new_context(err);

    if (!context)
        return false;
    if (!take_authority(context->ssl, authority, err) ||
        !take_certificate(context, certificate, err) || !is_named(context, err) ||
        !take_key(context->ssl, key, err) || !verify_own(context->ssl, err)) {
        tls_context_close(context);
        return false;
    }
    *out = context;
    return true;
}

static bool server_of_pem(struct tls_context **out, const struct bytes *authority,
                          struct bytes certificate, struct bytes key, struct err *err)
{
    struct tls_context *context = new_context(err);

    if (!context)
        return false;
    make_server(context->ssl, authority != NULL);
    if ((authority && !take_authority(context->ssl, *authority, err)) ||
        !take_certificate(context, certificate, err) || !take_key(context->ssl, key, err) ||
        !verify_server(context->ssl, err)) {
        tls_context_close(context);
        return false;
    }
    *out = context;
    return true;
}

void tls_context_close(struct tls_context *context)
{
    if (!context)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}

static bool read_file(const char *path, struct buf *text, struct err *err)
{
    autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

    buf_init(text, FILE_MAX);
    if (fd < 0)
        return err_system(err, "open '%s'", path);
    for (;;) {
        uint8_t *space = buf_space(text, 4096);
        ssize_t got = space ? read(fd, space, 4096) : -1;

        if (!space)
            return err_set(err, ERR_LIMIT, "'%s' is longer than %d bytes", path, FILE_MAX);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_system(err, "read '%s'", path);
        if (got == 0)
            return true;
        buf_grew(text, (size_t)got);
    }
}

/* A key does not stay in memory that is given back. */
static void forget(struct buf *text)
{
    if (text->at)
        OPENSSL_cleanse(text->at, text->cap);
    buf_fini(text);
}

bool tls_context_open(struct tls_context **context, const struct tls_files *files, struct err *err)
{
    struct buf authority = {0}, certificate = {0}, key = {0};
    bool good = read_file(files->authority, &authority, err) &&
                read_file(files->certificate, &certificate, err) &&
                read_file(files->key, &key, err);

    if (good)
        good = tls_context_of_pem(context, buf_bytes(&authority), buf_bytes(&certificate),
                                  buf_bytes(&key), err) ||
               err_during(err, "reading '%s', '%s' and '%s'", files->authority, files->certificate,
                          files->key);
    buf_fini(&authority);
    buf_fini(&certificate);
    forget(&key);
    return good;
}

bool tls_context_open_server(struct tls_context **context, const struct tls_files *files,
                             struct err *err)
{
    struct buf authority = {0}, certificate = {0}, key = {0};
    struct bytes asked;
    bool good = (!files->authority || read_file(files->authority, &authority, err)) &&
                read_file(files->certificate, &certificate, err) &&
                read_file(files->key, &key, err);

    asked = buf_bytes(&authority);
    if (good)
        good = server_of_pem(context, files->authority ? &asked : NULL, buf_bytes(&certificate),
                             buf_bytes(&key), err) ||
               err_during(err, "reading '%s' and '%s'%s%s%s", files->certificate, files->key,
                          files->authority ? " and '" : "",
                          files->authority ? files->authority : "", files->authority ? "'" : "");
    buf_fini(&authority);
    buf_fini(&certificate);
    forget(&key);
    return good;
}

const char *tls_context_name(const struct tls_context *context)
{
    return context->name;
}

int64_t tls_context_expires(const struct tls_context *context)
{
    return context->expires;
}

/* ---- sessions ---- */

/* Called for each certificate of the other's chain; what is wrong is kept as a sentence. */
static int on_verify(int good, X509_STORE_CTX *look)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(look, SSL_get_ex_data_X509_STORE_CTX_idx());
    char name[TLS_NAME_MAX], whose[TLS_NAME_MAX + 32];
    char *sentence = SSL_get_app_data(ssl);

    if (good || sentence[0])
        return good;
    if (!tls_certificate_name(X509_STORE_CTX_get0_cert(look), name))
        snprintf(name, sizeof name, "?");
    snprintf(whose, sizeof whose, "the certificate of '%s'", name);
    tls_explain_verify(X509_STORE_CTX_get_error(look), X509_STORE_CTX_get_current_cert(look), whose,
                       sentence, TLS_SENTENCE_MAX);
    return 0;
}

SSL *tls_context_session(struct tls_context *context, bool accepts, char *sentence)
{
    SSL *ssl = SSL_new(context->ssl);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

    if (!ssl || !in || !out) {
        SSL_free(ssl);
        BIO_free(in);
        BIO_free(out);
        return NULL;
    }
    SSL_set_bio(ssl, in, out);
    SSL_set_app_data(ssl, sentence);
    SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
    if (accepts)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return ssl;
}

SSL *tls_context_serve(struct tls_context *context)
{
    SSL *ssl = SSL_new(context->ssl);

    if (ssl)
        SSL_set_accept_state(ssl);
    ERR_clear_error();
    return ssl;
}
