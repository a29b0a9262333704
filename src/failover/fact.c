/*
 * What failover tells of, as facts with their numbers.
 */
#include "failover/failover.h"

static void add_known(struct fact *fact, enum number_kind kind, int64_t value)
{
    if (value >= 0)
        fact_add(fact, kind, value);
}

static void add_loss(struct fact *fact, uint64_t bytes)
{
    if (bytes <= INT64_MAX)
        fact_add(fact, NUMBER_LOST_BYTES, (int64_t)bytes);
}

static void add_record(struct fact *fact, const struct failover_record *r)
{
    fact->epoch = r->epoch;
    if (r->from)
        fact_add(fact, NUMBER_FROM, r->from);
    fact_add(fact, NUMBER_TO, r->to);
    fact_add(fact, NUMBER_ELAPSED_MS, r->total_ms);
    add_known(fact, NUMBER_DETECT_MS, r->detect_ms);
    add_known(fact, NUMBER_DECIDE_MS, r->decide_ms);
    add_known(fact, NUMBER_FENCE_MS, r->fence_ms);
    add_known(fact, NUMBER_PROMISE_MS, r->promise_ms);
    add_known(fact, NUMBER_PROMOTE_MS, r->promote_ms);
    add_known(fact, NUMBER_VERIFY_MS, r->verify_ms);
    fact_add(fact, NUMBER_WAITED, (int64_t)(r->waited & INT64_MAX));
    fact_add(fact, NUMBER_FAILED, (int64_t)(r->failed & INT64_MAX));
    add_loss(fact, r->lost_bytes);
}

void failover_fact(const struct failover_action *action, const char *group, struct fact *fact)
{
    fact_init(fact, action->code, SUBJECT_GROUP, group);
    fact->epoch = action->epoch;
    if (action->kind == FAILOVER_RECORD)
        add_record(fact, &action->record);
    else if (action->about)
        fact_add(fact, NUMBER_MEMBER, action->about);
    if (action->code == FACT_FAILOVER_DRY_RUN) {
        fact_add(fact, NUMBER_ELAPSED_MS, action->record.total_ms);
        add_loss(fact, action->record.lost_bytes);
    }
    fact_say(fact, "%s", action->sentence);
}
