/*
 * wal: an append-only log of records that survives what a disk and a power cut do; and two smaller things of the same kind, a pair of
 * metadata slots and whole files that are replaced.
 *
 * A log is a row of segment files of one size, written in full once and then used over and over, so that a commit is one write and one
 * sync that change no metadata. Records are staged in memory and become durable together: what one wal_sync writes is one batch with
 * one checksum, so a batch is there as a whole or not at all. At wal_open a torn batch at the very end is cut; damage anywhere before
 * the end refuses the log with a sentence that names file and offset. By itself the log cannot tell damage to its very last batch from a write
 * that was cut short, and cuts it; an owner that remembers how far it was durable (wal_newest) has that refused, too.
 *
 * Indexes are consecutive. Nothing is ever changed in place: a truncation is itself a record, so a crash leaves either the
 * old tail or none of it, and what was cut off once never comes back.
 *
 * All calls are synchronous, by one thread at a time: run them in a job (net.h). A full disk (err->number ENOSPC) is an
 * ordinary outcome: the call has changed nothing, and may be made again. Any other failure of a write or sync poisons: every later call
 * that would write fails, since nobody knows what the disk holds. The owner closes it, and trusts only what a new wal_open finds.
 */
#pragma once

#include "base/buf.h"
#include "wal/disk.h"

struct wal;

enum {
    WAL_SEGMENT_BYTES_MIN = 4096,
    WAL_SEGMENT_BYTES_MAX = 16 << 20,
    WAL_SEGMENTS_MAX = 1024,
    WAL_PREFIX_MAX = 24, /* with its NUL */
    WAL_OVERHEAD = 128,  /* a record's body is at most segment_bytes - WAL_OVERHEAD */
};

/* How far a log reaches: which log, which of its segments in the order in which they were begun, from 1, and where the durable batches in
 * that one end. It only grows. */
struct wal_place {
    uint64_t log, segment;
    uint32_t end;
};

struct wal_options {
    const char *prefix;     /* of the files' names: letters, digits, '-'; copied */
    uint32_t segment_bytes; /* a multiple of 4096; the same for as long as the log lives */
    uint32_t segments_max;  /* 2 to WAL_SEGMENTS_MAX; with so many an append fails with ENOSPC */
    uint32_t spares; /* 1 to 8: emptied segments that are kept for use. The last one is reserved for
                             * truncations and resets, so these work on a full disk */
    uint64_t seed;   /* random, a different one at each open */
    /* What wal_newest has said before, as far as the owner remembers; a part that it does not know is 0. A log that does not reach to it
     * has lost some: it is refused (ENOENT when files are missing, else EILSEQ), and none is made in its place. */
    struct wal_place expected;
};

struct wal_record {
    uint64_t index;    /* 1 and up */
    uint64_t tag;      /* the caller's: raft's term */
    struct bytes body; /* may be empty */
};

/* Opens or founds the log. Afterwards all that it holds is durable; the caller reads it with wal_each. */
MUST_USE bool wal_open(struct wal **wal, struct disk *disk, const struct wal_options *options,
                       struct err *err);
void wal_close(struct wal *wal); /* what is staged is dropped; NULL is fine */

uint64_t wal_first(const struct wal *wal); /* the oldest record's index; wal_next when empty */
uint64_t
wal_next(const struct wal *wal); /* the index that the next record has to have; staged ones count */
uint64_t wal_durable(const struct wal *wal); /* the last index known to be durable; 0: none */
uint32_t wal_segments(const struct wal *wal);
/* How far it is durable. The loss of what is beyond the place that its owner remembers may go unnoticed: of whole segments always, within one
 * only of the last batch, or of all from some place on. */
struct wal_place wal_newest(const struct wal *wal);

/* Stages one record; its index is wal_next, the body is copied. When the segment is full, what was staged before is made durable and
 * the next segment begun. Fails with ENOSPC without the record: those staged before it remain. */
MUST_USE bool wal_append(struct wal *wal, const struct wal_record *record, struct err *err);
/* Makes all that is staged durable: one write, one sync. Nothing staged: nothing is done. After ENOSPC it remains staged. */
MUST_USE bool wal_sync(struct wal *wal, struct err *err);
/* Stages the end of all records after `index`, which is at least wal_first - 1 and below wal_next; then wal_next is index + 1.
 * Until the next wal_sync a crash may leave the old tail, whole; together with appends staged after it it is one atomic change.
 * What was only staged is taken back without a trace, so that costs no room. */
MUST_USE bool wal_truncate_after(struct wal *wal, uint64_t index, struct err *err);
/* Syncs, then recycles whole segments that hold only records below `index`; some of them may remain. */
MUST_USE bool wal_drop_before(struct wal *wal, uint64_t index, struct err *err);
/* Syncs, then recycles the oldest segment; there are at least two. */
MUST_USE bool wal_drop_oldest(struct wal *wal, struct err *err);
/* Forgets all records; the log is empty, and goes on with `next` (at least 1). Durable when it returns. After ENOSPC it may be done and not
 * yet durable: it is to be called again. */
MUST_USE bool wal_reset(struct wal *wal, uint64_t next, struct err *err);
/* Hands over the durable records from `from` to `to` (clipped to what there is), in order, until `each` returns false. The body is
 * valid during the call. `each` calls nothing of this log. A failure is of reading: it does not poison. */
MUST_USE bool wal_each(struct wal *wal, uint64_t from, uint64_t to,
                       bool (*each)(void *context, const struct wal_record *record), void *context,
                       struct err *err);

/* ---- metadata: a small body in two slots, each there twice, of one preallocated file; a write goes to the older slot ---- */

enum { WAL_META_BYTES_MAX = 3072 };

struct wal_meta {
    struct disk *disk;
    char name[DISK_NAME_MAX];
    int file;
    uint64_t sequence; /* of the newest slot; private */
    bool poisoned;
    uint32_t len;
    uint8_t body[WAL_META_BYTES_MAX]; /* as it is on the disk */
};

/* Opens or makes the file (then the body is empty). The newest valid slot counts, whichever copy it is in, so damage to one place costs
 * nothing; when none is valid, this is refused. What it gives is durable. */
MUST_USE bool wal_meta_open(struct wal_meta *meta, struct disk *disk, const char *name,
                            struct err *err);
void wal_meta_close(struct wal_meta *meta); /* zeroed, closed or not opened: nothing */
/* Durable when it returns true. After ENOSPC the old body holds and it may be tried again; any other failure poisons. */
MUST_USE bool wal_meta_write(struct wal_meta *meta, struct bytes body, struct err *err);

/* ---- whole files: a snapshot ---- */

enum { WAL_FILE_BYTES_MAX = 64 << 20 };

/* After a crash there is the old file or the new one. Durable when it returns true; when it fails in the last step (syncing
 * the name), the new one may be there. */
MUST_USE bool wal_file_replace(struct disk *disk, const char *name, struct bytes bytes,
                               struct err *err);
/* Appends the verified bytes to `out`. A missing file is ENOENT in err->number; a damaged one a sentence with EILSEQ, one larger than
 * `out` may grow EFBIG. */
MUST_USE bool wal_file_read(struct disk *disk, const char *name, struct buf *out, struct err *err);
