/*
 * cluster/entries: the entries of the replicated log that somebody may still need, with their bodies, in memory.
 *
 * A row of consecutive indexes, first … next - 1, bounded in number and bytes. It decides nothing: consensus says what is put and cut.
 */
#pragma once

#include "base/bytes.h"
#include "consensus/raft.h"

enum { ENTRIES_MAX = 16384, ENTRIES_BYTES_MAX = 24 << 20 };

struct entries_kept {
    struct raft_entry entry;
    uint32_t len;
    uint8_t *body;
};

struct entries {
    uint64_t first, next;
    size_t bytes;            /* of all bodies */
    struct entries_kept *at; /* by index % ENTRIES_MAX */
};

void entries_init(struct entries *entries, uint64_t next);
void entries_fini(struct entries *entries); /* of a zeroed one too */
/* Is there room for so many more, with so many bytes together? */
bool entries_room(const struct entries *entries, uint32_t count, size_t bytes);
/* Copies the body. `index` is in the row or its next one; whatever was at it and behind it is gone. There is room. */
void entries_put(struct entries *entries, uint64_t index, const struct raft_entry *entry,
                 struct bytes body);
void entries_cut_after(struct entries *entries, uint64_t index);
void entries_drop_before(struct entries *entries, uint64_t index);
/* Empty, and goes on with `next`. */
void entries_reset(struct entries *entries, uint64_t next);
/* NULL: not kept. */
const struct entries_kept *entries_at(const struct entries *entries, uint64_t index);
