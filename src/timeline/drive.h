/*
 * What the drivers of a timeline share. Private to the room.
 *
 * Two threads: the loop's owns all but `wal` and what `write` and the asks point to while their jobs are under way; those are the jobs thread's.
 */
#pragma once

#include "net/net.h"
#include "timeline/quota.h"
#include "timeline/recent.h"
#include "timeline/selection.h"
#include "timeline/timeline.h"
#include "wal/wal.h"

enum {
    GATHER_MS = 100,   /* facts that come within are written together */
    RETRY_MS = 5000,   /* after the disk refused */
    REPORT_MS = 60000, /* between facts about what was left out of floods */
    WRITE_BYTES_MAX = 64 << 10,
};

/* The log as it is used by the thread. */
struct store {
    struct disk *disk; /* NULL: memory only */
    struct wal *wal;   /* NULL: not open; the next write opens it */
    struct wal_options options;
    char prefix[WAL_PREFIX_MAX];
    uint64_t origin;
    bool begun; /* the log says where this origin begins */
};

/* One write: what the loop hands to the thread, and gets back. */
struct write {
    struct job job;
    struct buf facts; /* encoded */
    uint64_t last;    /* sequence of the last of them */
    bool busy, done;
    struct err err; /* not done: why */
};

struct ask {
    struct timeline *timeline;
    timeline_answered *answered; /* NULL: free */
    void *context;
    struct selection selection;
    struct exchange_reply reply;
    struct job job;
    struct timer soon;
};

struct timeline {
    struct timeline_options options;
    char node[FACT_NODE_MAX];
    uint32_t member;
    uint64_t incarnation, origin, sequence; /* the last that was given */
    struct moment last;
    struct recent recent;
    bool recent_is_all; /* there is nothing on the disk that is not in memory */
    struct quota quota;
    struct jobs *jobs; /* NULL: memory only */
    struct store store;
    struct write write;
    uint64_t durable; /* sequence */
    uint64_t passed;  /* likewise, but what is lost counts */
    uint64_t lost, lost_untold, left_out;
    bool failing; /* the last write failed */
    struct timer gather, report, news;
    struct ask asks[TIMELINE_ASKS_MAX];
};

/* ---- drive_store.c: on the thread, and at the opening ---- */

/* Hands over what the log holds; an origin's beginning is a fact with code 0. */
typedef void timeline_store_each(void *context, const struct fact *fact);
MUST_USE bool timeline_store_open(struct store *store, struct err *err);
void timeline_store_close(struct store *store);
MUST_USE bool timeline_store_read(struct store *store, timeline_store_each *each, void *context,
                                  struct err *err);
/* All of them durable, or nobody knows and the log is closed. Opens it when it is not open. */
MUST_USE bool timeline_store_write(struct store *store, struct bytes facts, struct err *err);

/* ---- drive_ask.c ---- */

void asks_init(struct timeline *timeline);
void asks_fini(struct timeline *timeline); /* after the jobs */
