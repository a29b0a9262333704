/*
 * Walks the rows: a family is one row, so its lines stand together and its help is said once. What is counted by every
 * worker is summed here; a quiet series is 0, it never vanishes.
 */
#include "admin/metrics.h"

#include "admin/addresses.h"
#include "admin/cluster.h"
#include "admin/exposition.h"
#include "base/must.h"
#include "schema/schema.h"

enum scope {
    SCOPE_ROLE,          /* offset into struct role_record */
    SCOPE_PROCESS,       /* into struct admin_usage */
    SCOPE_NODE,          /* into struct scoreboard */
    SCOPE_WORKER,        /* into struct worker_record */
    SCOPE_SERVICE,       /* into struct service_counters; a histogram's is not needed */
    SCOPE_BACKEND,       /* into struct backend_counters; likewise */
    SCOPE_VERDICT,       /* into struct verdict_record */
    SCOPE_GROUP,         /* into struct group_counters */
    SCOPE_GROUP_RECORD,  /* into struct group_record */
    SCOPE_CLUSTER_TRUTH, /* into struct cluster_board: uint8_t, */
    SCOPE_CLUSTER_SMALL, /* uint32_t, */
    SCOPE_CLUSTER,       /* uint64_t */
    SCOPE_OWN,           /* written by `write` */
};

struct row {
    struct metric metric;
    enum scope scope;
    size_t offset;
    enum unit unit;
    bool classes; /* six counters, by the first digit of a status */
    void (*write)(const struct admin_scene *scene, const char *name, struct buf *out);
};

/* ---- scopes ---- */

static const struct labels no_labels;

static const char *const class_names[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

static const counter *counter_at(const void *record, size_t offset)
{
    return (const counter *)((const char *)record + offset);
}

static void write_roles(const struct admin_scene *scene, const struct row *row, struct buf *out)
{
    char name[ADMIN_ROLE_NAME_MAX];

    for (uint32_t slot = 0; slot < scene_roles(scene); slot++) {
        struct labels labels = {{{"role", scene_role_name(slot, name)}}};

        exposition_sample(out, row->metric.name, &labels,
                          counted(counter_at(&scene->board->roles[slot], row->offset)), row->unit);
    }
}

static void write_processes(const struct admin_scene *scene, const struct row *row, struct buf *out)
{
    char name[ADMIN_ROLE_NAME_MAX];

    for (uint32_t slot = 0; slot < scene_roles(scene); slot++) {
        struct labels labels = {{{"role", scene_role_name(slot, name)}}};
        uint64_t value;

        memcpy(&value, (const char *)&scene->usage[slot] + row->offset, sizeof value);
        if (scene->usage[slot].pid)
            exposition_sample(out, row->metric.name, &labels, value, row->unit);
    }
}

static void write_workers(const struct admin_scene *scene, const struct row *row, struct buf *out)
{
    char name[ADMIN_ROLE_NAME_MAX];

    for (uint32_t w = 0; w < total_workers(scene->board); w++) {
        struct labels labels = {{{"role", scene_role_name(ADMIN_WORKER_SLOT + w, name)}}};

        exposition_sample(out, row->metric.name, &labels,
                          counted(counter_at(&scene->board->worker[w], row->offset)), row->unit);
    }
}

static void write_service(const struct admin_scene *scene, const struct row *row,
                          const struct admin_service *service, struct buf *out)
{
    const char *name = row->metric.name;
    struct labels labels = {{{"service", service->name}}};

    if (row->metric.kind == METRIC_HISTOGRAM) {
        struct histogram latency = {0};

        total_service_latency(scene->board, service->slot, &latency);
        exposition_histogram(out, name, &labels, &latency);
        return;
    }
    for (uint32_t class = 0; class < (row->classes ? ARRAY_LEN(class_names) : 1); class ++) {
        if (row->classes)
            labels.at[1] = (struct label){"class", class_names[class]};
        exposition_sample(
            out, name, &labels,
            total_service(scene->board, service->slot, row->offset + class * sizeof(counter)),
            row->unit);
    }
}

static void write_services(const struct admin_scene *scene, const struct row *row, struct buf *out)
{
    for (uint32_t i = 0; i < scene->view->service_count; i++)
        write_service(scene, row, &scene->view->services[i], out);
}

static struct labels backend_labels(const struct admin_pool *pool,
                                    const struct admin_backend *backend)
{
    return (struct labels){{{"pool", pool->name}, {"backend", backend->endpoint}}};
}

static void write_backend(const struct admin_scene *scene, const struct row *row,
                          const struct admin_backend *backend, struct labels labels,
                          struct buf *out)
{
    const char *name = row->metric.name;

    if (row->metric.kind == METRIC_HISTOGRAM) {
        struct histogram latency = {0};

        total_backend_latency(scene->board, backend->slot, &latency);
        exposition_histogram(out, name, &labels, &latency);
        return;
    }
    for (uint32_t class = 0; class < (row->classes ? ARRAY_LEN(class_names) : 1); class ++) {
        if (row->classes)
            labels.at[2] = (struct label){"class", class_names[class]};
        exposition_sample(
            out, name, &labels,
            total_backend(scene->board, backend->slot, row->offset + class * sizeof(counter)),
            row->unit);
    }
}

static void write_verdict(const struct admin_scene *scene, const struct row *row,
                          const struct admin_backend *backend, struct labels labels,
                          struct buf *out)
{
    exposition_sample(out, row->metric.name, &labels,
                      counted(counter_at(&scene->board->verdicts[backend->slot], row->offset)),
                      row->unit);
}

static void write_backends(const struct admin_scene *scene, const struct row *row, struct buf *out)
{
    for (uint32_t p = 0; p < scene->view->pool_count; p++) {
        const struct admin_pool *pool = &scene->view->pools[p];

        for (uint32_t i = 0; i < pool->count; i++) {
            const struct admin_backend *backend = scene_backend(scene, pool, i);
            struct labels labels = backend_labels(pool, backend);

            if (row->scope == SCOPE_BACKEND)
                write_backend(scene, row, backend, labels, out);
            else if (backend->checked)
                write_verdict(scene, row, backend, labels, out);
        }
    }
}

/* ---- rows of their own kind ---- */

static void write_build(const struct admin_scene *scene, const char *name, struct buf *out)
{
    struct labels labels = {{{"version", NINES_VERSION}, {"node", scene->view->node}}};

    exposition_sample(out, name, &labels, 1, UNIT_ONE);
}

static void write_working(const struct admin_scene *scene, const char *name, struct buf *out)
{
    char role[ADMIN_ROLE_NAME_MAX];

    for (uint32_t slot = 0; slot < scene_roles(scene); slot++) {
        struct labels labels = {{{"role", scene_role_name(slot, role)}}};

        exposition_sample(out, name, &labels, scene_role_works(scene, slot), UNIT_ONE);
    }
}

static void write_beat_age(const struct admin_scene *scene, const char *name, struct buf *out)
{
    char role[ADMIN_ROLE_NAME_MAX];

    for (uint32_t slot = 0; slot < scene_roles(scene); slot++) {
        struct labels labels = {{{"role", scene_role_name(slot, role)}}};
        int64_t age = scene_beat_age_ns(scene, slot);

        if (age >= 0)
            exposition_sample(out, name, &labels, (uint64_t)age, UNIT_NS);
    }
}

static void write_serving(const struct admin_scene *scene, const char *name, struct buf *out)
{
    struct admin_summary summary;

    scene_summarize(scene, &summary);
    exposition_sample(out, name, &no_labels, summary.serving == SERVING_YES, UNIT_ONE);
}

static void write_survives(const struct admin_scene *scene, const char *name, struct buf *out)
{
    struct admin_summary summary;

    scene_summarize(scene, &summary);
    exposition_sample(out, name, &no_labels, summary.survives, UNIT_ONE);
}

static void write_pool_backends(const struct admin_scene *scene, const char *name, struct buf *out)
{
    for (uint32_t p = 0; p < scene->view->pool_count; p++) {
        struct labels labels = {{{"pool", scene->view->pools[p].name}}};

        exposition_sample(out, name, &labels, scene->view->pools[p].count, UNIT_ONE);
    }
}

static void write_pool_usable(const struct admin_scene *scene, const char *name, struct buf *out)
{
    for (uint32_t p = 0; p < scene->view->pool_count; p++) {
        struct labels labels = {{{"pool", scene->view->pools[p].name}}};

        exposition_sample(out, name, &labels, scene_pool_usable(scene, &scene->view->pools[p]),
                          UNIT_ONE);
    }
}

static void each_backend(const struct admin_scene *scene, const char *name, struct buf *out,
                         void (*write)(const struct admin_scene *scene,
                                       const struct admin_backend *backend, const char *name,
                                       const struct labels *labels, struct buf *out))
{
    for (uint32_t p = 0; p < scene->view->pool_count; p++) {
        const struct admin_pool *pool = &scene->view->pools[p];

        for (uint32_t i = 0; i < pool->count; i++) {
            const struct admin_backend *backend = scene_backend(scene, pool, i);
            struct labels labels = backend_labels(pool, backend);

            write(scene, backend, name, &labels, out);
        }
    }
}

static void write_one_health(const struct admin_scene *scene, const struct admin_backend *backend,
                             const char *name, const struct labels *labels, struct buf *out)
{
    enum verdict_state verdict = scene_verdict(scene, backend);

    if (verdict != VERDICT_UNKNOWN)
        exposition_sample(out, name, labels, verdict == VERDICT_UP, UNIT_ONE);
}

static void write_health(const struct admin_scene *scene, const char *name, struct buf *out)
{
    each_backend(scene, name, out, write_one_health);
}

static void write_one_draining(const struct admin_scene *scene, const struct admin_backend *backend,
                               const char *name, const struct labels *labels, struct buf *out)
{
    exposition_sample(out, name, labels, scene_drains(scene, backend), UNIT_ONE);
}

static void write_draining(const struct admin_scene *scene, const char *name, struct buf *out)
{
    each_backend(scene, name, out, write_one_draining);
}

static void write_one_weight(const struct admin_scene *scene, const struct admin_backend *backend,
                             const char *name, const struct labels *labels, struct buf *out)
{
    (void)scene;
    exposition_sample(out, name, labels, (uint64_t)backend->weight, UNIT_ONE);
}

static void write_weight(const struct admin_scene *scene, const char *name, struct buf *out)
{
    each_backend(scene, name, out, write_one_weight);
}

/* ---- the cluster: nothing at all where there is none, and no peer that is not a member ---- */

static void write_cluster(const struct admin_scene *scene, const struct row *row, struct buf *out)
{
    const char *at = (const char *)scene->cluster + row->offset;
    uint32_t small;
    uint64_t value;

    if (!scene->cluster || cluster_is_stale(scene))
        return;
    if (row->scope == SCOPE_CLUSTER_TRUTH) {
        value = *(const uint8_t *)at;
    } else if (row->scope == SCOPE_CLUSTER_SMALL) {
        memcpy(&small, at, sizeof small);
        value = small;
    } else {
        memcpy(&value, at, sizeof value);
    }
    exposition_sample(out, row->metric.name, &no_labels, value, row->unit);
}

static void write_cluster_leader(const struct admin_scene *scene, const char *name, struct buf *out)
{
    if (scene->cluster && !cluster_is_stale(scene))
        exposition_sample(out, name, &no_labels, scene->cluster->leader[0] != 0, UNIT_ONE);
}

static void write_cluster_leads(const struct admin_scene *scene, const char *name, struct buf *out)
{
    if (scene->cluster && !cluster_is_stale(scene))
        exposition_sample(out, name, &no_labels, scene->cluster->established, UNIT_ONE);
}

static void write_cluster_survives(const struct admin_scene *scene, const char *name,
                                   struct buf *out)
{
    if (scene->cluster)
        exposition_sample(out, name, &no_labels, !cluster_survives_not(scene), UNIT_ONE);
}

static void write_cluster_age(const struct admin_scene *scene, const char *name, struct buf *out)
{
    if (scene->cluster)
        exposition_sample(out, name, &no_labels, (uint64_t)scene->cluster_age_ms, UNIT_MS);
}

/* One line per other node. */
static void write_peers(const struct admin_scene *scene, const char *name, struct buf *out,
                        bool (*value)(const struct board_node *node, uint64_t *value),
                        enum unit unit)
{
    uint64_t found;

    if (!scene->cluster || cluster_is_stale(scene))
        return;
    for (uint32_t i = 0; i < scene->cluster->node_count && i < BOARD_NODES_MAX; i++) {
        const struct board_node *node = &scene->cluster->nodes[i];
        struct labels labels = {{{"peer", node->name}}};

        if (!(node->flags & BOARD_SELF) && value(node, &found))
            exposition_sample(out, name, &labels, found, unit);
    }
}

static bool is_member(const struct board_node *node, uint64_t *value)
{
    *value = node->member != 0;
    return true;
}

static bool is_suspected(const struct board_node *node, uint64_t *value)
{
    *value = node->health == BOARD_SUSPECTED || node->health == BOARD_DEAD;
    return node->member != 0;
}

static bool is_linked(const struct board_node *node, uint64_t *value)
{
    *value = (node->flags & BOARD_LINKED) != 0;
    return true;
}

static bool round_trip(const struct board_node *node, uint64_t *value)
{
    *value = (uint64_t)node->rtt_us * (uint64_t)NS_PER_US;
    return node->rtt_us > 0;
}

static bool differs(const struct board_node *node, uint64_t *value)
{
    *value = (node->flags & BOARD_DIFFERS) != 0;
    return node->health == BOARD_ALIVE;
}

static void write_members(const struct admin_scene *scene, const char *name, struct buf *out)
{
    write_peers(scene, name, out, is_member, UNIT_ONE);
}

static void write_suspected(const struct admin_scene *scene, const char *name, struct buf *out)
{
    write_peers(scene, name, out, is_suspected, UNIT_ONE);
}

static void write_linked(const struct admin_scene *scene, const char *name, struct buf *out)
{
    write_peers(scene, name, out, is_linked, UNIT_ONE);
}

static void write_round_trips(const struct admin_scene *scene, const char *name, struct buf *out)
{
    write_peers(scene, name, out, round_trip, UNIT_NS);
}

static void write_differs(const struct admin_scene *scene, const char *name, struct buf *out)
{
    write_peers(scene, name, out, differs, UNIT_ONE);
}

/* Those of this node, by their own end: what the workers go by. */
static void write_leases(const struct admin_scene *scene, const char *name, struct buf *out)
{
    for (uint32_t i = 0; scene->cluster && i < BOARD_LEASES_MAX; i++) {
        const struct lease_record *record = &scene->board->leases[i];
        char resource[BOARD_RESOURCE_MAX];
        struct labels labels = {{{"lease", resource}}};

        if (board_read(&record->guard, resource, record->resource, sizeof resource) && resource[0])
            exposition_sample(out, name, &labels, (int64_t)counted(&record->until) > scene->boot_ns,
                              UNIT_ONE);
    }
}

static void write_addresses_held(const struct admin_scene *scene, const char *name, struct buf *out)
{
    for (uint32_t i = 0; i < scene->view->address_count; i++) {
        const char *address = scene->view->addresses[i].name;
        struct labels labels = {{{"address", address}}};

        exposition_sample(out, name, &labels, addresses_held(scene, address), UNIT_ONE);
    }
}

static void write_addresses_taken(const struct admin_scene *scene, const char *name,
                                  struct buf *out)
{
    for (uint32_t i = 0; i < scene->view->address_count; i++) {
        const char *address = scene->view->addresses[i].name;
        struct labels labels = {{{"address", address}}};

        exposition_sample(out, name, &labels, addresses_taken(scene, address), UNIT_ONE);
    }
}

/* ---- groups: as this node knows them ---- */

static void write_groups(const struct admin_scene *scene, const struct row *row, struct buf *out)
{
    for (uint32_t i = 0; i < scene->view->group_count; i++) {
        const struct admin_group *group = &scene->view->groups[i];
        struct labels labels = {{{"group", group->name}}};
        uint64_t value = 0;

        if (row->scope == SCOPE_GROUP_RECORD)
            value = counted(counter_at(&scene->board->groups[group->slot], row->offset));
        else
            for (uint32_t w = 0; w < total_workers(scene->board); w++)
                value +=
                    counted(counter_at(&scene->board->worker[w].groups[group->slot], row->offset));
        exposition_sample(out, row->metric.name, &labels, value, row->unit);
    }
}

/* Of those whose data may be read at all. */
static void write_group_lag(const struct admin_scene *scene, const char *name, struct buf *out)
{
    for (uint32_t i = 0; i < scene->view->group_count; i++) {
        const struct admin_group *group = &scene->view->groups[i];
        const struct group_record *record = &scene->board->groups[group->slot];
        struct board_group board;

        if (!board_read(&record->guard, &board, &record->board, sizeof board))
            continue;
        for (uint32_t m = 0; m < board.member_count && m < GROUP_BACKENDS_MAX; m++) {
            struct labels labels = {{{"group", group->name}, {"member", board.members[m].name}}};
            uint64_t lag_ms = counted(&record->lag_ms[m]);

            if (lag_ms != UINT64_MAX)
                exposition_sample(out, name, &labels, lag_ms, UNIT_MS);
        }
    }
}

/* ---- the table ---- */

#define NODE(name, kind, field, unit, help)                                                        \
    {                                                                                              \
        {name, kind, help}, SCOPE_NODE, offsetof(struct scoreboard, field), unit                   \
    }
#define ROLE(name, kind, field, unit, help)                                                        \
    {                                                                                              \
        {name, kind, help}, SCOPE_ROLE, offsetof(struct role_record, field), unit                  \
    }
#define PROCESS(name, kind, field, unit, help)                                                     \
    {                                                                                              \
        {name, kind, help}, SCOPE_PROCESS, offsetof(struct admin_usage, field), unit               \
    }
#define WORKER(name, kind, field, help)                                                            \
    {                                                                                              \
        {name, kind, help}, SCOPE_WORKER, offsetof(struct worker_record, field)                    \
    }
#define SERVICE(name, kind, field, help)                                                           \
    {                                                                                              \
        {name, kind, help}, SCOPE_SERVICE, offsetof(struct service_counters, field)                \
    }
#define BACKEND(name, kind, field, help)                                                           \
    {                                                                                              \
        {name, kind, help}, SCOPE_BACKEND, offsetof(struct backend_counters, field)                \
    }
#define VERDICT(name, kind, field, unit, help)                                                     \
    {                                                                                              \
        {name, kind, help}, SCOPE_VERDICT, offsetof(struct verdict_record, field), unit            \
    }
#define GROUP(name, kind, field, help)                                                             \
    {                                                                                              \
        {name, kind, help}, SCOPE_GROUP, offsetof(struct group_counters, field)                    \
    }
#define GROUP_RECORD(name, field, help)                                                            \
    {                                                                                              \
        {name, METRIC_GAUGE, help}, SCOPE_GROUP_RECORD, offsetof(struct group_record, field)       \
    }
#define CLUSTER(name, kind, scope, field, help)                                                    \
    {                                                                                              \
        {name, kind, help}, scope, offsetof(struct cluster_board, field)                           \
    }
#define OWN(name, kind, function, help)                                                            \
    {                                                                                              \
        {name, kind, help}, SCOPE_OWN, 0, UNIT_ONE, false, function                                \
    }

static const struct row rows[] = {
    OWN("nines_build_info", METRIC_GAUGE, write_build,
        "Always 1; the labels say which version runs on which node."),
    OWN("nines_serving", METRIC_GAUGE, write_serving,
        "1 while a worker is ready and every pool has a backend that takes traffic."),
    OWN("nines_survives_one_failure", METRIC_GAUGE, write_survives,
        "1 while every pool would have a backend left whichever failed next."),
    NODE("nines_configuration_generation", METRIC_GAUGE, generation, UNIT_ONE,
         "Number of the configuration in force."),
    NODE("nines_start_time_seconds", METRIC_GAUGE, started_ms, UNIT_MS,
         "When the supervisor started, in seconds since 1970."),
    NODE("nines_reloads_total", METRIC_COUNTER, reloads, UNIT_ONE,
         "Configurations that were taken over while running."),
    NODE("nines_reloads_refused_total", METRIC_COUNTER, reloads_refused, UNIT_ONE,
         "Configurations that were refused while running."),
    NODE("nines_access_log_lines_total", METRIC_COUNTER, log_lines, UNIT_ONE,
         "Access log lines that were written."),
    NODE("nines_access_log_lost_lines_total", METRIC_COUNTER, log_lost, UNIT_ONE,
         "Access log lines that could not be written."),

    OWN("nines_role_working", METRIC_GAUGE, write_working,
        "1 while the process of this role is ready and its loop turns."),
    OWN("nines_role_beat_age_seconds", METRIC_GAUGE, write_beat_age,
        "Time since the loop of this role last turned."),
    ROLE("nines_role_restarts_total", METRIC_COUNTER, restarts, UNIT_ONE,
         "Times that the process of this role was started again."),
    PROCESS("process_cpu_seconds_total", METRIC_COUNTER, cpu_ns, UNIT_NS,
            "User and system CPU time of the role's process."),
    PROCESS("process_resident_memory_bytes", METRIC_GAUGE, resident_bytes, UNIT_ONE,
            "Resident memory of the role's process."),
    PROCESS("process_virtual_memory_bytes", METRIC_GAUGE, virtual_bytes, UNIT_ONE,
            "Virtual memory of the role's process."),
    PROCESS("process_start_time_seconds", METRIC_GAUGE, started_ms, UNIT_MS,
            "When the role's process started, in seconds since 1970."),

    WORKER("nines_worker_sessions", METRIC_GAUGE, sessions, "Client connections of the worker."),
    WORKER("nines_worker_sessions_limit", METRIC_GAUGE, sessions_max,
           "Client connections that the worker takes at most."),
    WORKER("nines_worker_buffers_free", METRIC_GAUGE, chunks_free, "Buffers that are not in use."),
    WORKER("nines_worker_buffers_limit", METRIC_GAUGE, chunks_max, "Buffers of the worker."),
    WORKER("nines_worker_accept_pauses_total", METRIC_COUNTER, starved,
           "Times that accepting paused for lack of descriptors or memory."),
    WORKER("nines_worker_access_log_dropped_lines_total", METRIC_COUNTER, log_dropped,
           "Access log lines that the monitor did not take in time."),

    SERVICE("nines_service_connections", METRIC_GAUGE, connections,
            "Client connections that are open."),
    SERVICE("nines_service_accepted_total", METRIC_COUNTER, accepted,
            "Client connections that were accepted."),
    SERVICE("nines_service_requests_active", METRIC_GAUGE, active,
            "Requests or TCP sessions under way."),
    SERVICE("nines_service_requests_total", METRIC_COUNTER, requests, "Requests or TCP sessions."),
    {{"nines_service_responses_total", METRIC_COUNTER,
      "Answers by the class of their status; none: closed without an answer."},
     SCOPE_SERVICE,
     offsetof(struct service_counters, responses),
     UNIT_ONE,
     true},
    SERVICE("nines_service_bad_requests_total", METRIC_COUNTER, refused_bad,
            "Malformed requests that were refused."),
    SERVICE("nines_service_unavailable_total", METRIC_COUNTER, unavailable,
            "Requests for which no backend was left."),
    SERVICE("nines_service_timeouts_total", METRIC_COUNTER, timeouts,
            "Requests that a client or backend took too long over."),
    SERVICE("nines_service_received_bytes_total", METRIC_COUNTER, bytes_in, "Bytes from clients."),
    SERVICE("nines_service_sent_bytes_total", METRIC_COUNTER, bytes_out, "Bytes to clients."),
    SERVICE("nines_service_request_duration_seconds", METRIC_HISTOGRAM, latency,
            "From the first byte of a request to the last of its answer."),

    OWN("nines_pool_backends", METRIC_GAUGE, write_pool_backends, "Backends of the pool."),
    OWN("nines_pool_backends_usable", METRIC_GAUGE, write_pool_usable,
        "Backends of the pool that take traffic: not down, not draining, and with a weight."),

    OWN("nines_backend_health", METRIC_GAUGE, write_health,
        "Verdict of the active checks on a backend: 1 up, 0 down, absent while unknown."),
    OWN("nines_backend_draining", METRIC_GAUGE, write_draining,
        "1 while the backend is given no new work, by the file or by an operator."),
    OWN("nines_backend_weight", METRIC_GAUGE, write_weight, "Weight of the backend in its pool."),
    VERDICT("nines_backend_health_changes_total", METRIC_COUNTER, changes, UNIT_ONE,
            "Times that the verdict on a backend changed."),
    VERDICT("nines_backend_health_checks_total", METRIC_COUNTER, checks, UNIT_ONE,
            "Active checks of a backend that ended."),
    VERDICT("nines_backend_health_check_failures_total", METRIC_COUNTER, failures, UNIT_ONE,
            "Active checks of a backend that failed."),
    VERDICT("nines_backend_health_check_duration_seconds", METRIC_GAUGE, latency_ns, UNIT_NS,
            "Duration of the last active check of a backend."),

    BACKEND("nines_backend_connections", METRIC_GAUGE, connections,
            "Connections to the backend, idle ones included."),
    BACKEND("nines_backend_connections_idle", METRIC_GAUGE, idle, "Connections kept for reuse."),
    BACKEND("nines_backend_requests_active", METRIC_GAUGE, active,
            "Requests or TCP sessions under way."),
    BACKEND("nines_backend_requests_total", METRIC_COUNTER, requests,
            "Requests or TCP sessions sent to it."),
    BACKEND("nines_backend_connects_total", METRIC_COUNTER, connects,
            "Connections that were begun."),
    BACKEND("nines_backend_connect_failures_total", METRIC_COUNTER, connect_failures,
            "Connections that failed."),
    BACKEND("nines_backend_failures_total", METRIC_COUNTER, failures,
            "Requests that it did not answer properly."),
    BACKEND("nines_backend_retries_total", METRIC_COUNTER, retries,
            "Requests that were then tried elsewhere."),
    BACKEND("nines_backend_moved_total", METRIC_COUNTER, moved,
            "Requests that were moved elsewhere when it was found to be down."),
    {{"nines_backend_responses_total", METRIC_COUNTER,
      "Answers by the class of their status; none: none came."},
     SCOPE_BACKEND,
     offsetof(struct backend_counters, responses),
     UNIT_ONE,
     true},
    BACKEND("nines_backend_received_bytes_total", METRIC_COUNTER, bytes_in,
            "Bytes from the backend."),
    BACKEND("nines_backend_sent_bytes_total", METRIC_COUNTER, bytes_out, "Bytes to the backend."),
    BACKEND("nines_backend_response_duration_seconds", METRIC_HISTOGRAM, latency,
            "From the request to the head of its answer."),

    GROUP_RECORD(
        "nines_group_phase", phase,
        "Where the group's clients stand: 0 unknown, 1 recovering, 2 promoting, 3 switching, "
        "4 serving."),
    GROUP_RECORD("nines_group_epoch", epoch, "Epoch of the group's configuration."),
    OWN("nines_group_lag_seconds", METRIC_GAUGE, write_group_lag,
        "How far a member is behind the primary; absent where it is not to be read from."),
    GROUP("nines_group_waiting", METRIC_GAUGE, waiting,
          "Requests and connections that wait for a primary."),
    GROUP("nines_group_held_total", METRIC_COUNTER, held,
          "Requests and connections that have waited for a primary."),
    GROUP("nines_group_released_total", METRIC_COUNTER, released,
          "Times that one of them was let go to a member."),
    GROUP("nines_group_expired_total", METRIC_COUNTER, expired,
          "Of them, those whose time ran out."),
    GROUP("nines_group_refused_total", METRIC_COUNTER, refused,
          "Requests and connections for which there was no place to wait."),
    GROUP("nines_group_cut_total", METRIC_COUNTER, cut,
          "Sessions that were cut because their member was no longer the primary."),

    OWN("nines_cluster_has_leader", METRIC_GAUGE, write_cluster_leader,
        "1 while this node knows a leader."),
    OWN("nines_cluster_is_leader", METRIC_GAUGE, write_cluster_leads,
        "1 while this node leads, and may act."),
    CLUSTER("nines_cluster_has_quorum", METRIC_GAUGE, SCOPE_CLUSTER_TRUTH, quorum,
            "1 while the cluster can decide, as far as this node knows."),
    OWN("nines_cluster_survives_one_failure", METRIC_GAUGE, write_cluster_survives,
        "1 while the cluster could decide whichever node failed next."),
    OWN("nines_cluster_view_age_seconds", METRIC_GAUGE, write_cluster_age,
        "Time since the agent last said how the cluster is."),
    CLUSTER("nines_cluster_tilted", METRIC_GAUGE, SCOPE_CLUSTER_TRUTH, tilted,
            "1 while this node does not trust its own clock."),
    CLUSTER("nines_cluster_term", METRIC_GAUGE, SCOPE_CLUSTER, term, "Term of the leadership."),
    CLUSTER("nines_cluster_commit_index", METRIC_GAUGE, SCOPE_CLUSTER, commit,
            "Entries that the cluster has agreed on, as far as this node knows."),
    CLUSTER("nines_cluster_applied_index", METRIC_GAUGE, SCOPE_CLUSTER, applied,
            "Entries that were applied here."),
    CLUSTER("nines_cluster_stored_index", METRIC_GAUGE, SCOPE_CLUSTER, stored,
            "Entries that are durable here."),
    CLUSTER("nines_cluster_voters", METRIC_GAUGE, SCOPE_CLUSTER_SMALL, voters,
            "Members that vote, witnesses included."),
    CLUSTER("nines_cluster_voters_alive", METRIC_GAUGE, SCOPE_CLUSTER_SMALL, voters_alive,
            "Of these, those that this node hears."),
    CLUSTER("nines_cluster_asks", METRIC_GAUGE, SCOPE_CLUSTER_SMALL, asks,
            "Changes that were asked of this node and are under way."),
    NODE("nines_cluster_proposals_total", METRIC_COUNTER, cluster.proposals, UNIT_ONE,
         "Changes that were asked of this node."),
    NODE("nines_cluster_proposals_failed_total", METRIC_COUNTER, cluster.proposals_failed, UNIT_ONE,
         "Of these, those that were not done, or nobody knows."),
    NODE("nines_cluster_facts_total", METRIC_COUNTER, cluster.facts, UNIT_ONE,
         "Facts that this node put on its timeline since it started."),
    OWN("nines_cluster_node_member", METRIC_GAUGE, write_members,
        "1 while the other node is a member."),
    OWN("nines_cluster_node_suspected", METRIC_GAUGE, write_suspected,
        "1 while this node takes the other one for failed."),
    OWN("nines_cluster_node_configuration_differs", METRIC_GAUGE, write_differs,
        "1 while the other node runs another configuration."),
    OWN("nines_cluster_link_up", METRIC_GAUGE, write_linked,
        "1 while this node is connected with the other one."),
    OWN("nines_cluster_link_round_trip_seconds", METRIC_GAUGE, write_round_trips,
        "Of the last ping."),
    OWN("nines_cluster_lease_held", METRIC_GAUGE, write_leases,
        "1 while this node may act for what the lease names."),
    OWN("nines_address_held", METRIC_GAUGE, write_addresses_held,
        "1 while this machine has the virtual address on an interface."),
    OWN("nines_address_taken_total", METRIC_COUNTER, write_addresses_taken,
        "How often this machine got the virtual address."),
};

static void write_samples(const struct admin_scene *scene, const struct row *row, struct buf *out)
{
    switch (row->scope) {
    case SCOPE_NODE:
        exposition_sample(out, row->metric.name, &no_labels,
                          counted(counter_at(scene->board, row->offset)), row->unit);
        return;
    case SCOPE_ROLE:
        write_roles(scene, row, out);
        return;
    case SCOPE_PROCESS:
        write_processes(scene, row, out);
        return;
    case SCOPE_WORKER:
        write_workers(scene, row, out);
        return;
    case SCOPE_SERVICE:
        write_services(scene, row, out);
        return;
    case SCOPE_BACKEND:
    case SCOPE_VERDICT:
        write_backends(scene, row, out);
        return;
    case SCOPE_GROUP:
    case SCOPE_GROUP_RECORD:
        write_groups(scene, row, out);
        return;
    case SCOPE_CLUSTER_TRUTH:
    case SCOPE_CLUSTER_SMALL:
    case SCOPE_CLUSTER:
        write_cluster(scene, row, out);
        return;
    case SCOPE_OWN:
        row->write(scene, row->metric.name, out);
        return;
    }
    never("a row of no scope");
}

void metrics_print(const struct admin_scene *scene, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        exposition_family(out, &rows[i].metric);
        write_samples(scene, &rows[i], out);
    }
}
