/*
 * topology: the values that rooms of a cluster share, with their encodings. Here: the fact.
 *
 * A fact says what happened, when, on which node, to whom, with a few typed numbers and one sentence. It is plain data; topology/codes.h lists
 * what can happen. Whoever sees something makes a fact, and the timeline stamps it (moment, node, sequence) and keeps it:
 *
 *     struct fact fact;
 *
 *     fact_init(&fact, FACT_LEADER_ELECTED, SUBJECT_NODE, "beta");
 *     fact.epoch = term;
 *     fact_add(&fact, NUMBER_MEMBER, member);
 *     fact_say(&fact, "beta leads in term %llu", (unsigned long long)term);
 *
 * Encoded, a fact is a length, a version and tagged fields by rising tag, integers little-endian. A reader skips tags that it does not know and
 * leaves zero what is not there, so newer and older nodes read each other's facts. What was encoded decodes to the same fact.
 */
#pragma once

#include "base/buf.h"
#include "topology/codes.h"
#include "topology/moment.h"

enum {
    FACT_NODE_MAX = 64,     /* of a node's name, NUL included */
    FACT_SUBJECT_MAX = 128, /* of a subject's name, NUL included; longer ones are cut */
    FACT_TEXT_MAX = 241,    /* of the sentence, NUL included; longer ones are cut */
    FACT_NUMBERS_MAX = 12,
    FACT_BYTES_MAX = 640, /* of an encoded fact, its length included, as this version writes it */
    FACT_FOREIGN_MAX =
        4096, /* ... and as it reads one; a longer one is refused, whoever wrote it */
};

enum subject_kind {
    SUBJECT_NONE,
    SUBJECT_CLUSTER,
    SUBJECT_NODE,
    SUBJECT_LINK, /* named by the node at the other end, or `node path` */
    SUBJECT_GROUP,
    SUBJECT_SERVICE,
    SUBJECT_LEASE, /* named by its resource */
    SUBJECT_CONFIGURATION,
    SUBJECT_DOCUMENT,
    SUBJECT_DISK, /* named by its directory or file */
    SUBJECT_CLOCK,
    SUBJECT_CERTIFICATE,
    SUBJECT_STRANGER, /* who is not a member: named by its address */
    SUBJECT_ADDRESS,  /* a virtual one, by its name */
    SUBJECT_KINDS,
};

enum number_kind {
    NUMBER_NONE,
    NUMBER_COUNT,
    NUMBER_MEMBER,      /* a member id */
    NUMBER_INCARNATION, /* of the subject; that of the fact's own node is in the fact */
    NUMBER_INDEX,       /* in the replicated log */
    NUMBER_VERSION,     /* of the document, a group, a protocol */
    NUMBER_BYTES,
    NUMBER_ELAPSED_MS,   /* how long it took, lasted, or has been silent */
    NUMBER_REMAINING_MS, /* how much is left */
    NUMBER_SKEW_MS,      /* how far a clock is off; negative: behind */
    NUMBER_SUSPICION,    /* phi, in hundredths */
    NUMBER_ERRNO,
    NUMBER_STATUS, /* exit code; negative: the signal */
    NUMBER_VOTERS,
    NUMBER_NEEDED,    /* how many would be a quorum */
    NUMBER_HASH,      /* bits of one: printed in hexadecimal */
    NUMBER_FROM,      /* the member that was, */
    NUMBER_TO,        /* ... and the one that is instead */
    NUMBER_DETECT_MS, /* the phases of a failover; ELAPSED_MS is their sum */
    NUMBER_DECIDE_MS,
    NUMBER_FENCE_MS,
    NUMBER_PROMISE_MS,
    NUMBER_PROMOTE_MS,
    NUMBER_VERIFY_MS,
    NUMBER_WAITED,     /* clients' requests and connections that were held, */
    NUMBER_FAILED,     /* ... and that waited in vain */
    NUMBER_LOST_BYTES, /* estimated */
    NUMBER_POSITION,   /* how far data goes, in its engine's own unit */
    NUMBER_KINDS,
};

struct fact_number {
    uint8_t kind; /* enum number_kind, or one that a newer version knows */
    int64_t value;
};

struct fact {
    uint16_t code; /* enum fact_code, or one that a newer version knows; not 0 */
    struct moment at;
    char node[FACT_NODE_MAX]; /* that saw it */
    uint32_t member;          /* its id then; 0: none yet */
    uint64_t incarnation;     /* of its agent */
    /* Place in the node's own timeline: sequences count up by one, over restarts too; the origin is drawn at random at each start of the
     * agent. (node, origin, sequence) names a fact in the whole cluster. */
    uint64_t origin, sequence; /* sequence: at most INT64_MAX */
    uint8_t subject_kind;      /* enum subject_kind, or one that a newer version knows */
    char subject[FACT_SUBJECT_MAX];
    uint64_t epoch; /* or term; 0: it has none */
    uint32_t number_count;
    struct fact_number numbers[FACT_NUMBERS_MAX];
    char text
        [FACT_TEXT_MAX]; /* one sentence, printable UTF-8 without line breaks, no full stop at its end */
};

/* ---- making one ---- */

/* All else is zero; `subject` may be NULL. Texts may come from a stranger: what is not printable becomes `?`. */
void fact_init(struct fact *fact, enum fact_code code, enum subject_kind kind, const char *subject);
void fact_add(struct fact *fact, enum number_kind kind,
              int64_t value); /* at most FACT_NUMBERS_MAX */
void fact_say(struct fact *fact, const char *format, ...) PRINTF(2, 3);

/* ---- order and identity ---- */

/* By moment, node, origin, sequence: negative, 0, positive. Within one node the sequence is what counts, see timeline_merge. */
int fact_compare(const struct fact *a, const struct fact *b);
bool fact_same(const struct fact *a, const struct fact *b); /* the same node, origin, sequence */

/* ---- bytes ---- */

/* At most FACT_BYTES_MAX bytes; whether they fitted is the buffer's to say. */
void fact_encode(const struct fact *fact, struct buf *out);

enum fact_outcome { FACT_READ, FACT_MORE, FACT_WRONG };

/* One fact from the front of `bytes`; *used is its length. FACT_MORE: it is not whole yet. FACT_WRONG: this is no fact, and *why says what is
 * wrong (static). On anything but FACT_READ nothing is written to *fact and *used. */
enum fact_outcome fact_decode(struct bytes bytes, struct fact *fact, size_t *used,
                              const char **why);

/* ---- for people and programs ---- */

struct json;

void fact_print_json(const struct fact *fact, struct json *json); /* one object */
const char *subject_name(uint8_t kind);                           /* `node`; `unknown` */
const char *number_name(uint8_t kind);                            /* `elapsed_ms`; `unknown` */
