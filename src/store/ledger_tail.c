#include "store/ledger_tail.h"

#include "base/must.h"

#include <stdlib.h>

enum {
    BLOCK_BYTES = 256 << 10,
    SPARES_MAX = 16,
    RECORDS_MIN = 1024,
};

struct tail_block {
    struct tail_block *next;
    uint64_t last; /* position of the newest record in it that counts */
    uint32_t len, cap;
    uint8_t at[];
};

static void check(const struct ledger_tail *tail)
{
    must(tail->first <= tail->next);
    must(tail->next - tail->first <= tail->cap);
    must((tail->oldest == NULL) == (tail->newest == NULL));
}

void tail_init(struct ledger_tail *tail, uint64_t next)
{
    *tail = (struct ledger_tail){.first = next, .next = next, .cap = RECORDS_MIN};
    tail->records = calloc(tail->cap, sizeof *tail->records);
    must(tail->records);
}

static struct tail_record *slot(const struct ledger_tail *tail, uint64_t position)
{
    return &tail->records[position & (tail->cap - 1)];
}

static void free_blocks(struct tail_block *block)
{
    while (block) {
        struct tail_block *next = block->next;

        free(block);
        block = next;
    }
}

void tail_fini(struct ledger_tail *tail)
{
    free_blocks(tail->oldest);
    free_blocks(tail->spare);
    free(tail->records);
    *tail = (struct ledger_tail){0};
}

static void grow(struct ledger_tail *tail)
{
    uint32_t cap = tail->cap * 2;
    struct tail_record *records = calloc(cap, sizeof *records);

    must(records && cap > tail->cap);
    for (uint64_t at = tail->first; at < tail->next; at++)
        records[at & (cap - 1)] = tail->records[at & (tail->cap - 1)];
    free(tail->records);
    tail->records = records;
    tail->cap = cap;
}

/* ---- blocks ---- */

static struct tail_block *take_block(struct ledger_tail *tail, size_t len)
{
    struct tail_block *block = tail->spare;
    size_t cap = len > BLOCK_BYTES ? len : BLOCK_BYTES;

    if (block && cap == BLOCK_BYTES) {
        tail->spare = block->next;
        tail->spares--;
    } else {
        block = malloc(sizeof *block + cap);
        must(block);
        block->cap = (uint32_t)cap;
    }
    block->next = NULL;
    block->len = 0;
    return block;
}

static void give_block(struct ledger_tail *tail, struct tail_block *block)
{
    if (block->cap != BLOCK_BYTES || tail->spares == SPARES_MAX) {
        free(block);
        return;
    }
    block->next = tail->spare;
    tail->spare = block;
    tail->spares++;
}

static uint8_t *space(struct ledger_tail *tail, size_t len)
{
    struct tail_block *newest = tail->newest;

    if (!newest || newest->cap - newest->len < len) {
        newest = take_block(tail, len);
        if (tail->newest)
            tail->newest->next = newest;
        else
            tail->oldest = newest;
        tail->newest = newest;
    }
    newest->last = tail->next;
    newest->len += (uint32_t)len;
    return newest->at + newest->len - len;
}

/* ---- records ---- */

void tail_put(struct ledger_tail *tail, struct bytes record, uint64_t cookie)
{
    uint8_t *at = space(tail, record.len);

    must(record.len > 0);
    if (tail->next - tail->first == tail->cap)
        grow(tail);
    memcpy(at, record.at, record.len);
    tail->sum += record.len;
    *slot(tail, tail->next) = (struct tail_record){at, (uint32_t)record.len, cookie, tail->sum};
    tail->next++;
}

void tail_cut(struct ledger_tail *tail, uint64_t after)
{
    must(after + 1 >= tail->first);
    while (tail->next > after + 1)
        tail->sum -= slot(tail, --tail->next)->len;
    for (struct tail_block *block = tail->oldest; block; block = block->next)
        if (block->last > after)
            block->last = after;
    check(tail);
}

void tail_drop(struct ledger_tail *tail, uint64_t before)
{
    must(before <= tail->next);
    for (; tail->first < before; tail->first++)
        tail->dropped += slot(tail, tail->first)->len;
    while (tail->oldest && tail->oldest != tail->newest && tail->oldest->last < tail->first) {
        struct tail_block *block = tail->oldest;

        tail->oldest = block->next;
        give_block(tail, block);
    }
    check(tail);
}

void tail_reset(struct ledger_tail *tail, uint64_t next)
{
    tail_drop(tail, tail->next);
    tail->first = tail->next = next;
    if (tail->newest)
        tail->newest->last = 0;
}

uint64_t tail_after(const struct ledger_tail *tail, uint64_t position)
{
    const struct tail_record *record = tail_at(tail, position);

    if (record)
        return tail->sum - record->sum;
    return position >= tail->next ? 0 : tail_bytes(tail);
}
