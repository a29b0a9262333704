/*
 * From the file to the times that the cores of a group go by. Pure.
 */
#include "role/agent_groups.h"

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/*
 * So long before its lease ends a primary stops writes. It is taken from what the lease has beyond a change of the cluster's leader, through which a
 * primary has to come; a tenth of the lease at least, since a demotion that is late is a process that is killed.
 */
static int64_t demote_ms_of(const struct config_failover *failover)
{
    int64_t lease = failover->lease_ms;
    int64_t beyond = lease - failover->election_timeout_ms - failover->heartbeat_ms;

    return larger(smaller(lease / 4, beyond / 2), lease / 10);
}

/* It is asked each heartbeat: one answer that is late is not yet silence. */
static int64_t stuck_ms_of(const struct config_failover *failover,
                           const struct engine_config *engine)
{
    int64_t said = engine->probed ? engine->probe.timeout_ms : engine->timeout_ms;

    return larger(said, 4 * failover->heartbeat_ms);
}

struct replica_rules agent_groups_replica_rules(const struct config *config,
                                                const struct config_group *group)
{
    const struct replication_config *replication = &group->replication;

    return (struct replica_rules){
        .status_ms = config->failover.heartbeat_ms,
        .timeout_ms = group->engine.timeout_ms,
        .demote_ms = demote_ms_of(&config->failover),
        .copy_ms = group->engine.copy_ms,
        .stuck_ms = stuck_ms_of(&config->failover, &group->engine),
        /* It steps down itself before the leader takes the group from it, which would wait for its lease. */
        .verify_ms = config->failover.groups.timeout_ms / 2,
        .managed = engine_is_managed(&group->engine),
        .probed = group->engine.probed,
        .durable = replication->durable,
        .restart_attempts = (uint32_t)group->engine.restart_attempts,
        .restart_window_ms = group->engine.restart_window_ms,
        .max_lag_bytes = (uint64_t)replication->max_lag_bytes,
        .lag_ms = replication->lag_ms,
        .degrade_ms = replication->degrade_after_ms,
    };
}

struct failover_rules agent_groups_failover_rules(const struct config *config,
                                                  const struct config_group *group)
{
    const struct failover_config *failover = &config->failover.groups;

    return (struct failover_rules){
        .heartbeat_ms = config->failover.heartbeat_ms,
        .timeout_ms = failover->timeout_ms,
        .lease_ms = config->failover.lease_ms,
        .promise_ms = config->failover.heartbeat_ms,
        .delay_ms = {[CAUSE_PROCESS] = failover->delay_process_ms,
                     [CAUSE_STUCK] = failover->delay_stuck_ms,
                     [CAUSE_NODE] = failover->delay_node_ms,
                     [CAUSE_SILENCE] = failover->delay_silence_ms},
        .flaps = (uint32_t)failover->flaps,
        .flap_window_ms = failover->flap_window_ms,
        .max_lag_bytes = (uint64_t)group->replication.max_lag_bytes,
        .unclean = group->replication.unclean,
        .unclean_after_ms = group->replication.unclean_after_ms,
        .dry_run_ms = failover->dry_run_ms,
    };
}

/* The process that an agent before this one was told of runs on; one that was started again since may have come back with less. */
static bool runs_on(const struct process_record *process)
{
    return counted(&process->pid) != 0 && counted(&process->starts) == 1;
}

bool agent_groups_kept(const struct config *config, const struct config_group *groups,
                       const struct process_record *processes)
{
    bool any = false;

    for (uint32_t i = 0; i < config->groups.count; i++) {
        const struct config_group *group = &groups[i];

        if (config_group_place(config, group) == GROUP_MEMBERS_MAX)
            continue;
        any = true;
        if (!group->replication.durable && !runs_on(&processes[group->slot]))
            return false;
    }
    return any;
}
