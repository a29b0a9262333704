/*
 * The simulator's loop keeps the contract of net.h: the conversations that the other back ends are tested with.
 */
#include "loop_sim.h"
#include "network.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

enum { HOSTS = 3, PORT = 7000, TEXT = 256, BULK = 1 << 20 };

struct end {
    struct stream stream;
    bool connected, ended, closed, echoes, clocks;
    int failed, drained, early;
    size_t received, wrong;
    char text[TEXT];
};

struct net_world {
    struct sim_world world;
    struct listener listener; /* on the second host */
    int listener_fd;
    struct end client, server;
};

static struct end *end_of(struct stream *stream)
{
    return container_of(stream, struct end, stream);
}

static void told_connected(struct stream *stream)
{
    end_of(stream)->connected = true;
}

/* What is said are readings of the clock here; the last whole one counts. */
static void look_at(struct end *end, struct bytes bytes)
{
    size_t begun = end->received % sizeof(int64_t);
    int64_t sent;

    if (bytes.len < begun + sizeof sent)
        return;
    memcpy(&sent, bytes.at + bytes.len - begun - sizeof sent, sizeof sent);
    end->early += loop_read_clock(end->stream.loop, LOOP_MONOTONIC).ns < sent;
}

static void told_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct end *end = end_of(stream);

    assert_false(end->ended || end->failed || end->closed);
    for (size_t i = 0; i < bytes.len; i++, end->received++) {
        if (end->received < TEXT - 1)
            end->text[end->received] = (char)bytes.at[i];
        end->wrong += bytes.at[i] != (uint8_t)(end->received % 251);
    }
    if (end->echoes)
        assert_true(stream_send(stream, chunk, bytes));
    if (end->clocks)
        look_at(end, bytes);
}

static void told_ended(struct stream *stream)
{
    end_of(stream)->ended = true;
}

static void told_drained(struct stream *stream)
{
    assert_int_equal(stream_queued(stream), 0);
    end_of(stream)->drained++;
}

static void told_failed(struct stream *stream, int error)
{
    assert_int_equal(end_of(stream)->failed, 0);
    end_of(stream)->failed = error;
}

static void told_closed(struct stream *stream)
{
    end_of(stream)->closed = true;
}

static const struct stream_events events = {
    .connected = told_connected,
    .received = told_received,
    .ended = told_ended,
    .drained = told_drained,
    .failed = told_failed,
    .closed = told_closed,
};

static void accepted(struct listener *listener, int fd, const struct address *peer)
{
    struct net_world *w = container_of(listener, struct net_world, listener);

    assert_int_equal(peer->ip[3], 1);
    stream_adopt(listener->loop, &w->server.stream, fd, &events);
    stream_receive(&w->server.stream, true);
}

static void starved(struct listener *listener, int error)
{
    (void)listener;
    fail_msg("starved: %s", strerror(error));
}

static int begin(void **state)
{
    struct net_world *w = test_calloc(1, sizeof *w);

    sim_world_init(&w->world, 1, HOSTS, NULL);
    for (uint32_t i = 0; i < HOSTS; i++)
        sim_loop_open(&w->world.host[i]);
    w->listener.accepted = accepted;
    w->listener.starved = starved;
    w->listener_fd = sim_listen(&w->world.host[1], PORT);
    listener_start(w->world.host[1].loop, &w->listener, w->listener_fd);
    *state = w;
    return 0;
}

static void end_stream(struct end *end)
{
    if (end->stream.loop && !end->closed)
        stream_close(&end->stream, false);
}

static int finish(void **state)
{
    struct net_world *w = *state;

    end_stream(&w->client);
    end_stream(&w->server);
    listener_stop(&w->listener, false);
    for (uint32_t i = 0; i < HOSTS; i++) {
        sim_network_forget(&w->world.host[i], true);
        w->world.host[i].ending = true;
        sim_loop_close(&w->world.host[i]);
    }
    sim_world_fini(&w->world);
    test_free(w);
    return 0;
}

static void run_ms(struct net_world *w, int64_t ms)
{
    int64_t until = w->world.now + ms * NS_PER_MS;

    while (sim_step(&w->world, until)) {
    }
}

static void dial(struct net_world *w, uint32_t host, uint16_t port)
{
    struct address to = w->world.host[host].address;
    struct err err;

    to.port = port;
    assert_true(stream_connect(w->world.host[0].loop, &w->client.stream, &to, NULL, &events, &err));
    stream_receive(&w->client.stream, true);
}

static void send_text(struct end *end, const char *text)
{
    assert_true(stream_send(&end->stream, NULL, bytes_of_string(text)));
}

static void bytes_go_there_and_back(void **state)
{
    struct net_world *w = *state;

    w->server.echoes = true;
    dial(w, 1, PORT);
    send_text(&w->client, "before it is connected");
    run_ms(w, 10);
    assert_true(w->client.connected);
    assert_string_equal(w->client.text, "before it is connected");
    assert_int_equal(w->client.drained, 1);
    assert_int_equal(stream_peer(&w->client.stream).port, PORT);
}

static void nobody_listening_refuses(void **state)
{
    struct net_world *w = *state;

    dial(w, 2, PORT);
    run_ms(w, 10);
    assert_int_equal(w->client.failed, ECONNREFUSED);
}

static void a_cut_link_is_silence_and_then_goes_on(void **state)
{
    struct net_world *w = *state;

    dial(w, 1, PORT);
    run_ms(w, 10);
    w->world.link[0][1].cut = true;
    send_text(&w->client, "late");
    run_ms(w, 5000);
    assert_int_equal(w->client.failed, 0);
    assert_int_equal(w->server.received, 0);
    w->world.link[0][1].cut = false;
    run_ms(w, 5000);
    assert_string_equal(w->server.text, "late");
}

static void without_acknowledgements_only_a_little_goes_over(void **state)
{
    static uint8_t bulk[BULK];
    struct net_world *w = *state;

    dial(w, 1, PORT);
    run_ms(w, 10);
    w->world.link[1][0].cut = true;
    assert_true(stream_send(&w->client.stream, NULL, bytes_of(bulk, sizeof bulk)));
    run_ms(w, 5000);
    assert_in_range(w->server.received, 1, 64 * 1024);
    w->world.link[1][0].cut = false;
    run_ms(w, 10000);
    assert_int_equal(w->server.received, BULK);
}

static void a_reset_is_told_after_the_bytes(void **state)
{
    struct net_world *w = *state;

    dial(w, 1, PORT);
    run_ms(w, 10);
    send_text(&w->server, "last words");
    run_ms(w, 10);
    stream_close(&w->server.stream, true);
    run_ms(w, 10);
    assert_string_equal(w->client.text, "last words");
    assert_int_equal(w->client.failed, ECONNRESET);
    assert_true(w->server.closed);
}

static void the_end_comes_after_the_bytes_and_sending_goes_on(void **state)
{
    struct net_world *w = *state;

    dial(w, 1, PORT);
    send_text(&w->client, "done");
    stream_finish(&w->client.stream);
    run_ms(w, 10);
    assert_string_equal(w->server.text, "done");
    assert_true(w->server.ended);
    send_text(&w->server, "still here");
    run_ms(w, 10);
    assert_string_equal(w->client.text, "still here");
}

static void a_killed_process_is_told_and_a_lost_host_is_not(void **state)
{
    struct net_world *w = *state;

    dial(w, 1, PORT);
    run_ms(w, 10);
    sim_network_forget(&w->world.host[0], false);
    run_ms(w, 10);
    assert_true(w->server.ended);
    w->client.closed = true; /* its host is no more: see the end of this test */
    w->world.host[0].ending = true;
    w->world.host[1].powered = false;
    run_ms(w, 10000);
    assert_int_equal(w->server.failed, 0);
    w->client.closed = false;
}

static void all_arrives_in_order_over_a_bad_link(void **state)
{
    static uint8_t bulk[BULK];
    struct net_world *w = *state;

    for (size_t i = 0; i < sizeof bulk; i++)
        bulk[i] = (uint8_t)(i % 251);
    w->world.link[0][1] =
        (struct sim_link){.delay_ns = NS_PER_MS, .jitter_ns = NS_PER_MS, .loss = 0.05};
    dial(w, 1, PORT);
    assert_true(stream_send(&w->client.stream, NULL, bytes_of(bulk, sizeof bulk)));
    run_ms(w, 60000);
    assert_int_equal(w->server.received, BULK);
    assert_int_equal(w->server.wrong, 0);
}

static void a_paused_process_reads_nothing_and_is_not_refused(void **state)
{
    struct net_world *w = *state;

    w->world.host[1].paused = true;
    dial(w, 1, PORT);
    send_text(&w->client, "hello");
    run_ms(w, 1000);
    assert_true(w->client.connected);
    assert_int_equal(w->server.received, 0);
    w->world.host[1].paused = false;
    run_ms(w, 1);
    assert_string_equal(w->server.text, "hello");
}

/* ---- time ---- */

struct alarm {
    struct timer timer;
    struct sim_host *host;
    int64_t fired; /* true time */
};

static void ring(struct timer *timer)
{
    struct alarm *alarm = container_of(timer, struct alarm, timer);

    alarm->fired = alarm->host->world->now;
}

static void a_timer_goes_by_the_clock_of_its_host(void **state)
{
    struct net_world *w = *state;
    struct alarm alarm[2];

    sim_clock_drift(&w->world.host[1], 100000); /* 10 % fast */
    for (int i = 0; i < 2; i++) {
        struct loop *loop = w->world.host[i].loop;

        alarm[i] = (struct alarm){.host = &w->world.host[i]};
        timer_init(&alarm[i].timer, ring);
        timer_arm(loop, &alarm[i].timer, after_ms(loop_read_clock(loop, LOOP_MONOTONIC), 1100));
    }
    run_ms(w, 2000);
    assert_in_range(alarm[0].fired, 1100 * NS_PER_MS, 1101 * NS_PER_MS);
    assert_in_range(alarm[1].fired, 1000 * NS_PER_MS, 1001 * NS_PER_MS);
}

static void a_jump_moves_the_boot_clock_alone(void **state)
{
    struct net_world *w = *state;
    struct loop *loop = w->world.host[0].loop;
    struct instant monotonic = loop_read_clock(loop, LOOP_MONOTONIC);
    struct instant boot = loop_read_clock(loop, LOOP_BOOT);

    sim_clock_jump(&w->world.host[0], 3 * NS_PER_S, 0);
    assert_int_equal(loop_read_clock(loop, LOOP_MONOTONIC).ns, monotonic.ns);
    assert_int_equal(loop_read_clock(loop, LOOP_BOOT).ns, boot.ns + 3 * NS_PER_S);
}

/* ---- a process that is stopped in the middle of turns ---- */

struct looker {
    struct timer timer;
    struct loop *loop;
    struct instant seen;
    int turns, stopped, back;
};

static void look(struct timer *timer)
{
    struct looker *looker = container_of(timer, struct looker, timer);

    looker->turns++;
    for (int i = 0; i < 20; i++) {
        struct instant now = loop_read_clock(looker->loop, LOOP_MONOTONIC);

        looker->back += now.ns < looker->seen.ns;
        looker->stopped += i > 0 && ns_between(looker->seen, now) > 5 * NS_PER_MS;
        looker->seen = now;
    }
    timer_arm(looker->loop, timer, after_ms(looker->seen, 1));
}

/* Counts how often much time passed between two looks at the clock within one turn. */
static void a_stop_in_the_middle_of_a_turn_shows_between_two_looks_at_the_clock(void **state)
{
    struct net_world *w = *state;
    struct looker looker = {.loop = w->world.host[0].loop};
    int before;

    looker.seen = loop_read_clock(looker.loop, LOOP_MONOTONIC);
    timer_init(&looker.timer, look);
    timer_arm(looker.loop, &looker.timer, after_ms(looker.seen, 1));
    run_ms(w, 2000);
    before = looker.turns;
    assert_int_equal(looker.stopped, 0);
    w->world.host[0].stutter_ns = 200 * NS_PER_MS;
    run_ms(w, 20000);
    assert_true(looker.turns > before);
    assert_true(looker.stopped > 5);
    assert_int_equal(looker.back, 0);
    timer_cancel(looker.loop, &looker.timer);
}

struct talker {
    struct timer timer;
    struct net_world *w;
    uint32_t count;
    int64_t said[1024]; /* more than are under way at once */
};

/* Says each time how late it is where it is heard. */
static void talk(struct timer *timer)
{
    struct talker *talker = container_of(timer, struct talker, timer);
    struct net_world *w = talker->w;
    struct loop *loop = w->world.host[0].loop;
    int64_t *said = &talker->said[talker->count++ % 1024];

    *said = sim_clock_read(&w->world.host[1], LOOP_MONOTONIC);
    assert_true(stream_send(&w->client.stream, NULL, bytes_of(said, sizeof *said)));
    timer_arm(loop, timer, after_ms(loop_now(loop), 1));
}

static void what_came_during_a_stop_is_heard_after_it(void **state)
{
    struct net_world *w = *state;
    struct talker talker = {.w = w};
    struct loop *loop = w->world.host[0].loop;

    w->server.clocks = true;
    dial(w, 1, PORT);
    run_ms(w, 10);
    w->world.host[1].stutter_ns = 200 * NS_PER_MS;
    timer_init(&talker.timer, talk);
    timer_arm(loop, &talker.timer, loop_now(loop));
    run_ms(w, 20000);
    assert_true(w->server.received > 10000 * sizeof(int64_t));
    assert_int_equal(w->server.early, 0);
    timer_cancel(loop, &talker.timer);
}

/* ---- jobs ---- */

struct order {
    struct job job;
    int *count, worked, done;
};

static void order_work(struct job *job)
{
    struct order *order = container_of(job, struct order, job);

    order->worked = ++*order->count;
}

static void order_done(struct job *job)
{
    struct order *order = container_of(job, struct order, job);

    order->done = ++*order->count;
}

static void jobs_are_done_in_order_and_told_by_the_loop(void **state)
{
    struct net_world *w = *state;
    struct order order[2];
    struct jobs *jobs;
    struct err err;
    int count = 0;

    assert_true(jobs_open(&jobs, w->world.host[0].loop, "disk", &err));
    for (int i = 0; i < 2; i++) {
        order[i] = (struct order){.job = {.work = order_work, .done = order_done}, .count = &count};
        jobs_add(jobs, &order[i].job);
    }
    assert_int_equal(count, 0);
    run_ms(w, 10);
    assert_int_equal(count, 4);
    assert_true(order[0].worked < order[0].done && order[0].done < order[1].done);
    assert_true(jobs_idle(jobs));
    jobs_close(jobs);
}

/* ---- determinism ---- */

static uint64_t hash_of(void (*test)(void **))
{
    void *state;
    uint64_t hash;

    (void)begin(&state);
    test(&state);
    hash = ((struct net_world *)state)->world.hash;
    (void)finish(&state);
    return hash;
}

static void the_same_seed_gives_the_same_events(void **state)
{
    (void)state;
    assert_int_equal(hash_of(all_arrives_in_order_over_a_bad_link),
                     hash_of(all_arrives_in_order_over_a_bad_link));
}

#define CLAIM(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(bytes_go_there_and_back),
        CLAIM(nobody_listening_refuses),
        CLAIM(a_cut_link_is_silence_and_then_goes_on),
        CLAIM(without_acknowledgements_only_a_little_goes_over),
        CLAIM(a_reset_is_told_after_the_bytes),
        CLAIM(the_end_comes_after_the_bytes_and_sending_goes_on),
        CLAIM(a_killed_process_is_told_and_a_lost_host_is_not),
        CLAIM(all_arrives_in_order_over_a_bad_link),
        CLAIM(a_paused_process_reads_nothing_and_is_not_refused),
        CLAIM(a_timer_goes_by_the_clock_of_its_host),
        CLAIM(a_jump_moves_the_boot_clock_alone),
        CLAIM(a_stop_in_the_middle_of_a_turn_shows_between_two_looks_at_the_clock),
        CLAIM(what_came_during_a_stop_is_heard_after_it),
        CLAIM(jobs_are_done_in_order_and_told_by_the_loop),
        cmocka_unit_test(the_same_seed_gives_the_same_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
