#include "net/certificate.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SERIAL_BYTES = 16 };

static bool failed(struct err *err, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    (void)err_set(err, ERR_SYSTEM, "%s: %s", what, reason ? reason : "OpenSSL gives no reason");
    ERR_clear_error();
    return false;
}

/* ---- PEM ---- */

static bool take_text(BIO *bio, struct buf *out)
{
    char *at = NULL;
    long len = BIO_get_mem_data(bio, &at);

    buf_init(out, CERTIFICATE_TEXT_MAX);
    buf_add(out, bytes_of(at, (size_t)len));
    return len > 0 && !out->full;
}

static bool write_certificate(X509 *certificate, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio && PEM_write_bio_X509(bio, certificate) == 1 && take_text(bio, out);

    BIO_free(bio);
    return good;
}

static bool write_key(EVP_PKEY *key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    bool good = bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
                take_text(bio, out);

    BIO_free(bio);
    return good;
}

static int no_password(char *password, int cap, int writing, void *context)
{
    (void)password;
    (void)cap;
    (void)writing;
    (void)context;
    return -1;
}

static X509 *parse_certificate(struct bytes pem)
{
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;

    BIO_free(bio);
    return certificate;
}

static EVP_PKEY *parse_key(struct bytes pem)
{
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

    BIO_free(bio);
    return key;
}

/* ---- making ---- */

static bool set_serial(X509 *certificate)
{
    uint8_t bytes[SERIAL_BYTES];
    BIGNUM *number;
    bool good;

    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] &= 0x7f; /* a serial is positive */
    bytes[0] |= 0x40; /* and not zero */
    number = BN_bin2bn(bytes, sizeof bytes, NULL);
    good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return good;
}

static bool set_name(X509_NAME *name, int kind, const char *text)
{
    return X509_NAME_add_entry_by_NID(name, kind, MBSTRING_UTF8, (const unsigned char *)text, -1,
                                      -1, 0) == 1;
}

/* A cluster may bear the name of one of its nodes: an issuer's name must not be that of what it signs. */
static bool set_subject(X509 *certificate, const char *name, bool authority)
{
    X509_NAME *subject = X509_get_subject_name(certificate);

    if (authority && !set_name(subject, NID_organizationName, "nines cluster authority"))
        return false;
    return set_name(subject, NID_commonName, name);
}

static bool set_term(X509 *certificate, const struct certificate_term *term)
{
    return ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)term->from) &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)term->until);
}

static bool add_extension(X509 *certificate, X509 *issuer, int kind, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX context;
    bool good;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    good = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

struct extension {
    int kind;
    const char *value;
};

static const struct extension of_authority[] = {
    {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
    {NID_key_usage, "critical,keyCertSign,cRLSign"},
    {NID_subject_key_identifier, "hash"},
    {0},
};

static const struct extension of_node[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},   {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "serverAuth,clientAuth"},   {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"}, {0},
};

/* Into the subject's alternative names as it is: a name with a comma would otherwise be read as two. */
static bool add_dns_name(X509 *certificate, const char *name)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *one = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    bool good = names && one && text && ASN1_STRING_set(text, name, -1) == 1;

    if (good) {
        GENERAL_NAME_set0_value(one, GEN_DNS, text);
        text = NULL;
        good = sk_GENERAL_NAME_push(names, one) > 0;
        if (good)
            one = NULL;
        good = good && X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1;
    }
    ASN1_IA5STRING_free(text);
    GENERAL_NAME_free(one);
    GENERAL_NAMES_free(names);
    return good;
}

/* `issuer` NULL: signed by itself, an authority. */
static bool fill(X509 *certificate, const char *name, const struct certificate_term *term,
                 EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
    const struct extension *row = issuer ? of_node : of_authority;
    X509 *by = issuer ? issuer : certificate;

    if (X509_set_version(certificate, X509_VERSION_3) != 1 || !set_serial(certificate) ||
        !set_term(certificate, term) || !set_subject(certificate, name, !issuer) ||
        X509_set_issuer_name(certificate, X509_get_subject_name(by)) != 1 ||
        X509_set_pubkey(certificate, key) != 1)
        return false;
    for (; row->kind; row++)
        if (!add_extension(certificate, by, row->kind, row->value))
            return false;
    if (issuer && !add_dns_name(certificate, name))
        return false;
    return X509_sign(certificate, issuer_key, EVP_sha256()) > 0;
}

static bool make(const char *name, const struct certificate_term *term, X509 *issuer,
                 EVP_PKEY *issuer_key, struct certificate *out, struct err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    bool good = key && certificate &&
                fill(certificate, name, term, key, issuer, issuer ? issuer_key : key) &&
                write_certificate(certificate, &out->certificate) && write_key(key, &out->key);

    EVP_PKEY_free(key);
    X509_free(certificate);
    if (good)
        return true;
    certificate_forget(out);
    (void)failed(err, "make a certificate");
    return err_during(err, "'%s'", name);
}

static bool check_name(const char *name, struct err *err)
{
    size_t len = strlen(name);

    if (len == 0 || len > CERTIFICATE_NAME_MAX)
        return err_set(err, ERR_CONFIG, "'%s': a name in a certificate has 1 to %d bytes", name,
                       CERTIFICATE_NAME_MAX);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
            return err_set(err, ERR_CONFIG, "a name in a certificate has no control characters");
    return true;
}

bool certificate_make_authority(const char *cluster, const struct certificate_term *term,
                                struct certificate *out, struct err *err)
{
    return check_name(cluster, err) && make(cluster, term, NULL, NULL, out, err);
}

bool certificate_make_node(const struct certificate *authority, const char *node,
                           const struct certificate_term *term, struct certificate *out,
                           struct err *err)
{
    X509 *issuer = parse_certificate(buf_bytes(&authority->certificate));
    EVP_PKEY *key = parse_key(buf_bytes(&authority->key));
    bool good = false;

    if (!issuer || X509_check_ca(issuer) <= 0)
        (void)err_set(err, ERR_CONFIG, "the authority's certificate is none of an authority");
    else if (!key || X509_check_private_key(issuer, key) != 1)
        (void)err_set(err, ERR_CONFIG, "the authority's key is not that of its certificate");
    else
        good = check_name(node, err) && make(node, term, issuer, key, out, err);
    X509_free(issuer);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good;
}

void certificate_forget(struct certificate *certificate)
{
    if (certificate->key.at)
        OPENSSL_cleanse(certificate->key.at, certificate->key.cap);
    buf_fini(&certificate->key);
    buf_fini(&certificate->certificate);
}

/* ---- reading ---- */

static void read_name(X509_NAME *name, char text[CERTIFICATE_NAME_MAX + 1])
{
    if (X509_NAME_get_text_by_NID(name, NID_commonName, text, CERTIFICATE_NAME_MAX + 1) < 0)
        text[0] = '\0';
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
}

static int64_t seconds(const ASN1_TIME *at)
{
    struct tm tm;

    return ASN1_TIME_to_tm(at, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

bool certificate_read(struct bytes pem, struct certificate_view *view, struct err *err)
{
    X509 *certificate = parse_certificate(pem);
    const ASN1_INTEGER *serial;

    ERR_clear_error();
    if (!certificate)
        return err_set(err, ERR_CONFIG, "there is no certificate in PEM");
    *view = (struct certificate_view){.authority = X509_check_ca(certificate) > 0};
    read_name(X509_get_subject_name(certificate), view->subject);
    read_name(X509_get_issuer_name(certificate), view->issuer);
    view->term.from = seconds(X509_get0_notBefore(certificate));
    view->term.until = seconds(X509_get0_notAfter(certificate));
    serial = X509_get0_serialNumber(certificate);
    for (int i = 0; i < ASN1_STRING_length(serial) && i * 2 + 2 < (int)sizeof view->serial; i++)
        snprintf(view->serial + (size_t)i * 2, 3, "%02x", ASN1_STRING_get0_data(serial)[i]);
    X509_free(certificate);
    return true;
}
