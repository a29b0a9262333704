/*
 * Hashes: what their commands do to the space. Answers are those of Redis 7.0, word for word.
 */
#include "store/commands.h"
#include "store/notice.h"
#include "store/space.h"
#include "store/value.h"

#include <math.h>

static const struct map *look(struct call *call, bool *wrong)
{
    struct spot spot = call_look(call, 1);

    *wrong = !call_has_type(call, &spot, VALUE_HASH);
    return *wrong ? NULL : spot_value(&spot);
}

/* The map of a key that is about to be changed, a new one if there is none. NULL: it is of another type. */
static struct map *change(struct call *call, struct spot *spot)
{
    struct map *map;

    *spot = call_look_to_change(call, 1);
    if (!call_has_type(call, spot, VALUE_HASH))
        return NULL;
    if (spot->entry) {
        call_change(call, spot);
        return spot_value(spot);
    }
    map = map_new(call_heap(call), space_seed(call->space));
    call_put_value(call, spot, VALUE_HASH, map, 0);
    return map;
}

/* ---- setting ---- */

static int64_t set_fields(struct call *call)
{
    struct spot spot;
    struct map *map;
    int64_t added = 0;

    if (call->count % 2) {
        reply_arity(call);
        return -1;
    }
    map = change(call, &spot);
    if (!map)
        return -1;
    for (uint32_t word = 2; word < call->count; word += 2)
        added += map_set(map, call_heap(call), call->words[word], call->words[word + 1]);
    call_tell(call, NOTICE_HASH, "hset", spot.name);
    return added;
}

static void run_hset(struct call *call)
{
    int64_t added = set_fields(call);

    if (added >= 0)
        reply_number(call, added);
}

static void run_hmset(struct call *call)
{
    if (set_fields(call) >= 0)
        reply_ok(call);
}

static void run_hsetnx(struct call *call)
{
    struct spot spot = call_look_to_change(call, 1);
    struct bytes value;
    struct map *map;

    if (!call_has_type(call, &spot, VALUE_HASH))
        return;
    if (spot.entry && map_get(spot_value(&spot), call->words[2], &value)) {
        reply_number(call, 0);
        return;
    }
    map = change(call, &spot);
    map_set(map, call_heap(call), call->words[2], call->words[3]);
    call_tell(call, NOTICE_HASH, "hset", spot.name);
    reply_number(call, 1);
}

/* What a field holds, before it is changed. False: the key is of another type, which has been replied. */
static bool read_field(struct call *call, struct bytes *value, bool *there)
{
    struct spot spot = call_look_to_change(call, 1);

    if (!call_has_type(call, &spot, VALUE_HASH))
        return false;
    *there = spot.entry && map_get(spot_value(&spot), call->words[2], value);
    return true;
}

static void put_field(struct call *call, struct bytes value, const char *event)
{
    struct spot spot;
    struct map *map = change(call, &spot);

    map_set(map, call_heap(call), call->words[2], value);
    call_tell(call, NOTICE_HASH, event, spot.name);
}

static void run_hincrby(struct call *call)
{
    char digits[ENTRY_DIGITS_MAX];
    struct bytes value;
    int64_t by, number = 0;
    bool there;

    if (!call_number(call, 3, &by) || !read_field(call, &value, &there))
        return;
    if (there && !text_to_number(value, &number)) {
        reply_error(call, "ERR hash value is not an integer");
        return;
    }
    if (__builtin_add_overflow(number, by, &number)) {
        reply_error(call, "ERR increment or decrement would overflow");
        return;
    }
    put_field(call, bytes_of(digits, number_to_text(number, digits)), "hincrby");
    reply_number(call, number);
}

static void run_hincrbyfloat(struct call *call)
{
    char text[CALL_LONG_DOUBLE_MAX];
    long double by, number = 0;
    struct bytes value;
    bool there;

    if (!text_to_long_double(call->words[3], &by)) {
        reply_error(call, "ERR value is not a valid float");
        return;
    }
    if (isinf(by)) {
        reply_error(call, "ERR value is NaN or Infinity");
        return;
    }
    if (!read_field(call, &value, &there))
        return;
    if (there && !text_to_long_double(value, &number)) {
        reply_error(call, "ERR hash value is not a float");
        return;
    }
    number += by;
    if (isnan(number) || isinf(number)) {
        reply_error(call, "ERR increment would produce NaN or Infinity");
        return;
    }
    value = bytes_of(text, long_double_to_text(number, text));
    put_field(call, value, "hincrbyfloat");
    reply_bulk(call, value);
}

static void run_hdel(struct call *call)
{
    struct spot spot = call_look_to_change(call, 1);
    struct bytes value;
    struct map *map;
    int64_t gone = 0;

    if (!call_has_type(call, &spot, VALUE_HASH))
        return;
    map = spot_value(&spot);
    for (uint32_t word = 2; map && word < call->count; word++) {
        if (!map_get(map, call->words[word], &value))
            continue;
        if (gone++ == 0)
            call_change(call, &spot);
        map_remove(map, call_heap(call), call->words[word]);
    }
    if (gone) {
        call_tell(call, NOTICE_HASH, "hdel", spot.name);
        if (map_count(map) == 0)
            call_delete_empty(call, &spot);
    }
    reply_number(call, gone);
}

/* ---- getting ---- */

static void run_hget(struct call *call)
{
    struct bytes value;
    bool wrong;
    const struct map *map = look(call, &wrong);

    if (wrong)
        return;
    if (map && map_get(map, call->words[2], &value))
        reply_bulk(call, value);
    else
        reply_null(call);
}

static void run_hmget(struct call *call)
{
    struct bytes value;
    bool wrong;
    const struct map *map = look(call, &wrong);

    if (wrong)
        return;
    reply_array(call, call->count - 2);
    for (uint32_t word = 2; word < call->count; word++)
        if (map && map_get(map, call->words[word], &value))
            reply_bulk(call, value);
        else
            reply_null(call);
}

static void run_hlen(struct call *call)
{
    bool wrong;
    const struct map *map = look(call, &wrong);

    if (!wrong)
        reply_number(call, map ? (int64_t)map_count(map) : 0);
}

static void run_hstrlen(struct call *call)
{
    struct bytes value;
    bool wrong;
    const struct map *map = look(call, &wrong);

    if (!wrong)
        reply_number(call, map && map_get(map, call->words[2], &value) ? (int64_t)value.len : 0);
}

static void run_hexists(struct call *call)
{
    struct bytes value;
    bool wrong;
    const struct map *map = look(call, &wrong);

    if (!wrong)
        reply_number(call, map && map_get(map, call->words[2], &value));
}

static void reply_all(struct call *call, bool fields, bool values)
{
    struct map_walk walk;
    struct bytes field, value;
    bool wrong;
    const struct map *map = look(call, &wrong);
    uint64_t count = map ? map_count(map) : 0;

    if (wrong)
        return;
    if (fields && values)
        reply_map(call, count);
    else
        reply_array(call, count);
    if (!map)
        return;
    map_begin(&walk, map);
    while (map_next(&walk, &field, &value)) {
        if (fields)
            reply_bulk(call, field);
        if (values)
            reply_bulk(call, value);
    }
}

static void run_hgetall(struct call *call)
{
    reply_all(call, true, true);
}

static void run_hkeys(struct call *call)
{
    reply_all(call, true, false);
}

static void run_hvals(struct call *call)
{
    reply_all(call, false, true);
}

/* ---- at random ---- */

static void reply_field(struct call *call, struct bytes field, struct bytes value, bool with_values)
{
    if (with_values && call->version3)
        reply_array(call, 2);
    reply_bulk(call, field);
    if (with_values)
        reply_bulk(call, value);
}

static void reply_repeating(struct call *call, const struct map *map, uint64_t count,
                            bool with_values)
{
    struct bytes field, value;

    for (; count > 0 && reply_is_wanted(call); count--) {
        map_random(map, call->chance, &field, &value);
        reply_field(call, field, value, with_values);
    }
}

/* Each field with the chance that makes it `count` in the end. */
static void reply_selected(struct call *call, const struct map *map, uint64_t count,
                           bool with_values)
{
    struct map_walk walk;
    struct bytes field, value;
    uint64_t left = map_count(map);

    map_begin(&walk, map);
    while (count > 0 && map_next(&walk, &field, &value))
        if (rng_below(call->chance, left--) < count) {
            reply_field(call, field, value, with_values);
            count--;
        }
}

/* A few of many. */
static void reply_distinct(struct call *call, const struct map *map, uint64_t count,
                           bool with_values)
{
    struct set *seen = set_new(call_heap(call), space_seed(call->space));
    struct bytes field, value;

    while (set_count(seen) < count) {
        map_random(map, call->chance, &field, &value);
        if (set_add(seen, call_heap(call), field))
            reply_field(call, field, value, with_values);
    }
    space_discard(call->space, VALUE_SET, seen);
}

static void run_hrandfield(struct call *call)
{
    bool with_values = call->count == 4, wrong;
    const struct map *map;
    struct bytes field, value;
    uint64_t count, all;
    int64_t number = 1;

    if (call->count > 2) {
        if (!call_number_within(call, 2, -INT64_MAX, INT64_MAX, NULL, &number))
            return;
        if (call->count > 4 || (with_values && !call_is(call, 3, "withvalues"))) {
            reply_syntax(call);
            return;
        }
        if (with_values && (number < -INT64_MAX / 2 || number > INT64_MAX / 2)) {
            reply_error(call, "ERR value is out of range");
            return;
        }
    }
    map = look(call, &wrong);
    if (wrong)
        return;
    if (call->count == 2) {
        if (map)
            map_random(map, call->chance, &field, &value), reply_bulk(call, field);
        else
            reply_null(call);
        return;
    }
    all = map ? map_count(map) : 0;
    count = number < 0 ? (uint64_t)-number : (uint64_t)number;
    if (!map || (number > 0 && count > all))
        count = all;
    reply_array(call, with_values && !call->version3 ? 2 * count : count);
    if (count == 0)
        return;
    if (number < 0)
        reply_repeating(call, map, count, with_values);
    else if (count <= all / 3)
        reply_distinct(call, map, count, with_values);
    else
        reply_selected(call, map, count, with_values);
}

/* ---- scan ---- */

struct visit {
    struct scan_reply reply;
    int64_t seen;
};

static void scan_field(void *context, struct bytes field, struct bytes value)
{
    struct visit *visit = context;

    visit->seen++;
    if (!scan_wants(&visit->reply.options, field))
        return;
    scan_add(&visit->reply, field);
    scan_add(&visit->reply, value);
}

static void run_hscan(struct call *call)
{
    struct visit visit = {0};
    struct scan_options *options = &visit.reply.options;
    const struct map *map;
    bool wrong;

    if (!scan_cursor(call, 2, options))
        return;
    map = look(call, &wrong);
    if (wrong || (map && !scan_read_options(call, 3, options)))
        return;
    scan_begin_reply(&visit.reply, call);
    if (!map)
        options->cursor = 0;
    else
        do
            options->cursor = map_scan(map, options->cursor, scan_field, &visit);
        while (options->cursor && visit.seen < options->count);
    scan_end_reply(&visit.reply);
}

enum {
    READ = COMMAND_READ,
    READ_FAST = COMMAND_READ | COMMAND_FAST,
    SETS_FAST = COMMAND_WRITE | COMMAND_GROWS | COMMAND_FAST,
    WRITE_FAST = COMMAND_WRITE | COMMAND_FAST,
    HASH = CATEGORY_HASH,
};

const struct command commands_hash[] = {
    {"hdel", -3, WRITE_FAST, HASH, 1, 1, 1, run_hdel, "key field [field ...]", "Deletes fields."},
    {"hexists", 3, READ_FAST, HASH, 1, 1, 1, run_hexists, "key field", "Whether a field is there."},
    {"hget", 3, READ_FAST, HASH, 1, 1, 1, run_hget, "key field", "A field's value."},
    {"hgetall", 2, READ, HASH, 1, 1, 1, run_hgetall, "key", "All fields and their values."},
    {"hincrby", 4, SETS_FAST, HASH, 1, 1, 1, run_hincrby, "key field increment",
     "Adds to a field."},
    {"hincrbyfloat", 4, SETS_FAST, HASH, 1, 1, 1, run_hincrbyfloat, "key field increment",
     "Adds to a field a number that may have a fraction."},
    {"hkeys", 2, READ, HASH, 1, 1, 1, run_hkeys, "key", "All fields."},
    {"hlen", 2, READ_FAST, HASH, 1, 1, 1, run_hlen, "key", "How many fields there are."},
    {"hmget", -3, READ_FAST, HASH, 1, 1, 1, run_hmget, "key field [field ...]",
     "Some fields' values."},
    {"hmset", -4, SETS_FAST, HASH, 1, 1, 1, run_hmset, "key field value [field value ...]",
     "Sets fields."},
    {"hrandfield", -2, READ, HASH, 1, 1, 1, run_hrandfield, "key [count [WITHVALUES]]",
     "Any field, or some."},
    {"hscan", -3, READ, HASH, 1, 1, 1, run_hscan, "key cursor [MATCH pattern] [COUNT count]",
     "Some of the fields, and where to go on."},
    {"hset", -4, SETS_FAST, HASH, 1, 1, 1, run_hset, "key field value [field value ...]",
     "Sets fields, and says how many are new."},
    {"hsetnx", 4, SETS_FAST, HASH, 1, 1, 1, run_hsetnx, "key field value",
     "Sets a field if it is not there."},
    {"hstrlen", 3, READ_FAST, HASH, 1, 1, 1, run_hstrlen, "key field",
     "How long a field's value is."},
    {"hvals", 2, READ, HASH, 1, 1, 1, run_hvals, "key", "All values."},
    {0},
};
