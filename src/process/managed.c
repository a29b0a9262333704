/*
 * The life of one managed process. Holds no descriptors, reads no clock, allocates nothing and cannot fail.
 */
#include "process/managed.h"

#include "base/must.h"

static void emit(struct managed_actions *out, enum managed_action action)
{
    must(out->count < MANAGED_ACTIONS_MAX);
    out->at[out->count++] = action;
}

void managed_check(const struct managed *m)
{
    must(!m->again || m->state == MANAGED_KILLED || m->state == MANAGED_STOPPING);
    must(!m->again || !m->closed);
    must(!m->fenced || m->state == MANAGED_KILLED || m->state == MANAGED_ABSENT);
    must(m->state != MANAGED_KILLED || m->again_ms >= MANAGED_AGAIN_MS);
    must(!m->starting || (m->elsewhere && m->state == MANAGED_RUNNING));
}

static void spawn(struct managed *m, struct managed_actions *out)
{
    m->state = MANAGED_RUNNING;
    m->again = m->fenced = false;
    m->starting = m->elsewhere;
    emit(out, MANAGED_SPAWN);
    if (!m->starting)
        emit(out, MANAGED_TELL_STARTED);
}

static void kill_all(struct managed *m, struct instant now, struct managed_actions *out)
{
    m->state = MANAGED_KILLED;
    m->starting = false;
    m->again_ms = MANAGED_AGAIN_MS;
    m->deadline = after_ms(now, m->again_ms);
    emit(out, MANAGED_KILL_ALL);
}

static void on_start(struct managed *m, struct instant now, struct managed_actions *out)
{
    if (m->closed) {
        if (m->state == MANAGED_ABSENT)
            emit(out, MANAGED_TELL_ENDED);
        return; /* else the end that is on its way answers */
    }
    switch (m->state) {
    case MANAGED_ABSENT:
        spawn(m, out);
        break;
    case MANAGED_RUNNING:
        if (m->starting)
            break; /* the answer is on its way */
        if (!m->renewed) {
            emit(out, MANAGED_TELL_STARTED);
            break;
        }
        kill_all(m, now, out);
        m->again = true;
        break;
    case MANAGED_STOPPING:
    case MANAGED_KILLED:
        m->again = true;
        break;
    }
}

static void on_kill(struct managed *m, struct instant now, struct managed_actions *out)
{
    m->again = false;
    if (m->state == MANAGED_ABSENT && !m->elsewhere)
        emit(out, MANAGED_TELL_ENDED);
    else if (m->state != MANAGED_KILLED)
        kill_all(m, now, out);
}

/* It runs, or may: what is elsewhere and was fenced has gone, and only then. */
static bool may_run(const struct managed *m)
{
    return m->state == MANAGED_RUNNING || m->state == MANAGED_STOPPING ||
           (m->state == MANAGED_ABSENT && m->elsewhere);
}

static void on_stop(struct managed *m, int64_t within_ms, struct instant now,
                    struct managed_actions *out)
{
    m->closed = true;
    m->again = false;
    if (may_run(m) && m->state != MANAGED_STOPPING) {
        m->state = MANAGED_STOPPING;
        m->starting = m->fenced = false;
        m->deadline = after_ms(now, within_ms);
        emit(out, MANAGED_TERM);
    } else if (m->state == MANAGED_STOPPING) {
        m->deadline = earlier(m->deadline, after_ms(now, within_ms));
    }
}

static void on_gone(struct managed *m, struct managed_actions *out)
{
    if (m->state == MANAGED_ABSENT)
        return;
    m->state = MANAGED_ABSENT;
    m->starting = false;
    emit(out, MANAGED_TELL_ENDED);
    if (m->again)
        spawn(m, out);
}

/* It dies with its lease, whoever is frozen; while it is being asked to end, too. */
static void look(struct managed *m, uint64_t fence, struct instant now, struct managed_actions *out)
{
    if (may_run(m) && !m->fenced && fence != FENCE_NEVER && fence <= (uint64_t)now.ns) {
        kill_all(m, now, out);
        m->fenced = true;
    } else if (m->state == MANAGED_STOPPING && passed(m->deadline, now)) {
        kill_all(m, now, out);
    } else if (m->state == MANAGED_KILLED && passed(m->deadline, now)) {
        m->again_ms =
            m->again_ms * 2 < MANAGED_AGAIN_MAX_MS ? m->again_ms * 2 : MANAGED_AGAIN_MAX_MS;
        m->deadline = after_ms(now, m->again_ms);
        emit(out, MANAGED_KILL_ALL);
    }
}

void managed_step(struct managed *m, const struct managed_event *event, uint64_t fence,
                  struct instant now, struct managed_actions *out)
{
    managed_check(m);
    out->count = 0;
    switch (event->kind) {
    case MANAGED_TICK:
        look(m, fence, now, out);
        break;
    case MANAGED_START:
        on_start(m, now, out);
        break;
    case MANAGED_KILL:
        on_kill(m, now, out);
        break;
    case MANAGED_STOP:
        on_stop(m, event->within_ms, now, out);
        break;
    case MANAGED_OPEN:
        m->closed = false;
        break;
    case MANAGED_STARTED:
        if (m->starting)
            emit(out, MANAGED_TELL_STARTED);
        m->starting = false;
        break;
    case MANAGED_NOT_STARTED:
    case MANAGED_GONE:
        on_gone(m, out);
        break;
    case MANAGED_MAIN_ENDED:
        if (m->state == MANAGED_RUNNING || m->state == MANAGED_STOPPING)
            kill_all(m, now, out);
        else if (m->state == MANAGED_KILLED)
            emit(out, MANAGED_KILL_ALL);
        break;
    }
    managed_check(m);
}

struct instant managed_deadline(const struct managed *m, uint64_t fence)
{
    struct instant next =
        m->state == MANAGED_STOPPING || m->state == MANAGED_KILLED ? m->deadline : NEVER;

    if (may_run(m) && !m->fenced && fence < (uint64_t)NEVER.ns)
        next = earlier(next, (struct instant){(int64_t)fence});
    return next;
}
