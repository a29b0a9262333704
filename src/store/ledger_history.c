#include "store/ledger_history.h"

static void check(const struct history *history)
{
    must(history->end >= history->base.offset);
    must((history->end > history->base.offset) == (history->count > 0));
    must(history->count == 0 || history->runs[0].first == history->base.offset + 1);
    must(history->count == 0 || history->runs[history->count - 1].first <= history->end);
}

void history_init(struct history *history, struct position base)
{
    *history = (struct history){.base = base, .end = base.offset};
}

static uint64_t last_of(const struct history *history, uint32_t run)
{
    return run + 1 < history->count ? history->runs[run + 1].first - 1 : history->end;
}

static void forget_runs(struct history *history, uint32_t count)
{
    history->count -= count;
    memmove(history->runs, history->runs + count, history->count * sizeof history->runs[0]);
}

void history_extend(struct history *history, uint64_t epoch, uint64_t end)
{
    struct position last = history_last(history);

    must(epoch > 0 && epoch >= last.epoch && end >= history->end);
    if (end == history->end)
        return;
    if (history->count == 0 || epoch > last.epoch) {
        if (history->count == HISTORY_RUNS_MAX)
            history_drop(history, history->runs[1].first);
        history->runs[history->count++] = (struct history_run){epoch, history->end + 1};
    }
    history->end = end;
    check(history);
}

void history_cut(struct history *history, uint64_t after)
{
    must(after >= history->base.offset && after <= history->end);
    while (history->count > 0 && history->runs[history->count - 1].first > after)
        history->count--;
    history->end = after;
    check(history);
}

void history_drop(struct history *history, uint64_t before)
{
    struct position base = {.offset = before - 1};
    uint32_t gone = 0;

    must(before > 0 && before <= history->end + 1);
    if (base.offset <= history->base.offset)
        return;
    base.epoch = history_epoch(history, base.offset);
    while (gone < history->count && last_of(history, gone) < before)
        gone++;
    forget_runs(history, gone);
    if (history->count > 0)
        history->runs[0].first = before;
    history->base = base;
    check(history);
}

uint64_t history_epoch(const struct history *history, uint64_t position)
{
    if (position == history->base.offset)
        return history->base.epoch;
    if (position > history->end)
        return 0;
    for (uint32_t i = history->count; i > 0; i--)
        if (history->runs[i - 1].first <= position)
            return history->runs[i - 1].epoch;
    return 0;
}

struct position history_last(const struct history *history)
{
    return (struct position){history_epoch(history, history->end), history->end};
}

/* Run -1 is the base: one position. */
static struct history_run run_of(const struct history *history, int run, uint64_t *last)
{
    if (run < 0) {
        *last = history->base.offset;
        return (struct history_run){history->base.epoch, history->base.offset};
    }
    *last = last_of(history, (uint32_t)run);
    return history->runs[run];
}

static bool meet(const struct history *a, const struct history_run *run, uint64_t last,
                 uint64_t *common)
{
    for (int i = (int)a->count - 1; i >= -1; i--) {
        uint64_t other_last, from, to;
        struct history_run other = run_of(a, i, &other_last);

        if (other.epoch != run->epoch)
            continue;
        from = other.first > run->first ? other.first : run->first;
        to = other_last < last ? other_last : last;
        if (from <= to) {
            *common = to;
            return true;
        }
    }
    return false;
}

bool history_common(const struct history *a, const struct history *b, uint64_t *common)
{
    for (int i = (int)b->count - 1; i >= -1; i--) {
        uint64_t last;
        struct history_run run = run_of(b, i, &last);

        if (meet(a, &run, last, common))
            return true;
    }
    return false;
}

void history_encode(struct buf *out, const struct history *history)
{
    pack_u64(out, history->base.epoch);
    pack_u64(out, history->base.offset);
    pack_u64(out, history->end);
    pack_u16(out, (uint16_t)history->count);
    for (uint32_t i = 0; i < history->count; i++) {
        pack_u64(out, history->runs[i].epoch);
        pack_u64(out, history->runs[i].first);
    }
}

static bool sensible(const struct history *history)
{
    uint64_t epoch = history->base.epoch, first = history->base.offset;

    if ((history->base.epoch == 0) != (history->base.offset == 0))
        return false;
    if (history->count == 0)
        return history->end == history->base.offset;
    if (history->runs[0].first != first + 1)
        return false;
    for (uint32_t i = 0; i < history->count; i++) {
        const struct history_run *run = &history->runs[i];

        if (run->first <= first || run->epoch == 0 || run->epoch < epoch ||
            (i > 0 && run->epoch == epoch))
            return false;
        first = run->first;
        epoch = run->epoch;
    }
    return history->end >= first;
}

bool history_decode(struct unpack *in, struct history *history)
{
    *history = (struct history){0};
    history->base.epoch = unpack_u64(in);
    history->base.offset = unpack_u64(in);
    history->end = unpack_u64(in);
    history->count = unpack_u16(in);
    if (in->bad || history->count > HISTORY_RUNS_MAX || history->end == UINT64_MAX)
        return false;
    for (uint32_t i = 0; i < history->count; i++) {
        history->runs[i].epoch = unpack_u64(in);
        history->runs[i].first = unpack_u64(in);
    }
    return !in->bad && sensible(history);
}
