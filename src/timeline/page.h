/*
 * The answer to a query: the merged facts of those who answered, who did not, and from where to go on. Pure.
 */
#pragma once

#include "timeline/merge.h"
#include "timeline/query.h"

struct page_leg {
    char node[FACT_NODE_MAX];
    bool answered;
    char why[EXCHANGE_SENTENCE_MAX]; /* not answered: a sentence */
    struct exchange_reply reply;     /* answered; its facts are borrowed */
};

/* How many facts the legs brought. */
uint32_t page_facts(const struct page_leg *legs, uint32_t count);
/* At most MERGE_INPUTS_MAX legs. One JSON object and a newline. */
void page_print(const struct query *query, const struct page_leg *legs, uint32_t count,
                struct buf *out);
