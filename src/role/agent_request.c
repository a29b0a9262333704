/*
 * What nodes ask of each other past consensus: the first byte says whose question it is. One row per kind.
 */
#include "role/agent_addresses.h"
#include "role/agent_cluster.h"
#include "role/agent_groups.h"

_Static_assert((int)REQUEST_GROUPS == (int)GROUPS_MARK, "groups mark their questions themselves");

static const struct {
    enum agent_request_kind kind;
    void (*take)(struct agent_cluster *agent, const char *node, uint64_t ticket,
                 struct bytes bytes);
} rows[] = {
    {REQUEST_TIMELINE, agent_facts_on_request},
    {REQUEST_ADDRESS_REPORT, agent_addresses_on_report},
    {REQUEST_ADDRESS_GIVE, agent_addresses_on_give},
    {REQUEST_ADDRESS_MOVE, agent_addresses_on_move},
    {REQUEST_GROUPS, agent_groups_on_request},
};

/* A question of a newer version gets an answer that none of its kinds has: nothing. */
void agent_take_request(struct agent_cluster *agent, const char *node, uint64_t ticket,
                        struct bytes bytes)
{
    for (size_t i = 0; i < ARRAY_LEN(rows) && bytes.len > 0; i++)
        if (bytes.at[0] == rows[i].kind) {
            rows[i].take(agent, node, ticket, bytes_skip(bytes, 1));
            return;
        }
    cluster_answer(agent->cluster, ticket, bytes_of(NULL, 0));
}
