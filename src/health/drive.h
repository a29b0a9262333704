/*
 * health/drive: what the files that do the asking share.
 */
#pragma once

#include "health/check_http.h"
#include "health/health.h"
#include "health/verdict.h"
#include "net/net.h"

enum {
    HEALTH_NAME_MAX = 264, /* an endpoint: a host of at most 255, a port */
    SETTLE_MS = 20,        /* a TCP connection that lives so long was not reset at once */
    STALLED_MS = 50,       /* a deadline met so late is the asker's fault */
    SWEEP_MS = 50,         /* how often workers' failures are looked for */
};

enum phase {
    RESTING,    /* the timer is the next check */
    CONNECTING, /* the timer is the check's deadline */
    SETTLING,   /* the timer is the end of a TCP check */
    ASKING,     /* the timer is the check's deadline */
    CLOSING,    /* no timer */
};

/* One slot: a backend that is watched, or the rest of one that was. Lives as long as the room, so streams and resolutions may end late. */
struct watched {
    struct health *health;
    struct verdict_record *record;
    bool wanted; /* it is a target */
    struct health_target target;
    char name[HEALTH_NAME_MAX]; /* outlives the image that target.name is in */
    struct address address;     /* of now; family 0: unknown */

    enum phase phase;
    bool excused; /* of its deadline, once */
    struct verdict verdict;
    struct instant began, deadline, due;
    struct timer timer;
    struct stream stream;
    struct check_http http;

    uint16_t port;           /* of the endpoint */
    bool resolving, renamed; /* renamed: the answer under way is for another name */
    struct timer again;
    struct resolution resolution;
};

struct health {
    struct health_options options;
    struct rng rng;
    struct resolver *resolver;
    struct timer sweep;
    bool configured; /* once at least */
    uint32_t busy;   /* streams that are not closed */
    struct watched watched[BACKENDS_MAX];
};

/* drive.c */
struct pace watched_pace(const struct watched *watched);
bool watched_checked(const struct watched *watched);
/* The check that began is over, or could not be made; the next one is due as the pace says. */
void watched_ended(struct watched *watched, enum health_outcome outcome, uint16_t status,
                   const char *why);
void watched_failed_to_ask(struct watched *watched);
void watched_rest(struct watched *watched); /* the stream is closed: waits for `due` */

/* drive_check.c */
void check_begin(struct watched *watched);
void check_cancel(struct watched *watched); /* nothing is said of the backend */
void check_timer(struct watched *watched);

/* drive_name.c */
void name_init(struct watched *watched);
void name_configure(struct watched *watched);
void name_forget(struct watched *watched);
