/*
 * agent_groups: the agent's part in its groups: engines and their programs, probes, and what workers and people read of a group in the scoreboard. What is decided, is
 * decided in role/groups.h and below. Private to role/agent*.c.
 */
#pragma once

#include "engine/engine.h"
#include "role/agent_cluster.h"
#include "role/groups.h"

/* One group of the file, by its slot of the scoreboard. */
struct agent_group {
    struct agent_groups *owner; /* NULL: no such group */
    uint32_t slot;
    const struct config_group *config; /* in the generation in force */
    struct engine *engine; /* this node's member's; NULL: it has none, or it could not be opened */
    struct probe *probe;   /* under way */
    uint32_t self;         /* place of this node among the members; GROUP_MEMBERS_MAX: none */
    bool present;          /* in the generation in force */
    bool fenced;           /* its fence was written by this agent, which knew what runs */
    char broken
        [GROUP_SENTENCE_MAX]; /* what was last said of its engine's program; "" since it was good */
};

struct agent_groups {
    struct agent_cluster *agent;
    struct groups *groups; /* NULL: there is no cluster */
    struct agent_group places[GROUPS_MAX];
};

/* With the cluster, and without it again once that is closed. */
MUST_USE bool agent_groups_open(struct agent_groups *part, struct agent_cluster *agent,
                                struct err *err);
void agent_groups_configure(struct agent_groups *part);
void agent_groups_close(struct agent_groups *part);
/* For people: everything, now. */
void agent_groups_show(struct agent_groups *part);

void agent_groups_on_request(struct agent_cluster *agent, const char *node, uint64_t ticket,
                             struct bytes bytes);

/* From the supervisor: what became of a group's process or program. `fd`: a stream to the program, the callee's; -1. */
void agent_groups_process(struct agent_groups *part, enum message what, uint32_t slot,
                          const struct process_word *word, int fd);

/* ---- what the file says, for the cores (agent_groups_rules.c) ---- */

struct replica_rules agent_groups_replica_rules(const struct config *config,
                                                const struct config_group *group);
struct failover_rules agent_groups_failover_rules(const struct config *config,
                                                  const struct config_group *group);
/*
 * Whether an agent that begins may say that everything is as the one before left it (struct cluster_options): each group is durable, or its process is the first
 * that this supervisor has started, and runs on. False where there is nothing to lose.
 */
bool agent_groups_kept(const struct config *config, const struct config_group *groups,
                       const struct process_record *processes);
