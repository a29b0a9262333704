/*
 * What stands on a ledger in the subject *store*: the server's real sessions (store/session.h) and keys, without connections, files and threads. Clients of every host
 * set registers, read them and exchange them by WATCH. The order in which all that happened is known here, so each answer is compared with it: that is
 * linearizability without a search.
 */
#pragma once

#include "sim.h"

#include "store/ledger.h"
#include "store/session.h"

enum { OWNER_KEYS = 6, OWNER_CLIENTS = 3, OWNER_VALUES = 1 << 14, OWNER_POSITIONS = 1 << 17 };

/* What a register held from this position on. */
struct owner_change {
    uint64_t position;
    uint32_t value; /* 0: nothing */
    bool timed;     /* a clock may have ended it before the log did */
};

/* Of the whole group: what was asked, and what became of it. */
struct owner_book {
    struct sim *sim;
    struct owner_change changes[OWNER_KEYS][2 * OWNER_VALUES];
    uint32_t counts[OWNER_KEYS];
    uint64_t positions[OWNER_VALUES]; /* of the record that wrote the value; 0: none did */
    bool refused[OWNER_VALUES];       /* a client was told that it is not done */
    uint64_t
        contents[OWNER_POSITIONS]; /* of all registers, when this was just executed; 0: not known */
    uint64_t last;                 /* executed by anybody */
    uint64_t seen;                 /* the greatest position of which any client knows */
    uint32_t values;
    uint64_t answered, calm_answered;
};

struct owner;

struct owner_options {
    struct owner_book *book;
    struct sim_host *host;
    uint32_t index;
    struct desk_log log;
};

struct owner *owner_open(const struct owner_options *options);
void owner_close(struct owner *owner);

/* All keys, and what belongs to them, as they are now; and the reverse, into an empty state. */
void owner_save(struct owner *owner, struct buf *image);
void owner_empty(struct owner *owner);
void owner_load(struct owner *owner, struct bytes image, uint64_t position);

/* A client does the next thing, if it waits for nothing. */
void owner_ask(struct owner *owner);
/* Of this run, when `answered` counts none. */
bool owner_has_answered(const struct owner *owner);
void owner_calm(struct owner *owner);

/* ---- what the ledger tells ---- */

uint64_t owner_execute(struct owner *owner, struct position position, struct bytes record,
                       uint64_t cookie);
void owner_executed(struct owner *owner);
void owner_unknown(struct owner *owner, uint64_t cookie);
void owner_state(struct owner *owner);
void owner_roomy(struct owner *owner);
void owner_linked(struct owner *owner, uint32_t member, bool up);
void owner_message(struct owner *owner, uint32_t member, struct bytes bytes);
