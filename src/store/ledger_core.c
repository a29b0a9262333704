#include "store/ledger_parts.h"

#include "base/hash.h"

#include <stdio.h>

enum { WRITE_POSITIONS_MAX = 4096 };

static void check(const struct ledger_core *core)
{
    must(core->durable <= core->history.end);
    must(core->committed <= core->durable);
    must(core->executed <= core->committed);
    must(core->wanted.promised >= core->meta.promised);
    must((core->role == ENGINE_NEITHER) == (core->epoch == 0));
    must(core->role == ENGINE_NEITHER || core->epoch <= core->wanted.promised);
    must(core->role != ENGINE_PRIMARY || core->primary == core->self);
    must(core->role != ENGINE_PRIMARY || !core->wanted.copying);
    must(!core->attached || core->role == ENGINE_SECONDARY);
    must(history_last(&core->history).epoch <= core->meta.promised ||
         core->history.end == core->history.base.offset);
}

void ledger_core_init(struct ledger_core *core, uint32_t self, uint64_t seed,
                      const struct ledger_restored *restored)
{
    *core = (struct ledger_core){.self = self,
                                 .meta = restored->meta,
                                 .wanted = restored->meta,
                                 .history = restored->history};
    rng_seed(&core->rng, seed);
    if (restored->meta.copying) {
        history_init(&core->history, (struct position){0});
        return;
    }
    core->durable = core->history.end;
    core->executed = core->committed = restored->state.position.offset;
    core->hash = restored->state.hash;
    check(core);
}

void ledger_say(struct ledger_core *core, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(core->sentence, sizeof core->sentence, format, arguments);
    va_end(arguments);
}

bool ledger_is_primary(const struct ledger_core *core)
{
    return core->role == ENGINE_PRIMARY;
}

bool ledger_settled(const struct ledger_core *core)
{
    return core->disk.kind == LEDGER_DISK_NONE && core->durable == core->history.end;
}

void ledger_step_down(struct ledger_core *core)
{
    core->changed |= core->role != ENGINE_NEITHER;
    core->unknown |= ledger_is_primary(core);
    core->role = ENGINE_NEITHER;
    core->epoch = 0;
    core->primary = 0;
    core->draining = false;
    core->attached = core->confirm_due = false;
    core->session = core->told = 0;
    core->verdict = LEDGER_NO_VERDICT;
    if (core->copy != LEDGER_COPY_WHOLE)
        core->copy = LEDGER_COPY_NONE;
    for (uint32_t i = 0; i < core->follower_count; i++)
        core->followers[i].attached = false;
}

void ledger_spoil(struct ledger_core *core, uint64_t position)
{
    core->spoilt = core->changed = true;
    core->wanted.copying = true;
    core->attached = core->confirm_due = false;
    core->session = core->told = 0;
    core->verdict = LEDGER_BEHIND;
    ledger_say(core,
               "it has diverged: at position %llu it had executed something else than its "
               "primary; only a copy helps",
               (unsigned long long)position);
}

/* ---- who the others are ---- */

void ledger_core_members(struct ledger_core *core, const uint32_t members[], uint32_t count)
{
    struct ledger_follower known[LEDGER_MEMBERS_MAX];

    must(count < LEDGER_MEMBERS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const struct ledger_follower *old = ledger_core_follower(core, members[i]);

        must(members[i] != 0 && members[i] != core->self);
        known[i] = old ? *old : (struct ledger_follower){.member = members[i]};
    }
    memcpy(core->followers, known, count * sizeof known[0]);
    core->follower_count = count;
}

void ledger_core_link(struct ledger_core *core, uint32_t member, bool up)
{
    struct ledger_follower *follower = ledger_core_follower(core, member);

    if (!follower)
        return;
    follower->linked = up;
    follower->attached = false;
    if (core->role == ENGINE_SECONDARY && core->primary == member) {
        core->changed |= core->attached;
        core->attached = core->confirm_due = false;
        core->session = core->told = 0;
        if (core->verdict == LEDGER_ATTACHED)
            core->verdict = LEDGER_NO_VERDICT;
        core->ask_at = (struct instant){0};
        if (core->copy == LEDGER_COPY_COMES)
            core->copy = LEDGER_COPY_ASKS;
    }
}

/* ---- what happens ---- */

bool ledger_core_writable(const struct ledger_core *core)
{
    return ledger_is_primary(core) && !core->draining && !core->full;
}

bool ledger_core_established(const struct ledger_core *core)
{
    return ledger_is_primary(core) && core->executed >= core->start;
}

uint64_t ledger_core_append(struct ledger_core *core, enum ledger_refusal *why)
{
    *why = !ledger_is_primary(core) ? LEDGER_NOT_PRIMARY
           : core->draining         ? LEDGER_HANDING_OVER
           : core->full             ? LEDGER_DISK_FULL
                                    : LEDGER_TAKEN;
    if (*why != LEDGER_TAKEN)
        return 0;
    history_extend(&core->history, core->epoch, core->history.end + 1);
    return core->history.end;
}

void ledger_core_receive(struct ledger_core *core, const struct ledger_message *message,
                         const struct history *theirs, struct instant now, uint64_t *taken)
{
    *taken = 0;
    if (ledger_is_primary(core) && message->epoch > core->epoch) {
        ledger_step_down(core);
        ledger_say(core, "member %u acts in the epoch %llu: this one was deposed", message->from,
                   (unsigned long long)message->epoch);
    }
    switch (message->type) {
    case LEDGER_ATTACH:
        ledger_trail_attach(core, message, now);
        break;
    case LEDGER_RECORDS:
        *taken = ledger_trail_records(core, message, now);
        break;
    case LEDGER_BEAT:
        ledger_trail_beat(core, message, now);
        break;
    case LEDGER_CONFIRM:
        ledger_lead_confirm(core, message, now);
        break;
    case LEDGER_FOLLOW:
        if (theirs && core->reply_count < LEDGER_MEMBERS_MAX)
            ledger_lead_follow(core, message, theirs, now, &core->replies[core->reply_count++]);
        break;
    case LEDGER_COPY:
        ledger_lead_empty(core, message);
        break;
    default:
        break;
    }
    check(core);
}

void ledger_core_executed(struct ledger_core *core, struct bytes record, uint64_t digest)
{
    struct ledger_mark mark;

    must(core->executed < core->committed);
    core->executed++;
    core->hash = hash_bytes(digest ? hash_number(core->hash, digest) : core->hash, record);
    if (ledger_is_primary(core) && core->executed == core->start)
        ledger_lead_started(core);
    mark = (struct ledger_mark){core->executed, core->hash};
    if (core->executed % LEDGER_MARK_EVERY == 0)
        core->marks[core->executed / LEDGER_MARK_EVERY % LEDGER_MARKS] = mark;
    if (core->expected.position == core->executed && core->role == ENGINE_SECONDARY)
        ledger_trail_compare(core, &core->expected);
}

void ledger_core_dropped(struct ledger_core *core, uint64_t before)
{
    must(before <= core->executed + 1);
    history_drop(&core->history, before);
    for (uint32_t i = 0; i < core->follower_count; i++)
        if (core->followers[i].sent < core->history.base.offset)
            core->followers[i].attached = false;
}

/* ---- copies ---- */

bool ledger_core_copy_begun(struct ledger_core *core, uint64_t session)
{
    if (core->copy != LEDGER_COPY_ASKS || session != core->session || session == 0)
        return false;
    core->copy = LEDGER_COPY_COMES;
    return true;
}

void ledger_core_copy_installed(struct ledger_core *core, const struct history *history,
                                uint64_t hash)
{
    must(core->copy == LEDGER_COPY_COMES);
    core->copy = LEDGER_COPY_WHOLE;
    core->copied = *history;
    core->copied_hash = hash;
}

void ledger_core_copy_failed(struct ledger_core *core, const char *sentence, struct instant now)
{
    (void)now;
    if (core->copy != LEDGER_COPY_COMES && core->copy != LEDGER_COPY_ASKS)
        return;
    core->copy = LEDGER_COPY_NONE;
    core->session = 0;
    ledger_say(core, "%s", sentence);
}

static void begin_anew(struct ledger_core *core)
{
    history_init(&core->history, core->meta.base);
    core->durable = core->committed = core->executed = core->history.end;
    core->hash = core->copied_hash;
    core->expected = (struct ledger_mark){0};
    memset(core->marks, 0, sizeof core->marks);
    core->spoilt = false;
    core->aside = 0;
    core->copy = LEDGER_COPY_NONE;
    core->copied_in = core->epoch;
    core->verdict = LEDGER_NO_VERDICT;
    core->session = 0;
    core->ask_at = (struct instant){0};
    core->changed = true;
}

/* ---- the disk ---- */

static void disk_full(struct ledger_core *core, struct instant now)
{
    core->changed |= !core->full;
    core->full = true;
    core->again_at = after_ms(now, LEDGER_FULL_MS);
    ledger_say(core, "its disk is full");
}

static void has_room(struct ledger_core *core)
{
    if (!core->full)
        return;
    core->full = false;
    core->changed = true;
    core->sentence[0] = '\0';
}

void ledger_core_disk_done(struct ledger_core *core, enum ledger_end end, struct instant now)
{
    struct ledger_disk disk = core->disk;

    must(disk.kind != LEDGER_DISK_NONE);
    core->disk = (struct ledger_disk){0};
    if (end == LEDGER_NO_SPACE) {
        disk_full(core, now);
        return;
    }
    has_room(core);
    switch ((enum ledger_disk_kind)disk.kind) {
    case LEDGER_DISK_WRITE:
        must(disk.from == core->durable + 1 && disk.to <= core->history.end);
        core->durable = disk.to;
        core->confirm_due |= core->attached;
        ledger_trail_know(core);
        break;
    case LEDGER_DISK_CUT:
        history_cut(&core->history, disk.to);
        core->durable = disk.to;
        core->aside = 0;
        core->verdict = LEDGER_NO_VERDICT;
        core->ask_at = (struct instant){0};
        break;
    case LEDGER_DISK_RESET:
        /* What was promised meanwhile is still wanted. */
        core->meta = disk.meta;
        core->wanted.copying = false;
        core->wanted.base = disk.meta.base;
        begin_anew(core);
        break;
    case LEDGER_DISK_META:
        core->meta = disk.meta;
        break;
    case LEDGER_DISK_NONE:
        break;
    }
    check(core);
}

static bool meta_equal(const struct ledger_meta *a, const struct ledger_meta *b)
{
    return a->promised == b->promised && a->led == b->led && a->copying == b->copying &&
           position_compare(a->base, b->base) == 0;
}

static void want_reset(struct ledger_core *core, struct ledger_disk *disk)
{
    struct position last = history_last(&core->copied);

    *disk = (struct ledger_disk){
        .kind = LEDGER_DISK_RESET, .from = core->aside, .to = last.offset, .meta = core->wanted};
    disk->meta.copying = false;
    disk->meta.base = last;
}

static void want_write(struct ledger_core *core, struct ledger_disk *disk)
{
    uint64_t to = core->history.end;

    if (to - core->durable > WRITE_POSITIONS_MAX)
        to = core->durable + WRITE_POSITIONS_MAX;
    *disk = (struct ledger_disk){.kind = LEDGER_DISK_WRITE, .from = core->durable + 1, .to = to};
}

/* What is nobody's any more and does not fit on the disk is given up: it was never durable, so it never counted. */
static void drop_undurable(struct ledger_core *core, struct ledger_actions *actions)
{
    if (!core->full || core->disk.kind != LEDGER_DISK_NONE || ledger_is_primary(core) ||
        core->attached || core->durable == core->history.end)
        return;
    core->spent |= history_epoch(&core->history, core->history.end) == core->led;
    history_cut(&core->history, core->durable);
    actions->dropped = true;
}

static void want_disk(struct ledger_core *core, struct instant now, struct ledger_actions *actions)
{
    struct ledger_disk disk = {0};
    uint64_t after;

    if (core->disk.kind != LEDGER_DISK_NONE || (core->full && !passed(core->again_at, now)))
        return;
    if (core->copy == LEDGER_COPY_WHOLE)
        want_reset(core, &disk);
    else if (!meta_equal(&core->meta, &core->wanted))
        disk = (struct ledger_disk){.kind = LEDGER_DISK_META, .meta = core->wanted};
    else if (ledger_orders_cut(core, &after))
        disk = (struct ledger_disk){.kind = LEDGER_DISK_CUT, .from = after + 1, .to = after};
    else if (core->durable < core->history.end)
        want_write(core, &disk);
    else
        has_room(core);
    core->disk = actions->disk = disk;
}

/* ---- the turn ---- */

static void hand_over_replies(struct ledger_core *core, struct ledger_actions *actions)
{
    for (uint32_t i = 0; i < core->reply_count; i++)
        actions->send[actions->sends++] = core->replies[i];
    core->reply_count = 0;
}

static void hand_over_words(struct ledger_core *core, struct ledger_actions *actions)
{
    actions->unknown = core->unknown;
    actions->changed = core->changed;
    core->unknown = core->changed = false;
}

void ledger_core_ready(struct ledger_core *core, bool may_act, struct instant now,
                       struct ledger_actions *actions)
{
    check(core);
    actions->begin = actions->answer = actions->dropped = false;
    actions->disk.kind = LEDGER_DISK_NONE;
    actions->sends = 0;
    core->leased = may_act;
    hand_over_replies(core, actions);
    drop_undurable(core, actions);
    ledger_orders_step(core, now, actions);
    want_disk(core, now, actions);
    if (may_act && ledger_lead_could_commit(core))
        ledger_lead_commit(core);
    ledger_lead_beat(core, now, actions);
    ledger_trail_ask(core, now, actions);
    actions->ship_to = core->disk.kind == LEDGER_DISK_WRITE ? core->disk.to : core->durable;
    actions->execute_to = ledger_core_loading(core) ? core->executed : core->committed;
    hand_over_words(core, actions);
    check(core);
}

bool ledger_core_waits(const struct ledger_core *core)
{
    return ledger_lead_could_commit(core);
}

struct instant ledger_core_deadline(const struct ledger_core *core)
{
    struct instant next = earlier(ledger_lead_deadline(core), ledger_trail_deadline(core));

    if (core->stage != LEDGER_STAGE_IDLE)
        next = earlier(next, core->order_until);
    if (core->full)
        next = earlier(next, core->again_at);
    return next;
}

/* ---- how it is ---- */

static uint32_t list_followers(const struct ledger_core *core, struct engine_follower *out)
{
    for (uint32_t i = 0; i < core->follower_count; i++) {
        const struct ledger_follower *follower = &core->followers[i];
        uint64_t position = follower->attached ? follower->confirmed : 0;

        out[i] =
            (struct engine_follower){.member = follower->member, .attached = follower->attached};
        if (history_epoch(&core->history, position) > 0)
            out[i].position = (struct position){history_epoch(&core->history, position), position};
    }
    return core->follower_count;
}

void ledger_core_status(const struct ledger_core *core, struct engine_status *status)
{
    *status = (struct engine_status){
        .state = ENGINE_RUNNING,
        .role = core->role,
        .writable = ledger_core_writable(core),
        .linked = core->attached,
        .loading = ledger_core_loading(core),
        .epoch = core->epoch,
        .promised = core->meta.promised,
        .primary = core->role == ENGINE_SECONDARY ? core->primary : 0,
        .lag_bytes = core->attached ? core->lag_bytes : UINT64_MAX,
    };
    if (!ledger_core_loading(core))
        status->position =
            (struct position){history_epoch(&core->history, core->durable), core->durable};
    if (ledger_is_primary(core))
        status->follower_count = list_followers(core, status->followers);
    snprintf(status->sentence, sizeof status->sentence, "%s", core->sentence);
}
