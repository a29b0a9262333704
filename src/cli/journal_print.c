/*
 * Tells what became of a journal: for people, or as one JSON object with base units. It judges nothing.
 */
#include "base/json.h"
#include "base/text.h"
#include "cli/journal.h"

#include <inttypes.h>

static double seconds(int64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

/* ---- JSON ---- */

static void add_number(struct json *json, const char *key, uint64_t number)
{
    json_key(json, key);
    json_add_unsigned(json, number);
}

static void add_signed(struct json *json, const char *key, int64_t number)
{
    json_key(json, key);
    json_add_number(json, number);
}

static void add_double(struct json *json, const char *key, double number)
{
    json_key(json, key);
    json_add_double(json, number);
}

static void add_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_add_string(json, text);
}

static void add_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_add_bool(json, value);
}

/* An id, or null when there is none. */
static void add_id(struct json *json, const char *key, uint64_t id, bool there_is)
{
    json_key(json, key);
    if (there_is)
        json_add_unsigned(json, id);
    else
        json_add_null(json);
}

static void add_asked(struct json *json, const struct journal_result *result)
{
    const struct load_options *options = result->options;

    add_text(json, "url", options->url);
    add_text(json, "read_from", options->read_from);
    add_text(json, "journal", options->journal);
    add_text(json, "prefix", result->ledger->head.prefix);
    add_number(json, "planned", result->ledger->head.planned);
    add_signed(json, "began_ms", result->ledger->head.began_ms);
    if (!result->plan) {
        add_bool(json, "ended", result->ledger->ended);
        add_bool(json, "torn", result->ledger->torn);
        return;
    }
    add_number(json, "rate", options->rate);
    add_double(json, "for_s", (double)options->duration_ms / 1000);
    add_double(json, "timeout_s", (double)options->timeout_ms / 1000);
    add_double(json, "attempt_s", (double)options->attempt_ms / 1000);
    add_number(json, "connections", options->connections);
}

static void add_errors(struct json *json, const struct ledger *ledger)
{
    uint64_t others = ledger->errors[JOURNAL_ERRORS_MAX].count;

    json_key(json, "errors");
    json_begin_object(json);
    for (uint32_t i = 0; i < ledger->error_count; i++)
        add_number(json, ledger->errors[i].word, ledger->errors[i].count);
    json_end(json);
    add_number(json, "other_errors", others);
}

static uint64_t refused(const struct load_plan *plan)
{
    return plan->outcomes[LOAD_ERROR_ANSWER];
}

static void add_sent(struct json *json, const struct journal_result *result)
{
    const struct load_plan *plan = result->plan;
    const struct ledger *ledger = result->ledger;

    add_double(json, "took_s", seconds(ns_between(plan->start, plan->end)));
    load_json_counts(json, plan);
    add_number(json, "refused", refused(plan));
    add_number(json, "timed_out", load_failed(plan) - refused(plan));
    add_number(json, "first_try", ledger->acknowledged - ledger->again);
    add_number(json, "again", ledger->again);
    add_number(json, "cut", ledger->cut);
    add_number(json, "attempts", ledger->attempts);
    add_errors(json, ledger);
    add_double(json, "achieved_rate", load_achieved_rate(plan));
    load_json_latency(json, &plan->latency);
    load_json_outage(json, plan);
    json_key(json, "silence");
    json_begin_object(json);
    add_double(json, "longest_s", seconds(ledger->silence_ns));
    add_double(json, "began_s", seconds(ns_between(plan->start, ledger->silence_began)));
    json_end(json);
    add_number(json, "connects", plan->connects);
}

static void add_verdict(struct json *json, const struct journal_result *result)
{
    const struct journal_verdict *verdict = result->verdict;

    json_key(json, "verdict");
    if (!verdict) {
        json_add_null(json);
        return;
    }
    json_begin_object(json);
    add_bool(json, "well", journal_is_well(verdict));
    add_number(json, "present", verdict->present);
    add_number(json, "lost", verdict->lost);
    add_number(json, "rpo_rows", verdict->lost);
    add_double(json, "rpo_time_s", (double)verdict->rpo_ms / 1000);
    add_id(json, "fault_at_ms", (uint64_t)verdict->fault_ms, verdict->fault_ms >= 0);
    add_bool(json, "fault_told", result->options->fault_ms >= 0);
    add_id(json, "first_lost", verdict->first_lost, verdict->lost > 0);
    add_id(json, "last_lost", verdict->last_lost, verdict->lost > 0);
    add_number(json, "lost_runs", verdict->runs);
    add_number(json, "phantom", verdict->phantoms);
    add_number(json, "other_value", verdict->others);
    add_number(json, "unknown", verdict->unknown_present + verdict->unknown_absent);
    add_number(json, "unknown_present", verdict->unknown_present);
    add_number(json, "unknown_absent", verdict->unknown_absent);
    json_end(json);
}

void journal_print_json(const struct journal_result *result, struct buf *out)
{
    struct json json;

    json_init(&json, out);
    json_begin_object(&json);
    add_asked(&json, result);
    add_number(&json, "attempted", result->ledger->attempted);
    add_number(&json, "acknowledged", result->ledger->acknowledged);
    add_number(&json, "duplicates", result->ledger->duplicates);
    if (result->plan)
        add_sent(&json, result);
    add_verdict(&json, result);
    if (result->plan)
        load_json_timeline(&json, result->plan);
    json_end(&json);
    buf_add_byte(out, '\n');
}

/* ---- text ---- */

static void print_sent(const struct journal_result *result, struct buf *out)
{
    const struct load_plan *plan = result->plan;
    const struct ledger *ledger = result->ledger;
    char text[TEXT_QUANTITY_MAX];

    buf_print(out,
              "acked      %" PRIu64 ", %" PRIu64 " at the first try, %" PRIu64
              " after asking again (%" PRIu64 " were cut in flight)\n",
              ledger->acknowledged, ledger->acknowledged - ledger->again, ledger->again,
              ledger->cut);
    load_text_failures(plan, out);
    for (uint32_t i = 0; i < ledger->error_count; i++)
        buf_print(out, "  %9" PRIu64 "  answers were -%s\n", ledger->errors[i].count,
                  ledger->errors[i].word);
    load_text_latency(plan, out);
    load_text_outage(plan, out);
    buf_print(out, "silence    %s at most between two acknowledgements\n",
              text_print_elapsed(ledger->silence_ns, text));
}

static void print_lost(const struct journal_verdict *verdict, bool told, struct buf *out)
{
    char text[TEXT_QUANTITY_MAX];

    if (verdict->lost == 0) {
        buf_add_string(out, "lost       nothing that was acknowledged\n");
        return;
    }
    buf_print(out,
              "lost       %" PRIu64 " that were acknowledged, from %" PRIu64 " to %" PRIu64
              "; RPO %s%s\n",
              verdict->lost, verdict->first_lost, verdict->last_lost,
              text_print_elapsed(verdict->rpo_ms * NS_PER_MS, text),
              told ? "" : " or more, by the last acknowledgement that is lost");
    if (verdict->runs > 1)
        buf_print(out, "           in %" PRIu64 " stretches, with others between that are there\n",
                  verdict->runs);
}

static void print_verdict(const struct journal_result *result, struct buf *out)
{
    const struct journal_verdict *verdict = result->verdict;

    if (!verdict) {
        buf_add_string(out, "verdict    none: it could not be read back\n");
        return;
    }
    print_lost(verdict, result->options->fault_ms >= 0, out);
    if (verdict->phantoms > 0)
        buf_print(out, "phantom    %" PRIu64 " are there that nobody asked for\n",
                  verdict->phantoms);
    if (verdict->others > 0)
        buf_print(out, "changed    %" PRIu64 " have another value\n", verdict->others);
    buf_print(out,
              "unknown    %" PRIu64 " were sent and not acknowledged: %" PRIu64
              " are there, %" PRIu64 " are not\n",
              verdict->unknown_present + verdict->unknown_absent, verdict->unknown_present,
              verdict->unknown_absent);
}

void journal_print_text(const struct journal_result *result, struct buf *out)
{
    const struct load_options *options = result->options;
    const struct ledger *ledger = result->ledger;
    char took[TEXT_QUANTITY_MAX];

    if (result->plan) {
        buf_print(out, "%s  %s at %" PRIu64 "/s, %u connections, keys %s:0 and on\n", options->url,
                  text_print_elapsed(ns_between(result->plan->start, result->plan->end), took),
                  options->rate, options->connections, ledger->head.prefix);
        print_sent(result, out);
    } else {
        buf_print(out, "%s  %" PRIu64 " acknowledged, keys %s:0 and on%s\n", options->journal,
                  ledger->acknowledged, ledger->head.prefix,
                  ledger->ended ? "" : "; its client did not come to an end");
    }
    print_verdict(result, out);
}
