/*
 * The messages, entries and members of consensus as bytes: little-endian, fixed places, one version per format.
 *
 * Pure. What is decoded is checked in full: whatever comes out keeps the bounds that raft_receive asks for. A refusal says what was
 * found. Bodies are views: of the caller's when encoding, into the frame when decoding.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "consensus/raft.h"

enum {
    RAFT_BODY_MAX = 8192,    /* of one entry: a command and what its owner puts around it */
    RAFT_MESSAGE_BYTES = 56, /* without entries */
    RAFT_ENTRY_BYTES = 20,   /* without its body */
    RAFT_CONFIG_BYTES_MAX = 4 + RAFT_MEMBERS_MAX * 5,
};

/*
 * Appends a message to `out`, with as many of its `count` entries as stay within `limit` bytes for the whole (and always one). `entries` and `bodies` are those
 * at index + 1 …. Returns how many entries went in: with the rest, raft_message_rest makes the next message. `limit` >= RAFT_MESSAGE_BYTES +
 * RAFT_ENTRY_BYTES + RAFT_BODY_MAX. Bodies are at most RAFT_BODY_MAX.
 */
uint32_t raft_encode(struct buf *out, const struct raft_message *message,
                     const struct raft_entry *entries, const struct bytes *bodies, size_t limit);
/* The same APPEND without its first `sent` entries; sent < count. */
void raft_message_rest(struct raft_message *message, const struct raft_entry *entries,
                       uint32_t sent);
/* Into storage for RAFT_BATCH_MAX entries and bodies; message->entries is `entries`, bodies are in the frame. */
MUST_USE bool raft_decode(struct bytes frame, struct raft_message *message,
                          struct raft_entry *entries, struct bytes *bodies, struct err *err);

/* One entry, as in a message; its index is not in it. Decoding takes it off the front of `from`. */
void raft_encode_entry(struct buf *out, const struct raft_entry *entry, struct bytes body);
MUST_USE bool raft_decode_entry(struct bytes *from, struct raft_entry *entry, struct bytes *body,
                                struct err *err);

void raft_encode_config(struct buf *out, const struct raft_config *config);
MUST_USE bool raft_decode_config(struct bytes *from, struct raft_config *config, struct err *err);
