/*
 * The phases of failover as a table. Who leads anew finds the group in any of them, so STANDING_BY leads to all.
 */
#include "failover/phases.h"

#include "base/must.h"

const struct failover_transition failover_transitions[] = {
    {FAILOVER_STANDING_BY, FAILOVER_CREATING, "it leads, and the document has no such group"},
    {FAILOVER_STANDING_BY, FAILOVER_WATCHING, "it leads, and the primary serves"},
    {FAILOVER_STANDING_BY, FAILOVER_PROMISING, "it leads, and there is no primary"},
    {FAILOVER_STANDING_BY, FAILOVER_PROMOTING, "it leads, and the primary does not serve yet"},
    {FAILOVER_STANDING_BY, FAILOVER_SWITCHING, "it leads, and a switchover is under way"},

    {FAILOVER_CREATING, FAILOVER_PROMOTING, "the group is in the document with its first primary"},
    {FAILOVER_CREATING, FAILOVER_WATCHING, "the first primary served at once"},
    {FAILOVER_CREATING, FAILOVER_PROMISING, "the first primary stepped down"},

    {FAILOVER_WATCHING, FAILOVER_DELAYING, "the primary failed, and its cause has a delay"},
    {FAILOVER_WATCHING, FAILOVER_ISOLATING, "the primary failed: {primary 0} is asked for"},
    {FAILOVER_WATCHING, FAILOVER_PROMISING, "the primary stepped down"},
    {FAILOVER_WATCHING, FAILOVER_PROMOTING, "the primary is another one, or began again"},
    {FAILOVER_WATCHING, FAILOVER_SWITCHING, "the primary is asked to hand over"},
    {FAILOVER_WATCHING, FAILOVER_CREATING, "the group was deleted"},

    {FAILOVER_DELAYING, FAILOVER_WATCHING, "the primary is well again, or failover was paused"},
    {FAILOVER_DELAYING, FAILOVER_ISOLATING, "the delay is over"},
    {FAILOVER_DELAYING, FAILOVER_PROMISING, "the primary stepped down"},
    {FAILOVER_DELAYING, FAILOVER_PROMOTING, "the primary is another one, or began again"},
    {FAILOVER_DELAYING, FAILOVER_SWITCHING, "the primary is asked to hand over"},
    {FAILOVER_DELAYING, FAILOVER_CREATING, "the group was deleted"},

    {FAILOVER_ISOLATING, FAILOVER_PROMISING, "the document says {primary 0} in a new epoch"},
    {FAILOVER_ISOLATING, FAILOVER_WATCHING, "the primary is well after all, and kept its lease"},
    {FAILOVER_ISOLATING, FAILOVER_DELAYING, "the cause is another one, which has a delay"},
    {FAILOVER_ISOLATING, FAILOVER_PROMOTING, "the primary is another one, or began again"},
    {FAILOVER_ISOLATING, FAILOVER_SWITCHING, "the primary is well after all, and hands over"},
    {FAILOVER_ISOLATING, FAILOVER_CREATING, "the group was deleted"},

    {FAILOVER_PROMISING, FAILOVER_PROMOTING, "enough have promised: the most advanced is named"},
    {FAILOVER_PROMISING, FAILOVER_STRANDED, "nobody may be chosen, and `timeout` is over"},
    {FAILOVER_PROMISING, FAILOVER_WATCHING, "the new primary served at once"},
    {FAILOVER_PROMISING, FAILOVER_CREATING, "the group was deleted"},

    {FAILOVER_STRANDED, FAILOVER_PROMISING, "somebody may be chosen again"},
    {FAILOVER_STRANDED, FAILOVER_PROMOTING, "the document names a primary"},
    {FAILOVER_STRANDED, FAILOVER_WATCHING, "the new primary served at once"},
    {FAILOVER_STRANDED, FAILOVER_CREATING, "the group was deleted"},

    {FAILOVER_PROMOTING, FAILOVER_WATCHING, "the new primary answered a write"},
    {FAILOVER_PROMOTING, FAILOVER_ISOLATING, "it could not take over, or not in time"},
    {FAILOVER_PROMOTING, FAILOVER_PROMISING, "it stepped down"},
    {FAILOVER_PROMOTING, FAILOVER_SWITCHING, "it serves and is asked to hand over"},
    {FAILOVER_PROMOTING, FAILOVER_CREATING, "the group was deleted"},

    {FAILOVER_SWITCHING, FAILOVER_PROMOTING, "the primary handed over"},
    {FAILOVER_SWITCHING, FAILOVER_WATCHING, "it handed over, or the switchover was given up"},
    {FAILOVER_SWITCHING, FAILOVER_DELAYING, "the primary began again: it may say that it goes on"},
    {FAILOVER_SWITCHING, FAILOVER_ISOLATING, "the primary failed meanwhile"},
    {FAILOVER_SWITCHING, FAILOVER_PROMISING, "the primary stepped down meanwhile"},
    {FAILOVER_SWITCHING, FAILOVER_CREATING, "the group was deleted"},
};
const uint32_t failover_transition_count = ARRAY_LEN(failover_transitions);

/* Whoever stops leading stands by, from anywhere. */
bool failover_may_move(enum failover_phase from, enum failover_phase to)
{
    if (to == FAILOVER_STANDING_BY)
        return true;
    for (uint32_t i = 0; i < failover_transition_count; i++)
        if (failover_transitions[i].from == from && failover_transitions[i].to == to)
            return true;
    return false;
}

const char *failover_phase_name(enum failover_phase phase)
{
    static const char *const names[FAILOVER_PHASES] = {
        [FAILOVER_STANDING_BY] = "standing by", [FAILOVER_CREATING] = "creating",
        [FAILOVER_WATCHING] = "watching",       [FAILOVER_DELAYING] = "delaying",
        [FAILOVER_ISOLATING] = "isolating",     [FAILOVER_PROMISING] = "promising",
        [FAILOVER_PROMOTING] = "promoting",     [FAILOVER_SWITCHING] = "switching",
        [FAILOVER_STRANDED] = "stranded",
    };

    must((unsigned)phase < FAILOVER_PHASES);
    return names[phase];
}

const char *failover_cause_name(enum failover_cause cause)
{
    static const char *const names[CAUSES] = {
        [CAUSE_NONE] = "nobody knows why",
        [CAUSE_PROCESS] = "its process ended",
        [CAUSE_STUCK] = "its engine is stuck",
        [CAUSE_NODE] = "its node is dead",
        [CAUSE_SILENCE] = "its node is silent",
        [CAUSE_REFUSED] = "it could not take over",
        [CAUSE_LEFT] = "it stepped down",
        [CAUSE_SWITCHOVER] = "a switchover was ordered",
        [CAUSE_OPERATOR] = "an operator ordered it",
        [CAUSE_MAINTENANCE] = "its node is in maintenance",
        [CAUSE_FIRST] = "the group is new",
    };

    must((unsigned)cause < CAUSES);
    return names[cause];
}

/* A name in a diagram is one word. */
static void draw_name(enum failover_phase phase, struct buf *out)
{
    for (const char *at = failover_phase_name(phase); *at; at++)
        buf_add_byte(out, *at == ' ' ? '_' : (uint8_t)*at);
}

static void draw(const struct failover_transition *row, struct buf *out)
{
    /* What a new leader meets, and what a deleted group leads to, would cover all else. */
    if (row->from == FAILOVER_STANDING_BY || row->to == FAILOVER_CREATING)
        return;
    buf_add_string(out, "    ");
    draw_name(row->from, out);
    buf_add_string(out, " --> ");
    draw_name(row->to, out);
    buf_add_byte(out, '\n');
}

void failover_document(struct buf *out)
{
    buf_add_string(out, "```mermaid\nstateDiagram-v2\n    [*] --> creating\n");
    for (uint32_t i = 0; i < failover_transition_count; i++)
        draw(&failover_transitions[i], out);
    buf_add_string(out, "```\n\n| from | to | because |\n|---|---|---|\n");
    buf_add_string(out, "| any | standing by | this node does not lead any more |\n");
    for (uint32_t i = 0; i < failover_transition_count; i++) {
        const struct failover_transition *row = &failover_transitions[i];

        buf_print(out, "| %s | %s | %s |\n", failover_phase_name(row->from),
                  failover_phase_name(row->to), row->sentence);
    }
}
