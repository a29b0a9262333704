/*
 * Keys of any type: what their commands do to the space. Answers are those of Redis 7.0, word for word.
 */
#include "store/command.h"
#include "store/commands.h"
#include "store/glob.h"
#include "store/notice.h"
#include "store/space.h"
#include "store/value.h"

#include <errno.h>
#include <stdlib.h>

/* ---- deleting ---- */

static void run_del(struct call *call)
{
    int64_t gone = 0;

    for (uint32_t word = 1; word < call->count; word++) {
        struct spot spot = call_look_to_change(call, word);

        if (!spot.entry)
            continue;
        space_delete(call->space, &spot);
        call_tell(call, NOTICE_GENERIC, "del", spot.name);
        gone++;
    }
    reply_number(call, gone);
}

/* The primary found that these have expired. */
static void run_expire_keys(struct call *call)
{
    int64_t gone = 0;

    for (uint32_t word = 1; word < call->count; word++) {
        struct spot spot = space_spot(call->space, call->words[word]);

        if (!spot.entry || !entry_expired(spot.entry, call->now_ms))
            continue;
        space_delete(call->space, &spot);
        call_tell(call, NOTICE_EXPIRED, "expired", spot.name);
        gone++;
    }
    reply_number(call, gone);
}

/* The primary says why, in the place of the write. */
static void run_refuse(struct call *call)
{
    reply_errorf(call, "%.*s", (int)call->words[1].len, (const char *)call->words[1].at);
}

/* The primary chose these, because memory is full. */
static void run_evict_keys(struct call *call)
{
    int64_t gone = 0;

    for (uint32_t word = 1; word < call->count; word++) {
        struct spot spot = space_spot(call->space, call->words[word]);

        if (!spot.entry)
            continue;
        space_delete(call->space, &spot);
        call_tell(call, NOTICE_EVICTED, "evicted", spot.name);
        gone++;
    }
    reply_number(call, gone);
}

static void run_flush(struct call *call)
{
    if (call->count > 2 ||
        (call->count == 2 && !call_is(call, 1, "async") && !call_is(call, 1, "sync"))) {
        reply_syntax(call);
        return;
    }
    space_note_clear(call->space, call->position);
    space_clear(call->space);
    notice(call->notices, NOTICE_FLUSHED, "", (struct bytes){0});
    reply_ok(call);
}

/* ---- looking ---- */

static void run_exists(struct call *call)
{
    int64_t there = 0;

    for (uint32_t word = 1; word < call->count; word++)
        there += call_look(call, word).entry != NULL;
    reply_number(call, there);
}

static const char *type_name(const struct entry *entry)
{
    static const char *const names[VALUE_TYPES] = {
        [VALUE_STRING] = "string", [VALUE_LIST] = "list", [VALUE_SET] = "set",
        [VALUE_SORTED] = "zset",   [VALUE_HASH] = "hash",
    };

    return entry ? names[entry->type] : "none";
}

static void run_type(struct call *call)
{
    reply_simple(call, type_name(call_look(call, 1).entry));
}

static void run_dbsize(struct call *call)
{
    reply_number(call, (int64_t)space_count(call->space));
}

static void run_randomkey(struct call *call)
{
    enum { TRIES = 100 };

    for (int i = 0; i < TRIES; i++) {
        struct entry *entry = space_random(call->space, call->chance);

        if (!entry)
            break;
        if (entry_expired(entry, call->now_ms))
            continue;
        reply_bulk(call, entry_name(entry));
        return;
    }
    reply_null(call);
}

/* ---- scans ---- */

bool scan_cursor(struct call *call, uint32_t word, struct scan_options *options)
{
    char text[32], *end;

    *options = (struct scan_options){.count = 10};
    bytes_to_string(call->words[word], text, sizeof text);
    errno = 0;
    options->cursor = strtoul(text, &end, 10);
    if (call->words[word].len < sizeof text && text[0] != ' ' &&
        (text[0] < '\t' || text[0] > '\r') && *end == '\0' && end == text + call->words[word].len &&
        errno != ERANGE)
        return true;
    reply_error(call, "ERR invalid cursor");
    return false;
}

bool scan_read_options(struct call *call, uint32_t word, struct scan_options *options)
{
    bool keys = word == 2;

    for (; word < call->count; word += 2) {
        bool more = word + 1 < call->count;

        if (more && call_is(call, word, "count")) {
            if (!call_number(call, word + 1, &options->count))
                return false;
            if (options->count >= 1)
                continue;
        } else if (more && call_is(call, word, "match")) {
            options->pattern = call->words[word + 1];
            continue;
        } else if (more && keys && call_is(call, word, "type")) {
            options->type = call->words[word + 1];
            continue;
        }
        reply_syntax(call);
        return false;
    }
    return true;
}

bool scan_wants(const struct scan_options *options, struct bytes name)
{
    return !options->pattern.at || glob_matches(options->pattern, name);
}

void scan_begin_reply(struct scan_reply *reply, struct call *call)
{
    reply->call = call;
    reply->count = 0;
    buf_init(&reply->found, reply_room(call));
}

void scan_add(struct scan_reply *reply, struct bytes element)
{
    struct call into = *reply->call;

    into.out = &reply->found;
    reply_bulk(&into, element);
    reply->count++;
}

void scan_end_reply(struct scan_reply *reply)
{
    struct call *call = reply->call;
    char text[ENTRY_DIGITS_MAX];
    struct buf cursor;

    buf_over(&cursor, text, sizeof text);
    buf_add_number(&cursor, reply->options.cursor);
    reply_array(call, 2);
    reply_bulk(call, buf_bytes(&cursor));
    reply_array(call, reply->count);
    reply_gathered(call, &reply->found);
    buf_fini(&reply->found);
}

static void scan_key(void *context, struct entry *entry)
{
    struct scan_reply *reply = context;
    const struct scan_options *options = &reply->options;

    if (entry_expired(entry, reply->call->now_ms))
        return;
    if (options->type.at && !bytes_equal_nocase(options->type, bytes_of_string(type_name(entry))))
        return;
    if (scan_wants(options, entry_name(entry)))
        scan_add(reply, entry_name(entry));
}

struct counted_visit {
    struct scan_reply *reply;
    int64_t seen;
};

static void scan_counted(void *context, struct entry *entry)
{
    struct counted_visit *visit = context;

    visit->seen++;
    scan_key(visit->reply, entry);
}

static void run_scan(struct call *call)
{
    enum { EMPTY_BUCKETS = 10 }; /* for each key that was asked for */
    struct scan_reply reply;
    struct counted_visit visit = {&reply, 0};
    struct scan_options *options = &reply.options;
    int64_t steps;

    if (!scan_cursor(call, 1, options) || !scan_read_options(call, 2, options))
        return;
    scan_begin_reply(&reply, call);
    steps = options->count > INT64_MAX / EMPTY_BUCKETS ? INT64_MAX : options->count * EMPTY_BUCKETS;
    do
        options->cursor = space_scan(call->space, options->cursor, scan_counted, &visit);
    while (options->cursor && visit.seen < options->count && --steps > 0 && !reply.found.full);
    scan_end_reply(&reply);
}

static void run_keys(struct call *call)
{
    struct scan_reply reply = {.options = {.pattern = call->words[1]}};
    uint64_t cursor = 0;

    scan_begin_reply(&reply, call);
    do
        cursor = space_scan(call->space, cursor, scan_key, &reply);
    while (cursor && !reply.found.full);
    reply_array(call, reply.count);
    reply_gathered(call, &reply.found);
    buf_fini(&reply.found);
}

/* ---- expiry ---- */

enum { EXPIRE_NX = 1, EXPIRE_XX = 2, EXPIRE_GT = 4, EXPIRE_LT = 8 };

static bool read_expire_flags(struct call *call, uint32_t *flags)
{
    static const struct {
        const char *name;
        uint32_t flag;
    } names[] = {{"nx", EXPIRE_NX}, {"xx", EXPIRE_XX}, {"gt", EXPIRE_GT}, {"lt", EXPIRE_LT}};

    *flags = 0;
    for (uint32_t word = 3; word < call->count; word++) {
        uint32_t flag = 0;

        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            flag |= call_is(call, word, names[i].name) ? names[i].flag : 0;
        if (!flag) {
            reply_errorf(call, "ERR Unsupported option %.*s", (int)call->words[word].len,
                         (const char *)call->words[word].at);
            return false;
        }
        *flags |= flag;
    }
    if (*flags & EXPIRE_NX && *flags & ~(uint32_t)EXPIRE_NX)
        reply_error(call, "ERR NX and XX, GT or LT options at the same time are not compatible");
    else if ((*flags & (EXPIRE_GT | EXPIRE_LT)) == (EXPIRE_GT | EXPIRE_LT))
        reply_error(call, "ERR GT and LT options at the same time are not compatible");
    else
        return true;
    return false;
}

static bool flags_allow(uint32_t flags, int64_t before, int64_t when)
{
    if (flags & EXPIRE_NX && before)
        return false;
    if (flags & EXPIRE_XX && !before)
        return false;
    if (flags & EXPIRE_GT && (!before || when <= before))
        return false;
    return !(flags & EXPIRE_LT && before && when >= before);
}

static void expire(struct call *call, int64_t unit_ms, int64_t base_ms)
{
    struct spot spot;
    uint32_t flags;
    int64_t when;

    if (!read_expire_flags(call, &flags) || !call_number(call, 2, &when))
        return;
    if (__builtin_mul_overflow(when, unit_ms, &when) || when > INT64_MAX - base_ms) {
        reply_errorf(call, "ERR invalid expire time in '%s' command", call->command->name);
        return;
    }
    when += base_ms;
    spot = call_look_to_change(call, 1);
    if (!spot.entry || !flags_allow(flags, entry_expires(spot.entry), when)) {
        reply_number(call, 0);
        return;
    }
    if (when <= call->now_ms) {
        space_delete(call->space, &spot);
        call_tell(call, NOTICE_GENERIC, "del", spot.name);
    } else {
        space_expire(call->space, &spot, when, call->position);
        call_tell(call, NOTICE_GENERIC, "expire", spot.name);
    }
    reply_number(call, 1);
}

static void run_expire(struct call *call)
{
    expire(call, 1000, call->now_ms);
}

static void run_pexpire(struct call *call)
{
    expire(call, 1, call->now_ms);
}

static void run_expireat(struct call *call)
{
    expire(call, 1000, 0);
}

static void run_pexpireat(struct call *call)
{
    expire(call, 1, 0);
}

/* What is left, or when: in milliseconds, or rounded to seconds. */
static void reply_expiry(struct call *call, bool seconds, int64_t base_ms)
{
    struct spot spot = call_look(call, 1);
    int64_t ms;

    if (!spot.entry || !spot.entry->timed) {
        reply_number(call, spot.entry ? -1 : -2);
        return;
    }
    ms = entry_expires(spot.entry) - base_ms;
    reply_number(call, seconds ? (int64_t)(((uint64_t)ms + 500) / 1000) : ms);
}

static void run_ttl(struct call *call)
{
    reply_expiry(call, true, call->now_ms);
}

static void run_pttl(struct call *call)
{
    reply_expiry(call, false, call->now_ms);
}

static void run_expiretime(struct call *call)
{
    reply_expiry(call, true, 0);
}

static void run_pexpiretime(struct call *call)
{
    reply_expiry(call, false, 0);
}

static void run_persist(struct call *call)
{
    struct spot spot = call_look_to_change(call, 1);
    bool timed = spot.entry && spot.entry->timed;

    if (timed) {
        space_expire(call->space, &spot, 0, call->position);
        call_tell(call, NOTICE_GENERIC, "persist", spot.name);
    }
    reply_number(call, timed);
}

/* ---- moving and copying ---- */

/* A string's text, copied to where it stays while other keys change. */
static struct bytes copy_of_text(const struct entry *entry)
{
    char digits[ENTRY_DIGITS_MAX];
    struct bytes text = entry_text(entry, digits);
    uint8_t *copy = malloc(text.len + 1);

    must(copy);
    if (text.len)
        memcpy(copy, text.at, text.len);
    return bytes_of(copy, text.len);
}

static void put_text_as(struct call *call, struct spot *to, struct bytes text, enum text_form form,
                        int64_t expires_ms)
{
    if (!to->entry)
        notice(call->notices, NOTICE_NEW, "new", to->name);
    if (form == TEXT_NUMBER)
        space_put_text(call->space, to, text, expires_ms, call->position);
    else if (form != TEXT_RAW)
        space_put_plain(call->space, to, text, expires_ms, call->position);
    if (form != TEXT_RAW)
        return;
    if (to->entry)
        space_delete(call->space, to);
    space_write_text(call->space, to, 0, text, call->position);
    if (expires_ms)
        space_expire(call->space, to, expires_ms, call->position);
}

static void rename_key(struct call *call, bool only_new)
{
    struct spot from = call_look_to_change(call, 1), to;
    bool same = bytes_equal(call->words[1], call->words[2]);
    struct bytes text = {0};
    enum value_type type;
    int64_t expires_ms;
    enum text_form form;
    void *value;

    if (!from.entry) {
        reply_error(call, "ERR no such key");
        return;
    }
    to = same ? from : call_look_to_change(call, 2);
    if (same || (only_new && to.entry)) {
        if (only_new)
            reply_number(call, 0);
        else
            reply_ok(call);
        return;
    }
    type = (enum value_type)from.entry->type;
    expires_ms = entry_expires(from.entry);
    form = (enum text_form)from.entry->form;
    if (type == VALUE_STRING)
        text = copy_of_text(from.entry);
    value = space_take_value(call->space, &from);
    if (type == VALUE_STRING)
        put_text_as(call, &to, text, form, expires_ms);
    else
        call_put_value(call, &to, type, value, expires_ms);
    free((void *)(uintptr_t)text.at);
    call_tell(call, NOTICE_GENERIC, "rename_from", from.name);
    call_tell(call, NOTICE_GENERIC, "rename_to", to.name);
    if (only_new)
        reply_number(call, 1);
    else
        reply_ok(call);
}

static void run_rename(struct call *call)
{
    rename_key(call, false);
}

static void run_renamenx(struct call *call)
{
    rename_key(call, true);
}

static void *copy_of_value(struct call *call, const struct entry *entry)
{
    switch ((enum value_type)entry->type) {
    case VALUE_LIST:
        return series_copy(entry_value(entry), call_heap(call));
    case VALUE_SET:
        return set_copy(entry_value(entry), call_heap(call));
    case VALUE_SORTED:
        return sorted_copy(entry_value(entry), call_heap(call));
    case VALUE_HASH:
        return map_copy(entry_value(entry), call_heap(call));
    case VALUE_STRING:
    case VALUE_TYPES:
        break;
    }
    never("not a value of its own");
}

static bool read_copy_options(struct call *call, bool *replace)
{
    int64_t db;

    *replace = false;
    for (uint32_t word = 3; word < call->count; word++) {
        if (call_is(call, word, "replace")) {
            *replace = true;
        } else if (call_is(call, word, "db") && word + 1 < call->count) {
            if (!call_number(call, ++word, &db))
                return false;
            if (db != 0) {
                reply_error(call, "ERR DB index is out of range");
                return false;
            }
        } else {
            reply_syntax(call);
            return false;
        }
    }
    if (!bytes_equal(call->words[1], call->words[2]))
        return true;
    reply_error(call, "ERR source and destination objects are the same");
    return false;
}

static void run_copy(struct call *call)
{
    struct spot from, to;
    struct bytes text;
    int64_t expires_ms;
    bool replace;

    if (!read_copy_options(call, &replace))
        return;
    call_look_to_change(call, 1);
    to = call_look_to_change(call, 2);
    from = space_spot(call->space, call->words[1]);
    if (!from.entry || (to.entry && !replace)) {
        reply_number(call, 0);
        return;
    }
    expires_ms = entry_expires(from.entry);
    if (from.entry->type == VALUE_STRING) {
        text = copy_of_text(from.entry);
        put_text_as(call, &to, text, (enum text_form)from.entry->form, expires_ms);
        free((void *)(uintptr_t)text.at);
    } else {
        call_put_value(call, &to, (enum value_type)from.entry->type,
                       copy_of_value(call, from.entry), expires_ms);
    }
    call_tell(call, NOTICE_GENERIC, "copy_to", to.name);
    reply_number(call, 1);
}

/* ---- what a key is made of ---- */

static const char *encoding_name(const struct entry *entry)
{
    enum { EMBEDDED_MAX = 44 };

    switch ((enum value_type)entry->type) {
    case VALUE_STRING:
        if (entry->form == TEXT_NUMBER)
            return "int";
        return entry->form == TEXT_SHORT && entry->text_len <= EMBEDDED_MAX ? "embstr" : "raw";
    case VALUE_LIST:
        return "quicklist";
    case VALUE_SET:
        return set_is_ints(entry_value(entry)) ? "intset" : "hashtable";
    case VALUE_SORTED:
        return sorted_is_small(entry_value(entry)) ? "listpack" : "skiplist";
    case VALUE_HASH:
        return map_is_small(entry_value(entry)) ? "listpack" : "hashtable";
    case VALUE_TYPES:
        break;
    }
    never("no such type");
}

/* What OBJECT asks for, without marking it as used. NULL: replied that there is none. */
static struct entry *look_at(struct call *call)
{
    struct spot spot = space_spot(call->space, call->words[2]);

    if (spot.entry && !entry_expired(spot.entry, call->now_ms))
        return spot.entry;
    reply_null(call);
    return NULL;
}

static void run_object_encoding(struct call *call)
{
    const struct entry *entry = look_at(call);

    if (entry)
        reply_string(call, encoding_name(entry));
}

static void run_object_refcount(struct call *call)
{
    enum { SHARED_BELOW = 10000 }; /* Redis shares them, and says so */
    const struct entry *entry = look_at(call);
    int64_t number;

    if (!entry)
        return;
    if (entry->type == VALUE_STRING && entry->form == TEXT_NUMBER && entry_number(entry, &number) &&
        number >= 0 && number < SHARED_BELOW)
        reply_number(call, INT32_MAX);
    else
        reply_number(call, 1);
}

static void run_object_idletime(struct call *call)
{
    const struct entry *entry = look_at(call);

    if (!entry)
        return;
    if (space_frequency(call->space, entry, call->now_ms) >= 0)
        reply_error(call, "ERR An LFU maxmemory policy is selected, idle time not tracked. Please "
                          "note that when switching between policies at runtime LRU and LFU data "
                          "will take some time to adjust.");
    else
        reply_number(call, space_idle_s(call->space, entry, call->now_ms));
}

static void run_object_freq(struct call *call)
{
    const struct entry *entry = look_at(call);
    int frequency;

    if (!entry)
        return;
    frequency = space_frequency(call->space, entry, call->now_ms);
    if (frequency < 0)
        reply_error(call, "ERR An LFU maxmemory policy is not selected, access frequency not "
                          "tracked. Please note that when switching between policies at runtime "
                          "LRU and LFU data will take some time to adjust.");
    else
        reply_number(call, frequency);
}

static void run_object_help(struct call *call)
{
    static const char *const lines[] = {
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        "HELP",
        "    Prints this help.",
    };

    reply_array(call, sizeof lines / sizeof *lines);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        reply_simple(call, lines[i]);
}

static void run_memory_usage(struct call *call)
{
    int64_t samples = 5;
    struct entry *entry;

    for (uint32_t word = 3; word < call->count; word += 2) {
        if (!call_is(call, word, "samples") || word + 1 >= call->count) {
            reply_syntax(call);
            return;
        }
        if (!call_number(call, word + 1, &samples))
            return;
        if (samples < 0) {
            reply_syntax(call);
            return;
        }
    }
    entry = look_at(call);
    if (entry)
        reply_number(call, (int64_t)space_usage(call->space, entry, (uint64_t)samples));
}

enum {
    READ = COMMAND_READ,
    READ_FAST = COMMAND_READ | COMMAND_FAST,
    WRITE = COMMAND_WRITE,
    WRITE_FAST = COMMAND_WRITE | COMMAND_FAST,
    DANGER = COMMAND_DANGEROUS,
    INTERNAL = COMMAND_WRITE | COMMAND_INTERNAL,
    KEY = CATEGORY_KEYSPACE,
};

const struct command commands_key[] = {
    {"copy", -3, WRITE | COMMAND_GROWS, KEY, 1, 2, 1, run_copy,
     "source destination [DB 0] [REPLACE]", "Copies a key, with its expiry."},
    {"dbsize", 1, READ_FAST, KEY, 0, 0, 0, run_dbsize, "", "How many keys there are."},
    {"del", -2, WRITE, KEY, 1, -1, 1, run_del, "key [key ...]", "Deletes keys."},
    {"exists", -2, READ_FAST, KEY, 1, -1, 1, run_exists, "key [key ...]",
     "How many of the keys are there."},
    {"expire", -3, WRITE_FAST, KEY, 1, 1, 1, run_expire, "key seconds [NX | XX | GT | LT]",
     "Sets when a key expires."},
    {"expireat", -3, WRITE_FAST, KEY, 1, 1, 1, run_expireat, "key seconds [NX | XX | GT | LT]",
     "Sets when a key expires, since 1970."},
    {"expiretime", 2, READ_FAST, KEY, 1, 1, 1, run_expiretime, "key",
     "When a key expires, since 1970."},
    {"flushall", -1, WRITE | DANGER, KEY, 0, 0, 0, run_flush, "[ASYNC | SYNC]",
     "Deletes all keys."},
    {"flushdb", -1, WRITE | DANGER, KEY, 0, 0, 0, run_flush, "[ASYNC | SYNC]", "Deletes all keys."},
    {"keys", 2, READ | DANGER, KEY, 0, 0, 0, run_keys, "pattern",
     "All keys that match a pattern. Takes long when there are many: `SCAN` does not."},
    {"memory", -2, READ | COMMAND_CONTAINER, KEY, 0, 0, 0, NULL, "", "About memory."},
    {"memory|usage", -3, READ, KEY, 2, 2, 1, run_memory_usage, "key [SAMPLES count]",
     "How many bytes a key takes."},
    {"object", -2, READ | COMMAND_CONTAINER, KEY, 0, 0, 0, NULL, "", "About how a value is held."},
    {"object|encoding", 3, READ, KEY, 2, 2, 1, run_object_encoding, "key",
     "How Redis would hold a value like this."},
    {"object|freq", 3, READ, KEY, 2, 2, 1, run_object_freq, "key",
     "How often it was used here: a logarithm."},
    {"object|help", 2, READ, KEY, 0, 0, 0, run_object_help, "", "The subcommands."},
    {"object|idletime", 3, READ, KEY, 2, 2, 1, run_object_idletime, "key",
     "For how many seconds it was not used here."},
    {"object|refcount", 3, READ, KEY, 2, 2, 1, run_object_refcount, "key", "What Redis would say."},
    {"persist", 2, WRITE_FAST, KEY, 1, 1, 1, run_persist, "key", "Lets a key never expire."},
    {"pexpire", -3, WRITE_FAST, KEY, 1, 1, 1, run_pexpire, "key milliseconds [NX | XX | GT | LT]",
     "Sets when a key expires."},
    {"pexpireat", -3, WRITE_FAST, KEY, 1, 1, 1, run_pexpireat,
     "key milliseconds [NX | XX | GT | LT]", "Sets when a key expires, since 1970."},
    {"pexpiretime", 2, READ_FAST, KEY, 1, 1, 1, run_pexpiretime, "key",
     "When a key expires, in milliseconds since 1970."},
    {"pttl", 2, READ_FAST, KEY, 1, 1, 1, run_pttl, "key",
     "In how many milliseconds a key expires."},
    {"randomkey", 1, READ, KEY, 0, 0, 0, run_randomkey, "", "Any key."},
    {"rename", 3, WRITE, KEY, 1, 2, 1, run_rename, "key newkey", "Renames a key."},
    {"renamenx", 3, WRITE_FAST, KEY, 1, 2, 1, run_renamenx, "key newkey",
     "Renames a key if there is none of the new name."},
    {"scan", -2, READ, KEY, 0, 0, 0, run_scan, "cursor [MATCH pattern] [COUNT count] [TYPE type]",
     "Some of the keys, and where to go on."},
    {"touch", -2, READ_FAST, KEY, 1, -1, 1, run_exists, "key [key ...]",
     "Marks keys as used, and says how many there are."},
    {"ttl", 2, READ_FAST, KEY, 1, 1, 1, run_ttl, "key", "In how many seconds a key expires."},
    {"type", 2, READ_FAST, KEY, 1, 1, 1, run_type, "key", "The type of a key's value."},
    {"unlink", -2, WRITE_FAST, KEY, 1, -1, 1, run_del, "key [key ...]", "Deletes keys."},
    {"@evict", -2, INTERNAL, KEY, 1, -1, 1, run_evict_keys, "key [key ...]",
     "The primary's own: deletes keys, because memory is full."},
    {"@refuse", 2, INTERNAL, KEY, 0, 0, 0, run_refuse, "error",
     "The primary's own: what takes the turn of a write that another member sent and that memory "
     "is missing for."},
    {"@expire", -2, INTERNAL, KEY, 1, -1, 1, run_expire_keys, "key [key ...]",
     "The primary's own: deletes keys that have expired."},
    {0},
};
