/*
 * What changed lately: a short ring of samples of each service's and backend's counters, taken once a second, from which
 * rates and recent latencies are computed. Pure; the largest ring is mapped and touched only where there is something to sample.
 */
#pragma once

#include "admin/admin.h"
#include "base/instant.h"

enum {
    RATES_SAMPLES = 11,
    RATES_SHORT_S = 2,                /* requests per second: soon visible */
    RATES_LONG_S = RATES_SAMPLES - 1, /* latencies and errors: enough of them to mean something */
};

enum rates_of { RATES_SERVICE, RATES_BACKEND };

struct rates_sample {
    struct instant at; /* 0: not taken */
    uint64_t requests, errors;
    struct histogram latency;
};

struct rates_ring {
    struct rates_sample samples[RATES_SAMPLES];
};

struct rates {
    uint64_t taken;
    struct rates_ring services[SERVICES_MAX], backends[BACKENDS_MAX];
};

/* Sums of all workers: one sample of everything that the view names. */
void rates_sample(struct rates *rates, const struct admin_view *view,
                  const struct scoreboard *board, struct instant now);
double rates_requests_per_second(const struct rates *rates, enum rates_of of, uint32_t slot);
double rates_errors_per_second(const struct rates *rates, enum rates_of of, uint32_t slot);
/* Of the last RATES_LONG_S seconds; `latency` is written. */
void rates_latency(const struct rates *rates, enum rates_of of, uint32_t slot,
                   struct histogram *latency);
