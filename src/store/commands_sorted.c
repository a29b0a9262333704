/*
 * Sorted sets: adding, removing, and what is of one member. Ranges are in commands_range.c, what is made of several sets in commands_combine.c. Answers are those of Redis 7.0, word for word.
 */
#include "store/commands_sorted.h"
#include "store/commands.h"
#include "store/notice.h"
#include "store/space.h"
#include "store/value.h"

#include <math.h>

const struct sorted *sorted_look(struct call *call, uint32_t word, bool *wrong)
{
    struct spot spot = call_look(call, word);

    *wrong = !call_has_type(call, &spot, VALUE_SORTED);
    return *wrong ? NULL : spot_value(&spot);
}

struct sorted *sorted_make(struct call *call)
{
    return sorted_new(call_heap(call), space_seed(call->space));
}

/* ---- adding ---- */

enum { ADD_NX = 1, ADD_XX = 2, ADD_GT = 4, ADD_LT = 8, ADD_CH = 16, ADD_INCR = 32 };

struct adding {
    struct spot spot;
    uint32_t flags;
    int64_t added, changed;
    bool processed; /* of the last one */
    double score;   /* it has now */
};

static uint32_t read_flags(const struct call *call, uint32_t *word)
{
    static const struct {
        const char *name;
        uint32_t flag;
    } names[] = {{"nx", ADD_NX},     {"xx", ADD_XX}, {"ch", ADD_CH},
                 {"incr", ADD_INCR}, {"gt", ADD_GT}, {"lt", ADD_LT}};
    uint32_t flags = 0, flag;

    for (; *word < call->count; (*word)++) {
        flag = 0;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            flag |= call_is(call, *word, names[i].name) ? names[i].flag : 0;
        if (!flag)
            break;
        flags |= flag;
    }
    return flags;
}

static bool check_flags(struct call *call, uint32_t flags, uint32_t words)
{
    if (words == 0 || words % 2)
        reply_syntax(call);
    else if (flags & ADD_NX && flags & ADD_XX)
        reply_error(call, "ERR XX and NX options at the same time are not compatible");
    else if ((flags & ADD_GT && flags & ADD_LT) || (flags & ADD_NX && flags & (ADD_GT | ADD_LT)))
        reply_error(call, "ERR GT, LT, and/or NX options at the same time are not compatible");
    else if (flags & ADD_INCR && words > 2)
        reply_error(call, "ERR INCR option supports a single increment-element pair");
    else
        return true;
    return false;
}

/* The version is set with the first change. */
static void put_score(struct call *call, struct adding *adding, struct bytes member, double score)
{
    if (!adding->spot.entry)
        call_put_value(call, &adding->spot, VALUE_SORTED, sorted_make(call), 0);
    else if (adding->added + adding->changed == 0)
        call_change(call, &adding->spot);
    sorted_set(spot_value(&adding->spot), call_heap(call), member, score);
    adding->score = score;
}

/* False: what would come is no number, which has been replied. */
static bool add_one(struct call *call, struct adding *adding, struct bytes member, double score)
{
    const struct sorted *sorted = spot_value(&adding->spot);
    uint32_t flags = adding->flags;
    double before;

    adding->processed = false;
    if (!sorted || !sorted_score(sorted, member, &before)) {
        if (flags & ADD_XX)
            return true;
        put_score(call, adding, member, score);
        adding->added++;
        adding->processed = true;
        return true;
    }
    if (flags & ADD_NX)
        return true;
    if (flags & ADD_INCR)
        score += before;
    if (isnan(score)) {
        reply_error(call, "ERR resulting score is not a number (NaN)");
        return false;
    }
    if ((flags & ADD_GT && score <= before) || (flags & ADD_LT && score >= before))
        return true;
    adding->processed = true;
    adding->score = score;
    if (score != before) {
        put_score(call, adding, member, score);
        adding->changed++;
    }
    return true;
}

static void reply_added(struct call *call, const struct adding *adding)
{
    if (!(adding->flags & ADD_INCR))
        reply_number(call, adding->added + (adding->flags & ADD_CH ? adding->changed : 0));
    else if (adding->processed)
        reply_double(call, adding->score);
    else
        reply_null(call);
}

static void add(struct call *call, uint32_t flags)
{
    struct adding adding = {0};
    uint32_t word = 2;
    double score;

    if (call->command->arity < 0)
        flags |= read_flags(call, &word);
    if (!check_flags(call, flags, call->count - word))
        return;
    for (uint32_t at = word; at < call->count; at += 2)
        if (!call_double(call, at, &score, NULL))
            return;
    adding.flags = flags;
    adding.spot = call_look_to_change(call, 1);
    if (!call_has_type(call, &adding.spot, VALUE_SORTED))
        return;
    for (; word < call->count; word += 2)
        if (!text_to_double(call->words[word], &score) ||
            !add_one(call, &adding, call->words[word + 1], score))
            return;
    if (adding.added || adding.changed)
        call_tell(call, NOTICE_SORTED, flags & ADD_INCR ? "zincr" : "zadd", adding.spot.name);
    reply_added(call, &adding);
}

static void run_zadd(struct call *call)
{
    add(call, 0);
}

static void run_zincrby(struct call *call)
{
    add(call, ADD_INCR);
}

/* ---- removing ---- */

static void run_zrem(struct call *call)
{
    struct spot spot = call_look_to_change(call, 1);
    struct sorted *sorted;
    int64_t gone = 0;
    double score;

    if (!call_has_type(call, &spot, VALUE_SORTED))
        return;
    sorted = spot_value(&spot);
    for (uint32_t word = 2; sorted && word < call->count; word++) {
        if (!sorted_score(sorted, call->words[word], &score))
            continue;
        if (gone++ == 0)
            call_change(call, &spot);
        sorted_remove(sorted, call_heap(call), call->words[word]);
    }
    if (gone) {
        call_tell(call, NOTICE_SORTED, "zrem", spot.name);
        if (sorted_count(sorted) == 0)
            call_delete_empty(call, &spot);
    }
    reply_number(call, gone);
}

/* How popped members are replied. */
struct popping {
    bool largest, nested, with_key;
    int64_t count; /* -1: one */
};

static void pop(struct call *call, struct spot *spot, const struct popping *popping)
{
    struct sorted *sorted = spot_value(spot);
    uint64_t all = sorted_count(sorted), count = popping->count < 0 ? 1 : (uint64_t)popping->count;
    struct sorted_walk walk;
    struct scored scored;

    if (count > all)
        count = all;
    if (popping->with_key) {
        reply_array(call, 2);
        reply_bulk(call, spot->name);
    }
    reply_array(call, popping->nested ? count : 2 * count);
    sorted_begin(&walk, sorted, popping->largest ? all - 1 : 0, popping->largest);
    for (uint64_t i = 0; i < count && sorted_next(&walk, &scored); i++) {
        if (popping->nested)
            reply_array(call, 2);
        reply_bulk(call, scored.member);
        reply_double(call, scored.score);
    }
    call_change(call, spot);
    sorted_remove_range(sorted, call_heap(call), popping->largest ? all - count : 0, count);
    call_tell(call, NOTICE_SORTED, popping->largest ? "zpopmax" : "zpopmin", spot->name);
    if (count == all)
        call_delete_empty(call, spot);
}

static void pop_ends(struct call *call, bool largest)
{
    struct popping popping = {.largest = largest, .count = -1};
    struct spot spot;

    if (call->count > 3) {
        reply_syntax(call);
        return;
    }
    if (call->count == 3 && !call_count(call, 2, &popping.count))
        return;
    popping.nested = call->version3 && call->count == 3;
    spot = call_look_to_change(call, 1);
    if (!call_has_type(call, &spot, VALUE_SORTED))
        return;
    if (!spot.entry || popping.count == 0)
        reply_array(call, 0);
    else
        pop(call, &spot, &popping);
}

static void run_zpopmin(struct call *call)
{
    pop_ends(call, false);
}

static void run_zpopmax(struct call *call)
{
    pop_ends(call, true);
}

static bool read_zmpop(struct call *call, uint32_t where, struct popping *popping)
{
    popping->largest = call_is(call, where, "max");
    if ((!popping->largest && !call_is(call, where, "min")) ||
        (call->count != where + 1 &&
         (call->count != where + 3 || !call_is(call, where + 1, "count")))) {
        reply_syntax(call);
        return false;
    }
    return call->count == where + 1 ||
           call_number_within(call, where + 2, 1, INT64_MAX, "ERR count should be greater than 0",
                              &popping->count);
}

static void run_zmpop(struct call *call)
{
    struct popping popping = {.nested = true, .with_key = true, .count = -1};
    int64_t keys;

    if (!call_number_within(call, 1, 1, INT64_MAX, "ERR numkeys should be greater than 0", &keys))
        return;
    if (keys >= call->count - 2) {
        reply_syntax(call);
        return;
    }
    if (!read_zmpop(call, 2 + (uint32_t)keys, &popping))
        return;
    for (uint32_t word = 2; word < 2 + (uint32_t)keys; word++) {
        struct spot spot = call_look_to_change(call, word);

        if (!spot.entry)
            continue;
        if (call_has_type(call, &spot, VALUE_SORTED))
            pop(call, &spot, &popping);
        return;
    }
    reply_null_array(call);
}

/* ---- of one member ---- */

static void run_zcard(struct call *call)
{
    bool wrong;
    const struct sorted *sorted = sorted_look(call, 1, &wrong);

    if (!wrong)
        reply_number(call, sorted ? (int64_t)sorted_count(sorted) : 0);
}

static void reply_score(struct call *call, const struct sorted *sorted, struct bytes member)
{
    double score;

    if (sorted && sorted_score(sorted, member, &score))
        reply_double(call, score);
    else
        reply_null(call);
}

static void run_zscore(struct call *call)
{
    bool wrong;
    const struct sorted *sorted = sorted_look(call, 1, &wrong);

    if (!wrong)
        reply_score(call, sorted, call->words[2]);
}

static void run_zmscore(struct call *call)
{
    bool wrong;
    const struct sorted *sorted = sorted_look(call, 1, &wrong);

    if (wrong)
        return;
    reply_array(call, call->count - 2);
    for (uint32_t word = 2; word < call->count; word++)
        reply_score(call, sorted, call->words[word]);
}

static void reply_rank(struct call *call, bool down)
{
    bool wrong;
    const struct sorted *sorted = sorted_look(call, 1, &wrong);
    uint64_t rank;
    double score;

    if (wrong)
        return;
    if (!sorted || !sorted_score(sorted, call->words[2], &score)) {
        reply_null(call);
        return;
    }
    rank = sorted_rank(sorted, call->words[2]);
    reply_number(call, (int64_t)(down ? sorted_count(sorted) - 1 - rank : rank));
}

static void run_zrank(struct call *call)
{
    reply_rank(call, false);
}

static void run_zrevrank(struct call *call)
{
    reply_rank(call, true);
}

/* ---- at random ---- */

void sorted_reply_one(struct call *call, struct scored scored, bool with_scores)
{
    if (with_scores && call->version3)
        reply_array(call, 2);
    reply_bulk(call, scored.member);
    if (with_scores)
        reply_double(call, scored.score);
}

static struct scored at_rank(const struct sorted *sorted, uint64_t rank)
{
    struct sorted_walk walk;
    struct scored scored = {0};

    sorted_begin(&walk, sorted, rank, false);
    sorted_next(&walk, &scored);
    return scored;
}

/* Each rank with the chance that makes it so many in the end. */
static void reply_selected(struct call *call, const struct sorted *sorted, uint64_t count,
                           bool with_scores)
{
    struct sorted_walk walk;
    struct scored scored;
    uint64_t left = sorted_count(sorted);

    sorted_begin(&walk, sorted, 0, false);
    while (count > 0 && sorted_next(&walk, &scored))
        if (rng_below(call->chance, left--) < count) {
            sorted_reply_one(call, scored, with_scores);
            count--;
        }
}

static bool read_random(struct call *call, int64_t *number, bool *with_scores)
{
    *number = 1;
    *with_scores = call->count == 4;
    if (call->count == 2)
        return true;
    if (!call_number_within(call, 2, -INT64_MAX, INT64_MAX, NULL, number))
        return false;
    if (call->count > 4 || (*with_scores && !call_is(call, 3, "withscores"))) {
        reply_syntax(call);
        return false;
    }
    if (*with_scores && (*number < -INT64_MAX / 2 || *number > INT64_MAX / 2)) {
        reply_error(call, "ERR value is out of range");
        return false;
    }
    return true;
}

static void run_zrandmember(struct call *call)
{
    const struct sorted *sorted;
    uint64_t count, all;
    bool with_scores, wrong;
    int64_t number;

    if (!read_random(call, &number, &with_scores))
        return;
    sorted = sorted_look(call, 1, &wrong);
    if (wrong)
        return;
    all = sorted ? sorted_count(sorted) : 0;
    if (call->count == 2) {
        if (sorted)
            reply_bulk(call, at_rank(sorted, rng_below(call->chance, all)).member);
        else
            reply_null(call);
        return;
    }
    count = number < 0 ? (uint64_t)-number : (uint64_t)number;
    if (!sorted || (number > 0 && count > all))
        count = all;
    reply_array(call, with_scores && !call->version3 ? 2 * count : count);
    if (number < 0)
        for (; count > 0 && reply_is_wanted(call); count--)
            sorted_reply_one(call, at_rank(sorted, rng_below(call->chance, all)), with_scores);
    else if (count > 0)
        reply_selected(call, sorted, count, with_scores);
}

/* ---- scan ---- */

struct visit {
    struct scan_reply reply;
    int64_t seen;
};

static void scan_member(void *context, struct bytes member, double score)
{
    struct visit *visit = context;
    char text[CALL_DOUBLE_MAX];

    visit->seen++;
    if (!scan_wants(&visit->reply.options, member))
        return;
    scan_add(&visit->reply, member);
    scan_add(&visit->reply, bytes_of(text, double_to_text(score, text)));
}

static void run_zscan(struct call *call)
{
    struct visit visit = {0};
    struct scan_options *options = &visit.reply.options;
    const struct sorted *sorted;
    bool wrong;

    if (!scan_cursor(call, 2, options))
        return;
    sorted = sorted_look(call, 1, &wrong);
    if (wrong || (sorted && !scan_read_options(call, 3, options)))
        return;
    scan_begin_reply(&visit.reply, call);
    if (!sorted)
        options->cursor = 0;
    else
        do
            options->cursor = sorted_scan(sorted, options->cursor, scan_member, &visit);
        while (options->cursor && visit.seen < options->count);
    scan_end_reply(&visit.reply);
}

enum {
    READ = COMMAND_READ,
    READ_FAST = COMMAND_READ | COMMAND_FAST,
    WRITE = COMMAND_WRITE,
    WRITE_FAST = COMMAND_WRITE | COMMAND_FAST,
    SETS = COMMAND_WRITE | COMMAND_GROWS,
    SETS_FAST = SETS | COMMAND_FAST,
    COUNTED = COMMAND_READ | COMMAND_COUNTED,
    STORES_COUNTED = SETS | COMMAND_COUNTED,
    SORTED = CATEGORY_SORTEDSET,
};

const struct command commands_sorted[] = {
    {"zadd", -4, SETS_FAST, SORTED, 1, 1, 1, run_zadd,
     "key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
     "Adds members, or gives them other scores."},
    {"zcard", 2, READ_FAST, SORTED, 1, 1, 1, run_zcard, "key", "How many members there are."},
    {"zcount", 4, READ_FAST, SORTED, 1, 1, 1, run_zcount, "key min max",
     "How many members have scores between two."},
    {"zdiff", -3, COUNTED, SORTED, 1, 0, 0, run_zdiff, "numkeys key [key ...] [WITHSCORES]",
     "What is in the first set and in none of the others."},
    {"zdiffstore", -4, STORES_COUNTED, SORTED, 2, 1, 0, run_zdiffstore,
     "destination numkeys key [key ...]", "Stores what `ZDIFF` answers."},
    {"zincrby", 4, SETS_FAST, SORTED, 1, 1, 1, run_zincrby, "key increment member",
     "Adds to a member's score."},
    {"zinter", -3, COUNTED, SORTED, 1, 0, 0, run_zinter,
     "numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]",
     "What is in all of the sets."},
    {"zintercard", -3, COUNTED, SORTED, 1, 0, 0, run_zintercard,
     "numkeys key [key ...] [LIMIT limit]", "How many members are in all of the sets."},
    {"zinterstore", -4, STORES_COUNTED, SORTED, 2, 1, 0, run_zinterstore,
     "destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM | MIN | MAX]",
     "Stores what `ZINTER` answers."},
    {"zlexcount", 4, READ_FAST, SORTED, 1, 1, 1, run_zlexcount, "key min max",
     "How many members are between two, when all scores are the same."},
    {"zmpop", -4, WRITE | COMMAND_COUNTED, SORTED, 1, 0, 0, run_zmpop,
     "numkeys key [key ...] MIN | MAX [COUNT count]",
     "Takes members out of the first set that has any."},
    {"zmscore", -3, READ_FAST, SORTED, 1, 1, 1, run_zmscore, "key member [member ...]",
     "Some members' scores."},
    {"zpopmax", -2, WRITE_FAST, SORTED, 1, 1, 1, run_zpopmax, "key [count]",
     "Takes out members with the greatest scores."},
    {"zpopmin", -2, WRITE_FAST, SORTED, 1, 1, 1, run_zpopmin, "key [count]",
     "Takes out members with the least scores."},
    {"zrandmember", -2, READ, SORTED, 1, 1, 1, run_zrandmember, "key [count [WITHSCORES]]",
     "Any member, or some."},
    {"zrange", -4, READ, SORTED, 1, 1, 1, run_zrange,
     "key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
     "The members of a range."},
    {"zrangebylex", -4, READ, SORTED, 1, 1, 1, run_zrangebylex, "key min max [LIMIT offset count]",
     "The members between two."},
    {"zrangebyscore", -4, READ, SORTED, 1, 1, 1, run_zrangebyscore,
     "key min max [WITHSCORES] [LIMIT offset count]", "The members with scores between two."},
    {"zrangestore", -5, SETS, SORTED, 1, 2, 1, run_zrangestore,
     "destination source start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
     "Stores what `ZRANGE` answers."},
    {"zrank", 3, READ_FAST, SORTED, 1, 1, 1, run_zrank, "key member",
     "How many members stand before it."},
    {"zrem", -3, WRITE_FAST, SORTED, 1, 1, 1, run_zrem, "key member [member ...]",
     "Removes members."},
    {"zremrangebylex", 4, WRITE, SORTED, 1, 1, 1, run_zremrangebylex, "key min max",
     "Removes the members between two."},
    {"zremrangebyrank", 4, WRITE, SORTED, 1, 1, 1, run_zremrangebyrank, "key start stop",
     "Removes the members from one rank to another."},
    {"zremrangebyscore", 4, WRITE, SORTED, 1, 1, 1, run_zremrangebyscore, "key min max",
     "Removes the members with scores between two."},
    {"zrevrange", -4, READ, SORTED, 1, 1, 1, run_zrevrange, "key start stop [WITHSCORES]",
     "The members from one rank to another, downwards."},
    {"zrevrangebylex", -4, READ, SORTED, 1, 1, 1, run_zrevrangebylex,
     "key max min [LIMIT offset count]", "The members between two, downwards."},
    {"zrevrangebyscore", -4, READ, SORTED, 1, 1, 1, run_zrevrangebyscore,
     "key max min [WITHSCORES] [LIMIT offset count]",
     "The members with scores between two, downwards."},
    {"zrevrank", 3, READ_FAST, SORTED, 1, 1, 1, run_zrevrank, "key member",
     "How many members stand behind it."},
    {"zscan", -3, READ, SORTED, 1, 1, 1, run_zscan, "key cursor [MATCH pattern] [COUNT count]",
     "Some of the members, and where to go on."},
    {"zscore", 3, READ_FAST, SORTED, 1, 1, 1, run_zscore, "key member", "A member's score."},
    {"zunion", -3, COUNTED, SORTED, 1, 0, 0, run_zunion,
     "numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]",
     "What is in any of the sets."},
    {"zunionstore", -4, STORES_COUNTED, SORTED, 2, 1, 0, run_zunionstore,
     "destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM | MIN | MAX]",
     "Stores what `ZUNION` answers."},
    {0},
};
