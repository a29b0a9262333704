/*
 * Decides about further tries. It never repeats a request that might be executed twice with harm, and never one whose answer has begun.
 */
#include "balancer/retry.h"

enum { WHOLE_REQUEST = 10000, RESERVE_PER_SECOND = 10 };

bool retry_idempotent(enum http1_method method, bool has_key)
{
    switch (method) {
    case METHOD_GET:
    case METHOD_HEAD:
    case METHOD_PUT:
    case METHOD_DELETE:
    case METHOD_OPTIONS:
    case METHOD_TRACE:
        return true;
    case METHOD_OTHER:
    case METHOD_POST:
    case METHOD_CONNECT:
    case METHOD_PATCH:
        return has_key;
    }
    never("a method that the parser does not know");
}

uint32_t retry_status_bit(uint16_t status)
{
    switch (status) {
    case 500:
        return RETRY_BIT(RETRY_ON_500);
    case 502:
        return RETRY_BIT(RETRY_ON_502);
    case 503:
        return RETRY_BIT(RETRY_ON_503);
    case 504:
        return RETRY_BIT(RETRY_ON_504);
    default:
        return 0;
    }
}

static uint32_t bit_of(enum failure failure, uint16_t status)
{
    switch (failure) {
    case FAILURE_CONNECT:
        return RETRY_BIT(RETRY_ON_CONNECT_FAILURE);
    case FAILURE_RESET:
        return RETRY_BIT(RETRY_ON_RESET);
    case FAILURE_TIMEOUT:
        return RETRY_BIT(RETRY_ON_TIMEOUT);
    case FAILURE_STATUS:
        return retry_status_bit(status);
    case FAILURE_STALE:
    case FAILURE_DOWN:
    case FAILURE_GARBAGE:
        return 0;
    }
    never("a failure without a name");
}

bool retry_safe(const struct retry_request *request)
{
    return !request->begun && request->held && (request->idempotent || !request->sent);
}

enum retry_answer retry_decide(const struct balancer_retry *policy,
                               const struct retry_request *request, enum failure failure)
{
    if (!retry_safe(request) || request->tries >= RETRY_TRIES_MAX)
        return RETRY_NO;
    if (policy->attempts == 0 && failure != FAILURE_STALE)
        return RETRY_NO;

    switch (failure) {
    case FAILURE_STALE: /* keeping connections is our own idea: its price is not the client's */
        return RETRY_FREE;
    case FAILURE_DOWN:
        return request->untried ? RETRY_FREE : RETRY_NO;
    case FAILURE_CONNECT:
        if (!(policy->on_bits & bit_of(failure, 0)))
            return RETRY_NO;
        if (request->untried)
            return RETRY_FREE;
        break;
    case FAILURE_RESET:
    case FAILURE_TIMEOUT:
    case FAILURE_STATUS:
        if (!(policy->on_bits & bit_of(failure, request->status)))
            return RETRY_NO;
        break;
    case FAILURE_GARBAGE: /* it spoke, so it may have acted, and will likely say the same again */
        return RETRY_NO;
    }
    return request->charged < (uint64_t)policy->attempts ? RETRY_CHARGED : RETRY_NO;
}

static void turn_to(struct retry_budget *budget, struct instant now)
{
    int64_t second = now.ns / NS_PER_S;
    int64_t gone = second - budget->second;

    if (gone <= 0)
        return;
    if (gone > RETRY_SLICES)
        gone = RETRY_SLICES;
    for (int64_t i = 0; i < gone; i++) {
        int64_t *slice = &budget->slices[(uint64_t)(second - i) % RETRY_SLICES];

        budget->sum -= *slice;
        *slice = 0;
    }
    budget->second = second;
}

static void add(struct retry_budget *budget, int64_t amount, struct instant now)
{
    turn_to(budget, now);
    budget->slices[(uint64_t)budget->second % RETRY_SLICES] += amount;
    budget->sum += amount;
}

void retry_deposit(struct retry_budget *budget, int64_t share, struct instant now)
{
    add(budget, share, now);
}

bool retry_withdraw(struct retry_budget *budget, struct instant now)
{
    const int64_t reserve = (int64_t)RETRY_SLICES * RESERVE_PER_SECOND * WHOLE_REQUEST;

    turn_to(budget, now);
    if (budget->sum + reserve < WHOLE_REQUEST)
        return false;
    add(budget, -WHOLE_REQUEST, now);
    return true;
}
