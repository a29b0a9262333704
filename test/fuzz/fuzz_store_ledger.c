/*
 * A member's store says anything to another one: the real ledger behind real links, in a simulated network. Whatever comes, no claim of the ledger fails, its disk is not given up
 * for it, and what it executes it executes in order.
 *
 * The first byte is what the ledger was ordered. Then frames: type 1, what is set right in it 1 (so that it goes further), length 2, bytes; type 0: time passes.
 */
#include "fuzz.h"

#include "base/pack.h"
#include "disk_sim.h"
#include "loop_sim.h"
#include "network.h"
#include "peer/peer.h"
#include "store/ledger_core.h"
#include "wal/wal.h"

#include <stdlib.h>
#include <string.h>

enum {
    PORT = 7600,
    LINK_MS = 3000,
    PAUSE_MS = 60,
    LOOKED_AT_MAX = 4096,
    TYPES = 10,      /* of frames, and one more */
    SESSION_AT = 24, /* in a message of the core */
    DISK_BYTES = 8 << 20,
    CORE = 1,
    PIECE = 2,
    COPY_BEGIN = 4,
};

static const char group[] = "fuzz/store";

struct two {
    struct sim_world world;
    struct disk_sim disk;
    struct ledger *ledger;
    struct peers *peers;
    int listeners[2];
    bool up, closed, peers_closed;
    uint64_t session, executed, installed;
    struct ledger_point copy;
};

/* ---- the ledger's owner ---- */

static uint64_t on_execute(void *context, struct position position, struct bytes record,
                           uint64_t cookie)
{
    struct two *two = context;

    (void)cookie;
    must(record.len > 0 && position.offset == two->executed + 1);
    two->executed = position.offset;
    return 0;
}

static void on_cookie(void *context, uint64_t cookie)
{
    (void)context;
    must(cookie != 0);
}

static void on_nothing(void *context)
{
    (void)context;
}

static void on_answered(void *context, const struct engine_answer *answer)
{
    (void)context;
    must(answer->outcome == ENGINE_DONE || answer->sentence[0]);
}

static void on_epoch_record(void *context, struct position position, struct buf *out)
{
    (void)context;
    buf_print(out, "epoch %llu", (unsigned long long)position.epoch);
}

static bool on_may_act(void *context)
{
    (void)context;
    return true;
}

static void on_linked(void *context, uint32_t member, bool up)
{
    (void)context;
    (void)up;
    must(member == 2);
}

static void on_message(void *context, uint32_t member, struct bytes bytes)
{
    (void)context;
    must(member == 2 && bytes.len <= LEDGER_MESSAGE_MAX);
}

static void on_snapshot_wanted(void *context, uint32_t transfer, uint32_t member)
{
    struct two *two = context;

    (void)member;
    ledger_snapshot_abort(two->ledger, transfer, "there is none");
}

static void on_snapshot(void *context, uint32_t transfer)
{
    (void)context;
    must(transfer != 0);
}

static void on_snapshot_ended(void *context, uint32_t transfer, bool installed)
{
    (void)context;
    (void)installed;
    must(transfer != 0);
}

static void on_copy_begun(void *context, struct ledger_point point, uint64_t bytes)
{
    (void)bytes;
    ((struct two *)context)->copy = point;
}

static void on_copy_piece(void *context, struct bytes piece)
{
    ledger_copy_took(((struct two *)context)->ledger, piece.len);
}

static void on_copy_complete(void *context)
{
    struct two *two = context;

    two->executed = two->copy.position.offset;
    ledger_copy_installed(two->ledger);
}

static void on_failed(void *context, const struct err *err)
{
    (void)context;
    fprintf(stderr, "%s\n", err->text);
    never("it gives its disk up for what another member said");
}

static void on_stranger(void *context, const char *sentence)
{
    (void)context;
    must(sentence[0]);
}

static void on_closed(void *context)
{
    ((struct two *)context)->closed = true;
}

static const struct ledger_events owner = {
    .execute = on_execute,
    .executed = on_nothing,
    .unknown = on_cookie,
    .state = on_nothing,
    .roomy = on_nothing,
    .answered = on_answered,
    .epoch_record = on_epoch_record,
    .may_act = on_may_act,
    .linked = on_linked,
    .message = on_message,
    .snapshot_wanted = on_snapshot_wanted,
    .snapshot_roomy = on_snapshot,
    .snapshot_ended = on_snapshot_ended,
    .copy_begun = on_copy_begun,
    .copy_piece = on_copy_piece,
    .copy_complete = on_copy_complete,
    .copy_aborted = on_nothing,
    .failed = on_failed,
    .stranger = on_stranger,
    .closed = on_closed,
};

/* ---- the other one ---- */

static void on_up(void *context, uint32_t peer, struct bytes hello, uint16_t version)
{
    (void)peer;
    (void)hello;
    (void)version;
    ((struct two *)context)->up = true;
}

static void on_down(void *context, uint32_t peer, enum peer_why why, const char *sentence)
{
    (void)peer;
    (void)why;
    (void)sentence;
    ((struct two *)context)->up = false;
}

/* What it asks for is in the name of a session. */
static void on_received(void *context, uint32_t peer, uint16_t type, struct bytes body)
{
    struct unpack in = unpack_of(body);
    struct ledger_message message;

    (void)peer;
    if (type == CORE && ledger_message_decode(&in, &message) && message.session != 0)
        ((struct two *)context)->session = message.session;
}

static void on_refused(void *context, uint32_t peer, uint32_t path, int error)
{
    (void)context;
    (void)peer;
    (void)path;
    (void)error;
}

static void on_turned_away(void *context, const char *sentence, uint32_t unsaid)
{
    (void)context;
    (void)unsaid;
    must(sentence[0]);
}

static void on_peers_closed(void *context)
{
    ((struct two *)context)->peers_closed = true;
}

static const struct peers_events other = {
    .up = on_up,
    .down = on_down,
    .received = on_received,
    .refused = on_refused,
    .stranger = on_turned_away,
    .closed = on_peers_closed,
};

/* ---- both ---- */

static void pass(struct two *two, int64_t ms)
{
    int64_t until = two->world.now + ms * NS_PER_MS;

    while (sim_step(&two->world, until)) {
    }
}

static struct address address_of(struct two *two, uint32_t host)
{
    struct address address = two->world.host[host].address;

    address.port = PORT;
    return address;
}

static void begin_ledger(struct two *two)
{
    struct ledger_member member = {
        .id = 2, .place = {.name = "bert", .addresses = {address_of(two, 1)}, .count = 1}};
    struct ledger_options options = {.loop = two->world.host[0].loop,
                                     .disk = &two->disk.disk,
                                     .group = group,
                                     .self = 1,
                                     .name = "anna",
                                     .seed = 3,
                                     .listeners = &two->listeners[0],
                                     .listener_count = 1,
                                     .members = &member,
                                     .member_count = 1,
                                     .segment_bytes = 32 << 10,
                                     .retain_bytes = 64 << 10,
                                     .events = &owner,
                                     .context = two};
    struct err err;

    must(ledger_open(&two->ledger, &options, &err));
}

static void begin_other(struct two *two)
{
    struct peer_place place = {.name = "anna", .addresses = {address_of(two, 0)}, .count = 1};
    struct peers_options options = {.loop = two->world.host[1].loop,
                                    .cluster = group,
                                    .node = "bert",
                                    .seed = 4,
                                    .handshake_ms = LINK_MS,
                                    .connect_ms = LINK_MS,
                                    .silence_ms = LINK_MS,
                                    .retry_ms = 10,
                                    .retry_max_ms = 10,
                                    .version_low = 1,
                                    .version_high = 1,
                                    .events = &other,
                                    .context = two};
    struct err err;

    must(peers_open(&two->peers, &options, &err));
    peers_listen(two->peers, &two->listeners[1], 1);
    peers_configure(two->peers, &place, 1);
}

static void order(struct two *two, uint8_t byte)
{
    static const enum engine_verb verbs[] = {ENGINE_FOLLOW, ENGINE_COPY, ENGINE_PROMOTE,
                                             ENGINE_REWIND, ENGINE_PROMISE};
    struct engine_order order = {
        .verb = verbs[byte % ARRAY_LEN(verbs)], .epoch = 1, .timeout_ms = 1000};

    if (order.verb == ENGINE_PROMOTE) {
        order.needs.mode = byte & 0x80 ? GROUP_ASYNC : GROUP_SYNC;
        order.needs.members = (struct life_set){.lives = {{2, 1}}, .count = 1};
    } else if (order.verb != ENGINE_PROMISE) {
        order.primary = 2;
    }
    ledger_order(two->ledger, &order);
}

/* ---- frames ---- */

static void put(struct buf *body, size_t at, uint64_t number, size_t len)
{
    for (size_t i = 0; i < len && at + i < body->len; i++)
        body->at[at + i] = (uint8_t)(number >> 8 * i);
}

static void set_right(struct two *two, uint8_t type, uint8_t what, struct buf *body)
{
    if (type >= COPY_BEGIN && what & 1) {
        put(body, 0, two->session, 8);
        put(body, 8, 1, what & 2 && type == COPY_BEGIN ? 8 : 0);
    }
    if (type != CORE && type != PIECE)
        return;
    if (what & 1) {
        put(body, 2, 1, 2);
        put(body, 4, 2, 4);
        put(body, 8, 1, 4);
        put(body, 12, 0, 4);
        put(body, 16, 1, 8);
    }
    if (what & 2)
        put(body, SESSION_AT, two->session, 8);
    if (what & 4)
        put(body, 0, LEDGER_RECORDS, 2);
}

static void say(struct two *two, uint8_t type, uint8_t what, struct bytes bytes)
{
    struct buf body;

    buf_init(&body, LOOKED_AT_MAX);
    buf_add(&body, bytes);
    set_right(two, type, what, &body);
    /* Not taken: the link is down, or too much waits. */
    (void)!peers_send(two->peers, peers_find(two->peers, "anna"), type, buf_bytes(&body));
    buf_fini(&body);
    if (what & 8) {
        enum ledger_refusal why;

        (void)ledger_append(two->ledger, BYTES("a record"), 7, &why);
    }
}

static void converse(struct two *two, struct bytes input)
{
    struct unpack in = unpack_of(input);

    while (!in.bad && in.left.len > 0) {
        uint8_t type = unpack_u8(&in), what = unpack_u8(&in);
        uint16_t len = unpack_u16(&in);

        if (type % TYPES == 0 || what & 16)
            pass(two, PAUSE_MS);
        if (type % TYPES != 0)
            say(two, type % TYPES, what,
                bytes_take(in.left, len < in.left.len ? len : in.left.len));
        in.left = bytes_skip(in.left, len < in.left.len ? len : in.left.len);
    }
    pass(two, PAUSE_MS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct two *two = calloc(1, sizeof *two);
    struct bytes input = bytes_take(bytes_of(data, size), LOOKED_AT_MAX);

    must(two);
    sim_world_init(&two->world, 1, 2, NULL);
    disk_sim_init(&two->disk, 2, DISK_BYTES);
    for (uint32_t i = 0; i < 2; i++) {
        sim_loop_open(&two->world.host[i]);
        two->listeners[i] = sim_listen(&two->world.host[i], PORT);
    }
    begin_ledger(two);
    begin_other(two);
    for (int i = 0; i < LINK_MS / 10 && !two->up; i++)
        pass(two, 10);
    must(two->up);
    order(two, size ? data[0] : 0);
    pass(two, PAUSE_MS);
    converse(two, bytes_skip(input, size > 0));
    ledger_close(two->ledger);
    peers_close(two->peers, false);
    for (int i = 0; i < LINK_MS / 10 && !(two->closed && two->peers_closed); i++)
        pass(two, 10);
    must(two->closed && two->peers_closed);
    for (uint32_t i = 0; i < 2; i++) {
        sim_unlisten(&two->world.host[i], two->listeners[i]);
        sim_loop_close(&two->world.host[i]);
    }
    sim_world_fini(&two->world);
    disk_sim_fini(&two->disk);
    free(two);
    return 0;
}
