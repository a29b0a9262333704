#include "store/call.h"

#include "base/must.h"
#include "store/notice.h"
#include "store/space.h"
#include "store/value.h"

#include <stdio.h>

/* ---- keys ---- */

struct heap *call_heap(const struct call *call)
{
    return space_heap(call->space);
}

struct spot call_look(struct call *call, uint32_t word)
{
    struct spot spot = space_spot(call->space, call->words[word]);

    if (spot.entry && entry_expired(spot.entry, call->now_ms))
        spot.entry = NULL;
    if (spot.entry)
        space_touch(call->space, spot.entry, call->now_ms);
    return spot;
}

struct spot call_look_to_change(struct call *call, uint32_t word)
{
    struct spot spot = space_spot(call->space, call->words[word]);

    if (spot.entry && entry_expired(spot.entry, call->now_ms)) {
        space_delete(call->space, &spot);
        call_tell(call, NOTICE_EXPIRED, "expired", spot.name);
    }
    return spot;
}

bool call_has_type(struct call *call, const struct spot *spot, enum value_type type)
{
    if (!spot->entry || spot->entry->type == type)
        return true;
    reply_wrong_type(call);
    return false;
}

void *spot_value(const struct spot *spot)
{
    return spot->entry ? entry_value(spot->entry) : NULL;
}

static void tell_new(struct call *call, const struct spot *spot)
{
    if (!spot->entry)
        notice(call->notices, NOTICE_NEW, "new", spot->name);
}

void call_put_text(struct call *call, struct spot *spot, struct bytes text, int64_t expires_ms)
{
    tell_new(call, spot);
    space_put_text(call->space, spot, text, expires_ms, call->position);
}

void call_put_number(struct call *call, struct spot *spot, int64_t number, int64_t expires_ms)
{
    tell_new(call, spot);
    space_put_number(call->space, spot, number, expires_ms, call->position);
}

void call_put_value(struct call *call, struct spot *spot, enum value_type type, void *value,
                    int64_t expires_ms)
{
    tell_new(call, spot);
    space_put_value(call->space, spot, type, value, expires_ms, call->position);
}

void call_change(struct call *call, struct spot *spot)
{
    space_change(call->space, spot, call->position);
}

void call_tell(struct call *call, uint32_t class, const char *event, struct bytes name)
{
    notice(call->notices, (enum notice_class) class, event, name);
    notice(call->notices, NOTICE_CHANGED, "", name);
}

void call_delete_empty(struct call *call, struct spot *spot)
{
    space_delete(call->space, spot);
    notice(call->notices, NOTICE_GENERIC, "del", spot->name);
}

static uint32_t class_of(enum value_type type)
{
    static const uint32_t classes[VALUE_TYPES] = {
        [VALUE_STRING] = NOTICE_STRING, [VALUE_LIST] = NOTICE_LIST, [VALUE_SET] = NOTICE_SET,
        [VALUE_SORTED] = NOTICE_SORTED, [VALUE_HASH] = NOTICE_HASH,
    };

    return classes[type];
}

void call_store(struct call *call, uint32_t word, enum value_type type, void *value,
                const char *event)
{
    struct spot spot = call_look_to_change(call, word);

    if (value) {
        call_put_value(call, &spot, type, value, 0);
        call_tell(call, class_of(type), event, spot.name);
    } else if (spot.entry) {
        space_delete(call->space, &spot);
        call_tell(call, NOTICE_GENERIC, "del", spot.name);
    }
}

/* ---- replies ---- */

static void reply_bytes(struct call *call, struct bytes bytes)
{
    if (call->out)
        buf_add(call->out, bytes);
}

/* `:12 CRLF` */
static void reply_mark(struct call *call, char mark, int64_t number)
{
    char text[1 + ENTRY_DIGITS_MAX + 2];
    size_t len;

    if (!call->out)
        return;
    text[0] = mark;
    len = 1 + number_to_text(number, text + 1);
    text[len++] = '\r';
    text[len++] = '\n';
    buf_add(call->out, bytes_of(text, len));
}

void reply_gathered(struct call *call, const struct buf *found)
{
    if (!call->out)
        return;
    buf_add(call->out, buf_bytes(found));
    call->out->full |= found->full;
}

void reply_ok(struct call *call)
{
    reply_bytes(call, BYTES("+OK\r\n"));
}

void reply_simple(struct call *call, const char *text)
{
    if (call->out)
        buf_print(call->out, "+%s\r\n", text);
}

void reply_error(struct call *call, const char *text)
{
    if (call->out)
        buf_print(call->out, "-%s\r\n", text);
}

void reply_errorf(struct call *call, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *at = text; *at; at++) /* it is one line */
        if (*at == '\r' || *at == '\n')
            *at = ' ';
    reply_error(call, text);
}

void reply_wrong_type(struct call *call)
{
    reply_error(call, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

void reply_syntax(struct call *call)
{
    reply_error(call, "ERR syntax error");
}

void reply_number(struct call *call, int64_t number)
{
    reply_mark(call, ':', number);
}

void reply_bulk(struct call *call, struct bytes text)
{
    reply_mark(call, '$', (int64_t)text.len);
    reply_bytes(call, text);
    reply_bytes(call, BYTES("\r\n"));
}

void reply_string(struct call *call, const char *text)
{
    reply_bulk(call, bytes_of_string(text));
}

void reply_bulk_number(struct call *call, int64_t number)
{
    char digits[ENTRY_DIGITS_MAX];

    reply_bulk(call, bytes_of(digits, number_to_text(number, digits)));
}

void reply_null(struct call *call)
{
    reply_bytes(call, call->version3 ? BYTES("_\r\n") : BYTES("$-1\r\n"));
}

void reply_null_array(struct call *call)
{
    reply_bytes(call, call->version3 ? BYTES("_\r\n") : BYTES("*-1\r\n"));
}

void reply_array(struct call *call, uint64_t count)
{
    reply_mark(call, '*', (int64_t)count);
}

void reply_map(struct call *call, uint64_t pairs)
{
    if (call->version3)
        reply_mark(call, '%', (int64_t)pairs);
    else
        reply_mark(call, '*', 2 * (int64_t)pairs);
}

void reply_set(struct call *call, uint64_t count)
{
    reply_mark(call, call->version3 ? '~' : '*', (int64_t)count);
}

void reply_double(struct call *call, double number)
{
    char text[CALL_DOUBLE_MAX];
    size_t len = double_to_text(number, text);

    if (!call->version3) {
        reply_bulk(call, bytes_of(text, len));
        return;
    }
    reply_bytes(call, BYTES(","));
    reply_bytes(call, bytes_of(text, len));
    reply_bytes(call, BYTES("\r\n"));
}

/* ---- arguments ---- */

bool call_number_or(struct call *call, uint32_t word, int64_t *number, const char *error)
{
    if (text_to_number(call->words[word], number))
        return true;
    reply_error(call, error ? error : "ERR value is not an integer or out of range");
    return false;
}

bool call_number(struct call *call, uint32_t word, int64_t *number)
{
    return call_number_or(call, word, number, NULL);
}

bool call_number_within(struct call *call, uint32_t word, int64_t low, int64_t high,
                        const char *error, int64_t *number)
{
    if (!call_number_or(call, word, number, error))
        return false;
    if (*number >= low && *number <= high)
        return true;
    if (error)
        reply_error(call, error);
    else
        reply_errorf(call, "ERR value is out of range, value must between %lld and %lld",
                     (long long)low, (long long)high);
    return false;
}

bool call_count(struct call *call, uint32_t word, int64_t *number)
{
    return call_number_within(call, word, 0, INT64_MAX,
                              "ERR value is out of range, must be positive", number);
}

bool call_double(struct call *call, uint32_t word, double *number, const char *error)
{
    if (text_to_double(call->words[word], number))
        return true;
    reply_error(call, error ? error : "ERR value is not a valid float");
    return false;
}

bool call_is(const struct call *call, uint32_t word, const char *option)
{
    return word < call->count && bytes_equal_nocase(call->words[word], bytes_of_string(option));
}
