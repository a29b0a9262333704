/*
 * The tries of one request: a backend is chosen, a connection to it found or made, and when that came to nothing it is decided whether
 * another follows. What is chosen is pick.c's, what may be repeated is retry.c's; this carries it out, and blames whom it should.
 */
#include "balancer/drive.h"

static struct instant now_of(const struct exchange *x)
{
    return loop_now(x->session->stream.loop);
}

static void look_at_actives(struct exchange *x)
{
    struct balancer *b = exchange_balancer(x);
    uint64_t workers = counted(&b->options.board->workers);

    for (uint32_t i = 0; i < x->pool->backends.count; i++) {
        uint32_t slot = x->backends[i].slot;
        uint64_t active = counted(&b->record->backends[slot].active);

        for (uint64_t w = 0; w < workers && w < WORKERS_MAX; w++) {
            if (w != b->options.worker)
                active += counted(&b->options.board->worker[w].backends[slot].active);
        }
        b->states[slot].active = (uint32_t)active;
    }
}

static struct pick pick_of(const struct exchange *x)
{
    return (struct pick){
        .algorithm = (enum balancer_algorithm)x->pool->algorithm,
        .backends = x->backends,
        .count = x->pool->backends.count,
        .states = exchange_balancer(x)->states,
        .now = now_of(x),
        .client = x->pool->algorithm == ALGORITHM_IP_HASH ? pick_client(&x->session->client) : 0,
        .tried = x->failed ? &x->tried : NULL,
        .only = x->group ? grouped_readable(x) : 0,
    };
}

static uint32_t choose_any(struct exchange *x)
{
    struct pick pick = pick_of(x);

    if (x->pool->algorithm == ALGORITHM_LEAST_CONNECTIONS)
        look_at_actives(x);
    return pick_backend(&pick);
}

/* A secondary, where one will do and there is one; else the primary. */
static uint32_t choose_member(struct exchange *x)
{
    uint32_t found;

    grouped_look(x);
    found = x->reads ? choose_any(x) : PICK_NONE;
    return found != PICK_NONE ? found : grouped_primary(x);
}

static bool choose(struct exchange *x)
{
    x->backend = x->group ? choose_member(x) : choose_any(x);
    if (x->backend == PICK_NONE)
        return false;
    x->target = &exchange_balancer(x)->targets[x->backends[x->backend].slot];
    x->backend_address = x->target->address;
    x->retry.tries++;
    x->retry.sent = false;
    return true;
}

static const struct {
    uint16_t status;
    const char *reason;
} failures[] = {
    [FAILURE_CONNECT] = {503, "no connection to a backend could be made"},
    [FAILURE_STALE] = {502, "the backend closed a kept connection without an answer"},
    [FAILURE_RESET] = {502, "the backend closed without an answer"},
    [FAILURE_TIMEOUT] = {504, "the backend did not answer in time"},
    [FAILURE_STATUS] = {502, "the backend could not serve it"},
    [FAILURE_DOWN] = {504, "the backend went down before it answered"},
    [FAILURE_GARBAGE] = {502, "the backend's answer was malformed"},
};

static void give_up(struct exchange *x)
{
    struct service_counters *counters = x->session->service->counters;

    if (!x->failed) {
        count(&counters->unavailable, 1);
        exchange_fail(x, 503, "no backend is left");
        return;
    }
    if (x->failure == FAILURE_TIMEOUT || x->failure == FAILURE_DOWN)
        count(&counters->timeouts, 1);
    else if (x->failure == FAILURE_CONNECT)
        count(&counters->unavailable, 1);
    exchange_fail(x, failures[x->failure].status, failures[x->failure].reason);
}

/* A backend may be closing a kept connection just as we send. What may be repeated then is; for what may not, only connections
 * will do that were in use a moment ago, since no backend closes those. */
static struct upstream *reuse(struct exchange *x)
{
    const int64_t moment_ms = 1000;

    if (x->fresh || x->session->tcp || x->send_proxy != SEND_PROXY_NEVER)
        return NULL;
    return upstream_reuse(x->target, x->retry.idempotent ? INT64_MAX : moment_ms);
}

/* Takes or makes a connection to the chosen backend. False: it could not even be begun. */
static bool attach(struct exchange *x)
{
    struct upstream *u = reuse(x);
    bool reused = u != NULL;

    if (!u)
        u = upstream_connect(x->target);
    if (!u)
        return false;
    x->upstream = u;
    u->exchange = x;
    list_push_back(&x->target->exchanges, &x->in_target);
    if (x->group)
        grouped_bind(x);
    count(&x->target->counters->active, 1);
    count(&x->target->counters->requests, 1);
    if (reused) {
        exchange_send(x);
    } else {
        x->phase = PHASE_CONNECT;
        exchange_deadline(x);
    }
    return true;
}

static enum retry_answer judge(struct exchange *x, enum failure failure)
{
    struct balancer *b = exchange_balancer(x);
    enum retry_answer answer;
    struct pick pick;

    if (!x->generation)
        return RETRY_NO;
    pick = pick_of(x);
    if (failure != FAILURE_STALE) /* a new connection to the same backend will do */
        pick_mark(&x->tried, x->backend);
    pick.tried = &x->tried;
    x->retry.untried = pick_untried(&pick);
    x->retry.status = x->status;
    if (x->group && failure != FAILURE_STALE && !(x->reads && x->retry.untried))
        return RETRY_NO; /* there is one primary: to wait is all that helps */
    answer = retry_decide(&x->pool->retry, &x->retry, failure);
    if (answer == RETRY_CHARGED && !retry_withdraw(&b->budgets[x->pool_index], now_of(x)))
        return RETRY_NO;
    return answer;
}

static void blame(struct exchange *x, enum failure failure)
{
    struct backend_counters *counters = x->target->counters;

    switch (failure) {
    case FAILURE_CONNECT:
        count(&counters->connect_failures, 1);
        pick_refused(x->target->state, now_of(x));
        break;
    case FAILURE_STALE:
        return; /* an idle connection ends some time: nobody's fault */
    case FAILURE_STATUS:
        break;
    case FAILURE_RESET:
    case FAILURE_TIMEOUT:
    case FAILURE_DOWN:
    case FAILURE_GARBAGE:
        count(&counters->responses[0], 1);
        break;
    }
    count(&counters->failures, 1);
    atomic_store_explicit(&counters->last_failure_at, (uint64_t)now_of(x).ns, memory_order_relaxed);
}

/* Ends the present try. True: another is to follow. */
static bool end_try(struct exchange *x, enum failure failure)
{
    enum retry_answer answer = judge(x, failure);

    if (failure == FAILURE_STATUS && answer == RETRY_NO)
        return false; /* its answer is the answer */
    if (x->upstream)  /* else it was we who could not begin */
        blame(x, failure);
    exchange_drop_upstream(x);
    x->failed = true;
    x->failure = failure;
    x->fresh = failure == FAILURE_STALE || failure == FAILURE_RESET;
    x->phase = PHASE_PICK;
    if (answer == RETRY_NO)
        return false;
    x->status = 0;
    x->retry.charged += answer == RETRY_CHARGED;
    count(failure == FAILURE_DOWN ? &x->target->counters->moved : &x->target->counters->retries, 1);
    return true;
}

/* True: there is another way. */
static bool goes_on(struct exchange *x, enum failure failure)
{
    return end_try(x, failure) || (x->group && grouped_turn(x));
}

static void wait_or_give_up(struct exchange *x)
{
    if (!x->group || !grouped_hold(x))
        give_up(x);
}

/* Until a backend has the request, or none is left. */
void exchange_try(struct exchange *x)
{
    while (choose(x)) {
        if (attach(x))
            return;
        if (!goes_on(x, FAILURE_CONNECT))
            break;
    }
    wait_or_give_up(x);
}

void exchange_try_failed(struct exchange *x, enum failure failure)
{
    if (goes_on(x, failure))
        exchange_try(x);
    else
        wait_or_give_up(x);
}

bool exchange_try_again(struct exchange *x, enum failure failure)
{
    if (!end_try(x, failure))
        return false;
    exchange_try(x);
    return true;
}

/* What may not be repeated stays: the backend may only be slow, and still answer. */
void exchange_move(struct exchange *x)
{
    if (judge(x, FAILURE_DOWN) != RETRY_NO)
        exchange_try_failed(x, FAILURE_DOWN);
}
