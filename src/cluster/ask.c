/*
 * Encodes and decodes forwarded commands and their replies.
 */
#include "cluster/ask.h"

void ask_encode(struct buf *out, const struct ask *ask)
{
    must(ask->command.len > 0);
    must(ask->command.len <= CLUSTER_COMMAND_MAX);
    pack_u64(out, ask->number);
    pack_u32(out, ask->from.member);
    pack_u64(out, ask->from.incarnation);
    pack_bytes16(out, ask->command);
}

bool ask_decode(struct bytes bytes, struct ask *ask)
{
    struct unpack in = unpack_of(bytes);

    *ask = (struct ask){.number = unpack_u64(&in)};
    ask->from.member = unpack_u32(&in);
    ask->from.incarnation = unpack_u64(&in);
    ask->command = unpack_bytes16(&in);
    return !in.bad && ask->command.len > 0 && ask->command.len <= CLUSTER_COMMAND_MAX;
}

void ask_reply_encode(struct buf *out, const struct ask_reply *reply)
{
    must(reply->outcome < ASK_OUTCOMES);
    must(reply->document < DOCUMENT_OUTCOMES);
    pack_u64(out, reply->number);
    pack_u8(out, reply->outcome);
    pack_u8(out, reply->document);
    pack_u32(out, reply->leader);
    pack_u32(out, reply->wait_ms);
    pack_u64(out, reply->index);
    pack_u64(out, reply->version);
    pack_u64(out, reply->epoch);
    text_encode(out, reply->sentence);
}

bool ask_reply_decode(struct bytes bytes, struct ask_reply *reply)
{
    struct unpack in = unpack_of(bytes);

    *reply = (struct ask_reply){.number = unpack_u64(&in)};
    reply->outcome = unpack_u8(&in);
    reply->document = unpack_u8(&in);
    reply->leader = unpack_u32(&in);
    reply->wait_ms = unpack_u32(&in);
    reply->index = unpack_u64(&in);
    reply->version = unpack_u64(&in);
    reply->epoch = unpack_u64(&in);
    return text_decode(&in, reply->sentence, sizeof reply->sentence) &&
           reply->outcome < ASK_OUTCOMES && reply->document < DOCUMENT_OUTCOMES;
}
