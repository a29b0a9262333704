/*
 * The ledger's turn: once in each turn of the loop in which something happened the core is asked what is to be done, and that is done in the order
 * that the core's header gives.
 */
#include "store/drive_ledger.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    EXECUTE_RECORDS = 8192, /* in one turn */
    EXECUTE_BYTES = 4 << 20,
    EXECUTE_NS = 5000000, /* then others have their turn: links, which must not fall silent */
    EXECUTE_LOOK = 8,     /* records between two looks at the clock */
    EPOCH_RECORD_MAX = 4096,
};

void ledger_stir(struct ledger *l)
{
    if (l->stirred)
        return;
    l->stirred = true;
    timer_arm(l->loop, &l->timer, loop_now(l->loop));
}

void ledger_again(struct ledger *l, int64_t ms)
{
    struct instant at = after_ms(loop_now(l->loop), ms);

    if (!l->stirred && (!timer_armed(&l->timer) || at.ns < l->timer.at.ns))
        timer_arm(l->loop, &l->timer, at);
}

/* ---- the end ---- */

static void tell_unknown(struct ledger *l)
{
    for (uint64_t at = l->core.executed + 1; at < l->tail.next; at++) {
        struct tail_record *record = tail_at(&l->tail, at);
        uint64_t cookie = record ? record->cookie : 0;

        if (cookie == 0)
            continue;
        record->cookie = 0;
        l->events->unknown(l->context, cookie);
    }
}

void ledger_fail(struct ledger *l, const struct err *err)
{
    if (l->failed || l->closing)
        return;
    l->failed = true;
    l->err = *err;
    tell_unknown(l);
    l->events->failed(l->context, err);
}

static void finish_closing(struct ledger *l)
{
    const struct ledger_events *events = l->events;
    void *context = l->context;

    tell_unknown(l);
    jobs_close(l->jobs);
    ledger_files_close(l);
    for (uint32_t i = 0; i < LEDGER_MEMBERS_MAX; i++) {
        buf_fini(&l->places[i].out);
        buf_fini(&l->places[i].in);
    }
    buf_fini(&l->frame);
    buf_fini(&l->assembly);
    free(l);
    if (events)
        events->closed(context);
}

void ledger_close(struct ledger *l)
{
    if (!l || l->closing)
        return;
    l->closing = true;
    peers_close(l->peers, false);
}

/* ---- the turn ---- */

static void put_epoch_record(struct ledger *l)
{
    uint8_t bytes[EPOCH_RECORD_MAX];
    struct buf out;

    buf_over(&out, bytes, sizeof bytes);
    l->events->epoch_record(l->context, history_last(&l->core.history), &out);
    must(!out.full && out.len > 0);
    tail_put(&l->tail, buf_bytes(&out), 0);
}

static void give_up(struct ledger *l, struct tail_record *record)
{
    uint64_t cookie = record->cookie;

    record->cookie = 0;
    if (cookie != 0)
        l->events->unknown(l->context, cookie);
}

static bool execute_one(struct ledger *l, bool may_answer, uint64_t *bytes)
{
    uint64_t at = l->core.executed + 1, cookie;
    struct position position = {history_epoch(&l->core.history, at), at};
    struct tail_record *own = tail_at(&l->tail, at);
    const struct tail_record *record = ledger_files_at(l, at);
    uint64_t digest;

    if (!record) {
        ledger_files_want(l, at);
        return false;
    }
    if (own && !may_answer)
        give_up(l, own);
    cookie = own ? own->cookie : 0;
    if (own)
        own->cookie = 0;
    *bytes += record->len;
    digest = l->events->execute(l->context, position, bytes_of(record->at, record->len), cookie);
    ledger_core_executed(&l->core, bytes_of(record->at, record->len), digest);
    return true;
}

static void drop_executed(struct ledger *l)
{
    while (tail_bytes(&l->tail) > LEDGER_TAIL_BYTES && l->tail.first <= l->core.executed &&
           l->tail.first < l->tail.next)
        tail_drop(&l->tail, l->tail.first + 1);
}

/* Before something is executed: is it the first that the log held at the start? */
static void begin_replay(struct ledger *l)
{
    struct ledger_replay *replay = &l->replay;

    if (replay->to == 0 || replay->begun.ns != 0)
        return;
    replay->before = l->core.executed;
    replay->begun = loop_read_clock(l->loop, LOOP_MONOTONIC);
}

/* Afterwards: was it the last? */
static void end_replay(struct ledger *l)
{
    struct ledger_replay *replay = &l->replay;
    struct instant now;

    if (replay->to == 0 || l->core.executed < replay->to)
        return;
    now = loop_read_clock(l->loop, LOOP_MONOTONIC);
    l->replayed_records = replay->to - replay->before;
    l->replay_us = (uint64_t)(now.ns - replay->begun.ns + replay->read_ns) / 1000;
    replay->to = 0;
}

/* Who receives faster than it executes reads from the disk again what is too much. */
static void drop_durable(struct ledger *l)
{
    const struct tail_record *first;

    while (tail_bytes(&l->tail) > l->options.tail_bytes && l->tail.first <= l->core.durable &&
           (first = tail_at(&l->tail, l->tail.first)) && first->cookie == 0)
        tail_drop(&l->tail, l->tail.first + 1);
}

static void execute(struct ledger *l, bool may_answer)
{
    uint64_t bytes = 0, to = l->actions.execute_to, before = l->core.executed;
    struct instant until = after_ns(loop_read_clock(l->loop, LOOP_MONOTONIC), EXECUTE_NS);

    if (before < to)
        begin_replay(l);
    for (uint32_t i = 1; i <= EXECUTE_RECORDS && bytes < EXECUTE_BYTES; i++)
        if (l->core.executed >= to || !execute_one(l, may_answer, &bytes) ||
            (i % EXECUTE_LOOK == 0 && passed(until, loop_read_clock(l->loop, LOOP_MONOTONIC))))
            break;
    if (l->core.executed == before)
        return;
    end_replay(l);
    drop_executed(l);
    l->events->executed(l->context);
    if (l->core.executed < to || l->core.stage != LEDGER_STAGE_IDLE || l->core.changed)
        ledger_stir(l);
}

static void tell_room(struct ledger *l)
{
    if (!l->wants_room || !ledger_core_writable(&l->core) ||
        tail_after(&l->tail, l->core.committed) >= LEDGER_OPEN_MAX / 2)
        return;
    l->wants_room = false;
    l->events->roomy(l->context);
}

static void tell_status(struct ledger *l)
{
    struct engine_answer answer = {.verb = ENGINE_STATUS, .outcome = ENGINE_DONE};

    l->asked_status = false;
    ledger_status(l, &answer.status);
    l->events->answered(l->context, &answer);
}

static void tell(struct ledger *l)
{
    if (l->actions.changed)
        l->events->state(l->context);
    tell_room(l);
    if (l->actions.answer)
        l->events->answered(l->context, &l->actions.answered);
    if (l->asked_status)
        tell_status(l);
}

static void schedule(struct ledger *l)
{
    struct instant at = ledger_core_deadline(&l->core);

    if (ledger_core_waits(&l->core))
        at = earlier(at, after_ms(loop_now(l->loop), LEDGER_LEASE_MS));
    if (l->stirred)
        return;
    if (timer_armed(&l->timer))
        at = earlier(at, l->timer.at);
    if (at.ns != NEVER.ns)
        timer_arm(l->loop, &l->timer, at);
}

static void turn(struct ledger *l)
{
    struct ledger_actions *actions = &l->actions;
    bool primary = l->core.role == ENGINE_PRIMARY;
    bool may_act = primary && l->events->may_act(l->context);

    ledger_core_ready(&l->core, may_act, loop_now(l->loop), actions);
    if (actions->unknown)
        tell_unknown(l);
    if (actions->dropped)
        tail_cut(&l->tail, l->core.history.end);
    if (actions->begin)
        put_epoch_record(l);
    if (actions->disk.kind != LEDGER_DISK_NONE)
        ledger_files_do(l, &actions->disk);
    for (uint32_t i = 0; i < actions->sends; i++)
        ledger_links_send(l, &actions->send[i]);
    ledger_ship(l);
    execute(l, may_act);
    drop_durable(l);
    tell(l);
    ledger_copy_turn(l);
    ledger_links_flush(l);
    schedule(l);
}

static void on_timer(struct timer *timer)
{
    struct ledger *l = container_of(timer, struct ledger, timer);

    l->stirred = false;
    if (l->closing) {
        if (!l->peers)
            finish_closing(l);
        return;
    }
    if (!l->failed)
        turn(l);
    else if (l->asked_status)
        tell_status(l);
}

/* ---- what the owner says ---- */

uint64_t ledger_append(struct ledger *l, struct bytes record, uint64_t cookie,
                       enum ledger_refusal *why)
{
    uint64_t position;

    must(cookie != 0 && record.len > 0);
    *why = LEDGER_NOT_PRIMARY;
    if (l->failed || l->closing)
        return 0;
    if (record.len > l->record_max) {
        *why = LEDGER_TOO_LONG;
        return 0;
    }
    if (l->core.role == ENGINE_PRIMARY && !l->events->may_act(l->context)) {
        *why = LEDGER_NO_LEASE;
        return 0;
    }
    if (l->core.role == ENGINE_PRIMARY &&
        tail_after(&l->tail, l->core.committed) + record.len > LEDGER_OPEN_MAX) {
        *why = LEDGER_FULL;
        l->wants_room = true;
        return 0;
    }
    position = ledger_core_append(&l->core, why);
    if (position == 0) {
        l->wants_room |= *why == LEDGER_DISK_FULL;
        return 0;
    }
    must(position == l->tail.next);
    tail_put(&l->tail, record, cookie);
    ledger_stir(l);
    return position;
}

void ledger_order(struct ledger *l, const struct engine_order *order)
{
    if (order->verb == ENGINE_STATUS || l->failed)
        l->asked_status = true;
    else
        ledger_core_order(&l->core, order, loop_now(l->loop));
    ledger_stir(l);
}

void ledger_status(const struct ledger *l, struct engine_status *status)
{
    const struct ledger_receipt *receipt = &l->receipt;

    ledger_core_status(&l->core, status);
    if (receipt->active && receipt->bytes > 0)
        status->progress = receipt->got >= receipt->bytes
                               ? 9999
                               : (uint32_t)(receipt->got * 10000 / receipt->bytes);
    if (status->lag_bytes != UINT64_MAX)
        status->lag_bytes += tail_after(&l->tail, l->core.durable);
    if (!l->failed)
        return;
    status->state = ENGINE_FAILED;
    status->writable = status->linked = false;
    snprintf(status->sentence, sizeof status->sentence, "%.*s", (int)sizeof status->sentence - 1,
             l->err.text);
}

const struct ledger_view *ledger_view(struct ledger *l)
{
    struct ledger_view *view = &l->view;
    const struct ledger_core *core = &l->core;

    *view = (struct ledger_view){
        .role = l->failed ? ENGINE_NEITHER : core->role,
        .writable = !l->failed && ledger_core_writable(core),
        .established = !l->failed && ledger_core_established(core),
        .linked = core->attached,
        .loading = ledger_core_loading(core),
        .diverged = core->spoilt,
        .epoch = core->epoch,
        .primary = core->primary,
        .end = core->history.end,
        .committed = core->committed,
        .executed = core->executed,
        .hash = core->hash,
        .heard = core->role == ENGINE_PRIMARY ? loop_now(l->loop) : core->heard,
        .heard_committed = core->role == ENGINE_PRIMARY ? core->committed : core->heard_committed,
        .open_bytes = tail_after(&l->tail, core->committed),
        .replayed_records = l->replayed_records,
        .replay_us = l->replay_us,
        .copied_bytes = l->copied_bytes,
        .copy_us = l->copy_us,
    };
    return view;
}

void ledger_checkpointed(struct ledger *l, struct position position)
{
    if (position.offset <= l->checkpointed || position.offset > l->core.executed ||
        history_epoch(&l->core.history, position.offset) != position.epoch)
        return;
    l->checkpointed = position.offset;
    ledger_files_trim(l);
}

void ledger_configure(struct ledger *l, const struct ledger_member *members, uint32_t count)
{
    ledger_links_configure(l, members, count);
    ledger_stir(l);
}

void ledger_use_tls(struct ledger *l, struct tls_context *tls)
{
    l->options.tls = tls;
    peers_use_tls(l->peers, tls);
}

/* ---- the start ---- */

static void abandon(struct ledger *l)
{
    jobs_close(l->jobs);
    ledger_files_close(l);
    buf_fini(&l->frame);
    buf_fini(&l->assembly);
    free(l);
}

bool ledger_open(struct ledger **out, const struct ledger_options *options, struct err *err)
{
    struct ledger *l = calloc(1, sizeof *l);
    struct ledger_restored *restored = calloc(1, sizeof *restored);
    struct instant began;
    bool ok;

    must(l && restored);
    must(options->self != 0 && options->events);
    l->options = *options;
    l->events = options->events;
    l->context = options->context;
    l->loop = options->loop;
    snprintf(l->name, sizeof l->name, "%s", options->name);
    snprintf(l->group, sizeof l->group, "%s", options->group);
    timer_init(&l->timer, on_timer);
    began = loop_read_clock(l->loop, LOOP_MONOTONIC);
    ok = ledger_files_open(l, restored, err) && jobs_open(&l->jobs, l->loop, "ledger", err);
    if (ok) {
        ledger_core_init(&l->core, options->self, options->seed, restored);
        if (!restored->meta.copying && l->core.executed < l->core.history.end)
            l->replay.to = l->core.history.end;
        l->replay.read_ns = loop_read_clock(l->loop, LOOP_MONOTONIC).ns - began.ns;
    }
    free(restored);
    if (!ok || !ledger_links_open(l, err)) {
        abandon(l);
        return err_during(err, "open the store's log");
    }
    ledger_links_configure(l, options->members, options->member_count);
    *out = l;
    return true;
}
