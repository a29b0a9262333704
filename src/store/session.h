/*
 * session: the server's clients, without their connections. Pure: bytes of requests and what the ledger says go in, bytes of replies come out in the order of the requests.
 *
 *     desk_open(&desk, &options)                  one for all sessions
 *     session_open(&desk, &session, …)
 *     session_feed(&desk, &session, bytes)        parses, executes, replies into session->out; the session is in desk->dirty when there is something to do for its connection:
 *                                                 send `out`, close it (`closing`), or stop and go on receiving (session_is_full)
 *     desk_execute, desk_executed, desk_unknown …  what the ledger tells
 *     desk_tick(&desk)                            when desk_next_tick is due
 *     session_close(&desk, &session)
 *
 * A write becomes a record and its reply is made when the record is executed; many of one session may be under way. A command of any other kind waits for them: nothing more is parsed
 * until they are answered, so replies are in order by themselves. Where this member is not the primary, writes and strong reads go on to the primary as messages
 * (session_forward.c); what a client sent is kept until the primary has taken it, and is sent again if it did not.
 *
 * An idle session holds no buffer. What all of them hold together is bounded (DESK_BYTES_MAX), and so is each.
 */
#pragma once

#include "base/instant.h"
#include "base/list.h"
#include "store/consistency.h"
#include "store/execute.h"
#include "store/ledger.h"
#include "store/notice.h"
#include "store/pubsub.h"
#include "store/record_exec.h"
#include "store/users.h"
#include "wire/resp.h"

enum {
    SESSION_REQUEST_MAX = 16 << 20, /* bytes of one request, and of what is pipelined behind it */
    SESSION_OUT_MAX = 16 << 20, /* bytes of replies that a client does not read: then it is cut */
    SESSION_OUT_PAUSE = 256 << 10, /* nothing more is parsed until these have gone */
    SESSION_PIPELINE_COUNT = 4096, /* writes under way */
    SESSION_PIPELINE_BYTES = 4 << 20,
    SESSION_IN_PAUSE = 64 << 10, /* bytes that wait while nothing is parsed: no more is received */
    SESSION_NAME_MAX = 64,       /* NUL included */
    SESSION_ADDRESS_MAX = 96,
    SESSIONS_MAX = 1 << 20,
    DESK_BYTES_MAX = 1 << 30,  /* of all sessions' buffers */
    DESK_REMOTE_MAX = 1 << 16, /* requests of other members that are under way */
    DESK_HOLD_MS = 10000,
};

/* Whose answers ours are like: what INFO and HELLO say, since clients decide by it what they may ask. */
#define DESK_REDIS_VERSION "7.0.15"

/* Why a session's next request is not looked at. */
enum stall {
    STALL_NONE,
    STALL_PENDING, /* its own writes are not answered yet */
    STALL_PRIMARY, /* there is none that could be asked */
    STALL_ANSWER,  /* a request that went on alone has no answer yet */
    STALL_POSITION, /* this member has not executed what the client has seen, or has not heard lately */
    STALL_ROOM,     /* the ledger takes nothing now */
    STALL_MEMORY, /* memory is full, and something is being evicted */
    STALL_PAUSED, /* CLIENT PAUSE */
    STALL_OUTPUT, /* it does not read its replies */
    STALL_COPIES, /* WAIT */
    STALLS,
};

/* What only some sessions have. */
struct session_extra {
    char name[SESSION_NAME_MAX], library[SESSION_NAME_MAX], library_version[SESSION_NAME_MAX];
    struct record_exec exec;
    bool queueing, broken; /* MULTI was said; a command was refused */
    bool writes, grows;    /* one of its commands does */
    struct subscriber subscriber;
    struct session *session;
};

/* A request that is long and not whole yet: its words so far. */
struct session_reader;

struct session {
    struct list node;    /* in desk->sessions, by id */
    struct list dirty;   /* in desk->dirty */
    struct list waiting; /* in desk->stalled[stall], or in desk->ready */
    uint64_t id;
    uint32_t slot, generation; /* in desk->slots; how often the slot was used */
    struct user *user;         /* who it is; NULL: nobody yet */
    struct buf in;             /* from the first request on that is not done with */
    size_t parsed;             /* of `in`: writes that went to the primary and are not answered */
    struct buf out;
    size_t unsent; /* of replies, with the driver */
    struct session_reader *reader;
    struct session_extra *extra;     /* NULL: none */
    const struct command *command;   /* the last one; NULL: none yet */
    uint32_t pending, pending_bytes; /* writes that are not answered */
    uint32_t route;                  /* where they are: 0 here, else the member they went to */
    /* Requests to other members are numbered: the last one sent, the last one answered, how many after that were not taken, and the one before `in`. */
    uint32_t sent, answered, refused, base;
    uint32_t request_bytes;      /* of the one that is looked at, or that is out alone */
    uint64_t seen, wrote;        /* positions: of what it knows of; of its last write */
    uint64_t counted_bytes;      /* of its buffers, in desk->bytes */
    int64_t since_ms, active_ms; /* desk->now_ms */
    int64_t moved_ms;    /* when it last sent something to another member, or had an answer */
    int64_t deadline_ms; /* of the request that is stalled; 0: none */
    int64_t bound_ms;    /* of STORE_BOUNDED */
    uint8_t stall;       /* enum stall */
    uint8_t consistency; /* enum store_consistency */
    bool version3;
    bool direct;         /* what is parsed does not lie in `in` */
    bool alone;          /* a request went on, and nothing else is done until its answer is here */
    bool kept;           /* the request that was looked at went on, and stays in `in` */
    bool running, ready; /* its requests are looked at; they will be */
    bool closing;        /* once `out` has gone */
    bool cut;            /* at once, whatever was not sent */
    bool mute;           /* CLIENT REPLY OFF */
    uint8_t skip;        /* CLIENT REPLY SKIP: 2 was just said, 1 is for the command under way */
    bool no_evict;
    char address[SESSION_ADDRESS_MAX]; /* of the client */
    const char *local_address;         /* borrowed */
};

/* What the ledger is to the desk (ledger.h), or what stands in for it. */
struct desk_log {
    void *context;
    uint64_t (*append)(void *context, struct bytes record, uint64_t cookie,
                       enum ledger_refusal *why);
    bool (*send)(void *context, uint32_t member, struct bytes bytes);
    const struct ledger_view *(*view)(void *context);
    bool (*may_act)(void *context);
    void (*status)(void *context, struct engine_status *status);
};

/* What CONFIG shows and partly sets. */
struct desk_settings {
    int64_t memory_max; /* bytes; 0: no limit */
    int64_t policy;     /* enum desk_policy */
    int64_t clients_max;
    int64_t idle_s;      /* after which a client is closed; 0: never */
    int64_t hold_ms;     /* how long a request waits for a primary */
    int64_t out_max;     /* bytes */
    uint32_t notify;     /* enum notice_class, NOTICE_KEYSPACE, NOTICE_KEYEVENT */
    int64_t consistency; /* of new connections */
    int64_t bound_ms;
    uint16_t port;
    const char *group, *self, *directory; /* names; borrowed */
};

/* As maxmemory-policy names them. */
enum desk_policy {
    POLICY_NONE,
    POLICY_ALL_LRU,
    POLICY_ALL_LFU,
    POLICY_ALL_RANDOM,
    POLICY_TIMED_LRU,
    POLICY_TIMED_LFU,
    POLICY_TIMED_RANDOM,
    POLICY_TIMED_TTL,
    POLICIES,
};

/* Another member, or this one, as INFO and ROLE show it. */
struct desk_member {
    uint32_t id; /* of the group */
    char name[SESSION_NAME_MAX];
    struct address address; /* of its clients */
};

struct desk_counts {
    uint64_t connections, rejected, cut_output, cut_input, idle, protocol_errors;
    uint64_t commands, writes, reads, forwarded, served; /* served: for other members */
    uint64_t denied, failed_authentications;
    uint64_t tls_failed; /* handshakes that came to nothing */
    uint64_t in_bytes, out_bytes;
    uint64_t unknown, held,
        timed_out;       /* outcomes that are not known; waited for a primary; in vain */
    uint64_t unanswered; /* answers that no other member could be sent */
    uint64_t expired, evicted, oom;
    uint64_t published;
};

struct remote; /* a request of another member */

struct desk {
    struct desk_log log;
    struct desk_settings settings;
    struct execution execution;
    struct notices notices;
    struct users *users;
    struct pubsub *pubsub;
    struct rng chance;
    int64_t now_ms;  /* monotonic: the driver sets both before every call */
    int64_t wall_ms; /* since 1970 */
    int64_t started_ms, looked_ms;
    struct list sessions, dirty, ready, stalled[STALLS];
    uint32_t session_count;
    uint64_t last_id;
    uint64_t bytes; /* of all sessions' buffers */
    struct session **slots;
    uint32_t *generations, *free_slots; /* a ring: what was free longest is used first */
    uint32_t slot_count, free_first, free_count;
    struct remote *remotes;
    uint32_t remote_free;          /* the first of those given back; UINT32_MAX: none */
    uint32_t remote_fresh;         /* the first of those never used */
    struct session_reader *reader; /* of the request under way */
    struct buf record, message, scratch, channel;
    int64_t paused_until_ms;
    bool paused_writes_only;
    bool expiring;         /* a record about expired or evicted keys is under way */
    bool filing;           /* one about the file's users is */
    struct buf file_users; /* of this member's file: name and rules of each */
    uint64_t file_digest;  /* of those; 0: there are none */
    uint64_t users_digest; /* of those in the state */
    bool nothing_goes;     /* memory is full, and no key may be evicted */
    struct desk_counts counts;
    char run_id[41];
    struct desk_member members[GROUP_MEMBERS_MAX];
    uint32_t member_count;
};

/* One of the file: rules as ACL SETUSER has them, with blanks between, a password as `#hash`. */
struct desk_user {
    struct bytes name, rules;
};

enum { DESK_USERS_MAX = 256 }; /* as many as a file may have */

struct desk_options {
    struct desk_log log;
    struct desk_settings settings;
    struct space *space;
    uint64_t seed; /* secret */
    int64_t now_ms, wall_ms;
    uint32_t sessions_max; /* at most SESSIONS_MAX */
};

MUST_USE bool desk_open(struct desk *desk, const struct desk_options *options, struct err *err);
/* Who they are from now on, this one included; at most GROUP_MEMBERS_MAX; copied. */
void desk_use_members(struct desk *desk, const struct desk_member *members, uint32_t count);
/* The users of this member's file from now on; copied. Whoever is the primary writes those of its own into the log, where the state's are others. */
void desk_use_users(struct desk *desk, const struct desk_user *users, uint32_t count);
/* They are there before any record says so: of a state that is new. */
void desk_found_users(struct desk *desk);
void desk_close(struct desk *desk); /* all sessions were closed before */

/* False: there are clients_max already. The session's storage is zeroed by it. */
MUST_USE bool session_open(struct desk *desk, struct session *session, const char *address,
                           const char *local_address);
void session_close(struct desk *desk, struct session *session);
void session_feed(struct desk *desk, struct session *session, struct bytes bytes);
/* Puts it into desk->dirty. */
void session_touch(struct desk *desk, struct session *session);
/* Whether nothing more should be received for now. */
bool session_is_full(const struct session *session);
/* Replies have gone: `unsent` bytes of what the driver took are still with it. */
void session_drained(struct desk *desk, struct session *session, size_t unsent);
/* Before anything is sent: says `cut` when a client does not read, or all hold too much. */
void session_check_limits(struct desk *desk, struct session *session);

/* ---- what the ledger tells (ledger_events) ---- */

uint64_t desk_execute(struct desk *desk, struct position position, struct bytes record,
                      uint64_t cookie);
void desk_executed(struct desk *desk);
void desk_unknown(struct desk *desk, uint64_t cookie);
void desk_state(struct desk *desk);
void desk_roomy(struct desk *desk);
void desk_linked(struct desk *desk, uint32_t member, bool up);
void desk_message(struct desk *desk, uint32_t member, struct bytes bytes);
void desk_epoch_record(struct desk *desk, struct buf *out);

/* Deadlines, idle clients, expired keys and eviction. In how many milliseconds it wants to be called again. */
int64_t desk_tick(struct desk *desk);

/* What belongs to the state besides the space's keys: users, the time, and what WATCH needs of keys that are gone. For the checkpoint. */
void desk_save(const struct desk *desk, struct buf *out);
MUST_USE bool desk_load(struct desk *desk, struct bytes bytes);
