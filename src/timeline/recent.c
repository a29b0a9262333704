#include "timeline/recent.h"

#include <stdlib.h>

bool recent_init(struct recent *recent, uint32_t cap)
{
    *recent = (struct recent){.facts = calloc(cap, sizeof(struct fact)), .cap = cap};
    return recent->facts != NULL;
}

void recent_fini(struct recent *recent)
{
    free(recent->facts);
    *recent = (struct recent){0};
}

void recent_add(struct recent *recent, const struct fact *fact)
{
    must(recent->count == 0 || fact->sequence > recent_at(recent, recent->count - 1)->sequence);
    recent->facts[recent->next] = *fact;
    recent->next = (recent->next + 1) % recent->cap;
    if (recent->count < recent->cap)
        recent->count++;
}

const struct fact *recent_at(const struct recent *recent, uint32_t n)
{
    must(n < recent->count);
    return &recent->facts[(recent->next + recent->cap - recent->count + n) % recent->cap];
}

uint32_t recent_until(const struct recent *recent, uint64_t sequence)
{
    uint32_t low = 0, high = recent->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (recent_at(recent, middle)->sequence <= sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
