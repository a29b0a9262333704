/*
 * execute: a record that is committed happens to the space, the same on every member. Pure.
 *
 * What stands in a record and is not the space's (PUBLISH, ACL SETUSER) is handed to the owner. Whatever a record says, something defined comes of it: one that
 * cannot be executed is answered with an error and changes nothing, everywhere alike.
 */
#pragma once

#include "base/buf.h"
#include "base/rng.h"
#include "store/notice.h"

struct space;
struct call; /* call.h */

struct execution {
    struct space *space;
    struct notices *notices; /* NULL: nobody listens */
    /* A command of the server's own: writes exactly one reply if there is an `out`. */
    void (*own)(void *context, struct call *call);
    void *context;
    int64_t
        time_ms; /* of the last record: the next one's is not less. It belongs to the state, and to its checkpoint */
    /* Of the record under way; seeded by the owner, for what only reads. */
    struct rng chance;
    struct bytes *words; /* of the command under way; owned */
    uint32_t words_cap;
};

/* `words` begins empty. */
void execution_fini(struct execution *execution);
/* Position 0: a transaction that only reads, now. `out` may be NULL. */
void execute_record(struct execution *execution, uint64_t position, struct bytes record,
                    struct buf *out, bool version3);
