/*
 * timeline: what happened, on this node and on all of them.
 *
 * Every node writes its own facts to its own disk; whoever asks gets those of all nodes merged (timeline/events.h). timeline_record never waits:
 * it stamps the fact and keeps it in memory, and a thread writes and syncs what has come within a moment, together. What is told to others may not be
 * durable yet; a place (origin, sequence) is never given twice all the same, since the origin is drawn anew at each opening.
 *
 *     timeline_open(&timeline, &options, &err)   reads what the disk holds, synchronously: before the loop turns
 *     timeline_record(timeline, &fact)
 *     timeline_close(timeline)
 *
 * Bounded on disk (the oldest segment is used again) and in memory (the oldest fact is forgotten). A disk that is full or fails
 * costs durability, never the newest facts: it is tried again from what it really holds, and what was lost meanwhile is counted and itself a fact.
 * Facts of one code that come in a flood are left out and counted, so that a stranger cannot push everything else out.
 *
 * One loop, one thread, but for its own. It reads time from the loop alone, so that the simulator runs it.
 */
#pragma once

#include "base/err.h"
#include "timeline/exchange.h"

struct disk; /* wal/disk.h */
struct loop;
struct timeline;

enum {
    TIMELINE_ASKS_MAX = 16,        /* outstanding; more are refused */
    TIMELINE_RECENT_MAX = 1 << 16, /* of options.recent */
};

struct timeline_options {
    struct loop *loop;
    struct disk
        *disk;     /* of `<directory>/timeline`; borrowed until timeline_close. NULL: memory only */
    uint64_t seed; /* random: the origin is drawn from it */
    const char *node;       /* copied, cut to FACT_NODE_MAX */
    uint32_t segment_bytes; /* 0: 256 KiB; a multiple of 4 KiB, at least 4 KiB */
    uint32_t segments;      /* on disk; 0: 16; at least 2 */
    uint32_t recent;        /* facts in memory; 0: 2,048; at least 16 */
    /* The disk failed, or is right again (err NULL). For a log line; the timeline goes on by itself. May be NULL. */
    void (*disk_state)(void *context, const struct err *err);
    /* Facts have come: for who waits for news. Once per turn at most. May be NULL. */
    void (*news)(void *context);
    void *context;
};

/* False: the directory's files are no timeline, or its middle is damaged. */
MUST_USE bool timeline_open(struct timeline **timeline, const struct timeline_options *options,
                            struct err *err);
/* Waits for a write under way, drops what was not written and what was asked. NULL is fine. To lose nothing, turn the loop until timeline_settled. */
void timeline_close(struct timeline *timeline);

/* Copies; stamps moment, node, member, incarnation, origin and sequence. From outside of callbacks too. */
void timeline_record(struct timeline *timeline, const struct fact *fact);
/* What later facts are stamped with; 0 before it is known. */
void timeline_identify(struct timeline *timeline, uint32_t member, uint64_t incarnation);

/* ---- hybrid logical time: for messages to other nodes, and from them ---- */

struct moment
timeline_now(struct timeline *timeline); /* later than all that was given or heard before */
/* False: the peer's clock is too far ahead, and is not followed. */
bool timeline_heard(struct timeline *timeline, struct moment moment);

/* ---- asking this node ---- */

typedef void timeline_answered(void *context, struct bytes reply); /* of exchange_add_reply */

/* Answers a request of exchange_add_request, whoever made it. `answered` follows once, never from inside this call. False: too many
 * are outstanding; nothing follows. */
MUST_USE bool timeline_ask(struct timeline *timeline, struct bytes request,
                           timeline_answered *answered, void *context);

/* ---- what it knows ---- */

struct timeline_view {
    struct place first; /* the oldest fact in memory; both 0: there is none */
    struct place last;  /* the newest */
    uint64_t durable;   /* sequence: synced up to here, but for what was lost before */
    uint64_t lost;      /* facts that never came to the disk, since the opening */
    uint64_t left_out;  /* of floods, since the opening */
    bool writing;       /* the disk takes facts, as far as is known */
};

struct timeline_view timeline_view(const struct timeline *timeline);
/* All that was recorded is durable, but for what is lost. */
bool timeline_settled(const struct timeline *timeline);
/* The nth newest fact in memory, from 0; NULL: there are not so many. Until the next record. */
const struct fact *timeline_recent(const struct timeline *timeline, uint32_t nth);
