#include "world.h"

/* ---- both directions ---- */

static void echoes(struct end *end, struct chunk *chunk, struct bytes bytes)
{
    assert_true(stream_send(&end->stream, chunk, bytes));
}

static void what_is_received_can_be_sent_on_without_a_copy(void **state)
{
    struct world *world = world_of(state);
    struct end end = {.on_received = echoes};
    int peer = begin(world, &end, 0);

    put(peer, "hello");
    TURN_UNTIL(world, end.drained);
    assert_string_equal(take(peer), "hello");
    assert_int_equal(stream_queued(&end.stream), 0);
    finish(world, &end);
    assert_int_equal(loop_chunks_free(world->loop), CHUNKS);
    close(peer);
}

static void sends_again(struct end *end)
{
    if (end->drained < 3)
        send_text(end, "again ");
}

static void drained_is_told_each_time_the_queue_becomes_empty(void **state)
{
    struct world *world = world_of(state);
    struct end end = {.on_drained = sends_again};
    int peer = begin(world, &end, 0);

    send_text(&end, "once ");
    send_text(&end, "more ");
    TURN_UNTIL(world, end.drained == 3);
    settle(world);
    assert_int_equal(end.drained, 3);
    assert_string_equal(take(peer), "once more again again ");
    finish(world, &end);
    close(peer);
}

static void an_idle_stream_owns_no_chunk(void **state)
{
    struct world *world = world_of(state);
    struct end end = {0};
    int peer = begin(world, &end, 0);

    put(peer, "x");
    TURN_UNTIL(world, end.received == 1);
    settle(world);
    assert_int_equal(loop_chunks_free(world->loop), CHUNKS);
    assert_true(sizeof(struct stream) <= 96);
    finish(world, &end);
    close(peer);
}

static void a_chunk_that_is_held_outlives_the_call(void **state)
{
    struct world *world = world_of(state);
    struct end end = {0};
    struct chunk *chunk = chunk_take(world->loop);
    int peer = begin(world, &end, 0);

    memcpy(chunk->at, "kept", 4);
    chunk_hold(chunk);
    assert_true(stream_send(&end.stream, chunk, bytes_of(chunk->at, 4)));
    chunk_release(world->loop, chunk);
    TURN_UNTIL(world, end.drained);
    assert_int_equal(loop_chunks_free(world->loop), CHUNKS - 1);
    assert_memory_equal(chunk->at, "kept", 4);
    chunk_release(world->loop, chunk);
    assert_int_equal(loop_chunks_free(world->loop), CHUNKS);
    finish(world, &end);
    close(peer);
}

/* ---- half-close ---- */

static void the_end_comes_after_the_bytes_and_sending_goes_on(void **state)
{
    struct world *world = world_of(state);
    struct end end = {0};
    int peer = begin(world, &end, 0);

    put(peer, "last words");
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    TURN_UNTIL(world, end.ended);
    assert_string_equal(end.text, "last words");
    send_text(&end, "answer");
    TURN_UNTIL(world, end.drained);
    assert_string_equal(take(peer), "answer");
    finish(world, &end);
    close(peer);
}

static void finishing_sends_the_queue_then_the_end_and_receiving_goes_on(void **state)
{
    struct world *world = world_of(state);
    struct end end = {0};
    int peer = begin(world, &end, 0);
    struct flow flow = {.fd = peer};

    send_text(&end, "done");
    stream_finish(&end.stream);
    stream_finish(&end.stream);
    TURN_UNTIL(world, (flow_take(&flow, 64), flow.ended));
    assert_int_equal(flow.at, 4);
    put(peer, "still here");
    TURN_UNTIL(world, end.received == 10);
    finish(world, &end);
    close(peer);
}

static void an_end_right_after_a_full_chunk_is_seen(void **state)
{
    struct world *world = world_of(state);
    struct end end = {0};
    int peer = begin(world, &end, 0);
    struct flow flow = {.fd = peer};

    flow_send(&flow, 3 * CHUNK);
    assert_int_equal(flow.at, 3 * CHUNK);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    TURN_UNTIL(world, end.ended);
    assert_int_equal(end.received, 3 * CHUNK);
    assert_int_equal(end.checksum_errors, 0);
    finish(world, &end);
    close(peer);
}

/* ---- back pressure ---- */

static void passes_on(struct end *end, struct chunk *chunk, struct bytes bytes)
{
    assert_true(stream_send(&end->other->stream, chunk, bytes));
    stream_receive(&end->stream, false);
}

static void goes_on(struct end *end)
{
    stream_receive(&end->other->stream, true);
}

static void ends_the_other(struct end *end)
{
    stream_finish(&end->other->stream);
}

static void big_transfers_keep_every_byte_under_back_pressure_both_ways(void **state)
{
    enum { TOTAL = 4 << 20 };
    struct world *world = world_of(state);
    struct end a = {.on_received = passes_on, .on_drained = goes_on, .on_ended = ends_the_other};
    struct end b = a;
    int left = begin(world, &a, 16384), right = begin(world, &b, 16384);
    struct flow from_left = {.fd = left}, to_left = {.fd = left};
    struct flow from_right = {.fd = right}, to_right = {.fd = right};
    uint32_t chunks_least = CHUNKS;

    a.other = &b;
    b.other = &a;
    while (!to_left.ended || !to_right.ended) {
        flow_send(&from_left, TOTAL);
        flow_send(&from_right, TOTAL);
        if (from_left.at == TOTAL)
            shutdown(left, SHUT_WR);
        if (from_right.at == TOTAL)
            shutdown(right, SHUT_WR);
        /* One reader is slower than the other. */
        flow_take(&to_left, 3000);
        flow_take(&to_right, 50000);
        loop_turn(world->loop, 0);
        if (loop_chunks_free(world->loop) < chunks_least)
            chunks_least = loop_chunks_free(world->loop);
    }
    assert_int_equal(to_left.at, TOTAL);
    assert_int_equal(to_right.at, TOTAL);
    assert_int_equal(to_left.errors + to_right.errors, 0);
    assert_int_equal(a.checksum_errors + b.checksum_errors, 0);
    assert_true(chunks_least > 0);
    finish(world, &a);
    finish(world, &b);
    assert_int_equal(loop_chunks_free(world->loop), CHUNKS);
    close(left);
    close(right);
}

static void a_long_queue_is_gathered_and_arrives_in_order(void **state)
{
    enum { PARTS = 200, PART = 997 };
    static uint8_t text[PARTS * PART];
    struct world *world = world_of(state);
    struct end end = {0};
    int peer = begin(world, &end, 16384);
    struct flow flow = {.fd = peer};

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = pattern(i);
    for (size_t i = 0; i < PARTS; i++)
        assert_true(stream_send(&end.stream, NULL, bytes_of(text + i * PART, PART)));
    assert_int_equal(stream_queued(&end.stream), sizeof text);
    stream_finish(&end.stream);
    TURN_UNTIL(world, (flow_take(&flow, 5000), flow.ended));
    assert_int_equal(flow.at, sizeof text);
    assert_int_equal(flow.errors, 0);
    assert_int_equal(end.drained, 1);
    finish(world, &end);
    close(peer);
}

static void receiving_is_off_until_it_is_on(void **state)
{
    struct world *world = world_of(state);
    struct end end = {0};
    int peer = begin(world, &end, 0);

    settle(world);
    stream_receive(&end.stream, false);
    put(peer, "one ");
    settle(world);
    put(peer, "two ");
    settle(world);
    put(peer, "three");
    shutdown(peer, SHUT_WR);
    settle(world);
    assert_int_equal(end.received, 0);
    assert_false(end.ended);
    stream_receive(&end.stream, true);
    TURN_UNTIL(world, end.ended);
    assert_string_equal(end.text, "one two three");
    finish(world, &end);
    close(peer);
}

static void stops_receiving(struct end *end, struct chunk *chunk, struct bytes bytes)
{
    (void)chunk;
    (void)bytes;
    stream_receive(&end->stream, false);
}

static void receiving_can_be_stopped_by_every_single_chunk(void **state)
{
    struct world *world = world_of(state);
    struct end end = {.on_received = stops_receiving};
    int peer = begin(world, &end, 0);
    struct flow flow = {.fd = peer};
    uint64_t before = 0;

    flow_send(&flow, 10 * CHUNK + 7);
    shutdown(peer, SHUT_WR);
    while (!end.ended) {
        TURN_UNTIL(world, end.ended || end.received > before);
        assert_true(end.received - before <= CHUNK);
        before = end.received;
        loop_turn(world->loop, 0);
        assert_int_equal(end.received, before);
        stream_receive(&end.stream, true);
    }
    assert_int_equal(end.received, flow.at);
    assert_int_equal(end.checksum_errors, 0);
    finish(world, &end);
    close(peer);
}

/* ---- limits ---- */

static void keeps(struct end *end, struct chunk *chunk, struct bytes bytes)
{
    (void)bytes;
    chunk_hold(chunk);
    end->kept[end->kept_count++] = chunk;
}

static void without_chunks_receiving_waits_until_some_come_back(void **state)
{
    enum { POOL = 8 };
    struct world *world = world_of(state);
    struct end greedy = {.on_received = keeps}, modest = {0};
    int a, b;
    struct flow flow;

    reopen(world, POOL, 0);
    a = begin(world, &greedy, 0);
    b = begin(world, &modest, 0);
    flow = (struct flow){.fd = a};
    flow_send(&flow, 20 * CHUNK);
    settle(world);
    assert_true(greedy.kept_count > 0 && greedy.kept_count <= POOL);
    assert_true(greedy.received < flow.at);
    put(b, "me too");
    settle(world);
    assert_int_equal(modest.received, 0);
    greedy.on_received = NULL;
    while (greedy.kept_count > 0)
        chunk_release(world->loop, greedy.kept[--greedy.kept_count]);
    TURN_UNTIL(world, greedy.received == flow.at && modest.received == 6);
    assert_int_equal(greedy.checksum_errors, 0);
    finish(world, &greedy);
    finish(world, &modest);
    assert_int_equal(loop_chunks_free(world->loop), POOL);
    close(a);
    close(b);
}

/* All chunks are in its own queue: only sending frees one. */
static void a_stream_that_waits_for_a_chunk_still_sends(void **state)
{
    enum { POOL = 4, TOTAL = 64 * 1024 };
    struct world *world = world_of(state);
    struct end end = {.on_received = echoes};
    struct flow in, out;

    reopen(world, POOL, 0);
    in.fd = begin(world, &end, 0);
    no_block(in.fd);
    out = in = (struct flow){.fd = in.fd};
    flow_send(&in, TOTAL);
    assert_int_equal(in.at, TOTAL);
    TURN_UNTIL(world, (flow_take(&out, TOTAL), out.at == TOTAL));
    assert_int_equal(out.errors, 0);
    finish(world, &end);
    close(in.fd);
}

static void without_segments_nothing_is_queued_and_the_rest_is_sent(void **state)
{
    static const char text[] = "0123456789";
    struct world *world = world_of(state);
    struct end end = {0};
    uint64_t accepted = 0;
    int peer;
    struct flow flow;

    reopen(world, 2, 0);
    peer = begin(world, &end, 0);
    flow = (struct flow){.fd = peer};
    while (stream_send(&end.stream, NULL, BYTES("0123456789")))
        accepted += sizeof text - 1;
    assert_true(accepted > 0);
    assert_int_equal(stream_queued(&end.stream), accepted);
    TURN_UNTIL(world, end.drained);
    flow_take(&flow, 1 << 20);
    assert_int_equal(flow.at, accepted);
    send_text(&end, text);
    TURN_UNTIL(world, end.drained == 2);
    finish(world, &end);
    close(peer);
}

/* ---- closing ---- */

static void closes_itself(struct end *end)
{
    stream_close(&end->stream, false);
    stream_close(&end->stream, true);
}

static void receives_and_closes_itself(struct end *end, struct chunk *chunk, struct bytes bytes)
{
    assert_true(stream_send(&end->stream, chunk, bytes));
    closes_itself(end);
}

static void a_stream_may_close_itself_in_every_callback(void **state)
{
    struct world *world = world_of(state);
    struct end by_bytes = {.on_received = receives_and_closes_itself};
    struct end by_end = {.on_ended = closes_itself};
    struct end by_drained = {.on_drained = closes_itself};
    struct end by_failure = {.on_failed = closes_itself};
    struct end by_connect = {.on_connected = closes_itself, .world = world};
    struct linger linger = {1, 0};
    struct err err = {0};
    int listener = open_listener();
    struct address to = loopback(port_of(listener));
    int a = begin(world, &by_bytes, 0), b = begin(world, &by_end, 0);
    int c = begin(world, &by_drained, 0), d = begin(world, &by_failure, 0);

    put(a, "x");
    shutdown(b, SHUT_WR);
    send_text(&by_drained, "x");
    assert_int_equal(setsockopt(d, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    close(d);
    assert_true(stream_connect(world->loop, &by_connect.stream, &to, NULL, &end_events, &err));
    TURN_UNTIL(world, by_bytes.closed && by_end.closed && by_drained.closed && by_failure.closed &&
                          by_connect.closed);
    assert_int_equal(loop_chunks_free(world->loop), CHUNKS);
    close(a);
    close(b);
    close(c);
    close(listener);
}

static void closes_the_other(struct end *end, struct chunk *chunk, struct bytes bytes)
{
    (void)chunk;
    (void)bytes;
    if (!end->other->closed)
        stream_close(&end->other->stream, false);
}

/* Of two streams with an event in the same turn, the first closes the second: whichever is first. */
static void a_stream_may_close_another_that_has_an_event_waiting(void **state)
{
    struct world *world = world_of(state);

    for (int i = 0; i < 50; i++) {
        struct end *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
        int left, right;

        a->on_received = b->on_received = closes_the_other;
        a->other = b;
        b->other = a;
        left = begin(world, a, 0);
        right = begin(world, b, 0);
        loop_turn(world->loop, 0);
        put(i % 2 ? left : right, "x");
        put(i % 2 ? right : left, "x");
        TURN_UNTIL(world, a->closed || b->closed);
        assert_int_equal(a->received + b->received, 1);
        finish(world, a);
        finish(world, b);
        free(a);
        free(b);
        close(left);
        close(right);
    }
}

static void frees(struct end *end)
{
    *(bool *)(void *)end->other = true;
    free(end);
}

static void the_storage_may_be_freed_in_closed(void **state)
{
    struct world *world = world_of(state);
    struct end *end = calloc(1, sizeof *end);
    bool freed = false;
    int peer = begin(world, end, 0);

    end->on_closed = frees;
    end->other = (struct end *)(void *)&freed;
    send_text(end, "bytes that are in flight");
    put(peer, "and bytes that come in");
    loop_turn(world->loop, 0);
    stream_close(&end->stream, false);
    assert_false(freed);
    TURN_UNTIL(world, freed);
    settle(world);
    close(peer);
}

static void closing_drops_what_is_queued_and_gives_everything_back(void **state)
{
    struct world *world = world_of(state);
    struct end end = {0};
    int peer = begin(world, &end, 16384);
    struct chunk *chunk;

    while ((chunk = chunk_take(world->loop))) {
        assert_true(stream_send(&end.stream, chunk, bytes_of(chunk->at, chunk->cap)));
        chunk_release(world->loop, chunk);
    }
    settle(world);
    assert_true(stream_queued(&end.stream) > 0);
    finish(world, &end);
    assert_int_equal(loop_chunks_free(world->loop), CHUNKS);
    close(peer);
}

static void closing_with_reset_is_a_reset_at_the_peer(void **state)
{
    struct world *world = world_of(state);
    struct end end = {0};
    int peer = begin(world, &end, 0);
    char byte;

    settle(world);
    stream_close(&end.stream, true);
    TURN_UNTIL(world, end.closed);
    assert_int_equal(recv(peer, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(peer);
}

/* ---- failures ---- */

static void a_reset_is_told_after_the_bytes_before_it(void **state)
{
    struct world *world = world_of(state);
    struct end end = {0};
    struct linger linger = {1, 0};
    int peer = begin(world, &end, 0);

    put(peer, "before");
    TURN_UNTIL(world, end.received == 6);
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    close(peer);
    TURN_UNTIL(world, end.failed);
    assert_int_equal(end.failed, ECONNRESET);
    assert_false(end.ended);
    send_text(&end, "nobody listens, and nobody minds");
    stream_receive(&end.stream, true);
    settle(world);
    finish(world, &end);
}

static void an_answer_that_precedes_a_reset_is_still_received(void **state)
{
    struct world *world = world_of(state);
    struct end end = {0};
    int peer = begin(world, &end, 0);

    /* The peer closes with our bytes unread, which resets; its answer is already here. */
    send_text(&end, "a long request");
    TURN_UNTIL(world, end.drained);
    put(peer, "413");
    close(peer);
    send_text(&end, "more of it");
    TURN_UNTIL(world, end.failed || end.ended);
    assert_string_equal(end.text, "413");
    finish(world, &end);
}

static void sending_to_a_peer_that_is_gone_fails(void **state)
{
    struct world *world = world_of(state);
    struct end end = {0};
    int peer = begin(world, &end, 0);

    close(peer);
    TURN_UNTIL(world, end.ended);
    send_text(&end, "first: answered by a reset");
    settle(world);
    if (!end.failed)
        send_text(&end, "second: not sent any more");
    TURN_UNTIL(world, end.failed);
    assert_true(end.failed == EPIPE || end.failed == ECONNRESET);
    finish(world, &end);
}

static void a_connection_sends_what_was_queued_before_it_stood(void **state)
{
    struct world *world = world_of(state);
    struct end end = {.world = world};
    struct err err = {0};
    int listener = open_listener(), peer = -1;
    struct address to = loopback(port_of(listener)), from = loopback(0);

    assert_true(stream_connect(world->loop, &end.stream, &to, &from, &end_events, &err));
    send_text(&end, "early");
    stream_receive(&end.stream, true);
    assert_false(end.connected);
    TURN_UNTIL(world, end.drained);
    assert_true(end.connected);
    TURN_UNTIL(world, (peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
    TURN_UNTIL(world, strcmp(take(peer), "early") == 0);
    assert_int_equal(stream_peer(&end.stream).port, to.port);
    assert_int_equal(stream_local(&end.stream).family, 4);
    put(peer, "late");
    TURN_UNTIL(world, end.received == 4);
    finish(world, &end);
    close(peer);
    close(listener);
}

static void who_does_not_receive_can_ask_whether_the_peer_is_gone(void **state)
{
    struct world *world = world_of(state);
    struct end end = {.world = world}, other = {.world = world};
    struct linger linger = {.l_onoff = 1};
    int peer = begin(world, &end, 0), crasher = begin(world, &other, 0);

    stream_receive(&end.stream, false);
    stream_receive(&other.stream, false);
    put(peer, "bytes that nobody reads");
    settle(world);
    assert_false(stream_gone(&end.stream));
    assert_false(stream_gone(&other.stream));
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    assert_int_equal(setsockopt(crasher, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    close(crasher);
    TURN_UNTIL(world, stream_gone(&end.stream));
    TURN_UNTIL(world, stream_gone(&other.stream));
    stream_receive(&end.stream, true);
    TURN_UNTIL(world, end.ended);
    finish(world, &end);
    finish(world, &other);
    close(peer);
}

static void a_refused_connection_fails(void **state)
{
    struct world *world = world_of(state);
    struct end end = {.world = world};
    struct err err = {0};
    int listener = open_listener();
    struct address to = loopback(port_of(listener));

    close(listener);
    assert_true(stream_connect(world->loop, &end.stream, &to, NULL, &end_events, &err));
    stream_receive(&end.stream, true);
    send_text(&end, "never sent");
    assert_int_equal(end.failed, 0);
    TURN_UNTIL(world, end.failed);
    assert_int_equal(end.failed, ECONNREFUSED);
    assert_false(end.connected);
    finish(world, &end);
}

static void a_connection_without_an_answer_can_be_closed(void **state)
{
    struct world *world = world_of(state);
    struct end end = {.world = world};
    struct err err = {0};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), filler[3];
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct address to;

    /* A queue of one that is full: the kernel drops further attempts without a word. */
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(listener, 0), 0);
    to = loopback(port_of(listener));
    in.sin_port = htons(to.port);
    for (size_t i = 0; i < 3; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(filler[i], (struct sockaddr *)&in, sizeof in);
    }
    assert_true(stream_connect(world->loop, &end.stream, &to, NULL, &end_events, &err));
    settle(world);
    assert_false(end.connected || end.failed);
    finish(world, &end);
    for (size_t i = 0; i < 3; i++)
        close(filler[i]);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(what_is_received_can_be_sent_on_without_a_copy),
        BOTH(drained_is_told_each_time_the_queue_becomes_empty),
        BOTH(an_idle_stream_owns_no_chunk),
        BOTH(a_chunk_that_is_held_outlives_the_call),
        BOTH(the_end_comes_after_the_bytes_and_sending_goes_on),
        BOTH(finishing_sends_the_queue_then_the_end_and_receiving_goes_on),
        BOTH(an_end_right_after_a_full_chunk_is_seen),
        BOTH(big_transfers_keep_every_byte_under_back_pressure_both_ways),
        BOTH(a_long_queue_is_gathered_and_arrives_in_order),
        BOTH(receiving_is_off_until_it_is_on),
        BOTH(receiving_can_be_stopped_by_every_single_chunk),
        BOTH(without_chunks_receiving_waits_until_some_come_back),
        BOTH(a_stream_that_waits_for_a_chunk_still_sends),
        BOTH(without_segments_nothing_is_queued_and_the_rest_is_sent),
        BOTH(a_stream_may_close_itself_in_every_callback),
        BOTH(a_stream_may_close_another_that_has_an_event_waiting),
        BOTH(the_storage_may_be_freed_in_closed),
        BOTH(closing_drops_what_is_queued_and_gives_everything_back),
        BOTH(closing_with_reset_is_a_reset_at_the_peer),
        BOTH(a_reset_is_told_after_the_bytes_before_it),
        BOTH(an_answer_that_precedes_a_reset_is_still_received),
        BOTH(sending_to_a_peer_that_is_gone_fails),
        BOTH(a_connection_sends_what_was_queued_before_it_stood),
        BOTH(who_does_not_receive_can_ask_whether_the_peer_is_gone),
        BOTH(a_refused_connection_fails),
        BOTH(a_connection_without_an_answer_can_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
