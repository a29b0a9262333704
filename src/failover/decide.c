/*
 * Follows the document: what it says decides the phase, and what is missing to the next one is asked for.
 *
 * It never names a primary but from {primary 0}, and never undoes what it sees: an order of events that it did not expect is the document's, and it goes on
 * from there. What it asked for and never heard of is asked again, based on what is there then.
 */
#include "failover/parts.h"

#include "base/must.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void failover_init(struct failover *f, const struct failover_rules *rules)
{
    *f = (struct failover){.rules = *rules,
                           .phase = FAILOVER_STANDING_BY,
                           .idle = NEVER,
                           .unheard = NEVER,
                           .enough_at = NEVER,
                           .lacking_at = NEVER,
                           .record_at = NEVER,
                           .dry_run_at = NEVER,
                           .deadline = NEVER,
                           .walk = {.failed_at = NEVER}};
}

void failover_configure(struct failover *f, const struct failover_rules *rules)
{
    f->rules = *rules;
}

static void check(const struct failover *f)
{
    must(f->phase < FAILOVER_PHASES);
    must(f->order.kind != ORDER_NONE || !f->order_taken);
    must(f->walk.on || f->walk.failed.count == 0);
    must(f->total_count <= FAILOVER_TOTALS_MAX);
    must(f->loss_next < FAILOVER_LOSSES_MAX);
}

/* ---- what all use ---- */

struct failover_action *act(struct step *s, enum failover_action_kind kind)
{
    struct failover_action *action = &s->out->actions[s->out->count];

    must(s->out->count < FAILOVER_ACTIONS_MAX);
    s->out->count++;
    *action = (struct failover_action){.kind = kind};
    return action;
}

void tell(struct step *s, enum fact_code code, uint32_t about, const char *format, ...)
{
    struct failover_action *action = act(s, FAILOVER_TELL);
    va_list arguments;

    action->code = code;
    action->about = about;
    action->epoch = s->view->epoch;
    va_start(arguments, format);
    vsnprintf(action->sentence, sizeof action->sentence, format, arguments);
    va_end(arguments);
}

void move(struct step *s, enum failover_phase to)
{
    if (s->f->phase == to)
        return;
    must(failover_may_move(s->f->phase, to));
    s->f->phase = to;
    s->f->since = s->now;
}

/* As the document says. A leap in it that the table does not have is what a leader meets who begins anew. */
static void settle(struct step *s, enum failover_phase to)
{
    if (s->f->phase != to && !failover_may_move(s->f->phase, to)) {
        walk_drop(s);
        move(s, FAILOVER_STANDING_BY);
    }
    move(s, to);
}

void wake_at(struct step *s, struct instant deadline)
{
    if (!passed(deadline, s->now))
        s->f->deadline = earlier(s->f->deadline, deadline);
}

bool may_propose(const struct step *s)
{
    const struct failover_proposal *p = &s->f->proposal;

    return p->kind == PROPOSE_NOTHING && passed(p->again, s->now);
}

void propose(struct step *s, enum failover_proposal_kind kind, const struct group_body *body,
             bool unclean)
{
    enum failover_action_kind what = kind == PROPOSE_CREATE ? FAILOVER_CREATE : FAILOVER_UPDATE;
    struct failover_action *action = act(s, what);

    must(may_propose(s));
    must(body->primary == 0 || life_set_find(&body->in_sync, body->primary) >= 0);
    action->epoch = what == FAILOVER_CREATE ? 0 : s->view->epoch;
    action->version = what == FAILOVER_CREATE ? 0 : s->view->version;
    action->body = *body;
    action->unclean = unclean;
    s->f->proposal = (struct failover_proposal){
        .kind = kind,
        .version = action->version,
        .until = after_ms(s->now, s->f->rules.lease_ms + s->f->rules.timeout_ms)};
}

void failover_proposed(struct failover *f, bool done, struct instant now)
{
    (void)done; /* the document says what became of it; if it does not change, it is asked again */
    f->proposal = (struct failover_proposal){.again = after_ms(now, f->rules.heartbeat_ms)};
}

static void wait_for_answer(struct step *s)
{
    struct failover_proposal *p = &s->f->proposal;

    if (p->kind != PROPOSE_NOTHING && passed(p->until, s->now))
        *p = (struct failover_proposal){.again = s->now};
    wake_at(s, p->again);
}

static bool acts(const struct step *s)
{
    return !s->view->paused || order_acts(s->f);
}

/* ---- there is no group ---- */

static bool first_fits(const struct failover_member *m)
{
    return m->life.member && m->priority != 0 && !m->maintenance && member_well(m);
}

/* All have said what they have; or those who have not were waited for. */
static bool all_reported(struct step *s)
{
    struct failover *f = s->f;
    uint32_t reported = 0, starting = 0;
    int64_t wait_ms;

    for (uint32_t i = 0; i < s->view->count; i++) {
        const struct failover_member *m = &s->view->members[i];
        bool heard = m->life.member && m->heard && m->health == FAILOVER_ALIVE;
        bool ready = heard && m->report.state != ENGINE_UNKNOWN &&
                     m->report.state != ENGINE_STARTING && !m->report.loading;

        reported += ready;
        starting += heard && !ready;
    }
    if (2 * reported <= s->view->count) {
        f->enough_at = NEVER;
        return false;
    }
    if (f->enough_at.ns == NEVER.ns)
        f->enough_at = s->now;
    /* One whose engine still begins may be the one that has the data. */
    wait_ms = starting ? f->rules.timeout_ms : f->rules.promise_ms;
    wake_at(s, after_ms(f->enough_at, wait_ms));
    return reported == s->view->count || passed(after_ms(f->enough_at, wait_ms), s->now);
}

static bool first_better(const struct failover_member *a, const struct failover_member *b)
{
    int order = position_compare(a->report.position, b->report.position);

    return order ? order > 0 : a->priority > b->priority;
}

static void create(struct step *s)
{
    const struct failover_member *first = NULL;
    struct group_body body = s->view->wanted;

    settle(s, FAILOVER_CREATING);
    if (s->view->paused || !all_reported(s))
        return;
    for (uint32_t i = 0; i < s->view->count; i++)
        if (first_fits(&s->view->members[i]) &&
            (!first || first_better(&s->view->members[i], first)))
            first = &s->view->members[i];
    if (!first || !may_propose(s))
        return;
    body = (struct group_body){.primary = first->life.member,
                               .mode = body.mode,
                               .acks = body.acks,
                               .min_in_sync = body.min_in_sync};
    life_set_put(&body.in_sync, first->life);
    /* Nothing is the same everywhere; other equal positions prove no equal data. */
    for (uint32_t i = 0; first->report.position.offset == 0 && i < s->view->count; i++)
        if (first_fits(&s->view->members[i]))
            life_set_put(&body.in_sync, s->view->members[i].life);
    if (!s->f->walk.on)
        walk_begin(s, CAUSE_FIRST, 0);
    propose(s, PROPOSE_CREATE, &body, false);
}

/* ---- there is no primary ---- */

static void begin_recovery(struct step *s)
{
    struct failover_walk *walk = &s->f->walk;
    uint32_t former = s->f->seen ? s->f->body.primary : 0;
    char text[MEMBER_TEXT_MAX];

    if (!walk->on || (walk->planned && walk->span < SPAN_PROMISE)) {
        enum failover_cause cause = former ? went(s, former) : CAUSE_NONE;

        walk_drop(s);
        walk_begin(s, cause, former);
        walk->known[SPAN_DECIDE] = former != 0;
        walk->span = SPAN_PROMISE;
    }
    walk_to(s, SPAN_PROMISE);
    if (walk->begun || s->view->paused)
        return;
    walk->begun = true;
    tell(s, FACT_FAILOVER_BEGAN, walk->from, "%s is primary no more: %s",
         walk->from ? view_name(s->view, walk->from, text) : "the one before",
         failover_cause_name(walk->cause));
    count_loss(s, walk->from);
}

static void name(struct step *s, const struct elected *e, bool unclean)
{
    struct failover_walk *walk = &s->f->walk;
    struct group_body body;
    uint32_t place;

    if (!may_propose(s))
        return;
    place = orders_choose(s, &e->outlook);
    if (place == NOBODY_WINS) {
        wake_at(s, after_ms(s->now, s->f->rules.heartbeat_ms));
        return;
    }
    body_named(s->f, s->view, place, unclean, &body);
    walk->unclean = unclean;
    walk->lost_bytes = e->outlook.candidates[place].loss_bytes;
    walk_to(s, SPAN_PROMOTE);
    propose(s, PROPOSE_NAME, &body, unclean);
}

static void strand(struct step *s, const char *why)
{
    if (s->f->phase == FAILOVER_STRANDED)
        return;
    if (!passed(after_ms(s->f->since, s->f->rules.timeout_ms), s->now)) {
        wake_at(s, after_ms(s->f->since, s->f->rules.timeout_ms));
        return;
    }
    move(s, FAILOVER_STRANDED);
    tell(s, FACT_FAILOVER_STRANDED, 0, "%s", why);
}

/* May loss be accepted now? Those who can still promise are waited for. */
static bool may_lose(struct step *s, bool pending)
{
    struct failover *f = s->f;
    struct instant by_rule = after_ms(f->lacking_at, f->rules.unclean_after_ms);
    struct instant promised = after_ms(f->lacking_at, f->rules.promise_ms);

    if (pending && !passed(promised, s->now)) {
        wake_at(s, promised);
        return false;
    }
    if (order_accepts_loss(f))
        return true;
    if (!f->rules.unclean || s->view->paused)
        return false;
    wake_at(s, by_rule);
    return passed(by_rule, s->now);
}

static void elect_again(struct step *s, struct elected *e)
{
    struct failover_walk *walk = &s->f->walk;
    struct instant forgiven = after_ms(walk->failed_at, s->f->rules.timeout_ms);

    elect(s->f, s->view, ELECT_NOW, s->now, e);
    if (e->outlook.winner != NOBODY_WINS || walk->failed.count == 0)
        return;
    wake_at(s, forgiven);
    if (!passed(forgiven, s->now))
        return;
    walk->failed = (struct life_set){0}; /* nobody else is left: they are tried again */
    walk->failed_at = NEVER;
    elect(s->f, s->view, ELECT_NOW, s->now, e);
}

static void lack(struct step *s, const struct elected *e)
{
    struct elected unclean;

    s->f->enough_at = NEVER;
    if (s->f->lacking_at.ns == NEVER.ns)
        s->f->lacking_at = s->now;
    strand(s, e->outlook.why_nobody);
    elect(s->f, s->view, ELECT_UNCLEAN, s->now, &unclean);
    if (may_lose(s, unclean.pending) && unclean.outlook.winner != NOBODY_WINS)
        name(s, &unclean, true);
    orders_without_primary(s, e->outlook.why_nobody);
}

static void win(struct step *s, const struct elected *e)
{
    struct failover *f = s->f;
    const struct failover_member *m = &s->view->members[e->outlook.winner];
    struct instant waited, delayed;

    f->lacking_at = NEVER;
    settle(s, FAILOVER_PROMISING);
    if (f->enough_at.ns == NEVER.ns)
        f->enough_at = s->now;
    waited = after_ms(f->enough_at, f->rules.promise_ms);
    delayed = after_ms(f->walk.noticed, f->rules.delay_ms[f->walk.cause]);
    orders_without_primary(s, "");
    if (e->pending && !passed(waited, s->now))
        wake_at(s, waited);
    else if (m->life.member != f->walk.from && !passed(delayed, s->now) && !order_acts(f))
        wake_at(s, delayed); /* the former one is given so long to come back */
    else
        name(s, e, false);
}

static void recover(struct step *s)
{
    struct elected e;

    if (s->f->phase != FAILOVER_STRANDED)
        settle(s, FAILOVER_PROMISING);
    begin_recovery(s);
    if (!acts(s)) {
        orders_without_primary(s, "failover is paused by an operator");
        return;
    }
    elect_again(s, &e);
    if (e.outlook.winner == NOBODY_WINS)
        lack(s, &e);
    else
        win(s, &e);
}

/* ---- there is a primary, and something is wrong with it ---- */

static bool others_hold(const struct failover_view *view)
{
    struct group_body body;

    body_isolated(view, &body);
    return body.in_sync.count + (body.mode == GROUP_SYNC ? body.eligible.count : 0) > 0;
}

static void isolate(struct step *s)
{
    struct group_body body;

    move(s, FAILOVER_ISOLATING);
    if (!may_propose(s))
        return;
    walk_to(s, SPAN_FENCE);
    body_isolated(s->view, &body);
    propose(s, PROPOSE_ISOLATE, &body, false);
}

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/*
 * Its agent began again: it may say within a lease that its engine has all that it had. If nobody else has it, it alone can, and only those who accept loss go
 * on without it.
 */
static struct instant due_at(const struct step *s, enum failover_cause cause, bool reborn)
{
    const struct failover *f = s->f;
    bool alone = reborn && !others_hold(s->view);
    int64_t delay_ms = f->phase == FAILOVER_SWITCHING ? 0 : f->rules.delay_ms[cause];

    if (order_acts(f) && (!alone || order_accepts_loss(f)))
        return s->now;
    if (alone && !f->rules.unclean)
        return NEVER;
    if (alone)
        delay_ms = longer(delay_ms, f->rules.unclean_after_ms);
    if (reborn)
        delay_ms = longer(delay_ms, f->rules.lease_ms);
    return after_ms(f->walk.noticed, delay_ms);
}

static void fail_over(struct step *s, enum failover_cause cause, bool reborn)
{
    struct failover_walk *walk = &s->f->walk;
    uint32_t primary = s->view->body.primary;
    struct instant due;

    if (s->f->phase != FAILOVER_ISOLATING && !failover_may_move(s->f->phase, FAILOVER_ISOLATING))
        settle(s, FAILOVER_WATCHING);
    if (!walk->on || walk->planned) {
        walk_drop(s);
        walk_begin(s, cause, primary);
        walk->planned = false;
    }
    walk->cause = cause;
    due = due_at(s, cause, reborn);
    if (passed(due, s->now) || s->f->proposal.kind == PROPOSE_ISOLATE) {
        isolate(s);
        return;
    }
    settle(s, FAILOVER_DELAYING);
    wake_at(s, due.ns == NEVER.ns ? after_ms(s->now, s->f->rules.timeout_ms) : due);
}

/* ---- the primary does not serve yet ---- */

static void begin_promotion(struct step *s)
{
    struct failover_walk *walk = &s->f->walk;

    if (!walk->on) {
        walk_begin(s, CAUSE_NONE, 0);
        walk->span = SPAN_PROMOTE;
        walk->epoch = 0;
    }
    if (walk->unclean && s->f->epoch != s->view->epoch) {
        char text[MEMBER_TEXT_MAX];

        tell(s, FACT_FAILOVER_UNCLEAN, s->view->body.primary,
             walk->lost_bytes == UINT64_MAX
                 ? "%s is primary by choice of people: nobody knows how much is missing"
                 : "%s is primary by choice of people: about %" PRIu64 " bytes may be missing",
             view_name(s->view, s->view->body.primary, text), walk->lost_bytes);
    }
}

static bool is_promoted(const struct failover_view *view)
{
    uint32_t place = view_place(view, view->body.primary);
    const struct failover_member *m = place == NOBODY_WINS ? NULL : &view->members[place];

    return m && m->heard && m->report.epoch == view->epoch && m->report.role == ENGINE_PRIMARY;
}

static void candidate_failed(struct step *s, enum failover_cause cause, bool late)
{
    struct failover_walk *walk = &s->f->walk;
    struct life primary = group_primary(&s->view->body);
    uint32_t place = view_place(s->view, primary.member);
    char text[MEMBER_TEXT_MAX];
    const char *why = place == NOBODY_WINS ? "" : s->view->members[place].report.sentence;

    if (!may_propose(s) || life_set_has(&walk->failed, primary))
        return;
    life_set_put(&walk->failed, primary);
    walk->failed_at = s->now;
    tell(s, FACT_CANDIDATE_FAILED, primary.member, "%s did not take over: %s%s%.80s",
         view_name(s->view, primary.member, text),
         late ? "it answered no write in time" : failover_cause_name(cause), why[0] ? ": " : "",
         why);
    count_loss(s, primary.member);
}

static void promote(struct step *s)
{
    struct failover *f = s->f;
    struct instant late = after_ms(f->named_at, f->rules.timeout_ms);
    bool reborn;
    enum failover_cause cause = failing(s, &reborn);

    begin_promotion(s);
    if (order_acts(f))
        orders_without_primary(s, "");
    if (cause == CAUSE_NONE && passed(late, s->now))
        cause = CAUSE_REFUSED;
    if (cause == CAUSE_NONE || !acts(s)) {
        settle(s, FAILOVER_PROMOTING);
        walk_to(s,
                f->walk.span == SPAN_VERIFY || is_promoted(s->view) ? SPAN_VERIFY : SPAN_PROMOTE);
        wake_at(s, late);
        return;
    }
    if (f->phase != FAILOVER_ISOLATING)
        settle(s, FAILOVER_PROMOTING);
    candidate_failed(s, cause, passed(late, s->now));
    isolate(s);
}

/* ---- the primary serves ---- */

static void switching(struct step *s)
{
    struct group_body body = s->view->body;
    struct instant late;

    settle(s, FAILOVER_SWITCHING);
    if (!s->f->walk.on)
        walk_begin(s, CAUSE_SWITCHOVER, body.primary);
    walk_to(s, SPAN_FENCE);
    late = after_ms(s->f->since, s->f->rules.timeout_ms);
    wake_at(s, late);
    if (!passed(late, s->now) || !may_propose(s))
        return;
    body.target = 0;
    propose(s, PROPOSE_UNTARGET, &body, false);
}

static void tell_outlook(struct step *s, const struct failover_outlook *outlook)
{
    uint32_t winner = outlook->winner;
    char loss[64] = "nothing that was acknowledged would be lost";

    if (winner == NOBODY_WINS) {
        tell(s, FACT_FAILOVER_DRY_RUN, 0, "nobody would take over: %s", outlook->why_nobody);
        return;
    }
    if (outlook->loss_bytes == UINT64_MAX)
        snprintf(loss, sizeof loss, "nobody knows how much would be lost");
    else if (outlook->loss_bytes > 0)
        snprintf(loss, sizeof loss, "about %" PRIu64 " bytes would be lost", outlook->loss_bytes);
    tell(s, FACT_FAILOVER_DRY_RUN, s->view->members[winner].life.member,
         "%s would take over within about %" PRId64 " ms, and %s", s->view->members[winner].name,
         outlook->expected_ms, loss);
}

static void dry_run(struct step *s)
{
    struct failover *f = s->f;
    struct failover_action *action;
    struct elected e;

    if (f->rules.dry_run_ms == 0)
        return;
    if (f->dry_run_at.ns == NEVER.ns)
        f->dry_run_at = after_ms(s->now, f->rules.dry_run_ms);
    if (passed(f->dry_run_at, s->now)) {
        f->dry_run_at = after_ms(s->now, f->rules.dry_run_ms);
        elect(f, s->view, ELECT_OUTLOOK, s->now, &e);
        tell_outlook(s, &e.outlook);
        action = &s->out->actions[s->out->count - 1];
        action->record = (struct failover_record){.to = action->about,
                                                  .from = s->view->body.primary,
                                                  .total_ms = e.outlook.expected_ms,
                                                  .lost_bytes = e.outlook.loss_bytes};
    }
    wake_at(s, f->dry_run_at);
}

static void watch(struct step *s)
{
    struct group_body body;

    if (!order_isolates(s))
        settle(s, FAILOVER_WATCHING);
    if (s->f->seen && s->f->body.target && s->f->body.primary == s->view->body.primary) {
        walk_drop(s);
        orders_given_up(s);
    }
    orders_step(s);
    if (order_isolates(s)) {
        fail_over(s, CAUSE_OPERATOR, false);
        return;
    }
    settle(s, FAILOVER_WATCHING); /* when that order was answered just now */
    if (may_propose(s) && body_settled(s->view, &body))
        propose(s, PROPOSE_SETTLE, &body, false);
    dry_run(s);
}

static void leave_unwell(struct step *s, enum failover_cause cause)
{
    settle(s, s->view->body.target ? FAILOVER_SWITCHING : FAILOVER_WATCHING);
    orders_unwell(s, cause);
}

static void serve(struct step *s)
{
    struct failover_walk *walk = &s->f->walk;
    bool reborn;
    enum failover_cause cause = failing(s, &reborn);

    if (walk->on && walk->epoch != s->view->epoch) {
        settle(s, FAILOVER_WATCHING);
        walk_finish(s);
        orders_served(s);
    }
    if (cause != CAUSE_NONE && acts(s))
        orders_failing(s, cause);
    if (cause != CAUSE_NONE && acts(s)) {
        fail_over(s, cause, reborn);
        return;
    }
    if (walk->on && !walk->planned && !order_isolates(s))
        walk_drop(s);
    if (cause != CAUSE_NONE) /* paused: what is wrong with the primary is left as it is */
        leave_unwell(s, cause);
    else if (s->view->body.target)
        switching(s);
    else
        watch(s);
}

/* ---- a step ---- */

static void notice(struct step *s)
{
    struct failover *f = s->f;
    const struct group_body *body = &s->view->body;

    if (!f->seen || f->epoch != s->view->epoch || f->body.primary != body->primary) {
        f->named_at = s->now;
        f->idle = f->unheard = NEVER;
    }
    if (!f->seen)
        return;
    if (f->paused != s->view->paused)
        tell(s, s->view->paused ? FACT_FAILOVER_PAUSED : FACT_FAILOVER_RESUMED, 0,
             s->view->paused ? "failover is paused: nobody replaces the primary if it fails"
                             : "failover works again");
    if (f->version == s->view->version)
        return;
    f->proposal.again = s->now;
    if (f->version && s->view->exists &&
        (f->body.mode != body->mode || f->body.acks != body->acks ||
         f->body.min_in_sync != body->min_in_sync))
        tell(s, FACT_MODE_CHANGED, 0, "the mode is %s, acks %u, min_in_sync %u",
             group_mode_name((enum group_mode)body->mode), body->acks, body->min_in_sync);
}

static void follow(struct step *s)
{
    const struct group_body *body = &s->view->body;

    notice(s);
    if (body->primary || !s->view->exists)
        s->f->last = body->primary;
    wait_for_answer(s);
    remember(s);
    if (body->primary || !s->view->exists)
        s->f->lacking_at = NEVER;
    if (body->primary)
        s->f->enough_at = NEVER;
    if (!s->view->exists)
        create(s);
    else if (body->primary == 0)
        recover(s);
    else if (!body->serving)
        promote(s);
    else
        serve(s);
}

static void stand_by(struct step *s)
{
    struct failover *f = s->f;

    if (f->order.kind != ORDER_NONE)
        answer(s, false, "this node does not lead the cluster (any more): ask again");
    move(s, FAILOVER_STANDING_BY);
    walk_drop(s);
    f->proposal = (struct failover_proposal){0};
    f->last = 0;
    f->well_at = (struct instant){0};
    f->idle = f->unheard = f->enough_at = f->lacking_at = f->dry_run_at = NEVER;
    f->record_at = f->record_at.ns == NEVER.ns ? NEVER : s->now; /* it is told as it is */
}

static void refuse_too_many(struct step *s)
{
    struct failover_action *action;

    if (!s->f->too_many_waits)
        return;
    action = act(s, FAILOVER_ANSWER);
    action->number = s->f->too_many;
    snprintf(action->sentence, sizeof action->sentence, "another order is under way");
    s->f->too_many_waits = false;
}

void failover_step(struct failover *f, const struct failover_view *view, struct instant now,
                   struct failover_actions *out)
{
    struct step s = {f, view, now, out};

    must(view->count <= GROUP_MEMBERS_MAX);
    check(f);
    out->count = 0;
    f->deadline = NEVER;
    refuse_too_many(&s);
    if (view->able)
        follow(&s);
    else
        stand_by(&s);
    walk_record(&s);
    if (f->proposal.kind != PROPOSE_NOTHING)
        wake_at(&s, f->proposal.until);
    /* What only the words of others can change is looked at again, too. */
    if (f->phase != FAILOVER_WATCHING && f->phase != FAILOVER_STANDING_BY)
        wake_at(&s, after_ms(now, f->rules.timeout_ms));
    f->seen = view->able;
    f->paused = view->paused;
    f->epoch = view->exists ? view->epoch : 0;
    f->version = view->exists ? view->version : 0;
    f->body = view->body;
    check(f);
}

struct instant failover_next_deadline(const struct failover *f)
{
    return f->deadline;
}

enum failover_phase failover_phase_of(const struct failover *f)
{
    return f->phase;
}

void failover_outlook(const struct failover *f, const struct failover_view *view,
                      struct instant now, struct failover_outlook *out)
{
    struct elected e;

    elect(f, view, view->exists && view->body.primary ? ELECT_OUTLOOK : ELECT_NOW, now, &e);
    *out = e.outlook;
}
