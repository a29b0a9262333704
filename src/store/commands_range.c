/*
 * Ranges of sorted sets: by rank, by score, by member. Each becomes a range of ranks, which is then gone over.
 */
#include "store/commands.h"
#include "store/commands_sorted.h"
#include "store/notice.h"
#include "store/space.h"

#include <math.h>
#include <stdlib.h>

enum range_kind { RANGE_RANK, RANGE_SCORE, RANGE_MEMBER, RANGE_ANY };

/* One end of a range. */
struct bound {
    int64_t rank;
    double score;
    struct bytes member;
    int infinite; /* of members: -1 `-`, 1 `+` */
    bool open;    /* itself not included */
};

struct range {
    enum range_kind kind;
    bool down, with_scores;
    int64_t offset, limit; /* limit < 0: all */
    struct bound min, max;
};

/* From `from` on, `count` of them; 0: none. */
struct ranks {
    uint64_t from, count;
};

/* ---- reading it ---- */

static bool read_score(struct bytes text, struct bound *bound)
{
    char copy[256], *end;

    bound->open = text.len > 0 && text.at[0] == '(';
    text = bytes_skip(text, bound->open);
    if (text.len >= sizeof copy)
        return false;
    bytes_to_string(text, copy, sizeof copy);
    bound->score = strtod(copy, &end);
    return *end == '\0' && !isnan(bound->score);
}

static bool read_member(struct bytes text, struct bound *bound)
{
    if (text.len == 1 && (text.at[0] == '-' || text.at[0] == '+')) {
        bound->infinite = text.at[0] == '-' ? -1 : 1;
        return true;
    }
    if (text.len == 0 || (text.at[0] != '(' && text.at[0] != '['))
        return false;
    bound->open = text.at[0] == '(';
    bound->member = bytes_skip(text, 1);
    return true;
}

static bool read_bounds(struct call *call, struct range *range, uint32_t min, uint32_t max)
{
    const struct bytes *words = call->words;

    switch (range->kind) {
    case RANGE_SCORE:
        if (read_score(words[min], &range->min) && read_score(words[max], &range->max))
            return true;
        reply_error(call, "ERR min or max is not a float");
        return false;
    case RANGE_MEMBER:
        if (read_member(words[min], &range->min) && read_member(words[max], &range->max))
            return true;
        reply_error(call, "ERR min or max not valid string range item");
        return false;
    case RANGE_RANK:
    case RANGE_ANY:
        break;
    }
    return call_number(call, min, &range->min.rank) && call_number(call, max, &range->max.rank);
}

/* The options behind the bounds; *kind and *down are what the command leaves open, and become what is meant. */
static bool read_options(struct call *call, uint32_t word, bool any_order, bool storing,
                         struct range *range)
{
    bool any_kind = range->kind == RANGE_ANY;

    for (; word < call->count; word++) {
        if (!storing && call_is(call, word, "withscores")) {
            range->with_scores = true;
        } else if (call_is(call, word, "limit") && call->count - word > 2) {
            if (!call_number(call, word + 1, &range->offset) ||
                !call_number(call, word + 2, &range->limit))
                return false;
            word += 2;
        } else if (any_order && !range->down && call_is(call, word, "rev")) {
            range->down = true;
        } else if (any_kind && range->kind == RANGE_ANY && call_is(call, word, "bylex")) {
            range->kind = RANGE_MEMBER;
        } else if (any_kind && range->kind == RANGE_ANY && call_is(call, word, "byscore")) {
            range->kind = RANGE_SCORE;
        } else {
            reply_syntax(call);
            return false;
        }
    }
    if (range->kind == RANGE_ANY)
        range->kind = RANGE_RANK;
    if (range->limit != -1 && range->kind == RANGE_RANK)
        reply_error(call, "ERR syntax error, LIMIT is only supported in combination with either "
                          "BYSCORE or BYLEX");
    else if (range->with_scores && range->kind == RANGE_MEMBER)
        reply_error(call, "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    else
        return true;
    return false;
}

/* The bounds are at `word` and behind it. */
static bool read_range(struct call *call, uint32_t word, bool any_order, bool storing,
                       struct range *range)
{
    bool swapped;

    range->limit = -1;
    if (!read_options(call, word + 2, any_order, storing, range))
        return false;
    swapped = range->down && range->kind != RANGE_RANK;
    return read_bounds(call, range, word + swapped, word + !swapped);
}

/* ---- ranks of it ---- */

static struct ranks between(uint64_t from, uint64_t end)
{
    return from < end ? (struct ranks){from, end - from} : (struct ranks){0};
}

/* How many stand before a bound: before what it includes, if it is the lower one; behind that, if it is the upper one. */
static uint64_t below(const struct sorted *sorted, const struct range *range, bool upper)
{
    const struct bound *bound = upper ? &range->max : &range->min;
    bool or_equal = upper != bound->open;

    if (range->kind == RANGE_SCORE)
        return sorted_below(sorted, bound->score, or_equal);
    if (bound->infinite)
        return bound->infinite < 0 ? 0 : sorted_count(sorted);
    return sorted_below_member(sorted, bound->member, or_equal);
}

static struct ranks by_rank(const struct sorted *sorted, const struct range *range)
{
    int64_t count = (int64_t)sorted_count(sorted), from = range->min.rank, end = range->max.rank;

    from = from < -count ? 0 : from < 0 ? from + count : from;
    end = end < -count ? -1 : end < 0 ? end + count : end;
    if (end >= count)
        end = count - 1;
    if (from > end || from >= count)
        return (struct ranks){0};
    if (range->down)
        return between((uint64_t)(count - 1 - end), (uint64_t)(count - from));
    return between((uint64_t)from, (uint64_t)end + 1);
}

static struct ranks all_ranks_of(const struct sorted *sorted, const struct range *range)
{
    if (range->kind == RANGE_RANK)
        return by_rank(sorted, range);
    return between(below(sorted, range, false), below(sorted, range, true));
}

/* Those of them that LIMIT leaves. */
static struct ranks ranks_of(const struct sorted *sorted, const struct range *range)
{
    struct ranks ranks = all_ranks_of(sorted, range);
    uint64_t skipped = (uint64_t)range->offset, left;

    if (range->offset < 0 || skipped >= ranks.count)
        return (struct ranks){0};
    left = ranks.count - skipped;
    if (range->limit >= 0 && (uint64_t)range->limit < left)
        left = (uint64_t)range->limit;
    ranks.from += range->down ? ranks.count - skipped - left : skipped;
    ranks.count = left;
    return ranks;
}

static void begin_walk(struct sorted_walk *walk, const struct sorted *sorted, struct ranks ranks,
                       bool down)
{
    sorted_begin(walk, sorted, down ? ranks.from + ranks.count - 1 : ranks.from, down);
}

/* ---- commands ---- */

static void reply_range(struct call *call, enum range_kind kind, bool down, bool any_order)
{
    struct range range = {.kind = kind, .down = down};
    const struct sorted *sorted;
    struct sorted_walk walk;
    struct scored scored;
    struct ranks ranks = {0};
    bool wrong;

    if (!read_range(call, 2, any_order, false, &range))
        return;
    sorted = sorted_look(call, 1, &wrong);
    if (wrong)
        return;
    if (sorted)
        ranks = ranks_of(sorted, &range);
    reply_array(call, range.with_scores && !call->version3 ? 2 * ranks.count : ranks.count);
    if (ranks.count == 0)
        return;
    begin_walk(&walk, sorted, ranks, range.down);
    for (; ranks.count > 0 && sorted_next(&walk, &scored); ranks.count--)
        sorted_reply_one(call, scored, range.with_scores);
}

void run_zrange(struct call *call)
{
    reply_range(call, RANGE_ANY, false, true);
}

void run_zrevrange(struct call *call)
{
    reply_range(call, RANGE_RANK, true, false);
}

void run_zrangebyscore(struct call *call)
{
    reply_range(call, RANGE_SCORE, false, false);
}

void run_zrevrangebyscore(struct call *call)
{
    reply_range(call, RANGE_SCORE, true, false);
}

void run_zrangebylex(struct call *call)
{
    reply_range(call, RANGE_MEMBER, false, false);
}

void run_zrevrangebylex(struct call *call)
{
    reply_range(call, RANGE_MEMBER, true, false);
}

void run_zrangestore(struct call *call)
{
    struct range range = {.kind = RANGE_ANY};
    const struct sorted *sorted;
    struct sorted *result = NULL;
    struct sorted_walk walk;
    struct scored scored;
    struct ranks ranks = {0};
    int64_t count;
    bool wrong;

    if (!read_range(call, 3, true, true, &range))
        return;
    sorted = sorted_look(call, 2, &wrong);
    if (wrong)
        return;
    if (sorted)
        ranks = ranks_of(sorted, &range);
    count = (int64_t)ranks.count;
    if (count > 0) {
        result = sorted_make(call);
        begin_walk(&walk, sorted, ranks, range.down);
        for (; ranks.count > 0 && sorted_next(&walk, &scored); ranks.count--)
            sorted_set(result, call_heap(call), scored.member, scored.score);
    }
    call_store(call, 1, VALUE_SORTED, result, "zrangestore");
    reply_number(call, count);
}

static void count_range(struct call *call, enum range_kind kind)
{
    struct range range = {.kind = kind, .limit = -1};
    const struct sorted *sorted;
    bool wrong;

    if (!read_bounds(call, &range, 2, 3))
        return;
    sorted = sorted_look(call, 1, &wrong);
    if (!wrong)
        reply_number(call, sorted ? (int64_t)ranks_of(sorted, &range).count : 0);
}

void run_zcount(struct call *call)
{
    count_range(call, RANGE_SCORE);
}

void run_zlexcount(struct call *call)
{
    count_range(call, RANGE_MEMBER);
}

static void remove_range(struct call *call, enum range_kind kind, const char *event)
{
    struct range range = {.kind = kind, .limit = -1};
    struct sorted *sorted;
    struct ranks ranks;
    struct spot spot;

    if (!read_bounds(call, &range, 2, 3))
        return;
    spot = call_look_to_change(call, 1);
    if (!call_has_type(call, &spot, VALUE_SORTED))
        return;
    sorted = spot_value(&spot);
    ranks = sorted ? ranks_of(sorted, &range) : (struct ranks){0};
    if (ranks.count > 0) {
        call_change(call, &spot);
        call_tell(call, NOTICE_SORTED, event, spot.name);
        if (ranks.count == sorted_count(sorted))
            call_delete_empty(call, &spot); /* as garbage, if there is much of it */
        else
            sorted_remove_range(sorted, call_heap(call), ranks.from, ranks.count);
    }
    reply_number(call, (int64_t)ranks.count);
}

void run_zremrangebyrank(struct call *call)
{
    remove_range(call, RANGE_RANK, "zremrangebyrank");
}

void run_zremrangebyscore(struct call *call)
{
    remove_range(call, RANGE_SCORE, "zremrangebyscore");
}

void run_zremrangebylex(struct call *call)
{
    remove_range(call, RANGE_MEMBER, "zremrangebylex");
}
