/*
 * The table, the matching of paths against it, and the answers that are not a page of their own. A path's parameter is one
 * segment, percent-decoded; everything else must match byte by byte.
 */
#include "admin/routes.h"

#include "admin/access.h"
#include "admin/addresses.h"
#include "admin/cluster.h"
#include "admin/groups.h"
#include "admin/metrics.h"
#include "admin/openapi.h"
#include "admin/query.h"
#include "admin/ready.h"
#include "admin/status.h"
#include "base/json.h"
#include "base/must.h"

#include <stdio.h>

struct route;

struct call {
    const struct route *route;
    const struct admin_scene *scene;
    const struct admin_request *request;
    char parameters[ADMIN_PARAMETERS_MAX][ADMIN_PARAMETER_MAX];
    struct admin_reply *reply;
};

static const char *const text_type = "text/plain; charset=utf-8";
static const char *const json_type = "application/json";

/* ---- answers ---- */

static void answer_livez(struct call *call)
{
    buf_add_string(call->reply->body, "ok\n");
}

static void answer_readyz(struct call *call)
{
    struct bytes query = bytes_of_string(call->request->query);

    if (!ready_print(call->scene, query, call->reply->body))
        call->reply->status = 503;
}

static void answer_readyz_check(struct call *call)
{
    struct bytes name = bytes_of_string(call->parameters[0]);
    bool known;

    if (!ready_print_one(call->scene, name, call->reply->body, &known))
        call->reply->status = 503;
    if (!known)
        admin_reply_error(404, "there is no such check", call->reply);
}

static void answer_metrics(struct call *call)
{
    call->reply->type = METRICS_TYPE;
    metrics_print(call->scene, call->reply->body);
}

static void answer_status(struct call *call)
{
    call->reply->type = json_type;
    status_print(call->scene, call->reply->body);
}

static void answer_cluster(struct call *call)
{
    call->reply->type = json_type;
    cluster_print(call->scene, call->reply->body);
}

static void answer_groups(struct call *call)
{
    call->reply->type = json_type;
    groups_print(call->scene, call->reply->body);
}

static void answer_addresses(struct call *call)
{
    call->reply->type = json_type;
    addresses_print(call->scene, call->reply->body);
}

static void answer_openapi(struct call *call);
static void answer_ask(struct call *call);

static void answer_reload(struct call *call)
{
    call->reply->order = ORDER_RELOAD;
}

static const struct admin_backend *find_backend(const struct call *call)
{
    const struct admin_view *view = call->scene->view;

    for (uint32_t p = 0; p < view->pool_count; p++) {
        if (strcmp(view->pools[p].name, call->parameters[0]) != 0)
            continue;
        for (uint32_t i = 0; i < view->pools[p].count; i++) {
            const struct admin_backend *backend = scene_backend(call->scene, &view->pools[p], i);

            if (strcmp(backend->endpoint, call->parameters[1]) == 0)
                return backend;
        }
        admin_reply_error(404, "the pool has no such backend", call->reply);
        return NULL;
    }
    admin_reply_error(404, "there is no such pool", call->reply);
    return NULL;
}

static void order_drain(struct call *call, enum admin_order order)
{
    const struct admin_backend *backend = find_backend(call);
    bool drain = order == ORDER_DRAIN;
    struct json json;

    if (!backend)
        return;
    call->reply->order = order;
    call->reply->slot = backend->slot;
    call->reply->type = json_type;
    json_init(&json, call->reply->body);
    json_begin_object(&json);
    json_key(&json, "pool");
    json_add_string(&json, call->parameters[0]);
    json_key(&json, "backend");
    json_add_string(&json, call->parameters[1]);
    json_key(&json, "drained_by");
    json_add_string(&json, drain ? "operator" : backend->drain ? "file" : NULL);
    json_key(&json, "active");
    json_add_unsigned(&json, total_backend(call->scene->board, backend->slot,
                                           offsetof(struct backend_counters, active)));
    json_end(&json);
    buf_add_byte(call->reply->body, '\n');
}

static void answer_drain(struct call *call)
{
    order_drain(call, ORDER_DRAIN);
}

static void answer_undrain(struct call *call)
{
    order_drain(call, ORDER_UNDRAIN);
}

/* ---- the table; rows of one path stand together ---- */

static const struct route {
    struct route_row row;
    enum admin_access access;
    enum admin_verb verb; /* with answer_ask */
    void (*answer)(struct call *call);
    const char *parameter; /* what the path's parameter is called in the query; NULL: it has none */
} routes[] = {
    {{"GET", "/livez", "Answers while the monitor's loop turns; says nothing else."},
     ACCESS_PROBE,
     .answer = answer_livez},
    {{"GET", "/readyz",
      "May this node take traffic? ?verbose prints each check, ?exclude=CHECK leaves one out."},
     ACCESS_PROBE,
     .answer = answer_readyz},
    {{"GET", "/readyz/{check}", "One check: workers, configuration, backends."},
     ACCESS_PROBE,
     .answer = answer_readyz_check},
    {{"GET", "/metrics", "Metrics as Prometheus text, version 0.0.4."},
     ACCESS_PROBE,
     .answer = answer_metrics},
    {{"GET", "/api/v1/status", "The node's state: roles, services, pools and backends."},
     ACCESS_READ,
     .answer = answer_status},
    {{"GET", "/api/v1/cluster", "What this node knows of the others: members, links, leases."},
     ACCESS_READ,
     .answer = answer_cluster},
    {{"GET", "/api/v1/groups",
      "Every group: its primary, its members, who would be next, and the clients that wait."},
     ACCESS_READ,
     .answer = answer_groups},
    {{"GET", "/api/v1/events",
      "What happened on all nodes, merged: ?since=, after=, node=, code=, severity=, limit=, "
      "wait=."},
     ACCESS_READ,
     .answer = answer_ask,
     .verb = ADMIN_EVENTS},
    {{"POST", "/api/v1/nodes/{node}/add",
      "Makes a node that the file names, and that runs, a member, as the file says: with data, or "
      "a witness."},
     ACCESS_ORDER,
     .answer = answer_ask,
     .verb = ADMIN_NODE_ADD,
     .parameter = "node"},
    {{"POST", "/api/v1/nodes/{node}/remove", "Takes a member out of the cluster."},
     ACCESS_ORDER,
     .answer = answer_ask,
     .verb = ADMIN_NODE_REMOVE,
     .parameter = "node"},
    {{"POST", "/api/v1/nodes/{node}/lead", "Moves the leadership to this member."},
     ACCESS_ORDER,
     .answer = answer_ask,
     .verb = ADMIN_LEADER_TRANSFER,
     .parameter = "node"},
    {{"POST", "/api/v1/leader/transfer", "Moves the leadership to whoever is furthest."},
     ACCESS_ORDER,
     .answer = answer_ask,
     .verb = ADMIN_LEADER_TRANSFER},
    {{"POST", "/api/v1/recover",
      "Makes this node alone the cluster; ?accept_loss=true, for what only the others have is "
      "lost."},
     ACCESS_ORDER,
     .answer = answer_ask,
     .verb = ADMIN_NODE_RECOVER},
    {{"POST", "/api/v1/leases/{lease}/take",
      "Takes a lease for this node, which renews it until it is released."},
     ACCESS_ORDER,
     .answer = answer_ask,
     .verb = ADMIN_LEASE_TAKE,
     .parameter = "lease"},
    {{"POST", "/api/v1/leases/{lease}/release", "Releases a lease of this node."},
     ACCESS_ORDER,
     .answer = answer_ask,
     .verb = ADMIN_LEASE_RELEASE,
     .parameter = "lease"},
    {{"GET", "/api/v1/addresses",
      "The virtual addresses: who has each, and whether this node is well for it."},
     ACCESS_READ,
     .answer = answer_addresses},
    {{"POST", "/api/v1/addresses/{address}/move",
      "Moves a virtual address to the node ?to=, or to the next best; answers when it is there."},
     ACCESS_ORDER,
     .answer = answer_ask,
     .verb = ADMIN_ADDRESS_MOVE,
     .parameter = "address"},
    {{"GET", "/api/v1/overrides", "What operators set for the whole cluster."},
     ACCESS_READ,
     .answer = answer_ask,
     .verb = ADMIN_OVERRIDES},
    {{"POST", "/api/v1/overrides/{key}/set", "Sets ?value= for the whole cluster."},
     ACCESS_ORDER,
     .answer = answer_ask,
     .verb = ADMIN_OVERRIDE_SET,
     .parameter = "key"},
    {{"POST", "/api/v1/overrides/{key}/clear", "Takes an override back."},
     ACCESS_ORDER,
     .answer = answer_ask,
     .verb = ADMIN_OVERRIDE_CLEAR,
     .parameter = "key"},
    {{"POST", "/api/v1/groups/{group}/switchover",
      "Moves the group's primary to ?to=NODE, or to whoever is best, losing nothing."},
     ACCESS_ORDER,
     .answer = answer_ask,
     .verb = ADMIN_GROUP_SWITCHOVER,
     .parameter = "group"},
    {{"POST", "/api/v1/groups/{group}/failover",
      "Replaces the group's primary, well or not; ?to=NODE, ?accept_loss=true where nobody is "
      "known "
      "to have everything."},
     ACCESS_ORDER,
     .answer = answer_ask,
     .verb = ADMIN_GROUP_FAILOVER,
     .parameter = "group"},
    {{"GET", "/api/v1/openapi.json", "This interface, as OpenAPI 3.1."},
     ACCESS_READ,
     .answer = answer_openapi},
    {{"POST", "/api/v1/reload",
      "Reads the configuration file again; answers when it is in force or refused."},
     ACCESS_ORDER,
     .answer = answer_reload},
    {{"POST", "/api/v1/pools/{pool}/backends/{backend}/drain",
      "Gives the backend no new work, until undrain."},
     ACCESS_ORDER,
     .answer = answer_drain},
    {{"POST", "/api/v1/pools/{pool}/backends/{backend}/undrain", "Takes an operator's drain back."},
     ACCESS_ORDER,
     .answer = answer_undrain},
};

/* The path's parameter, then what the query says. */
static void answer_ask(struct call *call)
{
    struct buf *query = call->reply->body;

    call->reply->order = ORDER_ASK;
    call->reply->verb = call->route->verb;
    if (call->route->parameter) {
        buf_print(query, "%s=", call->route->parameter);
        query_encode(query, call->parameters[0]);
    }
    if (call->request->query[0])
        buf_print(query, "%s%s", query->len ? "&" : "", call->request->query);
}

static void answer_openapi(struct call *call)
{
    struct route_row rows[ARRAY_LEN(routes)];

    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        rows[i] = routes[i].row;
    call->reply->type = json_type;
    openapi_print(rows, ARRAY_LEN(rows), call->reply->body);
}

/* ---- matching ---- */

static struct bytes take_segment(struct bytes *path)
{
    size_t end = bytes_find(*path, '/');
    struct bytes segment = bytes_take(*path, end);

    *path = bytes_skip(*path, end < path->len ? end + 1 : end);
    return segment;
}

static bool matches(const char *pattern_text, const char *path_text,
                    char parameters[][ADMIN_PARAMETER_MAX])
{
    struct bytes pattern = bytes_of_string(pattern_text), path = bytes_of_string(path_text);
    uint32_t count = 0;

    if (path.len == 0 || path.at[path.len - 1] == '/')
        return false;
    while (pattern.len && path.len) {
        struct bytes wanted = take_segment(&pattern), segment = take_segment(&path);

        if (wanted.len == 0 || wanted.at[0] != '{') {
            if (!bytes_equal(wanted, segment))
                return false;
            continue;
        }
        must(count < ADMIN_PARAMETERS_MAX);
        if (segment.len == 0 || !query_decode(segment, parameters[count++], ADMIN_PARAMETER_MAX))
            return false;
    }
    return pattern.len == 0 && path.len == 0;
}

static enum http1_method method_of(const struct route *route)
{
    return strcmp(route->row.method, "GET") == 0 ? METHOD_GET : METHOD_POST;
}

static bool takes(const struct route *route, enum http1_method method)
{
    return method == method_of(route) || (method == METHOD_HEAD && method_of(route) == METHOD_GET);
}

static void call_route(const struct route *route, struct call *call)
{
    const char *refusal = access_refusal(route->access, call->request, call->scene->view->node);

    if (!takes(route, call->request->method)) {
        admin_reply_error(405, "this path does not take that method", call->reply);
        call->reply->allow = method_of(route) == METHOD_GET ? "GET, HEAD" : "POST";
        return;
    }
    if (refusal) {
        admin_reply_error(403, refusal, call->reply);
        return;
    }
    route->answer(call);
    if (call->reply->body->full)
        admin_reply_error(500, "the answer is larger than its limit", call->reply);
}

void admin_reply_to(const struct admin_scene *scene, const struct admin_request *request,
                    struct admin_reply *reply)
{
    struct call call = {.scene = scene, .request = request, .reply = reply};

    *reply = (struct admin_reply){.status = 200, .type = text_type, .body = reply->body};
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (matches(routes[i].row.path, request->path, call.parameters)) {
            call.route = &routes[i];
            call_route(&routes[i], &call);
            return;
        }
    }
    admin_reply_error(404, "there is nothing here; /api/v1/openapi.json lists what is", reply);
}

/* ---- replies that are known without a route, or later ---- */

void admin_reply_error(uint16_t status, const char *sentence, struct admin_reply *reply)
{
    struct json json;

    *reply = (struct admin_reply){.status = status, .type = json_type, .body = reply->body};
    buf_clear(reply->body);
    json_init(&json, reply->body);
    json_begin_object(&json);
    json_key(&json, "error");
    json_add_string(&json, sentence);
    json_end(&json);
    buf_add_byte(reply->body, '\n');
}

void admin_reply_reloaded(bool done, struct bytes text, uint64_t generation,
                          struct admin_reply *reply)
{
    struct json json;

    *reply =
        (struct admin_reply){.status = done ? 200 : 422, .type = json_type, .body = reply->body};
    buf_clear(reply->body);
    json_init(&json, reply->body);
    json_begin_object(&json);
    json_key(&json, "reloaded");
    json_add_bool(&json, done);
    json_key(&json, "generation");
    json_add_unsigned(&json, generation);
    json_key(&json, "text");
    json_add_text(&json, text);
    json_end(&json);
    buf_add_byte(reply->body, '\n');
}

void admin_reply_asked(uint16_t status, struct bytes json, struct admin_reply *reply)
{
    *reply = (struct admin_reply){.status = status, .type = json_type, .body = reply->body};
    buf_clear(reply->body);
    buf_add(reply->body, json);
    if (reply->body->full)
        admin_reply_error(500, "the answer is larger than its limit", reply);
}

void admin_reply_lost(struct admin_reply *reply)
{
    admin_reply_error(504, "the agent ended before it answered: it may have been done, or not",
                      reply);
}

/* ---- requests ---- */

static bool copy(struct bytes bytes, char *text, size_t cap)
{
    if (bytes.len >= cap || bytes_find(bytes, 0) < bytes.len)
        return false;
    bytes_to_string(bytes, text, cap);
    return true;
}

static bool is_guard(struct bytes name, struct bytes value)
{
    if (bytes_equal_nocase(name, BYTES("x-nines")))
        return bytes_equal(value, BYTES("1"));
    if (!bytes_equal_nocase(name, BYTES("content-type")))
        return false;
    value = bytes_trim(bytes_take(value, bytes_find(value, ';')));
    return bytes_equal_nocase(value, BYTES("application/json"));
}

static bool is_guarded(const struct http1_head *head, struct bytes bytes)
{
    for (uint32_t i = 0; i < head->field_count; i++)
        if (is_guard(http1_bytes(bytes, head->fields[i].name),
                     http1_bytes(bytes, head->fields[i].value)))
            return true;
    return false;
}

bool admin_read_request(struct admin_request *request, const struct http1_head *head,
                        struct bytes bytes, uint16_t *status)
{
    struct bytes target = http1_bytes(bytes, head->target);
    size_t question = bytes_find(target, '?');
    struct bytes query = bytes_skip(target, question < target.len ? question + 1 : question);

    *request = (struct admin_request){.method = head->method, .guarded = is_guarded(head, bytes)};
    *status = 414;
    if (!copy(http1_bytes(bytes, head->path), request->path, sizeof request->path) ||
        !copy(query, request->query, sizeof request->query))
        return false;
    *status = 400;
    return copy(http1_bytes(bytes, head->host), request->host, sizeof request->host);
}
