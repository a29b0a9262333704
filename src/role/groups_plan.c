/*
 * Switchovers that were planned for later: an override `switchover/GROUP` with a wall clock's millisecond and a node. Whoever leads then takes it away first, so that it
 * happens at most once, and gives the order. One that is found long after its time (nobody led, everything was off) is taken away and not carried out.
 */
#include "role/groups_parts.h"

#include "cluster/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LATE_MS = 10 * 60 * 1000 };

static const struct document_override *planned(const struct group *group)
{
    const struct document *document = cluster_document(group->owner->options.cluster);
    char key[CLUSTER_KEY_MAX];

    if (!document || snprintf(key, sizeof key, "switchover/%s", group->name) >= (int)sizeof key)
        return NULL;
    return document_override(document, key);
}

static void on_cleared(void *context, const struct cluster_answer *answer)
{
    struct planned_out *out = context;
    struct group *group = out->group;

    out->busy = false;
    if (answer->outcome != CLUSTER_DONE || !group->listed || !group->leading || out->late)
        return;
    leader_order(group, &out->order, 0);
}

void plan_look(struct group *group)
{
    const struct document_override *override = planned(group);
    struct planned_out *out = &group->plan;
    struct document_command command = {.kind = COMMAND_OVERRIDE_CLEAR};
    struct cluster_ask ask = {.kind = CLUSTER_COMMAND,
                              .command = &command,
                              .timeout_ms = group->config.failover.timeout_ms};
    int64_t now_ms = loop_read_clock(group->owner->options.loop, LOOP_WALL).ns / NS_PER_MS, at_ms;

    if (!override || out->busy)
        return;
    out->order = (struct groups_order){.kind = GROUPS_SWITCHOVER};
    if (sscanf(override->value, "%" SCNd64 " %63s", &at_ms, out->order.to) < 1)
        at_ms = 0; /* nobody can have meant that: it goes */
    if (at_ms > now_ms)
        return;
    memcpy(out->order.group, group->name, sizeof out->order.group);
    out->late = now_ms - at_ms > LATE_MS;
    out->busy = true;
    memcpy(command.override.key, override->key, sizeof command.override.key);
    command.based_on = override->version;
    cluster_ask(group->owner->options.cluster, &ask, on_cleared, out);
}
