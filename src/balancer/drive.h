/*
 * What the balancer's drivers share. Private to drive*.c.
 *
 * A *session* is a client's connection; it costs little, because most of them are idle. An *exchange* exists while one request, or one
 * TCP session, is under way. An *upstream* is a connection to a backend: it serves one exchange, or lies idle with its *target*,
 * which is all that is known of one backend.
 *
 *     drive_session.c   accepts, gathers heads, answers what cannot be passed on, ends connections in order
 *     drive_exchange.c  starts an exchange, sends the request, ends it
 *     drive_try.c       tries backends, one after the other
 *     drive_hold.c      follows the primaries of groups, parks who has to wait for one, and lets them go
 *     drive_answer.c    takes the backend's bytes and makes the client's answer of them
 *     drive_upstream.c  makes connections to backends, keeps and reuses them
 *     drive_tunnel.c    bytes both ways without meaning: TCP services, upgraded connections
 *     drive_reload.c    generations, services, listeners, targets
 *     drive.c           opens, closes, drains, looks at the scoreboard
 *     drive_out.c       memory: pools, and the space that written text lies in until it is sent
 */
#pragma once

#include "balancer/access.h"
#include "balancer/balancer.h"
#include "balancer/hold.h"
#include "balancer/pick.h"
#include "balancer/retry.h"
#include "base/list.h"
#include "base/rng.h"
#include "net/net.h"
#include "wire/http1.h"

enum {
    PIECES_MAX = 4,             /* chunks of a request's body that are kept for another try */
    PIECE_BYTES_MAX = 64 << 10, /* more than this is not kept once it was sent */
    RELAY_BYTES_MIN = 64 << 10, /* from here on bytes go through the kernel alone */
    SMALL_CONTENT_MAX = 2048,   /* copied next to the text before it: one piece of memory to send */
    GENERATIONS_MAX = 8,
    DOORS_MAX = 512,
    IDLE_UPSTREAMS_MAX = 16384, /* of one worker */
    TICK_MS = 50,
    HOLD_TICK_MS = 2, /* while somebody waits for a primary */
    GONE_TURNS = 64,  /* ... and in so many ticks each is asked once whether it is still there */
    LINGER_MS = 3000,
    DRAIN_IDLE_MS =
        1000, /* a keep-alive client that is silent for this long while draining is closed */
};

/* ---- pools of equal things, mapped once and touched only as they are used ---- */

struct slab {
    uint8_t *at;
    size_t size;
    uint32_t count, touched, used;
    void *free; /* the first bytes of a free thing lead to the next */
};

MUST_USE bool slab_open(struct slab *slab, size_t size, uint32_t count, struct err *err);
void slab_close(struct slab *slab);
void *slab_take(struct slab *slab); /* NULL: all are in use. Not zeroed */
void slab_give(struct slab *slab, void *thing);

/* ---- what is configured ---- */

struct generation {
    struct balancer_config config;
    struct list exchanges; /* that may still need it */
    uint32_t uses;         /* by being current, by services, by exchanges; 0: free */
};

struct service {
    struct balancer *balancer;
    struct service_counters *counters;
    const struct balancer_service *config; /* NULL: no such service */
    struct generation *generation;         /* which config lies in */
    uint32_t uses;                         /* by sessions and doors */
    uint32_t sessions;
    struct hold_load held; /* of its sessions, those that wait for a primary */
    bool present;          /* in the current generation */
};

enum door_state { DOOR_FREE, DOOR_OPEN, DOOR_PAUSED, DOOR_CLOSING };

struct door {
    struct listener listener;
    struct service *service;
    enum door_state state;
    int fd;
    uint32_t ticks; /* since it began to close */
    bool wanted;    /* by the generation in force */
};

struct target {
    struct balancer *balancer;
    struct backend_counters *counters;
    struct pick_state *state;
    struct list idle;      /* upstreams; the one used last first */
    struct list exchanges; /* that wait for its answer */
    struct timer sweep;
    struct address address;
    int64_t idle_ms;
    uint32_t slot, idle_count, idle_max;
    bool present; /* in the current generation */
    bool was_present;
    bool named;
};

/* Those of a group that wait for the same role. */
struct queue {
    struct list waiting; /* exchanges; the first came first */
    struct hold_slope slope;
};

enum { QUEUE_ROLES = SERVICE_SECONDARY + 1 };

struct group {
    struct balancer *balancer;
    const struct group_record *record;
    struct group_counters *counters;
    struct hold_view view, followed; /* followed: what clients were last cut and let go by */
    struct list bound;               /* exchanges that have a connection to its primary */
    struct queue queues[QUEUE_ROLES];
    uint64_t key;     /* its name's; 0: never used */
    uint64_t changes; /* of the record, when `view` was taken */
    bool here;        /* the view's primary is this node */
    uint32_t members, looks;
    uint32_t slots[GROUP_BACKENDS_MAX]; /* targets, by place */
};

/* ---- connections ---- */

enum session_state {
    SESSION_FREE,
    SESSION_PROXY,  /* awaits a PROXY header */
    SESSION_HEAD,   /* awaits a request, or the rest of its head */
    SESSION_BUSY,   /* an exchange is under way */
    SESSION_FINISH, /* all is said; the last bytes are on their way */
    SESSION_LINGER, /* FIN was sent: what still comes is dropped, so that no reset overtakes the answer */
    SESSION_CLOSED, /* until the loop lets go of it */
};

struct session {
    struct stream stream;
    struct timer timer; /* may fire early: `deadline` counts */
    struct instant deadline;
    struct instant started; /* first byte of the request */
    struct service *service;
    struct exchange *exchange;
    struct chunk *held; /* the beginning of a head, or bytes that came too early */
    uint32_t held_at, held_len;
    uint32_t taken; /* stream_taken when the deadline was set */
    struct http1_scan scan;
    struct address client;
    struct address destination; /* where the client connected to, by a PROXY header; else none */
    uint8_t state;              /* enum session_state */
    bool tcp : 1;               /* as its service was when it came */
    bool backlog : 1;           /* what is held came during an exchange */
    bool ended : 1;             /* the client sent its FIN */
    bool orphaned : 1;          /* another service has its service's place */
    bool close_quick : 1;       /* nothing more can come: no lingering needed */
};

enum upstream_state {
    UPSTREAM_FREE,
    UPSTREAM_CONNECTING,
    UPSTREAM_BUSY,
    UPSTREAM_IDLE,
    UPSTREAM_CLOSED
};

struct upstream {
    struct stream stream;
    struct list node; /* in target.idle */
    struct target *target;
    struct exchange *exchange;
    struct address address;
    struct instant idle_since;
    struct chunk *held; /* the beginning of an answer's head */
    uint32_t held_len;
    struct http1_scan scan;
    uint8_t state;    /* enum upstream_state */
    bool reused : 1;  /* it has served before */
    bool ended : 1;   /* the backend sent its FIN */
    bool private : 1; /* it began with a PROXY header: it is one client's */
};

/* ---- one request, or one TCP session ---- */

enum phase {
    PHASE_PICK,
    PHASE_HOLD, /* parked: it waits for a primary */
    PHASE_CONNECT,
    PHASE_SEND,   /* connected; the client's body is still coming */
    PHASE_WAIT,   /* for the answer's head */
    PHASE_ANSWER, /* its head has gone to the client */
    PHASE_TUNNEL,
};

struct piece {
    struct chunk *chunk;
    struct bytes bytes;
};

struct way { /* one direction of a tunnel */
    uint64_t moved;
    bool relaying, ended, paused;
};

struct exchange {
    struct session *session;
    struct upstream *upstream;
    struct target *target;         /* of the present try; NULL: none yet */
    struct generation *generation; /* NULL once no other backend can be needed */
    struct list in_generation, in_target;
    struct group *group;  /* NULL: its service has a pool or routes */
    struct list in_group; /* parked, or bound to the primary */
    uint64_t bound_epoch, bound_primary;
    uint64_t hold_bytes;
    struct instant hold_until, parked_at;
    int64_t held_ns;                  /* in all */
    const struct balancer_pool *pool; /* valid with generation, like the next two */
    const struct balancer_backend *backends;
    uint32_t backend, pool_index;
    struct address backend_address;
    enum phase phase;
    enum http1_method method;
    uint8_t minor;         /* of the client */
    bool keep_alive : 1;   /* the client's wish */
    bool request_done : 1; /* all of it has come */
    bool upgrade : 1;      /* asked for */
    bool continued : 1;    /* a 100 was passed on */
    bool fresh : 1;        /* the next try takes no reused connection */
    bool close : 1;        /* told to the client: its connection ends with this answer */
    bool request_paused : 1, request_relayed : 1;
    bool answer_paused : 1, answer_relayed : 1;
    bool reads : 1;         /* of a group: a secondary will do */
    bool released : 1;      /* it has waited, and it is its turn */
    bool backend_keeps : 1; /* the backend will take another request */
    uint16_t status;
    enum http1_framing framing; /* of the answer, as it goes to the client */
    struct http1_body request, answer;
    struct way up, down; /* of a tunnel */
    struct chunk *head;  /* as written for backends */
    struct bytes head_bytes;
    struct piece pieces[PIECES_MAX];
    uint32_t piece_count, piece_bytes;
    uint64_t body_bytes, body_max;
    uint64_t progress; /* of a relay, when last looked at */
    uint32_t taken;    /* as the session's, by the backend */
    int64_t client_idle_ms, backend_idle_ms, response_ms, connect_ms;
    struct instant sent;          /* in this try */
    uint64_t bytes_in, bytes_out; /* from and to the client */
    struct retry_request retry;
    enum failure failure; /* of the last try */
    bool failed;          /* one try has failed */
    enum balancer_send_proxy send_proxy;
    struct pick_tried tried;
    struct access_request log; /* last: not cleared when an exchange begins */
};

struct balancer {
    struct balancer_options options;
    struct loop *loop;
    struct worker_record *record;
    char node[64];
    struct rng rng;
    struct slab sessions, exchanges, upstreams;
    struct generation *current;
    struct generation generations[GENERATIONS_MAX];
    struct service services[SERVICES_MAX];
    struct door doors[DOORS_MAX];
    uint32_t doors_used;
    struct target targets[BACKENDS_MAX];
    uint32_t targets_used; /* slots below it have been in use */
    struct pick_state states[BACKENDS_MAX];
    struct retry_budget budgets[POOLS_MAX];
    struct group groups[GROUPS_MAX];
    uint32_t groups_used; /* slots below it have been in use */
    uint32_t held;        /* exchanges that are parked */
    struct timer tick, cut, access_flush, hold_tick;
    bool draining, drained, paused;
    uint32_t drain_ticks;
    uint32_t idle_upstreams;
    uint32_t chunk_cap;
    uint32_t head_max,
        queue_max; /* bytes: of one head; waiting for one peer before its source is stopped */
    struct chunk *scratch;
    uint32_t scratch_used;
    struct http1_head head; /* the one that is being looked at */
    uint32_t log_len;
    uint8_t log[ACCESS_LINE_MAX], log_line[ACCESS_LINE_MAX];
};

/* ---- drive_out.c ---- */

/* Text and content on their way to one stream. Text is written into space that many exchanges share, so that
 * a head costs its own length and not a whole chunk. */
struct outgoing {
    struct balancer *balancer;
    struct stream *to;
    struct buf text;
    uint64_t bytes; /* queued so far */
    bool failed;
};

void out_begin(struct outgoing *out, struct balancer *balancer, struct stream *to, size_t text_max);
void out_content(struct outgoing *out, struct chunk *chunk, struct bytes content, bool chunked);
void out_last(struct outgoing *out); /* of chunked content */
/* Sends. False: buffers have run out, and part of it may be missing. */
MUST_USE bool out_end(struct outgoing *out);
/* Writes without sending; the chunk is held for the caller. NULL: no buffer, or it was longer than text_max. */
struct chunk *out_keep(struct outgoing *out, struct bytes *text);

/* Takes what of `bytes` belongs to the body. Content that came in parts is moved together (inside `bytes`), so that it is one
 * view. Answers as http1_body_next. */
enum http1_verdict body_take(struct http1_body *body, struct bytes bytes, size_t *used,
                             struct bytes *content, struct http1_fault *fault);

void access_exchange(struct exchange *x, const char *reason);
void access_refused(struct session *s, uint16_t status, const char *reason);
void access_flush(struct timer *timer);

/* ---- drive_session.c ---- */

struct balancer *session_balancer(const struct session *s);
void session_accepted(struct listener *listener, int fd, const struct address *peer);
void session_starved(struct listener *listener, int error);
void session_deadline(struct session *s, struct instant at);
/* Something waits for the client, and it has taken something since the deadline was set. */
bool session_moves(const struct session *s);
/* Answers by itself, with a line of text. The connection ends with it unless `keep`. True: it was queued. */
bool session_answer(struct session *s, uint16_t status, bool keep, bool body);
void session_ready(struct session *s); /* for the next request */
void session_resume(
    struct session *s); /* takes bytes that came too early; the last call of an event */
void session_finish(struct session *s); /* no more requests: ends when all has been sent */
void session_cut(struct session *s);    /* at once, and so that it cannot look complete */
void session_hold(struct session *s, struct chunk *chunk, struct bytes bytes);
void session_release(struct session *s);
bool session_last(const struct session *s); /* its service, or the worker, takes no more requests */

/* ---- drive_exchange.c ---- */

void exchange_start(struct session *s, struct bytes head, const struct http1_head *request);
void exchange_start_tcp(struct session *s);
size_t exchange_body(struct exchange *x, struct chunk *chunk, struct bytes bytes);
void exchange_send(struct exchange *x); /* the upstream is connected */
void exchange_fail(struct exchange *x, uint16_t status, const char *reason);
void exchange_end(struct exchange *x, const char *reason); /* the answer is complete */
void exchange_abandon(struct exchange *x,
                      const char *reason); /* the client is gone, or must be cut off */
void exchange_bind(struct exchange *x, uint32_t pool_index); /* to its service's generation */
void exchange_unbind(struct exchange *x); /* from the generation: no other backend from here on */
void exchange_commit(struct exchange *x); /* and the request's bytes go */
void exchange_deadline(struct exchange *x);
void exchange_timeout(struct exchange *x);
void exchange_client_drained(struct exchange *x);
void exchange_client_relayed(struct exchange *x, uint64_t moved);
void exchange_drop_upstream(struct exchange *x);

/* ---- drive_try.c ---- */

/* Until a backend has the request, or the client an answer. */
void exchange_try(struct exchange *x);
/* The present try is over. Tries another backend, or answers, or cuts. */
void exchange_try_failed(struct exchange *x, enum failure failure);
/* True: the answer is dropped and another backend is being tried. */
bool exchange_try_again(struct exchange *x, enum failure failure);
void exchange_move(struct exchange *x); /* its backend's verdict became DOWN */

/* ---- drive_hold.c ---- */

void grouped_set(struct balancer *b, const struct balancer_service *service); /* as it is now */
void grouped_look_all(struct balancer *b); /* at the scoreboard: cuts, and lets go */
void grouped_tick(struct timer *timer);
void grouped_look(struct exchange *x); /* before a member is chosen */
/* Bits of the members that may be read from by this exchange; never 0, which would be all. */
uint32_t grouped_readable(const struct exchange *x);
/* The primary's place, if it may go there now; else PICK_NONE. */
uint32_t grouped_primary(struct exchange *x);
/* A try at a secondary is over, none is left: the primary is asked. */
bool grouped_turn(struct exchange *x);
/* Parks it, or tells the client why not. False: to wait would not help. */
bool grouped_hold(struct exchange *x);
void grouped_bind(struct exchange *x);      /* it has a connection to the chosen member */
void grouped_succeeded(struct exchange *x); /* ... which answered */
void grouped_expire(struct exchange *x);    /* it has waited long enough */
void grouped_recount(struct exchange *x);   /* more of it came while it is parked */
void grouped_leave(struct exchange *x);     /* it ends, wherever it is */

/* ---- drive_answer.c ---- */

void answer_received(struct exchange *x, struct chunk *chunk, struct bytes bytes);
void answer_ended(struct exchange *x);
void answer_relayed(struct exchange *x, uint64_t moved);
enum failure
answer_none(const struct upstream *u); /* it ended before the answer's head was whole */
void answer_cut(struct exchange *x, const char *reason); /* the backend broke off */

/* ---- drive_upstream.c ---- */

/* A kept connection that has lain idle no longer than this, or NULL. */
struct upstream *upstream_reuse(struct target *target, int64_t idle_max_ms);
/* A new one that is being made, or NULL. */
struct upstream *upstream_connect(struct target *target);
void upstream_release(struct upstream *u); /* to be used again */
void upstream_close(struct upstream *u, bool reset);
void upstream_sweep(struct timer *timer);
void upstream_close_idle(struct target *target);

/* ---- drive_tunnel.c ---- */

void tunnel_start(struct exchange *x, struct chunk *chunk, struct bytes from_backend);
void tunnel_received(struct exchange *x, bool from_client, struct chunk *chunk, struct bytes bytes);
void tunnel_ended(struct exchange *x, bool from_client);
void tunnel_drained(struct exchange *x, bool of_client);
void tunnel_relayed(struct exchange *x, bool from_client, uint64_t moved);
void tunnel_failed(struct exchange *x, bool of_client);

/* ---- drive_reload.c ---- */

void generation_use(struct generation *generation);
void generation_release(struct balancer *balancer, struct generation *generation);
void service_release(struct service *service); /* one use less */
void doors_stop(struct balancer *balancer);
void doors_pause(struct balancer *balancer);
void doors_resume(struct balancer *balancer);
void doors_tick(struct balancer *balancer);
void target_look(struct target *target); /* at the scoreboard */

static inline struct balancer *exchange_balancer(const struct exchange *x)
{
    return x->session->service->balancer;
}

static inline const struct balancer_pool *generation_pool(const struct generation *generation,
                                                          uint32_t index)
{
    const struct balancer_config *config = &generation->config;
    const uint8_t *pools = image_items(config->image, config->pools, config->pool_size);

    must(index < config->pools.count);
    return (const struct balancer_pool *)(const void *)(pools + index * config->pool_size);
}

/* Of all that were ever in use; see their state. */
static inline struct session *session_at(const struct balancer *b, uint32_t index)
{
    return (struct session *)(void *)(b->sessions.at + index * b->sessions.size);
}
