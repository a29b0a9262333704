/*
 * engine: one interface to a data service, whatever it is.
 *
 * An engine is asked one thing at a time (topology/engine.h) and answers each order exactly once, in time: what hangs is broken off. It decides nothing; who asks
 * is replication/replica.h, through role/groups*.c. It never waits on the loop, and never blocks it: a script runs as a process of its own, which the supervisor
 * started, and is spoken to over a stream.
 *
 *     engine_open(&engine, &options, &err)
 *     engine_ask(engine, &order)            answered() follows
 *     engine_cancel(engine)                 the order under way ends as BROKEN, at once
 *     engine_close(engine)
 *
 * Kinds: `script`: a program of the user's that reads one JSON object a line and writes one a line; docs/engines.md is its contract. `store`: the embedded store
 * (docs/store.md), a process of nines's own that reads and writes the same lines itself. Both are spoken to by drive_script.c.
 */
#pragma once

#include "base/address.h"
#include "base/err.h"
#include "schema/schema.h"
#include "topology/engine.h"

struct loop;

/* ---- the configuration: part of a group's section ---- */

enum engine_kind { ENGINE_SCRIPT, ENGINE_STORE, ENGINE_KINDS };

struct engine_word {
    struct item item;
    struct ref text;
};

struct engine_probe {
    struct ref send;   /* bytes, with \r \n \\ \xHH; `{epoch}` becomes the epoch */
    struct ref expect; /* what the answer begins with */
    int64_t timeout_ms;
};

struct engine_config {
    int32_t kind;       /* enum engine_kind */
    struct ref command; /* items: struct engine_word: the script's program and arguments */
    /* likewise: the data service itself, run by the supervisor; or none: something else runs it */
    struct ref process;
    struct ref unit;      /* instead: the systemd unit that is the data service; empty: none */
    struct ref user;      /* whom both become */
    struct ref directory; /* where they run */
    int64_t timeout_ms;   /* of a status, promise, promote, demote or follow */
    int64_t copy_ms;      /* of a rewind or copy */
    int64_t stop_ms; /* when nines stops, or the group left the file: from SIGTERM to SIGKILL */
    int64_t restart_attempts, restart_window_ms;
    bool probed; /* `probe` was written */
    struct engine_probe probe;
};

extern const struct option
    engine_options[]; /* rows of struct engine_config, for OPTION_INCLUDE in a group */

/* The data service is a child of the supervisor, and dies with it. */
static inline bool engine_is_child(const struct engine_config *config)
{
    return config->process.count > 0 || config->kind == ENGINE_STORE;
}

/* The supervisor runs the data service, itself or through systemd. */
static inline bool engine_is_managed(const struct engine_config *config)
{
    return engine_is_child(config) || config->unit.count > 0;
}

/* What the rows alone cannot refuse; NULL: nothing. *key is the one to point at. */
const char *engine_contradiction(const struct engine_config *config, struct image image,
                                 const char **key);
/* Writes a probe's text as the bytes that go over the wire: \r \n \t \\ \xHH, and `{epoch}`. False: it is not such a text, or does not fit. */
MUST_USE bool engine_unescape(struct bytes text, uint64_t epoch, struct buf *out);

/* ---- running ---- */

struct engine;

/* A member as the engine has to know it. */
struct engine_member {
    const char *name;
    uint32_t member;        /* id; 0: the cluster has no such member yet */
    struct address address; /* of its data service */
};

struct engine_events {
    /* Once for each order; never from inside engine_ask. */
    void (*answered)(void *context, const struct engine_answer *answer);
    /* It needs a new stream to its program (which ended, or was broken off): the owner asks the supervisor, then calls engine_connect. */
    void (*wants_program)(void *context);
    /* The program that is connected has to end, with all that it started: it hangs, or talks nonsense. */
    void (*kill_program)(void *context);
};

struct engine_options {
    struct loop *loop;
    const char *group, *self; /* names; copied */
    const struct engine_config *config;
    struct image image; /* which `config` lies in; not needed after engine_open */
    const struct engine_events *events;
    void *context;
};

MUST_USE bool engine_open(struct engine **engine, const struct engine_options *options,
                          struct err *err);
/* Who the members are now; at any time. Copied, names too. */
void engine_members(struct engine *engine, const struct engine_member *members, uint32_t count);
/* A stream socket to a new run of its program, which is the callee's from now on; the one before ends. */
void engine_connect(struct engine *engine, int fd);
/* A program that was wanted could not be started (process_word.started is 0): `sentence` says why. That one has ended the stream tells. */
void engine_lost(struct engine *engine, const char *sentence);
/* No order is under way. */
void engine_ask(struct engine *engine, const struct engine_order *order);
void engine_cancel(struct engine *engine);
void engine_close(struct engine *engine); /* NULL is fine; nothing is answered any more */

/* ---- a client's write, by ourselves: is it served, really? (drive_probe.c) ---- */

struct probe;

struct probe_events {
    /* The local port of its connection, once that stands and before anything is sent on it: whoever holds others back lets this one through from now on
     * (group_record.probe_port). May be NULL. */
    void (*bound)(void *context, uint16_t port);
    /* Once, never from inside; the probe is freed by then. `sentence`: why not; "" when it was answered. */
    void (*done)(void *context, bool answered, const char *sentence);
};

struct probe_options {
    struct loop *loop;
    const struct engine_probe *what;
    struct image image;     /* which `what` lies in; not needed after probe_begin */
    struct address address; /* of the data service, or of the listener before it */
    uint64_t epoch;         /* what `{epoch}` becomes */
    const struct probe_events *events;
    void *context;
};

/* Connects, sends, and waits for what is expected, all within the configured time. */
MUST_USE bool probe_begin(struct probe **probe, const struct probe_options *options,
                          struct err *err);
void probe_cancel(struct probe *probe); /* without `done`; NULL is fine */
