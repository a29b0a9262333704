/*
 * Switchovers that were planned for later: an override `switchover/GROUP` with a wall clock's millisecond and, if one was named, a node. Whoever leads then takes it away
 * first, so that it happens at most once, and gives the order. One that is found long after its time (nobody led, everything was off), or that nobody can read, is taken away
 * and not carried out. What becomes of none of them in silence: a fact says why.
 */
#include "role/groups_parts.h"

#include "base/text.h"
#include "cluster/command.h"
#include "topology/fact.h"

#include <stdio.h>
#include <string.h>

enum { LATE_MS = 10 * 60 * 1000 };

static const struct document_override *planned(const struct group *group)
{
    const struct document *document = cluster_document(group->owner->options.cluster);
    char key[CLUSTER_KEY_MAX];

    /* A longer name has no such key, and the API takes none. */
    if (snprintf(key, sizeof key, "switchover/%s", group->name) >= (int)sizeof key)
        return NULL;
    return document_override(document, key);
}

static void tell(const struct group *group, const char *why)
{
    const struct groups_options *options = &group->owner->options;
    struct fact fact;

    fact_init(&fact, FACT_SWITCHOVER_FAILED, SUBJECT_GROUP, group->name);
    fact_say(&fact, "%s: the planned switchover was not carried out: %s", group->name, why);
    options->events->fact(options->context, &fact);
}

void plan_answered(const struct group *group, bool done, const char *sentence)
{
    if (!done)
        tell(group, sentence);
}

static void on_cleared(void *context, const struct cluster_answer *answer)
{
    struct planned_out *out = context;
    struct group *group = out->group;

    out->busy = false;
    /* Refused: somebody else took it away or wrote another one, which is looked at. */
    if (!group_called(group) || answer->outcome == CLUSTER_REFUSED ||
        answer->outcome == CLUSTER_NO_QUORUM)
        return;
    if (answer->outcome != CLUSTER_DONE)
        tell(group, "whether it was taken away is not known");
    else if (out->why[0])
        tell(group, out->why);
    else if (!group->leading)
        tell(group, "another node leads now");
    else
        leader_order(group, &out->order, 0);
}

/* `MS` or `MS NODE`. False: it is neither. */
static bool read(const char *value, int64_t *at_ms, char node[GROUP_NAME_MAX])
{
    struct bytes text = bytes_of_string(value);
    size_t end = bytes_find(text, ' ');
    struct bytes name = bytes_skip(text, end < text.len ? end + 1 : end);

    if (!text_parse_number(bytes_take(text, end), at_ms) || *at_ms < 0 ||
        name.len >= GROUP_NAME_MAX)
        return false;
    bytes_to_string(name, node, GROUP_NAME_MAX);
    return true;
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
    out->why[0] = '\0';
    if (!read(override->value, &at_ms, out->order.to))
        snprintf(out->why, sizeof out->why, "'%.60s' is no time, or no time and a node",
                 override->value);
    else if (at_ms > now_ms)
        return;
    else if (now_ms - at_ms > LATE_MS)
        snprintf(out->why, sizeof out->why, "nobody could, at its time and ten minutes after it");
    memcpy(out->order.group, group->name, sizeof out->order.group);
    out->busy = true;
    memcpy(command.override.key, override->key, sizeof command.override.key);
    command.based_on = override->version;
    group_calls(group);
    cluster_ask(group->owner->options.cluster, &ask, on_cleared, out);
}
