/*
 * Differences between samples. A counter that went back (its slot was given to another backend) counts as no change.
 */
#include "admin/rates.h"

#include "admin/totals.h"
#include "base/must.h"

static struct rates_sample *next_sample(struct rates_ring *ring, uint64_t taken, struct instant now)
{
    struct rates_sample *sample = &ring->samples[taken % RATES_SAMPLES];

    *sample = (struct rates_sample){.at = now};
    return sample;
}

static void sample_service(struct rates *rates, const struct scoreboard *board, uint32_t slot,
                           struct instant now)
{
    struct rates_sample *sample = next_sample(&rates->services[slot], rates->taken, now);

    sample->requests = total_service(board, slot, offsetof(struct service_counters, requests));
    sample->errors = total_service(board, slot, offsetof(struct service_counters, responses[5]));
    total_service_latency(board, slot, &sample->latency);
}

static void sample_backend(struct rates *rates, const struct scoreboard *board, uint32_t slot,
                           struct instant now)
{
    struct rates_sample *sample = next_sample(&rates->backends[slot], rates->taken, now);

    sample->requests = total_backend(board, slot, offsetof(struct backend_counters, requests));
    sample->errors = total_backend(board, slot, offsetof(struct backend_counters, failures));
    total_backend_latency(board, slot, &sample->latency);
}

void rates_sample(struct rates *rates, const struct admin_view *view,
                  const struct scoreboard *board, struct instant now)
{
    for (uint32_t i = 0; i < view->service_count; i++)
        sample_service(rates, board, view->services[i].slot, now);
    for (uint32_t i = 0; i < view->backend_count; i++)
        sample_backend(rates, board, view->backends[i].slot, now);
    rates->taken++;
}

static const struct rates_ring *ring_of(const struct rates *rates, enum rates_of of, uint32_t slot)
{
    must(slot < (of == RATES_SERVICE ? SERVICES_MAX : BACKENDS_MAX));
    return of == RATES_SERVICE ? &rates->services[slot] : &rates->backends[slot];
}

/* The newest sample and the one up to `back` before it that belongs to the same unbroken row. False: there are no two. */
static bool span(const struct rates *rates, const struct rates_ring *ring, uint32_t back,
                 const struct rates_sample **old, const struct rates_sample **new)
{
    uint64_t last = rates->taken - 1;
    const struct rates_sample *newest;

    must(back < RATES_SAMPLES);
    if (rates->taken < 2)
        return false;
    newest = *old = *new = &ring->samples[last % RATES_SAMPLES];
    for (uint32_t i = 1; i <= back && i <= last; i++) {
        const struct rates_sample *sample = &ring->samples[(last - i) % RATES_SAMPLES];

        if (sample->at.ns == 0 || sample->at.ns >= (*old)->at.ns)
            break;
        *old = sample;
    }
    return *old != newest && newest->at.ns != 0;
}

static uint64_t grown(uint64_t old, uint64_t new)
{
    return new > old ? new - old : 0;
}

double rates_requests_per_second(const struct rates *rates, enum rates_of of, uint32_t slot)
{
    const struct rates_sample *old, *new;

    if (!span(rates, ring_of(rates, of, slot), RATES_SHORT_S, &old, &new))
        return 0;
    return (double)grown(old->requests, new->requests) * (double)NS_PER_S /
           (double)ns_between(old->at, new->at);
}

double rates_errors_per_second(const struct rates *rates, enum rates_of of, uint32_t slot)
{
    const struct rates_sample *old, *new;

    if (!span(rates, ring_of(rates, of, slot), RATES_LONG_S, &old, &new))
        return 0;
    return (double)grown(old->errors, new->errors) * (double)NS_PER_S /
           (double)ns_between(old->at, new->at);
}

/* The maximum of a span is not known: it is at most its highest bucket's bound, and at most the maximum ever. */
void rates_latency(const struct rates *rates, enum rates_of of, uint32_t slot,
                   struct histogram *latency)
{
    const struct rates_sample *old, *new;
    uint64_t highest = 0, ever;

    *latency = (struct histogram){0};
    if (!span(rates, ring_of(rates, of, slot), RATES_LONG_S, &old, &new))
        return;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t n = grown(counted(&old->latency.bucket[i]), counted(&new->latency.bucket[i]));

        count(&latency->bucket[i], n);
        count(&latency->count, n);
        if (n)
            highest = (uint64_t)histogram_bound_ns(i);
    }
    count(&latency->sum_ns, grown(counted(&old->latency.sum_ns), counted(&new->latency.sum_ns)));
    ever = counted(&new->latency.max_ns);
    count(&latency->max_ns, highest < ever ? highest : ever);
}
