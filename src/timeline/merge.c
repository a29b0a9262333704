#include "timeline/merge.h"

static void advance(struct merge_input *input)
{
    const char *why;
    size_t used;

    input->ended =
        input->facts.len == 0 || fact_decode(input->facts, &input->head, &used, &why) != FACT_READ;
    if (!input->ended)
        input->facts = bytes_skip(input->facts, used);
}

void merge_init(struct merge *merge)
{
    merge->count = 0;
}

void merge_add(struct merge *merge, struct bytes facts)
{
    struct merge_input *input = &merge->inputs[merge->count];

    must(merge->count < MERGE_INPUTS_MAX);
    *input = (struct merge_input){.facts = facts};
    advance(input);
    merge->count++;
}

static struct merge_input *earliest(struct merge *merge)
{
    struct merge_input *best = NULL;

    for (uint32_t i = 0; i < merge->count; i++) {
        struct merge_input *input = &merge->inputs[i];

        if (!input->ended && (!best || fact_compare(&input->head, &best->head) < 0))
            best = input;
    }
    return best;
}

/* Equal heads are all passed at once, so that no input can repeat what another one said. */
bool merge_next(struct merge *merge, struct fact *fact, uint32_t *input)
{
    struct merge_input *best = earliest(merge);

    if (!best)
        return false;
    *fact = best->head;
    if (input)
        *input = (uint32_t)(best - merge->inputs);
    for (uint32_t i = 0; i < merge->count; i++)
        while (!merge->inputs[i].ended && fact_same(&merge->inputs[i].head, fact))
            advance(&merge->inputs[i]);
    return true;
}
