/*
 * Keeps the schedule of a load and the accounts of what became of it.
 *
 * It sends nothing and reads no clock. A slow answer never moves the schedule, and no request is counted twice or not at all:
 * that is claimed at every step.
 */
#include "cli/load.h"

#include "base/must.h"

#include <string.h>

const char *const load_outcome_keys[LOAD_OUTCOMES] = {
    [LOAD_OK] = "ok",
    [LOAD_STATUS_4XX] = "status_4xx",
    [LOAD_STATUS_5XX] = "status_5xx",
    [LOAD_REFUSED] = "refused",
    [LOAD_UNREACHABLE] = "unreachable",
    [LOAD_UNRESOLVED] = "unresolved",
    [LOAD_RESET] = "reset",
    [LOAD_CLOSED_EARLY] = "closed_early",
    [LOAD_MALFORMED] = "malformed",
    [LOAD_WRONG_LENGTH] = "wrong_length",
    [LOAD_TIMEOUT] = "timeout",
    [LOAD_NO_CONNECTION] = "no_connection",
    [LOAD_NO_RESOURCES] = "no_resources",
    [LOAD_ERROR_ANSWER] = "error_answer",
};

enum { MARK_GOOD = 1, MARK_BAD = 2, MARK_BITS = 2, MARKS_PER_WORD = 64 / MARK_BITS };

size_t load_seconds_needed(int64_t duration_ms)
{
    return (size_t)(duration_ms / 1000 + 1);
}

size_t load_marks_needed(int64_t duration_ms)
{
    return (size_t)(duration_ms / MARKS_PER_WORD + 1);
}

static void check(const struct load_plan *plan)
{
    uint64_t sum = 0;

    for (int i = 0; i < LOAD_OUTCOMES; i++)
        sum += plan->outcomes[i];
    must(sum == plan->finished);
    must(plan->taken >= plan->finished + plan->abandoned);
    must(plan->end.ns >= plan->start.ns);
}

void load_begin(struct load_plan *plan, const struct load_options *options,
                struct load_second *seconds, uint64_t *marks, struct instant start)
{
    must(options->rate <= LOAD_RATE_MAX);
    must(options->duration_ms > 0 && options->duration_ms <= LOAD_DURATION_MAX_MS);
    *plan = (struct load_plan){
        .rate = options->rate,
        .duration_ns = options->duration_ms * NS_PER_MS,
        .timeout_ns = options->timeout_ms * NS_PER_MS,
        .start = start,
        .end = after_ms(start, options->duration_ms),
        .last_answer = start,
        .seconds = seconds,
        .marks = marks,
    };
}

/* Exact for every number, so that the schedule does not drift. */
static struct instant intended_at(const struct load_plan *plan, uint64_t number)
{
    uint64_t whole = number / plan->rate, part = number % plan->rate;

    return after_ns(plan->start,
                    (int64_t)(whole * NS_PER_S + part * (uint64_t)NS_PER_S / plan->rate));
}

struct instant load_next(const struct load_plan *plan, struct instant now)
{
    struct instant next = now;

    if (plan->rate > 0)
        next = intended_at(plan, plan->taken);
    return next.ns < plan->end.ns ? next : NEVER;
}

static size_t second_of(const struct load_plan *plan, struct instant intended)
{
    return (size_t)(ns_between(plan->start, intended) / NS_PER_S);
}

static void mark(struct load_plan *plan, struct instant intended, uint64_t mark)
{
    size_t at = (size_t)(ns_between(plan->start, intended) / NS_PER_MS);

    plan->marks[at / MARKS_PER_WORD] |= mark << at % MARKS_PER_WORD * MARK_BITS;
}

static unsigned mark_at(const struct load_plan *plan, int64_t ms)
{
    size_t at = (size_t)ms;

    return plan->marks[at / MARKS_PER_WORD] >> at % MARKS_PER_WORD * MARK_BITS &
           (MARK_GOOD | MARK_BAD);
}

/* The oldest is due: it becomes the caller's. */
static void take(struct load_plan *plan, struct instant intended)
{
    plan->taken++;
    plan->seconds[second_of(plan, intended)].due++;
}

void load_expire(struct load_plan *plan, struct instant now)
{
    struct instant intended = load_next(plan, now);

    while (plan->rate > 0 && intended.ns != NEVER.ns &&
           passed(after_ns(intended, plan->timeout_ns), now)) {
        take(plan, intended);
        load_finish(plan, intended, now, LOAD_NO_CONNECTION, 0);
        intended = load_next(plan, now);
    }
}

bool load_take(struct load_plan *plan, struct instant now, struct instant *intended)
{
    struct instant next;

    load_expire(plan, now);
    next = load_next(plan, now);
    if (!passed(next, now))
        return false;
    take(plan, next);
    *intended = next;
    return true;
}

uint64_t load_waiting(const struct load_plan *plan, struct instant now)
{
    struct instant until = earlier(after_ns(now, 1), plan->end); /* `end` itself is not due */
    int64_t ns = ns_between(plan->start, until);
    uint64_t due;

    if (plan->rate == 0 || ns <= 0)
        return 0;
    due = (uint64_t)(ns / NS_PER_S) * plan->rate +
          ((uint64_t)(ns % NS_PER_S) * plan->rate + NS_PER_S - 1) / (uint64_t)NS_PER_S;
    return due > plan->taken ? due - plan->taken : 0;
}

enum load_outcome load_outcome_of_status(uint16_t status)
{
    must(status >= 100 && status <= 999);
    if (status < 400)
        return LOAD_OK;
    return status < 500 ? LOAD_STATUS_4XX : LOAD_STATUS_5XX;
}

void load_finish(struct load_plan *plan, struct instant intended, struct instant now,
                 enum load_outcome outcome, uint16_t status)
{
    struct load_second *second = &plan->seconds[second_of(plan, intended)];
    int64_t latency_ns = ns_between(intended, now);

    must((unsigned)outcome < LOAD_OUTCOMES);
    plan->finished++;
    plan->outcomes[outcome]++;
    if (status != 0) {
        plan->last_answer = now.ns > plan->last_answer.ns ? now : plan->last_answer;
        plan->statuses[status < 600 ? status / 100 : 0]++;
        histogram_record(&plan->latency, latency_ns);
        histogram_record(&second->latency, latency_ns);
    }
    if (outcome == LOAD_OK)
        second->ok++;
    else
        second->failed++;
    mark(plan, intended, outcome == LOAD_OK ? MARK_GOOD : MARK_BAD);
    check(plan);
}

void load_group(struct load_plan *plan, struct bytes value)
{
    char name[LOAD_GROUP_NAME_MAX];

    if (value.len == 0) {
        plan->ungrouped++;
        return;
    }
    bytes_to_string(value, name, sizeof name);
    for (uint32_t i = 0; i < plan->group_count; i++) {
        if (strcmp(plan->groups[i].name, name) == 0) {
            plan->groups[i].answers++;
            return;
        }
    }
    if (plan->group_count == LOAD_GROUPS_MAX) {
        plan->ungrouped++;
        return;
    }
    memcpy(plan->groups[plan->group_count].name, name, sizeof name);
    plan->groups[plan->group_count++].answers = 1;
}

void load_stop(struct load_plan *plan, struct instant now)
{
    struct instant next = load_next(plan, now);

    if (passed(next, now))
        plan->end = next;
    else
        plan->end = earlier(plan->end, now);
    check(plan);
}

void load_abandon(struct load_plan *plan)
{
    plan->abandoned++;
    check(plan);
}

uint64_t load_failed(const struct load_plan *plan)
{
    return plan->finished - plan->outcomes[LOAD_OK];
}

struct load_outage load_longest_outage(const struct load_plan *plan)
{
    struct load_outage longest = {.began_ms = -1}, run = {.began_ms = -1};
    int64_t count = ns_between(plan->start, plan->end) / NS_PER_MS + 1;

    for (int64_t ms = 0; ms < count; ms++) {
        unsigned mark = mark_at(plan, ms);

        if (mark & MARK_GOOD) {
            run.began_ms = -1;
        } else if (mark & MARK_BAD) {
            if (run.began_ms < 0)
                run.began_ms = ms;
            run.length_ms = ms - run.began_ms + 1;
            if (run.length_ms > longest.length_ms)
                longest = run;
        }
    }
    return longest;
}

uint64_t load_answered(const struct load_plan *plan)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < ARRAY_LEN(plan->statuses); i++)
        sum += plan->statuses[i];
    return sum;
}

double load_achieved_rate(const struct load_plan *plan)
{
    struct instant end = plan->last_answer.ns > plan->end.ns ? plan->last_answer : plan->end;
    int64_t took_ns = ns_between(plan->start, end);

    return took_ns > 0 ? (double)load_answered(plan) * (double)NS_PER_S / (double)took_ns : 0;
}
