/*
 * Private to wal: a log in memory, and what its files share.
 *
 * Files: PREFIX-<sequence, 16 hexadecimal digits> are the segments, PREFIX-spare-<digit> those that wait for use, PREFIX-new one
 * that is being written full of zeros. Segments are dropped from the oldest on and each name is synced, so they have no gap.
 */
#pragma once

#include "wal/segment.h"

enum {
    LOG_SPARES_MAX = 9,     /* eight, and the reserved one */
    LOG_SEGMENTS_EXTRA = 4, /* beyond segments_max, for truncations and resets */
};

struct log_segment {
    uint64_t sequence;
    uint64_t first, last; /* the records in it that still count; none: last < first */
    uint32_t end;         /* of its durable batches */
    uint32_t cuts;        /* truncations and resets in it */
};

struct wal {
    struct disk *disk;
    struct wal_options options;
    char prefix[WAL_PREFIX_MAX];
    uint64_t id;
    uint64_t next, durable;
    bool poisoned;
    uint32_t spares; /* bit i: PREFIX-spare-i is there */

    int file;      /* of the newest segment; -1: none */
    uint64_t salt; /* of the newest segment */
    struct buf stage;
    uint64_t staged_next; /* the next index before the staged batch */
    uint32_t staged;      /* records in it */
    bool
        bound; /* it holds more than appends, or may be on the disk already: it cannot be taken back */

    uint8_t *image; /* a segment that is read */
    uint32_t count;
    struct log_segment segments[WAL_SEGMENTS_MAX + LOG_SEGMENTS_EXTRA]; /* oldest first */
};

static inline struct log_segment *log_newest(struct wal *wal)
{
    return &wal->segments[wal->count - 1];
}

/* ---- log.c ---- */

/* What a truncation or reset in the newest segment means for what came before. */
void log_note_cut(struct wal *wal, uint64_t after);
void log_note_reset(struct wal *wal, uint64_t next);
void log_note_append(struct wal *wal);
/* Records the failure; one that is not ENOSPC poisons. False. */
bool log_failed(struct wal *wal, struct err *err);
/* Any failure poisons, ENOSPC too. */
MUST_USE bool log_sync_file(struct wal *wal, int file, struct err *err);
MUST_USE bool log_sync_names(struct wal *wal, struct err *err);

/* ---- spare.c ---- */

void log_segment_name(const struct wal *wal, uint64_t sequence, char name[DISK_NAME_MAX]);
void log_spare_name(const struct wal *wal, unsigned number, char name[DISK_NAME_MAX]);
/* At least `count` spares, if need be by making some. */
MUST_USE bool log_need_spares(struct wal *wal, unsigned count, struct err *err);
/* Begins the next segment from a spare, which there is. All that was staged is durable. */
MUST_USE bool log_begin_segment(struct wal *wal, struct err *err);
/* Makes the oldest segment a spare, or removes it. */
MUST_USE bool log_recycle_oldest(struct wal *wal, struct err *err);

/* ---- recover.c ---- */

/* Reads what is in the directory; afterwards all of it is durable. */
MUST_USE bool log_recover(struct wal *wal, struct err *err);
/* Reads `end` bytes of a segment into the image. */
MUST_USE bool log_read_segment(struct wal *wal, uint64_t sequence, uint32_t end, struct err *err);
/* Records that the segment is damaged at an offset. False. */
bool log_damaged(const struct wal *wal, uint64_t sequence, uint32_t at, const char *what,
                 struct err *err);
