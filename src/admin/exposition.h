/*
 * Lines of Prometheus text, version 0.0.4: a family's head, samples, histograms with cumulative buckets.
 */
#pragma once

#include "base/buf.h"
#include "base/histogram.h"
#include "schema/schema.h"

struct label {
    const char *key, *value;
};

enum { LABELS_MAX = 4 };

struct labels {
    struct label at[LABELS_MAX]; /* ends with a NULL key, or full */
};

enum unit { UNIT_ONE, UNIT_MS, UNIT_NS }; /* of a value; times are printed in seconds */

void exposition_family(struct buf *out, const struct metric *metric);
void exposition_sample(struct buf *out, const char *name, const struct labels *labels,
                       uint64_t value, enum unit unit);
/* One place in `labels` is left for the bound. */
void exposition_histogram(struct buf *out, const char *name, const struct labels *labels,
                          const struct histogram *histogram);
