/*
 * What the situation asks of a replica. Looks only.
 */
#include "replication/replica_parts.h"

enum replica_want replica_want(const struct replica *r)
{
    if (r->version == 0 || r->self.member == 0)
        return WANT_NOTHING;
    if (r->body.primary == 0)
        return WANT_PROMISE;
    if (r->body.primary != r->self.member)
        return WANT_FOLLOW;
    return life_equal(group_primary(&r->body), r->self) ? WANT_PRIMARY : WANT_RESUME;
}

bool replica_engine_ready(const struct replica *r)
{
    return (!r->rules.managed || r->process == PROCESS_RUNNING) && r->heard && !r->stuck &&
           r->status.state == ENGINE_RUNNING;
}

bool replica_leased(const struct replica *r, struct instant now)
{
    return !passed(r->lease, after_ms(now, r->rules.demote_ms));
}

bool replica_yielding(const struct replica *r)
{
    return r->proposal.plan != PLAN_NONE && r->proposal.yields;
}

bool replica_is_long(enum engine_verb verb)
{
    return verb == ENGINE_REWIND || verb == ENGINE_COPY;
}

/* This agent began again beside a process that went on writing under the supervisor's fence. */
static bool writes_on(const struct replica *r)
{
    return r->rules.managed && r->surviving && r->status.role == ENGINE_PRIMARY &&
           r->status.epoch == r->epoch;
}

bool replica_must_stop(const struct replica *r, struct instant now)
{
    enum replica_want want = replica_want(r);

    if (r->writes != WRITES_POSSIBLE)
        return false;
    /* The fence of the run before stands until the document is known; without a supervisor there is none. */
    if (!r->told)
        return !r->rules.managed;
    if (r->gave_up || replica_yielding(r))
        return true;
    if (want == WANT_RESUME)
        return !writes_on(r);
    if (want != WANT_PRIMARY)
        return true;
    if (r->carried)
        return passed(r->deadline, now);
    return !replica_leased(r, now);
}

int64_t replica_restart_back_ms(const struct replica *r)
{
    uint32_t attempts = r->rules.restart_attempts;

    return r->rules.restart_window_ms / (attempts > 0 ? attempts : 1);
}

struct instant replica_restart_at(const struct replica *r)
{
    uint32_t attempts = r->rules.restart_attempts;

    if (r->window.ns == 0 || r->starts < attempts)
        return (struct instant){0};
    if (attempts == 0)
        return after_ms(r->window, r->rules.restart_window_ms);
    return after_ms(r->window, (r->starts - attempts + 1) * replica_restart_back_ms(r));
}

bool replica_hands_over(const struct replica *r)
{
    uint32_t target = r->body.target;

    return target != 0 && target != r->failed_target &&
           (r->promoted || r->state == REPLICA_HANDING_OVER);
}

static enum replica_state as_primary(const struct replica *r)
{
    if (r->gave_up)
        return REPLICA_WAITING;
    if (replica_hands_over(r) || (replica_yielding(r) && r->state == REPLICA_HANDING_OVER))
        return REPLICA_HANDING_OVER;
    if (!r->promoted)
        return REPLICA_PROMOTING;
    return r->body.serving ? REPLICA_SERVING : REPLICA_VERIFYING;
}

static enum replica_state as_secondary(const struct replica *r, struct instant now)
{
    if (!passed(r->retry_at, now))
        return REPLICA_WAITING;
    if (r->loading || r->need == NEED_COPY)
        return REPLICA_COPYING;
    return r->need == NEED_REWIND ? REPLICA_REWINDING : REPLICA_FOLLOWING;
}

static enum replica_state without_engine(const struct replica *r, struct instant now)
{
    if (r->rules.managed && r->process == PROCESS_ENDED && !passed(replica_restart_at(r), now))
        return REPLICA_WAITING;
    return REPLICA_STARTING;
}

static enum replica_state stopping(const struct replica *r, struct instant now)
{
    bool late = r->state == REPLICA_DEMOTING && passed(r->deadline, now);

    return r->rules.managed && (r->stuck || late) ? REPLICA_KILLING : REPLICA_DEMOTING;
}

enum replica_state replica_next_state(const struct replica *r, struct instant now)
{
    if (r->killed)
        return REPLICA_KILLING;
    if (replica_must_stop(r, now) || (r->state == REPLICA_DEMOTING && r->writes == WRITES_POSSIBLE))
        return stopping(r, now);
    if (r->stuck && r->rules.managed && r->process == PROCESS_RUNNING)
        return REPLICA_KILLING;
    if (!replica_engine_ready(r))
        return without_engine(r, now);
    switch (replica_want(r)) {
    case WANT_NOTHING:
        return REPLICA_IDLE;
    case WANT_PROMISE:
        if (r->status.promised >= r->epoch)
            return REPLICA_FROZEN;
        return passed(r->retry_at, now) ? REPLICA_PROMISING : REPLICA_WAITING;
    case WANT_PRIMARY:
        return as_primary(r);
    case WANT_RESUME:
        return r->gave_up ? REPLICA_WAITING : REPLICA_RESUMING;
    case WANT_FOLLOW:
        break;
    }
    return as_secondary(r, now);
}
