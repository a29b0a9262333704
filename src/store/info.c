/*
 * INFO, in the form that Redis's tools read: sections of `name:value` lines.
 */
#include "store/session_parts.h"

#include "store/space.h"

#include <stdio.h>

static void line(struct buf *out, const char *name, uint64_t value)
{
    buf_print(out, "%s:%llu\r\n", name, (unsigned long long)value);
}

static void text(struct buf *out, const char *name, const char *value)
{
    buf_print(out, "%s:%s\r\n", name, value);
}

static void amount(struct buf *out, const char *name, uint64_t bytes)
{
    static const char units[] = "BKMGT";
    double value = (double)bytes;
    size_t unit = 0;

    for (; value >= 1024 && unit + 2 < sizeof units; unit++)
        value /= 1024;
    buf_print(out, unit == 0 ? "%s:%.0f%c\r\n" : "%s:%.2f%c\r\n", name, value, units[unit]);
}

static void tell_server(const struct desk *desk, struct buf *out)
{
    int64_t up_s = (desk->now_ms - desk->started_ms) / 1000;

    text(out, "redis_version", DESK_REDIS_VERSION);
    text(out, "nines_version", NINES_VERSION);
    text(out, "redis_mode", "standalone");
    text(out, "os", "Linux");
    text(out, "arch_bits", "64");
    text(out, "run_id", desk->run_id);
    text(out, "nines_group", desk->settings.group);
    text(out, "nines_node", desk->settings.self);
    line(out, "tcp_port", desk->settings.port);
    line(out, "server_time_usec", (uint64_t)desk->wall_ms * 1000);
    line(out, "uptime_in_seconds", (uint64_t)up_s);
    line(out, "uptime_in_days", (uint64_t)up_s / 86400);
}

static void tell_clients(const struct desk *desk, struct buf *out)
{
    uint64_t waiting = 0, listening = 0;

    list_each (node, &desk->sessions) {
        const struct session *session = container_of(node, struct session, node);

        waiting += session->stall == STALL_PRIMARY || session->stall == STALL_COPIES;
        listening += session_subscriptions(session) > 0;
    }
    line(out, "connected_clients", desk->session_count);
    line(out, "maxclients", (uint64_t)desk->settings.clients_max);
    line(out, "blocked_clients", waiting);
    line(out, "pubsub_clients", listening);
    line(out, "client_buffer_bytes", desk->bytes);
}

static const char *const policies[POLICIES] = {
    "noeviction",   "allkeys-lru",  "allkeys-lfu",     "allkeys-random",
    "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
};

const char *desk_policy_name(enum desk_policy policy)
{
    return policies[policy];
}

static void tell_memory(const struct desk *desk, struct buf *out)
{
    uint64_t space = space_bytes(desk->execution.space), all = space + desk->bytes;

    line(out, "used_memory", all);
    amount(out, "used_memory_human", all);
    line(out, "used_memory_dataset", space);
    line(out, "mem_clients_normal", desk->bytes);
    line(out, "maxmemory", (uint64_t)desk->settings.memory_max);
    amount(out, "maxmemory_human", (uint64_t)desk->settings.memory_max);
    text(out, "maxmemory_policy", desk_policy_name((enum desk_policy)desk->settings.policy));
}

static void tell_persistence(const struct desk *desk, struct buf *out)
{
    const struct ledger_view *view = desk->log.view(desk->log.context);

    line(out, "loading", view->loading);
    line(out, "async_loading", 0);
    line(out, "aof_enabled", 1);
    line(out, "log_end", view->end);
    line(out, "log_committed", view->committed);
    line(out, "log_executed", view->executed);
    line(out, "log_open_bytes", view->open_bytes);
    line(out, "replayed_records", view->replayed_records);
    line(out, "replay_usec", view->replay_us);
    line(out, "copied_bytes", view->copied_bytes);
    line(out, "copy_usec", view->copy_us);
}

static void tell_stats(const struct desk *desk, struct buf *out)
{
    const struct desk_counts *c = &desk->counts;

    line(out, "total_connections_received", c->connections);
    line(out, "total_commands_processed", c->commands);
    line(out, "total_net_input_bytes", c->in_bytes);
    line(out, "total_net_output_bytes", c->out_bytes);
    line(out, "rejected_connections", c->rejected);
    line(out, "expired_keys", c->expired);
    line(out, "evicted_keys", c->evicted);
    line(out, "pubsub_channels", pubsub_channel_count(desk->pubsub));
    line(out, "pubsub_patterns", pubsub_pattern_count(desk->pubsub));
    line(out, "acl_access_denied_auth", c->failed_authentications);
    line(out, "acl_access_denied_cmd", c->denied);
    line(out, "client_query_buffer_limit_disconnections", c->cut_input);
    line(out, "client_output_buffer_limit_disconnections", c->cut_output);
    line(out, "client_idle_disconnections", c->idle);
    line(out, "protocol_errors", c->protocol_errors);
    line(out, "tls_handshakes_failed", c->tls_failed);
    line(out, "reads", c->reads);
    line(out, "writes", c->writes);
    line(out, "requests_forwarded", c->forwarded);
    line(out, "requests_served", c->served);
    line(out, "requests_held", c->held);
    line(out, "requests_timed_out", c->timed_out);
    line(out, "outcomes_unknown", c->unknown);
    line(out, "oom_refused", c->oom);
    line(out, "messages_published", c->published);
}

static const struct desk_member *member_of(const struct desk *desk, uint32_t id)
{
    for (uint32_t i = 0; i < desk->member_count; i++)
        if (desk->members[i].id == id)
            return &desk->members[i];
    return NULL;
}

static void ip_of(const struct desk_member *member, char text_out[ADDRESS_TEXT_MAX])
{
    text_out[0] = '\0';
    if (member && member->address.family != 0)
        address_print_ip(&member->address, text_out);
}

static void tell_followers(const struct desk *desk, const struct engine_status *status,
                           struct buf *out)
{
    char ip[ADDRESS_TEXT_MAX];
    uint32_t attached = 0;

    for (uint32_t i = 0; i < status->follower_count; i++)
        attached += status->followers[i].attached;
    line(out, "connected_slaves", attached);
    for (uint32_t i = 0, n = 0; i < status->follower_count; i++) {
        const struct engine_follower *follower = &status->followers[i];
        const struct desk_member *member = member_of(desk, follower->member);

        if (!follower->attached)
            continue;
        ip_of(member, ip);
        buf_print(out, "slave%u:ip=%s,port=%u,state=online,offset=%llu,lag=0\r\n", n++, ip,
                  member ? member->address.port : 0, (unsigned long long)follower->position.offset);
    }
}

static void tell_replication(const struct desk *desk, struct buf *out)
{
    const struct ledger_view *view = desk->log.view(desk->log.context);
    struct engine_status status = {0};
    char ip[ADDRESS_TEXT_MAX];

    desk->log.status(desk->log.context, &status);
    if (view->role == ENGINE_PRIMARY) {
        text(out, "role", "master");
        tell_followers(desk, &status, out);
    } else {
        const struct desk_member *primary = member_of(desk, view->primary);

        ip_of(primary, ip);
        text(out, "role", "slave");
        text(out, "master_host", ip);
        line(out, "master_port", primary ? primary->address.port : 0);
        text(out, "master_link_status", view->linked ? "up" : "down");
        line(out, "master_sync_in_progress", view->loading);
        line(out, "slave_repl_offset", view->executed);
        line(out, "slave_read_only", 1);
        line(out, "connected_slaves", 0);
    }
    line(out, "epoch", view->epoch);
    line(out, "master_repl_offset", view->executed);
}

static void tell_keyspace(const struct desk *desk, struct buf *out)
{
    const struct space *space = desk->execution.space;

    if (space_count(space) > 0)
        buf_print(out, "db0:keys=%llu,expires=%llu,avg_ttl=0\r\n",
                  (unsigned long long)space_count(space),
                  (unsigned long long)space_timed_count(space));
}

static const struct section {
    const char *name, *title;
    void (*tell)(const struct desk *desk, struct buf *out);
} sections[] = {
    {"server", "Server", tell_server},       {"clients", "Clients", tell_clients},
    {"memory", "Memory", tell_memory},       {"persistence", "Persistence", tell_persistence},
    {"stats", "Stats", tell_stats},          {"replication", "Replication", tell_replication},
    {"keyspace", "Keyspace", tell_keyspace},
};

static bool is_wanted(const struct section *section, const struct call *call)
{
    for (uint32_t i = 1; i < call->count; i++)
        if (bytes_equal_nocase(call->words[i], bytes_of_string(section->name)) ||
            bytes_equal_nocase(call->words[i], BYTES("all")) ||
            bytes_equal_nocase(call->words[i], BYTES("default")) ||
            bytes_equal_nocase(call->words[i], BYTES("everything")))
            return true;
    return call->count == 1;
}

enum step handle_info(struct desk *desk, struct session *session, struct call *call)
{
    struct buf *out = &desk->scratch;

    (void)session;
    buf_clear(out);
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        if (!is_wanted(&sections[i], call))
            continue;
        buf_print(out, "%s# %s\r\n", out->len ? "\r\n" : "", sections[i].title);
        sections[i].tell(desk, out);
    }
    reply_bulk(call, buf_bytes(out));
    return STEP_DONE;
}
