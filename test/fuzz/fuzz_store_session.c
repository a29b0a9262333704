/*
 * A client of the store says anything, whole or byte by byte: the replies are the same, nothing is left of it when it has gone, and messages of other members that are
 * anything do no harm. What tells of buffers and of how many bytes came (CLIENT, INFO) is not compared.
 */
#include "fuzz.h"
#include "store/session.h"
#include "store/space.h"

#include <stdlib.h>
#include <string.h>

enum { RECORDS_MAX = 4096, LOOKED_AT_MAX = 8192, REPLIES_MAX = 64 << 20 };

struct world {
    struct desk desk;
    struct session session;
    struct ledger_view view;
    struct buf log, replies;
    struct {
        size_t at, len;
        uint64_t cookie;
    } records[RECORDS_MAX];
    uint32_t count, executed;
};

static uint64_t append(void *context, struct bytes record, uint64_t cookie,
                       enum ledger_refusal *why)
{
    struct world *w = context;

    *why = w->count < RECORDS_MAX ? LEDGER_TAKEN : LEDGER_DISK_FULL;
    if (w->count == RECORDS_MAX)
        return 0;
    w->records[w->count].at = w->log.len;
    w->records[w->count].len = record.len;
    w->records[w->count].cookie = cookie;
    buf_add(&w->log, record);
    must(!w->log.full);
    return ++w->count;
}

static bool send_to(void *context, uint32_t member, struct bytes bytes)
{
    (void)context;
    must(member > 0 && bytes.len <= LEDGER_MESSAGE_MAX);
    return true;
}

static const struct ledger_view *look(void *context)
{
    return &((struct world *)context)->view;
}

static bool may_act(void *context)
{
    (void)context;
    return true;
}

static void status(void *context, struct engine_status *into)
{
    (void)context;
    *into = (struct engine_status){.role = ENGINE_PRIMARY, .epoch = 1};
}

static void begin(struct world *w)
{
    static const struct space_options space_options = {.seed = 3};
    struct err err;
    struct desk_options options = {.log = {w, append, send_to, look, may_act, status},
                                   .settings = {.clients_max = 2,
                                                .hold_ms = 10,
                                                .out_max = SESSION_OUT_MAX,
                                                .bound_ms = 500,
                                                .group = "g",
                                                .self = "a",
                                                .directory = "/"},
                                   .seed = 5,
                                   .now_ms = 1,
                                   .wall_ms = 1700000000000,
                                   .sessions_max = 2};

    memset(w, 0, sizeof *w);
    w->view = (struct ledger_view){
        .role = ENGINE_PRIMARY, .writable = true, .established = true, .epoch = 1, .primary = 1};
    buf_init(&w->log, REPLIES_MAX);
    buf_init(&w->replies, REPLIES_MAX);
    options.space = space_open(&space_options);
    must(desk_open(&w->desk, &options, &err));
    must(session_open(&w->desk, &w->session, "c", "s"));
}

static void end(struct world *w)
{
    struct space *space = w->desk.execution.space;

    session_close(&w->desk, &w->session);
    must(w->desk.session_count == 0 && w->desk.bytes == 0);
    must(pubsub_is_idle(w->desk.pubsub));
    desk_close(&w->desk);
    space_close(space);
    buf_fini(&w->log);
    buf_fini(&w->replies);
}

/* Commits, and reads what is replied, until nothing more comes of it. */
static void settle(struct world *w)
{
    bool more = true;

    while (more) {
        more = w->executed < w->count || w->session.out.len > 0;
        for (; w->executed < w->count; w->executed++) {
            w->view.executed = w->executed + 1;
            (void)desk_execute(
                &w->desk, (struct position){1, w->executed + 1},
                bytes_of(w->log.at + w->records[w->executed].at, w->records[w->executed].len),
                w->records[w->executed].cookie);
        }
        desk_executed(&w->desk);
        must(w->session.out.len <= SESSION_OUT_MAX);
        buf_add(&w->replies, buf_bytes(&w->session.out));
        buf_clear(&w->session.out);
        session_drained(&w->desk, &w->session, 0);
    }
}

static bool tells_of_buffers(struct bytes bytes)
{
    for (size_t at = 0; at < bytes.len; at++)
        if (bytes_equal_nocase(bytes_take(bytes_skip(bytes, at), 4), BYTES("clie")) ||
            bytes_equal_nocase(bytes_take(bytes_skip(bytes, at), 4), BYTES("info")))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world whole, cut;
    struct bytes bytes = bytes_of(data, size < LOOKED_AT_MAX ? size : LOOKED_AT_MAX);

    begin(&whole);
    session_feed(&whole.desk, &whole.session, bytes);
    settle(&whole);
    begin(&cut);
    for (size_t at = 0; at < bytes.len; at++) {
        session_feed(&cut.desk, &cut.session, bytes_of(bytes.at + at, 1));
        settle(&cut);
    }
    if (!tells_of_buffers(bytes)) {
        must(whole.session.closing == cut.session.closing);
        must(bytes_equal(buf_bytes(&whole.replies), buf_bytes(&cut.replies)));
        must(whole.count == cut.count);
    }
    /* The same bytes as a message, and as an answer to what is under way. */
    desk_message(&whole.desk, 2, bytes);
    settle(&whole);
    whole.view.role = ENGINE_SECONDARY;
    whole.view.primary = 2;
    session_feed(&whole.desk, &whole.session, BYTES("\r\nSET k v\r\nGET k\r\n"));
    desk_message(&whole.desk, 2, bytes);
    desk_linked(&whole.desk, 2, false);
    whole.desk.now_ms += 100000;
    (void)desk_tick(&whole.desk);
    end(&whole);
    end(&cut);
    return 0;
}
