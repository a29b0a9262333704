/*
 * call: one command that is executed on the space. Pure: what it needs is in here, and what comes of it is the reply, the space and the notices.
 *
 * Executed on every member when its record is committed (a write), or once, where it was asked (a read). So a handler takes time and chance from here alone, and
 * its reply and its effect are the same everywhere; `out` may be NULL for members whose clients did not ask.
 */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"
#include "base/rng.h"

#include <stdbool.h>
#include <stdint.h>

struct space;
struct command;
struct notices; /* what keyspace notifications and tracking are made of; notice.h */

struct call {
    struct space *space;
    const struct command *command;
    const struct bytes *words; /* the command's name first */
    uint32_t count;
    int64_t now_ms;    /* a write: of its record; a read: the clock */
    uint64_t position; /* of the record: the version of what it changes; 0: a read */
    struct rng *chance;
    bool version3;           /* of the protocol that the reply is written in */
    struct buf *out;         /* the reply; NULL: nobody waits for it */
    struct notices *notices; /* NULL: nobody listens */
};

/* A command's row. `run` writes exactly one reply, an error included, if `out` is not NULL. */
enum command_flags {
    COMMAND_WRITE = 1 << 0,   /* may change the space: it becomes a record */
    COMMAND_READ = 1 << 1,    /* reads the space */
    COMMAND_SESSION = 1 << 2, /* the server's own (session.h): `run` is NULL */
    COMMAND_GROWS = 1 << 3,   /* needs memory: refused with -OOM when there is none */
    COMMAND_FAST = 1 << 4,
    COMMAND_ADMIN = 1 << 5,
    COMMAND_DANGEROUS = 1 << 6,
    COMMAND_NO_EXEC = 1 << 7, /* not within MULTI */
    COMMAND_PUBSUB = 1 << 8,
};

/* Categories of ACL, as Redis names them: bit i is command_categories[i]. */
enum command_category {
    CATEGORY_KEYSPACE,
    CATEGORY_READ,
    CATEGORY_WRITE,
    CATEGORY_STRING,
    CATEGORY_HASH,
    CATEGORY_LIST,
    CATEGORY_SET,
    CATEGORY_SORTEDSET,
    CATEGORY_PUBSUB,
    CATEGORY_ADMIN,
    CATEGORY_DANGEROUS,
    CATEGORY_CONNECTION,
    CATEGORY_TRANSACTION,
    CATEGORY_FAST,
    CATEGORY_SLOW,
    CATEGORY_BLOCKING,
    CATEGORIES,
};

struct command {
    const char *name; /* lower case; a subcommand `client|list` */
    int16_t arity;    /* words, the name included; negative: at least so many */
    uint32_t flags;   /* enum command_flags */
    uint32_t
        group; /* enum command_category that it is listed under in docs/commands.md; its categories for ACL follow from group and flags */
    int16_t first_key, last_key, key_step; /* as COMMAND says them; 0: none */
    void (*run)(struct call *call);
    const char *words; /* "key value [NX | XX] [GET]": for docs/commands.md and COMMAND DOCS */
    const char *help;  /* one sentence */
};
