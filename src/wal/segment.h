/*
 * Private to wal: what a segment of a log is, as bytes. Everything is little-endian.
 *
 * header, 64 bytes:  magic 8, version 2, zero 2, segment's bytes 4, log id 8, sequence 8, salt 8, first index 8,
 *                    end of the segment before 4, zero 4, checksum 8 (of the 56 before it)
 * batch, 32 bytes:   checksum 8 (seeded with the salt; of all that follows in the batch), bytes of its records 4,
 *                    its own place in the segment 4, next index before it 8, number of records 4, zero 4; then its records
 * record, 24 bytes:  bytes of the body 4, kind 4, index 8, tag 8; then the body, and zeros up to a multiple of 8
 *
 * A batch is written only after the one before it was synced. So an invalid batch before a valid one is damage, and one after which
 * there is none may be torn. A recycled segment has a new salt, so nothing that an earlier life left in it is valid.
 */
#pragma once

#include "wal/wal.h"

enum {
    SEGMENT_VERSION = 1,
    SEGMENT_HEADER_BYTES = 64,
    SEGMENT_BATCH_BYTES = 32,
    SEGMENT_RECORD_BYTES = 24,
    SEGMENT_ALIGN = 8,
    SEGMENT_CUTS_MAX = 64, /* truncations and resets in one segment */
};

#define SEGMENT_INDEX_MAX (UINT64_MAX / 2) /* nobody counts that far; what says so is damaged */

_Static_assert(SEGMENT_HEADER_BYTES + SEGMENT_BATCH_BYTES + SEGMENT_RECORD_BYTES + SEGMENT_ALIGN <=
                   WAL_OVERHEAD,
               "a body of the greatest length fits a segment");

struct segment_header {
    uint32_t segment_bytes;
    uint64_t id, sequence, salt;
    uint64_t first; /* the next index when the segment was begun */
    uint32_t
        previous_end; /* where the batches of the segment before it end; 0 in the log's first */
};

enum segment_kind {
    SEGMENT_APPEND = 1,
    SEGMENT_TRUNCATE = 2, /* index: the last one that remains */
    SEGMENT_RESET = 3,    /* index: the next one; nothing remains */
};

struct segment_entry {
    enum segment_kind kind;
    struct wal_record record;
};

struct segment_batch {
    uint64_t next; /* the next index before it */
    uint32_t end;  /* where the following batch begins */
    struct bytes records;
};

/* What a record with such a body occupies. */
static inline uint32_t segment_record_bytes(size_t body)
{
    return (uint32_t)(SEGMENT_RECORD_BYTES +
                      (body + SEGMENT_ALIGN - 1) / SEGMENT_ALIGN * SEGMENT_ALIGN);
}

void segment_put_header(struct buf *out, const struct segment_header *header);
MUST_USE bool segment_get_header(struct bytes bytes, struct segment_header *header);

void segment_put_record(struct buf *out, const struct segment_entry *entry);
/* Completes a batch that is to stand at `at`: `batch` has room for the batch's header, then the records. */
void segment_seal_batch(struct buf *batch, uint32_t at, uint64_t next, uint32_t count,
                        uint64_t salt);

/* The batch at `at`, a multiple of 8, when all of it is valid. */
MUST_USE bool segment_get_batch(struct bytes segment, uint32_t at, uint64_t salt,
                                struct segment_batch *batch);
/* Where the first valid batch at or after `at` begins; 0: nowhere. */
uint32_t segment_find_batch(struct bytes segment, uint32_t at, uint64_t salt);
/* Takes the next record off a valid batch's records. False: there is none. */
bool segment_next_entry(struct bytes *records, struct segment_entry *entry);
