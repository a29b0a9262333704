/*
 * Reads bytes, and if they are well-formed writes and reads them again: what was read the second time must be what was read the first time.
 * Each says whether the bytes were well-formed. For fuzzers and for tests of decoders.
 */
#pragma once

#include "cluster/ask.h"
#include "cluster/beat.h"
#include "cluster/transfer.h"

static uint8_t reread_first[CLUSTER_SNAPSHOT_MAX * 2], reread_second[CLUSTER_SNAPSHOT_MAX * 2];

static inline struct buf reread_into(uint8_t *at)
{
    struct buf out;

    buf_over(&out, at, sizeof reread_first);
    return out;
}

static inline void reread_same(const struct buf *first, const struct buf *second)
{
    must(!first->full);
    must(bytes_equal(buf_bytes(first), buf_bytes(second)));
}

static inline bool reread_command(struct bytes bytes)
{
    struct buf first = reread_into(reread_first), second = reread_into(reread_second);
    struct document_command command;

    if (command_decode(bytes, &command) != COMMAND_READ)
        return false;
    command_encode(&first, &command);
    must(first.len <= CLUSTER_COMMAND_MAX);
    must(command_decode(buf_bytes(&first), &command) == COMMAND_READ);
    command_encode(&second, &command);
    reread_same(&first, &second);
    return true;
}

static inline bool reread_snapshot(struct bytes bytes)
{
    static struct document document;
    struct buf first = reread_into(reread_first), second = reread_into(reread_second);
    struct err err;

    if (!document_decode(bytes, &document, &err))
        return false;
    document_encode(&document, &first);
    must(first.len <= CLUSTER_SNAPSHOT_MAX);
    must(document_decode(buf_bytes(&first), &document, &err));
    document_encode(&document, &second);
    reread_same(&first, &second);
    return true;
}

static inline bool reread_charter(struct bytes bytes)
{
    struct buf first = reread_into(reread_first), second = reread_into(reread_second);
    struct charter charter;

    if (!charter_decode(bytes, &charter))
        return false;
    charter_encode(&first, &charter);
    must(first.len <= CHARTER_MAX);
    must(charter_decode(buf_bytes(&first), &charter));
    charter_encode(&second, &charter);
    reread_same(&first, &second);
    return true;
}

static inline bool reread_beat(struct bytes bytes)
{
    struct buf first = reread_into(reread_first), second = reread_into(reread_second);
    struct beat beat;

    if (!beat_decode(bytes, &beat))
        return false;
    beat_encode(&first, &beat);
    must(first.len <= CLUSTER_BEAT_MAX);
    must(beat_decode(buf_bytes(&first), &beat));
    beat_encode(&second, &beat);
    reread_same(&first, &second);
    return true;
}

static inline bool reread_ask(struct bytes bytes)
{
    struct buf first = reread_into(reread_first), second = reread_into(reread_second);
    struct ask ask;

    if (!ask_decode(bytes, &ask))
        return false;
    ask_encode(&first, &ask);
    must(first.len <= ASK_MAX);
    must(ask_decode(buf_bytes(&first), &ask));
    ask_encode(&second, &ask);
    reread_same(&first, &second);
    return true;
}

static inline bool reread_reply(struct bytes bytes)
{
    struct buf first = reread_into(reread_first), second = reread_into(reread_second);
    struct ask_reply reply;

    if (!ask_reply_decode(bytes, &reply))
        return false;
    ask_reply_encode(&first, &reply);
    must(first.len <= ASK_REPLY_MAX);
    must(ask_reply_decode(buf_bytes(&first), &reply));
    ask_reply_encode(&second, &reply);
    reread_same(&first, &second);
    return true;
}

static inline bool reread_fetch(struct bytes bytes)
{
    struct buf first = reread_into(reread_first), second = reread_into(reread_second);
    struct fetch fetch;

    if (!fetch_decode(bytes, &fetch))
        return false;
    fetch_encode(&first, &fetch);
    must(bytes_equal(buf_bytes(&first), bytes));
    must(fetch_decode(buf_bytes(&first), &fetch));
    fetch_encode(&second, &fetch);
    reread_same(&first, &second);
    return true;
}

static inline bool reread_part(struct bytes bytes)
{
    struct buf first = reread_into(reread_first), second = reread_into(reread_second);
    struct part part;

    if (!part_decode(bytes, &part))
        return false;
    part_encode(&first, &part);
    must(bytes_equal(buf_bytes(&first), bytes));
    must(part_decode(buf_bytes(&first), &part));
    part_encode(&second, &part);
    reread_same(&first, &second);
    return true;
}

static inline bool reread_request(struct bytes bytes)
{
    struct buf first = reread_into(reread_first), second = reread_into(reread_second);
    struct request request;

    if (!request_decode(bytes, &request))
        return false;
    request_encode(&first, &request);
    must(bytes_equal(buf_bytes(&first), bytes));
    must(request_decode(buf_bytes(&first), &request));
    request_encode(&second, &request);
    reread_same(&first, &second);
    return true;
}

static inline bool reread_whole_snapshot(struct bytes bytes)
{
    static struct document document;
    struct buf first = reread_into(reread_first), second = reread_into(reread_second);
    struct snapshot snapshot;
    struct err err;

    if (!snapshot_decode(bytes, &snapshot, &document, &err))
        return false;
    must(snapshot.index == document.index && snapshot.config.count == document.member_count);
    snapshot_encode(&first, &snapshot, &document);
    must(first.len <= SNAPSHOT_BYTES_MAX);
    must(snapshot_decode(buf_bytes(&first), &snapshot, &document, &err));
    snapshot_encode(&second, &snapshot, &document);
    reread_same(&first, &second);
    return true;
}
