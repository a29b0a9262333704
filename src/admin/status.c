#include "admin/status.h"

#include "admin/cluster.h"
#include "admin/groups.h"
#include "base/json.h"
#include "base/must.h"

static void number(struct json *json, const char *key, uint64_t value)
{
    json_key(json, key);
    json_add_unsigned(json, value);
}

static void text(struct json *json, const char *key, const char *value)
{
    json_key(json, key);
    json_add_string(json, value);
}

static void truth(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_add_bool(json, value);
}

/* Three decimals: a microsecond of a millisecond, a thousandth of a request. */
static void decimal(struct json *json, const char *key, double value)
{
    json_key(json, key);
    json_add_double(json, (double)(int64_t)(value * 1000 + 0.5) / 1000);
}

static void milliseconds(struct json *json, const char *key, int64_t ns)
{
    decimal(json, key, (double)ns / (double)NS_PER_MS);
}

/* A moment of the wall clock; 0, which means that it never came, is null. */
static void moment(struct json *json, const char *key, uint64_t wall_ms)
{
    json_key(json, key);
    if (wall_ms)
        json_add_unsigned(json, wall_ms);
    else
        json_add_null(json);
}

static void latency(struct json *json, const struct rates *rates, enum rates_of of, uint32_t slot)
{
    struct histogram recent;

    rates_latency(rates, of, slot, &recent);
    json_key(json, "latency");
    json_begin_object(json);
    number(json, "count", counted(&recent.count));
    milliseconds(json, "p50_ms", histogram_quantile_ns(&recent, 0.5));
    milliseconds(json, "p90_ms", histogram_quantile_ns(&recent, 0.9));
    milliseconds(json, "p99_ms", histogram_quantile_ns(&recent, 0.99));
    milliseconds(json, "max_ms", (int64_t)counted(&recent.max_ns));
    number(json, "window_ms", RATES_LONG_S * 1000);
    json_end(json);
}

/* ---- roles ---- */

static const char *role_state_name(uint64_t state)
{
    static const char *const names[] = {
        [ROLE_ABSENT] = "absent",     [ROLE_STARTING] = "starting",       [ROLE_READY] = "ready",
        [ROLE_DRAINING] = "draining", [ROLE_BACKING_OFF] = "backing-off",
    };

    return state < ARRAY_LEN(names) ? names[state] : "unknown";
}

/* The numbers are net's enum loop_kind, which drive.c checks. */
static const char *loop_name(uint64_t loop)
{
    static const char *const names[] = {"none", "epoll", "uring"};

    return loop < ARRAY_LEN(names) ? names[loop] : "unknown";
}

static void worker(struct json *json, const struct worker_record *record)
{
    number(json, "sessions", counted(&record->sessions));
    number(json, "sessions_max", counted(&record->sessions_max));
    number(json, "buffers_free", counted(&record->chunks_free));
    number(json, "buffers", counted(&record->chunks_max));
    number(json, "accept_pauses", counted(&record->starved));
    number(json, "access_log_dropped", counted(&record->log_dropped));
}

static void role(struct json *json, const struct admin_scene *scene, uint32_t slot)
{
    const struct role_record *record = &scene->board->roles[slot];
    const struct beat_record *beat = &scene->board->beats[slot];
    int64_t age = scene_beat_age_ns(scene, slot);
    char name[ADMIN_ROLE_NAME_MAX];

    json_begin_object(json);
    text(json, "name", scene_role_name(slot, name));
    number(json, "pid", counted(&record->pid));
    text(json, "state", role_state_name(counted(&record->state)));
    truth(json, "working", scene_role_works(scene, slot));
    number(json, "restarts", counted(&record->restarts));
    moment(json, "started_ms", counted(&record->started_ms));
    text(json, "loop", loop_name(counted(&beat->loop)));
    number(json, "generation", counted(&beat->generation));
    json_key(json, "beat_age_ms");
    if (age < 0)
        json_add_null(json);
    else
        json_add_number(json, age / NS_PER_MS);
    number(json, "cpu_ms", scene->usage[slot].cpu_ns / (uint64_t)NS_PER_MS);
    number(json, "resident_bytes", scene->usage[slot].resident_bytes);
    if (slot >= ADMIN_WORKER_SLOT)
        worker(json, &scene->board->worker[slot - ADMIN_WORKER_SLOT]);
    json_end(json);
}

static void roles(struct json *json, const struct admin_scene *scene)
{
    json_key(json, "roles");
    json_begin_array(json);
    for (uint32_t slot = 0; slot < scene_roles(scene); slot++)
        role(json, scene, slot);
    json_end(json);
}

/* ---- services and backends: rows of what the workers count ---- */

struct row {
    const char *key;
    size_t offset;
};

static const struct row service_rows[] = {
    {"connections", offsetof(struct service_counters, connections)},
    {"accepted", offsetof(struct service_counters, accepted)},
    {"active", offsetof(struct service_counters, active)},
    {"requests", offsetof(struct service_counters, requests)},
    {"bad_requests", offsetof(struct service_counters, refused_bad)},
    {"unavailable", offsetof(struct service_counters, unavailable)},
    {"timeouts", offsetof(struct service_counters, timeouts)},
    {"received_bytes", offsetof(struct service_counters, bytes_in)},
    {"sent_bytes", offsetof(struct service_counters, bytes_out)},
};

static const struct row backend_rows[] = {
    {"connections", offsetof(struct backend_counters, connections)},
    {"idle", offsetof(struct backend_counters, idle)},
    {"active", offsetof(struct backend_counters, active)},
    {"requests", offsetof(struct backend_counters, requests)},
    {"connects", offsetof(struct backend_counters, connects)},
    {"connect_failures", offsetof(struct backend_counters, connect_failures)},
    {"failures", offsetof(struct backend_counters, failures)},
    {"retries", offsetof(struct backend_counters, retries)},
    {"moved", offsetof(struct backend_counters, moved)},
    {"received_bytes", offsetof(struct backend_counters, bytes_in)},
    {"sent_bytes", offsetof(struct backend_counters, bytes_out)},
};

static void responses(struct json *json, const struct admin_scene *scene, size_t offset,
                      uint32_t slot, uint64_t (*total)(const struct scoreboard *, uint32_t, size_t))
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

    json_key(json, "responses");
    json_begin_object(json);
    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        number(json, classes[i], total(scene->board, slot, offset + i * sizeof(counter)));
    json_end(json);
}

static void service(struct json *json, const struct admin_scene *scene,
                    const struct admin_service *service)
{
    json_begin_object(json);
    text(json, "name", service->name);
    text(json, "protocol", service->protocol);
    text(json, "pool", service->pool);
    json_key(json, "listen");
    json_begin_array(json);
    for (uint32_t i = 0; i < service->count; i++)
        json_add_string(json, scene->view->listens[service->first + i]);
    json_end(json);
    for (size_t i = 0; i < ARRAY_LEN(service_rows); i++)
        number(json, service_rows[i].key,
               total_service(scene->board, service->slot, service_rows[i].offset));
    responses(json, scene, offsetof(struct service_counters, responses), service->slot,
              total_service);
    decimal(json, "requests_per_second",
            rates_requests_per_second(scene->rates, RATES_SERVICE, service->slot));
    decimal(json, "errors_per_second",
            rates_errors_per_second(scene->rates, RATES_SERVICE, service->slot));
    latency(json, scene->rates, RATES_SERVICE, service->slot);
    json_end(json);
}

static void services(struct json *json, const struct admin_scene *scene)
{
    json_key(json, "services");
    json_begin_array(json);
    for (uint32_t i = 0; i < scene->view->service_count; i++)
        service(json, scene, &scene->view->services[i]);
    json_end(json);
}

const char *status_backend_state(const struct admin_scene *scene,
                                 const struct admin_backend *backend)
{
    switch (scene_verdict(scene, backend)) {
    case VERDICT_UP:
        return "up";
    case VERDICT_DOWN:
        return "down";
    case VERDICT_UNKNOWN:
        return backend->checked ? "unknown" : "unchecked";
    }
    never("a verdict without a name");
}

static const char *drained_by(const struct admin_scene *scene, const struct admin_backend *backend)
{
    if (counted(&scene->board->overrides[backend->slot].draining))
        return "operator";
    return backend->drain ? "file" : NULL;
}

/* Of the last check; null before the first. */
static void check(struct json *json, const struct admin_scene *scene, uint32_t slot)
{
    const struct verdict_record *verdict = &scene->board->verdicts[slot];
    uint64_t at = counted(&verdict->at), outcome = counted(&verdict->outcome);

    json_key(json, "check");
    if (at == 0) {
        json_add_null(json);
        return;
    }
    json_begin_object(json);
    json_key(json, "age_ms");
    json_add_number(json,
                    (int64_t)at > scene->now.ns ? 0 : (scene->now.ns - (int64_t)at) / NS_PER_MS);
    text(json, "outcome",
         outcome < scene->view->outcome_count ? scene->view->outcomes[outcome] : "unknown");
    number(json, "code", counted(&verdict->code));
    milliseconds(json, "latency_ms", (int64_t)counted(&verdict->latency_ns));
    number(json, "checks", counted(&verdict->checks));
    number(json, "failures", counted(&verdict->failures));
    json_end(json);
}

static void backend(struct json *json, const struct admin_scene *scene,
                    const struct admin_backend *backend)
{
    const struct verdict_record *verdict = &scene->board->verdicts[backend->slot];

    json_begin_object(json);
    text(json, "address", backend->endpoint);
    text(json, "state", status_backend_state(scene, backend));
    moment(json, "since_ms", counted(&verdict->changed_ms));
    number(json, "changes", counted(&verdict->changes));
    truth(json, "takes_traffic", scene_takes_traffic(scene, backend));
    text(json, "drained_by", drained_by(scene, backend));
    number(json, "weight", (uint64_t)backend->weight);
    truth(json, "backup", backend->backup);
    text(json, "zone", backend->zone);
    check(json, scene, backend->slot);
    for (size_t i = 0; i < ARRAY_LEN(backend_rows); i++)
        number(json, backend_rows[i].key,
               total_backend(scene->board, backend->slot, backend_rows[i].offset));
    responses(json, scene, offsetof(struct backend_counters, responses), backend->slot,
              total_backend);
    decimal(json, "requests_per_second",
            rates_requests_per_second(scene->rates, RATES_BACKEND, backend->slot));
    decimal(json, "errors_per_second",
            rates_errors_per_second(scene->rates, RATES_BACKEND, backend->slot));
    latency(json, scene->rates, RATES_BACKEND, backend->slot);
    json_end(json);
}

static void pools(struct json *json, const struct admin_scene *scene)
{
    json_key(json, "pools");
    json_begin_array(json);
    for (uint32_t p = 0; p < scene->view->pool_count; p++) {
        const struct admin_pool *pool = &scene->view->pools[p];

        json_begin_object(json);
        text(json, "name", pool->name);
        text(json, "algorithm", pool->algorithm);
        number(json, "usable", scene_pool_usable(scene, pool));
        json_key(json, "backends");
        json_begin_array(json);
        for (uint32_t i = 0; i < pool->count; i++)
            backend(json, scene, scene_backend(scene, pool, i));
        json_end(json);
        json_end(json);
    }
    json_end(json);
}

/* ---- the node ---- */

static void summary(struct json *json, const struct admin_scene *scene)
{
    static const char *const serving[] = {
        [SERVING_NO] = "no", [SERVING_PARTLY] = "partly", [SERVING_YES] = "yes"};
    struct admin_summary found;

    scene_summarize(scene, &found);
    json_key(json, "summary");
    json_begin_object(json);
    text(json, "serving", serving[found.serving]);
    truth(json, "survives_one_failure", found.survives);
    text(json, "why", found.why);
    json_end(json);
}

void status_print(const struct admin_scene *scene, struct buf *out)
{
    uint64_t started = counted(&scene->board->started_ms);
    struct json json;

    json_init(&json, out);
    json_begin_object(&json);
    text(&json, "node", scene->view->node);
    text(&json, "cluster", scene->view->cluster);
    text(&json, "version", NINES_VERSION);
    json_key(&json, "now_ms");
    json_add_number(&json, scene->wall_ms);
    moment(&json, "started_ms", started);
    number(&json, "uptime_ms",
           started && scene->wall_ms > (int64_t)started ? (uint64_t)scene->wall_ms - started : 0);
    number(&json, "generation", counted(&scene->board->generation));
    number(&json, "reloads", counted(&scene->board->reloads));
    number(&json, "reloads_refused", counted(&scene->board->reloads_refused));
    summary(&json, scene);
    json_key(&json, "membership");
    cluster_write(scene, &json);
    json_key(&json, "groups");
    groups_write(scene, &json);
    roles(&json, scene);
    services(&json, scene);
    pools(&json, scene);
    json_end(&json);
    buf_add_byte(out, '\n');
}
