/*
 * cli/client: asks the nines that runs on this machine, over its Unix socket. Blocks, but never for longer than it was told.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

enum { CLIENT_TIMEOUT_MS = 10000 };
enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_TIMEOUT = 5,   /* no answer: it may have happened, or not */
    EXIT_NO_QUORUM = 6, /* the cluster cannot decide now; nothing was changed */
    EXIT_REFUSED = 7,   /* it would not be safe, or makes no sense; nothing was changed */
    EXIT_CONFIGURATION = 78,
};

/* What all commands that talk to a nines take: `-c FILE`, `--socket PATH`, then their own. */
struct client_options {
    char socket[256];
    bool json;            /* --json */
    bool all;             /* --all */
    bool links;           /* --links */
    bool accept_loss;     /* --yes-i-accept-loss */
    bool dry_run;         /* --dry-run */
    const char *timeout;  /* --timeout */
    const char *to;       /* --to */
    const char *at;       /* --at */
    const char *lasting;  /* --for */
    const char *words[2]; /* operands */
    uint32_t word_count;
};

/* `wanted` operands must be there, and flags that `flags` names (a NULL-terminated list) are taken; one that takes a value ends with
 * `=` in the list, and is written `--timeout 5s` or `--timeout=5s`. */
MUST_USE bool client_parse(struct client_options *options, int argc, char **argv, uint32_t wanted,
                           const char *const *flags, struct err *err);

struct client_operands {
    uint32_t least, most; /* how many; at most 2 */
};

/* The same, with some operands that may be left out. */
MUST_USE bool client_parse_some(struct client_options *options, int argc, char **argv,
                                struct client_operands operands, const char *const *flags,
                                struct err *err);
/* Percent-encodes all that is not an unreserved character (RFC 3986 2.3) or `:`. */
void client_add_segment(struct buf *out, const char *text);

struct client_answer {
    uint16_t status;
    struct buf body; /* the caller's to buf_fini, on success */
};

MUST_USE bool client_ask(const char *socket, const char *method, const char *target,
                         int64_t timeout_ms, struct client_answer *answer, struct err *err);
struct client_reply {
    uint16_t status;
    json_t *json; /* the caller's to json_decref, on success */
};

/* The same, with an answer in JSON; of any status. */
MUST_USE bool client_ask_json(const char *socket, const char *method, const char *target,
                              int64_t timeout_ms, struct client_reply *reply, struct err *err);
/* False when the status is not 200: the error is the answer's own sentence, and the answer is gone. */
MUST_USE bool client_was_granted(struct client_reply *reply, struct err *err);
/* Prints the sentence on standard error and returns the exit code of its kind. */
int client_fail(const char *command, const struct err *err);
