/*
 * Names of states, the table of their changes, the page of them, and what a replica says of itself. It decides nothing.
 */
#include "replication/replica_parts.h"

#include "base/must.h"

#include <stdio.h>

const char *replica_state_name(enum replica_state state)
{
    static const char *const names[REPLICA_STATES] = {
        "idle",      "starting",  "promising",    "frozen",   "promoting",
        "verifying", "serving",   "handing over", "demoting", "killing",
        "following", "rewinding", "copying",      "waiting",  "resuming"};

    must(state < REPLICA_STATES);
    return names[state];
}

#define OF(state) (UINT32_C(1) << REPLICA_##state)

enum { ALL = (1 << REPLICA_STATES) - 1 };

/* What a state goes to when nothing more urgent is to be done: where the engine is ready and takes no writes that it may not. */
enum {
    CALM = OF(IDLE) | OF(STARTING) | OF(PROMISING) | OF(FROZEN) | OF(DEMOTING) | OF(FOLLOWING) |
           OF(REWINDING) | OF(COPYING) | OF(WAITING) | OF(RESUMING) | OF(PROMOTING) |
           OF(HANDING_OVER),
};

const struct replica_transition replica_transitions[] = {
    {ALL & ~OF(STARTING), OF(KILLING) | OF(WAITING), REPLICA_STARTING,
     "its engine is not there, or not ready"},
    {ALL & ~OF(KILLING), OF(DEMOTING) | OF(SERVING), REPLICA_KILLING,
     "its engine answers nothing in time, or did not stop taking writes in time"},
    {ALL & ~(OF(DEMOTING) | OF(KILLING)), OF(PROMOTING) | OF(VERIFYING) | OF(SERVING),
     REPLICA_DEMOTING, "its engine may take writes, and must not any more"},
    {ALL & ~(OF(IDLE) | OF(KILLING)), OF(STARTING), REPLICA_IDLE, "the document has no such group"},
    {ALL & ~OF(WAITING), OF(STARTING) | OF(DEMOTING), REPLICA_WAITING,
     "it was refused, its restarts are used up, or it gave up being primary and the document "
     "does not show it yet"},
    {CALM & ~OF(PROMISING), OF(STARTING) | OF(FOLLOWING) | OF(DEMOTING), REPLICA_PROMISING,
     "the document has no primary"},
    {CALM & ~OF(FROZEN), OF(PROMISING), REPLICA_FROZEN, "it has promised"},
    {CALM & ~OF(PROMOTING), OF(FROZEN) | OF(FOLLOWING) | OF(HANDING_OVER) | OF(RESUMING),
     REPLICA_PROMOTING, "the document names this run of it"},
    {OF(PROMOTING) | OF(SERVING) | OF(HANDING_OVER), OF(PROMOTING), REPLICA_VERIFYING,
     "its engine is primary"},
    {OF(PROMOTING) | OF(VERIFYING) | OF(HANDING_OVER), OF(PROMOTING) | OF(VERIFYING),
     REPLICA_SERVING, "the document says that it serves"},
    {OF(PROMOTING) | OF(VERIFYING) | OF(SERVING), OF(SERVING), REPLICA_HANDING_OVER,
     "the document has a target"},
    {CALM & ~OF(FOLLOWING), OF(FROZEN) | OF(HANDING_OVER) | OF(REWINDING) | OF(COPYING),
     REPLICA_FOLLOWING, "the document names another member"},
    {CALM & ~OF(REWINDING), OF(FOLLOWING), REPLICA_REWINDING, "its data went another way"},
    {CALM & ~OF(COPYING), OF(FOLLOWING) | OF(REWINDING), REPLICA_COPYING,
     "what it lacks is gone, or it has no whole copy"},
    {CALM & ~OF(RESUMING), OF(STARTING), REPLICA_RESUMING,
     "the document names an earlier run of it"},
};
const uint32_t replica_transition_count = ARRAY_LEN(replica_transitions);

void replica_check_transition(enum replica_state from, enum replica_state to)
{
    bool known = false;

    for (uint32_t i = 0; i < replica_transition_count && !known; i++)
        known = (replica_transitions[i].from >> from & 1) != 0 && replica_transitions[i].to == to;
    must(known);
}

/* ---- the report ---- */

static enum engine_state state_of(const struct replica *r)
{
    if (r->stuck)
        return ENGINE_STUCK;
    if (r->rules.managed && r->process == PROCESS_ENDED)
        return r->state == REPLICA_WAITING ? ENGINE_FAILED : ENGINE_STOPPED;
    if (r->process == PROCESS_STARTING)
        return ENGINE_STARTING;
    return r->heard ? r->status.state : ENGINE_UNKNOWN;
}

/* Who leaves is no candidate, and answers for what it is asked meanwhile. */
static const char *sentence_of(const struct replica *r)
{
    if (r->sentence[0])
        return r->sentence;
    if (r->ended[0] && !r->leaving)
        return r->ended;
    return r->leaving ? REPLICA_LEAVES : r->status.sentence;
}

void replica_report(const struct replica *replica, struct group_report *report)
{
    const struct replica *r = replica;

    *report = (struct group_report){
        .life = r->self,
        .epoch = r->epoch,
        .version = r->version,
        .state = (uint8_t)state_of(r),
        .role = r->status.role,
        .linked = r->follows && r->status.linked && r->status.primary == r->body.primary,
        .loading = r->loading,
        .refused = r->refused || r->leaving,
        .promised = r->heard ? r->status.promised : 0,
        .position = r->status.position,
        .lag_bytes = r->status.role == ENGINE_SECONDARY ? r->status.lag_bytes : UINT64_MAX,
    };
    (void)snprintf(report->sentence, sizeof report->sentence, "%s", sentence_of(r));
}

/* ---- the page ---- */

static void document_names(uint32_t states, struct buf *out)
{
    const char *separator = "";

    for (uint32_t state = 0; state < REPLICA_STATES; state++) {
        if ((states >> state & 1) == 0)
            continue;
        buf_add_string(out, separator);
        buf_add_string(out, replica_state_name(state));
        separator = ", ";
    }
}

/* Of most, those that are not among them are fewer. */
static void document_states(enum replica_state to, uint32_t states, struct buf *out)
{
    uint32_t others = ALL & ~states & ~(UINT32_C(1) << to), missing = 0;

    for (uint32_t state = 0; state < REPLICA_STATES; state++)
        missing += others >> state & 1;
    if (missing > REPLICA_STATES / 2) {
        document_names(states, out);
        return;
    }
    buf_add_string(out, missing == 0 ? "any" : "any but ");
    document_names(others, out);
}

/* A name in a diagram is one word. */
static void draw_name(enum replica_state state, struct buf *out)
{
    for (const char *at = replica_state_name(state); *at; at++)
        buf_add_byte(out, *at == ' ' ? '_' : (uint8_t)*at);
}

static void draw(const struct replica_transition *row, struct buf *out)
{
    for (uint32_t state = 0; state < REPLICA_STATES; state++) {
        if ((row->usual >> state & 1) == 0)
            continue;
        buf_add_string(out, "    ");
        draw_name(state, out);
        buf_add_string(out, " --> ");
        draw_name(row->to, out);
        buf_add_byte(out, '\n');
    }
}

void replica_document(struct buf *out)
{
    buf_add_string(out, "```mermaid\nstateDiagram-v2\n    [*] --> starting\n");
    for (uint32_t i = 0; i < replica_transition_count; i++)
        draw(&replica_transitions[i], out);
    buf_add_string(out, "```\n\n| to | because | from |\n|---|---|---|\n");
    for (uint32_t i = 0; i < replica_transition_count; i++) {
        const struct replica_transition *row = &replica_transitions[i];

        buf_print(out, "| %s | %s | ", replica_state_name(row->to), row->sentence);
        document_states(row->to, row->from, out);
        buf_add_string(out, " |\n");
    }
}
