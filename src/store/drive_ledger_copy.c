/*
 * Snapshots: the owner's bytes go from a primary to a follower that was ordered to copy, as fast as the follower's owner takes them.
 *
 *    COPY_BEGIN session 8, epoch 8, hash 8, bytes 8 (estimated), the history up to the snapshot's position
 *    COPY_PIECE session 8, bytes        COPY_TOOK session 8, bytes that were taken so far 8
 *    COPY_END   session 8               COPY_DONE session 8
 *    COPY_ABORT session 8, a sentence; in either direction
 */
#include "store/drive_ledger.h"

#include "base/pack.h"

#include <stdio.h>

enum { TOOK_EVERY = 128 << 10 };

static void begin_frame(struct ledger *l, uint64_t session)
{
    buf_clear(&l->frame);
    pack_u64(&l->frame, session);
}

static bool send_frame(struct ledger *l, const struct ledger_place *place, enum ledger_frame type)
{
    must(!l->frame.full);
    return place->up && peers_send(l->peers, place->peer, (uint16_t)type, buf_bytes(&l->frame));
}

static void send_abort(struct ledger *l, const struct ledger_place *place, uint64_t session,
                       const char *sentence)
{
    begin_frame(l, session);
    buf_add_string(&l->frame, sentence);
    /* Lost: the other end asks again, or its link goes down. */
    (void)!send_frame(l, place, FRAME_COPY_ABORT);
}

/* ---- one that goes out ---- */

static struct ledger_place *place_of_transfer(struct ledger *l, uint32_t number)
{
    for (uint32_t i = 0; i < LEDGER_MEMBERS_MAX; i++)
        if (number != 0 && l->places[i].transfer.number == number)
            return &l->places[i];
    return NULL;
}

static void end_transfer(struct ledger *l, struct ledger_place *place, bool installed)
{
    uint32_t number = place->transfer.number;

    if (number == 0)
        return;
    place->transfer = (struct ledger_transfer){0};
    if (!l->closing && !l->failed)
        l->events->snapshot_ended(l->context, number, installed);
}

void ledger_copy_asked(struct ledger *l, struct ledger_place *place,
                       const struct ledger_message *message)
{
    struct ledger_transfer *transfer = &place->transfer;

    if (transfer->number != 0 && transfer->session == message->session)
        return;
    end_transfer(l, place, false);
    if (l->core.role != ENGINE_PRIMARY || l->core.epoch != message->epoch) {
        send_abort(l, place, message->session, "it is not the primary of that epoch");
        return;
    }
    if (++l->transfers == 0)
        l->transfers = 1;
    *transfer = (struct ledger_transfer){
        .number = l->transfers, .session = message->session, .epoch = message->epoch};
    l->events->snapshot_wanted(l->context, transfer->number, place->member);
}

bool ledger_snapshot_begin(struct ledger *l, uint32_t number, struct ledger_point point,
                           uint64_t bytes)
{
    struct ledger_place *place = place_of_transfer(l, number);
    struct history history = l->core.history;

    if (!place)
        return false;
    must(!place->transfer.begun && point.position.offset <= l->core.executed);
    if (point.position.offset < history.base.offset || point.position.offset == 0 ||
        history_epoch(&history, point.position.offset) != point.position.epoch) {
        send_abort(l, place, place->transfer.session, "its snapshot is older than its log");
        place->transfer = (struct ledger_transfer){0};
        return false;
    }
    history_cut(&history, point.position.offset);
    begin_frame(l, place->transfer.session);
    pack_u64(&l->frame, place->transfer.epoch);
    pack_u64(&l->frame, point.hash);
    pack_u64(&l->frame, bytes);
    history_encode(&l->frame, &history);
    if (!send_frame(l, place, FRAME_COPY_BEGIN)) {
        place->transfer = (struct ledger_transfer){0};
        return false;
    }
    place->transfer.begun = true;
    place->transfer.hold = point.position.offset;
    return true;
}

bool ledger_snapshot_piece(struct ledger *l, uint32_t number, struct bytes piece)
{
    struct ledger_place *place = place_of_transfer(l, number);
    struct ledger_transfer *transfer;

    must(piece.len > 0 && piece.len <= LEDGER_SNAPSHOT_PIECE);
    if (!place)
        return false;
    transfer = &place->transfer;
    must(transfer->begun && !transfer->ending);
    begin_frame(l, transfer->session);
    buf_add(&l->frame, piece);
    transfer->stalled = transfer->sent - transfer->took + piece.len > LEDGER_SNAPSHOT_WINDOW ||
                        !send_frame(l, place, FRAME_COPY_PIECE);
    if (transfer->stalled) {
        ledger_stir(l);
        return false;
    }
    transfer->sent += piece.len;
    return true;
}

void ledger_snapshot_end(struct ledger *l, uint32_t number)
{
    struct ledger_place *place = place_of_transfer(l, number);

    if (!place)
        return;
    must(place->transfer.begun);
    place->transfer.ending = place->transfer.stalled = true;
    ledger_stir(l);
}

void ledger_snapshot_abort(struct ledger *l, uint32_t number, const char *sentence)
{
    struct ledger_place *place = place_of_transfer(l, number);

    if (!place)
        return;
    send_abort(l, place, place->transfer.session, sentence);
    place->transfer = (struct ledger_transfer){0};
}

static void go_on(struct ledger *l, struct ledger_place *place)
{
    struct ledger_transfer *transfer = &place->transfer;

    if (l->core.role != ENGINE_PRIMARY || l->core.epoch != transfer->epoch) {
        send_abort(l, place, transfer->session, "it is not the primary any more");
        end_transfer(l, place, false);
        return;
    }
    if (transfer->ending && transfer->stalled) {
        begin_frame(l, transfer->session);
        transfer->stalled = !send_frame(l, place, FRAME_COPY_END);
        if (transfer->stalled)
            ledger_again(l, LEDGER_RETRY_MS);
    } else if (transfer->stalled) {
        if (transfer->sent - transfer->took + LEDGER_SNAPSHOT_PIECE > LEDGER_SNAPSHOT_WINDOW)
            return;
        transfer->stalled = false;
        l->events->snapshot_roomy(l->context, transfer->number);
        if (place->transfer.stalled)
            ledger_again(l, LEDGER_RETRY_MS);
    }
}

/* ---- one that comes in ---- */

static void abort_receipt(struct ledger *l)
{
    if (!l->receipt.active)
        return;
    l->receipt = (struct ledger_receipt){0};
    if (!l->closing && !l->failed)
        l->events->copy_aborted(l->context);
}

static void take_begin(struct ledger *l, struct ledger_place *place, struct unpack *in,
                       uint64_t session)
{
    struct ledger_receipt receipt = {.active = true,
                                     .begun = loop_read_clock(l->loop, LOOP_MONOTONIC),
                                     .session = session,
                                     .member = place->member};
    uint64_t epoch = unpack_u64(in);
    struct ledger_point point;

    receipt.hash = unpack_u64(in);
    receipt.bytes = unpack_u64(in);
    if (!history_decode(in, &receipt.history) || !unpack_ended(in) || receipt.history.end == 0 ||
        history_last(&receipt.history).epoch > epoch) {
        ledger_links_broken(l, place, "it sent the beginning of a copy that is none");
        return;
    }
    if (epoch != l->core.epoch || place->member != l->core.primary ||
        !ledger_core_copy_begun(&l->core, session)) {
        send_abort(l, place, session, "nobody asked for it");
        return;
    }
    abort_receipt(l);
    l->receipt = receipt;
    l->replay.to = 0; /* what the log held counts no more */
    point = (struct ledger_point){history_last(&receipt.history), receipt.hash};
    l->events->copy_begun(l->context, point, receipt.bytes);
}

static bool is_mine(const struct ledger *l, const struct ledger_place *place, uint64_t session)
{
    return l->receipt.active && l->receipt.session == session &&
           l->receipt.member == place->member && l->core.copy == LEDGER_COPY_COMES &&
           !l->receipt.complete;
}

static void take_piece(struct ledger *l, struct ledger_place *place, struct bytes piece)
{
    struct ledger_receipt *receipt = &l->receipt;

    receipt->got += piece.len;
    if (piece.len == 0 || receipt->got - receipt->took > LEDGER_SNAPSHOT_WINDOW) {
        ledger_links_broken(l, place, "it sent more of a copy than it was allowed to");
        return;
    }
    l->events->copy_piece(l->context, piece);
}

static void tell_took(struct ledger *l)
{
    struct ledger_receipt *receipt = &l->receipt;
    const struct ledger_place *place = ledger_place_of(l, receipt->member);

    if (!receipt->active || !place || receipt->took == receipt->told ||
        (receipt->took - receipt->told < TOOK_EVERY && receipt->took < receipt->got))
        return;
    begin_frame(l, receipt->session);
    pack_u64(&l->frame, receipt->took);
    if (send_frame(l, place, FRAME_COPY_TOOK))
        receipt->told = receipt->took;
    else
        ledger_again(l, LEDGER_RETRY_MS);
}

void ledger_copy_took(struct ledger *l, size_t bytes)
{
    if (!l->receipt.active)
        return;
    l->receipt.took += bytes;
    must(l->receipt.took <= l->receipt.got);
    ledger_stir(l);
}

void ledger_copy_installed(struct ledger *l)
{
    const struct ledger_place *place = ledger_place_of(l, l->receipt.member);

    /* Broken off meanwhile: it will be made again. */
    if (!l->receipt.active || !l->receipt.complete)
        return;
    l->copied_bytes = l->receipt.got;
    l->copy_us =
        (uint64_t)(loop_read_clock(l->loop, LOOP_MONOTONIC).ns - l->receipt.begun.ns) / 1000;
    ledger_core_copy_installed(&l->core, &l->receipt.history, l->receipt.hash);
    begin_frame(l, l->receipt.session);
    /* Lost: the sender's transfer ends with the link, or with the next. */
    if (place)
        (void)!send_frame(l, place, FRAME_COPY_DONE);
    l->receipt = (struct ledger_receipt){0};
    ledger_stir(l);
}

void ledger_copy_failed(struct ledger *l, const char *sentence)
{
    const struct ledger_place *place = ledger_place_of(l, l->receipt.member);

    if (!l->receipt.active)
        return;
    if (place)
        send_abort(l, place, l->receipt.session, sentence);
    l->receipt = (struct ledger_receipt){0};
    ledger_core_copy_failed(&l->core, sentence, loop_now(l->loop));
    ledger_stir(l);
}

/* ---- both ---- */

static void take_abort(struct ledger *l, struct ledger_place *place, uint64_t session,
                       struct bytes text)
{
    char sentence[GROUP_SENTENCE_MAX];

    if (place->transfer.number != 0 && place->transfer.session == session)
        end_transfer(l, place, false);
    if (l->core.session != session || place->member != l->core.primary ||
        (l->core.copy != LEDGER_COPY_ASKS && l->core.copy != LEDGER_COPY_COMES))
        return;
    bytes_to_string(text, sentence, sizeof sentence);
    for (char *at = sentence; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    ledger_core_copy_failed(&l->core, sentence, loop_now(l->loop));
    abort_receipt(l);
}

static void take_took(struct ledger_place *place, uint64_t session, uint64_t took)
{
    struct ledger_transfer *transfer = &place->transfer;

    if (transfer->number != 0 && transfer->session == session && took <= transfer->sent &&
        took > transfer->took)
        transfer->took = took;
}

void ledger_copy_frame(struct ledger *l, struct ledger_place *place, enum ledger_frame type,
                       struct bytes body)
{
    struct unpack in = unpack_of(body);
    uint64_t session = unpack_u64(&in);

    if (in.bad) {
        ledger_links_broken(l, place, "it sent a frame that is none");
        return;
    }
    switch (type) {
    case FRAME_COPY_BEGIN:
        take_begin(l, place, &in, session);
        break;
    case FRAME_COPY_PIECE:
        if (is_mine(l, place, session))
            take_piece(l, place, in.left);
        break;
    case FRAME_COPY_END:
        if (is_mine(l, place, session)) {
            l->receipt.complete = true;
            l->events->copy_complete(l->context);
        }
        break;
    case FRAME_COPY_TOOK:
        take_took(place, session, unpack_u64(&in));
        break;
    case FRAME_COPY_DONE:
        if (place->transfer.number != 0 && place->transfer.session == session)
            end_transfer(l, place, true);
        break;
    case FRAME_COPY_ABORT:
        take_abort(l, place, session, in.left);
        break;
    case FRAME_CORE:
    case FRAME_PIECE:
    case FRAME_OWNER:
    default:
        ledger_links_broken(l, place, "it sent a frame of a type that is none");
        break;
    }
}

void ledger_copy_link_down(struct ledger *l, struct ledger_place *place)
{
    end_transfer(l, place, false);
}

void ledger_copy_turn(struct ledger *l)
{
    for (uint32_t i = 0; i < LEDGER_MEMBERS_MAX; i++)
        if (l->places[i].transfer.number != 0)
            go_on(l, &l->places[i]);
    if (l->receipt.active && l->core.copy != LEDGER_COPY_COMES)
        abort_receipt(l);
    tell_took(l);
}
