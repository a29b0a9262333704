/*
 * replication/replica_state: what a replica remembers. Plain data without pointers: a copy is a snapshot. For whoever stores one, and for the room's own files.
 */
#pragma once

#include "replication/in_sync.h"

enum replica_writes {
    WRITES_NONE,     /* its process has ended, or it has confirmed that it takes none */
    WRITES_UNKNOWN,  /* this agent has just begun, and an earlier one may have let it */
    WRITES_POSSIBLE, /* from before it is asked to promote */
};

enum replica_process { PROCESS_UNKNOWN, PROCESS_ENDED, PROCESS_STARTING, PROCESS_RUNNING };

enum replica_want {
    WANT_NOTHING,
    WANT_PROMISE,
    WANT_PRIMARY,
    WANT_RESUME, /* the document's primary is an earlier run of this member's agent */
    WANT_FOLLOW,
};

enum replica_need { NEED_FOLLOW, NEED_REWIND, NEED_COPY };

enum replica_plan {
    PLAN_NONE,
    PLAN_STEP_DOWN,
    PLAN_HAND_OVER,
    PLAN_RESUME,
    PLAN_CLEAR_TARGET,
    PLAN_SERVING,
    PLAN_SET_TARGET,
    PLAN_IN_SYNC,
};

/* A change of the document that was proposed and whose fate is not settled. */
struct replica_proposal {
    enum replica_plan plan; /* NONE: there is none */
    bool out;               /* REPLICA_PROPOSED has not come */
    bool done;              /* it has, and the document will show this or another change */
    bool doubt;             /* it was sent before, and what became of that is not known */
    bool moot;   /* the document has changed meanwhile: it cannot come true any more, or has */
    bool yields; /* it gives the lease up, or may have */
    bool kept;
    uint64_t epoch, version;
    struct group_body body;
    enum replica_fact fact;
    uint32_t about;
    char sentence[GROUP_SENTENCE_MAX];
};

struct replica {
    struct replica_rules rules;
    enum replica_state state;
    struct instant
        deadline; /* of the state; NEVER: it waits for the document, the lease or an answer that has a deadline */
    bool leaving;
    struct instant now; /* of the last step */

    /* As it was told. */
    bool told; /* what the document says, at all */
    struct life self;
    uint64_t epoch, version; /* version 0: there is no group */
    struct group_body body;
    struct life_set lives;
    struct instant lease; /* 0 ns: none */

    /* The engine. */
    enum replica_process process;
    bool surviving; /* the process is the one that was there when this agent began */
    bool whole;     /* the engine has all that it ever acknowledged */
    bool heard;     /* `status` is of this run of the process */
    struct engine_status status;
    enum replica_writes writes;
    bool stuck;
    bool asking, cancelled;
    bool deaf; /* the answer will speak of a process that has ended */
    struct engine_order order;
    struct instant asked_at;
    struct instant status_at; /* the next one is due */
    struct instant good_at;   /* it last answered as it should */
    struct instant retry_at;  /* after a refusal */

    /* The process. */
    uint32_t starts;                /* attempts of `restart` that are used */
    struct instant window;          /* since when they come back; 0: it was never started */
    struct instant again_at;        /* START or KILL is repeated then */
    bool killed;                    /* its end was asked for */
    bool down;                      /* it was told that the engine is not there */
    char ended[GROUP_SENTENCE_MAX]; /* how, until another answers */

    /* In this epoch. */
    bool gave_up;  /* it is not promoted again in this epoch */
    bool refused;  /* ... because it could not */
    bool promoted; /* the engine confirmed it, and nothing took it back */
    bool carried; /* the engine writes on from an earlier epoch, since only its agent began again */
    bool verified;
    bool follows; /* FOLLOW was done */
    uint32_t failed_target;
    enum replica_need need;
    bool loading; /* a copy was begun and is not whole */
    char sentence[GROUP_SENTENCE_MAX];

    /* Probes. */
    bool probing;
    enum replica_state probing_in; /* VERIFYING or SERVING */
    uint64_t probing_epoch;
    struct instant probe_at, probe_good_at;

    struct replica_proposal proposal;
    struct instant propose_at; /* not again before */
    struct instant fence;      /* that the supervisor was told; 0 ns: nothing yet */
    struct in_sync books;
    struct group_report said; /* of the last REPORT */
};
