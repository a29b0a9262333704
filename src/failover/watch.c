/*
 * Is the primary well? By its node's health, and by what its own agent says of it in this epoch.
 */
#include "failover/parts.h"

static enum failover_cause by_health(struct step *s, uint8_t health)
{
    if (health != FAILOVER_UNHEARD)
        s->f->unheard = NEVER;
    if (health == FAILOVER_DEAD)
        return CAUSE_NODE;
    if (health == FAILOVER_SUSPECTED)
        return CAUSE_SILENCE;
    if (health == FAILOVER_ALIVE)
        return CAUSE_NONE;
    if (s->f->unheard.ns == NEVER.ns)
        s->f->unheard = s->now;
    if (passed(after_ms(s->f->unheard, s->f->rules.lease_ms), s->now))
        return CAUSE_SILENCE;
    wake_at(s, after_ms(s->f->unheard, s->f->rules.lease_ms));
    return CAUSE_NONE;
}

static enum failover_cause by_engine(uint8_t state)
{
    if (state == ENGINE_STOPPED || state == ENGINE_FAILED)
        return CAUSE_PROCESS;
    return state == ENGINE_STUCK ? CAUSE_STUCK : CAUSE_NONE;
}

/* Its node lives and its engine is no primary, or nothing is heard of it: it left the file there, or its lease was let go. */
static enum failover_cause by_role(struct step *s, const struct failover_member *m)
{
    struct failover *f = s->f;
    bool fresh = m->heard && !passed(after_ms(m->heard_at, f->rules.lease_ms), s->now);

    if (!s->view->body.serving ||
        (fresh && m->report.epoch == s->view->epoch && m->report.role == ENGINE_PRIMARY)) {
        f->idle = NEVER;
        return CAUSE_NONE;
    }
    if (f->idle.ns == NEVER.ns)
        f->idle = s->now;
    wake_at(s, after_ms(f->idle, f->rules.timeout_ms));
    return passed(after_ms(f->idle, f->rules.timeout_ms), s->now) ? CAUSE_SILENCE : CAUSE_NONE;
}

enum failover_cause failing(struct step *s, bool *reborn)
{
    struct life primary = group_primary(&s->view->body);
    uint32_t place = view_place(s->view, primary.member);
    const struct failover_member *m;
    enum failover_cause cause;

    *reborn = false;
    if (place == NOBODY_WINS) /* it left the file: nothing is heard of it here */
        return by_health(s, FAILOVER_UNHEARD);
    m = &s->view->members[place];
    if (!life_equal(m->life, primary)) {
        *reborn = true;
        return CAUSE_NODE;
    }
    cause = by_health(s, m->health);
    if (cause == CAUSE_NONE)
        cause = by_role(s, m);
    if (cause != CAUSE_NONE || !m->heard || m->report.epoch != s->view->epoch)
        return cause;
    if (m->report.refused && !s->view->body.serving)
        return CAUSE_REFUSED;
    cause = by_engine(m->report.state);
    if (cause == CAUSE_NONE && m->heard_at.ns > s->f->well_at.ns)
        s->f->well_at = m->heard_at;
    return cause;
}

enum failover_cause went(const struct step *s, uint32_t member)
{
    uint32_t place = view_place(s->view, member);
    const struct failover_member *m;
    enum failover_cause cause;

    if (place == NOBODY_WINS)
        return CAUSE_NONE;
    m = &s->view->members[place];
    if (m->health == FAILOVER_DEAD || m->health == FAILOVER_SUSPECTED)
        return m->health == FAILOVER_DEAD ? CAUSE_NODE : CAUSE_SILENCE;
    cause = m->heard ? by_engine(m->report.state) : CAUSE_NONE;
    return cause == CAUSE_NONE ? CAUSE_LEFT : cause;
}

void count_loss(struct step *s, uint32_t member)
{
    struct failover *f = s->f;
    bool before = member_flaps(f, member, s->now);
    char text[MEMBER_TEXT_MAX];

    if (member == 0)
        return;
    f->losses[f->loss_next] = (struct failover_loss){member, s->now};
    f->loss_next = (f->loss_next + 1) % FAILOVER_LOSSES_MAX;
    if (!before && member_flaps(f, member, s->now))
        tell(s, FACT_PRIMARY_FLAPPING, member,
             "%s lost the primacy %u times within the window: it is chosen last from now on",
             view_name(s->view, member, text), f->rules.flaps);
}
