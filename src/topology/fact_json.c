#include "base/json.h"
#include "topology/fact.h"

#include <inttypes.h>
#include <stdio.h>

const char *subject_name(uint8_t kind)
{
    static const char *const names[SUBJECT_KINDS] = {
        [SUBJECT_NONE] = "none",         [SUBJECT_CLUSTER] = "cluster",
        [SUBJECT_NODE] = "node",         [SUBJECT_LINK] = "link",
        [SUBJECT_GROUP] = "group",       [SUBJECT_SERVICE] = "service",
        [SUBJECT_LEASE] = "lease",       [SUBJECT_CONFIGURATION] = "configuration",
        [SUBJECT_DOCUMENT] = "document", [SUBJECT_DISK] = "disk",
        [SUBJECT_CLOCK] = "clock",       [SUBJECT_CERTIFICATE] = "certificate",
        [SUBJECT_STRANGER] = "stranger", [SUBJECT_ADDRESS] = "address",
    };

    return kind < SUBJECT_KINDS ? names[kind] : "unknown";
}

const char *number_name(uint8_t kind)
{
    static const char *const names[NUMBER_KINDS] = {
        [NUMBER_NONE] = "none",
        [NUMBER_COUNT] = "count",
        [NUMBER_MEMBER] = "member",
        [NUMBER_INCARNATION] = "incarnation",
        [NUMBER_INDEX] = "index",
        [NUMBER_VERSION] = "version",
        [NUMBER_BYTES] = "bytes",
        [NUMBER_ELAPSED_MS] = "elapsed_ms",
        [NUMBER_REMAINING_MS] = "remaining_ms",
        [NUMBER_SKEW_MS] = "skew_ms",
        [NUMBER_SUSPICION] = "suspicion",
        [NUMBER_ERRNO] = "errno",
        [NUMBER_STATUS] = "status",
        [NUMBER_VOTERS] = "voters",
        [NUMBER_NEEDED] = "needed",
        [NUMBER_HASH] = "hash",
        [NUMBER_FROM] = "from",
        [NUMBER_TO] = "to",
        [NUMBER_DETECT_MS] = "detect_ms",
        [NUMBER_DECIDE_MS] = "decide_ms",
        [NUMBER_FENCE_MS] = "fence_ms",
        [NUMBER_PROMISE_MS] = "promise_ms",
        [NUMBER_PROMOTE_MS] = "promote_ms",
        [NUMBER_VERIFY_MS] = "verify_ms",
        [NUMBER_WAITED] = "waited",
        [NUMBER_FAILED] = "failed",
        [NUMBER_LOST_BYTES] = "lost_bytes",
        [NUMBER_POSITION] = "position",
    };

    return kind < NUMBER_KINDS ? names[kind] : "unknown";
}

static void add_string(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_add_string(json, text);
}

/* Many readers refuse what an int64_t does not hold. */
static void add_unsigned(struct json *json, const char *key, uint64_t number)
{
    json_key(json, key);
    json_add_unsigned(json, number < INT64_MAX ? number : INT64_MAX);
}

/* As text: many readers of JSON lose what is past 2^53. */
static void add_bits(struct json *json, uint64_t bits)
{
    char text[17];

    snprintf(text, sizeof text, "%016" PRIx64, bits);
    json_add_string(json, text);
}

static void add_number(struct json *json, const struct fact_number *number)
{
    json_begin_object(json);
    add_string(json, "kind", number_name(number->kind));
    json_key(json, "value");
    if (number->kind == NUMBER_HASH)
        add_bits(json, (uint64_t)number->value);
    else if (number->kind == NUMBER_SUSPICION)
        json_add_double(json, (double)number->value / 100);
    else
        json_add_number(json, number->value);
    json_end(json);
}

static void add_subject(struct json *json, const struct fact *fact)
{
    json_key(json, "subject");
    json_begin_object(json);
    add_string(json, "kind", subject_name(fact->subject_kind));
    add_string(json, "name", fact->subject);
    json_end(json);
}

/* A code of a newer version has no name here, and is a warning so that nobody overlooks it. */
static void add_code(struct json *json, uint16_t code)
{
    const struct code_row *row = code_find(code);
    char text[CODE_TEXT_MAX];

    add_string(json, "code", code_print(code, text));
    add_string(json, "name", row ? row->name : "unknown");
    add_string(json, "severity", severity_name(row ? row->severity : SEVERITY_WARNING));
}

void fact_print_json(const struct fact *fact, struct json *json)
{
    char time[MOMENT_TEXT_MAX];

    json_begin_object(json);
    add_string(json, "time", moment_print(fact->at, time));
    json_key(json, "wall_ms");
    json_add_number(json, fact->at.wall_ms);
    add_unsigned(json, "counter", fact->at.counter);
    add_code(json, fact->code);
    add_string(json, "node", fact->node);
    add_unsigned(json, "member", fact->member);
    add_unsigned(json, "incarnation", fact->incarnation);
    json_key(json, "origin");
    add_bits(json, fact->origin);
    add_unsigned(json, "sequence", fact->sequence);
    add_subject(json, fact);
    add_unsigned(json, "epoch", fact->epoch);
    json_key(json, "numbers");
    json_begin_array(json);
    for (uint32_t i = 0; i < fact->number_count; i++)
        add_number(json, &fact->numbers[i]);
    json_end(json);
    add_string(json, "text", fact->text);
    json_end(json);
}
