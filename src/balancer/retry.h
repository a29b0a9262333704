/*
 * balancer/retry: what may be tried again, and how often. Pure.
 *
 * Two questions stand before every further try. Is it safe: would a second execution do no harm, and are the request's bytes still here? Is it
 * wise: would the tries of many requests together make an overload worse? The second is what the budget is for. It is charged only for
 * tries that add work: a backend that has refused a connection, or closed a kept one before it could read, or was found to be down
 * while it did not answer, has done none for this request, so that its next try is the only one that costs anybody anything.
 */
#pragma once

#include "balancer/balancer.h"
#include "wire/http1.h"

enum failure {
    FAILURE_CONNECT, /* refused, unreachable, or not connected in time: nothing was sent */
    FAILURE_STALE,   /* a reused connection closed before any byte of an answer */
    FAILURE_RESET,   /* a new connection closed before any byte of an answer */
    FAILURE_TIMEOUT, /* no answer in time */
    FAILURE_STATUS,  /* an answer whose status says that another backend may do better */
    FAILURE_DOWN,    /* its verdict became DOWN while it did not answer */
    FAILURE_GARBAGE, /* what came is no answer, or ended in the middle of its head */
};

struct retry_request {
    bool idempotent;  /* by method, or by an Idempotency-Key */
    bool held;        /* all bytes that were sent, or came to be sent, are still here */
    bool sent;        /* at least one byte may have reached a backend in this try */
    bool begun;       /* the answer has begun to go to the client */
    bool untried;     /* a usable backend has not been tried by this request */
    uint32_t tries;   /* so far, this one included; free ones too */
    uint32_t charged; /* of them, repeated at the budget's expense or by attempts */
    uint32_t moves;
    uint16_t status; /* with FAILURE_STATUS */
};

enum retry_answer { RETRY_NO, RETRY_FREE, RETRY_CHARGED };

enum { RETRY_TRIES_MAX = 64 };

/* True when a second execution would do no harm, and can be. */
bool retry_safe(const struct retry_request *request);
/* RETRY_CHARGED is to be taken from the budget; when that is empty, it is RETRY_NO. */
enum retry_answer retry_decide(const struct balancer_retry *policy,
                               const struct retry_request *request, enum failure failure);
/* True when a second execution of the request is harmless by its own words (RFC 9110 9.2.2). */
bool retry_idempotent(enum http1_method method, bool has_key);
/* The bit of `retry.on` that a status stands for; 0: none. */
uint32_t retry_status_bit(uint16_t status);

/* ---- the budget: what came in during the last ten seconds pays for what goes out again ---- */

enum { RETRY_SLICES = 10 };

struct retry_budget {
    int64_t slices[RETRY_SLICES]; /* one second each, hundredths of a percent of a request */
    int64_t sum;
    int64_t second; /* of the newest slice */
};

void retry_deposit(struct retry_budget *budget, int64_t share, struct instant now);
/* False when there is not enough for one retry: nothing was taken. */
bool retry_withdraw(struct retry_budget *budget, struct instant now);
