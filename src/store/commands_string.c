/*
 * Strings: what their commands do to the space. Answers are those of Redis 7.0, word for word.
 */
#include "store/commands.h"
#include "store/notice.h"
#include "store/space.h"

#include <math.h>

/* ---- options of SET and GETEX ---- */

enum {
    OPTION_NX = 1 << 0,
    OPTION_XX = 1 << 1,
    OPTION_GET = 1 << 2,
    OPTION_KEEPTTL = 1 << 3,
    OPTION_EX = 1 << 4,
    OPTION_PX = 1 << 5,
    OPTION_EXAT = 1 << 6,
    OPTION_PXAT = 1 << 7,
    OPTION_PERSIST = 1 << 8,
    OPTIONS_TIMED = OPTION_EX | OPTION_PX | OPTION_EXAT | OPTION_PXAT,
    OPTIONS_TTL = OPTIONS_TIMED | OPTION_KEEPTTL | OPTION_PERSIST,
    OPTIONS_OF_SET = OPTION_NX | OPTION_XX | OPTION_GET | OPTION_KEEPTTL | OPTIONS_TIMED,
    OPTIONS_OF_GETEX = OPTIONS_TIMED | OPTION_PERSIST,
};

static const struct {
    const char *name;
    uint32_t option, excludes; /* besides itself */
} options[] = {
    {"nx", OPTION_NX, OPTION_XX},
    {"xx", OPTION_XX, OPTION_NX},
    {"get", OPTION_GET, 0},
    {"keepttl", OPTION_KEEPTTL, OPTIONS_TTL},
    {"persist", OPTION_PERSIST, OPTIONS_TTL},
    {"ex", OPTION_EX, OPTIONS_TTL},
    {"px", OPTION_PX, OPTIONS_TTL},
    {"exat", OPTION_EXAT, OPTIONS_TTL},
    {"pxat", OPTION_PXAT, OPTIONS_TTL},
};

static uint32_t option_at(const struct call *call, uint32_t word, uint32_t given, uint32_t allowed)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        uint32_t option = options[i].option;

        if (!(option & allowed) || !call_is(call, word, options[i].name))
            continue;
        if (given & options[i].excludes & ~option)
            return 0;
        return option;
    }
    return 0;
}

/* *timed is the word of the expiry, if there is one. */
static bool read_options(struct call *call, uint32_t from, uint32_t allowed, uint32_t *given,
                         uint32_t *timed)
{
    *given = 0;
    *timed = 0;
    for (uint32_t word = from; word < call->count; word++) {
        uint32_t option = option_at(call, word, *given, allowed);

        if (option & OPTIONS_TIMED) {
            if (++word == call->count)
                option = 0;
            *timed = word;
        }
        if (!option) {
            reply_syntax(call);
            return false;
        }
        *given |= option;
    }
    return true;
}

bool read_expiry(struct call *call, uint32_t word, int64_t unit_ms, int64_t base_ms,
                 int64_t *expires_ms)
{
    int64_t number;

    if (!call_number(call, word, &number))
        return false;
    if (number <= 0 || number > INT64_MAX / unit_ms || number * unit_ms > INT64_MAX - base_ms) {
        reply_errorf(call, "ERR invalid expire time in '%s' command", call->command->name);
        return false;
    }
    *expires_ms = number * unit_ms + base_ms;
    return true;
}

static bool read_timed(struct call *call, uint32_t given, uint32_t word, int64_t *expires_ms)
{
    return read_expiry(call, word, given & (OPTION_EX | OPTION_EXAT) ? 1000 : 1,
                       given & (OPTION_EX | OPTION_PX) ? call->now_ms : 0, expires_ms);
}

/* ---- reading ---- */

/* Replies what a spot holds: a string, or nothing. False: it is of another type. */
static bool reply_text(struct call *call, const struct spot *spot)
{
    char digits[ENTRY_DIGITS_MAX];

    if (!call_has_type(call, spot, VALUE_STRING))
        return false;
    if (spot->entry)
        reply_bulk(call, entry_text(spot->entry, digits));
    else
        reply_null(call);
    return true;
}

static void run_get(struct call *call)
{
    struct spot spot = call_look(call, 1);

    reply_text(call, &spot);
}

static void run_mget(struct call *call)
{
    char digits[ENTRY_DIGITS_MAX];

    reply_array(call, call->count - 1);
    for (uint32_t word = 1; word < call->count; word++) {
        struct spot spot = call_look(call, word);

        if (spot.entry && spot.entry->type == VALUE_STRING)
            reply_bulk(call, entry_text(spot.entry, digits));
        else
            reply_null(call);
    }
}

static void run_strlen(struct call *call)
{
    char digits[ENTRY_DIGITS_MAX];
    struct spot spot = call_look(call, 1);

    if (call_has_type(call, &spot, VALUE_STRING))
        reply_number(call, spot.entry ? (int64_t)entry_text(spot.entry, digits).len : 0);
}

static void run_getrange(struct call *call)
{
    char digits[ENTRY_DIGITS_MAX];
    struct spot spot;
    struct bytes text;
    int64_t start, end, len;

    if (!call_number(call, 2, &start) || !call_number(call, 3, &end))
        return;
    spot = call_look(call, 1);
    if (!call_has_type(call, &spot, VALUE_STRING))
        return;
    text = spot.entry ? entry_text(spot.entry, digits) : BYTES("");
    len = (int64_t)text.len;
    if (start < 0 && end < 0 && start > end) {
        reply_bulk(call, BYTES(""));
        return;
    }
    start = start < -len ? 0 : start < 0 ? start + len : start;
    end = end < -len ? 0 : end < 0 ? end + len : end;
    end = end >= len ? len - 1 : end;
    if (start > end || len == 0)
        reply_bulk(call, BYTES(""));
    else
        reply_bulk(call, bytes_of(text.at + start, (size_t)(end - start) + 1));
}

/* ---- setting ---- */

static void put(struct call *call, struct spot *spot, struct bytes text, int64_t expires_ms)
{
    call_put_text(call, spot, text, expires_ms);
    call_tell(call, NOTICE_STRING, "set", spot->name);
}

static void run_set(struct call *call)
{
    uint32_t given, timed;
    int64_t expires_ms = 0;
    struct spot spot;

    if (!read_options(call, 3, OPTIONS_OF_SET, &given, &timed) ||
        (timed && !read_timed(call, given, timed, &expires_ms)))
        return;
    spot = call_look_to_change(call, 1);
    if (given & OPTION_GET && !reply_text(call, &spot))
        return;
    if ((given & OPTION_NX && spot.entry) || (given & OPTION_XX && !spot.entry)) {
        if (!(given & OPTION_GET))
            reply_null(call);
        return;
    }
    if (given & OPTION_KEEPTTL && spot.entry)
        expires_ms = entry_expires(spot.entry);
    put(call, &spot, call->words[2], expires_ms);
    if (timed)
        notice(call->notices, NOTICE_GENERIC, "expire", spot.name);
    if (!(given & OPTION_GET))
        reply_ok(call);
}

static void run_setnx(struct call *call)
{
    struct spot spot = call_look_to_change(call, 1);
    bool is_new = !spot.entry;

    if (is_new)
        put(call, &spot, call->words[2], 0);
    reply_number(call, is_new);
}

static void set_timed(struct call *call, int64_t unit_ms)
{
    int64_t expires_ms;
    struct spot spot;

    if (!read_expiry(call, 2, unit_ms, call->now_ms, &expires_ms))
        return;
    spot = call_look_to_change(call, 1);
    put(call, &spot, call->words[3], expires_ms);
    notice(call->notices, NOTICE_GENERIC, "expire", spot.name);
    reply_ok(call);
}

static void run_setex(struct call *call)
{
    set_timed(call, 1000);
}

static void run_psetex(struct call *call)
{
    set_timed(call, 1);
}

static void run_getset(struct call *call)
{
    struct spot spot = call_look_to_change(call, 1);

    if (!reply_text(call, &spot))
        return;
    put(call, &spot, call->words[2], 0);
}

static void run_getdel(struct call *call)
{
    struct spot spot = call_look_to_change(call, 1);

    if (!reply_text(call, &spot) || !spot.entry)
        return;
    space_delete(call->space, &spot);
    call_tell(call, NOTICE_GENERIC, "del", spot.name);
}

static void run_getex(struct call *call)
{
    uint32_t given, timed;
    int64_t expires_ms = 0;
    struct spot spot;

    if (!read_options(call, 2, OPTIONS_OF_GETEX, &given, &timed))
        return;
    spot = call_look_to_change(call, 1);
    if (!spot.entry) {
        reply_null(call);
        return;
    }
    if (!call_has_type(call, &spot, VALUE_STRING) ||
        (timed && !read_timed(call, given, timed, &expires_ms)) || !reply_text(call, &spot))
        return;
    if (timed && expires_ms <= call->now_ms) {
        space_delete(call->space, &spot);
        call_tell(call, NOTICE_GENERIC, "del", spot.name);
    } else if (timed) {
        space_expire(call->space, &spot, expires_ms, call->position);
        call_tell(call, NOTICE_GENERIC, "expire", spot.name);
    } else if (given & OPTION_PERSIST && spot.entry->timed) {
        space_expire(call->space, &spot, 0, call->position);
        call_tell(call, NOTICE_GENERIC, "persist", spot.name);
    }
}

static void set_all(struct call *call)
{
    for (uint32_t word = 1; word < call->count; word += 2) {
        struct spot spot = call_look_to_change(call, word);

        put(call, &spot, call->words[word + 1], 0);
    }
}

static void run_mset(struct call *call)
{
    if (call->count % 2 == 0) {
        reply_arity(call);
        return;
    }
    set_all(call);
    reply_ok(call);
}

static void run_msetnx(struct call *call)
{
    if (call->count % 2 == 0) {
        reply_arity(call);
        return;
    }
    for (uint32_t word = 1; word < call->count; word += 2)
        if (call_look_to_change(call, word).entry) {
            reply_number(call, 0);
            return;
        }
    set_all(call);
    reply_number(call, 1);
}

/* ---- parts ---- */

static bool may_have(struct call *call, uint64_t len)
{
    if (len <= SPACE_VALUE_BYTES_MAX)
        return true;
    reply_error(call, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

static size_t text_len(const struct spot *spot)
{
    char digits[ENTRY_DIGITS_MAX];

    return spot->entry ? entry_text(spot->entry, digits).len : 0;
}

/* Writes a part, and replies how long the string is now. */
static void write_part(struct call *call, struct spot *spot, size_t offset, struct bytes part,
                       const char *event)
{
    size_t len = text_len(spot);

    if (offset + part.len > len)
        len = offset + part.len;
    if (!spot->entry)
        notice(call->notices, NOTICE_NEW, "new", spot->name);
    space_write_text(call->space, spot, offset, part, call->position);
    call_tell(call, NOTICE_STRING, event, spot->name);
    reply_number(call, (int64_t)len);
}

static void run_setrange(struct call *call)
{
    struct bytes part = call->words[3];
    struct spot spot;
    int64_t offset;

    if (!call_number(call, 2, &offset))
        return;
    if (offset < 0) {
        reply_error(call, "ERR offset is out of range");
        return;
    }
    spot = call_look_to_change(call, 1);
    if (!call_has_type(call, &spot, VALUE_STRING))
        return;
    if (part.len == 0)
        reply_number(call, (int64_t)text_len(&spot));
    else if (may_have(call, (uint64_t)offset + part.len))
        write_part(call, &spot, (size_t)offset, part, "setrange");
}

static void run_append(struct call *call)
{
    struct spot spot = call_look_to_change(call, 1);
    struct bytes part = call->words[2];
    size_t len;

    if (!call_has_type(call, &spot, VALUE_STRING))
        return;
    len = text_len(&spot);
    if (!may_have(call, len + part.len))
        return;
    if (spot.entry) {
        write_part(call, &spot, len, part, "append");
        return;
    }
    call_put_text(call, &spot, part, 0);
    call_tell(call, NOTICE_STRING, "append", spot.name);
    reply_number(call, (int64_t)part.len);
}

/* ---- numbers ---- */

static void add(struct call *call, int64_t by)
{
    struct spot spot = call_look_to_change(call, 1);
    int64_t number = 0;

    if (!call_has_type(call, &spot, VALUE_STRING))
        return;
    if (spot.entry && !entry_number(spot.entry, &number)) {
        reply_error(call, "ERR value is not an integer or out of range");
        return;
    }
    if (__builtin_add_overflow(number, by, &number)) {
        reply_error(call, "ERR increment or decrement would overflow");
        return;
    }
    call_put_number(call, &spot, number, spot.entry ? entry_expires(spot.entry) : 0);
    call_tell(call, NOTICE_STRING, "incrby", spot.name);
    reply_number(call, number);
}

static void run_incr(struct call *call)
{
    add(call, 1);
}

static void run_decr(struct call *call)
{
    add(call, -1);
}

static void run_incrby(struct call *call)
{
    int64_t by;

    if (call_number(call, 2, &by))
        add(call, by);
}

static void run_decrby(struct call *call)
{
    int64_t by;

    if (!call_number(call, 2, &by))
        return;
    if (by == INT64_MIN)
        reply_error(call, "ERR decrement would overflow");
    else
        add(call, -by);
}

static void run_incrbyfloat(struct call *call)
{
    char text[CALL_LONG_DOUBLE_MAX], digits[ENTRY_DIGITS_MAX];
    struct spot spot = call_look_to_change(call, 1);
    long double number = 0, by;
    struct bytes sum;

    if (!call_has_type(call, &spot, VALUE_STRING))
        return;
    if ((spot.entry && !text_to_long_double(entry_text(spot.entry, digits), &number)) ||
        !text_to_long_double(call->words[2], &by)) {
        reply_error(call, "ERR value is not a valid float");
        return;
    }
    number += by;
    if (isnan(number) || isinf(number)) {
        reply_error(call, "ERR increment would produce NaN or Infinity");
        return;
    }
    sum = bytes_of(text, long_double_to_text(number, text));
    if (!spot.entry)
        notice(call->notices, NOTICE_NEW, "new", spot.name);
    space_put_plain(call->space, &spot, sum, spot.entry ? entry_expires(spot.entry) : 0,
                    call->position);
    call_tell(call, NOTICE_STRING, "incrbyfloat", spot.name);
    reply_bulk(call, sum);
}

enum {
    READ = COMMAND_READ,
    READ_FAST = COMMAND_READ | COMMAND_FAST,
    SETS = COMMAND_WRITE | COMMAND_GROWS,
    SETS_FAST = SETS | COMMAND_FAST,
    WRITE_FAST = COMMAND_WRITE | COMMAND_FAST,
    STRING = CATEGORY_STRING,
};

const struct command commands_string[] = {
    {"append", 3, SETS_FAST, STRING, 1, 1, 1, run_append, "key value",
     "Adds to the end of a string, and says how long it is."},
    {"decr", 2, SETS_FAST, STRING, 1, 1, 1, run_decr, "key", "Subtracts 1."},
    {"decrby", 3, SETS_FAST, STRING, 1, 1, 1, run_decrby, "key decrement", "Subtracts."},
    {"get", 2, READ_FAST, STRING, 1, 1, 1, run_get, "key", "The string."},
    {"getdel", 2, WRITE_FAST, STRING, 1, 1, 1, run_getdel, "key",
     "The string, and the key is deleted."},
    {"getex", -2, WRITE_FAST, STRING, 1, 1, 1, run_getex,
     "key [EX seconds | PX milliseconds | EXAT seconds | PXAT milliseconds | PERSIST]",
     "The string, and its expiry is set."},
    {"getrange", 4, READ, STRING, 1, 1, 1, run_getrange, "key start end", "A part of a string."},
    {"getset", 3, SETS_FAST, STRING, 1, 1, 1, run_getset, "key value",
     "The string that was there, and the key is set."},
    {"incr", 2, SETS_FAST, STRING, 1, 1, 1, run_incr, "key", "Adds 1."},
    {"incrby", 3, SETS_FAST, STRING, 1, 1, 1, run_incrby, "key increment", "Adds."},
    {"incrbyfloat", 3, SETS_FAST, STRING, 1, 1, 1, run_incrbyfloat, "key increment",
     "Adds a number that may have a fraction."},
    {"mget", -2, READ_FAST, STRING, 1, -1, 1, run_mget, "key [key ...]", "Some strings."},
    {"mset", -3, SETS, STRING, 1, -1, 2, run_mset, "key value [key value ...]",
     "Sets some keys at once."},
    {"msetnx", -3, SETS, STRING, 1, -1, 2, run_msetnx, "key value [key value ...]",
     "Sets some keys at once if none of them is there."},
    {"psetex", 4, SETS, STRING, 1, 1, 1, run_psetex, "key milliseconds value",
     "Sets a key that expires."},
    {"set", -3, SETS, STRING, 1, 1, 1, run_set,
     "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT seconds | PXAT milliseconds | "
     "KEEPTTL]",
     "Sets a key."},
    {"setex", 4, SETS, STRING, 1, 1, 1, run_setex, "key seconds value", "Sets a key that expires."},
    {"setnx", 3, SETS_FAST, STRING, 1, 1, 1, run_setnx, "key value",
     "Sets a key if it is not there."},
    {"setrange", 4, SETS, STRING, 1, 1, 1, run_setrange, "key offset value",
     "Writes over a part of a string."},
    {"strlen", 2, READ_FAST, STRING, 1, 1, 1, run_strlen, "key", "How long a string is."},
    {"substr", 4, READ, STRING, 1, 1, 1, run_getrange, "key start end",
     "What `GETRANGE` was called once."},
    {0},
};
