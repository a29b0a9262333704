/*
 * cli/load: `nines load`, an open-loop load generator, and the measuring instrument of everything else.
 *
 * Requests are due by a fixed schedule that no slow answer moves, and latency is counted from the moment that a request was due. So a server that
 * stalls is charged for all who would have come meanwhile (no coordinated omission). Every request that was due ends in exactly one outcome.
 *
 * load_options.c reads the words, load_plan.c keeps the schedule and the accounts, load_print.c tells the result: all pure. drive_load.c
 * runs it, and drive_load_http.c holds the connections. With a journal it is a client that knows what it was promised: journal.h.
 */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/histogram.h"
#include "base/instant.h"
#include "base/json.h"

/* ---- what was asked ---- */

enum {
    LOAD_HEADERS_MAX = 32,
    LOAD_CONNECTIONS_MAX = 65536,
    LOAD_RATE_MAX = 10000000,
    LOAD_BODY_MAX = 64 << 20,
    LOAD_HOSTS_MAX = 32,
    LOAD_PREFIX_MAX = 64,
    LOAD_PATH_MAX = 4095,
};
#define LOAD_DURATION_MAX_MS (24 * 3600 * 1000LL)

struct load_host {
    struct bytes name;
    uint16_t port;
};

struct load_options {
    const char *url; /* as written; the parts below are views into it */
    struct bytes authority, target;
    struct load_host hosts[LOAD_HOSTS_MAX]; /* http has one */
    uint32_t host_count;
    const char *method;
    const char *headers[LOAD_HEADERS_MAX]; /* `Name: value`, as written */
    uint32_t header_count;
    uint64_t rate; /* per second; 0: closed loop */
    int64_t duration_ms, timeout_ms;
    uint32_t connections;
    bool keep_alive, json;
    uint64_t body_bytes;
    bool expects_body;
    uint64_t expect_body_bytes;
    uint64_t failures_max;
    const char *group_by; /* a header of the answers, or NULL */
    /* of a journal */
    const char *journal; /* its file, or NULL: a load of http */
    const char *prefix;  /* of the keys; NULL: one that nobody else has */
    const char *read_from;
    uint32_t
        write_count; /* of the hosts: those that are written to; reading uses what follows, or these if none does */
    int64_t attempt_ms;
    int64_t fault_ms; /* since 1970; -1: not told */
};

extern const char load_usage[];

/* `argv[0]` is the command's name. Views and texts point into argv. */
MUST_USE bool load_parse(struct load_options *options, int argc, char **argv, struct err *err);
/* Of `nines load verify FILE URL`. */
MUST_USE bool load_parse_verify(struct load_options *options, int argc, char **argv,
                                struct err *err);
/* The one request that is sent again and again. */
void load_write_request(const struct load_options *options, struct buf *out);

/* ---- the plan: schedule and accounts ---- */

enum load_outcome {
    LOAD_OK,
    LOAD_STATUS_4XX,
    LOAD_STATUS_5XX,
    LOAD_REFUSED,      /* the connection */
    LOAD_UNREACHABLE,  /* neither refused nor accepted, and an error says so */
    LOAD_UNRESOLVED,   /* the name */
    LOAD_RESET,        /* after connecting */
    LOAD_CLOSED_EARLY, /* before the answer was whole */
    LOAD_MALFORMED,    /* the answer is not of the protocol */
    LOAD_WRONG_LENGTH, /* of the body: --expect-body-bytes */
    LOAD_TIMEOUT,      /* sent, and not answered within the timeout, counted from when it was due */
    LOAD_NO_CONNECTION, /* every connection was busy for the whole timeout */
    LOAD_NO_RESOURCES,  /* of this machine: descriptors, ports, memory */
    LOAD_ERROR_ANSWER,  /* of a protocol without statuses */
    LOAD_OUTCOMES,
};

extern const char *const load_outcome_keys[LOAD_OUTCOMES]; /* `closed_early` */

enum { LOAD_GROUPS_MAX = 64, LOAD_GROUP_NAME_MAX = 64 };

struct load_group {
    char name[LOAD_GROUP_NAME_MAX]; /* cut where it is longer */
    uint64_t answers;
};

/* Of the requests that were due in one second. */
struct load_second {
    uint64_t due, ok, failed;
    struct histogram latency; /* of what was answered */
};

struct load_outage {
    int64_t began_ms, length_ms; /* since the start; -1 and 0: there was none */
};

struct load_plan {
    uint64_t rate;
    int64_t duration_ns, timeout_ns;
    struct instant start, end; /* end: nothing is due from here on */
    struct instant last_answer;
    uint64_t taken; /* requests that were given out or failed waiting; the number of the next one */
    uint64_t finished; /* of these */
    uint64_t abandoned;
    uint64_t outcomes[LOAD_OUTCOMES];
    uint64_t statuses[6]; /* by first digit */
    uint64_t bytes;       /* of content */
    uint64_t unasked;     /* bytes came that answer nothing; the connection was closed */
    uint64_t connects;    /* connections that were begun */
    struct histogram latency;
    uint32_t group_count;
    uint64_t ungrouped; /* answers without the header, or with one value too many */
    struct load_group groups[LOAD_GROUPS_MAX];
    struct load_second *seconds;
    uint64_t *marks; /* per millisecond two bits: a good request was due in it, a failed one */
};

/* Numbers of items that the caller gives the plan, zeroed, for as long as it lives. */
size_t load_seconds_needed(int64_t duration_ms);
size_t load_marks_needed(int64_t duration_ms);

void load_begin(struct load_plan *plan, const struct load_options *options,
                struct load_second *seconds, uint64_t *marks, struct instant start);
/* The moment that the next request is due; `start` or later, perhaps gone. NEVER: none comes any more. In a closed loop it is always due. */
struct instant load_next(const struct load_plan *plan, struct instant now);
/* Takes the oldest request that is due, for sending; false when there is none. Those that have waited for the timeout are accounted on
 * the way, as LOAD_NO_CONNECTION. */
MUST_USE bool load_take(struct load_plan *plan, struct instant now, struct instant *intended);
/* Only accounts for those that have waited for the timeout: for when no connection is free. */
void load_expire(struct load_plan *plan, struct instant now);
uint64_t load_waiting(const struct load_plan *plan, struct instant now);
static inline uint64_t load_outstanding(const struct load_plan *plan)
{
    return plan->taken - plan->finished - plan->abandoned;
}
enum { LOAD_ANSWERED = 999 }; /* the status of an answer that has none */
/* A request that was taken has ended. `status` is 0 when there was no whole answer. */
void load_finish(struct load_plan *plan, struct instant intended, struct instant now,
                 enum load_outcome outcome, uint16_t status);
enum load_outcome load_outcome_of_status(uint16_t status);
void load_group(struct load_plan *plan, struct bytes value);
/* Ends the schedule now. What was taken goes on, and what waits is as if it had never been due. */
void load_stop(struct load_plan *plan, struct instant now);
/* Gives up a request that was taken. */
void load_abandon(struct load_plan *plan);

uint64_t load_failed(const struct load_plan *plan);
uint64_t load_answered(const struct load_plan *plan); /* well or not */
/* From the first to the last failed request (as they were due) between which no good one was due, at its longest. */
struct load_outage load_longest_outage(const struct load_plan *plan);
/* Answers per second, from the start to the end of the schedule or the last answer, whichever was later. */
double load_achieved_rate(const struct load_plan *plan);

/* ---- the result ---- */

void load_print_text(const struct load_options *options, const struct load_plan *plan,
                     struct buf *out);
void load_print_json(const struct load_options *options, const struct load_plan *plan,
                     struct buf *out);
/* One line about the moment, without a newline. */
void load_print_progress(const struct load_plan *plan, struct instant now, struct buf *out);

/* Parts of both, which the journal's result has too. */
void load_json_counts(struct json *json, const struct load_plan *plan);
void load_json_latency(struct json *json, const struct histogram *latency);
void load_json_outage(struct json *json, const struct load_plan *plan);
void load_json_timeline(struct json *json, const struct load_plan *plan);
void load_text_failures(const struct load_plan *plan, struct buf *out);
void load_text_latency(const struct load_plan *plan, struct buf *out);
void load_text_outage(const struct load_plan *plan, struct buf *out);

/* ---- doing it ---- */

/* Runs until the schedule is over and every request has ended, or INT or TERM. False: it could not even begin. Either way load_free follows. */
MUST_USE bool load_drive(const struct load_options *options, struct load_plan *plan,
                         struct err *err);
void load_free(struct load_plan *plan);
int run_load(int argc, char **argv);
