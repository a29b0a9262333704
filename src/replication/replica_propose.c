/*
 * The changes of the document that a member asks for. One is on its way at a time, based on the version that this member knows.
 *
 * It never gives its lease up while its engine may take writes, and believes no lease while a proposal that gives it up is not settled: the cluster
 * may have let somebody else have it.
 */
#include "replication/replica_parts.h"

#include "base/must.h"

#include <stdio.h>
#include <string.h>

const struct group_body *replica_open_body(const struct replica *r)
{
    const struct replica_proposal *p = &r->proposal;

    return p->plan == PLAN_IN_SYNC && !p->moot && p->epoch == r->epoch ? &p->body : NULL;
}

static void because(struct replica_proposal *p, const char *sentence)
{
    (void)snprintf(p->sentence, sizeof p->sentence, "%s", sentence);
}

/* Its own entry in the set: this run when it has everything, else none. */
static void keep_or_leave(const struct replica *r, struct replica_proposal *p)
{
    if (!r->whole || r->loading) {
        group_forget(&p->body, r->self.member);
        return;
    }
    life_set_put(&p->body.in_sync, r->self);
    p->kept = replica_want(r) == WANT_RESUME;
}

static void step_down(const struct replica *r, struct replica_proposal *p)
{
    p->plan = PLAN_STEP_DOWN;
    p->yields = true;
    keep_or_leave(r, p);
    p->body.primary = p->body.target = 0;
    p->body.serving = false;
    because(p, r->sentence);
}

static void resume(const struct replica *r, struct replica_proposal *p)
{
    p->plan = PLAN_RESUME;
    keep_or_leave(r, p);
    because(p, "its agent began again beside its engine, which has everything");
}

static void hand_over(struct replica_proposal *p)
{
    p->plan = PLAN_HAND_OVER;
    p->yields = true;
    p->body.primary = p->body.target;
    p->body.target = 0;
    p->body.serving = false;
    because(p, "the target has everything");
}

static void keep_the_set(const struct replica *r, struct instant now, struct replica_proposal *p)
{
    struct in_sync_advice advice;

    in_sync_advise(&r->books, &r->body, NULL, now, &advice);
    if (!advice.propose)
        return;
    p->plan = PLAN_IN_SYNC;
    p->body = advice.body;
    p->fact = advice.fact;
    p->about = advice.about;
    because(p, advice.sentence);
}

static void plan_as_primary(const struct replica *r, struct instant now, struct replica_proposal *p)
{
    bool serves = r->state == REPLICA_SERVING || r->state == REPLICA_VERIFYING;
    uint32_t heir = serves && r->leaving ? in_sync_heir(&r->books, &r->body, now) : 0;

    if (r->body.target != 0 && r->body.target == r->failed_target) {
        p->plan = PLAN_CLEAR_TARGET;
        p->body.target = 0;
        because(p, r->sentence);
    } else if (r->state == REPLICA_VERIFYING && r->verified) {
        p->plan = PLAN_SERVING;
        p->body.serving = true;
        because(p, "the new primary has answered a write");
    } else if (r->state == REPLICA_SERVING && heir != 0 && r->body.target == 0) {
        p->plan = PLAN_SET_TARGET;
        p->body.target = heir;
        because(p, REPLICA_LEAVES);
    } else if (serves) {
        keep_the_set(r, now, p);
    }
}

static void make_plan(const struct replica *r, struct instant now, struct replica_proposal *p)
{
    enum replica_want want = replica_want(r);

    *p = (struct replica_proposal){.epoch = r->epoch, .version = r->version, .body = r->body};
    if (want != WANT_PRIMARY && want != WANT_RESUME)
        return;
    if (r->gave_up && r->writes == WRITES_NONE)
        step_down(r, p);
    else if (r->gave_up)
        return;
    else if (r->state == REPLICA_HANDING_OVER && r->writes == WRITES_NONE)
        hand_over(p);
    else if (r->state == REPLICA_RESUMING)
        resume(r, p);
    else if (want == WANT_PRIMARY)
        plan_as_primary(r, now, p);
}

static void send(struct replica *r, struct replica_actions *out)
{
    struct replica_proposal *p = &r->proposal;
    struct replica_action *action = replica_emit(out, REPLICA_PROPOSE);

    must(!p->yields || r->writes == WRITES_NONE);
    if (p->yields)
        r->lease = (struct instant){0};
    p->out = true;
    p->done = false;
    action->epoch = p->epoch;
    action->version = p->version;
    action->body = p->body;
    action->kept = p->kept;
    action->yields = p->yields || p->plan == PLAN_RESUME;
    memcpy(action->sentence, p->sentence, sizeof action->sentence);
}

void replica_propose(struct replica *r, struct instant now, struct replica_actions *out)
{
    struct replica_proposal next;

    if (r->proposal.out || !passed(r->propose_at, now))
        return;
    make_plan(r, now, &next);
    /* What may still come true is asked for again; only stepping down goes before it, which ends what it could do. */
    if (r->proposal.plan == PLAN_NONE ||
        (next.plan == PLAN_STEP_DOWN && r->proposal.plan != PLAN_STEP_DOWN))
        r->proposal = next;
    if (r->proposal.plan != PLAN_NONE)
        send(r, out);
}

static void forget(struct replica *r)
{
    r->proposal = (struct replica_proposal){0};
}

void replica_proposed(struct replica *r, enum proposal_outcome outcome, struct instant now,
                      struct replica_actions *out)
{
    struct replica_proposal *p = &r->proposal;

    if (!p->out)
        return;
    p->out = false;
    if (outcome == PROPOSAL_DONE && p->plan == PLAN_IN_SYNC)
        replica_tell(out, p->fact, p->about, p->sentence);
    r->propose_at = after_ms(now, r->rules.status_ms);
    if (p->moot) {
        forget(r);
        r->propose_at = now;
    } else if (outcome == PROPOSAL_DONE || outcome == PROPOSAL_STALE) {
        /* Stale may be what an earlier try of this one has made of it: only the document tells. */
        p->done = true;
        r->propose_at = after_ms(now, r->rules.timeout_ms);
    } else if (outcome == PROPOSAL_UNKNOWN) {
        p->doubt = true;
    } else if (!p->doubt) {
        forget(r);
    }
}

/* The document takes a member's present run alone, and one that is over does not come back. A full set may not have all that there are. */
static bool is_over(const struct replica *r, struct life life)
{
    return !life_set_has(&r->lives, life) &&
           (life_set_find(&r->lives, life.member) >= 0 || r->lives.count < GROUP_MEMBERS_MAX);
}

/* Does a run join by it that is over? Those that are in the set end with its version. */
static bool is_too_late(const struct replica *r, const struct replica_proposal *p)
{
    for (uint32_t i = 0; p->plan == PLAN_IN_SYNC && i < p->body.in_sync.count; i++)
        if (!life_set_has(&r->body.in_sync, p->body.in_sync.lives[i]) &&
            is_over(r, p->body.in_sync.lives[i]))
            return true;
    return false;
}

void replica_settle(struct replica *r)
{
    struct replica_proposal *p = &r->proposal;

    if (p->plan == PLAN_NONE ||
        (p->version == r->version && p->epoch == r->epoch && !is_too_late(r, p)))
        return;
    p->moot = true;
    p->yields = false;
    if (!p->out)
        forget(r);
    r->propose_at = (struct instant){0};
}
