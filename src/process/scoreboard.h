/*
 * process/scoreboard: what the processes of one node know of each other, in one memfd that all of them map.
 *
 * Fixed layout, no pointers, no locks, one writer per record; untouched records cost no memory. Fields are read and written with
 * the relaxed helpers below; a record's writer stores its `at` last. Readers judge a record by its age.
 * A slot belongs to a backend (or service) by name for as long as the name stays in the file: counters live on over a reload.
 */
#pragma once

#include "base/address.h"
#include "base/err.h"
#include "base/histogram.h"

#include <stdatomic.h>
#include <stdbool.h>

enum {
    WORKERS_MAX = 64,
    SERVICES_MAX = 128,
    POOLS_MAX = 128,
    BACKENDS_MAX = 1024,
    GROUPS_MAX = 64,
    GROUP_BACKENDS_MAX = 16,     /* members of one group */
    ROLES_MAX = WORKERS_MAX + 2, /* slot 0: agent, slot 1: monitor, then the workers */
};

typedef _Atomic uint64_t counter;

static inline void count(counter *of, uint64_t by) /* by its only writer */
{
    atomic_store_explicit(of, atomic_load_explicit(of, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

static inline void uncount(counter *of, uint64_t by)
{
    atomic_store_explicit(of, atomic_load_explicit(of, memory_order_relaxed) - by,
                          memory_order_relaxed);
}

static inline uint64_t counted(const counter *of)
{
    return atomic_load_explicit(of, memory_order_relaxed);
}

/* Written by the supervisor. */
struct role_record {
    counter pid;        /* 0: not running */
    counter started_ms; /* wall clock */
    counter restarts;
    counter state; /* enum role_state */
};

enum role_state { ROLE_ABSENT, ROLE_STARTING, ROLE_READY, ROLE_DRAINING, ROLE_BACKING_OFF };

/* Written by the role itself. */
struct beat_record {
    counter at;         /* its loop's last turn, CLOCK_MONOTONIC ns */
    counter generation; /* the configuration it runs */
    counter loop;       /* enum loop_kind */
};

enum verdict_state { VERDICT_UNKNOWN, VERDICT_UP, VERDICT_DOWN };

/* Written by the agent: what active checks say of a backend. */
struct verdict_record {
    counter at;         /* of the last check's end, CLOCK_MONOTONIC ns; 0: never checked */
    counter state;      /* enum verdict_state; UNKNOWN and UP take traffic */
    counter changed_ms; /* wall clock */
    counter changes;
    counter checks, failures;
    counter latency_ns; /* of the last check */
    counter code;       /* HTTP status of the last check, or 0 */
    counter outcome;    /* enum health_outcome of the last check */
    counter address; /* odd while `resolved` is rewritten, 0: never was; see verdict_read_address */
    struct address resolved; /* of a name: its address of now, with the endpoint's port */
    uint32_t unused;
};

/* The 16-bit words of an address, which other processes read while they are written. */
typedef uint16_t __attribute__((may_alias)) address_word;
enum { ADDRESS_WORDS = sizeof(struct address) / sizeof(address_word) };
_Static_assert(sizeof(struct address) % sizeof(address_word) == 0, "an address is whole words");

/* By the agent alone. A writer that died in the middle left an odd number, and the next one goes on from it. */
static inline void verdict_publish_address(struct verdict_record *record,
                                           const struct address *address)
{
    uint64_t writing = counted(&record->address) | 1;
    const address_word *from = (const address_word *)address;
    address_word *to = (address_word *)&record->resolved;

    atomic_store_explicit(&record->address, writing, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (int i = 0; i < ADDRESS_WORDS; i++)
        __atomic_store_n(&to[i], from[i], __ATOMIC_RELAXED);
    atomic_store_explicit(&record->address, writing + 1, memory_order_release);
}

/* False when nothing was ever published, or it is being rewritten just now: the reader keeps what it has and asks again later. */
static inline bool verdict_read_address(const struct verdict_record *record,
                                        struct address *address)
{
    uint64_t before = atomic_load_explicit(&record->address, memory_order_acquire);
    const address_word *from = (const address_word *)&record->resolved;
    struct address found;
    address_word *to = (address_word *)&found;

    if (before == 0 || before % 2 == 1)
        return false;
    for (int i = 0; i < ADDRESS_WORDS; i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    atomic_thread_fence(memory_order_acquire);
    if (counted(&record->address) != before)
        return false;
    *address = found;
    return true;
}

/* Written by the monitor: what an operator said. */
struct override_record {
    counter draining; /* 1: no new work for this backend */
    counter changed_ms;
};

/* Written by one worker. */
struct backend_counters {
    counter connections; /* open now, idle ones included */
    counter idle;
    counter active; /* requests or TCP sessions under way */
    counter requests, connects, connect_failures, failures, retries, moved;
    counter responses[6];        /* by first digit; [0]: none came */
    counter bytes_in, bytes_out; /* from and to the backend */
    counter last_failure_at;     /* CLOCK_MONOTONIC ns */
    struct histogram latency;    /* request sent to response head, seconds */
};

struct service_counters {
    counter connections; /* open now */
    counter accepted;
    counter active;
    counter requests;
    counter responses[6]; /* by first digit; [0]: closed without an answer */
    counter refused_bad;  /* malformed requests */
    counter unavailable;  /* no backend was left */
    counter timeouts;
    counter bytes_in, bytes_out; /* from and to clients */
    struct histogram latency;    /* first byte of the request to the last of the answer, seconds */
};

/* ---- the cluster, as this node's agent knows it ---- */

enum {
    BOARD_NAME_MAX = 64, /* of nodes, clusters and zones, NUL included */
    BOARD_RESOURCE_MAX = 128,
    BOARD_SENTENCE_MAX = 256,
    BOARD_NODES_MAX = 32, /* members, and nodes of the file that are none */
    BOARD_LINKED_MAX = 16,
    BOARD_LEASES_MAX = 64,
};

/* The numbers of the cluster's own enumerations; the agent checks that they are equal. */
enum board_state {
    BOARD_OPENING,
    BOARD_BLANK,
    BOARD_FOUNDING,
    BOARD_MEMBER,
    BOARD_REMOVED,
    BOARD_HALTED
};
enum board_role { BOARD_NONE, BOARD_LEARNER, BOARD_FOLLOWER, BOARD_CANDIDATE, BOARD_LEADER };
enum board_health { BOARD_UNHEARD, BOARD_ALIVE, BOARD_SUSPECTED, BOARD_DEAD };

enum board_node_flag {
    BOARD_VOTER = 1u << 0,
    BOARD_WITNESS = 1u << 1,
    BOARD_IN_FILE = 1u << 2,
    BOARD_IS_BLANK = 1u << 3,
    BOARD_LINKED = 1u << 4,
    BOARD_DIFFERS = 1u << 5, /* its configuration is not ours */
    BOARD_TILTED = 1u << 6,
    BOARD_DISK_FULL = 1u << 7,
    BOARD_SELF = 1u << 8,
};

struct board_node {
    char name[BOARD_NAME_MAX], zone[BOARD_NAME_MAX], address[ADDRESS_TEXT_MAX];
    char sentence[BOARD_SENTENCE_MAX]; /* why its link is down; "" */
    uint32_t member;                   /* 0: it is none */
    uint32_t incarnation;
    uint16_t role, health;
    uint32_t flags;
    uint32_t level; /* of the document, that it understands; 0: unknown */
    uint32_t unused;
    int64_t phi_hundredths;
    int64_t heard_ms; /* ago, when this was written; -1: never */
    int64_t rtt_us;   /* 0: unknown */
    uint64_t applied, match;
};

/* How the one hears the other, by its own word. */
struct board_link {
    int32_t heard_ms; /* -1: never */
    uint16_t known, suspected;
};

struct board_lease {
    char resource[BOARD_RESOURCE_MAX]; /* "": this slot is free */
    char holder[BOARD_NAME_MAX];       /* "": nobody */
    int64_t until;                     /* CLOCK_BOOTTIME ns; 0: not known here */
    uint64_t here;                     /* 1: this node holds it now */
};

struct cluster_board {
    char cluster[BOARD_NAME_MAX], node[BOARD_NAME_MAX], leader[BOARD_NAME_MAX];
    char sentence[BOARD_SENTENCE_MAX];     /* what is missing; "" */
    char survives_not[BOARD_SENTENCE_MAX]; /* why, and what to do; "" */
    uint64_t cluster_id;
    uint32_t self, leader_member, incarnation;
    uint16_t state, role;
    uint16_t level, level_next; /* of the document; the highest that any member understands */
    uint32_t unused;
    uint64_t term, commit, applied, last, stored, version;
    uint8_t established, quorum, tilted, survives;
    uint32_t voters, voters_alive, voters_needed;
    uint32_t asks; /* under way here */
    uint32_t node_count;
    struct board_node nodes[BOARD_NODES_MAX];                    /* by name */
    struct board_link links[BOARD_LINKED_MAX][BOARD_LINKED_MAX]; /* [who says][of whom] */
    struct board_lease leases[BOARD_LEASES_MAX];
};

/* Written by the agent: everything at once, and then `at`. */
struct cluster_record {
    counter guard;                       /* of `board`; 0: there is no cluster */
    counter at;                          /* CLOCK_MONOTONIC ns */
    counter proposals, proposals_failed; /* asked of this node by people and programs */
    counter facts, elections, leases_lost;
    struct cluster_board board;
};

/* Written by the agent: whether this node may act for a resource. Whoever acts compares `until` with CLOCK_BOOTTIME each time, so
 * that it stops by itself when the agent is frozen. */
struct lease_record {
    counter guard; /* of the name; odd while it is rewritten, 0: never was */
    counter until; /* CLOCK_BOOTTIME ns; 0: not held */
    counter epoch; /* how often it was taken in this slot */
    char resource[BOARD_RESOURCE_MAX];
    uint64_t unused;
};

/* ---- groups ---- */

/* The numbers of topology/group.h; the agent checks that they are equal. */
enum board_phase {
    BOARD_GROUP_UNKNOWN,
    BOARD_GROUP_RECOVERING,
    BOARD_GROUP_PROMOTING,
    BOARD_GROUP_SWITCHING,
    BOARD_GROUP_SERVING
};

/* One member, for people. */
struct board_group_member {
    char name[BOARD_NAME_MAX];
    uint32_t member; /* id; 0: not of the cluster */
    uint8_t state, role, in_sync,
        eligible; /* enum engine_state, engine_role (topology/group.h); 1: it is in the set */
    uint8_t heard, linked, loading, chosen; /* chosen: it would be the next primary */
    uint64_t position_epoch, position_offset, lag_bytes;
    char why_not[BOARD_SENTENCE_MAX]; /* it could not be the next primary; "" */
};

struct board_group {
    char name[BOARD_NAME_MAX], engine[BOARD_NAME_MAX];
    uint8_t mode, acks, min_in_sync, degraded, unclean, paused, phase,
        failover; /* failover: enum failover_phase, on the leader */
    uint64_t epoch, version;
    uint32_t primary, target;            /* members; 0: none */
    char state[BOARD_NAME_MAX];          /* of this node's own member; "" when it has none */
    char sentence[BOARD_SENTENCE_MAX];   /* what it waits for; "" */
    char why_nobody[BOARD_SENTENCE_MAX]; /* nobody could be the next primary; "" */
    int64_t expected_ms;                 /* that a failover would take; -1 unknown */
    uint64_t loss_bytes;                 /* that it would lose; UINT64_MAX unknown */
    uint32_t member_count;
    uint32_t unused;
    struct board_group_member members[GROUP_BACKENDS_MAX]; /* by place in the file */
};

/*
 * Written by the agent, by the group's slot. Workers read the counters at each request and nothing else. `here` says that the primary is this node itself: then nothing
 * is forwarded unless leases[lease].until has not passed on CLOCK_BOOTTIME. The supervisor kills a managed process when `fence` has passed.
 */
struct group_record {
    counter at;      /* CLOCK_MONOTONIC ns of the last write; 0: never, the group is unknown here */
    counter changes; /* +1, last, whenever phase, epoch or primary is another */
    counter phase;   /* enum board_phase */
    counter epoch;
    counter primary; /* place in the file's order of members, from 1; 0: none */
    counter here;    /* 1: it is this node */
    counter lease;   /* slot in `leases` of the group's lease; valid while `here` */
    counter fence;   /* CLOCK_BOOTTIME ns; UINT64_MAX: this node is no primary */
    counter
        probe_port; /* local port of the agent's own connection, which is not held while the phase is PROMOTING; 0: none */
    counter lag_ms
        [GROUP_BACKENDS_MAX]; /* of each member behind the primary, by place; UINT64_MAX: not to be read from */
    counter guard; /* of `board` */
    struct board_group board;
};

/* Written by one worker: clients of a group that waited. */
struct group_counters {
    counter waiting;  /* now */
    counter held;     /* in all */
    counter released; /* ... to a primary */
    counter expired;  /* ... whose time ran out */
    counter refused;  /* for which there was no place */
    counter cut;      /* sessions to a primary that is none any more */
};

/* Written by the supervisor: the process that it runs for a group, and the engine's program. */
struct process_record {
    counter pid;        /* 0: it does not run */
    counter started_at; /* CLOCK_MONOTONIC ns */
    counter starts, kills;
    counter ended;  /* wait status of the last one, as waitpid gives it */
    counter fenced; /* killed because a lease ran out */
};

/* ---- virtual addresses ---- */

enum { BOARD_ADDRESSES_MAX = 32 };

struct board_address {
    char name[BOARD_NAME_MAX], address[ADDRESS_TEXT_MAX];
    char interface[16];           /* where it is, or was last */
    char why[BOARD_SENTENCE_MAX]; /* it could not be added; "" */
    uint64_t held;                /* 1: this machine has it now */
    uint64_t taken, withdrawn;    /* how often, since nines started */
    int64_t since_ms;             /* wall clock; of the last change; 0: none */
};

/* Written by the supervisor: what it put on the interfaces. */
struct address_board {
    uint32_t count;
    uint32_t stopping; /* 1: nothing is held any more, and nothing will be */
    struct board_address at[BOARD_ADDRESSES_MAX];
};

struct address_record {
    counter guard; /* of `board`; 0: there are no addresses */
    counter at;    /* the supervisor last looked at the leases, CLOCK_MONOTONIC ns */
    counter
        kept; /* CLOCK_BOOTTIME ns: until then the kernel keeps what is held, if nobody renews it */
    struct address_board board;
};

struct board_condition {
    char name[BOARD_NAME_MAX];
    char why[BOARD_SENTENCE_MAX]; /* it is not well here; "" */
    uint64_t well;
};

/* Written by the agent: whether this node may have each address, by its conditions. */
struct condition_board {
    uint64_t count;
    struct board_condition at[BOARD_ADDRESSES_MAX];
};

struct condition_record {
    counter guard;
    struct condition_board board;
};

struct worker_record {
    counter chunks_free, chunks_max;
    counter sessions, sessions_max;
    counter starved;     /* accepting paused for lack of descriptors or memory */
    counter log_dropped; /* access log lines that the monitor did not take in time */
    struct service_counters services[SERVICES_MAX];
    struct backend_counters backends[BACKENDS_MAX];
    struct group_counters groups[GROUPS_MAX];
};

struct scoreboard {
    uint64_t magic;
    uint64_t size;
    counter generation; /* of the configuration in force; by the supervisor */
    counter started_ms;
    counter reloads, reloads_refused;
    counter workers;             /* how many are configured */
    counter log_lines, log_lost; /* access log lines written, and not; by the monitor */
    struct role_record roles[ROLES_MAX];
    struct beat_record beats[ROLES_MAX];
    struct verdict_record verdicts[BACKENDS_MAX];
    struct override_record overrides[BACKENDS_MAX];
    struct cluster_record cluster;
    struct lease_record leases[BOARD_LEASES_MAX]; /* of this node */
    struct group_record groups[GROUPS_MAX];
    struct process_record processes[GROUPS_MAX], programs[GROUPS_MAX]; /* by the group's slot */
    struct address_record addresses;
    struct condition_record conditions;
    struct worker_record worker[WORKERS_MAX];
};

MUST_USE bool scoreboard_create(int *fd, struct err *err); /* by the supervisor; zeroed */
MUST_USE bool scoreboard_map(int fd, struct scoreboard **board,
                             struct err *err); /* checks magic and size */
void scoreboard_unmap(struct scoreboard *board);
/* Sets a worker's gauges (what is open or under way now) to zero; its counters live on. By the supervisor once the worker has
 * ended, when nobody else writes there. */
void scoreboard_bury_worker(struct scoreboard *board, uint32_t worker);

/* Copies a record's plain part in, and out again whole: by its only writer, and by anybody. Size is a multiple of 8. False: never
 * written, or being rewritten all the time. A writer that died in the middle leaves a record that reads as false until the next. */
void board_publish(counter *guard, void *to, const void *from, size_t size);
MUST_USE bool board_read(const counter *guard, void *to, const void *from, size_t size);
