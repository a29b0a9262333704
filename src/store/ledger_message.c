/*
 * The core's messages and metadata as bytes: little-endian, fixed.
 */
#include "store/ledger_core.h"

#include "base/pack.h"

enum { META_FORMAT = 1 };

void ledger_message_encode(struct buf *out, const struct ledger_message *message)
{
    pack_u8(out, message->type);
    pack_u8(out, message->verdict);
    pack_u16(out, message->claims);
    pack_u32(out, message->from);
    pack_u32(out, message->to);
    pack_u32(out, 0);
    pack_u64(out, message->epoch);
    pack_u64(out, message->session);
    pack_u64(out, message->end);
    pack_u64(out, message->committed);
    pack_u64(out, message->first);
    pack_u64(out, message->count);
    pack_u64(out, message->record_epoch);
    pack_u64(out, message->before);
    pack_u64(out, message->mark);
    pack_u64(out, message->hash);
    pack_u64(out, message->lag_bytes);
    pack_u64(out, (uint64_t)message->stamp);
}

bool ledger_message_decode(struct unpack *in, struct ledger_message *message)
{
    uint16_t claims;
    uint32_t zero;

    message->type = unpack_u8(in);
    message->verdict = unpack_u8(in);
    claims = unpack_u16(in);
    message->claims = claims == 1;
    message->from = unpack_u32(in);
    message->to = unpack_u32(in);
    zero = unpack_u32(in);
    message->epoch = unpack_u64(in);
    message->session = unpack_u64(in);
    message->end = unpack_u64(in);
    message->committed = unpack_u64(in);
    message->first = unpack_u64(in);
    message->count = unpack_u64(in);
    message->record_epoch = unpack_u64(in);
    message->before = unpack_u64(in);
    message->mark = unpack_u64(in);
    message->hash = unpack_u64(in);
    message->lag_bytes = unpack_u64(in);
    message->stamp = (int64_t)unpack_u64(in);
    return !in->bad && claims <= 1 && zero == 0 && message->type > 0 &&
           message->type < LEDGER_MESSAGES && message->verdict < LEDGER_VERDICTS;
}

void ledger_meta_encode(struct buf *out, const struct ledger_meta *meta)
{
    pack_u16(out, META_FORMAT);
    pack_u8(out, meta->copying);
    pack_u64(out, meta->promised);
    pack_u64(out, meta->led);
    pack_u64(out, meta->base.epoch);
    pack_u64(out, meta->base.offset);
}

bool ledger_meta_decode(struct unpack *in, struct ledger_meta *meta)
{
    uint16_t format = unpack_u16(in);
    uint8_t copying = unpack_u8(in);

    meta->copying = copying == 1;
    meta->promised = unpack_u64(in);
    meta->led = unpack_u64(in);
    meta->base.epoch = unpack_u64(in);
    meta->base.offset = unpack_u64(in);
    return !in->bad && format == META_FORMAT && copying <= 1 && meta->led <= meta->promised;
}
