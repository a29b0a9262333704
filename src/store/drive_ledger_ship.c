/*
 * Records on their way: what the core lets be shipped is packed into frames, as far as a follower's window and its link take them, and
 * unpacked there. A record that is longer than a frame goes in pieces.
 *
 *    FRAME_CORE with RECORDS: the message; each record: length 4, bytes
 *    FRAME_PIECE: the message of that one record; its length 4, where these bytes belong 4, bytes
 */
#include "store/drive_ledger.h"

#include "base/pack.h"

enum { CONFIRM_PIECES = 512 << 10 }; /* bytes of pieces after which they are confirmed */

/* ---- out ---- */

static void forget_session(struct ledger_place *place, const struct ledger_follower *follower)
{
    if (place->session == follower->session)
        return;
    place->session = follower->session;
    place->shipped = place->took = place->piece = 0;
}

/* Not monotonic: what has come in pieces counts as on its way again until it is durable. */
static uint64_t window(const struct ledger_place *place)
{
    uint64_t under_way = place->shipped > place->took ? place->shipped - place->took : 0;

    return under_way < LEDGER_WINDOW_BYTES ? LEDGER_WINDOW_BYTES - under_way : 0;
}

static void write_head(struct ledger *l, const struct ledger_message *message)
{
    struct buf head;

    buf_over(&head, l->frame.at, LEDGER_MESSAGE_BYTES);
    ledger_message_encode(&head, message);
    must(!head.full && head.len == LEDGER_MESSAGE_BYTES);
}

static void begin_frame(struct ledger *l)
{
    buf_clear(&l->frame);
    must(buf_space(&l->frame, LEDGER_FRAME_BYTES + 1024));
    buf_grew(&l->frame, LEDGER_MESSAGE_BYTES);
}

static bool send_frame(struct ledger *l, struct ledger_place *place, enum ledger_frame type)
{
    must(!l->frame.full);
    place->stalled = !peers_send(l->peers, place->peer, (uint16_t)type, buf_bytes(&l->frame));
    return !place->stalled;
}

static bool ship_piece(struct ledger *l, struct ledger_place *place,
                       struct ledger_follower *follower, struct ledger_message *message,
                       const struct tail_record *record)
{
    uint32_t at = (uint32_t)place->piece, left = record->len - at;
    uint32_t len = left < LEDGER_FRAME_BYTES ? left : LEDGER_FRAME_BYTES;

    message->count = 1;
    begin_frame(l);
    write_head(l, message);
    pack_u32(&l->frame, record->len);
    pack_u32(&l->frame, at);
    buf_add(&l->frame, bytes_of(record->at + at, len));
    if (!send_frame(l, place, FRAME_PIECE))
        return false;
    place->shipped += len;
    place->piece += len;
    if (len == left) {
        place->piece = 0;
        ledger_core_shipped(&l->core, follower, message->first, loop_now(l->loop));
    }
    return true;
}

/* So many records as fit, at least one, which does. */
static uint64_t pack_records(struct ledger *l, const struct ledger_message *message,
                             uint64_t *bytes)
{
    uint64_t count = 0, room = LEDGER_FRAME_BYTES;

    for (*bytes = 0; count < message->count; count++) {
        const struct tail_record *record = ledger_files_at(l, message->first + count);

        if (!record || record->len + 4u > room)
            break;
        pack_u32(&l->frame, record->len);
        buf_add(&l->frame, bytes_of(record->at, record->len));
        room -= record->len + 4u;
        *bytes += record->len;
    }
    return count;
}

static bool ship_frame(struct ledger *l, struct ledger_place *place,
                       struct ledger_follower *follower)
{
    uint64_t first = follower->sent + 1, bytes;
    const struct tail_record *record = ledger_files_at(l, first);
    struct ledger_message message;

    if (!record) {
        ledger_files_want(l, first);
        return false;
    }
    ledger_core_records(&l->core, follower, first, l->actions.ship_to, &message);
    message.lag_bytes = tail_after(&l->tail, first);
    if (record->len + 4u > LEDGER_FRAME_BYTES)
        return ship_piece(l, place, follower, &message, record);
    begin_frame(l);
    message.count = pack_records(l, &message, &bytes);
    write_head(l, &message);
    if (!send_frame(l, place, FRAME_CORE))
        return false;
    place->shipped += bytes;
    ledger_core_shipped(&l->core, follower, first + message.count - 1, loop_now(l->loop));
    return true;
}

void ledger_ship(struct ledger *l)
{
    bool stalled = false;

    for (uint32_t i = 0; i < l->core.follower_count; i++) {
        struct ledger_follower *follower = &l->core.followers[i];
        struct ledger_place *place = ledger_place_of(l, follower->member);

        if (!follower->attached || !place || !place->up)
            continue;
        forget_session(place, follower);
        while (follower->sent < l->actions.ship_to && window(place) > 0 &&
               ship_frame(l, place, follower)) {
        }
        stalled |= place->stalled && follower->sent < l->actions.ship_to;
    }
    if (stalled)
        ledger_again(l, LEDGER_RETRY_MS);
}

void ledger_ship_took(struct ledger *l, struct ledger_place *place, uint64_t took)
{
    const struct ledger_follower *follower = ledger_core_follower(&l->core, place->member);

    if (follower && follower->session == place->session)
        place->took = took;
}

/* ---- in ---- */

static void count_received(struct ledger *l, const struct ledger_message *message, uint64_t bytes)
{
    if (l->received_in != message->session) {
        l->received_in = message->session;
        l->received = 0;
        buf_clear(&l->assembly);
    }
    l->received += bytes;
}

uint64_t ledger_ship_taken(const struct ledger *l)
{
    uint64_t undurable = tail_after(&l->tail, l->core.durable);

    if (l->received_in != l->core.session || l->received < undurable)
        return 0;
    return l->received - undurable;
}

static bool next_record(struct unpack *in, struct bytes *record)
{
    uint32_t len = unpack_u32(in);

    *record = unpack_take(in, len);
    return !in->bad && len > 0;
}

/* All of them, and nothing else; *bytes: of all together. */
static bool are_records(const struct ledger *l, struct bytes records, uint64_t count,
                        uint64_t *bytes)
{
    struct unpack in = unpack_of(records);
    struct bytes record;

    *bytes = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (!next_record(&in, &record) || record.len > l->record_max)
            return false;
        *bytes += record.len;
    }
    return unpack_ended(&in);
}

static void keep_records(struct ledger *l, struct bytes records, uint64_t known, uint64_t taken)
{
    struct unpack in = unpack_of(records);
    struct bytes record;

    for (uint64_t i = 0; i < known + taken; i++) {
        must(next_record(&in, &record));
        if (i >= known)
            tail_put(&l->tail, record, 0);
    }
    must(l->tail.next == l->core.history.end + 1);
}

void ledger_ship_take(struct ledger *l, struct ledger_place *place,
                      const struct ledger_message *message, struct bytes records)
{
    uint64_t taken, bytes;

    if (message->count > LEDGER_FRAME_BYTES || !are_records(l, records, message->count, &bytes)) {
        ledger_links_broken(l, place, "it sent records that are none");
        return;
    }
    count_received(l, message, bytes);
    ledger_core_receive(&l->core, message, NULL, loop_now(l->loop), &taken);
    if (taken > 0)
        keep_records(l, records, message->count - taken, taken);
}

static void take_whole(struct ledger *l, const struct ledger_message *message)
{
    uint64_t taken;

    ledger_core_receive(&l->core, message, NULL, loop_now(l->loop), &taken);
    if (taken > 0)
        tail_put(&l->tail, buf_bytes(&l->assembly), 0);
    buf_clear(&l->assembly);
}

void ledger_ship_take_piece(struct ledger *l, struct ledger_place *place, struct bytes body)
{
    struct unpack in = unpack_of(body);
    struct ledger_message message;
    uint32_t len, at;

    if (!ledger_message_decode(&in, &message) || message.type != LEDGER_RECORDS ||
        message.count != 1 || message.from != place->member || message.to != l->options.self) {
        ledger_links_broken(l, place, "it sent a piece of a record that is none");
        return;
    }
    len = unpack_u32(&in);
    at = unpack_u32(&in);
    if (in.bad || len > l->record_max || at > len || in.left.len > len - at) {
        ledger_links_broken(l, place, "it sent a piece of a record that is none");
        return;
    }
    if (!l->core.attached || message.session != l->core.session)
        return;
    count_received(l, &message, in.left.len);
    if (l->assembly_at != message.first)
        buf_clear(&l->assembly);
    l->assembly_at = message.first;
    if (l->assembly.len != at)
        return;
    buf_add(&l->assembly, in.left);
    must(!l->assembly.full);
    if (l->assembly.len == len)
        take_whole(l, &message);
    else if (at / CONFIRM_PIECES != l->assembly.len / CONFIRM_PIECES)
        l->core.confirm_due = true;
}
