/*
 * The consensus core alone, under the shortest driver that keeps its contract: entries are numbers, a disk is a copy, and messages are
 * datagrams that are lost, repeated and overtaken. It is many times as fast as whole clusters, and breaks the core's messages in ways in which a
 * connection does not.
 */
#pragma once

#include "sim.h"

#include "consensus/raft.h"

struct core_entry {
    struct raft_entry raft;
    uint64_t body;
};

/* Entries base + 1 … base + count. */
struct core_log {
    uint64_t base, base_term, count, cap;
    struct core_entry *at;
};

struct core_snapshot {
    uint64_t index, term, hash;
    struct raft_config config;
};

/* What is durable. */
struct core_disk {
    uint64_t term;
    uint32_t vote;
    struct core_snapshot snapshot;
    struct core_log log;
};

struct core_job {
    struct sim_event event;
    uint64_t ticket, term, keep, last;
    uint32_t vote;
    bool log;
    struct core_log entries; /* keep + 1 … last */
};

struct core_ask {
    uint64_t id, index; /* committed somewhere when it was asked */
};

struct core_node {
    struct sim *sim;
    struct sim_host *host;
    uint32_t member; /* of the disk; a new disk is a new member */
    bool runs, fetching;
    struct raft raft;
    struct core_log log;
    uint64_t hash; /* of the state at raft.applied */
    struct core_disk disk;
    struct core_job job;
    struct core_snapshot saving; /* under way; index 0: none */
    struct sim_event timer, fetched, saved;
    struct core_ask reads[RAFT_READS_MAX];
};

enum { CORE_PACKETS_MAX = 4096 };

struct core_packet {
    struct sim_event event;
    struct core *core;
    struct raft_message message;
    uint32_t to; /* host */
    uint32_t count;
    struct raft_entry entries[RAFT_BATCH_MAX];
    uint64_t bodies[RAFT_BATCH_MAX];
    struct core_packet *next;
};

struct core {
    struct sim *sim;
    struct core_node node[SIM_HOSTS_MAX];
    uint32_t next_member;
    uint64_t next_body, next_read;
    uint64_t
        acknowledged; /* highest index of a proposal that its proposer saw committed since calm */
    uint64_t snapshot_every;
    uint32_t tilted;             /* host + 1; 0: none */
    struct core_packet *packets; /* free ones */
    struct core_packet *all[CORE_PACKETS_MAX];
    uint32_t packet_count;
};

static inline struct core *core_of(const struct sim *sim)
{
    return sim->state;
}

/* ---- raft_node.c ---- */

void core_log_add(struct core_log *log, const struct core_entry *entry);

void core_node_open(struct core_node *node, struct sim *sim, uint32_t host);
void core_node_close(struct core_node *node);
void core_node_start(struct core_node *node);
void core_node_kill(struct core_node *node, bool power);
void core_node_wipe(struct core_node *node, uint32_t member);
void core_node_found(struct core_node *node, const struct raft_config *config);
/* Does what the core asks for now. After everything that was told to it. */
void core_node_turn(struct core_node *node);
enum raft_outcome core_node_propose(struct core_node *node);
struct instant core_node_now(const struct core_node *node);

/* ---- raft_mail.c ---- */

void core_send(struct core_node *from, const struct raft_message *message);
void core_mail_free(struct core *core);
struct core_node *core_node_of(struct core *core, uint32_t member); /* NULL: nobody's */
