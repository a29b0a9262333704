/*
 * The other members: links come and go, frames are told apart, owners' messages are a stream of lengths and bytes that is cut into frames.
 */
#include "store/drive_ledger.h"

#include "base/pack.h"

#include <stdio.h>

enum {
    SILENCE_MS = 3000,
    HANDSHAKE_MS = 5000,
    CONNECT_MS = 1000,
    CALL_MS = 100,
    CALL_MAX_MS = 1000
};

struct ledger_place *ledger_place_of(struct ledger *l, uint32_t member)
{
    for (uint32_t i = 0; i < LEDGER_MEMBERS_MAX; i++)
        if (l->places[i].member == member && member != 0)
            return &l->places[i];
    return NULL;
}

static struct ledger_place *place_at(struct ledger *l, uint32_t peer)
{
    for (uint32_t i = 0; i < LEDGER_MEMBERS_MAX; i++)
        if (l->places[i].member != 0 && l->places[i].peer == peer)
            return &l->places[i];
    return NULL;
}

void ledger_links_broken(struct ledger *l, const struct ledger_place *place, const char *why)
{
    peers_break(l->peers, place->peer, why);
}

/* ---- out ---- */

void ledger_links_send(struct ledger *l, const struct ledger_message *message)
{
    struct ledger_place *place = ledger_place_of(l, message->to);

    if (!place || !place->up)
        return;
    buf_clear(&l->frame);
    ledger_message_encode(&l->frame, message);
    if (message->type == LEDGER_FOLLOW)
        history_encode(&l->frame, &l->core.history);
    if (message->type == LEDGER_CONFIRM)
        pack_u64(&l->frame, ledger_ship_taken(l));
    must(!l->frame.full);
    /* Lost, as the network might: all of them are said again. */
    (void)!peers_send(l->peers, place->peer, FRAME_CORE, buf_bytes(&l->frame));
}

static void drop_sent(struct ledger_place *place)
{
    if (place->out_at == place->out.len) {
        buf_clear(&place->out);
        place->out_at = 0;
    } else if (place->out_at > LEDGER_OUT_MAX / 4) {
        buf_drop(&place->out, place->out_at);
        place->out_at = 0;
    }
}

void ledger_links_flush(struct ledger *l)
{
    for (uint32_t i = 0; i < LEDGER_MEMBERS_MAX; i++) {
        struct ledger_place *place = &l->places[i];

        if (place->member == 0 || !place->up || place->out.len == 0)
            continue;
        while (place->out_at < place->out.len) {
            struct bytes piece =
                bytes_take(bytes_skip(buf_bytes(&place->out), place->out_at), LEDGER_PLACE_BYTES);

            if (!peers_send(l->peers, place->peer, FRAME_OWNER, piece)) {
                ledger_again(l, LEDGER_RETRY_MS);
                break;
            }
            place->out_at += piece.len;
        }
        drop_sent(place);
    }
}

bool ledger_send(struct ledger *l, uint32_t member, struct bytes bytes)
{
    struct ledger_place *place = ledger_place_of(l, member);

    if (!place || !place->up || bytes.len > LEDGER_MESSAGE_MAX || l->closing || l->failed ||
        place->out.len - place->out_at + 4 + bytes.len > LEDGER_OUT_MAX)
        return false;
    pack_u32(&place->out, (uint32_t)bytes.len);
    buf_add(&place->out, bytes);
    must(!place->out.full);
    ledger_stir(l);
    return true;
}

bool ledger_is_linked(struct ledger *l, uint32_t member)
{
    const struct ledger_place *place = ledger_place_of(l, member);

    return place && place->up;
}

/* ---- in ---- */

/* How many bytes were whole messages. */
static size_t hand_over(struct ledger *l, struct ledger_place *place, struct bytes bytes)
{
    size_t used = 0;

    while (bytes.len - used >= 4) {
        struct unpack in = unpack_of(bytes_skip(bytes, used));
        uint32_t len = unpack_u32(&in);
        uint32_t member = place->member;

        if (len > LEDGER_MESSAGE_MAX) {
            ledger_links_broken(l, place, "it sent a message that is too long");
            return bytes.len;
        }
        if (in.left.len < len)
            break;
        used += 4 + len;
        l->events->message(l->context, member, bytes_take(in.left, len));
        if (place->member != member || l->closing)
            return bytes.len;
    }
    return used;
}

static void take_owners(struct ledger *l, struct ledger_place *place, struct bytes body)
{
    uint32_t member = place->member;
    size_t used;

    if (place->in.len == 0)
        body = bytes_skip(body, hand_over(l, place, body));
    if (body.len == 0 || place->member != member)
        return;
    buf_add(&place->in, body);
    if (place->in.full) {
        ledger_links_broken(l, place, "it sent a message that is too long");
        return;
    }
    used = hand_over(l, place, buf_bytes(&place->in));
    /* In an event of the owner the member may have gone. */
    if (place->member == member)
        buf_drop(&place->in, used);
}

static bool take_trailer(struct ledger *l, struct ledger_place *place, struct unpack *in,
                         struct ledger_message *message, struct history *theirs)
{
    if (message->type == LEDGER_FOLLOW)
        return history_decode(in, theirs) && unpack_ended(in) && theirs->end == message->end;
    if (message->type == LEDGER_CONFIRM)
        ledger_ship_took(l, place, unpack_u64(in));
    return unpack_ended(in);
}

static void take_core(struct ledger *l, struct ledger_place *place, struct bytes body)
{
    struct unpack in = unpack_of(body);
    struct ledger_message message;
    struct history theirs;
    uint64_t taken;

    if (!ledger_message_decode(&in, &message) || message.from != place->member ||
        message.to != l->options.self) {
        ledger_links_broken(l, place, "it sent a message that is none");
        return;
    }
    if (message.type == LEDGER_RECORDS) {
        ledger_ship_take(l, place, &message, in.left);
        return;
    }
    if (!take_trailer(l, place, &in, &message, &theirs)) {
        ledger_links_broken(l, place, "it sent a message that is none");
        return;
    }
    ledger_core_receive(&l->core, &message, message.type == LEDGER_FOLLOW ? &theirs : NULL,
                        loop_now(l->loop), &taken);
    if (message.type == LEDGER_COPY)
        ledger_copy_asked(l, place, &message);
}

static void on_received(void *context, uint32_t peer, uint16_t type, struct bytes body)
{
    struct ledger *l = context;
    struct ledger_place *place = place_at(l, peer);

    if (!place || l->failed || l->closing)
        return;
    switch (type) {
    case FRAME_CORE:
        take_core(l, place, body);
        break;
    case FRAME_PIECE:
        ledger_ship_take_piece(l, place, body);
        break;
    case FRAME_OWNER:
        take_owners(l, place, body);
        break;
    default:
        ledger_copy_frame(l, place, type, body);
        break;
    }
    ledger_stir(l);
}

/* ---- links ---- */

static void set_up(struct ledger *l, uint32_t peer, bool up)
{
    struct ledger_place *place = place_at(l, peer);

    if (!place || l->closing)
        return;
    place->up = up;
    place->stalled = false;
    place->session = 0;
    place->out_at = 0;
    buf_clear(&place->out);
    buf_clear(&place->in);
    if (!up)
        ledger_copy_link_down(l, place);
    ledger_core_link(&l->core, place->member, up);
    ledger_stir(l);
    if (!l->failed)
        l->events->linked(l->context, place->member, up);
}

static void on_up(void *context, uint32_t peer, struct bytes hello, uint16_t version)
{
    (void)hello;
    (void)version;
    set_up(context, peer, true);
}

static void on_down(void *context, uint32_t peer, enum peer_why why, const char *sentence)
{
    (void)why;
    (void)sentence;
    set_up(context, peer, false);
}

static void on_refused(void *context, uint32_t peer, uint32_t path, int error)
{
    (void)context;
    (void)peer;
    (void)path;
    (void)error;
}

static void on_stranger(void *context, const char *sentence, uint32_t unsaid)
{
    struct ledger *l = context;

    (void)unsaid;
    if (!l->closing)
        l->events->stranger(l->context, sentence);
}

static void on_closed(void *context)
{
    struct ledger *l = context;

    l->peers = NULL;
    ledger_stir(l);
}

static const struct peers_events peers_events = {
    .up = on_up,
    .down = on_down,
    .received = on_received,
    .refused = on_refused,
    .stranger = on_stranger,
    .closed = on_closed,
};

bool ledger_links_open(struct ledger *l, struct err *err)
{
    const struct peers_options options = {
        .loop = l->loop,
        .cluster = l->group,
        .node = l->name,
        .tls = l->options.tls,
        .seed = l->options.seed,
        .handshake_ms = HANDSHAKE_MS,
        .connect_ms = CONNECT_MS,
        .silence_ms = l->options.silence_ms ? l->options.silence_ms : SILENCE_MS,
        .retry_ms = CALL_MS,
        .retry_max_ms = CALL_MAX_MS,
        .version_low = 1,
        .version_high = 1,
        .events = &peers_events,
        .context = l,
    };

    buf_init(&l->frame, LEDGER_FRAME_BYTES + HISTORY_BYTES_MAX + 1024);
    buf_init(&l->assembly, LEDGER_RECORD_MAX);
    if (!peers_open(&l->peers, &options, err))
        return false;
    peers_listen(l->peers, l->options.listeners, l->options.listener_count);
    return true;
}

static void free_place(struct ledger *l, struct ledger_place *place)
{
    ledger_copy_link_down(l, place);
    buf_fini(&place->out);
    buf_fini(&place->in);
    *place = (struct ledger_place){0};
}

static bool is_among(const struct ledger_member *members, uint32_t count, uint32_t id)
{
    for (uint32_t i = 0; i < count; i++)
        if (members[i].id == id)
            return true;
    return false;
}

static struct ledger_place *new_place(struct ledger *l, uint32_t member)
{
    for (uint32_t i = 0; i < LEDGER_MEMBERS_MAX; i++) {
        struct ledger_place *place = &l->places[i];

        if (place->member != 0)
            continue;
        place->member = member;
        buf_init(&place->out, 2 * (size_t)LEDGER_OUT_MAX);
        buf_init(&place->in, LEDGER_MESSAGE_MAX + LEDGER_PLACE_BYTES + 4);
        return place;
    }
    never("more members than places");
}

void ledger_links_configure(struct ledger *l, const struct ledger_member *members, uint32_t count)
{
    struct peer_place places[LEDGER_MEMBERS_MAX];
    uint32_t ids[LEDGER_MEMBERS_MAX];

    must(count < LEDGER_MEMBERS_MAX);
    for (uint32_t i = 0; i < LEDGER_MEMBERS_MAX; i++)
        if (l->places[i].member != 0 && !is_among(members, count, l->places[i].member))
            free_place(l, &l->places[i]);
    for (uint32_t i = 0; i < count; i++) {
        places[i] = members[i].place;
        ids[i] = members[i].id;
    }
    peers_configure(l->peers, places, count);
    for (uint32_t i = 0; i < count; i++) {
        struct ledger_place *place = ledger_place_of(l, ids[i]);

        if (!place)
            place = new_place(l, ids[i]);
        place->peer = peers_find(l->peers, places[i].name);
    }
    ledger_core_members(&l->core, ids, count);
}
