/*
 * What nodes ask one another about their timelines, and answer. Pure: bytes in, values out.
 *
 * A place in a node's timeline is (origin, sequence). An asker that has a place gets what comes after it, oldest first; one that has
 * none gets the newest. The answer says up to which place it looked, also past facts that the filter left out, so that an asker
 * who goes on from there repeats nothing and loses nothing.
 */
#pragma once

#include "topology/fact.h"

enum {
    EXCHANGE_REQUEST_MAX = 64,      /* bytes */
    EXCHANGE_REPLY_MAX = 160 << 10, /* bytes */
    EXCHANGE_FACTS_MAX = 1000,      /* of one reply */
    EXCHANGE_SENTENCE_MAX = 241,
};

struct place {
    uint64_t origin, sequence; /* both 0: before everything */
};

struct exchange_request {
    bool newest; /* the newest `limit` facts; else the first `limit` after `after` */
    struct place after;
    int64_t since_ms;  /* only facts at or after it; 0: any */
    uint16_t code;     /* only this one; 0: any */
    uint8_t severity;  /* only those at least so bad */
    uint32_t limit;    /* 1 to EXCHANGE_FACTS_MAX */
    struct moment now; /* the asker's */
};

struct exchange_reply {
    char node[FACT_NODE_MAX];
    struct place scanned; /* looked at up to here; after it, the asker goes on */
    bool more;            /* there is more: after `scanned`, or, of the newest, before */
    bool partial;         /* the disk could not be read: only what was in memory was looked at */
    char sentence[EXCHANGE_SENTENCE_MAX]; /* why it was refused; "" */
    struct moment now;                    /* the answerer's */
    uint32_t count;                       /* of facts */
    struct bytes facts; /* encoded, in the order of the node's timeline; borrowed */
};

/* A code of a newer version counts as a warning. */
bool exchange_wants(const struct exchange_request *request, const struct fact *fact);

void exchange_add_request(const struct exchange_request *request, struct buf *out);
/* False: *why says what is wrong (static). Nothing is written then. */
MUST_USE bool exchange_read_request(struct bytes bytes, struct exchange_request *request,
                                    const char **why);
/* `reply->facts` are those that were encoded with fact_encode. */
void exchange_add_reply(const struct exchange_reply *reply, struct buf *out);
/* Every fact was checked: fact_decode will read them all. `reply` borrows from bytes. */
MUST_USE bool exchange_read_reply(struct bytes bytes, struct exchange_reply *reply,
                                  const char **why);
