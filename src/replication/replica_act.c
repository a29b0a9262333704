/*
 * What a replica does in each state. The fence is told before the engine is asked to take writes, and taken back only after it takes none.
 */
#include "replication/replica_parts.h"

#include "base/must.h"

#include <string.h>

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t timeout_of(const struct replica *r, enum engine_verb verb)
{
    if (replica_is_long(verb))
        return r->rules.copy_ms;
    if (verb == ENGINE_STATUS)
        return smaller(r->rules.timeout_ms, r->rules.stuck_ms);
    if (verb == ENGINE_DEMOTE && r->state == REPLICA_DEMOTING)
        return smaller(r->rules.timeout_ms, r->rules.demote_ms);
    return r->rules.timeout_ms;
}

static void begin_order(struct replica *r, enum engine_verb verb, struct instant now)
{
    struct engine_order *order = &r->order;

    must(!r->asking);
    *order = (struct engine_order){.verb = verb, .timeout_ms = timeout_of(r, verb)};
    if (verb != ENGINE_STATUS)
        order->epoch = r->epoch ? r->epoch : r->status.epoch;
    if (verb == ENGINE_FOLLOW || replica_is_long(verb))
        order->primary = r->body.primary;
    if (verb == ENGINE_DEMOTE && r->state == REPLICA_HANDING_OVER)
        order->target = r->body.target;
    r->asking = true;
    r->cancelled = r->deaf = false;
    r->asked_at = now;
}

static void send(struct replica *r, struct replica_actions *out)
{
    replica_emit(out, REPLICA_ASK)->order = r->order;
}

static void ask(struct replica *r, enum engine_verb verb, struct instant now,
                struct replica_actions *out)
{
    if (r->asking)
        return;
    begin_order(r, verb, now);
    send(r, out);
}

static void fence(struct replica *r, struct instant until, struct replica_actions *out)
{
    if (r->fence.ns == until.ns)
        return;
    r->fence = until;
    replica_emit(out, REPLICA_FENCE)->until = until;
}
/* ---- entering ---- */

static void enter_demoting(struct replica *r, struct instant now, struct replica_actions *out)
{
    r->deadline = after_ms(now, r->rules.demote_ms);
    r->carried = false;
    /* What the run before told is not known, and not to be put off. */
    if (r->fence.ns != 0)
        fence(r, earlier(r->fence, r->deadline), out);
    if (replica_want(r) == WANT_PRIMARY && !r->gave_up)
        replica_tell(out, REPLICA_FENCED, 0, "its lease ends: it takes no more writes");
}

static void enter_waiting(struct replica *r, struct replica_actions *out)
{
    if (r->rules.managed && r->process == PROCESS_ENDED)
        replica_tell(out, REPLICA_ENGINE_GIVEN_UP, 0,
                     "its restarts are used up, and come back one by one within the window");
}

void replica_enter(struct replica *r, enum replica_state next, struct instant now,
                   struct replica_actions *out)
{
    replica_check_transition(r->state, next);
    r->state = next;
    r->deadline = NEVER;
    if (next == REPLICA_STARTING || next == REPLICA_RESUMING || next == REPLICA_FOLLOWING ||
        (next == REPLICA_PROMOTING && r->carried))
        r->deadline = after_ms(now, r->rules.timeout_ms);
    if (next == REPLICA_HANDING_OVER)
        r->deadline = after_ms(now, 2 * r->rules.timeout_ms);
    if (next == REPLICA_VERIFYING)
        r->deadline = after_ms(now, r->rules.verify_ms);
    if (next == REPLICA_VERIFYING || next == REPLICA_SERVING)
        r->probe_at = r->probe_good_at = now;
    if (next == REPLICA_DEMOTING)
        enter_demoting(r, now, out);
    if (next == REPLICA_WAITING)
        enter_waiting(r, out);
    if (next == REPLICA_KILLING || next == REPLICA_STARTING)
        r->again_at = now;
    if (next == REPLICA_KILLING)
        r->killed = true;
}

/* ---- acting ---- */

/* The first start is none again. */
static void count_start(struct replica *r, struct instant now)
{
    int64_t back_ms = replica_restart_back_ms(r);
    int64_t back = ns_between(r->window, now) / NS_PER_MS / back_ms;

    if (r->window.ns == 0) {
        r->window = now;
    } else if (back >= r->starts) {
        r->window = now;
        r->starts = 1;
    } else {
        r->window = after_ms(r->window, back * back_ms);
        r->starts = r->starts - (uint32_t)back + 1;
    }
}

static void start(struct replica *r, struct instant now, struct replica_actions *out)
{
    bool first = r->process == PROCESS_UNKNOWN && passed(r->deadline, now);

    /* What was asked of the last run must not be done to the next; and what ends while its node stops stays so. */
    if (r->leaving || (r->asking && r->order.verb != ENGINE_STATUS))
        return;
    if (!r->rules.managed || r->process == PROCESS_RUNNING ||
        (r->process == PROCESS_UNKNOWN && !first) || !passed(r->again_at, now))
        return;
    if (r->process == PROCESS_ENDED) {
        count_start(r, now);
        r->process = PROCESS_STARTING;
    }
    /* It ended while no agent looked, and what it had acknowledged may have gone with it. */
    if (r->process == PROCESS_UNKNOWN) {
        if (r->window.ns == 0)
            r->window = now;
        r->surviving = false;
        r->whole = r->whole && r->rules.durable;
    }
    r->again_at = after_ms(now, r->rules.timeout_ms);
    /* Said first: what fenced the last run would kill this one as soon as it begins. */
    if (r->writes == WRITES_NONE)
        fence(r, NEVER, out);
    replica_emit(out, REPLICA_START);
}

static void kill_it(struct replica *r, struct instant now, struct replica_actions *out)
{
    if (!passed(r->again_at, now))
        return;
    r->again_at = after_ms(now, r->rules.timeout_ms);
    replica_emit(out, REPLICA_KILL);
}

static void ask_to_promote(struct replica *r, const struct engine_needs *needs, struct instant now,
                           struct replica_actions *out)
{
    must(!r->gave_up);
    must(!replica_yielding(r));
    must(replica_leased(r, now));
    r->writes = WRITES_POSSIBLE;
    in_sync_asked(&r->books);
    fence(r, r->lease, out);
    begin_order(r, ENGINE_PROMOTE, now);
    r->order.needs = *needs;
    send(r, out);
}

static void promote(struct replica *r, struct instant now, struct replica_actions *out)
{
    struct engine_needs needs;

    if (r->asking || !replica_leased(r, now) || replica_yielding(r))
        return;
    in_sync_first_needs(&r->body, replica_open_body(r), r->self, &needs);
    r->carried = false;
    ask_to_promote(r, &needs, now, out);
}

/* Other secondaries count from now on. */
static void keep_books(struct replica *r, struct instant now, struct replica_actions *out)
{
    struct in_sync_advice advice;

    if (r->asking || !passed(r->retry_at, now))
        return;
    in_sync_advise(&r->books, &r->body, replica_open_body(r), now, &advice);
    if (advice.ask)
        ask_to_promote(r, &advice.needs, now, out);
}

static void probe(struct replica *r, enum replica_action_kind kind, struct instant now,
                  struct replica_actions *out)
{
    if (!r->rules.probed || r->probing || !passed(r->probe_at, now))
        return;
    r->probing = true;
    r->probing_in = r->state;
    r->probing_epoch = r->epoch;
    replica_emit(out, kind);
}

static void demote(struct replica *r, struct instant now, struct replica_actions *out)
{
    bool waited =
        r->order.verb == ENGINE_STATUS || (r->order.verb == ENGINE_DEMOTE && r->order.target == 0);

    r->promoted = false;
    if (passed(r->deadline, now))
        r->deadline = after_ms(now, r->rules.demote_ms);
    if (!r->asking && passed(r->retry_at, now)) {
        ask(r, ENGINE_DEMOTE, now, out);
    } else if (r->asking && !waited && !r->cancelled) {
        r->cancelled = true;
        replica_emit(out, REPLICA_CANCEL);
    }
}

static void hand_over(struct replica *r, struct instant now, struct replica_actions *out)
{
    if (r->writes != WRITES_POSSIBLE || r->asking)
        return;
    r->promoted = false;
    ask(r, ENGINE_DEMOTE, now, out);
}

static void follow(struct replica *r, struct instant now, struct replica_actions *out)
{
    if (r->follows && passed(r->deadline, now))
        r->follows = false;
    if (r->follows || r->asking)
        return;
    r->deadline = after_ms(now, r->rules.timeout_ms);
    ask(r, ENGINE_FOLLOW, now, out);
}

static void copy(struct replica *r, struct instant now, struct replica_actions *out)
{
    if (r->asking)
        return;
    r->loading = true;
    ask(r, ENGINE_COPY, now, out);
}

/* A long order for what is over is broken off, and one to a process that has ended; else it is waited for. */
static void break_off(struct replica *r, struct replica_actions *out)
{
    bool over = r->order.epoch != r->epoch || replica_want(r) != WANT_FOLLOW;
    bool ended = r->deaf && r->order.verb != ENGINE_STATUS;

    if (!r->asking || r->cancelled || !(ended || (over && replica_is_long(r->order.verb))))
        return;
    r->cancelled = true;
    replica_emit(out, REPLICA_CANCEL);
}

static void act_in_state(struct replica *r, struct instant now, struct replica_actions *out)
{
    switch (r->state) {
    case REPLICA_STARTING:
        start(r, now, out);
        break;
    case REPLICA_PROMISING:
        ask(r, ENGINE_PROMISE, now, out);
        break;
    case REPLICA_PROMOTING:
        promote(r, now, out);
        break;
    case REPLICA_VERIFYING:
        keep_books(r, now, out);
        if (!r->verified)
            probe(r, REPLICA_VERIFY, now, out);
        break;
    case REPLICA_SERVING:
        keep_books(r, now, out);
        probe(r, REPLICA_PROBE, now, out);
        break;
    case REPLICA_HANDING_OVER:
        hand_over(r, now, out);
        break;
    case REPLICA_DEMOTING:
        demote(r, now, out);
        break;
    case REPLICA_KILLING:
        kill_it(r, now, out);
        break;
    case REPLICA_FOLLOWING:
        follow(r, now, out);
        break;
    case REPLICA_REWINDING:
        ask(r, ENGINE_REWIND, now, out);
        break;
    case REPLICA_COPYING:
        copy(r, now, out);
        break;
    case REPLICA_IDLE:
    case REPLICA_FROZEN:
    case REPLICA_WAITING:
    case REPLICA_RESUMING:
    case REPLICA_STATES:
        break;
    }
}

static void look_after(struct replica *r, struct instant now, struct replica_actions *out)
{
    bool there = !r->rules.managed || r->process == PROCESS_RUNNING;

    if (r->asking || r->killed || !there || !passed(r->status_at, now))
        return;
    r->status_at = after_ms(now, r->rules.status_ms);
    ask(r, ENGINE_STATUS, now, out);
}

void replica_act(struct replica *r, struct instant now, struct replica_actions *out)
{
    break_off(r, out);
    act_in_state(r, now, out);
    if (r->writes == WRITES_NONE)
        fence(r, NEVER, out);
    else if (r->writes == WRITES_POSSIBLE && r->state != REPLICA_DEMOTING &&
             r->state != REPLICA_KILLING && replica_want(r) == WANT_PRIMARY &&
             (r->lease.ns > r->fence.ns || r->fence.ns == INT64_MAX))
        fence(r, r->lease, out);
    look_after(r, now, out);
}
