/*
 * A replica takes in what happened, walks to the state that the situation asks for, and acts there.
 *
 * It never asks an engine to take writes without a lease that is valid, in an epoch that is not the document's, or after it gave the epoch up.
 */
#include "replication/replica_parts.h"

#include "base/must.h"

#include <stdio.h>
#include <string.h>

struct replica_action *replica_emit(struct replica_actions *out, enum replica_action_kind kind)
{
    struct replica_action *action = &out->actions[out->count];

    must(out->count < REPLICA_ACTIONS_MAX);
    out->count++;
    *action = (struct replica_action){.kind = kind};
    return action;
}

void replica_tell(struct replica_actions *out, enum replica_fact fact, uint32_t about,
                  const char *sentence)
{
    struct replica_action *action = replica_emit(out, REPLICA_TELL);

    action->fact = fact;
    action->about = about;
    (void)snprintf(action->sentence, sizeof action->sentence, "%s", sentence);
}

void replica_because(struct replica *r, const char *sentence)
{
    (void)snprintf(r->sentence, sizeof r->sentence, "%s", sentence);
}

static void check(const struct replica *r)
{
    must(r->state < REPLICA_STATES);
    must(!r->promoted || r->writes == WRITES_POSSIBLE);
    must(!replica_yielding(r) || r->writes != WRITES_POSSIBLE || !r->promoted);
    must(r->fence.ns != INT64_MAX || r->writes != WRITES_POSSIBLE || !r->promoted);
    must(!r->asking || r->order.verb == ENGINE_STATUS || r->order.timeout_ms > 0);
}

void replica_init(struct replica *replica, const struct replica_rules *rules)
{
    *replica = (struct replica){.rules = *rules,
                                .state = REPLICA_STARTING,
                                .whole = true,
                                .surviving = true,
                                .writes = WRITES_UNKNOWN};
}

void replica_configure(struct replica *replica, const struct replica_rules *rules)
{
    replica->rules = *rules;
    in_sync_configure(&replica->books, rules);
}

static bool owns(const struct replica *r)
{
    enum replica_want want = replica_want(r);

    return want == WANT_PRIMARY || want == WANT_RESUME;
}

static void give_up(struct replica *r, const char *sentence)
{
    if (r->gave_up || !owns(r))
        return;
    r->gave_up = true;
    replica_because(r, sentence);
}

/* ---- events ---- */

static void begin_epoch(struct replica *r)
{
    bool resumed = r->state == REPLICA_RESUMING && r->writes == WRITES_POSSIBLE;

    r->gave_up = r->refused = r->promoted = r->verified = r->follows = false;
    r->failed_target = 0;
    r->lease = r->retry_at = (struct instant){0};
    r->carried = resumed && replica_want(r) == WANT_PRIMARY;
    r->sentence[0] = 0;
    if (r->need == NEED_REWIND)
        r->need = NEED_FOLLOW;
    /* Who is named has what counts; what an earlier run of this agent acknowledged is known by its engine alone. */
    if (replica_want(r) != WANT_RESUME)
        r->whole = true;
}

static void on_document(struct replica *r, const struct replica_event *event, struct instant now)
{
    bool other = event->version == 0 ? r->version != 0 : event->epoch != r->epoch;

    r->told = true;
    r->self = event->life;
    r->version = event->version;
    r->epoch = event->version ? event->epoch : 0;
    r->body = event->version ? *event->body : (struct group_body){0};
    r->lives = event->lives ? *event->lives : (struct life_set){0};
    replica_settle(r);
    if (other)
        begin_epoch(r);
    else if (r->promoted)
        in_sync_lives(&r->books, &r->lives, now);
}

static void on_lease(struct replica *r, const struct replica_event *event)
{
    if (event->epoch == r->epoch && !replica_yielding(r))
        r->lease = event->until;
}

static void gone(struct replica *r)
{
    r->writes = WRITES_NONE;
    r->promoted = r->carried = r->follows = false;
}

static void on_process(struct replica *r, const struct replica_event *event, struct instant now,
                       struct replica_actions *out)
{
    const char *how = event->sentence ? event->sentence : "its process has ended";
    bool asked = r->killed;

    if (event->running && r->process == PROCESS_RUNNING)
        return; /* it is the same one: the end of another would have been told */
    r->heard = r->stuck = false;
    r->deaf = r->asking;
    r->good_at = now;
    r->status = (struct engine_status){0};
    if (event->running) {
        r->process = PROCESS_RUNNING;
        r->status_at = now;
        /* Whoever began it: the next start is one again. */
        if (r->window.ns == 0)
            r->window = now;
        return;
    }
    r->killed = false;
    if (r->process == PROCESS_RUNNING && !asked)
        replica_tell(out, REPLICA_ENGINE_DIED, 0, how);
    r->down = true;
    r->process = PROCESS_ENDED;
    r->again_at = now;
    r->surviving = false;
    r->whole = r->whole && r->rules.durable;
    gone(r);
    (void)snprintf(r->ended, sizeof r->ended, "%s", how);
    give_up(r, how);
}

static bool good(const struct replica *r, const struct engine_status *status)
{
    return status->state == ENGINE_RUNNING ||
           (status->state == ENGINE_STARTING && r->writes == WRITES_NONE);
}

static void learn_writes(struct replica *r, enum engine_verb verb)
{
    bool primary = r->status.role == ENGINE_PRIMARY;

    if (verb == ENGINE_STATUS && r->writes == WRITES_UNKNOWN)
        r->writes = primary || r->status.writable ? WRITES_POSSIBLE : WRITES_NONE;
    /* It takes writes though nobody asked it to. */
    if (verb == ENGINE_STATUS && r->writes == WRITES_NONE && r->status.writable)
        r->writes = WRITES_POSSIBLE;
}

static void hear(struct replica *r, const struct engine_answer *answer, struct instant now,
                 struct replica_actions *out)
{
    bool linked;

    r->status = answer->status;
    r->heard = true;
    learn_writes(r, answer->verb);
    r->loading = r->loading || r->status.loading;
    if (good(r, &r->status)) {
        r->good_at = now;
        r->stuck = r->stuck && r->rules.managed;
    }
    if (r->down && replica_engine_ready(r)) {
        r->down = false;
        r->ended[0] = 0;
        replica_tell(out, REPLICA_ENGINE_BACK, 0, "");
    }
    linked = r->status.linked && r->status.primary == r->body.primary;
    if (r->state == REPLICA_FOLLOWING && linked)
        r->deadline = after_ms(now, r->rules.timeout_ms);
    if (r->promoted && answer->verb == ENGINE_STATUS)
        in_sync_heard(&r->books, &r->status, r->asked_at, &r->body, now);
}

static void on_promote(struct replica *r, const struct engine_answer *answer, struct instant now)
{
    /* Its process has ended since. */
    if (r->writes != WRITES_POSSIBLE)
        return;
    if (answer->outcome == ENGINE_DONE && answer->epoch == r->epoch) {
        if (!r->promoted)
            in_sync_begin(&r->books, &r->rules, r->self, &r->lives, now);
        r->promoted = replica_want(r) == WANT_PRIMARY;
        r->verified = r->verified || !r->rules.probed;
        in_sync_told(&r->books, &r->order.needs, &answer->status);
    } else if (answer->epoch == r->epoch && !r->promoted && !r->cancelled) {
        r->refused = answer->outcome == ENGINE_REFUSED;
        give_up(r, answer->sentence[0] ? answer->sentence : "its engine did not promote");
    } else {
        r->retry_at = after_ms(now, r->rules.status_ms);
    }
}

static void on_demote(struct replica *r, const struct engine_answer *answer, struct instant now)
{
    if (answer->outcome == ENGINE_DONE) {
        gone(r);
    } else if (r->order.target == 0) {
        r->retry_at = after_ms(now, r->rules.status_ms);
        r->deadline = r->state == REPLICA_DEMOTING ? now : r->deadline;
    } else if (answer->epoch == r->epoch) {
        r->failed_target = r->order.target;
        replica_because(r, answer->sentence[0] ? answer->sentence : "its engine did not hand over");
    }
}

static void on_follow(struct replica *r, const struct engine_answer *answer, struct instant now,
                      struct replica_actions *out)
{
    if (answer->epoch != r->epoch)
        return;
    r->follows = answer->outcome == ENGINE_DONE;
    if (answer->outcome == ENGINE_DIVERGED) {
        r->need = NEED_REWIND;
        replica_tell(out, REPLICA_DIVERGED, r->order.primary, answer->sentence);
    } else if (answer->outcome == ENGINE_BEHIND) {
        r->need = NEED_COPY;
    } else if (answer->outcome != ENGINE_DONE) {
        r->retry_at = after_ms(now, r->rules.timeout_ms);
        replica_because(r, answer->sentence);
    }
}

static void on_long(struct replica *r, const struct engine_answer *answer, struct instant now,
                    struct replica_actions *out)
{
    bool copied = answer->verb == ENGINE_COPY;

    if (answer->outcome == ENGINE_DONE) {
        r->need = NEED_FOLLOW;
        r->follows = false;
        r->loading = r->loading && !copied;
        if (copied)
            replica_tell(out, REPLICA_COPIED, r->order.primary, "");
    } else if (!r->cancelled) {
        r->need = NEED_COPY;
        replica_because(r, answer->sentence);
        if (copied)
            r->retry_at = after_ms(now, r->rules.timeout_ms);
    }
}

static void on_answer(struct replica *r, const struct engine_answer *answer, struct instant now,
                      struct replica_actions *out)
{
    if (!r->asking || answer->verb != r->order.verb)
        return;
    r->asking = false;
    if (r->deaf)
        return;
    if (answer->outcome == ENGINE_DONE && answer->verb != ENGINE_COPY)
        hear(r, answer, now, out);
    else if (answer->outcome != ENGINE_BROKEN || r->cancelled)
        r->good_at = now;
    switch (answer->verb) {
    case ENGINE_PROMOTE:
        on_promote(r, answer, now);
        break;
    case ENGINE_DEMOTE:
        on_demote(r, answer, now);
        break;
    case ENGINE_FOLLOW:
        on_follow(r, answer, now, out);
        break;
    case ENGINE_REWIND:
    case ENGINE_COPY:
        on_long(r, answer, now, out);
        break;
    case ENGINE_PROMISE:
        if (answer->outcome != ENGINE_DONE)
            r->retry_at = after_ms(now, r->rules.timeout_ms);
        break;
    case ENGINE_STATUS:
    case ENGINE_VERBS:
        break;
    }
}

static void on_probed(struct replica *r, bool answered, struct instant now)
{
    bool fresh = r->probing && r->probing_in == r->state && r->probing_epoch == r->epoch;

    r->probing = false;
    r->probe_at = after_ms(now, r->rules.status_ms);
    if (!fresh || !answered)
        return;
    r->probe_good_at = now;
    r->verified = r->verified || r->state == REPLICA_VERIFYING;
}

static void take_in(struct replica *r, const struct replica_event *event, struct instant now,
                    struct replica_actions *out)
{
    switch (event->kind) {
    case REPLICA_DOCUMENT:
        on_document(r, event, now);
        break;
    case REPLICA_LEASE:
        on_lease(r, event);
        break;
    case REPLICA_ANSWERED:
        on_answer(r, event->answer, now, out);
        break;
    case REPLICA_PROCESS:
        on_process(r, event, now, out);
        break;
    case REPLICA_PROBED:
        on_probed(r, event->answered, now);
        break;
    case REPLICA_PROPOSED:
        replica_proposed(r, event->outcome, now, out);
        break;
    case REPLICA_LEAVE:
        r->leaving = true;
        break;
    case REPLICA_TICK:
        break;
    }
}

/* ---- what time and the situation say ---- */

/* What has begun needs time until it listens: as much as an order may take. */
static int64_t patience_ms(const struct replica *r)
{
    bool begins = r->down && !r->stuck && r->writes == WRITES_NONE;

    return begins && r->rules.timeout_ms > r->rules.stuck_ms ? r->rules.timeout_ms
                                                             : r->rules.stuck_ms;
}

static bool silent(const struct replica *r, struct instant now)
{
    bool there = r->rules.managed ? r->process == PROCESS_RUNNING : true;
    bool judged = !r->asking || r->order.verb == ENGINE_STATUS;

    return there && judged && passed(after_ms(r->good_at, patience_ms(r)), now);
}

/* Its engine says that it is well, and answers no write, though no secondary is waited for. */
static bool mute(struct replica *r, struct instant now)
{
    if (r->state != REPLICA_SERVING || !r->rules.probed)
        return false;
    if (!in_sync_flows(&r->books, r->rules.stuck_ms / 2, now))
        r->probe_good_at = now;
    return passed(after_ms(r->probe_good_at, r->rules.stuck_ms), now);
}

static void judge_engine(struct replica *r, struct instant now, struct replica_actions *out)
{
    const char *why = "its engine answers nothing in time";

    if (!r->stuck && !r->killed && (silent(r, now) || mute(r, now))) {
        why = silent(r, now) ? why : "its engine answers no write in time";
        r->stuck = true;
        r->down = true;
        r->whole = r->whole && r->rules.durable;
        replica_tell(out, REPLICA_ENGINE_STUCK, 0, why);
    }
    if (r->stuck)
        give_up(r, why);
}

static bool no_heir(const struct replica *r, struct instant now)
{
    if (r->body.target != 0)
        return r->body.target == r->failed_target;
    return r->state != REPLICA_SERVING ||
           (r->proposal.plan != PLAN_SET_TARGET && in_sync_heir(&r->books, &r->body, now) == 0);
}

/* While writes wait for secondaries, nothing is said about the engine. */
static void judge_verifying(struct replica *r, struct instant now)
{
    if (r->state != REPLICA_VERIFYING || r->verified || !passed(r->deadline, now))
        return;
    if (!in_sync_flows(&r->books, r->rules.stuck_ms / 2, now)) {
        r->deadline = after_ms(now, r->rules.verify_ms);
        return;
    }
    r->refused = true;
    give_up(r, "no write was answered in time");
}

static void judge(struct replica *r, struct instant now, struct replica_actions *out)
{
    judge_engine(r, now, out);
    judge_verifying(r, now);
    if (r->rules.managed && r->process == PROCESS_ENDED)
        give_up(r, "its process does not run");
    if (replica_engine_ready(r) && r->loading && owns(r)) {
        r->refused = true;
        give_up(r, "it has no whole copy of the data");
    }
    if (replica_want(r) == WANT_RESUME && (!r->surviving || !r->whole))
        give_up(r, "its process ended while its agent did not run");
    if (r->state == REPLICA_RESUMING && passed(r->deadline, now))
        give_up(r, "the cluster did not let it go on in time");
    if (r->state == REPLICA_HANDING_OVER && passed(r->deadline, now) && !replica_yielding(r)) {
        r->failed_target = r->body.target;
        replica_because(r, "it could not be handed over in time");
    }
    if (r->leaving && no_heir(r, now))
        give_up(r, REPLICA_LEAVES);
}

/* ---- the report ---- */

static bool says_more(const struct group_report *a, const struct group_report *b)
{
    return a->epoch != b->epoch || a->state != b->state || a->role != b->role ||
           a->linked != b->linked || a->loading != b->loading || a->refused != b->refused ||
           a->promised != b->promised || !life_equal(a->life, b->life);
}

static void report(struct replica *r, struct replica_actions *out)
{
    struct group_report report;

    replica_report(r, &report);
    if (r->self.member == 0 || !says_more(&report, &r->said))
        return;
    r->said = report;
    replica_emit(out, REPLICA_REPORT);
}

/* Probes and facts are about the epoch in which they came up. */
static void name_epochs(const struct replica *r, struct replica_actions *out)
{
    for (uint32_t i = 0; i < out->count; i++)
        if (out->actions[i].kind != REPLICA_PROPOSE)
            out->actions[i].epoch = r->epoch;
}

void replica_step(struct replica *replica, const struct replica_event *event, struct instant now,
                  struct replica_actions *out)
{
    uint32_t rounds = 0;
    enum replica_state next;

    out->count = 0;
    check(replica);
    if (replica->good_at.ns == 0)
        replica->good_at = now;
    take_in(replica, event, now, out);
    judge(replica, now, out);
    while ((next = replica_next_state(replica, now)) != replica->state) {
        must(rounds++ < REPLICA_STATES);
        replica_enter(replica, next, now, out);
        judge(replica, now, out);
    }
    replica_act(replica, now, out);
    replica_propose(replica, now, out);
    report(replica, out);
    name_epochs(replica, out);
    replica->now = now;
    check(replica);
}

/* What was due by the last step was looked at there, and waits for something else. */
static void due(const struct replica *r, struct instant at, struct instant *deadline)
{
    if (!passed(at, r->now))
        *deadline = earlier(*deadline, at);
}

struct instant replica_next_deadline(const struct replica *replica)
{
    const struct replica *r = replica;
    struct instant deadline = NEVER;

    due(r, r->deadline, &deadline);
    due(r, r->status_at, &deadline);
    due(r, r->again_at, &deadline);
    due(r, r->retry_at, &deadline);
    due(r, r->propose_at, &deadline);
    due(r, after_ms(r->good_at, patience_ms(r)), &deadline);
    due(r, replica_restart_at(r), &deadline);
    if (r->writes == WRITES_POSSIBLE)
        due(r, (struct instant){r->lease.ns - r->rules.demote_ms * NS_PER_MS}, &deadline);
    if (!r->promoted)
        return deadline;
    due(r, in_sync_next_deadline(&r->books, &r->body, r->now), &deadline);
    due(r, r->probe_at, &deadline);
    due(r, after_ms(r->probe_good_at, r->rules.stuck_ms), &deadline);
    return deadline;
}

enum replica_state replica_state_of(const struct replica *replica)
{
    return replica->state;
}

bool replica_left(const struct replica *replica)
{
    return replica->leaving && replica->writes == WRITES_NONE && !owns(replica);
}
