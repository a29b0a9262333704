/*
 * One run: a plan drawn from a seed, a world, what runs in it (the subject), who breaks it (faults.c) and what must hold (checks.c).
 *
 * A run has three parts: some quiet at the beginning, a time of faults, and calm, in which everything has to come back within a bound.
 */
#pragma once

#include "checks.h"
#include "world.h"

enum { SIM_SENTENCE = 256 };

struct sim;

/* What is simulated. Hosts are numbered from 0. */
struct sim_subject {
    const char *name;
    int64_t calm_ms; /* besides twenty election timeouts, for what recovery waits for by itself */
    void (*open)(struct sim *sim);
    void (*close)(struct sim *sim); /* every process was killed */
    /* False: its disk is damaged, and it refuses to start. */
    bool (*start)(struct sim *sim, uint32_t host);
    /* The process dies; `power`: and the machine, with what its disk had not synced. */
    void (*kill)(struct sim *sim, uint32_t host, bool power);
    void (*wipe)(struct sim *sim, uint32_t host); /* while it is down: a new disk */
    bool (*rot)(struct sim *sim,
                uint32_t host); /* while it is down: a bit flips; false: it cannot */
    void (*reset)(struct sim *sim, uint32_t a, uint32_t b); /* all connections between the two */
    void (*load)(struct sim *sim);                          /* a client does something */
    void (*calm)(struct sim *sim); /* the faults have ended: load may not */
    void (*step)(struct sim *sim); /* its own invariants, after every step; may be NULL */
    bool (*recovered)(struct sim *sim, char sentence[SIM_SENTENCE]); /* or what is missing */
    const struct raft *(*raft)(struct sim *sim, uint32_t host);      /* NULL: none runs */
    uint64_t (*hash)(struct sim *sim, uint32_t host); /* of all commands up to raft->applied */
};

extern const struct sim_subject sim_raft, sim_cluster, sim_groups, sim_store;

enum sim_fault_kind {
    FAULT_KILL,      /* kill -9: the kernel and the disk's cache live */
    FAULT_POWER,     /* the machine stops */
    FAULT_ALL_POWER, /* all of them */
    FAULT_PAUSE,     /* SIGSTOP */
    FAULT_STUTTER,   /* stopped again and again, in the middle of turns */
    FAULT_ISOLATE,   /* one host hears nobody and is heard by nobody */
    FAULT_SPLIT,     /* two halves */
    FAULT_CUT_OFF,   /* one host is isolated, and everybody learns it at once by a reset */
    FAULT_ONE_WAY,   /* of one link */
    FAULT_DEAF,      /* one host hears nobody but is heard */
    FAULT_PARTIAL,   /* two hosts do not hear each other */
    FAULT_FLAP,      /* resets between two hosts */
    FAULT_LOSS,      /* of many packets everywhere */
    FAULT_DELAY,     /* of all packets of one host */
    FAULT_DRIFT,     /* of one clock, within the bound */
    FAULT_JUMP,      /* of one clock, beyond it */
    FAULT_SLOW_DISK,
    FAULT_FULL_DISK,
    FAULT_SYNC_FAILS, /* the process ends over it */
    FAULT_CUT_JOB,    /* power goes in the middle of what is being written */
    FAULT_WIPE,
    FAULT_ROT,
    FAULT_KINDS,
};

/* What faults are counted as, when they happen. */
enum sim_fault_family {
    FAMILY_KILL, /* of a process */
    FAMILY_POWER,
    FAMILY_PARTITION,
    FAMILY_PAUSE,
    FAMILY_LINK,
    FAMILY_CLOCK,
    FAMILY_DISK,
    FAMILIES,
};

struct sim_plan {
    uint64_t seed;
    uint32_t hosts;
    bool witness; /* the last host is one */
    bool steady;  /* only what is no reason to change the leader */
    bool rivals;  /* all clients want the same lease */
    bool storm;   /* leaders come and go faster than they can do much */
    bool churn;   /* members come and go, and the network breaks just when leaders change */
    int64_t heartbeat_ms, election_ms, lease_ms;
    uint32_t drift_ppm; /* the bound that nodes count with */
    int64_t quiet_ns, faults_ns;
    uint32_t kinds; /* of faults, as bits */
    int64_t fault_every_ns, load_every_ns;
    struct sim_link link;      /* in good times */
    uint32_t snapshot_entries; /* of the log, until it is cut */
    int64_t sync_ns;           /* of a disk in good times */
};

enum { FAULT_SLOTS = 6 };

/* A fault under way. */
struct sim_fault {
    struct sim_event end;
    struct sim *sim;
    enum sim_fault_kind kind;
    uint32_t a, b;
    int64_t amount;
    bool active;
};

struct sim_faults {
    struct rng rng;
    struct sim_event next, client, strike;
    struct sim_fault slot[FAULT_SLOTS];
    int64_t ended;    /* true time at which the last one did */
    uint32_t damaged; /* hosts on whose disk a bit flipped, as bits */
    uint64_t counts[FAMILIES];
    uint32_t
        wipes_left; /* members that may be removed or lose their disk before all is whole again */
};

struct sim {
    struct sim_world world;
    struct sim_plan plan;
    struct sim_faults faults;
    struct checks checks;
    const struct sim_subject *subject;
    void *state; /* the subject's */
    struct rng load;
    bool calm;
    bool failed;
    char invariant[64];
    char sentence[SIM_SENTENCE];
};

struct sim_result {
    uint64_t hash, steps, elections, faults[FAMILIES];
    int64_t virtual_ns;
    bool failed;
    char invariant[64];
    char sentence[SIM_SENTENCE];
};

/* story NULL: untold. */
void sim_run(const struct sim_subject *subject, uint64_t seed, struct story *story,
             struct sim_result *result);
/* An invariant does not hold. The first one counts; the run ends after this step. */
void sim_violated(struct sim *sim, const char *invariant, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- faults.c ---- */

void faults_begin(struct sim *sim);
/* All that was broken is repaired, and nothing breaks any more. */
void faults_end(struct sim *sim);
/* Something has just happened after which a broken network is at its most dangerous: in some plans it breaks within moments. */
void faults_provoke(struct sim *sim);
/* The process of this host has ended by itself (its disk lied), or its power went in the middle: it is started again later. */
void faults_ended(struct sim *sim, uint32_t host, bool power);
const char *faults_family_name(enum sim_fault_family family);
