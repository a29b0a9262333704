/*
 * The resolver against a name server that is a socket of the test itself: no network is needed.
 */
#include "world.h"

struct asked {
    struct world *world;
    struct resolution resolution;
    unsigned told;
    bool failed, closes;
    struct err err;
    struct resolver *resolver;
};

static void resolved(struct resolution *resolution, const struct err *err)
{
    struct asked *asked = container_of(resolution, struct asked, resolution);

    asked->told++;
    asked->failed = err;
    if (err)
        asked->err = *err;
    if (asked->closes)
        resolver_close(asked->resolver);
}

static struct resolver *open_resolver(struct world *world, int64_t timeout_ms)
{
    struct resolver *resolver = NULL;
    struct err err = {0};

    if (!resolver_open(&resolver, world->loop, timeout_ms, &err))
        fail_msg("%s", err.text);
    return resolver;
}

static void ask(struct resolver *resolver, struct asked *asked, const char *name)
{
    asked->resolution.resolved = resolved;
    resolver_ask(resolver, &asked->resolution, name);
    assert_int_equal(asked->told, 0);
}

/* ---- a name server ---- */

struct server {
    struct watch watch;
    int fd;
    unsigned queries;
    const char *says; /* what it does: see answer() */
};

/* Appends an answer of one record to a query that ends at `len`; its name points back to the question. */
static size_t add_record(uint8_t *message, size_t len, uint16_t type, const uint8_t *data,
                         uint8_t size)
{
    const uint8_t head[] = {0xC0, 12, 0, (uint8_t)type, 0, 1, 0, 0, 0, 77, 0, size};

    memcpy(message + len, head, sizeof head);
    memcpy(message + len + sizeof head, data, size);
    message[7]++;
    return len + sizeof head + size;
}

static size_t answer(struct server *server, uint8_t *message, size_t len)
{
    static const uint8_t four[] = {192, 0, 2, 1}, other[] = {192, 0, 2, 2};
    static const uint8_t six[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    bool wants_six = message[len - 3] == 28;

    message[2] |= 0x80;
    message[3] |= 0x80;
    message[10] = message[11] = 0; /* no additional records */
    if (strcmp(server->says, "garbage") == 0) {
        memset(message + 4, 0xFF, len - 4);
        return len;
    }
    if (strcmp(server->says, "no such name") == 0) {
        message[3] = 0x83;
        return len;
    }
    if (wants_six)
        return add_record(message, len, 28, six, sizeof six);
    len = add_record(message, len, 1, four, sizeof four);
    return add_record(message, len, 1, other, sizeof other);
}

/* The length of a query without what follows the question (EDNS). */
static size_t question_end(const uint8_t *message)
{
    size_t at = 12;

    while (message[at])
        at += message[at] + 1u;
    return at + 5;
}

static void serves(struct watch *watch, bool readable, bool writable)
{
    struct server *server = container_of(watch, struct server, watch);
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    uint8_t message[512] = {0};
    ssize_t got =
        recvfrom(server->fd, message, 256, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
    size_t len;

    assert_true(readable && !writable);
    if (got < 0)
        return;
    server->queries++;
    if (strcmp(server->says, "nothing") == 0)
        return;
    len = answer(server, message, question_end(message));
    assert_int_equal(sendto(server->fd, message, len, 0, (struct sockaddr *)&from, from_len), len);
}

static void serve(struct world *world, struct server *server, struct resolver *resolver,
                  const char *says)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct address address;
    struct err err = {0};

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&in, sizeof in), 0);
    server->says = says;
    server->watch.ready = serves;
    watch_start(world->loop, &server->watch, server->fd, true, false);
    address = loopback(port_of(server->fd));
    assert_true(resolver_use(resolver, &address, 1, &err));
}

static void stop_serving(struct server *server)
{
    watch_stop(&server->watch);
    close(server->fd);
}

/* ---- claims ---- */

static void an_address_answers_itself_in_a_later_turn(void **state)
{
    struct world *world = world_of(state);
    struct resolver *resolver = open_resolver(world, 1000);
    struct asked four = {0}, six = {0};
    char text[ADDRESS_TEXT_MAX];

    ask(resolver, &four, "192.0.2.7");
    ask(resolver, &six, "2001:db8::7");
    TURN_UNTIL(world, four.told && six.told);
    assert_false(four.failed || six.failed);
    assert_int_equal(four.resolution.count, 1);
    assert_string_equal(address_print_ip(&four.resolution.addresses[0], text), "192.0.2.7");
    assert_string_equal(address_print_ip(&six.resolution.addresses[0], text), "2001:db8::7");
    resolver_close(resolver);
}

static void localhost_needs_no_server_and_no_file(void **state)
{
    static const char *const names[] = {"localhost", "LOCALHOST", "localhost.", "shop.localhost"};
    struct world *world = world_of(state);
    struct resolver *resolver = open_resolver(world, 1000);
    struct server server = {0};
    char text[ADDRESS_TEXT_MAX];

    serve(world, &server, resolver, "nothing");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct asked asked = {0};

        ask(resolver, &asked, names[i]);
        TURN_UNTIL(world, asked.told);
        assert_false(asked.failed);
        assert_int_equal(asked.resolution.count, 2);
        assert_string_equal(address_print_ip(&asked.resolution.addresses[0], text), "127.0.0.1");
        assert_string_equal(address_print_ip(&asked.resolution.addresses[1], text), "::1");
    }
    assert_int_equal(server.queries, 0);
    resolver_close(resolver);
    stop_serving(&server);
}

static void a_name_has_all_its_addresses_and_the_time_they_are_good_for(void **state)
{
    struct world *world = world_of(state);
    struct resolver *resolver = open_resolver(world, 10000);
    struct server server = {0};
    struct asked asked = {0};
    unsigned fours = 0, sixes = 0;

    serve(world, &server, resolver, "addresses");
    ask(resolver, &asked, "shop.example.");
    TURN_UNTIL(world, asked.told);
    if (asked.failed)
        fail_msg("%s", asked.err.text);
    for (uint32_t i = 0; i < asked.resolution.count; i++) {
        fours += asked.resolution.addresses[i].family == 4;
        sixes += asked.resolution.addresses[i].family == 6;
        assert_int_equal(asked.resolution.addresses[i].port, 0);
    }
    assert_int_equal(fours, 2);
    assert_int_equal(sixes, 1);
    assert_int_equal(asked.resolution.ttl_s, 77);
    resolver_close(resolver);
    stop_serving(&server);
}

static void a_name_that_does_not_exist_is_a_sentence(void **state)
{
    struct world *world = world_of(state);
    struct resolver *resolver = open_resolver(world, 10000);
    struct server server = {0};
    struct asked asked = {0};

    serve(world, &server, resolver, "no such name");
    ask(resolver, &asked, "nowhere.example.");
    TURN_UNTIL(world, asked.told);
    assert_true(asked.failed);
    assert_int_equal(asked.err.kind, ERR_PEER);
    assert_non_null(strstr(asked.err.text, "resolve 'nowhere.example.': "));
    resolver_close(resolver);
    stop_serving(&server);
}

static void silence_and_garbage_end_by_the_deadline(void **state)
{
    static const char *const says[] = {"nothing", "garbage"};
    struct world *world = world_of(state);

    for (size_t i = 0; i < ARRAY_LEN(says); i++) {
        struct resolver *resolver = open_resolver(world, 200);
        struct server server = {0};
        struct asked asked = {0};

        serve(world, &server, resolver, says[i]);
        ask(resolver, &asked, "silent.example.");
        TURN_UNTIL(world, asked.told);
        assert_true(asked.failed);
        assert_true(server.queries > 0);
        settle(world);
        assert_int_equal(asked.told, 1);
        resolver_close(resolver);
        stop_serving(&server);
    }
}

static void a_name_that_cannot_be_one_is_a_sentence(void **state)
{
    struct world *world = world_of(state);
    struct resolver *resolver = open_resolver(world, 1000);
    struct server server = {0};
    struct asked long_one = {0}, empty = {0};
    char name[400];

    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    serve(world, &server, resolver, "no such name");
    ask(resolver, &long_one, name);
    ask(resolver, &empty, "");
    TURN_UNTIL(world, long_one.told && empty.told);
    assert_true(long_one.failed && empty.failed);
    resolver_close(resolver);
    stop_serving(&server);
}

static void a_cancelled_question_is_never_answered(void **state)
{
    struct world *world = world_of(state);
    struct resolver *resolver = open_resolver(world, 10000);
    struct server server = {0};
    struct asked known = {0}, *asked = calloc(1, sizeof *asked);

    serve(world, &server, resolver, "addresses");
    ask(resolver, asked, "shop.example.");
    ask(resolver, &known, "192.0.2.7");
    resolver_cancel(resolver, &asked->resolution);
    resolver_cancel(resolver, &known.resolution);
    resolver_cancel(resolver, &known.resolution);
    free(asked);
    TURN_UNTIL(world, server.queries >= 2);
    settle(world);
    assert_int_equal(known.told, 0);
    resolver_close(resolver);
    stop_serving(&server);
}

static void closing_ends_what_is_under_way_without_a_callback(void **state)
{
    struct world *world = world_of(state);
    struct resolver *resolver = open_resolver(world, 10000);
    struct server server = {0};
    struct asked waiting = {0}, known = {0};

    serve(world, &server, resolver, "nothing");
    ask(resolver, &waiting, "silent.example.");
    ask(resolver, &known, "192.0.2.7");
    resolver_close(resolver);
    settle(world);
    assert_int_equal(waiting.told + known.told, 0);
    stop_serving(&server);
}

static void the_resolver_may_be_closed_by_an_answer(void **state)
{
    struct world *world = world_of(state);
    struct resolver *resolver = open_resolver(world, 10000);
    struct server server = {0};
    struct asked first = {.closes = true, .resolver = resolver}, second = {0};

    serve(world, &server, resolver, "addresses");
    ask(resolver, &first, "shop.example.");
    ask(resolver, &second, "shop.example.");
    TURN_UNTIL(world, first.told);
    settle(world);
    assert_int_equal(second.told, 0);
    stop_serving(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(an_address_answers_itself_in_a_later_turn),
        BOTH(localhost_needs_no_server_and_no_file),
        BOTH(a_name_has_all_its_addresses_and_the_time_they_are_good_for),
        BOTH(a_name_that_does_not_exist_is_a_sentence),
        BOTH(silence_and_garbage_end_by_the_deadline),
        BOTH(a_name_that_cannot_be_one_is_a_sentence),
        BOTH(a_cancelled_question_is_never_answered),
        BOTH(closing_ends_what_is_under_way_without_a_callback),
        BOTH(the_resolver_may_be_closed_by_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
