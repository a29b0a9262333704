/*
 * What is decoded encodes to the same bytes, and a core that is told it, in any order and between any events, keeps its invariants: nothing
 * that a peer can say aborts it.
 */
#include "fuzz.h"

#include "consensus/encoding.h"

#include <string.h>

enum { SELF = 1, FRAME_MAX = 64 * 1024 };

enum event {
    EVENT_TICK,
    EVENT_DISK_DONE,
    EVENT_DISK_FULL,
    EVENT_LOST,
    EVENT_PROPOSE,
    EVENT_CHANGE,
    EVENT_CONFIRM,
    EVENT_TRANSFER,
    EVENT_TILT,
    EVENT_SAVE,
    EVENT_FETCHED,
    EVENT_MESSAGE, /* and all above */
};

struct scene {
    struct raft raft;
    struct raft_actions actions;
    struct instant now;
    uint64_t ticket;
};

static struct scene scene;
static struct raft_entry entries[RAFT_BATCH_MAX];
static struct bytes bodies[RAFT_BATCH_MAX];
static struct err err;

static bool same_again(struct bytes frame, struct raft_message *message)
{
    static uint8_t storage[FRAME_MAX];
    struct buf out;

    if (frame.len > FRAME_MAX || !raft_decode(frame, message, entries, bodies, &err))
        return false;
    buf_over(&out, storage, sizeof storage);
    must(raft_encode(&out, message, entries, bodies, FRAME_MAX) == message->count);
    must(bytes_equal(buf_bytes(&out), frame));
    return true;
}

static void config_again(struct bytes all)
{
    uint8_t storage[RAFT_CONFIG_BYTES_MAX];
    struct raft_config config;
    struct bytes rest = all;
    struct buf out;

    if (!raft_decode_config(&rest, &config, &err))
        return;
    buf_over(&out, storage, sizeof storage);
    raft_encode_config(&out, &config);
    must(bytes_equal(buf_bytes(&out), bytes_take(all, all.len - rest.len)));
}

static void begin(void)
{
    const struct raft_options options = {
        .self = SELF, .seed = 1, .heartbeat_ns = 100 * NS_PER_MS, .election_ns = NS_PER_S};
    const struct raft_restored restored = {
        .term = 1,
        .snapshot_index = 1,
        .snapshot_term = 1,
        .last = 1,
        .snapshot_config = {.count = 3,
                            .members = {{1, RAFT_VOTER}, {2, RAFT_VOTER}, {3, RAFT_WITNESS}}}};

    memset(&scene, 0, sizeof scene);
    raft_init(&scene.raft, &options, &restored, scene.now);
}

static void disk(bool full)
{
    uint64_t ticket = scene.ticket;

    scene.ticket = 0;
    if (ticket == 0)
        return;
    if (full)
        raft_disk_full(&scene.raft, ticket, scene.now);
    else
        raft_persisted(&scene.raft, ticket, scene.now);
}

static void fetched(uint8_t argument)
{
    struct raft *raft = &scene.raft;
    const struct raft_config config = raft->config;

    if (raft->fetch_from == 0)
        return;
    if (argument % 4 == 0 || raft->fetch_term > raft->term)
        raft_snapshot_failed(raft, raft->fetch_from);
    else
        raft_snapshot_installed(raft, raft->fetch_index, raft->fetch_term, &config, scene.now);
}

static void save(uint8_t argument)
{
    struct raft *raft = &scene.raft;
    uint64_t index = raft->applied < raft->stored ? raft->applied : raft->stored;
    uint64_t from = index + 1 > argument % 4 ? index + 1 - argument % 4 : 1;

    if (index >= raft->snapshot_index)
        raft_snapshot_saved(raft, index, from < raft->first ? raft->first : from);
}

static void message_arrives(struct bytes *all, uint8_t length)
{
    size_t size = RAFT_MESSAGE_BYTES + (size_t)length;
    struct bytes frame = bytes_take(*all, size);
    struct raft_message message;
    uint32_t taken;

    *all = bytes_skip(*all, frame.len);
    if (!same_again(frame, &message))
        return;
    message.to = SELF;
    raft_receive(&scene.raft, &message, scene.now, &taken);
    must(taken <= message.count);
}

static void happens(uint8_t event, uint8_t argument, struct bytes *all)
{
    struct raft_change change = {argument & 1, (argument >> 1) % 3, 1 + (argument >> 3)};
    uint64_t index;

    switch (event) {
    case EVENT_TICK:
        scene.now = after_ms(scene.now, argument * 10);
        raft_tick(&scene.raft, scene.now);
        break;
    case EVENT_DISK_DONE:
    case EVENT_DISK_FULL:
        disk(event == EVENT_DISK_FULL);
        break;
    case EVENT_LOST:
        raft_peer_lost(&scene.raft, argument, scene.now);
        break;
    case EVENT_PROPOSE:
        (void)raft_propose(&scene.raft, scene.now, &index);
        break;
    case EVENT_CHANGE:
        (void)raft_change(&scene.raft, &change, scene.now, &index);
        break;
    case EVENT_CONFIRM:
        (void)raft_confirm(&scene.raft, argument, scene.now);
        break;
    case EVENT_TRANSFER:
        (void)raft_transfer(&scene.raft, argument, scene.now);
        break;
    case EVENT_TILT:
        raft_tilt(&scene.raft, argument & 1, scene.now);
        break;
    case EVENT_SAVE:
        save(argument);
        break;
    case EVENT_FETCHED:
        fetched(argument);
        break;
    default:
        message_arrives(all, argument);
        break;
    }
}

static void turn(void)
{
    raft_ready(&scene.raft, scene.now, &scene.actions);
    if (scene.actions.persist.ticket != 0)
        scene.ticket = scene.actions.persist.ticket;
    raft_applied(&scene.raft, scene.actions.commit);
    must(raft_next_deadline(&scene.raft).ns > 0);
}

/* Each event is a byte and an argument; the high bit asks for a turn after it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes all = bytes_of(data, size);
    struct raft_message message;

    (void)same_again(all, &message);
    config_again(all);
    begin();
    while (all.len >= 2) {
        uint8_t event = all.at[0], argument = all.at[1];

        all = bytes_skip(all, 2);
        happens(event & 0x7f, argument, &all);
        if (event & 0x80)
            turn();
    }
    turn();
    return 0;
}
