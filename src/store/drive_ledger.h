/*
 * Private to the ledger: what its drivers share. drive_ledger.c answers the owner and carries out what the core decides, drive_ledger_disk.c is the log on the
 * job thread, drive_ledger_ship.c records on their way to followers and back, drive_ledger_links.c the other members, drive_ledger_copy.c snapshots.
 */
#pragma once

#include "base/buf.h"
#include "net/net.h"
#include "store/ledger_core.h"
#include "store/ledger_tail.h"
#include "wal/wal.h"

/* Types of frames between members. */
enum ledger_frame {
    FRAME_CORE = 1, /* a message of the core, and what belongs to it */
    FRAME_PIECE,    /* of a record that is longer than a frame */
    FRAME_OWNER,    /* of the stream of owners' messages */
    FRAME_COPY_BEGIN,
    FRAME_COPY_PIECE,
    FRAME_COPY_TOOK,
    FRAME_COPY_END,
    FRAME_COPY_DONE,
    FRAME_COPY_ABORT,
};

enum {
    LEDGER_FRAME_BYTES = 256 << 10, /* of one frame with records */
    LEDGER_WINDOW_BYTES = 4 << 20,  /* of records on their way to one follower's disk */
    LEDGER_TAIL_BYTES = 16 << 20,   /* of executed records that stay in memory */
    LEDGER_READ_BYTES = 8 << 20,    /* that are read from the disk at once, and one record */
    LEDGER_WRITE_MAX = 4096,        /* records of one write */
    LEDGER_MARKS_MAX = 4096,        /* places in the log whose size is known */
    LEDGER_PLACE_BYTES = 64 << 10,  /* of one frame of owners' messages */
    LEDGER_RETRY_MS = 2,            /* until what a link did not take is offered again */
};

/* What the job thread alone touches while a job is under way. */
struct ledger_files {
    struct disk *disk;
    struct wal *wal;
    struct wal_meta meta;
    struct ledger_meta kept;
    struct wal_place place; /* as 'meta' has it */
};

enum ledger_result { LEDGER_DONE, LEDGER_NO_ROOM, LEDGER_BROKEN };

struct ledger_work {
    struct job job;
    struct ledger *ledger;
    struct ledger_disk disk;
    struct wal_record *records; /* of a WRITE: LEDGER_WRITE_MAX of them */
    uint64_t bytes;             /* of all of them */
    enum ledger_result result;
    struct err err;
};

struct ledger_read {
    struct job job;
    struct ledger *ledger;
    bool busy, failed;
    uint64_t want; /* position; 0: none */
    uint64_t from;
    struct ledger_tail records;
    struct err err;
};

struct ledger_drop {
    struct job job;
    struct ledger *ledger;
    bool busy, failed;
    uint64_t before, first;
    struct err err;
};

struct ledger_size {
    uint64_t position, bytes; /* of the log up to it */
};

/* A copy that goes out. */
struct ledger_transfer {
    uint32_t number; /* 0: none */
    uint64_t session, epoch;
    bool begun, stalled, ending;
    uint64_t sent, took;
    uint64_t hold; /* the log has to keep what is after */
};

/* One that comes in. */
struct ledger_receipt {
    bool active, complete;
    struct instant begun;
    uint64_t session;
    uint32_t member;
    struct history history;
    uint64_t hash;
    uint64_t bytes, got, took, told;
};

/* What the log held at the start is executed again. */
struct ledger_replay {
    uint64_t before;      /* executed when it began */
    uint64_t to;          /* 0: there is nothing, or no more */
    int64_t read_ns;      /* the log, at the start */
    struct instant begun; /* to execute */
};

struct ledger_place {
    uint32_t member; /* 0: free */
    uint32_t peer;
    bool up;
    bool stalled;                    /* its link did not take a frame */
    uint64_t session, shipped, took; /* of records, in bytes */
    uint64_t piece;                  /* bytes of the next record that were sent already */
    struct buf out, in;              /* owners' messages */
    size_t out_at;
    struct ledger_transfer transfer;
};

struct ledger {
    struct ledger_options options;
    char name[PEER_NAME_MAX], group[PEER_NAME_MAX];
    const struct ledger_events *events;
    void *context;
    struct loop *loop;
    struct ledger_core core;
    struct ledger_actions actions;
    struct ledger_view view;
    struct ledger_tail tail;

    struct jobs *jobs;
    struct ledger_files files;
    struct ledger_work work;
    struct ledger_read read;
    struct ledger_drop drop;
    uint32_t record_max;
    uint64_t log_bytes; /* that were ever in the log */
    uint32_t sizes_first, sizes_count;
    struct ledger_size sizes[LEDGER_MARKS_MAX]; /* ring */
    uint64_t checkpointed;

    struct peers *peers;
    struct ledger_place places[LEDGER_MEMBERS_MAX];
    struct buf frame;
    uint64_t received;    /* bytes of records of this session */
    uint64_t received_in; /* the session */
    struct buf assembly;  /* a record that comes in pieces */
    uint64_t assembly_at; /* its position */
    uint32_t transfers;   /* numbers that were given */
    struct ledger_receipt receipt;
    struct ledger_replay replay;
    uint64_t replayed_records, replay_us, copied_bytes, copy_us; /* as the view has them */

    struct timer timer;
    bool stirred, asked_status, wants_room, failed, closing;
    struct err err;
};

/* ---- drive_ledger.c ---- */

/* There is something to do at the end of this turn. */
void ledger_stir(struct ledger *ledger);
/* No later than so many milliseconds from now. */
void ledger_again(struct ledger *ledger, int64_t ms);
void ledger_fail(struct ledger *ledger, const struct err *err);

/* ---- drive_ledger_disk.c ---- */

MUST_USE bool ledger_files_open(struct ledger *ledger, struct ledger_restored *restored,
                                struct err *err);
void ledger_files_close(struct ledger *ledger);
void ledger_files_do(struct ledger *ledger, const struct ledger_disk *disk);
/* Asks for records from this position on; when they are there the turn is made again. */
void ledger_files_want(struct ledger *ledger, uint64_t position);
/* The record at this position, in memory or as it was read; NULL: it has to be asked for. */
const struct tail_record *ledger_files_at(const struct ledger *ledger, uint64_t position);
/* What nobody needs any more is dropped, if there is enough of it. */
void ledger_files_trim(struct ledger *ledger);

/* ---- drive_ledger_links.c ---- */

MUST_USE bool ledger_links_open(struct ledger *ledger, struct err *err);
void ledger_links_configure(struct ledger *ledger, const struct ledger_member *members,
                            uint32_t count);
struct ledger_place *ledger_place_of(struct ledger *ledger, uint32_t member);
/* Sends a message of the core. */
void ledger_links_send(struct ledger *ledger, const struct ledger_message *message);
void ledger_links_flush(struct ledger *ledger);
void ledger_links_broken(struct ledger *ledger, const struct ledger_place *place, const char *why);

/* ---- drive_ledger_ship.c ---- */

void ledger_ship(struct ledger *ledger);
void ledger_ship_take(struct ledger *ledger, struct ledger_place *place,
                      const struct ledger_message *message, struct bytes records);
void ledger_ship_take_piece(struct ledger *ledger, struct ledger_place *place, struct bytes body);
void ledger_ship_took(struct ledger *ledger, struct ledger_place *place, uint64_t took);
/* What this member says in its confirmations. */
uint64_t ledger_ship_taken(const struct ledger *ledger);

/* ---- drive_ledger_copy.c ---- */

void ledger_copy_asked(struct ledger *ledger, struct ledger_place *place,
                       const struct ledger_message *message);
void ledger_copy_frame(struct ledger *ledger, struct ledger_place *place, enum ledger_frame type,
                       struct bytes body);
void ledger_copy_link_down(struct ledger *ledger, struct ledger_place *place);
/* Ends what has no ground any more, offers again what a link did not take. */
void ledger_copy_turn(struct ledger *ledger);
