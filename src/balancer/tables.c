/*
 * What the balancer can be told and what it measures, as rows. Nothing here runs but the reading of `retry.on`.
 */
#include "balancer/balancer.h"

#include <stddef.h>

#define SERVICE(member) offsetof(struct balancer_service, member)
#define POOL(member) offsetof(struct balancer_pool, member)
#define ROUTE(member) offsetof(struct balancer_route, member)
#define BACKEND(member) offsetof(struct balancer_backend, member)

enum { SECONDS = 1000, HOURS = 3600 * SECONDS };

static const struct option text_rows[] = {
    {"", OPTION_TEXT, offsetof(struct balancer_text, text), 1, 64, NULL, AT_RELOAD, 0,
     "A method's name."},
    {0},
};

static const struct option header_rows[] = {
    {"value", OPTION_TEXT, offsetof(struct balancer_header_match, value), 0, 1024, NULL, AT_RELOAD,
     0, "The whole value; left out, the header must only be there."},
    {0},
};

static const struct option listen_rows[] = {
    {"", OPTION_ENDPOINT, offsetof(struct balancer_listen, endpoint), 1, 255, NULL, AT_RELOAD,
     OPTION_REQUIRED, "An address and a port to accept connections on."},
    {0},
};

static const struct option match_rows[] = {
    {"host", OPTION_TEXT, ROUTE(host), 1, 253, NULL, AT_RELOAD, 0,
     "The request's host, or `*.example.org` for everything below it; port and case do not "
     "matter."},
    {"path", OPTION_TEXT, ROUTE(path), 1, 1024, NULL, AT_RELOAD, 0,
     "A prefix of the path, by whole segments: `/api` takes /api and /api/x, not /apix."},
    {"method", OPTION_LIST, ROUTE(methods), 0, 16, NULL, AT_RELOAD, OPTION_ONE_OR_MORE,
     "Methods, any of which matches.", NULL, text_rows, sizeof(struct balancer_text)},
    {"headers", OPTION_MAP, ROUTE(headers), 0, 16, NULL, AT_RELOAD, 0,
     "Headers, all of which must match.", NULL, header_rows, sizeof(struct balancer_header_match),
     "value"},
    {0},
};

static const struct option route_rows[] = {
    {"match", OPTION_SECTION, 0, 0, 0, NULL, AT_RELOAD, 0,
     "What a request must look like; left out, everything matches.", NULL, match_rows},
    {"pool", OPTION_TEXT, ROUTE(pool), 1, 64, NULL, AT_RELOAD, OPTION_REQUIRED,
     "The pool that answers what matches."},
    {0},
};

static const struct option service_timeout_rows[] = {
    {"request", OPTION_DURATION, SERVICE(timeout_request_ms), 10, 1 * HOURS, "10s", AT_RELOAD, 0,
     "A request's head, or a PROXY header, must be complete within this time."},
    {"idle", OPTION_DURATION, SERVICE(timeout_idle_ms), 10, 24 * HOURS, "60s", AT_RELOAD, 0,
     "A connection is closed when its client asks nothing, or no byte moves, for this long."},
    {0},
};

static const char *const service_roles[] = {"primary", "secondary", NULL};
static const char *const protocols[] = {"http", "tcp", NULL};

const struct option balancer_service_options[] = {
    {"listen", OPTION_LIST, SERVICE(listen), 1, 64, NULL, AT_RELOAD,
     OPTION_REQUIRED | OPTION_ONE_OR_MORE, "Where clients connect to.", NULL, listen_rows,
     sizeof(struct balancer_listen)},
    {"protocol", OPTION_CHOICE, SERVICE(protocol), 0, 0, "http", AT_RELOAD, 0,
     "What clients speak: http is balanced request by request, tcp connection by connection.",
     protocols},
    {"accept_proxy", OPTION_BOOL, SERVICE(accept_proxy), 0, 0, "false", AT_RELOAD, 0,
     "Every connection begins with a PROXY header (version 1 or 2), which names the client."},
    {"access_log", OPTION_BOOL, SERVICE(access_log), 0, 0, "true", AT_RELOAD, 0,
     "Write a line for each request, or TCP session, to the access log."},
    {"pool", OPTION_TEXT, SERVICE(pool), 1, 64, NULL, AT_RELOAD, 0,
     "The pool for what no route matches; without one, such a request gets 404."},
    {"routes", OPTION_LIST, SERVICE(routes), 0, 256, NULL, AT_RELOAD, 0,
     "Which pool answers which request; the first that matches wins.", NULL, route_rows,
     sizeof(struct balancer_route)},
    {"group", OPTION_TEXT, SERVICE(group), 1, 63, NULL, AT_RELOAD, 0,
     "The group whose member answers, in place of a pool: whoever is its primary, or secondaries."},
    {"role", OPTION_CHOICE, SERVICE(role), 0, 0, "primary", AT_RELOAD, 0,
     "Which members of the group answer: primary, or secondary for reads that may be a little old; "
     "the primary when no secondary can.",
     service_roles},
    {"hold", OPTION_DURATION, SERVICE(hold_ms), 0, 1 * HOURS, "10s", AT_RELOAD, 0,
     "Requests and connections to a group without a primary wait so long for one; 0s: not at all."},
    {"hold_limit", OPTION_NUMBER, SERVICE(hold_max), 1, 1000000, "1000", AT_RELOAD, 0,
     "Requests and connections that wait at once in one worker; more are refused."},
    {"hold_bytes", OPTION_SIZE, SERVICE(hold_bytes), 0, INT64_MAX, "64MiB", AT_RELOAD, 0,
     "Bytes of what waits in one worker; more are refused."},
    {"max_lag", OPTION_DURATION, SERVICE(lag_max_ms), 0, 24 * HOURS, "5s", AT_RELOAD, 0,
     "With `role: secondary`: a member further behind the primary is not read from."},
    {"max_connections", OPTION_NUMBER, SERVICE(connections_max), 1, 10000000, "100000", AT_RELOAD,
     0, "Client connections of one worker; more are closed at once."},
    {"max_body", OPTION_SIZE, SERVICE(body_max), 0, INT64_MAX, "1GiB", AT_RELOAD, 0,
     "A request with a larger body gets 413."},
    {"timeout", OPTION_SECTION, 0, 0, 0, NULL, AT_RELOAD, 0, "How long clients may take.", NULL,
     service_timeout_rows},
    {0},
};

static const struct option backend_rows[] = {
    {"address", OPTION_ENDPOINT, BACKEND(endpoint), 1, 255, NULL, AT_RELOAD,
     OPTION_REQUIRED | OPTION_HOST,
     "Where the backend listens; a name is resolved again and again."},
    {"weight", OPTION_NUMBER, BACKEND(weight), 0, 256, "1", AT_RELOAD, 0,
     "Its share of the work in relation to the others; 0: none."},
    {"backup", OPTION_BOOL, BACKEND(backup), 0, 0, "false", AT_RELOAD, 0,
     "It gets work only while no other backend can take any."},
    {"drain", OPTION_BOOL, BACKEND(drain), 0, 0, "false", AT_RELOAD, 0,
     "It finishes what it has and gets no new work."},
    {"zone", OPTION_TEXT, BACKEND(zone), 1, 64, NULL, AT_RELOAD, 0, "Where it stands."},
    {0},
};

static const struct option pool_timeout_rows[] = {
    {"connect", OPTION_DURATION, POOL(timeout_connect_ms), 1, 1 * HOURS, "1s", AT_RELOAD, 0,
     "A connection to a backend must be made within this time."},
    {"response", OPTION_DURATION, POOL(timeout_response_ms), 1, 24 * HOURS, "30s", AT_RELOAD, 0,
     "A backend's answer must begin within this time after the request was sent."},
    {"idle", OPTION_DURATION, POOL(timeout_idle_ms), 10, 24 * HOURS, "60s", AT_RELOAD, 0,
     "A reusable connection is closed, and an answer that stands still cut, after this time."},
    {0},
};

static const char *const conditions[] = {
    [RETRY_ON_CONNECT_FAILURE] = "connect-failure",
    [RETRY_ON_RESET] = "reset",
    [RETRY_ON_TIMEOUT] = "timeout",
    [RETRY_ON_500] = "500",
    [RETRY_ON_502] = "502",
    [RETRY_ON_503] = "503",
    [RETRY_ON_504] = "504",
    NULL,
};

static const struct option condition_rows[] = {
    {"", OPTION_CHOICE, offsetof(struct balancer_retry_on, condition), 0, 0, NULL, AT_RELOAD, 0,
     "What went wrong, or a backend's status.", conditions},
    {0},
};

static const struct option retry_rows[] = {
    {"attempts", OPTION_NUMBER, POOL(retry.attempts), 0, 16, "2", AT_RELOAD, 0,
     "Further tries after the first. A backend that was not tried yet, after one that could not be "
     "connected to, does not count: nothing was sent."},
    {"budget", OPTION_PERCENT, POOL(retry.budget), 0, 10000, "20%", AT_RELOAD, 0,
     "Retries may add this much to the work of the pool, and a reserve of ten a second."},
    {"on", OPTION_LIST, POOL(retry.on), 0, 16, "connect-failure, reset", AT_RELOAD,
     OPTION_ONE_OR_MORE, "What is tried again if the request may be repeated.", NULL,
     condition_rows, sizeof(struct balancer_retry_on)},
    {0},
};

static const char *const algorithms[] = {"round-robin", "least-connections", "ip-hash", NULL};
static const char *const send_proxy[] = {"never", "v1", "v2", NULL};

const struct option balancer_pool_options[] = {
    {"algorithm", OPTION_CHOICE, POOL(algorithm), 0, 0, "round-robin", AT_RELOAD, 0,
     "How a backend is chosen; ip-hash keeps a client on its backend.", algorithms},
    {"backends", OPTION_LIST, POOL(backends), 1, BACKENDS_MAX, NULL, AT_RELOAD,
     OPTION_REQUIRED | OPTION_ONE_OR_MORE, "The servers that answer.", NULL, backend_rows,
     sizeof(struct balancer_backend), "address"},
    {"send_proxy", OPTION_CHOICE, POOL(send_proxy), 0, 0, "never", AT_RELOAD, 0,
     "Begin every connection to a backend with a PROXY header of this version.", send_proxy},
    {"timeout", OPTION_SECTION, 0, 0, 0, NULL, AT_RELOAD, 0, "How long backends may take.", NULL,
     pool_timeout_rows},
    {"max_idle_connections", OPTION_NUMBER, POOL(reuse_max), 0, 100000, "128", AT_RELOAD, 0,
     "Connections to one backend that one worker keeps for reuse."},
    {"retry", OPTION_SECTION, 0, 0, 0, NULL, AT_RELOAD, 0, "What is tried again, and how often.",
     NULL, retry_rows},
    {0},
};

uint32_t balancer_retry_bits(struct image image, const struct balancer_retry *retry)
{
    const struct balancer_retry_on *on = image_items(image, retry->on, sizeof *on);
    uint32_t bits = 0;

    for (uint32_t i = 0; i < retry->on.count; i++)
        bits |= RETRY_BIT(on[i].condition);
    return bits;
}
