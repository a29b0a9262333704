#include "cluster/entries.h"

#include "base/must.h"

#include <stdlib.h>

static struct entries_kept *place(const struct entries *entries, uint64_t index)
{
    return &entries->at[index % ENTRIES_MAX];
}

static void check(const struct entries *entries)
{
    must(entries->first <= entries->next);
    must(entries->next - entries->first <= ENTRIES_MAX);
}

static void forget(struct entries *entries, uint64_t index)
{
    struct entries_kept *kept = place(entries, index);

    entries->bytes -= kept->len;
    free(kept->body);
    *kept = (struct entries_kept){0};
}

void entries_init(struct entries *entries, uint64_t next)
{
    *entries = (struct entries){.first = next, .next = next};
    entries->at = calloc(ENTRIES_MAX, sizeof *entries->at);
    must(entries->at);
}

void entries_fini(struct entries *entries)
{
    if (entries->at)
        entries_cut_after(entries, entries->first - 1);
    free(entries->at);
    *entries = (struct entries){0};
}

bool entries_room(const struct entries *entries, uint32_t count, size_t bytes)
{
    return entries->next - entries->first + count <= ENTRIES_MAX &&
           entries->bytes + bytes <= ENTRIES_BYTES_MAX;
}

void entries_put(struct entries *entries, uint64_t index, const struct raft_entry *entry,
                 struct bytes body)
{
    struct entries_kept *kept;

    check(entries);
    must(index >= entries->first && index <= entries->next);
    if (index < entries->next)
        entries_cut_after(entries, index - 1);
    must(entries_room(entries, 1, 0));
    kept = place(entries, index);
    *kept = (struct entries_kept){.entry = *entry, .len = (uint32_t)body.len};
    if (body.len > 0) {
        /* A process that gets no memory for one command cannot keep what it promised a moment ago. */
        kept->body = malloc(body.len);
        must(kept->body);
        memcpy(kept->body, body.at, body.len);
    }
    entries->bytes += body.len;
    entries->next = index + 1;
    check(entries);
}

void entries_cut_after(struct entries *entries, uint64_t index)
{
    check(entries);
    while (entries->next > entries->first && entries->next - 1 > index)
        forget(entries, --entries->next);
    check(entries);
}

void entries_drop_before(struct entries *entries, uint64_t index)
{
    check(entries);
    while (entries->first < entries->next && entries->first < index)
        forget(entries, entries->first++);
    check(entries);
}

void entries_reset(struct entries *entries, uint64_t next)
{
    entries_cut_after(entries, entries->first - 1);
    entries->first = entries->next = next;
}

const struct entries_kept *entries_at(const struct entries *entries, uint64_t index)
{
    return index >= entries->first && index < entries->next ? place(entries, index) : NULL;
}
