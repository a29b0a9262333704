/*
 * What is made of several sorted sets, and of sets, whose members all have the score 1.
 *
 * Sources are taken by their size, the smallest first, and as they were named where sizes are the same: sums of scores do not depend on anything else.
 */
#include "base/must.h"
#include "store/commands.h"
#include "store/commands_sorted.h"
#include "store/space.h"

#include <math.h>
#include <stdlib.h>

enum combination { INTERSECTION, UNION, DIFFERENCE };
enum aggregate { SUM, MIN, MAX };

struct source {
    const struct sorted *sorted; /* one of the two, or neither */
    const struct set *set;
    double weight;
    uint32_t place; /* among the words */
};

struct combining {
    enum combination combination;
    enum aggregate aggregate;
    struct source *sources;
    uint32_t count;
    bool with_scores, storing, counting;
    int64_t limit; /* of what is counted; 0: none */
};

/* ---- sources ---- */

static uint64_t count_of(const struct source *source)
{
    if (source->sorted)
        return sorted_count(source->sorted);
    return source->set ? set_count(source->set) : 0;
}

static bool find(const struct source *source, struct bytes member, double *score)
{
    *score = 1;
    if (source->sorted)
        return sorted_score(source->sorted, member, score);
    return source->set && set_has(source->set, member);
}

/* Over the members of a source. */
struct source_walk {
    const struct source *source;
    struct sorted_walk sorted;
    struct set_walk set;
};

static void begin(struct source_walk *walk, const struct source *source)
{
    walk->source = source;
    if (source->sorted)
        sorted_begin(&walk->sorted, source->sorted, 0, false);
    else if (source->set)
        set_begin(&walk->set, source->set);
}

static bool next(struct source_walk *walk, struct scored *scored)
{
    if (walk->source->sorted)
        return sorted_next(&walk->sorted, scored);
    scored->score = 1;
    return walk->source->set && set_next(&walk->set, &scored->member);
}

static bool read_sources(struct call *call, uint32_t word, struct combining *combining)
{
    for (uint32_t i = 0; i < combining->count; i++) {
        struct spot spot = call_look(call, word + i);
        struct source *source = &combining->sources[i];

        *source = (struct source){.weight = 1, .place = i};
        if (spot.entry && spot.entry->type == VALUE_SET)
            source->set = spot_value(&spot);
        else if (!call_has_type(call, &spot, VALUE_SORTED))
            return false;
        else
            source->sorted = spot_value(&spot);
    }
    return true;
}

static int compare_sources(const void *left, const void *right)
{
    const struct source *a = left, *b = right;
    uint64_t x = count_of(a), y = count_of(b);

    return x != y ? (x > y) - (x < y) : (a->place > b->place) - (a->place < b->place);
}

/* ---- options ---- */

static bool read_weights(struct call *call, uint32_t word, struct combining *combining)
{
    for (uint32_t i = 0; i < combining->count; i++)
        if (!call_double(call, word + i, &combining->sources[i].weight,
                         "ERR weight value is not a float"))
            return false;
    return true;
}

static bool read_aggregate(struct call *call, uint32_t word, struct combining *combining)
{
    if (call_is(call, word, "sum"))
        combining->aggregate = SUM;
    else if (call_is(call, word, "min"))
        combining->aggregate = MIN;
    else if (call_is(call, word, "max"))
        combining->aggregate = MAX;
    else
        return reply_syntax(call), false;
    return true;
}

static bool read_options(struct call *call, uint32_t word, struct combining *combining)
{
    bool scoring = combining->combination != DIFFERENCE && !combining->counting;

    while (word < call->count) {
        uint32_t left = call->count - word;

        if (scoring && left > combining->count && call_is(call, word, "weights")) {
            if (!read_weights(call, word + 1, combining))
                return false;
            word += 1 + combining->count;
        } else if (scoring && left >= 2 && call_is(call, word, "aggregate")) {
            if (!read_aggregate(call, word + 1, combining))
                return false;
            word += 2;
        } else if (!combining->storing && !combining->counting &&
                   call_is(call, word, "withscores")) {
            combining->with_scores = true;
            word++;
        } else if (combining->counting && left >= 2 && call_is(call, word, "limit")) {
            if (!call_number_within(call, word + 1, 0, INT64_MAX, "ERR LIMIT can't be negative",
                                    &combining->limit))
                return false;
            word += 2;
        } else {
            reply_syntax(call);
            return false;
        }
    }
    return true;
}

/* ---- combining ---- */

static double scaled(double weight, double score)
{
    double product = weight * score;

    return isnan(product) ? 0 : product;
}

static double aggregated(enum aggregate aggregate, double a, double b)
{
    switch (aggregate) {
    case MIN:
        return b < a ? b : a;
    case MAX:
        return b > a ? b : a;
    case SUM:
        break;
    }
    return isnan(a + b) ? 0 : a + b; /* inf - inf */
}

static bool score_in_all(const struct combining *combining, struct bytes member, double *score)
{
    double other;

    for (uint32_t i = 1; i < combining->count; i++) {
        const struct source *source = &combining->sources[i];

        if (!find(source, member, &other))
            return false;
        /* A product that is no number stays one here, as with Redis. */
        *score = aggregated(combining->aggregate, *score, source->weight * other);
    }
    return true;
}

/* At most `limit` (0: all), into `into` if it is not NULL. */
static uint64_t intersect(struct call *call, const struct combining *combining, struct sorted *into)
{
    struct source_walk walk;
    struct scored scored;
    uint64_t found = 0;

    begin(&walk, &combining->sources[0]);
    while (next(&walk, &scored)) {
        double score = scaled(combining->sources[0].weight, scored.score);

        if (!score_in_all(combining, scored.member, &score))
            continue;
        if (into)
            sorted_set(into, call_heap(call), scored.member, score);
        if (++found == (uint64_t)combining->limit)
            break;
    }
    return found;
}

static void unite(struct call *call, const struct combining *combining, struct sorted *into)
{
    struct source_walk walk;
    struct scored scored;
    double before;

    for (uint32_t i = 0; i < combining->count; i++) {
        begin(&walk, &combining->sources[i]);
        while (next(&walk, &scored)) {
            double score = scaled(combining->sources[i].weight, scored.score);

            if (sorted_score(into, scored.member, &before))
                score = aggregated(combining->aggregate, before, score);
            sorted_set(into, call_heap(call), scored.member, score);
        }
    }
}

static void subtract(struct call *call, const struct combining *combining, struct sorted *into)
{
    struct source_walk walk;
    struct scored scored;
    double score;

    begin(&walk, &combining->sources[0]);
    while (next(&walk, &scored)) {
        bool found = false;

        for (uint32_t i = 1; i < combining->count && !found; i++)
            found = find(&combining->sources[i], scored.member, &score);
        if (!found)
            sorted_set(into, call_heap(call), scored.member, scored.score);
    }
}

static struct sorted *combine(struct call *call, struct combining *combining)
{
    struct sorted *result = sorted_make(call);

    if (combining->combination != DIFFERENCE)
        qsort(combining->sources, combining->count, sizeof *combining->sources, compare_sources);
    switch (combining->combination) {
    case INTERSECTION:
        intersect(call, combining, result);
        break;
    case UNION:
        unite(call, combining, result);
        break;
    case DIFFERENCE:
        subtract(call, combining, result);
        break;
    }
    return result;
}

/* ---- commands ---- */

static void reply_result(struct call *call, const struct sorted *result, bool with_scores)
{
    uint64_t count = sorted_count(result);
    struct sorted_walk walk;
    struct scored scored;

    reply_array(call, with_scores && !call->version3 ? 2 * count : count);
    sorted_begin(&walk, result, 0, false);
    while (sorted_next(&walk, &scored))
        sorted_reply_one(call, scored, with_scores);
}

static void store_result(struct call *call, struct sorted *result, const char *event)
{
    int64_t count = (int64_t)sorted_count(result);

    if (count == 0)
        space_discard(call->space, VALUE_SORTED, result);
    call_store(call, 1, VALUE_SORTED, count ? result : NULL, event);
    reply_number(call, count);
}

/* `event` is NULL for what is only replied. The count of keys is at `word`. */
static void run(struct call *call, struct combining *combining, uint32_t word, const char *event)
{
    struct sorted *result;
    int64_t count;

    if (!call_number(call, word, &count))
        return;
    if (count < 1) {
        reply_errorf(call, "ERR at least 1 input key is needed for '%s' command",
                     call->command->name);
        return;
    }
    if (count > call->count - (word + 1)) {
        reply_syntax(call);
        return;
    }
    combining->count = (uint32_t)count;
    combining->sources = malloc(combining->count * sizeof *combining->sources);
    must(combining->sources);
    if (read_sources(call, word + 1, combining) &&
        read_options(call, word + 1 + combining->count, combining)) {
        if (combining->counting) {
            qsort(combining->sources, combining->count, sizeof *combining->sources,
                  compare_sources);
            reply_number(call, (int64_t)intersect(call, combining, NULL));
        } else if (event) {
            store_result(call, combine(call, combining), event);
        } else {
            result = combine(call, combining);
            reply_result(call, result, combining->with_scores);
            space_discard(call->space, VALUE_SORTED, result);
        }
    }
    free(combining->sources);
}

void run_zunion(struct call *call)
{
    run(call, &(struct combining){.combination = UNION}, 1, NULL);
}

void run_zinter(struct call *call)
{
    run(call, &(struct combining){.combination = INTERSECTION}, 1, NULL);
}

void run_zdiff(struct call *call)
{
    run(call, &(struct combining){.combination = DIFFERENCE}, 1, NULL);
}

void run_zintercard(struct call *call)
{
    run(call, &(struct combining){.combination = INTERSECTION, .counting = true}, 1, NULL);
}

void run_zunionstore(struct call *call)
{
    run(call, &(struct combining){.combination = UNION, .storing = true}, 2, "zunionstore");
}

void run_zinterstore(struct call *call)
{
    run(call, &(struct combining){.combination = INTERSECTION, .storing = true}, 2, "zinterstore");
}

void run_zdiffstore(struct call *call)
{
    run(call, &(struct combining){.combination = DIFFERENCE, .storing = true}, 2, "zdiffstore");
}
