/*
 * Everybody who should not be let in, or who breaks the rules after: turned away with a sentence, without an answer where nothing was
 * proved, and without harm to the links of others.
 */
#include "peer/frame.h"
#include "peer/hello.h"
#include "peer/nodes.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

/* One who speaks TLS but not our way. */
struct rogue {
    struct tls tls;
    struct world *world;
    bool ready, ended, closed;
    int failed;
    uint64_t sent;
    char sentence[TLS_SENTENCE_MAX];
    uint8_t got[4096];
    size_t got_len;
};

static struct rogue *rogue_of(struct tls *tls)
{
    return container_of(tls, struct rogue, tls);
}

static void rogue_ready(struct tls *tls)
{
    rogue_of(tls)->ready = true;
}

static void rogue_received(struct tls *tls, struct bytes bytes)
{
    struct rogue *rogue = rogue_of(tls);

    bytes = bytes_take(bytes, sizeof rogue->got - rogue->got_len);
    memcpy(rogue->got + rogue->got_len, bytes.at, bytes.len);
    rogue->got_len += bytes.len;
}

static void rogue_ended(struct tls *tls, bool cut)
{
    (void)cut;
    rogue_of(tls)->ended = true;
}

static void rogue_failed(struct tls *tls, int error, const char *sentence)
{
    rogue_of(tls)->failed = error ? error : -1;
    snprintf(rogue_of(tls)->sentence, TLS_SENTENCE_MAX, "%s", sentence);
}

static void rogue_closed(struct tls *tls)
{
    rogue_of(tls)->closed = true;
}

static const struct tls_events rogue_events = {
    .ready = rogue_ready,
    .received = rogue_received,
    .ended = rogue_ended,
    .failed = rogue_failed,
    .closed = rogue_closed,
};

static void rogue_call(struct rogue *rogue, const struct node *node, struct tls_context *context)
{
    struct address to = loopback(node->port);
    struct err err = {0};

    *rogue = (struct rogue){.world = node->world};
    if (!tls_connect(node->world->loop, &rogue->tls, &to, context, &rogue_events, &err))
        fail_msg("%s", err.text);
}

static void rogue_close(struct rogue *rogue)
{
    tls_close(&rogue->tls, false);
    TURN_UNTIL(rogue->world, rogue->closed);
}

static void rogue_frame(struct rogue *rogue, uint16_t type, uint64_t sequence, struct bytes body)
{
    uint8_t header[FRAME_HEADER];

    frame_write_header(header, type, sequence, body);
    assert_true(tls_send(&rogue->tls, bytes_of(header, sizeof header)));
    assert_true(tls_send(&rogue->tls, body));
}

static struct hello hello_from(const char *node)
{
    struct hello hello = {.low = 1, .high = 2};

    snprintf(hello.cluster, sizeof hello.cluster, "shop");
    snprintf(hello.node, sizeof hello.node, "%s", node);
    snprintf(hello.to, sizeof hello.to, "b");
    return hello;
}

static void rogue_hello(struct rogue *rogue, const struct hello *hello)
{
    uint8_t text[HELLO_BYTES_MAX];
    struct buf out;

    buf_over(&out, text, sizeof text);
    hello_write(&out, hello);
    rogue_frame(rogue, PEER_TYPES_MAX, rogue->sent++, buf_bytes(&out));
}

/* Node b, which waits for a; and the authority. */
struct scene {
    struct certificate authority;
    struct node b;
    struct rogue rogue;
};

static void scene_open(struct scene *scene, struct world *world)
{
    reopen(world, NODE_CHUNKS, 0);
    scene->authority = make_authority("shop");
    node_open(&scene->b, world, "b", make_context(&scene->authority, "b"));
    node_knows_at(&scene->b, "a", 1);
}

static void scene_close(struct scene *scene)
{
    node_close(&scene->b);
    certificate_forget(&scene->authority);
}

/* As far as a good hello: now it is a's link. */
static void rogue_is_a(struct scene *scene, struct tls_context *context)
{
    struct hello hello = hello_from("a");

    rogue_call(&scene->rogue, &scene->b, context);
    TURN_UNTIL(scene->b.world, scene->rogue.ready);
    rogue_hello(&scene->rogue, &hello);
    TURN_UNTIL(scene->b.world, node_is_up(&scene->b));
}

/* ---- certificates ---- */

/* a and b with these contexts: neither comes up, and each says this. */
static void both_say(struct world *world, struct tls_context *a, struct tls_context *b,
                     const char *a_says, const char *b_says)
{
    struct pair pair = {0};

    reopen(world, NODE_CHUNKS, 0);
    node_open(&pair.a, world, "a", a);
    node_open(&pair.b, world, "b", b);
    node_knows(&pair.b, &pair.a);
    node_knows(&pair.a, &pair.b);
    TURN_UNTIL(world, told(&pair.a, a_says) && told(&pair.b, b_says));
    assert_false(told(&pair.a, "up ") || told(&pair.b, "up "));
    node_close(&pair.a);
    node_close(&pair.b);
}

static void refuses_a_foreign_certificate(void **state)
{
    struct world *world = world_of(state);
    struct certificate ours = make_authority("shop"), theirs = make_authority("shop");

    both_say(world, make_context(&theirs, "a"), make_context(&ours, "b"),
             "the certificate of 'b' is not from this cluster's authority\n",
             ": it refuses our certificate: not from its authority\n");
    certificate_forget(&ours);
    certificate_forget(&theirs);
}

static void a_context_that_is_no_good_is_not_made(void **state)
{
    struct certificate authority = make_authority("shop"), other = make_authority("shop");
    struct certificate old = make_certificate(&authority, "a", -20, -10);
    struct certificate early = make_certificate(&authority, "a", 10, 20);
    struct certificate good = make_certificate(&authority, "a", -1, 20);
    struct certificate mixed = good;
    struct tls_context *context = NULL;
    struct err err = {0};

    (void)state;
    assert_false(context_of(&context, &authority, &old, &err));
    assert_non_null(strstr(err.text, "the certificate expired on "));
    assert_false(context_of(&context, &authority, &early, &err));
    assert_non_null(strstr(err.text, "the certificate is not valid before "));
    assert_false(context_of(&context, &other, &good, &err));
    assert_string_equal(err.text, "the certificate is not from this cluster's authority");
    mixed.key = early.key;
    assert_false(context_of(&context, &authority, &mixed, &err));
    assert_string_equal(err.text, "the private key is not that of the certificate");
    mixed.key = good.certificate;
    assert_false(context_of(&context, &authority, &mixed, &err));
    assert_string_equal(err.text, "the key's file holds no private key in PEM without a password");
    mixed = good;
    mixed.certificate = good.key;
    assert_false(context_of(&context, &authority, &mixed, &err));
    assert_string_equal(err.text, "the certificate's file holds no certificate in PEM");
    assert_false(context_of(&context, &good, &good, &err));
    assert_string_equal(err.text, "the authority's certificate is not that of an authority");
    assert_null(context);
    assert_false(tls_context_open(
        &context, &(struct tls_files){"/nowhere/ca.pem", "/nowhere/a.pem", "/nowhere/a.key"},
        &err));
    assert_string_equal(err.text, "open '/nowhere/ca.pem': No such file or directory");
    certificate_forget(&authority);
    certificate_forget(&other);
    certificate_forget(&old);
    certificate_forget(&early);
    certificate_forget(&good);
}

static void refuses_a_name_that_the_certificate_does_not_bear(void **state)
{
    struct world *world = world_of(state);
    struct hello hello = hello_from("a");
    struct scene scene = {0};
    struct tls_context *thief;

    scene_open(&scene, world);
    thief = make_context(&scene.authority, "c");
    rogue_call(&scene.rogue, &scene.b, thief);
    TURN_UNTIL(world, scene.rogue.ready);
    rogue_hello(&scene.rogue, &hello);
    TURN_UNTIL(world, told(&scene.b, ": calls itself 'a' with the certificate of 'c'\n"));
    TURN_UNTIL(world, scene.rogue.ended);
    rogue_close(&scene.rogue);
    tls_context_close(thief);
    scene_close(&scene);
}

static void does_not_talk_to_another_node_at_the_address_it_calls(void **state)
{
    struct world *world = world_of(state);
    struct scene scene = {0};
    struct node a;

    scene_open(&scene, world);
    node_open(&a, world, "a", make_context(&scene.authority, "a"));
    node_knows_at(&a, "c", scene.b.port);
    TURN_UNTIL(world, told(&a, "the certificate there is that of 'b', not of 'c'\n"));
    node_close(&a);
    scene_close(&scene);
}

/* A client that is not ours: OpenSSL over a plain socket, with or without a certificate. */
struct client {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

static void client_call(struct client *client, const struct node *node,
                        const struct certificate *own, int version)
{
    client->context = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_set_max_proto_version(client->context, version), 1);
    if (own) {
        BIO *text = BIO_new_mem_buf(own->certificate.at, (int)own->certificate.len);
        BIO *key_text = BIO_new_mem_buf(own->key.at, (int)own->key.len);
        X509 *certificate = PEM_read_bio_X509(text, NULL, NULL, NULL);
        EVP_PKEY *key = PEM_read_bio_PrivateKey(key_text, NULL, NULL, NULL);

        assert_int_equal(SSL_CTX_use_certificate(client->context, certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(client->context, key), 1);
        X509_free(certificate);
        EVP_PKEY_free(key);
        BIO_free(text);
        BIO_free(key_text);
    }
    client->fd = dial(node->port);
    no_block(client->fd);
    client->ssl = SSL_new(client->context);
    assert_int_equal(SSL_set_fd(client->ssl, client->fd), 1);
    SSL_set_connect_state(client->ssl);
}

/* Speaks as soon as it may, and reads. False: it was shut out. */
static bool client_step(struct client *client, bool *said, size_t *answered)
{
    static const char text[] = "is anybody there?";
    uint8_t got[512];
    int done;

    ERR_clear_error();
    done = SSL_do_handshake(client->ssl);
    if (done == 1 && !*said)
        *said = SSL_write(client->ssl, text, sizeof text) > 0;
    if (done == 1)
        done = SSL_read(client->ssl, got, sizeof got);
    if (done > 0)
        *answered += (size_t)done;
    return done > 0 || SSL_get_error(client->ssl, done) == SSL_ERROR_WANT_READ;
}

/* How many bytes it was answered before it was shut out. */
static size_t client_talk(struct client *client, struct world *world)
{
    size_t answered = 0;
    bool said = false;

    TURN_UNTIL(world, !client_step(client, &said, &answered));
    return answered;
}

static void client_close(struct client *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    close(client->fd);
}

static void refuses_who_proves_nothing(void **state)
{
    struct world *world = world_of(state);
    static const struct {
        bool certificate;
        int from, until, version;
        const char *sentence;
    } cases[] = {
        {false, 0, 0, TLS1_3_VERSION, ": showed no certificate\n"},
        {true, -20, -10, TLS1_3_VERSION, ": the certificate of 'a' expired on "},
        {true, 10, 20, TLS1_3_VERSION, ": the certificate of 'a' is not valid before "},
        {true, -1, 20, TLS1_2_VERSION, ": does not speak TLS 1.3\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scene scene = {0};
        struct certificate own = {0};
        struct client client;

        scene_open(&scene, world);
        own = make_certificate(&scene.authority, "a", cases[i].from, cases[i].until + 1);
        client_call(&client, &scene.b, cases[i].certificate ? &own : NULL, cases[i].version);
        assert_int_equal(client_talk(&client, world), 0);
        TURN_UNTIL(world, told(&scene.b, cases[i].sentence));
        assert_false(told(&scene.b, "up "));
        client_close(&client);
        certificate_forget(&own);
        scene_close(&scene);
    }
}

/* ---- hellos ---- */

static void refuses_what_is_not_meant_for_it(void **state)
{
    struct world *world = world_of(state);
    static const struct {
        const char *cluster, *node, *to;
        uint16_t low, high;
        const char *sentence;
    } cases[] = {
        {"bank", "a", "b", 1, 2, "node 'a' is of cluster 'bank', node 'b' of 'shop'"},
        {"shop", "a", "c", 1, 2, "node 'a' looks for node 'c', and this is 'b'"},
        {"shop", "a", "b", 3, 4,
         "node 'a' speaks protocol versions 3 to 4, node 'b' 1 to 2: none in common"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scene scene = {0};
        struct hello hello = hello_from(cases[i].node);
        struct tls_context *context;
        const char *why;
        struct frame frame;
        size_t used;

        scene_open(&scene, world);
        context = make_context(&scene.authority, "a");
        snprintf(hello.cluster, sizeof hello.cluster, "%s", cases[i].cluster);
        snprintf(hello.to, sizeof hello.to, "%s", cases[i].to);
        hello.low = cases[i].low;
        hello.high = cases[i].high;
        rogue_call(&scene.rogue, &scene.b, context);
        TURN_UNTIL(world, scene.rogue.ready);
        rogue_hello(&scene.rogue, &hello);
        TURN_UNTIL(world, scene.rogue.ended);
        assert_true(told(&scene.b, cases[i].sentence));
        /* The other end gets the same sentence, and no hello. */
        assert_int_equal(frame_read(bytes_of(scene.rogue.got, scene.rogue.got_len), 0,
                                    PEER_SENTENCE_MAX, &frame, &used, &why),
                         FRAME_DONE);
        assert_int_equal(frame.type, PEER_TYPES_MAX + 1);
        assert_true(bytes_equal(frame.body, bytes_of_string(cases[i].sentence)));
        assert_int_equal(used, scene.rogue.got_len);
        rogue_close(&scene.rogue);
        tls_context_close(context);
        scene_close(&scene);
    }
}

static void both_ends_say_why_they_do_not_work_together(void **state)
{
    struct world *world = world_of(state);
    struct certificate authority = make_authority("shop");
    struct peers_options options;
    struct node a, b;

    reopen(world, NODE_CHUNKS, 0);
    node_name(&a, world, "a", make_context(&authority, "a"));
    options = node_options(&a);
    options.version_low = 3;
    options.version_high = 4;
    node_open_with(&a, &options);
    node_open(&b, world, "b", make_context(&authority, "b"));
    node_knows(&b, &a);
    node_knows(&a, &b);
    TURN_UNTIL(world, told(&a, "it refuses us: node 'a' speaks protocol versions 3 to 4, node 'b' "
                               "1 to 2: none in common\n"));
    assert_true(told(&b, "node 'a' speaks protocol versions 3 to 4, node 'b' 1 to 2"));
    assert_true(strstr(peers_link(a.peers, 0).sentence, "none in common") != NULL);
    node_close(&a);
    node_close(&b);
    certificate_forget(&authority);
}

static void versions_that_overlap_work_together_at_the_lower(void **state)
{
    struct world *world = world_of(state);
    struct certificate authority = make_authority("shop");
    struct peers_options options;
    struct node a, b;

    reopen(world, NODE_CHUNKS, 0);
    node_name(&a, world, "a", make_context(&authority, "a"));
    options = node_options(&a);
    options.version_low = 2;
    options.version_high = 3;
    node_open_with(&a, &options);
    node_open(&b, world, "b", make_context(&authority, "b"));
    node_knows(&b, &a);
    node_knows(&a, &b);
    TURN_UNTIL(world, node_is_up(&a) && node_is_up(&b));
    assert_string_equal(a.story, "up b v2 'b'\n");
    assert_string_equal(b.story, "up a v2 'a'\n");
    node_close(&a);
    node_close(&b);
    certificate_forget(&authority);
}

static void learn_where_it_is(struct node *node, const char *name)
{
    const struct peer_place place = {.name = name};

    peers_configure(node->peers, &place, 1);
}

static void an_unknown_node_is_refused_or_learned(void **state)
{
    struct world *world = world_of(state);
    struct scene scene = {0};
    struct node a;

    scene_open(&scene, world);
    peers_configure(scene.b.peers, NULL, 0);
    node_open(&a, world, "a", make_context(&scene.authority, "a"));
    node_knows(&a, &scene.b);
    TURN_UNTIL(world, told(&a, "it refuses us: node 'a' is no member of cluster 'shop'\n"));
    assert_true(told(&scene.b, "unknown a\n"));
    assert_false(told(&scene.b, "up a"));
    scene.b.on_unknown = learn_where_it_is;
    TURN_UNTIL(world, node_is_up(&a));
    assert_true(told(&scene.b, "up a v2 'a'\n"));
    node_close(&a);
    scene_close(&scene);
}

static void a_node_with_the_larger_name_has_to_wait(void **state)
{
    struct world *world = world_of(state);
    struct hello hello = hello_from("c");
    struct scene scene = {0};
    struct tls_context *context;

    scene_open(&scene, world);
    context = make_context(&scene.authority, "c");
    rogue_call(&scene.rogue, &scene.b, context);
    TURN_UNTIL(world, scene.rogue.ready);
    rogue_hello(&scene.rogue, &hello);
    TURN_UNTIL(world, told(&scene.b, "node 'c' has to wait until node 'b' calls it\n"));
    rogue_close(&scene.rogue);
    tls_context_close(context);
    scene_close(&scene);
}

/* ---- bytes ---- */

/* What comes back on a plain socket until the other end closes. */
static size_t answer(struct world *world, int fd, uint8_t *text, size_t cap)
{
    size_t len = 0;
    ssize_t got = -1;

    no_block(fd);
    TURN_UNTIL(world, (got = recv(fd, text + len, cap - len, 0)) == 0 ||
                          (got < 0 && errno == ECONNRESET) ||
                          (got > 0 && (len += (size_t)got) == SIZE_MAX));
    return len;
}

static void noise_gets_no_answer(void **state)
{
    struct world *world = world_of(state);
    static const char *const noise[] = {
        "GET / HTTP/1.1\r\nHost: b\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2p1\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and then nothing that is a greeting at all",
        "n9f1\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01",
    };

    for (size_t i = 0; i < ARRAY_LEN(noise); i++) {
        struct scene scene = {0};
        uint8_t text[512];
        int fd;

        scene_open(&scene, world);
        fd = dial(scene.b.port);
        put(fd, noise[i]);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        assert_int_equal(answer(world, fd, text, sizeof text), 0);
        assert_true(told(&scene.b, "stranger 127.0.0.1: "));
        close(fd);
        scene_close(&scene);
    }
}

static void who_says_nothing_is_not_spoken_of(void **state)
{
    struct world *world = world_of(state);
    struct scene scene = {0};
    uint8_t text[16];
    int fd;

    scene_open(&scene, world);
    fd = dial(scene.b.port);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_int_equal(answer(world, fd, text, sizeof text), 0);
    assert_string_equal(scene.b.story, "");
    close(fd);
    scene_close(&scene);
}

static void closes_on_who_does_not_finish_in_time(void **state)
{
    struct world *world = world_of(state);
    struct scene scene = {0};
    struct peers_options options;
    uint8_t text[16];
    int fd;

    scene_open(&scene, world);
    node_crash(&scene.b);
    options = node_options(&scene.b);
    options.handshake_ms = 20;
    node_open_with(&scene.b, &options);
    fd = dial(scene.b.port);
    put(fd, "\x16\x03");
    assert_int_equal(answer(world, fd, text, sizeof text), 0);
    assert_true(told(&scene.b, ": did not prove in time who it is\n"));
    close(fd);
    scene_close(&scene);
}

static void lets_few_be_there_unproved(void **state)
{
    struct world *world = world_of(state);
    int fds[PEER_UNAUTHENTICATED_MAX + 8];
    struct scene scene = {0};
    struct node a;
    unsigned closed = 0;
    char byte;

    /* One peer's address is this one: it may use the places that are kept for peers. */
    scene_open(&scene, world);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = dial(scene.b.port);
        no_block(fds[i]);
    }
    TURN_UNTIL(world, told(&scene.b, ": 64 connections that have proved nothing are open "
                                     "already\n"));
    settle(world);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (recv(fds[i], &byte, 1, 0) == 0)
            closed++;
    assert_int_equal(closed, 8);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    node_open(&a, world, "a", make_context(&scene.authority, "a"));
    node_knows(&a, &scene.b);
    TURN_UNTIL(world, node_is_up(&a));
    node_close(&a);
    scene_close(&scene);
}

/* After a good hello. */
static void says_of_a_link(void **state, void (*act)(struct rogue *rogue), const char *sentence)
{
    struct world *world = world_of(state);
    struct scene scene = {0};
    struct tls_context *context;

    scene_open(&scene, world);
    context = make_context(&scene.authority, "a");
    rogue_is_a(&scene, context);
    act(&scene.rogue);
    TURN_UNTIL(world, !node_is_up(&scene.b));
    if (!told(&scene.b, sentence))
        fail_msg("'%s' is not in: %s", sentence, scene.b.story);
    rogue_close(&scene.rogue);
    tls_context_close(context);
    scene_close(&scene);
}

static void send_noise(struct rogue *rogue)
{
    assert_true(tls_send(&rogue->tls, BYTES("noise")));
}

static void send_long(struct rogue *rogue)
{
    uint8_t header[FRAME_HEADER];

    frame_write_header(header, 7, rogue->sent++, BYTES(""));
    header[4] = header[5] = header[6] = 0xff;
    assert_true(tls_send(&rogue->tls, bytes_of(header, sizeof header)));
}

static void send_twice(struct rogue *rogue)
{
    rogue_frame(rogue, 7, rogue->sent, BYTES("once"));
    rogue_frame(rogue, 7, rogue->sent, BYTES("once"));
}

static void send_later(struct rogue *rogue)
{
    rogue_frame(rogue, 7, rogue->sent + 1, BYTES("the second"));
}

static void send_changed(struct rogue *rogue)
{
    uint8_t header[FRAME_HEADER];

    frame_write_header(header, 7, rogue->sent++, BYTES("true"));
    assert_true(tls_send(&rogue->tls, bytes_of(header, sizeof header)));
    assert_true(tls_send(&rogue->tls, BYTES("trve")));
}

static void send_half(struct rogue *rogue)
{
    uint8_t header[FRAME_HEADER];

    frame_write_header(header, 7, rogue->sent++, BYTES("a whole body"));
    assert_true(tls_send(&rogue->tls, bytes_of(header, sizeof header)));
    assert_true(tls_send(&rogue->tls, BYTES("a wh")));
    tls_finish(&rogue->tls);
}

static void send_hello_again(struct rogue *rogue)
{
    struct hello hello = hello_from("a");

    rogue_hello(rogue, &hello);
}

static void send_answer_unasked(struct rogue *rogue)
{
    rogue_frame(rogue, PEER_TYPES_MAX + 4, rogue->sent++,
                BYTES("\xff\xff\xff\xff\xff\xff\xff\x7f"));
}

static void send_last_seen_unasked(struct rogue *rogue)
{
    rogue_frame(rogue, PEER_TYPES_MAX + 6, rogue->sent++, BYTES(""));
}

static void send_after_last(struct rogue *rogue)
{
    rogue_frame(rogue, PEER_TYPES_MAX + 5, rogue->sent++, BYTES(""));
    rogue_frame(rogue, 7, rogue->sent++, BYTES("more"));
}

static void breaks_with_who_breaks_the_rules(void **state)
{
    says_of_a_link(state, send_noise, "down a broken: bytes that are no frame\n");
    says_of_a_link(state, send_long, "down a broken: a frame that is longer than is allowed\n");
    says_of_a_link(state, send_twice, "down a broken: a frame that came before comes again\n");
    says_of_a_link(state, send_later, "down a broken: a frame is missing before one that came\n");
    says_of_a_link(state, send_changed, "down a broken: a frame whose checksum is wrong\n");
    says_of_a_link(state, send_hello_again, "down a broken: a frame of an unknown type\n");
    says_of_a_link(state, send_answer_unasked,
                   "down a broken: an answer to a ping that was never sent\n");
    says_of_a_link(state, send_last_seen_unasked,
                   "down a broken: an answer to a last frame that was never sent\n");
    says_of_a_link(state, send_after_last, "down a broken: a frame after the last\n");
}

static void half_a_frame_and_an_end_is_a_cut(void **state)
{
    says_of_a_link(state, send_half,
                   "down a cut: its kernel ended the connection, and its process had not said "
                   "goodbye\n");
}

static void a_frame_before_the_hello_is_turned_away(void **state)
{
    struct world *world = world_of(state);
    struct scene scene = {0};
    struct tls_context *context;

    scene_open(&scene, world);
    context = make_context(&scene.authority, "a");
    rogue_call(&scene.rogue, &scene.b, context);
    TURN_UNTIL(world, scene.rogue.ready);
    rogue_frame(&scene.rogue, 7, 0, BYTES("let me in"));
    TURN_UNTIL(world, told(&scene.b, ": a frame before the hello\n"));
    TURN_UNTIL(world, scene.rogue.ended || scene.rogue.failed);
    assert_int_equal(scene.rogue.got_len, 0);
    rogue_close(&scene.rogue);
    tls_context_close(context);
    scene_close(&scene);
}

static void a_newer_connection_of_a_node_that_began_again_counts(void **state)
{
    struct world *world = world_of(state);
    struct hello hello = hello_from("a");
    struct scene scene = {0};
    struct tls_context *context;
    struct rogue again;

    scene_open(&scene, world);
    context = make_context(&scene.authority, "a");
    rogue_is_a(&scene, context);
    rogue_call(&again, &scene.b, context);
    TURN_UNTIL(world, again.ready);
    rogue_hello(&again, &hello);
    TURN_UNTIL(world, peers_link(scene.b.peers, 0).ups == 2);
    assert_true(told(&scene.b, "up a v2 ''\n"
                               "down a broken: it knows this connection no more and made a new "
                               "one\nup a v2 ''\n"));
    TURN_UNTIL(world, scene.rogue.ended || scene.rogue.failed);
    assert_true(node_is_up(&scene.b));
    rogue_close(&again);
    rogue_close(&scene.rogue);
    tls_context_close(context);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(refuses_a_foreign_certificate),
        cmocka_unit_test(a_context_that_is_no_good_is_not_made),
        BOTH(refuses_who_proves_nothing),
        BOTH(refuses_a_name_that_the_certificate_does_not_bear),
        BOTH(does_not_talk_to_another_node_at_the_address_it_calls),
        BOTH(refuses_what_is_not_meant_for_it),
        BOTH(both_ends_say_why_they_do_not_work_together),
        BOTH(versions_that_overlap_work_together_at_the_lower),
        BOTH(an_unknown_node_is_refused_or_learned),
        BOTH(a_node_with_the_larger_name_has_to_wait),
        BOTH(noise_gets_no_answer),
        BOTH(who_says_nothing_is_not_spoken_of),
        BOTH(closes_on_who_does_not_finish_in_time),
        BOTH(lets_few_be_there_unproved),
        BOTH(breaks_with_who_breaks_the_rules),
        BOTH(half_a_frame_and_an_end_is_a_cut),
        BOTH(a_frame_before_the_hello_is_turned_away),
        BOTH(a_newer_connection_of_a_node_that_began_again_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
