#include "cluster/drive.h"

/* A member speaks for itself: what was said under its name by a blank node, or by one of another cluster, is not its word. */
static struct level_member of_member(struct cluster *c, const struct member *member)
{
    const struct place *place = peers_place_of(c, member->id);

    if (member->id == c->self)
        return (struct level_member){.heard = true, .understands = COMMAND_LEVEL};
    if (!place)
        return (struct level_member){0};
    return (struct level_member){.heard = place->linked && place->known && !place->foreign,
                                 .understands = place->level_max};
}

void level_look(struct cluster *c, struct level_verdict *verdict)
{
    struct level_member members[CLUSTER_NODES_MAX];

    for (uint32_t i = 0; i < c->document.member_count; i++)
        members[i] = of_member(c, &c->document.members[i]);
    level_judge(c->document.level, members, c->document.member_count, verdict);
}

void level_agree(struct cluster *c)
{
    struct document_command command = {.kind = COMMAND_LEVEL_RAISE, .based_on = c->document.level};
    struct level_verdict verdict;

    if (c->level_raising > c->applying)
        return;
    level_look(c, &verdict);
    if (verdict.raise_to == 0)
        return;
    command.raise_to = verdict.raise_to;
    if (propose_own(c, &command))
        c->level_raising = c->raft.last;
}

void level_tell(struct cluster *c)
{
    struct fact fact;

    fact_init(&fact, FACT_LEVEL_RAISED, SUBJECT_DOCUMENT, "");
    fact_add(&fact, NUMBER_VERSION, c->document.level);
    fact_say(&fact,
             "the document is at level %u now: every member understands it, and nodes of older "
             "versions cannot go on",
             c->document.level);
    drive_record(c, &fact);
}
