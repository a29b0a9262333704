/*
 * A mergeable latency histogram: the exponential buckets of Prometheus's native histograms, schema 3 (growth 2^(1/8) = 1.0905, so a
 * quantile is at most 4.4 % off), over nanoseconds from 1 us to about 1,100 s; what is outside falls in the first or last bucket.
 *
 * Fixed layout without pointers, so it may lie in shared memory: one writer, any number of readers, relaxed atomics.
 * Buckets: value v (ns) is in bucket i when bound(i-1) < v <= bound(i), bound(i) = 2^(i/8) us.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 8 * 30 + 1 };

struct histogram {
    _Atomic uint64_t count;
    _Atomic uint64_t sum_ns;
    _Atomic uint64_t max_ns;
    _Atomic uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *histogram, int64_t ns); /* negative counts as 0 */
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value that q (0 to 1) of the values do not exceed: the geometric middle of its bucket, which is what bounds the error
 * (interpolation does not). Never above the maximum, which is exact and the answer for q = 1; 0 when empty. */
int64_t histogram_quantile_ns(const struct histogram *histogram, double q);
int64_t histogram_bound_ns(unsigned bucket);
