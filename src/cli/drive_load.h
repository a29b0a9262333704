/*
 * What every load shares: the loop, the names, the signals and the line on the terminal. Who sends and hears is a protocol, which is
 * told when something is due.
 */
#pragma once

#include "cli/load.h"
#include "net/net.h"

struct load_driver;

struct load_protocol {
    /* Before the schedule begins; what was made of it is closed in any case. */
    bool (*open)(struct load_driver *driver, struct err *err);
    /* Takes from the plan what is due, as far as it can. */
    void (*send_what_is_due)(struct load_driver *driver, struct instant now);
    /* Whether a request that is due could be taken. */
    bool (*is_free)(struct load_driver *driver);
    /* The schedule was cut short: abandons what is under way. */
    void (*abandon)(struct load_driver *driver);
    /* After the last request has ended. May be NULL. */
    bool (*conclude)(struct load_driver *driver, struct err *err);
    void (*close)(struct load_driver *driver);
};

struct load_driver {
    const struct load_protocol *protocol;
    void *clients; /* the protocol's own */
    const struct load_options *options;
    struct load_plan *plan; /* NULL: there is only something to conclude */
    struct loop *loop;
    struct resolver *resolver;
    struct resolution resolution;
    uint32_t asked;                    /* the host whose name is being resolved */
    bool resolved;                     /* every name was asked for at least once */
    struct address to[LOAD_HOSTS_MAX]; /* family 0: not resolved yet */
    struct timer resolve, progress;
    struct watch signals;
    uint32_t interrupts;
    bool failed; /* it cannot go on; `err` says why */
    struct err err;
};

enum { LOAD_CHUNK_BYTES = 64 << 10, LOAD_RESULT_MAX = 256 << 20 };

extern const struct load_protocol load_http;

/* What load_free gives back. */
MUST_USE bool load_allocate(const struct load_options *options, struct load_plan *plan,
                            struct err *err);
/* From opening to closing. False: it could not begin, or not go on. */
MUST_USE bool load_driver_run(struct load_driver *driver, struct err *err);
/* The reason that an errno stands for. */
enum load_outcome load_outcome_of_errno(bool connecting, int error);
/* False when standard output did not take it. */
MUST_USE bool load_write_result(const struct buf *out);

/* `nines load … --journal` and `nines load verify`: their exit codes. */
int load_run_journal(const struct load_options *options);
int load_run_verify(const struct load_options *options);
