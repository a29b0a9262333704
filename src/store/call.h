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
#include "store/notice.h"
#include "store/space.h"

#include <stdbool.h>
#include <stdint.h>

struct command;

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
    COMMAND_INTERNAL = 1 << 9,   /* the primary's own: no client may call it */
    COMMAND_CONTAINER = 1 << 10, /* of subcommands; `run` is NULL */
    /* Its keys are counted: first_key is the place of their number, behind which they are; last_key > 0: one more key there. */
    COMMAND_COUNTED = 1 << 11,
    COMMAND_LOGGED = 1 << 12, /* the server's own that becomes a record all the same */
    COMMAND_ANYWHERE =
        1 << 13, /* the server's own that does not ask whose connection it is: MULTI may queue it */
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

/* Members stand in the order of the rows. NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct command {
    const char *name; /* lower case; a subcommand `client|list` */
    int16_t arity;    /* words, the name included; negative: at least so many */
    uint32_t flags;   /* enum command_flags */
    /* enum command_category that it is listed under in docs/commands.md; its categories for ACL follow from group and flags */
    uint32_t group;
    int16_t first_key, last_key, key_step; /* as COMMAND says them; 0: none */
    void (*run)(struct call *call);
    const char *words; /* "key value [NX | XX] [GET]": for docs/commands.md and COMMAND DOCS */
    const char *help;  /* one sentence */
};

/* ---- replies: what version 2 and 3 have in common, and where they differ ---- */

/* False: nobody reads more of it. Whoever replies as often as a client says asks before each time. */
static inline bool reply_is_wanted(const struct call *call)
{
    return call->out && !call->out->full;
}

/* For what is gathered before it is known how much it is: how many bytes of it would be read, and what was gathered. Of more than that the reply is as full as if it had been written at once. */
static inline size_t reply_room(const struct call *call)
{
    return reply_is_wanted(call) ? call->out->limit - call->out->len : 0;
}
void reply_gathered(struct call *call, const struct buf *found);

void reply_ok(struct call *call);
void reply_simple(struct call *call, const char *text);
/* A whole error, its code first: "ERR syntax error". One line. */
void reply_error(struct call *call, const char *text);
void reply_errorf(struct call *call, const char *format, ...) PRINTF(2, 3);
void reply_wrong_type(struct call *call);
void reply_syntax(struct call *call);
void reply_arity(struct call *call); /* wrong number of arguments for this command */
void reply_number(struct call *call, int64_t number);
void reply_bulk(struct call *call, struct bytes text);
void reply_string(struct call *call, const char *text);
void reply_bulk_number(struct call *call, int64_t number);
void reply_null(struct call *call);
void reply_null_array(struct call *call);
void reply_array(struct call *call, uint64_t count);
void reply_map(struct call *call, uint64_t pairs);   /* version 2: an array of twice as many */
void reply_set(struct call *call, uint64_t count);   /* version 2: an array */
void reply_double(struct call *call, double number); /* version 2: a bulk string */

/* ---- arguments. Each replies the error and says false if the word is none ---- */

bool call_number(struct call *call, uint32_t word, int64_t *number);
/* With another sentence for what is wrong; NULL: the usual. */
bool call_number_or(struct call *call, uint32_t word, int64_t *number, const char *error);
bool call_number_within(struct call *call, uint32_t word, int64_t low, int64_t high,
                        const char *error, int64_t *number);
bool call_count(struct call *call, uint32_t word, int64_t *number); /* not negative */
bool call_double(struct call *call, uint32_t word, double *number, const char *error);
bool call_is(const struct call *call, uint32_t word, const char *option); /* without case; lower */
bool text_to_number(struct bytes text, int64_t *number); /* strictly, as Redis reads integers */
bool text_to_double(struct bytes text, double *number);
bool text_to_long_double(struct bytes text, long double *number);
/* `%.17g`, at most CALL_DOUBLE_MAX; without exponent and trailing zeros. Return the length. */
enum { CALL_DOUBLE_MAX = 64, CALL_LONG_DOUBLE_MAX = 5120 };
size_t double_to_text(double number, char *text);
size_t long_double_to_text(long double number, char *text);
size_t number_to_text(int64_t number, char *text); /* at most 20 */

/* ---- keys ---- */

/* For a read: what has expired is not there. Marks the key as used. */
struct spot call_look(struct call *call, uint32_t word);
/* For a change: what has expired is deleted first. */
struct spot call_look_to_change(struct call *call, uint32_t word);
/* False: there is a key of another type, and that has been replied. */
bool call_has_type(struct call *call, const struct spot *spot, enum value_type type);
/* The value that a key has; NULL: there is no key. */
void *spot_value(const struct spot *spot);

/* As space_put_*, with the notice that there is a new key. */
void call_put_text(struct call *call, struct spot *spot, struct bytes text, int64_t expires_ms);
void call_put_number(struct call *call, struct spot *spot, int64_t number, int64_t expires_ms);
void call_put_value(struct call *call, struct spot *spot, enum value_type type, void *value,
                    int64_t expires_ms);
/* Before a value is changed where it is. */
void call_change(struct call *call, struct spot *spot);
/* After a change: enum notice_class, and the event's name. */
void call_tell(struct call *call, uint32_t class, const char *event, struct bytes name);
/* Deletes a key whose value has become empty, and tells so. */
void call_delete_empty(struct call *call, struct spot *spot);
struct heap *call_heap(const struct call *call);

/* What *STORE commands end with: the value goes to the key at `word`, whatever was there; or nothing, if it is NULL, and the key is deleted. */
void call_store(struct call *call, uint32_t word, enum value_type type, void *value,
                const char *event);
