/*
 * The secondary's part: it asks its primary to be let in, takes what follows its own end and nothing else, and says what is durable.
 */
#include "store/ledger_parts.h"

void ledger_trail_begin(struct ledger_core *core, uint64_t epoch, uint32_t primary)
{
    ledger_step_down(core);
    core->role = ENGINE_SECONDARY;
    core->epoch = epoch;
    core->primary = primary;
    core->ask_at = (struct instant){0};
    core->again_ms = LEDGER_AGAIN_MS;
    core->changed = true;
}

void ledger_trail_detach(struct ledger_core *core, struct instant now)
{
    if (core->attached)
        core->changed = true;
    core->attached = core->confirm_due = false;
    core->verdict = LEDGER_NO_VERDICT;
    core->session = 0;
    core->told = 0;
    core->ask_at = now;
}

/* ---- what the primary says ---- */

static bool is_mine(const struct ledger_core *core, const struct ledger_message *message)
{
    return core->role == ENGINE_SECONDARY && message->from == core->primary &&
           message->epoch == core->epoch && core->session != 0 && message->session == core->session;
}

/* Who is to be the primary may hear of it a moment later than those who are to follow, and nothing is committed before they do. */
static void ask_soon(struct ledger_core *core, struct instant now)
{
    core->session = 0;
    core->ask_at = after_ms(now, core->again_ms);
    core->again_ms *= 2;
    if (core->again_ms > LEDGER_AGAIN_MAX_MS)
        core->again_ms = LEDGER_AGAIN_MAX_MS;
}

void ledger_trail_attach(struct ledger_core *core, const struct ledger_message *message,
                         struct instant now)
{
    if (!is_mine(core, message) || core->attached || ledger_core_loading(core))
        return;
    if (message->verdict == LEDGER_NOT_IT) {
        ask_soon(core, now);
        return;
    }
    core->verdict = message->verdict;
    core->common = message->end;
    if (message->verdict == LEDGER_ATTACHED && message->end == core->history.end) {
        core->attached = core->changed = true;
        core->confirm_due = true;
        core->silent_at = after_ms(now, LEDGER_SILENT_MS);
        core->sentence[0] = '\0';
    } else if (message->verdict == LEDGER_DIVERGED && message->end < core->history.end &&
               message->end >= core->history.base.offset) {
        core->aside = message->end + 1;
        ledger_say(core, "its log went another way after %llu, and ends at %llu",
                   (unsigned long long)message->end, (unsigned long long)core->history.end);
    } else {
        core->verdict = LEDGER_BEHIND;
        ledger_say(core, "what follows %llu is gone from the primary's log",
                   (unsigned long long)core->history.end);
    }
    if (core->verdict != LEDGER_ATTACHED)
        core->session = 0;
}

void ledger_trail_know(struct ledger_core *core)
{
    uint64_t known = core->told < core->durable ? core->told : core->durable;

    if (core->role != ENGINE_SECONDARY || !core->attached || known <= core->committed)
        return;
    /* The primary takes what is sent on to it from now on. */
    if (history_epoch(&core->history, known) == core->epoch &&
        history_epoch(&core->history, core->committed) != core->epoch)
        core->changed = true;
    core->committed = known;
}

void ledger_trail_compare(struct ledger_core *core, const struct ledger_mark *mark)
{
    const struct ledger_mark *kept =
        &core->marks[mark->position / LEDGER_MARK_EVERY % LEDGER_MARKS];

    if (mark->position == 0)
        return;
    if (mark->position > core->executed) {
        if (core->expected.position <= core->executed)
            core->expected = *mark;
        return;
    }
    if (kept->position == mark->position && kept->hash != mark->hash)
        ledger_spoil(core, mark->position);
}

static void hear(struct ledger_core *core, const struct ledger_message *message, struct instant now)
{
    core->silent_at = after_ms(now, LEDGER_SILENT_MS);
    if (message->committed > core->told)
        core->told = message->committed;
    core->lag_bytes = message->lag_bytes;
    if (message->claims && message->stamp > core->heard.ns) {
        core->heard.ns = message->stamp;
        core->heard_committed = message->committed;
    }
    ledger_trail_know(core);
    ledger_trail_compare(core, &(struct ledger_mark){message->mark, message->hash});
}

void ledger_trail_beat(struct ledger_core *core, const struct ledger_message *message,
                       struct instant now)
{
    if (!is_mine(core, message) || !core->attached)
        return;
    /* Something was lost on the way. */
    if (message->end > core->history.end) {
        ledger_trail_detach(core, now);
        return;
    }
    core->confirm_due = true;
    hear(core, message, now);
}

static bool follows(const struct ledger_core *core, const struct ledger_message *message)
{
    const struct history *history = &core->history;

    return message->first > history->base.offset && message->first <= history->end + 1 &&
           message->before == history_epoch(history, message->first - 1);
}

uint64_t ledger_trail_records(struct ledger_core *core, const struct ledger_message *message,
                              struct instant now)
{
    uint64_t end = core->history.end, last = message->first + message->count - 1;

    if (!is_mine(core, message) || !core->attached || message->count == 0 || last < message->first)
        return 0;
    if (!follows(core, message) ||
        (last > end && (message->record_epoch > core->epoch ||
                        message->record_epoch < history_last(&core->history).epoch))) {
        ledger_trail_detach(core, now);
        return 0;
    }
    if (last > end)
        history_extend(&core->history, message->record_epoch, last);
    hear(core, message, now);
    return last > end ? last - end : 0;
}

/* ---- what it says ---- */

static bool is_linked(const struct ledger_core *core)
{
    for (uint32_t i = 0; i < core->follower_count; i++)
        if (core->followers[i].member == core->primary)
            return core->followers[i].linked;
    return false;
}

static struct ledger_message *say(struct ledger_core *core, enum ledger_message_type type,
                                  struct instant now, struct ledger_actions *actions)
{
    struct ledger_message *message = &actions->send[actions->sends++];

    must(actions->sends <= LEDGER_SENDS_MAX);
    *message = (struct ledger_message){.type = (uint8_t)type,
                                       .from = core->self,
                                       .to = core->primary,
                                       .epoch = core->epoch,
                                       .session = core->session,
                                       .end = core->durable,
                                       .stamp = now.ns};
    return message;
}

static bool wants_in(const struct ledger_core *core)
{
    return core->role == ENGINE_SECONDARY && !core->attached &&
           core->verdict == LEDGER_NO_VERDICT && !ledger_core_loading(core) &&
           core->meta.promised >= core->epoch && ledger_settled(core) && is_linked(core);
}

static bool wants_copy(const struct ledger_core *core)
{
    return core->role == ENGINE_SECONDARY && core->copy == LEDGER_COPY_ASKS && core->meta.copying &&
           core->meta.promised >= core->epoch && ledger_settled(core) && is_linked(core);
}

void ledger_trail_ask(struct ledger_core *core, struct instant now, struct ledger_actions *actions)
{
    if (core->attached && passed(core->silent_at, now))
        ledger_trail_detach(core, now);
    if (core->attached && core->confirm_due) {
        core->confirm_due = false;
        say(core, LEDGER_CONFIRM, now, actions);
    }
    if (!passed(core->ask_at, now))
        return;
    if (wants_in(core)) {
        core->session = rng_next(&core->rng) | 1;
        core->ask_at = after_ms(now, LEDGER_ASK_MS);
        say(core, LEDGER_FOLLOW, now, actions);
    } else if (wants_copy(core)) {
        if (core->session == 0)
            core->session = rng_next(&core->rng) | 1;
        core->ask_at = after_ms(now, LEDGER_ASK_MS * 5);
        say(core, LEDGER_COPY, now, actions);
    }
}

struct instant ledger_trail_deadline(const struct ledger_core *core)
{
    if (core->attached)
        return core->silent_at;
    return wants_in(core) || wants_copy(core) ? core->ask_at : NEVER;
}
