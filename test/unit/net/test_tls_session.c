/*
 * The server's end of TLS without a connection, against OpenSSL's own client between two memories.
 */
#include "net/tls_session.h"

#include "net/certificate.h"
#include "net/tls.h"
#include "unit.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { OUT_MAX = 1 << 20 };

static char folder[] = "/tmp/nines-tls-XXXXXX";
static struct certificate authority, server, client, stranger;

struct talk {
    SSL_CTX *context;
    SSL *ssl;
    struct tls_session *session;
    struct buf out, plain; /* to be sent; what was said */
    bool ready, ended, broken;
};

static const char *path(const char *name)
{
    static char texts[4][64];
    static unsigned turn;
    char *text = texts[turn++ % 4];

    snprintf(text, sizeof texts[0], "%s/%s", folder, name);
    return text;
}

static void write_file(const char *name, struct bytes text)
{
    FILE *file = fopen(path(name), "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text.at, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
}

static void make(struct certificate *out, const char *name, int64_t from, int64_t until)
{
    const struct certificate_term term = {time(NULL) + from, time(NULL) + until};
    struct err err;

    assert_true(certificate_make_node(&authority, name, &term, out, &err));
}

static int set_up(void **state)
{
    const struct certificate_term term = {time(NULL) - 100, time(NULL) + 100000};
    struct certificate other = {0};
    struct err err;

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_true(certificate_make_authority("one", &term, &authority, &err));
    assert_true(certificate_make_authority("other", &term, &other, &err));
    make(&server, "server", -100, 1000);
    make(&client, "client", -100, 1000);
    assert_true(certificate_make_node(&other, "client", &term, &stranger, &err));
    write_file("ca.pem", buf_bytes(&authority.certificate));
    write_file("server.pem", buf_bytes(&server.certificate));
    write_file("server.key", buf_bytes(&server.key));
    write_file("client.key", buf_bytes(&client.key));
    write_file("nothing.pem", BYTES("nothing\n"));
    certificate_forget(&other);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"ca.pem",     "server.pem",  "server.key",
                                        "client.key", "nothing.pem", "old.pem"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)unlink(path(names[i]));
    rmdir(folder);
    certificate_forget(&authority);
    certificate_forget(&server);
    certificate_forget(&client);
    certificate_forget(&stranger);
    return 0;
}

static struct tls_context *open_context(bool asks)
{
    const struct tls_files files = {.certificate = path("server.pem"),
                                    .key = path("server.key"),
                                    .authority = asks ? path("ca.pem") : NULL};
    struct tls_context *context;
    struct err err;

    assert_true(tls_context_open_server(&context, &files, &err));
    return context;
}

static void show(struct talk *talk, const struct certificate *shown)
{
    BIO *certificate = BIO_new_mem_buf(shown->certificate.at, (int)shown->certificate.len);
    BIO *key = BIO_new_mem_buf(shown->key.at, (int)shown->key.len);
    X509 *read = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
    EVP_PKEY *read_key = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);

    assert_int_equal(SSL_CTX_use_certificate(talk->context, read), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(talk->context, read_key), 1);
    X509_free(read);
    EVP_PKEY_free(read_key);
    BIO_free(certificate);
    BIO_free(key);
}

static void begin(struct talk *talk, bool asks, const struct certificate *shown)
{
    struct tls_context *context = open_context(asks);

    *talk = (struct talk){.context = SSL_CTX_new(TLS_client_method())};
    assert_int_equal(SSL_CTX_load_verify_file(talk->context, path("ca.pem")), 1);
    SSL_CTX_set_verify(talk->context, SSL_VERIFY_PEER, NULL);
    if (shown)
        show(talk, shown);
    talk->ssl = SSL_new(talk->context);
    SSL_set_bio(talk->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(talk->ssl);
    talk->session = tls_session_accept(context);
    assert_non_null(talk->session);
    tls_context_close(context); /* it keeps what it needs */
    buf_init(&talk->out, OUT_MAX);
    buf_init(&talk->plain, OUT_MAX);
}

static void end(struct talk *talk)
{
    SSL_free(talk->ssl);
    SSL_CTX_free(talk->context);
    tls_session_close(talk->session);
    buf_fini(&talk->out);
    buf_fini(&talk->plain);
}

/* These bytes come. */
static void come(struct talk *talk, struct bytes bytes)
{
    for (;;)
        switch (tls_session_read(talk->session, &bytes, &talk->plain, &talk->out)) {
        case TLS_OUTCOME_READY:
            assert_false(talk->ready);
            talk->ready = true;
            break;
        case TLS_OUTCOME_BYTES:
            assert_true(talk->ready);
            break;
        case TLS_OUTCOME_FAREWELL:
            talk->ended = true;
            return;
        case TLS_OUTCOME_BROKEN:
            talk->broken = true;
            return;
        case TLS_OUTCOME_MORE:
            assert_int_equal(bytes.len, 0);
            return;
        }
}

/* What the client has to say goes over in pieces, and what the server says goes back. */
static void exchange(struct talk *talk, size_t piece)
{
    uint8_t bytes[65536];
    int got;

    while ((got = BIO_read(SSL_get_wbio(talk->ssl), bytes, sizeof bytes)) > 0)
        for (size_t at = 0; at < (size_t)got && !talk->broken && !talk->ended; at += piece)
            come(talk, bytes_take(bytes_of(bytes + at, (size_t)got - at), piece));
    if (talk->out.len > 0)
        assert_int_equal(BIO_write(SSL_get_rbio(talk->ssl), talk->out.at, (int)talk->out.len),
                         talk->out.len);
    buf_clear(&talk->out);
}

static void shake(struct talk *talk, size_t piece)
{
    for (int i = 0; i < 4; i++) {
        (void)SSL_do_handshake(talk->ssl);
        exchange(talk, piece);
    }
}

static void say(struct talk *talk, const char *text)
{
    assert_int_equal(SSL_write(talk->ssl, text, (int)strlen(text)), strlen(text));
}

static const char *answered(struct talk *talk)
{
    static char text[256];
    int got = SSL_read(talk->ssl, text, sizeof text - 1);

    text[got > 0 ? got : 0] = '\0';
    return text;
}

/* ---- the tests ---- */

static void whole_or_byte_by_byte_says_the_same(void **state)
{
    static const size_t pieces[] = {1, 5, 100, 65536};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct talk talk;

        begin(&talk, false, NULL);
        shake(&talk, pieces[i]);
        assert_true(talk.ready);
        assert_true(tls_session_is_ready(talk.session));
        say(&talk, "one");
        say(&talk, "two");
        exchange(&talk, pieces[i]);
        assert_memory_equal(talk.plain.at, "onetwo", 6);
        assert_true(tls_session_write(talk.session, BYTES("three"), &talk.out));
        tls_session_finish(talk.session, &talk.out);
        exchange(&talk, pieces[i]);
        assert_string_equal(answered(&talk), "three");
        assert_string_equal(answered(&talk), "");
        assert_int_equal(SSL_get_shutdown(talk.ssl), SSL_RECEIVED_SHUTDOWN);
        assert_false(talk.broken);
        end(&talk);
    }
}

static void a_client_shows_a_certificate_of_the_authority_or_is_refused(void **state)
{
    const struct {
        const struct certificate *shown;
        bool asks, ready;
    } rows[] = {{NULL, false, true},
                {&stranger, false, true},
                {NULL, true, false},
                {&client, true, true},
                {&stranger, true, false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct talk talk;

        begin(&talk, rows[i].asks, rows[i].shown);
        shake(&talk, 65536);
        assert_int_equal(talk.ready, rows[i].ready);
        assert_int_equal(talk.broken, !rows[i].ready);
        end(&talk);
    }
}

static void a_farewell_is_told_and_garbage_breaks_it(void **state)
{
    struct talk talk;

    (void)state;
    begin(&talk, false, NULL);
    shake(&talk, 65536);
    assert_int_equal(SSL_shutdown(talk.ssl), 0);
    exchange(&talk, 65536);
    assert_true(talk.ended);
    assert_false(talk.broken);
    end(&talk);

    begin(&talk, false, NULL);
    shake(&talk, 65536);
    come(&talk, BYTES("\x17\x03\x03\x00\x20 this is not what we had agreed on"));
    assert_true(talk.broken);
    assert_true(talk.out.len > 0); /* an alert */
    assert_false(tls_session_write(talk.session, BYTES("more"), &talk.out));
    end(&talk);

    begin(&talk, false, NULL);
    come(&talk, BYTES("ping\r\n"));
    assert_true(talk.broken);
    end(&talk);
}

/* One message that goes on and on: each of its records is allowed by itself. */
static void who_is_not_ready_may_not_say_much(void **state)
{
    struct talk talk;
    size_t sent = 0;
    uint8_t record[5 + 4] = {0x16, 3, 1, 0, 4, 1, 0, 0xff, 0xff}; /* a hello of 65535 bytes */
    uint8_t rest[5 + 1000] = {0x16, 3, 1, 1000 >> 8, 1000 & 0xff};

    (void)state;
    begin(&talk, false, NULL);
    come(&talk, bytes_of(record, sizeof record));
    for (; !talk.broken && sent < 2 * TLS_SESSION_BEFORE_READY_MAX; sent += sizeof rest)
        come(&talk, bytes_of(rest, sizeof rest));
    assert_true(talk.broken);
    assert_in_range(sent, TLS_SESSION_BEFORE_READY_MAX - 2000,
                    TLS_SESSION_BEFORE_READY_MAX + sizeof rest);
    end(&talk);
}

static void what_does_not_fit_ends_it(void **state)
{
    uint8_t storage[100], text[200] = {0};
    struct buf small;
    struct talk talk;

    (void)state;
    begin(&talk, false, NULL);
    shake(&talk, 65536);
    buf_over(&small, storage, sizeof storage);
    assert_false(tls_session_write(talk.session, bytes_of(text, sizeof text), &small));
    assert_false(tls_session_write(talk.session, BYTES("x"), &talk.out));
    end(&talk);
}

static void files_that_are_no_good_are_named(void **state)
{
    static const struct {
        const char *certificate, *key, *authority, *sentence;
    } rows[] = {
        {"missing.pem", "server.key", NULL, "missing.pem'"},
        {"nothing.pem", "server.key", NULL, "the certificate's file holds no certificate in PEM"},
        {"server.pem", "nothing.pem", NULL,
         "the key's file holds no private key in PEM without a password"},
        {"server.pem", "client.key", NULL, "the private key is not that of the certificate"},
        {"server.pem", "server.key", "nothing.pem",
         "the authority's file holds no certificate in PEM"},
        {"server.pem", "server.key", "server.pem",
         "the authority's certificate is not that of an authority"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct tls_files files = {.certificate = path(rows[i].certificate),
                                        .key = path(rows[i].key),
                                        .authority =
                                            rows[i].authority ? path(rows[i].authority) : NULL};
        struct tls_context *context;
        struct err err;

        assert_false(tls_context_open_server(&context, &files, &err));
        assert_non_null(strstr(err.text, rows[i].sentence));
        assert_non_null(strstr(err.text, folder));
    }
}

static void an_old_certificate_is_taken_and_says_that_it_is_old(void **state)
{
    const struct tls_files files = {.certificate = path("old.pem"), .key = path("client.key")};
    struct certificate old = {0};
    struct tls_context *context;
    struct err err;

    (void)state;
    make(&old, "old", -1000, -10);
    write_file("old.pem", buf_bytes(&old.certificate));
    write_file("client.key", buf_bytes(&old.key));
    certificate_forget(&old);
    assert_true(tls_context_open_server(&context, &files, &err));
    assert_true(tls_context_expires(context) < time(NULL));
    tls_context_close(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_or_byte_by_byte_says_the_same),
        cmocka_unit_test(a_client_shows_a_certificate_of_the_authority_or_is_refused),
        cmocka_unit_test(a_farewell_is_told_and_garbage_breaks_it),
        cmocka_unit_test(who_is_not_ready_may_not_say_much),
        cmocka_unit_test(what_does_not_fit_ends_it),
        cmocka_unit_test(files_that_are_no_good_are_named),
        cmocka_unit_test(an_old_certificate_is_taken_and_says_that_it_is_old),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
