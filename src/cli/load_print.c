/*
 * Tells what a load measured: for people, or as one JSON object with base units. It computes nothing that load_plan.c has not counted.
 */
#include "base/json.h"
#include "base/must.h"
#include "base/text.h"
#include "cli/load.h"

#include <inttypes.h>

static const struct {
    const char *key, *name;
    double q;
} quantiles[] = {
    {"p50", "p50", 0.5},       {"p90", "p90", 0.9}, {"p99", "p99", 0.99},
    {"p99_9", "p99.9", 0.999}, {"max", "max", 1},
};

static double seconds(int64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

static double scheduled_s(const struct load_plan *plan)
{
    return seconds(ns_between(plan->start, plan->end));
}

/* ---- JSON ---- */

static void add_number(struct json *json, const char *key, uint64_t number)
{
    json_key(json, key);
    json_add_unsigned(json, number);
}

static void add_double(struct json *json, const char *key, double number)
{
    json_key(json, key);
    json_add_double(json, number);
}

static void add_text(struct json *json, const char *key, struct bytes text)
{
    json_key(json, key);
    json_add_text(json, text);
}

static void add_asked(struct json *json, const struct load_options *options)
{
    add_text(json, "url", bytes_of_string(options->url));
    add_text(json, "method", bytes_of_string(options->method));
    add_number(json, "rate", options->rate);
    add_double(json, "for_s", (double)options->duration_ms / 1000);
    add_double(json, "timeout_s", (double)options->timeout_ms / 1000);
    add_number(json, "connections", options->connections);
    json_key(json, "keep_alive");
    json_add_bool(json, options->keep_alive);
}

void load_json_latency(struct json *json, const struct histogram *latency)
{
    uint64_t count = atomic_load_explicit(&latency->count, memory_order_relaxed);
    uint64_t sum_ns = atomic_load_explicit(&latency->sum_ns, memory_order_relaxed);

    json_key(json, "latency_s");
    json_begin_object(json);
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
        add_double(json, quantiles[i].key, seconds(histogram_quantile_ns(latency, quantiles[i].q)));
    add_double(json, "mean", count ? (double)sum_ns / (double)count / (double)NS_PER_S : 0);
    json_end(json);
}

void load_json_counts(struct json *json, const struct load_plan *plan)
{
    add_number(json, "requests", plan->taken);
    add_number(json, "ok", plan->outcomes[LOAD_OK]);
    add_number(json, "failed", load_failed(plan));
    add_number(json, "abandoned", plan->abandoned);
    add_number(json, "unasked", plan->unasked);
    json_key(json, "failures");
    json_begin_object(json);
    for (int i = LOAD_OK + 1; i < LOAD_OUTCOMES; i++)
        add_number(json, load_outcome_keys[i], plan->outcomes[i]);
    json_end(json);
}

static void add_statuses(struct json *json, const struct load_plan *plan)
{
    static const char *const classes[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};

    json_key(json, "statuses");
    json_begin_object(json);
    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        add_number(json, classes[i], plan->statuses[i]);
    json_end(json);
}

static void add_groups(struct json *json, const struct load_options *options,
                       const struct load_plan *plan)
{
    if (!options->group_by)
        return;
    json_key(json, "groups");
    json_begin_object(json);
    for (uint32_t i = 0; i < plan->group_count; i++)
        add_number(json, plan->groups[i].name, plan->groups[i].answers);
    json_end(json);
    add_number(json, "ungrouped", plan->ungrouped);
}

void load_json_timeline(struct json *json, const struct load_plan *plan)
{
    size_t count = (size_t)((ns_between(plan->start, plan->end) + NS_PER_S - 1) / NS_PER_S);

    json_key(json, "timeline");
    json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        const struct load_second *second = &plan->seconds[i];

        json_begin_object(json);
        add_number(json, "second", i);
        add_number(json, "requests", second->due);
        add_number(json, "ok", second->ok);
        add_number(json, "failed", second->failed);
        add_double(json, "p99_s", seconds(histogram_quantile_ns(&second->latency, 0.99)));
        json_end(json);
    }
    json_end(json);
}

void load_json_outage(struct json *json, const struct load_plan *plan)
{
    struct load_outage outage = load_longest_outage(plan);

    json_key(json, "outage");
    json_begin_object(json);
    add_double(json, "longest_s", (double)outage.length_ms / 1000);
    json_key(json, "began_s");
    if (outage.began_ms < 0)
        json_add_null(json);
    else
        json_add_double(json, (double)outage.began_ms / 1000);
    json_end(json);
}

void load_print_json(const struct load_options *options, const struct load_plan *plan,
                     struct buf *out)
{
    struct json json;

    json_init(&json, out);
    json_begin_object(&json);
    add_asked(&json, options);
    add_double(&json, "took_s", scheduled_s(plan));
    load_json_counts(&json, plan);
    add_statuses(&json, plan);
    add_double(&json, "achieved_rate", load_achieved_rate(plan));
    load_json_latency(&json, &plan->latency);
    load_json_outage(&json, plan);
    add_number(&json, "connects", plan->connects);
    add_number(&json, "body_bytes_received", plan->bytes);
    add_groups(&json, options, plan);
    load_json_timeline(&json, plan);
    json_end(&json);
    buf_add_byte(out, '\n');
}

/* ---- text ---- */

static const char *const outcome_words[LOAD_OUTCOMES] = {
    [LOAD_OK] = "ok",
    [LOAD_STATUS_4XX] = "status 4xx",
    [LOAD_STATUS_5XX] = "status 5xx",
    [LOAD_REFUSED] = "connection refused",
    [LOAD_UNREACHABLE] = "unreachable",
    [LOAD_UNRESOLVED] = "name does not resolve",
    [LOAD_RESET] = "connection reset",
    [LOAD_CLOSED_EARLY] = "closed before the answer was whole",
    [LOAD_MALFORMED] = "malformed answer",
    [LOAD_WRONG_LENGTH] = "body of another length than expected",
    [LOAD_TIMEOUT] = "no answer within the timeout",
    [LOAD_NO_CONNECTION] = "no connection was free within the timeout",
    [LOAD_NO_RESOURCES] = "this machine had no port, descriptor or memory left",
    [LOAD_ERROR_ANSWER] = "refused with an error",
};

void load_text_failures(const struct load_plan *plan, struct buf *out)
{
    buf_print(out, "failed     %" PRIu64 "\n", load_failed(plan));
    for (int i = LOAD_OK + 1; i < LOAD_OUTCOMES; i++)
        if (plan->outcomes[i])
            buf_print(out, "  %9" PRIu64 "  %s\n", plan->outcomes[i], outcome_words[i]);
    if (plan->unasked)
        buf_print(out, "unasked    %" PRIu64 " connections brought bytes that answer no request\n",
                  plan->unasked);
    if (plan->abandoned)
        buf_print(out, "abandoned  %" PRIu64 " were under way at the end\n", plan->abandoned);
}

void load_text_outage(const struct load_plan *plan, struct buf *out)
{
    struct load_outage outage = load_longest_outage(plan);
    char length[TEXT_QUANTITY_MAX], began[TEXT_QUANTITY_MAX];

    if (outage.began_ms < 0)
        return;
    buf_print(out, "outage     %s at most without a good answer, %s after the start\n",
              text_print_elapsed(outage.length_ms * NS_PER_MS, length),
              text_print_elapsed(outage.began_ms * NS_PER_MS, began));
}

void load_text_latency(const struct load_plan *plan, struct buf *out)
{
    char text[TEXT_QUANTITY_MAX];

    if (load_answered(plan) == 0)
        return;
    buf_add_string(out, "latency   ");
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
        buf_print(out, " %s %s%s", quantiles[i].name,
                  text_print_elapsed(histogram_quantile_ns(&plan->latency, quantiles[i].q), text),
                  i + 1 < ARRAY_LEN(quantiles) ? "," : "\n");
}

static void print_groups(const struct load_options *options, const struct load_plan *plan,
                         struct buf *out)
{
    if (!options->group_by)
        return;
    buf_print(out, "%s:", options->group_by);
    for (uint32_t i = 0; i < plan->group_count; i++)
        buf_print(out, " %s %" PRIu64 ",", plan->groups[i].name, plan->groups[i].answers);
    buf_print(out, " none %" PRIu64 "\n", plan->ungrouped);
}

void load_print_text(const struct load_options *options, const struct load_plan *plan,
                     struct buf *out)
{
    char took[TEXT_QUANTITY_MAX], bytes[TEXT_QUANTITY_MAX];

    buf_print(out, "%s  %s", options->url,
              text_print_elapsed(ns_between(plan->start, plan->end), took));
    if (options->rate)
        buf_print(out, " at %" PRIu64 "/s", options->rate);
    buf_print(out, ", up to %u connections%s\n", options->connections,
              options->keep_alive ? "" : ", each for one request");
    buf_print(out, "requests   %" PRIu64 ", answered %.1f/s, %s of content\n", plan->taken,
              load_achieved_rate(plan), text_print_amount((int64_t)plan->bytes, bytes));
    buf_print(out, "ok         %" PRIu64 "\n", plan->outcomes[LOAD_OK]);
    load_text_failures(plan, out);
    load_text_latency(plan, out);
    load_text_outage(plan, out);
    print_groups(options, plan, out);
}

void load_print_progress(const struct load_plan *plan, struct instant now, struct buf *out)
{
    int64_t elapsed_ns = ns_between(plan->start, now);
    size_t begun = (size_t)(elapsed_ns / NS_PER_S), over = begun > 0 ? begun - 1 : 0;
    size_t most = (size_t)(plan->duration_ns / NS_PER_S);
    const struct load_second *last = &plan->seconds[over < most ? over : most];
    char elapsed[TEXT_QUANTITY_MAX], p99[TEXT_QUANTITY_MAX];

    buf_print(out,
              "%s: %" PRIu64 "/s, p99 %s; ok %" PRIu64 ", failed %" PRIu64 ", under way %" PRIu64,
              text_print_elapsed(elapsed_ns, elapsed), (last->ok + last->failed),
              text_print_elapsed(histogram_quantile_ns(&last->latency, 0.99), p99),
              plan->outcomes[LOAD_OK], load_failed(plan),
              (load_outstanding(plan) + load_waiting(plan, now)));
}
