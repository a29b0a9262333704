/*
 * CONFIG: a table of what there is, by Redis's names. What is set holds for this member and until it restarts; nines.yaml is what lasts.
 */
#include "store/session_parts.h"

#include "store/glob.h"

#include <stdio.h>

enum kind {
    KIND_FIXED, /* a text that nobody sets */
    KIND_NUMBER,
    KIND_MEMORY,
    KIND_POLICY,
    KIND_CLASSES, /* of keyspace notifications */
    KIND_CONSISTENCY,
    KIND_DIRECTORY,
    KIND_PORT,
};

struct setting {
    const char *name;
    enum kind kind;
    size_t field; /* of struct desk_settings */
    int64_t low, high;
    const char *text;
};

#define FIELD(member) offsetof(struct desk_settings, member)

static const struct setting settings[] = {
    {"appendfsync", KIND_FIXED, 0, 0, 0, "always"},
    {"appendonly", KIND_FIXED, 0, 0, 0, "yes"},
    {"client-consistency", KIND_CONSISTENCY, FIELD(consistency), 0, 0, NULL},
    {"client-output-buffer-limit-bytes", KIND_MEMORY, FIELD(out_max), 64 << 10, SESSION_OUT_MAX,
     NULL},
    {"client-query-buffer-limit", KIND_FIXED, 0, 0, 0, "16777216"},
    {"databases", KIND_FIXED, 0, 0, 0, "1"},
    {"dir", KIND_DIRECTORY, 0, 0, 0, NULL},
    {"hold-ms", KIND_NUMBER, FIELD(hold_ms), 0, 3600000, NULL},
    {"maxclients", KIND_NUMBER, FIELD(clients_max), 1, SESSIONS_MAX, NULL},
    {"maxmemory", KIND_MEMORY, FIELD(memory_max), 0, INT64_MAX, NULL},
    {"maxmemory-policy", KIND_POLICY, FIELD(policy), 0, 0, NULL},
    {"notify-keyspace-events", KIND_CLASSES, FIELD(notify), 0, 0, NULL},
    {"port", KIND_PORT, 0, 0, 0, NULL},
    {"proto-max-bulk-len", KIND_FIXED, 0, 0, 0, "8388608"},
    {"save", KIND_FIXED, 0, 0, 0, ""},
    {"timeout", KIND_NUMBER, FIELD(idle_s), 0, INT32_MAX, NULL},
};

static int64_t *number_of(struct desk *desk, const struct setting *setting)
{
    return (int64_t *)((char *)&desk->settings + setting->field);
}

/* ---- showing ---- */

static void write_classes(uint32_t classes, struct buf *out)
{
    static const struct {
        char letter;
        uint32_t class;
    } letters[] = {{'g', NOTICE_GENERIC},  {'$', NOTICE_STRING},  {'l', NOTICE_LIST},
                   {'s', NOTICE_SET},      {'h', NOTICE_HASH},    {'z', NOTICE_SORTED},
                   {'x', NOTICE_EXPIRED},  {'e', NOTICE_EVICTED}, {'n', NOTICE_NEW},
                   {'K', NOTICE_KEYSPACE}, {'E', NOTICE_KEYEVENT}};
    bool all = (classes & NOTICE_ALL) == NOTICE_ALL;

    if (all)
        buf_add_byte(out, 'A');
    for (size_t i = 0; i < ARRAY_LEN(letters); i++)
        if ((classes & letters[i].class) && !(all && (letters[i].class & NOTICE_ALL)))
            buf_add_byte(out, (uint8_t)letters[i].letter);
}

static void write_value(struct desk *desk, const struct setting *setting, struct buf *out)
{
    switch (setting->kind) {
    case KIND_FIXED:
        buf_add_string(out, setting->text);
        break;
    case KIND_NUMBER:
    case KIND_MEMORY:
        buf_add_number(out, (uint64_t)*number_of(desk, setting));
        break;
    case KIND_POLICY:
        buf_add_string(out, desk_policy_name((enum desk_policy)desk->settings.policy));
        break;
    case KIND_CLASSES:
        write_classes(desk->settings.notify, out);
        break;
    case KIND_CONSISTENCY:
        buf_add_string(out,
                       store_consistency_name((enum store_consistency)desk->settings.consistency));
        break;
    case KIND_DIRECTORY:
        buf_add_string(out, desk->settings.directory);
        break;
    case KIND_PORT:
        buf_add_number(out, desk->settings.port);
        break;
    }
}

static bool is_wanted(const struct setting *setting, const struct call *call)
{
    char lower[128];

    for (uint32_t i = 2; i < call->count; i++) {
        size_t len = call->words[i].len < sizeof lower ? call->words[i].len : sizeof lower;

        for (size_t at = 0; at < len; at++)
            lower[at] = (char)(call->words[i].at[at] >= 'A' && call->words[i].at[at] <= 'Z'
                                   ? call->words[i].at[at] | 0x20
                                   : call->words[i].at[at]);
        if (glob_matches(bytes_of(lower, len), bytes_of_string(setting->name)))
            return true;
    }
    return false;
}

enum step handle_config_get(struct desk *desk, struct session *session, struct call *call)
{
    uint64_t count = 0;

    (void)session;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        count += is_wanted(&settings[i], call);
    reply_map(call, count);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        if (!is_wanted(&settings[i], call))
            continue;
        buf_clear(&desk->scratch);
        write_value(desk, &settings[i], &desk->scratch);
        reply_string(call, settings[i].name);
        reply_bulk(call, buf_bytes(&desk->scratch));
    }
    return STEP_DONE;
}

/* ---- setting ---- */

/* `100mb`, as Redis counts: k is 1000, kb 1024. */
static bool read_memory(struct bytes text, int64_t *bytes)
{
    static const struct {
        const char *unit;
        int64_t factor;
    } units[] = {{"", 1},        {"b", 1},        {"k", 1000},       {"kb", 1 << 10},
                 {"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30}};
    size_t digits = 0;

    while (digits < text.len && text.at[digits] >= '0' && text.at[digits] <= '9')
        digits++;
    if (!text_to_number(bytes_take(text, digits), bytes))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (bytes_equal_nocase(bytes_skip(text, digits), bytes_of_string(units[i].unit))) {
            if (*bytes > INT64_MAX / units[i].factor)
                return false;
            *bytes *= units[i].factor;
            return true;
        }
    return false;
}

/* NULL: well. */
static const char *set_number(const struct setting *setting, struct bytes value, int64_t *into)
{
    int64_t number;

    if (setting->kind == KIND_MEMORY ? !read_memory(value, &number)
                                     : !text_to_number(value, &number))
        return setting->kind == KIND_MEMORY ? "argument must be a memory value"
                                            : "argument couldn't be parsed into an integer";
    if (number < setting->low || number > setting->high)
        return "argument must be between the least and the greatest value that there is";
    *into = number;
    return NULL;
}

static const char *set_policy(struct desk_settings *to, struct bytes value)
{
    for (int i = 0; i < POLICIES; i++)
        if (bytes_equal_nocase(value, bytes_of_string(desk_policy_name((enum desk_policy)i)))) {
            to->policy = i;
            return NULL;
        }
    return "argument(s) must be one of the following: volatile-lru, volatile-lfu, volatile-random, "
           "volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, noeviction";
}

static const char *set_consistency(struct desk_settings *to, struct bytes value)
{
    for (int i = STORE_STRONG; i <= STORE_EVENTUAL; i++)
        if (bytes_equal_nocase(
                value, bytes_of_string(store_consistency_name((enum store_consistency)i)))) {
            to->consistency = i;
            return NULL;
        }
    return "argument(s) must be one of the following: strong, session, bounded, eventual";
}

static const char *set_one(struct desk_settings *to, const struct setting *setting,
                           struct bytes value)
{
    switch (setting->kind) {
    case KIND_NUMBER:
    case KIND_MEMORY:
        return set_number(setting, value, (int64_t *)((char *)to + setting->field));
    case KIND_POLICY:
        return set_policy(to, value);
    case KIND_CLASSES:
        return notice_parse(value, &to->notify)
                   ? NULL
                   : "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
    case KIND_CONSISTENCY:
        return set_consistency(to, value);
    case KIND_FIXED:
    case KIND_DIRECTORY:
    case KIND_PORT:
        break;
    }
    return "can't set immutable config";
}

static const struct setting *find(struct bytes name)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (bytes_equal_nocase(name, bytes_of_string(settings[i].name)))
            return &settings[i];
    return NULL;
}

/* All of it, or nothing. */
enum step handle_config_set(struct desk *desk, struct session *session, struct call *call)
{
    struct desk_settings changed = desk->settings;

    (void)session;
    for (uint32_t i = 2; i < call->count; i += 2) {
        const struct setting *setting = i + 1 < call->count ? find(call->words[i]) : NULL;
        const char *why;

        if (!setting) {
            reply_errorf(call, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                         (int)(call->words[i].len < 64 ? call->words[i].len : 64),
                         (const char *)call->words[i].at);
            return STEP_DONE;
        }
        why = set_one(&changed, setting, call->words[i + 1]);
        if (why) {
            reply_errorf(call, "ERR CONFIG SET failed (possibly related to argument '%s') - %s",
                         setting->name, why);
            return STEP_DONE;
        }
    }
    desk->settings = changed;
    desk_listen(desk);
    reply_ok(call);
    return STEP_DONE;
}

enum step handle_config_resetstat(struct desk *desk, struct session *session, struct call *call)
{
    (void)session;
    desk->counts = (struct desk_counts){0};
    reply_ok(call);
    return STEP_DONE;
}
