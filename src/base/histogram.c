/*
 * Counts values in buckets that grow by 2^(1/8). Allocates nothing, takes no lock and cannot fail.
 *
 * There is one writer, so a load and a store are enough: a locked instruction would buy nothing.
 */
#include "base/histogram.h"

#include "base/must.h"

#include <math.h>

enum { STEPS = 8, SHIFT = 20, LAST = HISTOGRAM_BUCKETS - 1 };

/* 1000 * 2^(step/8) nanoseconds, times 2^SHIFT. */
static const uint64_t step_bound[STEPS] = {
    1048576000, 1143480236, 1246974039, 1359834832, 1482910400, 1617125258, 1763487599, 1923096863,
};

int64_t histogram_bound_ns(unsigned bucket)
{
    must(bucket < HISTOGRAM_BUCKETS);
    return (int64_t)((step_bound[bucket % STEPS] << (bucket / STEPS)) >> SHIFT);
}

/* Values of (1000 * 2^o, 1000 * 2^(o+1)] ns have the same highest bit o in (ns - 1) / 1000. */
static unsigned bucket_of(int64_t ns)
{
    uint64_t us = ns > 0 ? (uint64_t)(ns - 1) / 1000 : 0;
    unsigned bucket;

    if (us == 0)
        return 0;
    bucket = (63 - (unsigned)__builtin_clzll(us)) * STEPS + 1;
    if (bucket > LAST)
        return LAST;
    while (bucket < LAST && ns > histogram_bound_ns(bucket))
        bucket++;
    return bucket;
}

static uint64_t get(const _Atomic uint64_t *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

static void add(_Atomic uint64_t *cell, uint64_t count)
{
    atomic_store_explicit(cell, get(cell) + count, memory_order_relaxed);
}

static void raise_to(_Atomic uint64_t *cell, uint64_t value)
{
    if (value > get(cell))
        atomic_store_explicit(cell, value, memory_order_relaxed);
}

void histogram_record(struct histogram *histogram, int64_t ns)
{
    uint64_t value = ns > 0 ? (uint64_t)ns : 0;

    add(&histogram->bucket[bucket_of(ns)], 1);
    add(&histogram->count, 1);
    add(&histogram->sum_ns, value);
    raise_to(&histogram->max_ns, value);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        add(&into->bucket[i], get(&from->bucket[i]));
    add(&into->count, get(&from->count));
    add(&into->sum_ns, get(&from->sum_ns));
    raise_to(&into->max_ns, get(&from->max_ns));
}

/* The geometric middle is at most sqrt(growth) from every value in the bucket; the arithmetic one is not. */
static int64_t middle(unsigned bucket)
{
    double upper = (double)histogram_bound_ns(bucket);

    return bucket == 0 ? (int64_t)(upper / 2) : (int64_t)(upper * exp2(-0.5 / STEPS) + 0.5);
}

int64_t histogram_quantile_ns(const struct histogram *histogram, double q)
{
    int64_t max = (int64_t)get(&histogram->max_ns);
    uint64_t total = 0, seen = 0;
    double rank;

    must(q >= 0 && q <= 1);
    /* `count` may be ahead of the buckets or behind them while the writer is at work. */
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        total += get(&histogram->bucket[i]);
    rank = ceil(q * (double)total);
    if (total == 0)
        return 0;
    if (q >= 1)
        return max;
    for (unsigned i = 0; i < LAST; i++) {
        seen += get(&histogram->bucket[i]);
        if (seen > 0 && (double)seen >= rank)
            return middle(i) < max ? middle(i) : max;
    }
    return max;
}
