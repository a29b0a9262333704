/*
 * Datagrams between cores: lost, late, twice, in any order.
 */
#include "raft_node.h"

#include <stdlib.h>
#include <string.h>

struct core_node *core_node_of(struct core *core, uint32_t member)
{
    for (uint32_t i = 0; i < core->sim->world.hosts; i++)
        if (core->node[i].member == member)
            return &core->node[i];
    return NULL;
}

static void arrive(struct sim_event *event);

static struct core_packet *packet_take(struct core *core)
{
    struct core_packet *packet = core->packets;

    if (packet) {
        core->packets = packet->next;
    } else if (core->packet_count < CORE_PACKETS_MAX) {
        packet = malloc(sizeof *packet);
        must(packet != NULL);
        core->all[core->packet_count++] = packet;
    } else {
        return NULL;
    }
    packet->event = (struct sim_event){.happen = arrive};
    packet->core = core;
    return packet;
}

static void packet_free(struct core_packet *packet)
{
    packet->next = packet->core->packets;
    packet->core->packets = packet;
}

void core_mail_free(struct core *core)
{
    for (uint32_t i = 0; i < core->packet_count; i++)
        free(core->all[i]);
}

static const char *const types[RAFT_MESSAGE_TYPES] = {
    [RAFT_PREVOTE] = "prevote",   [RAFT_PREVOTE_REPLY] = "prevote reply",
    [RAFT_VOTE] = "vote",         [RAFT_VOTE_REPLY] = "vote reply",
    [RAFT_APPEND] = "append",     [RAFT_APPEND_REPLY] = "append reply",
    [RAFT_SNAPSHOT] = "snapshot", [RAFT_TIMEOUT_NOW] = "timeout now",
};

static void tell(struct core_packet *packet)
{
    const struct raft_message *m = &packet->message;

    SIM_TELL(&packet->core->sim->world, (int)packet->to,
             "from %u: %s%s term %llu at %llu/%llu + %u commit %llu", m->from, types[m->type],
             m->granted ? " granted" : "", (unsigned long long)m->term,
             (unsigned long long)m->index, (unsigned long long)m->index_term, m->count,
             (unsigned long long)m->commit);
}

static void take_entries(struct core_node *node, const struct core_packet *packet, uint32_t taken)
{
    const struct raft_message *m = &packet->message;

    for (uint32_t i = taken; i < m->count; i++) {
        uint64_t index = m->index + 1 + i;

        must(index > node->log.base && index <= node->log.base + node->log.count + 1);
        node->log.count = index - node->log.base - 1;
        core_log_add(&node->log, &(struct core_entry){m->entries[i], packet->bodies[i]});
    }
}

static void arrive(struct sim_event *event)
{
    struct core_packet *packet = container_of(event, struct core_packet, event);
    struct core_node *node = &packet->core->node[packet->to];
    uint32_t taken = packet->message.count;

    if (node->runs && node->host->paused) {
        sim_schedule(&node->sim->world, event, node->sim->world.now + 20 * NS_PER_MS);
        return;
    }
    if (node->runs && node->member == packet->message.to) {
        tell(packet);
        packet->message.entries = packet->entries;
        sim_mix(&node->sim->world, packet->message.term << 8 | packet->message.type);
        raft_receive(&node->raft, &packet->message, core_node_now(node), &taken);
        take_entries(node, packet, taken);
        core_node_turn(node);
    }
    packet_free(packet);
}

static void send_once(struct core_node *from, uint32_t to, const struct raft_message *message)
{
    struct sim_world *world = &from->sim->world;
    int64_t at = sim_packet(world, from->host->index, to);
    struct core_packet *packet = at < 0 ? NULL : packet_take(core_of(from->sim));

    if (!packet)
        return;
    packet->to = to;
    packet->message = *message;
    for (uint32_t i = 0; i < message->count; i++) {
        const struct core_entry *entry = &from->log.at[message->index + i - from->log.base];

        packet->entries[i] = entry->raft;
        packet->bodies[i] = entry->body;
    }
    sim_schedule(world, &packet->event, at);
}

void core_send(struct core_node *from, const struct raft_message *message)
{
    struct core_node *to = core_node_of(core_of(from->sim), message->to);

    if (!to)
        return;
    must(message->count == 0 || message->index >= from->log.base);
    must(message->count == 0 ||
         message->index + message->count <= from->log.base + from->log.count);
    send_once(from, to->host->index, message);
    if (rng_below(&from->sim->world.rng, 50) == 0)
        send_once(from, to->host->index, message);
}
