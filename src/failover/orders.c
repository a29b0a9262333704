/*
 * What people ask for, and what a node that is to be left asks for by itself: another primary, with the old one's help.
 */
#include "failover/parts.h"

#include "base/must.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void answer(struct step *s, bool done, const char *format, ...)
{
    struct failover_action *action = act(s, FAILOVER_ANSWER);
    va_list arguments;

    must(s->f->order.kind != ORDER_NONE);
    action->number = s->f->order.number;
    action->done = done;
    va_start(arguments, format);
    vsnprintf(action->sentence, sizeof action->sentence, format, arguments);
    va_end(arguments);
    s->f->order = (struct failover_order){.kind = ORDER_NONE};
    s->f->order_taken = false;
    s->f->order_member = 0;
}

bool order_acts(const struct failover *f)
{
    return f->order.kind == ORDER_FAILOVER;
}

bool order_accepts_loss(const struct failover *f)
{
    return f->order.kind == ORDER_FAILOVER && f->order.accept_loss;
}

/* Taken without a member to hand over to. */
bool order_isolates(const struct step *s)
{
    return order_accepts_loss(s->f) && s->f->order_taken && s->f->order_member == 0;
}

static bool order_late(const struct step *s)
{
    return passed(after_ms(s->f->order_at, s->f->rules.timeout_ms), s->now);
}

static const char *primary_name(const struct step *s, char *text)
{
    return view_name(s->view, s->view->body.primary, text);
}

/* ---- a target ---- */

static void propose_target(struct step *s, enum failover_cause cause, uint32_t member)
{
    struct group_body body = s->view->body;

    /* It may have left the set since it was chosen, and come back in time. */
    if (!may_propose(s) || life_set_find(&body.in_sync, member) < 0)
        return;
    if (!s->f->walk.on)
        walk_begin(s, cause, body.primary);
    body.target = member;
    propose(s, PROPOSE_TARGET, &body, false);
}

/* ---- an order ---- */

/* Whom it names is a member from now on, since places change with the file. False: there is no such member, and that is answered. */
static bool pin(struct step *s)
{
    struct failover *f = s->f;

    if (f->order.to == UINT32_MAX || f->order_member != 0)
        return true;
    if (f->order.to >= s->view->count)
        answer(s, false, "the group has no such member");
    else if (s->view->members[f->order.to].life.member == 0)
        answer(s, false, "%s is no member of the cluster yet", s->view->members[f->order.to].name);
    else
        f->order_member = s->view->members[f->order.to].life.member;
    return f->order_member != 0;
}

/* To whom; 0: to nobody, and it is answered. */
static uint32_t choose(struct step *s, const struct elected *e)
{
    struct failover *f = s->f;
    uint32_t place = f->order.to == UINT32_MAX ? e->outlook.winner : f->order.to;
    const struct failover_member *m;

    if (place == NOBODY_WINS) {
        answer(s, false, "nobody can take over: %s", e->outlook.why_nobody);
        return 0;
    }
    if (place >= s->view->count) {
        answer(s, false, "the group has no such member");
        return 0;
    }
    m = &s->view->members[place];
    if (!e->outlook.candidates[place].eligible) {
        answer(s, false, "%s %s", m->name, e->outlook.candidates[place].why);
        return 0;
    }
    return m->life.member;
}

/* Whoever is not there would not be chosen either when the primary is gone. */
static bool names_the_absent(const struct step *s)
{
    uint32_t to = s->f->order.to;

    return to != UINT32_MAX && (to >= s->view->count || !member_well(&s->view->members[to]));
}

static void take(struct step *s)
{
    struct failover *f = s->f;
    char text[MEMBER_TEXT_MAX];
    struct elected e;

    elect(f, s->view, ELECT_HANDOVER, s->now, &e);
    if (f->order.kind == ORDER_FAILOVER && e.outlook.winner == NOBODY_WINS) {
        if (names_the_absent(s))
            (void)choose(s, &e);
        else if (f->order.accept_loss)
            f->order_taken = true;
        else
            answer(s, false, "%s is there, and nobody could follow it without loss: %s",
                   primary_name(s, text), e.outlook.why_nobody);
        return;
    }
    f->order_member = choose(s, &e);
    f->order_taken = f->order_member != 0;
}

static void follow_order(struct step *s)
{
    struct failover *f = s->f;
    char text[MEMBER_TEXT_MAX];

    if (!f->order_taken)
        take(s);
    if (!f->order_taken)
        return;
    if (order_late(s)) {
        walk_drop(s);
        answer(s, false,
               f->order_member ? "%s did not hand over in time"
                               : "%s is alive and keeps its lease: stop its node first",
               primary_name(s, text));
        return;
    }
    wake_at(s, after_ms(f->order_at, f->rules.timeout_ms));
    if (f->order_member)
        propose_target(s, f->order.kind == ORDER_SWITCHOVER ? CAUSE_SWITCHOVER : CAUSE_OPERATOR,
                       f->order_member);
}

/* ---- by itself ---- */

static bool leaves(const struct step *s)
{
    uint32_t place = view_place(s->view, s->view->body.primary);

    return place == NOBODY_WINS || s->view->members[place].maintenance;
}

static void leave(struct step *s)
{
    struct elected e;

    if (!leaves(s) || s->view->paused)
        return;
    wake_at(s, s->f->leave_at);
    if (!passed(s->f->leave_at, s->now))
        return;
    elect(s->f, s->view, ELECT_HANDOVER, s->now, &e);
    if (e.outlook.winner != NOBODY_WINS)
        propose_target(s, CAUSE_MAINTENANCE, s->view->members[e.outlook.winner].life.member);
}

void orders_step(struct step *s)
{
    if (s->f->order.kind != ORDER_NONE)
        follow_order(s);
    else
        leave(s);
}

/* ---- how it ended ---- */

void orders_unwell(struct step *s, enum failover_cause cause)
{
    char text[MEMBER_TEXT_MAX];

    if (s->f->order.kind != ORDER_NONE)
        answer(s, false, "%s cannot hand over: %s, and failover is paused", primary_name(s, text),
               failover_cause_name(cause));
}

void orders_failing(struct step *s, enum failover_cause cause)
{
    struct failover *f = s->f;
    char text[MEMBER_TEXT_MAX];

    if (f->order.kind == ORDER_NONE)
        return;
    if (f->order.kind == ORDER_SWITCHOVER && !f->order_taken)
        answer(s, false, "%s cannot hand over: %s", primary_name(s, text),
               failover_cause_name(cause));
    else if (order_late(s))
        answer(s, false, "%s was not replaced in time: %s", primary_name(s, text),
               failover_cause_name(cause));
    else
        wake_at(s, after_ms(f->order_at, f->rules.timeout_ms));
}

/* What the primary says of it, where that has been heard. */
void orders_given_up(struct step *s)
{
    uint32_t place = view_place(s->view, s->view->body.primary);
    char text[MEMBER_TEXT_MAX], other[MEMBER_TEXT_MAX];
    const char *name = primary_name(s, text);
    const char *target = view_name(s->view, s->f->body.target, other);
    const char *why = place == NOBODY_WINS ? "" : s->view->members[place].report.sentence;

    tell(s, FACT_SWITCHOVER_FAILED, s->view->body.primary,
         "%s stays primary: %s did not take over%s%.80s", name, target, why[0] ? ": " : "", why);
    s->f->leave_at = after_ms(s->now, s->f->rules.timeout_ms);
    if (s->f->order.kind != ORDER_NONE)
        answer(s, false, "%s stays primary: %s did not take over%s%.80s", name, target,
               why[0] ? ": " : "", why);
}

uint32_t orders_choose(struct step *s, const struct failover_outlook *outlook)
{
    struct failover *f = s->f;
    char text[MEMBER_TEXT_MAX];
    uint32_t place;

    if (f->order.kind != ORDER_FAILOVER || f->order.to == UINT32_MAX)
        return outlook->winner;
    if (!pin(s))
        return NOBODY_WINS;
    place = view_place(s->view, f->order_member);
    if (place != NOBODY_WINS && outlook->candidates[place].eligible)
        return place;
    answer(s, false, "%s %s", view_name(s->view, f->order_member, text),
           place == NOBODY_WINS ? "left the group" : outlook->candidates[place].why);
    return NOBODY_WINS;
}

void orders_without_primary(struct step *s, const char *why_nobody)
{
    struct failover *f = s->f;

    if (f->order.kind == ORDER_NONE)
        return;
    if (f->order.kind == ORDER_SWITCHOVER && !f->order_taken) {
        answer(s, false, "there is no primary to hand over%s%s", why_nobody[0] ? ": " : "",
               why_nobody);
        return;
    }
    if (!pin(s))
        return;
    f->order_taken = true;
    if (order_late(s))
        answer(s, false, "nobody took over in time%s%s", why_nobody[0] ? ": " : "", why_nobody);
    else if (why_nobody[0] && !f->order.accept_loss && f->phase == FAILOVER_STRANDED)
        answer(s, false, "nobody can take over without loss: %s", why_nobody);
    else
        wake_at(s, after_ms(f->order_at, f->rules.timeout_ms));
}

void orders_served(struct step *s)
{
    uint32_t primary = s->view->body.primary;
    char text[MEMBER_TEXT_MAX];
    const char *name = primary_name(s, text);

    if (s->f->order.kind == ORDER_NONE || !s->f->order_taken)
        return;
    if (s->f->order_member == 0 || s->f->order_member == primary)
        answer(s, true, "%s is primary in epoch %" PRIu64, name, s->view->epoch);
    else
        answer(s, false, "%s took over instead%s", name,
               s->f->order.kind == ORDER_SWITCHOVER ? ": the primary failed meanwhile" : "");
}

/* ---- from outside ---- */

void failover_ordered(struct failover *f, const struct failover_order *order, struct instant now)
{
    must(order->kind != ORDER_NONE);
    if (f->order.kind != ORDER_NONE) {
        f->too_many = order->number;
        f->too_many_waits = true;
        return;
    }
    f->order = *order;
    f->order_taken = false;
    f->order_member = 0;
    f->order_at = now;
}
