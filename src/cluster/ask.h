/*
 * cluster/ask: how a node that is not the leader has a command proposed, and what comes back.
 */
#pragma once

#include "cluster/document.h"

enum { ASK_MAX = CLUSTER_COMMAND_MAX + 64, ASK_REPLY_MAX = 512 };

struct ask {
    uint64_t number; /* of the asker's incarnation; the reply carries it */
    struct life from;
    struct bytes
        command; /* as encoded; 1 to CLUSTER_COMMAND_MAX bytes. Of a decoded ask: a view of the message */
};

enum ask_outcome {
    ASK_DONE,       /* applied at the leader: `document` says how it went */
    ASK_NOT_LEADER, /* `leader` may be; ask there */
    ASK_LATER, /* refused before it was proposed, by consensus or by a lease that still runs: nothing happened. `wait_ms` when known */
    ASK_REFUSED, /* refused before it was proposed, for good: `document` and `sentence` say why */
    ASK_UNKNOWN, /* proposed, and leadership ended: it may or may not happen. Compare-and-set makes asking again safe */
    ASK_OUTCOMES,
};

struct ask_reply {
    uint64_t number;
    uint8_t outcome;  /* enum ask_outcome */
    uint8_t document; /* enum document_outcome */
    uint32_t leader;  /* 0: nobody known */
    uint32_t wait_ms;
    uint64_t index, version, epoch;
    char sentence[CLUSTER_SENTENCE_MAX];
};

void ask_encode(struct buf *out, const struct ask *ask);
MUST_USE bool ask_decode(struct bytes bytes, struct ask *ask);
void ask_reply_encode(struct buf *out, const struct ask_reply *reply);
MUST_USE bool ask_reply_decode(struct bytes bytes, struct ask_reply *reply);
