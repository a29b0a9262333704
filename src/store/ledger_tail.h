/*
 * ledger_tail: the newest records in memory, by position: what is shipped and executed without asking the disk. Pure.
 *
 * Bytes are copied once, into blocks that are used again; they stay where they are until they are dropped, so another thread may read what it was shown while its
 * owner appends. Bounded by its owner, who drops.
 */
#pragma once

#include "base/bytes.h"

struct tail_record {
    const uint8_t *at;
    uint32_t len;
    uint64_t cookie; /* who waits for it; 0: nobody */
    uint64_t sum;    /* bytes of all records that were ever put, this one included */
};

struct tail_block;

struct ledger_tail {
    uint64_t first, next; /* positions; the same: empty */
    uint64_t sum,
        dropped; /* bytes that were put, and those of them that were dropped at the front */
    struct tail_record *records; /* ring */
    uint32_t cap;
    struct tail_block *oldest, *newest, *spare;
    uint32_t spares;
};

void tail_init(struct ledger_tail *tail, uint64_t next);
void tail_fini(struct ledger_tail *tail);
/* At `next`. */
void tail_put(struct ledger_tail *tail, struct bytes record, uint64_t cookie);
void tail_cut(struct ledger_tail *tail, uint64_t after); /* at least first - 1 */
void tail_drop(struct ledger_tail *tail,
               uint64_t before); /* at most next; less than first: nothing */
void tail_reset(struct ledger_tail *tail, uint64_t next);

static inline struct tail_record *tail_at(const struct ledger_tail *tail, uint64_t position)
{
    if (position < tail->first || position >= tail->next)
        return NULL;
    return &tail->records[position & (tail->cap - 1)];
}

static inline uint64_t tail_bytes(const struct ledger_tail *tail)
{
    return tail->sum - tail->dropped;
}

/* Bytes of the records after this position; of those in memory. */
uint64_t tail_after(const struct ledger_tail *tail, uint64_t position);
