/*
 * Decides on which node each virtual address should be. Holds nothing but since when who was well; reads no clock, cannot fail.
 *
 * It never moves an address to a node that is not there, and never one that stands well for a reason that may be gone in a moment.
 */
#include "failover/address.h"

#include "base/must.h"

const char *address_reason_text(enum address_reason reason)
{
    static const char *const texts[ADDRESS_REASONS] = {
        [ADDRESS_VACANT] = "nobody had it",
        [ADDRESS_GONE] = "its holder is gone",
        [ADDRESS_FAILS] = "its conditions failed there",
        [ADDRESS_REFUSED] = "its holder takes no work",
        [ADDRESS_MISPLACED] = "the configuration names its holder no more",
        [ADDRESS_PREFERRED] = "a more preferred node is well again",
        [ADDRESS_EVEN] = "its holder had more than its share",
        [ADDRESS_ORDERED] = "an operator moved it",
    };

    must(reason < ADDRESS_REASONS);
    return texts[reason];
}

static void check(const struct address_core *core, const struct address_view *view)
{
    must(view->address_count <= ADDRESS_MAX);
    must(view->node_count <= ADDRESS_NODES_MAX);
    must(core->address_count == view->address_count);
    must(core->node_count == view->node_count);
    for (uint32_t a = 0; a < view->address_count; a++) {
        const struct address_rule *rule = &view->rules[a];

        must(rule->node_count <= view->node_count);
        must(!rule->spread || !rule->preempt);
        must(core->ordered[a] == ADDRESS_NOBODY || core->ordered[a] < view->node_count);
        for (uint32_t i = 0; i < rule->node_count; i++)
            must(rule->nodes[i] < view->node_count);
    }
}

void address_init(struct address_core *core)
{
    *core = (struct address_core){0};
}

/* ---- what is seen ---- */

static bool is_well(const struct address_view *view, uint32_t a, uint32_t n)
{
    return view->nodes[n].alive && !view->nodes[n].refuses && view->words[a][n] == ADDRESS_WELL;
}

static bool is_node(const struct address_view *view, uint8_t n)
{
    return n < view->node_count;
}

/* It has the address, and goes on having it by itself. */
static bool holds_on(const struct address_view *view, uint32_t a)
{
    uint8_t holder = view->holders[a];

    return is_node(view, holder) && view->current[a] && view->nodes[holder].alive;
}

static void begin(struct address_core *core, const struct address_view *view, struct instant now)
{
    core->began = true;
    core->began_at = now;
    core->lead_at = after_ms(now, ADDRESS_SETTLED_MS);
    core->address_count = view->address_count;
    core->node_count = view->node_count;
    for (uint32_t a = 0; a < ADDRESS_MAX; a++) {
        core->vacant[a] = NEVER;
        core->ordered[a] = ADDRESS_NOBODY;
        for (uint32_t n = 0; n < ADDRESS_NODES_MAX; n++)
            core->well[a][n] = NEVER;
    }
}

/* Those that are well when this leader first hears them were so before: nobody knows better. */
static struct instant since_when(const struct address_core *core, struct instant now)
{
    bool early = !passed(after_ms(core->began_at, ADDRESS_GATHER_MS), now);

    return early ? (struct instant){now.ns - ADDRESS_SETTLED_MS * NS_PER_MS} : now;
}

static void observe(struct address_core *core, const struct address_view *view, struct instant now)
{
    for (uint32_t a = 0; a < view->address_count; a++) {
        for (uint32_t n = 0; n < view->node_count; n++)
            if (!is_well(view, a, n))
                core->well[a][n] = NEVER;
            else if (core->well[a][n].ns == NEVER.ns)
                core->well[a][n] = since_when(core, now);
        if (view->holders[a] != ADDRESS_NOBODY)
            core->vacant[a] = NEVER;
        else if (core->vacant[a].ns == NEVER.ns)
            core->vacant[a] = now;
        if (core->ordered[a] != ADDRESS_NOBODY && !is_well(view, a, core->ordered[a]))
            core->ordered[a] = ADDRESS_NOBODY;
    }
}

static bool is_settled(const struct address_core *core, uint32_t a, uint32_t n, struct instant now)
{
    return core->well[a][n].ns != NEVER.ns &&
           passed(after_ms(core->well[a][n], ADDRESS_SETTLED_MS), now);
}

/* ---- choosing ---- */

/* How many spread addresses each node has, by the document and by what was decided in this step. */
struct load {
    uint32_t counts[ADDRESS_NODES_MAX];
};

static struct load loads(const struct address_view *view)
{
    struct load load = {0};

    for (uint32_t a = 0; a < view->address_count; a++)
        if (view->rules[a].spread && holds_on(view, a))
            load.counts[view->holders[a]]++;
    return load;
}

enum wanted { WANT_ALIVE, WANT_WELL, WANT_SETTLED };

struct search {
    const struct address_core *core;
    const struct address_view *view;
    const struct load *load;
    struct instant now;
};

static bool may_take(const struct search *s, uint32_t a, uint8_t n, enum wanted wanted)
{
    if (wanted == WANT_ALIVE)
        return s->view->nodes[n].alive && !s->view->nodes[n].refuses &&
               s->view->words[a][n] != ADDRESS_UNHEARD;
    return wanted == WANT_WELL ? is_well(s->view, a, n) : is_settled(s->core, a, n, s->now);
}

/* The most preferred, or the one with the fewest, other than `not_this`. Equals are taken in turn, beginning elsewhere for each address. */
static uint8_t best(const struct search *s, uint32_t a, uint8_t not_this, enum wanted wanted)
{
    const struct address_rule *rule = &s->view->rules[a];
    uint8_t found = ADDRESS_NOBODY;

    for (uint32_t i = 0; i < rule->node_count; i++) {
        uint8_t n = rule->nodes[rule->spread ? (i + a) % rule->node_count : i];

        if (n == not_this || !may_take(s, a, n, wanted))
            continue;
        if (found == ADDRESS_NOBODY ||
            (rule->spread && s->load->counts[n] < s->load->counts[found]))
            found = n;
    }
    return found;
}

static bool is_named(const struct address_rule *rule, uint8_t n)
{
    for (uint32_t i = 0; i < rule->node_count; i++)
        if (rule->nodes[i] == n)
            return true;
    return false;
}

/* More preferred than the holder, and settled. */
static uint8_t preferred(const struct search *s, uint32_t a)
{
    const struct address_rule *rule = &s->view->rules[a];

    for (uint32_t i = 0; i < rule->node_count && rule->nodes[i] != s->view->holders[a]; i++)
        if (is_settled(s->core, a, rule->nodes[i], s->now))
            return rule->nodes[i];
    return ADDRESS_NOBODY;
}

/* ---- one address ---- */

/* Somebody who was heard a moment ago may be heard as well in a moment. */
static bool waits_for_words(const struct search *s, uint32_t a)
{
    const struct address_rule *rule = &s->view->rules[a];

    if (passed(after_ms(s->core->began_at, ADDRESS_GATHER_MS), s->now))
        return false;
    for (uint32_t i = 0; i < rule->node_count; i++)
        if (s->view->nodes[rule->nodes[i]].alive &&
            s->view->words[a][rule->nodes[i]] == ADDRESS_UNHEARD)
            return true;
    return false;
}

/* Nobody has it, or nobody who is there. When it is well nowhere, it is better somewhere than nowhere, but that can wait. */
static struct address_action place(const struct search *s, uint32_t a)
{
    struct address_action action = {.to = s->core->ordered[a],
                                    .reason = s->view->holders[a] == ADDRESS_NOBODY ? ADDRESS_VACANT
                                                                                    : ADDRESS_GONE};

    if (waits_for_words(s, a))
        return action;
    if (action.to == ADDRESS_NOBODY)
        action.to = best(s, a, ADDRESS_NOBODY, WANT_WELL);
    if (action.to == ADDRESS_NOBODY && s->core->vacant[a].ns != NEVER.ns &&
        passed(after_ms(s->core->vacant[a], ADDRESS_SETTLED_MS), s->now))
        action.to = best(s, a, ADDRESS_NOBODY, WANT_ALIVE);
    if (action.to != ADDRESS_NOBODY)
        action.step = ADDRESS_TAKE;
    return action;
}

static struct address_action hand_over(uint8_t to, enum address_reason reason)
{
    return (struct address_action){.step = to == ADDRESS_NOBODY ? ADDRESS_STAY : ADDRESS_HAND_OVER,
                                   .to = to,
                                   .reason = reason};
}

/* Its holder is there. Without need it is moved only to who has been well for a while, so who flaps gets it once in that time at most. */
static struct address_action move(const struct search *s, uint32_t a)
{
    const struct address_rule *rule = &s->view->rules[a];
    uint8_t holder = s->view->holders[a], ordered = s->core->ordered[a], to;

    if (ordered != ADDRESS_NOBODY && ordered != holder)
        return hand_over(ordered, ADDRESS_ORDERED);
    if (!is_named(rule, holder))
        return hand_over(best(s, a, holder, WANT_WELL), ADDRESS_MISPLACED);
    if (s->view->nodes[holder].refuses)
        return hand_over(best(s, a, holder, WANT_WELL), ADDRESS_REFUSED);
    if (s->view->words[a][holder] == ADDRESS_UNWELL)
        return hand_over(best(s, a, holder, WANT_SETTLED), ADDRESS_FAILS);
    if (ordered != ADDRESS_NOBODY)
        return (struct address_action){.to = ADDRESS_NOBODY};
    if (rule->preempt)
        return hand_over(preferred(s, a), ADDRESS_PREFERRED);
    to = rule->spread ? best(s, a, holder, WANT_SETTLED) : ADDRESS_NOBODY;
    if (to != ADDRESS_NOBODY && s->load->counts[holder] < s->load->counts[to] + 2)
        to = ADDRESS_NOBODY;
    return hand_over(to, ADDRESS_EVEN);
}

static void account(const struct address_view *view, struct load *load, uint32_t a,
                    const struct address_action *action)
{
    if (action->step == ADDRESS_STAY || !view->rules[a].spread)
        return;
    load->counts[action->to]++;
    if (action->step == ADDRESS_HAND_OVER)
        load->counts[view->holders[a]]--;
}

/* ---- the leadership ---- */

/* An address, or a group. */
static bool holds_any(const struct address_view *view, uint8_t n)
{
    for (uint32_t a = 0; a < view->address_count; a++)
        if (view->holders[a] == n)
            return true;
    return view->nodes[n].primary;
}

/*
 * A holder's death costs what is left of its lease. When it led, nobody decides before somebody else is elected, which matters when the lease ends
 * sooner than that, is short, or is ended by a proof.
 */
static void place_leadership(struct address_core *core, const struct address_view *view,
                             struct instant now, struct address_actions *out)
{
    for (uint32_t a = 0; a < view->address_count; a++)
        if (out->at[a].step != ADDRESS_STAY)
            return;
    if (!passed(core->lead_at, now) || !is_node(view, view->self) || !holds_any(view, view->self))
        return;
    for (uint8_t n = 0; n < view->node_count && out->lead == ADDRESS_NOBODY; n++)
        if (view->nodes[n].alive && view->nodes[n].voter && !view->nodes[n].refuses &&
            !holds_any(view, n))
            out->lead = n;
    if (out->lead != ADDRESS_NOBODY)
        core->lead_at = after_ms(now, ADDRESS_LEAD_MS);
}

/* ---- the step ---- */

static void consider(struct instant *again, struct instant at, struct instant now)
{
    if (!passed(at, now))
        *again = earlier(*again, at);
}

static struct instant next_look(const struct address_core *core, struct instant now)
{
    struct instant again = NEVER;

    consider(&again, after_ms(core->began_at, ADDRESS_GATHER_MS), now);
    consider(&again, core->lead_at, now);
    for (uint32_t a = 0; a < core->address_count; a++) {
        if (core->vacant[a].ns != NEVER.ns)
            consider(&again, after_ms(core->vacant[a], ADDRESS_SETTLED_MS), now);
        for (uint32_t n = 0; n < core->node_count; n++)
            if (core->well[a][n].ns != NEVER.ns)
                consider(&again, after_ms(core->well[a][n], ADDRESS_SETTLED_MS), now);
    }
    return again;
}

void address_decide(struct address_core *core, const struct address_view *view, struct instant now,
                    struct address_actions *out)
{
    struct load load = loads(view);
    const struct search search = {core, view, &load, now};

    if (!core->began)
        begin(core, view, now);
    check(core, view);
    *out = (struct address_actions){.lead = ADDRESS_NOBODY};
    observe(core, view, now);
    for (uint32_t a = 0; a < view->address_count; a++) {
        out->at[a] = holds_on(view, a) ? move(&search, a) : place(&search, a);
        account(view, &load, a, &out->at[a]);
    }
    place_leadership(core, view, now, out);
    out->again = next_look(core, now);
    check(core, view);
}

enum address_answer address_order(struct address_core *core, const struct address_view *view,
                                  uint32_t address, uint8_t *to)
{
    struct load load = loads(view);
    const struct search search = {core, view, &load, (struct instant){0}};

    must(address < view->address_count);
    if (!core->began || core->address_count != view->address_count ||
        core->node_count != view->node_count)
        return ADDRESS_NO_OTHER;
    if (*to == ADDRESS_NOBODY)
        *to = best(&search, address, view->holders[address], WANT_WELL);
    if (*to == ADDRESS_NOBODY)
        return ADDRESS_NO_OTHER;
    if (!is_named(&view->rules[address], *to))
        return ADDRESS_NOT_ITS;
    if (holds_on(view, address) && view->holders[address] == *to) {
        core->ordered[address] = *to;
        return ADDRESS_THERE;
    }
    if (!is_well(view, address, *to))
        return ADDRESS_NOT_WELL;
    core->ordered[address] = *to;
    return ADDRESS_ACCEPTED;
}
