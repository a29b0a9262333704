/*
 * The seven words (topology/engine.h). An order takes effect at once as far as it forbids something, and is answered when all that it
 * promises is durable.
 */
#include "store/ledger_parts.h"

#include <stdio.h>

static void finish(struct ledger_core *core, struct ledger_actions *actions,
                   enum engine_outcome outcome, const char *sentence)
{
    struct engine_answer *answer = &actions->answered;

    must(core->stage != LEDGER_STAGE_IDLE);
    *answer = (struct engine_answer){
        .verb = core->order.verb, .epoch = core->order.epoch, .outcome = outcome};
    ledger_core_status(core, &answer->status);
    snprintf(answer->sentence, sizeof answer->sentence, "%s", sentence);
    actions->answer = true;
    core->stage = LEDGER_STAGE_IDLE;
    core->draining = false;
}

/* ---- taking an order ---- */

static bool is_known(const struct ledger_core *core, uint32_t member)
{
    for (uint32_t i = 0; i < core->follower_count; i++)
        if (core->followers[i].member == member)
            return true;
    return false;
}

/* Why not; NULL when it is taken. */
static const char *objection(const struct ledger_core *core, const struct engine_order *order)
{
    bool again = core->led == order->epoch && !core->spent;

    if (order->epoch == 0 || order->epoch < core->wanted.promised)
        return "a newer epoch was promised";
    switch (order->verb) {
    case ENGINE_PROMOTE:
        if (ledger_core_loading(core))
            return "it has no whole data: only a copy helps";
        if (core->wanted.led >= order->epoch && !again)
            return "it was primary of this epoch, and may have shipped what it does not have: "
                   "only a newer epoch helps";
        return NULL;
    case ENGINE_FOLLOW:
    case ENGINE_REWIND:
    case ENGINE_COPY:
        return is_known(core, order->primary) ? NULL : "its primary is not known";
    case ENGINE_DEMOTE:
        return order->target == 0 || is_known(core, order->target) ? NULL
                                                                   : "the target is not known";
    case ENGINE_STATUS:
    case ENGINE_PROMISE:
    case ENGINE_VERBS:
        break;
    }
    return NULL;
}

static bool trails(const struct ledger_core *core, const struct engine_order *order)
{
    return core->role == ENGINE_SECONDARY && core->epoch == order->epoch &&
           core->primary == order->primary;
}

static void take_demote(struct ledger_core *core, const struct engine_order *order)
{
    if (order->target != 0 && ledger_is_primary(core) && core->epoch == order->epoch)
        core->draining = core->changed = true;
    else
        ledger_step_down(core);
}

static void take_promote(struct ledger_core *core, const struct engine_order *order)
{
    if (!ledger_is_primary(core) || core->epoch != order->epoch)
        ledger_step_down(core);
    if (core->led != order->epoch) {
        core->led = core->wanted.led = order->epoch;
        core->spent = false;
    }
    core->needs = order->needs;
}

/* Given again after it is whole it drops nothing: by then this member may count. */
static bool has_copied(const struct ledger_core *core, const struct engine_order *order)
{
    return trails(core, order) && core->copied_in == order->epoch && !ledger_core_loading(core) &&
           core->verdict != LEDGER_BEHIND && core->verdict != LEDGER_DIVERGED;
}

static void take_copy(struct ledger_core *core, const struct engine_order *order)
{
    if ((trails(core, order) && core->copy != LEDGER_COPY_NONE) || has_copied(core, order))
        return;
    ledger_trail_begin(core, order->epoch, order->primary);
    core->wanted.copying = true;
    core->copy = LEDGER_COPY_ASKS;
}

static void take(struct ledger_core *core, const struct engine_order *order)
{
    switch (order->verb) {
    case ENGINE_PROMOTE:
        take_promote(core, order);
        break;
    case ENGINE_DEMOTE:
        take_demote(core, order);
        break;
    case ENGINE_FOLLOW:
    case ENGINE_REWIND:
        if (!trails(core, order) || !core->attached)
            ledger_trail_begin(core, order->epoch, order->primary);
        break;
    case ENGINE_COPY:
        take_copy(core, order);
        break;
    case ENGINE_STATUS:
    case ENGINE_PROMISE:
    case ENGINE_VERBS:
        ledger_step_down(core);
        break;
    }
}

void ledger_core_order(struct ledger_core *core, const struct engine_order *order,
                       struct instant now)
{
    const char *why = objection(core, order);

    must(order->verb != ENGINE_STATUS);
    core->order = *order;
    core->order_until = after_ms(now, order->timeout_ms - order->timeout_ms / 4);
    core->draining = false;
    core->stage = LEDGER_STAGE_WORK;
    if (why) {
        core->stage = LEDGER_STAGE_REFUSED;
        ledger_say(core, "%s", why);
        return;
    }
    core->sentence[0] = '\0';
    if (order->epoch > core->wanted.promised)
        core->wanted.promised = order->epoch;
    take(core, order);
}

/* ---- going on with it ---- */

static void begin_epoch(struct ledger_core *core, struct ledger_actions *actions)
{
    uint64_t epoch = core->order.epoch;

    must(core->led == epoch && !core->spent);
    core->role = ENGINE_PRIMARY;
    core->epoch = epoch;
    core->primary = core->self;
    core->changed = true;
    for (uint32_t i = 0; i < core->history.count; i++)
        if (core->history.runs[i].epoch == epoch) {
            core->start = core->history.runs[i].first;
            return;
        }
    core->start = core->history.end + 1;
    history_extend(&core->history, epoch, core->start);
    actions->begin = true;
}

static void step_promote(struct ledger_core *core, struct ledger_actions *actions)
{
    if (!ledger_is_primary(core)) {
        if (!ledger_settled(core) || core->meta.led < core->order.epoch)
            return;
        begin_epoch(core, actions);
    }
    if (core->durable >= core->start)
        finish(core, actions, ENGINE_DONE, "");
}

static void step_demote(struct ledger_core *core, struct ledger_actions *actions)
{
    if (core->draining) {
        const struct ledger_follower *heir = ledger_core_follower(core, core->order.target);
        uint64_t end = core->history.end;

        if (!heir || !heir->attached || heir->confirmed < end || core->executed < end)
            return;
        ledger_step_down(core);
    }
    if (ledger_settled(core) && core->meta.promised >= core->order.epoch)
        finish(core, actions, ENGINE_DONE, "");
}

static void step_promise(struct ledger_core *core, struct ledger_actions *actions)
{
    if (ledger_settled(core) && core->meta.promised >= core->order.epoch)
        finish(core, actions, ENGINE_DONE, "");
}

static void step_follow(struct ledger_core *core, struct ledger_actions *actions)
{
    if (core->attached)
        finish(core, actions, ENGINE_DONE, "");
    else if (ledger_core_loading(core))
        finish(core, actions, ENGINE_BEHIND, "it has no whole data: only a copy helps");
    else if (core->verdict == LEDGER_DIVERGED && core->order.verb == ENGINE_FOLLOW)
        finish(core, actions, ENGINE_DIVERGED, core->sentence);
    else if (core->verdict == LEDGER_BEHIND)
        finish(core, actions, ENGINE_BEHIND, core->sentence);
    else if (core->verdict == LEDGER_DIVERGED && core->common < core->committed) {
        ledger_say(core,
                   "it has executed up to %llu, and the primary's log went another way after "
                   "%llu: only a copy helps",
                   (unsigned long long)core->committed, (unsigned long long)core->common);
        finish(core, actions, ENGINE_BEHIND, core->sentence);
    }
}

bool ledger_orders_cut(const struct ledger_core *core, uint64_t *after)
{
    *after = core->common;
    return core->stage == LEDGER_STAGE_WORK && core->order.verb == ENGINE_REWIND &&
           core->verdict == LEDGER_DIVERGED && core->common >= core->committed &&
           ledger_settled(core) && core->common < core->history.end;
}

static void step_copy(struct ledger_core *core, struct ledger_actions *actions)
{
    if (core->attached)
        finish(core, actions, ENGINE_DONE, "");
    else if ((core->copy == LEDGER_COPY_NONE && ledger_core_loading(core)) ||
             core->verdict == LEDGER_BEHIND || core->verdict == LEDGER_DIVERGED)
        finish(core, actions, ENGINE_REFUSED,
               core->sentence[0] ? core->sentence : "the copy was broken off");
}

static void step(struct ledger_core *core, struct ledger_actions *actions)
{
    switch (core->order.verb) {
    case ENGINE_PROMISE:
        step_promise(core, actions);
        break;
    case ENGINE_PROMOTE:
        step_promote(core, actions);
        break;
    case ENGINE_DEMOTE:
        step_demote(core, actions);
        break;
    case ENGINE_FOLLOW:
    case ENGINE_REWIND:
        step_follow(core, actions);
        break;
    case ENGINE_COPY:
        step_copy(core, actions);
        break;
    case ENGINE_STATUS:
    case ENGINE_VERBS:
        never("it was not taken");
    }
}

static const char *in_vain(const struct ledger_core *core)
{
    if (core->full)
        return "its disk is full";
    switch (core->order.verb) {
    case ENGINE_DEMOTE:
        return core->draining ? "the target does not have everything in time"
                              : "its disk did not answer in time";
    case ENGINE_FOLLOW:
    case ENGINE_REWIND:
        return "the primary did not answer in time";
    case ENGINE_COPY:
        return "the copy was not whole in time";
    case ENGINE_STATUS:
    case ENGINE_PROMISE:
    case ENGINE_PROMOTE:
    case ENGINE_VERBS:
        break;
    }
    return "its disk did not answer in time";
}

void ledger_orders_step(struct ledger_core *core, struct instant now,
                        struct ledger_actions *actions)
{
    if (core->stage == LEDGER_STAGE_WORK)
        step(core, actions);
    if (core->stage == LEDGER_STAGE_REFUSED) {
        finish(core, actions, ENGINE_REFUSED, core->sentence);
        core->sentence[0] = '\0';
    }
    if (core->stage == LEDGER_STAGE_WORK && passed(core->order_until, now)) {
        if (core->order.verb == ENGINE_PROMOTE)
            ledger_step_down(core);
        finish(core, actions, ENGINE_REFUSED, in_vain(core));
        core->changed = true;
    }
}
