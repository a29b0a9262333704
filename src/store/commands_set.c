/*
 * Sets: what their commands do to the space. Answers are those of Redis 7.0, word for word.
 *
 * What is taken at random is taken by place in the set's own order (value.h), with the record's chance: the same one on every member of the group.
 */
#include "base/must.h"
#include "store/commands.h"
#include "store/notice.h"
#include "store/space.h"
#include "store/value.h"

#include <stdlib.h>

static const struct set *look(struct call *call, bool *wrong)
{
    struct spot spot = call_look(call, 1);

    *wrong = !call_has_type(call, &spot, VALUE_SET);
    return *wrong ? NULL : spot_value(&spot);
}

static struct set *new_set(struct call *call)
{
    return set_new(call_heap(call), space_seed(call->space));
}

/* ---- changing ---- */

/* Adds to the set of a key, which is made if it is not there. */
static bool add_member(struct call *call, struct spot *spot, struct bytes member, bool first)
{
    if (!spot->entry)
        call_put_value(call, spot, VALUE_SET, new_set(call), 0);
    else if (set_has(spot_value(spot), member))
        return false;
    else if (first)
        call_change(call, spot);
    return set_add(spot_value(spot), call_heap(call), member);
}

static void run_sadd(struct call *call)
{
    struct spot spot = call_look_to_change(call, 1);
    int64_t added = 0;

    if (!call_has_type(call, &spot, VALUE_SET))
        return;
    for (uint32_t word = 2; word < call->count; word++)
        added += add_member(call, &spot, call->words[word], added == 0);
    if (added)
        call_tell(call, NOTICE_SET, "sadd", spot.name);
    reply_number(call, added);
}

static void run_srem(struct call *call)
{
    struct spot spot = call_look_to_change(call, 1);
    int64_t gone = 0;
    struct set *set;

    if (!call_has_type(call, &spot, VALUE_SET))
        return;
    set = spot_value(&spot);
    for (uint32_t word = 2; set && word < call->count; word++) {
        if (!set_has(set, call->words[word]))
            continue;
        if (gone++ == 0)
            call_change(call, &spot);
        set_remove(set, call_heap(call), call->words[word]);
    }
    if (gone) {
        call_tell(call, NOTICE_SET, "srem", spot.name);
        if (set_count(set) == 0)
            call_delete_empty(call, &spot);
    }
    reply_number(call, gone);
}

static void run_smove(struct call *call)
{
    struct spot from = call_look_to_change(call, 1), to = call_look_to_change(call, 2);
    struct bytes member = call->words[3];
    struct set *set;

    if (!from.entry) {
        reply_number(call, 0);
        return;
    }
    if (!call_has_type(call, &from, VALUE_SET) || !call_has_type(call, &to, VALUE_SET))
        return;
    set = spot_value(&from);
    if (!set_has(set, member) || from.entry == to.entry) {
        reply_number(call, set_has(set, member));
        return;
    }
    call_change(call, &from);
    set_remove(set, call_heap(call), member);
    call_tell(call, NOTICE_SET, "srem", from.name);
    if (set_count(set) == 0)
        call_delete_empty(call, &from);
    if (add_member(call, &to, member, true))
        call_tell(call, NOTICE_SET, "sadd", to.name);
    reply_number(call, 1);
}

/* ---- looking ---- */

static void run_scard(struct call *call)
{
    bool wrong;
    const struct set *set = look(call, &wrong);

    if (!wrong)
        reply_number(call, set ? (int64_t)set_count(set) : 0);
}

static void run_sismember(struct call *call)
{
    bool wrong;
    const struct set *set = look(call, &wrong);

    if (!wrong)
        reply_number(call, set && set_has(set, call->words[2]));
}

static void run_smismember(struct call *call)
{
    bool wrong;
    const struct set *set = look(call, &wrong);

    if (wrong)
        return;
    reply_array(call, call->count - 2);
    for (uint32_t word = 2; word < call->count; word++)
        reply_number(call, set && set_has(set, call->words[word]));
}

static void reply_members(struct call *call, const struct set *set)
{
    struct set_walk walk;
    struct bytes member;

    if (!set)
        return;
    set_begin(&walk, set);
    while (set_next(&walk, &member))
        reply_bulk(call, member);
}

static void run_smembers(struct call *call)
{
    bool wrong;
    const struct set *set = look(call, &wrong);

    if (wrong)
        return;
    reply_set(call, set ? set_count(set) : 0);
    reply_members(call, set);
}

/* ---- at random ---- */

static void pop_one(struct call *call, struct spot *spot)
{
    struct set *set = spot_value(spot);
    struct bytes member = set_at(set, rng_below(call->chance, set_count(set)));

    reply_bulk(call, member);
    set_remove(set, call_heap(call), member);
}

static void pop(struct call *call, struct spot *spot, uint64_t count)
{
    struct set *set = spot_value(spot);

    call_change(call, spot);
    if (count == set_count(set))
        reply_members(call, set);
    else
        for (; count > 0; count--)
            pop_one(call, spot);
}

static void run_spop(struct call *call)
{
    struct spot spot;
    struct set *set;
    int64_t number = 1;
    bool all;

    if (call->count > 3) {
        reply_syntax(call);
        return;
    }
    if (call->count == 3 && !call_count(call, 2, &number))
        return;
    spot = call_look_to_change(call, 1);
    if (!call_has_type(call, &spot, VALUE_SET))
        return;
    set = spot_value(&spot);
    if (!set && call->count == 2) {
        reply_null(call);
        return;
    }
    if (!set || number == 0) {
        reply_set(call, 0);
        return;
    }
    all = (uint64_t)number >= set_count(set);
    if (all)
        number = (int64_t)set_count(set);
    if (call->count == 3)
        reply_set(call, (uint64_t)number);
    pop(call, &spot, (uint64_t)number);
    call_tell(call, NOTICE_SET, "spop", spot.name);
    if (all)
        call_delete_empty(call, &spot);
}

/* `count` of them, each once: each place with the chance that makes it so many in the end. */
static void reply_selected(struct call *call, const struct set *set, uint64_t count)
{
    struct set_walk walk;
    struct bytes member;
    uint64_t left = set_count(set);

    set_begin(&walk, set);
    while (count > 0 && set_next(&walk, &member))
        if (rng_below(call->chance, left--) < count) {
            reply_bulk(call, member);
            count--;
        }
}

/* A few of many. */
static void reply_distinct(struct call *call, const struct set *set, uint64_t count)
{
    struct set *seen = new_set(call);

    while (set_count(seen) < count) {
        struct bytes member = set_at(set, rng_below(call->chance, set_count(set)));

        if (set_add(seen, call_heap(call), member))
            reply_bulk(call, member);
    }
    space_discard(call->space, VALUE_SET, seen);
}

static void run_srandmember(struct call *call)
{
    const struct set *set;
    uint64_t count, all;
    int64_t number = 1;
    bool wrong;

    if (call->count > 3) {
        reply_syntax(call);
        return;
    }
    if (call->count == 3 && !call_number_within(call, 2, -INT64_MAX, INT64_MAX, NULL, &number))
        return;
    set = look(call, &wrong);
    if (wrong)
        return;
    all = set ? set_count(set) : 0;
    if (call->count == 2) {
        if (set)
            reply_bulk(call, set_at(set, rng_below(call->chance, all)));
        else
            reply_null(call);
        return;
    }
    count = number < 0 ? (uint64_t)-number : (uint64_t)number;
    if (!set || (number > 0 && count > all))
        count = all;
    reply_array(call, count);
    if (number < 0)
        for (; count > 0 && reply_is_wanted(call); count--)
            reply_bulk(call, set_at(set, rng_below(call->chance, all)));
    else if (count > 0 && count <= all / 3)
        reply_distinct(call, set, count);
    else if (count > 0)
        reply_selected(call, set, count);
}

/* ---- with others ---- */

enum combination { INTERSECTION, UNION, DIFFERENCE };

/* The sets of `count` keys from `word` on, NULL where there is none. NULL: one is of another type, which has been replied. */
static const struct set **look_at_all(struct call *call, uint32_t word, uint32_t count)
{
    const struct set **sets = calloc(count, sizeof *sets);

    must(sets && count > 0);
    for (uint32_t i = 0; i < count; i++) {
        struct spot spot = call_look(call, word + i);

        if (!call_has_type(call, &spot, VALUE_SET)) {
            free(sets);
            return NULL;
        }
        sets[i] = spot_value(&spot);
    }
    return sets;
}

static uint64_t count_of(const struct set *set)
{
    return set ? set_count(set) : 0;
}

/* The index of the smallest, the first of them. */
static uint32_t smallest(const struct set **sets, uint32_t count)
{
    uint32_t least = 0;

    for (uint32_t i = 1; i < count; i++)
        if (count_of(sets[i]) < count_of(sets[least]))
            least = i;
    return least;
}

static bool in_all(const struct set **sets, uint32_t count, uint32_t but, struct bytes member)
{
    for (uint32_t i = 0; i < count; i++)
        if (i != but && sets[i] != sets[but] && !set_has(sets[i], member))
            return false;
    return true;
}

static bool in_any(const struct set **sets, uint32_t count, struct bytes member)
{
    for (uint32_t i = 0; i < count; i++)
        if (sets[i] && set_has(sets[i], member))
            return true;
    return false;
}

/* At most `limit` members that are in all of them, given to `into` if it is not NULL. */
static uint64_t intersect(struct call *call, const struct set **sets, uint32_t count,
                          uint64_t limit, struct set *into)
{
    uint32_t least = smallest(sets, count);
    struct set_walk walk;
    struct bytes member;
    uint64_t found = 0;

    if (!sets[least])
        return 0;
    set_begin(&walk, sets[least]);
    while (found < limit && set_next(&walk, &member)) {
        if (!in_all(sets, count, least, member))
            continue;
        if (into)
            set_add(into, call_heap(call), member);
        found++;
    }
    return found;
}

static void add_all(struct call *call, struct set *into, const struct set *from)
{
    struct set_walk walk;
    struct bytes member;

    if (!from)
        return;
    set_begin(&walk, from);
    while (set_next(&walk, &member))
        set_add(into, call_heap(call), member);
}

static void subtract(struct call *call, const struct set **sets, uint32_t count, struct set *into)
{
    struct set_walk walk;
    struct bytes member;

    if (!sets[0])
        return;
    set_begin(&walk, sets[0]);
    while (set_next(&walk, &member))
        if (!in_any(sets + 1, count - 1, member))
            set_add(into, call_heap(call), member);
}

/* A new set of what they make. NULL: one is of another type. */
static struct set *combine(struct call *call, uint32_t word, enum combination combination)
{
    uint32_t count = call->count - word;
    const struct set **sets = look_at_all(call, word, count);
    struct set *result;

    if (!sets)
        return NULL;
    result = new_set(call);
    switch (combination) {
    case INTERSECTION:
        intersect(call, sets, count, UINT64_MAX, result);
        break;
    case UNION:
        for (uint32_t i = 0; i < count; i++)
            add_all(call, result, sets[i]);
        break;
    case DIFFERENCE:
        subtract(call, sets, count, result);
        break;
    }
    free(sets);
    return result;
}

static void reply_combined(struct call *call, enum combination combination)
{
    struct set *result = combine(call, 1, combination);

    if (!result)
        return;
    reply_set(call, set_count(result));
    reply_members(call, result);
    space_discard(call->space, VALUE_SET, result);
}

static void store_combined(struct call *call, enum combination combination, const char *event)
{
    struct set *result = combine(call, 2, combination);
    int64_t count;

    if (!result)
        return;
    count = (int64_t)set_count(result);
    if (count == 0) {
        space_discard(call->space, VALUE_SET, result);
        result = NULL;
    }
    call_store(call, 1, VALUE_SET, result, event);
    reply_number(call, count);
}

static void run_sinter(struct call *call)
{
    reply_combined(call, INTERSECTION);
}

static void run_sunion(struct call *call)
{
    reply_combined(call, UNION);
}

static void run_sdiff(struct call *call)
{
    reply_combined(call, DIFFERENCE);
}

static void run_sinterstore(struct call *call)
{
    store_combined(call, INTERSECTION, "sinterstore");
}

static void run_sunionstore(struct call *call)
{
    store_combined(call, UNION, "sunionstore");
}

static void run_sdiffstore(struct call *call)
{
    store_combined(call, DIFFERENCE, "sdiffstore");
}

static void run_sintercard(struct call *call)
{
    int64_t count, limit = 0;
    const struct set **sets;

    if (!call_number_within(call, 1, 1, INT64_MAX, "ERR numkeys should be greater than 0", &count))
        return;
    if (count > call->count - 2) {
        reply_error(call, "ERR Number of keys can't be greater than number of args");
        return;
    }
    for (uint32_t word = 2 + (uint32_t)count; word < call->count; word += 2) {
        if (!call_is(call, word, "limit") || word + 1 >= call->count) {
            reply_syntax(call);
            return;
        }
        if (!call_number_within(call, word + 1, 0, INT64_MAX, "ERR LIMIT can't be negative",
                                &limit))
            return;
    }
    sets = look_at_all(call, 2, (uint32_t)count);
    if (!sets)
        return;
    reply_number(call, (int64_t)intersect(call, sets, (uint32_t)count,
                                          limit ? (uint64_t)limit : UINT64_MAX, NULL));
    free(sets);
}

/* ---- scan ---- */

struct visit {
    struct scan_reply reply;
    int64_t seen;
};

static void scan_member(void *context, struct bytes member)
{
    struct visit *visit = context;

    visit->seen++;
    if (scan_wants(&visit->reply.options, member))
        scan_add(&visit->reply, member);
}

static void run_sscan(struct call *call)
{
    struct visit visit = {0};
    struct scan_options *options = &visit.reply.options;
    const struct set *set;
    bool wrong;

    if (!scan_cursor(call, 2, options))
        return;
    set = look(call, &wrong);
    if (wrong || (set && !scan_read_options(call, 3, options)))
        return;
    scan_begin_reply(&visit.reply, call);
    if (!set)
        options->cursor = 0;
    else
        do
            options->cursor = set_scan(set, options->cursor, scan_member, &visit);
        while (options->cursor && visit.seen < options->count);
    scan_end_reply(&visit.reply);
}

enum {
    READ = COMMAND_READ,
    READ_FAST = COMMAND_READ | COMMAND_FAST,
    SETS = COMMAND_WRITE | COMMAND_GROWS,
    SETS_FAST = SETS | COMMAND_FAST,
    WRITE_FAST = COMMAND_WRITE | COMMAND_FAST,
    COUNTED = COMMAND_READ | COMMAND_COUNTED,
    SET = CATEGORY_SET,
};

const struct command commands_set[] = {
    {"sadd", -3, SETS_FAST, SET, 1, 1, 1, run_sadd, "key member [member ...]", "Adds members."},
    {"scard", 2, READ_FAST, SET, 1, 1, 1, run_scard, "key", "How many members there are."},
    {"sdiff", -2, READ, SET, 1, -1, 1, run_sdiff, "key [key ...]",
     "What is in the first set and in none of the others."},
    {"sdiffstore", -3, SETS, SET, 1, -1, 1, run_sdiffstore, "destination key [key ...]",
     "Stores what `SDIFF` answers."},
    {"sinter", -2, READ, SET, 1, -1, 1, run_sinter, "key [key ...]", "What is in all of the sets."},
    {"sintercard", -3, COUNTED, SET, 1, 0, 0, run_sintercard, "numkeys key [key ...] [LIMIT limit]",
     "How many members are in all of the sets."},
    {"sinterstore", -3, SETS, SET, 1, -1, 1, run_sinterstore, "destination key [key ...]",
     "Stores what `SINTER` answers."},
    {"sismember", 3, READ_FAST, SET, 1, 1, 1, run_sismember, "key member",
     "Whether it is a member."},
    {"smembers", 2, READ, SET, 1, 1, 1, run_smembers, "key", "All members."},
    {"smismember", -3, READ_FAST, SET, 1, 1, 1, run_smismember, "key member [member ...]",
     "Which of them are members."},
    {"smove", 4, SETS_FAST, SET, 1, 2, 1, run_smove, "source destination member",
     "Moves a member to another set."},
    {"spop", -2, WRITE_FAST, SET, 1, 1, 1, run_spop, "key [count]",
     "Any member, or some, which are removed."},
    {"srandmember", -2, READ, SET, 1, 1, 1, run_srandmember, "key [count]", "Any member, or some."},
    {"srem", -3, WRITE_FAST, SET, 1, 1, 1, run_srem, "key member [member ...]", "Removes members."},
    {"sscan", -3, READ, SET, 1, 1, 1, run_sscan, "key cursor [MATCH pattern] [COUNT count]",
     "Some of the members, and where to go on."},
    {"sunion", -2, READ, SET, 1, -1, 1, run_sunion, "key [key ...]", "What is in any of the sets."},
    {"sunionstore", -3, SETS, SET, 1, -1, 1, run_sunionstore, "destination key [key ...]",
     "Stores what `SUNION` answers."},
    {0},
};
