#include "admin/exposition.h"

#include "base/instant.h"
#include "base/must.h"

#include <stdio.h>

static void add_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            buf_add_byte(out, '\\');
        if (*text == '\n')
            buf_add_string(out, "\\n");
        else
            buf_add_byte(out, (uint8_t)*text);
    }
}

static void add_name(struct buf *out, const char *name, const char *suffix,
                     const struct labels *labels)
{
    buf_add_string(out, name);
    buf_add_string(out, suffix);
    for (uint32_t i = 0; i < LABELS_MAX && labels->at[i].key; i++) {
        buf_add_byte(out, i ? ',' : '{');
        buf_add_string(out, labels->at[i].key);
        buf_add_string(out, "=\"");
        add_escaped(out, labels->at[i].value);
        buf_add_byte(out, '"');
    }
    if (labels->at[0].key)
        buf_add_byte(out, '}');
    buf_add_byte(out, ' ');
}

/* Exactly: 1500000000 is 1.5. */
static void add_seconds(struct buf *out, uint64_t ns)
{
    char text[32];
    size_t len = (size_t)snprintf(text, sizeof text, "%llu.%09llu",
                                  (unsigned long long)ns / (unsigned long long)NS_PER_S,
                                  (unsigned long long)ns % (unsigned long long)NS_PER_S);

    while (text[len - 1] == '0')
        len--;
    if (text[len - 1] == '.')
        len--;
    buf_add(out, bytes_of(text, len));
}

static void add_value(struct buf *out, uint64_t value, enum unit unit)
{
    if (unit == UNIT_NS)
        add_seconds(out, value);
    else if (unit == UNIT_MS)
        add_seconds(out, value * (uint64_t)NS_PER_MS);
    else
        buf_add_number(out, value);
    buf_add_byte(out, '\n');
}

void exposition_sample(struct buf *out, const char *name, const struct labels *labels,
                       uint64_t value, enum unit unit)
{
    add_name(out, name, "", labels);
    add_value(out, value, unit);
}

/*
 * Every fourth bucket of the histogram, from 64 us to 67 s: a bound is 1.41 times the last. All of them would be four times
 * the text for figures that are no finer than the scrape interval lets them be.
 */
enum { LADDER_FIRST = 8 * 6, LADDER_LAST = 8 * 26, LADDER_STEP = 4 };

static uint64_t load(const _Atomic uint64_t *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

static void add_bucket(struct buf *out, const char *name, const struct labels *labels,
                       const char *bound, uint64_t cumulative)
{
    struct labels bounded = *labels;
    uint32_t place = 0;

    while (place < LABELS_MAX && bounded.at[place].key)
        place++;
    must(place < LABELS_MAX);
    bounded.at[place] = (struct label){"le", bound};
    add_name(out, name, "_bucket", &bounded);
    add_value(out, cumulative, UNIT_ONE);
}

/* The count is the sum of the buckets as they were read: a histogram must agree with itself while it is being written to. */
void exposition_histogram(struct buf *out, const char *name, const struct labels *labels,
                          const struct histogram *histogram)
{
    uint64_t cumulative = 0;
    char storage[32];
    struct buf bound;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        cumulative += load(&histogram->bucket[i]);
        if (i < LADDER_FIRST || i > LADDER_LAST || i % LADDER_STEP != 0)
            continue;
        buf_over(&bound, storage, sizeof storage);
        add_seconds(&bound, (uint64_t)histogram_bound_ns(i));
        buf_add_byte(&bound, 0);
        add_bucket(out, name, labels, storage, cumulative);
    }
    add_bucket(out, name, labels, "+Inf", cumulative);
    add_name(out, name, "_sum", labels);
    add_value(out, load(&histogram->sum_ns), UNIT_NS);
    add_name(out, name, "_count", labels);
    add_value(out, cumulative, UNIT_ONE);
}

void exposition_family(struct buf *out, const struct metric *metric)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};

    buf_print(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
              kinds[metric->kind]);
}
