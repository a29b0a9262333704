/*
 * What the tests of ledgers share: up to three of them in one process, with real disks and sockets on one loop, each with an owner who keeps what was executed.
 */
#pragma once

#include "unit.h"

#include "base/clock.h"
#include "base/hash.h"
#include "net/net.h"
#include "store/ledger.h"
#include "wal/disk.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NODES = 3, HANG_S = 60, LOG_MAX = 1 << 16 };

struct group;

struct member {
    struct group *group;
    struct ledger *ledger;
    struct disk *disk;
    int number, fd;
    uint16_t port;
    char directory[64];
    bool leased, closed, answered, failed;
    struct engine_answer answer;
    uint64_t executed;        /* records */
    uint64_t hashes[LOG_MAX]; /* of each executed record, by position */
    uint64_t acked, unknown;  /* cookies */
    uint64_t last_cookie;
    uint32_t wrong_order;      /* positions that were not the next one */
    struct ledger_point point; /* the state that it would start from */
    uint64_t linked;           /* bits: members */
    uint64_t roomy;
    char heard[64]; /* the beginning of the last message */
    size_t heard_len;
    uint64_t heard_hash;
    /* copies */
    uint32_t transfer;
    uint64_t transfer_to_send;
    bool copy_complete, aborted;
    struct ledger_point copy;
    uint64_t copied; /* bytes */
    uint64_t digest; /* of what it executes, besides */
    int64_t slow_ns; /* that each execution takes */
    void (*on_executed)(struct member *member);
};

struct group {
    struct loop *loop;
    struct member members[NODES];
    char top[32];
    uint64_t epoch, next_cookie;
    uint32_t segment_bytes;
    uint64_t retain_bytes, tail_bytes;
};

#define TURN_UNTIL(group, claim)                                                                   \
    do {                                                                                           \
        struct instant hang = after_ms(clock_now(), HANG_S * 1000);                                \
        while (!(claim)) {                                                                         \
            loop_turn((group)->loop, 10 * NS_PER_MS);                                              \
            if (passed(hang, clock_now()))                                                         \
                fail_msg("hangs: %s", #claim);                                                     \
        }                                                                                          \
    } while (0)

/* ---- the owner ---- */

static inline uint64_t do_execute(void *context, struct position position, struct bytes record,
                                  uint64_t cookie)
{
    struct member *m = context;
    struct instant until = after_ns(clock_now(), m->slow_ns);

    while (m->slow_ns > 0 && !passed(until, clock_now()))
        continue;
    m->wrong_order += position.offset != m->point.position.offset + 1;
    m->point.position = position;
    m->executed++;
    m->hashes[position.offset % LOG_MAX] = hash_bytes(0, record);
    if (cookie != 0) {
        m->acked++;
        m->last_cookie = cookie;
    }
    return m->digest;
}

static inline void do_executed(void *context)
{
    struct member *m = context;

    m->point.hash = ledger_view(m->ledger)->hash;
    if (m->on_executed)
        m->on_executed(m);
}

static inline void do_unknown(void *context, uint64_t cookie)
{
    (void)cookie;
    ((struct member *)context)->unknown++;
}

static inline void do_state(void *context)
{
    (void)context;
}

static inline void do_roomy(void *context)
{
    ((struct member *)context)->roomy++;
}

static inline void do_answered(void *context, const struct engine_answer *answer)
{
    struct member *m = context;

    m->answer = *answer;
    m->answered = true;
}

static inline void do_epoch_record(void *context, struct position position, struct buf *out)
{
    (void)context;
    buf_print(out, "epoch %llu", (unsigned long long)position.epoch);
}

static inline bool do_may_act(void *context)
{
    return ((struct member *)context)->leased;
}

static inline void do_linked(void *context, uint32_t member, bool up)
{
    struct member *m = context;

    m->linked = up ? m->linked | 1u << member : m->linked & ~(1u << member);
}

static inline void do_message(void *context, uint32_t member, struct bytes bytes)
{
    struct member *m = context;

    (void)member;
    bytes_to_string(bytes, m->heard, sizeof m->heard);
    m->heard_len = bytes.len;
    m->heard_hash = hash_bytes(0, bytes);
}

static const char snapshot_text[1000] = "a snapshot's bytes";

/* As many pieces as are taken. */
static inline void send_pieces(struct member *m)
{
    while (m->transfer_to_send > 0) {
        if (!ledger_snapshot_piece(m->ledger, m->transfer,
                                   bytes_of(snapshot_text, sizeof snapshot_text)))
            return;
        m->transfer_to_send--;
    }
    ledger_snapshot_end(m->ledger, m->transfer);
}

static inline void do_snapshot_wanted(void *context, uint32_t transfer, uint32_t member)
{
    struct member *m = context;

    (void)member;
    m->transfer = transfer;
    m->transfer_to_send = 5000;
    if (ledger_snapshot_begin(m->ledger, transfer, m->point,
                              m->transfer_to_send * sizeof snapshot_text))
        send_pieces(m);
}

static inline void do_snapshot_roomy(void *context, uint32_t transfer)
{
    struct member *m = context;

    if (transfer == m->transfer)
        send_pieces(m);
}

static inline void do_snapshot_ended(void *context, uint32_t transfer, bool installed)
{
    struct member *m = context;

    (void)installed;
    if (transfer == m->transfer)
        m->transfer = 0;
}

static inline void do_copy_begun(void *context, struct ledger_point point, uint64_t bytes)
{
    struct member *m = context;

    (void)bytes;
    m->copy = point;
    m->copied = 0;
}

static inline void do_copy_piece(void *context, struct bytes piece)
{
    struct member *m = context;

    m->copied += piece.len;
    ledger_copy_took(m->ledger, piece.len);
}

static inline void do_copy_complete(void *context)
{
    struct member *m = context;

    m->copy_complete = true;
    m->point = m->copy;
    ledger_copy_installed(m->ledger);
}

static inline void do_copy_aborted(void *context)
{
    ((struct member *)context)->aborted = true;
}

static inline void do_failed(void *context, const struct err *err)
{
    fprintf(stderr, "failed: %s\n", err->text);
    ((struct member *)context)->failed = true;
}

static inline void do_stranger(void *context, const char *sentence)
{
    (void)context;
    fprintf(stderr, "stranger: %s\n", sentence);
}

static inline void do_closed(void *context)
{
    ((struct member *)context)->closed = true;
}

static const struct ledger_events owner_events = {
    .execute = do_execute,
    .executed = do_executed,
    .unknown = do_unknown,
    .state = do_state,
    .roomy = do_roomy,
    .answered = do_answered,
    .epoch_record = do_epoch_record,
    .may_act = do_may_act,
    .linked = do_linked,
    .message = do_message,
    .snapshot_wanted = do_snapshot_wanted,
    .snapshot_roomy = do_snapshot_roomy,
    .snapshot_ended = do_snapshot_ended,
    .copy_begun = do_copy_begun,
    .copy_piece = do_copy_piece,
    .copy_complete = do_copy_complete,
    .copy_aborted = do_copy_aborted,
    .failed = do_failed,
    .stranger = do_stranger,
    .closed = do_closed,
};

/* ---- the group ---- */

static inline struct address loopback(uint16_t port)
{
    struct address address;
    char text[32];

    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    assert_true(address_parse(&address, bytes_of_string(text)));
    return address;
}

static inline void bind_port(struct member *m)
{
    struct address any = loopback(m->port);
    struct sockaddr_in own;
    socklen_t len = sizeof own;
    struct err err;

    assert_true(listener_open_fd(&m->fd, &any, &err));
    assert_int_equal(getsockname(m->fd, (struct sockaddr *)&own, &len), 0);
    m->port = ntohs(own.sin_port);
}

static inline void start(struct member *m)
{
    static const char *const names[NODES] = {"anna", "bert", "carl"};
    struct group *g = m->group;
    struct ledger_member others[NODES];
    struct ledger_options options = {
        .loop = g->loop,
        .group = "test/sessions",
        .self = (uint32_t)m->number + 1,
        .name = names[m->number],
        .seed = (uint64_t)clock_now().ns,
        .listeners = &m->fd,
        .listener_count = 1,
        .members = others,
        .segment_bytes = g->segment_bytes,
        .retain_bytes = g->retain_bytes,
        .tail_bytes = g->tail_bytes,
        .state = m->point,
        .events = &owner_events,
        .context = m,
    };
    struct err err;

    for (int i = 0; i < NODES; i++) {
        if (i == m->number)
            continue;
        others[options.member_count] = (struct ledger_member){
            .id = (uint32_t)i + 1,
            .place = {.name = names[i], .addresses = {loopback(g->members[i].port)}, .count = 1}};
        options.member_count++;
    }
    if (!disk_open(&m->disk, m->directory, &err))
        fail_msg("%s", err.text);
    options.disk = m->disk;
    m->closed = m->failed = false;
    m->leased = true;
    m->linked = 0;
    if (!ledger_open(&m->ledger, &options, &err))
        fail_msg("%s", err.text);
}

static inline void stop(struct member *m)
{
    ledger_close(m->ledger);
    TURN_UNTIL(m->group, m->closed);
    disk_close(m->disk);
    m->ledger = NULL;
}

static inline void group_open(struct group *g, uint32_t segment_bytes, uint64_t retain_bytes)
{
    static const struct loop_options options = {
        .kind = LOOP_AUTO, .chunks_max = 2048, .chunk_bytes = 16 << 10, .pipes_max = 1};
    struct err err;

    memset(g, 0, sizeof *g);
    g->segment_bytes = segment_bytes;
    g->retain_bytes = retain_bytes;
    snprintf(g->top, sizeof g->top, "/tmp/ledger-XXXXXX");
    assert_non_null(mkdtemp(g->top));
    if (!loop_open(&g->loop, &options, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < NODES; i++) {
        struct member *m = &g->members[i];

        m->group = g;
        m->number = i;
        snprintf(m->directory, sizeof m->directory, "%s/%d", g->top, i);
        bind_port(m);
    }
    for (int i = 0; i < NODES; i++)
        start(&g->members[i]);
}

static inline void group_close(struct group *g)
{
    char command[64];

    for (int i = 0; i < NODES; i++)
        if (g->members[i].ledger)
            stop(&g->members[i]);
    for (int i = 0; i < NODES; i++)
        close(g->members[i].fd);
    loop_close(g->loop);
    snprintf(command, sizeof command, "rm -rf %s", g->top);
    assert_int_equal(system(command), 0);
}

/* ---- orders ---- */

static inline struct engine_answer obey(struct member *m, struct engine_order order)
{
    order.epoch = order.epoch ? order.epoch : m->group->epoch;
    order.timeout_ms = order.timeout_ms ? order.timeout_ms : 20000;
    m->answered = false;
    ledger_order(m->ledger, &order);
    TURN_UNTIL(m->group, m->answered);
    return m->answer;
}

static inline struct engine_needs needs_of(enum group_mode mode, uint8_t acks, uint32_t members)
{
    struct engine_needs needs = {.mode = (uint8_t)mode, .acks = acks};

    for (uint32_t i = 0; i < NODES; i++)
        if (members & 1u << i)
            needs.members.lives[needs.members.count++] = (struct life){i + 1, 1};
    return needs;
}

static inline void promote(struct member *m, struct engine_needs needs)
{
    struct engine_answer answer =
        obey(m, (struct engine_order){.verb = ENGINE_PROMOTE, .needs = needs});

    assert_string_equal(answer.sentence, "");
    assert_int_equal(answer.outcome, ENGINE_DONE);
}

static inline enum engine_outcome follow(struct member *m, const struct member *primary,
                                         enum engine_verb verb)
{
    return obey(m, (struct engine_order){.verb = verb, .primary = (uint32_t)primary->number + 1})
        .outcome;
}

static inline uint64_t append(struct member *m, struct bytes record)
{
    enum ledger_refusal why;

    return ledger_append(m->ledger, record, ++m->group->next_cookie, &why);
}

static inline void append_many(struct member *m, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char text[64];

        snprintf(text, sizeof text, "record %u of epoch %llu", i,
                 (unsigned long long)m->group->epoch);
        assert_int_not_equal(append(m, bytes_of_string(text)), 0);
    }
}

static inline uint64_t committed(struct member *m)
{
    return ledger_view(m->ledger)->committed;
}

static inline bool all_have(struct group *g, uint64_t position)
{
    for (int i = 0; i < NODES; i++)
        if (g->members[i].ledger && ledger_view(g->members[i].ledger)->executed < position)
            return false;
    return true;
}

/* The first leads, the others follow. */
static inline void lead(struct group *g, int primary, struct engine_needs needs)
{
    g->epoch++;
    promote(&g->members[primary], needs);
    for (int i = 0; i < NODES; i++)
        if (i != primary && g->members[i].ledger)
            assert_int_equal(follow(&g->members[i], &g->members[primary], ENGINE_FOLLOW),
                             ENGINE_DONE);
}

static inline void assert_alike(struct group *g)
{
    struct ledger_view first = *ledger_view(g->members[0].ledger);

    for (int i = 0; i < NODES; i++) {
        const struct ledger_view *view = ledger_view(g->members[i].ledger);

        assert_int_equal(view->executed, first.executed);
        assert_int_equal(view->hash, first.hash);
        assert_int_equal(g->members[i].wrong_order, 0);
        assert_false(view->diverged);
    }
}
