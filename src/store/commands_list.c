/*
 * Lists: what their commands do to the space. Answers are those of Redis 7.0, word for word.
 */
#include "base/must.h"
#include "store/commands.h"
#include "store/notice.h"
#include "store/space.h"
#include "store/value.h"

#include <stdlib.h>

static const struct series *look(struct call *call, bool *wrong)
{
    struct spot spot = call_look(call, 1);

    *wrong = !call_has_type(call, &spot, VALUE_LIST);
    return *wrong ? NULL : spot_value(&spot);
}

static int64_t count_of(const struct spot *spot)
{
    return spot->entry ? (int64_t)((struct series *)entry_value(spot->entry))->count : 0;
}

static void delete_if_empty(struct call *call, struct spot *spot)
{
    if (count_of(spot) == 0)
        call_delete_empty(call, spot);
}

/* ---- at the ends ---- */

static void push_item(struct call *call, struct spot *spot, struct bytes item, bool at_head)
{
    if (!spot->entry)
        call_put_value(call, spot, VALUE_LIST, series_new(call_heap(call)), 0);
    series_push(spot_value(spot), call_heap(call), item, at_head);
}

static void push(struct call *call, bool at_head, bool only_old)
{
    struct spot spot = call_look_to_change(call, 1);

    if (!call_has_type(call, &spot, VALUE_LIST))
        return;
    if (!spot.entry && only_old) {
        reply_number(call, 0);
        return;
    }
    if (spot.entry)
        call_change(call, &spot);
    for (uint32_t word = 2; word < call->count; word++)
        push_item(call, &spot, call->words[word], at_head);
    call_tell(call, NOTICE_LIST, at_head ? "lpush" : "rpush", spot.name);
    reply_number(call, count_of(&spot));
}

static void run_lpush(struct call *call)
{
    push(call, true, false);
}

static void run_rpush(struct call *call)
{
    push(call, false, false);
}

static void run_lpushx(struct call *call)
{
    push(call, true, true);
}

static void run_rpushx(struct call *call)
{
    push(call, false, true);
}

/* Replies `count` items, which go; and the key, if it is empty then. */
static void pop_items(struct call *call, struct spot *spot, int64_t count, bool at_head)
{
    struct series *series = spot_value(spot);

    call_change(call, spot);
    for (; count > 0; count--) {
        reply_bulk(call, series_end(series, at_head));
        series_pop(series, call_heap(call), at_head);
    }
    call_tell(call, NOTICE_LIST, at_head ? "lpop" : "rpop", spot->name);
    delete_if_empty(call, spot);
}

static void pop(struct call *call, bool at_head)
{
    bool counted = call->count == 3;
    int64_t count = 1;
    struct spot spot;

    if (call->count > 3) {
        reply_arity(call);
        return;
    }
    if (counted && !call_count(call, 2, &count))
        return;
    spot = call_look_to_change(call, 1);
    if (!spot.entry && counted) {
        reply_null_array(call);
        return;
    }
    if (!spot.entry) {
        reply_null(call);
        return;
    }
    if (!call_has_type(call, &spot, VALUE_LIST))
        return;
    if (count > count_of(&spot))
        count = count_of(&spot);
    if (counted)
        reply_array(call, (uint64_t)count);
    if (count)
        pop_items(call, &spot, count, at_head);
}

static void run_lpop(struct call *call)
{
    pop(call, true);
}

static void run_rpop(struct call *call)
{
    pop(call, false);
}

/* LEFT or RIGHT. */
static bool read_end(struct call *call, uint32_t word, bool *at_head)
{
    *at_head = call_is(call, word, "left");
    if (*at_head || call_is(call, word, "right"))
        return true;
    reply_syntax(call);
    return false;
}

static void move(struct call *call, bool from_head, bool to_head)
{
    struct spot from = call_look_to_change(call, 1), to = call_look_to_change(call, 2);
    struct bytes item;
    uint8_t *copy;

    if (!from.entry) {
        reply_null(call);
        return;
    }
    if (!call_has_type(call, &from, VALUE_LIST) || !call_has_type(call, &to, VALUE_LIST))
        return;
    item = series_end(spot_value(&from), from_head);
    copy = malloc(item.len + 1); /* it is taken out of where it stands before it is put in */
    must(copy);
    if (item.len)
        memcpy(copy, item.at, item.len);
    item.at = copy;
    call_change(call, &from);
    series_pop(spot_value(&from), call_heap(call), from_head);
    if (to.entry && to.entry != from.entry)
        call_change(call, &to);
    push_item(call, &to, item, to_head);
    reply_bulk(call, item);
    free(copy);
    call_tell(call, NOTICE_LIST, to_head ? "lpush" : "rpush", to.name);
    call_tell(call, NOTICE_LIST, from_head ? "lpop" : "rpop", from.name);
    delete_if_empty(call, &from);
}

static void run_lmove(struct call *call)
{
    bool from_head, to_head;

    if (read_end(call, 3, &from_head) && read_end(call, 4, &to_head))
        move(call, from_head, to_head);
}

static void run_rpoplpush(struct call *call)
{
    move(call, false, true);
}

static void run_lmpop(struct call *call)
{
    int64_t keys, count = 1;
    uint32_t where;
    bool at_head;

    if (!call_number_within(call, 1, 1, INT64_MAX, "ERR numkeys should be greater than 0", &keys))
        return;
    if (keys >= call->count - 2) {
        reply_syntax(call);
        return;
    }
    where = 2 + (uint32_t)keys;
    if (!read_end(call, where, &at_head))
        return;
    if (call->count != where + 1 &&
        (call->count != where + 3 || !call_is(call, where + 1, "count"))) {
        reply_syntax(call);
        return;
    }
    if (call->count == where + 3 &&
        !call_number_within(call, where + 2, 1, INT64_MAX, "ERR count should be greater than 0",
                            &count))
        return;
    for (uint32_t word = 2; word < where; word++) {
        struct spot spot = call_look_to_change(call, word);

        if (!spot.entry)
            continue;
        if (!call_has_type(call, &spot, VALUE_LIST))
            return;
        if (count > count_of(&spot))
            count = count_of(&spot);
        reply_array(call, 2);
        reply_bulk(call, spot.name);
        reply_array(call, (uint64_t)count);
        pop_items(call, &spot, count, at_head);
        return;
    }
    reply_null_array(call);
}

/* ---- by place ---- */

static void run_llen(struct call *call)
{
    bool wrong;
    const struct series *series = look(call, &wrong);

    if (!wrong)
        reply_number(call, series ? (int64_t)series->count : 0);
}

/* A place from the end, made one from the beginning; -1: before it. */
static int64_t place_of(int64_t index, int64_t count)
{
    if (index >= 0)
        return index;
    return index + count < 0 ? -1 : index + count;
}

static void run_lindex(struct call *call)
{
    bool wrong;
    const struct series *series = look(call, &wrong);
    int64_t index;

    if (wrong)
        return;
    if (!series) {
        reply_null(call);
        return;
    }
    if (!call_number(call, 2, &index))
        return;
    index = place_of(index, (int64_t)series->count);
    if (index < 0 || index >= (int64_t)series->count)
        reply_null(call);
    else
        reply_bulk(call, series_item(series_seek(series, (uint64_t)index)));
}

/* Of `count` places those from start to end, both included: the first, and how many. */
static int64_t range_of(int64_t count, int64_t *start, int64_t end)
{
    *start = place_of(*start, count);
    end = place_of(end, count);
    if (*start < 0)
        *start = 0;
    if (end >= count)
        end = count - 1;
    return *start > end || *start >= count ? 0 : end - *start + 1;
}

static void run_lrange(struct call *call)
{
    const struct series *series;
    struct series_at at;
    int64_t start, end, count;
    bool wrong;

    if (!call_number(call, 2, &start) || !call_number(call, 3, &end))
        return;
    series = look(call, &wrong);
    if (wrong)
        return;
    count = series ? range_of((int64_t)series->count, &start, end) : 0;
    reply_array(call, (uint64_t)count);
    if (count == 0)
        return;
    for (at = series_seek(series, (uint64_t)start); count > 0; count--) {
        reply_bulk(call, series_item(at));
        at = series_step(at, false);
    }
}

static void run_lset(struct call *call)
{
    struct spot spot = call_look_to_change(call, 1);
    struct series *series;
    int64_t index;

    if (!spot.entry) {
        reply_error(call, "ERR no such key");
        return;
    }
    if (!call_has_type(call, &spot, VALUE_LIST) || !call_number(call, 2, &index))
        return;
    series = spot_value(&spot);
    index = place_of(index, (int64_t)series->count);
    if (index < 0 || index >= (int64_t)series->count) {
        reply_error(call, "ERR index out of range");
        return;
    }
    call_change(call, &spot);
    series_set(series, call_heap(call), series_seek(series, (uint64_t)index), call->words[3]);
    call_tell(call, NOTICE_LIST, "lset", spot.name);
    reply_ok(call);
}

static void run_ltrim(struct call *call)
{
    struct spot spot;
    struct series *series;
    int64_t start, end, keep, before;

    if (!call_number(call, 2, &start) || !call_number(call, 3, &end))
        return;
    spot = call_look_to_change(call, 1);
    if (!call_has_type(call, &spot, VALUE_LIST))
        return;
    if (!spot.entry) {
        reply_ok(call);
        return;
    }
    series = spot_value(&spot);
    keep = range_of((int64_t)series->count, &start, end);
    call_change(call, &spot);
    if (keep == 0) {
        call_tell(call, NOTICE_LIST, "ltrim", spot.name);
        call_delete_empty(call, &spot); /* as garbage, if there is much of it */
        reply_ok(call);
        return;
    }
    for (before = start; before > 0; before--)
        series_pop(series, call_heap(call), true);
    while ((int64_t)series->count > keep)
        series_pop(series, call_heap(call), false);
    call_tell(call, NOTICE_LIST, "ltrim", spot.name);
    reply_ok(call);
}

/* ---- by value ---- */

static struct series_at from_end(const struct series *series, bool at_tail)
{
    return series_seek(series, at_tail ? series->count - 1 : 0);
}

static void run_linsert(struct call *call)
{
    bool behind = call_is(call, 2, "after");
    struct spot spot;
    struct series_at at;

    if (!behind && !call_is(call, 2, "before")) {
        reply_syntax(call);
        return;
    }
    spot = call_look_to_change(call, 1);
    if (!call_has_type(call, &spot, VALUE_LIST))
        return;
    if (!spot.entry) {
        reply_number(call, 0);
        return;
    }
    at = from_end(spot_value(&spot), false);
    while (at.chunk && !bytes_equal(series_item(at), call->words[3]))
        at = series_step(at, false);
    if (!at.chunk) {
        reply_number(call, -1);
        return;
    }
    call_change(call, &spot);
    series_insert(spot_value(&spot), call_heap(call), at, call->words[4], behind);
    call_tell(call, NOTICE_LIST, "linsert", spot.name);
    reply_number(call, count_of(&spot));
}

static void run_lrem(struct call *call)
{
    struct bytes item = call->words[3];
    int64_t most, gone = 0;
    struct series *series;
    struct series_at at;
    struct spot spot;
    bool to_head;

    if (!call_number_within(call, 2, -INT64_MAX, INT64_MAX, NULL, &most))
        return;
    spot = call_look_to_change(call, 1);
    if (!call_has_type(call, &spot, VALUE_LIST))
        return;
    if (!spot.entry) {
        reply_number(call, 0);
        return;
    }
    series = spot_value(&spot);
    to_head = most < 0;
    most = most < 0 ? -most : most;
    at = from_end(series, to_head);
    while (at.chunk && (most == 0 || gone < most)) {
        if (!bytes_equal(series_item(at), item)) {
            at = series_step(at, to_head);
            continue;
        }
        if (gone++ == 0)
            call_change(call, &spot);
        at = series_remove(series, call_heap(call), at, to_head);
    }
    if (gone) {
        call_tell(call, NOTICE_LIST, "lrem", spot.name);
        delete_if_empty(call, &spot);
    }
    reply_number(call, gone);
}

struct lpos {
    int64_t rank, count, longest; /* count -1: the first match alone, and not as an array */
};

static bool read_lpos(struct call *call, struct lpos *options)
{
    *options = (struct lpos){.rank = 1, .count = -1};
    for (uint32_t word = 3; word < call->count; word += 2) {
        bool more = word + 1 < call->count, good;

        if (more && call_is(call, word, "rank")) {
            good = call_number(call, word + 1, &options->rank);
        } else if (more && call_is(call, word, "count")) {
            good = call_number_within(call, word + 1, 0, INT64_MAX, "ERR COUNT can't be negative",
                                      &options->count);
        } else if (more && call_is(call, word, "maxlen")) {
            good = call_number_within(call, word + 1, 0, INT64_MAX, "ERR MAXLEN can't be negative",
                                      &options->longest);
        } else {
            reply_syntax(call);
            good = false;
        }
        if (!good)
            return false;
        if (options->rank == 0) {
            reply_error(call, "ERR RANK can't be zero: use 1 to start from the first match, 2 "
                              "from the second ... or use negative to start from the end of the "
                              "list");
            return false;
        }
    }
    return true;
}

/* Writes the places of what matches to `found`, if there is one; the last is in *place. */
static int64_t find_places(struct call *call, const struct series *series,
                           const struct lpos *options, struct buf *found, int64_t *place)
{
    bool to_head = options->rank < 0;
    /* What is too small for its sign to be turned is taken for -1, as Redis happens to. */
    int64_t rank = options->rank == INT64_MIN ? -1 : options->rank, matches = 0;
    int64_t skip = (to_head ? -rank : rank) - 1;
    int64_t most = options->count < 0 ? 1 : options->count, seen = 0;
    struct call into = *call;

    into.out = found;
    for (struct series_at at = from_end(series, to_head); at.chunk; at = series_step(at, to_head)) {
        if (options->longest && seen == options->longest)
            break;
        seen++;
        if (!bytes_equal(series_item(at), call->words[2]) || skip-- > 0)
            continue;
        *place = to_head ? (int64_t)series->count - seen : seen - 1;
        reply_number(&into, *place);
        if (++matches == most || found->full)
            break;
    }
    return matches;
}

enum { PLACE_BYTES_MAX = 64 };

static void run_lpos(struct call *call)
{
    const struct series *series;
    struct lpos options;
    struct buf found;
    int64_t matches = 0, place = 0;
    bool wrong;

    if (!read_lpos(call, &options))
        return;
    series = look(call, &wrong);
    if (wrong)
        return;
    buf_init(&found, options.count < 0 ? PLACE_BYTES_MAX : reply_room(call));
    if (series)
        matches = find_places(call, series, &options, &found, &place);
    if (options.count >= 0) {
        reply_array(call, (uint64_t)matches);
        reply_gathered(call, &found);
    } else if (matches) {
        reply_number(call, place);
    } else {
        reply_null(call);
    }
    buf_fini(&found);
}

enum {
    READ = COMMAND_READ,
    READ_FAST = COMMAND_READ | COMMAND_FAST,
    WRITE = COMMAND_WRITE,
    SETS = COMMAND_WRITE | COMMAND_GROWS,
    SETS_FAST = SETS | COMMAND_FAST,
    WRITE_FAST = COMMAND_WRITE | COMMAND_FAST,
    LIST = CATEGORY_LIST,
};

const struct command commands_list[] = {
    {"lindex", 3, READ, LIST, 1, 1, 1, run_lindex, "key index", "The item at a place."},
    {"linsert", 5, SETS, LIST, 1, 1, 1, run_linsert, "key BEFORE | AFTER pivot element",
     "Inserts an item beside another one."},
    {"llen", 2, READ_FAST, LIST, 1, 1, 1, run_llen, "key", "How many items there are."},
    {"lmove", 5, SETS, LIST, 1, 2, 1, run_lmove, "source destination LEFT | RIGHT LEFT | RIGHT",
     "Takes an item from one end and puts it to another."},
    {"lmpop", -4, WRITE | COMMAND_COUNTED, LIST, 1, 0, 0, run_lmpop,
     "numkeys key [key ...] LEFT | RIGHT [COUNT count]",
     "Takes items from the first list that has any."},
    {"lpop", -2, WRITE_FAST, LIST, 1, 1, 1, run_lpop, "key [count]", "Takes items from the head."},
    {"lpos", -3, READ, LIST, 1, 1, 1, run_lpos,
     "key element [RANK rank] [COUNT matches] [MAXLEN length]", "Where an item stands."},
    {"lpush", -3, SETS_FAST, LIST, 1, 1, 1, run_lpush, "key element [element ...]",
     "Puts items in front."},
    {"lpushx", -3, SETS_FAST, LIST, 1, 1, 1, run_lpushx, "key element [element ...]",
     "Puts items in front, if there is a list."},
    {"lrange", 4, READ, LIST, 1, 1, 1, run_lrange, "key start stop",
     "The items from one place to another."},
    {"lrem", 4, WRITE, LIST, 1, 1, 1, run_lrem, "key count element",
     "Removes items that are equal to one."},
    {"lset", 4, SETS, LIST, 1, 1, 1, run_lset, "key index element", "Sets the item at a place."},
    {"ltrim", 4, WRITE, LIST, 1, 1, 1, run_ltrim, "key start stop",
     "Removes all but what is between two places."},
    {"rpop", -2, WRITE_FAST, LIST, 1, 1, 1, run_rpop, "key [count]", "Takes items from the tail."},
    {"rpoplpush", 3, SETS, LIST, 1, 2, 1, run_rpoplpush, "source destination",
     "Takes an item from the tail and puts it in front of another list."},
    {"rpush", -3, SETS_FAST, LIST, 1, 1, 1, run_rpush, "key element [element ...]",
     "Puts items behind."},
    {"rpushx", -3, SETS_FAST, LIST, 1, 1, 1, run_rpushx, "key element [element ...]",
     "Puts items behind, if there is a list."},
    {0},
};
